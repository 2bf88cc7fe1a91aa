/* SPDX-License-Identifier: MIT */
/*
 * Counters of VSs. They are where the fact is known, in struct vs_stats of the state page; so
 * an exit costs a few instructions, and whoever asks adds nothing to it.
 */
#ifndef MICROV_STATS_H
#define MICROV_STATS_H

#include "state.h"

/* Of a root VS, whose CPU has just come. */
void stats_start(struct mk_state *st);

/* The VS has exited, for an enum mk_exit_reason. */
static inline void stats_exit(struct mk_state *st, unsigned int reason)
{
	if (reason < MK_EXIT_COUNT)
		state_data(st)->stats.exits[reason]++;
}

#endif
