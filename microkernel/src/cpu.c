// SPDX-License-Identifier: MIT
/*
 * Setting up a physical CPU for ring 0 and ring 3. See cpu.h.
 */
#include "cpu.h"

#include <asm/processor-flags.h>
#include <errno.h>

#include "backend.h"
#include "epoch.h"
#include "exception.h"
#include "user.h"

#define EFER_SCE BIT(0)
#define EFER_NXE BIT(11)
#define CPU_PAGES 4 /* struct cpu and its GDT, TSS, IST stacks */
#define KSTACK_PAGES (KSTACK_BYTES / PAGE_4K)

/* Flat 64-bit segments, APM vol. 2, 4.8. */
#define SEG_CODE(dpl) (0x00209A0000000000ULL | (u64)(dpl) << 45)
#define SEG_DATA(dpl) (0x0000920000000000ULL | (u64)(dpl) << 45)
#define TSS_AVAILABLE 0x89ULL

_Static_assert(sizeof(struct cpu) <= CPU_PAGES * PAGE_4K, "struct cpu grew");

static struct cpu *cpus[MV_MAX_PPS];

extern void entry_syscall(void);
extern void entry_user(u64 rip, u64 rsp, u64 rdi, u64 rsi) __attribute__((noreturn));

struct cpu *cpu_get(u64 n)
{
	return n < MV_MAX_PPS ? __atomic_load_n(&cpus[n], __ATOMIC_ACQUIRE) : NULL;
}

/* Pages that lie behind each other, set aside by cpu_reserve. */
static spa_t run_next, run_end;

spa_t cpu_reserve(spa_t from, u64 count)
{
	run_next = from;
	run_end = SPA(from.v + count * (CPU_PAGES + KSTACK_PAGES) * PAGE_4K);
	return run_end;
}

static void *alloc_run(u64 pages)
{
	void *run = hw_virt(run_next);

	if (run_end.v - run_next.v < pages * PAGE_4K)
		return NULL;
	run_next.v += pages * PAGE_4K;
	memset(run, 0, pages * PAGE_4K);
	return run;
}

static bool is_tcg(void)
{
	u32 hv[4];

	hw_cpuid(0x40000000, 0, hv);
	return !memcmp(&hv[1], "TCGTCGTCGTCG", 12);
}

u64 cpu_features(u32 *asids)
{
	u32 svm[4], ext[4], ext8[4], seven[4];
	bool tsc_aux;

	hw_cpuid(7, 0, seven);
	hw_cpuid(0x8000000A, 0, svm); /* APM vol. 3, E.4.9 */
	hw_cpuid(0x80000001, 0, ext);
	hw_cpuid(0x80000008, 0, ext8);
	*asids = svm[1];
	tsc_aux = ext[3] & BIT(27) || seven[2] & BIT(22); /* RDTSCP, RDPID */
	return (svm[3] & BIT(3) ? CPU_NRIPS : 0) | (svm[3] & BIT(7) ? CPU_DECODE : 0) |
	       (ext[3] & BIT(26) ? CPU_1G : 0) | (ext8[1] & BIT(12) ? CPU_IBPB : 0) |
	       (tsc_aux ? CPU_TSC_AUX : 0) | (is_tcg() ? CPU_TCG : 0);
}

static int allocate(u64 n, struct cpu **out)
{
	struct cpu *cpu = alloc_run(CPU_PAGES);
	u8 *stack = alloc_run(KSTACK_PAGES);

	if (!cpu || !stack)
		return -ENOMEM;
	cpu->self = cpu;
	cpu->id = n;
	cpu->asid_generation = n << 48;
	cpu->kstack_top = (u64)stack + KSTACK_BYTES;
	cpu->shared = SPA_NONE;
	cpu->host_save = pool_alloc(&space_root()->pool);
	cpu->host_vmcb = pool_alloc(&space_root()->pool);
	if (cpu->host_save.v == SPA_NONE.v || cpu->host_vmcb.v == SPA_NONE.v ||
	    user_cpu_init(cpu))
		return -ENOMEM;
	*out = cpu;
	return 0;
}

static void make_gdt(struct cpu *cpu)
{
	u64 base = (u64)&cpu->tss;
	int i;

	cpu->tss = (struct tss){ .rsp = { cpu->kstack_top }, .iopm = sizeof(struct tss) };
	for (i = 0; i < 3; i++)
		cpu->tss.ist[i] = (u64)cpu->ist_stack + (i + 1) * sizeof(cpu->ist_stack[0]);
	cpu->gdt[GDT_KCODE / 8] = SEG_CODE(0);
	cpu->gdt[GDT_KDATA / 8] = SEG_DATA(0);
	cpu->gdt[GDT_UDATA / 8] = SEG_DATA(3);
	cpu->gdt[GDT_UCODE / 8] = SEG_CODE(3);
	cpu->gdt[GDT_TSS / 8] = (sizeof(struct tss) - 1) | (base & 0xFFFFFF) << 16 |
				TSS_AVAILABLE << 40 | (base >> 24 & 0xFF) << 56;
	cpu->gdt[GDT_TSS / 8 + 1] = base >> 32;
}

static void load_tables(struct cpu *cpu)
{
	hw_load_gdt(cpu->gdt, sizeof(cpu->gdt) - 1, GDT_KCODE, GDT_KDATA, GDT_TSS);
	exception_load_idt();
}

/* Protections that this CPU has, CPUID 7.EBX; XSAVE is CPUID 1.ECX. */
static void set_cr4(struct cpu *cpu)
{
	u32 one[4], seven[4] = { 0 }, xsave[4];
	u64 cr4 = X86_CR4_PAE | X86_CR4_MCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;

	hw_cpuid(1, 0, one);
	hw_cpuid(7, 0, seven);
	cr4 |= (seven[1] & BIT(7) ? X86_CR4_SMEP : 0) | (seven[1] & BIT(20) ? X86_CR4_SMAP : 0) |
	       (seven[2] & BIT(2) ? X86_CR4_UMIP : 0) | (one[2] & BIT(26) ? X86_CR4_OSXSAVE : 0);
	hw_write_cr4(cr4);
	cpu->xcr0_all = 0;
	if (cr4 & X86_CR4_OSXSAVE) {
		hw_cpuid(0xD, 0, xsave);
		cpu->xcr0_all = xsave[0] | (u64)xsave[3] << 32;
	}
}

static void set_msrs(struct cpu *cpu)
{
	hw_wrmsr(MSR_EFER, hw_rdmsr(MSR_EFER) | EFER_SCE | EFER_NXE);
	hw_wrmsr(MSR_GS_BASE, (u64)cpu);
	hw_wrmsr(MSR_KERNEL_GS_BASE, 0); /* ring 3's at first */
	hw_wrmsr(MSR_STAR, (u64)GDT_KCODE << 32 | (u64)(GDT_KDATA | 3) << 48);
	hw_wrmsr(MSR_LSTAR, (u64)entry_syscall);
	hw_wrmsr(MSR_SFMASK, X86_EFLAGS_TF | X86_EFLAGS_IF | X86_EFLAGS_DF | X86_EFLAGS_AC |
			     X86_EFLAGS_NT);
}

int cpu_init(u64 n, struct cpu **out)
{
	struct cpu *cpu = cpu_get(n);
	int rc;

	if (!cpu) {
		rc = allocate(n, &cpu);
		if (rc)
			return rc;
		__atomic_store_n(&cpus[n], cpu, __ATOMIC_RELEASE);
	}
	cpu->features = cpu_features(&cpu->asids);
	*out = cpu;
	return 0;
}

void cpu_take(struct cpu *cpu)
{
	make_gdt(cpu);
	load_tables(cpu);
	set_cr4(cpu);
	set_msrs(cpu);
	hw_write_cr3(cpu->pml4_spa.v);
	backend_cpu_init(cpu);
	epoch_join(cpu);
	__atomic_store_n(&cpu->online, 1, __ATOMIC_RELEASE);
}

void cpu_enter_user(struct cpu *cpu, enum mk_start why)
{
	entry_user(user_entry(), MK_U_STACK_TOP - 8, cpu->id, why);
}
