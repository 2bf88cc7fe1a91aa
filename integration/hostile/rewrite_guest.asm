; SPDX-License-Identifier: MIT
; Every exit that has data in kvm_run, in turn.

%include "guest.inc"

GUEST_CODE every_exit, 64
.again:
	mov	ebx, 0xd0000000
	out	0x10, eax
	in	eax, 0x14
	mov	[rbx + 8], rax
	mov	rax, [rbx + 16]
	add	[rbx + 24], eax
	mov	edx, 0x20
	mov	ecx, 64
	mov	esi, 0x2000
	rep	outsb
	mov	ecx, 64
	mov	edi, 0x3000
	rep	insw
	mov	cr8, rcx
	hlt
	jmp	.again
END_CODE
