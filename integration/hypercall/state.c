// SPDX-License-Identifier: MIT
/*
 * Registers and MSRs of a VS: the state after reset, values good and bad, lists.
 */
#include "hct.h"

#define MSR_EFER 0xC0000080U
#define MSR_STAR 0xC0000081U
#define MSR_LSTAR 0xC0000082U
#define MSR_CSTAR 0xC0000083U
#define MSR_SFMASK 0xC0000084U
#define MSR_KERNEL_GS_BASE 0xC0000102U
#define MSR_SYSENTER_CS 0x174U
#define MSR_SYSENTER_ESP 0x175U
#define MSR_SYSENTER_EIP 0x176U
#define MSR_PAT 0x277U

struct value {
	uint64_t reg, value;
};

static void reset_state(void)
{
	static const struct value reset[] = {
		{ mv_reg_t_rip, 0xFFF0 },
		{ mv_reg_t_rflags, 2 },
		{ mv_reg_t_rax, 0 },
		{ mv_reg_t_rsp, 0 },
		{ mv_reg_t_cs_selector, 0xF000 },
		{ mv_reg_t_cs_base, 0xFFFF0000 },
		{ mv_reg_t_cs_limit, 0xFFFF },
		{ mv_reg_t_ds_selector, 0 },
		{ mv_reg_t_ds_base, 0 },
		{ mv_reg_t_ss_limit, 0xFFFF },
		{ mv_reg_t_gdtr_limit, 0xFFFF },
		{ mv_reg_t_idtr_limit, 0xFFFF },
		{ mv_reg_t_cr0, 0x60000010 },
		{ mv_reg_t_cr2, 0 },
		{ mv_reg_t_cr3, 0 },
		{ mv_reg_t_cr4, 0 },
		{ mv_reg_t_dr6, 0xFFFF0FF0 },
		{ mv_reg_t_dr7, 0x400 },
	};
	struct guest g;

	shared_set();
	require(guest_create(&g));
	for (size_t i = 0; i < COUNT(reset); i++) {
		uint64_t got = reg_get(g.vs, reset[i].reg);

		if (got != reset[i].value)
			test_note(__FILE__, __LINE__, "register %llu is 0x%llx, not 0x%llx",
				  (unsigned long long)reset[i].reg, (unsigned long long)got,
				  (unsigned long long)reset[i].value);
	}
	/* CS: present, code, accessed, 16 bits. */
	check_eq(reg_get(g.vs, mv_reg_t_cs_attrib) & 0xFA, 0x9A);
	check_eq(reg_get(g.vs, mv_reg_t_cs_attrib) & 0x6000, 0);
	guest_destroy(&g);
	shared_clear();
}

static void set_and_get(void)
{
	static const struct value values[] = {
		{ mv_reg_t_rax, 0x1122334455667788 },
		{ mv_reg_t_r15, ~0ULL },
		{ mv_reg_t_rsp, 0x7FFF0 },
		{ mv_reg_t_rip, 0x8000 },
		{ mv_reg_t_rflags, 0x202 },
		{ mv_reg_t_es_selector, 0x1234 },
		{ mv_reg_t_es_base, 0x12340 },
		{ mv_reg_t_es_limit, 0xFFFFFFFF },
		{ mv_reg_t_es_attrib, 0xC093 },
		{ mv_reg_t_fs_base, 0x123456789000 },
		{ mv_reg_t_tr_selector, 0x28 },
		{ mv_reg_t_tr_attrib, 0x8B },
		{ mv_reg_t_gdtr_base, 0xFFFF800000001000 },
		{ mv_reg_t_gdtr_limit, 0x7F },
		{ mv_reg_t_idtr_base, 0x5000 },
		{ mv_reg_t_cr0, 0x11 },
		{ mv_reg_t_cr2, 0xDEADBEEF000 },
		{ mv_reg_t_cr3, 0x3000 },
		{ mv_reg_t_cr4, 0x20 },
		{ mv_reg_t_cr8, 5 },
		{ mv_reg_t_dr0, 0x1000 },
		{ mv_reg_t_dr3, 0x4000 },
	};
	struct guest g;

	shared_set();
	require(guest_create(&g));
	for (size_t i = 0; i < COUNT(values); i++) {
		mv_status_t status = reg_set(g.vs, values[i].reg, values[i].value);
		uint64_t got = reg_get(g.vs, values[i].reg);

		if (status != MV_STATUS_SUCCESS || got != values[i].value)
			test_note(__FILE__, __LINE__,
				  "register %llu: 0x%llx, is 0x%llx, not 0x%llx",
				  (unsigned long long)values[i].reg, (unsigned long long)status,
				  (unsigned long long)got, (unsigned long long)values[i].value);
	}
	guest_destroy(&g);
	shared_clear();
}

static void bad_registers(void)
{
	static const uint64_t bad[] = { 0, MV_REG_MAX + 1, 0x100, 1ULL << 32, ~0ULL };
	struct guest g;

	shared_set();
	require(guest_create(&g));
	for (size_t i = 0; i < COUNT(bad); i++) {
		check_refused(HC(VS, REG_GET), g.vs, bad[i], 0, MV_STATUS_INVALID_INPUT_REG2);
		check_refused(HC(VS, REG_SET), g.vs, bad[i], 0, MV_STATUS_INVALID_INPUT_REG2);
	}
	for (int reg = 1; reg <= MV_REG_MAX; reg++)
		check_eq(hc(HC(VS, REG_GET), g.vs, reg, 0).rax, MV_STATUS_SUCCESS);
	guest_destroy(&g);
	shared_clear();
}

static void reserved_bits(void)
{
	static const struct value bad[] = {
		{ mv_reg_t_cr0, 1ULL << 32 },  { mv_reg_t_cr4, 1ULL << 32 },
		{ mv_reg_t_cr4, 1ULL << 63 },  { mv_reg_t_cr8, 0x10 },
		{ mv_reg_t_dr6, 1ULL << 32 },  { mv_reg_t_dr7, 1ULL << 32 },
		{ mv_reg_t_es_attrib, 0x193 }, { mv_reg_t_tr_attrib, 0x88B },
		{ mv_reg_t_xcr0, 0 },	       { mv_reg_t_xcr0, 1ULL << 62 | 1 },
	};
	struct guest g;

	shared_set();
	require(guest_create(&g));
	for (size_t i = 0; i < COUNT(bad); i++) {
		uint64_t before = reg_get(g.vs, bad[i].reg);
		struct hct_call call = hc(HC(VS, REG_SET), g.vs, bad[i].reg, bad[i].value);

		if (call.rax != MV_STATUS_INVALID_INPUT_REG3)
			test_note(__FILE__, __LINE__, "register %llu = 0x%llx: 0x%llx",
				  (unsigned long long)bad[i].reg, (unsigned long long)bad[i].value,
				  (unsigned long long)call.rax);
		check_eq(reg_get(g.vs, bad[i].reg), before);
	}
	guest_destroy(&g);
	shared_clear();
}

/* Bits above a register's own width are ignored, as the specification has it. */
static void ignored_bits(void)
{
	struct guest g;

	shared_set();
	require(guest_create(&g));
	check_eq(reg_set(g.vs, mv_reg_t_es_selector, 0xABC1234), MV_STATUS_SUCCESS);
	check_eq(reg_get(g.vs, mv_reg_t_es_selector), 0x1234);
	check_eq(reg_set(g.vs, mv_reg_t_es_limit, 0xABCFFFFFFFF), MV_STATUS_SUCCESS);
	check_eq(reg_get(g.vs, mv_reg_t_es_limit), 0xFFFFFFFF);
	guest_destroy(&g);
	shared_clear();
}

static void rdl_clear(void)
{
	memset(shared.va, 0, shared.bytes);
}

static void rdl_add(uint64_t reg, uint64_t value)
{
	rdl()->entries[rdl()->num_entries].reg = reg;
	rdl()->entries[rdl()->num_entries++].val = value;
}

static void register_lists(void)
{
	struct guest g;

	shared_set();
	require(guest_create(&g));
	rdl_clear();
	rdl_add(mv_reg_t_rax, 0xA);
	rdl_add(mv_reg_t_r9, 0x9);
	rdl_add(mv_reg_t_cr3, 0x7000);
	rdl_add(mv_reg_t_rax, 0xAA); /* again: the last one counts */
	check_eq(hc(HC(VS, REG_SET_LIST), g.vs, 0, 0).rax, MV_STATUS_SUCCESS);
	check_eq(reg_get(g.vs, mv_reg_t_rax), 0xAA);
	check_eq(reg_get(g.vs, mv_reg_t_r9), 0x9);
	check_eq(reg_get(g.vs, mv_reg_t_cr3), 0x7000);
	rdl_clear();
	for (int i = 0; i < (int)MV_RDL_MAX_ENTRIES; i++)
		rdl_add(i % 2 ? mv_reg_t_cr3 : mv_reg_t_r9, 0);
	check_eq(hc(HC(VS, REG_GET_LIST), g.vs, 0, 0).rax, MV_STATUS_SUCCESS);
	check_eq(rdl()->entries[248].val, 0x9);
	check_eq(rdl()->entries[249].val, 0x7000);
	rdl_clear();
	check_eq(hc(HC(VS, REG_GET_LIST), g.vs, 0, 0).rax, MV_STATUS_SUCCESS);
	guest_destroy(&g);
	shared_clear();
}

static void list_refused(uint64_t rax, uint16_t vs)
{
	uint8_t before[MV_PAGE_SIZE];

	memcpy(before, shared.va, sizeof(before));
	check_refused(rax, vs, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	check(memcmp(before, shared.va, sizeof(before)) == 0);
}

/* One hypercall on lists, with a good and a bad register or MSR, writes nothing. */
static void bad_lists(uint16_t vs, uint64_t get, uint64_t set, uint64_t good, uint64_t bad)
{
	static const uint64_t counts[] = { MV_RDL_MAX_ENTRIES + 1, 1ULL << 32, 1ULL << 60, ~0ULL };
	const uint64_t calls[] = { get, set };

	for (size_t i = 0; i < COUNT(calls); i++) {
		for (size_t j = 0; j < COUNT(counts); j++) {
			rdl_clear();
			rdl_add(good, 0x1000);
			rdl()->num_entries = counts[j];
			list_refused(calls[i], vs);
		}
		for (int j = 0; j < 2; j++) {
			rdl_clear();
			rdl_add(good, 0x1000);
			*(j ? &rdl()->reg1 : &rdl()->reg0) = 1;
			list_refused(calls[i], vs);
		}
		rdl_clear();
		rdl_add(good, 0x1000);
		rdl_add(bad, 0);
		list_refused(calls[i], vs);
		shared_clear();
		check_refused(calls[i], vs, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
		shared_set();
	}
}

static void register_lists_bad(void)
{
	struct guest g;

	shared_set();
	require(guest_create(&g));
	check_eq(reg_set(g.vs, mv_reg_t_rbx, 0xB), MV_STATUS_SUCCESS);
	bad_lists(g.vs, HC(VS, REG_GET_LIST), HC(VS, REG_SET_LIST), mv_reg_t_rbx, 0);
	bad_lists(g.vs, HC(VS, REG_GET_LIST), HC(VS, REG_SET_LIST), mv_reg_t_rbx, MV_REG_MAX + 1);
	/* A bad value behind a good one. */
	rdl_clear();
	rdl_add(mv_reg_t_rbx, 0x1000);
	rdl_add(mv_reg_t_cr8, 0x100);
	list_refused(HC(VS, REG_SET_LIST), g.vs);
	check_eq(reg_get(g.vs, mv_reg_t_rbx), 0xB);
	guest_destroy(&g);
	shared_clear();
}

static void msrs(void)
{
	static const struct value values[] = {
		{ MSR_STAR, 0x0013000800000000 },
		{ MSR_LSTAR, 0xFFFFFFFF81000000 },
		{ MSR_CSTAR, 0x1000 },
		{ MSR_SFMASK, 0x47700 },
		{ MSR_KERNEL_GS_BASE, 0x7F0000 },
		{ MSR_SYSENTER_CS, 0x10 },
		{ MSR_SYSENTER_ESP, 0x8000 },
		{ MSR_SYSENTER_EIP, 0x9000 },
		{ MSR_PAT, 0x0007040600070406 },
		{ MSR_EFER, 0x500 },
	};
	struct guest g;

	shared_set();
	require(guest_create(&g));
	for (size_t i = 0; i < COUNT(values); i++) {
		struct hct_call call = hc(HC(VS, MSR_SET), g.vs, values[i].reg, values[i].value);

		check_eq(call.rax, MV_STATUS_SUCCESS);
		call = hc(HC(VS, MSR_GET), g.vs, values[i].reg, 0);
		check_eq(call.rax, MV_STATUS_SUCCESS);
		check_eq(call.reg[0], values[i].value);
	}
	rdl_clear();
	for (size_t i = 0; i < COUNT(values); i++)
		rdl_add(values[i].reg, 0);
	check_eq(hc(HC(VS, MSR_GET_LIST), g.vs, 0, 0).rax, MV_STATUS_SUCCESS);
	for (size_t i = 0; i < COUNT(values); i++)
		check_eq(rdl()->entries[i].val, values[i].value);
	rdl_clear();
	rdl_add(MSR_STAR, 0x1);
	rdl_add(MSR_LSTAR, 0x2);
	check_eq(hc(HC(VS, MSR_SET_LIST), g.vs, 0, 0).rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(VS, MSR_GET), g.vs, MSR_STAR, 0).reg[0], 1);
	check_eq(hc(HC(VS, MSR_GET), g.vs, MSR_LSTAR, 0).reg[0], 2);
	guest_destroy(&g);
	shared_clear();
}

static void msrs_bad(void)
{
	static const struct value values[] = {
		{ MSR_EFER, 1ULL << 63 },	    { MSR_EFER, 1ULL << 12 }, /* SVME */
		{ MSR_LSTAR, 0x8000000000000000 }, /* not canonical */
		{ MSR_KERNEL_GS_BASE, 1ULL << 55 }, { MSR_PAT, 0xFF },	      { MSR_PAT, 2 },
	};
	static const uint64_t bad[] = { 0xDEADBEEF, 0xC001FFFF };
	struct guest g;

	shared_set();
	require(guest_create(&g));
	for (size_t i = 0; i < COUNT(values); i++) {
		uint64_t before = hc(HC(VS, MSR_GET), g.vs, values[i].reg, 0).reg[0];

		check_refused(HC(VS, MSR_SET), g.vs, values[i].reg, values[i].value,
			      MV_STATUS_INVALID_INPUT_REG3);
		check_eq(hc(HC(VS, MSR_GET), g.vs, values[i].reg, 0).reg[0], before);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		check_refused(HC(VS, MSR_GET), g.vs, bad[i], 0, MV_STATUS_INVALID_INPUT_REG2);
		check_refused(HC(VS, MSR_SET), g.vs, bad[i], 0, MV_STATUS_INVALID_INPUT_REG2);
		bad_lists(g.vs, HC(VS, MSR_GET_LIST), HC(VS, MSR_SET_LIST), MSR_STAR, bad[i]);
	}
	check_eq(hc(HC(VS, MSR_GET), g.vs, MSR_STAR, 0).reg[0], 0);
	guest_destroy(&g);
	shared_clear();
}

const struct test state_tests[] = {
	{ "registers after reset", reset_state },
	{ "reg_set and reg_get", set_and_get },
	{ "reg_get, reg_set: bad registers", bad_registers },
	{ "reg_set: reserved bits", reserved_bits },
	{ "reg_set: bits above a register's width", ignored_bits },
	{ "reg_set_list and reg_get_list", register_lists },
	{ "register lists: a bad list changes nothing", register_lists_bad },
	{ "msr_set, msr_get and their lists", msrs },
	{ "MSRs: bad ones change nothing", msrs_bad },
	{ NULL, NULL },
};
