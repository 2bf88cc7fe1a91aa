/* SPDX-License-Identifier: MIT */
/*
 * Whose each page of RAM is, and pools of pages that the hypervisor may use.  A page is
 * root's (then it may be lent to guests, counted), the hypervisor's, or not RAM at all.
 */
#ifndef MK_FRAME_H
#define MK_FRAME_H

#include "lib.h"

/* More than any number of guests that share a page; more lends are refused. A power of two. */
#define FRAME_LENT_MAX 0x4000U
#define FRAME_NONE 0xFEFEU /* not RAM */
#define FRAME_HV 0xFFFFU

/*
 * Pages for one purpose. Those given back wait in `limbo` until every CPU has passed the
 * epoch in which they were given (epoch.h), as a TLB may still know them.
 */
struct pool {
	spinlock_t lock;
	spa_t free, limbo; /* lists, linked by the first 8 bytes of each page */
	u64 nr_free, nr_limbo;
	u64 limbo_epoch;
};

void pool_init(struct pool *p);

/* A zeroed page, or SPA_NONE. */
spa_t pool_alloc(struct pool *p);

/* Gives a page back; it is used again when all CPUs have passed the present epoch. */
void pool_free(struct pool *p, spa_t page);

/* Adds a page that nobody knows, usable at once. */
void pool_add(struct pool *p, spa_t page);

/* How many pages can be had now. */
u64 pool_available(struct pool *p);

/* Takes a page out, limbo or not, for giving it away: SPA_NONE when there is none left. */
spa_t pool_drain(struct pool *p);

/* Uses a chunk of 2 MiB for the table of 4 GiB of RAM starting at gib4 * 4 GiB. -E2BIG. */
int frame_add_table(u64 gib4, spa_t chunk);

/* Declares RAM to be the hypervisor's. */
void frame_take(spa_t spa, u64 bytes);

/* Whether all pages are root's, and how often they are lent has no bit that `lent` hasn't: 0 or
 * -EPERM. So with 0 none is lent, and with a power of two less 1 none more often than that. */
int frame_check(spa_t spa, u64 bytes, u16 lent);

/* Root's pages become the hypervisor's; -EPERM if one isn't root's or is lent. */
int frame_claim(spa_t spa, u64 bytes);

/* The hypervisor's pages become root's again. */
void frame_release(spa_t spa, u64 bytes);

/* Counts one more lend of each page; -EPERM if one isn't root's (nothing changes then). */
int frame_lend(spa_t spa, u64 bytes);
void frame_unlend(spa_t spa, u64 bytes);

/* True if the page is the hypervisor's. */
bool frame_is_hv(spa_t spa);

#endif /* MK_FRAME_H */
