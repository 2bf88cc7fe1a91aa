// SPDX-License-Identifier: MIT
/*
 * IN, OUT, INS and OUTS of guests. User space does the port's part: OUT and OUTS tell it
 * what was written; IN and INS wait in struct vs_data until the next run brings the data.
 * Counts and the moment when RIP moves are those of KVM. INS and OUTS whose memory is a
 * device's are the emulator's.
 */
#include "exit.h"
#include "run.h"

/* KVM moves RIP before this port's exit: old user space relies on it. */
#define PORT_RIP_MOVED 0x7E

static uint64_t mask(unsigned int bytes)
{
	return bytes >= 8 ? ~0ULL : (1ULL << bytes * 8) - 1;
}

/* Of 1, 2 or 4 bytes. */
static uint64_t bit_size(unsigned int bytes)
{
	return bytes >> 1;
}
MV_ABI_ASSERT(mv_bit_size_t_8 == 0 && mv_bit_size_t_16 == 1 && mv_bit_size_t_32 == 2);

uint32_t io_wanted(const struct vs *vs)
{
	const struct vs_data *data = state_data(vs->st);

	return data->io == IO_IN || data->io == IO_INS ? data->io_reps * data->io_size : 0;
}

static void leave_io(struct run *r, uint64_t type, uint64_t reps, uint64_t value)
{
	struct mv_exit_io_t *page = mk_shared();
	const struct mk_exit *exit = &r->vs.st->exit;

	page->addr = exit->io.port;
	page->data = value;
	page->reps = reps;
	page->type = type;
	page->size = bit_size(exit->io.size);
	run_leave(r, mv_exit_reason_t_io);
}

static void wait_for(struct run *r, enum io_pending io, uint32_t reps, uint64_t next)
{
	struct mk_state *st = r->vs.st;
	struct vs_data *data = state_data(st);
	uint64_t rip = walk_linear_rip(&r->vs);

	data->io_rip = rip;
	data->io_next = next;
	data->io_reps = reps;
	data->io_size = st->exit.io.size;
	data->io = io;
}

/* A string instruction, as far as prefixes change it. */
struct string {
	uint8_t addr_size;
	uint8_t seg;
	uint8_t rep;
	uint64_t next;
};

/* Behind the instruction: as the CPU says, or prefixes and one or two bytes (APM vol. 3). */
static uint64_t next_rip(const struct mk_state *st, const struct insn *insn)
{
	uint8_t opcode = insn->bytes[insn->prefixes];
	int has_port = (opcode & 0xFC) == 0xE4; /* IN, OUT with an immediate port */

	return st->exit.next_rip ? st->exit.next_rip : st->rip + insn->prefixes + 1 + has_port;
}

/* One element; `next` is behind the instruction. */
static inline void simple(struct run *r, uint64_t next)
{
	struct mk_state *st = r->vs.st;

	if (st->exit.io.flags & MK_IO_IN) {
		wait_for(r, IO_IN, 1, next);
		leave_io(r, MV_EXIT_IO_IN, 1, 0);
		return;
	}
	if (st->exit.io.port == PORT_RIP_MOVED && !(state_data(st)->run_flags & MV_RUN_FLAG_OUT_7E))
		run_advance(r, next);
	else
		wait_for(r, IO_OUT, 1, next);
	leave_io(r, MV_EXIT_IO_OUT, 1, st->gpr[MK_RAX] & mask(st->exit.io.size));
}

static __attribute__((noinline)) void simple_read(struct run *r)
{
	struct fault fault;
	struct insn insn;

	if (!run_failed(r, insn_fetch(r->c->cpu, &r->vs, &insn, &fault), &fault))
		simple(r, next_rip(r->vs.st, &insn));
}

static int string_decode(struct run *r, struct string *s)
{
	const struct mk_exit *exit = &r->vs.st->exit;
	struct fault fault;
	struct insn insn;
	int err;

	s->rep = !!(exit->io.flags & MK_IO_REP);
	s->addr_size = exit->io.addr_size;
	s->seg = exit->io.flags & MK_IO_IN ? MK_ES : exit->io.seg;
	s->next = exit->next_rip;
	if (s->addr_size && s->seg < MK_LDTR && s->next)
		return 0;

	err = run_failed(r, insn_fetch(r->c->cpu, &r->vs, &insn, &fault), &fault);
	if (err)
		return err;
	s->addr_size = insn.addr_size;
	if (!(exit->io.flags & MK_IO_IN))
		s->seg = insn.seg;
	s->next = next_rip(r->vs.st, &insn);
	return 0;
}

static int limit_allows(const struct mk_seg *seg, uint64_t ea, unsigned int len)
{
	uint64_t top = seg->limit;

	/* Expand-down data: valid above the limit (APM vol. 2, 4.7.3). */
	if ((seg->attrib & 0xC) == 0x4) {
		if (ea <= top)
			return 0;
		top = seg->attrib & MK_ATTR_DB ? 0xFFFFFFFF : 0xFFFF;
	}
	return ea <= top && len - 1 <= top - ea;
}

static int type_allows(const struct mk_state *st, const struct mk_seg *seg, int write)
{
	int code = seg->attrib & 0x8, rw = seg->attrib & 0x2;

	if (!(st->cr0 & CR0_PE) || st->rflags & RFLAGS_VM)
		return 1;
	if (!(seg->attrib & MK_ATTR_P))
		return 0;
	return write ? rw && !code : rw || !code;
}

/* The linear address of seg:ea. 0; or 1 and the fault. */
static int linearize(struct run *r, uint8_t index, uint64_t ea, unsigned int len, int write,
		     uint64_t *gla, struct fault *fault)
{
	struct mk_state *st = r->vs.st;
	int long_mode = walk_long_mode(&r->vs);
	const struct mk_seg *seg = &st->seg[index];

	state_fetch(r->vs.id, st, MK_G_CR | MK_G_SEG);
	*fault = (struct fault){ .vector = index == MK_SS ? VEC_SS : VEC_GP };
	if (long_mode) {
		*gla = ea + (index >= MK_FS ? seg->base : 0);
		return !walk_canonical(&r->vs, *gla) || !walk_canonical(&r->vs, *gla + len - 1);
	}
	*gla = (uint32_t)(seg->base + ea);
	return !type_allows(st, seg, write) || !limit_allows(seg, ea, len);
}

/* Adds to a register as far as the address size reaches; 32 bits clear the upper half. */
static void add(uint64_t *reg, int64_t value, unsigned int addr_size)
{
	uint64_t sum = *reg + value;

	if (addr_size == 2)
		*reg = (*reg & ~0xFFFFULL) | (sum & 0xFFFF);
	else
		*reg = sum & mask(addr_size);
}

static int64_t step(const struct mk_state *st, unsigned int size)
{
	return st->rflags & RFLAGS_DF ? -(int64_t)size : (int64_t)size;
}

/* The element at ES:RDI or seg:RSI and those behind it: `len` bytes. As walk_copy(). */
static int string_copy(struct run *r, const struct string *s, void *buf, unsigned int len,
		       int write, struct fault *fault)
{
	uint64_t ea = r->vs.st->gpr[write ? MK_RDI : MK_RSI] & mask(s->addr_size), gla;

	if (linearize(r, s->seg, ea, len, write, &gla, fault))
		return 1;
	return walk_copy(r->c->cpu, &r->vs, gla, buf, len, write ? WALK_WRITE : WALK_READ, fault);
}

/* With REP, RIP moves on with the last element. */
static void string_advance(struct run *r, int rep, unsigned int addr_size, uint64_t next)
{
	if (!rep || !(r->vs.st->gpr[MK_RCX] & mask(addr_size)))
		run_advance(r, next);
}

/* One element an exit. */
static void outs(struct run *r, const struct string *s)
{
	struct mv_exit_io_t *page = mk_shared();
	struct mk_state *st = r->vs.st;
	unsigned int size = st->exit.io.size;
	struct fault fault;
	uint64_t value = 0;
	int err;

	err = string_copy(r, s, &value, size, 0, &fault);
	if (err == -MK_EFAULT)
		emulate_exit(r); /* out of a device */
	if (err == -MK_EFAULT || run_failed(r, err, &fault))
		return;
	memcpy(page->out, &value, size);
	leave_io(r, MV_EXIT_IO_OUT | MV_EXIT_IO_STRING, 1, value);
	add(&st->gpr[MK_RSI], step(st, size), s->addr_size);
	if (s->rep)
		add(&st->gpr[MK_RCX], -1, s->addr_size);
	string_advance(r, s->rep, s->addr_size, s->next);
}

/* How much KVM reads ahead: to the page's end (in bytes, whatever an element is), 1 KiB. */
static uint32_t read_ahead(const struct mk_state *st, const struct string *s, unsigned int size)
{
	uint64_t offset = st->gpr[MK_RDI] % MV_PAGE_SIZE;
	uint64_t count = s->rep ? st->gpr[MK_RCX] & mask(s->addr_size) : 1;
	uint64_t page = st->rflags & RFLAGS_DF ? offset : MV_PAGE_SIZE - offset;

	if (count > page)
		count = page;
	if (count > MV_EXIT_IO_MAX_BYTES / size)
		count = MV_EXIT_IO_MAX_BYTES / size;
	return count ? count : 1;
}

/*
 * Whether it can be written; where it can't even be translated, that is for string_copy(). 1, 0
 * or -MK_EAGAIN.
 */
static int is_memory(struct run *r, uint64_t gla)
{
	unsigned int access = WALK_WRITE | (walk_cpl(&r->vs) == 3 ? WALK_USER : 0);
	struct mapping map;
	struct fault fault;
	int err = walk(r->c->cpu, &r->vs, gla, access, &map, &fault);

	return err ? err : walk_gpa_writable(r->c->cpu, &r->vs, map.gpa);
}

/* Are the `len` bytes from ES:RDI + offset on the guest's memory? As is_memory(). */
static int to_memory(struct run *r, unsigned int addr_size, int64_t offset, unsigned int len)
{
	uint64_t ea = (r->vs.st->gpr[MK_RDI] + offset) & mask(addr_size), gla;
	struct fault fault;
	int first;

	if (linearize(r, MK_ES, ea, len, 1, &gla, &fault))
		return 1;
	first = is_memory(r, gla);
	return first == 1 ? is_memory(r, gla + len - 1) : first;
}

static void ins(struct run *r, const struct string *s)
{
	struct vs_data *data = state_data(r->vs.st);
	uint32_t reps = read_ahead(r->vs.st, s, r->vs.st->exit.io.size);
	int memory = to_memory(r, s->addr_size, 0, r->vs.st->exit.io.size);

	if (memory == -MK_EAGAIN) {
		run_ask(r, 0);
		return;
	}
	if (!memory) {
		emulate_exit(r);
		return;
	}
	wait_for(r, IO_INS, reps, s->next);
	data->io_addr_size = s->addr_size;
	data->io_rep = s->rep;
	leave_io(r, MV_EXIT_IO_IN | MV_EXIT_IO_STRING, reps, 0);
}

static __attribute__((noinline)) void string(struct run *r)
{
	const struct mk_exit *exit = &r->vs.st->exit;
	struct string s;

	if (string_decode(r, &s))
		return;
	if (s.rep && !(r->vs.st->gpr[MK_RCX] & mask(s.addr_size)))
		run_advance(r, s.next);
	else if (exit->io.flags & MK_IO_IN)
		ins(r, &s);
	else
		outs(r, &s);
}

void io_exit(struct run *r)
{
	if (r->vs.st->exit.io.flags & MK_IO_STRING)
		string(r);
	else if (r->vs.st->exit.next_rip)
		simple(r, r->vs.st->exit.next_rip);
	else
		simple_read(r);
}

static uint32_t ins_reps(struct mk_state *st, const struct string *s)
{
	const struct vs_data *data = state_data(st);
	uint32_t reps = read_ahead(st, s, data->io_size);

	if (s->rep && !(st->gpr[MK_RCX] & mask(s->addr_size)))
		return 0;
	return reps < data->io_reps ? reps : data->io_reps;
}

/*
 * Upwards all elements at once, or none when their memory faults; downwards one by one. Not more
 * than the registers ask for now: user space may have changed RCX or RDI meanwhile.
 */
void io_read_string(struct run *r, const uint8_t *in)
{
	struct mk_state *st = r->vs.st;
	struct vs_data *data = state_data(st);
	struct string s = {
		.addr_size = data->io_addr_size,
		.seg = MK_ES,
		.rep = data->io_rep,
	};
	uint32_t reps = ins_reps(st, &s), at_once = st->rflags & RFLAGS_DF ? 1 : reps;
	int64_t offset = st->rflags & RFLAGS_DF ? -(int64_t)data->io_size * (reps - 1) : 0;
	struct fault fault;

	/* All of it once more, when the memory is there. */
	if (reps && to_memory(r, s.addr_size, offset, reps * data->io_size) == -MK_EAGAIN) {
		data->io = IO_INS;
		run_ask(r, 1);
		return;
	}
	for (uint32_t i = 0; i < reps; i += at_once) {
		uint8_t *from = (uint8_t *)in + i * data->io_size;
		int err = string_copy(r, &s, from, at_once * data->io_size, 1, &fault);

		if (run_failed(r, err, &fault))
			return;
		add(&st->gpr[MK_RDI], step(st, data->io_size) * at_once, s.addr_size);
		if (data->io_rep)
			add(&st->gpr[MK_RCX], -(int64_t)at_once, s.addr_size);
	}
	string_advance(r, data->io_rep, data->io_addr_size, data->io_next);
}

void io_read(struct run *r, uint64_t value)
{
	struct vs_data *data = state_data(r->vs.st);
	uint64_t *rax = &r->vs.st->gpr[MK_RAX], old = data->io_size < 4 ? *rax : 0;

	*rax = (old & ~mask(data->io_size)) | (value & mask(data->io_size));
	run_advance(r, data->io_next);
}

void io_written(struct run *r)
{
	run_advance(r, state_data(r->vs.st)->io_next);
}
