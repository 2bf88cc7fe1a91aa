// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A MicroV that never comes back from a hypercall: nothing interrupts the hypervisor but NMIs,
 * so a CPU that lets others wait gets some, and the microkernel ends what MicroV does there.
 * Each CPU has a timer that counts, and looks after the count of the next CPU.
 */
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/timer.h>
#include <asm/apic.h>
#include <asm/nmi.h>
#include "shim_linux.h"

/* How many of one's own ticks the other may miss: work with interrupts off does no harm. */
#define PATIENCE 2

struct watchdog {
	struct timer_list timer;
	unsigned int ticks;
	unsigned int other, seen,
		missed; /* whom it looks after; its ticks; how often these stood */
	bool called; /* by NMIs, and hasn't ticked since */
};

static DEFINE_PER_CPU(struct watchdog, watchdog);

static void call(unsigned int cpu, struct watchdog *other)
{
	if (!other->called)
		pr_warn(KBUILD_MODNAME ": CPU %u doesn't answer: it gets NMIs\n", cpu);
	WRITE_ONCE(other->called, true);
	apic->send_IPI(cpu, NMI_VECTOR);
}

static void look_after(struct watchdog *own, unsigned int cpu)
{
	struct watchdog *other = per_cpu_ptr(&watchdog, cpu);
	unsigned int ticks = READ_ONCE(other->ticks);

	if (cpu != own->other || ticks != own->seen)
		own->missed = 0;
	else if (own->missed++ >= PATIENCE)
		call(cpu, other);
	own->other = cpu;
	own->seen = ticks;
}

static void tick(struct timer_list *timer)
{
	struct watchdog *own = container_of(timer, struct watchdog, timer);
	unsigned int here = raw_smp_processor_id(), cpu = cpumask_next(here, cpu_online_mask);

	WRITE_ONCE(own->ticks, own->ticks + 1);
	WRITE_ONCE(own->called, false);
	if (cpu >= nr_cpu_ids)
		cpu = cpumask_first(cpu_online_mask);
	if (cpu != here)
		look_after(own, cpu);
	mod_timer(timer, jiffies + HZ);
}

/* Without this Linux wonders who sent it. */
static int on_nmi(unsigned int type, struct pt_regs *regs)
{
	return READ_ONCE(this_cpu_ptr(&watchdog)->called) ? NMI_HANDLED : NMI_DONE;
}

void watchdog_cpu_start(void)
{
	struct watchdog *own = this_cpu_ptr(&watchdog);

	own->missed = 0;
	own->called = false;
	timer_setup(&own->timer, tick, TIMER_PINNED);
	mod_timer(&own->timer, jiffies + HZ);
}

void watchdog_cpu_stop(void)
{
	del_timer_sync(&this_cpu_ptr(&watchdog)->timer);
}

int watchdog_init(void)
{
	return register_nmi_handler(NMI_LOCAL, on_nmi, 0, KBUILD_MODNAME);
}

void watchdog_fini(void)
{
	unregister_nmi_handler(NMI_LOCAL, KBUILD_MODNAME);
}
