// SPDX-License-Identifier: MIT
/*
 * VS objects: the table of IDs, creation, and what vs_run does on every kind of CPU. See
 * vs.h.
 */
#include "vs.h"

#include <errno.h>

#include "backend.h"
#include "epoch.h"
#include "user.h"

/*
 * The table: 0 = free, else with bit 0 set a struct vs, or the epoch (shifted left by one) after
 * which the ID is free, as CPUs may remember the old state page till then.
 */
static u64 table[MK_VS_MAX];
static spinlock_t lock;

#define LIVE(vs) ((u64)(vs) | 1)
#define IS_LIVE(entry) ((entry)&1)
#define DYING(epoch) ((epoch) << 1)
#define IS_DYING(entry) ((entry) && !IS_LIVE(entry))
#define EPOCH_OF(entry) ((entry) >> 1)

static u64 entry_of(u64 id)
{
	return id < MK_VS_MAX ? __atomic_load_n(&table[id], __ATOMIC_ACQUIRE) : 0;
}

static struct vs *vs_of(u64 entry)
{
	return (struct vs *)(entry - LIVE(0));
}

_Static_assert(VS_PAGES <= MK_VS_PAGES, "the ABI promises how many pages a VS takes");

static void give_back(struct pool *pool, const spa_t *page)
{
	int i;

	for (i = 0; i < VS_PAGES; i++)
		if (page[i].v != SPA_NONE.v)
			pool_free(pool, page[i]);
}

static int take_pages(struct pool *pool, spa_t *page)
{
	bool all = true;
	int i;

	for (i = 0; i < VS_PAGES; i++) {
		page[i] = pool_alloc(pool);
		all = all && page[i].v != SPA_NONE.v;
	}
	if (all)
		return 0;
	give_back(pool, page);
	return -ENOMEM;
}

/* x87, SSE, AVX, AVX-512, PKRU: XRSTOR takes any bytes for them. */
#define XSAVE_ANY_BYTES 0x2E7

/* As after FNINIT; XSTATE_BV = 0 resets all the rest. */
static void reset_fpu(struct xsave *x)
{
	x->fcw = 0x37F;
	x->mxcsr = 0x1F80;
	x->mxcsr_mask = cpu_this()->mxcsr_mask;
}

/* XRSTOR in ring 0 must not fault: APM vol. 4, XRSTOR, #GP. */
static bool fpu_valid(const struct cpu *cpu, const struct xsave *x)
{
	static const u64 zero[7];

	return !(x->xstate_bv & ~(cpu->xcr0_all & XSAVE_ANY_BYTES)) &&
	       !memcmp(x->zero, zero, sizeof(zero)) && !(x->mxcsr & ~cpu->mxcsr_mask);
}

static struct vs *make(u32 id, struct space *space, const spa_t *page)
{
	struct vs *vs = hw_virt(page[PAGE_VS]);

	*vs = (struct vs){
		.id = id,
		.cpu = VS_NO_CPU,
		.space = space,
		.state = hw_virt(page[PAGE_STATE]),
		.fpu = hw_virt(page[PAGE_FPU]),
		.block = hw_virt(page[PAGE_BLOCK]),
		.xcr0 = 1,
	};
	memcpy(vs->page, page, sizeof(vs->page));
	reset_fpu(vs->fpu);
	backend_vs_init(vs);
	return vs;
}

/* Reserves an ID: makes it dying, so that nobody else sees or takes it. */
static int reserve(u64 id)
{
	int rc = -EEXIST;

	spin_lock(&lock);
	if (!table[id] || (IS_DYING(table[id]) && epoch_passed(EPOCH_OF(table[id])))) {
		table[id] = DYING(~0ULL >> 1);
		rc = 0;
	}
	spin_unlock(&lock);
	return rc;
}

static void publish(u64 id, u64 entry)
{
	__atomic_store_n(&table[id], entry, __ATOMIC_RELEASE);
}

static int create_in(u64 id, struct space *space, struct vs **vs)
{
	spa_t page[VS_PAGES];
	int rc;

	rc = reserve(id);
	if (rc)
		return rc;
	rc = take_pages(&space->pool, page);
	if (rc)
		goto unreserve;
	rc = user_map_vs(id, page[PAGE_STATE], page[PAGE_OWN], page[PAGE_OWN2]);
	if (rc)
		goto free_pages;
	*vs = make(id, space, page);
	(*vs)->state->valid = MK_G_ALL;
	publish(id, LIVE(*vs));
	return 0;
free_pages:
	give_back(&space->pool, page);
unreserve:
	publish(id, 0);
	return rc;
}

int vs_create_root(struct cpu *cpu, const struct mk_launch *launch)
{
	int rc = 0;

	if (!cpu->root_vs)
		rc = create_in(MK_ROOT_VS(cpu->id), space_root(), &cpu->root_vs);
	if (rc)
		return rc;
	cpu->fpu = cpu->root_vs;
	backend_set_root(cpu->root_vs, launch);
	return 0;
}

s64 vs_create(u64 id, u64 space_id)
{
	struct space *space;
	struct vs *vs;
	int rc;

	if (id < MK_GUEST_VS_FIRST || id >= MK_VS_MAX || space_id == MV_ROOT_VMID)
		return -EINVAL;
	rc = space_hold(space_id, &space);
	if (rc)
		return rc;
	rc = create_in(id, space, &vs);
	if (rc)
		space_drop(space);
	return rc;
}

/* The CPU whose registers hold the FPU state of a VS that is claimed, or NULL. */
static struct cpu *fpu_holder(const struct vs *vs)
{
	struct cpu *cpu = vs->cpu == VS_NO_CPU ? NULL : cpu_get(vs->cpu);

	return cpu && __atomic_load_n(&cpu->fpu, __ATOMIC_ACQUIRE) == vs ? cpu : NULL;
}

/* Nobody can find the VS any more: its pages and its place in the space go. */
static void release(struct vs *vs)
{
	struct space *space = vs->space;
	spa_t page[VS_PAGES];

	memcpy(page, vs->page, sizeof(page)); /* vs itself goes first */
	user_map_vs(vs->id, SPA_NONE, SPA_NONE, SPA_NONE);
	publish(vs->id, DYING(epoch_bump()));
	give_back(&space->pool, page);
	space_drop(space);
}

s64 vs_destroy(u64 id)
{
	s64 rc = -EAGAIN;
	struct vs *vs;

	if (id < MK_GUEST_VS_FIRST || id >= MK_VS_MAX)
		return -ENOENT;
	spin_lock(&lock);
	vs = IS_LIVE(table[id]) ? vs_of(table[id]) : NULL;
	if (!table[id])
		rc = -ENOENT;
	else if (vs && __atomic_exchange_n(&vs->busy, 1, __ATOMIC_ACQUIRE))
		rc = -EBUSY;
	else if (vs && fpu_holder(vs)) /* which will save it there when it runs root */
		vs_unclaim(vs);
	else if (vs)
		release(vs);
	if (IS_DYING(table[id]) && epoch_passed(EPOCH_OF(table[id]))) {
		publish(id, 0);
		rc = 0;
	}
	spin_unlock(&lock);
	return rc;
}

/* Makes a VS busy so that no other CPU runs, reads or destroys it meanwhile. */
STRAIGHT s64 make_busy(struct vs *vs)
{
	return __atomic_exchange_n(&vs->busy, 1, __ATOMIC_ACQUIRE) ? -EBUSY : 0;
}

/* The VS, made busy; but not if another CPU has its FPU state. */
STRAIGHT s64 claim(struct cpu *cpu, u64 id, struct vs **vs)
{
	u64 e = entry_of(id);

	*vs = vs_of(e);
	if (!IS_LIVE(e) || (id < MK_GUEST_VS_FIRST && *vs != cpu->root_vs))
		return -ENOENT;
	if (make_busy(*vs))
		return -EBUSY;
	if ((*vs)->cpu == cpu->id || !fpu_holder(*vs))
		return 0;
	vs_unclaim(*vs);
	return -EBUSY;
}

/* Of a guest's VM that isn't this one's the window shows nothing. */
STRAIGHT bool window_is_wrong(const struct cpu *cpu, const struct vs *vs)
{
	return cpu->window && cpu->window != vs->space && vs != cpu->root_vs;
}

/* Another VS than the last one. */
static RARE s64 run_other(struct cpu *cpu, u64 id)
{
	struct vs *vs;
	s64 rc = claim(cpu, id, &vs);

	if (rc)
		return rc;
	if (window_is_wrong(cpu, vs))
		user_window_close(cpu);
	if (cpu->fpu != vs)
		backend_switch(cpu, vs);
	return backend_run(cpu, vs);
}

/* The one whose FPU state is here isn't destroyed: see vs_destroy. */
s64 vs_run(struct cpu *cpu, u64 id)
{
	struct vs *vs = cpu->fpu;

	if (vs->id != id || window_is_wrong(cpu, vs))
		return run_other(cpu, id);
	return make_busy(vs) ?: backend_run(cpu, vs);
}

s64 vs_fetch(u64 id, u64 groups)
{
	struct vs *vs;
	s64 rc = claim(cpu_this(), id, &vs);

	if (rc)
		return rc;
	groups &= (MK_G_ALL | MK_G_RAW) & ~(u64)(vs->state->valid | vs->state->dirty);
	backend_fetch(vs, groups);
	vs->state->valid |= groups;
	vs_unclaim(vs);
	return 0;
}

/* What ring 3 gives is copied once and checked: nobody else can write to cpu->page. */
s64 vs_fpu(struct cpu *cpu, u64 id, u64 va, bool set)
{
	struct vs *vs;
	s64 rc = id < MK_GUEST_VS_FIRST ? -ENOENT : claim(cpu, id, &vs);

	if (rc)
		return rc;
	if (cpu->fpu == vs)
		backend_switch(cpu, cpu->root_vs);
	rc = user_copy(cpu, va, set ? (void *)cpu->page : vs->fpu, PAGE_4K, !set);
	if (!rc && set && !fpu_valid(cpu, (const struct xsave *)cpu->page))
		rc = -EINVAL;
	else if (!rc && set)
		memcpy(vs->fpu, cpu->page, PAGE_4K);
	vs_unclaim(vs);
	return rc;
}
