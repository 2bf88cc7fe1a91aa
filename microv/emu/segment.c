// SPDX-License-Identifier: MIT
/* Loads of segment registers (APM vol. 2, 4.10 and 4.11), far jumps, calls and returns. */
#include "insn.h"

#define TYPE_ACCESSED 0x1U
#define TYPE_READWRITE 0x2U
#define TYPE_CONFORMING 0x4U
#define TYPE_CODE 0x8U
#define RPL 3U
#define IN_LDT 4U

struct descriptor {
	struct span span;
	uint64_t value;
	struct mk_seg seg;
};

static unsigned int dpl(const struct mk_seg *seg)
{
	return (seg->attrib & MK_ATTR_DPL) >> 5;
}

static void parse(struct descriptor *d, uint16_t selector)
{
	uint64_t v = d->value;

	d->seg.selector = selector;
	d->seg.attrib = v >> 40 & MK_ATTR_ALL;
	d->seg.base = (v >> 16 & 0xFFFFFF) | (v >> 56) << 24;
	d->seg.limit = (v & 0xFFFF) | (v >> 32 & 0xF0000);
	if (d->seg.attrib & MK_ATTR_G)
		d->seg.limit = d->seg.limit << 12 | 0xFFF;
}

/* With the rights of the system, whatever the CPL. */
static int read_descriptor(struct emu *e, uint16_t selector, struct descriptor *d)
{
	const struct mk_seg *table = selector & IN_LDT ? &e->regs.seg[MK_LDTR] : &e->gdtr;
	unsigned int offset = selector & ~7U;
	int err;

	if (offset + 7 > table->limit || (selector & IN_LDT && !(table->attrib & MK_ATTR_P)))
		return fault_code(e, VEC_GP, selector & ~RPL);
	err = mem_span_linear(e, table->base + offset, 8, EMU_READ, &d->span);
	if (!err)
		err = mem_load(e, &d->span, &d->value);
	if (!err)
		parse(d, selector);
	return err;
}

static int data_allowed(const struct emu *e, const struct mk_seg *seg)
{
	unsigned int code = seg->attrib & TYPE_CODE, rpl = seg->selector & RPL;

	if (!(seg->attrib & MK_ATTR_S) || (code && !(seg->attrib & TYPE_READWRITE)))
		return 0;
	if (code && seg->attrib & TYPE_CONFORMING)
		return 1;
	return rpl <= dpl(seg) && e->cpl <= dpl(seg);
}

static int stack_allowed(const struct emu *e, const struct mk_seg *seg)
{
	return seg->attrib & MK_ATTR_S && !(seg->attrib & TYPE_CODE) &&
	       seg->attrib & TYPE_READWRITE && (seg->selector & RPL) == e->cpl &&
	       dpl(seg) == e->cpl;
}

static int check(struct emu *e, unsigned int index, const struct mk_seg *seg)
{
	uint32_t error = seg->selector & ~RPL;
	int stack = index == MK_SS;

	if (!(stack ? stack_allowed(e, seg) : data_allowed(e, seg)))
		return fault_code(e, VEC_GP, error);
	if (!(seg->attrib & MK_ATTR_P))
		return fault_code(e, stack ? VEC_SS : VEC_NP, error);
	return EMU_OK;
}

static int set_accessed(struct emu *e, struct descriptor *d)
{
	uint64_t gla = (d->seg.selector & IN_LDT ? e->regs.seg[MK_LDTR].base : e->gdtr.base) +
		       (d->seg.selector & ~7U);
	uint64_t value = d->value | (uint64_t)TYPE_ACCESSED << 40;
	struct span span;
	int err;

	if (d->seg.attrib & TYPE_ACCESSED)
		return EMU_OK;
	err = mem_span_linear(e, gla, 8, EMU_WRITE, &span);
	if (!err)
		err = mem_exchange(e, &span, &d->value, &value);
	d->seg.attrib |= TYPE_ACCESSED;
	return err;
}

static int load_null(struct emu *e, unsigned int index, uint16_t selector)
{
	struct mk_seg *seg = &e->regs.seg[index];

	if (index == MK_SS && (!is_long64(e) || e->cpl == 3 || (selector & RPL) != e->cpl))
		return fault(e, VEC_GP);
	*seg = (struct mk_seg){ .selector = selector };
	/* A null SS keeps the CPL. */
	if (index == MK_SS)
		seg->attrib = e->cpl << 5;
	return EMU_OK;
}

static int load_protected(struct emu *e, unsigned int index, uint16_t selector)
{
	struct descriptor d;
	int err;

	if (!(selector & ~RPL))
		return load_null(e, index, selector);
	err = read_descriptor(e, selector, &d);
	if (!err)
		err = check(e, index, &d.seg);
	if (!err)
		err = set_accessed(e, &d);
	if (!err)
		e->regs.seg[index] = d.seg;
	return err;
}

int segment_load(struct emu *e, unsigned int seg, uint16_t selector)
{
	int err = EMU_OK;

	e->system = 1;
	if (is_protected(e)) {
		err = load_protected(e, seg, selector);
	} else {
		e->regs.seg[seg].selector = selector;
		e->regs.seg[seg].base = (uint64_t)selector << 4;
	}
	if (!err && seg == MK_SS)
		e->shadow = 1;
	return err;
}

/* LDS and its kin; arg: the segment register. */
int run_load_far(struct emu *e, const struct insn *in)
{
	const struct operand *o = &in->operand[1];
	unsigned int size = in->operand[0].size;
	uint8_t pointer[10];
	uint64_t offset = 0;
	uint16_t selector;
	struct span span;
	int err;

	if (o->kind != OPERAND_MEM)
		return EMU_UNHANDLED;
	err = mem_span(e, o->seg, operand_ea(e, in, o), size + 2, EMU_READ, ALIGN_NONE, &span);
	if (!err)
		err = mem_load(e, &span, pointer);
	if (err)
		return err;
	memcpy(&offset, pointer, size);
	memcpy(&selector, pointer + size, sizeof(selector));
	err = segment_load(e, in->op->arg, selector);
	/* LSS gives no interrupt shadow (APM vol. 3, LSS). */
	e->shadow = 0;
	return err ? err : operand_write(e, in, 0, offset);
}

static int code_allowed(const struct emu *e, const struct mk_seg *seg)
{
	unsigned int both = MK_ATTR_L | MK_ATTR_DB;

	if (!(seg->attrib & TYPE_CODE) || (e->efer & EFER_LMA && (seg->attrib & both) == both))
		return 0;
	if (seg->attrib & TYPE_CONFORMING)
		return dpl(seg) <= e->cpl;
	return (seg->selector & RPL) <= e->cpl && dpl(seg) == e->cpl;
}

/* A code segment of the same privilege; gates and tasks aren't emulated. */
static int load_code(struct emu *e, uint16_t selector)
{
	struct descriptor d;
	int err;

	if (!(selector & ~RPL))
		return fault(e, VEC_GP);
	err = read_descriptor(e, selector, &d);
	if (err)
		return err;
	if (!(d.seg.attrib & MK_ATTR_S))
		return EMU_UNHANDLED;
	if (!code_allowed(e, &d.seg))
		return fault_code(e, VEC_GP, selector & ~RPL);
	if (!(d.seg.attrib & MK_ATTR_P))
		return fault_code(e, VEC_NP, selector & ~RPL);
	err = set_accessed(e, &d);
	d.seg.selector = (selector & ~RPL) | e->cpl;
	if (!err)
		e->regs.seg[MK_CS] = d.seg;
	return err;
}

static int far_branch(struct emu *e, uint16_t selector, uint64_t target)
{
	struct mk_seg *cs = &e->regs.seg[MK_CS];
	int err = EMU_OK;

	e->system = 1;
	if (is_protected(e)) {
		err = load_code(e, selector);
	} else {
		cs->selector = selector;
		cs->base = (uint64_t)selector << 4;
	}
	if (err)
		return err;
	if (is_long64(e) ? !mem_canonical(e, target) : target > cs->limit)
		return fault(e, VEC_GP);
	e->next_rip = target;
	return EMU_OK;
}

static void split_pointer(const uint8_t *pointer, unsigned int size, uint64_t *offset,
			  uint16_t *selector)
{
	*offset = 0;
	memcpy(offset, pointer, size);
	memcpy(selector, pointer + size, sizeof(*selector));
}

static int far_pointer(struct emu *e, const struct insn *in, uint64_t *offset, uint16_t *selector)
{
	const struct operand *o = &in->operand[0];
	uint8_t pointer[10];
	struct span span;
	int err;

	if (o->kind != OPERAND_MEM || o->size > sizeof(pointer))
		return EMU_UNHANDLED;
	err = mem_span(e, o->seg, operand_ea(e, in, o), o->size, EMU_READ, ALIGN_NONE, &span);
	if (!err)
		err = mem_load(e, &span, pointer);
	if (!err)
		split_pointer(pointer, o->size - 2, offset, selector);
	return err;
}

int run_jmp_far(struct emu *e, const struct insn *in)
{
	uint64_t target;
	uint16_t selector;
	int err = far_pointer(e, in, &target, &selector);

	return err ? err : far_branch(e, selector, target);
}

int run_call_far(struct emu *e, const struct insn *in)
{
	unsigned int size = in->operand[0].size - 2;
	uint64_t frame[2] = { e->next_rip, e->regs.seg[MK_CS].selector }, target;
	uint8_t bytes[16];
	uint16_t selector;
	struct span span;
	int err = far_pointer(e, in, &target, &selector);

	if (!err)
		err = stack_span(e, -(int64_t)(2 * size), 2 * size, EMU_WRITE, &span);
	if (!err)
		err = far_branch(e, selector, target);
	if (err)
		return err;
	memcpy(bytes, &frame[0], size);
	memcpy(bytes + size, &frame[1], size);
	stack_move(e, -(int64_t)(2 * size));
	return mem_store(e, &span, bytes);
}

/* To the same privilege. */
int run_ret_far(struct emu *e, const struct insn *in)
{
	uint8_t bytes[16];
	uint64_t target;
	uint16_t selector;
	struct span span;
	int err = stack_span(e, 0, 2 * in->size, EMU_READ, &span);

	if (!err)
		err = mem_load(e, &span, bytes);
	if (err)
		return err;
	split_pointer(bytes, in->size, &target, &selector);
	if (is_protected(e) && (selector & RPL) != e->cpl)
		return (selector & RPL) > e->cpl ? EMU_UNHANDLED
						 : fault_code(e, VEC_GP, selector & ~RPL);
	stack_move(e, 2 * in->size + (in->visible ? in->operand[0].imm : 0));
	return far_branch(e, selector, target);
}
