// SPDX-License-Identifier: MIT
/* Model-specific registers of guests. */
#include "msr.h"

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
