// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Interrupts, NMIs and the rest of KVM_GET/SET_VCPU_EVENTS, debug registers and MP state of a
 * vCPU without an interrupt controller in the kernel.
 */
#include "events.h"
#include "hypercall.h"
#include "trace.h"

#define INTERRUPTS 256U
#define EXCEPTIONS 32U
#define VEC_DB 1U
#define VEC_NMI 2U
#define VEC_BP 3U
#define VEC_OF 4U
#define VEC_DF 8U
#define VEC_PF 14U
#define VEC_MC 18U
#define DR6_TRAPS 0xFULL
#define DR6_ONES 0xFFFF0FF0ULL
#define DR6_BIT12 (1ULL << 12)
#define DR7_GD (1ULL << 13)
#define RFLAGS_RF (1ULL << 16)

/* The guest gets it at once, as with KVM: user space has looked at if_flag, or doesn't care. */
int shim_vcpu_interrupt(struct shim_vcpu *vcpu, const struct kvm_interrupt *irq)
{
	if (irq->irq >= INTERRUPTS)
		return -EINVAL;
	trace_virq(irq->irq);
	return hypercall_errno(
		hypercall_queue_interrupt(vcpu->vsid, (uint8_t)irq->irq, MV_INTERRUPT_NOW));
}

int shim_vcpu_nmi(struct shim_vcpu *vcpu)
{
	return hypercall_errno(hypercall_queue_nmi(vcpu->vsid));
}

/*
 * An exception is pending until the vCPU runs: only then it changes registers. KVM calls it
 * injected, and changes them at once, for user space that doesn't know the difference.
 */
static void payload_db(struct mv_rdl_entry_t *dr6, uint64_t payload)
{
	dr6->val &= ~DR6_TRAPS;
	dr6->val |= DR6_ONES | payload;
	dr6->val ^= payload & DR6_ONES;
	dr6->val &= ~DR6_BIT12;
}

/* What the exception leaves in DR6 or CR2. */
static mv_status_t payload_deliver(struct shim_vcpu *vcpu, uint8_t vector)
{
	struct mv_rdl_entry_t reg = { vector == VEC_PF ? mv_reg_t_cr2 : mv_reg_t_dr6, 0 };
	mv_status_t status;

	if (!vcpu->has_payload || (vector != VEC_PF && vector != VEC_DB))
		return MV_STATUS_SUCCESS;
	status = hypercall_rdl(MV_VS_OP_REG_GET_LIST_IDX_VAL, vcpu->vsid, &reg, 1);
	if (status != MV_STATUS_SUCCESS)
		return status;
	if (vector == VEC_PF)
		reg.val = vcpu->payload;
	else
		payload_db(&reg, vcpu->payload);
	status = hypercall_rdl(MV_VS_OP_REG_SET_LIST_IDX_VAL, vcpu->vsid, &reg, 1);
	if (status == MV_STATUS_SUCCESS)
		vcpu->has_payload = false;
	return status;
}

static bool is_fault(uint8_t vector)
{
	return vector != VEC_DB && vector != VEC_BP && vector != VEC_OF && vector != VEC_DF &&
	       vector != VEC_MC;
}

int events_deliver(struct shim_vcpu *vcpu)
{
	struct mv_rdl_entry_t regs[] = { { .reg = mv_reg_t_rflags }, { .reg = mv_reg_t_dr7 } };
	struct vcpu_events e = { 0 };
	mv_status_t status;

	status = hypercall_events_get(vcpu->vsid, &e);
	if (status == MV_STATUS_SUCCESS && e.exception)
		status = payload_deliver(vcpu, e.exception_vector);
	if (status == MV_STATUS_SUCCESS)
		status = hypercall_rdl(MV_VS_OP_REG_GET_LIST_IDX_VAL, vcpu->vsid, regs, 2);
	if (status == MV_STATUS_SUCCESS && e.exception) {
		regs[0].val |= is_fault(e.exception_vector) ? RFLAGS_RF : 0;
		regs[1].val &= e.exception_vector == VEC_DB ? ~DR7_GD : ~0ULL;
		status = hypercall_rdl(MV_VS_OP_REG_SET_LIST_IDX_VAL, vcpu->vsid, regs, 2);
	}
	if (status == MV_STATUS_SUCCESS)
		vcpu->due &= ~VCPU_EXCEPTION;
	return hypercall_errno(status);
}

static void exception_get(struct shim_vcpu *vcpu, const struct vcpu_events *e,
			  struct kvm_vcpu_events *events)
{
	const bool pending = e->exception && vcpu->due & VCPU_EXCEPTION;
	const bool payloads = LOAD(vcpu->vm->caps.exception_payload);

	if (e->exception_vector != VEC_BP && e->exception_vector != VEC_OF) {
		events->exception.injected = e->exception && !(pending && payloads);
		events->exception.pending = pending;
	}
	events->exception.nr = e->exception_vector;
	events->exception.has_error_code = e->exception_has_error;
	events->exception.error_code = e->exception_error;
	if (!payloads)
		return;
	events->exception_has_payload = pending && vcpu->has_payload;
	events->exception_payload = pending ? vcpu->payload : 0;
	events->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
}

int shim_vcpu_get_events(struct shim_vcpu *vcpu, struct kvm_vcpu_events *events)
{
	struct vcpu_events e = { 0 };
	mv_status_t status = hypercall_events_get(vcpu->vsid, &e);

	memset(events, 0, sizeof(*events));
	if (status == MV_STATUS_SUCCESS && vcpu->due & VCPU_EXCEPTION &&
	    !LOAD(vcpu->vm->caps.exception_payload))
		status = payload_deliver(vcpu, e.exception_vector);
	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);
	exception_get(vcpu, &e, events);
	events->interrupt.injected = e.interrupt;
	events->interrupt.nr = e.interrupt_vector;
	/* AMD doesn't tell which of both it is. */
	events->interrupt.shadow =
		e.shadow ? KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS : 0;
	events->nmi.injected = e.nmi;
	events->nmi.pending = !!e.nmi_pending;
	events->nmi.masked = e.nmi_masked;
	events->flags |= KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
			 KVM_VCPUEVENT_VALID_SMM;
	if (LOAD(vcpu->vm->caps.triple_fault_event)) {
		events->triple_fault.pending = !!(vcpu->due & VCPU_TRIPLE_FAULT);
		events->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	}
	return 0;
}

/* There is no SMM. */
static uint32_t flags_valid(const struct shim_vm *vm)
{
	return KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |
	       KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM |
	       (LOAD(vm->caps.exception_payload) ? KVM_VCPUEVENT_VALID_PAYLOAD : 0) |
	       (LOAD(vm->caps.triple_fault_event) ? KVM_VCPUEVENT_VALID_TRIPLE_FAULT : 0);
}

/* It is pending only with the flag that says so, and a payload is only for what is pending. */
static bool is_pending(const struct kvm_vcpu_events *events)
{
	return events->flags & KVM_VCPUEVENT_VALID_PAYLOAD && events->exception.pending;
}

static bool events_valid(const struct shim_vm *vm, const struct kvm_vcpu_events *events)
{
	if (events->flags & ~flags_valid(vm))
		return false;
	if (events->flags & KVM_VCPUEVENT_VALID_SMM && (events->smi.smm || events->smi.pending))
		return false;
	return !(events->exception.injected || is_pending(events)) ||
	       (events->exception.nr < EXCEPTIONS && events->exception.nr != VEC_NMI);
}

static void events_merge(struct vcpu_events *e, const struct kvm_vcpu_events *events)
{
	e->exception = events->exception.injected || is_pending(events);
	e->exception_vector = events->exception.nr;
	e->exception_has_error = !!events->exception.has_error_code;
	e->exception_error = events->exception.error_code;
	e->interrupt = !!events->interrupt.injected;
	e->interrupt_vector = events->interrupt.nr;
	if (events->flags & KVM_VCPUEVENT_VALID_SHADOW)
		e->shadow = !!events->interrupt.shadow;
	e->nmi = !!events->nmi.injected;
	if (events->flags & KVM_VCPUEVENT_VALID_NMI_PENDING)
		e->nmi_pending = !!events->nmi.pending;
	e->nmi_masked = !!events->nmi.masked;
}

static void due_set(struct shim_vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	vcpu->due &= ~VCPU_EXCEPTION;
	if (is_pending(events)) {
		vcpu->due |= VCPU_EXCEPTION;
		vcpu->has_payload = events->exception_has_payload;
		vcpu->payload = events->exception_payload;
	}
	if (events->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) {
		vcpu->due &= ~VCPU_TRIPLE_FAULT;
		vcpu->due |= events->triple_fault.pending ? VCPU_TRIPLE_FAULT : 0;
	}
}

int shim_vcpu_set_events(struct shim_vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	struct vcpu_events e = { 0 };
	mv_status_t status;

	if (!events_valid(vcpu->vm, events))
		return -EINVAL;
	status = hypercall_events_get(vcpu->vsid, &e);
	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);
	events_merge(&e, events);
	status = hypercall_events_set(vcpu->vsid, &e);
	if (status == MV_STATUS_SUCCESS)
		due_set(vcpu, events);
	return hypercall_errno(status);
}

#define NUM_DRS 6U

static const uint32_t drs[NUM_DRS] = { mv_reg_t_dr0, mv_reg_t_dr1, mv_reg_t_dr2,
				       mv_reg_t_dr3, mv_reg_t_dr6, mv_reg_t_dr7 };

int shim_vcpu_get_debugregs(struct shim_vcpu *vcpu, struct kvm_debugregs *regs)
{
	struct mv_rdl_entry_t list[NUM_DRS] = { { 0 } };
	mv_status_t status;
	size_t i;

	memset(regs, 0, sizeof(*regs));
	for (i = 0; i < NUM_DRS; i++)
		list[i].reg = drs[i];
	status = hypercall_rdl(MV_VS_OP_REG_GET_LIST_IDX_VAL, vcpu->vsid, list, NUM_DRS);
	for (i = 0; i < 4; i++)
		regs->db[i] = list[i].val;
	regs->dr6 = list[4].val;
	regs->dr7 = list[5].val;
	return hypercall_errno(status);
}

int shim_vcpu_set_debugregs(struct shim_vcpu *vcpu, const struct kvm_debugregs *regs)
{
	struct mv_rdl_entry_t list[NUM_DRS] = { { 0 } };
	size_t i;

	if (regs->flags || regs->dr6 >> 32 || regs->dr7 >> 32)
		return -EINVAL;
	for (i = 0; i < NUM_DRS; i++)
		list[i] = (struct mv_rdl_entry_t){ drs[i], i < 4 ? regs->db[i] : 0 };
	list[4].val = regs->dr6;
	list[5].val = regs->dr7;
	return hypercall_errno(
		hypercall_rdl(MV_VS_OP_REG_SET_LIST_IDX_VAL, vcpu->vsid, list, NUM_DRS));
}

/* HLT and the wait for SIPI are user space's business, so a vCPU is always ready to run. */
int shim_vcpu_get_mp_state(struct shim_vcpu *vcpu, struct kvm_mp_state *state)
{
	(void)vcpu;
	state->mp_state = KVM_MP_STATE_RUNNABLE;
	return 0;
}

int shim_vcpu_set_mp_state(struct shim_vcpu *vcpu, const struct kvm_mp_state *state)
{
	(void)vcpu;
	return state->mp_state == KVM_MP_STATE_RUNNABLE ? 0 : -EINVAL;
}
