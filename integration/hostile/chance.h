/* SPDX-License-Identifier: MIT */
/*
 * What the hostile programs share: random numbers from a seed (HOSTILE_SEED, else always the
 * same), how long to go on (HOSTILE_SECONDS), and random states of a CPU.
 *
 * Bugs of QEMU 7.2 end the lab, whichever driver is loaded (integration/README.md). What leads to
 * two of them is never made: EFER.LME without CR4.PAE, and RDMSR or WRMSR in random code. But other
 * seeds may well meet another one.
 */
#ifndef CHANCE_H
#define CHANCE_H

#include "kvmtest.h"

#include <signal.h>

/* The seed of this run, printed as a remark once. */
uint64_t chance_seed(void);
/* Seconds of a part of the test: HOSTILE_SECONDS, or `usual`. */
double chance_seconds(double usual);

/* xorshift64*: never 0 as a state. */
uint64_t chance(uint64_t *state);
/* Less than n. */
uint64_t chance_below(uint64_t *state, uint64_t n);

/* Random bytes that aren't a RDMSR or WRMSR wherever they are entered. */
void chance_code(uint64_t *state, uint8_t *code, size_t len);
void chance_regs(uint64_t *state, struct kvm_regs *regs);
/* Some bits of the control registers, segments and tables turn. */
void chance_sregs(uint64_t *state, struct kvm_sregs *sregs);
/* Takes out what is never made. */
void chance_keep_out(struct kvm_sregs *sregs);

/*
 * SIGUSR1 for the calling thread every so often, or with 0 no more: it ends a KVM_RUN whose guest
 * never exits. Each thread calls this on its own; chance_kicks counts those of the process.
 */
void chance_kick_every(long ns);
extern volatile sig_atomic_t chance_kicks;

#endif
