// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * FPU state of a vCPU: KVM_GET/SET_FPU, _XSAVE and _XCRS.
 */
#include "hypercall.h"
#include <shim.h>

#define XCR0 0U
#define CPUID_1_ECX_XSAVE (1U << 26)

MV_ABI_ASSERT(sizeof(struct kvm_xsave) == sizeof(struct mv_xsave_t));

/* The part of mv_xsave_t that FXSAVE knows. */
struct fxsave {
	uint16_t fcw, fsw;
	uint8_t ftw, reserved;
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[8][16];
	uint8_t xmm[16][16];
	uint8_t unused[96];
};
MV_ABI_ASSERT(sizeof(struct fxsave) == offsetof(struct mv_xsave_t, xstate_bv));

bool shim_has_xsave(void)
{
	uint32_t regs[4];

	platform_cpuid(1, 0, regs);
	return regs[2] & CPUID_1_ECX_XSAVE;
}

static int fxsave_get(struct shim_vcpu *vcpu, struct fxsave *f)
{
	return hypercall_errno(
		hypercall_fpu_get(MV_VS_OP_FPU_GET_ALL_IDX_VAL, vcpu->vsid, f, sizeof(*f)));
}

/* KVM leaves MXCSR out in both directions. */
int shim_vcpu_get_fpu(struct shim_vcpu *vcpu, struct kvm_fpu *fpu)
{
	struct fxsave f;
	int ret = fxsave_get(vcpu, &f);

	if (ret)
		return ret;
	memset(fpu, 0, sizeof(*fpu));
	memcpy(fpu->fpr, f.st, sizeof(fpu->fpr));
	fpu->fcw = f.fcw;
	fpu->fsw = f.fsw;
	fpu->ftwx = f.ftw;
	fpu->last_opcode = f.fop;
	fpu->last_ip = f.fip;
	fpu->last_dp = f.fdp;
	memcpy(fpu->xmm, f.xmm, sizeof(fpu->xmm));
	return 0;
}

int shim_vcpu_set_fpu(struct shim_vcpu *vcpu, const struct kvm_fpu *fpu)
{
	struct fxsave f;
	int ret = fxsave_get(vcpu, &f);

	if (ret)
		return ret;
	memcpy(f.st, fpu->fpr, sizeof(f.st));
	f.fcw = fpu->fcw;
	f.fsw = fpu->fsw;
	f.ftw = fpu->ftwx;
	f.fop = fpu->last_opcode;
	f.fip = fpu->last_ip;
	f.fdp = fpu->last_dp;
	memcpy(f.xmm, fpu->xmm, sizeof(f.xmm));
	return hypercall_errno(
		hypercall_fpu_set(MV_VS_OP_FPU_SET_ALL_IDX_VAL, vcpu->vsid, &f, sizeof(f)));
}

int shim_vcpu_get_xsave(struct shim_vcpu *vcpu, struct kvm_xsave *xsave)
{
	return hypercall_errno(hypercall_fpu_get(MV_VS_OP_XSAVE_GET_ALL_IDX_VAL, vcpu->vsid,
						 xsave->region, sizeof(xsave->region)));
}

int shim_vcpu_set_xsave(struct shim_vcpu *vcpu, const struct kvm_xsave *xsave)
{
	return hypercall_errno(hypercall_fpu_set(MV_VS_OP_XSAVE_SET_ALL_IDX_VAL, vcpu->vsid,
						 xsave->region, sizeof(xsave->region)));
}

int shim_vcpu_get_xcrs(struct shim_vcpu *vcpu, struct kvm_xcrs *xcrs)
{
	struct mv_rdl_entry_t entry = { .reg = mv_reg_t_xcr0 };
	mv_status_t status;

	memset(xcrs, 0, sizeof(*xcrs));
	if (!shim_has_xsave())
		return 0;
	status = hypercall_rdl(MV_VS_OP_REG_GET_LIST_IDX_VAL, vcpu->vsid, &entry, 1);
	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].xcr = XCR0;
	xcrs->xcrs[0].value = entry.val;
	return hypercall_errno(status);
}

/* The first entry for XCR0 counts; others mean nothing to KVM either. */
int shim_vcpu_set_xcrs(struct shim_vcpu *vcpu, const struct kvm_xcrs *xcrs)
{
	struct mv_rdl_entry_t entry = { .reg = mv_reg_t_xcr0 };
	uint32_t i = 0;

	if (!shim_has_xsave() || xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	while (i < xcrs->nr_xcrs && xcrs->xcrs[i].xcr != XCR0)
		i++;
	if (i == xcrs->nr_xcrs)
		return 0;
	entry.val = xcrs->xcrs[i].value;
	return hypercall_errno(hypercall_rdl(MV_VS_OP_REG_SET_LIST_IDX_VAL, vcpu->vsid, &entry, 1));
}
