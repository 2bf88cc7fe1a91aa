/* SPDX-License-Identifier: MIT */
/*
 * What the launch module hands to the microkernel: struct mk_boot once, struct
 * mk_launch for each CPU.  Both lie in the hypervisor's own memory.
 */
#ifndef MK_BOOT_H
#define MK_BOOT_H

#include "../../abi/mk_abi.h"
#include "types.h"

#define MK_BOOT_MAX_RANGES 64
#define MK_BOOT_MAX_CHUNKS 1024
#define MK_BOOT_MAX_LOADS 8

struct mk_range {
	u64 spa, bytes;
};

#define MK_LOAD_WRITE 0x1
#define MK_LOAD_EXECUTE 0x2

/* A part of MicroV's image: pages of the hypervisor's memory that ring 3 sees at va. */
struct mk_load {
	u64 va, spa, bytes; /* multiples of a page */
	u64 flags;	    /* MK_LOAD_* */
};

#define MK_BOOT_DEBUGCON 0x1 /* log to port 0xE9 too */

/*
 * chunk[]: 2 MiB aligned pieces of 2 MiB, all the memory that the hypervisor has. Of them
 * [free_chunk..] are untouched; the ones before hold image, tables and MicroV's image.
 */
struct mk_boot {
	u64 flags;
	u64 cpus; /* highest CPU number + 1 */
	u64 microv_entry; /* where ring 3 starts */
	u64 page_table; /* spa of the top level of ring 0's tables */
	u64 stop_tramp; /* where mk_stop ends: same address in both spaces, see loader/switch.S */
	u64 ranges, chunks, free_chunk, loads;
	struct mk_load load[MK_BOOT_MAX_LOADS];
	struct mk_range ram[MK_BOOT_MAX_RANGES];
	u64 chunk[MK_BOOT_MAX_CHUNKS];
};

/* A CPU of Linux at the moment of launch: what the root VM starts with. */
struct mk_launch {
	u64 rip, rsp, rflags;
	u64 cr0, cr2, cr3, cr4, efer, pat, dr6, dr7;
	struct mk_seg es, cs, ss, ds, gdtr, idtr;
};

/* Entry points of the microkernel's image, in its ELF note-free header `mk_entry_points`. */
struct mk_entries {
	u64 magic; /* MK_ENTRIES_MAGIC */
	u64 init;  /* s64 init(struct mk_boot *boot): once; 0 or -errno */
	u64 enter; /* s64 enter(u64 cpu, struct mk_launch *): per CPU; returns only -errno */
	u64 boot_stack_top; /* for init */
};
#define MK_ENTRIES_MAGIC 0x314b4d766f726369ULL

#endif /* MK_BOOT_H */
