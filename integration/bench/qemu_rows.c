// SPDX-License-Identifier: MIT
/* Debian's QEMU and kernel, from QEMU's start to the guest's first process. */
#include "bench.h"

#include <signal.h>
#include <sys/wait.h>

#define KERNEL "build/guest/vmlinuz"
#define INITRD "build/guest/tiny.img"

static void child(int console)
{
	dup2(console, STDOUT_FILENO);
	dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	execlp("qemu-system-x86_64", "qemu-system-x86_64", "-accel", "kvm", "-nodefaults",
	       "-display", "none", "-machine", "q35,kernel-irqchip=off", "-cpu", "qemu64,-kvm",
	       "-m", "192", "-serial", "stdio", "-kernel", KERNEL, "-initrd", INITRD, "-append",
	       "console=ttyS0 quiet panic=-1 run=true", (char *)NULL);
	_exit(127);
}

/* Reads until the guest has said it, or QEMU ended. */
static bool expect(int console, const char *text)
{
	char said[65536];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(said) - 1) {
		n = read(console, said + len, sizeof(said) - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
		said[len] = '\0';
		if (strstr(said, text))
			return true;
	}
	return false;
}

static void boot(void)
{
	int console[2], status;
	pid_t pid;

	REQUIRE(pipe2(console, O_CLOEXEC) == 0);
	begin();
	pid = fork();
	if (!pid)
		child(console[1]);
	close(console[1]);
	if (!expect(console[0], "tiny guest:"))
		kt_fail(__FILE__, __LINE__, "the guest doesn't come");
	end_busy();
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(console[0]);
}

/* Once before it counts: what QEMU reads from the disk is in memory then. */
static void qemu(uint64_t times)
{
	(void)times;
	need_measured();
	if (access(KERNEL, R_OK) || access(INITRD, R_OK))
		kt_skip("no guest: make guest");
	boot();
	boot();
}

const struct row qemu_rows[] = {
	{ "qemu", qemu, 0, 1, false },
	{ NULL, NULL, 0, 0, false },
};
