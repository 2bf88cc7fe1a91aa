/* SPDX-License-Identifier: MIT */
/* The FPU state of a guest VS: x87, SSE and all that XSAVE knows, as mv_xsave_t. */
#ifndef MICROV_FPU_H
#define MICROV_FPU_H

#include "vm.h"

/* Reads it. Components that XSTATE_BV hasn't got, or that the VS can't have, are initial. */
void fpu_read(const struct vs *vs, struct mv_xsave_t *x);

/*
 * Replaces it. Components that XSTATE_BV hasn't got become initial. 0; -1: there is no such
 * component here, or reserved bits are set.
 */
int fpu_write(const struct vs *vs, const struct mv_xsave_t *x);

#endif
