/* SPDX-License-Identifier: MIT */
/*
 * The SVM backend, between its files.
 */
#ifndef MK_SVM_H
#define MK_SVM_H

#include "vmcb.h"
#include "vs.h"

#define EFER_SVME BIT(12)
#define EFER_LMA BIT(10)
#define RFLAGS_TF BIT(8)
#define RFLAGS_IF BIT(9)

static inline struct vmcb *vmcb_of(const struct vs *vs)
{
	return vs->block;
}

static inline bool is_root(const struct vs *vs)
{
	return vs->id < MK_GUEST_VS_FIRST;
}

/* svm_state.c: between state page and VMCB. */
void svm_commit_changed(struct vs *vs, u32 dirty, u32 window);
u64 svm_event_inj(struct mk_event event);
u16 svm_attrib(u16 vmcb_attrib);
struct vmcb_seg svm_seg(struct mk_seg seg);

STRAIGHT void svm_fetch_cr(struct mk_state *s, const struct vmcb *v, u64 cr0_hidden)
{
	s->cr0 = v->cr0 | cr0_hidden;
	s->cr2 = v->cr2;
	s->cr3 = v->cr3;
	s->cr4 = v->cr4;
	s->cr8 = v->v_intr & V_TPR_MASK;
	s->efer = v->efer & ~EFER_SVME;
}

/* svm_exit.c: what comes behind an exit: ring 0 serves it, or makes a neutral record of it. */
s64 svm_left(struct cpu *cpu);

/* svm.c: enters the VS that has just left once more. True: ring 3 need not see that exit. */
s64 svm_enter_again(struct cpu *cpu, struct vs *vs);
bool svm_guest_exit(struct cpu *cpu, struct vs *vs);

/* svm_root.c: exits of root that ring 3 need not see. True: go on with root. */
bool svm_root_exit(struct cpu *cpu, struct vs *vs);

/*
 * svm_entry.S: gpr[] are loaded and saved but for RAX and RSP, which the VMCB holds; then it goes
 * on with svm_left(). All registers are lost, also those that C's functions keep: only a tail call.
 */
s64 svm_enter(u64 vmcb_spa, u64 *gpr, u64 host_vmcb_spa);
void svm_save(u64 vmcb_spa);
void svm_load(u64 vmcb_spa);
void svm_leave(u64 tramp, u64 *regs) __attribute__((noreturn));

#endif /* MK_SVM_H */
