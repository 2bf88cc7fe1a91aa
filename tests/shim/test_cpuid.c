// SPDX-License-Identifier: MIT
/* CPUID and MSRs: lists with too little room, lists that come too late, partial counts. */
#include "fake.h"

#define MSR_TSC 0x10U
#define MSR_APIC_BASE 0x1BU

static struct shim_vm vm;
static struct shim_vcpu vcpu;
static struct kvm_cpuid_entry2 entries[SHIM_CPUID_MAX];

static int setup(void **state)
{
	fake_setup(state);
	fake_vm(&vm, &vcpu);
	memset(entries, 0, sizeof(entries));
	return 0;
}

static int teardown(void **state)
{
	fake_vm_free(&vm, &vcpu);
	return fake_teardown(state);
}

static void supported(void **state)
{
	uint32_t nent;

	(void)state;
	for (nent = 0; nent < 3;) {
		assert_int_equal(shim_get_cpuid(false, entries, &nent), -E2BIG);
		nent++;
	}
	nent = 10;
	assert_int_equal(shim_get_cpuid(false, entries, &nent), 0);
	assert_int_equal(nent, 3);
	assert_int_equal(entries[2].function, 2);
	assert_int_equal(entries[2].flags, 2);
	assert_int_equal(entries[2].edx, 102);
	assert_int_equal(entries[3].edx, 0);
}

static void emulated(void **state)
{
	uint32_t nent = 3;

	(void)state;
	assert_int_equal(shim_get_cpuid(true, entries, &nent), -E2BIG);
	nent = 4;
	assert_int_equal(shim_get_cpuid(true, entries, &nent), 0);
	assert_int_equal(nent, 3);
	assert_int_equal(entries[0].eax, 7);
}

static void supported_errors(void **state)
{
	uint32_t nent = 10;

	(void)state;
	os.alloc_fail = 1;
	assert_int_equal(shim_get_cpuid(false, entries, &nent), -ENOMEM);
	hv.fail_call = MV_HYPERCALL(MV_PP_OP, MV_PP_OP_CPUID_GET_SUPPORTED_LIST_IDX_VAL);
	hv.fail_at = 1;
	hv.fail_status = MV_STATUS_FAILURE_UNSUPPORTED;
	assert_int_equal(shim_get_cpuid(false, entries, &nent), -ENODEV);
	os.no_shared_page = true;
	assert_int_equal(shim_get_cpuid(false, entries, &nent), -ENODEV);
}

static void set_and_get(void **state)
{
	struct kvm_cpuid_entry2 got[4] = { { 0 } };
	uint32_t count;

	(void)state;
	entries[0] = (struct kvm_cpuid_entry2){ .function = 4, .index = 1, .flags = 1, .eax = 2 };
	entries[1] = (struct kvm_cpuid_entry2){ .function = 5, .ebx = 3, .ecx = 4, .edx = 5 };
	assert_int_equal(shim_vcpu_set_cpuid2(&vcpu, entries, 2), 0);
	assert_int_equal(hv.num_cdl, 2);
	assert_int_equal(shim_vcpu_get_cpuid2(&vcpu, got, 1, &count), -E2BIG);
	assert_int_equal(count, 2);
	assert_int_equal(shim_vcpu_get_cpuid2(&vcpu, got, 4, &count), 0);
	assert_memory_equal(got, entries, 2 * sizeof(got[0]));
	assert_int_equal(got[2].eax, 0);
}

/* In three parts, both ways. */
static void long_list(void **state)
{
	static struct kvm_cpuid_entry2 got[SHIM_CPUID_MAX];
	uint32_t count, i;

	(void)state;
	for (i = 0; i < SHIM_CPUID_MAX; i++)
		entries[i] = (struct kvm_cpuid_entry2){ .function = 0x90000000 + i, .ebx = i };
	assert_int_equal(shim_vcpu_set_cpuid2(&vcpu, entries, SHIM_CPUID_MAX), 0);
	assert_int_equal(hv.num_cdl, SHIM_CPUID_MAX);
	assert_int_equal(shim_vcpu_get_cpuid2(&vcpu, got, SHIM_CPUID_MAX, &count), 0);
	assert_int_equal(count, SHIM_CPUID_MAX);
	assert_memory_equal(got, entries, sizeof(got));
	assert_int_equal(shim_vcpu_set_cpuid2(&vcpu, entries, 125), 0);
	assert_int_equal(hv.num_cdl, 125);
	assert_int_equal(shim_vcpu_get_cpuid2(&vcpu, got, SHIM_CPUID_MAX, &count), 0);
	assert_int_equal(count, 125);
}

static void set_refused(void **state)
{
	(void)state;
	assert_int_equal(shim_vcpu_set_cpuid2(&vcpu, entries, MV_CDL_VS_MAX + 1), -E2BIG);
	entries[0] = (struct kvm_cpuid_entry2){ .function = 0x80000008, .eax = 0x2F28 };
	assert_int_equal(shim_vcpu_set_cpuid2(&vcpu, entries, 1), -EINVAL);
	os.alloc_fail = 1;
	assert_int_equal(shim_vcpu_set_cpuid2(&vcpu, entries, 0), -ENOMEM);
	assert_int_equal(shim_vcpu_set_cpuid2(&vcpu, entries, MV_CDL_VS_MAX), -EINVAL);
	entries[0].eax = 0x3028;
	assert_int_equal(shim_vcpu_set_cpuid2(&vcpu, entries, MV_CDL_VS_MAX), 0);
}

/* After KVM_RUN only the same list again, with or without what the hypervisor took out. */
static void set_after_run(void **state)
{
	(void)state;
	entries[0] = (struct kvm_cpuid_entry2){ .function = 1, .eax = 9, .ecx = 3 };
	entries[1] = (struct kvm_cpuid_entry2){ .function = 2, .eax = 9 };
	assert_int_equal(shim_vcpu_set_cpuid2(&vcpu, entries, 2), 0);
	vcpu.has_run = true;
	assert_int_equal(shim_vcpu_set_cpuid2(&vcpu, entries, 2), 0);
	entries[0].ecx = 2;
	assert_int_equal(shim_vcpu_set_cpuid2(&vcpu, entries, 2), 0);
	assert_int_equal(shim_vcpu_set_cpuid2(&vcpu, entries, 1), -EINVAL);
	entries[1].eax = 8;
	assert_int_equal(shim_vcpu_set_cpuid2(&vcpu, entries, 2), -EINVAL);
	entries[1].eax = 9;
	entries[0].ecx = 0;
	assert_int_equal(shim_vcpu_set_cpuid2(&vcpu, entries, 2), -EINVAL);
}

/* KVM_SET_SREGS takes addresses as wide as the CPUID has them. */
static void address_bits(void **state)
{
	struct kvm_sregs sregs;

	(void)state;
	assert_int_equal(shim_vcpu_get_sregs(&vcpu, &sregs), 0);
	sregs.apic_base = 1ULL << 37 | 0x800;
	assert_int_equal(shim_vcpu_set_sregs(&vcpu, &sregs), -EINVAL);
	entries[0] = (struct kvm_cpuid_entry2){ .function = 0x80000000, .eax = 0x80000008 };
	entries[1] = (struct kvm_cpuid_entry2){ .function = 0x80000008, .eax = 0x3028 };
	assert_int_equal(shim_vcpu_set_cpuid2(&vcpu, entries, 2), 0);
	assert_int_equal(shim_vcpu_set_sregs(&vcpu, &sregs), 0);
}

static void msr_lists(void **state)
{
	uint32_t indices[SHIM_MSR_LIST_MAX];

	(void)state;
	assert_int_equal(shim_msr_list(indices), 1);
	assert_int_equal(indices[0], MSR_TSC);
	assert_int_equal(shim_msr_feature_list(indices), 1);
	assert_int_equal(indices[0], 0x8B);
}

static void msrs_up_to_the_first_bad_one(void **state)
{
	struct kvm_msr_entry msrs[] = {
		{ .index = MSR_TSC, .data = 5 },
		{ .index = MSR_APIC_BASE, .data = 0xFEE00800 },
		{ .index = 0x999, .data = 1 },
		{ .index = MSR_TSC, .data = 7 },
	};

	(void)state;
	assert_int_equal(shim_vcpu_set_msrs(&vcpu, msrs, 4), 2);
	assert_int_equal(hv.tsc, 5);
	assert_int_equal(vcpu.apic_base, 0xFEE00800);
	msrs[0].data = 0;
	assert_int_equal(shim_vcpu_get_msrs(&vcpu, msrs, 4), 2);
	assert_int_equal(msrs[0].data, 5);
	assert_int_equal(msrs[3].data, 7);
	assert_int_equal(shim_vcpu_get_msrs(&vcpu, msrs, 0), 0);
}

static void msrs_of_the_system(void **state)
{
	struct kvm_msr_entry msrs[] = { { .index = 0x8B }, { .index = MSR_TSC } };

	(void)state;
	assert_int_equal(shim_get_msr_features(msrs, 2), 1);
	assert_int_equal(msrs[0].data, 0x01000065);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(supported),	  TEST(emulated),    TEST(supported_errors),
		TEST(set_and_get),	  TEST(set_refused), TEST(set_after_run), TEST(long_list),
		TEST(address_bits),	  TEST(msr_lists),   TEST(msrs_up_to_the_first_bad_one),
		TEST(msrs_of_the_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
