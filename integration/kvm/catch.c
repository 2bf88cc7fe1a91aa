// SPDX-License-Identifier: MIT
/* Exceptions of a guest, see catch.h. */
#include "catch.h"

#define VECTORS 32U
#define HANDLER_SIZE 4U

struct gate64 {
	uint16_t low, selector, flags, middle;
	uint32_t high, zero;
};

struct gate32 {
	uint16_t low, selector, flags, high;
};

struct gate16 {
	uint16_t offset, segment;
};

static uint16_t handler(unsigned int vector)
{
	return (uint16_t)(CATCH_HANDLERS + HANDLER_SIZE * vector);
}

static void install_gates(struct kt_guest *g, enum kt_mode mode)
{
	struct gate64 *idt64 = (struct gate64 *)(g->mem + CATCH_IDT);
	struct gate32 *idt32 = (struct gate32 *)(g->mem + CATCH_IDT);
	struct gate16 *ivt = (struct gate16 *)g->mem;

	for (unsigned int i = 0; i < VECTORS; i++) {
		if (mode == KT_REAL)
			ivt[i] = (struct gate16){ handler(i), 0 };
		else if (mode == KT_PROT32)
			idt32[i] = (struct gate32){ handler(i), 8, 0x8e00, 0 };
		else
			idt64[i] = (struct gate64){ handler(i), 8, 0x8e00, 0, 0, 0 };
	}
}

/* OUT of AL to a port in the instruction, HLT: the same bytes in every mode. */
static void install_handlers(struct kt_guest *g)
{
	for (unsigned int i = 0; i < VECTORS; i++) {
		const uint8_t code[HANDLER_SIZE] = { 0xe6, (uint8_t)(CATCH_PORT + i), 0xf4, 0x90 };

		memcpy(g->mem + handler(i), code, sizeof(code));
	}
}

void catch_install(struct kt_guest *g, enum kt_mode mode)
{
	uint64_t *gdt = (uint64_t *)(g->mem + CATCH_GDT);
	struct kvm_sregs s = kt_sregs(&g->vcpu);

	install_handlers(g);
	install_gates(g, mode);
	gdt[1] = mode == KT_LONG64 ? 0x00af9b000000ffff : 0x00cf9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	s.gdt = (struct kvm_dtable){ .base = CATCH_GDT, .limit = 0x7f };
	if (mode != KT_REAL)
		s.idt = (struct kvm_dtable){ .base = CATCH_IDT, .limit = VECTORS * 16 - 1 };
	REQUIRE(ioctl(g->vcpu.fd, KVM_SET_SREGS, &s) == 0);
}

int catch_vector(const struct kt_vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;

	if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT ||
	    run->io.port < CATCH_PORT || run->io.port >= CATCH_PORT + VECTORS)
		return NONE;
	return run->io.port - (int)CATCH_PORT;
}

int catch_run(const struct kt_vcpu *vcpu)
{
	REQUIRE(ioctl(vcpu->fd, KVM_RUN, 0) == 0);
	if (vcpu->run->exit_reason != KVM_EXIT_HLT && catch_vector(vcpu) == NONE) {
		kt_fail(__FILE__, __LINE__, "exit %s (%u) at rip 0x%llx",
			kt_reason(vcpu->run->exit_reason), vcpu->run->exit_reason,
			(unsigned long long)kt_regs(vcpu).rip);
		kt_end();
	}
	return catch_vector(vcpu);
}

int catch_exception(struct kt_guest *g, enum kt_mode mode, struct kt_code code, uint64_t rax)
{
	struct kvm_regs regs;

	kt_guest_load(g, mode, code);
	catch_install(g, mode);
	regs = kt_regs(&g->vcpu);
	regs.rax = rax;
	kt_set_regs(&g->vcpu, &regs);
	return catch_run(&g->vcpu);
}

bool catch_cpu_is_tcg(void)
{
	uint32_t eax = 0x40000000, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ebx == 0x54474354 && ecx == 0x43544743 && edx == 0x47435447;
}
