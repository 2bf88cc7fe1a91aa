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

