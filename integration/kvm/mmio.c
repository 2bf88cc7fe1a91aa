// SPDX-License-Identifier: MIT
/*
 * KVM_EXIT_MMIO: which accesses an instruction makes, in which order and of which size, what
 * becomes of the data, and when the instruction is complete.
 */
#include "mmio.h"

GUEST(moves_16);
GUEST(moves_32);
GUEST(moves_64);
GUEST(extend);
GUEST(again);
GUEST(modify);
GUEST(exchange);
GUEST(strings);
GUEST(stack);
GUEST(crossing);
GUEST(one_read);
GUEST(one_write);
GUEST(fault_order);

#define FLAGS 0x8c5 /* OF, SF, ZF, PF, CF: AF isn't always defined */
#define OF 0x800
#define SF 0x80
#define ZF 0x40
#define PF 0x4
#define CF 0x1

static const struct access moves[] = {
	W(0x10, 1, 0x88),	W(0x12, 2, 0x7788), W(0x14, 4, 0x55667788), R(0x20, 1, 0xa1),
	R(0x21, 1, 0xb2),	R(0x22, 2, 0xc3c4), R(0x24, 4, 0xd5d6d7d8),
	/* 64-bit mode only */
	W(0x18, 8, 0x112233445566b2a1), R(0x28, 8, 0xe1e2e3e4e5e6e7e8),
};

static void check_moves(const struct kt_guest *g, uint64_t rax, struct kt_code code)
{
	struct kvm_regs regs = kt_regs(&g->vcpu);

	CHECK_EQ(regs.rax, rax);
	CHECK_EQ(regs.rcx, 0xc3c4);
	CHECK_EQ(regs.rdx, 0xd5d6d7d8);
	CHECK_EQ(regs.rip, KT_CODE + kt_code_size(code));
}

static void mov_16(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(moves_16));
	struct kvm_sregs sregs = kt_sregs(&g.vcpu);

	sregs.fs.base = DEVICE;
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_SREGS, &sregs) == 0);
	serve_all(&g.vcpu, moves, 7);
	check_moves(&g, 0x5566b2a1, CODE(moves_16));
}

static void mov_32(void)
{
	struct kt_guest g = kt_guest(KT_PROT32, CODE(moves_32));

	serve_all(&g.vcpu, moves, 7);
	check_moves(&g, 0x5566b2a1, CODE(moves_32));
}

static void mov_64(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(moves_64));

	serve_all(&g.vcpu, moves, 9);
	check_moves(&g, 0x112233445566b2a1, CODE(moves_64));
	CHECK_EQ(kt_regs(&g.vcpu).rsi, 0xe1e2e3e4e5e6e7e8);
}

static void check_again(const struct kvm_regs *regs)
{
	CHECK_EQ(regs->r8, 0x11223344556677a3);
	CHECK_EQ(regs->rax, 0x112233445566b388);
	CHECK_EQ(regs->r9, 0x112233445566c3d3);
	CHECK_EQ(regs->r10, 0xd5d6d7d3);
	CHECK_EQ(regs->r11, 0xe1e2e3e4e5e6e7e3);
	CHECK_EQ(regs->rcx, 0x83);
	CHECK_EQ(regs->rdx, 0xffffff83);
	CHECK_EQ(regs->r12, 0xffffffffffff8183);
	CHECK_EQ(regs->rdi, 0xffffffff81828383);
	CHECK_EQ(regs->rbx, 0x99);
}

/* An instruction that was executed before does the same. */
static void mov_again(void)
{
	static const struct access a[] = {
		W(0x10, 1, 0x77),		W(0x12, 2, 0x7788),
		W(0x40, 4, 0x55667788),		W(0x18, 8, 0x1122334455667788),
		W(0x14, 4, 0x89abcdef),		W(0x18, 8, 0xfffffffffffffffe),
		W(0x1c, 4, 0x55667788),		R(0x20, 1, 0xa1),
		R(0x21, 1, 0xb1),		R(0x22, 2, 0xc3d1),
		R(0x24, 4, 0xd5d6d7d1),		R(0x28, 8, 0xe1e2e3e4e5e6e7e1),
		R(0, 1, 0x81),			R(0, 1, 0x81),
		R(2, 2, 0x8181),		R(4, 4, 0x81828381),
	}, chain[] = {
		R(0, 8, DEVICE + 8), R(8, 8, DEVICE + 16), R(16, 8, 0x99),
	};
	struct kt_guest g = kt_guest(KT_LONG64, CODE(again));
	struct kvm_regs regs;
	struct access next;

	for (unsigned int i = 0; i < 3 * KT_LEN(a); i++) {
		next = a[i / 3];
		if (!next.write)
			next.value += i % 3;
		kt_context("access %u", i);
		serve(&g.vcpu, &next);
	}
	serve_all(&g.vcpu, chain, KT_LEN(chain));
	regs = kt_regs(&g.vcpu);
	check_again(&regs);
}

static void movzx_movsx(void)
{
	static const struct access a[] = {
		R(0, 1, 0x81), R(2, 2, 0x8182), R(0, 1, 0x81), R(2, 2, 0x8182), R(4, 4, 0x81828384),
	};
	struct kt_guest g = kt_guest(KT_LONG64, CODE(extend));
	struct kvm_regs regs;

	serve_all(&g.vcpu, a, KT_LEN(a));
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(regs.rax, 0x81);
	CHECK_EQ(regs.rcx, 0x8182);
	CHECK_EQ(regs.rdx, 0xffffff81);
	CHECK_EQ(regs.rsi, 0xffffffffffff8182);
	CHECK_EQ(regs.rdi, 0xffffffff81828384);
}

static void read_modify_write(void)
{
	static const struct access a[] = {
		R(0, 4, 0x1), W(0, 4, 0x80000001), R(0, 1, 0x7f), W(0, 1, 0x80),
		R(0, 2, 0xffff), W(0, 2, 0), R(0, 8, 4),
	};
	struct kt_guest g = kt_guest(KT_LONG64, CODE(modify));
	struct kvm_regs regs;

	serve_all(&g.vcpu, a, KT_LEN(a));
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(regs.r8 & FLAGS, SF);
	CHECK_EQ(regs.r9 & FLAGS, OF | SF);
	CHECK_EQ(regs.r10 & FLAGS, ZF | PF | CF);
	CHECK_EQ(regs.r11 & FLAGS, SF | PF | CF);
}

static void xchg_cmpxchg_xadd(void)
{
	static const struct access a[] = {
		R(0, 4, 0xabcd), W(0, 4, 0x11111111), R(0, 4, 0xabcd), W(0, 4, 0x22222222),
		R(0, 4, 0x30000000), W(0, 4, 0x31010101),
	};
	struct kt_guest g = kt_guest(KT_LONG64, CODE(exchange));
	struct kvm_regs regs;

	serve_all(&g.vcpu, a, KT_LEN(a));
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(regs.rax, 0xabcd);
	CHECK_EQ(regs.rdx, 0x30000000);
}

static void string_instructions(void)
{
	static const struct access a[] = {
		W(0, 4, 0x12345678), W(4, 4, 0x12345678), W(8, 4, 0x12345678), R(0x100, 2, 0xa1a2),
		R(0x102, 2, 0xb1b2), W(0x200, 4, 0xb1b2a1a2), R(0x300, 1, 0xc1),
	};
	struct kt_guest g = kt_guest(KT_PROT32, CODE(strings));
	struct kvm_regs regs;

	serve_all(&g.vcpu, a, KT_LEN(a));
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(regs.rax, 0x123456c1);
	CHECK_EQ(regs.rcx, 0);
	CHECK_EQ(regs.rsi, DEVICE + 0x301);
	CHECK_EQ(regs.rdi, DEVICE + 0x204);
}

static void push(void)
{
	static const struct access a[] = { R(0, 8, 0x1122334455667788) };
	struct kt_guest g = kt_guest(KT_LONG64, CODE(stack));

	serve_all(&g.vcpu, a, KT_LEN(a));
	CHECK_EQ(kt_regs(&g.vcpu).rcx, 0x1122334455667788);
	CHECK_EQ(kt_regs(&g.vcpu).rsp, 0x8000);
}

static void half_in_memory(void)
{
	static const struct access a[] = {
		{ KT_GUEST_SIZE, 3, true, 0x112233 }, { KT_GUEST_SIZE, 3, false, 0xaabbcc },
	};
	struct kt_guest g = kt_guest(KT_LONG64, CODE(crossing));
	uint64_t value = 0;

	serve_all(&g.vcpu, a, KT_LEN(a));
	memcpy(&value, g.mem + KT_GUEST_SIZE - 5, 5);
	CHECK_EQ(value, 0x4455667788);
	CHECK_EQ(kt_regs(&g.vcpu).rcx, 0xaabbcc4455667788);
}

/* Whether the device is read before the fault is not said. */
static void page_fault(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(fault_order));
	struct kvm_regs regs;

	REQUIRE(ioctl(g.vcpu.fd, KVM_RUN, 0) == 0);
	if (g.vcpu.run->exit_reason == KVM_EXIT_MMIO) {
		CHECK_EQ(g.vcpu.run->mmio.is_write, 0);
		RUN(&g.vcpu, KVM_EXIT_HLT);
	}
	CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_HLT);
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(regs.rax, 2); /* a write, of the kernel */
	CHECK_EQ(regs.rbx, 0x300000000);
	CHECK_EQ(regs.rsi, DEVICE);
}

static void complete(const struct kt_vcpu *vcpu)
{
	vcpu->run->immediate_exit = 1;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_RUN, 0), EINTR);
	vcpu->run->immediate_exit = 0;
}

static void read_is_completed_by_the_next_run(void)
{
	static const struct access a = R(0, 4, 0x12345678);
	struct kt_guest g = kt_guest(KT_LONG64, CODE(one_read));

	serve(&g.vcpu, &a);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 5);
	complete(&g.vcpu);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 7);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x12345678);
	memset(g.vcpu.run->mmio.data, 0xee, 8);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x12345678);
}

static void write_is_complete(void)
{
	static const struct access a = W(0, 4, DEVICE);
	struct kt_guest g = kt_guest(KT_LONG64, CODE(one_write));

	serve(&g.vcpu, &a);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 7);
	complete(&g.vcpu);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 7);
	RUN(&g.vcpu, KVM_EXIT_HLT);
}

/* The registers that the user sets while a read is pending stay. (KVM may forget the data.) */
static void registers_in_between(void)
{
	static const struct access a = R(0, 4, 0x12345678);
	struct kt_guest g = kt_guest(KT_LONG64, CODE(one_read));
	struct kvm_regs regs;

	serve(&g.vcpu, &a);
	regs = kt_regs(&g.vcpu);
	regs.rcx = 0x55;
	kt_set_regs(&g.vcpu, &regs);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rcx, 0x55);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + kt_code_size(CODE(one_read)));
}

static const struct kt_test tests[] = {
	{ "MMIO: MOV of 1, 2, 4 bytes, 16-bit code", mov_16 },
	{ "MMIO: MOV of 1, 2, 4 bytes, 32-bit code", mov_32 },
	{ "MMIO: MOV of 1, 2, 4, 8 bytes, 64-bit code", mov_64 },
	{ "MMIO: MOVZX, MOVSX, MOVSXD", movzx_movsx },
	{ "MMIO: MOV, MOVZX, MOVSX once more", mov_again },
	{ "MMIO: read, modify, write, and the flags", read_modify_write },
	{ "MMIO: XCHG, CMPXCHG, XADD", xchg_cmpxchg_xadd },
	{ "MMIO: STOS, MOVS, LODS, with REP", string_instructions },
	{ "MMIO: PUSH from a device", push },
	{ "MMIO: half of an access in memory", half_in_memory },
	{ "MMIO: a page fault of the instruction", page_fault },
	{ "MMIO: the next KVM_RUN completes a read", read_is_completed_by_the_next_run },
	{ "MMIO: a write is complete when it is told", write_is_complete },
	{ "MMIO: SET_REGS while a read is pending", registers_in_between },
};

KT_MAIN(tests)
