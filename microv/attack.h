/* SPDX-License-Identifier: MIT */
/*
 * A hostile MicroV, only in build/microv-attack.elf: what ring 3 tries against ring 0 when a guest
 * asks for it by CPUID with EAX = ATTACK(kind). Shared with integration/ring3.
 *
 * In: RBX, RSI, RDI as the kind says. Out: R8: how much was tried, R9: how much of it got through,
 * R10: the first that did (an index, a port, an address). All of it must fault or be refused.
 */
#ifndef MICROV_ATTACK_H
#define MICROV_ATTACK_H

#define ATTACK_MAGIC 0xA77AC000U
#define ATTACK(kind) (ATTACK_MAGIC | ATTACK_##kind)

enum attack_kind {
	ATTACK_INSNS, /* every instruction of ATTACK_INSN_LIST */
	ATTACK_SELECTORS, /* far returns and loads of SS with RSI selectors from RBX on */
	ATTACK_PORTS, /* IN and OUT of RSI ports from RBX on */
	ATTACK_MEMORY, /* reads, writes, calls of RSI addresses from RBX on, RDI apart */
	ATTACK_OWN, /* what MicroV has, against the rights it has: writes to code, calls of data */
	ATTACK_HARMLESS, /* segments, flags and stacks as ring 3 may set them: ring 0 goes on */
	ATTACK_SYSCALLS, /* memory that isn't its own; RBX: a page of the hypervisor's */
	ATTACK_KINDS,
};

/* X(name, text): nothing of it is for ring 3. RDI points to 16 bytes, all other registers are 0. */
#define ATTACK_INSN_LIST(X)                                                                        \
	X(cli, "cli")                                                                              \
	X(sti, "sti")                                                                              \
	X(hlt, "hlt")                                                                              \
	X(clts, "clts")                                                                            \
	X(invd, "invd")                                                                            \
	X(wbinvd, "wbinvd")                                                                        \
	X(invlpg, "invlpg (%%rdi)")                                                                \
	X(invpcid, "invpcid (%%rdi), %%rax")                                                       \
	X(lgdt, "lgdt (%%rdi)")                                                                    \
	X(lidt, "lidt (%%rdi)")                                                                    \
	X(lldt, "lldt %%ax")                                                                       \
	X(ltr, "ltr %%ax")                                                                         \
	X(lmsw, "lmsw %%ax")                                                                       \
	X(rdmsr, "mov $0xC0000080, %%ecx; rdmsr")                                                  \
	X(wrmsr, "mov $0xC0000101, %%ecx; wrmsr")                                                  \
	X(rdpmc, "rdpmc")                                                                          \
	X(xsetbv, "xsetbv")                                                                        \
	X(monitor, "monitor")                                                                      \
	X(mwait, "mwait")                                                                          \
	X(swapgs, "swapgs")                                                                        \
	X(wrgsbase, "wrgsbase %%rax")                                                              \
	X(wrfsbase, "wrfsbase %%rax")                                                              \
	X(rdgsbase, "rdgsbase %%rax")                                                              \
	X(stac, "stac")                                                                            \
	X(clac, "clac")                                                                            \
	X(rsm, "rsm")                                                                              \
	X(sysret, "sysretq")                                                                       \
	X(sysexit, "sysexitl")                                                                      \
	X(sysenter, "sysenter")                                                                    \
	X(mov_from_cr0, "mov %%cr0, %%rax")                                                        \
	X(mov_from_cr2, "mov %%cr2, %%rax")                                                        \
	X(mov_from_cr3, "mov %%cr3, %%rax")                                                        \
	X(mov_from_cr4, "mov %%cr4, %%rax")                                                        \
	X(mov_from_cr8, "mov %%cr8, %%rax")                                                        \
	X(mov_to_cr0, "mov %%rax, %%cr0")                                                          \
	X(mov_to_cr2, "mov %%rax, %%cr2")                                                          \
	X(mov_to_cr3, "mov %%rax, %%cr3")                                                          \
	X(mov_to_cr4, "mov %%rax, %%cr4")                                                          \
	X(mov_to_cr8, "mov %%rax, %%cr8")                                                          \
	X(mov_from_dr0, "mov %%db0, %%rax")                                                        \
	X(mov_from_dr7, "mov %%db7, %%rax")                                                        \
	X(mov_to_dr0, "mov %%rax, %%db0")                                                          \
	X(mov_to_dr7, "mov %%rax, %%db7")                                                          \
	X(vmrun, "vmrun %%rax")                                                                    \
	X(vmload, "vmload %%rax")                                                                  \
	X(vmsave, "vmsave %%rax")                                                                  \
	X(vmmcall, "vmmcall")                                                                      \
	X(vmcall, "vmcall")                                                                        \
	X(stgi, "stgi")                                                                            \
	X(clgi, "clgi")                                                                            \
	X(skinit, "skinit %%eax")                                                                  \
	X(invlpga, "invlpga %%rax, %%ecx")                                                         \
	X(int0, "int $0")                                                                          \
	X(int1, ".byte 0xF1")                                                                      \
	X(int2, "int $2")                                                                          \
	X(int3, "int3")                                                                            \
	X(int8, "int $8")                                                                          \
	X(int13, "int $13")                                                                        \
	X(int14, "int $14")                                                                        \
	X(int18, "int $18")                                                                        \
	X(int32, "int $32")                                                                        \
	X(int80, "int $0x80")                                                                      \
	X(int255, "int $255")                                                                      \
	X(iret, "push $0; push %%rsp; push $0x3202; push $8; push %%rdi; iretq")                   \
	X(ud2, "ud2")                                                                              \
	X(insb, "insb")                                                                            \
	X(outsb, "outsb")                                                                          \
	X(single_step, "pushf; orl $0x100, (%%rsp); popf; nop; nop")                               \
	X(single_step_over_syscall,                                                                \
	  "pushf; orl $0x100, (%%rsp); mov $99, %%eax; popf; syscall; nop; nop")                   \
	X(no_stack, "xor %%esp, %%esp; push %%rax")                                                \
	X(stack_of_ring0, "mov $0xFFFFFFFF80001000, %%rsp; push %%rax")                            \
	X(non_canonical, "mov $0x800000000000, %%rax; mov (%%rax), %%rax")                         \
	X(non_canonical_jump, "mov $0x800000000000, %%rax; jmp *%%rax")

#endif
