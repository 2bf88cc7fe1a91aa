// SPDX-License-Identifier: MIT
/* A slot's memory: what is merged, what is left out, how it is sent, what an error undoes. */
#include "fake.h"

#define MIB (1ULL << 20)
#define CALL_MAP MV_HYPERCALL(MV_VM_OP, MV_VM_OP_MMIO_MAP_IDX_VAL)
#define CALL_UNMAP MV_HYPERCALL(MV_VM_OP, MV_VM_OP_MMIO_UNMAP_IDX_VAL)

static struct shim_vm vm;

static int setup(void **state)
{
	fake_setup(state);
	fake_vm(&vm, NULL);
	return 0;
}

static int teardown(void **state)
{
	fake_vm_free(&vm, NULL);
	return fake_teardown(state);
}

static int set(uint32_t id, uint64_t gpa, uint64_t bytes, uint64_t hva)
{
	const struct kvm_userspace_memory_region region = {
		.slot = id,
		.guest_phys_addr = gpa,
		.memory_size = bytes,
		.userspace_addr = hva,
	};

	return shim_vm_set_memory(&vm, &region);
}

/* No page lies behind another one in physical memory. */
static void scattered(uint64_t hva, struct fake_page *page)
{
	page->spa = 0x8000000000ULL - (hva & 0xFFFFFFFFF);
}

/* Huge pages, each somewhere else. */
static void huge(uint64_t hva, struct fake_page *page)
{
	page->spa = 0x8000000000ULL - (hva & 0xFFFE00000) * 2 + (hva & 0x1FFFFF);
}

/* Pages 2 and 3 are missing, 6 and 7 can only be read. */
static void holes(uint64_t hva, struct fake_page *page)
{
	page->present = (hva / PAGE & 7) / 2 != 1;
	page->writable = (hva / PAGE & 7) / 2 != 3;
}

static void nothing(uint64_t hva, struct fake_page *page)
{
	(void)hva;
	page->present = false;
}

static void contiguous_is_one_entry(void **state)
{
	(void)state;
	assert_int_equal(set(0, 0, 64 * MIB, 0x10000000), 0);
	assert_int_equal(hv.calls[FAKE_MAP], 1);
	assert_int_equal(hv.num_map, 1);
	assert_int_equal(hv.map[0].bytes, 64 * MIB);
	assert_int_equal(hv.map[0].flags, MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_WRITE_ACCESS |
						  MV_MAP_FLAG_EXECUTE_ACCESS |
						  MV_MAP_FLAG_WRITE_BACK);
}

static void two_gib_of_huge_pages(void **state)
{
	(void)state;
	os.page = huge;
	assert_int_equal(set(0, 0, 2048 * MIB, 0x40000000), 0);
	assert_int_equal(hv.num_map, 1024);
	assert_true(hv.calls[FAKE_MAP] <= 20);
	assert_int_equal(os.pinned, 2048 * MIB / PAGE);
}

static void lists_are_full(void **state)
{
	const size_t pages = 3 * MV_MDL_MAX_ENTRIES + 7;
	const unsigned long before = shim_stats.hypercalls_map, small = shim_stats.entries_4k;
	size_t i;

	(void)state;
	os.page = scattered;
	assert_int_equal(set(0, 0x100000, pages * PAGE, 0x200000), 0);
	assert_int_equal(hv.calls[FAKE_MAP], 4);
	assert_int_equal(shim_stats.hypercalls_map - before, 4);
	assert_int_equal(shim_stats.entries_4k - small, pages);
	for (i = 0; i < 3; i++)
		assert_int_equal(hv.list_sizes[i], MV_MDL_MAX_ENTRIES);
	assert_int_equal(hv.list_sizes[3], 7);
	for (i = 0; i < pages; i++) {
		assert_int_equal(hv.map[i].dst, 0x100000 + i * PAGE);
		assert_int_equal(hv.map[i].src, 0x8000000000ULL - 0x200000 - i * PAGE);
	}
}

/* Which entries the hypervisor makes of a contiguous slot that begins in the middle of one. */
static void entries_are_counted(void **state)
{
	const unsigned long large = shim_stats.entries_2m, small = shim_stats.entries_4k;

	(void)state;
	assert_int_equal(set(0, 3 * MIB, 8 * MIB, 0x40000000 + MIB), 0);
	assert_int_equal(shim_stats.entries_2m - large, 3);
	assert_int_equal(shim_stats.entries_4k - small, 2 * MIB / PAGE);
	/* Out of step. */
	assert_int_equal(set(1, 16 * MIB, 4 * MIB, 0x50000000 + PAGE), 0);
	assert_int_equal(shim_stats.entries_2m - large, 3);
	assert_int_equal(shim_stats.entries_4k - small, 6 * MIB / PAGE);
}

/* A hypercall can't be interrupted, so none maps too many pages of 4 KiB. */
static void no_list_is_too_long(void **state)
{
	size_t i;

	(void)state;
	assert_int_equal(set(0, MIB, 1000 * MIB, 0x40000000), 0);
	for (i = 0; i < hv.num_map; i++)
		assert_true(hv.map[i].bytes <= 66 * MIB);
	assert_int_equal(hv.num_map, 16);
	assert_int_equal(hv.calls[FAKE_MAP], 16);
	assert_int_equal(set(0, 0, 0, 0), 0);
	assert_int_equal(hv.calls[FAKE_UNMAP], 16);
	assert_int_equal(set(0, 0, 1000 * MIB, 0x40000000), 0); /* in step */
	assert_int_equal(hv.calls[FAKE_MAP], 17);
}

static void holes_stay_unmapped(void **state)
{
	(void)state;
	os.page = holes;
	assert_int_equal(set(0, 0x10000, 8 * PAGE, 0x200000), 0);
	assert_int_equal(hv.num_map, 3);
	assert_int_equal(hv.map[0].dst, 0x10000);
	assert_int_equal(hv.map[0].bytes, 2 * PAGE);
	assert_int_equal(hv.map[1].dst, 0x14000);
	assert_true(hv.map[1].flags & MV_MAP_FLAG_WRITE_ACCESS);
	assert_int_equal(hv.map[2].dst, 0x16000);
	assert_false(hv.map[2].flags & MV_MAP_FLAG_WRITE_ACCESS);
	assert_int_equal(os.pinned, 6);
	assert_int_equal(set(0, 0, 0, 0), 0);
	assert_int_equal(os.dirtied, 4);
}

static void nothing_there_is_a_slot_too(void **state)
{
	(void)state;
	os.page = nothing;
	assert_int_equal(set(0, 0x10000, 8 * PAGE, 0x200000), 0);
	assert_int_equal(hv.calls[FAKE_MAP], 0);
	assert_int_equal(set(1, 0x10000, PAGE, 0x200000), -EEXIST);
	assert_int_equal(set(0, 0, 0, 0), 0);
	assert_int_equal(hv.calls[FAKE_UNMAP], 0);
}

static void pin_error_changes_nothing(void **state)
{
	static const int errors[] = { -ENOMEM, -EINTR };
	unsigned int i, n;

	(void)state;
	for (i = 0; i < 2; i++) {
		for (n = 1; n <= 3; n++) {
			os.pin_fail = n;
			os.pin_error = errors[i];
			assert_int_equal(set(0, 0, 6 * MIB, 0x200000), errors[i]);
			assert_int_equal(os.pinned, 0);
			assert_int_equal(hv.calls[FAKE_MAP], 0);
		}
		os.pin_fail = 0;
	}
}

/* The runs' array can't grow in the middle of a batch. */
static void out_of_memory_while_pinning(void **state)
{
	unsigned int n, failed = 0;

	(void)state;
	os.page = scattered;
	for (n = 1; n < 20; n++) {
		os.alloc_fail = n;
		if (!set(0, 0, 1000 * PAGE, 0x200000)) {
			assert_int_equal(set(0, 0, 0, 0), 0);
		} else {
			failed++;
			assert_int_equal(vm.slots.num, 0);
		}
		assert_int_equal(os.pinned, 0);
		assert_int_equal(hv.num_map, 0);
	}
	assert_in_range(failed, 8, 18);
}

static void map_error_is_rolled_back(void **state)
{
	unsigned int n;

	(void)state;
	os.page = scattered;
	for (n = 1; n <= 4; n++) {
		hv.fail_call = CALL_MAP;
		hv.fail_at = n;
		hv.fail_status = MV_STATUS_FAILURE_UNKNOWN;
		assert_int_equal(set(0, 0, 4 * MV_MDL_MAX_ENTRIES * PAGE, 0x200000), -EINVAL);
		assert_int_equal(hv.num_map, 0);
		assert_int_equal(os.pinned, 0);
		assert_false(vm.broken);
	}
	assert_int_equal(set(0, 0, 4 * MV_MDL_MAX_ENTRIES * PAGE, 0x200000), 0);
}

/* The memory stays pinned as long as the guest may have it, and no more is done to the VM. */
static void unmap_error_breaks_the_vm(void **state)
{
	(void)state;
	assert_int_equal(set(0, 0, 4 * PAGE, 0x200000), 0);
	hv.fail_call = CALL_UNMAP;
	hv.fail_at = 1;
	hv.fail_status = MV_STATUS_FAILURE_UNKNOWN;
	assert_int_equal(set(0, 0, 0, 0), -EIO);
	assert_true(vm.broken);
	assert_int_equal(os.pinned, 4);
	assert_int_equal(set(1, 0x100000, PAGE, 0x200000), -EIO);
}

static void unmap_waits_for_the_cpus(void **state)
{
	(void)state;
	assert_int_equal(set(0, 0, 4 * PAGE, 0x200000), 0);
	hv.retries = 12;
	os.pings = 0;
	assert_int_equal(set(0, 0, 0, 0), 0);
	assert_int_equal(os.pings, 12);
	assert_int_equal(os.waits, 12);
	assert_int_equal(hv.calls[FAKE_UNMAP], 13);
	assert_int_equal(os.pinned, 0);
}

static void unmap_gives_up_at_last(void **state)
{
	(void)state;
	assert_int_equal(set(0, 0, 4 * PAGE, 0x200000), 0);
	hv.retries = ~0U;
	assert_int_equal(set(0, 0, 0, 0), -EIO);
	assert_int_equal(os.pinned, 4);
	hv.retries = 0;
	hv.waiting = false;
}

static void no_shared_page(void **state)
{
	(void)state;
	os.no_shared_page = true;
	assert_int_equal(set(0, 0, PAGE, 0x200000), -ENODEV);
	os.no_shared_page = false;
	assert_int_equal(os.pinned, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(contiguous_is_one_entry),
		TEST(two_gib_of_huge_pages),
		TEST(lists_are_full),
		TEST(entries_are_counted),
		TEST(no_list_is_too_long),
		TEST(holes_stay_unmapped),
		TEST(nothing_there_is_a_slot_too),
		TEST(pin_error_changes_nothing),
		TEST(out_of_memory_while_pinning),
		TEST(map_error_is_rolled_back),
		TEST(unmap_error_breaks_the_vm),
		TEST(unmap_waits_for_the_cpus),
		TEST(unmap_gives_up_at_last),
		TEST(no_shared_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
