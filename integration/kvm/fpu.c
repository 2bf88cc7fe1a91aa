// SPDX-License-Identifier: MIT
/*
 * FPU state by ioctl: KVM_GET/SET_FPU, _XSAVE, _XSAVE2 and _XCRS against guests that load and
 * store x87, SSE and AVX registers; and CPUID 0xD, which describes that state.
 */
#include "kvmtest.h"

#include <cpuid.h>

GUEST(fpu_load);
GUEST(fpu_store);
GUEST(fpu_cpuid);

#define LOAD 0x20000UL /* what the guest loads: ymm0-15, MXCSR */
#define STORE 0x21000UL /* where it stores all state */
#define X87 1ULL
#define SSE 2ULL
#define AVX 4ULL
#define ALL (X87 | SSE | AVX)
#define MXCSR_INIT 0x1f80
#define MXCSR_GUEST 0x3f80 /* round down */
#define CR4_OSXSAVE (1 << 18)

struct area {
	uint16_t fcw, fsw;
	uint8_t ftw, reserved0;
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[8][16], xmm[16][16], unused[96];
	uint64_t bv, xcomp_bv, reserved[6];
	uint8_t ymm[16][16]; /* upper halves: CPUID 0xD.2 has them here on every CPU so far */
	uint8_t rest[KT_PAGE - 0x340];
};
_Static_assert(sizeof(struct area) == KT_PAGE, "struct kvm_xsave is a page");

static void need_avx(void)
{
	uint32_t a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_AVX) || !(c & bit_XSAVE))
		kt_skip("no AVX on this CPU");
	__cpuid_count(0xd, 2, a, b, c, d);
	REQUIRE(a == 256 && b == offsetof(struct area, ymm));
}

static struct area get_xsave(const struct kt_vcpu *vcpu)
{
	struct area a;

	memset(&a, 0xcc, sizeof(a));
	REQUIRE(ioctl(vcpu->fd, KVM_GET_XSAVE, &a) == 0);
	return a;
}

static int set_xsave(const struct kt_vcpu *vcpu, const struct area *a)
{
	return ioctl(vcpu->fd, KVM_SET_XSAVE, a);
}

static int set_xcr0(const struct kt_vcpu *vcpu, uint64_t value)
{
	const struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .xcr = 0, .value = value } } };

	return ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs);
}

static uint64_t get_xcr0(const struct kt_vcpu *vcpu)
{
	struct kvm_xcrs xcrs;

	memset(&xcrs, 0xcc, sizeof(xcrs));
	REQUIRE(ioctl(vcpu->fd, KVM_GET_XCRS, &xcrs) == 0);
	CHECK_EQ(xcrs.nr_xcrs, 1);
	CHECK_EQ(xcrs.flags, 0);
	CHECK_EQ(xcrs.xcrs[0].xcr, 0);
	CHECK_EQ(xcrs.xcrs[1].value, 0);
	return xcrs.xcrs[0].value;
}

/* CPUID, OSXSAVE and all of XCR0; the guest's pointers. */
static void prepare(const struct kt_vm *vm, const struct kt_vcpu *vcpu, uint64_t load,
		    uint64_t store)
{
	struct kvm_sregs s = kt_sregs(vcpu);
	struct kvm_regs r = kt_regs(vcpu);

	s.cr4 |= CR4_OSXSAVE;
	r.rdi = load;
	r.rsi = store;
	kt_set_cpuid(vm, vcpu);
	REQUIRE(ioctl(vcpu->fd, KVM_SET_SREGS, &s) == 0);
	kt_set_regs(vcpu, &r);
	REQUIRE(set_xcr0(vcpu, ALL) == 0);
}

static struct kt_guest start(struct kt_code code)
{
	struct kt_guest g;

	need_avx();
	g = kt_guest(KT_LONG64, code);
	prepare(&g.vm, &g.vcpu, LOAD, STORE);
	return g;
}

/* Byte i of vector register n. */
static uint8_t pattern(uint8_t seed, unsigned int n, unsigned int i)
{
	return (uint8_t)(seed + n * 32 + i);
}

static void fill_load(uint8_t *mem, uint64_t load, uint8_t seed)
{
	const uint32_t mxcsr = MXCSR_GUEST;

	for (unsigned int n = 0; n < 16; n++)
		for (unsigned int i = 0; i < 32; i++)
			mem[load + n * 32 + i] = pattern(seed, n, i);
	memcpy(mem + load + 16 * 32, &mxcsr, sizeof(mxcsr));
}

static void check_vectors(const struct area *a, uint8_t seed)
{
	for (unsigned int n = 0; n < 16; n++)
		for (unsigned int i = 0; i < 16; i++) {
			CHECK_EQ(a->xmm[n][i], pattern(seed, n, i));
			CHECK_EQ(a->ymm[n][i], pattern(seed, n, i + 16));
		}
}

/* FLD1, FLDPI: as the CPU stores them. */
static const uint8_t one[10] = { 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f };
static const uint8_t pi[10] = { 0x35, 0xc2, 0x68, 0x21, 0xa2, 0xda, 0x0f, 0xc9, 0x00, 0x40 };

static void check_loaded(const struct area *a, uint8_t seed)
{
	check_vectors(a, seed);
	CHECK_EQ(a->mxcsr, MXCSR_GUEST);
	CHECK_EQ(a->fcw, 0x37f);
	CHECK_EQ(a->fsw >> 11 & 7, 6);
	CHECK_EQ(a->ftw, 0xc0);
	CHECK(!memcmp(a->st[0], pi, sizeof(pi)));
	CHECK(!memcmp(a->st[1], one, sizeof(one)));
}

static void check_initial(const struct area *a)
{
	static const uint8_t zero[256];

	CHECK_EQ(a->fcw, 0x37f);
	CHECK_EQ(a->fsw, 0);
	CHECK_EQ(a->ftw, 0);
	CHECK_EQ(a->mxcsr, MXCSR_INIT);
	CHECK(!memcmp(a->st, zero, sizeof(a->st)));
	CHECK(!memcmp(a->xmm, zero, sizeof(a->xmm)));
	CHECK(!memcmp(a->ymm, zero, sizeof(a->ymm)));
}

/* A state that no guest code here makes. */
static struct area some_state(uint8_t seed)
{
	struct area a = { .fcw = 0x27f,
			  .fsw = 0x3800,
			  .ftw = 0x80,
			  .fop = 0x123,
			  .fip = 0x1234567,
			  .fdp = 0x89abcde,
			  .mxcsr = 0x5f80,
			  .mxcsr_mask = 0xffff,
			  .bv = ALL };

	for (unsigned int n = 0; n < 16; n++)
		for (unsigned int i = 0; i < 16; i++) {
			a.xmm[n][i] = pattern(seed, n, i);
			a.ymm[n][i] = pattern(seed, n, i + 16);
		}
	memcpy(a.st[0], pi, sizeof(pi));
	return a;
}

/* What the guest stores. */
static struct area *stored(struct kt_guest *g)
{
	memset(g->mem + STORE, 0, KT_PAGE);
	RUN(&g->vcpu, KVM_EXIT_IO);
	CHECK_EQ(g->vcpu.run->io.port, 0x11);
	return (struct area *)(g->mem + STORE);
}

static void capabilities(void)
{
	int kvm = kt_open();

	need_avx();
	CHECK_EQ(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE), 1);
	CHECK_EQ(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2), KT_PAGE);
	CHECK_EQ(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_XCRS), 1);
	close(kvm);
}

static void new_vcpu(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(fpu_store));
	struct area a = get_xsave(&g.vcpu);
	struct kvm_fpu fpu;
	static const uint8_t zero[256];

	check_initial(&a);
	CHECK_EQ(a.xcomp_bv, 0);
	memset(&fpu, 0xcc, sizeof(fpu));
	CHECK_OK(ioctl(g.vcpu.fd, KVM_GET_FPU, &fpu));
	CHECK_EQ(fpu.fcw, 0x37f);
	CHECK_EQ(fpu.fsw, 0);
	CHECK_EQ(fpu.ftwx, 0);
	CHECK(!memcmp(fpu.xmm, zero, sizeof(fpu.xmm)));
	CHECK(!memcmp(fpu.fpr, zero, sizeof(fpu.fpr)));
}

static void guest_state_is_seen(void)
{
	struct kt_guest g = start(CODE(fpu_load));
	struct kvm_fpu fpu;
	struct area a, b;

	fill_load(g.mem, LOAD, 0x11);
	RUN(&g.vcpu, KVM_EXIT_IO);
	a = get_xsave(&g.vcpu);
	CHECK_EQ(a.bv & ALL, ALL);
	CHECK_EQ(a.xcomp_bv, 0);
	check_loaded(&a, 0x11);
	CHECK_OK(ioctl(g.vcpu.fd, KVM_GET_FPU, &fpu));
	CHECK(!memcmp(fpu.xmm, a.xmm, sizeof(a.xmm)));
	CHECK(!memcmp(fpu.fpr, a.st, sizeof(a.st)));
	CHECK_EQ(fpu.ftwx, a.ftw);
	CHECK_EQ(fpu.fsw, a.fsw);
	CHECK_EQ(fpu.fcw, a.fcw);
	CHECK_EQ(fpu.mxcsr, 0); /* KVM never tells */
	memset(&b, 0xcc, sizeof(b));
	CHECK_OK(ioctl(g.vcpu.fd, KVM_GET_XSAVE2, &b));
	CHECK(!memcmp(&a, &b, sizeof(a)));
}

static void state_survives(void)
{
	struct kt_guest g = start(CODE(fpu_load));

	fill_load(g.mem, LOAD, 0x77);
	RUN(&g.vcpu, KVM_EXIT_IO);
	for (unsigned int i = 0; i < 10; i++) {
		struct area a = get_xsave(&g.vcpu);

		check_loaded(&a, 0x77);
		check_loaded(stored(&g), 0x77);
		CHECK_EQ(kt_regs(&g.vcpu).rax, ALL);
	}
}

static void check_stored_some(const struct area *a, const struct area *want)
{
	CHECK_EQ(a->fcw, want->fcw);
	CHECK_EQ(a->fsw, want->fsw);
	CHECK_EQ(a->ftw, want->ftw);
	CHECK_EQ(a->mxcsr, want->mxcsr);
	CHECK(!memcmp(a->st[0], pi, sizeof(pi)));
	CHECK(!memcmp(a->xmm, want->xmm, sizeof(a->xmm)));
	CHECK(!memcmp(a->ymm, want->ymm, sizeof(a->ymm)));
}

static void set_reaches_guest(void)
{
	struct kt_guest g = start(CODE(fpu_store));

	for (unsigned int i = 0; i < 5; i++) {
		const struct area want = some_state(0x30 + i * 7);
		struct area a;

		CHECK_OK(set_xsave(&g.vcpu, &want));
		a = get_xsave(&g.vcpu);
		CHECK_EQ(a.bv & ALL, ALL);
		CHECK_EQ(a.fop, want.fop);
		CHECK_EQ(a.fip, want.fip);
		CHECK_EQ(a.fdp, want.fdp);
		check_stored_some(&a, &want);
		check_stored_some(stored(&g), &want);
	}
}

/* What isn't in XSTATE_BV becomes initial, whatever its bytes are. */
static void missing_components(void)
{
	struct kt_guest g = start(CODE(fpu_load));
	struct area a = some_state(0x55), got;
	static const uint8_t zero[256];

	fill_load(g.mem, LOAD, 0x66);
	RUN(&g.vcpu, KVM_EXIT_IO);
	a.bv = SSE;
	CHECK_OK(set_xsave(&g.vcpu, &a));
	got = *stored(&g);
	CHECK(!memcmp(got.xmm, a.xmm, sizeof(a.xmm)));
	CHECK(!memcmp(got.ymm, zero, sizeof(a.ymm)));
	CHECK_EQ(got.mxcsr, a.mxcsr);
	CHECK_EQ(got.fcw, 0x37f);
	CHECK_EQ(got.ftw, 0);

	a.bv = X87 | AVX;
	CHECK_OK(set_xsave(&g.vcpu, &a));
	got = get_xsave(&g.vcpu);
	CHECK_EQ(got.bv, X87 | AVX);
	CHECK(!memcmp(got.xmm, zero, sizeof(a.xmm)));
	got = *stored(&g);
	CHECK(!memcmp(got.xmm, zero, sizeof(a.xmm)));
	CHECK(!memcmp(got.ymm, a.ymm, sizeof(a.ymm)));
	CHECK_EQ(got.mxcsr, a.mxcsr);
	CHECK_EQ(got.fcw, a.fcw);

	a.bv = 0;
	CHECK_OK(set_xsave(&g.vcpu, &a));
	got = get_xsave(&g.vcpu);
	CHECK_EQ(got.bv, 0);
	check_initial(&got);
	got = *stored(&g);
	CHECK(!memcmp(got.xmm, zero, sizeof(a.xmm)));
	CHECK(!memcmp(got.ymm, zero, sizeof(a.ymm)));
	CHECK_EQ(got.fcw, 0x37f);
	CHECK_EQ(got.ftw, 0);
}

/* x87 and SSE registers; MXCSR and the upper halves stay. */
static void set_fpu(void)
{
	struct kt_guest g = start(CODE(fpu_load));
	const struct area want = some_state(0x99);
	struct kvm_fpu fpu = { .fcw = want.fcw,
			       .fsw = want.fsw,
			       .ftwx = want.ftw,
			       .last_opcode = want.fop,
			       .last_ip = want.fip,
			       .last_dp = want.fdp,
			       .mxcsr = 0xffffffff };
	struct area *got;

	fill_load(g.mem, LOAD, 0x22);
	RUN(&g.vcpu, KVM_EXIT_IO);
	memcpy(fpu.xmm, want.xmm, sizeof(fpu.xmm));
	memcpy(fpu.fpr, want.st, sizeof(fpu.fpr));
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_FPU, &fpu));
	got = stored(&g);
	CHECK(!memcmp(got->xmm, want.xmm, sizeof(want.xmm)));
	CHECK(!memcmp(got->st[0], pi, sizeof(pi)));
	CHECK_EQ(got->fcw, want.fcw);
	CHECK_EQ(got->fsw, want.fsw);
	CHECK_EQ(got->ftw, want.ftw);
	CHECK_EQ(got->mxcsr, MXCSR_GUEST);
	for (unsigned int n = 0; n < 16; n++)
		for (unsigned int i = 0; i < 16; i++)
			CHECK_EQ(got->ymm[n][i], pattern(0x22, n, i + 16));
}

static void bad_xsave(void)
{
	struct kt_guest g = start(CODE(fpu_store));
	const struct area good = some_state(0x44);
	struct area a;

	CHECK_OK(set_xsave(&g.vcpu, &good));
	for (unsigned int bit = 3; bit < 64; bit++) {
		if (bit >= 3 && bit <= 9)
			continue; /* a CPU may have these */
		a = some_state(0x45);
		a.bv |= 1ULL << bit;
		kt_context("XSTATE_BV bit %u", bit);
		CHECK_ERRNO(set_xsave(&g.vcpu, &a), EINVAL);
	}
	for (unsigned int bit = 0; bit < 64; bit++) {
		a = some_state(0x45);
		a.xcomp_bv = 1ULL << bit;
		CHECK_ERRNO(set_xsave(&g.vcpu, &a), EINVAL);
	}
	for (unsigned int i = 0; i < 48; i++) {
		a = some_state(0x45);
		((uint8_t *)a.reserved)[i] = 1;
		CHECK_ERRNO(set_xsave(&g.vcpu, &a), EINVAL);
	}
	for (unsigned int bit = 16; bit < 32; bit++) {
		kt_context("MXCSR bit %u", bit);
		a = some_state(0x45);
		a.mxcsr |= 1U << bit;
		CHECK_ERRNO(set_xsave(&g.vcpu, &a), EINVAL);
		a.bv = AVX;
		CHECK_ERRNO(set_xsave(&g.vcpu, &a), EINVAL);
		a.bv = X87;
		CHECK_ERRNO(set_xsave(&g.vcpu, &a), EINVAL);
	}
	kt_context("afterwards");
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_XSAVE, (void *)8), EFAULT);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_GET_XSAVE, (void *)8), EFAULT);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_FPU, (void *)8), EFAULT);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_GET_FPU, (void *)8), EFAULT);
	check_stored_some(stored(&g), &good);
	a = some_state(0x45);
	a.mxcsr = 0xffffffff; /* not looked at */
	a.bv = 0;
	CHECK_OK(set_xsave(&g.vcpu, &a));
	stored(&g);
}

/* Bytes that mean nothing may be anything. */
static void unused_bytes(void)
{
	struct kt_guest g = start(CODE(fpu_store));
	struct area a = some_state(0x13), got;

	memset(a.unused, 0xff, sizeof(a.unused));
	memset(a.rest, 0xff, sizeof(a.rest));
	a.reserved0 = 0xff;
	CHECK_OK(set_xsave(&g.vcpu, &a));
	got = get_xsave(&g.vcpu);
	for (unsigned int i = 0; i < sizeof(got.rest); i++)
		CHECK_EQ(got.rest[i], 0);
	check_stored_some(stored(&g), &a);
}

/* GET then SET of one vCPU's state in another VM: what a migration does. */
static void moved_to_another_vm(void)
{
	struct kt_guest from = start(CODE(fpu_load)), to = start(CODE(fpu_store));
	struct area a;

	fill_load(from.mem, LOAD, 0x5a);
	RUN(&from.vcpu, KVM_EXIT_IO);
	a = get_xsave(&from.vcpu);
	CHECK_OK(set_xsave(&to.vcpu, &a));
	check_loaded(stored(&to), 0x5a);
	check_loaded(stored(&from), 0x5a);
}

/* KVM_RUN between a load and a store of all sixteen YMM registers of the host. */
static int run_with_ymm(int fd, const uint8_t in[16][32], uint8_t out[16][32])
{
	long result = 16; /* SYS_ioctl */

#define YMM(n) "vmovdqu " #n "*32(%[in]), %%ymm" #n "\n\t"
#define OUT(n) "vmovdqu %%ymm" #n ", " #n "*32(%[out])\n\t"
#define EACH(X)                                                                                    \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
	__asm__ volatile(EACH(YMM) "syscall\n\t" EACH(OUT) "vzeroupper"
			 : "+a"(result)
			 : [in] "r"(in), [out] "r"(out), "D"((long)fd), "S"((long)KVM_RUN), "d"(0L)
			 : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
			   "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
			   "xmm14", "xmm15");
	return (int)result;
}

/* Two vCPUs, another VM and the host, in turns. */
static void nothing_leaks(void)
{
	struct kt_guest g = start(CODE(fpu_load)), h = start(CODE(fpu_load));
	struct kt_vcpu other = kt_vcpu_create(&g.vm, 1);
	uint8_t in[16][32], out[16][32];

	kt_start(&other, g.mem, KT_LONG64, KT_CODE);
	prepare(&g.vm, &other, LOAD + 0x4000, STORE + 0x4000);
	fill_load(g.mem, LOAD, 0x10);
	fill_load(g.mem, LOAD + 0x4000, 0x47);
	fill_load(h.mem, LOAD, 0x83);
	for (unsigned int i = 0; i < 10; i++) {
		const int fds[] = { g.vcpu.fd, other.fd, h.vcpu.fd };

		for (unsigned int n = 0; n < KT_LEN(fds); n++) {
			memset(in, 0xa0 + (int)(i * 3 + n), sizeof(in));
			CHECK_EQ(run_with_ymm(fds[n], in, out), 0);
			CHECK(!memcmp(in, out, sizeof(in)));
		}
		if (!i)
			continue;
		check_loaded((struct area *)(g.mem + STORE), 0x10);
		check_loaded((struct area *)(g.mem + STORE + 0x4000), 0x47);
		check_loaded((struct area *)(h.mem + STORE), 0x83);
	}
}

static void xcrs(void)
{
	struct kt_guest g;
	static const uint64_t good[] = { 1, 3, 7, 3, 1, 7 };
	static const uint64_t bad[] = { 0, 2, 4, 5, 6, 0xf, 0x17, 0x27, 1ULL << 63 | 1, ~0ULL };

	need_avx();
	g = kt_guest(KT_LONG64, CODE(fpu_store));
	CHECK_EQ(get_xcr0(&g.vcpu), 1);
	CHECK_ERRNO(set_xcr0(&g.vcpu, 3), EINVAL); /* no CPUID, no SSE */
	CHECK_OK(set_xcr0(&g.vcpu, 1));
	prepare(&g.vm, &g.vcpu, LOAD, STORE);
	CHECK_EQ(get_xcr0(&g.vcpu), ALL);
	for (unsigned int i = 0; i < KT_LEN(good); i++) {
		CHECK_OK(set_xcr0(&g.vcpu, good[i]));
		CHECK_EQ(get_xcr0(&g.vcpu), good[i]);
		stored(&g);
		CHECK_EQ(kt_regs(&g.vcpu).rax, good[i]);
	}
	for (unsigned int i = 0; i < KT_LEN(bad); i++) {
		kt_context("XCR0 0x%llx", (unsigned long long)bad[i]);
		CHECK_ERRNO(set_xcr0(&g.vcpu, bad[i]), EINVAL);
		CHECK_EQ(get_xcr0(&g.vcpu), 7);
	}
}

static void xcrs_lists(void)
{
	struct kt_guest g = start(CODE(fpu_store));
	struct kvm_xcrs x = { .nr_xcrs = KVM_MAX_XCRS };

	for (unsigned int i = 0; i < KVM_MAX_XCRS; i++)
		x.xcrs[i].xcr = i + 1;
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_XCRS, &x)); /* no such registers: nothing happens */
	CHECK_EQ(get_xcr0(&g.vcpu), 7);
	x.xcrs[3] = (struct kvm_xcr){ .xcr = 0, .value = 3 };
	x.xcrs[4] = (struct kvm_xcr){ .xcr = 0, .value = 2 };
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_XCRS, &x)); /* the first counts */
	CHECK_EQ(get_xcr0(&g.vcpu), 3);
	x.xcrs[3].value = 1;
	x.nr_xcrs = KVM_MAX_XCRS + 1;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_XCRS, &x), EINVAL);
	x.nr_xcrs = ~0U;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_XCRS, &x), EINVAL);
	x.nr_xcrs = KVM_MAX_XCRS;
	x.flags = 1;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_XCRS, &x), EINVAL);
	x.flags = 0;
	x.nr_xcrs = 0;
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_XCRS, &x));
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_XCRS, (void *)8), EFAULT);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_GET_XCRS, (void *)8), EFAULT);
	CHECK_EQ(get_xcr0(&g.vcpu), 3);
}

/* EBX of CPUID 0xD: bytes for the present XCR0; ECX: for all that it can have. */
static void cpuid_follows_xcr0(void)
{
	struct kt_guest g = start(CODE(fpu_cpuid));
	static const struct {
		uint64_t xcr0;
		uint32_t bytes;
	} cases[] = { { 1, 0x240 }, { 3, 0x240 }, { 7, 0x340 }, { 3, 0x240 } };

	for (unsigned int i = 0; i < KT_LEN(cases); i++) {
		struct kvm_regs r;

		REQUIRE(set_xcr0(&g.vcpu, cases[i].xcr0) == 0);
		RUN(&g.vcpu, KVM_EXIT_IO);
		r = kt_regs(&g.vcpu);
		CHECK_EQ(r.rbx, cases[i].bytes);
		CHECK_EQ(r.rax & ALL, ALL);
		CHECK(r.rcx >= 0x340 && r.rcx <= KT_PAGE);
		CHECK_EQ(r.rdx, 0);
	}
}

static const struct kt_test tests[] = {
	{ "capabilities", capabilities },
	{ "a new vCPU's FPU state", new_vcpu },
	{ "GET sees what the guest has", guest_state_is_seen },
	{ "state survives KVM_RUN", state_survives },
	{ "KVM_SET_XSAVE reaches the guest", set_reaches_guest },
	{ "components that XSTATE_BV hasn't got", missing_components },
	{ "KVM_SET_FPU reaches the guest", set_fpu },
	{ "bad XSAVE areas", bad_xsave },
	{ "unused bytes of an XSAVE area", unused_bytes },
	{ "state moved to another VM", moved_to_another_vm },
	{ "nothing leaks between vCPUs, VMs and host", nothing_leaks },
	{ "KVM_GET_XCRS and KVM_SET_XCRS", xcrs },
	{ "lists of KVM_SET_XCRS", xcrs_lists },
	{ "CPUID 0xD follows XCR0", cpuid_follows_xcr0 },
};

KT_MAIN(tests)
