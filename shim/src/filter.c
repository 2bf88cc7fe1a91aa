// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KVM_X86_SET_MSR_FILTER and KVM_CAP_X86_USER_SPACE_MSR: which MSRs a guest may touch, and which
 * of its RDMSRs and WRMSRs user space answers instead of a #GP. While there is a filter, the
 * hypervisor asks here for each of them.
 */
#include "filter.h"
#include "hypercall.h"
#include "run.h"

/* Linux's uapi has the bits, but not the masks. */
#define FILTER_FLAGS KVM_MSR_FILTER_DEFAULT_DENY
#define RANGE_FLAGS (KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)

#define X2APIC_FIRST 0x800U /* what KVM never filters */
#define X2APIC_LAST 0x8FFU

static bool range_valid(const struct kvm_msr_filter_range *range)
{
	if (!range->nmsrs)
		return true;
	return range->flags && !(range->flags & ~(uint32_t)RANGE_FLAGS) &&
	       shim_msr_range_bytes(range) <= KVM_MSR_FILTER_MAX_BITMAP_SIZE;
}

/* To deny everything, by no range at all, isn't allowed. */
bool shim_msr_filter_valid(const struct kvm_msr_filter *filter)
{
	bool empty = true;
	size_t i;

	if (filter->flags & ~(uint32_t)FILTER_FLAGS)
		return false;
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		if (!range_valid(&filter->ranges[i]))
			return false;
		empty = empty && !filter->ranges[i].nmsrs;
	}
	return !empty || !(filter->flags & KVM_MSR_FILTER_DEFAULT_DENY);
}

struct shim_msr_filter *shim_vm_set_msr_filter(struct shim_vm *vm, struct shim_msr_filter *filter)
{
	struct shim_msr_filter *old = vm->msr_filter;

	vm->msr_filter = filter;
	run_flag_set(vm, MV_RUN_FLAG_MSR_ALL, filter);
	return old;
}

static bool allowed_by(const struct shim_msr_filter *filter, uint32_t index, uint32_t access)
{
	size_t i;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		const struct shim_msr_range *range = &filter->ranges[i];
		const uint32_t at = index - range->base;

		if (index >= range->base && at < range->count && range->flags & access)
			return range->bitmap[at / 8] >> at % 8 & 1;
	}
	return filter->default_allow;
}

bool filter_allows(struct shim_vm *vm, uint32_t index, bool write)
{
	const uint32_t access = write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ;
	bool allows = true;

	if (index >= X2APIC_FIRST && index <= X2APIC_LAST)
		return true;
	platform_vm_lock(vm->os);
	if (vm->msr_filter)
		allows = allowed_by(vm->msr_filter, index, access);
	platform_vm_unlock(vm->os);
	return allows;
}
