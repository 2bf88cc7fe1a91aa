/* SPDX-License-Identifier: MIT */
/*
 * Exceptions of a guest, told to the test: an IDT whose handlers do nothing but say their
 * vector by an OUT, in any of the modes of kt_start.
 */
#ifndef CATCH_H
#define CATCH_H

#include "kvmtest.h"

#define CATCH_HANDLERS 0x4000UL
#define CATCH_IDT 0x6000UL
#define CATCH_GDT 0x7000UL /* 8: code, 16: data, both flat */
#define CATCH_PORT 0xE0U   /* and the vector */

enum { DE = 0, DB = 1, NMI = 2, BP = 3, OF = 4, BR = 5, UD = 6, NM = 7, DF = 8, NP = 11, SS = 12,
       GP = 13, PF = 14, MF = 16, AC = 17, NONE = -1 };

/* Gives the guest, as kt_start left it, that IDT and a GDT to go with it. */
void catch_install(struct kt_guest *g, enum kt_mode mode);

/* Is the present exit one of those OUTs? The vector, or NONE. */
int catch_vector(const struct kt_vcpu *vcpu);

/* Runs the guest to its HLT (NONE) or an exception; any other exit ends the case. */
int catch_run(const struct kt_vcpu *vcpu);

/* Loads code into the guest, runs it with RAX; as catch_run(). */
int catch_exception(struct kt_guest *g, enum kt_mode mode, struct kt_code code, uint64_t rax);

/* QEMU's own emulation of a CPU, told by its hypervisor leaf. */
bool catch_cpu_is_tcg(void);

#endif
