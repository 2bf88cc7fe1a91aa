// SPDX-License-Identifier: MIT
/*
 * Several vCPUs, threads and VMs at once: shared memory with locks, a vCPU that moves
 * between CPUs and threads, VMs in turn, calls on a vCPU that is running.
 */
#include "kvmtest.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

GUEST(counters);
GUEST(ticket_lock);
GUEST(ping_pong);
GUEST(summing);
GUEST(counting);

#define SHARED 0x20000UL
#define THREADS 2

struct worker {
	struct kt_vcpu vcpu;
	pthread_t thread;
	unsigned int rounds;
	int cpu; /* where it runs; -1: anywhere, -2: changing */
};

static void move_to(unsigned int cpu)
{
	cpu_set_t set = kt_cpu(cpu);

	REQUIRE(sched_setaffinity(0, sizeof(set), &set) == 0);
}

/* Run to the HLT, in spite of signals. */
static void run_to_halt(const struct kt_vcpu *vcpu)
{
	while (ioctl(vcpu->fd, KVM_RUN, 0) == -1)
		REQUIRE(errno == EINTR);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
}

static void *run_worker(void *arg)
{
	struct worker *w = arg;

	if (w->cpu >= 0)
		move_to((unsigned int)w->cpu);
	run_to_halt(&w->vcpu);
	return NULL;
}

static void make_workers(struct kt_guest *g, struct worker *w, struct kt_code code)
{
	kt_guest_load(g, KT_LONG64, code);
	for (unsigned int i = 0; i < THREADS; i++) {
		w[i].vcpu = i ? kt_vcpu_create(&g->vm, i) : g->vcpu;
		w[i].cpu = -1;
		kt_start(&w[i].vcpu, g->mem, KT_LONG64, KT_CODE);
	}
}

static void run_workers(struct worker *w)
{
	for (unsigned int i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&w[i].thread, NULL, run_worker, &w[i]) == 0);
	for (unsigned int i = 0; i < THREADS; i++)
		REQUIRE(pthread_join(w[i].thread, NULL) == 0);
}

static void locked_counters(void)
{
	const uint64_t count = 200000;
	struct kt_guest g = kt_guest(KT_LONG64, CODE(counters));
	uint64_t *shared = (uint64_t *)(g.mem + SHARED);
	struct worker w[THREADS];

	make_workers(&g, w, CODE(counters));
	for (unsigned int i = 0; i < THREADS; i++) {
		struct kvm_regs regs = kt_regs(&w[i].vcpu);

		regs.rbx = SHARED;
		regs.rsi = SHARED + 64 + 64 * i;
		regs.rcx = count;
		kt_set_regs(&w[i].vcpu, &regs);
	}
	run_workers(w);
	CHECK_EQ(shared[0], THREADS * count);
	CHECK_EQ(shared[8], count);
	CHECK_EQ(shared[16], count);
}

static void ticket(void)
{
	const uint64_t count = 2000;
	struct kt_guest g = kt_guest(KT_LONG64, CODE(ticket_lock));
	uint64_t *shared = (uint64_t *)(g.mem + SHARED);
	struct worker w[THREADS];

	make_workers(&g, w, CODE(ticket_lock));
	for (unsigned int i = 0; i < THREADS; i++) {
		struct kvm_regs regs = kt_regs(&w[i].vcpu);

		regs.rbx = SHARED;
		regs.rcx = count;
		kt_set_regs(&w[i].vcpu, &regs);
		w[i].cpu = (int)i;
	}
	run_workers(w);
	CHECK_EQ(shared[8], THREADS * count);
	CHECK_EQ(shared[1], THREADS * count);
}

/* Each vCPU needs the other to go on. */
static void take_turns(uint64_t count, int cpus)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(ping_pong));
	struct worker w[THREADS];

	make_workers(&g, w, CODE(ping_pong));
	for (unsigned int i = 0; i < THREADS; i++) {
		struct kvm_regs regs = kt_regs(&w[i].vcpu);

		regs.rbx = SHARED;
		regs.rcx = i;
		regs.rdx = count;
		kt_set_regs(&w[i].vcpu, &regs);
		w[i].cpu = (int)i % cpus;
	}
	run_workers(w);
	CHECK_EQ(*(uint64_t *)(g.mem + SHARED), THREADS * count);
}

/* Neither may keep a CPU from the other. */
static void turns(void)
{
	take_turns(100, THREADS);
}

/* Only the host's scheduler lets the other run. */
static void turns_on_one_cpu(void)
{
	take_turns(20, 1);
}

/* One IN and one OUT of the guest `summing`. */
static void sum_step(const struct kt_vcpu *vcpu, uint32_t value, uint32_t *sum)
{
	RUN(vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu->run->io.direction, KVM_EXIT_IO_IN);
	memcpy(kt_io_data(vcpu), &value, 4);
	RUN(vcpu, KVM_EXIT_IO);
	*sum += value;
	CHECK_EQ(*(uint32_t *)kt_io_data(vcpu), *sum);
}

static void moves_between_cpus(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(summing));
	uint32_t sum = 0;

	for (unsigned int i = 0; i < 200; i++) {
		move_to(i);
		sum_step(&g.vcpu, i * 77777, &sum);
	}
}

/* The thread is moved while it is in the guest. */
static void *mover(void *arg)
{
	pthread_t target = *(pthread_t *)arg;

	for (unsigned int i = 0; i < 200; i++) {
		cpu_set_t set = kt_cpu(i);

		pthread_setaffinity_np(target, sizeof(set), &set);
		usleep(2000);
	}
	return NULL;
}

static void moved_while_running(void)
{
	const uint64_t count = 3000000;
	struct kt_guest g = kt_guest(KT_LONG64, CODE(counters));
	struct kvm_regs regs = kt_regs(&g.vcpu);
	pthread_t self = pthread_self(), thread;

	regs.rbx = SHARED;
	regs.rsi = SHARED + 64;
	regs.rcx = count;
	kt_set_regs(&g.vcpu, &regs);
	REQUIRE(pthread_create(&thread, NULL, mover, &self) == 0);
	run_to_halt(&g.vcpu);
	REQUIRE(pthread_join(thread, NULL) == 0);
	CHECK_EQ(*(uint64_t *)(g.mem + SHARED), count);
	CHECK_EQ(*(uint64_t *)(g.mem + SHARED + 64), count);
}

struct relay {
	struct kt_guest *guest;
	uint32_t *sum;
	uint32_t value;
};

static void *relay_step(void *arg)
{
	struct relay *r = arg;

	sum_step(&r->guest->vcpu, r->value, r->sum);
	return NULL;
}

/* A vCPU is not bound to the thread that made it. */
static void moves_between_threads(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(summing));
	uint32_t sum = 0;

	for (uint32_t i = 0; i < 30; i++) {
		struct relay r = { &g, &sum, i * 1001 };
		pthread_t thread;

		REQUIRE(pthread_create(&thread, NULL, relay_step, &r) == 0);
		REQUIRE(pthread_join(thread, NULL) == 0);
	}
}

static void vms_in_turn(void)
{
	struct kt_guest g[3];
	uint32_t sum[3] = { 0 };

	for (unsigned int i = 0; i < 3; i++)
		g[i] = kt_guest(KT_LONG64, CODE(summing));
	for (unsigned int round = 0; round < 50; round++)
		for (unsigned int i = 0; i < 3; i++)
			sum_step(&g[i].vcpu, round * (i + 3), &sum[i]);
	CHECK(sum[0] != sum[1] && sum[1] != sum[2]);
}

static void *run_alone(void *arg)
{
	(void)arg;
	struct kt_guest g = kt_guest(KT_LONG64, CODE(summing));
	uint32_t sum = 0;

	for (uint32_t i = 0; i < 100; i++)
		sum_step(&g.vcpu, i * 12345, &sum);
	kt_guest_close(&g);
	return NULL;
}

static void vms_in_threads(void)
{
	pthread_t thread[4];

	for (unsigned int i = 0; i < KT_LEN(thread); i++)
		REQUIRE(pthread_create(&thread[i], NULL, run_alone, NULL) == 0);
	for (unsigned int i = 0; i < KT_LEN(thread); i++)
		REQUIRE(pthread_join(thread[i], NULL) == 0);
}

static void ignore(int signal)
{
	(void)signal;
}

static void *run_until_signal(void *arg)
{
	struct kt_vcpu *vcpu = arg;

	CHECK_ERRNO(ioctl(vcpu->fd, KVM_RUN, 0), EINTR);
	return NULL;
}

/* Memory comes and goes while a vCPU runs; the vCPU itself is busy. */
static void slots_while_running(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(counters));
	volatile uint64_t *counter = (uint64_t *)(g.mem + SHARED);
	struct kvm_regs regs = kt_regs(&g.vcpu);
	void *mem = kt_anon(16 * KT_PAGE);
	pthread_t thread;

	signal(SIGUSR1, ignore);
	regs.rbx = regs.rsi = SHARED;
	regs.rcx = ~0ULL;
	kt_set_regs(&g.vcpu, &regs);
	REQUIRE(pthread_create(&thread, NULL, run_until_signal, &g.vcpu) == 0);
	while (!*counter)
		usleep(1000);
	for (unsigned int i = 0; i < 20; i++) {
		uint64_t before = *counter;

		CHECK_OK(kt_slot(&g.vm, 1, 0x10000000, 16 * KT_PAGE, mem));
		CHECK_OK(kt_slot(&g.vm, 1, 0x10000000, 0, mem));
		for (unsigned int wait = 0; *counter == before && wait < 5000; wait++)
			usleep(1000);
		CHECK(*counter != before);
	}
	pthread_kill(thread, SIGUSR1);
	REQUIRE(pthread_join(thread, NULL) == 0);
}

static void *run_until_gone(void *arg)
{
	struct kt_vcpu *vcpu = arg;

	CHECK_EQ(ioctl(vcpu->fd, KVM_RUN, 0), 0);
	CHECK(vcpu->run->exit_reason == KVM_EXIT_MMIO ||
	      vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR);
	return NULL;
}

/* Memory that is taken from a vCPU while it writes there, without an exit in between. */
static void slot_taken_away(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(counting));
	struct kvm_regs regs = kt_regs(&g.vcpu);
	volatile uint64_t *counter = kt_memory(&g.vm, 1, 0x10000000, KT_PAGE);
	pthread_t thread;
	uint64_t last;

	regs.rbx = 0x10000000;
	kt_set_regs(&g.vcpu, &regs);
	REQUIRE(pthread_create(&thread, NULL, run_until_gone, &g.vcpu) == 0);
	while (!*counter)
		usleep(1000);
	CHECK_OK(kt_slot(&g.vm, 1, 0, 0, NULL));
	last = *counter;
	usleep(20000);
	CHECK_EQ(*counter, last);
	REQUIRE(pthread_join(thread, NULL) == 0);
}

static void *signal_later(void *arg)
{
	usleep(100000);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

/* Calls on a vCPU that runs wait until it does not. */
static void calls_wait(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(counting));
	struct kvm_regs regs = kt_regs(&g.vcpu);
	volatile uint64_t *counter = (uint64_t *)(g.mem + SHARED);
	pthread_t runner, signaller;

	signal(SIGUSR1, ignore);
	regs.rbx = SHARED;
	kt_set_regs(&g.vcpu, &regs);
	REQUIRE(pthread_create(&runner, NULL, run_until_signal, &g.vcpu) == 0);
	while (!*counter)
		usleep(1000);
	REQUIRE(pthread_create(&signaller, NULL, signal_later, &runner) == 0);
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(regs.rbx, SHARED);
	CHECK(regs.rip >= KT_CODE && regs.rip < KT_CODE + 16);
	CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_INTR);
	REQUIRE(pthread_join(runner, NULL) == 0);
	REQUIRE(pthread_join(signaller, NULL) == 0);
}

static const struct kt_test tests[] = {
	{ "counters with LOCK", locked_counters },
	{ "a ticket lock", ticket },
	{ "two vCPUs take turns", turns },
	{ "two vCPUs take turns on one CPU", turns_on_one_cpu },
	{ "a vCPU moves between CPUs", moves_between_cpus },
	{ "a vCPU is moved while it runs", moved_while_running },
	{ "a vCPU moves between threads", moves_between_threads },
	{ "VMs in turn", vms_in_turn },
	{ "VMs in threads", vms_in_threads },
	{ "slots come and go while a vCPU runs", slots_while_running },
	{ "a slot is taken from a running vCPU", slot_taken_away },
	{ "calls wait for a running vCPU", calls_wait },
};

KT_MAIN(tests)
