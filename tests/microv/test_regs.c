// SPDX-License-Identifier: MIT
/* Registers and MSRs by hypercall, one and in lists. */
#include "fake.h"

#define SUCCESS MV_STATUS_SUCCESS
#define UNKNOWN MV_STATUS_FAILURE_UNKNOWN
#define BAD_REG2 MV_STATUS_INVALID_INPUT_REG2
#define BAD_REG3 MV_STATUS_INVALID_INPUT_REG3

static unsigned int id;

static int setup(void **state)
{
	fake_reset(state);
	fake_share(0);
	id = fake_vs();
	return 0;
}

static mv_status_t set(uint64_t reg, uint64_t value)
{
	return HC(0, VS, REG_SET, id, reg, value);
}

static uint64_t get(uint64_t reg)
{
	assert_int_equal(HC(0, VS, REG_GET, id, reg, 0), SUCCESS);
	return fake_reg(0, 0);
}

static mv_status_t set_msr(uint64_t msr, uint64_t value)
{
	return HC(0, VS, MSR_SET, id, msr, value);
}

static uint64_t get_msr(uint64_t msr)
{
	assert_int_equal(HC(0, VS, MSR_GET, id, msr, 0), SUCCESS);
	return fake_reg(0, 0);
}

/* A value that each register can have; 0: it isn't there. */
static uint64_t value_for(uint64_t reg)
{
	switch (reg) {
	case 0:
		return 0;
	case mv_reg_t_rflags:
		return 0x10202;
	case mv_reg_t_cr4:
		return 0x20 + CR4_PSE;
	case mv_reg_t_cr8:
		return 9;
	case mv_reg_t_xcr0:
		return 1;
	}
	if (reg >= mv_reg_t_es_selector && reg <= mv_reg_t_idtr_base)
		switch ((reg - mv_reg_t_es_selector) % 4) {
		case 0:
			return 0x1000 + reg;
		case 1:
			return 0x93;
		case 2:
			return 0x7FFF0000 + reg;
		}
	if (reg >= mv_reg_t_dr6 && reg <= mv_reg_t_cr0)
		return 0x80000000 + reg;
	return 0x123456789ABC0000 + reg;
}

/* Written after a run and before one, a register is itself and no other one. */
static void every_register(void **state)
{
	(void)state;
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
	assert_int_equal(fake_run(id), SUCCESS);
	for (uint64_t reg = 0; reg <= MV_REG_MAX; reg++)
		assert_int_equal(set(reg, value_for(reg)), value_for(reg) ? SUCCESS : BAD_REG2);
	for (uint64_t reg = 0; reg <= MV_REG_MAX; reg++)
		if (value_for(reg))
			assert_int_equal(get(reg), value_for(reg));

	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(mk_state(id)->valid, MK_G_GPR | MK_G_CR);
	for (uint64_t reg = 0; reg <= MV_REG_MAX; reg++)
		if (value_for(reg))
			assert_int_equal(get(reg), value_for(reg));
}

/* One register of a group is written: the others of the group keep their values. */
static void groups_are_fetched_first(void **state)
{
	(void)state;
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
	fake_run(id);
	assert_int_equal(set(mv_reg_t_cr3, 0x5000), SUCCESS);
	assert_int_equal(set(mv_reg_t_ds_base, 0x777), SUCCESS);
	assert_int_equal(mk_state(id)->dirty, MK_G_CR | MK_G_SEG);
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
	fake_run(id);
	assert_int_equal(fake_hw(id)->cr3, 0x5000);
	assert_int_equal(fake_hw(id)->cr0, 0x60000010);
	assert_int_equal(fake_hw(id)->seg[MK_DS].base, 0x777);
	assert_int_equal(fake_hw(id)->seg[MK_CS].base, 0xFFFF0000);
}

static void no_such_register(void **state)
{
	static const uint64_t bad[] = { 0, MV_REG_MAX + 1, 0xFFFF, 1ULL << 32 | mv_reg_t_rax, ~0ULL };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(HC(0, VS, REG_GET, id, bad[i], 0), BAD_REG2);
		assert_int_equal(set(bad[i], 0), BAD_REG2);
	}
}

static void reserved_bits(void **state)
{
	static const struct {
		uint64_t reg, value;
	} bad[] = {
		{ mv_reg_t_cr0, 1ULL << 32 },	 { mv_reg_t_cr4, 1ULL << 15 },
		{ mv_reg_t_cr4, 1ULL << 63 },	 { mv_reg_t_cr8, 16 },
		{ mv_reg_t_dr6, 1ULL << 32 },	 { mv_reg_t_dr7, 1ULL << 32 },
		{ mv_reg_t_cs_attrib, 0x0100 },	 { mv_reg_t_tr_attrib, 0x0F8B },
		{ mv_reg_t_xcr0, 0 },		 { mv_reg_t_xcr0, 5 },
		{ mv_reg_t_xcr0, 1 | 1ULL << 63 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t before = get(bad[i].reg);

		assert_int_equal(set(bad[i].reg, bad[i].value), BAD_REG3);
		assert_int_equal(get(bad[i].reg), before);
	}
	/* What a small register has no room for is ignored. */
	assert_int_equal(set(mv_reg_t_es_selector, 0xABC10033), SUCCESS);
	assert_int_equal(get(mv_reg_t_es_selector), 0x33);
	assert_int_equal(set(mv_reg_t_es_attrib, 0x100000093), SUCCESS);
	assert_int_equal(set(mv_reg_t_es_limit, 0x1FFFFFFFF), SUCCESS);
	assert_int_equal(get(mv_reg_t_es_limit), 0xFFFFFFFF);
	/* RFLAGS has only the bits that exist, whatever is written; bit 1 is always set. */
	assert_int_equal(set(mv_reg_t_rflags, ~0ULL), SUCCESS);
	assert_int_equal(get(mv_reg_t_rflags), 0x3F7FD7);
	assert_int_equal(set(mv_reg_t_rflags, 0), SUCCESS);
	assert_int_equal(get(mv_reg_t_rflags), 2);
}

static const struct {
	uint32_t msr;
	uint64_t good, bad;
} msr_values[] = {
	{ MSR_EFER, EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE, EFER_SVME },
	{ MSR_STAR, 0x23001000000000, 0 },
	{ MSR_LSTAR, 0xFFFFFFFF81000000, 0x800000000000 },
	{ MSR_CSTAR, 0xFFFFFFFF82000000, 0x8000000000000000 },
	{ MSR_SFMASK, 0x47700, 0 },
	{ MSR_KERNEL_GS_BASE, 0xFFFF888000000000, 0x7FFF800000000000 },
	{ MSR_FS_BASE, 0x7F0000001000, 0x800000000000 },
	{ MSR_GS_BASE, 0x7F0000002000, 0x800000000000 },
	{ MSR_SYSENTER_CS, 0x10, 0 },
	{ MSR_SYSENTER_ESP, 0xFFFF888000001000, 0x800000000000 },
	{ MSR_SYSENTER_EIP, 0xFFFF888000002000, 0x800000000000 },
	{ MSR_PAT, 0x0706050400010004, 0x0706050402010004 },
	{ MSR_APIC_BASE, 0xFEE00900, 0xFEE00C00 },
	{ MSR_TSC_ADJUST, 77, 0 },
	{ MSR_MISC_ENABLE, 0x1801, 0 },
	{ MSR_UCODE_REV, 5ULL << 32, 0 },
	{ MSR_HWCR, 1 << 18, 1 << 17 },
	{ MSR_MCG_STATUS, 7, 0 },
	{ MSR_MCG_CTL, 0, 1 },
	{ MSR_MCG_CAP, 0x11F, 0x121 },
	{ MSR_MCE, ~0ULL, 2 },
	{ MSR_MCE + 127, 0x123, 0 },
	{ MSR_MTRR_DEF, 0xC06, 0x1006 },
	{ MSR_MTRR_VARIABLE, 0xC0000006, 0xC0000002 },
	{ MSR_MTRR_VARIABLE + 15, 0xFC0000800, 1ULL << 36 },
	{ MSR_MTRR_FIX64K, 0x0606060606060606, 0x0606060606060602 },
	{ MSR_MTRR_FIX4K + 7, 0x0404040401010000, 0x0400040403010000 },
	{ MSR_MTRR_CAP, 0x508, 0x509 },
};

static void every_msr(void **state)
{
	(void)state;
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
	fake_run(id);
	for (unsigned int i = 0; i < ARRAY_SIZE(msr_values); i++)
		assert_int_equal(set_msr(msr_values[i].msr, msr_values[i].good),
				 msr_values[i].msr == MSR_MTRR_CAP ? BAD_REG3 : SUCCESS);
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
	fake_run(id);
	for (unsigned int i = 0; i < ARRAY_SIZE(msr_values); i++) {
		if (msr_values[i].bad)
			assert_int_equal(set_msr(msr_values[i].msr, msr_values[i].bad), BAD_REG3);
		assert_int_equal(get_msr(msr_values[i].msr), msr_values[i].good);
	}
	assert_int_equal(get(mv_reg_t_fs_base), 0x7F0000001000);
}

static void no_such_msr(void **state)
{
	static const uint32_t bad[] = { 0, 0x13, 0xC0010117, 0xC0000085, 0xFFFFFFFF };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(HC(0, VS, MSR_GET, id, bad[i], 0), BAD_REG2);
		assert_int_equal(set_msr(bad[i], 0), BAD_REG2);
	}
}

static void tsc_runs(void **state)
{
	uint64_t a, b;

	(void)state;
	a = get_msr(MSR_TSC);
	assert_true(a < 1ULL << 40);
	assert_int_equal(set_msr(MSR_TSC, 1ULL << 50), SUCCESS);
	assert_true(mk_state(id)->dirty & MK_G_TSC);
	a = get_msr(MSR_TSC);
	b = get_msr(MSR_TSC);
	assert_true(a >= 1ULL << 50 && b > a && b < (1ULL << 50) + (1ULL << 40));
}

static struct mv_rdl_t *rdl(uint64_t count)
{
	struct mv_rdl_t *page = (struct mv_rdl_t *)fake_shared;

	memset(page, 0, sizeof(*page));
	page->num_entries = count;
	return page;
}

static void lists(void **state)
{
	struct mv_rdl_t *page = rdl(3);

	(void)state;
	page->entries[0] = (struct mv_rdl_entry_t){ mv_reg_t_rax, 11 };
	page->entries[1] = (struct mv_rdl_entry_t){ mv_reg_t_cr3, 0x2000 };
	page->entries[2] = (struct mv_rdl_entry_t){ mv_reg_t_rax, 12 };
	assert_int_equal(HC(0, VS, REG_SET_LIST, id, 0, 0), SUCCESS);
	assert_int_equal(get(mv_reg_t_rax), 12);

	page->entries[0].val = page->entries[1].val = 0;
	page->entries[3].val = 0x55;
	assert_int_equal(HC(0, VS, REG_GET_LIST, id, 0, 0), SUCCESS);
	assert_int_equal(page->entries[0].val, 12);
	assert_int_equal(page->entries[1].val, 0x2000);
	assert_int_equal(page->entries[3].val, 0x55);

	page = rdl(2);
	page->entries[0] = (struct mv_rdl_entry_t){ MSR_STAR, 77 };
	page->entries[1] = (struct mv_rdl_entry_t){ MSR_EFER, EFER_NXE };
	assert_int_equal(HC(0, VS, MSR_SET_LIST, id, 0, 0), SUCCESS);
	page->entries[0].val = 0;
	assert_int_equal(HC(0, VS, MSR_GET_LIST, id, 0, 0), SUCCESS);
	assert_int_equal(page->entries[0].val, 77);
}

static void full_list(void **state)
{
	struct mv_rdl_t *page = rdl(MV_RDL_MAX_ENTRIES);

	(void)state;
	for (unsigned int i = 0; i < MV_RDL_MAX_ENTRIES; i++)
		page->entries[i] = (struct mv_rdl_entry_t){ mv_reg_t_r8 + i % 8, i };
	assert_int_equal(HC(0, VS, REG_SET_LIST, id, 0, 0), SUCCESS);
	assert_int_equal(HC(0, VS, REG_GET_LIST, id, 0, 0), SUCCESS);
	assert_int_equal(page->entries[0].val, 248);
}

/* All or nothing, and the page isn't written on failure. */
static void bad_lists(void **state)
{
	static const struct mv_rdl_entry_t bad[] = {
		{ 0, 0 }, { MV_REG_MAX + 1, 0 }, { mv_reg_t_cr0, 1ULL << 32 }, { mv_reg_t_cr8, 99 },
	};
	struct mv_rdl_t *page;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		page = rdl(2);
		page->entries[0] = (struct mv_rdl_entry_t){ mv_reg_t_rbx, 99 };
		page->entries[1] = bad[i];
		assert_int_equal(HC(0, VS, REG_SET_LIST, id, 0, 0), UNKNOWN);
		assert_int_equal(get(mv_reg_t_rbx), 0);
		if (i < 2) {
			assert_int_equal(HC(0, VS, REG_GET_LIST, id, 0, 0), UNKNOWN);
			assert_int_equal(page->entries[0].val, 99);
		}
	}
	page = rdl(MV_RDL_MAX_ENTRIES + 1);
	assert_int_equal(HC(0, VS, REG_GET_LIST, id, 0, 0), UNKNOWN);
	page->num_entries = 1ULL << 32 | 1;
	page->entries[0].reg = mv_reg_t_rax;
	assert_int_equal(HC(0, VS, REG_GET_LIST, id, 0, 0), UNKNOWN);
	page->num_entries = 1;
	page->reg0 = 1;
	assert_int_equal(HC(0, VS, REG_GET_LIST, id, 0, 0), UNKNOWN);
	page->reg0 = 0;
	page->reg1 = 1;
	assert_int_equal(HC(0, VS, REG_SET_LIST, id, 0, 0), UNKNOWN);
	page->reg1 = 0;
	page->reg2 = page->reg7 = 5;
	assert_int_equal(HC(0, VS, REG_GET_LIST, id, 0, 0), SUCCESS);

	page->entries[0].reg = 1ULL << 32 | MSR_EFER;
	assert_int_equal(HC(0, VS, MSR_GET_LIST, id, 0, 0), UNKNOWN);
	HC(0, PP, CLR_SHARED_PAGE_GPA, 0, 0, 0);
	assert_int_equal(HC(0, VS, REG_GET_LIST, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VS, REG_SET_LIST, id, 0, 0), UNKNOWN);
}

/* The numbers of what mv_gprs_t has, in its order. */
static const uint8_t gprs[] = {
	mv_reg_t_rax, mv_reg_t_rbx, mv_reg_t_rcx, mv_reg_t_rdx, mv_reg_t_rsi, mv_reg_t_rdi,
	mv_reg_t_rsp, mv_reg_t_rbp, mv_reg_t_r8,  mv_reg_t_r9,	mv_reg_t_r10, mv_reg_t_r11,
	mv_reg_t_r12, mv_reg_t_r13, mv_reg_t_r14, mv_reg_t_r15, mv_reg_t_rip, mv_reg_t_rflags,
};

static void all_gprs(void **state)
{
	uint64_t *page = (uint64_t *)fake_shared;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(gprs); i++)
		set(gprs[i], value_for(gprs[i]));
	assert_int_equal(HC(0, VS, GPRS_GET, id, 0, 0), SUCCESS);
	for (unsigned int i = 0; i < ARRAY_SIZE(gprs); i++) {
		assert_int_equal(page[i], value_for(gprs[i]));
		page[i] = ~page[i];
	}
	assert_int_equal(HC(0, VS, GPRS_SET, id, 0, 0), SUCCESS);
	for (unsigned int i = 0; i < ARRAY_SIZE(gprs) - 1; i++)
		assert_int_equal(get(gprs[i]), ~value_for(gprs[i]));
	assert_int_equal(get(mv_reg_t_rflags), (~value_for(mv_reg_t_rflags) & 0x3F7FD5) | 2);
}

static void fill_sregs(void)
{
	for (uint64_t reg = mv_reg_t_es_selector; reg <= mv_reg_t_idtr_base; reg++)
		set(reg, value_for(reg));
	for (uint64_t reg = mv_reg_t_cr0; reg <= mv_reg_t_cr8; reg++)
		set(reg, value_for(reg));
}

static void all_sregs(void **state)
{
	struct mv_sregs_t *page = (struct mv_sregs_t *)fake_shared, before;

	(void)state;
	fill_sregs();
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
	fake_run(id);
	HC(0, VS, QUEUE_INTERRUPT, id, 0x77, 0);
	assert_int_equal(HC(0, VS, SREGS_GET, id, 0, 0), SUCCESS);
	before = *page;
	for (unsigned int i = 0; i < 10; i++) {
		const struct mv_segment_t *s = &page->es + i;
		uint64_t reg = mv_reg_t_es_selector + 4 * i;

		assert_int_equal(s->selector, (uint16_t)value_for(reg));
		assert_int_equal(s->attrib, 0x93);
		assert_int_equal(s->limit, value_for(reg + 2));
		assert_int_equal(s->base, value_for(reg + 3));
	}
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal((&page->cr0)[i], value_for(mv_reg_t_cr0 + i));
	assert_int_equal(page->efer, get_msr(MSR_EFER));
	assert_int_equal(page->apic_base, 0xFEE00900);
	assert_int_equal(page->interrupt, 1);
	assert_int_equal(page->interrupt_vector, 0x77);

	before.tr.base++;
	before.idtr.limit++;
	before.cr3 += 0x1000;
	before.efer = EFER_SCE;
	before.apic_base = 0xFEC00900;
	*page = before;
	assert_int_equal(HC(0, VS, SREGS_SET, id, 0, 0), SUCCESS);
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
	fake_run(id);
	assert_int_equal(HC(0, VS, SREGS_GET, id, 0, 0), SUCCESS);
	assert_memory_equal(page, &before, offsetof(struct mv_sregs_t, interrupt));
}

static void sregs_all_or_none(void **state)
{
	struct mv_sregs_t *page = (struct mv_sregs_t *)fake_shared, good, bad[6];

	(void)state;
	fill_sregs();
	HC(0, VS, SREGS_GET, id, 0, 0);
	good = *page;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		bad[i] = good;
		bad[i].cs.base = 0x4444;
		bad[i].cr2 = 0x5555;
	}
	bad[0].tr.attrib |= 0x100;
	bad[1].cr0 |= 1ULL << 32;
	bad[2].cr4 |= 1ULL << 63;
	bad[3].cr8 = 16;
	bad[4].efer |= 1ULL << 63;
	bad[5].apic_base |= 1;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		*page = bad[i];
		assert_int_equal(HC(0, VS, SREGS_SET, id, 0, 0), UNKNOWN);
		HC(0, VS, SREGS_GET, id, 0, 0);
		assert_memory_equal(page, &good, sizeof(good));
	}
}

static void whole_needs_a_page(void **state)
{
	(void)state;
	assert_int_equal(HC(0, VS, SREGS_SET, 1, 0, 0), MV_STATUS_INVALID_INPUT_REG1);
	assert_int_equal(HC(0, VS, GPRS_GET, 1, 0, 0), MV_STATUS_INVALID_INPUT_REG1);
	HC(0, PP, CLR_SHARED_PAGE_GPA, 0, 0, 0);
	assert_int_equal(HC(0, VS, GPRS_GET, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VS, GPRS_SET, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VS, SREGS_GET, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VS, SREGS_SET, id, 0, 0), UNKNOWN);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_register, setup),
		cmocka_unit_test_setup(groups_are_fetched_first, setup),
		cmocka_unit_test_setup(no_such_register, setup),
		cmocka_unit_test_setup(reserved_bits, setup),
		cmocka_unit_test_setup(every_msr, setup),
		cmocka_unit_test_setup(no_such_msr, setup),
		cmocka_unit_test_setup(tsc_runs, setup),
		cmocka_unit_test_setup(lists, setup),
		cmocka_unit_test_setup(full_list, setup),
		cmocka_unit_test_setup(bad_lists, setup),
		cmocka_unit_test_setup(all_gprs, setup),
		cmocka_unit_test_setup(all_sregs, setup),
		cmocka_unit_test_setup(sregs_all_or_none, setup),
		cmocka_unit_test_setup(whole_needs_a_page, setup),
	};

	return cmocka_run_group_tests_name("microv regs", tests, NULL, NULL);
}
