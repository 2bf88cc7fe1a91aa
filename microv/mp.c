// SPDX-License-Identifier: MIT
/*
 * The multiprocessing state of a VS: has it run, does it wait for an interrupt (HLT), for a
 * SIPI (after INIT), or has it got one. A run goes on from any state but init.
 */
#include "mp.h"
#include "run.h"

int mp_enter(struct run *r)
{
	struct vs_data *data = state_data(r->vs.st);

	if (data->mp == mv_mp_state_t_init) {
		run_leave_hlt(r, mv_hlt_t_wait);
		return -1;
	}
	data->mp = mv_mp_state_t_running;
	return 0;
}

/* Real mode, at the start of the page that the vector names (APM vol. 2, 15.27.8). */
static void sipi(struct mk_state *st, uint8_t vector)
{
	st->seg[MK_CS].selector = vector << 8;
	st->seg[MK_CS].base = vector << 12;
	st->rip = 0;
}

static mv_status_t mp_set(struct vs *vs, uint64_t mp, uint64_t vector)
{
	struct vs_data *data = state_data(vs->st);

	switch (mp) {
	case mv_mp_state_t_running:
	case mv_mp_state_t_wait:
		break;
	case mv_mp_state_t_init:
		state_init(vs->id, vs->st);
		break;
	case mv_mp_state_t_sipi:
		if (data->mp != mv_mp_state_t_init)
			return MV_STATUS_INVALID_INPUT_REG2;
		if (vector > 0xFF)
			return MV_STATUS_INVALID_INPUT_REG3;
		sipi(vs->st, vector);
		break;
	default:
		return MV_STATUS_INVALID_INPUT_REG2;
	}
	data->mp = mp;
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_vs_mp_state_get(struct call *c)
{
	struct vs vs;
	mv_status_t status = vs_take(c, &vs);

	if (status != MV_STATUS_SUCCESS)
		return status;
	c->reg[0] = state_data(vs.st)->mp;
	vs_drop(c, &vs);
	return status;
}

mv_status_t hc_vs_mp_state_set(struct call *c)
{
	struct vs vs;
	mv_status_t status = vs_take(c, &vs);

	if (status != MV_STATUS_SUCCESS)
		return status;
	status = mp_set(&vs, c->reg[2], c->reg[3]);
	vs_drop(c, &vs);
	return status;
}
