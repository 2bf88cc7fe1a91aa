/* SPDX-License-Identifier: MIT */
/* What the exits of root and of guests have in common. */
#ifndef MICROV_EXIT_H
#define MICROV_EXIT_H

#include "mk.h"

enum {
	VEC_DB = 1,
	VEC_BP = 3,
	VEC_OF = 4,
	VEC_UD = 6,
	VEC_SS = 12,
	VEC_GP = 13,
	VEC_PF = 14,
	VEC_MC = 18,
};

/* Sets the exception that the next entry delivers; RIP stays at the instruction. */
static inline void exit_inject(struct mk_state *st, uint8_t vector, int has_error, uint32_t error)
{
	st->inject = (struct mk_event){
		.type = MK_EVENT_EXCEPTION,
		.vector = vector,
		.has_error = !!has_error,
		.error = error,
	};
}

static inline void exit_inject_ud(struct mk_state *st)
{
	exit_inject(st, VEC_UD, 0, 0);
}

static inline void exit_inject_gp(struct mk_state *st)
{
	exit_inject(st, VEC_GP, 1, 0);
}

/*
 * Makes the next entry deliver again what the last exit interrupted, unless something else
 * is to be injected. Software interrupts and INT3, INTO are not: RIP is still at them.
 */
void exit_reinject(struct mk_state *st);

/* Serves the exit in root's state page; cpu is the one that we are on. */
void root_exit(unsigned int cpu);

#endif
