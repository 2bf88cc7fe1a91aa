// SPDX-License-Identifier: MIT
/* Who owns each page, pools whose pages wait for all CPUs, and the epochs behind that. */
#include "epoch.h"
#include "frame.h"
#include "machine.h"

#define AT ROOT_RAM

static int group_setup(void **state)
{
	(void)state;
	machine_start(3);
	return 0;
}

static void claim_and_release(void **state)
{
	(void)state;
	assert_false(frame_is_hv(SPA(AT)));
	assert_int_equal(frame_claim(SPA(AT), 3 * PAGE_4K), 0);
	assert_true(frame_is_hv(SPA(AT)) && frame_is_hv(SPA(AT + 2 * PAGE_4K)));
	assert_false(frame_is_hv(SPA(AT + 3 * PAGE_4K)));
	assert_int_equal(frame_claim(SPA(AT - PAGE_4K), 2 * PAGE_4K), -EPERM);
	assert_false(frame_is_hv(SPA(AT - PAGE_4K)));
	assert_int_equal(frame_lend(SPA(AT + PAGE_4K), PAGE_4K), -EPERM);
	frame_release(SPA(AT), 3 * PAGE_4K);
	assert_false(frame_is_hv(SPA(AT)));
	assert_int_equal(frame_check(SPA(AT), 3 * PAGE_4K, 0), 0);
}

static void lent_pages_are_not_claimed(void **state)
{
	(void)state;
	assert_int_equal(frame_lend(SPA(AT), 2 * PAGE_4K), 0);
	assert_int_equal(frame_lend(SPA(AT + PAGE_4K), 2 * PAGE_4K), 0);
	assert_int_equal(frame_check(SPA(AT), PAGE_4K, 0), -EPERM);
	assert_int_equal(frame_check(SPA(AT), PAGE_4K, 1), 0);
	assert_int_equal(frame_claim(SPA(AT), PAGE_4K), -EPERM);
	frame_unlend(SPA(AT), 2 * PAGE_4K);
	assert_int_equal(frame_claim(SPA(AT), PAGE_4K), 0);
	assert_int_equal(frame_claim(SPA(AT + PAGE_4K), PAGE_4K), -EPERM);
	frame_unlend(SPA(AT + PAGE_4K), 2 * PAGE_4K);
	frame_release(SPA(AT), PAGE_4K);
	assert_int_equal(frame_check(SPA(AT), 3 * PAGE_4K, 0), 0);
}

/* Each table describes 4 GiB; a range goes on in the next. */
static void ranges_over_tables(void **state)
{
	const u64 border = 6ULL << 32;

	(void)state;
	assert_int_equal(frame_add_table(5, SPA(AT + PAGE_2M)), 0);
	assert_int_equal(frame_add_table(6, SPA(AT)), 0);
	assert_int_equal(frame_check(SPA(border - PAGE_4K), PAGE_4K, FRAME_LENT_MAX - 1), -EPERM);
	frame_release(SPA(border - 2 * PAGE_4K), 5 * PAGE_4K);
	assert_int_equal(frame_check(SPA(border - 2 * PAGE_4K), 5 * PAGE_4K, 0), 0);
	assert_int_equal(frame_check(SPA(border - 3 * PAGE_4K), PAGE_4K, FRAME_LENT_MAX - 1),
			 -EPERM);
	assert_int_equal(frame_check(SPA(border + 3 * PAGE_4K), PAGE_4K, FRAME_LENT_MAX - 1),
			 -EPERM);
	assert_int_equal(frame_claim(SPA(border - PAGE_4K), 2 * PAGE_4K), 0);
	assert_true(frame_is_hv(SPA(border - PAGE_4K)) && frame_is_hv(SPA(border)));
	assert_false(frame_is_hv(SPA(border - 2 * PAGE_4K)));
	assert_false(frame_is_hv(SPA(border + PAGE_4K)));
}

/* A failing lend counts nothing. */
static void lend_limit(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < FRAME_LENT_MAX; i++)
		assert_int_equal(frame_lend(SPA(AT), PAGE_4K), 0);
	assert_int_equal(frame_lend(SPA(AT), PAGE_4K), -EPERM);
	assert_int_equal(frame_lend(SPA(AT - PAGE_4K), 2 * PAGE_4K), -EPERM);
	assert_int_equal(frame_check(SPA(AT - PAGE_4K), PAGE_4K, 0), 0);
	assert_false(frame_is_hv(SPA(AT)));
	for (i = 0; i < FRAME_LENT_MAX; i++)
		frame_unlend(SPA(AT), PAGE_4K);
	assert_int_equal(frame_check(SPA(AT), PAGE_4K, 0), 0);
}

/* Whatever of it is in one word with others: each page counts, and no other one. */
static void each_page_counts(void **state)
{
	const u64 at = AT + 16 * PAGE_4K;
	u64 first, pages, i;

	(void)state;
	for (first = 0; first < 6; first++) {
		for (pages = 1; pages < 14; pages++) {
			const spa_t spa = SPA(at + first * PAGE_4K);

			assert_int_equal(frame_lend(spa, pages * PAGE_4K), 0);
			for (i = 0; i < 24; i++)
				assert_int_equal(frame_check(SPA(at + i * PAGE_4K), PAGE_4K, 0),
						 i - first < pages ? -EPERM : 0);
			assert_int_equal(frame_check(SPA(at), 24 * PAGE_4K, 0), -EPERM);
			assert_int_equal(frame_check(SPA(at), 24 * PAGE_4K, 1), 0);
			frame_unlend(spa, pages * PAGE_4K);
			assert_int_equal(frame_claim(SPA(at + (first + pages) * PAGE_4K), PAGE_4K),
					 0);
			assert_int_equal(frame_lend(spa, pages * PAGE_4K), 0);
			assert_int_equal(frame_lend(spa, (pages + 1) * PAGE_4K), -EPERM);
			frame_unlend(spa, pages * PAGE_4K);
			frame_release(SPA(at + (first + pages) * PAGE_4K), PAGE_4K);
			assert_int_equal(frame_check(SPA(at), 24 * PAGE_4K, 0), 0);
		}
	}
}

static void foreign_addresses(void **state)
{
	static const struct {
		u64 spa, bytes;
	} foreign[] = {
		{ 0xA0000, PAGE_4K }, /* a hole in RAM */
		{ 0x9E000, 2 * PAGE_4K }, /* runs into it */
		{ MACHINE_LOW_END, PAGE_4K }, /* MMIO below 4 GiB */
		{ MACHINE_LOW_END - PAGE_4K, 2 * PAGE_4K },
		{ MACHINE_RAM_END - PAGE_4K, 2 * PAGE_4K }, /* end of RAM, in a table */
		{ 0x200000000, PAGE_4K }, /* no table */
		{ 1024ULL << 32, PAGE_4K }, /* above all tables */
		{ ~0ULL << 12, PAGE_4K },
		{ ~0ULL << 12, 2 * PAGE_4K }, /* wraps around */
		{ AT, ~0ULL << 12 },
		{ 0x4000000, PAGE_4K }, /* the hypervisor's */
		{ 0x4000000 - PAGE_4K, 2 * PAGE_4K },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(foreign); i++) {
		assert_int_equal(
			frame_check(SPA(foreign[i].spa), foreign[i].bytes, FRAME_LENT_MAX - 1),
			-EPERM);
		assert_int_equal(frame_lend(SPA(foreign[i].spa), foreign[i].bytes), -EPERM);
		assert_int_equal(frame_claim(SPA(foreign[i].spa), foreign[i].bytes), -EPERM);
	}
	assert_int_equal(frame_check(SPA(0x9E000), PAGE_4K, 0), 0);
	assert_int_equal(frame_check(SPA(MACHINE_RAM_END - PAGE_4K), PAGE_4K, 0), 0);
	assert_int_equal(frame_check(SPA(0x4000000 - PAGE_4K), PAGE_4K, 0), 0);
}

static void every_chunk_is_the_hypervisors(void **state)
{
	u64 i;

	(void)state;
	for (i = 0; i < machine.boot.chunks; i++) {
		assert_true(frame_is_hv(SPA(machine.boot.chunk[i])));
		assert_true(frame_is_hv(SPA(machine.boot.chunk[i] + PAGE_2M - PAGE_4K)));
	}
}

static void pool_gives_zeroed_pages(void **state)
{
	struct pool p;
	spa_t page;

	(void)state;
	pool_init(&p);
	assert_int_equal(pool_available(&p), 0);
	assert_int_equal(pool_alloc(&p).v, SPA_NONE.v);
	memset(hw_virt(SPA(AT)), 0x5A, PAGE_4K);
	pool_add(&p, SPA(AT));
	assert_int_equal(pool_available(&p), 1);
	page = pool_alloc(&p);
	assert_int_equal(page.v, AT);
	assert_int_equal(machine_dirty_pages(AT, PAGE_4K), 0);
	assert_int_equal(pool_alloc(&p).v, SPA_NONE.v);
}

/* A page given back is not given out before all CPUs have been in the hypervisor since. */
static void limbo(void **state)
{
	struct pool p;

	(void)state;
	machine_visit_all();
	pool_init(&p);
	pool_free(&p, SPA(AT));
	assert_int_equal(pool_available(&p), 0);
	machine_visit(1);
	assert_int_equal(pool_alloc(&p).v, SPA_NONE.v);
	pool_free(&p, SPA(AT + PAGE_4K));
	machine_visit(2);
	assert_int_equal(pool_available(&p), 0); /* CPU 1 may know the second */
	machine_visit(1);
	assert_int_equal(pool_available(&p), 2);
	assert_true(pool_alloc(&p).v == AT || pool_alloc(&p).v == AT);
}

static void limbo_can_be_drained(void **state)
{
	struct pool p;
	u64 sum = 0;
	int i;

	(void)state;
	pool_init(&p);
	pool_add(&p, SPA(AT));
	pool_free(&p, SPA(AT + PAGE_4K));
	pool_free(&p, SPA(AT + 2 * PAGE_4K));
	for (i = 0; i < 3; i++)
		sum += pool_drain(&p).v;
	assert_int_equal(sum, 3 * AT + 3 * PAGE_4K);
	assert_int_equal(pool_drain(&p).v, SPA_NONE.v);
}

static void epoch_waits_for_cpus_in_root_only(void **state)
{
	u64 e;

	(void)state;
	e = epoch_bump();
	assert_false(epoch_passed(e));
	machine_visit(1);
	assert_false(epoch_passed(e));
	cpu_get(2)->online = 0;
	assert_true(epoch_passed(e));
	cpu_get(2)->online = 1;
	assert_false(epoch_passed(e));
	machine_visit(2);
	assert_true(epoch_passed(e));
}

/* Joining forgets host translations at once and VMs' at the next entry; only when needed. */
static void join_flushes(void **state)
{
	u64 before;
	struct cpu *cpu;

	(void)state;
	cpu = machine_on(1);
	epoch_join(cpu);
	cpu->flush = false;
	before = machine.cpu[1].tlb_flushes;
	epoch_join(cpu);
	assert_int_equal(machine.cpu[1].tlb_flushes, before);
	assert_false(cpu->flush);
	epoch_bump();
	epoch_join(cpu);
	assert_int_equal(machine.cpu[1].tlb_flushes, before + 1);
	assert_true(cpu->flush);
	machine_on(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claim_and_release),
		cmocka_unit_test(lent_pages_are_not_claimed),
		cmocka_unit_test(lend_limit),
		cmocka_unit_test(ranges_over_tables),
		cmocka_unit_test(each_page_counts),
		cmocka_unit_test(foreign_addresses),
		cmocka_unit_test(every_chunk_is_the_hypervisors),
		cmocka_unit_test(pool_gives_zeroed_pages),
		cmocka_unit_test(limbo),
		cmocka_unit_test(limbo_can_be_drained),
		cmocka_unit_test(epoch_waits_for_cpus_in_root_only),
		cmocka_unit_test(join_flushes),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
