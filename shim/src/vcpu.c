// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KVM_GET_REGS, KVM_SET_REGS and KVM_TRANSLATE.
 */
#include "hypercall.h"
#include "memory.h"
#include <shim.h>

/* In the same order. */
MV_ABI_ASSERT(sizeof(struct kvm_regs) == sizeof(struct mv_gprs_t));
MV_ABI_ASSERT(offsetof(struct kvm_regs, rsi) == offsetof(struct mv_gprs_t, rsi));
MV_ABI_ASSERT(offsetof(struct kvm_regs, rsp) == offsetof(struct mv_gprs_t, rsp));
MV_ABI_ASSERT(offsetof(struct kvm_regs, r8) == offsetof(struct mv_gprs_t, r8));
MV_ABI_ASSERT(offsetof(struct kvm_regs, rip) == offsetof(struct mv_gprs_t, rip));

int shim_vcpu_get_regs(struct shim_vcpu *vcpu, struct kvm_regs *regs)
{
	return hypercall_errno(hypercall_gprs_get(vcpu->vsid, (struct mv_gprs_t *)regs));
}

int shim_vcpu_set_regs(struct shim_vcpu *vcpu, const struct kvm_regs *regs)
{
	return hypercall_errno(hypercall_gprs_set(vcpu->vsid, (const struct mv_gprs_t *)regs));
}

/* Page tables are faulted in as for the guest. */
static mv_status_t translate(struct shim_vcpu *vcpu, uint64_t gla, uint64_t *gpa)
{
	mv_status_t status;

	do {
		status = hypercall_gla_to_gpa(vcpu->vsid, gla, gpa);
	} while (status == MV_STATUS_FAILURE_NO_MEMORY &&
		 memory_fault(vcpu->vm, *gpa, false) == MEMORY_THERE);
	return status == MV_STATUS_FAILURE_NO_MEMORY ? MV_STATUS_FAILURE_UNKNOWN : status;
}

/* A supervisor's view; what rights the page gives KVM doesn't tell. */
int shim_vcpu_translate(struct shim_vcpu *vcpu, struct kvm_translation *tr)
{
	const uint64_t offset = tr->linear_address & (MV_PAGE_SIZE - 1);
	mv_status_t status;
	uint64_t gpa;
	int ret = memory_repair(vcpu->vm);

	if (ret)
		return ret;
	status = translate(vcpu, tr->linear_address - offset, &gpa);
	if (status != MV_STATUS_SUCCESS && status != MV_STATUS_FAILURE_UNKNOWN)
		return hypercall_errno(status);
	tr->valid = status == MV_STATUS_SUCCESS;
	tr->physical_address = tr->valid ? gpa - gpa % MV_PAGE_SIZE + offset : ~0ULL;
	tr->writeable = 1;
	tr->usermode = 0;
	return 0;
}
