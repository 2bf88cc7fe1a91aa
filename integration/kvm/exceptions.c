// SPDX-License-Identifier: MIT
/*
 * Exceptions around exits: single steps over what the hypervisor does for the guest, the
 * shadow of MOV SS, faults and errors of emulated instructions, deliveries that touch a device.
 */
#include "catch.h"

GUEST(step_cpuid);
GUEST(step_rdmsr);
GUEST(step_out);
GUEST(step_in);
GUEST(step_load);
GUEST(step_store);
GUEST(step_cr8);
GUEST(step_cr4);
GUEST(step_wbinvd);
GUEST(step_vmmcall);
GUEST(step_nop);
GUEST(load_ss);
GUEST(x87);
GUEST(user_movs);
GUEST(undefined);
GUEST(jump_to_device);
GUEST(halt);

#define DEVICE 0x40000000UL
#define TF 0x100U
#define DR6_BS 0x4000U
#define TSS 0x7800UL
#define USER_STACK 0x8000UL
#define KERNEL_STACK 0x7800UL

static struct kt_guest start(enum kt_mode mode, struct kt_code code)
{
	struct kt_guest g = kt_guest(mode, code);

	kt_set_cpuid(&g.vm, &g.vcpu);
	catch_install(&g, mode);
	return g;
}

static uint64_t dr6_of(const struct kt_guest *g)
{
	struct kvm_debugregs d;

	REQUIRE(ioctl(g->vcpu.fd, KVM_GET_DEBUGREGS, &d) == 0);
	return d.dr6;
}

struct step {
	const char *name;
	struct kt_code code;
	uint32_t exit; /* that comes first; 0: none */
};

#define S(name, exit)                                                                              \
	{                                                                                          \
#name, { step_##name, step_##name##_end }, exit                                    \
	}

static void single_step(const struct step *step)
{
	struct kt_guest g = start(KT_LONG64, step->code);
	struct kvm_regs regs = kt_regs(&g.vcpu);

	kt_context("%s", step->name);
	regs.rflags |= TF;
	regs.rbx = DEVICE;
	regs.rcx = 0xc0000080;
	regs.rdi = 0x6a0;
	regs.rsi = 3;
	kt_set_regs(&g.vcpu, &regs);
	if (step->exit)
		RUN(&g.vcpu, step->exit);
	CHECK_EQ(catch_run(&g.vcpu), DB);
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(*(uint64_t *)(g.mem + regs.rsp), KT_CODE + kt_code_size(step->code) - 1);
	CHECK_EQ(dr6_of(&g) & (DR6_BS | 0xf), DR6_BS);
	CHECK_EQ(regs.rflags & TF, 0);
	kt_guest_close(&g);
}

static void single_steps(void)
{
	static const struct step steps[] = {
		S(nop, 0),
		S(cpuid, 0),
		S(rdmsr, 0),
		S(wbinvd, 0),
		S(vmmcall, 0),
		S(cr4, 0),
		S(cr8, 0),
		S(out, KVM_EXIT_IO),
		S(in, KVM_EXIT_IO),
		S(load, KVM_EXIT_MMIO),
		S(store, KVM_EXIT_MMIO),
	};

	for (unsigned int i = 0; i < KT_LEN(steps); i++) {
		/* Stock KVM 6.1 forgets the step after a write that user space serves. */
		if (steps[i].code.start == step_store && !access("/sys/module/kvm_amd", F_OK))
			continue;
		single_step(&steps[i]);
	}
}

/* A step over HLT wakes the CPU up; stock KVM tells user space of the HLT first. */
static void single_step_of_hlt(void)
{
	struct kt_guest g = start(KT_LONG64, CODE(halt));
	struct kvm_regs regs = kt_regs(&g.vcpu);

	regs.rflags |= TF;
	kt_set_regs(&g.vcpu, &regs);
	RUN(&g.vcpu, access("/sys/module/kvm_amd", F_OK) ? KVM_EXIT_IO : KVM_EXIT_HLT);
	if (g.vcpu.run->exit_reason == KVM_EXIT_HLT)
		RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(catch_vector(&g.vcpu), DB);
	CHECK_EQ(*(uint64_t *)(g.mem + kt_regs(&g.vcpu).rsp), KT_CODE + 1);
}

/* No event comes between MOV SS and the instruction behind it, emulated or not. */
static void shadow_of_mov_ss(void)
{
	struct kt_guest g = start(KT_PROT32, CODE(load_ss));
	struct kvm_interrupt irq = { .irq = 0x11 };
	struct kvm_vcpu_events e;
	struct kvm_regs regs = kt_regs(&g.vcpu);

	regs.rflags |= 0x200;
	kt_set_regs(&g.vcpu, &regs);
	RUN(&g.vcpu, KVM_EXIT_MMIO);
	memset(g.vcpu.run->mmio.data, 0, 8);
	g.vcpu.run->mmio.data[0] = 16;
	g.vcpu.run->immediate_exit = 1;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_RUN, 0), EINTR);
	g.vcpu.run->immediate_exit = 0;
	REQUIRE(ioctl(g.vcpu.fd, KVM_GET_VCPU_EVENTS, &e) == 0);
	CHECK(e.interrupt.shadow != 0);
	CHECK_EQ(g.vcpu.run->ready_for_interrupt_injection, 0);
	CHECK_EQ(kt_sregs(&g.vcpu).ss.selector, 16);
	g.vcpu.run->request_interrupt_window = 1;
	RUN(&g.vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	g.vcpu.run->request_interrupt_window = 0;
	/* TCG doesn't take the shadow over at VMRUN: there it ends before the NOP. */
	CHECK_EQ(kt_regs(&g.vcpu).rip,
		 KT_CODE + kt_code_size(CODE(load_ss)) - (catch_cpu_is_tcg() ? 2 : 1));
	CHECK_OK(ioctl(g.vcpu.fd, KVM_INTERRUPT, &irq));
	CHECK_EQ(catch_run(&g.vcpu), 0x11);
}

/* What can't be emulated is told with its bytes, and costs that guest alone its life. */
static void not_emulated(void)
{
	struct kt_guest g = start(KT_LONG64, CODE(x87));
	struct kvm_regs regs = kt_regs(&g.vcpu);
	const struct kvm_run *run = g.vcpu.run;

	regs.rbx = DEVICE;
	kt_set_regs(&g.vcpu, &regs);
	RUN(&g.vcpu, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(run->emulation_failure.suberror, KVM_INTERNAL_ERROR_EMULATION);
	CHECK(run->emulation_failure.ndata >= 3);
	CHECK_EQ(run->emulation_failure.flags, KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
	CHECK(run->emulation_failure.insn_size >= 2);
	CHECK(!memcmp(run->emulation_failure.insn_bytes, x87, 2));
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE);
	kt_guest_load(&g, KT_LONG64, CODE(halt));
	/* KVM leaves a #UD behind, for whoever goes on. */
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_VCPU_EVENTS, &(struct kvm_vcpu_events){ .flags = 0 }) ==
		0);
	RUN(&g.vcpu, KVM_EXIT_HLT);
}

/* ---- code of a user in 64-bit mode ---- */

static void become_user(struct kt_guest *g)
{
	struct kvm_sregs s = kt_sregs(&g->vcpu);
	struct kvm_regs regs = kt_regs(&g->vcpu);
	const uint64_t rsp0 = KERNEL_STACK;

	s.cs.dpl = s.ss.dpl = s.ds.dpl = s.es.dpl = 3;
	s.cs.selector = 0x1b;
	s.ss.selector = s.ds.selector = s.es.selector = 0x23;
	s.tr = (struct kvm_segment){
		.base = TSS, .limit = 0x67, .selector = 0x28, .type = 11, .present = 1
	};
	memcpy(g->mem + TSS + 4, &rsp0, 8);
	REQUIRE(ioctl(g->vcpu.fd, KVM_SET_SREGS, &s) == 0);
	regs.rsp = USER_STACK;
	regs.rsi = DEVICE;
	kt_set_regs(&g->vcpu, &regs);
}

/* The rights of the user count while his instruction is emulated. */
static void fault_of_a_user(void)
{
	struct kt_guest g = start(KT_LONG64, CODE(user_movs));
	uint64_t *pd = (uint64_t *)(g.mem + KT_TABLES + 2 * KT_PAGE);
	struct kvm_regs regs;
	int vector;

	become_user(&g);
	pd[8] = 0x83; /* 16 MiB, for the kernel only */
	regs = kt_regs(&g.vcpu);
	regs.rdi = 0x1000123;
	kt_set_regs(&g.vcpu, &regs);
	REQUIRE(ioctl(g.vcpu.fd, KVM_RUN, 0) == 0);
	if (g.vcpu.run->exit_reason == KVM_EXIT_MMIO) /* may be read before */
		vector = catch_run(&g.vcpu);
	else
		vector = catch_vector(&g.vcpu);
	CHECK_EQ(vector, PF);
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(*(uint64_t *)(g.mem + regs.rsp), 7); /* a write of the user, to a page */
	CHECK_EQ(*(uint64_t *)(g.mem + regs.rsp + 8), KT_CODE);
	CHECK_EQ(kt_sregs(&g.vcpu).cr2, 0x1000123);
	CHECK_EQ(regs.rsi, DEVICE);
}

/* A user who can make his kernel's VM die would be no user: #UD for him. */
static void not_emulated_for_a_user(void)
{
	struct kt_guest g = start(KT_LONG64, CODE(x87));
	struct kvm_regs regs;

	become_user(&g);
	regs = kt_regs(&g.vcpu);
	regs.rbx = DEVICE;
	kt_set_regs(&g.vcpu, &regs);
	CHECK_EQ(catch_run(&g.vcpu), UD);
}

/* An instruction whose second page is somewhere else in memory. */
static void code_over_two_pages(void)
{
	static const uint8_t code[] = { 0x8b, 0x83, 0x10, 0x00, 0x00, 0x00, 0xf4 };
	struct kt_guest g = start(KT_LONG64, CODE(halt));
	uint64_t *pd = (uint64_t *)(g.mem + KT_TABLES + 2 * KT_PAGE);

	pd[1] = 0x87;
	for (unsigned int in_first = 1; in_first < 6; in_first++) {
		struct kvm_regs regs = { .rflags = 2, .rbx = DEVICE };

		kt_context("%u bytes in the first page", in_first);
		memcpy(g.mem + KT_GUEST_SIZE - in_first, code, in_first);
		memcpy(g.mem, code + in_first, sizeof(code) - in_first);
		regs.rip = KT_GUEST_SIZE - in_first;
		kt_set_regs(&g.vcpu, &regs);
		RUN(&g.vcpu, KVM_EXIT_MMIO);
		CHECK_EQ(g.vcpu.run->mmio.phys_addr, DEVICE + 0x10);
		memcpy(g.vcpu.run->mmio.data, "\x01\x02\x03\x04", 4);
		RUN(&g.vcpu, KVM_EXIT_HLT);
		CHECK_EQ(kt_regs(&g.vcpu).rax, 0x04030201);
		CHECK_EQ(kt_regs(&g.vcpu).rip, KT_GUEST_SIZE - in_first + sizeof(code));
	}
}

/* ---- what no emulator can help: the access isn't one of the instruction at RIP ---- */

static void internal_error(const struct kt_guest *g)
{
	RUN(&g->vcpu, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(g->vcpu.run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
}

static void idt_in_a_device(void)
{
	struct kt_guest g = start(KT_LONG64, CODE(undefined));
	struct kvm_sregs s = kt_sregs(&g.vcpu);

	s.idt.base = DEVICE;
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_SREGS, &s) == 0);
	internal_error(&g);
}

static void stack_in_a_device(void)
{
	struct kt_guest g = start(KT_LONG64, CODE(undefined));
	struct kvm_regs regs = kt_regs(&g.vcpu);

	regs.rsp = DEVICE + 0x800;
	kt_set_regs(&g.vcpu, &regs);
	internal_error(&g);
}

static void code_in_a_device(void)
{
	struct kt_guest g = start(KT_LONG64, CODE(jump_to_device));
	struct kvm_regs regs = kt_regs(&g.vcpu);

	regs.rbx = DEVICE;
	kt_set_regs(&g.vcpu, &regs);
	internal_error(&g);
}

static const struct kt_test tests[] = {
	{ "single steps over exits", single_steps },
	{ "a single step over HLT", single_step_of_hlt },
	{ "the shadow of an emulated MOV SS", shadow_of_mov_ss },
	{ "an instruction that isn't emulated", not_emulated },
	{ "the same of a user", not_emulated_for_a_user },
	{ "a fault of a user's emulated instruction", fault_of_a_user },
	{ "an emulated instruction over two pages", code_over_two_pages },
	{ "the IDT in a device", idt_in_a_device },
	{ "the stack in a device", stack_in_a_device },
	{ "code in a device", code_in_a_device },
};

KT_MAIN(tests)
