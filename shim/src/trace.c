// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What tracepoints tell, once somebody wants to know. */
#include <asm/svm.h>
#include "trace.h"
#include "hypercall.h"

#define NPF_WRITE 0x2U /* in the error code of a nested page fault */
#define NPF_FETCH 0x10U

static uint64_t rip_of(const struct shim_vcpu *vcpu)
{
	uint64_t rip;

	return hypercall_reg_get(vcpu->vsid, mv_reg_t_rip, &rip) == MV_STATUS_SUCCESS ? rip : 0;
}

void trace_entry_enabled(const struct shim_vcpu *vcpu)
{
	const struct platform_event event = { .vcpu = vcpu->id, .rip = rip_of(vcpu) };

	platform_trace(TRACE_ENTRY, &event);
}

/* The exit as the CPU would tell it (APM vol. 2, appendix C, 15.10.2 and 15.25.6). */
void trace_exit_enabled(const struct shim_vcpu *vcpu)
{
	static const struct {
		uint64_t reason;
		uint32_t code;
	} codes[] = {
		{ mv_exit_reason_t_hlt, SVM_EXIT_HLT },
		{ mv_exit_reason_t_io, SVM_EXIT_IOIO },
		{ mv_exit_reason_t_mmio, SVM_EXIT_NPF },
		{ mv_exit_reason_t_msr, SVM_EXIT_MSR },
		{ mv_exit_reason_t_interrupt, SVM_EXIT_INTR },
		{ mv_exit_reason_t_nmi, SVM_EXIT_NMI },
		{ mv_exit_reason_t_window, SVM_EXIT_VINTR },
		{ mv_exit_reason_t_set_tpr, SVM_EXIT_WRITE_CR8 },
	};
	const struct vcpu_exit *exit = &vcpu->exit;
	const uint64_t reason = exit->status == MV_STATUS_SUCCESS ? exit->reason : ~0ULL;
	struct platform_event event = {
		.vcpu = vcpu->id,
		.rip = rip_of(vcpu),
		.code = SVM_EXIT_ERR,
	};
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].reason == reason)
			event.code = codes[i].code;
	if (reason == mv_exit_reason_t_io) {
		event.info1 = exit->io.port << 16 | exit->io.size << 4;
		event.info1 |= !(exit->io.type & MV_EXIT_IO_OUT);
	} else if (reason == mv_exit_reason_t_mmio) {
		event.info1 = (exit->mmio.flags & MV_EXIT_MMIO_WRITE ? NPF_WRITE : 0) |
			      (exit->mmio.flags & MV_EXIT_MMIO_EXECUTE ? NPF_FETCH : 0);
		event.info2 = exit->mmio.gpa;
	} else if (reason == mv_exit_reason_t_msr) {
		event.info1 = !!(exit->msr.flags & MV_EXIT_MSR_WRITE);
	} else if (reason == mv_exit_reason_t_hlt && exit->hlt == mv_hlt_t_vm_crash) {
		event.code = SVM_EXIT_SHUTDOWN;
	}
	platform_trace(TRACE_EXIT, &event);
}

void trace_pio_enabled(bool write, uint64_t port, uint32_t size, uint64_t count, const void *data)
{
	struct platform_event event = { .type = write, .addr = port, .size = size, .count = count };

	memcpy(&event.value, data, size <= 4 ? size : 4);
	platform_trace(TRACE_PIO, &event);
}

void trace_mmio_enabled(enum trace_mmio type, uint64_t gpa, uint64_t size, uint64_t value)
{
	const struct platform_event event = {
		.type = type, .addr = gpa, .size = size, .value = value
	};

	platform_trace(TRACE_MMIO, &event);
}

void trace_msr_enabled(const struct vcpu_exit *exit, uint64_t read, bool gp)
{
	const bool write = exit->msr.flags & MV_EXIT_MSR_WRITE;
	const struct platform_event event = {
		.type = write,
		.addr = exit->msr.index,
		.value = write ? exit->msr.value : read,
		.code = gp,
	};

	platform_trace(TRACE_MSR, &event);
}

/* What is in kvm_run may be anything by now: it is shown, and nothing more. */
void trace_answer_enabled(const struct shim_vcpu *vcpu, const struct mv_run_t *answer)
{
	const struct kvm_run *run = vcpu->run;
	uint64_t value = 0;

	memcpy(&value, answer->in,
	       answer->in_bytes <= sizeof(value) ? answer->in_bytes : sizeof(value));
	if (vcpu->io.msr)
		trace_msr(&vcpu->exit, value, answer->flags & MV_RUN_FLAG_MSR_FAULT);
	else if (vcpu->io.mmio)
		trace_mmio(TRACE_MMIO_READ, LOAD(run->mmio.phys_addr), answer->in_bytes, value);
	else
		trace_pio(false, LOAD(run->io.port), LOAD(run->io.size), LOAD(run->io.count),
			  answer->in);
}

void trace_virq_enabled(uint32_t vector)
{
	const struct platform_event event = { .vector = vector };

	platform_trace(TRACE_VIRQ, &event);
}

void trace_exception_enabled(uint8_t vector)
{
	const struct platform_event event = { .vector = vector };

	platform_trace(TRACE_EXCEPTION, &event);
}
