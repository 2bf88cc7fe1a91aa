// SPDX-License-Identifier: MIT
/*
 * KVM_EXIT_MMIO of instructions with XMM, YMM and MMX registers: accesses of at most 8 bytes,
 * in ascending order.
 */
#include "mmio.h"

#include <cpuid.h>
#include <unistd.h>

GUEST(sse);
GUEST(mmx);
GUEST(avx);
GUEST(parts);

#define CR4_OSXSAVE (1 << 18)
#define ALL 7ULL /* x87, SSE, AVX */

struct xsave {
	uint16_t fcw, fsw;
	uint8_t ftw, unused0[3];
	uint64_t ip, dp;
	uint32_t mxcsr, mxcsr_mask;
	uint64_t st[8][2], xmm[16][2];
	uint8_t unused1[96];
	uint64_t bv, zero[7];
	uint64_t ymm[16][2]; /* upper halves */
	uint8_t rest[KT_PAGE - 0x340];
};
_Static_assert(sizeof(struct xsave) == KT_PAGE, "struct kvm_xsave");

static struct xsave get(const struct kt_guest *g)
{
	struct xsave x;

	REQUIRE(ioctl(g->vcpu.fd, KVM_GET_XSAVE, &x) == 0);
	return x;
}

/* Each half of each register is a number of its own. */
static uint64_t number(unsigned int reg, unsigned int half)
{
	return 0xabcd000000000000 | reg << 8 | half;
}

static struct kt_guest start(struct kt_code code)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .value = ALL } } };
	struct xsave x = { .fcw = 0x37f, .mxcsr = 0x1f80, .bv = ALL };
	uint32_t a, b, c, d;
	struct kvm_sregs s;
	struct kt_guest g;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_AVX) || !(c & bit_XSAVE))
		kt_skip("no AVX on this CPU");
	g = kt_guest(KT_LONG64, code);
	s = kt_sregs(&g.vcpu);
	kt_set_cpuid(&g.vm, &g.vcpu);
	s.cr4 |= CR4_OSXSAVE;
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_SREGS, &s) == 0);
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_XCRS, &xcrs) == 0);
	for (unsigned int i = 0; i < 16; i++)
		for (unsigned int half = 0; half < 2; half++) {
			x.xmm[i][half] = number(i, half);
			x.ymm[i][half] = number(i, half + 2);
		}
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_XSAVE, &x) == 0);
	return g;
}

/* Stock KVM's emulator has no such instructions. */
static struct kt_guest start_microv(struct kt_code code)
{
	if (access("/sys/module/microv_kvm", F_OK))
		kt_skip("KVM doesn't emulate these instructions");
	return start(code);
}

static void check_xmm(const struct xsave *x, unsigned int reg, uint64_t low, uint64_t high)
{
	kt_context("xmm%u", reg);
	CHECK_EQ(x->xmm[reg][0], low);
	CHECK_EQ(x->xmm[reg][1], high);
}

static void check_upper(const struct xsave *x, unsigned int reg, uint64_t low, uint64_t high)
{
	kt_context("upper half of ymm%u", reg);
	CHECK_EQ(x->ymm[reg][0], low);
	CHECK_EQ(x->ymm[reg][1], high);
}

static void check_untouched(const struct xsave *x, unsigned int from)
{
	for (unsigned int i = from; i < 16; i++) {
		check_xmm(x, i, number(i, 0), number(i, 1));
		check_upper(x, i, number(i, 2), number(i, 3));
	}
	CHECK_EQ(x->mxcsr, 0x1f80);
	CHECK_EQ(x->fcw, 0x37f);
}

static void sse_moves(void)
{
	static const struct access a[] = {
		R(0x00, 8, 0x1111111111111111), R(0x08, 8, 0x2222222222222222),
		R(0x10, 8, 0x3333333333333333), R(0x18, 8, 0x4444444444444444),
		R(0x23, 8, 0x5555555555555555), R(0x2b, 8, 0x6666666666666666),
		R(0x30, 8, 0x7777777777777777), R(0x38, 8, 0x8888888888888888),
		W(0x50, 8, 0x7777777777777777), W(0x58, 8, 0x8888888888888888),
		W(0x60, 8, 0x5555555555555555), W(0x68, 8, 0x6666666666666666),
		W(0x71, 8, 0x3333333333333333), W(0x79, 8, 0x4444444444444444),
		W(0x80, 8, 0x1111111111111111), W(0x88, 8, 0x2222222222222222),
		W(0x90, 8, 0x1111111111111111), W(0x98, 8, 0x2222222222222222),
		W(0xa0, 8, 0x3333333333333333), W(0xa8, 8, 0x4444444444444444),
		W(0xb0, 8, 0xabcd000000000f00), W(0xb8, 8, 0xabcd000000000f01),
	};
	struct kt_guest g = start(CODE(sse));
	struct xsave x;

	serve_all(&g.vcpu, a, KT_LEN(a));
	x = get(&g);
	check_xmm(&x, 0, 0x1111111111111111, 0x2222222222222222);
	check_xmm(&x, 1, 0x3333333333333333, 0x4444444444444444);
	check_xmm(&x, 2, 0x5555555555555555, 0x6666666666666666);
	check_xmm(&x, 3, 0x7777777777777777, 0x8888888888888888);
	for (unsigned int i = 0; i < 4; i++) /* SSE leaves them alone */
		check_upper(&x, i, number(i, 2), number(i, 3));
	check_untouched(&x, 4);
}

static void mmx_moves(void)
{
	static const struct access a[] = {
		R(0x40, 8, 0x1122334455667788), W(0x48, 8, 0x1122334455667788),
	};
	struct kt_guest g = start(CODE(mmx));
	struct xsave x;

	serve_all(&g.vcpu, a, KT_LEN(a));
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x1122334455667788);
	x = get(&g);
	CHECK_EQ(x.st[4][0], 0x1122334455667788);
	CHECK_EQ(x.st[7][0], 0x8000000000000000); /* the first FLD1's */
	CHECK_EQ(x.st[5][0], 0x8000000000000000);
	CHECK_EQ(x.st[0][0], 0);
	CHECK_EQ(x.fsw & 0x3800, 0);
	CHECK_EQ(x.ftw, 0xff);
}

static void avx_moves(void)
{
	static const struct access a[] = {
		R(0x00, 8, 0x11), R(0x08, 8, 0x12), R(0x10, 8, 0x13), R(0x18, 8, 0x14),
		R(0x20, 8, 0x21), R(0x28, 8, 0x22), R(0x30, 8, 0x23), R(0x38, 8, 0x24),
		W(0x40, 8, 0x11), W(0x48, 8, 0x12), W(0x50, 8, 0x13), W(0x58, 8, 0x14),
		W(0x60, 8, 0x21), W(0x68, 8, 0x22), W(0x70, 8, 0x23), W(0x78, 8, 0x24),
		R(0x80, 8, 0x31), R(0x88, 8, 0x32),
		R(0x90, 4, 0x41424344),
		W(0xa0, 8, 0x4142434441424344), W(0xa8, 8, 0x4142434441424344),
		W(0xb0, 8, 0x4142434441424344), W(0xb8, 8, 0x4142434441424344),
		/* 20 bytes of ymm3 went to memory */
		{ KT_GUEST_SIZE, 8, true, 0x00000303abcd0000 },
		{ KT_GUEST_SIZE + 8, 4, true, 0xabcd0000 },
		{ KT_GUEST_SIZE, 8, false, 0x1122334455667788 },
		{ KT_GUEST_SIZE + 8, 4, false, 0x99aabbcc },
	};
	struct kt_guest g = start_microv(CODE(avx));
	struct xsave x;

	serve_all(&g.vcpu, a, KT_LEN(a));
	x = get(&g);
	check_xmm(&x, 0, 0x31, 0x32);
	check_upper(&x, 0, 0, 0);
	check_xmm(&x, 1, 0x21, 0x22);
	check_upper(&x, 1, 0x23, 0x24);
	check_xmm(&x, 2, 0x4142434441424344, 0x4142434441424344);
	check_upper(&x, 2, 0x4142434441424344, 0x4142434441424344);
	check_xmm(&x, 4, number(3, 0), number(3, 1));
	check_upper(&x, 4, 0x5566778800000302, 0x99aabbcc11223344);
	check_untouched(&x, 5);
}

static void parts_of_registers(void)
{
	static const struct access a[] = {
		R(0x00, 8, 0x11), R(0x08, 4, 0x12), R(0x10, 8, 0x13), R(0x18, 4, 0x14),
		R(0x20, 8, 0x15), R(0x28, 8, 0x16),
		W(0x30, 8, 0xabcd000000000400), W(0x38, 4, 0x400), W(0x40, 8, 0x15),
		W(0x48, 4, 0x16), R(0x50, 8, 0x17), R(0x58, 8, 0x18),
	};
	struct kt_guest g = start_microv(CODE(parts));
	struct xsave x;

	serve_all(&g.vcpu, a, KT_LEN(a));
	x = get(&g);
	check_xmm(&x, 0, 0x11, 0);
	check_xmm(&x, 1, 0x12, 0);
	check_xmm(&x, 2, 0x13, 0);
	check_xmm(&x, 3, 0x14, 0);
	check_xmm(&x, 4, number(4, 0), 0x15);
	check_xmm(&x, 5, 0x16, number(5, 1));
	check_xmm(&x, 6, 0x17, 0x18);
	for (unsigned int i = 0; i < 7; i++)
		check_upper(&x, i, number(i, 2), number(i, 3));
	check_untouched(&x, 7);
}

/* One vCPU's registers, as seen while its read waits for user space, and another's. */
static void state_while_a_read_waits(void)
{
	struct kt_guest g = start(CODE(sse)), other = start(CODE(sse));
	static const struct access first = R(0x00, 8, 0x1111111111111111);
	static const struct access second = R(0x08, 8, 0x2222222222222222);
	struct xsave x;

	serve(&g.vcpu, &first);
	x = get(&g);
	check_untouched(&x, 0);
	serve(&other.vcpu, &first);
	serve(&g.vcpu, &second);
	x = get(&other);
	check_untouched(&x, 0);
	g.vcpu.run->immediate_exit = 1;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_RUN, 0), EINTR);
	x = get(&g);
	check_xmm(&x, 0, first.value, second.value);
	check_untouched(&x, 1);
	x = get(&other);
	check_untouched(&x, 0);
}

static const struct kt_test tests[] = {
	{ "MMIO: SSE moves of 16 bytes", sse_moves },
	{ "MMIO: MMX moves", mmx_moves },
	{ "MMIO: AVX moves of 32 bytes", avx_moves },
	{ "MMIO: parts of vector registers", parts_of_registers },
	{ "MMIO: vector state while a read waits", state_while_a_read_waits },
};

KT_MAIN(tests)
