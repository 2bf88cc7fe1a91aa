// SPDX-License-Identifier: MIT
/*
 * XMM, YMM and MMX registers in the FPU state of a guest. See vector.h. The state is copied
 * from ring 0 at the first use only: most emulated instructions have none of them.
 */
#include "vector.h"
#include "cpuid.h"
#include "log.h"
#include "xcr.h"

#define MMX_REGISTERS 8U
#define FSW_TOP_SHIFT 11
#define FSW_TOP 0x3800
#define HALF 16U /* bytes of an XMM register, and of the upper half of a YMM register */

static struct mv_xsave_t *load(struct vectors *v, const struct vs *vs)
{
	if (!v->loaded)
		fpu_read(vs, &v->x);
	v->loaded = 1;
	return &v->x;
}

/* Where the upper half of a YMM register is, or NULL if the VS has none. */
static uint8_t *upper_half(struct mv_xsave_t *x, const struct vs *vs, unsigned int n)
{
	uint32_t r[4];

	if (!(cpuid_xcr0(vs) & XCR0_AVX))
		return NULL;
	cpuid(0xD, 2, r);
	if (r[CPUID_EBX] > sizeof(*x) - 16 * HALF)
		return NULL;
	return (uint8_t *)x + r[CPUID_EBX] + n * HALF;
}

/* XSAVE counts from the top of the x87 stack, MMX registers are numbered as they are. */
static uint8_t *mmx(struct mv_xsave_t *x, unsigned int n)
{
	unsigned int top = (x->fsw & FSW_TOP) >> FSW_TOP_SHIFT;

	return x->st[(n - top) % MMX_REGISTERS];
}

void vector_get(struct vectors *v, const struct vs *vs, unsigned int n, uint8_t value[32])
{
	struct mv_xsave_t *x = load(v, vs);
	const uint8_t *upper;

	memset(value, 0, 2 * HALF);
	if (n >= EMU_MMX) {
		memcpy(value, mmx(x, n - EMU_MMX), 8);
		return;
	}
	memcpy(value, x->xmm[n], HALF);
	upper = upper_half(x, vs, n);
	if (upper)
		memcpy(value + HALF, upper, HALF);
}

/* All registers become valid, and the first one the top: APM vol. 1, 5.13. */
static void mmx_begin(struct mv_xsave_t *x)
{
	uint8_t st[MMX_REGISTERS][16];

	for (unsigned int n = 0; n < MMX_REGISTERS; n++)
		memcpy(st[n], mmx(x, n), sizeof(st[n]));
	memcpy(x->st, st, sizeof(st));
	x->fsw &= ~FSW_TOP;
	x->ftw = 0xFF;
	x->xstate_bv |= XCR0_X87;
}

void vector_set(struct vectors *v, const struct vs *vs, unsigned int n, const uint8_t value[32])
{
	struct mv_xsave_t *x = load(v, vs);
	uint8_t *upper;

	v->dirty = 1;
	if (n >= EMU_MMX) {
		mmx_begin(x);
		memcpy(x->st[n - EMU_MMX], value, 8);
		memset(x->st[n - EMU_MMX] + 8, 0xFF, 2);
		return;
	}
	memcpy(x->xmm[n], value, HALF);
	x->xstate_bv |= XCR0_SSE;
	upper = upper_half(x, vs, n);
	if (!upper)
		return;
	memcpy(upper, value + HALF, HALF);
	x->xstate_bv |= XCR0_AVX;
}

void vector_commit(const struct vectors *v, const struct vs *vs)
{
	if (v->dirty && fpu_write(vs, &v->x))
		LOG("a guest's own FPU state is refused: VS", vs->id);
}
