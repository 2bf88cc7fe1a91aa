; SPDX-License-Identifier: MIT
; Guests that load and store FPU state: x87, SSE and AVX.

%include "guest.inc"

; Loads ymm0-15 from RDI and MXCSR from behind them, puts two values on the x87 stack, exits;
; then stores all state at RSI (XSAVE) and exits, for ever. XCR0 in RAX at the second exit.
GUEST_CODE fpu_load, 64
%assign i 0
%rep 16
	vmovdqu	ymm%+i, [rdi + i * 32]
%assign i i + 1
%endrep
	ldmxcsr	[rdi + 16 * 32]
	fninit
	fld1
	fldpi
	out	0x10, al
.store:
	mov	eax, -1
	mov	edx, eax
	xsave	[rsi]
	xor	ecx, ecx
	xgetbv
	out	0x11, al
	jmp	.store
END_CODE

; The same without loading anything before.
GUEST_CODE fpu_store, 64
.again:
	mov	eax, -1
	mov	edx, eax
	xsave	[rsi]
	xor	ecx, ecx
	xgetbv
	out	0x11, al
	jmp	.again
END_CODE

; CPUID 0xD, sub-leaf 0, in all four registers, again and again.
GUEST_CODE fpu_cpuid, 64
.again:
	mov	eax, 0xd
	xor	ecx, ecx
	cpuid
	out	0x12, al
	jmp	.again
END_CODE
