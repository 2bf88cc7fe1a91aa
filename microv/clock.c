// SPDX-License-Identifier: MIT
/* The clocks of VMs, and the hypercalls by which root tells the time. See clock.h. */
#include "clock.h"
#include "log.h"
#include "tsc.h"
#include "vm_table.h"

#define NS_PER_MS 1000000ULL
#define NS_PER_S 1000000000ULL
#define MEASURE_FIRST (NS_PER_S / 2)
#define MEASURE_LONG (16 * NS_PER_S)
#define MEASURE_MAX (1000000 * NS_PER_S) /* so that nothing overflows */
#define MEASURE_FACTOR 16U /* what is further off isn't a frequency: a clock was set */

struct clock_scale clock_scale_of(uint32_t khz)
{
	uint64_t ns = NS_PER_MS, ticks = khz;
	int8_t shift = 0;

	/* So that 1/2 <= ns / ticks < 1: mul has all its 32 bits. */
	for (; ns >= ticks; ticks <<= 1)
		shift++;
	for (; ns << 1 < ticks; ns <<= 1)
		shift--;
	return (struct clock_scale){ .mul = (uint32_t)((ns << 32) / ticks), .shift = shift };
}

/* In this order of operations, since guests compute it so; but nothing overflows here. */
uint64_t clock_scale(const struct clock_scale *scale, uint64_t ticks)
{
	unsigned __int128 t = ticks;

	t = scale->shift < 0 ? t >> -scale->shift : t << scale->shift;
	return (uint64_t)(t * scale->mul >> 32);
}

/* A TSC from before is none: two CPUs' need not be in step. */
static uint64_t since(const struct cpu_time *t, uint64_t tsc, uint64_t before)
{
	return tsc > before ? clock_scale(&t->scale, tsc - before) : 0;
}

/* Root's clock, which is never set, as this CPU knows it. */
static uint64_t root_ns(const struct cpu_time *t, uint64_t tsc)
{
	return t->ns + since(t, tsc, t->tsc);
}

uint64_t clock_at(const struct vm_clock *clock, unsigned int cpu, uint64_t tsc)
{
	const struct cpu_time *t = &cpus[cpu].time;

	return t->stable ? clock->ns + since(t, tsc, clock->tsc) : root_ns(t, tsc) + clock->ahead;
}

uint64_t clock_real(unsigned int cpu, uint64_t tsc)
{
	const struct cpu_time *t = &cpus[cpu].time;

	return t->real + since(t, tsc, t->tsc);
}

static void set_at(struct vm_clock *clock, unsigned int cpu, uint64_t tsc, uint64_t ns)
{
	clock->tsc = tsc;
	clock->ns = ns;
	clock->ahead = ns - root_ns(&cpus[cpu].time, tsc);
	clock->sets++;
	__atomic_fetch_add(&clock->changes, 1, __ATOMIC_RELAXED);
}

void clock_start(struct vm_clock *clock, unsigned int cpu)
{
	*clock = (struct vm_clock){ 0 };
	set_at(clock, cpu, rdtsc(), 0);
}

void clock_rebase(struct vm_clock *clock, unsigned int cpu)
{
	uint64_t now = rdtsc();

	if (!cpus[cpu].time.stable)
		return;
	clock->ns = clock_at(clock, cpu, now);
	clock->tsc = now;
	__atomic_fetch_add(&clock->changes, 1, __ATOMIC_RELAXED);
}

int clock_stable(const struct vm *vm, unsigned int cpu)
{
	return cpus[cpu].time.stable && tsc_in_step(vm);
}

mv_status_t hc_pp_tsc_get_khz(struct call *c)
{
	const struct cpu_time *t = &cpus[c->cpu].time;

	if (!t->khz)
		return MV_STATUS_FAILURE_UNKNOWN;
	c->reg[0] = t->khz;
	c->reg[1] = t->stable ? MV_TSC_STABLE : 0;
	return MV_STATUS_SUCCESS;
}

static void scale_set(struct cpu_time *t)
{
	t->scale = clock_scale_of(!t->stable && t->measured ? t->measured : t->khz);
}

mv_status_t hc_pp_tsc_set_khz(struct call *c)
{
	struct cpu_time *t = &cpus[c->cpu].time;

	if (!c->reg[1] || c->reg[1] > UINT32_MAX)
		return MV_STATUS_INVALID_INPUT_REG1;
	if (c->reg[2] & ~MV_TSC_STABLE)
		return MV_STATUS_INVALID_INPUT_REG2;
	t->khz = (uint32_t)c->reg[1];
	t->stable = !!(c->reg[2] & MV_TSC_STABLE);
	scale_set(t);
	t->told++;
	if (!t->stable)
		LOG_ONCE("the TSC isn't stable, guests see root's time by it: kHz", t->khz);
	return MV_STATUS_SUCCESS;
}

static void measure_from(struct cpu_time *t)
{
	t->base_tsc = t->tsc;
	t->base_ns = t->ns;
}

/* To 5 %: what Linux has measured is more exact then. */
static int close(uint64_t khz, uint64_t told)
{
	return khz > told - told / 20 && khz < told + told / 20;
}

/*
 * Where Linux's clocks don't go by the TSC, what it takes for the TSC's frequency may be far
 * from the truth, or be it no longer: what counts is how far both went. The longer, the less
 * it matters that they were not read at once.
 */
static void measure(struct cpu_time *t)
{
	uint64_t passed = t->ns - t->base_ns, khz;

	if (!t->base_ns || t->ns <= t->base_ns || t->tsc <= t->base_tsc || passed > MEASURE_MAX) {
		measure_from(t);
		return;
	}
	if (passed < (t->settled ? MEASURE_LONG : MEASURE_FIRST))
		return;
	khz = (t->tsc - t->base_tsc) * 1000 / (passed / 1000);
	if (khz / MEASURE_FACTOR < t->khz && khz > t->khz / MEASURE_FACTOR && khz <= UINT32_MAX)
		t->measured = close(khz, t->khz) ? t->khz : (uint32_t)khz;
	if (passed < MEASURE_LONG)
		return;
	t->settled = 1;
	measure_from(t);
}

mv_status_t hc_pp_time_set(struct call *c)
{
	struct cpu_time *t = &cpus[c->cpu].time;

	if (!t->khz)
		return MV_STATUS_FAILURE_UNKNOWN;
	t->tsc = c->reg[1];
	t->ns = c->reg[2];
	t->real = c->reg[3];
	measure(t);
	scale_set(t);
	t->told++;
	return MV_STATUS_SUCCESS;
}

/* Locks the VM of REG1, as vm_take(), when this CPU knows the time. */
static mv_status_t take(struct call *c, struct vm **vm)
{
	if (!cpus[c->cpu].time.khz)
		return MV_STATUS_FAILURE_UNKNOWN;
	return vm_take(c, vm, 0);
}

mv_status_t hc_vm_clock_get(struct call *c)
{
	struct vm *vm;
	mv_status_t status = take(c, &vm);

	if (status != MV_STATUS_SUCCESS)
		return status;
	c->reg[0] = clock_at(&vm->clock, c->cpu, c->reg[2] ? c->reg[2] : rdtsc());
	c->reg[1] = clock_stable(vm, c->cpu) ? MV_CLOCK_STABLE : 0;
	lock_drop(&vm->lock);
	return MV_STATUS_SUCCESS;
}

mv_status_t hc_vm_clock_set(struct call *c)
{
	struct vm *vm;
	mv_status_t status = take(c, &vm);

	if (status != MV_STATUS_SUCCESS)
		return status;
	set_at(&vm->clock, c->cpu, c->reg[3] ? c->reg[3] : rdtsc(), c->reg[2]);
	lock_drop(&vm->lock);
	return MV_STATUS_SUCCESS;
}
