// SPDX-License-Identifier: MIT
/* A hostile ring 3, see hostile.h. */
#include "hostile.h"

#include "elf_image.h"

#define STACK (MK_U_STACK_TOP - MK_U_STACK_SIZE)
#define LARGEST_DONATION (4 * PAGE_2M)
#define ARENA_PAGES (3 * PAGE_2M / PAGE_4K) /* from ROOT_RAM on: what is lent and donated */

static const u64 guest_vss[] = { MK_GUEST_VS_FIRST, MK_GUEST_VS_FIRST + 1, MK_GUEST_VS_FIRST + 2,
				 MK_VS_MAX - 1 };

/* --- calls --- */

static u64 pick(const u64 *from, unsigned int n, u64 (*random)(void))
{
	return from[random() % n];
}

/* What each call takes: space, VS, guest address, physical address, bytes, flags, pointer. */
static const char *const shapes[MK_SYS_COUNT] = {
	[MK_SYS_VS_RUN] = "v",	       [MK_SYS_VS_CREATE] = "vs",     [MK_SYS_VS_DESTROY] = "v",
	[MK_SYS_VS_FETCH] = "vf",      [MK_SYS_SPACE_CREATE] = "s",   [MK_SYS_SPACE_DESTROY] = "s",
	[MK_SYS_SPACE_MAP] = "sgpbf",  [MK_SYS_SPACE_UNMAP] = "sgb",  [MK_SYS_SPACE_QUIESCE] = "s",
	[MK_SYS_SPACE_DONATE] = "spb", [MK_SYS_SPACE_NEED] = "sgpbg", [MK_SYS_SHARED_SET] = "p",
	[MK_SYS_WINDOW_OPEN] = "s",    [MK_SYS_WINDOW_FIXUP] = "aaa", [MK_SYS_LOG] = "ab",
	[MK_SYS_LOG_READ] = "bab",     [MK_SYS_CPU_STOP] = "",	      [MK_SYS_SPACE_FREE] = "s",
	[MK_SYS_VS_FPU] = "vaf",       [MK_SYS_SPACE_DIRTY] = "sgba",
};

u64 hostile_pointer(u64 (*random)(void))
{
	static const u64 pointers[] = { ELF_TEXT,    ELF_TEXT + 64, ELF_DATA,  STACK,	MK_U_SHARED,
					MK_U_WINDOW, MK_U_STATE,    MK_DIRECT, MK_IMAGE };

	return pick(pointers, ARRAY_SIZE(pointers), random);
}

/* One in eight is of another kind, some are nothing at all. */
static u64 argument(char kind, u64 (*random)(void))
{
	static const char kinds[] = "svgpbfa";
	static const u64 spaces[] = { 1, 2, 3, 1, 2, 1, 0, 127, 128 };
	static const u64 vss[] = { 0,
				   1,
				   MK_GUEST_VS_FIRST,
				   MK_GUEST_VS_FIRST + 1,
				   MK_GUEST_VS_FIRST + 2,
				   MK_VS_MAX - 1,
				   MK_VS_MAX };
	static const u64 guest[] = { 0, PAGE_2M, PAGE_1G - PAGE_4K, 5ULL << 39,
				     MK_GPA_END - PAGE_4K };
	static const u64 physical[] = {
		ROOT_RAM,
		ROOT_RAM,
		ROOT_RAM,
		ROOT_RAM + PAGE_2M,
		ROOT_RAM + PAGE_2M,
		0x4000000,
		0x6000000,
		0x8000000,
		0x4000000 - PAGE_2M,
		0xA0000,
		MACHINE_LOW_END - PAGE_4K,
		MACHINE_HIGH,
		MACHINE_RAM_END - PAGE_4K,
		~0ULL,
	};
	static const u64 sizes[] = { 0,	      1,	   PAGE_4K,
				     PAGE_4K, 2 * PAGE_4K, 16 * PAGE_4K,
				     PAGE_2M, 2 * PAGE_2M, ~0ULL << 12 };
	u64 base;

	if (random() % 8 == 7)
		kind = kinds[random() % sizeof(kinds)];
	switch (kind) {
	case 's':
		return pick(spaces, ARRAY_SIZE(spaces), random);
	case 'v':
		return pick(vss, ARRAY_SIZE(vss), random);
	case 'g':
		base = pick(guest, ARRAY_SIZE(guest), random);
		return base + random() % 4 * PAGE_4K;
	case 'p':
		base = pick(physical, ARRAY_SIZE(physical), random);
		return base + random() % 64 * PAGE_4K;
	case 'b':
		return pick(sizes, ARRAY_SIZE(sizes), random);
	case 'f':
		return random() % 16;
	case 'a':
		return hostile_pointer(random);
	default:
		return random();
	}
}

s64 hostile_call(unsigned int nr, u64 (*random)(void))
{
	const char *shape = shapes[nr];
	u64 a[5] = { 0 };
	int i;

	for (i = 0; i < 5 && *shape; i++)
		a[i] = argument(*shape++, random);
	/* Of the VSs that there can be, those in the middle are as good as the last. */
	if (nr == MK_SYS_VS_CREATE && a[0] > MK_GUEST_VS_FIRST + 2 && a[0] < MK_VS_MAX)
		a[0] = MK_VS_MAX - 1;
	/* Each page that is donated is written to: of a large one that is taken, a part will do. */
	if (nr == MK_SYS_SPACE_DONATE && a[2] > LARGEST_DONATION &&
	    !space_need(a[0], GPA(~0ULL), SPA(a[1]), a[2], 0))
		a[2] = LARGEST_DONATION;
	return machine_syscall(nr, a[0], a[1], a[2], a[3], a[4]).value;
}

/* --- what must hold --- */

/* Each leaf below a table that ring 3 or a guest may use (APM vol. 2, 5.6, 15.25.5). */
static void walk(spa_t table, int level, const struct hostile_leaf *above, hostile_fn *fn,
		 void *arg)
{
	const u64 *t = hw_virt(table), span = ptab_span(level);
	u64 i, count = level == 4 ? 256 : 512;

	for (i = 0; i < count; i++) {
		struct hostile_leaf l = { above->va + i * span, span, t[i] & PTE_ADDR & ~(span - 1),
					  above->write && t[i] & PTE_W,
					  above->execute && !(t[i] & PTE_NX) };

		if (!(t[i] & PTE_P) || !(t[i] & PTE_U))
			continue;
		if (level == 1 || t[i] & PTE_LARGE)
			fn(arg, &l);
		else
			walk(SPA(t[i] & PTE_ADDR), level - 1, &l, fn, arg);
	}
}

void hostile_walk(spa_t top, hostile_fn *fn, void *arg)
{
	walk(top, 4, &(struct hostile_leaf){ .write = true, .execute = true }, fn, arg);
}

/* How often each page of the arena is mapped or shown. */
static u16 lent[ARENA_PAGES];

static void count_lent(const struct hostile_leaf *l)
{
	u64 at;

	for (at = l->spa; at < l->spa + l->bytes; at += PAGE_4K)
		if (at - ROOT_RAM < ARENA_PAGES * PAGE_4K)
			lent[(at - ROOT_RAM) / PAGE_4K]++;
}

/* Root's and lent, every page of it. */
static void is_roots(const struct hostile_leaf *l)
{
	assert_int_equal(frame_check(SPA(l->spa), l->bytes, FRAME_LENT_MAX - 1), 0);
	assert_int_equal(frame_check(SPA(l->spa), l->bytes, 0), -EPERM);
}

static void guest_leaf(void *arg, const struct hostile_leaf *l)
{
	(void)arg;
	is_roots(l);
	count_lent(l);
}

/* The window shows what the guest has, with no more rights; or what it had, until the CPU joins
 * the epoch in which that was taken away. */
static void window_leaf(const struct cpu *cpu, const struct hostile_leaf *l)
{
	struct ptab_leaf guest;

	assert_non_null(cpu->window);
	assert_false(l->execute);
	if (cpu->epoch < cpu->window->epoch)
		return;
	assert_true(machine_gpa(cpu->window, l->va - MK_U_WINDOW, &guest));
	assert_int_equal(*guest.entry & PTE_ADDR & ~(l->bytes - 1), l->spa);
	assert_true(!l->write || *guest.entry & PTE_W);
	is_roots(l);
}

/* It is made of the top entries of one space. */
static void check_window(const struct cpu *cpu)
{
	const u64 *shown = &cpu->pml4[MK_U_WINDOW >> 39 & 511], slots = MK_GPA_END >> 39;
	const struct space *s = cpu->window;
	u64 i;

	for (i = 0; i < slots && !(s && cpu->epoch < s->epoch); i++) {
		if (!s) {
			assert_int_equal(shown[i], 0);
		} else if (shown[i]) {
			assert_int_not_equal(s->npt.root.v, SPA_NONE.v);
			assert_int_equal(shown[i], ((u64 *)hw_virt(s->npt.root))[i] | PTE_NX);
		}
	}
}

static bool in(const struct hostile_leaf *l, u64 start, u64 bytes)
{
	return l->va >= start && l->va + l->bytes <= start + bytes;
}

static void ring3_leaf(void *arg, const struct hostile_leaf *l)
{
	assert_false(l->write && l->execute);
	if (in(l, MK_U_WINDOW, MK_GPA_END)) {
		window_leaf(arg, l);
		return;
	}
	if (in(l, MK_U_SHARED, PAGE_4K)) {
		guest_leaf(NULL, l);
		return;
	}
	assert_true(in(l, MK_U_IMAGE, MK_U_IMAGE_END - MK_U_IMAGE) ||
		    in(l, MK_U_STATE, MK_VS_MAX * PAGE_4K) ||
		    in(l, MK_U_OWN, MK_VS_MAX * MK_OWN_BYTES) || in(l, STACK, MK_U_STACK_SIZE));
	assert_true(frame_is_hv(SPA(l->spa)));
}

static void check_arena_page(u64 n)
{
	spa_t page = SPA(ROOT_RAM + n * PAGE_4K);
	u32 bit;

	if (frame_is_hv(page)) {
		assert_int_equal(lent[n], 0);
		assert_false(machine_root_sees(page.v));
		return;
	}
	assert_true(machine_root_sees(page.v));
	assert_int_equal(frame_check(page, PAGE_4K, lent[n]), 0);
	for (bit = 1; bit <= lent[n]; bit <<= 1)
		if (lent[n] & bit)
			assert_int_equal(frame_check(page, PAGE_4K, lent[n] & ~bit), -EPERM);
}

void hostile_check(unsigned int cpus, bool all)
{
	unsigned int id, n;

	memset(lent, 0, sizeof(lent));
	for (id = 1; id < MV_MAX_VMS; id++)
		if (space_get(id) && space_get(id)->npt.root.v != SPA_NONE.v)
			hostile_walk(space_get(id)->npt.root, guest_leaf, NULL);
	for (n = 0; n < cpus; n++) {
		check_window(cpu_get(n));
		hostile_walk(cpu_get(n)->pml4_spa, ring3_leaf, cpu_get(n));
		assert_int_equal(cpu_get(n)->pml4[256], 0xABC003); /* ring 0's half */
	}
	for (n = 0; all && n < ARENA_PAGES; n++)
		check_arena_page(n);
}

#define GUEST_1                                                                                    \
	(I1_INTR | I1_NMI | I1_CR0_SEL | I1_CPUID | I1_RSM | I1_INVD | I1_HLT | I1_INVLPGA |       \
	 I1_IOIO | I1_MSR | I1_SHUTDOWN)
#define ALL_2 (I2_VMRUN | I2_VMMCALL | I2_VMLOAD | I2_VMSAVE | I2_STGI | I2_CLGI | I2_SKINIT)

static void guest_vmcb(const struct vmcb *v, const struct vs *vs)
{
	assert_int_equal(v->intercept1 & GUEST_1, GUEST_1);
	assert_true(v->intercept2 & I2_XSETBV);
	assert_int_equal(v->exceptions & (BIT(1) | BIT(17) | BIT(18)), BIT(1) | BIT(17) | BIT(18));
	if (v->efer & BIT(12)) /* SVME; without it the CPU refuses (APM vol. 2, 15.5.1) */
		assert_int_equal(v->cr_write & (BIT(4) | BIT(8)), BIT(4) | BIT(8));
	assert_true(v->v_intr & V_INTR_MASKING);
	assert_true(v->asid > 1 && v->asid < cpu_this()->asids);
	assert_int_equal(v->nested_cr3, vs->space->npt.root.v);
	assert_int_equal(vs->space->phase, SPACE_LIVE);
	assert_true(v->iopm_spa && frame_is_hv(SPA(v->iopm_spa)));
}

void hostile_vmcb(const struct vmcb *v)
{
	const struct vs *vs = cpu_this()->fpu;

	assert_ptr_equal(v, vs->block);
	assert_true(frame_is_hv(hw_spa(v)));
	assert_int_equal(v->intercept2 & ALL_2, ALL_2);
	assert_int_equal(v->intercept1 & (I1_MSR | I1_INVLPGA), I1_MSR | I1_INVLPGA);
	assert_int_equal(v->np_enable, NP_ENABLE);
	assert_int_equal(v->avic_bar | v->ghcb | v->lbr_control, 0);
	assert_true(v->msrpm_spa && frame_is_hv(SPA(v->msrpm_spa)));
	assert_true(frame_is_hv(SPA(v->nested_cr3)));
	if (vs != cpu_this()->root_vs)
		guest_vmcb(v, vs);
	else
		assert_int_equal(v->asid, 1);
}

/* --- the end --- */

/* The CPU runs root once: what it has in its registers goes to memory, and it joins the epoch. */
static void run_root(unsigned int cpu)
{
	machine_on(cpu);
	assert_int_equal(machine_syscall(MK_SYS_VS_RUN, cpu, 0, 0, 0, 0).value, 0);
}

static void end(u64 nr, u64 id, unsigned int cpus)
{
	unsigned int tries, n;
	s64 rc = -EAGAIN;

	for (tries = 0; tries < 4 && (rc == -EAGAIN || rc == -EBUSY); tries++) {
		rc = machine_syscall(nr, id, 0, 0, 0, 0).value;
		for (n = 0; rc && n < cpus; n++)
			run_root(n);
	}
	assert_true(!rc || rc == -ENOENT);
}

void hostile_end(unsigned int cpus)
{
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(guest_vss); n++)
		end(MK_SYS_VS_DESTROY, guest_vss[n], cpus);
	for (n = 1; n < MV_MAX_VMS; n++)
		end(MK_SYS_SPACE_DESTROY, n, cpus);
	for (n = 0; n < cpus; n++) {
		run_root(n);
		machine_syscall(MK_SYS_SHARED_SET, ~0ULL, 0, 0, 0, 0);
	}
}
