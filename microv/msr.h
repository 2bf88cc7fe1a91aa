/* SPDX-License-Identifier: MIT */
/* Model-specific registers of guests: see also msr_ops in regs.h. */
#ifndef MICROV_MSR_H
#define MICROV_MSR_H

#include "vm.h"

#define MSR_TSC 0x10U
#define MSR_APIC_BASE 0x1BU
#define MSR_TSC_ADJUST 0x3BU
#define MSR_UCODE_REV 0x8BU
#define MSR_PLATFORM_INFO 0xCEU
#define MSR_MTRR_CAP 0xFEU
#define MSR_MISC_FEATURES 0x140U
#define MSR_SYSENTER_CS 0x174U
#define MSR_SYSENTER_ESP 0x175U
#define MSR_SYSENTER_EIP 0x176U
#define MSR_MCG_CAP 0x179U
#define MCG_CAP_BANKS 0xFFULL
#define MCG_CTL_P (1ULL << 8)
#define MSR_MCG_STATUS 0x17AU
#define MSR_MCG_CTL 0x17BU
#define MSR_MISC_ENABLE 0x1A0U
#define MSR_POWER_CTL 0x1FCU
#define MSR_MTRR_VARIABLE 0x200U
#define MSR_MTRR_FIX64K 0x250U
#define MSR_MTRR_FIX16K 0x258U
#define MSR_MTRR_FIX4K 0x268U
#define MSR_PAT 0x277U
#define MSR_MTRR_DEF 0x2FFU
#define MSR_MCE 0x400U
#define MSR_EFER 0xC0000080U
#define MSR_STAR 0xC0000081U
#define MSR_LSTAR 0xC0000082U
#define MSR_CSTAR 0xC0000083U
#define MSR_SFMASK 0xC0000084U
#define MSR_FS_BASE 0xC0000100U
#define MSR_GS_BASE 0xC0000101U
#define MSR_KERNEL_GS_BASE 0xC0000102U
#define MSR_TSC_AUX 0xC0000103U
#define MSR_SYSCFG 0xC0010010U
#define MSR_HWCR 0xC0010015U
#define MSR_NB_CFG 0xC001001FU
#define MSR_VM_CR 0xC0010114U
#define MSR_VM_HSAVE_PA 0xC0010117U

#define APIC_BASE_RESET 0xFEE00800ULL /* the APIC's address, enabled */
#define APIC_BASE_BSP 0x100ULL
#define MISC_ENABLE_MWAIT (1ULL << 18)
#define MISC_ENABLE_RESET 0x1800ULL /* neither branch trace nor event sampling */
#define CPUID_FAULT (1ULL << 31) /* in PLATFORM_INFO: can be had */
#define CPUID_FAULT_ON (1ULL << 0) /* in MISC_FEATURES */
#define UCODE_REV_RESET 0x01000065ULL /* as KVM gives it */

/* The bits of EFER that this CPU has, but SVME. */
uint64_t msr_efer_supported(void);

/* Every MSR that a guest has, up to `max`; returns how many there are. */
unsigned int msr_all(uint32_t *list, unsigned int max);

/* Does a guest have this MSR? */
int msr_exists(uint64_t index);

/* Does CPUID give #GP above CPL 0? */
int msr_cpuid_faults(const struct vs *vs);

/* Where the value of an MSR is that every guest has; NULL: not that easy, ask msr_guest_read(). */
const uint64_t *msr_at_hand(const struct vs *vs, uint32_t index);

/* RDMSR and WRMSR of the guest: 0, or -1 for #GP. */
int msr_guest_read(struct vs *vs, uint32_t index, uint64_t *value);
int msr_guest_write(struct vs *vs, uint32_t index, uint64_t value);

#endif
