/* SPDX-License-Identifier: MIT */
/*
 * The machine as the host tests see it, in place of microkernel/include/hw.h: physical
 * memory is an array, registers are variables (machine.h). This directory comes first in the
 * include path.
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

/* Fail the test outside of RAM, or of the program that stands for the microkernel's image. */
void *hw_virt(spa_t spa);
spa_t hw_spa(const void *virt);
u64 hw_image_spa(const void *p);

u64 hw_rdmsr(u32 msr);
void hw_wrmsr(u32 msr, u64 val);
u64 hw_rdtsc(void);
void hw_cpuid(u32 leaf, u32 sub, u32 r[4]);
void hw_outb(u16 port, u8 val);
void hw_flush_tlb(void);
void hw_pause(void);
u64 hw_xgetbv(void);
void hw_xsetbv(u64 val);
void hw_xsave(void *area, u64 mask);
void hw_xrstor(void *area, u64 mask);
void hw_fxsave(void *area);
void hw_fxrstor(void *area);
void hw_read_dr(u64 dr[4]);
void hw_write_dr(const u64 dr[4]);
u64 hw_read_cr2(void);
void hw_rewrite_cr8(void);
void hw_write_cr4(u64 v);
void hw_write_cr3(u64 v);
void hw_load_idt(const void *idt, u16 limit);
void hw_load_gdt(const void *gdt, u16 limit, u16 code, u16 data, u16 tss);
void *hw_this_cpu(void);

extern spa_t hw_kernel_tables;
extern u64 hw_image, hw_stop_tramp;

#endif /* MK_HW_H */
