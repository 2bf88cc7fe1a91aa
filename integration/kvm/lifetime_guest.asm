; SPDX-License-Identifier: MIT
; Guests that are torn down.

%include "guest.inc"

; Counts at [0x7000] for ever.
GUEST_CODE counting, 64
.again:
	inc	qword [abs 0x7000]
	jmp	.again
END_CODE

GUEST_CODE one_halt, 64
	hlt
END_CODE

; Writes one byte to each page from RBX on, RCX pages.
GUEST_CODE touch_pages, 64
.again:
	mov	byte [rbx], 0x5a
	add	rbx, 0x1000
	dec	rcx
	jnz	.again
	hlt
END_CODE
