; SPDX-License-Identifier: MIT
; Guests that are single-stepped over what exits, whose instructions lie and reach over pages,
; and who make mistakes while they are emulated.

%include "guest.inc"

%define DEVICE 0x40000000

%macro STEP 2+
GUEST_CODE step_%1, 64
	%2
	hlt
END_CODE
%endmacro

	STEP	cpuid, cpuid
	STEP	rdmsr, rdmsr
	STEP	out, out 0x10, al
	STEP	in, in al, 0x10
	STEP	load, mov edx, [rbx]
	STEP	store, mov [rbx], edx
	STEP	cr8, mov cr8, rsi
	STEP	cr4, mov cr4, rdi
	STEP	wbinvd, wbinvd
	STEP	vmmcall, db 0x0f, 0x01, 0xd9
	STEP	nop, nop

GUEST_CODE load_ss, 32
	mov	ss, [DEVICE]
	nop
	hlt
END_CODE

GUEST_CODE x87, 64
	fld	qword [rbx]
	hlt
END_CODE

; From a device to where the user may not write.
GUEST_CODE user_movs, 64
	movsb
	hlt
END_CODE

GUEST_CODE undefined, 64
	ud2
END_CODE

GUEST_CODE jump_to_device, 64
	jmp	rbx
END_CODE

GUEST_CODE halt, 64
	hlt
END_CODE
