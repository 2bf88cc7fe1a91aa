/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The hypercalls that the shim makes, by name. Each returns the status of the ABI, or 0 and
 * its outputs; hypercall_errno() is the one place that makes an errno of a status.
 *
 * What travels in the shared page is filled in again for each attempt, since other
 * hypercalls of this CPU use the same page in between. RETRY_CONTINUATION never gets out of
 * here: see hypercall_retry().
 */
#ifndef SHIM_HYPERCALL_H
#define SHIM_HYPERCALL_H

#include <mv_abi.h>
#include <platform.h>

/* The beginning of mv_events_t, which is a page. */
struct vcpu_events {
	uint8_t exception, exception_vector, exception_has_error, shadow;
	uint32_t exception_error;
	uint8_t interrupt, interrupt_vector, nmi, nmi_pending, nmi_masked;
};
MV_ABI_ASSERT(offsetof(struct vcpu_events, nmi_masked) == offsetof(struct mv_events_t, nmi_masked));

/* 0, or the -errno that fits: -ENOMEM, -EBUSY, -EINVAL, -ENODEV or -EIO. */
int hypercall_errno(mv_status_t status);

/* Opens the handle that all others need; 0 or -ENODEV. */
int hypercall_open(void);
extern uint64_t hypercall_handle;
void hypercall_close(void);
void hypercall_version(void);

mv_status_t hypercall_set_shared_page(uint64_t gpa);
mv_status_t hypercall_clr_shared_page(void);

mv_status_t hypercall_create_vm(uint16_t *vmid);
mv_status_t hypercall_destroy_vm(uint16_t vmid);
/* idx: MV_VM_OP_MMIO_MAP_IDX_VAL, _MMIO_UNMAP_ or _DONATE_; count up to MV_MDL_MAX_ENTRIES.
 * *wanted: pages to donate when the status is FAILURE_NO_MEMORY. */
mv_status_t hypercall_mdl(unsigned int idx, uint16_t vmid, const struct mv_mdl_entry_t *entries,
			  size_t count, uint64_t *wanted);

/* Up to MV_DIRTY_LOG_WORDS words for the pages of the range, as the ABI says. *wanted: as above. */
mv_status_t hypercall_dirty_log(uint16_t vmid, uint64_t gpa, uint64_t bytes, uint64_t *words,
				uint64_t *wanted);
mv_status_t hypercall_quiesce(uint16_t vmid);

mv_status_t hypercall_create_vp(uint16_t vmid, uint16_t *vpid);
mv_status_t hypercall_destroy_vp(uint16_t vpid);
mv_status_t hypercall_create_vs(uint16_t vpid, uint16_t *vsid, uint64_t *wanted);
mv_status_t hypercall_destroy_vs(uint16_t vsid);

/* idx: MV_VS_OP_REG_GET_LIST_IDX_VAL and the like; a get writes the values to entries[].val. */
mv_status_t hypercall_rdl(unsigned int idx, uint16_t vsid, struct mv_rdl_entry_t *entries,
			  size_t count);
/* Fills in what a guest can have of entry->fun, entry->idx. */
mv_status_t hypercall_cpuid_supported(struct mv_cdl_entry_t *entry);
/*
 * CPUID lists by the shared page, in parts when they are long. get: all there are, of
 * MV_VS_OP and MV_VS_OP_CPUID_GET_LIST_IDX_VAL, or MV_PP_OP and
 * MV_PP_OP_CPUID_GET_SUPPORTED_LIST_IDX_VAL; entries has room for MV_CDL_VS_MAX.
 */
mv_status_t hypercall_cdl_get(unsigned int op, unsigned int idx, uint16_t vsid,
			      struct mv_cdl_entry_t *entries, size_t *count);
mv_status_t hypercall_cdl_set(uint16_t vsid, struct mv_cdl_entry_t *entries, size_t count);
/* Do guests have this MSR? */
bool hypercall_msr_supported(uint32_t msr);
mv_status_t hypercall_reg_get(uint16_t vsid, enum mv_reg_t reg, uint64_t *val);
mv_status_t hypercall_msr_get(uint16_t vsid, uint32_t msr, uint64_t *val);
mv_status_t hypercall_msr_set(uint16_t vsid, uint32_t msr, uint64_t val);

/* Error code: for vectors that have one. */
mv_status_t hypercall_inject_exception(uint16_t vsid, uint8_t vector, uint32_t error);

/*
 * idx: MV_VS_OP_FPU_GET_ALL_IDX_VAL, _XSAVE_GET_ALL_, _FPU_SET_ALL_ or _XSAVE_SET_ALL_, with the
 * first `bytes` of mv_xsave_t.
 */
mv_status_t hypercall_fpu_get(unsigned int idx, uint16_t vsid, void *xsave, size_t bytes);
mv_status_t hypercall_fpu_set(unsigned int idx, uint16_t vsid, const void *xsave, size_t bytes);

mv_status_t hypercall_queue_interrupt(uint16_t vsid, uint8_t vector, uint64_t flags);
mv_status_t hypercall_queue_nmi(uint16_t vsid);
/* *gpa: of a page, in bits 11:0 MV_MAP_FLAG_*. */
mv_status_t hypercall_gla_to_gpa(uint16_t vsid, uint64_t gla, uint64_t *gpa);
/* Registers in one piece. */
mv_status_t hypercall_gprs_get(uint16_t vsid, struct mv_gprs_t *gprs);
mv_status_t hypercall_gprs_set(uint16_t vsid, const struct mv_gprs_t *gprs);
mv_status_t hypercall_sregs_get(uint16_t vsid, struct mv_sregs_t *sregs);
mv_status_t hypercall_sregs_set(uint16_t vsid, const struct mv_sregs_t *sregs);
/* Through the shared page. */
mv_status_t hypercall_events_get(uint16_t vsid, struct vcpu_events *events);
mv_status_t hypercall_events_set(uint16_t vsid, const struct vcpu_events *events);

/* The beginning of mv_stats_t, in words: all but what isn't written. */
#define STATS_WORDS (offsetof(struct mv_stats_t, reserved1) / sizeof(uint64_t))
#define STATS_WORD(member) (offsetof(struct mv_stats_t, member) / sizeof(uint64_t))

/* Of a vCPU, running or not, or by a CPU's number of the root VM on that CPU. */
mv_status_t hypercall_stats_get(uint16_t vsid, uint64_t words[STATS_WORDS]);

mv_status_t hypercall_tsc_set_khz(uint32_t khz, uint64_t flags);
mv_status_t hypercall_time_set(const struct platform_time *time);
/* At a TSC of this CPU. *flags: MV_CLOCK_*. */
mv_status_t hypercall_clock_get(uint16_t vmid, uint64_t tsc, uint64_t *ns, uint64_t *flags);
mv_status_t hypercall_clock_set(uint16_t vmid, uint64_t tsc, uint64_t ns);
mv_status_t hypercall_vs_tsc_get(uint16_t vsid, uint32_t *khz, uint64_t *offset);
mv_status_t hypercall_vs_tsc_set_khz(uint16_t vsid, uint32_t khz);
mv_status_t hypercall_vs_tsc_set_offset(uint16_t vsid, uint64_t offset);
mv_status_t hypercall_clock_paused(uint16_t vsid);

#endif /* SHIM_HYPERCALL_H */
