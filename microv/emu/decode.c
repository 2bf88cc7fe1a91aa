// SPDX-License-Identifier: MIT
/*
 * The border to Zydis: nothing of it is seen outside this file. What Zydis knows of an
 * instruction becomes a struct insn.
 */
#include "insn.h"
#include "ops.h"

#include <Zydis/Decoder.h>
#include <Zydis/Register.h>

/* The instructions in a row, and where each of Zydis's mnemonics stands in it; 0: nowhere. */
#define OP_NUMBER(mnemonic, ...) OP_##mnemonic,
#define STRING_NUMBER(mnemonic, ...) STRING_##mnemonic,
enum { OP_NONE, EMU_OPS(OP_NUMBER) STRING_OPS(STRING_NUMBER) OP_COUNT };

#define OP(mnemonic, run_, compute_, arg_)                                                         \
	[OP_##mnemonic] = { .run = run_, .compute = compute_, .arg = arg_ },
#define STRING(mnemonic, run_, compute_, arg_)                                                     \
	[STRING_##mnemonic] = { .run = run_, .compute = compute_, .arg = arg_ },
static const struct op ops[OP_COUNT] = { EMU_OPS(OP) STRING_OPS(STRING) };

#define OP_INDEX(mnemonic, ...) [ZYDIS_MNEMONIC_##mnemonic] = OP_##mnemonic,
#define STRING_INDEX(mnemonic, ...) [ZYDIS_MNEMONIC_##mnemonic] = STRING_##mnemonic,
static const uint16_t op_of[ZYDIS_MNEMONIC_MAX_VALUE + 1] = { EMU_OPS(OP_INDEX) };
static const uint16_t string_of[ZYDIS_MNEMONIC_MAX_VALUE + 1] = { STRING_OPS(STRING_INDEX) };

/* All that decoding depends on but the bytes. Not 0. */
#define MODE_64 (1 | 8)
#define MODE_WIDE_BRANCHES 32
static uint8_t mode_of(const struct emu *e)
{
	if (is_long64(e))
		return MODE_64 | (e->wide_branches ? MODE_WIDE_BRANCHES : 0);
	return 1 | (e->regs.seg[MK_CS].attrib & MK_ATTR_DB ? 2 : 0) |
	       (e->regs.seg[MK_SS].attrib & MK_ATTR_DB ? 4 : 0) |
	       (is_protected(e) ? 16 : 0) | (e->wide_branches ? MODE_WIDE_BRANCHES : 0);
}

static void init_decoder(const struct emu *e, ZydisDecoder *decoder)
{
	int big_code = !!(e->regs.seg[MK_CS].attrib & MK_ATTR_DB);
	int big_stack = !!(e->regs.seg[MK_SS].attrib & MK_ATTR_DB);
	ZydisStackWidth stack = big_stack ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_16;
	ZydisMachineMode mode =
		big_code ? ZYDIS_MACHINE_MODE_LEGACY_32 : ZYDIS_MACHINE_MODE_LEGACY_16;

	if (is_long64(e)) {
		mode = ZYDIS_MACHINE_MODE_LONG_64;
		stack = ZYDIS_STACK_WIDTH_64;
	} else if (!is_protected(e) && !big_code) {
		mode = ZYDIS_MACHINE_MODE_REAL_16;
	}
	ZydisDecoderInit(decoder, mode, stack);
	ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_AMD_BRANCHES, !e->wide_branches);
	/* Else NOTRACK, which is DS's prefix too, hides it. */
	ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
}

/* Behind legacy prefixes; EVEX instructions exist, but this Zydis doesn't know them. */
static int is_evex(const struct emu *e, const uint8_t *code, unsigned int len)
{
	static const uint8_t prefixes[] = { 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65,
					    0x66, 0x67, 0xF0, 0xF2, 0xF3 };
	unsigned int at = 0, i;

	while (at < len) {
		for (i = 0; i < sizeof(prefixes) && prefixes[i] != code[at]; i++)
			;
		if (i == sizeof(prefixes))
			break;
		at++;
	}
	if (at + 1 >= len || code[at] != 0x62)
		return 0;
	return is_long64(e) || code[at + 1] >= 0xC0;
}

static uint8_t gpr_number(ZydisRegister reg)
{
	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_GPR16:
		return reg - ZYDIS_REGISTER_AX;
	case ZYDIS_REGCLASS_GPR32:
		return reg - ZYDIS_REGISTER_EAX;
	case ZYDIS_REGCLASS_GPR64:
		return reg - ZYDIS_REGISTER_RAX;
	case ZYDIS_REGCLASS_IP:
		return REG_RIP;
	default:
		return NO_REG;
	}
}

static uint8_t seg_number(ZydisRegister reg)
{
	return ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_SEGMENT ? reg - ZYDIS_REGISTER_ES
								    : MK_DS;
}

/* Zydis counts AL CL DL BL, AH CH DH BH, SPL BPL SIL DIL R8B ... */
static void gpr8(struct operand *o, ZydisRegister reg)
{
	unsigned int n = reg - ZYDIS_REGISTER_AL;

	o->kind = OPERAND_GPR;
	o->high = n >= 4 && n < 8;
	o->reg = n < 4 ? n : n - 4;
}

static void convert_register(struct operand *o, ZydisRegister reg)
{
	o->reg = gpr_number(reg);
	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_GPR8:
		gpr8(o, reg);
		break;
	case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
		o->kind = OPERAND_GPR;
		break;
	case ZYDIS_REGCLASS_SEGMENT:
		o->kind = OPERAND_SEG;
		o->reg = seg_number(reg);
		break;
	case ZYDIS_REGCLASS_CONTROL:
		o->kind = OPERAND_CR;
		o->reg = reg - ZYDIS_REGISTER_CR0;
		break;
	case ZYDIS_REGCLASS_XMM:
		o->kind = OPERAND_VECTOR;
		o->reg = reg - ZYDIS_REGISTER_XMM0;
		break;
	case ZYDIS_REGCLASS_MMX:
		o->kind = OPERAND_VECTOR;
		o->reg = reg - ZYDIS_REGISTER_MM0 + EMU_MMX;
		break;
	case ZYDIS_REGCLASS_YMM:
		o->kind = OPERAND_VECTOR;
		o->reg = reg - ZYDIS_REGISTER_YMM0;
		break;
	default:
		o->kind = OPERAND_NONE;
		break;
	}
}

static void convert_memory(struct operand *o, const ZydisDecodedOperandMem *mem)
{
	o->kind = OPERAND_MEM;
	o->seg = seg_number(mem->segment);
	o->base = gpr_number(mem->base);
	o->index = gpr_number(mem->index);
	o->scale = mem->scale;
	o->disp = mem->disp.value;
	if (mem->type == ZYDIS_MEMOP_TYPE_VSIB)
		o->kind = OPERAND_NONE;
}

/*
 * No base and a displacement: of this form with a 32-bit address and REX.B, Zydis 4.0.0 makes
 * R13D without a displacement.
 */
static void fix_base(struct operand *o, const ZydisDecodedInstruction *z)
{
	if (o->kind != OPERAND_MEM || !(z->attributes & ZYDIS_ATTRIB_HAS_SIB) ||
	    z->raw.modrm.mod != 0 || z->raw.sib.base != 5)
		return;
	o->base = NO_REG;
	o->disp = z->raw.disp.value;
}

static void convert_operand(struct operand *o, const ZydisDecodedOperand *from)
{
	*o = (struct operand){ .size = from->size / 8, .reg = NO_REG };
	switch (from->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		convert_register(o, from->reg.value);
		break;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		convert_memory(o, &from->mem);
		break;
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		o->kind = OPERAND_IMM;
		o->imm = from->imm.value.u;
		break;
	default:
		break;
	}
}

/* The last of F2 and F3 counts (APM vol. 3, 1.2.6). */
static uint8_t rep_prefix(const ZydisDecodedInstruction *z)
{
	uint8_t rep = REP_NONE;

	for (unsigned int i = 0; i < z->raw.prefix_count; i++) {
		if (z->raw.prefixes[i].value == 0xF3)
			rep = REP_E;
		else if (z->raw.prefixes[i].value == 0xF2)
			rep = REP_NE;
	}
	return rep;
}

/* AMD's CPUs take the operand size prefix for what it says (APM vol. 3, CALL); Zydis doesn't. */
static void narrow_branch(struct insn *in, const ZydisDecodedInstruction *z)
{
	if (z->meta.branch_type != ZYDIS_BRANCH_TYPE_NEAR && z->mnemonic != ZYDIS_MNEMONIC_RET)
		return;
	if (in->far || !(z->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) || z->raw.rex.W)
		return;
	in->size = 2;
	if (in->operand[0].kind == OPERAND_MEM || in->operand[0].kind == OPERAND_GPR)
		in->operand[0].size = 2;
}

/* The few that nearly all accesses to devices are; others may say more than they need. */
static int is_plain(const struct insn *in)
{
	int (*const run)(struct emu *e, const struct insn *in) = in->op->run;

	for (unsigned int i = 0; i < in->count; i++) {
		const struct operand *o = &in->operand[i];

		if (o->kind == OPERAND_SEG || o->kind == OPERAND_CR ||
		    (o->kind == OPERAND_MEM && o->seg >= MK_FS))
			return 0;
	}
	return run == run_mov || run == run_movsx || run == run_movbe || run == run_binary ||
	       run == run_compare || run == run_unary;
}

/* See emu_move(). Memory is in one of both at most. */
static int is_move(const struct insn *in)
{
	const struct operand *to = &in->operand[0], *from = &in->operand[1];

	if (!in->plain || (in->op->run != run_mov && in->op->run != run_movsx))
		return 0;
	return to->kind == OPERAND_MEM ||
	       (to->kind == OPERAND_GPR && from->kind == OPERAND_MEM);
}

static int convert(const struct emu *e, const ZydisDecodedInstruction *z,
		   const ZydisDecodedOperand *operands, struct insn *in)
{
	int string = z->meta.category == ZYDIS_CATEGORY_STRINGOP ||
		     z->meta.category == ZYDIS_CATEGORY_IOSTRINGOP;

	in->op = &ops[(string ? string_of : op_of)[z->mnemonic]];
	if (!in->op->run || z->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX)
		return EMU_UNHANDLED;
	in->len = z->length;
	in->size = z->operand_width / 8;
	in->addr_size = z->address_width / 8;
	in->lock = !!(z->attributes & ZYDIS_ATTRIB_HAS_LOCK);
	in->rep = string ? rep_prefix(z) : REP_NONE;
	in->vex = z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
	in->far = z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
	in->visible = z->operand_count_visible;
	in->count = z->operand_count < INSN_OPERANDS ? z->operand_count : INSN_OPERANDS;
	for (unsigned int i = 0; i < in->count; i++)
		convert_operand(&in->operand[i], &operands[i]);
	for (unsigned int i = 0; i < in->count && i < in->visible; i++)
		fix_base(&in->operand[i], z);
	if (is_long64(e) && !e->wide_branches)
		narrow_branch(in, z);
	in->plain = is_plain(in);
	in->move = is_move(in);
	return EMU_OK;
}

static int decode_anew(struct emu *e, const uint8_t *code, unsigned int len, struct insn *in)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	ZydisDecoder decoder;
	ZyanStatus status;

	init_decoder(e, &decoder);
	memset(in, 0, sizeof(*in));
	status = ZydisDecoderDecodeFull(&decoder, code, len, &z, operands);
	if (ZYAN_SUCCESS(status))
		return convert(e, &z, operands, in);
	if (status == ZYDIS_STATUS_NO_MORE_DATA)
		return DECODE_MORE;
	if (status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG)
		return fault(e, VEC_GP);
	return is_evex(e, code, len) ? EMU_UNHANDLED : fault(e, VEC_UD);
}

struct entry {
	uint8_t mode; /* mode_of(); 0: nothing is here */
	uint8_t code[EMU_MAX_CODE]; /* in.len of them */
	struct insn in;
};
#define ENTRIES (sizeof(struct emu_cache) / sizeof(struct entry))
_Static_assert(ENTRIES == 8, "an index by some bits of RIP");

int decode(struct emu *e, const uint8_t *code, unsigned int len, struct insn *room,
	   const struct insn **in)
{
	uint8_t mode = mode_of(e);
	struct entry *entry = NULL;
	int err;

	if (e->cache)
		entry = (struct entry *)e->cache + e->regs.rip % ENTRIES;
	*in = room = entry ? &entry->in : room;
	if (entry && entry->mode == mode && entry->in.len <= len &&
	    !memcmp(entry->code, code, entry->in.len))
		return EMU_OK;
	if (entry)
		entry->mode = 0;
	err = decode_anew(e, code, len, room);
	if (entry && !err) {
		memcpy(entry->code, code, entry->in.len);
		entry->mode = mode;
	}
	return err;
}

/* No MOV is a branch. */
const struct insn *decode_known(const struct emu_cache *cache, uint64_t rip, const uint8_t *code)
{
	const struct entry *entry = (const struct entry *)cache + rip % ENTRIES;

	if ((entry->mode & ~MODE_WIDE_BRANCHES) != MODE_64 ||
	    memcmp(entry->code, code, entry->in.len))
		return NULL;
	return &entry->in;
}
