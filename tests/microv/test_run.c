// SPDX-License-Identifier: MIT
/* mv_vs_op_run: its input, every exit of a guest, and what is injected. */
#include "fake.h"
#include "run.h"

#define SUCCESS MV_STATUS_SUCCESS
#define UNKNOWN MV_STATUS_FAILURE_UNKNOWN

static unsigned int id;
static struct mk_state *st;

static int setup(void **state)
{
	fake_reset(state);
	id = fake_vs_64(0x400000);
	st = mk_state(id);
	return 0;
}

#define EXIT(...) fake_exit(&(struct mk_exit){ __VA_ARGS__ })
/* An exit that ends the run. */
#define END() EXIT(.reason = MK_EXIT_INTR)

static void run_until_interrupt(void)
{
	END();
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_interrupt);
}

/* The guest exits so, and is entered again with this exception. */
static void assert_exception(uint8_t vector, uint64_t rip)
{
	run_until_interrupt();
	assert_int_equal(fake_hw(id)->inject.type, MK_EVENT_EXCEPTION);
	assert_int_equal(fake_hw(id)->inject.vector, vector);
	assert_int_equal(st->rip, rip);
}

static struct mv_run_t *input(void)
{
	memset(fake_shared, 0, sizeof(fake_shared));
	return (struct mv_run_t *)fake_shared;
}

static void registers_of_the_input(void **state)
{
	struct mv_run_t *in = input();

	(void)state;
	in->reg[0] = (struct mv_rdl_entry_t){ mv_reg_t_rip, 0x401234 };
	in->reg[9] = (struct mv_rdl_entry_t){ mv_reg_t_cr3, 0x1000 };
	in->msr[9] = (struct mv_rdl_entry_t){ MSR_STAR, 0x77 };
	END();
	assert_int_equal(fake_run_input(id), SUCCESS);
	assert_int_equal(st->rip, 0x401234);
	assert_int_equal(fake_hw(id)->star, 0x77);
}

static void bad_input(void **state)
{
	struct mv_run_t good = { .reg[0] = { mv_reg_t_rip, 0x401234 } }, bad[6];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].reg[1] = (struct mv_rdl_entry_t){ MV_REG_MAX + 1, 0 };
	bad[1].reg[1] = (struct mv_rdl_entry_t){ mv_reg_t_cr8, 16 };
	bad[2].msr[0] = (struct mv_rdl_entry_t){ 0x13, 0 };
	bad[3].msr[3] = (struct mv_rdl_entry_t){ MSR_EFER, EFER_SVME };
	bad[4].flags = MV_RUN_FLAGS_ALL + 1;
	bad[5].in_bytes = 1;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy(fake_shared, &bad[i], sizeof(bad[i]));
		assert_int_equal(fake_run_input(id), UNKNOWN);
		assert_int_equal(st->rip, 0x400000);
		assert_int_equal(fake.runs, 0);
	}
	HC(0, PP, CLR_SHARED_PAGE_GPA, 0, 0, 0);
	assert_int_equal(fake_run_input(id), UNKNOWN);
}

static void complete_only_runs_nothing(void **state)
{
	(void)state;
	input()->flags = MV_RUN_FLAG_COMPLETE_ONLY;
	assert_int_equal(fake_run_input(id), SUCCESS);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_interrupt);
	assert_int_equal(fake.runs, 0);
}

/* CPUs without NRIP save: prefixes are counted in the guest's memory. */
static void length_is_found(void **state)
{
	(void)state;
	memcpy(fake_ram + 0x400000, "\x66\x0F\xA2", 3);
	st->gpr[MK_RAX] = st->gpr[MK_RBX] = st->gpr[MK_RCX] = st->gpr[MK_RDX] = ~0ULL;
	EXIT(.reason = MK_EXIT_CPUID);
	run_until_interrupt();
	assert_int_equal(st->rip, 0x400003);
	assert_int_equal(st->gpr[MK_RAX] | st->gpr[MK_RBX] | st->gpr[MK_RCX] | st->gpr[MK_RDX], 0);
	assert_int_equal(fake.opens, 1);

	EXIT(.reason = MK_EXIT_CPUID, .len = 5);
	run_until_interrupt();
	assert_int_equal(st->rip, 0x400008);
	assert_int_equal(fake.opens, 1);
}

/* What counts is the mode that somebody has set since the exit, not that of the exit's record. */
static void length_after_a_change(void **state)
{
	struct call c = { .cpu = 0 };
	struct run r = { .c = &c, .vs = { .id = id, .vmid = id_vmid(id), .st = st } };

	(void)state;
	st->dirty |= MK_G_SEG;
	st->seg[MK_CS].attrib &= ~MK_ATTR_L;
	st->exit = (struct mk_exit){ .long_mode = 1, .len = 2 };
	st->rip = 0xFFFFFFFF;
	run_skip(&r, 2);
	assert_int_equal(st->rip, 1);
}

/* Instructions that do nothing, and how long they are. */
static void skipped_instructions(void **state)
{
	static const struct {
		uint8_t reason, len;
	} cases[] = {
		{ MK_EXIT_INVD, 2 }, { MK_EXIT_WBINVD, 2 }, { MK_EXIT_MONITOR, 3 }, { MK_EXIT_MWAIT, 3 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		st->rip = 0x400000;
		st->shadow = 1;
		st->rflags |= RFLAGS_RF;
		EXIT(.reason = cases[i].reason);
		run_until_interrupt();
		assert_int_equal(st->rip, 0x400000 + cases[i].len);
		assert_int_equal(st->shadow, 0);
		assert_int_equal(st->rflags, 2);
	}
}

static void refused_instructions(void **state)
{
	(void)state;
	EXIT(.reason = MK_EXIT_VIRT);
	assert_exception(VEC_UD, 0x400000);
	EXIT(.reason = MK_EXIT_RSM);
	assert_exception(VEC_UD, 0x400000);
	EXIT(.reason = MK_EXIT_RDPMC);
	assert_exception(VEC_GP, 0x400000);
	assert_int_equal(fake_hw(id)->inject.has_error, 1);
	assert_int_equal(fake_hw(id)->inject.error, 0);
}

/* A single-stepped instruction ends with #DB, also when MicroV does it. */
static void single_step(void **state)
{
	(void)state;
	st->rflags = RFLAGS_FIXED | RFLAGS_TF;
	EXIT(.reason = MK_EXIT_CPUID, .len = 2);
	assert_exception(VEC_DB, 0x400002);
	assert_int_equal(fake_hw(id)->dr6, 0xFFFF4FF0);
}

static void hypercalls_of_guests(void **state)
{
	(void)state;
	EXIT(.reason = MK_EXIT_HYPERCALL, .len = 3);
	run_until_interrupt();
	assert_int_equal(st->gpr[MK_RAX], -1000);
	assert_int_equal(st->rip, 0x400003);

	st->gpr[MK_RAX] = MV_HYPERCALL(MV_HANDLE_OP, 0);
	EXIT(.reason = MK_EXIT_HYPERCALL, .len = 3);
	run_until_interrupt();
	assert_int_equal(st->gpr[MK_RAX], MV_STATUS_INVALID_PERM_DENIED);

	HC(0, VS, REG_SET, id, mv_reg_t_ss_attrib, 0xC0F3);
	st->gpr[MK_RAX] = 1;
	EXIT(.reason = MK_EXIT_HYPERCALL, .len = 3);
	run_until_interrupt();
	assert_int_equal(st->gpr[MK_RAX], -1);

	HC(0, VS, REG_SET, id, mv_reg_t_cs_attrib, 0xC09B);
	EXIT(.reason = MK_EXIT_HYPERCALL, .len = 3);
	run_until_interrupt();
	assert_int_equal(st->gpr[MK_RAX], 0xFFFFFFFF);
}

static void rdmsr(uint32_t index)
{
	st->rip = 0x400000;
	st->gpr[MK_RCX] = index;
	EXIT(.reason = MK_EXIT_MSR, .len = 2);
}

static void wrmsr(uint32_t index, uint64_t value)
{
	st->rip = 0x400000;
	st->gpr[MK_RCX] = index;
	st->gpr[MK_RAX] = 0xABCDULL << 32 | (uint32_t)value;
	st->gpr[MK_RDX] = value >> 32;
	EXIT(.reason = MK_EXIT_MSR, .write = 1, .len = 2);
}

static void msrs_of_guests(void **state)
{
	static const uint32_t unknown[] = { 0x12345678, 0xC0001234, 0x4FFF, 0xFFFFFFFF, 0xC0010117 };

	(void)state;
	wrmsr(MSR_LSTAR, 0xFFFFFFFF81234567);
	run_until_interrupt();
	assert_int_equal(st->rip, 0x400002);
	assert_int_equal(fake_hw(id)->lstar, 0xFFFFFFFF81234567);
	rdmsr(MSR_LSTAR);
	run_until_interrupt();
	assert_int_equal(st->gpr[MK_RAX], 0x81234567);
	assert_int_equal(st->gpr[MK_RDX], 0xFFFFFFFF);
	rdmsr(MSR_UCODE_REV);
	run_until_interrupt();
	assert_int_equal(st->gpr[MK_RAX], 0x01000065);
	rdmsr(MSR_APIC_BASE);
	run_until_interrupt();
	assert_int_equal(st->gpr[MK_RAX], 0xFEE00900);

	for (unsigned int i = 0; i < ARRAY_SIZE(unknown); i++) {
		rdmsr(unknown[i]);
		assert_exception(VEC_GP, 0x400000);
		wrmsr(unknown[i], 0);
		assert_exception(VEC_GP, 0x400000);
	}
	wrmsr(MSR_LSTAR, 1ULL << 63);
	assert_exception(VEC_GP, 0x400000);
	wrmsr(MSR_MTRR_CAP, 0);
	assert_exception(VEC_GP, 0x400000);
}

static void efer_of_guests(void **state)
{
	(void)state;
	/* LMA stays what the CPU says; LME can't go while paging is on. */
	wrmsr(MSR_EFER, EFER_LME | EFER_SCE);
	run_until_interrupt();
	assert_int_equal(fake_hw(id)->efer, EFER_LME | EFER_LMA | EFER_SCE);
	wrmsr(MSR_EFER, EFER_SCE);
	assert_exception(VEC_GP, 0x400000);
	wrmsr(MSR_EFER, EFER_LME | EFER_SVME);
	assert_exception(VEC_GP, 0x400000);
	assert_int_equal(fake_hw(id)->efer, EFER_LME | EFER_LMA | EFER_SCE);

	fake_mode_32(id);
	wrmsr(MSR_EFER, EFER_LME | EFER_NXE);
	st->efer = 0;
	run_until_interrupt();
	assert_int_equal(fake_hw(id)->efer, EFER_LME | EFER_NXE);
}

static void xsetbv(uint64_t index, uint64_t value, uint16_t ss)
{
	HC(0, VS, REG_SET, id, mv_reg_t_ss_attrib, ss);
	st->rip = 0x400000;
	st->gpr[MK_RCX] = index;
	st->gpr[MK_RAX] = value;
	st->gpr[MK_RDX] = value >> 32;
	EXIT(.reason = MK_EXIT_XSETBV, .len = 3);
}

static void xsetbv_of_guests(void **state)
{
	(void)state;
	xsetbv(0, 1, 0xC093);
	run_until_interrupt();
	assert_int_equal(st->rip, 0x400003);
	xsetbv(0, 3, 0xC093);
	assert_exception(VEC_GP, 0x400000);
	xsetbv(0, 0, 0xC093);
	assert_exception(VEC_GP, 0x400000);
	xsetbv(1, 1, 0xC093);
	assert_exception(VEC_GP, 0x400000);
	xsetbv(0, 1, 0xC0F3);
	assert_exception(VEC_GP, 0x400000);
}

static uint64_t mp(void)
{
	assert_int_equal(HC(0, VS, MP_STATE_GET, id, 0, 0), SUCCESS);
	return fake_reg(0, 0);
}

static void mp_states(void **state)
{
	(void)state;
	assert_int_equal(mp(), mv_mp_state_t_initial);
	EXIT(.reason = MK_EXIT_HLT, .len = 1);
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(mp(), mv_mp_state_t_wait);
	assert_int_equal(HC(0, VS, MP_STATE_SET, id, mv_mp_state_t_sipi, 0), MV_STATUS_INVALID_INPUT_REG2);
	assert_int_equal(HC(0, VS, MP_STATE_SET, id, mv_mp_state_t_initial, 0), MV_STATUS_INVALID_INPUT_REG2);
	assert_int_equal(HC(0, VS, MP_STATE_SET, id, 5, 0), MV_STATUS_INVALID_INPUT_REG2);
	assert_int_equal(mp(), mv_mp_state_t_wait);

	/* After INIT the guest isn't entered: fake_vs_run() would miss its exit. */
	assert_int_equal(HC(0, VS, MP_STATE_SET, id, mv_mp_state_t_init, 0), SUCCESS);
	assert_int_equal(st->rip, 0xFFF0);
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_hlt);
	assert_int_equal(mp(), mv_mp_state_t_init);
	assert_int_equal(HC(0, VS, MP_STATE_SET, id, mv_mp_state_t_sipi, 0x100), MV_STATUS_INVALID_INPUT_REG3);
	assert_int_equal(HC(0, VS, MP_STATE_SET, id, mv_mp_state_t_sipi, 0x9A), SUCCESS);
	assert_int_equal(st->rip, 0);
	assert_int_equal(st->seg[MK_CS].base, 0x9A000);
	assert_int_equal(st->seg[MK_CS].selector, 0x9A00);
}

static void hlt_is_an_exit(void **state)
{
	(void)state;
	EXIT(.reason = MK_EXIT_HLT, .len = 1);
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_hlt);
	assert_int_equal(*(uint64_t *)fake_shared, mv_hlt_t_wait);
	assert_int_equal(st->rip, 0x400001);
}

/* What user space must know after each exit is there without asking. */
static void state_behind_the_exit(void **state)
{
	const struct mv_exit_state_t *page =
		(const struct mv_exit_state_t *)(fake_shared + MV_EXIT_STATE_OFFSET);

	(void)state;
	HC(0, VS, REG_SET, id, mv_reg_t_cr8, 5);
	HC(0, VS, REG_SET, id, mv_reg_t_rflags, 0x202);
	st->shadow = 1;
	run_until_interrupt();
	assert_int_equal(page->rflags, 0x202);
	assert_int_equal(page->cr8, 5);
	assert_int_equal(page->apic_base, 0xFEE00900);
	assert_int_equal(page->flags, MV_EXIT_STATE_SHADOW);
	EXIT(.reason = MK_EXIT_HLT, .len = 1);
	fake_run(id);
	assert_int_equal(page->flags, 0);
}

/* After a triple fault the CPU is as after INIT. */
static void shutdown_is_a_crash(void **state)
{
	(void)state;
	HC(0, VS, MSR_SET, id, MSR_PAT, 0x0606060606060606);
	HC(0, VS, REG_SET, id, mv_reg_t_rbx, 77);
	EXIT(.reason = MK_EXIT_SHUTDOWN, .interrupted = { .type = MK_EVENT_EXCEPTION, .vector = 8 });
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_hlt);
	assert_int_equal(*(uint64_t *)fake_shared, mv_hlt_t_vm_crash);
	assert_int_equal(st->rip, 0xFFF0);
	assert_int_equal(st->gpr[MK_RBX], 0);
	assert_int_equal(st->cr0, CR0_ET);
	assert_int_equal(st->inject.type, MK_EVENT_NONE);
	HC(0, VS, MSR_GET, id, MSR_PAT, 0);
	assert_int_equal(fake_reg(0, 0), 0x0606060606060606);
	HC(0, VS, MSR_GET, id, MSR_APIC_BASE, 0);
	assert_int_equal(fake_reg(0, 0), 0xFEE00900);
	run_until_interrupt();
	assert_int_equal(fake_hw(id)->efer, 0);
}

static void refused_entry(void **state)
{
	(void)state;
	EXIT(.reason = MK_EXIT_INVALID, .raw = { 0xFFFFFFFF });
	assert_int_equal(fake_run(id), MV_STATUS_EXIT_FAILURE);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_failure);
	assert_int_equal(*(uint64_t *)fake_shared, 0xFFFFFFFF);

	fake.run_error = -MK_EINVAL;
	assert_int_equal(fake_run(id), MV_STATUS_EXIT_FAILURE);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_failure);
	assert_int_equal(*(uint64_t *)fake_shared, 0xFFFFFFFF);
	fake.run_error = -MK_ENOENT;
	assert_int_equal(fake_run(id), UNKNOWN);
	fake.run_error = 0;
	run_until_interrupt();
}

/* Another CPU is about to leave the VS: not an error. */
static void last_cpu_is_slow(void **state)
{
	(void)state;
	HC(0, VS, REG_SET, id, mv_reg_t_cr3, 0x5000);
	fake.busy = 1;
	run_until_interrupt();
	assert_int_equal(fake.exit_next, 0);
	run_until_interrupt();
	assert_int_equal(fake.exit_next, 1);
	fake.busy = 2;
	assert_int_equal(HC(0, VS, REG_GET, id, mv_reg_t_cr3, 0), SUCCESS);
	assert_int_equal(fake_reg(0, 0), 0x5000);
}

static void unknown_exits(void **state)
{
	static const uint16_t reasons[] = { MK_EXIT_NONE, MK_EXIT_UNKNOWN, MK_EXIT_COUNT, 0xFFFF };
	const struct mv_exit_unknown_t *page = (const struct mv_exit_unknown_t *)fake_shared;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(reasons); i++) {
		EXIT(.reason = reasons[i], .raw = { 0x99, 1, 2 });
		assert_int_equal(fake_run(id), MV_STATUS_EXIT_UNKNOWN);
		assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_unknown);
		assert_int_equal(page->info0, 0x99);
		assert_int_equal(page->info1, 1);
		assert_int_equal(page->info2, 2);
		assert_int_equal(page->info3, 0x400000);
	}
}

static void memory_exit(void **state)
{
	const struct mv_exit_mmio_t *page = (const struct mv_exit_mmio_t *)fake_shared;

	(void)state;
	for (uint64_t i = 0; i < 16; i++)
		st->gpr[i] = 0x100 + i;
	EXIT(.reason = MK_EXIT_MEM, .addr = 0xFEC00010,
	     .mem_flags = MK_MEM_WRITE | MK_MEM_TABLE);
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_mmio);
	assert_int_equal(page->gpa, 0xFEC00010);
	assert_int_equal(page->flags, MV_EXIT_MMIO_READ | MV_EXIT_MMIO_WRITE);
	assert_int_equal(page->reg[0], 0x100 + MK_RAX);
	assert_int_equal(page->reg[1], 0x100 + MK_RBX);
	assert_int_equal(page->reg[4], 0x100 + MK_RBP);
	assert_int_equal(page->reg[7], 0x108);
	assert_int_equal(page->reg[15], 0x100 + MK_RSP);
	assert_int_equal(page->reg[16], 0x400000);
	EXIT(.reason = MK_EXIT_MEM, .addr = 0x1000, .mem_flags = MK_MEM_EXEC | MK_MEM_TABLE);
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(page->flags, MV_EXIT_MMIO_READ | MV_EXIT_MMIO_EXECUTE);
}

static void exits_for_root(void **state)
{
	static const struct {
		uint16_t reason, mv;
	} cases[] = {
		{ MK_EXIT_INTR, mv_exit_reason_t_interrupt },
		{ MK_EXIT_NMI, mv_exit_reason_t_nmi },
		{ MK_EXIT_MCE, mv_exit_reason_t_interrupt },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		EXIT(.reason = cases[i].reason);
		assert_int_equal(fake_run(id), SUCCESS);
		assert_int_equal(fake_reg(0, 0), cases[i].mv);
	}
}

static void exceptions_go_on(void **state)
{
	(void)state;
	EXIT(.reason = MK_EXIT_EXCEPTION, .event = { MK_EVENT_EXCEPTION, VEC_DB, 0, 0, 0 });
	assert_exception(VEC_DB, 0x400000);
	assert_int_equal(fake_hw(id)->inject.has_error, 0);
	EXIT(.reason = MK_EXIT_EXCEPTION, .event = { MK_EVENT_EXCEPTION, VEC_PF, 1, 0, 6 },
	     .addr = 0x1234);
	assert_exception(VEC_PF, 0x400000);
	assert_int_equal(fake_hw(id)->inject.error, 6);
	assert_int_equal(fake_hw(id)->cr2, 0x1234);
}

/* Every reason that ring 0 has is served, or told: only what it doesn't know itself isn't. */
static void every_reason_is_served(void **state)
{
	(void)state;
	memset(fake_ram + 0x400000, 0x90, 16);
	for (unsigned int reason = 1; reason < MK_EXIT_COUNT; reason++) {
		if (reason == MK_EXIT_UNKNOWN)
			continue;
		st->rip = 0x400000;
		EXIT(.reason = reason, .io = { .size = 1 }, .next_rip = 0x400001);
		END();
		assert_int_not_equal(fake_run(id), MV_STATUS_EXIT_UNKNOWN);
		if (fake.exit_next != fake.exit_count)
			run_until_interrupt();
		fake.exit_next = fake.exit_count = 0;
	}
}

static void general_detect(void **state)
{
	(void)state;
	st->dr7 = 0x2400;
	st->dirty |= MK_G_DR;
	EXIT(.reason = MK_EXIT_EXCEPTION, .event = { MK_EVENT_EXCEPTION, VEC_DB, 0, 0, 0 });
	assert_exception(VEC_DB, 0x400000);
	assert_int_equal(fake_hw(id)->dr7, 0x400);
}

/* An event whose delivery an exit interrupted comes at the next entry, across runs. */
static void interrupted_delivery(void **state)
{
	(void)state;
	EXIT(.reason = MK_EXIT_MEM, .addr = 0x700000,
	     .interrupted = { MK_EVENT_EXCEPTION, VEC_GP, 1, 0, 0x18 });
	assert_int_equal(fake_run(id), SUCCESS);
	assert_exception(VEC_GP, 0x400000);
	assert_int_equal(fake_hw(id)->inject.error, 0x18);
	run_until_interrupt();
	assert_int_equal(fake_hw(id)->inject.type, MK_EVENT_NONE);
}

/* The instruction can't be read: its fault is the guest's, or nobody can help. */
static void unreadable_instruction(void **state)
{
	(void)state;
	st->rip = 0x600000;
	EXIT(.reason = MK_EXIT_CPUID);
	assert_exception(VEC_PF, 0x600000);
	assert_int_equal(fake_hw(id)->cr2, 0x600000);
	assert_int_equal(fake_hw(id)->inject.error, 1 << 4);

	fake_mode_32(id);
	st->efer = 0;
	st->rip = FAKE_RAM;
	EXIT(.reason = MK_EXIT_HLT);
	assert_int_equal(fake_run(id), MV_STATUS_EXIT_UNKNOWN);
}

/* A guest that takes its time. */
static void slow_guest(struct mk_state *state)
{
	uint64_t since = rdtsc();

	state->entries++;
	while (rdtsc() - since < 10000)
		;
}

static const struct mv_stats_t *stats_of(unsigned int vsid)
{
	assert_int_equal(HC(0, VS, STATS_GET, vsid, 0, 0), SUCCESS);
	return (const struct mv_stats_t *)fake_shared;
}

static void statistics(void **state)
{
	const struct mv_stats_t *stats;

	(void)state;
	fake.on_run = slow_guest;
	state_data(st)->intr = INTR_NOW;
	EXIT(.reason = MK_EXIT_CPUID, .len = 2);
	EXIT(.reason = MK_EXIT_EXCEPTION, .event = { .type = MK_EVENT_EXCEPTION, .vector = 17 });
	run_until_interrupt();
	stats = stats_of(id);
	assert_int_equal(stats->entries, 3);
	assert_int_equal(stats->exits[MV_STATS_EXIT_cpuid], 1);
	assert_int_equal(stats->exits[MV_STATS_EXIT_exception], 1);
	assert_int_equal(stats->exits[MV_STATS_EXIT_intr], 1);
	assert_int_equal(stats->exits[MV_STATS_EXIT_hlt], 0);
	assert_int_equal(stats->interrupts, 1);
	assert_int_equal(stats->exceptions, 1);
	assert_int_equal(stats->nmis, 0);
	assert_true(stats->guest_ticks >= 30000);
	assert_true(stats->run_ticks > stats->guest_ticks);
	assert_true(stats->age > stats->run_ticks);
	/* INIT takes nothing back. */
	state_init(id, st);
	assert_int_equal(stats_of(id)->entries, 3);
	assert_int_equal(stats_of(id)->exits[MV_STATS_EXIT_cpuid], 1);
}

static void statistics_of_root(void **state)
{
	uint64_t calls;

	(void)state;
	calls = stats_of(0)->exits[MV_STATS_EXIT_hypercall];
	fake_vm();
	mk_state(MK_ROOT_VS(0))->switches = 77;
	assert_int_equal(stats_of(MV_SELF_ID)->exits[MV_STATS_EXIT_hypercall], calls + 2);
	assert_int_equal(stats_of(0)->switches, 77);
}

/* Whoever runs a VS doesn't keep others from asking. */
static void statistics_of_a_busy_vs(void **state)
{
	unsigned int vm = fake_vm();

	(void)state;
	vs_owner[id] = VS_CPU + 3;
	stats_of(id);
	vs_owner[id] = VS_DYING;
	assert_int_equal(HC(0, VS, STATS_GET, id, 0, 0), MV_STATUS_INVALID_INPUT_REG1);
	vs_owner[id] = VS_IDLE;
	assert_int_equal(HC(0, VS, STATS_GET, id_make(vm, 0), 0, 0), MV_STATUS_INVALID_INPUT_REG1);
	assert_int_equal(HC(0, VS, STATS_GET, 5, 0, 0), MV_STATUS_INVALID_INPUT_REG1);
	assert_int_equal(HC(0, PP, CLR_SHARED_PAGE_GPA, 0, 0, 0), SUCCESS);
	assert_int_equal(HC(0, VS, STATS_GET, id, 0, 0), UNKNOWN);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(registers_of_the_input, setup),
		cmocka_unit_test_setup(bad_input, setup),
		cmocka_unit_test_setup(complete_only_runs_nothing, setup),
		cmocka_unit_test_setup(length_is_found, setup),
		cmocka_unit_test_setup(length_after_a_change, setup),
		cmocka_unit_test_setup(skipped_instructions, setup),
		cmocka_unit_test_setup(refused_instructions, setup),
		cmocka_unit_test_setup(single_step, setup),
		cmocka_unit_test_setup(hypercalls_of_guests, setup),
		cmocka_unit_test_setup(msrs_of_guests, setup),
		cmocka_unit_test_setup(efer_of_guests, setup),
		cmocka_unit_test_setup(xsetbv_of_guests, setup),
		cmocka_unit_test_setup(mp_states, setup),
		cmocka_unit_test_setup(hlt_is_an_exit, setup),
		cmocka_unit_test_setup(state_behind_the_exit, setup),
		cmocka_unit_test_setup(shutdown_is_a_crash, setup),
		cmocka_unit_test_setup(refused_entry, setup),
		cmocka_unit_test_setup(last_cpu_is_slow, setup),
		cmocka_unit_test_setup(unknown_exits, setup),
		cmocka_unit_test_setup(memory_exit, setup),
		cmocka_unit_test_setup(exits_for_root, setup),
		cmocka_unit_test_setup(exceptions_go_on, setup),
		cmocka_unit_test_setup(every_reason_is_served, setup),
		cmocka_unit_test_setup(general_detect, setup),
		cmocka_unit_test_setup(interrupted_delivery, setup),
		cmocka_unit_test_setup(unreadable_instruction, setup),
		cmocka_unit_test_setup(statistics, setup),
		cmocka_unit_test_setup(statistics_of_root, setup),
		cmocka_unit_test_setup(statistics_of_a_busy_vs, setup),
	};

	return cmocka_run_group_tests_name("microv run", tests, NULL, NULL);
}
