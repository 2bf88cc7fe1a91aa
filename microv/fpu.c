// SPDX-License-Identifier: MIT
/* The FPU state of guests: between ring 0, which has it, and the shared page. See fpu.h. */
#include "fpu.h"
#include "cpuid.h"
#include "xcr.h"

#define FCW_INIT 0x37F
#define MXCSR_INIT 0x1F80
#define XSTATE_LEGACY (XCR0_X87 | XCR0_SSE)
/* What brings MXCSR, as in KVM. */
#define XSTATE_MXCSR (XCR0_X87 | XCR0_SSE | XCR0_AVX)
#define XSTATE_HEADER_BYTES 64

static int have_xsave(void)
{
	return !!(xcr0_supported() & XCR0_SSE);
}

/* The CPU that the VS ran on last has its state until it runs root. */
static int64_t copy_state(const struct vs *vs, struct mv_xsave_t *x, int set)
{
	int64_t err;

	while (err = mk_vs_fpu(vs->id, x, set), err == -MK_EBUSY)
		__builtin_ia32_pause();
	return err;
}

static void copy_component(struct mv_xsave_t *to, const struct mv_xsave_t *from, unsigned int i)
{
	uint32_t r[4];

	cpuid(0xD, i, r);
	if (r[CPUID_EBX] <= sizeof(*to) && r[CPUID_EAX] <= sizeof(*to) - r[CPUID_EBX])
		memcpy((char *)to + r[CPUID_EBX], (const char *)from + r[CPUID_EBX], r[CPUID_EAX]);
}

/* What isn't in XSTATE_BV gets its initial values, what belongs to no component is 0. */
static void copy_components(struct mv_xsave_t *to, const struct mv_xsave_t *from)
{
	uint64_t bv = from->xstate_bv, extended = bv & xcr0_supported() & ~XSTATE_LEGACY;

	memset(to, 0, sizeof(*to));
	memcpy(&to->xstate_bv, &from->xstate_bv, XSTATE_HEADER_BYTES);
	to->fcw = FCW_INIT;
	to->mxcsr = MXCSR_INIT;
	to->mxcsr_mask = from->mxcsr_mask;
	if (bv & XCR0_X87) {
		memcpy(to, from, offsetof(struct mv_xsave_t, mxcsr));
		memcpy(to->st, from->st, sizeof(to->st));
	}
	if (bv & XSTATE_MXCSR)
		to->mxcsr = from->mxcsr;
	if (bv & XCR0_SSE)
		memcpy(to->xmm, from->xmm, sizeof(to->xmm));
	for (unsigned int i = 2; i < 63; i++)
		if (extended >> i & 1)
			copy_component(to, from, i);
}

void fpu_read(const struct vs *vs, struct mv_xsave_t *x)
{
	struct mv_xsave_t all;

	copy_state(vs, &all, 0);
	if (!have_xsave())
		all.xstate_bv = XSTATE_LEGACY;
	all.xstate_bv &= cpuid_xcr0(vs) | XSTATE_LEGACY;
	/* XSAVE stores it whatever it says of SSE. */
	if (all.mxcsr != MXCSR_INIT && !(all.xstate_bv & (XCR0_SSE | XCR0_AVX)))
		all.xstate_bv |= XCR0_SSE;
	copy_components(x, &all);
}

int fpu_write(const struct vs *vs, const struct mv_xsave_t *x)
{
	struct mv_xsave_t all;

	if (x->xstate_bv & ~(xcr0_guest() | XSTATE_LEGACY))
		return -1;
	copy_components(&all, x);
	if (!have_xsave())
		all.xstate_bv = 0;
	return copy_state(vs, &all, 1) ? -1 : 0;
}

static mv_status_t begin(struct call *c, struct vs *vs)
{
	if (!cpus[c->cpu].shared)
		return MV_STATUS_FAILURE_UNKNOWN;
	return vs_take(c, vs);
}

static mv_status_t get(struct call *c, size_t bytes)
{
	struct mv_xsave_t x;
	struct vs vs;
	mv_status_t status = begin(c, &vs);

	if (status != MV_STATUS_SUCCESS)
		return status;
	fpu_read(&vs, &x);
	vs_drop(c, &vs);
	memset((char *)&x + bytes, 0, sizeof(x) - bytes);
	memcpy(mk_shared(), &x, sizeof(x));
	return MV_STATUS_SUCCESS;
}

static mv_status_t set(struct call *c, size_t bytes)
{
	struct mv_xsave_t x;
	struct vs vs;
	mv_status_t status = begin(c, &vs);

	if (status != MV_STATUS_SUCCESS)
		return status;
	if (bytes < sizeof(x)) {
		fpu_read(&vs, &x);
		x.xstate_bv |= XSTATE_LEGACY;
	}
	copy_once(&x, mk_shared(), bytes);
	if (fpu_write(&vs, &x))
		status = MV_STATUS_FAILURE_UNKNOWN;
	vs_drop(c, &vs);
	return status;
}

#define FXSAVE_BYTES offsetof(struct mv_xsave_t, xstate_bv)

mv_status_t hc_vs_fpu_get_all(struct call *c)
{
	return get(c, FXSAVE_BYTES);
}

mv_status_t hc_vs_fpu_set_all(struct call *c)
{
	return set(c, FXSAVE_BYTES);
}

/* REG2 is the number of a page, and there is only one. */
mv_status_t hc_vs_xsave_get_all(struct call *c)
{
	return c->reg[2] ? MV_STATUS_INVALID_INPUT_REG2 : get(c, sizeof(struct mv_xsave_t));
}

mv_status_t hc_vs_xsave_set_all(struct call *c)
{
	return c->reg[2] ? MV_STATUS_INVALID_INPUT_REG2 : set(c, sizeof(struct mv_xsave_t));
}
