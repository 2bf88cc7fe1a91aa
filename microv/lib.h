/* SPDX-License-Identifier: MIT */
/* The few library functions and macros that MicroV needs; memory functions are in mem.h. */
#ifndef MICROV_LIB_H
#define MICROV_LIB_H

#include <stddef.h>
#include <stdint.h>

#include "mem.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Copies memory that somebody else can write at any time. The compiler can't see through it,
 * so that what was checked in the copy is what is used.
 */
static inline void copy_once(void *dst, const void *src, size_t len)
{
	size_t words = len / 8, bytes = len % 8;

#ifdef __clang_analyzer__ /* which doesn't know that the instructions fill it */
	__builtin_memset(dst, 0, len);
#endif
	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(bytes) : : "memory");
}

static inline uint64_t rdtsc(void)
{
	uint64_t low, high; /* the upper halves are cleared (APM vol. 3, RDTSC) */

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return high << 32 | low;
}

static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "a"(leaf), "c"(sub));
}

#endif
