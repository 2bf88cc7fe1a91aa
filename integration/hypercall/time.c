// SPDX-License-Identifier: MIT
/*
 * The TSC's frequency, the clock of a VM, kvmclock: without a shim that tells the time.
 */
#include <unistd.h>

#include "hct.h"

#define MSR_TSC 0x10U
#define MSR_SYSTEM_TIME 0x4B564D01U
#define KHZ 1000000ULL
#define NS_PER_S 1000000000ULL

static uint64_t rdtsc(void)
{
	return __builtin_ia32_rdtsc();
}

static void frequency(void)
{
	static const uint64_t bad[] = { 0, 1ULL << 32, ~0ULL };

	for (size_t i = 0; i < COUNT(bad); i++)
		check_refused(HC(PP, TSC_SET_KHZ), bad[i], 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	check_refused(HC(PP, TSC_SET_KHZ), KHZ, 2, 0, MV_STATUS_INVALID_INPUT_REG2);
	check_eq(hc(HC(PP, TSC_SET_KHZ), KHZ, MV_TSC_STABLE, 0).rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(PP, TSC_GET_KHZ), 0, 0, 0).reg[0], KHZ);
	check_eq(hc(HC(PP, TSC_GET_KHZ), 0, 0, 0).reg[1], MV_TSC_STABLE);
}

static void clock_of_a_vm(void)
{
	static const uint64_t values[] = { 0, 12345, 1ULL << 63, ~0ULL };
	const uint64_t tsc = rdtsc();
	struct guest g;

	shared_set();
	require(guest_create(&g));
	check_eq(hc(HC(PP, TSC_SET_KHZ), KHZ, MV_TSC_STABLE, 0).rax, MV_STATUS_SUCCESS);
	check(hc(HC(VM, CLOCK_GET), g.vm, 0, 0).reg[0] < rdtsc() - tsc);
	for (size_t i = 0; i < COUNT(values); i++) {
		check_eq(hc(HC(VM, CLOCK_SET), g.vm, values[i], tsc).rax, MV_STATUS_SUCCESS);
		check_eq(hc(HC(VM, CLOCK_GET), g.vm, tsc, 0).reg[0], values[i]);
		check_eq(hc(HC(VM, CLOCK_GET), g.vm, tsc + 7, 0).reg[0], values[i] + 7);
	}
	check_eq(hc(HC(VM, CLOCK_GET), g.vm, tsc, 0).reg[1], MV_CLOCK_STABLE);
	check_refused(HC(VM, CLOCK_GET), 0, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	check_refused(HC(VM, CLOCK_SET), g.vm + 1, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	guest_destroy(&g);
	shared_clear();
}

/* Without a stable TSC each CPU goes by what it was told. */
static void clock_of_root(void)
{
	const uint64_t tsc = rdtsc();
	struct guest g;

	shared_set();
	require(guest_create(&g));
	check_eq(hc(HC(PP, TSC_SET_KHZ), KHZ, 0, 0).rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(PP, TIME_SET), tsc, 5000, 0).rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(VM, CLOCK_SET), g.vm, 100, tsc).rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(PP, TIME_SET), tsc + 10, 6000, 0).rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(VM, CLOCK_GET), g.vm, tsc + 10, 0).reg[0], 1100);
	check_eq(hc(HC(VM, CLOCK_GET), g.vm, tsc + 10, 0).reg[1], 0);
	if (cpu_count > 1) {
		check_eq(hc_raw(1, HC(PP, TSC_SET_KHZ), handle, KHZ, 0, 0).rax, MV_STATUS_SUCCESS);
		check_eq(hc_raw(1, HC(PP, TIME_SET), handle, tsc, 9000, 0).rax, MV_STATUS_SUCCESS);
		check_eq(hc_raw(1, HC(VM, CLOCK_GET), handle, g.vm, tsc, 0).reg[0], 4100);
	}
	guest_destroy(&g);
	shared_clear();
}

static void tsc_of_a_vs(void)
{
	struct guest g;
	uint64_t tsc;

	shared_set();
	require(guest_create(&g));
	check_eq(hc(HC(PP, TSC_SET_KHZ), KHZ, MV_TSC_STABLE, 0).rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(VS, TSC_GET_KHZ), g.vs, 0, 0).reg[0], KHZ);
	check_refused(HC(VS, TSC_SET_KHZ), g.vs, 0, 0, MV_STATUS_INVALID_INPUT_REG2);
	check_refused(HC(VS, TSC_SET_KHZ), g.vs, KHZ / 2, 0, MV_STATUS_INVALID_INPUT_REG2);
	check_refused(HC(VS, TSC_SET_KHZ), g.vs + 1, KHZ, 0, MV_STATUS_INVALID_INPUT_REG1);
	check_eq(hc(HC(VS, TSC_SET_KHZ), g.vs, 2 * KHZ, 0).rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(VS, TSC_GET_KHZ), g.vs, 0, 0).reg[0], 2 * KHZ);
	check_eq(hc(HC(VS, TSC_SET_KHZ), g.vs, KHZ, 0).rax, MV_STATUS_SUCCESS);

	check_eq(hc(HC(VS, TSC_OFFSET_SET), g.vs, 1ULL << 60, 0).rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(VS, TSC_GET_KHZ), g.vs, 0, 0).reg[1], 1ULL << 60);
	tsc = rdtsc();
	tsc = hc(HC(VS, MSR_GET), g.vs, MSR_TSC, 0).reg[0] - (1ULL << 60) - tsc;
	check(tsc < NS_PER_S);
	check_refused(HC(VS, TSC_OFFSET_SET), g.vs + 1, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	guest_destroy(&g);
	shared_clear();
}

/* The guest has its time in its memory when it comes to its first instruction, HLT. */
static void kvmclock(void)
{
	uint64_t ns, mul_shift;
	uint32_t version;
	struct guest g;

	shared_set();
	require(guest_create(&g));
	g.ram.va[0] = 0xF4;
	check_eq(reg_set(g.vs, mv_reg_t_cs_base, 0), MV_STATUS_SUCCESS);
	check_eq(reg_set(g.vs, mv_reg_t_rip, 0), MV_STATUS_SUCCESS);
	check_eq(hc(HC(PP, TSC_SET_KHZ), KHZ, MV_TSC_STABLE, 0).rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(VM, CLOCK_SET), g.vm, 77 * NS_PER_S, 0).rax, MV_STATUS_SUCCESS);
	check_refused(HC(VS, CLOCK_PAUSED), g.vs, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	check_eq(hc(HC(VS, MSR_SET), g.vs, MSR_SYSTEM_TIME, 0x1001).rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(VS, CLOCK_PAUSED), g.vs, 0, 0).rax, MV_STATUS_SUCCESS);
	memset(run_page(), 0, sizeof(*run_page()));
	hc(HC(VS, RUN), g.vs, 0, 0);
	memcpy(&version, g.ram.va + 0x1000, sizeof(version));
	memcpy(&ns, g.ram.va + 0x1010, sizeof(ns));
	memcpy(&mul_shift, g.ram.va + 0x1018, sizeof(mul_shift));
	check_eq(version, 2);
	check_eq(ns, 77 * NS_PER_S);
	check_eq(mul_shift, 0x0000030180000000); /* 2^1 * 2^31, flags: stable and stopped */
	guest_destroy(&g);
	shared_clear();
}

const struct test time_tests[] = {
	{ "tsc_set_khz and tsc_get_khz of a PP", frequency },
	{ "clock_set and clock_get", clock_of_a_vm },
	{ "time_set: the clock follows the root VM's", clock_of_root },
	{ "TSC of a VS: frequency and offset", tsc_of_a_vs },
	{ "kvmclock in the guest's memory", kvmclock },
	{ NULL, NULL },
};
