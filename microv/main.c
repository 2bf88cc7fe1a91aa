// SPDX-License-Identifier: MIT
/* MicroV on one CPU: runs the root VM and serves each of its exits, for ever. */
#include "exit.h"
#include "hypercall.h"
#include "log.h"
#include "main.h"
#include "stats.h"
#include "vm.h"

/* MicroV faulted on this CPU: let go of everything that it held, and answer root. */
static void recover(unsigned int cpu)
{
	LOG("ring 3 faulted on CPU", cpu);
	vm_break_locks(cpu);
	hypercall_abort(cpu, mk_state(MK_ROOT_VS(cpu)));
	vs_abandon(cpu);
}

void microv_start(unsigned int cpu, enum mk_start start)
{
	static int window_ready;

	if (start == MK_START_FAULT) {
		recover(cpu);
		return;
	}
	if (!__atomic_exchange_n(&window_ready, 1, __ATOMIC_RELAXED))
		mk_window_init();
	cpus[cpu] = (struct cpu){ .online = 1 };
	stats_start(mk_state(MK_ROOT_VS(cpu)));
}

void microv_main(unsigned int cpu, enum mk_start start)
{
	int64_t err;

	microv_start(cpu, start);
	for (;;) {
		err = mk_vs_run(MK_ROOT_VS(cpu));
		if (err < 0)
			LOG_ONCE("root can't run:", cpu, -err);
		else
			root_exit(cpu);
	}
}
