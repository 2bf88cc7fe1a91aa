// SPDX-License-Identifier: MIT
/* KVM_GET_CLOCK, KVM_GET_TSC_KHZ and the like, and when the hypervisor is told the time. */
#include "fake.h"

static struct shim_vm vm;
static struct shim_vcpu vcpu;

#define CPU_KHZ 2000000

static int setup(void **state)
{
	fake_setup(state);
	os.time = (struct platform_time){ 1000, 2000, 3000, true };
	fake_vm(&vm, &vcpu);
	assert_int_equal(hv.times_told, 1); /* its clock starts now */
	hv.times_told = 0;
	return 0;
}

static int teardown(void **state)
{
	fake_vm_free(&vm, &vcpu);
	return fake_teardown(state);
}

static void get_of_a_stable_clock(void **state)
{
	struct kvm_clock_data data;

	(void)state;
	memset(&data, 0xFF, sizeof(data));
	hv.clock = 77;
	hv.clock_flags = MV_CLOCK_STABLE;
	assert_int_equal(shim_vm_get_clock(&vm, &data), 0);
	assert_int_equal(data.clock, 77);
	assert_int_equal(data.flags,
			 KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC);
	assert_int_equal(data.realtime, 3000);
	assert_int_equal(data.host_tsc, 1000);
	assert_int_equal(data.pad0, 0);
	assert_int_equal(hv.pp_khz, CPU_KHZ);
	assert_int_equal(hv.pp_flags, MV_TSC_STABLE);
	assert_int_equal(hv.time.mono, 2000);
}

static void get_of_another(void **state)
{
	struct kvm_clock_data data;

	(void)state;
	os.time.exact = false;
	assert_int_equal(shim_vm_get_clock(&vm, &data), 0);
	assert_int_equal(hv.pp_flags, 0);
	assert_int_equal(data.flags, 0);
	assert_int_equal(data.realtime | data.host_tsc, 0);
}

static void set(void **state)
{
	struct kvm_clock_data data = { .clock = ~0ULL, .realtime = 1 };

	(void)state;
	assert_int_equal(shim_vm_set_clock(&vm, &data), 0);
	assert_int_equal(hv.clock, ~0ULL);
	assert_int_equal(hv.clock_tsc, 1000);
	data = (struct kvm_clock_data){ .clock = 5, .flags = KVM_CLOCK_REALTIME, .realtime = 2900 };
	assert_int_equal(shim_vm_set_clock(&vm, &data), 0);
	assert_int_equal(hv.clock, 105);
	data.realtime = 3001; /* in the future: never back */
	assert_int_equal(shim_vm_set_clock(&vm, &data), 0);
	assert_int_equal(hv.clock, 5);
}

static void set_with_bad_flags(void **state)
{
	struct kvm_clock_data data = { .clock = 9 };
	unsigned int bit;

	(void)state;
	for (bit = 0; bit < 32; bit++) {
		if (1U << bit & (KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC))
			continue;
		data.flags = 1U << bit;
		assert_int_equal(shim_vm_set_clock(&vm, &data), -EINVAL);
	}
	assert_int_equal(hv.clock, 0);
	assert_int_equal(hv.times_told, 0);
}

static void without_hypervisor(void **state)
{
	struct kvm_clock_data data = { 0 };

	(void)state;
	os.no_shared_page = true;
	assert_int_equal(shim_vm_get_clock(&vm, &data), -ENODEV);
	assert_int_equal(shim_vm_set_clock(&vm, &data), -ENODEV);
	os.no_shared_page = false;
	hv.fail_call = MV_HYPERCALL(MV_PP_OP, MV_PP_OP_TIME_SET_IDX_VAL);
	hv.fail_at = 1;
	hv.fail_status = MV_STATUS_FAILURE_BUSY;
	assert_int_equal(shim_vm_get_clock(&vm, &data), -EBUSY);
	hv.fail_call = MV_HYPERCALL(MV_VM_OP, MV_VM_OP_CLOCK_SET_IDX_VAL);
	hv.fail_at = 1;
	assert_int_equal(shim_vm_set_clock(&vm, &data), -EBUSY);
}

static void khz_of_a_vcpu(void **state)
{
	(void)state;
	hv.vs_khz = CPU_KHZ;
	assert_int_equal(shim_vcpu_get_tsc_khz(&vcpu), CPU_KHZ);
	assert_int_equal(shim_vcpu_set_tsc_khz(&vcpu, 3 * CPU_KHZ), 0);
	assert_int_equal(shim_vcpu_get_tsc_khz(&vcpu), 3 * CPU_KHZ);
	assert_int_equal(shim_vcpu_set_tsc_khz(&vcpu, 1), -EINVAL);
	assert_int_equal(shim_vcpu_get_tsc_khz(&vcpu), 3 * CPU_KHZ);
	assert_int_equal(shim_vcpu_set_tsc_khz(&vcpu, 0), 0);
	assert_int_equal(shim_vcpu_get_tsc_khz(&vcpu), CPU_KHZ);
}

static void khz_of_a_vm(void **state)
{
	static struct shim_vcpu second; /* the VM has it to the end */

	(void)state;
	assert_int_equal(shim_vm_get_tsc_khz(&vm), CPU_KHZ);
	assert_int_equal(shim_vm_set_tsc_khz(&vm, 2 * CPU_KHZ), 0);
	assert_int_equal(shim_vm_get_tsc_khz(&vm), 2 * CPU_KHZ);
	assert_int_equal(hv.vs_khz, 0);
	memset(&second, 0, sizeof(second));
	second.run = vcpu.run;
	assert_int_equal(shim_vcpu_create(&vm, &second, 1), 0);
	assert_int_equal(hv.vs_khz, 2 * CPU_KHZ);
	assert_int_equal(shim_vm_set_tsc_khz(&vm, 0), 0);
	assert_int_equal(shim_vm_get_tsc_khz(&vm), CPU_KHZ);
}

static void attributes(void **state)
{
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET };
	uint64_t value = 0;

	(void)state;
	assert_int_equal(shim_vcpu_has_attr(&attr), 0);
	assert_int_equal(shim_vcpu_set_attr(&vcpu, -5ULL), 0);
	assert_int_equal(shim_vcpu_get_attr(&vcpu, &value), 0);
	assert_int_equal(value, -5ULL);
	attr.attr++;
	assert_int_equal(shim_vcpu_has_attr(&attr), -ENXIO);
	attr.attr = KVM_VCPU_TSC_OFFSET;
	attr.group++;
	assert_int_equal(shim_vcpu_has_attr(&attr), -ENXIO);
}

static mv_status_t run_hlt(const struct mv_run_t *in, void *page, uint64_t *reason)
{
	(void)in;
	((struct mv_exit_hlt_t *)page)->reason = mv_hlt_t_wait;
	*reason = mv_exit_reason_t_hlt;
	return MV_STATUS_SUCCESS;
}

static void told_when_due(void **state)
{
	(void)state;
	hv.run = run_hlt;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(hv.times_told, 0);
	os.time_due = true;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(hv.times_told, 1);
	assert_int_equal(hv.time.real, 3000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(get_of_a_stable_clock), TEST(get_of_another),     TEST(set),
		TEST(set_with_bad_flags),    TEST(without_hypervisor), TEST(khz_of_a_vcpu),
		TEST(khz_of_a_vm),	     TEST(attributes),	       TEST(told_when_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
