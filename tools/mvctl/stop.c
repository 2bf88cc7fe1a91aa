// SPDX-License-Identifier: MIT
/*
 * mvctl stop: shim, hypervisor, launch module, in this order; refused, with nothing
 * changed, while guests are open.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mvctl.h"

static enum exit_status complain_unload(const char *name, int err)
{
	if (err == -EWOULDBLOCK || err == -EBUSY)
		return complain(reason_message(MV_LOADER_IN_USE));
	fprintf(stderr, "mvctl: can't unload %s: %s\n", name, strerror(-err));
	return MVCTL_FAILED;
}

static enum exit_status stop_hypervisor(void)
{
	__u32 reason = MV_LOADER_OK;
	int fd = device_open(0);
	int err = 0;

	if (fd < 0) {
		fprintf(stderr, "mvctl: can't open /dev/" MV_LOADER_DEVICE ": %s\n", strerror(-fd));
		return MVCTL_FAILED;
	}
	if (ioctl(fd, MV_LOADER_STOP, &reason) < 0)
		err = errno;
	close(fd);
	if (err == 0 || reason == MV_LOADER_NOT_RUNNING)
		return MVCTL_OK;
	if (reason == MV_LOADER_OK)
		fprintf(stderr, "mvctl: stop: %s\n", strerror(err));
	return complain(reason_message(reason));
}

/* The hypervisor could not be stopped: /dev/kvm comes back. */
static void restore_shim(void)
{
	static struct files files;

	if (files_find(&files, true) == MVCTL_OK)
		module_load(files.shim, SHIM_MODULE);
}

enum exit_status do_stop(void)
{
	enum exit_status status = need_root("stop");
	bool shim;
	int err;

	if (status != MVCTL_OK)
		return status;
	exclusive();
	if (!module_loaded(LOADER_MODULE))
		return complain(reason_message(MV_LOADER_NOT_RUNNING));
	shim = module_loaded(SHIM_MODULE);
	if (shim && (err = module_unload(SHIM_MODULE)) < 0)
		return complain_unload(SHIM_MODULE, err);
	status = stop_hypervisor();
	if (status != MVCTL_OK) {
		if (shim)
			restore_shim();
		return status;
	}
	err = module_unload(LOADER_MODULE);
	if (err < 0)
		return complain_unload(LOADER_MODULE, err);
	printf("MicroV is stopped\n");
	return MVCTL_OK;
}
