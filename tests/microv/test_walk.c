// SPDX-License-Identifier: MIT
/* The guest's page tables in every mode, rights, reserved bits, A and D bits, and copies. */
#include "fake.h"
#include "walk.h"

#define P 1ULL
#define W 2ULL
#define U 4ULL
#define A 0x20ULL
#define D 0x40ULL
#define PS 0x80ULL
#define NX (1ULL << 63)

#define PF_P 1
#define PF_W 2
#define PF_U 4
#define PF_RSVD 8
#define PF_I 16

static unsigned int id;
static struct vs vs;
static struct mapping map;
static struct fault fault;

static int setup(void **state)
{
	fake_reset(state);
	id = fake_vs();
	vs = (struct vs){ .id = id, .vmid = id_vmid(id), .st = mk_state(id) };
	vs.st->dirty = MK_G_ALL;
	memset(&fault, 0, sizeof(fault));
	return 0;
}

static uint64_t *entry(uint64_t gpa)
{
	return (uint64_t *)(fake_ram + gpa);
}

static int go(uint64_t gla, unsigned int access)
{
	return walk(0, &vs, gla, access, &map, &fault);
}

static void assert_gpa(uint64_t gla, uint64_t gpa)
{
	assert_int_equal(go(gla, WALK_PROBE), 0);
	assert_int_equal(map.gpa, gpa);
}

static void assert_pf(uint64_t gla, unsigned int access, uint32_t error)
{
	assert_int_equal(go(gla, access), 1);
	assert_int_equal(fault.vector, VEC_PF);
	assert_int_equal(fault.error, error);
	assert_int_equal(fault.addr, gla);
}

static void paging_off(void **state)
{
	(void)state;
	fake_mode_32(id);
	assert_gpa(0x12345678, 0x12345678);
	assert_gpa(0x112345678, 0x12345678);
	assert_int_equal(map.flags, MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_WRITE_ACCESS |
					    MV_MAP_FLAG_EXECUTE_ACCESS | MV_MAP_FLAG_USER |
					    MV_MAP_FLAG_4K_PAGE);
}

/* A new VS remembers no walk, not even one of a page at 0 with all registers 0. */
static void nothing_remembered(void **state)
{
	(void)state;
	vs.st->cr0 = 0;
	assert_int_equal(vs.st->cr3 | vs.st->cr4 | vs.st->efer, 0);
	assert_int_equal(go(0, WALK_READ), 0);
	assert_int_equal(map.gpa, 0);
}

static void mode_32bit(void **state)
{
	uint32_t *dir = (uint32_t *)(fake_ram + 0x1000), *table = (uint32_t *)(fake_ram + 0x2000);

	(void)state;
	fake_mode_32(id);
	vs.st->cr0 |= CR0_PG;
	vs.st->cr3 = 0x1018;
	vs.st->cr4 = CR4_PSE;
	dir[1] = 0x2000 | P | W | U;
	table[3] = 0x5000 | P | W;
	dir[2] = 0x00800000 | P | W | PS;
	dir[3] = 0x00C00000 | 0x5A << 13 | P | PS;
	assert_gpa(0x403456, 0x5456);
	assert_gpa(0x8ABCDE, 0x8ABCDE);
	assert_gpa(0xC12345, 0x5A00C12345);
	assert_pf(0x402000, 0, 0);
	assert_pf(0x1000000, WALK_WRITE | WALK_USER, PF_W | PF_U);

	/* Without CR4.PSE bit 7 means nothing. */
	vs.st->cr4 = 0;
	dir[2] = 0x2000 | P | PS;
	assert_gpa(0x803FFF, 0x5FFF);
}

static void mode_pae(void **state)
{
	(void)state;
	fake_mode_32(id);
	vs.st->cr0 |= CR0_PG;
	vs.st->cr3 = 0x1020;
	vs.st->cr4 = CR4_PAE;
	vs.st->efer = EFER_NXE;
	*entry(0x1020 + 3 * 8) = 0x2000 | P; /* no rights in a PDPTE */
	*entry(0x2000) = 0x3000 | P | W | U;
	*entry(0x2008) = 0x400000 | P | PS | NX;
	*entry(0x3000 + 8 * 8) = 0x123456000 | P | W | U;
	assert_gpa(0xC0008ABC, 0x123456ABC);
	assert_int_equal(go(0xC0008000, WALK_WRITE | WALK_USER), 0);
	assert_int_equal(*entry(0x1038), 0x2000 | P);
	assert_gpa(0xC03FFFFF, 0x5FFFFF);
	assert_pf(0xC0200000, WALK_EXEC, PF_P | PF_I);
	assert_pf(0x40000000, 0, 0);
}

static void mode_64bit(void **state)
{
	(void)state;
	fake_mode_64(id);
	*entry(0x1000 + 511 * 8) = 0x2000 | P | W;
	*entry(0x2000 + 510 * 8) = 0x40000000 | P | W | PS | 1 << 12;
	assert_gpa(0x1234, 0x1234);
	assert_int_equal(map.flags, MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_EXECUTE_ACCESS |
					    MV_MAP_FLAG_WRITE_ACCESS | MV_MAP_FLAG_USER |
					    MV_MAP_FLAG_2M_PAGE);
	assert_gpa(0x412FFF, 0x412FFF);
	assert_true(map.flags & MV_MAP_FLAG_4K_PAGE);
	assert_gpa(0xFFFFFFFF80000123, 0x40000123);
	assert_int_equal(map.flags, MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_EXECUTE_ACCESS |
					    MV_MAP_FLAG_WRITE_ACCESS | MV_MAP_FLAG_1G_PAGE);
	assert_pf(0x600000, 0, 0);
	assert_int_equal(go(0x800000000000, 0), 1);
	assert_int_equal(fault.vector, VEC_GP);
	assert_int_equal(go(0x7FFFFFFFFFFF, 0), 1);
	assert_int_equal(fault.vector, VEC_PF);
}

static void mode_57bit(void **state)
{
	(void)state;
	fake_mode_64(id);
	vs.st->cr4 |= CR4_LA57;
	vs.st->cr3 = 0x9000;
	*entry(0x9000 + 5 * 8) = 0x1000 | P | W | U;
	assert_gpa(5ULL << 48 | 0x1234, 0x1234);
	assert_pf(0x1234, 0, 0);
}

/* One page, seen through the rights of the upper and the lower entry. */
static void rights(void **state)
{
	static const struct {
		uint64_t upper, lower, cr0, cr4, rflags;
		unsigned int access;
		uint32_t error; /* 0: allowed */
	} cases[] = {
		{ P | W | U, P | W | U, 0, 0, 0, WALK_WRITE | WALK_USER, 0 },
		{ P | W, P | W | U, 0, 0, 0, WALK_USER, PF_P | PF_U },
		{ P | W | U, P | W, 0, 0, 0, WALK_USER, PF_P | PF_U },
		{ P | U, P | W | U, 0, 0, 0, WALK_WRITE | WALK_USER, PF_P | PF_W | PF_U },
		{ P | W | U, P | U, 0, 0, 0, WALK_WRITE, 0 },
		{ P | W | U, P | U, CR0_WP, 0, 0, WALK_WRITE, PF_P | PF_W },
		{ P | W | U | NX, P | W | U, 0, 0, 0, WALK_EXEC, PF_P | PF_I },
		{ P | W | U, P | W | U | NX, 0, 0, 0, WALK_EXEC | WALK_USER, PF_P | PF_I | PF_U },
		{ P | W | U, P | W | U | NX, 0, 0, 0, WALK_READ, 0 },
		{ P | W | U, P | W | U, 0, CR4_SMEP, 0, WALK_EXEC, PF_P | PF_I },
		{ P | W, P | W | U, 0, CR4_SMEP, 0, WALK_EXEC, 0 },
		{ P | W | U, P | W | U, 0, CR4_SMAP, 0, WALK_READ, PF_P },
		{ P | W | U, P | W | U, 0, CR4_SMAP, RFLAGS_AC, WALK_READ, 0 },
		{ P | W | U, P | W | U, 0, CR4_SMAP, 0, WALK_READ | WALK_USER, 0 },
		{ P, P | NX, CR0_WP, CR4_SMAP | CR4_SMEP, 0, WALK_PROBE | WALK_EXEC, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_mode_64(id);
		vs.st->cr0 = CR0_PE | CR0_PG | cases[i].cr0;
		vs.st->cr4 = CR4_PAE | cases[i].cr4;
		vs.st->rflags = 2 | cases[i].rflags;
		*entry(0x3010) = 0x4000 | cases[i].upper;
		*entry(0x4000) = 0x400000 | cases[i].lower;
		if (cases[i].error)
			assert_pf(0x400010, cases[i].access, cases[i].error);
		else
			assert_int_equal(go(0x400010, cases[i].access), 0);
	}
}

static void reserved_bits(void **state)
{
	static const struct {
		uint64_t at, value, efer;
	} cases[] = {
		{ 0x1000, 0x2000 | P | W | U | PS, EFER_NXE }, /* no large page in a PML4 */
		{ 0x2000, 0x3000 | P | PS, EFER_NXE },	       /* 1 GiB page, misaligned */
		{ 0x3010, 0x202000 | P | PS, EFER_NXE },       /* 2 MiB page, misaligned */
		{ 0x4000, 0x400000 | P | W | U | NX, 0 },      /* NX without EFER.NXE */
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_mode_64(id);
		vs.st->efer = EFER_LME | EFER_LMA | cases[i].efer;
		*entry(cases[i].at) = cases[i].value;
		assert_pf(0x400000, WALK_READ, PF_P | PF_RSVD);
	}
}

static void accessed_and_dirty(void **state)
{
	(void)state;
	fake_mode_64(id);
	assert_int_equal(go(0x400000, WALK_PROBE), 0);
	assert_int_equal(*entry(0x1000), 0x2007);
	assert_int_equal(go(0x400000, WALK_READ), 0);
	assert_int_equal(*entry(0x1000), 0x2007 | A);
	assert_int_equal(*entry(0x3010), 0x4007 | A);
	assert_int_equal(*entry(0x4000), 0x400007 | A);
	assert_int_equal(go(0x401000, WALK_WRITE), 0);
	assert_int_equal(*entry(0x3010), 0x4007 | A);
	assert_int_equal(*entry(0x4008), 0x401007 | A | D);
	/* A refused write leaves no D. */
	*entry(0x4010) = 0x402000 | P;
	assert_int_equal(go(0x402000, WALK_WRITE), 1);
	assert_int_equal(*entry(0x4010), 0x402000 | P);
}

/* Tables where the VM has no memory, or beyond all memory. */
static void tables_elsewhere(void **state)
{
	static const uint64_t cr3[] = { FAKE_RAM, FAKE_RAM + 0x1000, MK_GPA_END, 0xFFFFFFFFFF000 };

	(void)state;
	fake_mode_64(id);
	for (unsigned int i = 0; i < ARRAY_SIZE(cr3); i++) {
		vs.st->cr3 = cr3[i];
		assert_pf(0x1000, WALK_READ, 0);
	}
}

/* Tables that point to themselves end all the same. */
static void recursive_tables(void **state)
{
	(void)state;
	fake_mode_64(id);
	*entry(0x1000) = 0x1000 | P | W | U;
	assert_gpa(0, 0x1000);
}

static void copies_over_a_page_border(void **state)
{
	uint8_t buf[16];

	(void)state;
	fake_mode_64(id);
	*entry(0x4000 + 8) = 0x500000 | P | W | U;
	memset(buf, 0x77, sizeof(buf));
	assert_int_equal(walk_copy(0, &vs, 0x400FFA, buf, 16, WALK_WRITE, &fault), 0);
	assert_memory_equal(fake_ram + 0x400FFA, buf, 6);
	assert_memory_equal(fake_ram + 0x500000, buf, 10);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(walk_copy(0, &vs, 0x400FFA, buf, 16, WALK_READ, &fault), 0);
	assert_int_equal(buf[0], 0x77);
	assert_int_equal(buf[15], 0x77);
}

/* A fault in the second page: nothing is written into the first. */
static void copy_faults_as_a_whole(void **state)
{
	uint8_t buf[16];

	(void)state;
	fake_mode_64(id);
	vs.st->seg[MK_SS].attrib |= MK_ATTR_DPL;
	*entry(0x4000 + 8) = 0;
	memset(buf, 0x77, sizeof(buf));
	assert_int_equal(walk_copy(0, &vs, 0x400FFA, buf, 16, WALK_WRITE, &fault), 1);
	assert_int_equal(fault.vector, VEC_PF);
	assert_int_equal(fault.error, PF_W | PF_U);
	assert_int_equal(fault.addr, 0x401000);
	assert_int_equal(fake_ram[0x400FFA], 0);

	*entry(0x4000 + 8) = (FAKE_RAM + 0x1000) | P | W | U;
	assert_int_equal(walk_copy(0, &vs, 0x401000, buf, 16, WALK_READ, &fault), -MK_EFAULT);
}

/* The same walk again gives what it must, whatever was remembered of the last one. */
static void walked_again(void **state)
{
	(void)state;
	fake_mode_64(id);
	*entry(0x4000) &= ~W;
	vs.st->cr0 &= ~CR0_WP;
	assert_int_equal(go(0x400000, WALK_WRITE), 0);
	vs.st->cr0 |= CR0_WP;
	assert_pf(0x400000, WALK_WRITE, PF_P | PF_W);
	assert_int_equal(go(0x400000, WALK_READ), 0);
	assert_pf(0x400000, WALK_WRITE | WALK_USER, PF_P | PF_W | PF_U);
	/* Of a GiB at once, of which there are two entries only. */
	*entry(0x2000 + 8) = PS | P | W;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(go(0x40012345, WALK_READ), 0);
		assert_int_equal(map.gpa, 0x12345);
	}
	*entry(0x2000 + 8) |= 0x40000000;
	assert_int_equal(go(0x40012345, WALK_READ), 0);
	assert_int_equal(map.gpa, 0x40012345);
}

/* The byte at RIP is told while all that the last walk depended on is what it was. */
static void code_byte(void **state)
{
	uint64_t *const depends[] = {
		&vs.st->cr3,   &vs.st->cr4,   &vs.st->efer,
		entry(0x1000), entry(0x2000), entry(0x3010), entry(0x4000),
	};

	(void)state;
	fake_mode_64(id);
	vs.st->dirty = 0; /* as an exit leaves it */
	vs.st->valid = MK_G_ALL;
	vs.st->exit.long_mode = 1;
	vs.st->rip = 0x400123;
	assert_true(walk_code_byte(&vs) < 0);
	assert_int_equal(go(0x400000, WALK_EXEC), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(depends); i++) {
		fake_ram[0x400123] = i;
		assert_int_equal(walk_code_byte(&vs), i);
		*depends[i] ^= 1ULL << 11;
		assert_true(walk_code_byte(&vs) < 0);
		*depends[i] ^= 1ULL << 11;
	}
	vs.cpu = 1;
	assert_true(walk_code_byte(&vs) < 0);
	vs.cpu = 0;
	/* Whoever asks has looked at this: nobody has changed what the exit's record tells. */
	assert_true(walk_exited_long(vs.st));
	vs.st->dirty = MK_G_SEG;
	assert_false(walk_exited_long(vs.st));
	vs.st->dirty = MK_G_CR;
	assert_false(walk_exited_long(vs.st));
	vs.st->dirty = 0;
	cpus[0].window = 0;
	assert_true(walk_code_byte(&vs) < 0);
	assert_int_equal(go(0x400000, WALK_EXEC), 0);
	assert_true(walk_code_byte(&vs) >= 0);
	vs.st->rip = 0x401000;
	assert_true(walk_code_byte(&vs) < 0);

	/* Nothing is there. */
	*entry(0x4000) = FAKE_RAM | P | W | U;
	assert_int_equal(go(0x400000, WALK_EXEC), 0);
	vs.st->rip = 0x400000;
	assert_true(walk_code_byte(&vs) < 0);
}

static void gla_to_gpa(void **state)
{
	(void)state;
	fake_mode_64(id);
	assert_int_equal(HC(0, VS, GLA_TO_GPA, id, 0x400000, 0), MV_STATUS_SUCCESS);
	assert_int_equal(fake_reg(0, 0), 0x400000 | MV_MAP_FLAG_READ_ACCESS |
						 MV_MAP_FLAG_WRITE_ACCESS |
						 MV_MAP_FLAG_EXECUTE_ACCESS | MV_MAP_FLAG_USER |
						 MV_MAP_FLAG_4K_PAGE);
	assert_int_equal(*entry(0x4000), 0x400007);
	assert_int_equal(HC(0, VS, GLA_TO_GPA, id, 0x400001, 0), MV_STATUS_INVALID_INPUT_REG2);
	assert_int_equal(HC(0, VS, GLA_TO_GPA, id, 0x600000, 0), MV_STATUS_FAILURE_UNKNOWN);
	assert_int_equal(fake_reg(0, 2), 0x600000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(paging_off, setup),
		cmocka_unit_test_setup(nothing_remembered, setup),
		cmocka_unit_test_setup(mode_32bit, setup),
		cmocka_unit_test_setup(mode_pae, setup),
		cmocka_unit_test_setup(mode_64bit, setup),
		cmocka_unit_test_setup(mode_57bit, setup),
		cmocka_unit_test_setup(rights, setup),
		cmocka_unit_test_setup(reserved_bits, setup),
		cmocka_unit_test_setup(accessed_and_dirty, setup),
		cmocka_unit_test_setup(tables_elsewhere, setup),
		cmocka_unit_test_setup(recursive_tables, setup),
		cmocka_unit_test_setup(copies_over_a_page_border, setup),
		cmocka_unit_test_setup(copy_faults_as_a_whole, setup),
		cmocka_unit_test_setup(walked_again, setup),
		cmocka_unit_test_setup(code_byte, setup),
		cmocka_unit_test_setup(gla_to_gpa, setup),
	};

	return cmocka_run_group_tests_name("microv walk", tests, NULL, NULL);
}
