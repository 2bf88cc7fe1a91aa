// SPDX-License-Identifier: MIT
/* init() and enter() as the launch module calls them, CPU features, faults of ring 3. */
#include "elf_image.h"
#include "exception.h"
#include "log.h"
#include "machine.h"
#include "user.h"

/* First of all: what init() must refuse, on the same machine that then starts. */
static void init_needs_chunks(void **state)
{
	struct mk_boot *b = &machine.boot;
	u64 chunks;

	(void)state;
	machine_reset();
	chunks = b->chunks;
	b->chunks = b->free_chunk + 1; /* no table for the memory above 4 GiB */
	assert_int_equal(machine_init(), -ENOMEM);
	machine_reset();
	b->chunks = b->free_chunk + 2; /* nothing for the pool */
	assert_int_equal(machine_init(), -ENOMEM);
	machine_reset();
	assert_int_equal(b->chunks, chunks);
}

/* Each bad field of MicroV's image alone. */
#define BAD_LOAD(n, change, rc)                                                                    \
	do {                                                                                       \
		struct mk_load *l;                                                                 \
		machine_reset();                                                                   \
		l = &machine.boot.load[n];                                                         \
		change;                                                                            \
		assert_int_equal(machine_init(), rc);                                              \
	} while (0)

static void bad_program(void **state)
{
	(void)state;
	BAD_LOAD(0, l->flags |= MK_LOAD_WRITE, -EINVAL);
	BAD_LOAD(2, l->flags |= MK_LOAD_EXECUTE, -EINVAL);
	BAD_LOAD(0, l->va -= PAGE_4K, -EINVAL);
	BAD_LOAD(0, l->va += 8, -EINVAL);
	BAD_LOAD(0, l->spa += 8, -EINVAL);
	BAD_LOAD(2, l->bytes -= 8, -EINVAL);
	BAD_LOAD(2, l->va = MK_U_IMAGE_END - l->bytes + PAGE_4K, -EINVAL);
	BAD_LOAD(2, l->va = MK_U_IMAGE_END + PAGE_4K, -EINVAL);
	BAD_LOAD(2, l->bytes = -PAGE_4K, -EINVAL);
	BAD_LOAD(2, l->va = MK_U_STATE, -EINVAL);
	BAD_LOAD(2, l->spa = ROOT_RAM, -EINVAL);
	BAD_LOAD(2, l->spa = machine.boot.chunk[MACHINE_CHUNKS - 1] + PAGE_2M - PAGE_4K, -EINVAL);
	BAD_LOAD(2, l->spa = MACHINE_LOW_END, -EINVAL);
	BAD_LOAD(1, l->va = ELF_TEXT, -EEXIST);
}

static void launch(void **state)
{
	(void)state;
	machine_start(2);
	machine_on(1);
	assert_int_equal(machine.user_rip, ELF_ENTRY);
	assert_int_equal(machine.user_rsp, MK_U_STACK_TOP - 8);
	assert_int_equal(machine.user_cpu, 1);
	assert_int_equal(machine.user_why, MK_START_LAUNCH);
	assert_int_equal(cpu_this()->online, 1);
	assert_int_equal(machine.cpu[1].cr3, cpu_this()->pml4_spa.v);
	assert_int_equal(machine.cpu[1].hsave, cpu_this()->host_save.v);
	assert_int_not_equal(cpu_get(0)->host_save.v, cpu_get(1)->host_save.v);
	assert_int_equal(machine_launch(MV_MAX_PPS), -EINVAL);
	machine_on(0);
}

static void launch_state_is_roots(void **state)
{
	struct vmcb *v = cpu_get(1)->root_vs->block;
	struct mk_state *s = machine_user(1, MK_U_STATE + PAGE_4K, true);

	(void)state;
	assert_int_equal(s->rip, 0xFFFFFFFF81000001);
	assert_int_equal(s->gpr[MK_RSP], 0xFFFFC90000000000);
	assert_int_equal(s->gpr[MK_RAX], 0);
	assert_int_equal(v->cr3, 0x2000000);
	assert_int_equal(v->efer, 0x1D01);
	assert_int_equal(v->pat, 0x0407050600070106);
	assert_int_equal(v->cs.attrib, 0xA9B);
	assert_int_equal(v->dr7, 0x400);
}

static void ring_3_sees_only_its_own(void **state)
{
	(void)state;
	assert_int_equal(*(u8 *)machine_user(0, ELF_TEXT, false), 0x90);
	assert_null(machine_user(0, ELF_TEXT, true));
	assert_int_equal(*(u8 *)machine_user(0, ELF_RODATA, false), 'r');
	assert_null(machine_user(0, ELF_RODATA, true));
	assert_int_equal(*(u8 *)machine_user(0, ELF_DATA, true), 'd');
	assert_int_equal(*(u8 *)machine_user(0, ELF_DATA + 0x30, true), 0);
	assert_non_null(machine_user(0, ELF_DATA + 0x2000, true));
	assert_null(machine_user(0, ELF_DATA + 0x3000, false));
	assert_null(machine_user(0, ELF_TEXT - PAGE_4K, false));
	assert_null(machine_user(0, 0, false)); /* Linux's half of the tables isn't taken over */
	assert_non_null(machine_user(0, MK_U_STACK_TOP - MK_U_STACK_SIZE, true));
	assert_null(machine_user(0, MK_U_STACK_TOP - MK_U_STACK_SIZE - 1, true));
	assert_null(machine_user(0, MK_U_STACK_TOP, true));
	assert_ptr_not_equal(machine_user(0, MK_U_STACK_TOP - 8, true),
			     machine_user(1, MK_U_STACK_TOP - 8, true));
	assert_ptr_equal(machine_user(0, ELF_DATA, true), machine_user(1, ELF_DATA, true));
	assert_int_equal(cpu_get(1)->pml4[256], 0xABC003);
}

static void features(void **state)
{
	static const struct {
		u32 svm, ext, ext8;
		u64 feature;
	} cases[] = {
		{ 0, 0, 0, 0 },
		{ .svm = 1 << 3, .feature = CPU_NRIPS },
		{ .svm = 1 << 7, .feature = CPU_DECODE },
		{ .ext = 1 << 26, .feature = CPU_1G },
		{ .ext = 1 << 27, .feature = CPU_TSC_AUX },
		{ .ext8 = 1 << 12, .feature = CPU_IBPB },
	};
	unsigned int i;
	u32 asids;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		machine.svm_edx = cases[i].svm;
		machine.ext_edx = cases[i].ext;
		machine.ext_ecx = cases[i].ext8;
		machine.svm_ebx = 0x8000 + i;
		assert_int_equal(cpu_features(&asids), cases[i].feature);
		assert_int_equal(asids, 0x8000 + i);
	}
}

static void fault(void *arg)
{
	exception(arg);
}

/* Ring 3 begins anew on this CPU; only a fault in the window, where it was told, goes on. */
static void faults_of_ring_3(void **state)
{
	struct frame f = { .vector = 14, .rip = ELF_TEXT + 0x105, .cs = GDT_UCODE };

	(void)state;
	machine.cpu[0].cr2 = MK_U_WINDOW + 0x123;
	assert_true(machine_to_user(fault, &f));
	assert_int_equal(machine.user_why, MK_START_FAULT);
	assert_int_equal(machine.user_rip, ELF_ENTRY);
	assert_int_equal(machine.user_cpu, 0);

	assert_int_equal(user_window_fixup(ELF_TEXT + 0x100, ELF_TEXT + 0x100, ELF_TEXT), -EINVAL);
	assert_int_equal(user_window_fixup(ELF_TEXT + 0x100, ELF_TEXT + 0x110, ELF_DATA), -EINVAL);
	assert_int_equal(user_window_fixup(ELF_TEXT + 0x100, ELF_TEXT + 0x110, 0x1000), -EINVAL);
	assert_int_equal(user_window_fixup(ELF_TEXT + 0x100, ELF_TEXT + 0x110, MK_IMAGE), -EINVAL);
	assert_int_equal(user_window_fixup(0x1000, ELF_TEXT + 0x110, ELF_TEXT), -EINVAL);
	assert_int_equal(user_window_fixup(ELF_TEXT + 0x100, ELF_TEXT + 0x110, ELF_TEXT + 0x200),
			 0);
	assert_int_equal(user_window_fixup(ELF_TEXT, ELF_TEXT + 0x110, ELF_TEXT + 0x200), -EBUSY);

	assert_false(machine_to_user(fault, &f));
	assert_int_equal(f.rip, ELF_TEXT + 0x200);
	f.rip = ELF_TEXT + 0x110;
	assert_true(machine_to_user(fault, &f));
	f.rip = ELF_TEXT + 0x100;
	machine.cpu[0].cr2 = MK_U_STATE;
	assert_true(machine_to_user(fault, &f));
	machine.cpu[0].cr2 = MK_U_WINDOW + MK_GPA_END;
	assert_true(machine_to_user(fault, &f));
	machine.cpu[0].cr2 = MK_U_WINDOW;
	f.vector = 13;
	assert_true(machine_to_user(fault, &f));
}

/* Of ring 3 or ring 0, at a time: has ring 3 begun anew? Root gets the NMI in any case. */
static bool nmi_restarts(u64 tsc, u64 cs)
{
	struct frame f = { .vector = 2, .rip = ELF_TEXT, .cs = cs };
	struct mk_state *root = cpu_this()->root_vs->state;
	bool begun;

	machine.tsc = tsc;
	root->inject.type = MK_EVENT_NONE;
	begun = machine_to_user(fault, &f);
	assert_int_equal(root->inject.type, MK_EVENT_NMI);
	assert_int_equal(f.rip, ELF_TEXT);
	return begun;
}

/* An NMI ends ring 3 when it comes long after another one, and no VM was entered meanwhile. */
static void ring_3_is_stuck(void **state)
{
	const u64 begin = 1000, late = begin + (1ULL << 32);
	struct frame mce = { .vector = 18, .cs = GDT_UCODE };

	(void)state;
	machine_on(0);
	cpu_this()->root_vs->state->switches = 1;
	assert_false(nmi_restarts(begin, GDT_UCODE));
	assert_false(nmi_restarts(begin, GDT_UCODE));
	assert_false(nmi_restarts(late, GDT_UCODE));
	assert_false(nmi_restarts(late + 1, GDT_KCODE));
	assert_true(nmi_restarts(late + 1, GDT_UCODE));
	assert_int_equal(machine.user_why, MK_START_FAULT);

	cpu_this()->root_vs->state->switches++;
	assert_false(nmi_restarts(3 * late, GDT_UCODE));
	assert_true(nmi_restarts(4 * late, GDT_UCODE));

	assert_false(machine_to_user(fault, &mce));
	assert_int_equal(cpu_this()->root_vs->state->inject.type, MK_EVENT_EXCEPTION);
	assert_int_equal(cpu_this()->root_vs->state->inject.vector, 18);
}

/* What looks like code on the stack is in the log, and not more of it than fits. */
static void back_trace(void **state)
{
	struct frame f = { .vector = 0, .rip = ELF_TEXT, .cs = GDT_UCODE };
	static char text[LOG_BYTES + 1];
	u64 position = 0, *stack;
	int i;

	(void)state;
	machine_on(0);
	f.rsp = MK_U_STACK_TOP - 24;
	stack = machine_user(0, f.rsp, true);
	stack[-1] = ELF_TEXT + 0x777;
	stack[0] = ELF_TEXT + 0x123;
	stack[1] = MK_U_STATE;
	stack[2] = ELF_TEXT + 0x234;
	log_read(&position, text, LOG_BYTES);
	assert_true(machine_to_user(fault, &f));
	text[log_read(&position, text, LOG_BYTES)] = 0;
	assert_non_null(strstr(text, "  at 0x400123\n  at 0x400234\n"));
	assert_null(strstr(text, "777"));

	/* A stack that has run over; one that is none. */
	stack = machine_user(0, MK_U_STACK_TOP - MK_U_STACK_SIZE, true);
	for (i = 0; i < 100; i++)
		stack[i] = ELF_TEXT + 0x500;
	f.rsp = MK_U_STACK_TOP - MK_U_STACK_SIZE - 8;
	assert_true(machine_to_user(fault, &f));
	text[log_read(&position, text, LOG_BYTES)] = 0;
	assert_non_null(strstr(text, "  at 0x400500\n"));
	assert_true(strlen(text) < 32 * 17 + 600);
	f.rsp = 0xFFFFFFFFFFFFF000;
	assert_true(machine_to_user(fault, &f));
	text[log_read(&position, text, LOG_BYTES)] = 0;
	assert_null(strstr(text, "  at "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_needs_chunks),
		cmocka_unit_test(bad_program),
		cmocka_unit_test(launch),
		cmocka_unit_test(launch_state_is_roots),
		cmocka_unit_test(ring_3_sees_only_its_own),
		cmocka_unit_test(features),
		cmocka_unit_test(faults_of_ring_3),
		cmocka_unit_test(ring_3_is_stuck),
		cmocka_unit_test(back_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
