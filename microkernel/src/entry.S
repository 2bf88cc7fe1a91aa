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
	test	%rax, %rax	/* MK_SYS_VS_RUN: vs_run(cpu, vsid) */
	jnz	1f
	mov	%rdi, %rsi
	mov	%gs:0, %rdi
	call	vs_run
	xor	%edx, %edx
	jmp	2f
1:	mov	%r8, %r9
	mov	%r10, %r8
	mov	%rdx, %rcx
	mov	%rsi, %rdx
	mov	%rdi, %rsi
	mov	%rax, %rdi
	call	syscall_dispatch
2:	pop	%r11
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
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	xor	%r\n\()d, %r\n\()d
	.endr
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
	.irp	n, 15, 14, 13, 12, 11, 10, 9, 8
	push	%r\n
	.endr
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
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	pop	%r\n
	.endr
	add	$16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
