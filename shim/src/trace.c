// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What tracepoints tell, once somebody wants to know. */
#include "trace.h"
#include "hypercall.h"

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

void trace_exit_enabled(const struct shim_vcpu *vcpu, uint32_t code, uint64_t info1,
			uint64_t info2)
{
	const struct platform_event event = {
		.vcpu = vcpu->id, .rip = rip_of(vcpu), .code = code, .info1 = info1, .info2 = info2,
	};

	platform_trace(TRACE_EXIT, &event);
}

void trace_pio_enabled(bool write, uint64_t port, uint32_t size, uint64_t count,
		       const void *data)
{
	struct platform_event event = { .type = write, .addr = port, .size = size, .count = count };

	memcpy(&event.value, data, size <= 4 ? size : 4);
	platform_trace(TRACE_PIO, &event);
}

void trace_mmio_enabled(enum trace_mmio type, uint64_t gpa, uint64_t size, uint64_t value)
{
	const struct platform_event event = { .type = type, .addr = gpa, .size = size, .value = value };

	platform_trace(TRACE_MMIO, &event);
}

/* What is in kvm_run may be anything by now: it is shown, and nothing more. */
void trace_answer_enabled(const struct shim_vcpu *vcpu, const void *data)
{
	const struct kvm_run *run = vcpu->run;
	uint64_t value = 0;

	if (!vcpu->io.in_bytes || vcpu->io.msr)
		return;
	if (!vcpu->io.mmio) {
		trace_pio_enabled(false, LOAD(run->io.port), LOAD(run->io.size),
				  LOAD(run->io.count), data);
		return;
	}
	memcpy(&value, data, vcpu->io.in_bytes <= sizeof(value) ? vcpu->io.in_bytes : sizeof(value));
	trace_mmio_enabled(TRACE_MMIO_READ, LOAD(run->mmio.phys_addr), vcpu->io.in_bytes, value);
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
