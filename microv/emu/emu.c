// SPDX-License-Identifier: MIT
/* One instruction: fetched, decoded, executed, and done or undone. See emu.h. */
#include "insn.h"

void emu_set_code(struct emu *e, const void *code, unsigned int len)
{
	if (e->pending.valid || len > EMU_MAX_CODE)
		return;
	e->pending.valid = 1;
	e->pending.rip = mem_code(e);
	e->pending.code_len = len;
	memcpy(e->pending.code, code, len);
}

void emu_give(struct emu *e, const void *data)
{
	struct emu_pending *p = &e->pending;

	if (p->reads == EMU_MAX_READS)
		return;
	p->read[p->reads] = p->want;
	memcpy(p->read[p->reads].data, data, p->want.len);
	p->reads++;
}

static void copy_regs(const struct emu *e, struct emu_regs *to, const struct emu_regs *from)
{
	memcpy(to, from, e->lazy ? offsetof(struct emu_regs, seg) : sizeof(*to));
}

void emu_checkpoint(struct emu *e)
{
	copy_regs(e, &e->saved, &e->regs);
	e->pending.reads = 0;
	e->reads_used = 0;
}

static void forget(struct emu *e)
{
	e->pending.rip = mem_code(e);
	e->pending.code_len = 0;
	e->pending.reads = 0;
}

/* A page at a time: what is behind the instruction needn't be there. */
static int fetch_more(struct emu *e)
{
	struct emu_pending *p = &e->pending;
	uint64_t gla = p->rip + p->code_len, limit = e->regs.seg[MK_CS].limit;
	uint64_t offset = e->regs.rip + p->code_len;
	unsigned int len = EMU_MAX_CODE - p->code_len;
	int err;

	if (!is_long64(e))
		gla = (uint32_t)gla;
	if (len > PAGE_SIZE - gla % PAGE_SIZE)
		len = PAGE_SIZE - gla % PAGE_SIZE;
	if (!is_long64(e) && limit != 0xFFFFFFFF) {
		if (offset > limit)
			return fault(e, VEC_GP);
		if (len > limit - offset + 1)
			len = limit - offset + 1;
	}
	err = mem_fetch(e, gla, p->code + p->code_len, len);
	if (!err)
		p->code_len += len;
	return err;
}

static int fetch_and_decode(struct emu *e, struct insn *room, const struct insn **in)
{
	struct emu_pending *p = &e->pending;
	int err = p->code_len ? EMU_OK : fetch_more(e);

	while (!err) {
		err = decode(e, p->code, p->code_len, room, in);
		if (err != DECODE_MORE)
			break;
		err = p->code_len < EMU_MAX_CODE ? fetch_more(e) : fault(e, VEC_GP);
	}
	return err;
}

static void fill(struct emu *e)
{
	e->ops->fill(e);
	e->lazy = 0;
	memcpy(e->saved.seg, e->regs.seg, sizeof(e->saved.seg));
}

static int execute(struct emu *e)
{
	const struct insn *in;
	struct insn room;
	int err = fetch_and_decode(e, &room, &in);

	if (err)
		return err;
	if (e->lazy && !in->plain)
		fill(e);
	e->next_rip = e->regs.rip + in->len;
	if (!is_long64(e))
		e->next_rip = (uint32_t)e->next_rip;
	return in->op->run(e, in);
}

static void begin(struct emu *e)
{
	copy_regs(e, &e->saved, &e->regs);
	e->outs = 0;
	e->shadow = 0;
	e->system = 0;
	e->unfinished = 0;
	e->absent = 0;
	e->reads_used = 0;
	if (!e->pending.valid || e->pending.rip != mem_code(e))
		forget(e);
}

enum emu_result emu_step(struct emu *e)
{
	int err;

	begin(e);
	err = execute(e);
	if (e->absent)
		err = EMU_ABSENT;
	if (err) {
		copy_regs(e, &e->regs, &e->saved);
		e->outs = 0;
	} else if (!e->unfinished) {
		e->regs.rip = e->next_rip;
		e->regs.rflags &= ~FLAG_RF;
	}
	e->pending.valid = err == EMU_WAIT || err == EMU_ABSENT;
	return err;
}
