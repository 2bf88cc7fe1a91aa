// SPDX-License-Identifier: MIT
/*
 * KVM_IOEVENTFD: which writes of a guest signal an eventfd instead of ending KVM_RUN, what is
 * refused, and what becomes of it while vCPUs run and descriptors are closed.
 */
#include "kvmtest.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <time.h>

GUEST(io_writes);
GUEST(io_outs);
GUEST(io_mmio);
GUEST(io_loop);
GUEST(io_count);

#define PORT 0x600
#define DEVICE 0xd0000000UL
#define ANY 0U
#define PIO KVM_IOEVENTFD_FLAG_PIO
#define MATCH KVM_IOEVENTFD_FLAG_DATAMATCH
#define REMOVE KVM_IOEVENTFD_FLAG_DEASSIGN

static int assign(const struct kt_vm *vm, uint64_t addr, uint32_t len, uint32_t flags,
		  uint64_t match, int fd)
{
	struct kvm_ioeventfd args = {
		.addr = addr,
		.len = len,
		.flags = flags,
		.datamatch = match,
		.fd = fd,
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &args);
}

static int event_new(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	REQUIRE(fd >= 0);
	return fd;
}

/* How often it was signalled since the last time. */
static uint64_t count(int fd)
{
	uint64_t value = 0;

	return read(fd, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

static void capabilities(void)
{
	struct kt_vm vm = kt_vm_create();

	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD), 1);
	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD_NO_LENGTH), 1);
	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD_ANY_LENGTH), 1);
}

static void bad_arguments(void)
{
	static const uint32_t lens[] = { 3, 5, 6, 7, 9, 16, 0x80000000, 0xffffffff };
	struct kt_vm vm = kt_vm_create();
	int fd = event_new(), null = open("/dev/null", O_RDWR);

	for (unsigned int i = 0; i < KT_LEN(lens); i++)
		CHECK_ERRNO(assign(&vm, 0x1000, lens[i], ANY, 0, fd), EINVAL);
	CHECK_ERRNO(assign(&vm, ~0UL, 2, ANY, 0, fd), EINVAL);
	CHECK_ERRNO(assign(&vm, 0x1000, 4, 0x20, 0, fd), EINVAL);
	CHECK_ERRNO(assign(&vm, 0x1000, 4, 0x80000000, 0, fd), EINVAL);
	CHECK_ERRNO(assign(&vm, 0x1000, 0, MATCH, 0, fd), EINVAL);
	CHECK_ERRNO(assign(&vm, 0x1000, 4, ANY, 0, -1), EBADF);
	CHECK_ERRNO(assign(&vm, 0x1000, 4, ANY, 0, 1 << 20), EBADF);
	CHECK_ERRNO(assign(&vm, 0x1000, 4, ANY, 0, null), EINVAL);
	CHECK_ERRNO(assign(&vm, 0x1000, 4, REMOVE, 0, -1), EBADF);
	CHECK_ERRNO(assign(&vm, 0x1000, 4, REMOVE, 0, null), EINVAL);
	CHECK_ERRNO(assign(&vm, 0x1000, 4, REMOVE, 0, fd), ENOENT);
	CHECK_ERRNO(ioctl(vm.fd, KVM_IOEVENTFD, 8UL), EFAULT);
	CHECK_OK(assign(&vm, ~0UL - 1, 1, ANY, 0, fd));
	CHECK_OK(assign(&vm, 0x1000, 4, KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY, 0, fd));
}

static void collisions(void)
{
	struct kt_vm vm = kt_vm_create();
	int a = event_new(), b = event_new();

	CHECK_OK(assign(&vm, 0x1000, 4, MATCH, 1, a));
	CHECK_ERRNO(assign(&vm, 0x1000, 4, MATCH, 1, b), EEXIST);
	CHECK_ERRNO(assign(&vm, 0x1000, 4, MATCH, 1, a), EEXIST);
	CHECK_ERRNO(assign(&vm, 0x1000, 4, ANY, 0, b), EEXIST);
	CHECK_ERRNO(assign(&vm, 0x1000, 0, ANY, 0, b), EEXIST);
	CHECK_OK(assign(&vm, 0x1000, 4, MATCH, 2, a)); /* one eventfd for both */
	CHECK_OK(assign(&vm, 0x1000, 2, ANY, 0, b));
	CHECK_ERRNO(assign(&vm, 0x1000, 2, MATCH, 5, b), EEXIST);
	CHECK_OK(assign(&vm, 0x1002, 4, ANY, 0, b)); /* overlaps */
	CHECK_OK(assign(&vm, 0x1000, 4, PIO, 0, b)); /* another bus */
	CHECK_OK(assign(&vm, 0x2000, 0, ANY, 0, b));
	CHECK_ERRNO(assign(&vm, 0x2000, 8, MATCH, 0, b), EEXIST);
	CHECK_ERRNO(assign(&vm, 0x2000, 0, ANY, 0, b), EEXIST);
}

static void deassign(void)
{
	struct kt_vm vm = kt_vm_create();
	int a = event_new(), b = event_new(), again = dup(a);

	CHECK_OK(assign(&vm, 0x1000, 4, MATCH, 1, a));
	CHECK_ERRNO(assign(&vm, 0x1000, 4, REMOVE | MATCH, 1, b), ENOENT);
	CHECK_ERRNO(assign(&vm, 0x1000, 4, REMOVE | MATCH, 2, a), ENOENT);
	CHECK_ERRNO(assign(&vm, 0x1000, 4, REMOVE, 1, a), ENOENT);
	CHECK_ERRNO(assign(&vm, 0x1000, 2, REMOVE | MATCH, 1, a), ENOENT);
	CHECK_ERRNO(assign(&vm, 0x1001, 4, REMOVE | MATCH, 1, a), ENOENT);
	CHECK_ERRNO(assign(&vm, 0x1000, 4, REMOVE | MATCH | PIO, 1, a), ENOENT);
	/* Another descriptor of the same eventfd; flags aren't looked at. */
	CHECK_OK(assign(&vm, 0x1000, 4, REMOVE | MATCH | 0x100, 1, again));
	CHECK_ERRNO(assign(&vm, 0x1000, 4, REMOVE | MATCH, 1, a), ENOENT);
	CHECK_OK(assign(&vm, 0x1000, 4, MATCH, 1, b));
}

/* io_writes: OUT of 1, 2 and 4 bytes of 0x11223344 to PORT, then to PORT + 2, then HLT. */
static void expect_out(const struct kt_guest *g, uint16_t port, uint8_t size)
{
	RUN(&g->vcpu, KVM_EXIT_IO);
	CHECK_EQ(g->vcpu.run->io.port, port);
	CHECK_EQ(g->vcpu.run->io.size, size);
}

static void pio_by_length(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(io_writes));
	int fd1 = event_new(), fd4 = event_new();

	CHECK_OK(assign(&g.vm, PORT, 1, PIO, 0, fd1));
	CHECK_OK(assign(&g.vm, PORT, 4, PIO, 0, fd4));
	expect_out(&g, PORT, 2);
	CHECK_EQ(count(fd1), 1);
	CHECK_EQ(count(fd4), 0);
	expect_out(&g, PORT + 2, 1);
	CHECK_EQ(count(fd4), 1);
	expect_out(&g, PORT + 2, 2);
	expect_out(&g, PORT + 2, 4);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + kt_code_size(CODE(io_writes)));
	CHECK_EQ(count(fd1) + count(fd4), 0);
}

static void pio_any_length(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(io_writes));
	int a = event_new(), b = event_new();

	CHECK_OK(assign(&g.vm, PORT, 0, PIO, 0, a));
	CHECK_OK(assign(&g.vm, PORT + 2, 0, PIO, 0, b));
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(count(a), 3);
	CHECK_EQ(count(b), 3);
	CHECK_OK(assign(&g.vm, PORT, 0, PIO | REMOVE, 0, a));
	kt_guest_load(&g, KT_REAL, CODE(io_writes));
	expect_out(&g, PORT, 1);
}

static void pio_datamatch(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(io_writes));
	int fd = event_new(), no = event_new();

	CHECK_OK(assign(&g.vm, PORT, 1, PIO | MATCH, 0x44, fd));
	CHECK_OK(assign(&g.vm, PORT, 1, PIO | MATCH, 0x144, no)); /* can't be one byte */
	CHECK_OK(assign(&g.vm, PORT, 2, PIO | MATCH, 0x3345, no));
	CHECK_OK(assign(&g.vm, PORT, 4, PIO | MATCH, 0x11223344, fd));
	expect_out(&g, PORT, 2);
	CHECK_EQ(count(fd), 1);
	expect_out(&g, PORT + 2, 1);
	CHECK_EQ(count(fd), 1);
	CHECK_EQ(count(no), 0);
}

/* REP OUTSB of 0 to 5 to PORT: each element is a write of its own. */
static void outs_elements(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(io_outs));
	int fd = event_new();

	CHECK_OK(assign(&g.vm, PORT, 1, PIO | MATCH, 1, fd));
	CHECK_OK(assign(&g.vm, PORT, 1, PIO | MATCH, 2, fd));
	CHECK_OK(assign(&g.vm, PORT, 1, PIO | MATCH, 5, fd));
	for (uint8_t byte = 0; byte < 6; byte++) {
		if (byte == 1 || byte == 2 || byte == 5)
			continue;
		expect_out(&g, PORT, 1);
		CHECK_EQ(g.vcpu.run->io.count, 1);
		CHECK_EQ(*(uint8_t *)kt_io_data(&g.vcpu), byte);
		CHECK_EQ(count(fd), byte == 3 ? 2 : 0);
	}
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(count(fd), 1);
	CHECK_EQ(kt_regs(&g.vcpu).rcx, 0);
}

/* io_mmio: MOV of 1, 2, 4 and 8 bytes of 0x1122334455667788 to DEVICE, of 4 to DEVICE + 4, HLT. */
static void expect_mmio(const struct kt_guest *g, uint64_t addr, uint32_t len)
{
	RUN(&g->vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(g->vcpu.run->mmio.phys_addr, addr);
	CHECK_EQ(g->vcpu.run->mmio.len, len);
	CHECK_EQ(g->vcpu.run->mmio.is_write, 1);
}

static void mmio_by_length(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(io_mmio));
	int fd2 = event_new(), fd8 = event_new();

	CHECK_OK(assign(&g.vm, DEVICE, 2, ANY, 0, fd2));
	CHECK_OK(assign(&g.vm, DEVICE, 8, MATCH, 0x1122334455667788, fd8));
	expect_mmio(&g, DEVICE, 1);
	CHECK_EQ(count(fd2), 0);
	expect_mmio(&g, DEVICE, 4);
	CHECK_EQ(count(fd2), 1);
	CHECK_EQ(count(fd8), 0);
	expect_mmio(&g, DEVICE + 4, 4);
	CHECK_EQ(count(fd8), 1);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + kt_code_size(CODE(io_mmio)));
}

static void mmio_any_length(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(io_mmio));
	int a = event_new(), b = event_new();

	CHECK_OK(assign(&g.vm, DEVICE, 0, ANY, 0, a));
	CHECK_OK(assign(&g.vm, DEVICE + 4, 4, MATCH, 0x55667788, b));
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(count(a), 4);
	CHECK_EQ(count(b), 1);
}

/* Reads, writes nearby and the other bus go to user space. */
static void others_are_left_alone(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(io_mmio));
	int fd = event_new();

	CHECK_OK(assign(&g.vm, DEVICE, 4, PIO, 0, fd));
	CHECK_OK(assign(&g.vm, DEVICE + 1, 0, ANY, 0, fd));
	CHECK_OK(assign(&g.vm, DEVICE - 4, 8, ANY, 0, fd));
	CHECK_OK(assign(&g.vm, DEVICE, 4, KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY, 0, fd));
	expect_mmio(&g, DEVICE, 1);
	expect_mmio(&g, DEVICE, 2);
	expect_mmio(&g, DEVICE, 4);
	expect_mmio(&g, DEVICE, 8);
	CHECK_EQ(count(fd), 0);
}

/* The VM keeps the eventfd; user space's other end sees what happens. */
static void closed_by_the_user(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(io_writes));
	int fd = event_new(), other = dup(fd), gone = event_new();

	CHECK_OK(assign(&g.vm, PORT, 0, PIO, 0, fd));
	CHECK_OK(assign(&g.vm, PORT + 2, 0, PIO, 0, gone));
	CHECK_OK(close(fd));
	CHECK_OK(close(gone));
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(count(other), 3);
	CHECK_ERRNO(assign(&g.vm, PORT + 2, 0, PIO | REMOVE, 0, gone), EBADF);
	kt_guest_close(&g);
	CHECK_EQ(count(other), 0);
}

static void wakes_a_poller(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(io_writes));
	struct pollfd p = { .fd = event_new(), .events = POLLIN };

	CHECK_OK(assign(&g.vm, PORT, 1, PIO, 0, p.fd));
	CHECK_EQ(poll(&p, 1, 0), 0);
	expect_out(&g, PORT, 2);
	CHECK_EQ(poll(&p, 1, 0), 1);
}

static void counter_does_not_overflow(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(io_writes));
	int fd = event_new();
	uint64_t most = ~0ULL - 1;

	CHECK_EQ(write(fd, &most, sizeof(most)), sizeof(most));
	CHECK_OK(assign(&g.vm, PORT, 1, PIO, 0, fd));
	expect_out(&g, PORT, 2);
	CHECK_EQ(count(fd), ~0ULL);
}

/* ---- with vCPUs running ---- */

static volatile bool stop;
static struct kt_guest running;

static void *churn(void *arg)
{
	int fd = *(int *)arg, extra = event_new();

	while (!stop) {
		if (assign(&running.vm, PORT, 1, PIO, 0, fd) ||
		    assign(&running.vm, PORT + 4, 0, PIO, 0, extra) ||
		    assign(&running.vm, PORT, 1, PIO | REMOVE, 0, fd) ||
		    assign(&running.vm, PORT + 4, 0, PIO | REMOVE, 0, extra))
			kt_fail(__FILE__, __LINE__, "errno %d", errno);
	}
	return NULL;
}

#define LOOPS 2000

/* Each OUT is either signalled or told: none is lost, none comes twice. */
static void assigned_while_running(void)
{
	pthread_t thread;
	uint64_t told = 0, seen;
	int fd = event_new();

	running = kt_guest(KT_REAL, CODE(io_loop));
	stop = false;
	REQUIRE(pthread_create(&thread, NULL, churn, &fd) == 0);
	while (told < LOOPS) {
		RUN(&running.vcpu, KVM_EXIT_IO);
		if (running.vcpu.run->io.port != PORT)
			break;
		told++;
	}
	stop = true;
	pthread_join(thread, NULL);
	seen = count(fd);
	kt_note("%llu signalled, %llu told", (unsigned long long)seen, (unsigned long long)told);
	CHECK_EQ(seen + told, LOOPS);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* A guest that never leaves by itself; what is signalled is what it has done. */
static void ends_with_a_signal(void)
{
	const struct itimerval soon = { .it_value.tv_usec = 100000 };
	const struct sigaction action = { .sa_handler = on_alarm };
	struct kt_guest g = kt_guest(KT_REAL, CODE(io_count));
	int fd = event_new();
	uint64_t signalled, done;

	CHECK_OK(assign(&g.vm, PORT, 1, PIO, 0, fd));
	REQUIRE(sigaction(SIGALRM, &action, NULL) == 0);
	REQUIRE(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_RUN, 0), EINTR);
	CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_INTR);
	signalled = count(fd);
	done = kt_regs(&g.vcpu).rcx;
	CHECK(signalled > 0);
	/* Between OUT and INC it is one ahead. */
	CHECK(signalled - done <= 1);
}

/* ---- many ---- */

#define MANY 2000

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t time_loop(struct kt_guest *g, int fd)
{
	uint64_t start = now_ns();

	kt_guest_load(g, KT_REAL, CODE(io_loop));
	RUN(&g->vcpu, KVM_EXIT_IO);
	CHECK_EQ(g->vcpu.run->io.port, PORT + 1);
	CHECK_EQ(count(fd), LOOPS);
	return now_ns() - start;
}

/* Time isn't checked: here an exit takes far longer than any search. */
static void many(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(io_loop));
	int fd = event_new(), others = event_new();
	uint64_t few, full;

	CHECK_OK(assign(&g.vm, PORT, 1, PIO, 0, fd));
	few = time_loop(&g, fd);
	for (uint64_t i = 0; i < MANY; i++)
		REQUIRE(assign(&g.vm, i % 2 ? 0x1000 + i : PORT, i % 2 ? 1 : 2, PIO | MATCH, i,
			       others) == 0);
	full = time_loop(&g, fd);
	kt_note("%u OUTs: %llu us with one ioeventfd, %llu us with %u more", LOOPS,
		(unsigned long long)few / 1000, (unsigned long long)full / 1000, MANY);
	for (uint64_t i = 0; i < MANY; i++)
		REQUIRE(assign(&g.vm, i % 2 ? 0x1000 + i : PORT, i % 2 ? 1 : 2,
			       PIO | MATCH | REMOVE, i, others) == 0);
	CHECK_EQ(count(others), 0);
}

static const struct kt_test tests[] = {
	{ "ioeventfd: capabilities", capabilities },
	{ "ioeventfd: bad arguments", bad_arguments },
	{ "ioeventfd: collisions", collisions },
	{ "ioeventfd: deassign", deassign },
	{ "ioeventfd: ports, by length", pio_by_length },
	{ "ioeventfd: ports, any length", pio_any_length },
	{ "ioeventfd: ports, datamatch", pio_datamatch },
	{ "ioeventfd: elements of REP OUTS", outs_elements },
	{ "ioeventfd: MMIO, by length and datamatch", mmio_by_length },
	{ "ioeventfd: MMIO, any length", mmio_any_length },
	{ "ioeventfd: other accesses", others_are_left_alone },
	{ "ioeventfd: closed by the user", closed_by_the_user },
	{ "ioeventfd: wakes a poller", wakes_a_poller },
	{ "ioeventfd: a full counter", counter_does_not_overflow },
	{ "ioeventfd: assigned while a vCPU runs", assigned_while_running },
	{ "ioeventfd: KVM_RUN that is interrupted", ends_with_a_signal },
	{ "ioeventfd: many", many },
};

KT_MAIN(tests)
