// SPDX-License-Identifier: MIT
/* Control registers: what each write is refused for, and what it leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "insn.h"
#include "world.h"

#define LME 0x100ULL
#define LMA 0x400ULL
#define PG 0x80000000ULL
#define PAE 0x20ULL
#define PCIDE 0x20000ULL
#define LA57 0x1000ULL
#define TABLES 0x3000ULL
#define NO_MEMORY 0x1F000ULL

static struct world w;

struct state {
	uint64_t cr0, cr3, cr4, efer;
};

/* MOV CRn, RAX by the code of a mode. */
static enum emu_result mov_to(enum world_mode mode, unsigned int n, uint64_t value,
			      const struct state *before)
{
	const uint8_t code[] = { 0x44, 0x0F, 0x22, (n & 7) << 3 | 0xC0 };
	unsigned int rex = n < 8;

	world_init(&w, mode);
	w.kind[NO_MEMORY / PAGE] = PAGE_DEVICE;
	w.emu.cr0 = before->cr0;
	w.emu.cr3 = before->cr3;
	w.emu.cr4 = before->cr4;
	w.emu.efer = before->efer;
	w.emu.cr4_allowed = 0x77FF | LA57 | PCIDE | 0x740000;
	w.emu.gpa_reserved = ~0ULL << 40;
	w.emu.regs.gpr[MK_RAX] = value;
	world_code(&w, code + rex, sizeof(code) - rex);
	return world_step(&w);
}

struct write {
	enum world_mode mode;
	uint8_t cr;
	struct state before;
	uint64_t value;
	int refused; /* with #GP */
	uint64_t efer; /* after it */
};

#define REAL { 0x10, 0, 0, 0 }
#define LONG { PG | 0x33, TABLES, PAE, LME | LMA }

static const struct write writes[] = {
	{ MODE_32, 0, REAL, 0x33, 0, 0 },
	{ MODE_32, 0, REAL, PG | 0x32, 1, 0 },		/* PG without PE */
	{ MODE_32, 0, REAL, 0x20000033, 1, 0 },		/* NW without CD */
	{ MODE_32, 0, REAL, 0x60000033, 0, 0 },
	{ MODE_32, 0, REAL, PG | 0x33, 0, 0 },
	{ MODE_64, 0, LONG, 1ULL << 32 | PG | 0x33, 1, LME | LMA },
	{ MODE_64, 0, LONG, 0x33, 1, LME | LMA },	/* out of 64-bit code */
	{ MODE_32, 0, LONG, 0x33, 0, LME },		/* out of compatibility mode */
	{ MODE_32, 0, { PG | 0x33, TABLES, PAE | PCIDE, LME | LMA }, 0x33, 1, LME | LMA },
	{ MODE_32, 0, { 0x33, TABLES, PAE, LME }, PG | 0x33, 0, LME | LMA },
	{ MODE_32, 0, { 0x33, TABLES, 0, LME }, PG | 0x33, 1, LME }, /* without PAE */
	{ MODE_32, 0, { 0x33, TABLES, PAE, 0 }, PG | 0x33, 0, 0 },
	{ MODE_32, 0, { 0x33, NO_MEMORY, PAE, 0 }, PG | 0x33, 1, 0 }, /* tables nowhere */
	{ MODE_64, 3, LONG, 0x123000, 0, LME | LMA },
	{ MODE_64, 3, LONG, 1ULL << 40, 1, LME | LMA },
	{ MODE_64, 3, LONG, 1ULL << 63, 1, LME | LMA },
	{ MODE_64, 3, { PG | 0x33, 0, PAE | PCIDE, LME | LMA }, 1ULL << 63 | 5, 0, LME | LMA },
	{ MODE_64, 4, LONG, 0x600, 1, LME | LMA },	/* PAE off */
	{ MODE_64, 4, LONG, PAE | LA57, 1, LME | LMA },
	{ MODE_64, 4, LONG, PAE | 0x8000, 1, LME | LMA },
	{ MODE_64, 4, LONG, PAE | 1ULL << 32, 1, LME | LMA },
	{ MODE_64, 4, LONG, PAE | PCIDE, 0, LME | LMA },
	{ MODE_64, 4, { PG | 0x33, TABLES | 1, PAE, LME | LMA }, PAE | PCIDE, 1, LME | LMA },
	{ MODE_32, 4, REAL, PCIDE, 1, 0 },
	{ MODE_32, 4, REAL, LA57, 0, 0 },
	{ MODE_32, 4, { PG | 0x33, NO_MEMORY, 0, 0 }, PAE, 1, 0 },
	{ MODE_32, 4, { PG | 0x33, NO_MEMORY, 0, 0 }, 0x10, 0, 0 },
	{ MODE_64, 8, LONG, 15, 0, LME | LMA },
	{ MODE_64, 8, LONG, 16, 1, LME | LMA },
};

static void every_write(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		const struct write *t = &writes[i];
		enum emu_result result = mov_to(t->mode, t->cr, t->value, &t->before);
		const struct emu *e = &w.emu;

		if (result != (t->refused ? EMU_FAULT : EMU_OK) || e->efer != t->efer)
			fail_msg("write %u: result %d, efer 0x%lx", i, result, (long)e->efer);
		if (t->refused) {
			assert_int_equal(e->fault.vector, VEC_GP);
			assert_int_equal(e->cr0, t->before.cr0);
			assert_int_equal(e->cr3, t->before.cr3);
			assert_int_equal(e->cr4, t->before.cr4);
			assert_int_equal(e->cr8, 0);
		}
	}
}

static void values(void **state)
{
	static const struct state real = REAL, lng = LONG;
	struct state pcid = LONG;

	(void)state;
	mov_to(MODE_32, 0, 0x7FFFFFC1, &real);
	assert_int_equal(w.emu.cr0, 0x60050011); /* ET is set, undefined bits aren't */
	mov_to(MODE_64, 8, 9, &lng);
	assert_int_equal(w.emu.cr8, 9);
	mov_to(MODE_64, 2, 0x1234567890, &lng);
	assert_int_equal(w.emu.cr2, 0x1234567890);
	mov_to(MODE_64, 4, 0x6A0, &lng);
	assert_int_equal(w.emu.cr4, 0x6A0);
	pcid.cr4 |= PCIDE;
	mov_to(MODE_64, 3, 1ULL << 63 | 0x5001, &pcid);
	assert_int_equal(w.emu.cr3, 0x5001);
	assert_int_equal(mov_to(MODE_64, 1, 0, &lng), EMU_FAULT);
	assert_int_equal(w.emu.fault.vector, VEC_UD);
}

static void code_with_l_in_legacy_mode(void **state)
{
	static const uint8_t code[] = { 0x0F, 0x22, 0xC0 };

	(void)state;
	world_init(&w, MODE_32);
	w.emu.cr0 = 0x33;
	w.emu.cr4 = PAE;
	w.emu.efer = LME;
	w.emu.regs.seg[MK_CS].attrib |= MK_ATTR_L;
	w.emu.regs.gpr[MK_RAX] = PG | 0x33;
	world_code(&w, code, sizeof(code));
	assert_int_equal(world_step(&w), EMU_FAULT);
	assert_int_equal(w.emu.fault.vector, VEC_GP);
	assert_int_equal(w.emu.efer, LME);
}

static void reserved_bits_in_the_top_level(void **state)
{
	static const struct state before = { 0x33, TABLES, PAE, 0 };
	static const uint64_t bad[] = { 3, 5, 0x21, 0x41, 0x81, 0x101, 1ULL << 40 | 1, 1ULL << 63 | 1 };

	(void)state;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		static const uint8_t code[] = { 0x0F, 0x22, 0xC0 };

		mov_to(MODE_32, 0, PG | 0x33, &before);
		w.emu.regs.rip = 0x1000;
		w.emu.cr0 = 0x33;
		world_code(&w, code, sizeof(code));
		memcpy(w.memory + TABLES + 8 * (i % 4), &bad[i], 8);
		assert_int_equal(world_step(&w), EMU_FAULT);
		w.memory[TABLES + 8 * (i % 4)] &= ~1U;
		assert_int_equal(world_step(&w), EMU_OK);
	}
}

static void users_may_not(void **state)
{
	static const uint8_t codes[][3] = {
		{ 0x0F, 0x20, 0xC0 }, { 0x0F, 0x22, 0xC0 }, { 0x0F, 0x06, 0x90 }, { 0x0F, 0x22, 0xD0 },
	};

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		world_init(&w, MODE_32);
		world_cpl3(&w);
		world_code(&w, codes[i], 3);
		assert_int_equal(world_step(&w), EMU_FAULT);
		assert_int_equal(w.emu.fault.vector, VEC_GP);
	}
}

static void reads_and_clts(void **state)
{
	static const uint8_t clts[] = { 0x0F, 0x06 }, read[] = { 0x0F, 0x20, 0xC3 };

	(void)state;
	world_init(&w, MODE_32);
	w.emu.cr0 = 0x6000003B;
	world_code(&w, clts, sizeof(clts));
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.cr0, 0x60000033);
	world_code(&w, read, sizeof(read));
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.regs.gpr[MK_RBX], 0x60000033);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_write),
		cmocka_unit_test(values),
		cmocka_unit_test(code_with_l_in_legacy_mode),
		cmocka_unit_test(reserved_bits_in_the_top_level),
		cmocka_unit_test(users_may_not),
		cmocka_unit_test(reads_and_clts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
