// SPDX-License-Identifier: MIT
/* Model-specific registers of guests: where they are, and which values they may have. */
#include "msr.h"
#include "regs.h"
#include "walk.h"

enum check { ANY = 0, CANONICAL, PAT, EFER, APIC_BASE };

struct msr {
	uint32_t index;
	uint16_t offset; /* in struct mk_state */
	uint8_t group;	 /* MK_G_*; 0: MicroV's own data */
	uint8_t check;	 /* enum check */
};

#define MSR(name, field, group_, check_)                                                           \
	{                                                                                          \
		.index = MSR_##name, .offset = offsetof(struct mk_state, field),                   \
		.group = (group_), .check = (check_),                                              \
	}

static const struct msr msrs[] = {
	MSR(EFER, efer, MK_G_CR, EFER),
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
	MSR(PAT, pat, MK_G_MSR, PAT),
	{
		.index = MSR_APIC_BASE,
		.offset = offsetof(struct mk_state, microv) + offsetof(struct vs_data, apic_base),
		.check = APIC_BASE,
	},
};

static const struct msr *find(uint64_t index)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(msrs); i++)
		if (msrs[i].index == index)
			return &msrs[i];
	return NULL;
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
#define APIC_BASE_RESERVED (0x6FFULL | ~((1ULL << 52) - 1))

static int msr_exists(uint64_t index)
{
	return index == MSR_TSC || find(index);
}

static int msr_valid(struct vs *vs, uint64_t index, uint64_t value)
{
	if (index == MSR_TSC)
		return 1;
	switch (find(index)->check) {
	case CANONICAL:
		return walk_canonical(vs, value);
	case PAT:
		return pat_valid(value);
	case EFER:
		return !(value & ~msr_efer_supported());
	case APIC_BASE:
		return !(value & APIC_BASE_RESERVED);
	}
	return 1;
}

static uint64_t msr_read(struct vs *vs, uint64_t index)
{
	const struct msr *msr = find(index);
	uint64_t value;

	state_fetch(vs->id, vs->st, msr ? msr->group : MK_G_TSC);
	if (!msr)
		return rdtsc() + vs->st->tsc_offset;
	memcpy(&value, (const char *)vs->st + msr->offset, sizeof(value));
	return value;
}

static void msr_write(struct vs *vs, uint64_t index, uint64_t value)
{
	const struct msr *msr = find(index);
	uint32_t group = msr ? msr->group : MK_G_TSC;

	state_fetch(vs->id, vs->st, group);
	vs->st->dirty |= group;
	if (msr)
		memcpy((char *)vs->st + msr->offset, &value, sizeof(value));
	else
		vs->st->tsc_offset = value - rdtsc();
}

const struct reg_ops msr_ops = {
	.exists = msr_exists,
	.valid = msr_valid,
	.read = msr_read,
	.write = msr_write,
};

/* What else a guest may read, as KVM has it; written values vanish. */
static const struct {
	uint32_t index;
	uint32_t value;
	uint8_t writable;
} constants[] = {
	{ MSR_UCODE_REV, 0x01000065, 1 },
	{ MSR_MTRR_CAP, 0x508, 0 },
	{ MSR_MISC_ENABLE, 0x1800, 0 },
	{ MSR_SYSCFG, 0, 1 },
	{ MSR_HWCR, 0, 1 },
	{ MSR_NB_CFG, 0, 1 },
};

int msr_guest_read(struct vs *vs, uint32_t index, uint64_t *value)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(constants); i++)
		if (constants[i].index == index) {
			*value = constants[i].value;
			return 0;
		}
	if (!msr_exists(index))
		return -1;
	*value = msr_read(vs, index);
	return 0;
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

int msr_guest_write(struct vs *vs, uint32_t index, uint64_t value)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(constants); i++)
		if (constants[i].index == index)
			return constants[i].writable ? 0 : -1;
	if (!msr_exists(index) || !msr_valid(vs, index, value))
		return -1;
	if (index == MSR_EFER)
		return efer_guest_write(vs, value);
	msr_write(vs, index, value);
	return 0;
}
