/* SPDX-License-Identifier: MIT */
/*
 * A machine for host tests of the microkernel: RAM, four CPUs, and what assembly does.
 * machine_boot() starts the real init() on it as the launch module would, machine_launch()
 * the real enter(). The test program itself lies in the chunks of the microkernel's image.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "cpu.h"
#include "vmcb.h"
#include "vs.h"

#define MACHINE_CPUS 4
#define MACHINE_CHUNKS 14
#define MACHINE_RAM_END 0x180000000ULL /* 6 GiB: 3 GiB, a hole up to 4 GiB, 2 GiB */
#define MACHINE_LOW_END 0xC0000000ULL
#define MACHINE_HIGH 0x100000000ULL
#define MACHINE_ENTRY 0x400010ULL /* of the program in ring 3 */
#define MACHINE_MXCSR_MASK 0xFFFFU
#define ROOT_RAM 0x10000000ULL	  /* root's; the hypervisor's chunks are all below */

enum machine_op { OP_XSETBV = 1, OP_SAVE, OP_RESTORE, OP_READ_DR, OP_WRITE_DR, OP_WRMSR,
	OP_FLUSH, OP_ENTER, OP_VMSAVE, OP_VMLOAD };

struct machine_trace {
	enum machine_op op;
	u64 a, b;
};

/* Registers of one CPU; `fpu` stands for all FPU registers. */
struct machine_cpu {
	u64 gs_base, kernel_gs_base, efer, hsave, lstar, star, sfmask;
	u64 dr[4], xcr0, cr2, cr3, cr4, fpu, tsc_aux;
	u64 tlb_flushes, cr8_writes;
};

struct machine {
	struct machine_cpu cpu[MACHINE_CPUS];
	unsigned int now; /* the CPU that executes */
	u32 svm_ebx, svm_edx, ext_edx, ext_ecx, leaf7_ebx, xsave; /* CPUID */
	u64 tsc;
	/* What a VM does until its exit; NULL: no entry is expected. */
	void (*guest)(struct vmcb *v, u64 *gpr);
	struct machine_trace trace[256];
	unsigned int traced;
	u64 user_rip, user_rsp, user_cpu, user_why; /* how ring 3 began last */
	struct mk_boot boot;
};

extern struct machine machine;

/* What syscall.c gives to entry.S. */
struct result {
	s64 value;
	u64 second;
};
struct result syscall_dispatch(u64 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4);
/* As entry.S: also vs_run. */
struct result machine_syscall(u64 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4);

/* RAM and boot structures; the test may change CPUID and machine.boot before machine_init(). */
void machine_reset(void);
s64 machine_init(void);

/* Root's RAM from ROOT_RAM on is zeroes again, and takes no memory here. Nobody else may have it. */
void machine_clear_root_ram(void);

/* On CPU n: enter() until ring 3 begins. What enter() returned, or 0. Switches to CPU n. */
s64 machine_launch(unsigned int n);

/* All of the above, with CPUs 0 to n - 1 in the root VM; CPU 0 is the present one. */
void machine_start(unsigned int cpus);

/* For code that ends in ring 3 (cpu_enter_user): runs fn(arg); true if ring 3 began. */
bool machine_to_user(void (*fn)(void *arg), void *arg);

/* The present CPU; the next code runs on it. */
struct cpu *machine_on(unsigned int n);

/* CPU n leaves its VM: it joins the present epoch. */
void machine_visit(unsigned int n);
void machine_visit_all(void);

/* Root VS's exits at once with a VMMCALL: a guest for tests that only need an exit. */
void machine_guest_vmmcall(struct vmcb *v, u64 *gpr);

/* Ring 3's view on CPU n: where an address is, or NULL if the access would fault. */
void *machine_user(unsigned int n, u64 va, bool write);

/* The leaf that maps a guest address of a space; false: none. */
bool machine_gpa(struct space *s, u64 gpa, struct ptab_leaf *leaf);
/* What root sees at an address: its own page, or the page of ones. */
bool machine_root_sees(u64 spa);

/* How many of the hypervisor's pages root's pool has, when all CPUs are in step. */
u64 machine_pool(void);

/* Takes all pages out of a pool; and puts them back. One pool at a time. */
void machine_drain(struct pool *pool);
void machine_refill(struct pool *pool);

/* VM `id` with a pool of `pages` pages from `spa` on, usable; and its end. */
void machine_vm(u64 id, u64 spa, u64 pages);
void machine_vm_end(u64 id);
void machine_vs_end(u64 id);

/* Pages of root's RAM that hold something else than zeros, in a range. */
u64 machine_dirty_pages(u64 spa, u64 bytes);

u64 machine_random(void);

#endif /* MACHINE_H */
