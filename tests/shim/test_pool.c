// SPDX-License-Identifier: MIT
/* Pages for the hypervisor: how many, when, and that none is freed too early or lost. */
#include "fake.h"

#include <pool.h>

#define CALL_DONATE MV_HYPERCALL(MV_VM_OP, MV_VM_OP_DONATE_IDX_VAL)

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

static int set(uint64_t bytes)
{
	return fake_slot(&vm, 0, 0, 0, bytes, 0x200000);
}

static void a_new_vm_has_some(void **state)
{
	(void)state;
	assert_in_range(fake_donated_pages(), 32, 64);
	assert_int_equal(os.pages, fake_donated_pages());
	assert_int_equal(hv.calls[FAKE_DONATE], 1);
}

static void map_asks_for_more(void **state)
{
	const uint64_t before = fake_donated_pages();

	(void)state;
	hv.short_of = 100;
	hv.short_times = 1;
	assert_int_equal(set(PAGE), 0);
	assert_true(fake_donated_pages() >= before + 100);
	assert_int_equal(os.pages, fake_donated_pages());
	assert_int_equal(hv.num_map, 1);
}

static void map_asks_again_and_again(void **state)
{
	const uint64_t before = fake_donated_pages();

	(void)state;
	hv.short_of = 3;
	hv.short_times = 5;
	assert_int_equal(set(PAGE), 0);
	assert_true(fake_donated_pages() >= before + 15);
	assert_int_equal(hv.calls[FAKE_MAP], 6);
}

static void only_single_pages_to_be_had(void **state)
{
	(void)state;
	os.pages_order = 0;
	hv.short_of = 2 * MV_MDL_MAX_ENTRIES + 1;
	hv.short_times = 1;
	hv.calls[FAKE_DONATE] = 0;
	assert_int_equal(set(PAGE), 0);
	assert_int_equal(hv.calls[FAKE_DONATE], 3);
}

static void no_pages_left(void **state)
{
	const long before = os.pages;

	(void)state;
	hv.short_of = 5;
	hv.short_times = 1;
	os.no_pages = true;
	assert_int_equal(set(PAGE), -ENOMEM);
	assert_int_equal(os.pinned, 0);
	assert_int_equal(os.pages, before);
	os.no_pages = false;
	assert_int_equal(set(PAGE), 0);
}

/* More than what is needed, so that the next is there already; if it can be had. */
static void ahead(void **state)
{
	const long before = os.pages;

	(void)state;
	hv.short_of = 1;
	hv.short_times = 1;
	assert_int_equal(set(PAGE), 0);
	assert_int_equal(os.pages, before + 16);
	assert_int_equal(set(0), 0);
	hv.short_of = 5;
	hv.short_times = 1;
	os.pages_order = 0;
	os.pages_fail = 6;
	assert_int_equal(set(PAGE), 0);
	assert_int_equal(os.pages, before + 16 + 5);
}

static void out_of_memory_for_the_list(void **state)
{
	unsigned int n, failed = 0;
	const long before = os.pages;

	(void)state;
	os.pages_order = 0;
	for (n = 1; n < 8; n++) {
		os.alloc_fail = n;
		if (pool_donate(&vm, 100))
			failed++;
		os.alloc_fail = 0;
	}
	assert_true(failed);
	assert_int_equal(os.pages, before + (7 - failed) * 100L);
	assert_int_equal(os.pages, fake_donated_pages());
}

/* A hypervisor that wants the impossible is not taken seriously. */
static void absurd_wish(void **state)
{
	(void)state;
	hv.short_of = ~0ULL;
	hv.short_times = 1;
	assert_int_equal(set(PAGE), -ENOMEM);
	hv.short_of = 0;
	hv.short_times = 1;
	assert_int_equal(set(PAGE), -ENOMEM);
}

static void donation_waits_for_the_cpus(void **state)
{
	(void)state;
	hv.retries = 3;
	os.pings = 0;
	assert_int_equal(pool_donate(&vm, 10), 0);
	assert_int_equal(os.pings, 3);
	assert_int_equal(os.pages, fake_donated_pages());
}

static void refused_pages_are_freed(void **state)
{
	const long before = os.pages;

	(void)state;
	hv.fail_call = CALL_DONATE;
	hv.fail_at = 1;
	hv.fail_status = MV_STATUS_FAILURE_UNKNOWN;
	assert_int_equal(pool_donate(&vm, 10), -EINVAL);
	assert_int_equal(os.pages, before);
}

/* Nobody knows whose these pages are: they are kept until the VM has gone. */
static void unfinished_donation_is_kept(void **state)
{
	const long before = os.pages;

	(void)state;
	hv.retries = ~0U;
	assert_int_equal(pool_donate(&vm, 10), -EIO);
	hv.retries = 0;
	hv.waiting = false;
	assert_true(os.pages >= before + 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_new_vm_has_some),
		TEST(map_asks_for_more),
		TEST(map_asks_again_and_again),
		TEST(only_single_pages_to_be_had),
		TEST(no_pages_left),
		TEST(ahead),
		TEST(out_of_memory_for_the_list),
		TEST(absurd_wish),
		TEST(donation_waits_for_the_cpus),
		TEST(refused_pages_are_freed),
		TEST(unfinished_donation_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
