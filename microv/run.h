/* SPDX-License-Identifier: MIT */
/* mv_vs_op_run: the loop around a guest, and how its exits answer. */
#ifndef MICROV_RUN_H
#define MICROV_RUN_H

#include "insn.h"

struct vectors;

/* A guest that runs, while one of its exits is served. */
struct run {
	struct call *c;
	struct vs vs;
	int done; /* leave the guest: `status` answers root */
	mv_status_t status;
	struct vectors *vectors; /* while an instruction is emulated (mmio.c) */
};

/* Leaves the guest: SUCCESS, and an exit that root must serve. */
void run_leave(struct run *r, enum mv_exit_reason_t reason);

/* The same with mv_exit_hlt_t. */
void run_leave_hlt(struct run *r, enum mv_hlt_t why);

/* Leaves the guest: nobody can serve this exit. */
void run_leave_unknown(struct run *r);

/*
 * Leaves the guest: what it needs at the page that walk.h wants asked for starts over at the next
 * run. keep: the data of this run is to come again (mmio.c).
 */
void run_ask(struct run *r, int keep);

/* Injects an exception that an access of the guest gave. */
void run_fault(struct run *r, const struct fault *fault);

/*
 * After insn_fetch(), walk_copy(): is there an error? Then it is dealt with: the fault is
 * injected, or the guest left.
 */
int run_failed(struct run *r, int err, const struct fault *fault);

/* Moves RIP behind an instruction that MicroV did for the guest, to `next`. */
void run_advance(struct run *r, uint64_t next);

/* The same for the current exit's instruction, of `len` bytes without prefixes. */
void run_skip(struct run *r, unsigned int len);

/* The #DB of a single step, with which an instruction ends that began with TF. */
void run_single_step(struct run *r);

/* The answer of a run in which MicroV crashed: exit hlt, mv_hlt_t_microv_crash. */
mv_status_t run_crashed(struct call *c);

/* Serves the exit in the guest's state page (guest.c). */
void guest_exit(struct run *r);

/*
 * An IO exit; and what completes it at the next run: an OUT, an IN with what root read, an INS with
 * as much as it waits for (io.c).
 */
void io_exit(struct run *r);
void io_written(struct run *r);
void io_read(struct run *r, uint64_t value);
void io_read_string(struct run *r, const uint8_t *in);

/*
 * RDMSR or WRMSR; what completes it at the next run, with the value that was read; and how many
 * bytes that is (msr_exit.c).
 */
void msr_exit(struct run *r);
void msr_complete(struct run *r, const uint8_t *in);
uint32_t msr_wanted(const struct vs *vs, uint64_t flags);

/*
 * Events (event.c): chooses what the next entry delivers and which windows to ask for, or
 * leaves the guest because its window is open; notes after an exit that an IRET ended an NMI. Both
 * are for a VS that has events.
 */
void event_enter(struct run *r);
void event_exit(struct run *r);

/* Mostly there is nothing to deliver and nothing to wait for. */
static inline int event_any(const struct vs *vs)
{
	const struct vs_data *data = state_data(vs->st);

	return vs->st->inject.type != MK_EVENT_NONE || data->events ||
	       data->run_flags & (MV_RUN_FLAG_WINDOW | MV_RUN_FLAG_MSR_ALL);
}

/* Does anything wait that comes before a further interrupt? */
int event_waits(const struct mk_state *st);

/* How many bytes the pending instruction waits for. */
uint32_t io_wanted(const struct vs *vs);

/*
 * Serves an exit by emulating the instruction at RIP, whatever it is; or one that accesses a
 * control register (mmio.c).
 */
void emulate_exit(struct run *r);
void control_exit(struct run *r);

/*
 * The same for an access that isn't to memory, or not allowed there: the instruction is
 * emulated. in_bytes 0 starts it over, where it waits (mmio.c).
 */
void mmio_exit(struct run *r);
void mmio_complete(struct run *r, const uint8_t *in, uint64_t in_bytes);
uint32_t mmio_wanted(const struct vs *vs);

/* Is there anything for mmio_complete()? */
static inline int mmio_pending(const struct vs_data *data)
{
	return data->mmio.waits != MMIO_NONE || data->mmio.told < data->mmio.outs;
}

#endif
