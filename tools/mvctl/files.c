// SPDX-License-Identifier: MIT
/*
 * Where mvctl's files are: beside it in the build tree (build/mvctl), or in the
 * installed prefix (PREFIX/sbin/mvctl and PREFIX/lib/microv).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mvctl.h"

char *read_file(const char *path, size_t max, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *buffer = NULL;
	size_t used = 0, room = 0;
	ssize_t n = 0;

	if (fd < 0)
		return NULL;
	/* Not by fstat(): files of /proc have no size. */
	do {
		if (used + 1 >= room) {
			char *more = realloc(buffer, room = room ? room * 2 : 0x10000);

			if (more == NULL)
				goto fail;
			buffer = more;
		}
		n = read(fd, buffer + used, room - used - 1);
		if (n < 0)
			goto fail;
		used += n;
		if (used > max) {
			errno = EFBIG;
			goto fail;
		}
	} while (n > 0);
	close(fd);
	buffer[used] = '\0';
	*bytes = used;
	return buffer;
fail:
	n = errno;
	free(buffer);
	close(fd);
	errno = n;
	return NULL;
}

static int own_directory(char *dir, size_t bytes)
{
	ssize_t n = readlink("/proc/self/exe", dir, bytes - 1);
	char *slash;

	if (n < 0)
		return -errno;
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	if (slash == NULL)
		return -ENOENT;
	*slash = '\0';
	return 0;
}

static bool readable(const char *path)
{
	return access(path, R_OK) == 0;
}

static bool installed(const char *dir)
{
	const char *name = strrchr(dir, '/');

	return name != NULL && (strcmp(name, "/sbin") == 0 || strcmp(name, "/bin") == 0);
}

enum exit_status files_find(struct files *f, bool shim)
{
	char dir[2048];
	bool prefix;
	const char *images, *modules;
	const char *paths[] = { f->microkernel, f->microv, f->loader, f->shim };

	if (own_directory(dir, sizeof(dir)) < 0) {
		fprintf(stderr, "mvctl: can't read /proc/self/exe: %s\n", strerror(errno));
		return MVCTL_FAILED;
	}
	prefix = installed(dir);
	images = prefix ? "/../lib/microv" : "";
	modules = prefix ? "/../lib/microv" : "/modules";
	snprintf(f->microkernel, sizeof(f->microkernel), "%s%s/microkernel.elf", dir, images);
	snprintf(f->microv, sizeof(f->microv), "%s%s/microv.elf", dir, images);
	snprintf(f->loader, sizeof(f->loader), "%s%s/" LOADER_MODULE ".ko", dir, modules);
	snprintf(f->shim, sizeof(f->shim), "%s%s/" SHIM_MODULE ".ko", dir, modules);
	for (int i = 0; i < (shim ? 4 : 3); i++) {
		if (readable(paths[i]))
			continue;
		fprintf(stderr, "mvctl: can't read %s: %s\n", paths[i], strerror(errno));
		return complain((struct message){ MVCTL_FILES, "a file of MicroV is missing",
						  prefix ? "install MicroV again: make install"
							 : "build MicroV: make" });
	}
	return MVCTL_OK;
}
