/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * platform_inline.h on Linux; what it needs is in cpu.c, clock.c and watch.c of shim/linux.
 */
#ifndef SHIM_PLATFORM_LINUX_H
#define SHIM_PLATFORM_LINUX_H

#include <linux/cpumask.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <asm/asm.h>
#include <mv_abi.h>

/* A signal is pending, or others want the CPU. */
#define PLATFORM_OTHERS (_TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL | _TIF_NEED_RESCHED)

/* The beginning of what `os` points to. */
struct platform_gate {
	bool stale; /* nobody may enter the guest */
	struct cpumask running; /* CPUs that are in the guest, or about to be */
};

DECLARE_PER_CPU(void *, platform_shared_page); /* NULL: the hypervisor doesn't know it */
DECLARE_PER_CPU(unsigned long, platform_tell_at); /* jiffies; 0: at once */

PLATFORM_INLINE void *platform_shared_page_get(void)
{
	void *page;

	preempt_disable();
	page = __this_cpu_read(platform_shared_page);
	if (unlikely(!page))
		preempt_enable();
	return page;
}

PLATFORM_INLINE void platform_shared_page_put(void)
{
	preempt_enable();
}

/* Others' half of this is at the top of watch.c. */
PLATFORM_INLINE bool platform_guest_enter(void *os, bool guest)
{
	struct platform_gate *gate = os;

	local_irq_disable();
	if (!guest || likely(!(read_thread_flags() & PLATFORM_OTHERS))) {
		cpumask_set_cpu(smp_processor_id(), &gate->running);
		/* Pairs with the one of who marks memory stale, then looks for who runs. */
		smp_mb__after_atomic();
		if (likely(!READ_ONCE(gate->stale)))
			return true;
		cpumask_clear_cpu(smp_processor_id(), &gate->running);
	}
	local_irq_enable();
	return false;
}

PLATFORM_INLINE void platform_guest_leave(void *os)
{
	struct platform_gate *gate = os;

	cpumask_clear_cpu(smp_processor_id(), &gate->running);
	local_irq_enable();
}

PLATFORM_INLINE bool platform_signal_pending(void)
{
	return signal_pending(current);
}

PLATFORM_INLINE bool platform_time_due(void)
{
	return unlikely(time_after(jiffies, __this_cpu_read(platform_tell_at)));
}

/* Without a hypervisor that takes it VMMCALL is an invalid opcode. */
PLATFORM_INLINE void mv_hypercall(struct mv_regs *regs)
{
	register u64 r10 asm("r10") = regs->reg[0];
	register u64 r11 asm("r11") = regs->reg[1];
	register u64 r12 asm("r12") = regs->reg[2];
	register u64 r13 asm("r13") = regs->reg[3];
	u64 rax = regs->rax;

	/* What isn't executed leaves MV_STATUS_FAILURE_UNSUPPORTED. */
	asm volatile("1:	vmmcall\n"
		     "	jmp 3f\n"
		     "2:	movabsq %[fault], %%rax\n"
		     "3:\n" _ASM_EXTABLE(1b, 2b)
		     : "+a"(rax), "+r"(r10), "+r"(r11), "+r"(r12), "+r"(r13)
		     : [fault] "i"(MV_STATUS_FAILURE_UNSUPPORTED)
		     : "memory", "cc");

	regs->rax = rax;
	regs->reg[0] = r10;
	regs->reg[1] = r11;
	regs->reg[2] = r12;
	regs->reg[3] = r13;
}

#endif /* SHIM_PLATFORM_LINUX_H */
