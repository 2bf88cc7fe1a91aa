; SPDX-License-Identifier: MIT
; One RDMSR or WRMSR, then port 1; the handler of #GP, 16 bytes behind the start, tells port 13.

%include "guest.inc"

%macro ONE 2
GUEST_CODE %1, 16
	%2
	out	1, al
	hlt
	times 16 - ($ - %1) nop
	out	13, al
	hlt
END_CODE
%endmacro

	ONE	read_msr, rdmsr
	ONE	write_msr, wrmsr
