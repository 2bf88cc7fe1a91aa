// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Moving CPUs into the root VM and out. CPU hotplug does the visiting: a state of its own
 * runs on every CPU that is or comes online, and again before it goes.
 */
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/svm.h>
#include <asm/tlbflush.h>
#include <linux/mem_encrypt.h>
#include <linux/uaccess.h>

#include "layout.h"
#include "loader.h"

#define SEG_ATTRIB_MASK 0xF0FF

static struct hypervisor *running;
static struct cpumask inside;
static int hotplug_state;

int launch_check(u32 *reason)
{
	u64 vm_cr, efer;

	*reason = MV_LOADER_NO_SVM;
	if (!(cpuid_ecx(0x80000001) & BIT(2)))
		return -ENODEV;
	*reason = MV_LOADER_NO_NPT;
	if (!(cpuid_edx(SVM_CPUID_FUNC) & BIT(0)))
		return -ENODEV;
	rdmsrl(MSR_VM_CR, vm_cr);
	*reason = MV_LOADER_SVM_DISABLED;
	if (vm_cr & (1 << SVM_VM_CR_SVM_DISABLE))
		return -EOPNOTSUPP;
	rdmsrl(MSR_EFER, efer);
	*reason = MV_LOADER_SVM_IN_USE;
	if (efer & EFER_SVME)
		return -EBUSY;
	*reason = MV_LOADER_TOO_MANY_CPUS;
	if (nr_cpu_ids > MV_MAX_PPS)
		return -E2BIG;
	*reason = MV_LOADER_FAILED;
	if (__read_cr4() & X86_CR4_LA57) {
		pr_err("microv: five-level paging is on; boot with no5lvl\n");
		return -EOPNOTSUPP;
	}
	if (sme_me_mask) {
		pr_err("microv: memory encryption is on; boot with mem_encrypt=off\n");
		return -EOPNOTSUPP;
	}
	*reason = MV_LOADER_OK;
	return 0;
}

/* A segment as this CPU's GDT describes it; system segments come by VMSAVE. */
static struct mk_seg read_seg(const struct desc_ptr *gdt, u16 selector)
{
	const struct desc_struct *d = (void *)(gdt->address + (selector & ~7));
	u64 raw;

	if (!(selector & ~3))
		return (struct mk_seg){ .selector = selector };
	raw = *(const u64 *)d;
	return (struct mk_seg){
		.selector = selector,
		.attrib = (raw >> 40) & SEG_ATTRIB_MASK,
		.limit = get_desc_limit(d) << (d->g ? 12 : 0) | (d->g ? 0xFFF : 0),
		.base = get_desc_base(d),
	};
}

static void read_tables(struct mk_launch *l)
{
	struct desc_ptr gdt, idt;
	u16 cs, ss, ds, es;

	native_store_gdt(&gdt);
	store_idt(&idt);
	l->gdtr = (struct mk_seg){ .limit = gdt.size, .base = gdt.address };
	l->idtr = (struct mk_seg){ .limit = idt.size, .base = idt.address };
	savesegment(cs, cs);
	savesegment(ss, ss);
	savesegment(ds, ds);
	savesegment(es, es);
	l->cs = read_seg(&gdt, cs);
	l->ss = read_seg(&gdt, ss);
	l->ds = read_seg(&gdt, ds);
	l->es = read_seg(&gdt, es);
}

static void read_cpu(struct mk_launch *l)
{
	l->cr0 = read_cr0();
	l->cr2 = native_read_cr2();
	l->cr3 = __native_read_cr3();
	l->cr4 = __read_cr4();
	rdmsrl(MSR_EFER, l->efer);
	rdmsrl(MSR_IA32_CR_PAT, l->pat);
	get_debugreg(l->dr6, 6);
	get_debugreg(l->dr7, 7);
	read_tables(l);
}

static void svm_on(void)
{
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	wrmsrl(MSR_EFER, efer | EFER_SVME);
	asm volatile("clgi" ::: "memory");
}

static void svm_off(bool gif)
{
	u64 efer;

	if (!gif)
		asm volatile("stgi" ::: "memory");
	rdmsrl(MSR_EFER, efer);
	wrmsrl(MSR_EFER, efer & ~EFER_SVME);
}

/* On the CPU itself. In the root VM EFER.SVME reads as 0 and GIF is 1. */
static int cpu_in(unsigned int cpu)
{
	struct mk_launch *l = running->launch;
	unsigned long flags;
	s64 rc;

	local_irq_save(flags);
	read_cpu(l);
	svm_on();
	rc = switch_launch(running->cr3, running->entries.boot_stack_top, running->entries.enter,
			   cpu, MK_DIRECT + __pa(l), l);
	if (rc)
		svm_off(false);
	else
		cpumask_set_cpu(cpu, &inside);
	local_irq_restore(flags);
	if (rc)
		pr_err("microv: CPU %u can't be put into the root VM: %lld\n", cpu, (long long)rc);
	return rc;
}

static int cpu_out(unsigned int cpu)
{
	unsigned long flags;
	s64 rc;

	if (!cpumask_test_cpu(cpu, &inside))
		return 0;
	local_irq_save(flags);
	rc = switch_stop(MV_HYPERCALL(MV_PP_OP, MV_PP_OP_STOP_IDX_VAL));
	if (!rc) {
		svm_off(true);
		cpumask_clear_cpu(cpu, &inside);
	}
	local_irq_restore(flags);
	if (rc)
		pr_err("microv: CPU %u stays in the root VM: status %llx\n", cpu,
		       (unsigned long long)rc);
	return rc ? -EBUSY : 0;
}

static s64 call_init(struct hypervisor *hv)
{
	unsigned long flags;
	s64 rc;

	local_irq_save(flags);
	svm_on();
	rc = switch_call(hv->cr3, hv->entries.boot_stack_top, hv->entries.init,
			 MK_DIRECT + __pa(hv->boot), 0);
	svm_off(false);
	local_irq_restore(flags);
	return rc;
}

int launch_start(struct hypervisor *hv)
{
	int rc = call_init(hv);

	if (rc) {
		pr_err("microv: the microkernel doesn't start: %d\n", rc);
		return rc;
	}
	running = hv;
	rc = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "microv:online", cpu_in, cpu_out);
	if (rc < 0) {
		running = NULL;
		return rc;
	}
	hotplug_state = rc;
	return 0;
}

void launch_stop(void)
{
	cpuhp_remove_state(hotplug_state);
	running = NULL;
}

u32 launch_cpus(u64 *mask)
{
	unsigned int cpu;

	for_each_cpu(cpu, &inside)
		if (mask)
			mask[cpu / 64] |= 1ULL << (cpu % 64);
	return cpumask_weight(&inside);
}

static u64 hypercall(u64 rax, u64 reg[4])
{
	register u64 r10 asm("r10") = reg[0];
	register u64 r11 asm("r11") = reg[1];
	register u64 r12 asm("r12") = reg[2];
	register u64 r13 asm("r13") = reg[3];

	asm volatile("vmmcall" : "+a"(rax), "+r"(r10), "+r"(r11), "+r"(r12), "+r"(r13)::"memory");
	reg[0] = r10;
	reg[1] = r11;
	reg[2] = r12;
	reg[3] = r13;
	return rax;
}

int launch_log(struct mv_loader_log *log)
{
	u64 reg[4] = { MV_SPEC_ID1_VAL }, handle, done = 0;

	if (hypercall(MV_HYPERCALL(MV_HANDLE_OP, MV_HANDLE_OP_OPEN_HANDLE_IDX_VAL), reg))
		return -EIO;
	handle = reg[0];
	while (done + 16 <= log->bytes) {
		reg[0] = handle;
		reg[1] = log->position;
		reg[2] = 1;
		if (hypercall(MV_HYPERCALL(MV_DEBUG_OP, MV_DEBUG_OP_LOG_READ_IDX_VAL), reg))
			return -EIO;
		if (!reg[0] || reg[0] > 16)
			break;
		if (copy_to_user(u64_to_user_ptr(log->buffer + done), &reg[2], reg[0]))
			return -EFAULT;
		log->position = reg[1];
		done += reg[0];
	}
	log->bytes = done;
	return 0;
}
