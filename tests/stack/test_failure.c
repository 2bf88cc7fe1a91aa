// SPDX-License-Identifier: MIT
/*
 * Every allocation of shim, MicroV and microkernel fails in turn while a VM is made, gets memory
 * and vCPUs, and runs: the call gives ENOMEM, the next attempt works, and in the end nothing is
 * lost. An allocation that can be done without may fail unnoticed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <asm/svm.h>
#include <memory.h>
#include <shim.h>
#include <slots.h>

#include "stack.h"
#include "vmcb.h"

#define MIB (1ULL << 20)
#define HOLE (1ULL << 39) /* with tables of its own */
#define LOGGED (2ULL << 30)
#define VCPUS 2

static struct shim_vm vm;
static struct shim_vcpu vcpus[VCPUS];
static uint8_t run_pages[VCPUS][SHIM_RUN_BYTES] __attribute__((aligned(4096)));
static unsigned int errors; /* calls that gave ENOMEM */
static uint64_t touched; /* where the guest wants memory */

/* Memory is short for one call; it may leave nothing behind that the VM doesn't own. */
static bool works(int ret)
{
	if (ret >= 0)
		return true;
	assert_int_equal(ret, -ENOMEM);
	assert_true(stack_os.failed);
	assert_false(stack_os.shared_held || stack_os.irqs_off || stack_os.vm_locked || vm.broken);
	stack_os.fail_in = 0;
	errors++;
	return false;
}

#define TRY(call)                                                                                  \
	do {                                                                                       \
		if (!works(call))                                                                  \
			assert_true((call) >= 0);                                                  \
	} while (0)

static int set_memory(uint32_t slot, uint64_t gpa, uint64_t bytes, uint64_t hva, uint32_t flags)
{
	const struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = bytes,
		.userspace_addr = hva,
	};

	return shim_vm_set_memory(&vm, &region);
}

static void nothing_left(void)
{
	assert_int_equal(stack_os.pinned, 0);
	assert_int_equal(stack_os.pages, 0);
	assert_int_equal(stack_os.allocs, 0);
	assert_int_equal(shim_stats.vms, 0);
	assert_true(stack_is_roots(STACK_USER, STACK_USER_BYTES));
	assert_true(stack_is_roots(STACK_KERNEL + STACK_CPUS * MV_PAGE_SIZE,
				   (STACK_KERNEL_PAGES - STACK_CPUS) * MV_PAGE_SIZE));
}

static void create_vm(void)
{
	int ret;

	memset(&vm, 0, sizeof(vm));
	ret = shim_vm_create(&vm, &stack_os);
	if (works(ret))
		return;
	nothing_left();
	memset(&vm, 0, sizeof(vm));
	assert_int_equal(shim_vm_create(&vm, &stack_os), 0);
}

static void create_vcpu(unsigned int id)
{
	int ret;

	memset(&vcpus[id], 0, sizeof(vcpus[id]));
	memset(run_pages[id], 0, sizeof(run_pages[id]));
	vcpus[id].run = (struct kvm_run *)run_pages[id];
	ret = shim_vcpu_create(&vm, &vcpus[id], id);
	if (!works(ret))
		assert_int_equal(shim_vcpu_create(&vm, &vcpus[id], id), 0);
}

static int cpuid(void)
{
	struct kvm_cpuid_entry2 entries[SHIM_CPUID_MAX];
	uint32_t n = SHIM_CPUID_MAX;
	int ret = shim_get_cpuid(false, entries, &n);

	if (!ret)
		ret = shim_vcpu_set_cpuid2(&vcpus[0], entries, n);
	return ret ? ret : shim_vcpu_get_cpuid2(&vcpus[0], entries, SHIM_CPUID_MAX, &n);
}

static void touches(struct vmcb *v, uint64_t *gpr)
{
	(void)gpr;
	v->exit_code = SVM_EXIT_NPF;
	v->exit_info1 = 1ULL << 32 | 6;
	v->exit_info2 = touched;
}

static void hlt(struct vmcb *v, uint64_t *gpr)
{
	(void)gpr;
	v->exit_code = SVM_EXIT_HLT;
	v->next_rip = v->rip + 1;
}

/* A vCPU needs a page at gpa, and goes on. */
static int run(unsigned int vcpu, uint64_t gpa)
{
	static stack_step *const steps[] = { touches, hlt };
	int ret;

	touched = gpa;
	stack_guest(steps, 2);
	stack_on(vcpu);
	ret = shim_vcpu_run(&vcpus[vcpu]);
	stack_on(0);
	if (!ret)
		assert_int_equal(vcpus[vcpu].run->exit_reason, KVM_EXIT_HLT);
	return ret;
}

static int dirty_log(void)
{
	const void *bitmap;
	size_t bytes;

	return shim_vm_get_dirty_log(&vm, 2, &bitmap, &bytes);
}

static int coalesce(bool add)
{
	const struct kvm_coalesced_mmio_zone zone = { .addr = 0xFEC00000, .size = 0x1000 };

	return shim_vm_coalesce(&vm, &zone, add);
}

static void memory(void)
{
	TRY(set_memory(0, 0, 4 * MIB, 0, 0));
	stack_os.absent = true;
	TRY(set_memory(1, HOLE, 8 * MIB, 16 * MIB, 0));
	stack_os.absent = false;
	TRY(set_memory(2, LOGGED, 4 * MIB, 32 * MIB, KVM_MEM_LOG_DIRTY_PAGES));
	stack_os.scattered = true;
	TRY(set_memory(3, 3ULL << 30, 3 * MIB, 64 * MIB, 0));
	stack_os.scattered = false;
}

static void runs(void)
{
	unsigned int i;
	uint64_t leaf;

	for (i = 0; i < VCPUS; i++) {
		TRY(run(i, HOLE + i * 2 * MIB));
		assert_true(stack_gpa(vm.vmid, HOLE + i * 2 * MIB, &leaf));
	}
	stack_os.absent = true;
	TRY(run(0, HOLE + 5 * MIB));
	stack_os.absent = false;
}

/* What changes later. */
static void changes(void)
{
	TRY(dirty_log());
	TRY(set_memory(0, 0, 4 * MIB, 0, KVM_MEM_LOG_DIRTY_PAGES));
	TRY(set_memory(0, 0, 4 * MIB, 0, 0));
	TRY(set_memory(2, LOGGED + 4 * MIB, 4 * MIB, 32 * MIB, KVM_MEM_LOG_DIRTY_PAGES));
	TRY(memory_drop(&vm, slots_find_id(&vm.slots, 0), 17, 3));
	TRY(run(0, 17 * MV_PAGE_SIZE));
	TRY(set_memory(1, 0, 0, 0, 0));
	TRY(coalesce(false));
}

static void vm_lives(void)
{
	unsigned int i;

	create_vm();
	TRY(coalesce(true));
	memory();
	for (i = 0; i < VCPUS; i++)
		create_vcpu(i);
	TRY(cpuid());
	runs();
	changes();
	shim_vm_destroy(&vm);
	nothing_left();
}

/* How many allocations there are; each fails once. */
static unsigned int all_fail(unsigned int kinds, bool and_all_that_follow)
{
	uint64_t before;
	unsigned int n;

	stack_os = (struct stack_os){ .spread = true };
	vm_lives(); /* tables that stay */
	before = stack_pool();
	errors = 0;
	for (n = 1;; n++) {
		stack_os = (struct stack_os){
			.fail_in = n,
			.fail_on = and_all_that_follow,
			.fail_kinds = kinds,
			.spread = true,
		};
		vm_lives();
		assert_int_equal(stack_pool(), before);
		if (!stack_os.failed)
			break;
	}
	print_message("%u allocations, %u errors\n", n - 1, errors);
	return n - 1;
}

static void each_fails_once(void **state)
{
	(void)state;
	assert_true(all_fail(STACK_FAIL_ALL, false) > 60);
	assert_true(errors > 30);
}

static void roots_memory_runs_out(void **state)
{
	(void)state;
	assert_true(all_fail(STACK_FAIL_OS, true) > 30);
	assert_true(errors > 30);
}

static void the_hypervisors_memory_runs_out(void **state)
{
	(void)state;
	assert_true(all_fail(STACK_FAIL_HV, true) > 0);
	assert_true(errors > 0);
}

static void a_pool_runs_out(void **state)
{
	(void)state;
	assert_true(all_fail(STACK_FAIL_VM, false) > 20);
	assert_true(errors > 0);
}

/*
 * The hypervisor has no page any more: no new VM, but by chance, where it needs none; the one that
 * there is goes on.
 */
static void a_vm_goes_on_when_there_is_no_memory(void **state)
{
	static struct shim_vm other;
	unsigned int i, refused = 0;

	(void)state;
	stack_os = (struct stack_os){ .spread = true };
	create_vm();
	create_vcpu(0);
	TRY(set_memory(0, 0, 4 * MIB, 0, 0));
	TRY(run(0, MIB));
	for (i = 0; i < 50; i++) {
		stack_os.fail_kinds = STACK_FAIL_HV;
		stack_os.fail_in = stack_os.fail_on = 1;
		memset(&other, 0, sizeof(other));
		if (works(shim_vm_create(&other, &stack_os)))
			shim_vm_destroy(&other);
		else
			refused++;
		assert_int_equal(shim_stats.vms, 1);
		assert_int_equal(run(0, MIB), 0);
	}
	assert_true(refused > 30);
	stack_os.fail_in = 0;
	memset(&other, 0, sizeof(other));
	assert_int_equal(shim_vm_create(&other, &stack_os), 0);
	shim_vm_destroy(&other);
	shim_vm_destroy(&vm);
	nothing_left();
}

static int group_setup(void **state)
{
	(void)state;
	stack_os_begin();
	stack_nrips(true);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	stack_os_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fails_once),
		cmocka_unit_test(roots_memory_runs_out),
		cmocka_unit_test(the_hypervisors_memory_runs_out),
		cmocka_unit_test(a_pool_runs_out),
		cmocka_unit_test(a_vm_goes_on_when_there_is_no_memory),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
