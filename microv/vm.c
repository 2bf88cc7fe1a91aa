// SPDX-License-Identifier: MIT
/* VMs: creation, destruction, their locks. */
#include "vm.h"
#include "clock.h"
#include "log.h"
#include "vm_table.h"

struct vm vms[MV_MAX_VMS];

static int vm_set_state(struct vm *vm, uint8_t from, uint8_t to)
{
	return __atomic_compare_exchange_n(&vm->state, &from, to, 0, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

int vm_any(void)
{
	for (unsigned int id = 1; id < MV_MAX_VMS; id++)
		if (__atomic_load_n(&vms[id].state, __ATOMIC_RELAXED) != VM_FREE)
			return 1;
	return 0;
}

uint32_t vm_maps(unsigned int vmid)
{
	return __atomic_load_n(&vms[vmid].maps, __ATOMIC_ACQUIRE);
}

void vm_break_locks(unsigned int cpu)
{
	for (unsigned int id = 1; id < MV_MAX_VMS; id++)
		if (lock_break(&vms[id].lock, cpu))
			LOG("broke the lock of VM", id);
}

mv_status_t vm_take(struct call *c, struct vm **vm, int dying)
{
	unsigned int id = (uint16_t)c->reg[1];
	mv_status_t status = MV_STATUS_INVALID_INPUT_REG1;

	if (id == MV_ROOT_VMID || id >= MV_MAX_VMS)
		return status;
	*vm = &vms[id];
	lock_take(&vms[id].lock, c->cpu);
	if (vms[id].state == VM_LIVE || (vms[id].state == VM_DYING && dying))
		return MV_STATUS_SUCCESS;
	if (vms[id].state == VM_DYING)
		status = MV_STATUS_FAILURE_BUSY;
	lock_drop(&vms[id].lock);
	return status;
}

mv_status_t hc_vm_create_vm(struct call *c)
{
	for (unsigned int id = 1; id < MV_MAX_VMS; id++) {
		if (!vm_set_state(&vms[id], VM_FREE, VM_CREATING))
			continue;
		if (mk_space_create(id) < 0) {
			vm_set_state(&vms[id], VM_CREATING, VM_FREE);
			return MV_STATUS_FAILURE_UNKNOWN;
		}
		vms[id].pending = (struct vm_pending){ 0 };
		vms[id].tsc = (struct vm_tsc){ 0 };
		clock_start(&vms[id].clock, c->cpu);
		vm_set_state(&vms[id], VM_CREATING, VM_LIVE);
		c->reg[0] = id;
		return MV_STATUS_SUCCESS;
	}
	return MV_STATUS_FAILURE_UNKNOWN;
}

static int has_vp(const struct vm *vm)
{
	uint64_t any = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(vm->vps); i++)
		any |= vm->vps[i];
	return any != 0;
}

/* From the first call on the VM is gone for all other hypercalls. */
static mv_status_t destroy(struct vm *vm)
{
	int64_t err;

	if (has_vp(vm))
		return MV_STATUS_FAILURE_UNKNOWN;
	err = mk_space_destroy(vm - vms);
	if (err && err != -MK_EAGAIN)
		return MV_STATUS_FAILURE_UNKNOWN;
	__atomic_store_n(&vm->state, err ? VM_DYING : VM_FREE, __ATOMIC_RELEASE);
	return err ? MV_STATUS_RETRY_CONTINUATION : MV_STATUS_SUCCESS;
}

mv_status_t hc_vm_destroy_vm(struct call *c)
{
	struct vm *vm;
	mv_status_t status = vm_take(c, &vm, 1);

	if (status != MV_STATUS_SUCCESS)
		return status;
	status = destroy(vm);
	lock_drop(&vm->lock);
	return status;
}

mv_status_t hc_vm_vmid(struct call *c)
{
	c->reg[0] = MV_ROOT_VMID;
	return MV_STATUS_SUCCESS;
}
