// SPDX-License-Identifier: MIT
/* Single bits, bit counts and scans, BMI1 and BMI2, ADCX, ADOX, CRC32. */
#include "insn.h"

/* BT and its kin: b is the bit's number in a; only CF changes. */
static uint64_t test_bit(struct emu *e, uint64_t a, uint64_t b)
{
	flags_set(e, FLAG_CF, a >> b & 1 ? FLAG_CF : 0);
	return 1ULL << b;
}

uint64_t compute_bt(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	(void)size;
	test_bit(e, a, b);
	return a;
}

uint64_t compute_bts(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	(void)size;
	return a | test_bit(e, a, b);
}

uint64_t compute_btr(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	(void)size;
	return a & ~test_bit(e, a, b);
}

uint64_t compute_btc(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	(void)size;
	return a ^ test_bit(e, a, b);
}

/* A register as the bit's number reaches beyond the operand, both ways. */
static uint64_t bit_ea(const struct emu *e, const struct insn *in, uint64_t number)
{
	const struct operand *o = &in->operand[0];
	int64_t step = o->size == 2 ? 4 : o->size == 4 ? 5 : 6, offset = 0;

	if (in->operand[1].kind == OPERAND_GPR)
		offset = (sign_extend(number, o->size) >> step) * o->size;
	return (operand_ea(e, in, o) + offset) & size_mask(in->addr_size);
}

/* arg 0: BT, which only reads. */
static int bit_in_memory(struct emu *e, const struct insn *in, uint64_t number)
{
	const struct operand *o = &in->operand[0];
	uint64_t ea = bit_ea(e, in, number), value = 0;
	struct place place;
	int err;

	number &= o->size * 8 - 1;
	if (!in->op->arg) {
		err = mem_read(e, o->seg, ea, &value, o->size);
		if (!err)
			in->op->compute(e, value, number, o->size);
		return err;
	}
	err = place_open_at(e, o, ea, &place);
	if (err)
		return err;
	return place_close(e, in, &place, in->op->compute(e, place.old, number, o->size));
}

int run_bit(struct emu *e, const struct insn *in)
{
	unsigned int size = in->operand[0].size;
	uint64_t number, value;
	int err = operand_read(e, in, 1, &number);

	if (err)
		return err;
	if (in->operand[0].kind == OPERAND_MEM)
		return bit_in_memory(e, in, number);
	err = operand_read(e, in, 0, &value);
	if (err)
		return err;
	value = in->op->compute(e, value, number & (size * 8 - 1), size);
	return in->op->arg ? operand_write(e, in, 0, value) : EMU_OK;
}

/*
 * Without a bit the destination stays, all of it, on AMD's CPUs and on Intel's. The flags but
 * ZF, not defined, as on AMD's CPUs.
 */
int run_bit_scan(struct emu *e, const struct insn *in)
{
	uint64_t value, number;
	int err = operand_read(e, in, 1, &value);

	if (err)
		return err;
	if (!value) {
		flags_set(e, FLAGS_STATUS, FLAG_ZF | FLAG_PF);
		return EMU_OK;
	}
	number = in->op->arg ? 63 - __builtin_clzll(value) : __builtin_ctzll(value);
	flags_set(e, FLAGS_STATUS, flags_of_result(number, 8) & FLAG_PF);
	return operand_write(e, in, 0, number);
}

uint64_t compute_popcnt(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	uint64_t count = 0;

	(void)b;
	(void)size;
	flags_set(e, FLAGS_STATUS, a ? 0 : FLAG_ZF);
	for (; a; a &= a - 1)
		count++;
	return count;
}

/* SF, AF, PF and OF, not defined, as on AMD's CPUs. */
static uint64_t count_flags(struct emu *e, uint64_t source, uint64_t count)
{
	flags_set(e, FLAGS_STATUS & ~FLAG_OF, (source ? 0 : FLAG_CF) | (count ? 0 : FLAG_ZF));
	return count;
}

uint64_t compute_lzcnt(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	(void)b;
	return count_flags(e, a, a ? __builtin_clzll(a) - (64 - size * 8) : size * 8);
}

uint64_t compute_tzcnt(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	(void)b;
	return count_flags(e, a, a ? (unsigned int)__builtin_ctzll(a) : size * 8);
}

/* BMI: ZF and SF of the result, CF as given, OF cleared; AF and PF, not defined, as AMD's CPUs. */
static uint64_t bmi_flags(struct emu *e, uint64_t result, unsigned int size, int carry)
{
	flags_set(e, FLAGS_STATUS, flags_of_result(result, size) | (carry ? FLAG_CF : 0));
	return result;
}

uint64_t compute_blsi(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	(void)b;
	return bmi_flags(e, a & -a, size, !!a);
}

uint64_t compute_blsr(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	(void)b;
	return bmi_flags(e, a & (a - 1), size, !a);
}

uint64_t compute_blsmsk(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	(void)b;
	return bmi_flags(e, a ^ (a - 1), size, !a);
}

uint64_t compute_andn(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	return bmi_flags(e, ~a & b, size, 0);
}

/* b: where to begin (bits 7:0), how many (15:8). SF isn't defined. */
uint64_t compute_bextr(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	unsigned int start = b & 0xFF, count = b >> 8 & 0xFF;
	uint64_t result = start < 64 ? a >> start : 0;

	if (count < 64)
		result &= (1ULL << count) - 1;
	flags_set(e, FLAG_ZF | FLAG_CF | FLAG_OF, flags_of_result(result, size) & FLAG_ZF);
	return result;
}

uint64_t compute_bzhi(struct emu *e, uint64_t a, uint64_t b, unsigned int size)
{
	unsigned int count = b & 0xFF;

	if (count < size * 8)
		a &= (1ULL << count) - 1;
	return bmi_flags(e, a, size, count >= size * 8);
}

uint64_t compute_pdep(struct emu *e, uint64_t a, uint64_t mask, unsigned int size)
{
	uint64_t result = 0;

	(void)e;
	(void)size;
	for (; mask; mask &= mask - 1, a >>= 1)
		result |= a & 1 ? mask & -mask : 0;
	return result;
}

uint64_t compute_pext(struct emu *e, uint64_t a, uint64_t mask, unsigned int size)
{
	uint64_t result = 0;

	(void)e;
	(void)size;
	for (unsigned int n = 0; mask; mask &= mask - 1, n++)
		result |= a & mask & -mask ? 1ULL << n : 0;
	return result;
}

/* Destination and two sources. */
int run_vex3(struct emu *e, const struct insn *in)
{
	uint64_t a, b;
	int err = operand_read(e, in, 1, &a);

	if (!err)
		err = operand_read(e, in, 2, &b);
	if (err)
		return err;
	return operand_write(e, in, 0, in->op->compute(e, a, b, in->operand[0].size));
}

/* ADCX, ADOX: the carry is `arg`, CF or OF; nothing else changes. */
int run_carry_add(struct emu *e, const struct insn *in)
{
	unsigned int bits = in->operand[0].size * 8;
	unsigned __int128 sum;
	uint64_t a, b;
	int err = operand_read(e, in, 0, &a);

	if (!err)
		err = operand_read(e, in, 1, &b);
	if (err)
		return err;
	sum = (unsigned __int128)a + b + !!(e->regs.rflags & in->op->arg);
	flags_set(e, in->op->arg, sum >> bits ? in->op->arg : 0);
	return operand_write(e, in, 0, sum);
}

#define CRC32C 0x82F63B78U /* reflected */

int run_crc32(struct emu *e, const struct insn *in)
{
	uint64_t crc, value;
	int err = operand_read(e, in, 0, &crc);

	if (!err)
		err = operand_read(e, in, 1, &value);
	if (err)
		return err;
	crc = (uint32_t)crc;
	for (unsigned int i = 0; i < in->operand[1].size * 8U; i++, value >>= 1)
		crc = crc >> 1 ^ ((crc ^ value) & 1 ? CRC32C : 0);
	return operand_write(e, in, 0, crc);
}
