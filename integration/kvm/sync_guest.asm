; SPDX-License-Identifier: MIT
; Counts in RBX how often it got on.

%include "guest.inc"

GUEST_CODE count_up, 64
	xor	ebx, ebx
.again:
	in	al, 0x10
	add	rbx, 1
	jmp	.again
END_CODE
