; SPDX-License-Identifier: MIT
; Guests that do one thing for ever, each turn counted at [0x20000]. An exception starts anew, with
; a fresh stack, at the beginning (exit_loop.c has made such an IDT): so faults are a turn, too.

%include "guest.inc"

%macro LOOP 2+
GUEST_CODE loop_%1, 64
	mov	esp, 0x8000
	inc	qword [abs 0x20000]
	%2
	jmp	HERE_START
END_CODE
%endmacro

; Position-independent: back to the first byte.
%define HERE_START CURRENT

	LOOP	out, out 0x80, al
	LOOP	in, in al, 0x80
	LOOP	load, mov rax, [rbx]
	LOOP	store, mov [rbx], rax
	LOOP	cpuid, cpuid
	LOOP	hlt, hlt
	LOOP	hypercall, db 0x0f, 0x01, 0xd9
	LOOP	vmrun, db 0x0f, 0x01, 0xd8
	LOOP	undefined, ud2
	LOOP	wbinvd, wbinvd
	LOOP	pause, pause
	LOOP	rdtsc, rdtsc
	LOOP	breakpoint, int3
	LOOP	nothing, cli

GUEST_CODE loop_rep_outs, 64
	mov	esp, 0x8000
	inc	qword [abs 0x20000]
	mov	ecx, 200
	mov	esi, 0x100000
	mov	edx, 0x80
	cld
	rep outsb
	jmp	loop_rep_outs
END_CODE

GUEST_CODE loop_rdmsr, 64
	mov	esp, 0x8000
	inc	qword [abs 0x20000]
	mov	ecx, 0xc0000080
	rdmsr
	jmp	loop_rdmsr
END_CODE

; An MSR that there isn't: #GP.
GUEST_CODE loop_wrmsr, 64
	mov	esp, 0x8000
	inc	qword [abs 0x20000]
	mov	ecx, 0x12345678
	wrmsr
	jmp	loop_wrmsr
END_CODE

GUEST_CODE loop_cr, 64
	mov	esp, 0x8000
	inc	qword [abs 0x20000]
	mov	rax, cr4
	xor	eax, 0x80
	mov	cr4, rax
	mov	rax, cr0
	mov	cr0, rax
	mov	rax, cr8
	xor	eax, 1
	mov	cr8, rax
	jmp	loop_cr
END_CODE

GUEST_CODE loop_dr, 64
	mov	esp, 0x8000
	inc	qword [abs 0x20000]
	mov	dr0, rbx
	mov	rax, dr7
	jmp	loop_dr
END_CODE

; #DB after each instruction.
GUEST_CODE loop_single_step, 64
	mov	esp, 0x8000
	inc	qword [abs 0x20000]
	pushfq
	or	qword [rsp], 0x100
	popfq
	nop
	nop
	jmp	loop_single_step
END_CODE

GUEST_CODE loop_page_fault, 64
	mov	esp, 0x8000
	inc	qword [abs 0x20000]
	mov	rax, 0x123456789000
	mov	[rax], rax
	jmp	loop_page_fault
END_CODE

; No IDT: an exception is a triple fault.
GUEST_CODE loop_triple_fault, 64
	mov	esp, 0x8000
	inc	qword [abs 0x20000]
	push	qword 0
	push	qword 0
	lidt	[rsp]
	ud2
END_CODE

; The other vCPU's.
GUEST_CODE other_vcpu, 64
	inc	qword [abs 0x20008]
	jmp	other_vcpu
END_CODE
