// SPDX-License-Identifier: MIT
/*
 * The two ways in from the launch module: init once, enter on each CPU. Both run with
 * GIF = 0, on ring 0's tables but with Linux's GDT and IDT still loaded, and leave no
 * trace when they fail.
 */
#include <errno.h>

#include "backend.h"
#include "exception.h"
#include "log.h"
#include "user.h"

spa_t hw_kernel_tables;
u64 hw_image, hw_stop_tramp;

static u8 init_stack[0x4000] __attribute__((aligned(16)));
/* cpu_this() of a CPU that has no struct cpu yet. */
static struct cpu nobody = { .self = &nobody };
static spinlock_t enter_lock;

static s64 init(struct mk_boot *boot);
static s64 enter(u64 n, const struct mk_launch *launch);

const struct mk_entries entries __attribute__((section(".entries"), used)) = {
	.magic = MK_ENTRIES_MAGIC,
	.init = (u64)init,
	.enter = (u64)enter,
	.boot_stack_top = (u64)init_stack + sizeof(init_stack) - 8,
};

/* Takes a chunk for each 4 GiB in which a range has RAM, from `first` on. */
static s64 add_tables(struct mk_boot *boot, const struct mk_range *ram, u64 *first)
{
	u64 last = (ram->spa + ram->bytes - 1) >> 32, g = ram->spa >> 32;
	s64 rc = 0;

	for (g = g < *first ? *first : g; g <= last && !rc; g++) {
		if (boot->free_chunk == boot->chunks)
			return -ENOMEM;
		rc = frame_add_table(g, SPA(boot->chunk[boot->free_chunk++]));
		*first = g + 1;
	}
	return rc;
}

static s64 init_frames(struct mk_boot *boot)
{
	u64 i, first = 0;
	s64 rc = 0;

	for (i = 0; i < boot->ranges && !rc; i++)
		rc = add_tables(boot, &boot->ram[i], &first);
	if (rc)
		return rc;
	for (i = 0; i < boot->ranges; i++)
		frame_release(SPA(boot->ram[i].spa), boot->ram[i].bytes);
	for (i = 0; i < boot->chunks; i++)
		frame_take(SPA(boot->chunk[i]), PAGE_2M);
	return 0;
}

/* What is left: memory of the CPUs first, all else to the pool. */
static s64 init_pool(struct mk_boot *boot)
{
	struct pool *pool = &space_root()->pool;
	spa_t at, end;

	if (boot->free_chunk == boot->chunks)
		return -ENOMEM;
	at = SPA(boot->chunk[boot->free_chunk]);
	end = SPA(at.v + PAGE_2M);
	at = cpu_reserve(at, boot->cpus);
	if (at.v > end.v)
		return -ENOMEM;
	for (;;) {
		for (; at.v < end.v; at.v += PAGE_4K)
			pool_add(pool, at);
		if (++boot->free_chunk == boot->chunks)
			return 0;
		at = SPA(boot->chunk[boot->free_chunk]);
		end = SPA(at.v + PAGE_2M);
	}
}

/* RAM in the largest pages that leave the hypervisor's chunks out. */
static s64 map_root(const struct mk_boot *boot)
{
	struct ptab *npt = &space_root()->npt;
	u64 i, mapped = 0;
	s64 rc = 0;

	npt->root = pool_alloc(&space_root()->pool);
	if (npt->root.v == SPA_NONE.v)
		return -ENOMEM;
	for (i = 0; i < boot->ranges && !rc; i++) {
		u64 start = align_down(boot->ram[i].spa, PAGE_2M);
		u64 end = align_up(boot->ram[i].spa + boot->ram[i].bytes, PAGE_2M);

		if (start < mapped)
			start = mapped;
		if (start < end)
			rc = space_map_ram(SPA(start), end - start);
		mapped = end;
	}
	for (i = 0; i < boot->chunks && !rc; i++)
		rc = space_hide_chunk(SPA(boot->chunk[i]));
	return rc;
}

static s64 init_all(struct mk_boot *boot)
{
	u32 asids;
	s64 rc;

	hw_kernel_tables = SPA(boot->page_table);
	hw_image = boot->chunk[0];
	hw_stop_tramp = boot->stop_tramp;
	if (boot->flags & MK_BOOT_DEBUGCON)
		log_to_debugcon();
	exception_init();
	backend_init();
	space_init(cpu_features(&asids) & CPU_1G);
	rc = init_frames(boot) ?: init_pool(boot) ?: map_root(boot) ?: user_init(boot);
	if (!rc)
		log_line("microkernel: %u KiB, %u ranges of RAM", boot->chunks * (PAGE_2M / 1024),
			 boot->ranges);
	return rc;
}

static s64 init(struct mk_boot *boot)
{
	u64 gs = hw_rdmsr(MSR_GS_BASE);
	s64 rc;

	hw_wrmsr(MSR_GS_BASE, (u64)&nobody);
	rc = init_all(boot);
	hw_wrmsr(MSR_GS_BASE, gs);
	return rc;
}

static s64 prepare(u64 n, const struct mk_launch *launch, struct cpu **cpu)
{
	s64 rc = n < MV_MAX_PPS ? cpu_init(n, cpu) : -EINVAL;

	return rc ? rc : vs_create_root(*cpu, launch);
}

static s64 enter(u64 n, const struct mk_launch *launch)
{
	u64 gs = hw_rdmsr(MSR_GS_BASE);
	struct cpu *cpu;
	s64 rc;

	hw_wrmsr(MSR_GS_BASE, (u64)&nobody);
	spin_lock(&enter_lock);
	rc = prepare(n, launch, &cpu);
	spin_unlock(&enter_lock);
	hw_wrmsr(MSR_GS_BASE, gs);
	if (rc)
		return rc;
	backend_save_root(cpu->root_vs);
	cpu_take(cpu);
	log_line("CPU %u is in the root VM, features 0x%x, %u ASIDs", n, cpu->features,
		 (u64)cpu->asids);
	cpu_enter_user(cpu, MK_START_LAUNCH);
}
