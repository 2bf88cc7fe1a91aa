/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The memory behind a slot: pinning it, and mapping it into the guest. Under the VM lock.
 */
#ifndef SHIM_MEMORY_H
#define SHIM_MEMORY_H

#include <shim.h>

/* Pins all of the slot that can be pinned; 0, -ENOMEM or -EINTR with nothing pinned. */
int memory_pin(struct shim_vm *vm, struct slot *slot);
void memory_unpin(struct shim_vm *vm, struct slot *slot);

/*
 * Maps the pinned memory at slot->gpa: 0, or -errno with nothing mapped. vm->broken when not
 * even that was possible: then some of it may still be mapped.
 */
int memory_map(struct shim_vm *vm, const struct slot *slot);
/* Is the page at gpa, which is in the slot, mapped so? */
bool memory_is_there(const struct slot *slot, uint64_t gpa, bool write);
/* Unmaps all of it: 0, or -EIO with vm->broken. */
int memory_unmap(struct shim_vm *vm, const struct slot *slot);

#endif /* SHIM_MEMORY_H */
