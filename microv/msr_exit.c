// SPDX-License-Identifier: MIT
/*
 * RDMSR and WRMSR of guests: MicroV does them, or leaves them to user space where root asked
 * for that (MV_RUN_FLAG_MSR_*). Then the instruction waits for the next run.
 */
#include "exit.h"
#include "msr.h"
#include "run.h"

static uint64_t flags_of(const struct run *r)
{
	return state_data(r->vs.st)->run_flags;
}

static uint64_t value_of(const struct mk_state *st)
{
	return (uint32_t)st->gpr[MK_RAX] | st->gpr[MK_RDX] << 32;
}

/* why: MV_EXIT_MSR_REFUSED, MV_EXIT_MSR_UNKNOWN, or 0: nobody has tried. */
static void leave_msr(struct run *r, int write, uint64_t why)
{
	struct mv_exit_msr_t *page = mk_shared();
	struct mk_state *st = r->vs.st;
	struct vs_data *data = state_data(st);

	page->msr.reg = (uint32_t)st->gpr[MK_RCX];
	page->msr.val = write ? value_of(st) : 0;
	page->flags = (write ? MV_EXIT_MSR_WRITE : MV_EXIT_MSR_READ) | why;
	data->msr = write ? MSR_WRITE : MSR_READ;
	data->msr_rip = walk_linear_rip(&r->vs);
	run_leave(r, mv_exit_reason_t_msr);
}

static void finish_read(struct run *r, uint64_t value)
{
	uint64_t *gpr = r->vs.st->gpr;

	gpr[MK_RAX] = (uint32_t)value;
	gpr[MK_RDX] = value >> 32;
	run_skip(r, 2);
}

static __attribute__((noinline)) void execute(struct run *r, int write)
{
	uint32_t index = r->vs.st->gpr[MK_RCX];
	uint64_t value = value_of(r->vs.st);
	int refused = write ? msr_guest_write(&r->vs, index, value) :
			      msr_guest_read(&r->vs, index, &value);

	if (refused && flags_of(r) & MV_RUN_FLAG_MSR_REFUSED)
		leave_msr(r, write,
			  msr_exists(index) ? MV_EXIT_MSR_REFUSED : MV_EXIT_MSR_UNKNOWN);
	else if (refused)
		exit_inject_gp(r->vs.st);
	else if (write)
		run_skip(r, 2);
	else
		finish_read(r, value);
}

void msr_exit(struct run *r)
{
	const struct mk_state *st = r->vs.st;
	const uint64_t *value;

	if (flags_of(r) & MV_RUN_FLAG_MSR_ALL) {
		leave_msr(r, st->exit.write, 0);
		return;
	}
	value = st->exit.write ? NULL : msr_at_hand(&r->vs, st->gpr[MK_RCX]);
	if (value)
		finish_read(r, *value);
	else
		execute(r, st->exit.write);
}

uint32_t msr_wanted(const struct vs *vs, uint64_t flags)
{
	if (flags & (MV_RUN_FLAG_MSR_EXECUTE | MV_RUN_FLAG_MSR_FAULT))
		return 0;
	return state_data(vs->st)->msr == MSR_READ ? sizeof(uint64_t) : 0;
}

/* Nothing is completed when somebody moved RIP meanwhile. */
void msr_complete(struct run *r, const uint8_t *in)
{
	struct vs_data *data = state_data(r->vs.st);
	uint8_t msr = data->msr;
	uint64_t value;

	data->msr = MSR_NONE;
	if (walk_linear_rip(&r->vs) != data->msr_rip)
		return;
	if (flags_of(r) & MV_RUN_FLAG_MSR_EXECUTE) {
		execute(r, msr == MSR_WRITE);
	} else if (flags_of(r) & MV_RUN_FLAG_MSR_FAULT) {
		exit_inject_gp(r->vs.st);
	} else if (msr == MSR_WRITE) {
		run_skip(r, 2);
	} else {
		memcpy(&value, in, sizeof(value));
		finish_read(r, value);
	}
}
