; SPDX-License-Identifier: MIT
; Guests that halt, die, spin and compute.

%include "guest.inc"

GUEST_CODE three_halts, 16
	hlt
	inc	bx
	hlt
	inc	bx
	sti
	hlt
END_CODE

; The same in 64-bit mode.
GUEST_CODE halts_64, 64
	hlt
	inc	rbx
	hlt
END_CODE

GUEST_CODE undefined, 16
	ud2
END_CODE

GUEST_CODE undefined_32, 32
	ud2
END_CODE

GUEST_CODE spin, 64
	jmp	spin
END_CODE

; Counts at [0x7000] for ever.
GUEST_CODE spin_count, 64
.again:
	inc	qword [abs 0x7000]
	jmp	.again
END_CODE

; RCX steps of xorshift64 on RAX, keeping all registers busy.
GUEST_CODE compute, 64
.again:
	mov	rbx, rax
	shl	rbx, 13
	xor	rax, rbx
	mov	r8, rax
	shr	r8, 7
	xor	rax, r8
	mov	r15, rax
	shl	r15, 17
	xor	rax, r15
	push	rax
	pop	rbp
	add	r9, rbp
	dec	rcx
	jnz	.again
	hlt
END_CODE

GUEST_CODE jump_away, 32
	mov	eax, 0xc0000000
	jmp	eax
END_CODE

GUEST_CODE read_nothing, 32
	mov	eax, [0xc0000000]
	hlt
END_CODE

; OUTs for ever, without a look at anything.
GUEST_CODE out_forever, 64
.again:
	out	0x10, eax
	in	eax, 0x14
	jmp	.again
END_CODE
