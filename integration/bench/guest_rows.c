// SPDX-License-Identifier: MIT
/* Guests that do one thing again and again, with a user space that does nothing for it. */
#include "bench.h"

#include <sys/eventfd.h>

#define PAGE_AT (2 * KT_MIB) /* what bench_fault takes out and in, and bench_touch begins at */
#define PORT 0x600

GUEST(bench_out);
GUEST(bench_in);
GUEST(bench_write);
GUEST(bench_read);
GUEST(bench_event);
GUEST(bench_cpuid);
GUEST(bench_rdmsr);
GUEST(bench_compute);
GUEST(bench_memory);
GUEST(bench_fault);
GUEST(bench_touch);

/* User space answers nothing, and goes on until the guest halts. */
static void serve(const struct kt_guest *g)
{
	do {
		if (ioctl(g->vcpu.fd, KVM_RUN, 0))
			kt_fail(__FILE__, __LINE__, "KVM_RUN: errno %d", errno);
		else
			continue;
		kt_end();
	} while (g->vcpu.run->exit_reason == KVM_EXIT_IO ||
		 g->vcpu.run->exit_reason == KVM_EXIT_MMIO);
	CHECK_EQ(g->vcpu.run->exit_reason, KVM_EXIT_HLT);
}

static void start(const struct kt_guest *g, uint64_t times)
{
	struct kvm_regs regs = kt_regs(&g->vcpu);

	regs.rcx = times;
	regs.rbx = PAGE_AT;
	kt_set_regs(&g->vcpu, &regs);
}

/* Once over before it counts: what the first entry makes, and faults in, is no operation's. */
static void loop(struct kt_guest *g, struct kt_code code, uint64_t times)
{
	start(g, 1);
	serve(g);
	kt_guest_load(g, KT_LONG64, code);
	start(g, times);
	begin();
	serve(g);
	end();
	kt_guest_close(g);
}

static void plain(struct kt_code code, uint64_t times)
{
	struct kt_guest g = kt_guest(KT_LONG64, code);

	kt_set_cpuid(&g.vm, &g.vcpu);
	loop(&g, code, times);
}

#define PLAIN(name)                                                                                \
	static void row_##name(uint64_t times)                                                     \
	{                                                                                          \
		plain(CODE(bench_##name), times);                                                  \
	}

PLAIN(out)
PLAIN(in)
PLAIN(write)
PLAIN(read)
PLAIN(cpuid)
PLAIN(rdmsr)
PLAIN(compute)
PLAIN(memory)

static void row_event(uint64_t times)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(bench_event));
	struct kvm_ioeventfd args = { .addr = PORT, .fd = eventfd(0, EFD_CLOEXEC) };
	uint64_t count = 0;

	args.flags = KVM_IOEVENTFD_FLAG_PIO;
	REQUIRE(ioctl(g.vm.fd, KVM_IOEVENTFD, &args) == 0);
	loop(&g, CODE(bench_event), times);
	CHECK_EQ(read(args.fd, &count, sizeof(count)), sizeof(count));
	CHECK_EQ(count, times + 1);
	close(args.fd);
}

static void row_fault(uint64_t times)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(bench_fault));
	void *mem = kt_memory(&g.vm, 1, PAGE_AT, 2 * KT_MIB);

	loop(&g, CODE(bench_fault), times);
	munmap(mem, 2 * KT_MIB);
}

/* Memory that is there already becomes the guest's, and the guest writes each page of it. */
static void map(uint64_t pages, int advice)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(bench_touch));
	size_t size = pages * KT_PAGE;
	uint8_t *mem = kt_anon(size + 2 * KT_MIB);
	uint8_t *aligned = mem + (-(uintptr_t)mem & (2 * KT_MIB - 1));

	madvise(aligned, size, advice);
	memset(aligned, 1, size);
	start(&g, pages);
	begin();
	REQUIRE(kt_slot(&g.vm, 1, PAGE_AT, size, aligned) == 0);
	serve(&g);
	end();
	for (uint64_t i = 0; i < pages; i++)
		CHECK_EQ(*(uint64_t *)(aligned + i * KT_PAGE), PAGE_AT + i * KT_PAGE);
	kt_guest_close(&g);
	munmap(mem, size + 2 * KT_MIB);
}

static void row_map_4k(uint64_t pages)
{
	map(pages, MADV_NOHUGEPAGE);
}

static void row_map_2m(uint64_t pages)
{
	map(pages, MADV_HUGEPAGE);
}

#define PAGES(mib) ((mib)*KT_MIB / KT_PAGE)

const struct row guest_rows[] = {
	{ "out", row_out, 1000, 21000, false },
	{ "in", row_in, 1000, 21000, false },
	{ "mmio-write", row_write, 1000, 21000, false },
	{ "mmio-read", row_read, 1000, 21000, false },
	{ "cpuid", row_cpuid, 1000, 21000, false },
	{ "rdmsr", row_rdmsr, 1000, 21000, false },
	{ "ioeventfd", row_event, 1000, 21000, false },
	{ "map-4k", row_map_4k, PAGES(16), PAGES(272), false },
	{ "map-2m", row_map_2m, PAGES(16), PAGES(272), false },
	{ "guest-compute", row_compute, 10000, 1010000, false },
	{ "guest-memory", row_memory, 10, 1010, false },
	{ "guest-fault", row_fault, 10000, 1010000, false },
	{ NULL, NULL, 0, 0, false },
};
