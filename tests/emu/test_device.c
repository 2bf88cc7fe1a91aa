// SPDX-License-Identifier: MIT
/*
 * The emulator and what user space serves: waiting, starting over, splitting, LOCK, and string
 * instructions between memory, devices and ports.
 */
#include "scene.h"

/* --- devices ----------------------------------------------------------------- */

static void device_read_waits_and_starts_over(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0x8B, 0x03); /* mov (%rbx),%eax */
	*gpr(MK_RBX) = DEVICE + 4;
	*gpr(MK_RAX) = ~0ULL;
	poke(DEVICE + 4, 0x12345678, 4);
	assert_int_equal(emu_step(&w.emu), EMU_WAIT);
	assert_int_equal(w.emu.pending.want.addr, DEVICE + 4);
	assert_int_equal(w.emu.pending.want.len, 4);
	assert_int_equal(w.emu.regs.rip, 0x1000);
	assert_int_equal(*gpr(MK_RAX), ~0ULL);

	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(*gpr(MK_RAX), 0x12345678);
	assert_int_equal(w.emu.regs.rip, 0x1002);
	assert_int_equal(w.logged, 1);
}

static void code_is_fetched_once(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0x03, 0x03); /* add (%rbx),%eax */
	*gpr(MK_RBX) = DEVICE;
	poke(DEVICE, 5, 4);
	assert_int_equal(emu_step(&w.emu), EMU_WAIT);
	/* Another CPU changes the code: what was begun is finished. */
	CODE(0x2B, 0x03);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(*gpr(MK_RAX), 5);
	assert_int_equal(w.fetches, 1);
}

static void answers_are_forgotten_when_rip_moves(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0x8B, 0x03); /* mov (%rbx),%eax */
	*gpr(MK_RBX) = DEVICE;
	assert_int_equal(emu_step(&w.emu), EMU_WAIT);
	emu_give(&w.emu, "\xAA\xAA\xAA\xAA");
	w.emu.regs.rip = 0x1100;
	CODE(0x8B, 0x03);
	assert_int_equal(emu_step(&w.emu), EMU_WAIT);
	assert_int_equal(*gpr(MK_RAX), 0);
}

static void device_write_comes_out_and_commits(void **state)
{
	(void)state;
	start(MODE_32);
	CODE(0xC7, 0x03, 0x78, 0x56, 0x34, 0x12); /* movl $0x12345678,(%ebx) */
	*gpr(MK_RBX) = DEVICE + 0x10;
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.logged, 1);
	assert_access(0, 1, DEVICE + 0x10, 4, 0x12345678);
	assert_int_equal(w.emu.regs.rip, 0x1006);
}

static void read_modify_write_reads_then_writes(void **state)
{
	(void)state;
	start(MODE_32);
	CODE(0xF0, 0x81, 0x0B, 0x00, 0x01, 0x00, 0x00); /* lock orl $0x100,(%ebx) */
	*gpr(MK_RBX) = DEVICE;
	poke(DEVICE, 0x22, 4);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.logged, 2);
	assert_access(0, 0, DEVICE, 4, 0x22);
	assert_access(1, 1, DEVICE, 4, 0x122);
}

static void accesses_are_split_at_pages_and_eight_bytes(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0xC5, 0xFE, 0x6F, 0x03); /* vmovdqu (%rbx),%ymm0 */
	*gpr(MK_RBX) = DEVICE + PAGE - 11;
	for (unsigned int i = 0; i < 32; i++)
		w.memory[DEVICE + PAGE - 11 + i] = i + 1;
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.logged, 5);
	assert_access(0, 0, DEVICE + PAGE - 11, 8, 0x0807060504030201);
	assert_access(1, 0, DEVICE + PAGE - 3, 3, 0x0B0A09);
	assert_access(2, 0, DEVICE + PAGE, 8, 0x131211100F0E0D0C);
	assert_access(3, 0, DEVICE + PAGE + 8, 8, 0x1B1A191817161514);
	assert_access(4, 0, DEVICE + PAGE + 16, 5, 0x201F1E1D1C);
	assert_memory_equal(w.ymm[0], w.memory + DEVICE + PAGE - 11, 32);
}

static void half_in_memory_half_in_a_device(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0x48, 0x89, 0x03); /* mov %rax,(%rbx) */
	*gpr(MK_RAX) = 0x8877665544332211;
	*gpr(MK_RBX) = DEVICE - 3;
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(peek(DEVICE - 3, 3), 0x332211);
	assert_int_equal(w.logged, 1);
	assert_access(0, 1, DEVICE, 5, 0x8877665544);
}

static void read_only_memory_is_read_and_written_out(void **state)
{
	(void)state;
	start(MODE_32);
	CODE(0x80, 0x03, 0x01); /* addb $1,(%ebx) */
	*gpr(MK_RBX) = ROM;
	poke(ROM, 0x41, 1);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.logged, 1);
	assert_access(0, 1, ROM, 1, 0x42);
	assert_int_equal(peek(ROM, 1), 0x41);
}

static void push_from_a_device(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0xFF, 0x33); /* push (%rbx) */
	*gpr(MK_RBX) = DEVICE;
	*gpr(MK_RSP) = 0x3000;
	poke(DEVICE, 0x1122334455667788, 8);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(*gpr(MK_RSP), 0x2FF8);
	assert_int_equal(peek(0x2FF8, 8), 0x1122334455667788);
}

static void call_through_a_device(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0xFF, 0x13); /* call *(%rbx) */
	*gpr(MK_RBX) = DEVICE;
	*gpr(MK_RSP) = 0x3000;
	poke(DEVICE, 0x5000, 8);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.emu.regs.rip, 0x5000);
	assert_int_equal(peek(0x2FF8, 8), 0x1002);
}

static void fault_after_a_device_read_comes_first(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0xFF, 0x33); /* push (%rbx), with a stack that isn't there */
	*gpr(MK_RBX) = DEVICE;
	*gpr(MK_RSP) = ABSENT + 8;
	assert_int_equal(world_step(&w), EMU_FAULT);
	assert_int_equal(w.emu.fault.vector, VEC_PF);
	assert_int_equal(w.emu.fault.addr, ABSENT);
	assert_int_equal(*gpr(MK_RSP), ABSENT + 8);
}

/* --- LOCK -------------------------------------------------------------------- */

static void other_cpu_wins(struct world *world)
{
	world->memory[0x2000]++;
	world->race = NULL;
}

static void lost_race_is_told(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0xF0, 0xFF, 0x03); /* lock incl (%rbx) */
	*gpr(MK_RBX) = 0x2000;
	w.race = other_cpu_wins;
	assert_int_equal(world_step(&w), EMU_RETRY);
	assert_int_equal(w.emu.regs.rip, 0x1000);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(peek(0x2000, 4), 2);
}

static void xchg_is_locked_without_a_prefix(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0x87, 0x03); /* xchg %eax,(%rbx) */
	*gpr(MK_RBX) = 0x2000;
	w.race = other_cpu_wins;
	assert_int_equal(world_step(&w), EMU_RETRY);
}

static void lock_where_it_is_not_allowed(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0xF0, 0x8B, 0x03); /* lock mov (%rbx),%eax */
	assert_fault(VEC_UD, 0);
}

static void cmpxchg16b_in_a_device(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0xF0, 0x48, 0x0F, 0xC7, 0x0B); /* lock cmpxchg16b (%rbx) */
	*gpr(MK_RBX) = DEVICE;
	*gpr(MK_RAX) = 1;
	*gpr(MK_RDX) = 2;
	*gpr(MK_RCX) = 4;
	poke(DEVICE, 1, 8);
	poke(DEVICE + 8, 2, 8);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_true(w.emu.regs.rflags & FLAG_ZF);
	assert_int_equal(w.logged, 4);
	assert_access(2, 1, DEVICE, 8, DEVICE);
	assert_access(3, 1, DEVICE + 8, 8, 4);
	w.emu.regs.rip = 0x1000;
	*gpr(MK_RBX) = DEVICE + 8;
	w.logged = 0;
	assert_fault(VEC_GP, 0);
}

/* --- strings ----------------------------------------------------------------- */

static void rep_movs_to_a_device(void **state)
{
	unsigned int steps = 0;

	(void)state;
	start(MODE_32);
	CODE(0xF3, 0xA5); /* rep movsl */
	*gpr(MK_RSI) = 0x2000;
	*gpr(MK_RDI) = DEVICE;
	*gpr(MK_RCX) = 4;
	for (unsigned int i = 0; i < 4; i++)
		poke(0x2000 + i * 4, 0x100 + i, 4);
	while (w.emu.regs.rip == 0x1000) {
		assert_int_equal(world_step(&w), EMU_OK);
		steps++;
		assert_int_equal(*gpr(MK_RCX), 4 - steps);
	}
	assert_int_equal(steps, 4);
	assert_int_equal(w.logged, 4);
	assert_access(3, 1, DEVICE + 12, 4, 0x103);
}

static void rep_movs_from_a_device(void **state)
{
	(void)state;
	start(MODE_32);
	CODE(0xF3, 0xA4); /* rep movsb */
	*gpr(MK_RSI) = DEVICE + 2;
	*gpr(MK_RDI) = 0x2000;
	*gpr(MK_RCX) = 3;
	w.emu.regs.rflags |= FLAG_DF;
	poke(DEVICE, 0x332211, 3);
	while (w.emu.regs.rip == 0x1000)
		assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.logged, 3);
	assert_access(0, 0, DEVICE + 2, 1, 0x33);
	assert_access(2, 0, DEVICE, 1, 0x11);
	assert_int_equal(peek(0x1FFE, 3), 0x332211);
	assert_int_equal(*gpr(MK_RCX), 0);
}

/* The fault leaves what was done before it. */
static void rep_stos_into_a_fault(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0xF3, 0xAA); /* rep stosb */
	*gpr(MK_RAX) = 0x77;
	*gpr(MK_RDI) = ABSENT - 3;
	*gpr(MK_RCX) = 10;
	w.kind[ROM / PAGE] = PAGE_RAM;
	while (world_step(&w) == EMU_OK)
		;
	assert_int_equal(w.emu.fault.vector, VEC_PF);
	assert_int_equal(w.emu.fault.error, 2);
	assert_int_equal(w.emu.fault.addr, ABSENT);
	assert_int_equal(*gpr(MK_RCX), 7);
	assert_int_equal(*gpr(MK_RDI), ABSENT);
	assert_int_equal(w.emu.regs.rip, 0x1000);
	assert_int_equal(peek(ABSENT - 3, 3), 0x777777);
}

static void cmps_of_two_devices(void **state)
{
	(void)state;
	start(MODE_64);
	CODE(0x48, 0xA7); /* cmpsq */
	*gpr(MK_RSI) = DEVICE;
	*gpr(MK_RDI) = DEVICE + PAGE - 4;
	poke(DEVICE, 9, 8);
	poke(DEVICE + PAGE - 4, 9, 8);
	assert_int_equal(world_step(&w), EMU_OK);
	assert_true(w.emu.regs.rflags & FLAG_ZF);
	assert_int_equal(w.logged, 3);
	assert_int_equal(*gpr(MK_RSI), DEVICE + 8);
}

static void long_rep_pauses(void **state)
{
	unsigned int steps = 0;

	(void)state;
	start(MODE_64);
	CODE(0xF3, 0xAA); /* rep stosb */
	*gpr(MK_RDI) = 0x2000;
	*gpr(MK_RCX) = 3 * PAGE;
	for (; w.emu.regs.rip == 0x1000; steps++)
		assert_int_equal(world_step(&w), EMU_OK);
	assert_in_range(steps, 4, 64);
	assert_int_equal(*gpr(MK_RDI), 0x2000 + 3 * PAGE);
}

static void ins_into_a_device(void **state)
{
	(void)state;
	start(MODE_REAL);
	CODE(0x6D); /* insw */
	*gpr(MK_RDX) = 0x1F0;
	*gpr(MK_RDI) = DEVICE;
	w.port_in = 0xBEEF;
	assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.logged, 2);
	assert_int_equal(w.log[0].is_port, 1);
	assert_access(0, 0, 0x1F0, 2, 0xBEEF);
	assert_access(1, 1, DEVICE, 2, 0xBEEF);
	assert_int_equal(*gpr(MK_RDI), DEVICE + 2);
}

static void outs_from_a_device(void **state)
{
	(void)state;
	start(MODE_REAL);
	CODE(0xF3, 0x6E); /* rep outsb */
	*gpr(MK_RDX) = 0x3F8;
	*gpr(MK_RSI) = DEVICE;
	*gpr(MK_RCX) = 2;
	poke(DEVICE, 0x4241, 2);
	while (w.emu.regs.rip == 0x1000)
		assert_int_equal(world_step(&w), EMU_OK);
	assert_int_equal(w.logged, 4);
	assert_access(1, 1, 0x3F8, 1, 0x41);
	assert_access(3, 1, 0x3F8, 1, 0x42);
	assert_int_equal(w.log[3].is_port, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_read_waits_and_starts_over),
		cmocka_unit_test(code_is_fetched_once),
		cmocka_unit_test(answers_are_forgotten_when_rip_moves),
		cmocka_unit_test(device_write_comes_out_and_commits),
		cmocka_unit_test(read_modify_write_reads_then_writes),
		cmocka_unit_test(accesses_are_split_at_pages_and_eight_bytes),
		cmocka_unit_test(half_in_memory_half_in_a_device),
		cmocka_unit_test(read_only_memory_is_read_and_written_out),
		cmocka_unit_test(push_from_a_device),
		cmocka_unit_test(call_through_a_device),
		cmocka_unit_test(fault_after_a_device_read_comes_first),
		cmocka_unit_test(lost_race_is_told),
		cmocka_unit_test(xchg_is_locked_without_a_prefix),
		cmocka_unit_test(lock_where_it_is_not_allowed),
		cmocka_unit_test(cmpxchg16b_in_a_device),
		cmocka_unit_test(rep_movs_to_a_device),
		cmocka_unit_test(rep_movs_from_a_device),
		cmocka_unit_test(rep_stos_into_a_fault),
		cmocka_unit_test(cmps_of_two_devices),
		cmocka_unit_test(long_rep_pauses),
		cmocka_unit_test(ins_into_a_device),
		cmocka_unit_test(outs_from_a_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
