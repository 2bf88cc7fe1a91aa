// SPDX-License-Identifier: MIT
/* Model-specific registers of guests: where they are, and which values they may have. */
#include "msr.h"
#include "cpuid.h"
#include "kvmclock.h"
#include "regs.h"
#include "tsc.h"
#include "walk.h"

enum check {
	ANY = 0,
	CANONICAL,
	PAT,
	EFER,
	APIC_BASE,
	HWCR,
	MISC_FEATURES,
	MTRR_DEF,
	MTRR_TYPES,
	MTRR_BASE, /* of a pair of base and mask */
	MCG_CAP,
	/* Those that not every guest has: */
	OPTIONAL,
	PLATFORM_INFO = OPTIONAL,
	MCE, /* of four: control, status, address, other */
	MCG_CTL,
	TSC_AUX,
};

struct msr {
	uint32_t index;
	uint16_t count;	 /* of MSRs with consecutive numbers */
	uint16_t offset; /* of the first in struct mk_state */
	uint8_t group;	 /* MK_G_*; 0: MicroV's own data */
	uint8_t check;	 /* enum check */
};

#define OWN(field) (offsetof(struct mk_state, microv) + offsetof(struct vs_data, msrs.field))
#define RANGE(name, count_, offset_, group_, check_)                                               \
	{                                                                                          \
		.index = MSR_##name, .count = (count_), .offset = (offset_), .group = (group_),    \
		.check = (check_),                                                                 \
	}
#define MSR(name, field, group_, check_)                                                           \
	RANGE(name, 1, offsetof(struct mk_state, field), group_, check_)
#define MSR_OWN(name, field, check_) RANGE(name, 1, OWN(field), 0, check_)

static const struct msr msrs[] = {
	/* Those that guests have in the CPU are looked for by user space only: behind the others. */
	MSR_OWN(APIC_BASE, apic_base, APIC_BASE),
	MSR(EFER, efer, MK_G_CR, EFER),
	MSR(PAT, pat, MK_G_MSR, PAT),
	MSR(TSC_AUX, tsc_aux, MK_G_MSR, TSC_AUX),
	MSR_OWN(TSC_ADJUST, tsc_adjust, ANY),
	MSR_OWN(MISC_ENABLE, misc_enable, ANY),
	MSR_OWN(UCODE_REV, ucode_rev, ANY),
	MSR_OWN(PLATFORM_INFO, platform_info, PLATFORM_INFO),
	MSR_OWN(MISC_FEATURES, misc_features, MISC_FEATURES),
	MSR_OWN(POWER_CTL, power_ctl, ANY),
	MSR_OWN(HWCR, hwcr, HWCR),
	MSR_OWN(MCG_STATUS, mcg_status, ANY),
	MSR_OWN(MCG_CAP, mcg_cap, MCG_CAP),
	MSR_OWN(MCG_CTL, mcg_ctl, MCG_CTL),
	RANGE(MCE, 4 * MCE_BANKS, OWN(mce), 0, MCE),
	MSR_OWN(MTRR_DEF, mtrr_def, MTRR_DEF),
	RANGE(MTRR_VARIABLE, MTRR_VARIABLE, OWN(mtrr_variable), 0, MTRR_BASE),
	RANGE(MTRR_FIX64K, 1, OWN(mtrr_fixed[0]), 0, MTRR_TYPES),
	RANGE(MTRR_FIX16K, 2, OWN(mtrr_fixed[1]), 0, MTRR_TYPES),
	RANGE(MTRR_FIX4K, 8, OWN(mtrr_fixed[3]), 0, MTRR_TYPES),
	MSR(STAR, star, MK_G_MSR, ANY),
	MSR(LSTAR, lstar, MK_G_MSR, CANONICAL),
	MSR(CSTAR, cstar, MK_G_MSR, CANONICAL),
	MSR(SFMASK, sfmask, MK_G_MSR, ANY),
	MSR(KERNEL_GS_BASE, kernel_gs_base, MK_G_MSR, CANONICAL),
	MSR(FS_BASE, seg[MK_FS].base, MK_G_SEG, CANONICAL),
	MSR(GS_BASE, seg[MK_GS].base, MK_G_SEG, CANONICAL),
	MSR(SYSENTER_CS, sysenter_cs, MK_G_MSR, ANY),
	MSR(SYSENTER_ESP, sysenter_esp, MK_G_MSR, CANONICAL),
	MSR(SYSENTER_EIP, sysenter_eip, MK_G_MSR, CANONICAL),
};

/* MSRs that never change; what is written to the writable ones vanishes, as with KVM. */
static const struct {
	uint32_t index;
	uint32_t value;
	uint8_t writable;
} constants[] = {
	{ MSR_MTRR_CAP, 0x508, 0 },
	{ MSR_SYSCFG, 0, 1 },
	{ MSR_NB_CFG, 0, 1 },
};

static inline const struct msr *find(uint64_t index)
{
	const struct msr *msr;

	if (index >> 32)
		return NULL;
	for (msr = msrs; msr < msrs + ARRAY_SIZE(msrs); msr++)
		if ((uint32_t)index - msr->index < msr->count)
			return msr;
	return NULL;
}

/* Where the state page has it. */
static uint64_t *place(const struct vs *vs, const struct msr *msr, uint32_t index)
{
	return (uint64_t *)((char *)vs->st + msr->offset) + (index - msr->index);
}

/* In constants[], or -1. */
static int find_constant(uint64_t index)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(constants); i++)
		if (constants[i].index == index)
			return i;
	return -1;
}

static uint32_t cpuid_bit(uint32_t leaf, int reg, int bit)
{
	uint32_t r[4];

	cpuid(leaf & 0x80000000, 0, r);
	if (r[0] < leaf)
		return 0;
	cpuid(leaf, 0, r);
	return r[reg] >> bit & 1;
}

/* APM vol. 2, 3.1.7, and the CPUID bit of each feature. */
uint64_t msr_efer_supported(void)
{
	static const struct {
		uint32_t leaf;
		uint8_t reg, bit, efer;
	} features[] = {
		{ 0x80000001, 3, 11, 0 },  /* SYSCALL */
		{ 0x80000001, 3, 29, 8 },  /* long mode: LME */
		{ 0x80000001, 3, 29, 10 }, /* LMA */
		{ 0x80000001, 3, 20, 11 }, /* NX */
		{ 0x80000001, 3, 25, 14 }, /* fast FXSAVE */
		{ 0x80000001, 2, 17, 15 }, /* translation cache extension */
		{ 0x80000021, 0, 8, 21 },  /* automatic IBRS */
	};
	uint64_t efer = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(features); i++)
		efer |= (uint64_t)cpuid_bit(features[i].leaf, features[i].reg, features[i].bit)
			<< features[i].efer;
	return efer;
}

/* Eight memory types; 2 and 3 are none (APM vol. 2, 7.8.2). */
static int pat_valid(uint64_t pat)
{
	for (int i = 0; i < 64; i += 8)
		if ((pat >> i & 0xFF) > 7 || (pat >> i & 0xFE) == 2)
			return 0;
	return 1;
}

/* Bits 7:0, 9, and x2APIC mode, which guests don't have. */
#define APIC_BASE_RESERVED 0x6FFULL
/* Flush filter, IGNNE emulation and TLB cache: whoever sets them gets them ignored. */
#define HWCR_IGNORED 0x148ULL
#define HWCR_MCI_STATUS_WRITE (1ULL << 18)

/* Address bits that the guest's CPU doesn't have. */
static uint64_t no_address(const struct vs *vs)
{
	unsigned int bits = cpuid_phys_bits(vs);

	return bits < 64 ? ~0ULL << bits : 0;
}

/* UC, WC, WT, WP or WB (APM vol. 2, 7.7.1). */
static int mtrr_type_valid(uint8_t type)
{
	return type < 8 && 0x73 >> type & 1;
}

static int mtrr_types_valid(uint64_t types)
{
	for (int i = 0; i < 64; i += 8)
		if (!mtrr_type_valid(types >> i))
			return 0;
	return 1;
}

static int mtrr_pair_valid(const struct vs *vs, int mask, uint64_t value)
{
	if (mask)
		return !(value & (0x7FF | no_address(vs)));
	return mtrr_type_valid(value) && !(value & (0xF00 | no_address(vs)));
}

/* A control register is all or nothing; Linux clears bit 10 of bank 4, others bit 0. */
static int mce_valid(unsigned int reg, uint64_t value)
{
	return reg % 4 || !value || !~(value | 1 << 10 | 1);
}

/* All that MCG_CAP has on AMD (APM vol. 2, 9.3.2.1). */
static int mcg_cap_valid(uint64_t value)
{
	const uint64_t banks = value & MCG_CAP_BANKS;

	return banks && banks <= MCE_BANKS && !(value & ~(MCG_CAP_BANKS | MCG_CTL_P));
}

/* All or nothing, and nothing when MCG_CAP doesn't have it. */
static int mcg_ctl_valid(struct vs *vs, uint64_t value)
{
	return !value || (!~value && state_data(vs->st)->msrs.mcg_cap & MCG_CTL_P);
}

/* Only a CPU with RDTSCP or RDPID has it. */
static int tsc_aux_exists(void)
{
	return cpuid_bit(0x80000001, 3, 27) || cpuid_bit(7, 2, 22);
}

int msr_exists(uint64_t index)
{
	if (index == MSR_TSC_AUX)
		return tsc_aux_exists();
	return index == MSR_TSC || kvmclock_msr(index) || find(index) || find_constant(index) >= 0;
}

int msr_cpuid_faults(const struct vs *vs)
{
	return !!(state_data(vs->st)->msrs.misc_features & CPUID_FAULT_ON);
}

/* CPUID faulting alone, and only what PLATFORM_INFO offers. */
static int misc_features_valid(const struct vs *vs, uint64_t value)
{
	return !value || (value == CPUID_FAULT_ON &&
			  state_data(vs->st)->msrs.platform_info & CPUID_FAULT);
}

static int found_valid(struct vs *vs, const struct msr *msr, unsigned int n, uint64_t value)
{
	switch (msr->check) {
	case CANONICAL:
		return walk_canonical(vs, value);
	case PAT:
		return pat_valid(value);
	case EFER:
		return !(value & ~msr_efer_supported());
	case APIC_BASE:
		return !(value & (APIC_BASE_RESERVED | no_address(vs)));
	case HWCR:
		value &= ~HWCR_IGNORED;
		return !value || value == HWCR_MCI_STATUS_WRITE;
	case PLATFORM_INFO:
		return value & CPUID_FAULT || !msr_cpuid_faults(vs);
	case MISC_FEATURES:
		return misc_features_valid(vs, value);
	case MTRR_DEF:
		return !(value & ~0xCFFULL) && mtrr_type_valid(value);
	case MTRR_TYPES:
		return mtrr_types_valid(value);
	case MTRR_BASE:
		return mtrr_pair_valid(vs, n % 2, value);
	case MCE:
		return mce_valid(n, value);
	case MCG_CAP:
		return mcg_cap_valid(value);
	case MCG_CTL:
		return mcg_ctl_valid(vs, value);
	case TSC_AUX: /* AMD's CPUs ignore the upper half */
		return !(value >> 32) || !cpuid_is_intel(vs);
	}
	return 1;
}

static int msr_valid(struct vs *vs, uint64_t index, uint64_t value)
{
	const struct msr *msr = find(index);
	int constant = find_constant(index);

	if (constant >= 0)
		return constants[constant].writable;
	return !msr || found_valid(vs, msr, index - msr->index, value);
}

static uint64_t msr_read(struct vs *vs, uint64_t index)
{
	const struct msr *msr = find(index);
	int constant = find_constant(index);

	if (constant >= 0)
		return constants[constant].value;
	if (index == MSR_TSC)
		return tsc_read(vs);
	if (kvmclock_msr(index))
		return kvmclock_read(vs, index);
	state_fetch(vs->id, vs->st, msr->group);
	return *place(vs, msr, index);
}

static void msr_write(struct vs *vs, uint64_t index, uint64_t value)
{
	const struct msr *msr = find(index);

	if (find_constant(index) >= 0)
		return;
	if (index == MSR_TSC) {
		tsc_write(vs, value);
		return;
	}
	if (kvmclock_msr(index)) {
		kvmclock_write(vs, index, value, 0);
		return;
	}
	if (index == MSR_HWCR)
		value &= ~HWCR_IGNORED;
	if (index == MSR_TSC_AUX)
		value = (uint32_t)value;
	state_fetch(vs->id, vs->st, msr->group);
	vs->st->dirty |= msr->group;
	*place(vs, msr, index) = value;
}

const struct reg_ops msr_ops = {
	.exists = msr_exists,
	.valid = msr_valid,
	.read = msr_read,
	.write = msr_write,
};

static void list_add(uint32_t *list, unsigned int max, unsigned int *n, uint32_t index)
{
	if (*n < max)
		list[*n] = index;
	++*n;
}

unsigned int msr_all(uint32_t *list, unsigned int max)
{
	unsigned int n = 0;

	list_add(list, max, &n, MSR_TSC);
	list_add(list, max, &n, MSR_SYSTEM_TIME_OLD);
	list_add(list, max, &n, MSR_WALL_CLOCK_OLD);
	list_add(list, max, &n, MSR_SYSTEM_TIME);
	list_add(list, max, &n, MSR_WALL_CLOCK);
	for (unsigned int i = 0; i < ARRAY_SIZE(msrs); i++)
		for (unsigned int j = 0; j < msrs[i].count; j++)
			if (msr_exists(msrs[i].index + j))
				list_add(list, max, &n, msrs[i].index + j);
	for (unsigned int i = 0; i < ARRAY_SIZE(constants); i++)
		list_add(list, max, &n, constants[i].index);
	return n;
}

/* One of kvmclock's, which user space has taken from the guest with its CPUID. */
static int kvmclock_missing(struct vs *vs, uint32_t index)
{
	struct mv_cdl_entry_t e = { .fun = KVMCLOCK_LEAF };

	if (!(state_data(vs->st)->run_flags & MV_RUN_FLAG_PV_CPUID) || !kvmclock_msr(index))
		return 0;
	cpuid_read(vs, &e);
	return !(e.eax & kvmclock_feature(index));
}

/* As in KVM; user space has them all. */
static int guest_missing(struct vs *vs, uint32_t index)
{
	const struct vs_data *data = state_data(vs->st);
	const struct msr *msr = find(index);

	if (!msr)
		return kvmclock_missing(vs, index);
	switch (msr->check) {
	case PLATFORM_INFO:
		return !!(data->run_flags & MV_RUN_FLAG_NO_PLATFORM_INFO);
	case MCE:
		return index - MSR_MCE >= 4 * (data->msrs.mcg_cap & MCG_CAP_BANKS);
	case MCG_CTL:
		return !(data->msrs.mcg_cap & MCG_CTL_P);
	case TSC_AUX:
		return !cpuid_has_tsc_aux(vs);
	}
	return 0;
}

int msr_guest_read(struct vs *vs, uint32_t index, uint64_t *value)
{
	if (!msr_exists(index) || guest_missing(vs, index))
		return -1;
	*value = msr_read(vs, index);
	return 0;
}

const uint64_t *msr_at_hand(const struct vs *vs, uint32_t index)
{
	const struct msr *msr = find(index);

	if (!msr || msr->check >= OPTIONAL || !state_has(vs->st, msr->group))
		return NULL;
	return place(vs, msr, index);
}

/* LMA is the CPU's: it follows CR0.PG. LME can't change under paging (APM vol. 2, 14.6). */
static int efer_guest_write(struct vs *vs, uint64_t value)
{
	struct mk_state *st = vs->st;

	state_fetch(vs->id, st, MK_G_CR);
	if (st->cr0 & CR0_PG && (value ^ st->efer) & EFER_LME)
		return -1;
	msr_write(vs, MSR_EFER, (value & ~EFER_LMA) | (st->efer & EFER_LMA));
	return 0;
}

/* Bits that say what the CPU lacks can't be changed; bit 7 is ignored. */
static int misc_enable_guest_write(struct vs *vs, uint64_t value)
{
	struct vs_msrs *own = &state_data(vs->st)->msrs;

	if ((value ^ own->misc_enable) & MISC_ENABLE_RESET)
		return -1;
	own->misc_enable = (value & ~(1ULL << 7)) | (own->misc_enable & 1ULL << 7);
	return 0;
}

/* Status registers can be cleared; to set them takes HWCR's leave. */
static int mce_guest_refused(struct vs *vs, uint32_t index, uint64_t value)
{
	return index - MSR_MCE < 4 * MCE_BANKS && (index - MSR_MCE) % 4 == 1 && value &&
	       !(state_data(vs->st)->msrs.hwcr & HWCR_MCI_STATUS_WRITE);
}

int msr_guest_write(struct vs *vs, uint32_t index, uint64_t value)
{
	if (!msr_exists(index) || !msr_valid(vs, index, value) || guest_missing(vs, index) ||
	    mce_guest_refused(vs, index, value))
		return -1;
	switch (index) {
	case MSR_EFER:
		return efer_guest_write(vs, value);
	case MSR_MISC_ENABLE:
		return misc_enable_guest_write(vs, value);
	case MSR_MCG_CAP:
	case MSR_PLATFORM_INFO:
		return -1;
	case MSR_UCODE_REV:
		return 0;
	case MSR_TSC:
	case MSR_TSC_ADJUST:
		tsc_guest_move(vs, value - msr_read(vs, index));
		return 0;
	}
	if (kvmclock_msr(index))
		kvmclock_write(vs, index, value, 1);
	else
		msr_write(vs, index, value);
	return 0;
}
