// SPDX-License-Identifier: MIT
/* VPs: a bit each in their VM. */
#include "vm_table.h"

static uint64_t *vp_word(struct vm *vm, unsigned int index)
{
	return &vm->vps[index / 64];
}

int vp_exists(unsigned int id)
{
	uint64_t *word = vp_word(&vms[id_vmid(id)], id_index(id));

	return __atomic_load_n(word, __ATOMIC_RELAXED) >> id_index(id) % 64 & 1;
}

int id_lookup_vp(const struct call *c, unsigned int *id)
{
	*id = (uint16_t)c->reg[1];
	if (*id == MV_SELF_ID)
		*id = c->cpu;
	if (*id < MV_MAX_PPS)
		return cpus[*id].online ? 0 : -1;
	return id_is_guest(*id) && vp_exists(*id) ? (int)id_vmid(*id) : -1;
}

/* The first free index of the VM, or -1. */
static int vp_alloc(struct vm *vm)
{
	for (unsigned int i = 0; i < MV_MAX_VPS_PER_VM; i++) {
		if (*vp_word(vm, i) >> i % 64 & 1)
			continue;
		__atomic_fetch_or(vp_word(vm, i), 1ULL << i % 64, __ATOMIC_RELAXED);
		return i;
	}
	return -1;
}

mv_status_t hc_vp_create_vp(struct call *c)
{
	struct vm *vm;
	mv_status_t status = vm_take(c, &vm, 0);
	int index;

	if (status != MV_STATUS_SUCCESS)
		return status;
	index = vp_alloc(vm);
	if (index >= 0)
		c->reg[0] = id_make(vm - vms, index);
	lock_drop(&vm->lock);
	return index >= 0 ? MV_STATUS_SUCCESS : MV_STATUS_FAILURE_UNKNOWN;
}

mv_status_t hc_vp_destroy_vp(struct call *c)
{
	mv_status_t status = MV_STATUS_INVALID_INPUT_REG1;
	unsigned int id = (uint16_t)c->reg[1], index = id_index(id);
	struct vm *vm;

	if (!id_is_guest(id))
		return status;
	vm = &vms[id_vmid(id)];
	lock_take(&vm->lock, c->cpu);
	if (vp_exists(id)) {
		status = MV_STATUS_FAILURE_UNKNOWN;
		if (__atomic_load_n(&vs_owner[id], __ATOMIC_ACQUIRE) == VS_NONE) {
			__atomic_fetch_and(vp_word(vm, index), ~(1ULL << index % 64),
					   __ATOMIC_RELAXED);
			status = MV_STATUS_SUCCESS;
		}
	}
	lock_drop(&vm->lock);
	return status;
}

mv_status_t hc_vp_vmid(struct call *c)
{
	unsigned int id;
	int vmid = id_lookup_vp(c, &id);

	if (vmid < 0)
		return MV_STATUS_INVALID_INPUT_REG1;
	c->reg[0] = vmid;
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_vp_vpid(struct call *c)
{
	c->reg[0] = c->cpu;
	return MV_STATUS_SUCCESS;
}
