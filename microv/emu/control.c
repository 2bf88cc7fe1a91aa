// SPDX-License-Identifier: MIT
/*
 * Control registers (APM vol. 2, 3.1): which values are refused, and what a change of mode
 * does to EFER.LMA. Flushing the TLB is the caller's.
 */
#include "insn.h"

#define CR0_ET (1ULL << 4)
#define CR0_NW (1ULL << 29)
#define CR0_CD (1ULL << 30)
#define CR0_PG (1ULL << 31)
#define CR0_DEFINED 0xE005003FULL
#define CR4_PCIDE (1ULL << 17)
#define CR3_PCID 0xFFFULL
#define CR3_PAE 0xFFFFFFE0ULL
#define CR8_DEFINED 0xFULL

/* Changes of these make a CPU read the top level of PAE's tables. */
#define CR0_PDPTES (CR0_PG | CR0_CD | CR0_NW)
#define CR4_PDPTES 0x1000B0ULL /* PSE PAE PGE SMEP */
#define PDPTE_P 1ULL
#define PDPTE_RESERVED 0xFFF00000000001E6ULL

static int paging(const struct emu *e)
{
	return !!(e->cr0 & CR0_PG);
}

/* APM vol. 2, 5.3.3. */
static int pdptes_valid(struct emu *e)
{
	uint64_t pdpte[4];
	int err = e->ops->load(e, e->cr3 & CR3_PAE, pdpte, sizeof(pdpte));

	e->absent = err == EMU_ABSENT;
	if (err)
		return 0;
	for (unsigned int i = 0; i < 4; i++)
		if (pdpte[i] & PDPTE_P && pdpte[i] & (PDPTE_RESERVED | e->gpa_reserved))
			return 0;
	return 1;
}

/* Into long mode only with PAE, out of a code segment that isn't 64-bit (APM vol. 2, 14.6). */
static int may_turn_on(struct emu *e, uint64_t changed)
{
	if (!(e->efer & EFER_LME))
		return !(e->cr4 & CR4_PAE && changed & CR0_PDPTES) || pdptes_valid(e);
	return paging(e) || (e->cr4 & CR4_PAE && !(e->regs.seg[MK_CS].attrib & MK_ATTR_L));
}

static int cr0_valid(struct emu *e, uint64_t value)
{
	if (value >> 32 || (value & CR0_NW && !(value & CR0_CD)))
		return 0;
	if (!(value & CR0_PG))
		return !is_long64(e) && !(e->cr4 & CR4_PCIDE);
	return value & CR0_PE && may_turn_on(e, value ^ e->cr0);
}

static int cr0_write(struct emu *e, uint64_t value)
{
	if (!cr0_valid(e, value))
		return fault(e, VEC_GP);
	e->cr0 = (value & CR0_DEFINED) | CR0_ET;
	e->efer &= ~EFER_LMA;
	if (paging(e) && e->efer & EFER_LME)
		e->efer |= EFER_LMA;
	return EMU_OK;
}

static int cr4_valid(struct emu *e, uint64_t value)
{
	uint64_t changed = value ^ e->cr4;

	if (value & ~e->cr4_allowed)
		return 0;
	if (value & changed & CR4_PCIDE && (!(e->efer & EFER_LMA) || e->cr3 & CR3_PCID))
		return 0;
	if (e->efer & EFER_LMA)
		return value & CR4_PAE && !(changed & CR4_LA57);
	return !paging(e) || !(value & CR4_PAE && changed & CR4_PDPTES) || pdptes_valid(e);
}

static int cr4_write(struct emu *e, uint64_t value)
{
	if (!cr4_valid(e, value))
		return fault(e, VEC_GP);
	e->cr4 = value;
	return EMU_OK;
}

/* With PCIDs bit 63 says that the TLB may stay. */
static int cr3_write(struct emu *e, uint64_t value)
{
	if (e->cr4 & CR4_PCIDE)
		value &= ~(1ULL << 63);
	if (e->efer & EFER_LMA && value & e->gpa_reserved)
		return fault(e, VEC_GP);
	e->cr3 = value;
	return EMU_OK;
}

int control_read(struct emu *e, unsigned int n, uint64_t *value)
{
	const uint64_t cr[] = { e->cr0, 0, e->cr2, e->cr3, e->cr4, 0, 0, 0, e->cr8 };

	if (n >= ARRAY_LEN(cr) || !(0x11DU >> n & 1))
		return fault(e, VEC_UD);
	*value = cr[n];
	return e->cpl ? fault(e, VEC_GP) : EMU_OK;
}

int control_write(struct emu *e, unsigned int n, uint64_t value)
{
	uint64_t old;
	int err = control_read(e, n, &old);

	if (err)
		return err;
	switch (n) {
	case 0:
		return cr0_write(e, value);
	case 2:
		e->cr2 = value;
		return EMU_OK;
	case 3:
		return cr3_write(e, value);
	case 4:
		return cr4_write(e, value);
	}
	if (value & ~CR8_DEFINED)
		return fault(e, VEC_GP);
	e->cr8 = value;
	return EMU_OK;
}
