// SPDX-License-Identifier: MIT
/*
 * emu_move(): what it does without struct emu is what emu_step() does. world_step() compares both;
 * here it is counted which instructions it takes.
 */
#include "scene.h"

#include "../rnd.h"

#define COUNT 200000

/* Half of the registers point into the device, the others are small. */
static void random_registers(void)
{
	for (unsigned int i = 0; i < 16; i++)
		*gpr(i) = rnd() % 2 ? DEVICE + rnd() % (2 * PAGE) : rnd() % 64;
	w.emu.regs.rflags = FLAG_FIXED | (rnd() & (FLAG_RF | FLAG_CF));
}

/* Most bytes of a ModRM, SIB and displacement lead to the device now and then. */
static void random_code(uint8_t code[EMU_MAX_CODE])
{
	static const uint8_t opcodes[][2] = {
		{ 0x88 }, { 0x89 }, { 0x8A }, { 0x8B }, { 0xC6 }, { 0xC7 }, { 0x63 },
		{ 0x0F, 0xB6 }, { 0x0F, 0xB7 }, { 0x0F, 0xBE }, { 0x0F, 0xBF }, { 0x0F, 0xC3 },
		{ 0xA0 }, { 0xA1 }, { 0xA2 }, { 0xA3 },
	};
	const uint8_t *opcode = opcodes[rnd() % (sizeof(opcodes) / sizeof(opcodes[0]))];
	unsigned int at = 0;

	for (unsigned int i = 0; i < EMU_MAX_CODE; i++)
		code[i] = rnd() % 4 ? 0 : rnd();
	if (rnd() % 4 == 0)
		code[at++] = 0x66;
	if (rnd() % 8 == 0)
		code[at++] = rnd() % 2 ? 0x67 : 0x64;
	if (rnd() % 2)
		code[at++] = 0x40 | rnd() % 16;
	code[at++] = opcode[0];
	if (opcode[1])
		code[at++] = opcode[1];
	if (opcode[0] >= 0xA0 && opcode[0] <= 0xA3)
		code[at + 1] = DEVICE >> 8;
	else if (opcode[0] == 0xC6 || opcode[0] == 0xC7)
		code[at] = rnd() & 0xC7;
	else
		code[at] = rnd();
}

static void random_moves(void **state)
{
	uint8_t code[EMU_MAX_CODE];

	(void)state;
	seed = 1;
	start(MODE_64);
	for (unsigned int i = 0; i < COUNT; i++) {
		w.emu.regs.rip = 0x1000 + rnd() % 64;
		random_registers();
		random_code(code);
		world_code(&w, code, sizeof(code));
		world_step(&w);
	}
	assert_in_range(w.moves, COUNT / 20, COUNT);
}

#define ASSERT_MOVES(expected, ...)                                                                \
	do {                                                                                       \
		start(MODE_64);                                                                    \
		*gpr(MK_RBX) = DEVICE + 0x10;                                                      \
		CODE(__VA_ARGS__);                                                                 \
		assert_int_equal(world_step(&w), EMU_OK);                                          \
		assert_int_equal(w.moves, expected);                                               \
	} while (0)

static void which_instructions(void **state)
{
	(void)state;
	ASSERT_MOVES(1, 0x89, 0x03); /* mov %eax,(%rbx) */
	ASSERT_MOVES(1, 0x8A, 0x23); /* mov (%rbx),%ah */
	ASSERT_MOVES(1, 0x66, 0xC7, 0x43, 0x10, 0x34, 0x12); /* movw $0x1234,0x10(%rbx) */
	ASSERT_MOVES(1, 0x48, 0x63, 0x03); /* movslq (%rbx),%rax */
	ASSERT_MOVES(1, 0x8B, 0x05, 0x00, 0x70, 0x00, 0x00); /* mov 0x7000(%rip),%eax */
	ASSERT_MOVES(0, 0x01, 0x03); /* add %eax,(%rbx): two accesses */
	ASSERT_MOVES(0, 0x03, 0x03); /* add (%rbx),%eax */
	ASSERT_MOVES(0, 0x64, 0x8B, 0x03); /* mov %fs:(%rbx),%eax */
	ASSERT_MOVES(0, 0x0F, 0x38, 0xF0, 0x03); /* movbe (%rbx),%eax */
	ASSERT_MOVES(0, 0x8C, 0x1B); /* mov %ds,(%rbx) */
	ASSERT_MOVES(0, 0xAA); /* stosb, not to the device */
}

static int move(uint64_t addr, int write)
{
	struct emu_move m = { .rip = 0x1000, .write = write, .io = { .addr = addr } };

	return emu_move(&w.cache, w.emu.regs.gpr, w.memory + 0x1000, &m);
}

/* The access that the CPU tells of must be the one that the bytes say. */
static void another_access(void **state)
{
	(void)state;
	ASSERT_MOVES(1, 0x8B, 0x03); /* mov (%rbx),%eax */
	assert_true(move(0xFEC00010, 0));
	assert_false(move(0xFEC00010, 1));
	assert_false(move(0xFEC00014, 0));
	*gpr(MK_RBX) = DEVICE + PAGE - 3;
	assert_false(move(0xFEC00FFD, 0));
	*gpr(MK_RBX) = DEVICE + PAGE - 4;
	assert_true(move(0xFEC00FFC, 0));
}

/* Bytes that were not decoded, or in another mode. */
static void unknown_code(void **state)
{
	(void)state;
	ASSERT_MOVES(1, 0x8B, 0x03);
	poke(0x1000, 0x0B8B, 2); /* mov (%rbx),%ecx */
	assert_false(move(DEVICE + 0x10, 0));
	start(MODE_32);
	*gpr(MK_RBX) = DEVICE + 0x10;
	CODE(0x8B, 0x03);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.moves, 0);
	assert_false(move(DEVICE + 0x10, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_moves),
		cmocka_unit_test(which_instructions),
		cmocka_unit_test(another_access),
		cmocka_unit_test(unknown_code),
	};

	return cmocka_run_group_tests_name("emulator: moves", tests, NULL, NULL);
}
