// SPDX-License-Identifier: MIT
/*
 * The world switch. The emulated CPU of the lab flushes its TLB at every switch, so wrong
 * ASIDs are caught only here: by a model of what each CPU's TLB may hold.
 */
#include <asm/svm.h>

#include "epoch.h"
#include "machine.h"
#include "svm.h"

#define VM 3
#define ID MK_GUEST_VS_FIRST
#define GUESTS 24
#define ASIDS 16

static struct vmcb seen;
static u64 exit_code = SVM_EXIT_HLT;

static void guest_hlt(struct vmcb *v, u64 *gpr)
{
	(void)gpr;
	seen = *v;
	v->exit_code = exit_code;
}

static int group_setup(void **state)
{
	unsigned int i;

	(void)state;
	machine_start(3);
	machine_vm(VM, ROOT_RAM, 256);
	for (i = 0; i < GUESTS; i++)
		assert_int_equal(vs_create(ID + i, VM), 0);
	return 0;
}

static struct mk_state *state_of(u64 id)
{
	return machine_user(0, MK_U_STATE + id * PAGE_4K, true);
}

static void run(unsigned int cpu, u64 id)
{
	assert_int_equal(vs_run(machine_on(cpu), id), 0);
}

/* New VSs of these IDs; the VSs of the test before are gone. */
static int setup(void **state)
{
	unsigned int i;

	(void)state;
	machine.guest = guest_hlt;
	exit_code = SVM_EXIT_HLT;
	for (i = 0; i < 3; i++)
		run(i, MK_ROOT_VS(i));
	machine_on(0);
	for (i = 0; i < 4; i++) {
		machine_vs_end(ID + i);
		assert_int_equal(vs_create(ID + i, VM), 0);
	}
	machine_visit_all();
	for (i = 0; i < 3; i++)
		run(i, MK_ROOT_VS(i));
	machine_on(0);
	machine.traced = 0;
	return 0;
}

static int teardown(void **state)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		cpu_get(i)->features = 0;
		cpu_get(i)->xcr0_all = 0;
		cpu_get(i)->asids = ASIDS;
	}
	machine.xsave = 0;
	(void)state;
	return 0;
}

/* --- who can use a guest's mappings --- */

static u32 in_root;

static void guest_looks(struct vmcb *v, u64 *gpr)
{
	in_root = cpu_this()->in_root;
	guest_hlt(v, gpr);
}

/* While root runs, and no longer: after it the CPU joins whatever epoch has come meanwhile. */
static void only_root_is_in_root(void **state)
{
	(void)state;
	machine.guest = guest_looks;
	run(0, MK_ROOT_VS(0));
	assert_int_equal(in_root, 1);
	assert_int_equal(cpu_this()->in_root, 0);
	run(0, ID);
	assert_int_equal(in_root, 0);
	assert_int_equal(cpu_this()->in_root, 0);
}

/* --- ASIDs --- */

static void asid_is_kept(void **state)
{
	u32 asid;

	(void)state;
	run(0, ID);
	asid = seen.asid;
	assert_true(asid >= 2);
	assert_int_equal(seen.clean & CLEAN_ASID, 0);
	run(0, 0);
	assert_int_equal(seen.asid, 1);
	assert_int_equal(seen.tlb_control, 0);
	run(0, ID + 1);
	assert_int_not_equal(seen.asid, asid);
	run(0, ID);
	assert_int_equal(seen.asid, asid);
	assert_int_equal(seen.tlb_control, 0);
	assert_true(seen.clean & CLEAN_ASID);
}

/* Back on a CPU where it was before, its old translations there are out of date. */
static void new_asid_on_another_cpu(void **state)
{
	u32 first;

	(void)state;
	run(0, ID);
	first = seen.asid;
	run(0, 0);
	run(1, ID);
	assert_int_equal(seen.clean, 0);
	run(1, 1);
	run(0, ID);
	assert_int_not_equal(seen.asid, first);
	assert_int_equal(seen.clean, 0);
}

static void asids_wrap_around(void **state)
{
	unsigned int i, flushes = 0;

	(void)state;
	for (i = 0; i < GUESTS; i++) {
		run(0, ID + i);
		assert_in_range(seen.asid, 2, ASIDS - 1);
		flushes += seen.tlb_control == 1;
	}
	assert_in_range(flushes, 1, 2);
}

static void epoch_forces_a_flush(void **state)
{
	(void)state;
	run(0, ID);
	run(0, ID);
	assert_int_equal(seen.tlb_control, 0);
	epoch_bump();
	epoch_join(machine_on(0));
	run(0, 0);
	assert_int_equal(seen.tlb_control, 1);
	run(0, 0);
	assert_int_equal(seen.tlb_control, 0);
	run(0, ID);
	assert_int_equal(seen.tlb_control, 0);
	/* An epoch that opens while the guest runs is joined at its exit. */
	epoch_bump();
	run(0, ID);
	assert_int_equal(cpu_this()->epoch, epoch_bump() - 1);
	run(0, ID);
	assert_int_equal(seen.tlb_control, 1);
}

/* What the TLB of a CPU holds under an ASID: whose, since which move of it, which epoch. */
struct cached {
	bool any;
	u64 id, moves, epoch;
};

static struct {
	struct cached tlb[3][ASIDS];
	u64 moves[GUESTS];
	unsigned int last_cpu[GUESTS];
	u64 now; /* the VS that runs */
	unsigned int reused;
} model;

static void guest_fills_tlb(struct vmcb *v, u64 *gpr)
{
	bool guest = model.now >= ID;
	u64 moves = guest ? model.moves[model.now - ID] : 0;
	struct cached *c;

	(void)gpr;
	assert_true(v->asid < ASIDS);
	assert_true(v->tlb_control == 0 || v->tlb_control == 1);
	if (v->tlb_control == 1)
		memset(model.tlb[machine.now], 0, sizeof(model.tlb[0]));
	c = &model.tlb[machine.now][v->asid];
	if (c->any) {
		assert_int_equal(c->id, model.now);
		assert_int_equal(c->moves, moves);
		assert_int_equal(c->epoch, cpu_this()->epoch);
		model.reused++;
	}
	*c = (struct cached){ true, model.now, moves, cpu_this()->epoch };
	v->exit_code = SVM_EXIT_HLT;
}

static void model_run(unsigned int cpu, u64 id)
{
	model.now = id;
	run(cpu, id);
}

static void model_step(unsigned int cpu, unsigned int guest)
{
	if (machine_random() % 16 == 0)
		epoch_bump();
	if (machine_random() % 8 == 0)
		epoch_join(machine_on(cpu));
	if (model.last_cpu[guest] != cpu)
		model.moves[guest]++;
	model.last_cpu[guest] = cpu;
	model_run(cpu, ID + guest);
	if (machine_random() % 4)
		model_run(cpu, ID + guest);
	model_run(cpu, cpu);
}

static void tlb_never_lies(void **state)
{
	int i;

	(void)state;
	memset(&model, 0, sizeof(model));
	machine.guest = guest_fills_tlb;
	for (i = 0; i < 3; i++) {
		epoch_bump();
		epoch_join(machine_on(i)); /* so that the model begins with empty TLBs */
	}
	for (i = 0; i < 20000; i++)
		/* Few guests at times, many at others: ASIDs are kept, and run out. */
		model_step(machine_random() % 3, machine_random() % (i / 100 % 2 ? GUESTS : 5));
	assert_true(model.reused > 1000);
	machine_on(0);
}

/* --- FPU --- */

static u64 fpu_of[MK_VS_MAX];

/* Finds what it left in the registers, and leaves something new. */
static void guest_uses_fpu(struct vmcb *v, u64 *gpr)
{
	struct machine_cpu *cpu = &machine.cpu[machine.now];

	(void)gpr;
	assert_int_equal(cpu->fpu, fpu_of[model.now]);
	cpu->fpu = fpu_of[model.now] = machine_random();
	v->exit_code = SVM_EXIT_HLT;
}

static void fpu_registers_belong_to_one(void **state)
{
	unsigned int i;

	(void)state;
	memset(fpu_of, 0, sizeof(fpu_of));
	for (i = 0; i < 3; i++)
		fpu_of[i] = machine.cpu[i].fpu;
	machine.guest = guest_uses_fpu;
	for (i = 0; i < 500; i++) {
		unsigned int cpu = machine_random() % 3;

		model_run(cpu, ID + machine_random() % 4);
		if (machine_random() % 2) /* from guest to guest */
			model_run(cpu, ID + machine_random() % 4);
		model_run(cpu, cpu);
	}
	machine_on(0);
}

static void new_guest_has_a_reset_fpu(void **state)
{
	const struct xsave *x;

	(void)state;
	run(0, ID);
	x = cpu_this()->fpu->fpu;
	assert_int_equal(x->fcw, 0x37F);
	assert_int_equal(x->mxcsr, 0x1F80);
	assert_int_equal(x->mxcsr_mask, MACHINE_MXCSR_MASK);
}

/* All components are saved under the widest XCR0, and each VS runs under its own. */
static void xcr0_while_switching(void **state)
{
	struct cpu *cpu = cpu_this();

	(void)state;
	machine.xsave = cpu->xcr0_all = 7;
	machine.cpu[0].xcr0 = 3; /* root's */
	run(0, ID);
	assert_int_equal(machine.cpu[0].xcr0, 1);
	run(0, ID + 1);
	assert_int_equal(machine.cpu[0].xcr0, 1);
	run(0, 0);
	assert_int_equal(machine.cpu[0].xcr0, 3);
}

/* Root writes its TSC_AUX when it likes, a guest's comes with its MSRs. */
static void tsc_aux_belongs_to_one(void **state)
{
	struct mk_state *s = machine_user(0, MK_U_STATE + ID * PAGE_4K, true);
	u64 *tsc_aux = &machine.cpu[0].tsc_aux;

	(void)state;
	*tsc_aux = 7;
	cpu_this()->features = 0;
	run(0, ID);
	assert_int_equal(*tsc_aux, 7);
	run(0, 0);
	cpu_this()->features = CPU_TSC_AUX;
	s->tsc_aux = 0xFFFFFFFF00000105;
	s->dirty = MK_G_MSR;
	run(0, ID);
	assert_int_equal(*tsc_aux, 0x105);
	s->tsc_aux = 0x106; /* while its registers are in the CPU */
	s->dirty = MK_G_MSR;
	run(0, ID);
	assert_int_equal(*tsc_aux, 0x106);
	run(0, ID + 1);
	assert_int_equal(*tsc_aux, 0);
	run(0, 0);
	assert_int_equal(*tsc_aux, 7);
	*tsc_aux = 8;
	run(0, ID);
	assert_int_equal(*tsc_aux, 0x106);
	assert_int_equal(vs_fetch(ID, MK_G_MSR), 0);
	assert_int_equal(s->tsc_aux, 0x106);
	run(0, 0);
	assert_int_equal(*tsc_aux, 8);
}

static bool traced(unsigned int i, enum machine_op op)
{
	return i < machine.traced && machine.trace[i].op == op;
}

static void order_of_a_switch(void **state)
{
	struct vs *guest, *root = cpu_this()->fpu;

	(void)state;
	cpu_this()->features = CPU_IBPB;
	run(0, ID);
	guest = cpu_this()->fpu;
	assert_int_equal(machine.traced, 3);
	assert_true(traced(0, OP_SAVE) && machine.trace[0].a == (u64)root->fpu);
	assert_true(traced(1, OP_RESTORE) && machine.trace[1].a == (u64)guest->fpu);
	assert_true(traced(2, OP_ENTER) && machine.trace[2].a == guest->page[PAGE_BLOCK].v);
	machine.traced = 0;
	run(0, ID); /* the same again: nothing but the entry */
	assert_int_equal(machine.traced, 1);
	machine.traced = 0;
	run(0, 0);
	assert_int_equal(machine.traced, 4);
	assert_true(traced(0, OP_SAVE) && machine.trace[0].a == (u64)guest->fpu);
	assert_true(traced(1, OP_RESTORE) && machine.trace[1].a == (u64)root->fpu);
	assert_true(traced(2, OP_WRMSR) && machine.trace[2].a == MSR_PRED_CMD);
	assert_int_equal(machine.trace[2].b, 1);
	assert_true(traced(3, OP_ENTER));
}

static unsigned int barriers(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < machine.traced; i++)
		n += machine.trace[i].op == OP_WRMSR && machine.trace[i].a == MSR_PRED_CMD;
	machine.traced = 0;
	return n;
}

/* Whoever runs next, what a guest trained is forgotten; not when root's own code goes on. */
static void ibpb(void **state)
{
	(void)state;
	run(0, ID);
	run(0, 0);
	assert_int_equal(barriers(), 0); /* the CPU has none */
	cpu_this()->features = CPU_IBPB;
	run(0, ID);
	assert_int_equal(barriers(), 0);
	run(0, ID + 1);
	assert_int_equal(barriers(), 1);
	run(0, 0);
	assert_int_equal(barriers(), 1);
	run(0, 0);
	assert_int_equal(barriers(), 0);
}

/* --- debug registers --- */

static unsigned int entries;

static void guest_touches_dr(struct vmcb *v, u64 *gpr)
{
	(void)gpr;
	seen = *v;
	v->exit_int_info = 0;
	if (!entries++) {
		assert_int_equal(v->dr_read, 0xFFFF);
		assert_int_equal(v->dr_write, 0xFFFF);
		v->exit_int_info = 0x80000B0D;
		v->exit_code = SVM_EXIT_WRITE_DR0 + 3;
		return;
	}
	machine.cpu[machine.now].dr[3] = 0x3333;
	v->exit_code = SVM_EXIT_HLT;
}

/* Root's stay in the CPU until a guest touches its own; then both keep theirs. */
static void debug_registers(void **state)
{
	struct mk_state *s = state_of(ID);
	u64 *dr = machine.cpu[0].dr;

	(void)state;
	dr[0] = 0xAAAA;
	dr[3] = 0xBBBB;
	run(0, ID + 1);
	assert_int_equal(dr[0], 0xAAAA);
	run(0, 0);
	assert_int_equal(machine.traced, 6);

	s->dr[0] = 0x1111;
	entries = 0;
	machine.guest = guest_touches_dr;
	run(0, ID);
	assert_int_equal(entries, 2); /* ring 3 never hears of it */
	assert_int_equal(s->exit.reason, MK_EXIT_HLT);
	assert_int_equal(seen.dr_read | seen.dr_write, 0);
	assert_int_equal(seen.clean & CLEAN_I, 0);
	assert_int_equal(seen.event_inj, 0x80000B0D); /* what the exit interrupted */
	assert_int_equal(dr[0], 0x1111);
	assert_int_equal(vs_fetch(ID, MK_G_DR), 0);
	assert_int_equal(s->dr[3], 0x3333);

	machine.guest = guest_hlt;
	run(0, 0);
	assert_int_equal(dr[0], 0xAAAA);
	assert_int_equal(dr[3], 0xBBBB);
	dr[1] = 0xCCCC;
	run(0, ID);
	assert_int_equal(dr[0], 0x1111);
	assert_int_equal(dr[1], 0);
	assert_int_equal(dr[3], 0x3333);
	run(0, 0);
	assert_int_equal(dr[1], 0xCCCC);
}

/* MicroV may set them too: at once when a breakpoint is on. */
static void debug_registers_by_ring_3(void **state)
{
	struct mk_state *s = state_of(ID);
	u64 *dr = machine.cpu[0].dr;

	(void)state;
	dr[0] = 0xAAAA;
	s->dr[0] = 0x1111;
	s->dr7 = 0x400;
	s->dirty = MK_G_DR;
	run(0, ID);
	assert_int_equal(dr[0], 0xAAAA);
	s->dr7 = 0x401;
	s->dirty = MK_G_DR;
	run(0, ID);
	assert_int_equal(dr[0], 0x1111);
	assert_int_equal(seen.dr7, 0x401);
	s->dr[0] = 0x2222;
	s->dirty = MK_G_DR;
	run(0, ID);
	assert_int_equal(dr[0], 0x2222);
	run(0, 0);
	assert_int_equal(dr[0], 0xAAAA);
}

/* --- what VMs may do --- */

static bool msr_intercepted(const struct vmcb *v, u32 msr, bool write)
{
	const u8 *map = hw_virt(SPA(v->msrpm_spa));
	u32 n = msr & 0x1FFF;

	map += msr < 0x2000 ? 0 : msr < 0xC0010000 ? 0x800 : 0x1000;
	return map[n / 4] >> (n % 4 * 2 + write) & 1;
}

static void guest_intercepts(void **state)
{
	static const u32 passed[] = { 0xC0000081, 0xC0000082, 0xC0000083, 0xC0000084, 0xC0000100,
				      0xC0000101, 0xC0000102, 0x174, 0x175, 0x176 };
	const u8 *iopm;
	unsigned int i, open = 0;
	u32 n;

	(void)state;
	run(0, ID);
	assert_int_equal(~seen.intercept1 & (I1_INTR | I1_NMI | I1_CPUID | I1_HLT | I1_IOIO |
			 I1_MSR | I1_SHUTDOWN | I1_INVLPGA | I1_RDPMC | I1_RSM | I1_INVD), 0);
	assert_int_equal(~seen.intercept2 & (I2_VMRUN | I2_VMMCALL | I2_VMLOAD | I2_VMSAVE |
			 I2_STGI | I2_CLGI | I2_SKINIT | I2_MONITOR | I2_MWAIT | I2_XSETBV | I2_RDPRU), 0);
	assert_true(seen.intercept1 & I1_CR0_SEL);
	assert_int_equal(~seen.exceptions & (BIT(1) | BIT(17) | BIT(18)), 0);
	assert_int_equal(seen.np_enable, NP_ENABLE);
	assert_int_equal(seen.nested_cr3, space_get(VM)->npt.root.v);
	assert_true(seen.v_intr & V_INTR_MASKING);
	iopm = hw_virt(SPA(seen.iopm_spa));
	for (n = 0; n < 0x2001; n++)
		assert_int_equal(iopm[n], 0xFF);
	for (n = 0; n < 0x2000; n++)
		open += !msr_intercepted(&seen, n, false) +
			!msr_intercepted(&seen, 0xC0000000 | n, false) +
			!msr_intercepted(&seen, 0xC0010000 | n, false) +
			!msr_intercepted(&seen, n, true) +
			!msr_intercepted(&seen, 0xC0000000 | n, true) +
			!msr_intercepted(&seen, 0xC0010000 | n, true);
	assert_int_equal(open, 2 * ARRAY_SIZE(passed));
	for (i = 0; i < ARRAY_SIZE(passed); i++)
		assert_false(msr_intercepted(&seen, passed[i], false) ||
			     msr_intercepted(&seen, passed[i], true));
}

static bool wanted(const struct vmcb *v, u64 code)
{
	const u32 words[] = { v->intercept1, v->intercept2, v->intercept3 };

	if (code < 0x20)
		return (code < 0x10 ? v->cr_read : v->cr_write) >> code % 16 & 1;
	if (code < 0x40)
		return (code < 0x30 ? v->dr_read : v->dr_write) >> code % 16 & 1;
	if (code < 0x60)
		return v->exceptions >> (code - 0x40) & 1;
	return words[(code - 0x60) / 32] >> code % 32 & 1;
}

/* Whatever a guest's VMCB asks for has a reason for ring 3, or is ring 0's own (DRs). */
static void every_intercept_is_known(void **state)
{
	struct vmcb asks;

	(void)state;
	run(0, ID);
	asks = seen;
	for (exit_code = 0; exit_code < 0xC0; exit_code++) {
		if (!wanted(&asks, exit_code) || (exit_code >= 0x20 && exit_code < 0x40))
			continue;
		run(0, ID);
		assert_int_not_equal(state_of(ID)->exit.reason, MK_EXIT_UNKNOWN);
	}
}

/* Few, but what would let root out of its VM, or see that it is in one by accident. */
static void root_intercepts(void **state)
{
	static const u32 denied[] = { 0xC0000080, 0xC0010114, 0xC0010115, 0xC0010116, 0xC0010117,
				      0xC0010118, 0xC0010119 };
	unsigned int i;

	(void)state;
	run(0, 0);
	assert_int_equal(~seen.intercept2 & (I2_VMRUN | I2_VMMCALL | I2_VMLOAD | I2_VMSAVE |
			 I2_STGI | I2_CLGI | I2_SKINIT), 0);
	assert_true(seen.intercept1 & I1_INVLPGA && seen.intercept1 & I1_MSR &&
		    seen.intercept1 & I1_INVD);
	assert_false(seen.intercept1 & (I1_INTR | I1_NMI | I1_CPUID | I1_HLT | I1_IOIO | I1_CR0_SEL));
	assert_int_equal(seen.cr_read | seen.cr_write, 0);
	assert_int_equal(seen.np_enable, NP_ENABLE);
	assert_int_equal(seen.nested_cr3, space_root()->npt.root.v);
	for (i = 0; i < ARRAY_SIZE(denied); i++)
		assert_true(msr_intercepted(&seen, denied[i], false) &&
			    msr_intercepted(&seen, denied[i], true));
	assert_false(msr_intercepted(&seen, 0xC0000082, true) ||
		     msr_intercepted(&seen, 0x10, false));
}

/* Of all others root writes none that changes what the hypervisor's addresses mean. */
static void root_fixed_msrs(void **state)
{
	static const struct {
		u32 from, to;
	} fixed[] = {
		{ 0x1B, 0x1B },			/* APIC_BASE */
		{ 0x200, 0x20F },		/* MTRRs: variable, */
		{ 0x250, 0x250 },		/* fixed */
		{ 0x258, 0x259 },
		{ 0x268, 0x26F },
		{ 0x2FF, 0x2FF },		/* and the default type */
		{ 0xC0010010, 0xC0010010 },	/* SYSCFG */
		{ 0xC0010016, 0xC0010019 },	/* IORR base and mask */
		{ 0xC001001A, 0xC001001A },	/* TOP_MEM */
		{ 0xC001001D, 0xC001001D },	/* TOP_MEM2 */
		{ 0xC0010020, 0xC0010020 },	/* PATCH_LOADER */
		{ 0xC0010058, 0xC0010058 },	/* MMIO configuration base */
		{ 0xC0010111, 0xC0010113 },	/* SMM_BASE, SMM_ADDR, SMM_MASK */
	};
	/* MISC_ENABLE, PAT, MC0_CTL, HWCR, P-state control: Linux writes them now and then. */
	static const u32 open[] = { 0x1A0, 0x277, 0x400, 0xC0010015, 0xC0010062, 0xC0011020 };
	unsigned int i;
	u32 msr;

	(void)state;
	run(0, 0);
	for (i = 0; i < ARRAY_SIZE(fixed); i++)
		for (msr = fixed[i].from; msr <= fixed[i].to; msr++)
			assert_true(msr_intercepted(&seen, msr, true) &&
				    !msr_intercepted(&seen, msr, false));
	for (i = 0; i < ARRAY_SIZE(open); i++)
		assert_false(msr_intercepted(&seen, open[i], true) ||
			     msr_intercepted(&seen, open[i], false));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(only_root_is_in_root),
		T(asid_is_kept),
		T(new_asid_on_another_cpu),
		T(asids_wrap_around),
		T(epoch_forces_a_flush),
		T(tlb_never_lies),
		T(fpu_registers_belong_to_one),
		T(new_guest_has_a_reset_fpu),
		T(tsc_aux_belongs_to_one),
		T(xcr0_while_switching),
		T(order_of_a_switch),
		T(ibpb),
		T(debug_registers),
		T(debug_registers_by_ring_3),
		T(guest_intercepts),
		T(every_intercept_is_known),
		T(root_intercepts),
		T(root_fixed_msrs),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
