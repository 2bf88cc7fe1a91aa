// SPDX-License-Identifier: MIT
/* KVM_SET_USER_MEMORY_REGION: errors, and what is mapped after each change. */
#include "fake.h"

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
	return fake_slot(&vm, id, 0, gpa, bytes, hva);
}

/* Is [gpa, gpa + bytes) mapped to what is at hva, as one piece? */
static bool mapped(uint64_t gpa, uint64_t bytes, uint64_t hva)
{
	size_t i;

	for (i = 0; i < hv.num_map; i++) {
		if (hv.map[i].dst == gpa)
			return hv.map[i].bytes == bytes && hv.map[i].src == hva;
	}
	return false;
}

static void create_and_delete(void **state)
{
	(void)state;
	assert_int_equal(set(0, 0x1000, 4 * PAGE, 0x200000), 0);
	assert_true(mapped(0x1000, 4 * PAGE, 0x200000));
	assert_int_equal(os.pinned, 4);
	assert_int_equal(set(0, 0, 0, 0), 0);
	assert_int_equal(hv.num_map, 0);
	assert_int_equal(os.pinned, 0);
	assert_int_equal(os.dirtied, 4);
	assert_int_equal(set(0, 0, 0, 0), -EINVAL);
}

static void refused(void **state)
{
	static const struct {
		struct kvm_userspace_memory_region region;
		int error;
	} cases[] = {
		{ { 0, KVM_MEM_READONLY, 0x100000, 16 * PAGE, 0x200000 }, -EINVAL },
		{ { 0, KVM_MEM_READONLY, 0x200000, 16 * PAGE, 0x200000 }, -EINVAL },
		{ { 1, 1U << 31, 0, PAGE, 0x10000 }, -EINVAL },
		{ { 1, 0, 0, PAGE + 1, 0x10000 }, -EINVAL },
		{ { 1, 0, 0x10, PAGE, 0x10000 }, -EINVAL },
		{ { 1, 0, 0, PAGE, 0x10001 }, -EINVAL },
		{ { SHIM_MAX_SLOTS, 0, 0, PAGE, 0x10000 }, -EINVAL },
		{ { 0x10001, 0, 0, PAGE, 0x10000 }, -EINVAL },
		{ { 1, 0, 0, PAGE, 0xFFFF800000000000 }, -EINVAL },
		{ { 1, 0, 0xFFFFFFFFFFFFF000, 2 * PAGE, 0x10000 }, -EINVAL },
		{ { 1, 0, 0, PAGE << 31, 0x10000 }, -EINVAL },
		{ { 1, 0, 1ULL << 40, PAGE, 0x10000 }, -EINVAL },
		{ { 1, 0, (1ULL << 40) - PAGE, 2 * PAGE, 0x10000 }, -EINVAL },
		{ { 1, 0, 0, 0, 0x10000 }, -EINVAL },
		{ { 1, 0, 0x100000, PAGE, 0x10000 }, -EEXIST },
		{ { 1, 0, 0xFF000, 2 * PAGE, 0x10000 }, -EEXIST },
		{ { 1, 0, 0x10F000, 2 * PAGE, 0x10000 }, -EEXIST },
		{ { 1, 0, 0, 0x200000, 0x10000 }, -EEXIST },
		/* slot 0: other size, other memory */
		{ { 0, 0, 0x100000, 15 * PAGE, 0x200000 }, -EINVAL },
		{ { 0, 0, 0x100000, 16 * PAGE, 0x300000 }, -EINVAL },
	};
	size_t i;

	(void)state;
	assert_int_equal(set(0, 0x100000, 16 * PAGE, 0x200000), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (shim_vm_set_memory(&vm, &cases[i].region) != cases[i].error)
			fail_msg("case %zu is not refused as it should be", i);
	}
	assert_int_equal(hv.num_map, 1);
	assert_int_equal(hv.calls[FAKE_MAP], 1);
	assert_int_equal(hv.calls[FAKE_UNMAP], 0);
	assert_int_equal(os.pinned, 16);
	assert_int_equal(vm.slots.num, 1);
}

/* Shown without the right to write, but pinned as any other. */
static void read_only(void **state)
{
	struct kvm_userspace_memory_region region = { 2, KVM_MEM_READONLY, 0x1000, 2 * PAGE,
						      0x200000 };

	(void)state;
	assert_int_equal(shim_vm_set_memory(&vm, &region), 0);
	assert_int_equal(hv.num_map, 1);
	assert_int_equal(hv.map[0].flags & MV_MAP_FLAG_WRITE_ACCESS, 0);
	assert_true(hv.map[0].flags & MV_MAP_FLAG_EXECUTE_ACCESS);
	assert_int_equal(shim_vm_set_memory(&vm, &region), 0);
	region.guest_phys_addr = 0x8000;
	assert_int_equal(shim_vm_set_memory(&vm, &region), 0);
	assert_int_equal(hv.num_map, 1);
	assert_int_equal(hv.map[0].dst, 0x8000);
	assert_int_equal(hv.map[0].flags & MV_MAP_FLAG_WRITE_ACCESS, 0);
	region.flags = 0;
	assert_int_equal(shim_vm_set_memory(&vm, &region), -EINVAL);
	region.memory_size = 0;
	assert_int_equal(shim_vm_set_memory(&vm, &region), 0);
	assert_int_equal(hv.num_map, 0);
	assert_int_equal(os.dirtied, 2);
}

static void last_page_and_last_slot(void **state)
{
	(void)state;
	assert_int_equal(set(SHIM_MAX_SLOTS - 1, (1ULL << 40) - PAGE, PAGE, 0x10000), 0);
	assert_true(mapped((1ULL << 40) - PAGE, PAGE, 0x10000));
}

static void same_again_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(set(3, 0x1000, PAGE, 0x200000), 0);
	assert_int_equal(set(3, 0x1000, PAGE, 0x200000), 0);
	assert_int_equal(hv.calls[FAKE_MAP], 1);
	assert_int_equal(os.pinned, 1);
}

static void move(void **state)
{
	(void)state;
	assert_int_equal(set(0, 0x10000, 4 * PAGE, 0x200000), 0);
	assert_int_equal(set(1, 0x20000, 4 * PAGE, 0x300000), 0);
	/* onto itself partly */
	assert_int_equal(set(0, 0x12000, 4 * PAGE, 0x200000), 0);
	assert_true(mapped(0x12000, 4 * PAGE, 0x200000));
	/* past the other slot */
	assert_int_equal(set(0, 0x30000, 4 * PAGE, 0x200000), 0);
	assert_true(mapped(0x30000, 4 * PAGE, 0x200000));
	assert_true(mapped(0x20000, 4 * PAGE, 0x300000));
	/* onto the other slot */
	assert_int_equal(set(0, 0x1F000, 4 * PAGE, 0x200000), -EEXIST);
	assert_true(mapped(0x30000, 4 * PAGE, 0x200000));
	assert_int_equal(hv.num_map, 2);
	assert_int_equal(os.pinned, 8);
}

static void move_fails_and_is_undone(void **state)
{
	(void)state;
	assert_int_equal(set(0, 0x10000, 4 * PAGE, 0x200000), 0);
	hv.fail_call = MV_HYPERCALL(MV_VM_OP, MV_VM_OP_MMIO_MAP_IDX_VAL);
	hv.fail_at = 1;
	hv.fail_status = MV_STATUS_FAILURE_UNKNOWN;
	assert_int_equal(set(0, 0x30000, 4 * PAGE, 0x200000), -EINVAL);
	assert_true(mapped(0x10000, 4 * PAGE, 0x200000));
	assert_int_equal(set(1, 0x30000, PAGE, 0x400000), 0);
	assert_int_equal(set(2, 0x13000, PAGE, 0x400000), -EEXIST);
}

/* All orders of creation, against the plain definition of an overlap. */
static void overlaps_in_any_order(void **state)
{
	static const uint64_t places[] = { 8, 2, 14, 5, 11, 0 };
	uint64_t gpa, size;
	uint32_t i;
	bool hits;

	(void)state;
	for (i = 0; i < 6; i++)
		assert_int_equal(set(10 + i, places[i] * PAGE, (1 + i % 2) * PAGE, 0x200000), 0);
	for (gpa = 0; gpa < 18; gpa++) {
		for (size = 1; size < 4; size++) {
			hits = false;
			for (i = 0; i < 6; i++)
				hits |= gpa < places[i] + 1 + i % 2 && places[i] < gpa + size;
			assert_int_equal(set(1, gpa * PAGE, size * PAGE, 0x400000),
					 hits ? -EEXIST : 0);
			if (!hits)
				assert_int_equal(set(1, 0, 0, 0), 0);
		}
	}
}

static void many_slots(void **state)
{
	const uint32_t count = 1000;
	uint32_t i, id;

	(void)state;
	for (i = 0; i < count; i++) {
		id = i * 7919 % count;
		assert_int_equal(set(id, id * 2 * PAGE, PAGE, 0x200000 + id * PAGE), 0);
	}
	for (i = 0; i < count; i++)
		assert_true(mapped(i * 2 * PAGE, PAGE, 0x200000 + i * PAGE));
	for (i = 0; i < count; i += 2)
		assert_int_equal(set(i * 7919 % count, 0, 0, 0), 0);
	assert_int_equal(hv.num_map, count / 2);
	assert_int_equal(os.pinned, count / 2);
}

/* Each allocation fails once: nothing must have changed, and the next try must work. */
static void out_of_memory_anywhere(void **state)
{
	unsigned int n;
	int ret = -ENOMEM;
	uint32_t i;

	(void)state;
	for (i = 0; i < 8; i++)
		assert_int_equal(set(i, i * PAGE, PAGE, 0x200000 + i * PAGE), 0);
	for (n = 1; ret; n++) {
		os.alloc_fail = n;
		ret = set(20, 0x100000, PAGE, 0x300000);
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			assert_int_equal(hv.num_map, 8);
			assert_int_equal(os.pinned, 8);
			assert_int_equal(vm.slots.num, 8);
		}
	}
	os.alloc_fail = 0;
	assert_in_range(n, 4, 10);
	assert_true(mapped(0x100000, PAGE, 0x300000));
	for (i = 0; i < 8; i++)
		assert_int_equal(set(i, 0, 0, 0), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(create_and_delete),
		TEST(refused),
		TEST(last_page_and_last_slot),
		TEST(read_only),
		TEST(same_again_changes_nothing),
		TEST(move),
		TEST(move_fails_and_is_undone),
		TEST(overlaps_in_any_order),
		TEST(many_slots),
		TEST(out_of_memory_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
