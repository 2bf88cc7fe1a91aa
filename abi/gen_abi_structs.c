// SPDX-License-Identifier: MIT
/*
 * The structures of mv_abi.h, for ABI.md.
 */
#include <stdlib.h>

#include "gen_abi.h"

void gen_struct(const char *name, size_t bytes, const char *doc, const struct gen_field *fields,
		size_t count)
{
	size_t end = 0;

	printf("\n### %s, %zu bytes\n\n%s\n\n", name, bytes, doc);
	printf("| Field | Offset | Bytes | Meaning |\n| :-- | :-- | :-- | :-- |\n");
	for (size_t i = 0; i < count; i++) {
		if (fields[i].offset != end) {
			fprintf(stderr,
				"gen_abi_md: %s.%s is at 0x%zx, not 0x%zx: a field is missing\n",
				name, fields[i].name, fields[i].offset, end);
			exit(EXIT_FAILURE);
		}
		end = fields[i].offset + fields[i].bytes;
		printf("| %s | 0x%zX | %zu | %s |\n", fields[i].name, fields[i].offset,
		       fields[i].bytes, fields[i].doc);
	}
	if (end != bytes) {
		fprintf(stderr, "gen_abi_md: %s: the last field is missing\n", name);
		exit(EXIT_FAILURE);
	}
}

#define LIST_REGS(type)                                                                            \
	GEN_FIELD(type, reg0, "0"), GEN_FIELD(type, reg1, "0"), GEN_FIELD(type, reg2, "ignored"),  \
		GEN_FIELD(type, reg3, "ignored"), GEN_FIELD(type, reg4, "ignored"),                \
		GEN_FIELD(type, reg5, "ignored"), GEN_FIELD(type, reg6, "ignored"),                \
		GEN_FIELD(type, reg7, "ignored"), GEN_FIELD(type, reserved1, "ignored"),           \
		GEN_FIELD(type, reserved2, "ignored"), GEN_FIELD(type, reserved3, "ignored")

static void gen_rdl(void)
{
	GEN_STRUCT(mv_rdl_entry_t, "A register or MSR and its value.",
		   GEN_FIELD(mv_rdl_entry_t, reg, "mv_reg_t, or the number of an MSR"),
		   GEN_FIELD(mv_rdl_entry_t, val, "the value: out for reads, in for writes"));
	GEN_STRUCT(mv_rdl_t, "Register descriptor list.", LIST_REGS(mv_rdl_t),
		   GEN_FIELD(mv_rdl_t, num_entries,
			     "entries used, `MV_RDL_MAX_ENTRIES` (250) at most"),
		   GEN_FIELD(mv_rdl_t, entries, "mv_rdl_entry_t[250]"));
}

static void gen_mdl(void)
{
	GEN_STRUCT(mv_mdl_entry_t, "A run of memory. Addresses and length are multiples of a page.",
		   GEN_FIELD(mv_mdl_entry_t, dst, "GPA in the guest VM"),
		   GEN_FIELD(mv_mdl_entry_t, src, "GPA in the root VM"),
		   GEN_FIELD(mv_mdl_entry_t, bytes, "length in bytes, not 0"),
		   GEN_FIELD(mv_mdl_entry_t, flags, "MV_MAP_FLAG_*: access of the guest"));
	GEN_STRUCT(
		mv_mdl_t, "Memory descriptor list. The entries may not overlap each other.",
		GEN_FIELD(mv_mdl_t, reg0, "ignored"), GEN_FIELD(mv_mdl_t, reg1, "ignored"),
		GEN_FIELD(mv_mdl_t, reg2, "ignored"), GEN_FIELD(mv_mdl_t, reg3, "ignored"),
		GEN_FIELD(mv_mdl_t, reg4, "ignored"), GEN_FIELD(mv_mdl_t, reg5, "ignored"),
		GEN_FIELD(mv_mdl_t, reg6, "ignored"), GEN_FIELD(mv_mdl_t, reg7, "ignored"),
		GEN_FIELD(mv_mdl_t, reserved1, "ignored"),
		GEN_FIELD(mv_mdl_t, reserved2, "ignored"),
		GEN_FIELD(mv_mdl_t, reserved3, "ignored"),
		GEN_FIELD(mv_mdl_t, num_entries, "entries used, 1 to `MV_MDL_MAX_ENTRIES` (125)"),
		GEN_FIELD(mv_mdl_t, entries, "mv_mdl_entry_t[125]"));
	puts("\n### Map flags\n\n| Flag | Value | Meaning |\n| :-- | :-- | :-- |");
	GEN_CONST(MV_MAP_FLAG_READ_ACCESS, "the guest may read; always needed");
	GEN_CONST(MV_MAP_FLAG_WRITE_ACCESS, "the guest may write");
	GEN_CONST(MV_MAP_FLAG_EXECUTE_ACCESS, "the guest may execute");
	GEN_CONST(MV_MAP_FLAG_USER, "gla_to_gpa: accessible at CPL 3; mmio_map: no effect");
	GEN_CONST(MV_MAP_FLAG_4K_PAGE, "gla_to_gpa: a 4 KiB page");
	GEN_CONST(MV_MAP_FLAG_2M_PAGE, "gla_to_gpa: a 2 MiB page (4 MiB without PAE)");
	GEN_CONST(MV_MAP_FLAG_1G_PAGE, "gla_to_gpa: a 1 GiB page");
	GEN_CONST(MV_MAP_FLAG_UNCACHEABLE, "not taken by mmio_map");
	GEN_CONST(MV_MAP_FLAG_UNCACHEABLE_MINUS, "not taken by mmio_map");
	GEN_CONST(MV_MAP_FLAG_WRITE_COMBINING, "not taken by mmio_map");
	GEN_CONST(MV_MAP_FLAG_WRITE_COMBINING_PLUS, "not taken by mmio_map");
	GEN_CONST(MV_MAP_FLAG_WRITE_THROUGH, "not taken by mmio_map");
	GEN_CONST(MV_MAP_FLAG_WRITE_BACK, "write back, which is also what no cache flag means");
	GEN_CONST(MV_MAP_FLAG_WRITE_PROTECTED, "not taken by mmio_map");
	GEN_CONST(MV_MAP_FLAGS_SUPPORTED, "ours: all that mmio_map takes");
}

static void gen_cdl(void)
{
	GEN_STRUCT(mv_cdl_entry_t, "A CPUID leaf.",
		   GEN_FIELD(mv_cdl_entry_t, fun, "EAX in"),
		   GEN_FIELD(mv_cdl_entry_t, idx, "ECX in"),
		   GEN_FIELD(mv_cdl_entry_t, flags, "`MV_CDL_ENTRY_FLAG_*`"),
		   GEN_FIELD(mv_cdl_entry_t, eax, "EAX out"),
		   GEN_FIELD(mv_cdl_entry_t, ebx, "EBX out"),
		   GEN_FIELD(mv_cdl_entry_t, ecx, "ECX out"),
		   GEN_FIELD(mv_cdl_entry_t, edx, "EDX out"),
		   GEN_FIELD(mv_cdl_entry_t, reserved, "ignored"));
	GEN_STRUCT(mv_cdl_t, "CPUID descriptor list.", LIST_REGS(mv_cdl_t),
		   GEN_FIELD(mv_cdl_t, num_entries,
			     "entries used, `MV_CDL_MAX_ENTRIES` (125) at most"),
		   GEN_FIELD(mv_cdl_t, entries, "mv_cdl_entry_t[125]"));
}

static void gen_run(void)
{
	GEN_STRUCT(
		mv_run_t, "Input of mv_vs_op_run.",
		GEN_FIELD(mv_run_t, reg,
			  "mv_rdl_entry_t[10]: registers to write first; reg = 0: none"),
		GEN_FIELD(mv_run_t, msr, "mv_rdl_entry_t[10]: MSRs to write first; reg = 0: none"),
		GEN_FIELD(mv_run_t, flags,
			  "ours: `MV_RUN_FLAG_COMPLETE_ONLY` (0x1): complete the last "
			  "exit's I/O, then return as if interrupted; `MV_RUN_FLAG_WINDOW` (0x2): "
			  "return when the guest can take an interrupt; other bits 0"),
		GEN_FIELD(mv_run_t, in_bytes,
			  "ours: bytes in `in`: reps * size of the IN or INS that "
			  "waits, size of the MMIO read that waits (or 0: it starts over); "
			  "0 when none waits"),
		GEN_FIELD(mv_run_t, in, "ours: what the IN, INS or MMIO read gives"),
		GEN_FIELD(mv_run_t, reserved, "ignored"));
	puts("\n### Exit reasons (mv_exit_reason_t)\n"
	     "\n"
	     "| Reason | Value | Status | Shared page | Meaning |\n"
	     "| :-- | :-- | :-- | :-- | :-- |\n"
	     "| failure | 0 | EXIT_FAILURE | mv_exit_failure_t | the CPU refused the guest's state |\n"
	     "| unknown | 1 | EXIT_UNKNOWN | mv_exit_unknown_t | an exit that nobody can serve |\n"
	     "| hlt | 2 | SUCCESS | mv_exit_hlt_t | HLT, triple fault |\n"
	     "| io | 3 | SUCCESS | mv_exit_io_t | IN, OUT, INS, OUTS |\n"
	     "| mmio | 4 | SUCCESS | mv_exit_mmio_t | access to a GPA that is not mapped so |\n"
	     "| msr | 5 | SUCCESS | mv_exit_msr_t | RDMSR, WRMSR that the caller serves |\n"
	     "| interrupt | 6 | SUCCESS | not written | an interrupt for the root VM: run again |\n"
	     "| nmi | 7 | SUCCESS | not written | an NMI for the root VM: run again |");
}

static void gen_exits(void)
{
	GEN_STRUCT(mv_exit_failure_t, "With MV_STATUS_EXIT_FAILURE.",
		   GEN_FIELD(mv_exit_failure_t, hardware_reason,
			     "ours: the CPU's exit code; on AMD VMEXIT_INVALID"),
		   GEN_FIELD(mv_exit_failure_t, reserved, "ignored"));
	GEN_STRUCT(mv_exit_unknown_t, "With MV_STATUS_EXIT_UNKNOWN.",
		   GEN_FIELD(mv_exit_unknown_t, info0, "on AMD EXITCODE"),
		   GEN_FIELD(mv_exit_unknown_t, info1, "on AMD EXITINFO1"),
		   GEN_FIELD(mv_exit_unknown_t, info2, "on AMD EXITINFO2"),
		   GEN_FIELD(mv_exit_unknown_t, info3, "RIP"),
		   GEN_FIELD(mv_exit_unknown_t, reserved, "ignored"));
	GEN_STRUCT(
		mv_exit_hlt_t, "Exit reason hlt.",
		GEN_FIELD(
			mv_exit_hlt_t, reason,
			"mv_hlt_t: shutdown 0, reset 1, vm_crash 2 (triple fault), microv_crash 3; "
			"ours: wait 4 (HLT; RIP is behind it)"),
		GEN_FIELD(mv_exit_hlt_t, reserved, "ignored"));
	GEN_STRUCT(
		mv_exit_io_t,
		"Exit reason io. RIP stays at an IN, OUT or INS until the next mv_vs_op_run completes it "
		"(writes the data, moves RIP on, unless somebody moved RIP meanwhile). OUTS is complete, "
		"one element at a time. One exit moves `MV_EXIT_IO_MAX_BYTES` (1024) bytes at most.",
		GEN_FIELD(mv_exit_io_t, addr, "the port"),
		GEN_FIELD(mv_exit_io_t, data, "OUT: the value; else 0"),
		GEN_FIELD(mv_exit_io_t, reps, "elements that must be served now, 1 or more"),
		GEN_FIELD(
			mv_exit_io_t, type,
			"MV_EXIT_IO_IN 0 or MV_EXIT_IO_OUT 1; ours: + MV_EXIT_IO_STRING 2: INS, OUTS"),
		GEN_FIELD(mv_exit_io_t, size,
			  "mv_bit_size_t of one element: 0, 1, 2 = 1, 2, 4 bytes"),
		GEN_FIELD(mv_exit_io_t, reserved0, "0"),
		GEN_FIELD(mv_exit_io_t, out,
			  "ours: OUTS: the reps * size bytes that the guest writes"),
		GEN_FIELD(mv_exit_io_t, reserved, "ignored"));
	GEN_STRUCT(mv_exit_mmio_t, "Exit reason mmio.",
		   GEN_FIELD(mv_exit_mmio_t, gpa, "the address"),
		   GEN_FIELD(mv_exit_mmio_t, flags, "MV_EXIT_MMIO_READ 1, WRITE 2, EXECUTE 4"),
		   GEN_FIELD(mv_exit_mmio_t, reserved0, "0"),
		   GEN_FIELD(mv_exit_mmio_t, reserved1, "0"),
		   GEN_FIELD(mv_exit_mmio_t, reg,
			     "64 bits each: rax, rbx, rcx, rdx, rbp, rsi, rdi, r8 to r15, rsp, "
			     "rip; the rest is ignored"),
		   GEN_FIELD(mv_exit_mmio_t, size,
			     "ours: 1 to 8 bytes that user space must read or write; 0: the "
			     "access can't be emulated"),
		   GEN_FIELD(mv_exit_mmio_t, data, "ours: the value that is written; else 0"),
		   GEN_FIELD(mv_exit_mmio_t, insn_bytes, "ours: how many of insn are known"),
		   GEN_FIELD(mv_exit_mmio_t, insn,
			     "ours: with size 0: the instruction, as far as it could be read"),
		   GEN_FIELD(mv_exit_mmio_t, reserved, "ignored"));
	GEN_STRUCT(mv_exit_msr_t, "Exit reason msr.",
		   GEN_FIELD(mv_exit_msr_t, msr, "the MSR; WRMSR: its value"),
		   GEN_FIELD(mv_exit_msr_t, flags, "MV_EXIT_MSR_READ 1 or MV_EXIT_MSR_WRITE 2"),
		   GEN_FIELD(mv_exit_msr_t, reserved, "ignored"));
	GEN_STRUCT(
		mv_exit_state_t,
		"Ours. With every exit reason, at offset 0xFC0 (MV_EXIT_STATE_OFFSET) of the shared page.",
		GEN_FIELD(mv_exit_state_t, rflags, "RFLAGS of the VS"),
		GEN_FIELD(mv_exit_state_t, cr8, "its CR8"),
		GEN_FIELD(mv_exit_state_t, apic_base, "its MSR APIC_BASE"),
		GEN_FIELD(mv_exit_state_t, flags, "MV_EXIT_STATE_SHADOW 1: in an interrupt shadow; MV_EXIT_STATE_EVENT 2: an event waits "
			  "that comes before any other interrupt"),
		GEN_FIELD(mv_exit_state_t, reserved, "ignored"));
}

static void gen_events(void)
{
	GEN_STRUCT(mv_events_t,
		   "Ours. Events of a VS. What has begun to be delivered when an exit interrupted it "
		   "counts as waiting. Flags are 0 or 1.",
		   GEN_FIELD(mv_events_t, exception, "an exception waits"),
		   GEN_FIELD(mv_events_t, exception_vector, "0 to 31, not 2"),
		   GEN_FIELD(mv_events_t, exception_has_error, "it pushes an error code"),
		   GEN_FIELD(mv_events_t, shadow, "in an interrupt shadow"),
		   GEN_FIELD(mv_events_t, exception_error, "the error code"),
		   GEN_FIELD(mv_events_t, interrupt,
			     "an external interrupt waits; events_set: it comes at the next entry"),
		   GEN_FIELD(mv_events_t, interrupt_vector, "its vector"),
		   GEN_FIELD(mv_events_t, nmi, "an NMI is delivered at the next entry"),
		   GEN_FIELD(mv_events_t, nmi_pending, "how many NMIs wait besides: 0 to 2"),
		   GEN_FIELD(mv_events_t, nmi_masked, "NMIs are held off until IRET"),
		   GEN_FIELD(mv_events_t, reserved, "ignored"));
}

static void gen_stats(void)
{
	GEN_STRUCT(mv_stats_t, "Ours. Counters of a VS since it was made.",
		   GEN_FIELD(mv_stats_t, entries, "world switches into the VS"),
		   GEN_FIELD(mv_stats_t, switches,
			     "of a VS of the root VM: world switches into any VS on its PP"),
		   GEN_FIELD(mv_stats_t, age, "ticks of the TSC since it was made"),
		   GEN_FIELD(mv_stats_t, run_ticks, "of these in mv_vs_op_run"),
		   GEN_FIELD(mv_stats_t, guest_ticks,
			     "of these in the guest, with the world switches"),
		   GEN_FIELD(mv_stats_t, interrupts, "external interrupts delivered"),
		   GEN_FIELD(mv_stats_t, nmis, "NMIs delivered"),
		   GEN_FIELD(mv_stats_t, exceptions, "exceptions delivered by MicroV"),
		   GEN_FIELD(mv_stats_t, emulated, "instructions that MicroV emulated"),
		   GEN_FIELD(mv_stats_t, reserved0, "0"),
		   GEN_FIELD(mv_stats_t, exits, "by reason, as mk_exit has them"),
		   GEN_FIELD(mv_stats_t, reserved1, "not written"));
}

static void gen_regs(void)
{
	GEN_STRUCT(mv_gprs_t, "Ours. The general registers.",
		   GEN_FIELD(mv_gprs_t, rax, "RAX"), GEN_FIELD(mv_gprs_t, rbx, "RBX"),
		   GEN_FIELD(mv_gprs_t, rcx, "RCX"), GEN_FIELD(mv_gprs_t, rdx, "RDX"),
		   GEN_FIELD(mv_gprs_t, rsi, "RSI"), GEN_FIELD(mv_gprs_t, rdi, "RDI"),
		   GEN_FIELD(mv_gprs_t, rsp, "RSP"), GEN_FIELD(mv_gprs_t, rbp, "RBP"),
		   GEN_FIELD(mv_gprs_t, r8, "R8"), GEN_FIELD(mv_gprs_t, r9, "R9"),
		   GEN_FIELD(mv_gprs_t, r10, "R10"), GEN_FIELD(mv_gprs_t, r11, "R11"),
		   GEN_FIELD(mv_gprs_t, r12, "R12"), GEN_FIELD(mv_gprs_t, r13, "R13"),
		   GEN_FIELD(mv_gprs_t, r14, "R14"), GEN_FIELD(mv_gprs_t, r15, "R15"),
		   GEN_FIELD(mv_gprs_t, rip, "RIP"),
		   GEN_FIELD(mv_gprs_t, rflags, "RFLAGS; what isn't defined is ignored"));
	GEN_STRUCT(mv_segment_t, "Ours. A segment register.",
		   GEN_FIELD(mv_segment_t, selector, "selector"),
		   GEN_FIELD(mv_segment_t, attrib, "attributes, as in mv_reg_t"),
		   GEN_FIELD(mv_segment_t, limit, "limit in bytes"),
		   GEN_FIELD(mv_segment_t, base, "base"));
	GEN_STRUCT(mv_sregs_t, "Ours. Segments, descriptor tables, control registers.",
		   GEN_FIELD(mv_sregs_t, es, "ES"), GEN_FIELD(mv_sregs_t, cs, "CS"),
		   GEN_FIELD(mv_sregs_t, ss, "SS"), GEN_FIELD(mv_sregs_t, ds, "DS"),
		   GEN_FIELD(mv_sregs_t, fs, "FS"), GEN_FIELD(mv_sregs_t, gs, "GS"),
		   GEN_FIELD(mv_sregs_t, ldtr, "LDTR"), GEN_FIELD(mv_sregs_t, tr, "TR"),
		   GEN_FIELD(mv_sregs_t, gdtr, "GDTR: limit and base"),
		   GEN_FIELD(mv_sregs_t, idtr, "IDTR: limit and base"),
		   GEN_FIELD(mv_sregs_t, cr0, "CR0"), GEN_FIELD(mv_sregs_t, cr2, "CR2"),
		   GEN_FIELD(mv_sregs_t, cr3, "CR3"), GEN_FIELD(mv_sregs_t, cr4, "CR4"),
		   GEN_FIELD(mv_sregs_t, cr8, "CR8"),
		   GEN_FIELD(mv_sregs_t, efer, "EFER"),
		   GEN_FIELD(mv_sregs_t, apic_base, "the MSR APIC_BASE"),
		   GEN_FIELD(mv_sregs_t, interrupt, "sregs_get: an external interrupt waits"),
		   GEN_FIELD(mv_sregs_t, interrupt_vector, "its vector"),
		   GEN_FIELD(mv_sregs_t, reserved, "0; ignored"));
}

static void gen_fpu(void)
{
	GEN_STRUCT(mv_xsave_t,
		   "FPU state: XSAVE's standard (not compacted) format in its 64-bit form. The first 512 bytes "
		   "are FXSAVE64's; components from AVX on lie where CPUID 0xD says.",
		   GEN_FIELD(mv_xsave_t, fcw, "x87 control word"),
		   GEN_FIELD(mv_xsave_t, fsw, "x87 status word"),
		   GEN_FIELD(mv_xsave_t, ftw, "a bit for each x87 register that isn't empty"),
		   GEN_FIELD(mv_xsave_t, reserved0, "0"),
		   GEN_FIELD(mv_xsave_t, fop, "last x87 opcode"),
		   GEN_FIELD(mv_xsave_t, fip, "last x87 instruction"),
		   GEN_FIELD(mv_xsave_t, fdp, "last x87 operand"),
		   GEN_FIELD(mv_xsave_t, mxcsr, "MXCSR"),
		   GEN_FIELD(mv_xsave_t, mxcsr_mask, "output: bits that MXCSR can have"),
		   GEN_FIELD(mv_xsave_t, st, "x87 or MMX registers from the top of the stack on"),
		   GEN_FIELD(mv_xsave_t, xmm, "XMM registers"),
		   GEN_FIELD(mv_xsave_t, unused, "0; ignored"),
		   GEN_FIELD(mv_xsave_t, xstate_bv, "the components that are there: bits as in XCR0"),
		   GEN_FIELD(mv_xsave_t, xcomp_bv, "0"), GEN_FIELD(mv_xsave_t, reserved1, "0"),
		   GEN_FIELD(mv_xsave_t, extended, "all other components"));
}

void gen_structs(void)
{
	puts("## Structures of the hypercalls\n"
	     "\n"
	     "All but the last begin at the first byte of the shared page. Offsets and sizes are in bytes. \"Ignored\" "
	     "fields may hold anything.");
	gen_rdl();
	gen_mdl();
	gen_cdl();
	gen_events();
	gen_stats();
	gen_regs();
	gen_fpu();
	gen_run();
	gen_exits();
}
