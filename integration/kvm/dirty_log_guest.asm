; SPDX-License-Identifier: MIT
; Guests that write where the test tells them.

%include "guest.inc"
%include "peek.inc"

; Writes to [RBX] what user space gives to a port.
GUEST_CODE port_input, 64
	mov	rdi, rbx
	mov	edx, 0x80
	insb
	hlt
END_CODE

; Until [R8] isn't 0: writes RDX, which is random, to one of RCX + 1 (a power of 2) pages from
; RBX on, at offset R9. RSI counts.
GUEST_CODE scatter, 64
.more:
	mov	rax, 6364136223846793005
	imul	rdx, rax
	add	rdx, 12345
	mov	rax, rdx
	shr	rax, 33
	and	rax, rcx
	shl	rax, 12
	add	rax, rbx
	mov	[rax + r9], rdx
	inc	rsi
	cmp	qword [r8], 0
	je	.more
	hlt
END_CODE
