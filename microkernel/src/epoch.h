/* SPDX-License-Identifier: MIT */
/*
 * When is a removed mapping gone from every TLB?  The hypervisor sends no IPIs: each
 * removal opens a new epoch, each CPU flushes and joins the present epoch whenever it is
 * in the hypervisor, and the remover waits (MK_EAGAIN) until all CPUs have joined. Root
 * makes them come: any exit does.
 */
#ifndef MK_EPOCH_H
#define MK_EPOCH_H

#include "types.h"

struct cpu;

/* Opens an epoch; returns it. Call it after the mapping is gone from the tables. */
u64 epoch_bump(void);

/* True when every CPU that is in the root VM has joined epoch e. */
bool epoch_passed(u64 e);

/*
 * With `guests` a CPU counts that runs the root VM just now, too: it joins before it uses a
 * guest's mappings again.
 */
bool epoch_passed_by(u64 e, bool guests);

/* This CPU, in the hypervisor: forget all translations if there is a newer epoch. */
void epoch_join(struct cpu *cpu);
bool epoch_is_joined(const struct cpu *cpu);

#endif /* MK_EPOCH_H */
