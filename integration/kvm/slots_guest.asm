; SPDX-License-Identifier: MIT
; A guest that reads and writes where the test tells it.

%include "guest.inc"

; Read [RBX] to RAX; at the second entry write RAX to [RBX].
GUEST_CODE peek_poke, 64
	mov	rax, [rbx]
	hlt
	align	16
	mov	[rbx], rax
	hlt
END_CODE

; Code that is moved around: returns a mark, and reads its own place.
GUEST_CODE mark_one, 64
	mov	eax, 0x11111111
	hlt
END_CODE

GUEST_CODE mark_two, 64
	mov	eax, 0x22222222
	hlt
END_CODE
