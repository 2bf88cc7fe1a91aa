// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What an exit of the guest is to user space: from the shared page, while it is held, to
 * vcpu->exit, and from there to kvm_run, which the user can write at any time.
 */
#include "bus.h"
#include "filter.h"
#include "hypercall.h"
#include "memory.h"
#include "run.h"
#include "trace.h"

#define VEC_UD 6U
#define ATTRIB_DPL 0x60U /* of SS: the CPL */

/* Of vcpu->device, which is 0 when no page is known. */
#define DEVICE_READ 1U
#define DEVICE_WRITE 2U

#define MMIO_MAX 8U /* bytes of kvm_run->mmio.data */
#define INSN_FILL 0x90 /* behind the bytes of an instruction, as KVM does it */

/* What a register has: 1, 2 or 4 bytes. Faster than a call of memcpy(). */
static void element_copy(void *to, const uint64_t *from, uint32_t bytes)
{
	if (bytes == 4)
		memcpy(to, from, 4);
	else if (bytes == 2)
		memcpy(to, from, 2);
	else
		memcpy(to, from, 1);
}

static PLATFORM_SELDOM void string_copy(const struct shim_vcpu *vcpu, const uint8_t *out,
					struct vcpu_exit *exit)
{
	memcpy(pio_page(vcpu), out, exit->io.reps * exit->io.size);
	memcpy(&exit->io.data, out, exit->io.size);
}

/* What the hypervisor must not tell is mv_exit_reason_t_unknown: it is trusted, but not with
 * writing behind the page. */
static void io_copy(const struct shim_vcpu *vcpu, const struct mv_exit_io_t *io,
		    struct vcpu_exit *exit)
{
	exit->io.port = io->addr;
	exit->io.reps = io->reps;
	exit->io.type = io->type;
	exit->io.size = 1U << (io->size & 3);
	exit->io.data = io->data;
	if (io->size > mv_bit_size_t_32 || !exit->io.reps ||
	    exit->io.reps > MV_EXIT_IO_MAX_BYTES / exit->io.size) {
		exit->reason = mv_exit_reason_t_unknown;
		memset(exit->unknown, 0, sizeof(exit->unknown));
	} else if (PLATFORM_LIKELY(exit->io.type == MV_EXIT_IO_OUT)) {
		element_copy(pio_page(vcpu), &exit->io.data, exit->io.size);
	} else if (exit->io.type & MV_EXIT_IO_OUT) {
		string_copy(vcpu, io->out, exit);
	}
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

/* All but IN and OUT. True: what is pending of the access stays so. */
static PLATFORM_SELDOM bool other_copy(struct shim_vcpu *vcpu, const void *page, bool guest,
				       struct vcpu_exit *exit)
{
	if (exit->status == MV_STATUS_EXIT_FAILURE) {
		exit->failure = ((const struct mv_exit_failure_t *)page)->hardware_reason;
		return false;
	}
	if (exit->status == MV_STATUS_EXIT_UNKNOWN) {
		memcpy(exit->unknown, page, sizeof(exit->unknown));
		return false;
	}
	switch (exit->reason) {
	case mv_exit_reason_t_mmio:
		mmio_copy(page, exit);
		return exit->mmio.flags & MV_EXIT_MMIO_KEEP;
	case mv_exit_reason_t_hlt:
		exit->hlt = ((const struct mv_exit_hlt_t *)page)->reason;
		return false;
	case mv_exit_reason_t_msr:
		msr_copy(page, exit);
		return false;
	case mv_exit_reason_t_interrupt:
	case mv_exit_reason_t_nmi:
		if (guest)
			count(vcpu, SHIM_STAT_IRQ_EXITS);
		return false;
	default:
		memset(exit->unknown, 0, sizeof(exit->unknown));
		return false;
	}
}

void exit_take(struct shim_vcpu *vcpu, const void *page, bool guest)
{
	struct vcpu_exit *exit = &vcpu->exit;
	bool keep = false;

	if (PLATFORM_LIKELY(exit->status == MV_STATUS_SUCCESS &&
			    exit->reason == mv_exit_reason_t_io))
		io_copy(vcpu, page, exit);
	else
		keep = other_copy(vcpu, page, guest, exit);
	memcpy(&exit->state, (const char *)page + MV_EXIT_STATE_OFFSET,
	       offsetof(struct mv_exit_state_t, reserved));
	exit->ran = true;
	if (!keep)
		vcpu->io = (struct vcpu_io){ .pending = false };
	if (guest) {
		trace_exit(vcpu);
		vcpu->has_run = true;
		vcpu->has_pdptrs = false;
	}
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
	    bus_write(vcpu, BUS_PIO, exit->io.port, exit->io.size, exit->io.data))
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
	if (write &&
	    bus_write(vcpu, BUS_MMIO, exit->mmio.gpa, (uint32_t)exit->mmio.size, exit->mmio.data))
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
static PLATFORM_SELDOM int exit_emulation_failure(struct shim_vcpu *vcpu,
						  const struct vcpu_exit *exit)
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
 * What memory_fault() answers; that a page is a device's is remembered until there is a new slot.
 */
static int memory_or_device(struct shim_vcpu *vcpu, uint64_t gpa, bool write)
{
	const uint64_t slots = __atomic_load_n(&vcpu->vm->slots.generation, __ATOMIC_ACQUIRE),
		       page = (gpa & ~(MV_PAGE_SIZE - 1)) | (write ? DEVICE_WRITE : DEVICE_READ);
	int ret;

	if (vcpu->device == page && vcpu->device_slots == slots)
		return MEMORY_DEVICE;
	ret = memory_fault(vcpu->vm, gpa, write);
	if (ret == MEMORY_DEVICE) {
		vcpu->device = page;
		vcpu->device_slots = slots;
	}
	return ret;
}

/*
 * The hypervisor asks whether there is memory, and starts over what needed it: 1, or -errno. It is
 * not complete, so that what is pending of it is completed before KVM_RUN returns early.
 */
static int exit_ask(struct shim_vcpu *vcpu, const struct vcpu_exit *exit)
{
	int ret = memory_or_device(vcpu, exit->mmio.gpa, exit->mmio.flags & MV_EXIT_MMIO_WRITE);

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
	ret = memory_or_device(vcpu, exit->mmio.gpa, write);
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
		trace_msr(exit, 0, true);
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

static PLATFORM_SELDOM int exit_other(struct shim_vcpu *vcpu, const struct vcpu_exit *exit)
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
	case mv_exit_reason_t_msr:
		return exit_msr(vcpu, exit);
	case mv_exit_reason_t_interrupt:
	case mv_exit_reason_t_nmi:
		platform_yield(); /* a guest without other exits is left no other way */
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

int exit_translate(struct shim_vcpu *vcpu)
{
	const struct vcpu_exit *exit = &vcpu->exit;

	if (PLATFORM_LIKELY(exit->status == MV_STATUS_SUCCESS)) {
		if (exit->reason == mv_exit_reason_t_io)
			return exit_io(vcpu, exit);
		if (exit->reason == mv_exit_reason_t_mmio)
			return exit_mmio(vcpu, exit);
	}
	return exit_other(vcpu, exit);
}
