/* SPDX-License-Identifier: MIT */
/*
 * Exceptions in the hypervisor: ring 3's restart it on this CPU, ring 0's stop the CPU.
 * NMIs and machine checks are root's; so many NMIs that ring 3 must be stuck restart it, too.
 */
#ifndef MK_EXCEPTION_H
#define MK_EXCEPTION_H

#include "types.h"

/* What entry.S pushes, then what the CPU does (APM vol. 2, 8.9.3). */
struct frame {
	u64 rax, rbx, rcx, rdx, rsi, rdi, rbp;
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

/* Fills the IDT, once. */
void exception_init(void);

/* Loads it on this CPU. */
void exception_load_idt(void);

/* From entry.S: returns to go on behind the fault. */
void exception(struct frame *f);

#endif /* MK_EXCEPTION_H */
