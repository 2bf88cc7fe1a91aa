; SPDX-License-Identifier: MIT
; Port I/O without strings: the same sequence in each mode.

%include "guest.inc"

%macro OUT_SEQUENCE 2
GUEST_CODE %1, %2
	mov	eax, 0x11223344
	out	0x10, al
	out	0x11, ax
	out	0x12, eax
	out	0xff, al
	mov	dx, 0x1234
	out	dx, al
	out	dx, ax
	out	dx, eax
	mov	dx, 0xffff
	out	dx, al
	mov	dx, 0
	out	dx, eax
	hlt
END_CODE
%endmacro

%macro FILL_A 1
%if %1 == 64
	mov	rax, 0xa1a2a3a4a5a6a7a8
%else
	mov	eax, 0xa5a6a7a8
%endif
%endmacro

%macro IN_SEQUENCE 2
GUEST_CODE %1, %2
	FILL_A	%2
	in	al, 0x20
	FILL_A	%2
	in	ax, 0x21
	FILL_A	%2
	in	eax, 0x22
	mov	dx, 0x8765
	FILL_A	%2
	in	al, dx
	FILL_A	%2
	in	ax, dx
	mov	dx, 0xfffc
	FILL_A	%2
	in	eax, dx
	hlt
END_CODE
%endmacro

	OUT_SEQUENCE out_real, 16
	OUT_SEQUENCE out_prot32, 32
	OUT_SEQUENCE out_long64, 64
	IN_SEQUENCE in_real, 16
	IN_SEQUENCE in_prot32, 32
	IN_SEQUENCE in_long64, 64

; Two instructions of known length around which RIP is watched.
GUEST_CODE one_out, 16
	out	0x10, al
	hlt
END_CODE

GUEST_CODE one_in, 16
	in	al, 0x10
	hlt
END_CODE

; OUT with prefixes that change nothing but its length.
GUEST_CODE prefixed_out, 64
	db	0x66, 0x2e, 0x67, 0x48
	out	dx, al
	hlt
END_CODE

; A loop of 1000 OUTs, the counter in CX.
GUEST_CODE out_loop, 16
	xor	cx, cx
.again:
	mov	ax, cx
	out	0x10, ax
	inc	cx
	cmp	cx, 1000
	jne	.again
	hlt
END_CODE
