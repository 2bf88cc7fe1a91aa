// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * CPUs: the page that each CPU shares with the hypervisor.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <asm/processor.h>
#include "shim_linux.h"

DEFINE_PER_CPU(void *, platform_shared_page);
static DEFINE_PER_CPU(void *, page); /* the same, or what it will be */
static int hotplug_state;

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
	void *mine = this_cpu_read(page);
	int ret = shim_cpu_online(virt_to_phys(mine));

	if (!ret) {
		this_cpu_write(platform_shared_page, mine);
		watchdog_cpu_start();
	}
	return ret;
}

static int cpu_offline_cb(unsigned int cpu)
{
	if (this_cpu_read(platform_shared_page))
		watchdog_cpu_stop();
	this_cpu_write(platform_shared_page, NULL);
	shim_cpu_offline();
	return 0;
}

static void pages_free(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		free_page((unsigned long)per_cpu(page, cpu));
		per_cpu(page, cpu) = NULL;
	}
}

int cpus_init(void)
{
	unsigned int cpu;
	int ret = 0;

	for_each_possible_cpu(cpu) {
		per_cpu(page, cpu) = (void *)get_zeroed_page(GFP_KERNEL);
		if (!per_cpu(page, cpu))
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
