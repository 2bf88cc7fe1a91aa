/* SPDX-License-Identifier: MIT */
/*
 * What a freestanding program needs besides its compiler: memory functions (mem.h), spinlocks.
 */
#ifndef MK_LIB_H
#define MK_LIB_H

#include "hw.h"
#include "mem.h"
#include "types.h"

typedef struct {
	u32 held;
} spinlock_t;

static inline void spin_lock(spinlock_t *l)
{
	while (__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE))
		hw_pause();
}

static inline bool spin_trylock(spinlock_t *l)
{
	return !__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE);
}

static inline void spin_unlock(spinlock_t *l)
{
	__atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}

#endif /* MK_LIB_H */
