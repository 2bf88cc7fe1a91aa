/* SPDX-License-Identifier: MIT */
/*
 * The TSC of a guest: the CPU's plus an offset. What user space writes to the TSCs of one
 * VM's VSs within a second is taken for an attempt to set them in step, as with KVM.
 */
#ifndef MICROV_TSC_H
#define MICROV_TSC_H

#include "vm.h"

/* Starts the TSC of a new VS, in step with the others of its VM. The VM is locked. */
void tsc_start(struct vs *vs);

/* The VS's TSC, now. */
uint64_t tsc_read(struct vs *vs);

/* User space writes the VS's TSC. */
void tsc_write(struct vs *vs, uint64_t value);

/* The guest writes its TSC or TSC_ADJUST: both move together. */
void tsc_guest_move(struct vs *vs, uint64_t by);

/* Before each entry, and when root gets the VS back: time never goes backwards. */
void tsc_enter(struct vs *vs);
void tsc_leave(struct vs *vs);

/* Do the TSCs of all VSs show the same? The VM is locked. */
int tsc_in_step(const struct vm *vm);

#endif
