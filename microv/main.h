/* SPDX-License-Identifier: MIT */
/* Where the microkernel starts MicroV; a stack test calls microv_start() and root_exit(). */
#ifndef MICROV_MAIN_H
#define MICROV_MAIN_H

#include "mk_abi.h"

/* The entry in C, from start.S: never returns. */
void microv_main(unsigned int cpu, enum mk_start start);

/* What a start does before root runs: marks the CPU, or cleans up after a fault. */
void microv_start(unsigned int cpu, enum mk_start start);

#endif
