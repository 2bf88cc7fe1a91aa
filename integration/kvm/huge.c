// SPDX-License-Identifier: MIT
/*
 * Slots in huge pages, and in what was one: a huge page of which the process has only a part any
 * more, or with other rights, is not mapped as one.
 */
#include "peek.h"

#include <sys/wait.h>

#define GPA 0x10000000UL
#define HUGE (2 * KT_MIB)
#define PAGES (HUGE / KT_PAGE)
#define TAIL (HUGE - KT_PAGE)

static struct kt_guest guest(void)
{
	return kt_guest(KT_LONG64, CODE(peek_poke));
}

static volatile uint64_t *at(uint8_t *mem, uint64_t page)
{
	return (volatile uint64_t *)(mem + page * KT_PAGE);
}

/* Each page says which one it is. */
static void number(uint8_t *mem, uint64_t first, uint64_t end, uint64_t base)
{
	for (; first < end; first++)
		*at(mem, first) = base + first;
}

/* A huge page, as far as the machine has one, and as much behind it that isn't touched. */
static uint8_t *huge_page(void)
{
	uint8_t *mem = kt_anon(3 * HUGE);

	mem = (uint8_t *)(((uintptr_t)mem + HUGE - 1) & -HUGE);
	REQUIRE(madvise(mem, HUGE, MADV_HUGEPAGE) == 0);
	number(mem, 0, PAGES, 1);
	return mem;
}

/* The guest and the process have the same memory, in both directions. */
static void same_memory(struct kt_guest *g, uint8_t *mem)
{
	for (uint64_t page = 0; page < PAGES; page++)
		CHECK_EQ(PEEK(g, GPA + page * KT_PAGE), *at(mem, page));
	for (uint64_t page = 0; page < PAGES; page += 7) {
		POKE(g, GPA + page * KT_PAGE, page + 5000);
		CHECK_EQ(*at(mem, page), page + 5000);
	}
	for (uint64_t page = 3; page < PAGES; page += 19) {
		*at(mem, page) = page + 9000;
		CHECK_EQ(PEEK(g, GPA + page * KT_PAGE), page + 9000);
	}
	POKE(g, GPA + TAIL, 1234);
	CHECK_EQ(*at(mem, PAGES - 1), 1234);
}

/* ---- what may happen to a huge page; *mem may become another place ---- */

static void nothing(uint8_t **mem)
{
	(void)mem;
}

static void tail_dropped(uint8_t **mem)
{
	CHECK_OK(madvise(*mem + TAIL, KT_PAGE, MADV_DONTNEED));
	number(*mem, PAGES - 1, PAGES, 70000);
}

static void only_head_kept(uint8_t **mem)
{
	CHECK_OK(madvise(*mem, HUGE, MADV_NOHUGEPAGE));
	CHECK_OK(madvise(*mem + KT_PAGE, TAIL, MADV_DONTNEED));
	number(*mem, 1, PAGES, 80000);
}

static void tail_is_a_file(uint8_t **mem)
{
	int fd = memfd_create("kvmtest", MFD_CLOEXEC);

	REQUIRE(fd >= 0);
	REQUIRE(ftruncate(fd, KT_PAGE) == 0);
	REQUIRE(mmap(*mem + TAIL, KT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		*mem + TAIL);
	number(*mem, PAGES - 1, PAGES, 90000);
	close(fd);
}

/* Two pages of it change their places. */
static void swapped(uint8_t **mem)
{
	uint8_t *spare = kt_anon(KT_PAGE);

	REQUIRE(mremap(*mem, KT_PAGE, KT_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, spare) == spare);
	REQUIRE(mremap(*mem + TAIL, KT_PAGE, KT_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, *mem) == *mem);
	REQUIRE(mremap(spare, KT_PAGE, KT_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, *mem + TAIL) ==
		*mem + TAIL);
}

/* Small pages again, that are all where they were. */
static void split(uint8_t **mem)
{
	CHECK_OK(mprotect(*mem + TAIL, KT_PAGE, PROT_READ));
	CHECK_OK(mprotect(*mem + TAIL, KT_PAGE, PROT_READ | PROT_WRITE));
}

static void moved(uint8_t **mem)
{
	uint8_t *other = kt_anon(2 * HUGE);

	other = (uint8_t *)(((uintptr_t)other + HUGE - 1) & -HUGE);
	REQUIRE(mremap(*mem, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, other) == other);
	*mem = other;
}

/* A child has it, too, for a while; it looks at it at its end. */
static void forked(uint8_t **mem)
{
	pid_t pid = fork();
	int status;

	REQUIRE(pid >= 0);
	if (!pid) {
		for (uint64_t page = 0; page < PAGES; page++)
			*at(*mem, page) += 100000;
		_exit(0);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
}

static const struct {
	const char *name;
	void (*change)(uint8_t **mem);
} changes[] = {
	{ "nothing", nothing },
	{ "tail dropped", tail_dropped },
	{ "head kept", only_head_kept },
	{ "file", tail_is_a_file },
	{ "swapped", swapped },
	{ "split", split },
	{ "moved", moved },
	{ "forked", forked },
};

/* The slot is made afterwards. */
static void changed_before(void)
{
	for (unsigned int i = 0; i < KT_LEN(changes); i++) {
		struct kt_guest g = guest();
		uint8_t *mem = huge_page();

		changes[i].change(&mem);
		CHECK_OK(kt_slot(&g.vm, 1, GPA, HUGE, mem));
		same_memory(&g, mem);
		kt_guest_close(&g);
	}
}

/* The guest has had it before. */
static void changed_behind(void)
{
	for (unsigned int i = 0; i < KT_LEN(changes); i++) {
		struct kt_guest g = guest();
		uint8_t *mem = huge_page();

		if (changes[i].change == moved)
			continue;
		CHECK_OK(kt_slot(&g.vm, 1, GPA, HUGE, mem));
		same_memory(&g, mem);
		changes[i].change(&mem);
		same_memory(&g, mem);
		kt_guest_close(&g);
	}
}

/* A child that lives on keeps what it had, whatever the guest writes. */
static void forked_for_good(void)
{
	struct kt_guest g = guest();
	uint8_t *mem = huge_page();
	int go[2], status;
	char byte = 0;
	pid_t pid;

	REQUIRE(pipe(go) == 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (!pid) {
		close(go[1]);
		REQUIRE(read(go[0], &byte, 1) == 0);
		for (uint64_t page = 0; page < PAGES; page++)
			if (*at(mem, page) != page + 1)
				_exit(1);
		_exit(0);
	}
	close(go[0]);
	CHECK_OK(kt_slot(&g.vm, 1, GPA, HUGE, mem));
	same_memory(&g, mem);
	close(go[1]);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A huge page, or a page of one, that can't be written. */
static void read_only(void)
{
	for (int small = 0; small < 2; small++) {
		struct kt_guest g = guest();
		uint8_t *mem = huge_page();
		uint64_t bytes = small ? KT_PAGE : HUGE, last = GPA + TAIL;

		CHECK_OK(mprotect(mem + HUGE - bytes, bytes, PROT_READ));
		CHECK_OK(kt_slot(&g.vm, 1, GPA, HUGE, mem));
		CHECK_EQ(PEEK(&g, last), PAGES);
		CHECK_ERRNO(peek_try(&g, POKE_ENTRY, last, 77), EFAULT);
		CHECK_EQ(*at(mem, PAGES - 1), PAGES);
		CHECK_EQ(PEEK(&g, GPA), 1);
		if (small)
			POKE(&g, GPA + TAIL - KT_PAGE, 88);
		CHECK_OK(mprotect(mem, HUGE, PROT_READ | PROT_WRITE));
		same_memory(&g, mem);
		CHECK_OK(mprotect(mem, HUGE, PROT_NONE));
		CHECK_ERRNO(peek_try(&g, PEEK_ENTRY, GPA, 0), EFAULT);
		CHECK_OK(mprotect(mem, HUGE, PROT_READ | PROT_WRITE));
		same_memory(&g, mem);
		kt_guest_close(&g);
	}
}

/* What is freed while the guest has it, and what a slot had that is deleted, is free again. */
static void given_back(void)
{
	const size_t size = 128 * KT_MIB;
	uint8_t *mem = kt_anon(size + HUGE);
	uint64_t before, behind;
	struct kt_guest g = guest();

	mem = (uint8_t *)(((uintptr_t)mem + HUGE - 1) & -HUGE);
	REQUIRE(madvise(mem, size, MADV_HUGEPAGE) == 0);
	for (int deleted = 0; deleted < 2; deleted++) {
		number(mem, 0, size / KT_PAGE, 1);
		CHECK_OK(kt_slot(&g.vm, 1, GPA, size, mem));
		for (uint64_t offset = 0; offset < size; offset += HUGE)
			CHECK_EQ(PEEK(&g, GPA + offset), offset / KT_PAGE + 1);
		before = kt_meminfo("MemFree");
		if (deleted)
			CHECK_OK(kt_slot(&g.vm, 1, GPA, 0, NULL));
		CHECK_OK(madvise(mem, size, MADV_DONTNEED));
		if (!deleted)
			CHECK_EQ(PEEK(&g, GPA), 0);
		behind = kt_meminfo("MemFree");
		if (behind < before + size / 2048)
			kt_fail(__FILE__, __LINE__, "free memory went from %llu to %llu KiB",
				(unsigned long long)before, (unsigned long long)behind);
		if (!deleted)
			CHECK_OK(kt_slot(&g.vm, 1, GPA, 0, NULL));
	}
}

/* Memory of a file in huge pages, of which a page is punched out. */
static void file(void)
{
	const char *path = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
	FILE *enabled = fopen(path, "w");
	struct kt_guest g = guest();
	uint8_t *mem = kt_anon(2 * HUGE);
	int fd = memfd_create("kvmtest", MFD_CLOEXEC);

	if (enabled) {
		fputs("advise\n", enabled);
		fclose(enabled);
	}
	REQUIRE(fd >= 0);
	REQUIRE(ftruncate(fd, (off_t)HUGE) == 0);
	mem = (uint8_t *)(((uintptr_t)mem + HUGE - 1) & -HUGE);
	REQUIRE(mmap(mem, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == mem);
	madvise(mem, HUGE, MADV_HUGEPAGE);
	number(mem, 0, PAGES, 1);
	CHECK_OK(kt_slot(&g.vm, 1, GPA, HUGE, mem));
	same_memory(&g, mem);
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(9 * KT_PAGE),
			   KT_PAGE));
	CHECK_EQ(PEEK(&g, GPA + 9 * KT_PAGE), 0);
	same_memory(&g, mem);
	/* A private mapping of the same: written, it is another page. */
	CHECK_OK(kt_slot(&g.vm, 1, GPA, 0, NULL));
	number(mem, 0, PAGES, 1);
	REQUIRE(mmap(mem, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) == mem);
	CHECK_EQ(*at(mem, 0), 1);
	CHECK_OK(kt_slot(&g.vm, 1, GPA, HUGE, mem));
	same_memory(&g, mem);
	for (uint64_t page = 0, value; page < PAGES; page++) {
		REQUIRE(pread(fd, &value, sizeof(value), (off_t)(page * KT_PAGE)) == sizeof(value));
		CHECK_EQ(value, page + 1);
	}
}

static const struct kt_test tests[] = {
	{ "changed before the slot is made", changed_before },
	{ "changed while the guest has it", changed_behind },
	{ "shared with a child", forked_for_good },
	{ "read-only, all of it or a page", read_only },
	{ "memory is given back", given_back },
	{ "a file", file },
};

KT_MAIN(tests)
