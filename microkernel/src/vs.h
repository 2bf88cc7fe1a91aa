/* SPDX-License-Identifier: MIT */
/*
 * A VS: one virtual CPU's state, of a guest or of root.
 */
#ifndef MK_VS_H
#define MK_VS_H

#include "cpu.h"

#define VS_NO_CPU ~0U
#define VS_WINDOW_UNKNOWN ~0U

/* XSAVE's standard format, APM vol. 2, 11.4.4 and 11.5.2; a page with what is behind it. */
struct xsave {
	u16 fcw, unused[11];
	u32 mxcsr, mxcsr_mask;
	u8 legacy[480];
	u64 xstate_bv, zero[7];
};

/*
 * The way of an entry and its exit that nearly all go is straight: no call in it comes back, so
 * nothing is saved around one. What is rare is a function of its own, which then goes the same way.
 */
#define STRAIGHT static inline __attribute__((always_inline))
#define RARE __attribute__((noinline))

/* The pages of a VS: itself, its block, its state page, MicroV's own two, its FPU state. */
enum { PAGE_VS, PAGE_BLOCK, PAGE_STATE, PAGE_OWN, PAGE_OWN2, PAGE_FPU, VS_PAGES };

struct vs {
	struct space *space; /* first: a freed page's list link must not make it idle (busy) */
	u32 id;
	u32 busy; /* a CPU runs it; atomic */
	u32 cpu;  /* it ran last on: VS_NO_CPU = nowhere yet */
	struct mk_state *state;
	struct xsave *fpu;
	void *block;	/* the backend's: VMCB */
	spa_t page[VS_PAGES];
	u64 xcr0;
	u32 tsc_aux;	/* root's: while it doesn't run */
	bool debug_regs; /* DR0-3 are the VS's own while it runs */
	bool stepping;	 /* root: executes one instruction on the scratch page */
	u64 step_flags;	 /* root: RFLAGS bits to put back after that */
	u64 asid_generation;
	u64 cr0_hidden;	/* CD and NW of CR0, which the CPU isn't told */
	u32 window;	/* MK_WINDOW_* that the block has, or VS_WINDOW_UNKNOWN */
};

/* It has left the CPU: others may have it. 0. */
static inline s64 vs_unclaim(struct vs *vs)
{
	__atomic_store_n(&vs->busy, 0, __ATOMIC_RELEASE);
	return 0;
}

/* The root VS of a CPU, in the state that Linux was in. -ENOMEM. */
int vs_create_root(struct cpu *cpu, const struct mk_launch *launch);

/* System calls; see abi/mk_abi.h. */
s64 vs_create(u64 id, u64 space);
s64 vs_destroy(u64 id);
s64 vs_run(struct cpu *cpu, u64 id); /* only by entry.S: see backend_run */
s64 vs_fetch(u64 id, u64 groups);
s64 vs_fpu(struct cpu *cpu, u64 id, u64 va, bool set);

#endif /* MK_VS_H */
