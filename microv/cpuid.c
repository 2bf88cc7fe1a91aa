// SPDX-License-Identifier: MIT
/*
 * CPUID of guests. A VS reads the list that it was given, with KVM's rules for leaves that
 * aren't in it; feature bits that MicroV doesn't support were taken out of the list before.
 */
#include "cpuid.h"
#include "kvmclock.h"
#include "msr.h"
#include "xcr.h"

#define BASIC_MAX 0xDU
#define HYPERVISOR_BASE 0x40000000U
#define HYPERVISOR_MAX 0x40000001U
#define EXTENDED_BASE 0x80000000U
#define EXTENDED_MAX 0x80000021U
#define LEAF_XSAVE 0xDU
#define LEAF_CACHE 0x8000001DU
#define CACHES_MAX 8U

#define ECX_MWAIT (1U << 3)
#define ECX_OSXSAVE (1U << 27)
#define ECX_HYPERVISOR (1U << 31)
#define EDX_APIC (1U << 9)
#define EDX_HTT (1U << 28)
#define EBX7_TSC_ADJUST (1U << 1)
#define ECX7_PKU (1U << 3)
#define ECX7_OSPKE (1U << 4)
#define ECX7_RDPID (1U << 22)
#define EDX81_RDTSCP (1U << 27)
#define XSAVEC (1U << 1)
#define CR4_PKE (1ULL << 22)
#define CR4_ALWAYS 0x7FFULL /* VME to OSXMMEXCPT: every CPU that can run us has them */
#define APIC_BASE_ENABLE (1U << 11)
#define PHYS_BITS_DEFAULT 36U /* of a CPU without a CPUID, as with KVM */
#define XSAVE_LEGACY_BYTES 0x240U

/*
 * The bits of the CPU's own answer that a guest may have; a leaf that isn't here is empty.
 * Left out: what would need an MSR or an XSAVE state that guests don't have (SPEC_CTRL,
 * OSVW, XSS), counters, MONITOR, x2APIC, virtualization.
 */
static const struct {
	uint32_t fun;
	uint32_t mask[4];
} masks[] = {
	{ 0x00000000, { ~0U, ~0U, ~0U, ~0U } },
	{ 0x00000001, { ~0U, 0x0000FF00, 0x76DA3203, 0x0F8BFBFF } },
	{ 0x00000002, { ~0U, ~0U, ~0U, ~0U } },
	{ 0x00000006, { 0x00000004, 0, 0, 0 } },
	{ 0x00000007, { 0, 0xFDBF27EB, 0x1A405F4E, 0x0000011C } },
	{ 0x80000000, { ~0U, ~0U, ~0U, ~0U } },
	{ 0x80000001, { ~0U, 0, 0x006109F3, 0xEFD3FBFF } },
	{ 0x80000006, { 0, ~0U, ~0U, ~0U } },
	{ 0x80000007, { 0, 0, 0, 0x00000100 } },
	{ 0x80000008, { 0x0000FFFF, 0x00000205, 0, 0 } },
	{ 0x80000019, { ~0U, ~0U, 0, 0 } },
	{ 0x8000001A, { 0x00000007, 0, 0, 0 } },
	{ 0x8000001D, { ~0U, ~0U, ~0U, ~0U } },
	{ 0x80000021, { 0x00000045, 0, 0, 0 } },
};

static uint32_t min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Bytes of an XSAVE area with these states (APM vol. 2, 11.5.3). */
static uint32_t xsave_bytes(uint64_t states, int compacted)
{
	uint32_t bytes = XSAVE_LEGACY_BYTES, r[4];

	for (uint32_t i = 2; i < 63; i++) {
		if (!(states >> i & 1))
			continue;
		cpuid(LEAF_XSAVE, i, r);
		if (compacted && r[CPUID_ECX] & 2)
			bytes = (bytes + 63) & ~63U;
		if (compacted)
			bytes += r[CPUID_EAX];
		else if (bytes < r[CPUID_EBX] + r[CPUID_EAX])
			bytes = r[CPUID_EBX] + r[CPUID_EAX];
	}
	return bytes;
}

static void supported_xsave(uint32_t idx, uint32_t r[4])
{
	uint64_t xcr0 = xcr0_guest();

	if (idx == 0) {
		r[CPUID_EAX] = (uint32_t)xcr0;
		r[CPUID_EDX] = xcr0 >> 32;
		r[CPUID_EBX] = r[CPUID_ECX] = xsave_bytes(xcr0, 0);
	} else if (idx == 1) {
		r[CPUID_EAX] &= 0x7; /* XSAVEOPT, XSAVEC, XGETBV with ECX = 1 */
		r[CPUID_EBX] = r[CPUID_EAX] & XSAVEC ? xsave_bytes(xcr0, 1) : 0;
		r[CPUID_ECX] = r[CPUID_EDX] = 0;
	} else if (idx > 62 || !(xcr0 >> idx & 1)) {
		memset(r, 0, 4 * sizeof(*r));
	} else {
		r[CPUID_EDX] = 0;
	}
}

/* KVM's signature, and those of its features that MicroV has. */
static void supported_hypervisor(uint32_t fun, uint32_t r[4])
{
	static const uint32_t signature[4] = { HYPERVISOR_MAX, 0x4B4D564B, 0x564B4D56, 0x4D };

	memset(r, 0, 4 * sizeof(*r));
	if (fun == HYPERVISOR_BASE)
		memcpy(r, signature, sizeof(signature));
	else if (fun == HYPERVISOR_MAX)
		r[CPUID_EAX] = KVMCLOCK_FEATURES;
}

static uint32_t class_max(uint32_t fun)
{
	uint32_t r[4];

	cpuid(fun & EXTENDED_BASE, 0, r);
	return min(r[CPUID_EAX], fun & EXTENDED_BASE ? EXTENDED_MAX : BASIC_MAX);
}

static void supported_masked(uint32_t fun, uint32_t idx, uint32_t r[4])
{
	for (unsigned int i = 0; i < ARRAY_SIZE(masks); i++) {
		if (masks[i].fun != fun || (idx && fun != LEAF_CACHE))
			continue;
		for (int reg = 0; reg < 4; reg++)
			r[reg] &= masks[i].mask[reg];
		return;
	}
	memset(r, 0, 4 * sizeof(*r));
}

void cpuid_supported(struct mv_cdl_entry_t *e)
{
	uint32_t fun = e->fun, r[4] = { 0 };

	if ((fun & 0xC0000000) == HYPERVISOR_BASE) {
		supported_hypervisor(fun, r);
	} else if (fun <= class_max(fun)) {
		cpuid(fun, e->idx, r);
		if (fun == LEAF_XSAVE)
			supported_xsave(e->idx, r);
		else
			supported_masked(fun, e->idx, r);
		if (fun == 0 || fun == EXTENDED_BASE)
			r[CPUID_EAX] = class_max(fun);
		if (fun == 7 && !e->idx)
			r[CPUID_EBX] |= EBX7_TSC_ADJUST; /* MicroV's own, on any CPU */
	}
	e->eax = r[CPUID_EAX];
	e->ebx = r[CPUID_EBX];
	e->ecx = r[CPUID_ECX];
	e->edx = r[CPUID_EDX];
}

static int has_subleaves(uint32_t fun)
{
	return fun == 4 || fun == 7 || fun == 0xB || fun == LEAF_XSAVE || fun == LEAF_CACHE;
}

/* Is there another sub-leaf to list behind this one? */
static int more_subleaves(const struct mv_cdl_entry_t *e)
{
	if (e->fun == LEAF_CACHE)
		return e->eax & 0x1F && e->idx < CACHES_MAX;
	return e->fun == LEAF_XSAVE && e->idx < 63;
}

static unsigned int add_leaf(struct mv_cdl_entry_t *list, unsigned int n, uint32_t fun)
{
	struct mv_cdl_entry_t e = { .fun = fun };

	e.flags = has_subleaves(fun) ? MV_CDL_ENTRY_FLAG_INDEX : 0;
	for (;;) {
		cpuid_supported(&e);
		if ((e.fun != LEAF_XSAVE || e.idx < 2 || e.eax) && n < CPUID_MAX)
			list[n++] = e;
		if (!more_subleaves(&e))
			return n;
		e.idx++;
	}
}

unsigned int cpuid_supported_all(struct mv_cdl_entry_t list[CPUID_MAX])
{
	unsigned int n = 0;

	for (uint32_t fun = 0; fun <= class_max(0); fun++)
		n = add_leaf(list, n, fun);
	for (uint32_t fun = EXTENDED_BASE; fun <= class_max(EXTENDED_BASE); fun++)
		n = add_leaf(list, n, fun);
	for (uint32_t fun = HYPERVISOR_BASE; fun <= HYPERVISOR_MAX; fun++)
		n = add_leaf(list, n, fun);
	return n;
}

/* The leaf, or NULL. */
static inline struct mv_cdl_entry_t *find(const struct vs *vs, uint32_t fun, uint32_t idx)
{
	struct mv_cdl_entry_t *e = mk_own(vs->id);
	const struct mv_cdl_entry_t *end = e + state_data(vs->st)->cpuid_count;

	for (; e < end; e++)
		if (e->fun == fun && (!(e->flags & MV_CDL_ENTRY_FLAG_INDEX) || e->idx == idx))
			return e;
	return NULL;
}

/* Bits of leaf 1 that show the state of the CPU, 0 in the list; of the others, of any leaf. */
static inline void add_state_1(struct vs *vs, uint32_t *ecx, uint32_t *edx)
{
	struct mk_state *st = vs->st;
	uint32_t cr4 = st->cr4, apic = state_data(st)->msrs.apic_base;

	*ecx |= cr4 & CR4_OSXSAVE ? ECX_OSXSAVE : 0;
	*edx |= apic & APIC_BASE_ENABLE ? EDX_APIC : 0;
	if (state_data(st)->run_flags & MV_RUN_FLAG_MWAIT_MISC)
		*ecx = (*ecx & ~ECX_MWAIT) |
		       (state_data(st)->msrs.misc_enable & MISC_ENABLE_MWAIT ? ECX_MWAIT : 0);
}

static void add_state(struct vs *vs, struct mv_cdl_entry_t *e)
{
	struct mk_state *st = vs->st;

	if (e->fun != 1 && e->fun != 7 && e->fun != LEAF_XSAVE)
		return;
	state_fetch(vs->id, st, MK_G_CR | (e->fun == LEAF_XSAVE ? MK_G_XCR : 0));
	if (e->fun == 1) {
		add_state_1(vs, &e->ecx, &e->edx);
	} else if (e->fun == 7 && e->idx == 0) {
		e->ecx &= ~ECX7_OSPKE;
		e->ecx |= e->ecx & ECX7_PKU && st->cr4 & CR4_PKE ? ECX7_OSPKE : 0;
	} else if (e->fun == LEAF_XSAVE && e->idx == 0) {
		e->ebx = xsave_bytes(st->xcr0, 0);
	} else if (e->fun == LEAF_XSAVE && e->idx == 1 && e->eax & XSAVEC) {
		e->ebx = xsave_bytes(st->xcr0, 1);
	}
}

int cpuid_show(struct vs *vs)
{
	uint64_t *gpr = vs->st->gpr;
	uint32_t fun = gpr[MK_RAX], ecx, edx;
	const struct mv_cdl_entry_t *e = find(vs, fun, gpr[MK_RCX]);

	if (!e)
		return 0;
	ecx = e->ecx;
	edx = e->edx;
	if (fun == 1)
		add_state_1(vs, &ecx, &edx);
	else if (fun == 7 || fun == LEAF_XSAVE)
		return 0;
	gpr[MK_RAX] = e->eax;
	gpr[MK_RBX] = e->ebx;
	gpr[MK_RCX] = ecx;
	gpr[MK_RDX] = edx;
	return 1;
}

static int is_amd(const struct mv_cdl_entry_t *e)
{
	/* "AuthenticAMD", "AMDisbetter!", "HygonGenuine" */
	return (e->ebx == 0x68747541 && e->edx == 0x69746E65 && e->ecx == 0x444D4163) ||
	       (e->ebx == 0x69444D41 && e->edx == 0x74656273 && e->ecx == 0x21726574) ||
	       (e->ebx == 0x6F677948 && e->edx == 0x6E65476E && e->ecx == 0x656E6975);
}

/* Intel's CPUs answer with their highest basic leaf where there is none. */
static struct mv_cdl_entry_t *out_of_range(const struct vs *vs, uint32_t *fun, uint32_t idx)
{
	struct mv_cdl_entry_t *basic = find(vs, 0, 0), *class;

	if (!basic || is_amd(basic))
		return NULL;
	if (*fun >= 0x40000000 && *fun <= 0x4FFFFFFF)
		class = find(vs, *fun & 0xFFFFFF00, 0);
	else if (*fun >= 0xC0000000)
		class = find(vs, 0xC0000000, 0);
	else
		class = find(vs, *fun & EXTENDED_BASE, 0);
	if (class && *fun <= class->eax)
		return NULL;
	*fun = basic->eax;
	return find(vs, *fun, idx);
}

static int is_topology(uint32_t fun)
{
	return fun == 0xB || fun == 0x1F;
}

void cpuid_read(struct vs *vs, struct mv_cdl_entry_t *e)
{
	uint32_t fun = e->fun;
	const struct mv_cdl_entry_t *found = find(vs, fun, e->idx);
	struct mv_cdl_entry_t got = { 0 };

	if (!found)
		found = out_of_range(vs, &fun, e->idx);
	if (found) {
		got = *found;
		add_state(vs, &got);
	} else if (is_topology(fun) && find(vs, fun, 1)) {
		/* A sub-leaf that isn't there: CL is the one asked for, EDX the x2APIC ID. */
		got.ecx = e->idx & 0xFF;
		got.edx = find(vs, fun, 1)->edx;
	}
	e->eax = got.eax;
	e->ebx = got.ebx;
	e->ecx = got.ecx;
	e->edx = got.edx;
}

unsigned int cpuid_list(struct vs *vs, struct mv_cdl_entry_t list[CPUID_MAX])
{
	const struct mv_cdl_entry_t *own = mk_own(vs->id);
	unsigned int count = state_data(vs->st)->cpuid_count;

	for (unsigned int i = 0; i < count; i++) {
		list[i] = own[i];
		add_state(vs, &list[i]);
	}
	return count;
}

/* Takes out the features that aren't supported. */
static void restrict_entry(struct mv_cdl_entry_t *e)
{
	struct mv_cdl_entry_t max = { .fun = e->fun, .idx = e->idx };

	cpuid_supported(&max);
	if (e->fun == 1) {
		e->ecx &= (max.ecx & ~ECX_OSXSAVE) | ECX_HYPERVISOR;
		e->edx &= (max.edx & ~EDX_APIC) | EDX_HTT;
	} else if (e->fun == 7 && e->idx == 0) {
		e->ebx &= max.ebx;
		e->ecx &= max.ecx;
		e->edx &= max.edx;
	} else if (e->fun == HYPERVISOR_MAX) {
		e->eax &= max.eax;
	} else if (e->fun == EXTENDED_BASE + 1) {
		e->ecx &= max.ecx;
		e->edx &= max.edx;
	} else if (e->fun == LEAF_XSAVE && e->idx < 2) {
		e->eax &= max.eax;
		e->edx &= max.edx;
	}
}

int cpuid_set_list(struct vs *vs, uint64_t keep, const struct mv_cdl_entry_t *list,
		   unsigned int count)
{
	struct mv_cdl_entry_t *own = mk_own(vs->id);
	struct vs_data *data = state_data(vs->st);

	if (keep > data->cpuid_count || count > CPUID_MAX - keep)
		return -1;
	for (unsigned int i = 0; i < count; i++) {
		own[keep + i] = list[i];
		restrict_entry(&own[keep + i]);
	}
	data->cpuid_count = keep + count;
	return 0;
}

int cpuid_set(struct vs *vs, const struct mv_cdl_entry_t *e)
{
	struct mv_cdl_entry_t *old = find(vs, e->fun, e->idx), *own = mk_own(vs->id);
	struct vs_data *data = state_data(vs->st);

	if (!old && data->cpuid_count == CPUID_MAX)
		return -1;
	if (!old)
		old = &own[data->cpuid_count++];
	*old = *e;
	restrict_entry(old);
	return 0;
}

int cpuid_mwait(struct vs *vs)
{
	struct mv_cdl_entry_t e = { .fun = 1 };

	cpuid_read(vs, &e);
	return !!(e.ecx & ECX_MWAIT);
}

unsigned int cpuid_phys_bits(const struct vs *vs)
{
	const struct mv_cdl_entry_t *top = find(vs, EXTENDED_BASE, 0), *e;

	e = top && top->eax >= 0x80000008 ? find(vs, 0x80000008, 0) : NULL;
	return e ? e->eax & 0xFF : PHYS_BITS_DEFAULT;
}

/* Bits of CR4 that belong to a feature (APM vol. 2, 3.1.3). */
static const struct {
	uint8_t fun, reg, bit, cr4;
} cr4_features[] = {
	{ 1, CPUID_ECX, 17, 17 }, /* PCIDE */
	{ 1, CPUID_ECX, 26, 18 }, /* OSXSAVE */
	{ 7, CPUID_EBX, 0, 16 }, /* FSGSBASE */
	{ 7, CPUID_EBX, 7, 20 }, /* SMEP */
	{ 7, CPUID_EBX, 20, 21 }, /* SMAP */
	{ 7, CPUID_ECX, 2, 11 }, /* UMIP */
	{ 7, CPUID_ECX, 3, 22 }, /* PKE */
	{ 7, CPUID_ECX, 16, 12 }, /* LA57 */
};

uint64_t cpuid_cr4(const struct vs *vs)
{
	uint64_t cr4 = CR4_ALWAYS;

	for (unsigned int i = 0; i < ARRAY_SIZE(cr4_features); i++) {
		struct mv_cdl_entry_t max = { .fun = cr4_features[i].fun };
		const struct mv_cdl_entry_t *e = find(vs, max.fun, 0);
		uint32_t value[4];

		if (!e && state_data(vs->st)->cpuid_count)
			continue;
		if (!e)
			cpuid_supported(&max);
		memcpy(value, e ? &e->eax : &max.eax, sizeof(value));
		cr4 |= (uint64_t)(value[cr4_features[i].reg] >> cr4_features[i].bit & 1)
		       << cr4_features[i].cr4;
	}
	return cr4;
}

int cpuid_has_tsc_aux(const struct vs *vs)
{
	const struct mv_cdl_entry_t *ext = find(vs, EXTENDED_BASE + 1, 0), *seven = find(vs, 7, 0);

	return (ext && ext->edx & EDX81_RDTSCP) || (seven && seven->ecx & ECX7_RDPID);
}

int cpuid_is_intel(const struct vs *vs)
{
	const struct mv_cdl_entry_t *e = find(vs, 0, 0);

	/* "GenuineIntel" */
	return e && e->ebx == 0x756E6547 && e->edx == 0x49656E69 && e->ecx == 0x6C65746E;
}

uint64_t cpuid_xcr0(const struct vs *vs)
{
	const struct mv_cdl_entry_t *e = find(vs, LEAF_XSAVE, 0);

	return XCR0_X87 | (e ? (e->eax | (uint64_t)e->edx << 32) & xcr0_guest() : 0);
}
