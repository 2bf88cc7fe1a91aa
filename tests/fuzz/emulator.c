// SPDX-License-Identifier: MIT
/*
 * libFuzzer target: any bytes as code, in any mode, with any registers, over memory, read-only
 * memory, devices and holes. What must hold is checked behind every step; the sanitizers do
 * the rest.
 */
#include "flags.h"
#include "fuzz.h"
#include "world.h"

#define STEPS 8

static struct world world;

struct input {
	uint8_t mode; /* enum world_mode, CPL */
	uint8_t kinds; /* of pages, by rotation */
	uint8_t control; /* CR0 and friends */
	uint8_t offset; /* of the code in its page, from the end */
	uint64_t rflags;
	uint64_t gpr[16];
	uint8_t code[];
};

/* Mostly addresses inside the world. */
static uint64_t register_value(uint64_t value)
{
	return value & 1ULL << 63 ? value : value % (WORLD_SIZE + PAGE);
}

static void set_up(const struct input *in)
{
	struct emu *e = &world.emu;

	world_init(&world, in->mode & 3);
	if (in->mode & 4)
		world_cpl3(&world);
	for (unsigned int i = 2; i < WORLD_PAGES; i++)
		world.kind[i] = (in->kinds + i) % 5;
	e->regs.rip = 2 * PAGE - in->offset;
	e->regs.rflags = (in->rflags & 0x3FFFFF) | FLAG_FIXED;
	if ((in->mode & 3) != MODE_16)
		e->regs.rflags &= ~FLAG_VM;
	for (unsigned int i = 0; i < 16; i++)
		e->regs.gpr[i] = register_value(in->gpr[i]);
	e->cr0 ^= (in->control & 0xC) | (uint64_t)(in->control & 1) << 18;
	e->cr4 ^= (uint64_t)(in->control >> 4 & 1) << 12;
	e->wide_branches = in->control >> 5 & 1;
	e->gdtr = (struct mk_seg){ .base = PAGE / 2, .limit = in->control };
}

static int same_registers(const struct emu_regs *a, const struct emu_regs *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static enum emu_result step(void)
{
	struct emu *e = &world.emu;
	struct emu_regs before = e->regs;
	enum emu_result result = world_step(&world);

	FUZZ_CHECK(e->outs <= EMU_MAX_WRITES && e->pending.reads <= EMU_MAX_READS);
	FUZZ_CHECK(result == EMU_OK || result == EMU_FAULT || result == EMU_RETRY ||
		   result == EMU_UNHANDLED);
	if (result == EMU_RETRY || result == EMU_UNHANDLED)
		FUZZ_CHECK(same_registers(&before, &e->regs));
	if (result != EMU_OK)
		FUZZ_CHECK(e->outs == 0 && e->regs.rip == before.rip);
	for (unsigned int i = 0; i < e->outs; i++)
		FUZZ_CHECK(e->out[i].len >= 1 && e->out[i].len <= 8);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct input in;
	size_t code_len = size - sizeof(in);

	if (size <= sizeof(in) || code_len > PAGE / 4)
		return 0;
	memcpy(&in, data, sizeof(in));
	set_up(&in);
	memcpy(world.memory + world.emu.regs.rip, data + sizeof(in), code_len);
	for (unsigned int i = 0; i < STEPS; i++) {
		if (step() != EMU_OK)
			break;
	}
	return 0;
}
