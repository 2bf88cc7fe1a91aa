// SPDX-License-Identifier: MIT
/*
 * Not linked: compiled to assembly, from which the build takes the offsets that assembly
 * files use (offsets.h).
 */
#include "cpu.h"

#define DEFINE(name, value) asm volatile("\n@@ " #name " %0" ::"i"(value))

void offsets(void);

void offsets(void)
{
	DEFINE(CPU_USER_RSP, offsetof(struct cpu, user_rsp));
	DEFINE(CPU_KSTACK_TOP, offsetof(struct cpu, kstack_top));
	DEFINE(MK_RBX, MK_RBX);
	DEFINE(MK_RCX, MK_RCX);
	DEFINE(MK_RDX, MK_RDX);
	DEFINE(MK_RBP, MK_RBP);
	DEFINE(MK_RSI, MK_RSI);
	DEFINE(MK_RDI, MK_RDI);
	DEFINE(GDT_UCODE, GDT_UCODE);
	DEFINE(GDT_UDATA, GDT_UDATA);
}
