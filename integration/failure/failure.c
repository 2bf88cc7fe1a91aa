// SPDX-License-Identifier: MIT
/*
 * Every allocation of the shim fails once, with modules that fail on demand (fail.c), in the life
 * of a VM: each ioctl gives ENOMEM, as stock KVM's, and works at the next attempt.
 */
#define _GNU_SOURCE
#include <sys/eventfd.h>

#include "kvmtest.h"
#include "neighbour.h"

#define PARAMETERS "/sys/module/microv_kvm/parameters/"
#define ENTRIES 256

static unsigned int errors;
static uint8_t *memory;

static unsigned long parameter(const char *name)
{
	char path[128], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	fd = open(path, O_RDONLY);
	REQUIRE(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strtoul(text, NULL, 10);
}

static void fail_at(unsigned int n)
{
	int fd = open(PARAMETERS "fail_at", O_WRONLY);

	REQUIRE(fd >= 0 && dprintf(fd, "%u", n) > 0);
	close(fd);
}

/* As a whole it succeeds; each failure must be ENOMEM, and just the one. */
#define TRY(call)                                                                                  \
	({                                                                                         \
		long r_ = (long)(call);                                                            \
		if (r_ < 0) {                                                                      \
			if (errno != ENOMEM)                                                       \
				kt_fail(__FILE__, __LINE__, "%s: errno %d", #call, errno);         \
			errors++;                                                                  \
			r_ = (long)(call);                                                         \
			if (r_ < 0)                                                                \
				kt_fail(__FILE__, __LINE__, "%s again: errno %d", #call, errno);   \
		}                                                                                  \
		r_;                                                                                \
	})

static void cpuid(int kvm, int vcpu)
{
	static union {
		struct kvm_cpuid2 head;
		uint8_t bytes[sizeof(struct kvm_cpuid2) +
			      ENTRIES * sizeof(struct kvm_cpuid_entry2)];
	} list;

	list.head.nent = ENTRIES;
	TRY(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &list));
	TRY(ioctl(vcpu, KVM_SET_CPUID2, &list));
	TRY(ioctl(vcpu, KVM_GET_CPUID2, &list));
}

static void registers(int vcpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head = { .nmsrs = 1 }, .entry = { .index = 0x174 } };
	struct kvm_regs regs = { .rip = KT_CODE, .rflags = 2 };
	struct kvm_xsave xsave;
	struct kvm_sregs sregs;

	TRY(ioctl(vcpu, KVM_GET_SREGS, &sregs));
	sregs.cs.base = sregs.cs.selector = 0;
	TRY(ioctl(vcpu, KVM_SET_SREGS, &sregs));
	TRY(ioctl(vcpu, KVM_SET_REGS, &regs));
	TRY(ioctl(vcpu, KVM_GET_XSAVE, &xsave));
	TRY(ioctl(vcpu, KVM_SET_XSAVE, &xsave));
	TRY(ioctl(vcpu, KVM_GET_MSRS, &msrs));
	TRY(ioctl(vcpu, KVM_SET_MSRS, &msrs));
}

static void devices(int vm)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = 0xFEC00000, .size = 0x1000 };
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };
	struct kvm_ioeventfd event = {
		.addr = 0x500, .len = 1, .fd = eventfd(0, 0), .flags = KVM_IOEVENTFD_FLAG_PIO
	};

	TRY(ioctl(vm, KVM_IOEVENTFD, &event));
	TRY(ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &zone));
	TRY(ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter));
	event.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	TRY(ioctl(vm, KVM_IOEVENTFD, &event));
	TRY(ioctl(vm, KVM_UNREGISTER_COALESCED_MMIO, &zone));
	close(event.fd);
}

static void statistics(int of)
{
	char text[64];
	int fd = TRY(ioctl(of, KVM_GET_STATS_FD, NULL));

	TRY(read(fd, text, sizeof(text)));
	close(fd);
}

static int set_memory(int vm, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.flags = flags,
		.memory_size = KT_GUEST_SIZE,
		.userspace_addr = (uintptr_t)memory,
	};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

/* mov [0x5000], al; hlt: the page at 0x5000 isn't there yet. */
static void runs(int vcpu, struct kvm_run *run)
{
	memcpy(memory + KT_CODE, "\xA2\x00\x50\xF4", 4);
	TRY(ioctl(vcpu, KVM_RUN, 0));
	CHECK_EQ(run->exit_reason, KVM_EXIT_HLT);
}

static void life(int kvm)
{
	size_t run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	int vm = TRY(ioctl(kvm, KVM_CREATE_VM, 0)), vcpu;
	struct kvm_dirty_log log = { .dirty_bitmap = (uint64_t[8]){ 0 } };
	struct kvm_run *run;

	memory = kt_anon(KT_GUEST_SIZE);
	devices(vm);
	TRY(set_memory(vm, 0));
	vcpu = TRY(ioctl(vm, KVM_CREATE_VCPU, 0));
	run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	REQUIRE(run != MAP_FAILED);
	cpuid(kvm, vcpu);
	registers(vcpu);
	runs(vcpu, run);
	TRY(set_memory(vm, KVM_MEM_LOG_DIRTY_PAGES));
	TRY(ioctl(vm, KVM_GET_DIRTY_LOG, &log));
	statistics(vm);
	statistics(vcpu);
	munmap(run, run_size);
	close(vcpu);
	close(vm);
	munmap(memory, KT_GUEST_SIZE);
}

/* Until there is none that fails. How many there were. */
static unsigned int all_fail(void)
{
	int kvm = open("/dev/kvm", O_RDWR);
	unsigned long vms = parameter("vms"), outstanding = parameter("outstanding"), before;
	unsigned int n;

	REQUIRE(kvm >= 0);
	for (n = 1; n < 1000; n++) {
		kt_context("allocation %u", n);
		before = parameter("fails");
		fail_at(n);
		life(kvm);
		fail_at(0);
		CHECK_EQ(parameter("vms"), vms);
		CHECK_EQ(parameter("outstanding"), outstanding);
		if (parameter("fails") == before)
			break;
	}
	close(kvm);
	kt_note("%u allocations, %u errors", n - 1, errors);
	return n - 1;
}

static void each_fails_once(void)
{
	CHECK(all_fail() > 30);
	CHECK(errors > 20);
}

static void another_goes_on(void)
{
	static const uint8_t hlt[] = { 0xF4 };
	struct neighbour other;

	neighbour_begin(&other, KT_REAL, (struct kt_code){ hlt, hlt + sizeof(hlt) });
	all_fail();
	neighbour_end(&other);
	CHECK(other.rounds > 100);
}

static const struct kt_test tests[] = {
	{ "each allocation of a VM's life fails once", each_fails_once },
	{ "another VM goes on meanwhile", another_goes_on },
};

KT_MAIN(tests)
