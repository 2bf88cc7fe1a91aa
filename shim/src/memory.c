// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The memory behind slots, which follows the host's page tables as KVM's does. A page that a
 * guest has is pinned, so that it stays what it is until it has been unmapped; the platform
 * tells (platform_watch) which parts of a slot are about to change, and keeps vCPUs out of
 * their guests until memory_repair() has unmapped those. What isn't mapped is a hole: the
 * guest's access comes here, and memory_fault() finds out whether it is memory at all, faults
 * the page in, and maps it with what is there around it. A new slot has what is there already,
 * so that memory that was prepared is mapped at once, in large entries.
 *
 * How a page that was pinned before an invalidation doesn't come into the tables after it: the
 * invalidation's end changes platform_memory_seq(), and what it marks isn't repaired before.
 *
 * Device memory of the host can't be pinned: the guest's access ends KVM_RUN with EFAULT.
 */
#include "memory.h"
#include "dirty.h"
#include "hypercall.h"
#include "pages.h"
#include "pool.h"
#include "slots.h"

/* Takes over pages[0 .. count), which were pinned for writing, from `page` on; how many. */
static uint64_t pages_take(struct shim_vm *vm, struct slot *slot, uint64_t page,
			   const uint64_t *pages, uint64_t count)
{
	uint64_t i, taken;

	for (i = 0; i < count; i++) {
		if (entry_set(slot, page + i, pages[i] | ENTRY_THERE | ENTRY_WRITABLE))
			break;
	}
	for (taken = i; i < count; i++)
		platform_unpin(vm->os, pages[i], 1, false);
	return taken;
}

/* Pins what is there from `page` on, up to the first that isn't; how many, or -ENOMEM, -EINTR. */
static int64_t pin_there(struct shim_vm *vm, struct slot *slot, uint64_t page, uint64_t pages)
{
	int ret;
	uint64_t taken;

	if (!pages)
		return 0;
	ret = platform_pin_there(vm->os, slot->hva + page * MV_PAGE_SIZE, pages, vm->pages);
	if (ret <= 0)
		return ret;
	taken = pages_take(vm, slot, page, vm->pages, (uint64_t)ret);
	return taken == (uint64_t)ret ? ret : -ENOMEM;
}

/* A block in one piece, pinned as one if it is a large page of the host's: 512, 0 or -EINTR. */
static int64_t pin_large(struct shim_vm *vm, struct slot *slot, uint64_t page)
{
	uint64_t spa;
	int ret;

	if (!block_is_free(slot, page))
		return 0;
	ret = platform_pin_large(vm->os, slot->hva + page * MV_PAGE_SIZE, &spa);
	if (ret <= 0)
		return ret;
	piece_set(slot, page, spa | ENTRY_THERE | ENTRY_WRITABLE | ENTRY_LARGE);
	return BLOCK_PAGES;
}

/* Where nothing is at the beginning of a block, nothing is expected behind it. */
int memory_pin(struct shim_vm *vm, struct slot *slot)
{
	uint64_t page = 0, left;
	int64_t ret = 0;

	if (blocks_alloc(slot))
		return -ENOMEM;
	while (ret >= 0 && page < slot->pages) {
		left = least(left_in_block(slot, page), slot->pages - page);
		ret = pin_large(vm, slot, page);
		if (!ret) {
			ret = pin_there(vm, slot, page, left);
			if (ret > 0)
				blocks_merge(slot, page, page + (uint64_t)ret);
		}
		page += ret > 0 ? (uint64_t)ret : left;
	}
	if (ret < 0)
		memory_unpin(vm, slot);
	return ret < 0 ? (int)ret : 0;
}

/* In one block. */
static void unpin_block(struct shim_vm *vm, struct slot *slot, uint64_t page, uint64_t end)
{
	struct run run;
	uint64_t i;

	for (; run_next(slot, page, end, ~0ULL, &run); page = run.page + run.pages) {
		for (i = 0; i < run.pages; i += entry_clear(slot, run.page + i))
			;
		if (run.large)
			platform_unpin_large(vm->os, run.spa, run.writable);
		else
			platform_unpin(vm->os, run.spa, run.pages, run.writable);
	}
}

static void unpin_range(struct shim_vm *vm, struct slot *slot, uint64_t page, uint64_t end)
{
	uint64_t next;

	for (; page < end; page = next) {
		next = least(page + left_in_block(slot, page), end);
		unpin_block(vm, slot, page, next);
	}
}

void memory_unpin(struct shim_vm *vm, struct slot *slot)
{
	if (!slot->blocks)
		return;
	unpin_range(vm, slot, 0, slot->pages);
	blocks_free(slot);
}

static uint64_t run_flags(const struct slot *slot, const struct run *run)
{
	return MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_EXECUTE_ACCESS | MV_MAP_FLAG_WRITE_BACK |
	       (run->writable && !(slot->flags & KVM_MEM_READONLY) ? MV_MAP_FLAG_WRITE_ACCESS : 0);
}

/* Where guest and host addresses are in step the hypervisor uses the largest entries that fit. */
static uint64_t large_entries(uint64_t dst, uint64_t src, uint64_t bytes)
{
	const uint64_t first = (dst + LARGE - 1) / LARGE * LARGE;

	return (dst ^ src) % LARGE || first >= dst + bytes ? 0 : (dst + bytes - first) / LARGE;
}

static uint64_t small_entries(uint64_t dst, uint64_t src, uint64_t bytes)
{
	return (bytes - large_entries(dst, src, bytes) * LARGE) / MV_PAGE_SIZE;
}

static void count_entries(const struct mv_mdl_entry_t *e)
{
	__atomic_fetch_add(&shim_stats.entries_2m, large_entries(e->dst, e->src, e->bytes),
			   __ATOMIC_RELAXED);
	__atomic_fetch_add(&shim_stats.entries_4k, small_entries(e->dst, e->src, e->bytes),
			   __ATOMIC_RELAXED);
}

/* What a list is made of: runs in [page, end) of a slot. */
struct part {
	const struct slot *slot;
	uint64_t page, end;
	uint64_t most; /* pages of one run */
};

/* Fills in vm->mdl as far as one list goes: how many entries, and the page behind them. */
static size_t list_fill(struct shim_vm *vm, const struct part *part, uint64_t *next)
{
	const struct slot *slot = part->slot;
	uint64_t entries = 0;
	struct run run;
	size_t n;

	*next = part->page;
	for (n = 0; n < MV_MDL_MAX_ENTRIES; n++) {
		struct mv_mdl_entry_t *e = &vm->mdl[n];

		if (!run_next(slot, *next, part->end, part->most, &run))
			break;
		*e = (struct mv_mdl_entry_t){
			.dst = slot->gpa + run.page * MV_PAGE_SIZE,
			.src = run.spa,
			.bytes = run.pages * MV_PAGE_SIZE,
			.flags = run_flags(slot, &run),
		};
		entries += small_entries(e->dst, e->src, e->bytes);
		if (n && entries > LIST_ENTRIES)
			break;
		*next = run.page + run.pages;
	}
	return n;
}

/* One list, with more pages donated as needed: 1 when it was the last one, or there was none. */
static int list_send(struct shim_vm *vm, unsigned int idx, const struct part *part, uint64_t *next)
{
	mv_status_t status;
	uint64_t wanted;
	size_t i, count;

	do {
		count = list_fill(vm, part, next);
		if (!count)
			return 1;
		if (idx == MV_VM_OP_MMIO_MAP_IDX_VAL)
			__atomic_fetch_add(&shim_stats.hypercalls_map, 1, __ATOMIC_RELAXED);
		status = hypercall_mdl(idx, vm->vmid, vm->mdl, count, &wanted);
	} while (pool_refill(vm, status, wanted));
	if (idx == MV_VM_OP_MMIO_MAP_IDX_VAL && status == MV_STATUS_SUCCESS) {
		for (i = 0; i < count; i++)
			count_entries(&vm->mdl[i]);
	}
	return hypercall_errno(status);
}

/* All of it in as few lists as there can be. part->page: what has been done when it fails. */
static int part_send(struct shim_vm *vm, unsigned int idx, struct part *part)
{
	uint64_t next;
	int ret;

	for (;; part->page = next) {
		platform_yield();
		ret = list_send(vm, idx, part, &next);
		if (ret)
			return ret < 0 ? ret : 0;
	}
}

static int unmap_range(struct shim_vm *vm, const struct slot *slot, uint64_t page, uint64_t end)
{
	struct part part = { slot, page, end, ~0ULL };

	if (!part_send(vm, MV_VM_OP_MMIO_UNMAP_IDX_VAL, &part))
		return 0;
	platform_log("VM %u: slot %u could not be unmapped", vm->vmid, slot->id);
	vm->broken = true;
	return -EIO;
}

/* `most`: pages that may become one entry. */
static int map_range(struct shim_vm *vm, const struct slot *slot, uint64_t page, uint64_t end,
		     uint64_t most)
{
	struct part part = { slot, page, end, most };
	int ret = part_send(vm, MV_VM_OP_MMIO_MAP_IDX_VAL, &part);

	if (ret)
		unmap_range(vm, slot, page, part.page);
	return ret;
}

int memory_map(struct shim_vm *vm, const struct slot *slot)
{
	return map_range(vm, slot, 0, slot->pages, ~0ULL);
}

int memory_unmap(struct shim_vm *vm, const struct slot *slot)
{
	return unmap_range(vm, slot, 0, slot->pages);
}

/* ---- holes ---- */

/* An access to a hole, and what it depends on. */
struct hole {
	struct slot *slot;
	uint64_t page, serial, seq;
};

/* Is there a hole? 0 with *hole; or the answer of memory_fault(). */
static int hole_find(struct shim_vm *vm, uint64_t gpa, bool write, struct hole *hole)
{
	struct slot *slot = slots_find_gpa(&vm->slots, gpa);
	uint64_t entry;

	if (!slot || (write && slot->flags & KVM_MEM_READONLY))
		return MEMORY_DEVICE;
	*hole = (struct hole){
		.slot = slot,
		.page = (gpa - slot->gpa) / MV_PAGE_SIZE,
		.serial = slot->serial,
		.seq = platform_memory_seq(vm->os),
	};
	entry = entry_of(slot, hole->page);
	return entry && (!write || entry & ENTRY_WRITABLE) ? MEMORY_THERE : 0;
}

/* The part of [page, end) from `page` on, or up to `page`, where nothing is. */
static uint64_t holes_up(const struct slot *slot, uint64_t page, uint64_t end)
{
	uint64_t n = 0;

	while (page + n < end && !entry_of(slot, page + n))
		n++;
	return n;
}

static uint64_t holes_down(const struct slot *slot, uint64_t first, uint64_t page)
{
	uint64_t n = 0;

	while (page - n > first && !entry_of(slot, page - n - 1))
		n++;
	return n;
}

/*
 * Pins what is there around a page, in the same 2 MiB of the guest, so that a huge page is
 * mapped at once. [*first, *end): where there was nothing before.
 */
static void pin_around(struct shim_vm *vm, struct slot *slot, uint64_t page, uint64_t *first,
		       uint64_t *end)
{
	const uint64_t skew = slot->gpa / MV_PAGE_SIZE % BLOCK_PAGES;
	uint64_t start = (page + skew) / BLOCK_PAGES * BLOCK_PAGES,
		 stop = start + BLOCK_PAGES - skew;

	start = start > skew ? start - skew : 0;
	*first = page - holes_down(slot, start, page);
	*end = page + 1 + holes_up(slot, page + 1, stop < slot->pages ? stop : slot->pages);
	/* What can't be had isn't missed. */
	pin_there(vm, slot, *first, page - *first);
	pin_there(vm, slot, page + 1, *end - page - 1);
}

/*
 * Pins the large page around a page, and those behind it that are there, as many as one list
 * takes; false: there is none. A log tells pages of 4 KiB, and those aren't cheap.
 */
static bool pin_large_around(struct shim_vm *vm, struct slot *slot, uint64_t page, uint64_t *first,
			     uint64_t *end)
{
	const uint64_t most = slot->dirty ? 1 : MV_MDL_MAX_ENTRIES,
		       before = BLOCK_PAGES - left_in_block(slot, page);
	uint64_t n = 0;

	if (before > page)
		return false;
	*first = *end = page - before;
	for (; n < most && *end < slot->pages && pin_large(vm, slot, *end) > 0; n++)
		*end += BLOCK_PAGES;
	return n;
}

/* Takes over the pinned page `entry`, or the large page that it is of, with what is there around.
 * [*first, *end): where there was nothing before. 0 or -errno. */
static int hole_pin(struct shim_vm *vm, const struct hole *hole, uint64_t entry, uint64_t *first,
		    uint64_t *end)
{
	struct slot *slot = hole->slot;
	int ret = 0;

	/* Another page, or more rights to the same: the old entry goes first. */
	if (entry_of(slot, hole->page))
		ret = memory_drop(vm, slot, hole->page, 1);
	if (!ret && entry & ENTRY_WRITABLE && pin_large_around(vm, slot, hole->page, first, end)) {
		platform_unpin(vm->os, entry & ~ENTRY_FLAGS, 1, false);
		return 0;
	}
	ret = ret ? ret : entry_set(slot, hole->page, entry);
	if (ret) {
		platform_unpin(vm->os, entry & ~ENTRY_FLAGS, 1, false);
		return ret;
	}
	*first = hole->page;
	*end = hole->page + 1;
	if (entry & ENTRY_WRITABLE)
		pin_around(vm, slot, hole->page, first, end);
	return 0;
}

/* Takes over the pinned page `entry`, and maps it. 0 or -errno. */
static int hole_fill(struct shim_vm *vm, const struct hole *hole, uint64_t entry)
{
	struct slot *slot = hole->slot;
	uint64_t first, end;
	int ret = hole_pin(vm, hole, entry, &first, &end);

	if (ret)
		return ret;
	/* A log tells pages of 4 KiB. */
	ret = map_range(vm, slot, first, end, slot->dirty ? 1 : ~0ULL);
	if (!ret)
		blocks_merge(slot, first, end);
	else if (!vm->broken)
		unpin_range(vm, slot, first, end);
	return ret;
}

/* With the lock. The page that is there already; 0: it must be faulted in. */
static int fill_at_once(struct shim_vm *vm, const struct hole *hole)
{
	const uint64_t hva = hole->slot->hva + hole->page * MV_PAGE_SIZE;
	uint64_t spa;
	int ret = platform_pin_there(vm->os, hva, 1, &spa);

	if (ret == 1)
		ret = hole_fill(vm, hole, spa | ENTRY_THERE | ENTRY_WRITABLE);
	else
		return ret;
	return ret ? ret : MEMORY_THERE;
}

/* With the lock, and a page that was pinned without. If it isn't any more what the hole needs, or
 * the hole is none, the guest tries once more. */
static int fill_later(struct shim_vm *vm, uint64_t gpa, bool write, const struct hole *old,
		      uint64_t entry)
{
	struct hole hole;
	int ret = vm->broken ? -EIO : hole_find(vm, gpa, write, &hole);

	if (!ret && hole.serial == old->serial && hole.page == old->page && hole.seq == old->seq)
		ret = hole_fill(vm, &hole, entry);
	else
		platform_unpin(vm->os, entry & ~ENTRY_FLAGS, 1, false);
	return ret < 0 ? ret : MEMORY_THERE;
}

int memory_fault(struct shim_vm *vm, uint64_t gpa, bool write)
{
	struct hole hole;
	bool writable;
	uint64_t hva = 0, spa;
	int ret;

	platform_vm_lock(vm->os);
	ret = vm->broken ? -EIO : hole_find(vm, gpa, write, &hole);
	if (!ret) {
		hva = hole.slot->hva + hole.page * MV_PAGE_SIZE;
		ret = fill_at_once(vm, &hole);
	}
	platform_vm_unlock(vm->os);
	if (ret)
		return ret;
	ret = platform_pin_fault(vm->os, hva, write, &spa, &writable);
	if (ret)
		return ret;
	platform_vm_lock(vm->os);
	ret = fill_later(vm, gpa, write, &hole,
			 spa | ENTRY_THERE | (writable ? ENTRY_WRITABLE : 0));
	platform_vm_unlock(vm->os);
	return ret;
}

/* ---- what changes ---- */

int memory_drop(struct shim_vm *vm, struct slot *slot, uint64_t page, uint64_t pages)
{
	uint64_t end = page + pages;
	struct run run;
	int ret;

	if (!run_next(slot, page, end, 1, &run))
		return 0;
	pieces_include(slot, &page, &end);
	if (slot->dirty)
		dirty_sync_all(vm, slot, page, end - page);
	ret = unmap_range(vm, slot, page, end);
	if (!ret)
		unpin_range(vm, slot, page, end);
	return ret;
}

void memory_drop_all(struct shim_vm *vm)
{
	size_t i;

	for (i = 0; i < vm->slots.num && !vm->broken; i++)
		memory_drop(vm, vm->slots.by_gpa[i], 0, vm->slots.by_gpa[i]->pages);
}

/* vCPUs stay out until all of it is done. */
int memory_repair(struct shim_vm *vm)
{
	uint64_t page, pages;
	void *slot;
	int ret;

	if (!platform_memory_stale(vm->os))
		return 0;
	ret = platform_memory_settle(vm->os);
	if (ret)
		return ret;
	platform_vm_lock(vm->os);
	while (!ret && platform_memory_take(vm->os, &slot, &page, &pages))
		ret = vm->broken ? -EIO : memory_drop(vm, slot, page, pages);
	if (!ret)
		platform_memory_repaired(vm->os);
	platform_vm_unlock(vm->os);
	return ret;
}
