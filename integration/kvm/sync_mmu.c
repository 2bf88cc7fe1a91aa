// SPDX-License-Identifier: MIT
/*
 * KVM_CAP_SYNC_MMU: a slot is the process's memory as it is at each moment. What madvise, mmap,
 * munmap, mprotect, fork and others' changes of a file do to it holds for the guest, and memory
 * comes when the guest needs it.
 */
#include "peek.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

GUEST(copier);
GUEST(one_movs);
GUEST(port_strings);
GUEST(push_memory);
GUEST(toucher);

#define GPA 0x10000000UL
#define DEVICE 0xE0000000UL
#define PAGES 16UL
#define SIZE (PAGES * KT_PAGE)
#define FIRST_OUTS (KT_CODE + 16)

static struct kt_guest guest(void)
{
	return kt_guest(KT_LONG64, CODE(peek_poke));
}

static int memory_file(size_t size, unsigned int flags)
{
	int fd = memfd_create("kvmtest", MFD_CLOEXEC | flags);

	REQUIRE(fd >= 0);
	REQUIRE(ftruncate(fd, (off_t)size) == 0);
	return fd;
}

static void *map_file(int fd, size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	REQUIRE(mem != MAP_FAILED);
	return mem;
}

static void put(int fd, uint64_t offset, uint64_t value)
{
	REQUIRE(pwrite(fd, &value, sizeof(value), (off_t)offset) == sizeof(value));
}

static uint64_t get(int fd, uint64_t offset)
{
	uint64_t value;

	REQUIRE(pread(fd, &value, sizeof(value), (off_t)offset) == sizeof(value));
	return value;
}

/* A slot whose memory is there, but that this process has never touched: *fd has it. */
static void *untouched(const struct kt_vm *vm, uint32_t slot, uint64_t gpa, size_t size, int *fd)
{
	void *mem;

	*fd = memory_file(size, 0);
	mem = map_file(*fd, size);
	CHECK_OK(kt_slot(vm, slot, gpa, size, mem));
	return mem;
}

static void no_memory(struct kt_guest *g, uint64_t entry, uint64_t gpa)
{
	CHECK_ERRNO(peek_try(g, entry, gpa, 77), EFAULT);
}

static void capability(void)
{
	CHECK_EQ(ioctl(kt_open(), KVM_CHECK_EXTENSION, KVM_CAP_SYNC_MMU), 1);
}

/* ---- memory that is taken away, or exchanged ---- */

static void dropped(void)
{
	struct kt_guest g = guest();
	uint64_t *mem = kt_memory(&g.vm, 1, GPA, SIZE);

	for (int i = 1; i <= 5; i++) {
		POKE(&g, GPA, i);
		POKE(&g, GPA + KT_PAGE, 100 + i);
		CHECK_OK(madvise(mem, KT_PAGE, MADV_DONTNEED));
		CHECK_EQ(PEEK(&g, GPA), 0);
		CHECK_EQ(PEEK(&g, GPA + KT_PAGE), 100 + i);
		mem[1] = i;
		CHECK_EQ(PEEK(&g, GPA + 8), i);
		POKE(&g, GPA + 16, i);
		CHECK_EQ(mem[2], i);
	}
}

/* The machine has it again, as soon as the guest has run. */
static void given_back(void)
{
	const size_t size = 96 * KT_MIB;
	struct kt_guest g = guest();
	uint8_t *mem = kt_memory(&g.vm, 1, GPA, size);
	uint64_t before, behind;

	for (size_t at = 0; at < size; at += KT_PAGE)
		mem[at] = 1;
	for (size_t at = 0; at < size; at += KT_MIB)
		POKE(&g, GPA + at, at);
	before = kt_meminfo("MemFree");
	CHECK_OK(madvise(mem, size, MADV_DONTNEED));
	CHECK_EQ(PEEK(&g, GPA), 0);
	behind = kt_meminfo("MemFree");
	if (behind < before + size / 2048)
		kt_fail(__FILE__, __LINE__, "free memory went from %llu to %llu KiB",
			(unsigned long long)before, (unsigned long long)behind);
}

static void mapped_over(void)
{
	struct kt_guest g = guest();
	uint64_t *mem = kt_memory(&g.vm, 1, GPA, SIZE);
	int fd = memory_file(SIZE, 0);

	POKE(&g, GPA + KT_PAGE, 1);
	put(fd, KT_PAGE, 2);
	REQUIRE(mmap(mem, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == mem);
	CHECK_EQ(PEEK(&g, GPA + KT_PAGE), 2);
	POKE(&g, GPA + KT_PAGE, 3);
	CHECK_EQ(get(fd, KT_PAGE), 3);
	CHECK_EQ(mem[KT_PAGE / 8], 3);
}

static void unmapped(void)
{
	struct kt_guest g = guest();
	uint64_t *mem = kt_memory(&g.vm, 1, GPA, SIZE);

	POKE(&g, GPA + KT_PAGE, 5);
	CHECK_OK(munmap((uint8_t *)mem + KT_PAGE, KT_PAGE));
	for (int i = 0; i < 2; i++) {
		no_memory(&g, PEEK_ENTRY, GPA + KT_PAGE);
		no_memory(&g, POKE_ENTRY, GPA + KT_PAGE);
	}
	POKE(&g, GPA + 2 * KT_PAGE, 6);
	/* The instruction hasn't been executed, and can be now. */
	no_memory(&g, PEEK_ENTRY, GPA + KT_PAGE);
	CHECK_EQ(kt_regs(&g.vcpu).rip, PEEK_ENTRY);
	REQUIRE(mmap((uint8_t *)mem + KT_PAGE, KT_PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	mem[KT_PAGE / 8] = 7;
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 7);
	CHECK_EQ(mem[2 * KT_PAGE / 8], 6);
}

static void unmapped_code(void)
{
	struct kt_guest g = guest();
	uint8_t *code = kt_memory(&g.vm, 1, GPA, SIZE);
	struct kvm_regs regs = { .rip = GPA, .rflags = 2, .rbx = KT_CODE };

	memcpy(code, peek_poke, kt_code_size(CODE(peek_poke)));
	kt_set_regs(&g.vcpu, &regs);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_OK(munmap(code, KT_PAGE));
	kt_set_regs(&g.vcpu, &regs);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_RUN, 0), EFAULT);
	REQUIRE(mmap(code, KT_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		     -1, 0) == code);
	memcpy(code, peek_poke, kt_code_size(CODE(peek_poke)));
	RUN(&g.vcpu, KVM_EXIT_HLT);
}

static void protected(void)
{
	struct kt_guest g = guest();
	uint64_t *mem = kt_memory(&g.vm, 1, GPA, SIZE);

	for (int i = 1; i <= 3; i++) {
		POKE(&g, GPA, i);
		CHECK_OK(mprotect(mem, SIZE, PROT_READ));
		CHECK_EQ(PEEK(&g, GPA), i);
		no_memory(&g, POKE_ENTRY, GPA);
		CHECK_EQ(PEEK(&g, GPA), i);
		CHECK_OK(mprotect(mem, SIZE, PROT_NONE));
		no_memory(&g, PEEK_ENTRY, GPA);
		CHECK_OK(mprotect(mem, SIZE, PROT_READ | PROT_WRITE));
		CHECK_EQ(PEEK(&g, GPA), i);
		POKE(&g, GPA, 10 + i);
		CHECK_EQ(mem[0], 10 + i);
	}
}

/* A page that could only be read becomes writable while the guest has it. */
static void rights_grow(void)
{
	struct kt_guest g = guest();
	uint64_t *mem = kt_anon(SIZE);

	CHECK_OK(mprotect(mem, SIZE, PROT_READ));
	CHECK_OK(kt_slot(&g.vm, 1, GPA, SIZE, mem));
	CHECK_EQ(PEEK(&g, GPA), 0);
	no_memory(&g, POKE_ENTRY, GPA);
	CHECK_OK(mprotect(mem, SIZE, PROT_READ | PROT_WRITE));
	POKE(&g, GPA, 1);
	CHECK_EQ(mem[0], 1);
	mem[0] = 2;
	CHECK_EQ(PEEK(&g, GPA), 2);
}

static void moved_away(void)
{
	struct kt_guest g = guest();
	uint64_t *mem = kt_memory(&g.vm, 1, GPA, SIZE), *other;

	POKE(&g, GPA, 8);
	other = mremap(mem, KT_PAGE, KT_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, kt_anon(KT_PAGE));
	REQUIRE(other != MAP_FAILED);
	no_memory(&g, PEEK_ENTRY, GPA);
	CHECK_EQ(other[0], 8);
	REQUIRE(mremap(other, KT_PAGE, KT_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, mem) == mem);
	CHECK_EQ(PEEK(&g, GPA), 8);
}

/* ---- files ---- */

static void shared_file(void)
{
	struct kt_guest g = guest();
	int fd;
	uint64_t *other, *mem = untouched(&g.vm, 1, GPA, SIZE, &fd);

	other = map_file(fd, SIZE);
	other[0] = 1;
	CHECK_EQ(PEEK(&g, GPA), 1);
	POKE(&g, GPA, 2);
	CHECK_EQ(other[0], 2);
	CHECK_EQ(mem[0], 2);
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, KT_PAGE));
	CHECK_EQ(PEEK(&g, GPA), 0);
	other[0] = 3;
	CHECK_EQ(PEEK(&g, GPA), 3);
	CHECK_OK(madvise(mem, KT_PAGE, MADV_REMOVE));
	CHECK_EQ(PEEK(&g, GPA), 0);
}

static void truncated(void)
{
	struct kt_guest g = guest();
	int fd;

	untouched(&g.vm, 1, GPA, SIZE, &fd);
	POKE(&g, GPA + KT_PAGE, 1);
	CHECK_OK(ftruncate(fd, KT_PAGE));
	no_memory(&g, PEEK_ENTRY, GPA + KT_PAGE);
	no_memory(&g, POKE_ENTRY, GPA + KT_PAGE);
	POKE(&g, GPA, 2);
	CHECK_OK(ftruncate(fd, SIZE));
	CHECK_EQ(PEEK(&g, GPA + KT_PAGE), 0);
	CHECK_EQ(PEEK(&g, GPA), 2);
}

/* What the process has changed itself isn't the file's any more. */
static void private_file(void)
{
	struct kt_guest g = guest();
	int fd = memory_file(SIZE, 0);
	uint64_t *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	REQUIRE(mem != MAP_FAILED);
	CHECK_OK(kt_slot(&g.vm, 1, GPA, SIZE, mem));
	put(fd, 0, 5);
	CHECK_EQ(PEEK(&g, GPA), 5);
	POKE(&g, GPA, 6);
	CHECK_EQ(mem[0], 6);
	CHECK_EQ(get(fd, 0), 5);
	CHECK_OK(madvise(mem, KT_PAGE, MADV_DONTNEED));
	CHECK_EQ(PEEK(&g, GPA), 5);
}

static void huge_file(void)
{
	const size_t size = 4 * KT_MIB;
	FILE *file = fopen("/proc/sys/vm/nr_hugepages", "w");
	struct kt_guest g = guest();
	uint64_t *mem;
	int fd;

	if (file) {
		fputs("8\n", file);
		fclose(file);
	}
	fd = memory_file(size, MFD_HUGETLB);
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		kt_skip("no huge pages here (errno %d)", errno);
	CHECK_OK(kt_slot(&g.vm, 1, GPA, size, mem));
	POKE(&g, GPA + KT_PAGE, 1);
	POKE(&g, GPA + 3 * KT_MIB, 2);
	CHECK_EQ(mem[KT_PAGE / 8], 1);
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * KT_MIB));
	CHECK_EQ(PEEK(&g, GPA + KT_PAGE), 0);
	CHECK_EQ(PEEK(&g, GPA + 3 * KT_MIB), 2);
	CHECK_OK(madvise(mem, size, MADV_DONTNEED));
	CHECK_EQ(PEEK(&g, GPA + 3 * KT_MIB), 2);
	POKE(&g, GPA + 3 * KT_MIB, 3);
	CHECK_EQ(mem[3 * KT_MIB / 8], 3);
}

/* A small hole in a huge page. */
static void hole_in_huge(void)
{
	struct kt_guest g = guest();
	uint8_t *mem = kt_anon(6 * KT_MIB);

	mem = (uint8_t *)(((uintptr_t)mem + 2 * KT_MIB - 1) & -(2 * KT_MIB));
	madvise(mem, 4 * KT_MIB, MADV_HUGEPAGE);
	CHECK_OK(kt_slot(&g.vm, 1, GPA, 4 * KT_MIB, mem));
	for (uint64_t page = 0; page < 1024; page++)
		POKE(&g, GPA + page * KT_PAGE, page + 1);
	CHECK_OK(madvise(mem + 77 * KT_PAGE, KT_PAGE, MADV_DONTNEED));
	for (uint64_t page = 0; page < 1024; page++)
		CHECK_EQ(PEEK(&g, GPA + page * KT_PAGE), page == 77 ? 0 : page + 1);
	CHECK_OK(madvise(mem, 2 * KT_MIB, MADV_DONTNEED));
	for (uint64_t page = 0; page < 1024; page += 3)
		CHECK_EQ(PEEK(&g, GPA + page * KT_PAGE), page < 512 ? 0 : page + 1);
}

/* ---- memory that comes when it is needed ---- */

static void first_access(void)
{
	struct kt_guest g = guest();
	struct kvm_regs regs = { .rip = GPA + 2 * KT_PAGE, .rflags = 2, .rbx = KT_CODE };
	int fd;

	untouched(&g.vm, 1, GPA, SIZE, &fd);
	put(fd, 0, 11);
	CHECK_EQ(PEEK(&g, GPA), 11);
	POKE(&g, GPA + KT_PAGE, 12);
	CHECK_EQ(get(fd, KT_PAGE), 12);
	REQUIRE(pwrite(fd, peek_poke, kt_code_size(CODE(peek_poke)), 2 * KT_PAGE) > 0);
	kt_set_regs(&g.vcpu, &regs);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	/* Half in one page, half in another. */
	POKE(&g, GPA + 5 * KT_PAGE - 4, 0x1122334455667788);
	CHECK_EQ(get(fd, 5 * KT_PAGE - 4), 0x1122334455667788);
	put(fd, 7 * KT_PAGE - 4, 0x8877665544332211);
	CHECK_EQ(PEEK(&g, GPA + 7 * KT_PAGE - 4), 0x8877665544332211);
}

/* Of an instruction that reads a device, which is read once. */
static void answer_device(const struct kt_vcpu *vcpu, uint64_t value)
{
	RUN(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu->run->mmio.phys_addr, DEVICE);
	CHECK_EQ(vcpu->run->mmio.is_write, 0);
	memcpy(vcpu->run->mmio.data, &value, sizeof(value));
	RUN(vcpu, KVM_EXIT_HLT);
}

static void operand(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(one_movs));
	struct kvm_regs regs = kt_regs(&g.vcpu);
	int fd;

	untouched(&g.vm, 1, GPA, SIZE, &fd);
	regs.rsi = DEVICE;
	regs.rdi = GPA + 8;
	kt_set_regs(&g.vcpu, &regs);
	answer_device(&g.vcpu, 0xABCDEF);
	CHECK_EQ(get(fd, 8), 0xABCDEF);
	/* The other way round: the memory is read, the device is written. */
	put(fd, KT_PAGE, 0x1234);
	regs.rsi = GPA + KT_PAGE;
	regs.rdi = DEVICE;
	kt_set_regs(&g.vcpu, &regs);
	RUN(&g.vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(g.vcpu.run->mmio.is_write, 1);
	CHECK_EQ(*(uint64_t *)g.vcpu.run->mmio.data, 0x1234);
	RUN(&g.vcpu, KVM_EXIT_HLT);
}

static void stack(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(push_memory));
	struct kvm_regs regs = kt_regs(&g.vcpu);
	int fd;

	untouched(&g.vm, 1, GPA, SIZE, &fd);
	regs.rbx = DEVICE;
	regs.rsp = GPA + KT_PAGE;
	kt_set_regs(&g.vcpu, &regs);
	answer_device(&g.vcpu, 99);
	CHECK_EQ(get(fd, KT_PAGE - 8), 99);
	CHECK_EQ(kt_regs(&g.vcpu).rsp, GPA + KT_PAGE - 8);
}

/* 1 GiB to 2 GiB of linear addresses: the guest's memory at GPA, by a table at GPA + KT_PAGE. */
static void table_in_hole(const struct kt_guest *g, int fd)
{
	uint64_t *pdpt = (uint64_t *)(g->mem + KT_TABLES + KT_PAGE);

	put(fd, KT_PAGE, GPA | 0x87);
	pdpt[1] = (GPA + KT_PAGE) | 7;
}

static void page_table(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(one_movs));
	struct kvm_regs regs = kt_regs(&g.vcpu);
	int fd;

	untouched(&g.vm, 1, GPA, SIZE, &fd);
	table_in_hole(&g, fd);
	regs.rsi = DEVICE;
	regs.rdi = 0x40000000 + 16;
	kt_set_regs(&g.vcpu, &regs);
	answer_device(&g.vcpu, 0x5566);
	CHECK_EQ(get(fd, 16), 0x5566);
}

static void translate(void)
{
	struct kt_guest g = guest();
	struct kvm_translation tr = { .linear_address = 0x40000123 };
	int fd;

	untouched(&g.vm, 1, GPA, SIZE, &fd);
	table_in_hole(&g, fd);
	REQUIRE(ioctl(g.vcpu.fd, KVM_TRANSLATE, &tr) == 0);
	CHECK_EQ(tr.valid, 1);
	CHECK_EQ(tr.physical_address, GPA + 0x123);
	put(fd, KT_PAGE, 0);
	CHECK_OK(ioctl(g.vcpu.fd, KVM_TRANSLATE, &tr));
	CHECK_EQ(tr.valid, 0);
}

static void ports(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(port_strings));
	struct kvm_regs regs = kt_regs(&g.vcpu);
	const char text[] = "0123456789abcdef";
	char back[17] = "";
	int fd;

	untouched(&g.vm, 1, GPA, SIZE, &fd);
	regs.rcx = 16;
	regs.rdx = 0x300;
	regs.rdi = GPA + KT_PAGE - 8;
	kt_set_regs(&g.vcpu, &regs);
	for (unsigned int done = 0; done < 16; done += g.vcpu.run->io.count) {
		RUN(&g.vcpu, KVM_EXIT_IO);
		REQUIRE(g.vcpu.run->io.count && done + g.vcpu.run->io.count <= 16);
		memcpy(kt_io_data(&g.vcpu), text + done, g.vcpu.run->io.count);
	}
	RUN(&g.vcpu, KVM_EXIT_HLT);
	REQUIRE(pread(fd, back, 16, KT_PAGE - 8) == 16);
	CHECK(!strcmp(text, back));

	REQUIRE(pwrite(fd, text, 16, 5 * KT_PAGE - 8) == 16);
	regs.rip = FIRST_OUTS;
	regs.rsi = GPA + 5 * KT_PAGE - 8;
	kt_set_regs(&g.vcpu, &regs);
	for (unsigned int done = 0; done < 16; done++) {
		RUN(&g.vcpu, KVM_EXIT_IO);
		CHECK_EQ(*(char *)kt_io_data(&g.vcpu), text[done]);
	}
	RUN(&g.vcpu, KVM_EXIT_HLT);
}

/* The memory of an INS goes between the exit and the data. */
static void ports_late(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(port_strings));
	struct kvm_regs regs = kt_regs(&g.vcpu);
	uint8_t *mem = kt_memory(&g.vm, 1, GPA, SIZE);

	memset(mem, 1, SIZE);
	for (int down = 0; down < 2; down++) {
		regs.rcx = 8;
		regs.rdx = 0x300;
		regs.rdi = GPA + (down ? 7 : 0);
		regs.rflags = 2 | (down ? 0x400 : 0);
		kt_set_regs(&g.vcpu, &regs);
		for (unsigned int done = 0; done < 8; done += g.vcpu.run->io.count) {
			RUN(&g.vcpu, KVM_EXIT_IO);
			memcpy(kt_io_data(&g.vcpu), &"abcdefgh"[done], g.vcpu.run->io.count);
			if (!done)
				CHECK_OK(madvise(mem, KT_PAGE, MADV_DONTNEED));
		}
		RUN(&g.vcpu, KVM_EXIT_HLT);
		CHECK(!memcmp(mem, down ? "hgfedcba" : "abcdefgh", 8));
	}
}

/* ---- the log, and read-only slots ---- */

static uint64_t dirty_pages(const struct kt_vm *vm)
{
	uint64_t bits = 0;
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = &bits };

	REQUIRE(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log) == 0);
	return bits;
}

static void dirty_log(void)
{
	struct kt_guest g = guest();
	uint8_t *mem = kt_anon(SIZE);

	CHECK_OK(kt_slot_flags(&g.vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, mem));
	POKE(&g, GPA + 3 * KT_PAGE, 1);
	CHECK_EQ(dirty_pages(&g.vm), 1 << 3);
	POKE(&g, GPA + 3 * KT_PAGE, 1);
	POKE(&g, GPA + 4 * KT_PAGE, 1);
	CHECK_OK(madvise(mem, SIZE, MADV_DONTNEED));
	PEEK(&g, GPA + 7 * KT_PAGE);
	POKE(&g, GPA + 8 * KT_PAGE, 1);
	CHECK_EQ(dirty_pages(&g.vm), 1 << 3 | 1 << 4 | 1 << 8);
	CHECK_OK(madvise(mem, SIZE, MADV_DONTNEED));
	CHECK_EQ(dirty_pages(&g.vm), 0);
	POKE(&g, GPA + 4 * KT_PAGE, 2);
	CHECK_EQ(dirty_pages(&g.vm), 1 << 4);
}

static void read_only(void)
{
	struct kt_guest g = guest();
	uint64_t *mem = kt_anon(SIZE);

	mem[0] = 1;
	CHECK_OK(kt_slot_flags(&g.vm, 1, KVM_MEM_READONLY, GPA, SIZE, mem));
	CHECK_EQ(PEEK(&g, GPA), 1);
	CHECK_OK(madvise(mem, SIZE, MADV_DONTNEED));
	CHECK_EQ(PEEK(&g, GPA), 0);
	mem[0] = 2;
	CHECK_EQ(PEEK(&g, GPA), 2);
	CHECK_OK(madvise(mem, SIZE, MADV_DONTNEED));
	CHECK_EQ(peek_try(&g, POKE_ENTRY, GPA, 3), 0);
	CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_MMIO);
	CHECK_EQ(PEEK(&g, GPA), 0);
}

/* ---- while it runs ---- */

struct runner {
	struct kt_guest g;
	pthread_t thread;
	uint8_t *mem;
	volatile uint64_t *box; /* in page 0 of the guest: what it says, and that it is to stop */
};

#define BOX 0x9000UL

static void *run_on(void *arg)
{
	kt_run(arg, KVM_EXIT_HLT);
	return NULL;
}

static void runner_start(struct runner *r, struct kt_code code)
{
	struct kvm_regs regs;

	r->g = kt_guest(KT_LONG64, code);
	r->box = (volatile uint64_t *)(r->g.mem + BOX);
	r->mem = kt_memory(&r->g.vm, 1, GPA, SIZE);
	regs = kt_regs(&r->g.vcpu);
	regs.rbx = GPA;
	regs.rcx = PAGES;
	regs.rsi = BOX;
	regs.rdx = BOX + 8;
	kt_set_regs(&r->g.vcpu, &regs);
	REQUIRE(pthread_create(&r->thread, NULL, run_on, &r->g.vcpu) == 0);
}

static void runner_stop(struct runner *r)
{
	r->box[1] = 1;
	REQUIRE(pthread_join(r->thread, NULL) == 0);
}

static bool says(const struct runner *r, uint64_t value)
{
	time_t end = time(NULL) + 20;

	while (r->box[0] != value && time(NULL) < end)
		usleep(100);
	return r->box[0] == value;
}

/* What was there before is never seen again once the call has returned. */
static void exchanged_while_it_runs(void)
{
	struct runner r;
	int fd;

	runner_start(&r, CODE(copier));
	for (uint64_t i = 1; i <= 100; i++) {
		fd = memory_file(KT_PAGE, 0);
		put(fd, 0, i);
		REQUIRE(mmap(r.mem, KT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			     0) == r.mem);
		REQUIRE(says(&r, i));
		CHECK_OK(madvise(r.mem, KT_PAGE, MADV_REMOVE));
		REQUIRE(says(&r, 0));
		close(fd);
	}
	runner_stop(&r);
}

static void child_writes(uint8_t *mem)
{
	pid_t pid = fork();
	int status;

	REQUIRE(pid >= 0);
	if (!pid) {
		memset(mem, 0xFF, SIZE);
		_exit(0);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
}

/* Nothing of what the guest and the process write is lost by what changes no content. */
static void disturbed_while_it_runs(void)
{
	uint64_t counted[PAGES];
	struct runner r;

	runner_start(&r, CODE(toucher));
	for (int i = 0; i < 60; i++) {
		switch (i % 4) {
		case 0:
			child_writes(r.mem);
			break;
		case 1:
			CHECK_OK(madvise(r.mem, SIZE, i % 8 < 4 ? MADV_MERGEABLE : MADV_COLD));
			break;
		case 2:
			madvise(r.mem, SIZE, 21 /* MADV_PAGEOUT */);
			break;
		default:
			CHECK_OK(mprotect(r.mem, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC));
			CHECK_OK(mprotect(r.mem, SIZE, PROT_READ | PROT_WRITE));
		}
		__atomic_fetch_add((uint64_t *)r.mem, 1ULL << 32, __ATOMIC_SEQ_CST);
		usleep(1000);
	}
	runner_stop(&r);
	for (uint64_t i = 0; i < PAGES; i++)
		counted[i] = *(uint64_t *)(r.mem + i * KT_PAGE);
	CHECK_EQ(counted[0] >> 32, 60);
	CHECK(kt_regs(&r.g.vcpu).r8 > 0);
	for (uint64_t i = 0; i < PAGES; i++)
		CHECK_EQ((uint32_t)counted[i], kt_regs(&r.g.vcpu).r8);
}

/* ---- userfaultfd: memory that comes when user space gives it ---- */

static int fault_file(void *mem, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = {
		.range = { (uintptr_t)mem, size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		kt_skip("no userfaultfd (errno %d)", errno);
	REQUIRE(ioctl(fd, UFFDIO_API, &api) == 0);
	REQUIRE(ioctl(fd, UFFDIO_REGISTER, &area) == 0);
	return fd;
}

/* Waits for a fault in this page, and gives it. */
static void give(int fd, uint8_t *mem, uint64_t offset, uint64_t value)
{
	uint64_t page[KT_PAGE / 8] = { value };
	struct uffdio_copy copy = {
		.dst = (uintptr_t)mem + offset,
		.src = (uintptr_t)page,
		.len = KT_PAGE,
	};
	struct uffd_msg msg;

	REQUIRE(read(fd, &msg, sizeof(msg)) == sizeof(msg));
	CHECK_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
	CHECK_EQ(msg.arg.pagefault.address & ~(KT_PAGE - 1), copy.dst);
	REQUIRE(ioctl(fd, UFFDIO_COPY, &copy) == 0);
}

static void on_demand(void)
{
	struct kt_guest g = guest();
	uint8_t *mem = kt_anon(SIZE);
	int fd = fault_file(mem, SIZE);
	struct kvm_regs regs = { .rflags = 2, .rax = 33 };
	pthread_t thread;

	CHECK_OK(kt_slot(&g.vm, 1, GPA, SIZE, mem));
	for (uint64_t i = 0; i < 4; i++) {
		regs.rip = i % 2 ? POKE_ENTRY : PEEK_ENTRY;
		regs.rbx = GPA + i * KT_PAGE;
		kt_set_regs(&g.vcpu, &regs);
		REQUIRE(pthread_create(&thread, NULL, run_on, &g.vcpu) == 0);
		give(fd, mem, i * KT_PAGE, 44 + i);
		REQUIRE(pthread_join(thread, NULL) == 0);
		CHECK_EQ(*(uint64_t *)(mem + i * KT_PAGE), i % 2 ? 33 : 44 + i);
		CHECK_EQ(kt_regs(&g.vcpu).rax, i % 2 ? 33 : 44 + i);
	}
}

/* ---- a VM that outlives its process ---- */

static void heir(struct kt_guest *g)
{
	CHECK_ERRNO(ioctl(g->vcpu.fd, KVM_RUN, 0), EIO);
	CHECK_ERRNO(kt_slot(&g->vm, 1, GPA, 0, NULL), EIO);
	kt_end();
}

static void outlives_process(void)
{
	int up[2];
	char byte;
	pid_t owner;

	REQUIRE(pipe(up) == 0);
	owner = fork();
	REQUIRE(owner >= 0);
	if (!owner) {
		struct kt_guest g = guest();

		kt_memory(&g.vm, 1, GPA, SIZE);
		POKE(&g, GPA, 1);
		if (fork())
			_exit(0);
		/* The owner is gone when it can be waited for. */
		close(up[0]);
		usleep(300000);
		heir(&g);
	}
	close(up[1]);
	REQUIRE(waitpid(owner, NULL, 0) == owner);
	CHECK_EQ(read(up[0], &byte, 1), 0); /* until the heir is gone, too */
}

static const struct kt_test tests[] = {
	{ "KVM_CAP_SYNC_MMU", capability },
	{ "MADV_DONTNEED: the guest reads zero", dropped },
	{ "MADV_DONTNEED: the memory is given back", given_back },
	{ "mmap over it", mapped_over },
	{ "munmap: EFAULT, until it is mapped again", unmapped },
	{ "munmap of code", unmapped_code },
	{ "mprotect", protected },
	{ "mprotect: rights that grow", rights_grow },
	{ "mremap away and back", moved_away },
	{ "a shared file, punched", shared_file },
	{ "a file that is truncated and grows", truncated },
	{ "a private file", private_file },
	{ "a file of huge pages, punched", huge_file },
	{ "holes in huge pages", hole_in_huge },
	{ "first access: read, write, code, two pages", first_access },
	{ "first access by a device's instruction", operand },
	{ "first access by PUSH from a device", stack },
	{ "first access to a page table, by a device's instruction", page_table },
	{ "first access by KVM_TRANSLATE", translate },
	{ "first access by INS and OUTS", ports },
	{ "memory that goes before INS is complete", ports_late },
	{ "dirty log of memory that goes and comes", dirty_log },
	{ "a read-only slot", read_only },
	{ "exchanged while the guest runs", exchanged_while_it_runs },
	{ "disturbed while the guest runs", disturbed_while_it_runs },
	{ "userfaultfd", on_demand },
	{ "a VM that outlives its process", outlives_process },
};

KT_MAIN(tests)
