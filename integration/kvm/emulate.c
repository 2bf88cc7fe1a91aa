// SPDX-License-Identifier: MIT
/*
 * Instructions that access a device: each one of emulate_guest.asm is executed on ordinary
 * memory, by the CPU, and then, from the same registers and the same bytes, on a device that
 * this test plays behind KVM_EXIT_MMIO. Registers, flags, segments, bytes, ports and exceptions
 * must come out the same.
 */
#include "catch.h"

struct insn {
	const char *text;
	const uint8_t *code, *end;
	uint32_t mode; /* bits */
	uint32_t options;
	uint32_t undefined; /* flags */
	uint32_t reserved;
};

/* As in emulate_guest.asm. */
#define STRING 1U
#define STACK 2U
#define JUMP 4U
#define SEL 8U
#define FAR16 0x10U
#define FAR32 0x20U
#define FAR64 0x40U
#define BITS 0x80U
#define EQUAL 0x100U
#define SMALL 0x200U
#define BAD_DI 0x400U
#define NO_PAGE 0x800U
#define OURS 0x1000U

#define DEVICE 0x40000000UL
#define DEVICE_SIZE (3 * KT_PAGE)
#define AT_P 0x800U
#define AT_SI 0xff8U
#define AT_DI 0x1ff4U
#define AT_SP 0xc00U
#define LANDING (KT_CODE + 0x800)
#define PORT 0x1234U
#define STACK_TOP 0x8000UL
#define STACK_BYTES 128U
#define STATUS_FLAGS 0x8d5U
#define DF_FLAG 0x400U
#define ROUNDS 4U

/* What one execution leaves behind. */
struct outcome {
	int vector;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	uint8_t stack[STACK_BYTES];
	uint8_t data[DEVICE_SIZE];
	uint8_t out[512];
	unsigned int outs;
	unsigned int error; /* suberror of KVM_EXIT_INTERNAL_ERROR, + 1 */
};

struct scene {
	struct kt_guest g;
	uint32_t mode;
	struct kvm_sregs sregs; /* of the mode */
	uint8_t *memory; /* a slot at DEVICE, or the device's bytes */
	bool is_device;
	bool stock; /* kvm_amd */
};

static uint64_t random_state;

static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Often one of those where something turns over. */
static uint64_t random_value(void)
{
	static const uint64_t special[] = { 0,
					    1,
					    0x7f,
					    0x80,
					    0xff,
					    0x7fff,
					    0x8000,
					    0x7fffffff,
					    0x80000000,
					    0xffffffff,
					    0x8000000000000000,
					    ~0ULL };
	uint64_t r = random64();

	return r % 4 ? r >> (r >> 8 & 3) * 16 : special[r / 4 % KT_LEN(special)];
}

static enum kt_mode mode_of(uint32_t bits)
{
	return bits == 16 ? KT_REAL : bits == 32 ? KT_PROT32 : KT_LONG64;
}

static void enter_mode(struct scene *s, const struct insn *insn)
{
	static const uint8_t hlt[] = { 0xf4 };

	if (s->mode == insn->mode)
		return;
	kt_guest_load(&s->g, mode_of(insn->mode), (struct kt_code){ hlt, hlt + 1 });
	catch_install(&s->g, mode_of(insn->mode));
	s->sregs = kt_sregs(&s->g.vcpu);
	s->mode = insn->mode;
}

/* 16 and 32-bit code has its segments there, 64-bit code its pointers. */
static void set_sregs(struct scene *s, const struct insn *insn)
{
	struct kvm_sregs sregs = s->sregs;

	if (insn->mode != 64) {
		sregs.ds.base = sregs.es.base = sregs.fs.base = sregs.gs.base = DEVICE;
		if (insn->options & STACK)
			sregs.ss.base = DEVICE;
	}
	if (insn->mode == 32 && insn->options & BAD_DI) {
		sregs.es.limit = 0xffff;
		sregs.es.g = 0;
	}
	REQUIRE(ioctl(s->g.vcpu.fd, KVM_SET_SREGS, &sregs) == 0);
}

static void set_pointers(const struct insn *insn, struct kvm_regs *r)
{
	const uint64_t base = insn->mode == 64 ? DEVICE : 0;

	r->rip = KT_CODE;
	r->rbx = base + AT_P;
	r->rsi = base + (insn->options & STRING ? AT_SI : 0x10);
	r->rdi = base + AT_DI;
	r->r12 = insn->mode == 64 ? 0x18 : 0;
	r->rsp = STACK_TOP - STACK_BYTES / 2;
	r->rbp = base + 0x840;
	if (insn->options & STACK) {
		r->rsp = base + AT_SP;
		r->rbp = base + AT_SP + 0x20;
	}
	if (insn->options & BAD_DI)
		r->rdi = insn->mode == 64 ? 0x8000000000000000 : 0xffff; /* TCG: no limits */
	if (insn->options & NO_PAGE)
		r->rdi = 0x300000000;
}

static struct kvm_regs make_regs(const struct insn *insn, unsigned int round)
{
	struct kvm_regs r = {
		.rax = random_value(),
		.rcx = random_value(),
		.rdx = random_value(),
		.r8 = random_value(),
		.r9 = random_value(),
		.r10 = random_value(),
		.r11 = random_value(),
		.r13 = random_value(),
		.r14 = random_value(),
		.r15 = random_value(),
	};

	r.rflags = 2 | (random64() & STATUS_FLAGS);
	set_pointers(insn, &r);
	if (insn->options & STRING) {
		r.rcx = random64() % 20;
		r.rflags |= round & 1 ? DF_FLAG : 0;
		r.rdx = PORT;
	}
	if (insn->options & BAD_DI || insn->options & NO_PAGE) {
		r.rcx = 3;
		r.rsi = (insn->mode == 64 ? DEVICE : 0) + AT_SI;
	}
	if (insn->options & BITS)
		r.rcx = random64() % 0x2000 - 0x1000;
	if (insn->options & SMALL && !(round & 1))
		r.rdx = 0, r.rax &= 0xff7f;
	if (insn->mode != 64) {
		r.rax = (uint32_t)r.rax;
		r.rcx = (uint32_t)r.rcx;
		r.rdx = (uint32_t)r.rdx;
		r.r8 = r.r9 = r.r10 = r.r11 = r.r13 = r.r14 = r.r15 = 0;
	}
	return r;
}

static void put_far(uint8_t *at, unsigned int offset_bytes, uint16_t selector)
{
	const uint64_t offset = LANDING;

	memcpy(at, &offset, offset_bytes);
	memcpy(at + offset_bytes, &selector, 2);
}

static void make_data(const struct insn *insn, const struct kvm_regs *r, unsigned int round,
		      uint8_t *data)
{
	const bool far = insn->options & (FAR16 | FAR32 | FAR64);
	const unsigned int bytes = insn->options & FAR16 ? 2 : insn->options & FAR32 ? 4 : 8;
	const bool code = far && (strstr(insn->text, "far") || strstr(insn->text, "ret"));
	const uint16_t selector = insn->mode == 16 ? 0 : code ? 8 : 16;
	const uint64_t landing = LANDING;

	for (unsigned int i = 0; i < DEVICE_SIZE; i += 8) {
		uint64_t value = random_value();

		memcpy(data + i, &value, 8);
	}
	data[AT_P + 0x400] = 0;
	if (insn->options & JUMP) {
		memcpy(data + AT_P, &landing, 8);
		memset(data + AT_P + 8, 0, 2); /* LGDT takes ten bytes */
		memcpy(data + AT_SP, &landing, 8);
	}
	if (far) {
		put_far(data + AT_P, bytes, selector);
		put_far(data + AT_SP, bytes, selector);
	}
	if (insn->options & SEL) {
		memcpy(data + AT_P, &selector, 2);
		memcpy(data + AT_SP, &selector, 2);
	}
	if (insn->options & EQUAL && !(round & 1)) {
		const bool wide = strstr(insn->text, "8b");

		memcpy(data + AT_P, &r->rax, 8);
		memcpy(data + AT_P + (wide ? 4 : 8), strstr(insn->text, "+") ? &r->rax : &r->rdx,
		       8);
	}
}

static void serve_mmio(struct scene *s)
{
	struct kvm_run *run = s->g.vcpu.run;
	uint64_t offset = run->mmio.phys_addr - DEVICE;

	REQUIRE(s->is_device);
	REQUIRE(run->mmio.len && run->mmio.len <= 8);
	REQUIRE(offset < DEVICE_SIZE && run->mmio.len <= DEVICE_SIZE - offset);
	if (run->mmio.is_write)
		memcpy(s->memory + offset, run->mmio.data, run->mmio.len);
	else
		memcpy(run->mmio.data, s->memory + offset, run->mmio.len);
}

/* What is read is a sequence of bytes, the same in each execution. */
static void serve_port(struct scene *s, struct outcome *o, unsigned int *ins)
{
	struct kvm_run *run = s->g.vcpu.run;
	uint8_t *data = kt_io_data(&s->g.vcpu);
	unsigned int bytes = run->io.size * run->io.count;

	CHECK_EQ(run->io.port, PORT);
	for (unsigned int i = 0; i < bytes; i++) {
		if (run->io.direction == KVM_EXIT_IO_IN)
			data[i] = (uint8_t)(0x11 + 7 * (*ins)++);
		else if (o->outs < sizeof(o->out))
			o->out[o->outs++] = data[i];
	}
}

/* To the HLT, an exception, or what isn't emulated. */
static void run_to_end(struct scene *s, struct outcome *o)
{
	struct kvm_run *run = s->g.vcpu.run;
	unsigned int ins = 0;

	for (;;) {
		REQUIRE(ioctl(s->g.vcpu.fd, KVM_RUN, 0) == 0);
		o->vector = catch_vector(&s->g.vcpu);
		if (run->exit_reason == KVM_EXIT_HLT || o->vector != NONE)
			return;
		if (run->exit_reason == KVM_EXIT_MMIO) {
			serve_mmio(s);
		} else if (run->exit_reason == KVM_EXIT_IO) {
			serve_port(s, o, &ins);
		} else if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR) {
			o->error = run->internal.suberror + 1;
			return;
		} else {
			kt_fail(__FILE__, __LINE__, "exit %s", kt_reason(run->exit_reason));
			kt_end();
		}
	}
}

/* A failed emulation leaves a #UD behind, and so does an exception whose OUT isn't complete. */
static void settle(struct scene *s, const struct outcome *o)
{
	struct kvm_vcpu_events none = { .flags = KVM_VCPUEVENT_VALID_SHADOW };

	if (o->error)
		REQUIRE(ioctl(s->g.vcpu.fd, KVM_SET_VCPU_EVENTS, &none) == 0);
	if (o->vector != NONE) {
		s->g.vcpu.run->immediate_exit = 1;
		ioctl(s->g.vcpu.fd, KVM_RUN, 0);
		s->g.vcpu.run->immediate_exit = 0;
	}
}

static void execute(struct scene *s, const struct insn *insn, unsigned int round, struct outcome *o)
{
	struct kvm_regs regs;

	memset(o, 0, sizeof(*o));
	enter_mode(s, insn);
	random_state = 0x9e3779b97f4a7c15 * (round + 1) + insn->mode;
	regs = make_regs(insn, round);
	make_data(insn, &regs, round, s->memory);
	memcpy(s->g.mem + KT_CODE, insn->code, (size_t)(insn->end - insn->code));
	s->g.mem[LANDING] = 0xf4;
	memset(s->g.mem + STACK_TOP - STACK_BYTES, 0x55, STACK_BYTES);
	set_sregs(s, insn);
	kt_set_regs(&s->g.vcpu, &regs);

	run_to_end(s, o);
	o->regs = kt_regs(&s->g.vcpu);
	o->sregs = kt_sregs(&s->g.vcpu);
	memcpy(o->stack, s->g.mem + STACK_TOP - STACK_BYTES, STACK_BYTES);
	memcpy(o->data, s->memory, DEVICE_SIZE);
	settle(s, o);
}

/* ---- comparison ---- */

static void differ(const char *what, uint64_t memory, uint64_t device)
{
	kt_fail(__FILE__, __LINE__, "%s is 0x%llx with memory, 0x%llx with a device", what,
		(unsigned long long)memory, (unsigned long long)device);
}

static void compare_regs(const struct insn *insn, const struct outcome *a, const struct outcome *b)
{
	static const char *const names[] = { "rax", "rbx", "rcx", "rdx", "rsi", "rdi",
					     "rsp", "rbp", "r8",  "r9",	 "r10", "r11",
					     "r12", "r13", "r14", "r15", "rip", "rflags" };
	const uint64_t *x = (const uint64_t *)&a->regs, *y = (const uint64_t *)&b->regs;

	for (unsigned int i = 0; i < KT_LEN(names); i++) {
		uint64_t mask = i == KT_LEN(names) - 1 ? ~(uint64_t)insn->undefined : ~0ULL;

		if ((x[i] ^ y[i]) & mask)
			differ(names[i], x[i], y[i]);
	}
}

static void compare_segment(const char *name, const struct kvm_segment *a,
			    const struct kvm_segment *b)
{
	if (a->selector != b->selector)
		differ(name, a->selector, b->selector);
	if (a->base != b->base)
		differ(name, a->base, b->base);
	if (a->limit != b->limit)
		differ(name, a->limit, b->limit);
	if (a->type != b->type)
		differ(name, a->type, b->type);
}

static void compare_sregs(const struct kvm_sregs *a, const struct kvm_sregs *b)
{
	compare_segment("cs", &a->cs, &b->cs);
	compare_segment("ds", &a->ds, &b->ds);
	compare_segment("es", &a->es, &b->es);
	compare_segment("fs", &a->fs, &b->fs);
	compare_segment("gs", &a->gs, &b->gs);
	compare_segment("ss", &a->ss, &b->ss);
	if (a->cr0 != b->cr0)
		differ("cr0", a->cr0, b->cr0);
	if (a->cr2 != b->cr2)
		differ("cr2", a->cr2, b->cr2);
	if (a->gdt.base != b->gdt.base || a->gdt.limit != b->gdt.limit)
		differ("gdtr", a->gdt.base, b->gdt.base);
	if (a->idt.base != b->idt.base || a->idt.limit != b->idt.limit)
		differ("idtr", a->idt.base, b->idt.base);
}

static void compare_bytes(const char *what, const uint8_t *a, const uint8_t *b, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++) {
		if (a[i] == b[i])
			continue;
		kt_fail(__FILE__, __LINE__, "%s + 0x%x is 0x%x with memory, 0x%x with a device",
			what, i, a[i], b[i]);
		return;
	}
}

/* Of an exception frame: error code and RIP, or RIP and CS; the flags behind them may differ. */
static void compare_stack(const struct insn *insn, const struct outcome *a, const struct outcome *b)
{
	uint64_t at = a->regs.rsp - (STACK_TOP - STACK_BYTES);
	const unsigned int words = insn->mode / 8 * 2;

	if (a->vector == NONE)
		compare_bytes("stack", a->stack, b->stack, STACK_BYTES);
	else if (at + words <= STACK_BYTES)
		compare_bytes("exception frame", a->stack + at, b->stack + at, words);
}

static void compare(const struct insn *insn, const struct outcome *a, const struct outcome *b)
{
	if (b->error) {
		kt_fail(__FILE__, __LINE__, "not emulated: internal error %u", b->error - 1);
		return;
	}
	if (a->vector != b->vector) {
		kt_fail(__FILE__, __LINE__, "exception %d with memory, %d with a device", a->vector,
			b->vector);
		return;
	}
	compare_regs(insn, a, b);
	compare_sregs(&a->sregs, &b->sregs);
	compare_stack(insn, a, b);
	compare_bytes("data", a->data, b->data, DEVICE_SIZE);
	CHECK_EQ(b->outs, a->outs);
	compare_bytes("port", a->out, b->out, a->outs);
}

/* ---- groups ---- */

static void start(struct scene *s)
{
	static const uint8_t hlt[] = { 0xf4 };

	s->g = kt_guest(KT_REAL, (struct kt_code){ hlt, hlt + 1 });
	kt_set_cpuid(&s->g.vm, &s->g.vcpu);
	s->memory = kt_memory(&s->g.vm, 1, DEVICE, DEVICE_SIZE);
	s->stock = access("/sys/module/kvm_amd", F_OK) == 0;
}

static void become_device(struct scene *s)
{
	REQUIRE(kt_slot(&s->g.vm, 1, DEVICE, 0, s->memory) == 0);
	s->is_device = true;
	s->mode = 0;
}

static void on_device(struct scene *s, const struct insn *insn, const struct outcome *expected)
{
	static struct outcome o;

	if (s->stock && insn->options & OURS) {
		kt_note("not with stock KVM: %s, %u bits", insn->text, insn->mode);
		return;
	}
	for (unsigned int round = 0; round < ROUNDS; round++) {
		kt_context("%s, %u bits, round %u:", insn->text, insn->mode, round);
		execute(s, insn, round, &o);
		compare(insn, &expected[round], &o);
	}
}

static void check_group(const struct insn *first, const struct insn *end)
{
	const unsigned int count = (unsigned int)(end - first);
	struct outcome *expected = calloc((size_t)count * ROUNDS, sizeof(*expected));
	struct scene s = { 0 };

	REQUIRE(expected != NULL);
	start(&s);
	for (unsigned int i = 0; i < count * ROUNDS; i++) {
		const struct insn *insn = &first[i / ROUNDS];

		kt_context("%s, %u bits, round %u:", insn->text, insn->mode, i % ROUNDS);
		execute(&s, insn, i % ROUNDS, &expected[i]);
	}
	become_device(&s);
	for (unsigned int i = 0; i < count; i++)
		on_device(&s, &first[i], &expected[i * ROUNDS]);
	kt_note("%u instructions", count);
	free(expected);
}

#define GROUPS(X)                                                                                  \
	X(move, "MOV, XCHG, MOVNTI, addressing")                                                   \
	X(extend, "MOVZX, MOVSX, MOVSXD, MOVBE, XLAT")                                             \
	X(arithmetic, "ADD to CMP, TEST, INC, DEC, NEG, NOT")                                      \
	X(locked, "LOCK")                                                                          \
	X(exchange, "XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B")                                        \
	X(bits_of_memory, "BT, BTS, BTR, BTC, BSF, BSR, POPCNT")                                   \
	X(shifts, "shifts and rotates")                                                            \
	X(multiply, "MUL, IMUL, DIV, IDIV")                                                        \
	X(conditions, "SETcc, CMOVcc")                                                             \
	X(stack, "PUSH, POP, CALL, JMP, RET, ENTER, LEAVE")                                        \
	X(segments, "segment registers, far branches")                                             \
	X(system, "SGDT to LMSW, PREFETCH, CLFLUSH")                                               \
	X(strings, "STOS, MOVS, LODS, SCAS, CMPS")                                                 \
	X(ports, "INS, OUTS")                                                                      \
	X(faults, "faults of the instruction")

#define GROUP_RUN(name, text)                                                                      \
	extern const struct insn name##_insns[], name##_insns_end[];                               \
	static void run_##name(void)                                                               \
	{                                                                                          \
		check_group(name##_insns, name##_insns_end);                                       \
	}
GROUPS(GROUP_RUN)

#define GROUP_TEST(name, text) { "emulated: " text, run_##name },
static const struct kt_test tests[] = { GROUPS(GROUP_TEST) };

KT_MAIN(tests)
