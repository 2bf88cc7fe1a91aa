// SPDX-License-Identifier: MIT
/* What MicroV sees of the microkernel (mk.h), by way of its real page tables; see stack.h. */
#define _GNU_SOURCE
#include "../stack/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "exit.h"
#include "main.h"
#include "mk.h"
#include "vm_table.h"

#define SCRATCH (MK_U_STACK_TOP - 0x1000) /* on this CPU's stack, one page */
#define LOG_MAX 1024

static void *must(uint64_t va)
{
	void *p = stack_ring3(va, true);

	assert_non_null(p);
	return p;
}

struct mk_state *mk_state(unsigned int vsid)
{
	return must(MK_U_STATE + vsid * MV_PAGE_SIZE);
}

/* Wherever the pages are in the machine's memory: in ring 3 one lies behind the other. */
void *mk_own(unsigned int vsid)
{
	const uint64_t own = MK_U_OWN + vsid * MK_OWN_BYTES;

	for (uint64_t va = own; va < own + MK_OWN_BYTES; va += MV_PAGE_SIZE)
		assert_ptr_equal(mremap(must(va), 0, MV_PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
					(void *)va),
				 (void *)va);
	return (void *)own;
}

/* MicroV may have the address of a page that isn't there. */
void *mk_shared(void)
{
	return stack_ring3(MK_U_SHARED, true);
}

/* Pointers of this program are not ring 3's: text goes by its stack. */
static int64_t log_read(uint64_t position, void *to, uint64_t bytes, uint64_t *rdx)
{
	int64_t n = stack_syscall(MK_SYS_LOG_READ, position, SCRATCH,
				  bytes < LOG_MAX ? bytes : LOG_MAX, 0, 0, rdx);

	if (n > 0)
		memcpy(to, must(SCRATCH), (size_t)n);
	return n;
}

static int64_t vs_fpu(uint64_t vsid, void *x, uint64_t set)
{
	int64_t err;

	if (set)
		memcpy(must(SCRATCH), x, MV_PAGE_SIZE);
	err = stack_syscall(MK_SYS_VS_FPU, vsid, SCRATCH, set, 0, 0, NULL);
	if (!err && !set)
		memcpy(x, must(SCRATCH), MV_PAGE_SIZE);
	return err;
}

int64_t mk_syscall(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
		   uint64_t *rdx)
{
	if (nr == MK_SYS_LOG_READ)
		return log_read(a0, (void *)a1, a2, rdx);
	if (nr == MK_SYS_VS_FPU)
		return vs_fpu(a0, (void *)a1, a2);
	if (nr == MK_SYS_SPACE_DIRTY) {
		assert_ptr_equal((void *)a3, mk_shared());
		a3 = MK_U_SHARED;
	}
	if (nr == MK_SYS_LOG) {
		assert_true(a1 <= LOG_MAX);
		memcpy(must(SCRATCH), (const void *)a0, a1);
		a0 = SCRATCH;
	}
	return stack_syscall(nr, a0, a1, a2, a3, a4, rdx);
}

static int window_fault(uint64_t gpa)
{
	assert_int_equal(stack_fault(stack_window_start, MK_U_WINDOW + gpa), stack_window_fault);
	return -MK_EFAULT;
}

int mk_window_copy(uint64_t gpa, void *buf, size_t len, int write)
{
	size_t done, n;

	for (done = 0; done < len; done += n) {
		uint64_t at = gpa + done;
		uint8_t *p = stack_ring3(MK_U_WINDOW + at, write);

		if (!p)
			return window_fault(at);
		n = MV_PAGE_SIZE - at % MV_PAGE_SIZE;
		n = n < len - done ? n : len - done;
		if (write)
			memcpy(p, (uint8_t *)buf + done, n);
		else
			memcpy((uint8_t *)buf + done, p, n);
	}
	return 0;
}

int mk_window_or(uint64_t gpa, uint8_t bits)
{
	uint8_t *p = stack_ring3(MK_U_WINDOW + gpa, true);

	if (!p)
		return window_fault(gpa);
	*p |= bits;
	return 0;
}

int mk_window_cmpxchg(uint64_t gpa, const void *old, const void *value, size_t len)
{
	uint8_t *p = stack_ring3(MK_U_WINDOW + gpa, true);

	if (!p)
		return window_fault(gpa);
	if (memcmp(p, old, len))
		return 1;
	memcpy(p, value, len);
	return 0;
}

void mk_window_init(void)
{
	assert_int_equal(mk_syscall(MK_SYS_WINDOW_FIXUP, stack_window_start,
				    stack_window_start + 16, stack_window_fault, 0, 0, NULL),
			 0);
}

void stack_microv_start(unsigned int cpu)
{
	microv_start(cpu, MK_START_LAUNCH);
}

void stack_microv_root_exit(unsigned int cpu)
{
	root_exit(cpu);
}

uint64_t stack_microv_waits(unsigned int vm)
{
	return vms[vm].pending.list;
}
