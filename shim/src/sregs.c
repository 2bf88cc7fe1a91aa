// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KVM_GET_SREGS and KVM_SET_SREGS: struct kvm_sregs to and from a list of registers, and
 * the checks that Linux 6.1 makes before it takes one.
 */
#include "hypercall.h"
#include "sregs.h"
#include <asm/processor-flags.h>
#include <shim.h>

#define MSR_APIC_BASE 0x1BU
#define MSR_EFER 0xC0000080U

#define EFER_LME (1ULL << 8)
#define EFER_LMA (1ULL << 10)
#define APIC_BASE_RESET 0xFEE00800ULL /* at its usual place, enabled */
#define APIC_BASE_BSP (1ULL << 8)
#define APIC_BASE_X2APIC (1ULL << 10)
#define APIC_BASE_RESERVED 0x2FFULL
#define CR8_MAX 15U
/* Physical address bits of a vCPU whose CPUID was not set (cpuid_query_maxphyaddr()). */
#define PHYS_BITS_DEFAULT 36U

/* Segment attributes of the ABI; see MV_REGS. */
#define ATTRIB_TYPE 0xFU
#define ATTRIB_S_SHIFT 4
#define ATTRIB_DPL_SHIFT 5
#define ATTRIB_P_SHIFT 7
#define ATTRIB_AVL_SHIFT 12
#define ATTRIB_L_SHIFT 13
#define ATTRIB_DB_SHIFT 14
#define ATTRIB_G_SHIFT 15

#define TYPE_ACCESSED 0x1U
#define TYPE_BUSY 0x2U

struct seg_map {
	uint32_t offset; /* in struct kvm_sregs */
	uint32_t reg; /* mv_reg_t of the selector; attrib, limit and base follow it */
	uint8_t type_or; /* what KVM on AMD always shows in the type */
};

static const struct seg_map segs[] = {
	{ offsetof(struct kvm_sregs, cs), mv_reg_t_cs_selector, 0 },
	{ offsetof(struct kvm_sregs, ds), mv_reg_t_ds_selector, TYPE_ACCESSED },
	{ offsetof(struct kvm_sregs, es), mv_reg_t_es_selector, TYPE_ACCESSED },
	{ offsetof(struct kvm_sregs, fs), mv_reg_t_fs_selector, TYPE_ACCESSED },
	{ offsetof(struct kvm_sregs, gs), mv_reg_t_gs_selector, TYPE_ACCESSED },
	{ offsetof(struct kvm_sregs, ss), mv_reg_t_ss_selector, 0 },
	{ offsetof(struct kvm_sregs, tr), mv_reg_t_tr_selector, TYPE_BUSY },
	{ offsetof(struct kvm_sregs, ldt), mv_reg_t_ldtr_selector, 0 },
};

enum { SEL, ATTRIB, LIMIT, BASE, SEG_REGS };

#define NUM_SEGS (sizeof(segs) / sizeof(segs[0]))

/* The list: the segments, then these. */
enum {
	AT_GDTR_BASE = NUM_SEGS * SEG_REGS,
	AT_GDTR_LIMIT,
	AT_IDTR_BASE,
	AT_IDTR_LIMIT,
	AT_CR0,
	AT_CR2,
	AT_CR3,
	AT_CR4,
	AT_CR8,
	NUM_SREGS
};

enum { AT_EFER, AT_APIC_BASE, NUM_MSRS };

static void list_init(struct mv_rdl_entry_t *list)
{
	static const uint32_t others[] = {
		[AT_GDTR_BASE - AT_GDTR_BASE] = mv_reg_t_gdtr_base,
		[AT_GDTR_LIMIT - AT_GDTR_BASE] = mv_reg_t_gdtr_limit,
		[AT_IDTR_BASE - AT_GDTR_BASE] = mv_reg_t_idtr_base,
		[AT_IDTR_LIMIT - AT_GDTR_BASE] = mv_reg_t_idtr_limit,
		[AT_CR0 - AT_GDTR_BASE] = mv_reg_t_cr0,
		[AT_CR2 - AT_GDTR_BASE] = mv_reg_t_cr2,
		[AT_CR3 - AT_GDTR_BASE] = mv_reg_t_cr3,
		[AT_CR4 - AT_GDTR_BASE] = mv_reg_t_cr4,
		[AT_CR8 - AT_GDTR_BASE] = mv_reg_t_cr8,
	};
	size_t i;

	for (i = 0; i < AT_GDTR_BASE; i++)
		list[i].reg = segs[i / SEG_REGS].reg + i % SEG_REGS;
	for (; i < NUM_SREGS; i++)
		list[i].reg = others[i - AT_GDTR_BASE];
}

static uint64_t attrib_of(const struct kvm_segment *seg)
{
	/* KVM's fields are whole bytes, of which it takes the low bits. */
	return (uint64_t)(seg->type & ATTRIB_TYPE) | (uint64_t)(seg->s & 1) << ATTRIB_S_SHIFT |
	       (uint64_t)(seg->dpl & 3) << ATTRIB_DPL_SHIFT |
	       (uint64_t)(seg->present & !seg->unusable & 1) << ATTRIB_P_SHIFT |
	       (uint64_t)(seg->avl & 1) << ATTRIB_AVL_SHIFT |
	       (uint64_t)(seg->l & 1) << ATTRIB_L_SHIFT |
	       (uint64_t)(seg->db & 1) << ATTRIB_DB_SHIFT |
	       (uint64_t)(seg->g & 1) << ATTRIB_G_SHIFT;
}

/* As svm_get_segment(), with its corrections. */
static void seg_get(const struct seg_map *map, const struct mv_rdl_entry_t *list,
		    struct kvm_segment *seg)
{
	const uint64_t attrib = list[ATTRIB].val;

	*seg = (struct kvm_segment){
		.base = list[BASE].val,
		.limit = (uint32_t)list[LIMIT].val,
		.selector = (uint16_t)list[SEL].val,
		.type = attrib & ATTRIB_TYPE,
		.present = attrib >> ATTRIB_P_SHIFT & 1,
		.dpl = attrib >> ATTRIB_DPL_SHIFT & 3,
		.db = attrib >> ATTRIB_DB_SHIFT & 1,
		.s = attrib >> ATTRIB_S_SHIFT & 1,
		.l = attrib >> ATTRIB_L_SHIFT & 1,
		.g = (uint32_t)list[LIMIT].val > 0xFFFFF,
		.avl = attrib >> ATTRIB_AVL_SHIFT & 1,
	};
	seg->unusable = !seg->present;
	if (map->type_or == TYPE_BUSY || !seg->unusable)
		seg->type |= map->type_or;
	if (map->reg == mv_reg_t_ss_selector && seg->unusable)
		seg->db = 0;
}

static void seg_set(const struct kvm_segment *seg, struct mv_rdl_entry_t *list)
{
	list[SEL].val = seg->selector;
	list[ATTRIB].val = attrib_of(seg);
	list[LIMIT].val = seg->limit;
	list[BASE].val = seg->base;
}

static void sregs_from_list(struct kvm_sregs *sregs, const struct mv_rdl_entry_t *list)
{
	size_t i;

	for (i = 0; i < NUM_SEGS; i++)
		seg_get(&segs[i], &list[i * SEG_REGS],
			(struct kvm_segment *)((char *)sregs + segs[i].offset));
	sregs->gdt.base = list[AT_GDTR_BASE].val;
	sregs->gdt.limit = (uint16_t)list[AT_GDTR_LIMIT].val;
	sregs->idt.base = list[AT_IDTR_BASE].val;
	sregs->idt.limit = (uint16_t)list[AT_IDTR_LIMIT].val;
	sregs->cr0 = list[AT_CR0].val;
	sregs->cr2 = list[AT_CR2].val;
	sregs->cr3 = list[AT_CR3].val;
	sregs->cr4 = list[AT_CR4].val;
	sregs->cr8 = list[AT_CR8].val;
}

static void sregs_to_list(const struct kvm_sregs *sregs, struct mv_rdl_entry_t *list)
{
	size_t i;

	for (i = 0; i < NUM_SEGS; i++)
		seg_set((const struct kvm_segment *)((const char *)sregs + segs[i].offset),
			&list[i * SEG_REGS]);
	list[AT_GDTR_BASE].val = sregs->gdt.base;
	list[AT_GDTR_LIMIT].val = sregs->gdt.limit;
	list[AT_IDTR_BASE].val = sregs->idt.base;
	list[AT_IDTR_LIMIT].val = sregs->idt.limit;
	list[AT_CR0].val = sregs->cr0;
	list[AT_CR2].val = sregs->cr2;
	list[AT_CR3].val = sregs->cr3;
	list[AT_CR4].val = sregs->cr4;
	list[AT_CR8].val = sregs->cr8;
}

/* A vCPU of KVM on AMD starts with types of its own; for the guest they mean the same. */
mv_status_t sregs_reset(struct shim_vcpu *vcpu)
{
	struct mv_rdl_entry_t list[] = {
		{ mv_reg_t_cs_attrib, 0x9A }, /* code, readable, not accessed */
		{ mv_reg_t_ss_attrib, 0x92 }, /* data, writable, not accessed */
		{ mv_reg_t_tr_attrib, 0x83 }, /* busy 16-bit TSS */
	};
	mv_status_t status;

	vcpu->apic_base =
		APIC_BASE_RESET | (vcpu->id == vcpu->vm->caps.boot_cpu_id ? APIC_BASE_BSP : 0);
	status = hypercall_rdl(MV_VS_OP_REG_SET_LIST_IDX_VAL, vcpu->vsid, list,
			       sizeof(list) / sizeof(list[0]));
	if (status != MV_STATUS_SUCCESS)
		return status;
	return hypercall_msr_set(vcpu->vsid, MSR_APIC_BASE, vcpu->apic_base);
}

static mv_status_t msrs_get(const struct shim_vcpu *vcpu, struct mv_rdl_entry_t *msrs)
{
	msrs[AT_EFER].reg = MSR_EFER;
	msrs[AT_APIC_BASE].reg = MSR_APIC_BASE;
	return hypercall_rdl(MV_VS_OP_MSR_GET_LIST_IDX_VAL, vcpu->vsid, msrs, NUM_MSRS);
}

int shim_vcpu_get_sregs(struct shim_vcpu *vcpu, struct kvm_sregs *sregs)
{
	struct mv_rdl_entry_t list[NUM_SREGS] = { { 0 } }, msrs[NUM_MSRS] = { { 0 } };
	struct vcpu_events events = { 0 };
	mv_status_t status;

	list_init(list);
	status = hypercall_rdl(MV_VS_OP_REG_GET_LIST_IDX_VAL, vcpu->vsid, list, NUM_SREGS);
	if (status == MV_STATUS_SUCCESS)
		status = msrs_get(vcpu, msrs);
	if (status == MV_STATUS_SUCCESS)
		status = hypercall_events_get(vcpu->vsid, &events);
	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);

	memset(sregs, 0, sizeof(*sregs));
	sregs_from_list(sregs, list);
	sregs->efer = msrs[AT_EFER].val;
	sregs->apic_base = msrs[AT_APIC_BASE].val;
	if (events.interrupt)
		sregs->interrupt_bitmap[events.interrupt_vector / 64] |=
			1ULL << events.interrupt_vector % 64;
	return 0;
}

/* The bits of CR4 that this CPU has, as in __cr4_reserved_bits(). */
static uint64_t cr4_allowed(void)
{
	uint64_t cr4 = X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE |
		       X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR |
		       X86_CR4_OSXMMEXCPT;
	uint32_t leaf1[4], leaf7[4];

	platform_cpuid(1, 0, leaf1);
	platform_cpuid(7, 0, leaf7);
	cr4 |= leaf1[2] & (1U << 17) ? X86_CR4_PCIDE : 0;
	cr4 |= leaf1[2] & (1U << 26) ? X86_CR4_OSXSAVE : 0;
	cr4 |= leaf7[1] & (1U << 0) ? X86_CR4_FSGSBASE : 0;
	cr4 |= leaf7[1] & (1U << 7) ? X86_CR4_SMEP : 0;
	cr4 |= leaf7[1] & (1U << 20) ? X86_CR4_SMAP : 0;
	cr4 |= leaf7[2] & (1U << 2) ? X86_CR4_UMIP : 0;
	cr4 |= leaf7[2] & (1U << 3) ? X86_CR4_PKE : 0;
	return cr4;
}

static bool cr0_valid(uint64_t cr0)
{
	if (cr0 >> 32)
		return false;
	if (cr0 & X86_CR0_NW && !(cr0 & X86_CR0_CD))
		return false;
	return !(cr0 & X86_CR0_PG) || cr0 & X86_CR0_PE;
}

/* No bits beyond the physical addresses that the vCPU has. */
static bool phys_valid(const struct shim_vcpu *vcpu, uint64_t gpa)
{
	uint32_t bits = vcpu->phys_bits ? vcpu->phys_bits : PHYS_BITS_DEFAULT;

	return bits >= 64 || !(gpa >> bits);
}

/* EFER and CS as the CPU mode of CR0 and CR4 demands. */
static bool mode_valid(const struct shim_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	if (sregs->efer & EFER_LME && sregs->cr0 & X86_CR0_PG)
		return sregs->cr4 & X86_CR4_PAE && sregs->efer & EFER_LMA &&
		       phys_valid(vcpu, sregs->cr3);
	return !(sregs->efer & EFER_LMA) && !sregs->cs.l;
}

/* x2APIC mode is reserved for a vCPU whose CPUID doesn't have it. */
static bool apic_base_valid(const struct shim_vcpu *vcpu, uint64_t base)
{
	return !(base & (APIC_BASE_RESERVED | APIC_BASE_X2APIC)) && phys_valid(vcpu, base);
}

/* KVM queues the first of interrupt_bitmap; an empty one leaves the queue as it is. */
static mv_status_t interrupt_set(const struct shim_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	size_t i;

	for (i = 0; i < sizeof(sregs->interrupt_bitmap) / sizeof(sregs->interrupt_bitmap[0]); i++) {
		if (sregs->interrupt_bitmap[i])
			return hypercall_queue_interrupt(
				vcpu->vsid, i * 64 + __builtin_ctzll(sregs->interrupt_bitmap[i]),
				MV_INTERRUPT_NOW);
	}
	return MV_STATUS_SUCCESS;
}

/* All or nothing: first the MSRs, which are put back when the registers are refused. */
static mv_status_t sregs_write(const struct shim_vcpu *vcpu, struct mv_rdl_entry_t *list,
			       struct mv_rdl_entry_t *msrs)
{
	struct mv_rdl_entry_t old[NUM_MSRS] = { { 0 } };
	mv_status_t status;

	status = msrs_get(vcpu, old);
	if (status != MV_STATUS_SUCCESS)
		return status;
	status = hypercall_rdl(MV_VS_OP_MSR_SET_LIST_IDX_VAL, vcpu->vsid, msrs, NUM_MSRS);
	if (status != MV_STATUS_SUCCESS)
		return status;
	status = hypercall_rdl(MV_VS_OP_REG_SET_LIST_IDX_VAL, vcpu->vsid, list, NUM_SREGS);
	if (status != MV_STATUS_SUCCESS)
		hypercall_rdl(MV_VS_OP_MSR_SET_LIST_IDX_VAL, vcpu->vsid, old, NUM_MSRS);
	return status;
}

int shim_vcpu_set_sregs(struct shim_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	struct mv_rdl_entry_t list[NUM_SREGS];
	struct mv_rdl_entry_t msrs[NUM_MSRS] = {
		[AT_EFER] = { MSR_EFER, sregs->efer },
		[AT_APIC_BASE] = { MSR_APIC_BASE, sregs->apic_base },
	};
	mv_status_t status;

	if (!mode_valid(vcpu, sregs) || !cr0_valid(sregs->cr0) || sregs->cr4 & ~cr4_allowed() ||
	    !apic_base_valid(vcpu, sregs->apic_base))
		return -EINVAL;

	list_init(list);
	sregs_to_list(sregs, list);
	/* KVM ignores a CR8 with reserved bits, and so the old value stays. */
	if (sregs->cr8 > CR8_MAX)
		list[AT_CR8].val = vcpu->cr8;
	status = sregs_write(vcpu, list, msrs);
	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);
	vcpu->cr8 = list[AT_CR8].val;
	vcpu->apic_base = sregs->apic_base;
	return hypercall_errno(interrupt_set(vcpu, sregs));
}
