// SPDX-License-Identifier: MIT
/*
 * The parts of mvctl that only compute: parsing what the kernel says, the words
 * for what went wrong. No system calls here, so that unit tests can call all of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mvctl.h"

const char *modinfo_find(const char *image, size_t bytes, const char *key)
{
	size_t len = strlen(key);
	const char *end = image + bytes, *p = image;

	/* .modinfo is a list of "key=value\0"; each follows a NUL, the section's padding too. */
	while ((p = memmem(p, end - p, key, len)) != NULL) {
		const char *value = p + len + 1;

		if (value < end && p[len] == '=' && p > image && p[-1] == '\0' &&
		    memchr(value, '\0', end - value) != NULL)
			return value;
		p++;
	}
	return NULL;
}

bool modules_find(const char *list, const char *module, unsigned long *refs)
{
	size_t len = strlen(module);
	const char *line = list;

	/* name size refs users state address */
	while (line != NULL && *line != '\0') {
		if (strncmp(line, module, len) == 0 && line[len] == ' ') {
			char *end;

			strtoul(line + len, &end, 10);
			*refs = strtoul(end, NULL, 10);
			return true;
		}
		line = strchr(line, '\n');
		if (line != NULL)
			line++;
	}
	return false;
}

static bool cpu_in(const uint64_t *mask, size_t words, size_t cpu)
{
	return cpu < words * 64 && (mask[cpu / 64] >> (cpu % 64) & 1) != 0;
}

void cpu_list(const uint64_t *mask, size_t words, char *out, size_t bytes)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t first = 0, last; first < words * 64; first = last + 1) {
		int n;

		last = first;
		if (!cpu_in(mask, words, first))
			continue;
		while (cpu_in(mask, words, last + 1))
			last++;
		n = snprintf(out + used, bytes - used, first == last ? "%s%zu" : "%s%zu-%zu",
			     used != 0 ? "," : "", first, last);
		if (n < 0 || (size_t)n >= bytes - used)
			return;
		used += n;
	}
}

void duration(uint64_t seconds, char *out, size_t bytes)
{
	unsigned long long s = seconds;

	if (s < 60)
		snprintf(out, bytes, "%llu s", s);
	else if (s < 3600)
		snprintf(out, bytes, "%llu min %llu s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, bytes, "%llu h %llu min", s / 3600, s % 3600 / 60);
	else
		snprintf(out, bytes, "%llu d %llu h", s / 86400, s % 86400 / 3600);
}

struct message reason_message(enum mv_loader_reason reason)
{
	static const struct message messages[] = {
		[MV_LOADER_OK] = { MVCTL_FAILED, "the launch module gave no reason", "see dmesg" },
		[MV_LOADER_NO_SVM] = { MVCTL_UNABLE, "this CPU has no SVM (AMD-V)",
				       "MicroV needs an AMD CPU with SVM and nested paging" },
		[MV_LOADER_SVM_DISABLED] = { MVCTL_UNABLE, "SVM is disabled in the firmware",
					     "switch on 'SVM Mode' in the firmware's CPU set-up" },
		[MV_LOADER_SVM_IN_USE] = { MVCTL_UNABLE,
					   "another hypervisor holds SVM (EFER.SVME is set)",
					   "stop its VMs and unload it" },
		[MV_LOADER_NO_NPT] = { MVCTL_UNABLE, "this CPU has SVM without nested paging",
				       "MicroV needs nested paging: AMD family 10h or later" },
		[MV_LOADER_BAD_IMAGE] = { MVCTL_FILES,
					  "microkernel.elf or microv.elf can't be loaded",
					  "build or install MicroV again" },
		[MV_LOADER_NO_MEMORY] = { MVCTL_FAILED, "not enough memory for the hypervisor",
					  "free some memory and try again" },
		[MV_LOADER_RUNNING] = { MVCTL_RUNNING, "MicroV is running already",
					"'mvctl status' says more" },
		[MV_LOADER_NOT_RUNNING] = { MVCTL_NOT_RUNNING, "MicroV is not running",
					    "'mvctl start' starts it" },
		[MV_LOADER_IN_USE] = { MVCTL_IN_USE,
				       "guests are still open, refused; nothing changed",
				       "end the programs that use /dev/kvm, then try again" },
		[MV_LOADER_TOO_MANY_CPUS] = { MVCTL_UNABLE, "this machine has too many CPUs",
					      "MicroV runs on 256 CPUs at most" },
		[MV_LOADER_FAILED] = { MVCTL_FAILED, "a CPU could not be put into the root VM",
				       "dmesg says more; Linux runs on as before" },
	};

	if ((size_t)reason >= sizeof(messages) / sizeof(messages[0]))
		reason = MV_LOADER_OK;
	return messages[reason];
}

struct message load_message(int err, bool same_kernel, bool lockdown)
{
	static const struct message other_kernel = { MVCTL_FILES, "built for another kernel",
						     "build it for this one: make modules" };
	static const struct message locked = { MVCTL_UNABLE,
					       "the kernel refuses it: lockdown (Secure Boot)",
					       "sign the module, or boot without Secure Boot" };
	static const struct message refused = {
		MVCTL_UNABLE, "the kernel refuses it",
		"is kernel.modules_disabled set, or is this a container?"
	};
	static const struct message unsigned_module = {
		MVCTL_UNABLE, "the kernel accepts signed modules only",
		"sign the module with a key that it knows"
	};
	static const struct message taken = { MVCTL_UNABLE, "/dev/kvm is taken by another driver",
					      "unload it first: modprobe -r kvm_amd" };
	static const struct message present = { MVCTL_FAILED, "it is loaded already",
						"'mvctl status' says more" };
	static const struct message other = { MVCTL_FAILED, "", "dmesg says more" };

	switch (err) {
	case ENOEXEC:
	case EINVAL:
	case ENOENT: /* unknown symbol */
		return same_kernel ? other : other_kernel;
	case EPERM:
		return lockdown ? locked : refused;
	case EKEYREJECTED:
	case ENOKEY:
	case EBADMSG:
		return unsigned_module;
	case EBUSY:
		return taken;
	case EEXIST:
		return present;
	default:
		return other;
	}
}
