/* SPDX-License-Identifier: MIT */
/*
 * The hypercall ABI between software in a VM and MicroV: Mv#1 of the published
 * MicroV Hypercall Specification, and what MicroV adds to it (marked OURS).
 *
 * This header is the only source: shim, microv, the tests and ABI.md all come
 * from it.  It needs nothing but fixed-width integers, so that it compiles in
 * the Linux kernel, freestanding and in user space.
 */
#ifndef MV_ABI_H
#define MV_ABI_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/build_bug.h>
typedef u8 mv_u8;
typedef u16 mv_u16;
typedef u32 mv_u32;
typedef u64 mv_u64;
#else
#include <stddef.h>
#include <stdint.h>
typedef uint8_t mv_u8;
typedef uint16_t mv_u16;
typedef uint32_t mv_u32;
typedef uint64_t mv_u64;
#endif

#define MV_ABI_ASSERT(e) _Static_assert(e, #e)
#define MV_ABI_SIZE(type, size) MV_ABI_ASSERT(sizeof(type) == (size))
#define MV_ABI_OFFSET(type, field, off) MV_ABI_ASSERT(__builtin_offsetof(type, field) == (off))

#define MV_PAGE_SIZE 0x1000ULL

/*
 * Hypercall convention (spec 2.4, 2.5): VMMCALL from 64-bit kernel mode with
 *   RAX = signature | flags | op | index, R10..R13 = REG0..REG3
 * returns RAX = mv_status_t, R10..R13 = REG0..REG3.
 */
#define MV_HYPERCALL_SIG_VAL 0x764D000000000000ULL
#define MV_HYPERCALL_SIG_MASK 0xFFFF000000000000ULL
#define MV_HYPERCALL_FLAGS_MASK 0x0000FFFF00000000ULL
#define MV_HYPERCALL_FLAGS_SCC 0x0000000100000000ULL
#define MV_HYPERCALL_OPCODE_NOSIG_MASK 0x00000000FFFF0000ULL
#define MV_HYPERCALL_INDEX_MASK 0x000000000000FFFFULL

/* The value of RAX that asks for operation `op`, index `idx`. */
#define MV_HYPERCALL(op, idx) (MV_HYPERCALL_SIG_VAL | ((mv_u64)(op) << 16) | (idx))

/* Status codes (spec 2.3). */
typedef mv_u64 mv_status_t;

#define MV_STATUSES(X)                                                                             \
	X(SUCCESS, 0x0000000000000000, MV, "the hypercall succeeded")                              \
	X(FAILURE_UNKNOWN, 0xDEAD000000010001, MV,                                                 \
	  "an error without a code of its own: no shared page, a bad list in the shared page, no ID left") \
	X(FAILURE_UNSUPPORTED, 0xDEAD000000020001, MV, "no such hypercall")                        \
	X(FAILURE_INVALID_HANDLE, 0xDEAD000000040001, MV, "REG0 is not the caller's open handle")  \
	X(FAILURE_NO_MEMORY, 0xDEAD000000080001, OURS,                                             \
	  "the VM's pool is short of pages; REG0 = how many more to donate before trying again; 0: it's the hypervisor that is") \
	X(FAILURE_BUSY, 0xDEAD000000100001, OURS,                                                  \
	  "the VS runs on another PP or is being destroyed; the VM is being destroyed, or another list of it continues") \
	X(INVALID_PERM_DENIED, 0xDEAD000000010002, MV, "not allowed to this VM")                   \
	X(INVALID_INPUT_REG0, 0xDEAD000000010003, MV, "input REG0 is invalid")                     \
	X(INVALID_INPUT_REG1, 0xDEAD000000020003, MV, "input REG1 is invalid")                     \
	X(INVALID_INPUT_REG2, 0xDEAD000000040003, MV, "input REG2 is invalid")                     \
	X(INVALID_INPUT_REG3, 0xDEAD000000080003, MV, "input REG3 is invalid")                     \
	X(INVALID_OUTPUT_REG0, 0xDEAD000000100003, MV, "output REG0 is invalid")                   \
	X(INVALID_OUTPUT_REG1, 0xDEAD000000200003, MV, "output REG1 is invalid")                   \
	X(INVALID_OUTPUT_REG2, 0xDEAD000000400003, MV, "output REG2 is invalid")                   \
	X(INVALID_OUTPUT_REG3, 0xDEAD000000800003, MV, "output REG3 is invalid")                   \
	X(RETRY_CONTINUATION, 0xDEAD000000100004, MV,                                              \
	  "not finished: execute the same hypercall with the same inputs again")                   \
	X(RETRY_CONTINUATION_SCC, 0xDEAD000000200004, MV,                                          \
	  "not finished: execute the same hypercall again when ready (never returned yet)")        \
	X(EXIT_FAILURE, 0xDEAD000000010005, MV, "mv_vs_op_run: the guest could not be run on")     \
	X(EXIT_UNKNOWN, 0xDEAD000000020005, MV,                                                    \
	  "mv_vs_op_run: an exit that nobody can serve; mv_exit_unknown_t says more")

#define MV_STATUS_ENUM(name, val, origin, doc) static const mv_status_t MV_STATUS_##name __attribute__((unused)) = val##ULL;
MV_STATUSES(MV_STATUS_ENUM)
#undef MV_STATUS_ENUM

/* IDs, versions and limits (spec 1.5, 2.7). */
#define MV_INVALID_ID 0xFFFFU
#define MV_SELF_ID 0xFFFEU
#define MV_ALL_ID 0xFFFDU
#define MV_BS_PPID 0U
#define MV_ROOT_VMID 0U
#define MV_SPEC_ID1_VAL 0x3123764DU
#define MV_SPEC_ID1_MASK 0x2U
#define MV_ALL_SPECS_SUPPORTED_VAL 0x2U
#define MV_INVALID_VERSION 0x80000000U
#define MV_INVALID_HANDLE 0xFFFFFFFFFFFFFFFFULL
/* OURS: most VMs (the root VM is one of them), VPs of one VM, VPs (and VSs) in all. */
#define MV_MAX_VMS 128U
#define MV_MAX_VPS_PER_VM 256U
#define MV_MAX_PPS 256U
#define MV_MAX_VSS (MV_MAX_VMS * MV_MAX_VPS_PER_VM)

/* Groups of operations: X(GROUP, group, op) */
#define MV_OPS(X)                                                                                  \
	X(ID, id, 0x0) X(HANDLE, handle, 0x1) X(DEBUG, debug, 0x2) X(PP, pp, 0x3) X(VM, vm, 0x4)   \
	X(VP, vp, 0x5) X(VS, vs, 0x6)

#define MV_OPS_ENUM(GROUP, group, op) MV_##GROUP##_OP = op,
enum mv_op { MV_OPS(MV_OPS_ENUM) };
#undef MV_OPS_ENUM

/*
 * Every hypercall: X(GROUP, group, index, NAME, name, origin, state, in, out, errors, doc)
 *   origin  MV (the published specification) or OURS
 *   state   YES (works) or NO (answers FAILURE_UNSUPPORTED)
 *   in      inputs besides REG0 = handle, unless it names REG0
 *   errors  besides FAILURE_INVALID_HANDLE and INVALID_PERM_DENIED (caller isn't the root VM)
 */
#define MV_HC_ID(X)                                                                                \
	X(ID, id, 0x0, VERSION, version, MV, YES, "no handle needed",                              \
	  "REG0: mask of supported versions, bit n = Mv#n", "", "Returns which versions of the specification MicroV supports.") \
	X(ID, id, 0x1, GET_CAPABILITY, get_capability, MV, NO, "", "", "", "")                     \
	X(ID, id, 0x2, CLR_CAPABILITY, clr_capability, MV, NO, "", "", "", "")                     \
	X(ID, id, 0x3, SET_CAPABILITY, set_capability, MV, NO, "", "", "", "")                     \
	X(ID, id, 0x4, HAS_CAPABILITY, has_capability, MV, NO, "", "", "", "")

#define MV_HC_HANDLE(X)                                                                            \
	X(HANDLE, handle, 0x0, OPEN_HANDLE, open_handle, MV, YES, "REG0 31:0: MV_SPEC_ID1_VAL",    \
	  "REG0: the handle", "INVALID_INPUT_REG0: version not supported",                         \
	  "Opens a handle, needed by all hypercalls below. A VM has one handle; opening again gives the same.") \
	X(HANDLE, handle, 0x1, CLOSE_HANDLE, close_handle, MV, YES, "", "", "",                    \
	  "Closes the handle. VMs, VPs and VSs stay as they are.")

#define MV_HC_DEBUG(X)                                                                             \
	X(DEBUG, debug, 0x0, OUT, out, MV, YES, "no handle needed; REG0, REG1: any values", "", "", \
	  "Writes both values in hexadecimal to the hypervisor's log.")                            \
	X(DEBUG, debug, 0x1, LOG_READ, log_read, OURS, YES, "REG1: position to read from, in bytes since launch; REG2: 0 or 1", \
	  "REG0: how many bytes; REG1: position after them; with REG2 = 1 also REG2, REG3: the bytes", \
	  "INVALID_INPUT_REG2; FAILURE_UNKNOWN: no shared page", \
	  "Copies the hypervisor's log, from REG1 or the oldest byte still there: up to a page to the shared page (REG2 = 0), "      \
	  "or up to 16 bytes to registers (REG2 = 1).")

#define MV_HC_PP(X)                                                                                \
	X(PP, pp, 0x0, PPID, ppid, MV, YES, "", "REG0 15:0: PPID", "", "Returns the ID of the PP that executes this.") \
	X(PP, pp, 0x1, ONLINE_PPS, online_pps, MV, YES, "", "REG0 15:0: number", "", "Returns how many PPs are online (in the root VM).") \
	X(PP, pp, 0x2, CLR_SHARED_PAGE_GPA, clr_shared_page_gpa, MV, YES, "", "", "",              \
	  "Forgets this PP's shared page. Succeeds also when there is none.")                      \
	X(PP, pp, 0x3, SET_SHARED_PAGE_GPA, set_shared_page_gpa, MV, YES, "REG1: GPA, page aligned", "", \
	  "INVALID_INPUT_REG1: misaligned, not RAM of the root VM, or MicroV's own; FAILURE_UNKNOWN: this PP has one already", \
	  "Makes a page of the root VM's RAM this PP's shared page, by which all structures travel.") \
	X(PP, pp, 0x4, CPUID_GET_SUPPORTED, cpuid_get_supported, MV, YES, "shared page: mv_cdl_entry_t with fun and idx", "shared page: the same with eax to edx", \
	  "FAILURE_UNKNOWN: no shared page", "Returns which features (and other values) of a CPUID leaf a guest on this CPU can have.") \
	X(PP, pp, 0x5, CPUID_GET_SUPPORTED_LIST, cpuid_get_supported_list, MV, YES, "shared page: mv_cdl_t; its REG0: 0, or MV_CDL_FLAG_ALL (OURS): no entries, but in REG1 how many to leave out", "shared page: the entries with eax to edx; with MV_CDL_FLAG_ALL all there are, and in REG1 how many are left", \
	  "FAILURE_UNKNOWN: no shared page, too many entries, unknown flags in REG0, REG1 not 0 without MV_CDL_FLAG_ALL", "Returns what a guest on this CPU can have, for many leaves or all.") \
	X(PP, pp, 0x6, CPUID_GET_PERMISSABLE, cpuid_get_permissable, MV, NO, "", "", "", "")       \
	X(PP, pp, 0x7, CPUID_GET_PERMISSABLE_LIST, cpuid_get_permissable_list, MV, NO, "", "", "", "") \
	X(PP, pp, 0x8, CPUID_GET_EMULATED, cpuid_get_emulated, MV, NO, "", "", "", "")             \
	X(PP, pp, 0x9, CPUID_GET_EMULATED_LIST, cpuid_get_emulated_list, MV, NO, "", "", "", "")   \
	X(PP, pp, 0xA, REG_GET_SUPPORTED, reg_get_supported, MV, NO, "", "", "", "")               \
	X(PP, pp, 0xB, REG_GET_SUPPORTED_LIST, reg_get_supported_list, MV, NO, "", "", "", "")     \
	X(PP, pp, 0xC, REG_GET_PERMISSABLE, reg_get_permissable, MV, NO, "", "", "", "")           \
	X(PP, pp, 0xD, REG_GET_PERMISSABLE_LIST, reg_get_permissable_list, MV, NO, "", "", "", "") \
	X(PP, pp, 0xE, REG_GET_EMULATED, reg_get_emulated, MV, NO, "", "", "", "")                 \
	X(PP, pp, 0xF, REG_GET_EMULATED_LIST, reg_get_emulated_list, MV, NO, "", "", "", "")       \
	X(PP, pp, 0x10, MSR_GET_SUPPORTED, msr_get_supported, MV, YES, "REG1 31:0: MSR", "REG0: 1 or 0", "", "Returns whether guests have an MSR.") \
	X(PP, pp, 0x11, MSR_GET_SUPPORTED_LIST, msr_get_supported_list, MV, YES, "shared page: mv_rdl_t; its REG0: 0, or MV_RDL_FLAG_ALL: no entries, but in REG1 how many to leave out", \
	  "shared page: val of each entry is 1 or 0; with MV_RDL_FLAG_ALL the entries, and in REG1 how many are left", \
	  "FAILURE_UNKNOWN: no shared page, too many entries, unknown flags in REG0, REG1 not 0 without MV_RDL_FLAG_ALL", "Returns which MSRs guests have.") \
	X(PP, pp, 0x12, MSR_GET_PERMISSABLE, msr_get_permissable, MV, NO, "", "", "", "")          \
	X(PP, pp, 0x13, MSR_GET_PERMISSABLE_LIST, msr_get_permissable_list, MV, NO, "", "", "", "") \
	X(PP, pp, 0x14, MSR_GET_EMULATED, msr_get_emulated, MV, NO, "", "", "", "")                \
	X(PP, pp, 0x15, MSR_GET_EMULATED_LIST, msr_get_emulated_list, MV, NO, "", "", "", "")      \
	X(PP, pp, 0x16, TSC_GET_KHZ, tsc_get_khz, MV, YES, "", "REG0: kHz; OURS: REG1: MV_TSC_*", \
	  "FAILURE_UNKNOWN: tsc_set_khz was not called on this PP", "Returns the frequency of this PP's TSC.") \
	X(PP, pp, 0x17, TSC_SET_KHZ, tsc_set_khz, MV, YES, "REG1: kHz; OURS: REG2: MV_TSC_*", "",  \
	  "INVALID_INPUT_REG1: 0, or more than 32 bits; INVALID_INPUT_REG2: unknown flags",        \
	  "Tells the frequency of this PP's TSC, which the root VM has measured. All that tells guests the time needs it.") \
	X(PP, pp, 0x18, STOP, stop, OURS, YES, "no handle needed", "",                             \
	  "INVALID_PERM_DENIED: a guest VM exists; FAILURE_BUSY: this PP has a shared page",       \
	  "Takes the hypervisor off this PP: the hypercall returns, and its caller goes on natively.") \
	X(PP, pp, 0x50, TIME_SET, time_set, OURS, YES, "REG1: a TSC of this PP; REG2, REG3: what the root VM's clocks showed at it, in ns: one that is never set, and the time since 1970 (UTC)", "", \
	  "FAILURE_UNKNOWN: tsc_set_khz was not called on this PP",                                \
	  "Tells the time, from which this PP goes on by its TSC. Without MV_TSC_STABLE the clocks of all VMs follow REG2 on this PP from now on " \
	  "(call it once a second, and when guests have just come here); with it only the wall clock of guests follows, REG3.")

#define MV_HC_VM(X)                                                                                \
	X(VM, vm, 0x0, CREATE_VM, create_vm, MV, YES, "", "REG0 15:0: VMID", "FAILURE_UNKNOWN: no ID left", \
	  "Creates a VM without memory. Its page tables and VSs come from pages donated to it (mv_vm_op_donate).") \
	X(VM, vm, 0x1, DESTROY_VM, destroy_vm, MV, YES, "REG1 15:0: VMID", "",                     \
	  "INVALID_INPUT_REG1: no such guest VM; FAILURE_UNKNOWN: it still has a VP; RETRY_CONTINUATION", \
	  "Unmaps all its memory and destroys a VM. After success every page donated to it is the root VM's again, zeroed.") \
	X(VM, vm, 0x2, VMID, vmid, MV, YES, "", "REG0 15:0: VMID", "", "Returns the ID of the calling VM.") \
	X(VM, vm, 0x3, MMIO_MAP, mmio_map, MV, YES,                                                \
	  "REG1 15:0: VMID to map to; REG2 15:0: VMID to map from, MV_ROOT_VMID; shared page: mv_mdl_t", "", \
	  "INVALID_INPUT_REG1: no such guest VM; INVALID_INPUT_REG2: not the root VM; "            \
	  "FAILURE_UNKNOWN: no shared page, no or too many entries, an entry that is misaligned, empty, out of range, "    \
	  "with unknown flags, without read access, foreign (not RAM of the root VM), overlapping another or mapped already; FAILURE_NO_MEMORY", \
	  "Maps root memory (src) into a guest (dst) with the access flags of each entry. All or nothing.") \
	X(VM, vm, 0x4, MMIO_UNMAP, mmio_unmap, MV, YES, "REG1 15:0: VMID; shared page: mv_mdl_t (src and flags ignored)", "", \
	  "INVALID_INPUT_REG1; FAILURE_UNKNOWN: as mmio_map, or part of an entry isn't mapped; FAILURE_NO_MEMORY: a large entry must be split; RETRY_CONTINUATION", \
	  "Unmaps guest memory. With success no PP can reach it through the VM any more; while other PPs run VPs of the VM it answers "    \
	  "RETRY_CONTINUATION until each has left the guest once.")                                \
	X(VM, vm, 0x5, DONATE, donate, OURS, YES, "REG1 15:0: VMID; shared page: mv_mdl_t (dst and flags ignored)", "", \
	  "INVALID_INPUT_REG1; FAILURE_UNKNOWN: as mmio_map, or a page is mapped into a guest; RETRY_CONTINUATION; "            \
	  "FAILURE_NO_MEMORY: the hypervisor has no table for its own needs; REG0 = how many entries, in order of src, it has taken all the same", \
	  "Gives pages of the root VM's RAM to a guest VM's pool, for its page tables and VSs. The root VM loses them until destroy_vm. "  \
	  "Answers RETRY_CONTINUATION until each PP of the root VM has left it once (any hypercall there does).") \
	X(VM, vm, 0x40, DIRTY_LOG, dirty_log, OURS, YES, "REG1 15:0: VMID; REG2: GPA, page aligned; REG3: bytes, whole pages, up to MV_DIRTY_LOG_MAX_BYTES of the 64 pages' limit that REG2 is in", \
	  "shared page: a bitmap of 64-bit words: bit n of word w is page REG2 / 4096 / 64 * 64 + 64 w + n; bits outside of the range are 0", \
	  "INVALID_INPUT_REG1: no such guest VM; INVALID_INPUT_REG2; INVALID_INPUT_REG3; FAILURE_UNKNOWN: no shared page; FAILURE_NO_MEMORY: for tables to split large entries, nothing has changed", \
	  "Tells which pages of the range its VPs wrote, or MicroV for them, since they were mapped or asked for last, and forgets it. Pages that aren't mapped weren't written. "  \
	  "The first call for a range splits its large entries, whose pages count as written if one of them was. A page that is told may be written once more, "  \
	  "without being told again, until mv_vm_op_quiesce succeeds: look at the pages only then. What is written after that is told by the next call.") \
	X(VM, vm, 0x41, QUIESCE, quiesce, OURS, YES, "REG1 15:0: VMID", "", "INVALID_INPUT_REG1; RETRY_CONTINUATION", \
	  "Succeeds when no PP uses what it remembered of the VM's memory before the last mmio_unmap or dirty_log. It answers RETRY_CONTINUATION until each PP that runs a VP has left it once.") \
	X(VM, vm, 0x50, CLOCK_GET, clock_get, OURS, YES, "REG1 15:0: VMID; REG2: a TSC of this PP, 0: now", \
	  "REG0: the VM's clock at it, in ns; REG1: MV_CLOCK_*", "INVALID_INPUT_REG1: no such guest VM; FAILURE_BUSY; FAILURE_UNKNOWN: tsc_set_khz was not called on this PP", \
	  "Reads the clock that the VM's guests see as kvmclock. It starts at 0 with the VM, runs whether they do or not, and never overflows: it counts modulo 2^64.") \
	X(VM, vm, 0x51, CLOCK_SET, clock_set, OURS, YES, "REG1 15:0: VMID; REG2: ns; REG3: a TSC of this PP, 0: now", "", \
	  "as clock_get", "Sets the VM's clock to what it shows, or showed, at that TSC. Guests see it from their next entry on.")

#define MV_HC_VP(X)                                                                                \
	X(VP, vp, 0x0, CREATE_VP, create_vp, MV, YES, "REG1 15:0: VMID", "REG0 15:0: VPID",        \
	  "INVALID_INPUT_REG1: no such guest VM; FAILURE_UNKNOWN: the VM has MV_MAX_VPS_PER_VM", "Creates a VP of a VM.") \
	X(VP, vp, 0x1, DESTROY_VP, destroy_vp, MV, YES, "REG1 15:0: VPID", "",                     \
	  "INVALID_INPUT_REG1: no such guest VP; FAILURE_UNKNOWN: it still has a VS", "Destroys a VP.") \
	X(VP, vp, 0x2, VMID, vmid, MV, YES, "REG1 15:0: VPID or MV_SELF_ID", "REG0 15:0: VMID", "INVALID_INPUT_REG1: no such VP", \
	  "Returns the VM of a VP.")                                                               \
	X(VP, vp, 0x3, VPID, vpid, MV, YES, "", "REG0 15:0: VPID", "", "Returns the ID of the calling VP.")

#define MV_HC_VS(X)                                                                                \
	X(VS, vs, 0x0, CREATE_VS, create_vs, MV, YES, "REG1 15:0: VPID", "REG0 15:0: VSID",        \
	  "INVALID_INPUT_REG1: no such guest VP; FAILURE_UNKNOWN: it has a VS; FAILURE_NO_MEMORY", \
	  "Creates a VS of a VP in the state of a CPU after reset.")                               \
	X(VS, vs, 0x1, DESTROY_VS, destroy_vs, MV, YES, "REG1 15:0: VSID", "",                     \
	  "INVALID_INPUT_REG1: no such guest VS; FAILURE_BUSY; RETRY_CONTINUATION", "Destroys a VS.") \
	X(VS, vs, 0x2, VMID, vmid, MV, YES, "REG1 15:0: VSID or MV_SELF_ID", "REG0 15:0: VMID", "INVALID_INPUT_REG1: no such VS", "Returns the VM of a VS.") \
	X(VS, vs, 0x3, VPID, vpid, MV, YES, "REG1 15:0: VSID or MV_SELF_ID", "REG0 15:0: VPID", "INVALID_INPUT_REG1: no such VS", "Returns the VP of a VS.") \
	X(VS, vs, 0x4, VSID, vsid, MV, YES, "", "REG0 15:0: VSID", "", "Returns the ID of the calling VS.") \
	X(VS, vs, 0x5, GVA_TO_GLA, gva_to_gla, MV, NO, "", "", "", "")                             \
	X(VS, vs, 0x6, GLA_TO_GPA, gla_to_gpa, MV, YES, "REG1 15:0: VSID; REG2: GLA, page aligned", \
	  "REG0 63:12: GPA, 11:0: MV_MAP_FLAG_*", "INVALID_INPUT_REG1: no such guest VS; INVALID_INPUT_REG2: misaligned; "   \
	  "FAILURE_UNKNOWN: not mapped; FAILURE_NO_MEMORY: OURS, a page table is at a page that isn't mapped: REG0; FAILURE_BUSY", \
	  "Walks the guest's page tables with its CR0, CR3, CR4 and EFER.")     \
	X(VS, vs, 0x7, GVA_TO_GPA, gva_to_gpa, MV, NO, "", "", "", "")                             \
	X(VS, vs, 0x8, RUN, run, MV, YES, "REG1 15:0: VSID; shared page: mv_run_t", "REG0: mv_exit_reason_t; shared page: mv_exit_*_t, and mv_exit_state_t at MV_EXIT_STATE_OFFSET", \
	  "INVALID_INPUT_REG1: no such guest VS; FAILURE_UNKNOWN: no shared page or a bad entry of mv_run_t; FAILURE_BUSY; EXIT_FAILURE; EXIT_UNKNOWN", \
	  "Writes the registers and MSRs of mv_run_t, then runs the guest until an exit that the caller must serve, or an interrupt for the root VM.") \
	X(VS, vs, 0x9, CPUID_GET, cpuid_get, MV, YES, "REG1 15:0: VSID; shared page: mv_cdl_entry_t with fun and idx", "shared page: the same with eax to edx", \
	  "INVALID_INPUT_REG1; FAILURE_UNKNOWN: no shared page; FAILURE_BUSY", "Returns what the VS reads by CPUID.") \
	X(VS, vs, 0xA, CPUID_SET, cpuid_set, MV, YES, "REG1 15:0: VSID; shared page: mv_cdl_entry_t", "", \
	  "INVALID_INPUT_REG1; FAILURE_UNKNOWN: no shared page, or the VS has MV_CDL_VS_MAX leaves; FAILURE_BUSY", \
	  "Sets or replaces a CPUID leaf of the VS. Features that cpuid_get_supported doesn't have stay off.") \
	X(VS, vs, 0xB, CPUID_GET_LIST, cpuid_get_list, MV, YES, "REG1 15:0: VSID; shared page: mv_cdl_t; its REG0: 0, or MV_CDL_FLAG_ALL (OURS): no entries, but in REG1 how many to leave out", \
	  "shared page: the entries as the VS reads them; with MV_CDL_FLAG_ALL all that were set, and in REG1 how many are left", \
	  "INVALID_INPUT_REG1; FAILURE_UNKNOWN: no shared page, too many entries, unknown flags in REG0, REG1 not 0 without MV_CDL_FLAG_ALL; FAILURE_BUSY", "Returns what the VS reads by CPUID, for many leaves or all it has.") \
	X(VS, vs, 0xC, CPUID_SET_LIST, cpuid_set_list, MV, YES, "REG1 15:0: VSID; shared page: mv_cdl_t; OURS: its REG1: how many leaves of the VS stay in front of these", "", \
	  "INVALID_INPUT_REG1; FAILURE_UNKNOWN: no shared page, too many entries, more than MV_CDL_VS_MAX with those that stay, REG0 of the list not 0, its REG1 more than the VS has; FAILURE_BUSY", \
	  "Replaces the CPUID of the VS: it reads 0 for leaves that aren't in the list (a CPU with Intel's name: the highest basic leaf). "  \
	  "Features that cpuid_get_supported doesn't have stay off. A new VS has none.") \
	X(VS, vs, 0xD, REG_GET, reg_get, MV, YES, "REG1 15:0: VSID; REG2: mv_reg_t", "REG0: value", \
	  "INVALID_INPUT_REG1; INVALID_INPUT_REG2: no such register; FAILURE_BUSY", "Reads a register.") \
	X(VS, vs, 0xE, REG_SET, reg_set, MV, YES, "REG1 15:0: VSID; REG2: mv_reg_t; REG3: value", "", \
	  "INVALID_INPUT_REG1; INVALID_INPUT_REG2; INVALID_INPUT_REG3: reserved bits set; FAILURE_BUSY", "Writes a register.") \
	X(VS, vs, 0xF, REG_GET_LIST, reg_get_list, MV, YES, "REG1 15:0: VSID; shared page: mv_rdl_t", "shared page: values", \
	  "INVALID_INPUT_REG1; FAILURE_UNKNOWN: no shared page, too many entries, REG0 or REG1 of the list not 0, no such register; FAILURE_BUSY", "Reads many registers.") \
	X(VS, vs, 0x10, REG_SET_LIST, reg_set_list, MV, YES, "REG1 15:0: VSID; shared page: mv_rdl_t", "", \
	  "as reg_get_list, or reserved bits set", "Writes many registers, all or none.")          \
	X(VS, vs, 0x17, MSR_GET, msr_get, MV, YES, "REG1 15:0: VSID; REG2 31:0: MSR", "REG0: value", \
	  "INVALID_INPUT_REG1; INVALID_INPUT_REG2: no such MSR; FAILURE_BUSY", "Reads an MSR.")    \
	X(VS, vs, 0x18, MSR_SET, msr_set, MV, YES, "REG1 15:0: VSID; REG2 31:0: MSR; REG3: value", "", \
	  "INVALID_INPUT_REG1; INVALID_INPUT_REG2; INVALID_INPUT_REG3: reserved bits set; FAILURE_BUSY", "Writes an MSR.") \
	X(VS, vs, 0x19, MSR_GET_LIST, msr_get_list, MV, YES, "REG1 15:0: VSID; shared page: mv_rdl_t", "shared page: values", \
	  "as reg_get_list", "Reads many MSRs.")                                                   \
	X(VS, vs, 0x1A, MSR_SET_LIST, msr_set_list, MV, YES, "REG1 15:0: VSID; shared page: mv_rdl_t", "", \
	  "as reg_set_list", "Writes many MSRs, all or none.")                                     \
	X(VS, vs, 0x1B, FPU_GET, fpu_get, MV, NO, "", "", "", "")                                  \
	X(VS, vs, 0x1C, FPU_SET, fpu_set, MV, NO, "", "", "", "")                                  \
	X(VS, vs, 0x1D, FPU_GET_ALL, fpu_get_all, MV, YES, "REG1 15:0: VSID", "shared page: mv_xsave_t up to xstate_bv, zeros behind", \
	  "INVALID_INPUT_REG1: no such guest VS; FAILURE_UNKNOWN: no shared page; FAILURE_BUSY",   \
	  "Reads the x87 and SSE state: 512 bytes in the format of FXSAVE64, whatever mode the VS is in.") \
	X(VS, vs, 0x1E, FPU_SET_ALL, fpu_set_all, MV, YES, "REG1 15:0: VSID; shared page: mv_xsave_t up to xstate_bv", "", \
	  "INVALID_INPUT_REG1: no such guest VS; FAILURE_UNKNOWN: no shared page, or reserved bits of MXCSR are set; FAILURE_BUSY", \
	  "Writes the x87 and SSE state; all else stays.")                                         \
	X(VS, vs, 0x1F, XSAVE_GET, xsave_get, MV, NO, "", "", "", "")                              \
	X(VS, vs, 0x20, XSAVE_SET, xsave_set, MV, NO, "", "", "", "")                              \
	X(VS, vs, 0x21, XSAVE_GET_ALL, xsave_get_all, MV, YES, "REG1 15:0: VSID; REG2: page of the state: 0", "shared page: mv_xsave_t", \
	  "INVALID_INPUT_REG1: no such guest VS; INVALID_INPUT_REG2: there is one page; FAILURE_UNKNOWN: no shared page; FAILURE_BUSY", \
	  "Reads all FPU state that the VS can have by its CPUID, whatever its mode and XCR0 are. Components that aren't in xstate_bv have their initial values.") \
	X(VS, vs, 0x22, XSAVE_SET_ALL, xsave_set_all, MV, YES, "REG1 15:0: VSID; REG2: page of the state: 0; shared page: mv_xsave_t", "", \
	  "INVALID_INPUT_REG1: no such guest VS; INVALID_INPUT_REG2: there is one page; FAILURE_UNKNOWN: no shared page, a component that guests can't have here (cpuid_get_supported), " \
	  "reserved bits of the header or MXCSR are set; FAILURE_BUSY",                            \
	  "Writes all FPU state. Components that aren't in xstate_bv get their initial values.")   \
	X(VS, vs, 0x23, MP_STATE_GET, mp_state_get, MV, YES, "REG1 15:0: VSID", "REG0: mv_mp_state_t", \
	  "INVALID_INPUT_REG1: no such guest VS; FAILURE_BUSY",                                    \
	  "Returns whether the VS has run, waits for an interrupt (its last exit was for HLT) or, after INIT, for a SIPI.") \
	X(VS, vs, 0x24, MP_STATE_SET, mp_state_set, MV, YES, "REG1 15:0: VSID; REG2: mv_mp_state_t but initial; OURS: REG3: vector of a SIPI, 0 to 255", "", \
	  "INVALID_INPUT_REG1: no such guest VS; INVALID_INPUT_REG2: no such state, or a SIPI without INIT; INVALID_INPUT_REG3; FAILURE_BUSY", \
	  "Sets it. init does to the VS what INIT does to a CPU: until a SIPI mv_vs_op_run answers with mv_exit_hlt_t (mv_hlt_t_wait). sipi makes it " \
	  "begin in real mode at the vector's page. From any other state mv_vs_op_run goes on with the guest.") \
	X(VS, vs, 0x25, INJECT_EXCEPTION, inject_exception, MV, YES, "REG1 15:0: VSID; REG2: vector; OURS: REG3 31:0: error code, for vectors that have one", "", \
	  "INVALID_INPUT_REG1: no such guest VS; INVALID_INPUT_REG2: above 31, or 2 (NMI); INVALID_INPUT_REG3: no error code of 32 bits; FAILURE_BUSY", \
	  "The next mv_vs_op_run delivers this exception first, at the present RIP. It takes the place of an exception that waits for the same.") \
	X(VS, vs, 0x26, QUEUE_INTERRUPT, queue_interrupt, MV, YES, "REG1 15:0: VSID; REG2: vector; OURS: REG3: MV_INTERRUPT_*", "", \
	  "INVALID_INPUT_REG1: no such guest VS; INVALID_INPUT_REG2: above 255; INVALID_INPUT_REG3; FAILURE_BUSY", \
	  "Queues an external interrupt: it is delivered when the guest has interrupts on, is not in an interrupt shadow, and nothing else is delivered. " \
	  "There is one slot: a second interrupt takes the place of the first.")                   \
	X(VS, vs, 0x27, TSC_GET_KHZ, tsc_get_khz, MV, YES, "REG1 15:0: VSID", "REG0: kHz; OURS: REG1: its TSC minus the PP's", \
	  "INVALID_INPUT_REG1: no such guest VS; FAILURE_UNKNOWN: tsc_set_khz was not called on this PP; FAILURE_BUSY", \
	  "Returns the frequency of the VS's TSC: the PP's if it was never set.")                  \
	X(VS, vs, 0x28, TSC_SET_KHZ, tsc_set_khz, MV, YES, "REG1 15:0: VSID; REG2: kHz", "",       \
	  "INVALID_INPUT_REG1: no such guest VS; INVALID_INPUT_REG2: 0, more than 32 bits, or more than 250 ppm below the PP's; "       \
	  "FAILURE_UNKNOWN: tsc_set_khz was not called on this PP; FAILURE_BUSY",                  \
	  "Sets the frequency of the VS's TSC. Up to 250 ppm off it is taken for the PP's. Above, its TSC runs as fast as the PP's and jumps at each entry to where it should be.") \
	X(VS, vs, 0x40, QUEUE_NMI, queue_nmi, OURS, YES, "REG1 15:0: VSID", "",                    \
	  "INVALID_INPUT_REG1: no such guest VS; FAILURE_BUSY",                                    \
	  "Queues an NMI. One waits while another is served (until IRET), two otherwise; more are lost, as on a CPU. One that waits behind " \
	  "IRET, or behind an interrupt shadow, with interrupts off, is delivered after the next exit.") \
	X(VS, vs, 0x41, EVENTS_GET, events_get, OURS, YES, "REG1 15:0: VSID", "shared page: mv_events_t", \
	  "INVALID_INPUT_REG1: no such guest VS; FAILURE_UNKNOWN: no shared page; FAILURE_BUSY", "Reads which events wait to be delivered.") \
	X(VS, vs, 0x42, EVENTS_SET, events_set, OURS, YES, "REG1 15:0: VSID; shared page: mv_events_t", "", \
	  "INVALID_INPUT_REG1: no such guest VS; FAILURE_UNKNOWN: no shared page, or a field out of range; FAILURE_BUSY", \
	  "Replaces all events that wait.")                                                        \
	X(VS, vs, 0x43, GPRS_GET, gprs_get, OURS, YES, "REG1 15:0: VSID", "shared page: mv_gprs_t", \
	  "INVALID_INPUT_REG1: no such guest VS; FAILURE_UNKNOWN: no shared page; FAILURE_BUSY", "Reads the general registers, RIP and RFLAGS.") \
	X(VS, vs, 0x44, GPRS_SET, gprs_set, OURS, YES, "REG1 15:0: VSID; shared page: mv_gprs_t", "", \
	  "INVALID_INPUT_REG1: no such guest VS; FAILURE_UNKNOWN: no shared page; FAILURE_BUSY", "Writes them all.") \
	X(VS, vs, 0x45, SREGS_GET, sregs_get, OURS, YES, "REG1 15:0: VSID", "shared page: mv_sregs_t", \
	  "INVALID_INPUT_REG1: no such guest VS; FAILURE_UNKNOWN: no shared page; FAILURE_BUSY", "Reads segments, descriptor tables and control registers.") \
	X(VS, vs, 0x46, SREGS_SET, sregs_set, OURS, YES, "REG1 15:0: VSID; shared page: mv_sregs_t", "", \
	  "INVALID_INPUT_REG1: no such guest VS; FAILURE_UNKNOWN: no shared page, or a register with reserved bits; FAILURE_BUSY", \
	  "Writes them all, or none.") \
	X(VS, vs, 0x50, TSC_OFFSET_SET, tsc_offset_set, OURS, YES, "REG1 15:0: VSID; REG2: its TSC minus the PP's", "", \
	  "INVALID_INPUT_REG1: no such guest VS; FAILURE_BUSY", "Sets the VS's TSC.") \
	X(VS, vs, 0x51, CLOCK_PAUSED, clock_paused, OURS, YES, "REG1 15:0: VSID", "",              \
	  "INVALID_INPUT_REG1: no such guest VS; FAILURE_UNKNOWN: the VS doesn't use its kvmclock; FAILURE_BUSY", \
	  "Tells the VS at its next entry, by its kvmclock, that it was stopped for a while.") \
	X(VS, vs, 0x60, STATS_GET, stats_get, OURS, YES, "REG1 15:0: VSID or MV_SELF_ID", "shared page: mv_stats_t", \
	  "INVALID_INPUT_REG1: no such VS; FAILURE_UNKNOWN: no shared page",                       \
	  "Returns what was counted for a VS, of a guest or of the root VM, whether it runs or not.")

#define MV_HYPERCALLS(X)                                                                           \
	MV_HC_ID(X) MV_HC_HANDLE(X) MV_HC_DEBUG(X) MV_HC_PP(X) MV_HC_VM(X) MV_HC_VP(X) MV_HC_VS(X)

/* MV_VS_OP_RUN_IDX_VAL and so on. */
#define MV_IDX_ENUM(GROUP, group, idx, NAME, ...) MV_##GROUP##_OP_##NAME##_IDX_VAL = idx,
enum mv_idx { MV_HYPERCALLS(MV_IDX_ENUM) };
#undef MV_IDX_ENUM

/* OURS: the TSCs of all PPs are one clock that never stops: REG2 of mv_pp_op_tsc_set_khz. */
#define MV_TSC_STABLE 0x1ULL
/* OURS: the clock is the same function of the TSC on all VPs: REG1 of mv_vm_op_clock_get. */
#define MV_CLOCK_STABLE 0x1ULL

/* Registers (spec 1.4.1.1). Segment attributes (the specification doesn't give their format):
 * bits 40-55 of a descriptor: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15. */
#define MV_REGS(X)                                                                                 \
	X(rax, 1) X(rbx, 2) X(rcx, 3) X(rdx, 4) X(rbp, 5) X(rsi, 6) X(rdi, 7) X(r8, 8) X(r9, 9)    \
	X(r10, 10) X(r11, 11) X(r12, 12) X(r13, 13) X(r14, 14) X(r15, 15) X(rsp, 16) X(rip, 17)    \
	X(rflags, 18)                                                                              \
	X(es_selector, 19) X(es_attrib, 20) X(es_limit, 21) X(es_base, 22)                         \
	X(cs_selector, 23) X(cs_attrib, 24) X(cs_limit, 25) X(cs_base, 26)                         \
	X(ss_selector, 27) X(ss_attrib, 28) X(ss_limit, 29) X(ss_base, 30)                         \
	X(ds_selector, 31) X(ds_attrib, 32) X(ds_limit, 33) X(ds_base, 34)                         \
	X(fs_selector, 35) X(fs_attrib, 36) X(fs_limit, 37) X(fs_base, 38)                         \
	X(gs_selector, 39) X(gs_attrib, 40) X(gs_limit, 41) X(gs_base, 42)                         \
	X(ldtr_selector, 43) X(ldtr_attrib, 44) X(ldtr_limit, 45) X(ldtr_base, 46)                 \
	X(tr_selector, 47) X(tr_attrib, 48) X(tr_limit, 49) X(tr_base, 50)                         \
	X(gdtr_selector, 51) X(gdtr_attrib, 52) X(gdtr_limit, 53) X(gdtr_base, 54)                 \
	X(idtr_selector, 55) X(idtr_attrib, 56) X(idtr_limit, 57) X(idtr_base, 58)                 \
	X(dr0, 59) X(dr1, 60) X(dr2, 61) X(dr3, 62) X(dr6, 63) X(dr7, 64)                          \
	X(cr0, 65) X(cr2, 66) X(cr3, 67) X(cr4, 68) X(cr8, 69) X(xcr0, 70)

#define MV_REG_ENUM(name, val) mv_reg_t_##name = val,
enum mv_reg_t { mv_reg_t_unsupported = 0, MV_REGS(MV_REG_ENUM) };
#undef MV_REG_ENUM
#define MV_REG_MAX 70

enum mv_bit_size_t {
	mv_bit_size_t_8 = 0,
	mv_bit_size_t_16 = 1,
	mv_bit_size_t_32 = 2,
	mv_bit_size_t_64 = 3,
};

#define MV_PERM_READ (1ULL << 0)
#define MV_PERM_WRITE (1ULL << 1)

enum mv_mp_state_t {
	mv_mp_state_t_initial = 0,
	mv_mp_state_t_running = 1,
	mv_mp_state_t_wait = 2,
	mv_mp_state_t_init = 3,
	mv_mp_state_t_sipi = 4,
};

/* Map flags (spec 1.4.9). */
#define MV_MAP_FLAG_READ_ACCESS (1ULL << 0)
#define MV_MAP_FLAG_WRITE_ACCESS (1ULL << 1)
#define MV_MAP_FLAG_EXECUTE_ACCESS (1ULL << 2)
#define MV_MAP_FLAG_USER (1ULL << 3)
#define MV_MAP_FLAG_4K_PAGE (1ULL << 9)
#define MV_MAP_FLAG_2M_PAGE (1ULL << 10)
#define MV_MAP_FLAG_1G_PAGE (1ULL << 11)
#define MV_MAP_FLAG_UNCACHEABLE (1ULL << 57)
#define MV_MAP_FLAG_UNCACHEABLE_MINUS (1ULL << 58)
#define MV_MAP_FLAG_WRITE_COMBINING (1ULL << 59)
#define MV_MAP_FLAG_WRITE_COMBINING_PLUS (1ULL << 60)
#define MV_MAP_FLAG_WRITE_THROUGH (1ULL << 61)
#define MV_MAP_FLAG_WRITE_BACK (1ULL << 62)
#define MV_MAP_FLAG_WRITE_PROTECTED (1ULL << 63)
/* OURS: what mmio_map takes; all other bits must be 0. */
#define MV_MAP_FLAGS_SUPPORTED                                                                     \
	(MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_WRITE_ACCESS | MV_MAP_FLAG_EXECUTE_ACCESS |         \
	 MV_MAP_FLAG_USER | MV_MAP_FLAG_WRITE_BACK)

/* Register descriptor list (spec 1.4.5): registers (mv_reg_t) or MSRs with their values. */
#define MV_RDL_MAX_ENTRIES 250U
#define MV_RDL_FLAG_ALL 0x1ULL

struct mv_rdl_entry_t {
	mv_u64 reg;
	mv_u64 val;
};
MV_ABI_SIZE(struct mv_rdl_entry_t, 16);

struct mv_rdl_t {
	mv_u64 reg0, reg1, reg2, reg3, reg4, reg5, reg6, reg7;
	mv_u64 reserved1, reserved2, reserved3;
	mv_u64 num_entries;
	struct mv_rdl_entry_t entries[MV_RDL_MAX_ENTRIES];
};
MV_ABI_OFFSET(struct mv_rdl_t, num_entries, 0x58);
MV_ABI_OFFSET(struct mv_rdl_t, entries, 0x60);
MV_ABI_SIZE(struct mv_rdl_t, 0x1000);

/* Memory descriptor list (spec 1.4.6): dst, src are GPAs, bytes a multiple of a page. */
#define MV_MDL_MAX_ENTRIES 125U

struct mv_mdl_entry_t {
	mv_u64 dst;
	mv_u64 src;
	mv_u64 bytes;
	mv_u64 flags;
};
MV_ABI_SIZE(struct mv_mdl_entry_t, 32);

struct mv_mdl_t {
	mv_u64 reg0, reg1, reg2, reg3, reg4, reg5, reg6, reg7;
	mv_u64 reserved1, reserved2, reserved3;
	mv_u64 num_entries;
	struct mv_mdl_entry_t entries[MV_MDL_MAX_ENTRIES];
};
MV_ABI_OFFSET(struct mv_mdl_t, num_entries, 0x58);
MV_ABI_OFFSET(struct mv_mdl_t, entries, 0x60);
MV_ABI_SIZE(struct mv_mdl_t, 0x1000);

/* OURS: what a page of mv_vm_op_dirty_log covers. */
#define MV_DIRTY_LOG_WORDS (MV_PAGE_SIZE / 8)
#define MV_DIRTY_LOG_MAX_BYTES (MV_DIRTY_LOG_WORDS * 64 * MV_PAGE_SIZE)

/* CPUID descriptor list (spec 1.4.7). */
#define MV_CDL_MAX_ENTRIES 125U
#define MV_CDL_VS_MAX 256U /* OURS: most leaves of a VS, as many as KVM takes */
#define MV_CDL_FLAG_ALL 0x1ULL /* OURS: in reg0 of a list */
/* OURS, in flags of an entry: it is for this idx only. Other bits are kept as they are. */
#define MV_CDL_ENTRY_FLAG_INDEX 0x1U

struct mv_cdl_entry_t {
	mv_u32 fun, idx, flags;
	mv_u32 eax, ebx, ecx, edx;
	mv_u32 reserved;
};
MV_ABI_SIZE(struct mv_cdl_entry_t, 32);

struct mv_cdl_t {
	mv_u64 reg0, reg1, reg2, reg3, reg4, reg5, reg6, reg7;
	mv_u64 reserved1, reserved2, reserved3;
	mv_u64 num_entries;
	struct mv_cdl_entry_t entries[MV_CDL_MAX_ENTRIES];
};
MV_ABI_OFFSET(struct mv_cdl_t, entries, 0x60);
MV_ABI_SIZE(struct mv_cdl_t, 0x1000);

/* Input of mv_vs_op_run (spec 2.15.9): registers and MSRs to write first; reg 0 = no entry. */
#define MV_RUN_MAX_REGS 10U
#define MV_RUN_MAX_MSRS 10U
/* OURS: complete the last exit's I/O and return with mv_exit_reason_t_interrupt at once. */
#define MV_RUN_FLAG_COMPLETE_ONLY 0x1ULL
/* OURS: return with mv_exit_reason_t_window as soon as the guest can take an interrupt. */
#define MV_RUN_FLAG_WINDOW 0x2ULL
/*
 * OURS: what the guest's RDMSR and WRMSR do: with MSR_ALL each of them returns with
 * mv_exit_reason_t_msr before it is done, with MSR_REFUSED those that would give #GP.
 */
#define MV_RUN_FLAG_MSR_ALL 0x4ULL
#define MV_RUN_FLAG_MSR_REFUSED 0x8ULL
/* OURS: how the one is completed that the last exit left: as MicroV does it, or by #GP. Without
 * them a WRMSR is done, and a RDMSR gets its value from `in`. */
#define MV_RUN_FLAG_MSR_EXECUTE 0x10ULL
#define MV_RUN_FLAG_MSR_FAULT 0x20ULL
/* OURS: where the guest is to differ from KVM's defaults (KVM_ENABLE_CAP). */
#define MV_RUN_FLAG_NO_PLATFORM_INFO 0x40ULL /* RDMSR of PLATFORM_INFO gives #GP */
#define MV_RUN_FLAG_MWAIT_UD 0x80ULL /* MONITOR and MWAIT give #UD unless its CPUID has them */
#define MV_RUN_FLAG_MWAIT_MISC 0x100ULL /* MISC_ENABLE bit 18 turns MWAIT on and off in CPUID */
#define MV_RUN_FLAG_OUT_7E 0x200ULL /* RIP waits at an OUT to port 7Eh as at any other */
#define MV_RUN_FLAG_PV_CPUID 0x400ULL /* KVM's own MSRs only as its CPUID has them */
#define MV_RUN_FLAG_VMCALL_UD 0x800ULL /* VMCALL gives #UD, and isn't made a VMMCALL */
#define MV_RUN_FLAG_NO_LISTS 0x1000ULL /* reg and msr aren't filled in: nothing is to be written */
/*
 * OURS: memory that comes when it is needed. With ASK, before an access at a page that isn't
 * mapped counts as a device's, the run returns with mv_exit_reason_t_mmio and MV_EXIT_MMIO_ASK.
 * The next run begins that access over; with NO_MEMORY it is a device's, as all such accesses
 * of this VS to that page from then on, until a run has FORGET.
 */
#define MV_RUN_FLAG_ASK 0x2000ULL
#define MV_RUN_FLAG_NO_MEMORY 0x4000ULL
#define MV_RUN_FLAG_FORGET 0x8000ULL
#define MV_RUN_FLAGS_ALL 0xFFFFULL

struct mv_run_t {
	struct mv_rdl_entry_t reg[MV_RUN_MAX_REGS];
	struct mv_rdl_entry_t msr[MV_RUN_MAX_MSRS];
	mv_u64 flags; /* OURS: MV_RUN_FLAG_* */
	/* OURS: the bytes that complete the IN, INS, MMIO read or RDMSR of the last exit. in_bytes is
	 * reps * size of that exit (see also mv_exit_mmio_t), or 0 when nothing waits; anything
	 * else is FAILURE_UNKNOWN. */
	mv_u64 in_bytes;
	mv_u8 in[0x400];
	mv_u8 reserved[0xAB0];
};
MV_ABI_OFFSET(struct mv_run_t, msr, 0xA0);
MV_ABI_OFFSET(struct mv_run_t, flags, 0x140);
MV_ABI_OFFSET(struct mv_run_t, in_bytes, 0x148);
MV_ABI_OFFSET(struct mv_run_t, in, 0x150);
MV_ABI_SIZE(struct mv_run_t, 0x1000);

/* OURS: REG3 of mv_vs_op_queue_interrupt: deliver it at the next entry, interrupts off or not. */
#define MV_INTERRUPT_NOW 0x1ULL

/*
 * OURS: events of a VS. What has begun to be delivered when an exit interrupted it counts as
 * waiting. Flags are 0 or 1.
 */
struct mv_events_t {
	mv_u8 exception; /* an exception waits */
	mv_u8 exception_vector; /* 0 to 31, not 2 */
	mv_u8 exception_has_error;
	mv_u8 shadow; /* STI or MOV SS holds interrupts off for one instruction */
	mv_u32 exception_error;
	mv_u8 interrupt; /* an external interrupt waits */
	mv_u8 interrupt_vector;
	mv_u8 nmi; /* an NMI is delivered at the next entry */
	mv_u8 nmi_pending; /* how many wait besides: 0 to 2 */
	mv_u8 nmi_masked; /* NMIs are held off until IRET */
	mv_u8 reserved[0xFF3];
};
MV_ABI_OFFSET(struct mv_events_t, interrupt, 8);
MV_ABI_SIZE(struct mv_events_t, 0x1000);

/* OURS: registers of a VS in one piece; as mv_reg_t and the MSRs have them one by one. */
struct mv_gprs_t {
	mv_u64 rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp;
	mv_u64 r8, r9, r10, r11, r12, r13, r14, r15;
	mv_u64 rip, rflags;
};
MV_ABI_OFFSET(struct mv_gprs_t, rip, 0x80);
MV_ABI_SIZE(struct mv_gprs_t, 0x90);

struct mv_segment_t {
	mv_u16 selector, attrib;
	mv_u32 limit;
	mv_u64 base;
};
MV_ABI_SIZE(struct mv_segment_t, 16);

struct mv_sregs_t {
	struct mv_segment_t es, cs, ss, ds, fs, gs, ldtr, tr;
	struct mv_segment_t gdtr, idtr; /* limit and base only */
	mv_u64 cr0, cr2, cr3, cr4, cr8, efer;
	mv_u64 apic_base;
	mv_u8 interrupt, interrupt_vector; /* as in mv_events_t; output */
	mv_u8 reserved[6];
};
MV_ABI_OFFSET(struct mv_sregs_t, cr0, 0xA0);
MV_ABI_OFFSET(struct mv_sregs_t, interrupt, 0xD8);
MV_ABI_SIZE(struct mv_sregs_t, 0xE0);

/*
 * FPU state: XSAVE's standard (not compacted) format, in its 64-bit form; the components from
 * AVX on lie where CPUID 0xD says.
 */
struct mv_xsave_t {
	mv_u16 fcw, fsw;
	mv_u8 ftw; /* a bit for each register that isn't empty */
	mv_u8 reserved0;
	mv_u16 fop;
	mv_u64 fip, fdp;
	mv_u32 mxcsr, mxcsr_mask;
	mv_u8 st[8][16];
	mv_u8 xmm[16][16];
	mv_u8 unused[96];
	mv_u64 xstate_bv; /* the components that are there: bits as in XCR0 */
	mv_u64 xcomp_bv;  /* 0 */
	mv_u64 reserved1[6];
	mv_u8 extended[0xDC0];
};
MV_ABI_OFFSET(struct mv_xsave_t, mxcsr, 0x18);
MV_ABI_OFFSET(struct mv_xsave_t, xmm, 0xA0);
MV_ABI_OFFSET(struct mv_xsave_t, xstate_bv, 0x200);
MV_ABI_OFFSET(struct mv_xsave_t, extended, 0x240);
MV_ABI_SIZE(struct mv_xsave_t, 0x1000);

/* Output REG0 of mv_vs_op_run. */
enum mv_exit_reason_t {
	mv_exit_reason_t_failure = 0,
	mv_exit_reason_t_unknown = 1,
	mv_exit_reason_t_hlt = 2,
	mv_exit_reason_t_io = 3,
	mv_exit_reason_t_mmio = 4,
	mv_exit_reason_t_msr = 5,
	mv_exit_reason_t_interrupt = 6,
	mv_exit_reason_t_nmi = 7,
	mv_exit_reason_t_window = 0x100, /* OURS: see MV_RUN_FLAG_WINDOW */
	mv_exit_reason_t_set_tpr = 0x101, /* OURS: the guest has lowered CR8 */
};

/* With EXIT_FAILURE: OURS, why the CPU refused the guest's state. */
struct mv_exit_failure_t {
	mv_u64 hardware_reason; /* raw exit code of the CPU, zero-extended */
	mv_u8 reserved[0xFF8];
};
MV_ABI_SIZE(struct mv_exit_failure_t, 0x1000);

/* With EXIT_UNKNOWN: on AMD info0 = EXITCODE, info1 = EXITINFO1, info2 = EXITINFO2, info3 = RIP. */
struct mv_exit_unknown_t {
	mv_u64 info0, info1, info2, info3;
	mv_u8 reserved[0xFE0];
};
MV_ABI_SIZE(struct mv_exit_unknown_t, 0x1000);

enum mv_hlt_t {
	mv_hlt_t_shutdown = 0,
	mv_hlt_t_reset = 1,
	mv_hlt_t_vm_crash = 2,
	mv_hlt_t_microv_crash = 3,
	mv_hlt_t_wait = 4, /* OURS: the guest executed HLT; RIP is behind it */
};

struct mv_exit_hlt_t {
	mv_u64 reason; /* mv_hlt_t */
	mv_u8 reserved[0xFF8];
};
MV_ABI_SIZE(struct mv_exit_hlt_t, 0x1000);

#define MV_EXIT_IO_IN 0x0ULL
#define MV_EXIT_IO_OUT 0x1ULL
/* OURS: INS or OUTS: the data is in, or goes to, memory and not RAX. */
#define MV_EXIT_IO_STRING 0x2ULL

/*
 * An IN, OUT, INS or OUTS. RIP stays at an IN, OUT or INS until the next mv_vs_op_run completes
 * it (writes the data and moves RIP on, unless somebody moved RIP meanwhile). OUTS is complete,
 * one element at a time.
 */
struct mv_exit_io_t {
	mv_u64 addr; /* port */
	mv_u64 data; /* OUT: the value; else 0 */
	mv_u64 reps; /* how many elements user space must serve now: 1 or more */
	mv_u64 type; /* MV_EXIT_IO_* */
	mv_u8 size;  /* mv_bit_size_t */
	mv_u8 reserved0[7];
	mv_u8 out[0x400]; /* OURS: OUTS: the reps * size bytes that the guest writes */
	mv_u8 reserved[0xBD8];
};
MV_ABI_OFFSET(struct mv_exit_io_t, size, 0x20);
MV_ABI_OFFSET(struct mv_exit_io_t, out, 0x28);
MV_ABI_SIZE(struct mv_exit_io_t, 0x1000);
/* OURS: most bytes that one exit moves. */
#define MV_EXIT_IO_MAX_BYTES 0x400U

/*
 * OURS: what user space must know of the VS after every exit, at the end of the shared page
 * whenever mv_vs_op_run gives an exit reason.
 */
#define MV_EXIT_STATE_OFFSET 0xFC0U
#define MV_EXIT_STATE_SHADOW 0x1ULL /* STI or MOV SS holds interrupts off for one instruction */
#define MV_EXIT_STATE_EVENT 0x2ULL /* an event waits: it comes before any other interrupt */

struct mv_exit_state_t {
	mv_u64 rflags;
	mv_u64 cr8;
	mv_u64 apic_base;
	mv_u64 flags; /* MV_EXIT_STATE_* */
	mv_u8 reserved[32];
};
MV_ABI_SIZE(struct mv_exit_state_t, MV_PAGE_SIZE - MV_EXIT_STATE_OFFSET);

#define MV_EXIT_MMIO_READ 0x1ULL
#define MV_EXIT_MMIO_WRITE 0x2ULL
#define MV_EXIT_MMIO_EXECUTE 0x4ULL
/* OURS: see MV_RUN_FLAG_ASK; size is 0, gpa may be the page's. KEEP: the data that this run was
 * given isn't used yet, the next run is to give it again. */
#define MV_EXIT_MMIO_ASK 0x8ULL
#define MV_EXIT_MMIO_KEEP 0x10ULL

/*
 * OURS: an instruction's access of `size` bytes that user space must serve. A write is one of
 * an instruction that is complete: RIP is behind it. A read is completed by the next
 * mv_vs_op_run, whose `in` has the data (in_bytes = size); with in_bytes = 0 the instruction
 * starts over. size 0: this access can't be emulated; RIP stays at the instruction, and reg has
 * the registers: nobody else needs them.
 */
struct mv_exit_mmio_t {
	mv_u64 gpa;
	mv_u64 flags;
	mv_u64 reserved0, reserved1;
	mv_u64 reg[32];
	mv_u64 size;	  /* OURS: bytes, 1 to 8; 0: not emulated */
	mv_u64 data;	  /* OURS: what is written */
	mv_u8 insn_bytes; /* OURS: how many of insn[] are known */
	mv_u8 insn[15];	  /* OURS: with size 0: the instruction, as far as it could be read */
	mv_u8 reserved[0xEC0];
};
MV_ABI_OFFSET(struct mv_exit_mmio_t, reg, 0x20);
MV_ABI_OFFSET(struct mv_exit_mmio_t, size, 0x120);
MV_ABI_SIZE(struct mv_exit_mmio_t, 0x1000);

#define MV_EXIT_MSR_READ 0x1ULL
#define MV_EXIT_MSR_WRITE 0x2ULL
/* OURS: MicroV refused it: this value, or there is no such MSR for the guest. */
#define MV_EXIT_MSR_REFUSED 0x4ULL
#define MV_EXIT_MSR_UNKNOWN 0x8ULL

/* OURS: RIP stays at the instruction until the next mv_vs_op_run completes it. */

struct mv_exit_msr_t {
	struct mv_rdl_entry_t msr;
	mv_u64 flags;
	mv_u8 reserved[0xFE8];
};
MV_ABI_SIZE(struct mv_exit_msr_t, 0x1000);

/* OURS: why a VS has left the CPU: X(number, name). */
#define MV_STATS_EXITS(X)                                                                          \
	X(0, none) X(1, hypercall) X(2, cpuid) X(3, hlt) X(4, io) X(5, msr) X(6, mem) X(7, intr)   \
	X(8, nmi) X(9, shutdown) X(10, invalid) X(11, exception) X(12, virt) X(13, xsetbv)         \
	X(14, rdpmc) X(15, invd) X(16, wbinvd) X(17, monitor) X(18, mwait) X(19, rsm) X(20, mce)   \
	X(21, unknown) X(22, window) X(23, iret) X(24, cr)

#define MV_STATS_EXITS_ENUM(nr, name) MV_STATS_EXIT_##name = nr,
enum mv_stats_exit { MV_STATS_EXITS(MV_STATS_EXITS_ENUM) MV_STATS_EXIT_COUNT };
#undef MV_STATS_EXITS_ENUM

#define MV_STATS_MAX_EXITS 64U

/* OURS: counters of a VS since it was made. Ticks are of the TSCs of the PPs. */
struct mv_stats_t {
	mv_u64 entries;	    /* world switches into the VS */
	mv_u64 switches;    /* of a VS of the root VM: world switches into any VS on its PP */
	mv_u64 age;	    /* ticks since it was made */
	mv_u64 run_ticks;   /* of these in mv_vs_op_run */
	mv_u64 guest_ticks; /* of these in the guest, with the world switches */
	mv_u64 interrupts, nmis, exceptions; /* delivered */
	mv_u64 emulated;    /* instructions */
	mv_u64 reserved0[23];
	mv_u64 exits[MV_STATS_MAX_EXITS]; /* by mv_stats_exit */
	mv_u8 reserved1[0xD00];
};
MV_ABI_OFFSET(struct mv_stats_t, emulated, 0x40);
MV_ABI_OFFSET(struct mv_stats_t, exits, 0x100);
MV_ABI_SIZE(struct mv_stats_t, 0x1000);

#endif /* MV_ABI_H */
