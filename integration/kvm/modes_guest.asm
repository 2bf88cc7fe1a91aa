; SPDX-License-Identifier: MIT
; Guests that change their own mode, look at themselves, and take their own exceptions.

%include "guest.inc"

; From the first instruction in real mode to 64-bit mode with paging, all by itself. Each
; stage says where it is: port 1 real, 2 protected, 3 long. Tables at 0x10000 to 0x12fff.
GUEST_CODE all_modes, 16
	cli
	mov	al, 1
	out	1, al
	xor	ax, ax
	mov	ds, ax
	lgdt	[HERE(.gdtr)]
	mov	eax, cr0
	or	al, 1
	mov	cr0, eax
	jmp	dword 0x08:HERE(.protected)

	bits	32
.protected:
	mov	ax, 0x10
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	esp, 0x8000
	push	dword 0x12345678
	pop	eax
	out	2, eax
	mov	dword [0x10000], 0x11003
	mov	dword [0x11000], 0x12003
	mov	dword [0x12000], 0x83
	mov	eax, 0x20
	mov	cr4, eax
	mov	eax, 0x10000
	mov	cr3, eax
	mov	ecx, 0xc0000080
	rdmsr
	or	eax, 0x100
	wrmsr
	mov	eax, cr0
	or	eax, 0x80000000
	mov	cr0, eax
	jmp	0x18:HERE(.long)

	bits	64
.long:
	mov	rax, 0x1122334455667788
	push	rax
	pop	rbx
	shr	rbx, 32
	mov	eax, ebx
	out	3, eax
	mov	ecx, 0xc0000080
	rdmsr
	out	4, eax
	mov	rax, cr0
	mov	rbx, cr3
	mov	rcx, cr4
	hlt

	align	8
.gdt:
	dq	0
	dq	0x00cf9b000000ffff
	dq	0x00cf93000000ffff
	dq	0x00af9b000000ffff
.gdtr:
	dw	.gdtr - .gdt - 1
	dd	HERE(.gdt)
END_CODE

; Only to protected mode, and back to real mode.
GUEST_CODE there_and_back, 16
	cli
	xor	ax, ax
	mov	ds, ax
	lgdt	[HERE(.gdtr)]
	mov	eax, cr0
	or	al, 1
	mov	cr0, eax
	jmp	0x08:HERE(.protected)
.protected:
	mov	ax, 0x10
	mov	ds, ax
	mov	eax, cr0
	out	2, eax
	and	al, 0xfe
	mov	cr0, eax
	jmp	0:HERE(.real)
.real:
	mov	ax, 0x1234
	mov	ds, ax
	mov	eax, cr0
	out	1, eax
	hlt

	align	8
.gdt:
	dq	0
	dq	0x00009b000000ffff
	dq	0x000093000000ffff
.gdtr:
	dw	.gdtr - .gdt - 1
	dd	HERE(.gdt)
END_CODE

; 32-bit paging without PAE, 4 MiB pages and 4 KiB pages; tables made by the test at 0x10000.
GUEST_CODE paging_32, 32
	mov	eax, cr4
	or	eax, 0x10
	mov	cr4, eax
	mov	eax, 0x10000
	mov	cr3, eax
	mov	eax, cr0
	or	eax, 0x80010000
	mov	cr0, eax
	mov	eax, [0x40000004]
	out	1, eax
	mov	dword [0x40000008], 0x55667788
	mov	eax, [0x80005000]
	out	2, eax
	hlt
END_CODE

%macro CPUID_LEAF 1
	mov	eax, %1
	mov	ecx, 0
	cpuid
	hlt
%endmacro

GUEST_CODE cpuid_leaves, 64
	CPUID_LEAF 0
	CPUID_LEAF 1
	CPUID_LEAF 0x80000000
	CPUID_LEAF 0x80000001
	CPUID_LEAF 0x40000000
END_CODE

; The vector of the exception in AL, its error code (if any) in EBX: out, and halt.
; Entry points of 16 bytes each, as the test puts them in the IDT at 0x6000.
GUEST_CODE handlers, 64
%assign vector 0
%rep 32
	align	16
	mov	al, vector
%if vector = 8 || (vector >= 10 && vector <= 14) || vector = 17
	pop	rbx
%endif
	out	0xee, al
	hlt
%assign vector vector + 1
%endrep
END_CODE

GUEST_CODE try_rdmsr, 64
	rdmsr
	hlt
END_CODE

GUEST_CODE try_wrmsr, 64
	wrmsr
	hlt
END_CODE

%macro TRY 2+
GUEST_CODE try_%1, 64
	%2
	hlt
END_CODE
%endmacro

	TRY	vmrun, vmrun
	TRY	vmload, vmload
	TRY	vmsave, vmsave
	TRY	stgi, stgi
	TRY	clgi, clgi
	TRY	skinit, skinit
	TRY	invlpga, invlpga
	TRY	vmmcall, db 0x0f, 0x01, 0xd9
	TRY	ud2, ud2
	TRY	rsm, rsm
	TRY	monitor, monitor
	TRY	mwait, mwait
	TRY	int3, int3
	TRY	divide, div ecx
	TRY	cr0, mov cr0, rax
	TRY	cr3, mov cr3, rax
	TRY	cr4, mov cr4, rax
	TRY	cr8, mov cr8, rax
	TRY	xsetbv, xsetbv
	TRY	invd, invd
	TRY	wbinvd, wbinvd
	TRY	page_fault, mov [rax], rbx
	TRY	not_canonical, mov rbx, [rax]
	TRY	pause, pause
	TRY	clts, clts
	TRY	lmsw, lmsw ax
	TRY	invlpg, invlpg [rax]
	TRY	dr, mov dr0, rax
	TRY	outs, rep outsb
	TRY	ins, rep insb

; An exception in real mode, by the vector table at 0.
GUEST_CODE real_exceptions, 16
	xor	ax, ax
	mov	ds, ax
	mov	ss, ax
	mov	word [6 * 4], HERE(.handler)
	mov	word [6 * 4 + 2], 0
	mov	word [0x21 * 4], HERE(.handler)
	mov	word [0x21 * 4 + 2], 0
	xor	bx, bx
	ud2
	int	0x21
	hlt
.handler:
	inc	bx
	mov	bp, sp
	cmp	bx, 1
	jne	.back
	add	word [bp], 2
.back:
	mov	ax, [bp]
	out	0x30, ax
	iret
END_CODE

; 1000 readings of the TSC; RBX counts the steps back.
GUEST_CODE tsc, 64
	mov	rbp, 1000
	xor	rbx, rbx
	xor	rsi, rsi
.again:
	rdtsc
	shl	rdx, 32
	or	rax, rdx
	cmp	rax, rsi
	adc	rbx, 0
	mov	rsi, rax
	test	rbp, 63
	jnz	.next
	out	0x10, al
.next:
	dec	rbp
	jnz	.again
	hlt
END_CODE
