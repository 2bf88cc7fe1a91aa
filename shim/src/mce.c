// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Machine checks that user space makes up. The banks are MSRs of the vCPU (APM vol. 2, 9.3),
 * and an uncorrected error is an #MC: or a triple fault, when the guest can't take one.
 */
#include "hypercall.h"
#include <asm/processor-flags.h>
#include <shim.h>

#define MSR_MCG_CAP 0x179U
#define MSR_MCG_STATUS 0x17AU
#define MSR_MCG_CTL 0x17BU
#define MSR_MC0_CTL 0x400U

#define MCG_CAP_BANKS 0xFFULL
#define MCG_CAP_EXT_COUNT 0xFF0000ULL
#define MCG_CTL_P (1ULL << 8)
#define MCG_STATUS_MCIP (1ULL << 2)

#define STATUS_VAL (1ULL << 63)
#define STATUS_OVER (1ULL << 62)
#define STATUS_UC (1ULL << 61)
#define STATUS_PCC (1ULL << 57)
#define STATUS_S (1ULL << 56)
#define STATUS_AR (1ULL << 55)

#define VEC_MC 18U

/* The MSRs of a bank, one behind the other, and those of all. */
enum { CTL, STATUS, ADDR, MISC, BANK_MSRS };

struct mce_state {
	uint64_t cap, status, ctl, cr4;
	uint64_t bank[BANK_MSRS];
};

static mv_status_t msr_list(const struct shim_vcpu *vcpu, uint32_t first, uint64_t *values,
			    size_t count)
{
	mv_status_t status = MV_STATUS_SUCCESS;
	size_t i;

	for (i = 0; i < count && status == MV_STATUS_SUCCESS; i++)
		status = hypercall_msr_get(vcpu->vsid, first + (uint32_t)i, &values[i]);
	return status;
}

static mv_status_t state_get(const struct shim_vcpu *vcpu, uint32_t bank, struct mce_state *state)
{
	struct mv_rdl_entry_t cr4 = { .reg = mv_reg_t_cr4 };
	mv_status_t status;

	/* MCG_CAP, MCG_STATUS and MCG_CTL follow each other, too. */
	status = msr_list(vcpu, MSR_MCG_CAP, &state->cap, 3);
	if (status == MV_STATUS_SUCCESS && bank < (state->cap & MCG_CAP_BANKS))
		status = msr_list(vcpu, MSR_MC0_CTL + BANK_MSRS * bank, state->bank, BANK_MSRS);
	if (status == MV_STATUS_SUCCESS)
		status = hypercall_rdl(MV_VS_OP_REG_GET_LIST_IDX_VAL, vcpu->vsid, &cr4, 1);
	state->cr4 = cr4.val;
	return status;
}

int shim_vcpu_setup_mce(struct shim_vcpu *vcpu, uint64_t mcg_cap)
{
	const uint32_t banks = mcg_cap & MCG_CAP_BANKS;
	mv_status_t status;
	uint32_t i;

	if (!banks || banks > SHIM_MCE_BANKS ||
	    mcg_cap & ~(SHIM_MCE_CAPS | MCG_CAP_BANKS | MCG_CAP_EXT_COUNT))
		return -EINVAL;
	/* What only Intel's CPUs have is taken, and ignored. */
	status = hypercall_msr_set(vcpu->vsid, MSR_MCG_CAP, mcg_cap & (MCG_CAP_BANKS | MCG_CTL_P));
	if (status == MV_STATUS_SUCCESS && mcg_cap & MCG_CTL_P)
		status = hypercall_msr_set(vcpu->vsid, MSR_MCG_CTL, ~0ULL);
	for (i = 0; i < banks && status == MV_STATUS_SUCCESS; i++)
		status = hypercall_msr_set(vcpu->vsid, MSR_MC0_CTL + BANK_MSRS * i, ~0ULL);
	return hypercall_errno(status);
}

static mv_status_t bank_write(const struct shim_vcpu *vcpu, const struct kvm_x86_mce *mce,
			      uint64_t over)
{
	struct mv_rdl_entry_t list[] = {
		{ MSR_MC0_CTL + BANK_MSRS * mce->bank + STATUS, mce->status | over },
		{ MSR_MC0_CTL + BANK_MSRS * mce->bank + ADDR, mce->addr },
		{ MSR_MC0_CTL + BANK_MSRS * mce->bank + MISC, mce->misc },
		{ MSR_MCG_STATUS, mce->mcg_status },
	};
	/* Only an uncorrected error changes MCG_STATUS. */
	const size_t count = mce->status & STATUS_UC ? 4 : 3;

	return hypercall_rdl(MV_VS_OP_MSR_SET_LIST_IDX_VAL, vcpu->vsid, list, count);
}

/* Uncorrected, but nothing has to be done about it: it is only noted. */
static bool needs_no_action(const struct kvm_x86_mce *mce)
{
	return !mce->mcg_status && !(mce->status & (STATUS_PCC | STATUS_S | STATUS_AR)) &&
	       mce->status & STATUS_UC;
}

static int corrected(const struct shim_vcpu *vcpu, const struct kvm_x86_mce *mce, uint64_t old)
{
	if (old & STATUS_VAL && old & STATUS_UC)
		return hypercall_errno(
			hypercall_msr_set(vcpu->vsid, MSR_MC0_CTL + BANK_MSRS * mce->bank + STATUS,
					  old | STATUS_OVER));
	return hypercall_errno(bank_write(vcpu, mce, old & STATUS_VAL ? STATUS_OVER : 0));
}

static int uncorrected(struct shim_vcpu *vcpu, const struct kvm_x86_mce *mce,
		       const struct mce_state *state)
{
	mv_status_t status;

	/* Reporting is off. */
	if ((state->cap & MCG_CTL_P && ~state->ctl) || ~state->bank[CTL])
		return 0;
	if (state->status & MCG_STATUS_MCIP || !(state->cr4 & X86_CR4_MCE)) {
		vcpu->due |= VCPU_TRIPLE_FAULT;
		return 0;
	}
	status = bank_write(vcpu, mce, state->bank[STATUS] & STATUS_VAL ? STATUS_OVER : 0);
	if (status == MV_STATUS_SUCCESS)
		status = hypercall_inject_exception(vcpu->vsid, VEC_MC, 0);
	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);
	vcpu->due |= VCPU_EXCEPTION;
	vcpu->has_payload = false;
	return 0;
}

int shim_vcpu_set_mce(struct shim_vcpu *vcpu, const struct kvm_x86_mce *mce)
{
	struct mce_state state = { 0 };
	mv_status_t status = state_get(vcpu, mce->bank, &state);

	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);
	if (mce->bank >= (state.cap & MCG_CAP_BANKS) || !(mce->status & STATUS_VAL))
		return -EINVAL;
	if (needs_no_action(mce))
		return hypercall_errno(bank_write(vcpu, mce, 0));
	return mce->status & STATUS_UC ? uncorrected(vcpu, mce, &state)
				       : corrected(vcpu, mce, state.bank[STATUS]);
}
