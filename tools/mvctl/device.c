// SPDX-License-Identifier: MIT
/*
 * /dev/microv, the launch module's device.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "mvctl.h"

#define DEVICE "/dev/" MV_LOADER_DEVICE
#define POLL_MS 20

int device_open(unsigned int wait_ms)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };

	for (;;) {
		int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

		if (fd >= 0)
			return fd;
		if ((errno != ENOENT && errno != ENXIO) || wait_ms < POLL_MS)
			return -errno;
		nanosleep(&pause, NULL);
		wait_ms -= POLL_MS;
	}
}

bool device_running(struct mv_loader_status *st)
{
	int fd = device_open(0);
	bool running;

	if (fd < 0)
		return false;
	*st = (struct mv_loader_status){ 0 };
	running = ioctl(fd, MV_LOADER_STATUS, st) == 0 && st->running;
	close(fd);
	return running;
}
