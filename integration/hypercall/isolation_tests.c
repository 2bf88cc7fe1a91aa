// SPDX-License-Identifier: MIT
/*
 * Root against the hypervisor: its memory reads as all-ones and isn't changed, nothing crashes;
 * SVM's registers and instructions are not for root.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "hct.h"

#define PAGE 4096U

static bool all_ones(const uint8_t *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (p[i] != 0xFF)
			return false;
	return true;
}

static void there_is_some(void)
{
	check(hidden_spa != 0);
	check(hidden_bytes >= PAGE);
}

/* Calls it for each page of the hypervisor's. */
static void each_page(void (*visit)(uint64_t spa))
{
	uint64_t spa, bytes, pages = 0;

	for (uint64_t n = 0; hidden_piece(n, &spa, &bytes); n++)
		for (uint64_t i = 0; i + PAGE <= bytes; i += PAGE, pages++)
			visit(spa + i);
	check(pages > 1024);
	printf("# %llu pages\n", (unsigned long long)pages);
}

static void read_page(uint64_t spa)
{
	uint8_t page[PAGE] = { 0 };

	check_eq(phys_copy(spa, page, PAGE, false), 0);
	if (!all_ones(page, PAGE))
		test_note(__FILE__, __LINE__, "0x%llx doesn't read as all-ones",
			  (unsigned long long)spa);
}

static void reads(void)
{
	each_page(read_page);
}

static void works(void)
{
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		struct hct_call call = hc_raw(cpu, HC(ID, VERSION), 0, 0, 0, 0);

		check_eq(call.fault, 0);
		check_eq(call.reg[0], MV_ALL_SPECS_SUPPORTED_VAL);
	}
}

/* Eight bytes somewhere in the page, each time elsewhere; a whole page now and then. */
static void write_page(uint64_t spa)
{
	static const uint8_t bytes[] = { 0x00, 0x55, 0xF4 };
	const uint64_t pfn = spa / PAGE;
	uint64_t at = pfn % 64 ? pfn * 8 % PAGE : 0;
	uint32_t size = pfn % 64 ? 8 : PAGE;
	uint8_t page[PAGE];

	memset(page, bytes[pfn % sizeof(bytes)], size);
	check_eq(phys_copy(spa + at, page, size, true), 0);
	check_eq(phys_copy(spa + at, page, size, false), 0);
	check(all_ones(page, size));
}

static void writes(void)
{
	each_page(write_page);
	works();
}

static void all_sizes(void)
{
	uint8_t bytes[64];

	require(hidden_bytes >= PAGE);
	for (uint32_t size = 1; size <= sizeof(bytes); size++) {
		memset(bytes, 0x11, sizeof(bytes));
		check_eq(phys_copy(hidden_spa + size, bytes, size, true), 0);
		check_eq(phys_copy(hidden_spa + size, bytes, size, false), 0);
		check(all_ones(bytes, size));
	}
	works();
}

static void *hammer(void *arg)
{
	uint8_t page[PAGE];
	bool *bad = arg;

	for (int i = 0; i < 20; i++) {
		uint64_t at =
			hidden_spa + (uint64_t)i * PAGE % (hidden_bytes & ~(uint64_t)(PAGE - 1));

		memset(page, i, sizeof(page));
		*bad |= phys_copy(at, page, PAGE, true) != 0;
		*bad |= phys_copy(at, page, PAGE, false) != 0 || !all_ones(page, PAGE);
	}
	return NULL;
}

static void all_cpus(void)
{
	pthread_t threads[64];
	bool bad[64] = { false };
	unsigned int n = cpu_count < 64 ? cpu_count : 64;

	require(hidden_bytes >= PAGE);
	for (unsigned int i = 0; i < n; i++)
		require(pthread_create(&threads[i], NULL, hammer, &bad[i]) == 0);
	for (unsigned int i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		check(!bad[i]);
	}
	works();
}

/* ---- registers and instructions of SVM ---- */

#define MSR_EFER 0xC0000080U
#define MSR_VM_CR 0xC0010114U
#define MSR_VM_HSAVE_PA 0xC0010117U
#define EFER_SVME (1ULL << 12)
#define TRAP_UD 6U

static void vm_cr_and_hsave(unsigned int cpu)
{
	uint64_t value = ~0ULL;

	check(!msr_read(cpu, MSR_VM_HSAVE_PA, &value));
	check_eq(value, 0);
	check(msr_write(cpu, MSR_VM_HSAVE_PA, PAGE));
	check(msr_write(cpu, MSR_VM_HSAVE_PA, hidden_spa));
	check(!msr_write(cpu, MSR_VM_HSAVE_PA, 0)); /* as Linux does before it reboots */
	check(!msr_read(cpu, MSR_VM_CR, &value));
	check_eq(value, 0x18); /* SVM is disabled and locked */
	for (unsigned int bit = 0; bit < 5; bit++)
		check(msr_write(cpu, MSR_VM_CR, 1ULL << bit));
	check(msr_write(cpu, MSR_VM_CR, 0));
}

static void efer(unsigned int cpu)
{
	uint64_t was, now;

	check(!msr_read(cpu, MSR_EFER, &was));
	check_eq(was & EFER_SVME, 0);
	check(msr_write(cpu, MSR_EFER, was | EFER_SVME));
	check(msr_write(cpu, MSR_EFER, was | 1ULL << 63));
	check(!msr_write(cpu, MSR_EFER, was));
	check(!msr_read(cpu, MSR_EFER, &now));
	check_eq(now, was);
}

static void svm_msrs(void)
{
	/* IGNNE, SMM_CTL, what lies between VM_HSAVE_PA and the doorbell. */
	static const uint32_t others[] = { 0xC0010115, 0xC0010116, 0xC0010118, 0xC0010119 };
	uint64_t value;

	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		vm_cr_and_hsave(cpu);
		efer(cpu);
		for (size_t i = 0; i < COUNT(others); i++) {
			check(msr_read(cpu, others[i], &value));
			check(msr_write(cpu, others[i], 0));
			check(msr_write(cpu, others[i], ~0ULL));
		}
	}
	works();
}

/*
 * Root's own system-call MSRs and bases: they hold what it writes, while the hypervisor, which
 * enters ring 0 by MSRs of the same names, works on with its own.
 */
static void system_call_msrs(void)
{
	static const uint32_t msrs[] = {
		0xC0000081, 0xC0000082, 0xC0000083, 0xC0000084, /* STAR LSTAR CSTAR SFMASK */
		0xC0000100, 0xC0000101, 0xC0000102, /* FS_BASE GS_BASE KERNEL_GS_BASE */
		0x174,	    0x175,	0x176, /* SYSENTER */
	};
	static const uint64_t values[] = { 0, 0x1000, 0x0000424242424242 };

	for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
		for (size_t i = 0; i < COUNT(msrs); i++)
			for (size_t j = 0; j < COUNT(values); j++) {
				/* SYSENTER_CS is a selector. */
				uint64_t want = msrs[i] == 0x174 ? values[j] & 0xFFFF : values[j];
				uint64_t got = msr_swap(cpu, msrs[i], want);

				if (got != want && got != (uint32_t)want) /* SFMASK */
					test_note(__FILE__, __LINE__, "MSR 0x%x: 0x%llx", msrs[i],
						  (unsigned long long)got);
			}
	works();
}

static void svm_instructions(void)
{
#define NAME(nr, name, text) #name,
	static const char *const names[] = { HCT_INSNS(NAME) };
	struct pages vmcb = pages_alloc(0);
	const uint64_t args[] = { 0, vmcb.spa, hidden_spa };

	for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
		for (unsigned int nr = 0; nr < HCT_INVD; nr++)
			for (size_t i = 0; i < COUNT(args); i++) {
				uint32_t trap = svm_insn(cpu, nr, args[i]);

				if (trap != TRAP_UD)
					test_note(__FILE__, __LINE__, "%s: trap %d", names[nr],
						  (int)trap);
			}
	works();
}

/* ---- what is the same for root and for the hypervisor ---- */

/* Reading is free; writing is refused, even what it is already, and changes nothing. */
static void fixed_msr(unsigned int cpu, uint32_t msr, uint64_t turn)
{
	uint64_t was = ~0ULL, now = 0;

	if (msr_read(cpu, msr, &was) || !msr_write(cpu, msr, was ^ turn) || !msr_write(cpu, msr, was) ||
	    msr_read(cpu, msr, &now) || now != was)
		test_note(__FILE__, __LINE__, "CPU %u, MSR 0x%x: 0x%llx, then 0x%llx", cpu, msr,
			  (unsigned long long)was, (unsigned long long)now);
}

static void fixed_msrs(void)
{
	static const struct {
		uint32_t msr, count;
		uint64_t turn;
	} fixed[] = {
		{ 0x1B, 1, 1ULL << 12 }, /* APIC_BASE: the address */
		{ 0x200, 16, 1 }, /* MTRRs */
		{ 0x250, 1, 1 },
		{ 0x258, 2, 1 },
		{ 0x268, 8, 1 },
		{ 0x2FF, 1, 1ULL << 11 },
		{ 0xC0010010, 1, 1ULL << 20 }, /* SYSCFG: MtrrVarDramEn */
		{ 0xC0010016, 4, 1ULL << 11 }, /* IORRs */
		{ 0xC001001A, 1, 1ULL << 23 }, /* TOP_MEM */
		{ 0xC001001D, 1, 1ULL << 23 }, /* TOP_MEM2 */
		{ 0xC0010058, 1, 1 }, /* where PCI's registers are */
		{ 0xC0010111, 3, 1ULL << 17 }, /* SMM_BASE, SMM_ADDR, SMM_MASK */
	};

	for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
		for (size_t i = 0; i < COUNT(fixed); i++)
			for (uint32_t n = 0; n < fixed[i].count; n++)
				fixed_msr(cpu, fixed[i].msr + n, fixed[i].turn);
	works();
}

/* The microcode's loader can only be written to; PAT, among the MTRRs, is root's own. */
static void patch_loader_and_pat(void)
{
	uint64_t pat;

	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		check(msr_write(cpu, 0xC0010020, hidden_spa));
		check(!msr_read(cpu, 0x277, &pat));
		check(!msr_write(cpu, 0x277, pat));
	}
}

static void invd(void)
{
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
		check_eq(svm_insn(cpu, HCT_INVD, 0), ~0U);
	works();
}

const struct test isolation_tests[] = {
	{ "the hypervisor has memory of its own", there_is_some },
	{ "root reads all-ones from it", reads },
	{ "root's writes change nothing, and MicroV works on", writes },
	{ "accesses of 1 to 64 bytes", all_sizes },
	{ "all CPUs at once", all_cpus },
	{ "MSRs of SVM aren't root's", svm_msrs },
	{ "root's system-call MSRs aren't the hypervisor's", system_call_msrs },
	{ "instructions of SVM are undefined", svm_instructions },
	{ "root can't move what addresses mean", fixed_msrs },
	{ "nor load microcode; PAT is its own", patch_loader_and_pat },
	{ "INVD does nothing", invd },
	{ NULL, NULL },
};
