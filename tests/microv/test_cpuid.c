// SPDX-License-Identifier: MIT
/* CPUID by hypercall and by the guest, and the list of MSRs that there are. */
#include "cpuid.h"
#include "fake.h"
#include "regs.h"

#define SUCCESS MV_STATUS_SUCCESS
#define UNKNOWN MV_STATUS_FAILURE_UNKNOWN
#define INDEX MV_CDL_ENTRY_FLAG_INDEX

static unsigned int id;

static int setup(void **state)
{
	fake_reset(state);
	fake_share(0);
	id = fake_vs();
	fake_mode_64(id);
	return 0;
}

static struct mv_cdl_t *cdl(uint64_t count, uint64_t flags)
{
	struct mv_cdl_t *page = (struct mv_cdl_t *)fake_shared;

	memset(page, 0, sizeof(*page));
	page->num_entries = count;
	page->reg0 = flags;
	return page;
}

/* The entry that the VS reads. */
static struct mv_cdl_entry_t get(uint32_t fun, uint32_t idx)
{
	struct mv_cdl_entry_t *e = (struct mv_cdl_entry_t *)fake_shared;

	*e = (struct mv_cdl_entry_t){ .fun = fun, .idx = idx };
	assert_int_equal(HC(0, VS, CPUID_GET, id, 0, 0), SUCCESS);
	return *e;
}

static void set_list(const struct mv_cdl_entry_t *list, unsigned int count)
{
	memcpy(cdl(count, 0)->entries, list, count * sizeof(*list));
	assert_int_equal(HC(0, VS, CPUID_SET_LIST, id, 0, 0), SUCCESS);
}

static const struct mv_cdl_entry_t intel[] = {
	{ .fun = 0, .eax = 4, .ebx = 0x756E6547, .ecx = 0x6C65746E, .edx = 0x49656E69 },
	{ .fun = 2, .eax = 0x21, .ebx = 0x22, .ecx = 0x23, .edx = 0x24 },
	{ .fun = 4, .flags = INDEX, .eax = 0x41 },
	{ .fun = 4, .idx = 2, .flags = INDEX, .eax = 0x42 },
	{ .fun = 0xB, .idx = 1, .flags = INDEX, .eax = 4, .edx = 9 },
	{ .fun = 0x80000000, .eax = 0x80000004 },
};

static void lookup(void **state)
{
	(void)state;
	assert_int_equal(get(0, 0).eax, 0);
	set_list(intel, ARRAY_SIZE(intel));
	assert_int_equal(get(2, 5).edx, 0x24);
	assert_int_equal(get(4, 0).eax, 0x41);
	assert_int_equal(get(4, 1).eax, 0);
	assert_int_equal(get(4, 2).eax, 0x42);
	assert_int_equal(get(3, 0).eax, 0);
	assert_int_equal(get(0x80000003, 0).eax, 0);
	/* Beyond the end: the highest basic leaf. */
	assert_int_equal(get(5, 2).eax, 0x42);
	assert_int_equal(get(0x80000005, 0).eax, 0x41);
	assert_int_equal(get(0xC0000000, 0).eax, 0x41);
	assert_int_equal(get(0xB, 1).eax, 4);
}

static void lookup_amd(void **state)
{
	struct mv_cdl_entry_t amd[ARRAY_SIZE(intel)];

	(void)state;
	memcpy(amd, intel, sizeof(amd));
	amd[0].eax = 0xB;
	amd[0].ebx = 0x68747541;
	amd[0].ecx = 0x444D4163;
	amd[0].edx = 0x69746E65;
	set_list(amd, ARRAY_SIZE(amd));
	assert_int_equal(get(0xC, 0).eax, 0);
	assert_int_equal(get(0x80000005, 0).eax, 0);
	assert_int_equal(get(0xB, 7).ecx, 7);
	assert_int_equal(get(0xB, 7).edx, 9);
}

static void assert_guest_reads(uint32_t fun, struct mv_cdl_entry_t e)
{
	struct mk_state *st = mk_state(id);

	st->rip = 0x400000;
	st->gpr[MK_RAX] = ~0xFFFFFFFFULL | fun;
	st->gpr[MK_RCX] = ~0xFFFFFFFFULL;
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_CPUID, .len = 2 });
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(st->gpr[MK_RAX], e.eax);
	assert_int_equal(st->gpr[MK_RBX], e.ebx);
	assert_int_equal(st->gpr[MK_RCX], e.ecx);
	assert_int_equal(st->gpr[MK_RDX], e.edx);
}

static void the_guest_reads_it(void **state)
{
	(void)state;
	set_list(intel, ARRAY_SIZE(intel));
	assert_guest_reads(2, intel[1]);
}

/* The guest's only when its CPUID says so; the upper half is ignored, but by Intel's CPUs. */
static void tsc_aux(void **state)
{
	static const struct mv_cdl_entry_t rdtscp = { .fun = 0x80000001, .edx = 1U << 27 };
	struct vs vs = { .id = id, .st = mk_state(id) };
	uint64_t value;
	uint32_t r[4];

	(void)state;
	cpuid(0x80000001, 0, r);
	if (!(r[CPUID_EDX] >> 27 & 1)) {
		assert_int_equal(msr_ops.exists(MSR_TSC_AUX), 0);
		skip();
	}
	assert_int_equal(msr_guest_write(&vs, MSR_TSC_AUX, 1), -1);
	assert_int_equal(msr_guest_read(&vs, MSR_TSC_AUX, &value), -1);
	set_list(&rdtscp, 1);
	assert_int_equal(msr_guest_write(&vs, MSR_TSC_AUX, 1ULL << 32 | 5), 0);
	assert_int_equal(msr_guest_read(&vs, MSR_TSC_AUX, &value), 0);
	assert_int_equal(value, 5);
	assert_int_equal(vs.st->tsc_aux, 5);
	assert_true(vs.st->dirty & MK_G_MSR);
	set_list(intel, ARRAY_SIZE(intel));
	assert_int_equal(HC(0, VS, MSR_SET, id, MSR_TSC_AUX, 1ULL << 32 | 6),
			 MV_STATUS_INVALID_INPUT_REG3);
	assert_int_equal(HC(0, VS, MSR_SET, id, MSR_TSC_AUX, 6), SUCCESS);
	assert_int_equal(vs.st->tsc_aux, 6);
}

/* All bits on: only what is supported stays. */
static void unsupported_stays_off(void **state)
{
	static const struct mv_cdl_entry_t all[] = {
		{ .fun = 1, .ecx = ~0U, .edx = ~0U },
		{ .fun = 7, .flags = INDEX, .ebx = ~0U, .ecx = ~0U, .edx = ~0U },
		{ .fun = 0x80000001, .ecx = ~0U, .edx = ~0U },
		{ .fun = 0xD, .flags = INDEX, .eax = ~0U, .edx = ~0U },
	};
	struct mv_cdl_entry_t e;

	(void)state;
	set_list(all, ARRAY_SIZE(all));
	e = get(1, 0);
	assert_int_equal(e.ecx & (1U << 3 | 1U << 5 | 1U << 21 | 1U << 27), 0);
	assert_int_equal(e.ecx >> 31, 1); /* user space's to set */
	assert_int_equal(e.edx & 1U << 9, 1U << 9);
	assert_int_equal(get(0x80000001, 0).ecx & 1U << 2, 0);
	assert_int_equal(get(7, 0).ebx & 1U << 1, 1U << 1);
	assert_int_equal(get(7, 0).edx & 1U << 26, 0);
	assert_int_equal(get(0xD, 0).edx, 0);
}

static void bits_of_the_state(void **state)
{
	static const struct mv_cdl_entry_t list[] = {
		{ .fun = 1, .ecx = 1U << 26 | 1U << 27, .edx = 1U << 9 },
		{ .fun = 7, .ebx = 1, .ecx = 1U << 3 },
		{ .fun = 0xD, .flags = INDEX, .eax = 3, .ebx = 5 },
	};

	(void)state;
	set_list(list, ARRAY_SIZE(list));
	assert_int_equal(get(1, 0).ecx & 1U << 27, 0);
	assert_int_equal(get(0xD, 0).ebx, 0x240);
	assert_int_equal(HC(0, VS, REG_SET, id, mv_reg_t_cr4, CR4_PAE | CR4_OSXSAVE | 1 << 22),
			 SUCCESS);
	assert_int_equal(get(1, 0).ecx & 1U << 27, 1U << 27);
	assert_int_equal(get(1, 0).edx, 1U << 9);
	assert_int_equal(get(7, 0).ecx >> 4 & 1, get(7, 0).ecx >> 3 & 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(list); i++)
		assert_guest_reads(list[i].fun, get(list[i].fun, 0));
	assert_int_equal(HC(0, VS, MSR_SET, id, MSR_APIC_BASE, 0xFEE00000), SUCCESS);
	assert_int_equal(get(1, 0).edx, 0);
	assert_guest_reads(1, get(1, 0));
}

static void set_one(void **state)
{
	struct mv_cdl_entry_t *e = (struct mv_cdl_entry_t *)fake_shared;

	(void)state;
	for (unsigned int i = 0; i <= MV_CDL_VS_MAX; i++) {
		*e = (struct mv_cdl_entry_t){ .fun = 0x90000000 + i, .eax = i };
		assert_int_equal(HC(0, VS, CPUID_SET, id, 0, 0),
				 i < MV_CDL_VS_MAX ? SUCCESS : UNKNOWN);
	}
	*e = (struct mv_cdl_entry_t){ .fun = 0x90000007, .eax = 99 };
	assert_int_equal(HC(0, VS, CPUID_SET, id, 0, 0), SUCCESS);
	assert_int_equal(get(0x90000007, 0).eax, 99);
	assert_int_equal(get(0x90000008, 0).eax, 8);
}

static void lists(void **state)
{
	struct mv_cdl_t *page;

	(void)state;
	set_list(intel, ARRAY_SIZE(intel));
	page = cdl(0, MV_CDL_FLAG_ALL);
	assert_int_equal(HC(0, VS, CPUID_GET_LIST, id, 0, 0), SUCCESS);
	assert_int_equal(page->num_entries, ARRAY_SIZE(intel));
	assert_memory_equal(page->entries, intel, sizeof(intel));
	page = cdl(2, 0);
	page->entries[0].fun = 2;
	page->entries[1].fun = 3;
	assert_int_equal(HC(0, VS, CPUID_GET_LIST, id, 0, 0), SUCCESS);
	assert_int_equal(page->entries[0].ebx, 0x22);
	assert_int_equal(page->entries[1].ebx, 0);
}

/* More than fits into a page: in parts. */
static void long_lists(void **state)
{
	struct mv_cdl_t *page;
	uint64_t n = 0;

	(void)state;
	while (n < MV_CDL_VS_MAX) {
		uint64_t part = MV_CDL_VS_MAX - n < 100 ? MV_CDL_VS_MAX - n : 100;

		page = cdl(part, 0);
		page->reg1 = n;
		for (uint64_t i = 0; i < part; i++, n++)
			page->entries[i] =
				(struct mv_cdl_entry_t){ .fun = 0x90000000 + n, .eax = 0x100 + n };
		assert_int_equal(HC(0, VS, CPUID_SET_LIST, id, 0, 0), SUCCESS);
	}
	for (n = 0; n < MV_CDL_VS_MAX; n += page->num_entries) {
		page = cdl(0, MV_CDL_FLAG_ALL);
		page->reg1 = n;
		assert_int_equal(HC(0, VS, CPUID_GET_LIST, id, 0, 0), SUCCESS);
		assert_int_equal(page->num_entries + page->reg1, MV_CDL_VS_MAX - n);
		assert_int_equal(page->entries[0].fun, 0x90000000 + n);
	}
	for (n = 0; n < MV_CDL_VS_MAX; n++)
		assert_int_equal(get(0x90000000 + n, 0).eax, 0x100 + n);
	page = cdl(1, 0);
	page->reg1 = MV_CDL_VS_MAX;
	assert_int_equal(HC(0, VS, CPUID_SET_LIST, id, 0, 0), UNKNOWN);
	page = cdl(0, 0);
	page->reg1 = 3;
	assert_int_equal(HC(0, VS, CPUID_SET_LIST, id, 0, 0), SUCCESS);
	page = cdl(0, 0);
	page->reg1 = 4;
	assert_int_equal(HC(0, VS, CPUID_SET_LIST, id, 0, 0), UNKNOWN);
}

static void supported(void **state)
{
	struct mv_cdl_t *page = cdl(0, MV_CDL_FLAG_ALL);
	struct mv_cdl_entry_t list[MV_CDL_MAX_ENTRIES];
	uint64_t count;

	(void)state;
	assert_int_equal(HC(0, PP, CPUID_GET_SUPPORTED_LIST, 0, 0, 0), SUCCESS);
	count = page->num_entries;
	assert_in_range(count, 10, MV_CDL_MAX_ENTRIES);
	memcpy(list, page->entries, sizeof(list));
	page = cdl(count, 0);
	for (unsigned int i = 0; i < count; i++) {
		page->entries[i].fun = list[i].fun;
		page->entries[i].idx = list[i].idx;
		page->entries[i].flags = list[i].flags;
	}
	assert_int_equal(HC(0, PP, CPUID_GET_SUPPORTED_LIST, 0, 0, 0), SUCCESS);
	for (unsigned int i = 0; i < count; i++) /* an APIC ID may change with the CPU */
		if (list[i].fun == 0xD || list[i].fun == 1 || list[i].fun == 0x80000001)
			assert_memory_equal(&list[i], &page->entries[i], sizeof(list[i]));
	assert_int_equal(page->entries[0].fun, 0);
	*(struct mv_cdl_entry_t *)fake_shared = (struct mv_cdl_entry_t){ .fun = 0x40000000 };
	assert_int_equal(HC(0, PP, CPUID_GET_SUPPORTED, 0, 0, 0), SUCCESS);
	assert_int_equal(((struct mv_cdl_entry_t *)fake_shared)->ebx, 0x4B4D564B);
}

static void bad_lists(void **state)
{
	(void)state;
	cdl(MV_CDL_MAX_ENTRIES + 1, 0);
	assert_int_equal(HC(0, VS, CPUID_SET_LIST, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VS, CPUID_GET_LIST, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, PP, CPUID_GET_SUPPORTED_LIST, 0, 0, 0), UNKNOWN);
	cdl(0, MV_CDL_FLAG_ALL);
	assert_int_equal(HC(0, VS, CPUID_SET_LIST, id, 0, 0), UNKNOWN);
	cdl(0, 2);
	assert_int_equal(HC(0, VS, CPUID_GET_LIST, id, 0, 0), UNKNOWN);
	cdl(0, 0)->reg1 = 1;
	assert_int_equal(HC(0, VS, CPUID_GET_LIST, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, PP, CPUID_GET_SUPPORTED_LIST, 0, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VS, CPUID_SET_LIST, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VS, CPUID_GET, 5, 0, 0), MV_STATUS_INVALID_INPUT_REG1);
	HC(0, PP, CLR_SHARED_PAGE_GPA, 0, 0, 0);
	assert_int_equal(HC(0, VS, CPUID_GET, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VS, CPUID_SET, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VS, CPUID_GET_LIST, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, PP, CPUID_GET_SUPPORTED, 0, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, PP, MSR_GET_SUPPORTED_LIST, 0, 0, 0), UNKNOWN);
}

/* Each MSR of the whole list can be read; what isn't in it can't. */
static void msrs_supported(void **state)
{
	struct mv_rdl_t *page = (struct mv_rdl_t *)fake_shared;
	uint64_t count, first;

	(void)state;
	memset(page, 0, sizeof(*page));
	page->reg0 = MV_RDL_FLAG_ALL;
	assert_int_equal(HC(0, PP, MSR_GET_SUPPORTED_LIST, 0, 0, 0), SUCCESS);
	count = page->num_entries;
	first = page->entries[0].reg;
	assert_in_range(count, 100, MV_RDL_MAX_ENTRIES);
	assert_int_equal(page->reg1, 0);
	for (unsigned int i = 0; i < count; i++) {
		assert_int_equal(page->entries[i].val, 1);
		assert_int_equal(HC(0, VS, MSR_GET, id, page->entries[i].reg, 0), SUCCESS);
		assert_int_equal(HC(0, PP, MSR_GET_SUPPORTED, page->entries[i].reg, 0, 0), SUCCESS);
		assert_int_equal(fake_reg(0, 0), 1);
	}
	page->reg0 = MV_RDL_FLAG_ALL;
	page->reg1 = count - 1;
	assert_int_equal(HC(0, PP, MSR_GET_SUPPORTED_LIST, 0, 0, 0), SUCCESS);
	assert_int_equal(page->num_entries, 1);

	memset(page, 0, sizeof(*page));
	page->num_entries = 2;
	page->entries[0].reg = first;
	page->entries[1].reg = 0xC0010117;
	assert_int_equal(HC(0, PP, MSR_GET_SUPPORTED_LIST, 0, 0, 0), SUCCESS);
	assert_int_equal(page->entries[0].val, 1);
	assert_int_equal(page->entries[1].val, 0);
	page->reg0 = 2;
	assert_int_equal(HC(0, PP, MSR_GET_SUPPORTED_LIST, 0, 0, 0), UNKNOWN);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lookup, setup),
		cmocka_unit_test_setup(lookup_amd, setup),
		cmocka_unit_test_setup(the_guest_reads_it, setup),
		cmocka_unit_test_setup(tsc_aux, setup),
		cmocka_unit_test_setup(unsupported_stays_off, setup),
		cmocka_unit_test_setup(bits_of_the_state, setup),
		cmocka_unit_test_setup(set_one, setup),
		cmocka_unit_test_setup(lists, setup),
		cmocka_unit_test_setup(long_lists, setup),
		cmocka_unit_test_setup(supported, setup),
		cmocka_unit_test_setup(bad_lists, setup),
		cmocka_unit_test_setup(msrs_supported, setup),
	};

	return cmocka_run_group_tests_name("microv cpuid", tests, NULL, NULL);
}
