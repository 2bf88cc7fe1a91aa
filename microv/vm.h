/* SPDX-License-Identifier: MIT */
/*
 * VMs with their VPs and VSs. All IDs come from fixed pools: a guest's VPID and the VSID of
 * its VS are the same number, MV_MAX_PPS + VMID * MV_MAX_VPS_PER_VM + index, so that an ID
 * tells its VM. The IDs of root's are the PPIDs.
 *
 * Locking: vm->lock guards the VPs, which VSs there are and the memory map of one VM. A VS
 * is used by whoever takes it (vs_take), without any lock.
 */
#ifndef MICROV_VM_H
#define MICROV_VM_H

#include "hypercall.h"
#include "lock.h"
#include "state.h"

enum vm_state { VM_FREE = 0, VM_CREATING, VM_LIVE, VM_DYING };

/*
 * Who has a VS: nobody (there is none), nobody (it's idle), the one that destroys it, a CPU
 * (added to VS_CPU) that runs it, or one that only reads or writes its state (VS_BRIEF).
 */
enum { VS_NONE = 0, VS_IDLE, VS_DYING, VS_CPU, VS_BRIEF = 0x8000 };

/* What an operation on memory still owes, so that the same hypercall can go on. */
struct vm_pending {
	uint64_t list;	    /* hash of its operation and list; 0: nothing is pending */
	mv_status_t status; /* the answer when it's through */
	uint64_t reg0;
	uint32_t space;	    /* whose CPUs to wait for */
};

/* The clock that guests see as kvmclock. */
struct vm_clock {
	uint64_t tsc, ns; /* with a stable TSC: it showed ns at this one */
	uint64_t ahead;	  /* without: of root's clock */
	uint64_t wall;	  /* where the guest wants the wall clock: its MSR */
	uint32_t sets;	  /* how often it was set */
	uint32_t changes; /* of whatever its guests must be told */
};

/* The last write of a VS's TSC by user space, and which VSs are in step since. */
struct vm_tsc {
	uint64_t offset; /* of those */
	uint64_t last_offset, last_value, last_at;
	uint32_t last_khz;
	uint64_t in_step[MV_MAX_VPS_PER_VM / 64];
};

struct vm {
	struct lock lock;
	uint8_t state; /* enum vm_state */
	uint64_t vps[MV_MAX_VPS_PER_VM / 64];
	uint32_t maps; /* how often something was mapped */
	struct vm_pending pending;
	struct vm_clock clock;
	struct vm_tsc tsc;
};

/* A VS that this CPU has taken. */
struct vs {
	unsigned int id;
	unsigned int vmid;
	unsigned int cpu;
	struct mk_state *st;
};

/* Is there any guest VM? */
int vm_any(void);

/*
 * Locks the VM that REG1 names. INVALID_INPUT_REG1 when there is no such guest VM,
 * FAILURE_BUSY when it is being destroyed (unless `dying`); with SUCCESS, drop vm->lock.
 */
mv_status_t vm_take(struct call *c, struct vm **vm, int dying);

/* How often something was mapped into a VM: a window that is older may lack it. */
uint32_t vm_maps(unsigned int vmid);

/* Breaks the locks that a CPU holds whose MicroV faulted. */
void vm_break_locks(unsigned int cpu);

/*
 * Takes the guest VS that REG1 names for this CPU. INVALID_INPUT_REG1: no such guest VS;
 * FAILURE_BUSY: another CPU runs or destroys it. With SUCCESS, vs_drop() it.
 */
mv_status_t vs_take(struct call *c, struct vs *vs);

/* The same to run it, which can last: others get FAILURE_BUSY instead of waiting. */
mv_status_t vs_take_to_run(struct call *c, struct vs *vs);
void vs_drop(struct call *c, struct vs *vs);

/* Marks the VS that this CPU has dead, if it has one, and lets go of all its VSs. */
void vs_abandon(unsigned int cpu);

#endif
