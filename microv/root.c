// SPDX-License-Identifier: MIT
/*
 * Exits of the root VM. There are few: hypercalls, instructions of the virtualization
 * extension, the MSRs that belong to it and those that are the hypervisor's as well.
 */
#include "exit.h"
#include "hypercall.h"
#include "log.h"
#include "msr.h"
#include "state.h"
#include "stats.h"

static void skip(struct mk_state *st)
{
	st->rip += st->exit.len ? st->exit.len : 2; /* RDMSR, WRMSR, INVD: two bytes */
}

/* Root's VM_CR says: SVM is disabled, and locked so. */
#define VM_CR_SVMDIS_LOCK 0x18ULL

static int root_rdmsr(unsigned int vsid, struct mk_state *st, uint32_t index, uint64_t *value)
{
	switch (index) {
	case MSR_EFER:
		state_fetch(vsid, st, MK_G_CR);
		*value = st->efer & ~EFER_SVME;
		return 0;
	case MSR_VM_CR:
		*value = VM_CR_SVMDIS_LOCK;
		return 0;
	case MSR_VM_HSAVE_PA:
		*value = 0;
		return 0;
	}
	return -1;
}

/*
 * Root may switch what the CPU has, but neither SVME nor, here, what long mode hangs on. All others
 * that come here are SVM's, or are for reading only (root_fixed of the microkernel's).
 */
static int root_wrmsr(unsigned int vsid, struct mk_state *st, uint32_t index, uint64_t value)
{
	/* Linux clears it on each CPU before it reboots, whether SVM was on or not. */
	if (index == MSR_VM_HSAVE_PA && !value)
		return 0;
	if (index != MSR_EFER)
		return -1;
	state_fetch(vsid, st, MK_G_CR);
	if ((value ^ (st->efer & ~EFER_SVME)) & ~(msr_efer_supported() & ~(EFER_LME | EFER_LMA)))
		return -1;
	st->efer = value;
	st->dirty |= MK_G_CR;
	return 0;
}

static void root_msr(unsigned int cpu, struct mk_state *st)
{
	uint64_t value = (uint32_t)st->gpr[MK_RAX] | st->gpr[MK_RDX] << 32;
	uint32_t index = st->gpr[MK_RCX];
	int bad;

	if (st->exit.write) {
		bad = root_wrmsr(MK_ROOT_VS(cpu), st, index, value);
	} else {
		bad = root_rdmsr(MK_ROOT_VS(cpu), st, index, &value);
		if (!bad) {
			st->gpr[MK_RAX] = (uint32_t)value;
			st->gpr[MK_RDX] = value >> 32;
		}
	}
	if (bad)
		exit_inject_gp(st);
	else
		skip(st);
}

static void root_virt(unsigned int cpu, struct mk_state *st)
{
	(void)cpu;
	exit_inject_ud(st);
}

/* All that isn't in memory yet may have got there already: nothing is left to drop. */
static void root_invd(unsigned int cpu, struct mk_state *st)
{
	(void)cpu;
	skip(st);
}

static void root_mem(unsigned int cpu, struct mk_state *st)
{
	LOG_ONCE("root touched memory that isn't its own:", cpu, st->exit.addr, st->exit.mem_flags);
}

static void root_exception(unsigned int cpu, struct mk_state *st)
{
	if (st->exit.event.vector == VEC_PF) {
		state_fetch(MK_ROOT_VS(cpu), st, MK_G_CR);
		st->cr2 = st->exit.addr;
		st->dirty |= MK_G_CR;
	}
	st->inject = st->exit.event;
}

static void root_unknown(unsigned int cpu, struct mk_state *st)
{
	state_fetch(MK_ROOT_VS(cpu), st, MK_G_RAW);
	LOG_ONCE("root's exit is unknown:", cpu, st->exit.reason, st->exit.raw[0], st->exit.raw[1],
		 st->exit.raw[2], st->rip);
}

static void (*const handlers[MK_EXIT_COUNT])(unsigned int cpu, struct mk_state *st) = {
	[MK_EXIT_HYPERCALL] = hypercall,
	[MK_EXIT_MSR] = root_msr,
	[MK_EXIT_VIRT] = root_virt,
	[MK_EXIT_INVD] = root_invd,
	[MK_EXIT_MEM] = root_mem,
	[MK_EXIT_EXCEPTION] = root_exception,
};

void root_exit(unsigned int cpu)
{
	struct mk_state *st = mk_state(MK_ROOT_VS(cpu));
	unsigned int reason = st->exit.reason;

	stats_exit(st, reason);
	if (!st->exit.window)
		cpus[cpu].window = 0; /* closed on the way */
	if (reason < MK_EXIT_COUNT && handlers[reason])
		handlers[reason](cpu, st);
	else
		root_unknown(cpu, st);
	exit_reinject(st);
}
