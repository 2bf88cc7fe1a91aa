// SPDX-License-Identifier: MIT
/*
 * CPUID: what the driver supports, what a vCPU is given, and what its guest reads then.
 */
#include "kvmtest.h"

#define MAX 256U

GUEST(ask);
GUEST(ask_xcr0);

static struct kvm_cpuid2 *list_new(uint32_t nent)
{
	struct kvm_cpuid2 *list = calloc(1, sizeof(*list) + 2 * MAX * sizeof(list->entries[0]));

	REQUIRE(list != NULL);
	list->nent = nent;
	return list;
}

static struct kvm_cpuid2 *supported(int kvm)
{
	struct kvm_cpuid2 *list = list_new(MAX);

	REQUIRE(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, list) == 0);
	return list;
}

static struct kvm_cpuid_entry2 *leaf(struct kvm_cpuid2 *list, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < list->nent; i++)
		if (list->entries[i].function == function && list->entries[i].index == index)
			return &list->entries[i];
	return NULL;
}

static void supported_room(void)
{
	int kvm = kt_open();
	uint32_t count = supported(kvm)->nent;
	struct kvm_cpuid2 *list = list_new(0);

	CHECK(count > 10 && count < 125);
	CHECK_ERRNO(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, list), E2BIG);
	CHECK_EQ(list->nent, 0);
	list->nent = count - 1;
	CHECK_ERRNO(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, list), E2BIG);
	CHECK_EQ(list->nent, count - 1);
	list->nent = count;
	CHECK_OK(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, list));
	CHECK_EQ(list->nent, count);
	list->nent = 5000; /* more than there is: only what is there is touched */
	CHECK_OK(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, list));
	CHECK_EQ(list->nent, count);
	CHECK_ERRNO(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, 8UL), EFAULT);
}

static void supported_contents(void)
{
	struct kvm_cpuid2 *list = supported(kt_open());
	struct kvm_cpuid_entry2 *e;

	e = leaf(list, 0, 0);
	REQUIRE(e != NULL);
	CHECK(e->eax >= 1);
	e = leaf(list, 1, 0);
	REQUIRE(e != NULL);
	CHECK_EQ(e->ecx & (1U << 3 | 1U << 27), 0); /* MONITOR, OSXSAVE */
	CHECK_EQ(e->edx & 0x078bfbf9, 0x078bfbf9);
	e = leaf(list, 0x80000001, 0);
	REQUIRE(e != NULL);
	CHECK_EQ(e->edx & 1U << 29, 1U << 29); /* long mode */
	e = leaf(list, 0x40000000, 0);
	REQUIRE(e != NULL);
	CHECK(!memcmp(&e->ebx, "KVMKVMKVM\0\0\0", 12));
	for (uint32_t i = 0; i < list->nent; i++) {
		e = &list->entries[i];
		CHECK_EQ(e->padding[0] | e->padding[1] | e->padding[2], 0);
		if (e->index)
			CHECK(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	}
}

static void emulated_room(void)
{
	int kvm = kt_open();
	struct kvm_cpuid2 *list = list_new(0);

	CHECK_ERRNO(ioctl(kvm, KVM_GET_EMULATED_CPUID, list), E2BIG);
	list->nent = 2;
	CHECK_ERRNO(ioctl(kvm, KVM_GET_EMULATED_CPUID, list), E2BIG);
	list->nent = 3; /* KVM wants room for one more */
	CHECK_ERRNO(ioctl(kvm, KVM_GET_EMULATED_CPUID, list), E2BIG);
	list->nent = 4;
	CHECK_OK(ioctl(kvm, KVM_GET_EMULATED_CPUID, list));
	CHECK_EQ(list->nent, 3);
	CHECK_EQ(list->entries[0].eax, 7);
	list->entries[0].padding[1] = 1;
	CHECK_ERRNO(ioctl(kvm, KVM_GET_EMULATED_CPUID, list), EINVAL);
	CHECK_ERRNO(ioctl(kvm, KVM_GET_EMULATED_CPUID, 8UL), EFAULT);
}

/* What is set comes back, but for what follows the state of the vCPU. */
static void set_and_get(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct kvm_cpuid2 *list = supported(vm.kvm), *got = list_new(MAX);

	CHECK_OK(ioctl(vcpu.fd, KVM_GET_CPUID2, got));
	CHECK_EQ(got->entries[0].eax, 0);
	REQUIRE(ioctl(vcpu.fd, KVM_SET_CPUID2, list) == 0);
	got->nent = list->nent - 1;
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_GET_CPUID2, got), E2BIG);
	CHECK_EQ(got->nent, list->nent - 1);
	got->nent = list->nent + 1;
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_CPUID2, got));
	CHECK_EQ(got->nent, list->nent + 1);
	for (uint32_t i = 0; i < list->nent; i++) {
		list->entries[i].ebx = list->entries[i].function == 0xd ? 0 : list->entries[i].ebx;
		got->entries[i].ebx = list->entries[i].function == 0xd ? 0 : got->entries[i].ebx;
		if (memcmp(&list->entries[i], &got->entries[i], sizeof(got->entries[i])))
			kt_fail(__FILE__, __LINE__, "leaf 0x%x.%u differs",
				list->entries[i].function, list->entries[i].index);
	}
}

/* As many leaves as KVM takes; the guest's own test reads the last. */
static void set_most(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct kvm_cpuid2 *list = list_new(MAX), *got = list_new(MAX);

	for (uint32_t i = 0; i < MAX; i++)
		list->entries[i] =
			(struct kvm_cpuid_entry2){ .function = 0x90000000 + i, .eax = i, .edx = ~i };
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_CPUID2, list));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_CPUID2, got));
	CHECK_EQ(got->nent, MAX);
	CHECK(!memcmp(got->entries, list->entries, MAX * sizeof(list->entries[0])));
}

static void set_refused(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct kvm_cpuid2 *list = list_new(MAX + 1), *good = supported(vm.kvm);

	CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_CPUID2, list), E2BIG);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_CPUID, list), E2BIG);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_CPUID2, 8UL), EFAULT);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_CPUID, 8UL), EFAULT);
	REQUIRE(leaf(good, 0x80000008, 0) != NULL);
	leaf(good, 0x80000008, 0)->eax = 0x2f28; /* 47 bits of linear address */
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_CPUID2, good), EINVAL);
	list->nent = 0;
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_CPUID2, list));
}

static struct kvm_regs cpuid_of(struct kt_guest *g, uint32_t eax, uint32_t ecx)
{
	struct kvm_regs regs = kt_regs(&g->vcpu);

	kt_context("leaf 0x%x.%u", eax, ecx);
	regs.rax = 0xffffffff00000000 | eax;
	regs.rcx = 0xffffffff00000000 | ecx;
	regs.rbx = regs.rdx = ~0ULL;
	kt_set_regs(&g->vcpu, &regs);
	RUN(&g->vcpu, KVM_EXIT_HLT);
	return kt_regs(&g->vcpu);
}

static void check_leaf(struct kt_guest *g, uint32_t eax, uint32_t ecx, const uint32_t want[4])
{
	struct kvm_regs r = cpuid_of(g, eax, ecx);

	CHECK_EQ(r.rax, want[0]);
	CHECK_EQ(r.rbx, want[1]);
	CHECK_EQ(r.rcx, want[2]);
	CHECK_EQ(r.rdx, want[3]);
}

static void add(struct kvm_cpuid2 *list, uint32_t function, uint32_t index, uint32_t flags,
		uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
	list->entries[list->nent++] = (struct kvm_cpuid_entry2){
		.function = function,
		.index = index,
		.flags = flags,
		.eax = eax,
		.ebx = ebx,
		.ecx = ecx,
		.edx = edx,
	};
}

/* Vendor 'G'enuineIntel or 'A'uthenticAMD, and leaves that aren't the machine's. */
static struct kvm_cpuid2 *made_up(char vendor)
{
	struct kvm_cpuid2 *list = list_new(0);
	uint32_t sub = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;

	if (vendor == 'G')
		add(list, 0, 0, 0, 0xc, 0x756e6547, 0x6c65746e, 0x49656e69);
	else
		add(list, 0, 0, 0, 0xc, 0x68747541, 0x444d4163, 0x69746e65);
	add(list, 2, 0, 0, 0x21, 0x22, 0x23, 0x24);
	add(list, 4, 0, sub, 0x41, 0x42, 0x43, 0x44);
	add(list, 4, 2, sub, 0x51, 0x52, 0x53, 0x54);
	add(list, 0xb, 0, sub, 1, 2, 0x100, 7);
	add(list, 0xb, 1, sub, 4, 8, 0x201, 7);
	add(list, 0xc, 0, 0, 0xc1, 0xc2, 0xc3, 0xc4);
	add(list, 0x40000000, 0, 0, 0x40000000, 0x11, 0x12, 0x13);
	add(list, 0x80000000, 0, 0, 0x80000004, 0, 0, 0);
	add(list, 0x80000002, 0, 0, 0x31, 0x32, 0x33, 0x34);
	return list;
}

static struct kt_guest guest_with(struct kvm_cpuid2 *list)
{
	struct kt_guest g = { .vm = kt_vm_create() };

	g.mem = kt_memory(&g.vm, 0, 0, KT_GUEST_SIZE);
	g.vcpu = kt_vcpu_create(&g.vm, 0);
	kt_set_cpuid(&g.vm, &g.vcpu); /* long mode, for kt_start */
	kt_guest_load(&g, KT_LONG64, CODE(ask));
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_CPUID2, list) == 0);
	return g;
}

#define LEAF(...) ((const uint32_t[4]){ __VA_ARGS__ })

static void lookup_common(struct kt_guest *g)
{
	check_leaf(g, 2, 0, LEAF(0x21, 0x22, 0x23, 0x24));
	check_leaf(g, 2, 77, LEAF(0x21, 0x22, 0x23, 0x24));
	check_leaf(g, 4, 0, LEAF(0x41, 0x42, 0x43, 0x44));
	check_leaf(g, 4, 2, LEAF(0x51, 0x52, 0x53, 0x54));
	check_leaf(g, 4, 1, LEAF(0, 0, 0, 0));
	check_leaf(g, 3, 0, LEAF(0, 0, 0, 0));
	check_leaf(g, 0xb, 1, LEAF(4, 8, 0x201, 7));
	check_leaf(g, 0xb, 0x105, LEAF(0, 0, 5, 7));
	check_leaf(g, 0x80000002, 0, LEAF(0x31, 0x32, 0x33, 0x34));
	check_leaf(g, 0x80000004, 0, LEAF(0, 0, 0, 0));
	check_leaf(g, 0x40000000, 0, LEAF(0x40000000, 0x11, 0x12, 0x13));
}

static void lookup_amd(void)
{
	static const uint32_t beyond[] = {
		0xd, 0x3fffffff, 0x40000001, 0x80000005, 0xc0000000, ~0U
	};
	struct kt_guest g = guest_with(made_up('A'));

	lookup_common(&g);
	for (unsigned int i = 0; i < KT_LEN(beyond); i++)
		check_leaf(&g, beyond[i], 0, LEAF(0, 0, 0, 0));
}

/* Intel: beyond the end of a class is the highest basic leaf. */
static void lookup_intel(void)
{
	static const uint32_t beyond[] = {
		0xd, 0x3fffffff, 0x40000001, 0x80000005, 0xc0000000, ~0U
	};
	struct kt_guest g = guest_with(made_up('G'));

	lookup_common(&g);
	for (unsigned int i = 0; i < KT_LEN(beyond); i++)
		check_leaf(&g, beyond[i], 3, LEAF(0xc1, 0xc2, 0xc3, 0xc4));
}

/* A vCPU that has run takes only the CPUID that it has. */
static void set_after_run(void)
{
	struct kvm_cpuid2 *list = made_up('A');
	struct kt_guest g = guest_with(list);

	cpuid_of(&g, 0, 0);
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_CPUID2, list));
	list->entries[1].eax++;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_CPUID2, list), EINVAL);
	list->entries[1].eax--;
	list->nent--;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_CPUID2, list), EINVAL);
}

static void old_form(void)
{
	struct kvm_cpuid *old = calloc(1, sizeof(*old) + 2 * sizeof(old->entries[0]));
	struct kvm_cpuid2 *got = list_new(2);
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);

	REQUIRE(old != NULL);
	old->nent = 2;
	old->entries[1] = (struct kvm_cpuid_entry){ .function = 2, .eax = 5, .edx = 6 };
	CHECK_OK(ioctl(vcpu.fd, KVM_SET_CPUID, old));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_CPUID2, got));
	CHECK_EQ(got->entries[1].function, 2);
	CHECK_EQ(got->entries[1].flags, 0);
	CHECK_EQ(got->entries[1].eax, 5);
	CHECK_EQ(got->entries[1].edx, 6);
}

/* Bits and sizes that follow CR4, APIC_BASE and XCR0. */
static void state_bits(void)
{
	struct kt_guest g = { .vm = kt_vm_create() };
	struct kvm_cpuid2 *list = supported(g.vm.kvm);
	struct kvm_sregs s;
	struct kvm_regs r;

	if (!leaf(list, 0xd, 0) || !(leaf(list, 1, 0)->ecx & 1U << 26))
		kt_skip("no XSAVE on this CPU");
	g.mem = kt_memory(&g.vm, 0, 0, KT_GUEST_SIZE);
	g.vcpu = kt_vcpu_create(&g.vm, 0);
	kt_set_cpuid(&g.vm, &g.vcpu);
	kt_guest_load(&g, KT_LONG64, CODE(ask));
	r = cpuid_of(&g, 1, 0);
	CHECK_EQ(r.rcx & 1U << 27, 0);
	CHECK_EQ(r.rdx & 1U << 9, 1U << 9);
	CHECK_EQ(cpuid_of(&g, 0xd, 0).rbx, 0x240);
	s = kt_sregs(&g.vcpu);
	s.apic_base &= ~(1ULL << 11);
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_SREGS, &s) == 0);
	CHECK_EQ(cpuid_of(&g, 1, 0).rdx & 1U << 9, 0);

	kt_guest_load(&g, KT_LONG64, CODE(ask_xcr0));
	r = kt_regs(&g.vcpu);
	r.rbx = leaf(list, 0xd, 0)->eax;
	kt_set_regs(&g.vcpu, &r);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(cpuid_of(&g, 1, 0).rcx & 1U << 27, 1U << 27);
	/* QEMU's emulated CPU has no exit for XSETBV: kvm_amd doesn't hear of it there. */
	r = cpuid_of(&g, 0xd, 0);
	CHECK(r.rbx == leaf(list, 0xd, 0)->ecx || r.rbx == 0x240);
}

static const struct kt_test tests[] = {
	{ "GET_SUPPORTED_CPUID: room", supported_room },
	{ "GET_SUPPORTED_CPUID: contents", supported_contents },
	{ "GET_EMULATED_CPUID", emulated_room },
	{ "SET_CPUID2 and GET_CPUID2", set_and_get },
	{ "256 leaves", set_most },
	{ "SET_CPUID2 refuses", set_refused },
	{ "SET_CPUID", old_form },
	{ "leaves of an AMD CPU", lookup_amd },
	{ "leaves of an Intel CPU", lookup_intel },
	{ "SET_CPUID2 after KVM_RUN", set_after_run },
	{ "bits that follow the vCPU's state", state_bits },
};

KT_MAIN(tests)
