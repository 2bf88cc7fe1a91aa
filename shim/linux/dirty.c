// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The ioctls of the dirty log: copying to and from user space. With the VM lock. */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "shim_linux.h"

/* When the copy fails the log is kept: the next call tells it. */
long vm_get_dirty_log(struct vm_file *vm, const struct kvm_dirty_log __user *arg)
{
	struct kvm_dirty_log log;
	const void *bitmap;
	size_t bytes;
	int ret;

	if (copy_from_user(&log, arg, sizeof(log)))
		return -EFAULT;
	ret = shim_vm_get_dirty_log(&vm->vm, log.slot, &bitmap, &bytes);
	if (ret)
		return ret;
	if (copy_to_user(log.dirty_bitmap, bitmap, bytes))
		return -EFAULT;
	shim_vm_dirty_log_told(&vm->vm, log.slot);
	return 0;
}

long vm_clear_dirty_log(struct vm_file *vm, const struct kvm_clear_dirty_log __user *arg)
{
	struct kvm_clear_dirty_log clear;
	void *bitmap;
	long bytes;

	if (copy_from_user(&clear, arg, sizeof(clear)))
		return -EFAULT;
	bytes = shim_vm_clear_dirty_log_bytes(&vm->vm, &clear);
	if (bytes <= 0)
		return bytes;
	bitmap = kvmalloc(bytes, GFP_KERNEL_ACCOUNT);
	if (!bitmap)
		return -ENOMEM;
	if (copy_from_user(bitmap, clear.dirty_bitmap, bytes))
		bytes = -EFAULT;
	else
		bytes = shim_vm_clear_dirty_log(&vm->vm, &clear, bitmap);
	kvfree(bitmap);
	return bytes;
}
