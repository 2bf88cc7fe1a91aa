; SPDX-License-Identifier: MIT
; Guests that never end: each does one thing that the hypervisor must serve, for ever.

%include "guest.inc"

%macro FOR_EVER 1+
.again:
	%1
	jmp	.again
%endmacro

GUEST_CODE loop_out, 64
	FOR_EVER out	0x10, eax
END_CODE

GUEST_CODE loop_in, 64
	FOR_EVER in	ax, 0x14
END_CODE

GUEST_CODE loop_outs, 64
	mov	edx, 0x10
.more:
	mov	ecx, 0x1000
	mov	esi, 0x2000
	rep	outsb
	jmp	.more
END_CODE

GUEST_CODE loop_ins, 64
	mov	edx, 0x10
.more:
	mov	ecx, 0x100
	mov	edi, 0x3000
	rep	insb
	jmp	.more
END_CODE

GUEST_CODE loop_mmio_write, 64
	mov	ebx, 0xd0000000
	FOR_EVER mov	[rbx], rax
END_CODE

GUEST_CODE loop_mmio_read, 64
	mov	ebx, 0xd0000000
	FOR_EVER mov	rax, [rbx]
END_CODE

; A locked read-modify-write of a device, over the border of two pages.
GUEST_CODE loop_mmio_xadd, 64
	mov	ebx, 0xd0000ffc
	FOR_EVER lock	xadd [rbx], rax
END_CODE

GUEST_CODE loop_cpuid, 64
.again:
	mov	eax, ecx
	cpuid
	inc	ecx
	jmp	.again
END_CODE

GUEST_CODE loop_rdmsr, 64
	mov	ecx, 0x1b
	FOR_EVER rdmsr
END_CODE

GUEST_CODE loop_wrmsr, 64
.again:
	mov	ecx, 0x277		; PAT
	rdmsr
	wrmsr
	jmp	.again
END_CODE

GUEST_CODE loop_hlt, 64
	FOR_EVER hlt
END_CODE

GUEST_CODE loop_vmmcall, 64
	mov	rax, 0x764d000000000000	; MicroV's own signature
	FOR_EVER vmmcall
END_CODE

GUEST_CODE loop_wbinvd, 64
	FOR_EVER wbinvd
END_CODE

GUEST_CODE loop_cr0, 64
.again:
	mov	rax, cr0
	xor	eax, 0x40000000		; CD
	mov	cr0, rax
	jmp	.again
END_CODE

GUEST_CODE loop_cr3, 64
.again:
	mov	rax, cr3
	mov	cr3, rax
	jmp	.again
END_CODE

GUEST_CODE loop_cr8, 64
.again:
	mov	cr8, rax
	inc	eax
	and	eax, 15
	jmp	.again
END_CODE

GUEST_CODE loop_dr, 64
.again:
	mov	dr0, rax
	mov	rbx, dr7
	mov	dr7, rbx
	jmp	.again
END_CODE

; No interrupts, nothing to exit for.
GUEST_CODE loop_cli, 64
	cli
	FOR_EVER pause
END_CODE

; Every instruction gives #DB, whose gate leads to code that returns with TF set.
GUEST_CODE loop_db, 64
	lidt	[abs HERE(.idtr)]
	pushfq
	or	qword [rsp], 0x100
	popfq
	FOR_EVER nop
.handler:
	iretq
.idtr:
	dw	0xfff
	dq	HERE(.idt)
.idt:
	dq	0, 0
	dw	HERE(.handler), 8
	dw	0x8e00, 0
	dq	0
END_CODE

; #DB's gate is a trap gate, and TF stays set in the handler by POPF: #DB while #DB is handled.
GUEST_CODE loop_db_in_db, 64
	lidt	[abs HERE(.idtr)]
	pushfq
	or	qword [rsp], 0x100
	popfq
.again:
	nop
	jmp	.again
.handler:
	pushfq
	or	qword [rsp], 0x100
	popfq
	mov	esp, 0x8000
	jmp	.handler
.idtr:
	dw	0xfff
	dq	HERE(.idt)
.idt:
	dq	0, 0
	dw	HERE(.handler), 8
	dw	0x8f00, 0
	dq	0
END_CODE

; No table of interrupts: any exception is a triple fault.
GUEST_CODE loop_triple, 64
	push	qword 0
	push	qword 0
	lidt	[rsp]
	ud2
END_CODE

; The stack is where nothing is: each fault faults in its delivery.
GUEST_CODE loop_bad_stack, 64
	mov	rsp, 0xd0000000
	lidt	[abs HERE(.idtr)]
	ud2
.idtr:
	dw	0xfff
	dq	0xc0000000
END_CODE

; Page tables that are a device's.
GUEST_CODE loop_bad_tables, 64
	mov	eax, 0xd0000000
	mov	cr3, rax
	FOR_EVER nop
END_CODE

; Counts at [0x7000]: the neighbour that must not suffer.
GUEST_CODE neighbour, 64
	FOR_EVER inc	qword [abs 0x7000]
END_CODE
