; SPDX-License-Identifier: MIT
;
; Second guest of the demo: 64-bit code with paging on. Sieves the primes below
; one million in memory that is mapped far from where it is, prints how many
; there are, the largest one and the CRC-32 of the sieve, and halts. demo.c
; checks all three.

	bits 64
	org 0x400000		; demo.c: GUEST64_ENTRY

PORT	equ 0x3f8
LIMIT	equ 1000000		; demo.c: SIEVE_LIMIT
SIEVE	equ 0xffff800000000000	; demo.c: SIEVE_GLA; one byte a number, 1: composite

start:
	mov rbx, SIEVE
	call sieve
	call count		; rax: how many, rcx: the largest
	mov r12, rcx
	call print_decimal
	mov rsi, text_primes
	call print
	mov rax, r12
	call print_decimal
	mov rsi, text_crc
	call print
	call crc32
	call print_hex32
	mov rsi, text_end
	call print
	hlt

; Marks 0, 1 and every composite. The memory is zero at the start.
sieve:
	mov word [rbx], 0x0101
	mov ecx, 2
.prime:
	mov eax, ecx
	mul eax
	cmp eax, LIMIT
	jae .end
	cmp byte [rbx + rcx], 0
	jne .next
.multiple:
	mov byte [rbx + rax], 1
	add eax, ecx
	cmp eax, LIMIT
	jb .multiple
.next:
	inc ecx
	jmp .prime
.end:
	ret

; rax: number of primes; rcx: the largest.
count:
	xor eax, eax
	xor edx, edx
.number:
	cmp byte [rbx + rdx], 0
	jne .next
	inc eax
	mov ecx, edx
.next:
	inc edx
	cmp edx, LIMIT
	jb .number
	ret

; eax: CRC-32 (polynomial 0xedb88320) of the sieve.
crc32:
	mov eax, -1
	xor edx, edx
.byte:
	xor al, [rbx + rdx]
	mov ecx, 8
.bit:
	shr eax, 1
	jnc .no_xor
	xor eax, 0xedb88320
.no_xor:
	dec ecx
	jnz .bit
	inc edx
	cmp edx, LIMIT
	jb .byte
	not eax
	ret

; Prints the string at rsi.
print:
	mov edx, PORT
	cld
.next:
	lodsb
	test al, al
	jz .end
	out dx, al
	jmp .next
.end:
	ret

; Prints rax. The digits come last first, so they wait on the stack.
print_decimal:
	xor ecx, ecx
	mov esi, 10
.digit:
	xor edx, edx
	div rsi
	push rdx
	inc ecx
	test rax, rax
	jnz .digit
	mov edx, PORT
.out:
	pop rax
	add al, '0'
	out dx, al
	dec ecx
	jnz .out
	ret

; Prints eax as eight hexadecimal digits.
print_hex32:
	mov esi, eax
	mov ecx, 8
	mov edx, PORT
.digit:
	rol esi, 4
	mov eax, esi
	and eax, 15
	mov al, [digits + rax]
	out dx, al
	dec ecx
	jnz .digit
	ret

digits:		db "0123456789abcdef"
text_primes:	db " primes below 1000000, the largest is ", 0
text_crc:	db "; CRC-32 of the sieve: ", 0
text_end:	db 10, 0
