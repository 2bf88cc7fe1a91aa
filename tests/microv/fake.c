// SPDX-License-Identifier: MIT
/* A microkernel for host tests of MicroV, see fake.h. */
#include "fake.h"

#include <stdlib.h>

struct fake fake;
uint8_t fake_ram[FAKE_RAM];
uint8_t fake_shared[MV_PAGE_SIZE] __attribute__((aligned(4096)));

/* A VS: the page that MicroV sees, and the hardware's copy. */
struct fake_vs {
	struct mk_state *page, *hw;
	void *own;
	struct mv_xsave_t *fpu;
	unsigned int space;
};

static struct fake_vs vss[MK_VS_MAX];
static uint64_t open_handle;

struct mk_state *mk_state(unsigned int vsid)
{
	assert_true(vsid < MK_VS_MAX);
	assert_non_null(vss[vsid].page);
	return vss[vsid].page;
}

void *mk_own(unsigned int vsid)
{
	assert_true(vsid < MK_VS_MAX);
	assert_non_null(vss[vsid].own);
	return vss[vsid].own;
}

struct mv_xsave_t *fake_fpu(unsigned int vsid)
{
	assert_non_null(vss[vsid].page);
	return vss[vsid].fpu;
}

struct mk_state *fake_hw(unsigned int vsid)
{
	return vss[vsid].hw;
}

void *mk_shared(void)
{
	return fake_shared;
}

void mk_window_init(void)
{
}

/* Only what MicroV has opened can be seen, and only memory that is there. */
static int window_ok(uint64_t gpa, size_t len)
{
	assert_true(fake.window > 0);
	assert_true(gpa < MK_GPA_END && len <= MK_GPA_END - gpa);
	if (fake.hole && gpa - fake.hole < MV_PAGE_SIZE)
		return 0;
	return gpa < FAKE_RAM && len <= FAKE_RAM - gpa;
}

int mk_window_copy(uint64_t gpa, void *buf, size_t len, int write)
{
	if (!window_ok(gpa, len))
		return -MK_EFAULT;
	if (write)
		memcpy(fake_ram + gpa, buf, len);
	else
		memcpy(buf, fake_ram + gpa, len);
	return 0;
}

int mk_window_or(uint64_t gpa, uint8_t bits)
{
	if (!window_ok(gpa, 1))
		return -MK_EFAULT;
	fake_ram[gpa] |= bits;
	return 0;
}

int mk_window_cmpxchg(uint64_t gpa, const void *old, const void *value, size_t len)
{
	if (!window_ok(gpa, len))
		return -MK_EFAULT;
	if (memcmp(fake_ram + gpa, old, len))
		return 1;
	memcpy(fake_ram + gpa, value, len);
	return 0;
}

static void vs_alloc(unsigned int vsid, unsigned int space)
{
	vss[vsid].page = aligned_alloc(MV_PAGE_SIZE, MV_PAGE_SIZE);
	vss[vsid].hw = calloc(1, MV_PAGE_SIZE);
	vss[vsid].own = calloc(1, MK_OWN_BYTES);
	vss[vsid].fpu = calloc(1, MV_PAGE_SIZE);
	vss[vsid].space = space;
	memset(vss[vsid].page, 0, MV_PAGE_SIZE);
	vss[vsid].page->valid = MK_G_ALL;
}

static void vs_free(unsigned int vsid)
{
	free(vss[vsid].page);
	free(vss[vsid].hw);
	free(vss[vsid].own);
	free(vss[vsid].fpu);
	vss[vsid] = (struct fake_vs){ 0 };
}

/* The bytes of a group: from one member up to another. */
static const struct {
	uint32_t group;
	size_t start, end;
} group_parts[] = {
	{ MK_G_CR, offsetof(struct mk_state, cr0), offsetof(struct mk_state, xcr0) },
	{ MK_G_XCR, offsetof(struct mk_state, xcr0), offsetof(struct mk_state, tsc_offset) },
	{ MK_G_TSC, offsetof(struct mk_state, tsc_offset), offsetof(struct mk_state, dr) },
	{ MK_G_DR, offsetof(struct mk_state, dr), offsetof(struct mk_state, seg) },
	{ MK_G_SEG, offsetof(struct mk_state, seg), offsetof(struct mk_state, gdtr) },
	{ MK_G_TABLE, offsetof(struct mk_state, gdtr), offsetof(struct mk_state, star) },
	{ MK_G_MSR, offsetof(struct mk_state, star), offsetof(struct mk_state, reserved1) },
};

static void copy_groups(struct mk_state *to, const struct mk_state *from, uint32_t groups)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(group_parts); i++)
		if (group_parts[i].group & groups)
			memcpy((char *)to + group_parts[i].start,
			       (const char *)from + group_parts[i].start,
			       group_parts[i].end - group_parts[i].start);
}

/* After a run nothing but the GPRs is in the page: using it unfetched is seen at once. */
static void forget_groups(struct mk_state *st)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(group_parts); i++)
		memset((char *)st + group_parts[i].start, 0xA5,
		       group_parts[i].end - group_parts[i].start);
	st->valid = MK_G_GPR;
	st->dirty = 0;
}

/* What every exit brings of the groups, or tells of them in its record. */
static void bring(unsigned int vsid)
{
	struct mk_state *st = mk_state(vsid);
	const struct mk_state *hw = vss[vsid].hw;

	copy_groups(st, hw, MK_G_CR);
	st->valid |= MK_G_CR;
	st->exit.cpl = (hw->seg[MK_SS].attrib & MK_ATTR_DPL) >> 5;
	st->exit.long_mode = hw->efer & EFER_LMA && hw->seg[MK_CS].attrib & MK_ATTR_L;
	st->exit.big = !!(hw->seg[MK_CS].attrib & MK_ATTR_DB);
	st->exit.cs_base = hw->seg[MK_CS].base;
	st->exit.window = fake.window == (int)vss[vsid].space;
}

static int64_t vs_run(unsigned int vsid)
{
	struct mk_state *st = mk_state(vsid);

	assert_true(vsid >= MK_GUEST_VS_FIRST);
	fake.runs++;
	if (!fake.window_stays)
		fake.window = -1;
	if (fake.run_error)
		return fake.run_error;
	if (fake.busy && fake.busy--)
		return -MK_EBUSY;
	copy_groups(vss[vsid].hw, st, st->dirty);
	vss[vsid].hw->inject = st->inject;
	forget_groups(st);
	st->inject = (struct mk_event){ 0 };
	if (fake.on_run)
		fake.on_run(st);
	if (fake.make_exit) {
		fake.make_exit(&st->exit);
	} else {
		assert_true(fake.exit_next < fake.exit_count);
		st->exit = fake.exits[fake.exit_next++];
	}
	bring(vsid);
	return 0;
}

static int64_t vs_fetch(unsigned int vsid, uint32_t groups)
{
	struct mk_state *st = mk_state(vsid);

	assert_false(groups & (st->valid | st->dirty));
	if (fake.busy && fake.busy--)
		return -MK_EBUSY;
	copy_groups(st, vss[vsid].hw, groups);
	st->valid |= groups;
	return 0;
}

static int64_t vs_fpu(unsigned int vsid, struct mv_xsave_t *x, int set)
{
	struct mv_xsave_t *fpu = fake_fpu(vsid);

	if (fake.busy && fake.busy--)
		return -MK_EBUSY;
	if (set && (x->mxcsr >> 16 || x->xcomp_bv))
		return -MK_EINVAL;
	memcpy(set ? fpu : x, set ? x : fpu, sizeof(*x));
	return 0;
}

static int64_t vs_create(unsigned int vsid, unsigned int space)
{
	assert_true(vsid >= MK_GUEST_VS_FIRST && vsid < MK_VS_MAX);
	assert_null(vss[vsid].page);
	if (!fake.space[space].exists)
		return -MK_ENOENT;
	if (fake.space[space].pool < MK_VS_PAGES)
		return -MK_ENOMEM;
	fake.space[space].pool -= MK_VS_PAGES;
	fake.space[space].vss++;
	vs_alloc(vsid, space);
	return 0;
}

static int64_t again(void)
{
	if (!fake.retries)
		return 0;
	fake.retries--;
	return -MK_EAGAIN;
}

static int64_t vs_destroy(unsigned int vsid)
{
	if (!vss[vsid].page)
		return -MK_ENOENT;
	if (again())
		return -MK_EAGAIN;
	fake.space[vss[vsid].space].pool += MK_VS_PAGES;
	fake.space[vss[vsid].space].vss--;
	vs_free(vsid);
	return 0;
}

static int64_t space_create(unsigned int space)
{
	assert_true(space && space < MV_MAX_VMS);
	if (fake.space[space].exists)
		return -MK_EEXIST;
	fake.space[space] = (struct fake_space){ .exists = 1 };
	return 0;
}

static int64_t space_destroy(unsigned int space)
{
	if (fake.space[space].vss)
		return -MK_EBUSY;
	if (again())
		return -MK_EAGAIN;
	fake.space[space] = (struct fake_space){ 0 };
	return 0;
}

static int is_mapped(const struct fake_space *s, uint64_t gpa, uint64_t bytes)
{
	for (unsigned int i = 0; i < s->maps; i++)
		if (gpa < s->map[i].gpa + s->map[i].bytes && s->map[i].gpa < gpa + bytes)
			return 1;
	return 0;
}

static int64_t root_range(uint64_t spa, uint64_t bytes)
{
	return spa < FAKE_ROOT_RAM && bytes <= FAKE_ROOT_RAM - spa ? 0 : -MK_EPERM;
}

static int64_t space_map(struct fake_space *s, const struct fake_map *map)
{
	if (fake.fail_map && !--fake.fail_map)
		return -fake.fail_with;
	if (root_range(map->spa, map->bytes))
		return -MK_EPERM;
	if (is_mapped(s, map->gpa, map->bytes))
		return -MK_EEXIST;
	assert_true(s->maps < FAKE_MAPS);
	s->map[s->maps++] = *map;
	s->pool--;
	assert_true(s->pool >= 0);
	return 0;
}

static int find_map(const struct fake_space *s, uint64_t gpa, uint64_t bytes)
{
	for (unsigned int i = 0; i < s->maps; i++)
		if (s->map[i].gpa == gpa && s->map[i].bytes == bytes)
			return i;
	return -1;
}

static int64_t space_unmap(struct fake_space *s, uint64_t gpa, uint64_t bytes)
{
	int i = find_map(s, gpa, bytes);

	if (fake.fail_unmap && !--fake.fail_unmap)
		return -fake.fail_with;
	if (i < 0)
		return -MK_ENOENT;
	s->map[i] = s->map[--s->maps];
	s->pool++;
	return 0;
}

/* One page for each mapping, none to unmap. */
static int64_t space_need(struct fake_space *s, uint64_t gpa, uint64_t spa, uint64_t bytes)
{
	if (gpa == MK_NONE)
		return root_range(spa, bytes);
	if (spa == MK_NONE)
		return find_map(s, gpa, bytes) < 0 ? -MK_ENOENT : 0;
	if (root_range(spa, bytes))
		return -MK_EPERM;
	return is_mapped(s, gpa, bytes) ? -MK_EEXIST : 1;
}

static int64_t space_donate(struct fake_space *s, uint64_t spa, uint64_t bytes)
{
	if (root_range(spa, bytes))
		return -MK_EPERM;
	s->pool += bytes / MV_PAGE_SIZE;
	s->donated += bytes / MV_PAGE_SIZE;
	return 0;
}

static int64_t space_dirty(uint64_t gpa, uint64_t bytes, uint64_t *words)
{
	int64_t err = fake.dirty_error;
	uint64_t count = (gpa / MV_PAGE_SIZE % 64 + bytes / MV_PAGE_SIZE + 63) / 64;

	fake.dirty_error = 0;
	fake.dirty_gpa = gpa;
	fake.dirty_bytes = bytes;
	assert_true(count <= 512);
	if (err)
		return err;
	memcpy(words, fake.dirty, count * sizeof(*words));
	memset(fake.dirty, 0, count * sizeof(*words));
	return 0;
}

static int64_t shared_set(uint64_t spa)
{
	if (spa != MK_NONE && fake.shared != MK_NONE)
		return -MK_EBUSY;
	if (spa != MK_NONE && root_range(spa, MV_PAGE_SIZE))
		return -MK_EPERM;
	fake.shared = spa;
	return 0;
}

static int64_t log_text(const char *text, uint64_t len)
{
	assert_true(len <= 1024);
	if (len < sizeof(fake.log) - fake.log_len) {
		memcpy(fake.log + fake.log_len, text, len);
		fake.log_len += len;
	}
	return 0;
}

/* 1 KiB at most, as the real one. */
static int64_t log_read(uint64_t *pos, void *buf, uint64_t len)
{
	uint64_t left;

	if (*pos < fake.log_start)
		*pos = fake.log_start;
	if (*pos > fake.log_start + strlen(fake.log_text))
		return 0;
	left = fake.log_start + strlen(fake.log_text) - *pos;
	len = len < 1024 ? len : 1024;
	len = len < left ? len : left;
	memcpy(buf, fake.log_text + (*pos - fake.log_start), len);
	return len;
}

int64_t mk_syscall(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
		   uint64_t *rdx)
{
	switch (nr) {
	case MK_SYS_VS_RUN:
		return vs_run(a0);
	case MK_SYS_VS_FETCH:
		return vs_fetch(a0, a1);
	case MK_SYS_VS_FPU:
		return vs_fpu(a0, (struct mv_xsave_t *)a1, a2);
	case MK_SYS_VS_CREATE:
		return vs_create(a0, a1);
	case MK_SYS_VS_DESTROY:
		return vs_destroy(a0);
	case MK_SYS_SPACE_CREATE:
		return space_create(a0);
	case MK_SYS_SPACE_DESTROY:
		return space_destroy(a0);
	case MK_SYS_SPACE_MAP:
		return space_map(&fake.space[a0], &(struct fake_map){ a1, a2, a3, a4 });
	case MK_SYS_SPACE_UNMAP:
		return space_unmap(&fake.space[a0], a1, a2);
	case MK_SYS_SPACE_NEED:
		return space_need(&fake.space[a0], a1, a2, a3);
	case MK_SYS_SPACE_FREE:
		return fake.space[a0].pool;
	case MK_SYS_SPACE_DONATE:
		return space_donate(&fake.space[a0], a1, a2);
	case MK_SYS_SPACE_DIRTY:
		return space_dirty(a1, a2, (uint64_t *)a3);
	case MK_SYS_SPACE_QUIESCE:
		return again();
	case MK_SYS_SHARED_SET:
		return shared_set(a0);
	case MK_SYS_WINDOW_OPEN:
		fake.window = a0;
		fake.opens++;
		return 0;
	case MK_SYS_LOG:
		return log_text((const char *)a0, a1);
	case MK_SYS_LOG_READ:
		*rdx = a0;
		return log_read(rdx, (void *)a1, a2);
	case MK_SYS_CPU_STOP:
		fake.stopped = 1;
		return 0;
	}
	fail_msg("system call %d isn't expected", (int)nr);
	return -MK_ENOSYS;
}

int fake_reset(void **state)
{
	(void)state;
	for (unsigned int id = 0; id < MK_VS_MAX; id++)
		if (vss[id].page)
			vs_free(id);
	memset(vms, 0, sizeof(vms));
	memset(vs_owner, 0, sizeof(vs_owner));
	memset(cpus, 0, sizeof(cpus));
	memset(fake_ram, 0, sizeof(fake_ram));
	memset(fake_shared, 0, sizeof(fake_shared));
	fake = (struct fake){ .shared = MK_NONE, .window = -1, .log_text = "" };
	for (unsigned int cpu = 0; cpu < 4; cpu++)
		vs_alloc(cpu, MV_ROOT_VMID);
	microv_start(0, MK_START_LAUNCH);
	mk_state(0)->gpr[MK_R10] = MV_SPEC_ID1_VAL;
	open_handle = MV_SPEC_ID1_VAL;
	assert_int_equal(HC(0, HANDLE, OPEN_HANDLE, 0, 0, 0), MV_STATUS_SUCCESS);
	open_handle = fake_reg(0, 0);
	return 0;
}

mv_status_t fake_call(unsigned int cpu, unsigned int op, unsigned int idx, uint64_t reg1,
		      uint64_t reg2, uint64_t reg3)
{
	struct mk_state *st = mk_state(MK_ROOT_VS(cpu));

	st->gpr[MK_RAX] = MV_HYPERCALL(op, idx);
	st->gpr[MK_R10] = open_handle;
	st->gpr[MK_R11] = reg1;
	st->gpr[MK_R12] = reg2;
	st->gpr[MK_R13] = reg3;
	st->exit = (struct mk_exit){
		.reason = MK_EXIT_HYPERCALL, .long_mode = 1, .window = fake.window_stays,
	};
	root_exit(cpu);
	return st->gpr[MK_RAX];
}

uint64_t fake_reg(unsigned int cpu, unsigned int n)
{
	return mk_state(MK_ROOT_VS(cpu))->gpr[MK_R10 + n];
}

void fake_share(unsigned int cpu)
{
	fake.shared = MK_NONE;
	assert_int_equal(HC(cpu, PP, SET_SHARED_PAGE_GPA, 0x5000, 0, 0), MV_STATUS_SUCCESS);
}

unsigned int fake_vm(void)
{
	assert_int_equal(HC(0, VM, CREATE_VM, 0, 0, 0), MV_STATUS_SUCCESS);
	return fake_reg(0, 0);
}

unsigned int fake_vs(void)
{
	unsigned int vm = fake_vm();

	fake.space[vm].pool = 100;
	assert_int_equal(HC(0, VP, CREATE_VP, vm, 0, 0), MV_STATUS_SUCCESS);
	assert_int_equal(HC(0, VS, CREATE_VS, fake_reg(0, 0), 0, 0), MV_STATUS_SUCCESS);
	return fake_reg(0, 0);
}

void fake_exit(const struct mk_exit *exit)
{
	assert_true(fake.exit_count < FAKE_EXITS);
	fake.exits[fake.exit_count++] = *exit;
}

mv_status_t fake_run(unsigned int vsid)
{
	memset(fake_shared, 0, sizeof(fake_shared));
	return fake_run_input(vsid);
}

mv_status_t fake_run_input(unsigned int vsid)
{
	return HC(0, VS, RUN, vsid, 0, 0);
}

mv_status_t fake_run_with(unsigned int vsid, uint64_t flags, const void *data, size_t len)
{
	struct mv_run_t *in = (struct mv_run_t *)fake_shared;

	memset(fake_shared, 0, sizeof(fake_shared));
	in->flags = flags;
	in->in_bytes = len;
	if (len)
		memcpy(in->in, data, len);
	return fake_run_input(vsid);
}

static void flat(struct mk_state *st, uint16_t code_attrib)
{
	for (int i = MK_ES; i <= MK_GS; i++)
		st->seg[i] = (struct mk_seg){ .attrib = 0xC093, .limit = 0xFFFFFFFF };
	st->seg[MK_CS].attrib = code_attrib;
	st->cr0 = CR0_PE | CR0_ET;
	st->dirty = MK_G_ALL;
}

void fake_mode_32(unsigned int vsid)
{
	flat(mk_state(vsid), 0xC09B);
}

/* PML4 at 0x1000, PDPT at 0x2000, PD at 0x3000 with two large pages and one table at 0x4000. */
void fake_mode_64(unsigned int vsid)
{
	struct mk_state *st = mk_state(vsid);
	uint64_t *table = (uint64_t *)fake_ram;

	flat(st, 0xA09B);
	st->cr0 |= CR0_PG | CR0_WP;
	st->cr3 = 0x1000;
	st->cr4 = CR4_PAE;
	st->efer = EFER_LME | EFER_LMA | EFER_NXE;
	table[0x1000 / 8] = 0x2007;
	table[0x2000 / 8] = 0x3007;
	table[0x3000 / 8] = 0x0083 | 4;
	table[0x3008 / 8] = 0x200083 | 4;
	table[0x3010 / 8] = 0x4007;
	for (uint64_t i = 0; i < 512; i++)
		table[0x4000 / 8 + i] = (0x400000 + i * MV_PAGE_SIZE) | 7;
}

unsigned int fake_vs_64(uint64_t rip)
{
	unsigned int id;

	fake_share(0);
	id = fake_vs();
	fake_mode_64(id);
	mk_state(id)->rip = rip;
	return id;
}
