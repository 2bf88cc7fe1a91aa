// SPDX-License-Identifier: MIT
/* Random instructions and states, see generate.h. */
#include "generate.h"
#include "flags.h"

#include <cpuid.h>
#include <string.h>

#define NONE 0xFF
#define RIP 0xFE

/* An instruction while it is put together. */
struct maker {
	struct test *test;
	struct machine *m;
	unsigned int mode; /* bytes: 2, 4, 8 */
	unsigned int addr_size, op_size;
	uint8_t override; /* enum mk_seg_idx or NONE */
	uint8_t rex;
	uint8_t locked;
	/* The memory operand. */
	uint8_t has_memory, base, index, scale;
	int64_t disp;
	uint8_t disp_size, disp_at;
};

static uint64_t seed;

void generate_seed(uint64_t value)
{
	seed = value;
}

/* splitmix64 */
uint64_t generate_random(void)
{
	uint64_t z = seed += 0x9E3779B97F4A7C15ULL;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
	z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
	return z ^ z >> 31;
}

static unsigned int below(unsigned int n)
{
	return generate_random() % n;
}

static int once_in(unsigned int n)
{
	return below(n) == 0;
}

static void emit(struct maker *k, uint8_t byte)
{
	k->test->code[k->test->len++] = byte;
}

static void emit_value(struct maker *k, uint64_t value, unsigned int bytes)
{
	for (; bytes; bytes--, value >>= 8)
		emit(k, value);
}

/* Registers: some random, some with few bits, which make other flags. */
static uint64_t random_value(void)
{
	uint64_t value = generate_random();

	switch (below(8)) {
	case 0:
		return value & 0xFF;
	case 1:
		return 0;
	case 2:
		return ~0ULL << below(64);
	case 3:
		return 1ULL << below(64);
	}
	return value;
}

static void choose_mode(struct maker *k)
{
	static const uint8_t data[] = { SEG_FLAT,     SEG_FLAT,	  SEG_DATA16, SEG_DOWN16,
					SEG_READONLY, SEG_DATA32, SEG_DOWN32 };
	static const uint8_t stack[] = { SEG_FLAT, SEG_DATA16, SEG_DATA32 };
	unsigned int mode = below(8);
	uint8_t *seg = k->m->seg;

	memset(seg, SEG_FLAT, sizeof(k->m->seg));
	k->mode = mode < 4 ? 8 : mode < 6 ? 4 : 2;
	seg[MK_CS] = mode < 4 ? SEG_CODE64 : mode < 6 ? SEG_CODE32 : SEG_CODE16;
	if (k->mode == 8)
		return;
	seg[MK_DS] = data[below(sizeof(data))];
	seg[MK_ES] = data[below(sizeof(data))];
	seg[MK_GS] = data[below(sizeof(data))];
	seg[MK_SS] = stack[below(sizeof(stack))];
}

/* Clang has no __builtin_cpu_supports() for these. CPUID is slow in a VM: once is enough. */
static int has_adx, has_lzcnt, has_movbe;

__attribute__((constructor)) static void cpu_init(void)
{
	unsigned int a, b, c, d;

	__builtin_cpu_init();
	has_movbe = __get_cpuid(1, &a, &b, &c, &d) && c & bit_MOVBE;
	has_adx = __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_ADX;
	has_lzcnt = __get_cpuid(0x80000001, &a, &b, &c, &d) && c & bit_LZCNT;
}

static int usable(const struct maker *k, const struct template *t)
{
	if (t->flags & (k->mode == 8 ? T_LEGACY : T_LONG))
		return 0;
	/* In the other modes VEX is LDS and LES with what means a register there. */
	if (!t->cpu)
		return 1;
	return (strcmp(t->cpu, "avx") || __builtin_cpu_supports("avx")) &&
	       (strcmp(t->cpu, "avx2") || __builtin_cpu_supports("avx2")) &&
	       (strcmp(t->cpu, "bmi") || __builtin_cpu_supports("bmi")) &&
	       (strcmp(t->cpu, "bmi2") || __builtin_cpu_supports("bmi2")) &&
	       (strcmp(t->cpu, "popcnt") || __builtin_cpu_supports("popcnt")) &&
	       (strcmp(t->cpu, "lzcnt") || has_lzcnt) &&
	       (strcmp(t->cpu, "movbe") || has_movbe) &&
	       (strcmp(t->cpu, "adx") || has_adx) &&
	       (strcmp(t->cpu, "sse4.2") || __builtin_cpu_supports("sse4.2"));
}

/* --- prefixes --------------------------------------------------------------- */

/* FS is libc's own outside 64-bit mode, where only these two count anyway. */
static void segment_prefix(struct maker *k)
{
	static const uint8_t bytes[] = { 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65 };
	unsigned int n = below(6);

	if (n == MK_FS && k->mode != 8)
		n = MK_GS;
	emit(k, bytes[n]);
	if (k->mode != 8 || n >= MK_FS)
		k->override = n;
}

static void prefixes(struct maker *k)
{
	uint32_t flags = k->test->template->flags;

	if (once_in(8))
		segment_prefix(k);
	if (!(flags & T_VEX) && (flags & T_MODRM) && once_in(8)) {
		emit(k, 0xF0);
		k->locked = 1;
	}
	if (!(flags & (T_VEX | T_NO66)) && once_in(4)) {
		emit(k, 0x66);
		k->op_size = k->mode == 2 ? 4 : 2;
	}
	if (once_in(8)) {
		emit(k, 0x67);
		k->addr_size = k->mode == 4 ? 2 : 4;
	}
	if (flags & T_STRING && !once_in(3)) {
		emit(k, 0xF2 + below(2));
		k->test->has_rep = 1;
	}
	if (k->test->template->prefix && !(flags & T_VEX))
		emit(k, k->test->template->prefix);
}

static void rex_prefix(struct maker *k)
{
	uint32_t flags = k->test->template->flags;

	if (k->mode != 8 || once_in(2))
		return;
	k->rex = 0x40 | below(16);
	if (flags & T_W0)
		k->rex &= ~8;
	if (k->rex & 8)
		k->op_size = 8;
	emit(k, k->rex);
}

/* Three bytes, with R, X and B inverted; outside 64-bit mode they must be 1. */
static void vex_prefix(struct maker *k)
{
	static const uint8_t pp[256] = { [0x66] = 1, [0xF3] = 2, [0xF2] = 3 };
	const struct template *t = k->test->template;
	unsigned int vvvv = t->flags & T_VVVV ? below(k->mode == 8 ? 16 : 8) : 0;
	unsigned int w = k->mode == 8 && !(t->flags & T_W0) && once_in(2),
		     l = !(t->flags & T_L0) && once_in(2);

	k->rex = k->mode == 8 ? 0x40 | below(8) : 0x40;
	emit(k, 0xC4);
	emit(k, (~k->rex & 7) << 5 | t->opcode[0]);
	emit(k, w << 7 | (~vvvv & 15) << 3 | l << 2 | pp[t->prefix]);
	emit(k, t->opcode[1]);
	k->op_size = w ? 8 : 4;
}

static void opcode(struct maker *k)
{
	const struct template *t = k->test->template;

	if (t->flags & T_VEX) {
		vex_prefix(k);
		return;
	}
	rex_prefix(k);
	for (unsigned int i = 0; i < t->count; i++)
		emit(k, t->opcode[i]);
}

/* --- ModRM ------------------------------------------------------------------ */

static void modrm16(struct maker *k, unsigned int mod, unsigned int rm)
{
	static const uint8_t bases[8] = { MK_RBX, MK_RBX, MK_RBP, MK_RBP,
					  MK_RSI, MK_RDI, MK_RBP, MK_RBX };
	static const uint8_t indices[8] = {
		MK_RSI, MK_RDI, MK_RSI, MK_RDI, NONE, NONE, NONE, NONE
	};

	k->base = bases[rm];
	k->index = indices[rm];
	k->disp_size = mod;
	if (mod == 0 && rm == 6) {
		k->base = NONE;
		k->disp_size = 2;
	}
}

static void sib(struct maker *k, unsigned int mod)
{
	unsigned int byte = below(256), base = byte & 7, index = byte >> 3 & 7;

	emit(k, byte);
	k->scale = 1 << (byte >> 6);
	k->base = base | (k->rex & 1) << 3;
	k->index = index | (k->rex & 2) << 2;
	if (k->index == MK_RSP)
		k->index = NONE;
	if (mod == 0 && base == 5) {
		k->base = NONE;
		k->disp_size = 4;
	}
}

static void modrm32(struct maker *k, unsigned int mod, unsigned int rm)
{
	k->disp_size = mod == 1 ? 1 : mod == 2 ? 4 : 0;
	k->base = rm | (k->rex & 1) << 3;
	if (rm == 4)
		sib(k, mod);
	if (mod == 0 && rm == 5) {
		k->base = k->mode == 8 ? RIP : NONE;
		k->disp_size = 4;
	}
}

static void modrm(struct maker *k)
{
	const struct template *t = k->test->template;
	unsigned int mod = t->flags & T_MEM || !once_in(4) ? below(3) : 3;
	unsigned int rm = below(8), reg = t->flags & T_REG ? t->reg : below(8);

	emit(k, mod << 6 | reg << 3 | rm);
	if (t->flags & T_BT)
		k->m->gpr[reg | (k->rex & 4) << 1] = (int64_t)below(2048) - 1024;
	if (mod == 3)
		return;
	k->has_memory = 1;
	if (k->addr_size == 2)
		modrm16(k, mod, rm);
	else
		modrm32(k, mod, rm);
	k->disp = k->disp_size == 1 ? (int8_t)below(256) : (int32_t)generate_random();
	k->disp_at = k->test->len;
	emit_value(k, k->disp, k->disp_size);
}

/* --- where operands are ----------------------------------------------------- */

/* In the arena, often near the end of a page, often aligned; never over a cache line with LOCK. */
static uint64_t choose_target(const struct maker *k, unsigned int spare)
{
	uint64_t target = ARENA + below(ARENA_SIZE);

	if (once_in(3))
		target = ARENA + below(ARENA_SIZE / PAGE + 1) * PAGE + below(32) - 16;
	if (once_in(2) || (k->locked && target % 64 > 48))
		target &= ~31ULL;
	return target - spare;
}

static uint64_t mask_of(unsigned int bytes)
{
	return bytes >= 8 ? ~0ULL : (1ULL << bytes * 8) - 1;
}

static void set_part(uint64_t *reg, uint64_t value, unsigned int bytes)
{
	*reg = (*reg & ~mask_of(bytes)) | (value & mask_of(bytes));
}

static uint64_t seg_base(const struct maker *k, unsigned int seg)
{
	if (k->mode != 8)
		return native_segs[k->m->seg[seg]].base;
	return seg == MK_FS ? native_fs_base : seg == MK_GS ? NATIVE_GS_BASE : 0;
}

static unsigned int operand_seg(const struct maker *k)
{
	if (k->override != NONE)
		return k->override;
	return k->base == MK_RSP || k->base == MK_RBP ? MK_SS : MK_DS;
}

static void patch_disp(struct maker *k, uint64_t value)
{
	memcpy(k->test->code + k->disp_at, &value, k->disp_size);
}

/* Makes base, or the displacement, such that the address is the target. */
static void aim(struct maker *k)
{
	uint64_t ea = k->test->target - seg_base(k, operand_seg(k)), *gpr = k->m->gpr;
	uint64_t index = k->index == NONE ? 0 : gpr[k->index] * k->scale;

	if (k->disp_size == 2)
		k->disp = (int16_t)k->disp;
	if (k->disp_size == 0)
		k->disp = 0;
	if (k->base == RIP)
		patch_disp(k, ea - k->m->rip - k->test->len);
	else if (k->base == NONE && k->index == NONE)
		patch_disp(k, ea);
	else if (k->base == NONE)
		set_part(&gpr[k->index], (ea - k->disp) / k->scale, k->addr_size);
	else if (k->base == k->index)
		set_part(&gpr[k->base], (ea - k->disp) / (k->scale + 1), k->addr_size);
	else
		set_part(&gpr[k->base], ea - k->disp - index, k->addr_size);
}

static void aim_string(struct maker *k)
{
	uint64_t *gpr = k->m->gpr;
	unsigned int seg = k->override == NONE ? MK_DS : k->override;

	set_part(&gpr[MK_RSI], k->test->target - seg_base(k, seg), k->addr_size);
	set_part(&gpr[MK_RDI], choose_target(k, 0) - seg_base(k, MK_ES), k->addr_size);
	set_part(&gpr[MK_RCX], below(40), k->addr_size);
}

static void aim_stack(struct maker *k)
{
	unsigned int big = k->mode == 8					       ? 8
			   : native_segs[k->m->seg[MK_SS]].attrib & MK_ATTR_DB ? 4
									       : 2;
	uint64_t sp = choose_target(k, 0) - seg_base(k, MK_SS);

	k->m->gpr[MK_RSP] = sp & mask_of(big);
	if (once_in(2))
		k->m->gpr[MK_RBP] = sp & mask_of(big);
}

/* --- all of it -------------------------------------------------------------- */

static void immediate(struct maker *k)
{
	uint32_t flags = k->test->template->flags;

	k->test->imm8 = generate_random();
	if (flags & T_IMM8)
		emit(k, k->test->imm8);
	if (flags & T_IMM16)
		emit_value(k, below(64), 2);
	if (flags & T_ENTER)
		emit(k, 0);
	if (flags & T_IMMZ)
		emit_value(k, generate_random(), k->op_size == 2 ? 2 : 4);
	if (flags & T_MOFFS)
		emit_value(k,
			   k->test->target - seg_base(k, k->override == NONE ? MK_DS : k->override),
			   k->addr_size);
}

static void random_state(struct machine *m)
{
	for (unsigned int i = 0; i < 16; i++)
		m->gpr[i] = random_value();
	for (unsigned int i = 0; i < sizeof(m->ymm) / 8; i++) {
		uint64_t value = generate_random();

		memcpy((uint8_t *)m->ymm + i * 8, &value, 8);
	}
	m->rflags = generate_random() & NATIVE_FLAGS;
	if (!once_in(8))
		m->rflags &= ~FLAG_AC;
}

/* A random dividend would nearly always overflow. */
static void tame(struct maker *k)
{
	uint64_t *gpr = k->m->gpr;

	if (k->test->template->undefined == U_DIV && !once_in(4)) {
		gpr[MK_RDX] = (int64_t)below(5) - 2;
		gpr[MK_RAX] &= ~0xFF00ULL;
	}
	/* Outside 64-bit mode nothing above 32 bits can be set or seen. */
	for (unsigned int i = 0; i < 16 && k->mode != 8; i++)
		gpr[i] = (uint32_t)gpr[i];
}

static uint64_t choose_rip(const struct maker *k)
{
	uint64_t offset = once_in(8) ? PAGE - 1 - below(14) : PAGE / 2 + below(64);

	return k->mode == 2 ? offset : CODE + offset;
}

static unsigned int shift_count(const struct test *test, const struct machine *m)
{
	const struct template *t = test->template;
	unsigned int count = t->flags & T_IMM8 ? test->imm8 : m->gpr[MK_RCX] & 0xFF;

	if (t->undefined != U_DOUBLE && (t->opcode[0] & 0xFE) == 0xD0)
		count = 1;
	return count & (test->size == 8 ? 63 : 31);
}

static void make(struct test *test, struct machine *m)
{
	struct maker k = { .test = test, .m = m, .override = NONE, .base = NONE, .index = NONE };

	memset(test, 0, sizeof(*test));
	random_state(m);
	choose_mode(&k);
	do
		test->template = &templates[below(template_count)];
	while (!usable(&k, test->template));
	k.addr_size = k.mode;
	k.op_size = k.mode == 2 ? 2 : 4;
	k.scale = 1;
	m->rip = choose_rip(&k);

	prefixes(&k);
	opcode(&k);
	if (test->template->flags & T_MODRM)
		modrm(&k);
	test->target = choose_target(&k, 0);
	immediate(&k);
	test->size = k.op_size;
	if (test->template->flags & T_STRING)
		aim_string(&k);
	if (test->template->flags & T_STACK)
		aim_stack(&k);
	if (test->template->flags & T_XLAT)
		m->gpr[MK_RBX] = test->target - (m->gpr[MK_RAX] & 0xFF) -
				 seg_base(&k, k.override == NONE ? MK_DS : k.override);
	tame(&k);
	if (k.has_memory)
		aim(&k);
	for (unsigned int i = 0; i < 16 && k.mode != 8; i++)
		m->gpr[i] = (uint32_t)m->gpr[i];
	memcpy(native_code + (k.mode == 2 ? m->rip : m->rip - CODE), test->code, test->len);
}

/* SHLD and SHRD of 16 bits by more than 16: even the result isn't defined. */
static int undefined_result(const struct test *test, const struct machine *m)
{
	return test->template->undefined == U_DOUBLE && shift_count(test, m) > test->size * 8U;
}

void generate(struct test *test, struct machine *m)
{
	do
		make(test, m);
	while (undefined_result(test, m));
}

/* --- flags that aren't defined ---------------------------------------------- */

static uint64_t undefined_shift(const struct test *test, const struct machine *m)
{
	unsigned int count = shift_count(test, m);
	unsigned int size = test->template->opcode[0] & 1 ? test->size : 1;

	if (test->template->undefined == U_DOUBLE)
		size = test->size;
	if (count == 0)
		return 0;
	return FLAG_AF | (count > 1 ? FLAG_OF : 0) | (count >= size * 8 ? FLAG_CF : 0);
}

uint64_t undefined_flags(const struct test *test, const struct machine *before)
{
	static const uint64_t fixed[] = {
		[U_MUL] = FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF,
		[U_DIV] = FLAGS_STATUS,
		[U_BT] = FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF,
		[U_SCAN] = FLAGS_STATUS & ~FLAG_ZF,
		[U_COUNT] = FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF,
		[U_BMI] = FLAG_AF | FLAG_PF,
		[U_BLS] = FLAG_AF | FLAG_PF,
		[U_BEXTR] = FLAG_AF | FLAG_SF | FLAG_PF,
	};

	switch (test->template->undefined) {
	case U_NONE:
		return 0;
	case U_SHIFT:
	case U_DOUBLE:
		return undefined_shift(test, before);
	case U_ROTATE:
		return shift_count(test, before) > 1 ? FLAG_OF : 0;
	}
	return fixed[test->template->undefined];
}
