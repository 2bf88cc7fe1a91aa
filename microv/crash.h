/* SPDX-License-Identifier: MIT */
/*
 * Faults on demand, only in build/microv-crash.elf: the test of what a fault of MicroV may
 * cost. In the real image crash_on() is nothing.
 */
#ifndef MICROV_CRASH_H
#define MICROV_CRASH_H

#include <stdint.h>

struct vs;

#define CRASH_NULL 0xC0DE0001U	 /* writes to address 0 */
#define CRASH_DIVIDE 0xC0DE0002U /* divides by zero */
#define CRASH_JUMP 0xC0DE0003U	 /* jumps to address 0 */
#define CRASH_LOOP 0xC0DE0004U	 /* loops for ever */
#define CRASH_PAGES 0xC0DE0005U	 /* overwrites all that it keeps of the VS, and goes on */
#define CRASH_STACK 0xC0DE0006U	 /* calls itself without end */

#ifdef MICROV_CRASH
void crash_on(struct vs *vs, uint64_t value);
#else
static inline void crash_on(struct vs *vs, uint64_t value)
{
	(void)vs;
	(void)value;
}
#endif

#endif
