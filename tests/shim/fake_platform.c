// SPDX-License-Identifier: MIT
/* The operating system that shim/src runs on in the tests, see fake.h. */
#include <stdio.h>
#include <stdlib.h>

#include "fake.h"

#define USER_END 0x7FFFFFFFF000ULL
#define PHYS_BITS 40U

struct fake_os os;

static uint8_t shared_page[MV_PAGE_SIZE] __attribute__((aligned(4096)));
static uint64_t next_spa;
static union {
	struct kvm_coalesced_mmio_ring head;
	uint8_t page[MV_PAGE_SIZE];
} ring;

void *fake_shared_page(void)
{
	return shared_page;
}

int fake_setup(void **state)
{
	(void)state;
	memset(&os, 0, sizeof(os));
	memset(&hv, 0, sizeof(hv));
	os.pages_order = 10;
	next_spa = 0x100000000ULL;
	assert_int_equal(shim_init(), 0);
	return 0;
}

int fake_teardown(void **state)
{
	(void)state;
	shim_fini();
	assert_int_equal(os.allocs, 0);
	assert_int_equal(os.pages, 0);
	assert_int_equal(os.pinned, 0);
	assert_int_equal(os.large, 0);
	assert_int_equal(os.eventfd_refs, 0);
	assert_false(os.shared_held || os.irqs_off || os.vm_locked || os.reading);
	assert_int_equal(hv.vms + hv.vps + hv.vss, 0);
	assert_int_equal(hv.num_map + hv.num_donated, 0);
	assert_int_equal(shim_stats.vms, 0);
	return 0;
}

void fake_vm(struct shim_vm *vm, struct shim_vcpu *vcpu)
{
	memset(vm, 0, sizeof(*vm));
	memset(&ring, 0, sizeof(ring));
	vm->ring = &ring.head;
	assert_int_equal(shim_vm_create(vm, &os), 0);
	if (!vcpu)
		return;
	memset(vcpu, 0, sizeof(*vcpu));
	vcpu->run = calloc(1, SHIM_RUN_BYTES);
	assert_non_null(vcpu->run);
	assert_int_equal(shim_vcpu_create(vm, vcpu, 0), 0);
}

int fake_slot(struct shim_vm *vm, uint32_t id, uint32_t flags, uint64_t gpa, uint64_t bytes,
	      uint64_t hva)
{
	const struct kvm_userspace_memory_region region = {
		.slot = id,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = bytes,
		.userspace_addr = hva,
	};

	return shim_vm_set_memory(vm, &region);
}

void fake_vm_free(struct shim_vm *vm, struct shim_vcpu *vcpu)
{
	shim_vm_destroy(vm);
	if (vcpu)
		free(vcpu->run);
}

static void may_sleep(void)
{
	assert_false(os.shared_held);
	assert_false(os.irqs_off);
	assert_false(os.reading);
}

static bool fails_now(unsigned int *counter)
{
	return *counter && !--*counter;
}

void *platform_alloc(size_t bytes)
{
	void *p;

	may_sleep();
	if (fails_now(&os.alloc_fail))
		return NULL;
	p = calloc(1, bytes);
	assert_non_null(p);
	os.allocs++;
	return p;
}

void platform_free(void *p)
{
	os.allocs -= !!p;
	free(p);
}

int platform_pages_alloc(unsigned int order, uint64_t *spa)
{
	may_sleep();
	if (os.no_pages || order > os.pages_order || fails_now(&os.pages_fail))
		return -ENOMEM;
	*spa = next_spa;
	next_spa += PAGE << order;
	os.pages += 1L << order;
	return 0;
}

/* The hypervisor must not have any of it. */
void platform_pages_free(uint64_t spa, unsigned int order)
{
	size_t i;

	may_sleep();
	for (i = 0; i < hv.num_donated; i++)
		assert_true(spa + (PAGE << order) <= hv.donated[i].src ||
			    spa >= hv.donated[i].src + hv.donated[i].bytes);
	os.pages -= 1L << order;
}

static void page_at(uint64_t hva, struct fake_page *page)
{
	*page = (struct fake_page){ .present = true,
				    .writable = true,
				    .spa = hva & 0xFFFFFFFFFFULL };
	if (os.page)
		os.page(hva, page);
}

int platform_pin_there(void *vm_os, uint64_t hva, uint64_t pages, uint64_t *spa)
{
	struct fake_page page;
	uint64_t i;

	assert_ptr_equal(vm_os, &os);
	assert_in_range(pages, 1, PLATFORM_PIN_BATCH);
	may_sleep();
	if (fails_now(&os.pin_fail))
		return os.pin_error;
	for (i = 0; i < pages; i++) {
		page_at(hva + i * PAGE, &page);
		if (!page.present || !page.writable)
			break;
		spa[i] = page.spa;
	}
	os.pinned += (long)i;
	return (int)i;
}

/* One large page of the machine, if the test has some. */
int platform_pin_large(void *vm_os, uint64_t hva, uint64_t *spa)
{
	struct fake_page page;
	uint64_t i;

	assert_ptr_equal(vm_os, &os);
	assert_int_equal(hva % (PLATFORM_PIN_BATCH * PAGE), 0);
	may_sleep();
	for (i = 0; i < PLATFORM_PIN_BATCH; i++) {
		page_at(hva + i * PAGE, &page);
		if (!i)
			*spa = page.spa;
		if (!os.large_pages || !page.present || !page.writable ||
		    page.spa != *spa + i * PAGE || *spa % (PLATFORM_PIN_BATCH * PAGE))
			return 0;
	}
	os.pinned += (long)i;
	os.large++;
	return 1;
}

int platform_pin_fault(void *vm_os, uint64_t hva, bool write, uint64_t *spa, bool *writable)
{
	struct fake_page page;

	assert_ptr_equal(vm_os, &os);
	assert_int_equal(hva % PAGE, 0);
	assert_false(os.vm_locked);
	may_sleep();
	os.faults++;
	if (os.on_fault)
		os.on_fault(hva);
	if (fails_now(&os.pin_fail))
		return os.pin_error;
	page_at(hva, &page);
	if ((!page.present && !page.on_demand) || (write && !page.writable))
		return -EFAULT;
	*spa = page.spa;
	*writable = page.writable;
	os.pinned++;
	return 0;
}

static struct fake_watch *watch_free(void)
{
	size_t i;

	for (i = 0; i < FAKE_WATCHES; i++) {
		if (!os.watches[i].slot)
			return &os.watches[i];
	}
	return NULL;
}

void *platform_watch(void *vm_os, void *slot, uint64_t hva, uint64_t pages)
{
	struct fake_watch *watch = watch_free();

	assert_ptr_equal(vm_os, &os);
	may_sleep();
	assert_non_null(slot);
	if (fails_now(&os.alloc_fail))
		return NULL;
	if (watch)
		*watch = (struct fake_watch){ .slot = slot, .hva = hva, .pages = pages };
	else
		watch = &os.any_watch;
	return watch;
}

void platform_unwatch(void *vm_os, void *watch)
{
	assert_ptr_equal(vm_os, &os);
	memset(watch, 0, sizeof(struct fake_watch));
}

void fake_invalidate(uint64_t hva, uint64_t pages)
{
	size_t i;

	os.seq++;
	for (i = 0; i < FAKE_WATCHES; i++) {
		struct fake_watch *w = &os.watches[i];

		if (!w->slot || hva >= w->hva + w->pages * PAGE || w->hva >= hva + pages * PAGE)
			continue;
		assert_int_equal(w->marked, 0); /* tests do one thing at a time */
		assert_true(hva >= w->hva && hva + pages * PAGE <= w->hva + w->pages * PAGE);
		w->page = (hva - w->hva) / PAGE;
		w->marked = pages;
		os.stale = true;
	}
}

bool platform_memory_stale(void *vm_os)
{
	assert_ptr_equal(vm_os, &os);
	return os.stale;
}

int platform_memory_settle(void *vm_os)
{
	assert_ptr_equal(vm_os, &os);
	may_sleep();
	assert_false(os.vm_locked);
	return os.settle_error;
}

bool platform_memory_take(void *vm_os, void **slot, uint64_t *page, uint64_t *pages)
{
	size_t i;

	assert_ptr_equal(vm_os, &os);
	assert_true(os.vm_locked);
	for (i = 0; i < FAKE_WATCHES; i++) {
		struct fake_watch *w = &os.watches[i];

		if (!w->slot || !w->marked)
			continue;
		*slot = w->slot;
		*page = w->page;
		*pages = w->marked;
		w->marked = 0;
		return true;
	}
	return false;
}

void platform_memory_repaired(void *vm_os)
{
	assert_ptr_equal(vm_os, &os);
	assert_true(os.vm_locked);
	os.stale = false;
}

uint64_t platform_memory_seq(void *vm_os)
{
	assert_ptr_equal(vm_os, &os);
	assert_true(os.vm_locked);
	return os.seq;
}

void platform_unpin_large(void *vm_os, uint64_t spa, bool dirty)
{
	assert_int_equal(spa / PAGE % PLATFORM_PIN_BATCH, 0);
	platform_unpin(vm_os, spa, PLATFORM_PIN_BATCH, dirty);
	os.large--;
}

/* No guest may have any of it. */
void platform_unpin(void *vm_os, uint64_t spa, uint64_t pages, bool dirty)
{
	size_t i;

	assert_ptr_equal(vm_os, &os);
	may_sleep();
	assert_in_range(pages, 1, PLATFORM_PIN_BATCH);
	for (i = 0; i < hv.num_map; i++)
		assert_true(spa + pages * PAGE <= hv.map[i].src ||
			    spa >= hv.map[i].src + hv.map[i].bytes);
	os.pinned -= (long)pages;
	os.dirtied += dirty ? (long)pages : 0;
}

int platform_user_read(void *dst, uint64_t hva, size_t bytes)
{
	may_sleep();
	if (!os.user || hva < os.user_hva || hva + bytes > os.user_hva + os.user_bytes)
		return -EFAULT;
	memcpy(dst, (const char *)os.user + (hva - os.user_hva), bytes);
	return 0;
}

bool platform_user_range_ok(uint64_t hva, uint64_t bytes)
{
	return bytes <= USER_END && hva <= USER_END - bytes;
}

/* Poisoned on each use: nobody may rely on what was there before. */
void *platform_shared_page_get(void)
{
	assert_false(os.shared_held);
	if (os.no_shared_page)
		return NULL;
	memset(shared_page, 0xA5, sizeof(shared_page));
	os.shared_held = true;
	return shared_page;
}

void platform_shared_page_put(void)
{
	assert_true(os.shared_held);
	assert_false(os.irqs_off);
	os.shared_held = false;
}

bool platform_guest_enter(void *vm_os, bool guest)
{
	assert_ptr_equal(vm_os, &os);
	assert_true(os.shared_held);
	assert_false(os.irqs_off);
	if (os.stale || (guest && os.signal))
		return false;
	if (os.busy_once && guest) {
		os.busy_once = false;
		return false;
	}
	os.irqs_off = true;
	return true;
}

void platform_guest_leave(void *vm_os)
{
	assert_ptr_equal(vm_os, &os);
	assert_true(os.irqs_off);
	os.irqs_off = false;
}

void platform_guest_kick(void *vm_os)
{
	assert_ptr_equal(vm_os, &os);
	assert_false(os.irqs_off);
	os.kicks++;
}

bool platform_signal_pending(void)
{
	return os.signal;
}

void platform_yield(void)
{
	may_sleep();
	os.yields++;
}

void platform_ping_cpus(void)
{
	may_sleep();
	os.pings++;
}

void platform_retry_wait(unsigned int attempt)
{
	may_sleep();
	assert_true(attempt > 0);
	os.waits++;
}

void platform_vm_lock(void *vm_os)
{
	assert_ptr_equal(vm_os, &os);
	may_sleep();
	assert_false(os.vm_locked);
	os.vm_locked = true;
}

void platform_vm_unlock(void *vm_os)
{
	assert_ptr_equal(vm_os, &os);
	assert_true(os.vm_locked);
	os.vm_locked = false;
}

void platform_read_lock(void)
{
	assert_false(os.reading);
	os.reading = true;
}

void platform_read_unlock(void)
{
	assert_true(os.reading);
	os.reading = false;
}

void platform_read_wait(void)
{
	may_sleep();
	os.read_waits++;
}

void platform_ring_lock(void *vm_os)
{
	assert_ptr_equal(vm_os, &os);
	assert_false(os.ring_locked);
	os.ring_locked = true;
}

void platform_ring_unlock(void *vm_os)
{
	assert_ptr_equal(vm_os, &os);
	assert_true(os.ring_locked);
	os.ring_locked = false;
}

int platform_eventfd_get(int fd, void **eventfd)
{
	may_sleep();
	if (fd < 0 || fd >= FAKE_EVENTFDS)
		return -EBADF;
	*eventfd = &os.eventfds[fd | 1];
	os.eventfd_refs++;
	return 0;
}

void platform_eventfd_put(void *eventfd)
{
	(void)eventfd;
	may_sleep();
	os.eventfd_refs--;
}

void platform_eventfd_signal(void *eventfd)
{
	++*(unsigned int *)eventfd;
}

void platform_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	assert_int_equal(subleaf, 0);
	memset(out, 0, 4 * sizeof(*out));
	if (leaf == 1) {
		out[2] = os.cpuid_1_ecx;
	} else if (leaf == 7) {
		out[1] = os.cpuid_7_ebx;
		out[2] = os.cpuid_7_ecx;
	} else if (leaf == 0x80000008) {
		out[0] = 0x3000 | PHYS_BITS;
	}
}

#define TSC_KHZ 2000000U

void platform_time(struct platform_time *time)
{
	assert_true(os.shared_held);
	*time = os.time;
}

uint32_t platform_tsc_khz(void)
{
	return TSC_KHZ;
}

bool platform_time_due(void)
{
	assert_true(os.shared_held);
	return os.time_due;
}

uint32_t platform_cpu(void)
{
	return 3;
}

uint32_t platform_online_cpus(void)
{
	return 4;
}

bool platform_traces_all(void)
{
	return os.tracing;
}

void platform_trace(enum trace_kind kind, const struct platform_event *event)
{
	assert_true(os.tracing);
	assert_true(os.num_traced < FAKE_TRACES);
	os.traced_kind[os.num_traced] = kind;
	os.traced[os.num_traced++] = *event;
}

void platform_log(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("# log: ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
}
