/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The few things that shim/src asks of the operating system, and nothing else.
 * shim/linux implements them; the unit tests have a fake. What belongs here, too, but is in line
 * on Linux, is in platform_inline.h.
 *
 * `os` is the operating system's own part of a VM (struct shim_vm.os).
 */
#ifndef SHIM_PLATFORM_H
#define SHIM_PLATFORM_H

#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#endif

/* Most pages that one platform_pin_there() takes. */
#define PLATFORM_PIN_BATCH 512U

/*
 * A variable all of which that is read is written first: not cleared before, as Linux has its
 * compiler do it.
 */
#define PLATFORM_FILLED __attribute__((uninitialized))

/*
 * What is seldom needed on the way into a guest and out: a function of its own, so that its stack
 * and registers cost nothing where it isn't called.
 */
#define PLATFORM_SELDOM __attribute__((__cold__, __noinline__))
#define PLATFORM_ALWAYS static inline __attribute__((__always_inline__)) /* a part of its caller */
#define PLATFORM_LIKELY(x) __builtin_expect(!!(x), 1)

/* Zeroed memory of any size, or NULL. May sleep. */
void *platform_alloc(size_t bytes);
void platform_free(void *p);

/* 2^order contiguous pages for the hypervisor: 0 with their address in *spa, or -ENOMEM. */
int platform_pages_alloc(unsigned int order, uint64_t *spa);
void platform_pages_free(uint64_t spa, unsigned int order);

/*
 * Pins pages of the caller's memory for writing, from hva on up to the first that isn't there for
 * that; at most `pages`, which is at most PLATFORM_PIN_BATCH. How many; or -EINTR when the caller
 * is being killed.
 */
int platform_pin_there(void *os, uint64_t hva, uint64_t pages, uint64_t *spa);
/*
 * Pins one page, which is faulted in if it isn't there; for writing, or if that isn't allowed and
 * wasn't asked for, for reading. 0, -EFAULT, -ENOMEM or -EINTR. May sleep for long: without locks.
 */
int platform_pin_fault(void *os, uint64_t hva, bool write, uint64_t *spa, bool *writable);
/*
 * Pins the PLATFORM_PIN_BATCH pages of the caller's memory from hva on, which is a multiple of
 * their size, as one: if the caller's page table has one large entry for them, for writing. 1 with
 * the address of the first; 0: it has not; or -EINTR.
 */
int platform_pin_large(void *os, uint64_t hva, uint64_t *spa);
/*
 * Releases at most PLATFORM_PIN_BATCH pinned pages, which are physically contiguous, or what
 * platform_pin_large() has pinned; dirty: somebody may have written to it.
 */
void platform_unpin(void *os, uint64_t spa, uint64_t pages, bool dirty);
void platform_unpin_large(void *os, uint64_t spa, bool dirty);

/*
 * Watching a range of the caller's memory, on behalf of `slot`: whatever happens there to the
 * mapping of a page marks it stale, and takes all CPUs out of the VM's guest. NULL: no memory, or
 * the caller is being killed. May wait for what happens to the caller's memory just now.
 */
void *platform_watch(void *os, void *slot, uint64_t hva, uint64_t pages);
void platform_unwatch(void *os, void *watch);
/* Is anything stale? Then platform_guest_enter() refuses. */
bool platform_memory_stale(void *os);
/* Waits until nothing happens any more where something is stale: 0, or -EINTR when the caller is
 * being killed. */
int platform_memory_settle(void *os);
/*
 * Takes the mark off some pages of a slot, where nothing happens any more; false: of none. When
 * what they need is done for all, platform_memory_repaired() opens the guest again, unless more
 * has become stale. Under the VM lock.
 */
bool platform_memory_take(void *os, void **slot, uint64_t *page, uint64_t *pages);
void platform_memory_repaired(void *os);
/* Changes when something has happened: what was pinned before may be another page now. */
uint64_t platform_memory_seq(void *os);

/* Reads the caller's memory: 0 or -EFAULT. May sleep. */
int platform_user_read(void *dst, uint64_t hva, size_t bytes);
/* Can [hva, hva + bytes) be user memory at all? */
bool platform_user_range_ok(uint64_t hva, uint64_t bytes);

/* Takes all CPUs out of the VM's guest once, and waits until they are. Doesn't sleep. */
void platform_guest_kick(void *os);
/* Lets others run. May sleep. */
void platform_yield(void);

/* Takes all CPUs out of the guest or root VM once. May sleep. */
void platform_ping_cpus(void);
/* Waits before a hypercall is tried again for the attempt-th time. */
void platform_retry_wait(unsigned int attempt);

/* The lock of a VM's slots, see shim.h. */
void platform_vm_lock(void *os);
void platform_vm_unlock(void *os);

/*
 * Readers of what is replaced as a whole (see shim.h). Between lock and unlock nothing sleeps;
 * platform_read_wait() returns when all who were between them have left, and may sleep.
 */
void platform_read_lock(void);
void platform_read_unlock(void);
void platform_read_wait(void);
/* A lock of a VM's ring of coalesced writes. Nothing sleeps under it. */
void platform_ring_lock(void *os);
void platform_ring_unlock(void *os);

/* A reference of the caller's eventfd: 0, or -errno: there is none with that descriptor. */
int platform_eventfd_get(int fd, void **eventfd);
void platform_eventfd_put(void *eventfd);
/* Adds 1 to it. Doesn't sleep. */
void platform_eventfd_signal(void *eventfd);

void platform_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
uint32_t platform_cpu(void);
uint32_t platform_online_cpus(void);

/* What the clocks show at a moment, in ns. */
struct platform_time {
	uint64_t tsc;
	uint64_t mono; /* never set, and as fast as a second is long */
	uint64_t real; /* since 1970 (UTC) */
	bool exact;    /* the clocks go by this TSC, so that the three belong together exactly */
};

/* On this CPU, which the caller doesn't leave meanwhile. */
void platform_time(struct platform_time *time);
/* kHz of this CPU's TSC. */
uint32_t platform_tsc_khz(void);
/* One line to the kernel log, rate limited. */
void platform_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* SHIM_PLATFORM_H */
