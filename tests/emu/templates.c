// SPDX-License-Identifier: MIT
/* The instructions that the test against the CPU makes. */
#include "generate.h"

#define M T_MODRM
#define MEM (T_MODRM | T_MEM)
#define R T_REG
#define VEX (T_MODRM | T_VEX)

#define ALU(name, base)                                                                            \
	{ name " rm8,r8", { base }, 1, .flags = M },                                               \
		{ name " rm,r", { base + 1 }, 1, .flags = M },                                     \
		{ name " r8,rm8", { base + 2 }, 1, .flags = M },                                   \
	{                                                                                          \
		name " r,rm", { base + 3 }, 1, .flags = M                                          \
	}
#define GROUP1(name, n)                                                                            \
	{ name " rm8,i8", { 0x80 }, 1, .reg = n, .flags = M | R | T_IMM8 },                        \
		{ name " rm,iz", { 0x81 }, 1, .reg = n, .flags = M | R | T_IMMZ },                 \
	{                                                                                          \
		name " rm,i8", { 0x83 }, 1, .reg = n, .flags = M | R | T_IMM8                      \
	}
#define SHIFT(name, n, u)                                                                          \
	{ name " rm8,i8", { 0xC0 }, 1, .reg = n, .undefined = u, .flags = M | R | T_IMM8 },        \
		{ name " rm,i8", { 0xC1 }, 1, .reg = n, .undefined = u, .flags = M | R | T_IMM8 }, \
		{ name " rm8,1", { 0xD0 }, 1, .reg = n, .undefined = u, .flags = M | R },          \
		{ name " rm,1", { 0xD1 }, 1, .reg = n, .undefined = u, .flags = M | R },           \
		{ name " rm8,cl", { 0xD2 }, 1, .reg = n, .undefined = u, .flags = M | R },         \
	{                                                                                          \
		name " rm,cl", { 0xD3 }, 1, .reg = n, .undefined = u, .flags = M | R               \
	}
#define UNARY(name, opcode, n, u)                                                                  \
	{ name " rm8", { opcode }, 1, .reg = n, .undefined = u, .flags = M | R },                  \
	{                                                                                          \
		name " rm", { opcode + 1 }, 1, .reg = n, .undefined = u, .flags = M | R            \
	}
#define BIT(name, opcode, n)                                                                       \
	{ name " rm,r", { 0x0F, opcode }, 2, .undefined = U_BT, .flags = M | T_BT },               \
	{                                                                                          \
		name " rm,i8", { 0x0F, 0xBA }, 2, .reg = n, .undefined = U_BT,                     \
						  .flags = M | R | T_IMM8                          \
	}
#define STRING(name, opcode, more)                                                                 \
	{ name "b", { opcode }, 1, .flags = T_STRING | (more) },                                   \
	{                                                                                          \
		name "v", { opcode + 1 }, 1, .flags = T_STRING | (more)                            \
	}
#define CC1(name, op, n)                                                                           \
	{                                                                                          \
		name, { 0x0F, op + n }, 2, .flags = M                                              \
	}
#define CC(name, op)                                                                               \
	CC1(name "o", op, 0), CC1(name "no", op, 1), CC1(name "b", op, 2), CC1(name "nb", op, 3),  \
		CC1(name "z", op, 4), CC1(name "nz", op, 5), CC1(name "be", op, 6),                \
		CC1(name "nbe", op, 7), CC1(name "s", op, 8), CC1(name "ns", op, 9),               \
		CC1(name "p", op, 10), CC1(name "np", op, 11), CC1(name "l", op, 12),              \
		CC1(name "nl", op, 13), CC1(name "le", op, 14), CC1(name "nle", op, 15)
/* SSE, and the same with VEX. */
#define SSE(name, pp, op)                                                                          \
	{ name, { 0x0F, op }, 2, .prefix = pp, .flags = MEM | T_NO66 },                            \
	{                                                                                          \
		"v" name, { 1, op }, 2, .prefix = pp, .flags = VEX | T_MEM, .cpu = "avx"           \
	}
#define SSE_LOW(name, pp, op, more)                                                                \
	{ name, { 0x0F, op }, 2, .prefix = pp, .flags = MEM | T_NO66 },                            \
	{                                                                                          \
		"v" name, { 1, op }, 2, .prefix = pp, .flags = VEX | T_MEM | T_L0 | (more),        \
					.cpu = "avx"                                               \
	}

#define BROADCAST(name, op, feature)                                                               \
	{                                                                                          \
		"vbroadcast " name, { 2, op }, 2, .prefix = 0x66, .flags = VEX | T_MEM | T_W0,     \
						  .cpu = feature                                   \
	}

const struct template templates[] = {
	ALU("add", 0x00),
	ALU("or", 0x08),
	ALU("adc", 0x10),
	ALU("sbb", 0x18),
	ALU("and", 0x20),
	ALU("sub", 0x28),
	ALU("xor", 0x30),
	ALU("cmp", 0x38),
	GROUP1("add", 0),
	GROUP1("or", 1),
	GROUP1("adc", 2),
	GROUP1("sbb", 3),
	GROUP1("and", 4),
	GROUP1("sub", 5),
	GROUP1("xor", 6),
	GROUP1("cmp", 7),
	{ "test rm8,r8", { 0x84 }, 1, .flags = M },
	{ "test rm,r", { 0x85 }, 1, .flags = M },
	{ "test rm8,i8", { 0xF6 }, 1, .reg = 0, .flags = M | R | T_IMM8 },
	{ "test rm,iz", { 0xF7 }, 1, .reg = 0, .flags = M | R | T_IMMZ },
	{ "xchg rm8,r8", { 0x86 }, 1, .flags = M },
	{ "xchg rm,r", { 0x87 }, 1, .flags = M },
	UNARY("not", 0xF6, 2, U_NONE),
	UNARY("neg", 0xF6, 3, U_NONE),
	UNARY("mul", 0xF6, 4, U_MUL),
	UNARY("imul", 0xF6, 5, U_MUL),
	UNARY("div", 0xF6, 6, U_DIV),
	UNARY("idiv", 0xF6, 7, U_DIV),
	UNARY("inc", 0xFE, 0, U_NONE),
	UNARY("dec", 0xFE, 1, U_NONE),
	{ "imul r,rm", { 0x0F, 0xAF }, 2, .undefined = U_MUL, .flags = M },
	{ "imul r,rm,iz", { 0x69 }, 1, .undefined = U_MUL, .flags = M | T_IMMZ },
	{ "imul r,rm,i8", { 0x6B }, 1, .undefined = U_MUL, .flags = M | T_IMM8 },
	SHIFT("rol", 0, U_ROTATE),
	SHIFT("ror", 1, U_ROTATE),
	SHIFT("rcl", 2, U_ROTATE),
	SHIFT("rcr", 3, U_ROTATE),
	SHIFT("shl", 4, U_SHIFT),
	SHIFT("shr", 5, U_SHIFT),
	SHIFT("sal", 6, U_SHIFT),
	SHIFT("sar", 7, U_SHIFT),
	{ "shld rm,r,i8", { 0x0F, 0xA4 }, 2, .undefined = U_DOUBLE, .flags = M | T_IMM8 },
	{ "shld rm,r,cl", { 0x0F, 0xA5 }, 2, .undefined = U_DOUBLE, .flags = M },
	{ "shrd rm,r,i8", { 0x0F, 0xAC }, 2, .undefined = U_DOUBLE, .flags = M | T_IMM8 },
	{ "shrd rm,r,cl", { 0x0F, 0xAD }, 2, .undefined = U_DOUBLE, .flags = M },
	BIT("bt", 0xA3, 4),
	BIT("bts", 0xAB, 5),
	BIT("btr", 0xB3, 6),
	BIT("btc", 0xBB, 7),
	{ "bsf", { 0x0F, 0xBC }, 2, .undefined = U_SCAN, .flags = M },
	{ "bsr", { 0x0F, 0xBD }, 2, .undefined = U_SCAN, .flags = M },
	{ "popcnt", { 0x0F, 0xB8 }, 2, .prefix = 0xF3, .flags = M, .cpu = "popcnt" },
	{ "tzcnt",
	  { 0x0F, 0xBC },
	  2,
	  .prefix = 0xF3,
	  .undefined = U_COUNT,
	  .flags = M,
	  .cpu = "bmi" },
	{ "lzcnt",
	  { 0x0F, 0xBD },
	  2,
	  .prefix = 0xF3,
	  .undefined = U_COUNT,
	  .flags = M,
	  .cpu = "lzcnt" },
	{ "crc32 r,rm8", { 0x0F, 0x38, 0xF0 }, 3, .prefix = 0xF2, .flags = M, .cpu = "sse4.2" },
	{ "crc32 r,rm", { 0x0F, 0x38, 0xF1 }, 3, .prefix = 0xF2, .flags = M, .cpu = "sse4.2" },
	{ "adcx", { 0x0F, 0x38, 0xF6 }, 3, .prefix = 0x66, .flags = M | T_NO66, .cpu = "adx" },
	{ "adox", { 0x0F, 0x38, 0xF6 }, 3, .prefix = 0xF3, .flags = M | T_NO66, .cpu = "adx" },
	{ "xadd rm8,r8", { 0x0F, 0xC0 }, 2, .flags = M },
	{ "xadd rm,r", { 0x0F, 0xC1 }, 2, .flags = M },
	{ "cmpxchg m8,r8", { 0x0F, 0xB0 }, 2, .flags = MEM },
	{ "cmpxchg m,r", { 0x0F, 0xB1 }, 2, .flags = MEM },
	{ "cmpxchg8b/16b", { 0x0F, 0xC7 }, 2, .reg = 1, .flags = MEM | R },

	{ "mov rm8,r8", { 0x88 }, 1, .flags = M },
	{ "mov rm,r", { 0x89 }, 1, .flags = M },
	{ "mov r8,rm8", { 0x8A }, 1, .flags = M },
	{ "mov r,rm", { 0x8B }, 1, .flags = M },
	{ "mov rm8,i8", { 0xC6 }, 1, .reg = 0, .flags = M | R | T_IMM8 },
	{ "mov rm,iz", { 0xC7 }, 1, .reg = 0, .flags = M | R | T_IMMZ },
	{ "mov al,moffs", { 0xA0 }, 1, .flags = T_MOFFS },
	{ "mov ax,moffs", { 0xA1 }, 1, .flags = T_MOFFS },
	{ "mov moffs,al", { 0xA2 }, 1, .flags = T_MOFFS },
	{ "mov moffs,ax", { 0xA3 }, 1, .flags = T_MOFFS },
	{ "mov rm,sreg", { 0x8C }, 1, .reg = MK_CS, .flags = M | R },
	{ "movzx r,rm8", { 0x0F, 0xB6 }, 2, .flags = M },
	{ "movzx r,rm16", { 0x0F, 0xB7 }, 2, .flags = M },
	{ "movsx r,rm8", { 0x0F, 0xBE }, 2, .flags = M },
	{ "movsx r,rm16", { 0x0F, 0xBF }, 2, .flags = M },
	{ "movsxd", { 0x63 }, 1, .flags = M | T_LONG },
	{ "movbe r,m", { 0x0F, 0x38, 0xF0 }, 3, .flags = MEM, .cpu = "movbe" },
	{ "movbe m,r", { 0x0F, 0x38, 0xF1 }, 3, .flags = MEM, .cpu = "movbe" },
	{ "movnti", { 0x0F, 0xC3 }, 2, .flags = MEM | T_NO66 },
	{ "xlat", { 0xD7 }, 1, .flags = T_XLAT },
	{ "nop rm", { 0x0F, 0x1F }, 2, .reg = 0, .flags = M | R },
	{ "prefetcht0", { 0x0F, 0x18 }, 2, .reg = 1, .flags = MEM | R },
	CC("set", 0x90),
	CC("cmov", 0x40),

	{ "push rm", { 0xFF }, 1, .reg = 6, .flags = M | R | T_STACK },
	{ "pop rm", { 0x8F }, 1, .reg = 0, .flags = M | R | T_STACK },
	{ "push r", { 0x53 }, 1, .flags = T_STACK },
	{ "pop r", { 0x5B }, 1, .flags = T_STACK },
	{ "push sp", { 0x54 }, 1, .flags = T_STACK },
	{ "pop sp", { 0x5C }, 1, .flags = T_STACK },
	{ "push i8", { 0x6A }, 1, .flags = T_STACK | T_IMM8 },
	{ "push iz", { 0x68 }, 1, .flags = T_STACK | T_IMMZ },
	{ "push gs", { 0x0F, 0xA8 }, 2, .flags = T_STACK },
	{ "pusha", { 0x60 }, 1, .flags = T_STACK | T_LEGACY },
	{ "popa", { 0x61 }, 1, .flags = T_STACK | T_LEGACY | T_PARTIAL },
	{ "pushf", { 0x9C }, 1, .flags = T_STACK },
	{ "popf", { 0x9D }, 1, .flags = T_STACK },
	{ "enter", { 0xC8 }, 1, .flags = T_STACK | T_IMM16 | T_ENTER },
	{ "leave", { 0xC9 }, 1, .flags = T_STACK },
	{ "call rm", { 0xFF }, 1, .reg = 2, .flags = M | R | T_STACK },
	{ "jmp rm", { 0xFF }, 1, .reg = 4, .flags = M | R },
	{ "ret", { 0xC3 }, 1, .flags = T_STACK },
	{ "ret i16", { 0xC2 }, 1, .flags = T_STACK | T_IMM16 },

	STRING("movs", 0xA4, 0),
	STRING("cmps", 0xA6, T_ORDER),
	STRING("stos", 0xAA, 0),
	STRING("lods", 0xAC, 0),
	STRING("scas", 0xAE, 0),

	{ "andn", { 2, 0xF2 }, 2, .undefined = U_BMI, .flags = VEX | T_L0 | T_VVVV, .cpu = "bmi" },
	{ "bextr",
	  { 2, 0xF7 },
	  2,
	  .undefined = U_BEXTR,
	  .flags = VEX | T_L0 | T_VVVV,
	  .cpu = "bmi" },
	{ "blsr",
	  { 2, 0xF3 },
	  2,
	  .reg = 1,
	  .undefined = U_BLS,
	  .flags = VEX | R | T_L0 | T_VVVV,
	  .cpu = "bmi" },
	{ "blsmsk",
	  { 2, 0xF3 },
	  2,
	  .reg = 2,
	  .undefined = U_BLS,
	  .flags = VEX | R | T_L0 | T_VVVV,
	  .cpu = "bmi" },
	{ "blsi",
	  { 2, 0xF3 },
	  2,
	  .reg = 3,
	  .undefined = U_BLS,
	  .flags = VEX | R | T_L0 | T_VVVV,
	  .cpu = "bmi" },
	{ "bzhi", { 2, 0xF5 }, 2, .undefined = U_BMI, .flags = VEX | T_L0 | T_VVVV, .cpu = "bmi2" },
	{ "pext", { 2, 0xF5 }, 2, .prefix = 0xF3, .flags = VEX | T_L0 | T_VVVV, .cpu = "bmi2" },
	{ "pdep", { 2, 0xF5 }, 2, .prefix = 0xF2, .flags = VEX | T_L0 | T_VVVV, .cpu = "bmi2" },
	{ "mulx", { 2, 0xF6 }, 2, .prefix = 0xF2, .flags = VEX | T_L0 | T_VVVV, .cpu = "bmi2" },
	{ "shlx", { 2, 0xF7 }, 2, .prefix = 0x66, .flags = VEX | T_L0 | T_VVVV, .cpu = "bmi2" },
	{ "sarx", { 2, 0xF7 }, 2, .prefix = 0xF3, .flags = VEX | T_L0 | T_VVVV, .cpu = "bmi2" },
	{ "shrx", { 2, 0xF7 }, 2, .prefix = 0xF2, .flags = VEX | T_L0 | T_VVVV, .cpu = "bmi2" },
	{ "rorx", { 3, 0xF0 }, 2, .prefix = 0xF2, .flags = VEX | T_L0 | T_IMM8, .cpu = "bmi2" },

	SSE("movups r,m", 0, 0x10),
	SSE("movups m,r", 0, 0x11),
	SSE("movupd r,m", 0x66, 0x10),
	SSE("movupd m,r", 0x66, 0x11),
	SSE("movaps r,m", 0, 0x28),
	SSE("movaps m,r", 0, 0x29),
	SSE("movapd r,m", 0x66, 0x28),
	SSE("movapd m,r", 0x66, 0x29),
	SSE("movdqa r,m", 0x66, 0x6F),
	SSE("movdqa m,r", 0x66, 0x7F),
	SSE("movdqu r,m", 0xF3, 0x6F),
	SSE("movdqu m,r", 0xF3, 0x7F),
	SSE("movntps", 0, 0x2B),
	SSE("movntpd", 0x66, 0x2B),
	SSE("movntdq", 0x66, 0xE7),
	SSE("lddqu", 0xF2, 0xF0),
	BROADCAST("ss", 0x18, "avx"),
	BROADCAST("sd", 0x19, "avx"),
	BROADCAST("f128", 0x1A, "avx"),
	BROADCAST("i128", 0x5A, "avx2"),
	BROADCAST("pb", 0x78, "avx2"),
	BROADCAST("pw", 0x79, "avx2"),
	BROADCAST("pd", 0x58, "avx2"),
	BROADCAST("pq", 0x59, "avx2"),
	SSE_LOW("movss r,m", 0xF3, 0x10, 0),
	SSE_LOW("movss m,r", 0xF3, 0x11, 0),
	SSE_LOW("movsd r,m", 0xF2, 0x10, 0),
	SSE_LOW("movsd m,r", 0xF2, 0x11, 0),
	SSE_LOW("movd/q r,m", 0x66, 0x6E, 0),
	SSE_LOW("movd/q m,r", 0x66, 0x7E, 0),
	SSE_LOW("movq r,m", 0xF3, 0x7E, 0),
	SSE_LOW("movq m,r", 0x66, 0xD6, 0),
	SSE_LOW("movlps r,m", 0, 0x12, T_VVVV),
	SSE_LOW("movlps m,r", 0, 0x13, 0),
	SSE_LOW("movlpd r,m", 0x66, 0x12, T_VVVV),
	SSE_LOW("movlpd m,r", 0x66, 0x13, 0),
	SSE_LOW("movhps r,m", 0, 0x16, T_VVVV),
	SSE_LOW("movhps m,r", 0, 0x17, 0),
	SSE_LOW("movhpd r,m", 0x66, 0x16, T_VVVV),
	SSE_LOW("movhpd m,r", 0x66, 0x17, 0),
};
const unsigned int template_count = sizeof(templates) / sizeof(templates[0]);
