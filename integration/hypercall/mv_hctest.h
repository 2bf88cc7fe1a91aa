/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * /dev/mv_hctest: what the hypercall tests in user space ask of their kernel
 * module. Used by both. Root only; never load this on a machine that matters.
 */
#ifndef MV_HCTEST_H
#define MV_HCTEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MV_HCTEST_DEVICE "mv_hctest"

/* VMMCALL on a CPU. fault: it raised #UD, the registers are as they were. */
struct hct_call {
	__u64 rax;
	__u64 reg[4]; /* R10 to R13 */
	__u32 cpu;
	__u32 fault;
};

/*
 * 2^order zeroed pages, physically contiguous. mmap() with offset = spa shows them.
 * They stay until HCT_FREE: closing the device with pages that the hypervisor may
 * still hold leaks them.
 */
struct hct_alloc {
	__u32 order;
	__u32 reserved;
	__u64 spa; /* out */
};

/* Reads or writes physical memory, RAM or not, up to the end of a page. */
struct hct_phys {
	__u64 spa;
	__u64 buffer;
	__u32 bytes;
	__u32 write;
};

/* The same hypercall, with REG0 = 0, again and again on this CPU; rax is the last answer. */
struct hct_repeat {
	__u64 rax;
	__u64 times;
};

/* An access to an MSR of a CPU; fault: it raised #GP, value is as it was. */
struct hct_msr {
	__u64 value; /* in or out */
	__u32 index;
	__u32 cpu;
	__u32 write;
	__u32 fault;
};

/*
 * On a CPU, with interrupts off: the MSR becomes this value, a hypercall is made (which runs the
 * hypervisor in host mode), the MSR is read and gets back what it was. value: what was read.
 */
#define HCT_MSR_SWAP 2 /* as `write` of struct hct_msr */

/* In ring 0 of the root VM: those of SVM, INVD. X(number, name, text) with RAX and RCX = arg. */
#define HCT_INSNS(X)                                                                               \
	X(0, VMRUN, "vmrun %%rax")                                                                 \
	X(1, VMLOAD, "vmload %%rax")                                                               \
	X(2, VMSAVE, "vmsave %%rax")                                                               \
	X(3, STGI, "stgi")                                                                         \
	X(4, CLGI, "clgi")                                                                         \
	X(5, SKINIT, "skinit %%eax")                                                               \
	X(6, INVLPGA, "invlpga %%rax, %%ecx")                                                      \
	X(7, INVD, "invd")

#define HCT_INVD 7

/* trap: its vector, or ~0: it was executed. */
struct hct_insn {
	__u64 arg;
	__u32 number;
	__u32 cpu;
	__u32 trap;
	__u32 reserved;
};

#define HCT_CALL _IOWR('v', 0x80, struct hct_call)
#define HCT_ALLOC _IOWR('v', 0x81, struct hct_alloc)
#define HCT_FREE _IO('v', 0x82) /* all of this file's pages */
#define HCT_PHYS _IOW('v', 0x83, struct hct_phys)

#define HCT_REPEAT _IOWR('v', 0x84, struct hct_repeat)
#define HCT_MSR _IOWR('v', 0x85, struct hct_msr)
#define HCT_INSN _IOWR('v', 0x86, struct hct_insn)

#endif /* MV_HCTEST_H */
