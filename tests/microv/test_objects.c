// SPDX-License-Identifier: MIT
/* VMs, VPs and VSs: IDs, limits, life and death. */
#include <pthread.h>

#include "fake.h"

#define SUCCESS MV_STATUS_SUCCESS
#define UNKNOWN MV_STATUS_FAILURE_UNKNOWN
#define BAD_REG1 MV_STATUS_INVALID_INPUT_REG1

static void vms_up_to_the_limit(void **state)
{
	(void)state;
	for (unsigned int id = 1; id < MV_MAX_VMS; id++)
		assert_int_equal(fake_vm(), id);
	assert_int_equal(HC(0, VM, CREATE_VM, 0, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VM, DESTROY_VM, 77, 0, 0), SUCCESS);
	assert_false(fake.space[77].exists);
	assert_int_equal(fake_vm(), 77);
}

/* IDs that name no guest VM: none, root's, the special ones, one too large. */
static void bad_vmids(void **state)
{
	static const uint64_t bad[] = { 0, 2, MV_MAX_VMS, MV_INVALID_ID, MV_SELF_ID, MV_ALL_ID };

	(void)state;
	fake_vm();
	fake_share(0);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(HC(0, VM, DESTROY_VM, bad[i], 0, 0), BAD_REG1);
		assert_int_equal(HC(0, VM, MMIO_MAP, bad[i], 0, 0), BAD_REG1);
		assert_int_equal(HC(0, VM, MMIO_UNMAP, bad[i], 0, 0), BAD_REG1);
		assert_int_equal(HC(0, VM, DONATE, bad[i], 0, 0), BAD_REG1);
		assert_int_equal(HC(0, VP, CREATE_VP, bad[i], 0, 0), BAD_REG1);
	}
	/* Bits 63:16 are ignored. */
	assert_int_equal(HC(0, VM, DESTROY_VM, 0xABCD00000001, 0, 0), SUCCESS);
}

static void callers_ids(void **state)
{
	(void)state;
	microv_start(2, MK_START_LAUNCH);
	assert_int_equal(HC(2, VM, VMID, 0, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(2, 0), MV_ROOT_VMID);
	assert_int_equal(HC(2, VP, VPID, 0, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(2, 0), 2);
	assert_int_equal(HC(2, VS, VSID, 0, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(2, 0), 2);
	assert_int_equal(HC(2, VS, VPID, MV_SELF_ID, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(2, 0), 2);
}

static void vps_up_to_the_limit(void **state)
{
	unsigned int vm = fake_vm(), first;

	(void)state;
	assert_int_equal(HC(0, VP, CREATE_VP, vm, 0, 0), SUCCESS);
	first = fake_reg(0, 0);
	for (unsigned int i = 1; i < MV_MAX_VPS_PER_VM; i++) {
		assert_int_equal(HC(0, VP, CREATE_VP, vm, 0, 0), SUCCESS);
		assert_int_equal(fake_reg(0, 0), first + i);
	}
	assert_int_equal(HC(0, VP, CREATE_VP, vm, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VP, DESTROY_VP, first + 200, 0, 0), SUCCESS);
	assert_int_equal(HC(0, VP, CREATE_VP, vm, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(0, 0), first + 200);
}

static void vp_tells_its_vm(void **state)
{
	unsigned int id = fake_vs(), vm = id_vmid(id);

	(void)state;
	assert_int_equal(HC(0, VP, VMID, id, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(0, 0), vm);
	assert_int_equal(HC(0, VP, VMID, MV_SELF_ID, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(0, 0), 0);
	assert_int_equal(HC(0, VS, VMID, id, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(0, 0), vm);
	assert_int_equal(HC(0, VS, VPID, id, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(0, 0), id);
	assert_int_equal(HC(0, VS, VMID, 0, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(0, 0), 0);
}

static void bad_vp_and_vs_ids(void **state)
{
	unsigned int id = fake_vs();
	const uint64_t bad[] = { 5, MV_MAX_PPS, ID_GUEST_FIRST - 1, ID_GUEST_FIRST + 5000, id + 1,
				 MK_VS_MAX, MV_INVALID_ID, MV_ALL_ID };

	(void)state;
	fake_share(0);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(HC(0, VP, DESTROY_VP, bad[i], 0, 0), BAD_REG1);
		assert_int_equal(HC(0, VP, VMID, bad[i], 0, 0), BAD_REG1);
		assert_int_equal(HC(0, VS, CREATE_VS, bad[i], 0, 0), BAD_REG1);
		assert_int_equal(HC(0, VS, DESTROY_VS, bad[i], 0, 0), BAD_REG1);
		assert_int_equal(HC(0, VS, VMID, bad[i], 0, 0), BAD_REG1);
		assert_int_equal(HC(0, VS, VPID, bad[i], 0, 0), BAD_REG1);
		assert_int_equal(HC(0, VS, RUN, bad[i], 0, 0), BAD_REG1);
		assert_int_equal(HC(0, VS, REG_GET, bad[i], 1, 0), BAD_REG1);
		assert_int_equal(HC(0, VS, REG_SET, bad[i], 1, 0), BAD_REG1);
		assert_int_equal(HC(0, VS, REG_GET_LIST, bad[i], 0, 0), BAD_REG1);
		assert_int_equal(HC(0, VS, REG_SET_LIST, bad[i], 0, 0), BAD_REG1);
		assert_int_equal(HC(0, VS, MSR_GET, bad[i], MSR_PAT, 0), BAD_REG1);
		assert_int_equal(HC(0, VS, MSR_SET, bad[i], MSR_PAT, 0), BAD_REG1);
		assert_int_equal(HC(0, VS, GLA_TO_GPA, bad[i], 0, 0), BAD_REG1);
	}
	/* Root's own VP and VS can't be used as a guest's. */
	assert_int_equal(HC(0, VP, DESTROY_VP, 0, 0, 0), BAD_REG1);
	assert_int_equal(HC(0, VS, DESTROY_VS, 0, 0, 0), BAD_REG1);
	assert_int_equal(HC(0, VS, RUN, 0, 0, 0), BAD_REG1);
	assert_int_equal(HC(0, VS, REG_GET, MV_SELF_ID, 1, 0), BAD_REG1);
}

static void destroy_from_the_inside_out(void **state)
{
	unsigned int id = fake_vs(), vm = id_vmid(id);

	(void)state;
	assert_int_equal(HC(0, VM, DESTROY_VM, vm, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VP, DESTROY_VP, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VS, CREATE_VS, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VS, DESTROY_VS, id, 0, 0), SUCCESS);
	assert_int_equal(HC(0, VM, DESTROY_VM, vm, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VP, DESTROY_VP, id, 0, 0), SUCCESS);
	assert_int_equal(HC(0, VS, CREATE_VS, id, 0, 0), BAD_REG1);
	assert_int_equal(HC(0, VM, DESTROY_VM, vm, 0, 0), SUCCESS);
	assert_int_equal(HC(0, VM, DESTROY_VM, vm, 0, 0), BAD_REG1);
}

static void vs_needs_pages(void **state)
{
	unsigned int vm = fake_vm(), vp;

	(void)state;
	HC(0, VP, CREATE_VP, vm, 0, 0);
	vp = fake_reg(0, 0);
	assert_int_equal(HC(0, VS, CREATE_VS, vp, 0, 0), MV_STATUS_FAILURE_NO_MEMORY);
	assert_int_equal(fake_reg(0, 0), MK_VS_PAGES);
	fake.space[vm].pool = MK_VS_PAGES - 1;
	assert_int_equal(HC(0, VS, CREATE_VS, vp, 0, 0), MV_STATUS_FAILURE_NO_MEMORY);
	assert_int_equal(fake_reg(0, 0), 1);
	assert_int_equal(HC(0, VS, VMID, vp, 0, 0), BAD_REG1);
	fake.space[vm].pool = MK_VS_PAGES;
	assert_int_equal(HC(0, VS, CREATE_VS, vp, 0, 0), SUCCESS);
}

static void destroy_vm_continues(void **state)
{
	unsigned int vm = fake_vm();

	(void)state;
	fake_share(0);
	fake.retries = 2;
	assert_int_equal(HC(0, VM, DESTROY_VM, vm, 0, 0), MV_STATUS_RETRY_CONTINUATION);
	assert_int_equal(HC(0, VP, CREATE_VP, vm, 0, 0), MV_STATUS_FAILURE_BUSY);
	assert_int_equal(HC(0, VM, MMIO_MAP, vm, 0, 0), MV_STATUS_FAILURE_BUSY);
	assert_int_equal(fake_vm(), vm + 1);
	assert_int_equal(HC(0, PP, STOP, 0, 0, 0), MV_STATUS_INVALID_PERM_DENIED);
	assert_int_equal(HC(0, VM, DESTROY_VM, vm, 0, 0), MV_STATUS_RETRY_CONTINUATION);
	assert_int_equal(HC(0, VM, DESTROY_VM, vm, 0, 0), SUCCESS);
	assert_int_equal(HC(0, VM, DESTROY_VM, vm, 0, 0), BAD_REG1);
}

static void destroy_vs_continues(void **state)
{
	unsigned int id = fake_vs();

	(void)state;
	fake_share(0);
	fake.retries = 1;
	assert_int_equal(HC(0, VS, DESTROY_VS, id, 0, 0), MV_STATUS_RETRY_CONTINUATION);
	assert_int_equal(HC(0, VS, REG_GET, id, 1, 0), MV_STATUS_FAILURE_BUSY);
	assert_int_equal(HC(0, VS, RUN, id, 0, 0), MV_STATUS_FAILURE_BUSY);
	assert_int_equal(HC(0, VP, DESTROY_VP, id, 0, 0), UNKNOWN);
	assert_int_equal(HC(0, VS, DESTROY_VS, id, 0, 0), SUCCESS);
	assert_int_equal(HC(0, VS, DESTROY_VS, id, 0, 0), BAD_REG1);
	assert_int_equal(HC(0, VS, CREATE_VS, id, 0, 0), SUCCESS);
}

/* While CPU 1 has the VS, CPU 0 can't use it. */
static void vs_has_one_user(void **state)
{
	unsigned int id = fake_vs();
	struct call c = { .cpu = 1, .reg = (uint64_t[4]){ 0, id } };
	struct vs vs;

	(void)state;
	fake_share(0);
	assert_int_equal(vs_take_to_run(&c, &vs), SUCCESS);
	assert_int_equal(HC(0, VS, RUN, id, 0, 0), MV_STATUS_FAILURE_BUSY);
	assert_int_equal(HC(0, VS, REG_SET, id, 1, 5), MV_STATUS_FAILURE_BUSY);
	assert_int_equal(HC(0, VS, MSR_GET_LIST, id, 0, 0), MV_STATUS_FAILURE_BUSY);
	assert_int_equal(HC(0, VS, GLA_TO_GPA, id, 0, 0), MV_STATUS_FAILURE_BUSY);
	assert_int_equal(HC(0, VS, DESTROY_VS, id, 0, 0), MV_STATUS_FAILURE_BUSY);
	assert_int_equal(HC(0, VS, VMID, id, 0, 0), SUCCESS);
	vs_drop(&c, &vs);
	assert_int_equal(HC(0, VS, REG_SET, id, 1, 5), SUCCESS);
}

static unsigned int brief_id;

/* CPU 1 has the VS for a moment only. */
static void *brief_user(void *arg)
{
	struct call c = { .cpu = 1, .reg = (uint64_t[4]){ 0, brief_id } };
	struct vs vs;

	for (int i = 0; i < 20000; i++) {
		if (vs_take(&c, &vs) != SUCCESS)
			return arg;
		vs_drop(&c, &vs);
	}
	return NULL;
}

/* Who only reads or writes registers is waited for; that is never FAILURE_BUSY. */
static void brief_users_wait(void **state)
{
	pthread_t thread;
	void *failed;

	(void)state;
	brief_id = fake_vs();
	assert_int_equal(pthread_create(&thread, NULL, brief_user, &brief_id), 0);
	for (int i = 0; i < 20000; i++)
		assert_int_equal(HC(0, VS, REG_SET, brief_id, mv_reg_t_rbx, i), SUCCESS);
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	assert_int_equal(HC(0, VS, DESTROY_VS, brief_id, 0, 0), SUCCESS);
}

static void vs_begins_after_reset(void **state)
{
	unsigned int id = fake_vs();
	const struct mk_state *st = mk_state(id);

	(void)state;
	assert_int_equal(st->rip, 0xFFF0);
	assert_int_equal(st->rflags, 2);
	assert_int_equal(st->gpr[MK_RDX], 0x600);
	assert_int_equal(st->cr0, 0x60000010);
	assert_int_equal(st->efer, 0);
	assert_int_equal(st->seg[MK_CS].selector, 0xF000);
	assert_int_equal(st->seg[MK_CS].base, 0xFFFF0000);
	assert_int_equal(st->seg[MK_CS].attrib, 0x9B);
	assert_int_equal(st->seg[MK_SS].attrib, 0x93);
	assert_int_equal(st->seg[MK_LDTR].attrib, 0x82);
	assert_int_equal(st->seg[MK_TR].attrib, 0x8B);
	assert_int_equal(st->gdtr.limit, 0xFFFF);
	assert_int_equal(st->dr6, 0xFFFF0FF0);
	assert_int_equal(st->dr7, 0x400);
	assert_int_equal(st->pat, 0x0007040600070406);
	assert_int_equal(st->xcr0, 1);
	assert_int_equal(st->dirty, MK_G_ALL);
	HC(0, VS, MSR_GET, id, MSR_APIC_BASE, 0);
	assert_int_equal(fake_reg(0, 0), 0xFEE00900);

	HC(0, VP, CREATE_VP, id_vmid(id), 0, 0);
	HC(0, VS, CREATE_VS, fake_reg(0, 0), 0, 0);
	HC(0, VS, MSR_GET, fake_reg(0, 0), MSR_APIC_BASE, 0);
	assert_int_equal(fake_reg(0, 0), 0xFEE00800);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(vms_up_to_the_limit, fake_reset),
		cmocka_unit_test_setup(bad_vmids, fake_reset),
		cmocka_unit_test_setup(callers_ids, fake_reset),
		cmocka_unit_test_setup(vps_up_to_the_limit, fake_reset),
		cmocka_unit_test_setup(vp_tells_its_vm, fake_reset),
		cmocka_unit_test_setup(bad_vp_and_vs_ids, fake_reset),
		cmocka_unit_test_setup(destroy_from_the_inside_out, fake_reset),
		cmocka_unit_test_setup(vs_needs_pages, fake_reset),
		cmocka_unit_test_setup(destroy_vm_continues, fake_reset),
		cmocka_unit_test_setup(destroy_vs_continues, fake_reset),
		cmocka_unit_test_setup(vs_has_one_user, fake_reset),
		cmocka_unit_test_setup(brief_users_wait, fake_reset),
		cmocka_unit_test_setup(vs_begins_after_reset, fake_reset),
	};

	return cmocka_run_group_tests_name("microv objects", tests, NULL, NULL);
}
