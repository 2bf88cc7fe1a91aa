// SPDX-License-Identifier: MIT
/*
 * mvctl: starts MicroV under a running Linux, takes it out again, tells how it is.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "mvctl.h"

static const char help[] =
	"usage: mvctl COMMAND\n"
	"\n"
	"  start [--debugcon] [--no-shim]\n"
	"            puts this Linux into the root VM of MicroV, on all its CPUs, and gives\n"
	"            /dev/kvm\n"
	"              --debugcon  copies the hypervisor's log to port 0xE9 (QEMU, Bochs)\n"
	"              --no-shim   hypervisor only, without /dev/kvm\n"
	"  stop      takes all of it out again; refused while guests are open\n"
	"  status    what runs, on which CPUs, since when, how many VMs\n"
	"  stat [--watch [SECONDS]] [--json]\n"
	"            counts since the start: world switches and exits of each CPU; of each\n"
	"            VM memory, and of its vCPUs exits by reason, what was injected and\n"
	"            emulated, time in the guest, in MicroV and in the root VM\n"
	"              --watch     how much they grow in a second, every SECONDS (1), until\n"
	"                          it is interrupted\n"
	"              --json      for machines\n"
	"  log       prints the hypervisor's log, with names for the addresses of a fault\n"
	"  help      prints this\n"
	"\n"
	"Exit status:\n"
	"  0  done; status: MicroV is running\n"
	"  1  failed: not root, or for a reason that the message tells\n"
	"  2  wrong usage\n"
	"  3  stop, status, stat, log: MicroV is not running\n"
	"  4  start: MicroV is running already\n"
	"  5  stop: guests are open; nothing changed\n"
	"  6  start: impossible here now: no SVM, SVM disabled in the firmware, another\n"
	"     hypervisor holds it, /dev/kvm is taken, the kernel refuses our modules\n"
	"  7  start: files are missing, damaged or built for another kernel\n";

enum exit_status complain(struct message m)
{
	fprintf(stderr, "mvctl: %s\nmvctl: hint: %s\n", m.what, m.hint);
	return m.status;
}

enum exit_status need_root(const char *command)
{
	char hint[64];

	if (geteuid() == 0)
		return MVCTL_OK;
	snprintf(hint, sizeof(hint), "sudo mvctl %s", command);
	return complain((struct message){ MVCTL_FAILED, "not root", hint });
}

void exclusive(void)
{
	/* A directory that is always there, so that no lock file is left anywhere. */
	int fd = open("/sys/module", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (fd >= 0)
		flock(fd, LOCK_EX); /* held until exit */
}

static enum exit_status usage(const char *what, const char *word)
{
	fprintf(stderr, "mvctl: %s%s\nmvctl: hint: mvctl help\n", what, word);
	return MVCTL_USAGE;
}

static enum exit_status start(int argc, char **argv)
{
	bool shim = true, debugcon = false;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--debugcon") == 0)
			debugcon = true;
		else if (strcmp(argv[i], "--no-shim") == 0)
			shim = false;
		else
			return usage("start: unknown option ", argv[i]);
	}
	return do_start(shim, debugcon);
}

/* A number of seconds: an hour at the most. */
static bool is_interval(const char *word, unsigned int *seconds)
{
	char *end;
	unsigned long n = strtoul(word, &end, 10);

	if (*word < '0' || *word > '9' || *end != '\0' || n == 0 || n > 3600)
		return false;
	*seconds = (unsigned int)n;
	return true;
}

static enum exit_status stat(int argc, char **argv)
{
	unsigned int every = 0;
	bool json = false;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "--watch") == 0)
			every = 1;
		else if (i == 0 || strcmp(argv[i - 1], "--watch") != 0 ||
			 !is_interval(argv[i], &every))
			return usage("stat: unknown option ", argv[i]);
	}
	return do_stat(json, every);
}

static enum exit_status do_help(void)
{
	fputs(help, stdout);
	return MVCTL_OK;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		enum exit_status (*run)(void);
	} commands[] = {
		{ "stop", do_stop }, { "status", do_status }, { "log", do_log },
		{ "help", do_help }, { "--help", do_help },   { "-h", do_help },
	};

	if (argc < 2)
		return usage("no command", "");
	if (strcmp(argv[1], "start") == 0)
		return start(argc - 2, argv + 2);
	if (strcmp(argv[1], "stat") == 0)
		return stat(argc - 2, argv + 2);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		return argc == 2 ? commands[i].run() : usage("too many words after ", argv[1]);
	}
	return usage("unknown command ", argv[1]);
}
