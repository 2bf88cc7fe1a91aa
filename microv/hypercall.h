/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls of the root VM. The table of mv_abi.h makes a prototype hc_<group>_<name>() for
 * each one that MicroV has; the files that implement a group include this.
 */
#ifndef MICROV_HYPERCALL_H
#define MICROV_HYPERCALL_H

#include "cpu.h"

/* A hypercall under way: REG0 to REG3, in and out. */
struct call {
	unsigned int cpu;
	int stop; /* leave the CPU when all is written back */
	uint64_t *reg; /* where the caller has them */
};

/* Writes c->reg only when it succeeds, or to say more about a failure as mv_abi.h has it. */
typedef mv_status_t hypercall_fn(struct call *c);

#define HC_DECLARE_NO(group, name)
#define HC_DECLARE_YES(group, name) hypercall_fn hc_##group##_##name;
#define HC_DECLARE(GROUP, group, idx, NAME, name, origin, state, ...)                              \
	HC_DECLARE_##state(group, name)
MV_HYPERCALLS(HC_DECLARE)
#undef HC_DECLARE
#undef HC_DECLARE_YES
#undef HC_DECLARE_NO

/* Serves a VMMCALL of the root VS on this CPU: registers from its state page and back.
 * Doesn't return from mv_pp_op_stop. */
void hypercall(unsigned int cpu, struct mk_state *st);

/* Ends the hypercall that a fault of MicroV interrupted on this CPU. */
void hypercall_abort(unsigned int cpu, struct mk_state *st);

/* Is this the open handle? (handle.c) */
int handle_is_open(uint64_t handle);

#endif
