; SPDX-License-Identifier: MIT
; Guest code of setup.c: nothing to do, and an exception handler that tells what it found.
%include "guest.inc"

GUEST_CODE setup_hlt, 64
	hlt
END_CODE

; RAX: CR2, RCX: error code (or RIP), RDX: RIP when there is an error code, RBX: RFLAGS
GUEST_CODE setup_handler, 64
	mov	rax, cr2
	mov	rcx, [rsp]
	mov	rdx, [rsp + 8]
	mov	rbx, [rsp + 24]
	hlt
END_CODE

GUEST_CODE setup_rdmsr, 64
	rdmsr
	hlt
END_CODE

GUEST_CODE setup_wrmsr, 64
	wrmsr
	hlt
END_CODE
