// SPDX-License-Identifier: MIT
/* Faults on demand. See crash.h. */
#include "crash.h"
#include "vm.h"

static void null_write(struct vs *vs)
{
	(void)vs;
	__asm__ volatile("movl $0, 0");
}

static void divide(struct vs *vs)
{
	(void)vs;
	__asm__ volatile("xor %%ecx, %%ecx; div %%ecx" : : : "eax", "ecx", "edx", "cc");
}

static void jump(struct vs *vs)
{
	(void)vs;
	__asm__ volatile("xor %%eax, %%eax; jmp *%%rax" : : : "rax");
}

static void loop(struct vs *vs)
{
	(void)vs;
	for (;;)
		__asm__ volatile("pause");
}

static void overwrite(struct vs *vs)
{
	if (!vs)
		return;
	memset(vs->st->microv, 0xA5, sizeof(vs->st->microv));
	memset(mk_own(vs->id), 0xA5, MK_OWN_BYTES);
}

static void recurse(struct vs *vs)
{
	volatile char deep[256];

	deep[0] = 1;
	if (deep[0])
		recurse(vs);
	deep[255] = 2; /* so that the call isn't the last thing, and made a jump */
}

void crash_on(struct vs *vs, uint64_t value)
{
	static void (*const crashes[])(struct vs * vs) = {
		[CRASH_NULL & 15] = null_write, [CRASH_DIVIDE & 15] = divide,
		[CRASH_JUMP & 15] = jump,	[CRASH_LOOP & 15] = loop,
		[CRASH_PAGES & 15] = overwrite, [CRASH_STACK & 15] = recurse,
	};

	if ((value & ~15ULL) == (CRASH_NULL & ~15ULL) && (value & 15) < ARRAY_SIZE(crashes) &&
	    crashes[value & 15])
		crashes[value & 15](vs);
}
