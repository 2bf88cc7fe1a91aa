// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The ioctls that set a VM up: copying from user space, and the VM lock. */
#include <linux/uaccess.h>
#include "shim_linux.h"

long vm_enable_cap(struct vm_file *vm, const struct kvm_enable_cap __user *arg)
{
	struct kvm_enable_cap cap;
	long ret;

	if (copy_from_user(&cap, arg, sizeof(cap)))
		return -EFAULT;
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	ret = shim_vm_enable_cap(&vm->vm, &cap);
	mutex_unlock(&vm->lock);
	return ret;
}

long vm_set_number(struct vm_file *vm, unsigned long arg,
		   int (*set)(struct shim_vm *vm, uint64_t number))
{
	long ret;

	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	ret = set(&vm->vm, arg);
	mutex_unlock(&vm->lock);
	return ret;
}

long vm_set_identity_map_addr(struct vm_file *vm, const __u64 __user *arg)
{
	u64 addr;

	if (copy_from_user(&addr, arg, sizeof(addr)))
		return -EFAULT;
	return vm_set_number(vm, addr, shim_vm_set_identity_map_addr);
}

/* A VM without an interrupt controller in the kernel has nowhere to route to. */
long vm_set_gsi_routing(const struct kvm_irq_routing __user *arg)
{
	struct kvm_irq_routing routing;

	return copy_from_user(&routing, arg, sizeof(routing)) ? -EFAULT : -EINVAL;
}
