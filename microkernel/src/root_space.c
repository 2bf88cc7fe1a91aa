// SPDX-License-Identifier: MIT
/*
 * The root VM's memory. Where the hypervisor's pages are, root reads ones from one shared
 * read-only page; a write faults and is let through, once, to a scratch page.
 */
#include "root_space.h"

#include <errno.h>

#include "epoch.h"
#include "space.h"

#define ROOT_FLAGS (PTE_P | PTE_W | PTE_U)
#define HIDDEN_FLAGS (PTE_P | PTE_U)

static u8 ones[PAGE_4K] __attribute__((aligned(4096)));
static u64 ones_table[512] __attribute__((aligned(4096))); /* hides a whole chunk of 2 MiB */
static int max_level;
static spinlock_t lock;

/*
 * One instruction of root at a time may write to the hypervisor's pages, that is here. What
 * it writes may lie on both sides of a 2 MiB border: for each side the tables on the way.
 */
static struct {
	spinlock_t owner;
	unsigned int sides;
	struct {
		u64 base; /* of the 2 MiB that `table[0]` maps */
		u64 table[3][512] __attribute__((aligned(4096))); /* levels 1 to 3 */
	} side[2];
	u64 top[512] __attribute__((aligned(4096)));
	u8 page[PAGE_4K] __attribute__((aligned(4096)));
} scratch __attribute__((aligned(4096)));

void root_space_set_levels(bool has_1g)
{
	unsigned int i;

	max_level = has_1g ? 3 : 2;
	memset(ones, 0xFF, sizeof(ones));
	for (i = 0; i < ARRAY_SIZE(ones_table); i++)
		ones_table[i] = hw_image_spa(ones) | HIDDEN_FLAGS;
}

int root_space_max_level(void)
{
	return max_level;
}

int space_map_ram(spa_t spa, u64 bytes)
{
	return ptab_map(&space_root()->npt, spa.v, spa.v, bytes, ROOT_FLAGS);
}

int space_hide_chunk(spa_t spa)
{
	return ptab_set_table(&space_root()->npt, spa.v, SPA(hw_image_spa(ones_table)));
}

static void set_identity(u64 at, u64 bytes)
{
	for (; bytes; at += PAGE_4K, bytes -= PAGE_4K)
		*ptab_entry(&space_root()->npt, at) = at | ROOT_FLAGS;
}

int root_space_hide(spa_t spa, u64 bytes)
{
	u64 at;
	int rc = 0;

	spin_lock(&lock);
	for (at = spa.v; at < spa.v + bytes; at += PAGE_4K) {
		u64 *e = ptab_entry(&space_root()->npt, at);

		if (!e) {
			set_identity(spa.v, at - spa.v);
			rc = -ENOMEM;
			break;
		}
		*e = hw_image_spa(ones) | HIDDEN_FLAGS;
	}
	spin_unlock(&lock);
	return rc;
}

void root_space_show(spa_t page)
{
	memset(hw_virt(page), 0, PAGE_4K);
	spin_lock(&lock);
	set_identity(page.v, PAGE_4K);
	frame_release(page, PAGE_4K);
	ptab_merge_identity(&space_root()->npt, page.v, ROOT_FLAGS);
	spin_unlock(&lock);
}

bool space_map_device(gpa_t gpa)
{
	struct ptab *npt = &space_root()->npt;
	struct ptab_leaf leaf;
	bool done = true;

	spin_lock(&lock);
	if (!ptab_find(npt, gpa.v, &leaf)) {
		u64 span = leaf.level > 2 ? ptab_span(max_level) : ptab_span(leaf.level);
		u64 base = align_down(gpa.v, span);

		done = ptab_map(npt, base, base, span, ROOT_FLAGS) == 0;
	} else if (!(*leaf.entry & PTE_W)) {
		done = false;
	}
	spin_unlock(&lock);
	return done;
}

/* Copies the tables on the way to gpa, each pointing to the next copy, but for the top. */
static void scratch_copy(u64 gpa)
{
	unsigned int side = scratch.sides++;
	u64 *to = scratch.top;
	int level;

	for (level = 4; level > 1; level--) {
		u64 *next = scratch.side[side].table[level - 2];
		u64 *e = &to[(gpa >> (12 + 9 * (level - 1))) & 511];

		memcpy(next, hw_virt(SPA(*e & PTE_ADDR)), PAGE_4K);
		*e = hw_image_spa(next) | ROOT_FLAGS;
		to = next;
	}
	scratch.side[side].base = align_down(gpa, PAGE_2M);
}

/* False: nothing is hidden at gpa. Its entry may then be a large one that leads to no table. */
static bool scratch_open(u64 gpa)
{
	bool hidden;

	spin_lock(&lock);
	hidden = frame_is_hv(SPA(gpa));
	if (hidden && !scratch.sides)
		memcpy(scratch.top, hw_virt(space_root()->npt.root), PAGE_4K);
	if (hidden)
		scratch_copy(gpa);
	spin_unlock(&lock);
	return hidden;
}

s64 space_scratch_get(gpa_t gpa, spa_t *top)
{
	if (!spin_trylock(&scratch.owner))
		return -EBUSY;
	scratch.sides = 0;
	if (!space_scratch_add(gpa)) { /* the page has just become root's */
		space_scratch_put();
		return -EBUSY;
	}
	memset(scratch.page, 0xFF, PAGE_4K);
	*top = SPA(hw_image_spa(scratch.top));
	return 0;
}

bool space_scratch_add(gpa_t gpa)
{
	unsigned int i = 0;

	while (i < scratch.sides && scratch.side[i].base != align_down(gpa.v, PAGE_2M))
		i++;
	if (i == ARRAY_SIZE(scratch.side) || !frame_is_hv(SPA(gpa.v)) ||
	    (i == scratch.sides && !scratch_open(gpa.v)))
		return false;
	scratch.side[i].table[0][(gpa.v >> 12) & 511] = hw_image_spa(scratch.page) | ROOT_FLAGS;
	return true;
}

void space_scratch_put(void)
{
	spin_unlock(&scratch.owner);
}
