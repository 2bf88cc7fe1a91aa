// SPDX-License-Identifier: MIT
/* Exceptions of the guest's own making. */
#include "insn.h"

/* Vectors that push an error code (APM vol. 2, 8.2): #DF #TS #NP #SS #GP #PF #AC. */
#define HAS_ERROR (1U << 8 | 0x1FU << 10 | 1U << 17)

void fault_set(struct emu *e, uint8_t vector, uint32_t error)
{
	e->fault = (struct emu_fault){
		.vector = vector,
		.has_error = HAS_ERROR >> vector & 1,
		.error = error,
	};
}
