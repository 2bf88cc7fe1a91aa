// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KVM_GET_SREGS2 and KVM_SET_SREGS2: as the older calls, with the four PDPTEs of PAE paging
 * instead of the interrupts.
 *
 * With nested paging a CPU of AMD's reads PDPTEs from memory when it needs them (APM vol. 2,
 * 15.25.10), so that those of the user change nothing; KVM tells them until the vCPU runs.
 */
#include "slots.h"
#include <asm/processor-flags.h>
#include <shim.h>

#define EFER_LMA (1ULL << 10)
#define PDPTE_PRESENT 0x1ULL
#define PDPTE_RESERVED 0x1C6ULL
#define PDPTE_ACCESSED 0x20ULL /* reserved, too; but QEMU's emulated CPU sets it */
#define PAE_CR3_MASK 0xFFFFFFE0ULL

/* Both structures begin alike. */
#define COMMON offsetof(struct kvm_sregs2, flags)

MV_ABI_ASSERT(COMMON == offsetof(struct kvm_sregs, interrupt_bitmap));
MV_ABI_ASSERT(offsetof(struct kvm_sregs2, apic_base) == offsetof(struct kvm_sregs, apic_base));

static bool has_pdptrs(const struct kvm_sregs2 *sregs2)
{
	return sregs2->cr0 & X86_CR0_PG && sregs2->cr4 & X86_CR4_PAE && !(sregs2->efer & EFER_LMA);
}

/* Where the user has what the guest has at gpa; 0: not in one slot. */
static uint64_t hva_of(struct shim_vm *vm, uint64_t gpa)
{
	const struct slot *slot;
	uint64_t hva = 0;

	platform_vm_lock(vm->os);
	slot = slots_find_gpa(&vm->slots, gpa);
	if (slot)
		hva = slot->hva + (gpa - slot->gpa);
	platform_vm_unlock(vm->os);
	return hva;
}

/* Zero when they can't be read, or a CPU would not load them. */
static void pdptrs_read(struct shim_vcpu *vcpu, uint64_t cr3, uint64_t pdptrs[4])
{
	const uint64_t bytes = 4 * sizeof(pdptrs[0]);
	uint64_t hva = hva_of(vcpu->vm, cr3 & PAE_CR3_MASK);
	size_t i;

	if (!hva || platform_user_read(pdptrs, hva, bytes))
		memset(pdptrs, 0, bytes);
	for (i = 0; i < 4; i++) {
		pdptrs[i] &= ~PDPTE_ACCESSED;
		if (pdptrs[i] & PDPTE_PRESENT && pdptrs[i] & PDPTE_RESERVED) {
			memset(pdptrs, 0, bytes);
			return;
		}
	}
}

int shim_vcpu_get_sregs2(struct shim_vcpu *vcpu, struct kvm_sregs2 *sregs2)
{
	struct kvm_sregs sregs;
	int ret = shim_vcpu_get_sregs(vcpu, &sregs);

	memset(sregs2, 0, sizeof(*sregs2));
	if (ret)
		return ret;
	memcpy(sregs2, &sregs, COMMON);
	if (!has_pdptrs(sregs2))
		return 0;
	sregs2->flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	if (vcpu->has_pdptrs)
		memcpy(sregs2->pdptrs, vcpu->pdptrs, sizeof(vcpu->pdptrs));
	else
		pdptrs_read(vcpu, sregs2->cr3, (uint64_t *)sregs2->pdptrs);
	return 0;
}

int shim_vcpu_set_sregs2(struct shim_vcpu *vcpu, const struct kvm_sregs2 *sregs2)
{
	const bool valid = sregs2->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
	struct kvm_sregs sregs = { .cr0 = 0 };
	int ret;

	if (sregs2->flags & ~(uint64_t)KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return -EINVAL;
	if (valid && !has_pdptrs(sregs2))
		return -EINVAL;
	memcpy(&sregs, sregs2, COMMON);
	ret = shim_vcpu_set_sregs(vcpu, &sregs);
	if (ret)
		return ret;
	vcpu->has_pdptrs = valid;
	memcpy(vcpu->pdptrs, sregs2->pdptrs, sizeof(vcpu->pdptrs));
	return 0;
}
