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
void svm_commit(struct vs *vs);
void svm_collect(struct vs *vs);
void svm_collect_cr(struct vs *vs);
u16 svm_attrib(u16 vmcb_attrib);
struct vmcb_seg svm_seg(struct mk_seg seg);

/* svm_exit.c: the VMCB's exit as a neutral record. */
void svm_decode(const struct cpu *cpu, const struct vs *vs, struct mk_exit *exit);

/* svm_root.c: exits of root that ring 3 need not see. True: go on with root. */
bool svm_root_exit(struct cpu *cpu, struct vs *vs);

/* svm_entry.S: gpr[] are loaded and saved but for RAX and RSP, which the VMCB holds. */
void svm_enter(u64 vmcb_spa, u64 *gpr, u64 host_vmcb_spa);
void svm_save(u64 vmcb_spa);
void svm_load(u64 vmcb_spa);
void svm_leave(u64 tramp, u64 *regs) __attribute__((noreturn));

#endif /* MK_SVM_H */
