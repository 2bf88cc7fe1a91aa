// SPDX-License-Identifier: MIT
/* XCHG, XADD, CMPXCHG, CMPXCHG8B and CMPXCHG16B. */
#include "insn.h"

/* With memory it is locked whatever the prefixes say. */
int run_xchg(struct emu *e, const struct insn *in)
{
	int memory = in->operand[0].kind == OPERAND_MEM ? 0 : 1;
	struct insn locked = *in;
	struct place place = { .old = 0 };
	uint64_t value;
	int err = operand_read(e, in, !memory, &value);

	locked.lock = 1;
	if (!err)
		err = place_open(e, in, memory, &place);
	if (!err)
		err = place_close(e, &locked, &place, value);
	return err ? err : operand_write(e, in, !memory, place.old);
}

/* The register first: when both are the same one, the sum stays. */
int run_xadd(struct emu *e, const struct insn *in)
{
	struct place place;
	uint64_t value, sum;
	int err = operand_read(e, in, 1, &value);

	if (!err)
		err = place_open(e, in, 0, &place);
	if (err)
		return err;
	sum = compute_add(e, place.old, value, in->operand[0].size);
	operand_write(e, in, 1, place.old);
	return place_close(e, in, &place, sum);
}

/* Memory is written in any case (APM vol. 3, CMPXCHG). */
int run_cmpxchg(struct emu *e, const struct insn *in)
{
	unsigned int size = in->operand[0].size;
	uint64_t value, rax = reg_get(e, MK_RAX, size);
	struct place place;
	int err = operand_read(e, in, 1, &value);

	if (!err)
		err = place_open(e, in, 0, &place);
	if (err)
		return err;
	compute_sub(e, rax, place.old, size);
	if (rax == place.old)
		return place_close(e, in, &place, value);
	reg_set(e, MK_RAX, size, place.old);
	return in->operand[0].kind == OPERAND_MEM ? place_close(e, in, &place, place.old) : EMU_OK;
}

static void get_pair(const struct emu *e, unsigned int high, unsigned int low, unsigned int size,
		     uint8_t *buf)
{
	memcpy(buf, &e->regs.gpr[low], size);
	memcpy(buf + size, &e->regs.gpr[high], size);
}

static void set_pair(struct emu *e, unsigned int high, unsigned int low, unsigned int size,
		     const uint8_t *buf)
{
	uint64_t value = 0;

	memcpy(&value, buf, size);
	reg_set(e, low, size, value);
	memcpy(&value, buf + size, size);
	reg_set(e, high, size, value);
}

static int same(const uint8_t *a, const uint8_t *b, unsigned int len)
{
	uint8_t differs = 0;

	for (unsigned int i = 0; i < len; i++)
		differs |= a[i] ^ b[i];
	return !differs;
}

/* arg: bytes of a half. The 16-byte form wants alignment. */
int run_cmpxchg_pair(struct emu *e, const struct insn *in)
{
	const struct operand *o = &in->operand[0];
	unsigned int half = in->op->arg;
	uint8_t old[16], expected[16], value[16];
	struct span span;
	int equal, err;

	err = mem_span(e, o->seg, operand_ea(e, in, o), half * 2, EMU_WRITE,
		       half == 8 ? ALIGN_GP : ALIGN_AC, &span);
	if (!err)
		err = mem_load(e, &span, old);
	if (err)
		return err;
	get_pair(e, MK_RDX, MK_RAX, half, expected);
	get_pair(e, MK_RCX, MK_RBX, half, value);
	equal = same(old, expected, half * 2);
	flags_set(e, FLAG_ZF, equal ? FLAG_ZF : 0);
	if (!equal)
		set_pair(e, MK_RDX, MK_RAX, half, old);
	if (in->lock)
		return mem_exchange(e, &span, old, equal ? value : old);
	return mem_store(e, &span, equal ? value : old);
}
