/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A VM's pool: pages that the hypervisor has for the VM's page tables and VSs. Under the VM
 * lock, or before anybody else knows the VM.
 */
#ifndef SHIM_POOL_H
#define SHIM_POOL_H

#include "hypercall.h"
#include <shim.h>

/* Donates at least `pages` pages: 0, or -errno with what could be donated. */
int pool_donate(struct shim_vm *vm, uint64_t pages);

/*
 * After a hypercall that may answer FAILURE_NO_MEMORY: true when it did, and `wanted` pages
 * have been donated, so that it is worth another attempt.
 */
bool pool_refill(struct shim_vm *vm, mv_status_t status, uint64_t wanted);

/* Frees all pages. Only when the hypervisor has given them back (destroy_vm). */
void pool_free(struct shim_vm *vm);

#endif /* SHIM_POOL_H */
