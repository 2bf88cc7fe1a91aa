; SPDX-License-Identifier: MIT
; One string instruction each; the test sets the registers.

%include "guest.inc"

%macro ONE 2+
GUEST_CODE %1, CODE_BITS
	%2
	hlt
END_CODE
%endmacro

%macro STRINGS 1
%define CODE_BITS %1
	ONE	outsb_%1, outsb
	ONE	outsw_%1, outsw
	ONE	outsd_%1, outsd
	ONE	rep_outsb_%1, rep outsb
	ONE	rep_outsw_%1, rep outsw
	ONE	rep_outsd_%1, rep outsd
	ONE	insb_%1, insb
	ONE	insw_%1, insw
	ONE	insd_%1, insd
	ONE	rep_insb_%1, rep insb
	ONE	rep_insw_%1, rep insw
	ONE	rep_insd_%1, rep insd
	ONE	fs_outsb_%1, fs outsb
	ONE	rep_fs_outsw_%1, rep fs outsw
%endmacro

	STRINGS 16
	STRINGS 32
	STRINGS 64

; The other address size.
%define CODE_BITS 16
	ONE	a32_rep_outsb_16, a32 rep outsb
	ONE	a32_rep_insb_16, a32 rep insb
%define CODE_BITS 32
	ONE	a16_rep_outsb_32, a16 rep outsb
	ONE	a16_rep_insb_32, a16 rep insb
%define CODE_BITS 64
	ONE	a32_rep_outsb_64, a32 rep outsb
	ONE	a32_rep_insb_64, a32 rep insb
