// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * debugfs: microv/stat, for `mvctl stat`: a line of NAME=VALUE for each CPU, VM and vCPU, with
 * the statistics that KVM_GET_STATS_FD gives.
 */
#include <linux/cpu.h>
#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include "shim_linux.h"

static struct dentry *folder;

/* The VMs that exist. A VM's lock is taken under this one. */
static LIST_HEAD(vms);
static DEFINE_MUTEX(vms_lock);

void debugfs_vm_add(struct vm_file *vm)
{
	vm->pid = task_tgid_nr(current);
	mutex_lock(&vms_lock);
	list_add_tail(&vm->list, &vms);
	mutex_unlock(&vms_lock);
}

void debugfs_vm_del(struct vm_file *vm)
{
	mutex_lock(&vms_lock);
	list_del(&vm->list);
	mutex_unlock(&vms_lock);
}

/* The end of a line; the image is as new afterwards. */
static void image_show(struct seq_file *s, struct shim_stats_image *image)
{
	const u64 *data = (const void *)((char *)image + image->header.data_offset);
	u32 i;

	for (i = 0; i < image->header.num_desc; i++)
		seq_printf(s, " %s=%llu", image->desc[i].name, data[i]);
	seq_putc(s, '\n');
	memset(image, 0, sizeof(*image));
}

static void vm_show(struct seq_file *s, struct vm_file *vm, struct shim_stats_image *image)
{
	u32 i;

	mutex_lock(&vm->lock);
	shim_vm_get_stats(&vm->vm, image);
	seq_printf(s, "vm vm=%u pid=%d", vm->vm.vmid, vm->pid);
	image_show(s, image);
	for (i = 0; i < vm->vm.num_vcpus; i++) {
		shim_vcpu_get_stats(vm->vm.vcpus[i], image);
		seq_printf(s, "vcpu vm=%u vcpu=%u", vm->vm.vmid, vm->vm.vcpus[i]->id);
		image_show(s, image);
	}
	mutex_unlock(&vm->lock);
}

static void cpus_show(struct seq_file *s, struct shim_stats_image *image)
{
	unsigned int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		shim_cpu_get_stats(cpu, image);
		seq_printf(s, "cpu cpu=%u", cpu);
		image_show(s, image);
	}
	cpus_read_unlock();
}

static int stat_show(struct seq_file *s, void *unused)
{
	struct shim_stats_image *image = kzalloc(sizeof(*image), GFP_KERNEL);
	struct vm_file *vm;

	if (!image)
		return -ENOMEM;
	cpus_show(s, image);
	mutex_lock(&vms_lock);
	list_for_each_entry(vm, &vms, list) vm_show(s, vm, image);
	mutex_unlock(&vms_lock);
	kfree(image);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stat);

/* Whether there is a debugfs or not: all else works without. */
void debugfs_init(void)
{
	folder = debugfs_create_dir("microv", NULL);
	debugfs_create_file("stat", 0400, folder, NULL, &stat_fops);
}

void debugfs_fini(void)
{
	debugfs_remove(folder);
}
