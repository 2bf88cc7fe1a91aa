// SPDX-License-Identifier: MIT
/* FPU state by hypercall: formats, what isn't there, and what is refused. */
#include "cpuid.h"
#include "fake.h"
#include "fpu.h"
#include "xcr.h"

#define SUCCESS MV_STATUS_SUCCESS
#define UNKNOWN MV_STATUS_FAILURE_UNKNOWN
#define BAD_REG1 MV_STATUS_INVALID_INPUT_REG1
#define BAD_REG2 MV_STATUS_INVALID_INPUT_REG2
#define LEGACY (XCR0_X87 | XCR0_SSE)

static unsigned int id;
static struct mv_xsave_t *page = (struct mv_xsave_t *)fake_shared;

/* A VS that may have all that the CPU has. */
static int setup(void **state)
{
	struct mv_cdl_t *cdl = (struct mv_cdl_t *)fake_shared;

	fake_reset(state);
	fake_share(0);
	id = fake_vs();
	memset(cdl, 0, sizeof(*cdl));
	cdl->num_entries = 1;
	cdl->entries[0] = (struct mv_cdl_entry_t){ .fun = 0xD, .eax = ~0U, .edx = ~0U };
	assert_int_equal(HC(0, VS, CPUID_SET_LIST, id, 0, 0), SUCCESS);
	return 0;
}

/* All bytes of a state; all components that guests can have. */
static void fill(struct mv_xsave_t *x, uint8_t byte)
{
	memset(x, byte, sizeof(*x));
	x->mxcsr = 0x3F80;
	x->xstate_bv = xcr0_guest() | LEGACY;
	x->xcomp_bv = 0;
	memset(x->reserved1, 0, sizeof(x->reserved1));
}

static int is(const void *bytes, uint8_t byte, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((const uint8_t *)bytes)[i] != byte)
			return 0;
	return 1;
}

static void reads_all(void **state)
{
	uint32_t r[4];

	(void)state;
	fill(fake_fpu(id), 0x11);
	memset(page, 0xEE, sizeof(*page));
	assert_int_equal(HC(0, VS, XSAVE_GET_ALL, id, 0, 0), SUCCESS);
	assert_int_equal(page->fcw, 0x1111);
	assert_int_equal(page->mxcsr, 0x3F80);
	assert_true(is(page->st, 0x11, sizeof(page->st)));
	assert_true(is(page->xmm, 0x11, sizeof(page->xmm)));
	assert_true(is(page->unused, 0, sizeof(page->unused)));
	assert_int_equal(page->xstate_bv, xcr0_guest() | LEGACY);
	for (unsigned int i = 2; i < 63; i++) {
		if (!(xcr0_guest() >> i & 1))
			continue;
		cpuid(0xD, i, r);
		assert_true(is((char *)page + r[CPUID_EBX], 0x11, r[CPUID_EAX]));
	}
	assert_int_equal(HC(0, VS, FPU_GET_ALL, id, 0, 0), SUCCESS);
	assert_int_equal(page->mxcsr, 0x3F80);
	assert_true(is(page->xmm, 0x11, sizeof(page->xmm)));
	assert_true(is(&page->xstate_bv, 0, sizeof(*page) - 512));
}

/* Each component alone; the others have initial values. */
static void missing_is_initial(void **state)
{
	(void)state;
	fill(fake_fpu(id), 0x22);
	fake_fpu(id)->xstate_bv = XCR0_X87;
	fake_fpu(id)->mxcsr = 0x1F80;
	assert_int_equal(HC(0, VS, XSAVE_GET_ALL, id, 0, 0), SUCCESS);
	assert_int_equal(page->fcw, 0x2222);
	assert_int_equal(page->mxcsr, 0x1F80);
	assert_true(is(page->xmm, 0, sizeof(page->xmm)));
	assert_true(is(page->extended, 0, sizeof(page->extended)));
	fake_fpu(id)->mxcsr = 0x3F80; /* which is more than the initial SSE state */
	assert_int_equal(HC(0, VS, XSAVE_GET_ALL, id, 0, 0), SUCCESS);
	assert_int_equal(page->mxcsr, 0x3F80);
	assert_int_equal(page->xstate_bv, LEGACY);
	fake_fpu(id)->xstate_bv = XCR0_SSE;
	assert_int_equal(HC(0, VS, XSAVE_GET_ALL, id, 0, 0), SUCCESS);
	assert_int_equal(page->fcw, 0x37F);
	assert_int_equal(page->fip, 0);
	assert_int_equal(page->mxcsr, 0x3F80);
	assert_true(is(page->st, 0, sizeof(page->st)));
	assert_true(is(page->xmm, 0x22, sizeof(page->xmm)));
	fake_fpu(id)->xstate_bv = 0;
	fake_fpu(id)->mxcsr = 0x1F80;
	assert_int_equal(HC(0, VS, FPU_GET_ALL, id, 0, 0), SUCCESS);
	assert_int_equal(page->fcw, 0x37F);
	assert_int_equal(page->mxcsr, 0x1F80);
	assert_int_equal(page->mxcsr_mask, 0x22222222);
	assert_true(is(page->st, 0, 512 - 32));
}

static void writes(void **state)
{
	const struct mv_xsave_t *fpu = fake_fpu(id);

	(void)state;
	fill(page, 0x33);
	assert_int_equal(HC(0, VS, XSAVE_SET_ALL, id, 0, 0), SUCCESS);
	assert_int_equal(fpu->xstate_bv, xcr0_guest() | LEGACY);
	assert_true(is(fpu->xmm, 0x33, sizeof(fpu->xmm)));
	page->xstate_bv = XCR0_X87;
	page->mxcsr = 0x5F80;
	assert_int_equal(HC(0, VS, XSAVE_SET_ALL, id, 0, 0), SUCCESS);
	assert_int_equal(fpu->xstate_bv, XCR0_X87);
	assert_int_equal(fpu->fcw, 0x3333);
	assert_int_equal(fpu->mxcsr, 0x5F80);
	assert_true(is(fpu->xmm, 0, sizeof(fpu->xmm)));
	page->xstate_bv = 0;
	page->mxcsr = ~0U; /* belongs to nothing that is there */
	assert_int_equal(HC(0, VS, XSAVE_SET_ALL, id, 0, 0), SUCCESS);
	assert_int_equal(fpu->mxcsr, 0x1F80);
}

static void writes_legacy_only(void **state)
{
	struct mv_xsave_t *fpu = fake_fpu(id);
	uint32_t r[4];

	(void)state;
	fill(fpu, 0x44);
	fpu->xstate_bv &= ~LEGACY;
	memset(page, 0x55, sizeof(*page));
	page->mxcsr = 0x1F80;
	assert_int_equal(HC(0, VS, FPU_SET_ALL, id, 0, 0), SUCCESS);
	assert_int_equal(fpu->xstate_bv, xcr0_guest() | LEGACY);
	assert_true(is(fpu->st, 0x55, sizeof(fpu->st)));
	assert_true(is(fpu->xmm, 0x55, sizeof(fpu->xmm)));
	assert_int_equal(fpu->xcomp_bv, 0);
	cpuid(0xD, 2, r);
	if (xcr0_guest() & XCR0_AVX)
		assert_true(is((char *)fpu + r[CPUID_EBX], 0x44, r[CPUID_EAX]));
}

/* Only what the VS's CPUID has is told. */
static void cpuid_limits(void **state)
{
	struct mv_cdl_t *cdl = (struct mv_cdl_t *)fake_shared;

	(void)state;
	memset(cdl, 0, sizeof(*cdl));
	assert_int_equal(HC(0, VS, CPUID_SET_LIST, id, 0, 0), SUCCESS);
	fill(fake_fpu(id), 0x66);
	assert_int_equal(HC(0, VS, XSAVE_GET_ALL, id, 0, 0), SUCCESS);
	assert_int_equal(page->xstate_bv, LEGACY);
	assert_true(is(page->extended, 0, sizeof(page->extended)));
}

static void refused(void **state)
{
	const struct mv_xsave_t *fpu = fake_fpu(id);

	(void)state;
	fill(fake_fpu(id), 0x77);
	fill(page, 0x11);
	for (unsigned int bit = 0; bit < 64; bit++) {
		page->xstate_bv = 1ULL << bit;
		if (!((xcr0_guest() | LEGACY) >> bit & 1))
			assert_int_equal(HC(0, VS, XSAVE_SET_ALL, id, 0, 0), UNKNOWN);
	}
	page->xstate_bv = LEGACY;
	page->xcomp_bv = 1ULL << 63;
	assert_int_equal(HC(0, VS, XSAVE_SET_ALL, id, 0, 0), UNKNOWN);
	page->xcomp_bv = 0;
	page->mxcsr = 0x10000;
	assert_int_equal(HC(0, VS, XSAVE_SET_ALL, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VS, FPU_SET_ALL, id, 0, 0), UNKNOWN);
	assert_true(is(fpu->xmm, 0x77, sizeof(fpu->xmm)));
	assert_int_equal(HC(0, VS, XSAVE_SET_ALL, id, 1, 0), BAD_REG2);
	assert_int_equal(HC(0, VS, XSAVE_GET_ALL, id, 1, 0), BAD_REG2);
	assert_int_equal(HC(0, VS, XSAVE_GET_ALL, id + 1, 0, 0), BAD_REG1);
	assert_int_equal(HC(0, VS, FPU_SET_ALL, MV_SELF_ID, 0, 0), BAD_REG1);
	assert_int_equal(HC(0, PP, CLR_SHARED_PAGE_GPA, 0, 0, 0), SUCCESS);
	assert_int_equal(HC(0, VS, XSAVE_GET_ALL, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VS, FPU_SET_ALL, id, 0, 0), UNKNOWN);
}

/* The CPU that it ran on last still has the state in its registers. */
static void waits_for_other_cpu(void **state)
{
	(void)state;
	fill(fake_fpu(id), 0x12);
	fake.busy = 3;
	assert_int_equal(HC(0, VS, XSAVE_GET_ALL, id, 0, 0), SUCCESS);
	assert_int_equal(fake.busy, 0);
	assert_int_equal(page->xmm[15][15], 0x12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(reads_all, setup),
		cmocka_unit_test_setup(missing_is_initial, setup),
		cmocka_unit_test_setup(writes, setup),
		cmocka_unit_test_setup(writes_legacy_only, setup),
		cmocka_unit_test_setup(cpuid_limits, setup),
		cmocka_unit_test_setup(refused, setup),
		cmocka_unit_test_setup(waits_for_other_cpu, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
