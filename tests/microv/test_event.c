// SPDX-License-Identifier: MIT
/* Interrupts, NMIs and exceptions that wait: the hypercalls, the order, the windows. */
#include "fake.h"

#define SUCCESS MV_STATUS_SUCCESS

static unsigned int id;
static struct mk_state *st;

static int setup(void **state)
{
	fake_reset(state);
	id = fake_vs_64(0x400000);
	st = mk_state(id);
	st->rflags = RFLAGS_FIXED | RFLAGS_IF;
	return 0;
}

#define EXIT(...) fake_exit(&(struct mk_exit){ __VA_ARGS__ })
#define QUEUE(vector, flags) HC(0, VS, QUEUE_INTERRUPT, id, vector, flags)

/* One entry that an interrupt of root ends. */
static void enter_once(void)
{
	EXIT(.reason = MK_EXIT_INTR);
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_interrupt);
}

static void assert_injected(enum mk_event_type type, uint8_t vector)
{
	assert_int_equal(fake_hw(id)->inject.type, type);
	assert_int_equal(fake_hw(id)->inject.vector, vector);
}

static void assert_nothing_injected(void)
{
	assert_int_equal(fake_hw(id)->inject.type, MK_EVENT_NONE);
}

static struct mv_events_t *events(void)
{
	assert_int_equal(HC(0, VS, EVENTS_GET, id, 0, 0), SUCCESS);
	return (struct mv_events_t *)fake_shared;
}

static void bad_input(void **state)
{
	(void)state;
	assert_int_equal(QUEUE(256, 0), MV_STATUS_INVALID_INPUT_REG2);
	assert_int_equal(QUEUE(0x1000000020, 0), MV_STATUS_INVALID_INPUT_REG2);
	assert_int_equal(QUEUE(32, 2), MV_STATUS_INVALID_INPUT_REG3);
	assert_int_equal(HC(0, VS, INJECT_EXCEPTION, id, 32, 0), MV_STATUS_INVALID_INPUT_REG2);
	assert_int_equal(HC(0, VS, INJECT_EXCEPTION, id, 2, 0), MV_STATUS_INVALID_INPUT_REG2);
	assert_int_equal(HC(0, VS, INJECT_EXCEPTION, id, 6, 1), MV_STATUS_INVALID_INPUT_REG3);
	assert_int_equal(HC(0, VS, INJECT_EXCEPTION, id, 13, 1ULL << 32),
			 MV_STATUS_INVALID_INPUT_REG3);
	for (unsigned int vs = 0; vs <= id + 1; vs += id + 1) {
		assert_int_equal(HC(0, VS, QUEUE_INTERRUPT, vs, 32, 0), MV_STATUS_INVALID_INPUT_REG1);
		assert_int_equal(HC(0, VS, INJECT_EXCEPTION, vs, 6, 0), MV_STATUS_INVALID_INPUT_REG1);
		assert_int_equal(HC(0, VS, QUEUE_NMI, vs, 0, 0), MV_STATUS_INVALID_INPUT_REG1);
		assert_int_equal(HC(0, VS, EVENTS_GET, vs, 0, 0), MV_STATUS_INVALID_INPUT_REG1);
	}
	enter_once();
	assert_nothing_injected();
	assert_int_equal(st->window, 0);
}

static void interrupt_at_once(void **state)
{
	(void)state;
	assert_int_equal(QUEUE(255, 0), SUCCESS);
	enter_once();
	assert_injected(MK_EVENT_INTR, 255);
	assert_int_equal(st->window, 0);
	enter_once();
	assert_nothing_injected();
}

static void interrupt_waits_for_its_window(void **state)
{
	(void)state;
	st->rflags &= ~RFLAGS_IF;
	QUEUE(32, 0);
	enter_once();
	assert_nothing_injected();
	assert_int_equal(st->window, MK_WINDOW_INTR);
	st->rflags |= RFLAGS_IF;
	st->shadow = 1;
	enter_once();
	assert_nothing_injected();
	assert_int_equal(st->window, MK_WINDOW_INTR);
	st->shadow = 0;
	enter_once();
	assert_injected(MK_EVENT_INTR, 32);
}

static void interrupt_now(void **state)
{
	(void)state;
	st->rflags &= ~RFLAGS_IF;
	QUEUE(32, 0);
	QUEUE(33, MV_INTERRUPT_NOW);
	enter_once();
	assert_injected(MK_EVENT_INTR, 33);
	enter_once();
	assert_nothing_injected();
}

static void exception_comes_first(void **state)
{
	(void)state;
	QUEUE(32, 0);
	assert_int_equal(HC(0, VS, INJECT_EXCEPTION, id, 14, 6), SUCCESS);
	enter_once();
	assert_injected(MK_EVENT_EXCEPTION, 14);
	assert_int_equal(fake_hw(id)->inject.has_error, 1);
	assert_int_equal(fake_hw(id)->inject.error, 6);
	assert_int_equal(st->window, MK_WINDOW_INTR);
	enter_once();
	assert_injected(MK_EVENT_INTR, 32);
}

/* An interrupt that an exit interrupted is not lost behind an exception. */
static void displaced_interrupt(void **state)
{
	(void)state;
	EXIT(.reason = MK_EXIT_INTR, .interrupted = { MK_EVENT_INTR, 77, 0, 0, 0 });
	fake_run(id);
	assert_int_equal(events()->interrupt, 1);
	assert_int_equal(events()->interrupt_vector, 77);
	HC(0, VS, INJECT_EXCEPTION, id, 6, 0);
	enter_once();
	assert_injected(MK_EVENT_EXCEPTION, 6);
	enter_once();
	assert_injected(MK_EVENT_INTR, 77);
}

static mv_status_t run_for_window(void)
{
	memset(fake_shared, 0, sizeof(fake_shared));
	((struct mv_run_t *)fake_shared)->flags = MV_RUN_FLAG_WINDOW;
	return fake_run_input(id);
}

static void window_of_the_caller(void **state)
{
	(void)state;
	assert_int_equal(run_for_window(), SUCCESS);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_window);
	assert_int_equal(fake.runs, 0);

	st->rflags &= ~RFLAGS_IF;
	EXIT(.reason = MK_EXIT_INTR);
	assert_int_equal(run_for_window(), SUCCESS);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_interrupt);
	assert_int_equal(st->window, MK_WINDOW_INTR);
	/* an event in the way is delivered first */
	st->rflags |= RFLAGS_IF;
	QUEUE(32, 0);
	EXIT(.reason = MK_EXIT_WINDOW);
	assert_int_equal(run_for_window(), SUCCESS);
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_window);
	assert_injected(MK_EVENT_INTR, 32);
	assert_int_equal(fake.runs, 2);
}

static void exit_state_tells_of_events(void **state)
{
	const struct mv_exit_state_t *page = (void *)(fake_shared + MV_EXIT_STATE_OFFSET);

	(void)state;
	st->rflags &= ~RFLAGS_IF;
	enter_once();
	assert_int_equal(page->flags, 0);
	QUEUE(32, 0);
	enter_once();
	assert_int_equal(page->flags, MV_EXIT_STATE_EVENT);
}

static void nmi_until_iret(void **state)
{
	(void)state;
	st->rflags &= ~RFLAGS_IF;
	assert_int_equal(HC(0, VS, QUEUE_NMI, id, 0, 0), SUCCESS);
	enter_once();
	assert_injected(MK_EVENT_NMI, 2);
	assert_int_equal(st->window, MK_WINDOW_IRET);
	assert_int_equal(events()->nmi_masked, 1);
	for (int i = 0; i < 3; i++)
		HC(0, VS, QUEUE_NMI, id, 0, 0);
	assert_int_equal(events()->nmi_pending, 1);
	enter_once();
	assert_nothing_injected();

	/* IRET itself still runs with NMIs off */
	EXIT(.reason = MK_EXIT_IRET);
	enter_once();
	assert_nothing_injected();
	assert_int_equal(st->window, MK_WINDOW_INTR);
	assert_int_equal(events()->nmi_masked, 1);
	st->rip += 2;
	EXIT(.reason = MK_EXIT_WINDOW);
	enter_once();
	assert_injected(MK_EVENT_NMI, 2);
	assert_int_equal(events()->nmi_pending, 0);
}

/* The handler has turned interrupts on: no window that is open before IRET is executed. */
static void iret_with_interrupts_on(void **state)
{
	(void)state;
	HC(0, VS, QUEUE_NMI, id, 0, 0);
	enter_once();
	HC(0, VS, QUEUE_NMI, id, 0, 0);
	EXIT(.reason = MK_EXIT_IRET);
	enter_once();
	assert_nothing_injected();
	assert_int_equal(st->window, 0);
	st->rip += 2;
	EXIT(.reason = MK_EXIT_CPUID, .len = 2);
	enter_once();
	assert_injected(MK_EVENT_NMI, 2);
}

static void nmi_before_interrupt(void **state)
{
	(void)state;
	QUEUE(32, 0);
	HC(0, VS, QUEUE_NMI, id, 0, 0);
	HC(0, VS, QUEUE_NMI, id, 0, 0);
	HC(0, VS, QUEUE_NMI, id, 0, 0);
	assert_int_equal(events()->nmi_pending, 2);
	enter_once();
	assert_injected(MK_EVENT_NMI, 2);
	assert_int_equal(st->window, MK_WINDOW_INTR | MK_WINDOW_IRET);
	enter_once();
	assert_injected(MK_EVENT_INTR, 32);
}

static void nmi_waits_for_the_shadow(void **state)
{
	(void)state;
	st->shadow = 1;
	HC(0, VS, QUEUE_NMI, id, 0, 0);
	enter_once();
	assert_nothing_injected();
	assert_int_equal(st->window, MK_WINDOW_INTR);
	st->shadow = 0;
	enter_once();
	assert_injected(MK_EVENT_NMI, 2);
}

static mv_status_t set(struct mv_events_t e)
{
	memcpy(fake_shared, &e, sizeof(e));
	return HC(0, VS, EVENTS_SET, id, 0, 0);
}

static void events_there_and_back(void **state)
{
	const struct mv_events_t e = {
		.exception = 1, .exception_vector = 13, .exception_has_error = 1, .exception_error = 8,
		.interrupt = 1, .interrupt_vector = 200, .nmi_pending = 2, .nmi_masked = 1,
		.shadow = 1,
	};

	(void)state;
	assert_int_equal(set(e), SUCCESS);
	assert_memory_equal(events(), &e, sizeof(e));
	assert_int_equal(st->shadow, 1);
	enter_once();
	assert_injected(MK_EVENT_EXCEPTION, 13);
	enter_once();
	assert_injected(MK_EVENT_INTR, 200);
	assert_int_equal(set((struct mv_events_t){ .nmi = 1 }), SUCCESS);
	assert_int_equal(events()->nmi, 1);
	enter_once();
	assert_injected(MK_EVENT_NMI, 2);
}

static void bad_events(void **state)
{
	static const struct mv_events_t bad[] = {
		{ .exception = 2 },	   { .exception = 1, .exception_vector = 2 },
		{ .exception = 1, .exception_vector = 32 },
		{ .interrupt = 2 },	   { .nmi = 2 },
		{ .nmi_pending = 3 },	   { .nmi_masked = 0xFF },
		{ .shadow = 2 },	   { .exception_has_error = 2 },
	};

	(void)state;
	QUEUE(32, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(set(bad[i]), MV_STATUS_FAILURE_UNKNOWN);
	assert_int_equal(events()->interrupt, 1);
	HC(0, PP, CLR_SHARED_PAGE_GPA, 0, 0, 0);
	assert_int_equal(HC(0, VS, EVENTS_GET, id, 0, 0), MV_STATUS_FAILURE_UNKNOWN);
	assert_int_equal(HC(0, VS, EVENTS_SET, id, 0, 0), MV_STATUS_FAILURE_UNKNOWN);
}

/* A CPU after INIT has nothing waiting. */
static void shutdown_clears_all(void **state)
{
	(void)state;
	st->rflags &= ~RFLAGS_IF;
	QUEUE(32, 0);
	HC(0, VS, QUEUE_NMI, id, 0, 0);
	EXIT(.reason = MK_EXIT_SHUTDOWN);
	assert_int_equal(fake_run(id), SUCCESS);
	assert_int_equal(events()->interrupt, 0);
	assert_int_equal(events()->nmi_masked, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	static const struct CMUnitTest tests[] = {
		TEST(bad_input),
		TEST(interrupt_at_once),
		TEST(interrupt_waits_for_its_window),
		TEST(interrupt_now),
		TEST(exception_comes_first),
		TEST(displaced_interrupt),
		TEST(window_of_the_caller),
		TEST(exit_state_tells_of_events),
		TEST(nmi_until_iret),
		TEST(iret_with_interrupts_on),
		TEST(nmi_before_interrupt),
		TEST(nmi_waits_for_the_shadow),
		TEST(events_there_and_back),
		TEST(bad_events),
		TEST(shutdown_clears_all),
	};

	return cmocka_run_group_tests_name("microv event", tests, NULL, NULL);
}
