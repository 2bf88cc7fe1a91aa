// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KVM_SET_USER_MEMORY_REGION: the rules and errors of Linux 6.1, and the ordered table of
 * slots. An operation that fails leaves everything as it was.
 */
#include "array.h"
#include "dirty.h"
#include "memory.h"
#include "slots.h"

/* KVM_MEM_MAX_NR_PAGES: page numbers inside a slot fit into 31 bits. */
#define SLOT_MAX_PAGES ((1ULL << 31) - 1)
#define SLOT_ID_MASK 0xFFFFU

typedef uint64_t (*slot_key)(const struct slot *slot);

static uint64_t key_gpa(const struct slot *slot)
{
	return slot->gpa;
}

static uint64_t key_id(const struct slot *slot)
{
	return slot->id;
}

static uint64_t slot_end(const struct slot *slot)
{
	return slot->gpa + slot->pages * MV_PAGE_SIZE;
}

/* The first index whose key is not below `value`. */
static size_t lower_bound(struct slot *const *slots, size_t num, slot_key key, uint64_t value)
{
	size_t low = 0, high = num;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (key(slots[mid]) < value)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void order_insert(struct slot **slots, size_t num, slot_key key, struct slot *slot)
{
	size_t at = lower_bound(slots, num, key, key(slot));

	/* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are meant */
	memmove(&slots[at + 1], &slots[at], (num - at) * sizeof(*slots));
	slots[at] = slot;
}

static void order_remove(struct slot **slots, size_t num, slot_key key, const struct slot *slot)
{
	size_t at = lower_bound(slots, num, key, key(slot));

	/* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are meant */
	memmove(&slots[at], &slots[at + 1], (num - at - 1) * sizeof(*slots));
}

static int table_reserve(struct slot_table *table)
{
	size_t max = table->max;
	int ret;

	ret = array_reserve((void **)&table->by_gpa, &max, table->num + 1, sizeof(struct slot *));
	if (ret)
		return ret;
	/* When this fails by_gpa is only larger than it needs to be. */
	return array_reserve((void **)&table->by_id, &table->max, table->num + 1,
			     sizeof(struct slot *));
}

/* Read by vCPUs: see run.c. */
static void generation_next(struct slot_table *table)
{
	__atomic_store_n(&table->generation, table->generation + 1, __ATOMIC_RELEASE);
}

static void table_insert(struct slot_table *table, struct slot *slot)
{
	order_insert(table->by_gpa, table->num, key_gpa, slot);
	order_insert(table->by_id, table->num, key_id, slot);
	table->num++;
	generation_next(table);
}

static void table_remove(struct slot_table *table, struct slot *slot)
{
	order_remove(table->by_gpa, table->num, key_gpa, slot);
	order_remove(table->by_id, table->num, key_id, slot);
	table->num--;
	generation_next(table);
}

static void table_move(struct slot_table *table, struct slot *slot, uint64_t gpa)
{
	order_remove(table->by_gpa, table->num, key_gpa, slot);
	slot->gpa = gpa;
	order_insert(table->by_gpa, table->num - 1, key_gpa, slot);
	generation_next(table);
}

struct slot *slots_find_id(const struct slot_table *table, uint32_t id)
{
	size_t at = lower_bound(table->by_id, table->num, key_id, id);

	return at < table->num && table->by_id[at]->id == id ? table->by_id[at] : NULL;
}

struct slot *slots_find_gpa(const struct slot_table *table, uint64_t gpa)
{
	size_t at = lower_bound(table->by_gpa, table->num, key_gpa, gpa + 1);

	if (!at || slot_end(table->by_gpa[at - 1]) <= gpa)
		return NULL;
	return table->by_gpa[at - 1];
}

/* Does a slot other than `except` reach into [gpa, end)? */
static bool table_overlaps(const struct slot_table *table, const struct slot *except, uint64_t gpa,
			   uint64_t end)
{
	size_t at = lower_bound(table->by_gpa, table->num, key_gpa, gpa);

	/* Of the slots before `at` only the last, not counting `except`, can reach so far. */
	at -= at < 2 ? at : 2;
	for (; at < table->num && table->by_gpa[at]->gpa < end; at++) {
		if (table->by_gpa[at] != except && slot_end(table->by_gpa[at]) > gpa)
			return true;
	}
	return false;
}

/* One that has no memory any more. */
static void slot_free(struct shim_vm *vm, struct slot *slot)
{
	if (slot->watch)
		platform_unwatch(vm->os, slot->watch);
	dirty_stop(slot);
	platform_free(slot);
}

static int slot_create(struct shim_vm *vm, const struct kvm_userspace_memory_region *region)
{
	struct slot *slot;
	int ret;

	ret = table_reserve(&vm->slots);
	if (ret)
		return ret;
	slot = platform_alloc(sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	slot->id = region->slot;
	slot->flags = region->flags;
	slot->gpa = region->guest_phys_addr;
	slot->hva = region->userspace_addr;
	slot->pages = region->memory_size / MV_PAGE_SIZE;
	slot->serial = ++vm->slots.serial;

	slot->watch = platform_watch(vm->os, slot, slot->hva, slot->pages);
	ret = slot->watch ? memory_pin(vm, slot) : -ENOMEM;
	if (ret)
		goto free;
	ret = memory_map(vm, slot);
	if (!ret && slot->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		ret = dirty_start(vm, slot, true);
		if (ret)
			memory_unmap(vm, slot);
	}
	if (ret && !vm->broken)
		goto unpin;

	/* In a broken VM the guest may still have some of it: it stays pinned to the end. */
	table_insert(&vm->slots, slot);
	platform_guest_kick(vm->os);
	return ret;

unpin:
	memory_unpin(vm, slot);
free:
	slot_free(vm, slot);
	return ret;
}

static int slot_delete(struct shim_vm *vm, struct slot *slot)
{
	int ret = memory_unmap(vm, slot);

	if (ret)
		return ret;
	table_remove(&vm->slots, slot);
	memory_unpin(vm, slot);
	slot_free(vm, slot);
	return 0;
}

static int slot_set_flags(struct shim_vm *vm, struct slot *slot, uint32_t flags)
{
	int ret = 0;

	if (!(flags & KVM_MEM_LOG_DIRTY_PAGES))
		dirty_stop(slot);
	else if (!slot->dirty)
		ret = dirty_start(vm, slot, false);
	if (!ret)
		slot->flags = flags;
	return ret;
}

/* A log is exact from the start where large entries are split before anybody writes. When that
 * isn't possible now the first log tells too many pages, but none too few. */
static int map_again(struct shim_vm *vm, struct slot *slot)
{
	int ret = memory_map(vm, slot);

	if (!ret && slot->dirty)
		dirty_sync(vm, slot);
	return ret;
}

/*
 * Old and new place may overlap, so the memory is nowhere for a moment; as on KVM. The log goes
 * with it: what was written at the old place, and from now on at the new one. One that is to end
 * ends when nothing can fail any more.
 */
static int slot_move(struct shim_vm *vm, struct slot *slot, uint64_t gpa, uint32_t flags)
{
	const bool starts = flags & KVM_MEM_LOG_DIRTY_PAGES && !slot->dirty;
	uint64_t old = slot->gpa;
	int ret = starts ? dirty_start(vm, slot, false) : 0;

	if (!ret && slot->dirty)
		ret = dirty_sync(vm, slot);
	if (!ret)
		ret = memory_unmap(vm, slot);
	if (ret)
		goto stop;
	table_move(&vm->slots, slot, gpa);
	platform_guest_kick(vm->os);
	ret = map_again(vm, slot);
	if (!ret)
		return slot_set_flags(vm, slot, flags);
	if (vm->broken)
		return ret;

	table_move(&vm->slots, slot, old);
	if (map_again(vm, slot))
		vm->broken = true;
stop:
	if (starts)
		dirty_stop(slot);
	return ret;
}

/* Highest guest-physical address of this machine, as for kvm_mmu_max_gfn(). */
static uint64_t gpa_max(void)
{
	uint32_t regs[4];

	platform_cpuid(0x80000008, 0, regs);
	return (1ULL << (regs[0] & 0xFF)) - 1;
}

static int region_check(const struct kvm_userspace_memory_region *region)
{
	const uint64_t offset = MV_PAGE_SIZE - 1;

	if (region->flags & ~(uint32_t)(KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES))
		return -EINVAL;
	if ((region->memory_size | region->guest_phys_addr | region->userspace_addr) & offset)
		return -EINVAL;
	if (!platform_user_range_ok(region->userspace_addr, region->memory_size))
		return -EINVAL;
	/* Bits 31:16 are the address space: there is only one (no KVM_CAP_MULTI_ADDRESS_SPACE). */
	if (region->slot & ~SLOT_ID_MASK || region->slot >= SHIM_MAX_SLOTS)
		return -EINVAL;
	if (region->guest_phys_addr + region->memory_size < region->guest_phys_addr)
		return -EINVAL;
	if (region->memory_size / MV_PAGE_SIZE > SLOT_MAX_PAGES)
		return -EINVAL;
	return 0;
}

int shim_vm_set_memory(struct shim_vm *vm, const struct kvm_userspace_memory_region *region)
{
	const uint64_t gpa = region->guest_phys_addr, end = gpa + region->memory_size;
	struct slot *old;
	int ret;

	if (vm->broken)
		return -EIO;
	ret = region_check(region);
	if (ret)
		return ret;

	old = slots_find_id(&vm->slots, region->slot);
	if (!region->memory_size)
		return old ? slot_delete(vm, old) : -EINVAL;
	if (old && (region->userspace_addr != old->hva ||
		    region->memory_size / MV_PAGE_SIZE != old->pages ||
		    (region->flags ^ old->flags) & KVM_MEM_READONLY))
		return -EINVAL;
	if (old && gpa == old->gpa)
		return slot_set_flags(vm, old, region->flags);
	if (table_overlaps(&vm->slots, old, gpa, end))
		return -EEXIST;
	if (end - 1 > gpa_max())
		return -EINVAL;
	return old ? slot_move(vm, old, gpa, region->flags) : slot_create(vm, region);
}

void slots_free(struct shim_vm *vm)
{
	struct slot_table *table = &vm->slots;
	size_t i;

	for (i = 0; i < table->num; i++) {
		memory_unpin(vm, table->by_gpa[i]);
		slot_free(vm, table->by_gpa[i]);
	}
	platform_free(table->by_gpa);
	platform_free(table->by_id);
	memset(table, 0, sizeof(*table));
}
