// SPDX-License-Identifier: MIT
/* Prefixes, and fetching the bytes they are in. */
#include "fake.h"
#include "insn.h"

static void prefixes(void **state)
{
	static const struct {
		uint8_t bytes[INSN_MAX];
		int long_mode, big;
		uint8_t count, addr_size, seg, rep;
	} cases[] = {
		{ { 0x0F, 0xA2 }, 1, 0, 0, 8, MK_DS, 0 },
		{ { 0x0F, 0xA2 }, 0, 1, 0, 4, MK_DS, 0 },
		{ { 0x0F, 0xA2 }, 0, 0, 0, 2, MK_DS, 0 },
		{ { 0x67, 0x6E }, 1, 0, 1, 4, MK_DS, 0 },
		{ { 0x67, 0x6E }, 0, 1, 1, 2, MK_DS, 0 },
		{ { 0x67, 0x6E }, 0, 0, 1, 4, MK_DS, 0 },
		{ { 0x67, 0x67, 0x6E }, 0, 0, 2, 4, MK_DS, 0 },
		{ { 0xF3, 0x6E }, 1, 0, 1, 8, MK_DS, 1 },
		{ { 0xF2, 0x66, 0x6F }, 0, 0, 2, 2, MK_DS, 1 },
		{ { 0x26, 0x6E }, 0, 1, 1, 4, MK_ES, 0 },
		{ { 0x26, 0x6E }, 1, 0, 1, 8, MK_DS, 0 },
		{ { 0x2E, 0x6E }, 0, 0, 1, 2, MK_CS, 0 },
		{ { 0x36, 0x3E, 0x6E }, 0, 0, 2, 2, MK_DS, 0 },
		{ { 0x36, 0x6E }, 0, 0, 1, 2, MK_SS, 0 },
		{ { 0x64, 0x6E }, 1, 0, 1, 8, MK_FS, 0 },
		{ { 0x64, 0x2E, 0x6E }, 1, 0, 2, 8, MK_FS, 0 },
		{ { 0x65, 0xF3, 0x48, 0x6F }, 1, 0, 3, 8, MK_GS, 1 },
		{ { 0x48, 0x6F }, 0, 1, 0, 4, MK_DS, 0 },
		{ { 0xF0, 0x0F }, 0, 1, 1, 4, MK_DS, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct insn insn = { .count = INSN_MAX };

		memcpy(insn.bytes, cases[i].bytes, INSN_MAX);
		assert_int_equal(insn_prefixes(&insn, cases[i].long_mode, cases[i].big), 0);
		assert_int_equal(insn.prefixes, cases[i].count);
		assert_int_equal(insn.addr_size, cases[i].addr_size);
		assert_int_equal(insn.seg, cases[i].seg);
		assert_int_equal(insn.rep, cases[i].rep);
	}
}

static void nothing_but_prefixes(void **state)
{
	struct insn insn = { .count = INSN_MAX };

	(void)state;
	memset(insn.bytes, 0x66, INSN_MAX);
	assert_int_equal(insn_prefixes(&insn, 1, 0), -1);
	insn.count = 0;
	assert_int_equal(insn_prefixes(&insn, 1, 0), -1);
}

static struct vs vs;
static struct insn insn;
static struct fault fault;

static int setup(void **state)
{
	unsigned int id;

	fake_reset(state);
	id = fake_vs();
	vs = (struct vs){ .id = id, .vmid = id_vmid(id), .st = mk_state(id) };
	return 0;
}

static void linear_rip(void **state)
{
	(void)state;
	assert_int_equal(walk_linear_rip(&vs), 0xFFFFFFF0);
	vs.st->seg[MK_CS].base = 0xFFFFFFFF;
	vs.st->rip = 2;
	assert_int_equal(walk_linear_rip(&vs), 1);
	fake_mode_64(vs.id);
	vs.st->seg[MK_CS].base = 0x1000;
	vs.st->rip = 0xFFFFFFFF80000000;
	assert_int_equal(walk_linear_rip(&vs), 0xFFFFFFFF80000000);
}

static void fetch_in_real_mode(void **state)
{
	(void)state;
	vs.st->seg[MK_CS].base = 0x10000;
	vs.st->rip = 0x100;
	fake_ram[0x10100] = 0x67;
	fake_ram[0x10101] = 0x6E;
	assert_int_equal(insn_fetch(0, &vs, &insn, &fault), 0);
	assert_int_equal(insn.prefixes, 1);
	assert_int_equal(insn.addr_size, 4);
	vs.st->seg[MK_CS].base = FAKE_RAM;
	assert_int_equal(insn_fetch(0, &vs, &insn, &fault), -MK_EFAULT);
}

/* The page behind isn't touched unless the instruction goes on there. */
static void fetch_at_a_page_border(void **state)
{
	(void)state;
	fake_mode_64(vs.id);
	*(uint64_t *)(fake_ram + 0x4008) = 0;
	vs.st->rip = 0x400FFE;
	fake_ram[0x400FFE] = 0xF3;
	fake_ram[0x400FFF] = 0x6E;
	assert_int_equal(insn_fetch(0, &vs, &insn, &fault), 0);
	assert_int_equal(insn.prefixes, 1);

	fake_ram[0x400FFF] = 0x48;
	assert_int_equal(insn_fetch(0, &vs, &insn, &fault), 1);
	assert_int_equal(fault.vector, VEC_PF);
	assert_int_equal(fault.addr, 0x401000);
	*(uint64_t *)(fake_ram + 0x4008) = 0x500007;
	fake_ram[0x500000] = 0x6E;
	assert_int_equal(insn_fetch(0, &vs, &insn, &fault), 0);
	assert_int_equal(insn.prefixes, 2);

	memset(fake_ram + 0x400FFE, 0x66, 2);
	memset(fake_ram + 0x500000, 0x66, 15);
	assert_int_equal(insn_fetch(0, &vs, &insn, &fault), 1);
	assert_int_equal(fault.vector, VEC_GP);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes),
		cmocka_unit_test(nothing_but_prefixes),
		cmocka_unit_test_setup(linear_rip, setup),
		cmocka_unit_test_setup(fetch_in_real_mode, setup),
		cmocka_unit_test_setup(fetch_at_a_page_border, setup),
	};

	return cmocka_run_group_tests_name("microv insn", tests, NULL, NULL);
}
