// SPDX-License-Identifier: MIT
/* VSs: IDs, who may run one, and that its pages are nobody's twice. */
#include "epoch.h"
#include "machine.h"
#include "svm.h"

#define VM 3
#define ID MK_GUEST_VS_FIRST
#define POOL ROOT_RAM

static void guest_exits(struct vmcb *v, u64 *gpr)
{
	(void)gpr;
	v->exit_code = 0x78; /* HLT */
}

static int group_setup(void **state)
{
	(void)state;
	machine_start(2);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	machine_on(0);
	machine.guest = guest_exits;
	machine_vm(VM, POOL, 32);
	return 0;
}

/* Every page comes back to root, wiped. */
static int teardown(void **state)
{
	(void)state;
	machine_vm_end(VM);
	assert_int_equal(frame_check(SPA(POOL), 32 * PAGE_4K, 0), 0);
	assert_int_equal(machine_dirty_pages(POOL, 32 * PAGE_4K), 0);
	return 0;
}

static struct mk_state *state_of(u64 id)
{
	return machine_user(0, MK_U_STATE + id * PAGE_4K, true);
}

/* CPU n runs its root VS once, up to an exit. */
static void run_root(unsigned int n)
{
	unsigned int before = machine.now;

	assert_int_equal(vs_run(machine_on(n), MK_ROOT_VS(n)), 0);
	machine_on(before);
}

static void ids(void **state)
{
	(void)state;
	assert_int_equal(vs_create(MK_GUEST_VS_FIRST - 1, VM), -EINVAL);
	assert_int_equal(vs_create(MK_VS_MAX, VM), -EINVAL);
	assert_int_equal(vs_create(~0ULL, VM), -EINVAL);
	assert_int_equal(vs_create(ID, 0), -EINVAL);
	assert_int_equal(vs_create(ID, VM + 1), -ENOENT);
	assert_int_equal(vs_create(ID, MV_MAX_VMS), -ENOENT);
	assert_int_equal(vs_create(ID, VM), 0);
	assert_int_equal(vs_create(ID, VM), -EEXIST);
	assert_int_equal(vs_create(MK_VS_MAX - 1, VM), 0);
	assert_int_equal(vs_destroy(0), -ENOENT);
	assert_int_equal(vs_destroy(ID + 1), -ENOENT);
	assert_int_equal(vs_destroy(MK_VS_MAX), -ENOENT);
	assert_int_equal(vs_run(cpu_this(), ID + 1), -ENOENT);
	assert_int_equal(vs_run(cpu_this(), MK_VS_MAX), -ENOENT);
	assert_int_equal(vs_run(cpu_this(), ~0ULL), -ENOENT);
	assert_int_equal(vs_fetch(ID + 1, MK_G_ALL), -ENOENT);
	machine_vs_end(ID);
	machine_vs_end(MK_VS_MAX - 1);
}

/* The promise of MK_VS_PAGES, and nothing changes when there are too few. */
static void pages(void **state)
{
	s64 before = space_free(VM);
	int n;

	(void)state;
	assert_int_equal(space_create(VM + 1), 0);
	assert_int_equal(vs_create(ID + 1, VM + 1), -ENOMEM);
	for (n = 1; vs_create(ID + 1, VM + 1); n++) {
		assert_true(n <= (int)MK_VS_PAGES);
		assert_null(machine_user(0, MK_U_STATE + (ID + 1) * PAGE_4K, false));
		assert_int_equal(space_donate(VM + 1, SPA(POOL + PAGE_2M + n * PAGE_4K), PAGE_4K),
				 0);
		machine_visit_all();
	}
	assert_int_equal(space_free(VM), before);
	assert_int_equal(space_destroy(VM + 1), -EBUSY);
	machine_vs_end(ID + 1);
	machine_vm_end(VM + 1);
	assert_int_equal(machine_dirty_pages(POOL + PAGE_2M, PAGE_2M), 0);
}

static void state_page(void **state)
{
	struct mk_state *s;
	unsigned int i;

	(void)state;
	assert_null(state_of(ID));
	assert_int_equal(vs_create(ID, VM), 0);
	s = state_of(ID);
	assert_non_null(s);
	assert_ptr_equal(s, machine_user(1, MK_U_STATE + ID * PAGE_4K, true));
	assert_int_equal(s->valid, MK_G_ALL);
	s->valid = 0;
	for (i = 0; i < PAGE_4K; i++)
		assert_int_equal(((u8 *)s)[i], 0);
	assert_null(state_of(ID + 1));
	machine_vs_end(ID);
	assert_null(state_of(ID));
}

/* The ID, and the pages, are free only when no CPU can know the state page any more. */
static void destroy_waits(void **state)
{
	s64 before;

	(void)state;
	assert_int_equal(vs_create(ID, VM), 0);
	before = space_free(VM);
	assert_int_equal(vs_destroy(ID), -EAGAIN);
	assert_null(state_of(ID));
	assert_int_equal(space_free(VM), before);
	assert_int_equal(vs_run(cpu_this(), ID), -ENOENT);
	assert_int_equal(vs_create(ID, VM), -EEXIST);
	assert_int_equal(vs_destroy(ID), -EAGAIN);
	machine_visit(1);
	assert_int_equal(vs_destroy(ID), 0);
	assert_int_equal(vs_destroy(ID), -ENOENT);
	assert_int_equal(space_free(VM), before + 6);
	/* An ID that nobody asked for again is free all the same. */
	assert_int_equal(vs_create(ID, VM), 0);
	assert_int_equal(vs_destroy(ID), -EAGAIN);
	machine_visit(1);
	assert_int_equal(vs_create(ID, VM), 0);
	machine_vs_end(ID);
}

static struct cpu *other;
static s64 other_rc[3];

/* While the VS runs on CPU 0, CPU 1 tries. */
static void guest_meets_other_cpu(struct vmcb *v, u64 *gpr)
{
	machine_on(1);
	other_rc[0] = vs_run(other, ID);
	other_rc[1] = vs_destroy(ID);
	other_rc[2] = vs_fetch(ID, MK_G_CR);
	machine_on(0);
	guest_exits(v, gpr);
}

static void busy_vs(void **state)
{
	(void)state;
	assert_int_equal(vs_create(ID, VM), 0);
	other = cpu_get(1);
	machine.guest = guest_meets_other_cpu;
	assert_int_equal(vs_run(cpu_this(), ID), 0);
	assert_int_equal(other_rc[0], -EBUSY);
	assert_int_equal(other_rc[1], -EBUSY);
	assert_int_equal(other_rc[2], -EBUSY);
	assert_int_equal(state_of(ID)->exit.reason, MK_EXIT_HLT);
	machine.guest = guest_exits;
	run_root(0);
	machine_vs_end(ID);
}

/* Another CPU may read its registers while they are here. */
static void busy_again(void **state)
{
	struct vs *vs;

	(void)state;
	assert_int_equal(vs_create(ID, VM), 0);
	assert_int_equal(vs_run(cpu_this(), ID), 0);
	vs = cpu_this()->fpu;
	vs->busy = 1;
	assert_int_equal(vs_run(cpu_this(), ID), -EBUSY);
	vs->busy = 0;
	assert_int_equal(vs_run(cpu_this(), ID), 0);
	run_root(0);
	machine_vs_end(ID);
}

/* A CPU that looked the VS up just before it was destroyed must find it busy for ever. */
static void freed_vs_stays_busy(void **state)
{
	struct vs *vs;

	(void)state;
	assert_int_equal(vs_create(ID, VM), 0);
	assert_int_equal(vs_run(cpu_this(), ID), 0);
	vs = cpu_this()->fpu;
	assert_int_equal(vs->id, ID);
	run_root(0);
	assert_int_equal(vs_destroy(ID), -EAGAIN);
	assert_int_equal(vs->busy, 1);
	machine_vs_end(ID);
}

/* Its FPU state is in CPU 0's registers: it can neither go nor run elsewhere. */
static void fpu_state_keeps_it(void **state)
{
	(void)state;
	assert_int_equal(vs_create(ID, VM), 0);
	assert_int_equal(vs_run(cpu_this(), ID), 0);
	machine_visit_all();
	assert_int_equal(vs_destroy(ID), -EAGAIN);
	machine_visit_all();
	assert_int_equal(vs_destroy(ID), -EAGAIN);
	assert_non_null(state_of(ID));
	assert_int_equal(vs_run(machine_on(1), ID), -EBUSY);
	machine_on(0);
	assert_int_equal(vs_run(cpu_this(), ID), 0);
	run_root(0);
	assert_int_equal(vs_run(machine_on(1), ID), 0);
	run_root(1);
	machine_on(0);
	machine_vs_end(ID);
}

#define STACK (MK_U_STACK_TOP - MK_U_STACK_SIZE)

/* What the guest had in its registers, and then has: the fake CPU's one FPU register. */
static u64 guest_had, guest_leaves;

static void guest_uses_fpu(struct vmcb *v, u64 *gpr)
{
	guest_had = machine.cpu[machine.now].fpu;
	machine.cpu[machine.now].fpu = guest_leaves;
	guest_exits(v, gpr);
}

static struct xsave *area(void)
{
	return machine_user(machine.now, STACK, true);
}

/* The fake's FPU register in an area. */
static u64 *fpu_of(struct xsave *x)
{
	return (u64 *)x + 4;
}

static void fpu_get_and_set(void **state)
{
	u64 root_fpu = machine.cpu[0].fpu = 0x4007;

	(void)state;
	machine.guest = guest_uses_fpu;
	assert_int_equal(vs_create(ID, VM), 0);
	assert_int_equal(vs_fpu(cpu_this(), ID, STACK, false), 0);
	assert_int_equal(area()->fcw, 0x37F);
	assert_int_equal(area()->mxcsr, 0x1F80);
	assert_int_equal(area()->mxcsr_mask, MACHINE_MXCSR_MASK);
	*fpu_of(area()) = 0x1111;
	assert_int_equal(vs_fpu(cpu_this(), ID, STACK, true), 0);
	guest_leaves = 0x2222;
	assert_int_equal(vs_run(cpu_this(), ID), 0);
	assert_int_equal(guest_had, 0x1111);
	/* Now it is in the registers. */
	assert_int_equal(machine.cpu[0].fpu, 0x2222);
	assert_int_equal(vs_fpu(cpu_this(), ID, STACK, false), 0);
	assert_int_equal(*fpu_of(area()), 0x2222);
	assert_int_equal(machine.cpu[0].fpu, root_fpu);
	assert_int_equal(vs_run(cpu_this(), ID), 0);
	assert_int_equal(guest_had, 0x2222);
	*fpu_of(area()) = 0x3333;
	assert_int_equal(vs_fpu(cpu_this(), ID, STACK, true), 0);
	assert_int_equal(vs_run(cpu_this(), ID), 0);
	assert_int_equal(guest_had, 0x3333);
	/* On another CPU only when this one let go of it. */
	machine_on(1);
	assert_int_equal(vs_fpu(cpu_this(), ID, STACK, false), -EBUSY);
	assert_int_equal(vs_fpu(cpu_this(), ID, STACK, true), -EBUSY);
	machine_on(0);
	machine.guest = guest_exits;
	run_root(0);
	machine_on(1);
	assert_int_equal(vs_fpu(cpu_this(), ID, STACK, false), 0);
	machine_on(0);
	machine_vs_end(ID);
}

/* Each reserved bit alone; what was there before stays. */
static void fpu_never_faults(void **state)
{
	static const u64 known = 0x2E7;
	struct cpu *cpu = cpu_this();
	unsigned int bit;

	(void)state;
	assert_int_equal(vs_create(ID, VM), 0);
	machine.xsave = cpu->xcr0_all = known | 0x18;
	machine.cpu[0].xcr0 = 1;
	memset(area(), 0xFF, PAGE_4K);
	area()->mxcsr = MACHINE_MXCSR_MASK;
	memset(area()->zero, 0, sizeof(area()->zero));
	area()->xstate_bv = known;
	*fpu_of(area()) = 0x77;
	assert_int_equal(vs_fpu(cpu, ID, STACK, true), 0);
	*fpu_of(area()) = 0x88;
	for (bit = 0; bit < 64; bit++) {
		area()->xstate_bv = BIT(bit);
		if (!(known & BIT(bit)))
			assert_int_equal(vs_fpu(cpu, ID, STACK, true), -EINVAL);
	}
	area()->xstate_bv = 0;
	for (bit = 0; bit < 7 * 64; bit++) {
		area()->zero[bit / 64] = BIT(bit % 64);
		assert_int_equal(vs_fpu(cpu, ID, STACK, true), -EINVAL);
		area()->zero[bit / 64] = 0;
	}
	for (bit = 16; bit < 32; bit++) {
		area()->mxcsr = BIT(bit);
		assert_int_equal(vs_fpu(cpu, ID, STACK, true), -EINVAL);
	}
	machine.guest = guest_uses_fpu;
	assert_int_equal(vs_run(cpu, ID), 0);
	assert_int_equal(guest_had, 0x77);
	machine.guest = guest_exits;
	run_root(0);
	machine.xsave = cpu->xcr0_all = 0;
	area()->mxcsr = 0;
	area()->xstate_bv = 1; /* without XSAVE there is no header */
	assert_int_equal(vs_fpu(cpu, ID, STACK, true), -EINVAL);
	machine_vs_end(ID);
}

static void fpu_refused(void **state)
{
	(void)state;
	assert_int_equal(vs_create(ID, VM), 0);
	assert_int_equal(vs_fpu(cpu_this(), MK_ROOT_VS(0), STACK, false), -ENOENT);
	assert_int_equal(vs_fpu(cpu_this(), MK_ROOT_VS(0), STACK, true), -ENOENT);
	assert_int_equal(vs_fpu(cpu_this(), ID + 1, STACK, false), -ENOENT);
	assert_int_equal(vs_fpu(cpu_this(), ID, MK_U_STACK_TOP - PAGE_4K + 1, false), -EFAULT);
	assert_int_equal(vs_fpu(cpu_this(), ID, MK_U_STACK_TOP - PAGE_4K + 1, true), -EFAULT);
	assert_int_equal(vs_fpu(cpu_this(), ID, MK_U_STATE, false), -EFAULT);
	assert_int_equal(vs_fpu(cpu_this(), ID, MK_DIRECT, true), -EFAULT);
	assert_int_equal(vs_run(cpu_this(), ID), 0); /* not left busy */
	run_root(0);
	machine_vs_end(ID);
}

/* Where XSETBV isn't intercepted the guest's own value counts. */
static void guest_sets_xcr0(struct vmcb *v, u64 *gpr)
{
	machine.cpu[machine.now].xcr0 = 7;
	guest_exits(v, gpr);
}

static void xcr0_of_a_guest(void **state)
{
	struct cpu *cpu = cpu_this();
	struct mk_state *s;

	(void)state;
	assert_int_equal(vs_create(ID, VM), 0);
	s = state_of(ID);
	machine.xsave = cpu->xcr0_all = 7;
	machine.cpu[0].xcr0 = 3;
	s->xcr0 = 1;
	s->dirty = MK_G_XCR;
	machine.guest = guest_sets_xcr0;
	assert_int_equal(vs_run(cpu, ID), 0);
	assert_false(s->valid & MK_G_XCR);
	assert_int_equal(vs_fetch(ID, MK_G_XCR), 0);
	assert_int_equal(s->xcr0, 7);
	machine.guest = guest_exits;
	s->dirty = 0;
	assert_int_equal(vs_run(cpu, ID), 0);
	run_root(0);
	assert_int_equal(machine.cpu[0].xcr0, 3);
	assert_int_equal(vs_fetch(ID, MK_G_XCR), 0);
	assert_int_equal(s->xcr0, 7);
	machine.xsave = cpu->xcr0_all = 0;
	machine_vs_end(ID);
}

static void root_only_on_its_cpu(void **state)
{
	(void)state;
	assert_int_equal(vs_run(cpu_this(), MK_ROOT_VS(1)), -ENOENT);
	assert_int_equal(vs_run(cpu_this(), MK_ROOT_VS(3)), -ENOENT);
	assert_int_equal(vs_fetch(MK_ROOT_VS(1), MK_G_ALL), -ENOENT);
	machine.guest = machine_guest_vmmcall;
	run_root(0);
	assert_int_equal(state_of(0)->exit.reason, MK_EXIT_HYPERCALL);
	assert_int_equal(cpu_this()->fpu->id, 0);
}

static void fetch_fills_only_what_is_not_there(void **state)
{
	struct mk_state *s;

	(void)state;
	assert_int_equal(vs_create(ID, VM), 0);
	s = state_of(ID);
	s->gdtr.base = 0x1234000;
	s->lstar = 0x99;
	s->dirty = MK_G_ALL;
	assert_int_equal(vs_run(cpu_this(), ID), 0);
	assert_int_equal(s->dirty, 0);
	assert_true(s->valid & MK_G_CR);
	assert_false(s->valid & (MK_G_MSR | MK_G_SEG | MK_G_TABLE | MK_G_DR));
	s->gdtr.base = s->lstar = 1;
	s->dirty = MK_G_MSR;
	assert_int_equal(vs_fetch(ID, MK_G_TABLE | MK_G_MSR | ~(u64)MK_G_ALL), 0);
	assert_int_equal(s->gdtr.base, 0x1234000);
	assert_int_equal(s->lstar, 1);
	assert_true(s->valid & MK_G_TABLE);
	assert_false(s->valid & (MK_G_MSR | MK_G_SEG));
	s->gdtr.base = 2;
	assert_int_equal(vs_fetch(ID, MK_G_TABLE), 0);
	assert_int_equal(s->gdtr.base, 2);
	assert_int_equal(vs_fetch(ID, MK_G_RAW), 0);
	assert_int_equal(s->exit.raw[0], 0x78);
	run_root(0);
	machine_vs_end(ID);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ids),
		T(pages),
		T(state_page),
		T(destroy_waits),
		T(busy_vs),
		T(busy_again),
		T(freed_vs_stays_busy),
		T(fpu_state_keeps_it),
		T(fpu_get_and_set),
		T(fpu_never_faults),
		T(fpu_refused),
		T(xcr0_of_a_guest),
		T(root_only_on_its_cpu),
		T(fetch_fills_only_what_is_not_there),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
