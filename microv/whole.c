// SPDX-License-Identifier: MIT
/* The hypercalls that read and write all registers of a kind at once. */
#include "hypercall.h"
#include "msr.h"
#include "regs.h"

/* Where the members of mv_gprs_t are in the state page. */
static const uint8_t order[] = {
	MK_RAX, MK_RBX, MK_RCX, MK_RDX, MK_RSI, MK_RDI, MK_RSP, MK_RBP,
	MK_R8,	MK_R9,	MK_R10, MK_R11, MK_R12, MK_R13, MK_R14, MK_R15,
};
MV_ABI_ASSERT(sizeof(order) * 8 == offsetof(struct mv_gprs_t, rip));

/* Segments and tables lie in the state page as they lie in mv_sregs_t. */
#define SEGS_BYTES offsetof(struct mv_sregs_t, cr0)
MV_ABI_ASSERT(offsetof(struct mk_state, gdtr) - offsetof(struct mk_state, seg) ==
	      offsetof(struct mv_sregs_t, gdtr));
MV_ABI_ASSERT(offsetof(struct mk_state, star) - offsetof(struct mk_state, seg) == SEGS_BYTES);
MV_ABI_ASSERT(sizeof(struct mk_seg) == sizeof(struct mv_segment_t) &&
	      offsetof(struct mk_seg, base) == offsetof(struct mv_segment_t, base));

/* vs_take(), for who needs the shared page. */
static mv_status_t take(struct call *c, struct vs *vs)
{
	return cpus[c->cpu].shared ? vs_take(c, vs) : MV_STATUS_FAILURE_UNKNOWN;
}

mv_status_t hc_vs_gprs_get(struct call *c)
{
	struct mv_gprs_t *page = mk_shared();
	struct vs vs;
	mv_status_t status = take(c, &vs);

	if (status != MV_STATUS_SUCCESS)
		return status;
#pragma GCC unroll 16
	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++)
		(&page->rax)[i] = vs.st->gpr[order[i]];
	page->rip = vs.st->rip;
	page->rflags = vs.st->rflags;
	vs_drop(c, &vs);
	return status;
}

/* Any value will do, whenever it is read. */
mv_status_t hc_vs_gprs_set(struct call *c)
{
	const volatile struct mv_gprs_t *page = mk_shared();
	struct vs vs;
	mv_status_t status = take(c, &vs);

	if (status != MV_STATUS_SUCCESS)
		return status;
#pragma GCC unroll 16
	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++)
		vs.st->gpr[order[i]] = (&page->rax)[i];
	vs.st->rip = page->rip;
	vs.st->rflags = regs_rflags(page->rflags);
	vs_drop(c, &vs);
	return status;
}

mv_status_t hc_vs_sregs_get(struct call *c)
{
	struct mv_sregs_t *page = mk_shared();
	const struct vs_data *data;
	const struct mk_state *st;
	struct vs vs;
	mv_status_t status = take(c, &vs);

	if (status != MV_STATUS_SUCCESS)
		return status;
	st = vs.st;
	data = state_data(vs.st);
	state_fetch(vs.id, vs.st, MK_G_CR | MK_G_SEG | MK_G_TABLE);
	memcpy(page, st->seg, SEGS_BYTES);
	page->cr0 = st->cr0;
	page->cr2 = st->cr2;
	page->cr3 = st->cr3;
	page->cr4 = st->cr4;
	page->cr8 = st->cr8;
	page->efer = st->efer;
	page->apic_base = data->msrs.apic_base;
	page->interrupt = st->inject.type == MK_EVENT_INTR || data->intr != INTR_NONE;
	page->interrupt_vector =
		st->inject.type == MK_EVENT_INTR ? st->inject.vector : data->intr_vector;
	vs_drop(c, &vs);
	return status;
}

/* What stays as it is is valid. */
static int sregs_valid(struct vs *vs, const struct mv_sregs_t *s)
{
	const struct mv_segment_t *seg = &s->es;
	uint16_t attrib = 0;

	for (unsigned int i = 0; i < MK_SEGS; i++)
		attrib |= seg[i].attrib;
	if (attrib & ~MK_ATTR_ALL || !reg_ops.valid(vs, mv_reg_t_cr0, s->cr0) ||
	    !reg_ops.valid(vs, mv_reg_t_cr4, s->cr4) || !reg_ops.valid(vs, mv_reg_t_cr8, s->cr8))
		return 0;
	state_fetch(vs->id, vs->st, MK_G_CR);
	if (s->efer != vs->st->efer && !msr_ops.valid(vs, MSR_EFER, s->efer))
		return 0;
	return s->apic_base == state_data(vs->st)->msrs.apic_base ||
	       msr_ops.valid(vs, MSR_APIC_BASE, s->apic_base);
}

static void sregs_write(struct mk_state *st, const struct mv_sregs_t *s)
{
	memcpy(st->seg, s, SEGS_BYTES);
	st->cr0 = s->cr0;
	st->cr2 = s->cr2;
	st->cr3 = s->cr3;
	st->cr4 = s->cr4;
	st->cr8 = s->cr8;
	st->efer = s->efer;
	st->dirty |= MK_G_CR | MK_G_SEG | MK_G_TABLE;
	state_data(st)->msrs.apic_base = s->apic_base;
}

mv_status_t hc_vs_sregs_set(struct call *c)
{
	struct mv_sregs_t sregs;
	struct vs vs;
	mv_status_t status = take(c, &vs);

	if (status != MV_STATUS_SUCCESS)
		return status;
	copy_once(&sregs, mk_shared(), sizeof(sregs));
	if (sregs_valid(&vs, &sregs))
		sregs_write(vs.st, &sregs);
	else
		status = MV_STATUS_FAILURE_UNKNOWN;
	vs_drop(c, &vs);
	return status;
}
