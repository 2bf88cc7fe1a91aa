// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * microv_loader: puts the running Linux into the root VM of MicroV, and takes it out
 * again. /dev/microv is for mvctl; the shim holds us with mv_loader_acquire.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/suspend.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "loader.h"

static struct hypervisor hv;
static bool is_running;
static u64 started; /* seconds since the epoch */
static unsigned int holders;
static DEFINE_MUTEX(lock); /* all of the above */

int mv_loader_acquire(void)
{
	int rc = -ENODEV;

	mutex_lock(&lock);
	if (is_running) {
		holders++;
		rc = 0;
	}
	mutex_unlock(&lock);
	return rc;
}
EXPORT_SYMBOL_GPL(mv_loader_acquire);

void mv_loader_release(void)
{
	mutex_lock(&lock);
	holders--;
	mutex_unlock(&lock);
}
EXPORT_SYMBOL_GPL(mv_loader_release);

static int read_image(struct image *image, u64 from, u64 bytes)
{
	if (!bytes || bytes > MV_LOADER_MAX_IMAGE)
		return -EFBIG;
	image->data = vmalloc(bytes);
	image->bytes = bytes;
	if (!image->data)
		return -ENOMEM;
	return copy_from_user(image->data, u64_to_user_ptr(from), bytes) ? -EFAULT : 0;
}

static int start(const struct mv_loader_start *args, u32 *reason)
{
	struct image microkernel = {}, microv = {};
	int rc;

	*reason = MV_LOADER_RUNNING;
	if (is_running)
		return -EBUSY;
	rc = launch_check(reason);
	if (rc)
		return rc;
	*reason = MV_LOADER_BAD_IMAGE;
	rc = read_image(&microkernel, args->microkernel, args->microkernel_bytes);
	if (!rc)
		rc = read_image(&microv, args->microv, args->microv_bytes);
	if (rc == -ENOMEM)
		*reason = MV_LOADER_NO_MEMORY;
	if (!rc)
		rc = memory_create(&hv, &microkernel, &microv, args->flags, reason);
	if (rc)
		goto out;
	*reason = MV_LOADER_FAILED;
	rc = launch_start(&hv);
	if (rc) {
		memory_destroy(&hv);
		goto out;
	}
	is_running = true;
	started = ktime_get_real_seconds();
	*reason = MV_LOADER_OK;
	__module_get(THIS_MODULE);
	pr_info("microv: started, %u CPUs in the root VM\n", launch_cpus(NULL));
out:
	vfree(microkernel.data);
	vfree(microv.data);
	return rc;
}

static int stop(u32 *reason)
{
	*reason = MV_LOADER_NOT_RUNNING;
	if (!is_running)
		return -ENOENT;
	*reason = MV_LOADER_IN_USE;
	if (holders)
		return -EBUSY;
	launch_stop();
	if (launch_cpus(NULL))
		return -EBUSY;
	memory_destroy(&hv);
	is_running = false;
	*reason = MV_LOADER_OK;
	module_put(THIS_MODULE);
	pr_info("microv: stopped\n");
	return 0;
}

static long ioctl_start(void __user *argp)
{
	struct mv_loader_start args;
	long rc;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	rc = start(&args, &args.reason);
	return copy_to_user(argp, &args, sizeof(args)) ? -EFAULT : rc;
}

static long ioctl_stop(void __user *argp)
{
	u32 reason;
	long rc = stop(&reason);

	return copy_to_user(argp, &reason, sizeof(reason)) ? -EFAULT : rc;
}

static long ioctl_status(void __user *argp)
{
	struct mv_loader_status *s = memdup_user(argp, sizeof(*s));
	u64 nr;
	long rc;

	if (IS_ERR(s))
		return PTR_ERR(s);
	nr = s->hidden_nr;
	memset(s, 0, sizeof(*s));
	if (is_running) {
		s->running = 1;
		s->cpus = launch_cpus(s->cpu_mask);
		s->started = started;
		s->memory_bytes = memory_bytes(&hv);
		s->hidden_nr = nr;
		if (nr < memory_bytes(&hv) / PAGE_2M) {
			s->hidden_spa = page_to_phys(hv.chunk[nr]);
			s->hidden_bytes = PAGE_2M;
		}
	}
	rc = copy_to_user(argp, s, sizeof(*s)) ? -EFAULT : 0;
	kfree(s);
	return rc;
}

static long ioctl_log(void __user *argp)
{
	struct mv_loader_log args;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (!is_running)
		return -ENOENT;
	return launch_log(&args) ?: copy_to_user(argp, &args, sizeof(args)) ? -EFAULT : 0;
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;
	long rc;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (mutex_lock_interruptible(&lock))
		return -EINTR;
	switch (cmd) {
	case MV_LOADER_START:
		rc = ioctl_start(argp);
		break;
	case MV_LOADER_STOP:
		rc = ioctl_stop(argp);
		break;
	case MV_LOADER_STATUS:
		rc = ioctl_status(argp);
		break;
	case MV_LOADER_LOG:
		rc = ioctl_log(argp);
		break;
	default:
		rc = -ENOTTY;
	}
	mutex_unlock(&lock);
	return rc;
}

static const struct file_operations device_ops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = MV_LOADER_DEVICE,
	.fops = &device_ops,
	.mode = 0600,
};

/* The root VM doesn't survive a sleep: the CPU forgets its VMCB. */
static int on_suspend(struct notifier_block *nb, unsigned long event, void *data)
{
	if (event != PM_SUSPEND_PREPARE && event != PM_HIBERNATION_PREPARE)
		return NOTIFY_DONE;
	if (!is_running)
		return NOTIFY_DONE;
	pr_warn("microv: no sleep while it runs: mvctl stop first\n");
	return NOTIFY_BAD;
}

static struct notifier_block suspend_notifier = { .notifier_call = on_suspend };

static int __init loader_init(void)
{
	int rc = register_pm_notifier(&suspend_notifier);

	if (rc)
		return rc;
	rc = misc_register(&device);
	if (rc)
		unregister_pm_notifier(&suspend_notifier);
	return rc;
}

/* Not while it runs: START takes a reference to the module. */
static void __exit loader_exit(void)
{
	misc_deregister(&device);
	unregister_pm_notifier(&suspend_notifier);
}

module_init(loader_init);
module_exit(loader_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Late launch of the MicroV hypervisor");
