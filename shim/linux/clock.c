// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What time it is, and the ioctls about the clock of a VM and the TSC of a vCPU. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/pvclock_gtod.h>
#include <linux/timekeeper_internal.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <asm/tsc.h>
#include "shim_linux.h"

DEFINE_PER_CPU(unsigned long, platform_tell_at);
static bool by_tsc; /* the kernel's clocks go by the TSC */

void platform_time(struct platform_time *time)
{
	struct system_time_snapshot now;
	unsigned long flags;
	u64 before;

	time->exact = READ_ONCE(by_tsc);
	local_irq_save(flags);
	before = rdtsc_ordered();
	ktime_get_snapshot(&now);
	/* With another clock source: between the two, which is as near as one can get. */
	time->tsc = time->exact ? now.cycles : before + (rdtsc_ordered() - before) / 2;
	local_irq_restore(flags);
	time->mono = ktime_to_ns(now.raw);
	time->real = ktime_to_ns(now.real);
	this_cpu_write(platform_tell_at, jiffies + HZ);
}

uint32_t platform_tsc_khz(void)
{
	return tsc_khz;
}

/* The kernel's clocks may change to another clock source at any time, which it tells here. */
static int clocks_change(struct notifier_block *nb, unsigned long unused, void *data)
{
	const struct timekeeper *tk = data;

	WRITE_ONCE(by_tsc, tk->tkr_mono.clock->vdso_clock_mode == VDSO_CLOCKMODE_TSC);
	return 0;
}

static struct notifier_block clocks_notifier = {
	.notifier_call = clocks_change,
};

int clock_init(void)
{
	int ret = pvclock_gtod_register_notifier(&clocks_notifier);

	if (!ret && !by_tsc)
		pr_warn("the TSC isn't stable here, so neither are the TSCs of guests\n");
	return ret;
}

void clock_fini(void)
{
	pvclock_gtod_unregister_notifier(&clocks_notifier);
}

long clock_get(struct vm_file *vm, void __user *arg)
{
	struct kvm_clock_data data;
	long ret = shim_vm_get_clock(&vm->vm, &data);

	if (!ret && copy_to_user(arg, &data, sizeof(data)))
		ret = -EFAULT;
	return ret;
}

long clock_set(struct vm_file *vm, const void __user *arg)
{
	struct kvm_clock_data data;

	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;
	return shim_vm_set_clock(&vm->vm, &data);
}

long vcpu_attr(struct vcpu_file *vcpu, unsigned int ioctl, const void __user *arg)
{
	struct kvm_device_attr attr;
	u64 value;
	long ret;

	if (copy_from_user(&attr, arg, sizeof(attr)))
		return -EFAULT;
	ret = shim_vcpu_has_attr(&attr);
	if (ret || ioctl == KVM_HAS_DEVICE_ATTR)
		return ret;
	if (ioctl == KVM_SET_DEVICE_ATTR) {
		if (get_user(value, (u64 __user *)attr.addr))
			return -EFAULT;
		return shim_vcpu_set_attr(&vcpu->vcpu, value);
	}
	ret = shim_vcpu_get_attr(&vcpu->vcpu, &value);
	if (!ret && put_user(value, (u64 __user *)attr.addr))
		ret = -EFAULT;
	return ret;
}
