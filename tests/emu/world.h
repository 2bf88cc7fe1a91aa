/* SPDX-License-Identifier: MIT */
/*
 * A small machine for the emulator: WORLD_PAGES pages, linear = physical, each of a kind. What
 * user space would serve goes to a device that keeps a log. Between an access and its answer
 * only registers and `pending` survive, as in MicroV.
 */
#ifndef TESTS_EMU_WORLD_H
#define TESTS_EMU_WORLD_H

#include "emu.h"

#define PAGE 4096U
#define WORLD_PAGES 32U
#define WORLD_SIZE (WORLD_PAGES * PAGE)

enum page_kind { PAGE_RAM, PAGE_ROM, PAGE_DEVICE, PAGE_ABSENT, PAGE_SYSTEM };

enum world_mode { MODE_REAL, MODE_16, MODE_32, MODE_64 };

struct access {
	uint64_t addr;
	uint64_t data;
	uint8_t len;
	uint8_t write;
	uint8_t is_port;
};

#define WORLD_LOG 64

struct world {
	struct emu emu, hidden;
	struct emu_cache cache;
	uint8_t memory[WORLD_SIZE]; /* of the device's pages too */
	uint8_t kind[WORLD_PAGES];
	uint8_t ymm[EMU_MMX + 8][32];
	struct access log[WORLD_LOG];
	unsigned int logged;
	unsigned int fetches;
	unsigned int moves; /* that emu_move() did in the same way */
	uint64_t port_in; /* what IN gives */
	/* Changes memory behind the emulator's back before the next cmpxchg. */
	void (*race)(struct world *w);
};

/* All RAM, the registers zero, flat segments of the mode, CPL 0. */
void world_init(struct world *w, enum world_mode mode);
void world_cpl3(struct world *w);

/* Puts code at RIP. */
void world_code(struct world *w, const void *code, unsigned int len);

/* One instruction, with its accesses to the device: never EMU_WAIT. */
enum emu_result world_step(struct world *w);

#endif
