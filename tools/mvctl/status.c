// SPDX-License-Identifier: MIT
/*
 * mvctl status and mvctl log.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "mvctl.h"

static void print_since(uint64_t started)
{
	time_t then = (time_t)started, now = time(NULL);
	struct tm local, utc;
	char human[64], iso[64], ago[64];

	localtime_r(&then, &local);
	gmtime_r(&then, &utc);
	strftime(human, sizeof(human), "%a %e %b %Y %H:%M:%S %Z", &local);
	strftime(iso, sizeof(iso), "%Y-%m-%dT%H:%M:%SZ", &utc);
	duration(now > then ? (uint64_t)(now - then) : 0, ago, sizeof(ago));
	printf("  since     %s (%s), %s ago\n", human, iso, ago);
}

static void print_vms(void)
{
	size_t bytes;
	char *vms;

	if (!module_loaded(SHIM_MODULE)) {
		printf("  /dev/kvm  no: the shim (" SHIM_MODULE ") is not loaded\n");
		return;
	}
	printf("  /dev/kvm  yes\n");
	vms = read_file("/sys/module/" SHIM_MODULE "/parameters/vms", 4096, &bytes);
	printf("  VMs       %lu\n", vms ? strtoul(vms, NULL, 10) : 0UL);
	free(vms);
}

static void print_status(const struct mv_loader_status *st)
{
	char cpus[1024];

	cpu_list((const uint64_t *)st->cpu_mask, sizeof(st->cpu_mask) / 8, cpus, sizeof(cpus));
	printf("MicroV is running\n");
	print_since(st->started);
	printf("  CPUs      %u (%s)\n", st->cpus, cpus);
	printf("  memory    %.1f MiB\n", (double)st->memory_bytes / (1 << 20));
	print_vms();
}

enum exit_status do_status(void)
{
	struct mv_loader_status st;

	if (!module_loaded(LOADER_MODULE)) {
		printf("MicroV is not running\n");
		return MVCTL_NOT_RUNNING;
	}
	if (need_root("status") != MVCTL_OK)
		return MVCTL_FAILED;
	if (!device_running(&st)) {
		printf("MicroV is not running (the launch module is loaded)\n");
		return MVCTL_NOT_RUNNING;
	}
	print_status(&st);
	return MVCTL_OK;
}

/* Those that can be read: names are nice to have. */
static unsigned int images_read(struct image *images)
{
	static struct files files;
	const char *paths[] = { files.microv, files.microkernel };
	unsigned int count = 0;

	if (files_find(&files, false) != MVCTL_OK)
		return 0;
	for (unsigned int i = 0; i < 2; i++) {
		images[count].data = (uint8_t *)read_file(paths[i], MV_LOADER_MAX_IMAGE,
							  &images[count].bytes);
		count += images[count].data != NULL;
	}
	return count;
}

/* The last line may have no end yet. */
static void print_log(const struct image *images, unsigned int count, char *text)
{
	char *end;

	for (; (end = strchr(text, '\n')) != NULL; text = end + 1) {
		*end = '\0';
		log_print_line(images, count, text, stdout);
	}
	fputs(text, stdout);
}

enum exit_status do_log(void)
{
	static char buffer[0x10000];
	struct mv_loader_log log = { .buffer = (uintptr_t)buffer };
	enum exit_status status = need_root("log");
	struct image images[2];
	unsigned int count;
	int fd;

	if (status != MVCTL_OK)
		return status;
	fd = module_loaded(LOADER_MODULE) ? device_open(0) : -ENOENT;
	if (fd < 0)
		return complain(reason_message(MV_LOADER_NOT_RUNNING));
	count = images_read(images);
	do {
		log.bytes = sizeof(buffer) - 1;
		if (ioctl(fd, MV_LOADER_LOG, &log) < 0) {
			fprintf(stderr, "mvctl: log: %s\n", strerror(errno));
			status = MVCTL_FAILED;
			break;
		}
		buffer[log.bytes] = '\0';
		print_log(images, count, buffer);
	} while (log.bytes > 0);
	while (count)
		free((void *)images[--count].data);
	close(fd);
	return status;
}
