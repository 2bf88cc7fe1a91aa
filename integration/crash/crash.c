// SPDX-License-Identifier: MIT
/*
 * Guests that make MicroV fault while it serves them, on an image that faults on demand
 * (microv/crash.h). Such a VM is lost, and says so; another one goes on, on another CPU, at
 * that moment as well.
 */
#define _GNU_SOURCE
#include "crash.h"
#include "kvmtest.h"
#include "neighbour.h"

/* mov eax, VALUE; cpuid; hlt, in 16-bit code */
static struct kt_guest guest_asking(uint32_t value)
{
	uint8_t code[] = { 0x66, 0xB8, 0, 0, 0, 0, 0x0F, 0xA2, 0xF4 };

	memcpy(code + 2, &value, sizeof(value));
	return kt_guest(KT_REAL, (struct kt_code){ code, code + sizeof(code) });
}

static struct neighbour other; /* on a CPU of its own */

static void stay_on(unsigned int cpu)
{
	cpu_set_t set = kt_cpu(cpu);

	REQUIRE(sched_setaffinity(0, sizeof(set), &set) == 0);
}

static void other_begins(void)
{
	static const uint8_t code[] = { 0x0F, 0xA2, 0xF4 }; /* cpuid; hlt */

	stay_on(1);
	neighbour_begin(&other, KT_REAL, (struct kt_code){ code, code + sizeof(code) });
	stay_on(0);
}

static void check_lost(uint32_t value)
{
	struct kt_guest guest = guest_asking(value);

	kt_context("CPUID with eax = 0x%x", value);
	RUN(&guest.vcpu, KVM_EXIT_INTERNAL_ERROR);
	RUN(&guest.vcpu, KVM_EXIT_INTERNAL_ERROR); /* and it stays so */
	kt_guest_close(&guest);
}

/* The VM is lost, the other one isn't; and new ones run. */
static void check_costs(uint32_t value, unsigned int times)
{
	struct kt_guest next;

	other_begins();
	while (times--) {
		check_lost(value);
		neighbour_comes_on(&other);
	}
	next = guest_asking(0);
	RUN(&next.vcpu, KVM_EXIT_HLT);
	kt_guest_close(&next);
	neighbour_end(&other);
}

static void lost_null(void)
{
	check_costs(CRASH_NULL, 5);
}

static void lost_divide(void)
{
	check_costs(CRASH_DIVIDE, 5);
}

static void lost_jump(void)
{
	check_costs(CRASH_JUMP, 5);
}

static void lost_pages(void)
{
	check_costs(CRASH_PAGES, 5);
}

static void lost_stack(void)
{
	check_costs(CRASH_STACK, 5);
}

/* Some seconds, in which nothing happens on this CPU; but all the more on the other one. */
static void lost_loop(void)
{
	struct kt_guest guest = guest_asking(CRASH_LOOP);
	unsigned long before;
	double begin;

	other_begins();
	before = neighbour_rounds(&other);
	begin = kt_seconds();
	RUN(&guest.vcpu, KVM_EXIT_INTERNAL_ERROR);
	kt_note("it took %.1f s, the other guest halted %lu times", kt_seconds() - begin,
		neighbour_rounds(&other) - before);
	CHECK(neighbour_rounds(&other) - before > 100);
	CHECK(kt_seconds() - begin < 15);
	RUN(&guest.vcpu, KVM_EXIT_INTERNAL_ERROR);
	neighbour_comes_on(&other);
	neighbour_end(&other);
	kt_guest_close(&guest);
}

static const struct kt_test tests[] = {
	{ "a write to address 0 costs the VM", lost_null },
	{ "a division by zero costs the VM", lost_divide },
	{ "a jump to address 0 costs the VM", lost_jump },
	{ "a stack without end costs the VM", lost_stack },
	{ "what MicroV keeps of a vCPU is overwritten: that costs the VM", lost_pages },
	{ "a loop without end costs the VM", lost_loop },
};

KT_MAIN(tests)
