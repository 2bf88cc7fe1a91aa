/* SPDX-License-Identifier: MIT */
/*
 * A physical CPU while it is in the root VM, and its memory. Only the CPU itself changes
 * its own struct cpu, but for what is said to be shared.
 */
#ifndef MK_CPU_H
#define MK_CPU_H

#include "../../abi/mk_abi.h"
#include "boot.h"
#include "lib.h"
#include "space.h"

#define KSTACK_BYTES 0x4000

/* Descriptor tables, APM vol. 2, 4.7 and 12.2.5. */
struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, iopm;
} __attribute__((packed));

#define GDT_KCODE 0x08
#define GDT_KDATA 0x10
#define GDT_UDATA (0x18 | 3)
#define GDT_UCODE (0x20 | 3)
#define GDT_TSS 0x28
#define GDT_ENTRIES 7

struct vs;

struct cpu {
	struct cpu *self;  /* GS base points here; entry.S uses these three */
	u64 user_rsp;
	u64 kstack_top;

	u32 id;
	u32 online;	   /* shared: read by epoch_passed */
	u64 epoch;	   /* shared: the newest that it has joined */
	u32 in_root;	   /* shared: the root VM runs, and no mapping of guests is used */
	u64 *pml4;
	u64 *user_pt[2];   /* of its stack, of its shared page */
	spa_t pml4_spa, host_save, host_vmcb;
	struct space *window;
	unsigned int window_slots;
	spa_t shared;

	struct vs *root_vs;
	struct vs *fpu;	   /* whose FPU state is in the registers: the one that ran last */
	u64 features;	   /* CPU_* */
	u64 xcr0_all;	   /* every bit that XCR0 may have here; 0: no XSAVE */
	u32 mxcsr_mask;	   /* every bit that MXCSR may have here */
	u64 nmi_tsc, nmi_switches; /* the first NMI since the last world switch, see exception.c */

	u64 asid_generation; /* no other CPU's */
	u32 next_asid, asids;
	bool flush;	   /* the next VM entry must flush all ASIDs: see cpu_flush_vms */

	struct tss tss;
	u64 gdt[GDT_ENTRIES];
	u8 page[PAGE_4K] __attribute__((aligned(64))); /* to check what ring 3 gave */
	u8 ist_stack[3][2048] __attribute__((aligned(16)));
};

#define CPU_NRIPS BIT(0)
#define CPU_DECODE BIT(3)
#define CPU_1G BIT(4)
#define CPU_IBPB BIT(5)
#define CPU_TSC_AUX BIT(6)
#define CPU_TCG BIT(7) /* QEMU's emulation */

/* The CPU that runs this. */
static inline struct cpu *cpu_this(void)
{
	return hw_this_cpu();
}

/* The next VM entry flushes all ASIDs; a new generation, so that no entry is as the last one. */
static inline void cpu_flush_vms(struct cpu *cpu)
{
	cpu->flush = true;
	cpu->asid_generation++;
}

/* What SVM and the rest of this CPU can (CPU_*); asids: how many address space IDs. */
u64 cpu_features(u32 *asids);

/* CPU number n, or NULL if it never was in the root VM. */
struct cpu *cpu_get(u64 n);

/* Sets memory aside for so many CPUs, once; returns where it ends. */
spa_t cpu_reserve(spa_t from, u64 count);

/* Gives CPU n its memory, if it has none yet. 0 or -ENOMEM. */
int cpu_init(u64 n, struct cpu **cpu);

/* On CPU n itself: ring 0's tables, GDT, TSS, IDT, MSRs. From here on the CPU is ours. */
void cpu_take(struct cpu *cpu);

/* Ring 3 begins on this CPU, with an empty stack. Never returns. */
void cpu_enter_user(struct cpu *cpu, enum mk_start why) __attribute__((noreturn));

#endif /* MK_CPU_H */
