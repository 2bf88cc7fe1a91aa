// SPDX-License-Identifier: MIT
/* Accesses that aren't to memory: what root is told, and how the next run completes them. */
#include "fake.h"

#define SUCCESS MV_STATUS_SUCCESS
#define CODE 0x400000ULL
/* Two pages of the guest that aren't memory. */
#define DEVICE 0x5FF000ULL
#define DEVICE_GPA 0xFEC00000ULL
#define BEFORE_GPA 0xFED00000ULL

static unsigned int id;
static struct mk_state *st;
static const struct mv_exit_mmio_t *const mmio = (const struct mv_exit_mmio_t *)fake_shared;

static int setup(void **state)
{
	uint64_t *table = (uint64_t *)(fake_ram + 0x4000);

	fake_reset(state);
	id = fake_vs_64(CODE);
	st = mk_state(id);
	table[511] = DEVICE_GPA | 7;
	table[510] = BEFORE_GPA | 7;
	st->gpr[MK_RBX] = DEVICE + 0x10;
	st->gpr[MK_RAX] = 0x1122334455667788;
	return 0;
}

/* The guest executes these bytes, which access the device. */
static void execute(const void *code, size_t len)
{
	memcpy(fake_ram + CODE, code, len);
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_MEM, .addr = DEVICE_GPA + 0x10 });
	assert_int_equal(fake_run(id), SUCCESS);
}

#define ACCESS(code) execute(code, sizeof(code) - 1)

static void assert_access(uint64_t flag, uint64_t gpa, uint64_t size, uint64_t data)
{
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_mmio);
	assert_int_equal(mmio->flags, flag);
	assert_int_equal(mmio->gpa, gpa);
	assert_int_equal(mmio->size, size);
	assert_int_equal(mmio->data, data);
}

/* The next run, with the data that root read; nothing of the guest runs. */
static mv_status_t complete(const void *data, uint64_t len)
{
	return fake_run_with(id, MV_RUN_FLAG_COMPLETE_ONLY, data, len);
}

static void assert_complete(const void *data, uint64_t len)
{
	assert_int_equal(complete(data, len), SUCCESS);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_interrupt);
}

/* The guest is entered again, with this to inject. */
static void assert_inject(uint8_t vector, int has_error, uint32_t error)
{
	const struct mk_event *event = &fake_hw(id)->inject;

	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(event->type, MK_EVENT_EXCEPTION);
	assert_int_equal(event->vector, vector);
	assert_int_equal(event->has_error, has_error);
	assert_int_equal(event->error, error);
}

/* Page tables that the CPU wants to write and may not: the emulator only reads them. */
static void read_only_tables(void **state)
{
	const struct mk_exit exit = {
		.reason = MK_EXIT_MEM, .addr = 0x4000, .mem_flags = MK_MEM_WRITE | MK_MEM_TABLE,
	};

	(void)state;
	memcpy(fake_ram + CODE, "\x89\x03", 2); /* mov [rbx], eax */
	fake_exit(&exit);
	assert_int_equal(fake_run(id), SUCCESS);
	assert_access(MV_EXIT_MMIO_WRITE, DEVICE_GPA + 0x10, 4, 0x55667788);
	assert_int_equal(st->rip, CODE + 2);
}

static void device_read(void **state)
{
	(void)state;
	ACCESS("\x8B\x03"); /* mov eax, [rbx] */
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA + 0x10, 4, 0);
	assert_int_equal(st->rip, CODE);
	assert_int_equal(complete("abc", 3), MV_STATUS_FAILURE_UNKNOWN);
	assert_complete("\x01\x02\x03\x84", 4);
	assert_int_equal(st->rip, CODE + 2);
	assert_int_equal(st->gpr[MK_RAX], 0x84030201);
	assert_complete(NULL, 0);
	assert_int_equal(complete("abcd", 4), MV_STATUS_FAILURE_UNKNOWN);
}

/* Root could not read it: the instruction starts over. */
static void read_is_given_up(void **state)
{
	(void)state;
	ACCESS("\x8B\x03");
	assert_complete(NULL, 0);
	assert_int_equal(st->rip, CODE);
	ACCESS("\x8A\x03"); /* mov al, [rbx] */
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA + 0x10, 1, 0);
}

static void moved_rip(void **state)
{
	(void)state;
	ACCESS("\x8B\x03");
	st->rip = CODE + 0x100;
	assert_complete("abcd", 4);
	assert_int_equal(st->rip, CODE + 0x100);
	assert_int_equal(st->gpr[MK_RAX], 0x1122334455667788);
}

static void device_write(void **state)
{
	(void)state;
	ACCESS("\x48\x89\x03"); /* mov [rbx], rax */
	assert_access(MV_EXIT_MMIO_WRITE, DEVICE_GPA + 0x10, 8, 0x1122334455667788);
	assert_int_equal(st->rip, CODE + 3);
	assert_complete(NULL, 0);
	assert_int_equal(st->rip, CODE + 3);
}

static void two_pages(void **state)
{
	(void)state;
	st->gpr[MK_RBX] = DEVICE - 3;
	ACCESS("\x48\x89\x03");
	assert_access(MV_EXIT_MMIO_WRITE, BEFORE_GPA + 0xFFD, 3, 0x667788);
	assert_int_equal(complete(NULL, 0), SUCCESS);
	assert_access(MV_EXIT_MMIO_WRITE, DEVICE_GPA, 5, 0x1122334455);
	assert_complete(NULL, 0);
}

static void modify(void **state)
{
	(void)state;
	ACCESS("\x01\x03"); /* add [rbx], eax */
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA + 0x10, 4, 0);
	assert_int_equal(complete("\x00\x00\x00\xF0", 4), SUCCESS);
	assert_access(MV_EXIT_MMIO_WRITE, DEVICE_GPA + 0x10, 4, 0x45667788);
	assert_int_equal(st->rflags & 1, 1);
	assert_complete(NULL, 0);
}

/* The exit was for memory that has come meanwhile. */
static void memory_after_all(void **state)
{
	(void)state;
	st->gpr[MK_RBX] = 0x8000;
	st->gpr[MK_RAX] = 0;
	st->gpr[MK_RCX] = 0x77;
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_MEM, .addr = 0x8000 });
	memcpy(fake_ram + CODE, "\xF0\x0F\xB1\x0B", 4); /* lock cmpxchg [rbx], ecx */
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_interrupt);
	assert_int_equal(fake_ram[0x8000], 0x77);
	assert_int_equal(st->rip, CODE + 4);
}

static void page_fault(void **state)
{
	(void)state;
	st->gpr[MK_RSI] = DEVICE;
	st->gpr[MK_RDI] = 0x40000000;
	ACCESS("\xA5"); /* movsd */
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA, 4, 0);
	assert_complete("abcd", 4);
	assert_inject(VEC_PF, 1, 2);
	assert_int_equal(fake_hw(id)->cr2, 0x40000000);
	assert_int_equal(st->rip, CODE);
}

static void not_emulated(void **state)
{
	(void)state;
	ACCESS("\xDD\x03\x90"); /* fld qword [rbx] */
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA + 0x10, 0, 0);
	assert_int_equal(mmio->insn_bytes, 15);
	assert_memory_equal(mmio->insn, "\xDD\x03\x90", 3);
	assert_int_equal(st->rip, CODE);
}

/* The FPU state is written back when the instruction is complete, and only then. */
static void vector_load(void **state)
{
	struct mv_xsave_t *x = fake_fpu(id);

	(void)state;
	x->xstate_bv = 1; /* x87 */
	x->fcw = 0x27F;
	x->mxcsr = 0x1F80;
	st->cr4 |= 1 << 9; /* OSFXSR */
	st->dirty |= MK_G_CR;
	ACCESS("\x0F\x10\x0B"); /* movups xmm1, [rbx] */
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA + 0x10, 8, 0);
	assert_int_equal(complete("12345678", 8), SUCCESS);
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA + 0x18, 8, 0);
	assert_int_equal(x->xstate_bv, 1);
	assert_complete("abcdefgh", 8);
	assert_int_equal(x->xstate_bv, 3);
	assert_memory_equal(x->xmm[1], "12345678abcdefgh", 16);
	assert_int_equal(x->xmm[0][0], 0);
	assert_int_equal(x->fcw, 0x27F);
}

static void vector_store(void **state)
{
	struct mv_xsave_t *x = fake_fpu(id);

	(void)state;
	x->xstate_bv = 2;
	memcpy(x->xmm[1], "12345678abcdefgh", 16);
	st->cr4 |= 1 << 9;
	st->dirty |= MK_G_CR;
	ACCESS("\x0F\x11\x0B"); /* movups [rbx], xmm1 */
	assert_access(MV_EXIT_MMIO_WRITE, DEVICE_GPA + 0x10, 8, 0x3837363534333231);
	assert_int_equal(complete(NULL, 0), SUCCESS);
	assert_access(MV_EXIT_MMIO_WRITE, DEVICE_GPA + 0x18, 8, 0x6867666564636261);
	assert_complete(NULL, 0);
}

/* The registers stay where they are while the top of the stack moves. */
static void mmx_load(void **state)
{
	struct mv_xsave_t *x = fake_fpu(id);

	(void)state;
	x->xstate_bv = 1;
	x->fsw = 3 << 11;
	x->ftw = 0x08;
	x->mxcsr = 0x1F80;
	x->st[0][0] = 3; /* register 3 */
	x->st[6][0] = 1;
	ACCESS("\x0F\x6F\x13"); /* movq mm2, [rbx] */
	assert_complete("12345678", 8);
	assert_int_equal(x->fsw, 0);
	assert_int_equal(x->ftw, 0xFF);
	assert_int_equal(x->st[3][0], 3);
	assert_int_equal(x->st[1][0], 1);
	assert_memory_equal(x->st[2], "12345678\xFF\xFF", 10);
	assert_int_equal(x->st[3][8], 0);
}

/* It isn't the instruction at RIP that accessed it. */
static void event_delivery(void **state)
{
	(void)state;
	memcpy(fake_ram + CODE, "\x8B\x03", 2);
	fake_exit(&(struct mk_exit){
		.reason = MK_EXIT_MEM,
		.addr = DEVICE_GPA,
		.interrupted = { .type = MK_EVENT_INTR, .vector = 0x20 },
	});
	assert_int_equal(fake_run(id), SUCCESS);
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA, 0, 0);
	assert_int_equal(mmio->insn_bytes, 0);
}

static void single_step(void **state)
{
	(void)state;
	st->rflags |= RFLAGS_TF;
	ACCESS("\x89\x03");
	assert_access(MV_EXIT_MMIO_WRITE, DEVICE_GPA + 0x10, 4, 0x55667788);
	assert_inject(VEC_DB, 0, 0);
	assert_int_equal(fake_hw(id)->dr6 & 1 << 14, 1 << 14);
}

/* It shadows interrupts, and the single step. */
static void mov_ss(void **state)
{
	(void)state;
	st->rflags |= RFLAGS_TF;
	st->seg[MK_SS].selector = 0x10;
	ACCESS("\x8E\x13"); /* mov ss, [rbx] */
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA + 0x10, 2, 0);
	assert_complete("\0\0", 2);
	assert_int_equal(st->seg[MK_SS].selector, 0);
	assert_true(st->dirty & MK_G_SEG);
	assert_int_equal(st->shadow, 1);
	assert_int_equal(st->inject.type, MK_EVENT_NONE);
}

/* INS, OUTS: an exit for the port; the memory is a device's, and so the emulator does it. */
static void string_io(const char *code, uint8_t flags)
{
	memcpy(fake_ram + CODE, code, 1);
	st->gpr[MK_RDX] = 0x1234;
	fake_exit(&(struct mk_exit){
		.reason = MK_EXIT_IO,
		.io = { .port = 0x1234, .size = 1, .flags = flags | MK_IO_STRING, .seg = 0xFF },
	});
	assert_int_equal(fake_run(id), SUCCESS);
}

static void outs_from_a_device(void **state)
{
	const struct mv_exit_io_t *io = (const struct mv_exit_io_t *)fake_shared;

	(void)state;
	st->gpr[MK_RSI] = DEVICE + 0x20;
	string_io("\x6E", 0); /* outsb */
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA + 0x20, 1, 0);
	assert_int_equal(complete("\x5A", 1), SUCCESS);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_io);
	assert_int_equal(io->addr, 0x1234);
	assert_int_equal(io->type, MV_EXIT_IO_OUT);
	assert_int_equal(io->data, 0x5A);
	assert_complete(NULL, 0);
	assert_int_equal(st->rip, CODE + 1);
	assert_int_equal(st->gpr[MK_RSI], DEVICE + 0x21);
}

static void ins_to_a_device(void **state)
{
	const struct mv_exit_io_t *io = (const struct mv_exit_io_t *)fake_shared;

	(void)state;
	st->gpr[MK_RDI] = DEVICE + 0x20;
	string_io("\x6C", MK_IO_IN); /* insb */
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_io);
	assert_int_equal(io->addr, 0x1234);
	assert_int_equal(io->type, MV_EXIT_IO_IN);
	assert_int_equal(complete("\x5A", 1), SUCCESS);
	assert_access(MV_EXIT_MMIO_WRITE, DEVICE_GPA + 0x20, 1, 0x5A);
	assert_complete(NULL, 0);
	assert_int_equal(st->rip, CODE + 1);
	assert_int_equal(st->gpr[MK_RDI], DEVICE + 0x21);
}

/* The guest executes MOV CRn, RAX or the like, which ring 0 leaves to MicroV. */
static void control(const void *code, size_t len)
{
	st->rip = CODE;
	memcpy(fake_ram + CODE, code, len);
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_CR });
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
	assert_int_equal(fake_run(id), SUCCESS);
}

#define CONTROL(code) control(code, sizeof(code) - 1)

static void control_registers(void **state)
{
	const struct mk_event *event = &fake_hw(id)->inject;
	uint64_t cr4 = st->cr4;

	(void)state;
	st->gpr[MK_RAX] = cr4 | 0x80;
	CONTROL("\x0F\x22\xE0"); /* mov cr4, rax */
	assert_int_equal(fake_hw(id)->cr4, cr4 | 0x80);
	assert_int_equal(st->rip, CODE + 3);
	assert_int_equal(event->type, MK_EVENT_NONE);
	st->gpr[MK_RAX] = cr4 | 1 << 13; /* VMXE: no guest has it */
	CONTROL("\x0F\x22\xE0");
	assert_int_equal(event->vector, VEC_GP);
	assert_int_equal(fake_hw(id)->cr4, cr4 | 0x80);
	assert_int_equal(st->rip, CODE);
}

static void task_priority(void **state)
{
	(void)state;
	st->gpr[MK_RAX] = 9;
	CONTROL("\x44\x0F\x22\xC0"); /* mov cr8, rax */
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_interrupt);
	assert_int_equal(st->cr8, 9);
	CONTROL("\x44\x0F\x22\xC0");
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_interrupt);
	st->gpr[MK_RAX] = 8;
	CONTROL("\x44\x0F\x22\xC0");
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_set_tpr);
	assert_int_equal(st->cr8, 8);
	assert_int_equal(st->rip, CODE + 4);
}

/* ---- memory that may still come ---- */

static void run_flags(uint64_t flags)
{
	memset(fake_shared, 0, sizeof(fake_shared));
	((struct mv_run_t *)fake_shared)->flags = flags;
	assert_int_equal(fake_run_input(id), SUCCESS);
}

static void touch_device(uint64_t flags)
{
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_MEM, .addr = DEVICE_GPA + 0x10 });
	run_flags(flags);
}

static void assert_asked(uint64_t flag, uint64_t gpa)
{
	assert_access(MV_EXIT_MMIO_ASK | flag, gpa, 0, 0);
	assert_int_equal(st->rip, CODE);
}

/* Root is asked once, until it makes us forget; and not without MV_RUN_FLAG_ASK. */
static void asks_once(void **state)
{
	(void)state;
	memcpy(fake_ram + CODE, "\x8B\x03", 2); /* mov eax, [rbx] */
	touch_device(MV_RUN_FLAG_ASK);
	assert_asked(MV_EXIT_MMIO_READ, DEVICE_GPA);
	touch_device(MV_RUN_FLAG_ASK);
	assert_asked(MV_EXIT_MMIO_READ, DEVICE_GPA);
	touch_device(MV_RUN_FLAG_ASK | MV_RUN_FLAG_NO_MEMORY);
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA + 0x10, 4, 0);
	touch_device(MV_RUN_FLAG_ASK);
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA + 0x10, 4, 0);
	touch_device(MV_RUN_FLAG_ASK | MV_RUN_FLAG_FORGET);
	assert_asked(MV_EXIT_MMIO_READ, DEVICE_GPA);
	/* The answer is older than the slot that makes root say so. */
	touch_device(MV_RUN_FLAG_ASK | MV_RUN_FLAG_NO_MEMORY | MV_RUN_FLAG_FORGET);
	assert_asked(MV_EXIT_MMIO_READ, DEVICE_GPA);
	touch_device(0);
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA + 0x10, 4, 0);
}

/* A read and a write of as many pages as one instruction can touch don't push each other out. */
static void asks_for_both(void **state)
{
	(void)state;
	memcpy(fake_ram + CODE, "\x01\x03", 2); /* add [rbx], eax */
	touch_device(MV_RUN_FLAG_ASK);
	assert_asked(MV_EXIT_MMIO_READ, DEVICE_GPA);
	touch_device(MV_RUN_FLAG_ASK | MV_RUN_FLAG_NO_MEMORY);
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA + 0x10, 4, 0);
	memset(fake_shared, 0, sizeof(fake_shared));
	((struct mv_run_t *)fake_shared)->flags = MV_RUN_FLAG_ASK | MV_RUN_FLAG_COMPLETE_ONLY;
	((struct mv_run_t *)fake_shared)->in_bytes = 4;
	assert_int_equal(fake_run_input(id), SUCCESS);
	assert_asked(MV_EXIT_MMIO_WRITE, DEVICE_GPA);
	run_flags(MV_RUN_FLAG_ASK | MV_RUN_FLAG_NO_MEMORY | MV_RUN_FLAG_COMPLETE_ONLY);
	assert_access(MV_EXIT_MMIO_WRITE, DEVICE_GPA + 0x10, 4, 0x55667788);
	assert_int_equal(st->rip, CODE + 2);
}

/* movsq from the device, the data being there; `gpa` is what is missing then. */
static void movs_from_device(uint64_t destination, uint64_t flag, uint64_t gpa)
{
	memcpy(fake_ram + CODE, "\x48\xA5", 2);
	st->gpr[MK_RSI] = DEVICE + 0x10;
	st->gpr[MK_RDI] = destination;
	touch_device(MV_RUN_FLAG_ASK);
	touch_device(MV_RUN_FLAG_ASK | MV_RUN_FLAG_NO_MEMORY);
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA + 0x10, 8, 0);
	memset(fake_shared, 0, sizeof(fake_shared));
	((struct mv_run_t *)fake_shared)->flags = MV_RUN_FLAG_ASK | MV_RUN_FLAG_COMPLETE_ONLY;
	((struct mv_run_t *)fake_shared)->in_bytes = 8;
	memcpy(((struct mv_run_t *)fake_shared)->in, "abcdefgh", 8);
	assert_int_equal(fake_run_input(id), SUCCESS);
	assert_asked(flag, gpa);
	/* It isn't there yet. */
	run_flags(MV_RUN_FLAG_ASK | MV_RUN_FLAG_COMPLETE_ONLY);
	assert_asked(flag, gpa);
	fake.hole = 0;
	run_flags(MV_RUN_FLAG_ASK | MV_RUN_FLAG_COMPLETE_ONLY);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_interrupt);
	assert_int_equal(st->rip, CODE + 2);
	assert_int_equal(st->gpr[MK_RSI], DEVICE + 0x18);
}

/* What has been read of a device isn't read again. */
static void hole_behind_device(void **state)
{
	(void)state;
	fake.hole = 0x8000;
	movs_from_device(0x8010, MV_EXIT_MMIO_WRITE, 0x8000);
	assert_memory_equal(fake_ram + 0x8010, "abcdefgh", 8);
}

/* A page table isn't taken for an empty one. */
static void table_in_hole(void **state)
{
	uint64_t *top = (uint64_t *)(fake_ram + st->cr3);
	uint64_t *table = (uint64_t *)(fake_ram + 0x600000);

	(void)state;
	top[1] = 0x600007;
	table[0] = 0x601007;
	table[512] = 0x87; /* 2 MiB at 0 */
	fake.hole = 0x601000;
	movs_from_device((1ULL << 39) + 0x8010, MV_EXIT_MMIO_READ, 0x601000);
	assert_memory_equal(fake_ram + 0x8010, "abcdefgh", 8);
}

/* ---- MOV, where root has said that there is no memory: emu_move() ---- */

/* The bytes are known, the pages too: from now on an access is a MOV's, as the CPU tells it. */
static void know(const char *code, uint64_t flag)
{
	memcpy(fake_ram + CODE, code, 2);
	fake.window_stays = 1;
	state_data(st)->devices[0] = DEVICE_GPA | ABSENT_VALID;
	state_data(st)->devices[1] = DEVICE_GPA | ABSENT_VALID | ABSENT_WRITE;
	touch_device(MV_RUN_FLAG_ASK);
	assert_access(flag, DEVICE_GPA + 0x10, 4, flag == MV_EXIT_MMIO_WRITE ? 0x55667788 : 0);
	run_flags(MV_RUN_FLAG_ASK | MV_RUN_FLAG_COMPLETE_ONLY);
	((uint64_t *)(fake_ram + 0x4000))[511] = BEFORE_GPA | 7; /* for who walks */
	st->rip = CODE;
}

/* The guest's access, by what the CPU says of it. */
static void told(uint64_t addr, uint32_t mem_flags)
{
	fake_exit(&(struct mk_exit){
		.reason = MK_EXIT_MEM, .addr = addr, .mem_flags = mem_flags, .long_mode = 1,
	});
	run_flags(MV_RUN_FLAG_ASK);
}

#define READ "\x8B\x03" /* mov eax, [rbx] */
#define WRITE "\x89\x03" /* mov [rbx], eax */

static void known_read(void **state)
{
	uint64_t emulated;

	(void)state;
	know(READ, MV_EXIT_MMIO_READ);
	emulated = state_data(st)->stats.emulated;
	st->rflags |= RFLAGS_RF;
	told(DEVICE_GPA + 0x10, 0);
	assert_access(MV_EXIT_MMIO_READ, DEVICE_GPA + 0x10, 4, 0);
	assert_int_equal(st->rip, CODE);
	assert_int_equal(complete("abc", 3), MV_STATUS_FAILURE_UNKNOWN);
	/* What was decoded is done, whatever is there now. */
	st->gpr[MK_RBX] = 0;
	memcpy(fake_ram + CODE, WRITE, 2);
	assert_complete("\x01\x02\x03\x84", 4);
	assert_int_equal(st->rip, CODE + 2);
	assert_int_equal(st->gpr[MK_RAX], 0x84030201);
	assert_int_equal(st->rflags & RFLAGS_RF, 0);
	assert_int_equal(state_data(st)->stats.emulated, emulated + 1);
	assert_int_equal(complete("abcd", 4), MV_STATUS_FAILURE_UNKNOWN);
}

static void known_read_is_given_up(void **state)
{
	(void)state;
	know(READ, MV_EXIT_MMIO_READ);
	told(DEVICE_GPA + 0x10, 0);
	assert_complete(NULL, 0);
	assert_int_equal(st->rip, CODE);
	told(DEVICE_GPA + 0x10, 0);
	st->rip = CODE + 0x100;
	assert_complete("abcd", 4);
	assert_int_equal(st->rip, CODE + 0x100);
	assert_int_equal(st->gpr[MK_RAX], 0x1122334455667788);
}

static void known_write(void **state)
{
	(void)state;
	know(WRITE, MV_EXIT_MMIO_WRITE);
	st->shadow = 1;
	st->rflags |= RFLAGS_TF;
	told(DEVICE_GPA + 0x10, MK_MEM_WRITE);
	assert_access(MV_EXIT_MMIO_WRITE, DEVICE_GPA + 0x10, 4, 0x55667788);
	assert_int_equal(st->rip, CODE + 2);
	assert_int_equal(st->shadow, 0);
	assert_inject(VEC_DB, 0, 0);
}

/* It isn't what the instruction does: that is found out by emulating it. */
static void another_access(void **state)
{
	(void)state;
	know(READ, MV_EXIT_MMIO_READ);
	state_data(st)->devices[2] = BEFORE_GPA | ABSENT_VALID;
	told(DEVICE_GPA + 0x10, MK_MEM_WRITE);
	assert_access(MV_EXIT_MMIO_READ, BEFORE_GPA + 0x10, 4, 0);
	assert_complete(NULL, 0);
	told(DEVICE_GPA + 0x14, 0);
	assert_access(MV_EXIT_MMIO_READ, BEFORE_GPA + 0x10, 4, 0);
	assert_complete(NULL, 0);
	memcpy(fake_ram + CODE, WRITE, 2);
	state_data(st)->devices[3] = BEFORE_GPA | ABSENT_VALID | ABSENT_WRITE;
	told(DEVICE_GPA + 0x10, 0);
	assert_access(MV_EXIT_MMIO_WRITE, BEFORE_GPA + 0x10, 4, 0x55667788);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(asks_once, setup),
		cmocka_unit_test_setup(asks_for_both, setup),
		cmocka_unit_test_setup(hole_behind_device, setup),
		cmocka_unit_test_setup(table_in_hole, setup),
		cmocka_unit_test_setup(read_only_tables, setup),
		cmocka_unit_test_setup(device_read, setup),
		cmocka_unit_test_setup(read_is_given_up, setup),
		cmocka_unit_test_setup(moved_rip, setup),
		cmocka_unit_test_setup(device_write, setup),
		cmocka_unit_test_setup(two_pages, setup),
		cmocka_unit_test_setup(modify, setup),
		cmocka_unit_test_setup(memory_after_all, setup),
		cmocka_unit_test_setup(page_fault, setup),
		cmocka_unit_test_setup(not_emulated, setup),
		cmocka_unit_test_setup(vector_load, setup),
		cmocka_unit_test_setup(vector_store, setup),
		cmocka_unit_test_setup(mmx_load, setup),
		cmocka_unit_test_setup(event_delivery, setup),
		cmocka_unit_test_setup(single_step, setup),
		cmocka_unit_test_setup(mov_ss, setup),
		cmocka_unit_test_setup(outs_from_a_device, setup),
		cmocka_unit_test_setup(ins_to_a_device, setup),
		cmocka_unit_test_setup(control_registers, setup),
		cmocka_unit_test_setup(task_priority, setup),
		cmocka_unit_test_setup(known_read, setup),
		cmocka_unit_test_setup(known_read_is_given_up, setup),
		cmocka_unit_test_setup(known_write, setup),
		cmocka_unit_test_setup(another_access, setup),
	};

	return cmocka_run_group_tests_name("microv mmio", tests, NULL, NULL);
}
