// SPDX-License-Identifier: MIT
/* The TSCs of guests, and the hypercalls about them. See tsc.h. */
#include "tsc.h"
#include "vm_table.h"

#define TOLERANCE_PPM 250U
#define MILLION 1000000ULL

static struct vs_time *time_of(struct vs *vs)
{
	return &state_data(vs->st)->time;
}

static uint32_t khz_of(struct vs *vs)
{
	return time_of(vs)->khz ? time_of(vs)->khz : cpus[vs->cpu].time.khz;
}

static struct vm *vm_of(const struct vs *vs)
{
	return &vms[vs->vmid];
}

static void offset_set(struct vs *vs, uint64_t offset)
{
	struct vs_time *t = time_of(vs);

	state_fetch(vs->id, vs->st, MK_G_TSC);
	vs->st->tsc_offset = offset;
	vs->st->dirty |= MK_G_TSC;
	t->shown = 0;
	t->base = rdtsc();
	t->base_guest = t->base + offset;
}

static uint64_t *step_word(struct vm *vm, unsigned int id)
{
	return &vm->tsc.in_step[id_index(id) / 64];
}

static uint64_t step_bit(unsigned int id)
{
	return 1ULL << id_index(id) % 64;
}

int tsc_in_step(const struct vm *vm)
{
	for (unsigned int i = 0; i < MV_MAX_VPS_PER_VM; i++)
		if (__atomic_load_n(&vs_owner[id_make(vm - vms, i)], __ATOMIC_RELAXED) != VS_NONE &&
		    !(vm->tsc.in_step[i / 64] >> i % 64 & 1))
			return 0;
	return 1;
}

/* `offset` is what was written; `matched`: the VS is in step with the others by it. */
static void written(struct vs *vs, uint64_t now, uint64_t offset, int matched)
{
	struct vm *vm = vm_of(vs);

	if (!matched) {
		memset(vm->tsc.in_step, 0, sizeof(vm->tsc.in_step));
		vm->tsc.offset = offset;
	}
	*step_word(vm, vs->id) |= step_bit(vs->id);
	vm->tsc.last_at = now;
	vm->tsc.last_offset = offset;
	vm->tsc.last_value = now + offset;
	vm->tsc.last_khz = khz_of(vs);
	__atomic_fetch_add(&vm->clock.changes, 1, __ATOMIC_RELAXED);
	offset_set(vs, offset);
}

/* Ticks of a TSC of `khz` while the CPU's makes `ticks`, if its frequency is known. */
static uint64_t at_rate(const struct vs *vs, uint64_t ticks, uint32_t khz)
{
	uint32_t cpu_khz = cpus[vs->cpu].time.khz;

	if (!cpu_khz)
		return ticks;
	return (uint64_t)((unsigned __int128)ticks * (((uint64_t)khz << 32) / cpu_khz) >> 32);
}

/*
 * Is it less than a second from what the TSC should be after the last write? 0 always means:
 * like the others, since that is what a new CPU has. So does KVM see it.
 */
static int means_in_step(struct vs *vs, uint64_t value, uint64_t now)
{
	const struct vm_tsc *tsc = &vm_of(vs)->tsc;
	uint64_t second = khz_of(vs) * 1000ULL, expected;

	if (!khz_of(vs) || tsc->last_khz != khz_of(vs))
		return 0;
	if (!value)
		return 1;
	expected = tsc->last_value + at_rate(vs, now - tsc->last_at, khz_of(vs));
	return value < expected + second && value + second > expected;
}

static void write_locked(struct vs *vs, uint64_t value)
{
	uint64_t now = rdtsc();
	int matched = means_in_step(vs, value, now);

	written(vs, now, matched ? vm_of(vs)->tsc.offset : value - now, matched);
}

void tsc_start(struct vs *vs)
{
	write_locked(vs, 0);
}

void tsc_write(struct vs *vs, uint64_t value)
{
	lock_take(&vm_of(vs)->lock, vs->cpu);
	write_locked(vs, value);
	lock_drop(&vm_of(vs)->lock);
}

uint64_t tsc_read(struct vs *vs)
{
	tsc_enter(vs, rdtsc());
	state_fetch(vs->id, vs->st, MK_G_TSC);
	return rdtsc() + vs->st->tsc_offset;
}

/* (SDM vol. 3, 18.17.3) */
void tsc_guest_move(struct vs *vs, uint64_t by)
{
	struct vm *vm = vm_of(vs);

	if (!by)
		return;
	state_fetch(vs->id, vs->st, MK_G_TSC);
	offset_set(vs, vs->st->tsc_offset + by);
	state_data(vs->st)->msrs.tsc_adjust += by;
	__atomic_fetch_and(step_word(vm, vs->id), ~step_bit(vs->id), __ATOMIC_RELAXED);
	__atomic_fetch_add(&vm->clock.changes, 1, __ATOMIC_RELAXED);
}

void tsc_catch_up(struct vs *vs, uint64_t now)
{
	struct vs_time *t = time_of(vs);
	uint64_t ahead = 0;

	if (now < t->left) {
		/* This CPU's TSC is behind that of the one it ran on. */
		ahead = t->left - now;
	} else if (t->catch_up) {
		state_fetch(vs->id, vs->st, MK_G_TSC);
		ahead = t->base_guest + at_rate(vs, now - t->base, t->khz) -
			(now + vs->st->tsc_offset);
	}
	if (!ahead || ahead >> 63)
		return;
	state_fetch(vs->id, vs->st, MK_G_TSC);
	vs->st->tsc_offset += ahead;
	vs->st->dirty |= MK_G_TSC;
	t->left = 0;
	t->shown = 0;
}

mv_status_t hc_vs_tsc_get_khz(struct call *c)
{
	struct vs vs;
	mv_status_t status = vs_take(c, &vs);

	if (status != MV_STATUS_SUCCESS)
		return status;
	if (khz_of(&vs)) {
		state_fetch(vs.id, vs.st, MK_G_TSC);
		c->reg[0] = khz_of(&vs);
		c->reg[1] = vs.st->tsc_offset;
	} else {
		status = MV_STATUS_FAILURE_UNKNOWN;
	}
	vs_drop(c, &vs);
	return status;
}

/* With the VS taken. */
static mv_status_t khz_set(struct vs *vs, uint64_t khz)
{
	uint64_t cpu_khz = cpus[vs->cpu].time.khz;

	if (!cpu_khz)
		return MV_STATUS_FAILURE_UNKNOWN;
	if (!khz || khz > UINT32_MAX || khz < cpu_khz * (MILLION - TOLERANCE_PPM) / MILLION)
		return MV_STATUS_INVALID_INPUT_REG2;
	tsc_enter(vs, rdtsc());
	state_fetch(vs->id, vs->st, MK_G_TSC);
	time_of(vs)->khz = (uint32_t)khz;
	time_of(vs)->catch_up = khz > cpu_khz * (MILLION + TOLERANCE_PPM) / MILLION;
	offset_set(vs, vs->st->tsc_offset);
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_vs_tsc_set_khz(struct call *c)
{
	struct vs vs;
	mv_status_t status = vs_take(c, &vs);

	if (status != MV_STATUS_SUCCESS)
		return status;
	status = khz_set(&vs, c->reg[2]);
	vs_drop(c, &vs);
	return status;
}

mv_status_t hc_vs_tsc_offset_set(struct call *c)
{
	struct vm_tsc *tsc;
	struct vs vs;
	mv_status_t status = vs_take(c, &vs);

	if (status != MV_STATUS_SUCCESS)
		return status;
	tsc = &vm_of(&vs)->tsc;
	lock_take(&vm_of(&vs)->lock, c->cpu);
	written(&vs, rdtsc(), c->reg[2],
		tsc->last_offset == c->reg[2] && tsc->last_khz == khz_of(&vs));
	lock_drop(&vm_of(&vs)->lock);
	vs_drop(c, &vs);
	return MV_STATUS_SUCCESS;
}
