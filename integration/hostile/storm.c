// SPDX-License-Identifier: MIT
/*
 * A storm of calls from eight threads on /dev/kvm, VMs and vCPUs: any ioctl with any argument,
 * descriptors that are closed, duplicated and left to a child meanwhile, slots that change and
 * memory that goes while vCPUs run; and processes that are killed in the midst of it. Nothing is
 * expected of a single call. Whoever starts this looks at what is left of the machine.
 */
#include "chance.h"

#include <pthread.h>
#include <sys/wait.h>

#define THREADS 8
#define FDS 24 /* of each kind at once */
#define BUFFER (64UL << 10)
#define SLOT_BYTES (64UL << 10)
#define CODE_AT 0x1000
#define DEVICE_AT 0xD0000000ULL

enum kind { SYSTEM, VM, VCPU, KINDS };

static int fds[KINDS][FDS]; /* 0: none */
static struct kvm_run *runs[FDS];
static uint8_t *memory; /* of all slots; parts of it go and come */
static uint64_t calls, successes;

struct call {
	unsigned long nr;
	enum kind kind;
};

static const struct call table[] = {
#define S(nr) { nr, SYSTEM }
#define M(nr) { nr, VM }
#define C(nr) { nr, VCPU }
	S(KVM_GET_API_VERSION), S(KVM_CREATE_VM), S(KVM_GET_MSR_INDEX_LIST),
	S(KVM_GET_MSR_FEATURE_INDEX_LIST), S(KVM_CHECK_EXTENSION), S(KVM_GET_VCPU_MMAP_SIZE),
	S(KVM_GET_SUPPORTED_CPUID), S(KVM_GET_EMULATED_CPUID), S(KVM_X86_GET_MCE_CAP_SUPPORTED),
	M(KVM_CREATE_VCPU), M(KVM_GET_DIRTY_LOG), M(KVM_SET_USER_MEMORY_REGION),
	M(KVM_SET_TSS_ADDR), M(KVM_SET_IDENTITY_MAP_ADDR), M(KVM_CREATE_IRQCHIP), M(KVM_IRQ_LINE),
	M(KVM_GET_IRQCHIP), M(KVM_SET_GSI_ROUTING), M(KVM_IRQFD), M(KVM_IOEVENTFD),
	M(KVM_CREATE_PIT2), M(KVM_SET_BOOT_CPU_ID), M(KVM_SET_CLOCK), M(KVM_GET_CLOCK),
	M(KVM_CREATE_DEVICE), M(KVM_REGISTER_COALESCED_MMIO), M(KVM_UNREGISTER_COALESCED_MMIO),
	M(KVM_ENABLE_CAP), M(KVM_CLEAR_DIRTY_LOG), M(KVM_X86_SET_MSR_FILTER), M(KVM_GET_STATS_FD),
	M(KVM_CHECK_EXTENSION), M(KVM_SIGNAL_MSI), M(KVM_REINJECT_CONTROL),
	C(KVM_RUN), C(KVM_RUN), C(KVM_RUN), C(KVM_RUN), C(KVM_GET_REGS), C(KVM_SET_REGS),
	C(KVM_GET_SREGS), C(KVM_TRANSLATE), C(KVM_INTERRUPT), C(KVM_GET_MSRS), C(KVM_SET_MSRS),
	C(KVM_SET_CPUID), C(KVM_SET_CPUID2), C(KVM_GET_CPUID2), C(KVM_GET_FPU), C(KVM_SET_FPU),
	C(KVM_GET_LAPIC), C(KVM_TPR_ACCESS_REPORTING), C(KVM_GET_MP_STATE), C(KVM_SET_MP_STATE),
	C(KVM_NMI), C(KVM_X86_SETUP_MCE), C(KVM_X86_SET_MCE), C(KVM_GET_VCPU_EVENTS),
	C(KVM_SET_VCPU_EVENTS), C(KVM_GET_DEBUGREGS), C(KVM_SET_DEBUGREGS), C(KVM_ENABLE_CAP),
	C(KVM_GET_XSAVE), C(KVM_SET_XSAVE), C(KVM_GET_XCRS), C(KVM_SET_XCRS), C(KVM_SET_TSC_KHZ),
	C(KVM_GET_TSC_KHZ), C(KVM_KVMCLOCK_CTRL), C(KVM_SET_SIGNAL_MASK), C(KVM_GET_STATS_FD),
	C(KVM_SET_GUEST_DEBUG), C(KVM_SMI),
};

/* OUT, a device's memory, CPUID, the counter at 0x7000; then HLT, once more. */
static const uint8_t guest_code[] = {
	0xE6, 0x10,					    /* out 0x10, al */
	0x66, 0xA1, 0x00, 0x70,				    /* mov eax, [0x7000] */
	0x66, 0x40, 0x66, 0xA3, 0x00, 0x70,		    /* inc eax; mov [0x7000], eax */
	0x0F, 0xA2, 0xE4, 0x14,				    /* cpuid; in al, 0x14 */
	0xF4, 0xEB, 0xED,				    /* hlt; jmp to the beginning */
};

static int *fd_any(uint64_t *state, enum kind kind)
{
	return &fds[kind][chance_below(state, FDS)];
}

/* The number of a place without one becomes fd; without such a place it is closed. */
static int fd_keep(enum kind kind, int fd)
{
	for (int i = 0; fd > 0 && i < FDS; i++) {
		int none = 0;

		if (__atomic_compare_exchange_n(&fds[kind][i], &none, fd, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return i;
	}
	if (fd > 0)
		close(fd);
	return -1;
}

static void fd_drop(int *place)
{
	int fd = __atomic_exchange_n(place, 0, __ATOMIC_RELAXED);

	if (fd)
		close(fd);
}

/* Nothing, the kernel's, what nobody has, the last bytes of a page, or a buffer. */
static void *pointer(uint64_t *state, uint8_t *buffer)
{
	switch (chance_below(state, 8)) {
	case 0:
		return (void *)chance(state);
	case 1:
		return (void *)(0xFFFF800000000000ULL | chance(state));
	case 2:
		return (void *)chance_below(state, 64);
	case 3:
		return buffer + BUFFER - chance_below(state, 64);
	}
	return buffer;
}

/* Lists with a count in front are the usual thing; small numbers make more sense than large. */
static void fill(uint64_t *state, uint8_t *buffer)
{
	uint32_t *word = (uint32_t *)buffer;

	for (int i = 0; i < 128; i++)
		word[i] = (uint32_t)(chance(state) >> (32 + chance_below(state, 32)));
	if (chance_below(state, 2))
		word[0] = (uint32_t)chance_below(state, 8);
	if (chance_below(state, 2))
		memset(buffer + 8, 0, 64);
}

static void slot_change(uint64_t *state, int vm)
{
	struct kvm_userspace_memory_region region = {
		.slot = (uint32_t)chance_below(state, 4),
		.flags = (uint32_t)chance_below(state, 4),
		.guest_phys_addr = chance_below(state, 4) * SLOT_BYTES,
		.memory_size = chance_below(state, 3) * (SLOT_BYTES / 2),
		.userspace_addr = (uintptr_t)memory + chance_below(state, 4) * SLOT_BYTES,
	};

	ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

/* A VM with a slot of code and a vCPU in real mode at it. */
static void make_vm(uint64_t *state)
{
	struct kvm_userspace_memory_region region = { .memory_size = SLOT_BYTES };
	int vm = ioctl(fds[SYSTEM][0], KVM_CREATE_VM, 0), vcpu, place;
	struct kvm_regs regs = { .rip = CODE_AT, .rflags = 2, .rsp = 0x8000 };
	struct kvm_sregs sregs;

	if (vm < 0)
		return;
	region.userspace_addr = (uintptr_t)memory + chance_below(state, 4) * SLOT_BYTES;
	ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
	vcpu = ioctl(vm, KVM_CREATE_VCPU, chance_below(state, 300));
	fd_keep(VM, vm);
	if (vcpu < 0)
		return;
	if (!ioctl(vcpu, KVM_GET_SREGS, &sregs)) {
		sregs.cs.base = sregs.cs.selector = 0;
		ioctl(vcpu, KVM_SET_SREGS, &sregs);
		ioctl(vcpu, KVM_SET_REGS, &regs);
	}
	place = fd_keep(VCPU, vcpu);
	if (place >= 0 && !runs[place]) {
		void *run = mmap(NULL, 3 * KT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

		runs[place] = run == MAP_FAILED ? NULL : run;
	}
}

/* All slots' memory is there at this address always; but what is behind it goes. */
static void memory_goes(uint64_t *state)
{
	uint8_t *at = memory + chance_below(state, 4) * SLOT_BYTES;

	switch (chance_below(state, 4)) {
	case 0:
		madvise(at, SLOT_BYTES, MADV_DONTNEED);
		break;
	case 1:
		munmap(at, SLOT_BYTES / 2); /* comes again below, or with the next one */
		break;
	case 2:
		mprotect(at, SLOT_BYTES, chance_below(state, 2) ? PROT_READ : PROT_READ | PROT_WRITE);
		break;
	}
	if (mmap(at, SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) == at)
		memcpy(at + CODE_AT, guest_code, sizeof(guest_code));
}

/* A child has all descriptors, too: it uses them, and goes, or is killed. */
static void child(uint64_t *state, uint8_t *buffer)
{
	pid_t pid = fork();

	if (!pid) {
		for (int i = 0; i < 20; i++) {
			const struct call *call = &table[chance_below(state, KT_LEN(table))];

			ioctl(*fd_any(state, call->kind), call->nr, buffer);
		}
		_exit(0);
	}
	if (pid > 0 && chance_below(state, 2))
		kill(pid, SIGKILL);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void any_ioctl(uint64_t *state, uint8_t *buffer)
{
	const struct call *call = &table[chance_below(state, KT_LEN(table))];
	/* Sometimes of another kind than the descriptor's. */
	enum kind kind = chance_below(state, 16) ? call->kind : (enum kind)chance_below(state, KINDS);
	uint64_t fn = call->nr;
	int ret;

	if (!chance_below(state, 32))
		fn = chance(state); /* no ioctl, or one with another size */
	fill(state, buffer);
	ret = ioctl(*fd_any(state, kind), fn, pointer(state, buffer));
	__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
	if (ret < 0)
		return;
	__atomic_fetch_add(&successes, 1, __ATOMIC_RELAXED);
	if (fn == KVM_CREATE_VM)
		fd_keep(VM, ret);
	else if (fn == KVM_CREATE_VCPU)
		fd_keep(VCPU, ret);
	else if (fn == KVM_GET_STATS_FD)
		close(ret);
}

static void step(uint64_t *state, uint8_t *buffer)
{
	switch (chance_below(state, 64)) {
	case 0:
	case 1:
		make_vm(state);
		break;
	case 2:
		fd_drop(fd_any(state, VM));
		break;
	case 3:
		fd_drop(fd_any(state, VCPU));
		break;
	case 4:
		fd_keep(VCPU, dup(*fd_any(state, VCPU)));
		break;
	case 5:
	case 6:
	case 7:
	case 8:
		slot_change(state, *fd_any(state, VM));
		break;
	case 9:
		memory_goes(state);
		break;
	case 10:
		if (!chance_below(state, 16))
			child(state, buffer);
		break;
	default:
		any_ioctl(state, buffer);
	}
}

static void *thread(void *arg)
{
	uint64_t state = (uintptr_t)arg;
	uint8_t *buffer = mmap(NULL, BUFFER + KT_PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(buffer + BUFFER, KT_PAGE);
	chance_kick_every(3000000);
	for (;;)
		step(&state, buffer);
	return NULL;
}

/* Never ends by itself. */
static void storm(uint64_t seed, int report)
{
	pthread_t id;

	memory = mmap(NULL, 4 * SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 4; i++)
		memcpy(memory + i * SLOT_BYTES + CODE_AT, guest_code, sizeof(guest_code));
	fds[SYSTEM][0] = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&id, NULL, thread, (void *)(uintptr_t)chance(&seed)))
			_exit(2);
	for (;;) {
		uint64_t told[2] = { __atomic_load_n(&calls, __ATOMIC_RELAXED),
				     __atomic_load_n(&successes, __ATOMIC_RELAXED) };

		if (write(report, told, sizeof(told)) != sizeof(told))
			_exit(2);
		usleep(20000);
	}
}

/* One storm, killed after so long; adds what it told last. */
static void storm_killed(uint64_t seed, useconds_t after, uint64_t sum[2])
{
	uint64_t told[2], last[2] = { 0 };
	int report[2], status;
	pid_t pid;

	REQUIRE(pipe2(report, O_CLOEXEC | O_NONBLOCK) == 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (!pid)
		storm(seed, report[1]);
	close(report[1]);
	usleep(after);
	kill(pid, SIGKILL);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	/* Its memory comes and goes, so a fault in user space is no surprise. */
	if (!WIFSIGNALED(status))
		kt_fail(__FILE__, __LINE__, "it ended with status %d", WEXITSTATUS(status));
	while (read(report[0], told, sizeof(told)) == sizeof(told))
		memcpy(last, told, sizeof(last));
	close(report[0]);
	sum[0] += last[0];
	sum[1] += last[1];
}

static void storms(void)
{
	double until = kt_seconds() + chance_seconds(40);
	uint64_t state = chance_seed(), sum[2] = { 0 }, n = 0;

	for (; kt_seconds() < until; n++)
		storm_killed(chance(&state), (useconds_t)chance_below(&state, 3000000), sum);
	kt_note("%llu processes killed, %llu calls, %llu of them succeeded", (unsigned long long)n,
		(unsigned long long)sum[0], (unsigned long long)sum[1]);
	CHECK(sum[1] > 100);
}

int main(void)
{
	static const struct kt_test tests[] = {
		{ "eight threads call at random, and are killed", storms },
	};

	return kt_main(tests, KT_LEN(tests));
}
