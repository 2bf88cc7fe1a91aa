/* SPDX-License-Identifier: MIT */
/*
 * Registers and MSRs of a guest VS by number, for the hypercalls and mv_run_t. Both tables
 * have the same four operations.
 */
#ifndef MICROV_REGS_H
#define MICROV_REGS_H

#include "vm.h"

struct reg_ops {
	/* Is there such a register? */
	int (*exists)(uint64_t number);
	/* May it have this value? Unused upper bits of small registers don't count. */
	int (*valid)(struct vs *vs, uint64_t number, uint64_t value);
	uint64_t (*read)(struct vs *vs, uint64_t number);
	/* Only after valid(). */
	void (*write)(struct vs *vs, uint64_t number, uint64_t value);
};

/* RFLAGS as a CPU can have it. */
uint64_t regs_rflags(uint64_t value);

extern const struct reg_ops reg_ops; /* mv_reg_t */
extern const struct reg_ops msr_ops; /* MSR indices, as user space may set them */

#endif
