// SPDX-License-Identifier: MIT
/*
 * Guests while the host is short of memory: a hog takes what there is until the host swaps. What a
 * guest's memory held goes out and comes back.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "work.h"

#define BYTES (64 * KT_MIB)
#define PAGES (BYTES / KT_PAGE)
#define SEED (1UL << 40)
#define HOG_STEP (8 * KT_MIB)

/* KiB in swap of the mapping that begins there; of a shared file's pages too. */
static uint64_t swapped(const void *mem)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long long start, end, kib = 0;
	bool here = false;
	char line[512];

	REQUIRE(file != NULL);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llx-%llx ", &start, &end) == 2)
			here = start <= (uintptr_t)mem && (uintptr_t)mem < end;
		else if (here && sscanf(line, "Swap: %llu kB", &kib) == 1)
			break;
	}
	fclose(file);
	return kib;
}

static uint64_t vmstat(const char *key)
{
	unsigned long long value, found = 0;
	FILE *file = fopen("/proc/vmstat", "r");
	char name[64];

	REQUIRE(file != NULL);
	while (fscanf(file, "%63s %llu", name, &value) == 2)
		if (!strcmp(name, key))
			found = value;
	fclose(file);
	return found;
}

/* Takes memory, and never gives it back, as long as a fifth of the swap is free. */
static pid_t hog_start(void)
{
	pid_t pid = fork();
	FILE *file;

	REQUIRE(pid >= 0);
	if (pid)
		return pid;
	alarm(100);
	file = fopen("/proc/self/oom_score_adj", "w");
	if (file) {
		fputs("1000", file);
		fclose(file);
	}
	while (kt_meminfo("SwapFree") > kt_meminfo("SwapTotal") / 5) {
		uint64_t *mem = kt_anon(HOG_STEP);

		for (size_t i = 0; i < HOG_STEP / 8; i += 512)
			mem[i] = i;
	}
	for (;;)
		pause();
}

static void hog_end(pid_t pid)
{
	int status;

	kill(pid, SIGTERM);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM); /* else the OOM killer's */
}

static bool hog_is_full(void)
{
	return kt_meminfo("SwapFree") <= kt_meminfo("SwapTotal") / 5;
}

static void *memory(bool shared)
{
	int fd = shared ? memfd_create("guest", MFD_CLOEXEC) : -1;
	void *mem;

	if (shared)
		REQUIRE(ftruncate(fd, BYTES) == 0);
	mem = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
		   shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
	REQUIRE(mem != MAP_FAILED);
	madvise(mem, BYTES, MADV_NOHUGEPAGE);
	return mem;
}

static void round_of_steps(struct work *w)
{
	for (unsigned int i = 0; i < PAGES / 256; i++)
		REQUIRE(work_step(w));
}

/* Until most of it is out, or the swap is full. */
static void push_out(const void *mem)
{
	pid_t hog = hog_start();
	uint64_t out;

	while (swapped(mem) < BYTES / 1024 * 3 / 4 && !hog_is_full())
		usleep(100000);
	out = swapped(mem);
	hog_end(hog);
	kt_note("%llu of %llu MiB went out to swap", (unsigned long long)out / 1024,
		(unsigned long long)(BYTES / KT_MIB));
	/* Which pages go out is Linux's to choose, so no more is asked for than some hundreds. */
	CHECK(out >= 1024);
}

/* The guest works in all of it: it must find what was there. */
static void bring_back(struct work *w)
{
	round_of_steps(w);
	CHECK(swapped(w->mem) < BYTES / 1024 / 16);
	work_check(w);
	kt_guest_close(&w->guest);
}

/* Written by the process when there is a slot already, so the guest doesn't have it yet. */
static void from_swap(bool shared)
{
	struct kvm_regs regs;
	struct work w;

	work_start(&w, memory(shared), PAGES, SEED);
	for (uint64_t i = 0; i < PAGES; i++)
		w.mem[i * 512] = SEED + 1 + WORK_GPA + i * KT_PAGE; /* as after round 0 */
	regs = kt_regs(&w.guest.vcpu);
	regs.r8 = 1;
	kt_set_regs(&w.guest.vcpu, &regs);
	push_out(w.mem);
	bring_back(&w);
}

static void anonymous_from_swap(void)
{
	from_swap(false);
}

static void shared_from_swap(void)
{
	from_swap(true);
}

/*
 * What the guest has is pinned, until the MMU notifier takes it away: dropping a mapping of a file
 * does, and leaves what the guest wrote in the file. Then it can go out, and is asked to by way of a
 * second mapping, as the guest's is without pages.
 */
static void written_by_the_guest(void)
{
	struct work w;
	void *view;

	work_start(&w, memory(true), PAGES, SEED);
	round_of_steps(&w);
	CHECK_OK(madvise(w.mem, BYTES, MADV_DONTNEED));
	REQUIRE(work_step(&w));
	view = mremap(w.mem, 0, BYTES, MREMAP_MAYMOVE);
	REQUIRE(view != MAP_FAILED);
	CHECK_OK(madvise(view, BYTES, MADV_POPULATE_READ));
	CHECK_OK(madvise(view, BYTES, MADV_PAGEOUT));
	munmap(view, BYTES);
	push_out(w.mem);
	bring_back(&w);
}

/* The kernel is told to throw it out while the guest works there and a hog takes all the rest. */
static void meanwhile(void)
{
	uint64_t most = 0;
	struct work w;
	pid_t hog;

	work_start(&w, memory(false), PAGES, SEED);
	round_of_steps(&w);
	hog = hog_start(); /* its fork lets go of what was pinned */
	for (unsigned int i = 0; i < 24; i++) {
		uint64_t now;

		REQUIRE(work_step(&w));
		CHECK_OK(madvise(w.mem, BYTES, MADV_PAGEOUT));
		now = swapped(w.mem);
		most = now > most ? now : most;
	}
	hog_end(hog);
	kt_note("at most %llu MiB in swap at once; the host swapped out %llu pages, in %llu",
		(unsigned long long)most / 1024, (unsigned long long)vmstat("pswpout"),
		(unsigned long long)vmstat("pswpin"));
	CHECK(most > BYTES / 1024 / 4);
	bring_back(&w);
}

static const struct kt_test tests[] = {
	{ "swap: anonymous memory comes back to the guest", anonymous_from_swap },
	{ "swap: shared memory comes back to the guest", shared_from_swap },
	{ "swap: what the guest wrote comes back", written_by_the_guest },
	{ "swap: thrown out while the guest works there", meanwhile },
};

KT_MAIN(tests)
