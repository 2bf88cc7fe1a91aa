// SPDX-License-Identifier: MIT
/* XCR0: which of its values are valid. */
#include "xcr.h"

uint64_t xcr0_supported(void)
{
	uint32_t r[4];

	cpuid(1, 0, r);
	if (!(r[2] >> 26 & 1))
		return XCR0_X87;
	cpuid(0xD, 0, r);
	return r[0] | (uint64_t)r[3] << 32;
}

uint64_t xcr0_guest(void)
{
	return xcr0_supported() & (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512 | XCR0_PKRU);
}

int xcr0_valid(uint64_t value, uint64_t supported)
{
	if (value & ~supported || !(value & XCR0_X87))
		return 0;
	if (value & XCR0_AVX && !(value & XCR0_SSE))
		return 0;
	if (value & XCR0_AVX512 &&
	    (value & (XCR0_AVX512 | XCR0_AVX)) != (XCR0_AVX512 | XCR0_AVX))
		return 0;
	return 1;
}
