// SPDX-License-Identifier: MIT
/* The hypercalls about CPUID, for one leaf (at the start of the shared page) or a list. */
#include "cpuid.h"

struct cdl {
	uint32_t count;
	uint32_t all; /* MV_CDL_FLAG_ALL was given */
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
	if (head[0] & ~MV_CDL_FLAG_ALL || head[1] || count > MV_CDL_MAX_ENTRIES)
		return MV_STATUS_FAILURE_UNKNOWN;
	cdl->count = count;
	cdl->all = head[0] == MV_CDL_FLAG_ALL;
	copy_once(cdl->entries, page->entries, count * sizeof(cdl->entries[0]));
	return MV_STATUS_SUCCESS;
}

static void cdl_write(const struct cdl *cdl)
{
	struct mv_cdl_t *page = mk_shared();

	page->num_entries = cdl->count;
	memcpy(page->entries, cdl->entries, cdl->count * sizeof(cdl->entries[0]));
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
	struct cdl cdl;
	mv_status_t status = cdl_read(c, &cdl);

	if (status != MV_STATUS_SUCCESS)
		return status;
	if (cdl.all)
		cdl.count = cpuid_supported_all(cdl.entries);
	for (unsigned int i = 0; !cdl.all && i < cdl.count; i++)
		cpuid_supported(&cdl.entries[i]);
	cdl_write(&cdl);
	return MV_STATUS_SUCCESS;
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
	mv_status_t status;
	struct cdl cdl;
	struct vs vs;

	status = vs_take(c, &vs);
	if (status != MV_STATUS_SUCCESS)
		return status;
	status = cdl_read(c, &cdl);
	if (status == MV_STATUS_SUCCESS) {
		if (cdl.all)
			cdl.count = cpuid_list(&vs, cdl.entries);
		for (unsigned int i = 0; !cdl.all && i < cdl.count; i++)
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
	if (status == MV_STATUS_SUCCESS && cdl.all)
		status = MV_STATUS_FAILURE_UNKNOWN;
	if (status == MV_STATUS_SUCCESS)
		cpuid_set_list(&vs, cdl.entries, cdl.count);
	vs_drop(c, &vs);
	return status;
}
