; SPDX-License-Identifier: MIT
; Guests for several vCPUs, threads and VMs at once.

%include "guest.inc"

; RCX times: a locked increment of [RBX], one without lock of [RSI].
GUEST_CODE counters, 64
.again:
	lock inc qword [rbx]
	inc	qword [rsi]
	dec	rcx
	jnz	.again
	hlt
END_CODE

; A ticket lock at [RBX], [RBX+8] around a plain increment of [RBX+64], RCX times.
GUEST_CODE ticket_lock, 64
.again:
	mov	eax, 1
	lock xadd [rbx], rax
.wait:
	cmp	rax, [rbx + 8]
	je	.mine
	pause
	jmp	.wait
.mine:
	inc	qword [rbx + 64]
	inc	qword [rbx + 8]
	dec	rcx
	jnz	.again
	hlt
END_CODE

; Waits for [RBX] to be RCX, then adds one, RDX times: two vCPUs take turns.
GUEST_CODE ping_pong, 64
.again:
	cmp	[rbx], rcx
	je	.mine
	pause
	jmp	.again
.mine:
	add	rcx, 2
	inc	qword [rbx]
	dec	rdx
	jnz	.again
	hlt
END_CODE

; Adds up what IN gives, for ever, and says the sum.
GUEST_CODE summing, 64
	xor	rbx, rbx
.again:
	in	eax, 0x20
	add	rbx, rax
	mov	eax, ebx
	out	0x21, eax
	jmp	.again
END_CODE

; Counts at [RBX] for ever.
GUEST_CODE counting, 64
.again:
	inc	qword [rbx]
	jmp	.again
END_CODE
