// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * CPUs: VMMCALL, and the page that each CPU shares with the hypervisor.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/percpu.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <asm/asm.h>
#include <asm/processor.h>
#include "../src/hypercall.h"
#include "shim_linux.h"

struct shared_page {
	void *page;
	bool known; /* the hypervisor knows it */
};

static DEFINE_PER_CPU(struct shared_page, shared_page);
static int hotplug_state;

/* Without a hypervisor that takes it VMMCALL is an invalid opcode. */
void mv_hypercall(struct mv_regs *regs)
{
	register u64 r10 asm("r10") = regs->reg[0];
	register u64 r11 asm("r11") = regs->reg[1];
	register u64 r12 asm("r12") = regs->reg[2];
	register u64 r13 asm("r13") = regs->reg[3];
	u64 rax = regs->rax;
	u32 fault = 1;

	asm volatile("1:	vmmcall\n"
		     "	xorl %[fault], %[fault]\n"
		     "2:\n" _ASM_EXTABLE(1b, 2b)
		     : "+a"(rax), "+r"(r10), "+r"(r11), "+r"(r12), "+r"(r13), [fault] "+r"(fault)
		     :
		     : "memory", "cc");

	regs->rax = fault ? MV_STATUS_FAILURE_UNSUPPORTED : rax;
	regs->reg[0] = r10;
	regs->reg[1] = r11;
	regs->reg[2] = r12;
	regs->reg[3] = r13;
}

void *platform_shared_page_get(void)
{
	struct shared_page *shared = &get_cpu_var(shared_page);

	if (shared->known)
		return shared->page;
	put_cpu_var(shared_page);
	return NULL;
}

void platform_shared_page_put(void)
{
	put_cpu_var(shared_page);
}

bool platform_signal_pending(void)
{
	return signal_pending(current);
}

void platform_yield(void)
{
	cond_resched();
}

static void ping(void *unused)
{
	shim_cpu_ping();
}

void platform_ping_cpus(void)
{
	on_each_cpu(ping, NULL, true);
}

void platform_retry_wait(unsigned int attempt)
{
	if (attempt < 10)
		cond_resched();
	else
		fsleep(min(attempt * 10, 10000U));
}

void platform_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	cpuid_count(leaf, subleaf, &out[0], &out[1], &out[2], &out[3]);
}

uint32_t platform_cpu(void)
{
	return raw_smp_processor_id();
}

uint32_t platform_online_cpus(void)
{
	return num_online_cpus();
}

/* On the CPU that comes; one that isn't in the root VM stays away. */
static int cpu_online_cb(unsigned int cpu)
{
	struct shared_page *shared = this_cpu_ptr(&shared_page);
	int ret = shim_cpu_online(virt_to_phys(shared->page));

	shared->known = !ret;
	if (!ret)
		watchdog_cpu_start();
	return ret;
}

static int cpu_offline_cb(unsigned int cpu)
{
	struct shared_page *shared = this_cpu_ptr(&shared_page);

	if (shared->known)
		watchdog_cpu_stop();
	shared->known = false;
	shim_cpu_offline();
	return 0;
}

static void pages_free(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		free_page((unsigned long)per_cpu(shared_page, cpu).page);
		per_cpu(shared_page, cpu).page = NULL;
	}
}

int cpus_init(void)
{
	unsigned int cpu;
	int ret = 0;

	for_each_possible_cpu(cpu) {
		per_cpu(shared_page, cpu).page = (void *)get_zeroed_page(GFP_KERNEL);
		if (!per_cpu(shared_page, cpu).page)
			ret = -ENOMEM;
	}
	if (!ret)
		ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "virt/microv_kvm:online",
					cpu_online_cb, cpu_offline_cb);
	if (ret < 0) {
		pages_free();
		return ret;
	}
	hotplug_state = ret;
	return 0;
}

void cpus_fini(void)
{
	cpuhp_remove_state(hotplug_state);
	pages_free();
}
