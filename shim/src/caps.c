// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What user space chooses for a VM as a whole: KVM_ENABLE_CAP, and the settings that must
 * come before the first vCPU. Under the VM lock.
 */
#include "run.h"

/* Three pages below 4 GiB. */
#define TSS_ADDR_MAX (0xFFFFFFFFU - 3 * MV_PAGE_SIZE + 1)

/* The first choice holds; the first vCPU makes it, too. */
static int enable_max_vcpu_id(struct vm_caps *caps, uint64_t max)
{
	if (max > SHIM_MAX_VCPU_ID)
		return -EINVAL;
	if (caps->max_vcpu_id && caps->max_vcpu_id != max)
		return -EINVAL;
	caps->max_vcpu_id = (uint32_t)max;
	return 0;
}

/* The bitmap can be all ones at first only for who also clears it. */
static int enable_dirty_log(struct vm_caps *caps, uint64_t options)
{
	if (options &
	    ~(uint64_t)(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET))
		return -EINVAL;
	if (options == KVM_DIRTY_LOG_INITIALLY_SET)
		return -EINVAL;
	caps->dirty_log = (uint32_t)options;
	return 0;
}

/* Linux's uapi has the bits, but not the mask. */
#define MSR_REASONS                                                                                \
	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER)

static int enable_user_space_msr(struct shim_vm *vm, uint64_t reasons)
{
	if (reasons & ~(uint64_t)MSR_REASONS)
		return -EINVAL;
	vm->msr_reasons = (uint32_t)reasons;
	run_flag_set(vm, MV_RUN_FLAG_MSR_REFUSED,
			reasons & (KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN));
	return 0;
}

/* Bits of quirks that aren't known are ignored, as by KVM; KVM_CAP_DISABLE_QUIRKS2 refuses them. */
static int disable_quirks(struct shim_vm *vm, uint64_t quirks)
{
	static const struct {
		uint32_t quirk;
		uint64_t flag;
	} flags[] = {
		{ KVM_X86_QUIRK_OUT_7E_INC_RIP, MV_RUN_FLAG_OUT_7E },
		{ KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT, MV_RUN_FLAG_MWAIT_MISC },
		{ KVM_X86_QUIRK_FIX_HYPERCALL_INSN, MV_RUN_FLAG_VMCALL_UD },
		{ KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS, MV_RUN_FLAG_MWAIT_UD },
	};
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		run_flag_set(vm, flags[i].flag, quirks & flags[i].quirk);
	return 0;
}

int shim_vm_enable_cap(struct shim_vm *vm, const struct kvm_enable_cap *cap)
{
	if (cap->flags)
		return -EINVAL;
	switch (cap->cap) {
	case KVM_CAP_EXCEPTION_PAYLOAD:
		vm->caps.exception_payload = cap->args[0];
		return 0;
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		vm->caps.triple_fault_event = cap->args[0];
		return 0;
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return enable_dirty_log(&vm->caps, cap->args[0]);
	case KVM_CAP_EXIT_ON_EMULATION_FAILURE:
		if (cap->args[0] & ~1ULL)
			return -EINVAL;
		vm->caps.exit_on_emulation_failure = cap->args[0];
		return 0;
	case KVM_CAP_MAX_VCPU_ID:
		return enable_max_vcpu_id(&vm->caps, cap->args[0]);
	case KVM_CAP_X86_USER_SPACE_MSR:
		return enable_user_space_msr(vm, cap->args[0]);
	case KVM_CAP_MSR_PLATFORM_INFO:
		run_flag_set(vm, MV_RUN_FLAG_NO_PLATFORM_INFO, !cap->args[0]);
		return 0;
	case KVM_CAP_DISABLE_QUIRKS2:
		if (cap->args[0] & ~(uint64_t)SHIM_QUIRKS)
			return -EINVAL;
		return disable_quirks(vm, cap->args[0]);
	case KVM_CAP_DISABLE_QUIRKS:
		return disable_quirks(vm, cap->args[0]);
	default:
		return -EINVAL;
	}
}

int shim_vcpu_enable_cap(struct shim_vcpu *vcpu, const struct kvm_enable_cap *cap)
{
	if (cap->flags || cap->cap != KVM_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	vcpu->run_flags = cap->args[0] ? MV_RUN_FLAG_PV_CPUID : 0;
	return 0;
}

/* An Intel CPU without unrestricted guests needs these two; AMD's don't, nor does KVM there. */
int shim_vm_set_tss_addr(struct shim_vm *vm, uint64_t addr)
{
	(void)vm;
	return addr > TSS_ADDR_MAX ? -EINVAL : 0;
}

int shim_vm_set_identity_map_addr(struct shim_vm *vm, uint64_t addr)
{
	(void)addr;
	return vm->num_vcpus ? -EINVAL : 0;
}

int shim_vm_set_boot_cpu_id(struct shim_vm *vm, uint64_t id)
{
	if (vm->num_vcpus)
		return -EBUSY;
	vm->caps.boot_cpu_id = (uint32_t)id;
	return 0;
}
