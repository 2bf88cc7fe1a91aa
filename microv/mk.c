// SPDX-License-Identifier: MIT
/* What the microkernel maps for MicroV, by its fixed addresses (mk_abi.h). */
#include "mk.h"

/* start.S */
int window_copy(void *dst, const void *src, size_t len);
int window_load(uint64_t *to, const uint64_t *from);
int window_or(void *byte, unsigned int bits);
int window_cmpxchg(void *p, const uint64_t old[2], const uint64_t value[2], size_t len);
extern const char window_start[], window_end[], window_fault[];

/* The one system call that changes all registers. */
int64_t mk_vs_run(unsigned int vsid)
{
	uint64_t id = vsid;
	int64_t rc;

	asm volatile("syscall"
		     : "=a"(rc), "+D"(id)
		     : "0"(MK_SYS_VS_RUN)
		     : "rbx", "rcx", "rdx", "rbp", "rsi", "r8", "r9", "r10", "r11", "r12", "r13",
		       "r14", "r15", "memory", "cc");
	return rc;
}

struct mk_state *mk_state(unsigned int vsid)
{
	return (struct mk_state *)(MK_U_STATE + vsid * MV_PAGE_SIZE);
}

void *mk_own(unsigned int vsid)
{
	return (void *)(MK_U_OWN + vsid * MK_OWN_BYTES);
}

void *mk_shared(void)
{
	return (void *)MK_U_SHARED;
}

int mk_window_copy(uint64_t gpa, void *buf, size_t len, int write)
{
	void *guest = (void *)(MK_U_WINDOW + gpa);

	return write ? window_copy(guest, buf, len) : window_copy(buf, guest, len);
}

int mk_window_load(uint64_t gpa, uint64_t *value)
{
	return window_load(value, (const uint64_t *)(MK_U_WINDOW + gpa));
}

_Static_assert(MK_WINDOW_WORDS == 3, "as start.S has it");

int mk_window_check(const struct mk_window_word *word, const struct mk_window_word *end,
		    uint64_t gpa)
{
	register const struct mk_window_word *next asm("r8") = word, *last asm("r9") = end;
	int rc;

	/* Not as C calls, which saves what may change, but doesn't. */
	asm volatile("call window_check"
		     : "=a"(rc), "+r"(next)
		     : "r"(last), "d"(gpa), "c"(MK_U_WINDOW)
		     : "memory", "cc");
	return rc;
}

int mk_window_or(uint64_t gpa, uint8_t bits)
{
	return window_or((void *)(MK_U_WINDOW + gpa), bits);
}

int mk_window_cmpxchg(uint64_t gpa, const void *old, const void *value, size_t len)
{
	uint64_t from[2] = { 0 }, to[2] = { 0 };

	memcpy(from, old, len);
	memcpy(to, value, len);
	return window_cmpxchg((void *)(MK_U_WINDOW + gpa), from, to, len);
}

void mk_window_init(void)
{
	mk_syscall(MK_SYS_WINDOW_FIXUP, (uintptr_t)window_start, (uintptr_t)window_end,
		   (uintptr_t)window_fault, 0, 0, NULL);
}
