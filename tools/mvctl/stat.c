// SPDX-License-Identifier: MIT
/*
 * mvctl stat: reads what the shim tells in debugfs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "mvctl.h"

#define DEBUGFS "/sys/kernel/debug"
#define STAT DEBUGFS "/microv/stat"

/* debugfs need not be mounted: then it is, for this process only. */
static bool debugfs_mount(void)
{
	if (access(STAT, F_OK) == 0)
		return true;
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", DEBUGFS, "debugfs", 0, NULL) == 0;
}

/* What the shim tells now, to be freed; NULL, and *status says why. */
static char *stat_read(enum exit_status *status)
{
	size_t bytes;
	char *lines;

	if (!module_loaded(SHIM_MODULE)) {
		fprintf(stderr, "mvctl: %s\n",
			module_loaded(LOADER_MODULE) ? "the shim isn't loaded, so nobody counts"
						     : "MicroV is not running");
		*status = MVCTL_NOT_RUNNING;
		return NULL;
	}
	lines = debugfs_mount() ? read_file(STAT, 1 << 24, &bytes) : NULL;
	if (lines == NULL) {
		fprintf(stderr, "mvctl: stat: " STAT ": %s\n", strerror(errno));
		*status = MVCTL_FAILED;
	}
	return lines;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void print(const char *lines, bool json)
{
	if (json)
		stat_json(lines, stdout);
	else
		stat_text(lines, stdout);
}

static void print_rates(const char *before, const char *lines, double seconds, bool json)
{
	char *rates = NULL;
	size_t bytes;
	FILE *out = open_memstream(&rates, &bytes);

	if (out == NULL)
		return;
	stat_rates(before, lines, seconds, out);
	fclose(out);
	if (!json)
		printf("--- in each of %.1f s:\n", seconds);
	print(rates, json);
	fflush(stdout);
	free(rates);
}

/* From `before` on; frees it. The signals wait for the end of an interval's look. */
static enum exit_status watch(char *before, bool json, unsigned int every)
{
	const struct timespec interval = { .tv_sec = every };
	enum exit_status status = MVCTL_OK;
	double begin = now(), end;
	sigset_t signals;
	char *lines;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	while (sigtimedwait(&signals, NULL, &interval) < 0) {
		lines = stat_read(&status);
		if (lines == NULL)
			break;
		end = now();
		print_rates(before, lines, end - begin, json);
		free(before);
		before = lines;
		begin = end;
	}
	free(before);
	return status;
}

enum exit_status do_stat(bool json, unsigned int every)
{
	enum exit_status status = need_root("stat");
	char *lines;

	if (status != MVCTL_OK)
		return status;
	lines = stat_read(&status);
	if (lines == NULL)
		return status;
	if (every)
		return watch(lines, json, every);
	print(lines, json);
	free(lines);
	return MVCTL_OK;
}
