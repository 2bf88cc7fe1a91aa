// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The ioctls about MSRs: copying to and from user space. */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "shim_linux.h"

/* E2BIG with the number that there are, when there is no room for them. */
long msr_list(struct kvm_msr_list __user *arg, bool features)
{
	u32 indices[SHIM_MSR_LIST_MAX], count;
	struct kvm_msr_list head;
	u32 room;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	room = head.nmsrs;
	count = features ? shim_msr_feature_list(indices) : shim_msr_list(indices);
	head.nmsrs = count;
	if (copy_to_user(arg, &head, sizeof(head)))
		return -EFAULT;
	if (room < count)
		return -E2BIG;
	return copy_to_user(arg->indices, indices, count * sizeof(indices[0])) ? -EFAULT : 0;
}

/* The entries of user space, to be freed, with their number; or an error pointer. */
static struct kvm_msr_entry *entries_in(const struct kvm_msrs __user *arg, u32 *count)
{
	struct kvm_msrs head;

	if (copy_from_user(&head, arg, sizeof(head)))
		return ERR_PTR(-EFAULT);
	if (head.nmsrs > SHIM_MSRS_MAX)
		return ERR_PTR(-E2BIG);
	*count = head.nmsrs;
	return memdup_user(arg->entries, head.nmsrs * sizeof(arg->entries[0]));
}

long msrs_get(struct shim_vcpu *vcpu, struct kvm_msrs __user *arg)
{
	struct kvm_msr_entry *entries;
	u32 count;
	long ret;

	entries = entries_in(arg, &count);
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	ret = vcpu ? shim_vcpu_get_msrs(vcpu, entries, count)
		   : shim_get_msr_features(entries, count);
	if (copy_to_user(arg->entries, entries, count * sizeof(*entries)))
		ret = -EFAULT;
	kfree(entries);
	return ret;
}

long msrs_set(struct shim_vcpu *vcpu, const struct kvm_msrs __user *arg)
{
	struct kvm_msr_entry *entries;
	u32 count;
	long ret;

	entries = entries_in(arg, &count);
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	ret = shim_vcpu_set_msrs(vcpu, entries, count);
	kfree(entries);
	return ret;
}
