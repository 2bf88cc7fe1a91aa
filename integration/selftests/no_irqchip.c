// SPDX-License-Identifier: MIT
/*
 * Preloaded (LD_PRELOAD) into those KVM selftests of Linux whose subject is no interrupt
 * controller: their library makes one in the kernel for every VM with vCPUs, asked for or not.
 * Here that one ioctl is left out, so that the VM has none. All others go to /dev/kvm.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

int ioctl(int fd, unsigned long request, ...);

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (request == KVM_CREATE_IRQCHIP)
		return 0;
	return (int)syscall(SYS_ioctl, fd, request, arg);
}
