; SPDX-License-Identifier: MIT
; A guest that writes one word to each page, and checks what it wrote.

%include "guest.inc"

; RCX pages from RBX on get their own address; at the second entry it must be there: RAX = how
; many pages hold something else.
GUEST_CODE touch, 64
.write:
	mov	[rbx], rbx
	add	rbx, 4096
	dec	rcx
	jnz	.write
	hlt
	align	32
	xor	eax, eax
.read:
	cmp	[rbx], rbx
	setne	dl
	movzx	edx, dl
	add	rax, rdx
	add	rbx, 4096
	dec	rcx
	jnz	.read
	hlt
END_CODE
