// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The clock of a VM and the TSC of a vCPU: KVM_GET_CLOCK, KVM_GET_TSC_KHZ and the like. The
 * hypervisor keeps both; what time it is the operating system knows.
 */
#include "clock.h"
#include <platform_inline.h>

mv_status_t clock_tell(struct platform_time *time)
{
	mv_status_t status;

	platform_time(time);
	status = hypercall_tsc_set_khz(platform_tsc_khz(), time->exact ? MV_TSC_STABLE : 0);
	return status == MV_STATUS_SUCCESS ? hypercall_time_set(time) : status;
}

void clock_tell_again(void)
{
	struct platform_time time;

	clock_tell(&time);
}

int clock_tell_get(struct platform_time *time)
{
	mv_status_t status;

	if (!platform_shared_page_get())
		return -ENODEV;
	status = clock_tell(time);
	if (status != MV_STATUS_SUCCESS)
		platform_shared_page_put();
	return hypercall_errno(status);
}

int shim_vm_get_clock(struct shim_vm *vm, struct kvm_clock_data *data)
{
	struct platform_time time;
	mv_status_t status;
	uint64_t ns, flags;
	int ret;

	ret = clock_tell_get(&time);
	if (ret)
		return ret;
	status = hypercall_clock_get(vm->vmid, time.tsc, &ns, &flags);
	platform_shared_page_put();
	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);
	memset(data, 0, sizeof(*data));
	data->clock = ns;
	if (flags & MV_CLOCK_STABLE) {
		data->flags = KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
		data->realtime = time.real;
		data->host_tsc = time.tsc;
	}
	return 0;
}

#define CLOCK_FLAGS (KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

int shim_vm_set_clock(struct shim_vm *vm, const struct kvm_clock_data *data)
{
	uint64_t ns = data->clock;
	struct platform_time time;
	mv_status_t status;
	int ret;

	if (data->flags & ~CLOCK_FLAGS)
		return -EINVAL;
	ret = clock_tell_get(&time);
	if (ret)
		return ret;
	/* As if it had been set when it was that time; but never back, as KVM. */
	if (data->flags & KVM_CLOCK_REALTIME && time.real > data->realtime)
		ns += time.real - data->realtime;
	status = hypercall_clock_set(vm->vmid, time.tsc, ns);
	platform_shared_page_put();
	return hypercall_errno(status);
}

int shim_vm_get_tsc_khz(struct shim_vm *vm)
{
	return (int)(vm->tsc_khz ? vm->tsc_khz : platform_tsc_khz());
}

/* What vCPUs to come start with, if they can: KVM doesn't check it here. */
int shim_vm_set_tsc_khz(struct shim_vm *vm, uint32_t khz)
{
	vm->tsc_khz = khz;
	return 0;
}

int shim_vcpu_get_tsc_khz(struct shim_vcpu *vcpu)
{
	uint64_t offset;
	uint32_t khz;
	mv_status_t status = hypercall_vs_tsc_get(vcpu->vsid, &khz, &offset);

	return status == MV_STATUS_SUCCESS ? (int)khz : hypercall_errno(status);
}

int shim_vcpu_set_tsc_khz(struct shim_vcpu *vcpu, uint32_t khz)
{
	return hypercall_errno(
		hypercall_vs_tsc_set_khz(vcpu->vsid, khz ? khz : platform_tsc_khz()));
}

int shim_vcpu_kvmclock_ctrl(struct shim_vcpu *vcpu)
{
	return hypercall_errno(hypercall_clock_paused(vcpu->vsid));
}

int shim_vcpu_has_attr(const struct kvm_device_attr *attr)
{
	return attr->group == KVM_VCPU_TSC_CTRL && attr->attr == KVM_VCPU_TSC_OFFSET ? 0 : -ENXIO;
}

int shim_vcpu_get_attr(struct shim_vcpu *vcpu, uint64_t *value)
{
	uint32_t khz;

	return hypercall_errno(hypercall_vs_tsc_get(vcpu->vsid, &khz, value));
}

int shim_vcpu_set_attr(struct shim_vcpu *vcpu, uint64_t value)
{
	return hypercall_errno(hypercall_vs_tsc_set_offset(vcpu->vsid, value));
}
