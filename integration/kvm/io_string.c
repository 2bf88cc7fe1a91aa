// SPDX-License-Identifier: MIT
/*
 * INS and OUTS, alone and with REP: the data, `count` as KVM gives it, and the registers
 * when the instruction is done.
 *
 * KVM gives OUTS element by element. For REP INS it reads ahead into a buffer of 1024
 * bytes: as many elements as RCX says, as fit the buffer, and not more than bytes are left
 * in the page of RDI (whatever the size of an element).
 */
#include "kvmtest.h"

#define DATA 0x20000UL
#define READ_AHEAD 1024

#define GUESTS(bits)                                                                               \
	GUEST(outsb_##bits);                                                                       \
	GUEST(outsw_##bits);                                                                       \
	GUEST(outsd_##bits);                                                                       \
	GUEST(rep_outsb_##bits);                                                                   \
	GUEST(rep_outsw_##bits);                                                                   \
	GUEST(rep_outsd_##bits);                                                                   \
	GUEST(insb_##bits);                                                                        \
	GUEST(insw_##bits);                                                                        \
	GUEST(insd_##bits);                                                                        \
	GUEST(rep_insb_##bits);                                                                    \
	GUEST(rep_insw_##bits);                                                                    \
	GUEST(rep_insd_##bits);                                                                    \
	GUEST(fs_outsb_##bits);                                                                    \
	GUEST(rep_fs_outsw_##bits)

GUESTS(16);
GUESTS(32);
GUESTS(64);
GUEST(a32_rep_outsb_16);
GUEST(a32_rep_insb_16);
GUEST(a16_rep_outsb_32);
GUEST(a16_rep_insb_32);
GUEST(a32_rep_outsb_64);
GUEST(a32_rep_insb_64);

/* One run of one instruction. */
struct plan {
	const char *name;
	enum kt_mode mode;
	struct kt_code code;
	uint8_t size; /* bytes of an element */
	bool in;
	bool rep;
	bool down; /* RFLAGS.DF */
	uint64_t rcx;
	uint64_t index; /* RSI or RDI */
	uint64_t base; /* of the segment that is used */
	uint64_t wrap; /* mask of the address size; 0: all 64 bits */
};

static uint64_t wrap_of(const struct plan *p)
{
	return p->wrap ? p->wrap : ~0ULL;
}

/* What RSI, RDI or RCX holds after a change in the address size of the instruction. */
static uint64_t merge(const struct plan *p, uint64_t old, uint64_t value)
{
	if (wrap_of(p) == 0xffff)
		return (old & ~0xffffULL) | (value & 0xffff);
	return value & wrap_of(p);
}

static uint64_t elements(const struct plan *p)
{
	return p->rep ? p->rcx & wrap_of(p) : 1;
}

static uint64_t index_at(const struct plan *p, uint64_t element)
{
	uint64_t step = element * p->size;

	return merge(p, p->index, p->down ? p->index - step : p->index + step);
}

static uint8_t *at(struct kt_guest *g, const struct plan *p, uint64_t element)
{
	uint64_t gpa = p->base + (index_at(p, element) & wrap_of(p));

	REQUIRE(gpa + p->size <= KT_GUEST_SIZE);
	return g->mem + gpa;
}

static void set_base(const struct kt_vcpu *vcpu, const struct plan *p)
{
	struct kvm_sregs s = kt_sregs(vcpu);

	if (p->mode == KT_LONG64) {
		s.fs.base = p->base; /* the others have none there */
	} else {
		s.es.base = s.fs.base = p->base;
		s.ds.base = p->base;
	}
	REQUIRE(ioctl(vcpu->fd, KVM_SET_SREGS, &s) == 0);
}

static void start(struct kt_guest *g, const struct plan *p)
{
	struct kvm_regs regs;

	kt_guest_load(g, p->mode, p->code);
	set_base(&g->vcpu, p);
	regs = kt_regs(&g->vcpu);
	regs.rax = 0x1111;
	regs.rcx = p->rcx;
	regs.rdx = 0x5678;
	regs.rsi = p->in ? 0x2222 : p->index;
	regs.rdi = p->in ? p->index : 0x3333;
	regs.rflags = p->down ? 0x402 : 2;
	kt_set_regs(&g->vcpu, &regs);
	for (uint64_t i = 0; i < 0x10000; i++)
		g->mem[DATA + i] = (uint8_t)(i * 7 + (i >> 8));
}

static void check_regs(struct kt_guest *g, const struct plan *p)
{
	struct kvm_regs regs = kt_regs(&g->vcpu);
	uint64_t n = elements(p);

	CHECK_EQ(regs.rip, KT_CODE + kt_code_size(p->code)); /* after the HLT */
	CHECK_EQ(p->in ? regs.rdi : regs.rsi, n ? index_at(p, n) : p->index);
	CHECK_EQ(p->in ? regs.rsi : regs.rdi, p->in ? 0x2222 : 0x3333);
	if (n)
		CHECK_EQ(regs.rcx, p->rep ? merge(p, p->rcx, p->rcx - n) : p->rcx);
	CHECK_EQ(regs.rax, 0x1111);
	CHECK_EQ(regs.rdx, 0x5678);
}

static void check_exit(const struct kt_guest *g, const struct plan *p, uint64_t count)
{
	const struct kvm_run *run = g->vcpu.run;

	CHECK_EQ(run->io.direction, p->in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT);
	CHECK_EQ(run->io.size, p->size);
	CHECK_EQ(run->io.port, 0x5678);
	CHECK_EQ(run->io.count, count);
	REQUIRE(run->io.count == count);
}

static void outs(struct kt_guest *g, const struct plan *p)
{
	for (uint64_t i = 0; i < elements(p); i++) {
		RUN(&g->vcpu, KVM_EXIT_IO);
		check_exit(g, p, 1);
		if (memcmp(kt_io_data(&g->vcpu), at(g, p, i), p->size))
			kt_fail(__FILE__, __LINE__, "element %llu is wrong", (unsigned long long)i);
	}
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* How many elements KVM asks for at once. */
static uint64_t ahead(const struct plan *p, uint64_t done)
{
	uint64_t offset = index_at(p, done) % KT_PAGE;
	uint64_t in_page = p->down ? offset : KT_PAGE - offset;
	uint64_t n = min(min(in_page, READ_AHEAD / p->size), elements(p) - done);

	return n ? n : 1;
}

static uint8_t in_byte(uint64_t n)
{
	return (uint8_t)(n * 13 + 5);
}

static void ins(struct kt_guest *g, const struct plan *p)
{
	uint64_t bytes = 0;

	for (uint64_t done = 0, count; done < elements(p); done += count) {
		uint8_t *data;

		count = ahead(p, done);
		RUN(&g->vcpu, KVM_EXIT_IO);
		check_exit(g, p, count);
		data = kt_io_data(&g->vcpu);
		for (uint64_t i = 0; i < count * p->size; i++)
			data[i] = in_byte(bytes++);
	}
}

static void check_memory(struct kt_guest *g, const struct plan *p)
{
	uint64_t bytes = 0;

	for (uint64_t i = 0; i < elements(p); i++)
		for (unsigned int b = 0; b < p->size; b++)
			if (at(g, p, i)[b] != in_byte(bytes++)) {
				kt_fail(__FILE__, __LINE__, "element %llu is wrong",
					(unsigned long long)i);
				return;
			}
}

/* The bytes beside the string are as they were. */
static void check_around(struct kt_guest *g, const struct plan *p)
{
	uint64_t n = elements(p);
	uint8_t *low = at(g, p, p->down && n ? n - 1 : 0);
	uint8_t *high = at(g, p, p->down || !n ? 0 : n - 1) + (n ? p->size : 0);
	uint64_t before = (uint64_t)(low - g->mem) - 1 - DATA;
	uint64_t after = (uint64_t)(high - g->mem) - DATA;

	if (p->wrap == 0xffff)
		return; /* it may wrap: low and high are not its ends */
	CHECK_EQ(low[-1], (uint8_t)(before * 7 + (before >> 8)));
	CHECK_EQ(*high, (uint8_t)(after * 7 + (after >> 8)));
}

static void run_plan(struct kt_guest *g, const struct plan *p)
{
	kt_context("%s rcx=%llu index=0x%llx%s:", p->name, (unsigned long long)p->rcx,
		   (unsigned long long)p->index, p->down ? " down" : "");
	start(g, p);
	if (p->in)
		ins(g, p);
	else
		outs(g, p);
	RUN(&g->vcpu, KVM_EXIT_HLT);
	if (p->in) {
		check_memory(g, p);
		check_around(g, p);
	}
	check_regs(g, p);
}

static void run_plans(const struct plan *plans, unsigned int count)
{
	struct kt_guest g = kt_guest(plans[0].mode, plans[0].code);

	for (unsigned int i = 0; i < count; i++)
		run_plan(&g, &plans[i]);
}

/* The lists read best one plan a line. */
/* clang-format off */
#define PLAN(mode_, code_, size_, ...) \
	{.name = #code_, .mode = mode_, .code = {code_, code_##_end}, .size = size_, __VA_ARGS__}

/* In real mode the data is at DATA by the segment base, elsewhere by the index. */
#define R16 .base = DATA, .wrap = 0xffff
#define R32 .wrap = 0xffffffff
#define IN .in = true
#define REP .rep = true
#define DOWN .down = true

/* The same list for one mode; o is what is added to each index. */
#define SINGLES(mode, bits, o, how)                                                                \
	PLAN(mode, outsb_##bits, 1, .index = (o) + 0x100, how),                                    \
	PLAN(mode, outsw_##bits, 2, .index = (o) + 0x101, how),                                    \
	PLAN(mode, outsd_##bits, 4, .index = (o) + 0x103, how),                                    \
	PLAN(mode, outsb_##bits, 1, .index = (o) + 0x100, DOWN, how),                              \
	PLAN(mode, outsd_##bits, 4, .index = (o) + 0x100, DOWN, how),                              \
	PLAN(mode, outsw_##bits, 2, .index = (o) + 0x1fff, .rcx = 0x77, how),                      \
	PLAN(mode, outsd_##bits, 4, .index = (o) + 0x1ffd, how),                                   \
	PLAN(mode, insb_##bits, 1, .index = (o) + 0x100, IN, how),                                 \
	PLAN(mode, insw_##bits, 2, .index = (o) + 0x101, IN, .rcx = 0x77, how),                    \
	PLAN(mode, insd_##bits, 4, .index = (o) + 0x103, IN, how),                                 \
	PLAN(mode, insw_##bits, 2, .index = (o) + 0x103, IN, DOWN, how),                           \
	PLAN(mode, insw_##bits, 2, .index = (o) + 0x1fff, IN, how),                                \
	PLAN(mode, insd_##bits, 4, .index = (o) + 0x1ffe, IN, how)

#define REP_OUTS(mode, bits, o, how)                                                               \
	PLAN(mode, rep_outsb_##bits, 1, .index = (o) + 0x100, .rcx = 1, REP, how),                 \
	PLAN(mode, rep_outsb_##bits, 1, .index = (o) + 0x1ff8, .rcx = 17, REP, how),               \
	PLAN(mode, rep_outsw_##bits, 2, .index = (o) + 0x1ff9, .rcx = 9, REP, how),                \
	PLAN(mode, rep_outsd_##bits, 4, .index = (o) + 0x1ff6, .rcx = 5, REP, how),                \
	PLAN(mode, rep_outsb_##bits, 1, .index = (o) + 0x1007, .rcx = 16, REP, DOWN, how),         \
	PLAN(mode, rep_outsd_##bits, 4, .index = (o) + 0x1007, .rcx = 6, REP, DOWN, how),          \
	PLAN(mode, rep_outsb_##bits, 1, .index = (o) + 0x100, .rcx = 0, REP, how)

#define REP_INS(mode, bits, o, how)                                                                \
	PLAN(mode, rep_insb_##bits, 1, .index = (o) + 0x100, .rcx = 1, IN, REP, how),              \
	PLAN(mode, rep_insb_##bits, 1, .index = (o) + 0x100, .rcx = 100, IN, REP, how),            \
	PLAN(mode, rep_insb_##bits, 1, .index = (o) + 0x1ff8, .rcx = 17, IN, REP, how),            \
	PLAN(mode, rep_insb_##bits, 1, .index = (o) + 0x100, .rcx = 3000, IN, REP, how),           \
	PLAN(mode, rep_insw_##bits, 2, .index = (o) + 0x100, .rcx = 1000, IN, REP, how),           \
	PLAN(mode, rep_insw_##bits, 2, .index = (o) + 0x1ff9, .rcx = 40, IN, REP, how),            \
	PLAN(mode, rep_insd_##bits, 4, .index = (o) + 0x100, .rcx = 300, IN, REP, how),            \
	PLAN(mode, rep_insd_##bits, 4, .index = (o) + 0x1ffe, .rcx = 10, IN, REP, how),            \
	PLAN(mode, rep_insb_##bits, 1, .index = (o) + 0x1007, .rcx = 16, IN, REP, DOWN, how),      \
	PLAN(mode, rep_insw_##bits, 2, .index = (o) + 0x1006, .rcx = 20, IN, REP, DOWN, how),      \
	PLAN(mode, rep_insd_##bits, 4, .index = (o) + 0x2004, .rcx = 10, IN, REP, DOWN, how),      \
	PLAN(mode, rep_insb_##bits, 1, .index = (o) + 0x100, .rcx = 0, IN, REP, how)

#define WIDE .base = 0

#define CASE(name, ...)                                                                            \
	static void name(void)                                                                     \
	{                                                                                          \
		static const struct plan plans[] = {__VA_ARGS__};                                  \
		run_plans(plans, KT_LEN(plans));                                                   \
	}

CASE(singles_16, SINGLES(KT_REAL, 16, 0, R16))
CASE(singles_32, SINGLES(KT_PROT32, 32, DATA, R32))
CASE(singles_64, SINGLES(KT_LONG64, 64, DATA, WIDE))
CASE(rep_outs_16, REP_OUTS(KT_REAL, 16, 0, R16))
CASE(rep_outs_32, REP_OUTS(KT_PROT32, 32, DATA, R32))
CASE(rep_outs_64, REP_OUTS(KT_LONG64, 64, DATA, WIDE))
CASE(rep_ins_16, REP_INS(KT_REAL, 16, 0, R16))
CASE(rep_ins_32, REP_INS(KT_PROT32, 32, DATA, R32))
CASE(rep_ins_64, REP_INS(KT_LONG64, 64, DATA, WIDE))

/* Registers wider than the address size: 16 bits leave the rest alone, 32 bits clear it. */
CASE(address_size,
     PLAN(KT_REAL, a32_rep_outsb_16, 1, .index = 0x100, .rcx = 5, REP, .base = DATA,
	  .wrap = 0xffffffff),
     PLAN(KT_REAL, a32_rep_insb_16, 1, .index = 0x100, .rcx = 5, IN, REP, .base = DATA,
	  .wrap = 0xffffffff),
     PLAN(KT_PROT32, a16_rep_outsb_32, 1, .index = 0x12340100, .rcx = 0x10005, REP, R16),
     PLAN(KT_PROT32, a16_rep_insb_32, 1, .index = 0x12340100, .rcx = 0x10005, IN, REP, R16),
     PLAN(KT_LONG64, a32_rep_outsb_64, 1, .index = 0x100000000 + DATA + 0x100,
	  .rcx = 0x300000005, REP, R32),
     PLAN(KT_LONG64, a32_rep_insb_64, 1, .index = 0x100000000 + DATA + 0x100,
	  .rcx = 0x300000005, IN, REP, R32))

/* In 16 bits the index wraps inside its segment. */
CASE(wraparound, PLAN(KT_REAL, rep_outsb_16, 1, .index = 0xfffd, .rcx = 7, REP, R16),
     PLAN(KT_REAL, rep_outsb_16, 1, .index = 2, .rcx = 5, REP, DOWN, R16),
     PLAN(KT_REAL, rep_insb_16, 1, .index = 0xfffd, .rcx = 7, IN, REP, R16))

CASE(override, PLAN(KT_REAL, fs_outsb_16, 1, .index = 0x80, R16),
     PLAN(KT_REAL, rep_fs_outsw_16, 2, .index = 0x80, .rcx = 4, REP, R16),
     PLAN(KT_PROT32, fs_outsb_32, 1, .index = 0x80, .base = DATA, R32),
     PLAN(KT_PROT32, rep_fs_outsw_32, 2, .index = 0x80, .rcx = 4, REP, .base = DATA, R32),
     PLAN(KT_LONG64, fs_outsb_64, 1, .index = 0x80, .base = DATA),
     PLAN(KT_LONG64, rep_fs_outsw_64, 2, .index = 0x80, .rcx = 4, REP, .base = DATA))

/* clang-format on */

/* Only the segment that is named: DS has another base than FS here. */
static void override_only(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(fs_outsb_16));
	struct kvm_sregs s = kt_sregs(&g.vcpu);
	struct kvm_regs regs = kt_regs(&g.vcpu);

	s.fs.base = 0x20000;
	s.ds.base = 0x30000;
	s.es.base = 0x40000;
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_SREGS, &s) == 0);
	regs.rsi = 0x10;
	kt_set_regs(&g.vcpu, &regs);
	g.mem[0x20010] = 0xf5;
	g.mem[0x30010] = 0xd5;
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(*(uint8_t *)kt_io_data(&g.vcpu), 0xf5);
}

/* INS always writes by ES, OUTS reads by DS. */
static void default_segments(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(outsb_16));
	struct kvm_regs regs = { .rip = KT_CODE, .rflags = 2, .rsi = 0x10, .rdi = 0x20 };
	struct kvm_sregs s = kt_sregs(&g.vcpu);

	s.ds.base = 0x30000;
	s.es.base = 0x40000;
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_SREGS, &s) == 0);
	kt_set_regs(&g.vcpu, &regs);
	g.mem[0x30010] = 0xd5;
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(*(uint8_t *)kt_io_data(&g.vcpu), 0xd5);
	RUN(&g.vcpu, KVM_EXIT_HLT);

	memcpy(g.mem + KT_CODE, insb_16, kt_code_size(CODE(insb_16)));
	kt_set_regs(&g.vcpu, &regs);
	RUN(&g.vcpu, KVM_EXIT_IO);
	*(uint8_t *)kt_io_data(&g.vcpu) = 0xe5;
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(g.mem[0x40020], 0xe5);
	CHECK_EQ(g.mem[0x30020], 0);
}

/* Between two elements the registers are those of an interrupted REP. */
static void rep_outs_interrupted(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(rep_outsw_64));
	struct kvm_regs regs = kt_regs(&g.vcpu);

	regs.rsi = DATA;
	regs.rcx = 4;
	kt_set_regs(&g.vcpu, &regs);
	for (uint64_t i = 1; i <= 4; i++) {
		RUN(&g.vcpu, KVM_EXIT_IO);
		g.vcpu.run->immediate_exit = 1;
		CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_RUN, 0), EINTR);
		g.vcpu.run->immediate_exit = 0;
		regs = kt_regs(&g.vcpu);
		CHECK_EQ(regs.rcx, 4 - i);
		CHECK_EQ(regs.rsi, DATA + 2 * i);
		/* After the last one KVM has yet to find RCX to be 0. */
		CHECK(regs.rip == KT_CODE || (i == 4 && regs.rip == KT_CODE + 3));
	}
	RUN(&g.vcpu, KVM_EXIT_HLT);
}

/* RCX changed while user space has a REP INS: what the registers ask for now is done. */
static void rep_ins_changed(uint64_t rcx, uint64_t changed, uint64_t reads)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(rep_insb_64));
	struct kvm_regs regs = kt_regs(&g.vcpu);

	kt_context("RCX %llu to %llu:", (unsigned long long)rcx, (unsigned long long)changed);
	regs.rdi = DATA;
	regs.rcx = rcx;
	kt_set_regs(&g.vcpu, &regs);
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.count, rcx);
	memset(kt_io_data(&g.vcpu), 0xaa, rcx);
	regs = kt_regs(&g.vcpu);
	regs.rcx = changed;
	kt_set_regs(&g.vcpu, &regs);
	while (!ioctl(g.vcpu.fd, KVM_RUN, 0) && g.vcpu.run->exit_reason == KVM_EXIT_IO)
		;
	CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_HLT);
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(regs.rcx, 0);
	CHECK_EQ(regs.rdi, DATA + reads);
	for (uint64_t i = 0; i < rcx && i < reads; i++)
		CHECK_EQ(g.mem[DATA + i], 0xaa);
}

/* Not to 0: KVM then tells of the same INS for ever. */
static void rep_ins_rcx_changed(void)
{
	rep_ins_changed(5, 2, 2);
	rep_ins_changed(3, 8192, 8192);
}

static const struct kt_test tests[] = {
	{ "single, real mode", singles_16 },
	{ "single, 32-bit mode", singles_32 },
	{ "single, 64-bit mode", singles_64 },
	{ "REP OUTS, real mode", rep_outs_16 },
	{ "REP OUTS, 32-bit mode", rep_outs_32 },
	{ "REP OUTS, 64-bit mode", rep_outs_64 },
	{ "REP INS, real mode", rep_ins_16 },
	{ "REP INS, 32-bit mode", rep_ins_32 },
	{ "REP INS, 64-bit mode", rep_ins_64 },
	{ "the other address size", address_size },
	{ "16-bit index wraps", wraparound },
	{ "segment override", override },
	{ "segment override takes that segment only", override_only },
	{ "default segments", default_segments },
	{ "REP OUTS interrupted between elements", rep_outs_interrupted },
	{ "REP INS, RCX changed before it is complete", rep_ins_rcx_changed },
};

KT_MAIN(tests)
