// SPDX-License-Identifier: MIT
/*
 * KVM_INTERRUPT, the interrupt window and KVM_NMI, of VMs without an interrupt controller in
 * the kernel; and KVM_SET_SIGNAL_MASK.
 */
#include "kvmtest.h"

#include <signal.h>
#include <sys/time.h>

GUEST(take_interrupts);
GUEST(shadow);
GUEST(late_sti);
GUEST(take_nmi);
GUEST(nmi_with_sti);
GUEST(spin);

static volatile sig_atomic_t seen;

static void on_signal(int signal)
{
	(void)signal;
	seen++;
}

static int interrupt(const struct kt_vcpu *vcpu, uint32_t vector)
{
	struct kvm_interrupt irq = { .irq = vector };

	return ioctl(vcpu->fd, KVM_INTERRUPT, &irq);
}

static void bad_vectors(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_interrupts));

	CHECK_ERRNO(interrupt(&g.vcpu, 256), EINVAL);
	CHECK_ERRNO(interrupt(&g.vcpu, UINT32_MAX), EINVAL);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_INTERRUPT, 8UL), EFAULT);
	CHECK_ERRNO(ioctl(g.vm.fd, KVM_INTERRUPT, NULL), ENOTTY);
	CHECK_EQ(kt_sregs(&g.vcpu).interrupt_bitmap[0], 0);
}

static void delivered(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_interrupts));

	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(g.vcpu.run->ready_for_interrupt_injection, 1);
	for (unsigned int i = 1; i <= 20; i++) {
		CHECK_OK(interrupt(&g.vcpu, 0x20));
		RUN(&g.vcpu, KVM_EXIT_HLT);
		CHECK_EQ(kt_regs(&g.vcpu).rbx, i);
		CHECK_EQ(g.vcpu.run->ready_for_interrupt_injection, 1);
	}
	CHECK_EQ(kt_regs(&g.vcpu).rcx, 0);
}

/* There is one slot. */
static void last_one_counts(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_interrupts));

	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_OK(interrupt(&g.vcpu, 0x20));
	CHECK_OK(interrupt(&g.vcpu, 0x31));
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 0);
	CHECK_EQ(kt_regs(&g.vcpu).rcx, 1);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 0);
}

/* Whoever ignores kvm_run gets what he asked for. */
static void not_asked(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(shadow));

	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.port, 0x10);
	CHECK_EQ(g.vcpu.run->if_flag, 0);
	CHECK_EQ(g.vcpu.run->ready_for_interrupt_injection, 0);
	CHECK_OK(interrupt(&g.vcpu, 0x20));
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.port, 0x13);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 1);
}

static void in_sregs(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_interrupts));
	struct kvm_sregs s;

	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_OK(interrupt(&g.vcpu, 0x31));
	s = kt_sregs(&g.vcpu);
	CHECK_EQ(s.interrupt_bitmap[0], 1ULL << 0x31);
	/* none of them leaves the queue alone, and the first of several is taken */
	s.interrupt_bitmap[0] = 0;
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_SREGS, &s));
	CHECK_EQ(kt_sregs(&g.vcpu).interrupt_bitmap[0], 1ULL << 0x31);
	s.interrupt_bitmap[0] = 1ULL << 0x20 | 1ULL << 0x31;
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_SREGS, &s));
	CHECK_EQ(kt_sregs(&g.vcpu).interrupt_bitmap[0], 1ULL << 0x20);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 1);
	CHECK_EQ(kt_regs(&g.vcpu).rcx, 0);
	CHECK_EQ(kt_sregs(&g.vcpu).interrupt_bitmap[0], 0);
}

/* An interrupt that no entry has taken yet is in the way of the next. */
static void immediate_exit_keeps_it(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_interrupts));

	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_OK(interrupt(&g.vcpu, 0x20));
	g.vcpu.run->immediate_exit = 1;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_EQ(g.vcpu.run->if_flag, 1);
	CHECK_EQ(g.vcpu.run->ready_for_interrupt_injection, 0);
	g.vcpu.run->immediate_exit = 0;
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 1);
}

static void window_is_open(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_interrupts));
	uint64_t rip;

	RUN(&g.vcpu, KVM_EXIT_HLT);
	rip = kt_regs(&g.vcpu).rip;
	g.vcpu.run->request_interrupt_window = 1;
	for (unsigned int i = 0; i < 3; i++) {
		RUN(&g.vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
		CHECK_EQ(g.vcpu.run->ready_for_interrupt_injection, 1);
		CHECK_EQ(kt_regs(&g.vcpu).rip, rip);
	}
	g.vcpu.run->request_interrupt_window = 0;
	RUN(&g.vcpu, KVM_EXIT_HLT);
}

/* With an interrupt queued the window opens once its handler is through. */
static void window_behind_interrupt(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_interrupts));

	RUN(&g.vcpu, KVM_EXIT_HLT);
	g.vcpu.run->request_interrupt_window = 1;
	CHECK_OK(interrupt(&g.vcpu, 0x20));
	RUN(&g.vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 1);
	CHECK_EQ(kt_regs(&g.vcpu).rflags & 0x200, 0x200);
}

static void window_opens_by_sti(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(late_sti));

	g.vcpu.run->request_interrupt_window = 1;
	RUN(&g.vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(kt_regs(&g.vcpu).rdx & 0xffff, 1);
	CHECK_EQ(kt_regs(&g.vcpu).rcx, 0);
	CHECK_EQ(g.vcpu.run->if_flag, 1);
	CHECK_EQ(g.vcpu.run->ready_for_interrupt_injection, 1);
	CHECK_OK(interrupt(&g.vcpu, 0x20));
	g.vcpu.run->request_interrupt_window = 0;
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(g.vcpu.run->if_flag, 0);
	CHECK_EQ(g.vcpu.run->ready_for_interrupt_injection, 0);
}

/* Many rounds of asking for the window and giving an interrupt, as a device model does. */
static void window_and_interrupts(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_interrupts));

	RUN(&g.vcpu, KVM_EXIT_HLT);
	for (unsigned int i = 1; i <= 100; i++) {
		g.vcpu.run->request_interrupt_window = 1;
		RUN(&g.vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
		g.vcpu.run->request_interrupt_window = 0;
		CHECK_OK(interrupt(&g.vcpu, i % 2 ? 0x20 : 0x31));
		RUN(&g.vcpu, KVM_EXIT_HLT);
	}
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 50);
	CHECK_EQ(kt_regs(&g.vcpu).rcx, 50);
}

/* An exit of its own comes before the window. */
static void window_and_io(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(shadow));

	g.vcpu.run->request_interrupt_window = 1;
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.port, 0x10);
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.port, 0x11);
	RUN(&g.vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(g.vcpu.run->ready_for_interrupt_injection, 1);
	CHECK_OK(interrupt(&g.vcpu, 0x20));
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.port, 0x13);
	CHECK_EQ(g.vcpu.run->if_flag, 0);
}

static void nmi_delivered(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_nmi));

	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_OK(ioctl(g.vcpu.fd, KVM_NMI));
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.port, 0x20);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 1);
}

/* The second one waits for IRET, further ones are lost. */
static void nmi_is_blocked(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_nmi));
	struct itimerval timer = { .it_value = { .tv_usec = 200000 } };

	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_OK(ioctl(g.vcpu.fd, KVM_NMI));
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.port, 0x20);
	for (unsigned int i = 0; i < 3; i++)
		CHECK_OK(ioctl(g.vcpu.fd, KVM_NMI));
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.port, 0x21);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 1);
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.port, 0x20);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 2);
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.port, 0x21);
	/* no third one: the guest spins */
	signal(SIGALRM, on_signal);
	REQUIRE(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 2);
	CHECK(kt_regs(&g.vcpu).rsi > 0);
}

static void nmi_is_blocked_with_sti(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(nmi_with_sti));

	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_OK(ioctl(g.vcpu.fd, KVM_NMI));
	for (unsigned int i = 1; i <= 5; i++) {
		RUN(&g.vcpu, KVM_EXIT_IO);
		CHECK_EQ(kt_regs(&g.vcpu).rbx, i);
		CHECK_EQ(kt_regs(&g.vcpu).rsp & 0xffff, 0x8000 - 6);
		CHECK_OK(ioctl(g.vcpu.fd, KVM_NMI));
	}
}

static int set_mask(const struct kt_vcpu *vcpu, uint32_t len, uint64_t set)
{
	struct {
		struct kvm_signal_mask head;
		uint64_t set;
	} __attribute__((packed)) mask = { .head.len = len, .set = set };

	return ioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, &mask);
}

/* A signal that is blocked but in KVM_RUN ends it, and its handler doesn't run. */
static void signal_mask(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(spin));
	struct itimerval timer = { .it_value = { .tv_usec = 50000 } };
	sigset_t set, pending;

	signal(SIGALRM, on_signal);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	REQUIRE(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	CHECK_OK(set_mask(&g.vcpu, 8, 0));
	REQUIRE(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_INTR);
	CHECK_EQ(seen, 0);
	sigpending(&pending);
	CHECK_EQ(sigismember(&pending, SIGALRM), 1);
	/* again at once: it is still pending */
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_EQ(seen, 0);
	REQUIRE(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
	CHECK_EQ(seen, 1);
	sigprocmask(SIG_SETMASK, NULL, &set);
	CHECK_EQ(sigismember(&set, SIGALRM), 0);
}

static void signal_mask_refused(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_interrupts));

	CHECK_ERRNO(set_mask(&g.vcpu, 4, 0), EINVAL);
	CHECK_ERRNO(set_mask(&g.vcpu, 16, 0), EINVAL);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_SIGNAL_MASK, 8UL), EFAULT);
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_SIGNAL_MASK, NULL));
	RUN(&g.vcpu, KVM_EXIT_HLT);
}

/* A signal that only the mask of KVM_RUN blocks waits until it is over. */
static void signal_mask_blocks(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(late_sti));
	struct itimerval timer = { .it_value = { .tv_usec = 1000 } };

	signal(SIGALRM, on_signal);
	CHECK_OK(set_mask(&g.vcpu, 8, 1ULL << (SIGALRM - 1)));
	REQUIRE(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	g.vcpu.run->request_interrupt_window = 1;
	while (ioctl(g.vcpu.fd, KVM_RUN, 0) == 0 && !seen)
		CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(seen, 1);
	CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_IRQ_WINDOW_OPEN);
}

static const struct kt_test tests[] = {
	{ "KVM_INTERRUPT refuses what is no vector", bad_vectors },
	{ "interrupts are delivered", delivered },
	{ "the last of two counts", last_one_counts },
	{ "interrupts off are no hindrance", not_asked },
	{ "the queue in SREGS", in_sregs },
	{ "an interrupt waits through immediate_exit", immediate_exit_keeps_it },
	{ "the window of a guest that is ready", window_is_open },
	{ "the window behind an interrupt", window_behind_interrupt },
	{ "the window opens by STI", window_opens_by_sti },
	{ "windows and interrupts in turn", window_and_interrupts },
	{ "exits before the window", window_and_io },
	{ "an NMI", nmi_delivered },
	{ "NMIs wait for IRET", nmi_is_blocked },
	{ "NMIs wait for IRET with interrupts on", nmi_is_blocked_with_sti },
	{ "KVM_SET_SIGNAL_MASK", signal_mask },
	{ "KVM_SET_SIGNAL_MASK refuses", signal_mask_refused },
	{ "KVM_SET_SIGNAL_MASK blocks", signal_mask_blocks },
};

KT_MAIN(tests)
