// SPDX-License-Identifier: MIT
/* The hypercalls about CPUID, for one leaf (at the start of the shared page) or a list. */
#include "cpuid.h"

struct cdl {
	uint32_t count;
	uint32_t all; /* MV_CDL_FLAG_ALL was given */
	uint64_t before; /* how many of the whole list are not in this part of it */
	struct mv_cdl_entry_t entries[MV_CDL_MAX_ENTRIES];
};

static mv_status_t entry_read(struct call *c, struct mv_cdl_entry_t *e)
{
	if (!cpus[c->cpu].shared)
		return MV_STATUS_FAILURE_UNKNOWN;
	copy_once(e, mk_shared(), sizeof(*e));
	return MV_STATUS_SUCCESS;
}

/* Copies the list of the shared page; SUCCESS or FAILURE_UNKNOWN. */
static mv_status_t cdl_read(struct call *c, struct cdl *cdl)
{
	const struct mv_cdl_t *page = mk_shared();
	uint64_t head[offsetof(struct mv_cdl_t, entries) / 8], count;

	if (!cpus[c->cpu].shared)
		return MV_STATUS_FAILURE_UNKNOWN;
	copy_once(head, page, sizeof(head));
	count = head[offsetof(struct mv_cdl_t, num_entries) / 8];
	if (head[0] & ~MV_CDL_FLAG_ALL || count > MV_CDL_MAX_ENTRIES)
		return MV_STATUS_FAILURE_UNKNOWN;
	cdl->count = count;
	cdl->all = head[0] == MV_CDL_FLAG_ALL;
	cdl->before = head[1];
	copy_once(cdl->entries, page->entries, count * sizeof(cdl->entries[0]));
	return MV_STATUS_SUCCESS;
}

static void cdl_write(const struct cdl *cdl)
{
	struct mv_cdl_t *page = mk_shared();

	page->num_entries = cdl->count;
	memcpy(page->entries, cdl->entries, cdl->count * sizeof(cdl->entries[0]));
}

/* Of a list of all there is, what fits behind the first cdl->before. */
static void all_write(const struct cdl *cdl, const struct mv_cdl_entry_t *list, uint64_t count)
{
	struct mv_cdl_t *page = mk_shared();
	uint64_t n = 0, i = cdl->before;

	while (i < count && n < MV_CDL_MAX_ENTRIES)
		page->entries[n++] = list[i++];
	page->num_entries = n;
	page->reg1 = i < count ? count - i : 0;
}

/* Entries of the caller's choice are never a part of a longer list. */
static mv_status_t chosen(const struct cdl *cdl)
{
	return !cdl->all && cdl->before ? MV_STATUS_FAILURE_UNKNOWN : MV_STATUS_SUCCESS;
}

mv_status_t hc_pp_cpuid_get_supported(struct call *c)
{
	struct mv_cdl_entry_t e;
	mv_status_t status = entry_read(c, &e);

	if (status != MV_STATUS_SUCCESS)
		return status;
	cpuid_supported(&e);
	memcpy(mk_shared(), &e, sizeof(e));
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_pp_cpuid_get_supported_list(struct call *c)
{
	struct mv_cdl_entry_t list[CPUID_MAX];
	struct cdl cdl;
	mv_status_t status = cdl_read(c, &cdl);

	if (status == MV_STATUS_SUCCESS)
		status = chosen(&cdl);
	if (status != MV_STATUS_SUCCESS)
		return status;
	if (cdl.all) {
		all_write(&cdl, list, cpuid_supported_all(list));
		return status;
	}
	for (unsigned int i = 0; i < cdl.count; i++)
		cpuid_supported(&cdl.entries[i]);
	cdl_write(&cdl);
	return status;
}

mv_status_t hc_vs_cpuid_get(struct call *c)
{
	struct mv_cdl_entry_t e;
	mv_status_t status;
	struct vs vs;

	status = vs_take(c, &vs);
	if (status != MV_STATUS_SUCCESS)
		return status;
	status = entry_read(c, &e);
	if (status == MV_STATUS_SUCCESS) {
		cpuid_read(&vs, &e);
		memcpy(mk_shared(), &e, sizeof(e));
	}
	vs_drop(c, &vs);
	return status;
}

mv_status_t hc_vs_cpuid_set(struct call *c)
{
	struct mv_cdl_entry_t e;
	mv_status_t status;
	struct vs vs;

	status = vs_take(c, &vs);
	if (status != MV_STATUS_SUCCESS)
		return status;
	status = entry_read(c, &e);
	if (status == MV_STATUS_SUCCESS && cpuid_set(&vs, &e))
		status = MV_STATUS_FAILURE_UNKNOWN;
	vs_drop(c, &vs);
	return status;
}

mv_status_t hc_vs_cpuid_get_list(struct call *c)
{
	struct mv_cdl_entry_t list[CPUID_MAX];
	mv_status_t status;
	struct cdl cdl;
	struct vs vs;

	status = vs_take(c, &vs);
	if (status != MV_STATUS_SUCCESS)
		return status;
	status = cdl_read(c, &cdl);
	if (status == MV_STATUS_SUCCESS)
		status = chosen(&cdl);
	if (status == MV_STATUS_SUCCESS && cdl.all) {
		all_write(&cdl, list, cpuid_list(&vs, list));
	} else if (status == MV_STATUS_SUCCESS) {
		for (unsigned int i = 0; i < cdl.count; i++)
			cpuid_read(&vs, &cdl.entries[i]);
		cdl_write(&cdl);
	}
	vs_drop(c, &vs);
	return status;
}

mv_status_t hc_vs_cpuid_set_list(struct call *c)
{
	mv_status_t status;
	struct cdl cdl;
	struct vs vs;

	status = vs_take(c, &vs);
	if (status != MV_STATUS_SUCCESS)
		return status;
	status = cdl_read(c, &cdl);
	if (status == MV_STATUS_SUCCESS &&
	    (cdl.all || cpuid_set_list(&vs, cdl.before, cdl.entries, cdl.count)))
		status = MV_STATUS_FAILURE_UNKNOWN;
	vs_drop(c, &vs);
	return status;
}
