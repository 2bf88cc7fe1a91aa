// SPDX-License-Identifier: MIT
/* Registers, and operands in registers and memory. */
#include "insn.h"

uint64_t reg_get(const struct emu *e, unsigned int reg, unsigned int size)
{
	return e->regs.gpr[reg & 15] & size_mask(size);
}

static void set(uint64_t *r, unsigned int size, uint64_t value)
{
	uint64_t mask = size_mask(size);

	*r = size >= 4 ? value & mask : (*r & ~mask) | (value & mask);
}

void reg_set(struct emu *e, unsigned int reg, unsigned int size, uint64_t value)
{
	set(&e->regs.gpr[reg & 15], size, value);
}

uint64_t gpr_operand_get(const uint64_t *gpr, const struct operand *o)
{
	uint64_t r = gpr[o->reg & 15];

	return o->high ? r >> 8 & 0xFF : r & size_mask(o->size);
}

void gpr_operand_set(uint64_t *gpr, const struct operand *o, uint64_t value)
{
	uint64_t *r = &gpr[o->reg & 15];

	if (o->high)
		*r = (*r & ~0xFF00ULL) | (value & 0xFF) << 8;
	else
		set(r, o->size, value);
}

static uint64_t address_part(const uint64_t *gpr, uint64_t next_rip, unsigned int reg)
{
	if (reg == NO_REG)
		return 0;
	return reg == REG_RIP ? next_rip : gpr[reg & 15];
}

uint64_t operand_address(const uint64_t *gpr, uint64_t next_rip, const struct insn *in,
			 const struct operand *o)
{
	uint64_t ea = address_part(gpr, next_rip, o->base) +
		      address_part(gpr, next_rip, o->index) * o->scale + o->disp;

	return ea & size_mask(in->addr_size);
}

uint64_t operand_ea(const struct emu *e, const struct insn *in, const struct operand *o)
{
	return operand_address(e->regs.gpr, e->next_rip, in, o);
}

static int memory_read(struct emu *e, const struct insn *in, const struct operand *o,
		       uint64_t *value)
{
	*value = 0;
	if (o->size > sizeof(*value))
		return EMU_UNHANDLED;
	return mem_read(e, o->seg, operand_ea(e, in, o), value, o->size);
}

int operand_read(struct emu *e, const struct insn *in, unsigned int n, uint64_t *value)
{
	const struct operand *o = &in->operand[n];

	switch (o->kind) {
	case OPERAND_GPR:
		*value = gpr_operand_get(e->regs.gpr, o);
		return EMU_OK;
	case OPERAND_SEG:
		*value = e->regs.seg[o->reg].selector;
		return EMU_OK;
	case OPERAND_CR:
		return control_read(e, o->reg, value);
	case OPERAND_IMM:
		*value = o->imm;
		return EMU_OK;
	case OPERAND_MEM:
		return memory_read(e, in, o, value);
	}
	return EMU_UNHANDLED;
}

int operand_write(struct emu *e, const struct insn *in, unsigned int n, uint64_t value)
{
	const struct operand *o = &in->operand[n];

	switch (o->kind) {
	case OPERAND_GPR:
		gpr_operand_set(e->regs.gpr, o, value);
		return EMU_OK;
	case OPERAND_SEG:
		return segment_load(e, o->reg, value);
	case OPERAND_CR:
		return control_write(e, o->reg, value);
	case OPERAND_MEM:
		return mem_write(e, o->seg, operand_ea(e, in, o), &value, o->size);
	}
	return EMU_UNHANDLED;
}

int place_open_at(struct emu *e, const struct operand *o, uint64_t ea, struct place *place)
{
	int err;

	place->operand = o;
	place->old = 0;
	if (o->size > sizeof(place->old))
		return EMU_UNHANDLED;
	err = mem_span(e, o->seg, ea, o->size, EMU_WRITE, ALIGN_AC, &place->span);
	return err ? err : mem_load(e, &place->span, &place->old);
}

int place_open(struct emu *e, const struct insn *in, unsigned int n, struct place *place)
{
	const struct operand *o = &in->operand[n];

	if (o->kind == OPERAND_MEM)
		return place_open_at(e, o, operand_ea(e, in, o), place);
	if (o->kind != OPERAND_GPR)
		return EMU_UNHANDLED;
	place->operand = o;
	place->old = gpr_operand_get(e->regs.gpr, o);
	return EMU_OK;
}

int place_close(struct emu *e, const struct insn *in, const struct place *place, uint64_t value)
{
	if (place->operand->kind != OPERAND_MEM) {
		gpr_operand_set(e->regs.gpr, place->operand, value);
		return EMU_OK;
	}
	if (in->lock)
		return mem_exchange(e, &place->span, &place->old, &value);
	return mem_store(e, &place->span, &value);
}
