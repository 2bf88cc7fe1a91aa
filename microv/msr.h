/* SPDX-License-Identifier: MIT */
/* Model-specific registers of guests. */
#ifndef MICROV_MSR_H
#define MICROV_MSR_H

#include "state.h"

#define MSR_TSC 0x10U
#define MSR_APIC_BASE 0x1BU
#define MSR_EFER 0xC0000080U
#define MSR_VM_CR 0xC0010114U

#define APIC_BASE_RESET 0xFEE00800ULL /* the APIC's address, enabled */
#define APIC_BASE_BSP 0x100ULL

/* The bits of EFER that this CPU has, but SVME. */
uint64_t msr_efer_supported(void);

#endif
