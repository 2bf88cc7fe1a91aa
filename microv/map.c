// SPDX-License-Identifier: MIT
/*
 * The memory of VMs: map, unmap, donate. A list is checked as a whole, also for the pages
 * that the pool must have, before its first entry changes anything.
 *
 * Removed pages may still be in the TLB of a CPU that runs the VM. Until every such CPU has
 * left it, vm->pending keeps what the hypercall will answer, and the hypercall answers
 * RETRY_CONTINUATION: called again with the same list, it only waits on.
 */
#include "log.h"
#include "mdl.h"
#include "vm_table.h"

/* One kind of list operation. */
struct list_op {
	unsigned int use;
	/* How many pages an entry needs, or why it can't be done; `after`: see mk_space_need. */
	int64_t (*need)(unsigned int vmid, const struct mv_mdl_entry_t *e, uint64_t after);
	int64_t (*apply)(unsigned int vmid, const struct mv_mdl_entry_t *e);
	int64_t (*undo)(unsigned int vmid, const struct mv_mdl_entry_t *e);
	int waits;	/* CPUs must leave a VM before success */
	int waits_root; /* that is the root VM, not the guest */
};

/* Is there something to wait for? Answers for the whole hypercall when it returns 1. */
static int settle(struct call *c, struct vm *vm, uint64_t list, mv_status_t *status)
{
	struct vm_pending *pending = &vm->pending;
	int mine = pending->list == list;

	if (!pending->list)
		return 0;
	if (mk_space_quiesce(pending->space) == -MK_EAGAIN) {
		*status = mine ? MV_STATUS_RETRY_CONTINUATION : MV_STATUS_FAILURE_BUSY;
		return 1;
	}
	pending->list = 0;
	*status = pending->status;
	if (mine && pending->status == MV_STATUS_FAILURE_NO_MEMORY)
		c->reg[0] = pending->reg0;
	return mine;
}

/* SUCCESS when all of the list can be done now. */
static mv_status_t check(struct call *c, struct vm *vm, const struct mdl *mdl,
			 const struct list_op *op)
{
	int64_t sum = 0, free = mk_space_free(vm - vms);
	uint64_t after = 0;

	for (unsigned int i = 0; i < mdl->count; i++) {
		const struct mv_mdl_entry_t *e = &mdl->entries[i];
		int64_t need = op->need(vm - vms, e, after);

		if (need < 0)
			return MV_STATUS_FAILURE_UNKNOWN;
		sum += need;
		after = e->dst + e->bytes;
	}
	if (free < 0)
		return MV_STATUS_FAILURE_UNKNOWN;
	if (sum <= free)
		return MV_STATUS_SUCCESS;
	c->reg[0] = sum - free;
	return MV_STATUS_FAILURE_NO_MEMORY;
}

/* Applies the list, or takes back what was applied of it; vm->pending gets the answer. */
static void apply(struct vm *vm, const struct mdl *mdl, const struct list_op *op)
{
	struct vm_pending *pending = &vm->pending;
	int64_t err = 0;
	unsigned int i;

	for (i = 0; i < mdl->count; i++) {
		err = op->apply(vm - vms, &mdl->entries[i]);
		if (err)
			break;
	}
	*pending = (struct vm_pending){
		.list = mdl->hash,
		.status = MV_STATUS_SUCCESS,
		.space = op->waits_root ? MV_ROOT_VMID : vm - vms,
	};
	if (!err)
		return;

	pending->status = err == -MK_ENOMEM ? MV_STATUS_FAILURE_NO_MEMORY :
					      MV_STATUS_FAILURE_UNKNOWN;
	pending->reg0 = op->waits_root ? i : 1; /* what was donated stays so */
	if (i && !op->undo)
		LOG("a list stopped in the middle: VM, entry, error", vm - vms, i, -err);
	while (i-- && op->undo)
		op->undo(vm - vms, &mdl->entries[i]);
}

static mv_status_t run_list(struct call *c, const struct list_op *op)
{
	mv_status_t status;
	struct mdl mdl;
	struct vm *vm;

	status = vm_take(c, &vm, 0);
	if (status != MV_STATUS_SUCCESS)
		return status;
	if (op->use == (MDL_DST | MDL_SRC | MDL_FLAGS) && (uint16_t)c->reg[2] != MV_ROOT_VMID) {
		status = MV_STATUS_INVALID_INPUT_REG2;
		goto out;
	}
	status = mdl_read(c, &mdl, op->use);
	if (status != MV_STATUS_SUCCESS || settle(c, vm, mdl.hash, &status))
		goto out;
	status = check(c, vm, &mdl, op);
	if (status != MV_STATUS_SUCCESS)
		goto out;
	apply(vm, &mdl, op);
	if (vm->pending.status == MV_STATUS_SUCCESS && !op->waits)
		vm->pending.list = 0;
	else
		settle(c, vm, mdl.hash, &status);
out:
	lock_drop(&vm->lock);
	return status;
}

static int64_t map_need(unsigned int vmid, const struct mv_mdl_entry_t *e, uint64_t after)
{
	return mk_space_need(vmid, e->dst, e->src, e->bytes, after);
}

static int64_t map_apply(unsigned int vmid, const struct mv_mdl_entry_t *e)
{
	int64_t err = mk_space_map(vmid, e->dst, e->src, e->bytes, e->flags);

	__atomic_fetch_add(&vms[vmid].maps, 1, __ATOMIC_RELEASE);
	return err;
}

static int64_t unmap_need(unsigned int vmid, const struct mv_mdl_entry_t *e, uint64_t after)
{
	return mk_space_need(vmid, e->dst, MK_NONE, e->bytes, after);
}

static int64_t unmap_apply(unsigned int vmid, const struct mv_mdl_entry_t *e)
{
	return mk_space_unmap(vmid, e->dst, e->bytes);
}

static int64_t donate_need(unsigned int vmid, const struct mv_mdl_entry_t *e, uint64_t after)
{
	(void)after;
	return mk_space_need(vmid, MK_NONE, e->src, e->bytes, 0);
}

static int64_t donate_apply(unsigned int vmid, const struct mv_mdl_entry_t *e)
{
	return mk_space_donate(vmid, e->src, e->bytes);
}

mv_status_t hc_vm_mmio_map(struct call *c)
{
	static const struct list_op op = {
		.use = MDL_DST | MDL_SRC | MDL_FLAGS,
		.need = map_need,
		.apply = map_apply,
		.undo = unmap_apply,
	};

	return run_list(c, &op);
}

mv_status_t hc_vm_mmio_unmap(struct call *c)
{
	static const struct list_op op = {
		.use = MDL_DST,
		.need = unmap_need,
		.apply = unmap_apply,
		.waits = 1,
	};

	return run_list(c, &op);
}

mv_status_t hc_vm_donate(struct call *c)
{
	static const struct list_op op = {
		.use = MDL_SRC,
		.need = donate_need,
		.apply = donate_apply,
		.waits = 1,
		.waits_root = 1,
	};

	return run_list(c, &op);
}
