/* SPDX-License-Identifier: MIT */
/*
 * The rows of the benchmark. Each does its operation so many times; what one of them costs is
 * the difference of two runs, by the difference of their counts, so that making the guest,
 * entering it first and reading the counters cancel.
 */
#ifndef BENCH_H
#define BENCH_H

#include "kvmtest.h"

struct row {
	const char *name;
	void (*run)(uint64_t times);
	uint64_t few, many; /* how often, when it is measured; few = 0: just the one */
	bool bare; /* Linux's own work: needs no /dev/kvm */
};

/*
 * The part of the row that counts is between these two: the clock is read at once, or, for
 * what is before begin() and behind end(), not at all.
 */
void begin(void);
void end(void);
/* Instead of end(): without the time in which CPU 0 had nothing to do. */
void end_busy(void);
/* Instead of these: what isn't measured in ticks. */
void result(uint64_t value);
/* The row is too long for a mere test that it works. */
void need_measured(void);

extern const struct row guest_rows[], ioctl_rows[], root_rows[], memory_rows[],
	qemu_rows[]; /* an empty one is the end */

#endif
