/* SPDX-License-Identifier: MIT */
/*
 * kvmclock: the VM's clock and the wall clock, shown to the guest in its own memory, where
 * its MSRs say (Linux: Documentation/virt/kvm/x86/msr.rst).
 */
#ifndef MICROV_KVMCLOCK_H
#define MICROV_KVMCLOCK_H

#include "vm.h"

#define MSR_WALL_CLOCK_OLD 0x11U
#define MSR_SYSTEM_TIME_OLD 0x12U
#define MSR_WALL_CLOCK 0x4B564D00U
#define MSR_SYSTEM_TIME 0x4B564D01U

/* Features of CPUID 0x40000001: both pairs of MSRs, no delays for ports, and the stable bit. */
#define KVMCLOCK_FEATURES 0x0100000BU

#define KVMCLOCK_ENABLE 1ULL /* in the MSR of the system time */
#define KVMCLOCK_LEAF 0x40000001U

/* The feature that the MSR belongs to: the old pair's or the new pair's. */
static inline uint32_t kvmclock_feature(uint64_t index)
{
	return index == MSR_WALL_CLOCK_OLD || index == MSR_SYSTEM_TIME_OLD ? 0x1U : 0x8U;
}

/* Is it one of the four MSRs? Any value is valid. */
int kvmclock_msr(uint64_t index);
uint64_t kvmclock_read(const struct vs *vs, uint64_t index);
/* `guest`: by WRMSR, and not by user space. */
void kvmclock_write(struct vs *vs, uint64_t index, uint64_t value, int guest);

/* What kvmclock_enter() does for a guest that has a clock. */
int kvmclock_show(struct vs *vs);

/* Before each entry: what the guest sees is brought up to date. 0; -MK_EAGAIN as in walk.h. */
static inline int kvmclock_enter(struct vs *vs)
{
	const struct vs_time *t = &state_data(vs->st)->time;

	return t->kvmclock & KVMCLOCK_ENABLE || t->wall_due ? kvmclock_show(vs) : 0;
}

#endif
