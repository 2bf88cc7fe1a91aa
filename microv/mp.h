/* SPDX-License-Identifier: MIT */
/* The multiprocessing state of a VS (mv_mp_state_t). */
#ifndef MICROV_MP_H
#define MICROV_MP_H

struct run;

/* A run begins: 0, or -1 when the VS waits for a SIPI, which ends the run with an exit. */
int mp_enter(struct run *r);

#endif
