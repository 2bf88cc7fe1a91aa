// SPDX-License-Identifier: MIT
/* VSs: creation, destruction, and which CPU has one. */
#include "log.h"
#include "tsc.h"
#include "vm_table.h"

uint16_t vs_owner[MK_VS_MAX];

static int slot_set(uint16_t *slot, uint16_t from, uint16_t to)
{
	return __atomic_compare_exchange_n(slot, &from, to, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

int id_lookup_vs(const struct call *c, unsigned int *id)
{
	*id = (uint16_t)c->reg[1];
	if (*id == MV_SELF_ID)
		*id = c->cpu;
	if (*id < MV_MAX_PPS)
		return cpus[*id].online ? 0 : -1;
	if (!id_is_guest(*id) || __atomic_load_n(&vs_owner[*id], __ATOMIC_RELAXED) == VS_NONE)
		return -1;
	return id_vmid(*id);
}

/*
 * Makes the VS `mine` if it is as in `from`. A CPU that has it only briefly is waited for.
 * SUCCESS, INVALID_INPUT_REG1 (there is none) or FAILURE_BUSY.
 */
static mv_status_t slot_take(uint16_t *slot, uint16_t from, uint16_t mine)
{
	uint16_t now;

	while (!slot_set(slot, from, mine)) {
		now = __atomic_load_n(slot, __ATOMIC_RELAXED);
		if (now == VS_NONE)
			return MV_STATUS_INVALID_INPUT_REG1;
		if (now != from && !(now & VS_BRIEF))
			return MV_STATUS_FAILURE_BUSY;
		__builtin_ia32_pause();
	}
	return MV_STATUS_SUCCESS;
}

static mv_status_t take(struct call *c, struct vs *vs, uint16_t mine)
{
	unsigned int id = (uint16_t)c->reg[1];
	mv_status_t status;

	if (!id_is_guest(id))
		return MV_STATUS_INVALID_INPUT_REG1;
	status = slot_take(&vs_owner[id], VS_IDLE, mine);
	if (status != MV_STATUS_SUCCESS)
		return status;
	*vs = (struct vs){ .id = id, .vmid = id_vmid(id), .cpu = c->cpu, .st = mk_state(id) };
	cpus[c->cpu].busy = id;
	return MV_STATUS_SUCCESS;
}

mv_status_t vs_take(struct call *c, struct vs *vs)
{
	return take(c, vs, VS_BRIEF | (VS_CPU + c->cpu));
}

mv_status_t vs_take_to_run(struct call *c, struct vs *vs)
{
	return take(c, vs, VS_CPU + c->cpu);
}

void vs_drop(struct call *c, struct vs *vs)
{
	cpus[c->cpu].busy = 0;
	__atomic_store_n(&vs_owner[vs->id], VS_IDLE, __ATOMIC_RELEASE);
}

int vs_has_state(unsigned int id)
{
	uint16_t now = __atomic_load_n(&vs_owner[id], __ATOMIC_RELAXED);

	return now != VS_NONE && now != VS_DYING;
}

/* A VS that the CPU was about to destroy: the call can be made again. */
static void abandon_destroyed(unsigned int cpu)
{
	for (unsigned int id = ID_GUEST_FIRST; id < MK_VS_MAX; id++)
		if (slot_set(&vs_owner[id], VS_CPU + cpu, VS_DYING))
			LOG("MicroV crashed in destroying VS", id);
}

void vs_abandon(unsigned int cpu)
{
	unsigned int id = cpus[cpu].busy;

	/* First of all: should this fault, too, it isn't tried again. */
	cpus[cpu].busy = 0;
	if (id) {
		LOG("MicroV crashed in VS", id);
		state_data(mk_state(id))->dead = 1;
		__atomic_store_n(&vs_owner[id], VS_IDLE, __ATOMIC_RELEASE);
	}
	abandon_destroyed(cpu);
}

/* How many pages the VM lacks for one more VS; 0: it's the microkernel's own that are short. */
static uint64_t vs_lacks(unsigned int vmid)
{
	int64_t free = mk_space_free(vmid);

	return free < MK_VS_PAGES ? MK_VS_PAGES - free : 0;
}

/* With the VM locked. */
static mv_status_t create(struct call *c, unsigned int id)
{
	int64_t err;

	if (!vp_exists(id))
		return MV_STATUS_INVALID_INPUT_REG1;
	if (__atomic_load_n(&vs_owner[id], __ATOMIC_RELAXED) != VS_NONE)
		return MV_STATUS_FAILURE_UNKNOWN;
	err = mk_vs_create(id, id_vmid(id));
	if (err == -MK_ENOMEM) {
		c->reg[0] = vs_lacks(id_vmid(id));
		return MV_STATUS_FAILURE_NO_MEMORY;
	}
	if (err)
		return MV_STATUS_FAILURE_UNKNOWN;
	state_reset(mk_state(id), id_index(id) == 0);
	tsc_start(&(struct vs){ .id = id, .vmid = id_vmid(id), .cpu = c->cpu, .st = mk_state(id) });
	__atomic_store_n(&vs_owner[id], VS_IDLE, __ATOMIC_RELEASE);
	c->reg[0] = id;
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_vs_create_vs(struct call *c)
{
	unsigned int id = (uint16_t)c->reg[1];
	mv_status_t status;
	struct vm *vm;

	if (!id_is_guest(id))
		return MV_STATUS_INVALID_INPUT_REG1;
	vm = &vms[id_vmid(id)];
	lock_take(&vm->lock, c->cpu);
	status = create(c, id);
	lock_drop(&vm->lock);
	return status;
}

/* With the VS taken: it is gone, or keeps its ID until every CPU forgot its state page. */
static mv_status_t destroy(unsigned int id, uint16_t *slot)
{
	mv_status_t status = MV_STATUS_SUCCESS;
	uint16_t next = VS_NONE;
	int64_t err = mk_vs_destroy(id);

	if (err == -MK_EAGAIN || err == -MK_EBUSY) {
		status = MV_STATUS_RETRY_CONTINUATION;
		next = VS_DYING;
	} else if (err) {
		status = MV_STATUS_FAILURE_UNKNOWN;
		next = VS_IDLE;
	}
	__atomic_store_n(slot, next, __ATOMIC_RELEASE);
	return status;
}

mv_status_t hc_vs_destroy_vs(struct call *c)
{
	unsigned int id = (uint16_t)c->reg[1];
	uint16_t mine = VS_CPU + c->cpu;
	mv_status_t status;
	struct vm *vm;

	if (!id_is_guest(id))
		return MV_STATUS_INVALID_INPUT_REG1;
	vm = &vms[id_vmid(id)];
	/* Not under the lock: who has the VS may be about to take it. */
	status = slot_take(&vs_owner[id], VS_IDLE, mine);
	lock_take(&vm->lock, c->cpu);
	if (status == MV_STATUS_SUCCESS || slot_set(&vs_owner[id], VS_DYING, mine))
		status = destroy(id, &vs_owner[id]);
	lock_drop(&vm->lock);
	return status;
}

mv_status_t hc_vs_vmid(struct call *c)
{
	unsigned int id;
	int vmid = id_lookup_vs(c, &id);

	if (vmid < 0)
		return MV_STATUS_INVALID_INPUT_REG1;
	c->reg[0] = vmid;
	return MV_STATUS_SUCCESS;
}

/* A VS has the ID of its VP. */
mv_status_t hc_vs_vpid(struct call *c)
{
	unsigned int id;

	if (id_lookup_vs(c, &id) < 0)
		return MV_STATUS_INVALID_INPUT_REG1;
	c->reg[0] = id;
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_vs_vsid(struct call *c)
{
	c->reg[0] = c->cpu;
	return MV_STATUS_SUCCESS;
}
