// SPDX-License-Identifier: MIT
/* What the exits of root and of guests have in common. */
#include "exit.h"

void exit_reinject(struct mk_state *st)
{
	const struct mk_event *event = &st->exit.interrupted;

	if (event->type == MK_EVENT_NONE || event->type == MK_EVENT_SOFT ||
	    st->inject.type != MK_EVENT_NONE)
		return;
	if (event->type == MK_EVENT_EXCEPTION && (event->vector == VEC_BP || event->vector == VEC_OF))
		return;
	st->inject = *event;
}
