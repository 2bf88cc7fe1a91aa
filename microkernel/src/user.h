/* SPDX-License-Identifier: MIT */
/*
 * Ring 3's half of the address space (abi/mk_abi.h): MicroV's image, state pages, and on
 * each CPU a stack, the shared page and the window.
 */
#ifndef MK_USER_H
#define MK_USER_H

#include "cpu.h"

/* Maps MicroV's image as boot->load says; once. 0 or -errno. */
int user_init(const struct mk_boot *boot);

/* The address where ring 3 starts. */
u64 user_entry(void);

/* Makes a CPU's own part: top table, stack. 0 or -ENOMEM. */
int user_cpu_init(struct cpu *cpu);

/* Shows a VS's state page and MicroV's own two for it, or with SPA_NONE takes them away (the
 * caller opens an epoch). -ENOMEM. */
int user_map_vs(u32 vsid, spa_t state, spa_t own, spa_t own2);

/* System calls; see abi/mk_abi.h. */
s64 user_shared_set(struct cpu *cpu, spa_t page);
s64 user_window_open(struct cpu *cpu, u64 space);
void user_window_close(struct cpu *cpu);
s64 user_window_fixup(u64 start, u64 end, u64 fixup);

/* A fault at `addr` by the instruction at rip: where to go on instead, or 0. */
u64 user_fixup(u64 rip, u64 addr);

/* Copies between ring 3's memory at va (image, stack or shared page) and buf: to ring 3 (out),
 * or from there. -EFAULT: part may be copied. */
s64 user_copy(struct cpu *cpu, u64 va, void *buf, u64 bytes, bool out);

#endif /* MK_USER_H */
