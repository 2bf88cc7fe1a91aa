// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What belongs to no VM: finding the hypervisor, and KVM_CHECK_EXTENSION.
 */
#include "clock.h"

struct shim_stats shim_stats;

int shim_init(void)
{
	return hypercall_open();
}

void shim_fini(void)
{
	hypercall_close();
}

int shim_cpu_online(uint64_t shared_page_gpa)
{
	struct platform_time time;
	mv_status_t status = hypercall_set_shared_page(shared_page_gpa);

	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);
	status = clock_tell(&time);
	if (status != MV_STATUS_SUCCESS)
		hypercall_clr_shared_page();
	return hypercall_errno(status);
}

void shim_cpu_offline(void)
{
	hypercall_clr_shared_page();
}

void shim_cpu_ping(void)
{
	hypercall_version();
}

/* Only what works is here; all else is 0, and its ioctl answers as KVM's does then. */
long shim_check_extension(uint64_t extension)
{
	switch (extension) {
	case KVM_CAP_USER_MEMORY:
	case KVM_CAP_DESTROY_MEMORY_REGION_WORKS:
	case KVM_CAP_JOIN_MEMORY_REGIONS_WORKS:
	case KVM_CAP_READONLY_MEM:
	case KVM_CAP_SYNC_MMU:
	case KVM_CAP_INTERNAL_ERROR_DATA:
	case KVM_CAP_CHECK_EXTENSION_VM:
	case KVM_CAP_IMMEDIATE_EXIT:
	case KVM_CAP_EXT_CPUID:
	case KVM_CAP_EXT_EMUL_CPUID:
	case KVM_CAP_GET_MSR_FEATURES:
	case KVM_CAP_USER_NMI:
	case KVM_CAP_MP_STATE:
	case KVM_CAP_VCPU_EVENTS:
	case KVM_CAP_DEBUGREGS:
	case KVM_CAP_XSAVE:
	case KVM_CAP_SET_TSS_ADDR:
	case KVM_CAP_SET_IDENTITY_MAP_ADDR:
	case KVM_CAP_SET_BOOT_CPU_ID:
	case KVM_CAP_SREGS2:
	case KVM_CAP_ENABLE_CAP_VM:
	case KVM_CAP_ENABLE_CAP:
	case KVM_CAP_IOEVENTFD:
	case KVM_CAP_IOEVENTFD_NO_LENGTH:
	case KVM_CAP_IOEVENTFD_ANY_LENGTH:
	case KVM_CAP_COALESCED_PIO:
	case KVM_CAP_EXCEPTION_PAYLOAD:
	case KVM_CAP_EXIT_ON_EMULATION_FAILURE:
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
	case KVM_CAP_TSC_DEADLINE_TIMER: /* of an APIC in the kernel: no VM has one */
	case KVM_CAP_HLT:
	case KVM_CAP_LAST_CPU:
	case KVM_CAP_SYS_ATTRIBUTES:
	case KVM_CAP_GET_TSC_KHZ:
	case KVM_CAP_VCPU_ATTRIBUTES:
	case KVM_CAP_BINARY_STATS_FD:
	case KVM_CAP_CLOCKSOURCE:
	case KVM_CAP_KVMCLOCK_CTRL:
	case KVM_CAP_X86_USER_SPACE_MSR:
	case KVM_CAP_X86_MSR_FILTER:
	case KVM_CAP_MSR_PLATFORM_INFO:
	case KVM_CAP_DISABLE_QUIRKS:
	case KVM_CAP_ENFORCE_PV_FEATURE_CPUID:
		return 1;
	case KVM_CAP_IRQ_ROUTING: /* likewise; QEMU wants to see it, though it doesn't use it */
		return SHIM_MAX_IRQ_ROUTES;
	case KVM_CAP_COALESCED_MMIO:
		return SHIM_RING_PAGE;
	case KVM_CAP_MCE:
		return SHIM_MCE_BANKS;
	case KVM_CAP_ADJUST_CLOCK:
		return KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
	case KVM_CAP_XCRS:
		return shim_has_xsave();
	case KVM_CAP_XSAVE2:
		return sizeof(struct kvm_xsave);
	case KVM_CAP_DISABLE_QUIRKS2:
		return SHIM_QUIRKS;
	case KVM_CAP_SYNC_REGS:
		return KVM_SYNC_X86_VALID_FIELDS;
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET;
	case KVM_CAP_NR_VCPUS:
		return platform_online_cpus() < SHIM_MAX_VCPUS ? platform_online_cpus()
							       : SHIM_MAX_VCPUS;
	case KVM_CAP_MAX_VCPUS:
		return SHIM_MAX_VCPUS;
	case KVM_CAP_MAX_VCPU_ID:
		return SHIM_MAX_VCPU_ID;
	case KVM_CAP_NR_MEMSLOTS:
		return SHIM_MAX_SLOTS;
	default:
		return 0;
	}
}
