/* SPDX-License-Identifier: MIT */
/*
 * A small ELF file for ring 3: text at MK_U_IMAGE, read-only data, data with more memory
 * than the file has. Tests change fields of it.
 */
#ifndef ELF_IMAGE_H
#define ELF_IMAGE_H

#include <linux/elf.h>

#include "../../abi/mk_abi.h"
#include "types.h"

#define ELF_TEXT MK_U_IMAGE
#define ELF_RODATA (MK_U_IMAGE + 0x2000)
#define ELF_DATA (MK_U_IMAGE + 0x3000)
#define ELF_ENTRY (MK_U_IMAGE + 0x10)
#define ELF_SEGMENTS 4

struct elf_image {
	Elf64_Ehdr header;
	Elf64_Phdr segment[ELF_SEGMENTS]; /* text, rodata, data, and a note that isn't loaded */
	u8 text[0x1080], rodata[0x20], data[0x30];
};

void elf_image(struct elf_image *f);

#endif /* ELF_IMAGE_H */
