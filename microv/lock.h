/* SPDX-License-Identifier: MIT */
/*
 * Locks between CPUs. The only locks are one in each VM (struct vm), and a CPU holds at most
 * one of them at a time: there is no order to keep. A lock knows its owner, so that it can be
 * broken when MicroV faulted on that CPU.
 */
#ifndef MICROV_LOCK_H
#define MICROV_LOCK_H

#include <stdint.h>

struct lock {
	uint32_t owner; /* CPU + 1, or 0 */
};

void lock_take(struct lock *lock, unsigned int cpu);
void lock_drop(struct lock *lock);

/* Frees the lock if this CPU holds it; returns whether it did. */
int lock_break(struct lock *lock, unsigned int cpu);

#endif
