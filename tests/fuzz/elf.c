// SPDX-License-Identifier: MIT
/*
 * libFuzzer target: any bytes as MicroV's ELF file. What is accepted must be inside of file and
 * image, W^X, each page of one segment; and must be laid out as it says.
 */
#include <stdlib.h>

#include "elf.h"
#include "fuzz.h"
#include "layout.h"

#define ROOM (16 * PAGE_4K)
#define SPA_OF_ROOM 0x200000ULL

static const u8 *file;
static u64 file_size;
static struct elf_segment seen[MK_BOOT_MAX_LOADS];
static unsigned int count;
static u8 room[ROOM + 1] __attribute__((aligned(4096)));

static void check_apart(const struct elf_segment *a, const struct elf_segment *b)
{
	FUZZ_CHECK(align_up(a->va + a->bytes, PAGE_4K) <= b->va ||
		   align_up(b->va + b->bytes, PAGE_4K) <= a->va);
}

static int segment(void *arg, const struct elf_segment *s)
{
	unsigned int i;

	FUZZ_CHECK(arg == seen && count < MK_BOOT_MAX_LOADS);
	FUZZ_CHECK(!(s->write && s->execute));
	FUZZ_CHECK(s->bytes && s->data_bytes <= s->bytes && is_aligned(s->va, PAGE_4K));
	FUZZ_CHECK(s->va >= MK_U_IMAGE && s->va < MK_U_IMAGE_END &&
		   s->bytes <= MK_U_IMAGE_END - s->va);
	FUZZ_CHECK(s->data >= file && s->data <= file + file_size &&
		   s->data_bytes <= (u64)(file + file_size - s->data));
	for (i = 0; i < count; i++)
		check_apart(&seen[i], s);
	seen[count++] = *s;
	return 0;
}

static void check_entry(u64 entry)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (seen[i].execute && entry >= seen[i].va &&
		    entry - seen[i].va < seen[i].data_bytes)
			return;
	FUZZ_CHECK(!"the program starts in code");
}

/* One behind the other, bytes of the file, then zeros. */
static void check_pages(const struct mk_boot *boot)
{
	u64 at = 0, i, n;

	FUZZ_CHECK(boot->loads == count);
	for (n = 0; n < count; n++) {
		const struct mk_load *l = &boot->load[n];

		FUZZ_CHECK(l->va == seen[n].va && l->spa == SPA_OF_ROOM + at);
		FUZZ_CHECK(l->bytes == align_up(seen[n].bytes, PAGE_4K) && at + l->bytes <= ROOM);
		FUZZ_CHECK(!(l->flags & MK_LOAD_WRITE) == !seen[n].write &&
			   !(l->flags & MK_LOAD_EXECUTE) == !seen[n].execute);
		FUZZ_CHECK(!memcmp(room + at, seen[n].data, seen[n].data_bytes));
		for (i = seen[n].data_bytes; i < l->bytes; i++)
			FUZZ_CHECK(!room[at + i]);
		at += l->bytes;
	}
	FUZZ_CHECK(!room[ROOM]);
}

static void one_file(void)
{
	struct mk_boot boot = { 0 };
	u64 entry = 0;
	s64 bytes;
	int rc;

	count = 0;
	memset(room, 0, sizeof(room));
	rc = elf_load(file, file_size, MK_U_IMAGE, MK_U_IMAGE_END, &entry, segment, seen);
	bytes = elf_lay_out(file, file_size, room, SPA_OF_ROOM, ROOM, &boot);
	FUZZ_CHECK((rc == -22 && bytes == -22 && !count) ||
		   (!rc && (bytes == -27 || (bytes > 0 && bytes <= (s64)ROOM))));
	if (rc)
		return;
	check_entry(entry);
	if (bytes > 0)
		check_pages(&boot);
}

/* A copy of exactly this size: reading behind it is seen. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u8 *copy = malloc(size ? size : 1);

	memcpy(copy, data, size);
	file = copy;
	file_size = size;
	one_file();
	free(copy);
	return 0;
}
