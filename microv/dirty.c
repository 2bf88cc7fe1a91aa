// SPDX-License-Identifier: MIT
/*
 * Which pages of a VM were written: the D bits of its nested tables, which the CPU sets for
 * guests and, in the window, for MicroV. Ring 0 takes them out; it is for the caller to wait
 * until no TLB lets writes through that the tables don't hear of (mv_vm_op_quiesce).
 */
#include "vm_table.h"

#define PAGES_PER_WORD 64U
/* Tables for a range, beyond one for each 2 MiB: at its ends, and above. */
#define MORE_TABLES 7

static mv_status_t check(const struct call *c, uint64_t gpa, uint64_t bytes)
{
	uint64_t skipped = gpa / MV_PAGE_SIZE % PAGES_PER_WORD * MV_PAGE_SIZE;

	if (!cpus[c->cpu].shared)
		return MV_STATUS_FAILURE_UNKNOWN;
	if (gpa % MV_PAGE_SIZE || gpa >= MK_GPA_END)
		return MV_STATUS_INVALID_INPUT_REG2;
	if (!bytes || bytes % MV_PAGE_SIZE || bytes > MV_DIRTY_LOG_MAX_BYTES - skipped ||
	    bytes > MK_GPA_END - gpa)
		return MV_STATUS_INVALID_INPUT_REG3;
	return MV_STATUS_SUCCESS;
}

static mv_status_t dirty_log(struct call *c, unsigned int vmid)
{
	uint64_t gpa = c->reg[2], bytes = c->reg[3];
	mv_status_t status = check(c, gpa, bytes);
	int64_t err, need;

	if (status != MV_STATUS_SUCCESS)
		return status;
	err = mk_space_dirty(vmid, gpa, bytes, mk_shared());
	if (err != -MK_ENOMEM)
		return err ? MV_STATUS_FAILURE_UNKNOWN : MV_STATUS_SUCCESS;
	need = bytes / (512 * MV_PAGE_SIZE) + MORE_TABLES - mk_space_free(vmid);
	c->reg[0] = need > 0 ? need : 1;
	return MV_STATUS_FAILURE_NO_MEMORY;
}

mv_status_t hc_vm_dirty_log(struct call *c)
{
	struct vm *vm;
	mv_status_t status = vm_take(c, &vm, 0);

	if (status != MV_STATUS_SUCCESS)
		return status;
	status = dirty_log(c, vm - vms);
	lock_drop(&vm->lock);
	return status;
}

mv_status_t hc_vm_quiesce(struct call *c)
{
	struct vm *vm;
	mv_status_t status = vm_take(c, &vm, 0);

	if (status != MV_STATUS_SUCCESS)
		return status;
	if (mk_space_quiesce(vm - vms))
		status = MV_STATUS_RETRY_CONTINUATION;
	lock_drop(&vm->lock);
	return status;
}
