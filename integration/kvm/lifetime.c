// SPDX-License-Identifier: MIT
/*
 * How VMs and vCPUs end: any order of closing, a process killed in the middle of KVM_RUN,
 * descriptors passed on, and the memory that has to be there again after all of it.
 */
#include "kvmtest.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

GUEST(counting);
GUEST(one_halt);
GUEST(touch_pages);

#define COUNTER 0x7000UL

static void vm_closed_first(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(one_halt));

	CHECK_OK(close(g.vm.fd));
	CHECK_OK(close(g.vm.kvm));
	/* The vCPU keeps its VM. */
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 1);
	kt_start(&g.vcpu, g.mem, KT_LONG64, KT_CODE);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	kt_vcpu_close(&g.vcpu);
}

static void vcpu_closed_first(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(one_halt));
	struct kt_vcpu other = kt_vcpu_create(&g.vm, 1);

	RUN(&g.vcpu, KVM_EXIT_HLT);
	kt_vcpu_close(&g.vcpu);
	kt_start(&other, g.mem, KT_LONG64, KT_CODE);
	RUN(&other, KVM_EXIT_HLT);
	CHECK_OK(kt_slot(&g.vm, 0, 0, 0, NULL));
	kt_vm_close(&g.vm);
	CHECK_OK(close(other.fd));
	CHECK_OK(munmap(other.run, other.run_size));
}

static void duplicates(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(one_halt));
	int vcpu = dup(g.vcpu.fd), vm = dup(g.vm.fd);

	REQUIRE(vcpu >= 0 && vm >= 0);
	CHECK_OK(close(g.vcpu.fd));
	CHECK_OK(close(g.vm.fd));
	g.vcpu.fd = vcpu;
	g.vm.fd = vm;
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_OK(ioctl(vm, KVM_CREATE_VCPU, 1));
}

static void ignore(int signal)
{
	(void)signal;
}

static void *run_it(void *arg)
{
	struct kt_vcpu *vcpu = arg;

	CHECK_ERRNO(ioctl(vcpu->fd, KVM_RUN, 0), EINTR);
	return NULL;
}

/* Both fds are closed while another thread is in KVM_RUN: it runs on till its signal. */
static void closed_while_running(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(counting));
	volatile uint64_t *counter = (uint64_t *)(g.mem + COUNTER);
	struct kt_vcpu vcpu = g.vcpu;
	pthread_t thread;
	uint64_t before;

	signal(SIGUSR1, ignore);
	REQUIRE(pthread_create(&thread, NULL, run_it, &vcpu) == 0);
	while (!*counter)
		usleep(1000);
	CHECK_OK(close(g.vcpu.fd));
	CHECK_OK(close(g.vm.fd));
	CHECK_OK(close(g.vm.kvm));
	before = *counter;
	for (unsigned int wait = 0; *counter == before && wait < 5000; wait++)
		usleep(1000);
	CHECK(*counter != before);
	pthread_kill(thread, SIGUSR1);
	REQUIRE(pthread_join(thread, NULL) == 0);
}

/* ---- killed ---- */

static pid_t victim(volatile uint64_t **counter, size_t extra)
{
	uint64_t *shared = mmap(NULL, KT_GUEST_SIZE, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	REQUIRE(shared != MAP_FAILED);
	*counter = shared + COUNTER / sizeof(*shared);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		struct kt_vm vm = kt_vm_create();
		struct kt_guest g = { .vm = vm, .vcpu = kt_vcpu_create(&vm, 0) };

		g.mem = (uint8_t *)shared;
		REQUIRE(kt_slot(&vm, 0, 0, KT_GUEST_SIZE, shared) == 0);
		if (extra)
			memset(kt_memory(&vm, 1, 0x10000000, extra), 1, extra);
		kt_guest_load(&g, KT_LONG64, CODE(counting));
		ioctl(g.vcpu.fd, KVM_RUN, 0);
		_exit(1);
	}
	return pid;
}

static void kill_one(size_t extra)
{
	volatile uint64_t *counter;
	pid_t pid = victim(&counter, extra);
	int status;

	while (!*counter && waitpid(pid, &status, WNOHANG) == 0)
		usleep(1000);
	CHECK_OK(kill(pid, SIGKILL));
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_OK(munmap((uint8_t *)counter - COUNTER, KT_GUEST_SIZE));
}

static void killed_while_running(void)
{
	kill_one(0);
}

/* Memory comes back a moment after the process is gone; wait for it, for a while. */
static void check_memory_back(uint64_t before_kib, uint64_t slack_kib)
{
	uint64_t now = 0;

	for (unsigned int i = 0; i < 50; i++) {
		now = kt_meminfo("MemAvailable");
		if (now + slack_kib >= before_kib)
			return;
		usleep(100000);
	}
	kt_fail(__FILE__, __LINE__, "%llu KiB available before, %llu after",
		(unsigned long long)before_kib, (unsigned long long)now);
}

static void killed_frees_memory(void)
{
	const size_t extra = 64 * KT_MIB;
	uint64_t before;

	if (kt_meminfo("MemAvailable") < 512 * 1024)
		kt_skip("less than 512 MiB of memory available");
	kill_one(extra); /* whatever is allocated once only */
	before = kt_meminfo("MemAvailable");
	for (unsigned int i = 0; i < 5; i++)
		kill_one(extra);
	check_memory_back(before, 96 * 1024); /* five leaked: 320 MiB */
	CHECK_EQ(kt_meminfo("Mlocked"), 0);
}

/* ---- many ---- */

static void hundred_vms(void)
{
	uint64_t before = 0;

	for (unsigned int i = 0; i < 100; i++) {
		struct kt_guest g = kt_guest(KT_LONG64, CODE(one_halt));

		RUN(&g.vcpu, KVM_EXIT_HLT);
		kt_guest_close(&g);
		if (i == 9)
			before = kt_meminfo("MemAvailable");
	}
	check_memory_back(before, 48 * 1024); /* 90 leaked: 180 MiB */
}

static void vms_at_once(void)
{
	struct kt_guest g[16];

	for (unsigned int i = 0; i < KT_LEN(g); i++)
		g[i] = kt_guest(KT_LONG64, CODE(one_halt));
	for (unsigned int i = 0; i < KT_LEN(g); i++)
		RUN(&g[i].vcpu, KVM_EXIT_HLT);
	/* Every other one first. */
	for (unsigned int i = 0; i < KT_LEN(g); i += 2)
		kt_guest_close(&g[i]);
	for (unsigned int i = 1; i < KT_LEN(g); i += 2) {
		kt_start(&g[i].vcpu, g[i].mem, KT_LONG64, KT_CODE);
		RUN(&g[i].vcpu, KVM_EXIT_HLT);
		kt_guest_close(&g[i]);
	}
}

static void vcpus_at_once(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(one_halt));
	struct kt_vcpu vcpu[16] = { g.vcpu };

	for (unsigned int i = 1; i < KT_LEN(vcpu); i++)
		vcpu[i] = kt_vcpu_create(&g.vm, i);
	for (unsigned int round = 0; round < 3; round++)
		for (unsigned int i = 0; i < KT_LEN(vcpu); i++) {
			kt_start(&vcpu[i], g.mem, KT_LONG64, KT_CODE);
			RUN(&vcpu[i], KVM_EXIT_HLT);
			CHECK_EQ(kt_regs(&vcpu[i]).rip, KT_CODE + 1);
		}
}

/* ---- passed on ---- */

static void send_fd(int socket, int fd)
{
	char byte = 'f', control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	REQUIRE(sendmsg(socket, &msg, 0) == 1);
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd;

	REQUIRE(recvmsg(socket, &msg, 0) == 1);
	REQUIRE(CMSG_FIRSTHDR(&msg) != NULL);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* The child makes a VM, passes both fds on and is gone: to the parent they are foreign. */
static void passed_to_parent(void)
{
	int pair[2], vm, vcpu, status;
	struct kvm_regs regs;
	pid_t pid;

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		struct kt_guest g = kt_guest(KT_LONG64, CODE(one_halt));

		RUN(&g.vcpu, KVM_EXIT_HLT);
		send_fd(pair[0], g.vm.fd);
		send_fd(pair[0], g.vcpu.fd);
		kt_end();
	}
	vm = receive_fd(pair[1]);
	vcpu = receive_fd(pair[1]);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
	CHECK_ERRNO(ioctl(vm, KVM_CREATE_VCPU, 1), EIO);
	CHECK_ERRNO(ioctl(vcpu, KVM_GET_REGS, &regs), EIO);
	CHECK_ERRNO(ioctl(vcpu, KVM_RUN, 0), EIO);
	CHECK_OK(close(vm));
	CHECK_OK(close(vcpu));
}

/* Within the process it was made in, an fd that came through a socket is as good. */
static void passed_to_self(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(one_halt));
	int pair[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	send_fd(pair[0], g.vcpu.fd);
	CHECK_OK(close(g.vcpu.fd));
	g.vcpu.fd = receive_fd(pair[1]);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	/* One that is never taken out of its socket dies with it. */
	send_fd(pair[0], g.vcpu.fd);
	CHECK_OK(close(pair[0]));
	CHECK_OK(close(pair[1]));
	kt_guest_close(&g);
}

/* ---- big ---- */

static void two_gib(void)
{
	const uint64_t size = 2048 * KT_MIB, gpa = 4096 * KT_MIB, touched = 1024;
	struct kt_guest g = kt_guest(KT_LONG64, CODE(touch_pages));
	uint64_t before = kt_meminfo("MemAvailable");
	struct kvm_regs regs = kt_regs(&g.vcpu);
	uint8_t *mem;

	if (before < 2560 * 1024)
		kt_skip("%llu MiB available, 2560 needed", (unsigned long long)before / 1024);
	mem = kt_anon(size + 2 * KT_MIB);
	mem = (uint8_t *)(((uintptr_t)mem + 2 * KT_MIB - 1) & -(2 * KT_MIB));
	CHECK_OK(madvise(mem, size, MADV_HUGEPAGE));
	CHECK_OK(kt_slot(&g.vm, 1, gpa, size, mem));
	regs.rbx = gpa + size - touched * KT_PAGE;
	regs.rcx = touched;
	kt_set_regs(&g.vcpu, &regs);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(mem[size - touched * KT_PAGE], 0x5a);
	CHECK_EQ(mem[size - KT_PAGE], 0x5a);
	CHECK_OK(kt_slot(&g.vm, 1, gpa, 0, mem));
	CHECK_OK(munmap(mem, size));
	check_memory_back(before, 128 * 1024);
}

static const struct kt_test tests[] = {
	{ "the VM closed before the vCPU", vm_closed_first },
	{ "the vCPU closed before the VM", vcpu_closed_first },
	{ "duplicated fds", duplicates },
	{ "closed while running", closed_while_running },
	{ "killed while running", killed_while_running },
	{ "killed while running frees the memory", killed_frees_memory },
	{ "a hundred VMs, one after the other", hundred_vms },
	{ "sixteen VMs at once", vms_at_once },
	{ "sixteen vCPUs in turn", vcpus_at_once },
	{ "fds passed to another process", passed_to_parent },
	{ "fds passed through a socket", passed_to_self },
	{ "2 GiB on transparent huge pages", two_gib },
};

KT_MAIN(tests)
