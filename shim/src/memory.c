// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KVM follows the host's page tables while the guest runs. We pin a slot's memory when the
 * slot is made and map it as it is then. So it differs from KVM where user space changes
 * the mapping under a slot (munmap, MADV_DONTNEED, mmap over it): the guest keeps the pages
 * it had. What can't be pinned (holes, PROT_NONE, device memory, behind the end of a file)
 * is left out; the guest's access to it ends KVM_RUN with EFAULT as on KVM.
 *
 * What a read-only slot shows is pinned for writing, too, where that is possible: else user
 * space's first write could give it another page than the guest has.
 */
#include "memory.h"
#include "array.h"
#include "hypercall.h"
#include "pool.h"

#define LARGE (512 * MV_PAGE_SIZE)
/* Most nested entries that one hypercall changes, with interrupts off: a few milliseconds. */
#define LIST_ENTRIES 16384U

/* A run that has become long ends where a large entry could begin; large ones cost nothing. */
static bool is_full(const struct slot *slot, const struct slot_run *run)
{
	const uint64_t gpa = slot->gpa + run->page * MV_PAGE_SIZE;

	return (gpa ^ run->spa) % LARGE && run->pages >= LIST_ENTRIES &&
	       (gpa + run->pages * MV_PAGE_SIZE) % LARGE == 0;
}

static int run_append(struct slot *slot, const struct slot_run *run)
{
	struct slot_run *last = slot->num_runs ? &slot->runs[slot->num_runs - 1] : NULL;
	int ret;

	if (last && last->page + last->pages == run->page && last->writable == run->writable &&
	    last->spa + last->pages * MV_PAGE_SIZE == run->spa && !is_full(slot, last)) {
		last->pages += run->pages;
		return 0;
	}
	ret = array_reserve((void **)&slot->runs, &slot->max_runs, slot->num_runs + 1,
			    sizeof(*run));
	if (ret)
		return ret;
	slot->runs[slot->num_runs++] = *run;
	return 0;
}

/* Takes over the pinned pages pin->spa[0 .. count); on error those that it did not take are
 * released. */
static int batch_append(struct shim_vm *vm, struct slot *slot, uint64_t page,
			const struct platform_pin *pin, size_t count)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < count && !ret; i++) {
		const struct slot_run run = {
			.spa = pin->spa[i],
			.page = (uint32_t)(page + i),
			.pages = 1,
			.writable = pin->writable,
		};

		ret = run_append(slot, &run);
	}
	if (ret) {
		for (i--; i < count; i++)
			platform_unpin(vm->os, pin->spa[i], 1, false);
	}
	return ret;
}

int memory_pin(struct shim_vm *vm, struct slot *slot)
{
	struct platform_pin *pin = platform_alloc(sizeof(*pin));
	uint64_t page = 0, left;
	int ret = pin ? 0 : -ENOMEM;

	while (!ret && page < slot->pages) {
		left = slot->pages - page;
		ret = platform_pin(vm->os, slot->hva + page * MV_PAGE_SIZE,
				   left < PLATFORM_PIN_BATCH ? left : PLATFORM_PIN_BATCH, pin);
		if (ret > 0) {
			left = (uint64_t)ret;
			ret = batch_append(vm, slot, page, pin, left);
			page += left;
		} else if (!ret) {
			page += pin->skip < left ? pin->skip : left;
		}
	}
	platform_free(pin);
	if (ret)
		memory_unpin(vm, slot);
	return ret;
}

void memory_unpin(struct shim_vm *vm, struct slot *slot)
{
	size_t i;

	for (i = 0; i < slot->num_runs; i++)
		platform_unpin(vm->os, slot->runs[i].spa, slot->runs[i].pages,
			       slot->runs[i].writable);
	platform_free(slot->runs);
	slot->runs = NULL;
	slot->num_runs = 0;
	slot->max_runs = 0;
}

static bool run_writable(const struct slot *slot, const struct slot_run *run)
{
	return run->writable && !(slot->flags & KVM_MEM_READONLY);
}

static uint64_t run_flags(const struct slot *slot, const struct slot_run *run)
{
	return MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_EXECUTE_ACCESS | MV_MAP_FLAG_WRITE_BACK |
	       (run_writable(slot, run) ? MV_MAP_FLAG_WRITE_ACCESS : 0);
}

bool memory_is_there(const struct slot *slot, uint64_t gpa, bool write)
{
	const uint64_t page = (gpa - slot->gpa) / MV_PAGE_SIZE;
	size_t low = 0, high = slot->num_runs;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct slot_run *run = &slot->runs[mid];

		if (page < run->page)
			high = mid;
		else if (page - run->page >= run->pages)
			low = mid + 1;
		else
			return !write || run_writable(slot, run);
	}
	return false;
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

/* How many runs, from `first` on and of `count`, make a list. */
static size_t list_runs(const struct slot *slot, size_t first, size_t count)
{
	uint64_t entries = 0;
	size_t n;

	for (n = 0; n < count && n < MV_MDL_MAX_ENTRIES; n++) {
		const struct slot_run *run = &slot->runs[first + n];

		entries += small_entries(slot->gpa + run->page * MV_PAGE_SIZE, run->spa,
					 run->pages * MV_PAGE_SIZE);
		if (n && entries > LIST_ENTRIES)
			break;
	}
	return n;
}

/* One list: runs [first, first + count) of the slot, with more pages donated as needed. */
static int send_list(struct shim_vm *vm, unsigned int idx, const struct slot *slot, size_t first,
		     size_t count)
{
	mv_status_t status;
	uint64_t wanted;
	size_t i;

	do {
		for (i = 0; i < count; i++) {
			const struct slot_run *run = &slot->runs[first + i];

			vm->mdl[i] = (struct mv_mdl_entry_t){
				.dst = slot->gpa + run->page * MV_PAGE_SIZE,
				.src = run->spa,
				.bytes = run->pages * MV_PAGE_SIZE,
				.flags = run_flags(slot, run),
			};
		}
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

/* Runs [0, count) in as few lists as there can be; *done of them when it fails. */
static int send_runs(struct shim_vm *vm, unsigned int idx, const struct slot *slot, size_t count,
		     size_t *done)
{
	size_t left;
	int ret;

	for (*done = 0; *done < count; *done += left) {
		left = list_runs(slot, *done, count - *done);
		platform_yield();
		ret = send_list(vm, idx, slot, *done, left);
		if (ret)
			return ret;
	}
	return 0;
}

static int unmap_runs(struct shim_vm *vm, const struct slot *slot, size_t count)
{
	size_t done;

	if (!send_runs(vm, MV_VM_OP_MMIO_UNMAP_IDX_VAL, slot, count, &done))
		return 0;
	platform_log("VM %u: slot %u could not be unmapped", vm->vmid, slot->id);
	vm->broken = true;
	return -EIO;
}

int memory_map(struct shim_vm *vm, const struct slot *slot)
{
	size_t done;
	int ret;

	ret = send_runs(vm, MV_VM_OP_MMIO_MAP_IDX_VAL, slot, slot->num_runs, &done);
	if (ret)
		unmap_runs(vm, slot, done);
	return ret;
}

int memory_unmap(struct shim_vm *vm, const struct slot *slot)
{
	return unmap_runs(vm, slot, slot->num_runs);
}
