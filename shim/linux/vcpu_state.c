// SPDX-License-Identifier: GPL-2.0 OR MIT
/* More ioctls of a vCPU: copying to and from user space. */
#include <linux/uaccess.h>
#include "shim_linux.h"

long vcpu_get_sregs2(struct shim_vcpu *vcpu, struct kvm_sregs2 __user *arg)
{
	struct kvm_sregs2 sregs2;
	long ret = shim_vcpu_get_sregs2(vcpu, &sregs2);

	if (!ret && copy_to_user(arg, &sregs2, sizeof(sregs2)))
		ret = -EFAULT;
	return ret;
}

long vcpu_set_sregs2(struct shim_vcpu *vcpu, const struct kvm_sregs2 __user *arg)
{
	struct kvm_sregs2 sregs2;

	if (copy_from_user(&sregs2, arg, sizeof(sregs2)))
		return -EFAULT;
	return shim_vcpu_set_sregs2(vcpu, &sregs2);
}

long vcpu_translate(struct shim_vcpu *vcpu, struct kvm_translation __user *arg)
{
	struct kvm_translation tr;
	long ret;

	if (copy_from_user(&tr, arg, sizeof(tr)))
		return -EFAULT;
	ret = shim_vcpu_translate(vcpu, &tr);
	if (!ret && copy_to_user(arg, &tr, sizeof(tr)))
		ret = -EFAULT;
	return ret;
}

long vcpu_setup_mce(struct shim_vcpu *vcpu, const __u64 __user *arg)
{
	u64 mcg_cap;

	if (copy_from_user(&mcg_cap, arg, sizeof(mcg_cap)))
		return -EFAULT;
	return shim_vcpu_setup_mce(vcpu, mcg_cap);
}

long vcpu_set_mce(struct shim_vcpu *vcpu, const struct kvm_x86_mce __user *arg)
{
	struct kvm_x86_mce mce;

	if (copy_from_user(&mce, arg, sizeof(mce)))
		return -EFAULT;
	return shim_vcpu_set_mce(vcpu, &mce);
}

/* KVM has more that can be enabled, for guests of Hyper-V. */
long vcpu_enable_cap(struct shim_vcpu *vcpu, const struct kvm_enable_cap __user *arg)
{
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, arg, sizeof(cap)))
		return -EFAULT;
	return shim_vcpu_enable_cap(vcpu, &cap);
}
