/* SPDX-License-Identifier: MIT */
/* Random instructions with operands that lie in, or at the edge of, the arena. */
#ifndef TESTS_EMU_GENERATE_H
#define TESTS_EMU_GENERATE_H

#include "native.h"

/* Which status flags the manuals leave undefined; see undefined_flags(). */
enum undefined {
	U_NONE,
	U_SHIFT,
	U_DOUBLE,
	U_ROTATE,
	U_MUL,
	U_DIV,
	U_BT,
	U_SCAN,
	U_COUNT,
	U_LOGIC,
	U_BMI,
	U_BEXTR,
	U_BLS
};

/* What an instruction is like. */
#define T_MODRM 0x1 /* ModRM, any reg field unless `reg` says */
#define T_REG 0x2 /* the reg field is `reg` */
#define T_MEM 0x4 /* memory only */
#define T_STRING 0x8 /* RSI, RDI, RCX; REP */
#define T_STACK 0x10 /* RSP */
#define T_IMM8 0x20
#define T_IMMZ 0x40 /* 2 or 4 bytes by operand size */
#define T_IMM16 0x80
#define T_LONG 0x100 /* 64-bit mode only */
#define T_LEGACY 0x200 /* not in 64-bit mode */
#define T_BT 0x400 /* the register is a bit's number */
#define T_VEX 0x800 /* map in opcode[0], opcode in opcode[1], pp in prefix */
#define T_W0 0x1000 /* VEX.W or REX.W must be 0 */
#define T_W1 0x2000
#define T_L0 0x4000 /* VEX.L must be 0 */
#define T_VVVV 0x8000 /* VEX.vvvv is an operand */
#define T_NO66 0x10000 /* no operand size prefix */
#define T_MOFFS 0x20000 /* address in the instruction */
#define T_XLAT 0x40000
#define T_ENTER 0x200000 /* a second immediate of 0 */
#define T_ORDER 0x80000 /* any of two faults may come first */
#define T_PARTIAL 0x100000 /* with a fault, some registers may have been written */

struct template
{
	const char *name;
	uint8_t opcode[3];
	uint8_t count;
	uint8_t prefix; /* mandatory one, or VEX.pp */
	uint8_t reg;
	uint8_t undefined;
	uint32_t flags;
	const char *cpu; /* feature that the CPU needs, or NULL */
};

extern const struct template templates[];
extern const unsigned int template_count;

struct test {
	const struct template *template;
	uint8_t code[16];
	uint8_t len;
	uint8_t has_rep;
	uint8_t imm8;
	uint8_t size; /* operand size in bytes */
	uint64_t target; /* where memory operands are */
};

void generate_seed(uint64_t seed);
uint64_t generate_random(void);

/* A test, and the state that it starts in; the instruction is in native_code. */
void generate(struct test *test, struct machine *m);

/* The flags that can't be compared after this test. */
uint64_t undefined_flags(const struct test *test, const struct machine *before);

#endif
