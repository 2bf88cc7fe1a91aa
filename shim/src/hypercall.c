// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The hypercalls: registers, shared page, continuation and status codes. Nothing here knows
 * what KVM is.
 */
#include "hypercall.h"
#include <platform_inline.h>

/* Some 100 s with the waits of platform_retry_wait(): a healthy hypervisor needs a few. */
#define RETRIES_MAX 10000U

uint64_t hypercall_handle = MV_INVALID_HANDLE;

int hypercall_errno(mv_status_t status)
{
	switch (status) {
	case MV_STATUS_SUCCESS:
		return 0;
	case MV_STATUS_FAILURE_NO_MEMORY:
		return -ENOMEM;
	case MV_STATUS_FAILURE_BUSY:
		return -EBUSY;
	case MV_STATUS_FAILURE_UNKNOWN: /* something in a list that the caller gave */
	case MV_STATUS_INVALID_INPUT_REG2:
	case MV_STATUS_INVALID_INPUT_REG3:
		return -EINVAL;
	case MV_STATUS_FAILURE_UNSUPPORTED:
	case MV_STATUS_FAILURE_INVALID_HANDLE:
		return -ENODEV;
	default:
		return -EIO;
	}
}

static mv_status_t call(struct mv_regs *regs, unsigned int op, unsigned int idx)
{
	regs->rax = MV_HYPERCALL(op, idx);
	mv_hypercall(regs);
	return regs->rax;
}

static mv_status_t call1(unsigned int op, unsigned int idx, uint64_t reg1)
{
	struct mv_regs regs = { .reg = { hypercall_handle, reg1 } };

	return call(&regs, op, idx);
}

/* A hypercall that returns an ID in REG0. */
static mv_status_t call_id(unsigned int op, unsigned int idx, uint64_t reg1, uint16_t *id,
			   uint64_t *wanted)
{
	struct mv_regs regs = { .reg = { hypercall_handle, reg1 } };
	mv_status_t status = call(&regs, op, idx);

	if (status == MV_STATUS_SUCCESS)
		*id = (uint16_t)regs.reg[0];
	else if (wanted)
		*wanted = regs.reg[0];
	return status;
}

/*
 * True: make the same hypercall again. The hypervisor waits until each CPU has left the
 * guest or root VM once (only then has no TLB an old translation), so that is what happens
 * here, without any lock or disabled interrupt in its way.
 */
static bool hypercall_retry(mv_status_t status, unsigned int *attempt)
{
	if (status != MV_STATUS_RETRY_CONTINUATION)
		return false;
	if (++*attempt > RETRIES_MAX) {
		platform_log("hypercall not finished after %u attempts", RETRIES_MAX);
		return false;
	}
	platform_ping_cpus();
	platform_retry_wait(*attempt);
	return true;
}

static mv_status_t call1_retry(unsigned int op, unsigned int idx, uint64_t reg1)
{
	unsigned int attempt = 0;
	mv_status_t status;

	do {
		status = call1(op, idx, reg1);
	} while (hypercall_retry(status, &attempt));
	return status;
}

int hypercall_open(void)
{
	struct mv_regs regs = { .rax = 0 };

	if (call(&regs, MV_ID_OP, MV_ID_OP_VERSION_IDX_VAL) != MV_STATUS_SUCCESS ||
	    !(regs.reg[0] & MV_SPEC_ID1_MASK))
		return -ENODEV;

	regs = (struct mv_regs){ .reg = { MV_SPEC_ID1_VAL } };
	if (call(&regs, MV_HANDLE_OP, MV_HANDLE_OP_OPEN_HANDLE_IDX_VAL) != MV_STATUS_SUCCESS)
		return -ENODEV;
	hypercall_handle = regs.reg[0];
	return 0;
}

void hypercall_close(void)
{
	call1(MV_HANDLE_OP, MV_HANDLE_OP_CLOSE_HANDLE_IDX_VAL, 0);
	hypercall_handle = MV_INVALID_HANDLE;
}

void hypercall_version(void)
{
	struct mv_regs regs = { .rax = 0 };

	call(&regs, MV_ID_OP, MV_ID_OP_VERSION_IDX_VAL);
}

mv_status_t hypercall_set_shared_page(uint64_t gpa)
{
	return call1(MV_PP_OP, MV_PP_OP_SET_SHARED_PAGE_GPA_IDX_VAL, gpa);
}

mv_status_t hypercall_clr_shared_page(void)
{
	return call1(MV_PP_OP, MV_PP_OP_CLR_SHARED_PAGE_GPA_IDX_VAL, 0);
}

mv_status_t hypercall_create_vm(uint16_t *vmid)
{
	return call_id(MV_VM_OP, MV_VM_OP_CREATE_VM_IDX_VAL, 0, vmid, NULL);
}

mv_status_t hypercall_destroy_vm(uint16_t vmid)
{
	return call1_retry(MV_VM_OP, MV_VM_OP_DESTROY_VM_IDX_VAL, vmid);
}

static mv_status_t mdl_once(struct mv_regs *regs, unsigned int idx,
			    const struct mv_mdl_entry_t *entries, size_t count)
{
	struct mv_mdl_t *mdl = platform_shared_page_get();
	mv_status_t status;

	if (!mdl)
		return MV_STATUS_FAILURE_UNSUPPORTED;
	memset(mdl, 0, offsetof(struct mv_mdl_t, entries));
	mdl->num_entries = count;
	memcpy(mdl->entries, entries, count * sizeof(*entries));
	status = call(regs, MV_VM_OP, idx);
	platform_shared_page_put();
	return status;
}

mv_status_t hypercall_mdl(unsigned int idx, uint16_t vmid, const struct mv_mdl_entry_t *entries,
			  size_t count, uint64_t *wanted)
{
	unsigned int attempt = 0;
	struct mv_regs regs;
	mv_status_t status;

	do {
		/* REG2 is the VM to map from, and ignored otherwise. */
		regs = (struct mv_regs){ .reg = { hypercall_handle, vmid, MV_ROOT_VMID } };
		status = mdl_once(&regs, idx, entries, count);
	} while (hypercall_retry(status, &attempt));

	*wanted = regs.reg[0];
	return status;
}

mv_status_t hypercall_dirty_log(uint16_t vmid, uint64_t gpa, uint64_t bytes, uint64_t *words,
				uint64_t *wanted)
{
	struct mv_regs regs = { .reg = { hypercall_handle, vmid, gpa, bytes } };
	void *page = platform_shared_page_get();
	mv_status_t status;

	if (!page)
		return MV_STATUS_FAILURE_UNSUPPORTED;
	status = call(&regs, MV_VM_OP, MV_VM_OP_DIRTY_LOG_IDX_VAL);
	if (status == MV_STATUS_SUCCESS)
		memcpy(words, page, MV_PAGE_SIZE);
	platform_shared_page_put();
	*wanted = regs.reg[0];
	return status;
}

mv_status_t hypercall_quiesce(uint16_t vmid)
{
	return call1_retry(MV_VM_OP, MV_VM_OP_QUIESCE_IDX_VAL, vmid);
}

mv_status_t hypercall_create_vp(uint16_t vmid, uint16_t *vpid)
{
	return call_id(MV_VP_OP, MV_VP_OP_CREATE_VP_IDX_VAL, vmid, vpid, NULL);
}

mv_status_t hypercall_destroy_vp(uint16_t vpid)
{
	return call1_retry(MV_VP_OP, MV_VP_OP_DESTROY_VP_IDX_VAL, vpid);
}

mv_status_t hypercall_create_vs(uint16_t vpid, uint16_t *vsid, uint64_t *wanted)
{
	return call_id(MV_VS_OP, MV_VS_OP_CREATE_VS_IDX_VAL, vpid, vsid, wanted);
}

mv_status_t hypercall_destroy_vs(uint16_t vsid)
{
	return call1_retry(MV_VS_OP, MV_VS_OP_DESTROY_VS_IDX_VAL, vsid);
}

mv_status_t hypercall_rdl(unsigned int idx, uint16_t vsid, struct mv_rdl_entry_t *entries,
			  size_t count)
{
	struct mv_regs regs = { .reg = { hypercall_handle, vsid } };
	struct mv_rdl_t *rdl = platform_shared_page_get();
	mv_status_t status;
	size_t i;

	if (!rdl)
		return MV_STATUS_FAILURE_UNSUPPORTED;
	memset(rdl, 0, offsetof(struct mv_rdl_t, entries));
	rdl->num_entries = count;
	memcpy(rdl->entries, entries, count * sizeof(*entries));
	status = call(&regs, MV_VS_OP, idx);
	if (status == MV_STATUS_SUCCESS) {
		for (i = 0; i < count; i++)
			entries[i].val = rdl->entries[i].val;
	}
	platform_shared_page_put();
	return status;
}

/* A part of a list: `before` entries come before it; *left (of a get): how many behind it. */
static mv_status_t cdl_part(unsigned int op, unsigned int idx, uint16_t vsid, uint64_t flags,
			    size_t before, struct mv_cdl_entry_t *entries, size_t *count,
			    size_t *left)
{
	struct mv_regs regs = { .reg = { hypercall_handle, vsid } };
	struct mv_cdl_t *cdl = platform_shared_page_get();
	mv_status_t status;

	if (!cdl)
		return MV_STATUS_FAILURE_UNSUPPORTED;
	memset(cdl, 0, offsetof(struct mv_cdl_t, entries));
	cdl->reg0 = flags;
	cdl->reg1 = before;
	cdl->num_entries = *count;
	memcpy(cdl->entries, entries, *count * sizeof(*entries));
	status = call(&regs, op, idx);
	if (status == MV_STATUS_SUCCESS && cdl->num_entries <= MV_CDL_MAX_ENTRIES &&
	    before + cdl->num_entries <= MV_CDL_VS_MAX) {
		*count = cdl->num_entries;
		*left = cdl->reg1;
		memcpy(entries, cdl->entries, *count * sizeof(*entries));
	}
	platform_shared_page_put();
	return status;
}

mv_status_t hypercall_cpuid_supported(struct mv_cdl_entry_t *entry)
{
	struct mv_regs regs = { .reg = { hypercall_handle } };
	struct mv_cdl_entry_t *page = platform_shared_page_get();
	mv_status_t status;

	if (!page)
		return MV_STATUS_FAILURE_UNSUPPORTED;
	*page = *entry;
	status = call(&regs, MV_PP_OP, MV_PP_OP_CPUID_GET_SUPPORTED_IDX_VAL);
	*entry = *page;
	platform_shared_page_put();
	return status;
}

mv_status_t hypercall_cdl_get(unsigned int op, unsigned int idx, uint16_t vsid,
			      struct mv_cdl_entry_t *entries, size_t *count)
{
	mv_status_t status;
	size_t part, left;

	*count = 0;
	do {
		part = 0;
		left = 0;
		status = cdl_part(op, idx, vsid, MV_CDL_FLAG_ALL, *count, entries + *count, &part,
				  &left);
		*count += part;
	} while (status == MV_STATUS_SUCCESS && part && left);
	return status;
}

mv_status_t hypercall_cdl_set(uint16_t vsid, struct mv_cdl_entry_t *entries, size_t count)
{
	size_t done = 0, part, left;
	mv_status_t status;

	do {
		part = count - done < MV_CDL_MAX_ENTRIES ? count - done : MV_CDL_MAX_ENTRIES;
		status = cdl_part(MV_VS_OP, MV_VS_OP_CPUID_SET_LIST_IDX_VAL, vsid, 0, done,
				  entries + done, &part, &left);
		done += part;
	} while (status == MV_STATUS_SUCCESS && done < count);
	return status;
}

bool hypercall_msr_supported(uint32_t msr)
{
	struct mv_regs regs = { .reg = { hypercall_handle, msr } };

	return call(&regs, MV_PP_OP, MV_PP_OP_MSR_GET_SUPPORTED_IDX_VAL) == MV_STATUS_SUCCESS &&
	       regs.reg[0];
}

mv_status_t hypercall_reg_get(uint16_t vsid, enum mv_reg_t reg, uint64_t *val)
{
	struct mv_regs regs = { .reg = { hypercall_handle, vsid, reg } };
	mv_status_t status = call(&regs, MV_VS_OP, MV_VS_OP_REG_GET_IDX_VAL);

	*val = regs.reg[0];
	return status;
}

mv_status_t hypercall_msr_get(uint16_t vsid, uint32_t msr, uint64_t *val)
{
	struct mv_regs regs = { .reg = { hypercall_handle, vsid, msr } };
	mv_status_t status = call(&regs, MV_VS_OP, MV_VS_OP_MSR_GET_IDX_VAL);

	*val = regs.reg[0];
	return status;
}

mv_status_t hypercall_msr_set(uint16_t vsid, uint32_t msr, uint64_t val)
{
	struct mv_regs regs = { .reg = { hypercall_handle, vsid, msr, val } };

	return call(&regs, MV_VS_OP, MV_VS_OP_MSR_SET_IDX_VAL);
}

mv_status_t hypercall_queue_interrupt(uint16_t vsid, uint8_t vector, uint64_t flags)
{
	struct mv_regs regs = { .reg = { hypercall_handle, vsid, vector, flags } };

	return call(&regs, MV_VS_OP, MV_VS_OP_QUEUE_INTERRUPT_IDX_VAL);
}

mv_status_t hypercall_inject_exception(uint16_t vsid, uint8_t vector, uint32_t error)
{
	struct mv_regs regs = { .reg = { hypercall_handle, vsid, vector, error } };

	return call(&regs, MV_VS_OP, MV_VS_OP_INJECT_EXCEPTION_IDX_VAL);
}

mv_status_t hypercall_gla_to_gpa(uint16_t vsid, uint64_t gla, uint64_t *gpa)
{
	struct mv_regs regs = { .reg = { hypercall_handle, vsid, gla } };
	mv_status_t status = call(&regs, MV_VS_OP, MV_VS_OP_GLA_TO_GPA_IDX_VAL);

	*gpa = regs.reg[0];
	return status;
}

mv_status_t hypercall_queue_nmi(uint16_t vsid)
{
	return call1(MV_VS_OP, MV_VS_OP_QUEUE_NMI_IDX_VAL, vsid);
}

/* State of a VS that comes in the first `bytes` of the shared page, or goes there. */
static mv_status_t page_get(unsigned int idx, uint16_t vsid, void *to, size_t bytes)
{
	void *page = platform_shared_page_get();
	mv_status_t status;

	if (!page)
		return MV_STATUS_FAILURE_UNSUPPORTED;
	status = call1(MV_VS_OP, idx, vsid);
	if (status == MV_STATUS_SUCCESS)
		memcpy(to, page, bytes);
	platform_shared_page_put();
	return status;
}

static mv_status_t page_set(unsigned int idx, uint16_t vsid, const void *from, size_t bytes)
{
	void *page = platform_shared_page_get();
	mv_status_t status;

	if (!page)
		return MV_STATUS_FAILURE_UNSUPPORTED;
	memcpy(page, from, bytes);
	status = call1(MV_VS_OP, idx, vsid);
	platform_shared_page_put();
	return status;
}

#define EVENTS_BYTES offsetof(struct mv_events_t, reserved)

mv_status_t hypercall_events_get(uint16_t vsid, struct vcpu_events *events)
{
	return page_get(MV_VS_OP_EVENTS_GET_IDX_VAL, vsid, events, EVENTS_BYTES);
}

mv_status_t hypercall_events_set(uint16_t vsid, const struct vcpu_events *events)
{
	return page_set(MV_VS_OP_EVENTS_SET_IDX_VAL, vsid, events, EVENTS_BYTES);
}

mv_status_t hypercall_stats_get(uint16_t vsid, uint64_t words[STATS_WORDS])
{
	return page_get(MV_VS_OP_STATS_GET_IDX_VAL, vsid, words, STATS_WORDS * sizeof(words[0]));
}

mv_status_t hypercall_gprs_get(uint16_t vsid, struct mv_gprs_t *gprs)
{
	return page_get(MV_VS_OP_GPRS_GET_IDX_VAL, vsid, gprs, sizeof(*gprs));
}

mv_status_t hypercall_gprs_set(uint16_t vsid, const struct mv_gprs_t *gprs)
{
	return page_set(MV_VS_OP_GPRS_SET_IDX_VAL, vsid, gprs, sizeof(*gprs));
}

mv_status_t hypercall_sregs_get(uint16_t vsid, struct mv_sregs_t *sregs)
{
	return page_get(MV_VS_OP_SREGS_GET_IDX_VAL, vsid, sregs, sizeof(*sregs));
}

mv_status_t hypercall_sregs_set(uint16_t vsid, const struct mv_sregs_t *sregs)
{
	return page_set(MV_VS_OP_SREGS_SET_IDX_VAL, vsid, sregs, sizeof(*sregs));
}

mv_status_t hypercall_fpu_get(unsigned int idx, uint16_t vsid, void *xsave, size_t bytes)
{
	return page_get(idx, vsid, xsave, bytes);
}

mv_status_t hypercall_fpu_set(unsigned int idx, uint16_t vsid, const void *xsave, size_t bytes)
{
	return page_set(idx, vsid, xsave, bytes);
}

mv_status_t hypercall_tsc_set_khz(uint32_t khz, uint64_t flags)
{
	struct mv_regs regs = { .reg = { hypercall_handle, khz, flags } };

	return call(&regs, MV_PP_OP, MV_PP_OP_TSC_SET_KHZ_IDX_VAL);
}

mv_status_t hypercall_time_set(const struct platform_time *time)
{
	struct mv_regs regs = { .reg = { hypercall_handle, time->tsc, time->mono, time->real } };

	return call(&regs, MV_PP_OP, MV_PP_OP_TIME_SET_IDX_VAL);
}

mv_status_t hypercall_clock_get(uint16_t vmid, uint64_t tsc, uint64_t *ns, uint64_t *flags)
{
	struct mv_regs regs = { .reg = { hypercall_handle, vmid, tsc } };
	mv_status_t status = call(&regs, MV_VM_OP, MV_VM_OP_CLOCK_GET_IDX_VAL);

	*ns = regs.reg[0];
	*flags = regs.reg[1];
	return status;
}

mv_status_t hypercall_clock_set(uint16_t vmid, uint64_t tsc, uint64_t ns)
{
	struct mv_regs regs = { .reg = { hypercall_handle, vmid, ns, tsc } };

	return call(&regs, MV_VM_OP, MV_VM_OP_CLOCK_SET_IDX_VAL);
}

mv_status_t hypercall_vs_tsc_get(uint16_t vsid, uint32_t *khz, uint64_t *offset)
{
	struct mv_regs regs = { .reg = { hypercall_handle, vsid } };
	mv_status_t status = call(&regs, MV_VS_OP, MV_VS_OP_TSC_GET_KHZ_IDX_VAL);

	*khz = (uint32_t)regs.reg[0];
	*offset = regs.reg[1];
	return status;
}

mv_status_t hypercall_vs_tsc_set_khz(uint16_t vsid, uint32_t khz)
{
	struct mv_regs regs = { .reg = { hypercall_handle, vsid, khz } };

	return call(&regs, MV_VS_OP, MV_VS_OP_TSC_SET_KHZ_IDX_VAL);
}

mv_status_t hypercall_vs_tsc_set_offset(uint16_t vsid, uint64_t offset)
{
	struct mv_regs regs = { .reg = { hypercall_handle, vsid, offset } };

	return call(&regs, MV_VS_OP, MV_VS_OP_TSC_OFFSET_SET_IDX_VAL);
}

mv_status_t hypercall_clock_paused(uint16_t vsid)
{
	return call1(MV_VS_OP, MV_VS_OP_CLOCK_PAUSED_IDX_VAL, vsid);
}
