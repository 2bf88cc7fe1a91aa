// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Donating pages to the hypervisor, which makes a VM's page tables and VSs of them. A page
 * stays on the list from before the hypervisor hears of it until destroy_vm has succeeded,
 * so that no page that may be the hypervisor's is ever freed.
 */
#include "pool.h"
#include "array.h"

/* The largest chunk that is tried: what asks for more is served in several chunks. */
#define ORDER_MAX 4U
/* No single hypercall can need more: page tables for 1 TiB in pages of 4 KiB take 2 GiB. */
#define WANTED_MAX (1ULL << 19)
/* How many pages are donated when one is wanted, see pool_refill(). */
#define REFILL_MIN (1U << ORDER_MAX)
#define REFILL_MAX 512U

static uint64_t chunk_pages(const struct pool_chunk *chunk)
{
	return 1ULL << chunk->order;
}

/* The smallest order that holds `pages`, at most ORDER_MAX. */
static unsigned int order_of(uint64_t pages)
{
	unsigned int order = 0;

	while (order < ORDER_MAX && (1ULL << order) < pages)
		order++;
	return order;
}

static int chunk_add(struct pool *pool, uint64_t pages)
{
	struct pool_chunk *chunk;
	unsigned int order = order_of(pages);
	int ret;

	ret = array_reserve((void **)&pool->chunks, &pool->max, pool->num + 1, sizeof(*chunk));
	if (ret)
		return ret;

	chunk = &pool->chunks[pool->num];
	do {
		ret = platform_pages_alloc(order, &chunk->spa);
	} while (ret && order--);
	if (ret)
		return ret;
	chunk->order = order;
	pool->num++;
	return 0;
}

static void chunks_drop(struct pool *pool, size_t first)
{
	while (pool->num > first) {
		pool->num--;
		platform_pages_free(pool->chunks[pool->num].spa, pool->chunks[pool->num].order);
	}
}

/* Donates the chunks from `first` on, which fit into one list. */
static int chunks_send(struct shim_vm *vm, size_t first)
{
	struct pool *pool = &vm->pool;
	size_t i, count = pool->num - first;
	mv_status_t status;
	uint64_t wanted;

	for (i = 0; i < count; i++) {
		const struct pool_chunk *chunk = &pool->chunks[first + i];

		vm->mdl[i] = (struct mv_mdl_entry_t){
			.src = chunk->spa,
			.bytes = chunk_pages(chunk) * MV_PAGE_SIZE,
		};
	}
	status = hypercall_mdl(MV_VM_OP_DONATE_IDX_VAL, vm->vmid, vm->mdl, count, &wanted);

	/* Not finished, or in part: nobody knows whose they are, so they stay on the list. */
	if (status != MV_STATUS_SUCCESS && status != MV_STATUS_RETRY_CONTINUATION &&
	    !(status == MV_STATUS_FAILURE_NO_MEMORY && wanted))
		chunks_drop(pool, first);
	return hypercall_errno(status);
}

int pool_donate(struct shim_vm *vm, uint64_t pages)
{
	struct pool *pool = &vm->pool;
	size_t first;
	int ret;

	while (pages) {
		first = pool->num;
		while (pages && pool->num - first < MV_MDL_MAX_ENTRIES) {
			uint64_t got;

			ret = chunk_add(pool, pages);
			if (ret) {
				chunks_drop(pool, first);
				return ret;
			}
			got = chunk_pages(&pool->chunks[pool->num - 1]);
			pages -= got < pages ? got : pages;
		}
		ret = chunks_send(vm, first);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * Memory that a guest touches page by page needs one table after the other. Were each donated when
 * it is needed, each would lie in another 2 MiB of root's, for which the hypervisor needs a table,
 * too; and for none of these has it memory without end. So an eighth of what there is comes at once.
 */
static uint64_t refill_pages(const struct pool *pool, uint64_t wanted)
{
	uint64_t pages = pool->num << (ORDER_MAX - 3);

	if (pages < REFILL_MIN)
		pages = REFILL_MIN;
	if (pages > REFILL_MAX)
		pages = REFILL_MAX;
	return pages > wanted ? pages : wanted;
}

bool pool_refill(struct shim_vm *vm, mv_status_t status, uint64_t wanted)
{
	if (status != MV_STATUS_FAILURE_NO_MEMORY || !wanted || wanted > WANTED_MAX)
		return false;
	return !pool_donate(vm, refill_pages(&vm->pool, wanted)) || !pool_donate(vm, wanted);
}

void pool_free(struct shim_vm *vm)
{
	chunks_drop(&vm->pool, 0);
	platform_free(vm->pool.chunks);
	vm->pool.chunks = NULL;
	vm->pool.max = 0;
}
