/* SPDX-License-Identifier: MIT */
/*
 * Reading ELF files: the microkernel's and MicroV's. Runs in Linux and in host tests.
 */
#ifndef LOADER_ELF_H
#define LOADER_ELF_H

#include "boot.h"

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

/*
 * Lays MicroV's ELF file out as whole pages in the `room` bytes at `to`, which is zeroed memory
 * at physical address `spa` (page aligned), and describes them in boot->load. Returns how many
 * bytes that took, -EINVAL, or -EFBIG when there is no room.
 */
s64 elf_lay_out(const void *file, u64 size, void *to, u64 spa, u64 room, struct mk_boot *boot);

#endif /* LOADER_ELF_H */
