// SPDX-License-Identifier: MIT
/*
 * Accesses of guests that aren't to memory, or not allowed there: the emulator executes the
 * instruction, user space serves each access. What must wait for it is in struct mmio_state;
 * as in KVM, a read ends when the next run begins, and writes are told one by one.
 */
#include "cpuid.h"
#include "exit.h"
#include "run.h"
#include "vector.h"

_Static_assert(EMU_READ == (int)WALK_READ && EMU_WRITE == (int)WALK_WRITE, "");
_Static_assert(EMU_EXEC == (int)WALK_EXEC && EMU_USER == (int)WALK_USER, "");

static struct mmio_state *mmio_state(const struct vs *vs)
{
	return &state_data(vs->st)->mmio;
}

static int op_translate(struct emu *e, uint64_t gla, unsigned int access, uint64_t *gpa)
{
	struct run *r = e->context;
	struct mapping map;
	struct fault fault;
	int err = walk(r->c->cpu, &r->vs, gla, access, &map, &fault);

	if (err < 0)
		return EMU_ABSENT;
	if (!err) {
		*gpa = map.gpa;
		return EMU_OK;
	}
	e->fault = (struct emu_fault){
		.vector = fault.vector,
		.has_error = 1,
		.error = fault.error,
		.addr = fault.addr,
	};
	return EMU_FAULT;
}

static int op_result(int err)
{
	return !err ? EMU_OK : err == -MK_EAGAIN ? EMU_ABSENT : EMU_NOT_MEMORY;
}

/* Where root has said that there is no memory, nobody need try. */
static int op_load(struct emu *e, uint64_t gpa, void *buf, unsigned int len)
{
	struct run *r = e->context;

	if (walk_gpa_refused(&r->vs, gpa, 0))
		return EMU_NOT_MEMORY;
	return op_result(walk_gpa_copy(r->c->cpu, &r->vs, gpa, buf, len, 0));
}

static int op_store(struct emu *e, uint64_t gpa, const void *buf, unsigned int len)
{
	struct run *r = e->context;

	if (walk_gpa_refused(&r->vs, gpa, 1))
		return EMU_NOT_MEMORY;
	return op_result(walk_gpa_copy(r->c->cpu, &r->vs, gpa, (void *)buf, len, 1));
}

static int op_cmpxchg(struct emu *e, uint64_t gpa, const void *old, const void *value,
		      unsigned int len)
{
	struct run *r = e->context;
	int ret;

	/* No instruction locks other sizes; CMPXCHG16B is aligned. */
	if (!len || len > 16 || len & (len - 1) || (len == 16 && gpa % 16))
		return EMU_UNHANDLED;
	ret = walk_gpa_cmpxchg(r->c->cpu, &r->vs, gpa, old, value, len);
	return ret > 0 ? EMU_RETRY : op_result(ret);
}

static void op_vector_get(struct emu *e, unsigned int n, uint8_t value[32])
{
	struct run *r = e->context;

	vector_get(r->vectors, &r->vs, n, value);
}

static void op_vector_set(struct emu *e, unsigned int n, const uint8_t value[32])
{
	struct run *r = e->context;

	vector_set(r->vectors, &r->vs, n, value);
}

static void op_fill(struct emu *e)
{
	struct run *r = e->context;
	const struct mk_state *st = r->vs.st;

	state_fetch(r->vs.id, r->vs.st, MK_G_SEG | MK_G_TABLE | MK_G_XCR);
	memcpy(e->regs.seg, st->seg, sizeof(st->seg));
	e->gdtr = st->gdtr;
	e->idtr = st->idtr;
	e->xcr0 = st->xcr0;
}

static const struct emu_ops ops = {
	.translate = op_translate,
	.load = op_load,
	.store = op_store,
	.cmpxchg = op_cmpxchg,
	.vector_get = op_vector_get,
	.vector_set = op_vector_set,
	.fill = op_fill,
};

/* Each CPU's own: nobody waits for anybody. */
static struct emu_cache caches[MV_MAX_PPS];

static void emu_fill(struct emu *e, struct run *r)
{
	const struct mk_state *st = r->vs.st;

	state_fetch(r->vs.id, r->vs.st, MK_G_CR);
	/* All but what emu_step() fills in, and the registers. */
	memset(&e->cr4_allowed, 0, offsetof(struct emu, out) - offsetof(struct emu, cr4_allowed));
	memset(&e->pending, 0, offsetof(struct emu_pending, read));
	e->ops = &ops;
	e->context = r;
	e->cache = &caches[r->c->cpu];
	memcpy(e->regs.gpr, st->gpr, sizeof(st->gpr));
	e->regs.rip = st->rip;
	e->regs.rflags = st->rflags;
	e->cr0 = st->cr0;
	e->cr2 = st->cr2;
	e->cr3 = st->cr3;
	e->cr4 = st->cr4;
	e->cr8 = st->cr8;
	e->efer = st->efer;
	e->cpl = walk_cpl(&r->vs);
	e->lazy = walk_long_mode(&r->vs);
	if (e->lazy)
		e->regs.seg[MK_CS].attrib = MK_ATTR_L;
	else
		op_fill(e);
}

static void take_system(struct mk_state *st, const struct emu *e)
{
	if (!e->system)
		return;
	if (memcmp(st->seg, e->regs.seg, sizeof(st->seg)))
		st->dirty |= MK_G_SEG;
	if (memcmp(&st->gdtr, &e->gdtr, sizeof(e->gdtr)) ||
	    memcmp(&st->idtr, &e->idtr, sizeof(e->idtr)))
		st->dirty |= MK_G_TABLE;
	memcpy(st->seg, e->regs.seg, sizeof(st->seg));
	st->gdtr = e->gdtr;
	st->idtr = e->idtr;
}

static void take_control(struct mk_state *st, const struct emu *e)
{
	if (st->cr0 != e->cr0 || st->cr2 != e->cr2 || st->cr3 != e->cr3 || st->cr4 != e->cr4 ||
	    st->cr8 != e->cr8)
		st->dirty |= MK_G_CR;
	st->cr0 = e->cr0;
	st->cr2 = e->cr2;
	st->cr3 = e->cr3;
	st->cr4 = e->cr4;
	st->cr8 = e->cr8;
	st->efer = e->efer;
}

static void take_regs(struct run *r, const struct emu *e)
{
	struct mk_state *st = r->vs.st;

	memcpy(st->gpr, e->regs.gpr, sizeof(st->gpr));
	st->rip = e->regs.rip;
	st->rflags = e->regs.rflags;
	take_system(st, e);
	take_control(st, e);
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
	take_regs(r, e);
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

	take_regs(r, e);
	run_fault(r, &fault);
	r->vs.st->inject.has_error = e->fault.has_error;
}

static void wait_for_data(struct run *r, const struct emu *e)
{
	struct mmio_state *m = mmio_state(&r->vs);

	take_regs(r, e);
	m->waits = 1;
	m->pending = e->pending;
	leave_access(r, &m->pending.want, 0);
}

/* What user space has read already isn't read again. */
static void wait_for_memory(struct run *r, const struct emu *e)
{
	struct mmio_state *m = mmio_state(&r->vs);

	take_regs(r, e);
	m->again = !!e->pending.reads;
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

	emu_fill(&e, r);
	step(r, &e);
}

void control_exit(struct run *r)
{
	struct emu e;

	emu_fill(&e, r);
	e.cr4_allowed = cpuid_cr4(&r->vs);
	e.gpa_reserved = ~0ULL << cpuid_phys_bits(&r->vs);
	step(r, &e);
}

void mmio_exit(struct run *r)
{
	const struct mk_exit *exit = &r->vs.st->exit;
	int emulated = walk_is_device(&r->vs, exit->addr, exit->mem_flags & MK_MEM_WRITE)
			       ? is_emulated(r, exit)
			       : -MK_EAGAIN;

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

	return m->waits ? m->pending.want.len : 0;
}

/* The data is forgotten when somebody moved RIP meanwhile. */
void mmio_complete(struct run *r, const uint8_t *in, uint64_t in_bytes)
{
	struct mmio_state *m = mmio_state(&r->vs);
	int waits = m->waits && in_bytes, again = m->again;
	struct emu e;

	m->waits = m->again = 0;
	if (m->told < m->outs) {
		leave_write(r);
	} else if ((waits || again) && walk_linear_rip(&r->vs) == m->pending.rip) {
		emu_fill(&e, r);
		e.pending = m->pending;
		if (waits)
			emu_give(&e, in);
		step(r, &e);
	}
}
