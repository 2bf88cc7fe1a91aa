// SPDX-License-Identifier: MIT
/* Lists of memory: map, unmap, donate; what is refused changes nothing. */
#include "fake.h"

#define SUCCESS MV_STATUS_SUCCESS
#define UNKNOWN MV_STATUS_FAILURE_UNKNOWN
#define RETRY MV_STATUS_RETRY_CONTINUATION
#define RW (MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_WRITE_ACCESS)

static unsigned int vm;

static int setup(void **state)
{
	fake_reset(state);
	fake_share(0);
	vm = fake_vm();
	fake.space[vm].pool = 200;
	return 0;
}

static struct mv_mdl_entry_t *list(uint64_t count)
{
	struct mv_mdl_t *mdl = (struct mv_mdl_t *)fake_shared;

	memset(mdl, 0, sizeof(*mdl));
	mdl->num_entries = count;
	return mdl->entries;
}

static void one(uint64_t dst, uint64_t src, uint64_t bytes, uint64_t flags)
{
	*list(1) = (struct mv_mdl_entry_t){ dst, src, bytes, flags };
}

static mv_status_t map(void)
{
	return HC(0, VM, MMIO_MAP, vm, MV_ROOT_VMID, 0);
}

static mv_status_t unmap(void)
{
	return HC(0, VM, MMIO_UNMAP, vm, 0, 0);
}

static mv_status_t donate(void)
{
	return HC(0, VM, DONATE, vm, 0, 0);
}

static void map_and_unmap(void **state)
{
	const struct fake_map *m = fake.space[vm].map;

	(void)state;
	one(0x10000, 0x200000, 0x3000, RW);
	assert_int_equal(map(), SUCCESS);
	assert_int_equal(fake.space[vm].maps, 1);
	assert_int_equal(m->gpa, 0x10000);
	assert_int_equal(m->spa, 0x200000);
	assert_int_equal(m->bytes, 0x3000);
	assert_int_equal(m->flags, RW);
	assert_int_equal(map(), UNKNOWN);
	assert_int_equal(fake.space[vm].maps, 1);
	assert_int_equal(unmap(), SUCCESS);
	assert_int_equal(fake.space[vm].maps, 0);
	assert_int_equal(unmap(), UNKNOWN);
}

static void a_full_page(void **state)
{
	struct mv_mdl_entry_t *e = list(MV_MDL_MAX_ENTRIES);

	(void)state;
	for (uint64_t i = 0; i < MV_MDL_MAX_ENTRIES; i++)
		e[i] = (struct mv_mdl_entry_t){ (200 - i) * 0x2000, i * 0x1000, 0x1000, RW };
	assert_int_equal(map(), SUCCESS);
	assert_int_equal(fake.space[vm].maps, MV_MDL_MAX_ENTRIES);
	assert_int_equal(unmap(), SUCCESS);
	assert_int_equal(fake.space[vm].maps, 0);
}

/* Single entries that are wrong, for the fields that a hypercall uses. */
static void bad_entries(void **state)
{
	static const struct {
		struct mv_mdl_entry_t e;
		int map, unmap, donate;
	} bad[] = {
		{ { 0x10001, 0x1000, 0x1000, RW }, 1, 1, 0 },
		{ { 0x10800, 0x1000, 0x1000, RW }, 1, 1, 0 },
		{ { 0x10000, 0x1008, 0x1000, RW }, 1, 0, 1 },
		{ { 0x10000, 0x1000, 0, RW }, 1, 1, 1 },
		{ { 0x10000, 0x1000, 0x1001, RW }, 1, 1, 1 },
		{ { 0x10000, 0x1000, 0x800, RW }, 1, 1, 1 },
		{ { 0x10000, 0x1000, ~0xFFFULL, RW }, 1, 1, 1 },
		{ { MK_GPA_END, 0x1000, 0x1000, RW }, 1, 1, 0 },
		{ { MK_GPA_END - 0x1000, 0x1000, 0x2000, RW }, 1, 1, 0 },
		{ { ~0xFFFULL, 0x1000, 0x1000, RW }, 1, 1, 0 },
		{ { 0x10000, ~0xFFFULL, 0x2000, RW }, 1, 0, 1 },
		{ { 0x10000, FAKE_ROOT_RAM, 0x1000, RW }, 1, 0, 1 },
		{ { 0x10000, FAKE_ROOT_RAM - 0x1000, 0x2000, RW }, 1, 0, 1 },
		{ { 0x10000, 0x1000, 0x1000, 0 }, 1, 0, 0 },
		{ { 0x10000, 0x1000, 0x1000, MV_MAP_FLAG_WRITE_ACCESS }, 1, 0, 0 },
		{ { 0x10000, 0x1000, 0x1000, RW | MV_MAP_FLAG_2M_PAGE }, 1, 0, 0 },
		{ { 0x10000, 0x1000, 0x1000, RW | MV_MAP_FLAG_UNCACHEABLE }, 1, 0, 0 },
		{ { 0x10000, 0x1000, 0x1000, RW | 1ULL << 20 }, 1, 0, 0 },
	};
	struct fake_space before;

	(void)state;
	one(0x40000, 0, 0x1000, RW);
	assert_int_equal(map(), SUCCESS);
	before = fake.space[vm];
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct mv_mdl_entry_t *e = list(2);

		/* Behind a good one, which mustn't be done either. */
		e[0] = (struct mv_mdl_entry_t){ 0x4000, 0x4000, 0x1000, RW };
		e[1] = bad[i].e;
		if (bad[i].map)
			assert_int_equal(map(), UNKNOWN);
		if (bad[i].donate)
			assert_int_equal(donate(), UNKNOWN);
		e[0].dst = 0x40000;
		if (bad[i].unmap)
			assert_int_equal(unmap(), UNKNOWN);
		assert_memory_equal(&fake.space[vm], &before, sizeof(before));
	}
}

static void bad_counts_and_no_page(void **state)
{
	static const uint64_t counts[] = { 0, MV_MDL_MAX_ENTRIES + 1, 1ULL << 32, ~0ULL };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
		one(0x10000, 0x1000, 0x1000, RW);
		((struct mv_mdl_t *)fake_shared)->num_entries = counts[i];
		assert_int_equal(map(), UNKNOWN);
		assert_int_equal(unmap(), UNKNOWN);
		assert_int_equal(donate(), UNKNOWN);
	}
	HC(0, PP, CLR_SHARED_PAGE_GPA, 0, 0, 0);
	one(0x10000, 0x1000, 0x1000, RW);
	assert_int_equal(map(), UNKNOWN);
	assert_int_equal(unmap(), UNKNOWN);
	assert_int_equal(donate(), UNKNOWN);
	assert_int_equal(fake.space[vm].maps, 0);
}

static void only_root_memory_is_mapped(void **state)
{
	static const uint64_t bad[] = { 1, 2, MV_SELF_ID, MV_INVALID_ID };

	(void)state;
	one(0x10000, 0x1000, 0x1000, RW);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(HC(0, VM, MMIO_MAP, vm, bad[i], 0),
				 MV_STATUS_INVALID_INPUT_REG2);
	assert_int_equal(fake.space[vm].maps, 0);
	assert_int_equal(HC(0, VM, MMIO_MAP, vm, 0xABC0000, 0), SUCCESS);
}

static void overlaps_are_refused(void **state)
{
	struct mv_mdl_entry_t *e = list(3);

	(void)state;
	e[0] = (struct mv_mdl_entry_t){ 0x20000, 0x1000, 0x1000, RW };
	e[1] = (struct mv_mdl_entry_t){ 0x10000, 0x8000, 0x3000, RW };
	e[2] = (struct mv_mdl_entry_t){ 0x12000, 0x4000, 0x1000, RW };
	assert_int_equal(map(), UNKNOWN);
	assert_int_equal(unmap(), UNKNOWN);
	/* Their sources don't overlap: fine to donate. */
	assert_int_equal(donate(), SUCCESS);
	e[2] = (struct mv_mdl_entry_t){ 0x13000, 0xA000, 0x1000, RW };
	assert_int_equal(donate(), UNKNOWN);
	/* The same page twice is fine to map. */
	assert_int_equal(map(), SUCCESS);
	assert_int_equal(fake.space[vm].maps, 3);
}

/* The sum for the whole list is known before anything is mapped. */
static void pool_is_checked_first(void **state)
{
	struct mv_mdl_entry_t *e = list(5);

	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		e[i] = (struct mv_mdl_entry_t){ i * 0x2000, i * 0x2000, 0x1000, RW };
	fake.space[vm].pool = 2;
	assert_int_equal(map(), MV_STATUS_FAILURE_NO_MEMORY);
	assert_int_equal(fake_reg(0, 0), 3);
	assert_int_equal(fake.space[vm].maps, 0);
	fake.space[vm].pool = 5;
	assert_int_equal(map(), SUCCESS);
}

/* A map that fails in the middle all the same is taken back, also from the TLBs. */
static void map_is_rolled_back(void **state)
{
	struct mv_mdl_entry_t *e = list(3);

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		e[i] = (struct mv_mdl_entry_t){ i * 0x2000, i * 0x2000, 0x1000, RW };
	fake.fail_map = 3;
	fake.fail_with = MK_EPERM;
	fake.retries = 1;
	assert_int_equal(map(), RETRY);
	assert_int_equal(fake.space[vm].maps, 0);
	assert_int_equal(fake.space[vm].pool, 200);
	assert_int_equal(map(), UNKNOWN);
	assert_int_equal(fake.space[vm].maps, 0);

	fake.fail_map = 2;
	fake.fail_with = MK_ENOMEM;
	assert_int_equal(map(), MV_STATUS_FAILURE_NO_MEMORY);
	assert_int_equal(fake_reg(0, 0), 1);
	assert_int_equal(fake.space[vm].maps, 0);
	assert_int_equal(map(), SUCCESS);
}

/* RETRY until the CPUs have left the guest; the same list goes on, others must wait. */
static void unmap_continues(void **state)
{
	(void)state;
	one(0x10000, 0x1000, 0x1000, RW);
	map();
	one(0x20000, 0x2000, 0x1000, RW);
	map();
	fake.retries = 3;
	assert_int_equal(unmap(), RETRY);
	assert_int_equal(fake.space[vm].maps, 1);
	assert_int_equal(unmap(), RETRY);
	one(0x10000, 0x1000, 0x1000, RW);
	assert_int_equal(unmap(), MV_STATUS_FAILURE_BUSY);
	assert_int_equal(fake.space[vm].maps, 1);
	one(0x20000, 0x2000, 0x1000, RW);
	assert_int_equal(unmap(), SUCCESS);
	assert_int_equal(unmap(), UNKNOWN);
}

/* A caller that never comes back doesn't block the VM. */
static void abandoned_continuation(void **state)
{
	(void)state;
	one(0x10000, 0x1000, 0x1000, RW);
	map();
	fake.retries = 1;
	assert_int_equal(unmap(), RETRY);
	one(0x30000, 0x1000, 0x1000, RW);
	assert_int_equal(map(), SUCCESS);
	fake.retries = 1;
	assert_int_equal(unmap(), RETRY);
	assert_int_equal(HC(0, VM, DESTROY_VM, vm, 0, 0), SUCCESS);
	assert_int_equal(fake_vm(), vm);
	fake.space[vm].pool = 1;
	assert_int_equal(map(), SUCCESS);
}

static void donate_continues(void **state)
{
	struct mv_mdl_entry_t *e = list(2);

	(void)state;
	e[0] = (struct mv_mdl_entry_t){ 7, 0x9000, 0x3000, ~0ULL };
	e[1] = (struct mv_mdl_entry_t){ 9, 0x1000, 0x2000, 5 };
	fake.retries = 1;
	assert_int_equal(donate(), RETRY);
	assert_int_equal(fake.space[vm].donated, 5);
	assert_int_equal(donate(), SUCCESS);
	assert_int_equal(fake.space[vm].donated, 5);
}

/* Root can write the page at any time: what was checked is what is used. */
static void list_is_read_once(void **state)
{
	struct mdl mdl;
	uint64_t reg[4] = { 0 };
	struct call c = { .cpu = 0, .reg = reg };

	(void)state;
	one(0x10000, 0x1000, 0x1000, RW);
	assert_int_equal(mdl_read(&c, &mdl, MDL_DST | MDL_SRC | MDL_FLAGS), SUCCESS);
	memset(fake_shared, 0xFF, sizeof(fake_shared));
	assert_int_equal(mdl.count, 1);
	assert_int_equal(mdl.entries[0].bytes, 0x1000);
}

static mv_status_t dirty(uint64_t gpa, uint64_t bytes)
{
	return HC(0, VM, DIRTY_LOG, vm, gpa, bytes);
}

static void dirty_log(void **state)
{
	const uint64_t *page = (const uint64_t *)fake_shared;

	(void)state;
	fake.dirty[0] = 5;
	fake.dirty[511] = 9;
	assert_int_equal(dirty(0x100000, MV_DIRTY_LOG_MAX_BYTES), SUCCESS);
	assert_int_equal(fake.dirty_gpa, 0x100000);
	assert_int_equal(fake.dirty_bytes, MV_DIRTY_LOG_MAX_BYTES);
	assert_int_equal(page[0], 5);
	assert_int_equal(page[511], 9);
	fake.retries = 1;
	assert_int_equal(HC(0, VM, QUIESCE, vm, 0, 0), RETRY);
	assert_int_equal(HC(0, VM, QUIESCE, vm, 0, 0), SUCCESS);
	assert_int_equal(HC(0, VM, QUIESCE, vm + 1, 0, 0), MV_STATUS_INVALID_INPUT_REG1);
	/* A page short of tables: how many would do, at most. */
	fake.dirty_error = -MK_ENOMEM;
	fake.space[vm].pool = 3;
	assert_int_equal(dirty(0, 0x400000), MV_STATUS_FAILURE_NO_MEMORY);
	assert_int_equal(fake_reg(0, 0), 6);
	fake.dirty_error = -MK_ENOMEM;
	fake.space[vm].pool = 30;
	assert_int_equal(dirty(0, 0x400000), MV_STATUS_FAILURE_NO_MEMORY);
	assert_int_equal(fake_reg(0, 0), 1);
	fake.space[vm].pool = 200;
}

static void dirty_log_is_refused(void **state)
{
	static const struct {
		uint64_t gpa, bytes;
		mv_status_t status;
	} bad[] = {
		{ 1, 0x1000, MV_STATUS_INVALID_INPUT_REG2 },
		{ MK_GPA_END, 0x1000, MV_STATUS_INVALID_INPUT_REG2 },
		{ ~0xFFFULL, 0x1000, MV_STATUS_INVALID_INPUT_REG2 },
		{ 0, 0, MV_STATUS_INVALID_INPUT_REG3 },
		{ 0, 0x1001, MV_STATUS_INVALID_INPUT_REG3 },
		{ 0, ~0xFFFULL, MV_STATUS_INVALID_INPUT_REG3 },
		{ 0, MV_DIRTY_LOG_MAX_BYTES + 0x1000, MV_STATUS_INVALID_INPUT_REG3 },
		{ 0x3F000, MV_DIRTY_LOG_MAX_BYTES - 0x3E000, MV_STATUS_INVALID_INPUT_REG3 },
		{ MK_GPA_END - 0x1000, 0x2000, MV_STATUS_INVALID_INPUT_REG3 },
	};

	(void)state;
	fake.dirty_gpa = 7;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(dirty(bad[i].gpa, bad[i].bytes), bad[i].status);
	assert_int_equal(HC(0, VM, DIRTY_LOG, vm + 1, 0, 0x1000), MV_STATUS_INVALID_INPUT_REG1);
	assert_int_equal(HC(0, PP, CLR_SHARED_PAGE_GPA, 0, 0, 0), SUCCESS);
	assert_int_equal(dirty(0, 0x1000), UNKNOWN);
	assert_int_equal(fake.dirty_gpa, 7);
	fake_share(0);
	assert_int_equal(dirty(0x3F000, MV_DIRTY_LOG_MAX_BYTES - 0x3F000), SUCCESS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(map_and_unmap, setup),
		cmocka_unit_test_setup(a_full_page, setup),
		cmocka_unit_test_setup(bad_entries, setup),
		cmocka_unit_test_setup(bad_counts_and_no_page, setup),
		cmocka_unit_test_setup(only_root_memory_is_mapped, setup),
		cmocka_unit_test_setup(overlaps_are_refused, setup),
		cmocka_unit_test_setup(pool_is_checked_first, setup),
		cmocka_unit_test_setup(map_is_rolled_back, setup),
		cmocka_unit_test_setup(unmap_continues, setup),
		cmocka_unit_test_setup(abandoned_continuation, setup),
		cmocka_unit_test_setup(donate_continues, setup),
		cmocka_unit_test_setup(list_is_read_once, setup),
		cmocka_unit_test_setup(dirty_log, setup),
		cmocka_unit_test_setup(dirty_log_is_refused, setup),
	};

	return cmocka_run_group_tests_name("microv map", tests, NULL, NULL);
}
