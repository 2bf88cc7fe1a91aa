; SPDX-License-Identifier: MIT
; Guests that write and read control registers. The value is in RAX where it isn't said.

%include "guest.inc"

GUEST_CODE cr0_32, 32
	mov	cr0, eax
	mov	ebx, cr0
	hlt
END_CODE

GUEST_CODE cr0_64, 64
	mov	cr0, rax
	mov	rbx, cr0
	hlt
END_CODE

GUEST_CODE cr4_32, 32
	mov	cr4, eax
	mov	ebx, cr4
	hlt
END_CODE

GUEST_CODE cr4_64, 64
	mov	cr4, rax
	mov	rbx, cr4
	hlt
END_CODE

GUEST_CODE cr8_64, 64
	mov	cr8, rax
	mov	rbx, cr8
	hlt
END_CODE

GUEST_CODE cr8_twice, 64
	mov	eax, 9
	mov	cr8, rax
	mov	rbx, cr8
	mov	eax, 3
	mov	cr8, rax
	mov	rcx, cr8
	hlt
	mov	rdx, cr8
	hlt
END_CODE

GUEST_CODE cache_off, 32
	mov	eax, 0x60000033
	mov	cr0, eax
	mov	ebx, cr0
	mov	eax, 0x40000033
	mov	cr0, eax
	mov	ecx, cr0
	mov	eax, 0x33
	mov	cr0, eax
	mov	edx, cr0
	hlt
END_CODE

GUEST_CODE cache_lmsw, 32
	mov	eax, 0x60000033
	mov	cr0, eax
	mov	eax, 0x3b
	lmsw	ax
	mov	ebx, cr0
	clts
	mov	ecx, cr0
	smsw	edx
	mov	eax, 0x36
	lmsw	ax
	mov	esi, cr0
	hlt
END_CODE

%macro EFER 1
	mov	ecx, 0xc0000080
	rdmsr
	mov	%1, eax
%endmacro

%macro PREPARE_LONG 0
	mov	eax, 0x620
	mov	cr4, eax
	mov	eax, 0x10000
	mov	cr3, eax
	mov	ecx, 0xc0000080
	mov	eax, 0x100
	xor	edx, edx
	wrmsr
%endmacro

GUEST_CODE enter_long, 32
	PREPARE_LONG
	mov	eax, 0x80000033
	mov	cr0, eax
	EFER	ebx
	hlt
END_CODE

; In compatibility mode paging may end, and begin again.
GUEST_CODE leave_long, 32
	PREPARE_LONG
	mov	eax, 0x80000033
	mov	cr0, eax
	EFER	ebx
	mov	eax, 0x33
	mov	cr0, eax
	EFER	esi
	mov	eax, 0x80000033
	mov	cr0, eax
	EFER	edx
	mov	edx, eax
	mov	ecx, esi
	hlt
END_CODE

GUEST_CODE enter_long_cs_l, 32
	PREPARE_LONG
	mov	dword [HERE(.gdt) + 8], 0xffff
	mov	dword [HERE(.gdt) + 12], 0x00ef9b00
	lgdt	[HERE(.gdtr)]
	jmp	8:HERE(.there)
.there:
	mov	eax, 0x80000033
	mov	cr0, eax
	hlt
	align	8
.gdt:
	dq	0, 0, 0x00cf93000000ffff
.gdtr:
	dw	23
	dd	HERE(.gdt)
END_CODE

; The tables of 64-bit mode have a fitting level at 0x11000. Paging only if RAX says so.
GUEST_CODE pae_on, 32
	mov	ebx, 0x620
	mov	cr4, ebx
	mov	ebx, 0x11000
	mov	cr3, ebx
	mov	cr0, eax
	hlt
END_CODE

GUEST_CODE bad_numbers, 64
	db	0x0f, 0x22, 0xc8	; mov cr1, rax
	hlt
END_CODE
