// SPDX-License-Identifier: MIT
/* What a guest is shown of its VM's clock, and when. */
#include "clock.h"
#include "cpuid.h"
#include "fake.h"
#include "kvmclock.h"
#include "tsc.h"
#include "walk.h"

#define KHZ 1500000ULL
#define SECOND (KHZ * 1000) /* ticks */
#define NS 1000000000ULL
#define TIME 0x13000
#define WALL 0x14000

/* pvclock-abi.h, written down once more. */
struct info {
	uint32_t version, pad0;
	uint64_t tsc, ns;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad[2];
};

static unsigned int vsid, vmid;

static int setup(void **state)
{
	fake_reset(state);
	fake_share(0);
	assert_int_equal(HC(0, PP, TSC_SET_KHZ, KHZ, MV_TSC_STABLE, 0), MV_STATUS_SUCCESS);
	assert_int_equal(HC(0, PP, TIME_SET, rdtsc(), 100 * NS, 5000 * NS), MV_STATUS_SUCCESS);
	vsid = fake_vs();
	vmid = id_vmid(vsid);
	fake_mode_64(vsid);
	return 0;
}

static void msr_set(uint32_t index, uint64_t value)
{
	assert_int_equal(HC(0, VS, MSR_SET, vsid, index, value), MV_STATUS_SUCCESS);
}

static uint64_t msr_get(uint32_t index)
{
	assert_int_equal(HC(0, VS, MSR_GET, vsid, index, 0), MV_STATUS_SUCCESS);
	return fake_reg(0, 0);
}

/* Enters the guest, which halts. */
static void enter(void)
{
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_HLT, .len = 1 });
	assert_int_equal(fake_run(vsid), MV_STATUS_SUCCESS);
	fake.exit_count = fake.exit_next = 0;
}

/* The guest writes an MSR, then halts. */
static void guest_write(uint32_t index, uint64_t value)
{
	struct mk_state *st = mk_state(vsid);

	st->gpr[MK_RCX] = index;
	st->gpr[MK_RAX] = (uint32_t)value;
	st->gpr[MK_RDX] = value >> 32;
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_MSR, .write = 1, .len = 2 });
	enter();
}

static struct info info_at(uint64_t gpa)
{
	struct info info;

	memcpy(&info, fake_ram + gpa, sizeof(info));
	assert_int_equal(info.version % 2, 0);
	return info;
}

/* As a guest computes it. */
static uint64_t guest_ns(const struct info *info, uint64_t tsc)
{
	uint64_t delta = tsc - info->tsc;

	delta = info->shift < 0 ? delta >> -info->shift : delta << info->shift;
	return info->ns + (uint64_t)((unsigned __int128)delta * info->mul >> 32);
}

static uint64_t offset(void)
{
	assert_int_equal(HC(0, VS, TSC_GET_KHZ, vsid, 0, 0), MV_STATUS_SUCCESS);
	return fake_reg(0, 1);
}

static uint64_t clock_get(uint64_t tsc)
{
	assert_int_equal(HC(0, VM, CLOCK_GET, vmid, tsc, 0), MV_STATUS_SUCCESS);
	return fake_reg(0, 0);
}

static void features(void **state)
{
	struct mv_cdl_entry_t e = { .fun = 0x40000001 };

	(void)state;
	cpuid_supported(&e);
	assert_int_equal(e.eax, 1 << 0 | 1 << 1 | 1 << 3 | 1 << 24);
	for (unsigned int i = 0; i < 4; i++) {
		static const uint32_t msrs[] = { 0x11, 0x12, 0x4B564D00, 0x4B564D01 };

		assert_int_equal(HC(0, PP, MSR_GET_SUPPORTED, msrs[i], 0, 0), MV_STATUS_SUCCESS);
		assert_int_equal(fake_reg(0, 0), 1);
		assert_int_equal(msr_get(msrs[i]), 0);
	}
	/* what isn't supported can't be switched on */
	e.eax = ~0U;
	memset(fake_shared, 0, sizeof(fake_shared));
	memcpy(fake_shared, &e, sizeof(e));
	assert_int_equal(HC(0, VS, CPUID_SET, vsid, 0, 0), MV_STATUS_SUCCESS);
	assert_int_equal(HC(0, VS, CPUID_GET, vsid, 0, 0), MV_STATUS_SUCCESS);
	memcpy(&e, fake_shared, sizeof(e));
	assert_int_equal(e.eax, 0x0100000B);
}

/* Both pairs are one pair. */
static void msrs(void **state)
{
	(void)state;
	msr_set(0x12, ~0ULL);
	assert_int_equal(msr_get(0x4B564D01), ~0ULL);
	msr_set(0x4B564D01, 6);
	assert_int_equal(msr_get(0x12), 6);
	msr_set(0x11, ~0ULL);
	assert_int_equal(msr_get(0x4B564D00), ~0ULL);
	guest_write(0x4B564D00, 0);
	assert_int_equal(msr_get(0x11), 0);
}

static void stable_time(void **state)
{
	struct info info, again;
	uint64_t tsc;

	(void)state;
	enter();
	guest_write(MSR_SYSTEM_TIME, TIME | 1);
	info = info_at(TIME);
	assert_int_equal(info.flags, 1);
	assert_int_equal(info.mul, clock_scale_of(KHZ).mul);
	assert_int_equal(info.shift, clock_scale_of(KHZ).shift);
	assert_int_equal(info.pad0 | info.pad[0] | info.pad[1], 0);
	tsc = rdtsc();
	assert_true(info.tsc <= tsc + offset()); /* not from before its TSC began */
	assert_int_equal(guest_ns(&info, tsc + offset()), clock_get(tsc));
	assert_int_equal(guest_ns(&info, tsc + 1000 * SECOND + offset()),
			 clock_get(tsc + 1000 * SECOND));
	/* nothing changes: nothing is written, also when root tells the time */
	assert_int_equal(HC(0, PP, TIME_SET, rdtsc(), 900 * NS, 1), MV_STATUS_SUCCESS);
	enter();
	again = info_at(TIME);
	assert_memory_equal(&info, &again, sizeof(info));
}

static void told_of_changes(void **state)
{
	struct info info;
	uint32_t version;

	(void)state;
	guest_write(MSR_SYSTEM_TIME, TIME | 1);
	version = info_at(TIME).version;
	assert_int_equal(HC(0, VM, CLOCK_SET, vmid, 77 * NS, 0), MV_STATUS_SUCCESS);
	enter();
	info = info_at(TIME);
	assert_int_equal(info.version, version + 2);
	assert_int_equal(info.ns, 77 * NS);
	msr_set(MSR_TSC, 1ULL << 55);
	enter();
	info = info_at(TIME);
	assert_in_range(info.tsc, (1ULL << 55) - 100 * SECOND, (1ULL << 55) + 100 * SECOND);
	assert_in_range(guest_ns(&info, rdtsc() + offset()), 77 * NS, 78 * NS);
	/* switched off */
	guest_write(MSR_SYSTEM_TIME, 0);
	version = info_at(TIME).version;
	assert_int_equal(HC(0, VM, CLOCK_SET, vmid, 99 * NS, 0), MV_STATUS_SUCCESS);
	enter();
	assert_int_equal(info_at(TIME).version, version);
}

/* The old MSR's guests know no flags; the clock of CPUs out of step isn't stable. */
static void stable_bit(void **state)
{
	unsigned int second;

	(void)state;
	guest_write(MSR_SYSTEM_TIME_OLD, TIME | 1);
	assert_int_equal(info_at(TIME).flags, 0);
	msr_set(MSR_SYSTEM_TIME_OLD, TIME | 1); /* user space restores it so */
	enter();
	assert_int_equal(info_at(TIME).flags, 0);
	guest_write(MSR_SYSTEM_TIME, TIME | 1);
	assert_int_equal(info_at(TIME).flags, 1);
	assert_int_equal(HC(0, VP, CREATE_VP, vmid, 0, 0), MV_STATUS_SUCCESS);
	assert_int_equal(HC(0, VS, CREATE_VS, fake_reg(0, 0), 0, 0), MV_STATUS_SUCCESS);
	second = fake_reg(0, 0);
	enter();
	assert_int_equal(info_at(TIME).flags, 1);
	assert_int_equal(HC(0, VS, MSR_SET, second, MSR_TSC, 1ULL << 60), MV_STATUS_SUCCESS);
	enter();
	assert_int_equal(info_at(TIME).flags, 0);
	assert_int_equal(HC(0, PP, TSC_SET_KHZ, KHZ, 0, 0), MV_STATUS_SUCCESS);
	enter();
	assert_int_equal(info_at(TIME).flags, 0);
}

/* A guest that moves its own TSC keeps its time. */
static void guest_moves_its_tsc(void **state)
{
	struct info info;

	(void)state;
	guest_write(MSR_SYSTEM_TIME, TIME | 1);
	guest_write(MSR_TSC, 1ULL << 50);
	enter();
	info = info_at(TIME);
	assert_int_equal(info.flags, 0);
	assert_true(guest_ns(&info, rdtsc() + offset()) < NS);
}

static void stopped(void **state)
{
	(void)state;
	assert_int_equal(HC(0, VS, CLOCK_PAUSED, vsid, 0, 0), MV_STATUS_FAILURE_UNKNOWN);
	guest_write(MSR_SYSTEM_TIME, TIME | 1);
	assert_int_equal(info_at(TIME).flags, 1);
	assert_int_equal(HC(0, VS, CLOCK_PAUSED, vsid, 0, 0), MV_STATUS_SUCCESS);
	assert_int_equal(info_at(TIME).flags, 1);
	enter();
	assert_int_equal(info_at(TIME).flags, 3);
	assert_int_equal(HC(0, VM, CLOCK_SET, vmid, NS, 0), MV_STATUS_SUCCESS);
	enter();
	assert_int_equal(info_at(TIME).flags, 3); /* until the guest clears it */
	fake_ram[TIME + 29] = 0;
	assert_int_equal(HC(0, VM, CLOCK_SET, vmid, NS, 0), MV_STATUS_SUCCESS);
	enter();
	assert_int_equal(info_at(TIME).flags, 1);
	assert_int_equal(HC(0, VS, CLOCK_PAUSED, vsid + 1, 0, 0), MV_STATUS_INVALID_INPUT_REG1);
}

/* At the end of a page, over its end, and where there is no memory. */
static void places(void **state)
{
	static const uint64_t bad[] = { 0x13FE2, FAKE_RAM, FAKE_RAM - 1, 1ULL << 52, ~0ULL };
	uint8_t zeros[64] = { 0 };

	(void)state;
	guest_write(MSR_SYSTEM_TIME, 0x13FE1);
	assert_int_equal(info_at(0x13FE0).flags, 1);
	memset(fake_ram + 0x13FE0, 0, 32);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		guest_write(MSR_SYSTEM_TIME, bad[i] | 1);
		enter();
		assert_memory_equal(fake_ram + 0x13FE0, zeros, sizeof(zeros));
		guest_write(MSR_WALL_CLOCK, bad[i] > 0x14000 ? bad[i] : 0);
	}
}

static void wall_clock(void **state)
{
	uint32_t wall[3];

	(void)state;
	assert_int_equal(HC(0, VM, CLOCK_SET, vmid, 10 * NS, 0), MV_STATUS_SUCCESS);
	guest_write(MSR_WALL_CLOCK, WALL);
	memcpy(wall, fake_ram + WALL, sizeof(wall));
	assert_int_equal(wall[0], 2);
	assert_in_range(wall[1], 4989, 4990);
	assert_true(wall[2] < NS);
	fake_ram[WALL] = 5; /* of a version that was never completed */
	msr_set(MSR_WALL_CLOCK_OLD, WALL);
	memcpy(wall, fake_ram + WALL, sizeof(wall));
	assert_int_equal(wall[0], 8);
	assert_int_equal(fake_ram[WALL + 12], 0);
}

/* Where root must be asked for the memory, the wall clock is written before a later entry. */
static void wall_clock_waits(void **state)
{
	struct vs vs = { .id = vsid, .vmid = id_vmid(vsid), .st = mk_state(vsid) };

	(void)state;
	assert_int_equal(HC(0, VM, CLOCK_SET, vmid, 10 * NS, 0), MV_STATUS_SUCCESS);
	state_data(vs.st)->run_flags = MV_RUN_FLAG_ASK;
	kvmclock_write(&vs, MSR_WALL_CLOCK, FAKE_RAM, 1);
	assert_int_equal(kvmclock_enter(&vs), -MK_EAGAIN);
	assert_int_equal(kvmclock_enter(&vs), -MK_EAGAIN);
	walk_answer(&vs, MV_RUN_FLAG_NO_MEMORY);
	assert_int_equal(kvmclock_enter(&vs), 0);
}

/* Without a stable TSC it is what root told last, on the CPU where the guest is. */
static void follows_root(void **state)
{
	const uint64_t now = rdtsc();
	struct info info;
	uint64_t ns;

	(void)state;
	assert_int_equal(HC(0, PP, TSC_SET_KHZ, KHZ, 0, 0), MV_STATUS_SUCCESS);
	assert_int_equal(HC(0, PP, TIME_SET, now, 50 * NS, 0), MV_STATUS_SUCCESS);
	assert_int_equal(HC(0, VM, CLOCK_SET, vmid, 3 * NS, now), MV_STATUS_SUCCESS);
	guest_write(MSR_SYSTEM_TIME, TIME | 1);
	info = info_at(TIME);
	assert_int_equal(info.flags, 0);
	assert_in_range(info.ns, 3 * NS, 4 * NS);
	assert_int_equal(info.mul, clock_scale_of(KHZ).mul);
	enter();
	assert_int_equal(info_at(TIME).version, info.version);
	/* root's clock was faster than the TSC */
	assert_int_equal(HC(0, PP, TIME_SET, rdtsc(), 57 * NS, 0), MV_STATUS_SUCCESS);
	enter();
	ns = info_at(TIME).ns;
	assert_in_range(ns, 10 * NS, 11 * NS);
	/* or slower: time stands, and is half as fast until it's told again */
	assert_int_equal(HC(0, PP, TIME_SET, rdtsc(), 52 * NS, 0), MV_STATUS_SUCCESS);
	enter();
	info = info_at(TIME);
	assert_in_range(info.ns, ns, ns + NS);
	assert_int_equal(info.mul, clock_scale_of(KHZ).mul - clock_scale_of(KHZ).mul / 2);
	assert_int_equal(HC(0, PP, TIME_SET, rdtsc(), 60 * NS, 0), MV_STATUS_SUCCESS);
	enter();
	info = info_at(TIME);
	assert_in_range(info.ns, 13 * NS, 14 * NS);
	assert_int_equal(info.mul, clock_scale_of(KHZ).mul);
	/* who sets it may set it back */
	assert_int_equal(HC(0, VM, CLOCK_SET, vmid, NS, 0), MV_STATUS_SUCCESS);
	enter();
	assert_in_range(info_at(TIME).ns, NS, 2 * NS);
}

/* INIT switches it off. */
static void off_by_init(void **state)
{
	(void)state;
	guest_write(MSR_SYSTEM_TIME, TIME | 1);
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_SHUTDOWN });
	assert_int_equal(fake_run(vsid), MV_STATUS_SUCCESS);
	assert_int_equal(msr_get(MSR_SYSTEM_TIME), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(features),
		TEST(msrs),
		TEST(stable_time),
		TEST(told_of_changes),
		TEST(stable_bit),
		TEST(stopped),
		TEST(guest_moves_its_tsc),
		TEST(places),
		TEST(wall_clock),
		TEST(wall_clock_waits),
		TEST(follows_root),
		TEST(off_by_init),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
