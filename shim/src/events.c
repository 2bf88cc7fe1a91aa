// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Interrupts, NMIs and the rest of KVM_GET/SET_VCPU_EVENTS, debug registers and MP state of a
 * vCPU without an interrupt controller in the kernel.
 */
#include "hypercall.h"
#include <shim.h>

#define INTERRUPTS 256U
#define EXCEPTIONS 32U
#define VEC_NMI 2U
#define VEC_BP 3U
#define VEC_OF 4U

/* The guest gets it at once, as with KVM: user space has looked at if_flag, or doesn't care. */
int shim_vcpu_interrupt(struct shim_vcpu *vcpu, const struct kvm_interrupt *irq)
{
	if (irq->irq >= INTERRUPTS)
		return -EINVAL;
	return hypercall_errno(
		hypercall_queue_interrupt(vcpu->vsid, (uint8_t)irq->irq, MV_INTERRUPT_NOW));
}

int shim_vcpu_nmi(struct shim_vcpu *vcpu)
{
	return hypercall_errno(hypercall_queue_nmi(vcpu->vsid));
}

int shim_vcpu_get_events(struct shim_vcpu *vcpu, struct kvm_vcpu_events *events)
{
	struct vcpu_events e = { 0 };
	mv_status_t status = hypercall_events_get(vcpu->vsid, &e);

	memset(events, 0, sizeof(*events));
	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);
	events->exception.injected =
		e.exception && e.exception_vector != VEC_BP && e.exception_vector != VEC_OF;
	events->exception.nr = e.exception_vector;
	events->exception.has_error_code = e.exception_has_error;
	events->exception.error_code = e.exception_error;
	events->interrupt.injected = e.interrupt;
	events->interrupt.nr = e.interrupt_vector;
	/* AMD doesn't tell which of both it is. */
	events->interrupt.shadow =
		e.shadow ? KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS : 0;
	events->nmi.injected = e.nmi;
	events->nmi.pending = !!e.nmi_pending;
	events->nmi.masked = e.nmi_masked;
	events->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
			KVM_VCPUEVENT_VALID_SMM;
	return 0;
}

/* There is no SMM, and the capabilities for payloads and triple faults are off. */
#define FLAGS_VALID                                                                                \
	(KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |                       \
	 KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM)

static bool events_valid(const struct kvm_vcpu_events *events)
{
	if (events->flags & ~FLAGS_VALID)
		return false;
	if (events->flags & KVM_VCPUEVENT_VALID_SMM && (events->smi.smm || events->smi.pending))
		return false;
	return !events->exception.injected ||
	       (events->exception.nr < EXCEPTIONS && events->exception.nr != VEC_NMI);
}

static void events_merge(struct vcpu_events *e, const struct kvm_vcpu_events *events)
{
	e->exception = !!events->exception.injected;
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

int shim_vcpu_set_events(struct shim_vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	struct vcpu_events e = { 0 };
	mv_status_t status;

	if (!events_valid(events))
		return -EINVAL;
	status = hypercall_events_get(vcpu->vsid, &e);
	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);
	events_merge(&e, events);
	return hypercall_errno(hypercall_events_set(vcpu->vsid, &e));
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
