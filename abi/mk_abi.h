/* SPDX-License-Identifier: MIT */
/*
 * The ABI between the microkernel (ring 0) and MicroV (ring 3): system calls, the
 * address space that ring 3 sees, the state page of each VS and the neutral exit
 * record in it.  Nothing here names a CPU vendor; ring 3 never sees a VMCB or VMCS.
 */
#ifndef MK_ABI_H
#define MK_ABI_H

#include "mv_abi.h"

/*
 * Ring 3's address space. Everything not listed is not mapped.
 *   image   MicroV's ELF file, linked at MK_U_IMAGE, below MK_U_IMAGE_END: text r-x, rodata r--,
 *           data and bss rw-
 *   state   page n is the state page of VS n (rw-), there while the VS exists
 *   own     MK_OWN_BYTES at n * MK_OWN_BYTES are MicroV's own for VS n (rw-), there while the VS
 *           exists, zeroed at first
 *   stack   this CPU's stack (rw-), MK_U_STACK_SIZE bytes below MK_U_STACK_TOP, a hole below it
 *   shared  this CPU's shared page in root memory (rw-), while one is set (mk_shared_set)
 *   window  guest-physical memory of the VM opened with mk_window_open, with the rights that
 *           the guest has, never executable; a fault there is reported to mk_window_fixup's
 */
#define MK_U_IMAGE 0x0000000000400000ULL
#define MK_U_IMAGE_END 0x0000000001000000ULL
#define MK_U_STATE 0x0000100000000000ULL
#define MK_U_OWN 0x0000180000000000ULL
#define MK_OWN_BYTES 0x2000ULL
#define MK_U_STACK_TOP 0x0000200000100000ULL
#define MK_U_STACK_SIZE 0x8000ULL
#define MK_U_SHARED 0x0000200000200000ULL
#define MK_U_WINDOW 0x0000400000000000ULL
/* Guest-physical addresses end here: what the window can show. */
#define MK_GPA_END 0x0000400000000000ULL

/*
 * VS IDs: root VS of CPU n is MK_ROOT_VS(n) = n. Guest VSs are MK_GUEST_VS_FIRST up to
 * MK_VS_MAX - 1, chosen by MicroV. Space IDs are VMIDs: 0 is the root VM's.
 */
#define MK_ROOT_VS(cpu) (cpu)
#define MK_GUEST_VS_FIRST MV_MAX_PPS
#define MK_VS_MAX (MV_MAX_PPS + MV_MAX_VSS)

/* Results: 0 or more, or minus one of these (Linux's numbers). */
#define MK_EPERM 1   /* not the caller's to give: foreign or hypervisor memory */
#define MK_ENOENT 2  /* no such space, VS or mapping */
#define MK_EAGAIN 11 /* other CPUs must leave the VM first: call again later, same arguments */
#define MK_ENOMEM 12 /* the space's pool is short; nothing was changed */
#define MK_EFAULT 14 /* address not in ring 3's image or window */
#define MK_EBUSY 16  /* in use, or runs on another CPU */
#define MK_EEXIST 17 /* ID or mapping is there already */
#define MK_EINVAL 22 /* argument out of range or misaligned */
#define MK_ENOSYS 38 /* no such system call */

/*
 * System calls: SYSCALL with RAX = number, RDI, RSI, RDX, R10, R8 = arguments; RAX = result;
 * RDX, RCX, RSI, RDI and R8 to R11 are lost, with VS_RUN all but RSP.  X(number, NAME, name, arguments, doc)
 */
#define MK_SYSCALLS(X)                                                                             \
	X(0, VS_RUN, vs_run, "vsid",                                                               \
	  "Commits the dirty groups of the state page, runs the VS until it exits and fills the exit record. "   \
	  "A root VS only on its own CPU. EINVAL: the state page asks for what a VS can't have.")  \
	X(1, VS_CREATE, vs_create, "vsid, space",                                                  \
	  "Creates a guest VS from the space's pool (MK_VS_PAGES) with a zeroed state page; all groups are valid. ENOMEM, EEXIST, ENOENT.")                              \
	X(2, VS_DESTROY, vs_destroy, "vsid",                                                       \
	  "Destroys a guest VS; its ID is free again with result 0. EAGAIN until every CPU forgot the state page; EBUSY while it runs, or the CPU that it ran on last still holds its FPU state (until that runs root).")   \
	X(3, VS_FETCH, vs_fetch, "vsid, groups",                                                   \
	  "Brings groups (MK_G_*) of the state page up to date that are neither valid nor dirty.") \
	X(4, SPACE_CREATE, space_create, "space", "Creates the address space of a guest VM, with an empty pool. EEXIST, EINVAL.")                                  \
	X(5, SPACE_DESTROY, space_destroy, "space",                                                \
	  "Unmaps everything, gives the pool's pages back to root, zeroed. EBUSY: has a VS. EAGAIN.")                                               \
	X(6, SPACE_MAP, space_map, "space, gpa, spa, bytes, MV_MAP_FLAG_*",                        \
	  "Maps root RAM into a guest with the largest pages possible. EPERM: not root's RAM. EEXIST. ENOMEM.")                            \
	X(7, SPACE_UNMAP, space_unmap, "space, gpa, bytes",                                        \
	  "Unmaps; all of the range must be mapped (ENOENT). ENOMEM: a large page must be split. The pages may be in a CPU's TLB until space_quiesce gives 0.")     \
	X(8, SPACE_QUIESCE, space_quiesce, "space",                                                \
	  "0 when no CPU can use a mapping any more that was removed from the space, or told as dirty, before this space's last unmap, donation or space_dirty; EAGAIN.") \
	X(9, SPACE_DONATE, space_donate, "space, spa, bytes",                                      \
	  "Takes pages of RAM from root for the space's pool; usable once space_quiesce(space 0) gives 0. EPERM: not root's, or lent to a guest.")  \
	X(10, SPACE_NEED, space_need, "space, gpa, spa, bytes, after",                             \
	  "How many pages of the pool mapping this range would take (spa = ~0: unmapping it). Tables that also cover "      \
	  "gpa `after` - 1 don't count (after = 0: all count): so a list in ascending order of gpa is summed exactly. Refuses what the change itself would: EPERM, EEXIST, ENOENT. gpa = ~0: only asks whether spa could be donated.") \
	X(11, SHARED_SET, shared_set, "spa or ~0", "Shows a page of root RAM at MK_U_SHARED on this CPU, or nothing (~0). EPERM, EBUSY: one is set.")                 \
	X(12, WINDOW_OPEN, window_open, "space",                                                   \
	  "Shows the guest memory of a space at MK_U_WINDOW on this CPU, until vs_run of another guest space or any call that joins a newer epoch (vs_run, space_quiesce, ...).")                   \
	X(13, WINDOW_FIXUP, window_fixup, "start, end, fixup",                                     \
	  "A fault in the window by an instruction in [start, end) of MicroV's image continues at `fixup`. Once per launch.")     \
	X(14, LOG, log, "pointer, length", "Appends text to the log (1 KiB at most). The memory must be in the image or stack.")           \
	X(15, LOG_READ, log_read, "position, pointer, length",                                     \
	  "Copies log text from a position on (bytes since launch) to the image, stack or shared page; returns how many bytes. RDX = the position that was read from: the oldest byte there is if the wanted one is gone.") \
	X(16, CPU_STOP, cpu_stop, "",                                                              \
	  "Takes the root VM off this CPU: Linux goes on natively behind the hypercall that it is in. Never returns.") \
	X(17, SPACE_FREE, space_free, "space",                                                     \
	  "How many pages of the space's pool are free; those donated or freed count once every CPU has left its VM since.")                 \
	X(18, VS_FPU, vs_fpu, "vsid, pointer, set",                                                \
	  "Copies the FPU state of a guest VS, a page in XSAVE's standard format (without XSAVE: FXSAVE's and zeros), to (set = 0) or from (set = 1) the image, stack or shared page. "  \
	  "EINVAL: what XRSTOR would refuse: a component that the CPU hasn't or that isn't x87, SSE, AVX, AVX-512 or PKRU, reserved bits of the header or MXCSR.") \
	X(19, SPACE_DIRTY, space_dirty, "space, gpa, bytes, pointer",                              \
	  "Writes to the image, stack or shared page which pages of the range were written, by the guest or in the window, since they were mapped or asked for last: bit n of the 64-bit word w "  \
	  "is page gpa / 4096 / 64 * 64 + 64 w + n. Large pages are split before (all of a written one counts as written). ENOMEM: no table for that; nothing changed. "  \
	  "Until space_quiesce gives 0 a page that is told may be written without being told again.")

#define MK_SYS_ENUM(nr, NAME, ...) MK_SYS_##NAME = nr,
enum mk_sys { MK_SYSCALLS(MK_SYS_ENUM) MK_SYS_COUNT };
#undef MK_SYS_ENUM

/* Pages that a VS takes from its space's pool at most (itself, VMCB, state, FPU, MicroV's own). */
#define MK_VS_PAGES 7U

/*
 * How ring 3 starts, on every CPU and again after a fault in ring 3: at the ELF entry, on this
 * CPU's empty stack, with RDI = CPU and RSI = enum mk_start. It never returns.
 */
enum mk_start {
	MK_START_LAUNCH = 0, /* the CPU has just been put into the root VM */
	MK_START_FAULT = 1,  /* MicroV faulted on this CPU; the log has the registers */
};

/* Groups of the state page: which MicroV changed (dirty), which hold the VS's state (valid). */
#define MK_G_GPR (1U << 0)  /* gpr, rip, rflags: always valid, need no dirty bit */
#define MK_G_CR (1U << 1)   /* cr0 cr2 cr3 cr4 cr8 efer: valid after every exit of a guest */
#define MK_G_SEG (1U << 2)  /* seg[] */
#define MK_G_TABLE (1U << 3) /* gdtr idtr */
#define MK_G_DR (1U << 4)   /* dr0-3 dr6 dr7 */
#define MK_G_MSR (1U << 5)  /* star .. tsc_aux */
#define MK_G_XCR (1U << 6)  /* xcr0 */
#define MK_G_TSC (1U << 7)  /* tsc_offset */
#define MK_G_ALL 0xFFU
#define MK_G_RAW (1U << 8)  /* exit.raw: of no use but to be fetched, so not one of all */

/* Index of a register in gpr[]: the CPU's own encoding. */
enum mk_gpr {
	MK_RAX, MK_RCX, MK_RDX, MK_RBX, MK_RSP, MK_RBP, MK_RSI, MK_RDI,
	MK_R8, MK_R9, MK_R10, MK_R11, MK_R12, MK_R13, MK_R14, MK_R15,
};

enum mk_seg_idx { MK_ES, MK_CS, MK_SS, MK_DS, MK_FS, MK_GS, MK_LDTR, MK_TR, MK_SEGS };

/* A segment register; attrib as in mv_abi.h (bits 40-55 of a descriptor). */
struct mk_seg {
	mv_u16 selector;
	mv_u16 attrib;
	mv_u32 limit;
	mv_u64 base;
};
MV_ABI_SIZE(struct mk_seg, 16);

#define MK_ATTR_TYPE 0x000FU
#define MK_ATTR_S 0x0010U
#define MK_ATTR_DPL 0x0060U
#define MK_ATTR_P 0x0080U
#define MK_ATTR_AVL 0x1000U
#define MK_ATTR_L 0x2000U
#define MK_ATTR_DB 0x4000U
#define MK_ATTR_G 0x8000U
#define MK_ATTR_ALL 0xF0FFU

/* An event to inject at the next entry, or one whose delivery the exit interrupted. */
enum mk_event_type { MK_EVENT_NONE = 0, MK_EVENT_INTR, MK_EVENT_NMI, MK_EVENT_EXCEPTION, MK_EVENT_SOFT };

struct mk_event {
	mv_u8 type; /* enum mk_event_type */
	mv_u8 vector;
	mv_u8 has_error;
	mv_u8 reserved;
	mv_u32 error;
};
MV_ABI_SIZE(struct mk_event, 8);

/* Why a VS exited: X(number, NAME, which members of struct mk_exit mean something) */
#define MK_EXITS(X)                                                                                \
	X(0, NONE, "")                                                                             \
	X(1, HYPERCALL, "VMMCALL; cpl, long_mode, len")                                            \
	X(2, CPUID, "len")                                                                         \
	X(3, HLT, "len")                                                                           \
	X(4, IO, "io, next_rip")                                                                   \
	X(5, MSR, "write, len; index and value in rcx, rax, rdx")                                  \
	X(6, MEM, "mem: access to guest-physical memory that isn't mapped so")                     \
	X(7, INTR, "an interrupt (SMI, INIT) for root is pending")                                             \
	X(8, NMI, "an NMI for root is pending")                                                    \
	X(9, SHUTDOWN, "triple fault")                                                             \
	X(10, INVALID, "the CPU refused the state; raw")                                           \
	X(11, EXCEPTION, "event: the exception, not delivered; addr: CR2 for #PF")                 \
	X(12, VIRT, "an instruction of the virtualization extension itself, or another that guests lack; len")                  \
	X(13, XSETBV, "len") X(14, RDPMC, "len") X(15, INVD, "len") X(16, WBINVD, "len")           \
	X(17, MONITOR, "len") X(18, MWAIT, "len") X(19, RSM, "len")                                \
	X(20, MCE, "machine check while the guest ran")                                            \
	X(21, UNKNOWN, "raw")                                                                      \
	X(22, WINDOW, "the VS can take an interrupt now, as was asked for")                        \
	X(23, IRET, "the VS is about to execute IRET, as was asked for")                           \
	X(24, CR, "an access to a control register that isn't the VS's own to make: MOV, LMSW, SMSW, CLTS")

#define MK_EXIT_ENUM(nr, NAME, doc) MK_EXIT_##NAME = nr,
enum mk_exit_reason { MK_EXITS(MK_EXIT_ENUM) MK_EXIT_COUNT };
#undef MK_EXIT_ENUM

#define MK_IO_IN 0x1U
#define MK_IO_STRING 0x2U
#define MK_IO_REP 0x4U

#define MK_MEM_WRITE 0x1U
#define MK_MEM_EXEC 0x2U
#define MK_MEM_TABLE 0x4U /* the guest's page walk itself */

struct mk_exit {
	mv_u16 reason; /* enum mk_exit_reason */
	mv_u8 len;     /* instruction length; 0: the CPU doesn't say, MicroV must look */
	mv_u8 cpl;
	mv_u8 long_mode; /* 1: 64-bit code segment */
	mv_u8 write;	 /* MSR: 1 for WRMSR */
	mv_u8 big;	 /* not 0: CS has its D bit */
	mv_u8 window;	 /* 1: the space that was open at MK_U_WINDOW still is */
	struct {
		mv_u16 port;
		mv_u8 size;  /* 1, 2, 4 bytes */
		mv_u8 flags; /* MK_IO_* */
		mv_u8 addr_size; /* 2, 4, 8; 0: the CPU doesn't say */
		mv_u8 seg;	 /* enum mk_seg_idx of OUTS; 0xFF: the CPU doesn't say */
		mv_u8 reserved[2];
	} io;
	mv_u64 next_rip; /* IO; 0: not known */
	mv_u64 addr;	 /* MEM: gpa; EXCEPTION #PF: linear address */
	mv_u32 mem_flags;
	mv_u32 reserved2;
	struct mk_event event; /* see EXCEPTION */
	struct mk_event interrupted; /* event whose delivery this exit interrupted, else NONE */
	mv_u64 raw[3]; /* MK_G_RAW: the vendor's exit code and its two qualifications, for reports only */
	mv_u64 cs_base;
};
MV_ABI_SIZE(struct mk_exit, 88);

#define MK_WINDOW_INTR 0x1U /* MK_EXIT_WINDOW when the VS can take an interrupt */
#define MK_WINDOW_IRET 0x2U /* MK_EXIT_IRET before the VS executes IRET */
#define MK_WINDOW_MSR 0x4U /* MK_EXIT_MSR for every MSR, not just for those that MicroV serves */

/*
 * The state page of a VS, shared by ring 0 and ring 3. Ring 0 copies what it takes from here
 * once per entry and checks it. rip, rflags and gpr[] are read at each entry.
 */
struct mk_state {
	mv_u64 gpr[16];
	mv_u64 rip;
	mv_u64 rflags;
	mv_u32 dirty; /* MK_G_*: set by MicroV, cleared by vs_run */
	mv_u32 valid; /* MK_G_*: set by ring 0; a dirty group counts as valid */
	struct mk_event inject; /* set by MicroV; cleared when the entry took it */
	mv_u8 shadow;	  /* bit 0: interrupt shadow (STI, MOV SS); in and out */
	mv_u8 window;	  /* MK_WINDOW_*: exits to ask for */
	mv_u8 reserved0[6];
	mv_u64 entries; /* world switches into the VS so far; counted by ring 0 */
	mv_u64 cr0, cr2, cr3, cr4, cr8, efer;
	mv_u64 xcr0;
	mv_u64 tsc_offset;
	mv_u64 dr[4], dr6, dr7;
	struct mk_seg seg[MK_SEGS];
	struct mk_seg gdtr, idtr; /* limit and base only */
	mv_u64 star, lstar, cstar, sfmask, kernel_gs_base;
	mv_u64 sysenter_cs, sysenter_esp, sysenter_eip;
	mv_u64 pat;
	mv_u64 tsc_aux; /* 32 bits count */
	mv_u64 reserved1[5];
	mv_u64 switches; /* of a root VS: world switches into any VS on its CPU; by ring 0 */
	struct mk_exit exit;
	mv_u8 reserved2[0x400 - 0x298];
	mv_u8 microv[0xC00]; /* MicroV's own; ring 0 never looks at it */
};
MV_ABI_OFFSET(struct mk_state, rip, 0x80);
MV_ABI_OFFSET(struct mk_state, cr0, 0xB0);
MV_ABI_OFFSET(struct mk_state, exit, 0x240);
MV_ABI_OFFSET(struct mk_state, entries, 0xA8);
MV_ABI_OFFSET(struct mk_state, microv, 0x400);
MV_ABI_SIZE(struct mk_state, 0x1000);

#endif /* MK_ABI_H */
