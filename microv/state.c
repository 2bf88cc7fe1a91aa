// SPDX-License-Identifier: MIT
/* The state page of a VS, see state.h. */
#include "state.h"
#include "msr.h"

__attribute__((noinline)) void state_fetch_missing(unsigned int vsid, uint32_t groups)
{
	/* The CPU that ran it last may not have left it quite; it does without our help. */
	while (mk_vs_fetch(vsid, groups) == -MK_EBUSY)
		__builtin_ia32_pause();
}

#define ATTR_CODE 0x009B
#define ATTR_DATA 0x0093
#define ATTR_LDT 0x0082
#define ATTR_TSS 0x008B

static void reset_segments(struct mk_state *st)
{
	for (int i = 0; i < MK_SEGS; i++)
		st->seg[i] = (struct mk_seg){ .attrib = ATTR_DATA, .limit = 0xFFFF };
	st->seg[MK_CS] = (struct mk_seg){
		.selector = 0xF000, .attrib = ATTR_CODE, .limit = 0xFFFF, .base = 0xFFFF0000,
	};
	st->seg[MK_LDTR].attrib = ATTR_LDT;
	st->seg[MK_TR].attrib = ATTR_TSS;
	st->gdtr = (struct mk_seg){ .limit = 0xFFFF };
	st->idtr = (struct mk_seg){ .limit = 0xFFFF };
}

void state_reset(struct mk_state *st, int bsp)
{
	struct vs_data *data = state_data(st);

	memset(st, 0, sizeof(*st));
	reset_segments(st);
	st->gpr[MK_RDX] = 0x600; /* family 6, as KVM gives it without a CPUID */
	st->rip = 0xFFF0;
	st->rflags = RFLAGS_FIXED;
	st->cr0 = CR0_CD | CR0_NW | CR0_ET;
	st->dr6 = 0xFFFF0FF0;
	st->dr7 = 0x400;
	st->pat = 0x0007040600070406;
	st->xcr0 = 1;
	st->tsc_offset = -rdtsc();
	st->dirty = MK_G_ALL;
	data->data_walk.gla = data->code_walk.gla = WALK_NOWHERE;
	data->stats.born = rdtsc();
	data->msrs.mcg_cap = MCE_BANKS;
	data->msrs.misc_enable = MISC_ENABLE_RESET;
	data->msrs.ucode_rev = UCODE_REV_RESET;
	data->msrs.platform_info = CPUID_FAULT;
	data->msrs.apic_base = APIC_BASE_RESET | (bsp ? APIC_BASE_BSP : 0);
}

void state_init(unsigned int vsid, struct mk_state *st)
{
	uint64_t cr0, pat, tsc_aux, xcr0, tsc_offset;
	struct vs_msrs msrs;
	struct vs_time time;
	struct vs_stats stats;
	uint64_t entries;
	uint16_t cpuid_count;
	uint8_t mp;

	state_fetch(vsid, st, MK_G_CR | MK_G_MSR | MK_G_XCR | MK_G_TSC);
	cr0 = st->cr0;
	pat = st->pat;
	tsc_aux = st->tsc_aux;
	xcr0 = st->xcr0;
	tsc_offset = st->tsc_offset;
	msrs = state_data(st)->msrs;
	time = state_data(st)->time;
	time.kvmclock = 0;
	stats = state_data(st)->stats;
	entries = st->entries;
	cpuid_count = state_data(st)->cpuid_count;
	mp = state_data(st)->mp;

	state_reset(st, 0);
	st->cr0 = CR0_ET | (cr0 & (CR0_CD | CR0_NW));
	st->pat = pat;
	st->tsc_aux = tsc_aux;
	st->xcr0 = xcr0;
	st->tsc_offset = tsc_offset;
	state_data(st)->msrs = msrs;
	state_data(st)->time = time;
	state_data(st)->stats = stats;
	st->entries = entries;
	state_data(st)->cpuid_count = cpuid_count;
	state_data(st)->mp = mp;
}
