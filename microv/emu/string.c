// SPDX-License-Identifier: MIT
/*
 * String instructions. With REP, each iteration ends with a checkpoint, as a CPU can be
 * interrupted there: an exception or a wait keeps what the iterations before it did.
 */
#include "insn.h"

/* So that interrupts don't wait too long; the guest comes back for the rest. */
#define MAX_ITERATIONS 1024U

/* The memory operand; both of MOVS and CMPS have the same size. */
static const struct operand *memory_operand(const struct insn *in)
{
	unsigned int n = 0;

	while (n + 1 < in->count && in->operand[n].kind != OPERAND_MEM)
		n++;
	return &in->operand[n];
}

static unsigned int element(const struct insn *in)
{
	return memory_operand(in)->size;
}

/* rSI's segment, which a prefix can change. */
static unsigned int source_segment(const struct insn *in)
{
	for (unsigned int i = 0; i < in->count; i++) {
		if (in->operand[i].kind == OPERAND_MEM && in->operand[i].base == MK_RSI)
			return in->operand[i].seg;
	}
	return MK_DS;
}

static void step(struct emu *e, const struct insn *in, unsigned int reg)
{
	int64_t bytes = element(in);

	if (e->regs.rflags & FLAG_DF)
		bytes = -bytes;
	reg_set(e, reg, in->addr_size, e->regs.gpr[reg] + bytes);
}

static int read_source(struct emu *e, const struct insn *in, uint64_t *value)
{
	*value = 0;
	return mem_read(e, source_segment(in), reg_get(e, MK_RSI, in->addr_size), value,
			element(in));
}

static int read_destination(struct emu *e, const struct insn *in, uint64_t *value)
{
	*value = 0;
	return mem_read(e, MK_ES, reg_get(e, MK_RDI, in->addr_size), value, element(in));
}

static int write_destination(struct emu *e, const struct insn *in, uint64_t value)
{
	return mem_write(e, MK_ES, reg_get(e, MK_RDI, in->addr_size), &value, element(in));
}

typedef int iteration_fn(struct emu *e, const struct insn *in);

/* Does the next element of this operand begin another page? */
static int at_page_end(const struct emu *e, const struct operand *o)
{
	uint64_t offset;

	if (o->kind != OPERAND_MEM || (o->base != MK_RSI && o->base != MK_RDI))
		return 0;
	offset = e->regs.gpr[o->base] % PAGE_SIZE;
	return e->regs.rflags & FLAG_DF ? offset + o->size >= PAGE_SIZE : offset < o->size;
}

/* Is it time to let the guest, and its interrupts, in before the next iteration? */
static int pause(const struct emu *e, const struct insn *in, unsigned int done)
{
	int end = 0;

	for (unsigned int i = 0; i < in->count; i++)
		end |= at_page_end(e, &in->operand[i]);
	return end || done >= MAX_ITERATIONS || e->outs || e->regs.rflags & FLAG_TF;
}

/* compares: REPE and REPNE look at ZF. */
static int repeat(struct emu *e, const struct insn *in, iteration_fn *once, int compares)
{
	unsigned int done = 0, waited = 0;
	int err, zero;

	if (in->rep == REP_NONE)
		return once(e, in);
	while (reg_get(e, MK_RCX, in->addr_size)) {
		if (waited || (done && pause(e, in, done))) {
			e->unfinished = 1;
			return EMU_OK;
		}
		err = once(e, in);
		if (err)
			return err;
		reg_set(e, MK_RCX, in->addr_size, e->regs.gpr[MK_RCX] - 1);
		waited = e->reads_used;
		emu_checkpoint(e);
		done++;
		zero = !!(e->regs.rflags & FLAG_ZF);
		if (compares && zero != (in->rep == REP_E))
			break;
	}
	return EMU_OK;
}

static int movs(struct emu *e, const struct insn *in)
{
	uint64_t value;
	int err = read_source(e, in, &value);

	if (!err)
		err = write_destination(e, in, value);
	if (err)
		return err;
	step(e, in, MK_RSI);
	step(e, in, MK_RDI);
	return EMU_OK;
}

static int stos(struct emu *e, const struct insn *in)
{
	int err = write_destination(e, in, e->regs.gpr[MK_RAX]);

	if (!err)
		step(e, in, MK_RDI);
	return err;
}

static int lods(struct emu *e, const struct insn *in)
{
	uint64_t value;
	int err = read_source(e, in, &value);

	if (err)
		return err;
	reg_set(e, MK_RAX, element(in), value);
	step(e, in, MK_RSI);
	return EMU_OK;
}

static int scas(struct emu *e, const struct insn *in)
{
	uint64_t value;
	int err = read_destination(e, in, &value);

	if (err)
		return err;
	compute_sub(e, reg_get(e, MK_RAX, element(in)), value, element(in));
	step(e, in, MK_RDI);
	return EMU_OK;
}

/* Which operand faults first is as on AMD's CPUs (but for REPE CMPSB). */
static int cmps(struct emu *e, const struct insn *in)
{
	uint64_t a, b;
	int err = read_destination(e, in, &b);

	if (!err)
		err = read_source(e, in, &a);
	if (err)
		return err;
	compute_sub(e, a, b, element(in));
	step(e, in, MK_RSI);
	step(e, in, MK_RDI);
	return EMU_OK;
}

/* The memory first: once the port is read there is no way back. */
static int ins(struct emu *e, const struct insn *in)
{
	uint64_t ea = reg_get(e, MK_RDI, in->addr_size), value = 0;
	struct span span;
	int err = port_allowed(e, e->regs.gpr[MK_RDX], element(in));

	if (!err)
		err = mem_span(e, MK_ES, ea, element(in), EMU_WRITE, ALIGN_AC, &span);
	if (!err)
		err = mem_port_in(e, reg_get(e, MK_RDX, 2), &value, element(in));
	if (!err)
		err = mem_store(e, &span, &value);
	if (!err)
		step(e, in, MK_RDI);
	return err;
}

static int outs(struct emu *e, const struct insn *in)
{
	uint64_t value;
	int err = port_allowed(e, e->regs.gpr[MK_RDX], element(in));

	if (!err)
		err = read_source(e, in, &value);
	if (!err)
		err = mem_port_out(e, reg_get(e, MK_RDX, 2), &value, element(in));
	if (!err)
		step(e, in, MK_RSI);
	return err;
}

int run_movs(struct emu *e, const struct insn *in)
{
	return repeat(e, in, movs, 0);
}

int run_stos(struct emu *e, const struct insn *in)
{
	return repeat(e, in, stos, 0);
}

int run_lods(struct emu *e, const struct insn *in)
{
	return repeat(e, in, lods, 0);
}

int run_scas(struct emu *e, const struct insn *in)
{
	return repeat(e, in, scas, 1);
}

int run_cmps(struct emu *e, const struct insn *in)
{
	return repeat(e, in, cmps, 1);
}

int run_ins(struct emu *e, const struct insn *in)
{
	return repeat(e, in, ins, 0);
}

int run_outs(struct emu *e, const struct insn *in)
{
	return repeat(e, in, outs, 0);
}
