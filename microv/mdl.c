// SPDX-License-Identifier: MIT
/* Memory descriptor lists, see mdl.h. */
#include "mdl.h"

/* FNV-1a, by words; enough to tell a repeated call from another one of the same caller. */
static uint64_t hash(const struct mdl *mdl, unsigned int use)
{
	const uint64_t *word = (const uint64_t *)mdl->entries;
	uint64_t h = 0xCBF29CE484222325ULL ^ use;

	for (unsigned int i = 0; i < mdl->count * sizeof(mdl->entries[0]) / sizeof(*word); i++)
		h = (h ^ word[i]) * 0x100000001B3ULL;
	return h | 1;
}

static int range_valid(uint64_t base, uint64_t bytes)
{
	return base % MV_PAGE_SIZE == 0 && base < MK_GPA_END && bytes <= MK_GPA_END - base;
}

static int entry_valid(const struct mv_mdl_entry_t *e, unsigned int use)
{
	if (!e->bytes || e->bytes % MV_PAGE_SIZE)
		return 0;
	if (use & MDL_FLAGS && (e->flags & ~MV_MAP_FLAGS_SUPPORTED ||
				!(e->flags & MV_MAP_FLAG_READ_ACCESS)))
		return 0;
	return (!(use & MDL_DST) || range_valid(e->dst, e->bytes)) &&
	       (!(use & MDL_SRC) || range_valid(e->src, e->bytes));
}

static uint64_t key(const struct mv_mdl_entry_t *e, unsigned int use)
{
	return use & MDL_DST ? e->dst : e->src;
}

static void sort(struct mdl *mdl, unsigned int use)
{
	struct mv_mdl_entry_t *e = mdl->entries, moving;
	unsigned int to;

	for (unsigned int i = 1; i < mdl->count; i++) {
		moving = e[i];
		for (to = i; to && key(&e[to - 1], use) > key(&moving, use); to--)
			e[to] = e[to - 1];
		e[to] = moving;
	}
}

static int overlaps(const struct mdl *mdl, unsigned int use)
{
	const struct mv_mdl_entry_t *e = mdl->entries;

	for (unsigned int i = 1; i < mdl->count; i++)
		if (key(&e[i - 1], use) + e[i - 1].bytes > key(&e[i], use))
			return 1;
	return 0;
}

mv_status_t mdl_read(struct call *c, struct mdl *mdl, unsigned int use)
{
	const struct mv_mdl_t *page = mk_shared();
	uint64_t count;

	if (!cpus[c->cpu].shared)
		return MV_STATUS_FAILURE_UNKNOWN;
	copy_once(&count, &page->num_entries, sizeof(count));
	if (!count || count > MV_MDL_MAX_ENTRIES)
		return MV_STATUS_FAILURE_UNKNOWN;
	copy_once(mdl->entries, page->entries, count * sizeof(mdl->entries[0]));
	mdl->count = count;
	mdl->hash = hash(mdl, use);

	for (unsigned int i = 0; i < count; i++)
		if (!entry_valid(&mdl->entries[i], use))
			return MV_STATUS_FAILURE_UNKNOWN;
	sort(mdl, use);
	return overlaps(mdl, use) ? MV_STATUS_FAILURE_UNKNOWN : MV_STATUS_SUCCESS;
}
