// SPDX-License-Identifier: MIT
/* Locks between CPUs, see lock.h. */
#include "lock.h"

static int lock_try(struct lock *lock, unsigned int cpu)
{
	uint32_t nobody = 0;

	return __atomic_compare_exchange_n(&lock->owner, &nobody, cpu + 1, 0, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

void lock_take(struct lock *lock, unsigned int cpu)
{
	while (!lock_try(lock, cpu))
		__builtin_ia32_pause();
}

void lock_drop(struct lock *lock)
{
	__atomic_store_n(&lock->owner, 0, __ATOMIC_RELEASE);
}

int lock_break(struct lock *lock, unsigned int cpu)
{
	if (__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) != cpu + 1)
		return 0;
	lock_drop(lock);
	return 1;
}
