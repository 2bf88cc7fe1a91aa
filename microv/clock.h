/* SPDX-License-Identifier: MIT */
/*
 * Time. Root tells each CPU the frequency of its TSC and what its clocks show (struct
 * cpu_time); every VM has a clock made of that (struct vm_clock). With a stable TSC a VM's
 * clock is a linear function of it for good; otherwise it follows what root tells.
 */
#ifndef MICROV_CLOCK_H
#define MICROV_CLOCK_H

#include "vm.h"

/* Nanoseconds per tick of `khz` (not 0), as exactly as struct clock_scale can have it. */
struct clock_scale clock_scale_of(uint32_t khz);

/* `ticks` in nanoseconds, modulo 2^64, for any number of ticks. */
uint64_t clock_scale(const struct clock_scale *scale, uint64_t ticks);

/* Starts a VM's clock at 0, now. */
void clock_start(struct vm_clock *clock, unsigned int cpu);

/*
 * Says the same again, from now on: so that a stable clock's TSC isn't from before its guest's
 * began. The VM is locked.
 */
void clock_rebase(struct vm_clock *clock, unsigned int cpu);

/* What a VM's clock shows at a TSC of this CPU that isn't long ago. The VM is locked. */
uint64_t clock_at(const struct vm_clock *clock, unsigned int cpu, uint64_t tsc);

/* The time since 1970, in ns, at a TSC of this CPU that isn't long ago. */
uint64_t clock_real(unsigned int cpu, uint64_t tsc);

/* Is it the same function of the TSC for all VSs? The VM is locked. */
int clock_stable(const struct vm *vm, unsigned int cpu);

#endif
