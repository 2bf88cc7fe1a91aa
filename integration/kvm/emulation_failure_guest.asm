; SPDX-License-Identifier: MIT
; Guest code of emulation_failure.c
%include "guest.inc"

%define DEVICE 0xd0000000

; x87 loads aren't emulated, neither by KVM nor by MicroV
GUEST_CODE ef_load, 64
	mov	edi, DEVICE
	fld	dword [rdi]
	hlt
END_CODE

GUEST_CODE ef_handler, 64
	mov	rdx, [rsp]
	hlt
END_CODE
