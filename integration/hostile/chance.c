// SPDX-License-Identifier: MIT
/* Random numbers, code and states. See chance.h. */
#include "chance.h"

#include <time.h>

#define CR4_PAE (1ULL << 5)
#define EFER_LME (1ULL << 8)
#define EFER_LMA (1ULL << 10)

/* What every CPU has that runs us: VME PVI TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT. */
#define CR4_USUAL 0x7FFU

static uint64_t number(const char *name, uint64_t usual)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : usual;
}

uint64_t chance_seed(void)
{
	static uint64_t seed;

	if (!seed) {
		seed = number("HOSTILE_SEED", 1);
		kt_note("HOSTILE_SEED=%llu", (unsigned long long)seed);
	}
	return seed;
}

double chance_seconds(double usual)
{
	const char *text = getenv("HOSTILE_SECONDS");
	double seconds = text && *text ? strtod(text, NULL) : usual;

	alarm((unsigned int)seconds + 60); /* more than kt_main() gives */
	return seconds;
}

uint64_t chance(uint64_t *state)
{
	uint64_t x = *state ? *state : 1;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545F4914F6CDD1DULL;
}

uint64_t chance_below(uint64_t *state, uint64_t n)
{
	return chance(state) % n;
}

void chance_code(uint64_t *state, uint8_t *code, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		code[i] = (uint8_t)chance(state);
		if (i && code[i - 1] == 0x0F && (code[i] == 0x30 || code[i] == 0x32))
			code[i] = 0x0B;
	}
}

void chance_regs(uint64_t *state, struct kvm_regs *regs)
{
	uint64_t *value = (uint64_t *)regs;

	for (size_t i = 0; i < offsetof(struct kvm_regs, rip) / sizeof(*value); i++)
		value[i] = chance(state) >> chance_below(state, 64);
	regs->rcx = (uint32_t)regs->rcx;
	if (chance_below(state, 4))
		regs->rsp = 0x8000;
	regs->rflags = (chance(state) & 0x47FD5) | 2;
}

static void turn_segment(uint64_t *state, struct kvm_segment *seg)
{
	uint8_t *byte = (uint8_t *)seg;

	byte[chance_below(state, sizeof(*seg))] = (uint8_t)chance(state);
}

void chance_sregs(uint64_t *state, struct kvm_sregs *sregs)
{
	struct kvm_segment *seg = &sregs->cs;

	switch (chance_below(state, 6)) {
	case 0:
		sregs->cr0 ^= 1ULL << chance_below(state, 32);
		break;
	case 1:
		sregs->cr4 ^= (1ULL << chance_below(state, 32)) & CR4_USUAL;
		break;
	case 2:
		sregs->cr3 = chance(state) >> chance_below(state, 64);
		break;
	case 3:
		sregs->efer ^= 1ULL << chance_below(state, 16);
		break;
	case 4:
		turn_segment(state, seg + chance_below(state, 8));
		break;
	default:
		sregs->idt.base = chance(state) >> chance_below(state, 64);
		sregs->gdt.limit = (uint16_t)chance(state);
	}
	chance_keep_out(sregs);
}

volatile sig_atomic_t chance_kicks;

static void on_kick(int sig)
{
	(void)sig;
	chance_kicks++;
}

/* A timer of the thread's own: that of alarm() limits the test case. */
void chance_kick_every(long ns)
{
	static __thread timer_t timer; /* the first of a process is 0 */
	static __thread bool made;
	struct itimerspec when = { .it_value.tv_nsec = ns, .it_interval.tv_nsec = ns };
	struct sigaction action = { .sa_handler = on_kick };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };

	event._sigev_un._tid = gettid();
	if (!made && (sigaction(SIGUSR1, &action, NULL) ||
		      timer_create(CLOCK_MONOTONIC, &event, &timer)))
		abort();
	made = true;
	if (timer_settime(timer, 0, &when, NULL))
		abort();
}

void chance_keep_out(struct kvm_sregs *sregs)
{
	if (!(sregs->cr4 & CR4_PAE))
		sregs->efer &= ~(EFER_LME | EFER_LMA);
}
