// SPDX-License-Identifier: MIT
/*
 * KVM_SET_USER_MEMORY_REGION: what it refuses, and what create, delete, move and aliases
 * mean to the guest.
 */
#include "peek.h"

#define GPA 0x10000000UL /* away from the guest's own memory at 0 */

GUEST(mark_one);
GUEST(mark_two);

static void misaligned(void)
{
	struct kt_vm vm = kt_vm_create();
	uint8_t *mem = kt_anon(4 * KT_PAGE);

	CHECK_ERRNO(kt_slot(&vm, 0, 1, KT_PAGE, mem), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, 0x800, KT_PAGE, mem), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, 0, KT_PAGE + 1, mem), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, 0, 0x800, mem), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, 0, KT_PAGE, mem + 1), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, 0, KT_PAGE, mem + 0x800), EINVAL);
	CHECK_OK(kt_slot(&vm, 0, 0, KT_PAGE, mem));
}

static void wraps_around(void)
{
	struct kt_vm vm = kt_vm_create();
	uint8_t *mem = kt_anon(4 * KT_PAGE);

	CHECK_ERRNO(kt_slot(&vm, 0, -(2 * KT_PAGE), 4 * KT_PAGE, mem), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, -KT_PAGE, KT_PAGE, mem), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, KT_PAGE, -KT_PAGE, mem), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, 0, 1UL << 63, mem), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, 1UL << 52, KT_PAGE, mem), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, (1UL << 52) - KT_PAGE, 2 * KT_PAGE, mem), EINVAL);
}

static void kernel_address(void)
{
	struct kt_vm vm = kt_vm_create();

	CHECK_ERRNO(kt_slot(&vm, 0, 0, KT_PAGE, (void *)0xffff888000000000), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, 0, KT_PAGE, (void *)0xffffffff81000000), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, 0, KT_PAGE, (void *)0x8000000000000000), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, 0, KT_PAGE, (void *)-KT_PAGE), EINVAL);
	/* Begins in the user's half, ends beyond it. */
	CHECK_ERRNO(kt_slot(&vm, 0, 0, 16 * KT_PAGE, (void *)0x7fffffffe000), EINVAL);
}

static void slot_numbers(void)
{
	struct kt_vm vm = kt_vm_create();
	int max = ioctl(vm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
	int spaces = ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_MULTI_ADDRESS_SPACE);
	void *mem = kt_anon(KT_PAGE);

	REQUIRE(max > 1);
	if (spaces < 1)
		spaces = 1;
	CHECK_ERRNO(kt_slot(&vm, (uint32_t)max, 0, KT_PAGE, mem), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0xffff, 0, KT_PAGE, mem), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0xffffffff, 0, KT_PAGE, mem), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, (uint32_t)spaces << 16, 0, KT_PAGE, mem), EINVAL);
	CHECK_OK(kt_slot(&vm, (uint32_t)max - 1, 0, KT_PAGE, mem));
}

static void unknown_flags(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kvm_userspace_memory_region region = {
		.memory_size = KT_PAGE,
		.userspace_addr = (uintptr_t)kt_anon(KT_PAGE),
	};

	for (unsigned int bit = 3; bit < 32; bit++) {
		region.flags = 1U << bit;
		CHECK_ERRNO(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, &region), EINVAL);
	}
	region.flags = KVM_MEM_READONLY;
	if (ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM) > 0)
		CHECK_OK(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, &region));
	else
		CHECK_ERRNO(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, &region), EINVAL);
}

static void overlap(void)
{
	struct kt_vm vm = kt_vm_create();
	void *mem = kt_anon(16 * KT_PAGE);

	CHECK_OK(kt_slot(&vm, 0, 4 * KT_PAGE, 4 * KT_PAGE, mem));
	CHECK_ERRNO(kt_slot(&vm, 1, 4 * KT_PAGE, 4 * KT_PAGE, mem), EEXIST);
	CHECK_ERRNO(kt_slot(&vm, 1, 5 * KT_PAGE, KT_PAGE, mem), EEXIST);
	CHECK_ERRNO(kt_slot(&vm, 1, 0, 16 * KT_PAGE, mem), EEXIST);
	CHECK_ERRNO(kt_slot(&vm, 1, 0, 5 * KT_PAGE, mem), EEXIST);
	CHECK_ERRNO(kt_slot(&vm, 1, 7 * KT_PAGE, 4 * KT_PAGE, mem), EEXIST);
	CHECK_OK(kt_slot(&vm, 1, 0, 4 * KT_PAGE, mem));
	CHECK_OK(kt_slot(&vm, 2, 8 * KT_PAGE, 4 * KT_PAGE, mem));
	/* A move runs into the same. */
	CHECK_ERRNO(kt_slot(&vm, 1, 6 * KT_PAGE, 4 * KT_PAGE, mem), EEXIST);
	CHECK_OK(kt_slot(&vm, 1, 12 * KT_PAGE, 4 * KT_PAGE, mem));
}

static void changes(void)
{
	struct kt_vm vm = kt_vm_create();
	uint8_t *mem = kt_anon(8 * KT_PAGE);

	CHECK_OK(kt_slot(&vm, 0, 0, 4 * KT_PAGE, mem));
	CHECK_OK(kt_slot(&vm, 0, 0, 4 * KT_PAGE, mem)); /* no change */
	CHECK_ERRNO(kt_slot(&vm, 0, 0, 8 * KT_PAGE, mem), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, 0, 2 * KT_PAGE, mem), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, 0, 4 * KT_PAGE, mem + KT_PAGE), EINVAL);
	CHECK_OK(kt_slot(&vm, 0, KT_MIB, 4 * KT_PAGE, mem)); /* a move */
	CHECK_OK(kt_slot(&vm, 0, 0, 0, NULL)); /* gone */
	CHECK_OK(kt_slot(&vm, 0, 0, 8 * KT_PAGE, mem));
}

static void delete_nothing(void)
{
	struct kt_vm vm = kt_vm_create();
	void *mem = kt_anon(KT_PAGE);

	CHECK_ERRNO(kt_slot(&vm, 0, 0, 0, NULL), EINVAL);
	CHECK_ERRNO(kt_slot(&vm, 0, 0, 0, mem), EINVAL);
	CHECK_OK(kt_slot(&vm, 0, 0, KT_PAGE, mem));
	CHECK_ERRNO(kt_slot(&vm, 1, 0, 0, mem), EINVAL);
	CHECK_OK(kt_slot(&vm, 0, 0, 0, mem));
	CHECK_ERRNO(kt_slot(&vm, 0, 0, 0, mem), EINVAL);
}

static void many_slots(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(peek_poke));
	const unsigned int count = 31; /* the least that there are, with slot 0 */
	uint64_t *mem = kt_anon(count * KT_PAGE);

	/* In an order that is neither of the slots' nor of the addresses'. */
	for (unsigned int i = 0; i < count; i++) {
		unsigned int n = i * 7 % count;

		mem[n * 512] = 1000 + n;
		CHECK_OK(kt_slot(&g.vm, 1 + n, GPA + n * 2 * KT_PAGE, KT_PAGE, mem + n * 512));
	}
	for (unsigned int n = 0; n < count; n++) {
		CHECK_EQ(PEEK(&g, GPA + n * 2 * KT_PAGE), 1000 + n);
		CHECK(peek_is_nothing(&g, GPA + (n * 2 + 1) * KT_PAGE));
	}
	for (unsigned int n = 0; n < count; n += 2)
		CHECK_OK(kt_slot(&g.vm, 1 + n, 0, 0, NULL));
	for (unsigned int n = 0; n < count; n++) {
		if (n % 2)
			CHECK_EQ(PEEK(&g, GPA + n * 2 * KT_PAGE), 1000 + n);
		else
			CHECK(peek_is_nothing(&g, GPA + n * 2 * KT_PAGE));
	}
}

static void both_see_both(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(peek_poke));
	uint64_t *mem = kt_memory(&g.vm, 1, GPA, 4 * KT_PAGE);

	/* Read by the guest first: then there is no page of the host's yet. */
	CHECK_EQ(PEEK(&g, GPA + KT_PAGE), 0);
	mem[512] = 0x1122334455667788;
	CHECK_EQ(PEEK(&g, GPA + KT_PAGE), 0x1122334455667788);
	POKE(&g, GPA + KT_PAGE + 8, 0xaabbccddeeff0011);
	CHECK_EQ(mem[513], 0xaabbccddeeff0011);
	POKE(&g, GPA + 3 * KT_PAGE, 77); /* touched by nobody before */
	CHECK_EQ(mem[3 * 512], 77);
}

static void neighbours(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(peek_poke));
	uint64_t *one = kt_memory(&g.vm, 1, GPA, KT_PAGE);
	uint64_t *two = kt_memory(&g.vm, 2, GPA + KT_PAGE, KT_PAGE);

	/* One access over the border of two slots. */
	POKE(&g, GPA + KT_PAGE - 4, 0x8877665544332211);
	CHECK_EQ(one[511] >> 32, 0x44332211);
	CHECK_EQ(two[0], 0x88776655);
	CHECK_EQ(PEEK(&g, GPA + KT_PAGE - 4), 0x8877665544332211);
	CHECK(peek_is_nothing(&g, GPA - KT_PAGE));
	CHECK(peek_is_nothing(&g, GPA + 2 * KT_PAGE));
}

static void high_addresses(void)
{
	static const uint64_t gpas[] = { 0xfffff000, 0x100000000, 0x123456000, 0x1fffff000 };
	struct kt_guest g = kt_guest(KT_LONG64, CODE(peek_poke));

	for (unsigned int i = 0; i < KT_LEN(gpas); i++) {
		uint64_t *mem = kt_memory(&g.vm, 1 + i, gpas[i], KT_PAGE);

		POKE(&g, gpas[i] + 8, 0x100 + i);
		CHECK_EQ(mem[1], 0x100 + i);
	}
	POKE(&g, 0xfffffffc, 0x1122334455667788); /* over 4 GiB, from slot to slot */
	CHECK_EQ(PEEK(&g, 0xfffffffc), 0x1122334455667788);
}

/* Where the machine has RAM and devices, a guest has nothing but its slots. */
static void nothing_of_the_host(void)
{
	static const uint64_t gpas[] = {
		KT_GUEST_SIZE, 0x1000000,  0x7fe00000, 0xb0000000, 0xe0000000,	0xfec00000,
		0xfed00000,    0xfee00000, 0xfee00020, 0xfffc0000, 0x100000000, 0x13ffff000,
	};
	struct kt_guest g = kt_guest(KT_LONG64, CODE(peek_poke));

	for (unsigned int i = 0; i < KT_LEN(gpas); i++) {
		kt_context("0x%llx:", (unsigned long long)gpas[i]);
		CHECK(peek_is_nothing(&g, gpas[i]));
	}
}

static void alias(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(peek_poke));
	uint64_t *mem = kt_memory(&g.vm, 1, GPA, 2 * KT_PAGE);

	CHECK_OK(kt_slot(&g.vm, 2, 2 * GPA, 2 * KT_PAGE, mem));
	CHECK_OK(kt_slot(&g.vm, 3, 3 * GPA, KT_PAGE, mem + 512));
	POKE(&g, GPA + KT_PAGE, 1234);
	CHECK_EQ(PEEK(&g, 2 * GPA + KT_PAGE), 1234);
	CHECK_EQ(PEEK(&g, 3 * GPA), 1234);
	/* One of them goes, the others stay. */
	CHECK_OK(kt_slot(&g.vm, 1, 0, 0, NULL));
	CHECK(peek_is_nothing(&g, GPA + KT_PAGE));
	POKE(&g, 2 * GPA + KT_PAGE, 5678);
	CHECK_EQ(PEEK(&g, 3 * GPA), 5678);
	CHECK_EQ(mem[512], 5678);
}

static void two_vms_one_memory(void)
{
	struct kt_guest a = kt_guest(KT_LONG64, CODE(peek_poke));
	struct kt_guest b = kt_guest(KT_LONG64, CODE(peek_poke));
	void *mem = kt_memory(&a.vm, 1, GPA, KT_PAGE);

	CHECK_OK(kt_slot(&b.vm, 1, 2 * GPA, KT_PAGE, mem));
	POKE(&a, GPA, 42);
	CHECK_EQ(PEEK(&b, 2 * GPA), 42);
	kt_guest_close(&a);
	POKE(&b, 2 * GPA, 43);
	CHECK_EQ(*(uint64_t *)mem, 43);
}

static void deleted(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(peek_poke));
	uint64_t *mem = kt_memory(&g.vm, 1, GPA, 2 * KT_PAGE);

	POKE(&g, GPA, 7);
	CHECK_OK(kt_slot(&g.vm, 1, GPA, 0, mem));
	CHECK(peek_is_nothing(&g, GPA));
	CHECK_EQ(mem[0], 7);
	mem[0] = 8;
	/* Back again, elsewhere in the same memory. */
	CHECK_OK(kt_slot(&g.vm, 1, GPA, KT_PAGE, mem));
	CHECK_EQ(PEEK(&g, GPA), 8);
	CHECK(peek_is_nothing(&g, GPA + KT_PAGE));
}

static void moved(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(peek_poke));
	uint64_t *mem = kt_memory(&g.vm, 1, GPA, 2 * KT_PAGE);

	POKE(&g, GPA + KT_PAGE, 7);
	CHECK_OK(kt_slot(&g.vm, 1, GPA + KT_PAGE, 2 * KT_PAGE, mem));
	CHECK(peek_is_nothing(&g, GPA));
	CHECK_EQ(PEEK(&g, GPA + 2 * KT_PAGE), 7);
	POKE(&g, GPA + KT_PAGE, 9);
	CHECK_EQ(mem[0], 9);
}

/* The memory the guest runs in is exchanged under it. */
static void replaced(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(mark_one));
	uint8_t *other = kt_anon(KT_GUEST_SIZE);

	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x11111111);
	memcpy(other, g.mem, KT_GUEST_SIZE);
	memcpy(other + KT_CODE, mark_two, kt_code_size(CODE(mark_two)));
	CHECK_OK(kt_slot(&g.vm, 0, 0, 0, NULL));
	CHECK_OK(kt_slot(&g.vm, 0, 0, KT_GUEST_SIZE, other));
	kt_start(&g.vcpu, other, KT_LONG64, KT_CODE);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x22222222);
}

/* Memory that comes after the vCPU, and code written while the guest waits. */
static void late_memory(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_guest g = { .vm = vm, .vcpu = kt_vcpu_create(&vm, 0) };

	g.mem = kt_memory(&vm, 5, 0, KT_GUEST_SIZE);
	kt_guest_load(&g, KT_LONG64, CODE(mark_one));
	RUN(&g.vcpu, KVM_EXIT_HLT);
	kt_guest_load(&g, KT_LONG64, CODE(mark_two));
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x22222222);
}

static void create_delete_loop(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(peek_poke));
	uint64_t *mem = kt_anon(64 * KT_PAGE);

	for (uint64_t i = 0; i < 100; i++) {
		CHECK_OK(kt_slot(&g.vm, 1, GPA, 64 * KT_PAGE, mem));
		POKE(&g, GPA + i % 64 * KT_PAGE, i);
		CHECK_EQ(mem[i % 64 * 512], i);
		CHECK_OK(kt_slot(&g.vm, 1, GPA, 0, mem));
	}
}

static const struct kt_test tests[] = {
	{ "misaligned", misaligned },
	{ "addresses that wrap around or are too high", wraps_around },
	{ "addresses of the kernel", kernel_address },
	{ "slot numbers", slot_numbers },
	{ "flags", unknown_flags },
	{ "overlap", overlap },
	{ "what may be changed of a slot", changes },
	{ "deleting what is not there", delete_nothing },
	{ "many slots", many_slots },
	{ "host and guest see each other's writes", both_see_both },
	{ "an access over two slots", neighbours },
	{ "high guest addresses", high_addresses },
	{ "nothing of the host is visible", nothing_of_the_host },
	{ "the same memory in several slots", alias },
	{ "the same memory in two VMs", two_vms_one_memory },
	{ "a deleted slot is gone", deleted },
	{ "a moved slot", moved },
	{ "memory exchanged under the guest", replaced },
	{ "memory given after the vCPU", late_memory },
	{ "create and delete in a loop", create_delete_loop },
};

KT_MAIN(tests)
