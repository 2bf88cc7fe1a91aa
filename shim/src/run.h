/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What belongs to KVM_RUN (run.c) and its exits (exit.c). Under the vCPU lock. */
#ifndef SHIM_RUN_H
#define SHIM_RUN_H

#include <shim.h>

/* Others read them at any time. */
static inline void count(struct shim_vcpu *vcpu, unsigned int stat)
{
	__atomic_store_n(&vcpu->stats[stat], vcpu->stats[stat] + 1, __ATOMIC_RELAXED);
}

static inline void *pio_page(const struct shim_vcpu *vcpu)
{
	return (char *)vcpu->run + SHIM_PIO_OFFSET;
}

/* What is asked of the hypervisor with every run, of any vCPU. Under the VM lock. */
static inline void run_flag_set(struct shim_vm *vm, uint64_t flag, bool on)
{
	__atomic_store_n(&vm->run_flags, on ? vm->run_flags | flag : vm->run_flags & ~flag,
			 __ATOMIC_RELAXED);
}

/*
 * Takes what is needed of an exit with vcpu->exit.status and .reason from the shared page, which
 * is held; guest: the guest may have run. What was pending is complete, or stays pending.
 */
void exit_take(struct shim_vcpu *vcpu, const void *page, bool guest);

/* 0: back to user space; 1: enter the guest again; or -errno. May sleep. */
int exit_translate(struct shim_vcpu *vcpu);

#endif /* SHIM_RUN_H */
