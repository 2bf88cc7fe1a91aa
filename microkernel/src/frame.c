// SPDX-License-Identifier: MIT
/*
 * The ownership table and page pools. See frame.h.
 */
#include "frame.h"

#include <errno.h>

#include "epoch.h"

#define TABLE_FRAMES (PAGE_2M / sizeof(u16)) /* one chunk describes 4 GiB */
#define TABLES 1024 /* 4 TiB of physical addresses */

static u16 *table[TABLES];
static spinlock_t lock;

static u16 *frame_of(u64 spa)
{
	u64 pfn = spa / PAGE_4K;
	u64 t = pfn / TABLE_FRAMES;

	return t < TABLES && table[t] ? &table[t][pfn % TABLE_FRAMES] : NULL;
}

/* What use() found in the states of all pages, table by table, or-ed; all bits: one is in none. */
static u64 each(spa_t spa, u64 bytes, u64 (*use)(u16 *f, u64 frames, u64 arg), u64 arg)
{
	u64 at, end = spa.v + bytes, next, found = end < spa.v ? ~0ULL : 0;
	u16 *f;

	for (at = spa.v; at < end; at = next) {
		next = align_down(at + TABLE_FRAMES * PAGE_4K, TABLE_FRAMES * PAGE_4K);
		next = next < end ? next : end;
		f = frame_of(at);
		found |= f ? use(f, (next - at) / PAGE_4K, arg) : ~0ULL;
	}
	return found;
}

/* A state is twice the same byte: launch is quick with much RAM. */
static u64 fill(u16 *f, u64 frames, u64 twice)
{
	memset(f, (int)twice, frames * sizeof(*f));
	return 0;
}

/* Four states at once, in the lanes of a word: a page of 2 MiB has 512. */
typedef u64 __attribute__((may_alias, aligned(sizeof(u16)))) lanes_t;
#define LANES(state) ((state)*0x0001000100010001ULL)

/* No state leaves its lane by that. */
static u64 add(u16 *f, u64 frames, u64 count)
{
	lanes_t *four = (lanes_t *)f;
	u64 i;

#pragma GCC unroll 8
	for (i = 0; i < frames / 4; i++)
		four[i] += LANES(count);
	for (i *= 4; i < frames; i++)
		f[i] += count;
	return 0;
}

/* Bits that a state has and `lent` hasn't. */
static u64 beyond(u16 *f, u64 frames, u64 lent)
{
	const lanes_t *four = (lanes_t *)f;
	u64 bits = 0, i;

#pragma GCC unroll 8
	for (i = 0; i < frames / 4; i++)
		bits |= four[i];
	for (i *= 4; i < frames; i++)
		bits |= f[i];
	return bits & ~LANES(lent);
}

int frame_add_table(u64 gib4, spa_t chunk)
{
	if (gib4 >= TABLES)
		return -E2BIG;
	table[gib4] = hw_virt(chunk);
	memset(table[gib4], FRAME_NONE & 0xFF, PAGE_2M);
	return 0;
}

void frame_take(spa_t spa, u64 bytes)
{
	each(spa, bytes, fill, FRAME_HV & 0xFF);
}

int frame_check(spa_t spa, u64 bytes, u16 lent)
{
	return each(spa, bytes, beyond, lent) ? -EPERM : 0;
}

/* What frame_check() allows is done, all or none. */
static int change(spa_t spa, u64 bytes, u16 lent, u64 (*use)(u16 *, u64, u64), u64 arg)
{
	int rc;

	spin_lock(&lock);
	rc = frame_check(spa, bytes, lent);
	if (!rc)
		each(spa, bytes, use, arg);
	spin_unlock(&lock);
	return rc;
}

int frame_claim(spa_t spa, u64 bytes)
{
	return change(spa, bytes, 0, fill, FRAME_HV & 0xFF);
}

void frame_release(spa_t spa, u64 bytes)
{
	change(spa, bytes, FRAME_HV, fill, 0); /* whatever it was */
}

int frame_lend(spa_t spa, u64 bytes)
{
	return change(spa, bytes, FRAME_LENT_MAX - 1, add, 1);
}

void frame_unlend(spa_t spa, u64 bytes)
{
	change(spa, bytes, FRAME_LENT_MAX | (FRAME_LENT_MAX - 1), add, -1ULL);
}

bool frame_is_hv(spa_t spa)
{
	u16 *f = frame_of(spa.v);

	return f && *f == FRAME_HV;
}

void pool_init(struct pool *p)
{
	*p = (struct pool){ .free = SPA_NONE, .limbo = SPA_NONE };
}

static void push(spa_t *list, spa_t page)
{
	*(u64 *)hw_virt(page) = list->v;
	*list = page;
}

static spa_t pop(spa_t *list)
{
	spa_t page = *list;

	if (page.v != SPA_NONE.v)
		list->v = *(u64 *)hw_virt(page);
	return page;
}

/* Limbo becomes free once no CPU can know its pages. Called with the lock held. */
static void settle(struct pool *p)
{
	if (!p->nr_limbo || !epoch_passed(p->limbo_epoch))
		return;
	while (p->nr_limbo) {
		push(&p->free, pop(&p->limbo));
		p->nr_limbo--;
		p->nr_free++;
	}
}

spa_t pool_alloc(struct pool *p)
{
	spa_t page;

	spin_lock(&p->lock);
	if (!p->nr_free)
		settle(p);
	page = pop(&p->free);
	if (page.v != SPA_NONE.v)
		p->nr_free--;
	spin_unlock(&p->lock);
	if (page.v != SPA_NONE.v)
		memset(hw_virt(page), 0, PAGE_4K);
	return page;
}

void pool_free(struct pool *p, spa_t page)
{
	spin_lock(&p->lock);
	settle(p);
	push(&p->limbo, page);
	p->nr_limbo++;
	p->limbo_epoch = epoch_bump();
	spin_unlock(&p->lock);
}

void pool_add(struct pool *p, spa_t page)
{
	spin_lock(&p->lock);
	push(&p->free, page);
	p->nr_free++;
	spin_unlock(&p->lock);
}

u64 pool_available(struct pool *p)
{
	u64 n;

	spin_lock(&p->lock);
	settle(p);
	n = p->nr_free;
	spin_unlock(&p->lock);
	return n;
}

spa_t pool_drain(struct pool *p)
{
	spa_t page = pop(&p->free);

	return page.v != SPA_NONE.v ? page : pop(&p->limbo);
}
