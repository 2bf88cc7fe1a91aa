/* SPDX-License-Identifier: MIT */
/*
 * The fakes that shim/src is tested against: an operating system (fake_os) and a
 * hypervisor (fake_hv). Both are strict: what the real one would refuse or what would be a
 * bug of the shim there (a page freed that the hypervisor has, sleeping with the shared page
 * held) fails the test. What a test wants to go wrong it sets here.
 */
#ifndef FAKE_H
#define FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <hypercall.h>
#include <platform_inline.h>
#include <platform_trace.h>
#include <shim.h>

#define PAGE MV_PAGE_SIZE
#define FAKE_MAX 4096
/* Descriptors 0 to FAKE_EVENTFDS - 1 are eventfds; each even one is the same as the next. */
#define FAKE_EVENTFDS 16

/* What is at a page of user memory. */
struct fake_page {
	bool present, writable;
	bool on_demand; /* not present, but it comes when it is faulted in */
	uint64_t spa;
};

#define FAKE_WATCHES 16U
#define FAKE_TRACES 16U
#define FAKE_RIP 0xFFFF8000ULL /* of a vCPU, for who asks for it alone */

struct fake_watch {
	void *slot;
	uint64_t hva, pages;
	uint64_t page, marked; /* what is stale */
};

struct fake_os {
	/* to be set by tests */
	bool tracing; /* all tracepoints are enabled */
	unsigned int alloc_fail; /* the n-th platform_alloc() from now fails; 0: none */
	unsigned int pages_fail; /* likewise platform_pages_alloc(), of those that could be had */
	unsigned int pages_order; /* larger chunks can't be had */
	bool no_pages; /* nor any page */
	unsigned int pin_fail; /* the n-th platform_pin_*() from now gives pin_error */
	int pin_error;
	void (*page)(uint64_t hva, struct fake_page *page); /* NULL: all contiguous */
	bool large_pages; /* what is contiguous in 2 MiB is a large page */
	const void *user; /* what the user has at user_hva, of user_bytes */
	uint64_t user_hva, user_bytes;
	bool signal;
	bool no_shared_page;
	bool busy_once; /* platform_guest_enter() refuses once */
	uint32_t cpuid_1_ecx, cpuid_7_ebx, cpuid_7_ecx;
	struct platform_time time;
	bool time_due;
	void (*on_fault)(uint64_t hva); /* while a page is being faulted in */
	bool stale; /* by fake_invalidate() */
	int settle_error;
	uint64_t seq;

	/* to be looked at */
	long allocs; /* outstanding platform_alloc() */
	long pages; /* outstanding pages of platform_pages_alloc() */
	long pinned; /* outstanding pinned pages */
	long large; /* outstanding large ones, which pinned counts, too */
	long dirtied; /* pages released as dirty */
	unsigned int pings, waits, yields, kicks, faults;
	struct fake_watch watches[FAKE_WATCHES], any_watch;
	bool shared_held, irqs_off, vm_locked, reading, ring_locked;
	unsigned int read_waits;
	unsigned int eventfds[FAKE_EVENTFDS]; /* how often each was signalled */
	long eventfd_refs;
	struct platform_event traced[FAKE_TRACES]; /* while tracing */
	enum trace_kind traced_kind[FAKE_TRACES];
	unsigned int num_traced;
};

/* What mv_vs_op_run leaves in the shared page. */
union fake_exit {
	uint8_t bytes[MV_PAGE_SIZE];
	struct mv_exit_io_t io;
	struct mv_exit_mmio_t mmio;
	struct mv_exit_msr_t msr;
	struct mv_exit_hlt_t hlt;
	struct mv_exit_failure_t failure;
	struct mv_exit_unknown_t unknown;
};

struct fake_range {
	uint64_t dst, src, bytes, flags;
};

enum fake_call { FAKE_MAP, FAKE_UNMAP, FAKE_DONATE, FAKE_OTHER };

struct fake_hv {
	/* to be set by tests */
	uint64_t fail_call; /* MV_HYPERCALL(op, idx) that is to fail, */
	unsigned int fail_at; /* at its n-th time from now, */
	mv_status_t fail_status; /* with this */
	unsigned int retries; /* donate, unmap and destroys need that many attempts more */
	uint64_t short_of; /* next map or create_vs finds so many pages missing, */
	unsigned int short_times; /* and the following ones too */
	/* The next mv_vs_op_run's: *in is what the shim gave; fills in page, returns the status. */
	mv_status_t (*run)(const struct mv_run_t *in, void *page, uint64_t *reason);

	/* to be looked at */
	bool open;
	uint32_t vms, vps, vss;
	struct fake_range map[FAKE_MAX]; /* of all VMs together: tests have one */
	size_t num_map;
	struct fake_range donated[FAKE_MAX];
	size_t num_donated;
	size_t calls[4]; /* per enum fake_call */
	size_t list_sizes[FAKE_MAX]; /* entries of each mmio_map */
	uint64_t reg[MV_REG_MAX + 1];
	struct mv_xsave_t xsave;
	uint64_t efer, apic_base, tsc; /* all MSRs there are */
	struct mv_cdl_entry_t cdl[MV_CDL_VS_MAX]; /* of the vCPU */
	size_t num_cdl;
	bool shadow; /* interrupts are held off for one instruction */
	struct vcpu_events events; /* but for shadow */
	struct mv_stats_t stats;
	uint64_t stats_vsid; /* whose they are, besides the vCPU's */
	bool has_mce; /* set by tests: the following MSRs exist */
	uint64_t mcg[3], mc[4 * 32]; /* MCG_CAP, _STATUS, _CTL; the banks */
	uint64_t gpa; /* of mv_vs_op_gla_to_gpa; 0: not mapped */
	uint64_t queued; /* REG3 of the last mv_vs_op_queue_interrupt */
	uint32_t pp_khz, vs_khz;
	uint64_t pp_flags, clock, clock_flags, clock_tsc, offset; /* of time */
	struct platform_time time;
	unsigned int times_told;
	size_t reg_gets;
	size_t runs;
	uint64_t memory_flags; /* MV_RUN_FLAG_NO_MEMORY and FORGET of the last; others don't see
				  them */
	uint64_t dirty[1U << 15]; /* a bit for each page of guest memory from 0 on */
	size_t dirty_calls, quiesces;
	bool waiting; /* RETRY_CONTINUATION was the last answer */
	unsigned int pings_seen;
};

extern struct fake_os os;
extern struct fake_hv hv;

/* Both as new; a handle is open. For the setup of a test. */
int fake_setup(void **state);
/* Everything given back? For the teardown of a test. */
int fake_teardown(void **state);

/* User space has changed its mapping: from now on the pages there may be other ones. */
void fake_invalidate(uint64_t hva, uint64_t pages);
uint64_t fake_donated_pages(void);
/* The page that platform_shared_page_get() gives. */
void *fake_shared_page(void);

/* A VM, and its only vCPU when vcpu isn't NULL; to be undone by fake_vm_free(). */
void fake_vm(struct shim_vm *vm, struct shim_vcpu *vcpu);
/* KVM_SET_USER_MEMORY_REGION. */
int fake_slot(struct shim_vm *vm, uint32_t id, uint32_t flags, uint64_t gpa, uint64_t bytes,
	      uint64_t hva);
void fake_vm_free(struct shim_vm *vm, struct shim_vcpu *vcpu);

#define FAKE_TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

#endif /* FAKE_H */
