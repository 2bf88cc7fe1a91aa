// SPDX-License-Identifier: MIT
/* Root's operating system in the stack test: the shim's platform.h and mv_hypercall(). */
#include "stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <hypercall.h>
#include <platform_inline.h>
#include <platform_trace.h>
#include <shim.h>

struct stack_os stack_os;

static bool page_used[STACK_KERNEL_PAGES];

bool stack_fails(unsigned int kind)
{
	if (!(kind & stack_os.fail_kinds) || !stack_os.fail_in || --stack_os.fail_in)
		return false;
	stack_os.fail_in = stack_os.fail_on;
	stack_os.failed = true;
	return true;
}

void *platform_alloc(size_t bytes)
{
	void *p = stack_fails(STACK_FAIL_OS) ? NULL : calloc(1, bytes);

	assert_false(stack_os.shared_held || stack_os.irqs_off);
	stack_os.allocs += p != NULL;
	return p;
}

void platform_free(void *p)
{
	stack_os.allocs -= p != NULL;
	free(p);
}

/* The first pages are the CPUs' shared pages. */
int platform_pages_alloc(unsigned int order, uint64_t *spa)
{
	static uint64_t large;
	uint64_t first = 16, i, count = 1ULL << order;

	if (stack_fails(STACK_FAIL_OS))
		return -ENOMEM;
	if (stack_os.spread)
		first += ++large * 512 % STACK_KERNEL_PAGES;
	for (; first + count <= STACK_KERNEL_PAGES; first += count) {
		for (i = 0; i < count && !page_used[first + i]; i++)
			;
		if (i < count)
			continue;
		memset(&page_used[first], 1, count);
		stack_os.pages += (long)count;
		*spa = STACK_KERNEL + first * MV_PAGE_SIZE;
		return 0;
	}
	return -ENOMEM;
}

/* Nobody may have it but root, and there is nothing of a guest's in it. */
void platform_pages_free(uint64_t spa, unsigned int order)
{
	static const uint8_t zeros[MV_PAGE_SIZE];
	uint64_t i, first = (spa - STACK_KERNEL) / MV_PAGE_SIZE;

	assert_true(stack_is_roots(spa, MV_PAGE_SIZE << order));
	for (i = 0; i < 1ULL << order; i++) {
		assert_memory_equal(stack_ram(spa + i * MV_PAGE_SIZE), zeros, MV_PAGE_SIZE);
		page_used[first + i] = false;
	}
	stack_os.pages -= 1L << order;
}

/* hva is the offset in the process's memory. */
static uint64_t spa_of(uint64_t page)
{
	const uint64_t pages = STACK_USER_BYTES / MV_PAGE_SIZE;

	if (stack_os.scattered)
		page = page * 5 % pages; /* odd: each page once */
	return STACK_USER + page * MV_PAGE_SIZE;
}

static int pin(uint64_t hva, uint64_t pages, uint64_t *spa)
{
	uint64_t i;

	assert_false(stack_os.shared_held);
	for (i = 0;
	     i < pages && i < PLATFORM_PIN_BATCH && hva + i * MV_PAGE_SIZE < STACK_USER_BYTES; i++)
		spa[i] = spa_of(hva / MV_PAGE_SIZE + i);
	stack_os.pinned += (long)i;
	return (int)i;
}

int platform_pin_there(void *os, uint64_t hva, uint64_t pages, uint64_t *spa)
{
	(void)os;
	return stack_os.absent || stack_fails(STACK_FAIL_OS) ? 0 : pin(hva, pages, spa);
}

/* This machine has no large pages. */
int platform_pin_large(void *os, uint64_t hva, uint64_t *spa)
{
	(void)os;
	(void)hva;
	(void)spa;
	return 0;
}

void platform_unpin_large(void *os, uint64_t spa, bool dirty)
{
	platform_unpin(os, spa, PLATFORM_PIN_BATCH, dirty);
}

int platform_pin_fault(void *os, uint64_t hva, bool write, uint64_t *spa, bool *writable)
{
	(void)os;
	(void)write;
	*writable = true;
	if (stack_fails(STACK_FAIL_OS))
		return -ENOMEM;
	return pin(hva, 1, spa) == 1 ? 0 : -EFAULT;
}

void *platform_watch(void *os, void *slot, uint64_t hva, uint64_t pages)
{
	(void)slot;
	(void)hva;
	(void)pages;
	return stack_fails(STACK_FAIL_OS) ? NULL : os;
}

void platform_unwatch(void *os, void *watch)
{
	(void)os;
	(void)watch;
}

bool platform_memory_stale(void *os)
{
	(void)os;
	return false;
}

int platform_memory_settle(void *os)
{
	(void)os;
	return 0;
}

bool platform_memory_take(void *os, void **slot, uint64_t *page, uint64_t *pages)
{
	(void)os;
	(void)slot;
	(void)page;
	(void)pages;
	return false;
}

void platform_memory_repaired(void *os)
{
	(void)os;
}

uint64_t platform_memory_seq(void *os)
{
	(void)os;
	return 0;
}

void platform_unpin(void *os, uint64_t spa, uint64_t pages, bool dirty)
{
	(void)os;
	(void)dirty;
	assert_true(stack_is_roots(spa, pages * MV_PAGE_SIZE));
	stack_os.pinned -= (long)pages;
}

int platform_user_read(void *dst, uint64_t hva, size_t bytes)
{
	(void)dst;
	(void)hva;
	(void)bytes;
	return -EFAULT;
}

bool platform_user_range_ok(uint64_t hva, uint64_t bytes)
{
	return bytes <= 1ULL << 47 && hva <= (1ULL << 47) - bytes;
}

void *platform_shared_page_get(void)
{
	void *page = stack_ram(STACK_KERNEL + stack_cpu() * MV_PAGE_SIZE);

	assert_false(stack_os.shared_held);
	memset(page, 0xA5, MV_PAGE_SIZE);
	stack_os.shared_held = true;
	return page;
}

void platform_shared_page_put(void)
{
	assert_true(stack_os.shared_held);
	stack_os.shared_held = false;
}

bool platform_guest_enter(void *os, bool guest)
{
	(void)os;
	stack_os.irqs_off = !guest || !stack_os.signal;
	return stack_os.irqs_off;
}

void platform_guest_leave(void *os)
{
	(void)os;
	stack_os.irqs_off = false;
}

void platform_guest_kick(void *os)
{
	(void)os;
}

bool platform_signal_pending(void)
{
	return stack_os.signal;
}

void platform_yield(void)
{
	assert_false(stack_os.shared_held || stack_os.irqs_off);
}

void platform_ping_cpus(void)
{
	unsigned int n, before = stack_cpu();

	stack_os.pings++;
	for (n = 0; n < STACK_CPUS; n++) {
		stack_on(n);
		shim_cpu_ping();
	}
	stack_on(before);
}

void platform_retry_wait(unsigned int attempt)
{
	assert_true(attempt < 4); /* each CPU has answered: more can't be needed */
}

void platform_vm_lock(void *os)
{
	(void)os;
	assert_false(stack_os.vm_locked);
	stack_os.vm_locked = true;
}

void platform_vm_unlock(void *os)
{
	(void)os;
	assert_true(stack_os.vm_locked);
	stack_os.vm_locked = false;
}

void platform_read_lock(void)
{
}

void platform_read_unlock(void)
{
}

void platform_read_wait(void)
{
}

void platform_ring_lock(void *vm_os)
{
	(void)vm_os;
}

void platform_ring_unlock(void *vm_os)
{
	(void)vm_os;
}

int platform_eventfd_get(int fd, void **eventfd)
{
	(void)fd;
	(void)eventfd;
	return -EBADF;
}

void platform_eventfd_put(void *eventfd)
{
	(void)eventfd;
}

void platform_eventfd_signal(void *eventfd)
{
	(void)eventfd;
}

void platform_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	(void)subleaf;
	memset(out, 0, 4 * sizeof(*out));
	if (leaf == 0x80000008)
		out[0] = 0x3028;
}

/* A TSC of 1 GHz that has been told once. */
void platform_time(struct platform_time *time)
{
	*time = (struct platform_time){ .exact = true };
}

uint32_t platform_tsc_khz(void)
{
	return 1000000;
}

bool platform_time_due(void)
{
	return false;
}

uint32_t platform_cpu(void)
{
	return stack_cpu();
}

uint32_t platform_online_cpus(void)
{
	return STACK_CPUS;
}

bool platform_traces_all(void)
{
	return false;
}

void platform_trace(enum trace_kind kind, const struct platform_event *event)
{
	(void)kind;
	(void)event;
}

void platform_log(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	fail_msg("the shim has something to complain about");
}

void mv_hypercall(struct mv_regs *regs)
{
	uint64_t r[5] = { regs->rax, regs->reg[0], regs->reg[1], regs->reg[2], regs->reg[3] };

	stack_vmmcall(r);
	regs->rax = r[0];
	memcpy(regs->reg, r + 1, sizeof(regs->reg));
}

void stack_os_begin(void)
{
	unsigned int n;

	stack_boot();
	assert_int_equal(shim_init(), 0);
	for (n = 0; n < STACK_CPUS; n++) {
		stack_on(n);
		assert_int_equal(shim_cpu_online(STACK_KERNEL + n * MV_PAGE_SIZE), 0);
	}
	stack_on(0);
}

void stack_os_end(void)
{
	unsigned int n;

	for (n = 0; n < STACK_CPUS; n++) {
		stack_on(n);
		shim_cpu_offline();
	}
	stack_on(0);
	shim_fini();
}
