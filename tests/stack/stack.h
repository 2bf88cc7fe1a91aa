/* SPDX-License-Identifier: MIT */
/*
 * What lies between the three layers in the stack test: root's VMMCALL, ring 3's system
 * calls and memory, a guest CPU that does what the test says. Included by code of each
 * layer, so it needs none of their headers.
 */
#ifndef STACK_H
#define STACK_H

#include <stdbool.h>
#include <stdint.h>

#define STACK_CPUS 2
/* Root's memory: pages for its kernel (and the shared pages), and for a process. */
#define STACK_KERNEL 0x10000000ULL
#define STACK_KERNEL_PAGES 0x4000ULL
#define STACK_USER 0x40000000ULL
#define STACK_USER_BYTES 0x60000000ULL

struct vmcb;

/* One stay in the guest; it ends with an exit in the VMCB. gpr[]: enum mk_gpr. */
typedef void stack_step(struct vmcb *v, uint64_t *gpr);

/* --- cpu.c: the machine --- */

/* Microkernel and MicroV on all CPUs. */
void stack_boot(void);

/* os.c: the same, and the shim is loaded, with all CPUs; CPU 0 begins. And out again. */
void stack_os_begin(void);
void stack_os_end(void);

/* The CPU on which what follows happens; which one that is. */
void stack_on(unsigned int cpu);
unsigned int stack_cpu(void);
/* The CPUs tell instruction lengths (NRIP save), or they don't. */
void stack_nrips(bool have);

/* VMMCALL of root: RAX, R10 to R13 in and out. */
void stack_vmmcall(uint64_t regs[5]);

/* What the guest does at its next entries. */
void stack_guest(stack_step *const *steps, unsigned int count);
/* All of it done? */
bool stack_guest_done(void);

/* What stands for this CPU's FPU registers: the lower half of ST(0). */
uint64_t *stack_fpu(void);

/* Physical memory. */
void *stack_ram(uint64_t spa);
/* All of [spa, spa + bytes) is root's, seen by root in its place, and lent to nobody. */
bool stack_is_roots(uint64_t spa, uint64_t bytes);
/* Pages of the hypervisor that are free. */
uint64_t stack_pool(void);
/* What the guest VM sees at gpa: where it is, or 0; the size of its leaf. */
uint64_t stack_gpa(unsigned int vm, uint64_t gpa, uint64_t *leaf);

/* --- for ring3.c --- */

/* MicroV's memory at va on this CPU; NULL: the access faults. */
void *stack_ring3(uint64_t va, bool write);
int64_t stack_syscall(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
		      uint64_t *rdx);
/* A fault of MicroV in the window: where the microkernel lets it go on. */
uint64_t stack_fault(uint64_t rip, uint64_t addr);
/* Code of MicroV's image, for window_fixup. */
extern const uint64_t stack_window_start, stack_window_fault;

/* --- ring3.c: MicroV --- */
void stack_microv_start(unsigned int cpu);
void stack_microv_root_exit(unsigned int cpu);
/* Which list of a VM's has been applied and waits for CPUs; 0: none. */
uint64_t stack_microv_waits(unsigned int vm);

/* --- os.c: root's operating system --- */
struct stack_os {
	bool signal;	   /* one is pending */
	bool scattered;	   /* a process's pages lie in no order */
	unsigned int pings;
	long allocs, pages, pinned; /* outstanding */
	bool shared_held, irqs_off, vm_locked;
	bool spread;	   /* pages for the kernel lie in one 2 MiB after the other */
	bool absent;	   /* a process's pages come only when they are touched */
	unsigned int fail_in; /* the n-th allocation of fail_kinds from now fails; 0: none */
	bool fail_on;	   /* and all that follow it */
	unsigned int fail_kinds;
	bool failed;	   /* one did */
};
extern struct stack_os stack_os;

/* Allocations, of the operating system, from a VM's pool, from the hypervisor's own. */
#define STACK_FAIL_OS 1U
#define STACK_FAIL_VM 2U
#define STACK_FAIL_HV 4U
#define STACK_FAIL_ALL 7U

/* Does this one fail? */
bool stack_fails(unsigned int kind);

#endif /* STACK_H */
