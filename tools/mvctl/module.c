// SPDX-License-Identifier: MIT
/*
 * Kernel modules: loading them by finit_module(2), saying why the kernel doesn't
 * want one, and taking them out by delete_module(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "mvctl.h"

#define MAX_MODULE_BYTES (64U << 20)

bool module_loaded(const char *name)
{
	char path[256];

	/* Not under /sys/module: a module with a failed load shows there for a moment. */
	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	return access(path, F_OK) == 0;
}

/* Kernel lockdown is on when anything but [none] is chosen. */
static bool lockdown_on(void)
{
	size_t bytes;
	char *text = read_file("/sys/kernel/security/lockdown", 4096, &bytes);
	bool on = text != NULL && strstr(text, "[none]") == NULL;

	free(text);
	return on;
}

/* Is the release in the module's vermagic this kernel's? Prints both when it isn't. */
static bool built_for_this_kernel(const char *path, const char *name)
{
	struct utsname uts;
	size_t bytes, len;
	char *image = read_file(path, MAX_MODULE_BYTES, &bytes);
	const char *magic = image ? modinfo_find(image, bytes, "vermagic") : NULL;
	bool same = true;

	if (magic != NULL && uname(&uts) == 0) {
		len = strcspn(magic, " ");
		same = strlen(uts.release) == len && memcmp(uts.release, magic, len) == 0;
		if (!same)
			fprintf(stderr, "mvctl: %s.ko is for kernel %.*s, this is %s\n", name,
				(int)len, magic, uts.release);
	}
	free(image);
	return same;
}

static enum exit_status explain_load(const char *path, const char *name, int err)
{
	bool doubtful = err == ENOEXEC || err == EINVAL || err == ENOENT;
	bool same = !doubtful || built_for_this_kernel(path, name);
	struct message m = load_message(err, same, err == EPERM && lockdown_on());
	char what[512];

	snprintf(what, sizeof(what), "can't load %s.ko: %s", name,
		 m.what[0] != '\0' ? m.what : strerror(err));
	m.what = what;
	return complain(m);
}

enum exit_status module_load(const char *path, const char *name)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
		err = errno;
	if (fd >= 0)
		close(fd);
	return err == 0 ? MVCTL_OK : explain_load(path, name, err);
}

int module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) < 0 ? -errno : 0;
}
