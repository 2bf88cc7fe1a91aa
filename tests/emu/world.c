// SPDX-License-Identifier: MIT
/* The machine of the emulator's tests, see world.h. */
#include "world.h"

#include <assert.h>
#include <string.h>

#define VEC_PF 14
#define RFLAGS_RF (1U << 16)
#define MAX_ROUNDS 100

static struct world *world_of(struct emu *e)
{
	return e->context;
}

static int page_fault(struct emu *e, uint64_t gla, unsigned int access, unsigned int present)
{
	unsigned int error = present | (access & EMU_WRITE ? 2 : 0) | (access & EMU_USER ? 4 : 0) |
			     (access & EMU_EXEC ? 16 : 0);

	e->fault = (struct emu_fault){ VEC_PF, 1, error, gla };
	return EMU_FAULT;
}

/* ROM is read-only below the guest's page tables: like a KVM slot, not like a page. */
static int translate(struct emu *e, uint64_t gla, unsigned int access, uint64_t *gpa)
{
	struct world *w = world_of(e);

	*gpa = gla;
	if (gla >= WORLD_SIZE || w->kind[gla / PAGE] == PAGE_ABSENT)
		return page_fault(e, gla, access, 0);
	if (w->kind[gla / PAGE] == PAGE_SYSTEM && access & EMU_USER)
		return page_fault(e, gla, access, 1);
	w->fetches += !!(access & EMU_EXEC);
	return EMU_OK;
}

static int load(struct emu *e, uint64_t gpa, void *buf, unsigned int len)
{
	struct world *w = world_of(e);

	if (w->kind[gpa / PAGE] == PAGE_DEVICE)
		return EMU_NOT_MEMORY;
	memcpy(buf, w->memory + gpa, len);
	return EMU_OK;
}

static int writable(const struct world *w, uint64_t gpa)
{
	return w->kind[gpa / PAGE] != PAGE_DEVICE && w->kind[gpa / PAGE] != PAGE_ROM;
}

static int store(struct emu *e, uint64_t gpa, const void *buf, unsigned int len)
{
	struct world *w = world_of(e);

	if (!writable(w, gpa))
		return EMU_NOT_MEMORY;
	memcpy(w->memory + gpa, buf, len);
	return EMU_OK;
}

static int cmpxchg(struct emu *e, uint64_t gpa, const void *old, const void *value,
		   unsigned int len)
{
	struct world *w = world_of(e);

	if (!writable(w, gpa))
		return EMU_NOT_MEMORY;
	if (w->race)
		w->race(w);
	if (memcmp(w->memory + gpa, old, len))
		return EMU_RETRY;
	memcpy(w->memory + gpa, value, len);
	return EMU_OK;
}

static void vector_get(struct emu *e, unsigned int n, uint8_t value[32])
{
	memcpy(value, world_of(e)->ymm[n], n < EMU_MMX ? 32 : 8);
}

static void vector_set(struct emu *e, unsigned int n, const uint8_t value[32])
{
	memcpy(world_of(e)->ymm[n], value, 32);
}

/* What hide() hid. */
static void fill(struct emu *e)
{
	const struct world *w = world_of(e);

	memcpy(e->regs.seg, w->hidden.regs.seg, sizeof(e->regs.seg));
	e->gdtr = w->hidden.gdtr;
	e->idtr = w->hidden.idtr;
	e->xcr0 = w->hidden.xcr0;
}

static const struct emu_ops ops = {
	translate, load, store, cmpxchg, vector_get, vector_set, fill,
};

/* In 64-bit code all may be missing that an instruction doesn't ask for. */
static void hide(struct emu *e)
{
	struct world *w = world_of(e);

	e->lazy = e->efer & 0x400 && e->regs.seg[MK_CS].attrib & MK_ATTR_L;
	if (!e->lazy)
		return;
	w->hidden = *e;
	memset(e->regs.seg, 0xA5, sizeof(e->regs.seg));
	e->regs.seg[MK_CS].attrib = MK_ATTR_L;
	memset(&e->gdtr, 0xA5, sizeof(e->gdtr));
	memset(&e->idtr, 0xA5, sizeof(e->idtr));
	e->xcr0 = 0;
}

/* Base 0; in real mode the limit of 64 KiB. */
static struct mk_seg segment(enum world_mode mode, int code)
{
	static const uint16_t attrib[] = { 0x0093, 0x0093, 0xC093, 0xC093 };
	struct mk_seg seg = { .selector = code ? 8 : 16, .attrib = attrib[mode] };

	seg.limit = mode <= MODE_16 ? 0xFFFF : 0xFFFFFFFF;
	if (code)
		seg.attrib |= 8;
	if (code && mode == MODE_64)
		seg.attrib = 0xA09B;
	if (mode == MODE_REAL)
		seg.selector = 0;
	return seg;
}

void world_init(struct world *w, enum world_mode mode)
{
	struct emu *e = &w->emu;

	memset(w, 0, sizeof(*w));
	e->ops = &ops;
	e->context = w;
	e->cache = &w->cache;
	for (unsigned int i = 0; i <= MK_GS; i++)
		e->regs.seg[i] = segment(mode, i == MK_CS);
	e->regs.rflags = 2;
	e->regs.rip = 0x1000;
	e->cr0 = mode == MODE_REAL ? 0 : mode == MODE_64 ? 0x80040001 : 0x00040001;
	e->cr4 = 1U << 9 | 1U << 18;
	e->efer = mode == MODE_64 ? 0xD00 : 0;
	e->xcr0 = 7;
}

void world_cpl3(struct world *w)
{
	w->emu.cpl = 3;
	for (unsigned int i = 0; i <= MK_GS; i++) {
		w->emu.regs.seg[i].attrib |= MK_ATTR_DPL;
		w->emu.regs.seg[i].selector |= 3;
	}
}

void world_code(struct world *w, const void *code, unsigned int len)
{
	memcpy(w->memory + w->emu.regs.seg[MK_CS].base + w->emu.regs.rip, code, len);
}

static void log_access(struct world *w, const struct emu_io *io, int write)
{
	struct access *a = &w->log[w->logged % WORLD_LOG];

	*a = (struct access){ .addr = io->addr, .len = io->len, .write = write };
	a->is_port = io->is_port;
	memcpy(&a->data, io->data, io->len);
	w->logged++;
}

/* The answer; and everything else is as new. */
static void serve_read(struct world *w)
{
	struct emu *e = &w->emu, fresh = { .ops = &ops, .context = w, .cache = &w->cache };
	struct emu_io io = e->pending.want;

	if (io.is_port)
		memcpy(io.data, &w->port_in, io.len);
	else
		memcpy(io.data, w->memory + io.addr, io.len);
	log_access(w, &io, 0);

	fresh.regs = e->regs;
	fresh.gdtr = e->gdtr;
	fresh.idtr = e->idtr;
	fresh.cr0 = e->cr0;
	fresh.cr4 = e->cr4;
	fresh.efer = e->efer;
	fresh.xcr0 = e->xcr0;
	fresh.cpl = e->cpl;
	fresh.pending = e->pending;
	*e = fresh;
	emu_give(e, io.data);
}

static void serve_writes(struct world *w)
{
	struct emu *e = &w->emu;

	for (unsigned int i = 0; i < e->outs; i++) {
		struct emu_io *io = &e->out[i];

		log_access(w, io, 1);
		if (!io->is_port && w->kind[io->addr / PAGE] == PAGE_DEVICE)
			memcpy(w->memory + io->addr, io->data, io->len);
	}
}

/* What isn't told to have changed hasn't. */
static enum emu_result step(struct emu *e)
{
	const struct emu_regs regs = e->regs;
	const struct mk_seg gdtr = e->gdtr, idtr = e->idtr;
	enum emu_result result;

	hide(e);
	result = emu_step(e);
	if (e->lazy)
		fill(e);
	e->lazy = 0;
	if (!e->system) {
		assert(!memcmp(e->regs.seg, regs.seg, sizeof(regs.seg)));
		assert(!memcmp(&e->gdtr, &gdtr, sizeof(gdtr)));
		assert(!memcmp(&e->idtr, &idtr, sizeof(idtr)));
	}
	return result;
}

/* The one access to the device since there were `logged`, or NULL. */
static const struct access *only_access(const struct world *w, unsigned int logged)
{
	const struct access *a = &w->log[logged % WORLD_LOG];

	return w->logged == logged + 1 && !a->is_port ? a : NULL;
}

/* An instruction that is done, with the registers before it, is what emu_move() makes of it. */
static void check_move(struct world *w, struct emu_regs regs, const struct access *a)
{
	struct emu_move m = { .rip = regs.rip, .write = a->write, .io = { .addr = a->addr } };
	const struct emu_regs *after = &w->emu.regs;

	if (regs.rip > WORLD_SIZE - EMU_MAX_CODE ||
	    !emu_move(&w->cache, regs.gpr, w->memory + regs.rip, &m))
		return;
	w->moves++;
	if (!a->write)
		emu_move_end(&m, regs.gpr, &a->data);
	assert(m.io.addr == a->addr && m.io.len == a->len && !m.io.is_port);
	assert(!a->write || !memcmp(m.io.data, &a->data, a->len));
	assert(!memcmp(regs.gpr, after->gpr, sizeof(regs.gpr)) && m.next_rip == after->rip);
	assert((regs.rflags & ~(uint64_t)RFLAGS_RF) == after->rflags);
}

enum emu_result world_step(struct world *w)
{
	const struct emu_regs before = w->emu.regs;
	const unsigned int logged = w->logged;
	enum emu_result result = step(&w->emu);

	for (unsigned int i = 0; result == EMU_WAIT && i < MAX_ROUNDS; i++) {
		serve_read(w);
		result = step(&w->emu);
	}
	if (result != EMU_OK)
		return result;
	serve_writes(w);
	if (only_access(w, logged))
		check_move(w, before, only_access(w, logged));
	return result;
}
