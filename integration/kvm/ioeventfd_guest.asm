; SPDX-License-Identifier: MIT
; Guest code of ioeventfd.c
%include "guest.inc"

%define PORT 0x600
%define DEVICE 0xd0000000

GUEST_CODE io_writes, 16
	mov	eax, 0x11223344
	mov	dx, PORT
	out	dx, al
	out	dx, ax
	out	dx, eax
	add	dx, 2
	out	dx, al
	out	dx, ax
	out	dx, eax
	hlt
END_CODE

GUEST_CODE io_outs, 64
	mov	edx, PORT
	mov	ecx, 6
	mov	esi, HERE(.bytes)
	rep outsb
	hlt
.bytes:	db	0, 1, 2, 3, 4, 5
END_CODE

GUEST_CODE io_mmio, 64
	mov	rax, 0x1122334455667788
	mov	edi, DEVICE
	mov	[rdi], al
	mov	[rdi], ax
	mov	[rdi], eax
	mov	[rdi], rax
	mov	[rdi + 4], eax
	hlt
END_CODE

; 2000 writes, then one to the next port
GUEST_CODE io_loop, 16
	mov	dx, PORT
	mov	cx, 2000
.next:	out	dx, al
	loop	.next
	inc	dx
	out	dx, al
END_CODE

; writes for ever, and counts them in ECX
GUEST_CODE io_count, 16
	mov	dx, PORT
.next:	out	dx, al
	inc	ecx
	jmp	.next
END_CODE
