// SPDX-License-Identifier: MIT
/*
 * Hypercalls as the tests want them: with the handle, retried while MicroV asks for it,
 * lists of one entry, a small guest.
 */
#include <unistd.h>

#include "hct.h"

#define MAX_RETRIES 10000

uint64_t handle;
struct pages shared;

/* What MicroV waits for when it answers RETRY: every PP leaves the root VM once. */
static void leave_all(void)
{
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
		hc_raw(cpu, HC(ID, VERSION), 0, 0, 0, 0);
}

struct hct_call hc(uint64_t rax, uint64_t r1, uint64_t r2, uint64_t r3)
{
	struct hct_call call;

	for (int i = 0; i < MAX_RETRIES; i++) {
		call = hc_raw(0, rax, handle, r1, r2, r3);
		if (call.fault || call.rax != MV_STATUS_RETRY_CONTINUATION)
			return call;
		leave_all();
	}
	test_note(__FILE__, __LINE__, "0x%llx: RETRY_CONTINUATION for ever",
		  (unsigned long long)rax);
	return call;
}

void check_refused_at(const char *file, int line, uint64_t rax, uint64_t r1, uint64_t r2,
		      uint64_t r3, mv_status_t want)
{
	struct hct_call call = hc(rax, r1, r2, r3);

	if (call.fault)
		test_note(file, line, "#UD");
	else if (call.rax != want)
		test_note(file, line, "status 0x%llx, not 0x%llx", (unsigned long long)call.rax,
			  (unsigned long long)want);
	if (call.reg[0] != handle || call.reg[1] != r1 || call.reg[2] != r2 || call.reg[3] != r3)
		test_note(file, line, "a hypercall that failed changed REG0 to REG3");
}

void shared_set(void)
{
	if (shared.va == NULL)
		shared = pages_alloc(0);
	check_eq(hc(HC(PP, SET_SHARED_PAGE_GPA), shared.spa, 0, 0).rax, MV_STATUS_SUCCESS);
}

void shared_clear(void)
{
	check_eq(hc(HC(PP, CLR_SHARED_PAGE_GPA), 0, 0, 0).rax, MV_STATUS_SUCCESS);
}

void mdl_clear(void)
{
	memset(shared.va, 0, shared.bytes);
}

void mdl_add(uint64_t dst, uint64_t src, uint64_t bytes, uint64_t flags)
{
	mdl()->entries[mdl()->num_entries++] = (struct mv_mdl_entry_t){
		.dst = dst,
		.src = src,
		.bytes = bytes,
		.flags = flags,
	};
}

mv_status_t map_one(uint16_t vm, uint64_t dst, uint64_t src, uint64_t bytes, uint64_t flags)
{
	mdl_clear();
	mdl_add(dst, src, bytes, flags);
	return hc(HC(VM, MMIO_MAP), vm, MV_ROOT_VMID, 0).rax;
}

mv_status_t unmap_one(uint16_t vm, uint64_t dst, uint64_t bytes)
{
	mdl_clear();
	mdl_add(dst, 0, bytes, 0);
	return hc(HC(VM, MMIO_UNMAP), vm, 0, 0).rax;
}

mv_status_t donate_one(uint16_t vm, uint64_t src, uint64_t bytes)
{
	mdl_clear();
	mdl_add(0, src, bytes, 0);
	return hc(HC(VM, DONATE), vm, 0, 0).rax;
}

mv_status_t reg_set(uint16_t vs, enum mv_reg_t reg, uint64_t value)
{
	return hc(HC(VS, REG_SET), vs, reg, value).rax;
}

uint64_t reg_get(uint16_t vs, enum mv_reg_t reg)
{
	struct hct_call call = hc(HC(VS, REG_GET), vs, reg, 0);

	check_eq(call.rax, MV_STATUS_SUCCESS);
	return call.reg[0];
}

bool guest_create(struct guest *g)
{
	/* Pages are kept from guest to guest: destroy_vm gave them back. */
	static struct pages pool, ram;
	struct hct_call call;

	if (pool.va == NULL) {
		pool = pages_alloc(GUEST_POOL_ORDER);
		ram = pages_alloc(GUEST_RAM_ORDER);
	}
	*g = (struct guest){ .pool = pool, .ram = ram };
	memset(ram.va, 0, ram.bytes);
	call = hc(HC(VM, CREATE_VM), 0, 0, 0);
	check_eq(call.rax, MV_STATUS_SUCCESS);
	g->vm = call.reg[0];
	check_eq(donate_one(g->vm, pool.spa, pool.bytes), MV_STATUS_SUCCESS);
	check_eq(map_one(g->vm, 0, ram.spa, ram.bytes, RWX), MV_STATUS_SUCCESS);
	call = hc(HC(VP, CREATE_VP), g->vm, 0, 0);
	check_eq(call.rax, MV_STATUS_SUCCESS);
	g->vp = call.reg[0];
	call = hc(HC(VS, CREATE_VS), g->vp, 0, 0);
	check_eq(call.rax, MV_STATUS_SUCCESS);
	g->vs = call.reg[0];
	return !test_failed;
}

void guest_destroy(struct guest *g)
{
	check_eq(hc(HC(VS, DESTROY_VS), g->vs, 0, 0).rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(VP, DESTROY_VP), g->vp, 0, 0).rax, MV_STATUS_SUCCESS);
	check_eq(hc(HC(VM, DESTROY_VM), g->vm, 0, 0).rax, MV_STATUS_SUCCESS);
}
