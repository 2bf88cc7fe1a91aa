// SPDX-License-Identifier: MIT
/*
 * The hypervisor's log with names for its addresses: those of the images that lie beside mvctl.
 * No system calls; the unit tests call this.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <string.h>

#include "mvctl.h"

#define CALL 0xE8 /* with a displacement of 32 bits */
#define CALL_BYTES 5
#define GROUP_5 0xFF /* CALL by a pointer: 2 in the middle of the next byte */

#define ALIGNED(offset) ((offset) % 8 == 0)

/* `bytes` at an offset of the file, or NULL. */
static const void *at(const struct image *image, uint64_t offset, uint64_t bytes)
{
	if (offset > image->bytes || bytes > image->bytes - offset)
		return NULL;
	return image->data + offset;
}

static const Elf64_Shdr *section(const struct image *image, unsigned int n)
{
	const Elf64_Ehdr *elf = at(image, 0, sizeof(*elf));

	if (!elf || memcmp(elf->e_ident, ELFMAG, SELFMAG) || n >= elf->e_shnum ||
	    elf->e_shentsize != sizeof(Elf64_Shdr) || !ALIGNED(elf->e_shoff))
		return NULL;
	return at(image, elf->e_shoff + n * sizeof(Elf64_Shdr), sizeof(Elf64_Shdr));
}

/* The code at an address, and how much there is before it in its section; or NULL. */
static const uint8_t *code_at(const struct image *image, uint64_t addr, uint64_t *before)
{
	const Elf64_Shdr *s;

	for (unsigned int n = 0; (s = section(image, n)) != NULL; n++) {
		if (!(s->sh_flags & SHF_EXECINSTR) || addr < s->sh_addr ||
		    addr - s->sh_addr >= s->sh_size || !at(image, s->sh_offset, s->sh_size))
			continue;
		*before = addr - s->sh_addr;
		return image->data + s->sh_offset + *before;
	}
	return NULL;
}

bool symbol_is_return(const struct image *image, uint64_t addr)
{
	uint64_t before = 0;
	const uint8_t *code = code_at(image, addr, &before);

	if (code == NULL)
		return false;
	if (before >= CALL_BYTES && code[-CALL_BYTES] == CALL)
		return true;
	for (int back = 2; back <= 7 && (uint64_t)back <= before; back++)
		if (code[-back] == GROUP_5 && (code[1 - back] >> 3 & 7) == 2)
			return true;
	return false;
}

static const char *name_of(const struct image *image, const Elf64_Shdr *table, const Elf64_Sym *sym)
{
	const Elf64_Shdr *strings = section(image, table->sh_link);
	const char *names = strings ? at(image, strings->sh_offset, strings->sh_size) : NULL;

	if (!names || sym->st_name >= strings->sh_size ||
	    !memchr(names + sym->st_name, 0, strings->sh_size - sym->st_name))
		return NULL;
	return names + sym->st_name;
}

const char *symbol_find(const struct image *image, uint64_t addr, uint64_t *offset)
{
	const Elf64_Shdr *s;
	const char *name = NULL;
	uint64_t unused;

	if (code_at(image, addr, &unused) == NULL)
		return NULL;
	*offset = ~0ULL;
	for (unsigned int n = 0; (s = section(image, n)) != NULL; n++) {
		const Elf64_Sym *sym = at(image, s->sh_offset, s->sh_size);

		if (s->sh_type != SHT_SYMTAB || sym == NULL || !ALIGNED(s->sh_offset))
			continue;
		for (uint64_t i = 0; i < s->sh_size / sizeof(*sym); i++) {
			if (addr < sym[i].st_value || addr - sym[i].st_value >= *offset ||
			    ELF64_ST_TYPE(sym[i].st_info) > STT_FUNC || !name_of(image, s, &sym[i]))
				continue;
			name = name_of(image, s, &sym[i]);
			*offset = addr - sym[i].st_value;
		}
	}
	return name;
}

/* The source's name is as far as the first dot: what is behind it the compiler has added. */
static int source_name(const char *name)
{
	return (int)strcspn(name, ".");
}

/* " (name+0x12)" behind an address, if it has a name. */
static void print_name(const struct image *images, unsigned int count, uint64_t addr, FILE *out)
{
	const char *name;
	uint64_t offset;

	for (unsigned int i = 0; i < count; i++) {
		name = symbol_find(&images[i], addr, &offset);
		if (name != NULL)
			fprintf(out, " (%.*s+0x%llx)", source_name(name), name,
				(unsigned long long)offset);
	}
}

static bool is_return(const struct image *images, unsigned int count, uint64_t addr)
{
	bool is = false;

	for (unsigned int i = 0; i < count; i++)
		is = is || symbol_is_return(&images[i], addr);
	return is;
}

/* Without an image that has it, whether an address is one can't be told: then it stays. */
void log_print_line(const struct image *images, unsigned int count, const char *line, FILE *out)
{
	unsigned long long addr;
	int end = 0;

	if (sscanf(line, "  rip 0x%llx%n", &addr, &end) == 1) {
		fprintf(out, "%.*s", end, line);
		print_name(images, count, addr, out);
	} else if (sscanf(line, "  at 0x%llx%n", &addr, &end) == 1) {
		if (count && !is_return(images, count, addr))
			return;
		fprintf(out, "%.*s", end, line);
		print_name(images, count, addr - 1, out); /* the CALL's, not what is behind it */
	}
	fprintf(out, "%s\n", line + end);
}
