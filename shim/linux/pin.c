// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Pinning the caller's memory for as long as the guest has it.
 *
 * Pinned pages are shown as VmPin of the process, and not counted against RLIMIT_MEMLOCK:
 * programs for KVM run with the usual limit of 8 MiB, and KVM needs none. Whom to trust with
 * that is decided by the permissions of /dev/kvm; memory cgroups count the pages as always.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include "shim_linux.h"

/* Most pages between two chances to reschedule. */
#define UNPIN_BATCH (1UL << 16)

/* What is at hva, for which no writable page could be had: how many pages can be tried
 * without writing, or 0 and how many to skip. */
static unsigned long readable_pages(unsigned long hva, unsigned long pages, uint64_t *skip)
{
	const unsigned long end = hva + pages * PAGE_SIZE;
	unsigned long readable = 0;
	struct vm_area_struct *vma;

	mmap_read_lock(current->mm);
	vma = find_vma(current->mm, hva);
	if (!vma)
		*skip = ULONG_MAX;
	else if (vma->vm_start > hva)
		*skip = (vma->vm_start - hva) >> PAGE_SHIFT;
	else if (vma->vm_flags & (VM_IO | VM_PFNMAP) || !(vma->vm_flags & VM_READ))
		*skip = (vma->vm_end - hva) >> PAGE_SHIFT;
	else {
		*skip = 1;
		if (!(vma->vm_flags & VM_WRITE))
			readable = (min(end, vma->vm_end) - hva) >> PAGE_SHIFT;
	}
	mmap_read_unlock(current->mm);
	return readable;
}

static int pin_error(int ret)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	return ret == -ENOMEM || ret == -EAGAIN ? -ENOMEM : 0;
}

int platform_pin(void *os, uint64_t hva, uint64_t pages, struct platform_pin *pin)
{
	struct page **page = (struct page **)pin->spa;
	struct vm_file *vm = os;
	unsigned long readable;
	int i, ret;

	BUILD_BUG_ON(sizeof(page[0]) != sizeof(pin->spa[0]));
	cond_resched();
	pin->writable = true;
	ret = pin_user_pages_fast(hva, pages, FOLL_WRITE | FOLL_LONGTERM, page);
	if (ret <= 0) {
		ret = pin_error(ret);
		if (ret)
			return ret;
		readable = readable_pages(hva, pages, &pin->skip);
		if (!readable)
			return 0;
		pin->writable = false;
		ret = pin_user_pages_fast(hva, readable, FOLL_LONGTERM, page);
		if (ret <= 0)
			return pin_error(ret);
	}
	for (i = 0; i < ret; i++)
		pin->spa[i] = page_to_phys(page[i]);
	atomic64_add(ret, &vm->mm->pinned_vm);
	return ret;
}

void platform_unpin(void *os, uint64_t spa, uint64_t pages, bool dirty)
{
	struct page *page = pfn_to_page(PHYS_PFN(spa));
	struct vm_file *vm = os;
	unsigned long count;

	atomic64_sub(pages, &vm->mm->pinned_vm);
	for (; pages; pages -= count, page += count) {
		count = min_t(unsigned long, pages, UNPIN_BATCH);
		unpin_user_page_range_dirty_lock(page, count, dirty);
		cond_resched();
	}
}

bool platform_user_range_ok(uint64_t hva, uint64_t bytes)
{
	return access_ok((void __user *)hva, bytes);
}

int platform_user_read(void *dst, uint64_t hva, size_t bytes)
{
	return copy_from_user(dst, (const void __user *)hva, bytes) ? -EFAULT : 0;
}
