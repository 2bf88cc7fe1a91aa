; SPDX-License-Identifier: MIT
; Guests that read, write and run what they may not write. RBX: that memory.

%include "guest.inc"
%include "peek.inc"

; Stores of every size.
GUEST_CODE stores, 64
	mov	byte [rbx], 0x11
	mov	word [rbx + 2], 0x2222
	mov	dword [rbx + 4], 0x33333333
	mov	[rbx + 8], rax
	mov	rcx, [rbx]
	mov	rdx, [rbx + 8]
	hlt
END_CODE

; Reads and writes of one instruction; the flags of each.
GUEST_CODE modify, 64
	add	dword [rbx], 1
	pushfq
	pop	r8
	lock or	byte [rbx + 4], 0x80
	not	word [rbx + 6]
	xchg	[rbx + 8], rax
	mov	eax, [rbx]
	mov	ecx, 0x77777777
	lock cmpxchg [rbx], ecx
	pushfq
	pop	r9
	mov	edx, 5
	lock xadd [rbx], edx
	mov	rcx, [rbx]
	hlt
END_CODE

; ECX dwords of EAX to [RDI], then EDX bytes from [RSI] on.
GUEST_CODE strings, 64
	rep stosd
	mov	ecx, edx
	rep movsb
	hlt
END_CODE

GUEST_CODE stack, 64
	mov	rsp, rbx
	push	rax
	pop	rcx
	hlt
END_CODE

; DS from the descriptor table that the test has set up, whose accessed bits are clear.
GUEST_CODE descriptor, 32
	mov	ds, ax
	mov	ecx, ds
	hlt
END_CODE

; Runs in the memory itself: returns a mark and what it reads there.
GUEST_CODE resident, 64
	mov	eax, 0x11111111
	mov	rcx, [rbx]
	mov	[rbx], rax
	hlt
END_CODE

; With page tables that may not be written.
GUEST_CODE tables, 64
	mov	rcx, [rbx]
	mov	eax, 0x22222222
	mov	[rbx], rax
	hlt
END_CODE
