// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Memory and the log, as platform.h wants them.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <platform.h>

/* The kernel warns of a request that is too large; user space must not cause that. */
void *platform_alloc(size_t bytes)
{
	if (bytes > INT_MAX)
		return NULL;
	return kvzalloc(bytes, GFP_KERNEL_ACCOUNT);
}

void platform_free(void *p)
{
	kvfree(p);
}

/* A large chunk isn't worth an effort: the caller takes smaller ones, too. */
int platform_pages_alloc(unsigned int order, uint64_t *spa)
{
	gfp_t flags = GFP_KERNEL_ACCOUNT | (order ? __GFP_NORETRY | __GFP_NOWARN : 0);
	struct page *page = alloc_pages(flags, order);

	if (!page)
		return -ENOMEM;
	*spa = page_to_phys(page);
	return 0;
}

void platform_pages_free(uint64_t spa, unsigned int order)
{
	__free_pages(pfn_to_page(PHYS_PFN(spa)), order);
}

void platform_log(const char *fmt, ...)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 10);
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	if (!__ratelimit(&limit))
		return;
	va_start(args, fmt);
	vaf.va = &args;
	pr_warn(KBUILD_MODNAME ": %pV\n", &vaf);
	va_end(args);
}
