/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A VM's memory slots. Under the VM lock. */
#ifndef SHIM_SLOTS_H
#define SHIM_SLOTS_H

#include <shim.h>

/* The slot that has gpa, or this ID; or NULL. */
struct slot *slots_find_gpa(const struct slot_table *table, uint64_t gpa);
struct slot *slots_find_id(const struct slot_table *table, uint32_t id);
/* Unpins and frees all slots. Only when the guest can't run any more and nothing is mapped. */
void slots_free(struct shim_vm *vm);

#endif /* SHIM_SLOTS_H */
