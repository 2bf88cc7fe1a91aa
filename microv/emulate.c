// SPDX-License-Identifier: MIT
/* A guest as the emulator sees it: its memory, its registers, and back. See emulate.h. */
#include "emulate.h"
#include "vector.h"

_Static_assert(EMU_READ == (int)WALK_READ && EMU_WRITE == (int)WALK_WRITE, "");
_Static_assert(EMU_EXEC == (int)WALK_EXEC && EMU_USER == (int)WALK_USER, "");

static int op_translate(struct emu *e, uint64_t gla, unsigned int access, uint64_t *gpa)
{
	struct run *r = e->context;
	struct mapping map;
	struct fault fault;
	int err = walk(r->c->cpu, &r->vs, gla, access, &map, &fault);

	if (err < 0)
		return EMU_ABSENT;
	if (!err) {
		*gpa = map.gpa;
		return EMU_OK;
	}
	e->fault = (struct emu_fault){
		.vector = fault.vector,
		.has_error = 1,
		.error = fault.error,
		.addr = fault.addr,
	};
	return EMU_FAULT;
}

static int op_result(int err)
{
	return !err ? EMU_OK : err == -MK_EAGAIN ? EMU_ABSENT : EMU_NOT_MEMORY;
}

/* Where root has said that there is no memory, nobody need try. */
static int op_load(struct emu *e, uint64_t gpa, void *buf, unsigned int len)
{
	struct run *r = e->context;

	if (walk_gpa_refused(&r->vs, gpa, 0))
		return EMU_NOT_MEMORY;
	return op_result(walk_gpa_copy(r->c->cpu, &r->vs, gpa, buf, len, 0));
}

static int op_store(struct emu *e, uint64_t gpa, const void *buf, unsigned int len)
{
	struct run *r = e->context;

	if (walk_gpa_refused(&r->vs, gpa, 1))
		return EMU_NOT_MEMORY;
	return op_result(walk_gpa_copy(r->c->cpu, &r->vs, gpa, (void *)buf, len, 1));
}

static int op_cmpxchg(struct emu *e, uint64_t gpa, const void *old, const void *value,
		      unsigned int len)
{
	struct run *r = e->context;
	int ret;

	/* No instruction locks other sizes; CMPXCHG16B is aligned. */
	if (!len || len > 16 || len & (len - 1) || (len == 16 && gpa % 16))
		return EMU_UNHANDLED;
	ret = walk_gpa_cmpxchg(r->c->cpu, &r->vs, gpa, old, value, len);
	return ret > 0 ? EMU_RETRY : op_result(ret);
}

static void op_vector_get(struct emu *e, unsigned int n, uint8_t value[32])
{
	struct run *r = e->context;

	vector_get(r->vectors, &r->vs, n, value);
}

static void op_vector_set(struct emu *e, unsigned int n, const uint8_t value[32])
{
	struct run *r = e->context;

	vector_set(r->vectors, &r->vs, n, value);
}

static void op_fill(struct emu *e)
{
	struct run *r = e->context;
	const struct mk_state *st = r->vs.st;

	state_fetch(r->vs.id, r->vs.st, MK_G_SEG | MK_G_TABLE | MK_G_XCR);
	memcpy(e->regs.seg, st->seg, sizeof(st->seg));
	e->gdtr = st->gdtr;
	e->idtr = st->idtr;
	e->xcr0 = st->xcr0;
}

static const struct emu_ops ops = {
	.translate = op_translate,
	.load = op_load,
	.store = op_store,
	.cmpxchg = op_cmpxchg,
	.vector_get = op_vector_get,
	.vector_set = op_vector_set,
	.fill = op_fill,
};

static struct emu_cache caches[MV_MAX_PPS];

struct emu_cache *emulate_cache(unsigned int cpu)
{
	return &caches[cpu];
}

void emulate_fill(struct emu *e, struct run *r)
{
	const struct mk_state *st = r->vs.st;

	state_fetch(r->vs.id, r->vs.st, MK_G_CR);
	/* All but what emu_step() fills in, and the registers. */
	memset(&e->cr4_allowed, 0, offsetof(struct emu, out) - offsetof(struct emu, cr4_allowed));
	memset(&e->pending, 0, offsetof(struct emu_pending, read));
	e->ops = &ops;
	e->context = r;
	e->cache = &caches[r->c->cpu];
	memcpy(e->regs.gpr, st->gpr, sizeof(st->gpr));
	e->regs.rip = st->rip;
	e->regs.rflags = st->rflags;
	e->cr0 = st->cr0;
	e->cr2 = st->cr2;
	e->cr3 = st->cr3;
	e->cr4 = st->cr4;
	e->cr8 = st->cr8;
	e->efer = st->efer;
	e->cpl = walk_cpl(&r->vs);
	e->lazy = walk_long_mode(&r->vs);
	if (e->lazy)
		e->regs.seg[MK_CS].attrib = MK_ATTR_L;
	else
		op_fill(e);
}

static void take_system(struct mk_state *st, const struct emu *e)
{
	if (!e->system)
		return;
	if (memcmp(st->seg, e->regs.seg, sizeof(st->seg)))
		st->dirty |= MK_G_SEG;
	if (memcmp(&st->gdtr, &e->gdtr, sizeof(e->gdtr)) ||
	    memcmp(&st->idtr, &e->idtr, sizeof(e->idtr)))
		st->dirty |= MK_G_TABLE;
	memcpy(st->seg, e->regs.seg, sizeof(st->seg));
	st->gdtr = e->gdtr;
	st->idtr = e->idtr;
}

static void take_control(struct mk_state *st, const struct emu *e)
{
	if (st->cr0 != e->cr0 || st->cr2 != e->cr2 || st->cr3 != e->cr3 || st->cr4 != e->cr4 ||
	    st->cr8 != e->cr8)
		st->dirty |= MK_G_CR;
	st->cr0 = e->cr0;
	st->cr2 = e->cr2;
	st->cr3 = e->cr3;
	st->cr4 = e->cr4;
	st->cr8 = e->cr8;
	st->efer = e->efer;
}

void emulate_take(struct run *r, const struct emu *e)
{
	struct mk_state *st = r->vs.st;

	memcpy(st->gpr, e->regs.gpr, sizeof(st->gpr));
	st->rip = e->regs.rip;
	st->rflags = e->regs.rflags;
	take_system(st, e);
	take_control(st, e);
}
