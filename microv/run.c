// SPDX-License-Identifier: MIT
/* mv_vs_op_run: takes mv_run_t, completes what waits, runs the guest until root must know. */
#include "exit.h"
#include "kvmclock.h"
#include "log.h"
#include "mp.h"
#include "regs.h"
#include "run.h"
#include "tsc.h"

#define DR6_BS (1ULL << 14)
#define FAILED_ENTRY 0xFFFFFFFFULL /* as if the CPU had refused it */

/* The lists of mv_run_t, copied. */
struct lists {
	struct mv_rdl_entry_t reg[MV_RUN_MAX_REGS];
	struct mv_rdl_entry_t msr[MV_RUN_MAX_MSRS];
};

void run_leave(struct run *r, enum mv_exit_reason_t reason)
{
	r->done = 1;
	r->status = MV_STATUS_SUCCESS;
	r->c->reg[0] = reason;
}

void run_leave_hlt(struct run *r, enum mv_hlt_t why)
{
	struct mv_exit_hlt_t *page = mk_shared();

	page->reason = why;
	run_leave(r, mv_exit_reason_t_hlt);
}

void run_leave_unknown(struct run *r)
{
	struct mv_exit_unknown_t *page = mk_shared();
	const struct mk_exit *exit = &r->vs.st->exit;

	state_fetch(r->vs.id, r->vs.st, MK_G_RAW);
	page->info0 = exit->raw[0];
	page->info1 = exit->raw[1];
	page->info2 = exit->raw[2];
	page->info3 = r->vs.st->rip;
	r->done = 1;
	r->status = MV_STATUS_EXIT_UNKNOWN;
	r->c->reg[0] = mv_exit_reason_t_unknown;
}

static void leave_failure(struct run *r, uint64_t reason)
{
	struct mv_exit_failure_t *page = mk_shared();

	page->hardware_reason = reason;
	r->done = 1;
	r->status = MV_STATUS_EXIT_FAILURE;
	r->c->reg[0] = mv_exit_reason_t_failure;
}

mv_status_t run_crashed(struct call *c)
{
	struct run r = { .c = c };

	memset((char *)mk_shared() + MV_EXIT_STATE_OFFSET, 0, sizeof(struct mv_exit_state_t));
	run_leave_hlt(&r, mv_hlt_t_microv_crash);
	return r.status;
}

void run_fault(struct run *r, const struct fault *fault)
{
	struct mk_state *st = r->vs.st;

	if (fault->vector == VEC_PF) {
		state_fetch(r->vs.id, st, MK_G_CR);
		st->cr2 = fault->addr;
		st->dirty |= MK_G_CR;
	}
	exit_inject(st, fault->vector, 1, fault->error);
}

int run_failed(struct run *r, int err, const struct fault *fault)
{
	if (err > 0)
		run_fault(r, fault);
	else if (err == -MK_EAGAIN)
		run_ask(r, 0);
	else if (err < 0)
		run_leave_unknown(r);
	return err;
}

static __attribute__((noinline)) void advance_rarely(struct run *r, uint64_t next)
{
	struct mk_state *st = r->vs.st;

	st->rip = walk_long_mode(&r->vs) ? next : (uint32_t)next;
	st->rflags &= ~RFLAGS_RF;
	st->shadow = 0;
	if (st->rflags & RFLAGS_TF)
		run_single_step(r);
}

/* Does RIP alone change when an instruction ends? */
static inline int is_plain(const struct mk_state *st)
{
	return walk_exited_long(st) && !(st->rflags & (RFLAGS_TF | RFLAGS_RF));
}

static inline void advance_plainly(struct mk_state *st, uint64_t next)
{
	st->rip = next;
	st->shadow = 0;
}

void run_advance(struct run *r, uint64_t next)
{
	if (is_plain(r->vs.st))
		advance_plainly(r->vs.st, next);
	else
		advance_rarely(r, next);
}

void run_single_step(struct run *r)
{
	struct mk_state *st = r->vs.st;

	state_fetch(r->vs.id, st, MK_G_DR);
	st->dr6 |= DR6_BS;
	st->dirty |= MK_G_DR;
	exit_inject(st, VEC_DB, 0, 0);
}

static __attribute__((noinline)) void skip_rarely(struct run *r, unsigned int len)
{
	struct fault fault;
	unsigned int prefixes;
	int err;

	if (r->vs.st->exit.len) {
		run_advance(r, r->vs.st->rip + r->vs.st->exit.len);
		return;
	}
	err = insn_count_prefixes(r->c->cpu, &r->vs, &prefixes, &fault);
	if (!run_failed(r, err, &fault))
		run_advance(r, r->vs.st->rip + prefixes + len);
}

void run_skip(struct run *r, unsigned int len)
{
	struct mk_state *st = r->vs.st;

	if (is_plain(st) && st->exit.len)
		advance_plainly(st, st->rip + st->exit.len);
	else if (is_plain(st) && walk_code_byte(&r->vs) == INSN_TWO_BYTES)
		advance_plainly(st, st->rip + len);
	else
		skip_rarely(r, len);
}

/* What user space didn't read of a device is asked for once more. */
static int input_fits(struct run *r, uint64_t bytes, uint64_t flags)
{
	uint32_t mmio = mmio_wanted(&r->vs);

	if (mmio)
		return bytes == mmio || !bytes;
	return bytes == io_wanted(&r->vs) + msr_wanted(&r->vs, flags);
}

/* Checks, or writes, the entries of mv_run_t; register or MSR 0 is no entry. */
static int entries(struct run *r, const struct reg_ops *ops, const struct mv_rdl_entry_t *e,
		   unsigned int count, int write)
{
	for (unsigned int i = 0; i < count; i++) {
		if (!e[i].reg)
			continue;
		if (write)
			ops->write(&r->vs, e[i].reg, e[i].val);
		else if (!ops->exists(e[i].reg) || !ops->valid(&r->vs, e[i].reg, e[i].val))
			return -1;
	}
	return 0;
}

/* All of both is checked before any of it is done. */
static __attribute__((noinline)) int write_lists(struct run *r)
{
	const struct mv_run_t *page = mk_shared();
	struct lists lists;

	copy_once(lists.reg, page->reg, sizeof(lists.reg));
	copy_once(lists.msr, page->msr, sizeof(lists.msr));
	if (entries(r, &reg_ops, lists.reg, MV_RUN_MAX_REGS, 0) ||
	    entries(r, &msr_ops, lists.msr, MV_RUN_MAX_MSRS, 0))
		return -1;
	entries(r, &reg_ops, lists.reg, MV_RUN_MAX_REGS, 1);
	entries(r, &msr_ops, lists.msr, MV_RUN_MAX_MSRS, 1);
	return 0;
}

/* Nothing is completed when somebody moved RIP meanwhile. */
static inline void complete_io(struct run *r, const uint8_t *in)
{
	struct vs_data *data = state_data(r->vs.st);
	const struct mv_run_t *page = mk_shared();
	uint8_t io = data->io;

	data->io = IO_NONE;
	if (io == IO_NONE || walk_linear_rip(&r->vs) != data->io_rip)
		return;
	if (io == IO_OUT)
		io_written(r);
	else if (io == IO_IN)
		io_read(r, __atomic_load_n((const uint64_t *)page->in, __ATOMIC_RELAXED));
	else
		io_read_string(r, in);
}

static inline void complete(struct run *r, const uint8_t *in, uint64_t in_bytes)
{
	struct vs_data *data = state_data(r->vs.st);

	complete_io(r, in);
	if (mmio_pending(data))
		mmio_complete(r, in, in_bytes);
	if (data->msr != MSR_NONE)
		msr_complete(r, in);
}

static __attribute__((noinline)) void complete_with(struct run *r, uint64_t in_bytes)
{
	const struct mv_run_t *page = mk_shared();
	uint8_t in[MV_EXIT_IO_MAX_BYTES];

	copy_once(in, page->in, in_bytes);
	complete(r, in, in_bytes);
}

/* Copies mv_run_t, as far as it is to be used, and checks it before any of it is done. */
static mv_status_t begin(struct run *r)
{
	const struct mv_run_t *page = mk_shared();
	uint64_t flags = __atomic_load_n(&page->flags, __ATOMIC_RELAXED);
	uint64_t in_bytes = __atomic_load_n(&page->in_bytes, __ATOMIC_RELAXED);

	if (flags & ~MV_RUN_FLAGS_ALL || !input_fits(r, in_bytes, flags))
		return MV_STATUS_FAILURE_UNKNOWN;
	if (!(flags & MV_RUN_FLAG_NO_LISTS) && write_lists(r))
		return MV_STATUS_FAILURE_UNKNOWN;

	state_data(r->vs.st)->run_flags = flags;
	if (flags & (MV_RUN_FLAG_NO_MEMORY | MV_RUN_FLAG_FORGET))
		walk_answer(&r->vs, flags);
	state_data(r->vs.st)->asked = 0;
	if (in_bytes && state_data(r->vs.st)->io != IO_IN)
		complete_with(r, in_bytes);
	else
		complete(r, NULL, 0);
	if (flags & MV_RUN_FLAG_COMPLETE_ONLY && !r->done)
		run_leave(r, mv_exit_reason_t_interrupt);
	return MV_STATUS_SUCCESS;
}

static __attribute__((noinline)) void refused(struct run *r, int64_t err)
{
	cpus[r->c->cpu].window = 0; /* closed on the way */
	if (err == -MK_EBUSY) {
		/* The CPU that ran it last has not left it quite: root tries again. */
		run_leave(r, mv_exit_reason_t_interrupt);
	} else if (err == -MK_EINVAL) {
		leave_failure(r, FAILED_ENTRY);
	} else {
		LOG("a guest can't run: VS, error", r->vs.id, -err);
		r->done = 1;
		r->status = MV_STATUS_FAILURE_UNKNOWN;
	}
}

static void left(struct run *r, uint64_t since)
{
	uint64_t now = rdtsc();

	state_data(r->vs.st)->stats.guest_ticks += now - since;
	tsc_leave(&r->vs, now);
	if (!r->vs.st->exit.window)
		cpus[r->c->cpu].window = 0; /* closed on the way */
	guest_exit(r);
}

static void enter(struct run *r)
{
	uint64_t since = rdtsc();
	int64_t err;

	tsc_enter(&r->vs, since);
	if (kvmclock_enter(&r->vs)) {
		run_ask(r, 0);
		return;
	}
	r->vs.st->window = 0;
	if (event_any(&r->vs)) {
		event_enter(r);
		if (r->done)
			return;
	}
	err = mk_vs_run(r->vs.id);
	if (err)
		refused(r, err);
	else
		left(r, since);
}

/* Behind every exit, so that the caller need not ask. */
static void write_state(struct run *r)
{
	struct mv_exit_state_t *page = (void *)((char *)mk_shared() + MV_EXIT_STATE_OFFSET);
	struct mk_state *st = r->vs.st;

	page->rflags = st->rflags;
	page->cr8 = st->cr8;
	page->apic_base = state_data(st)->msrs.apic_base;
	page->flags = (st->shadow ? MV_EXIT_STATE_SHADOW : 0) |
		      (event_waits(st) ? MV_EXIT_STATE_EVENT : 0);
}

mv_status_t hc_vs_run(struct call *c)
{
	uint64_t since = rdtsc();
	mv_status_t status;
	struct run r;

	cpus[c->cpu].calling = CALLING_RUN;
	r.c = c;
	r.done = 0;
	r.vectors = NULL;
	status = vs_take_to_run(c, &r.vs);
	if (status != MV_STATUS_SUCCESS)
		return status;
	if (!cpus[c->cpu].shared) {
		status = MV_STATUS_FAILURE_UNKNOWN;
	} else if (state_data(r.vs.st)->dead) {
		run_leave_hlt(&r, mv_hlt_t_microv_crash);
		status = r.status;
	} else {
		status = begin(&r);
	}
	if (status == MV_STATUS_SUCCESS) {
		if (!r.done)
			mp_enter(&r);
		while (!r.done)
			enter(&r);
		status = r.status;
		write_state(&r);
		state_data(r.vs.st)->stats.run_ticks += rdtsc() - since;
	}
	vs_drop(c, &r.vs);
	return status;
}
