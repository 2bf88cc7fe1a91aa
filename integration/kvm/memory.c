// SPDX-License-Identifier: MIT
/*
 * Kinds of memory behind a slot: anonymous, huge, files, device memory, and what the user
 * may do to it meanwhile: fork, unmap, truncate. Where KVM, which follows the user's page
 * tables, and a driver that pins pages may differ, only this is asked: no crash, and the
 * vCPU goes on once the slot is sound again.
 */
#include "peek.h"

#include <sys/auxv.h>
#include <sys/wait.h>

#define GPA 0x10000000UL

static struct kt_guest guest(void)
{
	return kt_guest(KT_LONG64, CODE(peek_poke));
}

/* First, middle and last page, both ways. */
static void use(struct kt_guest *g, uint8_t *mem, size_t size)
{
	size_t places[] = { 0, size / 2 & ~(KT_PAGE - 1), size - KT_PAGE };

	for (unsigned int i = 0; i < KT_LEN(places); i++) {
		uint64_t *host = (uint64_t *)(mem + places[i]);

		POKE(g, GPA + places[i], 0x1000 + i);
		CHECK_EQ(host[0], 0x1000 + i);
		host[1] = 0x2000 + i;
		CHECK_EQ(PEEK(g, GPA + places[i] + 8), 0x2000 + i);
	}
}

static void use_as_slot(void *mem, size_t size)
{
	struct kt_guest g = guest();

	REQUIRE(mem != MAP_FAILED);
	CHECK_OK(kt_slot(&g.vm, 1, GPA, size, mem));
	use(&g, mem, size);
	CHECK_OK(kt_slot(&g.vm, 1, GPA, 0, mem));
	CHECK(peek_is_nothing(&g, GPA));
}

static void *map(size_t size, int flags, int fd)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
}

static void anonymous(void)
{
	use_as_slot(map(64 * KT_PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1), 64 * KT_PAGE);
}

static void anonymous_shared(void)
{
	use_as_slot(map(64 * KT_PAGE, MAP_SHARED | MAP_ANONYMOUS, -1), 64 * KT_PAGE);
}

static void populated(void)
{
	use_as_slot(map(KT_MIB, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1), KT_MIB);
}

static void locked(void)
{
	void *mem = map(64 * KT_PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	REQUIRE(mlock(mem, 64 * KT_PAGE) == 0);
	use_as_slot(mem, 64 * KT_PAGE);
}

static void transparent_huge(void)
{
	uint8_t *mem = kt_anon(6 * KT_MIB);

	mem = (uint8_t *)(((uintptr_t)mem + 2 * KT_MIB - 1) & -(2 * KT_MIB));
	CHECK_OK(madvise(mem, 4 * KT_MIB, MADV_HUGEPAGE));
	use_as_slot(mem, 4 * KT_MIB);
}

/* Huge pages whose place in the host does not match their place in the guest. */
static void transparent_huge_shifted(void)
{
	uint8_t *mem = kt_anon(8 * KT_MIB);

	mem = (uint8_t *)(((uintptr_t)mem + 2 * KT_MIB - 1) & -(2 * KT_MIB));
	CHECK_OK(madvise(mem, 6 * KT_MIB, MADV_HUGEPAGE));
	use_as_slot(mem + 5 * KT_PAGE, 4 * KT_MIB);
}

static void huge_pages(void)
{
	FILE *file = fopen("/proc/sys/vm/nr_hugepages", "w");
	void *mem;

	if (file) {
		fputs("4\n", file);
		fclose(file);
	}
	mem = map(4 * KT_MIB, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	if (mem == MAP_FAILED)
		kt_skip("no huge pages here (errno %d)", errno);
	use_as_slot(mem, 4 * KT_MIB);
}

static int memory_file(size_t size)
{
	int fd = memfd_create("kvmtest", MFD_CLOEXEC);

	REQUIRE(fd >= 0);
	REQUIRE(ftruncate(fd, (off_t)size) == 0);
	return fd;
}

static void memfd_shared(void)
{
	const size_t size = 64 * KT_PAGE;
	int fd = memory_file(size);
	uint64_t first;

	use_as_slot(map(size, MAP_SHARED, fd), size);
	/* What the guest wrote is in the file. */
	REQUIRE(pread(fd, &first, sizeof(first), 0) == sizeof(first));
	CHECK_EQ(first, 0x1000);
}

static void memfd_private(void)
{
	const size_t size = 64 * KT_PAGE;
	int fd = memory_file(size);
	uint64_t first = 99;

	use_as_slot(map(size, MAP_PRIVATE, fd), size);
	/* What the guest wrote is not in the file. */
	REQUIRE(pread(fd, &first, sizeof(first), 0) == sizeof(first));
	CHECK_EQ(first, 0);
}

static void private_file(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	uint64_t before, after;
	struct kt_guest g = guest();
	void *mem;

	REQUIRE(fd >= 0);
	mem = map(2 * KT_PAGE, MAP_PRIVATE, fd);
	REQUIRE(mem != MAP_FAILED);
	REQUIRE(pread(fd, &before, sizeof(before), 0) == sizeof(before));
	CHECK_OK(kt_slot(&g.vm, 1, GPA, 2 * KT_PAGE, mem));
	CHECK_EQ(PEEK(&g, GPA), before);
	POKE(&g, GPA, 1);
	CHECK_EQ(*(uint64_t *)mem, 1);
	REQUIRE(pread(fd, &after, sizeof(after), 0) == sizeof(after));
	CHECK_EQ(after, before);
}

/* One slot over mappings of several kinds. */
static void patchwork(void)
{
	uint8_t *mem = kt_anon(4 * KT_PAGE);
	int fd = memory_file(KT_PAGE);

	REQUIRE(mmap(mem + KT_PAGE, KT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		     0) != MAP_FAILED);
	REQUIRE(mmap(mem + 2 * KT_PAGE, KT_PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	use_as_slot(mem, 4 * KT_PAGE);
}

/* ---- fork ---- */

/* In the child: memory is as it was at the fork, whatever the parent and guest do. */
static void child_of_fork(const uint64_t *mem, int ready, int go)
{
	char byte;

	CHECK(write(ready, "r", 1) == 1);
	CHECK(read(go, &byte, 1) == 1);
	CHECK_EQ(mem[0], 1);
	CHECK_EQ(mem[1], 2);
	kt_end();
}

static void fork_with(struct kt_guest *g, uint64_t *mem)
{
	int ready[2], go[2], status;
	char byte;
	pid_t pid;

	mem[0] = 1;
	POKE(g, GPA + 8, 2);
	REQUIRE(pipe(ready) == 0 && pipe(go) == 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0)
		child_of_fork(mem, ready[1], go[0]);
	REQUIRE(read(ready[0], &byte, 1) == 1);
	mem[0] = 11; /* after the fork: a copy is made, and not for the guest */
	CHECK_EQ(PEEK(g, GPA), 11);
	POKE(g, GPA + 8, 12);
	CHECK_EQ(mem[1], 12);
	REQUIRE(write(go[1], "g", 1) == 1);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
	POKE(g, GPA, 21);
	CHECK_EQ(mem[0], 21);
	mem[1] = 22;
	CHECK_EQ(PEEK(g, GPA + 8), 22);
}

static void forks(void)
{
	struct kt_guest g = guest();
	uint64_t *mem = kt_memory(&g.vm, 1, GPA, 2 * KT_PAGE);

	for (int i = 0; i < 3; i++)
		fork_with(&g, mem);
}

static void forks_huge(void)
{
	struct kt_guest g = guest();
	uint8_t *mem = kt_anon(4 * KT_MIB);

	mem = (uint8_t *)(((uintptr_t)mem + 2 * KT_MIB - 1) & -(2 * KT_MIB));
	CHECK_OK(madvise(mem, 2 * KT_MIB, MADV_HUGEPAGE));
	CHECK_OK(kt_slot(&g.vm, 1, GPA, 2 * KT_MIB, mem));
	fork_with(&g, (uint64_t *)mem);
}

/* ---- memory that goes away ---- */

/* The guest reads what may be gone: any exit or EFAULT, then all is well with sound memory. */
static void survive(struct kt_guest *g)
{
	static uint8_t *fresh;

	for (int i = 0; i < 2; i++)
		if (peek_try(g, i ? POKE_ENTRY : PEEK_ENTRY, GPA + KT_PAGE, 5) != 0)
			CHECK_EQ(errno, EFAULT);
	if (g->vcpu.run->exit_reason == KVM_EXIT_MMIO)
		ioctl(g->vcpu.fd, KVM_RUN, 0);
	kt_slot(&g->vm, 1, 0, 0, NULL);
	fresh = kt_memory(&g->vm, 1, GPA, 4 * KT_PAGE);
	use(g, fresh, 4 * KT_PAGE);
}

static void unmapped(void)
{
	struct kt_guest g = guest();
	uint8_t *mem = kt_memory(&g.vm, 1, GPA, 4 * KT_PAGE);

	use(&g, mem, 4 * KT_PAGE);
	CHECK_OK(munmap(mem, 4 * KT_PAGE));
	survive(&g);
}

static void dropped(void)
{
	struct kt_guest g = guest();
	uint8_t *mem = kt_memory(&g.vm, 1, GPA, 4 * KT_PAGE);

	use(&g, mem, 4 * KT_PAGE);
	CHECK_OK(madvise(mem, 4 * KT_PAGE, MADV_DONTNEED));
	survive(&g);
}

static void truncated(void)
{
	struct kt_guest g = guest();
	int fd = memory_file(4 * KT_PAGE);
	void *mem = map(4 * KT_PAGE, MAP_SHARED, fd);

	CHECK_OK(kt_slot(&g.vm, 1, GPA, 4 * KT_PAGE, mem));
	use(&g, mem, 4 * KT_PAGE);
	CHECK_OK(ftruncate(fd, 0));
	survive(&g);
}

/* Slots over memory that can't be had, refused or not: the next one works. */
static void try_slot(void *mem, size_t size)
{
	struct kt_guest g = guest();
	int r = kt_slot(&g.vm, 1, GPA, size, mem);

	if (r != 0)
		CHECK(errno == EFAULT || errno == EINVAL || errno == ENOMEM || errno == EOPNOTSUPP);
	survive(&g);
}

static void truncated_before(void)
{
	int fd = memory_file(KT_PAGE);

	try_slot(map(4 * KT_PAGE, MAP_SHARED, fd), 4 * KT_PAGE);
}

static void never_mapped(void)
{
	uint8_t *mem = kt_anon(4 * KT_PAGE);

	CHECK_OK(munmap(mem, 4 * KT_PAGE));
	try_slot(mem, 4 * KT_PAGE);
	try_slot(NULL, 4 * KT_PAGE);
}

static void half_mapped(void)
{
	uint8_t *mem = kt_anon(4 * KT_PAGE);

	CHECK_OK(munmap(mem + KT_PAGE, KT_PAGE));
	try_slot(mem, 4 * KT_PAGE);
}

static void no_rights(void)
{
	try_slot(mmap(NULL, 4 * KT_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		 4 * KT_PAGE);
	try_slot(mmap(NULL, 4 * KT_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		 4 * KT_PAGE);
}

static void enormous(void)
{
	const size_t size = 64UL << 30;
	void *mem = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	REQUIRE(mem != MAP_FAILED);
	try_slot(mem, size);
}

/* ---- memory that is no ordinary memory ---- */

static void video_memory(void)
{
	int fd = open("/dev/mem", O_RDWR);
	void *mem;

	if (fd < 0)
		kt_skip("no /dev/mem (errno %d)", errno);
	mem = mmap(NULL, 4 * KT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0xa0000);
	if (mem == MAP_FAILED)
		kt_skip("/dev/mem can't be mapped (errno %d)", errno);
	try_slot(mem, 4 * KT_PAGE);
}

static void vdso(void)
{
	uint8_t *mem = (uint8_t *)getauxval(AT_SYSINFO_EHDR);

	if (!mem)
		kt_skip("no vDSO");
	try_slot(mem - 4 * KT_PAGE, 4 * KT_PAGE); /* the kernel's data pages for it */
	try_slot(mem, KT_PAGE);
}

/* A guest that may write kvm_run and the data of its own port I/O. */
static void own_run_page(void)
{
	struct kt_guest g = guest();
	size_t size = g.vcpu.run_size;

	if (kt_slot(&g.vm, 1, GPA, size, g.vcpu.run) == 0) {
		for (size_t at = 0; at < size; at += 64)
			if (peek_try(&g, POKE_ENTRY, GPA + at, ~0ULL) != 0)
				break;
		memset(g.vcpu.run, 0, sizeof(*g.vcpu.run));
	}
	survive(&g);
}

static const struct kt_test tests[] = {
	{ "anonymous", anonymous },
	{ "anonymous, shared", anonymous_shared },
	{ "anonymous, populated", populated },
	{ "anonymous, locked", locked },
	{ "transparent huge pages", transparent_huge },
	{ "transparent huge pages, shifted", transparent_huge_shifted },
	{ "huge pages", huge_pages },
	{ "memfd, shared", memfd_shared },
	{ "memfd, private", memfd_private },
	{ "a private file", private_file },
	{ "several kinds in one slot", patchwork },
	{ "fork: parent and guest stay together", forks },
	{ "fork with huge pages", forks_huge },
	{ "unmapped under the VM", unmapped },
	{ "dropped under the VM", dropped },
	{ "truncated under the VM", truncated },
	{ "beyond the end of a file", truncated_before },
	{ "not mapped at all", never_mapped },
	{ "a hole in the middle", half_mapped },
	{ "without the rights", no_rights },
	{ "64 GiB without rights", enormous },
	{ "video memory by /dev/mem", video_memory },
	{ "the vDSO and its data", vdso },
	{ "the vCPU's own kvm_run", own_run_page },
};

KT_MAIN(tests)
