/* SPDX-License-Identifier: MIT */
/*
 * What C can't say: the entry, the system call, and the accesses to guest
 * memory in the window, whose faults the microkernel turns into -EFAULT.
 */

	.text

/* RDI = CPU, RSI = enum mk_start; the stack is empty and 16-byte aligned. */
	.globl _start
_start:
	xorl	%ebp, %ebp
	cld
	call	microv_main
	ud2

/*
 * int64_t mk_syscall(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2,
 *		      uint64_t a3, uint64_t a4, uint64_t *rdx)
 * C has nr, a0..a4 in RDI, RSI, RDX, RCX, R8, R9 and rdx on the stack;
 * the system call wants RAX, RDI, RSI, RDX, R10, R8.
 */
	.globl mk_syscall
mk_syscall:
	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	movq	%rcx, %rdx
	movq	%r8, %r10
	movq	%r9, %r8
	syscall
	movq	8(%rsp), %r9
	testq	%r9, %r9
	jz	1f
	movq	%rdx, (%r9)
1:	ret

/* int window_copy(void *dst, const void *src, size_t len): 0 or -MK_EFAULT. */
	.globl window_copy
window_copy:
	movq	%rdx, %rcx
	xorl	%eax, %eax
	shrq	$3, %rcx
	andl	$7, %edx
	.globl window_start
window_start:
	rep movsq
	movl	%edx, %ecx
	rep movsb
	ret

/* int window_load(uint64_t *to, const uint64_t *from): 0 or -MK_EFAULT. */
	.globl window_load
window_load:
	xorl	%eax, %eax
	movq	(%rsi), %rdx
	movq	%rdx, (%rdi)
	ret

/*
 * For mk_window_check(): R8 = word, R9 = end, RDX = gpa, RCX = window. EAX = the byte;
 * -1: a word isn't what it was; -MK_EFAULT. R8 changes, nothing else.
 * The first MK_WINDOW_WORDS are always there.
 */
	.globl window_check
window_check:
	.irp	n, 0, 1, 2
	movq	16*\n(%r8), %rax
	movq	(%rcx,%rax), %rax
	cmpq	16*\n+8(%r8), %rax
	jne	3f
	.endr
	addq	$48, %r8
1:	cmpq	%r9, %r8
	jb	2f
	movzbl	(%rcx,%rdx), %eax
	ret
2:	movq	(%r8), %rax
	movq	(%rcx,%rax), %rax
	addq	$16, %r8
	cmpq	-8(%r8), %rax
	je	1b
3:	movl	$-1, %eax
	ret

/* int window_or(void *byte, unsigned int bits): sets bits atomically; 0 or -MK_EFAULT. */
	.globl window_or
window_or:
	xorl	%eax, %eax
	lock orb %sil, (%rdi)
	ret

/* As window_cmpxchg has set it up; RBX changes. */
exchange:
	cmpl	$2, %r8d
	jb	1f
	je	2f
	cmpl	$8, %r8d
	jb	4f
	je	8f
	lock cmpxchg16b (%rdi)
	jmp	9f
1:	lock cmpxchgb %bl, (%rdi)
	jmp	9f
2:	lock cmpxchgw %bx, (%rdi)
	jmp	9f
4:	lock cmpxchgl %ebx, (%rdi)
	jmp	9f
8:	lock cmpxchgq %rbx, (%rdi)
9:	setne	%al
	movzbl	%al, %eax
	ret
	.globl window_end
window_end:

	.globl window_fault
window_fault:
	movl	$-14, %eax	/* -MK_EFAULT */
	ret

/*
 * int window_cmpxchg(void *p, const uint64_t old[2], const uint64_t value[2], size_t len):
 * 0; 1: something else is there; -MK_EFAULT.
 */
	.globl window_cmpxchg
window_cmpxchg:
	pushq	%rbx
	movq	%rcx, %r8
	movq	(%rsi), %rax
	movq	(%rdx), %rbx
	movq	8(%rdx), %rcx
	movq	8(%rsi), %rdx
	call	exchange
	popq	%rbx
	ret

	.section .note.GNU-stack, "", @progbits
