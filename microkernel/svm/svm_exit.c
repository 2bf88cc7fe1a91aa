// SPDX-License-Identifier: MIT
/*
 * The VMCB's exit codes (APM vol. 2, appendix C) as neutral exit records.
 */
#include <asm/svm.h>

#include "svm.h"

#include "epoch.h"

/* CS in a VMCB, APM vol. 2, 15.5.1 */
#define ATTRIB_L (MK_ATTR_L >> 4)
#define ATTRIB_DB (MK_ATTR_DB >> 4)

/* EXITINFO1 of IOIO, APM vol. 2, 15.10.2 */
#define IOIO_IN BIT(0)
#define IOIO_STRING BIT(2)
#define IOIO_REP BIT(3)

/* EXITINFO1 of a nested page fault: a #PF error code and more, APM vol. 2, 15.25.6 */
#define NPF_WRITE BIT(1)
#define NPF_EXEC BIT(4)
#define NPF_TABLE BIT(33)

/* Its record has more than all have. */
#define MORE 0x80

static const u8 reason_of[] = {
	[SVM_EXIT_READ_CR0 ... SVM_EXIT_READ_CR0 + 31] = MK_EXIT_CR,
	[SVM_EXIT_INTR] = MK_EXIT_INTR,
	[SVM_EXIT_NMI] = MK_EXIT_NMI,
	[SVM_EXIT_SMI ... SVM_EXIT_INIT] = MK_EXIT_INTR, /* root's as well */
	[SVM_EXIT_VINTR] = MK_EXIT_WINDOW,
	[SVM_EXIT_CR0_SEL_WRITE] = MK_EXIT_CR,
	[SVM_EXIT_RDPMC] = MK_EXIT_RDPMC,
	[SVM_EXIT_CPUID] = MK_EXIT_CPUID,
	[SVM_EXIT_RSM] = MK_EXIT_RSM,
	[SVM_EXIT_IRET] = MK_EXIT_IRET,
	[SVM_EXIT_INVD] = MK_EXIT_INVD,
	[SVM_EXIT_HLT] = MK_EXIT_HLT,
	[SVM_EXIT_INVLPGA] = MK_EXIT_VIRT,
	[SVM_EXIT_IOIO] = MK_EXIT_IO | MORE,
	[SVM_EXIT_MSR] = MK_EXIT_MSR | MORE,
	[SVM_EXIT_SHUTDOWN] = MK_EXIT_SHUTDOWN,
	[SVM_EXIT_VMRUN] = MK_EXIT_VIRT,
	[SVM_EXIT_VMMCALL] = MK_EXIT_HYPERCALL,
	[SVM_EXIT_VMLOAD ... SVM_EXIT_RDTSCP] = MK_EXIT_VIRT, /* and VMSAVE STGI CLGI SKINIT */
	[SVM_EXIT_WBINVD] = MK_EXIT_WBINVD,
	[SVM_EXIT_MONITOR] = MK_EXIT_MONITOR,
	[SVM_EXIT_MWAIT ... SVM_EXIT_MWAIT_COND] = MK_EXIT_MWAIT,
	[SVM_EXIT_XSETBV] = MK_EXIT_XSETBV,
	[SVM_EXIT_RDPRU] = MK_EXIT_VIRT,
	[SVM_EXIT_INVPCID ... SVM_EXIT_INVPCID + 2] = MK_EXIT_VIRT, /* and MCOMMIT, TLBSYNC */
	[SVM_EXIT_EXCP_BASE + 18] = MK_EXIT_MCE,
};

/* The exits that nearly all are, those of root without page faults; 0: something else. */
STRAIGHT u8 plain_reason(bool root, u64 code)
{
	if (code < ARRAY_SIZE(reason_of))
		return reason_of[code];
	return code == SVM_EXIT_NPF && !root ? MK_EXIT_MEM | MORE : 0;
}

static u8 reason(u64 code)
{
	if (code >= SVM_EXIT_EXCP_BASE && code < SVM_EXIT_EXCP_BASE + 32 && !reason_of[code])
		return MK_EXIT_EXCEPTION | MORE;
	/* -1 is a 64-bit code, but QEMU's emulation keeps only its lower half. */
	if ((u32)code == 0xFFFFFFFFU)
		return MK_EXIT_INVALID;
	return plain_reason(false, code) ?: MK_EXIT_UNKNOWN;
}

STRAIGHT void decode_io(const struct cpu *cpu, const struct vmcb *v, struct mk_exit *exit)
{
	u64 info = v->exit_info1;
	u8 size = info >> 7 & 7; /* one bit each for 16, 32, 64 bits */

	exit->io.port = info >> 16;
	exit->io.size = info >> 4 & 7; /* one bit each for 1, 2, 4 bytes */
	exit->io.flags = (info & IOIO_IN ? MK_IO_IN : 0) | (info & IOIO_STRING ? MK_IO_STRING : 0) |
			 (info & IOIO_REP ? MK_IO_REP : 0);
	exit->io.addr_size = size * 2;
	exit->io.seg = cpu->features & CPU_DECODE && size ? info >> 10 & 7 : 0xFF;
	exit->next_rip = v->exit_info2;
}

STRAIGHT void decode_mem(const struct vmcb *v, struct mk_exit *exit)
{
	exit->addr = v->exit_info2;
	exit->mem_flags = (v->exit_info1 & NPF_WRITE ? MK_MEM_WRITE : 0) |
			  (v->exit_info1 & NPF_EXEC ? MK_MEM_EXEC : 0) |
			  (v->exit_info1 & NPF_TABLE ? MK_MEM_TABLE : 0);
}

/* Vectors that push an error code: #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX */
#define HAS_ERROR 0x60227D00U

static void decode_exception(const struct vmcb *v, struct mk_exit *exit)
{
	u8 vector = (v->exit_code - SVM_EXIT_EXCP_BASE) & 31;

	exit->event = (struct mk_event){
		.type = MK_EVENT_EXCEPTION,
		.vector = vector,
		.has_error = HAS_ERROR >> vector & 1,
		.error = v->exit_info1,
	};
	exit->addr = vector == 14 ? v->exit_info2 : 0;
}

#define NO_EVENT ((struct mk_event){ .type = MK_EVENT_NONE })

/* The event whose delivery an exit has interrupted. */
static struct mk_event interrupted(u64 info)
{
	static const u8 type[8] = {
		[0] = MK_EVENT_INTR, [2] = MK_EVENT_NMI, [3] = MK_EVENT_EXCEPTION, [4] = MK_EVENT_SOFT,
	};

	if (!(info & EVENT_VALID))
		return NO_EVENT;
	return (struct mk_event){
		.type = type[info >> EVENT_TYPE_SHIFT & 7],
		.vector = info & EVENT_VECTOR,
		.has_error = !!(info & EVENT_HAS_ERROR),
		.error = info >> 32,
	};
}

STRAIGHT void decode_more(const struct cpu *cpu, const struct vmcb *v, u8 why, struct mk_exit *exit)
{
	exit->reason = why;
	if (why == MK_EXIT_IO)
		decode_io(cpu, v, exit);
	else if (why == MK_EXIT_MEM)
		decode_mem(v, exit);
	else if (why == MK_EXIT_MSR)
		exit->write = v->exit_info1 & 1;
	else
		decode_exception(v, exit);
}

STRAIGHT void decode(const struct cpu *cpu, const struct vmcb *v, u8 why, struct mk_event event,
		     struct mk_exit *exit)
{
	exit->reason = why;
	exit->len = 0;
	exit->cpl = v->cpl;
	exit->long_mode = v->efer / EFER_LMA & v->cs.attrib / ATTRIB_L & 1;
	exit->big = v->cs.attrib >> 8 & ATTRIB_DB >> 8;
	exit->window = !!cpu->window;
	exit->cs_base = v->cs.base;
	exit->interrupted = event;
	if (cpu->features & CPU_NRIPS && v->next_rip > v->rip && v->next_rip - v->rip <= 15)
		exit->len = v->next_rip - v->rip;
	if (why & MORE)
		decode_more(cpu, v, why & ~MORE, exit);
}

/* What every exit shows; ring 3 asks for the rest when it needs it. */
STRAIGHT s64 leave(struct cpu *cpu, struct vs *vs, const struct vmcb *v, bool root, u8 why,
		   struct mk_event event)
{
	struct mk_state *s = vs->state;

	s->gpr[MK_RAX] = v->rax;
	s->gpr[MK_RSP] = v->rsp;
	s->rip = v->rip;
	s->rflags = v->rflags;
	s->shadow = v->int_state & INT_STATE_SHADOW;
	s->valid = MK_G_GPR | MK_G_TSC | (root ? 0 : MK_G_CR);
	if (!root)
		svm_fetch_cr(s, v, vs->cr0_hidden);
	decode(cpu, v, why, event, &s->exit);
	return vs_unclaim(vs);
}

/*
 * QEMU's VMEXIT_INVALID stores the host's registers in the VMCB, which are nobody's business, and
 * root's V_INTR.
 */
static void tcg_refused(struct vs *vs, struct vmcb *v)
{
	memset(&v->es, 0, offsetof(struct vmcb, reserved698) - offsetof(struct vmcb, es));
	vs->window = VS_WINDOW_UNKNOWN;
}

/* Exits that ring 0 may serve by itself, or that need care. */
static RARE s64 leave_rarely(struct cpu *cpu, struct vs *vs)
{
	struct vmcb *v = vmcb_of(vs);

	epoch_join(cpu);
	if ((u32)v->exit_code == 0xFFFFFFFFU && cpu->features & CPU_TCG)
		tcg_refused(vs, v);
	if (is_root(vs) ? !svm_root_exit(cpu, vs) : !svm_guest_exit(cpu, vs))
		return leave(cpu, vs, v, is_root(vs), reason(v->exit_code),
			     interrupted(v->exit_int_info));
	/* What an exit interrupted that ring 0 has served would be lost. */
	v->event_inj = v->exit_int_info & EVENT_VALID ? v->exit_int_info : 0;
	return svm_enter_again(cpu, vs);
}

/*
 * QEMU's #VMEXIT clears its V_IRQ request non-atomically and so can lose an interrupt that
 * another thread requests just then: a write of CR8 looks for pending ones anew.
 */
STRAIGHT s64 left(struct cpu *cpu, struct vs *vs, bool root)
{
	struct vmcb *v = vmcb_of(vs);
	u8 why;

	if (cpu->features & CPU_TCG)
		hw_rewrite_cr8();
	if (root)
		__atomic_store_n(&cpu->in_root, 0, __ATOMIC_SEQ_CST);
	why = plain_reason(root, v->exit_code);
	v->clean = CLEAN_ALL;
	v->tlb_control = TLB_KEEP;
	if (!why || v->exit_int_info & EVENT_VALID || !epoch_is_joined(cpu))
		return leave_rarely(cpu, vs);
	return leave(cpu, vs, v, root, why, NO_EVENT);
}

static RARE s64 left_root(struct cpu *cpu, struct vs *vs)
{
	return left(cpu, vs, true);
}

s64 svm_left(struct cpu *cpu)
{
	struct vs *vs = cpu->fpu;

	return is_root(vs) ? left_root(cpu, vs) : left(cpu, vs, false);
}
