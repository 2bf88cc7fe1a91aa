// SPDX-License-Identifier: MIT
/*
 * Memory: donating, mapping and unmapping, all the bad lists, and that a list that was
 * refused changed nothing.
 */
#include "hct.h"

#define PAGE MV_PAGE_SIZE
#define NOWHERE 0x40000000ULL /* a GPA where the tests' guests have nothing */

static uint64_t hidden_page(void)
{
	return hidden_spa & ~(PAGE - 1);
}

/* Root memory that is not the root VM's to give. */
static size_t foreign(uint64_t *spa)
{
	size_t n = 0;

	spa[n++] = hidden_page();
	spa[n++] = 0xFEE00000; /* local APIC */
	spa[n++] = 0xFEC00000; /* I/O APIC */
	spa[n++] = 0xFFFFF000; /* firmware's ROM */
	spa[n++] = 0xA0000; /* VGA */
	spa[n++] = 1ULL << 39; /* beyond RAM */
	spa[n++] = 1ULL << 47; /* beyond all guest-physical addresses */
	spa[n++] = ~(PAGE - 1); /* the last page: its end wraps */
	return n;
}

static void root_sees(const struct pages *p, int byte)
{
	for (size_t i = 0; i < p->bytes; i++)
		if (p->va[i] != (uint8_t)byte) {
			test_note(__FILE__, __LINE__, "byte 0x%zx is 0x%x, not 0x%x", i, p->va[i],
				  (uint8_t)byte);
			return;
		}
}

static void donated_is_gone(void)
{
	struct pages p = pages_alloc(3);
	uint16_t vm;

	shared_set();
	vm = hc(HC(VM, CREATE_VM), 0, 0, 0).reg[0];
	memset(p.va, 0x5A, p.bytes);
	check_eq(donate_one(vm, p.spa, p.bytes), MV_STATUS_SUCCESS);
	root_sees(&p, 0xFF);
	memset(p.va, 0x77, p.bytes);
	root_sees(&p, 0xFF);
	/* It can't be given again, to anybody, nor be a shared page. */
	check_eq(donate_one(vm, p.spa, PAGE), MV_STATUS_FAILURE_UNKNOWN);
	check_eq(map_one(vm, 0, p.spa, PAGE, RWX), MV_STATUS_FAILURE_UNKNOWN);
	check_eq(hc_raw(cpu_count - 1, HC(PP, SET_SHARED_PAGE_GPA), handle, p.spa, 0, 0).rax,
		 cpu_count > 1 ? MV_STATUS_INVALID_INPUT_REG1 : MV_STATUS_FAILURE_UNKNOWN);
	check_eq(hc(HC(VM, DESTROY_VM), vm, 0, 0).rax, MV_STATUS_SUCCESS);
	/* Back, wiped, and root's own. */
	root_sees(&p, 0);
	memset(p.va, 0x77, p.bytes);
	root_sees(&p, 0x77);
	shared_clear();
}

static void donate_bad(void)
{
	struct pages p = pages_alloc(2);
	uint64_t spa[16];
	uint16_t vm;

	shared_set();
	vm = hc(HC(VM, CREATE_VM), 0, 0, 0).reg[0];
	memset(p.va, 0x5A, p.bytes);
	for (size_t i = foreign(spa); i-- > 0;) {
		/* Behind a good entry, which must stay root's. */
		mdl_clear();
		mdl_add(0, p.spa, PAGE, 0);
		mdl_add(0, spa[i], PAGE, 0);
		check_refused(HC(VM, DONATE), vm, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	}
	check_eq(donate_one(vm, p.spa + 1, PAGE), MV_STATUS_FAILURE_UNKNOWN);
	check_eq(donate_one(vm, p.spa, PAGE + 1), MV_STATUS_FAILURE_UNKNOWN);
	check_eq(donate_one(vm, p.spa, 0), MV_STATUS_FAILURE_UNKNOWN);
	check_eq(donate_one(vm, p.spa, ~(PAGE - 1)), MV_STATUS_FAILURE_UNKNOWN);
	check_eq(donate_one(vm, shared.spa, PAGE), MV_STATUS_FAILURE_UNKNOWN);
	mdl_clear();
	mdl_add(0, p.spa, 2 * PAGE, 0);
	mdl_add(0, p.spa + PAGE, PAGE, 0);
	check_refused(HC(VM, DONATE), vm, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	root_sees(&p, 0x5A);
	check_eq(hc(HC(VM, DESTROY_VM), vm, 0, 0).rax, MV_STATUS_SUCCESS);
	shared_clear();
}

/* The hypercalls that take an MDL. */
static const uint64_t mdl_calls[] = { HC(VM, MMIO_MAP), HC(VM, MMIO_UNMAP), HC(VM, DONATE) };

static void lists_bad(void)
{
	static const uint64_t counts[] = { 0, MV_MDL_MAX_ENTRIES + 1, 1ULL << 32, 1ULL << 63,
					   ~0ULL };
	struct guest g;

	shared_set();
	require(guest_create(&g));
	for (size_t i = 0; i < COUNT(mdl_calls); i++) {
		uint64_t root = i == 0 ? MV_ROOT_VMID : 0;

		for (size_t j = 0; j < COUNT(counts); j++) {
			mdl_clear();
			mdl_add(NOWHERE, g.ram.spa, PAGE, RWX);
			mdl()->num_entries = counts[j];
			check_refused(mdl_calls[i], g.vm, root, 0, MV_STATUS_FAILURE_UNKNOWN);
		}
		/* No VM, the root VM, no shared page. */
		mdl_clear();
		mdl_add(NOWHERE, g.ram.spa, PAGE, RWX);
		check_refused(mdl_calls[i], MV_ROOT_VMID, root, 0, MV_STATUS_INVALID_INPUT_REG1);
		check_refused(mdl_calls[i], 100, root, 0, MV_STATUS_INVALID_INPUT_REG1);
		check_refused(mdl_calls[i], MV_INVALID_ID, root, 0, MV_STATUS_INVALID_INPUT_REG1);
		shared_clear();
		check_refused(mdl_calls[i], g.vm, root, 0, MV_STATUS_FAILURE_UNKNOWN);
		shared_set();
	}
	check_refused(HC(VM, MMIO_MAP), g.vm, g.vm, 0, MV_STATUS_INVALID_INPUT_REG2);
	check_refused(HC(VM, MMIO_MAP), g.vm, MV_SELF_ID, 0, MV_STATUS_INVALID_INPUT_REG2);
	check_eq(unmap_one(g.vm, NOWHERE, PAGE), MV_STATUS_FAILURE_UNKNOWN);
	guest_destroy(&g);
	shared_clear();
}

/* A good entry at NOWHERE, then this one: refused, and the good one isn't there either. */
static void map_refused(const struct guest *g, const char *what, uint64_t dst, uint64_t src,
			uint64_t bytes, uint64_t flags)
{
	mv_status_t status;

	mdl_clear();
	mdl_add(NOWHERE, g->ram.spa, PAGE, RWX);
	mdl_add(dst, src, bytes, flags);
	status = hc(HC(VM, MMIO_MAP), g->vm, MV_ROOT_VMID, 0).rax;
	if (status != MV_STATUS_FAILURE_UNKNOWN)
		test_note(__FILE__, __LINE__, "%s: 0x%llx", what, (unsigned long long)status);
	if (unmap_one(g->vm, NOWHERE, PAGE) != MV_STATUS_FAILURE_UNKNOWN)
		test_note(__FILE__, __LINE__, "%s: the entry before it was mapped", what);
}

static void map_bad(void)
{
	const uint64_t to = NOWHERE + 0x100000;
	uint64_t spa[16], from;
	struct guest g;

	shared_set();
	require(guest_create(&g));
	from = g.ram.spa;
	map_refused(&g, "dst misaligned", to + 0x10, from, PAGE, RWX);
	map_refused(&g, "src misaligned", to, from + 0x10, PAGE, RWX);
	map_refused(&g, "bytes misaligned", to, from, PAGE + 0x10, RWX);
	map_refused(&g, "empty", to, from, 0, RWX);
	map_refused(&g, "dst out of range", 1ULL << 47, from, PAGE, RWX);
	map_refused(&g, "dst + bytes wraps", ~(PAGE - 1), from, 2 * PAGE, RWX);
	map_refused(&g, "bytes are huge", to, from, ~(PAGE - 1), RWX);
	map_refused(&g, "mapped already", 0, from, PAGE, RWX);
	map_refused(&g, "mapped already, at its end", g.ram.bytes - PAGE, from, 2 * PAGE, RWX);
	map_refused(&g, "overlaps the entry before", NOWHERE, from + PAGE, PAGE, RWX);
	map_refused(&g, "overlaps by its end", NOWHERE - PAGE, from, 2 * PAGE, RWX);
	map_refused(&g, "no read access", to, from, PAGE, MV_MAP_FLAG_WRITE_ACCESS);
	map_refused(&g, "no access", to, from, PAGE, 0);
	map_refused(&g, "page-size flag", to, from, PAGE, RWX | MV_MAP_FLAG_4K_PAGE);
	map_refused(&g, "uncacheable", to, from, PAGE, RWX | MV_MAP_FLAG_UNCACHEABLE);
	for (int bit = 4; bit < 62; bit++)
		map_refused(&g, "unknown flag", to, from, PAGE, RWX | 1ULL << bit);
	for (size_t i = foreign(spa); i-- > 0;)
		map_refused(&g, "foreign memory", to, spa[i], PAGE, RWX);
	map_refused(&g, "foreign memory at its end", to, hidden_page() - PAGE, 2 * PAGE, RWX);
	map_refused(&g, "the pool's memory", to, g.pool.spa, PAGE, RWX);
	guest_destroy(&g);
	shared_clear();
}

static void unmap_bad(void)
{
	struct guest g;

	shared_set();
	require(guest_create(&g));
	check_eq(unmap_one(g.vm, NOWHERE, PAGE), MV_STATUS_FAILURE_UNKNOWN);
	check_eq(unmap_one(g.vm, 1, PAGE), MV_STATUS_FAILURE_UNKNOWN);
	check_eq(unmap_one(g.vm, 0, PAGE - 1), MV_STATUS_FAILURE_UNKNOWN);
	check_eq(unmap_one(g.vm, 0, 0), MV_STATUS_FAILURE_UNKNOWN);
	check_eq(unmap_one(g.vm, 0, ~(PAGE - 1)), MV_STATUS_FAILURE_UNKNOWN);
	check_eq(unmap_one(g.vm, ~(PAGE - 1), PAGE), MV_STATUS_FAILURE_UNKNOWN);
	check_eq(unmap_one(g.vm, 1ULL << 47, PAGE), MV_STATUS_FAILURE_UNKNOWN);
	/* Partly mapped. */
	check_eq(unmap_one(g.vm, 0, g.ram.bytes + PAGE), MV_STATUS_FAILURE_UNKNOWN);
	mdl_clear();
	mdl_add(0, 0, PAGE, 0);
	mdl_add(NOWHERE, 0, PAGE, 0);
	check_refused(HC(VM, MMIO_UNMAP), g.vm, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	/* Twice the same page. */
	mdl_clear();
	mdl_add(0, 0, PAGE, 0);
	mdl_add(0, 0, PAGE, 0);
	check_refused(HC(VM, MMIO_UNMAP), g.vm, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	/* All of it is there still. */
	check_eq(unmap_one(g.vm, 0, g.ram.bytes), MV_STATUS_SUCCESS);
	check_eq(unmap_one(g.vm, 0, PAGE), MV_STATUS_FAILURE_UNKNOWN);
	guest_destroy(&g);
	shared_clear();
}

static void map_most_entries(void)
{
	struct guest g;

	shared_set();
	require(guest_create(&g));
	mdl_clear();
	/* Aliases are allowed: the same page again and again. */
	for (unsigned int i = 0; i < MV_MDL_MAX_ENTRIES; i++)
		mdl_add(NOWHERE + i * 2 * PAGE, g.ram.spa, PAGE, RWX);
	check_eq(hc(HC(VM, MMIO_MAP), g.vm, MV_ROOT_VMID, 0).rax, MV_STATUS_SUCCESS);
	check_eq(unmap_one(g.vm, NOWHERE + PAGE, PAGE), MV_STATUS_FAILURE_UNKNOWN);
	mdl_clear();
	for (unsigned int i = MV_MDL_MAX_ENTRIES; i-- > 0;)
		mdl_add(NOWHERE + i * 2 * PAGE, 0, PAGE, 0);
	check_eq(hc(HC(VM, MMIO_UNMAP), g.vm, 0, 0).rax, MV_STATUS_SUCCESS);
	check_eq(unmap_one(g.vm, NOWHERE, PAGE), MV_STATUS_FAILURE_UNKNOWN);
	guest_destroy(&g);
	shared_clear();
}

static void map_large(void)
{
	struct pages p = pages_alloc(9);
	struct guest g;

	shared_set();
	require(guest_create(&g));
	check_eq(map_one(g.vm, NOWHERE, p.spa, p.bytes, RWX), MV_STATUS_SUCCESS);
	/* A hole in the middle: the large page is split, the rest stays. */
	check_eq(unmap_one(g.vm, NOWHERE + 5 * PAGE, PAGE), MV_STATUS_SUCCESS);
	check_eq(unmap_one(g.vm, NOWHERE + 5 * PAGE, PAGE), MV_STATUS_FAILURE_UNKNOWN);
	check_eq(unmap_one(g.vm, NOWHERE, p.bytes), MV_STATUS_FAILURE_UNKNOWN);
	check_eq(unmap_one(g.vm, NOWHERE, 5 * PAGE), MV_STATUS_SUCCESS);
	check_eq(unmap_one(g.vm, NOWHERE + 6 * PAGE, p.bytes - 6 * PAGE), MV_STATUS_SUCCESS);
	/* And the same as a whole again. */
	check_eq(map_one(g.vm, NOWHERE, p.spa, p.bytes, RWX), MV_STATUS_SUCCESS);
	check_eq(unmap_one(g.vm, NOWHERE, p.bytes), MV_STATUS_SUCCESS);
	guest_destroy(&g);
	shared_clear();
}

/* Nobody has written: every page is clean, and the large entry is split without a trace. */
static void dirty_log(void)
{
	const uint64_t *words = (const uint64_t *)shared.va;
	struct pages p = pages_alloc(9);
	struct guest g;

	shared_set();
	require(guest_create(&g));
	check_eq(map_one(g.vm, NOWHERE, p.spa, p.bytes, RWX), MV_STATUS_SUCCESS);
	memset(shared.va, 0xFF, PAGE);
	check_eq(hc(HC(VM, DIRTY_LOG), g.vm, NOWHERE, p.bytes).rax, MV_STATUS_SUCCESS);
	for (size_t i = 0; i < 8; i++)
		check_eq(words[i], 0);
	check_eq(words[8], ~0ULL);
	check_eq(hc(HC(VM, QUIESCE), g.vm, 0, 0).rax, MV_STATUS_SUCCESS);
	check_refused(HC(VM, DIRTY_LOG), g.vm, NOWHERE + 1, PAGE, MV_STATUS_INVALID_INPUT_REG2);
	check_refused(HC(VM, DIRTY_LOG), g.vm, NOWHERE, 0, MV_STATUS_INVALID_INPUT_REG3);
	check_refused(HC(VM, DIRTY_LOG), g.vm, NOWHERE, MV_DIRTY_LOG_MAX_BYTES + PAGE,
		      MV_STATUS_INVALID_INPUT_REG3);
	check_refused(HC(VM, DIRTY_LOG), MV_ROOT_VMID, NOWHERE, PAGE, MV_STATUS_INVALID_INPUT_REG1);
	check_refused(HC(VM, QUIESCE), MV_ROOT_VMID, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	check_eq(unmap_one(g.vm, NOWHERE, p.bytes), MV_STATUS_SUCCESS);
	guest_destroy(&g);
	shared_clear();
}

static void no_memory(void)
{
	struct pages pool = pages_alloc(4), ram = pages_alloc(0);
	struct hct_call call;
	uint64_t given = 0;
	uint16_t vm;

	shared_set();
	vm = hc(HC(VM, CREATE_VM), 0, 0, 0).reg[0];
	/* Each time as much as it says that it lacks: once must be enough. */
	for (int i = 0; i < 2; i++) {
		mdl_clear();
		mdl_add(NOWHERE, ram.spa, PAGE, RWX);
		call = hc(HC(VM, MMIO_MAP), vm, MV_ROOT_VMID, 0);
		if (call.rax != MV_STATUS_FAILURE_NO_MEMORY)
			break;
		require(call.reg[0] > 0 && given + call.reg[0] <= 16);
		check_eq(donate_one(vm, pool.spa + given * PAGE, call.reg[0] * PAGE),
			 MV_STATUS_SUCCESS);
		given += call.reg[0];
	}
	check(given > 0);
	check_eq(call.rax, MV_STATUS_SUCCESS);
	/* What a guest has mapped can't be donated. */
	check_eq(donate_one(vm, ram.spa, PAGE), MV_STATUS_FAILURE_UNKNOWN);
	check_eq(hc(HC(VM, DESTROY_VM), vm, 0, 0).rax, MV_STATUS_SUCCESS);
	root_sees(&pool, 0);
	shared_clear();
}

/* Root's memory keeps its content when a guest that had it mapped goes. */
static void lent_is_kept(void)
{
	struct guest g;

	shared_set();
	require(guest_create(&g));
	memset(g.ram.va, 0x3C, g.ram.bytes);
	guest_destroy(&g);
	root_sees(&g.ram, 0x3C);
	root_sees(&g.pool, 0);
	shared_clear();
}

const struct test memory_tests[] = {
	{ "donated pages are gone for root, and come back wiped", donated_is_gone },
	{ "donate: bad entries", donate_bad },
	{ "MDLs: bad counts, bad VMs, no shared page", lists_bad },
	{ "mmio_map: bad entries; a refused list maps nothing", map_bad },
	{ "mmio_unmap: bad entries; a refused list unmaps nothing", unmap_bad },
	{ "mmio_map and mmio_unmap: 125 entries", map_most_entries },
	{ "mmio_unmap: a hole in a large page", map_large },
	{ "dirty_log and quiesce", dirty_log },
	{ "FAILURE_NO_MEMORY says how much is needed", no_memory },
	{ "lent memory keeps its content", lent_is_kept },
	{ NULL, NULL },
};
