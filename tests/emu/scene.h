/* SPDX-License-Identifier: MIT */
/* What the unit tests of the emulator share: one world with a device, ROM and a hole. */
#ifndef TESTS_EMU_SCENE_H
#define TESTS_EMU_SCENE_H

#include "world.h"
#include "flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum {
	VEC_DE = 0,
	VEC_UD = 6,
	VEC_NM = 7,
	VEC_NP = 11,
	VEC_SS = 12,
	VEC_GP = 13,
	VEC_PF = 14,
	VEC_AC = 17
};

#define DEVICE 0x8000U /* a page of a device, one more behind it */
#define ROM 0xA000U
#define ABSENT 0xB000U

static struct world w;

#define CODE(...)                                                                                  \
	do {                                                                                       \
		static const uint8_t code_[] = { __VA_ARGS__ };                                    \
		world_code(&w, code_, sizeof(code_));                                              \
	} while (0)

static inline uint64_t *gpr(unsigned int n)
{
	return &w.emu.regs.gpr[n];
}

static inline void start(enum world_mode mode)
{
	world_init(&w, mode);
	w.kind[DEVICE / PAGE] = w.kind[DEVICE / PAGE + 1] = PAGE_DEVICE;
	w.kind[ROM / PAGE] = PAGE_ROM;
	w.kind[ABSENT / PAGE] = PAGE_ABSENT;
}

static inline void poke(uint64_t addr, uint64_t value, unsigned int len)
{
	memcpy(w.memory + addr, &value, len);
}

static inline uint64_t peek(uint64_t addr, unsigned int len)
{
	uint64_t value = 0;

	memcpy(&value, w.memory + addr, len);
	return value;
}

static inline void assert_access(unsigned int n, int write, uint64_t addr, unsigned int len,
				 uint64_t data)
{
	assert_true(n < w.logged);
	assert_int_equal(w.log[n].write, write);
	assert_int_equal(w.log[n].addr, addr);
	assert_int_equal(w.log[n].len, len);
	assert_int_equal(w.log[n].data, data);
}

static inline void assert_fault(unsigned int vector, unsigned int error)
{
	struct emu_regs regs = w.emu.regs;

	assert_int_equal(world_step(&w), EMU_FAULT);
	assert_int_equal(w.emu.fault.vector, vector);
	assert_int_equal(w.emu.fault.error, error);
	assert_memory_equal(&regs, &w.emu.regs, sizeof(regs));
	assert_int_equal(w.logged, 0);
}

#endif
