// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Kernel half of the hypercall tests: executes VMMCALL with given registers on a
 * given CPU, allocates pages whose physical addresses the tests know, and reads and
 * writes physical memory. All decisions are the tests' (user space).
 */
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#include <asm/asm.h>
#include <asm/msr.h>

#include "mv_hctest.h"

#define MAX_ORDER_ASKED 9

struct hct_file {
	struct mutex lock; /* protects runs */
	struct list_head runs;
};

struct hct_run {
	struct list_head list;
	struct page *pages;
	unsigned int order;
};

static int vmmcall_here(void *arg)
{
	struct hct_call *call = arg;
	u64 rax = call->rax;
	u32 fault = 1;
	register u64 r10 asm("r10") = call->reg[0];
	register u64 r11 asm("r11") = call->reg[1];
	register u64 r12 asm("r12") = call->reg[2];
	register u64 r13 asm("r13") = call->reg[3];

	asm volatile("1: vmmcall\n\t"
		     "xorl %[fault], %[fault]\n"
		     "2:\n" _ASM_EXTABLE(1b, 2b)
		     : "+a"(rax), "+r"(r10), "+r"(r11), "+r"(r12), "+r"(r13), [fault] "+r"(fault)
		     :
		     : "memory", "cc");
	call->rax = rax;
	call->reg[0] = r10;
	call->reg[1] = r11;
	call->reg[2] = r12;
	call->reg[3] = r13;
	call->fault = fault;
	return 0;
}

static long hct_call(void __user *arg)
{
	struct hct_call call;
	int err;

	if (copy_from_user(&call, arg, sizeof(call)))
		return -EFAULT;
	if (call.cpu >= nr_cpu_ids)
		return -EINVAL;
	/* In a worker of that CPU: interrupts are on, it never moves. */
	err = smp_call_on_cpu(call.cpu, vmmcall_here, &call, false);
	if (err)
		return err;
	return copy_to_user(arg, &call, sizeof(call)) ? -EFAULT : 0;
}

/*
 * In assembly, as nothing that uses GS or enters the kernel may come between. RAX is a hypercall
 * that is refused, as without its signature it would be a fault.
 */
static u64 msr_swap(u32 index, u64 value)
{
	const u64 nothing = 0x764D00000000FFFFULL;
	unsigned long flags;
	u64 was;

	local_irq_save(flags);
	asm volatile("rdmsr\n\t"
		     "shl $32, %%rdx\n\t"
		     "or %%rax, %%rdx\n\t"
		     "mov %%rdx, %[was]\n\t"
		     "mov %[value], %%rax\n\t"
		     "mov %[value], %%rdx\n\t"
		     "shr $32, %%rdx\n\t"
		     "wrmsr\n\t"
		     "mov %[nothing], %%rax\n\t"
		     "vmmcall\n\t"
		     "rdmsr\n\t"
		     "shl $32, %%rdx\n\t"
		     "or %%rax, %%rdx\n\t"
		     "mov %%rdx, %[value]\n\t"
		     "mov %[was], %%rax\n\t"
		     "mov %[was], %%rdx\n\t"
		     "shr $32, %%rdx\n\t"
		     "wrmsr"
		     : [was] "=&r"(was), [value] "+&r"(value)
		     : [nothing] "r"(nothing), "c"(index)
		     : "rax", "rdx", "r10", "r11", "r12", "r13", "memory", "cc");
	local_irq_restore(flags);
	return value;
}

static int msr_here(void *arg)
{
	struct hct_msr *msr = arg;

	msr->fault = 0;
	if (msr->write == HCT_MSR_SWAP)
		msr->value = msr_swap(msr->index, msr->value);
	else if (msr->write)
		msr->fault = wrmsrl_safe(msr->index, msr->value) != 0;
	else
		msr->fault = rdmsrl_safe(msr->index, &msr->value) != 0;
	return 0;
}

static long hct_msr(void __user *arg)
{
	struct hct_msr msr;
	int err;

	if (copy_from_user(&msr, arg, sizeof(msr)))
		return -EFAULT;
	if (msr.cpu >= nr_cpu_ids)
		return -EINVAL;
	err = smp_call_on_cpu(msr.cpu, msr_here, &msr, false);
	if (err)
		return err;
	return copy_to_user(arg, &msr, sizeof(msr)) ? -EFAULT : 0;
}

#define INSN(nr, NAME, text)                                                                       \
	case nr:                                                                                   \
		asm volatile("1: " text "\n\tmov $-1, %%eax\n2:\n" _ASM_EXTABLE_FAULT(1b, 2b)     \
			     : "+a"(rax)                                                           \
			     : "c"(rax)                                                            \
			     : "rbx", "rdx", "memory", "cc");                                      \
		break;

static int insn_here(void *arg)
{
	struct hct_insn *insn = arg;
	u64 rax = insn->arg;

	switch (insn->number) {
	HCT_INSNS(INSN)
	}
	insn->trap = (u32)rax;
	return 0;
}

static long hct_insn(void __user *arg)
{
	struct hct_insn insn;
	int err;

	if (copy_from_user(&insn, arg, sizeof(insn)))
		return -EFAULT;
	if (insn.cpu >= nr_cpu_ids)
		return -EINVAL;
	err = smp_call_on_cpu(insn.cpu, insn_here, &insn, false);
	if (err)
		return err;
	return copy_to_user(arg, &insn, sizeof(insn)) ? -EFAULT : 0;
}

static long hct_repeat(void __user *arg)
{
	struct hct_repeat repeat;
	struct hct_call call = { 0 };
	u64 i;

	if (copy_from_user(&repeat, arg, sizeof(repeat)))
		return -EFAULT;
	for (i = 0; i < repeat.times && !call.fault && !fatal_signal_pending(current); i++) {
		call = (struct hct_call){ .rax = repeat.rax };
		vmmcall_here(&call);
		cond_resched();
	}
	if (call.fault)
		return -ENXIO;
	repeat.rax = call.rax;
	return copy_to_user(arg, &repeat, sizeof(repeat)) ? -EFAULT : 0;
}

static long hct_alloc(struct hct_file *f, void __user *arg)
{
	struct hct_alloc alloc;
	struct hct_run *run;

	if (copy_from_user(&alloc, arg, sizeof(alloc)))
		return -EFAULT;
	if (alloc.order > MAX_ORDER_ASKED)
		return -EINVAL;
	run = kzalloc(sizeof(*run), GFP_KERNEL);
	if (!run)
		return -ENOMEM;
	run->order = alloc.order;
	run->pages = alloc_pages(GFP_KERNEL | __GFP_ZERO, alloc.order);
	if (!run->pages) {
		kfree(run);
		return -ENOMEM;
	}
	mutex_lock(&f->lock);
	list_add(&run->list, &f->runs);
	mutex_unlock(&f->lock);
	alloc.spa = page_to_phys(run->pages);
	return copy_to_user(arg, &alloc, sizeof(alloc)) ? -EFAULT : 0;
}

static long hct_free(struct hct_file *f)
{
	struct hct_run *run, *next;

	mutex_lock(&f->lock);
	list_for_each_entry_safe(run, next, &f->runs, list)
	{
		__free_pages(run->pages, run->order);
		list_del(&run->list);
		kfree(run);
	}
	mutex_unlock(&f->lock);
	return 0;
}

/* RAM by the direct map, anything else as a device's memory. */
static int copy_phys(u64 spa, void *buffer, size_t bytes, bool write)
{
	bool ram = page_is_ram(PHYS_PFN(spa));
	void __iomem *io = NULL;
	void *p = NULL;

	if (ram)
		p = memremap(spa, bytes, MEMREMAP_WB);
	else
		io = ioremap(spa, bytes);
	if (!p && !io)
		return -ENXIO;
	if (ram && write)
		memcpy(p, buffer, bytes);
	else if (ram)
		memcpy(buffer, p, bytes);
	else if (write)
		memcpy_toio(io, buffer, bytes);
	else
		memcpy_fromio(buffer, io, bytes);
	if (ram)
		memunmap(p);
	else
		iounmap(io);
	return 0;
}

static long hct_phys(void __user *arg)
{
	struct hct_phys phys;
	void *buffer;
	long err = -EFAULT;

	if (copy_from_user(&phys, arg, sizeof(phys)))
		return -EFAULT;
	if (!phys.bytes || phys.bytes > PAGE_SIZE - offset_in_page(phys.spa))
		return -EINVAL;
	buffer = kzalloc(PAGE_SIZE, GFP_KERNEL);
	if (!buffer)
		return -ENOMEM;
	if (phys.write && copy_from_user(buffer, u64_to_user_ptr(phys.buffer), phys.bytes))
		goto out;
	err = copy_phys(phys.spa, buffer, phys.bytes, phys.write);
	if (!err && !phys.write && copy_to_user(u64_to_user_ptr(phys.buffer), buffer, phys.bytes))
		err = -EFAULT;
out:
	kfree(buffer);
	return err;
}

static long hct_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case HCT_CALL:
		return hct_call((void __user *)arg);
	case HCT_REPEAT:
		return hct_repeat((void __user *)arg);
	case HCT_ALLOC:
		return hct_alloc(file->private_data, (void __user *)arg);
	case HCT_FREE:
		return hct_free(file->private_data);
	case HCT_PHYS:
		return hct_phys((void __user *)arg);
	case HCT_MSR:
		return hct_msr((void __user *)arg);
	case HCT_INSN:
		return hct_insn((void __user *)arg);
	}
	return -ENOTTY;
}

static bool owns(struct hct_file *f, u64 spa, u64 bytes)
{
	struct hct_run *run;
	bool found = false;

	mutex_lock(&f->lock);
	list_for_each_entry(run, &f->runs, list)
	{
		u64 start = page_to_phys(run->pages), size = PAGE_SIZE << run->order;

		found |= spa >= start && spa - start < size && bytes <= size - (spa - start);
	}
	mutex_unlock(&f->lock);
	return found;
}

static int hct_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long bytes = vma->vm_end - vma->vm_start;

	if (!owns(file->private_data, (u64)vma->vm_pgoff << PAGE_SHIFT, bytes))
		return -EINVAL;
	return remap_pfn_range(vma, vma->vm_start, vma->vm_pgoff, bytes, vma->vm_page_prot);
}

static int hct_open(struct inode *inode, struct file *file)
{
	struct hct_file *f;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	f = kzalloc(sizeof(*f), GFP_KERNEL);
	if (!f)
		return -ENOMEM;
	mutex_init(&f->lock);
	INIT_LIST_HEAD(&f->runs);
	file->private_data = f;
	return 0;
}

static int hct_release(struct inode *inode, struct file *file)
{
	struct hct_file *f = file->private_data;
	struct hct_run *run, *next;

	/* The pages themselves stay: a VM may hold them still (see mv_hctest.h). */
	list_for_each_entry_safe(run, next, &f->runs, list) kfree(run);
	kfree(f);
	return 0;
}

static const struct file_operations hct_fops = {
	.owner = THIS_MODULE,
	.open = hct_open,
	.release = hct_release,
	.unlocked_ioctl = hct_ioctl,
	.mmap = hct_mmap,
};

static struct miscdevice hct_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = MV_HCTEST_DEVICE,
	.mode = 0600,
	.fops = &hct_fops,
};

module_misc_device(hct_device);

MODULE_DESCRIPTION("Kernel half of MicroV's hypercall tests");
MODULE_LICENSE("Dual MIT/GPL");
