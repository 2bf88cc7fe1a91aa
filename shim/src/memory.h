/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The memory behind a slot: pinning it, and mapping it into the guest. Under the VM lock
 * where nothing else is said.
 */
#ifndef SHIM_MEMORY_H
#define SHIM_MEMORY_H

#include <shim.h>

/* Pins what is there of the slot's memory; 0, -ENOMEM or -EINTR with nothing pinned. */
int memory_pin(struct shim_vm *vm, struct slot *slot);
void memory_unpin(struct shim_vm *vm, struct slot *slot);

/*
 * Maps the pinned memory at slot->gpa: 0, or -errno with nothing mapped. vm->broken when not
 * even that was possible: then some of it may still be mapped.
 */
int memory_map(struct shim_vm *vm, const struct slot *slot);
/* Unmaps all of it: 0, or -EIO with vm->broken. */
int memory_unmap(struct shim_vm *vm, const struct slot *slot);

/* Unmaps and unpins what there is of a part of the slot; the log keeps what was written there. 0,
 * or -EIO with vm->broken. */
int memory_drop(struct shim_vm *vm, struct slot *slot, uint64_t page, uint64_t pages);
/* Of all slots: when nobody can run the VM any more, who has it. */
void memory_drop_all(struct shim_vm *vm);

/*
 * The guest accesses gpa, where nothing is mapped, or not so. DEVICE: it is no memory. THERE: now
 * it is, or perhaps at the next attempt. -EFAULT: user space has nothing there, or may not write
 * it; -ENOMEM, -EINTR, -EIO. Without the VM lock.
 */
enum { MEMORY_DEVICE = 1, MEMORY_THERE = 2 };
int memory_fault(struct shim_vm *vm, uint64_t gpa, bool write);

/* Before memory is used: takes away what user space has changed. 0, -EINTR (the caller is being
 * killed) or -EIO. Without the VM lock. */
int memory_repair(struct shim_vm *vm);

#endif /* SHIM_MEMORY_H */
