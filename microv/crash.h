/* SPDX-License-Identifier: MIT */
/*
 * Faults on demand, only in build/microv-crash.elf: the test of what a fault of MicroV may
 * cost. In the real image crash_on() is nothing.
 */
#ifndef MICROV_CRASH_H
#define MICROV_CRASH_H

#include <stdint.h>

#define CRASH_NULL 0xC0DE0001U	 /* writes to address 0 */
#define CRASH_DIVIDE 0xC0DE0002U /* divides by zero */
#define CRASH_JUMP 0xC0DE0003U	 /* jumps to address 0 */

#ifdef MICROV_CRASH
void crash_on(uint64_t value);
#else
static inline void crash_on(uint64_t value)
{
	(void)value;
}
#endif

#endif
