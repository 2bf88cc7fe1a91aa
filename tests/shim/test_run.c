// SPDX-License-Identifier: MIT
/* KVM_RUN: what goes into mv_run_t, and what becomes of each exit. */
#include "fake.h"

static struct shim_vm vm;
static struct shim_vcpu vcpu;
static struct kvm_run *run;
static uint8_t *pio;

/* What the shim gave to the last mv_vs_op_run. */
static struct mv_run_t last;

/* What mv_vs_op_run answers: set by the tests. */
static struct {
	mv_status_t status;
	uint64_t reason;
	union fake_exit page;
	unsigned int interrupts; /* come first */
} answer;

static mv_status_t run_hypercall(const struct mv_run_t *in, void *page, uint64_t *reason)
{
	last = *in;
	if (in->flags & MV_RUN_FLAG_COMPLETE_ONLY || answer.interrupts) {
		answer.interrupts -= !!answer.interrupts;
		*reason = mv_exit_reason_t_interrupt;
		return MV_STATUS_SUCCESS;
	}
	memcpy(page, &answer.page, sizeof(answer.page));
	*reason = answer.reason;
	return answer.status;
}

static int setup(void **state)
{
	fake_setup(state);
	fake_vm(&vm, &vcpu);
	run = vcpu.run;
	pio = (uint8_t *)run + 4096;
	memset(&answer, 0, sizeof(answer));
	answer.reason = mv_exit_reason_t_hlt;
	answer.page.hlt.reason = mv_hlt_t_wait;
	hv.run = run_hypercall;
	hv.reg[mv_reg_t_rflags] = 0x202;
	return 0;
}

static int teardown(void **state)
{
	fake_vm_free(&vm, &vcpu);
	return fake_teardown(state);
}

static void answer_io(uint64_t port, uint64_t type, uint8_t size, uint64_t reps, uint64_t data)
{
	answer.reason = mv_exit_reason_t_io;
	answer.page.io = (struct mv_exit_io_t){
		.addr = port, .type = type, .size = size, .reps = reps, .data = data
	};
}

static void hlt(void **state)
{
	(void)state;
	run->flags = 0xFFFF;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	assert_int_equal(run->if_flag, 1);
	assert_int_equal(run->ready_for_interrupt_injection, 1);
	assert_int_equal(run->apic_base, 0xFEE00900);
	assert_int_equal(run->cr8, 0);
	assert_int_equal(run->flags, 0);
	assert_int_equal(last.flags, 0);
	assert_int_equal(last.in_bytes, 0);
	assert_int_equal(last.reg[0].reg, 0);
	assert_int_equal(hv.runs, 1);
	assert_int_equal(hv.reg_gets, 0);
}

static void interrupt_shadow(void **state)
{
	(void)state;
	hv.shadow = true;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->if_flag, 1);
	assert_int_equal(run->ready_for_interrupt_injection, 0);
}

static void guest_moves_its_apic(void **state)
{
	(void)state;
	hv.apic_base = 0xFEC00900;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->apic_base, 0xFEC00900);
}

static void interrupts_off(void **state)
{
	(void)state;
	hv.reg[mv_reg_t_rflags] = 0x2;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->if_flag, 0);
	assert_int_equal(run->ready_for_interrupt_injection, 0);
}

static void triple_fault(void **state)
{
	(void)state;
	answer.page.hlt.reason = mv_hlt_t_vm_crash;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_SHUTDOWN);
}

static void hypervisor_gave_up(void **state)
{
	(void)state;
	answer.page.hlt.reason = mv_hlt_t_microv_crash;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(run->internal.suberror, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON);
	assert_in_range(run->internal.ndata, 1, 16);
}

static void out(void **state)
{
	static const uint8_t sizes[] = { mv_bit_size_t_8, mv_bit_size_t_16, mv_bit_size_t_32 };
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		memset(pio, 0xEE, 8);
		answer_io(0xFFFF, MV_EXIT_IO_OUT, sizes[i], 1, 0x44332211);
		assert_int_equal(shim_vcpu_run(&vcpu), 0);
		assert_int_equal(run->exit_reason, KVM_EXIT_IO);
		assert_int_equal(run->io.direction, KVM_EXIT_IO_OUT);
		assert_int_equal(run->io.size, 1 << i);
		assert_int_equal(run->io.port, 0xFFFF);
		assert_int_equal(run->io.count, 1);
		assert_int_equal(run->io.data_offset, 4096);
		assert_memory_equal(pio, "\x11\x22\x33\x44", 1 << i);
		assert_int_equal(pio[1 << i], 0xEE);
		assert_int_equal(last.in_bytes, 0);
	}
}

static void in(void **state)
{
	(void)state;
	answer_io(0x60, MV_EXIT_IO_IN, mv_bit_size_t_16, 1, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->io.direction, KVM_EXIT_IO_IN);
	assert_int_equal(run->io.size, 2);

	/* what the user writes over is of no interest, but for the data */
	memset(&run->io, 0xFF, sizeof(run->io));
	run->exit_reason = 99;
	memcpy(pio, "\xAB\xCD\xEF", 3);
	answer.reason = mv_exit_reason_t_hlt;
	answer.page.hlt.reason = mv_hlt_t_wait;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(last.in_bytes, 2);
	assert_memory_equal(last.in, "\xAB\xCD", 2);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);

	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(last.in_bytes, 0);
}

static void lower_task_priority(void **state)
{
	(void)state;
	answer.reason = mv_exit_reason_t_set_tpr;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_SET_TPR);
}

static void outs_and_ins(void **state)
{
	size_t i;

	(void)state;
	answer_io(0x10, MV_EXIT_IO_OUT | MV_EXIT_IO_STRING, mv_bit_size_t_32, 3, 0);
	memcpy(answer.page.io.out, "0123456789ab", 12);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->io.count, 3);
	assert_memory_equal(pio, "0123456789ab", 12);

	answer_io(0x10, MV_EXIT_IO_IN | MV_EXIT_IO_STRING, mv_bit_size_t_8, 1024, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->io.count, 1024);
	assert_int_equal(run->io.direction, KVM_EXIT_IO_IN);
	for (i = 0; i < 1024; i++)
		pio[i] = (uint8_t)(i * 7);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(last.in_bytes, 1024);
	assert_memory_equal(last.in, pio, 1024);
}

/* The hypervisor is trusted, but not with writing behind the page. */
static void absurd_io(void **state)
{
	static const struct {
		uint8_t size;
		uint64_t reps;
	} cases[] = { { 0, 0 }, { 0, 1025 }, { 2, 257 }, { 3, 1 }, { 4, 1 }, { 0, ~0ULL } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		answer_io(1, MV_EXIT_IO_OUT | MV_EXIT_IO_STRING, cases[i].size, cases[i].reps, 0);
		assert_int_equal(shim_vcpu_run(&vcpu), 0);
		assert_int_equal(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
		assert_false(vcpu.io.pending);
	}
}

static void interrupt_goes_straight_back(void **state)
{
	(void)state;
	answer.interrupts = 3;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(hv.runs, 4);
	assert_int_equal(os.yields, 3);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
}

/* The data of an IN goes with the first of several entries only. */
static void in_is_given_once(void **state)
{
	(void)state;
	answer_io(0x60, MV_EXIT_IO_IN, mv_bit_size_t_8, 1, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	answer.interrupts = 1;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(hv.runs, 3);
	assert_int_equal(last.in_bytes, 0);
}

static void signal_ends_it(void **state)
{
	(void)state;
	os.signal = true;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(run->exit_reason, KVM_EXIT_INTR);
	assert_int_equal(hv.runs, 0);
	assert_int_equal(run->if_flag, 1);
	assert_int_equal(run->apic_base, 0xFEE00900);
}

static void signal_after_in_completes_it(void **state)
{
	(void)state;
	answer_io(0x60, MV_EXIT_IO_IN, mv_bit_size_t_8, 1, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	pio[0] = 0x99;
	os.signal = true;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(hv.runs, 2);
	assert_int_equal(last.flags, MV_RUN_FLAG_COMPLETE_ONLY);
	assert_int_equal(last.in_bytes, 1);
	assert_int_equal(last.in[0], 0x99);
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(hv.runs, 2);
}

static void work_before_the_guest(void **state)
{
	(void)state;
	os.busy_once = true;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(hv.runs, 1);
	assert_int_equal(os.yields, 1);
}

static void immediate_exit(void **state)
{
	(void)state;
	run->immediate_exit = 1;
	run->exit_reason = 77;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(hv.runs, 0);
	assert_int_equal(run->exit_reason, 77);

	run->immediate_exit = 0;
	answer_io(0x60, MV_EXIT_IO_OUT, mv_bit_size_t_8, 1, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	run->immediate_exit = 1;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(hv.runs, 2);
	assert_int_equal(last.flags, MV_RUN_FLAG_COMPLETE_ONLY);
	assert_int_equal(run->immediate_exit, 1);
}

static void task_priority(void **state)
{
	(void)state;
	run->cr8 = 5;
	os.busy_once = true;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(last.reg[0].reg, mv_reg_t_cr8);
	assert_int_equal(hv.reg[mv_reg_t_cr8], 5);
	assert_int_equal(run->cr8, 5);
	/* and the guest's own value comes out */
	hv.reg[mv_reg_t_cr8] = 9;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(last.reg[0].reg, 0);
	assert_int_equal(run->cr8, 9);
	run->cr8 = 16;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINVAL);
	assert_int_equal(hv.runs, 2);
}

static void sync_regs_unknown(void **state)
{
	(void)state;
	run->kvm_valid_regs = 8;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINVAL);
	run->kvm_valid_regs = 0;
	run->kvm_dirty_regs = 8 | KVM_SYNC_X86_REGS;
	run->s.regs.regs.rbx = 5;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINVAL);
	assert_int_equal(hv.runs, 0);
	assert_int_equal(hv.reg[mv_reg_t_rbx], 0);
	assert_int_equal(run->kvm_dirty_regs, 8 | KVM_SYNC_X86_REGS);
}

/* Taken once: the bits of what was set are gone. */
static void sync_regs_set(void **state)
{
	(void)state;
	run->s.regs.regs.rbx = 5;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(hv.reg[mv_reg_t_rbx], 5);
	assert_int_equal(run->kvm_dirty_regs, 0);
	/* kvm_valid_regs is 0: nothing comes back */
	hv.reg[mv_reg_t_rbx] = 6;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->s.regs.regs.rbx, 5);
}

static void sync_regs_refused(void **state)
{
	(void)state;
	memset(&run->s.regs.sregs, 0xFF, sizeof(run->s.regs.sregs));
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINVAL);
	assert_int_equal(run->kvm_dirty_regs, KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS);
	assert_int_equal(hv.runs, 0);
}

static void sync_regs_got(void **state)
{
	(void)state;
	hv.reg[mv_reg_t_r9] = 9;
	hv.reg[mv_reg_t_cr2] = 0x2000;
	run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	run->s.regs.events.flags = 0;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->s.regs.regs.r9, 9);
	assert_int_equal(run->s.regs.sregs.cr2, 0x2000);
	assert_true(run->s.regs.events.flags & KVM_VCPUEVENT_VALID_SHADOW);
}

static void statistics(void **state)
{
	struct shim_stats_image image = { .bytes = 0 };
	const uint64_t *data;

	(void)state;
	answer.reason = mv_exit_reason_t_hlt;
	answer.page.hlt.reason = mv_hlt_t_wait;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	shim_vcpu_get_stats(&vcpu, &image);
	assert_int_equal(image.header.num_desc, SHIM_VCPU_STATS);
	assert_int_equal(image.bytes, image.header.data_offset + 8 * SHIM_VCPU_STATS);
	data = (const uint64_t *)((const char *)&image + image.header.data_offset);
	assert_int_equal(data[SHIM_STAT_HALT_EXITS], 2);
	assert_int_equal(data[SHIM_STAT_IO_EXITS], 0);
	assert_string_equal(image.desc[SHIM_STAT_HALT_EXITS].name, "halt_exits");
	assert_int_equal(image.desc[SHIM_STAT_HALT_EXITS].offset, 8 * SHIM_STAT_HALT_EXITS);
}

static const uint64_t *data_of(const struct shim_stats_image *image)
{
	return (const uint64_t *)((const char *)image + image->header.data_offset);
}

/* Ticks are of 2 GHz. */
static void statistics_from_below(void **state)
{
	struct shim_stats_image image = { .bytes = 0 };
	const unsigned int cr = SHIM_STAT_BY_REASON + MV_STATS_EXIT_cr;

	(void)state;
	hv.stats = (struct mv_stats_t){
		.entries = 7,
		.switches = 9,
		.emulated = 3,
		.interrupts = 4,
		.nmis = 5,
		.age = 10000,
		.run_ticks = 6000,
		.guest_ticks = 2000,
		.exits[MV_STATS_EXIT_cr] = 6,
	};
	shim_vcpu_get_stats(&vcpu, &image);
	assert_int_equal(data_of(&image)[SHIM_STAT_EXITS], 7);
	assert_int_equal(data_of(&image)[SHIM_STAT_INSN_EMULATION], 3);
	assert_int_equal(data_of(&image)[SHIM_STAT_IRQ_INJECTIONS], 4);
	assert_int_equal(data_of(&image)[SHIM_STAT_NMI_INJECTIONS], 5);
	assert_int_equal(data_of(&image)[SHIM_STAT_GUEST_NS], 1000);
	assert_int_equal(data_of(&image)[SHIM_STAT_MICROV_NS], 2000);
	assert_int_equal(data_of(&image)[SHIM_STAT_ROOT_NS], 2000);
	assert_int_equal(image.desc[SHIM_STAT_ROOT_NS].exponent, -9);
	assert_int_equal(data_of(&image)[cr], 6);
	assert_string_equal(image.desc[cr].name, "exit_cr");

	/* It runs: what it does now isn't in all of them yet. */
	hv.stats.guest_ticks = 8000;
	shim_vcpu_get_stats(&vcpu, &image);
	assert_int_equal(data_of(&image)[SHIM_STAT_MICROV_NS], 0);

	hv.stats_vsid = 2;
	memset(&image, 0, sizeof(image));
	shim_cpu_get_stats(2, &image);
	assert_int_equal(image.header.num_desc, SHIM_CPU_STATS);
	assert_int_equal(data_of(&image)[SHIM_STAT_WORLD_SWITCHES], 9);
	assert_int_equal(data_of(&image)[SHIM_STAT_ROOT_BY_REASON + MV_STATS_EXIT_cr], 6);
	assert_int_equal(shim_world_switches(2), 9);
}

static void traced(unsigned int n, enum trace_kind kind, struct platform_event want)
{
	assert_true(n < os.num_traced);
	assert_int_equal(os.traced_kind[n], kind);
	assert_memory_equal(&os.traced[n], &want, sizeof(want));
}

static void tracepoints(void **state)
{
	const struct kvm_interrupt irq = { .irq = 0x31 };

	(void)state;
	os.tracing = true;
	assert_int_equal(shim_vcpu_interrupt(&vcpu, &irq), 0);
	answer_io(0x3F8, MV_EXIT_IO_OUT, mv_bit_size_t_16, 1, 0xAABB);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	answer_io(0x60, MV_EXIT_IO_IN, mv_bit_size_t_8, 1, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	pio[0] = 0x77;
	answer.reason = mv_exit_reason_t_hlt;
	answer.page.hlt.reason = mv_hlt_t_vm_crash;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);

	assert_int_equal(os.num_traced, 9);
	traced(0, TRACE_VIRQ, (struct platform_event){ .vector = 0x31 });
	traced(1, TRACE_ENTRY, (struct platform_event){ .vcpu = vcpu.id, .rip = FAKE_RIP });
	traced(2, TRACE_EXIT,
	       (struct platform_event){
		       .vcpu = vcpu.id, .rip = FAKE_RIP, .code = 0x7b, .info1 = 0x3F80020 });
	traced(3, TRACE_PIO,
	       (struct platform_event){
		       .type = 1, .addr = 0x3F8, .size = 2, .count = 1, .value = 0xAABB });
	assert_int_equal(os.traced[5].info1, 0x600011);
	traced(6, TRACE_PIO,
	       (struct platform_event){ .addr = 0x60, .size = 1, .count = 1, .value = 0x77 });
	assert_int_equal(os.traced[8].code, 0x7f);
}

static unsigned int traced_answers(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < os.num_traced; i++)
		n += os.traced_kind[i] == TRACE_PIO && !os.traced[i].type;
	return n;
}

/* Something else comes before the guest is entered, and user space's answer is given after it. */
static void answer_is_traced_once(void **state)
{
	(void)state;
	answer_io(0x60, MV_EXIT_IO_IN, mv_bit_size_t_8, 1, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	pio[0] = 0x77;
	os.tracing = true;
	os.busy_once = true;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(os.yields, 1);
	assert_int_equal(last.in[0], 0x77);
	assert_int_equal(traced_answers(), 1);
	traced(0, TRACE_PIO,
	       (struct platform_event){ .addr = 0x60, .size = 1, .count = 1, .value = 0x77 });
	/* The next access is another one. */
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(traced_answers(), 2);
}

/* What can't be done before it doesn't let the answer through, which may be another one later. */
static void refused_answer_is_not_traced(void **state)
{
	(void)state;
	answer_io(0x60, MV_EXIT_IO_IN, mv_bit_size_t_8, 1, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	pio[0] = 0x77;
	os.tracing = true;
	os.stale = true;
	os.settle_error = -EINTR;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(os.num_traced, 0);
	os.stale = false;
	os.settle_error = 0;
	pio[0] = 0x78;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	traced(0, TRACE_PIO,
	       (struct platform_event){ .addr = 0x60, .size = 1, .count = 1, .value = 0x78 });
}

static void tracepoints_of_devices(void **state)
{
	(void)state;
	os.tracing = true;
	answer.reason = mv_exit_reason_t_mmio;
	answer.page.mmio = (struct mv_exit_mmio_t){
		.gpa = 0xFEC00000, .flags = MV_EXIT_MMIO_WRITE, .size = 4, .data = 0x12345678
	};
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(os.traced[1].code, 0x400);
	assert_int_equal(os.traced[1].info1, 2);
	assert_int_equal(os.traced[1].info2, 0xFEC00000);
	traced(2, TRACE_MMIO,
	       (struct platform_event){ .type = TRACE_MMIO_WRITE, .addr = 0xFEC00000, .size = 4,
					.value = 0x12345678 });
	answer.page.mmio.flags = MV_EXIT_MMIO_READ;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	traced(5, TRACE_MMIO,
	       (struct platform_event){ .type = TRACE_MMIO_UNSATISFIED, .addr = 0xFEC00000,
					.size = 4 });
	memcpy(run->mmio.data, "\1\2\3\4\5", 5);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	traced(6, TRACE_MMIO,
	       (struct platform_event){ .type = TRACE_MMIO_READ, .addr = 0xFEC00000, .size = 4,
					.value = 0x04030201 });
}

static void fail_entry(void **state)
{
	(void)state;
	answer.status = MV_STATUS_EXIT_FAILURE;
	answer.page.failure.hardware_reason = 0xFFFFFFFF;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_FAIL_ENTRY);
	assert_int_equal(run->fail_entry.hardware_entry_failure_reason, 0xFFFFFFFF);
	assert_int_equal(run->fail_entry.cpu, 3);
}

static void unknown_exit(void **state)
{
	(void)state;
	answer.status = MV_STATUS_EXIT_UNKNOWN;
	answer.page.unknown = (struct mv_exit_unknown_t){
		.info0 = 0x65, .info1 = 1, .info2 = 2, .info3 = 0x1234
	};
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(run->internal.suberror, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON);
	assert_int_equal(run->internal.data[0], 0x65);
	assert_int_equal(run->internal.data[1], 3);
	assert_int_equal(run->internal.data[4], 0x1234);
}

static void no_page(uint64_t hva, struct fake_page *page)
{
	(void)hva;
	page->present = false;
}

static void odd_pages(uint64_t hva, struct fake_page *page)
{
	page->present = hva & PAGE;
}

static void mmio(void **state)
{
	const struct kvm_userspace_memory_region region = { .guest_phys_addr = 0x10000,
							    .memory_size = 2 * PAGE,
							    .userspace_addr = 0x200000 };
	static const uint64_t outside[] = { 0xFFFF, 0x12000, ~0ULL };
	size_t i;

	(void)state;
	os.page = no_page;
	assert_int_equal(shim_vm_set_memory(&vm, &region), 0);
	answer.reason = mv_exit_reason_t_mmio;
	answer.page.mmio.flags = MV_EXIT_MMIO_WRITE;
	for (i = 0; i < 3; i++) {
		answer.page.mmio.gpa = outside[i];
		assert_int_equal(shim_vcpu_run(&vcpu), 0);
		assert_int_equal(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
		assert_int_equal(run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
		assert_int_equal(run->emulation_failure.flags, 0);
		assert_int_equal(run->internal.data[1], outside[i]);
	}
	answer.page.mmio.gpa = 0x11FFF;
	assert_int_equal(shim_vcpu_run(&vcpu), -EFAULT);
}

static mv_status_t then_hlt(const struct mv_run_t *in, void *page, uint64_t *reason)
{
	struct mv_exit_hlt_t *hlt = page;

	last = *in;
	hlt->reason = mv_hlt_t_wait;
	*reason = mv_exit_reason_t_hlt;
	return MV_STATUS_SUCCESS;
}

static mv_status_t access_then_hlt(const struct mv_run_t *in, void *page, uint64_t *reason)
{
	last = *in;
	memcpy(page, &answer.page, sizeof(answer.page));
	*reason = answer.reason;
	hv.run = then_hlt;
	return MV_STATUS_SUCCESS;
}

static void answer_mmio(uint64_t gpa, uint64_t flag, uint64_t size, uint64_t data)
{
	answer.reason = mv_exit_reason_t_mmio;
	answer.page.mmio = (struct mv_exit_mmio_t){
		.gpa = gpa, .flags = flag, .size = size, .data = data
	};
}

/* Writes to a read-only slot are a device's, also where its memory is missing. */
static void mmio_read_only(void **state)
{
	const struct kvm_userspace_memory_region region = { .guest_phys_addr = 0x10000,
							    .flags = KVM_MEM_READONLY,
							    .memory_size = 2 * PAGE,
							    .userspace_addr = 0x200000 };

	(void)state;
	os.page = odd_pages;
	assert_int_equal(shim_vm_set_memory(&vm, &region), 0);
	for (uint64_t gpa = 0x10000; gpa < 0x12000; gpa += PAGE) {
		answer_mmio(gpa, MV_EXIT_MMIO_WRITE, 4, 7);
		assert_int_equal(shim_vcpu_run(&vcpu), 0);
		assert_int_equal(run->exit_reason, KVM_EXIT_MMIO);
		assert_int_equal(run->mmio.phys_addr, gpa);
	}
	answer_mmio(0x10FFC, MV_EXIT_MMIO_READ, 4, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), -EFAULT);
	answer_mmio(0x11000, MV_EXIT_MMIO_READ | MV_EXIT_MMIO_WRITE, 0, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
}

/* The slot came behind the exit: a read starts over, a write is not lost. */
static void mmio_race(void **state)
{
	const struct kvm_userspace_memory_region region = { .guest_phys_addr = 0x10000,
							    .memory_size = 2 * PAGE,
							    .userspace_addr = 0x200000 };

	(void)state;
	assert_int_equal(shim_vm_set_memory(&vm, &region), 0);
	answer_mmio(0x10008, MV_EXIT_MMIO_READ, 4, 0);
	hv.run = access_then_hlt;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	assert_int_equal(last.in_bytes, 0);
	answer_mmio(0x10008, MV_EXIT_MMIO_WRITE, 4, 5);
	hv.run = access_then_hlt;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(run->mmio.is_write, 1);
}

static mv_status_t one_more_access(const struct mv_run_t *in, void *page, uint64_t *reason)
{
	last = *in;
	memcpy(page, &answer.page, sizeof(answer.page));
	*reason = mv_exit_reason_t_mmio;
	return MV_STATUS_SUCCESS;
}

static void answers_no_more(uint64_t hva)
{
	(void)hva;
	hv.run = run_hypercall;
}

static const struct kvm_userspace_memory_region two_pages = { .guest_phys_addr = 0x10000,
							      .memory_size = 2 * PAGE,
							      .userspace_addr = 0x200000 };

static void on_demand(uint64_t hva, struct fake_page *page)
{
	(void)hva;
	page->present = false;
	page->on_demand = true;
}

/* No memory: the hypervisor is told so. Memory that comes: the guest goes on with it. */
static void asked(void **state)
{
	(void)state;
	os.page = on_demand;
	assert_int_equal(shim_vm_set_memory(&vm, &two_pages), 0);
	assert_int_equal(os.kicks, 1);
	answer_mmio(0xFEC00000, MV_EXIT_MMIO_ASK | MV_EXIT_MMIO_READ, 0, 0);
	hv.run = access_then_hlt;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	assert_int_equal(hv.memory_flags, MV_RUN_FLAG_NO_MEMORY);
	answer_mmio(0x11000, MV_EXIT_MMIO_ASK | MV_EXIT_MMIO_WRITE, 0, 0);
	hv.run = access_then_hlt;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	assert_int_equal(hv.memory_flags, 0);
	assert_int_equal(hv.num_map, 1);
	assert_int_equal(hv.map[0].dst, 0x11000);
	os.page = no_page;
	answer_mmio(0x10000, MV_EXIT_MMIO_ASK | MV_EXIT_MMIO_READ, 0, 0);
	hv.run = access_then_hlt;
	assert_int_equal(shim_vcpu_run(&vcpu), -EFAULT);
}

/* It asks in the middle of what a signal or immediate_exit must wait for. */
static void asked_while_completing(void **state)
{
	(void)state;
	answer_io(0x60, MV_EXIT_IO_IN | MV_EXIT_IO_STRING, mv_bit_size_t_8, 1, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	pio[0] = 0x99;
	os.page = on_demand;
	assert_int_equal(shim_vm_set_memory(&vm, &two_pages), 0);
	answer_mmio(0x10000, MV_EXIT_MMIO_ASK | MV_EXIT_MMIO_WRITE | MV_EXIT_MMIO_KEEP, 0, 0);
	hv.run = one_more_access;
	hv.runs = 0;
	os.on_fault = answers_no_more;
	os.tracing = true;
	run->immediate_exit = 1;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(hv.runs, 2);
	assert_int_equal(last.flags, MV_RUN_FLAG_COMPLETE_ONLY);
	assert_int_equal(last.in_bytes, 1);
	assert_int_equal(last.in[0], 0x99);
	assert_int_equal(traced_answers(), 1);
}

/* Each vCPU forgets what it was told, when there is a new slot. */
static void new_slot(void **state)
{
	(void)state;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(hv.memory_flags, 0);
	assert_int_equal(shim_vm_set_memory(&vm, &two_pages), 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(hv.memory_flags, MV_RUN_FLAG_FORGET);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(hv.memory_flags, 0);
}

/* What was a device's page is memory with the next slot; in a read-only one it is both. */
static uint32_t reason_of_access(uint64_t gpa, uint64_t flag)
{
	answer_mmio(gpa, flag, 4, 0);
	hv.run = access_then_hlt;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	return run->exit_reason;
}

static void device_becomes_memory(void **state)
{
	struct kvm_userspace_memory_region region = two_pages;

	(void)state;
	assert_int_equal(reason_of_access(0x10008, MV_EXIT_MMIO_WRITE), KVM_EXIT_MMIO);
	assert_int_equal(reason_of_access(0x10000, MV_EXIT_MMIO_READ), KVM_EXIT_MMIO);
	assert_int_equal(reason_of_access(0x10008, MV_EXIT_MMIO_READ), KVM_EXIT_MMIO);
	region.flags = KVM_MEM_READONLY;
	assert_int_equal(shim_vm_set_memory(&vm, &region), 0);
	assert_int_equal(reason_of_access(0x10008, MV_EXIT_MMIO_READ), KVM_EXIT_HLT);
	assert_int_equal(reason_of_access(0x10008, MV_EXIT_MMIO_WRITE), KVM_EXIT_MMIO);
	assert_int_equal(reason_of_access(0x10008, MV_EXIT_MMIO_READ), KVM_EXIT_HLT);
	region.memory_size = 0;
	assert_int_equal(shim_vm_set_memory(&vm, &region), 0);
	assert_int_equal(reason_of_access(0x10008, MV_EXIT_MMIO_READ), KVM_EXIT_MMIO);
}

/* What user space has changed is gone before the guest runs; or before an instruction ends. */
static void stale_memory(void **state)
{
	(void)state;
	assert_int_equal(shim_vm_set_memory(&vm, &two_pages), 0);
	fake_invalidate(0x201000, 1);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(hv.runs, 1);
	assert_int_equal(os.pinned, 1);
	answer_mmio(0xFEC00010, MV_EXIT_MMIO_READ, 4, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	fake_invalidate(0x200000, 1);
	run->immediate_exit = 1;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(last.in_bytes, 4);
	assert_int_equal(os.pinned, 0);
	fake_invalidate(0x200000, 1);
	run->immediate_exit = 0;
	os.settle_error = -EINTR;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(hv.runs, 3);
}

static void mmio_write(void **state)
{
	(void)state;
	answer_mmio(0xFEC00010, MV_EXIT_MMIO_WRITE, 8, 0x1122334455667788);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(run->mmio.phys_addr, 0xFEC00010);
	assert_int_equal(run->mmio.len, 8);
	assert_int_equal(run->mmio.is_write, 1);
	assert_memory_equal(run->mmio.data, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(last.in_bytes, 0);
}

/* What the user writes to len and is_write doesn't matter. */
static void mmio_read(void **state)
{
	(void)state;
	answer_mmio(0xFEC00010, MV_EXIT_MMIO_READ, 4, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(run->mmio.len, 4);
	assert_int_equal(run->mmio.is_write, 0);
	memcpy(run->mmio.data, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
	run->mmio.len = 0xFFFFFFFF;
	run->mmio.is_write = 1;
	run->immediate_exit = 1;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(last.flags, MV_RUN_FLAG_COMPLETE_ONLY);
	assert_int_equal(last.in_bytes, 4);
	assert_memory_equal(last.in, "\x11\x22\x33\x44", 4);
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(hv.runs, 2);
}

/* An instruction's next access comes before immediate_exit and signals. */
static void mmio_once_more(void **state)
{
	(void)state;
	answer_mmio(0xFEC00010, MV_EXIT_MMIO_READ, 4, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	hv.run = one_more_access;
	answer_mmio(0xFEC00010, MV_EXIT_MMIO_WRITE, 4, 0x99);
	run->immediate_exit = 1;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(run->mmio.is_write, 1);
	run->immediate_exit = 0;
	os.signal = true;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(last.flags, MV_RUN_FLAG_COMPLETE_ONLY);
}

static mv_status_t ud_then_hlt(const struct mv_run_t *in, void *page, uint64_t *reason)
{
	if (!hv.events.exception) {
		struct mv_exit_mmio_t *mmio = page;

		mmio->gpa = 0xFEC00010;
		mmio->flags = MV_EXIT_MMIO_READ;
		*reason = mv_exit_reason_t_mmio;
		return MV_STATUS_SUCCESS;
	}
	assert_int_equal(hv.events.exception_vector, 6);
	return then_hlt(in, page, reason);
}

/* A program of the guest gets #UD; the guest's kernel too, but user space is told. */
static void mmio_not_emulated_for_whom(void **state)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE };

	(void)state;
	hv.run = ud_then_hlt;
	hv.reg[mv_reg_t_ss_attrib] = 0xF3;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);

	hv.events.exception = 0;
	hv.reg[mv_reg_t_ss_attrib] = 0x93;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(hv.events.exception, 1);

	hv.events.exception = 0;
	vcpu.due = 0;
	hv.reg[mv_reg_t_ss_attrib] = 0xF3;
	cap.args[0] = 2;
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), -EINVAL);
	cap.args[0] = 1;
	assert_int_equal(shim_vm_enable_cap(&vm, &cap), 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(hv.events.exception, 0);
}

static void mmio_not_emulated(void **state)
{
	(void)state;
	answer_mmio(0xFEC00010, MV_EXIT_MMIO_READ, 9, 0); /* more than kvm_run holds */
	answer.page.mmio.insn_bytes = 2;
	memcpy(answer.page.mmio.insn, "\xDD\x03", 2);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(run->emulation_failure.suberror, KVM_INTERNAL_ERROR_EMULATION);
	assert_int_equal(run->emulation_failure.flags,
			 KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
	assert_int_equal(run->emulation_failure.ndata, 5);
	assert_int_equal(run->emulation_failure.insn_size, 2);
	assert_memory_equal(run->emulation_failure.insn_bytes, "\xDD\x03\x90\x90", 4);
	answer.page.mmio.insn_bytes = 16;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->emulation_failure.flags, 0);
}

static void unknown_reason(void **state)
{
	(void)state;
	answer.reason = 0x77;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
}

/* Nothing was consumed, so the IN is still to be completed. */
static void refused_run_keeps_what_is_pending(void **state)
{
	(void)state;
	answer_io(0x60, MV_EXIT_IO_IN, mv_bit_size_t_8, 1, 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	answer.status = MV_STATUS_FAILURE_BUSY;
	assert_int_equal(shim_vcpu_run(&vcpu), -EBUSY);
	answer.status = MV_STATUS_SUCCESS;
	answer.reason = mv_exit_reason_t_hlt;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(last.in_bytes, 1);
}

static void no_shared_page(void **state)
{
	(void)state;
	os.no_shared_page = true;
	assert_int_equal(shim_vcpu_run(&vcpu), -ENODEV);
	os.no_shared_page = false;
}

static void broken_vm(void **state)
{
	(void)state;
	vm.broken = true;
	assert_int_equal(shim_vcpu_run(&vcpu), -EIO);
	assert_int_equal(hv.runs, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(hlt),
		TEST(interrupt_shadow),
		TEST(guest_moves_its_apic),
		TEST(interrupts_off),
		TEST(triple_fault),
		TEST(hypervisor_gave_up),
		TEST(out),
		TEST(in),
		TEST(outs_and_ins),
		TEST(lower_task_priority),
		TEST(absurd_io),
		TEST(interrupt_goes_straight_back),
		TEST(in_is_given_once),
		TEST(signal_ends_it),
		TEST(signal_after_in_completes_it),
		TEST(work_before_the_guest),
		TEST(immediate_exit),
		TEST(task_priority),
		TEST(sync_regs_unknown),
		TEST(sync_regs_set),
		TEST(sync_regs_refused),
		TEST(sync_regs_got),
		TEST(statistics),
		TEST(statistics_from_below),
		TEST(tracepoints),
		TEST(answer_is_traced_once),
		TEST(refused_answer_is_not_traced),
		TEST(tracepoints_of_devices),
		TEST(fail_entry),
		TEST(unknown_exit),
		TEST(mmio),
		TEST(mmio_read_only),
		TEST(mmio_race),
		TEST(asked),
		TEST(asked_while_completing),
		TEST(new_slot),
		TEST(device_becomes_memory),
		TEST(stale_memory),
		TEST(mmio_write),
		TEST(mmio_read),
		TEST(mmio_once_more),
		TEST(mmio_not_emulated),
		TEST(mmio_not_emulated_for_whom),
		TEST(unknown_reason),
		TEST(refused_run_keeps_what_is_pending),
		TEST(no_shared_page),
		TEST(broken_vm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
