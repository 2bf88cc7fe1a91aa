/* SPDX-License-Identifier: MIT */
/*
 * Four-level x86 page tables, as trees in physical memory: the microkernel's own, and
 * nested ones (AMD uses the same format, APM vol. 2, 15.25.5). Pure data structure: it
 * flushes no TLB and takes no lock. The launch module uses it too.
 */
#ifndef MK_PTAB_H
#define MK_PTAB_H

#include "types.h"

#define PTE_P BIT(0)
#define PTE_W BIT(1)
#define PTE_U BIT(2)
#define PTE_D BIT(6)
#define PTE_LARGE BIT(7)
#define PTE_NX BIT(63)
#define PTE_ADDR 0x000FFFFFFFFFF000ULL
#define PTE_FLAGS (PTE_P | PTE_W | PTE_U | PTE_NX)

/* Where tables come from. alloc gives a zeroed page or SPA_NONE. */
struct ptab_ops {
	spa_t (*alloc)(void *ctx);
	void (*free)(void *ctx, spa_t table);
	void *(*virt)(spa_t page);
};

struct ptab {
	spa_t root;
	const struct ptab_ops *ops;
	void *ctx;
	int max_level; /* largest leaf: 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB */
};

/* A leaf that maps an address: its entry, level (1 to 3) and the page's start. */
struct ptab_leaf {
	u64 *entry;
	int level; /* 4 only for an entry that is missing */
	u64 base; /* first address that the leaf covers */
	u64 bytes;
};

/*
 * Maps [va, va + bytes) to pa and on with the largest leaves possible. All multiples of
 * 4 KiB. -EEXIST: part is mapped; -ENOMEM: no table. On failure nothing stays mapped.
 */
int ptab_map(struct ptab *pt, u64 va, u64 pa, u64 bytes, u64 flags);

/*
 * Unmaps [va, va + bytes), splitting larger leaves at its ends. All of it must be mapped
 * (-ENOENT). -ENOMEM: no table for a split; nothing is unmapped then.
 */
int ptab_unmap(struct ptab *pt, u64 va, u64 bytes);

/* Splits what ptab_unmap would have to, so that it can't fail. -ENOENT, -ENOMEM as there. */
int ptab_can_unmap(struct ptab *pt, u64 va, u64 bytes);

/* Makes a table of 4 KiB entries, which others may share, map the 2 MiB at va. -ENOMEM. */
int ptab_set_table(struct ptab *pt, u64 va, spa_t table);

/* Is all of [va, va + bytes) mapped? */
bool ptab_mapped(struct ptab *pt, u64 va, u64 bytes);

/* Finds the leaf of an address, or, with false, the entry that is missing. */
bool ptab_find(struct ptab *pt, u64 va, struct ptab_leaf *leaf);

/* Finds the 4 KiB entry of an address, making tables and splitting leaves (all parts of a dirty
 * one are dirty). NULL: no table. */
u64 *ptab_entry(struct ptab *pt, u64 va);

/* How many tables ptab_map (or with pa == ~0 ptab_unmap) would take at most, without those
 * that also cover address after - 1. */
u64 ptab_need(struct ptab *pt, u64 va, u64 pa, u64 bytes, u64 after);

/* Calls fn for each leaf in [va, end). */
void ptab_each(struct ptab *pt, u64 va, u64 end,
	       void (*fn)(void *arg, const struct ptab_leaf *leaf), void *arg);

/* If the 2 MiB around va are 512 entries of identity-mapped pages with these flags, makes
 * them one leaf and frees the table. */
void ptab_merge_identity(struct ptab *pt, u64 va, u64 flags);

/* Frees all tables but the root, whose lower half is cleared. */
void ptab_clear(struct ptab *pt);

/* Bytes that one entry of a table of this level covers. */
static inline u64 ptab_span(int level)
{
	return PAGE_4K << (9 * (level - 1));
}

#endif /* MK_PTAB_H */
