// SPDX-License-Identifier: MIT
/* IN, OUT, INS, OUTS: what root is told, and how the next run completes them. */
#include "fake.h"

#define SUCCESS MV_STATUS_SUCCESS
#define IN MK_IO_IN
#define STRING MK_IO_STRING
#define REP MK_IO_REP
#define CODE 0x400000ULL

static unsigned int id;
static struct mk_state *st;
static const struct mv_exit_io_t *const io = (const struct mv_exit_io_t *)fake_shared;

static int setup(void **state)
{
	fake_reset(state);
	id = fake_vs_64(CODE);
	st = mk_state(id);
	return 0;
}

/* The guest executes these bytes, which access a port: root sees an IO exit. */
static void access(const char *code, uint16_t port, uint8_t size, uint8_t flags)
{
	strcpy((char *)fake_ram + CODE, code);
	fake_exit(&(struct mk_exit){
		.reason = MK_EXIT_IO,
		.io = { .port = port, .size = size, .flags = flags, .seg = 0xFF },
		.next_rip = st->rip + strlen(code),
	});
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_io);
	assert_int_equal(io->addr, port);
	assert_int_equal(io->size, size == 4 ? mv_bit_size_t_32 : size - 1);
}

/* The next run, with the data that root read; nothing of the guest runs. */
static mv_status_t complete(const void *data, uint64_t len)
{
	return fake_run_with(id, MV_RUN_FLAG_COMPLETE_ONLY, data, len);
}

static void set_reg(enum mv_reg_t reg, uint64_t value)
{
	assert_int_equal(HC(0, VS, REG_SET, id, reg, value), SUCCESS);
}

static void out(void **state)
{
	(void)state;
	st->gpr[MK_RAX] = 0x1122334455667788;
	access("\xEE", 0x3F8, 1, 0);
	assert_int_equal(io->data, 0x88);
	assert_int_equal(io->reps, 1);
	assert_int_equal(io->type, MV_EXIT_IO_OUT);
	assert_int_equal(st->rip, CODE);
	assert_int_equal(complete(NULL, 0), SUCCESS);
	assert_int_equal(st->rip, CODE + 1);
	assert_int_equal(complete(NULL, 0), SUCCESS);
	assert_int_equal(st->rip, CODE + 1);

	st->rip = CODE;
	access("\x66\xEF", 0xFFFF, 2, 0);
	assert_int_equal(io->data, 0x7788);
	complete(NULL, 0);
	assert_int_equal(st->rip, CODE + 2);
	st->rip = CODE;
	access("\xE7\x10", 0x10, 4, 0);
	assert_int_equal(io->data, 0x55667788);
}

static void out_to_port_7e_is_done(void **state)
{
	(void)state;
	access("\xE6\x7E", 0x7E, 1, 0);
	assert_int_equal(st->rip, CODE + 2);
	assert_int_equal(complete(NULL, 0), SUCCESS);
	assert_int_equal(st->rip, CODE + 2);
}

/* Without the CPU's next RIP: an immediate port is one byte more. */
static void length_is_found(void **state)
{
	static const struct {
		const char *code;
		uint8_t len;
	} cases[] = {
		{ "\xE6\x10", 2 }, { "\xEE", 1 }, { "\x66\xE5\x10", 3 }, { "\x66\xED", 2 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		st->rip = CODE;
		strcpy((char *)fake_ram + CODE, cases[i].code);
		fake_exit(&(struct mk_exit){ .reason = MK_EXIT_IO, .io = { .port = 1, .size = 1 } });
		assert_int_equal(fake_run(id), SUCCESS);
		complete(NULL, 0);
		assert_int_equal(st->rip, CODE + cases[i].len);
	}
}

static void in(void **state)
{
	static const struct {
		uint8_t size;
		uint64_t rax;
	} cases[] = {
		{ 1, 0x11223344556677AA }, { 2, 0x112233445566BBAA }, { 4, 0xDDCCBBAA },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		st->rip = CODE;
		access("\xEC", 0x60, cases[i].size, IN);
		assert_int_equal(io->type, MV_EXIT_IO_IN);
		assert_int_equal(io->reps, 1);
		assert_int_equal(io->data, 0);
		/* Merged into the RAX of now. */
		st->gpr[MK_RAX] = 0x1122334455667788;
		assert_int_equal(complete("\xAA\xBB\xCC\xDD", cases[i].size), SUCCESS);
		assert_int_equal(st->gpr[MK_RAX], cases[i].rax);
		assert_int_equal(st->rip, CODE + 1);
	}
}

/* The data must be exactly what the exit asked for. */
static void in_needs_its_bytes(void **state)
{
	static const uint64_t bad[] = { 0, 1, 3, 4, 0x400 };
	static const uint8_t data[0x400];

	(void)state;
	access("\x66\xED", 0x60, 2, IN);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(complete(data, bad[i]), MV_STATUS_FAILURE_UNKNOWN);
		assert_int_equal(st->rip, CODE);
	}
	((struct mv_run_t *)fake_shared)->in_bytes = ~0ULL;
	assert_int_equal(fake_run_input(id), MV_STATUS_FAILURE_UNKNOWN);
	assert_int_equal(complete(data, 2), SUCCESS);
	assert_int_equal(st->rip, CODE + 2);
	assert_int_equal(complete(data, 2), MV_STATUS_FAILURE_UNKNOWN);
}

/* Somebody moved RIP: the instruction is forgotten. */
static void moved_rip(void **state)
{
	(void)state;
	st->gpr[MK_RAX] = 5;
	access("\xEC", 0x60, 1, IN);
	set_reg(mv_reg_t_rip, CODE + 0x100);
	assert_int_equal(complete("\x77", 1), SUCCESS);
	assert_int_equal(st->rip, CODE + 0x100);
	assert_int_equal(st->gpr[MK_RAX], 5);
	assert_int_equal(complete(NULL, 0), SUCCESS);
}

/* 64-bit code at address `cs` in 16-bit mode instead, stack and data at 0x10000. */
static void real_mode(void)
{
	fake_mode_32(id);
	st->cr0 = CR0_ET;
	st->efer = 0;
	st->cr4 = 0;
	for (int i = MK_ES; i <= MK_GS; i++)
		st->seg[i] = (struct mk_seg){ .attrib = 0x93, .limit = 0xFFFF, .base = 0x10000 };
	st->seg[MK_CS].base = CODE;
	st->rip = 0;
}

static void outs_moves_at_once(void **state)
{
	(void)state;
	memcpy(fake_ram + 0x5000, "\x11\x22\x33\x44", 4);
	st->gpr[MK_RSI] = 0x5000;
	st->gpr[MK_RCX] = 9;
	access("\x6F", 0x70, 4, STRING);
	assert_int_equal(io->type, MV_EXIT_IO_OUT | MV_EXIT_IO_STRING);
	assert_int_equal(io->reps, 1);
	assert_memory_equal(io->out, "\x11\x22\x33\x44", 4);
	assert_int_equal(st->gpr[MK_RSI], 0x5004);
	assert_int_equal(st->gpr[MK_RCX], 9);
	assert_int_equal(st->rip, CODE + 1);
	assert_int_equal(complete(NULL, 0), SUCCESS);
	assert_int_equal(st->rip, CODE + 1);
}

static void rep_outs(void **state)
{
	(void)state;
	memcpy(fake_ram + 0x5000, "abcd", 4);
	st->gpr[MK_RSI] = 0x5002;
	st->gpr[MK_RCX] = 3;
	st->rflags |= RFLAGS_DF;
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(st->rip, CODE);
		access("\xF3\x6E", 0x70, 1, STRING | REP);
		assert_int_equal(io->out[0], "cba"[i]);
		assert_int_equal(io->reps, 1);
		assert_int_equal(st->gpr[MK_RCX], 2 - i);
	}
	assert_int_equal(st->gpr[MK_RSI], 0x4FFF);
	assert_int_equal(st->rip, CODE + 2);
}

static void outs_segments(void **state)
{
	(void)state;
	fake_ram[0x5000] = 1;
	fake_ram[0x6000] = 2;
	st->gpr[MK_RSI] = 0x5000;
	st->seg[MK_FS].base = 0x1000;
	st->seg[MK_DS].base = 0x1000; /* none in 64-bit mode */
	access("\x64\x6E", 0x70, 1, STRING);
	assert_int_equal(io->out[0], 2);
	st->rip = CODE;
	st->gpr[MK_RSI] = 0x5000;
	access("\x6E", 0x70, 1, STRING);
	assert_int_equal(io->out[0], 1);
}

/* A CPU with decode assists says all itself: nothing is fetched. */
static void outs_with_assists(void **state)
{
	(void)state;
	fake_ram[0x6000] = 2;
	st->gpr[MK_RSI] = 0x700005000;
	st->seg[MK_GS].base = 0x1000;
	fake_exit(&(struct mk_exit){
		.reason = MK_EXIT_IO,
		.io = { .port = 1, .size = 1, .flags = STRING, .addr_size = 4, .seg = MK_GS },
		.next_rip = CODE + 3,
	});
	fake_ram[CODE] = 0x66;
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(io->out[0], 2);
	assert_int_equal(st->gpr[MK_RSI], 0x5001);
	assert_int_equal(st->rip, CODE + 3);
}

static void outs_faults(void **state)
{
	static const struct {
		uint64_t rsi;
		const char *code;
		uint8_t vector;
	} cases[] = {
		{ 0x600000, "\x6E", VEC_PF },
		{ 0x800000000000, "\x6E", VEC_GP },
		{ 0x600000, "\x36\x6E", VEC_PF },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		strcpy((char *)fake_ram + CODE, cases[i].code);
		st->gpr[MK_RSI] = cases[i].rsi;
		fake_exit(&(struct mk_exit){
			.reason = MK_EXIT_IO, .io = { .port = 1, .size = 1, .flags = STRING, .seg = 0xFF },
		});
		fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
		assert_int_equal(fake_run(id), SUCCESS);
		assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_interrupt);
		assert_int_equal(fake_hw(id)->inject.vector, cases[i].vector);
		assert_int_equal(st->gpr[MK_RSI], cases[i].rsi);
		assert_int_equal(st->rip, CODE);
	}
}

/* Segment limits and types outside of 64-bit mode. */
static void outs_limits(void **state)
{
	static const struct {
		uint16_t attrib;
		uint32_t limit;
		uint64_t esi;
		uint8_t size, vector;
	} cases[] = {
		{ 0xC093, 0xFFFFFFFF, 0x5000, 4, 0 },
		{ 0x4093, 0x5003, 0x5000, 4, 0 },
		{ 0x4093, 0x5002, 0x5000, 4, VEC_GP },
		{ 0x4093, 0x4FFF, 0x5000, 1, VEC_GP },
		{ 0x4097, 0x4FFF, 0x5000, 4, 0 },	  /* expand-down */
		{ 0x4097, 0x5000, 0x5000, 4, VEC_GP },
		{ 0x0097, 0x4FFF, 0xFFFE, 4, VEC_GP },
		{ 0x4099, 0xFFFFF, 0x5000, 4, VEC_GP },	  /* execute-only code */
		{ 0x409B, 0xFFFFF, 0x5000, 4, 0 },
		{ 0x4013, 0xFFFFF, 0x5000, 4, VEC_GP },	  /* not present */
		{ 0x4093, 0xFFFFFFFF, 0xFFFFFFFF, 4, VEC_GP },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_mode_32(id);
		st->efer = 0;
		st->seg[MK_DS].attrib = cases[i].attrib;
		st->seg[MK_DS].limit = cases[i].limit;
		st->rip = CODE;
		st->gpr[MK_RSI] = cases[i].esi;
		fake_ram[CODE] = 0x6F;
		fake_exit(&(struct mk_exit){
			.reason = MK_EXIT_IO,
			.io = { .port = 1, .size = cases[i].size, .flags = STRING, .seg = 0xFF },
		});
		if (cases[i].vector)
			fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
		assert_int_equal(fake_run(id), SUCCESS);
		if (cases[i].vector)
			assert_int_equal(fake_hw(id)->inject.vector, cases[i].vector);
		assert_int_equal(st->rip, CODE + !cases[i].vector);
	}
}

/* 16-bit addresses: only the lower halves of the registers count and change. */
static void outs_wraps_at_64k(void **state)
{
	(void)state;
	real_mode();
	fake_ram[0x1FFFF] = 0x42;
	st->gpr[MK_RSI] = 0xABCDFFFF;
	st->gpr[MK_RCX] = 0x10001;
	access("\xF3\x6E", 0x70, 1, STRING | REP);
	assert_int_equal(io->out[0], 0x42);
	assert_int_equal(st->gpr[MK_RSI], 0xABCD0000);
	assert_int_equal(st->gpr[MK_RCX], 0x10000);
	assert_int_equal(st->rip, 2);
}

static void rep_without_elements(void **state)
{
	(void)state;
	strcpy((char *)fake_ram + CODE, "\x67\xF3\x6C");
	st->gpr[MK_RCX] = 5ULL << 32;
	fake_exit(&(struct mk_exit){
		.reason = MK_EXIT_IO, .io = { .port = 1, .size = 1, .flags = STRING | REP | IN },
	});
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_interrupt);
	assert_int_equal(st->rip, CODE + 3);
}

/* How many elements KVM asks for at once; measured on it. */
static void ins_counts(void **state)
{
	static const struct {
		uint64_t rdi, rcx;
		uint8_t size, flags, down;
		uint64_t reps;
	} cases[] = {
		{ 0x5100, 1000, 2, REP, 0, 512 }, { 0x5FF8, 17, 1, REP, 0, 8 },
		{ 0x5000, 17, 1, REP, 0, 17 },	  { 0x5004, 10, 4, REP, 1, 4 },
		{ 0x5000, 10, 4, REP, 1, 1 },	  { 0x5100, 1000, 4, REP, 0, 256 },
		{ 0x5100, ~0ULL, 1, REP, 0, 1024 }, { 0x5100, 99, 1, 0, 0, 1 },
		{ 0x5FFF, 10, 2, REP, 0, 1 },
	};
	static const uint8_t data[0x400];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		st->rip = CODE;
		st->rflags = RFLAGS_FIXED | (cases[i].down ? RFLAGS_DF : 0);
		st->gpr[MK_RDI] = cases[i].rdi;
		st->gpr[MK_RCX] = cases[i].rcx;
		access("\xF3\x6C", 0x70, cases[i].size, STRING | IN | cases[i].flags);
		assert_int_equal(io->type, MV_EXIT_IO_IN | MV_EXIT_IO_STRING);
		assert_int_equal(io->reps, cases[i].reps);
		assert_int_equal(st->gpr[MK_RDI], cases[i].rdi);
		assert_int_equal(complete(data, cases[i].reps * cases[i].size), SUCCESS);
		assert_int_equal(st->gpr[MK_RCX],
				 cases[i].flags ? cases[i].rcx - cases[i].reps : cases[i].rcx);
	}
}

static void ins_writes_memory(void **state)
{
	(void)state;
	st->gpr[MK_RDI] = 0x400FFE;
	st->gpr[MK_RCX] = 5;
	*(uint64_t *)(fake_ram + 0x4008) = 0x500007;
	st->rip = 0x400100;
	memcpy(fake_ram + 0x400100, "\xF3\x66\x6D", 3);
	fake_exit(&(struct mk_exit){
		.reason = MK_EXIT_IO,
		.io = { .port = 0x1F0, .size = 2, .flags = STRING | REP | IN, .seg = 0xFF },
	});
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(io->reps, 2);
	assert_int_equal(complete("\1\2\3\4", 4), SUCCESS);
	assert_memory_equal(fake_ram + 0x400FFE, "\1\2", 2);
	assert_memory_equal(fake_ram + 0x500000, "\3\4", 2);
	assert_int_equal(st->gpr[MK_RDI], 0x401002);
	assert_int_equal(st->gpr[MK_RCX], 3);
	assert_int_equal(st->rip, 0x400100);
	/* The page's D bits are set, as by the CPU. */
	assert_int_equal(fake_ram[0x4008], 0x67);
}

/* Never more than RCX asks for when the data comes. */
static void ins_rcx_changed(void **state)
{
	(void)state;
	memset(fake_ram + 0x5000, 0, 8);
	for (uint64_t rcx = 0; rcx < 3; rcx++) {
		st->gpr[MK_RDI] = 0x5000;
		st->gpr[MK_RCX] = 3;
		st->rip = CODE;
		access("\xF3\x66\x6D", 0x70, 2, STRING | REP | IN);
		assert_int_equal(io->reps, 3);
		st->gpr[MK_RCX] = rcx;
		assert_int_equal(complete("\1\2\3\4\5\6", 6), SUCCESS);
		assert_memory_equal(fake_ram + 0x5000, "\1\2\3\4\5\6", 2 * rcx);
		assert_int_equal(fake_ram[0x5000 + 2 * rcx], 0);
		assert_int_equal(st->gpr[MK_RDI], 0x5000 + 2 * rcx);
		assert_int_equal(st->gpr[MK_RCX], 0);
		assert_int_equal(st->rip, CODE + 3);
	}
}

static void ins_downwards(void **state)
{
	(void)state;
	st->gpr[MK_RDI] = 0x5004;
	st->gpr[MK_RCX] = 3;
	st->rflags |= RFLAGS_DF;
	access("\xF3\x66\x6D", 0x70, 2, STRING | REP | IN);
	assert_int_equal(io->reps, 3);
	assert_int_equal(complete("\1\2\3\4\5\6", 6), SUCCESS);
	assert_memory_equal(fake_ram + 0x5000, "\5\6\3\4\1\2", 6);
	assert_int_equal(st->gpr[MK_RDI], 0x4FFE);
	assert_int_equal(st->gpr[MK_RCX], 0);
	assert_int_equal(st->rip, CODE + 3);
}

static void ins_once(void **state)
{
	(void)state;
	st->gpr[MK_RDI] = 0x5000;
	st->gpr[MK_RCX] = 3;
	access("\x6D", 0x70, 4, STRING | IN);
	assert_int_equal(complete("\1\2\3\4", 4), SUCCESS);
	assert_memory_equal(fake_ram + 0x5000, "\1\2\3\4", 4);
	assert_int_equal(st->gpr[MK_RCX], 3);
	assert_int_equal(st->rip, CODE + 1);
}

/* The memory faults when the data comes: #PF with the right error code, nothing written. */
static void ins_faults(void **state)
{
	(void)state;
	*(uint64_t *)(fake_ram + 0x4028) = 0x405000 | 5;
	st->gpr[MK_RDI] = 0x404FFF;
	st->gpr[MK_RCX] = 2;
	st->seg[MK_SS].attrib |= MK_ATTR_DPL;
	access("\xF3\x66\x6D", 0x70, 2, STRING | REP | IN);
	assert_int_equal(io->reps, 1);
	assert_int_equal(complete("\1\2", 2), SUCCESS);
	assert_int_equal(st->inject.vector, VEC_PF);
	assert_int_equal(st->inject.error, 7);
	assert_int_equal(st->cr2, 0x405000);
	assert_int_equal(fake_ram[0x404FFF], 0);
	assert_int_equal(st->gpr[MK_RCX], 2);
	assert_int_equal(st->gpr[MK_RDI], 0x404FFF);
	assert_int_equal(st->rip, CODE);
}

/* Downwards, what came before the fault is done. */
static void ins_faults_on_the_way(void **state)
{
	(void)state;
	*(uint64_t *)(fake_ram + 0x4020) = 0;
	st->gpr[MK_RDI] = 0x405000;
	st->gpr[MK_RCX] = 5;
	st->rflags |= RFLAGS_DF;
	*(uint64_t *)(fake_ram + 0x4028) = 0x405007;
	st->gpr[MK_RDI] = 0x405002;
	access("\xF3\x66\x6D", 0x70, 2, STRING | REP | IN);
	assert_int_equal(io->reps, 2);
	complete("\1\2\3\4", 4);
	assert_int_equal(st->gpr[MK_RDI], 0x404FFE);
	assert_int_equal(st->gpr[MK_RCX], 3);
	access("\xF3\x66\x6D", 0x70, 2, STRING | REP | IN);
	complete("\1\2\3\4\5\6", io->reps * 2);
	assert_int_equal(st->inject.vector, VEC_PF);
	assert_int_equal(st->cr2, 0x404FFE);
	assert_int_equal(st->gpr[MK_RCX], 3);
}

/* INS writes through ES, which must be writable data. */
static void ins_segment(void **state)
{
	(void)state;
	fake_mode_32(id);
	st->efer = 0;
	st->seg[MK_ES].base = 0x1000;
	st->gpr[MK_RDI] = 0x5000;
	access("\x6C", 0x70, 1, STRING | IN);
	complete("\x33", 1);
	assert_int_equal(fake_ram[0x6000], 0x33);

	set_reg(mv_reg_t_es_attrib, 0xC091);
	st->rip = CODE;
	access("\x6C", 0x70, 1, STRING | IN);
	complete("\x44", 1);
	assert_int_equal(st->inject.vector, VEC_GP);
	assert_int_equal(fake_ram[0x6001], 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(out, setup),
		cmocka_unit_test_setup(out_to_port_7e_is_done, setup),
		cmocka_unit_test_setup(length_is_found, setup),
		cmocka_unit_test_setup(in, setup),
		cmocka_unit_test_setup(in_needs_its_bytes, setup),
		cmocka_unit_test_setup(moved_rip, setup),
		cmocka_unit_test_setup(outs_moves_at_once, setup),
		cmocka_unit_test_setup(rep_outs, setup),
		cmocka_unit_test_setup(outs_segments, setup),
		cmocka_unit_test_setup(outs_with_assists, setup),
		cmocka_unit_test_setup(outs_faults, setup),
		cmocka_unit_test_setup(outs_limits, setup),
		cmocka_unit_test_setup(outs_wraps_at_64k, setup),
		cmocka_unit_test_setup(rep_without_elements, setup),
		cmocka_unit_test_setup(ins_counts, setup),
		cmocka_unit_test_setup(ins_writes_memory, setup),
		cmocka_unit_test_setup(ins_rcx_changed, setup),
		cmocka_unit_test_setup(ins_downwards, setup),
		cmocka_unit_test_setup(ins_once, setup),
		cmocka_unit_test_setup(ins_faults, setup),
		cmocka_unit_test_setup(ins_faults_on_the_way, setup),
		cmocka_unit_test_setup(ins_segment, setup),
	};

	return cmocka_run_group_tests_name("microv io", tests, NULL, NULL);
}
