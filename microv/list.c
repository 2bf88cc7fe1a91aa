// SPDX-License-Identifier: MIT
/* The hypercalls that read and write registers and MSRs, one or a list of them. */
#include "msr.h"
#include "regs.h"

struct rdl {
	uint32_t count;
	struct mv_rdl_entry_t entries[MV_RDL_MAX_ENTRIES];
};

/* Copies the list of the shared page; SUCCESS or FAILURE_UNKNOWN. */
static mv_status_t rdl_read(struct call *c, struct rdl *rdl)
{
	const struct mv_rdl_t *page = mk_shared();
	uint64_t head[offsetof(struct mv_rdl_t, entries) / 8];

	if (!cpus[c->cpu].shared)
		return MV_STATUS_FAILURE_UNKNOWN;
	copy_once(head, page, sizeof(head));
	rdl->count = head[offsetof(struct mv_rdl_t, num_entries) / 8];
	if (head[0] || head[1] || head[offsetof(struct mv_rdl_t, num_entries) / 8] > MV_RDL_MAX_ENTRIES)
		return MV_STATUS_FAILURE_UNKNOWN;
	copy_once(rdl->entries, page->entries, rdl->count * sizeof(rdl->entries[0]));
	return MV_STATUS_SUCCESS;
}

static mv_status_t get(struct call *c, const struct reg_ops *ops, uint64_t number)
{
	struct vs vs;
	mv_status_t status = vs_take(c, &vs);

	if (status != MV_STATUS_SUCCESS)
		return status;
	if (ops->exists(number))
		c->reg[0] = ops->read(&vs, number);
	else
		status = MV_STATUS_INVALID_INPUT_REG2;
	vs_drop(c, &vs);
	return status;
}

static mv_status_t set(struct call *c, const struct reg_ops *ops, uint64_t number)
{
	struct vs vs;
	mv_status_t status = vs_take(c, &vs);

	if (status != MV_STATUS_SUCCESS)
		return status;
	if (!ops->exists(number))
		status = MV_STATUS_INVALID_INPUT_REG2;
	else if (!ops->valid(&vs, number, c->reg[3]))
		status = MV_STATUS_INVALID_INPUT_REG3;
	else
		ops->write(&vs, number, c->reg[3]);
	vs_drop(c, &vs);
	return status;
}

static mv_status_t get_list(struct call *c, const struct reg_ops *ops)
{
	struct mv_rdl_t *page = mk_shared();
	mv_status_t status;
	struct rdl rdl;
	struct vs vs;

	status = vs_take(c, &vs);
	if (status != MV_STATUS_SUCCESS)
		return status;
	status = rdl_read(c, &rdl);
	for (unsigned int i = 0; status == MV_STATUS_SUCCESS && i < rdl.count; i++) {
		if (ops->exists(rdl.entries[i].reg))
			rdl.entries[i].val = ops->read(&vs, rdl.entries[i].reg);
		else
			status = MV_STATUS_FAILURE_UNKNOWN;
	}
	if (status == MV_STATUS_SUCCESS)
		memcpy(page->entries, rdl.entries, rdl.count * sizeof(rdl.entries[0]));
	vs_drop(c, &vs);
	return status;
}

static mv_status_t set_list(struct call *c, const struct reg_ops *ops)
{
	mv_status_t status;
	struct rdl rdl;
	struct vs vs;

	status = vs_take(c, &vs);
	if (status != MV_STATUS_SUCCESS)
		return status;
	status = rdl_read(c, &rdl);
	for (unsigned int i = 0; status == MV_STATUS_SUCCESS && i < rdl.count; i++)
		if (!ops->exists(rdl.entries[i].reg) ||
		    !ops->valid(&vs, rdl.entries[i].reg, rdl.entries[i].val))
			status = MV_STATUS_FAILURE_UNKNOWN;
	for (unsigned int i = 0; status == MV_STATUS_SUCCESS && i < rdl.count; i++)
		ops->write(&vs, rdl.entries[i].reg, rdl.entries[i].val);
	vs_drop(c, &vs);
	return status;
}

mv_status_t hc_vs_reg_get(struct call *c)
{
	return get(c, &reg_ops, c->reg[2]);
}

mv_status_t hc_vs_reg_set(struct call *c)
{
	return set(c, &reg_ops, c->reg[2]);
}

mv_status_t hc_vs_reg_get_list(struct call *c)
{
	return get_list(c, &reg_ops);
}

mv_status_t hc_vs_reg_set_list(struct call *c)
{
	return set_list(c, &reg_ops);
}

/* REG2 63:32 is ignored for MSRs. */
mv_status_t hc_vs_msr_get(struct call *c)
{
	return get(c, &msr_ops, (uint32_t)c->reg[2]);
}

mv_status_t hc_vs_msr_set(struct call *c)
{
	return set(c, &msr_ops, (uint32_t)c->reg[2]);
}

mv_status_t hc_vs_msr_get_list(struct call *c)
{
	return get_list(c, &msr_ops);
}

mv_status_t hc_vs_msr_set_list(struct call *c)
{
	return set_list(c, &msr_ops);
}

mv_status_t hc_pp_msr_get_supported(struct call *c)
{
	c->reg[0] = msr_ops.exists((uint32_t)c->reg[1]);
	return MV_STATUS_SUCCESS;
}

/* All there are but the first `skip`, as many as fit. */
static void msr_supported_all(struct mv_rdl_t *page, uint64_t skip)
{
	uint32_t all[2 * MV_RDL_MAX_ENTRIES];
	unsigned int count = msr_all(all, ARRAY_SIZE(all)), n = 0;

	while (skip < count && n < MV_RDL_MAX_ENTRIES)
		page->entries[n++] = (struct mv_rdl_entry_t){ all[skip++], 1 };
	page->num_entries = n;
	page->reg1 = skip < count ? count - skip : 0;
}

mv_status_t hc_pp_msr_get_supported_list(struct call *c)
{
	struct mv_rdl_t *page = mk_shared();
	uint64_t flags[2], count;

	if (!cpus[c->cpu].shared)
		return MV_STATUS_FAILURE_UNKNOWN;
	copy_once(flags, page, sizeof(flags));
	copy_once(&count, &page->num_entries, sizeof(count));
	if (flags[0] == MV_RDL_FLAG_ALL) {
		msr_supported_all(page, flags[1]);
		return MV_STATUS_SUCCESS;
	}
	if (flags[0] || flags[1] || count > MV_RDL_MAX_ENTRIES)
		return MV_STATUS_FAILURE_UNKNOWN;
	for (unsigned int i = 0; i < count; i++)
		page->entries[i].val = !!msr_ops.exists(page->entries[i].reg);
	return MV_STATUS_SUCCESS;
}
