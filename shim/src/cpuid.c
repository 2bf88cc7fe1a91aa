// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * CPUID: struct kvm_cpuid_entry2 to and from the hypervisor's lists, and the answers that
 * KVM gives to lists that are too short, too long or come too late.
 */
#include "hypercall.h"
#include <shim.h>

#define PHYS_BITS_DEFAULT 36U /* KVM's, of a vCPU without a CPUID */

static void to_kvm(const struct mv_cdl_entry_t *e, struct kvm_cpuid_entry2 *kvm)
{
	*kvm = (struct kvm_cpuid_entry2){
		.function = e->fun,
		.index = e->idx,
		.flags = e->flags,
		.eax = e->eax,
		.ebx = e->ebx,
		.ecx = e->ecx,
		.edx = e->edx,
	};
}

static void from_kvm(const struct kvm_cpuid_entry2 *kvm, struct mv_cdl_entry_t *e)
{
	*e = (struct mv_cdl_entry_t){
		.fun = kvm->function,
		.idx = kvm->index,
		.flags = kvm->flags,
		.eax = kvm->eax,
		.ebx = kvm->ebx,
		.ecx = kvm->ecx,
		.edx = kvm->edx,
	};
}

/* MicroV emulates no feature that the CPU lacks. */
static size_t emulated(struct mv_cdl_entry_t *list)
{
	list[0] = (struct mv_cdl_entry_t){ .fun = 0, .eax = 7 };
	list[1] = (struct mv_cdl_entry_t){ .fun = 1 };
	list[2] = (struct mv_cdl_entry_t){ .fun = 7, .flags = MV_CDL_ENTRY_FLAG_INDEX };
	return 3;
}

int shim_get_cpuid(bool want_emulated, struct kvm_cpuid_entry2 *entries, uint32_t *nent)
{
	struct mv_cdl_entry_t *list;
	mv_status_t status = MV_STATUS_SUCCESS;
	size_t count = 0, i;

	if (!*nent)
		return -E2BIG;
	list = platform_alloc(MV_CDL_VS_MAX * sizeof(*list));
	if (!list)
		return -ENOMEM;
	if (want_emulated)
		count = emulated(list);
	else
		status = hypercall_cdl_get(MV_PP_OP, MV_PP_OP_CPUID_GET_SUPPORTED_LIST_IDX_VAL, 0,
					   list, &count);
	for (i = 0; i < count && i < *nent; i++)
		to_kvm(&list[i], &entries[i]);
	platform_free(list);
	if (status != MV_STATUS_SUCCESS)
		return hypercall_errno(status);
	/* KVM looks for another emulated leaf behind the last one, and wants room for it. */
	if (count + want_emulated > *nent)
		return -E2BIG;
	*nent = count;
	return 0;
}

/* 0 or -errno; the list is to be freed. */
static int list_of(struct shim_vcpu *vcpu, struct mv_cdl_entry_t **list, size_t *count)
{
	mv_status_t status;

	*count = 0;
	*list = platform_alloc(MV_CDL_VS_MAX * sizeof(**list));
	if (!*list)
		return -ENOMEM;
	status = hypercall_cdl_get(MV_VS_OP, MV_VS_OP_CPUID_GET_LIST_IDX_VAL, vcpu->vsid, *list,
				   count);
	if (status == MV_STATUS_SUCCESS)
		return 0;
	platform_free(*list);
	return hypercall_errno(status);
}

int shim_vcpu_get_cpuid2(struct shim_vcpu *vcpu, struct kvm_cpuid_entry2 *entries, uint32_t nent,
			 uint32_t *count)
{
	struct mv_cdl_entry_t *list;
	size_t found, i;
	int ret = list_of(vcpu, &list, &found);

	if (ret)
		return ret;
	*count = found;
	if (nent < found)
		ret = -E2BIG;
	for (i = 0; !ret && i < found; i++)
		to_kvm(&list[i], &entries[i]);
	platform_free(list);
	return ret;
}

static const struct kvm_cpuid_entry2 *leaf(const struct kvm_cpuid_entry2 *entries, uint32_t nent,
					   uint32_t function)
{
	uint32_t i;

	for (i = 0; i < nent; i++) {
		if (entries[i].function == function)
			return &entries[i];
	}
	return NULL;
}

/* Only 48 and 57 bits of linear addresses, or none at all. */
static bool cpuid_valid(const struct kvm_cpuid_entry2 *entries, uint32_t nent)
{
	const struct kvm_cpuid_entry2 *e = leaf(entries, nent, 0x80000008);
	uint32_t bits = e ? (e->eax & 0xFF00) >> 8 : 0;

	return !bits || bits == 48 || bits == 57;
}

static uint32_t phys_bits(const struct kvm_cpuid_entry2 *entries, uint32_t nent)
{
	const struct kvm_cpuid_entry2 *top = leaf(entries, nent, 0x80000000), *e = NULL;

	if (top && top->eax >= 0x80000008)
		e = leaf(entries, nent, 0x80000008);
	return e ? e->eax & 0xFF : PHYS_BITS_DEFAULT;
}

/*
 * Leaves of features: the hypervisor has taken bits out (what isn't supported) and shows
 * others as the vCPU's state is, so that not every bit can be compared.
 */
static bool is_of_features(uint32_t function)
{
	return function == 1 || function == 7 || function == 0xD || function == 0x80000001;
}

static bool same(const struct kvm_cpuid_entry2 *a, const struct mv_cdl_entry_t *b)
{
	const uint32_t ecx = b->fun == 1 ? ~(1U << 27) : b->fun == 7 ? ~(1U << 4) : ~0U;
	const uint32_t edx = b->fun == 1 ? ~(1U << 9) : ~0U;

	if (a->function != b->fun || a->index != b->idx || a->flags != b->flags)
		return false;
	if (!is_of_features(b->fun))
		return a->eax == b->eax && a->ebx == b->ebx && a->ecx == b->ecx && a->edx == b->edx;
	return !(b->eax & ~a->eax) && (b->fun == 0xD || !(b->ebx & ~a->ebx)) &&
	       !(b->ecx & ~a->ecx & ecx) && !(b->edx & ~a->edx & edx);
}

/* A vCPU that has run keeps its CPUID: only the same again is taken. */
static int check_same(struct shim_vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, uint32_t nent)
{
	struct mv_cdl_entry_t *list;
	size_t count, i;
	int ret = list_of(vcpu, &list, &count);

	if (ret)
		return ret;
	if (count != nent)
		ret = -EINVAL;
	for (i = 0; !ret && i < count; i++)
		ret = same(&entries[i], &list[i]) ? 0 : -EINVAL;
	platform_free(list);
	return ret;
}

int shim_vcpu_set_cpuid2(struct shim_vcpu *vcpu, const struct kvm_cpuid_entry2 *entries,
			 uint32_t nent)
{
	struct mv_cdl_entry_t *list;
	mv_status_t status;
	size_t i;

	if (nent > MV_CDL_VS_MAX)
		return -E2BIG;
	if (vcpu->has_run)
		return check_same(vcpu, entries, nent);
	if (!cpuid_valid(entries, nent))
		return -EINVAL;
	list = platform_alloc(MV_CDL_VS_MAX * sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (i = 0; i < nent; i++)
		from_kvm(&entries[i], &list[i]);
	status = hypercall_cdl_set(vcpu->vsid, list, nent);
	platform_free(list);
	if (status == MV_STATUS_SUCCESS)
		vcpu->phys_bits = phys_bits(entries, nent);
	return hypercall_errno(status);
}

/* What XCR0 of a guest may have, with features that user space must ask Linux for first. */
int shim_system_attr(const struct kvm_device_attr *attr, uint64_t *value)
{
	struct mv_cdl_entry_t xsave = { .fun = 0xD, .flags = MV_CDL_ENTRY_FLAG_INDEX };
	mv_status_t status;

	if (attr->group || attr->attr != KVM_X86_XCOMP_GUEST_SUPP)
		return -ENXIO;
	status = hypercall_cpuid_supported(&xsave);
	*value = xsave.eax | (uint64_t)xsave.edx << 32;
	return hypercall_errno(status);
}
