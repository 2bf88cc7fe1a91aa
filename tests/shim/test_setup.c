// SPDX-License-Identifier: MIT
/* KVM_ENABLE_CAP, SREGS2, what is due before a vCPU runs, machine checks, KVM_TRANSLATE. */
#include "fake.h"

static struct kvm_enable_cap cap_of(uint32_t number, uint64_t arg)
{
	return (struct kvm_enable_cap){ .cap = number, .args = { arg } };
}

static void enable_cap(void **state)
{
	struct kvm_enable_cap cap = cap_of(KVM_CAP_MAX_VCPU_ID, 5);
	struct shim_vcpu vcpu = { 0 };
	struct shim_vm vm;

	(void)state;
	fake_vm(&vm, NULL);
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), 0);
	assert_int_equal(shim_vcpu_create(&vm, &vcpu, 5), -EINVAL);
	cap.args[0] = 6;
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), -EINVAL);
	cap = cap_of(KVM_CAP_MAX_VCPU_ID, SHIM_MAX_VCPU_ID + 1ULL);
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), -EINVAL);
	cap = cap_of(KVM_CAP_EXCEPTION_PAYLOAD, 1);
	cap.flags = 1;
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), -EINVAL);
	assert_false(vm.caps.exception_payload);
	cap = cap_of(KVM_CAP_SPLIT_IRQCHIP, 24);
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), -EINVAL);
	fake_vm_free(&vm, NULL);
}

static void pdptrs(void **state)
{
	static const uint64_t table[4] = { 0x1001, 0x2021, 0, 0x4001 };
	const struct kvm_userspace_memory_region region = {
		.memory_size = 3 * PAGE,
		.userspace_addr = 0x7000,
	};
	struct kvm_sregs2 s;
	struct shim_vcpu vcpu;
	struct shim_vm vm;

	(void)state;
	os.cpuid_1_ecx = ~0U;
	fake_vm(&vm, &vcpu);
	assert_int_equal(shim_vm_set_memory(&vm, &region), 0);
	hv.reg[mv_reg_t_cr0] = 0x80000011;
	hv.reg[mv_reg_t_cr4] = 0x20;
	hv.reg[mv_reg_t_cr3] = 0x1040;
	assert_int_equal(shim_vcpu_get_sregs2(&vcpu, &s), 0);
	assert_int_equal(s.flags, KVM_SREGS2_FLAGS_PDPTRS_VALID);
	assert_int_equal(s.pdptrs[0] | s.pdptrs[3], 0); /* not to be read */

	os.user = table;
	os.user_hva = 0x8040;
	os.user_bytes = sizeof(table);
	assert_int_equal(shim_vcpu_get_sregs2(&vcpu, &s), 0);
	assert_int_equal(s.pdptrs[0], 0x1001);
	assert_int_equal(s.pdptrs[1], 0x2001);
	assert_int_equal(s.pdptrs[3], 0x4001);

	s.pdptrs[3] = 0x5001;
	assert_int_equal(shim_vcpu_set_sregs2(&vcpu, &s), 0);
	assert_int_equal(shim_vcpu_get_sregs2(&vcpu, &s), 0);
	assert_int_equal(s.pdptrs[3], 0x5001);
	s.flags |= 2;
	assert_int_equal(shim_vcpu_set_sregs2(&vcpu, &s), -EINVAL);
	s.flags = 1;
	s.cr4 = 0;
	assert_int_equal(shim_vcpu_set_sregs2(&vcpu, &s), -EINVAL);
	fake_vm_free(&vm, &vcpu);
}

static mv_status_t run_to_hlt(const struct mv_run_t *in, void *page, uint64_t *reason)
{
	(void)in;
	*reason = mv_exit_reason_t_hlt;
	((struct mv_exit_hlt_t *)page)->reason = mv_hlt_t_wait;
	return MV_STATUS_SUCCESS;
}

static void set_pending(struct shim_vcpu *vcpu, uint8_t vector, uint64_t payload)
{
	struct kvm_vcpu_events e = {
		.exception = { .pending = 1, .nr = vector },
		.exception_has_payload = 1,
		.exception_payload = payload,
		.flags = KVM_VCPUEVENT_VALID_PAYLOAD,
	};

	assert_int_equal(shim_vcpu_set_events(vcpu, &e), 0);
}

static void payloads(void **state)
{
	struct kvm_enable_cap cap = cap_of(KVM_CAP_EXCEPTION_PAYLOAD, 1);
	struct kvm_vcpu_events e;
	struct shim_vcpu vcpu;
	struct shim_vm vm;

	(void)state;
	fake_vm(&vm, &vcpu);
	hv.run = run_to_hlt;
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), 0);
	set_pending(&vcpu, 14, 0x1234);
	assert_int_equal(hv.reg[mv_reg_t_cr2], 0);
	assert_int_equal(shim_vcpu_get_events(&vcpu, &e), 0);
	assert_int_equal(e.exception.pending, 1);
	assert_int_equal(e.exception.injected, 0);
	assert_int_equal(e.exception_payload, 0x1234);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(hv.reg[mv_reg_t_cr2], 0x1234);
	assert_int_equal(hv.reg[mv_reg_t_rflags] >> 16 & 1, 1);
	assert_int_equal(vcpu.due, 0);

	hv.reg[mv_reg_t_dr6] = 0xFFFF0FF1;
	hv.reg[mv_reg_t_dr7] = 0x2400;
	set_pending(&vcpu, 1, 0x4002);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(hv.reg[mv_reg_t_dr6], 0xFFFF4FF2);
	assert_int_equal(hv.reg[mv_reg_t_dr7], 0x400);

	/* Who doesn't know of payloads any more is given the register as it will be. */
	set_pending(&vcpu, 14, 0x5678);
	cap.args[0] = 0;
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), 0);
	assert_int_equal(shim_vcpu_get_events(&vcpu, &e), 0);
	assert_int_equal(e.exception.injected, 1);
	assert_int_equal(hv.reg[mv_reg_t_cr2], 0x5678);
	fake_vm_free(&vm, &vcpu);
}

static void triple_fault(void **state)
{
	struct kvm_enable_cap cap = cap_of(KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1);
	struct kvm_vcpu_events e = {
		.triple_fault = { .pending = 1 },
		.flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT,
	};
	struct shim_vcpu vcpu;
	struct shim_vm vm;

	(void)state;
	fake_vm(&vm, &vcpu);
	hv.run = run_to_hlt;
	assert_int_equal(shim_vcpu_set_events(&vcpu, &e), -EINVAL);
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), 0);
	assert_int_equal(shim_vcpu_set_events(&vcpu, &e), 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(vcpu.run->exit_reason, KVM_EXIT_SHUTDOWN);
	assert_int_equal(hv.runs, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(vcpu.run->exit_reason, KVM_EXIT_HLT);
	fake_vm_free(&vm, &vcpu);
}

static void translate(void **state)
{
	struct kvm_translation tr = { .linear_address = 0x123456 };
	struct shim_vcpu vcpu;
	struct shim_vm vm;

	(void)state;
	fake_vm(&vm, &vcpu);
	hv.gpa = 0x7000 | MV_MAP_FLAG_READ_ACCESS;
	assert_int_equal(shim_vcpu_translate(&vcpu, &tr), 0);
	assert_int_equal(tr.physical_address, 0x7456);
	assert_int_equal(tr.valid, 1);
	hv.gpa = 0;
	assert_int_equal(shim_vcpu_translate(&vcpu, &tr), 0);
	assert_int_equal(tr.valid, 0);
	assert_int_equal(tr.physical_address, ~0ULL);
	fake_vm_free(&vm, &vcpu);
}

/* ---- machine checks ---- */

#define VAL (1ULL << 63)
#define OVER (1ULL << 62)
#define UC (1ULL << 61)
#define PCC (1ULL << 57)
#define MCG_CTL_P (1ULL << 8)
#define MCG_SER_P (1ULL << 24)
#define CR4_MCE 0x40U

enum { CAP, STATUS, CTL };

static int set_mce(struct shim_vcpu *vcpu, uint8_t bank, uint64_t status, uint64_t mcg_status)
{
	const struct kvm_x86_mce mce = {
		.status = status,
		.addr = 0x1000,
		.misc = 0x8C,
		.mcg_status = mcg_status,
		.bank = bank,
	};

	return shim_vcpu_set_mce(vcpu, &mce);
}

static void mce_setup(void **state)
{
	static const uint64_t bad[] = { 0, 33, 255, 10 | 1 << 9, 10 | 1ULL << 63 };
	struct shim_vcpu vcpu;
	struct shim_vm vm;
	size_t i;

	(void)state;
	fake_vm(&vm, &vcpu);
	hv.has_mce = true;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(shim_vcpu_setup_mce(&vcpu, bad[i]), -EINVAL);
	assert_int_equal(hv.mcg[CAP] | hv.mc[0], 0);
	assert_int_equal(shim_vcpu_setup_mce(&vcpu, 3), 0);
	assert_int_equal(hv.mcg[CTL], 0);
	assert_int_equal(shim_vcpu_setup_mce(&vcpu, 3 | MCG_CTL_P | MCG_SER_P | 0x70000), 0);
	assert_int_equal(hv.mcg[CAP], 3 | MCG_CTL_P);
	assert_int_equal(hv.mcg[CTL], ~0ULL);
	assert_int_equal(hv.mc[0] & hv.mc[4] & hv.mc[8], ~0ULL);
	assert_int_equal(hv.mc[12] | hv.mc[1], 0);
	fake_vm_free(&vm, &vcpu);
}

static void mce_corrected(void **state)
{
	struct shim_vcpu vcpu;
	struct shim_vm vm;

	(void)state;
	fake_vm(&vm, &vcpu);
	hv.has_mce = true;
	assert_int_equal(shim_vcpu_setup_mce(&vcpu, 3), 0);
	assert_int_equal(set_mce(&vcpu, 3, VAL, 0), -EINVAL);
	assert_int_equal(set_mce(&vcpu, 255, VAL, 0), -EINVAL);
	assert_int_equal(set_mce(&vcpu, 0, 1, 0), -EINVAL);
	assert_int_equal(set_mce(&vcpu, 1, VAL | 1, 7), 0);
	assert_int_equal(hv.mc[5], VAL | 1);
	assert_int_equal(hv.mc[6], 0x1000);
	assert_int_equal(hv.mc[7], 0x8C);
	assert_int_equal(hv.mcg[STATUS], 0); /* not of a corrected one */
	assert_int_equal(set_mce(&vcpu, 1, VAL | 2, 0), 0);
	assert_int_equal(hv.mc[5], VAL | OVER | 2);
	/* Uncorrected, but only noted; a corrected one doesn't replace it. */
	assert_int_equal(set_mce(&vcpu, 2, VAL | UC | 3, 0), 0);
	assert_int_equal(hv.mc[9], VAL | UC | 3);
	assert_int_equal(set_mce(&vcpu, 2, VAL | 4, 0), 0);
	assert_int_equal(hv.mc[9], VAL | UC | OVER | 3);
	assert_int_equal(hv.events.exception, 0);
	assert_int_equal(vcpu.due, 0);
	fake_vm_free(&vm, &vcpu);
}

static void mce_uncorrected(void **state)
{
	struct shim_vcpu vcpu;
	struct shim_vm vm;

	(void)state;
	fake_vm(&vm, &vcpu);
	hv.has_mce = true;
	hv.reg[mv_reg_t_cr4] = CR4_MCE;
	assert_int_equal(shim_vcpu_setup_mce(&vcpu, 3 | MCG_CTL_P), 0);
	/* Reporting is off: of all, of this bank. */
	hv.mcg[CTL] = 0;
	assert_int_equal(set_mce(&vcpu, 0, VAL | UC | PCC, 5), 0);
	hv.mcg[CTL] = ~0ULL;
	hv.mc[0] = 0;
	assert_int_equal(set_mce(&vcpu, 0, VAL | UC | PCC, 5), 0);
	assert_int_equal(hv.mc[1] | hv.mcg[STATUS] | hv.events.exception | vcpu.due, 0);
	hv.mc[0] = ~0ULL;
	assert_int_equal(set_mce(&vcpu, 0, VAL | UC | PCC, 5), 0);
	assert_int_equal(hv.mc[1], VAL | UC | PCC);
	assert_int_equal(hv.mcg[STATUS], 5);
	assert_int_equal(hv.events.exception_vector, 18);
	/* While that is served there is no second one; */
	assert_int_equal(set_mce(&vcpu, 1, VAL | UC | PCC, 5), 0);
	assert_int_equal(vcpu.due & VCPU_TRIPLE_FAULT, VCPU_TRIPLE_FAULT);
	assert_int_equal(hv.mc[5], 0);
	/* nor without CR4.MCE. */
	vcpu.due = 0;
	hv.mcg[STATUS] = 0;
	hv.reg[mv_reg_t_cr4] = 0;
	assert_int_equal(set_mce(&vcpu, 1, VAL | UC | PCC, 5), 0);
	assert_int_equal(vcpu.due, VCPU_TRIPLE_FAULT);
	fake_vm_free(&vm, &vcpu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(enable_cap),	  FAKE_TEST(pdptrs),	      FAKE_TEST(payloads),
		FAKE_TEST(triple_fault),  FAKE_TEST(translate),	      FAKE_TEST(mce_setup),
		FAKE_TEST(mce_corrected), FAKE_TEST(mce_uncorrected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
