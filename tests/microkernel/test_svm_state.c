// SPDX-License-Identifier: MIT
/* Between state page and VMCB: every field, both ways, and what the CPU may keep cached. */
#include "machine.h"
#include "svm.h"

#define VM 3
#define ID MK_GUEST_VS_FIRST

static struct vmcb seen;	   /* at the entry */
static struct vmcb *change;	   /* what the guest makes of it, or NULL */
static struct mk_state *s;

static void guest(struct vmcb *v, u64 *gpr)
{
	assert_ptr_equal(gpr, s->gpr);
	seen = *v;
	if (change) {
		v->rax = change->rax;
		v->rsp = change->rsp;
		v->rip = change->rip;
		v->rflags = change->rflags;
		v->int_state = change->int_state;
		v->v_intr = change->v_intr;
	}
	v->exit_code = 0x78;
}

static int group_setup(void **state)
{
	(void)state;
	machine_start(1);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	machine_vm(VM, ROOT_RAM, 32);
	assert_int_equal(vs_create(ID, VM), 0);
	s = machine_user(0, MK_U_STATE + ID * PAGE_4K, true);
	machine.guest = guest;
	change = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	machine.guest = machine_guest_vmmcall;
	assert_int_equal(vs_run(cpu_this(), MK_ROOT_VS(0)), 0);
	machine_vs_end(ID);
	machine_vm_end(VM);
	machine.xsave = 0;
	cpu_this()->xcr0_all = 0;
	return 0;
}

static void run(void)
{
	assert_int_equal(vs_run(cpu_this(), ID), 0);
}

/* Numbers everywhere that may be anything; attributes that a segment can have. */
static void fill(void)
{
	u64 *word = (u64 *)&s->cr0;
	int i;

	for (i = 0; i < 16; i++)
		s->gpr[i] = machine_random();
	s->rip = machine_random();
	s->rflags = machine_random();
	while (word < (u64 *)s->reserved1)
		*word++ = machine_random();
	s->cr8 &= 0xF;
	s->efer &= ~EFER_SVME;
	s->xcr0 = 1;
	s->tsc_aux = (u32)s->tsc_aux;
	for (i = 0; i < MK_SEGS; i++)
		s->seg[i].attrib &= MK_ATTR_ALL;
	s->gdtr.attrib = s->gdtr.selector = s->idtr.attrib = s->idtr.selector = 0;
	s->dirty = MK_G_ALL;
}

static void seg_is(struct vmcb_seg v, struct mk_seg n)
{
	assert_int_equal(v.selector, n.selector);
	assert_int_equal(v.limit, n.limit);
	assert_int_equal(v.base, n.base);
	assert_int_equal(v.attrib & 0xFF, n.attrib & 0xFF);
	assert_int_equal(v.attrib >> 8, n.attrib >> 12);
}

static void commit(void **state)
{
	struct mk_state w;

	(void)state;
	fill();
	w = *s;
	run();
	assert_int_equal(seen.rax, w.gpr[MK_RAX]);
	assert_int_equal(seen.rsp, w.gpr[MK_RSP]);
	assert_int_equal(seen.rip, w.rip);
	assert_int_equal(seen.rflags, w.rflags);
	assert_int_equal(seen.cr0, w.cr0 & ~0x60000000ULL);
	assert_int_equal(seen.cr2, w.cr2);
	assert_int_equal(seen.cr3, w.cr3);
	assert_int_equal(seen.cr4, w.cr4);
	assert_int_equal(seen.efer, w.efer | EFER_SVME);
	assert_int_equal(seen.v_intr, w.cr8 | V_INTR_MASKING);
	assert_int_equal(seen.tsc_offset, w.tsc_offset);
	assert_int_equal(seen.dr6, w.dr6);
	assert_int_equal(seen.dr7, w.dr7);
	seg_is(seen.es, w.seg[MK_ES]);
	seg_is(seen.cs, w.seg[MK_CS]);
	seg_is(seen.ss, w.seg[MK_SS]);
	seg_is(seen.ds, w.seg[MK_DS]);
	seg_is(seen.fs, w.seg[MK_FS]);
	seg_is(seen.gs, w.seg[MK_GS]);
	seg_is(seen.ldtr, w.seg[MK_LDTR]);
	seg_is(seen.tr, w.seg[MK_TR]);
	seg_is(seen.gdtr, w.gdtr);
	seg_is(seen.idtr, w.idtr);
	assert_int_equal(seen.cpl, w.seg[MK_SS].attrib >> 5 & 3);
	assert_int_equal(seen.star, w.star);
	assert_int_equal(seen.lstar, w.lstar);
	assert_int_equal(seen.cstar, w.cstar);
	assert_int_equal(seen.sfmask, w.sfmask);
	assert_int_equal(seen.kernel_gs_base, w.kernel_gs_base);
	assert_int_equal(seen.sysenter_cs, w.sysenter_cs);
	assert_int_equal(seen.sysenter_esp, w.sysenter_esp);
	assert_int_equal(seen.sysenter_eip, w.sysenter_eip);
	assert_int_equal(seen.pat, w.pat);
}

/* What was committed comes back by vs_fetch, group by group, and nothing else with it. */
static void round_trip(void **state)
{
	struct mk_state w;
	int round, bit;

	(void)state;
	for (round = 0; round < 20; round++) {
		fill();
		s->dr7 = 0x400;
		w = *s;
		run();
		memset(s->seg, 0xEE,
		       offsetof(struct mk_state, reserved1) - offsetof(struct mk_state, seg));
		s->dr6 = s->dr7 = 0xEE;
		for (bit = 0; bit < 8; bit++)
			assert_int_equal(vs_fetch(ID, 1 << bit), 0);
		assert_int_equal(s->valid, MK_G_ALL);
		w.valid = s->valid;
		w.dirty = 0;
		w.entries++;
		assert_memory_equal(s, &w, offsetof(struct mk_state, exit));
	}
}

static void world_switches_are_counted(void **state)
{
	const struct mk_state *root = cpu_this()->root_vs->state;
	u64 entries = s->entries, switches = root->switches, of_root = root->entries;

	(void)state;
	run();
	run();
	assert_int_equal(s->entries, entries + 2);
	assert_int_equal(root->switches, switches + 2);
	assert_int_equal(root->entries, of_root);
}

static void only_dirty_groups_are_taken(void **state)
{
	u64 cr3;

	(void)state;
	fill();
	run();
	cr3 = s->cr3++;
	s->lstar++;
	s->seg[MK_FS].base++;
	s->idtr.base++;
	s->tsc_offset++;
	s->dr6++;
	s->dirty = MK_G_MSR;
	run();
	assert_int_equal(seen.lstar, s->lstar);
	assert_int_equal(seen.cr3, cr3);
	assert_int_equal(s->cr3, cr3);
	assert_int_equal(seen.fs.base + 1, s->seg[MK_FS].base);
	assert_int_equal(seen.idtr.base + 1, s->idtr.base);
	assert_int_equal(seen.tsc_offset + 1, s->tsc_offset);
	assert_int_equal(seen.dr6 + 1, s->dr6);
	assert_int_equal(s->dirty, 0);
}

static void attributes(void **state)
{
	u16 a;

	(void)state;
	for (a = 0; a < 0x1000; a++) {
		u16 wide = svm_attrib(a);

		assert_int_equal(wide & ~MK_ATTR_ALL, 0);
		assert_int_equal(svm_seg((struct mk_seg){ .attrib = wide }).attrib, a);
	}
	assert_int_equal(svm_attrib(0xA9B), 0xA09B); /* 64-bit code: P S type, L G */
	assert_int_equal(svm_seg((struct mk_seg){ .attrib = 0xFFFF }).attrib, 0xFFF);
}

/* APM vol. 2, 15.15.3: the bit of a group is clear when the VMCB's values have changed. */
static void clean_bits(void **state)
{
	static const struct {
		u32 group, changed;
	} cases[] = {
		{ 0, 0 },
		{ MK_G_GPR, 0 },
		{ MK_G_CR, BIT(5) | BIT(9) | BIT(3) | BIT(0) | BIT(2) },
		/* CRx and EFER, CR2, TPR, intercepts, ASID */
		{ MK_G_SEG, BIT(8) },
		{ MK_G_TABLE, BIT(7) },
		{ MK_G_DR, BIT(6) },
		{ MK_G_MSR, BIT(4) }, /* PAT goes with nested paging */
		{ MK_G_TSC, BIT(0) },
	};
	unsigned int i;

	(void)state;
	run();
	assert_int_equal(seen.clean, 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		s->dirty = cases[i].group;
		run();
		assert_int_equal(seen.clean & cases[i].changed, 0);
		assert_int_equal(seen.clean | cases[i].changed, CLEAN_ALL);
	}
}

static void root(struct vmcb *v, u64 *gpr)
{
	(void)gpr;
	seen = *v;
	v->exit_code = 0x81;
}

/* CD and NW are ring 3's to show, and nothing of root's. */
static void cache_bits(void **state)
{
	struct mk_state *of_root = machine_user(0, MK_U_STATE, true);

	(void)state;
	s->cr0 = 0x80000033;
	s->dirty = MK_G_CR;
	run();
	assert_int_equal(seen.cr0, 0x80000033);
	assert_int_equal(seen.cr_read, 0);
	assert_int_equal(seen.cr_write, BIT(4) | BIT(8));
	s->cr0 = 0xE0000033;
	s->dirty = MK_G_CR;
	run();
	assert_int_equal(seen.cr0, 0x80000033);
	assert_int_equal(seen.cr_read, BIT(0));
	assert_int_equal(seen.cr_write, BIT(0) | BIT(4) | BIT(8));
	assert_int_equal(s->cr0, 0xE0000033);
	of_root->cr0 |= 0x60000000;
	of_root->dirty = MK_G_CR;
	machine.guest = root;
	assert_int_equal(vs_run(cpu_this(), MK_ROOT_VS(0)), 0);
	assert_int_equal(seen.cr0 & 0x60000000, 0x60000000);
	assert_int_equal(seen.cr_read | seen.cr_write, 0);
}

/* After a change of paging nothing of the TLB is used. */
static void new_asid_after_cr(void **state)
{
	u32 asid;

	(void)state;
	run();
	asid = seen.asid;
	run();
	assert_int_equal(seen.asid, asid);
	s->cr4 ^= 0x80;
	s->dirty = MK_G_CR;
	run();
	assert_true(seen.asid != asid || seen.tlb_control == TLB_FLUSH_ALL);
}

static void injected_once(struct mk_event e, u64 expected)
{
	s->inject = e;
	run();
	assert_int_equal(seen.event_inj, expected);
	assert_int_equal(s->inject.type, MK_EVENT_NONE);
	run();
	assert_int_equal(seen.event_inj, 0);
}

/* APM vol. 2, 15.20: vector, type 10:8, error valid 11, valid 31, error code 63:32. */
static void injection(void **state)
{
	(void)state;
	injected_once((struct mk_event){ .type = MK_EVENT_INTR, .vector = 0x41 }, 0x80000041);
	injected_once((struct mk_event){ .type = MK_EVENT_NMI, .vector = 2 }, 0x80000202);
	injected_once((struct mk_event){ .type = MK_EVENT_EXCEPTION, .vector = 6, .error = 5 },
		      0x80000306);
	injected_once((struct mk_event){ .type = MK_EVENT_EXCEPTION, .vector = 14, .has_error = 1,
					 .error = 0x80000011 }, 0x8000001180000B0E);
	injected_once((struct mk_event){ .type = MK_EVENT_SOFT, .vector = 0x80 }, 0x80000480);
	injected_once((struct mk_event){ .type = 5, .vector = 0x80 }, 0);
	injected_once((struct mk_event){ .type = 0xFF, .vector = 0x80 }, 0);
}

/* The window is a virtual interrupt with its intercept, for guests, and only when asked for. */
static void window_is_an_intercepted_virq(void **state)
{
	(void)state;
	fill();
	s->window = MK_WINDOW_INTR;
	run();
	assert_true(seen.v_intr & V_IRQ);
	assert_true(seen.v_intr & V_INTR_MASKING);
	assert_true(seen.intercept1 & I1_VINTR);
	assert_false(seen.intercept1 & I1_IRET);
	s->window = MK_WINDOW_IRET;
	run();
	assert_false(seen.v_intr & V_IRQ);
	assert_false(seen.intercept1 & I1_VINTR);
	assert_true(seen.intercept1 & I1_IRET);
	s->window = 0;
	run();
	assert_false(seen.v_intr & V_IRQ);
	assert_true(seen.v_intr & V_INTR_MASKING);
	assert_false(seen.intercept1 & (I1_VINTR | I1_IRET));
}

static void leaves_virq(struct vmcb *v, u64 *gpr)
{
	(void)gpr;
	seen = *v;
	v->exit_code = 0x78;
	v->v_intr |= V_IRQ;
}

/* As QEMU's #VMEXIT may, when nobody has asked for one. */
static void virq_of_an_exit_is_dropped(void **state)
{
	(void)state;
	run();
	machine.guest = leaves_virq;
	assert_int_equal(vs_run(cpu_this(), ID), 0);
	assert_int_equal(vs_run(cpu_this(), ID), 0);
	assert_false(seen.v_intr & V_IRQ);
	assert_true(seen.v_intr & V_INTR_MASKING);
}

static void what_every_exit_shows(void **state)
{
	struct vmcb after = { .rax = 1, .rsp = 2, .rip = 3, .rflags = 4, .int_state = 1,
			      .v_intr = 0xB | V_INTR_MASKING };

	(void)state;
	fill();
	s->shadow = 0xFE;
	change = &after;
	run();
	assert_int_equal(seen.int_state, 0);
	assert_int_equal(s->gpr[MK_RAX], 1);
	assert_int_equal(s->gpr[MK_RSP], 2);
	assert_int_equal(s->rip, 3);
	assert_int_equal(s->rflags, 4);
	assert_int_equal(s->shadow, 1);
	assert_int_equal(vs_fetch(ID, MK_G_CR), 0);
	assert_int_equal(s->cr8, 0xB);
	run();
	assert_int_equal(seen.int_state, 1);
}

/* What XSETBV would refuse must never reach it: machine.c would fail the test. */
static void xcr0(void **state)
{
	static const u64 bad[] = { 0, 2, 5, 0x8, 0x11, 0x27, 0xE3, 0x67, 0x400, 1ULL << 62, ~0ULL };
	static const u64 good[] = { 3, 7, 1, 0xE7, 0x207 };
	struct cpu *cpu = cpu_this();
	unsigned int i;

	(void)state;
	machine.xsave = 0x2E7;
	cpu->xcr0_all = 0x2E7;
	machine.cpu[0].xcr0 = 0x2E7;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		s->xcr0 = good[i];
		s->dirty = MK_G_XCR;
		run();
		assert_int_equal(machine.cpu[0].xcr0, good[i]);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		s->xcr0 = bad[i];
		s->dirty = MK_G_XCR;
		run();
		assert_int_equal(machine.cpu[0].xcr0, 0x207);
	}
	machine.guest = machine_guest_vmmcall;
	assert_int_equal(vs_run(cpu, MK_ROOT_VS(0)), 0);
	machine.guest = guest;
	assert_int_not_equal(machine.cpu[0].xcr0, 0x207);
	run();
	assert_int_equal(machine.cpu[0].xcr0, 0x207);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(commit),
		T(round_trip),
		T(world_switches_are_counted),
		T(only_dirty_groups_are_taken),
		T(attributes),
		T(clean_bits),
		T(cache_bits),
		T(new_asid_after_cr),
		T(injection),
		T(window_is_an_intercepted_virq),
		T(virq_of_an_exit_is_dropped),
		T(what_every_exit_shows),
		T(xcr0),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
