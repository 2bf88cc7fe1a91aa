/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Which pages of a slot are pinned, and mapped into the guest: an entry for each, 0 for a hole.
 * A block of 512 that is contiguous, and used and pinned alike, is a piece: it takes one word, and
 * comes and goes as a whole. Under the VM lock.
 */
#ifndef SHIM_PAGES_H
#define SHIM_PAGES_H

#include <shim.h>

#define LARGE (512 * MV_PAGE_SIZE)
#define BLOCK_PAGES 512U /* of one word of slot->blocks */

/* An entry: the page's address, and these. */
#define ENTRY_THERE 1U
#define ENTRY_WRITABLE 2U
#define ENTRY_LARGE 4U /* of a piece that was pinned as one */
#define ENTRY_FLAGS (MV_PAGE_SIZE - 1)

/* Most nested entries that one hypercall changes, with interrupts off: a few milliseconds. */
#define LIST_ENTRIES 16384U

/* Physically contiguous pages of a slot, that are used and pinned alike. */
struct run {
	uint64_t spa, page, pages;
	bool writable, large;
};

static inline uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A slot begins without any page: 0 or -ENOMEM. It must have none again when it is to be freed. */
int blocks_alloc(struct slot *slot);
void blocks_free(struct slot *slot);

/* The pages from this one on, itself included, that are in its block. */
uint64_t left_in_block(const struct slot *slot, uint64_t page);
/* Is there a whole block from `page` on, with nothing in it? Its array is freed then. */
bool block_is_free(struct slot *slot, uint64_t page);

uint64_t entry_of(const struct slot *slot, uint64_t page);
/* Fills a hole. 0, or -ENOMEM with nothing changed. */
int entry_set(struct slot *slot, uint64_t page, uint64_t entry);
/* Makes a hole of what one word tells of, which must go as a whole; how many pages. */
uint64_t entry_clear(struct slot *slot, uint64_t page);

/* Fills a free block, that begins with `page`, with one piece; entry: its first page's. */
void piece_set(struct slot *slot, uint64_t page, uint64_t entry);
/* The blocks of [page, end) that can be pieces become some: a GiB of huge pages takes 4 KiB. */
void blocks_merge(struct slot *slot, uint64_t page, uint64_t end);
/* [*page, *end) grows to contain the pieces that it touches. */
void pieces_include(const struct slot *slot, uint64_t *page, uint64_t *end);

/* The first run in [page, end), of at most `most` pages: false when there is none. */
bool run_next(const struct slot *slot, uint64_t page, uint64_t end, uint64_t most, struct run *run);

#endif /* SHIM_PAGES_H */
