// SPDX-License-Identifier: MIT
/* Faults on demand. See crash.h. */
#include "crash.h"

static void null_write(void)
{
	__asm__ volatile("movl $0, 0");
}

static void divide(void)
{
	__asm__ volatile("xor %%ecx, %%ecx; div %%ecx" : : : "eax", "ecx", "edx", "cc");
}

static void jump(void)
{
	__asm__ volatile("xor %%eax, %%eax; jmp *%%rax" : : : "rax");
}

void crash_on(uint64_t value)
{
	switch (value) {
	case CRASH_NULL:
		null_write();
		break;
	case CRASH_DIVIDE:
		divide();
		break;
	case CRASH_JUMP:
		jump();
		break;
	}
}
