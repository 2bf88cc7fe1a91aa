// SPDX-License-Identifier: MIT
/*
 * Ring 3's address space. See user.h. Tables come from root's pool and stay until stop.
 */
#include "user.h"

#include <errno.h>

#include "epoch.h"

#define SLOT(va) (((va) >> 39) & 511)
#define STACK_FIRST (MK_U_STACK_TOP - MK_U_STACK_SIZE)

static struct ptab common; /* image and state pages; its top is only a source of entries */
static u64 image_entry;
static struct fixup {
	u64 start, end, to;
} fixup;
static spinlock_t state_lock;

/* W^X; a page that two parts share is refused by ptab_map. */
static int map_load(const struct mk_load *l)
{
	u64 flags = PTE_P | PTE_U | (l->flags & MK_LOAD_WRITE ? PTE_W : 0) |
		    (l->flags & MK_LOAD_EXECUTE ? 0 : PTE_NX);
	u64 off;

	if (l->va < MK_U_IMAGE || l->va > MK_U_IMAGE_END || l->bytes > MK_U_IMAGE_END - l->va ||
	    !is_aligned(l->va | l->spa | l->bytes, PAGE_4K) || (flags & (PTE_W | PTE_NX)) == PTE_W)
		return -EINVAL;
	for (off = 0; off < l->bytes; off += PAGE_4K)
		if (!frame_is_hv(SPA(l->spa + off)))
			return -EINVAL;
	return ptab_map(&common, l->va, l->spa, l->bytes, flags);
}

int user_init(const struct mk_boot *boot)
{
	u64 i;
	int rc = 0;

	common = (struct ptab){
		.ops = space_root()->npt.ops,
		.ctx = &space_root()->pool,
		.max_level = 1,
	};
	common.root = pool_alloc(common.ctx);
	if (common.root.v == SPA_NONE.v)
		return -ENOMEM;
	/* The tables below the slots of VSs' pages must be there before the CPUs copy them. */
	if (!ptab_entry(&common, MK_U_STATE) || !ptab_entry(&common, MK_U_OWN))
		return -ENOMEM;
	image_entry = boot->microv_entry;
	for (i = 0; i < boot->loads && !rc; i++)
		rc = map_load(&boot->load[i]);
	return rc;
}

u64 user_entry(void)
{
	return image_entry;
}

static int map_stack(struct cpu *cpu, struct ptab *pt)
{
	u64 va;

	for (va = STACK_FIRST; va < MK_U_STACK_TOP; va += PAGE_4K) {
		spa_t page = pool_alloc(pt->ctx);

		if (page.v == SPA_NONE.v ||
		    ptab_map(pt, va, page.v, PAGE_4K, PTE_P | PTE_W | PTE_U | PTE_NX))
			return -ENOMEM;
	}
	cpu->user_pt[0] = ptab_entry(pt, STACK_FIRST);
	cpu->user_pt[1] = ptab_entry(pt, MK_U_SHARED);
	return cpu->user_pt[1] ? 0 : -ENOMEM;
}

int user_cpu_init(struct cpu *cpu)
{
	const u64 *kernel = hw_virt(hw_kernel_tables), *from = hw_virt(common.root);
	struct ptab pt = common;

	pt.root = pool_alloc(pt.ctx);
	if (pt.root.v == SPA_NONE.v)
		return -ENOMEM;
	cpu->pml4_spa = pt.root;
	cpu->pml4 = hw_virt(pt.root);
	memcpy(cpu->pml4 + 256, kernel + 256, PAGE_4K / 2);
	cpu->pml4[SLOT(MK_U_IMAGE)] = from[SLOT(MK_U_IMAGE)];
	cpu->pml4[SLOT(MK_U_STATE)] = from[SLOT(MK_U_STATE)];
	cpu->pml4[SLOT(MK_U_OWN)] = from[SLOT(MK_U_OWN)];
	return map_stack(cpu, &pt);
}

static void set_page(u64 *e, spa_t page)
{
	*e = page.v == SPA_NONE.v ? 0 : page.v | PTE_P | PTE_W | PTE_U | PTE_NX;
}

int user_map_vs(u32 vsid, spa_t state, spa_t own, spa_t own2)
{
	u64 *e, *f; /* the two of MicroV's own lie in one table */

	spin_lock(&state_lock);
	e = ptab_entry(&common, MK_U_STATE + vsid * PAGE_4K);
	f = ptab_entry(&common, MK_U_OWN + vsid * MK_OWN_BYTES);
	if (e && f) {
		set_page(e, state);
		set_page(f, own);
		set_page(f + 1, own2);
	}
	spin_unlock(&state_lock);
	return e && f ? 0 : -ENOMEM;
}

s64 user_shared_set(struct cpu *cpu, spa_t page)
{
	bool clear = page.v == SPA_NONE.v;
	int rc;

	if (clear == (cpu->shared.v == SPA_NONE.v))
		return clear ? 0 : -EBUSY;
	if (!clear && (!is_aligned(page.v, PAGE_4K) || page.v >= MK_DIRECT_MAX))
		return -EINVAL;
	rc = clear ? 0 : frame_lend(page, PAGE_4K);
	if (rc)
		return rc;
	if (clear)
		frame_unlend(cpu->shared, PAGE_4K);
	set_page(cpu->user_pt[1], page);
	hw_flush_tlb();
	cpu->shared = page;
	return 0;
}

/*
 * The nested tables have the format of ordinary ones, so the window is a few of their top
 * entries, put into ring 3's half and made not executable.
 */
s64 user_window_open(struct cpu *cpu, u64 id)
{
	struct space *s = space_get(id);
	const u64 *top;
	unsigned int i;

	if (!s || id == MV_ROOT_VMID || s->npt.root.v == SPA_NONE.v)
		return -ENOENT;
	if (cpu->window && cpu->window != s)
		user_window_close(cpu);
	top = hw_virt(s->npt.root);
	for (i = 0; i < s->top_slots; i++)
		if (top[i] & PTE_P)
			cpu->pml4[SLOT(MK_U_WINDOW) + i] = top[i] | PTE_NX;
	cpu->window_slots = i;
	cpu->window = s;
	return 0;
}

void user_window_close(struct cpu *cpu)
{
	memset(&cpu->pml4[SLOT(MK_U_WINDOW)], 0, cpu->window_slots * sizeof(u64));
	cpu->window = NULL;
	cpu->window_slots = 0;
	hw_flush_tlb();
}

s64 user_window_fixup(u64 start, u64 end, u64 to)
{
	struct ptab_leaf leaf;

	if (fixup.to)
		return -EBUSY;
	if (start >= end || !ptab_find(&common, start, &leaf) || !ptab_find(&common, to, &leaf) ||
	    (*leaf.entry & PTE_NX) || end > MK_U_IMAGE_END)
		return -EINVAL;
	fixup = (struct fixup){ start, end, to };
	return 0;
}

u64 user_fixup(u64 rip, u64 addr)
{
	if (addr < MK_U_WINDOW || addr - MK_U_WINDOW >= MK_GPA_END)
		return 0;
	return rip >= fixup.start && rip < fixup.end ? fixup.to : 0;
}

/* One page of ring 3's memory as ring 0 sees it, or NULL. */
static void *user_page(struct cpu *cpu, u64 va, bool write)
{
	struct ptab_leaf leaf;
	u64 e = 0;

	if (va >= STACK_FIRST && va < MK_U_STACK_TOP)
		e = cpu->user_pt[0][(va - STACK_FIRST) / PAGE_4K];
	else if (va >= MK_U_SHARED && va < MK_U_SHARED + PAGE_4K)
		e = *cpu->user_pt[1];
	else if (va < MK_U_IMAGE_END && ptab_find(&common, va, &leaf))
		e = *leaf.entry;
	if (!(e & PTE_P) || (write && !(e & PTE_W)))
		return NULL;
	return (u8 *)hw_virt(SPA(e & PTE_ADDR)) + (va & (PAGE_4K - 1));
}

static u64 page_part(u64 va, u64 bytes)
{
	u64 left = PAGE_4K - (va & (PAGE_4K - 1));

	return bytes < left ? bytes : left;
}

s64 user_copy(struct cpu *cpu, u64 va, void *buf, u64 bytes, bool out)
{
	u64 done, n;

	for (done = 0; done < bytes; done += n) {
		u8 *user = user_page(cpu, va + done, out), *ours = (u8 *)buf + done;

		if (!user)
			return -EFAULT;
		n = page_part(va + done, bytes - done);
		memcpy(out ? user : ours, out ? ours : user, n);
	}
	return 0;
}
