; SPDX-License-Identifier: MIT
; Guests that look for what isn't theirs.

%include "guest.inc"
%include "peek.inc"

; Reads 8 bytes at [RBX], RCX times, RSI apart; RDX is the sum. At the second entry it writes RDX.
GUEST_CODE sweep, 64
.read:
	add	rdx, [rbx]
	add	rbx, rsi
	dec	rcx
	jnz	.read
	hlt
	align	32
.write:
	mov	[rbx], rdx
	add	rbx, rsi
	dec	rcx
	jnz	.write
	hlt
END_CODE

; For ever: what is at [RBX] goes to [RSI], a count to [RSI + 8], RDX to [RDI].
GUEST_CODE hammer, 64
.again:
	mov	rax, [rbx]
	mov	[rsi], rax
	inc	qword [rsi + 8]
	mov	[rdi], rdx
	jmp	.again
END_CODE

; Fills RCX words at [RDI] with RAX, tells by OUT, and does it again, for ever.
GUEST_CODE fill, 64
	mov	r8, rdi
	mov	r9, rcx
.again:
	mov	rdi, r8
	mov	rcx, r9
	rep stosq
	out	0x10, al
	jmp	.again
END_CODE

; RAX is all of the RCX words at [RSI], ORed.
GUEST_CODE any, 64
	xor	eax, eax
.next:
	or	rax, [rsi]
	add	rsi, 8
	dec	rcx
	jnz	.next
	hlt
END_CODE
