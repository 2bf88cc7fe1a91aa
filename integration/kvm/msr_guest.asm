; SPDX-License-Identifier: MIT
; A guest that reads and writes MSRs as asked: ECX, and EAX and EDX to write.

%include "guest.inc"

GUEST_CODE read_msr, 64
	rdmsr
	hlt
END_CODE

GUEST_CODE write_msr, 64
	wrmsr
	hlt
END_CODE
