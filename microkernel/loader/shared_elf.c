// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The microkernel's ELF reader, built for Linux. */
#include "../src/elf.c"
