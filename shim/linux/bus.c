// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Eventfds, the ring of coalesced writes, and their ioctls: copying from user space. */
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/rcupdate.h>
#include <linux/uaccess.h>
#include "shim_linux.h"

int platform_eventfd_get(int fd, void **eventfd)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(fd);

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	*eventfd = ctx;
	return 0;
}

void platform_eventfd_put(void *eventfd)
{
	eventfd_ctx_put(eventfd);
}

void platform_eventfd_signal(void *eventfd)
{
	eventfd_signal(eventfd, 1);
}

void platform_read_lock(void) __acquires(RCU)
{
	rcu_read_lock();
}

void platform_read_unlock(void) __releases(RCU)
{
	rcu_read_unlock();
}

/* Expedited: who sets a VM up does this dozens of times. */
void platform_read_wait(void)
{
	synchronize_rcu_expedited();
}

void platform_ring_lock(void *os) __acquires(ring_lock)
{
	spin_lock(&((struct vm_file *)os)->ring_lock);
}

void platform_ring_unlock(void *os) __releases(ring_lock)
{
	spin_unlock(&((struct vm_file *)os)->ring_lock);
}

long vm_ioeventfd(struct vm_file *vm, const struct kvm_ioeventfd __user *arg)
{
	struct kvm_ioeventfd args;
	long ret;

	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	ret = shim_vm_ioeventfd(&vm->vm, &args);
	mutex_unlock(&vm->lock);
	return ret;
}

long vm_coalesce(struct vm_file *vm, const struct kvm_coalesced_mmio_zone __user *arg, bool add)
{
	struct kvm_coalesced_mmio_zone zone;
	long ret;

	if (copy_from_user(&zone, arg, sizeof(zone)))
		return -EFAULT;
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	ret = shim_vm_coalesce(&vm->vm, &zone, add);
	mutex_unlock(&vm->lock);
	return ret;
}
