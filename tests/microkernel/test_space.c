// SPDX-License-Identifier: MIT
/* Guests' address spaces: what may be mapped and donated, and that root gets all back. */
#include "machine.h"

#define RWX (MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_WRITE_ACCESS | MV_MAP_FLAG_EXECUTE_ACCESS)
#define VM 5
#define POOL ROOT_RAM
#define RAM (ROOT_RAM + PAGE_1G)

static u64 pool_before;

static int group_setup(void **state)
{
	(void)state;
	machine_start(2);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	machine_vm(VM, POOL, 16);
	pool_before = machine_pool();
	return 0;
}

/* Nothing may be left: all is root's, in large pages, donated pages are zero. */
static int teardown(void **state)
{
	struct ptab_leaf leaf;

	(void)state;
	machine_vm_end(VM);
	assert_int_equal(frame_check(SPA(POOL), 2 * PAGE_1G, 0), 0);
	assert_int_equal(machine_dirty_pages(POOL, 16 * PAGE_4K), 0);
	assert_true(machine_gpa(space_root(), POOL, &leaf));
	assert_int_equal(leaf.level, 2);
	assert_true(machine_root_sees(POOL));
	assert_true(machine_pool() >= pool_before);
	return 0;
}

static s64 map(u64 gpa, u64 spa, u64 bytes, u64 flags)
{
	return space_map(VM, GPA(gpa), SPA(spa), bytes, flags);
}

static void ids(void **state)
{
	(void)state;
	assert_int_equal(space_create(VM), -EEXIST);
	assert_int_equal(space_create(0), -EINVAL);
	assert_int_equal(space_create(MV_MAX_VMS), -EINVAL);
	assert_int_equal(space_create(~0ULL), -EINVAL);
	assert_int_equal(space_destroy(0), -ENOENT);
	assert_int_equal(space_destroy(MV_MAX_VMS), -ENOENT);
	assert_int_equal(space_destroy(VM + 1), -ENOENT);
	assert_int_equal(space_free(VM + 1), -ENOENT);
	assert_int_equal(space_free(0), -ENOENT);
	assert_int_equal(space_quiesce(VM + 1), -ENOENT);
	assert_int_equal(space_quiesce(~0ULL), -ENOENT);
	assert_int_equal(space_map(VM + 1, GPA(0), SPA(RAM), PAGE_4K, RWX), -ENOENT);
	assert_int_equal(space_map(0, GPA(0), SPA(RAM), PAGE_4K, RWX), -ENOENT);
	assert_int_equal(space_unmap(0, GPA(RAM), PAGE_4K), -ENOENT);
	assert_int_equal(space_donate(0, SPA(RAM), PAGE_4K), -ENOENT);
	assert_true(machine_root_sees(RAM));
}

static void donated_pages_are_hidden(void **state)
{
	(void)state;
	assert_false(machine_root_sees(POOL));
	assert_false(machine_root_sees(POOL + 15 * PAGE_4K));
	assert_true(machine_root_sees(POOL + 16 * PAGE_4K));
	assert_true(machine_root_sees(POOL - PAGE_4K));
	assert_true(frame_is_hv(SPA(POOL + 15 * PAGE_4K)));
}

static void donation_is_refused(void **state)
{
	(void)state;
	assert_int_equal(space_donate(VM, SPA(POOL), PAGE_4K), -EPERM);
	assert_int_equal(space_donate(VM, SPA(POOL + 15 * PAGE_4K), 2 * PAGE_4K), -EPERM);
	assert_int_equal(space_donate(VM, SPA(0x4000000), PAGE_4K), -EPERM);
	assert_int_equal(space_donate(VM, SPA(MACHINE_LOW_END), PAGE_4K), -EPERM);
	assert_int_equal(space_donate(VM, SPA(RAM + 1), PAGE_4K), -EINVAL);
	assert_int_equal(space_donate(VM, SPA(RAM), PAGE_4K + 1), -EINVAL);
	assert_int_equal(space_donate(VM, SPA(RAM), 0), -EINVAL);
	assert_int_equal(space_donate(VM, SPA(MK_DIRECT_MAX), PAGE_4K), -EINVAL);
	assert_int_equal(space_donate(VM, SPA(~0ULL << 12), 2 * PAGE_4K), -EINVAL);
	assert_int_equal(map(0, RAM, PAGE_4K, RWX), 0);
	assert_int_equal(space_donate(VM, SPA(RAM), PAGE_4K), -EPERM);
	assert_int_equal(space_donate(VM, SPA(RAM - PAGE_4K), 2 * PAGE_4K), -EPERM);
	assert_false(frame_is_hv(SPA(RAM - PAGE_4K)));
	assert_true(machine_root_sees(RAM));
	assert_int_equal(space_need(0, GPA(~0ULL), SPA(RAM), PAGE_4K, 0), -EPERM);
	assert_int_equal(space_need(0, GPA(~0ULL), SPA(POOL), PAGE_4K, 0), -EPERM);
	assert_int_equal(space_need(0, GPA(~0ULL), SPA(RAM + PAGE_4K), PAGE_4K, 0), 0);
}

/* Root's tables can't be split: nothing has changed, and the next attempt works. */
static void donation_without_tables(void **state)
{
	struct pool *pool = &space_root()->pool;

	(void)state;
	machine_pool();
	machine_drain(pool);
	assert_int_equal(space_donate(VM, SPA(RAM), 2 * PAGE_4K), -ENOMEM);
	assert_false(frame_is_hv(SPA(RAM)));
	assert_true(machine_root_sees(RAM));
	machine_refill(pool);
	assert_int_equal(space_donate(VM, SPA(RAM), 2 * PAGE_4K), 0);
}

/* The donor's other CPUs may still write to a page; until they have left it is not used. */
static void donated_pages_wait(void **state)
{
	s64 before = space_free(VM);

	(void)state;
	assert_int_equal(space_donate(VM, SPA(RAM), 3 * PAGE_4K), 0);
	assert_int_equal(space_free(VM), before);
	assert_int_equal(space_quiesce(0), -EAGAIN);
	machine_visit(1);
	assert_int_equal(space_quiesce(0), 0);
	assert_int_equal(space_free(VM), before + 3);
}

static void flags_become_entry_bits(void **state)
{
	static const struct {
		u64 flags, entry;
	} cases[] = {
		{ MV_MAP_FLAG_READ_ACCESS, PTE_P | PTE_U | PTE_NX },
		{ MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_WRITE_ACCESS,
		  PTE_P | PTE_U | PTE_W | PTE_NX },
		{ MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_EXECUTE_ACCESS, PTE_P | PTE_U },
		{ RWX | MV_MAP_FLAG_USER | MV_MAP_FLAG_WRITE_BACK, PTE_P | PTE_U | PTE_W },
	};
	struct ptab_leaf leaf;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(map(i * PAGE_4K, RAM, PAGE_4K, cases[i].flags), 0);
		assert_true(machine_gpa(space_get(VM), i * PAGE_4K, &leaf));
		assert_int_equal(*leaf.entry, RAM | cases[i].entry);
	}
}

static void bad_arguments(void **state)
{
	unsigned int bit;

	(void)state;
	assert_int_equal(map(1, RAM, PAGE_4K, RWX), -EINVAL);
	assert_int_equal(map(0, RAM + 1, PAGE_4K, RWX), -EINVAL);
	assert_int_equal(map(0, RAM, PAGE_4K + 1, RWX), -EINVAL);
	assert_int_equal(map(0, RAM, 0, RWX), -EINVAL);
	assert_int_equal(map(MK_GPA_END, RAM, PAGE_4K, RWX), -EINVAL);
	assert_int_equal(map(MK_GPA_END - PAGE_4K, RAM, 2 * PAGE_4K, RWX), -EINVAL);
	assert_int_equal(map(0, MK_DIRECT_MAX, PAGE_4K, RWX), -EINVAL);
	assert_int_equal(map(PAGE_4K, RAM, ~0ULL << 12, RWX), -EINVAL);
	assert_int_equal(map(0, RAM, PAGE_4K, MV_MAP_FLAG_WRITE_ACCESS), -EINVAL);
	for (bit = 0; bit < 64; bit++)
		if (!(MV_MAP_FLAGS_SUPPORTED & BIT(bit)))
			assert_int_equal(map(0, RAM, PAGE_4K, RWX | BIT(bit)), -EINVAL);
	assert_int_equal(space_unmap(VM, GPA(1), PAGE_4K), -EINVAL);
	assert_int_equal(space_unmap(VM, GPA(0), 0), -EINVAL);
	assert_int_equal(space_unmap(VM, GPA(MK_GPA_END), PAGE_4K), -EINVAL);
	assert_int_equal(space_need(VM, GPA(1), SPA(RAM), PAGE_4K, 0), -EINVAL);
	assert_int_equal(space_need(VM, GPA(0), SPA(RAM + 1), PAGE_4K, 0), -EINVAL);
	assert_int_equal(map(MK_GPA_END - PAGE_4K, RAM, PAGE_4K, RWX), 0);
}

static void only_roots_ram_is_mapped(void **state)
{
	struct ptab_leaf leaf;

	(void)state;
	assert_int_equal(map(0, POOL, PAGE_4K, RWX), -EPERM);
	assert_int_equal(map(0, 0x4000000, PAGE_4K, RWX), -EPERM);
	assert_int_equal(map(0, 0x4000000 - PAGE_2M, 2 * PAGE_2M, RWX), -EPERM);
	assert_int_equal(map(0, 0xFEE00000, PAGE_4K, RWX), -EPERM);
	assert_int_equal(map(0, MACHINE_RAM_END, PAGE_4K, RWX), -EPERM);
	assert_int_equal(space_need(VM, GPA(0), SPA(POOL), PAGE_4K, 0), -EPERM);
	assert_false(machine_gpa(space_get(VM), 0, &leaf));
	assert_int_equal(frame_check(SPA(0x4000000 - PAGE_2M), PAGE_2M, 0), 0);
}

static void map_twice(void **state)
{
	(void)state;
	assert_int_equal(map(PAGE_4K, RAM, PAGE_4K, RWX), 0);
	assert_int_equal(map(PAGE_4K, RAM, PAGE_4K, RWX), -EEXIST);
	assert_int_equal(map(0, RAM + PAGE_2M, PAGE_2M, RWX), -EEXIST);
	assert_int_equal(frame_check(SPA(RAM + PAGE_2M), PAGE_2M, 0), 0);
	assert_int_equal(space_need(VM, GPA(0), SPA(RAM), 2 * PAGE_4K, 0), -EEXIST);
	/* One page of root may be at two places. */
	assert_int_equal(map(2 * PAGE_4K, RAM, PAGE_4K, RWX), 0);
	assert_int_equal(space_unmap(VM, GPA(PAGE_4K), PAGE_4K), 0);
	assert_int_equal(frame_check(SPA(RAM), PAGE_4K, 0), -EPERM);
	assert_int_equal(space_unmap(VM, GPA(2 * PAGE_4K), PAGE_4K), 0);
	assert_int_equal(frame_check(SPA(RAM), PAGE_4K, 0), 0);
}

static void unmap_part_of_a_large_page(void **state)
{
	(void)state;
	assert_int_equal(map(0, RAM, 2 * PAGE_2M, RWX), 0);
	assert_int_equal(space_need(VM, GPA(PAGE_2M - PAGE_4K), SPA(~0ULL), 2 * PAGE_4K, 0), 2);
	assert_int_equal(space_unmap(VM, GPA(PAGE_2M - PAGE_4K), 2 * PAGE_4K), 0);
	assert_int_equal(frame_check(SPA(RAM + PAGE_2M - PAGE_4K), 2 * PAGE_4K, 0), 0);
	assert_int_equal(frame_check(SPA(RAM + PAGE_2M - 2 * PAGE_4K), PAGE_4K, 0), -EPERM);
	assert_int_equal(frame_check(SPA(RAM + PAGE_2M + PAGE_4K), PAGE_4K, 0), -EPERM);
	assert_int_equal(space_unmap(VM, GPA(PAGE_2M - 2 * PAGE_4K), 2 * PAGE_4K), -ENOENT);
	assert_int_equal(space_need(VM, GPA(PAGE_2M - 2 * PAGE_4K), SPA(~0ULL), 2 * PAGE_4K, 0),
			 -ENOENT);
	assert_int_equal(frame_check(SPA(RAM + PAGE_2M - 2 * PAGE_4K), PAGE_4K, 0), -EPERM);
}

static void unmapped_pages_may_be_cached(void **state)
{
	(void)state;
	assert_int_equal(map(0, RAM, PAGE_4K, RWX), 0);
	machine_visit_all();
	assert_int_equal(space_quiesce(VM), 0);
	assert_int_equal(space_unmap(VM, GPA(0), PAGE_4K), 0);
	assert_int_equal(space_quiesce(VM), -EAGAIN);
	machine_visit(1);
	assert_int_equal(space_quiesce(VM), 0);
}

/* --- space_dirty --- */

#define STACK (MK_U_STACK_TOP - MK_U_STACK_SIZE)

static s64 dirty(u64 gpa, u64 bytes)
{
	return space_dirty(cpu_this(), VM, GPA(gpa), bytes, STACK);
}

static u64 *words(void)
{
	return machine_user(0, STACK, true);
}

static u64 *leaf_of(u64 gpa)
{
	struct ptab_leaf leaf;

	assert_true(machine_gpa(space_get(VM), gpa, &leaf));
	return leaf.entry;
}

/* Told once, by place; a TLB may still have it, so all CPUs must leave. */
static void dirty_pages(void **state)
{
	(void)state;
	assert_int_equal(map(0x3F000, RAM, 3 * PAGE_4K, RWX), 0);
	machine_visit_all();
	*leaf_of(0x3F000) |= PTE_D;
	*leaf_of(0x41000) |= PTE_D | BIT(5);
	memset(words(), 0xAA, 24);
	assert_int_equal(dirty(0x3F000, 2 * PAGE_4K), 0);
	assert_int_equal(words()[0], 1ULL << 63);
	assert_int_equal(words()[1], 0);
	assert_int_equal(words()[2], 0xAAAAAAAAAAAAAAAA);
	assert_int_equal(space_quiesce(VM), -EAGAIN);
	machine_visit(1);
	assert_int_equal(space_quiesce(VM), 0);
	assert_int_equal(dirty(0x3F000, 3 * PAGE_4K), 0);
	assert_int_equal(words()[0], 0);
	assert_int_equal(words()[1], 2);
	assert_int_equal(*leaf_of(0x41000), (RAM + 2 * PAGE_4K) | PTE_P | PTE_U | PTE_W | BIT(5));
	machine_visit(1);
	/* Nothing to tell: nobody need leave, and what isn't mapped is clean. */
	assert_int_equal(dirty(0, PAGE_2M), 0);
	assert_int_equal(words()[1], 0);
	assert_int_equal(space_quiesce(VM), 0);
}

static void dirty_splits_large_pages(void **state)
{
	struct ptab_leaf leaf;
	unsigned int i;

	(void)state;
	assert_int_equal(map(0, RAM, 3 * PAGE_2M, RWX), 0);
	assert_int_equal(dirty(PAGE_2M, PAGE_4K), 0);
	assert_int_equal(words()[0], 0);
	assert_true(machine_gpa(space_get(VM), PAGE_2M, &leaf));
	assert_int_equal(leaf.level, 1);
	assert_true(machine_gpa(space_get(VM), 0, &leaf));
	assert_int_equal(leaf.level, 2);
	*leaf.entry |= PTE_D;
	*leaf_of(PAGE_2M + 5 * PAGE_4K) |= PTE_D;
	assert_int_equal(dirty(0, 2 * PAGE_2M), 0);
	for (i = 0; i < 8; i++)
		assert_int_equal(words()[i], ~0ULL);
	assert_int_equal(words()[8], 1 << 5);
	assert_int_equal(frame_check(SPA(RAM), PAGE_4K, 0), -EPERM);
}

static void dirty_is_refused(void **state)
{
	struct pool *pool = &space_get(VM)->pool;

	(void)state;
	assert_int_equal(dirty(1, PAGE_4K), -EINVAL);
	assert_int_equal(dirty(0, PAGE_4K - 1), -EINVAL);
	assert_int_equal(dirty(0, 0), -EINVAL);
	assert_int_equal(dirty(MK_GPA_END - PAGE_4K, 2 * PAGE_4K), -EINVAL);
	assert_int_equal(space_dirty(cpu_this(), 0, GPA(0), PAGE_4K, STACK), -ENOENT);
	assert_int_equal(space_dirty(cpu_this(), VM + 1, GPA(0), PAGE_4K, STACK), -ENOENT);
	assert_int_equal(map(0, RAM, PAGE_4K, RWX), 0);
	assert_int_equal(map(PAGE_2M, RAM + PAGE_2M, PAGE_2M, RWX), 0);
	assert_int_equal(space_dirty(cpu_this(), VM, GPA(0), PAGE_4K, MK_DIRECT), -EFAULT);
	/* No table for the split: what was dirty still is. */
	*leaf_of(0) |= PTE_D;
	machine_drain(pool);
	assert_int_equal(dirty(0, 2 * PAGE_2M), -ENOMEM);
	assert_true(*leaf_of(0) & PTE_D);
	machine_refill(pool);
	assert_int_equal(dirty(0, 2 * PAGE_2M), 0);
	assert_int_equal(words()[0], 1);
}

/* A CPU in the root VM doesn't use a guest's mappings, but its own. */
static void root_need_not_leave(void **state)
{
	(void)state;
	assert_int_equal(map(0, RAM, PAGE_4K, RWX), 0);
	machine_visit_all();
	assert_int_equal(space_unmap(VM, GPA(0), PAGE_4K), 0);
	assert_int_equal(space_quiesce(VM), -EAGAIN);
	cpu_get(1)->in_root = 1;
	assert_int_equal(space_quiesce(VM), 0);
	assert_int_equal(space_donate(VM, SPA(RAM + PAGE_2M), PAGE_4K), 0);
	assert_int_equal(space_quiesce(0), -EAGAIN);
	cpu_get(1)->in_root = 0;
	assert_int_equal(space_quiesce(VM), -EAGAIN);
	machine_visit(1);
	assert_int_equal(space_quiesce(0), 0);
}

/* What space_need says is enough, and one page less is not. */
static void need_is_what_map_takes(void **state)
{
	const u64 gpa = PAGE_1G - PAGE_4K, bytes = 2 * PAGE_4K;
	struct ptab_leaf leaf;
	s64 need;

	(void)state;
	assert_int_equal(space_create(VM + 1), 0);
	need = space_need(VM + 1, GPA(gpa), SPA(RAM), bytes, 0);
	assert_int_equal(need, 6); /* top, one below, two and two */
	assert_int_equal(space_donate(VM + 1, SPA(RAM + PAGE_2M), (need - 1) * PAGE_4K), 0);
	machine_visit_all();
	assert_int_equal(space_map(VM + 1, GPA(gpa), SPA(RAM), bytes, RWX), -ENOMEM);
	assert_int_equal(frame_check(SPA(RAM), bytes, 0), 0);
	assert_false(machine_gpa(space_get(VM + 1), gpa, &leaf));
	assert_int_equal(space_need(VM + 1, GPA(gpa), SPA(RAM), bytes, 0), 1);
	assert_int_equal(space_donate(VM + 1, SPA(RAM + 2 * PAGE_2M), PAGE_4K), 0);
	machine_visit_all();
	assert_int_equal(space_map(VM + 1, GPA(gpa), SPA(RAM), bytes, RWX), 0);
	assert_int_equal(space_free(VM + 1), 0);
	machine_vm_end(VM + 1);
	assert_int_equal(machine_dirty_pages(RAM + PAGE_2M, PAGE_2M + PAGE_4K), 0);
}

/* Destroying goes on only when each CPU has left, twice: tables, then root's view. */
static void destroy_phases(void **state)
{
	struct ptab_leaf leaf;

	(void)state;
	machine_vm(VM + 1, RAM + PAGE_2M, 8);
	assert_int_equal(space_map(VM + 1, GPA(0), SPA(RAM), PAGE_4K, RWX), 0);
	memset(hw_virt(SPA(RAM)), 0x77, PAGE_4K);
	assert_int_equal(space_destroy(VM + 1), -EAGAIN);
	assert_int_equal(frame_check(SPA(RAM), PAGE_4K, 0), 0);
	assert_true(frame_is_hv(SPA(RAM + PAGE_2M)));
	assert_null(space_get(VM + 1));
	assert_int_equal(space_create(VM + 1), -EEXIST);
	assert_int_equal(space_map(VM + 1, GPA(0), SPA(RAM), PAGE_4K, RWX), -ENOENT);
	assert_int_equal(space_destroy(VM + 1), -EAGAIN);
	assert_false(machine_root_sees(RAM + PAGE_2M));
	machine_visit(1);
	assert_int_equal(space_destroy(VM + 1), -EAGAIN);
	assert_true(machine_root_sees(RAM + PAGE_2M));
	assert_int_equal(space_create(VM + 1), -EEXIST);
	machine_visit(1);
	assert_int_equal(space_destroy(VM + 1), 0);
	assert_int_equal(space_destroy(VM + 1), -ENOENT);
	assert_int_equal(machine_dirty_pages(RAM + PAGE_2M, 8 * PAGE_4K), 0);
	assert_int_equal(machine_dirty_pages(RAM, PAGE_4K), 1); /* root's own is left alone */
	memset(hw_virt(SPA(RAM)), 0, PAGE_4K);
	assert_true(machine_gpa(space_root(), RAM + PAGE_2M, &leaf));
	assert_int_equal(leaf.level, 2);
}

static void held_spaces_stay(void **state)
{
	struct space *s;

	(void)state;
	assert_int_equal(space_hold(VM, &s), 0);
	assert_ptr_equal(s, space_get(VM));
	assert_int_equal(space_destroy(VM), -EBUSY);
	space_drop(s);
	assert_int_equal(space_create(VM + 1), 0);
	assert_int_equal(space_hold(VM + 1, &s), -ENOMEM);
	machine_vm_end(VM + 1);
	assert_int_equal(space_hold(VM + 1, &s), -ENOENT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ids),
		T(donated_pages_are_hidden),
		T(donation_is_refused),
		T(donation_without_tables),
		T(donated_pages_wait),
		T(flags_become_entry_bits),
		T(bad_arguments),
		T(only_roots_ram_is_mapped),
		T(map_twice),
		T(unmap_part_of_a_large_page),
		T(unmapped_pages_may_be_cached),
		T(dirty_pages),
		T(dirty_splits_large_pages),
		T(dirty_is_refused),
		T(root_need_not_leave),
		T(need_is_what_map_takes),
		T(destroy_phases),
		T(held_spaces_stay),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
