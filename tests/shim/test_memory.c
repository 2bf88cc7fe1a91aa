// SPDX-License-Identifier: MIT
/* A slot's memory: what is merged, what is left out, how it is sent, what an error undoes. */
#include "fake.h"
#include "memory.h"

#define MIB (1ULL << 20)
#define CALL_MAP MV_HYPERCALL(MV_VM_OP, MV_VM_OP_MMIO_MAP_IDX_VAL)
#define CALL_UNMAP MV_HYPERCALL(MV_VM_OP, MV_VM_OP_MMIO_UNMAP_IDX_VAL)

static struct shim_vm vm;

static int setup(void **state)
{
	fake_setup(state);
	fake_vm(&vm, NULL);
	return 0;
}

static int teardown(void **state)
{
	fake_vm_free(&vm, NULL);
	return fake_teardown(state);
}

static int set(uint32_t id, uint64_t gpa, uint64_t bytes, uint64_t hva)
{
	return fake_slot(&vm, id, 0, gpa, bytes, hva);
}

/* No page lies behind another one in physical memory. */
static void scattered(uint64_t hva, struct fake_page *page)
{
	page->spa = 0x8000000000ULL - (hva & 0xFFFFFFFFF);
}

/* Huge pages, each somewhere else. */
static void huge(uint64_t hva, struct fake_page *page)
{
	page->spa = 0x8000000000ULL - (hva & 0xFFFE00000) * 2 + (hva & 0x1FFFFF);
}

/* Pages 2 and 3 are missing, 4 and 5 come on demand, 6 and 7 can only be read. */
static void holes(uint64_t hva, struct fake_page *page)
{
	page->present = (hva / PAGE & 7) / 2 % 3 == 0;
	page->on_demand = (hva / PAGE & 7) / 2 == 2;
	page->writable = (hva / PAGE & 7) / 2 != 3;
}

static void on_demand(uint64_t hva, struct fake_page *page)
{
	(void)hva;
	page->present = false;
	page->on_demand = true;
}

/* All of it is somewhere else than before. */
static void elsewhere(uint64_t hva, struct fake_page *page)
{
	page->spa = (hva & 0xFFFFFFFFFF) + 0x7000000000;
}

/* What the guest has at gpa, and with which rights; 0: nothing. */
static uint64_t guest_has(uint64_t gpa, uint64_t *flags)
{
	size_t i;

	for (i = 0; i < hv.num_map; i++) {
		if (gpa - hv.map[i].dst < hv.map[i].bytes) {
			*flags = hv.map[i].flags;
			return hv.map[i].src + (gpa - hv.map[i].dst);
		}
	}
	return 0;
}

static void nothing(uint64_t hva, struct fake_page *page)
{
	(void)hva;
	page->present = false;
}

static void contiguous_is_one_entry(void **state)
{
	(void)state;
	assert_int_equal(set(0, 0, 64 * MIB, 0x10000000), 0);
	assert_int_equal(hv.calls[FAKE_MAP], 1);
	assert_int_equal(hv.num_map, 1);
	assert_int_equal(hv.map[0].bytes, 64 * MIB);
	assert_int_equal(hv.map[0].flags, MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_WRITE_ACCESS |
						  MV_MAP_FLAG_EXECUTE_ACCESS |
						  MV_MAP_FLAG_WRITE_BACK);
}

static void two_gib_of_huge_pages(void **state)
{
	const long before = os.allocs;

	(void)state;
	os.page = huge;
	assert_int_equal(set(0, 0, 2048 * MIB, 0x40000000), 0);
	assert_true(os.allocs - before <= 4); /* no array of pages is kept */
	assert_int_equal(hv.num_map, 1024);
	assert_true(hv.calls[FAKE_MAP] <= 20);
	assert_int_equal(os.pinned, 2048 * MIB / PAGE);
}

/* Pinned as one each, and sent in full lists: 16 GiB in less than 70. */
static void large_pages(void **state)
{
	(void)state;
	os.page = huge;
	os.large_pages = true;
	assert_int_equal(set(0, MIB, 1026 * MIB, 0x40000000 - MIB), 0);
	assert_int_equal(os.large, 512);
	assert_int_equal(os.pinned, 1026 * MIB / PAGE);
	assert_true(hv.calls[FAKE_MAP] <= 5);
	assert_int_equal(hv.num_map, 514);
	assert_int_equal(set(0, 0, 0, 0), 0);
	assert_int_equal(os.dirtied, 1026 * MIB / PAGE);
}

/* Out of step with the guest's addresses, they are sent as small ones. */
static void large_pages_askew(void **state)
{
	size_t i;

	(void)state;
	os.page = NULL;
	os.large_pages = true;
	assert_int_equal(set(0, MIB, 512 * MIB, 0x40000000), 0);
	assert_int_equal(os.large, 256);
	for (i = 0; i < hv.num_map; i++)
		assert_true(hv.map[i].bytes <= 66 * MIB);
	assert_int_equal(hv.num_map, 8);
}

static void lists_are_full(void **state)
{
	const size_t pages = 3 * MV_MDL_MAX_ENTRIES + 7;
	const unsigned long before = shim_stats.hypercalls_map, small = shim_stats.entries_4k;
	size_t i;

	(void)state;
	os.page = scattered;
	assert_int_equal(set(0, 0x100000, pages * PAGE, 0x200000), 0);
	assert_int_equal(hv.calls[FAKE_MAP], 4);
	assert_int_equal(shim_stats.hypercalls_map - before, 4);
	assert_int_equal(shim_stats.entries_4k - small, pages);
	for (i = 0; i < 3; i++)
		assert_int_equal(hv.list_sizes[i], MV_MDL_MAX_ENTRIES);
	assert_int_equal(hv.list_sizes[3], 7);
	for (i = 0; i < pages; i++) {
		assert_int_equal(hv.map[i].dst, 0x100000 + i * PAGE);
		assert_int_equal(hv.map[i].src, 0x8000000000ULL - 0x200000 - i * PAGE);
	}
}

/* Which entries the hypervisor makes of a contiguous slot that begins in the middle of one. */
static void entries_are_counted(void **state)
{
	const unsigned long large = shim_stats.entries_2m, small = shim_stats.entries_4k;

	(void)state;
	assert_int_equal(set(0, 3 * MIB, 8 * MIB, 0x40000000 + MIB), 0);
	assert_int_equal(shim_stats.entries_2m - large, 3);
	assert_int_equal(shim_stats.entries_4k - small, 2 * MIB / PAGE);
	/* Out of step. */
	assert_int_equal(set(1, 16 * MIB, 4 * MIB, 0x50000000 + PAGE), 0);
	assert_int_equal(shim_stats.entries_2m - large, 3);
	assert_int_equal(shim_stats.entries_4k - small, 6 * MIB / PAGE);
}

/* A hypercall can't be interrupted, so none maps too many pages of 4 KiB. */
static void no_list_is_too_long(void **state)
{
	size_t i;

	(void)state;
	assert_int_equal(set(0, MIB, 1000 * MIB, 0x40000000), 0);
	for (i = 0; i < hv.num_map; i++)
		assert_true(hv.map[i].bytes <= 66 * MIB);
	assert_int_equal(hv.num_map, 16);
	assert_int_equal(hv.calls[FAKE_MAP], 16);
	assert_int_equal(set(0, 0, 0, 0), 0);
	assert_int_equal(hv.calls[FAKE_UNMAP], 16);
	assert_int_equal(set(0, 0, 1000 * MIB, 0x40000000), 0); /* in step */
	assert_int_equal(hv.calls[FAKE_MAP], 17);
}

/* Up to the first page that isn't there; the others come by memory_fault(). */
static void holes_come_when_needed(void **state)
{
	uint64_t flags;

	(void)state;
	os.page = holes;
	assert_int_equal(set(0, 0x10000, 8 * PAGE, 0x200000), 0);
	assert_int_equal(hv.num_map, 1);
	assert_int_equal(hv.map[0].bytes, 2 * PAGE);
	assert_int_equal(memory_fault(&vm, 0x10000, true), MEMORY_THERE);
	assert_int_equal(memory_fault(&vm, 0x12FFF, false), -EFAULT);
	assert_int_equal(memory_fault(&vm, 0x14008, false), MEMORY_THERE);
	assert_int_equal(guest_has(0x14008, &flags), 0x204008);
	assert_true(flags & MV_MAP_FLAG_WRITE_ACCESS);
	assert_int_equal(memory_fault(&vm, 0x16000, true), -EFAULT);
	assert_int_equal(memory_fault(&vm, 0x16000, false), MEMORY_THERE);
	assert_int_equal(guest_has(0x16000, &flags), 0x206000);
	assert_false(flags & MV_MAP_FLAG_WRITE_ACCESS);
	assert_int_equal(memory_fault(&vm, 0x16000, true), -EFAULT);
	assert_int_equal(memory_fault(&vm, 0x18000, false), MEMORY_DEVICE);
	assert_int_equal(memory_fault(&vm, ~0ULL, false), MEMORY_DEVICE);
	assert_int_equal(os.pinned, 4);
	assert_int_equal(set(0, 0, 0, 0), 0);
	assert_int_equal(os.dirtied, 3);
}

/* A huge page that the process has got by the first access comes as one. */
static void around(void **state)
{
	(void)state;
	os.page = on_demand;
	assert_int_equal(set(0, 4 * MIB, 8 * MIB, 0x40000000), 0);
	assert_int_equal(hv.num_map, 0);
	assert_int_equal(memory_fault(&vm, 5 * MIB, false), MEMORY_THERE);
	assert_int_equal(hv.num_map, 1);
	assert_int_equal(hv.map[0].bytes, PAGE);
	os.page = NULL;
	assert_int_equal(memory_fault(&vm, 7 * MIB, false), MEMORY_THERE);
	assert_int_equal(hv.num_map, 2);
	assert_int_equal(hv.map[1].dst, 6 * MIB);
	assert_int_equal(hv.map[1].bytes, 2 * MIB);
	/* What is there already is in its way, but stays. */
	assert_int_equal(memory_fault(&vm, 5 * MIB - PAGE, false), MEMORY_THERE);
	assert_int_equal(hv.num_map, 3);
	assert_int_equal(hv.map[2].dst, 4 * MIB);
	assert_int_equal(hv.map[2].bytes, MIB);
	assert_int_equal(os.pinned, 2 * MIB / PAGE + MIB / PAGE + 1);
}

/* A fault brings what large pages there are behind it, up to a full list; not with a log. */
static void around_large(void **state)
{
	struct kvm_userspace_memory_region region = { .slot = 0, .guest_phys_addr = 0x40000000 };
	const uint64_t bytes = 1024 * MIB;
	uint64_t at;

	(void)state;
	os.page = on_demand;
	os.large_pages = true;
	assert_int_equal(set(0, 0x40000000, bytes, 0x40000000), 0);
	os.page = huge;
	for (at = 0; at < bytes; at += MV_MDL_MAX_ENTRIES * 2 * MIB)
		assert_int_equal(memory_fault(&vm, 0x40000000 + at + 5 * PAGE, at % 3),
				 MEMORY_THERE);
	assert_int_equal(hv.calls[FAKE_MAP], 5);
	assert_int_equal(os.large, 512);
	/* One of them goes, and comes back in small pages, that are one piece by chance. */
	fake_invalidate(0x40000000 + 10 * MIB + PAGE, 1);
	assert_int_equal(memory_repair(&vm), 0);
	assert_int_equal(os.large, 511);
	os.large_pages = false;
	assert_int_equal(memory_fault(&vm, 0x40000000 + 10 * MIB, true), MEMORY_THERE);
	assert_int_equal(os.large, 511);
	assert_int_equal(os.pinned, bytes / PAGE);
	/* They become a large page again. */
	fake_invalidate(0x40000000 + 10 * MIB, 512);
	assert_int_equal(memory_repair(&vm), 0);
	os.large_pages = true;
	assert_int_equal(memory_fault(&vm, 0x40000000 + 11 * MIB, true), MEMORY_THERE);
	assert_int_equal(os.large, 512);
	region.flags = KVM_MEM_LOG_DIRTY_PAGES;
	region.memory_size = bytes;
	region.userspace_addr = 0x40000000;
	fake_invalidate(0x40000000 + 16 * MIB, 16 * MIB / PAGE);
	assert_int_equal(memory_repair(&vm), 0);
	assert_int_equal(shim_vm_set_memory(&vm, &region), 0);
	assert_int_equal(memory_fault(&vm, 0x40000000 + 16 * MIB, true), MEMORY_THERE);
	assert_int_equal(os.large, 505);
}

/* What had entries of small pages once is a large page now. */
static void large_instead_of_small(void **state)
{
	uint64_t flags;

	(void)state;
	os.page = scattered;
	os.large_pages = true;
	assert_int_equal(set(0, 4 * MIB, 4 * MIB, 0x40000000), 0);
	fake_invalidate(0x40000000, 2 * MIB / PAGE);
	assert_int_equal(memory_repair(&vm), 0);
	os.page = huge;
	assert_int_equal(memory_fault(&vm, 4 * MIB + 7 * PAGE, true), MEMORY_THERE);
	assert_int_equal(os.large, 1);
	assert_int_equal(os.pinned, 4 * MIB / PAGE);
	/* One that can only be read has one that can be written in its way, which goes. */
	fake_invalidate(0x40000000, 2 * MIB / PAGE);
	assert_int_equal(memory_repair(&vm), 0);
	os.page = holes;
	assert_int_equal(memory_fault(&vm, 4 * MIB + 6 * PAGE, false), MEMORY_THERE);
	assert_int_equal(guest_has(4 * MIB + 7 * PAGE, &flags), 0);
	os.page = huge;
	assert_int_equal(memory_fault(&vm, 4 * MIB + 6 * PAGE, true), MEMORY_THERE);
	assert_int_equal(os.large, 1);
	assert_int_not_equal(guest_has(4 * MIB + 7 * PAGE, &flags), 0);
	assert_true(flags & MV_MAP_FLAG_WRITE_ACCESS);
}

static void invalidate(uint64_t hva, uint64_t pages)
{
	fake_invalidate(hva, pages);
	os.page = elsewhere;
	os.on_fault = NULL;
}

static void repaired(void **state)
{
	uint64_t flags;

	(void)state;
	assert_int_equal(set(0, 4 * MIB, 8 * MIB, 0x40000000), 0);
	assert_int_equal(memory_repair(&vm), 0);
	assert_int_equal(hv.calls[FAKE_UNMAP], 0);
	/* What lies in one piece goes as a whole, and comes back so. */
	invalidate(0x40000000 + 3 * PAGE, 2);
	assert_int_equal(memory_repair(&vm), 0);
	assert_false(os.stale);
	assert_int_equal(os.pinned, 6 * MIB / PAGE);
	assert_int_equal(guest_has(4 * MIB + 3 * PAGE, &flags), 0);
	assert_int_equal(guest_has(4 * MIB + 511 * PAGE, &flags), 0);
	assert_int_equal(guest_has(6 * MIB, &flags), 0x40200000);
	assert_int_equal(memory_fault(&vm, 4 * MIB + 3 * PAGE, true), MEMORY_THERE);
	assert_int_equal(guest_has(4 * MIB + 3 * PAGE, &flags), 0x7040003000);
	assert_int_equal(guest_has(4 * MIB + 4 * PAGE, &flags), 0x7040004000);
	/* Of memory that the guest doesn't have. */
	fake_invalidate(0x10000000, 100);
	assert_false(os.stale);
}

/* Pages that aren't contiguous, and a slot that begins and ends within 2 MiB of the host's. */
static void repaired_one_by_one(void **state)
{
	uint64_t flags;

	(void)state;
	os.page = scattered;
	assert_int_equal(set(0, 4 * MIB, 3 * MIB, 0x40000000 + MIB), 0);
	os.page = NULL;
	fake_invalidate(0x40000000 + MIB + 3 * PAGE, 2);
	assert_int_equal(memory_repair(&vm), 0);
	assert_int_equal(os.pinned, 3 * MIB / PAGE - 2);
	assert_int_equal(guest_has(4 * MIB + 4 * PAGE, &flags), 0);
	assert_int_not_equal(guest_has(4 * MIB + 2 * PAGE, &flags), 0);
	assert_int_not_equal(guest_has(4 * MIB + 5 * PAGE, &flags), 0);
	/* All of it goes and comes back in pieces, of which the first has only half. */
	fake_invalidate(0x40000000 + MIB, 3 * MIB / PAGE);
	assert_int_equal(memory_repair(&vm), 0);
	assert_int_equal(os.pinned, 0);
	assert_int_equal(memory_fault(&vm, 6 * MIB, true), MEMORY_THERE);
	assert_int_equal(memory_fault(&vm, 5 * MIB, true), MEMORY_THERE);
	assert_int_equal(os.pinned, 3 * MIB / PAGE);
	fake_invalidate(0x40000000 + 4 * MIB - PAGE, 1);
	assert_int_equal(memory_repair(&vm), 0);
	assert_int_equal(os.pinned, MIB / PAGE);
	assert_int_equal(guest_has(5 * MIB - PAGE, &flags), 0x40000000 + 2 * MIB - PAGE);
	assert_int_equal(guest_has(5 * MIB, &flags), 0);
}

/* The caller is killed while something happens to the memory; or the hypervisor refuses. */
static void not_repaired(void **state)
{
	(void)state;
	assert_int_equal(set(0, 4 * MIB, 8 * MIB, 0x40000000), 0);
	invalidate(0x40000000, 1);
	os.settle_error = -EINTR;
	assert_int_equal(memory_repair(&vm), -EINTR);
	assert_true(os.stale);
	os.settle_error = 0;
	hv.fail_call = CALL_UNMAP;
	hv.fail_at = 1;
	hv.fail_status = MV_STATUS_FAILURE_UNKNOWN;
	assert_int_equal(memory_repair(&vm), -EIO);
	assert_true(os.stale);
	assert_true(vm.broken);
	assert_int_equal(os.pinned, 8 * MIB / PAGE);
	assert_int_equal(memory_fault(&vm, 5 * MIB, true), -EIO);
}

static void changes_again(uint64_t hva)
{
	invalidate(hva, 1);
	os.stale = false; /* and another vCPU has repaired it */
	os.watches[0].marked = 0;
}

static void slot_goes(uint64_t hva)
{
	(void)hva;
	os.on_fault = NULL;
	os.page = elsewhere;
	assert_int_equal(set(0, 0, 0, 0), 0);
	assert_int_equal(set(0, 4 * MIB, 8 * MIB, 0x40000000), 0);
	os.page = NULL;
}

/* Whatever happens while a page is faulted in, an old page doesn't come into the guest. */
static void races(void **state)
{
	uint64_t flags;

	(void)state;
	os.page = on_demand;
	assert_int_equal(set(0, 4 * MIB, 8 * MIB, 0x40000000), 0);
	os.on_fault = changes_again;
	assert_int_equal(memory_fault(&vm, 4 * MIB, true), MEMORY_THERE);
	assert_int_equal(guest_has(4 * MIB, &flags), 0);
	assert_int_equal(os.pinned, 0);
	os.page = on_demand;
	os.on_fault = slot_goes;
	assert_int_equal(memory_fault(&vm, 4 * MIB, true), MEMORY_THERE);
	assert_int_equal(os.pinned, 8 * MIB / PAGE); /* the new slot's */
	assert_int_equal(memory_fault(&vm, 4 * MIB, true), MEMORY_THERE);
	assert_int_equal(guest_has(4 * MIB, &flags), 0x7040000000);
}

static void fault_errors(void **state)
{
	unsigned int n;

	(void)state;
	os.page = on_demand;
	assert_int_equal(set(0, 4 * MIB, 8 * MIB, 0x40000000), 0);
	os.alloc_fail = 1;
	assert_int_equal(memory_fault(&vm, 4 * MIB, true), -ENOMEM);
	assert_int_equal(os.pinned, 0);
	for (n = 1; n <= 2; n++) {
		os.pin_fail = n;
		os.pin_error = -EINTR;
		assert_int_equal(memory_fault(&vm, 4 * MIB, true), -EINTR);
	}
	hv.fail_call = CALL_MAP;
	hv.fail_at = 1;
	hv.fail_status = MV_STATUS_FAILURE_UNKNOWN;
	assert_int_equal(memory_fault(&vm, 4 * MIB, true), -EINVAL);
	assert_int_equal(os.pinned, 0);
	assert_false(vm.broken);
	assert_int_equal(memory_fault(&vm, 4 * MIB, true), MEMORY_THERE);
}

/* One page may be written now: the same page, or another one. */
static void rights_grow(void **state)
{
	uint64_t flags = 0;

	(void)state;
	os.page = holes;
	assert_int_equal(set(0, 0x10000, 8 * PAGE, 0x200000), 0);
	assert_int_equal(memory_fault(&vm, 0x16000, false), MEMORY_THERE);
	os.page = NULL;
	assert_int_equal(memory_fault(&vm, 0x16000, true), MEMORY_THERE);
	assert_int_equal(guest_has(0x16000, &flags), 0x206000);
	assert_true(flags & MV_MAP_FLAG_WRITE_ACCESS);
}

static void process_is_gone(void **state)
{
	(void)state;
	assert_int_equal(set(0, 4 * MIB, 8 * MIB, 0x40000000), 0);
	assert_int_equal(set(1, 32 * MIB, 8 * MIB, 0x50000000), 0);
	memory_drop_all(&vm);
	assert_int_equal(os.pinned, 0);
	assert_int_equal(hv.num_map, 0);
}

static void nothing_there_is_a_slot_too(void **state)
{
	(void)state;
	os.page = nothing;
	assert_int_equal(set(0, 0x10000, 8 * PAGE, 0x200000), 0);
	assert_int_equal(hv.calls[FAKE_MAP], 0);
	assert_int_equal(set(1, 0x10000, PAGE, 0x200000), -EEXIST);
	assert_int_equal(set(0, 0, 0, 0), 0);
	assert_int_equal(hv.calls[FAKE_UNMAP], 0);
}

static void pin_error_changes_nothing(void **state)
{
	static const int errors[] = { -ENOMEM, -EINTR };
	unsigned int i, n;

	(void)state;
	for (i = 0; i < 2; i++) {
		for (n = 1; n <= 3; n++) {
			os.pin_fail = n;
			os.pin_error = errors[i];
			assert_int_equal(set(0, 0, 6 * MIB, 0x200000), errors[i]);
			assert_int_equal(os.pinned, 0);
			assert_int_equal(hv.calls[FAKE_MAP], 0);
		}
		os.pin_fail = 0;
	}
}

/* No memory for the list of pages, at any moment. */
static void out_of_memory_while_pinning(void **state)
{
	unsigned int n, failed = 0;

	(void)state;
	os.page = scattered;
	for (n = 1; n < 20; n++) {
		os.alloc_fail = n;
		if (!set(0, 0, 1000 * PAGE, 0x200000)) {
			assert_int_equal(set(0, 0, 0, 0), 0);
		} else {
			failed++;
			assert_int_equal(vm.slots.num, 0);
		}
		assert_int_equal(os.pinned, 0);
		assert_int_equal(hv.num_map, 0);
	}
	assert_in_range(failed, 4, 18);
}

static void map_error_is_rolled_back(void **state)
{
	unsigned int n;

	(void)state;
	os.page = scattered;
	for (n = 1; n <= 4; n++) {
		hv.fail_call = CALL_MAP;
		hv.fail_at = n;
		hv.fail_status = MV_STATUS_FAILURE_UNKNOWN;
		assert_int_equal(set(0, 0, 4 * MV_MDL_MAX_ENTRIES * PAGE, 0x200000), -EINVAL);
		assert_int_equal(hv.num_map, 0);
		assert_int_equal(os.pinned, 0);
		assert_false(vm.broken);
	}
	assert_int_equal(set(0, 0, 4 * MV_MDL_MAX_ENTRIES * PAGE, 0x200000), 0);
}

/* The memory stays pinned as long as the guest may have it, and no more is done to the VM. */
static void unmap_error_breaks_the_vm(void **state)
{
	(void)state;
	assert_int_equal(set(0, 0, 4 * PAGE, 0x200000), 0);
	hv.fail_call = CALL_UNMAP;
	hv.fail_at = 1;
	hv.fail_status = MV_STATUS_FAILURE_UNKNOWN;
	assert_int_equal(set(0, 0, 0, 0), -EIO);
	assert_true(vm.broken);
	assert_int_equal(os.pinned, 4);
	assert_int_equal(set(1, 0x100000, PAGE, 0x200000), -EIO);
}

static void unmap_waits_for_the_cpus(void **state)
{
	(void)state;
	assert_int_equal(set(0, 0, 4 * PAGE, 0x200000), 0);
	hv.retries = 12;
	os.pings = 0;
	assert_int_equal(set(0, 0, 0, 0), 0);
	assert_int_equal(os.pings, 12);
	assert_int_equal(os.waits, 12);
	assert_int_equal(hv.calls[FAKE_UNMAP], 13);
	assert_int_equal(os.pinned, 0);
}

static void unmap_gives_up_at_last(void **state)
{
	(void)state;
	assert_int_equal(set(0, 0, 4 * PAGE, 0x200000), 0);
	hv.retries = ~0U;
	assert_int_equal(set(0, 0, 0, 0), -EIO);
	assert_int_equal(os.pinned, 4);
	hv.retries = 0;
	hv.waiting = false;
}

static void no_shared_page(void **state)
{
	(void)state;
	os.no_shared_page = true;
	assert_int_equal(set(0, 0, PAGE, 0x200000), -ENODEV);
	os.no_shared_page = false;
	assert_int_equal(os.pinned, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(contiguous_is_one_entry),
		TEST(two_gib_of_huge_pages),
		TEST(large_pages),
		TEST(large_pages_askew),
		TEST(lists_are_full),
		TEST(entries_are_counted),
		TEST(no_list_is_too_long),
		TEST(holes_come_when_needed),
		TEST(around),
		TEST(around_large),
		TEST(large_instead_of_small),
		TEST(repaired),
		TEST(repaired_one_by_one),
		TEST(not_repaired),
		TEST(races),
		TEST(fault_errors),
		TEST(rights_grow),
		TEST(process_is_gone),
		TEST(nothing_there_is_a_slot_too),
		TEST(pin_error_changes_nothing),
		TEST(out_of_memory_while_pinning),
		TEST(map_error_is_rolled_back),
		TEST(unmap_error_breaks_the_vm),
		TEST(unmap_waits_for_the_cpus),
		TEST(unmap_gives_up_at_last),
		TEST(no_shared_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
