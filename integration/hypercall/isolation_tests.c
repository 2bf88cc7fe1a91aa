// SPDX-License-Identifier: MIT
/*
 * Root reads and writes the hypervisor's memory: it reads all-ones, nothing changes,
 * nothing crashes.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "hct.h"

#define PAGE 4096U
#define MOST_PAGES 512U

/* Every page, or, where there are many, some of all of it. */
static uint64_t stride(void)
{
	uint64_t pages = hidden_bytes / PAGE;

	return (pages / MOST_PAGES + 1) * PAGE;
}

static bool all_ones(const uint8_t *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (p[i] != 0xFF)
			return false;
	return true;
}

static void there_is_some(void)
{
	check(hidden_spa != 0);
	check(hidden_bytes >= PAGE);
}

static void reads(void)
{
	uint8_t page[PAGE];

	require(hidden_bytes >= PAGE);
	for (uint64_t i = 0; i + PAGE <= hidden_bytes; i += stride()) {
		memset(page, 0, sizeof(page));
		check_eq(phys_copy(hidden_spa + i, page, PAGE, false), 0);
		if (!all_ones(page, PAGE))
			test_note(__FILE__, __LINE__, "0x%llx doesn't read as all-ones",
				  (unsigned long long)hidden_spa + i);
	}
}

static void works(void)
{
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		struct hct_call call = hc_raw(cpu, HC(ID, VERSION), 0, 0, 0, 0);

		check_eq(call.fault, 0);
		check_eq(call.reg[0], MV_ALL_SPECS_SUPPORTED_VAL);
	}
}

static void writes(void)
{
	static const uint8_t bytes[] = { 0x00, 0x55, 0xF4 };
	uint8_t page[PAGE];

	require(hidden_bytes >= PAGE);
	for (uint64_t i = 0; i + PAGE <= hidden_bytes; i += stride()) {
		memset(page, bytes[i / PAGE % sizeof(bytes)], sizeof(page));
		check_eq(phys_copy(hidden_spa + i, page, PAGE, true), 0);
		memset(page, 0, sizeof(page));
		check_eq(phys_copy(hidden_spa + i, page, PAGE, false), 0);
		check(all_ones(page, PAGE));
	}
	works();
}

static void all_sizes(void)
{
	uint8_t bytes[64];

	require(hidden_bytes >= PAGE);
	for (uint32_t size = 1; size <= sizeof(bytes); size++) {
		memset(bytes, 0x11, sizeof(bytes));
		check_eq(phys_copy(hidden_spa + size, bytes, size, true), 0);
		check_eq(phys_copy(hidden_spa + size, bytes, size, false), 0);
		check(all_ones(bytes, size));
	}
	works();
}

static void *hammer(void *arg)
{
	uint8_t page[PAGE];
	bool *bad = arg;

	for (int i = 0; i < 20; i++) {
		uint64_t at =
			hidden_spa + (uint64_t)i * PAGE % (hidden_bytes & ~(uint64_t)(PAGE - 1));

		memset(page, i, sizeof(page));
		*bad |= phys_copy(at, page, PAGE, true) != 0;
		*bad |= phys_copy(at, page, PAGE, false) != 0 || !all_ones(page, PAGE);
	}
	return NULL;
}

static void all_cpus(void)
{
	pthread_t threads[64];
	bool bad[64] = { false };
	unsigned int n = cpu_count < 64 ? cpu_count : 64;

	require(hidden_bytes >= PAGE);
	for (unsigned int i = 0; i < n; i++)
		require(pthread_create(&threads[i], NULL, hammer, &bad[i]) == 0);
	for (unsigned int i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		check(!bad[i]);
	}
	works();
}

const struct test isolation_tests[] = {
	{ "the hypervisor has memory of its own", there_is_some },
	{ "root reads all-ones from it", reads },
	{ "root's writes change nothing, and MicroV works on", writes },
	{ "accesses of 1 to 64 bytes", all_sizes },
	{ "all CPUs at once", all_cpus },
	{ NULL, NULL },
};
