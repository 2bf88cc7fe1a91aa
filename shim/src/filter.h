/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Which MSRs a guest may touch, see filter.c. */
#ifndef FILTER_H
#define FILTER_H

#include <shim.h>

/* Takes the VM's lock. */
bool filter_allows(struct shim_vm *vm, uint32_t index, bool write);

#endif /* FILTER_H */
