; SPDX-License-Identifier: MIT
; Guests whose events, debug registers and interrupt shadow the user looks at.

%include "guest.inc"

; Installs the handler at %2 for vector %1.
%macro IVT 2
	mov	word [(%1) * 4], HERE(%2)
	mov	word [(%1) * 4 + 2], 0
%endmacro

; Each handler says by an OUT which one it is.
GUEST_CODE take_events, 16
	IVT	2, .nmi
	IVT	6, .undefined
	IVT	0x20, .interrupt
	hlt
.spin:
	jmp	.spin
.nmi:
	out	0x02, al
	iret
.undefined:
	out	0x06, al
	iret
.interrupt:
	out	0x20, al
	iret
END_CODE

; The OUT is in the shadow of STI.
GUEST_CODE in_shadow, 16
	sti
	out	0x10, al
	hlt
END_CODE

GUEST_CODE debug_registers, 64
	mov	rax, dr0
	mov	rbx, dr3
	mov	rcx, dr7
	mov	rdx, 0x7777
	mov	dr1, rdx
	hlt
END_CODE
