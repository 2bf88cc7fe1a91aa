; SPDX-License-Identifier: MIT
; Guests that take interrupts and NMIs, in real mode. Handlers are in the IVT at 0.

%include "guest.inc"

; Installs the handler at %2 for vector %1.
%macro IVT 2
	mov	word [(%1) * 4], HERE(%2)
	mov	word [(%1) * 4 + 2], 0
%endmacro

; Halts with interrupts on, over and over. An interrupt 0x20 counts in BX, 0x31 in CX.
GUEST_CODE take_interrupts, 16
	IVT	0x20, .first
	IVT	0x31, .second
	sti
.again:
	hlt
	jmp	.again
.first:
	inc	bx
	iret
.second:
	inc	cx
	iret
END_CODE

; Interrupts are off at the first OUT, in the shadow of STI at the second, on at the third.
GUEST_CODE shadow, 16
	IVT	0x20, .handler
	cli
	out	0x10, al
	sti
	out	0x11, al
	out	0x12, al
	hlt
.handler:
	inc	bx
	out	0x13, al
	iret
END_CODE

; Turns interrupts on after a while, and counts for ever.
GUEST_CODE late_sti, 16
	IVT	0x20, .handler
	mov	ecx, 100000
.wait:
	dec	ecx
	jnz	.wait
	mov	dx, 1
	sti
.spin:
	inc	esi
	jmp	.spin
.handler:
	hlt
END_CODE

; An NMI: the handler says so by an OUT before and after its own IRET.
GUEST_CODE take_nmi, 16
	IVT	2, .handler
	IVT	0x20, .interrupt
	hlt
.spin:
	inc	esi
	jmp	.spin
.handler:
	inc	bx
	out	0x20, al
	out	0x21, al
	iret
.interrupt:
	inc	cx
	out	0x22, al
	iret
END_CODE


; The same with interrupts on in the handler.
GUEST_CODE nmi_with_sti, 16
	IVT	2, .handler
	hlt
.spin:
	inc	esi
	jmp	.spin
.handler:
	inc	bx
	sti
	out	0x20, al
	iret
END_CODE

GUEST_CODE spin, 16
	jmp	spin
END_CODE
