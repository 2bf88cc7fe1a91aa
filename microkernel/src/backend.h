/* SPDX-License-Identifier: MIT */
/*
 * What the core needs of a CPU vendor's virtualization: one implementation is linked in
 * (svm/), host tests have their own.
 */
#ifndef MK_BACKEND_H
#define MK_BACKEND_H

#include "vs.h"

/* Once: tables that all VSs share. */
void backend_init(void);

/* On each CPU, before backend_launch: root's state that only instructions can save. */
void backend_save_root(struct vs *root);

/* On each CPU, when ring 0's registers are set up: where an exit comes back to. */
void backend_cpu_init(struct cpu *cpu);

/* Makes a zeroed block a VS's: intercepts, nested paging. */
void backend_vs_init(struct vs *vs);

/* Puts the launched CPU's state into the root VS's block. */
void backend_set_root(struct vs *vs, const struct mk_launch *launch);

/* The FPU and debug registers become this VS's; those of the one that had them (cpu->fpu) are in
 * its pages. */
void backend_switch(struct cpu *cpu, struct vs *vs);

/*
 * Runs a VS (claimed, and switched to) until an exit that ring 3 must see: commits the dirty
 * groups, fills gpr, rip, rflags and the exit record, lets go of it. 0. Keeps no register for its
 * caller, against the rules of C: nothing but a tail call of entry.S's calls.
 */
s64 backend_run(struct cpu *cpu, struct vs *vs);

/* Copies groups from the block to the state page. */
void backend_fetch(struct vs *vs, u32 groups);

/* Goes on with root natively on this CPU. */
void backend_stop(struct cpu *cpu) __attribute__((noreturn));

#endif /* MK_BACKEND_H */
