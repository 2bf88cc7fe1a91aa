/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Between Linux's address space and ring 0's. This page is mapped at the same address in
 * both. CR4.PGE goes off on each way, which forgets the global translations of the space
 * that is left; CR3 changes while CR4.PCIDE is off or CR3's PCID is 0 (APM vol. 2, 5.5).
 */
#include <linux/linkage.h>
#include <asm/asm-offsets.h>
#include <asm/nospec-branch.h>
#include <asm/processor-flags.h>
#include <asm/segment.h>

#define CR4_TO (X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)
#define LAUNCH_RIP 0
#define LAUNCH_RSP 8
#define LAUNCH_RFLAGS 16

	.section .text
	.balign 4096, 0xcc
SYM_DATA_START(switch_page)
SYM_DATA_END(switch_page)

.macro save_callee
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
.endm

.macro restore_callee
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
.endm

/* RDI = new CR3, RSI = new RSP, RDX = function, RCX, R8 = its arguments; RBX, RBP, R12 keep
 * Linux's RSP, CR3 and CR4. */
.macro call_over
	mov	%rsp, %rbx
	mov	%cr3, %rbp
	mov	%cr4, %r12
	mov	%r12, %rax
	and	$~X86_CR4_PGE, %rax
	mov	%rax, %cr4
	mov	%rdi, %cr3
	mov	$CR4_TO, %eax
	mov	%rax, %cr4
	mov	%rsi, %rsp
	mov	%rcx, %rdi
	mov	%r8, %rsi
	ANNOTATE_RETPOLINE_SAFE
	call	*%rdx
	mov	%r12, %rcx
	and	$~X86_CR4_PGE, %rcx
	mov	%rcx, %cr4
	mov	%rbp, %cr3
	mov	%r12, %cr4
	mov	%rbx, %rsp
.endm

/* s64 switch_call(u64 cr3, u64 rsp, u64 function, u64 arg0, u64 arg1) */
SYM_FUNC_START(switch_call)
	save_callee
	call_over
	restore_callee
	RET
SYM_FUNC_END(switch_call)

/*
 * s64 switch_launch(u64 cr3, u64 rsp, u64 function, u64 cpu, u64 arg1, struct mk_launch *)
 * arg1: the structure, as the microkernel sees it.
 * Returns twice or never: with 0 in the root VM, or with the microkernel's error.
 */
SYM_FUNC_START(switch_launch)
	save_callee
	mov	%rsp, LAUNCH_RSP(%r9)
	lea	.Llaunched(%rip), %rax
	mov	%rax, LAUNCH_RIP(%r9)
	pushfq
	popq	LAUNCH_RFLAGS(%r9)
	call_over
	restore_callee
	RET
.Llaunched:
	xor	%eax, %eax
	restore_callee
	RET
SYM_FUNC_END(switch_launch)

/*
 * s64 switch_stop(u64 rax): the hypercall that ends the root VM on this CPU. Behind it, if
 * it was granted, Linux runs natively, by way of switch_tramp; else the hypercall returns.
 */
SYM_FUNC_START(switch_stop)
	save_callee
	mov	%ds, %eax
	push	%rax
	mov	%es, %eax
	push	%rax
	mov	%ss, %eax
	push	%rax
	mov	%cs, %eax
	push	%rax
	lea	.Lnative(%rip), %rax
	push	%rax
	mov	%rdi, %rax
	vmmcall
	add	$40, %rsp
	restore_callee
	RET
.Lnative:
	pop	%rcx
	mov	%ecx, %ss
	pop	%rcx
	mov	%ecx, %es
	pop	%rcx
	mov	%ecx, %ds
	stgi
	mov	%rdx, %rax
	restore_callee
	RET
SYM_FUNC_END(switch_stop)

/*
 * Where the microkernel jumps to when it is done with a CPU: R8 = CR4, R9 = CR3, R10 = CR0,
 * R11 = RSP of Linux; its GDT, IDT, TR, FS and GS are loaded already.
 */
SYM_CODE_START(switch_tramp)
	UNWIND_HINT_EMPTY
	ANNOTATE_NOENDBR
	mov	%r8, %rax
	and	$~X86_CR4_PGE, %rax
	mov	%rax, %cr4
	mov	%r9, %cr3
	mov	%r8, %cr4
	mov	%r10, %cr0
	mov	%r11, %rsp
	lretq
SYM_CODE_END(switch_tramp)

	.balign 4096, 0xcc
