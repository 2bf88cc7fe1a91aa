// SPDX-License-Identifier: MIT
/*
 * Registers between the neutral state page and the VMCB: commit before an entry, collect
 * after an exit, fetch on demand.
 */
#include <asm/processor-flags.h>

#include "backend.h"
#include "svm.h"

/* A VMCB squeezes descriptor bits 52-55 to bits 8-11, APM vol. 2, 15.5.1. */
u16 svm_attrib(u16 a)
{
	return (a & 0xFF) | (a & 0xF00) << 4;
}

struct vmcb_seg svm_seg(struct mk_seg s)
{
	return (struct vmcb_seg){
		.selector = s.selector,
		.attrib = (s.attrib & 0xFF) | (s.attrib >> 4 & 0xF00),
		.limit = s.limit,
		.base = s.base,
	};
}

static struct mk_seg neutral_seg(struct vmcb_seg s)
{
	return (struct mk_seg){ s.selector, svm_attrib(s.attrib), s.limit, s.base };
}

/*
 * A guest that turns its cache off would only slow down the machine: CD and NW stay out of the
 * CPU, and whoever looks at CR0 then is shown them by ring 3. What the TLB knows is of no use
 * after a change of these four (APM vol. 2, 5.5.3): a new ASID has nothing there.
 */
static void commit_cr(struct vs *vs, struct vmcb *v, const struct mk_state *s)
{
	vs->cr0_hidden = is_root(vs) ? 0 : s->cr0 & (X86_CR0_CD | X86_CR0_NW);
	v->cr_read = vs->cr0_hidden ? BIT(0) : 0;
	v->cr_write = is_root(vs) ? 0 : v->cr_read | BIT(4) | BIT(8);
	if (v->cr0 != (s->cr0 & ~vs->cr0_hidden) || v->cr3 != s->cr3 || v->cr4 != s->cr4 ||
	    v->efer != (s->efer | EFER_SVME))
		vs->asid_generation = 0;
	v->cr0 = s->cr0 & ~vs->cr0_hidden;
	v->cr2 = s->cr2;
	v->cr3 = s->cr3;
	v->cr4 = s->cr4;
	v->efer = s->efer | EFER_SVME; /* VMRUN wants it, APM vol. 2, 15.5.1 */
}

/* Members that both pages have. */
#define SEGS(X) X(ES, es) X(CS, cs) X(SS, ss) X(DS, ds) X(FS, fs) X(GS, gs) X(LDTR, ldtr) X(TR, tr)
#define MSRS(X)                                                                                    \
	X(star) X(lstar) X(cstar) X(sfmask) X(kernel_gs_base)                                      \
	X(sysenter_cs) X(sysenter_esp) X(sysenter_eip) X(pat)

#define COMMIT_SEG(NAME, name) v->name = svm_seg(s->seg[MK_##NAME]);
#define FETCH_SEG(NAME, name) s->seg[MK_##NAME] = neutral_seg(v->name);
#define COMMIT_MSR(name) v->name = s->name;
#define FETCH_MSR(name) s->name = v->name;

static void commit_seg(struct vmcb *v, const struct mk_state *s)
{
	SEGS(COMMIT_SEG)
	v->cpl = v->ss.attrib >> 5 & 3;
}

static void commit_msr(struct vs *vs, struct vmcb *v, const struct mk_state *s)
{
	vs->tsc_aux = s->tsc_aux;
	MSRS(COMMIT_MSR)
}

/* What XSETBV takes, APM vol. 4, XSETBV: x87 always, AVX only with SSE, AVX-512 as a whole. */
static bool xcr0_valid(u64 xcr0, u64 all)
{
	const u64 sse = BIT(1), avx = BIT(2), avx512 = BIT(5) | BIT(6) | BIT(7);
	u64 high = xcr0 & avx512;

	return (xcr0 & BIT(0)) && !(xcr0 & ~all) && (!(xcr0 & avx) || xcr0 & sse) &&
	       (!high || (high == avx512 && xcr0 & avx));
}

static void commit_xcr0(struct vs *vs, u64 xcr0)
{
	if (xcr0_valid(xcr0, cpu_this()->xcr0_all))
		vs->xcr0 = xcr0;
}

static void commit_groups(struct vs *vs, struct vmcb *v, const struct mk_state *s, u32 dirty)
{
	if (dirty & MK_G_CR)
		commit_cr(vs, v, s);
	if (dirty & MK_G_SEG)
		commit_seg(v, s);
	if (dirty & MK_G_TABLE) {
		v->gdtr = svm_seg(s->gdtr);
		v->idtr = svm_seg(s->idtr);
	}
	if (dirty & MK_G_DR) {
		v->dr6 = s->dr6;
		v->dr7 = s->dr7;
	}
	if (dirty & MK_G_MSR)
		commit_msr(vs, v, s);
	if (dirty & MK_G_XCR)
		commit_xcr0(vs, __atomic_load_n(&s->xcr0, __ATOMIC_RELAXED));
	if (dirty & MK_G_TSC)
		v->tsc_offset = s->tsc_offset;
}

static u32 clean_of(u32 dirty)
{
	return (dirty & MK_G_CR ? CLEAN_I | CLEAN_CR | CLEAN_CR2 | CLEAN_TPR : 0) |
	       (dirty & MK_G_SEG ? CLEAN_SEG : 0) | (dirty & MK_G_TABLE ? CLEAN_DT : 0) |
	       (dirty & MK_G_DR ? CLEAN_DR : 0) | (dirty & MK_G_MSR ? CLEAN_NP : 0) |
	       (dirty & MK_G_TSC ? CLEAN_I : 0);
}

u64 svm_event_inj(struct mk_event e)
{
	static const u8 type[] = {
		[MK_EVENT_INTR] = 0, [MK_EVENT_NMI] = 2, [MK_EVENT_EXCEPTION] = 3, [MK_EVENT_SOFT] = 4,
	};

	if (e.type == MK_EVENT_NONE || e.type >= ARRAY_SIZE(type))
		return 0;
	return e.vector | (u64)type[e.type] << EVENT_TYPE_SHIFT | EVENT_VALID |
	       (e.has_error ? EVENT_HAS_ERROR | (u64)e.error << 32 : 0);
}

/*
 * The interrupt window is the exit for a virtual interrupt that is never delivered: any
 * vector, whatever the task priority.
 */
static void commit_v_intr(struct vs *vs, struct vmcb *v, u64 cr8, u32 window)
{
	u32 want = (window & MK_WINDOW_INTR ? I1_VINTR : 0) | (window & MK_WINDOW_IRET ? I1_IRET : 0);

	if (is_root(vs))
		return;
	v->v_intr = V_INTR_MASKING | (cr8 & V_TPR_MASK);
	if (window & MK_WINDOW_INTR)
		v->v_intr |= V_IRQ | V_IGN_TPR;
	if (!want && !(v->intercept1 & (I1_VINTR | I1_IRET)))
		return;
	v->intercept1 = (v->intercept1 & ~(I1_VINTR | I1_IRET)) | want;
	v->clean &= ~(CLEAN_I | CLEAN_TPR);
}

/* The groups that ring 3 has changed, and the windows that it asks for. */
void svm_commit_changed(struct vs *vs, u32 dirty, u32 window)
{
	struct mk_state *s = vs->state;
	struct vmcb *v = vmcb_of(vs);

	s->dirty = 0;
	commit_groups(vs, v, s, dirty);
	v->clean &= ~clean_of(dirty);
	commit_v_intr(vs, v, s->cr8, window);
	vs->window = window;
}

void backend_fetch(struct vs *vs, u32 groups)
{
	const struct vmcb *v = vmcb_of(vs);
	struct mk_state *s = vs->state;
	const struct cpu *cpu = cpu_this();

	if (groups & MK_G_CR)
		svm_fetch_cr(s, v, vs->cr0_hidden);
	if (groups & MK_G_RAW)
		memcpy(s->exit.raw, &v->exit_code, sizeof(s->exit.raw));
	if (groups & MK_G_SEG) {
		SEGS(FETCH_SEG)
	}
	if (groups & MK_G_TABLE) {
		s->gdtr = neutral_seg(v->gdtr);
		s->idtr = neutral_seg(v->idtr);
	}
	if (groups & MK_G_DR) {
		if (cpu->fpu == vs && vs->debug_regs)
			hw_read_dr(s->dr);
		s->dr6 = v->dr6;
		s->dr7 = v->dr7;
	}
	if (groups & MK_G_MSR) {
		MSRS(FETCH_MSR)
		s->tsc_aux = vs->tsc_aux;
	}
	if (groups & MK_G_XCR) /* where XSETBV is not intercepted, the VS may have changed it */
		s->xcr0 = cpu->fpu == vs && cpu->xcr0_all ? hw_xgetbv() : vs->xcr0;
}
