// SPDX-License-Identifier: MIT
/*
 * The emulator where no comparison with the CPU is possible: devices, real mode, system
 * segments, privileges, waiting and starting over.
 */
#include "world.h"
#include "flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { VEC_DE = 0, VEC_UD = 6, VEC_NM = 7, VEC_NP = 11, VEC_SS = 12, VEC_GP = 13, VEC_PF = 14,
       VEC_AC = 17 };

#define DEVICE 0x8000U /* a page of a device, one more behind it */
#define ROM 0xA000U
#define ABSENT 0xB000U

static struct world w;

#define CODE(...)                                                                                  \
	do {                                                                                       \
		static const uint8_t code_[] = { __VA_ARGS__ };                                    \
		world_code(&w, code_, sizeof(code_));                                              \
	} while (0)

static uint64_t *gpr(unsigned int n)
{
	return &w.emu.regs.gpr[n];
}

static void start(enum world_mode mode)
{
	world_init(&w, mode);
	w.kind[DEVICE / PAGE] = w.kind[DEVICE / PAGE + 1] = PAGE_DEVICE;
	w.kind[ROM / PAGE] = PAGE_ROM;
	w.kind[ABSENT / PAGE] = PAGE_ABSENT;
}

static void poke(uint64_t addr, uint64_t value, unsigned int len)
{
	memcpy(w.memory + addr, &value, len);
}

static uint64_t peek(uint64_t addr, unsigned int len)
{
	uint64_t value = 0;

	memcpy(&value, w.memory + addr, len);
	return value;
}

static void assert_access(unsigned int n, int write, uint64_t addr, unsigned int len, uint64_t data)
{
	assert_true(n < w.logged);
	assert_int_equal(w.log[n].write, write);
	assert_int_equal(w.log[n].addr, addr);
	assert_int_equal(w.log[n].len, len);
	assert_int_equal(w.log[n].data, data);
}

static void assert_fault(unsigned int vector, unsigned int error)
{
	struct emu_regs regs = w.emu.regs;

	assert_int_equal(world_step(&w), EMU_FAULT);
	assert_int_equal(w.emu.fault.vector, vector);
	assert_int_equal(w.emu.fault.error, error);
	assert_memory_equal(&regs, &w.emu.regs, sizeof(regs));
	assert_int_equal(w.logged, 0);
}

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
	assert_int_equal(w.emu.want.addr, DEVICE + 4);
	assert_int_equal(w.emu.want.len, 4);
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
	CODE(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x89,
	     0x03);
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
	expect_load_fault(MK_DS, 0x40, 0, VEC_GP, 0x40);		  /* beyond the limit */
	expect_load_fault(MK_DS, 0x1C, 0, VEC_GP, 0x1C);		  /* no LDT */
	expect_load_fault(MK_SS, 0, 0, VEC_GP, 0);			  /* null */
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
		cmocka_unit_test(real_mode_segments),
		cmocka_unit_test(real_mode_limit),
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
		cmocka_unit_test(mmx_registers),
		cmocka_unit_test(vectors_that_are_off),
		cmocka_unit_test(vector_store_to_a_device),
		cmocka_unit_test(popf_by_privilege),
		cmocka_unit_test(division_by_a_device_of_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
