/* SPDX-License-Identifier: MIT */
/* What MicroV knows about each CPU (PP); touched by that CPU only, but for `online`. */
#ifndef MICROV_CPU_H
#define MICROV_CPU_H

#include "mk.h"

/* Nanoseconds of ticks: ticks * 2^shift * mul / 2^32, as kvmclock has it. */
struct clock_scale {
	uint32_t mul;
	int8_t shift;
};

/* What root told this CPU about its TSC and the time (clock.c). */
struct cpu_time {
	uint32_t khz; /* 0: nothing yet */
	uint8_t stable;
	struct clock_scale scale;
	uint64_t tsc, ns, real; /* at this TSC root's clocks showed these ns */
	uint64_t base_tsc, base_ns; /* the same, from where on the TSC is measured */
	uint32_t measured;    /* its kHz by that; 0: not yet */
	uint8_t settled;      /* it was measured for long */
	uint32_t told;	      /* how often */
};

/* Serves a hypercall of root, which a fault must end; that is mv_vs_op_run. */
enum { CALLING = 1, CALLING_RUN };

struct cpu {
	uint8_t online;	 /* in the root VM; read by all */
	uint8_t shared;	 /* has a shared page */
	uint8_t calling; /* CALLING*, or 0 */
	uint16_t busy;	 /* VSID that this CPU has taken (vs_take), or 0 */
	uint16_t window; /* VMID that the window shows, or 0 */
	uint32_t window_maps; /* vm_maps() of that VM when it was opened */
	struct cpu_time time;
} __attribute__((aligned(128))); /* no line of the cache is two CPUs' */

extern struct cpu cpus[MV_MAX_PPS];

/* How many PPs are online. */
unsigned int cpu_count(void);

#endif
