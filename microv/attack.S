/* SPDX-License-Identifier: MIT */
/*
 * The entry of the hostile image: MicroV's, but for a fault of an attack under way on this CPU,
 * which goes on where it was begun. The stack below attack_rsp is as it was: ring 0 writes nothing
 * there.
 */
	.text

/* RDI = CPU, RSI = enum mk_start (1: MK_START_FAULT) */
	.globl attack_start
attack_start:
	cmpl	$1, %esi
	jne	_start
	cmpl	%edi, attack_cpu
	jne	_start
	cmpq	$0, attack_rsp
	je	_start
	movl	$1, %eax
	jmp	attack_end

/* int attack_try(void (*attack)(uint64_t), uint64_t arg): 1: it faulted, 0: it came back. */
	.globl attack_try
attack_try:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	movq	%rsp, attack_rsp
	movq	%rdi, %rax
	movq	%rsi, %rdi
	call	*%rax
	xorl	%eax, %eax
attack_end:
	movq	attack_rsp, %rsp
	movq	$0, attack_rsp
	cld
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

/*
 * uint64_t attack_flags(uint64_t set): RFLAGS behind a POPF that sets these, and the system call
 * that there isn't, then the ring's own again. attack_gs(selector): the same with GS, FS, DS, ES.
 */
	.globl attack_flags
attack_flags:
	pushfq
	pushfq
	orq	%rdi, (%rsp)
	movl	$99, %eax
	popfq
	syscall
	pushfq
	popq	%rax
	popfq
	cld
	ret

	.globl attack_segments
attack_segments:
	movl	%edi, %gs
	movl	%edi, %fs
	movl	%edi, %ds
	movl	%edi, %es
	movl	$99, %eax
	syscall
	ret

/* The same, and then a fault. */
	.globl attack_segments_fault
attack_segments_fault:
	call	attack_segments
	ud2

/* int64_t attack_stack(uint64_t rsp): a system call with that stack. */
	.globl attack_stack
attack_stack:
	pushq	%rbx
	movq	%rsp, %rbx
	movq	%rdi, %rsp
	movl	$99, %eax
	syscall
	movq	%rbx, %rsp
	popq	%rbx
	ret

	.globl attack_stack_fault
attack_stack_fault:
	movq	%rdi, %rsp
	ud2

/* void attack_far_return(uint64_t cs): to attack_far with that selector; attack_ss: loads SS. */
	.globl attack_far_return
attack_far_return:
	pushq	%rdi
	pushq	$attack_far
	lretq
attack_far:
	ret

	.globl attack_ss
attack_ss:
	movl	%edi, %ss
	ret

	.section .rodata
	.globl attack_rodata
attack_rodata:
	ret

	.data
	.globl attack_cpu, attack_rsp
attack_cpu:
	.long	-1
	.balign 8
attack_rsp:
	.quad	0

	.section .note.GNU-stack, "", @progbits
