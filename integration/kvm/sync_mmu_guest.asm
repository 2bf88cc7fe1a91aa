; SPDX-License-Identifier: MIT
; Guests whose memory changes under them.

%include "guest.inc"
%include "peek.inc"

; Copies [RBX] to [RSI] until [RDX] isn't 0.
GUEST_CODE copier, 64
.again:
	mov	rax, [rbx]
	mov	[rsi], rax
	cmp	qword [rdx], 0
	je	.again
	hlt
END_CODE

; One element from RSI to RDI.
GUEST_CODE one_movs, 64
	movsq
	hlt
END_CODE

; From a port to memory and the other way, RCX bytes; at the second entry.
GUEST_CODE port_strings, 64
	rep insb
	hlt
	align	16
	rep outsb
	hlt
END_CODE

; From [RBX] to the stack.
GUEST_CODE push_memory, 64
	push	qword [rbx]
	hlt
END_CODE

; Adds one to each of RCX pages from RBX on, for ever, until [RDX] isn't 0; rounds are in R8.
GUEST_CODE toucher, 64
.again:
	mov	rsi, rbx
	mov	rdi, rcx
.page:
	lock inc qword [rsi]
	add	rsi, 4096
	dec	rdi
	jnz	.page
	inc	r8
	cmp	qword [rdx], 0
	je	.again
	hlt
END_CODE
