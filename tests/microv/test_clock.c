// SPDX-License-Identifier: MIT
/* The clocks of VMs and the TSCs of their VSs. */
#include "clock.h"
#include "fake.h"
#include "tsc.h"

#define KHZ 2500000ULL
#define SECOND (KHZ * 1000) /* ticks */
#define NS 1000000000ULL /* of a second */
#define SUCCESS MV_STATUS_SUCCESS

static unsigned int vsid, vmid;

static int setup(void **state)
{
	fake_reset(state);
	fake_share(0);
	assert_int_equal(HC(0, PP, TSC_SET_KHZ, KHZ, MV_TSC_STABLE, 0), MV_STATUS_SUCCESS);
	vsid = fake_vs();
	vmid = id_vmid(vsid);
	return 0;
}

/* One more VS of the same VM. */
static unsigned int second_vs(void)
{
	assert_int_equal(HC(0, VP, CREATE_VP, vmid, 0, 0), MV_STATUS_SUCCESS);
	assert_int_equal(HC(0, VS, CREATE_VS, fake_reg(0, 0), 0, 0), MV_STATUS_SUCCESS);
	return fake_reg(0, 0);
}

static uint64_t offset_of(unsigned int id)
{
	assert_int_equal(HC(0, VS, TSC_GET_KHZ, id, 0, 0), MV_STATUS_SUCCESS);
	return fake_reg(0, 1);
}

static void tsc_msr_set(unsigned int id, uint64_t value)
{
	assert_int_equal(HC(0, VS, MSR_SET, id, MSR_TSC, value), MV_STATUS_SUCCESS);
}

static uint64_t tsc_msr(unsigned int id)
{
	assert_int_equal(HC(0, VS, MSR_GET, id, MSR_TSC, 0), MV_STATUS_SUCCESS);
	return fake_reg(0, 0);
}

static uint64_t clock_get(uint64_t tsc)
{
	assert_int_equal(HC(0, VM, CLOCK_GET, vmid, tsc, 0), MV_STATUS_SUCCESS);
	return fake_reg(0, 0);
}

static void clock_set(uint64_t ns, uint64_t tsc)
{
	assert_int_equal(HC(0, VM, CLOCK_SET, vmid, ns, tsc), MV_STATUS_SUCCESS);
}

/* Every scale has all the bits it can have, and is what it should be. */
static void scale_is_exact(void **state)
{
	static const uint32_t khz[] = { 1,	 2,	  999,	   1000,	999999,	    1000000,
					1000001, 2594366, 3000000, 4294967295U, 2147483648U };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(khz); i++) {
		struct clock_scale s = clock_scale_of(khz[i]);
		long double want = 1e6L / khz[i], got = s.mul / 0x1p32L;

		assert_true(s.mul >> 31);
		got *= s.shift < 0 ? 1.0L / (1ULL << -s.shift) : 1.0L * (1ULL << s.shift);
		assert_true(got <= want && got > want * (1 - 0x1p-31L));
	}
	assert_int_equal(clock_scale_of(1000000).shift, 1);
	assert_int_equal(clock_scale_of(1000000).mul, 0x80000000);
	assert_int_equal(clock_scale_of(2000000).shift, 0);
	assert_int_equal(clock_scale_of(2000000).mul, 0x80000000);
}

/* 1,000 years of a slow TSC, in numbers that are exact: what overflows 2^64 ns wraps. */
static void a_thousand_years(void **state)
{
	const uint64_t seconds = 1000ULL * 31556952, khz = 500000; /* 2^shift * mul = 2 * 2^32 */
	const uint64_t ticks = seconds * khz * 1000;
	const unsigned __int128 ns = (unsigned __int128)seconds * 1000000000;
	struct clock_scale s = clock_scale_of(khz);

	(void)state;
	assert_true(ns >> 64);
	assert_int_equal(clock_scale(&s, ticks), (uint64_t)ns);
	assert_int_equal(clock_scale(&s, ticks + 1), (uint64_t)ns + 2);
	assert_int_equal(HC(0, PP, TSC_SET_KHZ, khz, MV_TSC_STABLE, 0), MV_STATUS_SUCCESS);
	clock_set(0, 1);
	assert_int_equal(clock_get(1 + ticks), (uint64_t)ns);
	clock_set((uint64_t)ns, 1);
	assert_int_equal(clock_get(1), (uint64_t)ns);
	assert_int_equal(clock_get(2), (uint64_t)ns + 2);
	/* and with a TSC that isn't stable */
	assert_int_equal(HC(0, PP, TSC_SET_KHZ, khz, 0, 0), MV_STATUS_SUCCESS);
	clock_set(0, 1);
	assert_int_equal(clock_get(1 + ticks), (uint64_t)ns);
}

static void clock_starts_at_0_and_runs(void **state)
{
	uint64_t first, later;

	(void)state;
	first = clock_get(0);
	assert_true(first < 1000000000);
	assert_int_equal(fake_reg(0, 1), MV_CLOCK_STABLE);
	later = clock_get(rdtsc() + SECOND);
	assert_in_range(later - first, 1000000000, 2000000000);
	clock_set(5000, 1000);
	assert_int_equal(clock_get(1000 + SECOND), 5000 + 999999999); /* mul is rounded down */
	assert_int_equal(clock_get(999), 5000);
	clock_set(~0ULL, 1000);
	assert_int_equal(clock_get(1000 + SECOND), 999999998);
}

/* Root's clock is not the TSC: it counts, on the CPU where it was told. */
static void clock_follows_root(void **state)
{
	(void)state;
	assert_int_equal(HC(0, PP, TSC_SET_KHZ, KHZ, 0, 0), MV_STATUS_SUCCESS);
	assert_int_equal(HC(0, PP, TIME_SET, 1000, 7000, 1), MV_STATUS_SUCCESS);
	clock_set(100, 1000);
	assert_int_equal(clock_get(1000), 100);
	assert_int_equal(fake_reg(0, 1), 0);
	assert_int_equal(HC(0, PP, TIME_SET, 5000, 7500, 1), MV_STATUS_SUCCESS);
	assert_int_equal(clock_get(5000), 600);
	assert_int_equal(clock_get(4000), 600);
	assert_int_equal(clock_get(5000 + 5), 600 + 1);
	/* another CPU has told another time */
	cpus[1].online = 1;
	assert_int_equal(HC(1, PP, TSC_SET_KHZ, KHZ, 0, 0), MV_STATUS_SUCCESS);
	assert_int_equal(HC(1, PP, TIME_SET, 90, 8000, 1), MV_STATUS_SUCCESS);
	assert_int_equal(HC(1, VM, CLOCK_GET, vmid, 90, 0), MV_STATUS_SUCCESS);
	assert_int_equal(fake_reg(1, 0), 1100);
}

/* Root told five times the frequency that the TSC has: the guests' time goes by what it has. */
static void measured(void **state)
{
	const uint64_t ns = 7000;

	(void)state;
	assert_int_equal(HC(0, PP, TSC_SET_KHZ, 5 * KHZ, 0, 0), SUCCESS);
	assert_int_equal(HC(0, PP, TIME_SET, SECOND, ns, 1), SUCCESS);
	clock_set(0, SECOND);
	assert_in_range(clock_get(2 * SECOND), NS / 5 - 1, NS / 5 + 1);
	/* too short to tell */
	assert_int_equal(HC(0, PP, TIME_SET, SECOND * 5 / 4, ns + NS / 4, 1), SUCCESS);
	assert_in_range(clock_get(SECOND * 5 / 4 + SECOND), NS / 4 + NS / 5 - 2,
			NS / 4 + NS / 5 + 2);
	for (uint64_t s = 1; s < 60; s++) {
		assert_int_equal(HC(0, PP, TSC_SET_KHZ, 5 * KHZ, 0, 0), SUCCESS);
		assert_int_equal(HC(0, PP, TIME_SET, (1 + s) * SECOND, ns + s * NS, 1), SUCCESS);
		assert_in_range(clock_get((2 + s) * SECOND), (1 + s) * NS - 2, (1 + s) * NS + 2);
	}
	/* a clock that was set is no frequency */
	assert_int_equal(HC(0, PP, TIME_SET, 90 * SECOND, ns + 5000 * NS, 1), SUCCESS);
	assert_in_range(clock_get(91 * SECOND), 5001 * NS - 2, 5001 * NS + 2);
	/* Linux's clocks go by the TSC now, and it knows its frequency */
	assert_int_equal(HC(0, PP, TSC_SET_KHZ, KHZ / 2, MV_TSC_STABLE, 0), SUCCESS);
	clock_set(0, 90 * SECOND);
	assert_in_range(clock_get(91 * SECOND), 2 * NS - 2, 2 * NS);
}

static void bad_calls(void **state)
{
	(void)state;
	assert_int_equal(HC(0, PP, TSC_SET_KHZ, 0, 0, 0), MV_STATUS_INVALID_INPUT_REG1);
	assert_int_equal(HC(0, PP, TSC_SET_KHZ, 1ULL << 32, 0, 0), MV_STATUS_INVALID_INPUT_REG1);
	assert_int_equal(HC(0, PP, TSC_SET_KHZ, 5, 2, 0), MV_STATUS_INVALID_INPUT_REG2);
	assert_int_equal(HC(0, PP, TSC_GET_KHZ, 0, 0, 0), MV_STATUS_SUCCESS);
	assert_int_equal(fake_reg(0, 0), KHZ);
	assert_int_equal(fake_reg(0, 1), MV_TSC_STABLE);
	assert_int_equal(HC(0, VM, CLOCK_GET, 0, 0, 0), MV_STATUS_INVALID_INPUT_REG1);
	assert_int_equal(HC(0, VM, CLOCK_SET, vmid + 1, 0, 0), MV_STATUS_INVALID_INPUT_REG1);
	assert_int_equal(HC(0, VS, TSC_GET_KHZ, vsid + 1, 0, 0), MV_STATUS_INVALID_INPUT_REG1);
	assert_int_equal(HC(0, VS, TSC_SET_KHZ, vsid + 1, KHZ, 0), MV_STATUS_INVALID_INPUT_REG1);
	assert_int_equal(HC(0, VS, TSC_OFFSET_SET, vsid + 1, 0, 0), MV_STATUS_INVALID_INPUT_REG1);
}

/* A CPU that wasn't told its frequency can't tell the time. */
static void not_told(void **state)
{
	(void)state;
	cpus[0].time = (struct cpu_time){ 0 };
	assert_int_equal(HC(0, PP, TSC_GET_KHZ, 0, 0, 0), MV_STATUS_FAILURE_UNKNOWN);
	assert_int_equal(HC(0, PP, TIME_SET, 1, 1, 1), MV_STATUS_FAILURE_UNKNOWN);
	assert_int_equal(HC(0, VM, CLOCK_GET, vmid, 0, 0), MV_STATUS_FAILURE_UNKNOWN);
	assert_int_equal(HC(0, VM, CLOCK_SET, vmid, 0, 0), MV_STATUS_FAILURE_UNKNOWN);
	assert_int_equal(HC(0, VS, TSC_GET_KHZ, vsid, 0, 0), MV_STATUS_FAILURE_UNKNOWN);
	assert_int_equal(HC(0, VS, TSC_SET_KHZ, vsid, KHZ, 0), MV_STATUS_FAILURE_UNKNOWN);
	state_data(mk_state(vsid))->time.khz = KHZ; /* set when it was on another CPU */
	state_data(mk_state(vsid))->time.catch_up = 1;
	tsc_msr_set(vsid, 1ULL << 40); /* this needs none */
	assert_in_range(tsc_msr(vsid), 1ULL << 40, (1ULL << 40) + SECOND);
}

static void new_vs_are_in_step(void **state)
{
	unsigned int second = second_vs();

	(void)state;
	assert_int_equal(offset_of(vsid), offset_of(second));
	assert_in_range(tsc_msr(vsid), 1, SECOND);
	clock_get(0);
	assert_int_equal(fake_reg(0, 1), MV_CLOCK_STABLE);
}

static void writes_within_a_second_are_in_step(void **state)
{
	const uint64_t there = 1ULL << 50;
	unsigned int second = second_vs();

	(void)state;
	tsc_msr_set(vsid, there);
	assert_in_range(tsc_msr(vsid), there, there + SECOND);
	clock_get(0);
	assert_int_equal(fake_reg(0, 1), 0); /* the other isn't there yet */
	tsc_msr_set(second, there + SECOND / 2);
	assert_int_equal(offset_of(vsid), offset_of(second));
	clock_get(0);
	assert_int_equal(fake_reg(0, 1), MV_CLOCK_STABLE);
	tsc_msr_set(second, there - SECOND / 2);
	assert_int_equal(offset_of(vsid), offset_of(second));
	tsc_msr_set(second, there + 2 * SECOND);
	assert_true(offset_of(second) - offset_of(vsid) > SECOND);
	clock_get(0);
	assert_int_equal(fake_reg(0, 1), 0);
	tsc_msr_set(vsid, 0); /* 0 is: like the other */
	assert_int_equal(offset_of(vsid), offset_of(second));
}

static void offsets(void **state)
{
	unsigned int second = second_vs();
	uint64_t now = rdtsc();

	(void)state;
	assert_int_equal(HC(0, VS, TSC_OFFSET_SET, vsid, 12345, 0), MV_STATUS_SUCCESS);
	assert_int_equal(offset_of(vsid), 12345);
	clock_get(0);
	assert_int_equal(fake_reg(0, 1), 0);
	assert_int_equal(HC(0, VS, TSC_OFFSET_SET, second, 12345, 0), MV_STATUS_SUCCESS);
	clock_get(0);
	assert_int_equal(fake_reg(0, 1), MV_CLOCK_STABLE);
	assert_in_range(tsc_msr(second) - now, 12345, 12345 + SECOND);
}

static void khz(void **state)
{
	const uint64_t bad[] = { 0, 1, KHZ - KHZ / 4000 - 1, 1ULL << 32 };
	uint64_t before;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(HC(0, VS, TSC_SET_KHZ, vsid, bad[i], 0),
				 MV_STATUS_INVALID_INPUT_REG2);
	assert_int_equal(HC(0, VS, TSC_SET_KHZ, vsid, KHZ - KHZ / 4000, 0), MV_STATUS_SUCCESS);
	assert_int_equal(HC(0, VS, TSC_GET_KHZ, vsid, 0, 0), MV_STATUS_SUCCESS);
	assert_int_equal(fake_reg(0, 0), KHZ - KHZ / 4000);
	before = fake_reg(0, 1);
	tsc_msr(vsid);
	assert_int_equal(offset_of(vsid), before);
}

/* Twice as fast: its TSC has gone on by as much as the CPU's since then. */
static void faster_than_the_cpu(void **state)
{
	struct vs vs = { .id = vsid, .vmid = vmid, .st = mk_state(vsid) };
	uint64_t before;

	(void)state;
	before = offset_of(vsid);
	assert_int_equal(HC(0, VS, TSC_SET_KHZ, vsid, 2 * KHZ, 0), MV_STATUS_SUCCESS);
	state_data(vs.st)->time.base -= SECOND; /* a second ago */
	state_data(vs.st)->time.base_guest -= SECOND;
	tsc_enter(&vs, rdtsc());
	assert_in_range(offset_of(vsid) - before, SECOND, SECOND + SECOND / 100);
}

static void never_backwards_on_another_cpu(void **state)
{
	struct vs vs = { .id = vsid, .vmid = vmid, .st = mk_state(vsid) };
	uint64_t before = offset_of(vsid);

	(void)state;
	tsc_leave(&vs, rdtsc());
	tsc_enter(&vs, rdtsc());
	assert_int_equal(offset_of(vsid), before);
	state_data(vs.st)->time.left += 5 * SECOND; /* where it was, it was later */
	tsc_enter(&vs, rdtsc());
	assert_in_range(offset_of(vsid) - before, 4 * SECOND, 5 * SECOND);
	before = offset_of(vsid);
	tsc_enter(&vs, rdtsc());
	assert_int_equal(offset_of(vsid), before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(scale_is_exact),
		TEST(a_thousand_years),
		TEST(clock_starts_at_0_and_runs),
		TEST(clock_follows_root),
		TEST(measured),
		TEST(bad_calls),
		TEST(not_told),
		TEST(new_vs_are_in_step),
		TEST(writes_within_a_second_are_in_step),
		TEST(offsets),
		TEST(khz),
		TEST(faster_than_the_cpu),
		TEST(never_backwards_on_another_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
