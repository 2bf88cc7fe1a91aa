// SPDX-License-Identifier: MIT
/* Exits of guests: what MicroV does for the guest itself, and what it tells root. */
#include "cpuid.h"
#include "crash.h"
#include "exit.h"
#include "log.h"
#include "msr.h"
#include "run.h"
#include "stats.h"
#include "xcr.h"

#define DR7_GD (1ULL << 13)

/* A guest without a CPUID of its own reads zeros, as with KVM. */
static __attribute__((noinline)) void guest_cpuid_rarely(struct run *r)
{
	uint64_t *gpr = r->vs.st->gpr;
	struct mv_cdl_entry_t e = { .fun = gpr[MK_RAX], .idx = gpr[MK_RCX] };

	crash_on(&r->vs, gpr[MK_RAX]);
	if (msr_cpuid_faults(&r->vs) && walk_cpl(&r->vs)) {
		exit_inject_gp(r->vs.st);
		return;
	}
	cpuid_read(&r->vs, &e);
	gpr[MK_RAX] = e.eax;
	gpr[MK_RBX] = e.ebx;
	gpr[MK_RCX] = e.ecx;
	gpr[MK_RDX] = e.edx;
	run_skip(r, 2);
}

static void guest_cpuid(struct run *r)
{
	if (!msr_cpuid_faults(&r->vs) && cpuid_show(&r->vs))
		run_skip(r, 2);
	else
		guest_cpuid_rarely(r);
}

static void guest_hlt(struct run *r)
{
	run_skip(r, 1);
	if (r->done || r->vs.st->inject.type != MK_EVENT_NONE)
		return;
	state_data(r->vs.st)->mp = mv_mp_state_t_wait;
	run_leave_hlt(r, mv_hlt_t_wait);
}

/* KVM's answers to a hypercall that it doesn't know, or that doesn't come from the kernel. */
#define KVM_ENOSYS 1000
#define KVM_EPERM 1

/* MicroV's own hypercalls are for the root VM; all others are as under KVM. */
static uint64_t hypercall_answer(struct run *r)
{
	int64_t ret = walk_cpl(&r->vs) ? -KVM_EPERM : -KVM_ENOSYS;

	if (!walk_long_mode(&r->vs))
		return (uint32_t)ret;
	if ((r->vs.st->gpr[MK_RAX] & MV_HYPERCALL_SIG_MASK) == MV_HYPERCALL_SIG_VAL)
		return MV_STATUS_INVALID_PERM_DENIED;
	return ret;
}

static void guest_hypercall(struct run *r)
{
	r->vs.st->gpr[MK_RAX] = hypercall_answer(r);
	run_skip(r, 3);
}

static void guest_xsetbv(struct run *r)
{
	struct mk_state *st = r->vs.st;
	uint64_t value = (uint32_t)st->gpr[MK_RAX] | st->gpr[MK_RDX] << 32;

	/* Without a CPUID the guest has x87 only. */
	if (walk_cpl(&r->vs) || (uint32_t)st->gpr[MK_RCX] ||
	    !xcr0_valid(value, cpuid_xcr0(&r->vs))) {
		exit_inject_gp(st);
		return;
	}
	st->xcr0 = value;
	st->dirty |= MK_G_XCR;
	run_skip(r, 3);
}

static void guest_skip_2(struct run *r)
{
	run_skip(r, 2);
}

/* MONITOR and MWAIT do nothing, as with KVM. */
static void guest_mwait(struct run *r)
{
	if (state_data(r->vs.st)->run_flags & MV_RUN_FLAG_MWAIT_UD && !cpuid_mwait(&r->vs))
		exit_inject_ud(r->vs.st);
	else
		run_skip(r, 3);
}

static void guest_ud(struct run *r)
{
	exit_inject_ud(r->vs.st);
}

static void guest_gp(struct run *r)
{
	exit_inject_gp(r->vs.st);
}

/*
 * A guest made for Intel's CPUs says VMCALL: as KVM does it, that is replaced in its memory, and
 * executed anew. 0: this #UD is the guest's own.
 */
static int vmcall_fixed(struct run *r)
{
	static const uint8_t vmcall[] = { 0x0F, 0x01, 0xC1 }, vmmcall[] = { 0x0F, 0x01, 0xD9 };
	struct fault fault;
	struct insn insn;
	uint64_t gla = walk_linear_rip(&r->vs);
	int err = insn_fetch(r->c->cpu, &r->vs, &insn, &fault);

	if (err == -MK_EAGAIN) {
		run_ask(r, 0);
		return 1;
	}
	if (err || memcmp(insn.bytes + insn.prefixes, vmcall, sizeof(vmcall)))
		return 0;
	if (walk_cpl(&r->vs)) {
		exit_inject_gp(r->vs.st);
		return 1;
	}
	if (state_data(r->vs.st)->run_flags & MV_RUN_FLAG_VMCALL_UD)
		return 0;
	run_failed(r,
		   walk_copy(r->c->cpu, &r->vs, gla + insn.prefixes, (void *)vmmcall,
			     sizeof(vmmcall), WALK_WRITE, &fault),
		   &fault);
	return 1;
}

/* A #DB that isn't intercepted takes the general-detect bit along (APM vol. 2, 13.1.1.4). */
static void debug_trap(struct run *r)
{
	state_fetch(r->vs.id, r->vs.st, MK_G_DR);
	if (!(r->vs.st->dr7 & DR7_GD))
		return;
	r->vs.st->dr7 &= ~DR7_GD;
	r->vs.st->dirty |= MK_G_DR;
}

static void guest_exception(struct run *r)
{
	const struct mk_exit *exit = &r->vs.st->exit;
	struct fault fault = {
		.vector = exit->event.vector,
		.error = exit->event.error,
		.addr = exit->addr,
	};

	if (fault.vector == VEC_UD && vmcall_fixed(r))
		return;
	if (fault.vector == VEC_DB)
		debug_trap(r);
	run_fault(r, &fault);
	r->vs.st->inject = exit->event;
}

/* KVM on AMD gives user space a CPU after INIT, since the CPU's own state is undefined. */
static void guest_shutdown(struct run *r)
{
	state_init(r->vs.id, r->vs.st);
	r->vs.st->exit.interrupted.type = MK_EVENT_NONE; /* it is gone */
	run_leave_hlt(r, mv_hlt_t_vm_crash);
}

static void guest_invalid(struct run *r)
{
	struct mv_exit_failure_t *page = mk_shared();

	state_fetch(r->vs.id, r->vs.st, MK_G_RAW);
	page->hardware_reason = r->vs.st->exit.raw[0];
	run_leave(r, mv_exit_reason_t_failure);
	r->status = MV_STATUS_EXIT_FAILURE;
}

static void guest_intr(struct run *r)
{
	run_leave(r, mv_exit_reason_t_interrupt);
}

static void guest_nmi(struct run *r)
{
	run_leave(r, mv_exit_reason_t_nmi);
}

/* The machine check is root's, whose handler reads the banks: it gets the exception at once. */
static void guest_mce(struct run *r)
{
	LOG("machine check while a guest ran: VS", r->vs.id);
	exit_inject(mk_state(MK_ROOT_VS(r->c->cpu)), VEC_MC, 0, 0);
	run_leave(r, mv_exit_reason_t_interrupt);
}

/* What it was asked for is found out before the next entry. */
static void guest_window(struct run *r)
{
	(void)r;
}

/* NMIs are on again once this IRET is done: it is executed with the exit off. */
static void guest_iret(struct run *r)
{
	struct vs_data *data = state_data(r->vs.st);

	data->nmi_iret = 1;
	data->iret_rip = walk_linear_rip(&r->vs);
}

static void (*const handlers[MK_EXIT_COUNT])(struct run *r) = {
	[MK_EXIT_NONE] = run_leave_unknown,
	[MK_EXIT_HYPERCALL] = guest_hypercall,
	[MK_EXIT_CPUID] = guest_cpuid,
	[MK_EXIT_HLT] = guest_hlt,
	[MK_EXIT_IO] = io_exit,
	[MK_EXIT_MSR] = msr_exit,
	[MK_EXIT_MEM] = mmio_exit,
	[MK_EXIT_INTR] = guest_intr,
	[MK_EXIT_NMI] = guest_nmi,
	[MK_EXIT_SHUTDOWN] = guest_shutdown,
	[MK_EXIT_INVALID] = guest_invalid,
	[MK_EXIT_EXCEPTION] = guest_exception,
	[MK_EXIT_VIRT] = guest_ud,
	[MK_EXIT_XSETBV] = guest_xsetbv,
	[MK_EXIT_RDPMC] = guest_gp,
	[MK_EXIT_INVD] = guest_skip_2,
	[MK_EXIT_WBINVD] = guest_skip_2,
	[MK_EXIT_MONITOR] = guest_mwait,
	[MK_EXIT_MWAIT] = guest_mwait,
	[MK_EXIT_RSM] = guest_ud,
	[MK_EXIT_MCE] = guest_mce,
	[MK_EXIT_UNKNOWN] = run_leave_unknown,
	[MK_EXIT_WINDOW] = guest_window,
	[MK_EXIT_IRET] = guest_iret,
	[MK_EXIT_CR] = control_exit,
};

void guest_exit(struct run *r)
{
	unsigned int reason = r->vs.st->exit.reason;

	stats_exit(r->vs.st, reason);
	if (state_data(r->vs.st)->events)
		event_exit(r);
	if (reason < MK_EXIT_COUNT)
		handlers[reason](r);
	else
		run_leave_unknown(r);
	exit_reinject(r->vs.st);
}
