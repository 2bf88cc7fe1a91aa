// SPDX-License-Identifier: GPL-2.0 OR MIT
/* KVM_X86_SET_MSR_FILTER: copying a filter with its bitmaps. */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include "shim_linux.h"

static long ranges_in(struct shim_msr_filter *filter, const struct kvm_msr_filter *user)
{
	unsigned int i;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		const struct kvm_msr_filter_range *from = &user->ranges[i];
		struct shim_msr_range *to = &filter->ranges[i];

		to->flags = from->flags;
		to->base = from->base;
		to->count = from->nmsrs;
		if (copy_from_user(to->bitmap, (const void __user *)from->bitmap,
				   shim_msr_range_bytes(from)))
			return -EFAULT;
	}
	return 0;
}

static struct shim_msr_filter *filter_in(const struct kvm_msr_filter __user *arg)
{
	struct shim_msr_filter *filter;
	struct kvm_msr_filter user;

	if (copy_from_user(&user, arg, sizeof(user)))
		return ERR_PTR(-EFAULT);
	if (!shim_msr_filter_valid(&user))
		return ERR_PTR(-EINVAL);
	filter = kvzalloc(sizeof(*filter), GFP_KERNEL_ACCOUNT);
	if (!filter)
		return ERR_PTR(-ENOMEM);
	filter->default_allow = !(user.flags & KVM_MSR_FILTER_DEFAULT_DENY);
	if (ranges_in(filter, &user)) {
		kvfree(filter);
		return ERR_PTR(-EFAULT);
	}
	return filter;
}

/* Each vCPU that runs leaves the guest, and so goes in again with the new filter. */
long vm_set_msr_filter(struct vm_file *vm, const struct kvm_msr_filter __user *arg)
{
	struct shim_msr_filter *filter = filter_in(arg), *old;

	if (IS_ERR(filter))
		return PTR_ERR(filter);
	mutex_lock(&vm->lock);
	old = shim_vm_set_msr_filter(&vm->vm, filter);
	mutex_unlock(&vm->lock);
	kvfree(old);
	platform_ping_cpus();
	return 0;
}
