// SPDX-License-Identifier: MIT
/* Dispatch, handles, PPs, the debug calls, root's other exits, and what a fault leaves. */
#include "fake.h"

#define SUCCESS MV_STATUS_SUCCESS

static struct mk_state *root_exits(unsigned int cpu, enum mk_exit_reason reason)
{
	struct mk_state *st = mk_state(cpu);

	st->exit = (struct mk_exit){ .reason = reason };
	st->inject = (struct mk_event){ 0 };
	return st;
}

static void assert_injected(const struct mk_state *st, uint8_t vector)
{
	assert_int_equal(st->inject.type, MK_EVENT_EXCEPTION);
	assert_int_equal(st->inject.vector, vector);
}

static void hypercall_advances_rip(void **state)
{
	struct mk_state *st = mk_state(0);

	(void)state;
	st->rip = 0x1000;
	assert_int_equal(HC(0, ID, VERSION, 0, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(0, 0), MV_SPEC_ID1_MASK);
	assert_int_equal(st->rip, 0x1003);
	st->exit.len = 4;
	st->gpr[MK_RAX] = MV_HYPERCALL(MV_ID_OP, 0);
	root_exit(0);
	assert_int_equal(st->rip, 0x1007);
}

/* Not from 64-bit kernel code, or not our signature: #UD, as without a hypervisor. */
static void hypercall_elsewhere_is_ud(void **state)
{
	static const struct {
		uint8_t cpl, long_mode;
		uint64_t rax;
	} bad[] = {
		{ 3, 1, MV_HYPERCALL(MV_ID_OP, 0) },
		{ 0, 0, MV_HYPERCALL(MV_ID_OP, 0) },
		{ 0, 1, 0 },
		{ 0, 1, MV_HYPERCALL(MV_ID_OP, 0) ^ 1ULL << 63 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct mk_state *st = root_exits(0, MK_EXIT_HYPERCALL);

		st->rip = 0x1000;
		st->exit.cpl = bad[i].cpl;
		st->exit.long_mode = bad[i].long_mode;
		st->gpr[MK_RAX] = bad[i].rax;
		root_exit(0);
		assert_injected(st, VEC_UD);
		assert_int_equal(st->rip, 0x1000);
		assert_int_equal(st->gpr[MK_RAX], bad[i].rax);
	}
}

/* Every entry of the table that isn't implemented, and the edges around the table. */
static void unknown_is_unsupported(void **state)
{
	static const struct {
		unsigned int op, idx;
		const char *yes;
	} all[] = {
#define ROW(GROUP, group, idx_, NAME, name, origin, state_, ...)                                   \
	{ MV_##GROUP##_OP, idx_, #state_ },
		MV_HYPERCALLS(ROW)
#undef ROW
	};
	static const struct {
		unsigned int op, idx;
	} outside[] = { { 0, 5 }, { 1, 2 }, { 2, 2 }, { 3, 0x19 }, { 4, 6 }, { 5, 4 }, { 6, 0x11 },
			{ 6, 0x29 }, { 7, 0 }, { 0xFFFF, 0 }, { 0, 0xFFFF }, { 0xFFFF, 0xFFFF } };
	unsigned int no = 0;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
		if (strcmp(all[i].yes, "NO") != 0)
			continue;
		no++;
		assert_int_equal(fake_call(0, all[i].op, all[i].idx, 1, 2, 3),
				 MV_STATUS_FAILURE_UNSUPPORTED);
		assert_int_equal(fake_reg(0, 1), 1);
	}
	assert_true(no > 10);
	for (unsigned int i = 0; i < ARRAY_SIZE(outside); i++)
		assert_int_equal(fake_call(0, outside[i].op, outside[i].idx, 0, 0, 0),
				 MV_STATUS_FAILURE_UNSUPPORTED);
}

/* Calls op/idx with this REG0; the handle is whatever the test makes of it. */
static mv_status_t call_with(uint64_t reg0, uint64_t rax)
{
	struct mk_state *st = root_exits(0, MK_EXIT_HYPERCALL);

	st->exit.long_mode = 1;
	st->gpr[MK_RAX] = rax;
	st->gpr[MK_R10] = reg0;
	root_exit(0);
	return st->gpr[MK_RAX];
}

/* The list in mv_abi.h says which hypercalls need no handle; all others refuse a bad one. */
static void handle_is_needed(void **state)
{
	static const struct {
		uint64_t rax;
		const char *yes, *in;
	} all[] = {
#define ROW(GROUP, group, idx, NAME, name, origin, state_, in, ...)                                \
	{ MV_HYPERCALL(MV_##GROUP##_OP, idx), #state_, in },
		MV_HYPERCALLS(ROW)
#undef ROW
	};
	static const uint64_t bad[] = { 0, 1, MV_INVALID_HANDLE };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
		int free = strncmp(all[i].in, "no handle", 9) == 0 ||
			   all[i].rax == MV_HYPERCALL(MV_HANDLE_OP, 0);

		if (strcmp(all[i].yes, "YES") != 0)
			continue;
		for (unsigned int j = 0; j < ARRAY_SIZE(bad); j++) {
			mv_status_t status = call_with(bad[j], all[i].rax);

			assert_int_equal(free, status != MV_STATUS_FAILURE_INVALID_HANDLE);
		}
	}
}

static void handle_opens_and_closes(void **state)
{
	uint64_t first, rax = MV_HYPERCALL(MV_HANDLE_OP, MV_HANDLE_OP_OPEN_HANDLE_IDX_VAL);

	(void)state;
	assert_int_equal(call_with(0x12345678, rax), MV_STATUS_INVALID_INPUT_REG0);
	assert_int_equal(fake_reg(0, 0), 0x12345678);
	assert_int_equal(call_with(MV_SPEC_ID1_VAL | 5ULL << 32, rax), SUCCESS);
	first = fake_reg(0, 0);
	assert_int_not_equal(first, 0);
	assert_int_not_equal(first, MV_INVALID_HANDLE);
	assert_int_equal(call_with(MV_SPEC_ID1_VAL, rax), SUCCESS);
	assert_int_equal(fake_reg(0, 0), first);

	assert_int_equal(HC(0, HANDLE, CLOSE_HANDLE, 0, 0, 0), SUCCESS);
	assert_int_equal(HC(0, PP, PPID, 0, 0, 0), MV_STATUS_FAILURE_INVALID_HANDLE);
	assert_int_equal(call_with(first, MV_HYPERCALL(MV_VM_OP, 0)),
			 MV_STATUS_FAILURE_INVALID_HANDLE);
	assert_int_equal(call_with(MV_SPEC_ID1_VAL, rax), SUCCESS);
	assert_int_not_equal(fake_reg(0, 0), first);
}

static void debug_out_logs(void **state)
{
	(void)state;
	call_with(0xABCDEF, MV_HYPERCALL(MV_DEBUG_OP, 0));
	assert_non_null(strstr(fake.log, "0xabcdef"));
	assert_int_equal(fake.log[fake.log_len - 1], '\n');
}

static void log_read_fills_the_page(void **state)
{
	static char text[5001];

	(void)state;
	memset(text, 'x', 5000);
	fake.log_text = text;
	assert_int_equal(HC(0, DEBUG, LOG_READ, 0, 0, 0), MV_STATUS_FAILURE_UNKNOWN);

	fake_share(0);
	fake.log_start = 100;
	assert_int_equal(HC(0, DEBUG, LOG_READ, 3, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(0, 0), 4096);
	assert_int_equal(fake_reg(0, 1), 100 + 4096);
	assert_memory_equal(fake_shared, text, 4096);
	assert_int_equal(HC(0, DEBUG, LOG_READ, 4196, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(0, 0), 5000 - 4096);
	assert_int_equal(fake_reg(0, 1), 5100);
	assert_int_equal(HC(0, DEBUG, LOG_READ, 5100, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(0, 0), 0);
	assert_int_equal(fake_reg(0, 1), 5100);
}

static void pps_are_counted(void **state)
{
	(void)state;
	assert_int_equal(HC(0, PP, ONLINE_PPS, 0, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(0, 0), 1);
	microv_start(3, MK_START_LAUNCH);
	assert_int_equal(HC(3, PP, PPID, 0, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(3, 0), 3);
	assert_int_equal(HC(3, PP, ONLINE_PPS, 0, 0, 0), SUCCESS);
	assert_int_equal(fake_reg(3, 0), 2);
}

static void shared_page_is_checked(void **state)
{
	static const uint64_t bad[] = { 1, 0x5800, FAKE_ROOT_RAM, MK_GPA_END, ~0xFFFULL };

	(void)state;
	assert_int_equal(HC(0, PP, CLR_SHARED_PAGE_GPA, 0, 0, 0), SUCCESS);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(HC(0, PP, SET_SHARED_PAGE_GPA, bad[i], 0, 0),
				 MV_STATUS_INVALID_INPUT_REG1);
		assert_true(fake.shared == MK_NONE);
		assert_false(cpus[0].shared);
	}
	assert_int_equal(HC(0, PP, SET_SHARED_PAGE_GPA, 0x5000, 0, 0), SUCCESS);
	assert_int_equal(fake.shared, 0x5000);
	assert_int_equal(HC(0, PP, SET_SHARED_PAGE_GPA, 0x6000, 0, 0), MV_STATUS_FAILURE_UNKNOWN);
	assert_int_equal(fake.shared, 0x5000);
	assert_int_equal(HC(0, PP, CLR_SHARED_PAGE_GPA, 0, 0, 0), SUCCESS);
	assert_true(fake.shared == MK_NONE);
}

static void stop_leaves_the_cpu(void **state)
{
	unsigned int vm = fake_vm();
	struct mk_state *st = mk_state(0);

	(void)state;
	assert_int_equal(HC(0, PP, STOP, 0, 0, 0), MV_STATUS_INVALID_PERM_DENIED);
	assert_int_equal(HC(0, VM, DESTROY_VM, vm, 0, 0), SUCCESS);
	fake_share(0);
	assert_int_equal(HC(0, PP, STOP, 0, 0, 0), MV_STATUS_FAILURE_BUSY);
	assert_false(fake.stopped);
	assert_int_equal(cpu_count(), 1);

	assert_int_equal(HC(0, PP, CLR_SHARED_PAGE_GPA, 0, 0, 0), SUCCESS);
	st->rip = 0x7000;
	assert_int_equal(HC(0, PP, STOP, 0, 0, 0), SUCCESS);
	assert_true(fake.stopped);
	assert_int_equal(st->rip, 0x7003);
	assert_int_equal(cpu_count(), 0);
}

static void root_virtualization_is_ud(void **state)
{
	struct mk_state *st = root_exits(0, MK_EXIT_VIRT);

	(void)state;
	root_exit(0);
	assert_injected(st, VEC_UD);
}

static struct mk_state *root_msr(int write, uint32_t index, uint64_t value)
{
	struct mk_state *st = root_exits(0, MK_EXIT_MSR);

	st->rip = 0x1000;
	st->exit.write = write;
	st->gpr[MK_RCX] = 0xFFFFFFFF00000000ULL | index;
	st->gpr[MK_RAX] = 0xFFFFFFFF00000000ULL | (uint32_t)value;
	st->gpr[MK_RDX] = value >> 32;
	root_exit(0);
	return st;
}

static void root_efer_hides_svme(void **state)
{
	struct mk_state *st = mk_state(0);

	(void)state;
	st->efer = EFER_SVME | EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
	st->valid = MK_G_ALL;
	root_msr(0, MSR_EFER, 0);
	assert_int_equal(st->gpr[MK_RAX], EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE);
	assert_int_equal(st->gpr[MK_RDX], 0);
	assert_int_equal(st->rip, 0x1002);
	assert_int_equal(st->inject.type, MK_EVENT_NONE);

	root_msr(1, MSR_EFER, EFER_LME | EFER_LMA | EFER_NXE);
	assert_int_equal(st->inject.type, MK_EVENT_NONE);
	assert_int_equal(st->efer, EFER_LME | EFER_LMA | EFER_NXE);
	assert_true(st->dirty & MK_G_CR);
	root_msr(1, MSR_EFER, EFER_LME | EFER_LMA | EFER_SVME);
	assert_injected(st, VEC_GP);
	root_msr(1, MSR_EFER, EFER_NXE);
	assert_injected(st, VEC_GP);
	root_msr(1, MSR_EFER, EFER_LME | EFER_LMA | 1ULL << 40);
	assert_injected(st, VEC_GP);
	assert_int_equal(st->efer, EFER_LME | EFER_LMA | EFER_NXE);
	assert_int_equal(st->rip, 0x1000);
}

static void root_svm_msrs(void **state)
{
	struct mk_state *st = root_msr(0, MSR_VM_CR, 0);

	(void)state;
	assert_int_equal(st->gpr[MK_RAX], 0x18);
	assert_int_equal(st->rip, 0x1002);
	assert_injected(root_msr(1, MSR_VM_CR, 0), VEC_GP);
	/* VM_HSAVE_PA is 0 and stays so. */
	st = root_msr(0, MSR_VM_HSAVE_PA, 0);
	assert_int_equal(st->gpr[MK_RAX] | st->gpr[MK_RDX], 0);
	assert_int_equal(st->inject.type, MK_EVENT_NONE);
	assert_int_equal(root_msr(1, MSR_VM_HSAVE_PA, 0)->inject.type, MK_EVENT_NONE);
	assert_injected(root_msr(1, MSR_VM_HSAVE_PA, 0x1000), VEC_GP);
	assert_injected(root_msr(0, 0xC0010118, 0), VEC_GP);
}

/* What is the machine's isn't written by root; INVD drops nothing. */
static void root_keeps_the_machine(void **state)
{
	static const uint32_t fixed[] = { MSR_APIC_BASE, MSR_SYSCFG, 0xC0010016, 0xC001001A };
	struct mk_state *st;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(fixed); i++) {
		assert_injected(root_msr(1, fixed[i], 0), VEC_GP);
		assert_int_equal(mk_state(0)->rip, 0x1000);
	}
	st = root_exits(0, MK_EXIT_INVD);
	st->rip = 0x1000;
	root_exit(0);
	assert_int_equal(st->rip, 0x1002);
	assert_int_equal(st->inject.type, MK_EVENT_NONE);
}

static void root_exception_goes_back(void **state)
{
	struct mk_state *st = root_exits(0, MK_EXIT_EXCEPTION);

	(void)state;
	st->valid = MK_G_ALL;
	st->exit.event = (struct mk_event){
		.type = MK_EVENT_EXCEPTION, .vector = VEC_PF, .has_error = 1, .error = 2,
	};
	st->exit.addr = 0xFFFF800012345678;
	root_exit(0);
	assert_injected(st, VEC_PF);
	assert_int_equal(st->inject.error, 2);
	assert_int_equal(st->cr2, 0xFFFF800012345678);
	assert_true(st->dirty & MK_G_CR);
}

/* What an exit interrupted is delivered again; software interrupts run again by themselves. */
static void interrupted_event_is_delivered(void **state)
{
	struct mk_state *st = root_exits(0, MK_EXIT_MEM);

	(void)state;
	st->exit.interrupted = (struct mk_event){ .type = MK_EVENT_INTR, .vector = 0x31 };
	root_exit(0);
	assert_int_equal(st->inject.type, MK_EVENT_INTR);
	assert_int_equal(st->inject.vector, 0x31);

	st = root_exits(0, MK_EXIT_UNKNOWN);
	st->exit.interrupted = (struct mk_event){ .type = MK_EVENT_SOFT, .vector = 0x80 };
	root_exit(0);
	assert_int_equal(st->inject.type, MK_EVENT_NONE);

	st = root_exits(0, MK_EXIT_UNKNOWN);
	st->exit.interrupted = (struct mk_event){ .type = MK_EVENT_EXCEPTION, .vector = VEC_BP };
	root_exit(0);
	assert_int_equal(st->inject.type, MK_EVENT_NONE);
}

/* A fault in an exit that is no hypercall leaves the registers of root alone. */
static void fault_outside_of_a_call(void **state)
{
	struct mk_state *st = root_exits(0, MK_EXIT_MEM);

	(void)state;
	st->rip = 0x1000;
	st->gpr[MK_RAX] = 7;
	microv_start(0, MK_START_FAULT);
	assert_int_equal(st->rip, 0x1000);
	assert_int_equal(st->gpr[MK_RAX], 7);
	assert_int_equal(cpu_count(), 1);
}

/* A fault in any other hypercall than run: FAILURE_UNKNOWN, its locks and its VS are free. */
static void fault_in_a_call(void **state)
{
	unsigned int id = fake_vs(), vm = id_vmid(id);
	struct mk_state *st = mk_state(0);
	struct call c = { .reg = (uint64_t[4]){ 0, id } };
	struct vs vs;

	(void)state;
	lock_take(&vms[vm].lock, 0);
	assert_int_equal(vs_take(&c, &vs), SUCCESS);
	cpus[0].calling = CALLING;
	st->rip = 0x1000;
	st->exit = (struct mk_exit){ .reason = MK_EXIT_HYPERCALL, .long_mode = 1 };
	microv_start(0, MK_START_FAULT);
	assert_int_equal(st->gpr[MK_RAX], MV_STATUS_FAILURE_UNKNOWN);
	assert_int_equal(st->rip, 0x1003);
	assert_int_equal(HC(0, VS, REG_GET, id, mv_reg_t_rip, 0), SUCCESS);
	assert_int_equal(HC(0, VP, CREATE_VP, vm, 0, 0), SUCCESS);
}

/* In run: root learns it at once and at every later run, and can still destroy the VS. */
static void fault_in_run(void **state)
{
	unsigned int id = fake_vs();
	struct mk_state *st = mk_state(0);
	struct call c = { .reg = (uint64_t[4]){ 0, id } };
	struct vs vs;

	(void)state;
	fake_share(0);
	assert_int_equal(vs_take(&c, &vs), SUCCESS);
	cpus[0].calling = CALLING_RUN;
	microv_start(0, MK_START_FAULT);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(st->gpr[MK_RAX], SUCCESS);
		assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_hlt);
		assert_int_equal(*(uint64_t *)fake_shared, mv_hlt_t_microv_crash);
		assert_int_equal(fake_run(id), SUCCESS);
	}
	assert_int_equal(fake.runs, 0);
	assert_int_equal(HC(0, VS, DESTROY_VS, id, 0, 0), SUCCESS);
}

/* In destroy_vs: the call can be made again, and nothing else. */
static void fault_in_destroy(void **state)
{
	unsigned int id = fake_vs();

	(void)state;
	vs_owner[id] = VS_CPU + 0;
	microv_start(0, MK_START_FAULT);
	assert_int_equal(HC(0, VS, REG_GET, id, mv_reg_t_rip, 0), MV_STATUS_FAILURE_BUSY);
	assert_int_equal(HC(0, VS, DESTROY_VS, id, 0, 0), SUCCESS);
}

/* Locks of other CPUs stay. */
static void fault_breaks_only_own_locks(void **state)
{
	unsigned int vm = fake_vm();

	(void)state;
	microv_start(1, MK_START_LAUNCH);
	lock_take(&vms[vm].lock, 1);
	microv_start(0, MK_START_FAULT);
	assert_int_equal(vms[vm].lock.owner, 2);
	microv_start(1, MK_START_FAULT);
	assert_int_equal(vms[vm].lock.owner, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(hypercall_advances_rip, fake_reset),
		cmocka_unit_test_setup(hypercall_elsewhere_is_ud, fake_reset),
		cmocka_unit_test_setup(unknown_is_unsupported, fake_reset),
		cmocka_unit_test_setup(handle_is_needed, fake_reset),
		cmocka_unit_test_setup(handle_opens_and_closes, fake_reset),
		cmocka_unit_test_setup(debug_out_logs, fake_reset),
		cmocka_unit_test_setup(log_read_fills_the_page, fake_reset),
		cmocka_unit_test_setup(pps_are_counted, fake_reset),
		cmocka_unit_test_setup(shared_page_is_checked, fake_reset),
		cmocka_unit_test_setup(stop_leaves_the_cpu, fake_reset),
		cmocka_unit_test_setup(root_virtualization_is_ud, fake_reset),
		cmocka_unit_test_setup(root_efer_hides_svme, fake_reset),
		cmocka_unit_test_setup(root_svm_msrs, fake_reset),
		cmocka_unit_test_setup(root_keeps_the_machine, fake_reset),
		cmocka_unit_test_setup(root_exception_goes_back, fake_reset),
		cmocka_unit_test_setup(interrupted_event_is_delivered, fake_reset),
		cmocka_unit_test_setup(fault_outside_of_a_call, fake_reset),
		cmocka_unit_test_setup(fault_in_a_call, fake_reset),
		cmocka_unit_test_setup(fault_in_run, fake_reset),
		cmocka_unit_test_setup(fault_in_destroy, fake_reset),
		cmocka_unit_test_setup(fault_breaks_only_own_locks, fake_reset),
	};

	return cmocka_run_group_tests_name("microv hypercall", tests, NULL, NULL);
}
