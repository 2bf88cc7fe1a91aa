/* SPDX-License-Identifier: MIT */
/*
 * The instruction emulator: executes one instruction of a guest in terms of struct emu_ops.
 * It knows no VM and no hypercall, so that it runs and is fuzzed as a host program too.
 *
 * How to use it: fill struct emu (zeroed before), call emu_step(), act by its result.
 *
 *   EMU_OK      take regs back. Then hand each of out[0..outs) to user space, in order,
 *               before the guest runs again. A REP instruction may be unfinished: RIP still
 *               points to it, and running the guest goes on with it. If regs.rflags had TF,
 *               the caller raises the #DB; `shadow` says that the next instruction is
 *               shadowed (MOV SS, POP SS).
 *   EMU_FAULT   take regs back (a REP instruction may have done some iterations, any other
 *               did nothing), and inject `fault`.
 *   EMU_WAIT    take regs back as above; user space must read pending.want. Keep `pending`;
 *               when the data is there, fill struct emu again, put `pending` back, emu_give()
 *               the data and call emu_step() again: it starts the instruction over with
 *               what it got. If somebody moved RIP meanwhile, the data is forgotten.
 *   EMU_RETRY   another CPU won a locked operation: nothing is done, run the guest again.
 *   EMU_ABSENT  take regs back as above. Memory isn't there yet: when it is, the guest goes on,
 *               or, if pending.reads isn't 0, this instruction as after EMU_WAIT.
 *   EMU_UNHANDLED  nothing is done; pending.code has the bytes for the report.
 */
#ifndef EMU_EMU_H
#define EMU_EMU_H

#include "mk_abi.h"

#include <stddef.h>
#include <stdint.h>

enum emu_result {
	EMU_OK = 0,
	EMU_FAULT,
	EMU_WAIT,
	EMU_RETRY,
	EMU_UNHANDLED,
	EMU_NOT_MEMORY,
	EMU_ABSENT
};

/* Kinds of access, with the values of WALK_* in walk.h. */
enum { EMU_READ = 0, EMU_WRITE = 1, EMU_EXEC = 2, EMU_USER = 4 };

#define EMU_MAX_CODE 15
#define EMU_MMX 16
/* The most pieces that one instruction reads: POPA over a page's end. */
#define EMU_MAX_READS 10
/* The most that one writes: 32 bytes over a page's end are 5. */
#define EMU_MAX_WRITES 8

struct emu;

struct emu_fault {
	uint8_t vector;
	uint8_t has_error;
	uint32_t error;
	uint64_t addr; /* CR2 of a #PF */
};

/* One access that user space serves: 1 to 8 bytes at a gpa or a port. */
struct emu_io {
	uint64_t addr;
	uint8_t data[8];
	uint8_t len;
	uint8_t is_port;
};

/* What lives from EMU_WAIT to the next emu_step(). */
struct emu_pending {
	uint64_t rip; /* linear address of the instruction */
	uint8_t valid; /* it waits, or emu_set_code() told its bytes */
	uint8_t code_len;
	uint8_t code[EMU_MAX_CODE]; /* fetched once */
	uint8_t reads;
	struct emu_io want; /* EMU_WAIT */
	struct emu_io read[EMU_MAX_READS];
};

/* None of them crosses a page, and none touches struct emu but `fault`. Each of the first four
 * may return EMU_ABSENT, too. */
struct emu_ops {
	/* Linear to guest-physical, setting A and D. EMU_OK; EMU_FAULT with e->fault. */
	int (*translate)(struct emu *e, uint64_t gla, unsigned int access, uint64_t *gpa);
	/* EMU_OK; EMU_NOT_MEMORY: user space must read, or write, it. */
	int (*load)(struct emu *e, uint64_t gpa, void *buf, unsigned int len);
	int (*store)(struct emu *e, uint64_t gpa, const void *buf, unsigned int len);
	/*
	 * Atomically stores `value` where `old` is; 1 to 16 bytes, perhaps misaligned.
	 * EMU_OK; EMU_RETRY: something else is there; EMU_NOT_MEMORY.
	 */
	int (*cmpxchg)(struct emu *e, uint64_t gpa, const void *old, const void *value,
		       unsigned int len);
	/*
	 * All 32 bytes of YMM register n; without AVX the upper half is anything. n of
	 * EMU_MMX + 0 to 7: an MMX register, 8 bytes; to set it also makes it valid, with
	 * the x87 stack's top 0 (APM vol. 1, 5.13).
	 * Both NULL: instructions that use these registers are EMU_UNHANDLED.
	 */
	void (*vector_get)(struct emu *e, unsigned int n, uint8_t value[32]);
	void (*vector_set)(struct emu *e, unsigned int n, const uint8_t value[32]);
	/* Fills in what `lazy` says is missing. NULL where nothing ever is. */
	void (*fill)(struct emu *e);
};

/* What instructions change. Registers are numbered as in enum mk_gpr, enum mk_seg_idx. */
struct emu_regs {
	uint64_t gpr[16];
	uint64_t rip;
	uint64_t rflags;
	struct mk_seg seg[MK_SEGS];
};

/*
 * Instructions that were decoded, zero at first: what bytes mean depends on nothing but them and
 * the CPU's mode, and few instructions access devices again and again.
 */
struct emu_cache {
	uint64_t words[160];
};

struct emu {
	const struct emu_ops *ops;
	void *context; /* the ops' */
	struct emu_cache *cache; /* or NULL; for one emu_step() at a time */

	struct emu_regs regs;
	struct mk_seg gdtr, idtr; /* base and limit; changed by LGDT and LIDT */
	uint64_t cr0, cr2, cr3, cr4, cr8; /* changed by MOV, LMSW, CLTS */
	uint64_t efer; /* LMA follows CR0.PG */
	uint64_t xcr0;
	uint64_t cr4_allowed; /* the bits that this CPU has */
	uint64_t gpa_reserved; /* address bits that it lacks */
	uint8_t cpl;
	/*
	 * The code is 64-bit, and that is all that is known (CS has L): regs.seg, gdtr, idtr and
	 * xcr0 are filled in for an instruction that may need them.
	 */
	uint8_t lazy;
	uint8_t wide_branches; /* near branches ignore 66 in 64-bit mode: Intel's CPUs */

	struct emu_fault fault; /* EMU_FAULT */
	uint8_t shadow; /* EMU_OK: 1 after a load of SS */
	uint8_t outs; /* EMU_OK */
	uint8_t system; /* segment or table registers may have changed */
	struct emu_io out[EMU_MAX_WRITES];
	struct emu_pending pending;

	/* The emulator's own. */
	struct emu_regs saved; /* to go back to */
	uint64_t next_rip; /* behind the instruction; branches change it */
	uint8_t unfinished; /* REP: RIP stays */
	uint8_t absent; /* EMU_FAULT only for want of memory: EMU_ABSENT */
	uint8_t reads_used; /* of pending.read[] */
};

/* Executes the instruction at regs.rip, see above. */
enum emu_result emu_step(struct emu *e);

/* The data for `want`, as many bytes as it says. */
void emu_give(struct emu *e, const void *data);

/* The bytes at RIP, where the CPU told them (decode assist); others are fetched. */
void emu_set_code(struct emu *e, const void *code, unsigned int len);

/*
 * Nearly all accesses to devices are a MOV, MOVZX or MOVSX between memory and a register (or of an
 * immediate) in 64-bit code, executed before; and the CPU tells where its access went, having
 * checked and translated it. Then no struct emu is needed.
 */
struct emu_move {
	/* What the caller fills in: the instruction; io.addr is the gpa. */
	uint64_t rip;
	uint8_t write;
	/* What emu_move() does. Of a read: the register, and how it gets the data. */
	uint8_t reg, high, size, sign;
	uint64_t next_rip;
	struct emu_io io; /* of a write, with the data */
};

/*
 * 1, and user space must do `io`: a write is then complete, a read by emu_move_end(), and either
 * when RIP is next_rip, and RFLAGS.RF 0. 0: for emu_step(). `code` has EMU_MAX_CODE bytes.
 */
int emu_move(const struct emu_cache *cache, const uint64_t *gpr, const uint8_t *code,
	     struct emu_move *m);
void emu_move_end(const struct emu_move *m, uint64_t *gpr, const void *data);

#endif
