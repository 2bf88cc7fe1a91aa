/* SPDX-License-Identifier: MIT */
/* XCR0: which of its values are valid. */
#ifndef MICROV_XCR_H
#define MICROV_XCR_H

#include "lib.h"

/* The bits that the CPU has; 1 (x87) when it has no XSAVE. */
uint64_t xcr0_supported(void);

/* May XCR0 be this, with these bits supported? (APM vol. 2, 11.5.2) */
int xcr0_valid(uint64_t value, uint64_t supported);

#endif
