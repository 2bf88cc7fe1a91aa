// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KVM_RUN: one hypercall per entry into the guest. Its exits are in exit.c.
 *
 * The user can write kvm_run at any time. So nothing is decided by what is read back from
 * it: of a pending read only the data is read there, and what it belongs to is in vcpu->io.
 */
#include "run.h"
#include "clock.h"
#include "events.h"
#include "hypercall.h"
#include "memory.h"
#include "sync.h"
#include "trace.h"
#include <platform_inline.h>

#define CR8_MAX 15U
#define RFLAGS_IF 0x200U

/* Where user space has put the data of a pending access. */
static const void *io_data(const struct shim_vcpu *vcpu)
{
	if (vcpu->io.mmio)
		return vcpu->run->mmio.data;
	return vcpu->io.msr ? &vcpu->run->msr.data : pio_page(vcpu);
}

/* User space's answer to what it was asked, in a run that nothing refuses any more. */
static void answer_fill(struct shim_vcpu *vcpu, struct mv_run_t *run)
{
	if (vcpu->io.msr && LOAD(vcpu->run->msr.error)) {
		run->flags |= MV_RUN_FLAG_MSR_FAULT;
		run->in_bytes = 0;
	} else if (vcpu->io.in_bytes <= sizeof(uint64_t)) {
		memcpy(run->in, io_data(vcpu), sizeof(uint64_t));
	} else {
		memcpy(run->in, io_data(vcpu), vcpu->io.in_bytes);
	}
	if (!vcpu->io.answered)
		trace_answer(vcpu, run);
	vcpu->io.answered = true;
}

/* What isn't mapped is asked for; what was answered holds as long as there is no new slot. */
PLATFORM_ALWAYS void run_fill(const struct shim_vcpu *vcpu, struct mv_run_t *run, uint64_t cr8,
			      uint64_t flags, uint64_t slots)
{
	flags |= vcpu->io.flags | vcpu->run_flags | LOAD(vcpu->vm->run_flags) | MV_RUN_FLAG_ASK;
	if (vcpu->slots != slots)
		flags |= MV_RUN_FLAG_FORGET;
	if (cr8 == vcpu->cr8) {
		flags |= MV_RUN_FLAG_NO_LISTS;
	} else {
		memset(run, 0, offsetof(struct mv_run_t, flags));
		run->reg[0] = (struct mv_rdl_entry_t){ mv_reg_t_cr8, cr8 };
	}
	run->flags = flags;
	run->in_bytes = vcpu->io.in_bytes;
}

/*
 * With the page held: 0 when the hypervisor may be called now (interrupts are off), or 1. A new
 * slot that enter() hasn't seen was made before all CPUs were kicked out of the guest, or will be.
 */
PLATFORM_ALWAYS int gate(struct shim_vm *vm, bool guest, uint64_t generation)
{
	if (!platform_guest_enter(vm->os, guest))
		return 1;
	if (LOAD(vm->slots.generation) == generation)
		return 0;
	platform_guest_leave(vm->os);
	return 1;
}

/* Runs the guest: with the shared page held and filled in. */
PLATFORM_ALWAYS void hypercall_run(struct shim_vcpu *vcpu)
{
	struct mv_regs regs = {
		.rax = MV_HYPERCALL(MV_VS_OP, MV_VS_OP_RUN_IDX_VAL),
		.reg = { hypercall_handle, vcpu->vsid },
	};

	mv_hypercall(&regs);
	vcpu->exit.status = regs.rax;
	vcpu->exit.reason = regs.reg[0];
}

/* Whether the hypervisor took the call, so that it has told the vCPU's state. */
static bool is_taken(mv_status_t status)
{
	return PLATFORM_LIKELY(status == MV_STATUS_SUCCESS) || status == MV_STATUS_EXIT_FAILURE ||
	       status == MV_STATUS_EXIT_UNKNOWN;
}

/*
 * One hypercall: 0 with vcpu->exit, 1 when there is something else to do before, or -errno.
 * Whatever was pending is complete once the hypervisor took the call.
 */
PLATFORM_ALWAYS int enter(struct shim_vcpu *vcpu, uint64_t cr8, uint64_t flags)
{
	const uint64_t slots = __atomic_load_n(&vcpu->vm->slots.generation, __ATOMIC_ACQUIRE);
	const bool guest = !(flags & MV_RUN_FLAG_COMPLETE_ONLY);
	void *page = platform_shared_page_get();

	if (!page)
		return -ENODEV;
	if (platform_time_due())
		clock_tell_again();
	run_fill(vcpu, page, cr8, flags, slots);
	if (gate(vcpu->vm, guest, slots)) {
		platform_shared_page_put();
		return 1;
	}
	if (vcpu->io.in_bytes || vcpu->io.msr)
		answer_fill(vcpu, page);
	if (guest)
		trace_entry(vcpu);
	hypercall_run(vcpu);
	platform_guest_leave(vcpu->vm->os);
	if (is_taken(vcpu->exit.status)) {
		exit_take(vcpu, page, guest);
		vcpu->slots = slots;
		vcpu->cr8 = cr8;
	}
	platform_shared_page_put();
	return 0;
}

/*
 * Completes what is pending, without running the guest. 1: it has an access more, which user
 * space must serve first; 0: it is complete; or -errno.
 */
static PLATFORM_SELDOM int io_complete(struct shim_vcpu *vcpu, uint64_t cr8)
{
	int ret;

	while (vcpu->io.pending || cr8 != vcpu->cr8) {
		ret = memory_repair(vcpu->vm);
		if (!ret)
			ret = enter(vcpu, cr8, MV_RUN_FLAG_COMPLETE_ONLY);
		if (ret > 0)
			continue;
		if (!ret)
			ret = exit_translate(vcpu);
		if (ret <= 0)
			return ret < 0 ? ret : 1;
	}
	return 0;
}

static uint64_t window_wanted(const struct shim_vcpu *vcpu)
{
	return LOAD(vcpu->run->request_interrupt_window) ? MV_RUN_FLAG_WINDOW : 0;
}

/* KVM_RUN returns early, but not before what is pending is complete. */
static PLATFORM_SELDOM int interrupted(struct shim_vcpu *vcpu, uint64_t cr8)
{
	int ret = io_complete(vcpu, cr8);

	return ret > 0 ? 0 : ret ? ret : -EINTR;
}

/* Why the guest wasn't entered. 1: try again; 0: back to user space; or -errno. */
static PLATFORM_SELDOM int serve_others(struct shim_vcpu *vcpu, uint64_t cr8)
{
	int ret;

	platform_yield();
	if (!platform_signal_pending()) {
		ret = memory_repair(vcpu->vm);
		return ret ? ret : 1;
	}
	ret = interrupted(vcpu, cr8);
	if (ret) {
		vcpu->run->exit_reason = KVM_EXIT_INTR;
		count(vcpu, SHIM_STAT_SIGNAL_EXITS);
	}
	return ret;
}

/* What is due before the guest is entered. 1: enter it; 0: back to user space; or -errno. */
static PLATFORM_SELDOM int serve_due(struct shim_vcpu *vcpu, uint64_t cr8)
{
	int ret;

	if (platform_signal_pending())
		return serve_others(vcpu, cr8);
	if (vcpu->due & VCPU_TRIPLE_FAULT) {
		ret = io_complete(vcpu, cr8);
		if (ret)
			return ret < 0 ? ret : 0;
		vcpu->due &= ~VCPU_TRIPLE_FAULT;
		vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
		return 0;
	}
	ret = events_deliver(vcpu);
	return ret ? ret : 1;
}

/* Others, signals and changes of memory come first: platform_guest_enter() refuses then. */
static int run_loop(struct shim_vcpu *vcpu, uint64_t cr8)
{
	int ret;

	if (LOAD(vcpu->run->immediate_exit))
		return interrupted(vcpu, cr8);
	do {
		ret = vcpu->due ? serve_due(vcpu, cr8) : 1;
		if (ret <= 0)
			return ret;
		ret = enter(vcpu, cr8, window_wanted(vcpu));
		if (!ret)
			ret = exit_translate(vcpu);
		else if (ret > 0)
			ret = serve_others(vcpu, cr8);
	} while (ret > 0);
	return ret;
}

/* For a KVM_RUN that did not come to mv_vs_op_run. */
static PLATFORM_SELDOM mv_status_t state_get(const struct shim_vcpu *vcpu,
					     struct mv_exit_state_t *state)
{
	struct mv_rdl_entry_t list[] = { { .reg = mv_reg_t_rflags }, { .reg = mv_reg_t_cr8 } };
	struct vcpu_events events = { 0 };
	mv_status_t status;

	status = hypercall_rdl(MV_VS_OP_REG_GET_LIST_IDX_VAL, vcpu->vsid, list, 2);
	if (status == MV_STATUS_SUCCESS)
		status = hypercall_events_get(vcpu->vsid, &events);
	state->rflags = list[0].val;
	state->cr8 = list[1].val;
	state->apic_base = vcpu->apic_base;
	state->flags =
		(events.shadow ? MV_EXIT_STATE_SHADOW : 0) |
		(events.exception || events.interrupt || events.nmi ? MV_EXIT_STATE_EVENT : 0);
	return status;
}

/* What KVM tells in kvm_run after each KVM_RUN, without an interrupt controller of its own. */
static void run_save(struct shim_vcpu *vcpu)
{
	const struct mv_exit_state_t *state = &vcpu->exit.state;
	struct kvm_run *run = vcpu->run;

	if (!vcpu->exit.ran && state_get(vcpu, &vcpu->exit.state) != MV_STATUS_SUCCESS)
		return;
	vcpu->cr8 = state->cr8;
	vcpu->apic_base = state->apic_base;
	run->if_flag = !!(state->rflags & RFLAGS_IF);
	run->ready_for_interrupt_injection =
		state->rflags & RFLAGS_IF &&
		!(state->flags & (MV_EXIT_STATE_SHADOW | MV_EXIT_STATE_EVENT));
	run->cr8 = state->cr8;
	run->apic_base = state->apic_base;
}

/* In this order, as KVM: registers that user space has set, its task priority, the guest. */
static int run(struct shim_vcpu *vcpu, uint64_t valid)
{
	const uint64_t dirty = LOAD(vcpu->run->kvm_dirty_regs);
	const uint64_t cr8 = LOAD(vcpu->run->cr8);
	int ret;

	if ((valid | dirty) & ~(uint64_t)KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	ret = dirty ? sync_from_run(vcpu, dirty) : 0;
	if (ret)
		return ret;
	if (cr8 > CR8_MAX)
		return -EINVAL;
	if (LOAD(vcpu->vm->broken))
		return -EIO;
	return run_loop(vcpu, cr8);
}

int shim_vcpu_run(struct shim_vcpu *vcpu)
{
	const uint64_t valid = LOAD(vcpu->run->kvm_valid_regs);
	int ret;

	vcpu->exit.ran = false;
	vcpu->run->flags = 0;
	ret = run(vcpu, valid);
	if (valid)
		sync_to_run(vcpu, valid);
	run_save(vcpu);
	return ret;
}
