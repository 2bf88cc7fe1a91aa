// SPDX-License-Identifier: MIT
/*
 * The microkernel's system calls and the state page of mk_abi.h, for ABI.md.
 */
#include "gen_abi.h"

static void gen_address_space(void)
{
	puts("\n### Ring 3's address space\n"
	     "\n"
	     "What is not listed is not mapped.\n"
	     "\n"
	     "| Constant | Value | What is there |\n"
	     "| :-- | :-- | :-- |");
	GEN_CONST(MK_U_IMAGE, "MicroV's ELF file: text r-x, rodata r--, data and bss rw-");
	GEN_CONST(MK_U_IMAGE_END, "where the image must end");
	GEN_CONST(MK_U_STATE, "state page n: of VS n, rw-, while the VS exists");
	GEN_CONST(MK_U_OWN,
		  "from n * MK_OWN_BYTES on: MicroV's own for VS n, rw-, while the VS exists");
	GEN_CONST(MK_OWN_BYTES, "how many bytes these are");
	GEN_CONST(MK_U_STACK_TOP, "end of this CPU's stack, rw-");
	GEN_CONST(MK_U_STACK_SIZE, "its size; below it a hole");
	GEN_CONST(MK_U_SHARED, "this CPU's shared page, rw-, while one is set");
	GEN_CONST(MK_U_WINDOW,
		  "the guest memory of the VM last opened, with the guest's rights, never "
		  "executable");
	GEN_CONST(MK_GPA_END, "guest-physical addresses end here");
	GEN_CONST(MK_GUEST_VS_FIRST,
		  "first VS ID of a guest; VS n below it is the root VS of CPU n");
	GEN_CONST(MK_VS_MAX, "end of the VS IDs");
	GEN_CONST(MK_VS_PAGES, "pages that a VS takes from its VM's pool at most");
}

static void gen_errors(void)
{
	puts("\n### Errors\n"
	     "\n"
	     "| Error | Value | Meaning |\n"
	     "| :-- | :-- | :-- |");
	GEN_CONST(MK_EPERM, "not the caller's to give: foreign or hypervisor memory");
	GEN_CONST(MK_ENOENT, "no such space, VS or mapping");
	GEN_CONST(MK_EAGAIN,
		  "other CPUs must leave the VM first: call again later, same arguments");
	GEN_CONST(MK_ENOMEM, "the space's pool is short; nothing was changed");
	GEN_CONST(MK_EFAULT, "the address is not in ring 3's image or window");
	GEN_CONST(MK_EBUSY, "in use, or runs on another CPU");
	GEN_CONST(MK_EEXIST, "the ID or mapping is there already");
	GEN_CONST(MK_EINVAL, "an argument is out of range or misaligned");
	GEN_CONST(MK_ENOSYS, "no such system call");
}

static void gen_calls(void)
{
	puts("\n### System calls\n"
	     "\n"
	     "| No. | Call | Arguments | What it does |\n"
	     "| :-- | :-- | :-- | :-- |");
#define CALL(nr, NAME, name, args, doc) printf("| %d | %s | %s | %s |\n", nr, #name, args, doc);
	MK_SYSCALLS(CALL)
#undef CALL
}

static void gen_exit_reasons(void)
{
	puts("\n### Exits\n"
	     "\n"
	     "| No. | MK_EXIT_… | What of mk_exit means something |\n"
	     "| :-- | :-- | :-- |");
#define EXIT(nr, NAME, doc) printf("| %d | %s | %s |\n", nr, #NAME, doc);
	MK_EXITS(EXIT)
#undef EXIT
}

static void gen_groups(void)
{
	puts("\n### Groups of the state page\n"
	     "\n"
	     "| Group | Value | Fields |\n"
	     "| :-- | :-- | :-- |");
	GEN_CONST(MK_G_GPR, "gpr, rip, rflags: always valid, need no dirty bit");
	GEN_CONST(MK_G_CR, "cr0, cr2, cr3, cr4, cr8, efer");
	GEN_CONST(MK_G_SEG, "seg");
	GEN_CONST(MK_G_TABLE, "gdtr, idtr");
	GEN_CONST(MK_G_DR, "dr, dr6, dr7");
	GEN_CONST(MK_G_MSR, "star to tsc_aux");
	GEN_CONST(MK_G_XCR, "xcr0");
	GEN_CONST(MK_G_TSC, "tsc_offset");
}

static void gen_small_structs(void)
{
	GEN_STRUCT(mk_seg, "A segment register.", GEN_FIELD(mk_seg, selector, "selector"),
		   GEN_FIELD(mk_seg, attrib, "bits 40 to 55 of a descriptor"),
		   GEN_FIELD(mk_seg, limit, "limit in bytes"), GEN_FIELD(mk_seg, base, "GLA"));
	GEN_STRUCT(mk_event, "An event to inject, or one whose delivery an exit interrupted.",
		   GEN_FIELD(mk_event, type,
			     "none 0, interrupt 1, NMI 2, exception 3, software interrupt 4"),
		   GEN_FIELD(mk_event, vector, "vector"),
		   GEN_FIELD(mk_event, has_error, "1: has an error code"),
		   GEN_FIELD(mk_event, reserved, "0"), GEN_FIELD(mk_event, error, "error code"));
	GEN_STRUCT(
		mk_exit, "The exit record.", GEN_FIELD(mk_exit, reason, "MK_EXIT_*"),
		GEN_FIELD(mk_exit, len, "bytes of the instruction; 0: the CPU doesn't say"),
		GEN_FIELD(mk_exit, cpl, "CPL"),
		GEN_FIELD(mk_exit, long_mode, "1: 64-bit code segment"),
		GEN_FIELD(mk_exit, write, "MSR: 1 for WRMSR"),
		GEN_FIELD(mk_exit, big, "1: CS has its D bit"),
		GEN_FIELD(mk_exit, window, "1: the guest's space is still open in the window"),
		GEN_FIELD(mk_exit, io.port, "port"), GEN_FIELD(mk_exit, io.size, "1, 2 or 4 bytes"),
		GEN_FIELD(mk_exit, io.flags, "MK_IO_IN 1, MK_IO_STRING 2, MK_IO_REP 4"),
		GEN_FIELD(mk_exit, io.addr_size, "2, 4, 8 bytes; 0: the CPU doesn't say"),
		GEN_FIELD(mk_exit, io.seg,
			  "segment of OUTS (enum mk_seg_idx); 0xFF: the CPU doesn't say"),
		GEN_FIELD(mk_exit, io.reserved, "0"), GEN_FIELD(mk_exit, next_rip, "0: not known"),
		GEN_FIELD(mk_exit, addr, "MEM: GPA; EXCEPTION #PF: GLA"),
		GEN_FIELD(mk_exit, mem_flags,
			  "MK_MEM_WRITE 1, MK_MEM_EXEC 2, MK_MEM_TABLE 4 (the guest's "
			  "own page walk)"),
		GEN_FIELD(mk_exit, reserved2, "0"),
		GEN_FIELD(mk_exit, event, "EXCEPTION: which, not delivered"),
		GEN_FIELD(mk_exit, interrupted, "the event whose delivery this exit interrupted"),
		GEN_FIELD(mk_exit, raw,
			  "the CPU's exit code and its two qualifications, for reports only"),
		GEN_FIELD(mk_exit, cs_base, "base of CS"));
}

static void gen_state(void)
{
	GEN_STRUCT(
		mk_state, "The state page.",
		GEN_FIELD(mk_state, gpr, "rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15"),
		GEN_FIELD(mk_state, rip, "RIP"), GEN_FIELD(mk_state, rflags, "RFLAGS"),
		GEN_FIELD(mk_state, dirty, "MK_G_*: set by MicroV, cleared by vs_run"),
		GEN_FIELD(mk_state, valid, "MK_G_*: set by ring 0; a dirty group counts as valid"),
		GEN_FIELD(mk_state, inject, "set by MicroV; cleared when the entry took it"),
		GEN_FIELD(mk_state, shadow, "bit 0: interrupt shadow (STI, MOV SS); in and out"),
		GEN_FIELD(mk_state, window,
			  "MK_WINDOW_INTR 1: MK_EXIT_WINDOW when the VS can take an interrupt; "
			  "MK_WINDOW_IRET 2: MK_EXIT_IRET before IRET"),
		GEN_FIELD(mk_state, reserved0, "0"),
		GEN_FIELD(mk_state, entries,
			  "world switches into the VS so far; counted by ring 0"),
		GEN_FIELD(mk_state, cr0, "CR0"), GEN_FIELD(mk_state, cr2, "CR2"),
		GEN_FIELD(mk_state, cr3, "CR3"), GEN_FIELD(mk_state, cr4, "CR4"),
		GEN_FIELD(mk_state, cr8, "CR8"), GEN_FIELD(mk_state, efer, "EFER, without SVME"),
		GEN_FIELD(mk_state, xcr0, "XCR0"),
		GEN_FIELD(mk_state, tsc_offset, "added to the host's TSC"),
		GEN_FIELD(mk_state, dr, "DR0 to DR3"), GEN_FIELD(mk_state, dr6, "DR6"),
		GEN_FIELD(mk_state, dr7, "DR7"),
		GEN_FIELD(mk_state, seg, "mk_seg: ES, CS, SS, DS, FS, GS, LDTR, TR"),
		GEN_FIELD(mk_state, gdtr, "limit and base only"),
		GEN_FIELD(mk_state, idtr, "limit and base only"), GEN_FIELD(mk_state, star, "MSR"),
		GEN_FIELD(mk_state, lstar, "MSR"), GEN_FIELD(mk_state, cstar, "MSR"),
		GEN_FIELD(mk_state, sfmask, "MSR"), GEN_FIELD(mk_state, kernel_gs_base, "MSR"),
		GEN_FIELD(mk_state, sysenter_cs, "MSR"), GEN_FIELD(mk_state, sysenter_esp, "MSR"),
		GEN_FIELD(mk_state, sysenter_eip, "MSR"), GEN_FIELD(mk_state, pat, "MSR"),
		GEN_FIELD(mk_state, tsc_aux, "MSR; 32 bits count"),
		GEN_FIELD(mk_state, reserved1, "0"),
		GEN_FIELD(mk_state, switches,
			  "of a root VS: world switches into any VS on its CPU; counted by ring 0"),
		GEN_FIELD(mk_state, exit, "mk_exit, written by vs_run"),
		GEN_FIELD(mk_state, reserved2, "0"),
		GEN_FIELD(mk_state, microv, "MicroV's own; ring 0 never looks at it"));
}

void gen_microkernel(void)
{
	puts("\n## The microkernel's system calls\n"
	     "\n"
	     "Only MicroV uses these. SYSCALL with RAX = number; RDI, RSI, RDX, R10, R8 = arguments; RAX = "
	     "result: 0 or more, or minus an error. RDX, RCX, RSI, RDI and R8 to R11 are lost. A *space* is the memory of a VM; "
	     "its number is the VMID.\n"
	     "\n"
	     "Ring 3 starts on every CPU at the ELF entry, on an empty stack, with RDI = CPU and RSI = 0 "
	     "(`MK_START_LAUNCH`), and again with RSI = 1 (`MK_START_FAULT`) after a fault of its own. It "
	     "never returns.");
	gen_calls();
	gen_errors();
	gen_address_space();
	gen_groups();
	gen_exit_reasons();
	gen_small_structs();
	gen_state();
}
