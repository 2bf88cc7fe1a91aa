// SPDX-License-Identifier: MIT
/* Page tables alone: leaves, splits, roll-back, and that ptab_need tells the truth. */
#include "machine.h"
#include "ptab.h"

#include <stdlib.h>

#define MAX_TABLES 4096
#define FLAGS (PTE_P | PTE_W | PTE_U)
#define RO (PTE_P | PTE_U | PTE_NX)

/* Tables are numbered pages; `left` more may be had. */
static u8 *tables[MAX_TABLES];
static u64 used, taken, left;

static spa_t alloc(void *ctx)
{
	u64 i;

	(void)ctx;
	if (!left)
		return SPA_NONE;
	left--;
	for (i = 1; tables[i]; i++)
		assert_true(i < MAX_TABLES - 1);
	tables[i] = aligned_alloc(PAGE_4K, PAGE_4K);
	memset(tables[i], 0, PAGE_4K);
	used++;
	taken++;
	return SPA(i * PAGE_4K);
}

static void release(void *ctx, spa_t table)
{
	u64 i = table.v / PAGE_4K;

	(void)ctx;
	assert_non_null(tables[i]);
	free(tables[i]);
	tables[i] = NULL;
	used--;
}

static void *virt(spa_t table)
{
	assert_non_null(tables[table.v / PAGE_4K]);
	return tables[table.v / PAGE_4K];
}

static const struct ptab_ops ops = { alloc, release, virt };
static struct ptab pt;

static int setup(void **state)
{
	(void)state;
	used = 0;
	left = MAX_TABLES;
	pt = (struct ptab){ .ops = &ops, .max_level = 3 };
	pt.root = alloc(NULL);
	taken = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ptab_clear(&pt);
	assert_int_equal(used, 1);
	release(NULL, pt.root);
	return 0;
}

/* The level of the leaf at va; checks where it leads. 0: none. */
static int leads(u64 va, u64 pa, u64 flags)
{
	struct ptab_leaf leaf;

	if (!ptab_find(&pt, va, &leaf))
		return 0;
	assert_int_equal(leaf.bytes, PAGE_4K << (9 * (leaf.level - 1)));
	assert_int_equal(leaf.base, va & ~(leaf.bytes - 1));
	assert_int_equal((*leaf.entry & PTE_ADDR) + (va - leaf.base), pa);
	assert_int_equal(*leaf.entry & PTE_FLAGS, flags);
	assert_int_equal(!!(*leaf.entry & PTE_LARGE), leaf.level > 1);
	return leaf.level;
}

static void largest_leaves(void **state)
{
	(void)state;
	assert_int_equal(ptab_map(&pt, PAGE_1G - PAGE_2M - PAGE_4K, 7 * PAGE_1G - PAGE_2M - PAGE_4K,
				  PAGE_4K + PAGE_2M + PAGE_1G + PAGE_2M + PAGE_4K, FLAGS), 0);
	assert_int_equal(leads(PAGE_1G - PAGE_2M - PAGE_4K, 7 * PAGE_1G - PAGE_2M - PAGE_4K, FLAGS),
			 1);
	assert_int_equal(leads(PAGE_1G - PAGE_2M, 7 * PAGE_1G - PAGE_2M, FLAGS), 2);
	assert_int_equal(leads(PAGE_1G + 0x123000, 7 * PAGE_1G + 0x123000, FLAGS), 3);
	assert_int_equal(leads(2 * PAGE_1G, 8 * PAGE_1G, FLAGS), 2);
	assert_int_equal(leads(2 * PAGE_1G + PAGE_2M, 8 * PAGE_1G + PAGE_2M, FLAGS), 1);
	assert_int_equal(leads(2 * PAGE_1G + PAGE_2M + PAGE_4K, 0, 0), 0);
	assert_int_equal(leads(PAGE_1G - PAGE_2M - 2 * PAGE_4K, 0, 0), 0);
}

/* Both addresses must be aligned for a large leaf, and the CPU must have it. */
static void no_large_leaf(void **state)
{
	(void)state;
	assert_int_equal(ptab_map(&pt, 0, PAGE_2M, PAGE_1G, FLAGS), 0);
	assert_int_equal(leads(0, PAGE_2M, FLAGS), 2);
	assert_int_equal(ptab_map(&pt, 4 * PAGE_1G, PAGE_4K, PAGE_2M, RO), 0);
	assert_int_equal(leads(4 * PAGE_1G, PAGE_4K, RO), 1);
	pt.max_level = 2;
	assert_int_equal(ptab_map(&pt, 8 * PAGE_1G, 0, PAGE_1G, FLAGS), 0);
	assert_int_equal(leads(8 * PAGE_1G, 0, FLAGS), 2);
	pt.max_level = 1;
	assert_int_equal(ptab_map(&pt, 12 * PAGE_1G, 0, PAGE_2M, FLAGS), 0);
	assert_int_equal(leads(12 * PAGE_1G, 0, FLAGS), 1);
}

static void split_keeps_the_rest(void **state)
{
	u64 va;

	(void)state;
	assert_int_equal(ptab_map(&pt, 0, PAGE_1G, PAGE_1G, RO), 0);
	taken = 0;
	assert_int_equal(ptab_unmap(&pt, PAGE_2M + PAGE_4K, PAGE_4K), 0);
	assert_int_equal(taken, 2);
	assert_int_equal(leads(0, PAGE_1G, RO), 2);
	assert_int_equal(leads(PAGE_2M + PAGE_4K, 0, 0), 0);
	for (va = PAGE_2M; va < 2 * PAGE_2M; va += PAGE_4K)
		if (va != PAGE_2M + PAGE_4K)
			assert_int_equal(leads(va, PAGE_1G + va, RO), 1);
	assert_int_equal(leads(PAGE_1G - PAGE_4K, 2 * PAGE_1G - PAGE_4K, RO), 2);
}

static void exists_rolls_back(void **state)
{
	(void)state;
	assert_int_equal(ptab_map(&pt, PAGE_1G + PAGE_4K, 0, PAGE_4K, RO), 0);
	/* A large leaf, small ones, and then the page that is there. */
	assert_int_equal(
		ptab_map(&pt, PAGE_1G - PAGE_2M, 3 * PAGE_1G - PAGE_2M, 2 * PAGE_2M, FLAGS),
		-EEXIST);
	assert_int_equal(leads(PAGE_1G - PAGE_2M, 0, 0), 0);
	assert_int_equal(leads(PAGE_1G, 0, 0), 0);
	assert_int_equal(leads(PAGE_1G + PAGE_4K, 0, RO), 1);
	assert_int_equal(ptab_map(&pt, PAGE_1G, 0, PAGE_1G, FLAGS), -EEXIST);
	/* Within a large leaf. */
	assert_int_equal(ptab_map(&pt, 4 * PAGE_1G, 0, PAGE_1G, FLAGS), 0);
	assert_int_equal(ptab_map(&pt, 4 * PAGE_1G - PAGE_4K, 0, 2 * PAGE_4K, FLAGS), -EEXIST);
	assert_int_equal(leads(4 * PAGE_1G - PAGE_4K, 0, 0), 0);
	assert_int_equal(leads(4 * PAGE_1G, 0, FLAGS), 3);
}

/* Whatever number of tables there is: all or nothing. */
static void no_memory_rolls_back(void **state)
{
	const u64 va = PAGE_1G - PAGE_2M - PAGE_4K, bytes = 2 * PAGE_4K + PAGE_2M + PAGE_4K;
	u64 n, at;

	(void)state;
	for (n = 0; n < 5; n++) {
		left = n;
		assert_int_equal(ptab_map(&pt, va, va, bytes, FLAGS), -ENOMEM);
		for (at = va; at < va + bytes; at += PAGE_4K)
			assert_int_equal(leads(at, 0, 0), 0);
		ptab_clear(&pt);
	}
	left = 5;
	assert_int_equal(ptab_need(&pt, va, va, bytes, 0), 5);
	assert_int_equal(ptab_map(&pt, va, va, bytes, FLAGS), 0);
	assert_int_equal(left, 0);
}

static void unmap_is_all_or_nothing(void **state)
{
	(void)state;
	assert_int_equal(ptab_map(&pt, 0, 0, 2 * PAGE_2M, FLAGS), 0);
	assert_int_equal(ptab_unmap(&pt, PAGE_2M, PAGE_2M + PAGE_4K), -ENOENT);
	assert_int_equal(leads(PAGE_2M, PAGE_2M, FLAGS), 2);
	left = 0;
	assert_int_equal(ptab_unmap(&pt, 0, PAGE_2M + PAGE_4K), -ENOMEM);
	assert_int_equal(leads(0, 0, FLAGS), 2);
	assert_int_equal(leads(PAGE_2M, PAGE_2M, FLAGS), 2);
	assert_int_equal(ptab_unmap(&pt, 0, 2 * PAGE_2M), 0);
	assert_int_equal(ptab_unmap(&pt, 0, PAGE_4K), -ENOENT);
}

/* Where tables without entries are left, a large leaf takes their place. */
static void empty_tables_go(void **state)
{
	u64 before;

	(void)state;
	assert_int_equal(ptab_map(&pt, 0, PAGE_4K, 3 * PAGE_2M, FLAGS), 0);
	assert_int_equal(ptab_unmap(&pt, 0, 3 * PAGE_2M), 0);
	before = used;
	assert_int_equal(ptab_need(&pt, 0, 0, PAGE_2M, 0), 0);
	assert_int_equal(ptab_map(&pt, 0, 0, PAGE_2M, FLAGS), 0);
	assert_int_equal(leads(0, 0, FLAGS), 2);
	assert_int_equal(used, before - 1);
	assert_int_equal(ptab_unmap(&pt, 0, PAGE_2M), 0);
	assert_int_equal(ptab_map(&pt, 0, PAGE_1G, PAGE_1G, FLAGS), 0);
	assert_int_equal(leads(0x3000, PAGE_1G + 0x3000, FLAGS), 3);
	assert_int_equal(used, 2); /* the top and the one below */
}

struct visit {
	u64 count, bytes, last;
};

static void visit(void *arg, const struct ptab_leaf *leaf)
{
	struct visit *v = arg;

	assert_true(!v->count || leaf->base > v->last);
	v->count++;
	v->bytes += leaf->bytes;
	v->last = leaf->base;
}

static void each_visits_leaves_in_order(void **state)
{
	struct visit v = { 0 };

	(void)state;
	assert_int_equal(ptab_map(&pt, PAGE_4K, 0, PAGE_4K, FLAGS), 0);
	assert_int_equal(ptab_map(&pt, PAGE_2M, 0, PAGE_2M, FLAGS), 0);
	assert_int_equal(ptab_map(&pt, 5 * PAGE_1G, 0, PAGE_1G, FLAGS), 0);
	assert_int_equal(ptab_map(&pt, MK_GPA_END - PAGE_4K, 0, PAGE_4K, FLAGS), 0);
	ptab_each(&pt, 0, MK_GPA_END, visit, &v);
	assert_int_equal(v.count, 4);
	assert_int_equal(v.bytes, 2 * PAGE_4K + PAGE_2M + PAGE_1G);
	v = (struct visit){ 0 };
	ptab_each(&pt, PAGE_2M + PAGE_4K, 5 * PAGE_1G, visit, &v);
	assert_int_equal(v.count, 1);
}

static void merge_identity(void **state)
{
	u64 before, *e;

	(void)state;
	assert_int_equal(ptab_map(&pt, 0, 0, PAGE_1G, FLAGS), 0);
	e = ptab_entry(&pt, PAGE_2M + 5 * PAGE_4K);
	before = used;
	*e = RO;
	ptab_merge_identity(&pt, PAGE_2M, FLAGS);
	assert_int_equal(used, before);
	*e = (PAGE_2M + 6 * PAGE_4K) | FLAGS;
	ptab_merge_identity(&pt, PAGE_2M + 7 * PAGE_4K, FLAGS);
	assert_int_equal(used, before);
	*e = (PAGE_2M + 5 * PAGE_4K) | FLAGS | BIT(5) | BIT(6); /* accessed, dirty */
	ptab_merge_identity(&pt, PAGE_2M + 7 * PAGE_4K, FLAGS);
	assert_int_equal(used, before - 1);
	assert_int_equal(leads(PAGE_2M + PAGE_4K, PAGE_2M + PAGE_4K, FLAGS), 2);
}

static void shared_table(void **state)
{
	spa_t table = alloc(NULL);
	u64 *t = virt(table);

	(void)state;
	t[3] = 0x5000 | RO;
	assert_int_equal(ptab_map(&pt, 0, 0, 2 * PAGE_1G, FLAGS), 0);
	assert_int_equal(ptab_set_table(&pt, PAGE_1G + PAGE_2M, table), 0);
	assert_int_equal(leads(PAGE_1G + PAGE_2M + 3 * PAGE_4K, 0x5000, RO), 1);
	assert_int_equal(leads(PAGE_1G + PAGE_2M, 0, 0), 0);
	assert_int_equal(leads(PAGE_1G, PAGE_1G, FLAGS), 2);
	left = 0;
	assert_int_equal(ptab_set_table(&pt, 0, table), -ENOMEM);
	assert_int_equal(leads(0, 0, FLAGS), 3);
}

/* --- random changes against ptab_need and a model of 4 KiB pages --- */

#define MODEL_PAGES (3 * 512 * 512ULL) /* 3 GiB, where most of the edges are */
static u64 model[MODEL_PAGES]; /* pa | 1, or 0 */

static u64 pick(u64 limit)
{
	static const u64 steps[] = { 1, 1, 7, 512, 512, 512 * 512 };
	u64 step = steps[machine_random() % ARRAY_SIZE(steps)];

	return machine_random() % (limit / step + 1) * step;
}

static bool range_is(u64 page, u64 pages, bool mapped)
{
	u64 i;

	for (i = page; i < page + pages; i++)
		if (!!model[i] != mapped)
			return false;
	return true;
}

static void model_set(u64 page, u64 pages, u64 value)
{
	u64 i;

	for (i = 0; i < pages; i++)
		model[page + i] = value ? value + i * PAGE_4K : 0;
}

static void step_map(u64 page, u64 pages)
{
	u64 pa = machine_random() % 2 ? page * PAGE_4K : pick(MODEL_PAGES) * PAGE_4K;
	u64 need = ptab_need(&pt, page * PAGE_4K, pa, pages * PAGE_4K, 0);
	int rc;

	taken = 0;
	rc = ptab_map(&pt, page * PAGE_4K, pa, pages * PAGE_4K, FLAGS);
	if (!range_is(page, pages, false)) {
		assert_int_equal(rc, -EEXIST);
		return;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(taken, need);
	model_set(page, pages, pa | 1);
}

static void step_unmap(u64 page, u64 pages)
{
	bool mapped = range_is(page, pages, true);
	u64 need = mapped ? ptab_need(&pt, page * PAGE_4K, ~0ULL, pages * PAGE_4K, 0) : 0;

	taken = 0;
	assert_int_equal(ptab_unmap(&pt, page * PAGE_4K, pages * PAGE_4K), mapped ? 0 : -ENOENT);
	assert_int_equal(taken, need);
	if (mapped)
		model_set(page, pages, 0);
}

static void check_model(void)
{
	struct ptab_leaf leaf;
	u64 i, end;

	for (i = 0; i < MODEL_PAGES; i = end) {
		bool found = ptab_find(&pt, i * PAGE_4K, &leaf);

		end = (leaf.base + leaf.bytes) / PAGE_4K;
		for (; i < end && i < MODEL_PAGES; i++)
			if (found)
				assert_int_equal(model[i] & ~1ULL, (*leaf.entry & PTE_ADDR) +
									   i * PAGE_4K - leaf.base);
			else
				assert_int_equal(model[i], 0);
	}
}

static void random_changes(void **state)
{
	int i;

	(void)state;
	memset(model, 0, sizeof(model));
	for (i = 0; i < 600; i++) {
		u64 page = pick(MODEL_PAGES - 1), pages = 1 + pick(MODEL_PAGES - 1 - page);

		pt.max_level = 2 + i / 300;
		if (machine_random() % 2)
			step_map(page, pages);
		else
			step_unmap(page, pages);
		if (i % 50 == 49)
			check_model();
	}
}

/* A list in ascending order, each entry told where the one before ended: the sum is exact. */
static void lists_are_summed_exactly(void **state)
{
	int round, i;

	(void)state;
	for (round = 0; round < 200; round++) {
		struct {
			u64 va, pa, bytes;
		} list[6];
		u64 at = 0, after = 0, need = 0;

		left = MAX_TABLES - 1;
		for (i = 0; i < 6; i++) {
			at += pick(600);
			list[i].va = at * PAGE_4K;
			list[i].pa = machine_random() % 2 ? list[i].va : pick(100000) * PAGE_4K;
			list[i].bytes = (1 + pick(machine_random() % 8 ? 700 : 600000)) * PAGE_4K;
			at += list[i].bytes / PAGE_4K;
			need += ptab_need(&pt, list[i].va, list[i].pa, list[i].bytes, after);
			after = at * PAGE_4K;
		}
		taken = 0;
		for (i = 0; i < 6; i++)
			assert_int_equal(
				ptab_map(&pt, list[i].va, list[i].pa, list[i].bytes, FLAGS), 0);
		assert_int_equal(taken, need);

		/* The same for taking pieces out of it again. */
		need = after = 0;
		for (i = 0; i < 6; i++) {
			u64 pages = list[i].bytes / PAGE_4K, skip = pick(pages - 1);

			list[i].va += skip * PAGE_4K;
			list[i].bytes = (1 + pick(pages - skip - 1)) * PAGE_4K;
			need += ptab_need(&pt, list[i].va, ~0ULL, list[i].bytes, after);
			after = list[i].va + list[i].bytes;
		}
		taken = 0;
		for (i = 0; i < 6; i++)
			assert_int_equal(ptab_unmap(&pt, list[i].va, list[i].bytes), 0);
		assert_int_equal(taken, need);
		ptab_clear(&pt);
	}
}

static int group_setup(void **state)
{
	(void)state;
	machine_reset();
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(largest_leaves),
		T(no_large_leaf),
		T(split_keeps_the_rest),
		T(exists_rolls_back),
		T(no_memory_rolls_back),
		T(unmap_is_all_or_nothing),
		T(empty_tables_go),
		T(each_visits_leaves_in_order),
		T(merge_identity),
		T(shared_table),
		T(random_changes),
		T(lists_are_summed_exactly),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
