/* SPDX-License-Identifier: MIT */
/*
 * The bytes of the guest's current instruction, for CPUs that don't tell its length, address
 * size or segment. Only prefixes are understood: the exit says which instruction it is.
 */
#ifndef MICROV_INSN_H
#define MICROV_INSN_H

#include "walk.h"

#define INSN_MAX 15
#define INSN_TWO_BYTES 0x0F /* nearly all that exit begin with it: no prefix */

struct insn {
	uint8_t bytes[INSN_MAX];
	uint8_t count;	   /* of the bytes that could be read */
	uint8_t prefixes;  /* how many of them are prefixes */
	uint8_t addr_size; /* 2, 4, 8 */
	uint8_t seg;	   /* enum mk_seg_idx: the override, else DS */
	uint8_t rep;
};

/* The prefixes of insn->bytes. 0, or -1: nothing but prefixes. */
int insn_prefixes(struct insn *insn, int long_mode, int big);

/* Reads the instruction at RIP. 0; 1 and the fault; -MK_EFAULT: not in the VM's memory. */
int insn_fetch(unsigned int cpu, struct vs *vs, struct insn *insn, struct fault *fault);

/* The same, for who wants to know nothing but how many prefixes it has. */
int insn_count_prefixes(unsigned int cpu, struct vs *vs, unsigned int *count, struct fault *fault);

#endif
