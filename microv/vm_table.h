/* SPDX-License-Identifier: MIT */
/*
 * The table of VMs, and how an ID leads into it; for vm.c, vp.c, vs.c and
 * what is kept with a VM about time (clock.c, tsc.c, kvmclock.c) only.
 */
#ifndef MICROV_VM_TABLE_H
#define MICROV_VM_TABLE_H

#include "vm.h"

extern struct vm vms[MV_MAX_VMS];

#define ID_GUEST_FIRST (MV_MAX_PPS + MV_MAX_VPS_PER_VM) /* VM 0 is root's: it has none */

static inline int id_is_guest(unsigned int id)
{
	return id >= ID_GUEST_FIRST && id < MK_VS_MAX;
}

static inline unsigned int id_vmid(unsigned int id)
{
	return (id - MV_MAX_PPS) / MV_MAX_VPS_PER_VM;
}

static inline unsigned int id_index(unsigned int id)
{
	return (id - MV_MAX_PPS) % MV_MAX_VPS_PER_VM;
}

static inline unsigned int id_make(unsigned int vmid, unsigned int index)
{
	return MV_MAX_PPS + vmid * MV_MAX_VPS_PER_VM + index;
}

/* Who has a VS (VS_*), by its ID. (vs.c) */
extern uint16_t vs_owner[MK_VS_MAX];

/* Is there this guest VP? */
int vp_exists(unsigned int id);

/*
 * The VMID of the VP or VS that REG1 names: root's (MV_SELF_ID, or of an online PP) or one
 * of a guest that exists; else -1. *id gets the ID itself.
 */
int id_lookup_vp(const struct call *c, unsigned int *id);
int id_lookup_vs(const struct call *c, unsigned int *id);

/* Has this guest VS a state page? With its VM's lock held it stays so. (vs.c) */
int vs_has_state(unsigned int id);

#endif
