// SPDX-License-Identifier: MIT
/*
 * Memory of the guest: segmentation, alignment and canonical checks, pages, and the pieces
 * that user space serves.
 */
#include "insn.h"

#define TYPE_CODE 0x8U
#define TYPE_DOWN 0x4U /* data: expand-down */
#define TYPE_READWRITE 0x2U /* data: writable; code: readable */

int mem_canonical(const struct emu *e, uint64_t gla)
{
	unsigned int unused = e->cr4 & CR4_LA57 ? 7 : 16;

	return (uint64_t)((int64_t)(gla << unused) >> unused) == gla;
}

/* APM vol. 2, 4.7.3. */
static int limit_allows(const struct mk_seg *seg, uint64_t ea, unsigned int len)
{
	uint64_t top = seg->limit;

	if ((seg->attrib & (TYPE_CODE | TYPE_DOWN)) == TYPE_DOWN) {
		if (ea <= top)
			return 0;
		top = seg->attrib & MK_ATTR_DB ? 0xFFFFFFFF : 0xFFFF;
	}
	return ea <= top && len - 1 <= top - ea;
}

static int type_allows(const struct emu *e, const struct mk_seg *seg, unsigned int access)
{
	unsigned int code = seg->attrib & TYPE_CODE, rw = seg->attrib & TYPE_READWRITE;

	if (!is_protected(e))
		return 1;
	if (!(seg->attrib & MK_ATTR_P))
		return 0;
	return access & EMU_WRITE ? rw && !code : rw || !code;
}

static int linear64(struct emu *e, unsigned int seg, uint64_t ea, unsigned int len, uint64_t *gla)
{
	*gla = ea;
	if (seg == MK_FS || seg == MK_GS)
		*gla += e->regs.seg[seg].base;
	if (!mem_canonical(e, *gla) || !mem_canonical(e, *gla + len - 1))
		return fault(e, seg == MK_SS ? VEC_SS : VEC_GP);
	return EMU_OK;
}

static int linear(struct emu *e, unsigned int index, uint64_t ea, unsigned int len,
		  unsigned int access, uint64_t *gla)
{
	const struct mk_seg *seg = &e->regs.seg[index];

	if (is_long64(e))
		return linear64(e, index, ea, len, gla);
	*gla = (uint32_t)(seg->base + ea);
	if (!type_allows(e, seg, access) || !limit_allows(seg, ea, len))
		return fault(e, index == MK_SS ? VEC_SS : VEC_GP);
	return EMU_OK;
}

int mem_span_linear(struct emu *e, uint64_t gla, unsigned int len, unsigned int access,
		    struct span *span)
{
	unsigned int here = PAGE_SIZE - gla % PAGE_SIZE;
	uint64_t second;
	int err;

	span->len = len;
	span->first = here < len ? here : len;
	err = e->ops->translate(e, gla, access, &span->gpa[0]);
	if (err || here >= len)
		return err;
	second = is_long64(e) ? gla + here : (uint32_t)(gla + here);
	return e->ops->translate(e, second, access, &span->gpa[1]);
}

/*
 * As AMD's CPUs do it, the #AC comes before page faults, the #GP of aligned SSE accesses before
 * segment faults too.
 */
static int check_alignment(struct emu *e, unsigned int seg, uint64_t ea, unsigned int len,
			   unsigned int align)
{
	/* cppcheck-suppress arrayIndexOutOfBoundsCond ; it thinks that all smaller ones are meant */
	uint64_t base = is_long64(e) && seg < MK_FS ? 0 : e->regs.seg[seg].base;
	/* Of 32 bytes each half is looked at, but where the instruction itself asks for more. */
	unsigned int unit = align == ALIGN_AC && len > 16 ? 16 : len;

	if (align == ALIGN_NONE || !((base + ea) & (unit - 1)))
		return EMU_OK;
	if (align == ALIGN_GP)
		return fault(e, VEC_GP);
	if (e->cr0 & CR0_AM && e->regs.rflags & FLAG_AC && e->cpl == 3)
		return fault(e, VEC_AC);
	return EMU_OK;
}

int mem_span(struct emu *e, unsigned int seg, uint64_t ea, unsigned int len, unsigned int access,
	     unsigned int align, struct span *span)
{
	uint64_t gla;
	int err = align == ALIGN_GP ? check_alignment(e, seg, ea, len, align) : EMU_OK;

	if (!err)
		err = linear(e, seg, ea, len, access, &gla);
	if (!err && align == ALIGN_AC)
		err = check_alignment(e, seg, ea, len, align);
	if (!err)
		err = mem_span_linear(e, gla, len, access | (e->cpl == 3 ? EMU_USER : 0), span);
	return err;
}

/* What user space gave in an earlier round; or what it is asked for now. */
static int ask(struct emu *e, const struct emu_io *io, void *buf)
{
	struct emu_pending *p = &e->pending;
	const struct emu_io *have = &p->read[e->reads_used];

	if (e->reads_used < p->reads) {
		if (have->addr == io->addr && have->len == io->len &&
		    have->is_port == io->is_port) {
			memcpy(buf, have->data, io->len);
			e->reads_used++;
			return EMU_OK;
		}
		/* The guest's memory changed: what came after isn't the answer any more. */
		p->reads = e->reads_used;
	}
	if (p->reads == EMU_MAX_READS)
		return EMU_UNHANDLED;
	p->want = *io;
	return EMU_WAIT;
}

static int tell(struct emu *e, uint64_t addr, int is_port, const void *buf, unsigned int len)
{
	struct emu_io *io = &e->out[e->outs];

	if (e->outs == EMU_MAX_WRITES)
		return EMU_UNHANDLED;
	*io = (struct emu_io){ .addr = addr, .len = len, .is_port = is_port };
	memcpy(io->data, buf, len);
	e->outs++;
	return EMU_OK;
}

static unsigned int piece(unsigned int left)
{
	return left < 8 ? left : 8;
}

static int load_part(struct emu *e, uint64_t gpa, uint8_t *buf, unsigned int len)
{
	int err = e->ops->load(e, gpa, buf, len);

	if (err != EMU_NOT_MEMORY)
		return err;
	err = EMU_OK;
	for (unsigned int at = 0; at < len && !err; at += 8) {
		struct emu_io io = { .addr = gpa + at, .len = piece(len - at) };

		err = ask(e, &io, buf + at);
	}
	return err;
}

static int store_part(struct emu *e, uint64_t gpa, const uint8_t *buf, unsigned int len)
{
	int err = e->ops->store(e, gpa, buf, len);

	if (err != EMU_NOT_MEMORY)
		return err;
	err = EMU_OK;
	for (unsigned int at = 0; at < len && !err; at += 8)
		err = tell(e, gpa + at, 0, buf + at, piece(len - at));
	return err;
}

int mem_load(struct emu *e, const struct span *span, void *buf)
{
	int err = load_part(e, span->gpa[0], buf, span->first);

	if (!err && span->first < span->len)
		err = load_part(e, span->gpa[1], (uint8_t *)buf + span->first,
				span->len - span->first);
	return err;
}

int mem_store(struct emu *e, const struct span *span, const void *buf)
{
	int err = store_part(e, span->gpa[0], buf, span->first);

	if (!err && span->first < span->len)
		err = store_part(e, span->gpa[1], (const uint8_t *)buf + span->first,
				 span->len - span->first);
	return err;
}

/* Over a page's end, and with devices, it isn't atomic: KVM's isn't either. */
int mem_exchange(struct emu *e, const struct span *span, const void *old, const void *value)
{
	int err;

	if (span->first < span->len)
		return mem_store(e, span, value);
	err = e->ops->cmpxchg(e, span->gpa[0], old, value, span->len);
	return err == EMU_NOT_MEMORY ? mem_store(e, span, value) : err;
}

int mem_read(struct emu *e, unsigned int seg, uint64_t ea, void *buf, unsigned int len)
{
	struct span span;
	int err = mem_span(e, seg, ea, len, EMU_READ, ALIGN_AC, &span);

	return err ? err : mem_load(e, &span, buf);
}

int mem_write(struct emu *e, unsigned int seg, uint64_t ea, const void *buf, unsigned int len)
{
	struct span span;
	int err = mem_span(e, seg, ea, len, EMU_WRITE, ALIGN_AC, &span);

	return err ? err : mem_store(e, &span, buf);
}

int mem_port_in(struct emu *e, uint16_t port, void *buf, unsigned int len)
{
	struct emu_io io = { .addr = port, .len = len, .is_port = 1 };

	return ask(e, &io, buf);
}

int mem_port_out(struct emu *e, uint16_t port, const void *buf, unsigned int len)
{
	return tell(e, port, 1, buf, len);
}

uint64_t mem_code(const struct emu *e)
{
	if (is_long64(e))
		return e->regs.rip;
	return (uint32_t)(e->regs.seg[MK_CS].base + e->regs.rip);
}

/* Code in a device's memory isn't executed, as in KVM. */
int mem_fetch(struct emu *e, uint64_t gla, void *buf, unsigned int len)
{
	struct span span;
	int err = mem_span_linear(e, gla, len, EMU_EXEC | (e->cpl == 3 ? EMU_USER : 0), &span);

	if (err)
		return err;
	err = e->ops->load(e, span.gpa[0], buf, len);
	return err == EMU_NOT_MEMORY ? EMU_UNHANDLED : err;
}
