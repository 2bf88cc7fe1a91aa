/* SPDX-License-Identifier: MIT */
/*
 * What a freestanding program needs besides its compiler: memory functions, spinlocks.
 */
#ifndef MK_LIB_H
#define MK_LIB_H

#include "hw.h"
#include "types.h"

void *memset(void *to, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);

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
