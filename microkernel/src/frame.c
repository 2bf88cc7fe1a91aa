// SPDX-License-Identifier: MIT
/*
 * The ownership table and page pools. See frame.h.
 */
#include "frame.h"

#include <errno.h>

#include "epoch.h"

#define TABLE_FRAMES (PAGE_2M / sizeof(u16)) /* one chunk describes 4 GiB */
#define TABLES 1024			     /* 4 TiB of physical addresses */

static u16 *table[TABLES];
static spinlock_t lock;

static u16 *frame_of(u64 spa)
{
	u64 pfn = spa / PAGE_4K;
	u64 t = pfn / TABLE_FRAMES;

	return t < TABLES && table[t] ? &table[t][pfn % TABLE_FRAMES] : NULL;
}

static u16 frame_state(u64 spa)
{
	u16 *f = frame_of(spa);

	return f ? *f : FRAME_NONE;
}

/* Whole pages, table by table. A state is twice the same byte: launch is quick with much RAM. */
static void fill(spa_t spa, u64 bytes, u8 twice)
{
	u64 at = spa.v / PAGE_4K, end = at + bytes / PAGE_4K, next;

	for (; at < end; at = next) {
		next = align_down(at + TABLE_FRAMES, TABLE_FRAMES);
		next = next < end ? next : end;
		memset(frame_of(at * PAGE_4K), twice, (next - at) * sizeof(u16));
	}
}

int frame_add_table(u64 gib4, spa_t chunk)
{
	if (gib4 >= TABLES)
		return -E2BIG;
	table[gib4] = hw_virt(chunk);
	memset(table[gib4], FRAME_NONE & 0xFF, PAGE_2M);
	return 0;
}

void frame_add_ram(spa_t spa, u64 bytes)
{
	fill(spa, bytes, 0);
}

void frame_take(spa_t spa, u64 bytes)
{
	fill(spa, bytes, FRAME_HV & 0xFF);
}

int frame_check(spa_t spa, u64 bytes, u16 lent)
{
	u64 at;

	if (spa.v + bytes < spa.v)
		return -EPERM;
	for (at = spa.v; at < spa.v + bytes; at += PAGE_4K)
		if (frame_state(at) > lent)
			return -EPERM;
	return 0;
}

int frame_claim(spa_t spa, u64 bytes)
{
	int rc;

	spin_lock(&lock);
	rc = frame_check(spa, bytes, 0);
	if (!rc)
		fill(spa, bytes, FRAME_HV & 0xFF);
	spin_unlock(&lock);
	return rc;
}

void frame_release(spa_t spa, u64 bytes)
{
	spin_lock(&lock);
	fill(spa, bytes, 0);
	spin_unlock(&lock);
}

int frame_lend(spa_t spa, u64 bytes)
{
	u64 at;
	int rc;

	spin_lock(&lock);
	rc = frame_check(spa, bytes, FRAME_LENT_MAX - 1);
	for (at = spa.v; !rc && at < spa.v + bytes; at += PAGE_4K)
		++*frame_of(at);
	spin_unlock(&lock);
	return rc;
}

void frame_unlend(spa_t spa, u64 bytes)
{
	u64 at;

	spin_lock(&lock);
	for (at = spa.v; at < spa.v + bytes; at += PAGE_4K)
		--*frame_of(at);
	spin_unlock(&lock);
}

bool frame_is_hv(spa_t spa)
{
	return frame_state(spa.v) == FRAME_HV;
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
