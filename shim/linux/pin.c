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

/* May user space read there, but not write? */
static bool is_readable_only(struct mm_struct *mm, unsigned long hva)
{
	struct vm_area_struct *vma;
	bool readable;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, hva);
	readable =
		vma && !(vma->vm_flags & (VM_IO | VM_PFNMAP | VM_WRITE)) && vma->vm_flags & VM_READ;
	mmap_read_unlock(mm);
	return readable;
}

static int pin_error(int ret)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	return ret == -ENOMEM || ret == -EAGAIN ? -ENOMEM : -EFAULT;
}

int platform_pin_there(void *os, uint64_t hva, uint64_t pages, uint64_t *spa)
{
	struct page **page = (struct page **)spa;
	struct vm_file *vm = os;
	int i, ret;

	BUILD_BUG_ON(sizeof(page[0]) != sizeof(spa[0]));
	cond_resched();
	if (fatal_signal_pending(current))
		return -EINTR;
	ret = pin_user_pages_fast_only(hva, pages, FOLL_WRITE | FOLL_LONGTERM, page);
	for (i = 0; i < ret; i++)
		spa[i] = page_to_phys(page[i]);
	if (ret > 0)
		atomic64_add(ret, &vm->mm->pinned_vm);
	return ret > 0 ? ret : 0;
}

#define LARGE_ENTRY (_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_PSE)

/*
 * The frame that user space finds at a multiple of 2 MiB if one entry maps all of that, and lets
 * it write; 0: it doesn't. With interrupts off, so that no table is freed meanwhile.
 */
static unsigned long large_frame(struct mm_struct *mm, unsigned long hva)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, hva));
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	if (pgd_none(pgd))
		return 0;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		return 0;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if ((pud_val(pud) & LARGE_ENTRY) == LARGE_ENTRY)
		return pud_pfn(pud) + (hva & ~PUD_MASK) / PAGE_SIZE;
	if (pud_none(pud) || !pud_present(pud) || pud_leaf(pud))
		return 0;
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	return (pmd_val(pmd) & LARGE_ENTRY) == LARGE_ENTRY ? pmd_pfn(pmd) : 0;
}

/*
 * One pin of a compound page keeps all of it. That the entry still has it when it is pinned is
 * what counts: whoever changes the entry later tells the notifier first (see watch.c), and drops
 * it by that; who has begun to has told it already.
 */
int platform_pin_large(void *os, uint64_t hva, uint64_t *spa)
{
	struct vm_file *vm = os;
	unsigned long flags, frame;
	struct page *page;

	BUILD_BUG_ON(PLATFORM_PIN_BATCH != PTRS_PER_PMD);
	cond_resched();
	if (fatal_signal_pending(current))
		return -EINTR;
	if (pin_user_pages_fast_only(hva, 1, FOLL_WRITE | FOLL_LONGTERM, &page) != 1)
		return 0;
	local_irq_save(flags);
	frame = large_frame(vm->mm, hva);
	local_irq_restore(flags);
	if (frame != page_to_pfn(page) ||
	    compound_order(compound_head(page)) < PMD_SHIFT - PAGE_SHIFT) {
		unpin_user_page(page);
		return 0;
	}
	*spa = page_to_phys(page);
	atomic64_add(PLATFORM_PIN_BATCH, &vm->mm->pinned_vm);
	return 1;
}

/*
 * A long-term pin doesn't wait for userfaultfd, but fails with EFAULT (and DEBUG_VM complains):
 * so what isn't there is first got without pinning it, which waits.
 */
static int pin_one(unsigned long hva, unsigned int flags, struct page **page)
{
	int ret = pin_user_pages_fast_only(hva, 1, flags | FOLL_LONGTERM, page);

	while (ret != 1) {
		ret = get_user_pages_unlocked(hva, 1, page, flags);
		if (ret != 1)
			return ret;
		put_page(*page);
		ret = pin_user_pages_fast(hva, 1, flags | FOLL_LONGTERM, page);
		if (ret != -EFAULT || fatal_signal_pending(current))
			return ret;
		cond_resched();
	}
	return ret;
}

int platform_pin_fault(void *os, uint64_t hva, bool write, uint64_t *spa, bool *writable)
{
	struct vm_file *vm = os;
	struct page *page;
	int ret;

	*writable = true;
	ret = pin_one(hva, FOLL_WRITE, &page);
	if (ret != 1 && !write && is_readable_only(vm->mm, hva)) {
		*writable = false;
		ret = pin_one(hva, 0, &page);
	}
	if (ret != 1)
		return pin_error(ret);
	*spa = page_to_phys(page);
	atomic64_inc(&vm->mm->pinned_vm);
	return 0;
}

void platform_unpin(void *os, uint64_t spa, uint64_t pages, bool dirty)
{
	struct page *page = pfn_to_page(PHYS_PFN(spa));
	struct vm_file *vm = os;

	atomic64_sub(pages, &vm->mm->pinned_vm);
	unpin_user_page_range_dirty_lock(page, pages, dirty);
	cond_resched();
}

void platform_unpin_large(void *os, uint64_t spa, bool dirty)
{
	struct page *page = pfn_to_page(PHYS_PFN(spa));
	struct vm_file *vm = os;

	atomic64_sub(PLATFORM_PIN_BATCH, &vm->mm->pinned_vm);
	unpin_user_pages_dirty_lock(&page, 1, dirty);
	cond_resched();
}

bool platform_user_range_ok(uint64_t hva, uint64_t bytes)
{
	return access_ok((void __user *)hva, bytes);
}

int platform_user_read(void *dst, uint64_t hva, size_t bytes)
{
	return copy_from_user(dst, (const void __user *)hva, bytes) ? -EFAULT : 0;
}
