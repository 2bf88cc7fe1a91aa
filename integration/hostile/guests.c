// SPDX-License-Identifier: MIT
/* Guests of random bytes in random states; and a hypercall where it is nobody's. */
#include "chance.h"

#include <sys/wait.h>

#define RANDOM_EXITS 40
#define RANDOM_CODE 64
#define RANDOM_GUESTS 2000

/* Some entries of the tables that kt_start has made are something else. */
static void spoil_tables(uint64_t *state, uint8_t *mem)
{
	uint64_t *entry = (uint64_t *)(mem + KT_TABLES);

	for (uint64_t n = chance_below(state, 8); n; n--)
		entry[chance_below(state, 4 * KT_PAGE / 8)] = chance(state) >> chance_below(state, 64);
}

/* Answers are random, too. */
static void answer(uint64_t *state, const struct kt_vcpu *vcpu)
{
	if (vcpu->run->exit_reason == KVM_EXIT_MMIO)
		for (int i = 0; i < 8; i++)
			vcpu->run->mmio.data[i] = (uint8_t)chance(state);
	else if (vcpu->run->exit_reason == KVM_EXIT_IO)
		*(uint8_t *)kt_io_data(vcpu) = (uint8_t)chance(state);
}

static bool over(uint32_t reason)
{
	return reason != KVM_EXIT_IO && reason != KVM_EXIT_MMIO && reason != KVM_EXIT_HLT &&
	       reason != KVM_EXIT_INTR && reason != KVM_EXIT_IRQ_WINDOW_OPEN;
}

static void random_run(uint64_t *state, const struct kt_vcpu *vcpu)
{
	chance_kicks = 0;
	chance_kick_every(20000000);
	for (int i = 0; i < RANDOM_EXITS && !chance_kicks; i++) {
		answer(state, vcpu);
		if (ioctl(vcpu->fd, KVM_RUN, 0) || over(vcpu->run->exit_reason))
			break;
	}
	chance_kick_every(0);
}

static void random_guest(uint64_t *state, struct kt_guest *g, uint64_t reasons[64])
{
	enum kt_mode mode = (enum kt_mode)chance_below(state, 3);
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	chance_code(state, g->mem + KT_CODE, RANDOM_CODE);
	kt_start(&g->vcpu, g->mem, mode, KT_CODE);
	regs = kt_regs(&g->vcpu);
	chance_regs(state, &regs);
	kt_set_regs(&g->vcpu, &regs);
	if (mode == KT_LONG64 && chance_below(state, 2))
		spoil_tables(state, g->mem);
	sregs = kt_sregs(&g->vcpu);
	for (uint64_t n = chance_below(state, 3); n; n--)
		chance_sregs(state, &sregs);
	ioctl(g->vcpu.fd, KVM_SET_SREGS, &sregs); /* refused or not */
	random_run(state, &g->vcpu);
	reasons[g->vcpu.run->exit_reason % 64]++;
}

static void random_guests(void)
{
	double until = kt_seconds() + chance_seconds(30);
	uint64_t state = chance_seed(), reasons[64] = { 0 }, n = 0;
	static const uint8_t hlt[] = { 0xF4 };
	struct kt_guest g = { 0 };

	for (; kt_seconds() < until && (n < RANDOM_GUESTS || getenv("HOSTILE_SECONDS")); n++) {
		if (n % 64 == 0) {
			if (n)
				kt_guest_close(&g);
			g = kt_guest(KT_LONG64, (struct kt_code){ hlt, hlt + sizeof(hlt) });
			kt_set_cpuid(&g.vm, &g.vcpu);
		}
		random_guest(&state, &g, reasons);
	}
	kt_guest_close(&g);
	kt_note("%llu random guests", (unsigned long long)n);
	for (unsigned int i = 0; i < 64; i++)
		if (reasons[i])
			kt_note("ended by %s: %llu", kt_reason(i), (unsigned long long)reasons[i]);
	CHECK(n > 100);
	CHECK(reasons[KVM_EXIT_SHUTDOWN] > 0);
}

/* --- the host's own user mode --- */

static void on_sigill(int sig)
{
	_exit(sig == SIGILL ? 77 : 1);
}

/* A hypercall isn't for users. */
static void vmmcall_of_a_user(void)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		register uint64_t r10 asm("r10") = 0;
		uint64_t rax = 0x764D000000000000;

		signal(SIGILL, on_sigill);
		asm volatile("vmmcall" : "+a"(rax), "+r"(r10)::"memory");
		_exit(0);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 77);
}

int main(void)
{
	static const struct kt_test tests[] = {
		{ "random guests", random_guests },
		{ "VMMCALL of a user is undefined", vmmcall_of_a_user },
	};

	return kt_main(tests, KT_LEN(tests));
}
