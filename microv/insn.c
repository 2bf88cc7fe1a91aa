// SPDX-License-Identifier: MIT
/* The bytes of the guest's current instruction, see insn.h. */
#include "exit.h"
#include "insn.h"

#define NO_SEG 0xFF

/* Segment override prefixes (APM vol. 3, 1.2.4). In 64-bit mode only FS and GS count. */
static uint8_t segment_prefix(uint8_t byte)
{
	switch (byte) {
	case 0x26:
		return MK_ES;
	case 0x2E:
		return MK_CS;
	case 0x36:
		return MK_SS;
	case 0x3E:
		return MK_DS;
	case 0x64:
		return MK_FS;
	case 0x65:
		return MK_GS;
	}
	return NO_SEG;
}

static int is_other_prefix(uint8_t byte, int long_mode)
{
	return byte == 0x66 || byte == 0xF0 || (long_mode && (byte & 0xF0) == 0x40);
}

int insn_prefixes(struct insn *insn, int long_mode, int big)
{
	uint8_t seg;

	insn->addr_size = long_mode ? 8 : big ? 4 : 2;
	insn->seg = MK_DS;
	insn->rep = 0;
	for (insn->prefixes = 0; insn->prefixes < insn->count; insn->prefixes++) {
		uint8_t byte = insn->bytes[insn->prefixes];

		seg = segment_prefix(byte);
		if (seg != NO_SEG)
			insn->seg = long_mode && seg < MK_FS ? insn->seg : seg;
		else if (byte == 0x67)
			insn->addr_size = long_mode || !big ? 4 : 2;
		else if (byte == 0xF2 || byte == 0xF3)
			insn->rep = 1;
		else if (!is_other_prefix(byte, long_mode))
			return 0;
	}
	return -1;
}

/* A page at a time: what is behind the instruction needn't be there. */
static int fetch_bytes(unsigned int cpu, struct vs *vs, struct insn *insn, struct fault *fault)
{
	uint64_t gla = walk_linear_rip(vs);
	unsigned int here = MV_PAGE_SIZE - gla % MV_PAGE_SIZE;
	int err;

	if (here > INSN_MAX)
		here = INSN_MAX;
	err = walk_copy(cpu, vs, gla, insn->bytes, here, WALK_EXEC, fault);
	insn->count = err ? 0 : here;
	return err;
}

static int fetch_rest(unsigned int cpu, struct vs *vs, struct insn *insn, struct fault *fault)
{
	uint64_t gla = walk_linear_rip(vs) + insn->count;
	unsigned int rest = INSN_MAX - insn->count;
	int err = walk_copy(cpu, vs, gla, insn->bytes + insn->count, rest, WALK_EXEC, fault);

	if (!err)
		insn->count = INSN_MAX;
	return err;
}

int insn_fetch(unsigned int cpu, struct vs *vs, struct insn *insn, struct fault *fault)
{
	int long_mode = walk_long_mode(vs);
	int big = walk_big_code(vs);
	int err = fetch_bytes(cpu, vs, insn, fault);

	if (err)
		return err;
	if (!insn_prefixes(insn, long_mode, big))
		return 0;
	if (insn->count < INSN_MAX) {
		err = fetch_rest(cpu, vs, insn, fault);
		if (err)
			return err;
		if (!insn_prefixes(insn, long_mode, big))
			return 0;
	}
	/* 15 bytes of prefixes: too long for any instruction. */
	*fault = (struct fault){ .vector = VEC_GP };
	return 1;
}

int insn_count_prefixes(unsigned int cpu, struct vs *vs, unsigned int *count, struct fault *fault)
{
	struct insn insn;
	int err = insn_fetch(cpu, vs, &insn, fault);

	*count = err ? 0 : insn.prefixes;
	return err;
}
