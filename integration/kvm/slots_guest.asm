; SPDX-License-Identifier: MIT
; A guest that reads and writes where the test tells it.

%include "guest.inc"
%include "peek.inc"

; Code that is moved around: returns a mark, and reads its own place.
GUEST_CODE mark_one, 64
	mov	eax, 0x11111111
	hlt
END_CODE

GUEST_CODE mark_two, 64
	mov	eax, 0x22222222
	hlt
END_CODE
