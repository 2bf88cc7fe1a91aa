// SPDX-License-Identifier: MIT
/*
 * Guests that do nothing but exit, each in one way, for ever, with interrupts off: another vCPU
 * of the VM goes on meanwhile, and a signal or immediate_exit ends the run at any time.
 *
 * No loop of #AC: the emulated CPU checks no alignment.
 */
#include "catch.h"

#include <pthread.h>
#include <signal.h>

#define COUNTER 0x20000UL
#define DEVICE 0x40000000UL
#define TURNS 30U
#define PATIENCE 20.0 /* s, for TURNS turns */
#define STOPPED 5.0 /* s, from the signal to the end of KVM_RUN */

#define LOOPS(X)                                                                                   \
	X(out)                                                                                     \
	X(in)                                                                                      \
	X(rep_outs)                                                                                \
	X(load)                                                                                    \
	X(store)                                                                                   \
	X(cpuid)                                                                                   \
	X(hlt)                                                                                     \
	X(hypercall)                                                                               \
	X(vmrun)                                                                                   \
	X(undefined)                                                                               \
	X(wbinvd)                                                                                  \
	X(pause)                                                                                   \
	X(rdtsc)                                                                                   \
	X(breakpoint)                                                                              \
	X(nothing)                                                                                 \
	X(rdmsr)                                                                                   \
	X(wrmsr)                                                                                   \
	X(cr)                                                                                      \
	X(dr)                                                                                      \
	X(single_step)                                                                             \
	X(page_fault)                                                                              \
	X(triple_fault)

#define DECLARE(name) GUEST(loop_##name);
LOOPS(DECLARE)
GUEST(other_vcpu);

struct runner {
	struct kt_vcpu vcpu;
	struct kvm_sregs sregs; /* to start again with */
	struct kvm_regs regs;
	pthread_t thread;
	uint32_t last; /* the exit that should not have been; 0: none */
};

static __thread struct kvm_run *own_run;

/* As QEMU does it: nothing is lost when the thread isn't in KVM_RUN at the moment. */
static void stop_running(int signal)
{
	(void)signal;
	if (own_run)
		own_run->immediate_exit = 1;
}

/* An exception starts the guest anew. */
static void start(struct runner *r, struct kt_guest *g, uint64_t rip)
{
	struct kt_guest one = { .vm = g->vm, .vcpu = r->vcpu, .mem = g->mem };

	kt_start(&r->vcpu, g->mem, KT_LONG64, rip);
	catch_install(&one, KT_LONG64);
	for (unsigned int i = 0; i < 32; i++)
		*(uint16_t *)(g->mem + CATCH_IDT + 16UL * i) = KT_CODE;
	r->regs = kt_regs(&r->vcpu);
	r->regs.rbx = DEVICE;
	kt_set_regs(&r->vcpu, &r->regs);
	r->sregs = kt_sregs(&r->vcpu);
}

/* After a triple fault. The other vCPU uses the same tables: they stay as they are. */
static void start_again(struct runner *r)
{
	CHECK_OK(ioctl(r->vcpu.fd, KVM_SET_SREGS, &r->sregs));
	kt_set_regs(&r->vcpu, &r->regs);
}

static bool is_failure(uint32_t reason)
{
	return reason == KVM_EXIT_INTERNAL_ERROR || reason == KVM_EXIT_FAIL_ENTRY ||
	       reason == KVM_EXIT_UNKNOWN;
}

static void *run_on(void *arg)
{
	struct runner *r = arg;

	own_run = r->vcpu.run;
	while (ioctl(r->vcpu.fd, KVM_RUN, 0) == 0) {
		if (is_failure(r->vcpu.run->exit_reason)) {
			r->last = r->vcpu.run->exit_reason;
			return NULL;
		}
		if (r->vcpu.run->exit_reason == KVM_EXIT_SHUTDOWN)
			start_again(r);
	}
	CHECK_EQ(errno, EINTR);
	return NULL;
}

/* The counter must reach a value; false when it took too long. */
static bool counts(const volatile uint64_t *counter, uint64_t value)
{
	const double end = kt_seconds() + PATIENCE;

	while (*counter < value && kt_seconds() < end)
		usleep(1000);
	return *counter >= value;
}

static void stop(struct runner *r)
{
	const double begin = kt_seconds();

	REQUIRE(pthread_kill(r->thread, SIGUSR1) == 0);
	REQUIRE(pthread_join(r->thread, NULL) == 0);
	CHECK(kt_seconds() - begin < STOPPED);
	if (r->last)
		kt_fail(__FILE__, __LINE__, "exit %s (%u) at rip 0x%llx", kt_reason(r->last),
			r->last, (unsigned long long)kt_regs(&r->vcpu).rip);
	/* Still set: not one instruction more. */
	CHECK_ERRNO(ioctl(r->vcpu.fd, KVM_RUN, 0), EINTR);
}

static void loop(struct kt_code code)
{
	struct sigaction action = { .sa_handler = stop_running };
	struct kt_guest g = kt_guest(KT_LONG64, code);
	struct runner r[2] = { { .vcpu = g.vcpu } };
	volatile uint64_t *counter = (uint64_t *)(g.mem + COUNTER);

	REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
	kt_set_cpuid(&g.vm, &g.vcpu);
	r[1].vcpu = kt_vcpu_create(&g.vm, 1);
	memcpy(g.mem + KT_CODE + 0x800, other_vcpu, kt_code_size(CODE(other_vcpu)));
	start(&r[0], &g, KT_CODE);
	start(&r[1], &g, KT_CODE + 0x800);
	for (unsigned int i = 0; i < 2; i++)
		REQUIRE(pthread_create(&r[i].thread, NULL, run_on, &r[i]) == 0);
	CHECK(counts(&counter[0], TURNS));
	CHECK(counts(&counter[1], counter[1] + 1));
	stop(&r[0]);
	/* The other doesn't mind. */
	CHECK(counts(&counter[1], counter[1] + 1));
	stop(&r[1]);
	kt_vcpu_close(&r[1].vcpu);
	kt_guest_close(&g);
}

#define CASE(name)                                                                                 \
	static void case_##name(void)                                                              \
	{                                                                                          \
		loop(CODE(loop_##name));                                                           \
	}
LOOPS(CASE)

#define ROW(name) { "a loop of " #name, case_##name },
static const struct kt_test tests[] = { LOOPS(ROW) };

KT_MAIN(tests)
