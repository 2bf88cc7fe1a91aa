/* SPDX-License-Identifier: MIT */
/*
 * The world switch. GIF is 0 in all of ring 0: interrupts and NMIs wait until the
 * next VMRUN. RFLAGS.IF = 1 at VMRUN lets pending ones end a guest (V_INTR_MASKING).
 */
#include "offsets.h"

	.text

/*
 * s64 svm_enter(u64 vmcb_spa, u64 *gpr, u64 host_vmcb_spa)
 * In the guest all registers are its own; VMRUN gives back only RAX and RSP of the host.
 * Stack meanwhile: gpr, host VMCB. Then svm_left(cpu), with nothing of the
 * guest's in registers that C may use.
 */
	.globl svm_enter
svm_enter:
	push	%rdx
	push	%rsi
	mov	%rdi, %rax
	vmload	%rax
	mov	MK_RBX*8(%rsi), %rbx
	mov	MK_RCX*8(%rsi), %rcx
	mov	MK_RDX*8(%rsi), %rdx
	mov	MK_RBP*8(%rsi), %rbp
	mov	MK_RDI*8(%rsi), %rdi
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	\n*8(%rsi), %r\n
	.endr
	sti
	mov	MK_RSI*8(%rsi), %rsi
	vmrun	%rax
	cli
	vmsave	%rax
	pop	%rax
	mov	%rbx, MK_RBX*8(%rax)
	mov	%rcx, MK_RCX*8(%rax)
	mov	%rdx, MK_RDX*8(%rax)
	mov	%rbp, MK_RBP*8(%rax)
	mov	%rsi, MK_RSI*8(%rax)
	mov	%rdi, MK_RDI*8(%rax)
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	%r\n, \n*8(%rax)
	.endr
	pop	%rax
	vmload	%rax
	mov	%gs:0, %rdi
	.irp	reg, ebx, ecx, edx, ebp, esi, r8d, r9d, r10d, r11d, r12d, r13d, r14d, r15d
	xor	%\reg, %\reg
	.endr
	jmp	svm_left

/* void svm_save(u64 vmcb_spa): FS GS TR LDTR and the system-call MSRs into a VMCB. */
	.globl svm_save
svm_save:
	mov	%rdi, %rax
	vmsave	%rax
	ret

	.globl svm_load
svm_load:
	mov	%rdi, %rax
	vmload	%rax
	ret

/*
 * void svm_leave(u64 tramp, u64 *regs), regs: cr4 cr3 cr0 rsp rax dr7 cr2, RSI = regs.
 * The trampoline takes RAX = tramp's own use, R8 = cr4, R9 = cr3, R10 = cr0, R11 = rsp,
 * RDX = value of RAX for root.
 */
	.globl svm_leave
svm_leave:
	mov	0(%rsi), %r8
	mov	8(%rsi), %r9
	mov	16(%rsi), %r10
	mov	24(%rsi), %r11
	mov	32(%rsi), %rdx
	mov	40(%rsi), %rax
	mov	%rax, %db7
	mov	48(%rsi), %rax
	mov	%rax, %cr2
	jmp	*%rdi

	.section .note.GNU-stack, "", @progbits
