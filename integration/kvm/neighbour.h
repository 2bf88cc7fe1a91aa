/* SPDX-License-Identifier: MIT */
/*
 * A VM beside the one that a test harms: its guest runs some code to its HLT, again and again, in
 * a thread that may run where the thread that began it might.
 */
#ifndef NEIGHBOUR_H
#define NEIGHBOUR_H

#include <pthread.h>

#include "kvmtest.h"

struct neighbour {
	struct kt_guest guest;
	struct kt_code code;
	pthread_t thread;
	unsigned long rounds;
	bool end;
};

/* Begins, and waits for the first round, after which it has all the memory that it needs. */
void neighbour_begin(struct neighbour *n, enum kt_mode mode, struct kt_code code);
/* How often it has halted. */
unsigned long neighbour_rounds(const struct neighbour *n);
/* It must come on by some rounds from now: it is no longer where it was, whatever has happened. */
void neighbour_comes_on(const struct neighbour *n);
void neighbour_end(struct neighbour *n);

#endif
