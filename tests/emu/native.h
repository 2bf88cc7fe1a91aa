/* SPDX-License-Identifier: MIT */
/*
 * Single instructions on the CPU that this program runs on, in 64-bit, 32-bit and 16-bit
 * code segments: a signal handler loads a random state and returns to the instruction with
 * the trap flag set; whatever signal comes next brings the state behind it.
 */
#ifndef TESTS_EMU_NATIVE_H
#define TESTS_EMU_NATIVE_H

#include "emu.h"

/*
 * What is mapped, all of it below 4 GiB:
 *   CODE    2 pages r-x, with the instruction
 *   ARENA   ARENA_RW pages rw-, then one r--; nothing before and behind
 */
#define PAGE 4096U
#define CODE 0x10000000U
#define CODE_SIZE (2 * PAGE)
#define ARENA 0x10010000U
#define ARENA_RW (4 * PAGE)
#define ARENA_SIZE (ARENA_RW + PAGE)

/* Segments of the local descriptor table, and the flat one of Linux. */
enum native_seg {
	SEG_FLAT,
	SEG_CODE16,
	SEG_DATA16,
	SEG_DOWN16,
	SEG_READONLY,
	SEG_DATA32,
	SEG_DOWN32,
	SEG_CODE32,
	SEG_CODE64,
	NATIVE_SEGS
};
extern const struct mk_seg native_segs[NATIVE_SEGS];

#define NO_VECTOR 0xFF

/* The state before and after. */
struct machine {
	uint64_t gpr[16];
	uint64_t rip, rflags;
	uint8_t ymm[16][32];
	uint8_t seg[MK_SEGS]; /* enum native_seg */
	uint8_t vector; /* after: the exception, or NO_VECTOR */
	uint32_t error;
	uint64_t cr2;
};

struct native_ops {
	/* The next state; 0: that was the last. `rflags` has those that can't be chosen. */
	int (*next)(struct machine *m, uint64_t rflags);
	/* What came of it. */
	void (*done)(const struct machine *m);
};

/* Flags that a test can choose; others are as they happen to be. */
#define NATIVE_FLAGS 0x40CD5ULL /* AC OF DF SF ZF AF PF CF */

/* To write where CODE shows it. */
extern uint8_t *native_code;
/* Base of FS and GS in 64-bit mode. */
extern uint64_t native_fs_base;
#define NATIVE_GS_BASE 0x123456789000ULL

/* Is there any memory of this process at the address? */
int native_is_mapped(uint64_t addr);

int native_init(void);
void native_run(const struct native_ops *ops);

#endif
