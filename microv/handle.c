// SPDX-License-Identifier: MIT
/*
 * The hypercalls that tell versions and open the handle, and the debug ones. The root VM
 * has one handle: a cookie that a stale caller can't guess by accident.
 */
#include "crash.h"
#include "hypercall.h"
#include "log.h"

static uint64_t open_handle; /* 0: closed */

int handle_is_open(uint64_t handle)
{
	return __atomic_load_n(&open_handle, __ATOMIC_ACQUIRE) == handle && handle;
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
	crash_on(NULL, c->reg[0]);
	return MV_STATUS_SUCCESS;
}

/* 16 bytes of the log in REG2 and REG3, for who has no shared page. */
static mv_status_t log_to_registers(struct call *c)
{
	uint64_t at = c->reg[1], text[2] = { 0 };
	int64_t len = mk_log_read(&at, text, sizeof(text));

	if (len < 0 || (uint64_t)len > sizeof(text))
		return MV_STATUS_FAILURE_UNKNOWN;
	c->reg[0] = len;
	c->reg[1] = at + len;
	c->reg[2] = text[0];
	c->reg[3] = text[1];
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_debug_log_read(struct call *c)
{
	uint64_t pos = c->reg[1], at = pos;
	char *page = mk_shared();
	uint64_t done = 0;
	int64_t len;

	if (c->reg[2] > 1)
		return MV_STATUS_INVALID_INPUT_REG2;
	if (c->reg[2])
		return log_to_registers(c);
	if (!cpus[c->cpu].shared)
		return MV_STATUS_FAILURE_UNKNOWN;
	/* The microkernel gives a part at a time; only the first can begin later than asked. */
	do {
		len = mk_log_read(&at, page + done, MV_PAGE_SIZE - done);
		if (len < 0 || (uint64_t)len > MV_PAGE_SIZE - done)
			return MV_STATUS_FAILURE_UNKNOWN;
		if (done && at != pos)
			break;
		pos = at + len;
		done += len;
		at = pos;
	} while (len && done < MV_PAGE_SIZE);
	c->reg[0] = done;
	c->reg[1] = pos;
	return MV_STATUS_SUCCESS;
}
