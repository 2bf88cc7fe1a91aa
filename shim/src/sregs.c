// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KVM_GET_SREGS and KVM_SET_SREGS: struct kvm_sregs to and from the hypervisor's, and the
 * checks that Linux 6.1 makes before it takes one.
 */
#include "hypercall.h"
#include "sregs.h"
#include <asm/processor-flags.h>
#include <shim.h>

#define MSR_APIC_BASE 0x1BU

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
	uint16_t offset; /* in struct kvm_sregs */
	uint16_t from; /* in struct mv_sregs_t */
	uint8_t type_or; /* what KVM on AMD always shows in the type */
};

#define SEG(kvm, mv, type_or)                                                                      \
	{                                                                                          \
		offsetof(struct kvm_sregs, kvm), offsetof(struct mv_sregs_t, mv), type_or          \
	}
static const struct seg_map segs[] = {
	SEG(cs, cs, 0),
	SEG(ds, ds, TYPE_ACCESSED),
	SEG(es, es, TYPE_ACCESSED),
	SEG(fs, fs, TYPE_ACCESSED),
	SEG(gs, gs, TYPE_ACCESSED),
	SEG(ss, ss, 0),
	SEG(tr, tr, TYPE_BUSY),
	SEG(ldt, ldtr, 0),
};

#define NUM_SEGS (sizeof(segs) / sizeof(segs[0]))

static uint16_t attrib_of(const struct kvm_segment *seg)
{
	/* KVM's fields are whole bytes, of which it takes the low bits. */
	return (uint16_t)((seg->type & ATTRIB_TYPE) | (seg->s & 1U) << ATTRIB_S_SHIFT |
			  (seg->dpl & 3U) << ATTRIB_DPL_SHIFT |
			  (seg->unusable ? 0 : seg->present & 1U) << ATTRIB_P_SHIFT |
			  (seg->avl & 1U) << ATTRIB_AVL_SHIFT | (seg->l & 1U) << ATTRIB_L_SHIFT |
			  (seg->db & 1U) << ATTRIB_DB_SHIFT | (seg->g & 1U) << ATTRIB_G_SHIFT);
}

/* As svm_get_segment(), with its corrections. */
static void seg_get(const struct seg_map *map, const struct mv_segment_t *from,
		    struct kvm_segment *seg)
{
	const uint32_t attrib = from->attrib;

	*seg = (struct kvm_segment){
		.base = from->base,
		.limit = from->limit,
		.selector = from->selector,
		.type = attrib & ATTRIB_TYPE,
		.present = attrib >> ATTRIB_P_SHIFT & 1,
		.dpl = attrib >> ATTRIB_DPL_SHIFT & 3,
		.db = attrib >> ATTRIB_DB_SHIFT & 1,
		.s = attrib >> ATTRIB_S_SHIFT & 1,
		.l = attrib >> ATTRIB_L_SHIFT & 1,
		.g = from->limit > 0xFFFFF,
		.avl = attrib >> ATTRIB_AVL_SHIFT & 1,
	};
	seg->unusable = !seg->present;
	if (map->type_or == TYPE_BUSY || !seg->unusable)
		seg->type |= map->type_or;
	if (map->from == offsetof(struct mv_sregs_t, ss) && seg->unusable)
		seg->db = 0;
}

static struct mv_segment_t seg_set(const struct kvm_segment *seg)
{
	return (struct mv_segment_t){
		.selector = seg->selector,
		.attrib = attrib_of(seg),
		.limit = seg->limit,
		.base = seg->base,
	};
}

static void sregs_from(struct kvm_sregs *sregs, const struct mv_sregs_t *from)
{
	const struct seg_map *map;

	for (map = segs; map < segs + NUM_SEGS; map++)
		seg_get(map, (const struct mv_segment_t *)((const char *)from + map->from),
			(struct kvm_segment *)((char *)sregs + map->offset));
	sregs->gdt = (struct kvm_dtable){ .base = from->gdtr.base, .limit = (uint16_t)from->gdtr.limit };
	sregs->idt = (struct kvm_dtable){ .base = from->idtr.base, .limit = (uint16_t)from->idtr.limit };
	sregs->cr0 = from->cr0;
	sregs->cr2 = from->cr2;
	sregs->cr3 = from->cr3;
	sregs->cr4 = from->cr4;
	sregs->cr8 = from->cr8;
	sregs->efer = from->efer;
	sregs->apic_base = from->apic_base;
}

static void sregs_to(const struct kvm_sregs *sregs, struct mv_sregs_t *to)
{
	const struct seg_map *map;

	for (map = segs; map < segs + NUM_SEGS; map++)
		*(struct mv_segment_t *)((char *)to + map->from) =
			seg_set((const struct kvm_segment *)((const char *)sregs + map->offset));
	to->gdtr = (struct mv_segment_t){ .limit = sregs->gdt.limit, .base = sregs->gdt.base };
	to->idtr = (struct mv_segment_t){ .limit = sregs->idt.limit, .base = sregs->idt.base };
	to->cr0 = sregs->cr0;
	to->cr2 = sregs->cr2;
	to->cr3 = sregs->cr3;
	to->cr4 = sregs->cr4;
	to->cr8 = sregs->cr8;
	to->efer = sregs->efer;
	to->apic_base = sregs->apic_base;
	to->interrupt = to->interrupt_vector = 0;
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

int shim_vcpu_get_sregs(struct shim_vcpu *vcpu, struct kvm_sregs *sregs)
{
	struct mv_sregs_t from PLATFORM_FILLED;
	mv_status_t status = hypercall_sregs_get(vcpu->vsid, &from);

	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);
	sregs_from(sregs, &from);
	memset(sregs->interrupt_bitmap, 0, sizeof(sregs->interrupt_bitmap));
	if (from.interrupt)
		sregs->interrupt_bitmap[from.interrupt_vector / 64] |=
			1ULL << from.interrupt_vector % 64;
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

int shim_vcpu_set_sregs(struct shim_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	struct mv_sregs_t to PLATFORM_FILLED;
	mv_status_t status;

	if (!mode_valid(vcpu, sregs) || !cr0_valid(sregs->cr0) || sregs->cr4 & ~cr4_allowed() ||
	    !apic_base_valid(vcpu, sregs->apic_base))
		return -EINVAL;

	sregs_to(sregs, &to);
	/* KVM ignores a CR8 with reserved bits, and so the old value stays. */
	if (sregs->cr8 > CR8_MAX)
		to.cr8 = vcpu->cr8;
	status = hypercall_sregs_set(vcpu->vsid, &to);
	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);
	vcpu->cr8 = to.cr8;
	vcpu->apic_base = sregs->apic_base;
	return hypercall_errno(interrupt_set(vcpu, sregs));
}
