// SPDX-License-Identifier: MIT
/* Whose pages are, see owners.h. */
#include "owners.h"

#include "hostile.h"

#define RANGES 512

/* Pages lent to a VM at gpa; or donated to it, with spa for gpa. */
struct range {
	u64 gpa, spa, bytes, flags;
};

struct ranges {
	struct range r[RANGES];
	unsigned int count;
};

static struct {
	struct ranges lent, donated;
	bool dying; /* what was donated comes back at some time */
} vms[OWNERS_VMS];

void owners_reset(void)
{
	unsigned int vm;

	for (vm = 0; vm < OWNERS_VMS; vm++)
		vms[vm].lent.count = vms[vm].donated.count = vms[vm].dying = 0;
}

static void add(struct ranges *all, struct range r)
{
	FUZZ_CHECK(all->count < RANGES);
	if (r.bytes)
		all->r[all->count++] = r;
}

void owners_map(unsigned int vm, const struct mv_mdl_entry_t *e)
{
	add(&vms[vm].lent, (struct range){ e->dst, e->src, e->bytes, e->flags });
}

/* What is left of r in front of `gpa`, or behind it. */
static struct range front(struct range r, u64 gpa)
{
	r.bytes = gpa > r.gpa ? gpa - r.gpa : 0;
	return r;
}

static struct range behind(struct range r, u64 gpa)
{
	const u64 skip = gpa - r.gpa;

	if (skip >= r.bytes)
		return (struct range){ 0 };
	return (struct range){ gpa, r.spa + skip, r.bytes - skip, r.flags };
}

/* Takes [from, from + bytes) out of the ranges: how many bytes of it they had. */
static u64 cut(struct ranges *all, u64 from, u64 bytes)
{
	u64 end = from + bytes, gone = 0;
	unsigned int i = 0;

	while (i < all->count) {
		struct range r = all->r[i];

		if (r.gpa >= end || r.gpa + r.bytes <= from) {
			i++;
			continue;
		}
		all->r[i] = all->r[--all->count];
		gone += r.bytes - front(r, from).bytes - behind(r, end).bytes;
		add(all, front(r, from));
		add(all, behind(r, end));
	}
	return gone;
}

void owners_unmap(unsigned int vm, const struct mv_mdl_entry_t *e)
{
	FUZZ_CHECK(cut(&vms[vm].lent, e->dst, e->bytes) == e->bytes); /* or it wasn't mapped */
}

/* What a VM that is being destroyed had may be root's again before that has ended. */
void owners_donate(unsigned int vm, const struct mv_mdl_entry_t *e)
{
	unsigned int other;

	for (other = 0; other < OWNERS_VMS; other++)
		FUZZ_CHECK(!cut(&vms[other].donated, e->src, e->bytes) || vms[other].dying);
	add(&vms[vm].donated, (struct range){ e->src, e->src, e->bytes, 0 });
}

void owners_destroy(unsigned int vm)
{
	vms[vm].lent.count = 0;
	vms[vm].dying = true;
}

static void check_returned(const struct range *r, bool zeroed)
{
	u64 at;

	for (at = r->spa; at < r->spa + r->bytes; at += PAGE_4K)
		FUZZ_CHECK(!frame_is_hv(SPA(at)) && machine_root_sees(at));
	FUZZ_CHECK(!zeroed || !machine_dirty_pages(r->spa, r->bytes));
}

void owners_destroyed(unsigned int vm, bool zeroed)
{
	unsigned int i;

	FUZZ_CHECK(!space_get(vm));
	for (i = 0; i < vms[vm].donated.count; i++)
		check_returned(&vms[vm].donated.r[i], zeroed);
	vms[vm].lent.count = vms[vm].donated.count = vms[vm].dying = 0;
}

/* What was mapped where a VM has a page; and how many bytes it has. */
struct mapped {
	const struct ranges *ranges;
	u64 bytes;
};

static void is_mapped(void *arg, const struct hostile_leaf *l)
{
	struct mapped *m = arg;
	unsigned int i;

	m->bytes += l->bytes;
	for (i = 0; i < m->ranges->count; i++) {
		const struct range *r = &m->ranges->r[i];

		if (l->va < r->gpa || l->va + l->bytes > r->gpa + r->bytes)
			continue;
		FUZZ_CHECK(l->spa == r->spa + (l->va - r->gpa));
		FUZZ_CHECK(l->write == !!(r->flags & MV_MAP_FLAG_WRITE_ACCESS));
		FUZZ_CHECK(l->execute == !!(r->flags & MV_MAP_FLAG_EXECUTE_ACCESS));
		return;
	}
	FUZZ_CHECK(!"root has mapped what a VM has");
}

static void check_lent(unsigned int vm)
{
	struct mapped m = { .ranges = &vms[vm].lent };
	struct space *s = space_get(vm);
	u64 bytes = 0;
	unsigned int i;

	if (s && s->npt.root.v != SPA_NONE.v)
		hostile_walk(s->npt.root, is_mapped, &m);
	for (i = 0; i < vms[vm].lent.count; i++)
		bytes += vms[vm].lent.r[i].bytes;
	FUZZ_CHECK(m.bytes == bytes);
}

static void check_donated(unsigned int vm)
{
	unsigned int i;
	u64 at;

	for (i = 0; !vms[vm].dying && i < vms[vm].donated.count; i++) {
		const struct range *r = &vms[vm].donated.r[i];

		for (at = r->spa; at < r->spa + r->bytes; at += PAGE_4K)
			FUZZ_CHECK(frame_is_hv(SPA(at)) && !machine_root_sees(at));
	}
}

void owners_check(void)
{
	unsigned int vm;

	for (vm = 1; vm < OWNERS_VMS; vm++) {
		check_lent(vm);
		check_donated(vm);
	}
}
