// SPDX-License-Identifier: MIT
/* MSRs that user space answers or forbids: filters, reasons, and what KVM_RUN makes of them. */
#include "fake.h"

#define READ KVM_MSR_FILTER_READ
#define WRITE KVM_MSR_FILTER_WRITE

static struct shim_vm vm;
static struct shim_vcpu vcpu;
static struct kvm_run *run;
static struct mv_run_t last; /* what mv_vs_op_run was given last */
static struct mv_exit_msr_t exits[4]; /* what it answers; then HLT */
static unsigned int num_exits, next_exit;

static mv_status_t run_hypercall(const struct mv_run_t *in, void *page, uint64_t *reason)
{
	last = *in;
	if (in->flags & MV_RUN_FLAG_COMPLETE_ONLY) {
		*reason = mv_exit_reason_t_interrupt;
	} else if (next_exit < num_exits) {
		memcpy(page, &exits[next_exit++], sizeof(exits[0]));
		*reason = mv_exit_reason_t_msr;
	} else {
		((struct mv_exit_hlt_t *)page)->reason = mv_hlt_t_wait;
		*reason = mv_exit_reason_t_hlt;
	}
	return MV_STATUS_SUCCESS;
}

static int setup(void **state)
{
	fake_setup(state);
	fake_vm(&vm, &vcpu);
	run = vcpu.run;
	num_exits = next_exit = 0;
	hv.run = run_hypercall;
	return 0;
}

static int teardown(void **state)
{
	fake_vm_free(&vm, &vcpu);
	return fake_teardown(state);
}

static void add_exit(uint32_t index, uint64_t value, uint64_t flags)
{
	exits[num_exits++] =
		(struct mv_exit_msr_t){ .msr = { .reg = index, .val = value }, .flags = flags };
}

static void set_reasons(uint64_t reasons)
{
	const struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR,
					    .args = { reasons } };

	assert_int_equal(shim_vm_enable_cap(&vm, &cap), 0);
}

/* Denies one MSR, allows all others. */
static void deny(uint32_t index, uint32_t flags)
{
	struct shim_msr_filter *filter = platform_alloc(sizeof(*filter));

	filter->default_allow = true;
	filter->ranges[0] = (struct shim_msr_range){ .flags = flags, .base = index, .count = 1 };
	platform_free(shim_vm_set_msr_filter(&vm, filter));
}

static void reasons_refused(void **state)
{
	const struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { 8 } };

	(void)state;
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), -EINVAL);
	assert_int_equal(vm.msr_reasons, 0);
}

static void flags_of_a_run(void **state)
{
	(void)state;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(last.flags, 0);
	set_reasons(KVM_MSR_EXIT_REASON_FILTER);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(last.flags, 0);
	set_reasons(KVM_MSR_EXIT_REASON_INVAL);
	deny(0x10, READ);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(last.flags, MV_RUN_FLAG_MSR_ALL | MV_RUN_FLAG_MSR_REFUSED);
}

static void allowed_is_executed(void **state)
{
	(void)state;
	deny(0x10, WRITE);
	add_exit(0x10, 0, MV_EXIT_MSR_READ);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	assert_int_equal(last.flags, MV_RUN_FLAG_MSR_ALL | MV_RUN_FLAG_MSR_EXECUTE);
	assert_int_equal(last.in_bytes, 0);
	/* once */
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(last.flags, MV_RUN_FLAG_MSR_ALL);
}

static void denied_is_gp(void **state)
{
	(void)state;
	deny(0x10, WRITE);
	add_exit(0x10, 5, MV_EXIT_MSR_WRITE);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	assert_int_equal(last.flags, MV_RUN_FLAG_MSR_ALL | MV_RUN_FLAG_MSR_FAULT);
}

/* A range is the MSRs from its base on, and no more. */
static void beside_a_range(void **state)
{
	(void)state;
	deny(0x10, READ);
	add_exit(0x0F, 0, MV_EXIT_MSR_READ);
	add_exit(0x11, 0, MV_EXIT_MSR_READ);
	for (int i = 0; i < 2; i++) {
		num_exits = i + 1;
		assert_int_equal(shim_vcpu_run(&vcpu), 0);
		assert_true(last.flags & MV_RUN_FLAG_MSR_EXECUTE);
	}
}

static void x2apic_is_never_filtered(void **state)
{
	(void)state;
	deny(0x830, WRITE);
	add_exit(0x830, 5, MV_EXIT_MSR_WRITE);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_true(last.flags & MV_RUN_FLAG_MSR_EXECUTE);
}

static void user_answers_a_read(void **state)
{
	(void)state;
	set_reasons(KVM_MSR_EXIT_REASON_UNKNOWN);
	add_exit(0x99, 0, MV_EXIT_MSR_READ | MV_EXIT_MSR_UNKNOWN);
	memset(&run->msr, 0xFF, sizeof(run->msr));
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_X86_RDMSR);
	assert_int_equal(run->msr.error, 0);
	assert_int_equal(run->msr.reason, KVM_MSR_EXIT_REASON_UNKNOWN);
	assert_int_equal(run->msr.index, 0x99);
	run->msr.data = 0x1234;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(last.in_bytes, 8);
	assert_memory_equal(last.in, &(uint64_t){ 0x1234 }, 8);
	assert_int_equal(last.flags, MV_RUN_FLAG_MSR_REFUSED);
}

static void user_answers_gp(void **state)
{
	(void)state;
	set_reasons(KVM_MSR_EXIT_REASON_INVAL);
	add_exit(0x277, 2, MV_EXIT_MSR_WRITE | MV_EXIT_MSR_REFUSED);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_X86_WRMSR);
	assert_int_equal(run->msr.reason, KVM_MSR_EXIT_REASON_INVAL);
	assert_int_equal(run->msr.data, 2);
	run->msr.error = 1;
	run->immediate_exit = 1;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(last.in_bytes, 0);
	assert_int_equal(last.flags, MV_RUN_FLAG_MSR_REFUSED | MV_RUN_FLAG_MSR_FAULT |
					     MV_RUN_FLAG_COMPLETE_ONLY);
}

/* A reason that user space didn't ask for. */
static void not_asked_for(void **state)
{
	(void)state;
	set_reasons(KVM_MSR_EXIT_REASON_INVAL);
	add_exit(0x99, 0, MV_EXIT_MSR_READ | MV_EXIT_MSR_UNKNOWN);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	assert_int_equal(last.flags, MV_RUN_FLAG_MSR_REFUSED | MV_RUN_FLAG_MSR_FAULT);
}

/* The next MSR that was traced, and nothing behind it. */
static void traced(uint64_t write, uint32_t index, uint64_t value, uint64_t gp)
{
	const struct platform_event want = {
		.type = write, .addr = index, .value = value, .code = gp
	};
	unsigned int i, found = 0;

	for (i = 0; i < os.num_traced; i++) {
		if (os.traced_kind[i] != TRACE_MSR)
			continue;
		assert_memory_equal(&os.traced[i], &want, sizeof(want));
		found++;
	}
	assert_int_equal(found, 1);
	os.num_traced = 0;
}

static void tracepoints(void **state)
{
	(void)state;
	os.tracing = true;
	set_reasons(KVM_MSR_EXIT_REASON_UNKNOWN);
	add_exit(0x99, 0, MV_EXIT_MSR_READ | MV_EXIT_MSR_UNKNOWN);
	add_exit(0x9A, 5, MV_EXIT_MSR_WRITE | MV_EXIT_MSR_UNKNOWN);
	add_exit(0x277, 2, MV_EXIT_MSR_WRITE | MV_EXIT_MSR_REFUSED);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	run->msr.data = 0x123456789A;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	traced(0, 0x99, 0x123456789A, 0);
	run->msr.error = 1;
	next_exit = num_exits;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	traced(1, 0x9A, 5, 1);
	next_exit = num_exits - 1;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	traced(1, 0x277, 2, 1);
}

static void filters_checked(void **state)
{
	struct kvm_msr_filter f = { .flags = KVM_MSR_FILTER_DEFAULT_DENY };

	(void)state;
	assert_false(shim_msr_filter_valid(&f));
	f.ranges[15] = (struct kvm_msr_filter_range){ .flags = READ, .nmsrs = 0x3000 };
	assert_true(shim_msr_filter_valid(&f));
	f.ranges[15].nmsrs = 0x3001;
	assert_false(shim_msr_filter_valid(&f));
	f.ranges[15].nmsrs = 0xFFFFFFFF;
	assert_false(shim_msr_filter_valid(&f));
	f.ranges[15] = (struct kvm_msr_filter_range){ .flags = 0, .nmsrs = 1 };
	assert_false(shim_msr_filter_valid(&f));
	f = (struct kvm_msr_filter){ .flags = 0 };
	assert_true(shim_msr_filter_valid(&f));
	f.flags = 4;
	assert_false(shim_msr_filter_valid(&f));
}

static void quirks(void **state)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DISABLE_QUIRKS2, .args = { 1U << 31 } };

	(void)state;
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), -EINVAL);
	cap.args[0] = KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS | KVM_X86_QUIRK_OUT_7E_INC_RIP;
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(last.flags, MV_RUN_FLAG_MWAIT_UD | MV_RUN_FLAG_OUT_7E);
	cap.args[0] = 0;
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), 0);
	cap = (struct kvm_enable_cap){ .cap = KVM_CAP_MSR_PLATFORM_INFO };
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), 0);
	cap = (struct kvm_enable_cap){ .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { 1 } };
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), -EINVAL);
	assert_int_equal(shim_vcpu_enable_cap(&vcpu, &cap), 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(last.flags, MV_RUN_FLAG_NO_PLATFORM_INFO | MV_RUN_FLAG_PV_CPUID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reasons_refused),	   TEST(flags_of_a_run),  TEST(allowed_is_executed),
		TEST(denied_is_gp),	   TEST(beside_a_range),  TEST(x2apic_is_never_filtered),
		TEST(user_answers_a_read), TEST(user_answers_gp), TEST(not_asked_for),
		TEST(tracepoints),	   TEST(filters_checked), TEST(quirks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
