// SPDX-License-Identifier: MIT
/*
 * What a guest doesn't reach: addresses outside of its slots, memory of a slot that is gone,
 * what other VMs left in memory and in registers.
 */
#include "peek.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "../../microkernel/loader/mv_loader.h"

GUEST(sweep);
GUEST(hammer);
GUEST(fill);
GUEST(any);

#define SWEEP_READ KT_CODE
#define SWEEP_WRITE (KT_CODE + 32)
#define GPA 0x10000000UL
#define GIB (1UL << 30)
#define SHOWN (7 * GIB) /* where show() puts what lies above the identity map */
#define SECRET 0xA5A5A5A5A5A5A5A5UL

/* ---- outside of the slots ---- */

static void mmio_is(const struct kt_vcpu *vcpu, uint64_t gpa, uint32_t len, bool write)
{
	const struct kvm_run *run = vcpu->run;

	RUN(vcpu, KVM_EXIT_MMIO);
	if (run->mmio.phys_addr == gpa && run->mmio.len == len && run->mmio.is_write == write)
		return;
	kt_fail(__FILE__, __LINE__, "%s of %u at 0x%llx, not of %u at 0x%llx",
		run->mmio.is_write ? "write" : "read", run->mmio.len,
		(unsigned long long)run->mmio.phys_addr, len, (unsigned long long)gpa);
	kt_end();
}

/* n reads, or writes, of the guest from va on, that is gpa: each one is user space's to answer. */
static void sweep_is_mmio(struct kt_guest *g, bool write, uint64_t va, uint64_t gpa, uint64_t n,
			  uint64_t step)
{
	struct kvm_regs regs = { .rip = write ? SWEEP_WRITE : SWEEP_READ, .rflags = 2 };
	uint64_t sum = 0;

	regs.rbx = va;
	regs.rcx = n;
	regs.rsi = step;
	kt_set_regs(&g->vcpu, &regs);
	for (uint64_t i = 0; i < n; i++) {
		const uint64_t value = gpa ^ i << 40;

		mmio_is(&g->vcpu, gpa + i * step, 8, write);
		if (!write)
			memcpy(g->vcpu.run->mmio.data, &value, sizeof(value));
		sum += write ? 0 : value;
	}
	RUN(&g->vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g->vcpu).rdx, sum);
}

static void nothing_there(struct kt_guest *g, uint64_t gpa, uint64_t n, uint64_t step)
{
	kt_context("from 0x%llx:", (unsigned long long)gpa);
	sweep_is_mmio(g, false, gpa, gpa, n, step);
	sweep_is_mmio(g, true, gpa, gpa, n, step);
}

static void edges(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(sweep));
	uint8_t *mem = kt_memory(&g.vm, 1, GPA, 3 * KT_PAGE);
	const uint64_t end = GPA + 3 * KT_PAGE;

	memset(mem, 0x11, 3 * KT_PAGE);
	kt_memory(&g.vm, 2, end + KT_PAGE, KT_PAGE); /* a hole of one page before it */
	nothing_there(&g, KT_GUEST_SIZE, 512, KT_PAGE);
	nothing_there(&g, GPA - 8, 1, 8);
	nothing_there(&g, GPA - 64 * KT_PAGE, 64, KT_PAGE);
	nothing_there(&g, end, 512, 8);
	nothing_there(&g, end + 2 * KT_PAGE, 64, KT_PAGE);
	nothing_there(&g, 4 * GIB - KT_PAGE, 2, KT_PAGE);
	for (unsigned int i = 0; i < 3 * KT_PAGE; i++)
		if (mem[i] != 0x11) {
			kt_fail(__FILE__, __LINE__, "byte %u is 0x%x", i, mem[i]);
			break;
		}
}

/* Half of the access is in the slot, the other is not. */
static void half_outside(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(peek_poke));
	uint64_t *mem = kt_memory(&g.vm, 1, GPA, KT_PAGE);
	struct kvm_regs regs = { .rip = PEEK_ENTRY, .rflags = 2, .rbx = GPA + KT_PAGE - 4 };
	const uint32_t half = 0x55667788;

	mem[511] = 0x1122334400000000;
	kt_set_regs(&g.vcpu, &regs);
	mmio_is(&g.vcpu, GPA + KT_PAGE, 4, false);
	memcpy(g.vcpu.run->mmio.data, &half, sizeof(half));
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x5566778811223344);
	regs = (struct kvm_regs){ .rip = POKE_ENTRY, .rflags = 2, .rbx = GPA - 4, .rax = SECRET };
	kt_set_regs(&g.vcpu, &regs);
	mmio_is(&g.vcpu, GPA - 4, 4, true);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(mem[0], SECRET >> 32);
}

/* All that a machine may have below 6 GiB, the hypervisor's memory with it, at steps of 1 MiB. */
static void everywhere(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(sweep));

	nothing_there(&g, KT_GUEST_SIZE, 6 * GIB / KT_MIB - 2, KT_MIB);
	nothing_there(&g, 0xfee00000, 64, 64); /* where the host's local APIC is */
}

/* Shows 2 MiB of guest-physical memory at an address of its own, which it returns. */
static uint64_t show(struct kt_guest *g, unsigned int n, uint64_t gpa)
{
	uint64_t *pd = (uint64_t *)(g->mem + KT_TABLES + (2 + SHOWN / GIB) * KT_PAGE);

	pd[n] = (gpa & -(2 * KT_MIB)) | 0x87;
	return SHOWN + n * 2 * KT_MIB + (gpa & (2 * KT_MIB - 1));
}

static void top_of_addresses(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(sweep));

	kt_set_cpuid(&g.vm, &g.vcpu);
	for (unsigned int bit = 33; bit < 40; bit++) {
		const uint64_t at[] = { (1UL << bit) - 8, 1UL << bit };

		for (unsigned int i = 0; i < 2; i++) {
			uint64_t va = show(&g, (bit - 33) * 2 + i, at[i]);

			kt_context("0x%llx:", (unsigned long long)at[i]);
			sweep_is_mmio(&g, false, va, at[i], 1, 8);
			sweep_is_mmio(&g, true, va, at[i], 1, 8);
		}
	}
	sweep_is_mmio(&g, false, show(&g, 20, (1UL << 40) - 8), (1UL << 40) - 8, 1, 8);
}

/* Physical address of a page of this process. */
static uint64_t frame_of(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	REQUIRE(fd >= 0);
	REQUIRE(pread(fd, &entry, 8, (off_t)((uintptr_t)p / KT_PAGE * 8)) == 8);
	close(fd);
	return (entry & ((1UL << 55) - 1)) * KT_PAGE;
}

/* Frames of root that are in use, and each page of the hypervisor's where there is one. */
static void frames_of_the_host(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(sweep));
	int fd = open("/dev/" MV_LOADER_DEVICE, O_RDWR | O_CLOEXEC);
	uint8_t *mem = kt_anon(64 * KT_PAGE);

	for (unsigned int i = 0; i < 64; i++) {
		memset(mem + i * KT_PAGE, 0xA5, KT_PAGE);
		if (frame_of(mem + i * KT_PAGE) >= KT_GUEST_SIZE)
			nothing_there(&g, frame_of(mem + i * KT_PAGE), 1, 8);
	}
	for (uint64_t nr = 0; fd >= 0; nr++) {
		struct mv_loader_status st = { .hidden_nr = nr };

		REQUIRE(ioctl(fd, MV_LOADER_STATUS, &st) == 0);
		if (!st.hidden_bytes)
			break;
		kt_context("the hypervisor's 0x%llx:", (unsigned long long)st.hidden_spa);
		sweep_is_mmio(&g, nr & 1, st.hidden_spa, st.hidden_spa, st.hidden_bytes / KT_PAGE,
			      KT_PAGE);
	}
}

/* ---- a slot that goes while two CPUs use it ---- */

#define VCPUS 2
#define SEEN 0x20000UL /* of vCPU n, at n * 64: the last value, a count */
#define CANARY 0xDEADUL
#define ROUNDS 25

struct hammering {
	struct kt_vcpu vcpu;
	pthread_t thread;
	unsigned int nr;
	unsigned int parked, go; /* rounds: how often it ended in MMIO, how often it may go on */
};

static unsigned int load(unsigned int *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void *hammer_thread(void *arg)
{
	struct hammering *h = arg;
	cpu_set_t cpu = kt_cpu(h->nr);

	REQUIRE(sched_setaffinity(0, sizeof(cpu), &cpu) == 0);
	for (unsigned int round = 1; round <= ROUNDS; round++) {
		while (load(&h->go) < round)
			usleep(100);
		while (ioctl(h->vcpu.fd, KVM_RUN, 0) == -1)
			REQUIRE(errno == EINTR);
		CHECK_EQ(h->vcpu.run->exit_reason, KVM_EXIT_MMIO);
		memset(h->vcpu.run->mmio.data, 0, 8);
		__atomic_store_n(&h->parked, round, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void start_hammering(struct kt_guest *g, struct hammering *h, unsigned int nr)
{
	struct kvm_regs regs = { .rip = KT_CODE, .rflags = 2, .rbx = GPA };

	h->vcpu = nr ? kt_vcpu_create(&g->vm, nr) : g->vcpu;
	h->nr = nr;
	kt_start(&h->vcpu, g->mem, KT_LONG64, KT_CODE);
	regs.rsi = SEEN + nr * 64;
	regs.rdi = GPA + 64 + nr * 8;
	regs.rdx = 100 + nr;
	kt_set_regs(&h->vcpu, &regs);
	REQUIRE(pthread_create(&h->thread, NULL, hammer_thread, h) == 0);
}

/* Both vCPUs have seen the value, which the memory holds in this round. */
static void wait_until_seen(struct kt_guest *g, uint64_t value)
{
	for (unsigned int nr = 0; nr < VCPUS; nr++) {
		volatile uint64_t *seen = (uint64_t *)(g->mem + SEEN + nr * 64);

		for (unsigned int i = 0; seen[0] != value && i < 20000; i++)
			usleep(500);
		REQUIRE(seen[0] == value);
	}
}

static void deleted_round(struct kt_guest *g, struct hammering *h, volatile uint64_t *mem,
			  size_t size, unsigned int round)
{
	mem[0] = 1000 + round;
	REQUIRE(kt_slot(&g->vm, 1, GPA, size, (const void *)mem) == 0);
	for (unsigned int nr = 0; nr < VCPUS; nr++)
		__atomic_store_n(&h[nr].go, round, __ATOMIC_SEQ_CST);
	wait_until_seen(g, 1000 + round);
	REQUIRE(kt_slot(&g->vm, 1, GPA, 0, NULL) == 0);
	/* From now on nobody reads or writes there but we. */
	mem[0] = CANARY;
	for (unsigned int nr = 0; nr < VCPUS; nr++)
		mem[8 + nr] = CANARY;
	for (unsigned int nr = 0; nr < VCPUS; nr++)
		while (load(&h[nr].parked) < round)
			usleep(100);
	for (unsigned int nr = 0; nr < VCPUS; nr++) {
		CHECK_EQ(mem[8 + nr], CANARY);
		CHECK(*(uint64_t *)(g->mem + SEEN + nr * 64) != CANARY);
	}
}

static void deleted_under(volatile uint64_t *mem, size_t size)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(hammer));
	struct hammering h[VCPUS] = { 0 };

	memset((void *)mem, 0, size);
	for (unsigned int nr = 0; nr < VCPUS; nr++)
		start_hammering(&g, &h[nr], nr);
	for (unsigned int round = 1; round <= ROUNDS; round++)
		deleted_round(&g, h, mem, size, round);
	for (unsigned int nr = 0; nr < VCPUS; nr++)
		REQUIRE(pthread_join(h[nr].thread, NULL) == 0);
}

static void deleted_page(void)
{
	deleted_under(kt_anon(KT_PAGE), KT_PAGE);
}

static void deleted_large_page(void)
{
	uint8_t *mem = kt_anon(4 * KT_MIB);

	mem += -(uintptr_t)mem & (2 * KT_MIB - 1);
	madvise(mem, 2 * KT_MIB, MADV_HUGEPAGE);
	deleted_under((uint64_t *)mem, 2 * KT_MIB);
}

/* ---- what others left ---- */

#define SECRET_BYTES (16 * KT_MIB)

/* A VM of a process of its own fills its memory and is killed while it does so again. */
static void leave_secrets(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(fill));
	struct kvm_regs regs = { .rip = KT_CODE, .rflags = 2, .rax = SECRET, .rdi = GPA };

	kt_memory(&g.vm, 1, GPA, SECRET_BYTES);
	regs.rcx = SECRET_BYTES / 8;
	kt_set_regs(&g.vcpu, &regs);
	RUN(&g.vcpu, KVM_EXIT_IO);
	raise(SIGSTOP); /* the parent goes on */
	for (;;)
		RUN(&g.vcpu, KVM_EXIT_IO);
}

static void kill_a_vm_with_secrets(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		leave_secrets();
		_exit(1);
	}
	REQUIRE(pid > 0);
	REQUIRE(waitpid(pid, &status, WUNTRACED) == pid);
	REQUIRE(WIFSTOPPED(status));
	kill(pid, SIGCONT);
	usleep(20000);
	kill(pid, SIGKILL);
	REQUIRE(waitpid(pid, &status, 0) == pid);
}

static void fresh_memory(void)
{
	for (unsigned int i = 0; i < 3; i++) {
		struct kvm_regs regs = { .rip = KT_CODE, .rflags = 2, .rsi = GPA };
		struct kt_guest g;

		kill_a_vm_with_secrets();
		g = kt_guest(KT_LONG64, CODE(any));
		kt_memory(&g.vm, 1, GPA, SECRET_BYTES);
		regs.rcx = SECRET_BYTES / 8;
		kt_set_regs(&g.vcpu, &regs);
		RUN(&g.vcpu, KVM_EXIT_HLT);
		CHECK_EQ(kt_regs(&g.vcpu).rax, 0);
		kt_guest_close(&g);
	}
}

static const uint32_t msrs[] = {
	0xC0000081, 0xC0000082, 0xC0000083, 0xC0000084, 0xC0000102, 0x174, 0x175, 0x176, 0x277,
};

struct msr_list {
	struct kvm_msrs head;
	struct kvm_msr_entry entry[KT_LEN(msrs)];
};

/* All that user space gets of a vCPU, and its shared pages. */
struct snapshot {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_xsave xsave;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
	struct msr_list msr;
	uint8_t run[3 * KT_PAGE];
};

static struct msr_list msr_list(uint64_t data)
{
	struct msr_list list = { .head.nmsrs = KT_LEN(msrs) };

	for (unsigned int i = 0; i < KT_LEN(msrs); i++)
		list.entry[i] = (struct kvm_msr_entry){ .index = msrs[i], .data = data };
	return list;
}

static struct snapshot *snapshot_of_new(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct snapshot *s = calloc(1, sizeof(*s));

	REQUIRE(s != NULL);
	s->msr = msr_list(0);
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_REGS, &s->regs));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_SREGS, &s->sregs));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_FPU, &s->fpu));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_XSAVE, &s->xsave));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_DEBUGREGS, &s->debug));
	CHECK_OK(ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &s->events));
	CHECK_EQ(ioctl(vcpu.fd, KVM_GET_MSRS, &s->msr), KT_LEN(msrs));
	memcpy(s->run, vcpu.run, vcpu.run_size < sizeof(s->run) ? vcpu.run_size : sizeof(s->run));
	kt_vcpu_close(&vcpu);
	kt_vm_close(&vm);
	return s;
}

/* As much as can be set, of many vCPUs, so that what they took is what the next ones get. */
static void leave_secret_state(void)
{
	struct kt_vm vm = kt_vm_create();
	struct msr_list list = msr_list(0x0000242424242424);
	struct kvm_debugregs debug = { .db = { SECRET, SECRET, SECRET, SECRET } };
	struct kvm_regs regs;
	struct kvm_fpu fpu;

	list.entry[KT_LEN(msrs) - 1].data = 0x0606060606060606; /* PAT */
	memset(&regs, 0xA5, sizeof(regs));
	memset(&fpu, 0xA5, sizeof(fpu));
	regs.rflags = 2;
	fpu.mxcsr = 0x1f80;
	for (unsigned int id = 0; id < 8; id++) {
		struct kt_vcpu vcpu = kt_vcpu_create(&vm, id);

		kt_set_regs(&vcpu, &regs);
		CHECK_OK(ioctl(vcpu.fd, KVM_SET_FPU, &fpu));
		CHECK_OK(ioctl(vcpu.fd, KVM_SET_DEBUGREGS, &debug));
		CHECK_EQ(ioctl(vcpu.fd, KVM_SET_MSRS, &list), KT_LEN(msrs));
		memset(vcpu.run, 0xA5, vcpu.run_size);
		kt_vcpu_close(&vcpu);
	}
	kt_vm_close(&vm);
}

#define SAME(member)                                                                               \
	do {                                                                                       \
		if (memcmp(&now->member, &first->member, sizeof(first->member)))                   \
			kt_fail(__FILE__, __LINE__, "%s isn't as in a new vCPU", #member);         \
	} while (0)

static void fresh_state(void)
{
	struct snapshot *first = snapshot_of_new();

	for (unsigned int i = 0; i < 3; i++) {
		struct snapshot *now;

		leave_secret_state();
		now = snapshot_of_new();
		SAME(regs);
		SAME(sregs);
		SAME(fpu);
		SAME(xsave);
		SAME(debug);
		SAME(events);
		SAME(msr);
		SAME(run);
		CHECK(!memmem(now, sizeof(*now), "\xA5\xA5\xA5\xA5", 4));
		free(now);
	}
}

static const struct kt_test tests[] = {
	{ "isolation: the edges of slots, and holes", edges },
	{ "isolation: an access that is half outside of a slot", half_outside },
	{ "isolation: the addresses of all of the machine's memory", everywhere },
	{ "isolation: the top of the physical addresses", top_of_addresses },
	{ "isolation: frames of root and of the hypervisor", frames_of_the_host },
	{ "isolation: a slot deleted under two vCPUs", deleted_page },
	{ "isolation: the same with a large page", deleted_large_page },
	{ "isolation: memory after a killed VM's", fresh_memory },
	{ "isolation: a new vCPU's state after others'", fresh_state },
};

KT_MAIN(tests)
