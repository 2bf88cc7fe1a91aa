// SPDX-License-Identifier: MIT
/*
 * memory-scale KIND MIB: a guest with so much memory of a kind; what making its slot, the
 * guest's first and second look at each page, a dirty log of it and deleting the slot cost,
 * per page of 4 KiB. The same program for both drivers.
 */
#include "kvmtest.h"

#include <time.h>
#include <x86intrin.h>

GUEST(touch);

#define GPA (1UL << 32) /* above what firmware and devices have */
#define TOUCH_AGAIN (KT_CODE + 32)

struct kind {
	const char *name;
	int flags; /* of mmap */
	unsigned int memfd; /* memfd_create()'s flags + 1 */
	int advice;
	bool there; /* the process has touched it before */
};

static const struct kind kinds[] = {
	{ "anon", MAP_PRIVATE | MAP_ANONYMOUS, 0, MADV_NOHUGEPAGE, false },
	{ "thp", MAP_PRIVATE | MAP_ANONYMOUS, 0, MADV_HUGEPAGE, false },
	{ "thp-there", MAP_PRIVATE | MAP_ANONYMOUS, 0, MADV_HUGEPAGE, true },
	{ "populate", MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, 0, 0, false },
	{ "hugetlb", MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, 0, 0, false },
	{ "hugetlb-there", MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, 0, 0, true },
	{ "memfd", MAP_SHARED, 1 + MFD_CLOEXEC, 0, false },
	{ "memfd-hugetlb", MAP_SHARED, 1 + (MFD_CLOEXEC | MFD_HUGETLB), 0, false },
};

static void *map_kind(const struct kind *kind, size_t size)
{
	uint8_t *mem, *aligned;
	int fd = -1;

	if (kind->memfd) {
		fd = memfd_create("guest", kind->memfd - 1);
		REQUIRE(fd >= 0);
		REQUIRE(ftruncate(fd, (off_t)size) == 0);
	}
	if (kind->advice != MADV_HUGEPAGE) {
		mem = mmap(NULL, size, PROT_READ | PROT_WRITE, kind->flags, fd, 0);
		REQUIRE(mem != MAP_FAILED);
		if (kind->advice)
			madvise(mem, size, kind->advice);
		return mem;
	}
	mem = mmap(NULL, size + 2 * KT_MIB, PROT_READ | PROT_WRITE, kind->flags, fd, 0);
	REQUIRE(mem != MAP_FAILED);
	aligned = (uint8_t *)(((uintptr_t)mem + 2 * KT_MIB - 1) & -(2 * KT_MIB));
	madvise(aligned, size, MADV_HUGEPAGE);
	return aligned;
}

/* The first of these counters that exists; they only grow on microv, on kvm_amd they tell now. */
static uint64_t counter(const char *microv, const char *kvm)
{
	const char *const paths[] = { microv, kvm };
	unsigned long long value = 0;

	for (unsigned int i = 0; i < 2; i++) {
		FILE *file = paths[i] ? fopen(paths[i], "r") : NULL;

		if (!file)
			continue;
		if (fscanf(file, "%llu", &value) != 1)
			value = 0;
		fclose(file);
		break;
	}
	return value;
}

#define MICROV "/sys/module/microv_kvm/parameters/"
#define DEBUGFS "/sys/kernel/debug/kvm/"

struct counters {
	uint64_t hypercalls, small, large;
};

static struct counters counters(void)
{
	return (struct counters){
		.hypercalls = counter(MICROV "hypercalls_map", NULL),
		.small = counter(MICROV "entries_4k", DEBUGFS "pages_4k"),
		.large = counter(MICROV "entries_2m", DEBUGFS "pages_2m"),
	};
}

/* Nanoseconds and ticks (instructions, where the machine counts them) of a step, per page. */
struct watch {
	struct timespec time;
	uint64_t ticks, pages;
};

static struct watch begin(uint64_t pages)
{
	struct watch w = { .pages = pages };

	clock_gettime(CLOCK_MONOTONIC, &w.time);
	w.ticks = __rdtsc();
	return w;
}

static void end(const struct watch *w, const char *step)
{
	uint64_t ticks = __rdtsc() - w->ticks;
	struct timespec now;
	uint64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (uint64_t)(now.tv_sec - w->time.tv_sec) * 1000000000 + (uint64_t)now.tv_nsec -
	     (uint64_t)w->time.tv_nsec;
	printf("#   %-22s %8.1f ms %10.1f ns/page %10.1f ticks/page\n", step, (double)ns / 1e6,
	       (double)ns / (double)w->pages, (double)ticks / (double)w->pages);
}

static void run_touch(struct kt_guest *g, uint64_t entry, uint64_t pages)
{
	struct kvm_regs regs = { .rip = entry, .rflags = 2, .rbx = GPA, .rcx = pages };

	kt_set_regs(&g->vcpu, &regs);
	kt_run(&g->vcpu, KVM_EXIT_HLT);
}

static int set_slot(struct kt_guest *g, uint32_t flags, uint64_t pages, void *mem)
{
	struct kvm_userspace_memory_region region = {
		.slot = 1,
		.flags = flags,
		.guest_phys_addr = GPA,
		.memory_size = pages * KT_PAGE,
		.userspace_addr = (uintptr_t)mem,
	};

	return ioctl(g->vm.fd, KVM_SET_USER_MEMORY_REGION, &region);
}

/* The guest writes each page once more while its writes are logged: all are told. */
static void log_all(struct kt_guest *g, uint64_t pages, void *mem)
{
	uint64_t *bitmap = calloc(pages / 64 + 1, 8), dirty = 0;
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	struct watch w = begin(pages);

	CHECK_OK(set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, pages, mem));
	end(&w, "log on");
	w = begin(pages);
	CHECK_OK(ioctl(g->vm.fd, KVM_GET_DIRTY_LOG, &log));
	end(&w, "log, nothing written");
	w = begin(pages);
	run_touch(g, KT_CODE, pages);
	end(&w, "guest writes all");
	w = begin(pages);
	CHECK_OK(ioctl(g->vm.fd, KVM_GET_DIRTY_LOG, &log));
	end(&w, "log, all written");
	for (uint64_t i = 0; i <= pages / 64; i++)
		dirty += (uint64_t)__builtin_popcountll(bitmap[i]);
	CHECK_EQ(dirty, pages);
	CHECK_OK(set_slot(g, 0, pages, mem));
	free(bitmap);
}

/* Huge pages that are there take one hypercall for 234 MiB: at most 70 for 16 GiB. */
static void check_few(const struct counters *before, uint64_t mib)
{
	struct counters now = counters();

	printf("#   %llu hypercalls to map what is there\n",
	       (unsigned long long)(now.hypercalls - before->hypercalls));
	CHECK(now.hypercalls - before->hypercalls <= (mib + 233) / 234);
}

/* Huge pages, at once when the slot is made, and once more after the guest has lost all of them. */
static void measure_there(struct kt_guest *g, uint8_t *mem, uint64_t pages)
{
	const uint64_t size = pages * KT_PAGE;
	struct counters before = counters();
	struct watch w;

	CHECK_OK(set_slot(g, 0, pages, mem));
	check_few(&before, size / KT_MIB);
	run_touch(g, KT_CODE, 1); /* its own memory is there, too */
	CHECK_OK(mprotect(mem, size, PROT_NONE));
	CHECK_OK(mprotect(mem, size, PROT_READ | PROT_WRITE));
	memset(mem, 2, size); /* only now may the process's entries be written, too */
	before = counters();
	w = begin(pages);
	run_touch(g, KT_CODE, pages);
	end(&w, "guest writes all again");
	check_few(&before, size / KT_MIB);
	CHECK_OK(set_slot(g, 0, 0, NULL));
}

static void measure(const struct kind *kind, uint64_t mib)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(touch));
	const uint64_t pages = mib * KT_MIB / KT_PAGE;
	struct counters before = counters(), after;
	struct watch w = begin(pages);
	uint8_t *mem = map_kind(kind, pages * KT_PAGE);

	printf("# %s, %llu MiB\n", kind->name, (unsigned long long)mib);
	if (kind->flags & MAP_POPULATE)
		end(&w, "populate");
	if (kind->there) {
		memset(mem, 1, pages * KT_PAGE);
		measure_there(&g, mem, pages);
	}
	w = begin(pages);
	REQUIRE(set_slot(&g, 0, pages, mem) == 0);
	end(&w, "slot made");
	w = begin(pages);
	run_touch(&g, KT_CODE, pages);
	end(&w, "guest writes all");
	after = counters();
	w = begin(pages);
	run_touch(&g, TOUCH_AGAIN, pages);
	end(&w, "guest reads all");
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0);
	for (uint64_t page = 0; page < pages; page++)
		if (*(uint64_t *)(mem + page * KT_PAGE) != GPA + page * KT_PAGE) {
			kt_fail(__FILE__, __LINE__, "page %llu", (unsigned long long)page);
			break;
		}
	printf("#   entries: %llu of 2 MiB, %llu of 4 KiB; %llu hypercalls to map\n",
	       (unsigned long long)(after.large - before.large),
	       (unsigned long long)(after.small - before.small),
	       (unsigned long long)(after.hypercalls - before.hypercalls));
	log_all(&g, pages, mem);
	w = begin(pages);
	CHECK_OK(set_slot(&g, 0, 0, NULL));
	end(&w, "slot deleted");
}

/* As firmware does it with its shadows: a small slot comes and goes, again and again. */
static void small_slots(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(touch));
	uint8_t *mem = kt_anon(32 * KT_PAGE);
	struct counters before, after;
	const unsigned int rounds = 200;
	struct watch w;

	memset(mem, 1, 32 * KT_PAGE);
	before = counters();
	w = begin(rounds);
	for (unsigned int i = 0; i < rounds; i++) {
		uint64_t count = i % 2 ? 32 : 16;

		REQUIRE(set_slot(&g, i % 3 ? 0 : KVM_MEM_READONLY, count, mem) == 0);
		REQUIRE(set_slot(&g, 0, 0, NULL) == 0);
	}
	printf("# %u small slots made and deleted (\"page\": one of them)\n", rounds);
	end(&w, "");
	after = counters();
	printf("#   %llu hypercalls to map\n",
	       (unsigned long long)(after.hypercalls - before.hypercalls));
}

static const struct kind *chosen;
static uint64_t chosen_mib;

static void run_chosen(void)
{
	alarm(600); /* more than kt_main gives */
	if (chosen)
		measure(chosen, chosen_mib);
	else
		small_slots();
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct kt_test test = { argc > 1 ? argv[1] : "", run_chosen };

	if (argc == 2 && !strcmp(argv[1], "slots"))
		return kt_main(&test, 1);
	for (unsigned int i = 0; argc == 3 && i < KT_LEN(kinds); i++)
		if (!strcmp(argv[1], kinds[i].name))
			chosen = &kinds[i];
	if (!chosen) {
		fprintf(stderr, "usage: memory-scale KIND MIB | memory-scale slots\n");
		return 2;
	}
	chosen_mib = strtoul(argv[2], NULL, 0);
	return kt_main(&test, 1);
}
