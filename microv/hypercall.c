// SPDX-License-Identifier: MIT
/*
 * From a VMMCALL of the root VM to the function that serves it: one table per group, made
 * from the list in mv_abi.h. What is not in it is unsupported.
 */
#include "hypercall.h"
#include "exit.h"
#include "run.h"

#define FN_NO(group, name) NULL
#define FN_YES(group, name) hc_##group##_##name
#define ENTRY(GROUP, group, idx, NAME, name, origin, state, ...) [idx] = FN_##state(group, name),

static hypercall_fn *const id_table[] = { MV_HC_ID(ENTRY) };
static hypercall_fn *const handle_table[] = { MV_HC_HANDLE(ENTRY) };
static hypercall_fn *const debug_table[] = { MV_HC_DEBUG(ENTRY) };
static hypercall_fn *const pp_table[] = { MV_HC_PP(ENTRY) };
static hypercall_fn *const vm_table[] = { MV_HC_VM(ENTRY) };
static hypercall_fn *const vp_table[] = { MV_HC_VP(ENTRY) };
static hypercall_fn *const vs_table[] = { MV_HC_VS(ENTRY) };

#define GROUP_ENTRY(GROUP, group, op) [op] = { group##_table, ARRAY_SIZE(group##_table) },

static const struct {
	hypercall_fn *const *fn;
	unsigned int count;
} groups[] = { MV_OPS(GROUP_ENTRY) };

static hypercall_fn *find(unsigned int op, unsigned int idx)
{
	if (op >= ARRAY_SIZE(groups) || idx >= groups[op].count)
		return NULL;
	return groups[op].fn[idx];
}

/* These four work before a handle is open, or when its owner is gone. */
static int needs_handle(uint64_t rax)
{
	switch (rax & (MV_HYPERCALL_OPCODE_NOSIG_MASK | MV_HYPERCALL_INDEX_MASK)) {
	case MV_ID_OP << 16 | MV_ID_OP_VERSION_IDX_VAL:
	case MV_HANDLE_OP << 16 | MV_HANDLE_OP_OPEN_HANDLE_IDX_VAL:
	case MV_DEBUG_OP << 16 | MV_DEBUG_OP_OUT_IDX_VAL:
	case MV_PP_OP << 16 | MV_PP_OP_STOP_IDX_VAL:
		return 0;
	}
	return 1;
}

static mv_status_t dispatch(struct call *c, uint64_t rax)
{
	hypercall_fn *fn = find(rax >> 16 & 0xFFFF, rax & MV_HYPERCALL_INDEX_MASK);

	if (!fn)
		return MV_STATUS_FAILURE_UNSUPPORTED;
	if (!handle_is_open(c->reg[0]) && needs_handle(rax))
		return MV_STATUS_FAILURE_INVALID_HANDLE;
	return fn(c);
}

static void finish(struct mk_state *st, mv_status_t status)
{
	st->gpr[MK_RAX] = status;
	/* VMMCALL is three bytes (APM vol. 3); prefixes make it longer only where len tells. */
	st->rip += 3;
	if (__builtin_expect(st->exit.len, 0))
		st->rip += st->exit.len - 3;
}

void hypercall(unsigned int cpu, struct mk_state *st)
{
	struct call c = { .cpu = cpu, .reg = &st->gpr[MK_R10] };
	uint64_t rax = st->gpr[MK_RAX];
	struct cpu *here = &cpus[cpu];

	if (st->exit.cpl || !st->exit.long_mode ||
	    (rax & MV_HYPERCALL_SIG_MASK) != MV_HYPERCALL_SIG_VAL) {
		exit_inject_ud(st);
		return;
	}

	here->calling = CALLING;
	finish(st, dispatch(&c, rax));
	here->calling = 0;
	if (c.stop)
		mk_cpu_stop();
}

void hypercall_abort(unsigned int cpu, struct mk_state *st)
{
	struct call c = { .cpu = cpu, .reg = &st->gpr[MK_R10] };
	mv_status_t status = MV_STATUS_FAILURE_UNKNOWN;

	if (!cpus[cpu].calling)
		return;
	if (cpus[cpu].calling == CALLING_RUN && cpus[cpu].busy)
		status = run_crashed(&c);
	cpus[cpu].calling = 0;
	finish(st, status);
}
