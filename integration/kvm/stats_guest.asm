; SPDX-License-Identifier: MIT
; Three OUTs and a HLT.

%include "guest.inc"

GUEST_CODE three_outs, 16
	out	0x10, al
	out	0x11, al
	out	0x12, al
	hlt
END_CODE
