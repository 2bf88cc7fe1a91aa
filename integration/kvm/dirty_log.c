// SPDX-License-Identifier: MIT
/*
 * KVM_MEM_LOG_DIRTY_PAGES, KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG: the log tells each page that
 * the guest wrote and no other, also while vCPUs write and slots change.
 *
 * KVM may count the first read of a page as a write, too, so the tests of what is clean read
 * pages before they are logged.
 */
#include "peek.h"

#include <pthread.h>

GUEST(port_input);
GUEST(scatter);

#define RAM 0x10000000UL
#define PAGES 1100UL /* more than two large pages, and no multiple of 64 */
#define WORDS(pages) (((pages) + 63) / 64)
#define MAX_PAGES 2048UL

static int set_slot(const struct kt_vm *vm, uint32_t id, uint32_t flags, uint64_t gpa,
		    uint64_t pages, const void *host)
{
	return kt_slot_flags(vm, id, flags, gpa, pages * KT_PAGE, host);
}

#define LOG KVM_MEM_LOG_DIRTY_PAGES

static int get_log(const struct kt_vm *vm, uint32_t id, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = id, .dirty_bitmap = bitmap };

	return ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log);
}

static int clear_log(const struct kt_vm *vm, uint32_t id, uint64_t first, uint32_t pages,
		     void *bitmap)
{
	struct kvm_clear_dirty_log log = {
		.slot = id,
		.first_page = first,
		.num_pages = pages,
		.dirty_bitmap = bitmap,
	};

	return ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &log);
}

static bool is_set(const uint64_t *bitmap, uint64_t page)
{
	return bitmap[page / 64] >> page % 64 & 1;
}

/* The log of slot 1 must be these pages, in ascending order. */
static void expect(const struct kt_vm *vm, const uint64_t *pages, unsigned int count, int line)
{
	uint64_t bitmap[WORDS(MAX_PAGES) + 1];
	unsigned int at = 0;

	memset(bitmap, 0xaa, sizeof(bitmap));
	REQUIRE(get_log(vm, 1, bitmap) == 0);
	for (uint64_t page = 0; page < WORDS(PAGES) * 64; page++) {
		bool want = at < count && pages[at] == page;

		at += want;
		if (is_set(bitmap, page) != want)
			kt_fail(__FILE__, line, "page %llu is %s", (unsigned long long)page,
				want ? "clean" : "dirty");
	}
	CHECK_EQ(bitmap[WORDS(PAGES)], 0xaaaaaaaaaaaaaaaa); /* no more than that is written */
}

#define EXPECT(vm, ...)                                                                            \
	do {                                                                                       \
		static const uint64_t pages_[] = { __VA_ARGS__ };                                  \
		expect(vm, pages_, KT_LEN(pages_), __LINE__);                                      \
	} while (0)
#define EXPECT_CLEAN(vm) expect(vm, NULL, 0, __LINE__)

static uint64_t gpa_of(uint64_t page)
{
	return RAM + page * KT_PAGE + 8 * (page % 512);
}

/* Memory in which the host has large pages where it likes to. */
static void *large_memory(void)
{
	uint8_t *mem = kt_anon(MAX_PAGES * KT_PAGE + 2 * KT_MIB);

	mem = (uint8_t *)(((uintptr_t)mem + 2 * KT_MIB - 1) & -(2 * KT_MIB));
	madvise(mem, MAX_PAGES * KT_PAGE, MADV_HUGEPAGE);
	return mem;
}

struct log_guest {
	struct kt_guest g;
	uint8_t *mem;
};

/* With slot 1, whose pages are all mapped; the log isn't on yet. */
static struct log_guest log_guest(struct kt_code code)
{
	struct log_guest l = { .g = kt_guest(KT_LONG64, CODE(peek_poke)), .mem = large_memory() };

	CHECK_OK(set_slot(&l.g.vm, 1, 0, RAM, PAGES, l.mem));
	for (uint64_t page = 0; page < PAGES; page += 7)
		POKE(&l.g, gpa_of(page), page);
	for (uint64_t page = 0; page < PAGES; page++)
		PEEK(&l.g, gpa_of(page));
	kt_guest_load(&l.g, KT_LONG64, code);
	return l;
}

static void log_on(struct log_guest *l)
{
	CHECK_OK(set_slot(&l->g.vm, 1, LOG, RAM, PAGES, l->mem));
}

static void exact(void)
{
	struct log_guest l = log_guest(CODE(peek_poke));

	log_on(&l);
	EXPECT_CLEAN(&l.g.vm);
	POKE(&l.g, gpa_of(0), 1);
	EXPECT(&l.g.vm, 0);
	EXPECT_CLEAN(&l.g.vm);
	POKE(&l.g, gpa_of(1099), 1);
	POKE(&l.g, gpa_of(63), 2);
	POKE(&l.g, gpa_of(64), 3);
	POKE(&l.g, gpa_of(511), 4);
	POKE(&l.g, gpa_of(512), 5);
	POKE(&l.g, gpa_of(512), 6);
	EXPECT(&l.g.vm, 63, 64, 511, 512, 1099);
	EXPECT_CLEAN(&l.g.vm);
	/* Over the end of a page. */
	POKE(&l.g, RAM + 700 * KT_PAGE - 4, 7);
	EXPECT(&l.g.vm, 699, 700);
}

static void every_page_once(void)
{
	struct log_guest l = log_guest(CODE(peek_poke));

	log_on(&l);
	for (uint64_t i = 0; i < PAGES; i += 11) {
		uint64_t page = i * 7 % PAGES;

		POKE(&l.g, gpa_of(page), page);
		expect(&l.g.vm, &page, 1, __LINE__);
	}
}

static void reads_and_user_space(void)
{
	struct log_guest l = log_guest(CODE(peek_poke));

	log_on(&l);
	for (uint64_t page = 0; page < PAGES; page += 3)
		PEEK(&l.g, gpa_of(page));
	memset(l.mem, 0x55, 5 * KT_PAGE);
	EXPECT_CLEAN(&l.g.vm);
}

/* From the creation of the slot on; its place is no multiple of 64 pages. */
static void from_the_start(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(peek_poke));
	const uint64_t gpa = RAM + 5 * KT_PAGE;
	uint64_t bitmap[WORDS(PAGES)] = { 0 };

	CHECK_OK(set_slot(&g.vm, 1, LOG, gpa, PAGES, large_memory()));
	EXPECT_CLEAN(&g.vm);
	POKE(&g, gpa, 1);
	POKE(&g, gpa + 59 * KT_PAGE, 1);
	POKE(&g, gpa + 1099 * KT_PAGE, 1);
	EXPECT(&g.vm, 0, 59, 1099);
	/* A neighbour with a log of its own. */
	CHECK_OK(set_slot(&g.vm, 2, LOG, RAM, 5, kt_anon(5 * KT_PAGE)));
	POKE(&g, RAM + 4 * KT_PAGE, 1);
	POKE(&g, gpa + KT_PAGE, 1);
	EXPECT(&g.vm, 1);
	REQUIRE(get_log(&g.vm, 2, bitmap) == 0);
	CHECK_EQ(bitmap[0], 1U << 4);
}

static void off_and_on(void)
{
	struct log_guest l = log_guest(CODE(peek_poke));

	log_on(&l);
	POKE(&l.g, gpa_of(9), 1);
	CHECK_OK(set_slot(&l.g.vm, 1, LOG, RAM, PAGES, l.mem)); /* no change: the log stays */
	EXPECT(&l.g.vm, 9);
	POKE(&l.g, gpa_of(10), 1);
	CHECK_OK(set_slot(&l.g.vm, 1, 0, RAM, PAGES, l.mem));
	POKE(&l.g, gpa_of(11), 1);
	log_on(&l);
	EXPECT_CLEAN(&l.g.vm);
	POKE(&l.g, gpa_of(12), 1);
	EXPECT(&l.g.vm, 12);
}

static void moved_and_deleted(void)
{
	struct log_guest l = log_guest(CODE(peek_poke));
	uint64_t bitmap[WORDS(MAX_PAGES)];

	log_on(&l);
	POKE(&l.g, gpa_of(20), 1);
	CHECK_OK(set_slot(&l.g.vm, 1, LOG, RAM + 3 * KT_PAGE, PAGES, l.mem));
	POKE(&l.g, gpa_of(3 + 21), 1);
	EXPECT(&l.g.vm, 20, 21);
	POKE(&l.g, gpa_of(3 + 22), 1);
	CHECK_OK(set_slot(&l.g.vm, 1, 0, RAM, 0, NULL));
	CHECK_ERRNO(get_log(&l.g.vm, 1, bitmap), ENOENT);
	log_on(&l);
	EXPECT_CLEAN(&l.g.vm);
}

/* What the hypervisor writes for the guest. */
static void port_to_memory(void)
{
	struct log_guest l = log_guest(CODE(port_input));
	struct kvm_regs regs = kt_regs(&l.g.vcpu);

	log_on(&l);
	regs.rbx = RAM + 77 * KT_PAGE;
	kt_set_regs(&l.g.vcpu, &regs);
	RUN(&l.g.vcpu, KVM_EXIT_IO);
	*(uint8_t *)kt_io_data(&l.g.vcpu) = 0x42;
	RUN(&l.g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(l.mem[77 * KT_PAGE], 0x42);
	EXPECT(&l.g.vm, 77);
}

static void read_only(void)
{
	struct log_guest l = log_guest(CODE(peek_poke));

	CHECK_OK(set_slot(&l.g.vm, 1, 0, RAM, 0, NULL));
	CHECK_OK(set_slot(&l.g.vm, 1, KVM_MEM_READONLY, RAM, PAGES, l.mem));
	PEEK(&l.g, gpa_of(5));
	CHECK_OK(set_slot(&l.g.vm, 1, KVM_MEM_READONLY | LOG, RAM, PAGES, l.mem));
	PEEK(&l.g, gpa_of(5));
	REQUIRE(peek_try(&l.g, POKE_ENTRY, gpa_of(5), 1) == 0);
	CHECK_EQ(l.g.vcpu.run->exit_reason, KVM_EXIT_MMIO);
	EXPECT_CLEAN(&l.g.vm);
	CHECK_ERRNO(set_slot(&l.g.vm, 1, LOG, RAM, PAGES, l.mem), EINVAL);
}

static void errors(void)
{
	struct kt_vm vm = kt_vm_create();
	int max = ioctl(vm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
	uint8_t *mem = kt_anon(130 * KT_PAGE);
	uint64_t bitmap[WORDS(130)] = { 0 };

	CHECK_ERRNO(get_log(&vm, 1, bitmap), ENOENT);
	CHECK_ERRNO(get_log(&vm, (uint32_t)max, bitmap), EINVAL);
	CHECK_ERRNO(get_log(&vm, 0xffffffff, bitmap), EINVAL);
	CHECK_OK(set_slot(&vm, 1, 0, 0, 130, mem));
	CHECK_ERRNO(get_log(&vm, 1, bitmap), ENOENT);
	CHECK_ERRNO(clear_log(&vm, 1, 0, 64, bitmap), ENOENT);
	CHECK_OK(set_slot(&vm, 1, LOG, 0, 130, mem));
	CHECK_OK(get_log(&vm, 1, bitmap));
	CHECK_ERRNO(get_log(&vm, 1, NULL), EFAULT);
	CHECK_ERRNO(ioctl(vm.fd, KVM_GET_DIRTY_LOG, NULL), EFAULT);
	CHECK_ERRNO(ioctl(vm.fd, KVM_CLEAR_DIRTY_LOG, NULL), EFAULT);
	CHECK_ERRNO(clear_log(&vm, 1, 1, 64, bitmap), EINVAL);
	CHECK_ERRNO(clear_log(&vm, 1, 0, 63, bitmap), EINVAL);
	CHECK_ERRNO(clear_log(&vm, 1, 64, 67, bitmap), EINVAL);
	CHECK_ERRNO(clear_log(&vm, 1, 192, 1, bitmap), EINVAL);
	CHECK_ERRNO(clear_log(&vm, (uint32_t)max, 0, 64, bitmap), EINVAL);
	CHECK_ERRNO(clear_log(&vm, 2, 0, 64, bitmap), ENOENT);
	CHECK_ERRNO(clear_log(&vm, 1, 0, 64, NULL), EFAULT);
	CHECK_OK(clear_log(&vm, 1, 0, 64, bitmap));
	CHECK_OK(clear_log(&vm, 1, 64, 66, bitmap));
	CHECK_OK(clear_log(&vm, 1, 128, 2, bitmap));
	CHECK_OK(clear_log(&vm, 1, 128, 0, bitmap));
}

/* ---- KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 ---- */

static int enable(const struct kt_vm *vm, uint64_t options)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { options },
	};

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static void manual(void)
{
	struct log_guest l = log_guest(CODE(peek_poke));
	uint64_t bitmap[WORDS(PAGES)] = { 0 };

	if (ioctl(l.g.vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) <= 0)
		kt_skip("no KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
	CHECK_ERRNO(enable(&l.g.vm, 4), EINVAL);
	CHECK_ERRNO(enable(&l.g.vm, KVM_DIRTY_LOG_INITIALLY_SET), EINVAL);
	CHECK_OK(enable(&l.g.vm, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE));
	log_on(&l);
	POKE(&l.g, gpa_of(64), 1);
	POKE(&l.g, gpa_of(65), 1);
	POKE(&l.g, gpa_of(1099), 1);
	EXPECT(&l.g.vm, 64, 65, 1099);
	EXPECT(&l.g.vm, 64, 65, 1099); /* still */
	POKE(&l.g, gpa_of(66), 1);
	bitmap[1] = 1;
	CHECK_OK(clear_log(&l.g.vm, 1, 0, 128, bitmap));
	EXPECT(&l.g.vm, 65, 66, 1099);
	POKE(&l.g, gpa_of(64), 1);
	EXPECT(&l.g.vm, 64, 65, 66, 1099);
	bitmap[0] = ~0ULL; /* of pages 1088 on */
	CHECK_OK(clear_log(&l.g.vm, 1, 1088, 12, bitmap));
	EXPECT(&l.g.vm, 64, 65, 66);
	memset(bitmap, 0xff, sizeof(bitmap));
	CHECK_OK(clear_log(&l.g.vm, 1, 0, PAGES, bitmap));
	EXPECT_CLEAN(&l.g.vm);
}

static void initially_set(void)
{
	struct log_guest l = log_guest(CODE(peek_poke));
	uint64_t bitmap[WORDS(PAGES)] = { 0 }, set = 0;

	if (!(ioctl(l.g.vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) &
	      KVM_DIRTY_LOG_INITIALLY_SET))
		kt_skip("no KVM_DIRTY_LOG_INITIALLY_SET");
	CHECK_OK(
		enable(&l.g.vm, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET));
	log_on(&l);
	REQUIRE(get_log(&l.g.vm, 1, bitmap) == 0);
	for (uint64_t page = 0; page < WORDS(PAGES) * 64; page++)
		set += is_set(bitmap, page);
	CHECK_EQ(set, PAGES);
	CHECK_OK(clear_log(&l.g.vm, 1, 0, PAGES, bitmap));
	POKE(&l.g, gpa_of(99), 1);
	EXPECT(&l.g.vm, 99);
}

/* ---- while vCPUs write ---- */

#define WRITERS 2
#define RACE_PAGES 1024UL

struct race {
	struct kt_vm vm;
	struct kt_vcpu vcpu[WRITERS];
	pthread_t thread[WRITERS];
	uint8_t *low; /* slot 0: code, tables, and the flag that stops */
	uint8_t *mem; /* slot 1 */
};

#define STOP 0x9000UL

static void *write_on(void *arg)
{
	kt_run(arg, KVM_EXIT_HLT);
	return NULL;
}

/* A vCPU has begun, and the memory that it needs has come. */
static bool has_begun(const struct race *r, unsigned int i)
{
	unsigned int written = 0;

	for (uint64_t page = 0; page < RACE_PAGES; page++)
		written += !!*(volatile uint64_t *)(r->mem + page * KT_PAGE + 8 * i);
	return written > 100;
}

static void race_start(struct race *r, uint32_t flags)
{
	r->vm = kt_vm_create();
	r->low = kt_memory(&r->vm, 0, 0, KT_GUEST_SIZE);
	r->mem = large_memory();
	memcpy(r->low + KT_CODE, scatter, kt_code_size(CODE(scatter)));
	CHECK_OK(set_slot(&r->vm, 1, flags, RAM, RACE_PAGES, r->mem));
	for (unsigned int i = 0; i < WRITERS; i++) {
		struct kvm_regs regs;

		r->vcpu[i] = kt_vcpu_create(&r->vm, i);
		kt_start(&r->vcpu[i], r->low, KT_LONG64, KT_CODE);
		regs = kt_regs(&r->vcpu[i]);
		regs.rbx = RAM;
		regs.rcx = RACE_PAGES - 1;
		regs.rdx = 77 + i;
		regs.r8 = STOP;
		regs.r9 = 8 * i;
		kt_set_regs(&r->vcpu[i], &regs);
	}
	for (unsigned int i = 0; i < WRITERS; i++)
		REQUIRE(pthread_create(&r->thread[i], NULL, write_on, &r->vcpu[i]) == 0);
	for (unsigned int i = 0; i < WRITERS; i++)
		while (!has_begun(r, i))
			usleep(1000);
}

static void race_stop(struct race *r)
{
	*(volatile uint64_t *)(r->low + STOP) = 1;
	for (unsigned int i = 0; i < WRITERS; i++) {
		REQUIRE(pthread_join(r->thread[i], NULL) == 0);
		CHECK(kt_regs(&r->vcpu[i]).rsi > 100);
	}
}

/* As a migration does it: copies what the log tells. */
static uint64_t copy_dirty(struct race *r, uint8_t *copy, bool by_hand)
{
	uint64_t bitmap[WORDS(RACE_PAGES)] = { 0 }, copied = 0;

	REQUIRE(get_log(&r->vm, 1, bitmap) == 0);
	if (by_hand)
		REQUIRE(clear_log(&r->vm, 1, 0, RACE_PAGES, bitmap) == 0);
	for (uint64_t page = 0; page < RACE_PAGES; page++) {
		if (!is_set(bitmap, page))
			continue;
		memcpy(copy + page * KT_PAGE, r->mem + page * KT_PAGE, KT_PAGE);
		copied++;
	}
	return copied;
}

static void migrate(bool by_hand)
{
	uint8_t *copy = kt_anon(RACE_PAGES * KT_PAGE);
	struct race r;
	uint64_t copied = 0;

	race_start(&r, 0);
	if (by_hand)
		CHECK_OK(enable(&r.vm, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE));
	CHECK_OK(set_slot(&r.vm, 1, LOG, RAM, RACE_PAGES, r.mem));
	/* All of it once, after the log has begun. */
	memcpy(copy, r.mem, RACE_PAGES * KT_PAGE);
	for (int round = 0; round < 20; round++)
		copied += copy_dirty(&r, copy, by_hand);
	race_stop(&r);
	copied += copy_dirty(&r, copy, by_hand);
	CHECK(copied > 0);
	for (uint64_t page = 0; page < RACE_PAGES; page++)
		if (memcmp(copy + page * KT_PAGE, r.mem + page * KT_PAGE, KT_PAGE))
			kt_fail(__FILE__, __LINE__, "page %llu is lost", (unsigned long long)page);
	CHECK_EQ(copy_dirty(&r, copy, by_hand), 0);
}

static void nothing_lost(void)
{
	migrate(false);
}

static void nothing_lost_by_hand(void)
{
	if (ioctl(kt_open(), KVM_CHECK_EXTENSION, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) <= 0)
		kt_skip("no KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
	migrate(true);
}

/* The guests must not notice: an access that finds no memory would be an MMIO exit. */
static void switched_under_the_guest(void)
{
	uint64_t bitmap[WORDS(RACE_PAGES)] = { 0 };
	struct race r;

	race_start(&r, 0);
	for (int round = 0; round < 30; round++) {
		CHECK_OK(set_slot(&r.vm, 1, LOG, RAM, RACE_PAGES, r.mem));
		CHECK_OK(get_log(&r.vm, 1, bitmap));
		CHECK_OK(set_slot(&r.vm, 1, 0, RAM, RACE_PAGES, r.mem));
	}
	race_stop(&r);
}

static void other_slots_change(void)
{
	uint8_t *other = kt_anon(16 * KT_PAGE);
	struct race r;

	race_start(&r, LOG);
	for (unsigned int round = 0; round < 40; round++) {
		uint32_t flags = round % 2 ? KVM_MEM_READONLY : LOG;

		CHECK_OK(set_slot(&r.vm, 2, flags, 0x20000000, 16, other));
		CHECK_OK(set_slot(&r.vm, 2, flags, 0x30000000, 16, other));
		CHECK_OK(set_slot(&r.vm, 2, 0, 0, 0, NULL));
	}
	race_stop(&r);
}

static const struct kt_test tests[] = {
	{ "dirty log: exactly what was written", exact },
	{ "dirty log: each page by itself", every_page_once },
	{ "dirty log: not by reads, nor by user space", reads_and_user_space },
	{ "dirty log: from the slot's creation on", from_the_start },
	{ "dirty log: off and on again", off_and_on },
	{ "dirty log: of a moved slot, of a deleted one", moved_and_deleted },
	{ "dirty log: INS writes, too", port_to_memory },
	{ "dirty log: of a read-only slot", read_only },
	{ "dirty log: errors", errors },
	{ "dirty log: cleared by hand", manual },
	{ "dirty log: all set at first", initially_set },
	{ "dirty log: two vCPUs write, no page is lost", nothing_lost },
	{ "dirty log: the same, cleared by hand", nothing_lost_by_hand },
	{ "dirty log: on and off under running vCPUs", switched_under_the_guest },
	{ "dirty log: other slots change under running vCPUs", other_slots_change },
};

KT_MAIN(tests)
