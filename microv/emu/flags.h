/* SPDX-License-Identifier: MIT */
/* RFLAGS, and how arithmetic sets them (APM vol. 1, 3.1.4). */
#ifndef EMU_FLAGS_H
#define EMU_FLAGS_H

#include <stdint.h>

#define FLAG_CF (1ULL << 0)
#define FLAG_FIXED (1ULL << 1)
#define FLAG_PF (1ULL << 2)
#define FLAG_AF (1ULL << 4)
#define FLAG_ZF (1ULL << 6)
#define FLAG_SF (1ULL << 7)
#define FLAG_TF (1ULL << 8)
#define FLAG_IF (1ULL << 9)
#define FLAG_DF (1ULL << 10)
#define FLAG_OF (1ULL << 11)
#define FLAG_IOPL (3ULL << 12)
#define FLAG_NT (1ULL << 14)
#define FLAG_RF (1ULL << 16)
#define FLAG_VM (1ULL << 17)
#define FLAG_AC (1ULL << 18)
#define FLAG_VIF (1ULL << 19)
#define FLAG_VIP (1ULL << 20)
#define FLAG_ID (1ULL << 21)

#define FLAGS_RESULT (FLAG_ZF | FLAG_SF | FLAG_PF)
#define FLAGS_STATUS (FLAGS_RESULT | FLAG_CF | FLAG_AF | FLAG_OF)

struct emu;

/* Replaces the flags in mask. */
void flags_set(struct emu *e, uint64_t mask, uint64_t flags);

/* ZF, SF and PF of a result. */
uint64_t flags_of_result(uint64_t result, unsigned int size);

/* All six of a + b + carry = result, of a - b - borrow = result. */
void flags_add(struct emu *e, uint64_t a, uint64_t b, uint64_t result, unsigned int size);
void flags_sub(struct emu *e, uint64_t a, uint64_t b, uint64_t result, unsigned int size);

/* Of AND, OR, XOR: no carry, no overflow; AF is cleared, as all CPUs do. */
void flags_logic(struct emu *e, uint64_t result, unsigned int size);

/* Conditions in the encoding of Jcc, SETcc, CMOVcc. */
int flags_condition(uint64_t rflags, unsigned int cc);

#endif
