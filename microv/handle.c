// SPDX-License-Identifier: MIT
/*
 * The hypercalls that tell versions and open the handle, and the debug ones. The root VM
 * has one handle: a cookie that a stale caller can't guess by accident.
 */
#include "hypercall.h"
#include "log.h"

static uint64_t open_handle; /* 0: closed */

int handle_is_open(uint64_t handle)
{
	return handle && handle == __atomic_load_n(&open_handle, __ATOMIC_ACQUIRE);
}

mv_status_t hc_id_version(struct call *c)
{
	c->reg[0] = MV_ALL_SPECS_SUPPORTED_VAL;
	return MV_STATUS_SUCCESS;
}

/* Never 0 and never MV_INVALID_HANDLE: bit 0 is set, bit 63 isn't. */
static uint64_t new_handle(void)
{
	return (rdtsc() * 0x9E3779B97F4A7C15ULL >> 1) | 1;
}

mv_status_t hc_handle_open_handle(struct call *c)
{
	uint64_t fresh = new_handle(), current = 0;

	if ((uint32_t)c->reg[0] != MV_SPEC_ID1_VAL)
		return MV_STATUS_INVALID_INPUT_REG0;
	if (!__atomic_compare_exchange_n(&open_handle, &current, fresh, 0, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		fresh = current;
	c->reg[0] = fresh;
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_handle_close_handle(struct call *c)
{
	(void)c;
	__atomic_store_n(&open_handle, 0, __ATOMIC_RELEASE);
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_debug_out(struct call *c)
{
	LOG("debug_out", c->reg[0], c->reg[1]);
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_debug_log_read(struct call *c)
{
	uint64_t pos = c->reg[1];
	int64_t len;

	if (!cpus[c->cpu].shared)
		return MV_STATUS_FAILURE_UNKNOWN;
	len = mk_log_read(&pos, mk_shared(), MV_PAGE_SIZE);
	if (len < 0)
		return MV_STATUS_FAILURE_UNKNOWN;
	c->reg[0] = len;
	c->reg[1] = pos + len;
	return MV_STATUS_SUCCESS;
}
