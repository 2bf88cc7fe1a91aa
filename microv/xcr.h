/* SPDX-License-Identifier: MIT */
/* XCR0: which of its values are valid. */
#ifndef MICROV_XCR_H
#define MICROV_XCR_H

#include "lib.h"

#define XCR0_X87 1ULL
#define XCR0_SSE 2ULL
#define XCR0_AVX 4ULL
#define XCR0_AVX512 0xE0ULL
#define XCR0_PKRU 0x200ULL

/* The bits that the CPU has; 1 (x87) when it has no XSAVE. */
uint64_t xcr0_supported(void);

/* Those whose states a guest can use. */
uint64_t xcr0_guest(void);

/* May XCR0 be this, with these bits supported? (APM vol. 2, 11.5.2) */
int xcr0_valid(uint64_t value, uint64_t supported);

#endif
