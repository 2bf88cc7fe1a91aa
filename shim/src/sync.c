// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KVM_CAP_SYNC_REGS: registers that user space has set in kvm_run (kvm_dirty_regs) before
 * KVM_RUN, and those that it wants to find there afterwards (kvm_valid_regs).
 *
 * The user can write kvm_run at any time: what is taken from it is copied before it is looked at.
 */
#include "sync.h"

/* 0 or -EINVAL; what was taken is no longer dirty, also when something else was refused. */
int sync_from_run(struct shim_vcpu *vcpu, uint64_t dirty)
{
	struct kvm_run *run = vcpu->run;
	union {
		struct kvm_regs regs;
		struct kvm_sregs sregs;
		struct kvm_vcpu_events events;
	} copy;

	if (dirty & KVM_SYNC_X86_REGS) {
		memcpy(&copy.regs, &run->s.regs.regs, sizeof(copy.regs));
		if (shim_vcpu_set_regs(vcpu, &copy.regs))
			return -EINVAL;
		run->kvm_dirty_regs = dirty &= ~(uint64_t)KVM_SYNC_X86_REGS;
	}
	if (dirty & KVM_SYNC_X86_SREGS) {
		memcpy(&copy.sregs, &run->s.regs.sregs, sizeof(copy.sregs));
		if (shim_vcpu_set_sregs(vcpu, &copy.sregs))
			return -EINVAL;
		run->kvm_dirty_regs = dirty &= ~(uint64_t)KVM_SYNC_X86_SREGS;
	}
	if (dirty & KVM_SYNC_X86_EVENTS) {
		memcpy(&copy.events, &run->s.regs.events, sizeof(copy.events));
		if (shim_vcpu_set_events(vcpu, &copy.events))
			return -EINVAL;
		run->kvm_dirty_regs = dirty & ~(uint64_t)KVM_SYNC_X86_EVENTS;
	}
	return 0;
}

/* What the hypervisor doesn't tell any more stays as it was. */
void sync_to_run(struct shim_vcpu *vcpu, uint64_t valid)
{
	struct kvm_run *run = vcpu->run;
	union {
		struct kvm_regs regs;
		struct kvm_sregs sregs;
		struct kvm_vcpu_events events;
	} copy;

	if (valid & KVM_SYNC_X86_REGS && !shim_vcpu_get_regs(vcpu, &copy.regs))
		memcpy(&run->s.regs.regs, &copy.regs, sizeof(copy.regs));
	if (valid & KVM_SYNC_X86_SREGS && !shim_vcpu_get_sregs(vcpu, &copy.sregs))
		memcpy(&run->s.regs.sregs, &copy.sregs, sizeof(copy.sregs));
	if (valid & KVM_SYNC_X86_EVENTS && !shim_vcpu_get_events(vcpu, &copy.events))
		memcpy(&run->s.regs.events, &copy.events, sizeof(copy.events));
}
