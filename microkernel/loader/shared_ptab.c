// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The microkernel's page-table code, built for Linux. */
#include "../src/ptab.c"
