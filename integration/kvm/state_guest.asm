; SPDX-License-Identifier: MIT
; Guests that fill the registers KVM switches between guest and host, and look at them after
; exits.

%include "guest.inc"

%define SAVED 0x20000

; Put a pattern that depends on EDI into xmm0-15, MXCSR and the x87 stack; then, after an
; exit, store all of it at SAVED (FXSAVE). For ever.
GUEST_CODE fpu, 64
	mov	eax, edi
	mov	rbx, 0x0101010101010101
	imul	rax, rbx
%assign i 0
%rep 16
	movq	xmm%+i, rax
	pshufd	xmm%+i, xmm%+i, 0x44
	inc	rax
%assign i i + 1
%endrep
	mov	dword [rsp - 8], 0x3f80
	ldmxcsr	[rsp - 8]
	fninit
	mov	word [rsp - 8], 0x027f
	fldcw	[rsp - 8]
	fld1
	fldpi
	mov	[rsp - 8], rdi
	fild	qword [rsp - 8]
.again:
	out	0x10, al
	fxsave	[rsi]
	hlt
	jmp	.again
END_CODE

; State of reset: what FXSAVE finds before the guest touched anything.
GUEST_CODE fpu_reset, 64
	fxsave	[rsi]
	hlt
END_CODE

; Debug registers of the guest: set, exit, read.
GUEST_CODE debug, 64
	mov	rax, 0x123450
	mov	dr0, rax
	inc	rax
	mov	dr1, rax
	inc	rax
	mov	dr2, rax
	inc	rax
	mov	dr3, rax
	mov	rax, 0xffff4ff1
	mov	dr6, rax
	out	0x10, al
	mov	rbx, dr0
	mov	rcx, dr1
	mov	rdx, dr2
	mov	rsi, dr3
	mov	rdi, dr6
	hlt
	jmp	debug
END_CODE

; TSC_AUX by WRMSR from EDI, if that isn't 0; then by RDTSCP at each exit.
GUEST_CODE tsc_aux, 64
	mov	ecx, 0xc0000103
	mov	eax, edi
	xor	edx, edx
	test	edi, edi
	jz	.again
	wrmsr
.again:
	out	0x10, al
	rdtscp
	mov	ebx, ecx
	mov	ecx, 0xc0000103
	rdmsr
	hlt
	jmp	.again
END_CODE

; Segment bases by MSR, SWAPGS, and system-call MSRs that the host uses itself.
GUEST_CODE bases, 64
	mov	ecx, 0xc0000100
	mov	eax, 0x11111000
	xor	edx, edx
	wrmsr
	inc	ecx
	mov	eax, 0x22222000
	wrmsr
	inc	ecx
	mov	eax, 0x33333000
	wrmsr
	swapgs
	mov	ecx, 0xc0000081
	mov	eax, 0x44444000
	mov	edx, 0x00230010
	wrmsr
	inc	ecx
	mov	eax, 0x55555000
	xor	edx, edx
	wrmsr
	mov	ecx, 0xc0000084
	mov	eax, 0x66666
	wrmsr
	mov	ecx, 0x174
	mov	eax, 0x10
	wrmsr
	inc	ecx
	mov	eax, 0x77777000
	wrmsr
	inc	ecx
	mov	eax, 0x88888000
	wrmsr
	out	0x10, al
	mov	ecx, 0xc0000082
	rdmsr
	mov	ebx, eax
	mov	ecx, 0x176
	rdmsr
	mov	edi, eax
	mov	ecx, 0xc0000102
	rdmsr
	hlt
	jmp	bases
END_CODE

; XCR0 to x87 only; it has to be so after an exit, too.
GUEST_CODE xcr0, 64
	xor	ecx, ecx
	xor	edx, edx
	mov	eax, 1
	xsetbv
	out	0x10, al
	xgetbv
	hlt
	jmp	xcr0
END_CODE
