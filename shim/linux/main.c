// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * microv_kvm.ko: /dev/kvm on top of MicroV. Loading needs a running MicroV, and while it is
 * loaded MicroV can't be stopped.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include "shim_linux.h"

module_param_named(vms, shim_stats.vms, ulong, 0444);
MODULE_PARM_DESC(vms, "how many VMs exist (read only)");
module_param_named(hypercalls_map, shim_stats.hypercalls_map, ulong, 0444);
MODULE_PARM_DESC(hypercalls_map, "how many mv_vm_op_mmio_map were made (read only)");

static long system_attr(const struct kvm_device_attr __user *arg, bool get)
{
	struct kvm_device_attr attr;
	u64 value;
	long ret;

	if (copy_from_user(&attr, arg, sizeof(attr)))
		return -EFAULT;
	ret = shim_system_attr(&attr, &value);
	if (!ret && get && put_user(value, (u64 __user *)attr.addr))
		ret = -EFAULT;
	return ret;
}

module_param_named(entries_2m, shim_stats.entries_2m, ulong, 0444);
MODULE_PARM_DESC(entries_2m, "how many pieces of 2 MiB were mapped as such (read only)");
module_param_named(entries_4k, shim_stats.entries_4k, ulong, 0444);
MODULE_PARM_DESC(entries_4k, "how many pages were mapped as pages of 4 KiB (read only)");

static long kvm_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (ioctl) {
	case KVM_GET_API_VERSION:
		return arg ? -EINVAL : KVM_API_VERSION;
	case KVM_CREATE_VM:
		return vm_create(arg);
	case KVM_CHECK_EXTENSION:
		return shim_check_extension(arg);
	case KVM_GET_SUPPORTED_CPUID:
	case KVM_GET_EMULATED_CPUID:
		return cpuid_get_system(argp, ioctl == KVM_GET_EMULATED_CPUID);
	case KVM_GET_MSR_INDEX_LIST:
	case KVM_GET_MSR_FEATURE_INDEX_LIST:
		return msr_list(argp, ioctl == KVM_GET_MSR_FEATURE_INDEX_LIST);
	case KVM_GET_MSRS:
		return msrs_get(NULL, argp);
	case KVM_HAS_DEVICE_ATTR:
	case KVM_GET_DEVICE_ATTR:
		return system_attr(argp, ioctl == KVM_GET_DEVICE_ATTR);
	case KVM_X86_GET_MCE_CAP_SUPPORTED:
		return put_user((u64)SHIM_MCE_CAPS, (u64 __user *)arg);
	case KVM_GET_VCPU_MMAP_SIZE:
		return arg ? -EINVAL : SHIM_RUN_BYTES;
	default:
		return -EINVAL;
	}
}

/* Of all CPUs that are online. */
static int world_switches_get(char *buffer, const struct kernel_param *param)
{
	unsigned int cpu;
	u64 sum = 0;

	cpus_read_lock();
	for_each_online_cpu(cpu)
		sum += shim_world_switches(cpu);
	cpus_read_unlock();
	return scnprintf(buffer, PAGE_SIZE, "%llu\n", sum);
}

static const struct kernel_param_ops world_switches_ops = { .get = world_switches_get };
module_param_cb(world_switches, &world_switches_ops, NULL, 0444);
MODULE_PARM_DESC(world_switches, "how often a VM was entered, the root VM too (read only)");

static const struct file_operations kvm_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = kvm_ioctl,
	.compat_ioctl = kvm_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice kvm_device = {
	.minor = KVM_MINOR,
	.name = "kvm",
	.mode = 0660,
	.fops = &kvm_fops,
};

/* The loader is looked up by name, so that this module can be built without it. */
static int loader_acquire(void)
{
	int (*acquire)(void) = symbol_get(mv_loader_acquire);
	int ret;

	if (!acquire) {
		pr_err("microv_loader is not loaded\n");
		return -ENODEV;
	}
	ret = acquire();
	if (ret) {
		pr_err("MicroV does not run\n");
		symbol_put(mv_loader_acquire);
	}
	return ret;
}

static void loader_release(void)
{
	void (*release)(void) = symbol_get(mv_loader_release);

	if (release) {
		release();
		symbol_put(mv_loader_release);
	}
	symbol_put(mv_loader_acquire);
}

static int __init shim_module_init(void)
{
	int ret;

	ret = loader_acquire();
	if (ret)
		return ret;
	ret = shim_init();
	if (ret) {
		pr_err("no hypervisor answers, or none of version Mv#1\n");
		goto release;
	}
	ret = clock_init();
	if (ret)
		goto fini;
	ret = watchdog_init();
	if (ret)
		goto clock;
	ret = cpus_init();
	if (ret) {
		pr_err("a CPU is not in the root VM, or has no shared page (%d)\n", ret);
		goto watchdog;
	}
	ret = misc_register(&kvm_device);
	if (ret) {
		pr_err("/dev/kvm is taken: is kvm_amd or kvm_intel loaded? (%d)\n", ret);
		goto cpu;
	}
	debugfs_init();
	return 0;

cpu:
	cpus_fini();
watchdog:
	watchdog_fini();
clock:
	clock_fini();
fini:
	shim_fini();
release:
	loader_release();
	return ret;
}

static void __exit shim_module_exit(void)
{
	debugfs_fini();
	misc_deregister(&kvm_device);
	cpus_fini();
	watchdog_fini();
	clock_fini();
	shim_fini();
	loader_release();
}

module_init(shim_module_init);
module_exit(shim_module_exit);
MODULE_DESCRIPTION("/dev/kvm on MicroV");
MODULE_LICENSE("Dual MIT/GPL");
