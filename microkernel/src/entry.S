/* SPDX-License-Identifier: MIT */
/*
 * Ways into ring 0: system calls and exceptions of ring 3, and exceptions of our own.
 * Ring 3 may load GS with a selector, so the base that points to struct cpu waits in
 * KernelGSbase meanwhile. GIF is 1 while GS is ring 3's, so that an NMI gets to a MicroV that never
 * ends, on a stack of its own; interrupts stay off (IF).
 */
#include "offsets.h"

	.text

/*
 * SYSCALL: RCX = return address, R11 = RFLAGS, interrupts off (SFMASK). A system call with
 * up to five arguments: RAX number, RDI RSI RDX R10 R8. C gets (number, a0..a4); RDX gives
 * back a second result. MK_SYS_VS_RUN goes straight to vs_run(), and loses all other registers.
 */
	.globl entry_syscall
entry_syscall:
	clgi
	swapgs
	mov	%rsp, %gs:CPU_USER_RSP
	mov	%gs:CPU_KSTACK_TOP, %rsp
	push	%rcx
	push	%r11
	test	%rax, %rax
	jz	1f
	mov	%r8, %r9
	mov	%r10, %r8
	mov	%rdx, %rcx
	mov	%rsi, %rdx
	mov	%rdi, %rsi
	mov	%rax, %rdi
	call	syscall_dispatch
	jmp	2f
1:	mov	%rdi, %rsi
	mov	%gs:0, %rdi
	call	vs_run
	xor	%edx, %edx
2:	pop	%r11
	pop	%rcx
	mov	%gs:CPU_USER_RSP, %rsp
	.irp	reg, esi, edi, r8d, r9d, r10d
	xor	%\reg, %\reg
	.endr
	swapgs
	stgi
	sysretq

/* void entry_user(u64 rip, u64 rsp, u64 rdi, u64 rsi): ring 3 begins; never returns. */
	.globl entry_user
entry_user:
	push	$GDT_UDATA
	push	%rsi
	push	$2
	push	$GDT_UCODE
	push	%rdi
	mov	%rdx, %rdi
	mov	%rcx, %rsi
	.irp	reg, eax, ebx, ecx, edx, ebp, r8d, r9d, r10d, r11d, r12d, r13d, r14d, r15d
	xor	%\reg, %\reg
	.endr
	swapgs
	stgi
	iretq

/* One stub per vector: an error code, the vector, then everything else (struct frame). */
	.balign 16
	.globl entry_stubs
entry_stubs:
	.set	vector, 0
	.rept	32
	.balign 16
	.if (0x60227D00 >> vector & 1) == 0
	push	$0
	.endif
	push	$vector
	jmp	entry_exception
	.set	vector, vector + 1
	.endr

entry_exception:
	clgi
	cmpl	$2, (%rsp) /* an NMI, also between SYSCALL and CLGI, or STGI and SYSRET */
	je	1f
	testb	$3, 24(%rsp) /* CS */
	jz	2f
1:	swapgs
2:	.irp	reg, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
	push	%\reg
	.endr
	mov	%rsp, %rdi
	cld
	call	exception
	.irp	reg, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	pop	%\reg
	.endr
	add	$16, %rsp
	swapgs /* only faults of ring 3 are gone on behind, and NMIs */
	stgi
	iretq

	.section .note.GNU-stack, "", @progbits
