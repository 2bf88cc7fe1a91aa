/* SPDX-License-Identifier: MIT */
/*
 * Reading ELF files: the microkernel by the launch module, MicroV by the microkernel.
 */
#ifndef MK_ELF_H
#define MK_ELF_H

#include "types.h"

struct elf_segment {
	u64 va, bytes;		/* in memory, va page aligned */
	const u8 *data;		/* in the file */
	u64 data_bytes;		/* the rest is zero */
	bool write, execute;
};

/*
 * Checks a static x86-64 ELF file of `size` bytes wholly and calls fn for each segment to
 * load, in the file's order. Segments lie in [start, end), are page aligned, don't share
 * pages and none is both writable and executable. fn may fail with -errno. *entry: where
 * the program starts. 0, -EINVAL or what fn gave.
 */
int elf_load(const void *file, u64 size, u64 start, u64 end, u64 *entry,
	     int (*fn)(void *arg, const struct elf_segment *seg), void *arg);

#endif /* MK_ELF_H */
