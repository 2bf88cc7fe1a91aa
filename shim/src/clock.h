/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Telling the hypervisor the time. */
#ifndef SHIM_CLOCK_H
#define SHIM_CLOCK_H

#include "hypercall.h"
#include <shim.h>

/*
 * Tells this CPU's hypervisor the time, which is also *time; the caller stays on the CPU.
 * The status of the first hypercall that failed.
 */
mv_status_t clock_tell(struct platform_time *time);

/* When platform_time_due(), by a caller that stays on the CPU. Should it fail, the hypervisor goes on
 * with what it knows. */
void clock_tell_again(void);

/* clock_tell(), which keeps the caller on the CPU: with 0, platform_shared_page_put() is due. */
int clock_tell_get(struct platform_time *time);

#endif /* SHIM_CLOCK_H */
