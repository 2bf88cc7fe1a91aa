; SPDX-License-Identifier: MIT
; Vector registers to and from addresses where no memory is.

%include "guest.inc"

%define DEVICE 0xd0000000
%define END 0x200000

; What KVM emulates.
GUEST_CODE sse, 64
	mov	ebx, DEVICE
	movups	xmm0, [rbx]
	movapd	xmm1, [rbx + 0x10]
	movdqu	xmm2, [rbx + 0x23]
	movdqa	xmm3, [rbx + 0x30]
	movups	[rbx + 0x50], xmm3
	movaps	[rbx + 0x60], xmm2
	movdqu	[rbx + 0x71], xmm1
	movdqa	[rbx + 0x80], xmm0
	movntps	[rbx + 0x90], xmm0
	movntdq	[rbx + 0xa0], xmm1
	movupd	[rbx + 0xb0], xmm15
	hlt
END_CODE

; The x87 stack's top is 5 when MMX registers come into use.
GUEST_CODE mmx, 64
	mov	ebx, DEVICE
	fninit
	fld1
	fld1
	fld1
	movq	mm4, [rbx + 0x40]
	movq	[rbx + 0x48], mm4
	movq	rax, mm4
	hlt
END_CODE

; What it doesn't.
GUEST_CODE avx, 64
	mov	ebx, DEVICE
	vmovdqu	ymm0, [rbx]
	vmovaps	ymm1, [rbx + 0x20]
	vmovdqa	[rbx + 0x40], ymm0
	vmovups	[rbx + 0x60], ymm1
	vmovdqu	xmm0, [rbx + 0x80]
	vbroadcastss ymm2, [rbx + 0x90]
	vmovntdq [rbx + 0xa0], ymm2
	mov	ecx, END - 20
	vmovdqu	[rcx], ymm3
	vmovdqu	ymm4, [rcx]
	hlt
END_CODE

GUEST_CODE parts, 64
	mov	ebx, DEVICE
	movq	xmm0, [rbx]
	movss	xmm1, [rbx + 8]
	movsd	xmm2, [rbx + 0x10]
	movd	xmm3, [rbx + 0x18]
	movhps	xmm4, [rbx + 0x20]
	movlps	xmm5, [rbx + 0x28]
	movq	[rbx + 0x30], xmm4
	movss	[rbx + 0x38], xmm4
	movhps	[rbx + 0x40], xmm4
	movd	[rbx + 0x48], xmm5
	lddqu	xmm6, [rbx + 0x50]
	hlt
END_CODE
