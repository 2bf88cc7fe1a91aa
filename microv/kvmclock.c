// SPDX-License-Identifier: MIT
/* The guest's view of its VM's clock, see kvmclock.h. */
#include "kvmclock.h"
#include "clock.h"
#include "vm_table.h"
#include "walk.h"

#define NS_PER_S 1000000000ULL

/* As Linux's arch/x86/include/asm/pvclock-abi.h has them; odd versions are being written. */
struct time_info {
	uint32_t version, pad0;
	uint64_t tsc, ns; /* at this TSC of the VS the clock showed ns */
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad[2];
};
MV_ABI_SIZE(struct time_info, 32);

#define TIME_STABLE 1U /* all VSs see the same */
#define TIME_STOPPED 2U /* the VM was stopped for a while; cleared by the guest */

struct wall_info {
	uint32_t version, s, ns;
};
MV_ABI_SIZE(struct wall_info, 12);

static struct vs_time *time_of(const struct vs *vs)
{
	return &state_data(vs->st)->time;
}

static struct vm_clock *clock_of(const struct vs *vs)
{
	return &vms[vs->vmid].clock;
}

int kvmclock_msr(uint64_t index)
{
	return index == MSR_WALL_CLOCK || index == MSR_WALL_CLOCK_OLD || index == MSR_SYSTEM_TIME ||
	       index == MSR_SYSTEM_TIME_OLD;
}

static int is_wall_clock(uint64_t index)
{
	return index == MSR_WALL_CLOCK || index == MSR_WALL_CLOCK_OLD;
}

uint64_t kvmclock_read(const struct vs *vs, uint64_t index)
{
	return is_wall_clock(index) ? __atomic_load_n(&clock_of(vs)->wall, __ATOMIC_RELAXED)
				    : time_of(vs)->kvmclock;
}

/* Both structures begin with their version: *version is made odd, and then even again. */
static int write_begin(struct vs *vs, uint64_t gpa, uint32_t *version)
{
	uint32_t old;
	int err = walk_gpa_copy(vs->cpu, vs, gpa, &old, sizeof(old), 0);

	if (err)
		return err;
	*version = (old + 1) | 1;
	return walk_gpa_cmpxchg(vs->cpu, vs, gpa, &old, version, sizeof(old));
}

static int write_end(struct vs *vs, uint64_t gpa, uint32_t *version, void *info, size_t len)
{
	uint32_t old = *version;

	*version += 1;
	if (walk_gpa_copy(vs->cpu, vs, gpa + sizeof(old), (char *)info + sizeof(old),
			  len - sizeof(old), 1))
		return -1;
	return walk_gpa_cmpxchg(vs->cpu, vs, gpa, &old, version, sizeof(old)) ? -1 : 0;
}

/* The time at which the VM's clock was 0. Memory that isn't there stays as it is: -MK_EAGAIN. */
static int wall_clock_show(struct vs *vs, uint64_t gpa)
{
	const struct cpu_time *t = &cpus[vs->cpu].time;
	uint64_t now = rdtsc(), ns;
	struct wall_info info;
	int err;

	time_of(vs)->wall_due = 0;
	if (!gpa || !t->khz)
		return 0;
	lock_take(&vms[vs->vmid].lock, vs->cpu);
	ns = clock_real(vs->cpu, now) - clock_at(clock_of(vs), vs->cpu, now);
	lock_drop(&vms[vs->vmid].lock);
	info.s = (uint32_t)(ns / NS_PER_S);
	info.ns = ns % NS_PER_S;
	err = write_begin(vs, gpa, &info.version);
	if (!err)
		write_end(vs, gpa, &info.version, &info, sizeof(info));
	time_of(vs)->wall_due = err == -MK_EAGAIN;
	return err == -MK_EAGAIN ? err : 0;
}

void kvmclock_write(struct vs *vs, uint64_t index, uint64_t value, int guest)
{
	struct vs_time *t = time_of(vs);

	if (is_wall_clock(index)) {
		__atomic_store_n(&clock_of(vs)->wall, value, __ATOMIC_RELAXED);
		wall_clock_show(vs, value);
		return;
	}
	t->kvmclock = value;
	t->shown = 0;
	if (!guest)
		return;
	t->old_msr = index == MSR_SYSTEM_TIME_OLD;
	lock_take(&vms[vs->vmid].lock, vs->cpu);
	clock_rebase(clock_of(vs), vs->cpu);
	lock_drop(&vms[vs->vmid].lock);
}

/* What the guest was shown last holds as long as nobody said anything else. */
static int is_current(const struct vs_time *t, const struct vm_clock *clock,
		      const struct cpu_time *cpu, unsigned int id)
{
	return t->shown && !t->stopped && t->stable == cpu->stable &&
	       t->changes == __atomic_load_n(&clock->changes, __ATOMIC_RELAXED) &&
	       (cpu->stable || (t->cpu == id && t->told == cpu->told));
}

/*
 * The time that a guest has seen isn't taken back, unless its clock was set: when it was
 * ahead, its clock stands there, and is up to twice as slow until it is told the next time,
 * in a second.
 */
static void never_back(const struct vs_time *t, const struct vm_clock *clock,
		       const struct clock_scale *scale, uint64_t now, struct time_info *info)
{
	uint64_t seen, ahead;

	if (!t->shown || t->sets != clock->sets || now < t->tsc)
		return;
	seen = t->ns + clock_scale(scale, now - t->tsc);
	ahead = seen - info->ns;
	if (!ahead || ahead >> 63)
		return;
	info->ns = seen;
	if (ahead > NS_PER_S / 2)
		ahead = NS_PER_S / 2;
	info->mul -= (uint32_t)(info->mul * ahead / NS_PER_S);
}

/* With the VM locked. A stable clock is the same for all: that of the VM. */
static void make_info(struct vs *vs, struct time_info *info)
{
	const struct cpu_time *cpu = &cpus[vs->cpu].time;
	const struct vm_clock *clock = clock_of(vs);
	struct vs_time *t = time_of(vs);
	uint64_t now = rdtsc();

	*info = (struct time_info){ .mul = cpu->scale.mul, .shift = cpu->scale.shift };
	if (cpu->stable) {
		now = clock->tsc;
		info->ns = clock->ns;
		if (!t->old_msr && clock_stable(&vms[vs->vmid], vs->cpu))
			info->flags = TIME_STABLE;
	} else {
		info->ns = clock_at(clock, vs->cpu, now);
		never_back(t, clock, &(struct clock_scale){ t->mul, t->shift }, now, info);
	}
	state_fetch(vs->id, vs->st, MK_G_TSC);
	info->tsc = now + vs->st->tsc_offset;
	t->tsc = now;
	t->ns = info->ns;
	t->mul = info->mul;
	t->shift = info->shift;
	t->sets = clock->sets;
	t->changes = clock->changes;
	t->told = cpu->told;
	t->cpu = (uint16_t)vs->cpu;
	t->stable = cpu->stable;
}

static int show(struct vs *vs, uint64_t gpa)
{
	struct vs_time *t = time_of(vs);
	struct time_info info;
	uint32_t version;
	uint8_t flags;
	int err;

	lock_take(&vms[vs->vmid].lock, vs->cpu);
	make_info(vs, &info);
	lock_drop(&vms[vs->vmid].lock);
	t->shown = 0;
	err = write_begin(vs, gpa, &version);
	if (!err)
		err = walk_gpa_copy(vs->cpu, vs, gpa + offsetof(struct time_info, flags), &flags, 1,
				    0);
	if (err)
		return err == -MK_EAGAIN ? err : 0;
	info.flags |= t->stopped ? TIME_STOPPED : flags & TIME_STOPPED;
	if (write_end(vs, gpa, &version, &info, sizeof(info)))
		return 0;
	t->shown = 1;
	t->stopped = 0;
	return 0;
}

__attribute__((noinline)) int kvmclock_show(struct vs *vs)
{
	const struct cpu_time *cpu = &cpus[vs->cpu].time;
	const struct vs_time *t = time_of(vs);
	uint64_t gpa = t->kvmclock & ~KVMCLOCK_ENABLE;
	int err = t->wall_due ? wall_clock_show(vs, clock_of(vs)->wall) : 0;

	if (err)
		return err;
	if (!(t->kvmclock & KVMCLOCK_ENABLE) || !cpu->khz || is_current(t, clock_of(vs), cpu, vs->cpu) ||
	    gpa % MV_PAGE_SIZE > MV_PAGE_SIZE - sizeof(struct time_info))
		return 0;
	return show(vs, gpa);
}

mv_status_t hc_vs_clock_paused(struct call *c)
{
	struct vs vs;
	mv_status_t status = vs_take(c, &vs);

	if (status != MV_STATUS_SUCCESS)
		return status;
	if (time_of(&vs)->kvmclock & KVMCLOCK_ENABLE)
		time_of(&vs)->stopped = 1;
	else
		status = MV_STATUS_FAILURE_UNKNOWN;
	vs_drop(c, &vs);
	return status;
}
