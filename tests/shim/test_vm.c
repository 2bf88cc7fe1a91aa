// SPDX-License-Identifier: MIT
/* Finding the hypervisor, capabilities, and the life of VMs and vCPUs. */
#include "fake.h"

#define CALL(op, name) MV_HYPERCALL(MV_##op##_OP, MV_##op##_OP_##name##_IDX_VAL)

static void fail_next(uint64_t call, mv_status_t status)
{
	hv.fail_call = call;
	hv.fail_at = 1;
	hv.fail_status = status;
}

static void no_hypervisor(void **state)
{
	(void)state;
	fail_next(CALL(ID, VERSION), MV_STATUS_FAILURE_UNSUPPORTED);
	assert_int_equal(shim_init(), -ENODEV);
	/* what KVM answers to a hypercall that it doesn't know */
	fail_next(CALL(ID, VERSION), (mv_status_t)-1000);
	assert_int_equal(shim_init(), -ENODEV);
	fail_next(CALL(HANDLE, OPEN_HANDLE), MV_STATUS_INVALID_INPUT_REG0);
	assert_int_equal(shim_init(), -ENODEV);
	assert_int_equal(shim_init(), 0);
}

static void capabilities(void **state)
{
	(void)state;
	assert_int_equal(shim_check_extension(KVM_CAP_USER_MEMORY), 1);
	assert_int_equal(shim_check_extension(KVM_CAP_DESTROY_MEMORY_REGION_WORKS), 1);
	assert_int_equal(shim_check_extension(KVM_CAP_JOIN_MEMORY_REGIONS_WORKS), 1);
	assert_int_equal(shim_check_extension(KVM_CAP_IMMEDIATE_EXIT), 1);
	assert_int_equal(shim_check_extension(KVM_CAP_CHECK_EXTENSION_VM), 1);
	assert_int_equal(shim_check_extension(KVM_CAP_NR_VCPUS), 4);
	assert_int_equal(shim_check_extension(KVM_CAP_MAX_VCPUS), MV_MAX_VPS_PER_VM);
	assert_int_equal(shim_check_extension(KVM_CAP_NR_MEMSLOTS), 32764);
	assert_int_equal(shim_check_extension(KVM_CAP_IRQCHIP), 0);
	assert_int_equal(shim_check_extension(KVM_CAP_READONLY_MEM), 1);
	assert_int_equal(shim_check_extension(KVM_CAP_SYNC_MMU), 1);
	assert_int_equal(shim_check_extension(~0UL), 0);
}

static void vm_counts(void **state)
{
	struct shim_vm vm;

	(void)state;
	fake_vm(&vm, NULL);
	assert_int_equal(shim_stats.vms, 1);
	assert_int_equal(hv.vms, 1);
	fake_vm_free(&vm, NULL);
	assert_int_equal(shim_stats.vms, 0);
}

static void vm_create_fails(void **state)
{
	struct shim_vm vm = { 0 };

	(void)state;
	fail_next(CALL(VM, CREATE_VM), MV_STATUS_FAILURE_UNKNOWN);
	assert_int_equal(shim_vm_create(&vm, &os), -ENOMEM);
	fail_next(CALL(VM, CREATE_VM), MV_STATUS_INVALID_PERM_DENIED);
	assert_int_equal(shim_vm_create(&vm, &os), -EIO);
	os.pages_order = 0;
	os.pages_fail = 5;
	assert_int_equal(shim_vm_create(&vm, &os), -ENOMEM);
	assert_int_equal(hv.vms, 0);
	assert_int_equal(os.pages, 0);
}

static void vcpu_life(void **state)
{
	struct shim_vcpu vcpu, second = { 0 };
	struct shim_vm vm;

	(void)state;
	fake_vm(&vm, &vcpu);
	assert_int_equal(hv.apic_base, 0xFEE00900);
	assert_int_equal(hv.reg[mv_reg_t_cs_attrib], 0x9A);
	assert_int_equal(shim_vcpu_create(&vm, &second, 0), -EEXIST);
	assert_int_equal(shim_vcpu_create(&vm, &second, SHIM_MAX_VCPU_ID), -EINVAL);
	assert_int_equal(shim_vcpu_create(&vm, &second, 0x100000000ULL), -EINVAL);
	assert_int_equal(shim_vcpu_create(&vm, &second, SHIM_MAX_VCPU_ID - 1), 0);
	assert_int_equal(hv.apic_base, 0xFEE00800);
	assert_int_equal(hv.vss, 2);
	fake_vm_free(&vm, &vcpu);
}

static void as_many_vcpus_as_promised(void **state)
{
	static struct shim_vcpu vcpus[SHIM_MAX_VCPUS + 1];
	struct shim_vm vm;
	uint32_t i;

	(void)state;
	memset(vcpus, 0, sizeof(vcpus));
	fake_vm(&vm, NULL);
	for (i = 0; i < SHIM_MAX_VCPUS; i++)
		assert_int_equal(shim_vcpu_create(&vm, &vcpus[i], i), 0);
	assert_int_equal(shim_vcpu_create(&vm, &vcpus[i], i), -EINVAL);
	fake_vm_free(&vm, NULL);
}

static void vcpu_create_fails(void **state)
{
	static const uint64_t calls[] = { CALL(VP, CREATE_VP), CALL(VS, CREATE_VS),
					  CALL(VS, REG_SET_LIST), CALL(VS, MSR_SET) };
	struct shim_vcpu vcpu = { 0 };
	struct shim_vm vm;
	size_t i;

	(void)state;
	fake_vm(&vm, NULL);
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		fail_next(calls[i], MV_STATUS_INVALID_INPUT_REG1);
		assert_int_equal(shim_vcpu_create(&vm, &vcpu, 1), -EIO);
		assert_int_equal(hv.vps + hv.vss, 0);
		assert_int_equal(vm.num_vcpus, 0);
		assert_false(vm.broken);
	}
	assert_int_equal(shim_vcpu_create(&vm, &vcpu, 1), 0);
	fake_vm_free(&vm, NULL);
}

static void vcpu_takes_pages(void **state)
{
	struct shim_vcpu vcpu = { 0 };
	struct shim_vm vm;
	uint64_t before;

	(void)state;
	fake_vm(&vm, NULL);
	before = fake_donated_pages();
	hv.short_of = 9;
	hv.short_times = 2;
	assert_int_equal(shim_vcpu_create(&vm, &vcpu, 0), 0);
	assert_true(fake_donated_pages() >= before + 18);
	fake_vm_free(&vm, NULL);
}

static void destroy_waits_for_the_cpus(void **state)
{
	struct shim_vcpu vcpu;
	struct shim_vm vm;

	(void)state;
	fake_vm(&vm, &vcpu);
	hv.retries = 4;
	os.pings = 0;
	fake_vm_free(&vm, &vcpu);
	assert_int_equal(os.pings, 4);
}

/* What the hypervisor doesn't give back must not be used by anybody else. */
static void destroy_fails_and_keeps_the_memory(void **state)
{
	const struct kvm_userspace_memory_region region = { .memory_size = 3 * PAGE };
	struct shim_vm vm;
	long pages;

	(void)state;
	fake_vm(&vm, NULL);
	assert_int_equal(shim_vm_set_memory(&vm, &region), 0);
	pages = os.pages;
	fail_next(CALL(VM, DESTROY_VM), MV_STATUS_FAILURE_UNKNOWN);
	shim_vm_destroy(&vm);
	assert_int_equal(os.pinned, 3);
	assert_int_equal(os.pages, pages);
	assert_int_equal(shim_stats.vms, 0);

	/* for the teardown: at last it works */
	shim_stats.vms = 1;
	shim_vm_destroy(&vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(no_hypervisor),
		FAKE_TEST(capabilities),
		FAKE_TEST(vm_counts),
		FAKE_TEST(vm_create_fails),
		FAKE_TEST(vcpu_life),
		FAKE_TEST(as_many_vcpus_as_promised),
		FAKE_TEST(vcpu_create_fails),
		FAKE_TEST(vcpu_takes_pages),
		FAKE_TEST(destroy_waits_for_the_cpus),
		FAKE_TEST(destroy_fails_and_keeps_the_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
