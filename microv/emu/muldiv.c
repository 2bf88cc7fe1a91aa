// SPDX-License-Identifier: MIT
/*
 * Multiplication and division. MUL and IMUL leave SF, ZF, AF and PF, which the manuals call
 * undefined, alone, DIV and IDIV all flags: as AMD's CPUs do.
 */
#include "insn.h"

/* The double-width result in AX, or in rDX:rAX. */
static void set_wide(struct emu *e, unsigned int size, uint64_t low, uint64_t high)
{
	if (size == 1) {
		reg_set(e, MK_RAX, 2, (high & 0xFF) << 8 | (low & 0xFF));
		return;
	}
	reg_set(e, MK_RAX, size, low);
	reg_set(e, MK_RDX, size, high);
}

static void get_wide(const struct emu *e, unsigned int size, uint64_t *low, uint64_t *high)
{
	*low = reg_get(e, MK_RAX, size);
	*high = size == 1 ? reg_get(e, MK_RAX, 2) >> 8 : reg_get(e, MK_RDX, size);
}

static void overflow_flags(struct emu *e, int overflow)
{
	flags_set(e, FLAG_CF | FLAG_OF, overflow ? FLAG_CF | FLAG_OF : 0);
}

int run_mul(struct emu *e, const struct insn *in)
{
	unsigned int size = in->operand[0].size;
	unsigned __int128 product;
	uint64_t value, high;
	int err = operand_read(e, in, 0, &value);

	if (err)
		return err;
	product = (unsigned __int128)reg_get(e, MK_RAX, size) * value;
	high = product >> size * 8;
	set_wide(e, size, product, high);
	overflow_flags(e, !!(high & size_mask(size)));
	return EMU_OK;
}

/* Does the product fit into size bytes with its sign? */
static int fits(__int128 product, unsigned int size)
{
	return product == sign_extend(product, size);
}

static int imul_wide(struct emu *e, const struct insn *in)
{
	unsigned int size = in->operand[0].size;
	uint64_t value;
	__int128 product;
	int err = operand_read(e, in, 0, &value);

	if (err)
		return err;
	product = (__int128)sign_extend(reg_get(e, MK_RAX, size), size) * sign_extend(value, size);
	set_wide(e, size, product, product >> size * 8);
	overflow_flags(e, !fits(product, size));
	return EMU_OK;
}

/* One operand: rDX:rAX; two: dst *= src; three: dst = src * imm. */
int run_imul(struct emu *e, const struct insn *in)
{
	unsigned int size = in->operand[0].size, last = in->visible - 1;
	uint64_t a, b;
	__int128 product;
	int err;

	if (last == 0)
		return imul_wide(e, in);
	err = operand_read(e, in, last - 1, &a);
	if (!err)
		err = operand_read(e, in, last, &b);
	if (err)
		return err;
	product = (__int128)sign_extend(a, size) * sign_extend(b, size);
	overflow_flags(e, !fits(product, size));
	return operand_write(e, in, 0, product);
}

int run_mulx(struct emu *e, const struct insn *in)
{
	unsigned int size = in->operand[0].size;
	unsigned __int128 product;
	uint64_t value;
	int err = operand_read(e, in, 2, &value);

	if (err)
		return err;
	product = (unsigned __int128)reg_get(e, MK_RDX, size) * value;
	/* The high half last: it stays when both go to one register. */
	operand_write(e, in, 1, product);
	return operand_write(e, in, 0, product >> size * 8);
}

/* high < divisor; without libgcc there is no other 128-bit division. */
static uint64_t divide(uint64_t high, uint64_t low, uint64_t divisor, uint64_t *remainder)
{
	uint64_t quotient;

	__asm__("divq %4" : "=a"(quotient), "=d"(*remainder) : "a"(low), "d"(high), "r"(divisor));
	return quotient;
}

struct division {
	uint64_t quotient, remainder;
};

/* 128 by 64 bits. 0, or it doesn't fit. */
static int divide_wide(unsigned __int128 value, uint64_t divisor, struct division *d)
{
	uint64_t high = value >> 64;

	if (high >= divisor)
		return -1;
	d->quotient = divide(high, value, divisor, &d->remainder);
	return 0;
}

int run_div(struct emu *e, const struct insn *in)
{
	unsigned int size = in->operand[0].size;
	uint64_t divisor, low, high;
	struct division d;
	int err = operand_read(e, in, 0, &divisor);

	if (err)
		return err;
	get_wide(e, size, &low, &high);
	if (divide_wide((unsigned __int128)high << size * 8 | low, divisor, &d) ||
	    d.quotient > size_mask(size))
		return fault(e, VEC_DE);
	set_wide(e, size, d.quotient, d.remainder);
	return EMU_OK;
}

static unsigned __int128 magnitude(__int128 value)
{
	return value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
}

/* By magnitudes; the remainder has the dividend's sign. */
int run_idiv(struct emu *e, const struct insn *in)
{
	unsigned int size = in->operand[0].size;
	uint64_t operand, low, high, most;
	int64_t divisor;
	__int128 dividend;
	struct division d;
	int negative, err = operand_read(e, in, 0, &operand);

	if (err)
		return err;
	get_wide(e, size, &low, &high);
	dividend = (__int128)((unsigned __int128)sign_extend(high, size) << size * 8 | low);
	divisor = sign_extend(operand, size);
	negative = (dividend < 0) != (divisor < 0);
	most = (size_mask(size) >> 1) + negative;
	if (divide_wide(magnitude(dividend), magnitude(divisor), &d) || d.quotient > most)
		return fault(e, VEC_DE);
	set_wide(e, size, negative ? -d.quotient : d.quotient,
		 dividend < 0 ? -d.remainder : d.remainder);
	return EMU_OK;
}
