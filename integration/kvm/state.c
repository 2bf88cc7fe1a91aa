// SPDX-License-Identifier: MIT
/*
 * State that the CPU has once and that guest and host thread both use: FPU and SSE, debug
 * registers, segment bases, MSRs of system calls. Each must find its own after every exit.
 */
#include "kvmtest.h"

#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>

GUEST(fpu);
GUEST(fpu_reset);
GUEST(debug);
GUEST(bases);
GUEST(tsc_aux);
GUEST(xcr0);

#define SAVED 0x20000UL
#define TSC_AUX 0xC0000103U

struct fxsave {
	uint16_t fcw;
	uint16_t fsw;
	uint8_t ftw;
	uint8_t reserved;
	uint16_t fop;
	uint64_t fip;
	uint64_t fdp;
	uint32_t mxcsr;
	uint32_t mxcsr_mask;
	uint8_t st[8][16];
	uint64_t xmm[16][2];
	uint8_t rest[96];
} __attribute__((aligned(16)));

static void start_fpu(const struct kt_vcpu *vcpu, uint8_t pattern, uint64_t saved)
{
	struct kvm_regs regs = kt_regs(vcpu);

	regs.rdi = pattern;
	regs.rsi = saved;
	kt_set_regs(vcpu, &regs);
}

static void check_guest_fpu(const struct fxsave *f, uint8_t pattern)
{
	uint64_t xmm = pattern * 0x0101010101010101ULL;

	for (unsigned int i = 0; i < 16; i++) {
		CHECK_EQ(f->xmm[i][0], xmm + i);
		CHECK_EQ(f->xmm[i][1], xmm + i);
	}
	CHECK_EQ(f->mxcsr, 0x3f80);
	CHECK_EQ(f->fcw, 0x027f);
	CHECK_EQ(f->ftw, 0xe0); /* three values on the stack */
	CHECK_EQ(f->fsw >> 11 & 7, 5);
}

/* Everything in the host's registers at once, one KVM_RUN, everything out again. */
static int run_with_fpu(int fd, const struct fxsave *in, struct fxsave *out)
{
	long result = 16; /* SYS_ioctl */

	__asm__ volatile("fxrstor64 %2\n\t"
			 "syscall\n\t"
			 "fxsave64 %1\n\t"
			 "emms"
			 : "+a"(result), "=m"(*out)
			 : "m"(*in), "D"((long)fd), "S"((long)KVM_RUN), "d"(0L)
			 : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
			   "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
			   "xmm14", "xmm15");
	return (int)result;
}

static void host_pattern(struct fxsave *f, uint64_t seed)
{
	*f = (struct fxsave){ .fcw = 0x037f, .ftw = 0xff, .mxcsr = 0x1f80 };
	for (unsigned int i = 0; i < 16; i++) {
		f->xmm[i][0] = seed + i;
		f->xmm[i][1] = ~seed - i;
	}
	for (unsigned int i = 0; i < 8; i++) {
		memset(f->st[i], (int)(seed + i) & 0xff, 8);
		f->st[i][8] = 0xff;
		f->st[i][9] = 0x3f;
	}
}

static void run_and_compare(const struct kt_vcpu *vcpu, uint64_t seed)
{
	struct fxsave in, out;

	host_pattern(&in, seed);
	CHECK_EQ(run_with_fpu(vcpu->fd, &in, &out), 0);
	CHECK_EQ(out.fcw, in.fcw);
	CHECK_EQ(out.mxcsr, in.mxcsr);
	CHECK_EQ(out.ftw, in.ftw);
	CHECK(!memcmp(out.xmm, in.xmm, sizeof(in.xmm)));
	for (unsigned int i = 0; i < 8; i++)
		CHECK(!memcmp(out.st[i], in.st[i], 10));
}

static void fpu_kept_apart(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(fpu));

	start_fpu(&g.vcpu, 0x40, SAVED);
	for (unsigned int i = 0; i < 50; i++) {
		run_and_compare(&g.vcpu, 0x1234567800000000 + i * 0x11111);
		CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_IO);
		memset(g.mem + SAVED, 0, 512);
		run_and_compare(&g.vcpu, 0x8765432100000000 + i * 0x11111);
		CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_HLT);
		check_guest_fpu((struct fxsave *)(g.mem + SAVED), 0x40);
	}
}

static void fpu_of_two_vcpus(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(fpu));
	struct kt_vcpu other = kt_vcpu_create(&g.vm, 1);

	kt_start(&other, g.mem, KT_LONG64, KT_CODE);
	start_fpu(&g.vcpu, 0x21, SAVED);
	start_fpu(&other, 0x33, SAVED + 512);
	for (unsigned int i = 0; i < 20; i++) {
		RUN(&g.vcpu, KVM_EXIT_IO);
		RUN(&other, KVM_EXIT_IO);
		RUN(&g.vcpu, KVM_EXIT_HLT);
		RUN(&other, KVM_EXIT_HLT);
		check_guest_fpu((struct fxsave *)(g.mem + SAVED), 0x21);
		check_guest_fpu((struct fxsave *)(g.mem + SAVED + 512), 0x33);
	}
}

/* Nothing of the host's registers is in those of a new vCPU. */
static void fpu_of_new_vcpu(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(fpu_reset));
	struct fxsave *f = (struct fxsave *)(g.mem + SAVED);

	start_fpu(&g.vcpu, 0, SAVED);
	run_and_compare(&g.vcpu, 0xdeadbeefdeadbeef);
	CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_HLT);
	CHECK_EQ(f->mxcsr, 0x1f80);
	for (unsigned int i = 0; i < 16; i++) {
		CHECK_EQ(f->xmm[i][0], 0);
		CHECK_EQ(f->xmm[i][1], 0);
	}
}

static void guest_debug_registers(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(debug));

	for (unsigned int i = 0; i < 3; i++) {
		struct kvm_regs regs;

		RUN(&g.vcpu, KVM_EXIT_IO);
		RUN(&g.vcpu, KVM_EXIT_HLT);
		regs = kt_regs(&g.vcpu);
		CHECK_EQ(regs.rbx, 0x123450);
		CHECK_EQ(regs.rcx, 0x123451);
		CHECK_EQ(regs.rdx, 0x123452);
		CHECK_EQ(regs.rsi, 0x123453);
		CHECK_EQ(regs.rdi & 0xf00f, 0x4001);
	}
}

static uint64_t watched;

/*
 * In a traced child: a vCPU that uses its own debug registers and others, between writes
 * to a variable that the tracer watches with one of the host's.
 */
static void watched_child(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(debug));

	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	for (unsigned int i = 0; i < 5; i++) {
		RUN(&g.vcpu, KVM_EXIT_IO);
		__atomic_store_n(&watched, i, __ATOMIC_SEQ_CST);
		RUN(&g.vcpu, KVM_EXIT_HLT);
		CHECK_EQ(kt_regs(&g.vcpu).rbx, 0x123450);
	}
	kt_end();
}

static long poke_debug(pid_t pid, unsigned int number, unsigned long value)
{
	return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[number]), value);
}

static void host_debug_registers(void)
{
	unsigned int hits = 0;
	pid_t pid = fork();
	int status;

	REQUIRE(pid >= 0);
	if (pid == 0)
		watched_child();
	REQUIRE(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	REQUIRE(poke_debug(pid, 1, (unsigned long)&watched) == 0);
	REQUIRE(poke_debug(pid, 7, 0x900004) == 0); /* DR1: writes of 8 bytes */
	for (;;) {
		REQUIRE(ptrace(PTRACE_CONT, pid, 0, 0) == 0);
		REQUIRE(waitpid(pid, &status, 0) == pid);
		if (!WIFSTOPPED(status))
			break;
		if (WSTOPSIG(status) == SIGTRAP)
			hits++;
	}
	CHECK_EQ(status, 0);
	CHECK_EQ(hits, 5);
}

static __thread uint64_t thread_local = 0x7e57;

static void host_bases(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(bases));

	for (unsigned int i = 0; i < 20; i++) {
		struct kvm_regs regs;

		RUN(&g.vcpu, KVM_EXIT_IO);
		CHECK_EQ(thread_local, 0x7e57 + i); /* by FS */
		thread_local ++;
		CHECK(getppid() > 0); /* by SYSCALL and the kernel's GS */
		CHECK_EQ(kt_sregs(&g.vcpu).fs.base, 0x11111000);
		CHECK_EQ(kt_sregs(&g.vcpu).gs.base, 0x33333000);
		RUN(&g.vcpu, KVM_EXIT_HLT);
		regs = kt_regs(&g.vcpu);
		CHECK_EQ(regs.rbx, 0x55555000);
		CHECK_EQ(regs.rdi, 0x88888000);
		CHECK_EQ(regs.rax, 0x22222000);
	}
}

/* The selectors of the host thread, and a GS base of its own. */
static void host_selectors(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(bases));
	uint64_t cell = 0xce11;
	uint64_t before[4] = { 0 }, after[4] = { 0 }, got;

	__asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
			 : "=r"(before[0]), "=r"(before[1]), "=r"(before[2]), "=r"(before[3]));
	REQUIRE(syscall(158, 0x1001, &cell) == 0); /* arch_prctl(ARCH_SET_GS) */
	RUN(&g.vcpu, KVM_EXIT_IO);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	__asm__ volatile("movq %%gs:0, %0" : "=r"(got));
	CHECK_EQ(got, 0xce11);
	__asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
			 : "=r"(after[0]), "=r"(after[1]), "=r"(after[2]), "=r"(after[3]));
	CHECK(!memcmp(before, after, sizeof(before)));
}

static uint64_t host_xcr0(void)
{
	uint32_t eax, edx;

	__asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	return (uint64_t)edx << 32 | eax;
}

static bool host_has_xsave(void)
{
	uint32_t eax = 1, ebx, ecx, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
	return ecx & 1U << 27;
}

static void xcr0_kept_apart(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(xcr0));
	struct kvm_sregs s = kt_sregs(&g.vcpu);
	uint64_t before;

	if (!host_has_xsave())
		kt_skip("no XSAVE on this CPU");
	before = host_xcr0();
	s.cr4 |= 1 << 18; /* OSXSAVE */
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_SREGS, &s) == 0);
	for (unsigned int i = 0; i < 10; i++) {
		run_and_compare(&g.vcpu, 0x1357 + i);
		CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_IO);
		CHECK_EQ(host_xcr0(), before);
		run_and_compare(&g.vcpu, 0x2468 + i);
		CHECK_EQ(g.vcpu.run->exit_reason, KVM_EXIT_HLT);
		CHECK_EQ(host_xcr0(), before);
		CHECK_EQ(kt_regs(&g.vcpu).rax, 1);
	}
}

static bool host_has_rdtscp(void)
{
	uint32_t eax = 0x80000001, ebx, ecx, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
	return edx & 1U << 27;
}

static uint32_t rdtscp_aux(void)
{
	uint32_t eax, ecx, edx;

	__asm__ volatile("rdtscp" : "=a"(eax), "=c"(ecx), "=d"(edx));
	return ecx;
}

/* Linux has the CPU's number there. */
static void check_host_tsc_aux(void)
{
	CHECK_EQ(rdtscp_aux() & 0xfff, sched_getcpu());
}

static void check_guest_tsc_aux(const struct kt_vcpu *vcpu, uint32_t want)
{
	RUN(vcpu, KVM_EXIT_IO);
	check_host_tsc_aux();
	RUN(vcpu, KVM_EXIT_HLT);
	check_host_tsc_aux();
	CHECK_EQ(kt_regs(vcpu).rbx, want);
	CHECK_EQ((uint32_t)kt_regs(vcpu).rax, want);
	CHECK_EQ(kt_regs(vcpu).rdx, 0);
}

static void tsc_aux_of_each(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(tsc_aux));
	struct kt_vcpu other = kt_vcpu_create(&g.vm, 1);
	cpu_set_t one;

	if (!host_has_rdtscp())
		kt_skip("no RDTSCP on this CPU");
	kt_start(&other, g.mem, KT_LONG64, KT_CODE);
	kt_set_cpuid(&g.vm, &g.vcpu);
	kt_set_cpuid(&g.vm, &other);
	start_fpu(&other, 0x99, 0); /* RDI */
	for (unsigned int i = 0; i < 10; i++) {
		one = kt_cpu(i);
		sched_setaffinity(0, sizeof(one), &one); /* where there are two */
		check_guest_tsc_aux(&g.vcpu, i ? 0x12340000 + i - 1 : 0);
		check_guest_tsc_aux(&other, 0x99);
		/* AMD's CPUs ignore the upper half */
		CHECK_EQ(kt_set_msr(&g.vcpu, TSC_AUX, 0xffffffff12340000 + i), 1);
	}
}

static const struct kt_test tests[] = {
	{ "FPU and SSE of guest and host", fpu_kept_apart },
	{ "FPU and SSE of two vCPUs in one thread", fpu_of_two_vcpus },
	{ "FPU and SSE of a new vCPU", fpu_of_new_vcpu },
	{ "XCR0 of guest and host", xcr0_kept_apart },
	{ "TSC_AUX of two vCPUs and the host", tsc_aux_of_each },
	{ "debug registers of the guest", guest_debug_registers },
	{ "debug registers of the host", host_debug_registers },
	{ "segment bases and system-call MSRs", host_bases },
	{ "selectors and GS base of the host", host_selectors },
};

KT_MAIN(tests)
