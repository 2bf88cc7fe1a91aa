// SPDX-License-Identifier: MIT
/*
 * What a guest does to itself: mode switches from the first instruction, paging, exceptions
 * through its own IDT, privileged instructions, CPUID, MSRs, the TSC.
 */
#include "kvmtest.h"

GUEST(all_modes);
GUEST(there_and_back);
GUEST(paging_32);
GUEST(cpuid_leaves);
GUEST(handlers);
GUEST(try_rdmsr);
GUEST(try_wrmsr);
GUEST(tsc);
GUEST(real_exceptions);

#define TRY(name) GUEST(try_##name)
TRY(vmrun);
TRY(vmload);
TRY(vmsave);
TRY(stgi);
TRY(clgi);
TRY(skinit);
TRY(invlpga);
TRY(vmmcall);
TRY(ud2);
TRY(rsm);
TRY(monitor);
TRY(mwait);
TRY(int3);
TRY(divide);
TRY(cr0);
TRY(cr3);
TRY(cr4);
TRY(cr8);
TRY(xsetbv);
TRY(invd);
TRY(wbinvd);
TRY(page_fault);
TRY(not_canonical);
TRY(pause);
TRY(clts);
TRY(lmsw);
TRY(invlpg);
TRY(dr);
TRY(outs);
TRY(ins);

#define HANDLERS 0x4000UL
#define IDT 0x6000UL
#define GDT 0x7000UL

enum { DE = 0, BP = 3, UD = 6, GP = 13, PF = 14, NONE = -1 };

static uint32_t out_value(const struct kt_vcpu *vcpu, uint16_t port)
{
	uint32_t value = 0;

	RUN(vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu->run->io.port, port);
	memcpy(&value, kt_io_data(vcpu), vcpu->run->io.size);
	return value;
}

/* EFER.LME is the guest's to set only when its CPUID has long mode. */
static void all_modes_by_itself(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(all_modes));
	struct kvm_sregs s;
	struct kvm_regs regs;

	kt_set_cpuid(&g.vm, &g.vcpu);
	CHECK_EQ(out_value(&g.vcpu, 1), 1);
	CHECK_EQ(out_value(&g.vcpu, 2), 0x12345678);
	CHECK_EQ(out_value(&g.vcpu, 3), 0x11223344);
	CHECK_EQ(out_value(&g.vcpu, 4), 0x500);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(regs.rax, 0x80000031);
	CHECK_EQ(regs.rbx, 0x10000);
	CHECK_EQ(regs.rcx, 0x20);
	s = kt_sregs(&g.vcpu);
	CHECK_EQ(s.cr0, regs.rax);
	CHECK_EQ(s.cr3, 0x10000);
	CHECK_EQ(s.cr4, 0x20);
	CHECK_EQ(s.efer, 0x500);
	CHECK_EQ(s.cs.l, 1);
	CHECK_EQ(s.cs.selector, 0x18);
	CHECK_EQ(s.ds.selector, 0x10);
	CHECK_EQ(s.ds.limit, 0xffffffff);
	CHECK_EQ(s.gdt.limit, 31);
}

static void protected_and_back(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(there_and_back));
	struct kvm_sregs s;

	CHECK_EQ(out_value(&g.vcpu, 2), 0x31);
	CHECK_EQ(out_value(&g.vcpu, 1), 0x30);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	s = kt_sregs(&g.vcpu);
	CHECK_EQ(s.cr0, 0x30);
	CHECK_EQ(s.ds.base, 0x12340);
	CHECK_EQ(s.ds.selector, 0x1234);
	CHECK_EQ(s.cs.base, 0);
}

static void paging_without_pae(void)
{
	struct kt_guest g = kt_guest(KT_PROT32, CODE(paging_32));
	uint32_t *directory = (uint32_t *)(g.mem + 0x10000);
	uint32_t *table = (uint32_t *)(g.mem + 0x11000);

	directory[0] = 0x83;
	directory[0x40000000 >> 22] = 0x83;
	directory[0x80000000 >> 22] = 0x11003;
	table[5] = 0x30003;
	memcpy(g.mem + 4, "abcd", 4);
	memcpy(g.mem + 0x30000, "efgh", 4);
	CHECK_EQ(out_value(&g.vcpu, 1), 0x64636261);
	CHECK_EQ(out_value(&g.vcpu, 2), 0x68676665);
	CHECK_EQ(*(uint32_t *)(g.mem + 8), 0x55667788);
	/* Accessed and dirty bits are the guest's own. */
	CHECK_EQ(table[5] & 0x60, 0x20);
	CHECK_EQ(directory[0x40000000 >> 22] & 0x60, 0x60);
	RUN(&g.vcpu, KVM_EXIT_HLT);
}

/* ---- exceptions in 64-bit mode ---- */

struct gate {
	uint16_t low;
	uint16_t selector;
	uint16_t flags;
	uint16_t middle;
	uint32_t high;
	uint32_t zero;
};

/* A GDT and an IDT of the guest's own, with one handler per vector. */
static void give_idt(struct kt_guest *g)
{
	struct gate *idt = (struct gate *)(g->mem + IDT);
	uint64_t *gdt = (uint64_t *)(g->mem + GDT);
	struct kvm_sregs s = kt_sregs(&g->vcpu);

	memcpy(g->mem + HANDLERS, handlers, kt_code_size(CODE(handlers)));
	for (unsigned int i = 0; i < 32; i++)
		idt[i] = (struct gate){ .low = (uint16_t)(HANDLERS + 16 * i),
					.selector = 8,
					.flags = 0x8e00 };
	gdt[1] = 0x00af9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	s.idt = (struct kvm_dtable){ .base = IDT, .limit = 32 * sizeof(struct gate) - 1 };
	s.gdt = (struct kvm_dtable){ .base = GDT, .limit = 23 };
	REQUIRE(ioctl(g->vcpu.fd, KVM_SET_SREGS, &s) == 0);
}

/* Run code in 64-bit mode until it halts; gives the exception it took, or NONE. */
static int exception_of(struct kt_guest *g, struct kt_code code, uint64_t rax, uint64_t rcx)
{
	struct kvm_regs regs;

	kt_guest_load(g, KT_LONG64, code);
	give_idt(g);
	regs = kt_regs(&g->vcpu);
	regs.rax = rax;
	regs.rcx = rcx;
	kt_set_regs(&g->vcpu, &regs);
	REQUIRE(ioctl(g->vcpu.fd, KVM_RUN, 0) == 0);
	if (g->vcpu.run->exit_reason == KVM_EXIT_HLT)
		return NONE;
	REQUIRE(g->vcpu.run->exit_reason == KVM_EXIT_IO);
	CHECK_EQ(g->vcpu.run->io.port, 0xee);
	return *(uint8_t *)kt_io_data(&g->vcpu);
}

struct attempt {
	const char *name;
	struct kt_code code;
	uint64_t rax;
	int vector;
};

#define ATTEMPT(name, rax, vector)                                                                 \
	{                                                                                          \
#name, { try_##name, try_##name##_end }, rax, vector                               \
	}

static void check_attempts(const struct attempt *list, unsigned int count)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(tsc));

	for (unsigned int i = 0; i < count; i++) {
		int vector;

		kt_context("%s with 0x%llx:", list[i].name, (unsigned long long)list[i].rax);
		vector = exception_of(&g, list[i].code, list[i].rax, 0);

		if (vector != list[i].vector)
			kt_fail(__FILE__, __LINE__, "exception %d, not %d", vector, list[i].vector);
	}
}

static void exceptions(void)
{
	static const struct attempt list[] = {
		ATTEMPT(ud2, 0, UD),
		ATTEMPT(int3, 0, BP),
		ATTEMPT(divide, 1, DE),
		ATTEMPT(page_fault, 0x123456789000, PF),
		ATTEMPT(not_canonical, 0x1234567890000000, GP),
	};

	check_attempts(list, KT_LEN(list));
}

static void page_fault_address(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(tsc));

	CHECK_EQ(exception_of(&g, CODE(try_page_fault), 0x123456789000, 0), PF);
	CHECK_EQ(kt_sregs(&g.vcpu).cr2, 0x123456789000);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 2); /* a write where no page is */
}

static void svm_instructions(void)
{
	static const struct attempt list[] = {
		ATTEMPT(vmrun, 0x1000, UD),   ATTEMPT(vmload, 0x1000, UD),
		ATTEMPT(vmsave, 0x1000, UD),  ATTEMPT(stgi, 0, UD),
		ATTEMPT(clgi, 0, UD),	      ATTEMPT(skinit, 0x10000, UD),
		ATTEMPT(invlpga, 0x1000, UD), ATTEMPT(rsm, 0, UD),
	};

	check_attempts(list, KT_LEN(list));
}

/* 0x40000000 is 0, 0x40200000 is not mapped: a string over the border ends in a page fault. */
static void start_string(struct kt_guest *g, struct kt_code code)
{
	uint64_t *pd = (uint64_t *)(g->mem + KT_TABLES + 2 * KT_PAGE);
	struct kvm_regs regs;

	kt_guest_load(g, KT_LONG64, code);
	give_idt(g);
	pd[512] = 0x87;
	pd[513] = 0;
	regs = kt_regs(&g->vcpu);
	regs.rsi = regs.rdi = 0x401ffffe;
	regs.rcx = 4;
	regs.rdx = 0x1234;
	kt_set_regs(&g->vcpu, &regs);
}

static void check_string_fault(struct kt_guest *g, uint64_t error)
{
	struct kvm_regs regs = kt_regs(&g->vcpu);

	CHECK_EQ(g->vcpu.run->io.port, 0xee);
	CHECK_EQ(*(uint8_t *)kt_io_data(&g->vcpu), PF);
	CHECK_EQ(kt_sregs(&g->vcpu).cr2, 0x40200000);
	CHECK_EQ(regs.rbx, error);
	CHECK_EQ(regs.rcx, 2);
	/* Behind the error code: the instruction can be tried again. */
	CHECK_EQ(*(uint64_t *)(g->mem + regs.rsp), KT_CODE);
}

static void fault_of_outs(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(tsc));

	start_string(&g, CODE(try_outs));
	g.mem[0x1ffffe] = 0x11;
	g.mem[0x1fffff] = 0x22;
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(*(uint8_t *)kt_io_data(&g.vcpu), 0x11);
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(*(uint8_t *)kt_io_data(&g.vcpu), 0x22);
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(kt_regs(&g.vcpu).rsi, 0x40200000);
	check_string_fault(&g, 0);
}

/* The port may be read before the fault is seen, as KVM does, or not. */
static void fault_of_ins(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(tsc));

	start_string(&g, CODE(try_ins));
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.count, 2);
	memset(kt_io_data(&g.vcpu), 0x33, 2);
	RUN(&g.vcpu, KVM_EXIT_IO);
	if (g.vcpu.run->io.port == 0x1234)
		RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.mem[0x1ffffe], 0x33);
	CHECK_EQ(g.mem[0x1fffff], 0x33);
	CHECK_EQ(kt_regs(&g.vcpu).rdi, 0x40200000);
	check_string_fault(&g, 2);
}

static void exceptions_in_real_mode(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(real_exceptions));
	uint32_t first, second;

	first = out_value(&g.vcpu, 0x30);
	second = out_value(&g.vcpu, 0x30);
	CHECK_EQ(second, first + 2);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 2);
	CHECK_EQ(kt_regs(&g.vcpu).rsp, 0x8000);
}

/* VMMCALL belongs to the hypervisor: an unknown number gives an error in RAX, no exit. */
static void vmmcall_from_guest(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(tsc));

	CHECK_EQ(exception_of(&g, CODE(try_vmmcall), 0x4d76000012340000, 0), NONE);
	CHECK_EQ(kt_regs(&g.vcpu).rax, (uint64_t)-1000); /* KVM_ENOSYS */
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 4);
}

static void harmless(void)
{
	static const struct attempt list[] = {
		ATTEMPT(invd, 0, NONE),	   ATTEMPT(wbinvd, 0, NONE),  ATTEMPT(pause, 0, NONE),
		ATTEMPT(clts, 0, NONE),	   ATTEMPT(invlpg, 0, NONE),  ATTEMPT(cr8, 5, NONE),
		ATTEMPT(lmsw, 0x31, NONE), ATTEMPT(dr, 0x1234, NONE), ATTEMPT(monitor, 0, NONE),
		ATTEMPT(mwait, 0, NONE),   ATTEMPT(xsetbv, 0, UD), /* CR4.OSXSAVE is clear */
	};

	check_attempts(list, KT_LEN(list));
}

static void control_registers(void)
{
	static const struct attempt list[] = {
		ATTEMPT(cr0, 0x80000031, NONE),
		ATTEMPT(cr4, 0x6a0, NONE),
		ATTEMPT(cr3, KT_TABLES, NONE),
		ATTEMPT(cr8, 15, NONE),
	};

	check_attempts(list, KT_LEN(list));
}

static void cr8_reaches_user(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(tsc));

	CHECK_EQ(exception_of(&g, CODE(try_cr8), 9, 0), NONE);
	CHECK_EQ(g.vcpu.run->cr8, 9);
	CHECK_EQ(kt_sregs(&g.vcpu).cr8, 9);
}

static void unknown_msr(void)
{
	static const uint32_t unknown[] = { 0x12345678, 0xc0001234, 0x4fff, 0xffffffff };
	struct kt_guest g = kt_guest(KT_LONG64, CODE(tsc));

	for (unsigned int i = 0; i < KT_LEN(unknown); i++) {
		kt_context("MSR 0x%x", unknown[i]);
		CHECK_EQ(exception_of(&g, CODE(try_rdmsr), 0, unknown[i]), GP);
		CHECK_EQ(kt_regs(&g.vcpu).rbx, 0);
		CHECK_EQ(exception_of(&g, CODE(try_wrmsr), 0, unknown[i]), GP);
	}
}

/* MSRs of segment bases are the guest's own, and part of SREGS. */
static void base_msrs(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(tsc));

	CHECK_EQ(exception_of(&g, CODE(try_wrmsr), 0x12345000, 0xc0000100), NONE);
	CHECK_EQ(kt_sregs(&g.vcpu).fs.base, 0x12345000);
	CHECK_EQ(exception_of(&g, CODE(try_wrmsr), 0x12346000, 0xc0000101), NONE);
	CHECK_EQ(kt_sregs(&g.vcpu).gs.base, 0x12346000);
	CHECK_EQ(exception_of(&g, CODE(try_wrmsr), 0x12347000, 0xc0000102), NONE);
	CHECK_EQ(exception_of(&g, CODE(try_rdmsr), 0, 0xc0000102), NONE);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x12347000);
	CHECK_EQ(exception_of(&g, CODE(try_rdmsr), 0, 0xc0000080), NONE);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x500);
}

/* A vCPU that was given no CPUID has none: every leaf is empty. */
/* SVM is not for a guest that was not told that it has it. */
static void no_nested_svm(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(tsc));

	CHECK_EQ(exception_of(&g, CODE(try_wrmsr), 0x1500, 0xc0000080), GP);
	CHECK_EQ(kt_sregs(&g.vcpu).efer, 0x500);
}

/*
 * MSRs that would hand the machine to the guest if it wrote the CPU's own. Each is refused
 * or the guest's own; in no case does the host notice.
 */
static void msrs_of_the_machine(void)
{
	static const uint32_t msrs[] = {
		0xc0010117, 0xc0010114, 0xc0010111, 0xc0010112, 0xc0010113, 0xc0010010, 0xc0010015,
		0xc0010016, 0xc0010018, 0xc0010118, 0xc0010119, 0x1b,	    0x8b,	0x17a,
		0x17b,	    0x1a0,	0x1d9,	    0x277,	0x200,	    0x201,	0x250,
		0x2ff,	    0x400,	0x401,	    0x6e0,	0xc0000103,
	};
	static const uint64_t values[] = { 0, 0xffffffff, 0x2000 };
	struct kt_guest g = kt_guest(KT_LONG64, CODE(tsc));

	for (unsigned int i = 0; i < KT_LEN(msrs) * KT_LEN(values); i++) {
		uint32_t msr = msrs[i / KT_LEN(values)];
		uint64_t value = values[i % KT_LEN(values)];
		int vector = exception_of(&g, CODE(try_wrmsr), value, msr);

		kt_context("MSR 0x%x, value 0x%llx:", msr, (unsigned long long)value);
		CHECK(vector == NONE || vector == GP);
	}
	kt_guest_load(&g, KT_REAL, CODE(there_and_back));
	RUN(&g.vcpu, KVM_EXIT_IO);
}

static void cpuid_by_default(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(cpuid_leaves));
	struct kvm_regs regs = kt_regs(&g.vcpu);

	regs.rbx = regs.rcx = regs.rdx = ~0ULL;
	kt_set_regs(&g.vcpu, &regs);
	for (int i = 0; i < 5; i++) {
		RUN(&g.vcpu, KVM_EXIT_HLT);
		regs = kt_regs(&g.vcpu);
		CHECK_EQ(regs.rax, 0);
		CHECK_EQ(regs.rbx, 0);
		CHECK_EQ(regs.rcx, 0);
		CHECK_EQ(regs.rdx, 0);
	}
}

static void tsc_goes_up(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(tsc));
	uint64_t last = 0;

	for (int i = 0; i < 15; i++) {
		RUN(&g.vcpu, KVM_EXIT_IO);
		CHECK(kt_regs(&g.vcpu).rsi > last);
		last = kt_regs(&g.vcpu).rsi;
	}
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 0);
}

static const struct kt_test tests[] = {
	{ "real, protected and 64-bit mode by itself", all_modes_by_itself },
	{ "protected mode and back", protected_and_back },
	{ "32-bit paging without PAE", paging_without_pae },
	{ "exceptions reach the guest's IDT", exceptions },
	{ "page fault: CR2 and error code", page_fault_address },
	{ "exceptions in real mode", exceptions_in_real_mode },
	{ "page fault of REP OUTS", fault_of_outs },
	{ "page fault of REP INS", fault_of_ins },
	{ "SVM instructions are undefined", svm_instructions },
	{ "VMMCALL with an unknown number", vmmcall_from_guest },
	{ "instructions that are harmless", harmless },
	{ "control registers take what is valid", control_registers },
	{ "CR8 is seen by the user", cr8_reaches_user },
	{ "an unknown MSR gives #GP", unknown_msr },
	{ "MSRs of bases and EFER", base_msrs },
	{ "EFER.SVME is refused", no_nested_svm },
	{ "MSRs that belong to the machine", msrs_of_the_machine },
	{ "CPUID by default", cpuid_by_default },
	{ "TSC goes up", tsc_goes_up },
};

KT_MAIN(tests)
