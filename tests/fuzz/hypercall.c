// SPDX-License-Identifier: MIT
/*
 * libFuzzer target: the root VM's hypercalls, any number with any registers and any shared page,
 * on two CPUs; guests that exit with anything. The real MicroV on the real microkernel, on the
 * machine of tests/stack. owners.h says whose pages must be, hostile.h what ring 3 and guests
 * may have. When all VMs have ended, root and the hypervisor have what they had.
 */
#include <asm/svm.h>

#include "hostile.h"
#include "owners.h"
#include "stack.h"

#define CALLS 40
#define EXITS 12
#define RETRIES 6
#define ARENA STACK_KERNEL
#define SHARED(cpu) (STACK_KERNEL + 0x700000 + (cpu)*MV_PAGE_SIZE)
#define VS_FIRST (MV_MAX_PPS + MV_MAX_VPS_PER_VM) /* VM 1's */

enum op_list {
	OP_MAP = MV_VM_OP_MMIO_MAP_IDX_VAL,
	OP_UNMAP = MV_VM_OP_MMIO_UNMAP_IDX_VAL,
	OP_DONATE = MV_VM_OP_DONATE_IDX_VAL
};

static struct fuzz in;
static u64 handle, pool_before;
static unsigned int exits_left;

/* What the hypercalls have made: VMs that are there, or are being destroyed; VPs and VSs by ID. */
static struct {
	bool there, dying;
	uint8_t vp[MV_MAX_VPS_PER_VM], vs[MV_MAX_VPS_PER_VM];
	unsigned int waits_op;
	struct mv_mdl_t waits_list; /* applied, and not finished */
} vms[OWNERS_VMS];

static bool has_shared[STACK_CPUS];
static struct mv_mdl_t page; /* what root wrote to the shared page before the call */

/* --- the guest --- */

static void guest_registers(struct vmcb *v, u64 *gpr)
{
	gpr[fuzz_below(&in, 16)] = fuzz_any(&in);
	v->rax = fuzz_any(&in);
	v->rip = fuzz_any(&in) * 16;
	v->cr3 = fuzz_below(&in, 8) * PAGE_4K;
	if (fuzz_u8(&in) & 1)
		v->cr0 ^= BIT(31) | BIT(0);
	if (fuzz_u8(&in) & 1)
		v->efer ^= BIT(10) | BIT(8);
	v->cs.attrib ^= (u16)(fuzz_any(&in) << 8);
	v->rflags = (fuzz_any(&in) << 8 & 0x3F7F00) | 2;
}

static void guest(struct vmcb *v, u64 *gpr)
{
	static const u64 codes[] = {
		SVM_EXIT_HLT,	   SVM_EXIT_VMMCALL,	   SVM_EXIT_NPF,    SVM_EXIT_IOIO,
		SVM_EXIT_MSR,	   SVM_EXIT_CPUID,	   SVM_EXIT_NPF,    SVM_EXIT_INTR,
		SVM_EXIT_READ_DR0, SVM_EXIT_EXCP_BASE + 6, SVM_EXIT_XSETBV, SVM_EXIT_WRITE_CR0 + 4,
		SVM_EXIT_SHUTDOWN
	};
	const unsigned int n = fuzz_below(&in, ARRAY_SIZE(codes) + 1);

	hostile_vmcb(v);
	v->exit_code = n < ARRAY_SIZE(codes) ? codes[n] : fuzz_any(&in);
	if (!exits_left || !--exits_left)
		v->exit_code = SVM_EXIT_INTR;
	v->exit_info1 = fuzz_any(&in);
	v->exit_info2 = fuzz_any(&in) * 16;
	if (v->exit_code == SVM_EXIT_IOIO)
		v->exit_info1 =
			v->exit_info1 << 16 | 0x10 << fuzz_below(&in, 3) | fuzz_u8(&in) % 16;
	if (fuzz_u8(&in) == 1)
		v->exit_int_info = BIT(31) | fuzz_any(&in) << 8 | fuzz_u8(&in);
	if (fuzz_u8(&in) & 1)
		guest_registers(v, gpr);
}

/* --- hypercalls --- */

static struct mv_mdl_t *shared_page(void)
{
	return has_shared[stack_cpu()] ? stack_ram(SHARED(stack_cpu())) : NULL;
}

static bool is_listed(mv_status_t status)
{
#define LISTED(name, val, origin, doc) || status == MV_STATUS_##name
	return 0 MV_STATUSES(LISTED);
#undef LISTED
}

static void apply(unsigned int vm, unsigned int op, const struct mv_mdl_t *list)
{
	unsigned int i;

	for (i = 0; i < list->num_entries; i++) {
		if (op == OP_MAP)
			owners_map(vm, &list->entries[i]);
		else if (op == OP_UNMAP)
			owners_unmap(vm, &list->entries[i]);
		else
			owners_donate(vm, &list->entries[i]);
	}
}

/* A list counts when it is applied, which is before it waits for CPUs, and once. */
static void list_answered(unsigned int vm, unsigned int op, mv_status_t status, u64 waited)
{
	const u64 waits = stack_microv_waits(vm);
	const bool mine = waited && vms[vm].waits_op == op &&
			  !memcmp(&vms[vm].waits_list.num_entries, &page.num_entries,
				  8 + page.num_entries * sizeof(page.entries[0]));

	if (status != MV_STATUS_SUCCESS && status != MV_STATUS_RETRY_CONTINUATION)
		return;
	FUZZ_CHECK(page.num_entries && page.num_entries <= MV_MDL_MAX_ENTRIES);
	if (mine && (status == MV_STATUS_SUCCESS || waits == waited))
		return;
	apply(vm, op, &page);
	vms[vm].waits_op = op;
	vms[vm].waits_list = page;
}

static void vm_answered(unsigned int idx, const u64 *regs, unsigned int vm, mv_status_t status,
			u64 waited)
{
	const bool done = status == MV_STATUS_SUCCESS;

	if (idx == MV_VM_OP_CREATE_VM_IDX_VAL && done) {
		FUZZ_CHECK(regs[1] < OWNERS_VMS && !vms[regs[1]].there);
		vms[regs[1]].there = true;
	} else if (idx == MV_VM_OP_DESTROY_VM_IDX_VAL &&
		   (done || status == MV_STATUS_RETRY_CONTINUATION)) {
		FUZZ_CHECK(vms[vm].there);
		owners_destroy(vm);
		vms[vm].dying = true;
		if (done) {
			owners_destroyed(vm, false);
			vms[vm].there = vms[vm].dying = false;
		}
	} else if (idx == OP_MAP || idx == OP_UNMAP || idx == OP_DONATE) {
		list_answered(vm, idx, status, waited);
	}
}

static void id_answered(unsigned int op, unsigned int idx, unsigned int id, u64 made)
{
	const unsigned int n = (op == MV_VP_OP && !idx ? made : id) - MV_MAX_PPS;
	const unsigned int vm = n / MV_MAX_VPS_PER_VM;
	uint8_t *vp, *vs;

	if (idx > 1) /* neither creates nor destroys */
		return;
	FUZZ_CHECK(vm < OWNERS_VMS && vms[vm].there && !vms[vm].dying);
	vp = &vms[vm].vp[n % MV_MAX_VPS_PER_VM];
	vs = &vms[vm].vs[n % MV_MAX_VPS_PER_VM];
	if (op == MV_VP_OP) {
		FUZZ_CHECK(*vp == idx && !*vs);
		*vp = !idx;
	} else {
		FUZZ_CHECK(*vp && *vs == idx);
		*vs = !idx;
	}
}

/* One hypercall on this CPU; the model goes on with what it answers. */
static mv_status_t call(unsigned int op, unsigned int idx, u64 reg1, u64 reg2, u64 reg3)
{
	u64 regs[5] = { MV_HYPERCALL(op, idx), handle, reg1, reg2, reg3 };
	const unsigned int vm = (uint16_t)reg1 < OWNERS_VMS ? (uint16_t)reg1 : 0;
	const u64 waited = stack_microv_waits(vm);
	mv_status_t status;

	memset(&page, 0, sizeof(page));
	if (shared_page())
		page = *shared_page();
	stack_vmmcall(regs);
	status = regs[0];
	FUZZ_CHECK(is_listed(status));
	if (op == MV_VM_OP)
		vm_answered(idx, regs, vm, status, waited);
	else if ((op == MV_VP_OP || op == MV_VS_OP) && status == MV_STATUS_SUCCESS)
		id_answered(op, idx, (uint16_t)reg1, regs[1]);
	else if (op == MV_PP_OP && idx == MV_PP_OP_CLR_SHARED_PAGE_GPA_IDX_VAL &&
		 status == MV_STATUS_SUCCESS)
		has_shared[stack_cpu()] = false;
	return status;
}

#define CALL(GROUP, NAME, ...) call(MV_##GROUP##_OP, MV_##GROUP##_OP_##NAME##_IDX_VAL, __VA_ARGS__)

static void share(void)
{
	if (has_shared[stack_cpu()])
		return;
	FUZZ_CHECK(CALL(PP, SET_SHARED_PAGE_GPA, SHARED(stack_cpu()), 0, 0) == MV_STATUS_SUCCESS);
	has_shared[stack_cpu()] = true;
}

static void open_handle(void)
{
	u64 regs[5] = { MV_HYPERCALL(MV_HANDLE_OP, MV_HANDLE_OP_OPEN_HANDLE_IDX_VAL),
			MV_SPEC_ID1_VAL };

	stack_vmmcall(regs);
	FUZZ_CHECK(regs[0] == MV_STATUS_SUCCESS);
	handle = regs[1];
}

/* --- what root does --- */

static u64 address(void)
{
	static const u64 bases[] = { ARENA,
				     ARENA + PAGE_2M,
				     0,
				     PAGE_2M,
				     5ULL << 39,
				     MACHINE_LOW_END - PAGE_4K,
				     0x4000000,
				     MACHINE_HIGH,
				     0x40000000ULL * 3,
				     MK_DIRECT_MAX - PAGE_4K };
	const unsigned int n = fuzz_below(&in, ARRAY_SIZE(bases) + 1);

	if (n == ARRAY_SIZE(bases))
		return fuzz_any(&in) * 8;
	return bases[n] + fuzz_below(&in, 64) * PAGE_4K;
}

static void fill_list(void)
{
	static const u64 sizes[] = { PAGE_4K, 2 * PAGE_4K, 16 * PAGE_4K, PAGE_2M, 2 * PAGE_2M };
	static const unsigned int flags[] = { 7, 3, 1, 5, 7 };
	struct mv_mdl_t *list = shared_page();
	unsigned int i;

	memset(list, 0, sizeof(*list));
	list->num_entries = 1 + fuzz_below(&in, 3);
	for (i = 0; i < list->num_entries; i++) {
		const unsigned int size = fuzz_below(&in, ARRAY_SIZE(sizes) + 1);

		list->entries[i] = (struct mv_mdl_entry_t){
			.dst = address(),
			.src = address(),
			.bytes = size < ARRAY_SIZE(sizes) ? sizes[size] : fuzz_any(&in),
			.flags = fuzz_u8(&in) < 250 ? flags[i] : fuzz_any(&in),
		};
	}
}

static unsigned int any_vm(void)
{
	return 1 + fuzz_below(&in, 4);
}

/* Of the first two of each VM. */
static unsigned int any_vs(void)
{
	const unsigned int n = fuzz_u8(&in);

	return VS_FIRST + (n >> 1 & 3) * MV_MAX_VPS_PER_VM + (n & 1);
}

static u64 any_register(void)
{
	switch (fuzz_below(&in, 4)) {
	case 0:
		return any_vm();
	case 1:
		return any_vs();
	case 2:
		return address();
	}
	return fuzz_any(&in);
}

/* Nothing that takes the CPU away from the hypervisor, sets a page that isn't ours, or makes too
 * many VMs. */
static void any_call(void)
{
	static const struct {
		uint8_t op, idx;
	} all[] = {
#define ROW(GROUP, group, idx_, NAME, name, origin, state, ...) { MV_##GROUP##_OP, idx_ },
		MV_HYPERCALLS(ROW)
#undef ROW
	};
	const unsigned int i = fuzz_below(&in, ARRAY_SIZE(all));
	const unsigned int what = all[i].op << 16 | all[i].idx;

	if (what == (MV_PP_OP << 16 | MV_PP_OP_STOP_IDX_VAL) ||
	    what == (MV_PP_OP << 16 | MV_PP_OP_SET_SHARED_PAGE_GPA_IDX_VAL) ||
	    what == (MV_VM_OP << 16 | MV_VM_OP_CREATE_VM_IDX_VAL))
		return;
	if (shared_page())
		fuzz_read(&in, (char *)shared_page() + fuzz_u8(&in) * 8, fuzz_below(&in, 64));
	call(all[i].op, all[i].idx, any_register(), any_register(), any_register());
	if (all[i].op == MV_HANDLE_OP)
		open_handle();
}

static void create_vm(void)
{
	unsigned int vm, count = 0;

	for (vm = 1; vm < OWNERS_VMS; vm++)
		count += vms[vm].there;
	if (count < 4)
		CALL(VM, CREATE_VM, 0, 0, 0);
}

/* On each CPU something, so that it leaves the root VM. */
static void visit_all(void)
{
	const unsigned int before = stack_cpu();
	unsigned int n;

	for (n = 0; n < STACK_CPUS; n++) {
		stack_on(n);
		CALL(ID, VERSION, 0, 0, 0);
	}
	stack_on(before);
}

/* A list with what it owes to the end, or only once. What has begun succeeds. */
static void list(unsigned int op)
{
	const unsigned int vm = any_vm();
	unsigned int tries;
	mv_status_t status;

	share();
	fill_list();
	for (tries = 0;; tries++) {
		status = call(MV_VM_OP, op, vm, 0, 0);
		if (status != MV_STATUS_RETRY_CONTINUATION)
			break;
		if (fuzz_u8(&in) & 1)
			return;
		FUZZ_CHECK(tries < RETRIES);
		visit_all();
	}
	FUZZ_CHECK(!tries || status == MV_STATUS_SUCCESS);
}

static void run_vs(void)
{
	static stack_step *const steps[EXITS * 8] = { [0 ... EXITS * 8 - 1] = guest };
	struct mv_run_t *run;

	share();
	run = (struct mv_run_t *)shared_page();
	memset(run, 0, sizeof(*run));
	run->flags = fuzz_any(&in);
	run->in_bytes = fuzz_below(&in, 16);
	run->reg[0].reg = fuzz_below(&in, MV_REG_MAX + 2);
	run->reg[0].val = fuzz_any(&in);
	fuzz_read(&in, run->in, run->in_bytes);
	exits_left = EXITS;
	stack_guest(steps, ARRAY_SIZE(steps));
	CALL(VS, RUN, any_vs(), 0, 0);
}

static void one_step(void)
{
	switch (fuzz_below(&in, 16)) {
	case 0:
		create_vm();
		break;
	case 1:
		CALL(VM, DESTROY_VM, any_vm(), 0, 0);
		break;
	case 2:
		CALL(VP, CREATE_VP, any_vm(), 0, 0);
		break;
	case 3:
		CALL(VS, CREATE_VS, any_vs(), 0, 0);
		break;
	case 4:
		CALL(VS, DESTROY_VS, any_vs(), 0, 0);
		break;
	case 5:
		stack_on(1 - stack_cpu());
		break;
	case 6:
		visit_all();
		break;
	case 7:
	case 8:
		list(OP_MAP);
		break;
	case 9:
		list(OP_UNMAP);
		break;
	case 10:
		list(OP_DONATE);
		break;
	case 11:
	case 12:
		run_vs();
		break;
	default:
		any_call();
		break;
	}
}

/* --- the end --- */

#define TO_THE_END(...)                                                                            \
	do {                                                                                       \
		unsigned int tries_ = 0;                                                           \
		while (CALL(__VA_ARGS__) == MV_STATUS_RETRY_CONTINUATION) {                        \
			FUZZ_CHECK(tries_++ < RETRIES);                                            \
			visit_all();                                                               \
		}                                                                                  \
	} while (0)

static void end_vm(unsigned int vm)
{
	unsigned int i, id;

	for (i = 0; i < MV_MAX_VPS_PER_VM; i++) {
		id = MV_MAX_PPS + vm * MV_MAX_VPS_PER_VM + i;
		if (vms[vm].vs[i])
			TO_THE_END(VS, DESTROY_VS, id, 0, 0);
		if (vms[vm].vp[i])
			TO_THE_END(VP, DESTROY_VP, id, 0, 0);
	}
	TO_THE_END(VM, DESTROY_VM, vm, 0, 0);
	FUZZ_CHECK(!vms[vm].there);
}

static void end(void)
{
	unsigned int vm, n;

	for (vm = 1; vm < OWNERS_VMS; vm++)
		if (vms[vm].there)
			end_vm(vm);
	for (n = 0; n < STACK_CPUS; n++) {
		stack_on(n);
		CALL(PP, CLR_SHARED_PAGE_GPA, 0, 0, 0);
	}
	stack_on(0);
}

/* The tables of ring 3 stay: those for all VSs are made before they are counted. */
void fuzz_begin(void)
{
	unsigned int vm;

	stack_boot();
	open_handle();
	for (vm = 1; vm < OWNERS_VMS; vm++) {
		create_vm();
		if (!vms[vm].there)
			break;
		share();
		memset(shared_page(), 0, MV_PAGE_SIZE);
		shared_page()->num_entries = 1;
		shared_page()->entries[0] =
			(struct mv_mdl_entry_t){ .src = ARENA + vm * 16 * PAGE_4K,
						 .bytes = 16 * PAGE_4K };
		TO_THE_END(VM, DONATE, vm, 0, 0);
		CALL(VP, CREATE_VP, vm, 0, 0);
		FUZZ_CHECK(CALL(VS, CREATE_VS, MV_MAX_PPS + vm * MV_MAX_VPS_PER_VM, 0, 0) ==
			   MV_STATUS_SUCCESS);
	}
	end();
	pool_before = stack_pool();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int i;

	in = (struct fuzz){ data, size };
	owners_reset();
	for (i = 0; i < CALLS && fuzz_more(&in); i++) {
		one_step();
		owners_check();
		hostile_check(STACK_CPUS, false);
	}
	in.size = 0;
	hostile_check(STACK_CPUS, true);
	end();
	hostile_check(STACK_CPUS, true);
	FUZZ_CHECK(stack_pool() == pool_before);
	return 0;
}
