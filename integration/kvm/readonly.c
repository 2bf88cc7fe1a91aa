// SPDX-License-Identifier: MIT
/*
 * KVM_MEM_READONLY: reads are of memory, writes are KVM_EXIT_MMIO and change nothing, and what
 * may be changed of such a slot.
 */
#include "peek.h"

#include <signal.h>
#include <sys/time.h>

GUEST(stores);
GUEST(modify);
GUEST(strings);
GUEST(stack);
GUEST(descriptor);
GUEST(resident);
GUEST(tables);

#define ROM 0x10000000UL
#define ROM_PAGES 4

static uint64_t pattern(uint64_t i)
{
	return 0x0101010101010101 * (i % 251);
}

/* A guest with a read-only slot, which has a pattern. */
struct rom_guest {
	struct kt_guest g;
	uint64_t *rom;
};

static struct rom_guest rom_guest(enum kt_mode mode, struct kt_code code)
{
	struct rom_guest r = { .g = kt_guest(mode, code), .rom = kt_anon(ROM_PAGES * KT_PAGE) };
	struct kvm_regs regs = kt_regs(&r.g.vcpu);

	for (uint64_t i = 0; i < ROM_PAGES * KT_PAGE / 8; i++)
		r.rom[i] = pattern(i);
	REQUIRE(ioctl(r.g.vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM) == 1);
	REQUIRE(kt_slot_flags(&r.g.vm, 1, KVM_MEM_READONLY, ROM, ROM_PAGES * KT_PAGE, r.rom) == 0);
	regs.rbx = ROM;
	kt_set_regs(&r.g.vcpu, &regs);
	return r;
}

static void unchanged(const struct rom_guest *r)
{
	for (uint64_t i = 0; i < ROM_PAGES * KT_PAGE / 8; i++)
		if (r->rom[i] != pattern(i))
			kt_fail(__FILE__, __LINE__, "0x%llx is changed", (unsigned long long)i * 8);
}

/* The next exit must be a write of the guest. */
static void wrote(const struct kt_vcpu *vcpu, uint64_t gpa, uint32_t len, uint64_t value)
{
	uint64_t got = 0;

	kt_context("write to 0x%llx", (unsigned long long)gpa);
	RUN(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu->run->mmio.is_write, 1);
	CHECK_EQ(vcpu->run->mmio.phys_addr, gpa);
	REQUIRE(vcpu->run->mmio.len == len);
	memcpy(&got, vcpu->run->mmio.data, len);
	CHECK_EQ(got, value);
	kt_context("after the write");
}

static void reads(void)
{
	struct rom_guest r = rom_guest(KT_LONG64, CODE(peek_poke));

	for (uint64_t i = 0; i < ROM_PAGES * KT_PAGE / 8; i += 37)
		CHECK_EQ(PEEK(&r.g, ROM + i * 8), pattern(i));
	/* What user space writes there the guest sees. */
	r.rom[5] = 1234;
	CHECK_EQ(PEEK(&r.g, ROM + 40), 1234);
	memset(r.rom + 512, 0x77, KT_PAGE);
	CHECK_EQ(PEEK(&r.g, ROM + KT_PAGE), 0x7777777777777777);
}

/* Memory that user space touches only after the guest has read it. */
static void fresh_memory(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(peek_poke));
	uint64_t *rom = kt_anon(4 * KT_PAGE);

	CHECK_OK(kt_slot_flags(&g.vm, 1, KVM_MEM_READONLY, ROM, 4 * KT_PAGE, rom));
	CHECK_EQ(PEEK(&g, ROM), 0);
	rom[0] = 42;
	CHECK_EQ(PEEK(&g, ROM), 42);
}

static void writes(void)
{
	struct rom_guest r = rom_guest(KT_LONG64, CODE(stores));
	struct kvm_regs regs = kt_regs(&r.g.vcpu);

	regs.rax = 0x8877665544332211;
	kt_set_regs(&r.g.vcpu, &regs);
	wrote(&r.g.vcpu, ROM, 1, 0x11);
	wrote(&r.g.vcpu, ROM + 2, 2, 0x2222);
	wrote(&r.g.vcpu, ROM + 4, 4, 0x33333333);
	wrote(&r.g.vcpu, ROM + 8, 8, 0x8877665544332211);
	RUN(&r.g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&r.g.vcpu).rcx, pattern(0));
	CHECK_EQ(kt_regs(&r.g.vcpu).rdx, pattern(1));
	unchanged(&r);
}

/* The read is of the memory, without an exit. */
static void read_modify_write(void)
{
	struct rom_guest r = rom_guest(KT_LONG64, CODE(modify));
	const uint64_t mem = 0x00ff017f7fffffff;
	struct kvm_regs regs = kt_regs(&r.g.vcpu);

	r.rom[0] = mem;
	regs.rax = 0x1122334455667788;
	kt_set_regs(&r.g.vcpu, &regs);
	wrote(&r.g.vcpu, ROM, 4, 0x80000000);
	wrote(&r.g.vcpu, ROM + 4, 1, 0xff);
	wrote(&r.g.vcpu, ROM + 6, 2, 0xff00);
	wrote(&r.g.vcpu, ROM + 8, 8, 0x1122334455667788);
	wrote(&r.g.vcpu, ROM, 4, 0x77777777);
	wrote(&r.g.vcpu, ROM, 4, 0x80000004);
	RUN(&r.g.vcpu, KVM_EXIT_HLT);
	regs = kt_regs(&r.g.vcpu);
	CHECK_EQ(regs.r8 & 0x8c5, 0x884); /* OF, SF, PF */
	CHECK_EQ(regs.r9 & 0x40, 0x40);
	CHECK_EQ(regs.rdx, 0x7fffffff);
	CHECK_EQ(regs.rcx, mem);
	CHECK_EQ(r.rom[0], mem);
	r.rom[0] = pattern(0);
	unchanged(&r);
}

/* From ordinary memory into read-only memory, and back out of it. */
static void string_stores(void)
{
	struct rom_guest r = rom_guest(KT_LONG64, CODE(strings));
	uint64_t *below = kt_memory(&r.g.vm, 2, ROM - KT_PAGE, KT_PAGE);
	struct kvm_regs regs = kt_regs(&r.g.vcpu);

	regs.rax = 0xabcdef01;
	regs.rcx = 6;
	regs.rdi = ROM - 16;
	regs.rdx = 3;
	regs.rsi = ROM + 0x100;
	kt_set_regs(&r.g.vcpu, &regs);
	wrote(&r.g.vcpu, ROM, 4, 0xabcdef01);
	wrote(&r.g.vcpu, ROM + 4, 4, 0xabcdef01);
	for (uint64_t i = 0; i < 3; i++)
		wrote(&r.g.vcpu, ROM + 8 + i, 1, pattern(0x20) & 0xff);
	RUN(&r.g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(below[510], 0xabcdef01abcdef01);
	CHECK_EQ(below[511], 0xabcdef01abcdef01);
	unchanged(&r);
}

static void strings_out_of_it(void)
{
	struct rom_guest r = rom_guest(KT_LONG64, CODE(strings));
	uint64_t *below = kt_memory(&r.g.vm, 2, ROM - KT_PAGE, KT_PAGE);
	struct kvm_regs regs = kt_regs(&r.g.vcpu);

	regs.rcx = 0;
	regs.rdi = ROM - KT_PAGE;
	regs.rdx = KT_PAGE;
	regs.rsi = ROM + KT_PAGE;
	kt_set_regs(&r.g.vcpu, &regs);
	RUN(&r.g.vcpu, KVM_EXIT_HLT);
	CHECK(!memcmp(below, r.rom + 512, KT_PAGE));
	unchanged(&r);
}

/* One store over the border of ordinary and read-only memory. */
static void half_and_half(void)
{
	struct rom_guest r = rom_guest(KT_LONG64, CODE(peek_poke));
	uint64_t *below = kt_memory(&r.g.vm, 2, ROM - KT_PAGE, KT_PAGE);
	struct kvm_regs regs = { .rip = POKE_ENTRY, .rflags = 2, .rbx = ROM - 4 };

	below[511] = 0x1111111111111111;
	regs.rax = 0x8877665544332211;
	kt_set_regs(&r.g.vcpu, &regs);
	wrote(&r.g.vcpu, ROM, 4, 0x88776655);
	RUN(&r.g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(below[511], 0x4433221111111111);
	CHECK_EQ(PEEK(&r.g, ROM - 4), (pattern(0) & 0xffffffff) << 32 | 0x44332211);
	unchanged(&r);
}

static void push(void)
{
	struct rom_guest r = rom_guest(KT_LONG64, CODE(stack));
	struct kvm_regs regs = kt_regs(&r.g.vcpu);

	regs.rbx = ROM + 16;
	regs.rax = 0x1234567890;
	kt_set_regs(&r.g.vcpu, &regs);
	wrote(&r.g.vcpu, ROM + 8, 8, 0x1234567890);
	RUN(&r.g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&r.g.vcpu).rcx, pattern(1));
	CHECK_EQ(kt_regs(&r.g.vcpu).rsp, ROM + 16);
	unchanged(&r);
}

static void code(void)
{
	struct rom_guest r = rom_guest(KT_LONG64, CODE(peek_poke));
	struct kvm_regs regs = kt_regs(&r.g.vcpu);

	memcpy((uint8_t *)r.rom + KT_PAGE, resident, kt_code_size(CODE(resident)));
	regs.rip = ROM + KT_PAGE;
	kt_set_regs(&r.g.vcpu, &regs);
	wrote(&r.g.vcpu, ROM, 8, 0x11111111);
	RUN(&r.g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&r.g.vcpu).rcx, pattern(0));
	CHECK_EQ(kt_regs(&r.g.vcpu).rip, ROM + KT_PAGE + kt_code_size(CODE(resident)));
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* KVM_RUN, which a signal ends at the latest: false when it had to. */
static bool run_for_a_while(const struct kt_vcpu *vcpu)
{
	struct itimerval timer = { .it_value.tv_usec = 500000 }, off = { .it_value.tv_usec = 0 };
	struct sigaction action = { .sa_handler = on_alarm };
	int ret;

	REQUIRE(sigaction(SIGALRM, &action, NULL) == 0);
	REQUIRE(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	ret = ioctl(vcpu->fd, KVM_RUN, 0);
	REQUIRE(setitimer(ITIMER_REAL, &off, NULL) == 0);
	REQUIRE(ret == 0 || errno == EINTR);
	return ret == 0;
}

/*
 * The CPU's own write, of the accessed bit: of the 8 bytes, or (KVM's emulator tries it again
 * and again) the guest stays where it is.
 */
static void descriptor_table(void)
{
	struct rom_guest r = rom_guest(KT_PROT32, CODE(descriptor));
	const uint64_t data = 0x00cf92000000ffff;
	struct kvm_regs regs = kt_regs(&r.g.vcpu);
	struct kvm_sregs sregs = kt_sregs(&r.g.vcpu);

	r.rom[3] = data;
	sregs.gdt.base = ROM;
	sregs.gdt.limit = 0xff;
	REQUIRE(ioctl(r.g.vcpu.fd, KVM_SET_SREGS, &sregs) == 0);
	regs.rax = 0x18;
	kt_set_regs(&r.g.vcpu, &regs);
	if (run_for_a_while(&r.g.vcpu)) {
		CHECK_EQ(r.g.vcpu.run->exit_reason, KVM_EXIT_MMIO);
		CHECK_EQ(r.g.vcpu.run->mmio.is_write, 1);
		CHECK_EQ(r.g.vcpu.run->mmio.phys_addr, ROM + 24);
		CHECK_EQ(r.g.vcpu.run->mmio.len, 8);
		CHECK_EQ(*(uint64_t *)r.g.vcpu.run->mmio.data, data | 1ULL << 40);
		RUN(&r.g.vcpu, KVM_EXIT_HLT);
		CHECK_EQ(kt_sregs(&r.g.vcpu).ds.selector, 0x18);
	} else {
		CHECK_EQ(kt_regs(&r.g.vcpu).rip, KT_CODE);
		CHECK_EQ(kt_sregs(&r.g.vcpu).ds.selector, 0x10);
	}
	CHECK_EQ(r.rom[3], data);
}

/*
 * AMD's CPUs want to write the guest's tables whenever they read them (APM vol. 2, 15.25.6), so
 * the guest is emulated, one instruction after the other.
 */
static void page_tables(void)
{
	struct rom_guest r = rom_guest(KT_LONG64, CODE(tables));
	struct kvm_sregs sregs = kt_sregs(&r.g.vcpu);
	struct kvm_regs regs = kt_regs(&r.g.vcpu);
	const size_t size = (2 + KT_MAPPED_GIB) * KT_PAGE;
	uint8_t *tables = kt_anon(size);
	uint64_t *entry = (uint64_t *)tables;

	/* Copies of the guest's, at another place. KVM asks for set A and D bits there. */
	memcpy(tables, r.g.mem + KT_TABLES, size);
	entry[0] += 2 * ROM - KT_TABLES;
	for (unsigned int i = 0; i < KT_MAPPED_GIB; i++)
		entry[512 + i] += 2 * ROM - KT_TABLES;
	for (unsigned int i = 0; i < size / sizeof(*entry); i++)
		entry[i] |= entry[i] ? 0x60 : 0;
	CHECK_OK(kt_slot_flags(&r.g.vm, 3, KVM_MEM_READONLY, 2 * ROM, size, tables));
	sregs.cr3 = 2 * ROM;
	REQUIRE(ioctl(r.g.vcpu.fd, KVM_SET_SREGS, &sregs) == 0);
	regs.rbx = ROM + 24; /* KVM confuses it with a table's entry at the same offset */
	kt_set_regs(&r.g.vcpu, &regs);
	wrote(&r.g.vcpu, ROM + 24, 8, 0x22222222);
	CHECK_EQ(kt_regs(&r.g.vcpu).rcx, pattern(3));
	unchanged(&r);
}

static void flags(void)
{
	struct kt_vm vm = kt_vm_create();
	uint8_t *mem = kt_anon(8 * KT_PAGE);

	CHECK_OK(kt_slot_flags(&vm, 0, KVM_MEM_READONLY, 0, 4 * KT_PAGE, mem));
	CHECK_OK(kt_slot_flags(&vm, 0, KVM_MEM_READONLY, 0, 4 * KT_PAGE, mem)); /* no change */
	CHECK_ERRNO(kt_slot_flags(&vm, 0, 0, 0, 4 * KT_PAGE, mem), EINVAL);
	CHECK_ERRNO(kt_slot_flags(&vm, 0, 0, KT_MIB, 4 * KT_PAGE, mem), EINVAL);
	CHECK_ERRNO(kt_slot_flags(&vm, 0, KVM_MEM_READONLY, 0, 8 * KT_PAGE, mem), EINVAL);
	CHECK_ERRNO(kt_slot_flags(&vm, 0, KVM_MEM_READONLY, 0, 4 * KT_PAGE, mem + KT_PAGE), EINVAL);
	CHECK_ERRNO(kt_slot_flags(&vm, 1, KVM_MEM_READONLY, KT_PAGE, KT_PAGE, mem), EEXIST);
	CHECK_OK(kt_slot_flags(&vm, 0, KVM_MEM_READONLY, KT_MIB, 4 * KT_PAGE, mem)); /* a move */
	CHECK_OK(kt_slot_flags(&vm, 1, 0, 0, 4 * KT_PAGE, mem));
	CHECK_ERRNO(kt_slot_flags(&vm, 1, KVM_MEM_READONLY, 0, 4 * KT_PAGE, mem), EINVAL);
	CHECK_ERRNO(kt_slot_flags(&vm, 1, 4, 0, 4 * KT_PAGE, mem), EINVAL);
	/* Nothing but the size counts in a deletion, the flags must be known ones. */
	CHECK_ERRNO(kt_slot_flags(&vm, 1, 4, 0, 0, mem), EINVAL);
	CHECK_OK(kt_slot_flags(&vm, 1, KVM_MEM_READONLY, 0, 0, mem));
	CHECK_OK(kt_slot_flags(&vm, 0, 0, 0, 0, NULL));
}

/* As firmware shadowing does it: the same memory, now writable, now not. */
static void back_and_forth(void)
{
	struct rom_guest r = rom_guest(KT_LONG64, CODE(peek_poke));

	for (uint64_t i = 1; i <= 20; i++) {
		CHECK_OK(kt_slot_flags(&r.g.vm, 1, 0, ROM, 0, NULL));
		CHECK_OK(kt_slot_flags(&r.g.vm, 1, 0, ROM, ROM_PAGES * KT_PAGE, r.rom));
		POKE(&r.g, ROM + 8, i);
		CHECK_EQ(r.rom[1], i);
		CHECK_OK(kt_slot_flags(&r.g.vm, 1, 0, ROM, 0, NULL));
		CHECK_OK(kt_slot_flags(&r.g.vm, 1, KVM_MEM_READONLY, ROM, ROM_PAGES * KT_PAGE,
				       r.rom));
		REQUIRE(peek_try(&r.g, POKE_ENTRY, ROM + 8, 99) == 0);
		CHECK_EQ(r.g.vcpu.run->exit_reason, KVM_EXIT_MMIO);
		CHECK_EQ(PEEK(&r.g, ROM + 8), i);
	}
}

static void moved(void)
{
	struct rom_guest r = rom_guest(KT_LONG64, CODE(peek_poke));
	struct kvm_regs regs = { .rip = POKE_ENTRY, .rflags = 2, .rbx = 2 * ROM, .rax = 5 };

	CHECK_OK(kt_slot_flags(&r.g.vm, 1, KVM_MEM_READONLY, 2 * ROM, ROM_PAGES * KT_PAGE, r.rom));
	CHECK(peek_is_nothing(&r.g, ROM));
	CHECK_EQ(PEEK(&r.g, 2 * ROM + 8), pattern(1));
	kt_set_regs(&r.g.vcpu, &regs);
	wrote(&r.g.vcpu, 2 * ROM, 8, 5);
	RUN(&r.g.vcpu, KVM_EXIT_HLT);
	unchanged(&r);
}

/* The same memory, writable in another slot. */
static void alias(void)
{
	struct rom_guest r = rom_guest(KT_LONG64, CODE(peek_poke));

	CHECK_OK(kt_slot_flags(&r.g.vm, 2, 0, 2 * ROM, ROM_PAGES * KT_PAGE, r.rom));
	POKE(&r.g, 2 * ROM + 16, 7);
	CHECK_EQ(PEEK(&r.g, ROM + 16), 7);
	REQUIRE(peek_try(&r.g, POKE_ENTRY, ROM + 16, 8) == 0);
	CHECK_EQ(r.g.vcpu.run->exit_reason, KVM_EXIT_MMIO);
	CHECK_EQ(r.rom[2], 7);
}

/* Memory that user space itself may only read. */
static void readable_memory(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(peek_poke));
	uint64_t *rom = kt_anon(KT_PAGE);

	rom[1] = 11;
	CHECK_OK(mprotect(rom, KT_PAGE, PROT_READ));
	CHECK_OK(kt_slot_flags(&g.vm, 1, KVM_MEM_READONLY, ROM, KT_PAGE, rom));
	CHECK_EQ(PEEK(&g, ROM + 8), 11);
	REQUIRE(peek_try(&g, POKE_ENTRY, ROM + 8, 99) == 0);
	CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_MMIO);
	CHECK_EQ(rom[1], 11);
	/* In an ordinary slot a write there is an error of user space. */
	CHECK_OK(kt_slot_flags(&g.vm, 1, 0, ROM, 0, NULL));
	CHECK_OK(kt_slot_flags(&g.vm, 1, 0, ROM, KT_PAGE, rom));
	CHECK_EQ(PEEK(&g, ROM + 8), 11);
	CHECK(peek_try(&g, POKE_ENTRY, ROM + 8, 99) == -1 && errno == EFAULT);
	CHECK_EQ(rom[1], 11);
}

/* Memory that isn't there: reading it is user space's error, writing it is MMIO as always. */
static void missing_memory(void)
{
	struct rom_guest r = rom_guest(KT_LONG64, CODE(peek_poke));
	uint8_t *mem = kt_anon(2 * KT_PAGE);
	struct kvm_regs regs = { .rip = POKE_ENTRY, .rflags = 2, .rbx = 2 * ROM, .rax = 5 };

	CHECK_OK(munmap(mem, KT_PAGE));
	CHECK_OK(kt_slot_flags(&r.g.vm, 2, KVM_MEM_READONLY, 2 * ROM, 2 * KT_PAGE, mem));
	CHECK(peek_try(&r.g, PEEK_ENTRY, 2 * ROM, 0) == -1 && errno == EFAULT);
	kt_set_regs(&r.g.vcpu, &regs);
	wrote(&r.g.vcpu, 2 * ROM, 8, 5);
	RUN(&r.g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(PEEK(&r.g, 2 * ROM + KT_PAGE), 0);
}

static const struct kt_test tests[] = {
	{ "READONLY: reads are of memory", reads },
	{ "READONLY: memory that nobody has touched", fresh_memory },
	{ "READONLY: stores of 1, 2, 4, 8 bytes", writes },
	{ "READONLY: read, modify, write", read_modify_write },
	{ "READONLY: STOS and MOVS into it", string_stores },
	{ "READONLY: MOVS out of it", strings_out_of_it },
	{ "READONLY: a store that begins before it", half_and_half },
	{ "READONLY: PUSH", push },
	{ "READONLY: code in it", code },
	{ "READONLY: a descriptor's accessed bit", descriptor_table },
	{ "READONLY: page tables", page_tables },
	{ "READONLY: what may be changed of a slot", flags },
	{ "READONLY: writable and back", back_and_forth },
	{ "READONLY: a moved slot", moved },
	{ "READONLY: a writable alias", alias },
	{ "READONLY: memory that user space may only read", readable_memory },
	{ "READONLY: memory that isn't there", missing_memory },
};

KT_MAIN(tests)
