// SPDX-License-Identifier: MIT
/* mv_reg_t: where each register is in the state page, and which values it may have. */
#include "regs.h"
#include "cpuid.h"
#include "xcr.h"

enum check { ANY = 0, ATTRIB, HIGH_ZERO, CR4, CR8, XCR0, RFLAGS };

struct reg {
	uint16_t offset; /* in struct mk_state */
	uint8_t size;	 /* bytes; 0: no such register */
	uint8_t group;	 /* MK_G_* */
	uint8_t check;	 /* enum check */
};

#define REG(field, group_, check_)                                                                 \
	{                                                                                          \
		.offset = offsetof(struct mk_state, field),                                        \
		.size = sizeof(((struct mk_state *)0)->field), .group = (group_),                  \
		.check = (check_),                                                                 \
	}
#define GPR(name, index) [mv_reg_t_##name] = REG(gpr[index], MK_G_GPR, ANY)
#define SEG(name, index)                                                                           \
	[mv_reg_t_##name##_selector] = REG(seg[index].selector, MK_G_SEG, ANY),                    \
	[mv_reg_t_##name##_attrib] = REG(seg[index].attrib, MK_G_SEG, ATTRIB),                     \
	[mv_reg_t_##name##_limit] = REG(seg[index].limit, MK_G_SEG, ANY),                          \
	[mv_reg_t_##name##_base] = REG(seg[index].base, MK_G_SEG, ANY)
/* A table register has neither selector nor attributes: what is written there means nothing. */
#define TABLE(name)                                                                                \
	[mv_reg_t_##name##_selector] = REG(name.selector, MK_G_TABLE, ANY),                        \
	[mv_reg_t_##name##_attrib] = REG(name.attrib, MK_G_TABLE, ANY),                            \
	[mv_reg_t_##name##_limit] = REG(name.limit, MK_G_TABLE, ANY),                              \
	[mv_reg_t_##name##_base] = REG(name.base, MK_G_TABLE, ANY)

static const struct reg regs[MV_REG_MAX + 1] = {
	GPR(rax, MK_RAX),
	GPR(rbx, MK_RBX),
	GPR(rcx, MK_RCX),
	GPR(rdx, MK_RDX),
	GPR(rbp, MK_RBP),
	GPR(rsi, MK_RSI),
	GPR(rdi, MK_RDI),
	GPR(r8, MK_R8),
	GPR(r9, MK_R9),
	GPR(r10, MK_R10),
	GPR(r11, MK_R11),
	GPR(r12, MK_R12),
	GPR(r13, MK_R13),
	GPR(r14, MK_R14),
	GPR(r15, MK_R15),
	GPR(rsp, MK_RSP),
	[mv_reg_t_rip] = REG(rip, MK_G_GPR, ANY),
	[mv_reg_t_rflags] = REG(rflags, MK_G_GPR, RFLAGS),
	SEG(es, MK_ES),
	SEG(cs, MK_CS),
	SEG(ss, MK_SS),
	SEG(ds, MK_DS),
	SEG(fs, MK_FS),
	SEG(gs, MK_GS),
	SEG(ldtr, MK_LDTR),
	SEG(tr, MK_TR),
	TABLE(gdtr),
	TABLE(idtr),
	[mv_reg_t_dr0] = REG(dr[0], MK_G_DR, ANY),
	[mv_reg_t_dr1] = REG(dr[1], MK_G_DR, ANY),
	[mv_reg_t_dr2] = REG(dr[2], MK_G_DR, ANY),
	[mv_reg_t_dr3] = REG(dr[3], MK_G_DR, ANY),
	[mv_reg_t_dr6] = REG(dr6, MK_G_DR, HIGH_ZERO),
	[mv_reg_t_dr7] = REG(dr7, MK_G_DR, HIGH_ZERO),
	[mv_reg_t_cr0] = REG(cr0, MK_G_CR, HIGH_ZERO),
	[mv_reg_t_cr2] = REG(cr2, MK_G_CR, ANY),
	[mv_reg_t_cr3] = REG(cr3, MK_G_CR, ANY),
	[mv_reg_t_cr4] = REG(cr4, MK_G_CR, CR4),
	[mv_reg_t_cr8] = REG(cr8, MK_G_CR, CR8),
	[mv_reg_t_xcr0] = REG(xcr0, MK_G_XCR, XCR0),
};

/* Defined bits of CR4 (APM vol. 2, 3.1.3); a CPU without one of them refuses the entry. */
#define CR4_DEFINED 0xF71FFFULL
/* Defined bits of RFLAGS. The others can't be set by any instruction, and aren't here. */
#define RFLAGS_DEFINED 0x3F7FD5ULL

uint64_t regs_rflags(uint64_t value)
{
	return (value & RFLAGS_DEFINED) | RFLAGS_FIXED;
}

static int reg_exists(uint64_t number)
{
	return number <= MV_REG_MAX && regs[number].size;
}

static int reg_valid(struct vs *vs, uint64_t number, uint64_t value)
{
	switch (regs[number].check) {
	case ATTRIB:
		return !((uint16_t)value & ~MK_ATTR_ALL);
	case HIGH_ZERO:
		return !(value >> 32);
	case CR4:
		return !(value & ~CR4_DEFINED);
	case CR8:
		return value <= 0xF;
	case XCR0:
		return xcr0_valid(value, cpuid_xcr0(vs));
	}
	return 1;
}

static uint64_t reg_read(struct vs *vs, uint64_t number)
{
	const struct reg *reg = &regs[number];
	uint64_t value = 0;

	state_fetch(vs->id, vs->st, reg->group);
	memcpy(&value, (const char *)vs->st + reg->offset, reg->size);
	return value;
}

/* A group is written as a whole, so what isn't changed must be there. */
static void reg_write(struct vs *vs, uint64_t number, uint64_t value)
{
	const struct reg *reg = &regs[number];

	if (reg->check == RFLAGS)
		value = regs_rflags(value);
	state_fetch(vs->id, vs->st, reg->group);
	memcpy((char *)vs->st + reg->offset, &value, reg->size);
	if (reg->group != MK_G_GPR)
		vs->st->dirty |= reg->group;
}

const struct reg_ops reg_ops = {
	.exists = reg_exists,
	.valid = reg_valid,
	.read = reg_read,
	.write = reg_write,
};
