/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Trace events with the names and fields of KVM's, in its trace system, so that perf, trace-cmd
 * and kvm_stat find what they know.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm

#if !defined(SHIM_LINUX_TRACEPOINTS_H) || defined(TRACE_HEADER_MULTI_READ)
#define SHIM_LINUX_TRACEPOINTS_H

#include <linux/tracepoint.h>
#include <linux/kvm.h>
#include <asm/svm.h>
#include <platform_trace.h>

#define SHIM_ISA_SVM 2 /* as KVM has it; 1 is VMX */

#define SHIM_EXIT(reason) { KVM_EXIT_##reason, "KVM_EXIT_" #reason }
#define SHIM_EXITS                                                                                 \
	SHIM_EXIT(UNKNOWN), SHIM_EXIT(IO), SHIM_EXIT(DEBUG), SHIM_EXIT(HLT), SHIM_EXIT(MMIO),      \
		SHIM_EXIT(IRQ_WINDOW_OPEN), SHIM_EXIT(SHUTDOWN), SHIM_EXIT(FAIL_ENTRY),            \
		SHIM_EXIT(INTR), SHIM_EXIT(SET_TPR), SHIM_EXIT(INTERNAL_ERROR),                    \
		SHIM_EXIT(X86_RDMSR), SHIM_EXIT(X86_WRMSR)

#define SHIM_EXCEPTION(nr, name) { nr, "#" #name }
#define SHIM_EXCEPTIONS                                                                            \
	SHIM_EXCEPTION(0, DE), SHIM_EXCEPTION(1, DB), SHIM_EXCEPTION(3, BP),                       \
		SHIM_EXCEPTION(4, OF), SHIM_EXCEPTION(5, BR), SHIM_EXCEPTION(6, UD),               \
		SHIM_EXCEPTION(7, NM), SHIM_EXCEPTION(8, DF), SHIM_EXCEPTION(10, TS),              \
		SHIM_EXCEPTION(11, NP), SHIM_EXCEPTION(12, SS), SHIM_EXCEPTION(13, GP),            \
		SHIM_EXCEPTION(14, PF), SHIM_EXCEPTION(16, MF), SHIM_EXCEPTION(17, AC),            \
		SHIM_EXCEPTION(18, MC)

TRACE_EVENT(kvm_entry,
	TP_PROTO(const struct platform_event *e),
	TP_ARGS(e),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(unsigned long, rip)
		__field(bool, immediate_exit)
	),
	TP_fast_assign(
		__entry->vcpu_id = e->vcpu;
		__entry->rip = e->rip;
		__entry->immediate_exit = false;
	),
	TP_printk("vcpu %u, rip 0x%lx%s", __entry->vcpu_id, __entry->rip,
		  __entry->immediate_exit ? "[immediate exit]" : "")
);

TRACE_EVENT(kvm_exit,
	TP_PROTO(const struct platform_event *e),
	TP_ARGS(e),
	TP_STRUCT__entry(
		__field(unsigned int, exit_reason)
		__field(unsigned long, guest_rip)
		__field(u32, isa)
		__field(u64, info1)
		__field(u64, info2)
		__field(u32, intr_info)
		__field(u32, error_code)
		__field(unsigned int, vcpu_id)
	),
	TP_fast_assign(
		__entry->exit_reason = e->code;
		__entry->guest_rip = e->rip;
		__entry->isa = SHIM_ISA_SVM;
		__entry->info1 = e->info1;
		__entry->info2 = e->info2;
		__entry->intr_info = 0;
		__entry->error_code = 0;
		__entry->vcpu_id = e->vcpu;
	),
	TP_printk("vcpu %u reason %s rip 0x%lx info1 0x%016llx info2 0x%016llx intr_info 0x%08x error_code 0x%08x",
		  __entry->vcpu_id, __print_symbolic(__entry->exit_reason, SVM_EXIT_REASONS),
		  __entry->guest_rip, __entry->info1, __entry->info2, __entry->intr_info,
		  __entry->error_code)
);

TRACE_EVENT(kvm_pio,
	TP_PROTO(const struct platform_event *e),
	TP_ARGS(e),
	TP_STRUCT__entry(
		__field(unsigned int, rw)
		__field(unsigned int, port)
		__field(unsigned int, size)
		__field(unsigned int, count)
		__field(unsigned int, val)
	),
	TP_fast_assign(
		__entry->rw = e->type;
		__entry->port = e->addr;
		__entry->size = e->size;
		__entry->count = e->count;
		__entry->val = e->value;
	),
	TP_printk("pio_%s at 0x%x size %d count %d val 0x%x %s",
		  __entry->rw ? "write" : "read", __entry->port, __entry->size, __entry->count,
		  __entry->val, __entry->count > 1 ? "(...)" : "")
);

TRACE_EVENT(kvm_mmio,
	TP_PROTO(const struct platform_event *e),
	TP_ARGS(e),
	TP_STRUCT__entry(
		__field(u32, type)
		__field(u32, len)
		__field(u64, gpa)
		__field(u64, val)
	),
	TP_fast_assign(
		__entry->type = e->type;
		__entry->len = e->size;
		__entry->gpa = e->addr;
		__entry->val = e->value;
	),
	TP_printk("mmio %s len %u gpa 0x%llx val 0x%llx",
		  __print_symbolic(__entry->type, { TRACE_MMIO_UNSATISFIED, "unsatisfied-read" },
				   { TRACE_MMIO_READ, "read" }, { TRACE_MMIO_WRITE, "write" }),
		  __entry->len, __entry->gpa, __entry->val)
);

TRACE_EVENT(kvm_msr,
	TP_PROTO(const struct platform_event *e),
	TP_ARGS(e),
	TP_STRUCT__entry(
		__field(unsigned int, write)
		__field(u32, ecx)
		__field(u64, data)
		__field(u8, exception)
	),
	TP_fast_assign(
		__entry->write = e->type;
		__entry->ecx = e->addr;
		__entry->data = e->value;
		__entry->exception = e->code;
	),
	TP_printk("msr_%s %x = 0x%llx%s",
		  __entry->write ? "write" : "read", __entry->ecx, __entry->data,
		  __entry->exception ? " (#GP)" : "")
);

TRACE_EVENT(kvm_inj_virq,
	TP_PROTO(const struct platform_event *e),
	TP_ARGS(e),
	TP_STRUCT__entry(
		__field(unsigned int, vector)
		__field(bool, soft)
		__field(bool, reinjected)
	),
	TP_fast_assign(
		__entry->vector = e->vector;
		__entry->soft = false;
		__entry->reinjected = true; /* as KVM sees what KVM_INTERRUPT queued */
	),
	TP_printk("%s 0x%x%s", __entry->soft ? "Soft/INTn" : "IRQ", __entry->vector,
		  __entry->reinjected ? " [reinjected]" : "")
);

TRACE_EVENT(kvm_inj_exception,
	TP_PROTO(const struct platform_event *e),
	TP_ARGS(e),
	TP_STRUCT__entry(
		__field(u8, exception)
		__field(u8, has_error)
		__field(u32, error_code)
		__field(bool, reinjected)
	),
	TP_fast_assign(
		__entry->exception = e->vector;
		__entry->has_error = 0;
		__entry->error_code = 0;
		__entry->reinjected = false;
	),
	TP_printk("%s%s", __print_symbolic(__entry->exception, SHIM_EXCEPTIONS),
		  __entry->reinjected ? " [reinjected]" : "")
);

TRACE_EVENT(kvm_userspace_exit,
	TP_PROTO(__u32 reason, int errno),
	TP_ARGS(reason, errno),
	TP_STRUCT__entry(
		__field(__u32, reason)
		__field(int, errno)
	),
	TP_fast_assign(
		__entry->reason = reason;
		__entry->errno = errno;
	),
	TP_printk("reason %s (%d)",
		  __entry->errno < 0 ? (__entry->errno == -EINTR ? "restart" : "error") :
				       __print_symbolic(__entry->reason, SHIM_EXITS),
		  __entry->errno < 0 ? -__entry->errno : __entry->reason)
);

#endif /* SHIM_LINUX_TRACEPOINTS_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE tracepoints
#include <trace/define_trace.h>
