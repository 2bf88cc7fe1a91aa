/* SPDX-License-Identifier: MIT */
/* Memory descriptor lists: taken from the shared page once, and checked. */
#ifndef MICROV_MDL_H
#define MICROV_MDL_H

#include "hypercall.h"

/* Which fields of an entry a hypercall uses; the others are set to 0. */
enum mdl_use { MDL_DST = 1, MDL_SRC = 2, MDL_FLAGS = 4 };

struct mdl {
	uint64_t hash; /* of the list as the caller gave it and of `use`; never 0 */
	uint32_t count;
	struct mv_mdl_entry_t entries[MV_MDL_MAX_ENTRIES];
};

/*
 * Copies the list of this CPU's shared page, checks it and sorts it by dst (by src when dst
 * isn't used). All ranges of the result are aligned, not empty, below MK_GPA_END, and don't
 * overlap in the field it's sorted by. SUCCESS or FAILURE_UNKNOWN.
 */
mv_status_t mdl_read(struct call *c, struct mdl *mdl, unsigned int use);

#endif
