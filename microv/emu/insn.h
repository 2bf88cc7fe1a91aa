/* SPDX-License-Identifier: MIT */
/*
 * The emulator's inside: a decoded instruction, the table of instructions, and what the
 * files of the emulator call of each other. Functions return enum emu_result as int.
 */
#ifndef EMU_INSN_H
#define EMU_INSN_H

#include "emu.h"
#include "flags.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

void *memcpy(void *dst, const void *src, size_t len);
void *memset(void *dst, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);

#define PAGE_SIZE 4096ULL
#define CR0_PE (1ULL << 0)
#define CR0_EM (1ULL << 2)
#define CR0_TS (1ULL << 3)
#define CR0_AM (1ULL << 18)
#define CR4_PAE (1ULL << 5)
#define CR4_OSFXSR (1ULL << 9)
#define CR4_LA57 (1ULL << 12)
#define CR4_OSXSAVE (1ULL << 18)
#define EFER_LME (1ULL << 8)
#define EFER_LMA (1ULL << 10)
#define XCR0_AVX 0x6ULL /* SSE and AVX state */

enum { VEC_DE = 0, VEC_BR = 5, VEC_UD = 6, VEC_NM = 7, VEC_NP = 11, VEC_SS = 12, VEC_GP = 13,
       VEC_PF = 14, VEC_AC = 17 };

enum operand_kind { OPERAND_NONE = 0, OPERAND_GPR, OPERAND_SEG, OPERAND_VECTOR, OPERAND_MEM,
		    OPERAND_IMM, OPERAND_CR };
#define NO_REG 0xFF
#define REG_RIP 0xFE

struct operand {
	uint8_t kind;
	uint8_t size; /* bytes */
	uint8_t reg;  /* number; NO_REG for those that aren't emulated */
	uint8_t high; /* AH, CH, DH, BH */
	/* OPERAND_MEM */
	uint8_t seg;   /* enum mk_seg_idx */
	uint8_t base;  /* GPR, REG_RIP, NO_REG */
	uint8_t index; /* GPR, NO_REG */
	uint8_t scale;
	int64_t disp;
	/* OPERAND_IMM: sign-extended where the CPU does that */
	uint64_t imm;
};

enum rep { REP_NONE = 0, REP_E, REP_NE };

#define INSN_OPERANDS 5

struct insn {
	const struct op *op;
	uint8_t len;
	uint8_t size;	/* operand size in bytes, 1 to 8 */
	uint8_t addr_size;
	uint8_t lock;
	uint8_t rep;
	uint8_t vex;
	uint8_t far;	 /* branches */
	uint8_t visible; /* operands that are written in assembler */
	uint8_t count;	 /* those, and the others behind them */
	uint8_t plain;	 /* in 64-bit mode no segment, table or XCR0 matters */
	uint8_t move;	 /* emu_move() may do it */
	struct operand operand[INSN_OPERANDS];
};

/* What an ALU-like instruction makes of its operands; sets flags. */
typedef uint64_t compute_fn(struct emu *e, uint64_t a, uint64_t b, unsigned int size);

/* How an instruction is executed. */
struct op {
	int (*run)(struct emu *e, const struct insn *in);
	compute_fn *compute;
	unsigned int arg; /* for `run` */
};

/*
 * decode.c: EMU_OK with *in, which is in e->cache or `room`; EMU_FAULT (#UD, #GP); EMU_UNHANDLED;
 * DECODE_MORE: needs more bytes.
 */
#define DECODE_MORE 100
int decode(struct emu *e, const uint8_t *code, unsigned int len, struct insn *room,
	   const struct insn **in);

/*
 * The same for 64-bit code, if it was decoded before; else NULL. `code` has EMU_MAX_CODE bytes.
 */
const struct insn *decode_known(const struct emu_cache *cache, uint64_t rip, const uint8_t *code);

/* The modes (APM vol. 2, 1.3). */
static inline int is_long64(const struct emu *e)
{
	return e->efer & EFER_LMA && e->regs.seg[MK_CS].attrib & MK_ATTR_L;
}

static inline int is_protected(const struct emu *e)
{
	return e->cr0 & CR0_PE && !(e->regs.rflags & FLAG_VM);
}

static inline uint64_t size_mask(unsigned int bytes)
{
	return bytes >= 8 ? ~0ULL : (1ULL << bytes * 8) - 1;
}

static inline int64_t sign_extend(uint64_t value, unsigned int bytes)
{
	unsigned int unused = 64 - bytes * 8;

	return (int64_t)(value << unused) >> unused;
}

/* fault.c. What follows gives EMU_FAULT: inline, so that callers' compilers know. */
void fault_set(struct emu *e, uint8_t vector, uint32_t error);

static inline int fault_code(struct emu *e, uint8_t vector, uint32_t error)
{
	fault_set(e, vector, error);
	return EMU_FAULT;
}

static inline int fault(struct emu *e, uint8_t vector)
{
	return fault_code(e, vector, 0);
}

/*
 * mem.c: memory. A span is translated, checked and not yet touched memory.
 */
struct span {
	uint64_t gpa[2];
	unsigned int first; /* bytes at gpa[0]; the others are at gpa[1] */
	unsigned int len;
};

/* Alignments that are checked whatever CR0.AM and RFLAGS.AC say, or as they say. */
enum { ALIGN_NONE = 0, ALIGN_AC, ALIGN_GP };

int mem_canonical(const struct emu *e, uint64_t gla);
int mem_span(struct emu *e, unsigned int seg, uint64_t ea, unsigned int len, unsigned int access,
	     unsigned int align, struct span *span);
int mem_span_linear(struct emu *e, uint64_t gla, unsigned int len, unsigned int access,
		    struct span *span);
int mem_load(struct emu *e, const struct span *span, void *buf);
int mem_store(struct emu *e, const struct span *span, const void *buf);
/* The old value is `old`, as mem_load() gave it. */
int mem_exchange(struct emu *e, const struct span *span, const void *old, const void *value);
/* mem_span() and mem_load(), mem_store(). */
int mem_read(struct emu *e, unsigned int seg, uint64_t ea, void *buf, unsigned int len);
int mem_write(struct emu *e, unsigned int seg, uint64_t ea, const void *buf, unsigned int len);
int mem_port_in(struct emu *e, uint16_t port, void *buf, unsigned int len);
int mem_port_out(struct emu *e, uint16_t port, const void *buf, unsigned int len);

/* Linear address of the instruction at RIP. */
uint64_t mem_code(const struct emu *e);
int mem_fetch(struct emu *e, uint64_t gla, void *buf, unsigned int len);

/* What happened so far stays, whatever comes: between the iterations of REP. */
void emu_checkpoint(struct emu *e);

/*
 * operand.c: registers, and operands of up to 8 bytes.
 */
uint64_t reg_get(const struct emu *e, unsigned int reg, unsigned int size);
/* 32 bits clear the upper half, 8 and 16 keep the rest (APM vol. 3, 1.2.3). */
void reg_set(struct emu *e, unsigned int reg, unsigned int size, uint64_t value);
/* The same without struct emu, of a GPR and of an address. */
uint64_t gpr_operand_get(const uint64_t *gpr, const struct operand *o);
void gpr_operand_set(uint64_t *gpr, const struct operand *o, uint64_t value);
uint64_t operand_address(const uint64_t *gpr, uint64_t next_rip, const struct insn *in,
			 const struct operand *o);
uint64_t operand_ea(const struct emu *e, const struct insn *in, const struct operand *o);
int operand_read(struct emu *e, const struct insn *in, unsigned int n, uint64_t *value);
int operand_write(struct emu *e, const struct insn *in, unsigned int n, uint64_t value);

/* An operand that is read and then written. */
struct place {
	const struct operand *operand;
	struct span span;
	uint64_t old;
};
int place_open(struct emu *e, const struct insn *in, unsigned int n, struct place *place);
/* The same at an address that isn't the operand's own (BTS with a register). */
int place_open_at(struct emu *e, const struct operand *o, uint64_t ea, struct place *place);
int place_close(struct emu *e, const struct insn *in, const struct place *place, uint64_t value);

/* The groups of instructions: each file's part of the table in ops.h. */
int run_binary(struct emu *e, const struct insn *in);
int run_compare(struct emu *e, const struct insn *in);
int run_unary(struct emu *e, const struct insn *in);
int run_source(struct emu *e, const struct insn *in);

compute_fn compute_add, compute_adc, compute_sub, compute_sbb;
compute_fn compute_and, compute_or, compute_xor, compute_inc, compute_dec, compute_neg, compute_not;
compute_fn compute_andn;

int run_xchg(struct emu *e, const struct insn *in);
int run_xadd(struct emu *e, const struct insn *in);
int run_cmpxchg(struct emu *e, const struct insn *in);
int run_cmpxchg_pair(struct emu *e, const struct insn *in);

int run_double_shift(struct emu *e, const struct insn *in);
int run_shift_vex(struct emu *e, const struct insn *in);
compute_fn compute_shl, compute_shr, compute_sar;
compute_fn compute_rol, compute_ror, compute_rcl, compute_rcr;

int run_mul(struct emu *e, const struct insn *in);
int run_imul(struct emu *e, const struct insn *in);
int run_div(struct emu *e, const struct insn *in);
int run_idiv(struct emu *e, const struct insn *in);
int run_mulx(struct emu *e, const struct insn *in);

int run_bit(struct emu *e, const struct insn *in);
int run_bit_scan(struct emu *e, const struct insn *in);
int run_vex3(struct emu *e, const struct insn *in);
int run_carry_add(struct emu *e, const struct insn *in);
int run_crc32(struct emu *e, const struct insn *in);
compute_fn compute_bt, compute_bts, compute_btr, compute_btc;
compute_fn compute_popcnt, compute_lzcnt, compute_tzcnt;
compute_fn compute_blsi, compute_blsr, compute_blsmsk;
compute_fn compute_bextr, compute_bzhi, compute_pdep, compute_pext;

int run_mov(struct emu *e, const struct insn *in);
int run_movsx(struct emu *e, const struct insn *in);
int run_movbe(struct emu *e, const struct insn *in);
int run_set(struct emu *e, const struct insn *in);
int run_cmov(struct emu *e, const struct insn *in);
int run_xlat(struct emu *e, const struct insn *in);
int run_undefined(struct emu *e, const struct insn *in);
int run_nothing(struct emu *e, const struct insn *in);

int run_push(struct emu *e, const struct insn *in);
int run_pop(struct emu *e, const struct insn *in);
int run_pusha(struct emu *e, const struct insn *in);
int run_popa(struct emu *e, const struct insn *in);
int run_pushf(struct emu *e, const struct insn *in);
int run_popf(struct emu *e, const struct insn *in);
int run_leave_frame(struct emu *e, const struct insn *in);
int run_call(struct emu *e, const struct insn *in);
int run_jmp(struct emu *e, const struct insn *in);
int run_ret(struct emu *e, const struct insn *in);
int run_enter(struct emu *e, const struct insn *in);
/* stack.c: memory at rSP + offset; moves rSP. */
int stack_span(struct emu *e, int64_t offset, unsigned int len, unsigned int access,
	       struct span *span);
void stack_move(struct emu *e, int64_t bytes);

int run_movs(struct emu *e, const struct insn *in);
int run_stos(struct emu *e, const struct insn *in);
int run_lods(struct emu *e, const struct insn *in);
int run_scas(struct emu *e, const struct insn *in);
int run_cmps(struct emu *e, const struct insn *in);
int run_ins(struct emu *e, const struct insn *in);
int run_outs(struct emu *e, const struct insn *in);

int run_vector_mov(struct emu *e, const struct insn *in);
int run_vector_low(struct emu *e, const struct insn *in);
int run_vector_half(struct emu *e, const struct insn *in);

int run_vector_broadcast(struct emu *e, const struct insn *in);

int run_smsw(struct emu *e, const struct insn *in);
int run_lmsw(struct emu *e, const struct insn *in);
int run_clts(struct emu *e, const struct insn *in);
int run_store_selector(struct emu *e, const struct insn *in);
int run_store_table(struct emu *e, const struct insn *in);
int run_load_table(struct emu *e, const struct insn *in);
/* control.c: MOV from and to CRn, and to CR0 by others: EMU_OK, #UD, #GP. */
int control_read(struct emu *e, unsigned int n, uint64_t *value);
int control_write(struct emu *e, unsigned int n, uint64_t value);
/* system.c: EMU_OK or #GP. */
int port_allowed(struct emu *e, uint16_t port, unsigned int len);

int run_jmp_far(struct emu *e, const struct insn *in);
int run_call_far(struct emu *e, const struct insn *in);
int run_ret_far(struct emu *e, const struct insn *in);
int run_load_far(struct emu *e, const struct insn *in);
/* segment.c: loads a data segment register or SS. */
int segment_load(struct emu *e, unsigned int seg, uint16_t selector);

#endif
