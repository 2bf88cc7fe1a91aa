// SPDX-License-Identifier: MIT
#include "neighbour.h"

#define PATIENCE 10.0 /* seconds */

unsigned long neighbour_rounds(const struct neighbour *n)
{
	return __atomic_load_n(&n->rounds, __ATOMIC_RELAXED);
}

static void *halt_often(void *arg)
{
	struct neighbour *n = arg;
	const struct kvm_regs begin = kt_regs(&n->guest.vcpu);

	while (!__atomic_load_n(&n->end, __ATOMIC_RELAXED)) {
		kt_set_regs(&n->guest.vcpu, &begin);
		kt_run(&n->guest.vcpu, KVM_EXIT_HLT); /* kt_at() is the test's */
		CHECK_EQ(kt_regs(&n->guest.vcpu).rip, KT_CODE + kt_code_size(n->code));
		__atomic_fetch_add(&n->rounds, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

void neighbour_begin(struct neighbour *n, enum kt_mode mode, struct kt_code code)
{
	*n = (struct neighbour){ .guest = kt_guest(mode, code), .code = code };
	REQUIRE(pthread_create(&n->thread, NULL, halt_often, n) == 0);
	while (!neighbour_rounds(n))
		sched_yield();
}

void neighbour_comes_on(const struct neighbour *n)
{
	const unsigned long wanted = neighbour_rounds(n) + 3;
	const double begin = kt_seconds();

	while (neighbour_rounds(n) < wanted && kt_seconds() - begin < PATIENCE)
		sched_yield();
	CHECK(neighbour_rounds(n) >= wanted);
}

void neighbour_end(struct neighbour *n)
{
	__atomic_store_n(&n->end, true, __ATOMIC_RELAXED);
	REQUIRE(pthread_join(n->thread, NULL) == 0);
	kt_guest_close(&n->guest);
}
