// SPDX-License-Identifier: MIT
/* The stack, and near branches that go through memory. */
#include "insn.h"

/* Bytes of the stack pointer. */
static unsigned int sp_size(const struct emu *e)
{
	if (is_long64(e))
		return 8;
	return e->regs.seg[MK_SS].attrib & MK_ATTR_DB ? 4 : 2;
}

void stack_move(struct emu *e, int64_t bytes)
{
	unsigned int width = sp_size(e);

	reg_set(e, MK_RSP, width, e->regs.gpr[MK_RSP] + bytes);
}

int stack_span(struct emu *e, int64_t offset, unsigned int len, unsigned int access,
	       struct span *span)
{
	uint64_t sp = (e->regs.gpr[MK_RSP] + offset) & size_mask(sp_size(e));

	return mem_span(e, MK_SS, sp, len, access, ALIGN_AC, span);
}

static int push(struct emu *e, uint64_t value, unsigned int size)
{
	struct span span;
	int err = stack_span(e, -(int64_t)size, size, EMU_WRITE, &span);

	if (!err)
		err = mem_store(e, &span, &value);
	if (!err)
		stack_move(e, -(int64_t)size);
	return err;
}

static int pop(struct emu *e, uint64_t *value, unsigned int size)
{
	int err;

	*value = 0;
	err = mem_read(e, MK_SS, reg_get(e, MK_RSP, sp_size(e)), value, size);
	if (!err)
		stack_move(e, size);
	return err;
}

int run_push(struct emu *e, const struct insn *in)
{
	uint64_t value;
	int err = operand_read(e, in, 0, &value);

	return err ? err : push(e, value, in->size);
}

/* An address with rSP in it means the one after POP (APM vol. 3, POP). */
int run_pop(struct emu *e, const struct insn *in)
{
	uint64_t value;
	int err = pop(e, &value, in->size);

	return err ? err : operand_write(e, in, 0, value);
}

int run_pusha(struct emu *e, const struct insn *in)
{
	uint64_t sp = e->regs.gpr[MK_RSP];
	int err = EMU_OK;

	for (unsigned int reg = MK_RAX; reg <= MK_RDI && !err; reg++)
		err = push(e, reg == MK_RSP ? sp : e->regs.gpr[reg], in->size);
	return err;
}

int run_popa(struct emu *e, const struct insn *in)
{
	uint64_t value;
	int err = EMU_OK;

	for (unsigned int reg = MK_RDI + 1; reg-- > MK_RAX && !err;) {
		err = pop(e, &value, in->size);
		if (!err && reg != MK_RSP)
			reg_set(e, reg, in->size, value);
	}
	return err;
}

static unsigned int iopl(const struct emu *e)
{
	return (e->regs.rflags & FLAG_IOPL) >> 12;
}

static int flags_forbidden(const struct emu *e)
{
	return e->regs.rflags & FLAG_VM && iopl(e) < 3;
}

int run_pushf(struct emu *e, const struct insn *in)
{
	if (flags_forbidden(e))
		return fault(e, VEC_GP);
	return push(e, e->regs.rflags & ~(FLAG_RF | FLAG_VM), in->size);
}

int run_popf(struct emu *e, const struct insn *in)
{
	uint64_t mask = FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID, value;
	int err;

	if (flags_forbidden(e))
		return fault(e, VEC_GP);
	err = pop(e, &value, in->size);
	if (err)
		return err;
	if (e->cpl == 0)
		mask |= FLAG_IOPL;
	if (e->cpl <= iopl(e))
		mask |= FLAG_IF;
	flags_set(e, mask & size_mask(in->size), value);
	return EMU_OK;
}

int run_leave_frame(struct emu *e, const struct insn *in)
{
	uint64_t value;
	int err;

	reg_set(e, MK_RSP, sp_size(e), e->regs.gpr[MK_RBP]);
	err = pop(e, &value, in->size);
	if (!err)
		reg_set(e, MK_RBP, in->size, value);
	return err;
}

/* Frames of outer procedures aren't copied. The new top must be writable too. */
int run_enter(struct emu *e, const struct insn *in)
{
	int64_t room = in->operand[0].imm;
	struct span top;
	int err;

	if (in->operand[1].imm & 31)
		return EMU_UNHANDLED;
	err = push(e, e->regs.gpr[MK_RBP], in->size);
	if (!err)
		err = stack_span(e, -room, in->size, EMU_WRITE, &top);
	if (err)
		return err;
	reg_set(e, MK_RBP, in->size, e->regs.gpr[MK_RSP]);
	stack_move(e, -room);
	return EMU_OK;
}

static int branch_to(struct emu *e, const struct insn *in, uint64_t target)
{
	target &= size_mask(in->size);
	if (is_long64(e) ? !mem_canonical(e, target) : target > e->regs.seg[MK_CS].limit)
		return fault(e, VEC_GP);
	e->next_rip = target;
	return EMU_OK;
}

/* A displacement or the address itself. */
static int near_target(struct emu *e, const struct insn *in, uint64_t *target)
{
	int err = operand_read(e, in, 0, target);

	if (in->operand[0].kind == OPERAND_IMM)
		*target += e->next_rip;
	return err;
}

int run_jmp(struct emu *e, const struct insn *in)
{
	uint64_t target;
	int err;

	if (in->far)
		return run_jmp_far(e, in);
	err = near_target(e, in, &target);
	return err ? err : branch_to(e, in, target);
}

/* The stack's faults come before the target's, and both before the push. */
int run_call(struct emu *e, const struct insn *in)
{
	uint64_t target, back = e->next_rip;
	struct span span;
	int err;

	if (in->far)
		return run_call_far(e, in);
	err = near_target(e, in, &target);
	if (!err)
		err = stack_span(e, -(int64_t)in->size, in->size, EMU_WRITE, &span);
	if (!err)
		err = branch_to(e, in, target);
	return err ? err : push(e, back, in->size);
}

int run_ret(struct emu *e, const struct insn *in)
{
	uint64_t target;
	int err;

	if (in->far)
		return run_ret_far(e, in);
	err = pop(e, &target, in->size);
	if (err)
		return err;
	if (in->visible)
		stack_move(e, in->operand[0].imm);
	return branch_to(e, in, target);
}
