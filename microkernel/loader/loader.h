/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The launch module, between its files: memory.c lays out the hypervisor's memory, switch.S
 * changes address spaces, launch.c moves CPUs, main.c is the device.
 */
#ifndef LOADER_H
#define LOADER_H

#include <linux/kernel.h>
#include <asm/io.h>

#include "boot.h"
#include "mv_loader.h"

/* The hypervisor's memory and what is in it; made before the first CPU goes. */
struct hypervisor {
	struct mk_boot *boot;
	struct page **chunk;	  /* boot->chunks of them, order 9 */
	struct mk_launch *launch; /* one page, used by one CPU at a time */
	struct mk_entries entries;
	u64 cr3;		  /* of ring 0's tables */
};

struct image {
	void *data;
	u64 bytes;
};

/*
 * Allocates and fills memory: the microkernel's image, its tables, boot information.
 * 0 or -errno with *reason. May sleep.
 */
int memory_create(struct hypervisor *hv, const struct image *microkernel,
		  const struct image *microv, u32 flags, u32 *reason);

/* Wipes and frees it all. No CPU may be in the hypervisor any more. */
void memory_destroy(struct hypervisor *hv);

/* How much memory that is. */
u64 memory_bytes(const struct hypervisor *hv);

/* Runs the microkernel's init, then puts all CPUs into the root VM, and later those that come
 * online. 0 or -errno.
 */
int launch_start(struct hypervisor *hv);

/* Takes all CPUs out. Can't fail: whoever might object has been asked before. */
void launch_stop(void);

/* How many CPUs are in the root VM; their numbers in mask if that isn't NULL. */
u32 launch_cpus(u64 *mask);

/* Copies the hypervisor's log to user space, as MV_LOADER_LOG says. 0 or -errno. */
int launch_log(struct mv_loader_log *log);

/* Whether SVM can be used here: 0, or -errno with *reason. */
int launch_check(u32 *reason);

/* For the shim, by symbol_get(): keeps the hypervisor from being stopped. -ENODEV: it doesn't run. */
int mv_loader_acquire(void);
void mv_loader_release(void);

/* switch.S. All with interrupts off and GIF = 0, but for switch_stop, which sets it. */
s64 switch_call(u64 cr3, u64 rsp, u64 function, u64 arg0, u64 arg1);
s64 switch_launch(u64 cr3, u64 rsp, u64 function, u64 cpu, u64 arg1, struct mk_launch *launch);
s64 switch_stop(u64 rax);
extern u8 switch_page[], switch_tramp[];

#endif /* LOADER_H */
