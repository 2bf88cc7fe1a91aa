// SPDX-License-Identifier: MIT
/* Hypercalls about physical processors: IDs, the shared page, and leaving one. */
#include "hypercall.h"
#include "vm.h"

struct cpu cpus[MV_MAX_PPS];

unsigned int cpu_count(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < MV_MAX_PPS; i++)
		count += __atomic_load_n(&cpus[i].online, __ATOMIC_RELAXED);
	return count;
}

mv_status_t hc_pp_ppid(struct call *c)
{
	c->reg[0] = c->cpu;
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_pp_online_pps(struct call *c)
{
	c->reg[0] = cpu_count();
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_pp_clr_shared_page_gpa(struct call *c)
{
	if (cpus[c->cpu].shared && mk_shared_set(MK_NONE) < 0)
		return MV_STATUS_FAILURE_UNKNOWN;
	cpus[c->cpu].shared = 0;
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_pp_set_shared_page_gpa(struct call *c)
{
	uint64_t gpa = c->reg[1];

	if (gpa % MV_PAGE_SIZE || gpa >= MK_GPA_END)
		return MV_STATUS_INVALID_INPUT_REG1;
	if (cpus[c->cpu].shared)
		return MV_STATUS_FAILURE_UNKNOWN;
	/* In the root VM a GPA is the SPA. */
	switch (mk_shared_set(gpa)) {
	case 0:
		cpus[c->cpu].shared = 1;
		return MV_STATUS_SUCCESS;
	case -MK_EPERM:
	case -MK_EINVAL:
		return MV_STATUS_INVALID_INPUT_REG1;
	}
	return MV_STATUS_FAILURE_UNKNOWN;
}

mv_status_t hc_pp_stop(struct call *c)
{
	if (vm_any())
		return MV_STATUS_INVALID_PERM_DENIED;
	if (cpus[c->cpu].shared)
		return MV_STATUS_FAILURE_BUSY;
	__atomic_store_n(&cpus[c->cpu].online, 0, __ATOMIC_RELAXED);
	c->stop = 1;
	return MV_STATUS_SUCCESS;
}
