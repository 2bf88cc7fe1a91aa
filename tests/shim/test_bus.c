// SPDX-License-Identifier: MIT
/* Ioeventfds and coalesced writes: the table, the look-up, and KVM_RUN without user space. */
#include "bus.h"
#include "fake.h"

#define ANY 0U
#define MATCH KVM_IOEVENTFD_FLAG_DATAMATCH
#define PIO KVM_IOEVENTFD_FLAG_PIO
#define REMOVE KVM_IOEVENTFD_FLAG_DEASSIGN

#define RING_ENTRIES ((PAGE - 8) / sizeof(struct kvm_coalesced_mmio))

static struct shim_vm vm;
static struct shim_vcpu writer = { .vm = &vm }; /* who writes, and does not run */

static int event(uint64_t addr, uint32_t len, uint32_t flags, uint64_t match, int fd)
{
	const struct kvm_ioeventfd args = {
		.addr = addr,
		.len = len,
		.flags = flags,
		.datamatch = match,
		.fd = fd,
	};

	return shim_vm_ioeventfd(&vm, &args);
}

static int zone(uint64_t addr, uint32_t size, uint32_t pio, bool add)
{
	const struct kvm_coalesced_mmio_zone zone = { .addr = addr, .size = size, .pio = pio };

	return shim_vm_coalesce(&vm, &zone, add);
}

/* Which eventfd a write signals; 0: none. */
static int signalled(enum bus bus, uint64_t addr, uint32_t len, uint64_t data)
{
	int fd;

	memset(os.eventfds, 0, sizeof(os.eventfds));
	if (!bus_write(&writer, bus, addr, len, data))
		return 0;
	for (fd = 1; fd < FAKE_EVENTFDS && !os.eventfds[fd]; fd += 2)
		;
	assert_int_equal(os.eventfds[fd], 1);
	return fd;
}

static void which_write_signals(void **state)
{
	(void)state;
	fake_vm(&vm, NULL);
	assert_int_equal(signalled(BUS_PIO, 0x10, 1, 0), 0);
	assert_int_equal(event(0x10, 2, PIO, 0, 1), 0);
	assert_int_equal(event(0x10, 4, PIO | MATCH, 7, 3), 0);
	assert_int_equal(event(0x10, 4, PIO | MATCH, 8, 5), 0);
	assert_int_equal(event(0x10, 0, ANY, 0, 7), 0);
	assert_int_equal(event(0x18, 8, MATCH, ~0ULL, 9), 0);
	assert_int_equal(event(0x20, 1, KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY, 0, 11), 0);

	assert_int_equal(signalled(BUS_PIO, 0x10, 2, 99), 1);
	assert_int_equal(signalled(BUS_PIO, 0x10, 1, 99), 0);
	assert_int_equal(signalled(BUS_PIO, 0x11, 1, 99), 0);
	assert_int_equal(signalled(BUS_PIO, 0x10, 4, 7), 3);
	assert_int_equal(signalled(BUS_PIO, 0x10, 4, 0xFF00000008), 5); /* 4 bytes of it */
	assert_int_equal(signalled(BUS_PIO, 0x10, 4, 9), 0);
	assert_int_equal(signalled(BUS_MMIO, 0x10, 3, 9), 7);
	assert_int_equal(signalled(BUS_MMIO, 0x11, 1, 9), 0);
	assert_int_equal(signalled(BUS_MMIO, 0x18, 8, ~0ULL), 9);
	assert_int_equal(signalled(BUS_MMIO, 0x18, 4, ~0ULL), 0);
	assert_int_equal(signalled(BUS_MMIO, 0x20, 1, 0), 0);
	fake_vm_free(&vm, NULL);
}

static void refused(void **state)
{
	(void)state;
	fake_vm(&vm, NULL);
	assert_int_equal(event(0, 3, ANY, 0, 1), -EINVAL);
	assert_int_equal(event(0, 16, ANY, 0, 1), -EINVAL);
	assert_int_equal(event(~0ULL, 2, ANY, 0, 1), -EINVAL);
	assert_int_equal(event(0, 1, 1U << 31, 0, 1), -EINVAL);
	assert_int_equal(event(0, 0, MATCH, 0, 1), -EINVAL);
	assert_int_equal(event(0, 1, ANY, 0, FAKE_EVENTFDS), -EBADF);
	assert_int_equal(event(0, 1, REMOVE, 0, FAKE_EVENTFDS), -EBADF);
	assert_int_equal(event(0, 1, REMOVE, 0, 1), -ENOENT);
	assert_int_equal(os.eventfd_refs, 0);
	os.alloc_fail = 1;
	assert_int_equal(event(0, 1, ANY, 0, 1), -ENOMEM);
	assert_int_equal(event(0, 1, ANY, 0, 1), 0);
	os.alloc_fail = 1;
	assert_int_equal(event(0, 1, REMOVE, 0, 1), -ENOMEM);
	assert_int_equal(signalled(BUS_MMIO, 0, 1, 0), 1);
	fake_vm_free(&vm, NULL);
}

static void collisions(void **state)
{
	(void)state;
	fake_vm(&vm, NULL);
	assert_int_equal(event(8, 4, MATCH, 7, 1), 0);
	assert_int_equal(event(8, 4, MATCH, 7, 3), -EEXIST);
	assert_int_equal(event(8, 4, ANY, 0, 3), -EEXIST);
	assert_int_equal(event(8, 0, ANY, 0, 3), -EEXIST);
	assert_int_equal(event(8, 4, MATCH, 8, 3), 0);
	assert_int_equal(event(8, 2, ANY, 0, 3), 0);
	assert_int_equal(event(8, 2, MATCH, 0, 3), -EEXIST);
	assert_int_equal(event(8, 1, MATCH, 0, 3), 0);
	assert_int_equal(event(8, 4, PIO, 0, 3), 0);
	assert_int_equal(event(16, 0, ANY, 0, 3), 0);
	assert_int_equal(event(16, 0, ANY, 0, 3), -EEXIST);
	assert_int_equal(event(16, 4, ANY, 0, 3), -EEXIST);
	assert_int_equal(event(16, 4, MATCH, 3, 3), -EEXIST);
	fake_vm_free(&vm, NULL);
}

static void removal(void **state)
{
	(void)state;
	fake_vm(&vm, NULL);
	assert_int_equal(event(8, 4, MATCH, 7, 1), 0);
	assert_int_equal(event(8, 4, MATCH, 8, 3), 0);
	assert_int_equal(event(8, 4, REMOVE, 0, 1), -ENOENT);
	assert_int_equal(event(8, 2, REMOVE | MATCH, 7, 1), -ENOENT);
	assert_int_equal(event(8, 4, REMOVE | MATCH | PIO, 7, 1), -ENOENT);
	assert_int_equal(event(8, 4, REMOVE | MATCH, 7, 3), -ENOENT);
	os.read_waits = 0;
	/* The same eventfd by another descriptor; and flags nobody knows. */
	assert_int_equal(event(8, 4, REMOVE | MATCH | 1U << 20, 7, 0), 0);
	assert_int_equal(os.read_waits, 1);
	assert_int_equal(os.eventfd_refs, 1);
	assert_int_equal(signalled(BUS_MMIO, 8, 4, 7), 0);
	assert_int_equal(signalled(BUS_MMIO, 8, 4, 8), 3);
	fake_vm_free(&vm, NULL);
}

static unsigned int random_of(unsigned int *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 16;
}

/* Against a plain list, at random. */
static void random_events(void **state)
{
	static struct kvm_ioeventfd list[64];
	static bool used[64];
	unsigned int seed = 12345, i, j;

	(void)state;
	memset(used, 0, sizeof(used));
	fake_vm(&vm, NULL);
	for (i = 0; i < 20000; i++) {
		struct kvm_ioeventfd e = { .fd = 2 * (random_of(&seed) % 8) };
		const uint64_t data = random_of(&seed) % 3;
		int want = 0, at = -1;

		e.addr = random_of(&seed) % 4;
		e.len = (1U << random_of(&seed) % 4) & 7;
		e.flags = (random_of(&seed) % 2 && e.len ? MATCH : 0) |
			  (random_of(&seed) % 2 ? PIO : 0);
		e.datamatch = e.flags & MATCH ? data : 0;
		for (j = 0; j < 64; j++) {
			const struct kvm_ioeventfd *l = &list[j];

			if (!used[j]) {
				at = (int)j;
				continue;
			}
			if (l->addr == e.addr && (l->flags & PIO) == (e.flags & PIO) &&
			    (!l->len || !e.len ||
			     (l->len == e.len && (!(l->flags & MATCH) || !(e.flags & MATCH) ||
						  l->datamatch == e.datamatch))))
				want = -EEXIST;
		}
		if (at >= 0 && random_of(&seed) % 2) {
			assert_int_equal(shim_vm_ioeventfd(&vm, &e), want);
			if (!want) {
				list[at] = e;
				used[at] = true;
			}
		} else if (used[i % 64]) {
			e = list[i % 64];
			e.flags |= REMOVE;
			assert_int_equal(shim_vm_ioeventfd(&vm, &e), 0);
			used[i % 64] = false;
		}

		e.addr = random_of(&seed) % 4;
		e.len = 1U << random_of(&seed) % 3;
		want = 0;
		for (j = 0; j < 64; j++) {
			const struct kvm_ioeventfd *l = &list[j];

			if (used[j] && l->flags & PIO && l->addr == e.addr &&
			    (!l->len ||
			     (l->len == e.len && (!(l->flags & MATCH) || l->datamatch == data))))
				want = l->fd | 1;
		}
		assert_int_equal(signalled(BUS_PIO, e.addr, e.len, data), want);
	}
	fake_vm_free(&vm, NULL);
}

static void zones(void **state)
{
	(void)state;
	fake_vm(&vm, NULL);
	assert_int_equal(zone(0x1000, 0x100, 2, true), -EINVAL);
	assert_int_equal(zone(0x1000, 0x100, 2, false), -EINVAL);
	assert_int_equal(zone(0x1000, 0x100, 0, false), 0);
	assert_int_equal(zone(0x1000, 0x100, 0, true), 0);
	assert_int_equal(zone(0x1010, 0x10, 0, true), 0); /* inside */
	assert_int_equal(zone(0x10, 4, 1, true), 0);

	assert_true(bus_write(&writer, BUS_MMIO, 0x1000, 4, 0x11223344));
	assert_true(bus_write(&writer, BUS_MMIO, 0x10FC, 4, 1));
	assert_true(bus_write(&writer, BUS_MMIO, 0x1080, 1, 2));
	assert_false(bus_write(&writer, BUS_MMIO, 0x10FD, 4, 1));
	assert_false(bus_write(&writer, BUS_MMIO, 0xFFF, 4, 1));
	assert_false(bus_write(&writer, BUS_PIO, 0x1000, 4, 1));
	assert_true(bus_write(&writer, BUS_PIO, 0x12, 2, 0xABCD));
	assert_int_equal(vm.ring->last, 4);
	assert_int_equal(vm.ring->coalesced_mmio[0].phys_addr, 0x1000);
	assert_int_equal(vm.ring->coalesced_mmio[0].len, 4);
	assert_int_equal(vm.ring->coalesced_mmio[0].pio, 0);
	assert_memory_equal(vm.ring->coalesced_mmio[0].data, "\x44\x33\x22\x11", 4);
	assert_int_equal(vm.ring->coalesced_mmio[3].pio, 1);

	/* Only what contains all of it goes. */
	assert_int_equal(zone(0x1000, 0x200, 0, false), 0);
	assert_true(bus_write(&writer, BUS_MMIO, 0x1010, 4, 1));
	assert_int_equal(zone(0x1080, 4, 0, false), 0);
	assert_false(bus_write(&writer, BUS_MMIO, 0x1000, 4, 1));
	assert_true(bus_write(&writer, BUS_MMIO, 0x1010, 4, 1));
	assert_int_equal(zone(0x1010, 0x10, 0, false), 0);
	assert_false(bus_write(&writer, BUS_MMIO, 0x1010, 4, 1));
	assert_true(bus_write(&writer, BUS_PIO, 0x10, 4, 1));
	fake_vm_free(&vm, NULL);
}

static void zone_limits(void **state)
{
	unsigned int i;

	(void)state;
	fake_vm(&vm, NULL);
	for (i = 0; i < 1000; i++)
		assert_int_equal(zone(0x1000 * i, 8, 0, true), 0);
	assert_int_equal(zone(0, 8, 0, true), -ENOSPC);
	assert_int_equal(zone(0, 8, 1, true), 0);
	assert_int_equal(event(0, 1, ANY, 0, 1), 0);
	os.alloc_fail = 1;
	assert_int_equal(zone(0x1000, 8, 0, false), -ENOMEM);
	assert_true(bus_write(&writer, BUS_MMIO, 0x1000, 4, 1));
	/* Around the end of the address space, and empty: nothing is in them. */
	assert_int_equal(zone(0x1000, 8, 0, false), 0);
	assert_int_equal(zone(~0ULL - 3, 8, 0, true), 0);
	assert_false(bus_write(&writer, BUS_MMIO, ~0ULL - 3, 2, 1));
	assert_int_equal(zone(0x5000, 0, 1, true), 0);
	assert_false(bus_write(&writer, BUS_PIO, 0x5000, 1, 1));
	fake_vm_free(&vm, NULL);
}

static void the_ring_belongs_to_the_user(void **state)
{
	static const uint32_t bad[] = { RING_ENTRIES, RING_ENTRIES + 1, 0x7FFFFFFF, 0xFFFFFFFF };
	unsigned int i;

	(void)state;
	fake_vm(&vm, NULL);
	assert_int_equal(zone(0, PAGE, 0, true), 0);
	for (i = 0; i < RING_ENTRIES - 1; i++)
		assert_true(bus_write(&writer, BUS_MMIO, 8, 4, i));
	assert_false(bus_write(&writer, BUS_MMIO, 8, 4, i)); /* full */
	vm.ring->first = 1;
	assert_true(bus_write(&writer, BUS_MMIO, 8, 4, i));
	assert_int_equal(vm.ring->last, 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		vm.ring->last = bad[i];
		assert_false(bus_write(&writer, BUS_MMIO, 8, 4, i));
		assert_int_equal(vm.ring->last, bad[i]);
		vm.ring->last = 3;
		vm.ring->first = bad[i];
		bus_write(&writer, BUS_MMIO, 8, 4, i);
		assert_in_range(vm.ring->last, 3, 4);
	}
	fake_vm_free(&vm, NULL);
}

/* ---- KVM_RUN ---- */

static unsigned int step;
static bool completed;

static mv_status_t out_then_mmio_then_hlt(const struct mv_run_t *in, void *page, uint64_t *reason)
{
	struct mv_exit_mmio_t *mmio = page;
	struct mv_exit_io_t *io = page;

	assert_int_equal(in->in_bytes, 0);
	completed = in->flags & MV_RUN_FLAG_COMPLETE_ONLY;
	switch (step++) {
	case 0:
		io->addr = 0x10;
		io->reps = 1;
		io->type = MV_EXIT_IO_OUT;
		io->size = mv_bit_size_t_16;
		io->data = 7;
		*reason = mv_exit_reason_t_io;
		return MV_STATUS_SUCCESS;
	case 1:
		mmio->gpa = 0x20;
		mmio->flags = MV_EXIT_MMIO_WRITE;
		mmio->size = 4;
		mmio->data = 9;
		*reason = mv_exit_reason_t_mmio;
		return MV_STATUS_SUCCESS;
	case 2:
		*reason = completed ? mv_exit_reason_t_interrupt : mv_exit_reason_t_hlt;
		((struct mv_exit_hlt_t *)page)->reason = mv_hlt_t_wait;
		return MV_STATUS_SUCCESS;
	}
	*reason = mv_exit_reason_t_hlt;
	((struct mv_exit_hlt_t *)page)->reason = mv_hlt_t_wait;
	return MV_STATUS_SUCCESS;
}

static void run_without_user_space(void **state)
{
	struct shim_vcpu vcpu;

	(void)state;
	fake_vm(&vm, &vcpu);
	hv.run = out_then_mmio_then_hlt;
	step = 0;
	assert_int_equal(event(0x10, 2, PIO, 0, 1), 0);
	assert_int_equal(zone(0, PAGE, 0, true), 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(vcpu.run->exit_reason, KVM_EXIT_HLT);
	assert_int_equal(hv.runs, 3);
	assert_int_equal(os.eventfds[1], 1);
	assert_int_equal(vm.ring->last, 1);
	assert_false(vcpu.io.pending);
	fake_vm_free(&vm, &vcpu);
}

/* What follows from completing a write may end in the kernel, too, and is to be completed. */
static void completed_before_a_signal(void **state)
{
	struct shim_vcpu vcpu;

	(void)state;
	fake_vm(&vm, &vcpu);
	hv.run = out_then_mmio_then_hlt;
	step = 0;
	assert_int_equal(zone(0, PAGE, 0, true), 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(vcpu.run->exit_reason, KVM_EXIT_IO);
	vcpu.run->immediate_exit = 1;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(vm.ring->last, 1);
	assert_false(vcpu.io.pending);
	assert_int_equal(hv.runs, 3);
	assert_true(completed);
	fake_vm_free(&vm, &vcpu);
}

static mv_status_t outs_of_two(const struct mv_run_t *in, void *page, uint64_t *reason)
{
	struct mv_exit_io_t *io = page;

	(void)in;
	io->addr = 0x10;
	io->reps = 2;
	io->type = MV_EXIT_IO_OUT | MV_EXIT_IO_STRING;
	io->size = mv_bit_size_t_8;
	*reason = mv_exit_reason_t_io;
	return MV_STATUS_SUCCESS;
}

/* Never from our hypervisor. What isn't looked up one by one is user space's. */
static void two_elements_at_once(void **state)
{
	struct shim_vcpu vcpu;

	(void)state;
	fake_vm(&vm, &vcpu);
	hv.run = outs_of_two;
	assert_int_equal(event(0x10, 1, PIO, 0, 1), 0);
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(vcpu.run->exit_reason, KVM_EXIT_IO);
	assert_int_equal(vcpu.run->io.count, 2);
	assert_int_equal(os.eventfds[1], 0);
	fake_vm_free(&vm, &vcpu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(which_write_signals),
		FAKE_TEST(refused),
		FAKE_TEST(collisions),
		FAKE_TEST(removal),
		FAKE_TEST(random_events),
		FAKE_TEST(zones),
		FAKE_TEST(zone_limits),
		FAKE_TEST(the_ring_belongs_to_the_user),
		FAKE_TEST(run_without_user_space),
		FAKE_TEST(completed_before_a_signal),
		FAKE_TEST(two_elements_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
