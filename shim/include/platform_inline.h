/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The part of platform.h that is on the way into a guest and out, a few instructions each: on
 * Linux it is in line. Only for those who need it, as Linux's names come with it.
 */
#ifndef SHIM_PLATFORM_INLINE_H
#define SHIM_PLATFORM_INLINE_H

#include <platform.h>

#ifdef __KERNEL__
#define PLATFORM_INLINE PLATFORM_ALWAYS
#else
#define PLATFORM_INLINE
#endif

struct mv_regs {
	uint64_t rax; /* in: MV_HYPERCALL(op, idx), out: mv_status_t */
	uint64_t reg[4];
};

/*
 * Executes one hypercall on this CPU. Without a hypervisor regs->rax is
 * MV_STATUS_FAILURE_UNSUPPORTED afterwards.
 */
PLATFORM_INLINE void mv_hypercall(struct mv_regs *regs);

/*
 * This CPU's page that is shared with the hypervisor. The caller stays on the CPU until
 * platform_shared_page_put() and must not sleep. NULL (nothing to put) when there is none.
 */
PLATFORM_INLINE void *platform_shared_page_get(void);
PLATFORM_INLINE void platform_shared_page_put(void);

/*
 * Called with the shared page held. True: interrupts are off until platform_guest_leave(), so
 * that one that arrives takes the guest out again. False: memory is stale, or, when the guest is
 * to run, the caller has other work first: a signal, or others that want this CPU.
 */
PLATFORM_INLINE bool platform_guest_enter(void *os, bool guest);
PLATFORM_INLINE void platform_guest_leave(void *os);
PLATFORM_INLINE bool platform_signal_pending(void);

/* Is it time to tell the hypervisor what time it is? True at first, then once a second; on
 * each CPU. */
PLATFORM_INLINE bool platform_time_due(void);

#ifdef __KERNEL__
#include "platform_linux.h"
#endif

#endif /* SHIM_PLATFORM_INLINE_H */
