/* SPDX-License-Identifier: MIT */
/* The guest that runs, for the emulator (emu.h): struct emu is filled from it, and taken back. */
#ifndef MICROV_EMULATE_H
#define MICROV_EMULATE_H

#include "emu.h"
#include "run.h"

/* All but what emu_step() fills in itself; nothing is pending. */
void emulate_fill(struct emu *e, struct run *r);

/* Each CPU's own: nobody waits for anybody. */
struct emu_cache *emulate_cache(unsigned int cpu);

/* The registers, after emu_step(). */
void emulate_take(struct run *r, const struct emu *e);

#endif
