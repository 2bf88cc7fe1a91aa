// SPDX-License-Identifier: MIT
/*
 * mvctl start: launch module, hypervisor, shim, in this order; a step that fails
 * takes back those before it.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "mvctl.h"

#define DEVICE_WAIT_MS 5000
#define CPUID_SVM_ECX (1U << 2)

/* Hypervisors that may be loaded, and how their users take them out. */
static const struct rival {
	const char *module, *name, *unload;
} rivals[] = {
	{ "kvm_amd", "KVM", "modprobe -r kvm_amd" },
	{ "kvm_intel", "KVM", "modprobe -r kvm_intel" },
	{ "vboxdrv", "VirtualBox", "modprobe -r vboxnetadp vboxnetflt vboxdrv" },
	{ "vmmon", "VMware", "modprobe -r vmmon" },
};

static enum exit_status complain_rival(const struct rival *r, unsigned long users)
{
	char what[256], hint[256];

	snprintf(what, sizeof(what), "another hypervisor is loaded: %s (module %s%s)", r->name,
		 r->module, users ? ", in use by its VMs" : "");
	snprintf(hint, sizeof(hint), "%sunload it: %s", users ? "end its VMs, then " : "",
		 r->unload);
	return complain((struct message){ MVCTL_UNABLE, what, hint });
}

static enum exit_status check_rivals(void)
{
	size_t bytes;
	unsigned long refs;
	enum exit_status status = MVCTL_OK;
	char *list = read_file("/proc/modules", 1 << 24, &bytes);

	for (size_t i = 0; list && status == MVCTL_OK && i < sizeof(rivals) / sizeof(*rivals); i++)
		if (modules_find(list, rivals[i].module, &refs))
			status = complain_rival(&rivals[i], refs);
	free(list);
	/* Not /dev/kvm: systemd makes that node at boot, driver or not. */
	if (status == MVCTL_OK && access("/sys/class/misc/kvm", F_OK) == 0)
		status = complain((struct message){ MVCTL_UNABLE,
						    "/dev/kvm is taken by another driver",
						    "unload that driver; one that is built into "
						    "the kernel can't be" });
	return status;
}

static enum exit_status check_cpu(void)
{
	unsigned int eax, ebx, ecx, edx;

	if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && (ecx & CPUID_SVM_ECX) != 0)
		return MVCTL_OK;
	return complain(reason_message(MV_LOADER_NO_SVM));
}

/* How long it took to launch, in ms; 0: it ran already. */
static double launch_ms;

/* The call from which CPUs go into the root VM; all are there when it returns. */
static int timed_start(int fd, struct mv_loader_start *start)
{
	struct timespec before, after;
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &before);
	rc = ioctl(fd, MV_LOADER_START, start);
	clock_gettime(CLOCK_MONOTONIC, &after);
	launch_ms = (double)(after.tv_sec - before.tv_sec) * 1e3 +
		    (double)(after.tv_nsec - before.tv_nsec) / 1e6;
	return rc;
}

static enum exit_status launch(int fd, const struct files *f, bool debugcon)
{
	struct mv_loader_start start = { .flags = debugcon ? MV_LOADER_FLAG_DEBUGCON : 0 };
	enum exit_status status = MVCTL_OK;
	size_t microkernel_bytes = 0, microv_bytes = 0;
	char *microkernel = read_file(f->microkernel, MV_LOADER_MAX_IMAGE, &microkernel_bytes);
	char *microv = read_file(f->microv, MV_LOADER_MAX_IMAGE, &microv_bytes);

	start.microkernel = (uintptr_t)microkernel;
	start.microkernel_bytes = microkernel_bytes;
	start.microv = (uintptr_t)microv;
	start.microv_bytes = microv_bytes;
	if (microkernel == NULL || microv == NULL)
		status = complain(reason_message(MV_LOADER_BAD_IMAGE));
	else if (timed_start(fd, &start) < 0) {
		if (start.reason == MV_LOADER_OK)
			fprintf(stderr, "mvctl: start: %s\n", strerror(errno));
		status = complain(reason_message(start.reason));
	}
	free(microkernel);
	free(microv);
	return status;
}

static enum exit_status start_hypervisor(const struct files *f, bool debugcon)
{
	enum exit_status status;
	int fd;

	if (!module_loaded(LOADER_MODULE)) {
		status = module_load(f->loader, LOADER_MODULE);
		if (status != MVCTL_OK)
			return status;
	}
	fd = device_open(DEVICE_WAIT_MS);
	if (fd < 0) {
		fprintf(stderr, "mvctl: can't open /dev/" MV_LOADER_DEVICE ": %s\n", strerror(-fd));
		status = complain((struct message){ MVCTL_FAILED, "the launch module has no device",
						    "is devtmpfs mounted at /dev?" });
	} else {
		status = launch(fd, f, debugcon);
		close(fd);
	}
	if (status != MVCTL_OK)
		module_unload(LOADER_MODULE);
	return status;
}

static void stop_hypervisor(void)
{
	__u32 reason;
	int fd = device_open(0);

	if (fd >= 0) {
		ioctl(fd, MV_LOADER_STOP, &reason);
		close(fd);
	}
	module_unload(LOADER_MODULE);
}

static enum exit_status report(bool shim)
{
	struct mv_loader_status st = { 0 };
	char cpus[1024];

	device_running(&st);
	cpu_list((const uint64_t *)st.cpu_mask, sizeof(st.cpu_mask) / 8, cpus, sizeof(cpus));
	printf("MicroV runs on CPU %s", cpus);
	if (launch_ms > 0)
		printf(", launched in %.3f ms", launch_ms);
	printf("; %s\n", shim ? "/dev/kvm is there" : "no shim, so no /dev/kvm");
	return MVCTL_OK;
}

enum exit_status do_start(bool shim, bool debugcon)
{
	static struct files files;
	struct mv_loader_status st;
	enum exit_status status;
	bool was_running;

	status = need_root("start");
	if (status != MVCTL_OK)
		return status;
	exclusive();
	was_running = device_running(&st);
	if (was_running && (!shim || module_loaded(SHIM_MODULE)))
		return complain(reason_message(MV_LOADER_RUNNING));
	if (!was_running && (status = check_cpu()) != MVCTL_OK)
		return status;
	if ((status = check_rivals()) != MVCTL_OK ||
	    (status = files_find(&files, shim)) != MVCTL_OK)
		return status;
	if (!was_running && (status = start_hypervisor(&files, debugcon)) != MVCTL_OK)
		return status;
	if (shim && (status = module_load(files.shim, SHIM_MODULE)) != MVCTL_OK) {
		if (!was_running)
			stop_hypervisor();
		return status;
	}
	return report(shim);
}
