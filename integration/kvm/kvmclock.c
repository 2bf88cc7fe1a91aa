// SPDX-License-Identifier: MIT
/*
 * kvmclock: the VM's clock as the guest sees it, by the structures in its memory.
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "kvmtest.h"

GUEST(show_time);
GUEST(wait_time);
GUEST(ask_wall_clock);

#define NS 1000000000ULL
#define MSR_WALL_OLD 0x11U
#define MSR_TIME_OLD 0x12U
#define MSR_WALL 0x4b564d00U
#define MSR_TIME 0x4b564d01U
#define TIME 0x20000UL
#define TIME2 (TIME + 0x40)
#define WALL (TIME + 0x80)

/* As the guest's pvclock_vcpu_time_info. */
struct time_info {
	uint32_t version, pad0;
	uint64_t tsc, ns;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad[2];
};

static uint64_t host_ns(clockid_t clock)
{
	struct timespec ts;

	REQUIRE(clock_gettime(clock, &ts) == 0);
	return ts.tv_sec * NS + ts.tv_nsec;
}

static uint64_t get_clock(const struct kt_vm *vm)
{
	struct kvm_clock_data data;

	REQUIRE(ioctl(vm->fd, KVM_GET_CLOCK, &data) == 0);
	return data.clock;
}

static void set_clock(const struct kt_vm *vm, uint64_t clock)
{
	struct kvm_clock_data data = { .clock = clock };

	REQUIRE(ioctl(vm->fd, KVM_SET_CLOCK, &data) == 0);
}

/* A guest that is about to run `code`, with RDI and RSI. */
static struct kt_guest guest_with(struct kt_code code, uint64_t rdi, uint64_t rsi)
{
	struct kt_guest guest = kt_guest(KT_LONG64, code);
	struct kvm_regs regs = kt_regs(&guest.vcpu);

	kt_set_cpuid(&guest.vm, &guest.vcpu);
	regs.rdi = rdi;
	regs.rsi = rsi;
	kt_set_regs(&guest.vcpu, &regs);
	return guest;
}

static struct time_info time_of(const struct kt_guest *guest, uint64_t gpa)
{
	struct time_info info;

	memcpy(&info, guest->mem + gpa, sizeof(info));
	return info;
}

/* The guest's time, by the guest. */
static uint64_t guest_time(const struct kt_vcpu *vcpu)
{
	RUN(vcpu, KVM_EXIT_HLT);
	return kt_regs(vcpu).rax;
}

static void offered(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + 4096);
	unsigned int features = 0, msrs = 0;

	REQUIRE(cpuid && list);
	cpuid->nent = 256;
	REQUIRE(ioctl(vm.kvm, KVM_GET_SUPPORTED_CPUID, cpuid) == 0);
	for (unsigned int i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 0x40000001)
			features = cpuid->entries[i].eax;
	CHECK_EQ(features & 0x100000b, 0x100000b);
	list->nmsrs = 1000;
	REQUIRE(ioctl(vm.kvm, KVM_GET_MSR_INDEX_LIST, list) == 0);
	for (unsigned int i = 0; i < list->nmsrs; i++)
		msrs += list->indices[i] == MSR_TIME || list->indices[i] == MSR_WALL ||
			list->indices[i] == MSR_TIME_OLD || list->indices[i] == MSR_WALL_OLD;
	CHECK_EQ(msrs, 4);
	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_KVMCLOCK_CTRL), 1);
	free(cpuid);
	free(list);
}

/* Both pairs are one, and take any value. */
static void msrs(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);

	CHECK_EQ(kt_msr(&vcpu, MSR_TIME) | kt_msr(&vcpu, MSR_WALL_OLD), 0);
	CHECK_EQ(kt_set_msr(&vcpu, MSR_TIME_OLD, ~0ULL), 1);
	CHECK_EQ(kt_msr(&vcpu, MSR_TIME), ~0ULL);
	CHECK_EQ(kt_set_msr(&vcpu, MSR_TIME, 0x1234), 1);
	CHECK_EQ(kt_msr(&vcpu, MSR_TIME_OLD), 0x1234);
	CHECK_EQ(kt_set_msr(&vcpu, MSR_WALL, ~0ULL), 1);
	CHECK_EQ(kt_msr(&vcpu, MSR_WALL_OLD), ~0ULL);
	CHECK_EQ(kt_set_msr(&vcpu, MSR_WALL_OLD, 0), 1);
	CHECK_EQ(kt_msr(&vcpu, MSR_WALL), 0);
}

/* What the guest reads lies between what KVM_GET_CLOCK gives before and after. */
static void agrees_with_the_ioctl(void)
{
	static const uint64_t clocks[] = { 0, 12345 * NS, 500ULL * 31556952 * NS };
	struct kt_guest guest = guest_with(CODE(show_time), TIME, MSR_TIME);

	guest_time(&guest.vcpu);
	for (unsigned int i = 0; i < KT_LEN(clocks); i++) {
		kt_context("from %llu ns on", (unsigned long long)clocks[i]);
		set_clock(&guest.vm, clocks[i]);
		guest_time(&guest.vcpu); /* not the first after it was set: */
		for (int j = 0; j < 20; j++) {
			uint64_t before = get_clock(&guest.vm);
			uint64_t now = guest_time(&guest.vcpu);
			uint64_t after = get_clock(&guest.vm);

			/* it may go by a TSC that is 0.5 % wrong for up to two seconds */
			CHECK(now + NS / 100 >= before && now <= after + NS / 100);
			CHECK(now - clocks[i] < 60 * NS);
		}
	}
}

static void structure(void)
{
	struct kt_guest guest = guest_with(CODE(show_time), TIME, MSR_TIME);
	struct time_info info;
	struct kvm_clock_data data;
	long double ratio;
	long khz = ioctl(guest.vcpu.fd, KVM_GET_TSC_KHZ, 0);

	memset(guest.mem + TIME, 0, 128);
	guest_time(&guest.vcpu);
	info = time_of(&guest, TIME);
	CHECK(info.version && info.version % 2 == 0);
	CHECK(info.mul >> 31);
	ratio = (long double)info.mul / 0x1p32L * khz / 1e6L;
	for (int i = 0; i < info.shift; i++)
		ratio *= 2;
	for (int i = 0; i > info.shift; i--)
		ratio /= 2;
	CHECK(ratio > 0.999L && ratio < 1.001L);
	CHECK_EQ(info.pad0 | info.pad[0] | info.pad[1], 0);
	REQUIRE(ioctl(guest.vm.fd, KVM_GET_CLOCK, &data) == 0);
	kt_note("mul 0x%x shift %d flags %u", info.mul, info.shift, info.flags);
	CHECK_EQ(info.flags, data.flags & KVM_CLOCK_TSC_STABLE ? 1 : 0);
	for (size_t i = sizeof(info); i < 128; i++)
		CHECK_EQ(guest.mem[TIME + i], 0);
}

static void old_msr(void)
{
	struct kt_guest guest = guest_with(CODE(show_time), TIME, MSR_TIME_OLD);
	uint64_t before = get_clock(&guest.vm), now = guest_time(&guest.vcpu);

	CHECK_EQ(kt_msr(&guest.vcpu, MSR_TIME), TIME | 1);
	CHECK(now + NS / 100 >= before && now <= get_clock(&guest.vm) + NS / 100);
	CHECK_EQ(time_of(&guest, TIME).flags, 0);
}

static void moved_and_switched_off(void)
{
	struct kt_guest guest = guest_with(CODE(show_time), TIME, MSR_TIME);
	struct time_info info;

	guest_time(&guest.vcpu);
	CHECK_EQ(kt_set_msr(&guest.vcpu, MSR_TIME, TIME2 | 1), 1);
	guest_time(&guest.vcpu);
	CHECK(time_of(&guest, TIME2).version != 0);
	info = time_of(&guest, TIME2);
	CHECK_EQ(kt_set_msr(&guest.vcpu, MSR_TIME, TIME2), 1);
	set_clock(&guest.vm, 99999 * NS);
	guest_time(&guest.vcpu);
	CHECK_EQ(time_of(&guest, TIME2).version, info.version);
	/* Where there is no memory the guest goes on. */
	CHECK_EQ(kt_set_msr(&guest.vcpu, MSR_TIME, (1ULL << 38) | 1), 1);
	guest_time(&guest.vcpu);
	CHECK_EQ(kt_set_msr(&guest.vcpu, MSR_TIME, ~0ULL), 1);
	guest_time(&guest.vcpu);
}

static void wall_clock(void)
{
	struct kt_guest guest = guest_with(CODE(ask_wall_clock), WALL, 0);
	uint32_t wall[4];
	uint64_t began, now;

	memset(guest.mem + WALL, 0, sizeof(wall));
	set_clock(&guest.vm, 1000 * NS);
	RUN(&guest.vcpu, KVM_EXIT_HLT);
	memcpy(wall, guest.mem + WALL, sizeof(wall));
	CHECK(wall[0] && wall[0] % 2 == 0);
	CHECK(wall[2] < NS);
	CHECK_EQ(wall[3], 0);
	began = wall[1] * NS + wall[2];
	now = began + get_clock(&guest.vm);
	kt_note("%lld us from the host's", (long long)(now - host_ns(CLOCK_REALTIME)) / 1000);
	CHECK(now + NS / 20 > host_ns(CLOCK_REALTIME) && now < host_ns(CLOCK_REALTIME) + NS / 20);
	CHECK_EQ(kt_msr(&guest.vcpu, MSR_WALL), WALL);
	/* by user space */
	CHECK_EQ(kt_set_msr(&guest.vcpu, MSR_WALL_OLD, WALL + 32), 1);
	memcpy(wall, guest.mem + WALL + 32, sizeof(wall));
	CHECK(llabs((long long)(wall[1] * NS + wall[2] - began)) < (long long)NS / 20);
}

static void kvmclock_ctrl(void)
{
	struct kt_guest guest = guest_with(CODE(show_time), TIME, MSR_TIME);

	CHECK_ERRNO(ioctl(guest.vcpu.fd, KVM_KVMCLOCK_CTRL, 0), EINVAL);
	guest_time(&guest.vcpu);
	CHECK_EQ(time_of(&guest, TIME).flags & 2, 0);
	CHECK_OK(ioctl(guest.vcpu.fd, KVM_KVMCLOCK_CTRL, 0));
	guest_time(&guest.vcpu);
	CHECK_EQ(time_of(&guest, TIME).flags & 2, 2);
	set_clock(&guest.vm, NS);
	guest_time(&guest.vcpu);
	CHECK_EQ(time_of(&guest, TIME).flags & 2, 2);
	guest.mem[TIME + offsetof(struct time_info, flags)] = 0;
	set_clock(&guest.vm, NS);
	guest_time(&guest.vcpu);
	CHECK_EQ(time_of(&guest, TIME).flags & 2, 0);
}

/* Two CPUs of one guest see the same time, each by its own structure. */
static void two_cpus(void)
{
	struct kt_guest guest = guest_with(CODE(show_time), TIME, MSR_TIME);
	struct kt_vcpu second = kt_vcpu_create(&guest.vm, 1);
	struct kvm_regs regs;

	kt_set_cpuid(&guest.vm, &second);
	kt_start(&second, guest.mem, KT_LONG64, KT_CODE);
	regs = kt_regs(&second);
	regs.rdi = TIME2;
	regs.rsi = MSR_TIME;
	kt_set_regs(&second, &regs);
	for (int i = 0; i < 20; i++) {
		uint64_t a = guest_time(&guest.vcpu);
		uint64_t b = guest_time(&second);
		uint64_t c = guest_time(&guest.vcpu);

		CHECK(b + NS / 100 >= a && b <= c + NS / 100);
	}
	CHECK_EQ(time_of(&guest, TIME).flags, time_of(&guest, TIME2).flags);
}

/* Moves the process from CPU to CPU, every 10 ms, until told to stop. */
static void *mover(void *stop)
{
	const struct timespec ms10 = { .tv_nsec = 10000000 };
	pid_t pid = getpid();
	cpu_set_t set;

	for (unsigned int i = 0; !__atomic_load_n((int *)stop, __ATOMIC_RELAXED); i++) {
		set = kt_cpu(i);
		sched_setaffinity(pid, sizeof(set), &set); /* the main thread: it runs the vCPU */
		nanosleep(&ms10, NULL);
	}
	return NULL;
}

/* The host's time, the guest's, the host's: how slow it all is only makes that less exact. */
static void read_both(const struct kt_vcpu *vcpu, uint64_t time[3])
{
	time[0] = host_ns(CLOCK_MONOTONIC_RAW);
	time[1] = guest_time(vcpu);
	time[2] = host_ns(CLOCK_MONOTONIC_RAW);
}

/* Ten seconds by kvmclock are ten seconds, also for a vCPU that never stays on a CPU. */
static void ten_seconds(void)
{
	struct kt_guest guest = guest_with(CODE(wait_time), TIME, 10 * NS);
	uint64_t first[3], last[3], ns;
	struct kvm_regs regs;
	pthread_t thread;
	int stop = 0;

	REQUIRE(pthread_create(&thread, NULL, mover, &stop) == 0);
	read_both(&guest.vcpu, first);
	RUN(&guest.vcpu, KVM_EXIT_HLT);
	read_both(&guest.vcpu, last);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	regs = kt_regs(&guest.vcpu);
	ns = last[1] - first[1];
	kt_note("%llu us of the guest took %llu to %llu, back %llu times",
		(unsigned long long)ns / 1000, (unsigned long long)(last[0] - first[2]) / 1000,
		(unsigned long long)(last[2] - first[0]) / 1000, (unsigned long long)regs.rbx);
	CHECK(ns >= 10 * NS);
	CHECK(ns > (last[0] - first[2]) / 100 * 99 && ns < (last[2] - first[0]) / 100 * 101);
	/* Without a stable TSC stock KVM sets the clock back a little when it corrects it. */
	if (regs.rbx)
		CHECK_EQ(time_of(&guest, TIME).flags & 1, 0);
}

static const struct kt_test tests[] = {
	{ "features and MSRs are offered", offered },
	{ "both pairs of MSRs are one", msrs },
	{ "the guest's time is KVM_GET_CLOCK's", agrees_with_the_ioctl },
	{ "the structure of the time", structure },
	{ "the old MSR", old_msr },
	{ "moved, switched off, nowhere", moved_and_switched_off },
	{ "the wall clock is the host's", wall_clock },
	{ "KVM_KVMCLOCK_CTRL", kvmclock_ctrl },
	{ "two CPUs", two_cpus },
	{ "ten seconds by kvmclock, moving", ten_seconds },
};

KT_MAIN(tests)
