/* SPDX-License-Identifier: MIT */
/*
 * Ways into ring 0: system calls and exceptions of ring 3, and exceptions of our own.
 */
#include "offsets.h"

	.text

/*
 * SYSCALL: RCX = return address, R11 = RFLAGS, interrupts off (SFMASK). A system call with
 * up to five arguments: RAX number, RDI RSI RDX R10 R8. C gets (number, a0..a4); RDX gives
 * back a second result.
 */
	.globl entry_syscall
entry_syscall:
	mov	%rsp, %gs:CPU_USER_RSP
	mov	%gs:CPU_KSTACK_TOP, %rsp
	push	%rcx
	push	%r11
	mov	%r8, %r9
	mov	%r10, %r8
	mov	%rdx, %rcx
	mov	%rsi, %rdx
	mov	%rdi, %rsi
	mov	%rax, %rdi
	call	syscall_dispatch
	pop	%r11
	pop	%rcx
	mov	%gs:CPU_USER_RSP, %rsp
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
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
	xor	%eax, %eax
	xor	%ebx, %ebx
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebp, %ebp
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d
	iretq

/* One stub per vector: an error code, the vector, then everything else (struct frame). */
	.macro stub vector
	.balign 16
	.if (0x60227D00 >> \vector & 1) == 0
	push	$0
	.endif
	push	$\vector
	jmp	entry_exception
	.endm

	.balign 16
	.globl entry_stubs
entry_stubs:
	.irp	vector, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	stub	\vector
	.endr
	.irp	vector, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	stub	\vector
	.endr

entry_exception:
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%r11
	push	%r10
	push	%r9
	push	%r8
	push	%rbp
	push	%rdi
	push	%rsi
	push	%rdx
	push	%rcx
	push	%rbx
	push	%rax
	mov	%rsp, %rdi
	cld
	call	exception
	pop	%rax
	pop	%rbx
	pop	%rcx
	pop	%rdx
	pop	%rsi
	pop	%rdi
	pop	%rbp
	pop	%r8
	pop	%r9
	pop	%r10
	pop	%r11
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	add	$16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
