// SPDX-License-Identifier: MIT
/* Linux's own work, with a hypervisor under it and without. */
#include "bench.h"

#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static void syscalls(uint64_t times)
{
	begin();
	for (uint64_t i = 0; i < times; i++)
		syscall(SYS_getppid);
	end();
}

/* A small program in memory: what is read from a disk is nobody's work here. */
static int program(void)
{
	int fd = memfd_create("true", MFD_CLOEXEC), file = open("/bin/busybox", O_RDONLY);

	REQUIRE(fd >= 0 && file >= 0);
	while (sendfile(fd, file, NULL, KT_MIB) > 0)
		;
	close(file);
	return fd;
}

static void processes(uint64_t times)
{
	char name[] = "true", *argv[] = { name, NULL };
	int fd = program();

	begin();
	for (uint64_t i = 0; i < times; i++) {
		int status = -1;
		pid_t pid = fork();

		if (!pid) {
			fexecve(fd, argv, argv + 1);
			_exit(1);
		}
		waitpid(pid, &status, 0);
		CHECK_EQ(status, 0);
	}
	end();
	close(fd);
}

/* So many MiB. */
static void copies(uint64_t times)
{
	uint8_t *from = kt_anon(4 * KT_MIB), *to = kt_anon(4 * KT_MIB);

	memset(from, 1, 4 * KT_MIB);
	memset(to, 2, 4 * KT_MIB);
	begin();
	for (uint64_t i = 0; i < times; i++) {
		memcpy(to + i % 4 * KT_MIB, from + i % 4 * KT_MIB, KT_MIB);
		asm volatile("" ::: "memory");
	}
	end();
}

static void faults(uint64_t times)
{
	const size_t chunk = 256 * KT_PAGE;
	uint8_t *mem = kt_anon(chunk);

	madvise(mem, chunk, MADV_NOHUGEPAGE);
	begin();
	for (uint64_t i = 0; i < times; i++) {
		if (i % 256 == 0)
			madvise(mem, chunk, MADV_DONTNEED);
		*(volatile uint8_t *)(mem + i % 256 * KT_PAGE) = 1;
	}
	end();
}

/* So many seconds without any work. */
static void idle(uint64_t seconds)
{
	struct timespec time = { .tv_sec = (time_t)seconds };

	begin();
	nanosleep(&time, NULL);
	end();
}

const struct row root_rows[] = {
	{ "root-syscall", syscalls, 10000, 1010000, true },
	{ "root-fork-exec", processes, 10, 110, true },
	{ "root-copy", copies, 10, 1010, true },
	{ "root-fault", faults, 2560, 104960, true },
	{ "root-idle", idle, 2, 12, true },
	{ NULL, NULL, 0, 0, false },
};
