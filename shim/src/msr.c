// SPDX-License-Identifier: GPL-2.0 OR MIT
/* KVM_GET_MSRS, KVM_SET_MSRS, and the lists of MSRs that user space should save. */
#include "clock.h"
#include "memory.h"
#include <platform_inline.h>

#define MSR_APIC_BASE 0x1BU
/* Of kvmclock, the old and the new pair. */
#define MSR_KVM_WALL_CLOCK 0x11U
#define MSR_KVM_SYSTEM_TIME 0x12U
#define MSR_KVM_WALL_CLOCK_NEW 0x4B564D00U
#define MSR_KVM_SYSTEM_TIME_NEW 0x4B564D01U
#define MSR_UCODE_REV 0x8BU
#define MSR_MCG_CAP 0x179U /* only KVM_X86_SETUP_MCE changes it */

/* In the order of KVM. What the hypervisor doesn't have is left out. */
static const uint32_t to_save[] = {
	0x174, /* SYSENTER_CS, ESP, EIP */
	0x175,
	0x176,
	0xC0000081, /* STAR, CSTAR, KERNEL_GS_BASE, SFMASK, LSTAR */
	0xC0000083,
	0xC0000102,
	0xC0000084,
	0xC0000082,
	0x10,  /* TSC */
	0x277, /* PAT */
	0xC0000103, /* TSC_AUX */
	MSR_KVM_SYSTEM_TIME,
	MSR_KVM_WALL_CLOCK,
	MSR_KVM_SYSTEM_TIME_NEW,
	MSR_KVM_WALL_CLOCK_NEW,
	0x3B,  /* TSC_ADJUST */
	0x1A0, /* MISC_ENABLE */
	0x17A, /* MCG_STATUS, MCG_CTL */
	0x17B,
	0xCE,  /* PLATFORM_INFO */
	0x140, /* MISC_FEATURES_ENABLES */
	0x1FC, /* POWER_CTL */
	MSR_UCODE_REV,
	0xC0010015, /* HWCR */
};

#define NUM_TO_SAVE (sizeof(to_save) / sizeof(to_save[0]))

/* Features of the machine that are told by MSRs, with what a guest can have of them. */
static const struct {
	uint32_t index;
	uint64_t data;
} features[] = {
	{ MSR_UCODE_REV, 0x01000065 },
};

#define NUM_FEATURES (sizeof(features) / sizeof(features[0]))

_Static_assert(NUM_TO_SAVE <= SHIM_MSR_LIST_MAX && NUM_FEATURES <= SHIM_MSR_LIST_MAX,
	       "SHIM_MSR_LIST_MAX");

uint32_t shim_msr_list(uint32_t *indices)
{
	uint32_t count = 0;
	size_t i;

	for (i = 0; i < NUM_TO_SAVE; i++) {
		if (hypercall_msr_supported(to_save[i]))
			indices[count++] = to_save[i];
	}
	return count;
}

uint32_t shim_msr_feature_list(uint32_t *indices)
{
	size_t i;

	for (i = 0; i < NUM_FEATURES; i++)
		indices[i] = features[i].index;
	return NUM_FEATURES;
}

static bool feature_get(struct kvm_msr_entry *entry)
{
	size_t i;

	for (i = 0; i < NUM_FEATURES; i++) {
		if (features[i].index == entry->index) {
			entry->data = features[i].data;
			return true;
		}
	}
	return false;
}

int shim_get_msr_features(struct kvm_msr_entry *entries, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count && feature_get(&entries[i]); i++)
		;
	return i;
}

int shim_vcpu_get_msrs(struct shim_vcpu *vcpu, struct kvm_msr_entry *entries, uint32_t count)
{
	uint64_t value;
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (hypercall_msr_get(vcpu->vsid, entries[i].index, &value) != MV_STATUS_SUCCESS)
			break;
		entries[i].data = value;
	}
	return i;
}

static bool is_wall_clock(uint32_t index)
{
	return index == MSR_KVM_WALL_CLOCK || index == MSR_KVM_WALL_CLOCK_NEW;
}

/* What is shown to the guest at once must be true, and be shown. */
static void time_prepare(struct shim_vcpu *vcpu, uint64_t gpa)
{
	struct platform_time time;

	if (!memory_repair(vcpu->vm))
		memory_fault(vcpu->vm, gpa, true);
	if (!clock_tell_get(&time))
		platform_shared_page_put();
}

int shim_vcpu_set_msrs(struct shim_vcpu *vcpu, const struct kvm_msr_entry *entries, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		const struct kvm_msr_entry *e = &entries[i];

		if (is_wall_clock(e->index))
			time_prepare(vcpu, e->data);
		if (e->index == MSR_MCG_CAP ||
		    hypercall_msr_set(vcpu->vsid, e->index, e->data) != MV_STATUS_SUCCESS)
			break;
		if (e->index == MSR_APIC_BASE)
			vcpu->apic_base = e->data;
	}
	return i;
}
