// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The pages of a slot, in blocks of 512: a word for each block that is in one piece, an array of
 * entries for one that isn't. See pages.h.
 */
#include "pages.h"

/* A page's place, counted so that a block is 2 MiB of host addresses, as huge pages are. */
static uint64_t place_of(const struct slot *slot, uint64_t page)
{
	return slot->hva / MV_PAGE_SIZE % BLOCK_PAGES + page;
}

static uint64_t blocks_of(const struct slot *slot)
{
	return (place_of(slot, slot->pages) + BLOCK_PAGES - 1) / BLOCK_PAGES;
}

uint64_t left_in_block(const struct slot *slot, uint64_t page)
{
	return BLOCK_PAGES - place_of(slot, page) % BLOCK_PAGES;
}

/*
 * A block's word: 0 when nothing is there; the first entry of a piece, which is a block of
 * contiguous pages that are used alike; or else the address of an array of entries.
 */
static uint64_t block_of(const struct slot *slot, uint64_t page)
{
	return slot->blocks ? slot->blocks[place_of(slot, page) / BLOCK_PAGES] : 0;
}

static bool is_piece(uint64_t block)
{
	return block & ENTRY_THERE;
}

static uint64_t *entries_of(uint64_t block)
{
	return (uint64_t *)(uintptr_t)block;
}

uint64_t entry_of(const struct slot *slot, uint64_t page)
{
	const uint64_t block = block_of(slot, page), n = place_of(slot, page) % BLOCK_PAGES;

	if (is_piece(block))
		return block + n * MV_PAGE_SIZE;
	return block ? entries_of(block)[n] : 0;
}

int entry_set(struct slot *slot, uint64_t page, uint64_t entry)
{
	const uint64_t place = place_of(slot, page);
	uint64_t *block = &slot->blocks[place / BLOCK_PAGES];

	if (!*block)
		*block = (uintptr_t)platform_alloc(BLOCK_PAGES * sizeof(entry));
	if (!*block)
		return -ENOMEM;
	entries_of(*block)[place % BLOCK_PAGES] = entry;
	slot->pinned++;
	return 0;
}

/* How many pages from this one on one word tells of. */
static uint64_t pages_alike(const struct slot *slot, uint64_t page)
{
	return is_piece(block_of(slot, page)) ? left_in_block(slot, page) : 1;
}

uint64_t entry_clear(struct slot *slot, uint64_t page)
{
	const uint64_t place = place_of(slot, page), pages = pages_alike(slot, page);
	uint64_t *block = &slot->blocks[place / BLOCK_PAGES];

	if (is_piece(*block))
		*block = 0;
	else
		entries_of(*block)[place % BLOCK_PAGES] = 0;
	slot->pinned -= pages;
	return pages;
}

void blocks_merge(struct slot *slot, uint64_t page, uint64_t end)
{
	uint64_t *block, *entries, i;

	for (; page < end; page += left_in_block(slot, page)) {
		block = &slot->blocks[place_of(slot, page) / BLOCK_PAGES];
		if (!*block || is_piece(*block))
			continue;
		entries = entries_of(*block);
		for (i = 1; i < BLOCK_PAGES && entries[i] == entries[0] + i * MV_PAGE_SIZE; i++)
			;
		if (i < BLOCK_PAGES || !entries[0])
			continue;
		*block = entries[0];
		platform_free(entries);
	}
}

void pieces_include(const struct slot *slot, uint64_t *page, uint64_t *end)
{
	if (is_piece(block_of(slot, *page)))
		*page -= BLOCK_PAGES - left_in_block(slot, *page);
	if (is_piece(block_of(slot, *end - 1)))
		*end += left_in_block(slot, *end - 1) - 1;
}

/* A run that has become long ends where a large entry could begin; large ones cost nothing. */
static bool is_full(const struct slot *slot, const struct run *run)
{
	const uint64_t gpa = slot->gpa + run->page * MV_PAGE_SIZE;

	return (gpa ^ run->spa) % LARGE && run->pages >= LIST_ENTRIES &&
	       (gpa + run->pages * MV_PAGE_SIZE) % LARGE == 0;
}

/* A run grows by what is alike, up to where a large entry of the guest's could begin. */
static uint64_t run_step(const struct slot *slot, uint64_t page)
{
	return least(pages_alike(slot, page),
		     BLOCK_PAGES - (slot->gpa / MV_PAGE_SIZE + page) % BLOCK_PAGES);
}

bool run_next(const struct slot *slot, uint64_t page, uint64_t end, uint64_t most, struct run *run)
{
	uint64_t entry = 0, step;

	for (; page < end; page++) {
		if (!block_of(slot, page))
			page += left_in_block(slot, page) - 1;
		else if ((entry = entry_of(slot, page)))
			break;
	}
	if (!entry)
		return false;
	*run = (struct run){
		.spa = entry & ~ENTRY_FLAGS,
		.page = page,
		.writable = entry & ENTRY_WRITABLE,
		.large = entry & ENTRY_LARGE,
	};
	most = least(most, end - page);
	do {
		step = least(run_step(slot, page + run->pages), most - run->pages);
		run->pages += step;
		entry += step * MV_PAGE_SIZE;
	} while (run->pages < most && !is_full(slot, run) &&
		 entry_of(slot, page + run->pages) == entry);
	return true;
}

bool block_is_free(struct slot *slot, uint64_t page)
{
	uint64_t *block = &slot->blocks[place_of(slot, page) / BLOCK_PAGES], i;

	if (left_in_block(slot, page) < BLOCK_PAGES || slot->pages - page < BLOCK_PAGES ||
	    is_piece(*block))
		return false;
	for (i = 0; *block && i < BLOCK_PAGES; i++)
		if (entries_of(*block)[i])
			return false;
	platform_free(entries_of(*block));
	*block = 0;
	return true;
}

int blocks_alloc(struct slot *slot)
{
	slot->blocks = platform_alloc(blocks_of(slot) * sizeof(*slot->blocks));
	return slot->blocks ? 0 : -ENOMEM;
}

void blocks_free(struct slot *slot)
{
	uint64_t i;

	for (i = 0; i < blocks_of(slot); i++)
		platform_free(entries_of(slot->blocks[i]));
	platform_free(slot->blocks);
	slot->blocks = NULL;
}

void piece_set(struct slot *slot, uint64_t page, uint64_t entry)
{
	slot->blocks[place_of(slot, page) / BLOCK_PAGES] = entry;
	slot->pinned += BLOCK_PAGES;
}
