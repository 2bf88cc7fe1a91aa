/* SPDX-License-Identifier: MIT */
/*
 * A guest in 64-bit mode that reads and writes 8 bytes where the test tells it; its code is
 * peek_poke of the test's guest file.
 */
#ifndef PEEK_H
#define PEEK_H

#include "kvmtest.h"

GUEST(peek_poke);

#define PEEK_ENTRY KT_CODE
#define POKE_ENTRY (KT_CODE + 16)

/* One access; what KVM_RUN gave: 0 with run->exit_reason set, or -1 and errno. */
static inline int peek_try(struct kt_guest *g, uint64_t entry, uint64_t gpa, uint64_t value)
{
	struct kvm_regs regs = { .rip = entry, .rflags = 2, .rbx = gpa, .rax = value };

	kt_set_regs(&g->vcpu, &regs);
	return ioctl(g->vcpu.fd, KVM_RUN, 0);
}

static inline void peek_must(struct kt_guest *g, uint64_t entry, uint64_t gpa, uint64_t value)
{
	struct kvm_regs regs = { .rip = entry, .rflags = 2, .rbx = gpa, .rax = value };

	kt_set_regs(&g->vcpu, &regs);
	kt_run(&g->vcpu, KVM_EXIT_HLT);
}

static inline uint64_t peek_read(struct kt_guest *g, uint64_t gpa)
{
	peek_must(g, PEEK_ENTRY, gpa, 0);
	return kt_regs(&g->vcpu).rax;
}

#define PEEK(g, gpa) (kt_at(__FILE__, __LINE__), peek_read(g, gpa))
#define POKE(g, gpa, data) (kt_at(__FILE__, __LINE__), peek_must(g, POKE_ENTRY, gpa, data))

/*
 * Whether a read and a write end without memory being there: as MMIO, or as an internal
 * error where no MMIO is emulated. The vCPU takes no harm either way.
 */
static inline bool peek_is_nothing(struct kt_guest *g, uint64_t gpa)
{
	uint32_t reason;

	if (peek_try(g, PEEK_ENTRY, gpa, 0) != 0)
		return false;
	reason = g->vcpu.run->exit_reason;
	if (reason == KVM_EXIT_MMIO)
		ioctl(g->vcpu.fd, KVM_RUN, 0); /* completes the read */
	return reason == KVM_EXIT_MMIO || reason == KVM_EXIT_INTERNAL_ERROR;
}

#endif
