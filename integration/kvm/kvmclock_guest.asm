; SPDX-License-Identifier: MIT
; Guests that use their kvmclock: the time is at 0x20000 (+ 0x40 for the second CPU), the wall
; clock at 0x20080.

%include "guest.inc"

%define TIME 0x20000
%define MSR_WALL 0x4b564d00
%define MSR_TIME 0x4b564d01

; The time at RDI in RAX; uses RDX, RCX, R8 to R11.
%macro KVMCLOCK 0
%%again:
	mov	r8d, [rdi]
	lfence
	rdtsc
	shl	rdx, 32
	or	rax, rdx
	sub	rax, [rdi + 8]
	mov	r9, [rdi + 16]
	mov	r10d, [rdi + 24]
	movsx	ecx, byte [rdi + 28]
	lfence
	test	r8d, 1
	jnz	%%again
	cmp	r8d, [rdi]
	jne	%%again
	test	ecx, ecx
	js	%%right
	shl	rax, cl
	jmp	%%scale
%%right:
	neg	ecx
	shr	rax, cl
%%scale:
	mul	r10
	shrd	rax, rdx, 32
	add	rax, r9
%endmacro

; Writes RDI | 1 to the MSR in ESI and halts with the time in RAX, again and again.
GUEST_CODE show_time, 64
	mov	ecx, esi
	mov	eax, edi
	xor	edx, edx
	or	eax, 1
	wrmsr
.next:
	KVMCLOCK
	hlt
	jmp	.next
END_CODE

; Halts with the time in RAX, polls for RSI ns, halts, halts with the time again; RBX: how often
; time went backwards.
GUEST_CODE wait_time, 64
	mov	ecx, MSR_TIME
	mov	eax, edi
	xor	edx, edx
	or	eax, 1
	wrmsr
	xor	ebx, ebx
	KVMCLOCK
	mov	r12, rax
	mov	r13, rax
	hlt
.next:
	KVMCLOCK
	cmp	rax, r13
	jae	.forward
	inc	rbx
.forward:
	mov	r13, rax
	sub	rax, r12
	cmp	rax, rsi
	jb	.next
	hlt
	KVMCLOCK
	hlt
END_CODE

; Has the wall clock written to RDI.
GUEST_CODE ask_wall_clock, 64
	mov	ecx, MSR_WALL
	mov	eax, edi
	xor	edx, edx
	wrmsr
	hlt
END_CODE
