// SPDX-License-Identifier: MIT
/* mv_vs_op_stats_get. See stats.h. */
#include "stats.h"
#include "vm_table.h"

MV_ABI_ASSERT((int)MV_STATS_EXIT_COUNT == (int)MK_EXIT_COUNT);
MV_ABI_ASSERT(MK_EXIT_COUNT <= MV_STATS_MAX_EXITS);
MV_ABI_ASSERT((int)MV_STATS_EXIT_mem == (int)MK_EXIT_MEM);
MV_ABI_ASSERT((int)MV_STATS_EXIT_cr == (int)MK_EXIT_CR);

void stats_start(struct mk_state *st)
{
	st->entries = st->switches = 0;
	state_data(st)->stats = (struct vs_stats){ .born = rdtsc() };
}

static void fill(struct mv_stats_t *page, struct mk_state *st)
{
	const struct vs_stats *stats = &state_data(st)->stats;

	memset(page, 0, offsetof(struct mv_stats_t, reserved1));
	page->entries = st->entries;
	page->switches = st->switches;
	page->age = rdtsc() - stats->born;
	page->run_ticks = stats->run_ticks;
	page->guest_ticks = stats->guest_ticks;
	page->interrupts = stats->delivered[MK_EVENT_INTR];
	page->nmis = stats->delivered[MK_EVENT_NMI];
	page->exceptions = stats->delivered[MK_EVENT_EXCEPTION];
	page->emulated = stats->emulated;
	memcpy(page->exits, stats->exits, sizeof(stats->exits));
}

/* Another CPU may run the VS meanwhile: the lock keeps it from being destroyed. */
static mv_status_t fill_guest(struct call *c, unsigned int id)
{
	struct vm *vm = &vms[id_vmid(id)];
	mv_status_t status = MV_STATUS_INVALID_INPUT_REG1;

	lock_take(&vm->lock, c->cpu);
	if (vs_has_state(id)) {
		fill(mk_shared(), mk_state(id));
		status = MV_STATUS_SUCCESS;
	}
	lock_drop(&vm->lock);
	return status;
}

mv_status_t hc_vs_stats_get(struct call *c)
{
	unsigned int id;

	if (!cpus[c->cpu].shared)
		return MV_STATUS_FAILURE_UNKNOWN;
	if (id_lookup_vs(c, &id) < 0)
		return MV_STATUS_INVALID_INPUT_REG1;
	if (id_is_guest(id))
		return fill_guest(c, id);
	fill(mk_shared(), mk_state(MK_ROOT_VS(id)));
	return MV_STATUS_SUCCESS;
}
