; SPDX-License-Identifier: MIT
; Guest code of coalesced.c
%include "guest.inc"

%define PORT 0x600
%define DEVICE 0xd0000000

; 4 bytes to DEVICE, 1 to + 0x10, 8 to + 0x20, 2 to + 0x30; then a read there
GUEST_CODE co_mmio, 64
	mov	rax, 0x1122334455667788
	mov	edi, DEVICE
	mov	[rdi], eax
	mov	[rdi + 0x10], al
	mov	[rdi + 0x20], rax
	mov	[rdi + 0x30], ax
	mov	ecx, [rdi]
	hlt
END_CODE

GUEST_CODE co_pio, 64
	mov	eax, 0x11223344
	mov	edx, PORT
	out	dx, al
	out	dx, ax
	out	dx, eax
	mov	ecx, 3
	mov	esi, HERE(.bytes)
	rep outsb
	in	al, dx
	hlt
.bytes:	db	0, 1, 2, 3, 4, 5
END_CODE

; writes EAX = 0, 1, ... to DEVICE, ECX times
GUEST_CODE co_loop, 64
	mov	edi, DEVICE
	xor	eax, eax
.next:	mov	[rdi], eax
	inc	eax
	loop	.next
	hlt
END_CODE
