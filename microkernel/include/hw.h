/* SPDX-License-Identifier: MIT */
/*
 * The machine as the core sees it: privileged instructions and physical memory.  Host
 * tests put their own hw.h before this one.
 */
#ifndef MK_HW_H
#define MK_HW_H

#include "layout.h"
#include "types.h"

#define MSR_EFER 0xC0000080U
#define MSR_STAR 0xC0000081U
#define MSR_LSTAR 0xC0000082U
#define MSR_SFMASK 0xC0000084U
#define MSR_GS_BASE 0xC0000101U
#define MSR_KERNEL_GS_BASE 0xC0000102U
#define MSR_TSC_AUX 0xC0000103U
#define MSR_PRED_CMD 0x49U
#define MSR_VM_HSAVE_PA 0xC0010117U

/* Physical RAM in ring 0's address space; MMIO is not there. */
static inline void *hw_virt(spa_t spa)
{
	return (void *)(MK_DIRECT + spa.v);
}

static inline u64 hw_rdmsr(u32 msr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return lo | (u64)hi << 32;
}

static inline void hw_wrmsr(u32 msr, u64 val)
{
	asm volatile("wrmsr" ::"c"(msr), "a"((u32)val), "d"((u32)(val >> 32)) : "memory");
}

static inline u64 hw_rdtsc(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return lo | (u64)hi << 32;
}

static inline void hw_cpuid(u32 leaf, u32 sub, u32 r[4])
{
	asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "0"(leaf), "2"(sub));
}

static inline void hw_outb(u16 port, u8 val)
{
	asm volatile("outb %0, %1" ::"a"(val), "Nd"(port));
}

/* Forgets every translation of this CPU's host address space. */
static inline void hw_flush_tlb(void)
{
	u64 cr3;

	asm volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(cr3)::"memory");
}

static inline void hw_pause(void)
{
	asm volatile("pause");
}

static inline u64 hw_xgetbv(void)
{
	u32 lo, hi;

	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return lo | (u64)hi << 32;
}

static inline void hw_xsetbv(u64 val)
{
	asm volatile("xsetbv" ::"c"(0), "a"((u32)val), "d"((u32)(val >> 32)));
}

static inline void hw_xsave(void *area, u64 mask)
{
	asm volatile("xsave64 (%0)" ::"r"(area), "a"((u32)mask), "d"((u32)(mask >> 32)) : "memory");
}

static inline void hw_xrstor(void *area, u64 mask)
{
	asm volatile("xrstor64 (%0)" ::"r"(area), "a"((u32)mask), "d"((u32)(mask >> 32)) : "memory");
}

static inline void hw_fxsave(void *area)
{
	asm volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}

static inline void hw_fxrstor(void *area)
{
	asm volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

static inline void hw_read_dr(u64 dr[4])
{
	asm volatile("mov %%db0, %0; mov %%db1, %1; mov %%db2, %2; mov %%db3, %3"
		     : "=r"(dr[0]), "=r"(dr[1]), "=r"(dr[2]), "=r"(dr[3]));
}

static inline void hw_write_dr(const u64 dr[4])
{
	asm volatile("mov %0, %%db0; mov %1, %%db1; mov %2, %%db2; mov %3, %%db3" ::"r"(dr[0]),
		     "r"(dr[1]), "r"(dr[2]), "r"(dr[3]));
}

static inline u64 hw_read_cr2(void)
{
	u64 v;

	asm volatile("mov %%cr2, %0" : "=r"(v));
	return v;
}

static inline void hw_rewrite_cr8(void)
{
	u64 v;

	asm volatile("mov %%cr8, %0; mov %0, %%cr8" : "=r"(v)::"memory");
}

static inline void hw_write_cr4(u64 v)
{
	asm volatile("mov %0, %%cr4" ::"r"(v) : "memory");
}

static inline void hw_write_cr3(u64 v)
{
	asm volatile("mov %0, %%cr3" ::"r"(v) : "memory");
}

struct hw_table {
	u8 unused[6]; /* so that limit and base are aligned */
	u16 limit;
	u64 base;
};

static inline void hw_load_idt(const void *idt, u16 limit)
{
	struct hw_table t = { .limit = limit, .base = (u64)idt };

	asm volatile("lidt %0" ::"m"(t.limit), "m"(t));
}

/* Also loads CS, SS, DS, ES and TR. GS and FS: the selectors of an earlier owner do no harm. */
static inline void hw_load_gdt(const void *gdt, u16 limit, u16 code, u16 data, u16 tss)
{
	struct hw_table t = { .limit = limit, .base = (u64)gdt };

	asm volatile("lgdt %0\n\t"
		     "pushq %q2\n\t"
		     "lea 1f(%%rip), %%rax\n\t"
		     "push %%rax\n\t"
		     "lretq\n"
		     "1:\n\t"
		     "mov %w3, %%ss\n\t"
		     "mov %w3, %%ds\n\t"
		     "mov %w3, %%es\n\t"
		     "ltr %w4"
		     ::"m"(t.limit), "m"(t), "r"((u64)code), "r"((u32)data), "r"((u32)tss)
		     : "rax", "memory");
}

/* What the launch module told, set by init: the tables of ring 0 without any ring 3, where
 * the image lies, where backend_stop jumps to. */
extern spa_t hw_kernel_tables;
extern u64 hw_image, hw_stop_tramp;

/* The physical address of something in the microkernel's image. */
static inline u64 hw_image_spa(const void *p)
{
	return hw_image + ((u64)p - MK_IMAGE);
}

/* This CPU's struct cpu: its first field, which GS points to. */
static inline void *hw_this_cpu(void)
{
	void *cpu;

	asm("mov %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

#endif /* MK_HW_H */
