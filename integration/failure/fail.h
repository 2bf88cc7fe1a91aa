/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Comes before each file of the modules that `integration/failure/build` makes: allocations, and
 * what else Linux refuses when it has no memory, fail when mv_fails() says so (fail.c).
 */
#ifndef FAIL_H
#define FAIL_H

#ifndef __ASSEMBLY__
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

bool mv_fails(void);
/* What was allocated, and what is about to be freed; both give it back. */
void *mv_count(void *p);
void *mv_uncount(const void *p);

#define kzalloc(...) mv_count(mv_fails() ? NULL : kzalloc(__VA_ARGS__))
#define kcalloc(...) mv_count(mv_fails() ? NULL : kcalloc(__VA_ARGS__))
#define kvzalloc(...) mv_count(mv_fails() ? NULL : kvzalloc(__VA_ARGS__))
#define kvcalloc(...) mv_count(mv_fails() ? NULL : kvcalloc(__VA_ARGS__))
#define kvmalloc(...) mv_count(mv_fails() ? NULL : kvmalloc(__VA_ARGS__))
#define vmalloc(...) mv_count(mv_fails() ? NULL : vmalloc(__VA_ARGS__))
#define vmalloc_user(...) mv_count(mv_fails() ? NULL : vmalloc_user(__VA_ARGS__))
#define alloc_pages(...) mv_count(mv_fails() ? NULL : alloc_pages(__VA_ARGS__))
#define get_zeroed_page(...)                                                                       \
	((unsigned long)mv_count(mv_fails() ? NULL : (void *)get_zeroed_page(__VA_ARGS__)))
#define memdup_user(...) mv_count(mv_fails() ? ERR_PTR(-ENOMEM) : memdup_user(__VA_ARGS__))
#define kfree(p) kfree(mv_uncount(p))
#define kvfree(p) kvfree(mv_uncount(p))
#define vfree(p) vfree(mv_uncount(p))
#define free_page(p) free_pages((unsigned long)mv_uncount((void *)(p)), 0)
#define __free_pages(p, order) __free_pages(mv_uncount(p), order)

#define anon_inode_getfile(...) (mv_fails() ? ERR_PTR(-ENOMEM) : anon_inode_getfile(__VA_ARGS__))
#define get_unused_fd_flags(...) (mv_fails() ? -ENOMEM : get_unused_fd_flags(__VA_ARGS__))
#define mmu_notifier_register(...) (mv_fails() ? -ENOMEM : mmu_notifier_register(__VA_ARGS__))
#endif

#endif /* FAIL_H */
