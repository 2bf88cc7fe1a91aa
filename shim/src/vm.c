// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * VMs and their vCPUs: making and destroying them. A vCPU lives as long as its VM, as in
 * KVM: its VP and VS are destroyed with the VM, and its ID stays taken.
 */
#include "bus.h"
#include "clock.h"
#include "pool.h"
#include "slots.h"
#include "sregs.h"
#include <platform_inline.h>

/* Page tables for a small guest and its first VS, so that most VMs need one donation only. */
#define FIRST_DONATION 32U

int shim_vm_create(struct shim_vm *vm, void *os)
{
	struct platform_time time;
	mv_status_t status;
	int ret;

	vm->os = os;
	/* Its clock starts now. */
	ret = clock_tell_get(&time);
	if (ret)
		return ret;
	status = hypercall_create_vm(&vm->vmid);
	platform_shared_page_put();
	if (status == MV_STATUS_FAILURE_UNKNOWN)
		return -ENOMEM; /* no ID left */
	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);

	ret = pool_donate(vm, FIRST_DONATION);
	if (ret) {
		if (hypercall_destroy_vm(vm->vmid) == MV_STATUS_SUCCESS)
			pool_free(vm);
		return ret;
	}
	__atomic_fetch_add(&shim_stats.vms, 1, __ATOMIC_RELAXED);
	return 0;
}

static mv_status_t vcpu_destroy(const struct shim_vcpu *vcpu)
{
	mv_status_t status = hypercall_destroy_vs(vcpu->vsid);

	return status == MV_STATUS_SUCCESS ? hypercall_destroy_vp(vcpu->vpid) : status;
}

void shim_vm_destroy(struct shim_vm *vm)
{
	mv_status_t status = MV_STATUS_SUCCESS;
	uint32_t i;

	bus_free(vm);
	for (i = 0; i < vm->num_vcpus && status == MV_STATUS_SUCCESS; i++)
		status = vcpu_destroy(vm->vcpus[i]);
	if (status == MV_STATUS_SUCCESS)
		status = hypercall_destroy_vm(vm->vmid);
	__atomic_fetch_sub(&shim_stats.vms, 1, __ATOMIC_RELAXED);

	if (status != MV_STATUS_SUCCESS) {
		/* Better lost than used by two: the memory may be the guest's still. */
		platform_log("VM %u could not be destroyed (%llx), its memory is lost", vm->vmid,
			     (unsigned long long)status);
		return;
	}
	slots_free(vm);
	pool_free(vm);
	platform_free(vm->msr_filter);
}

static bool id_taken(const struct shim_vm *vm, uint64_t id)
{
	uint32_t i;

	for (i = 0; i < vm->num_vcpus; i++) {
		if (vm->vcpus[i]->id == id)
			return true;
	}
	return false;
}

static mv_status_t create_vs(struct shim_vm *vm, struct shim_vcpu *vcpu)
{
	mv_status_t status;
	uint64_t wanted;

	do {
		wanted = 0;
		status = hypercall_create_vs(vcpu->vpid, &vcpu->vsid, &wanted);
	} while (pool_refill(vm, status, wanted));
	return status;
}

int shim_vcpu_create(struct shim_vm *vm, struct shim_vcpu *vcpu, uint64_t id)
{
	mv_status_t status;

	if (vm->broken)
		return -EIO;
	if (!vm->caps.max_vcpu_id)
		vm->caps.max_vcpu_id = SHIM_MAX_VCPU_ID;
	if (id >= vm->caps.max_vcpu_id || vm->num_vcpus >= SHIM_MAX_VCPUS)
		return -EINVAL;
	if (id_taken(vm, id))
		return -EEXIST;
	vcpu->vm = vm;
	vcpu->id = (uint32_t)id;

	status = hypercall_create_vp(vm->vmid, &vcpu->vpid);
	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);
	status = create_vs(vm, vcpu);
	if (status != MV_STATUS_SUCCESS)
		goto destroy_vp;
	status = sregs_reset(vcpu);
	if (status != MV_STATUS_SUCCESS)
		goto destroy_vs;
	/* One that it can't have is told by KVM_SET_TSC_KHZ of the vCPU only. */
	if (vm->tsc_khz)
		hypercall_vs_tsc_set_khz(vcpu->vsid, vm->tsc_khz);
	vm->vcpus[vm->num_vcpus++] = vcpu;
	return 0;

destroy_vs:
	if (hypercall_destroy_vs(vcpu->vsid) != MV_STATUS_SUCCESS)
		vm->broken = true;
destroy_vp:
	if (hypercall_destroy_vp(vcpu->vpid) != MV_STATUS_SUCCESS)
		vm->broken = true;
	return hypercall_errno(status);
}
