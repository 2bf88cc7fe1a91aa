// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The ioctls about CPUID: copying to and from user space. */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "shim_linux.h"

static struct kvm_cpuid_entry2 *entries_alloc(u32 nent)
{
	return kvcalloc(nent ? nent : 1, sizeof(struct kvm_cpuid_entry2), GFP_KERNEL_ACCOUNT);
}

/* KVM wants the padding clean here, to give it a meaning one day. */
static long check_padding(const struct kvm_cpuid2 __user *arg, u32 nent)
{
	struct kvm_cpuid_entry2 e;
	u32 i;

	for (i = 0; i < nent; i++) {
		if (copy_from_user(&e, &arg->entries[i], sizeof(e)))
			return -EFAULT;
		if (e.padding[0] || e.padding[1] || e.padding[2])
			return -EINVAL;
	}
	return 0;
}

long cpuid_get_system(struct kvm_cpuid2 __user *arg, bool emulated)
{
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid2 head;
	long ret;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	head.nent = min(head.nent, SHIM_CPUID_MAX);
	ret = emulated ? check_padding(arg, head.nent) : 0;
	if (ret)
		return ret;
	entries = entries_alloc(head.nent);
	if (!entries)
		return -ENOMEM;
	ret = shim_get_cpuid(emulated, entries, &head.nent);
	if (!ret && (copy_to_user(arg->entries, entries, head.nent * sizeof(*entries)) ||
		     copy_to_user(arg, &head, sizeof(head))))
		ret = -EFAULT;
	kvfree(entries);
	return ret;
}

/* KVM leaves nent as it was. */
long cpuid_get_vcpu(struct shim_vcpu *vcpu, struct kvm_cpuid2 __user *arg)
{
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid2 head;
	u32 count;
	long ret;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	entries = entries_alloc(min(head.nent, SHIM_CPUID_MAX));
	if (!entries)
		return -ENOMEM;
	ret = shim_vcpu_get_cpuid2(vcpu, entries, min(head.nent, SHIM_CPUID_MAX), &count);
	if (!ret && copy_to_user(arg->entries, entries, count * sizeof(*entries)))
		ret = -EFAULT;
	kvfree(entries);
	return ret;
}

long cpuid_set2(struct shim_vcpu *vcpu, const struct kvm_cpuid2 __user *arg)
{
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid2 head;
	long ret;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (head.nent > SHIM_CPUID_MAX)
		return -E2BIG;
	entries = entries_alloc(head.nent);
	if (!entries)
		return -ENOMEM;
	if (copy_from_user(entries, arg->entries, head.nent * sizeof(*entries)))
		ret = -EFAULT;
	else
		ret = shim_vcpu_set_cpuid2(vcpu, entries, head.nent);
	kvfree(entries);
	return ret;
}

/* The old form, without index and flags. */
long cpuid_set(struct shim_vcpu *vcpu, const struct kvm_cpuid __user *arg)
{
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid_entry old;
	struct kvm_cpuid head;
	long ret = 0;
	u32 i;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (head.nent > SHIM_CPUID_MAX)
		return -E2BIG;
	entries = entries_alloc(head.nent);
	if (!entries)
		return -ENOMEM;
	for (i = 0; i < head.nent && !ret; i++) {
		if (copy_from_user(&old, &arg->entries[i], sizeof(old)))
			ret = -EFAULT;
		entries[i] = (struct kvm_cpuid_entry2){
			.function = old.function,
			.eax = old.eax,
			.ebx = old.ebx,
			.ecx = old.ecx,
			.edx = old.edx,
		};
	}
	if (!ret)
		ret = shim_vcpu_set_cpuid2(vcpu, entries, head.nent);
	kvfree(entries);
	return ret;
}
