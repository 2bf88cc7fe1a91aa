; SPDX-License-Identifier: MIT
; Instructions that touch memory at P (and at rSI, rDI, the stack), in 16, 32 and 64-bit code:
; one entry in the table of its group for each of them. The test runs each where memory is and
; where a device is, and compares.

%include "guest.inc"

; What the test must prepare, see emulate.c. OURS: the stock driver doesn't get there. Of CMPXCHG16B,
; POPCNT and MOVBE with 66 its emulator knows nothing; it goes wrong when several pieces of the
; stack are a device's; it loses what it read ahead for REP INS; and SGDT to LIDT with a device
; never end.
%define STRING	1	; rCX a count, DF anything
%define STACK	2	; rSP, rBP there as well
%define JUMP	4	; a near pointer there
%define SEL	8	; a selector there
%define FAR16	0x10	; a far pointer there, by the size of its offset
%define FAR32	0x20
%define FAR64	0x40
%define BITS	0x80	; rCX a small signed number
%define EQUAL	0x100	; rDX:rAX is there, half of the time
%define SMALL	0x200	; rDX 0, half of the time
%define BAD_DI	0x400	; rDI at an address that can't be
%define NO_PAGE	0x800	; rDI at an address that isn't mapped
%define OURS	0x1000

%define NOTHING

%define CF 1
%define PF 4
%define AF 0x10
%define ZF 0x40
%define SF 0x80
%define OF 0x800
%define ALL (CF | PF | AF | ZF | SF | OF)

; I options, undefined flags, instruction
%macro I 3+
	section	.rodata
%%code:
	bits	MODE
	%3
	times	8 hlt
%%end:
	%defstr	TEXT %3
%%text:	db	TEXT, 0
	section	.data.rel.ro progbits alloc noexec write align=8
	bits	64
	dq	%%text, %%code, %%end
	dd	MODE, %1, %2, 0
%endmacro

%macro MODE_IS 4
%define	MODE %1
%define	P %2
%define INDEX %3
%define N %4		; the natural register's size
%endmacro

; GROUP name: the macro of that name, in each mode.
%macro GROUP 1
	section	.data.rel.ro progbits alloc noexec write align=8
	global	%1_insns
	global	%1_insns_end
%1_insns:
	MODE_IS	16, bx, bx + si, ax
	%1
	MODE_IS	32, ebx, ebx + esi * 2, eax
	%1
	MODE_IS	64, rbx, rbx + r12 * 4, rax
	%1
	section	.data.rel.ro
%1_insns_end:
%endmacro

%macro M_R 4		; name [P + 8], register
	I	%1, %2, %3 [P + 8], al
	I	%1, %2, %3 [P + 9], dh
	I	%1, %2, %3 [P + 8], cx
	I	%1, %2, %3 [P + 8], edx
%if MODE = 64
	I	%1, %2, %3 [P + 8], sil
	I	%1, %2, %3 [P + 8], r9
%endif
%endmacro

%macro R_M 4		; name register, [P]
	I	%1, %2, %3 al, [P]
	I	%1, %2, %3 ch, [P]
	I	%1, %2, %3 dx, [P + 2]
	I	%1, %2, %3 ecx, [P + 4]
%if MODE = 64
	I	%1, %2, %3 r13, [P + 8]
%endif
%endmacro

%macro M 3		; name size [P]
	I	%1, %2, %3 byte [P]
	I	%1, %2, %3 word [P]
	I	%1, %2, %3 dword [P]
%if MODE = 64
	I	%1, %2, %3 qword [P]
%endif
%endmacro

%macro M_I 3		; name size [P], immediate
	I	%1, %2, %3 byte [P], 0x81
	I	%1, %2, %3 word [P], 0x7f12
	I	%1, %2, %3 word [P], -3
	I	%1, %2, %3 dword [P], 0x81234567
	I	%1, %2, %3 dword [P], -3
%if MODE = 64
	I	%1, %2, %3 qword [P], -0x1234567
	I	%1, %2, %3 qword [P], -3
%endif
%endmacro

%macro move 0
	M_R	0, 0, mov, 0
	R_M	0, 0, mov, 0
	M_I	0, 0, mov
	M_R	0, 0, xchg, 0
	I	0, 0, movnti [P], ecx
	; addresses
	I	0, 0, mov [P], eax
	I	0, 0, mov [P + 0x123], eax
	I	0, 0, mov [INDEX], eax
	I	0, 0, mov cl, [INDEX - 0x21]
	I	0, 0, mov edx, [fs:P]
%if MODE != 64
	I	0, 0, mov [es:P + 4], edx
%endif
	I	0, 0, mov dx, [gs:INDEX]
	; over a page's end
	I	0, 0, mov [P + 0x7fd], eax
	I	0, 0, mov eax, [P + 0x7fe]
	I	0, 0, mov [P + 0x7ff], ax
%if MODE = 16
	I	0, 0, mov [ebx + 4], eax
	I	0, 0, mov ax, [ebx + esi * 4 + 0x100]
	I	0, 0, mov [bp + 0x10], di
	I	0, 0, mov al, [0x800]
	I	0, 0, mov [0x802], eax
%elif MODE = 32
	I	0, 0, mov [bx + 4], eax
	I	0, 0, mov ax, [bx + si + 0x100]
	I	0, 0, mov [ds:ebp + 0x10], di
	I	0, 0, mov al, [0x800]
	I	0, 0, mov [0x802], eax
%else
	I	0, 0, mov [ebx + 4], eax
	I	0, 0, mov ax, [ebx + r12d * 2 + 0x100]
	I	0, 0, mov [r12 + 0x40000810], r10
	I	0, 0, mov r11w, [rel $ + 0x3ffff840]
	I	0, 0, mov al, [abs qword 0x40000800]
	I	0, 0, mov [abs qword 0x40000808], rax
	I	0, 0, mov [abs dword 0x40000808], r8b
	I	0, 0, movnti [P], rcx
	I	0, 0, mov [P + 0x7fd], rax
	I	0, 0, mov rax, [P + 0x7fb]
%endif
%endmacro

%macro extend 0
%assign i 0
%rep 2
%if i
%define EXTEND movsx
%else
%define EXTEND movzx
%endif
	I	0, 0, EXTEND cx, byte [P]
	I	0, 0, EXTEND ecx, byte [P + 1]
	I	0, 0, EXTEND edx, word [P + 2]
%if MODE = 64
	I	0, 0, EXTEND rdx, byte [P]
	I	0, 0, EXTEND r9, word [P + 6]
%endif
%assign i 1
%endrep
%if MODE = 64
	I	0, 0, movsxd rax, dword [P]
	I	0, 0, movsxd r15, dword [INDEX]
%endif
%if MODE != 16		; where TCG takes the wrong size
	I	OURS, 0, movbe cx, [P]
	I	OURS, 0, movbe [P], dx
	I	0, 0, movbe ecx, [P]
	I	0, 0, movbe [P], edx
%endif
%if MODE = 64
	I	0, 0, movbe rcx, [P]
	I	0, 0, movbe [P], r8
%endif
	I	0, 0, xlatb
%endmacro

%macro ALU 1
	M_R	0, 0, %1, 0
	R_M	0, 0, %1, 0
	M_I	0, 0, %1
%endmacro

%macro LOCKED 1
	M_R	0, 0, lock %1, 0
	M_I	0, 0, lock %1
%endmacro

%macro arithmetic 0
	ALU	add
	ALU	or
	ALU	adc
	ALU	sbb
	ALU	and
	ALU	sub
	ALU	xor
	ALU	cmp
	M_R	0, AF, test, 0
	M_I	0, AF, test
	M	0, 0, inc
	M	0, 0, dec
	M	0, 0, neg
	M	0, 0, not
%endmacro

%macro locked 0
	LOCKED	add
	LOCKED	or
	LOCKED	adc
	LOCKED	sbb
	LOCKED	and
	LOCKED	sub
	LOCKED	xor
	M	0, 0, lock inc
	M	0, 0, lock dec
	M	0, 0, lock neg
	M	0, 0, lock not
	M_R	0, 0, lock xchg, 0
	M_R	0, 0, lock xadd, 0
	M_R	EQUAL, 0, lock cmpxchg, 0
	I	EQUAL, 0, lock cmpxchg8b [P]
%if MODE = 64
	I	EQUAL | OURS, 0, lock cmpxchg16b [P]
%endif
	I	0, 0, lock add [P + 0x7fe], eax
%endmacro

%macro exchange 0
	M_R	0, 0, xadd, 0
	M_R	EQUAL, 0, cmpxchg, 0
	I	EQUAL, 0, cmpxchg8b [P]
%if MODE = 64
	I	EQUAL | OURS, 0, cmpxchg16b [P]
	I	EQUAL | OURS, 0, cmpxchg16b [P + 8]
%endif
%endmacro

%macro BIT 2
	I	BITS, AF | OF | SF | PF, %1 [P], cx
	I	BITS, AF | OF | SF | PF, %1 [P], ecx
	I	0, AF | OF | SF | PF, %1 word [P], 0x13
	I	0, AF | OF | SF | PF, %1 dword [P], 0x1e
%if MODE = 64
	I	BITS, AF | OF | SF | PF, %1 [P], rcx
	I	0, AF | OF | SF | PF, %1 qword [P], 0x3e
%endif
%endmacro

%macro bits_of_memory 0
	BIT	bt, 0
	BIT	bts, 0
	BIT	btr, 0
	BIT	btc, 0
	BIT	lock bts, 0
	BIT	lock btr, 0
	BIT	lock btc, 0
	I	0, AF | OF | SF | PF | CF, bsf ecx, [P]
	I	0, AF | OF | SF | PF | CF, bsr dx, [P]
	I	OURS, 0, popcnt edx, [P]
%endmacro

%macro SHIFT 2
	I	0, %2, %1 byte [P], 1
	I	0, %2, %1 dword [P], 1
	I	0, %2 | OF, %1 byte [P], 3
	I	0, %2 | OF, %1 word [P], 9
	I	0, %2 | OF, %1 dword [P], 31
	I	0, %2 | OF | CF, %1 byte [P], cl
	I	0, %2 | OF | CF, %1 word [P], cl
	I	0, %2 | OF, %1 dword [P], cl
%if MODE = 64
	I	0, %2, %1 qword [P], 1
	I	0, %2 | OF, %1 qword [P], 45
	I	0, %2 | OF, %1 qword [P], cl
%endif
%endmacro

%macro shifts 0
	SHIFT	rol, 0
	SHIFT	ror, 0
	SHIFT	rcl, 0
	SHIFT	rcr, 0
	SHIFT	shl, AF
	SHIFT	shr, AF
	SHIFT	sar, AF
	I	0, AF | OF, shld [P], cx, 5
	I	0, AF | OF, shld [P], edx, 27
	I	0, AF | OF, shrd [P], cx, 5
	I	0, AF | OF, shrd [P], edx, cl
%if MODE = 64
	I	0, AF | OF, shld [P], rdx, cl
%endif
%endmacro

%macro multiply 0
	M	0, SF | ZF | AF | PF, mul
	M	0, SF | ZF | AF | PF, imul
	M	SMALL, ALL, div
	M	SMALL, ALL, idiv
	I	0, SF | ZF | AF | PF, imul cx, [P]
	I	0, SF | ZF | AF | PF, imul edx, [P]
	I	0, SF | ZF | AF | PF, imul cx, [P], 0x1234
	I	0, SF | ZF | AF | PF, imul ecx, [P], -7
%if MODE = 64
	I	0, SF | ZF | AF | PF, imul r9, [P]
	I	0, SF | ZF | AF | PF, imul r9, [P], 0x12345678
%endif
%endmacro

%macro CONDITION 1
	I	0, 0, set%1 [P]
	I	0, 0, cmov%1 cx, [P]
	I	0, 0, cmov%1 edx, [P]
%if MODE = 64
	I	0, 0, cmov%1 r10, [P]
%endif
%endmacro

%macro conditions 0
	CONDITION o
	CONDITION no
	CONDITION b
	CONDITION nb
	CONDITION z
	CONDITION nz
	CONDITION be
	CONDITION nbe
	CONDITION s
	CONDITION ns
	CONDITION p
	CONDITION np
	CONDITION l
	CONDITION nl
	CONDITION le
	CONDITION nle
%endmacro

%macro stack 0
	I	0, 0, push word [P]
	I	0, 0, pop word [P]
	I	JUMP, 0, call N %+ _SIZE [P]
	I	JUMP, 0, jmp N %+ _SIZE [P]
	I	STACK, 0, push ax
	I	STACK, 0, pop cx
	I	STACK, 0, push N
	I	STACK, 0, pop N
	I	STACK, 0, push word [P]
	I	STACK, 0, pop word [P]
	I	STACK, 0, push 0x12
	I	STACK, 0, push word 0x1234
	I	STACK, 0, pushf
	I	STACK | JUMP, 0, ret
	I	STACK | JUMP, 0, ret 0x10
	I	STACK, 0, call $ + 8
	I	STACK | JUMP, 0, call N %+ _SIZE [P]
	I	STACK, 0, enter 0x18, 0
	I	STACK, 0, leave
%if MODE = 64
	I	0, 0, push qword [P]
	I	0, 0, pop qword [P]
	I	STACK, 0, push fs
%else
	I	0, 0, push dword [P]
	I	0, 0, pop dword [P]
	I	STACK, 0, push dword [P]
	I	STACK, 0, pop edx
	I	STACK | OURS, 0, pusha
	I	STACK | OURS, 0, pushad
	I	STACK | OURS, 0, popa
	I	STACK | OURS, 0, popad
	I	STACK, 0, push ds
	I	STACK | SEL, 0, pop es
%endif
%endmacro

%define ax_SIZE word
%define eax_SIZE dword
%define rax_SIZE qword

%macro segments 0
	I	0, 0, mov [P], ds
	I	0, 0, mov [P], cs
	I	SEL, 0, mov es, [P]
	I	SEL, 0, mov fs, [P]
	I	SEL, 0, mov ds, [P]
	I	SEL, 0, mov ss, [P]
	I	FAR16, 0, lfs cx, [P]
	I	FAR32, 0, lgs ecx, [P]
	I	FAR16, 0, jmp far word [P]
	I	FAR32, 0, jmp far dword [P]
	I	FAR16, 0, call far word [P]
	I	FAR32, 0, call far dword [P]
%if MODE != 64
	I	FAR16, 0, lds cx, [P]
	I	FAR32, 0, les ecx, [P]
	I	FAR32, 0, lss ecx, [P]
	I	STACK | FAR16 | OURS, 0, o16 retf
	I	STACK | FAR32 | OURS, 0, o32 retf
%endif
%endmacro

%macro system 0
	I	OURS, 0, sgdt [P]
	I	OURS, 0, sidt [P]
	I	JUMP | OURS, 0, lgdt [P]
	I	JUMP | OURS, 0, lidt [P]
	I	0, 0, smsw [P]
	I	0, 0, lmsw [P]
%if MODE != 16
	I	0, 0, sldt [P]
	I	0, 0, str [P]
%endif
	I	0, 0, prefetcht0 [P]
	I	0, 0, clflush [P]
%endmacro

%macro STRINGS 3	; options, prefix, name
	I	%1, 0, %2 %3b
	I	%1, 0, %2 %3w
	I	%1, 0, %2 %3d
%if MODE = 64
	I	%1, 0, %2 %3q
%endif
%endmacro

%macro strings 0
	STRINGS	STRING, NOTHING, stos
	STRINGS	STRING, NOTHING, movs
	STRINGS	STRING, NOTHING, lods
	STRINGS	STRING, NOTHING, scas
	STRINGS	STRING, NOTHING, cmps
	STRINGS	STRING, rep, stos
	STRINGS	STRING, rep, movs
	STRINGS	STRING, rep, lods
	STRINGS	STRING, repe, scas
	STRINGS	STRING, repne, scas
	STRINGS	STRING, repe, cmps
	STRINGS	STRING, repne, cmps
%if MODE = 64
	I	STRING, 0, a32 rep movsb
	I	STRING, 0, a32 rep stosd
%endif
%endmacro

%macro ports 0
	I	STRING, 0, insb
	I	STRING, 0, insw
	I	STRING, 0, insd
	I	STRING, 0, outsb
	I	STRING, 0, outsw
	I	STRING, 0, outsd
	I	STRING | OURS, 0, rep insb
	I	STRING | OURS, 0, rep insw
	I	STRING | OURS, 0, rep insd
	I	STRING, 0, rep outsb
	I	STRING, 0, rep outsw
	I	STRING, 0, rep outsd
%endmacro

; The guest's own faults, found while an instruction is emulated.
%macro faults 0
	I	BAD_DI, 0, movsd
	I	BAD_DI, 0, movsw
	I	0, 0, div byte [P + 0x400]
%if MODE = 64
	I	BAD_DI, 0, rep movsb
	I	NO_PAGE, 0, movsd
	I	NO_PAGE, 0, rep movsb
	I	0, 0, mov ss, [P + 0x400]
%endif
%endmacro

	GROUP	move
	GROUP	extend
	GROUP	arithmetic
	GROUP	locked
	GROUP	exchange
	GROUP	bits_of_memory
	GROUP	shifts
	GROUP	multiply
	GROUP	conditions
	GROUP	stack
	GROUP	segments
	GROUP	system
	GROUP	strings
	GROUP	ports
	GROUP	faults
