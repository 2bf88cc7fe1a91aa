// SPDX-License-Identifier: MIT
/* A small ELF file, see elf_image.h. */
#include "elf_image.h"

#include <stddef.h>
#include <string.h>

static Elf64_Phdr load(u64 offset, u64 va, u64 file, u64 mem, u32 flags)
{
	return (Elf64_Phdr){
		.p_type = PT_LOAD, .p_flags = flags, .p_offset = offset, .p_vaddr = va,
		.p_filesz = file, .p_memsz = mem, .p_align = PAGE_4K,
	};
}

void elf_image(struct elf_image *f)
{
	memset(f, 0, sizeof(*f));
	f->header = (Elf64_Ehdr){
		.e_ident = { 0x7F, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		.e_entry = ELF_ENTRY, .e_phoff = offsetof(struct elf_image, segment),
		.e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = ELF_SEGMENTS,
	};
	f->segment[0] = load(offsetof(struct elf_image, text), ELF_TEXT, sizeof(f->text),
			     sizeof(f->text), PF_R | PF_X);
	f->segment[1] = load(offsetof(struct elf_image, rodata), ELF_RODATA, sizeof(f->rodata),
			     sizeof(f->rodata), PF_R);
	f->segment[2] = load(offsetof(struct elf_image, data), ELF_DATA, sizeof(f->data), 0x2010,
			     PF_R | PF_W);
	f->segment[3] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_vaddr = 0x123, .p_memsz = ~0ULL };
	memset(f->text, 0x90, sizeof(f->text));
	memset(f->rodata, 'r', sizeof(f->rodata));
	memset(f->data, 'd', sizeof(f->data));
}
