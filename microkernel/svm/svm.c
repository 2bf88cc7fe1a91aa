// SPDX-License-Identifier: MIT
/*
 * The SVM backend: what VMs may do, the world switch, ASIDs, FPU and debug registers. One
 * ASID per VS and CPU, handed out in generations (APM vol. 2, 15.16).
 */
#include <asm/svm.h>
#include <errno.h>

#include "svm.h"

#include "backend.h"
#include "epoch.h"

#define ROOT_ASID 1
#define FIRST_GUEST_ASID 2
#define PRED_CMD_IBPB 1
#define DR7_ENABLES 0xFF

/* Permission maps, APM vol. 2, 15.10.1 and 15.11: a set bit intercepts. */
static u8 guest_iopm[0x3000] __attribute__((aligned(4096)));
static u8 guest_msrpm[0x2000] __attribute__((aligned(4096)));
static u8 root_msrpm[0x2000] __attribute__((aligned(4096)));

/*
 * What a guest may touch directly, from and to: the VMCB keeps them apart from the host's. STAR
 * LSTAR CSTAR SFMASK, FS_BASE GS_BASE KERNEL_GS_BASE, SYSENTER_CS ESP EIP.
 */
static const u32 guest_msrs[][2] = { { 0xC0000081, 0xC0000084 },
				     { 0xC0000100, 0xC0000102 }, { 0x174, 0x176 } };

/* What root may not: EFER (SVME), VM_CR to VM_HSAVE_PA and what else is SVM's. */
static const u32 root_denied[][2] = { { 0xC0000080, 0xC0000080 }, { 0xC0010114, 0xC0010119 } };

/*
 * What root may read only, since it is the hypervisor's as well: what an address leads to, and how
 * it is cached. APIC_BASE; MTRRs, but not PAT among them; SYSCFG; IORRs, TOP_MEM, TOM2; the loader
 * of microcode; the base of PCI's registers; SMM's memory. APM vol. 2, 16.3.1, 7.7, 7.9, 10.2.
 */
static const u32 root_fixed[][2] = { { 0x1B, 0x1B }, { 0x200, 0x276 }, { 0x278, 0x2FF },
				     { 0xC0010010, 0xC0010010 }, { 0xC0010016, 0xC001001D },
				     { 0xC0010020, 0xC0010020 }, { 0xC0010058, 0xC0010058 },
				     { 0xC0010111, 0xC0010113 } };

#define VIRT_INSTRUCTIONS                                                                          \
	(I2_VMRUN | I2_VMMCALL | I2_VMLOAD | I2_VMSAVE | I2_STGI | I2_CLGI | I2_SKINIT)

/* Turns bits of n ranges: two for each MSR, 1 for reads and 2 for writes, of three times 8,192. */
static void msrpm_turn(u8 *map, const u32 (*range)[2], unsigned int n, u8 bits)
{
	for (; n; n--, range++)
		for (u32 msr = (*range)[0]; msr <= (*range)[1]; msr++)
			map[(msr < 0x2000 ? 0 : msr < 0xC0010000 ? 0x800 : 0x1000) +
			    (msr & 0x1FFF) / 4] ^= bits << (msr % 4 * 2);
}

void backend_init(void)
{
	memset(guest_iopm, 0xFF, sizeof(guest_iopm));
	memset(guest_msrpm, 0xFF, sizeof(guest_msrpm));
	memset(root_msrpm, 0, sizeof(root_msrpm));
	msrpm_turn(guest_msrpm, guest_msrs, ARRAY_SIZE(guest_msrs), 3);
	msrpm_turn(root_msrpm, root_denied, ARRAY_SIZE(root_denied), 3);
	msrpm_turn(root_msrpm, root_fixed, ARRAY_SIZE(root_fixed), 2);
}

static void intercept_guest(struct vmcb *v)
{
	/* #DB and #AC can recur for ever within one delivery; #MC is the host's; #UD: see guest.c. */
	v->exceptions = BIT(1) | BIT(6) | BIT(17) | BIT(18);
	v->intercept1 = I1_INTR | I1_NMI | I1_CR0_SEL | I1_RDPMC | I1_CPUID | I1_RSM | I1_INVD |
			I1_HLT | I1_INVLPGA | I1_IOIO | I1_MSR | I1_SHUTDOWN;
	v->intercept2 = VIRT_INSTRUCTIONS | I2_WBINVD | I2_MONITOR | I2_MWAIT | I2_MWAIT_ARMED |
			I2_XSETBV | I2_RDPRU;
	v->dr_read = v->dr_write = 0xFFFF;
	v->iopm_spa = hw_image_spa(guest_iopm);
	v->msrpm_spa = hw_image_spa(guest_msrpm);
}

/* INVD would take back what the hypervisor has written to its memory. */
static void intercept_root(struct vmcb *v)
{
	v->intercept1 = I1_INVD | I1_INVLPGA | I1_MSR;
	v->intercept2 = VIRT_INSTRUCTIONS;
	v->msrpm_spa = hw_image_spa(root_msrpm);
	v->asid = ROOT_ASID;
}

void backend_vs_init(struct vs *vs)
{
	struct vmcb *v = vmcb_of(vs);

	if (is_root(vs))
		intercept_root(v);
	else
		intercept_guest(v);
	vs->window = VS_WINDOW_UNKNOWN;
	v->np_enable = NP_ENABLE;
	v->nested_cr3 = vs->space->npt.root.v;
}

void backend_save_root(struct vs *root)
{
	svm_save(root->page[PAGE_BLOCK].v);
}

void backend_cpu_init(struct cpu *cpu)
{
	hw_wrmsr(MSR_VM_HSAVE_PA, cpu->host_save.v);
	svm_save(cpu->host_vmcb.v);
	cpu->next_asid = FIRST_GUEST_ASID;
	cpu_flush_vms(cpu);
	hw_fxsave(cpu->root_vs->fpu); /* tells MXCSR_MASK; what 0 means: APM vol. 2, 11.4.4 */
	cpu->mxcsr_mask = cpu->root_vs->fpu->mxcsr_mask ? cpu->root_vs->fpu->mxcsr_mask : 0xFFBF;
}

void backend_set_root(struct vs *vs, const struct mk_launch *l)
{
	struct vmcb *v = vmcb_of(vs);
	struct mk_state *s = vs->state;

	v->es = svm_seg(l->es);
	v->cs = svm_seg(l->cs);
	v->ss = svm_seg(l->ss);
	v->ds = svm_seg(l->ds);
	v->gdtr = svm_seg(l->gdtr);
	v->idtr = svm_seg(l->idtr);
	v->cr0 = l->cr0;
	v->cr2 = l->cr2;
	v->cr3 = l->cr3;
	v->cr4 = l->cr4;
	v->efer = l->efer | EFER_SVME;
	v->pat = l->pat;
	v->dr6 = l->dr6;
	v->dr7 = l->dr7;
	vs->cpu = VS_NO_CPU;
	vs->asid_generation = 0;
	memset(s->gpr, 0, sizeof(s->gpr));
	s->gpr[MK_RSP] = l->rsp;
	s->rip = l->rip;
	s->rflags = l->rflags;
	s->dirty = 0;
	s->shadow = 0;
	s->inject = (struct mk_event){ .type = MK_EVENT_NONE };
}

/* The VS comes from another CPU, or this one has forgotten its translations. */
static void asid_assign(struct cpu *cpu, struct vs *vs)
{
	struct vmcb *v = vmcb_of(vs);

	if (vs->cpu != cpu->id)
		v->clean = 0;
	if (cpu->flush || (!is_root(vs) && cpu->next_asid >= cpu->asids)) {
		cpu->flush = false;
		cpu->asid_generation++;
		cpu->next_asid = FIRST_GUEST_ASID;
		v->tlb_control = TLB_FLUSH_ALL;
	}
	vs->cpu = cpu->id;
	vs->asid_generation = cpu->asid_generation;
	if (is_root(vs))
		return;
	v->asid = cpu->next_asid++;
	v->clean &= ~CLEAN_ASID;
}

/* XCR0 is read of guests too: QEMU 7.2 doesn't intercept their XSETBV. */
static void fpu_swap(const struct cpu *cpu, struct vs *from, const struct vs *to)
{
	const u64 all = cpu->xcr0_all;

	if (!all) {
		hw_fxsave(from->fpu);
		hw_fxrstor(to->fpu);
		return;
	}
	from->xcr0 = hw_xgetbv();
	if (from->xcr0 != all)
		hw_xsetbv(all);
	hw_xsave(from->fpu, all);
	hw_xrstor(to->fpu, all);
	if (to->xcr0 != all)
		hw_xsetbv(to->xcr0);
}

/* One of the two is root: its debug registers leave the CPU only for a guest with its own. */
static void debug_swap(struct vs *from, struct vs *to)
{
	const struct vs *guest = is_root(from) ? to : from;

	if (!guest->debug_regs)
		return;
	hw_read_dr(from->state->dr);
	hw_write_dr(to->state->dr);
}

/* RDTSCP and RDPID read it. Root writes it as it likes, guests only by way of ring 3. */
static void tsc_aux_swap(const struct cpu *cpu, struct vs *from, const struct vs *to)
{
	if (!(cpu->features & CPU_TSC_AUX))
		return;
	if (is_root(from))
		from->tsc_aux = hw_rdmsr(MSR_TSC_AUX);
	if (from->tsc_aux != to->tsc_aux)
		hw_wrmsr(MSR_TSC_AUX, to->tsc_aux);
}

/* The registers that a world switch leaves alone. By way of root: see debug_swap(). */
void backend_switch(struct cpu *cpu, struct vs *vs)
{
	struct vs *from = cpu->fpu;

	if (!is_root(from) && !is_root(vs)) {
		backend_switch(cpu, cpu->root_vs);
		from = cpu->root_vs;
	}
	fpu_swap(cpu, from, vs);
	debug_swap(from, vs);
	tsc_aux_swap(cpu, from, vs);
	if (!is_root(from) && cpu->features & CPU_IBPB)
		hw_wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
	__atomic_store_n(&cpu->fpu, vs, __ATOMIC_RELEASE);
}

/* A guest that touches debug registers gets them; until then root's stay in the CPU. */
static void debug_regs_begin(struct vs *vs)
{
	struct vmcb *v = vmcb_of(vs);

	vs->debug_regs = true;
	v->dr_read = v->dr_write = 0;
	v->clean &= ~CLEAN_I;
	hw_write_dr(vs->state->dr);
}

/* Root's debug registers must be saved before a guest's first take their place. */
static void debug_regs_take(struct cpu *cpu, struct vs *vs)
{
	hw_read_dr(cpu->root_vs->state->dr);
	debug_regs_begin(vs);
}

/* That root runs is told to all before the entry, and before epoch_join looks: epoch_passed_by. */
STRAIGHT s64 enter(struct cpu *cpu, struct vs *vs, struct mk_state *s)
{
	if (is_root(vs))
		__atomic_store_n(&cpu->in_root, 1, __ATOMIC_SEQ_CST);
	s->entries++;
	cpu->root_vs->state->switches++;
	return svm_enter(vs->page[PAGE_BLOCK].v, s->gpr, cpu->host_vmcb.v);
}

static RARE s64 enter_anew(struct cpu *cpu, struct vs *vs)
{
	asid_assign(cpu, vs);
	return enter(cpu, vs, vs->state);
}

STRAIGHT s64 enter_any(struct cpu *cpu, struct vs *vs, struct mk_state *s)
{
	return vs->asid_generation == cpu->asid_generation ? enter(cpu, vs, s) :
							     enter_anew(cpu, vs);
}

s64 svm_enter_again(struct cpu *cpu, struct vs *vs)
{
	return enter_any(cpu, vs, vs->state);
}

bool svm_guest_exit(struct cpu *cpu, struct vs *vs)
{
	u64 code = vmcb_of(vs)->exit_code;

	if (code < SVM_EXIT_READ_DR0 || code > SVM_EXIT_WRITE_DR0 + 15)
		return false;
	debug_regs_take(cpu, vs);
	return true;
}

/* All MSRs, by a map that has all bits set anyway, or those that the VMCB doesn't switch. */
static void commit_maps(struct vs *vs, u32 window)
{
	u64 map = hw_image_spa(window & MK_WINDOW_MSR ? guest_iopm : guest_msrpm);

	if (is_root(vs) || vmcb_of(vs)->msrpm_spa == map)
		return;
	vmcb_of(vs)->msrpm_spa = map;
	vmcb_of(vs)->clean &= ~CLEAN_MAPS;
}

/* What the VMCB doesn't hold goes into the CPU at once. */
static void commit_cpu(struct cpu *cpu, struct vs *vs, u32 dirty)
{
	if (dirty & MK_G_XCR && cpu->xcr0_all)
		hw_xsetbv(vs->xcr0);
	if (dirty & MK_G_MSR && cpu->features & CPU_TSC_AUX)
		hw_wrmsr(MSR_TSC_AUX, vs->tsc_aux);
	if (!(dirty & MK_G_DR) || is_root(vs))
		return;
	if (vs->debug_regs)
		hw_write_dr(vs->state->dr);
	else if (vmcb_of(vs)->dr7 & DR7_ENABLES)
		debug_regs_take(cpu, vs);
}

static RARE s64 enter_with_event(struct cpu *cpu, struct vs *vs)
{
	vmcb_of(vs)->event_inj = svm_event_inj(vs->state->inject);
	vs->state->inject = (struct mk_event){ .type = MK_EVENT_NONE };
	return enter_any(cpu, vs, vs->state);
}

/* The registers that are always valid. */
STRAIGHT s64 commit(struct cpu *cpu, struct vs *vs, struct mk_state *s, struct vmcb *v)
{
	v->rax = s->gpr[MK_RAX];
	v->rsp = s->gpr[MK_RSP];
	v->rip = s->rip;
	v->rflags = s->rflags;
	v->int_state = s->shadow & INT_STATE_SHADOW;
	v->event_inj = 0;
	return s->inject.type == MK_EVENT_NONE ? enter_any(cpu, vs, s) : enter_with_event(cpu, vs);
}

static RARE s64 commit_all(struct cpu *cpu, struct vs *vs, u32 dirty, u32 window)
{
	svm_commit_changed(vs, dirty, window);
	commit_maps(vs, window);
	commit_cpu(cpu, vs, dirty);
	return commit(cpu, vs, vs->state, vmcb_of(vs));
}

/*
 * An open window is made anew each time: the CPU changes what asks for it. And QEMU's #VMEXIT
 * can store a V_IRQ that nobody asked for, when another thread kicks the CPU just then.
 */
s64 backend_run(struct cpu *cpu, struct vs *vs)
{
	struct mk_state *s = vs->state;
	struct vmcb *v = vmcb_of(vs);
	u32 dirty = __atomic_load_n(&s->dirty, __ATOMIC_RELAXED);
	u32 window = s->window;

	if (dirty | window | vs->window)
		return commit_all(cpu, vs, dirty, window);
	v->v_intr &= ~V_IRQ;
	return commit(cpu, vs, s, v);
}

/*
 * Root's VMLOAD state and tables are put back here; what else differs is loaded by the
 * launch module's code, which is mapped in both address spaces.
 */
void backend_stop(struct cpu *cpu)
{
	struct vs *root = cpu->root_vs;
	struct vmcb *v = vmcb_of(root);
	u64 regs[] = { v->cr4, v->cr3, v->cr0, root->state->gpr[MK_RSP], root->state->gpr[MK_RAX],
		       v->dr7, v->cr2 };
	struct {
		u8 pad[6];
		u16 limit;
		u64 base;
	} gdtr = { .limit = v->gdtr.limit, .base = v->gdtr.base },
	  idtr = { .limit = v->idtr.limit, .base = v->idtr.base };

	if (cpu->fpu != cpu->root_vs)
		backend_switch(cpu, cpu->root_vs);
	__atomic_store_n(&cpu->online, 0, __ATOMIC_RELEASE);
	hw_wrmsr(MSR_VM_HSAVE_PA, 0);
	svm_load(root->page[PAGE_BLOCK].v);
	asm volatile("lgdt %0; lidt %1" ::"m"(gdtr.limit), "m"(idtr.limit));
	svm_leave(hw_stop_tramp, regs);
}
