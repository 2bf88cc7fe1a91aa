// SPDX-License-Identifier: MIT
/*
 * Coalesced MMIO and PIO: which writes land in the ring instead of ending KVM_RUN, and what
 * happens when the ring is full, or its indices are nonsense.
 */
#include "kvmtest.h"

#include <pthread.h>

GUEST(co_mmio);
GUEST(co_pio);
GUEST(co_loop);

#define PORT 0x600
#define DEVICE 0xd0000000UL
#define ENTRIES                                                                                    \
	((KT_PAGE - sizeof(struct kvm_coalesced_mmio_ring)) / sizeof(struct kvm_coalesced_mmio))

static int zone(const struct kt_vm *vm, bool add, uint64_t addr, uint32_t size, uint32_t pio)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = addr, .size = size, .pio = pio };

	return ioctl(vm->fd, add ? KVM_REGISTER_COALESCED_MMIO : KVM_UNREGISTER_COALESCED_MMIO,
		     &zone);
}

static volatile struct kvm_coalesced_mmio_ring *ring_of(const struct kt_vcpu *vcpu)
{
	return (void *)((uint8_t *)vcpu->run + 2 * KT_PAGE);
}

static void check_entry(const struct kt_vcpu *vcpu, uint32_t index, uint64_t addr, uint32_t len,
			uint64_t data, uint32_t pio)
{
	const struct kvm_coalesced_mmio *entry =
		(const struct kvm_coalesced_mmio *)&ring_of(vcpu)->coalesced_mmio[index];
	uint64_t value = 0;

	kt_context("entry %u", index);
	CHECK_EQ(entry->phys_addr, addr);
	CHECK_EQ(entry->len, len);
	CHECK_EQ(entry->pio, pio);
	REQUIRE(len <= sizeof(value));
	memcpy(&value, entry->data, len);
	CHECK_EQ(value, data);
}

static void capabilities(void)
{
	struct kt_vm vm = kt_vm_create();

	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO), 2);
	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_PIO), 1);
	CHECK_EQ(ioctl(vm.kvm, KVM_GET_VCPU_MMAP_SIZE, 0), 3 * KT_PAGE);
}

static void arguments(void)
{
	struct kt_vm vm = kt_vm_create();

	CHECK_ERRNO(zone(&vm, true, DEVICE, 0x100, 2), EINVAL);
	CHECK_ERRNO(zone(&vm, false, DEVICE, 0x100, 2), EINVAL);
	CHECK_ERRNO(zone(&vm, true, DEVICE, 0x100, ~0U), EINVAL);
	CHECK_ERRNO(ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, 8UL), EFAULT);
	CHECK_ERRNO(ioctl(vm.fd, KVM_UNREGISTER_COALESCED_MMIO, 8UL), EFAULT);
	CHECK_OK(zone(&vm, false, DEVICE, 0x100, 0)); /* was none */
	CHECK_OK(zone(&vm, true, DEVICE, 0x100, 0));
	CHECK_OK(zone(&vm, true, DEVICE, 0x100, 0)); /* twice */
	CHECK_OK(zone(&vm, true, 0, 0, 0));
	CHECK_OK(zone(&vm, true, ~0UL, ~0U, 1));
	CHECK_OK(zone(&vm, false, DEVICE, 0x100, 0));
}

static void too_many(void)
{
	struct kt_vm vm = kt_vm_create();

	for (uint64_t i = 0; i < 1000; i++)
		REQUIRE(zone(&vm, true, i * 0x1000, 8, 0) == 0);
	CHECK_ERRNO(zone(&vm, true, DEVICE, 8, 0), ENOSPC);
	CHECK_OK(zone(&vm, true, DEVICE, 8, 1));
	CHECK_OK(zone(&vm, false, 0x1000, 8, 0));
	CHECK_OK(zone(&vm, true, DEVICE, 8, 0));
}

static void mmio_writes(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(co_mmio));
	const struct kt_vcpu *vcpu = &g.vcpu;

	REQUIRE(zone(&g.vm, true, DEVICE, 0x28, 0) == 0);
	CHECK_EQ(ring_of(vcpu)->last, 0);
	/* The first one outside of the zone; the others are in the ring. */
	RUN(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu->run->mmio.phys_addr, DEVICE + 0x30);
	CHECK_EQ(ring_of(vcpu)->first, 0);
	CHECK_EQ(ring_of(vcpu)->last, 3);
	check_entry(vcpu, 0, DEVICE, 4, 0x55667788, 0);
	check_entry(vcpu, 1, DEVICE + 0x10, 1, 0x88, 0);
	check_entry(vcpu, 2, DEVICE + 0x20, 8, 0x1122334455667788, 0);
	/* Reads are never coalesced. */
	RUN(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu->run->mmio.phys_addr, DEVICE);
	CHECK_EQ(vcpu->run->mmio.is_write, 0);
	RUN(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(vcpu).rip, KT_CODE + kt_code_size(CODE(co_mmio)));
}

/* All of the access must be inside. */
static void zone_borders(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(co_mmio));
	const struct kt_vcpu *vcpu = &g.vcpu;

	REQUIRE(zone(&g.vm, true, DEVICE + 1, 0x10, 0) == 0);
	REQUIRE(zone(&g.vm, true, DEVICE + 0x20, 7, 0) == 0);
	REQUIRE(zone(&g.vm, true, DEVICE + 0x30, 2, 0) == 0);
	RUN(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu->run->mmio.phys_addr, DEVICE);
	RUN(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu->run->mmio.phys_addr, DEVICE + 0x20);
	CHECK_EQ(ring_of(vcpu)->last, 1);
	check_entry(vcpu, 0, DEVICE + 0x10, 1, 0x88, 0);
	RUN(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu->run->mmio.is_write, 0);
	CHECK_EQ(ring_of(vcpu)->last, 2);
}

static void port_writes(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(co_pio));
	const struct kt_vcpu *vcpu = &g.vcpu;

	REQUIRE(zone(&g.vm, true, PORT, 2, 1) == 0);
	REQUIRE(zone(&g.vm, true, PORT, 8, 0) == 0); /* not a port */
	RUN(vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu->run->io.size, 4);
	CHECK_EQ(vcpu->run->io.direction, KVM_EXIT_IO_OUT);
	CHECK_EQ(ring_of(vcpu)->last, 2);
	check_entry(vcpu, 0, PORT, 1, 0x44, 1);
	check_entry(vcpu, 1, PORT, 2, 0x3344, 1);
	RUN(vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu->run->io.direction, KVM_EXIT_IO_IN);
	CHECK_EQ(ring_of(vcpu)->last, 5);
	for (uint32_t i = 0; i < 3; i++)
		check_entry(vcpu, 2 + i, PORT, 1, i, 1);
	*(uint8_t *)kt_io_data(vcpu) = 0x5a;
	RUN(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(vcpu).rax & 0xff, 0x5a);
}

static void unregister(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(co_mmio));
	const struct kt_vcpu *vcpu = &g.vcpu;

	REQUIRE(zone(&g.vm, true, DEVICE, 0x100, 0) == 0);
	REQUIRE(zone(&g.vm, true, DEVICE, 0x18, 0) == 0);
	/* All zones that have all of this go: the first one. */
	CHECK_OK(zone(&g.vm, false, DEVICE + 0x80, 4, 0));
	CHECK_OK(zone(&g.vm, false, DEVICE, 0x18, 1));
	RUN(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu->run->mmio.phys_addr, DEVICE + 0x20);
	CHECK_EQ(ring_of(vcpu)->last, 2);
	CHECK_OK(zone(&g.vm, false, DEVICE + 4, 4, 0));
	kt_guest_load(&g, KT_LONG64, CODE(co_mmio));
	RUN(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu->run->mmio.phys_addr, DEVICE);
}

static void loop(const struct kt_guest *g, uint64_t times)
{
	struct kvm_regs regs = kt_regs(&g->vcpu);

	regs.rip = KT_CODE;
	regs.rcx = times;
	kt_set_regs(&g->vcpu, &regs);
}

static uint32_t exit_value(const struct kt_vcpu *vcpu)
{
	uint32_t value;

	memcpy(&value, vcpu->run->mmio.data, sizeof(value));
	return value;
}

/*
 * What finds no room goes the usual way, and nothing is overwritten. (Linux 6.1 sees no room in
 * some other cases, too: it divides a negative difference.)
 */
static void full_ring(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(co_loop));
	const struct kt_vcpu *vcpu = &g.vcpu;
	uint32_t told = 0;

	REQUIRE(zone(&g.vm, true, DEVICE, 8, 0) == 0);
	loop(&g, 2 * ENTRIES);
	for (;; told++) {
		REQUIRE(ioctl(vcpu->fd, KVM_RUN, 0) == 0);
		if (vcpu->run->exit_reason != KVM_EXIT_MMIO)
			break;
		CHECK_EQ(exit_value(vcpu), ring_of(vcpu)->last + told);
	}
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
	CHECK(ring_of(vcpu)->last < ENTRIES);
	CHECK_EQ(ring_of(vcpu)->last + told, 2 * ENTRIES);
	for (uint32_t i = 0; i < ring_of(vcpu)->last; i++)
		check_entry(vcpu, i, DEVICE, 4, i, 0);
}

/* As QEMU does it: at each exit the ring first, then the exit itself. */
static void drained_ring(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(co_loop));
	const struct kt_vcpu *vcpu = &g.vcpu;
	volatile struct kvm_coalesced_mmio_ring *ring = ring_of(vcpu);
	uint32_t next = 0;

	REQUIRE(zone(&g.vm, true, DEVICE, 8, 0) == 0);
	loop(&g, 5 * ENTRIES);
	do {
		REQUIRE(ioctl(vcpu->fd, KVM_RUN, 0) == 0);
		while (ring->first != ring->last) {
			check_entry(vcpu, ring->first, DEVICE, 4, next++, 0);
			ring->first = (ring->first + 1) % ENTRIES;
		}
		if (vcpu->run->exit_reason == KVM_EXIT_MMIO)
			CHECK_EQ(exit_value(vcpu), next++);
	} while (vcpu->run->exit_reason == KVM_EXIT_MMIO);
	CHECK_EQ(next, 5 * ENTRIES);
}

static void scribbled_indices(void)
{
	static const uint32_t bad[] = { ENTRIES, ENTRIES + 1, 0x7fffffff, 0x80000000, 0xffffffff };
	struct kt_guest g = kt_guest(KT_LONG64, CODE(co_loop));
	const struct kt_vcpu *vcpu = &g.vcpu;

	REQUIRE(zone(&g.vm, true, DEVICE, 8, 0) == 0);
	for (unsigned int i = 0; i < KT_LEN(bad); i++) {
		kt_context("index 0x%x", bad[i]);
		ring_of(vcpu)->first = 0;
		ring_of(vcpu)->last = bad[i];
		loop(&g, 1);
		RUN(vcpu, KVM_EXIT_MMIO);
		CHECK_EQ(ring_of(vcpu)->last, bad[i]);
		RUN(vcpu, KVM_EXIT_HLT);
		ring_of(vcpu)->last = 5;
		ring_of(vcpu)->first = bad[i];
		loop(&g, 1);
		RUN(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(ring_of(vcpu)->last, 6);
		CHECK_EQ(ring_of(vcpu)->first, bad[i]);
	}
}

static volatile bool stop;

static void *scribble(void *arg)
{
	volatile struct kvm_coalesced_mmio_ring *ring = arg;

	for (uint32_t i = 1; !stop; i = i * 1103515245 + 12345) {
		ring->first = i;
		ring->last = i >> 7;
	}
	return NULL;
}

static void scribbled_while_running(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(co_loop));
	pthread_t thread;

	REQUIRE(zone(&g.vm, true, DEVICE, 8, 0) == 0);
	stop = false;
	REQUIRE(pthread_create(&thread, NULL, scribble, (void *)ring_of(&g.vcpu)) == 0);
	loop(&g, 2000);
	do {
		REQUIRE(ioctl(g.vcpu.fd, KVM_RUN, 0) == 0);
	} while (g.vcpu.run->exit_reason == KVM_EXIT_MMIO);
	CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_HLT);
	stop = true;
	pthread_join(thread, NULL);
}

/* The ring is the VM's, whichever vCPU's mapping one looks at. */
static void one_ring_per_vm(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(co_mmio));
	struct kt_vcpu other = kt_vcpu_create(&g.vm, 1);
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu stranger = kt_vcpu_create(&vm, 0);

	REQUIRE(zone(&g.vm, true, DEVICE, 0x28, 0) == 0);
	RUN(&g.vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(ring_of(&other)->last, 3);
	check_entry(&other, 1, DEVICE + 0x10, 1, 0x88, 0);
	CHECK_EQ(ring_of(&stranger)->last, 0);
	kt_start(&other, g.mem, KT_LONG64, KT_CODE);
	RUN(&other, KVM_EXIT_MMIO);
	CHECK_EQ(ring_of(&g.vcpu)->last, 6);
}

static void ring_outlives_the_vm(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(co_mmio));

	REQUIRE(zone(&g.vm, true, DEVICE, 0x28, 0) == 0);
	RUN(&g.vcpu, KVM_EXIT_MMIO);
	CHECK_OK(close(g.vcpu.fd));
	kt_vm_close(&g.vm);
	CHECK_EQ(ring_of(&g.vcpu)->last, 3);
	ring_of(&g.vcpu)->last = 7;
	CHECK_EQ(ring_of(&g.vcpu)->last, 7);
}

static const struct kt_test tests[] = {
	{ "coalesced: capabilities", capabilities },
	{ "coalesced: arguments", arguments },
	{ "coalesced: too many zones", too_many },
	{ "coalesced: MMIO writes", mmio_writes },
	{ "coalesced: borders of a zone", zone_borders },
	{ "coalesced: port writes, also of strings", port_writes },
	{ "coalesced: unregister", unregister },
	{ "coalesced: a full ring", full_ring },
	{ "coalesced: a ring that user space empties", drained_ring },
	{ "coalesced: nonsense in the ring", scribbled_indices },
	{ "coalesced: the ring is scribbled on while the guest runs", scribbled_while_running },
	{ "coalesced: one ring for all vCPUs", one_ring_per_vm },
	{ "coalesced: the mapping outlives the VM", ring_outlives_the_vm },
};

KT_MAIN(tests)
