// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KVM_RUN: one hypercall per entry into the guest, and the translation of its exits.
 *
 * The user can write kvm_run at any time. So nothing is decided by what is read back from
 * it: of a pending read only the data is read there, and what it belongs to is in vcpu->io.
 */
#include <asm/svm.h>
#include "clock.h"
#include "bus.h"
#include "events.h"
#include "filter.h"
#include "hypercall.h"
#include "memory.h"
#include "slots.h"
#include "sync.h"
#include "trace.h"

#define CR8_MAX 15U
#define RFLAGS_IF 0x200U
#define VEC_UD 6U
#define ATTRIB_DPL 0x60U /* of SS: the CPL */

#define NPF_WRITE 0x2U /* in the error code of a nested page fault */
#define NPF_FETCH 0x10U

#define MMIO_MAX 8U /* bytes of kvm_run->mmio.data */
#define EMULATION_INSN 15U /* bytes of kvm_run->emulation_failure.insn_bytes */
#define INSN_FILL 0x90 /* behind them, as KVM does it */

/* What is needed of an exit, taken from the shared page while it is held. */
struct vcpu_exit {
	bool ran; /* the hypervisor took the call: `state` is the vCPU's */
	mv_status_t status;
	uint64_t reason;
	struct mv_exit_state_t state;
	union {
		struct {
			uint64_t port, reps, type;
			uint64_t data; /* of the first element of an OUT */
			uint32_t size; /* bytes */
		} io;
		struct {
			uint64_t gpa, flags, size, data;
			uint8_t insn_bytes, insn[EMULATION_INSN];
		} mmio;
		struct {
			uint32_t index;
			uint64_t value, flags;
		} msr;
		uint64_t hlt;
		uint64_t failure;
		uint64_t unknown[4];
	};
};

/* Others read them at any time. */
static void count(struct shim_vcpu *vcpu, unsigned int stat)
{
	__atomic_store_n(&vcpu->stats[stat], vcpu->stats[stat] + 1, __ATOMIC_RELAXED);
}

static void *pio_page(const struct shim_vcpu *vcpu)
{
	return (char *)vcpu->run + SHIM_PIO_OFFSET;
}

/* Where user space has put the data of a pending access. */
static const void *io_data(const struct shim_vcpu *vcpu)
{
	if (vcpu->io.mmio)
		return vcpu->run->mmio.data;
	return vcpu->io.msr ? &vcpu->run->msr.data : pio_page(vcpu);
}

/* What user space has chosen for the VM, at this moment. */
static uint64_t vm_flags(const struct shim_vm *vm)
{
	uint64_t flags = LOAD(vm->run_flags);

	if (LOAD(vm->msr_filter))
		flags |= MV_RUN_FLAG_MSR_ALL;
	if (LOAD(vm->msr_reasons) & (KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN))
		flags |= MV_RUN_FLAG_MSR_REFUSED;
	return flags;
}

/* What isn't mapped is asked for; what was answered holds as long as there is no new slot. */
static uint64_t memory_flags(const struct shim_vcpu *vcpu, uint64_t generation)
{
	return MV_RUN_FLAG_ASK | (vcpu->slots != generation ? MV_RUN_FLAG_FORGET : 0);
}

static void run_fill(const struct shim_vcpu *vcpu, struct mv_run_t *run, uint64_t cr8,
		     uint64_t flags)
{
	const uint64_t lists = cr8 != vcpu->cr8 ? 0 : MV_RUN_FLAG_NO_LISTS;

	run->flags = flags | lists | vcpu->io.flags | vcpu->run_flags | vm_flags(vcpu->vm);
	if (!lists) {
		memset(run, 0, offsetof(struct mv_run_t, flags));
		run->reg[0] = (struct mv_rdl_entry_t){ mv_reg_t_cr8, cr8 };
	}
	run->in_bytes = vcpu->io.in_bytes;
	if (vcpu->io.msr && LOAD(vcpu->run->msr.error)) {
		run->flags |= MV_RUN_FLAG_MSR_FAULT;
		run->in_bytes = 0;
	}
	if (run->in_bytes)
		memcpy(run->in, io_data(vcpu), run->in_bytes);
	trace_answer(vcpu, run->in);
}

static bool io_copy(const struct shim_vcpu *vcpu, const struct mv_exit_io_t *io,
		    struct vcpu_exit *exit)
{
	exit->io.port = io->addr;
	exit->io.reps = io->reps;
	exit->io.type = io->type;
	exit->io.size = 1U << (io->size & 3);
	if (io->size > mv_bit_size_t_32 || !io->reps ||
	    io->reps > MV_EXIT_IO_MAX_BYTES / exit->io.size)
		return false;
	if (exit->io.type & MV_EXIT_IO_OUT) {
		const bool string = exit->io.type & MV_EXIT_IO_STRING;
		const uint8_t *out = string ? io->out : (const uint8_t *)&io->data;

		memcpy(pio_page(vcpu), out, string ? exit->io.reps * exit->io.size : exit->io.size);
		memcpy(&exit->io.data, out, exit->io.size);
	}
	return true;
}

/* A size that kvm_run can't hold is none. */
static void mmio_copy(const struct mv_exit_mmio_t *mmio, struct vcpu_exit *exit)
{
	exit->mmio.gpa = mmio->gpa;
	exit->mmio.flags = mmio->flags;
	exit->mmio.size = mmio->size <= MMIO_MAX ? mmio->size : 0;
	exit->mmio.data = mmio->data;
	exit->mmio.insn_bytes = mmio->insn_bytes <= EMULATION_INSN ? mmio->insn_bytes : 0;
	memcpy(exit->mmio.insn, mmio->insn, sizeof(exit->mmio.insn));
}

static void msr_copy(const struct mv_exit_msr_t *msr, struct vcpu_exit *exit)
{
	exit->msr.index = (uint32_t)msr->msr.reg;
	exit->msr.value = msr->msr.val;
	exit->msr.flags = msr->flags;
}

static void exit_copy(const struct shim_vcpu *vcpu, const void *page, struct vcpu_exit *exit)
{
	memset(exit->unknown, 0, sizeof(exit->unknown));
	if (exit->status == MV_STATUS_EXIT_FAILURE) {
		exit->failure = ((const struct mv_exit_failure_t *)page)->hardware_reason;
	} else if (exit->status == MV_STATUS_EXIT_UNKNOWN) {
		memcpy(exit->unknown, page, sizeof(exit->unknown));
	} else if (exit->reason == mv_exit_reason_t_hlt) {
		exit->hlt = ((const struct mv_exit_hlt_t *)page)->reason;
	} else if (exit->reason == mv_exit_reason_t_mmio) {
		mmio_copy(page, exit);
	} else if (exit->reason == mv_exit_reason_t_msr) {
		msr_copy(page, exit);
	} else if (exit->reason == mv_exit_reason_t_io && !io_copy(vcpu, page, exit)) {
		exit->reason = mv_exit_reason_t_unknown;
		memset(exit->unknown, 0, sizeof(exit->unknown));
	}
	memcpy(&exit->state, (const char *)page + MV_EXIT_STATE_OFFSET,
	       offsetof(struct mv_exit_state_t, reserved));
}

/*
 * With the page held: 0 when the hypervisor may be called now (interrupts are off), or 1. A new
 * slot that enter() hasn't seen was made before all CPUs were kicked out of the guest, or will be.
 */
static int gate(struct shim_vm *vm, bool guest, uint64_t generation)
{
	if (!platform_guest_enter(vm->os, guest))
		return 1;
	if (LOAD(vm->slots.generation) == generation)
		return 0;
	platform_guest_leave(vm->os);
	return 1;
}

/* The exit as the CPU would tell it (APM vol. 2, appendix C, 15.10.2 and 15.25.6). */
static void exit_trace(const struct shim_vcpu *vcpu, const struct vcpu_exit *exit)
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
	const uint64_t reason = exit->status == MV_STATUS_SUCCESS ? exit->reason : ~0ULL;
	uint64_t info1 = 0, info2 = 0;
	uint32_t code = SVM_EXIT_ERR;
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].reason == reason)
			code = codes[i].code;
	if (reason == mv_exit_reason_t_io) {
		info1 = exit->io.port << 16 | exit->io.size << 4;
		info1 |= !(exit->io.type & MV_EXIT_IO_OUT);
	} else if (reason == mv_exit_reason_t_mmio) {
		info1 = (exit->mmio.flags & MV_EXIT_MMIO_WRITE ? NPF_WRITE : 0) |
			(exit->mmio.flags & MV_EXIT_MMIO_EXECUTE ? NPF_FETCH : 0);
		info2 = exit->mmio.gpa;
	} else if (reason == mv_exit_reason_t_msr) {
		info1 = !!(exit->msr.flags & MV_EXIT_MSR_WRITE);
	} else if (reason == mv_exit_reason_t_hlt && exit->hlt == mv_hlt_t_vm_crash) {
		code = SVM_EXIT_SHUTDOWN;
	}
	trace_exit_enabled(vcpu, code, info1, info2);
}

static void exit_take(struct shim_vcpu *vcpu, const void *page, bool guest, struct vcpu_exit *exit)
{
	const struct vcpu_io io = vcpu->io;

	exit_copy(vcpu, page, exit);
	exit->ran = true;
	if (guest && platform_traces(kvm_exit))
		exit_trace(vcpu, exit);
	if (guest && exit->status == MV_STATUS_SUCCESS &&
	    (exit->reason == mv_exit_reason_t_interrupt || exit->reason == mv_exit_reason_t_nmi))
		count(vcpu, SHIM_STAT_IRQ_EXITS);
	vcpu->has_run |= guest;
	vcpu->has_pdptrs &= !guest;
	vcpu->io = (struct vcpu_io){ .pending = false };
	if (exit->status == MV_STATUS_SUCCESS && exit->reason == mv_exit_reason_t_mmio &&
	    exit->mmio.flags & MV_EXIT_MMIO_KEEP)
		vcpu->io = io;
}

/* enter(), but for 1 with COMPLETE_ONLY: once more. */
static int enter_once(struct shim_vcpu *vcpu, uint64_t cr8, uint64_t flags, struct vcpu_exit *exit)
{
	const uint64_t slots = __atomic_load_n(&vcpu->vm->slots.generation, __ATOMIC_ACQUIRE);
	const bool guest = !(flags & MV_RUN_FLAG_COMPLETE_ONLY);
	void *page = platform_shared_page_get();
	struct platform_time time PLATFORM_FILLED;

	if (!page)
		return -ENODEV;
	/* Should it fail, the hypervisor goes on with what it knows. */
	if (platform_time_due())
		clock_tell(&time);
	run_fill(vcpu, page, cr8, flags | memory_flags(vcpu, slots));
	if (gate(vcpu->vm, guest, slots)) {
		platform_shared_page_put();
		return 1;
	}
	if (guest)
		trace_entry(vcpu);
	exit->status = hypercall_run(vcpu->vsid, &exit->reason);
	platform_guest_leave(vcpu->vm->os);
	if (exit->status == MV_STATUS_SUCCESS || exit->status == MV_STATUS_EXIT_FAILURE ||
	    exit->status == MV_STATUS_EXIT_UNKNOWN) {
		exit_take(vcpu, page, guest, exit);
		vcpu->slots = slots;
		vcpu->cr8 = cr8;
	}
	platform_shared_page_put();
	return 0;
}

/*
 * One hypercall: 0 with *exit, 1 when there is something else to do before the guest can be
 * entered, or -errno. Whatever was pending is complete once the hypervisor took the call.
 */
static int enter(struct shim_vcpu *vcpu, uint64_t cr8, uint64_t flags, struct vcpu_exit *exit)
{
	int ret;

	do {
		ret = memory_repair(vcpu->vm);
		if (!ret)
			ret = enter_once(vcpu, cr8, flags, exit);
	} while (ret > 0 && flags & MV_RUN_FLAG_COMPLETE_ONLY);
	return ret;
}

static int internal_error(struct kvm_run *run, uint32_t suberror, const uint64_t *data,
			  uint32_t ndata)
{
	uint32_t i;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = suberror;
	run->internal.ndata = ndata;
	for (i = 0; i < ndata; i++)
		run->internal.data[i] = data[i];
	return 0;
}

static int exit_unexpected(struct kvm_run *run, const struct vcpu_exit *exit)
{
	const uint64_t data[] = { exit->unknown[0], platform_cpu(), exit->unknown[1],
				  exit->unknown[2], exit->unknown[3] };

	return internal_error(run, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, data,
			      sizeof(data) / sizeof(data[0]));
}

static int exit_failure(struct kvm_run *run, const struct vcpu_exit *exit)
{
	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = exit->failure;
	run->fail_entry.cpu = platform_cpu();
	return 0;
}

static int exit_hlt(struct shim_vcpu *vcpu, const struct vcpu_exit *exit)
{
	struct kvm_run *run = vcpu->run;
	const uint64_t data[] = { exit->reason, platform_cpu(), exit->hlt };

	switch (exit->hlt) {
	case mv_hlt_t_wait:
		count(vcpu, SHIM_STAT_HALT_EXITS);
		run->exit_reason = KVM_EXIT_HLT;
		return 0;
	case mv_hlt_t_vm_crash:
		run->exit_reason = KVM_EXIT_SHUTDOWN;
		return 0;
	default:
		return internal_error(run, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, data,
				      sizeof(data) / sizeof(data[0]));
	}
}

/* Each element of an OUTS comes alone, so that the bus sees it like an OUT. */
static int exit_io(struct shim_vcpu *vcpu, const struct vcpu_exit *exit)
{
	const bool out = exit->io.type & MV_EXIT_IO_OUT;
	struct kvm_run *run = vcpu->run;

	count(vcpu, SHIM_STAT_IO_EXITS);
	vcpu->io.pending = true;
	vcpu->io.in_bytes = out ? 0 : (uint32_t)exit->io.reps * exit->io.size;
	if (out)
		trace_pio(true, exit->io.port, exit->io.size, exit->io.reps, &exit->io.data);
	if (out && exit->io.reps == 1 &&
	    bus_write(vcpu->vm, BUS_PIO, exit->io.port, exit->io.size, exit->io.data))
		return 1;
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
	run->io.size = (uint8_t)exit->io.size;
	run->io.port = (uint16_t)exit->io.port;
	run->io.count = (uint32_t)exit->io.reps;
	run->io.data_offset = SHIM_PIO_OFFSET;
	return 0;
}

/* An instruction that isn't emulated: its bytes, as far as they are known, and the access. */
static int exit_not_emulated(struct kvm_run *run, const struct vcpu_exit *exit)
{
	uint64_t data[] = { 0, exit->mmio.gpa, exit->mmio.flags, 0, 0 };

	if (!exit->mmio.insn_bytes)
		return internal_error(run, KVM_INTERNAL_ERROR_EMULATION, data, 3);
	data[3] = exit->mmio.gpa;
	data[4] = exit->mmio.flags;
	internal_error(run, KVM_INTERNAL_ERROR_EMULATION, data, 5);
	run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run->emulation_failure.insn_size = exit->mmio.insn_bytes;
	memset(run->emulation_failure.insn_bytes, INSN_FILL,
	       sizeof(run->emulation_failure.insn_bytes));
	memcpy(run->emulation_failure.insn_bytes, exit->mmio.insn, exit->mmio.insn_bytes);
	return 0;
}

static int exit_device(struct shim_vcpu *vcpu, const struct vcpu_exit *exit)
{
	const bool write = exit->mmio.flags & MV_EXIT_MMIO_WRITE;
	struct kvm_run *run = vcpu->run;

	vcpu->io.pending = true;
	vcpu->io.mmio = true;
	vcpu->io.in_bytes = write ? 0 : (uint32_t)exit->mmio.size;
	trace_mmio(write ? TRACE_MMIO_WRITE : TRACE_MMIO_UNSATISFIED, exit->mmio.gpa,
		   exit->mmio.size, write ? exit->mmio.data : 0);
	if (write && bus_write(vcpu->vm, BUS_MMIO, exit->mmio.gpa, (uint32_t)exit->mmio.size,
			       exit->mmio.data))
		return 1;
	count(vcpu, SHIM_STAT_MMIO_EXITS);
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = exit->mmio.gpa;
	run->mmio.len = (uint32_t)exit->mmio.size;
	run->mmio.is_write = write;
	if (write)
		memcpy(run->mmio.data, &exit->mmio.data, sizeof(run->mmio.data));
	return 0;
}

/*
 * The guest gets #UD for it, as from KVM, and user space is told when its kernel did it. With
 * KVM_CAP_EXIT_ON_EMULATION_FAILURE user space is told always, and there is no exception.
 */
static int exit_emulation_failure(struct shim_vcpu *vcpu, const struct vcpu_exit *exit)
{
	struct mv_rdl_entry_t ss = { .reg = mv_reg_t_ss_attrib };
	mv_status_t status;

	if (LOAD(vcpu->vm->caps.exit_on_emulation_failure))
		return exit_not_emulated(vcpu->run, exit);
	status = hypercall_rdl(MV_VS_OP_REG_GET_LIST_IDX_VAL, vcpu->vsid, &ss, 1);
	if (status == MV_STATUS_SUCCESS)
		status = hypercall_inject_exception(vcpu->vsid, VEC_UD, 0);
	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);
	vcpu->due |= VCPU_EXCEPTION;
	vcpu->has_payload = false;
	trace_exception(VEC_UD);
	return ss.val & ATTRIB_DPL ? 1 : exit_not_emulated(vcpu->run, exit);
}

/*
 * The hypervisor asks whether there is memory, and starts over what needed it: 1, or -errno. It is
 * not complete, so that what is pending of it is completed before KVM_RUN returns early.
 */
static int exit_ask(struct shim_vcpu *vcpu, const struct vcpu_exit *exit)
{
	int ret = memory_fault(vcpu->vm, exit->mmio.gpa, exit->mmio.flags & MV_EXIT_MMIO_WRITE);

	vcpu->io.pending = true;
	if (ret == MEMORY_DEVICE)
		vcpu->io.flags |= MV_RUN_FLAG_NO_MEMORY;
	return ret < 0 ? ret : 1;
}

/*
 * An access that the guest's tables didn't allow, and that is a device's, as it said when it was
 * asked. If there is a slot now what isn't complete starts over; a write is complete, and must not
 * be lost.
 */
static int exit_mmio(struct shim_vcpu *vcpu, const struct vcpu_exit *exit)
{
	const bool write = exit->mmio.flags & MV_EXIT_MMIO_WRITE;
	int ret;

	if (exit->mmio.flags & MV_EXIT_MMIO_ASK)
		return exit_ask(vcpu, exit);
	ret = memory_fault(vcpu->vm, exit->mmio.gpa, write);
	if (ret < 0)
		return ret;
	if (ret == MEMORY_THERE && !(write && exit->mmio.size))
		return 1;
	return exit->mmio.size ? exit_device(vcpu, exit) : exit_emulation_failure(vcpu, exit);
}

/* User space answers: 0; or not, since it didn't ask for that: #GP. */
static int msr_to_user(struct shim_vcpu *vcpu, const struct vcpu_exit *exit, uint32_t reason)
{
	const bool write = exit->msr.flags & MV_EXIT_MSR_WRITE;
	struct kvm_run *run = vcpu->run;

	vcpu->io.pending = true;
	if (!(LOAD(vcpu->vm->msr_reasons) & reason)) {
		vcpu->io.flags = MV_RUN_FLAG_MSR_FAULT;
		return 1;
	}
	run->exit_reason = write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	memset(&run->msr, 0, sizeof(run->msr));
	run->msr.reason = reason;
	run->msr.index = exit->msr.index;
	run->msr.data = exit->msr.value;
	vcpu->io.msr = true;
	vcpu->io.in_bytes = write ? 0 : sizeof(run->msr.data);
	return 0;
}

static int exit_msr(struct shim_vcpu *vcpu, const struct vcpu_exit *exit)
{
	if (exit->msr.flags & MV_EXIT_MSR_UNKNOWN)
		return msr_to_user(vcpu, exit, KVM_MSR_EXIT_REASON_UNKNOWN);
	if (exit->msr.flags & MV_EXIT_MSR_REFUSED)
		return msr_to_user(vcpu, exit, KVM_MSR_EXIT_REASON_INVAL);
	if (!filter_allows(vcpu->vm, exit->msr.index, exit->msr.flags & MV_EXIT_MSR_WRITE))
		return msr_to_user(vcpu, exit, KVM_MSR_EXIT_REASON_FILTER);
	vcpu->io.pending = true;
	vcpu->io.flags = MV_RUN_FLAG_MSR_EXECUTE;
	return 1;
}

/* 0: back to user space; 1: enter the guest again; or -errno. */
static int exit_translate(struct shim_vcpu *vcpu, const struct vcpu_exit *exit)
{
	switch (exit->status) {
	case MV_STATUS_SUCCESS:
		break;
	case MV_STATUS_EXIT_FAILURE:
		return exit_failure(vcpu->run, exit);
	case MV_STATUS_EXIT_UNKNOWN:
		return exit_unexpected(vcpu->run, exit);
	default:
		return hypercall_errno(exit->status);
	}
	switch (exit->reason) {
	case mv_exit_reason_t_hlt:
		return exit_hlt(vcpu, exit);
	case mv_exit_reason_t_io:
		return exit_io(vcpu, exit);
	case mv_exit_reason_t_mmio:
		return exit_mmio(vcpu, exit);
	case mv_exit_reason_t_msr:
		return exit_msr(vcpu, exit);
	case mv_exit_reason_t_interrupt:
	case mv_exit_reason_t_nmi:
		return 1;
	case mv_exit_reason_t_window:
		count(vcpu, SHIM_STAT_REQUEST_IRQ_EXITS);
		vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
		return 0;
	case mv_exit_reason_t_set_tpr:
		vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
		return 0;
	default:
		return exit_unexpected(vcpu->run, exit);
	}
}

/*
 * Completes what is pending, without running the guest. 1: it has an access more, which user
 * space must serve first; 0: it is complete; or -errno.
 */
static int complete(struct shim_vcpu *vcpu, uint64_t cr8, struct vcpu_exit *exit)
{
	int ret;

	while (vcpu->io.pending || cr8 != vcpu->cr8) {
		ret = enter(vcpu, cr8, MV_RUN_FLAG_COMPLETE_ONLY, exit);
		if (ret)
			return ret;
		ret = exit_translate(vcpu, exit);
		if (ret <= 0)
			return ret < 0 ? ret : 1;
	}
	return 0;
}

static uint64_t window_wanted(const struct shim_vcpu *vcpu)
{
	return LOAD(vcpu->run->request_interrupt_window) ? MV_RUN_FLAG_WINDOW : 0;
}

/*
 * What is due before the guest is entered. 1: enter it; 0: back to user space; or -errno.
 */
static int serve_due(struct shim_vcpu *vcpu, uint64_t cr8, struct vcpu_exit *exit)
{
	int ret;

	if (vcpu->due & VCPU_TRIPLE_FAULT) {
		ret = complete(vcpu, cr8, exit);
		if (ret)
			return ret < 0 ? ret : 0;
		vcpu->due &= ~VCPU_TRIPLE_FAULT;
		vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
		return 0;
	}
	ret = events_deliver(vcpu);
	return ret ? ret : 1;
}

static int run_loop(struct shim_vcpu *vcpu, uint64_t cr8, struct vcpu_exit *exit)
{
	int ret;

	if (LOAD(vcpu->run->immediate_exit)) {
		ret = complete(vcpu, cr8, exit);
		return ret > 0 ? 0 : ret ? ret : -EINTR;
	}
	do {
		platform_yield();
		if (platform_signal_pending()) {
			ret = complete(vcpu, cr8, exit);
			if (ret > 0)
				return 0;
			vcpu->run->exit_reason = KVM_EXIT_INTR;
			count(vcpu, SHIM_STAT_SIGNAL_EXITS);
			return ret ? ret : -EINTR;
		}
		ret = vcpu->due ? serve_due(vcpu, cr8, exit) : 1;
		if (ret <= 0)
			return ret;
		ret = enter(vcpu, cr8, window_wanted(vcpu), exit);
		if (!ret)
			ret = exit_translate(vcpu, exit);
	} while (ret > 0);
	return ret;
}

/* For a KVM_RUN that did not come to mv_vs_op_run. */
static mv_status_t state_get(const struct shim_vcpu *vcpu, struct mv_exit_state_t *state)
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
static void run_save(struct shim_vcpu *vcpu, struct vcpu_exit *exit)
{
	const struct mv_exit_state_t *state = &exit->state;
	struct kvm_run *run = vcpu->run;

	if (!exit->ran && state_get(vcpu, &exit->state) != MV_STATUS_SUCCESS)
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
static int run(struct shim_vcpu *vcpu, uint64_t valid, struct vcpu_exit *exit)
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
	return run_loop(vcpu, cr8, exit);
}

int shim_vcpu_run(struct shim_vcpu *vcpu)
{
	const uint64_t valid = LOAD(vcpu->run->kvm_valid_regs);
	struct vcpu_exit exit PLATFORM_FILLED;
	int ret;

	exit.ran = false;
	vcpu->run->flags = 0;
	ret = run(vcpu, valid, &exit);
	if (valid)
		sync_to_run(vcpu, valid);
	run_save(vcpu, &exit);
	return ret;
}
