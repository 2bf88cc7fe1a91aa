// SPDX-License-Identifier: MIT
/* SSE and AVX loads and stores. Arithmetic with memory operands isn't emulated. */
#include "insn.h"

static int is_mmx_register(const struct operand *o)
{
	return o->kind == OPERAND_VECTOR && o->reg >= EMU_MMX;
}

static int is_mmx(const struct insn *in)
{
	return is_mmx_register(&in->operand[0]) || is_mmx_register(&in->operand[1]);
}

/* APM vol. 4, exceptions: what must be enabled. */
static int usable(struct emu *e, const struct insn *in)
{
	if (in->vex) {
		if (!is_protected(e) || !(e->cr4 & CR4_OSXSAVE) || (e->xcr0 & XCR0_AVX) != XCR0_AVX)
			return fault(e, VEC_UD);
	} else if (e->cr0 & CR0_EM || !(e->cr4 & CR4_OSFXSR || is_mmx(in))) {
		return fault(e, VEC_UD);
	}
	if (e->cr0 & CR0_TS)
		return fault(e, VEC_NM);
	return e->ops->vector_get ? EMU_OK : EMU_UNHANDLED;
}

static int load(struct emu *e, const struct insn *in, const struct operand *o, unsigned int align,
		void *buf)
{
	struct span span;
	int err = mem_span(e, o->seg, operand_ea(e, in, o), o->size, EMU_READ, align, &span);

	return err ? err : mem_load(e, &span, buf);
}

static int store(struct emu *e, const struct insn *in, const struct operand *o, unsigned int align,
		 const void *buf)
{
	struct span span;
	int err = mem_span(e, o->seg, operand_ea(e, in, o), o->size, EMU_WRITE, align, &span);

	return err ? err : mem_store(e, &span, buf);
}

/* The part of a register that a 4 or 8 byte load clears or sets. */
static unsigned int register_len(const struct operand *o)
{
	return is_mmx_register(o) ? 8 : 16;
}

/* VEX clears what is above the written part, legacy SSE keeps the upper half. */
static void set_low(struct emu *e, const struct insn *in, unsigned int n, const uint8_t *low,
		    unsigned int len)
{
	uint8_t value[32];

	e->ops->vector_get(e, n, value);
	if (in->vex)
		memset(value, 0, sizeof(value));
	memcpy(value, low, len);
	e->ops->vector_set(e, n, value);
}

/* All of a register, memory or register. arg: ALIGN_*. */
int run_vector_mov(struct emu *e, const struct insn *in)
{
	const struct operand *to = &in->operand[0], *from = &in->operand[1];
	uint8_t buf[32];
	int err = usable(e, in);

	if (err)
		return err;
	if (to->size > sizeof(buf) || to->size != from->size)
		return EMU_UNHANDLED;
	if (from->kind == OPERAND_MEM)
		err = load(e, in, from, in->op->arg, buf);
	else if (from->kind == OPERAND_VECTOR)
		e->ops->vector_get(e, from->reg, buf);
	else
		err = EMU_UNHANDLED;
	if (err)
		return err;
	if (to->kind == OPERAND_MEM)
		return store(e, in, to, in->op->arg, buf);
	if (to->kind != OPERAND_VECTOR)
		return EMU_UNHANDLED;
	set_low(e, in, to->reg, buf, to->size);
	return EMU_OK;
}

/* 4 or 8 bytes from and to memory; a load clears the rest of the XMM register. */
int run_vector_low(struct emu *e, const struct insn *in)
{
	const struct operand *to = &in->operand[0], *from = &in->operand[1];
	uint8_t buf[32] = { 0 };
	int err = usable(e, in);

	if (err)
		return err;
	if (to->kind == OPERAND_VECTOR && from->kind == OPERAND_MEM && from->size <= 8) {
		err = load(e, in, from, ALIGN_AC, buf);
		if (!err)
			set_low(e, in, to->reg, buf, register_len(to));
		return err;
	}
	if (to->kind == OPERAND_MEM && from->kind == OPERAND_VECTOR && to->size <= 8) {
		e->ops->vector_get(e, from->reg, buf);
		return store(e, in, to, ALIGN_AC, buf);
	}
	return EMU_UNHANDLED;
}

/* The half at `arg` bytes. The VEX load takes the other half from a second register. */
int run_vector_half(struct emu *e, const struct insn *in)
{
	const struct operand *to = &in->operand[0], *from = &in->operand[in->visible - 1];
	unsigned int half = in->op->arg, other = in->operand[in->visible - 2].reg;
	uint8_t buf[32];
	int err = usable(e, in);

	if (err)
		return err;
	if (to->kind == OPERAND_MEM && from->kind == OPERAND_VECTOR) {
		e->ops->vector_get(e, from->reg, buf);
		return store(e, in, to, ALIGN_AC, buf + half);
	}
	if (to->kind != OPERAND_VECTOR || from->kind != OPERAND_MEM)
		return EMU_UNHANDLED;
	e->ops->vector_get(e, other, buf);
	err = load(e, in, from, ALIGN_AC, buf + half);
	if (!err)
		set_low(e, in, to->reg, buf, 16);
	return err;
}

/* One element of memory to all of the register. */
int run_vector_broadcast(struct emu *e, const struct insn *in)
{
	const struct operand *to = &in->operand[0], *from = &in->operand[1];
	uint8_t buf[32];
	int err = usable(e, in);

	if (err)
		return err;
	if (to->kind != OPERAND_VECTOR || from->kind != OPERAND_MEM || from->size > 16)
		return EMU_UNHANDLED;
	err = load(e, in, from, ALIGN_AC, buf);
	if (err)
		return err;
	for (unsigned int at = from->size; at < to->size; at += from->size)
		memcpy(buf + at, buf, from->size);
	set_low(e, in, to->reg, buf, to->size);
	return EMU_OK;
}
