// SPDX-License-Identifier: MIT
/*
 * Prints ABI.md, the readable specification, from mv_abi.h and mk_abi.h, so that
 * numbers, offsets and sizes in it are the compiler's.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "gen_abi.h"

enum origin { MV, OURS };
enum state { NO, YES };

struct operation {
	unsigned int op, idx;
	const char *group, *name;
	enum origin origin;
	enum state state;
	const char *in, *out, *errors, *doc;
};

#define OPERATION(GROUP, group, idx, NAME, name, origin, state, in, out, errors, doc)              \
	{ MV_##GROUP##_OP, idx, #group, #name, origin, state, in, out, errors, doc },

static const struct operation operations[] = { MV_HYPERCALLS(OPERATION) };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *origin_text(enum origin origin)
{
	return origin == OURS ? "ours" : "published";
}

static void print_intro(void)
{
	puts("# The MicroV ABI\n"
	     "\n"
	     "<!-- Generated from mv_abi.h and mk_abi.h: change those, then `cmake --build build/cmake "
	     "--target abi_md`. -->\n"
	     "\n"
	     "Two interfaces: the **hypercalls** between software in the root VM and MicroV (`mv_abi.h`), "
	     "and the **system calls** between MicroV in ring 3 and the microkernel in ring 0 (`mk_abi.h`).\n"
	     "\n"
	     "The hypercalls are version Mv#1 of the published *MicroV Hypercall Specification*: names, "
	     "numbers and layouts are its own. What MicroV adds stands at indices and in fields that the "
	     "specification leaves free, and is marked **ours**.\n"
	     "\n"
	     "Words: a *PP* is a physical CPU, a *VM* a virtual machine, a *VP* one of its virtual CPUs, a "
	     "*VS* the register state of a VP. The *root VM* is the Linux that MicroV was started from; all "
	     "others are *guest VMs*. *SPA*: address of physical memory. *GPA*: what a VM takes for that (in "
	     "the root VM both are equal). *GLA*: a guest's linear address. A page is 4096 bytes. All numbers "
	     "are little endian.\n");
}

static void print_convention(void)
{
	puts("## Hypercalls: convention\n"
	     "\n"
	     "A hypercall is the instruction VMMCALL in 64-bit mode at CPL 0 in the root VM. At any other CPL, "
	     "in other modes and without the signature VMMCALL raises #UD, as it does without a hypervisor. "
	     "In a guest VM all of these hypercalls answer `MV_STATUS_INVALID_PERM_DENIED`; without the "
	     "signature VMMCALL answers there as KVM does to a hypercall that it doesn't know: RAX = -1000, or "
	     "-1 outside of CPL 0.\n"
	     "\n"
	     "| Register | In | Out |\n"
	     "| :-- | :-- | :-- |\n"
	     "| RAX | 63:48 signature, 47:32 flags, 31:16 operation, 15:0 index | status |\n"
	     "| R10 | REG0: the handle, or as the operation says | REG0 |\n"
	     "| R11 | REG1 | REG1 |\n"
	     "| R12 | REG2 | REG2 |\n"
	     "| R13 | REG3 | REG3 |\n"
	     "\n"
	     "All other registers keep their values; REG0 to REG3 do unless the operation, or the status, "
	     "gives them one. "
	     "Bits of an input register that no row names are ignored. An operation that fails changes "
	     "nothing.\n"
	     "\n"
	     "Structures travel in the *shared page*: one page of the root VM's RAM for each PP, set with "
	     "`mv_pp_op_set_shared_page_gpa`. Who uses it must not be moved to another PP between filling it, "
	     "the hypercall and reading it. MicroV reads each field of it once.\n"
	     "\n"
	     "| Constant | Value | Meaning |\n"
	     "| :-- | :-- | :-- |");
	GEN_CONST(MV_HYPERCALL_SIG_VAL, "signature, in bits 63:48 of RAX");
	GEN_CONST(MV_HYPERCALL_SIG_MASK, "where the signature is");
	GEN_CONST(MV_HYPERCALL_FLAGS_MASK, "where the flags are");
	GEN_CONST(
		MV_HYPERCALL_FLAGS_SCC,
		"flag: software-controlled continuation; MicroV doesn't need to obey, and doesn't yet");
	GEN_CONST(MV_HYPERCALL_OPCODE_NOSIG_MASK, "where the operation is");
	GEN_CONST(MV_HYPERCALL_INDEX_MASK, "where the index is");
}

static void print_continuation(void)
{
	puts("\n### Continuation\n"
	     "\n"
	     "A long operation, or one that must wait until other PPs have left a VM, answers "
	     "`MV_STATUS_RETRY_CONTINUATION`. The caller executes the same hypercall again, with the same "
	     "registers and the same shared page, until it answers otherwise; interrupts are taken between "
	     "two of them. REG0 to REG3 are as they were given, so nothing needs to be loaded again but RAX.\n");
}

static void print_statuses(void)
{
	static const struct {
		const char *name;
		mv_status_t value;
		enum origin origin;
		const char *doc;
	} statuses[] = {
#define STATUS(name, val, origin, doc) { #name, val##ULL, origin, doc },
		MV_STATUSES(STATUS)
#undef STATUS
	};

	puts("## Status codes\n"
	     "\n"
	     "Bits 63:48 are 0xDEAD for all but success, 47:16 tell which, 15:0 the class.\n"
	     "\n"
	     "| MV_STATUS_… | Value | Origin | Meaning |\n"
	     "| :-- | :-- | :-- | :-- |");
	for (size_t i = 0; i < COUNT(statuses); i++)
		printf("| `%s` | `0x%016llX` | %s | %s |\n", statuses[i].name,
		       (unsigned long long)statuses[i].value, origin_text(statuses[i].origin),
		       statuses[i].doc);
}

static void print_constants(void)
{
	puts("\n## IDs, versions, limits\n"
	     "\n"
	     "| Constant | Value | Meaning |\n"
	     "| :-- | :-- | :-- |");
	GEN_CONST(MV_INVALID_ID, "no VM, VP, VS or PP");
	GEN_CONST(MV_SELF_ID, "the caller's own VP or VS, where an operation says so");
	GEN_CONST(MV_ALL_ID, "all; no operation takes it yet");
	GEN_CONST(MV_BS_PPID, "the PP that Linux booted on");
	GEN_CONST(MV_ROOT_VMID, "the root VM");
	GEN_CONST(MV_SPEC_ID1_VAL, "version Mv#1, for mv_handle_op_open_handle");
	GEN_CONST(MV_SPEC_ID1_MASK, "version Mv#1 in what mv_id_op_version gives");
	GEN_CONST(MV_ALL_SPECS_SUPPORTED_VAL, "all that mv_id_op_version gives");
	GEN_CONST(MV_INVALID_VERSION, "never a version");
	GEN_CONST(MV_INVALID_HANDLE, "never a handle");
	GEN_CONST(MV_PAGE_SIZE, "bytes of a page, and of the shared page");
	GEN_CONST(MV_MAX_VMS, "ours: most VMs; the root VM is one of them");
	GEN_CONST(MV_MAX_VPS_PER_VM, "ours: most VPs of one VM");
	GEN_CONST(MV_MAX_PPS, "ours: most PPs");
	GEN_CONST(MV_MAX_VSS, "ours: most VSs in all; a VP has one");
}

/* "REG1 15:0: VMID; shared page: mv_mdl_t": a list item each, the part before ": " as code. */
static void print_items(const char *text, const char *prefix)
{
	while (*text != '\0') {
		const char *end = strstr(text, "; ");
		size_t len = end ? (size_t)(end - text) : strlen(text);
		const char *colon = memmem(text, len, ": ", 2);
		size_t name = colon			      ? (size_t)(colon - text)
			      : isupper((unsigned char)*text) ? len
							      : 0;

		if (!isupper((unsigned char)*text))
			name = 0;
		if (name != 0)
			printf("  - `%s%.*s`%.*s\n", prefix, (int)name, text, (int)(len - name),
			       text + name);
		else
			printf("  - %.*s\n", (int)len, text);
		text += len + (end ? 2 : 0);
	}
}

static int needs_handle(const struct operation *o)
{
	return strncmp(o->in, "REG0", 4) != 0 && strncmp(o->in, "no handle", 9) != 0;
}

static void print_working(const struct operation *o)
{
	printf("\n### mv_%s_op_%s\n\n", o->group, o->name);
	printf("%s\n\n", o->doc);
	printf("- RAX `0x%016llX` (operation 0x%X, index 0x%X), %s\n",
	       (unsigned long long)MV_HYPERCALL(o->op, o->idx), o->op, o->idx,
	       origin_text(o->origin));
	puts("- Input");
	if (needs_handle(o))
		puts("  - `REG0`: the handle");
	print_items(o->in, "");
	if (*o->out != '\0') {
		puts("- Output");
		print_items(o->out, "");
	}
	if (needs_handle(o) || *o->errors != '\0')
		puts("- Errors");
	if (needs_handle(o))
		puts("  - `MV_STATUS_FAILURE_INVALID_HANDLE`");
	print_items(o->errors, "MV_STATUS_");
}

static void print_missing(const char *group)
{
	int header = 0;

	for (size_t i = 0; i < COUNT(operations); i++) {
		const struct operation *o = &operations[i];

		if (o->state == YES || strcmp(o->group, group) != 0)
			continue;
		if (!header++)
			printf("\n### Not there yet\n\nThese answer "
			       "`MV_STATUS_FAILURE_UNSUPPORTED`, as every index does that is not listed here.\n\n"
			       "| Operation | Index | Origin |\n| :-- | :-- | :-- |\n");
		printf("| mv_%s_op_%s | 0x%X | %s |\n", o->group, o->name, o->idx,
		       origin_text(o->origin));
	}
}

static void print_group(const char *group, const char *title, unsigned int op)
{
	printf("\n## %s (operation 0x%X)\n", title, op);
	for (size_t i = 0; i < COUNT(operations); i++)
		if (operations[i].state == YES && strcmp(operations[i].group, group) == 0)
			print_working(&operations[i]);
	print_missing(group);
}

static void print_overview(void)
{
	puts("\n## All hypercalls\n"
	     "\n"
	     "| Hypercall | RAX | Origin | State |\n"
	     "| :-- | :-- | :-- | :-- |");
	for (size_t i = 0; i < COUNT(operations); i++) {
		const struct operation *o = &operations[i];

		printf("| mv_%s_op_%s | `0x%016llX` | %s | %s |\n", o->group, o->name,
		       (unsigned long long)MV_HYPERCALL(o->op, o->idx), origin_text(o->origin),
		       o->state == YES ? "works" : "FAILURE_UNSUPPORTED");
	}
}

static void print_registers(void)
{
	int column = 0;

	puts("\n## Registers (mv_reg_t)\n"
	     "\n"
	     "Values are 64 bits wide. `_attrib` is bits 40 to 55 of a segment descriptor: type 3:0, S 4, "
	     "DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15 (the published specification doesn't give a format). "
	     "`_limit` is in bytes, as the CPU uses it, not shifted.\n"
	     "\n"
	     "| Register | No. | Register | No. | Register | No. | Register | No. |\n"
	     "| :-- | :-- | :-- | :-- | :-- | :-- | :-- | :-- |");
#define REG(name, val) printf("| %s | %d %s", #name, val, ++column % 4 == 0 ? "|\n" : "");
	MV_REGS(REG)
#undef REG
	puts(column % 4 != 0 ? "|" : "");
}

int main(void)
{
	print_intro();
	print_convention();
	print_continuation();
	print_statuses();
	print_constants();
	print_overview();
	print_group("id", "ID", MV_ID_OP);
	print_group("handle", "Handle", MV_HANDLE_OP);
	print_group("debug", "Debug", MV_DEBUG_OP);
	print_group("pp", "Physical processors", MV_PP_OP);
	print_group("vm", "Virtual machines", MV_VM_OP);
	print_group("vp", "Virtual processors", MV_VP_OP);
	print_group("vs", "Virtual processor states", MV_VS_OP);
	print_registers();
	gen_structs();
	gen_microkernel();
	return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}
