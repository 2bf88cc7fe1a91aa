// SPDX-License-Identifier: MIT
/*
 * libFuzzer target: what MicroV answers to mv_vs_op_run, whatever that is, on its way into
 * kvm_run, which the user rewrites meanwhile. kvm_run must come out such that a KVM program can
 * use it without a check of its own; nothing else of the vCPU's mapping changes; and the next run
 * gets as many bytes as the exit asked for, and those that user space wrote.
 */
#include <stdlib.h>

#include "fake.h"
#include "fuzz.h"

#define RUNS 12
#define CANARY 0xC5

static struct fuzz in;
static struct shim_vm vm;
static struct shim_vcpu vcpu;

/* What the last exit is waiting for; and the last exit itself. */
static uint32_t wants;
static struct {
	mv_status_t status;
	uint64_t reason;
	union fake_exit page;
} last;
static uint8_t answer[MV_EXIT_IO_MAX_BYTES]; /* of user space */
static bool answered;

/* --- MicroV --- */

static uint32_t io_wants(const struct mv_exit_io_t *io)
{
	if (io->size > mv_bit_size_t_32 || !io->reps ||
	    io->reps > MV_EXIT_IO_MAX_BYTES >> io->size || io->type & MV_EXIT_IO_OUT)
		return 0;
	return (uint32_t)io->reps << io->size;
}

static uint32_t mmio_wants(const struct mv_exit_mmio_t *mmio)
{
	const uint32_t keep = mmio->flags & MV_EXIT_MMIO_KEEP ? wants : 0;

	if (mmio->flags & MV_EXIT_MMIO_ASK || !mmio->size || mmio->size > 8)
		return keep;
	return mmio->flags & MV_EXIT_MMIO_WRITE ? 0 : (uint32_t)mmio->size;
}

static uint32_t msr_wants(const struct mv_exit_msr_t *msr)
{
	const uint32_t reason = msr->flags & MV_EXIT_MSR_UNKNOWN   ? KVM_MSR_EXIT_REASON_UNKNOWN
				: msr->flags & MV_EXIT_MSR_REFUSED ? KVM_MSR_EXIT_REASON_INVAL
								   : 0;

	return reason & vm.msr_reasons && !(msr->flags & MV_EXIT_MSR_WRITE) ? 8 : 0;
}

static void fill_exit(void)
{
	static const uint64_t reasons[] = {
		mv_exit_reason_t_io,	  mv_exit_reason_t_mmio,      mv_exit_reason_t_msr,
		mv_exit_reason_t_hlt,	  mv_exit_reason_t_interrupt, mv_exit_reason_t_nmi,
		mv_exit_reason_t_io,	  mv_exit_reason_t_mmio,      mv_exit_reason_t_window,
		mv_exit_reason_t_set_tpr,
	};
	const unsigned int n = fuzz_below(&in, 12);

	memset(&last, 0, sizeof(last));
	last.reason = n < 10 ? reasons[n] : fuzz_any(&in);
	if (fuzz_u8(&in) > 240)
		last.status = n & 1 ? MV_STATUS_EXIT_FAILURE : MV_STATUS_EXIT_UNKNOWN;
	if (n == 11 && !fuzz_u8(&in))
		last.status = MV_STATUS_FAILURE_UNKNOWN;
	if (last.reason == mv_exit_reason_t_io) {
		last.page.io.addr = fuzz_any(&in);
		last.page.io.type = fuzz_below(&in, 4);
		last.page.io.size = fuzz_below(&in, 5);
		last.page.io.reps = fuzz_any(&in);
		last.page.io.data = fuzz_any(&in);
	} else if (last.reason == mv_exit_reason_t_mmio) {
		last.page.mmio.gpa = fuzz_any(&in) * 8;
		last.page.mmio.flags = fuzz_u8(&in);
		last.page.mmio.size = fuzz_any(&in);
		last.page.mmio.data = fuzz_any(&in);
		last.page.mmio.insn_bytes = fuzz_u8(&in);
	} else {
		fuzz_read(&in, last.page.bytes, fuzz_below(&in, 32));
	}
	fuzz_read(&in, last.page.bytes + fuzz_u8(&in) * 8, fuzz_below(&in, 16));
}

/* At any time, by any thread: also while the guest runs. */
static void scribble(void)
{
	const unsigned int count = fuzz_below(&in, 4);
	unsigned int i;

	for (i = 0; i < count; i++) {
		const size_t at = fuzz_u8(&in) * 8 % (sizeof(struct kvm_run) - 8);
		uint64_t value = fuzz_any(&in);

		memcpy((char *)vcpu.run + at, &value, sizeof(value));
	}
}

static void check_input(const struct mv_run_t *run)
{
	const bool fault = run->flags & MV_RUN_FLAG_MSR_FAULT;

	FUZZ_CHECK(!(run->flags & ~MV_RUN_FLAGS_ALL));
	FUZZ_CHECK(run->in_bytes <= sizeof(run->in));
	FUZZ_CHECK(run->in_bytes == wants || (fault && !run->in_bytes));
	if (answered && run->in_bytes)
		FUZZ_CHECK(!memcmp(run->in, answer, run->in_bytes));
}

static mv_status_t run(const struct mv_run_t *input, void *page, uint64_t *reason)
{
	check_input(input);
	scribble();
	answered = false;
	if (!fuzz_more(&in)) {
		memset(&last, 0, sizeof(last));
		last.reason = input->flags & MV_RUN_FLAG_COMPLETE_ONLY ? mv_exit_reason_t_interrupt
								       : mv_exit_reason_t_hlt;
		last.page.hlt.reason = mv_hlt_t_wait;
	} else {
		fill_exit();
	}
	if (last.status == MV_STATUS_FAILURE_UNKNOWN)
		return last.status; /* not taken: what waits goes on waiting */
	wants = last.status != MV_STATUS_SUCCESS       ? 0
		: last.reason == mv_exit_reason_t_io   ? io_wants(&last.page.io)
		: last.reason == mv_exit_reason_t_mmio ? mmio_wants(&last.page.mmio)
		: last.reason == mv_exit_reason_t_msr  ? msr_wants(&last.page.msr)
						       : 0;
	memcpy(page, &last.page, sizeof(last.page));
	*reason = last.reason;
	return last.status;
}

/* --- kvm_run --- */

static void check_io(const struct kvm_run *r)
{
	const bool out = last.page.io.type & MV_EXIT_IO_OUT;
	const uint32_t bytes = r->io.count * r->io.size;

	FUZZ_CHECK(last.reason == mv_exit_reason_t_io);
	FUZZ_CHECK(r->io.size == 1 || r->io.size == 2 || r->io.size == 4);
	FUZZ_CHECK(r->io.data_offset == SHIM_PIO_OFFSET && r->io.count);
	FUZZ_CHECK(r->io.count <= MV_EXIT_IO_MAX_BYTES && bytes <= MV_EXIT_IO_MAX_BYTES);
	FUZZ_CHECK(r->io.direction == (out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN));
	FUZZ_CHECK(r->io.port == (uint16_t)last.page.io.addr && r->io.count == last.page.io.reps);
	if (last.page.io.type == (MV_EXIT_IO_OUT | MV_EXIT_IO_STRING))
		FUZZ_CHECK(!memcmp((char *)r + SHIM_PIO_OFFSET, last.page.io.out, bytes));
}

static void check_run(const struct kvm_run *r)
{
	switch (r->exit_reason) {
	case KVM_EXIT_IO:
		check_io(r);
		break;
	case KVM_EXIT_MMIO:
		FUZZ_CHECK(last.reason == mv_exit_reason_t_mmio && r->mmio.len >= 1 &&
			   r->mmio.len <= sizeof(r->mmio.data) && r->mmio.is_write <= 1);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		FUZZ_CHECK(r->internal.ndata <=
			   sizeof(r->internal.data) / sizeof(r->internal.data[0]));
		break;
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		FUZZ_CHECK(last.reason == mv_exit_reason_t_msr && vm.msr_reasons & r->msr.reason);
		break;
	case KVM_EXIT_HLT:
	case KVM_EXIT_SHUTDOWN:
	case KVM_EXIT_FAIL_ENTRY:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_SET_TPR:
		break;
	default:
		FUZZ_CHECK(!"a reason that KVM has");
	}
}

static bool all_canary(const uint8_t *from, size_t bytes)
{
	while (bytes--)
		if (*from++ != CANARY)
			return false;
	return true;
}

static void check_rest(void)
{
	const uint8_t *r = (const uint8_t *)vcpu.run;

	FUZZ_CHECK(
		all_canary(r + sizeof(struct kvm_run), SHIM_PIO_OFFSET - sizeof(struct kvm_run)));
	FUZZ_CHECK(all_canary(r + SHIM_PIO_OFFSET + MV_EXIT_IO_MAX_BYTES,
			      MV_PAGE_SIZE - MV_EXIT_IO_MAX_BYTES));
	FUZZ_CHECK(all_canary(r + SHIM_RING_PAGE * MV_PAGE_SIZE, MV_PAGE_SIZE));
}

/* User space serves the exit: fills in what it was asked for. */
static void user_answers(void)
{
	struct kvm_run *r = vcpu.run;
	void *to = (char *)r + SHIM_PIO_OFFSET;

	if (last.reason == mv_exit_reason_t_mmio)
		to = r->mmio.data;
	else if (last.reason == mv_exit_reason_t_msr)
		to = &r->msr.data;
	if (wants > sizeof(answer) || last.page.mmio.flags & MV_EXIT_MMIO_KEEP)
		return;
	memset(answer, fuzz_u8(&in), wants);
	memcpy(to, answer, wants);
	answered = true;
}

static void one_run(void)
{
	const unsigned int how = fuzz_u8(&in);
	int ret;

	vcpu.run->immediate_exit = how & 1;
	vcpu.run->kvm_dirty_regs = how & 0x10 ? fuzz_u8(&in) : 0;
	vcpu.run->kvm_valid_regs = how & 0x20 ? fuzz_u8(&in) & 7 : 0;
	vcpu.run->cr8 = how & 0x40 ? fuzz_u8(&in) : 0;
	vcpu.run->exit_reason = ~0U;
	os.signal = how & 2;
	ret = shim_vcpu_run(&vcpu);
	check_rest();
	if (!ret) {
		check_run(vcpu.run);
		user_answers();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int i, flags;

	in = (struct fuzz){ data, size };
	fake_setup(NULL);
	fake_vm(&vm, &vcpu);
	memset(vcpu.run, 0, sizeof(struct kvm_run));
	memset((char *)vcpu.run + sizeof(struct kvm_run), CANARY,
	       SHIM_RUN_BYTES - sizeof(struct kvm_run));
	flags = fuzz_u8(&in);
	vm.msr_reasons = flags & 7;
	vm.caps.exit_on_emulation_failure = flags & 8;
	hv.run = run;
	hv.reg[mv_reg_t_rflags] = flags & 16 ? 0x202 : 2;
	wants = 0;
	answered = false;
	memset(&last, 0, sizeof(last));
	for (i = 0; i < RUNS && fuzz_more(&in); i++)
		one_run();
	fake_vm_free(&vm, &vcpu);
	fake_teardown(NULL);
	return 0;
}
