/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the files of shim/linux share: the VM and vCPU behind a file descriptor.
 *
 * References: the VM's descriptor and each vCPU's descriptor hold one of the VM (struct
 * vm_file.users); the last one destroys it with its vCPUs. So nothing can be destroyed
 * while an ioctl runs, since that holds its descriptor.
 */
#ifndef SHIM_LINUX_H
#define SHIM_LINUX_H

#include <linux/cpumask.h>
#include <linux/mm_types.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/signal_types.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <platform_inline.h>
#include <shim.h>

struct vm_file {
	struct platform_gate gate; /* first, as shim_vm.os */
	struct shim_vm vm;
	refcount_t users;
	struct list_head list; /* of all VMs, see debugfs.c */
	pid_t pid; /* of who made it */
	struct mutex lock; /* the VM lock of shim.h */
	spinlock_t ring_lock; /* platform_ring_lock() */
	struct mm_struct *mm; /* whose memory the slots are; only it may use the descriptors */

	/* watch.c: what happens to that memory. watch_lock is taken inside of any other. */
	struct mmu_notifier notifier;
	spinlock_t watch_lock;
	struct rb_root_cached watches;
	struct list_head stale_list; /* of those that have marks */
	wait_queue_head_t watch_wait; /* for the end of invalidations */
	unsigned int changing; /* invalidations under way, of any memory */
	uint64_t seq;
};

static_assert(offsetof(struct vm_file, gate) == 0);

struct vcpu_file {
	struct shim_vcpu vcpu;
	struct vm_file *vm;
	struct mutex lock; /* the vCPU lock of shim.h */
	bool sigset_active; /* KVM_SET_SIGNAL_MASK: KVM_RUN blocks sigset instead */
	sigset_t sigset;
};

/* vm.c: ioctl KVM_CREATE_VM: a descriptor or -errno. */
long vm_create(unsigned long type);
void vm_put(struct vm_file *vm);

/* watch.c: for a VM that has its mm; 0 or -errno. Not under locks. */
int watch_init(struct vm_file *vm);
void watch_fini(struct vm_file *vm);

/* vcpu.c: ioctl KVM_CREATE_VCPU: a descriptor or -errno. */
long vcpu_create(struct vm_file *vm, unsigned long id);
void vcpu_free(struct vcpu_file *vcpu);

/* cpuid.c, msr.c: ioctls of /dev/kvm and of a vCPU (vcpu NULL: of /dev/kvm), as KVM's. */
long cpuid_get_system(struct kvm_cpuid2 __user *arg, bool emulated);
long cpuid_get_vcpu(struct shim_vcpu *vcpu, struct kvm_cpuid2 __user *arg);
long cpuid_set2(struct shim_vcpu *vcpu, const struct kvm_cpuid2 __user *arg);
long cpuid_set(struct shim_vcpu *vcpu, const struct kvm_cpuid __user *arg);
long msr_list(struct kvm_msr_list __user *arg, bool features);
long msrs_get(struct shim_vcpu *vcpu, struct kvm_msrs __user *arg);
long msrs_set(struct shim_vcpu *vcpu, const struct kvm_msrs __user *arg);

/* vm_setup.c: ioctls of a VM that is being set up. */
long vm_get_dirty_log(struct vm_file *vm, const struct kvm_dirty_log __user *arg);
long vm_clear_dirty_log(struct vm_file *vm, const struct kvm_clear_dirty_log __user *arg);
long vm_enable_cap(struct vm_file *vm, const struct kvm_enable_cap __user *arg);
long vm_set_identity_map_addr(struct vm_file *vm, const __u64 __user *arg);
long vm_set_number(struct vm_file *vm, unsigned long arg,
		   int (*set)(struct shim_vm *vm, uint64_t number));
long vm_set_gsi_routing(const struct kvm_irq_routing __user *arg);

/* bus.c: ioctls of a VM. */
long vm_ioeventfd(struct vm_file *vm, const struct kvm_ioeventfd __user *arg);
long vm_coalesce(struct vm_file *vm, const struct kvm_coalesced_mmio_zone __user *arg, bool add);

/* vcpu_state.c: ioctls of a vCPU, under its lock. */
long vcpu_get_sregs2(struct shim_vcpu *vcpu, struct kvm_sregs2 __user *arg);
long vcpu_set_sregs2(struct shim_vcpu *vcpu, const struct kvm_sregs2 __user *arg);
long vcpu_translate(struct shim_vcpu *vcpu, struct kvm_translation __user *arg);
long vcpu_setup_mce(struct shim_vcpu *vcpu, const __u64 __user *arg);
long vcpu_set_mce(struct shim_vcpu *vcpu, const struct kvm_x86_mce __user *arg);
long vcpu_enable_cap(struct shim_vcpu *vcpu, const struct kvm_enable_cap __user *arg);
/* clock.c: the kernel's clocks, and ioctls of a VM and a vCPU (KVM_HAS_DEVICE_ATTR and such). */
int clock_init(void);
void clock_fini(void);
long clock_get(struct vm_file *vm, void __user *arg);
long clock_set(struct vm_file *vm, const void __user *arg);
long vcpu_attr(struct vcpu_file *vcpu, unsigned int ioctl, const void __user *arg);
/* stats.c: ioctl KVM_GET_STATS_FD of a VM (vcpu NULL) or a vCPU: a descriptor or -errno. */
long stats_fd(struct vm_file *vm, struct shim_vcpu *vcpu);
/* debugfs.c: what `mvctl stat` reads, of all VMs between add and del. */
void debugfs_init(void);
void debugfs_fini(void);
void debugfs_vm_add(struct vm_file *vm);
void debugfs_vm_del(struct vm_file *vm);

/* fpu.c: KVM_GET_FPU, KVM_SET_FPU and those for XSAVE and XCRS. */
long fpu_ioctl(struct shim_vcpu *vcpu, unsigned int ioctl, void __user *arg);
/* filter.c: ioctl KVM_X86_SET_MSR_FILTER: 0 or -errno. */
long vm_set_msr_filter(struct vm_file *vm, const struct kvm_msr_filter __user *arg);

/* cpu.c: the shared pages of all CPUs. */
int cpus_init(void);
void cpus_fini(void);

/* watchdog.c: ends a MicroV that never comes back; on each CPU, by that CPU, from start to stop. */
int watchdog_init(void);
void watchdog_fini(void);
void watchdog_cpu_start(void);
void watchdog_cpu_stop(void);

/* microv_loader.ko: keeps the hypervisor from being stopped; 0 or -errno when there is none. */
int mv_loader_acquire(void);
void mv_loader_release(void);

#endif /* SHIM_LINUX_H */
