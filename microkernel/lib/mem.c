// SPDX-License-Identifier: MIT
/*
 * Memory functions, which the compiler may call, for the microkernel and MicroV.
 */
#include "mem.h"

#include <stdint.h>

void *memset(void *to, int c, size_t n)
{
	uint64_t fill = (uint8_t)c * 0x0101010101010101ULL;
	uint64_t words = n / 8, bytes = n % 8;
	void *d = to;

	asm volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(fill) : "memory");
	asm volatile("rep stosb" : "+D"(d), "+c"(bytes) : "a"(fill) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	uint64_t words = n / 8, bytes = n % 8;
	void *d = to;

	asm volatile("rep movsq" : "+D"(d), "+S"(from), "+c"(words)::"memory");
	asm volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(bytes)::"memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n >= 8 && *(const uint64_t *)x == *(const uint64_t *)y; n -= 8, x += 8, y += 8)
		;
	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
