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

/* Is it what the CPU tells of? Another CPU may have changed the code since. */
static int is_access(const struct emu_move *m, const struct operand *o, uint64_t ea, int write)
{
	unsigned int at = m->io.addr % PAGE_SIZE;

	return write == m->write && ea % PAGE_SIZE == at && at + o->size <= PAGE_SIZE;
}

int emu_move(const struct emu_cache *cache, const uint64_t *gpr, const uint8_t *code,
	     struct emu_move *m)
{
	const struct insn *in = decode_known(cache, m->rip, code);
	const struct operand *to, *from, *mem;
	uint64_t value;

	if (!in || !in->move)
		return 0;
	to = &in->operand[0];
	from = &in->operand[1];
	mem = to->kind == OPERAND_MEM ? to : from;
	m->next_rip = m->rip + in->len;
	m->io.len = mem->size;
	m->io.is_port = 0;
	if (!is_access(m, mem, operand_address(gpr, m->next_rip, in, mem), mem == to))
		return 0;
	if (mem == to) {
		value = from->kind == OPERAND_IMM ? from->imm : gpr_operand_get(gpr, from);
		memcpy(m->io.data, &value, sizeof(value));
	} else {
		m->reg = to->reg;
		m->high = to->high;
		m->size = to->size;
		m->sign = in->op->run == run_movsx;
	}
	return 1;
}

void emu_move_end(const struct emu_move *m, uint64_t *gpr, const void *data)
{
	const struct operand to = { .reg = m->reg, .high = m->high, .size = m->size };
	uint64_t value = 0;

	memcpy(&value, data, m->io.len);
	gpr_operand_set(gpr, &to, m->sign ? (uint64_t)sign_extend(value, m->io.len) : value);
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
