// SPDX-License-Identifier: MIT
/*
 * mvctl stat: reads what the shim tells in debugfs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
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

enum exit_status do_stat(bool json)
{
	enum exit_status status = need_root("stat");
	size_t bytes;
	char *lines;

	if (status != MVCTL_OK)
		return status;
	if (!module_loaded(SHIM_MODULE)) {
		fprintf(stderr, "mvctl: %s\n",
			module_loaded(LOADER_MODULE) ? "the shim isn't loaded, so nobody counts"
						     : "MicroV is not running");
		return MVCTL_NOT_RUNNING;
	}
	lines = debugfs_mount() ? read_file(STAT, 1 << 24, &bytes) : NULL;
	if (lines == NULL) {
		fprintf(stderr, "mvctl: stat: " STAT ": %s\n", strerror(errno));
		return MVCTL_FAILED;
	}
	if (json)
		stat_json(lines, stdout);
	else
		stat_text(lines, stdout);
	free(lines);
	return MVCTL_OK;
}
