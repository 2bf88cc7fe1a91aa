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

/* What tsc_enter() does when there is something to be done. */
void tsc_catch_up(struct vs *vs, uint64_t now);

/* Before each entry, and after each exit, at a TSC of this CPU: time never goes backwards. */
static inline void tsc_enter(struct vs *vs, uint64_t now)
{
	const struct vs_time *t = &state_data(vs->st)->time;

	if (now < t->left || t->catch_up)
		tsc_catch_up(vs, now);
}

static inline void tsc_leave(struct vs *vs, uint64_t now)
{
	state_data(vs->st)->time.left = now;
}

/* Do the TSCs of all VSs show the same? The VM is locked. */
int tsc_in_step(const struct vm *vm);

#endif
