// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KVM_GET_REGS, KVM_SET_REGS and KVM_TRANSLATE.
 */
#include "hypercall.h"
#include <shim.h>

#define RFLAGS_FIXED 0x2ULL

static const struct {
	uint32_t reg;
	uint32_t offset;
} gprs[] = {
#define GPR(name)                                                                                  \
	{                                                                                          \
		mv_reg_t_##name, offsetof(struct kvm_regs, name)                                   \
	}
	GPR(rax), GPR(rbx), GPR(rcx), GPR(rdx), GPR(rsi), GPR(rdi), GPR(rsp), GPR(rbp), GPR(r8),
	GPR(r9),  GPR(r10), GPR(r11), GPR(r12), GPR(r13), GPR(r14), GPR(r15), GPR(rip), GPR(rflags),
#undef GPR
};

#define NUM_GPRS (sizeof(gprs) / sizeof(gprs[0]))

int shim_vcpu_get_regs(struct shim_vcpu *vcpu, struct kvm_regs *regs)
{
	struct mv_rdl_entry_t entries[NUM_GPRS];
	mv_status_t status;
	size_t i;

	for (i = 0; i < NUM_GPRS; i++)
		entries[i] = (struct mv_rdl_entry_t){ .reg = gprs[i].reg };
	status = hypercall_rdl(MV_VS_OP_REG_GET_LIST_IDX_VAL, vcpu->vsid, entries, NUM_GPRS);
	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);
	for (i = 0; i < NUM_GPRS; i++)
		memcpy((char *)regs + gprs[i].offset, &entries[i].val, sizeof(entries[i].val));
	return 0;
}

int shim_vcpu_set_regs(struct shim_vcpu *vcpu, const struct kvm_regs *regs)
{
	struct mv_rdl_entry_t entries[NUM_GPRS];
	size_t i;

	for (i = 0; i < NUM_GPRS; i++) {
		entries[i].reg = gprs[i].reg;
		memcpy(&entries[i].val, (const char *)regs + gprs[i].offset,
		       sizeof(entries[i].val));
		if (gprs[i].reg == mv_reg_t_rflags)
			entries[i].val |= RFLAGS_FIXED;
	}
	return hypercall_errno(
		hypercall_rdl(MV_VS_OP_REG_SET_LIST_IDX_VAL, vcpu->vsid, entries, NUM_GPRS));
}

/* A supervisor's view; what rights the page gives KVM doesn't tell. */
int shim_vcpu_translate(struct shim_vcpu *vcpu, struct kvm_translation *tr)
{
	const uint64_t offset = tr->linear_address & (MV_PAGE_SIZE - 1);
	mv_status_t status;
	uint64_t gpa;

	status = hypercall_gla_to_gpa(vcpu->vsid, tr->linear_address - offset, &gpa);
	if (status != MV_STATUS_SUCCESS && status != MV_STATUS_FAILURE_UNKNOWN)
		return hypercall_errno(status);
	tr->valid = status == MV_STATUS_SUCCESS;
	tr->physical_address = tr->valid ? gpa - gpa % MV_PAGE_SIZE + offset : ~0ULL;
	tr->writeable = 1;
	tr->usermode = 0;
	return 0;
}
