// SPDX-License-Identifier: MIT
/* KVM_GET/SET_FPU, _XSAVE and _XCRS. */
#include "fake.h"

#define MXCSR (offsetof(struct mv_xsave_t, mxcsr) / sizeof(__u32))
#define XSAVE (1U << 26) /* CPUID 1, ECX */

static struct shim_vm vm;
static struct shim_vcpu vcpu;

static int setup(void **state)
{
	fake_setup(state);
	fake_vm(&vm, &vcpu);
	os.cpuid_1_ecx = XSAVE;
	hv.reg[mv_reg_t_xcr0] = 7;
	return 0;
}

static int teardown(void **state)
{
	fake_vm_free(&vm, &vcpu);
	return fake_teardown(state);
}

static void fpu(void **state)
{
	struct kvm_fpu in = { .fcw = 1,
			      .fsw = 2,
			      .ftwx = 3,
			      .last_opcode = 4,
			      .last_ip = 5,
			      .last_dp = 6,
			      .mxcsr = ~0U };
	struct kvm_fpu out;

	(void)state;
	memset(in.fpr, 7, sizeof(in.fpr));
	memset(in.xmm, 8, sizeof(in.xmm));
	memset(&hv.xsave, 9, sizeof(hv.xsave));
	hv.xsave.mxcsr = 0x1F80;
	assert_int_equal(shim_vcpu_set_fpu(&vcpu, &in), 0);
	assert_int_equal(hv.xsave.fcw, 1);
	assert_int_equal(hv.xsave.fsw, 2);
	assert_int_equal(hv.xsave.ftw, 3);
	assert_int_equal(hv.xsave.fop, 4);
	assert_int_equal(hv.xsave.fip, 5);
	assert_int_equal(hv.xsave.fdp, 6);
	assert_int_equal(hv.xsave.mxcsr, 0x1F80);
	assert_memory_equal(hv.xsave.st, in.fpr, sizeof(in.fpr));
	assert_memory_equal(hv.xsave.xmm, in.xmm, sizeof(in.xmm));
	assert_int_equal(hv.xsave.extended[0], 9);
	assert_int_equal(shim_vcpu_get_fpu(&vcpu, &out), 0);
	in.mxcsr = 0;
	assert_memory_equal(&in, &out, sizeof(in));
	os.no_shared_page = true;
	assert_int_equal(shim_vcpu_get_fpu(&vcpu, &out), -ENODEV);
	assert_int_equal(shim_vcpu_set_fpu(&vcpu, &in), -ENODEV);
	os.no_shared_page = false;
}

static void xsave(void **state)
{
	struct kvm_xsave x;

	(void)state;
	memset(&x, 1, sizeof(x));
	x.region[MXCSR] = 0x10000;
	assert_int_equal(shim_vcpu_set_xsave(&vcpu, &x), -EINVAL);
	x.region[MXCSR] = 0;
	assert_int_equal(shim_vcpu_set_xsave(&vcpu, &x), 0);
	assert_memory_equal(&hv.xsave, &x, sizeof(x));
	memset(&hv.xsave, 2, sizeof(x));
	assert_int_equal(shim_vcpu_get_xsave(&vcpu, &x), 0);
	assert_memory_equal(&hv.xsave, &x, sizeof(x));
}

static void xcrs(void **state)
{
	struct kvm_xcrs x;

	(void)state;
	memset(&x, 1, sizeof(x));
	assert_int_equal(shim_vcpu_get_xcrs(&vcpu, &x), 0);
	assert_int_equal(x.nr_xcrs, 1);
	assert_int_equal(x.xcrs[0].xcr, 0);
	assert_int_equal(x.xcrs[0].value, 7);
	x.xcrs[0].xcr = 1;
	x.xcrs[0].value = 0;
	assert_int_equal(shim_vcpu_set_xcrs(&vcpu, &x), 0);
	assert_int_equal(hv.reg[mv_reg_t_xcr0], 7);
	x.nr_xcrs = 2;
	x.xcrs[1].value = 3;
	assert_int_equal(shim_vcpu_set_xcrs(&vcpu, &x), 0);
	assert_int_equal(hv.reg[mv_reg_t_xcr0], 3);
	x.flags = 1;
	assert_int_equal(shim_vcpu_set_xcrs(&vcpu, &x), -EINVAL);
	x.flags = 0;
	x.nr_xcrs = KVM_MAX_XCRS + 1;
	assert_int_equal(shim_vcpu_set_xcrs(&vcpu, &x), -EINVAL);
}

static void without_xsave(void **state)
{
	struct kvm_xcrs x = { .nr_xcrs = 0 };

	(void)state;
	assert_int_equal(shim_check_extension(KVM_CAP_XCRS), 1);
	os.cpuid_1_ecx = 0;
	assert_int_equal(shim_check_extension(KVM_CAP_XCRS), 0);
	assert_int_equal(shim_check_extension(KVM_CAP_XSAVE), 1);
	assert_int_equal(shim_check_extension(KVM_CAP_XSAVE2), 4096);
	assert_int_equal(shim_vcpu_set_xcrs(&vcpu, &x), -EINVAL);
	x.nr_xcrs = 5;
	assert_int_equal(shim_vcpu_get_xcrs(&vcpu, &x), 0);
	assert_int_equal(x.nr_xcrs, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { T(fpu), T(xsave), T(xcrs), T(without_xsave) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
