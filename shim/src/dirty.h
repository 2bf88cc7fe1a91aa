/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* KVM_MEM_LOG_DIRTY_PAGES: which pages of a slot were written. Under the VM lock. */
#ifndef SHIM_DIRTY_H
#define SHIM_DIRTY_H

#include <shim.h>

/* Begins the log of a slot that is mapped: 0, or -errno and there is none. fresh: it has been
 * mapped just now, so all that was written belongs to it. */
int dirty_start(struct shim_vm *vm, struct slot *slot, bool fresh);
/* Takes what was written since into the log; before the slot is unmapped, for one. */
int dirty_sync(struct shim_vm *vm, struct slot *slot);
/* The same for some pages; if that isn't possible they all count as written. */
void dirty_sync_all(struct shim_vm *vm, struct slot *slot, uint64_t page, uint64_t pages);
void dirty_stop(struct slot *slot);

#endif /* SHIM_DIRTY_H */
