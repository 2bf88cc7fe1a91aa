; SPDX-License-Identifier: MIT
; Guests that work in their memory and look whether it is as they left it.

%include "guest.inc"

; For ever, round R8: each of the RCX pages from RBX on must hold RDX + R8 + its address (zero in
; round 0; R9 counts what doesn't), and gets one more. After each 256th page, OUT of a count (R10).
GUEST_CODE work, 64
.round:
	mov	rdi, rbx
	mov	rsi, rcx
.page:
	lea	rax, [r8 + rdi]
	add	rax, rdx
	mov	r11, rax
	test	r8, r8
	jnz	.check
	xor	r11d, r11d
.check:
	cmp	[rdi], r11
	je	.write
	inc	r9
.write:
	inc	rax
	mov	[rdi], rax
	add	rdi, 4096
	dec	rsi
	jz	.done
	test	sil, sil
	jnz	.page
	call	tell
	jmp	.page
.done:
	inc	r8
	call	tell
	jmp	.round
tell:
	inc	r10
	mov	eax, r10d
	out	0x10, eax
	ret
END_CODE

; Its RBX to [RSI + 8 RBX].
GUEST_CODE mark, 64
	mov	[rsi + 8 * rbx], rbx
	hlt
END_CODE
