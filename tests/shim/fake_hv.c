// SPDX-License-Identifier: MIT
/* The hypervisor that shim/src talks to in the tests, see fake.h. */
#include "fake.h"

#define HANDLE 0x1234ULL
#define VMID 7U
#define VPID 0x107U
#define VSID 0x207U
#define MSR_EFER 0xC0000080U
#define MSR_APIC_BASE 0x1BU
#define MSR_TSC 0x10U
#define MSR_MCG_CAP 0x179U
#define MSR_MC0_CTL 0x400U

struct fake_hv hv;

uint64_t fake_donated_pages(void)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < hv.num_donated; i++)
		pages += hv.donated[i].bytes / PAGE;
	return pages;
}

/* A hypercall that waits for CPUs is only made again after they were pinged. */
static bool must_retry(void)
{
	if (hv.waiting)
		assert_int_equal(os.pings, hv.pings_seen + 1);
	hv.waiting = hv.retries > 0;
	hv.pings_seen = os.pings;
	hv.retries -= hv.waiting;
	return hv.waiting;
}

static bool is_short(uint64_t *reg0)
{
	if (!hv.short_times)
		return false;
	hv.short_times--;
	*reg0 = hv.short_of;
	return true;
}

static bool overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
	return a < b + b_bytes && b < a + a_bytes;
}

static mv_status_t map(const struct mv_mdl_t *mdl)
{
	size_t i, j;

	hv.list_sizes[hv.calls[FAKE_MAP] - 1] = mdl->num_entries;
	for (i = 0; i < mdl->num_entries; i++) {
		const struct mv_mdl_entry_t *e = &mdl->entries[i];

		assert_int_equal(e->flags & ~MV_MAP_FLAGS_SUPPORTED, 0);
		assert_true(e->flags & MV_MAP_FLAG_READ_ACCESS);
		for (j = 0; j < hv.num_map; j++)
			assert_false(overlap(e->dst, e->bytes, hv.map[j].dst, hv.map[j].bytes));
		for (j = 0; j < hv.num_donated; j++)
			assert_false(
				overlap(e->src, e->bytes, hv.donated[j].src, hv.donated[j].bytes));
		assert_true(hv.num_map < FAKE_MAX);
		hv.map[hv.num_map++] = (struct fake_range){ e->dst, e->src, e->bytes, e->flags };
	}
	return MV_STATUS_SUCCESS;
}

/* What nobody asked for is forgotten with the mapping. */
static void forget_dirty(uint64_t gpa, uint64_t bytes)
{
	uint64_t page;

	for (page = gpa / PAGE; page < (gpa + bytes) / PAGE; page++)
		if (page / 64 < sizeof(hv.dirty) / 8)
			hv.dirty[page / 64] &= ~(1ULL << page % 64);
}

/* Takes [dst, dst + bytes), a part of map[j], away. */
static void unmap_part(size_t j, uint64_t dst, uint64_t bytes)
{
	const struct fake_range r = hv.map[j];
	const uint64_t before = dst - r.dst, behind = r.bytes - before - bytes;

	assert_true(before + bytes <= r.bytes);
	forget_dirty(dst, bytes);
	hv.map[j] = hv.map[--hv.num_map];
	if (before)
		hv.map[hv.num_map++] = (struct fake_range){ r.dst, r.src, before, r.flags };
	if (behind)
		hv.map[hv.num_map++] =
			(struct fake_range){ dst + bytes, r.src + before + bytes, behind, r.flags };
	assert_true(hv.num_map < FAKE_MAX);
}

/* What isn't mapped can't be unmapped. */
static mv_status_t unmap(const struct mv_mdl_t *mdl)
{
	uint64_t dst, bytes, here;
	size_t i, j;

	for (i = 0; i < mdl->num_entries; i++) {
		dst = mdl->entries[i].dst;
		for (bytes = mdl->entries[i].bytes; bytes; bytes -= here, dst += here) {
			for (j = 0; j < hv.num_map; j++) {
				if (dst - hv.map[j].dst < hv.map[j].bytes)
					break;
			}
			assert_true(j < hv.num_map);
			here = hv.map[j].bytes - (dst - hv.map[j].dst);
			here = here < bytes ? here : bytes;
			unmap_part(j, dst, here);
		}
	}
	return MV_STATUS_SUCCESS;
}

static mv_status_t donate(const struct mv_mdl_t *mdl)
{
	size_t i, j;

	for (i = 0; i < mdl->num_entries; i++) {
		const struct mv_mdl_entry_t *e = &mdl->entries[i];

		for (j = 0; j < hv.num_donated; j++)
			assert_false(
				overlap(e->src, e->bytes, hv.donated[j].src, hv.donated[j].bytes));
		hv.donated[hv.num_donated++] =
			(struct fake_range){ .src = e->src, .bytes = e->bytes };
	}
	return MV_STATUS_SUCCESS;
}

static const struct mv_mdl_t *list_in(const void *page)
{
	const struct mv_mdl_t *mdl = page;
	size_t i;

	assert_in_range(mdl->num_entries, 1, MV_MDL_MAX_ENTRIES);
	for (i = 0; i < mdl->num_entries; i++) {
		assert_int_equal((mdl->entries[i].dst | mdl->entries[i].src) % PAGE, 0);
		assert_int_equal(mdl->entries[i].bytes % PAGE, 0);
		assert_true(mdl->entries[i].bytes);
	}
	return mdl;
}

/* The time of a vCPU: one slower than the CPU can't be had. */
static mv_status_t tsc_op(unsigned int idx, struct mv_regs *regs)
{
	switch (idx) {
	case MV_VS_OP_TSC_GET_KHZ_IDX_VAL:
		regs->reg[0] = hv.vs_khz;
		regs->reg[1] = hv.offset;
		return MV_STATUS_SUCCESS;
	case MV_VS_OP_TSC_SET_KHZ_IDX_VAL:
		if (regs->reg[2] < 2000000)
			return MV_STATUS_INVALID_INPUT_REG2;
		hv.vs_khz = (uint32_t)regs->reg[2];
		return MV_STATUS_SUCCESS;
	case MV_VS_OP_TSC_OFFSET_SET_IDX_VAL:
		hv.offset = regs->reg[2];
		return MV_STATUS_SUCCESS;
	}
	return MV_STATUS_FAILURE_UNSUPPORTED;
}

/* The shared page, which the fake platform has given to the caller. */
static void *page_in(void)
{
	assert_true(os.shared_held);
	return fake_shared_page();
}

static void take_page(uint64_t page, uint64_t first, uint64_t *words)
{
	const uint64_t bit = 1ULL << page % 64;

	if (page / 64 < sizeof(hv.dirty) / 8 && hv.dirty[page / 64] & bit) {
		hv.dirty[page / 64] &= ~bit;
		words[(page - first) / 64] |= bit;
	}
}

static mv_status_t dirty_log(uint64_t gpa, uint64_t bytes, uint64_t *words)
{
	const uint64_t first = gpa / PAGE / 64 * 64, end = (gpa + bytes) / PAGE;
	uint64_t page;

	hv.dirty_calls++;
	assert_int_equal((gpa | bytes) % PAGE, 0);
	assert_true(bytes && end - first <= MV_DIRTY_LOG_WORDS * 64);
	memset(words, 0, (end - first + 63) / 64 * 8);
	for (page = gpa / PAGE; page < end; page++)
		take_page(page, first, words);
	return MV_STATUS_SUCCESS;
}

static mv_status_t vm_op(unsigned int idx, struct mv_regs *regs)
{
	if (idx == MV_VM_OP_CREATE_VM_IDX_VAL) {
		regs->reg[0] = VMID;
		hv.vms++;
		return MV_STATUS_SUCCESS;
	}
	assert_int_equal(regs->reg[1], VMID);
	switch (idx) {
	case MV_VM_OP_MMIO_MAP_IDX_VAL:
		hv.calls[FAKE_MAP]++;
		assert_int_equal(regs->reg[2], MV_ROOT_VMID);
		if (is_short(&regs->reg[0]))
			return MV_STATUS_FAILURE_NO_MEMORY;
		return map(list_in(page_in()));
	case MV_VM_OP_MMIO_UNMAP_IDX_VAL:
		hv.calls[FAKE_UNMAP]++;
		list_in(page_in());
		return must_retry() ? MV_STATUS_RETRY_CONTINUATION : unmap(page_in());
	case MV_VM_OP_DONATE_IDX_VAL:
		hv.calls[FAKE_DONATE]++;
		list_in(page_in());
		return must_retry() ? MV_STATUS_RETRY_CONTINUATION : donate(page_in());
	case MV_VM_OP_CLOCK_GET_IDX_VAL:
		assert_int_equal(regs->reg[2], hv.time.tsc);
		regs->reg[0] = hv.clock;
		regs->reg[1] = hv.clock_flags;
		return MV_STATUS_SUCCESS;
	case MV_VM_OP_CLOCK_SET_IDX_VAL:
		hv.clock = regs->reg[2];
		hv.clock_tsc = regs->reg[3];
		return MV_STATUS_SUCCESS;
	case MV_VM_OP_DIRTY_LOG_IDX_VAL:
		if (is_short(&regs->reg[0]))
			return MV_STATUS_FAILURE_NO_MEMORY;
		return dirty_log(regs->reg[2], regs->reg[3], page_in());
	case MV_VM_OP_QUIESCE_IDX_VAL:
		if (must_retry())
			return MV_STATUS_RETRY_CONTINUATION;
		hv.quiesces++;
		return MV_STATUS_SUCCESS;
	case MV_VM_OP_DESTROY_VM_IDX_VAL:
		assert_int_equal(hv.vps, 0);
		if (must_retry())
			return MV_STATUS_RETRY_CONTINUATION;
		hv.vms--;
		hv.num_map = 0;
		hv.num_donated = 0;
		return MV_STATUS_SUCCESS;
	}
	return MV_STATUS_FAILURE_UNSUPPORTED;
}

static mv_status_t vp_op(unsigned int idx, struct mv_regs *regs)
{
	switch (idx) {
	case MV_VP_OP_CREATE_VP_IDX_VAL:
		assert_int_equal(regs->reg[1], VMID);
		regs->reg[0] = VPID;
		hv.vps++;
		return MV_STATUS_SUCCESS;
	case MV_VP_OP_DESTROY_VP_IDX_VAL:
		assert_int_equal(regs->reg[1], VPID);
		assert_true(hv.vps > hv.vss);
		hv.vps--;
		return MV_STATUS_SUCCESS;
	}
	return MV_STATUS_FAILURE_UNSUPPORTED;
}

static uint64_t *msr(uint64_t index)
{
	if (hv.has_mce && index - MSR_MCG_CAP < sizeof(hv.mcg) / sizeof(hv.mcg[0]))
		return &hv.mcg[index - MSR_MCG_CAP];
	if (hv.has_mce && index - MSR_MC0_CTL < sizeof(hv.mc) / sizeof(hv.mc[0]))
		return &hv.mc[index - MSR_MC0_CTL];
	switch (index) {
	case MSR_TSC:
		return &hv.tsc;
	case MSR_EFER:
		return &hv.efer;
	case MSR_APIC_BASE:
		return &hv.apic_base;
	}
	return NULL;
}

static uint64_t *reg(uint64_t index)
{
	return index && index <= MV_REG_MAX ? &hv.reg[index] : NULL;
}

static mv_status_t list(uint64_t *(*find)(uint64_t index), bool set)
{
	struct mv_rdl_t *rdl = page_in();
	size_t i;

	assert_in_range(rdl->num_entries, 1, MV_RDL_MAX_ENTRIES);
	assert_int_equal(rdl->reg0 | rdl->reg1, 0);
	for (i = 0; i < rdl->num_entries; i++) {
		uint64_t *value = find(rdl->entries[i].reg);

		assert_non_null(value);
		if (set)
			*value = rdl->entries[i].val;
		else
			rdl->entries[i].val = *value;
	}
	return MV_STATUS_SUCCESS;
}

/* What every CPU supports here: leaves 0 to 2. */
static mv_status_t cdl_supported(void)
{
	struct mv_cdl_t *cdl = page_in();

	assert_int_equal(cdl->reg0, MV_CDL_FLAG_ALL);
	assert_int_equal(cdl->num_entries, 0);
	for (uint32_t i = 0; i < 3; i++)
		cdl->entries[i] = (struct mv_cdl_entry_t){ .fun = i, .flags = i, .edx = 100 + i };
	cdl->num_entries = 3;
	return MV_STATUS_SUCCESS;
}

static mv_status_t cdl_get(void)
{
	struct mv_cdl_t *cdl = page_in();
	size_t before = cdl->reg1, n = 0;

	assert_int_equal(cdl->reg0, MV_CDL_FLAG_ALL);
	assert_in_range(before, 0, hv.num_cdl);
	while (n < MV_CDL_MAX_ENTRIES && before + n < hv.num_cdl) {
		cdl->entries[n] = hv.cdl[before + n];
		n++;
	}
	cdl->num_entries = n;
	cdl->reg1 = hv.num_cdl - before - n;
	return MV_STATUS_SUCCESS;
}

/* As the real one: features that aren't supported (bit 0 of leaf 1's ECX) are taken out. */
static mv_status_t cdl_set(void)
{
	const struct mv_cdl_t *cdl = page_in();

	assert_int_equal(cdl->reg0, 0);
	assert_in_range(cdl->num_entries, 0, MV_CDL_MAX_ENTRIES);
	assert_in_range(cdl->reg1, 0, hv.num_cdl);
	hv.num_cdl = cdl->reg1 + cdl->num_entries;
	assert_in_range(hv.num_cdl, 0, MV_CDL_VS_MAX);
	memcpy(&hv.cdl[cdl->reg1], cdl->entries, cdl->num_entries * sizeof(cdl->entries[0]));
	for (size_t i = 0; i < hv.num_cdl; i++)
		hv.cdl[i].ecx &= hv.cdl[i].fun == 1 ? ~1U : ~0U;
	return MV_STATUS_SUCCESS;
}

static mv_status_t msr_one(struct mv_regs *regs, bool set)
{
	uint64_t *value = msr(regs->reg[2]);

	if (!value)
		return MV_STATUS_INVALID_INPUT_REG2;
	if (set)
		*value = regs->reg[3];
	else
		regs->reg[0] = *value;
	return MV_STATUS_SUCCESS;
}

static mv_status_t pp_op(unsigned int idx, struct mv_regs *regs)
{
	switch (idx) {
	case MV_PP_OP_CPUID_GET_SUPPORTED_LIST_IDX_VAL:
		return cdl_supported();
	case MV_PP_OP_MSR_GET_SUPPORTED_IDX_VAL:
		regs->reg[0] = !!msr(regs->reg[1]);
		return MV_STATUS_SUCCESS;
	case MV_PP_OP_TSC_SET_KHZ_IDX_VAL:
		hv.pp_khz = (uint32_t)regs->reg[1];
		hv.pp_flags = regs->reg[2];
		return MV_STATUS_SUCCESS;
	case MV_PP_OP_TIME_SET_IDX_VAL:
		assert_true(hv.pp_khz);
		hv.time = (struct platform_time){ regs->reg[1], regs->reg[2], regs->reg[3], false };
		hv.times_told++;
		return MV_STATUS_SUCCESS;
	}
	return MV_STATUS_FAILURE_UNSUPPORTED;
}

static mv_status_t run(struct mv_regs *regs)
{
	struct mv_exit_state_t *state;
	mv_status_t status;
	struct mv_run_t in;
	size_t i;

	memcpy(&in, page_in(), sizeof(in));
	assert_true(os.irqs_off);
	if (in.flags & MV_RUN_FLAG_NO_LISTS) /* whatever is there means nothing */
		memset(&in, 0, offsetof(struct mv_run_t, flags));
	in.flags &= ~MV_RUN_FLAG_NO_LISTS;
	for (i = 0; i < MV_RUN_MAX_REGS; i++) {
		if (in.reg[i].reg)
			*reg(in.reg[i].reg) = in.reg[i].val;
		assert_int_equal(in.msr[i].reg, 0);
	}
	assert_true(in.flags & MV_RUN_FLAG_ASK);
	hv.memory_flags = in.flags & (MV_RUN_FLAG_NO_MEMORY | MV_RUN_FLAG_FORGET);
	in.flags &= ~(MV_RUN_FLAG_ASK | MV_RUN_FLAG_NO_MEMORY | MV_RUN_FLAG_FORGET);
	hv.runs++;
	memset(page_in(), 0, sizeof(in));
	assert_non_null(hv.run);
	status = hv.run(&in, page_in(), &regs->reg[0]);
	state = (struct mv_exit_state_t *)((char *)page_in() + MV_EXIT_STATE_OFFSET);
	state->rflags = hv.reg[mv_reg_t_rflags];
	state->cr8 = hv.reg[mv_reg_t_cr8];
	state->apic_base = hv.apic_base;
	state->flags = (hv.shadow ? MV_EXIT_STATE_SHADOW : 0) |
		       (hv.events.interrupt ? MV_EXIT_STATE_EVENT : 0);
	return status;
}

static void move(uint64_t *page, unsigned int number, bool set)
{
	if (set)
		hv.reg[number] = *page;
	else
		*page = hv.reg[number];
}

static mv_status_t gprs(bool set)
{
	static const uint8_t order[] = {
		mv_reg_t_rax, mv_reg_t_rbx, mv_reg_t_rcx, mv_reg_t_rdx, mv_reg_t_rsi, mv_reg_t_rdi,
		mv_reg_t_rsp, mv_reg_t_rbp, mv_reg_t_r8,  mv_reg_t_r9,	mv_reg_t_r10, mv_reg_t_r11,
		mv_reg_t_r12, mv_reg_t_r13, mv_reg_t_r14, mv_reg_t_r15, mv_reg_t_rip, mv_reg_t_rflags,
	};
	uint64_t *page = page_in();

	for (size_t i = 0; i < sizeof(order); i++)
		move(&page[i], order[i], set);
	if (set)
		hv.reg[mv_reg_t_rflags] |= 2;
	return MV_STATUS_SUCCESS;
}

static void segment(struct mv_segment_t *s, unsigned int first, bool set)
{
	uint64_t *reg = &hv.reg[first];

	if (set) {
		reg[0] = s->selector;
		reg[1] = s->attrib;
		reg[2] = s->limit;
		reg[3] = s->base;
	} else {
		*s = (struct mv_segment_t){ (uint16_t)reg[0], (uint16_t)reg[1], (uint32_t)reg[2],
					    reg[3] };
	}
}

static mv_status_t sregs(bool set)
{
	static const uint8_t crs[] = { mv_reg_t_cr0, mv_reg_t_cr2, mv_reg_t_cr3, mv_reg_t_cr4,
				       mv_reg_t_cr8 };
	struct mv_sregs_t *page = page_in();

	for (unsigned int i = 0; i < 10; i++)
		segment(&page->es + i, mv_reg_t_es_selector + 4 * i, set);
	for (unsigned int i = 0; i < sizeof(crs); i++)
		move(&page->cr0 + i, crs[i], set);
	if (set) {
		hv.efer = page->efer;
		hv.apic_base = page->apic_base;
	} else {
		page->efer = hv.efer;
		page->apic_base = hv.apic_base;
		page->interrupt = hv.events.interrupt;
		page->interrupt_vector = hv.events.interrupt_vector;
	}
	return MV_STATUS_SUCCESS;
}

static mv_status_t events(bool set)
{
	struct vcpu_events *page = page_in();

	if (set) {
		hv.events = *page;
		hv.shadow = page->shadow;
	} else {
		*page = hv.events;
		page->shadow = hv.shadow;
	}
	return MV_STATUS_SUCCESS;
}

static mv_status_t stats(const struct mv_regs *regs)
{
	assert_true(regs->reg[1] == VSID || regs->reg[1] == hv.stats_vsid);
	memcpy(page_in(), &hv.stats, sizeof(hv.stats));
	return MV_STATUS_SUCCESS;
}

static mv_status_t fpu(const struct mv_regs *regs, bool set, size_t bytes)
{
	struct mv_xsave_t *page = page_in();

	assert_int_equal(regs->reg[2], 0);
	if (set && page->mxcsr >> 16)
		return MV_STATUS_FAILURE_UNKNOWN;
	if (set)
		memcpy(&hv.xsave, page, bytes);
	else
		memcpy(page, &hv.xsave, bytes);
	return MV_STATUS_SUCCESS;
}

static mv_status_t queue_interrupt(const struct mv_regs *regs)
{
	assert_in_range(regs->reg[2], 0, 255);
	hv.events.interrupt = 1;
	hv.events.interrupt_vector = (uint8_t)regs->reg[2];
	hv.queued = regs->reg[3];
	return MV_STATUS_SUCCESS;
}

static mv_status_t vs_op(unsigned int idx, struct mv_regs *regs)
{
	if (idx == MV_VS_OP_CREATE_VS_IDX_VAL) {
		if (is_short(&regs->reg[0]))
			return MV_STATUS_FAILURE_NO_MEMORY;
		regs->reg[0] = VSID;
		hv.vss++;
		return MV_STATUS_SUCCESS;
	}
	if (idx == MV_VS_OP_STATS_GET_IDX_VAL)
		return stats(regs);
	assert_int_equal(regs->reg[1], VSID);
	switch (idx) {
	case MV_VS_OP_DESTROY_VS_IDX_VAL:
		if (must_retry())
			return MV_STATUS_RETRY_CONTINUATION;
		hv.vss--;
		return MV_STATUS_SUCCESS;
	case MV_VS_OP_REG_GET_LIST_IDX_VAL:
		hv.reg_gets++;
		return list(reg, false);
	case MV_VS_OP_REG_SET_LIST_IDX_VAL:
		return list(reg, true);
	case MV_VS_OP_MSR_GET_LIST_IDX_VAL:
		return list(msr, false);
	case MV_VS_OP_MSR_SET_LIST_IDX_VAL:
		return list(msr, true);
	case MV_VS_OP_REG_GET_IDX_VAL:
		assert_int_equal(regs->reg[2], mv_reg_t_rip);
		regs->reg[0] = FAKE_RIP;
		return MV_STATUS_SUCCESS;
	case MV_VS_OP_MSR_SET_IDX_VAL:
		return msr_one(regs, true);
	case MV_VS_OP_MSR_GET_IDX_VAL:
		return msr_one(regs, false);
	case MV_VS_OP_CPUID_GET_LIST_IDX_VAL:
		return cdl_get();
	case MV_VS_OP_CPUID_SET_LIST_IDX_VAL:
		return cdl_set();
	case MV_VS_OP_FPU_GET_ALL_IDX_VAL:
	case MV_VS_OP_FPU_SET_ALL_IDX_VAL:
		return fpu(regs, idx == MV_VS_OP_FPU_SET_ALL_IDX_VAL, 512);
	case MV_VS_OP_XSAVE_GET_ALL_IDX_VAL:
	case MV_VS_OP_XSAVE_SET_ALL_IDX_VAL:
		return fpu(regs, idx == MV_VS_OP_XSAVE_SET_ALL_IDX_VAL, sizeof(hv.xsave));
	case MV_VS_OP_QUEUE_INTERRUPT_IDX_VAL:
		return queue_interrupt(regs);
	case MV_VS_OP_INJECT_EXCEPTION_IDX_VAL:
		assert_in_range(regs->reg[2], 0, 31);
		hv.events.exception = 1;
		hv.events.exception_vector = (uint8_t)regs->reg[2];
		return MV_STATUS_SUCCESS;
	case MV_VS_OP_QUEUE_NMI_IDX_VAL:
		hv.events.nmi_pending++;
		return MV_STATUS_SUCCESS;
	case MV_VS_OP_GLA_TO_GPA_IDX_VAL:
		assert_int_equal(regs->reg[2] % PAGE, 0);
		regs->reg[0] = hv.gpa;
		return hv.gpa ? MV_STATUS_SUCCESS : MV_STATUS_FAILURE_UNKNOWN;
	case MV_VS_OP_GPRS_GET_IDX_VAL:
		return gprs(false);
	case MV_VS_OP_GPRS_SET_IDX_VAL:
		return gprs(true);
	case MV_VS_OP_SREGS_GET_IDX_VAL:
		return sregs(false);
	case MV_VS_OP_SREGS_SET_IDX_VAL:
		return sregs(true);
	case MV_VS_OP_EVENTS_GET_IDX_VAL:
		return events(false);
	case MV_VS_OP_EVENTS_SET_IDX_VAL:
		return events(true);
	case MV_VS_OP_RUN_IDX_VAL:
		return run(regs);
	}
	return tsc_op(idx, regs);
}

static mv_status_t handle_op(unsigned int idx, struct mv_regs *regs)
{
	if (idx == MV_HANDLE_OP_OPEN_HANDLE_IDX_VAL) {
		assert_int_equal(regs->reg[0], MV_SPEC_ID1_VAL);
		regs->reg[0] = HANDLE;
		hv.open = true;
	} else {
		assert_int_equal(regs->reg[0], HANDLE);
		hv.open = false;
	}
	return MV_STATUS_SUCCESS;
}

static mv_status_t dispatch(unsigned int op, unsigned int idx, struct mv_regs *regs)
{
	if (op == MV_ID_OP) {
		regs->reg[0] = MV_ALL_SPECS_SUPPORTED_VAL;
		return MV_STATUS_SUCCESS;
	}
	if (op == MV_HANDLE_OP)
		return handle_op(idx, regs);
	assert_int_equal(regs->reg[0], HANDLE);
	switch (op) {
	case MV_PP_OP:
		return pp_op(idx, regs);
	case MV_VM_OP:
		return vm_op(idx, regs);
	case MV_VP_OP:
		return vp_op(idx, regs);
	case MV_VS_OP:
		return vs_op(idx, regs);
	}
	return MV_STATUS_FAILURE_UNSUPPORTED;
}

void mv_hypercall(struct mv_regs *regs)
{
	const uint64_t call = regs->rax;

	assert_int_equal(call & MV_HYPERCALL_SIG_MASK, MV_HYPERCALL_SIG_VAL);
	if (hv.fail_at && call == hv.fail_call && !--hv.fail_at) {
		regs->rax = hv.fail_status;
		return;
	}
	regs->rax = dispatch((call & MV_HYPERCALL_OPCODE_NOSIG_MASK) >> 16,
			     call & MV_HYPERCALL_INDEX_MASK, regs);
}
