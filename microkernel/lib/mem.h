/* SPDX-License-Identifier: MIT */
/*
 * Memory functions as in C, for code without a C library.
 */
#ifndef MK_MEM_H
#define MK_MEM_H

#include <stddef.h>

void *memset(void *to, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* Freestanding, the compiler takes a call for what it says: few bytes are to be moved in place. */
#define memset(to, c, n) __builtin_memset(to, c, n)
#define memcpy(to, from, n) __builtin_memcpy(to, from, n)
#define memcmp(a, b, n) __builtin_memcmp(a, b, n)

#endif /* MK_MEM_H */
