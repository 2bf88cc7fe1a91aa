/* SPDX-License-Identifier: MIT */
/* mv_vs_op_run: the loop around a guest, and how its exits answer. */
#ifndef MICROV_RUN_H
#define MICROV_RUN_H

#include "vm.h"

/* A guest that runs, while one of its exits is served. */
struct run {
	struct call *c;
	struct vs vs;
	int done; /* leave the guest: `status` answers root */
	mv_status_t status;
};

/* Ends the run with an exit for root: SUCCESS and this reason. */
void run_leave(struct run *r, enum mv_exit_reason_t reason);

/* The answer of a run in which MicroV crashed: exit hlt, mv_hlt_t_microv_crash. */
mv_status_t run_crashed(struct call *c) __attribute__((weak));

/* Serves the exit in the guest's state page (guest.c). */
void guest_exit(struct run *r);

#endif
