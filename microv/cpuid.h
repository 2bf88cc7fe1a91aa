/* SPDX-License-Identifier: MIT */
/* CPUID of guests: what MicroV supports, and the list that each VS was given. */
#ifndef MICROV_CPUID_H
#define MICROV_CPUID_H

#include "vm.h"

/* EAX, EBX, ECX, EDX of a leaf. */
enum { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };

/* Most leaves of a VS, and more than any CPU has: they are all of what mk_own() gives. */
#define CPUID_MAX MV_CDL_VS_MAX
MV_ABI_ASSERT(CPUID_MAX * sizeof(struct mv_cdl_entry_t) == MK_OWN_BYTES);

/* Fills in e->eax to edx for e->fun, e->idx: what a guest on this CPU can have. */
void cpuid_supported(struct mv_cdl_entry_t *e);

/* All leaves that a guest can have, in the order of KVM; returns how many. */
unsigned int cpuid_supported_all(struct mv_cdl_entry_t list[CPUID_MAX]);

/* What the VS reads for e->fun, e->idx. */
void cpuid_read(struct vs *vs, struct mv_cdl_entry_t *e);

/* The same for the leaf in the VS's registers, and into them; 0: not an easy one, nothing done. */
int cpuid_show(struct vs *vs);

/* The list of the VS, as it reads it now; returns how many. */
unsigned int cpuid_list(struct vs *vs, struct mv_cdl_entry_t list[CPUID_MAX]);

/*
 * Gives the VS another list, of which the first `keep` entries are those that it has; or one
 * entry more (or another one). -1: it has no such entries, or no room.
 */
int cpuid_set_list(struct vs *vs, uint64_t keep, const struct mv_cdl_entry_t *list,
		   unsigned int count);
int cpuid_set(struct vs *vs, const struct mv_cdl_entry_t *e);

/* The bits of CR4 that the VS may set; without a CPUID, those that any guest may. */
uint64_t cpuid_cr4(const struct vs *vs);

/* Does the VS have MONITOR and MWAIT? */
int cpuid_mwait(struct vs *vs);

/* Physical address bits of the VS. */
unsigned int cpuid_phys_bits(const struct vs *vs);

/* Has the VS RDTSCP or RDPID? Is its CPU one of Intel's? */
int cpuid_has_tsc_aux(const struct vs *vs);
int cpuid_is_intel(const struct vs *vs);

/* The bits of XCR0 that the VS may set. */
uint64_t cpuid_xcr0(const struct vs *vs);

#endif
