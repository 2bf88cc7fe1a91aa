// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The ioctls about FPU state: copying to and from user space. */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "shim_linux.h"

static long call(struct shim_vcpu *vcpu, unsigned int ioctl, void *data)
{
	switch (ioctl) {
	case KVM_GET_FPU:
		return shim_vcpu_get_fpu(vcpu, data);
	case KVM_SET_FPU:
		return shim_vcpu_set_fpu(vcpu, data);
	case KVM_GET_XSAVE:
	case KVM_GET_XSAVE2:
		return shim_vcpu_get_xsave(vcpu, data);
	case KVM_SET_XSAVE:
		return shim_vcpu_set_xsave(vcpu, data);
	case KVM_GET_XCRS:
		return shim_vcpu_get_xcrs(vcpu, data);
	case KVM_SET_XCRS:
		return shim_vcpu_set_xcrs(vcpu, data);
	default:
		return -EINVAL;
	}
}

/* The number of the ioctl tells size and direction, and no size is above a page. */
long fpu_ioctl(struct shim_vcpu *vcpu, unsigned int ioctl, void __user *arg)
{
	size_t bytes = _IOC_SIZE(ioctl);
	void *data = kzalloc(bytes, GFP_KERNEL_ACCOUNT);
	long ret = 0;

	if (!data)
		return -ENOMEM;
	if (_IOC_DIR(ioctl) & _IOC_WRITE && copy_from_user(data, arg, bytes))
		ret = -EFAULT;
	if (!ret)
		ret = call(vcpu, ioctl, data);
	if (!ret && _IOC_DIR(ioctl) & _IOC_READ && copy_to_user(arg, data, bytes))
		ret = -EFAULT;
	kfree(data);
	return ret;
}
