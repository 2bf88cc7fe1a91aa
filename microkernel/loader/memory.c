// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The hypervisor's memory: chunks of 2 MiB that Linux gives away. The first holds the
 * microkernel's image, the second boot information, MicroV's image and ring 0's tables;
 * the microkernel shares out the rest itself.
 */
#include <linux/gfp.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "elf.h"
#include "layout.h"
#include "loader.h"
#include "ptab.h"

#define CHUNK_ORDER 9
#define POOL_CHUNKS 2	  /* pages for tables and state, see microkernel */
#define CPUS_PER_CHUNK 16 /* 32 pages each: struct, stacks, tables */

/* The second chunk, from its start. */
struct second {
	struct mk_boot boot;
	u8 launch[PAGE_SIZE] __aligned(PAGE_SIZE);
	u8 free[] __aligned(PAGE_SIZE); /* MicroV's image, then tables */
};

struct builder {
	struct hypervisor *hv;
	struct ptab pt;
	u64 next, end; /* free memory of the second chunk, as spa */
};

static void *chunk_virt(const struct hypervisor *hv, unsigned int i)
{
	return page_address(hv->chunk[i]);
}

static int add_ram(struct resource *res, void *arg)
{
	struct mk_boot *boot = arg;
	u64 start = ALIGN(res->start, PAGE_SIZE), end = ALIGN_DOWN(res->end + 1, PAGE_SIZE);

	if (start >= end)
		return 0;
	if (boot->ranges == MK_BOOT_MAX_RANGES)
		return -E2BIG;
	boot->ram[boot->ranges++] = (struct mk_range){ start, end - start };
	return 0;
}

static int find_ram(struct mk_boot *boot)
{
	return walk_iomem_res_desc(IORES_DESC_NONE, IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY, 0, -1,
				   boot, add_ram);
}

/* One for image, one for tables; one per 4 GiB for the ownership table; pools; CPUs. */
static unsigned int chunks_needed(const struct mk_boot *boot)
{
	u64 top = boot->ram[boot->ranges - 1].spa + boot->ram[boot->ranges - 1].bytes;

	return 2 + (top + SZ_4G - 1) / SZ_4G + POOL_CHUNKS + nr_cpu_ids / CPUS_PER_CHUNK;
}

static int alloc_chunks(struct hypervisor *hv, unsigned int n)
{
	unsigned int i;

	if (n > MK_BOOT_MAX_CHUNKS)
		return -ENOMEM;
	hv->chunk = kcalloc(n + 1, sizeof(*hv->chunk), GFP_KERNEL);
	if (!hv->chunk)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		hv->chunk[i] = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN, CHUNK_ORDER);
		if (!hv->chunk[i])
			return -ENOMEM;
	}
	return 0;
}

static void *builder_virt(spa_t page)
{
	return __va(page.v);
}

static spa_t builder_alloc(void *ctx)
{
	struct builder *b = ctx;
	spa_t page = { b->next };

	if (b->next == b->end)
		return SPA_NONE;
	b->next += PAGE_SIZE;
	return page;
}

static const struct ptab_ops builder_ops = { .alloc = builder_alloc, .virt = builder_virt };

/*
 * Copies a segment of the microkernel and maps it; where it must not be written, the map
 * of all memory must not allow it either.
 */
static int load_segment(void *arg, const struct elf_segment *seg)
{
	struct builder *b = arg;
	u64 spa = page_to_phys(b->hv->chunk[0]) + (seg->va - MK_IMAGE), at;
	u64 bytes = ALIGN(seg->bytes, PAGE_SIZE);
	u64 flags = PTE_P | (seg->write ? PTE_W : 0) | (seg->execute ? 0 : PTE_NX);

	memcpy(__va(spa), seg->data, seg->data_bytes);
	for (at = 0; !seg->write && at < bytes; at += PAGE_SIZE) {
		u64 *direct = ptab_entry(&b->pt, MK_DIRECT + spa + at);

		if (!direct)
			return -ENOMEM;
		*direct &= ~PTE_W;
	}
	return ptab_map(&b->pt, seg->va, spa, bytes, flags);
}

static int map_ram(struct builder *b, const struct mk_boot *boot)
{
	u64 done = 0, i;
	int rc = 0;

	for (i = 0; i < boot->ranges && !rc; i++) {
		u64 start = max(ALIGN_DOWN(boot->ram[i].spa, PAGE_2M), done);
		u64 end = ALIGN(boot->ram[i].spa + boot->ram[i].bytes, PAGE_2M);

		if (end > MK_DIRECT_MAX)
			return -E2BIG;
		if (start < end)
			rc = ptab_map(&b->pt, MK_DIRECT + start, start, end - start,
				      PTE_P | PTE_W | PTE_NX);
		done = end;
	}
	return rc;
}

/* The code that changes address spaces: two pages of this module, where they are. */
static int map_switch(struct builder *b)
{
	u64 va = (u64)switch_page;

	return ptab_map(&b->pt, va, page_to_phys(vmalloc_to_page(switch_page)), PAGE_SIZE, PTE_P);
}

static int read_entries(struct hypervisor *hv, u64 entry)
{
	u64 offset = entry - MK_IMAGE;

	hv->entries = *(struct mk_entries *)(chunk_virt(hv, 0) + offset);
	return hv->entries.magic == MK_ENTRIES_MAGIC ? 0 : -EINVAL;
}

static int build(struct builder *b, const struct image *microkernel, u32 *reason)
{
	struct hypervisor *hv = b->hv;
	u64 entry;
	int rc;

	b->pt = (struct ptab){
		.ops = &builder_ops,
		.ctx = b,
		.max_level = boot_cpu_has(X86_FEATURE_GBPAGES) ? 3 : 2,
	};
	b->pt.root = builder_alloc(b);
	rc = map_ram(b, hv->boot);
	if (!rc)
		rc = map_switch(b);
	if (rc)
		return rc;
	*reason = MV_LOADER_BAD_IMAGE;
	rc = elf_load(microkernel->data, microkernel->bytes, MK_IMAGE, MK_IMAGE + MK_IMAGE_MAX,
		      &entry, load_segment, b);
	if (!rc)
		rc = read_entries(hv, entry);
	hv->cr3 = b->pt.root.v;
	return rc;
}

static int fill(struct hypervisor *hv, const struct mk_boot *ram, const struct image *microkernel,
		const struct image *microv, u32 flags, u32 *reason)
{
	struct second *second = chunk_virt(hv, 1);
	u64 spa = page_to_phys(hv->chunk[1]), i;
	struct builder b = { .hv = hv, .end = spa + PAGE_2M };
	s64 used;
	int rc;

	hv->boot = &second->boot;
	hv->launch = (void *)second->launch;
	*hv->boot = *ram;
	*reason = MV_LOADER_BAD_IMAGE;
	used = elf_lay_out(microv->data, microv->bytes, second->free, spa + sizeof(*second),
			   PAGE_2M - sizeof(*second), hv->boot);
	if (used < 0)
		return used;
	*reason = MV_LOADER_NO_MEMORY;
	b.next = spa + sizeof(*second) + used;
	for (i = 0; i < ram->chunks; i++)
		hv->boot->chunk[i] = page_to_phys(hv->chunk[i]);
	rc = build(&b, microkernel, reason);
	hv->boot->flags = flags & MV_LOADER_FLAG_DEBUGCON ? MK_BOOT_DEBUGCON : 0;
	hv->boot->cpus = nr_cpu_ids;
	hv->boot->page_table = hv->cr3;
	hv->boot->stop_tramp = (u64)switch_tramp;
	hv->boot->free_chunk = 2;
	return rc;
}

int memory_create(struct hypervisor *hv, const struct image *microkernel,
		  const struct image *microv, u32 flags, u32 *reason)
{
	struct mk_boot *ram = kzalloc(sizeof(*ram), GFP_KERNEL);
	int rc;

	*reason = MV_LOADER_NO_MEMORY;
	if (!ram)
		return -ENOMEM;
	rc = find_ram(ram);
	if (!rc) {
		ram->chunks = chunks_needed(ram);
		rc = alloc_chunks(hv, ram->chunks);
	}
	if (!rc)
		rc = fill(hv, ram, microkernel, microv, flags, reason);
	if (rc)
		memory_destroy(hv);
	kfree(ram);
	return rc;
}

u64 memory_bytes(const struct hypervisor *hv)
{
	u64 n = 0;

	while (hv->chunk && hv->chunk[n])
		n++;
	return n * PAGE_2M;
}

void memory_destroy(struct hypervisor *hv)
{
	unsigned int i;

	for (i = 0; hv->chunk && hv->chunk[i]; i++) {
		memset(page_address(hv->chunk[i]), 0, PAGE_2M);
		__free_pages(hv->chunk[i], CHUNK_ORDER);
	}
	kfree(hv->chunk);
	*hv = (struct hypervisor){};
}
