// SPDX-License-Identifier: MIT
/*
 * kvm-hold COMMAND...: runs a command while an empty VM is held open.
 *
 * Stock KVM patches the kernel's scheduler (the static key of preempt notifiers) whenever
 * the first VM comes or the last one goes. QEMU 7.2 with several TCG threads sometimes keeps
 * a translation of the breakpoint that is there for a moment, and the machine it emulates
 * takes #BP for ever: one test program in ten hung. One VM held open all the time leaves a
 * single such moment.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);

	if (argc < 2 || vm < 0) {
		fprintf(stderr, "usage: kvm-hold COMMAND..., with a /dev/kvm that works\n");
		return 2;
	}
	/* Kept over the exec, so that the VM lives exactly as long as the command. */
	fcntl(vm, F_SETFD, 0);
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 2;
}
