/* SPDX-License-Identifier: MIT */
/*
 * A hostile ring 3: system calls with arguments of the kind that decide something, and what
 * must hold whatever it has called. Randomness is the caller's.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "machine.h"

/* System call nr on the present CPU; its result. Not MK_SYS_CPU_STOP, which ends in assembly. */
s64 hostile_call(unsigned int nr, u64 (*random)(void));

/* A mapping as the CPU sees it: rights of all levels together. */
struct hostile_leaf {
	u64 va, bytes, spa;
	bool write, execute;
};

typedef void hostile_fn(void *arg, const struct hostile_leaf *leaf);

/* Each mapping of ring 3, or of a VM, below a top table. */
void hostile_walk(spa_t top, hostile_fn *fn, void *arg);

/* Where ring 3 may have memory, sometimes elsewhere. */
u64 hostile_pointer(u64 (*random)(void));

/*
 * Of the CPUs 0 to cpus - 1 and all spaces: guests have only root's RAM, as often as it counts as
 * lent; ring 3 has its own pages and what a VM has, nothing is writable and executable; all: what
 * the calls could donate is root's or hidden from it, page by page.
 */
void hostile_check(unsigned int cpus, bool all);

/* Of a VMCB that is about to run: what it holds back from the VM. */
void hostile_vmcb(const struct vmcb *v);

/* All VSs and spaces that the calls may have made end, and each CPU's shared page. */
void hostile_end(unsigned int cpus);

#endif /* HOSTILE_H */
