// SPDX-License-Identifier: MIT
/* memcpy and memset: the compiler calls them, there is no libc. */
#include "lib.h"

void *memcpy(void *dst, const void *src, size_t len)
{
	size_t words = len / 8, bytes = len % 8;
	void *to = dst;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(src), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(src), "+c"(bytes) : : "memory");
	return dst;
}

void *memset(void *dst, int byte, size_t len)
{
	uint64_t fill = (uint8_t)byte * 0x0101010101010101ULL;
	size_t words = len / 8, bytes = len % 8;
	void *to = dst;

	__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(fill) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(fill) : "memory");
	return dst;
}
