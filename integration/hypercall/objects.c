// SPDX-License-Identifier: MIT
/*
 * VMs, VPs and VSs: IDs good and bad, what must go before what, the limits.
 */
#include "hct.h"

/* Not IDs of guest VMs: the root VM's, never given, beyond the limits, special. */
static const uint16_t bad_vms[] = { MV_ROOT_VMID, 100,	      MV_MAX_VMS,   0x8000,
				    MV_ALL_ID,	  MV_SELF_ID, MV_INVALID_ID };

static uint16_t create_vm(void)
{
	struct hct_call call = hc(HC(VM, CREATE_VM), 0, 0, 0);

	check_eq(call.rax, MV_STATUS_SUCCESS);
	check(call.reg[0] != MV_ROOT_VMID && call.reg[0] < MV_MAX_VMS);
	return call.reg[0];
}

static void destroy_vm(uint16_t vm)
{
	check_eq(hc(HC(VM, DESTROY_VM), vm, 0, 0).rax, MV_STATUS_SUCCESS);
}

static void vms(void)
{
	uint16_t a = create_vm(), b = create_vm();

	check(a != b);
	for (size_t i = 0; i < COUNT(bad_vms); i++) {
		check_refused(HC(VM, DESTROY_VM), bad_vms[i], 0, 0, MV_STATUS_INVALID_INPUT_REG1);
		check_refused(HC(VP, CREATE_VP), bad_vms[i], 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	}
	destroy_vm(a);
	check_refused(HC(VM, DESTROY_VM), a, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	/* Bits 63:16 of the ID are ignored. */
	check_eq(hc(HC(VM, DESTROY_VM), 0xABCDEF0000 | b, 0, 0).rax, MV_STATUS_SUCCESS);
}

static void stop_with_vm(void)
{
	uint16_t vm = create_vm();
	struct hct_call call = hc_raw(0, HC(PP, STOP), 0, 0, 0, 0);

	check_eq(call.rax, MV_STATUS_INVALID_PERM_DENIED);
	check_eq(hc(HC(PP, ONLINE_PPS), 0, 0, 0).reg[0], cpu_count);
	destroy_vm(vm);
}

/* Creates VMs until there is none left; returns how many. */
static unsigned int fill_vms(uint16_t *vm)
{
	unsigned int count = 0;

	while (count < 2 * MV_MAX_VMS) {
		struct hct_call call = hc(HC(VM, CREATE_VM), 0, 0, 0);

		if (call.rax != MV_STATUS_SUCCESS) {
			check_eq(call.rax, MV_STATUS_FAILURE_UNKNOWN);
			check_eq(call.reg[0], handle);
			break;
		}
		vm[count++] = call.reg[0];
	}
	return count;
}

static void most_vms(void)
{
	uint16_t vm[2 * MV_MAX_VMS];
	bool seen[MV_MAX_VMS] = { false };

	for (int round = 0; round < 2; round++) {
		unsigned int count = fill_vms(vm);

		/* The root VM is one of them. */
		check_eq(count, MV_MAX_VMS - 1);
		for (unsigned int i = 0; i < count; i++) {
			check(vm[i] < MV_MAX_VMS && !seen[vm[i]]);
			seen[vm[i] % MV_MAX_VMS] = true;
		}
		for (unsigned int i = 0; i < count; i++)
			destroy_vm(vm[i]);
		memset(seen, 0, sizeof(seen));
	}
}

static void vps(void)
{
	uint16_t vm = create_vm(), vp;
	struct hct_call call = hc(HC(VP, CREATE_VP), vm, 0, 0);

	check_eq(call.rax, MV_STATUS_SUCCESS);
	vp = call.reg[0];
	check_eq(hc(HC(VP, VMID), vp, 0, 0).reg[0], vm);
	check_refused(HC(VP, VMID), MV_INVALID_ID, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	check_refused(HC(VP, VMID), MV_ALL_ID, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	/* A VM with a VP stays, and works on. */
	check_refused(HC(VM, DESTROY_VM), vm, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	check_eq(hc(HC(VP, VMID), vp, 0, 0).reg[0], vm);
	check_eq(hc(HC(VP, DESTROY_VP), vp, 0, 0).rax, MV_STATUS_SUCCESS);
	check_refused(HC(VP, DESTROY_VP), vp, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	check_refused(HC(VP, VMID), vp, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	/* Root's own are not to be destroyed. */
	vp = hc(HC(VP, VPID), 0, 0, 0).reg[0];
	check_refused(HC(VP, DESTROY_VP), vp, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	check_refused(HC(VP, DESTROY_VP), MV_SELF_ID, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	check_refused(HC(VS, CREATE_VS), vp, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	destroy_vm(vm);
}

static void most_vps(void)
{
	uint16_t vm = create_vm(), vp[MV_MAX_VPS_PER_VM];
	unsigned int count = 0;
	struct hct_call call;

	while ((call = hc(HC(VP, CREATE_VP), vm, 0, 0)).rax == MV_STATUS_SUCCESS &&
	       count < COUNT(vp))
		vp[count++] = call.reg[0];
	check_eq(count, MV_MAX_VPS_PER_VM);
	check_eq(call.rax, MV_STATUS_FAILURE_UNKNOWN);
	for (unsigned int i = 0; i < count; i++)
		check_eq(hc(HC(VP, DESTROY_VP), vp[i], 0, 0).rax, MV_STATUS_SUCCESS);
	destroy_vm(vm);
}

static void vs_memory(void)
{
	struct pages pool = pages_alloc(4);
	uint16_t vm, vp;
	struct hct_call call;
	uint64_t need;

	shared_set();
	vm = create_vm();
	vp = hc(HC(VP, CREATE_VP), vm, 0, 0).reg[0];
	/* No memory: it says how much, and with exactly that it works. */
	call = hc(HC(VS, CREATE_VS), vp, 0, 0);
	check_eq(call.rax, MV_STATUS_FAILURE_NO_MEMORY);
	need = call.reg[0];
	check(need > 0 && need <= 16);
	check_eq(donate_one(vm, pool.spa, (need ? need : 1) * MV_PAGE_SIZE), MV_STATUS_SUCCESS);
	call = hc(HC(VS, CREATE_VS), vp, 0, 0);
	check_eq(call.rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(VS, DESTROY_VS), call.reg[0], 0, 0).rax, MV_STATUS_SUCCESS);
	/* Its pages are the pool's again. */
	call = hc(HC(VS, CREATE_VS), vp, 0, 0);
	check_eq(call.rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(VS, DESTROY_VS), call.reg[0], 0, 0).rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(VP, DESTROY_VP), vp, 0, 0).rax, MV_STATUS_SUCCESS);
	destroy_vm(vm);
	shared_clear();
}

static void vss(void)
{
	struct guest g;

	shared_set();
	require(guest_create(&g));
	check_eq(hc(HC(VS, VMID), g.vs, 0, 0).reg[0], g.vm);
	check_eq(hc(HC(VS, VPID), g.vs, 0, 0).reg[0], g.vp);
	/* A VP has one VS, and stays as long as that. */
	check_refused(HC(VS, CREATE_VS), g.vp, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	check_refused(HC(VP, DESTROY_VP), g.vp, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	check_refused(HC(VM, DESTROY_VM), g.vm, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	check_eq(hc(HC(VS, VPID), g.vs, 0, 0).reg[0], g.vp);
	guest_destroy(&g);
	check_refused(HC(VS, DESTROY_VS), g.vs, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	check_refused(HC(VS, CREATE_VS), g.vp, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	shared_clear();
}

/* Every hypercall that takes a VSID, with IDs that aren't a guest VS's. */
static void bad_vss(void)
{
	static const uint64_t calls[] = {
		HC(VS, DESTROY_VS), HC(VS, GLA_TO_GPA),	  HC(VS, RUN),		HC(VS, REG_GET),
		HC(VS, REG_SET),    HC(VS, REG_GET_LIST), HC(VS, REG_SET_LIST), HC(VS, MSR_GET),
		HC(VS, MSR_SET),    HC(VS, MSR_GET_LIST), HC(VS, MSR_SET_LIST),
	};
	const uint16_t bad[] = { hc(HC(VS, VSID), 0, 0, 0).reg[0], 0x7FFF, MV_ALL_ID, MV_SELF_ID,
				 MV_INVALID_ID };

	shared_set();
	mdl_clear();
	for (size_t i = 0; i < COUNT(calls); i++)
		for (size_t j = 0; j < COUNT(bad); j++)
			check_refused(calls[i], bad[j], mv_reg_t_rip * 0x1000, 0,
				      MV_STATUS_INVALID_INPUT_REG1);
	check_refused(HC(VS, VMID), 0x7FFF, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	check_refused(HC(VS, VPID), 0x7FFF, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	shared_clear();
}

const struct test object_tests[] = {
	{ "VMs: create, destroy, bad IDs", vms },
	{ "pp_stop is refused while a VM exists", stop_with_vm },
	{ "VMs: 127 guests and no more", most_vms },
	{ "VPs: create, destroy, bad IDs", vps },
	{ "VPs: 256 in a VM and no more", most_vps },
	{ "VSs: create_vs says how much memory it lacks", vs_memory },
	{ "VSs: create, destroy, order", vss },
	{ "VSs: every hypercall refuses bad IDs", bad_vss },
	{ NULL, NULL },
};
