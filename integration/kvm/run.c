// SPDX-License-Identifier: MIT
/*
 * The other ways out of KVM_RUN: HLT, SHUTDOWN, signals, immediate_exit, a state that can't
 * be entered, memory that is not there.
 */
#include "kvmtest.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

GUEST(three_halts);
GUEST(halts_64);
GUEST(undefined);
GUEST(undefined_32);
GUEST(spin);
GUEST(spin_count);
GUEST(compute);
GUEST(jump_away);
GUEST(read_nothing);
GUEST(out_forever);

static void halt(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(three_halts));

	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 1);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 3);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 6);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 2);
	CHECK_EQ(kt_regs(&g.vcpu).rflags & 0x200, 0x200);
}

static void halt_64(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(halts_64));

	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 1);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 5);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 1);
}

/* RFLAGS.IF and what it is worth to kvm_run. */
static void halt_if_flag(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(three_halts));

	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(g.vcpu.run->if_flag, 0);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(g.vcpu.run->if_flag, 1);
	CHECK_EQ(g.vcpu.run->ready_for_interrupt_injection, 1);
	CHECK_EQ(g.vcpu.run->cr8, 0);
	CHECK_EQ(g.vcpu.run->apic_base, kt_sregs(&g.vcpu).apic_base);
}

static void set_idt_limit(const struct kt_vcpu *vcpu, uint16_t limit)
{
	struct kvm_sregs s = kt_sregs(vcpu);

	s.idt.limit = limit;
	REQUIRE(ioctl(vcpu->fd, KVM_SET_SREGS, &s) == 0);
}

static void triple_fault(enum kt_mode mode, struct kt_code code)
{
	struct kt_guest g = kt_guest(mode, code);

	set_idt_limit(&g.vcpu, 0);
	RUN(&g.vcpu, KVM_EXIT_SHUTDOWN);
	/* The vCPU can be used again once it has a sound state. */
	kt_guest_load(&g, KT_LONG64, CODE(halts_64));
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 1);
}

static void triple_fault_16(void)
{
	triple_fault(KT_REAL, CODE(undefined));
}

static void triple_fault_32(void)
{
	triple_fault(KT_PROT32, CODE(undefined_32));
}

static void triple_fault_64(void)
{
	triple_fault(KT_LONG64, CODE(undefined_32));
}

static void immediate_exit(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(three_halts));

	g.vcpu.run->immediate_exit = 1;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE);
	CHECK_EQ(g.vcpu.run->immediate_exit, 1);
	g.vcpu.run->immediate_exit = 0;
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 1);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int signal)
{
	(void)signal;
	alarms++;
}

static void timer(int microseconds, bool again, int flags)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = flags };
	struct itimerval value = { .it_value = { .tv_usec = microseconds } };

	if (again)
		value.it_interval = value.it_value;
	REQUIRE(sigaction(SIGALRM, &action, NULL) == 0);
	REQUIRE(setitimer(ITIMER_REAL, &value, NULL) == 0);
}

static void signal_ends_run(int flags)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(spin));

	timer(50000, false, flags);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_INTR);
	CHECK_EQ(alarms, 1);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE);
}

static void signal_plain(void)
{
	signal_ends_run(0);
}

static void signal_restart(void)
{
	signal_ends_run(SA_RESTART);
}

/* A signal that is blocked is no reason to leave the guest. */
static void signal_blocked(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(three_halts));
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	REQUIRE(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	raise(SIGUSR1);
	RUN(&g.vcpu, KVM_EXIT_HLT);
}

static void ignore(int signal)
{
	(void)signal;
}

struct kicker {
	pthread_t target;
	volatile uint64_t *progress;
	volatile bool stop;
};

/* Wait until the guest runs, then signal its thread. */
static void *kick(void *arg)
{
	struct kicker *k = arg;

	while (*k->progress == 0)
		usleep(1000);
	pthread_kill(k->target, SIGUSR1);
	return NULL;
}

static void signal_from_thread(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(spin_count));
	struct kicker k = { .target = pthread_self(), .progress = (uint64_t *)(g.mem + 0x7000) };
	pthread_t thread;

	signal(SIGUSR1, ignore);
	REQUIRE(pthread_create(&thread, NULL, kick, &k) == 0);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_INTR);
	CHECK(*k.progress > 0);
	REQUIRE(pthread_join(thread, NULL) == 0);
}

static uint64_t xorshift(uint64_t x, uint64_t steps, uint64_t *sum)
{
	for (*sum = 0; steps; steps--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		*sum += x;
	}
	return x;
}

/* A guest that is torn out of its work all the time still gets it right. */
static void timer_storm(void)
{
	const uint64_t steps = 3000000, seed = 0x123456789abcdef;
	struct kt_guest g = kt_guest(KT_LONG64, CODE(compute));
	struct kvm_regs regs = kt_regs(&g.vcpu);
	uint64_t sum, want = xorshift(seed, steps, &sum);
	unsigned int interrupted = 0;

	regs.rax = seed;
	regs.rcx = steps;
	kt_set_regs(&g.vcpu, &regs);
	timer(1000, true, 0);
	while (ioctl(g.vcpu.fd, KVM_RUN, 0) == -1 && errno == EINTR)
		interrupted++;
	timer(0, false, 0);
	CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_HLT);
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(regs.rax, want);
	CHECK_EQ(regs.r9, sum);
	CHECK_EQ(regs.rcx, 0);
	CHECK(interrupted > 0);
}

/* 64-bit mode with CS.D set as well as CS.L is no state that AMD's VMRUN takes. */
static void fail_entry(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(halts_64));
	struct kvm_sregs s = kt_sregs(&g.vcpu);

	s.cs.db = 1;
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_SREGS, &s) == 0);
	RUN(&g.vcpu, KVM_EXIT_FAIL_ENTRY);
	CHECK(g.vcpu.run->fail_entry.hardware_entry_failure_reason != 0);
	kt_guest_load(&g, KT_LONG64, CODE(halts_64));
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 1);
}

/* What stays of a refused entry must not keep interrupts out of the next one. */
static void signal_after_fail_entry(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(halts_64));
	struct kvm_sregs s = kt_sregs(&g.vcpu);

	s.cs.db = 1;
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_SREGS, &s) == 0);
	RUN(&g.vcpu, KVM_EXIT_FAIL_ENTRY);
	kt_guest_load(&g, KT_LONG64, CODE(spin));
	timer(50000, false, 0);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_INTR);
}

static void fetch_from_nowhere(void)
{
	struct kt_guest g = kt_guest(KT_PROT32, CODE(jump_away));

	RUN(&g.vcpu, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(g.vcpu.run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	CHECK_EQ(kt_regs(&g.vcpu).rip, 0xc0000000);
}

/* Emulated MMIO is an extra; without it the user hears of an internal error. */
static void read_from_nowhere(void)
{
	struct kt_guest g = kt_guest(KT_PROT32, CODE(read_nothing));

	REQUIRE(ioctl(g.vcpu.fd, KVM_RUN, 0) == 0);
	if (g.vcpu.run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return;
	CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_MMIO);
	CHECK_EQ(g.vcpu.run->mmio.phys_addr, 0xc0000000);
	CHECK_EQ(g.vcpu.run->mmio.len, 4);
	CHECK_EQ(g.vcpu.run->mmio.is_write, 0);
}

/* As it comes from KVM_CREATE_VCPU, without a register set, a vCPU starts below 4 GiB. */
static void reset_vector(void)
{
	static const uint8_t code[] = { 0xb0, 0x5a, 0xe6, 0x80, 0xf4 }; /* mov al; out; hlt */
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	uint8_t *rom = kt_memory(&vm, 0, 0xffff0000, 0x10000);

	memcpy(rom + 0xfff0, code, sizeof(code));
	RUN(&vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu.run->io.port, 0x80);
	CHECK_EQ(*(uint8_t *)kt_io_data(&vcpu), 0x5a);
	RUN(&vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&vcpu).rip, 0xfff5);
}

/* No memory at the reset vector. */
static void run_without_firmware(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);

	kt_memory(&vm, 0, 0, KT_PAGE);
	RUN(&vcpu, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(kt_regs(&vcpu).rip, 0xfff0);
}

/* No memory at all: KVM refuses even to try, with ENOSPC. */
static void run_without_memory(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	int r = ioctl(vcpu.fd, KVM_RUN, 0);

	CHECK(r == -1 ? errno == ENOSPC : vcpu.run->exit_reason == KVM_EXIT_INTERNAL_ERROR);
}

static void *scribble(void *arg)
{
	struct kt_guest *g = arg;
	uint32_t seed = 12345;

	for (unsigned int round = 0; round < 300; round++) {
		uint32_t *run = (uint32_t *)g->vcpu.run;

		for (size_t i = 0; i < 2 * KT_PAGE / sizeof(*run); i++) {
			seed = seed * 1664525 + 1013904223;
			run[i] = seed;
		}
		usleep(1000);
	}
	return NULL;
}

/* Another thread writes all over kvm_run: anything may come out, but no crash and no hang. */
static void scribbled_run(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(out_forever)), after;
	pthread_t thread;
	unsigned int exits = 0;

	signal(SIGALRM, ignore);
	timer(500, true, 0);
	REQUIRE(pthread_create(&thread, NULL, scribble, &g) == 0);
	while (pthread_tryjoin_np(thread, NULL) == EBUSY) {
		int r = ioctl(g.vcpu.fd, KVM_RUN, 0);

		exits++;
		if (r != 0 && errno != EINTR && errno != EINVAL) {
			kt_fail(__FILE__, __LINE__, "KVM_RUN: %d, errno %d", r, errno);
			break;
		}
	}
	timer(0, false, 0);
	CHECK(exits > 10);
	/* Others are as well as before. */
	after = kt_guest(KT_REAL, CODE(three_halts));
	RUN(&after.vcpu, KVM_EXIT_HLT);
}

static const struct kt_test tests[] = {
	{ "HLT in real mode", halt },
	{ "HLT in 64-bit mode", halt_64 },
	{ "kvm_run tells IF, CR8 and the APIC base", halt_if_flag },
	{ "SHUTDOWN from real mode", triple_fault_16 },
	{ "SHUTDOWN from 32-bit mode", triple_fault_32 },
	{ "SHUTDOWN from 64-bit mode", triple_fault_64 },
	{ "immediate_exit", immediate_exit },
	{ "a signal ends KVM_RUN", signal_plain },
	{ "a signal with SA_RESTART ends KVM_RUN", signal_restart },
	{ "a blocked signal does not", signal_blocked },
	{ "a signal from another thread", signal_from_thread },
	{ "a timer storm changes no result", timer_storm },
	{ "FAIL_ENTRY", fail_entry },
	{ "a signal ends KVM_RUN after FAIL_ENTRY", signal_after_fail_entry },
	{ "code where no memory is", fetch_from_nowhere },
	{ "data where no memory is", read_from_nowhere },
	{ "from the reset vector", reset_vector },
	{ "the reset vector where no memory is", run_without_firmware },
	{ "a VM without memory", run_without_memory },
	{ "kvm_run scribbled over while running", scribbled_run },
};

KT_MAIN(tests)
