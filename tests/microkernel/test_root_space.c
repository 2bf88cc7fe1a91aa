// SPDX-License-Identifier: MIT
/* Root's memory: devices appear when touched, writes to hidden pages go nowhere. */
#include "machine.h"
#include "root_space.h"

#define HIDDEN 0x6000000ULL /* a chunk of the hypervisor, and 0x6200000 is the next */
#define DONATED ROOT_RAM

static int group_setup(void **state)
{
	(void)state;
	machine_start(2);
	return 0;
}

/* Where tables at `top` lead from gpa: the entry. */
static u64 walk(spa_t top, u64 gpa)
{
	spa_t table = top;
	int level;
	u64 e;

	for (level = 4;; level--) {
		e = ((u64 *)hw_virt(table))[gpa >> (12 + 9 * (level - 1)) & 511];
		assert_true(e & PTE_P);
		if (level == 1 || (level < 4 && e & PTE_LARGE))
			return e;
		table = SPA(e & PTE_ADDR);
	}
}

static void ram_is_identity_but_for_the_hypervisor(void **state)
{
	struct ptab_leaf leaf;
	u64 at, i;

	(void)state;
	for (at = 0; at < MACHINE_LOW_END; at += PAGE_2M) {
		bool hidden = false;

		for (i = 0; i < machine.boot.chunks; i++)
			hidden |= machine.boot.chunk[i] == at;
		assert_int_equal(machine_root_sees(at), !hidden);
		assert_int_equal(machine_root_sees(at + PAGE_2M - PAGE_4K), !hidden);
		assert_true(machine_gpa(space_root(), at, &leaf));
		assert_int_equal(leaf.level, hidden ? 1 : 2);
	}
	assert_true(machine_root_sees(MACHINE_RAM_END - PAGE_4K));
	assert_false(machine_gpa(space_root(), MACHINE_LOW_END, &leaf));
}

/* Hidden pages can be read and executed, not written, and hold ones to the last byte. */
static void hidden_pages(void **state)
{
	u64 e = walk(space_root()->npt.root, HIDDEN), i;
	const u8 *page = hw_virt(SPA(e & PTE_ADDR));

	(void)state;
	assert_int_equal(e & PTE_FLAGS, PTE_P | PTE_U);
	for (i = 0; i < PAGE_4K; i++)
		assert_int_equal(page[i], 0xFF);
}

static void devices_are_mapped_when_touched(void **state)
{
	struct ptab_leaf leaf;

	(void)state;
	assert_false(machine_gpa(space_root(), 0xFEE00000, &leaf));
	assert_true(space_map_device(GPA(0xFEE00000)));
	assert_true(machine_root_sees(0xFEE00000));
	assert_true(machine_gpa(space_root(), 0xFEE00000, &leaf));
	assert_int_equal(leaf.level, 2);
	assert_true(space_map_device(GPA(0xFEE00000)));
	assert_true(space_map_device(GPA(0x380000000000)));
	assert_true(machine_root_sees(0x380000000000));
	assert_false(space_map_device(GPA(HIDDEN)));
	assert_false(machine_root_sees(HIDDEN));
}

static void no_table_for_a_device(void **state)
{
	struct pool *pool = &space_root()->pool;

	(void)state;
	machine_pool();
	machine_drain(pool);
	assert_false(space_map_device(GPA(0x8000000000)));
	machine_refill(pool);
	assert_true(space_map_device(GPA(0x8000000000)));
}

/* In the scratch tables one page may be written, and all else is as it was. */
static void scratch(void **state)
{
	spa_t top, again;
	u64 e, at;

	(void)state;
	assert_int_equal(space_scratch_get(GPA(HIDDEN + 3 * PAGE_4K), &top), 0);
	assert_int_equal(space_scratch_get(GPA(HIDDEN), &again), -EBUSY);
	e = walk(top, HIDDEN + 3 * PAGE_4K);
	assert_int_equal(e & PTE_FLAGS, PTE_P | PTE_W | PTE_U);
	assert_int_equal(*(u64 *)hw_virt(SPA(e & PTE_ADDR)), ~0ULL);
	assert_int_not_equal(e & PTE_ADDR, HIDDEN + 3 * PAGE_4K);
	for (at = HIDDEN - PAGE_2M; at < HIDDEN + 2 * PAGE_2M; at += PAGE_4K)
		if (at != HIDDEN + 3 * PAGE_4K)
			assert_int_equal(walk(top, at), walk(space_root()->npt.root, at));
	assert_int_equal(walk(top, MACHINE_HIGH), walk(space_root()->npt.root, MACHINE_HIGH));
	assert_false(machine_root_sees(HIDDEN + 3 * PAGE_4K));

	assert_true(space_scratch_add(GPA(HIDDEN + 4 * PAGE_4K)));
	assert_int_equal(walk(top, HIDDEN + 4 * PAGE_4K), e);
	assert_false(space_scratch_add(GPA(ROOT_RAM)));
	/* The other side of a 2 MiB border too; then no more. */
	assert_int_equal(walk(top, HIDDEN + PAGE_2M),
			 walk(space_root()->npt.root, HIDDEN + PAGE_2M));
	assert_true(space_scratch_add(GPA(HIDDEN + PAGE_2M)));
	assert_int_equal(walk(top, HIDDEN + PAGE_2M), e);
	assert_int_equal(walk(top, HIDDEN + 4 * PAGE_4K), e);
	assert_int_equal(walk(top, ROOT_RAM), walk(space_root()->npt.root, ROOT_RAM));
	assert_true(space_scratch_add(GPA(HIDDEN + PAGE_2M + PAGE_4K)));
	assert_false(space_scratch_add(GPA(HIDDEN + 2 * PAGE_2M)));
	space_scratch_put();

	/* What one instruction wrote there the next one doesn't find. */
	memset(hw_virt(SPA(e & PTE_ADDR)), 0x11, PAGE_4K);
	assert_int_equal(space_scratch_get(GPA(HIDDEN), &top), 0);
	e = walk(top, HIDDEN);
	assert_int_equal(*(u64 *)hw_virt(SPA(e & PTE_ADDR)), ~0ULL);
	space_scratch_put();
}

/*
 * The page was given back between root's fault and this: its entry is a large one by now.
 * What lies there is root's own data and must not be taken for a table.
 */
static void scratch_of_a_page_that_is_roots_again(void **state)
{
	u64 *data = hw_virt(SPA(DONATED));
	spa_t top;
	int i;

	(void)state;
	machine_vm(1, DONATED + PAGE_4K, 1);
	machine_vm_end(1);
	for (i = 0; i < 512; i++)
		data[i] = 0x4000000 | PTE_P | PTE_W | PTE_U;
	assert_int_equal(space_scratch_get(GPA(DONATED + PAGE_4K), &top), -EBUSY);
	assert_int_equal(space_scratch_get(GPA(HIDDEN), &top), 0);
	space_scratch_put();
	memset(data, 0, PAGE_4K);
}

static void one_gib_leaves(void **state)
{
	struct ptab_leaf leaf;

	(void)state;
	machine_reset();
	machine.ext_edx = BIT(26);
	machine.boot.ranges = 1;
	machine.boot.ram[0] = (struct mk_range){ 0, MACHINE_LOW_END };
	root_space_set_levels(true);
	assert_int_equal(root_space_max_level(), 3);
	root_space_set_levels(false);
	assert_int_equal(root_space_max_level(), 2);
	assert_int_equal(machine_init(), 0);
	assert_int_equal(space_root()->npt.max_level, 3);
	assert_true(machine_gpa(space_root(), 2 * PAGE_1G, &leaf));
	assert_int_equal(leaf.level, 3);
	assert_true(machine_gpa(space_root(), ROOT_RAM, &leaf));
	assert_int_equal(leaf.level, 2); /* the hypervisor is in the same 1 GiB */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ram_is_identity_but_for_the_hypervisor),
		cmocka_unit_test(hidden_pages),
		cmocka_unit_test(devices_are_mapped_when_touched),
		cmocka_unit_test(no_table_for_a_device),
		cmocka_unit_test(scratch),
		cmocka_unit_test(scratch_of_a_page_that_is_roots_again),
		cmocka_unit_test(one_gib_leaves), /* starts the machine anew: last */
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
