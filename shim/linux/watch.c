// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Watching the memory of a VM's process: an MMU notifier that marks what changes under a slot
 * (see shim/src/memory.c for what follows of that), and takes the VM's vCPUs out of the guest.
 *
 * The notifier takes vm->watch_lock only, and doesn't sleep: it is called with locks of the
 * memory manager held. Who enters a guest sets its CPU in vm->gate.running first and looks at
 * vm->gate.stale then; the notifier does it the other way round.
 *
 * invalidate_range_end() must find the slots that invalidate_range_start() has found: so a slot
 * is added only while no invalidation is under way, as in KVM.
 */
#include <linux/bitmap.h>
#include <linux/interval_tree.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/wait.h>
#include "../src/memory.h"
#include "shim_linux.h"

struct watch {
	struct interval_tree_node node; /* of user addresses, both ends included */
	struct list_head stale; /* in vm->stale_list; empty: nothing is marked */
	void *slot;
	unsigned long pages;
	unsigned long from; /* no page before this one is marked */
	unsigned int changing; /* invalidations under way */
	unsigned long marks[]; /* a bit for each page */
};

static void nothing(void *unused)
{
}

void platform_guest_kick(void *os)
{
	struct vm_file *vm = os;

	smp_mb(); /* what is to be seen at the next entry was written before */
	if (!cpumask_empty(&vm->gate.running))
		on_each_cpu_mask(&vm->gate.running, nothing, NULL, true);
}

static void mark(struct vm_file *vm, struct watch *w, unsigned long first, unsigned long last)
{
	unsigned long page = (max(first, w->node.start) - w->node.start) >> PAGE_SHIFT;
	unsigned long end = (min(last, w->node.last) - w->node.start) >> PAGE_SHIFT;

	bitmap_set(w->marks, page, end - page + 1);
	w->from = min(w->from, page);
	w->changing++;
	if (list_empty(&w->stale))
		list_add_tail(&w->stale, &vm->stale_list);
	WRITE_ONCE(vm->gate.stale, true);
}

static struct watch *watch_first(struct vm_file *vm, unsigned long first, unsigned long last)
{
	struct interval_tree_node *node = interval_tree_iter_first(&vm->watches, first, last);

	return node ? container_of(node, struct watch, node) : NULL;
}

static struct watch *watch_next(struct watch *w, unsigned long first, unsigned long last)
{
	struct interval_tree_node *node = interval_tree_iter_next(&w->node, first, last);

	return node ? container_of(node, struct watch, node) : NULL;
}

static int invalidate_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct vm_file *vm = container_of(mn, struct vm_file, notifier);
	const unsigned long last = range->end - 1;
	bool marked = false;
	struct watch *w;

	spin_lock(&vm->watch_lock);
	vm->changing++;
	for (w = watch_first(vm, range->start, last); w; w = watch_next(w, range->start, last)) {
		mark(vm, w, range->start, last);
		marked = true;
	}
	spin_unlock(&vm->watch_lock);
	if (marked)
		platform_guest_kick(vm);
	return 0;
}

static void invalidate_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct vm_file *vm = container_of(mn, struct vm_file, notifier);
	const unsigned long last = range->end - 1;
	struct watch *w;

	spin_lock(&vm->watch_lock);
	vm->changing--;
	for (w = watch_first(vm, range->start, last); w; w = watch_next(w, range->start, last)) {
		w->changing--;
		WRITE_ONCE(vm->seq, vm->seq + 1);
	}
	spin_unlock(&vm->watch_lock);
	if (wq_has_sleeper(&vm->watch_wait))
		wake_up_all(&vm->watch_wait);
}

/* The process is gone, and with it whoever could run the VM: what it had is given back. */
static void release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct vm_file *vm = container_of(mn, struct vm_file, notifier);

	/* mmu_notifier_unregister() comes here, too: all will be freed. */
	if (!refcount_read(&vm->users))
		return;
	mutex_lock(&vm->lock);
	memory_drop_all(&vm->vm);
	mutex_unlock(&vm->lock);
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start = invalidate_start,
	.invalidate_range_end = invalidate_end,
	.release = release,
};

int watch_init(struct vm_file *vm)
{
	vm->watches = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&vm->stale_list);
	spin_lock_init(&vm->watch_lock);
	init_waitqueue_head(&vm->watch_wait);
	vm->notifier.ops = &notifier_ops;
	return mmu_notifier_register(&vm->notifier, vm->mm);
}

void watch_fini(struct vm_file *vm)
{
	mmu_notifier_unregister(&vm->notifier, vm->mm);
}

static struct watch *watch_alloc(void *slot, uint64_t hva, uint64_t pages)
{
	const u64 bytes = sizeof(struct watch) + BITS_TO_LONGS(pages) * sizeof(unsigned long);
	struct watch *w = platform_alloc(bytes);

	if (!w)
		return NULL;
	w->node.start = hva;
	w->node.last = hva + (pages << PAGE_SHIFT) - 1;
	w->slot = slot;
	w->pages = pages;
	w->from = pages;
	INIT_LIST_HEAD(&w->stale);
	return w;
}

void *platform_watch(void *os, void *slot, uint64_t hva, uint64_t pages)
{
	struct watch *w = watch_alloc(slot, hva, pages);
	struct vm_file *vm = os;

	if (!w)
		return NULL;
	spin_lock(&vm->watch_lock);
	while (vm->changing) {
		spin_unlock(&vm->watch_lock);
		if (wait_event_killable(vm->watch_wait, !READ_ONCE(vm->changing))) {
			kvfree(w);
			return NULL;
		}
		spin_lock(&vm->watch_lock);
	}
	interval_tree_insert(&w->node, &vm->watches);
	spin_unlock(&vm->watch_lock);
	return w;
}

void platform_unwatch(void *os, void *watch)
{
	struct vm_file *vm = os;
	struct watch *w = watch;

	spin_lock(&vm->watch_lock);
	interval_tree_remove(&w->node, &vm->watches);
	list_del(&w->stale);
	spin_unlock(&vm->watch_lock);
	kvfree(w);
}

bool platform_memory_stale(void *os)
{
	struct vm_file *vm = os;

	return READ_ONCE(vm->gate.stale);
}

static bool is_settled(struct vm_file *vm)
{
	bool settled = true;
	struct watch *w;

	spin_lock(&vm->watch_lock);
	list_for_each_entry(w, &vm->stale_list, stale)
		settled &= !w->changing;
	spin_unlock(&vm->watch_lock);
	return settled;
}

int platform_memory_settle(void *os)
{
	struct vm_file *vm = os;

	return wait_event_killable(vm->watch_wait, is_settled(vm)) ? -EINTR : 0;
}

/* Some marked pages; false: there are none left, and the watch is on the list no more. */
static bool marks_take(struct watch *w, unsigned long *page, unsigned long *end)
{
	*page = find_next_bit(w->marks, w->pages, w->from);
	if (*page >= w->pages) {
		w->from = w->pages;
		list_del_init(&w->stale);
		return false;
	}
	*end = find_next_zero_bit(w->marks, w->pages, *page);
	bitmap_clear(w->marks, *page, *end - *page);
	w->from = *end;
	return true;
}

bool platform_memory_take(void *os, void **slot, uint64_t *page, uint64_t *pages)
{
	struct vm_file *vm = os;
	unsigned long first, end;
	struct watch *w, *next;
	bool taken = false;

	spin_lock(&vm->watch_lock);
	list_for_each_entry_safe(w, next, &vm->stale_list, stale) {
		if (w->changing || !marks_take(w, &first, &end))
			continue;
		*slot = w->slot;
		*page = first;
		*pages = end - first;
		taken = true;
		break;
	}
	spin_unlock(&vm->watch_lock);
	return taken;
}

void platform_memory_repaired(void *os)
{
	struct vm_file *vm = os;

	spin_lock(&vm->watch_lock);
	if (list_empty(&vm->stale_list))
		WRITE_ONCE(vm->gate.stale, false);
	spin_unlock(&vm->watch_lock);
}

uint64_t platform_memory_seq(void *os)
{
	struct vm_file *vm = os;

	/* What is pinned is looked up after it. */
	return smp_load_acquire(&vm->seq);
}
