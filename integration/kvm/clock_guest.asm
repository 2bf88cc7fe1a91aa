; SPDX-License-Identifier: MIT
; Guests that look at their TSC.

%include "guest.inc"

; Its TSC in RAX.
GUEST_CODE read_tsc, 64
	rdtsc
	shl	rdx, 32
	or	rax, rdx
	hlt
END_CODE

; Polls until RDI ticks have passed. RBX: how often the TSC went backwards; RAX: ticks.
GUEST_CODE wait_tsc, 64
	xor	ebx, ebx
	rdtsc
	shl	rdx, 32
	or	rax, rdx
	mov	rsi, rax
	mov	rbp, rax
.again:
	rdtsc
	shl	rdx, 32
	or	rax, rdx
	cmp	rax, rbp
	jae	.forward
	inc	rbx
.forward:
	mov	rbp, rax
	sub	rax, rsi
	cmp	rax, rdi
	jb	.again
	hlt
END_CODE
