/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the platform does with tracepoints. They are asked for by the names that KVM has for
 * them, so that those who don't want them pay nothing.
 */
#ifndef SHIM_PLATFORM_TRACE_H
#define SHIM_PLATFORM_TRACE_H

#include <platform.h>

#ifdef __KERNEL__
#include <linux/tracepoint-defs.h>
DECLARE_TRACEPOINT(kvm_entry);
DECLARE_TRACEPOINT(kvm_exit);
DECLARE_TRACEPOINT(kvm_pio);
DECLARE_TRACEPOINT(kvm_mmio);
DECLARE_TRACEPOINT(kvm_msr);
DECLARE_TRACEPOINT(kvm_inj_virq);
DECLARE_TRACEPOINT(kvm_inj_exception);
#define platform_traces(event) tracepoint_enabled(event)
#else
#define platform_traces(event) platform_traces_all()
bool platform_traces_all(void);
#endif

enum trace_kind {
	TRACE_ENTRY,
	TRACE_EXIT,
	TRACE_PIO,
	TRACE_MMIO,
	TRACE_MSR,
	TRACE_VIRQ,
	TRACE_EXCEPTION,
};

/* As KVM numbers them; unsatisfied: user space has yet to answer. */
enum trace_mmio { TRACE_MMIO_UNSATISFIED, TRACE_MMIO_READ, TRACE_MMIO_WRITE };

/* What isn't of the kind is 0. */
struct platform_event {
	uint64_t vcpu;
	uint64_t rip; /* entry, exit */
	uint64_t code; /* exit; msr: 1 when the guest gets #GP */
	uint64_t info1, info2;
	uint64_t type; /* pio, msr: 1 for a write; mmio: enum trace_mmio */
	uint64_t addr, size, count, value; /* pio, mmio: size of one in bytes; msr: its index */
	uint64_t vector; /* virq, exception */
};

void platform_trace(enum trace_kind kind, const struct platform_event *event);

#endif /* SHIM_PLATFORM_TRACE_H */
