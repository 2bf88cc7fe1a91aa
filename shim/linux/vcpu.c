// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The descriptor of a vCPU, and the mapping of its kvm_run.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include "shim_linux.h"
#include "tracepoints.h"

static long get_regs(struct vcpu_file *vcpu, void __user *arg)
{
	struct kvm_regs regs;
	long ret = shim_vcpu_get_regs(&vcpu->vcpu, &regs);

	if (!ret && copy_to_user(arg, &regs, sizeof(regs)))
		ret = -EFAULT;
	return ret;
}

static long set_regs(struct vcpu_file *vcpu, const void __user *arg)
{
	struct kvm_regs regs;

	if (copy_from_user(&regs, arg, sizeof(regs)))
		return -EFAULT;
	return shim_vcpu_set_regs(&vcpu->vcpu, &regs);
}

static long get_sregs(struct vcpu_file *vcpu, void __user *arg)
{
	struct kvm_sregs sregs;
	long ret = shim_vcpu_get_sregs(&vcpu->vcpu, &sregs);

	if (!ret && copy_to_user(arg, &sregs, sizeof(sregs)))
		ret = -EFAULT;
	return ret;
}

static long set_sregs(struct vcpu_file *vcpu, const void __user *arg)
{
	struct kvm_sregs sregs;

	if (copy_from_user(&sregs, arg, sizeof(sregs)))
		return -EFAULT;
	return shim_vcpu_set_sregs(&vcpu->vcpu, &sregs);
}

static long interrupt(struct vcpu_file *vcpu, const void __user *arg)
{
	struct kvm_interrupt irq;

	if (copy_from_user(&irq, arg, sizeof(irq)))
		return -EFAULT;
	return shim_vcpu_interrupt(&vcpu->vcpu, &irq);
}

static long get_events(struct vcpu_file *vcpu, void __user *arg)
{
	struct kvm_vcpu_events events;
	long ret = shim_vcpu_get_events(&vcpu->vcpu, &events);

	if (!ret && copy_to_user(arg, &events, sizeof(events)))
		ret = -EFAULT;
	return ret;
}

static long set_events(struct vcpu_file *vcpu, const void __user *arg)
{
	struct kvm_vcpu_events events;

	if (copy_from_user(&events, arg, sizeof(events)))
		return -EFAULT;
	return shim_vcpu_set_events(&vcpu->vcpu, &events);
}

static long get_debugregs(struct vcpu_file *vcpu, void __user *arg)
{
	struct kvm_debugregs regs;
	long ret = shim_vcpu_get_debugregs(&vcpu->vcpu, &regs);

	if (!ret && copy_to_user(arg, &regs, sizeof(regs)))
		ret = -EFAULT;
	return ret;
}

static long set_debugregs(struct vcpu_file *vcpu, const void __user *arg)
{
	struct kvm_debugregs regs;

	if (copy_from_user(&regs, arg, sizeof(regs)))
		return -EFAULT;
	return shim_vcpu_set_debugregs(&vcpu->vcpu, &regs);
}

static long get_mp_state(struct vcpu_file *vcpu, void __user *arg)
{
	struct kvm_mp_state state;
	long ret = shim_vcpu_get_mp_state(&vcpu->vcpu, &state);

	if (!ret && copy_to_user(arg, &state, sizeof(state)))
		ret = -EFAULT;
	return ret;
}

static long set_mp_state(struct vcpu_file *vcpu, const void __user *arg)
{
	struct kvm_mp_state state;

	if (copy_from_user(&state, arg, sizeof(state)))
		return -EFAULT;
	return shim_vcpu_set_mp_state(&vcpu->vcpu, &state);
}

static long set_signal_mask(struct vcpu_file *vcpu, const struct kvm_signal_mask __user *arg)
{
	struct kvm_signal_mask mask;
	sigset_t set;

	if (!arg) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (copy_from_user(&mask, arg, sizeof(mask)))
		return -EFAULT;
	if (mask.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, arg->sigset, sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

/*
 * KVM_RUN, with the signal mask that is to hold meanwhile. real_blocked is the thread's own
 * mask: what it doesn't block is not taken for pending only because of ours.
 */
static long run(struct vcpu_file *vcpu)
{
	long ret;

	if (vcpu->sigset_active)
		sigprocmask(SIG_SETMASK, &vcpu->sigset, &current->real_blocked);
	ret = shim_vcpu_run(&vcpu->vcpu);
	if (vcpu->sigset_active) {
		sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
		sigemptyset(&current->real_blocked);
	}
	trace_kvm_userspace_exit(READ_ONCE(vcpu->vcpu.run->exit_reason), ret);
	return ret;
}

/* All but KVM_RUN, whose way is kept clear of what these have on the stack. */
static noinline long state_ioctl(struct vcpu_file *vcpu, unsigned int ioctl, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (ioctl) {
	case KVM_GET_REGS:
		return get_regs(vcpu, argp);
	case KVM_SET_REGS:
		return set_regs(vcpu, argp);
	case KVM_GET_SREGS:
		return get_sregs(vcpu, argp);
	case KVM_SET_SREGS:
		return set_sregs(vcpu, argp);
	case KVM_SET_CPUID:
		return cpuid_set(&vcpu->vcpu, argp);
	case KVM_SET_CPUID2:
		return cpuid_set2(&vcpu->vcpu, argp);
	case KVM_GET_CPUID2:
		return cpuid_get_vcpu(&vcpu->vcpu, argp);
	case KVM_GET_MSRS:
		return msrs_get(&vcpu->vcpu, argp);
	case KVM_SET_MSRS:
		return msrs_set(&vcpu->vcpu, argp);
	case KVM_INTERRUPT:
		return interrupt(vcpu, argp);
	case KVM_NMI:
		return shim_vcpu_nmi(&vcpu->vcpu);
	case KVM_GET_VCPU_EVENTS:
		return get_events(vcpu, argp);
	case KVM_SET_VCPU_EVENTS:
		return set_events(vcpu, argp);
	case KVM_GET_DEBUGREGS:
		return get_debugregs(vcpu, argp);
	case KVM_SET_DEBUGREGS:
		return set_debugregs(vcpu, argp);
	case KVM_GET_MP_STATE:
		return get_mp_state(vcpu, argp);
	case KVM_SET_MP_STATE:
		return set_mp_state(vcpu, argp);
	case KVM_GET_TSC_KHZ:
		return shim_vcpu_get_tsc_khz(&vcpu->vcpu);
	case KVM_SET_TSC_KHZ:
		return shim_vcpu_set_tsc_khz(&vcpu->vcpu, arg);
	case KVM_KVMCLOCK_CTRL:
		return shim_vcpu_kvmclock_ctrl(&vcpu->vcpu);
	case KVM_HAS_DEVICE_ATTR:
	case KVM_GET_DEVICE_ATTR:
	case KVM_SET_DEVICE_ATTR:
		return vcpu_attr(vcpu, ioctl, argp);
	case KVM_GET_FPU:
	case KVM_SET_FPU:
	case KVM_GET_XSAVE:
	case KVM_GET_XSAVE2:
	case KVM_SET_XSAVE:
	case KVM_GET_XCRS:
	case KVM_SET_XCRS:
		return fpu_ioctl(&vcpu->vcpu, ioctl, argp);
	case KVM_SET_SIGNAL_MASK:
		return set_signal_mask(vcpu, argp);
	case KVM_GET_SREGS2:
		return vcpu_get_sregs2(&vcpu->vcpu, argp);
	case KVM_SET_SREGS2:
		return vcpu_set_sregs2(&vcpu->vcpu, argp);
	case KVM_TRANSLATE:
		return vcpu_translate(&vcpu->vcpu, argp);
	case KVM_X86_SETUP_MCE:
		return vcpu_setup_mce(&vcpu->vcpu, argp);
	case KVM_X86_SET_MCE:
		return vcpu_set_mce(&vcpu->vcpu, argp);
	case KVM_ENABLE_CAP:
		return vcpu_enable_cap(&vcpu->vcpu, argp);
	case KVM_GET_STATS_FD:
		return stats_fd(vcpu->vm, &vcpu->vcpu);
	default:
		return -EINVAL;
	}
}

static long vcpu_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	struct vcpu_file *vcpu = file->private_data;
	long ret;

	if (vcpu->vm->mm != current->mm)
		return -EIO;
	if (_IOC_TYPE(ioctl) != KVMIO)
		return -EINVAL;
	if (mutex_lock_killable(&vcpu->lock))
		return -EINTR;
	if (ioctl == KVM_RUN)
		ret = arg ? -EINVAL : run(vcpu);
	else
		ret = state_ioctl(vcpu, ioctl, arg);
	mutex_unlock(&vcpu->lock);
	return ret;
}

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct vcpu_file *vcpu = vmf->vma->vm_file->private_data;

	if (vmf->pgoff >= SHIM_RUN_PAGES)
		return VM_FAULT_SIGBUS;
	if (vmf->pgoff == SHIM_RING_PAGE)
		vmf->page = virt_to_page(vcpu->vm->vm.ring);
	else
		vmf->page = vmalloc_to_page((char *)vcpu->vcpu.run + (vmf->pgoff << PAGE_SHIFT));
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

/* Of any length, as with KVM: what is behind the pages gives SIGBUS. */
static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

/* NULL: KVM_CREATE_VCPU failed after it had made the file. */
static int vcpu_release(struct inode *inode, struct file *file)
{
	struct vcpu_file *vcpu = file->private_data;

	if (vcpu)
		vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = vcpu_ioctl,
	.compat_ioctl = vcpu_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};

void vcpu_free(struct vcpu_file *vcpu)
{
	vfree(vcpu->vcpu.run);
	mutex_destroy(&vcpu->lock);
	kfree(vcpu);
}

static struct vcpu_file *vcpu_alloc(struct vm_file *vm)
{
	struct vcpu_file *vcpu = kzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);

	if (!vcpu)
		return NULL;
	vcpu->vm = vm;
	mutex_init(&vcpu->lock);
	vcpu->vcpu.run = vmalloc_user(SHIM_RING_PAGE * PAGE_SIZE);
	if (!vcpu->vcpu.run) {
		vcpu_free(vcpu);
		return NULL;
	}
	return vcpu;
}

/* From success on the VM owns the vCPU, and the file a reference of the VM. */
static long vcpu_create_locked(struct vm_file *vm, struct vcpu_file *vcpu, unsigned long id)
{
	long ret;

	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	ret = shim_vcpu_create(&vm->vm, &vcpu->vcpu, id);
	if (!ret)
		refcount_inc(&vm->users);
	mutex_unlock(&vm->lock);
	return ret;
}

static long vcpu_create_file(struct vm_file *vm, struct vcpu_file *vcpu, unsigned long id, int fd)
{
	struct file *file;
	char name[32];
	long ret;

	snprintf(name, sizeof(name), "kvm-vcpu:%lu", id);
	file = anon_inode_getfile(name, &vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = vcpu_create_locked(vm, vcpu, id);
	if (ret) {
		file->private_data = NULL;
		fput(file);
		return ret;
	}
	fd_install(fd, file);
	return fd;
}

long vcpu_create(struct vm_file *vm, unsigned long id)
{
	struct vcpu_file *vcpu;
	long ret;
	int fd;

	if (id >= SHIM_MAX_VCPU_ID)
		return -EINVAL;
	vcpu = vcpu_alloc(vm);
	if (!vcpu)
		return -ENOMEM;
	fd = get_unused_fd_flags(O_CLOEXEC);
	ret = fd < 0 ? fd : vcpu_create_file(vm, vcpu, id, fd);
	if (ret < 0) {
		if (fd >= 0)
			put_unused_fd(fd);
		vcpu_free(vcpu);
	}
	return ret;
}
