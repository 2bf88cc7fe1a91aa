// SPDX-License-Identifier: MIT
/*
 * Interrupts, NMIs and exceptions that wait for a guest. mk_state.inject is what the next
 * entry delivers: an exception, or what an exit interrupted. Everything else waits in struct
 * vs_data until nothing is in its way.
 */
#include "exit.h"
#include "run.h"

#define VEC_NMI 2
#define VECTORS_EXCEPTION 32
#define VECTORS 256

/* Exceptions that push an error code: #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX (APM vol. 2, 8.2) */
#define HAS_ERROR 0x60227D00U

static int can_interrupt(const struct mk_state *st)
{
	return st->rflags & RFLAGS_IF && !st->shadow;
}

int event_waits(const struct mk_state *st)
{
	return st->inject.type != MK_EVENT_NONE ||
	       state_data((struct mk_state *)st)->intr != INTR_NONE;
}

static void nmi_deliver(struct mk_state *st)
{
	struct vs_data *data = state_data(st);

	st->inject = (struct mk_event){ .type = MK_EVENT_NMI, .vector = VEC_NMI };
	data->nmi_pending--;
	data->nmi_masked = 1;
	data->nmi_iret = 0;
}

static void intr_deliver(struct mk_state *st)
{
	struct vs_data *data = state_data(st);

	st->inject = (struct mk_event){ .type = MK_EVENT_INTR, .vector = data->intr_vector };
	data->intr = INTR_NONE;
}

/* An interrupt that must come now has been acknowledged to the guest's devices already. */
static void choose(struct mk_state *st)
{
	const struct vs_data *data = state_data(st);

	if (st->inject.type != MK_EVENT_NONE)
		return;
	if (data->intr == INTR_NOW)
		intr_deliver(st);
	else if (data->nmi_pending && !data->nmi_masked && !st->shadow)
		nmi_deliver(st);
	else if (data->intr == INTR_QUEUED && can_interrupt(st))
		intr_deliver(st);
}

/*
 * An NMI behind an interrupt shadow or an IRET has no window of its own: the one for
 * interrupts comes at the right moment when that turns them on, else the next exit must do.
 * When the guest can take interrupts already, asking would only keep it from the IRET.
 */
static uint8_t windows(const struct run *r)
{
	const struct vs_data *data = state_data(r->vs.st);
	int nmi = data->nmi_pending && (!data->nmi_masked || data->nmi_iret) &&
		  !can_interrupt(r->vs.st);
	uint8_t window = 0;

	if (data->run_flags & MV_RUN_FLAG_WINDOW || data->intr != INTR_NONE || nmi)
		window |= MK_WINDOW_INTR;
	if (data->nmi_masked && !data->nmi_iret)
		window |= MK_WINDOW_IRET;
	if (data->run_flags & MV_RUN_FLAG_MSR_ALL)
		window |= MK_WINDOW_MSR;
	return window;
}

__attribute__((noinline)) void event_enter(struct run *r)
{
	struct mk_state *st = r->vs.st;
	struct vs_data *data = state_data(st);

	choose(st);
	if (data->run_flags & MV_RUN_FLAG_WINDOW && can_interrupt(st) && !event_waits(st)) {
		run_leave(r, mv_exit_reason_t_window);
		return;
	}
	st->window = windows(r);
	if (st->inject.type != MK_EVENT_NONE)
		data->stats.delivered[st->inject.type]++;
}

__attribute__((noinline)) void event_exit(struct run *r)
{
	struct vs_data *data = state_data(r->vs.st);

	if (data->nmi_iret && walk_linear_rip(&r->vs) != data->iret_rip)
		data->nmi_masked = data->nmi_iret = 0;
}

/* Makes room in mk_state.inject: what was to be delivered there waits. */
static void displace(struct mk_state *st)
{
	struct vs_data *data = state_data(st);

	if (st->inject.type == MK_EVENT_INTR) {
		data->intr = INTR_NOW;
		data->intr_vector = st->inject.vector;
	} else if (st->inject.type == MK_EVENT_NMI) {
		data->nmi_masked = 0;
		data->nmi_pending += data->nmi_pending < 2;
	}
	st->inject = (struct mk_event){ .type = MK_EVENT_NONE };
}

mv_status_t hc_vs_inject_exception(struct call *c)
{
	uint64_t vector = c->reg[2], error = c->reg[3];
	mv_status_t status;
	struct vs vs;

	if (vector >= VECTORS_EXCEPTION || vector == VEC_NMI)
		return MV_STATUS_INVALID_INPUT_REG2;
	if (error >> 32 || (error && !(HAS_ERROR >> vector & 1)))
		return MV_STATUS_INVALID_INPUT_REG3;
	status = vs_take(c, &vs);
	if (status != MV_STATUS_SUCCESS)
		return status;
	displace(vs.st);
	exit_inject(vs.st, vector, HAS_ERROR >> vector & 1, error);
	vs_drop(c, &vs);
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_vs_queue_interrupt(struct call *c)
{
	uint64_t vector = c->reg[2], flags = c->reg[3];
	struct vs_data *data;
	mv_status_t status;
	struct vs vs;

	if (vector >= VECTORS)
		return MV_STATUS_INVALID_INPUT_REG2;
	if (flags & ~MV_INTERRUPT_NOW)
		return MV_STATUS_INVALID_INPUT_REG3;
	status = vs_take(c, &vs);
	if (status != MV_STATUS_SUCCESS)
		return status;
	data = state_data(vs.st);
	data->intr = flags & MV_INTERRUPT_NOW ? INTR_NOW : INTR_QUEUED;
	data->intr_vector = vector;
	if (vs.st->inject.type == MK_EVENT_INTR)
		vs.st->inject = (struct mk_event){ .type = MK_EVENT_NONE };
	vs_drop(c, &vs);
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_vs_queue_nmi(struct call *c)
{
	struct vs_data *data;
	mv_status_t status;
	struct vs vs;

	status = vs_take(c, &vs);
	if (status != MV_STATUS_SUCCESS)
		return status;
	data = state_data(vs.st);
	if (data->nmi_pending < (data->nmi_masked ? 1 : 2))
		data->nmi_pending++;
	vs_drop(c, &vs);
	return MV_STATUS_SUCCESS;
}

static void events_read(struct mk_state *st, struct mv_events_t *events)
{
	const struct vs_data *data = state_data(st);
	const struct mk_event *e = &st->inject;

	memset(events, 0, sizeof(*events));
	if (e->type == MK_EVENT_EXCEPTION) {
		events->exception = 1;
		events->exception_vector = e->vector;
		events->exception_has_error = e->has_error;
		events->exception_error = e->error;
	}
	events->interrupt = e->type == MK_EVENT_INTR || data->intr != INTR_NONE;
	events->interrupt_vector = e->type == MK_EVENT_INTR ? e->vector : data->intr_vector;
	events->nmi = e->type == MK_EVENT_NMI;
	events->nmi_pending = data->nmi_pending;
	events->nmi_masked = data->nmi_masked;
	events->shadow = !!st->shadow;
}

mv_status_t hc_vs_events_get(struct call *c)
{
	mv_status_t status;
	struct vs vs;

	if (!cpus[c->cpu].shared)
		return MV_STATUS_FAILURE_UNKNOWN;
	status = vs_take(c, &vs);
	if (status != MV_STATUS_SUCCESS)
		return status;
	events_read(vs.st, mk_shared());
	vs_drop(c, &vs);
	return MV_STATUS_SUCCESS;
}

static int events_valid(const struct mv_events_t *events)
{
	if ((events->exception | events->exception_has_error | events->interrupt | events->nmi |
	     events->nmi_masked | events->shadow) > 1)
		return 0;
	if (events->exception &&
	    (events->exception_vector >= VECTORS_EXCEPTION || events->exception_vector == VEC_NMI))
		return 0;
	return events->nmi_pending <= 2;
}

/* With an exception before it, an NMI to be delivered is the first of those that wait. */
static void events_write(struct mk_state *st, const struct mv_events_t *events)
{
	struct vs_data *data = state_data(st);

	data->nmi_pending = events->nmi_pending;
	data->nmi_masked = events->nmi_masked;
	data->nmi_iret = 0;
	data->intr = events->interrupt ? INTR_NOW : INTR_NONE;
	data->intr_vector = events->interrupt_vector;
	st->shadow = events->shadow;
	st->inject = (struct mk_event){ .type = MK_EVENT_NONE };
	if (events->nmi)
		st->inject = (struct mk_event){ .type = MK_EVENT_NMI, .vector = VEC_NMI };
	if (!events->exception)
		return;
	displace(st);
	exit_inject(st, events->exception_vector, events->exception_has_error,
		    events->exception_error);
}

mv_status_t hc_vs_events_set(struct call *c)
{
	struct mv_events_t events;
	mv_status_t status;
	struct vs vs;

	if (!cpus[c->cpu].shared)
		return MV_STATUS_FAILURE_UNKNOWN;
	copy_once(&events, mk_shared(), offsetof(struct mv_events_t, reserved));
	if (!events_valid(&events))
		return MV_STATUS_FAILURE_UNKNOWN;
	status = vs_take(c, &vs);
	if (status != MV_STATUS_SUCCESS)
		return status;
	events_write(vs.st, &events);
	vs_drop(c, &vs);
	return MV_STATUS_SUCCESS;
}
