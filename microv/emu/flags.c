// SPDX-License-Identifier: MIT
/* RFLAGS, see flags.h. */
#include "flags.h"
#include "insn.h"

void flags_set(struct emu *e, uint64_t mask, uint64_t flags)
{
	e->regs.rflags = (e->regs.rflags & ~mask) | (flags & mask);
}

static uint64_t top_bit(uint64_t value, unsigned int size)
{
	return value >> (size * 8 - 1) & 1;
}

uint64_t flags_of_result(uint64_t result, unsigned int size)
{
	uint64_t flags = top_bit(result, size) ? FLAG_SF : 0;

	if (!(result & size_mask(size)))
		flags |= FLAG_ZF;
	if (!__builtin_parity(result & 0xFF))
		flags |= FLAG_PF;
	return flags;
}

/* carries: bit n is the carry (borrow) out of bit n. */
static void flags_arithmetic(struct emu *e, uint64_t carries, uint64_t overflow, uint64_t result,
			     unsigned int size)
{
	uint64_t flags = flags_of_result(result, size);

	if (top_bit(carries, size))
		flags |= FLAG_CF;
	if (carries & 8)
		flags |= FLAG_AF;
	if (top_bit(overflow, size))
		flags |= FLAG_OF;
	flags_set(e, FLAGS_STATUS, flags);
}

void flags_add(struct emu *e, uint64_t a, uint64_t b, uint64_t result, unsigned int size)
{
	flags_arithmetic(e, (a & b) | ((a | b) & ~result), (a ^ result) & (b ^ result), result,
			 size);
}

void flags_sub(struct emu *e, uint64_t a, uint64_t b, uint64_t result, unsigned int size)
{
	flags_arithmetic(e, (~a & b) | ((~a | b) & result), (a ^ b) & (a ^ result), result, size);
}

void flags_logic(struct emu *e, uint64_t result, unsigned int size)
{
	flags_set(e, FLAGS_STATUS, flags_of_result(result, size));
}

int flags_condition(uint64_t rflags, unsigned int cc)
{
	int less = !(rflags & FLAG_SF) != !(rflags & FLAG_OF);
	const int holds[8] = {
		!!(rflags & FLAG_OF),
		!!(rflags & FLAG_CF),
		!!(rflags & FLAG_ZF),
		!!(rflags & (FLAG_CF | FLAG_ZF)),
		!!(rflags & FLAG_SF),
		!!(rflags & FLAG_PF),
		less,
		less || rflags & FLAG_ZF,
	};

	return holds[cc >> 1 & 7] ^ (int)(cc & 1);
}
