// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The descriptors that KVM_GET_STATS_FD gives: each read makes the image anew. */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "shim_linux.h"

struct stats_file {
	struct vm_file *vm;
	struct shim_vcpu *vcpu; /* NULL: the VM's statistics */
	char id[SHIM_STATS_NAME];
};

static void image_get(const struct stats_file *stats, struct shim_stats_image *image)
{
	memcpy(image->id, stats->id, sizeof(image->id));
	if (stats->vcpu) {
		shim_vcpu_get_stats(stats->vcpu, image);
		return;
	}
	mutex_lock(&stats->vm->lock);
	shim_vm_get_stats(&stats->vm->vm, image);
	mutex_unlock(&stats->vm->lock);
}

static ssize_t stats_read(struct file *file, char __user *to, size_t size, loff_t *offset)
{
	struct shim_stats_image *image = kzalloc(sizeof(*image), GFP_KERNEL);
	ssize_t ret;

	if (!image)
		return -ENOMEM;
	image_get(file->private_data, image);
	ret = simple_read_from_buffer(to, size, offset, image, image->bytes);
	kfree(image);
	return ret;
}

static int stats_release(struct inode *inode, struct file *file)
{
	struct stats_file *stats = file->private_data;

	vm_put(stats->vm);
	kfree(stats);
	return 0;
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.read = stats_read,
	.release = stats_release,
	.llseek = noop_llseek,
};

static void id_print(struct stats_file *stats)
{
	if (stats->vcpu)
		snprintf(stats->id, sizeof(stats->id), "kvm-%d/vcpu-%u", task_pid_nr(current),
			 stats->vcpu->id);
	else
		snprintf(stats->id, sizeof(stats->id), "kvm-%d", task_pid_nr(current));
}

static struct file *stats_open(struct vm_file *vm, struct shim_vcpu *vcpu)
{
	struct stats_file *stats = kzalloc(sizeof(*stats), GFP_KERNEL_ACCOUNT);
	struct file *file;

	if (!stats)
		return ERR_PTR(-ENOMEM);
	stats->vm = vm;
	stats->vcpu = vcpu;
	id_print(stats);
	file = anon_inode_getfile(vcpu ? "kvm-vcpu-stats" : "kvm-vm-stats", &stats_fops, stats,
				  O_RDONLY);
	if (IS_ERR(file)) {
		kfree(stats);
		return file;
	}
	file->f_mode |= FMODE_PREAD;
	refcount_inc(&vm->users);
	return file;
}

long stats_fd(struct vm_file *vm, struct shim_vcpu *vcpu)
{
	int fd = get_unused_fd_flags(0);
	struct file *file;

	if (fd < 0)
		return fd;
	file = stats_open(vm, vcpu);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}
