// SPDX-License-Identifier: MIT
/*
 * An instruction that can't be emulated: the guest's kernel ends KVM_RUN, its programs get #UD,
 * and KVM_CAP_EXIT_ON_EMULATION_FAILURE ends KVM_RUN for both.
 */
#include "kvmtest.h"

GUEST(ef_load);
GUEST(ef_handler);

#define DEVICE 0xd0000000UL
#define IDT 0x30000UL
#define GDT 0x31000UL
#define TSS 0x32000UL
#define HANDLER 0x33000UL
#define KERNEL_STACK 0x35000UL
#define RIP (KT_CODE + 5) /* of the load */
#define UD 6

static int exit_on_failure(const struct kt_vm *vm, uint64_t arg)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE, .args = { arg } };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static void tables(const struct kt_guest *g)
{
	uint64_t *idt = (uint64_t *)(g->mem + IDT), *gdt = (uint64_t *)(g->mem + GDT);
	const uint64_t stack = KERNEL_STACK;

	idt[2 * UD] = (HANDLER & 0xffff) | 8 << 16 | 0x8e00ULL << 32 | (HANDLER >> 16) << 48;
	gdt[1] = 0x00af9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	memcpy(g->mem + TSS + 4, &stack, sizeof(stack));
	memcpy(g->mem + HANDLER, ef_handler, kt_code_size(CODE(ef_handler)));
}

static struct kt_guest start(uint8_t cpl)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(ef_load));
	struct kvm_sregs s = kt_sregs(&g.vcpu);

	tables(&g);
	s.idt.base = IDT;
	s.idt.limit = 32 * 16 - 1;
	s.gdt.base = GDT;
	s.gdt.limit = 23;
	s.tr.base = TSS;
	s.tr.limit = 0x67;
	s.cs.dpl = s.ss.dpl = cpl;
	s.cs.selector |= cpl;
	s.ss.selector |= cpl;
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_SREGS, &s) == 0);
	return g;
}

static struct kvm_vcpu_events events_of(const struct kt_guest *g)
{
	struct kvm_vcpu_events events;

	REQUIRE(ioctl(g->vcpu.fd, KVM_GET_VCPU_EVENTS, &events) == 0);
	return events;
}

static void check_failure(const struct kt_guest *g)
{
	const struct kvm_run *run = g->vcpu.run;
	static const uint8_t fld[] = { 0xd9, 0x07 };

	RUN(&g->vcpu, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(run->emulation_failure.suberror, KVM_INTERNAL_ERROR_EMULATION);
	if (run->emulation_failure.ndata >= 3 && run->emulation_failure.flags & 1) {
		CHECK(run->emulation_failure.insn_size >= sizeof(fld));
		CHECK(!memcmp(run->emulation_failure.insn_bytes, fld, sizeof(fld)));
	}
	CHECK_EQ(kt_regs(&g->vcpu).rip, RIP);
}

static void check_ud(const struct kt_guest *g)
{
	RUN(&g->vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g->vcpu).rip, HANDLER + kt_code_size(CODE(ef_handler)));
	CHECK_EQ(kt_regs(&g->vcpu).rdx, RIP);
}

static void arguments(void)
{
	struct kt_vm vm = kt_vm_create();

	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_EXIT_ON_EMULATION_FAILURE), 1);
	CHECK_ERRNO(exit_on_failure(&vm, 2), EINVAL);
	CHECK_ERRNO(exit_on_failure(&vm, ~0ULL), EINVAL);
	CHECK_OK(exit_on_failure(&vm, 1));
	CHECK_OK(exit_on_failure(&vm, 0));
}

/* Whoever goes on all the same has the guest take #UD. */
static void in_the_kernel(void)
{
	struct kt_guest g = start(0);

	check_failure(&g);
	CHECK_EQ(events_of(&g).exception.injected, 1);
	CHECK_EQ(events_of(&g).exception.nr, UD);
	check_ud(&g);
}

static void in_a_program(void)
{
	struct kt_guest g = start(3);

	check_ud(&g);
	CHECK_EQ(kt_sregs(&g.vcpu).cs.dpl, 0);
}

static void with_the_capability(void)
{
	for (uint8_t cpl = 0; cpl <= 3; cpl += 3) {
		struct kt_guest g = start(cpl);

		kt_context("CPL %u", cpl);
		REQUIRE(exit_on_failure(&g.vm, 1) == 0);
		check_failure(&g);
		CHECK_EQ(events_of(&g).exception.injected, 0);
		check_failure(&g);
		REQUIRE(exit_on_failure(&g.vm, 0) == 0);
		if (cpl)
			check_ud(&g);
		kt_guest_close(&g);
	}
}

static const struct kt_test tests[] = {
	{ "emulation failure: the capability", arguments },
	{ "emulation failure: in the guest's kernel", in_the_kernel },
	{ "emulation failure: in a program of the guest", in_a_program },
	{ "emulation failure: KVM_CAP_EXIT_ON_EMULATION_FAILURE", with_the_capability },
};

KT_MAIN(tests)
