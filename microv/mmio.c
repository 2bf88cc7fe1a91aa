// SPDX-License-Identifier: MIT
/*
 * Accesses of guests that aren't to memory, or not allowed there: the emulator executes the
 * instruction, user space serves each access. What must wait for it is in struct mmio_state;
 * as in KVM, a read ends when the next run begins, and writes are told one by one.
 */
#include "cpuid.h"
#include "emulate.h"
#include "exit.h"
#include "vector.h"

static struct mmio_state *mmio_state(const struct vs *vs)
{
	return &state_data(vs->st)->mmio;
}

/* All of the exit but gpa and flags; of an access that isn't emulated. */
static struct mv_exit_mmio_t *leave_mmio(struct run *r)
{
	struct mv_exit_mmio_t *page = mk_shared();

	page->size = 0;
	page->data = 0;
	page->insn_bytes = 0;
	run_leave(r, mv_exit_reason_t_mmio);
	return page;
}

void run_ask(struct run *r, int keep)
{
	struct mv_exit_mmio_t *page = leave_mmio(r);
	uint64_t asked = state_data(r->vs.st)->asked;

	page->gpa = asked & ~(MV_PAGE_SIZE - 1);
	page->flags = MV_EXIT_MMIO_ASK | (keep ? MV_EXIT_MMIO_KEEP : 0) |
		      (asked & ABSENT_WRITE ? MV_EXIT_MMIO_WRITE : MV_EXIT_MMIO_READ);
}

static void leave_unhandled(struct run *r, const struct emu_pending *pending)
{
	static const uint8_t order[] = {
		MK_RAX, MK_RBX, MK_RCX, MK_RDX, MK_RBP, MK_RSI, MK_RDI, MK_R8,
		MK_R9,	MK_R10, MK_R11, MK_R12, MK_R13, MK_R14, MK_R15, MK_RSP,
	};
	struct mv_exit_mmio_t *page = leave_mmio(r);
	const struct mk_state *st = r->vs.st;
	const struct mk_exit *exit = &st->exit;

	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++)
		page->reg[i] = st->gpr[order[i]];
	page->reg[ARRAY_SIZE(order)] = st->rip;
	page->gpa = exit->addr;
	page->flags = MV_EXIT_MMIO_READ |
		      (exit->mem_flags & MK_MEM_WRITE ? MV_EXIT_MMIO_WRITE : 0) |
		      (exit->mem_flags & MK_MEM_EXEC ? MV_EXIT_MMIO_EXECUTE : 0);
	if (!pending)
		return;
	page->insn_bytes = pending->code_len;
	memcpy(page->insn, pending->code, pending->code_len);
}

static void leave_port(struct run *r, const struct emu_io *io, int write)
{
	struct mv_exit_io_t *page = mk_shared();

	page->addr = io->addr;
	page->data = 0;
	if (write)
		memcpy(&page->data, io->data, io->len);
	page->reps = 1;
	page->type = write ? MV_EXIT_IO_OUT : MV_EXIT_IO_IN;
	page->size = io->len == 1   ? mv_bit_size_t_8
		     : io->len == 2 ? mv_bit_size_t_16
				    : mv_bit_size_t_32;
	run_leave(r, mv_exit_reason_t_io);
}

static void leave_access(struct run *r, const struct emu_io *io, int write)
{
	struct mv_exit_mmio_t *page;

	if (io->is_port) {
		leave_port(r, io, write);
		return;
	}
	page = leave_mmio(r);
	page->gpa = io->addr;
	page->flags = write ? MV_EXIT_MMIO_WRITE : MV_EXIT_MMIO_READ;
	page->size = io->len;
	if (write)
		memcpy(&page->data, io->data, io->len);
}

/* The next write that user space hasn't been told. */
static void leave_write(struct run *r)
{
	struct mmio_state *m = mmio_state(&r->vs);

	leave_access(r, &m->out[m->told++], 1);
}

static void emulated(struct run *r, const struct emu *e)
{
	struct mmio_state *m = mmio_state(&r->vs);
	int steps = !!(r->vs.st->rflags & RFLAGS_TF);
	int lowers_tpr = e->cr8 < r->vs.st->cr8;

	state_data(r->vs.st)->stats.emulated++;
	emulate_take(r, e);
	/* As in KVM, root looks whether an interrupt waits for that. */
	if (lowers_tpr)
		run_leave(r, mv_exit_reason_t_set_tpr);
	r->vs.st->shadow = e->shadow;
	if (steps && !e->shadow)
		run_single_step(r);
	m->told = 0;
	m->outs = e->outs;
	memcpy(m->out, e->out, e->outs * sizeof(e->out[0]));
	if (m->outs)
		leave_write(r);
}

static void faulted(struct run *r, const struct emu *e)
{
	struct fault fault = {
		.vector = e->fault.vector,
		.error = e->fault.error,
		.addr = e->fault.addr,
	};

	emulate_take(r, e);
	run_fault(r, &fault);
	r->vs.st->inject.has_error = e->fault.has_error;
}

static void wait_for_data(struct run *r, const struct emu *e)
{
	struct mmio_state *m = mmio_state(&r->vs);

	emulate_take(r, e);
	m->waits = MMIO_DATA;
	m->pending = e->pending;
	leave_access(r, &m->pending.want, 0);
}

/* What user space has read already isn't read again. */
static void wait_for_memory(struct run *r, const struct emu *e)
{
	struct mmio_state *m = mmio_state(&r->vs);

	emulate_take(r, e);
	m->waits = e->pending.reads ? MMIO_MEMORY : MMIO_NONE;
	m->pending = e->pending;
	run_ask(r, 0);
}

static void step(struct run *r, struct emu *e)
{
	struct vectors vectors;

	vectors.loaded = vectors.dirty = 0;
	r->vectors = &vectors; /* cppcheck-suppress autoVariables ; used until this returns only */
	switch (emu_step(e)) {
	case EMU_OK:
		vector_commit(&vectors, &r->vs);
		emulated(r, e);
		break;
	case EMU_FAULT:
		faulted(r, e);
		break;
	case EMU_WAIT:
		wait_for_data(r, e);
		break;
	case EMU_ABSENT:
		wait_for_memory(r, e);
		break;
	case EMU_RETRY:
		break;
	default:
		leave_unhandled(r, &e->pending);
	}
}

/*
 * Code and page tables in a device's memory, and what the delivery of an event writes, aren't
 * RIP's accesses. But page tables that may only be read are good enough for the emulator: it
 * doesn't need the right to write that the CPU wants (APM vol. 2, 15.25.6). 1, 0 or -MK_EAGAIN.
 */
static int is_emulated(struct run *r, const struct mk_exit *exit)
{
	uint8_t byte;
	int err;

	if (exit->mem_flags & MK_MEM_EXEC || exit->interrupted.type != MK_EVENT_NONE)
		return 0;
	if (!(exit->mem_flags & MK_MEM_TABLE))
		return 1;
	err = walk_gpa_copy(r->c->cpu, &r->vs, exit->addr, &byte, 1, 0);
	return err == -MK_EAGAIN ? err : !err;
}

void emulate_exit(struct run *r)
{
	struct emu e;

	emulate_fill(&e, r);
	step(r, &e);
}

void control_exit(struct run *r)
{
	struct emu e;

	emulate_fill(&e, r);
	e.cr4_allowed = cpuid_cr4(&r->vs);
	e.gpa_reserved = ~0ULL << cpuid_phys_bits(&r->vs);
	step(r, &e);
}

/* What a MOV does behind its access; in: what was read, or NULL. */
static void move_end(struct run *r, const uint8_t *in)
{
	const struct emu_move *m = &mmio_state(&r->vs)->move;

	if (in)
		emu_move_end(m, r->vs.st->gpr, in);
	state_data(r->vs.st)->stats.emulated++;
	run_advance(r, m->next_rip);
}

/* With no need of the emulator, where root has said that there is no memory. 1: done. */
static int move(struct run *r, const struct mk_exit *exit)
{
	const struct mk_state *st = r->vs.st;
	struct mmio_state *m = mmio_state(&r->vs);
	uint8_t code[WALK_CODE];

	if (exit->mem_flags & ~MK_MEM_WRITE || exit->interrupted.type != MK_EVENT_NONE ||
	    !walk_exited_long(st) || walk_code(&r->vs, code))
		return 0;
	m->move.rip = st->rip;
	m->move.io.addr = exit->addr;
	m->move.write = exit->mem_flags & MK_MEM_WRITE;
	if (!emu_move(emulate_cache(r->c->cpu), st->gpr, code, &m->move))
		return 0;
	leave_access(r, &m->move.io, m->move.write);
	if (m->move.write)
		move_end(r, NULL);
	else
		m->waits = MMIO_MOVE;
	return 1;
}

void mmio_exit(struct run *r)
{
	const struct mk_exit *exit = &r->vs.st->exit;
	int write = exit->mem_flags & MK_MEM_WRITE, emulated;

	if (walk_gpa_refused(&r->vs, exit->addr, write) && move(r, exit))
		return;
	emulated = walk_is_device(&r->vs, exit->addr, write) ? is_emulated(r, exit) : -MK_EAGAIN;
	if (emulated < 0)
		run_ask(r, 0);
	else if (!emulated)
		leave_unhandled(r, NULL);
	else
		emulate_exit(r);
}

uint32_t mmio_wanted(const struct vs *vs)
{
	const struct mmio_state *m = mmio_state(vs);

	switch (m->waits) {
	case MMIO_DATA:
		return m->pending.want.len;
	case MMIO_MOVE:
		return m->move.io.len;
	}
	return 0;
}

/* in: what was read, or NULL: it has been given before. */
static __attribute__((noinline)) void resume(struct run *r, const uint8_t *in)
{
	struct emu e;

	emulate_fill(&e, r);
	e.pending = mmio_state(&r->vs)->pending;
	if (in)
		emu_give(&e, in);
	step(r, &e);
}

/* The data is forgotten when somebody moved RIP meanwhile. */
static void go_on(struct run *r, enum mmio_waits waits, const uint8_t *in)
{
	const struct mmio_state *m = mmio_state(&r->vs);

	if (walk_linear_rip(&r->vs) != (waits == MMIO_MOVE ? m->move.rip : m->pending.rip))
		return;
	if (waits == MMIO_MOVE)
		move_end(r, in);
	else
		resume(r, waits == MMIO_DATA ? in : NULL);
}

void mmio_complete(struct run *r, const uint8_t *in, uint64_t in_bytes)
{
	struct mmio_state *m = mmio_state(&r->vs);
	enum mmio_waits waits = m->waits;

	m->waits = MMIO_NONE;
	if (m->told < m->outs)
		leave_write(r);
	else if (waits == MMIO_MEMORY || (waits != MMIO_NONE && in_bytes))
		go_on(r, waits, in);
}
