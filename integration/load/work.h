/* SPDX-License-Identifier: MIT */
/* The guest `work` of load_guest.asm: its memory, a step of it, and what it must have left there.
 */
#ifndef LOAD_WORK_H
#define LOAD_WORK_H

#include "kvmtest.h"

GUEST(work);

#define WORK_GPA 0x10000000UL

struct work {
	struct kt_guest guest;
	uint64_t *mem;
	uint64_t pages, seed, exits;
	bool lost;
};

static inline void work_start(struct work *w, void *mem, uint64_t pages, uint64_t seed)
{
	struct kvm_regs regs = { .rip = KT_CODE, .rflags = 2, .rsp = 0x8000, .rbx = WORK_GPA };

	*w = (struct work){ .guest = kt_guest(KT_LONG64, CODE(work)), .mem = mem };
	w->pages = pages;
	w->seed = seed;
	REQUIRE(kt_slot(&w->guest.vm, 1, WORK_GPA, pages * KT_PAGE, mem) == 0);
	regs.rcx = pages;
	regs.rdx = seed;
	kt_set_regs(&w->guest.vcpu, &regs);
}

/* One exit: the next number. False: it is another, or another exit. */
static inline bool work_step(struct work *w)
{
	const struct kvm_run *run = w->guest.vcpu.run;
	uint32_t count = 0;

	kt_run(&w->guest.vcpu, KVM_EXIT_IO);
	if (run->io.port == 0x10 && run->io.size == 4)
		memcpy(&count, kt_io_data(&w->guest.vcpu), sizeof(count));
	if (count == (uint32_t)++w->exits)
		return true;
	kt_fail(__FILE__, __LINE__, "VM 0x%llx: exit %u, not %llu", (unsigned long long)w->seed,
		count, (unsigned long long)w->exits);
	w->lost = true;
	return false;
}

/* What the guest found, and what the memory holds: in this round so far, and of the last one. */
static inline void work_check(struct work *w)
{
	struct kvm_regs regs = kt_regs(&w->guest.vcpu);

	CHECK_EQ(regs.r9, 0);
	for (uint64_t i = 0; i < w->pages; i++) {
		uint64_t gpa = WORK_GPA + i * KT_PAGE;
		uint64_t want = w->seed + gpa + regs.r8 + (regs.rsi != 0 && gpa < regs.rdi ? 1 : 0);

		if (!regs.r8 && gpa >= regs.rdi)
			want = 0;
		if (w->mem[i * 512] == want)
			continue;
		kt_fail(__FILE__, __LINE__, "VM 0x%llx, page %llu: 0x%llx, not 0x%llx",
			(unsigned long long)w->seed, (unsigned long long)i,
			(unsigned long long)w->mem[i * 512], (unsigned long long)want);
		break;
	}
}

#endif
