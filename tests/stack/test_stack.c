// SPDX-License-Identifier: MIT
/*
 * KVM_RUN through all three layers: real shim, real MicroV, real microkernel core, on a CPU
 * whose guest does what the test says (struct vmcb is what the hardware would see).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <asm/svm.h>
#include <shim.h>

#include "stack.h"
#include "vmcb.h"

#define RUN(...)                                                                                   \
	do {                                                                                       \
		static stack_step *const steps_[] = { __VA_ARGS__ };                               \
		stack_guest(steps_, sizeof(steps_) / sizeof(steps_[0]));                           \
	} while (0)

#define CODE 0x1000ULL
#define MEM_BYTES 0x400000ULL

static struct shim_vm vm;
static struct shim_vcpu vcpu;
static uint8_t run_pages[SHIM_RUN_BYTES] __attribute__((aligned(4096)));
static struct kvm_run *run = (struct kvm_run *)run_pages;
static uint8_t *pio = run_pages + SHIM_PIO_OFFSET;

static int group_setup(void **state)
{
	(void)state;
	stack_os_begin();
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	stack_os_end();
	assert_true(stack_is_roots(STACK_KERNEL, STACK_KERNEL_PAGES * MV_PAGE_SIZE));
	return 0;
}

static int set_memory(uint32_t slot, uint64_t gpa, uint64_t bytes, uint64_t hva)
{
	const struct kvm_userspace_memory_region region = {
		.slot = slot, .guest_phys_addr = gpa, .memory_size = bytes, .userspace_addr = hva,
	};

	return shim_vm_set_memory(&vm, &region);
}

/* Flat 32-bit code at CODE. */
static void set_mode(void)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = CODE, .rsp = 0x8000, .rflags = 2 };
	const struct kvm_segment flat = { .limit = 0xFFFFFFFF,
					  .selector = 8,
					  .type = 11,
					  .present = 1,
					  .db = 1,
					  .s = 1,
					  .g = 1 };

	assert_int_equal(shim_vcpu_get_sregs(&vcpu, &sregs), 0);
	sregs.cs = flat;
	sregs.ds = sregs.es = sregs.ss = flat;
	sregs.ds.type = sregs.es.type = sregs.ss.type = 3;
	sregs.ds.selector = sregs.es.selector = sregs.ss.selector = 16;
	sregs.cr0 = 0x11;
	assert_int_equal(shim_vcpu_set_sregs(&vcpu, &sregs), 0);
	assert_int_equal(shim_vcpu_set_regs(&vcpu, &regs), 0);
}

static void vm_begin(void)
{
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(run_pages, 0, sizeof(run_pages));
	vcpu.run = run;
	assert_int_equal(shim_vm_create(&vm, &stack_os), 0);
}

static int setup(void **state)
{
	(void)state;
	stack_on(0);
	stack_nrips(false);
	memset(&stack_os, 0, sizeof(stack_os));
	vm_begin();
	assert_int_equal(set_memory(0, 0, MEM_BYTES, 0), 0);
	assert_int_equal(shim_vcpu_create(&vm, &vcpu, 0), 0);
	set_mode();
	stack_guest(NULL, 0);
	return 0;
}

/* Whatever happened: root has all of its memory back, and the hypervisor its own. */
static void vm_end(void)
{
	shim_vm_destroy(&vm);
	assert_int_equal(stack_os.pinned, 0);
	assert_int_equal(stack_os.pages, 0);
	assert_int_equal(stack_os.allocs, 0);
	assert_false(stack_os.shared_held || stack_os.irqs_off || stack_os.vm_locked);
	assert_true(stack_is_roots(STACK_USER, STACK_USER_BYTES));
	assert_true(stack_is_roots(STACK_KERNEL + STACK_CPUS * MV_PAGE_SIZE,
				   (STACK_KERNEL_PAGES - STACK_CPUS) * MV_PAGE_SIZE));
	assert_int_equal(shim_stats.vms, 0);
}

static int teardown(void **state)
{
	(void)state;
	vm_end();
	memset(stack_ram(STACK_USER), 0, MEM_BYTES);
	return 0;
}

/* The guest's memory at gpa, in slot 0. */
static uint8_t *memory(uint64_t gpa)
{
	return stack_ram(STACK_USER + gpa);
}

/* --- what guests do --- */

static void hlt(struct vmcb *v, uint64_t *gpr)
{
	(void)gpr;
	v->exit_code = SVM_EXIT_HLT;
	v->next_rip = v->rip + 1;
}

static void io(struct vmcb *v, uint64_t info, unsigned int len)
{
	v->exit_code = SVM_EXIT_IOIO;
	v->exit_info1 = info;
	v->exit_info2 = v->rip + len;
}

static void first_entry_out(struct vmcb *v, uint64_t *gpr)
{
	(void)gpr;
	assert_int_equal(v->rip, CODE);
	assert_int_equal(v->rsp, 0x8000);
	assert_int_equal(v->rflags, 2);
	assert_int_equal(v->cs.attrib, 0xC9B);
	assert_int_equal(v->cs.limit, 0xFFFFFFFF);
	assert_int_equal(v->cr0, 0x11);
	assert_int_equal(v->event_inj, 0);
	assert_int_equal(v->np_enable, 1);
	v->rax = 0xAB41;
	io(v, 0x3F8 << 16 | 0x10, 1);
}

static void after_out_hlt(struct vmcb *v, uint64_t *gpr)
{
	assert_int_equal(v->rip, CODE + 1);
	assert_int_equal(v->rax, 0xAB41);
	memory(v->rip)[0] = 0xF4;
	hlt(v, gpr);
}

static void out_and_hlt(void **state)
{
	struct kvm_regs regs;

	(void)state;
	RUN(first_entry_out, after_out_hlt);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_IO);
	assert_int_equal(run->io.direction, KVM_EXIT_IO_OUT);
	assert_int_equal(run->io.port, 0x3F8);
	assert_int_equal(run->io.size, 1);
	assert_int_equal(run->io.count, 1);
	assert_int_equal(pio[0], 0x41);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	assert_true(stack_guest_done());
	assert_int_equal(shim_vcpu_get_regs(&vcpu, &regs), 0);
	assert_int_equal(regs.rip, CODE + 2);
	assert_int_equal(regs.rax, 0xAB41);
	assert_int_equal(regs.rsp, 0x8000);
}

/* The same where the CPU tells the length of HLT: MicroV need not look. */
static void hlt_with_nrips(void **state)
{
	struct kvm_regs regs;

	(void)state;
	stack_nrips(true);
	RUN(hlt);
	memory(CODE)[0] = 0xCC;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	assert_int_equal(shim_vcpu_get_regs(&vcpu, &regs), 0);
	assert_int_equal(regs.rip, CODE + 1);
}

static void in_word(struct vmcb *v, uint64_t *gpr)
{
	(void)gpr;
	v->rax = 0x1122334455667788;
	io(v, 0x60 << 16 | 0x20 | 1, 2);
}

static void after_in_hlt(struct vmcb *v, uint64_t *gpr)
{
	assert_int_equal(v->rip, CODE + 2);
	assert_int_equal(v->rax, 0x112233445566BEEF);
	hlt(v, gpr);
}

static void in_is_completed(void **state)
{
	struct kvm_regs regs;

	(void)state;
	RUN(in_word, after_in_hlt);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->io.direction, KVM_EXIT_IO_IN);
	assert_int_equal(run->io.size, 2);
	assert_int_equal(run->io.port, 0x60);
	assert_int_equal(shim_vcpu_get_regs(&vcpu, &regs), 0);
	assert_int_equal(regs.rip, CODE);
	memcpy(pio, "\xEF\xBE", 2);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	assert_true(stack_guest_done());
}

/* REP INSB of 5 bytes across a page border: the data goes into the guest's memory. */
static void rep_insb(struct vmcb *v, uint64_t *gpr)
{
	gpr[MK_RCX] = 5;
	gpr[MK_RDI] = 0x2FFD;
	io(v, 0x71 << 16 | 0x10 | 0xD, 2);
}

/* As the CPU: the instruction goes on while there is something left of it. */
static void insb_or_hlt(struct vmcb *v, uint64_t *gpr)
{
	assert_int_equal(gpr[MK_RDI] + gpr[MK_RCX], 0x3002);
	if (gpr[MK_RCX]) {
		assert_int_equal(v->rip, CODE);
		io(v, 0x71 << 16 | 0x10 | 0xD, 2);
		return;
	}
	assert_int_equal(v->rip, CODE + 2);
	hlt(v, gpr);
}

static void string_input(void **state)
{
	unsigned int got = 0;

	(void)state;
	memcpy(memory(CODE), "\xF3\x6C\xF4", 3);
	RUN(rep_insb, insb_or_hlt, insb_or_hlt, insb_or_hlt);
	while (!shim_vcpu_run(&vcpu) && run->exit_reason == KVM_EXIT_IO) {
		assert_int_equal(run->io.direction, KVM_EXIT_IO_IN);
		assert_int_equal(run->io.size, 1);
		assert_in_range(run->io.count, 1, 5 - got);
		memcpy(pio, &"hello"[got], run->io.count);
		got += run->io.count;
	}
	assert_int_equal(got, 5);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	assert_memory_equal(memory(0x2FFD), "hello", 5);
}

static void triple_fault(struct vmcb *v, uint64_t *gpr)
{
	(void)gpr;
	v->exit_code = SVM_EXIT_SHUTDOWN;
}

static void shutdown(void **state)
{
	(void)state;
	RUN(triple_fault);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_SHUTDOWN);
}

static void interrupt(struct vmcb *v, uint64_t *gpr)
{
	(void)gpr;
	v->rip++;
	v->exit_code = SVM_EXIT_INTR;
}

static void interrupt_and_signal(struct vmcb *v, uint64_t *gpr)
{
	interrupt(v, gpr);
	stack_os.signal = true;
}

/* Host interrupts don't reach user space; a signal does. */
static void interrupts(void **state)
{
	(void)state;
	memset(memory(CODE), 0xF4, 16);
	RUN(interrupt, interrupt, interrupt, hlt, interrupt, interrupt_and_signal);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(run->exit_reason, KVM_EXIT_INTR);
	assert_true(stack_guest_done());
	stack_os.signal = false;
}

/* The IN of before is completed though the guest isn't entered. */
static void immediate_exit(void **state)
{
	struct kvm_regs regs;

	(void)state;
	RUN(in_word);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	memcpy(pio, "\x34\x12", 2);
	run->immediate_exit = 1;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(shim_vcpu_get_regs(&vcpu, &regs), 0);
	assert_int_equal(regs.rip, CODE + 2);
	assert_int_equal(regs.rax, 0x1122334455661234);
}

static void refused(struct vmcb *v, uint64_t *gpr)
{
	(void)gpr;
	v->exit_code = 0xFFFFFFFF;
}

static void fail_entry(void **state)
{
	(void)state;
	RUN(refused);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_FAIL_ENTRY);
	assert_int_equal(run->fail_entry.hardware_entry_failure_reason, 0xFFFFFFFF);
}

static void touches_nothing(struct vmcb *v, uint64_t *gpr)
{
	(void)gpr;
	v->exit_code = SVM_EXIT_NPF;
	v->exit_info1 = 1ULL << 32 | 6;
	v->exit_info2 = 0xFEC00000;
}

static void memory_that_is_not_there(void **state)
{
	(void)state;
	memcpy(memory(CODE), "\xDD\x05\x00\x00\xC0\xFE", 6); /* fld qword [0xFEC00000] */
	RUN(touches_nothing, touches_nothing); /* root is asked first */
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(run->emulation_failure.insn_size, 15);
	assert_memory_equal(run->emulation_failure.insn_bytes, memory(CODE), 6);
	assert_int_equal(run->internal.data[3], 0xFEC00000);
}

static void device_memory(void **state)
{
	struct kvm_regs regs;

	(void)state;
	memcpy(memory(CODE), "\x81\x0D\x00\x00\xC0\xFE\x44\x33\x22\x11", 10); /* or */
	RUN(touches_nothing, touches_nothing, touches_nothing, hlt); /* for writing, for reading */
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(run->mmio.phys_addr, 0xFEC00000);
	assert_int_equal(run->mmio.len, 4);
	assert_int_equal(run->mmio.is_write, 0);
	memcpy(run->mmio.data, "\x80\x00\x00\x80", 4);
	run->immediate_exit = 1;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(run->mmio.is_write, 1);
	assert_memory_equal(run->mmio.data, "\xC4\x33\x22\x91", 4);
	assert_int_equal(shim_vcpu_get_regs(&vcpu, &regs), 0);
	assert_int_equal(regs.rip, CODE + 10);
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	run->immediate_exit = 0;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
}

/* HLT where no memory is: MicroV's look at it faults in the window, and it survives. */
static void hlt_in_the_void(struct vmcb *v, uint64_t *gpr)
{
	v->rip = 0x70000000;
	hlt(v, gpr);
}

static void code_that_is_not_there(void **state)
{
	(void)state;
	RUN(hlt_in_the_void, hlt_in_the_void, hlt);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	set_mode();
	memory(CODE)[0] = 0xF4;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
}

static void set_get_regs(void **state)
{
	struct kvm_sregs in, out;
	struct kvm_regs regs, back;
	uint64_t *word = (uint64_t *)&regs;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(regs) / 8; i++)
		word[i] = 0x0101010101010101ULL * (i + 1);
	regs.rflags = 0x246;
	assert_int_equal(shim_vcpu_set_regs(&vcpu, &regs), 0);
	assert_int_equal(shim_vcpu_get_sregs(&vcpu, &in), 0);
	in.fs.base = 0x123456;
	in.gdt.base = 0x7000;
	in.gdt.limit = 0x37;
	in.cr3 = 0x5000;
	in.cr2 = 0x1234;
	assert_int_equal(shim_vcpu_set_sregs(&vcpu, &in), 0);
	memory(regs.rip & 0xFFFFF)[0] = 0xF4;
	stack_nrips(true);
	RUN(interrupt_and_signal); /* through the VMCB and back */
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	stack_os.signal = false;
	assert_int_equal(shim_vcpu_get_regs(&vcpu, &back), 0);
	regs.rip++;
	assert_memory_equal(&regs, &back, sizeof(regs));
	assert_int_equal(shim_vcpu_get_sregs(&vcpu, &out), 0);
	assert_memory_equal(&in, &out, sizeof(in));
}

static uint32_t last_asid;

static void remember_asid(struct vmcb *v, uint64_t *gpr)
{
	last_asid = v->asid;
	gpr[MK_RBX] = 0xB0B;
	interrupt_and_signal(v, gpr);
}

static void on_another_cpu(struct vmcb *v, uint64_t *gpr)
{
	assert_int_equal(gpr[MK_RBX], 0xB0B);
	assert_int_equal(v->rip, CODE + 1);
	assert_int_equal(v->clean, 0);
	hlt(v, gpr);
}

#define ROOT_FPU 0x4007ULL
#define GIVEN_FPU 0x1122334455667788ULL
#define GUEST_FPU 0x8877665544332211ULL

static void finds_given_fpu(struct vmcb *v, uint64_t *gpr)
{
	assert_int_equal(*stack_fpu(), GIVEN_FPU);
	*stack_fpu() = GUEST_FPU;
	memory(v->rip)[0] = 0xF4;
	hlt(v, gpr);
}

static void finds_its_fpu(struct vmcb *v, uint64_t *gpr)
{
	assert_int_equal(*stack_fpu(), GUEST_FPU);
	memory(v->rip)[0] = 0xF4;
	hlt(v, gpr);
}

/* From user space into the guest's registers and back, past root's own. */
static void fpu_state(void **state)
{
	struct kvm_fpu fpu = { .fcw = 0x37F, .ftwx = 1 };
	struct kvm_xsave xsave;
	uint64_t st0 = GIVEN_FPU;

	(void)state;
	*stack_fpu() = ROOT_FPU;
	memcpy(fpu.fpr[0], &st0, sizeof(st0));
	assert_int_equal(shim_vcpu_set_fpu(&vcpu, &fpu), 0);
	RUN(finds_given_fpu, finds_its_fpu, finds_given_fpu);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(*stack_fpu(), ROOT_FPU);
	assert_int_equal(shim_vcpu_get_fpu(&vcpu, &fpu), 0);
	memcpy(&st0, fpu.fpr[0], sizeof(st0));
	assert_int_equal(st0, GUEST_FPU);
	assert_int_equal(shim_vcpu_get_xsave(&vcpu, &xsave), 0);
	assert_memory_equal(&xsave.region[8], &st0, sizeof(st0));
	stack_on(1); /* with its state */
	*stack_fpu() = ROOT_FPU + 1;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	st0 = GIVEN_FPU;
	memcpy(&xsave.region[8], &st0, sizeof(st0));
	assert_int_equal(shim_vcpu_set_xsave(&vcpu, &xsave), 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(*stack_fpu(), ROOT_FPU + 1);
	xsave.region[6] = 0x10000; /* MXCSR */
	assert_int_equal(shim_vcpu_set_xsave(&vcpu, &xsave), -EINVAL);
	assert_true(stack_guest_done());
}

static void vcpu_changes_cpu(void **state)
{
	(void)state;
	memset(memory(CODE), 0xF4, 16);
	RUN(remember_asid, on_another_cpu);
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	stack_os.signal = false;
	stack_on(1);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	stack_on(0);
}

/* --- memory --- */

static void slots(void **state)
{
	uint64_t leaf = 0;

	(void)state;
	assert_int_equal(stack_gpa(vm.vmid, 0x201234, &leaf), STACK_USER + 0x201234);
	assert_int_equal(leaf, 0x200000);
	assert_int_equal(set_memory(1, 0x100000000, 0x3000, MEM_BYTES), 0);
	assert_int_equal(stack_gpa(vm.vmid, 0x100002000, &leaf), STACK_USER + MEM_BYTES + 0x2000);
	assert_int_equal(leaf, 0x1000);
	assert_int_equal(set_memory(1, 0x200000000, 0x3000, MEM_BYTES), 0); /* moves */
	assert_int_equal(stack_gpa(vm.vmid, 0x100000000, &leaf), 0);
	assert_int_equal(stack_gpa(vm.vmid, 0x200000000, &leaf), STACK_USER + MEM_BYTES);
	assert_int_equal(set_memory(2, 0x200002000, 0x1000, MEM_BYTES), -EEXIST);
	assert_int_equal(set_memory(1, 0x200000000, 0, MEM_BYTES), 0);
	assert_int_equal(stack_gpa(vm.vmid, 0x200000000, &leaf), 0);
	assert_true(stack_is_roots(STACK_USER + MEM_BYTES, 0x3000));
	assert_false(stack_is_roots(STACK_USER, 0x1000));
	assert_true(stack_os.pings > 0);
}

/* One page each: many lists, and more page tables than the first donation has. */
static void scattered_memory(void **state)
{
	unsigned long before = shim_stats.hypercalls_map;
	uint64_t leaf, page;

	(void)state;
	stack_os.scattered = true;
	assert_int_equal(set_memory(1, 0x40000000, 0x400000, MEM_BYTES), 0);
	for (page = 0; page < 0x400; page++)
		assert_int_equal(stack_gpa(vm.vmid, 0x40000000 + page * 0x1000, &leaf),
				 STACK_USER + (MEM_BYTES / 0x1000 + page) * 5 % 0x60000 * 0x1000);
	assert_in_range(shim_stats.hypercalls_map - before, 9, 20);
	assert_int_equal(set_memory(1, 0x40000000, 0, MEM_BYTES), 0);
	stack_os.scattered = false;
}

static void much_memory_in_few_calls(void **state)
{
	unsigned long before = shim_stats.hypercalls_map;
	uint64_t leaf;

	(void)state;
	assert_int_equal(set_memory(1, 0x100000000, STACK_USER_BYTES - MEM_BYTES, MEM_BYTES), 0);
	assert_in_range(shim_stats.hypercalls_map - before, 1, 2);
	assert_int_equal(stack_gpa(vm.vmid, 0x100000000, &leaf), STACK_USER + MEM_BYTES);
	assert_int_equal(leaf, 0x200000);
}

/* The hypervisor's memory can't be had by way of a slot. */
static void donated_pages_are_not_memory(void **state)
{
	uint64_t at, hidden = 0;

	(void)state;
	for (at = STACK_KERNEL; at < STACK_KERNEL + 0x100000; at += 0x1000)
		hidden += !stack_is_roots(at, 0x1000);
	assert_true(hidden >= (uint64_t)stack_os.pages); /* and the shared pages, lent */
}

static void many_vcpus(void **state)
{
	static struct shim_vcpu more[40];
	unsigned int i;

	(void)state;
	for (i = 0; i < 40; i++) {
		memset(&more[i], 0, sizeof(more[i]));
		more[i].run = run;
		assert_int_equal(shim_vcpu_create(&vm, &more[i], i + 1), 0);
	}
	assert_int_equal(shim_vcpu_create(&vm, &more[0], 40), -EEXIST);
	memory(0xFFF0)[0] = 0xF4;
	for (i = 0; i < 40; i++) {
		struct kvm_sregs sregs;

		assert_int_equal(shim_vcpu_get_sregs(&more[i], &sregs), 0);
		sregs.cs.base = 0;
		assert_int_equal(shim_vcpu_set_sregs(&more[i], &sregs), 0);
		RUN(hlt);
		assert_int_equal(shim_vcpu_run(&more[i]), 0);
		assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	}
}

/* A hundred VMs after each other: nothing gets less. */
static void no_leak(void **state)
{
	uint64_t before = 0;
	unsigned int i;

	for (i = 0; i < 100; i++) {
		teardown(state);
		if (i == 1)
			before = stack_pool();
		setup(state);
		memory(CODE)[0] = 0xF4;
		RUN(hlt);
		assert_int_equal(shim_vcpu_run(&vcpu), 0);
	}
	teardown(state);
	assert_int_equal(stack_pool(), before);
	setup(state);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(out_and_hlt),
		T(hlt_with_nrips),
		T(in_is_completed),
		T(string_input),
		T(shutdown),
		T(interrupts),
		T(immediate_exit),
		T(fail_entry),
		T(memory_that_is_not_there),
		T(device_memory),
		T(code_that_is_not_there),
		T(set_get_regs),
		T(fpu_state),
		T(vcpu_changes_cpu),
		T(slots),
		T(scattered_memory),
		T(much_memory_in_few_calls),
		T(donated_pages_are_not_memory),
		T(many_vcpus),
		T(no_leak),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
