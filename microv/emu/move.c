// SPDX-License-Identifier: MIT
/* MOV in its forms, SETcc, CMOVcc, XLAT; and what does nothing. */
#include "insn.h"

/* MOVZX too: a value read is zero-extended. */
int run_mov(struct emu *e, const struct insn *in)
{
	uint64_t value;
	int err = operand_read(e, in, 1, &value);

	return err ? err : operand_write(e, in, 0, value);
}

int run_movsx(struct emu *e, const struct insn *in)
{
	uint64_t value;
	int err = operand_read(e, in, 1, &value);

	return err ? err : operand_write(e, in, 0, sign_extend(value, in->operand[1].size));
}

int run_movbe(struct emu *e, const struct insn *in)
{
	uint64_t value;
	int err = operand_read(e, in, 1, &value);

	if (err)
		return err;
	return operand_write(e, in, 0, __builtin_bswap64(value) >> (64 - in->operand[0].size * 8));
}

/* arg: the condition. */
int run_set(struct emu *e, const struct insn *in)
{
	return operand_write(e, in, 0, flags_condition(e->regs.rflags, in->op->arg));
}

/* Memory is read, and the upper half of a 32-bit register cleared, in any case. */
int run_cmov(struct emu *e, const struct insn *in)
{
	uint64_t value, old;
	int err = operand_read(e, in, 1, &value);

	if (!err)
		err = operand_read(e, in, 0, &old);
	if (err)
		return err;
	return operand_write(e, in, 0, flags_condition(e->regs.rflags, in->op->arg) ? value : old);
}

int run_xlat(struct emu *e, const struct insn *in)
{
	uint64_t ea = e->regs.gpr[MK_RBX] + reg_get(e, MK_RAX, 1), value = 0;
	unsigned int seg = MK_DS;
	int err;

	for (unsigned int i = 0; i < in->count; i++) {
		if (in->operand[i].kind == OPERAND_MEM)
			seg = in->operand[i].seg;
	}
	err = mem_read(e, seg, ea & size_mask(in->addr_size), &value, 1);
	if (!err)
		reg_set(e, MK_RAX, 1, value);
	return err;
}

int run_undefined(struct emu *e, const struct insn *in)
{
	(void)in;
	return fault(e, VEC_UD);
}

/* Hints: caches have nothing to do with emulated memory. */
int run_nothing(struct emu *e, const struct insn *in)
{
	(void)e;
	(void)in;
	return EMU_OK;
}
