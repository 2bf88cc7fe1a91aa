/* SPDX-License-Identifier: MIT */
/*
 * mvctl's parts: start, stop, status, stat, log; what they share: where the files are,
 * loading modules, the launch device, and the words for what can go wrong.
 */
#ifndef MVCTL_H
#define MVCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../../microkernel/loader/mv_loader.h"

/* Exit status of mvctl; the help text lists them. */
enum exit_status {
	MVCTL_OK = 0,
	MVCTL_FAILED = 1,
	MVCTL_USAGE = 2,
	MVCTL_NOT_RUNNING = 3,
	MVCTL_RUNNING = 4,
	MVCTL_IN_USE = 5,
	MVCTL_UNABLE = 6,
	MVCTL_FILES = 7,
};

/* One line that says what is wrong, one that says what to do about it. */
struct message {
	enum exit_status status;
	const char *what;
	const char *hint;
};

#define LOADER_MODULE "microv_loader"
#define SHIM_MODULE "microv_kvm"

/* text.c: no system calls, no output; the unit tests call these. */

/* The value of `key` in a module's .modinfo, or NULL. `image` is the .ko file. */
const char *modinfo_find(const char *image, size_t bytes, const char *key);
/* Is `module` a line of `list` (/proc/modules)? *refs is its use count. */
bool modules_find(const char *list, const char *module, unsigned long *refs);
/* "0-3,6": the CPUs in a mask of `words` 64-bit words. */
void cpu_list(const uint64_t *mask, size_t words, char *out, size_t bytes);
/* "3 h 20 min": a time in seconds, its two greatest units. */
void duration(uint64_t seconds, char *out, size_t bytes);
struct message reason_message(enum mv_loader_reason reason);
/* Why finit_module() gave `err`; `same_kernel`: vermagic's release is this kernel's. */
struct message load_message(int err, bool same_kernel, bool lockdown);

/* stat_text.c: no system calls; what the shim tells, as text and as one JSON object. */
void stat_text(const char *lines, FILE *out);
void stat_json(const char *lines, FILE *out);
/* Such lines, made of two: how much each count grew in a second. */
void stat_rates(const char *before, const char *now, double seconds, FILE *out);

/* symbols.c: no system calls; an image is an ELF file in memory. */
struct image {
	const uint8_t *data;
	size_t bytes;
};

/* The function that has an address, and how far in; NULL: none, or it is no code. */
const char *symbol_find(const struct image *image, uint64_t addr, uint64_t *offset);
/* Is a CALL right before it? */
bool symbol_is_return(const struct image *image, uint64_t addr);
/*
 * A line of the log, without its end; with names behind its addresses. What a back trace has that
 * is no return address isn't printed.
 */
void log_print_line(const struct image *images, unsigned int count, const char *line, FILE *out);

/* files.c */

struct files {
	char microkernel[4096], microv[4096], loader[4096], shim[4096];
};

/* A whole file in memory (free() it), NUL behind its end; NULL and errno. */
char *read_file(const char *path, size_t max, size_t *bytes);
/* Finds the build tree's or the installed files; says which one is missing. */
enum exit_status files_find(struct files *f, bool shim);

/* module.c */

/* Loads a module; says why it can't. */
enum exit_status module_load(const char *path, const char *name);
/* 0 or -errno; never waits for users of the module. */
int module_unload(const char *name);
bool module_loaded(const char *name);

/* device.c */

/* Opens /dev/microv, waiting `wait_ms` for it to appear; -errno. */
int device_open(unsigned int wait_ms);
/* Is the hypervisor running? Fills *st when it is; says nothing. */
bool device_running(struct mv_loader_status *st);

/* Prints "mvctl: what" and "mvctl: hint: ..." to stderr; returns m.status. */
enum exit_status complain(struct message m);
enum exit_status need_root(const char *command);
/* One mvctl at a time changes anything, and no signal stops it halfway. */
void exclusive(void);

enum exit_status do_start(bool shim, bool debugcon);
enum exit_status do_stop(void);
enum exit_status do_status(void);
enum exit_status do_log(void);
/* Once; or every so many seconds, if not 0, what they brought, until a signal. */
enum exit_status do_stat(bool json, unsigned int every);

#endif /* MVCTL_H */
