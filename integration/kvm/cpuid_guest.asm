; SPDX-License-Identifier: MIT
; A guest that executes CPUID as asked: EAX and ECX are set by user space before each round.

%include "guest.inc"

GUEST_CODE ask, 64
.again:
	cpuid
	hlt
	jmp	.again
END_CODE

; Sets CR4.OSXSAVE and XCR0 to EBX, then as above.
GUEST_CODE ask_xcr0, 64
	mov	rax, cr4
	or	eax, 0x40000
	mov	cr4, rax
	xor	ecx, ecx
	xor	edx, edx
	mov	eax, ebx
	xsetbv
	hlt
.again:
	cpuid
	hlt
	jmp	.again
END_CODE
