// SPDX-License-Identifier: MIT
/*
 * MSRs: the lists, KVM_GET_MSRS and KVM_SET_MSRS with their counts, and the guest's own view.
 */
#include "kvmtest.h"

GUEST(read_msr);
GUEST(write_msr);

#define UNKNOWN 0x9fff0000U /* no CPU has it */

static struct kvm_msrs *msrs_new(uint32_t count)
{
	struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + 256 * sizeof(msrs->entries[0]));

	REQUIRE(msrs != NULL);
	msrs->nmsrs = count;
	return msrs;
}

static int set(int fd, uint32_t index, uint64_t data)
{
	struct kvm_msrs *msrs = msrs_new(1);
	int ret;

	msrs->entries[0] = (struct kvm_msr_entry){ .index = index, .data = data };
	ret = ioctl(fd, KVM_SET_MSRS, msrs);
	free(msrs);
	return ret;
}

static uint64_t get(int fd, uint32_t index)
{
	struct kvm_msrs *msrs = msrs_new(1);
	uint64_t data;

	msrs->entries[0].index = index;
	CHECK_EQ(ioctl(fd, KVM_GET_MSRS, msrs), 1);
	data = msrs->entries[0].data;
	free(msrs);
	return data;
}

static void list_of(int fd, unsigned long request, int target)
{
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + 4096);
	uint32_t count;

	REQUIRE(list != NULL);
	CHECK_ERRNO(ioctl(fd, request, list), E2BIG);
	count = list->nmsrs;
	REQUIRE(count >= 1 && count < 1000);
	list->nmsrs = count - 1;
	CHECK_ERRNO(ioctl(fd, request, list), E2BIG);
	CHECK_EQ(list->nmsrs, count);
	CHECK_OK(ioctl(fd, request, list));
	for (uint32_t i = 0; i < count; i++) {
		kt_context("MSR 0x%x", list->indices[i]);
		get(target, list->indices[i]);
	}
	CHECK_ERRNO(ioctl(fd, request, 8UL), EFAULT);
}

static void index_list(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);

	kt_set_cpuid(&vm, &vcpu);
	list_of(vm.kvm, KVM_GET_MSR_INDEX_LIST, vcpu.fd);
}

static void feature_list(void)
{
	int kvm = kt_open();
	struct kvm_msrs *msrs = msrs_new(2);

	list_of(kvm, KVM_GET_MSR_FEATURE_INDEX_LIST, kvm);
	msrs->entries[0].index = 0x8b;
	msrs->entries[1].index = 0x174; /* no feature */
	CHECK_EQ(ioctl(kvm, KVM_GET_MSRS, msrs), 1);
	CHECK(msrs->entries[0].data != 0);
	CHECK_ERRNO(ioctl(kvm, KVM_SET_MSRS, msrs), EINVAL);
}

/* Up to the first that isn't there; those before it count. */
static void partial(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct kvm_msrs *msrs = msrs_new(3);

	msrs->entries[0] = (struct kvm_msr_entry){ .index = 0x174, .data = 0x10 };
	msrs->entries[1] = (struct kvm_msr_entry){ .index = UNKNOWN, .data = 5 };
	msrs->entries[2] = (struct kvm_msr_entry){ .index = 0x175, .data = 0x20 };
	CHECK_EQ(ioctl(vcpu.fd, KVM_SET_MSRS, msrs), 1);
	CHECK_EQ(get(vcpu.fd, 0x174), 0x10);
	CHECK_EQ(get(vcpu.fd, 0x175), 0);
	msrs->entries[0].data = msrs->entries[2].data = 0x99;
	CHECK_EQ(ioctl(vcpu.fd, KVM_GET_MSRS, msrs), 1);
	CHECK_EQ(msrs->entries[0].data, 0x10);
	CHECK_EQ(msrs->entries[2].data, 0x99);
	msrs->nmsrs = 0;
	CHECK_EQ(ioctl(vcpu.fd, KVM_GET_MSRS, msrs), 0);
	CHECK_EQ(ioctl(vcpu.fd, KVM_SET_MSRS, msrs), 0);
	msrs->nmsrs = 256;
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_GET_MSRS, msrs), E2BIG);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_MSRS, msrs), E2BIG);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_GET_MSRS, 8UL), EFAULT);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_MSRS, 8UL), EFAULT);
}

/* What QEMU saves and restores; values that are taken, and one that isn't (0: any is). */
static const struct {
	uint32_t index;
	uint64_t good, bad;
} values[] = {
	{ 0x174, 0x10, 0 },
	{ 0x175, 0x88001000, 0 },
	{ 0x176, 0x81000000, 0 },
	{ 0x277, 0x0007010600070106, 0x0007010600070206 },
	{ 0x1a0, 0x1801, 0 },
	{ 0x3b, 0x123456789, 0 },
	{ 0x8b, 0x100000000, 0 },
	{ 0x1b, 0xfee00800, 0xfee00a00 },
	{ 0xc0000081, 0x23001000000000, 0 },
	{ 0xc0000082, 0xffffffff81000000, 0x800000000000 },
	{ 0xc0000083, 0xffffffff82000000, 0x800000000000 },
	{ 0xc0000084, 0x47700, 0 },
	{ 0xc0000103, 0x89abcdef, 0 },
	{ 0xc0000102, 0xffff888000000000, 0x800000000000 },
	{ 0xc0010015, 1 << 18, 1 << 17 },
	{ 0x17a, 7, 0 },
	{ 0x17b, 0, 1 },
	{ 0x200, 0xc0000000, 0xc0000002 },
	{ 0x201, 0xfc0000800, 0xfc0000001 },
	{ 0x20f, 0xffffff800, 1ULL << 60 },
	{ 0x250, 0x0606060606060606, 0x0606060606060602 },
	{ 0x258, 0x0505050505050505, 0x0505050505050507 },
	{ 0x26f, 0x0404040401010000, 0x0400040403010000 },
	{ 0x2ff, 0xc06, 0x1006 },
	{ 0x400, ~0ULL, 2 },
	{ 0x401, 0xbe00000000000135, 0 },
	{ 0x47f, 0x123, 0 },
};

static void set_and_get(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);

	kt_set_cpuid(&vm, &vcpu);
	for (unsigned int i = 0; i < KT_LEN(values); i++) {
		kt_context("MSR 0x%x", values[i].index);
		CHECK_EQ(set(vcpu.fd, values[i].index, values[i].good), 1);
		if (values[i].bad)
			CHECK_EQ(set(vcpu.fd, values[i].index, values[i].bad), 0);
	}
	for (unsigned int i = 0; i < KT_LEN(values); i++) {
		kt_context("MSR 0x%x", values[i].index);
		CHECK_EQ(get(vcpu.fd, values[i].index), values[i].good);
	}
	CHECK_EQ(get(vcpu.fd, 0xfe), 0x508);
	CHECK_EQ(get(vcpu.fd, 0x179) & 0xff, 32);
	CHECK_EQ(set(vcpu.fd, 0xfe, 0x508), 0);
}

static void new_vcpu(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);

	CHECK_EQ(get(vcpu.fd, 0x277), 0x0007040600070406);
	CHECK_EQ(get(vcpu.fd, 0x1a0), 0x1800);
	CHECK_EQ(get(vcpu.fd, 0x1b), 0xfee00900);
	CHECK_EQ(get(vcpu.fd, 0x2ff), 0);
	CHECK_EQ(get(vcpu.fd, 0xc0000080), 0);
	CHECK_EQ(get(vcpu.fd, 0x400), 0);
	CHECK_EQ(get(vcpu.fd, 0x3b), 0);
}

/* The guest's RDMSR or WRMSR; false: it got #GP (and, with no IDT, shut down). */
static bool guest_does(struct kt_guest *g, struct kt_code code, uint32_t index, uint64_t *value)
{
	struct kvm_regs regs;

	kt_context("MSR 0x%x", index);
	kt_guest_load(g, KT_LONG64, code);
	regs = kt_regs(&g->vcpu);
	regs.rcx = index;
	regs.rax = (uint32_t)*value;
	regs.rdx = *value >> 32;
	kt_set_regs(&g->vcpu, &regs);
	REQUIRE(ioctl(g->vcpu.fd, KVM_RUN, 0) == 0);
	if (g->vcpu.run->exit_reason != KVM_EXIT_HLT)
		return false;
	regs = kt_regs(&g->vcpu);
	*value = (uint32_t)regs.rax | regs.rdx << 32;
	return true;
}

static struct kt_guest guest_new(void)
{
	struct kt_guest g = { .vm = kt_vm_create() };

	g.mem = kt_memory(&g.vm, 0, 0, KT_GUEST_SIZE);
	g.vcpu = kt_vcpu_create(&g.vm, 0);
	kt_set_cpuid(&g.vm, &g.vcpu);
	return g;
}

static void guest_and_host(void)
{
	static const uint32_t both[] = {
		0x174, 0x277, 0x200, 0x250, 0x2ff, 0x400, 0xc0000081, 0x17a, 0xc0000103
	};
	static const uint64_t data[] = {
		0x18,  0x0007010600070106, 0x80000006, 0x0606060606060606, 0xc06,
		~0ULL, 0x23001000000000,   7,	       0x80000001
	};
	struct kt_guest g = guest_new();

	for (unsigned int i = 0; i < KT_LEN(both); i++) {
		uint64_t value = data[i];

		CHECK(guest_does(&g, CODE(write_msr), both[i], &value));
		CHECK_EQ(get(g.vcpu.fd, both[i]), data[i]);
		value = 0;
		CHECK(guest_does(&g, CODE(read_msr), both[i], &value));
		CHECK_EQ(value, data[i]);
	}
}

/* An MSR, or a value, that isn't the guest's to have. */
static void guest_refused(void)
{
	static const struct {
		uint32_t index;
		uint64_t value;
	} bad[] = {
		{ UNKNOWN, 0 }, { 0xfe, 0x508 }, { 0x1a0, 0 }, { 0x277, 2 }, { 0x200, 2 },
		{ 0x2ff, 2 },	{ 0x400, 2 },	 { 0x401, 1 }, { 0x17b, 0 },
	};

	for (unsigned int i = 0; i < KT_LEN(bad); i++) {
		struct kt_guest g = guest_new();
		uint64_t value = bad[i].value;

		CHECK(!guest_does(&g, CODE(write_msr), bad[i].index, &value));
		CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_SHUTDOWN);
		kt_guest_close(&g);
	}
}

/* By its CPUID the guest has neither RDTSCP nor RDPID. */
static void tsc_aux_missing(void)
{
	struct kt_guest g = { .vm = kt_vm_create() };
	struct kvm_cpuid2 none = { .nent = 0 };
	uint64_t value = 5;

	g.mem = kt_memory(&g.vm, 0, 0, KT_GUEST_SIZE);
	g.vcpu = kt_vcpu_create(&g.vm, 0);
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_CPUID2, &none));
	CHECK_EQ(set(g.vcpu.fd, 0xc0000103, 0x1ffffffff), 1);
	CHECK_EQ(get(g.vcpu.fd, 0xc0000103), 0xffffffff);
	CHECK(!guest_does(&g, CODE(write_msr), 0xc0000103, &value));
	CHECK_EQ(get(g.vcpu.fd, 0xc0000103), 0xffffffff);
}

/* The TSC moves with TSC_ADJUST, and TSC_ADJUST with the TSC. */
static void guest_tsc_adjust(void)
{
	struct kt_guest g = guest_new();
	uint64_t value = 1ULL << 50, now;

	CHECK(guest_does(&g, CODE(write_msr), 0x3b, &value));
	now = get(g.vcpu.fd, 0x10);
	CHECK(now >= 1ULL << 50 && now < (1ULL << 50) + (1ULL << 45));
	CHECK_EQ(get(g.vcpu.fd, 0x3b), 1ULL << 50);
	value = 1ULL << 52;
	CHECK(guest_does(&g, CODE(write_msr), 0x10, &value));
	now = get(g.vcpu.fd, 0x3b);
	CHECK(now > 1ULL << 51 && now <= 1ULL << 52);
}

static const struct kt_test tests[] = {
	{ "GET_MSR_INDEX_LIST", index_list },
	{ "GET_MSR_FEATURE_INDEX_LIST, GET_MSRS of the system", feature_list },
	{ "partial counts and errors", partial },
	{ "MSRs of a new vCPU", new_vcpu },
	{ "MSRs set and got", set_and_get },
	{ "MSRs of the guest are those of user space", guest_and_host },
	{ "MSRs that the guest may not write", guest_refused },
	{ "TSC_AUX without RDTSCP", tsc_aux_missing },
	{ "TSC_ADJUST", guest_tsc_adjust },
};

KT_MAIN(tests)
