// SPDX-License-Identifier: MIT
/*
 * Four-level page tables. See ptab.h.
 */
#ifdef __KERNEL__
#include <linux/errno.h>
#else
#include <errno.h>
#endif
#include "ptab.h"

#define ENTRIES 512
#define TOP_LEVEL 4

/* What a table entry above a leaf allows: everything; the leaves decide. */
#define PTE_TABLE (PTE_P | PTE_W | PTE_U)

static u64 *table_of(struct ptab *pt, spa_t table)
{
	return pt->ops->virt(table);
}

static unsigned int index_of(u64 va, int level)
{
	return (va >> (12 + 9 * (level - 1))) & (ENTRIES - 1);
}

static bool is_leaf(u64 e, int level)
{
	return (e & PTE_P) && (level == 1 || (e & PTE_LARGE));
}

static u64 leaf_flags(u64 flags, int level)
{
	return flags | (level > 1 ? PTE_LARGE : 0);
}

/* The highest level at which a leaf can start at va -> pa with so many bytes left. */
static int leaf_level(const struct ptab *pt, u64 va, u64 pa, u64 bytes)
{
	int level = pt->max_level;

	while (level > 1 && (!is_aligned(va | pa, ptab_span(level)) || bytes < ptab_span(level)))
		level--;
	return level;
}

/* Replaces a large leaf by a table of leaves one level lower. */
static bool split(struct ptab *pt, u64 *entry, int level)
{
	spa_t table = pt->ops->alloc(pt->ctx);
	u64 old = *entry, *t;
	int i;

	if (table.v == SPA_NONE.v)
		return false;
	t = table_of(pt, table);
	for (i = 0; i < ENTRIES; i++)
		t[i] = ((old & PTE_ADDR) + i * ptab_span(level - 1)) |
		       leaf_flags(old & (PTE_FLAGS | PTE_D), level - 1);
	*entry = table.v | PTE_TABLE;
	return true;
}

/* The entry for va at `level`, making and splitting what is above it. NULL: no table. */
static u64 *walk_make(struct ptab *pt, u64 va, int level)
{
	u64 *t = table_of(pt, pt->root);
	int l;

	for (l = TOP_LEVEL; l > level; l--) {
		u64 *e = &t[index_of(va, l)];

		if (!(*e & PTE_P)) {
			spa_t table = pt->ops->alloc(pt->ctx);

			if (table.v == SPA_NONE.v)
				return NULL;
			*e = table.v | PTE_TABLE;
		} else if (is_leaf(*e, l) && !split(pt, e, l)) {
			return NULL;
		}
		t = table_of(pt, SPA(*e & PTE_ADDR));
	}
	return &t[index_of(va, level)];
}

bool ptab_find(struct ptab *pt, u64 va, struct ptab_leaf *leaf)
{
	u64 *t = table_of(pt, pt->root);
	int l;

	for (l = TOP_LEVEL; l > 0; l--) {
		u64 *e = &t[index_of(va, l)];

		*leaf = (struct ptab_leaf){ e, l, align_down(va, ptab_span(l)), ptab_span(l) };
		if (!(*e & PTE_P))
			return false;
		if (is_leaf(*e, l))
			return true;
		t = table_of(pt, SPA(*e & PTE_ADDR));
	}
	return false;
}

u64 *ptab_entry(struct ptab *pt, u64 va)
{
	return walk_make(pt, va, 1);
}

/* True if nothing is mapped below an entry of `level`; frees empty tables on the way. */
static bool entry_is_free(struct ptab *pt, u64 *e, int level)
{
	u64 *t;
	int i;

	if (!(*e & PTE_P))
		return true;
	if (is_leaf(*e, level))
		return false;
	t = table_of(pt, SPA(*e & PTE_ADDR));
	for (i = 0; i < ENTRIES; i++)
		if (!entry_is_free(pt, &t[i], level - 1))
			return false;
	pt->ops->free(pt->ctx, SPA(*e & PTE_ADDR));
	*e = 0;
	return true;
}

int ptab_map(struct ptab *pt, u64 va, u64 pa, u64 bytes, u64 flags)
{
	u64 done = 0;
	int rc;

	while (done < bytes) {
		int level = leaf_level(pt, va + done, pa + done, bytes - done);
		struct ptab_leaf leaf;
		u64 *e;

		rc = -EEXIST;
		if (ptab_find(pt, va + done, &leaf))
			goto undo;
		rc = -ENOMEM;
		e = walk_make(pt, va + done, level);
		if (!e)
			goto undo;
		rc = -EEXIST;
		if (!entry_is_free(pt, e, level))
			goto undo;
		*e = (pa + done) | leaf_flags(flags, level);
		done += ptab_span(level);
	}
	return 0;
undo:
	if (done)
		ptab_unmap(pt, va, done);
	return rc;
}

/* Splits the leaf that crosses address `at`, if there is one. */
static int split_at(struct ptab *pt, u64 at)
{
	struct ptab_leaf leaf;

	while (ptab_find(pt, at, &leaf) && leaf.base != at)
		if (!split(pt, leaf.entry, leaf.level))
			return -ENOMEM;
	return 0;
}

bool ptab_mapped(struct ptab *pt, u64 va, u64 bytes)
{
	struct ptab_leaf leaf;
	u64 at;

	for (at = va; at < va + bytes; at = leaf.base + leaf.bytes)
		if (!ptab_find(pt, at, &leaf))
			return false;
	return true;
}

int ptab_can_unmap(struct ptab *pt, u64 va, u64 bytes)
{
	if (!ptab_mapped(pt, va, bytes))
		return -ENOENT;
	return split_at(pt, va) || split_at(pt, va + bytes) ? -ENOMEM : 0;
}

int ptab_unmap(struct ptab *pt, u64 va, u64 bytes)
{
	int rc = ptab_can_unmap(pt, va, bytes);
	struct ptab_leaf leaf;
	u64 at;

	for (at = va; !rc && at < va + bytes; at = leaf.base + leaf.bytes) {
		ptab_find(pt, at, &leaf);
		*leaf.entry = 0;
	}
	return rc;
}

int ptab_set_table(struct ptab *pt, u64 va, spa_t table)
{
	u64 *e = walk_make(pt, va, 2);

	if (!e)
		return -ENOMEM;
	*e = table.v | PTE_TABLE;
	return 0;
}

/* Tables that ptab_find's result leaf says are missing down to `level`, at va. */
static u64 need_at(const struct ptab_leaf *leaf, u64 va, u64 start, int level, u64 after)
{
	u64 n = 0;
	int l;

	for (l = leaf->level; l > level; l--) {
		u64 span = ptab_span(l); /* what the missing table covers */

		if (after && align_down(after - 1, span) == align_down(va, span))
			continue;
		if (va == start || is_aligned(va, span))
			n++;
	}
	return n;
}

/* Leaves that a change ending or starting at `at` splits, but for those that were split
 * already because another one of its ends, `after`, lies in them. */
static u64 need_split(struct ptab *pt, u64 at, u64 after)
{
	struct ptab_leaf leaf;
	u64 n = 0;

	if (!ptab_find(pt, at, &leaf))
		return 0;
	for (; leaf.level > 1 && !is_aligned(at, ptab_span(leaf.level)); leaf.level--) {
		u64 span = ptab_span(leaf.level);

		if (!after || align_down(after - 1, span) != align_down(at, span))
			n++;
	}
	return n;
}

u64 ptab_need(struct ptab *pt, u64 va, u64 pa, u64 bytes, u64 after)
{
	u64 n = 0, done = 0;

	if (pa == ~0ULL)
		return need_split(pt, va, after) + need_split(pt, va + bytes, va);
	while (done < bytes) {
		int level = leaf_level(pt, va + done, pa + done, bytes - done);
		struct ptab_leaf leaf;

		if (!ptab_find(pt, va + done, &leaf))
			n += need_at(&leaf, va + done, va, level, after);
		done += ptab_span(level);
	}
	return n;
}

void ptab_each(struct ptab *pt, u64 va, u64 end,
	       void (*fn)(void *arg, const struct ptab_leaf *leaf), void *arg)
{
	struct ptab_leaf leaf;

	for (; va < end; va = leaf.base + leaf.bytes)
		if (ptab_find(pt, va, &leaf))
			fn(arg, &leaf);
}

void ptab_merge_identity(struct ptab *pt, u64 va, u64 flags)
{
	u64 base = align_down(va, PAGE_2M);
	struct ptab_leaf leaf;
	u64 *pd, *t;
	int i;

	if (pt->max_level < 2 || !ptab_find(pt, base, &leaf) || leaf.level != 1)
		return;
	pd = walk_make(pt, base, 2);
	t = table_of(pt, SPA(*pd & PTE_ADDR));
	for (i = 0; i < ENTRIES; i++)
		if ((t[i] & (PTE_ADDR | PTE_FLAGS)) != ((base + i * PAGE_4K) | flags))
			return;
	pt->ops->free(pt->ctx, SPA(*pd & PTE_ADDR));
	*pd = base | leaf_flags(flags, 2);
}

static void free_tables(struct ptab *pt, spa_t table, int level)
{
	u64 *t = table_of(pt, table);
	int i;

	for (i = 0; level > 1 && i < ENTRIES; i++)
		if ((t[i] & PTE_P) && !is_leaf(t[i], level))
			free_tables(pt, SPA(t[i] & PTE_ADDR), level - 1);
	pt->ops->free(pt->ctx, table);
}

void ptab_clear(struct ptab *pt)
{
	u64 *t = table_of(pt, pt->root);
	int i;

	for (i = 0; i < ENTRIES / 2; i++) {
		if (t[i] & PTE_P)
			free_tables(pt, SPA(t[i] & PTE_ADDR), TOP_LEVEL - 1);
		t[i] = 0;
	}
}
