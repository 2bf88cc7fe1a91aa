/* SPDX-License-Identifier: MIT */
/* The guests' flat code, as nasm made it, inside the program. */

	.section .rodata

	.globl guest16_code, guest16_code_end, guest64_code, guest64_code_end
guest16_code:
	.incbin "guest16.bin"
guest16_code_end:
guest64_code:
	.incbin "guest64.bin"
guest64_code_end:

	.section .note.GNU-stack, "", @progbits
