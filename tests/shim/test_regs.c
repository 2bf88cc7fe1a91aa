// SPDX-License-Identifier: MIT
/* KVM_GET/SET_REGS and KVM_GET/SET_SREGS: conversion and checks. */
#include <asm/processor-flags.h>

#include "fake.h"

#define EFER_LME 0x100ULL
#define EFER_LMA 0x400ULL

static struct shim_vm vm;
static struct shim_vcpu vcpu;

static int setup(void **state)
{
	fake_setup(state);
	fake_vm(&vm, &vcpu);
	return 0;
}

static int teardown(void **state)
{
	fake_vm_free(&vm, &vcpu);
	return fake_teardown(state);
}

/* Each register has the value of its own number. */
static void regs_are_where_they_belong(void **state)
{
	struct kvm_regs regs;
	uint64_t i;

	(void)state;
	for (i = 1; i <= MV_REG_MAX; i++)
		hv.reg[i] = i << 32;
	assert_int_equal(shim_vcpu_get_regs(&vcpu, &regs), 0);
#define HAS(name) assert_int_equal(regs.name, (uint64_t)mv_reg_t_##name << 32)
	HAS(rax), HAS(rbx), HAS(rcx), HAS(rdx), HAS(rsi), HAS(rdi), HAS(rsp), HAS(rbp);
	HAS(r8), HAS(r9), HAS(r10), HAS(r11), HAS(r12), HAS(r13), HAS(r14), HAS(r15);
	HAS(rip), HAS(rflags);
#undef HAS
	memset(hv.reg, 0, sizeof(hv.reg));
	assert_int_equal(shim_vcpu_set_regs(&vcpu, &regs), 0);
	for (i = 1; i <= mv_reg_t_rip; i++)
		assert_int_equal(hv.reg[i], i << 32);
	assert_int_equal(hv.reg[mv_reg_t_rflags], (uint64_t)mv_reg_t_rflags << 32 | 2);
	for (i = mv_reg_t_rflags + 1; i <= MV_REG_MAX; i++)
		assert_int_equal(hv.reg[i], 0);
}

static void regs_errors(void **state)
{
	struct kvm_regs regs = { 0 };

	(void)state;
	hv.fail_call = MV_HYPERCALL(MV_VS_OP, MV_VS_OP_GPRS_SET_IDX_VAL);
	hv.fail_at = 1;
	hv.fail_status = MV_STATUS_FAILURE_UNKNOWN;
	assert_int_equal(shim_vcpu_set_regs(&vcpu, &regs), -EINVAL);
	hv.fail_call = MV_HYPERCALL(MV_VS_OP, MV_VS_OP_GPRS_GET_IDX_VAL);
	hv.fail_at = 1;
	hv.fail_status = MV_STATUS_FAILURE_BUSY;
	assert_int_equal(shim_vcpu_get_regs(&vcpu, &regs), -EBUSY);
	os.no_shared_page = true;
	assert_int_equal(shim_vcpu_get_regs(&vcpu, &regs), -ENODEV);
	os.no_shared_page = false;
}

static struct kvm_segment segment(unsigned int n)
{
	return (struct kvm_segment){
		.base = 0x1000000 + n,
		.limit = 0xFFFFF000 + n,
		.selector = (uint16_t)(8 * n),
		.type = 3,
		.present = 1,
		.dpl = n & 3,
		.db = n & 1,
		.s = 1,
		.g = 1,
		.avl = n >> 1 & 1,
	};
}

static struct kvm_sregs protected_mode(void)
{
	struct kvm_sregs sregs = {
		.cs = segment(1),
		.ds = segment(2),
		.es = segment(3),
		.fs = segment(4),
		.gs = segment(5),
		.ss = segment(6),
		.tr = segment(7),
		.ldt = segment(8),
		.gdt = { .base = 0x111, .limit = 0x222 },
		.idt = { .base = 0x333, .limit = 0x444 },
		.cr0 = X86_CR0_PE | X86_CR0_ET,
		.cr2 = 0x555,
		.cr3 = 0x6000,
		.cr4 = X86_CR4_PAE,
		.cr8 = 7,
		.efer = EFER_LME,
		.apic_base = 0xFEE00900,
	};

	sregs.cs.type = 11;
	return sregs;
}

static struct kvm_sregs long_mode(void)
{
	struct kvm_sregs sregs = protected_mode();

	sregs.cr0 |= X86_CR0_PG;
	sregs.efer |= EFER_LMA;
	sregs.cs.l = 1;
	return sregs;
}

static void sregs_round_trip(void **state)
{
	const struct kvm_sregs in[] = { protected_mode(), long_mode() };
	struct kvm_sregs out;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		memset(&out, 0x5A, sizeof(out));
		assert_int_equal(shim_vcpu_set_sregs(&vcpu, &in[i]), 0);
		assert_int_equal(shim_vcpu_get_sregs(&vcpu, &out), 0);
		assert_memory_equal(&out, &in[i], sizeof(out));
		assert_int_equal(hv.efer, in[i].efer);
	}
}

static void sregs_are_where_they_belong(void **state)
{
	const struct kvm_sregs in = protected_mode();

	(void)state;
	assert_int_equal(shim_vcpu_set_sregs(&vcpu, &in), 0);
	assert_int_equal(hv.reg[mv_reg_t_cs_selector], 8);
	assert_int_equal(hv.reg[mv_reg_t_ldtr_selector], 64);
	assert_int_equal(hv.reg[mv_reg_t_tr_base], 0x1000007);
	assert_int_equal(hv.reg[mv_reg_t_gs_limit], 0xFFFFF005);
	assert_int_equal(hv.reg[mv_reg_t_gdtr_base], 0x111);
	assert_int_equal(hv.reg[mv_reg_t_gdtr_limit], 0x222);
	assert_int_equal(hv.reg[mv_reg_t_idtr_base], 0x333);
	assert_int_equal(hv.reg[mv_reg_t_idtr_limit], 0x444);
	assert_int_equal(hv.reg[mv_reg_t_cr2], 0x555);
	assert_int_equal(hv.reg[mv_reg_t_cr8], 7);
}

static void attributes(void **state)
{
	static const struct {
		struct kvm_segment seg;
		uint64_t attrib;
	} cases[] = {
		{ { .type = 0xF }, 0x000F },
		{ { .s = 1 }, 0x0010 },
		{ { .dpl = 3 }, 0x0060 },
		{ { .present = 1 }, 0x0080 },
		{ { .avl = 1 }, 0x1000 },
		{ { .db = 1 }, 0x4000 },
		{ { .g = 1 }, 0x8000 },
		{ { .present = 1, .unusable = 1 }, 0x0000 },
		/* only the bits that there are */
		{ { .type = 0xF0, .s = 2, .dpl = 4, .present = 2, .avl = 2, .g = 2 }, 0x0000 },
	};
	struct kvm_sregs sregs = protected_mode();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sregs.ds = cases[i].seg;
		assert_int_equal(shim_vcpu_set_sregs(&vcpu, &sregs), 0);
		assert_int_equal(hv.reg[mv_reg_t_ds_attrib], cases[i].attrib);
	}
	sregs = long_mode();
	sregs.cs = (struct kvm_segment){ .l = 1 };
	assert_int_equal(shim_vcpu_set_sregs(&vcpu, &sregs), 0);
	assert_int_equal(hv.reg[mv_reg_t_cs_attrib], 0x2000);
}

/* As KVM on AMD shows segments, whatever was set. */
static void segments_as_kvm_shows_them(void **state)
{
	struct kvm_sregs sregs;

	(void)state;
	hv.reg[mv_reg_t_ds_attrib] = 0x92;
	hv.reg[mv_reg_t_es_attrib] = 0x12;
	hv.reg[mv_reg_t_cs_attrib] = 0x9A;
	hv.reg[mv_reg_t_cs_limit] = 0x100000;
	hv.reg[mv_reg_t_ss_attrib] = 0x4012;
	hv.reg[mv_reg_t_tr_attrib] = 0x89;
	hv.reg[mv_reg_t_tr_limit] = 0xFFFFF;
	assert_int_equal(shim_vcpu_get_sregs(&vcpu, &sregs), 0);
	assert_int_equal(sregs.ds.type, 3);
	assert_int_equal(sregs.ds.unusable, 0);
	assert_int_equal(sregs.es.type, 2);
	assert_int_equal(sregs.es.unusable, 1);
	assert_int_equal(sregs.cs.type, 10);
	assert_int_equal(sregs.cs.g, 1);
	assert_int_equal(sregs.ss.db, 0);
	assert_int_equal(sregs.tr.type, 11);
	assert_int_equal(sregs.tr.g, 0);
}

static void refuse_pae(struct kvm_sregs *s)
{
	s->cr4 = 0;
}
static void refuse_lma(struct kvm_sregs *s)
{
	s->efer &= ~EFER_LMA;
}
static void refuse_cr3(struct kvm_sregs *s)
{
	s->cr3 = 1ULL << 36;
}
static void refuse_pg(struct kvm_sregs *s)
{
	s->cr0 &= ~X86_CR0_PG;
}
static void refuse_lme(struct kvm_sregs *s)
{
	s->efer = EFER_LMA;
}
static void refuse_pe(struct kvm_sregs *s)
{
	s->cr0 &= ~X86_CR0_PE;
}
static void refuse_nw(struct kvm_sregs *s)
{
	s->cr0 |= X86_CR0_NW;
}
static void refuse_cr0(struct kvm_sregs *s)
{
	s->cr0 |= 1ULL << 32;
}
static void refuse_cr4_15(struct kvm_sregs *s)
{
	s->cr4 |= 1ULL << 15;
}
static void refuse_cr4_63(struct kvm_sregs *s)
{
	s->cr4 |= 1ULL << 63;
}
static void refuse_smep(struct kvm_sregs *s)
{
	s->cr4 |= X86_CR4_SMEP;
}
static void refuse_vmxe(struct kvm_sregs *s)
{
	s->cr4 |= X86_CR4_VMXE;
}
static void refuse_apic_52(struct kvm_sregs *s)
{
	s->apic_base |= 1ULL << 52;
}
static void refuse_x2apic(struct kvm_sregs *s)
{
	s->apic_base = 0xFEE00400;
}
static void refuse_apic_low(struct kvm_sregs *s)
{
	s->apic_base |= 1;
}

static void sregs_refused(void **state)
{
	static void (*const change[])(struct kvm_sregs *) = {
		refuse_pae,  refuse_lma,  refuse_cr3,	  refuse_pg,	 refuse_lme,
		refuse_pe,   refuse_nw,	  refuse_cr0,	  refuse_cr4_15, refuse_cr4_63,
		refuse_smep, refuse_vmxe, refuse_apic_52, refuse_x2apic, refuse_apic_low,
	};
	struct kvm_sregs sregs;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(change) / sizeof(change[0]); i++) {
		sregs = long_mode();
		change[i](&sregs);
		if (shim_vcpu_set_sregs(&vcpu, &sregs) != -EINVAL)
			fail_msg("case %zu is taken", i);
		assert_int_equal(hv.reg[mv_reg_t_cs_selector], 0);
		assert_int_equal(hv.efer, 0);
	}
}

static void cr4_follows_the_cpu(void **state)
{
	struct kvm_sregs sregs = protected_mode();

	(void)state;
	os.cpuid_7_ebx = 1U << 0 | 1U << 7 | 1U << 20;
	os.cpuid_7_ecx = 1U << 2;
	os.cpuid_1_ecx = 1U << 26;
	sregs.cr4 |=
		X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_FSGSBASE | X86_CR4_UMIP | X86_CR4_OSXSAVE;
	assert_int_equal(shim_vcpu_set_sregs(&vcpu, &sregs), 0);
	sregs.cr4 |= X86_CR4_PKE;
	assert_int_equal(shim_vcpu_set_sregs(&vcpu, &sregs), -EINVAL);
}

/* Outside of long mode KVM doesn't look at CR3. */
static void cr3_outside_of_long_mode(void **state)
{
	struct kvm_sregs sregs = protected_mode();

	(void)state;
	sregs.cr3 = 1ULL << 40;
	assert_int_equal(shim_vcpu_set_sregs(&vcpu, &sregs), 0);
}

static void cr8_too_large_is_ignored(void **state)
{
	struct kvm_sregs sregs = protected_mode();

	(void)state;
	assert_int_equal(shim_vcpu_set_sregs(&vcpu, &sregs), 0);
	sregs.cr8 = 16;
	sregs.cr2 = 0x777;
	assert_int_equal(shim_vcpu_set_sregs(&vcpu, &sregs), 0);
	assert_int_equal(hv.reg[mv_reg_t_cr8], 7);
	assert_int_equal(hv.reg[mv_reg_t_cr2], 0x777);
}

static void refused_by_the_hypervisor(void **state)
{
	const struct kvm_sregs sregs = protected_mode();

	(void)state;
	vcpu.cr8 = 5;
	hv.fail_call = MV_HYPERCALL(MV_VS_OP, MV_VS_OP_SREGS_SET_IDX_VAL);
	hv.fail_at = 1;
	hv.fail_status = MV_STATUS_FAILURE_UNKNOWN;
	assert_int_equal(shim_vcpu_set_sregs(&vcpu, &sregs), -EINVAL);
	assert_int_equal(hv.reg[mv_reg_t_cs_selector], 0);
	assert_int_equal(vcpu.cr8, 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(regs_are_where_they_belong),
		TEST(regs_errors),
		TEST(sregs_round_trip),
		TEST(sregs_are_where_they_belong),
		TEST(attributes),
		TEST(segments_as_kvm_shows_them),
		TEST(sregs_refused),
		TEST(cr4_follows_the_cpu),
		TEST(cr3_outside_of_long_mode),
		TEST(cr8_too_large_is_ignored),
		TEST(refused_by_the_hypervisor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
