// SPDX-License-Identifier: MIT
/*
 * KVM_GET_CLOCK, KVM_SET_CLOCK, the frequency and offset of the TSC, and that a guest's TSC
 * is as fast as the host's time.
 */
#include <time.h>

#include "kvmtest.h"

GUEST(read_tsc);
GUEST(wait_tsc);

#define NS 1000000000ULL
#define MSR_TSC 0x10U
#define MSR_TSC_ADJUST 0x3BU

static uint64_t host_ns(clockid_t clock)
{
	struct timespec ts;

	REQUIRE(clock_gettime(clock, &ts) == 0);
	return ts.tv_sec * NS + ts.tv_nsec;
}

static void sleep_ns(uint64_t ns)
{
	const struct timespec ts = { .tv_sec = ns / NS, .tv_nsec = ns % NS };

	nanosleep(&ts, NULL);
}

static uint64_t get_clock(const struct kt_vm *vm)
{
	struct kvm_clock_data data;

	memset(&data, 0xff, sizeof(data));
	REQUIRE(ioctl(vm->fd, KVM_GET_CLOCK, &data) == 0);
	CHECK_EQ(data.flags & ~14U, 0);
	CHECK_EQ(data.pad0, 0);
	return data.clock;
}

static int set_clock(const struct kt_vm *vm, uint64_t clock, uint32_t flags, uint64_t realtime)
{
	struct kvm_clock_data data = { .clock = clock, .flags = flags, .realtime = realtime };

	return ioctl(vm->fd, KVM_SET_CLOCK, &data);
}

static void capabilities(void)
{
	struct kt_vm vm = kt_vm_create();

	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_GET_TSC_KHZ), 1);
	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_ADJUST_CLOCK), 14);
	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER), 1);
	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_VCPU_ATTRIBUTES), 1);
	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL),
		 ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_VM_TSC_CONTROL));
}

/* From 0 on when the VM is made, and as fast as the host's. */
static void clock_runs(void)
{
	uint64_t before = host_ns(CLOCK_MONOTONIC_RAW), after, first, last, start, ran;
	struct kt_vm vm = kt_vm_create();

	first = get_clock(&vm);
	CHECK(first <= host_ns(CLOCK_MONOTONIC_RAW) - before);
	start = host_ns(CLOCK_MONOTONIC_RAW);
	first = get_clock(&vm);
	before = host_ns(CLOCK_MONOTONIC_RAW);
	sleep_ns(NS / 2);
	after = host_ns(CLOCK_MONOTONIC_RAW);
	last = get_clock(&vm);
	ran = host_ns(CLOCK_MONOTONIC_RAW) - start;
	kt_note("the clock ran %llu ns in %llu", (unsigned long long)(last - first),
		(unsigned long long)ran);
	CHECK(last - first >= (after - before) - (after - before) / 1000);
	CHECK(last - first <= ran + ran / 1000);
}

/* 1,000 years in ns are more than 64 bits: what is left of them is as good as any value. */
static void clock_keeps_any_value(void)
{
	static const uint64_t values[] = {
		0, 1, 5 * NS, 500 * 31556952ULL * NS, 1000 * 31556952ULL * NS, 1ULL << 63, ~0ULL,
	};
	struct kt_vm vm = kt_vm_create();

	for (unsigned int i = 0; i < KT_LEN(values); i++) {
		uint64_t before = host_ns(CLOCK_MONOTONIC), now;

		kt_context("%llu ns", (unsigned long long)values[i]);
		CHECK_OK(set_clock(&vm, values[i], 0, 0));
		now = get_clock(&vm);
		CHECK(now - values[i] <= host_ns(CLOCK_MONOTONIC) - before);
		before = get_clock(&vm);
		CHECK(before - now < NS);
	}
}

static void clock_flags(void)
{
	struct kt_vm vm = kt_vm_create();

	CHECK_OK(set_clock(&vm, 7 * NS, 0, 0));
	for (unsigned int bit = 0; bit < 32; bit++) {
		if (14U >> bit & 1)
			CHECK_OK(set_clock(&vm, 9 * NS, 1U << bit, host_ns(CLOCK_REALTIME)));
		else
			CHECK_ERRNO(set_clock(&vm, 8 * NS, 1U << bit, 0), EINVAL);
	}
	CHECK(get_clock(&vm) >= 9 * NS && get_clock(&vm) < 19 * NS);
	CHECK_ERRNO(ioctl(vm.fd, KVM_GET_CLOCK, 8UL), EFAULT);
	CHECK_ERRNO(ioctl(vm.fd, KVM_SET_CLOCK, 8UL), EFAULT);
}

/* Set as of a moment in the past; one in the future is taken for now. */
static void clock_realtime(void)
{
	struct kt_vm vm = kt_vm_create();
	uint64_t now = host_ns(CLOCK_REALTIME), got;

	CHECK_OK(set_clock(&vm, 5, KVM_CLOCK_REALTIME, now - 100 * NS));
	got = get_clock(&vm);
	CHECK(got >= 100 * NS && got <= 100 * NS + 5 + (host_ns(CLOCK_REALTIME) - now));
	now = host_ns(CLOCK_REALTIME);
	CHECK_OK(set_clock(&vm, 5, KVM_CLOCK_REALTIME, now + 100 * NS));
	got = get_clock(&vm);
	CHECK(got >= 5 && got <= 5 + (host_ns(CLOCK_REALTIME) - now));
}

/* With a stable TSC the clock comes with the host's time and TSC at the same moment. */
static void clock_with_host_times(void)
{
	struct kt_guest guest = kt_guest(KT_LONG64, CODE(read_tsc));
	uint64_t before, after;
	struct kvm_clock_data data;

	RUN(&guest.vcpu, KVM_EXIT_HLT); /* stock KVM finds out whether it is stable here */
	before = host_ns(CLOCK_REALTIME);
	REQUIRE(ioctl(guest.vm.fd, KVM_GET_CLOCK, &data) == 0);
	after = host_ns(CLOCK_REALTIME);
	if (!data.flags)
		kt_skip("the host's TSC isn't stable");
	CHECK_EQ(data.flags, 14);
	CHECK(data.realtime >= before && data.realtime <= after);
	CHECK(data.host_tsc <= __builtin_ia32_rdtsc());
	CHECK(data.host_tsc + 100 * NS > __builtin_ia32_rdtsc());
}

static void khz_is_real(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	long khz = ioctl(vcpu.fd, KVM_GET_TSC_KHZ, 0);
	uint64_t ns, tsc;

	CHECK(khz > 0);
	CHECK_EQ(ioctl(vm.fd, KVM_GET_TSC_KHZ, 0), khz);
	ns = host_ns(CLOCK_MONOTONIC_RAW);
	tsc = __builtin_ia32_rdtsc();
	sleep_ns(NS);
	ns = host_ns(CLOCK_MONOTONIC_RAW) - ns;
	tsc = __builtin_ia32_rdtsc() - tsc;
	tsc = tsc * 1000000 / ns;
	kt_note("%ld kHz, measured %llu", khz, (unsigned long long)tsc);
	CHECK(tsc > khz * 99ULL / 100 && tsc < khz * 101ULL / 100);
}

static void khz_of_a_vcpu(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	long khz = ioctl(vcpu.fd, KVM_GET_TSC_KHZ, 0);

	if (ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL))
		kt_skip("the CPU can scale its TSC");
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_TSC_KHZ, 1), EINVAL);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_TSC_KHZ, khz / 2), EINVAL);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_TSC_KHZ, khz));
	CHECK_EQ(ioctl(vcpu.fd, KVM_GET_TSC_KHZ, 0), khz);
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_TSC_KHZ, khz - khz / 5000));
	CHECK_EQ(ioctl(vcpu.fd, KVM_GET_TSC_KHZ, 0), khz - khz / 5000);
	if (khz < 0x3fffffff) {
		CHECK_OK(ioctl(vcpu.fd, KVM_SET_TSC_KHZ, 2 * khz));
		CHECK_EQ(ioctl(vcpu.fd, KVM_GET_TSC_KHZ, 0), 2 * khz);
	}
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_TSC_KHZ, 0));
	CHECK_EQ(ioctl(vcpu.fd, KVM_GET_TSC_KHZ, 0), khz);
	/* Only 32 bits count. */
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_TSC_KHZ, (1UL << 32) + khz));
	CHECK_EQ(ioctl(vcpu.fd, KVM_GET_TSC_KHZ, 0), khz);
}

static void khz_of_a_vm(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu old = kt_vcpu_create(&vm, 0), new;
	long khz = ioctl(vm.fd, KVM_GET_TSC_KHZ, 0), other = khz + khz / 2;

	CHECK_OK(ioctl(vm.fd, KVM_SET_TSC_KHZ, other));
	CHECK_EQ(ioctl(vm.fd, KVM_GET_TSC_KHZ, 0), other);
	new = kt_vcpu_create(&vm, 1);
	CHECK_EQ(ioctl(old.fd, KVM_GET_TSC_KHZ, 0), khz);
	CHECK_EQ(ioctl(new.fd, KVM_GET_TSC_KHZ, 0), other);
	CHECK_OK(ioctl(vm.fd, KVM_SET_TSC_KHZ, 0));
	CHECK_EQ(ioctl(vm.fd, KVM_GET_TSC_KHZ, 0), khz);
}

/*
 * A faster TSC than the CPU's: it is set on at each entry. (With a stable TSC stock KVM sets it
 * on to where it should have been when that began.)
 */
static void khz_faster(void)
{
	struct kt_guest guest = kt_guest(KT_LONG64, CODE(read_tsc));
	long khz = ioctl(guest.vcpu.fd, KVM_GET_TSC_KHZ, 0);
	uint64_t first, ticks, ns, outer, inner;
	struct kvm_clock_data data;

	CHECK_OK(ioctl(guest.vcpu.fd, KVM_SET_TSC_KHZ, 2 * khz));
	ns = host_ns(CLOCK_MONOTONIC_RAW);
	RUN(&guest.vcpu, KVM_EXIT_HLT);
	inner = host_ns(CLOCK_MONOTONIC_RAW);
	REQUIRE(ioctl(guest.vm.fd, KVM_GET_CLOCK, &data) == 0);
	if (data.flags & KVM_CLOCK_TSC_STABLE)
		kt_skip("the host's TSC is stable");
	first = kt_regs(&guest.vcpu).rax;
	sleep_ns(NS);
	kt_guest_load(&guest, KT_LONG64, CODE(read_tsc));
	inner = host_ns(CLOCK_MONOTONIC_RAW) - inner;
	RUN(&guest.vcpu, KVM_EXIT_HLT);
	outer = host_ns(CLOCK_MONOTONIC_RAW) - ns;
	ticks = kt_regs(&guest.vcpu).rax - first;
	ns = ticks * 1000 / (2 * khz / 1000);
	kt_note("%llu ns by it, of %llu to %llu", (unsigned long long)ns, (unsigned long long)inner,
		(unsigned long long)outer);
	CHECK(ns > inner - inner / 50 && ns < outer + outer / 50);
}

static void attributes(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	uint64_t offset = 0, tsc;
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)&offset,
	};

	CHECK_OK(ioctl(vcpu.fd, KVM_HAS_DEVICE_ATTR, &attr));
	offset = 1ULL << 60;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_DEVICE_ATTR, &attr));
	tsc = kt_msr(&vcpu, MSR_TSC);
	/* (stock KVM takes back what passed meanwhile when the TSC isn't stable) */
	CHECK(tsc - offset <= __builtin_ia32_rdtsc());
	CHECK(tsc - offset + 100 * NS > __builtin_ia32_rdtsc());
	offset = 0;
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_DEVICE_ATTR, &attr));
	CHECK(offset <= 1ULL << 60 && offset > (1ULL << 60) - 100 * NS);

	attr.addr = 8;
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_GET_DEVICE_ATTR, &attr), EFAULT);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_DEVICE_ATTR, &attr), EFAULT);
	attr.attr = 1;
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_HAS_DEVICE_ATTR, &attr), ENXIO);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_GET_DEVICE_ATTR, &attr), ENXIO);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_DEVICE_ATTR, &attr), ENXIO);
	attr.attr = KVM_VCPU_TSC_OFFSET;
	attr.group = 1;
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_HAS_DEVICE_ATTR, &attr), ENXIO);
	attr.group = KVM_VCPU_TSC_CTRL;
	attr.flags = 1; /* which nobody looks at */
	CHECK_OK(ioctl(vcpu.fd, KVM_HAS_DEVICE_ATTR, &attr));
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_HAS_DEVICE_ATTR, 8UL), EFAULT);
}

static uint64_t guest_tsc(const struct kt_vcpu *vcpu, uint8_t *mem)
{
	kt_start(vcpu, mem, KT_LONG64, KT_CODE);
	RUN(vcpu, KVM_EXIT_HLT);
	return kt_regs(vcpu).rax;
}

/*
 * What is written to two TSCs within a second means: in step. (Without a stable TSC stock KVM
 * holds that of a vCPU that doesn't run, so the guest must look.)
 */
static void tscs_in_step(void)
{
	const long long near = NS / 20;
	const uint64_t there = 1ULL << 52;
	struct kt_guest guest = kt_guest(KT_LONG64, CODE(read_tsc));
	struct kt_vcpu other;
	uint64_t tsc;

	sleep_ns(NS / 5);
	other = kt_vcpu_create(&guest.vm, 1);
	tsc = guest_tsc(&guest.vcpu, guest.mem);
	CHECK(llabs((long long)(guest_tsc(&other, guest.mem) - tsc)) < near);

	CHECK_EQ(kt_set_msr(&guest.vcpu, MSR_TSC, there), 1);
	sleep_ns(NS / 5);
	CHECK_EQ(kt_set_msr(&other, MSR_TSC, there), 1);
	tsc = guest_tsc(&guest.vcpu, guest.mem);
	CHECK(tsc > there && llabs((long long)(guest_tsc(&other, guest.mem) - tsc)) < near);

	/* This isn't meant so. */
	CHECK_EQ(kt_set_msr(&other, MSR_TSC, 2 * there), 1);
	tsc = guest_tsc(&guest.vcpu, guest.mem);
	CHECK(guest_tsc(&other, guest.mem) - tsc > there / 2);
}

/* User space sets TSC_ADJUST without moving the TSC. */
static void tsc_adjust(void)
{
	const uint64_t there = 1ULL << 52;
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	uint64_t tsc;

	kt_set_cpuid(&vm, &vcpu);
	CHECK_EQ(kt_set_msr(&vcpu, MSR_TSC, there), 1);
	CHECK_EQ(kt_msr(&vcpu, MSR_TSC_ADJUST), 0);
	CHECK_EQ(kt_set_msr(&vcpu, MSR_TSC_ADJUST, there), 1);
	CHECK_EQ(kt_msr(&vcpu, MSR_TSC_ADJUST), there);
	tsc = kt_msr(&vcpu, MSR_TSC);
	CHECK(tsc >= there && tsc < there + 100 * NS);
}

/* Ten seconds by the guest's TSC are ten seconds, as far as its frequency is known. */
static void ten_seconds(void)
{
	struct kt_guest guest = kt_guest(KT_LONG64, CODE(wait_tsc));
	struct kvm_regs regs = kt_regs(&guest.vcpu);
	uint64_t ns = host_ns(CLOCK_MONOTONIC_RAW), tsc = __builtin_ia32_rdtsc(), want;

	regs.rdi = ioctl(guest.vcpu.fd, KVM_GET_TSC_KHZ, 0) * 10000ULL;
	kt_set_regs(&guest.vcpu, &regs);
	RUN(&guest.vcpu, KVM_EXIT_HLT);
	ns = host_ns(CLOCK_MONOTONIC_RAW) - ns;
	tsc = __builtin_ia32_rdtsc() - tsc;
	want = regs.rdi / (tsc / (ns / 1000)) * 1000;
	regs = kt_regs(&guest.vcpu);
	kt_note("10 s of the guest took %llu us of %llu, back %llu times",
		(unsigned long long)ns / 1000, (unsigned long long)want / 1000,
		(unsigned long long)regs.rbx);
	CHECK_EQ(regs.rbx, 0);
	CHECK(ns > want - want / 100 && ns < want + want / 100);
}

static const struct kt_test tests[] = {
	{ "capabilities", capabilities },
	{ "KVM_GET_CLOCK: runs from 0 on", clock_runs },
	{ "KVM_SET_CLOCK: any value", clock_keeps_any_value },
	{ "KVM_SET_CLOCK: flags, bad pointers", clock_flags },
	{ "KVM_SET_CLOCK: as of a real time", clock_realtime },
	{ "KVM_GET_CLOCK: real time and host's TSC", clock_with_host_times },
	{ "KVM_GET_TSC_KHZ", khz_is_real },
	{ "KVM_SET_TSC_KHZ of a vCPU", khz_of_a_vcpu },
	{ "KVM_SET_TSC_KHZ of a VM", khz_of_a_vm },
	{ "a TSC faster than the CPU's", khz_faster },
	{ "TSC offset by attribute", attributes },
	{ "TSCs in step", tscs_in_step },
	{ "TSC_ADJUST", tsc_adjust },
	{ "ten seconds by the TSC", ten_seconds },
};

KT_MAIN(tests)
