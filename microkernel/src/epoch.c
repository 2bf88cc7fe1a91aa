// SPDX-License-Identifier: MIT
/*
 * Epochs. See epoch.h.
 */
#include "epoch.h"

#include "cpu.h"
#include "user.h"

static u64 epoch = 1;

u64 epoch_bump(void)
{
	return __atomic_add_fetch(&epoch, 1, __ATOMIC_SEQ_CST);
}

bool epoch_passed(u64 e)
{
	return epoch_passed_by(e, false);
}

bool epoch_passed_by(u64 e, bool guests)
{
	u64 n;

	epoch_join(cpu_this());
	for (n = 0; n < MV_MAX_PPS; n++) {
		const struct cpu *cpu = cpu_get(n);

		if (cpu && __atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE) &&
		    !(guests && __atomic_load_n(&cpu->in_root, __ATOMIC_SEQ_CST)) &&
		    __atomic_load_n(&cpu->epoch, __ATOMIC_ACQUIRE) < e)
			return false;
	}
	return true;
}

bool epoch_is_joined(const struct cpu *cpu)
{
	return __atomic_load_n(&epoch, __ATOMIC_SEQ_CST) == cpu->epoch;
}

/* Both kinds of translation go: the host's now, the VMs' before the next VM runs here. */
void epoch_join(struct cpu *cpu)
{
	u64 now = __atomic_load_n(&epoch, __ATOMIC_SEQ_CST);

	if (cpu->epoch == now)
		return;
	if (cpu->window)
		user_window_close(cpu);
	else
		hw_flush_tlb();
	cpu_flush_vms(cpu);
	__atomic_store_n(&cpu->epoch, now, __ATOMIC_RELEASE);
}
