; SPDX-License-Identifier: MIT
; The guests of bench.c: each does its operation RCX times and halts, in 64-bit mode.
%include "guest.inc"

%define PORT 0x600
%define DEVICE 0xd0000000

%macro REPEAT 2+
GUEST_CODE %1, 64
	mov	edi, DEVICE
.again:
	%2
	dec	rcx
	jnz	.again
	hlt
END_CODE
%endmacro

	REPEAT	bench_out, out 0x10, al
	REPEAT	bench_in, in al, 0x10
	REPEAT	bench_write, mov [rdi], eax
	REPEAT	bench_read, mov eax, [rdi]

GUEST_CODE bench_event, 64
	mov	edx, PORT
.again:
	out	dx, al
	dec	rcx
	jnz	.again
	hlt
END_CODE

GUEST_CODE bench_cpuid, 64
	mov	rsi, rcx
.again:
	mov	eax, 1
	xor	ecx, ecx
	cpuid
	dec	rsi
	jnz	.again
	hlt
END_CODE

GUEST_CODE bench_rdmsr, 64
	mov	rsi, rcx
	mov	ecx, 0x1b		; APIC_BASE
.again:
	rdmsr
	dec	rsi
	jnz	.again
	hlt
END_CODE

; Nothing but registers.
GUEST_CODE bench_compute, 64
	mov	eax, 1
	mov	ebx, 3
.again:
%rep 32
	imul	rax, rbx
	add	rax, rcx
	rol	rax, 7
%endrep
	dec	rcx
	jnz	.again
	hlt
END_CODE

; A MiB, read and written, 8 bytes of each line.
GUEST_CODE bench_memory, 64
.again:
	mov	edi, 0x100000
	mov	edx, 0x100000 / 64
.line:
	add	[rdi], rdx
	add	rdi, 64
	dec	edx
	jnz	.line
	dec	rcx
	jnz	.again
	hlt
END_CODE

; One page is taken out and looked at; the handler of its fault puts it back.
%define TABLE_PD 0x12000		; KT_TABLES' first page directory
%define PAGE_AT 0x200000		; its second entry
%define IDT_AT 0x9000

GUEST_CODE bench_fault, 64
	mov	edi, IDT_AT + 14 * 16
	mov	eax, HERE(.fault)
	mov	[rdi], eax		; offset 15:0, and the selector is next
	mov	word [rdi + 2], 8
	mov	dword [rdi + 4], 0x8e00	; a present interrupt gate
	mov	qword [rdi + 8], 0
	mov	eax, HERE(.idtr)
	lidt	[rax]
	mov	eax, HERE(.gdtr)
	lgdt	[rax]
	mov	esp, 0x8000
	mov	edi, TABLE_PD + 8
	mov	esi, PAGE_AT
.again:
	and	qword [rdi], ~1
	invlpg	[rsi]
	mov	eax, [rsi]
	dec	rcx
	jnz	.again
	hlt
.fault:
	or	qword [rdi], 1
	add	rsp, 8			; the error code
	iretq
	align	8
.idtr:	dw	0xfff
	dq	IDT_AT
.gdtr:	dw	.gdt_end - .gdt - 1
	dq	HERE(.gdt)
	align	8
.gdt:	dq	0
	dq	0x00af9b000000ffff
	dq	0x00cf93000000ffff
.gdt_end:
END_CODE

; RCX pages from RBX on are written once.
GUEST_CODE bench_touch, 64
.again:
	mov	[rbx], rbx
	add	rbx, 4096
	dec	rcx
	jnz	.again
	hlt
END_CODE
