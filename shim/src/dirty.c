// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The dirty log. The hypervisor has a bit for each mapped page, which it tells and forgets;
 * what was told and user space doesn't know yet is in slot->dirty.
 *
 * User space's own writes don't count, nor does what a vCPU writes to a slot while it is moved
 * (KVM would say at which of the two places).
 */
#include "dirty.h"
#include "hypercall.h"
#include "pool.h"
#include "slots.h"

#define WORD_BITS 64U
#define SLOT_ID_MASK 0xFFFFU

static size_t bitmap_words(uint64_t pages)
{
	return (size_t)((pages + WORD_BITS - 1) / WORD_BITS);
}

/* Words of the hypervisor's, of the pages from `first` on, which is a multiple of 64. */
static void take_words(struct slot *slot, uint64_t first, const uint64_t *words, size_t count)
{
	const uint64_t start = slot->gpa / MV_PAGE_SIZE;
	uint64_t word, page;
	size_t i;

	for (i = 0; i < count; i++) {
		for (word = words[i]; word; word &= word - 1) {
			page = first + i * WORD_BITS + (uint64_t)__builtin_ctzll(word) - start;
			if (page < slot->pages)
				slot->dirty[page / WORD_BITS] |= 1ULL << page % WORD_BITS;
		}
	}
}

/* [gpa, gpa + bytes), which fits into one page of bits. */
static int sync_piece(struct shim_vm *vm, struct slot *slot, uint64_t gpa, uint64_t bytes)
{
	const uint64_t first = gpa / MV_PAGE_SIZE / WORD_BITS * WORD_BITS;
	mv_status_t status;
	uint64_t wanted;

	do {
		status = hypercall_dirty_log(vm->vmid, gpa, bytes, vm->dirty, &wanted);
	} while (pool_refill(vm, status, wanted));
	if (status == MV_STATUS_SUCCESS)
		take_words(slot, first, vm->dirty,
			   bitmap_words((gpa + bytes) / MV_PAGE_SIZE - first));
	return hypercall_errno(status);
}

static int sync_pages(struct shim_vm *vm, struct slot *slot, uint64_t page, uint64_t pages)
{
	uint64_t gpa = slot->gpa + page * MV_PAGE_SIZE, end = gpa + pages * MV_PAGE_SIZE, next;
	int ret = 0;

	/* Nobody can write there, and large entries may stay. */
	if (slot->flags & KVM_MEM_READONLY)
		return 0;
	for (; gpa < end && !ret; gpa = next) {
		next = (gpa / MV_DIRTY_LOG_MAX_BYTES + 1) * MV_DIRTY_LOG_MAX_BYTES;
		if (next > end)
			next = end;
		platform_yield();
		ret = sync_piece(vm, slot, gpa, next - gpa);
	}
	return ret ? ret : hypercall_errno(hypercall_quiesce(vm->vmid));
}

int dirty_sync(struct shim_vm *vm, struct slot *slot)
{
	return sync_pages(vm, slot, 0, slot->pages);
}

static void bitmap_set(struct slot *slot, uint64_t page, uint64_t pages)
{
	for (; pages; page++, pages--)
		slot->dirty[page / WORD_BITS] |= 1ULL << page % WORD_BITS;
}

void dirty_sync_all(struct shim_vm *vm, struct slot *slot, uint64_t page, uint64_t pages)
{
	if (sync_pages(vm, slot, page, pages))
		bitmap_set(slot, page, pages);
}

int dirty_start(struct shim_vm *vm, struct slot *slot, bool fresh)
{
	const size_t bytes = bitmap_words(slot->pages) * sizeof(*slot->dirty);
	int ret;

	slot->dirty = platform_alloc(bytes);
	if (!slot->dirty)
		return -ENOMEM;
	ret = dirty_sync(vm, slot);
	if (ret) {
		dirty_stop(slot);
		return ret;
	}
	if (!fresh)
		memset(slot->dirty, 0, bytes);
	if (vm->caps.dirty_log & KVM_DIRTY_LOG_INITIALLY_SET)
		bitmap_set(slot, 0, slot->pages);
	return 0;
}

void dirty_stop(struct slot *slot)
{
	platform_free(slot->dirty);
	slot->dirty = NULL;
}

static int find_log(const struct shim_vm *vm, uint32_t id, struct slot **slot)
{
	if (id & ~SLOT_ID_MASK || id >= SHIM_MAX_SLOTS)
		return -EINVAL;
	*slot = slots_find_id(&vm->slots, id);
	return *slot && (*slot)->dirty ? 0 : -ENOENT;
}

int shim_vm_get_dirty_log(struct shim_vm *vm, uint32_t id, const void **bitmap, size_t *bytes)
{
	struct slot *slot;
	int ret = vm->broken ? -EIO : find_log(vm, id, &slot);

	if (!ret)
		ret = dirty_sync(vm, slot);
	if (ret)
		return ret;
	*bitmap = slot->dirty;
	*bytes = bitmap_words(slot->pages) * sizeof(*slot->dirty);
	return 0;
}

void shim_vm_dirty_log_told(struct shim_vm *vm, uint32_t id)
{
	struct slot *slot;

	if (!vm->caps.dirty_log && !find_log(vm, id, &slot))
		memset(slot->dirty, 0, bitmap_words(slot->pages) * sizeof(*slot->dirty));
}

/* As KVM's: a part of the last 64 pages only where the slot ends. */
long shim_vm_clear_dirty_log_bytes(struct shim_vm *vm, const struct kvm_clear_dirty_log *clear)
{
	struct slot *slot;
	uint64_t left;
	int ret;

	if (clear->first_page % WORD_BITS)
		return -EINVAL;
	ret = vm->broken ? -EIO : find_log(vm, clear->slot, &slot);
	if (ret)
		return ret;
	left = clear->first_page <= slot->pages ? slot->pages - clear->first_page : 0;
	if (clear->first_page > slot->pages || clear->num_pages > left ||
	    (clear->num_pages < left && clear->num_pages % WORD_BITS))
		return -EINVAL;
	return (long)(bitmap_words(clear->num_pages) * sizeof(*slot->dirty));
}

int shim_vm_clear_dirty_log(struct shim_vm *vm, const struct kvm_clear_dirty_log *clear,
			    const uint64_t *bitmap)
{
	const long bytes = shim_vm_clear_dirty_log_bytes(vm, clear);
	struct slot *slot;
	size_t i, first = (size_t)(clear->first_page / WORD_BITS);
	int ret;

	if (bytes <= 0)
		return (int)bytes;
	ret = find_log(vm, clear->slot, &slot);
	if (!ret)
		ret = sync_pages(vm, slot, clear->first_page, clear->num_pages);
	for (i = 0; !ret && i < (size_t)bytes / sizeof(*bitmap); i++)
		slot->dirty[first + i] &= ~bitmap[i];
	return ret;
}
