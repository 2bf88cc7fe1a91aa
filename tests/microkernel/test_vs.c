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
	assert_int_equal(space_free(VM), before + 5);
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

static void root_only_on_its_cpu(void **state)
{
	(void)state;
	assert_int_equal(vs_run(cpu_this(), MK_ROOT_VS(1)), -ENOENT);
	assert_int_equal(vs_run(cpu_this(), MK_ROOT_VS(3)), -ENOENT);
	assert_int_equal(vs_fetch(MK_ROOT_VS(1), MK_G_ALL), -ENOENT);
	machine.guest = machine_guest_vmmcall;
	run_root(0);
	assert_int_equal(state_of(0)->exit.reason, MK_EXIT_HYPERCALL);
	assert_int_equal(cpu_this()->serving, 0);
}

static void fetch_fills_only_what_is_not_there(void **state)
{
	struct mk_state *s;

	(void)state;
	assert_int_equal(vs_create(ID, VM), 0);
	s = state_of(ID);
	s->cr3 = 0x1234000;
	s->lstar = 0x99;
	s->dirty = MK_G_ALL;
	assert_int_equal(vs_run(cpu_this(), ID), 0);
	assert_int_equal(s->dirty, 0);
	assert_false(s->valid & (MK_G_CR | MK_G_MSR | MK_G_SEG | MK_G_TABLE | MK_G_DR));
	s->cr3 = s->lstar = 1;
	s->dirty = MK_G_MSR;
	assert_int_equal(vs_fetch(ID, MK_G_CR | MK_G_MSR | ~(u64)MK_G_ALL), 0);
	assert_int_equal(s->cr3, 0x1234000);
	assert_int_equal(s->lstar, 1);
	assert_true(s->valid & MK_G_CR);
	assert_false(s->valid & (MK_G_MSR | MK_G_SEG));
	s->cr3 = 2;
	assert_int_equal(vs_fetch(ID, MK_G_CR), 0);
	assert_int_equal(s->cr3, 2);
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
		T(freed_vs_stays_busy),
		T(fpu_state_keeps_it),
		T(root_only_on_its_cpu),
		T(fetch_fills_only_what_is_not_there),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
