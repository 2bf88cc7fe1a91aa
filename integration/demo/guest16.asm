; SPDX-License-Identifier: MIT
;
; First guest of the demo: 16-bit real-mode code that prints a message, one
; byte at a time, through the port of a serial line, and halts.

	bits 16
	org 0x1000		; demo.c: GUEST16_ENTRY

PORT	equ 0x3f8

start:
	mov si, message
	mov dx, PORT
	cld
.next:
	lodsb
	test al, al
	jz .end
	out dx, al
	jmp .next
.end:
	hlt

message:
	db "Hello from 16-bit real mode!", 10, 0
