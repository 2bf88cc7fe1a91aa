/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Tracepoints, named as KVM's and at the same moments. What isn't enabled costs a no-op; what
 * is asks the hypervisor for RIP with each entry and exit.
 */
#ifndef SHIM_TRACE_H
#define SHIM_TRACE_H

#include <platform_trace.h>
#include <shim.h>

/* A vCPU is about to be entered; it has been left, for a reason as the CPU tells it. */
void trace_entry_enabled(const struct shim_vcpu *vcpu);
void trace_exit_enabled(const struct shim_vcpu *vcpu);
/* data: of the first element. */
void trace_pio_enabled(bool write, uint64_t port, uint32_t size, uint64_t count, const void *data);
void trace_mmio_enabled(enum trace_mmio type, uint64_t gpa, uint64_t size, uint64_t value);
void trace_msr_enabled(const struct vcpu_exit *exit, uint64_t read, bool gp);
/* User space's answer to a read of a port or a device, or to an MSR, which is completed now. */
void trace_answer_enabled(const struct shim_vcpu *vcpu, const struct mv_run_t *run);
void trace_virq_enabled(uint32_t vector);
void trace_exception_enabled(uint8_t vector);

static inline void trace_entry(const struct shim_vcpu *vcpu)
{
	if (platform_traces(kvm_entry))
		trace_entry_enabled(vcpu);
}

static inline void trace_exit(const struct shim_vcpu *vcpu)
{
	if (platform_traces(kvm_exit))
		trace_exit_enabled(vcpu);
}

static inline void trace_pio(bool write, uint64_t port, uint32_t size, uint64_t count,
			     const void *data)
{
	if (platform_traces(kvm_pio))
		trace_pio_enabled(write, port, size, count, data);
}

static inline void trace_mmio(enum trace_mmio type, uint64_t gpa, uint64_t size, uint64_t value)
{
	if (platform_traces(kvm_mmio))
		trace_mmio_enabled(type, gpa, size, value);
}

/* An access to an MSR and what came of it. */
static inline void trace_msr(const struct vcpu_exit *exit, uint64_t read, bool gp)
{
	if (platform_traces(kvm_msr))
		trace_msr_enabled(exit, read, gp);
}

static inline void trace_answer(const struct shim_vcpu *vcpu, const struct mv_run_t *run)
{
	/* NOLINTNEXTLINE(misc-redundant-expression): they differ in Linux only */
	if (platform_traces(kvm_pio) || platform_traces(kvm_mmio) || platform_traces(kvm_msr))
		trace_answer_enabled(vcpu, run);
}

static inline void trace_virq(uint32_t vector)
{
	if (platform_traces(kvm_inj_virq))
		trace_virq_enabled(vector);
}

static inline void trace_exception(uint8_t vector)
{
	if (platform_traces(kvm_inj_exception))
		trace_exception_enabled(vector);
}

#endif /* SHIM_TRACE_H */
