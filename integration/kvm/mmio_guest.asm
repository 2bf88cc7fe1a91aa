; SPDX-License-Identifier: MIT
; Instructions that access addresses where no memory is: from DEVICE on, and, where an
; access is to begin in memory, from the end of the guest's 2 MiB on.

%include "guest.inc"

%define DEVICE 0xd0000000
%define END 0x200000

; 16-bit code reaches the device by a segment that starts there: FS.
%macro MOVES 2
GUEST_CODE %1, %2
%if %2 == 16
%define AT(x) fs:x
%else
%define AT(x) DEVICE + x
%endif
%if %2 == 64
	mov	ebx, DEVICE
	mov	rax, 0x1122334455667788
	mov	[rbx + 0x10], al
	mov	[rbx + 0x12], ax
	mov	[rbx + 0x14], eax
	mov	al, [rbx + 0x20]
	mov	ah, [rbx + 0x21]
	mov	cx, [rbx + 0x22]
	mov	edx, [rbx + 0x24]
	mov	[rbx + 0x18], rax
	mov	rsi, [rbx + 0x28]
%else
	mov	eax, 0x55667788
	mov	[AT(0x10)], al
	mov	[AT(0x12)], ax
	mov	[AT(0x14)], eax
	mov	al, [AT(0x20)]
	mov	ah, [AT(0x21)]
	mov	cx, [AT(0x22)]
	mov	edx, [AT(0x24)]
%endif
	hlt
END_CODE
%endmacro

	MOVES	moves_16, 16
	MOVES	moves_32, 32
	MOVES	moves_64, 64

GUEST_CODE extend, 64
	mov	ebx, DEVICE
	movzx	eax, byte [rbx]
	movzx	ecx, word [rbx + 2]
	movsx	edx, byte [rbx]
	movsx	rsi, word [rbx + 2]
	movsxd	rdi, dword [rbx + 4]
	hlt
END_CODE

; Each instruction three times in a row: the hypervisor knows it then.
%macro THRICE 1+
	mov	ebp, 3
%%again:
	%1
	dec	ebp
	jnz	%%again
%endmacro

GUEST_CODE again, 64
	mov	ebx, DEVICE
	mov	esi, 0x20
	mov	rax, 0x1122334455667788
	mov	r8, rax
	mov	r9, rax
	THRICE	mov	[rbx + 0x10], ah
	THRICE	mov	[ebx + 0x12], ax
	THRICE	mov	[rbx + rsi * 2], eax
	THRICE	mov	[rbx + 0x18], rax
	THRICE	mov	dword [rbx + 0x14], 0x89abcdef
	THRICE	mov	qword [rbx + 0x18], -2
	THRICE	mov	[abs qword DEVICE + 0x1c], eax
	THRICE	mov	r8b, [rbx + 0x20]
	THRICE	mov	ah, [rbx + 0x21]
	THRICE	mov	r9w, [rbx + 0x22]
	THRICE	mov	r10d, [rbx + 0x24]
	THRICE	mov	r11, [rbx + 0x28]
	THRICE	movzx	ecx, byte [rbx]
	THRICE	movsx	edx, byte [rbx]
	THRICE	movsx	r12, word [rbx + 2]
	THRICE	movsxd	rdi, dword [rbx + 4]
	THRICE	mov	rbx, [rbx]
	hlt
END_CODE

; Each leaves its flags in a register.
GUEST_CODE modify, 64
	mov	ebx, DEVICE
	mov	esp, 0x8000
	or	dword [rbx], 0x80000000
	pushf
	pop	r8
	add	byte [rbx], 1
	pushf
	pop	r9
	stc
	inc	word [rbx]
	pushf
	pop	r10
	cmp	qword [rbx], 5
	pushf
	pop	r11
	hlt
END_CODE

GUEST_CODE exchange, 64
	mov	ebx, DEVICE
	mov	eax, 0x11111111
	xchg	[rbx], eax
	mov	ecx, 0x22222222
	lock cmpxchg [rbx], ecx
	mov	edx, 0x01010101
	lock xadd [rbx], edx
	hlt
END_CODE

; STOS to the device, MOVS from it to memory and back, LODS.
GUEST_CODE strings, 32
	mov	edi, DEVICE
	mov	ecx, 3
	mov	eax, 0x12345678
	cld
	rep stosd
	mov	esi, DEVICE + 0x100
	mov	edi, 0x9000
	mov	ecx, 2
	rep movsw
	mov	esi, 0x9000
	mov	edi, DEVICE + 0x200
	movsd
	mov	esi, DEVICE + 0x300
	lodsb
	hlt
END_CODE

GUEST_CODE stack, 64
	mov	ebx, DEVICE
	mov	esp, 0x8000
	push	qword [rbx]
	pop	rcx
	hlt
END_CODE

; Eight bytes: five in the guest's last page, three behind it.
GUEST_CODE crossing, 64
	mov	ebx, END - 5
	mov	rax, 0x1122334455667788
	mov	[rbx], rax
	mov	rcx, [rbx]
	hlt
END_CODE

GUEST_CODE one_read, 64
	mov	ebx, DEVICE
	mov	eax, [rbx]
	hlt
END_CODE

GUEST_CODE one_write, 64
	mov	ebx, DEVICE
	mov	[rbx], ebx
	hlt
END_CODE

; The destination isn't mapped: what the page fault's handler finds is in CR2.
GUEST_CODE fault_order, 64
	lgdt	[abs HERE(.gdtr)]
	lidt	[abs HERE(.idtr)]
	mov	esp, 0x8000
	mov	esi, DEVICE
	mov	rdi, 0x300000000
	movsd
	hlt
.handler:
	pop	rax
	mov	rbx, cr2
	hlt
	align	8
.gdtr:
	dw	0x17
	dq	HERE(.gdt)
.gdt:
	dq	0, 0x00af9b000000ffff, 0x00cf93000000ffff
.idtr:
	dw	0xff
	dq	HERE(.idt)
	align	16
.idt:
	times	28 dq 0
	dw	HERE(.handler), 8, 0x8e00, 0
	dq	0
END_CODE
