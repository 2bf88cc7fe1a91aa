// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The descriptor of a VM.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "shim_linux.h"

void platform_vm_lock(void *os)
{
	mutex_lock(&((struct vm_file *)os)->lock);
}

void platform_vm_unlock(void *os)
{
	mutex_unlock(&((struct vm_file *)os)->lock);
}

static void vm_free(struct vm_file *vm)
{
	free_page((unsigned long)vm->vm.ring);
	mmdrop(vm->mm);
	mutex_destroy(&vm->lock);
	kvfree(vm);
}

void vm_put(struct vm_file *vm)
{
	u32 i;

	if (!refcount_dec_and_test(&vm->users))
		return;
	debugfs_vm_del(vm);
	watch_fini(vm);
	shim_vm_destroy(&vm->vm);
	for (i = 0; i < vm->vm.num_vcpus; i++)
		vcpu_free(container_of(vm->vm.vcpus[i], struct vcpu_file, vcpu));
	vm_free(vm);
}

static int vm_release(struct inode *inode, struct file *file)
{
	vm_put(file->private_data);
	return 0;
}

static long vm_set_memory(struct vm_file *vm, const void __user *arg)
{
	struct kvm_userspace_memory_region region;
	long ret;

	if (copy_from_user(&region, arg, sizeof(region)))
		return -EFAULT;
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	ret = shim_vm_set_memory(&vm->vm, &region);
	mutex_unlock(&vm->lock);
	return ret;
}

/* What needs the VM lock. */
static long vm_ioctl_locked(struct vm_file *vm, unsigned int ioctl, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (ioctl) {
	case KVM_GET_DIRTY_LOG:
		return vm_get_dirty_log(vm, argp);
	case KVM_CLEAR_DIRTY_LOG:
		return vm_clear_dirty_log(vm, argp);
	case KVM_GET_CLOCK:
		return clock_get(vm, argp);
	case KVM_SET_CLOCK:
		return clock_set(vm, argp);
	case KVM_GET_TSC_KHZ:
		return shim_vm_get_tsc_khz(&vm->vm);
	case KVM_SET_TSC_KHZ:
		return shim_vm_set_tsc_khz(&vm->vm, arg);
	default:
		return -ENOTTY;
	}
}

static long vm_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	struct vm_file *vm = file->private_data;
	long ret;

	if (vm->mm != current->mm)
		return -EIO;
	switch (ioctl) {
	case KVM_CHECK_EXTENSION:
		return shim_check_extension(arg);
	case KVM_CREATE_VCPU:
		return vcpu_create(vm, arg);
	case KVM_SET_USER_MEMORY_REGION:
		return vm_set_memory(vm, (const void __user *)arg);
	case KVM_IOEVENTFD:
		return vm_ioeventfd(vm, (const void __user *)arg);
	case KVM_REGISTER_COALESCED_MMIO:
	case KVM_UNREGISTER_COALESCED_MMIO:
		return vm_coalesce(vm, (const void __user *)arg,
				   ioctl == KVM_REGISTER_COALESCED_MMIO);
	case KVM_ENABLE_CAP:
		return vm_enable_cap(vm, (const void __user *)arg);
	case KVM_SET_TSS_ADDR:
		return vm_set_number(vm, arg, shim_vm_set_tss_addr);
	case KVM_SET_IDENTITY_MAP_ADDR:
		return vm_set_identity_map_addr(vm, (const void __user *)arg);
	case KVM_SET_BOOT_CPU_ID:
		return vm_set_number(vm, arg, shim_vm_set_boot_cpu_id);
	case KVM_SET_GSI_ROUTING:
		return vm_set_gsi_routing((const void __user *)arg);
	case KVM_X86_SET_MSR_FILTER:
		return vm_set_msr_filter(vm, (const void __user *)arg);
	case KVM_GET_STATS_FD:
		return stats_fd(vm, NULL);
	}
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	ret = vm_ioctl_locked(vm, ioctl, arg);
	mutex_unlock(&vm->lock);
	return ret;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = vm_ioctl,
	.compat_ioctl = vm_ioctl,
	.llseek = noop_llseek,
};

static struct vm_file *vm_alloc(void)
{
	struct vm_file *vm = kvzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	int ret = -ENOMEM;

	if (!vm)
		return ERR_PTR(-ENOMEM);
	refcount_set(&vm->users, 1);
	mutex_init(&vm->lock);
	spin_lock_init(&vm->ring_lock);
	vm->mm = current->mm;
	mmgrab(vm->mm);
	vm->vm.ring = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (vm->vm.ring)
		ret = watch_init(vm);
	if (ret)
		goto free;
	ret = shim_vm_create(&vm->vm, vm);
	if (!ret) {
		debugfs_vm_add(vm);
		return vm;
	}
	watch_fini(vm);
free:
	vm_free(vm);
	return ERR_PTR(ret);
}

long vm_create(unsigned long type)
{
	struct vm_file *vm;
	struct file *file;
	int fd;

	if (type)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vm = vm_alloc();
	if (IS_ERR(vm)) {
		put_unused_fd(fd);
		return PTR_ERR(vm);
	}
	file = anon_inode_getfile("kvm-vm", &vm_fops, vm, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		vm_put(vm);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}
