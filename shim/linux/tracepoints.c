// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The tracepoints that shim/src asks for. */
#define CREATE_TRACE_POINTS
#include "tracepoints.h"

void platform_trace(enum trace_kind kind, const struct platform_event *event)
{
	switch (kind) {
	case TRACE_ENTRY:
		trace_kvm_entry(event);
		break;
	case TRACE_EXIT:
		trace_kvm_exit(event);
		break;
	case TRACE_PIO:
		trace_kvm_pio(event);
		break;
	case TRACE_MMIO:
		trace_kvm_mmio(event);
		break;
	case TRACE_MSR:
		trace_kvm_msr(event);
		break;
	case TRACE_VIRQ:
		trace_kvm_inj_virq(event);
		break;
	case TRACE_EXCEPTION:
		trace_kvm_inj_exception(event);
		break;
	}
}
