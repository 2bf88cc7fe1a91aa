/* SPDX-License-Identifier: MIT */
/* Numbers that look random and are always the same ones: a test sets `seed`, not 0, first. */
#ifndef TESTS_RND_H
#define TESTS_RND_H

#include <stdint.h>

static uint64_t seed;

/* xorshift64* */
static inline uint64_t rnd(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 0x2545F4914F6CDD1DULL;
}

#endif
