// SPDX-License-Identifier: MIT
/* The dirty log of slots: what is told, when it is forgotten, and who waits for what. */
#include "fake.h"

#define LOG KVM_MEM_LOG_DIRTY_PAGES
#define GPA 0x105000ULL /* no multiple of 64 pages */
#define PAGES 40000U /* two pieces of the hypervisor's log */

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

static int set(uint32_t flags, uint64_t gpa, uint64_t pages)
{
	/* In step with gpa: one piece. */
	return fake_slot(&vm, 1, flags, gpa, pages * PAGE, 0x40000000 + GPA);
}

/* The guest writes. */
static void write_page(uint64_t gpa)
{
	hv.dirty[gpa / PAGE / 64] |= 1ULL << gpa / PAGE % 64;
}

static bool is_set(const void *bitmap, uint64_t page)
{
	return ((const uint64_t *)bitmap)[page / 64] >> page % 64 & 1;
}

static const void *get(void)
{
	const void *bitmap = NULL;
	size_t bytes = 0;

	assert_int_equal(shim_vm_get_dirty_log(&vm, 1, &bitmap, &bytes), 0);
	assert_int_equal(bytes, (PAGES + 63) / 64 * 8);
	return bitmap;
}

static unsigned int count(const void *bitmap)
{
	unsigned int n = 0;

	for (uint64_t page = 0; page < (PAGES + 63) / 64 * 64; page++)
		n += is_set(bitmap, page);
	return n;
}

/* Every place in the log is a page's place in the slot, whatever its address. */
static void places(void **state)
{
	static const uint64_t pages[] = { 0, 58, 59, 60, 123, 32700, 32768, PAGES - 1 };
	const void *bitmap;

	(void)state;
	assert_int_equal(set(LOG, GPA, PAGES), 0);
	write_page(GPA - PAGE);
	write_page(GPA + PAGES * PAGE);
	assert_int_equal(count(get()), 0);
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		write_page(GPA + pages[i] * PAGE);
		bitmap = get();
		assert_true(is_set(bitmap, pages[i]));
		assert_int_equal(count(bitmap), 1);
		shim_vm_dirty_log_told(&vm, 1);
	}
	write_page(GPA);
	get(); /* not told: user space could not be written to */
	assert_int_equal(count(get()), 1);
}

static void begins_clean(void **state)
{
	(void)state;
	assert_int_equal(set(0, GPA, PAGES), 0);
	write_page(GPA + PAGE);
	assert_int_equal(hv.dirty_calls, 0);
	assert_int_equal(set(LOG, GPA, PAGES), 0);
	assert_int_equal(hv.num_map, 1); /* it stays mapped meanwhile */
	assert_int_equal(hv.calls[FAKE_UNMAP], 0);
	assert_int_equal(hv.quiesces, 1);
	assert_int_equal(count(get()), 0);
	write_page(GPA + PAGE);
	assert_int_equal(set(0, GPA, PAGES), 0);
	assert_int_equal(set(LOG, GPA, PAGES), 0);
	assert_int_equal(count(get()), 0);
}

/* Who is told a page may look at it: no CPU writes there without being logged. */
static void waits(void **state)
{
	(void)state;
	assert_int_equal(set(LOG, GPA, PAGES), 0);
	hv.retries = 2;
	hv.quiesces = 0;
	get();
	assert_int_equal(hv.quiesces, 1);
	assert_int_equal(os.pings, 2);
}

static void moves(void **state)
{
	const void *bitmap;

	(void)state;
	assert_int_equal(set(LOG, GPA, PAGES), 0);
	write_page(GPA + 7 * PAGE);
	assert_int_equal(set(LOG, 2 * GPA, PAGES), 0);
	write_page(2 * GPA + 8 * PAGE);
	bitmap = get();
	assert_true(is_set(bitmap, 7) && is_set(bitmap, 8));
	assert_int_equal(count(bitmap), 2);
}

/* Neither a log that it would begin, nor one that it would end. */
static void failed_move(void **state)
{
	const void *bitmap;
	size_t bytes;

	(void)state;
	hv.fail_call = MV_HYPERCALL(MV_VM_OP, MV_VM_OP_MMIO_MAP_IDX_VAL);
	hv.fail_status = MV_STATUS_FAILURE_UNKNOWN;
	assert_int_equal(set(0, GPA, PAGES), 0);
	hv.fail_at = 1;
	assert_int_equal(set(LOG, 2 * GPA, PAGES), -EINVAL);
	assert_int_equal(shim_vm_get_dirty_log(&vm, 1, &bitmap, &bytes), -ENOENT);
	assert_int_equal(vm.slots.by_gpa[0]->flags, 0);
	assert_int_equal(set(LOG, GPA, PAGES), 0);
	write_page(GPA + 7 * PAGE);
	hv.fail_at = 1;
	assert_int_equal(set(0, 2 * GPA, PAGES), -EINVAL);
	bitmap = get();
	assert_true(is_set(bitmap, 7));
	assert_int_equal(count(bitmap), 1);
}

static void no_log(void **state)
{
	const void *bitmap;
	size_t bytes;

	(void)state;
	assert_int_equal(shim_vm_get_dirty_log(&vm, 1, &bitmap, &bytes), -ENOENT);
	assert_int_equal(set(0, GPA, PAGES), 0);
	assert_int_equal(shim_vm_get_dirty_log(&vm, 1, &bitmap, &bytes), -ENOENT);
	assert_int_equal(shim_vm_get_dirty_log(&vm, SHIM_MAX_SLOTS, &bitmap, &bytes), -EINVAL);
	assert_int_equal(shim_vm_get_dirty_log(&vm, 0x10001, &bitmap, &bytes), -EINVAL);
}

static void read_only_slots_are_clean(void **state)
{
	(void)state;
	assert_int_equal(set(LOG | KVM_MEM_READONLY, GPA, PAGES), 0);
	assert_int_equal(count(get()), 0);
	assert_int_equal(hv.dirty_calls, 0);
	assert_int_equal(set(LOG, GPA, PAGES), -EINVAL);
}

static void failures(void **state)
{
	(void)state;
	/* Pages for tables are found. */
	hv.short_of = 3;
	hv.short_times = 0;
	assert_int_equal(set(0, GPA, PAGES), 0);
	hv.short_times = 1;
	assert_int_equal(set(LOG, GPA, PAGES), 0);
	assert_int_equal(set(0, GPA, PAGES), 0);
	/* Or not: then there is no log, and all else is as it was. */
	hv.short_times = 1;
	os.no_pages = true;
	os.pages_order = 0;
	assert_int_equal(set(LOG, GPA, PAGES), -ENOMEM);
	assert_int_equal(vm.slots.by_id[0]->flags, 0);
	os.alloc_fail = 1;
	assert_int_equal(set(LOG, GPA, PAGES), -ENOMEM);
	assert_null(vm.slots.by_id[0]->dirty);
	assert_int_equal(hv.num_map, 1);
	/* A slot that was to have one is not made. */
	assert_int_equal(set(0, GPA, 0), 0);
	hv.fail_call = MV_HYPERCALL(MV_VM_OP, MV_VM_OP_DIRTY_LOG_IDX_VAL);
	hv.fail_at = 1;
	hv.fail_status = MV_STATUS_FAILURE_UNKNOWN;
	assert_int_equal(set(LOG, GPA, PAGES), -EINVAL);
	assert_int_equal(hv.num_map, 0);
	assert_int_equal(os.pinned, 0);
}

static int clear(uint64_t first, uint32_t pages, const uint64_t *bitmap)
{
	const struct kvm_clear_dirty_log log = {
		.slot = 1,
		.first_page = first,
		.num_pages = pages,
	};

	return shim_vm_clear_dirty_log(&vm, &log, bitmap);
}

static void by_hand(void **state)
{
	const struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE },
	};
	static uint64_t bitmap[PAGES / 64];

	(void)state;
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), 0);
	assert_int_equal(set(LOG, GPA, PAGES), 0);
	write_page(GPA + 64 * PAGE);
	write_page(GPA + 65 * PAGE);
	write_page(GPA + 200 * PAGE);
	get();
	shim_vm_dirty_log_told(&vm, 1);
	assert_int_equal(count(get()), 3);
	write_page(GPA + 66 * PAGE); /* before the call, too */
	bitmap[0] = 5;
	assert_int_equal(clear(64, 64, bitmap), 0);
	assert_int_equal(count(get()), 2);
	assert_true(is_set(get(), 65) && is_set(get(), 200));
	assert_int_equal(clear(1, 64, bitmap), -EINVAL);
	assert_int_equal(clear(64, 63, bitmap), -EINVAL);
	assert_int_equal(clear(PAGES + 64, 0, bitmap), -EINVAL);
	assert_int_equal(clear(PAGES - 64, 128, bitmap), -EINVAL);
	assert_int_equal(clear(0, 0, bitmap), 0);
	memset(bitmap, 0xFF, sizeof(bitmap));
	assert_int_equal(clear(0, PAGES, bitmap), 0);
	assert_int_equal(count(get()), 0);
}

static void all_set(void **state)
{
	const struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET },
	};

	(void)state;
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), 0);
	assert_int_equal(set(LOG, GPA, PAGES), 0);
	assert_int_equal(count(get()), PAGES);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(places),	TEST(begins_clean), TEST(waits),
		TEST(moves),	TEST(no_log),	    TEST(read_only_slots_are_clean),
		TEST(failures), TEST(by_hand),	    TEST(all_set),
		TEST(failed_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
