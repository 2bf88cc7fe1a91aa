/* SPDX-License-Identifier: MIT */
/*
 * Whose pages are, by what hypercalls have answered: a model that is compared with the tables
 * that the hypervisor has made. Pages are root's alone, root's and lent to VMs, or donated.
 */
#ifndef FUZZ_OWNERS_H
#define FUZZ_OWNERS_H

#include "../../abi/mv_abi.h"
#include "fuzz.h"

#define OWNERS_VMS 8U /* the model has VMs 1 to 7 */

/* No VM, no page donated. */
void owners_reset(void);

/* What a list did that succeeded. */
void owners_map(unsigned int vm, const struct mv_mdl_entry_t *e);
void owners_unmap(unsigned int vm, const struct mv_mdl_entry_t *e);
void owners_donate(unsigned int vm, const struct mv_mdl_entry_t *e);

/* Its destruction has begun: its memory is gone, its pool somewhere in between. */
void owners_destroy(unsigned int vm);
/* And has ended: all of the pool is root's. zeroed: nobody can have written to it since. */
void owners_destroyed(unsigned int vm, bool zeroed);

/* Each mapping of a VM is the model's, and the other way round; what is donated is nobody's. */
void owners_check(void);

#endif /* FUZZ_OWNERS_H */
