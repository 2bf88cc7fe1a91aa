// SPDX-License-Identifier: MIT
/*
 * The system fd, and what the three kinds of fd have in common: versions, capabilities,
 * unknown calls, calls from a foreign process, file flags, mmap.
 */
#include "kvmtest.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

static void api_version(void)
{
	int kvm = kt_open();

	CHECK_EQ(ioctl(kvm, KVM_GET_API_VERSION, 0), 12);
	CHECK_EQ(KVM_API_VERSION, 12);
	CHECK_ERRNO(ioctl(kvm, KVM_GET_API_VERSION, 1), EINVAL);
}

static void mmap_size(void)
{
	int kvm = kt_open();
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	CHECK(size >= 2 * (int)KT_PAGE); /* kvm_run and the data of port I/O */
	CHECK_EQ(size % KT_PAGE, 0);
	CHECK_ERRNO(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 1), EINVAL);
}

static void open_flags(void)
{
	int fd = open("/dev/kvm", O_RDONLY);

	CHECK(fd >= 0);
	CHECK_EQ(ioctl(fd, KVM_GET_API_VERSION, 0), 12);
	CHECK_OK(close(fd));
	fd = open("/dev/kvm", O_RDWR | O_NONBLOCK);
	CHECK(fd >= 0);
	CHECK_OK(ioctl(fd, KVM_CREATE_VM, 0));
}

static int cap(int fd, long number)
{
	return ioctl(fd, KVM_CHECK_EXTENSION, number);
}

static void capabilities_base(void)
{
	struct kt_vm vm = kt_vm_create();

	CHECK_EQ(cap(vm.kvm, KVM_CAP_USER_MEMORY), 1);
	CHECK_EQ(cap(vm.kvm, KVM_CAP_DESTROY_MEMORY_REGION_WORKS), 1);
	CHECK_EQ(cap(vm.kvm, KVM_CAP_JOIN_MEMORY_REGIONS_WORKS), 1);
	CHECK_EQ(cap(vm.kvm, KVM_CAP_IMMEDIATE_EXIT), 1);
	CHECK_EQ(cap(vm.kvm, KVM_CAP_CHECK_EXTENSION_VM), 1);
	CHECK(cap(vm.kvm, KVM_CAP_NR_MEMSLOTS) >= 32);
	CHECK(cap(vm.kvm, KVM_CAP_NR_VCPUS) >= 1);
	CHECK(cap(vm.kvm, KVM_CAP_MAX_VCPUS) >= cap(vm.kvm, KVM_CAP_NR_VCPUS));
	CHECK(cap(vm.kvm, KVM_CAP_MAX_VCPU_ID) == 0 ||
	      cap(vm.kvm, KVM_CAP_MAX_VCPU_ID) >= cap(vm.kvm, KVM_CAP_MAX_VCPUS));
}

static void capabilities_unknown(void)
{
	static const unsigned long unknown[] = { 5, 999, 0x7fffffff, 0xffffffff, ~0UL, 1UL << 63 };
	struct kt_vm vm = kt_vm_create();

	for (unsigned int i = 0; i < KT_LEN(unknown); i++) {
		CHECK_EQ(ioctl(vm.kvm, KVM_CHECK_EXTENSION, unknown[i]), 0);
		CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, unknown[i]), 0);
	}
}

static void capabilities_foreign(void)
{
	static const int foreign[] = { KVM_CAP_ARM_PSCI,      KVM_CAP_ARM_VM_IPA_SIZE,
				       KVM_CAP_S390_UCONTROL, KVM_CAP_PPC_SMT,
				       KVM_CAP_MIPS_TE,	      KVM_CAP_ONE_REG };
	struct kt_vm vm = kt_vm_create();

	for (unsigned int i = 0; i < KT_LEN(foreign); i++)
		CHECK_EQ(cap(vm.kvm, foreign[i]), 0);
}

static void capabilities_same_on_vm(void)
{
	struct kt_vm vm = kt_vm_create();

	for (int i = 0; i < 300; i++) {
		CHECK(cap(vm.kvm, i) >= 0);
		if (cap(vm.fd, i) != cap(vm.kvm, i))
			kt_fail(__FILE__, __LINE__, "capability %d: %d on the system, %d on a VM",
				i, cap(vm.kvm, i), cap(vm.fd, i));
	}
}

/* What a capability stands for: without it the call is unknown, with it the call is known. */
struct call {
	int cap;
	char object; /* 's'ystem, 'v'm, 'c'pu */
	const char *name;
	unsigned long request;
};

#define CALL(cap, object, request)                                                                 \
	{                                                                                          \
		cap, object, #request, request                                                     \
	}

static const struct call calls[] = {
	CALL(KVM_CAP_EXT_CPUID, 's', KVM_GET_SUPPORTED_CPUID),
	CALL(KVM_CAP_EXT_EMUL_CPUID, 's', KVM_GET_EMULATED_CPUID),
	CALL(KVM_CAP_GET_MSR_FEATURES, 's', KVM_GET_MSR_FEATURE_INDEX_LIST),
	CALL(KVM_CAP_IRQFD, 'v', KVM_IRQFD),
	CALL(KVM_CAP_IOEVENTFD, 'v', KVM_IOEVENTFD),
	CALL(KVM_CAP_ADJUST_CLOCK, 'v', KVM_GET_CLOCK),
	CALL(KVM_CAP_SIGNAL_MSI, 'v', KVM_SIGNAL_MSI),
	CALL(KVM_CAP_ENABLE_CAP_VM, 'v', KVM_ENABLE_CAP),
	CALL(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 'v', KVM_CLEAR_DIRTY_LOG),
	CALL(KVM_CAP_EXT_CPUID, 'c', KVM_SET_CPUID2),
	CALL(KVM_CAP_EXT_CPUID, 'c', KVM_GET_CPUID2),
	CALL(KVM_CAP_MP_STATE, 'c', KVM_GET_MP_STATE),
	CALL(KVM_CAP_VCPU_EVENTS, 'c', KVM_GET_VCPU_EVENTS),
	CALL(KVM_CAP_DEBUGREGS, 'c', KVM_GET_DEBUGREGS),
	CALL(KVM_CAP_XSAVE, 'c', KVM_GET_XSAVE),
	CALL(KVM_CAP_XCRS, 'c', KVM_GET_XCRS),
	CALL(KVM_CAP_SET_GUEST_DEBUG, 'c', KVM_SET_GUEST_DEBUG),
	CALL(KVM_CAP_MCE, 'c', KVM_X86_SET_MCE),
	CALL(KVM_CAP_ONE_REG, 'c', KVM_GET_ONE_REG),
	CALL(KVM_CAP_SREGS2, 'c', KVM_GET_SREGS2),
};

static void capability_calls(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);

	for (unsigned int i = 0; i < KT_LEN(calls); i++) {
		const struct call *c = &calls[i];
		int fd = c->object == 's' ? vm.kvm : c->object == 'v' ? vm.fd : vcpu.fd;
		int has = cap(vm.fd, c->cap);
		/* A bad pointer: a known call gives EFAULT, and changes nothing. */
		int r = ioctl(fd, c->request, 8UL);
		bool unknown = r == -1 && (errno == ENOTTY || errno == EINVAL);

		if (has ? r != -1 || errno != EFAULT : !unknown)
			kt_fail(__FILE__, __LINE__, "%s with capability %d: %d, errno %d", c->name,
				has, r, errno);
	}
}

static void unknown_calls(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);

	CHECK_ERRNO(ioctl(vm.kvm, _IO(KVMIO, 0xff), 0), EINVAL);
	CHECK_ERRNO(ioctl(vm.fd, _IO(KVMIO, 0xff), 0), ENOTTY);
	CHECK_ERRNO(ioctl(vcpu.fd, _IO(KVMIO, 0xff), 0), EINVAL);
	/* A known number with another size or direction is another call. */
	CHECK_ERRNO(ioctl(vm.kvm, _IOR(KVMIO, 0x00, int), 0), EINVAL);
	CHECK_ERRNO(ioctl(vm.fd, _IO(KVMIO, 0x46), 0), ENOTTY);
	CHECK_ERRNO(ioctl(vcpu.fd, _IO(KVMIO, 0x81), 0), EINVAL);
	/* Another type than KVMIO. */
	CHECK_ERRNO(ioctl(vm.kvm, _IO('x', 0), 0), EINVAL);
	CHECK_ERRNO(ioctl(vm.fd, _IO('x', 0), 0), ENOTTY);
	CHECK_ERRNO(ioctl(vcpu.fd, _IO('x', 0), 0), EINVAL);
}

/* A call on the wrong kind of fd. */
static void misplaced_calls(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct kvm_regs regs;

	CHECK_ERRNO(ioctl(vm.kvm, KVM_CREATE_VCPU, 0), EINVAL);
	CHECK_ERRNO(ioctl(vm.kvm, KVM_RUN, 0), EINVAL);
	CHECK_ERRNO(ioctl(vm.fd, KVM_GET_API_VERSION, 0), ENOTTY);
	CHECK_ERRNO(ioctl(vm.fd, KVM_CREATE_VM, 0), ENOTTY);
	CHECK_ERRNO(ioctl(vm.fd, KVM_RUN, 0), ENOTTY);
	CHECK_ERRNO(ioctl(vm.fd, KVM_GET_REGS, &regs), ENOTTY);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_CREATE_VM, 0), EINVAL);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY), EINVAL);
}

static void create_vm_types(void)
{
	static const unsigned long bad[] = { 1, 2, 0x80000000, 1UL << 32, ~0UL };
	int kvm = kt_open();
	int fd = ioctl(kvm, KVM_CREATE_VM, 0);

	CHECK(fd >= 0);
	for (unsigned int i = 0; i < KT_LEN(bad); i++)
		CHECK_ERRNO(ioctl(kvm, KVM_CREATE_VM, bad[i]), EINVAL);
}

static void close_on_exec(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);

	CHECK_EQ(fcntl(vm.fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(vcpu.fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(vm.fd, F_GETFL) & O_ACCMODE, O_RDWR);
	CHECK_EQ(fcntl(vcpu.fd, F_GETFL) & O_ACCMODE, O_RDWR);
}

static void check_link(int fd, const char *want)
{
	char path[64], link[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(readlink(path, link, sizeof(link) - 1) > 0);
	if (strcmp(link, want))
		kt_fail(__FILE__, __LINE__, "%s is %s, not %s", path, link, want);
}

static void names_in_proc(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 7);

	check_link(vm.fd, "anon_inode:kvm-vm");
	check_link(vcpu.fd, "anon_inode:kvm-vcpu:7");
}

static void read_and_write(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	int fds[] = { vm.kvm, vm.fd, vcpu.fd };
	char byte = 0;

	for (unsigned int i = 0; i < KT_LEN(fds); i++) {
		CHECK_ERRNO(read(fds[i], &byte, 1), EINVAL);
		CHECK_ERRNO(write(fds[i], &byte, 1), EINVAL);
	}
}

static void *map_of(int fd, size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static void mmap_others(void)
{
	struct kt_vm vm = kt_vm_create();

	CHECK_ERRNO(map_of(vm.kvm, KT_PAGE), ENODEV);
	CHECK_ERRNO(map_of(vm.fd, KT_PAGE), ENODEV);
}

static sigjmp_buf bus_jump;

static void on_bus(int signal)
{
	siglongjmp(bus_jump, signal);
}

/* Touch a byte; false when that gives SIGBUS. */
static bool touch(volatile uint8_t *byte)
{
	signal(SIGBUS, on_bus);
	if (sigsetjmp(bus_jump, 1))
		return false;
	*byte = *byte; /* cppcheck-suppress selfAssignment ; volatile */
	return true;
}

static void mmap_vcpu(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	uint8_t *again = map_of(vcpu.fd, vcpu.run_size);
	uint8_t *beyond = map_of(vcpu.fd, vcpu.run_size + KT_PAGE);

	for (size_t at = 0; at < vcpu.run_size; at += KT_PAGE)
		CHECK(touch((uint8_t *)vcpu.run + at));
	REQUIRE(again != MAP_FAILED);
	vcpu.run->request_interrupt_window = 1;
	CHECK_EQ(((struct kvm_run *)again)->request_interrupt_window, 1);
	if (beyond != MAP_FAILED) {
		CHECK(touch(beyond));
		CHECK(!touch(beyond + vcpu.run_size));
	}
}

/* The mapping lives on its own: neither fd is needed any more. */
static void mmap_outlives_fds(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);

	CHECK_OK(close(vcpu.fd));
	kt_vm_close(&vm);
	CHECK(touch((uint8_t *)vcpu.run));
	vcpu.run->immediate_exit = 1;
	CHECK_EQ(vcpu.run->immediate_exit, 1);
	CHECK_OK(munmap(vcpu.run, vcpu.run_size));
}

static void run_page_is_clean(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);

	for (size_t i = 0; i < vcpu.run_size; i++)
		if (((uint8_t *)vcpu.run)[i]) {
			kt_fail(__FILE__, __LINE__, "byte %zu of a new vCPU's mapping is 0x%x", i,
				((uint8_t *)vcpu.run)[i]);
			break;
		}
}

static void foreign_calls(const struct kt_vm *vm, const struct kt_vcpu *vcpu)
{
	struct kvm_regs regs;

	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 1), EIO);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY), EIO);
	CHECK_ERRNO(kt_slot(vm, 0, 0, KT_PAGE, NULL), EIO);
	CHECK_ERRNO(ioctl(vm->fd, _IO(KVMIO, 0xff), 0), EIO);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_REGS, &regs), EIO);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_RUN, 0), EIO);
	CHECK_ERRNO(ioctl(vcpu->fd, _IO(KVMIO, 0xff), 0), EIO);
	CHECK_EQ(ioctl(vm->kvm, KVM_GET_API_VERSION, 0), 12);
	CHECK_OK(ioctl(vm->kvm, KVM_CREATE_VM, 0));
}

/* A VM belongs to the process that made it; a fork's other half gets EIO. */
static void foreign_process(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct kvm_regs regs;
	pid_t pid = fork();
	int status;

	REQUIRE(pid >= 0);
	if (pid == 0) {
		foreign_calls(&vm, &vcpu);
		kt_end();
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_REGS, &regs));
	CHECK_OK(ioctl(vm.fd, KVM_CREATE_VCPU, 1));
}

static const struct kt_test tests[] = {
	{ "API version", api_version },
	{ "mmap size", mmap_size },
	{ "open flags", open_flags },
	{ "capabilities that everything has", capabilities_base },
	{ "unknown capabilities are 0", capabilities_unknown },
	{ "capabilities of other architectures are 0", capabilities_foreign },
	{ "capabilities are the same on system and VM", capabilities_same_on_vm },
	{ "calls are known as the capabilities say", capability_calls },
	{ "unknown calls", unknown_calls },
	{ "calls on the wrong fd", misplaced_calls },
	{ "CREATE_VM refuses unknown types", create_vm_types },
	{ "VM and vCPU fds are close-on-exec", close_on_exec },
	{ "names of the fds in /proc", names_in_proc },
	{ "read and write are refused", read_and_write },
	{ "system and VM fds can't be mapped", mmap_others },
	{ "vCPU mapping: size and end", mmap_vcpu },
	{ "vCPU mapping outlives the fds", mmap_outlives_fds },
	{ "vCPU mapping starts zeroed", run_page_is_clean },
	{ "another process gets EIO", foreign_process },
};

KT_MAIN(tests)
