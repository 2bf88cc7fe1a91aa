// SPDX-License-Identifier: MIT
/*
 * Control registers, as a guest writes and reads them: what is refused, what a change of mode
 * does to EFER.LMA, CD and NW, and KVM_EXIT_SET_TPR.
 */
#include "catch.h"

GUEST(cr0_32);
GUEST(cr0_64);
GUEST(cr4_32);
GUEST(cr4_64);
GUEST(cr8_64);
GUEST(cr8_twice);
GUEST(cache_off);
GUEST(cache_lmsw);
GUEST(enter_long);
GUEST(enter_long_cs_l);
GUEST(leave_long);
GUEST(pae_on);
GUEST(bad_numbers);

#define CR0_PE 0x1U
#define CR0_ET 0x10U
#define CR0_NW 0x20000000U
#define CR0_CD 0x40000000U
#define CR0_PG 0x80000000U
#define EFER_LME 0x100U
#define EFER_LMA 0x400U
#define CR4_SMEP (1U << 20)

static struct kt_guest guest_with_cpuid(void)
{
	struct kt_guest g = kt_guest(KT_PROT32, CODE(cr0_32));

	kt_set_cpuid(&g.vm, &g.vcpu);
	return g;
}

static void refused(struct kt_guest *g, enum kt_mode mode, struct kt_code code, uint64_t value)
{
	int vector;

	kt_context("0x%llx", (unsigned long long)value);
	vector = catch_exception(g, mode, code, value);
	if (vector != GP)
		kt_fail(__FILE__, __LINE__, "vector %d, not #GP", vector);
	CHECK_EQ(kt_sregs(&g->vcpu).efer, mode == KT_LONG64 ? EFER_LME | EFER_LMA : 0);
	CHECK_EQ(kt_regs(&g->vcpu).rax, value);
}

static struct kvm_sregs taken(struct kt_guest *g, enum kt_mode mode, struct kt_code code,
			      uint64_t value)
{
	int vector;

	kt_context("0x%llx", (unsigned long long)value);
	vector = catch_exception(g, mode, code, value);
	if (vector != NONE)
		kt_fail(__FILE__, __LINE__, "exception %d", vector);
	return kt_sregs(&g->vcpu);
}

static void cr0_refused(void)
{
	struct kt_guest g = guest_with_cpuid();

	refused(&g, KT_PROT32, CODE(cr0_32), CR0_PG | CR0_ET);
	refused(&g, KT_PROT32, CODE(cr0_32), CR0_NW | CR0_PE);
	refused(&g, KT_LONG64, CODE(cr0_64), 0x80000032);
	refused(&g, KT_LONG64, CODE(cr0_64), 0xa0000033);
	refused(&g, KT_LONG64, CODE(cr0_64), 0x33); /* paging off in 64-bit code */
}

static void cr0_taken(void)
{
	static const uint32_t values[] = {
		0x1,	 0x11,	  0x31,	      0x33,	  0x3f,	      0x10011,
		0x40011, 0x50031, 0x60000011, 0x40000011, 0x40000031, 0x60050033,
	};
	struct kt_guest g = guest_with_cpuid();

	for (unsigned int i = 0; i < KT_LEN(values); i++) {
		struct kvm_sregs s = taken(&g, KT_PROT32, CODE(cr0_32), values[i]);

		CHECK_EQ(s.cr0, values[i] | CR0_ET);
		CHECK_EQ(kt_regs(&g.vcpu).rbx, values[i] | CR0_ET);
	}
}

/* The CPUID of this guest: the bits of CR4 that it has. */
static uint32_t cr4_supported(const struct kt_guest *g)
{
	static const struct {
		uint32_t fun;
		uint8_t reg, bit, cr4;
	} features[] = {
		{ 1, 2, 26, 18 }, { 7, 1, 0, 16 }, { 7, 1, 7, 20 },  { 7, 1, 20, 21 },
		{ 7, 2, 2, 11 },  { 7, 2, 3, 22 }, { 7, 2, 16, 12 },
	};
	uint32_t cr4 = 0x7ff;
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 e[100];
	} list = { .head.nent = 100 };

	REQUIRE(ioctl(g->vm.kvm, KVM_GET_SUPPORTED_CPUID, &list) == 0);
	for (unsigned int i = 0; i < KT_LEN(features); i++)
		for (unsigned int n = 0; n < list.head.nent; n++) {
			const struct kvm_cpuid_entry2 *e = &list.e[n];
			const uint32_t regs[] = { e->eax, e->ebx, e->ecx, e->edx };

			if (e->function == features[i].fun && !e->index &&
			    regs[features[i].reg] >> features[i].bit & 1)
				cr4 |= 1U << features[i].cr4;
		}
	return cr4;
}

/* Without paging, so that no bit keeps the code itself from running. */
static void cr4_bits(void)
{
	struct kt_guest g = guest_with_cpuid();
	const uint32_t supported = cr4_supported(&g);

	for (unsigned int bit = 0; bit < 32; bit++) {
		uint32_t value = 1U << bit;

		if (supported & value)
			CHECK_EQ(taken(&g, KT_PROT32, CODE(cr4_32), value).cr4, value);
		else
			refused(&g, KT_PROT32, CODE(cr4_32), value);
	}
}

static void cr4_of_a_lesser_cpu(void)
{
	struct kt_guest g = kt_guest(KT_PROT32, CODE(cr4_32));
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 e[100];
	} list = { .head.nent = 100 };

	REQUIRE(ioctl(g.vm.kvm, KVM_GET_SUPPORTED_CPUID, &list) == 0);
	for (unsigned int i = 0; i < list.head.nent; i++) {
		if (list.e[i].function == 1)
			list.e[i].ecx &= ~(1U << 26);
		if (list.e[i].function == 7)
			list.e[i].ebx = list.e[i].ecx = 0;
	}
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_CPUID2, &list) == 0);
	CHECK_EQ(taken(&g, KT_PROT32, CODE(cr4_32), 0x6b0).cr4, 0x6b0);
	refused(&g, KT_PROT32, CODE(cr4_32), 1U << 18);
	refused(&g, KT_PROT32, CODE(cr4_32), 1U << 16);
	refused(&g, KT_PROT32, CODE(cr4_32), CR4_SMEP);
}

static void cr4_in_long_mode(void)
{
	struct kt_guest g = guest_with_cpuid();

	refused(&g, KT_LONG64, CODE(cr4_64), 0x600); /* without PAE */
	refused(&g, KT_LONG64, CODE(cr4_64), 0x8620);
	refused(&g, KT_LONG64, CODE(cr4_64), 0x620 | 1U << 12); /* LA57 */
	CHECK_EQ(taken(&g, KT_LONG64, CODE(cr4_64), 0x6a0).cr4, 0x6a0);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 0x6a0);
}

/*
 * Bits above 31: KVM refuses them where the CPU tells the operand, else it doesn't see them; TCG
 * doesn't exit for them in CR0. In no case are they set.
 */
static void upper_bits(void)
{
	struct kt_guest g = guest_with_cpuid();

	for (unsigned int bit = 32; bit < 64; bit += 31) {
		int cr0 = catch_exception(&g, KT_LONG64, CODE(cr0_64), 0x80000033 | 1ULL << bit);
		int cr4;

		CHECK(cr0 == GP || kt_sregs(&g.vcpu).cr0 == 0x80000033);
		cr4 = catch_exception(&g, KT_LONG64, CODE(cr4_64), 0x6a0 | 1ULL << bit);
		CHECK(cr4 == GP || kt_sregs(&g.vcpu).cr4 == 0x6a0);
	}
}

/* CD and NW read back as written, by every instruction, and TS and PE go on as ever. */
static void cache_disable(void)
{
	struct kt_guest g = guest_with_cpuid();
	struct kvm_regs regs;

	taken(&g, KT_PROT32, CODE(cache_off), 0);
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(regs.rbx, 0x60000033);
	CHECK_EQ(regs.rcx, 0x40000033);
	CHECK_EQ(regs.rdx, 0x00000033);
	CHECK_EQ(kt_sregs(&g.vcpu).cr0, 0x33);
}

static void cache_disable_lmsw(void)
{
	struct kt_guest g = guest_with_cpuid();
	struct kvm_regs regs;

	CHECK_EQ(taken(&g, KT_PROT32, CODE(cache_lmsw), 0).cr0, 0x60000037);
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(regs.rbx, 0x6000003b);
	CHECK_EQ(regs.rcx, 0x60000033);
	CHECK_EQ(regs.rdx & 0xffff, 0x33);
	CHECK_EQ(regs.rsi, 0x60000037); /* PE stays */
}

static void long_mode_and_back(void)
{
	struct kt_guest g = guest_with_cpuid();
	struct kvm_sregs s;
	struct kvm_regs regs;

	kt_guest_load(&g, KT_LONG64, CODE(cr0_64)); /* for the tables */
	s = taken(&g, KT_PROT32, CODE(enter_long), 0);
	CHECK_EQ(s.efer, EFER_LME | EFER_LMA);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, EFER_LME | EFER_LMA);
	CHECK_EQ(s.cr0 & CR0_PG, CR0_PG);

	kt_guest_load(&g, KT_LONG64, CODE(cr0_64));
	s = taken(&g, KT_PROT32, CODE(leave_long), 0);
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(regs.rbx, EFER_LME | EFER_LMA);
	CHECK_EQ(regs.rcx, EFER_LME);
	CHECK_EQ(regs.rdx, EFER_LME | EFER_LMA);
	CHECK_EQ(s.cr0 & CR0_PG, CR0_PG);
}

/* A code segment with L set, in legacy mode, where that means nothing yet. */
static void long_mode_with_cs_l(void)
{
	struct kt_guest g = guest_with_cpuid();

	kt_guest_load(&g, KT_LONG64, CODE(cr0_64));
	CHECK_EQ(catch_exception(&g, KT_PROT32, CODE(enter_long_cs_l), 0), GP);
	CHECK_EQ(kt_sregs(&g.vcpu).efer, EFER_LME);
	CHECK_EQ(kt_sregs(&g.vcpu).cr0 & CR0_PG, 0);
}

/* TCG sets an A bit in the top level, where it is reserved: so they are made anew each time. */
static uint64_t *pae_pdpt(struct kt_guest *g)
{
	uint64_t *pdpt = (uint64_t *)(g->mem + KT_TABLES + KT_PAGE);

	kt_guest_load(g, KT_LONG64, CODE(cr0_64));
	for (unsigned int i = 0; i < 4; i++)
		pdpt[i] &= ~6ULL;
	return pdpt;
}

/* PAE paging reads the top level at once, and refuses reserved bits there. */
static void pae_tables(void)
{
	static const uint64_t bad[] = { 0x2, 0x20, 0x100, 0x8000000000000000 };
	struct kt_guest g = guest_with_cpuid();

	pae_pdpt(&g);
	CHECK_EQ(taken(&g, KT_PROT32, CODE(pae_on), 0x80000033).cr0, 0x80000033);
	for (unsigned int i = 0; i < KT_LEN(bad); i++) {
		pae_pdpt(&g)[i] |= bad[i];
		refused(&g, KT_PROT32, CODE(pae_on), 0x80000033);
		if (!i)
			continue;
		/* An entry that isn't present may hold anything. */
		pae_pdpt(&g)[i] = bad[i];
		taken(&g, KT_PROT32, CODE(pae_on), 0x80000033);
	}
}

static void cr8(void)
{
	struct kt_guest g = guest_with_cpuid();

	refused(&g, KT_LONG64, CODE(cr8_64), 16);
	refused(&g, KT_LONG64, CODE(cr8_64), 1ULL << 63);
	CHECK_EQ(taken(&g, KT_LONG64, CODE(cr8_64), 9).cr8, 9);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 9);
	CHECK_EQ(g.vcpu.run->cr8, 9);
}

/* Whoever lowers it may let an interrupt in that user space holds back. */
static void set_tpr(void)
{
	struct kt_guest g = guest_with_cpuid();

	kt_guest_load(&g, KT_LONG64, CODE(cr8_twice));
	g.vcpu.run->cr8 = 0;
	RUN(&g.vcpu, KVM_EXIT_SET_TPR);
	CHECK_EQ(g.vcpu.run->cr8, 3);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 9);
	CHECK_EQ(kt_regs(&g.vcpu).rcx, 0);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(g.vcpu.run->cr8, 3);
	CHECK_EQ(kt_regs(&g.vcpu).rcx, 3);
	/* The user's own value is seen by the guest. */
	g.vcpu.run->cr8 = 5;
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rdx, 5);
}

static void numbers(void)
{
	struct kt_guest g = guest_with_cpuid();

	CHECK_EQ(catch_exception(&g, KT_LONG64, CODE(bad_numbers), 0), UD);
}

static const struct kt_test tests[] = {
	{ "CR0: refused", cr0_refused },
	{ "CR0: taken", cr0_taken },
	{ "CR4: every bit", cr4_bits },
	{ "CR4: bits of features that the CPUID lacks", cr4_of_a_lesser_cpu },
	{ "CR4: in long mode", cr4_in_long_mode },
	{ "CR0 and CR4: bits above 31", upper_bits },
	{ "CR0.CD and NW", cache_disable },
	{ "CR0.CD and NW: LMSW, SMSW, CLTS", cache_disable_lmsw },
	{ "long mode and back: EFER.LMA", long_mode_and_back },
	{ "no long mode out of a segment with L", long_mode_with_cs_l },
	{ "PAE: reserved bits in the top level", pae_tables },
	{ "CR8", cr8 },
	{ "KVM_EXIT_SET_TPR", set_tpr },
	{ "CR1 is undefined", numbers },
};

KT_MAIN(tests)
