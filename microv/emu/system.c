// SPDX-License-Identifier: MIT
/*
 * System registers to and from memory, and the right to use ports. LGDT and LIDT change struct
 * emu's gdtr and idtr: what follows from that is the caller's.
 */
#include "insn.h"

#define CR0_TASK_BITS 0xFULL /* PE MP EM TS */
#define CR4_UMIP (1ULL << 11)
#define TYPE_TSS 0x9U /* 32 or 64-bit, available; busy is 0xB */
#define TSS_IOMAP 0x66U

static int readable(struct emu *e)
{
	return e->cr4 & CR4_UMIP && e->cpl ? fault(e, VEC_GP) : EMU_OK;
}

int run_smsw(struct emu *e, const struct insn *in)
{
	int err = readable(e);

	return err ? err : operand_write(e, in, 0, e->cr0);
}

/* SLDT, STR; arg: the register. */
int run_store_selector(struct emu *e, const struct insn *in)
{
	int err = is_protected(e) ? readable(e) : fault(e, VEC_UD);

	return err ? err : operand_write(e, in, 0, e->regs.seg[in->op->arg].selector);
}

/* It can set PE, not clear it. */
int run_lmsw(struct emu *e, const struct insn *in)
{
	uint64_t value, keep = e->cr0 & ~(CR0_TASK_BITS & ~CR0_PE);
	int err = e->cpl ? fault(e, VEC_GP) : operand_read(e, in, 0, &value);

	return err ? err : control_write(e, 0, keep | (value & CR0_TASK_BITS));
}

int run_clts(struct emu *e, const struct insn *in)
{
	(void)in;
	return control_write(e, 0, e->cr0 & ~CR0_TS);
}

static int table_span(struct emu *e, const struct insn *in, unsigned int access, struct span *span)
{
	const struct operand *o = &in->operand[0];

	return mem_span(e, o->seg, operand_ea(e, in, o), is_long64(e) ? 10 : 6, access, ALIGN_NONE,
			span);
}

/* SGDT, SIDT (arg 1). */
int run_store_table(struct emu *e, const struct insn *in)
{
	const struct mk_seg *table = in->op->arg ? &e->idtr : &e->gdtr;
	uint8_t buf[10];
	struct span span;
	int err = readable(e);

	if (!err)
		err = table_span(e, in, EMU_WRITE, &span);
	if (err)
		return err;
	memcpy(buf, &table->limit, 2);
	memcpy(buf + 2, &table->base, 8);
	return mem_store(e, &span, buf);
}

/* LGDT, LIDT (arg 1). With 16-bit operands the base has 24 bits. */
int run_load_table(struct emu *e, const struct insn *in)
{
	struct mk_seg table = { 0 };
	uint8_t buf[10];
	struct span span;
	int err = e->cpl ? fault(e, VEC_GP) : table_span(e, in, EMU_READ, &span);

	if (!err)
		err = mem_load(e, &span, buf);
	if (err)
		return err;
	memcpy(&table.limit, buf, 2);
	memcpy(&table.base, buf + 2, span.len - 2);
	if (!is_long64(e) && in->size == 2)
		table.base &= 0xFFFFFF;
	if (is_long64(e) && !mem_canonical(e, table.base))
		return fault(e, VEC_GP);
	e->system = 1;
	*(in->op->arg ? &e->idtr : &e->gdtr) = table;
	return EMU_OK;
}

static int read_tss(struct emu *e, unsigned int offset, uint16_t *value)
{
	const struct mk_seg *tr = &e->regs.seg[MK_TR];
	struct span span;
	int err;

	if ((tr->attrib & (MK_ATTR_TYPE & ~2U)) != TYPE_TSS || offset + 1 > tr->limit)
		return fault(e, VEC_GP);
	err = mem_span_linear(e, tr->base + offset, sizeof(*value), EMU_READ, &span);
	return err ? err : mem_load(e, &span, value);
}

/* APM vol. 2, 12.2.4: by IOPL, else by the bitmap of the TSS. */
int port_allowed(struct emu *e, uint16_t port, unsigned int len)
{
	unsigned int iopl = (e->regs.rflags & FLAG_IOPL) >> 12;
	uint16_t map, bits;
	int err;

	if (!(e->cr0 & CR0_PE) || (is_protected(e) && e->cpl <= iopl))
		return EMU_OK;
	err = read_tss(e, TSS_IOMAP, &map);
	if (!err)
		err = read_tss(e, map + port / 8U, &bits);
	if (!err && bits >> port % 8 & ((1U << len) - 1))
		err = fault(e, VEC_GP);
	return err;
}
