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

#endif /* MK_MEM_H */
