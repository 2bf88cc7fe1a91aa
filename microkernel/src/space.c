// SPDX-License-Identifier: MIT
/*
 * Address spaces of guests. See space.h. Order of locks: space, then root space, then
 * pool, then frames.
 */
#include "space.h"

#include <errno.h>

#include "epoch.h"
#include "root_space.h"
#include "user.h"

static struct space spaces[MV_MAX_VMS];

/* What a space without tables looks like; only read. */
static u64 no_tables[512] __attribute__((aligned(4096)));

static void *table_virt(spa_t table)
{
	return table.v == SPA_NONE.v ? (void *)no_tables : hw_virt(table);
}

static spa_t table_alloc(void *ctx)
{
	return pool_alloc(ctx);
}

static void table_free(void *ctx, spa_t table)
{
	pool_free(ctx, table);
}

static const struct ptab_ops table_ops = {
	.alloc = table_alloc,
	.free = table_free,
	.virt = table_virt,
};

static void space_reset(struct space *s, u64 id)
{
	s->id = id;
	s->vss = 0;
	s->top_slots = 0;
	s->epoch = 0;
	pool_init(&s->pool);
	s->npt = (struct ptab){
		.root = SPA_NONE,
		.ops = &table_ops,
		.ctx = &s->pool,
		.max_level = root_space_max_level(),
	};
}

struct space *space_root(void)
{
	return &spaces[MV_ROOT_VMID];
}

struct space *space_get(u64 id)
{
	if (id >= MV_MAX_VMS || spaces[id].phase != SPACE_LIVE)
		return NULL;
	return &spaces[id];
}

/* A guest's space, locked, or NULL. */
static struct space *space_lock(u64 id)
{
	struct space *s = space_get(id);

	if (!s || id == MV_ROOT_VMID)
		return NULL;
	spin_lock(&s->lock);
	if (s->phase == SPACE_LIVE)
		return s;
	spin_unlock(&s->lock);
	return NULL;
}

void space_init(bool has_1g)
{
	struct space *root = space_root();

	root_space_set_levels(has_1g);
	space_reset(root, MV_ROOT_VMID);
	root->phase = SPACE_LIVE;
}

/* The top table comes with the first need: a new space has no pages at all. */
static int make_top(struct space *s)
{
	if (s->npt.root.v == SPA_NONE.v)
		s->npt.root = pool_alloc(&s->pool);
	return s->npt.root.v == SPA_NONE.v ? -ENOMEM : 0;
}

s64 space_create(u64 id)
{
	s64 rc = -EEXIST;

	if (id >= MV_MAX_VMS || id == MV_ROOT_VMID)
		return -EINVAL;
	spin_lock(&spaces[id].lock);
	if (spaces[id].phase == SPACE_UNUSED) {
		space_reset(&spaces[id], id);
		spaces[id].phase = SPACE_LIVE;
		rc = 0;
	}
	spin_unlock(&spaces[id].lock);
	return rc;
}

struct unlend_range {
	u64 start, end;
};

static void unlend_part(void *arg, const struct ptab_leaf *leaf)
{
	struct unlend_range *r = arg;
	u64 from = leaf->base > r->start ? leaf->base : r->start;
	u64 leaf_end = leaf->base + leaf->bytes;
	u64 to = leaf_end < r->end ? leaf_end : r->end;
	u64 spa = *leaf->entry & PTE_ADDR & ~(leaf->bytes - 1);

	frame_unlend(SPA(spa + (from - leaf->base)), to - from);
}

/* Nothing may refer to the pool's pages when they go: tables first, pages an epoch later. */
static void unmap_all(struct space *s)
{
	struct unlend_range all = { 0, MK_GPA_END };

	if (s->npt.root.v != SPA_NONE.v) {
		ptab_each(&s->npt, 0, MK_GPA_END, unlend_part, &all);
		ptab_clear(&s->npt);
		pool_free(&s->pool, s->npt.root);
		s->npt.root = SPA_NONE;
	}
	s->epoch = epoch_bump();
	s->phase = SPACE_UNMAPPED;
}

static void return_pages(struct space *s)
{
	spa_t page;

	while (page = pool_drain(&s->pool), page.v != SPA_NONE.v)
		root_space_show(page);
	s->epoch = epoch_bump();
	s->phase = SPACE_RETURNED;
}

s64 space_destroy(u64 id)
{
	struct space *s = id < MV_MAX_VMS && id != MV_ROOT_VMID ? &spaces[id] : NULL;
	s64 rc = -EAGAIN;

	if (!s)
		return -ENOENT;
	spin_lock(&s->lock);
	if (s->phase == SPACE_UNUSED)
		rc = -ENOENT;
	else if (s->vss)
		rc = -EBUSY;
	else if (s->phase == SPACE_LIVE)
		unmap_all(s);
	if (s->phase == SPACE_UNMAPPED && epoch_passed(s->epoch))
		return_pages(s);
	if (s->phase == SPACE_RETURNED && epoch_passed(s->epoch)) {
		s->phase = SPACE_UNUSED;
		rc = 0;
	}
	spin_unlock(&s->lock);
	return rc;
}

static bool range_ok(u64 at, u64 bytes, u64 end)
{
	return bytes && is_aligned(at | bytes, PAGE_4K) && bytes <= end && at <= end - bytes;
}

static u64 leaf_flags_of(u64 map_flags)
{
	return PTE_P | PTE_U | (map_flags & MV_MAP_FLAG_WRITE_ACCESS ? PTE_W : 0) |
	       (map_flags & MV_MAP_FLAG_EXECUTE_ACCESS ? 0 : PTE_NX);
}

static void use_slots(struct space *s, u64 last)
{
	u32 slots = last / ptab_span(4) + 1;

	if (s->top_slots < slots)
		s->top_slots = slots;
}

s64 space_map(u64 id, gpa_t gpa, spa_t spa, u64 bytes, u64 flags)
{
	struct space *s;
	int rc;

	if (!range_ok(gpa.v, bytes, MK_GPA_END) || !range_ok(spa.v, bytes, MK_DIRECT_MAX) ||
	    !(flags & MV_MAP_FLAG_READ_ACCESS) || (flags & ~MV_MAP_FLAGS_SUPPORTED))
		return -EINVAL;
	s = space_lock(id);
	if (!s)
		return -ENOENT;
	rc = make_top(s);
	if (!rc)
		rc = frame_lend(spa, bytes);
	if (!rc) {
		rc = ptab_map(&s->npt, gpa.v, spa.v, bytes, leaf_flags_of(flags));
		if (rc)
			frame_unlend(spa, bytes);
		else
			use_slots(s, gpa.v + bytes - 1);
	}
	spin_unlock(&s->lock);
	return rc;
}

/*
 * The pages are no longer lent at once, though a TLB may still know them: root gets them
 * back only when space_quiesce says so, and what it donates waits for a newer epoch.
 */
s64 space_unmap(u64 id, gpa_t gpa, u64 bytes)
{
	struct unlend_range range = { gpa.v, gpa.v + bytes };
	struct space *s;
	int rc;

	if (!range_ok(gpa.v, bytes, MK_GPA_END))
		return -EINVAL;
	s = space_lock(id);
	if (!s)
		return -ENOENT;
	rc = ptab_can_unmap(&s->npt, gpa.v, bytes);
	if (!rc) {
		ptab_each(&s->npt, gpa.v, gpa.v + bytes, unlend_part, &range);
		ptab_unmap(&s->npt, gpa.v, bytes);
		s->epoch = epoch_bump();
	}
	spin_unlock(&s->lock);
	return rc;
}

s64 space_quiesce(u64 id)
{
	if (id >= MV_MAX_VMS || spaces[id].phase == SPACE_UNUSED)
		return -ENOENT;
	return epoch_passed_by(spaces[id].epoch, id != MV_ROOT_VMID) ? 0 : -EAGAIN;
}

/* The D bits (APM vol. 2, 15.25.5) of up to 64 pages of one table, from e on, as a mask. */
static u64 take_dirty(u64 *e, u64 pages)
{
	u64 mask = 0, i;

	for (i = 0; i < pages; i++)
		if (e[i] & PTE_D && __atomic_fetch_and(&e[i], ~PTE_D, __ATOMIC_SEQ_CST) & PTE_D)
			mask |= BIT(i);
	return mask;
}

/*
 * A TLB may go on to let writes through to pages that it knows as dirty. They need no bit of
 * their own as long as root looks at these pages only when space_quiesce says so.
 */
s64 space_dirty(struct cpu *cpu, u64 id, gpa_t gpa, u64 bytes, u64 va)
{
	u64 at, next, mask, any = 0, end = gpa.v + bytes;
	struct space *s;
	s64 rc;

	if (!range_ok(gpa.v, bytes, MK_GPA_END))
		return -EINVAL;
	s = space_lock(id);
	if (!s)
		return -ENOENT;
	rc = make_top(s);
	for (at = gpa.v; !rc && at < end; at = align_down(at, PAGE_2M) + PAGE_2M)
		rc = ptab_entry(&s->npt, at) ? 0 : -ENOMEM;
	for (at = gpa.v; !rc && at < end; at = next, va += sizeof(mask)) {
		next = align_down(at, 64 * PAGE_4K) + 64 * PAGE_4K;
		if (next > end)
			next = end;
		mask = take_dirty(ptab_entry(&s->npt, at), (next - at) / PAGE_4K);
		any |= mask;
		mask <<= at / PAGE_4K % 64;
		rc = user_copy(cpu, va, &mask, sizeof(mask), true);
	}
	if (any)
		s->epoch = epoch_bump();
	spin_unlock(&s->lock);
	return rc;
}

s64 space_donate(u64 id, spa_t spa, u64 bytes)
{
	struct space *s;
	u64 at;
	s64 rc;

	if (!range_ok(spa.v, bytes, MK_DIRECT_MAX))
		return -EINVAL;
	s = space_lock(id);
	if (!s)
		return -ENOENT;
	rc = frame_claim(spa, bytes);
	if (rc)
		goto out;
	rc = root_space_hide(spa, bytes);
	if (rc) {
		frame_release(spa, bytes);
		goto out;
	}
	for (at = spa.v; at < spa.v + bytes; at += PAGE_4K)
		pool_free(&s->pool, SPA(at));
	s->epoch = epoch_bump();
	space_root()->epoch = s->epoch;
out:
	spin_unlock(&s->lock);
	return rc;
}

static void count_bytes(void *arg, const struct ptab_leaf *leaf)
{
	*(u64 *)arg += leaf->bytes;
}

/* Whether the change itself would be refused. */
static int check_change(struct space *s, gpa_t gpa, spa_t spa, u64 bytes)
{
	u64 mapped = 0;

	if (spa.v != ~0ULL) {
		ptab_each(&s->npt, gpa.v, gpa.v + bytes, count_bytes, &mapped);
		return mapped ? -EEXIST : frame_check(spa, bytes, FRAME_LENT_MAX - 1);
	}
	return ptab_mapped(&s->npt, gpa.v, bytes) ? 0 : -ENOENT;
}

s64 space_need(u64 id, gpa_t gpa, spa_t spa, u64 bytes, u64 after)
{
	struct space *s;
	s64 n;

	if (gpa.v == ~0ULL) /* to donate */
		return range_ok(spa.v, bytes, MK_DIRECT_MAX) ? frame_check(spa, bytes, 0) : -EINVAL;
	if (!range_ok(gpa.v, bytes, MK_GPA_END) ||
	    (spa.v != ~0ULL && !range_ok(spa.v, bytes, MK_DIRECT_MAX)))
		return -EINVAL;
	s = space_lock(id);
	if (!s)
		return -ENOENT;
	n = check_change(s, gpa, spa, bytes);
	if (!n) {
		n = ptab_need(&s->npt, gpa.v, spa.v, bytes, after);
		if (s->npt.root.v == SPA_NONE.v && !after)
			n++;
	}
	spin_unlock(&s->lock);
	return n;
}

s64 space_free(u64 id)
{
	struct space *s = space_lock(id);
	s64 n;

	if (!s)
		return -ENOENT;
	n = pool_available(&s->pool);
	spin_unlock(&s->lock);
	return n;
}

int space_hold(u64 id, struct space **space)
{
	struct space *s = space_lock(id);
	int rc;

	if (!s)
		return -ENOENT;
	rc = make_top(s);
	if (!rc) {
		s->vss++;
		*space = s;
	}
	spin_unlock(&s->lock);
	return rc;
}

void space_drop(struct space *s)
{
	spin_lock(&s->lock);
	s->vss--;
	spin_unlock(&s->lock);
}
