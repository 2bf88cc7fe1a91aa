/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Registers in kvm_run, see sync.c. */
#ifndef SYNC_H
#define SYNC_H

#include <shim.h>

/* Sets the vCPU's registers KVM_SYNC_X86_* of `dirty` from kvm_run. 0 or -EINVAL. */
int sync_from_run(struct shim_vcpu *vcpu, uint64_t dirty);
/* Puts those of `valid` into kvm_run. */
void sync_to_run(struct shim_vcpu *vcpu, uint64_t valid);

#endif /* SYNC_H */
