// SPDX-License-Identifier: MIT
/*
 * Shifts and rotates. Where the manuals leave flags undefined, they are what AMD's CPUs give:
 * OF (counts above 1) as after the last step, AF set by shifts.
 */
#include "insn.h"

static uint64_t bit(uint64_t value, unsigned int n)
{
	return n < 64 ? value >> n & 1 : 0;
}

static unsigned int masked_count(uint64_t count, unsigned int size)
{
	return count & (size == 8 ? 63 : 31);
}

static void shift_flags(struct emu *e, uint64_t result, uint64_t carry, uint64_t overflow,
			unsigned int size)
{
	flags_set(e, FLAGS_STATUS,
		  flags_of_result(result, size) | FLAG_AF | (carry ? FLAG_CF : 0) |
			  (overflow ? FLAG_OF : 0));
}

static void rotate_flags(struct emu *e, uint64_t carry, uint64_t overflow)
{
	flags_set(e, FLAG_CF | FLAG_OF, (carry ? FLAG_CF : 0) | (overflow ? FLAG_OF : 0));
}

uint64_t compute_shl(struct emu *e, uint64_t a, uint64_t count, unsigned int size)
{
	unsigned int n = masked_count(count, size), bits = size * 8;
	uint64_t result = a << n, carry;

	if (!n)
		return a;
	carry = n <= bits ? bit(a, bits - n) : 0;
	shift_flags(e, result, carry, bit(result, bits - 1) ^ carry, size);
	return result;
}

uint64_t compute_shr(struct emu *e, uint64_t a, uint64_t count, unsigned int size)
{
	unsigned int n = masked_count(count, size), bits = size * 8;
	uint64_t result = a >> n;

	if (!n)
		return a;
	shift_flags(e, result, bit(a, n - 1), bit(result, bits - 1) ^ bit(result, bits - 2), size);
	return result;
}

uint64_t compute_sar(struct emu *e, uint64_t a, uint64_t count, unsigned int size)
{
	unsigned int n = masked_count(count, size);
	int64_t value = sign_extend(a, size);

	if (!n)
		return a;
	shift_flags(e, value >> n, value >> (n - 1) & 1, 0, size);
	return value >> n;
}

static uint64_t rotate_left(uint64_t a, unsigned int n, unsigned int bits)
{
	return n ? a << n | a >> (bits - n) : a;
}

uint64_t compute_rol(struct emu *e, uint64_t a, uint64_t count, unsigned int size)
{
	unsigned int n = masked_count(count, size), bits = size * 8;
	uint64_t result = rotate_left(a, n % bits, bits);

	if (n)
		rotate_flags(e, bit(result, 0), bit(result, 0) ^ bit(result, bits - 1));
	return result;
}

uint64_t compute_ror(struct emu *e, uint64_t a, uint64_t count, unsigned int size)
{
	unsigned int n = masked_count(count, size), bits = size * 8;
	uint64_t result = rotate_left(a, (bits - n % bits) % bits, bits);

	if (n)
		rotate_flags(e, bit(result, bits - 1),
			     bit(result, bits - 1) ^ bit(result, bits - 2));
	return result;
}

/* Through CF, a step at a time: at most 63. */
uint64_t compute_rcl(struct emu *e, uint64_t a, uint64_t count, unsigned int size)
{
	unsigned int n = masked_count(count, size) % (size * 8 + 1), top = size * 8 - 1;
	uint64_t carry = e->regs.rflags & FLAG_CF, out;

	for (unsigned int i = 0; i < n; i++) {
		out = bit(a, top);
		a = a << 1 | carry;
		carry = out;
	}
	if (n)
		rotate_flags(e, carry, carry ^ bit(a, top));
	return a;
}

uint64_t compute_rcr(struct emu *e, uint64_t a, uint64_t count, unsigned int size)
{
	unsigned int n = masked_count(count, size) % (size * 8 + 1), top = size * 8 - 1;
	uint64_t carry = e->regs.rflags & FLAG_CF, out;

	for (unsigned int i = 0; i < n; i++) {
		out = a & 1;
		a = a >> 1 | carry << top;
		carry = out;
	}
	if (n)
		rotate_flags(e, carry, bit(a, top) ^ bit(a, top - 1));
	return a;
}

struct double_shift {
	uint64_t result, carry;
};

static struct double_shift shift_left(uint64_t a, uint64_t fill, unsigned int n, unsigned int bits)
{
	unsigned __int128 wide = (unsigned __int128)a << bits | fill;

	return (struct double_shift){ wide << n >> bits, wide >> (2 * bits - n) & 1 };
}

static struct double_shift shift_right(uint64_t a, uint64_t fill, unsigned int n, unsigned int bits)
{
	unsigned __int128 wide = (unsigned __int128)fill << bits | a;

	return (struct double_shift){ wide >> n, wide >> (n - 1) & 1 };
}

/* SHLD, SHRD (arg 1). A 16-bit operand with a count above 16: the manuals don't say. */
int run_double_shift(struct emu *e, const struct insn *in)
{
	unsigned int size = in->operand[0].size, bits = size * 8, n;
	struct double_shift shifted;
	struct place place;
	uint64_t fill, count, other;
	int err = operand_read(e, in, 1, &fill);

	if (!err)
		err = operand_read(e, in, 2, &count);
	if (!err)
		err = place_open(e, in, 0, &place);
	if (err)
		return err;
	n = masked_count(count, size);
	if (!n)
		return place_close(e, in, &place, place.old);
	shifted = in->op->arg ? shift_right(place.old, fill, n, bits)
			      : shift_left(place.old, fill, n, bits);
	other = in->op->arg ? bit(shifted.result, bits - 2) : shifted.carry;
	shift_flags(e, shifted.result, shifted.carry, bit(shifted.result, bits - 1) ^ other, size);
	return place_close(e, in, &place, shifted.result);
}

/* SHLX, SHRX, SARX, RORX: no flags. */
int run_shift_vex(struct emu *e, const struct insn *in)
{
	uint64_t rflags = e->regs.rflags, value, count;
	int err = operand_read(e, in, 1, &value);

	if (!err)
		err = operand_read(e, in, 2, &count);
	if (err)
		return err;
	value = in->op->compute(e, value, count, in->operand[0].size);
	e->regs.rflags = rflags;
	return operand_write(e, in, 0, value);
}
