// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Reading ELF files. See elf.h.
 */
#ifdef __KERNEL__
#include <linux/elf.h>
#include <linux/errno.h>
#include <linux/string.h>
#else
#include <errno.h>
#include <linux/elf.h>
#include <string.h>
#endif
#include "elf.h"

static bool header_ok(const Elf64_Ehdr *h, u64 size)
{
	static const u8 ident[] = { 0x7F, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT };

	return size >= sizeof(*h) && !memcmp(h->e_ident, ident, sizeof(ident)) &&
	       h->e_type == ET_EXEC && h->e_machine == EM_X86_64 &&
	       h->e_phentsize == sizeof(Elf64_Phdr) && h->e_phnum <= 64 && h->e_phoff <= size &&
	       h->e_phnum * sizeof(Elf64_Phdr) <= size - h->e_phoff && is_aligned(h->e_phoff, 8);
}

static bool segment_ok(const Elf64_Phdr *p, u64 size, u64 start, u64 end)
{
	return p->p_offset <= size && p->p_filesz <= size - p->p_offset && p->p_memsz &&
	       p->p_filesz <= p->p_memsz && p->p_memsz <= end - start && p->p_vaddr >= start &&
	       p->p_vaddr <= end - p->p_memsz && is_aligned(p->p_vaddr, PAGE_4K) &&
	       (p->p_flags & (PF_W | PF_X)) != (PF_W | PF_X);
}

static bool overlaps(const struct elf_segment *a, const struct elf_segment *b)
{
	return a->va < align_up(b->va + b->bytes, PAGE_4K) &&
	       b->va < align_up(a->va + a->bytes, PAGE_4K);
}

/* Reads and checks all segments. Returns how many, or -EINVAL. */
static int read_segments(const u8 *file, u64 size, u64 start, u64 end, struct elf_segment *seg)
{
	const Elf64_Ehdr *h = (const void *)file;
	const Elf64_Phdr *p = (const void *)(file + h->e_phoff);
	int n = 0, i, j;

	for (i = 0; i < h->e_phnum; i++, p++) {
		if (p->p_type != PT_LOAD)
			continue;
		if (n == MK_BOOT_MAX_LOADS || !segment_ok(p, size, start, end))
			return -EINVAL;
		seg[n] = (struct elf_segment){
			.va = p->p_vaddr, .bytes = p->p_memsz,
			.data = file + p->p_offset, .data_bytes = p->p_filesz,
			.write = p->p_flags & PF_W, .execute = p->p_flags & PF_X,
		};
		for (j = 0; j < n; j++)
			if (overlaps(&seg[j], &seg[n]))
				return -EINVAL;
		n++;
	}
	return n;
}

static bool entry_ok(const struct elf_segment *seg, int n, u64 entry)
{
	int i;

	for (i = 0; i < n; i++)
		if (seg[i].execute && entry >= seg[i].va && entry - seg[i].va < seg[i].data_bytes)
			return true;
	return false;
}

int elf_load(const void *file, u64 size, u64 start, u64 end, u64 *entry,
	     int (*fn)(void *arg, const struct elf_segment *seg), void *arg)
{
	const Elf64_Ehdr *h = file;
	struct elf_segment seg[MK_BOOT_MAX_LOADS];
	int i, n, rc = 0;

	if (!header_ok(h, size))
		return -EINVAL;
	n = read_segments(file, size, start, end, seg);
	if (n < 0 || !entry_ok(seg, n, h->e_entry))
		return -EINVAL;
	*entry = h->e_entry;
	for (i = 0; i < n && !rc; i++)
		rc = fn(arg, &seg[i]);
	return rc;
}

/* Where the next segment's pages go. */
struct room {
	u8 *to;
	u64 spa, left;
	struct mk_boot *boot;
};

static int lay_out(void *arg, const struct elf_segment *seg)
{
	struct room *room = arg;
	u64 bytes = align_up(seg->bytes, PAGE_4K);

	if (bytes > room->left)
		return -EFBIG;
	memcpy(room->to, seg->data, seg->data_bytes);
	room->boot->load[room->boot->loads++] = (struct mk_load){
		.va = seg->va, .spa = room->spa, .bytes = bytes,
		.flags = (seg->write ? MK_LOAD_WRITE : 0) | (seg->execute ? MK_LOAD_EXECUTE : 0),
	};
	room->to += bytes;
	room->spa += bytes;
	room->left -= bytes;
	return 0;
}

s64 elf_lay_out(const void *file, u64 size, void *to, u64 spa, u64 room, struct mk_boot *boot)
{
	struct room r = { .to = to, .spa = spa, .left = room, .boot = boot };
	int rc;

	boot->loads = 0;
	rc = elf_load(file, size, MK_U_IMAGE, MK_U_IMAGE_END, &boot->microv_entry, lay_out, &r);
	return rc ? rc : (s64)(room - r.left);
}
