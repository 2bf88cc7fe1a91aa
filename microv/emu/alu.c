// SPDX-License-Identifier: MIT
/* ADD to TEST, INC, DEC, NEG, NOT; and the shapes that other groups share. */
#include "insn.h"

uint64_t compute_add(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	flags_add(e, a, b, a + b, size);
	return a + b;
}

uint64_t compute_adc(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	uint64_t sum = a + b + (e->regs.rflags & FLAG_CF);

	flags_add(e, a, b, sum, size);
	return sum;
}

uint64_t compute_sub(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	flags_sub(e, a, b, a - b, size);
	return a - b;
}

uint64_t compute_sbb(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	uint64_t difference = a - b - (e->regs.rflags & FLAG_CF);

	flags_sub(e, a, b, difference, size);
	return difference;
}

uint64_t compute_and(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	flags_logic(e, a & b, size);
	return a & b;
}

uint64_t compute_or(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	flags_logic(e, a | b, size);
	return a | b;
}

uint64_t compute_xor(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	flags_logic(e, a ^ b, size);
	return a ^ b;
}

/* INC and DEC leave CF alone. */
uint64_t compute_inc(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	uint64_t carry = e->regs.rflags;

	(void)b;
	flags_add(e, a, 1, a + 1, size);
	flags_set(e, FLAG_CF, carry);
	return a + 1;
}

uint64_t compute_dec(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	uint64_t carry = e->regs.rflags;

	(void)b;
	flags_sub(e, a, 1, a - 1, size);
	flags_set(e, FLAG_CF, carry);
	return a - 1;
}

uint64_t compute_neg(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	(void)b;
	flags_sub(e, 0, a, -a, size);
	return -a;
}

uint64_t compute_not(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	(void)e;
	(void)b;
	(void)size;
	return ~a;
}

int run_binary(struct emu *e, const struct insn *in)
{
	struct place place;
	uint64_t source;
	int err = operand_read(e, in, 1, &source);

	if (!err)
		err = place_open(e, in, 0, &place);
	if (err)
		return err;
	return place_close(e, in, &place,
			   in->op->compute(e, place.old, source, in->operand[0].size));
}

int run_unary(struct emu *e, const struct insn *in)
{
	struct place place;
	int err = place_open(e, in, 0, &place);

	if (err)
		return err;
	return place_close(e, in, &place, in->op->compute(e, place.old, 0, in->operand[0].size));
}

int run_compare(struct emu *e, const struct insn *in)
{
	uint64_t a, b;
	int err = operand_read(e, in, 0, &a);

	if (!err)
		err = operand_read(e, in, 1, &b);
	if (!err)
		in->op->compute(e, a, b, in->operand[0].size);
	return err;
}

/* The destination isn't read. */
int run_source(struct emu *e, const struct insn *in)
{
	uint64_t source;
	int err = operand_read(e, in, 1, &source);

	if (err)
		return err;
	return operand_write(e, in, 0, in->op->compute(e, source, 0, in->operand[1].size));
}
