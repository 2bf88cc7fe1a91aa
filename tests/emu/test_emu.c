// SPDX-License-Identifier: MIT
/*
 * The emulator where a comparison with the CPU isn't possible: real mode, privileges, faults of
 * the fetch, descriptors, system registers.
 */
#include "scene.h"

/* --- addresses, segments, modes ---------------------------------------------- */

static void real_mode_segments(void **state)
{
	(void)state;
	start(MODE_REAL);
	CODE(0x26, 0x8A, 0x47, 0x01); /* mov %es:1(%bx),%al */
	w.emu.regs.seg[MK_ES].selector = 0x700;
	w.emu.regs.seg[MK_ES].base = 0x7000;
	*gpr(MK_RBX) = 0xABCD0FFF;
	poke(DEVICE, 0x5A, 1);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_access(0, 0, DEVICE, 1, 0x5A);
	assert_int_equal(*gpr(MK_RAX), 0x5A);
}

static void real_mode_limit(void **state)
{
	(void)state;
	start(MODE_REAL);
	CODE(0x8B, 0x07); /* mov (%bx),%ax */
	*gpr(MK_RBX) = 0xFFFF;
	assert_fault(VEC_GP, 0);
	CODE(0x8B, 0x46, 0x00); /* mov (%bp),%ax */
	*gpr(MK_RBP) = 0xFFFF;
	assert_fault(VEC_SS, 0);
}

/* A limit of 4 GiB from protected mode stays in real mode. */
static void unreal_mode(void **state)
{
	(void)state;
	start(MODE_REAL);
	CODE(0x67, 0x66, 0x8B, 0x03); /* mov (%ebx),%eax */
	*gpr(MK_RBX) = 0x10000;
	assert_fault(VEC_GP, 0);
	w.emu.regs.seg[MK_DS].limit = 0xFFFFFFFF;
	poke(0x10000, 0xCAFE1234, 4);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(*gpr(MK_RAX), 0xCAFE1234);
}

static void virtual_8086_mode(void **state)
{
	(void)state;
	start(MODE_16);
	world_cpl3(&w);
	w.emu.regs.rflags |= FLAG_VM;
	CODE(0x8E, 0x07); /* mov (%bx),%es */
	*gpr(MK_RBX) = DEVICE;
	poke(DEVICE, 0x0100, 2);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.regs.seg[MK_ES].base, 0x1000);
	w.logged = 0;
	CODE(0x9C); /* pushf, with IOPL 0 */
	assert_fault(VEC_GP, 0);
}

static void real_mode_loads_segments(void **state)
{
	(void)state;
	start(MODE_REAL);
	CODE(0xC4, 0x07); /* les (%bx),%ax */
	*gpr(MK_RBX) = DEVICE;
	poke(DEVICE, 0x1234ABCD, 4);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(*gpr(MK_RAX), 0xABCD);
	assert_int_equal(w.emu.regs.seg[MK_ES].selector, 0x1234);
	assert_int_equal(w.emu.regs.seg[MK_ES].base, 0x12340);
	assert_int_equal(w.emu.regs.seg[MK_ES].limit, 0xFFFF);
}

static void real_mode_far_jump(void **state)
{
	(void)state;
	start(MODE_REAL);
	CODE(0xFF, 0x2F); /* ljmp *(%bx) */
	*gpr(MK_RBX) = DEVICE;
	poke(DEVICE, 0xF000FFF0, 4);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.regs.rip, 0xFFF0);
	assert_int_equal(w.emu.regs.seg[MK_CS].base, 0xF0000);
}

static void non_canonical(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0x8B, 0x03); /* mov (%rbx),%eax */
	*gpr(MK_RBX) = 0x0000800000000000;
	assert_fault(VEC_GP, 0);
	CODE(0x8B, 0x45, 0x00); /* mov (%rbp),%eax */
	*gpr(MK_RBP) = 0x00007FFFFFFFFFFE;
	assert_fault(VEC_SS, 0);
	w.emu.cr4 |= 1U << 12; /* LA57 */
	assert_fault(VEC_PF, 0);
}

static void alignment_check(void **state)
{
	(void)state;
	start(MODE_32);
	world_cpl3(&w);
	CODE(0x8B, 0x03); /* mov (%ebx),%eax */
	*gpr(MK_RBX) = 0x2002;
	w.emu.regs.rflags |= FLAG_AC;
	assert_fault(VEC_AC, 0);
	w.emu.cr0 &= ~0x40000ULL;
	assert_int_equal(world_step(&w), EMU_OK);
}

static void user_mode_is_told_to_the_walk(void **state)
{
	(void)state;
	start(MODE_32);
	world_cpl3(&w);
	w.kind[2] = PAGE_SYSTEM;
	CODE(0x89, 0x03); /* mov %eax,(%ebx) */
	*gpr(MK_RBX) = 0x2000;
	assert_fault(VEC_PF, 7);
}

static void code_over_two_pages(void **state)
{
	(void)state;
	start(MODE_64);
	w.emu.regs.rip = 0x1FFD;
	CODE(0xC7, 0x03, 0x78, 0x56, 0x34, 0x12);
	*gpr(MK_RBX) = DEVICE;
	w.kind[2] = PAGE_ABSENT;
	assert_fault(VEC_PF, 16);
	assert_int_equal(w.emu.fault.addr, 0x2000);
	w.kind[2] = PAGE_RAM;
	assert_int_equal(world_step(&w), EMU_OK);
	assert_access(0, 1, DEVICE, 4, 0x12345678);
}

/* The page behind an instruction needn't be there. */
static void code_at_the_end_of_a_page(void **state)
{
	(void)state;
	start(MODE_64);
	w.emu.regs.rip = 0x1FFE;
	CODE(0x89, 0x03); /* mov %eax,(%rbx) */
	*gpr(MK_RBX) = DEVICE;
	w.kind[2] = PAGE_ABSENT;
	assert_int_equal(world_step(&w), EMU_OK);
}

static void code_from_the_cpu_is_not_fetched(void **state)
{
	(void)state;
	start(MODE_64);
	*gpr(MK_RBX) = DEVICE;
	emu_set_code(&w.emu, "\x89\x03", 2);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.fetches, 0);
	assert_int_equal(w.logged, 1);
	/* With too few bytes the others are fetched. */
	w.emu.regs.rip = 0x1100;
	CODE(0xC7, 0x03, 0x78, 0x56, 0x34, 0x12);
	emu_set_code(&w.emu, "\xC7\x03", 2);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_access(1, 1, DEVICE, 4, 0x12345678);
}

static void too_long_and_unknown(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
	     0x89, 0x03);
	assert_fault(VEC_GP, 0);
	CODE(0x0F, 0xFF, 0xC0); /* ud0 */
	assert_fault(VEC_UD, 0);
	CODE(0x0F, 0x58, 0x03); /* addps (%rbx),%xmm0 */
	assert_int_equal(world_step(&w), EMU_UNHANDLED);
	assert_memory_equal(w.emu.pending.code, "\x0F\x58\x03", 3);
	CODE(0x62, 0xF1, 0xFE, 0x48, 0x6F, 0x03); /* vmovdqu64 (%rbx),%zmm0 */
	assert_int_equal(world_step(&w), EMU_UNHANDLED);
}

static void flags_after_success(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0x89, 0x03);
	*gpr(MK_RBX) = DEVICE;
	w.emu.regs.rflags |= FLAG_RF;
	assert_int_equal(world_step(&w), EMU_OK);
	assert_false(w.emu.regs.rflags & FLAG_RF);
}

/* --- descriptors ------------------------------------------------------------- */

#define GDT 0x4000U

static void set_descriptor(unsigned int selector, uint64_t value)
{
	poke(GDT + (selector & ~7U), value, 8);
	w.emu.gdtr = (struct mk_seg){ .base = GDT, .limit = 0x3F };
}

/* mov (%ebx),%ds; mov (%ebx),%ss with the selector in the device. */
static void start_load(unsigned int seg, uint16_t selector)
{
	start(MODE_32);
	w.memory[0x1000] = 0x8E;
	w.memory[0x1001] = 0x03 | seg << 3;
	*gpr(MK_RBX) = DEVICE;
	poke(DEVICE, selector, 2);
}

static void load_ds(void **state)
{
	const struct mk_seg *ds = &w.emu.regs.seg[MK_DS];

	(void)state;
	start_load(MK_DS, 0x18);
	set_descriptor(0x18, 0x12CF92345678ABCD);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(ds->selector, 0x18);
	assert_int_equal(ds->base, 0x12345678);
	assert_int_equal(ds->limit, 0xFABCDFFF);
	assert_int_equal(ds->attrib, 0xC093);
	/* The accessed bit is in memory too. */
	assert_int_equal(peek(GDT + 0x18, 8), 0x12CF93345678ABCD);
	assert_int_equal(w.emu.shadow, 0);
}

static void load_ss_gives_a_shadow(void **state)
{
	(void)state;
	start_load(MK_SS, 0x18);
	set_descriptor(0x18, 0x00CF93000000FFFF);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.shadow, 1);
}

static void expect_load_fault(unsigned int seg, uint16_t selector, uint64_t descriptor,
			      unsigned int vector, unsigned int error)
{
	start_load(seg, selector);
	set_descriptor(selector & 0x38, descriptor);
	assert_int_equal(world_step(&w), EMU_FAULT);
	assert_int_equal(w.emu.fault.vector, vector);
	assert_int_equal(w.emu.fault.error, error);
	assert_int_equal(w.emu.regs.rip, 0x1000);
}

static void segment_load_faults(void **state)
{
	(void)state;
	expect_load_fault(MK_DS, 0x18, 0x00CF13000000FFFF, VEC_NP, 0x18); /* not present */
	expect_load_fault(MK_SS, 0x18, 0x00CF13000000FFFF, VEC_SS, 0x18);
	expect_load_fault(MK_DS, 0x18, 0x00CF98000000FFFF, VEC_GP, 0x18); /* execute only */
	expect_load_fault(MK_DS, 0x18, 0x00CF83000000FFFF, VEC_GP, 0x18); /* system */
	expect_load_fault(MK_SS, 0x18, 0x00CF91000000FFFF, VEC_GP, 0x18); /* read only */
	expect_load_fault(MK_SS, 0x1B, 0x00CF93000000FFFF, VEC_GP, 0x18); /* RPL */
	expect_load_fault(MK_DS, 0x40, 0, VEC_GP, 0x40); /* beyond the limit */
	expect_load_fault(MK_DS, 0x1C, 0, VEC_GP, 0x1C); /* no LDT */
	expect_load_fault(MK_SS, 0, 0, VEC_GP, 0); /* null */
}

static void null_segment_faults_when_used(void **state)
{
	(void)state;
	start_load(MK_DS, 0);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.regs.seg[MK_DS].attrib & MK_ATTR_P, 0);
	w.logged = 0;
	CODE(0, 0, 0x8B, 0x03); /* mov (%ebx),%eax */
	assert_fault(VEC_GP, 0);
}

/* --- far transfers ------------------------------------------------------------- */

#define CODE64_DESCRIPTOR 0x00AF9A000000FFFFULL
#define CODE16_DESCRIPTOR 0x00009A010000FFFFULL /* base 0x10000 */

static void far_jump_through_a_device(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0xFF, 0x2B); /* ljmp *(%rbx) */
	*gpr(MK_RBX) = DEVICE;
	poke(DEVICE, 0x5000, 4);
	poke(DEVICE + 4, 0x20, 2);
	set_descriptor(0x20, CODE64_DESCRIPTOR);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.regs.rip, 0x5000);
	assert_int_equal(w.emu.regs.seg[MK_CS].selector, 0x20);
	assert_int_equal(w.emu.regs.seg[MK_CS].attrib, 0xA09B);
}

static void far_jump_to_another_size(void **state)
{
	(void)state;
	start(MODE_32);
	CODE(0xFF, 0x2B);
	*gpr(MK_RBX) = DEVICE;
	poke(DEVICE, 0x1234, 4);
	poke(DEVICE + 4, 0x20, 2);
	set_descriptor(0x20, CODE16_DESCRIPTOR);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.regs.rip, 0x1234);
	assert_int_equal(w.emu.regs.seg[MK_CS].base, 0x10000);
	assert_int_equal(w.emu.regs.seg[MK_CS].attrib & MK_ATTR_DB, 0);
}

static void expect_far_fault(uint64_t descriptor, unsigned int vector, unsigned int error)
{
	start(MODE_32);
	CODE(0xFF, 0x2B);
	*gpr(MK_RBX) = 0x2000;
	poke(0x2004, 0x20, 2);
	set_descriptor(0x20, descriptor);
	assert_fault(vector, error);
}

static void far_jump_faults(void **state)
{
	(void)state;
	expect_far_fault(0x00CF92000000FFFF, VEC_GP, 0x20); /* data */
	expect_far_fault(0x00CF1A000000FFFF, VEC_NP, 0x20);
	expect_far_fault(0x00CFFA000000FFFF, VEC_GP, 0x20); /* DPL 3 */
	start(MODE_32);
	CODE(0xFF, 0x2B);
	*gpr(MK_RBX) = 0x2000; /* a null selector */
	assert_fault(VEC_GP, 0);
}

static void far_call_and_return(void **state)
{
	(void)state;
	start(MODE_REAL);
	CODE(0xFF, 0x1F); /* lcall *(%bx) */
	*gpr(MK_RBX) = DEVICE;
	*gpr(MK_RSP) = 0x3000;
	poke(DEVICE, 0x01000200, 4);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.regs.rip, 0x200);
	assert_int_equal(w.emu.regs.seg[MK_CS].base, 0x1000);
	assert_int_equal(*gpr(MK_RSP), 0x2FFC);
	assert_int_equal(peek(0x2FFC, 4), 0x00001002);
	CODE(0xCA, 0x02, 0x00); /* lret $2 */
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.regs.rip, 0x1002);
	assert_int_equal(w.emu.regs.seg[MK_CS].base, 0);
	assert_int_equal(*gpr(MK_RSP), 0x3002);
}

/* --- system registers ---------------------------------------------------------- */

static void machine_status_word(void **state)
{
	(void)state;
	start(MODE_REAL);
	CODE(0x0F, 0x01, 0x27); /* smsw (%bx) */
	*gpr(MK_RBX) = DEVICE;
	w.emu.cr0 = 0x60000010;
	assert_int_equal(world_step(&w), EMU_OK);
	assert_access(0, 1, DEVICE, 2, 0x10);
	w.emu.regs.rip = 0x1000;
	CODE(0x0F, 0x01, 0x37); /* lmsw (%bx) */
	poke(DEVICE, 0xFFFF, 2);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.cr0, 0x6000001F);
	w.emu.regs.rip = 0x1000;
	poke(DEVICE, 0, 2);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.cr0, 0x60000011);
}

static void descriptor_tables(void **state)
{
	(void)state;
	start(MODE_32);
	CODE(0x0F, 0x01, 0x03); /* sgdt (%ebx) */
	*gpr(MK_RBX) = DEVICE;
	w.emu.gdtr = (struct mk_seg){ .base = 0x12345678, .limit = 0xABCD };
	assert_int_equal(world_step(&w), EMU_OK);
	assert_access(0, 1, DEVICE, 6, 0x12345678ABCD);
	w.emu.regs.rip = 0x1000;
	CODE(0x66, 0x0F, 0x01, 0x1B); /* lidtw (%ebx) */
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.idtr.base, 0x345678);
	assert_int_equal(w.emu.idtr.limit, 0xABCD);
	world_cpl3(&w);
	w.logged = 0;
	assert_int_equal(w.emu.regs.rip, 0x1004);
	CODE(0x0F, 0x01, 0x1B);
	assert_fault(VEC_GP, 0);
}

static void ports_by_the_tss(void **state)
{
	(void)state;
	start(MODE_32);
	world_cpl3(&w);
	CODE(0x6C); /* insb */
	*gpr(MK_RDX) = 0x71;
	*gpr(MK_RDI) = 0x2000;
	assert_fault(VEC_GP, 0);
	w.emu.regs.seg[MK_TR] = (struct mk_seg){ .base = 0x3000, .limit = 0x100, .attrib = 0x8B };
	poke(0x3066, 0x80, 2);
	poke(0x3080 + 0x70 / 8, 0x02, 1);
	assert_fault(VEC_GP, 0);
	poke(0x3080 + 0x70 / 8, 0xFD, 1);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.logged, 1);
}

/* --- vectors, flags ---------------------------------------------------- */

static void vectors_that_are_off(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0x0F, 0x10, 0x03); /* movups (%rbx),%xmm0 */
	w.emu.cr0 |= 8;
	assert_fault(VEC_NM, 0);
	w.emu.cr0 |= 4;
	assert_fault(VEC_UD, 0);
	CODE(0xC5, 0xF8, 0x10, 0x03); /* vmovups (%rbx),%xmm0 */
	w.emu.cr0 &= ~12ULL;
	w.emu.xcr0 = 3;
	assert_fault(VEC_UD, 0);
}

static void vector_store_to_a_device(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0x0F, 0x11, 0x03); /* movups %xmm0,(%rbx) */
	*gpr(MK_RBX) = DEVICE;
	for (unsigned int i = 0; i < 32; i++)
		w.ymm[0][i] = i;
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.logged, 2);
	assert_access(0, 1, DEVICE, 8, 0x0706050403020100);
	assert_access(1, 1, DEVICE + 8, 8, 0x0F0E0D0C0B0A0908);
}

static void mmx_registers(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0x0F, 0x6F, 0x13); /* movq (%rbx),%mm2 */
	*gpr(MK_RBX) = DEVICE;
	poke(DEVICE, 0x1122334455667788, 8);
	w.emu.cr4 = 0;
	assert_int_equal(world_step(&w), EMU_OK);
	assert_memory_equal(w.ymm[EMU_MMX + 2], w.memory + DEVICE, 8);
	CODE(0x0F, 0xE7, 0x53, 0x10); /* movntq %mm2,16(%rbx) */
	assert_int_equal(world_step(&w), EMU_OK);
	assert_access(1, 1, DEVICE + 16, 8, 0x1122334455667788);
}

static void popf_by_privilege(void **state)
{
	(void)state;
	start(MODE_32);
	CODE(0x9D); /* popf */
	*gpr(MK_RSP) = 0x2000;
	poke(0x2000, FLAG_IF | FLAG_IOPL | FLAG_CF, 4);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.regs.rflags, FLAG_IF | FLAG_IOPL | FLAG_CF | 2);

	start(MODE_32);
	world_cpl3(&w);
	CODE(0x9D);
	*gpr(MK_RSP) = 0x2000;
	poke(0x2000, FLAG_IF | FLAG_IOPL | FLAG_CF, 4);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.regs.rflags, FLAG_CF | 2);
}

static void division_by_a_device_of_zero(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0xF7, 0x33); /* divl (%rbx) */
	*gpr(MK_RBX) = DEVICE;
	*gpr(MK_RAX) = 7;
	assert_int_equal(world_step(&w), EMU_FAULT);
	assert_int_equal(w.emu.fault.vector, VEC_DE);
	assert_int_equal(w.emu.fault.has_error, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_mode_segments),
		cmocka_unit_test(real_mode_limit),
		cmocka_unit_test(unreal_mode),
		cmocka_unit_test(virtual_8086_mode),
		cmocka_unit_test(real_mode_loads_segments),
		cmocka_unit_test(real_mode_far_jump),
		cmocka_unit_test(non_canonical),
		cmocka_unit_test(alignment_check),
		cmocka_unit_test(user_mode_is_told_to_the_walk),
		cmocka_unit_test(code_over_two_pages),
		cmocka_unit_test(code_at_the_end_of_a_page),
		cmocka_unit_test(code_from_the_cpu_is_not_fetched),
		cmocka_unit_test(too_long_and_unknown),
		cmocka_unit_test(flags_after_success),
		cmocka_unit_test(load_ds),
		cmocka_unit_test(load_ss_gives_a_shadow),
		cmocka_unit_test(segment_load_faults),
		cmocka_unit_test(null_segment_faults_when_used),
		cmocka_unit_test(far_jump_through_a_device),
		cmocka_unit_test(far_jump_to_another_size),
		cmocka_unit_test(far_jump_faults),
		cmocka_unit_test(far_call_and_return),
		cmocka_unit_test(machine_status_word),
		cmocka_unit_test(descriptor_tables),
		cmocka_unit_test(ports_by_the_tss),
		cmocka_unit_test(vectors_that_are_off),
		cmocka_unit_test(vector_store_to_a_device),
		cmocka_unit_test(mmx_registers),
		cmocka_unit_test(popf_by_privilege),
		cmocka_unit_test(division_by_a_device_of_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
