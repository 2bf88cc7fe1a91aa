// SPDX-License-Identifier: MIT
/* Root's writes to the hypervisor's memory: each goes nowhere, and root notices nothing. */
#include <asm/svm.h>

#include "log.h"
#include "machine.h"
#include "svm.h"

#define HIDDEN 0x6000000ULL /* a chunk of the hypervisor; the next two follow at once */
#define RFLAGS 0x2ULL
#define DR6_BS BIT(14)

/* What root does on one entry after the other; the last one exits for good. */
static void (*const *script)(struct vmcb *v);
static unsigned int step;

static void root(struct vmcb *v, u64 *gpr)
{
	(void)gpr;
	v->exit_int_info = 0;
	assert_non_null(script[step]);
	script[step++](v);
}

static struct mk_state *state_page(void)
{
	return machine_user(0, MK_U_STATE, true);
}

static void play(void (*const *steps)(struct vmcb *v), u64 rflags)
{
	script = steps;
	step = 0;
	state_page()->rflags = rflags;
	assert_int_equal(vs_run(cpu_this(), 0), 0);
	assert_null(script[step]);
}

static int group_setup(void **state)
{
	(void)state;
	machine_start(2);
	machine.guest = root;
	machine.tsc = 1ULL << 40;
	return 0;
}

static u64 entry_at(u64 top, u64 gpa)
{
	u64 table = top, e = 0;
	int level;

	for (level = 4; level > 0; level--) {
		e = ((u64 *)hw_virt(SPA(table)))[gpa >> (12 + 9 * (level - 1)) & 511];
		assert_true(e & PTE_P);
		if (level > 1 && level < 4 && e & PTE_LARGE)
			break;
		table = e & PTE_ADDR;
	}
	return e;
}

static bool writable(const struct vmcb *v, u64 gpa)
{
	return entry_at(v->nested_cr3, gpa) & PTE_W;
}

static void fault(struct vmcb *v, u64 gpa)
{
	v->exit_code = SVM_EXIT_NPF;
	v->exit_info1 = BIT(32) | 7;
	v->exit_info2 = gpa;
}

static void normal(const struct vmcb *v)
{
	assert_int_equal(v->nested_cr3, space_root()->npt.root.v);
	assert_false(v->exceptions & BIT(1));
	assert_false(writable(v, HIDDEN) || writable(v, HIDDEN + PAGE_2M - PAGE_4K));
}

/* While it steps: alone, no interrupts, and each entry starts with an empty TLB. */
static void stepping(const struct vmcb *v)
{
	assert_int_equal(v->rflags & (RFLAGS_TF | RFLAGS_IF), RFLAGS_TF);
	assert_true(v->exceptions & BIT(1));
	assert_int_equal(v->tlb_control, 1);
	assert_int_equal(v->clean, 0);
	assert_int_not_equal(v->nested_cr3, space_root()->npt.root.v);
}

static void write_hidden(struct vmcb *v)
{
	normal(v);
	fault(v, HIDDEN + PAGE_2M - PAGE_4K + 0xABC);
}

static void step_over(struct vmcb *v)
{
	stepping(v);
	assert_true(writable(v, HIDDEN + PAGE_2M - PAGE_4K));
	assert_false(writable(v, HIDDEN));
	assert_false(writable(v, HIDDEN + PAGE_2M));
	v->dr6 |= DR6_BS;
	v->exit_code = SVM_EXIT_EXCP_BASE + 1;
}

static void done(struct vmcb *v)
{
	normal(v);
	assert_int_equal(v->tlb_control, 1);
	assert_false(v->dr6 & DR6_BS);
	v->exit_code = SVM_EXIT_VMMCALL;
}

static void write_goes_nowhere(void **state)
{
	static void (*const steps[])(struct vmcb *) = { write_hidden, step_over, done, NULL };
	static const u64 flags[] = { 0, RFLAGS_IF, RFLAGS_TF, RFLAGS_IF | RFLAGS_TF };
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		play(steps, RFLAGS | flags[i]);
		assert_int_equal(state_page()->rflags, RFLAGS | flags[i]);
		assert_int_equal(state_page()->exit.reason, MK_EXIT_HYPERCALL);
		assert_int_equal(state_page()->inject.type, MK_EVENT_NONE);
	}
}

/* An instruction's data may lie on two pages. */
static void write_next(struct vmcb *v)
{
	stepping(v);
	fault(v, HIDDEN + 5 * PAGE_4K);
}

static void write_first(struct vmcb *v)
{
	fault(v, HIDDEN + 4 * PAGE_4K + 0xFFC);
}

static void step_over_both(struct vmcb *v)
{
	stepping(v);
	assert_true(writable(v, HIDDEN + 4 * PAGE_4K));
	assert_true(writable(v, HIDDEN + 5 * PAGE_4K));
	assert_false(writable(v, HIDDEN + 6 * PAGE_4K));
	v->exit_code = SVM_EXIT_EXCP_BASE + 1;
}

static void adjacent_page(void **state)
{
	static void (*const steps[])(struct vmcb *) = { write_first, write_next, step_over_both,
							 done, NULL };

	(void)state;
	play(steps, RFLAGS | RFLAGS_IF);
	assert_int_equal(state_page()->rflags, RFLAGS | RFLAGS_IF);
}

/* ... and those in two chunks of 2 MiB, or the instruction would fault for ever. */
static void write_chunk_end(struct vmcb *v)
{
	fault(v, HIDDEN + PAGE_2M - PAGE_4K + 0xFFC);
}

static void write_next_chunk(struct vmcb *v)
{
	stepping(v);
	fault(v, HIDDEN + PAGE_2M);
}

static void step_over_chunks(struct vmcb *v)
{
	stepping(v);
	assert_true(writable(v, HIDDEN + PAGE_2M - PAGE_4K));
	assert_true(writable(v, HIDDEN + PAGE_2M));
	assert_false(writable(v, HIDDEN + PAGE_2M + PAGE_4K));
	assert_false(writable(v, HIDDEN));
	assert_true(writable(v, ROOT_RAM) && writable(v, MACHINE_HIGH));
	v->exit_code = SVM_EXIT_EXCP_BASE + 1;
}

static void adjacent_chunk(void **state)
{
	static void (*const steps[])(struct vmcb *) = { write_chunk_end, write_next_chunk,
							 step_over_chunks, done, NULL };
	static void (*const again[])(struct vmcb *) = { write_hidden, step_over, done, NULL };

	(void)state;
	play(steps, RFLAGS);
	play(again, RFLAGS);
}

/* One that touches even more goes to ring 3, and doesn't keep the scratch page. */
static void write_third_chunk(struct vmcb *v)
{
	stepping(v);
	fault(v, HIDDEN + 2 * PAGE_2M);
}

static void too_many_chunks(void **state)
{
	static void (*const steps[])(struct vmcb *) = { write_chunk_end, write_next_chunk,
							 write_third_chunk, NULL };
	static void (*const after[])(struct vmcb *) = { write_hidden, step_over, done, NULL };

	(void)state;
	play(steps, RFLAGS | RFLAGS_IF);
	assert_int_equal(state_page()->exit.reason, MK_EXIT_MEM);
	assert_int_equal(state_page()->exit.addr, HIDDEN + 2 * PAGE_2M);
	assert_int_equal(state_page()->rflags, RFLAGS | RFLAGS_IF);
	play(after, RFLAGS);
}

/* --- two CPUs at once --- */

static unsigned int faults_on_1;

static void root_1(struct vmcb *v, u64 *gpr)
{
	(void)gpr;
	if (faults_on_1++ < 3)
		fault(v, HIDDEN);
	else
		v->exit_code = SVM_EXIT_VMMCALL;
	assert_int_equal(v->nested_cr3, space_root()->npt.root.v);
}

/* CPU 0 steps; meanwhile CPU 1 writes too: it faults until the scratch page is free. */
static void step_while_the_other_writes(struct vmcb *v)
{
	stepping(v);
	machine.guest = root_1;
	faults_on_1 = 0;
	assert_int_equal(vs_run(machine_on(1), 1), 0);
	assert_int_equal(faults_on_1, 4);
	machine_on(0);
	machine.guest = root;
	stepping(v);
	v->exit_code = SVM_EXIT_EXCP_BASE + 1;
}

static void other_cpu_waits(void **state)
{
	static void (*const steps[])(struct vmcb *) = { write_first, step_while_the_other_writes,
							 done, NULL };

	(void)state;
	play(steps, RFLAGS);
}

/* --- other exits --- */

static void touch_device(struct vmcb *v)
{
	struct ptab_leaf leaf;

	assert_false(machine_gpa(space_root(), 0xFED00000, &leaf));
	v->exit_int_info = 0x80000B0D;
	fault(v, 0xFED00040);
}

static void device_is_there(struct vmcb *v)
{
	assert_true(writable(v, 0xFED00000));
	assert_int_equal(v->event_inj, 0x80000B0D); /* delivered again */
	assert_false(v->rflags & RFLAGS_TF);
	v->exit_code = SVM_EXIT_VMMCALL;
}

static void device(void **state)
{
	static void (*const steps[])(struct vmcb *) = { touch_device, device_is_there, NULL };

	(void)state;
	play(steps, RFLAGS);
}

static void own_debug_exception(struct vmcb *v)
{
	v->exit_code = SVM_EXIT_EXCP_BASE + 1;
}

static void debug_exceptions_of_root_are_its_own(void **state)
{
	static void (*const steps[])(struct vmcb *) = { own_debug_exception, NULL };

	(void)state;
	play(steps, RFLAGS);
	assert_int_equal(state_page()->exit.reason, MK_EXIT_EXCEPTION);
	assert_int_equal(state_page()->exit.event.vector, 1);
}

static unsigned int log_lines(void)
{
	char text[LOG_BYTES];
	u64 position = 0;
	size_t i, n = log_read(&position, text, sizeof(text));
	unsigned int lines = 0;

	for (i = 0; i + 9 < n; i++)
		lines += !memcmp(text + i, ": ignored", 9);
	return lines;
}

static void log_is_rate_limited(void **state)
{
	static void (*const steps[])(struct vmcb *) = { write_hidden, step_over, done, NULL };
	unsigned int before, i;

	(void)state;
	machine.tsc += 1ULL << 32;
	before = log_lines();
	for (i = 0; i < 10; i++)
		play(steps, RFLAGS);
	assert_int_equal(log_lines(), before + 1);
	machine.tsc += 1ULL << 32;
	play(steps, RFLAGS);
	assert_int_equal(log_lines(), before + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write_goes_nowhere),
		cmocka_unit_test(adjacent_page),
		cmocka_unit_test(adjacent_chunk),
		cmocka_unit_test(too_many_chunks),
		cmocka_unit_test(other_cpu_waits),
		cmocka_unit_test(device),
		cmocka_unit_test(debug_exceptions_of_root_are_its_own),
		cmocka_unit_test(log_is_rate_limited),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
