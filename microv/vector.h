/* SPDX-License-Identifier: MIT */
/* Vector registers of a guest VS for the emulator (emu.h): its FPU state, if one is asked for. */
#ifndef MICROV_VECTOR_H
#define MICROV_VECTOR_H

#include "fpu.h"

struct vectors {
	uint8_t loaded, dirty; /* 0 at first */
	struct mv_xsave_t x;
};

/* As emu_ops.vector_get and vector_set are to do it. */
void vector_get(struct vectors *v, const struct vs *vs, unsigned int n, uint8_t value[32]);
void vector_set(struct vectors *v, const struct vs *vs, unsigned int n, const uint8_t value[32]);

/* Gives the VS what was set. */
void vector_commit(const struct vectors *v, const struct vs *vs);

#endif
