/* SPDX-License-Identifier: MIT */
/*
 * The virtual machine control block, APM vol. 2, appendix B. Exit codes come from Linux's
 * <asm/svm.h>.
 */
#ifndef MK_VMCB_H
#define MK_VMCB_H

#include "../../abi/mk_abi.h"
#include "types.h"

struct vmcb_seg {
	u16 selector;
	u16 attrib; /* descriptor bits 40-47 and 52-55 in 12 bits */
	u32 limit;
	u64 base;
};

struct vmcb {
	/* Control area, table B-1. */
	u16 cr_read, cr_write;	/* 0x000 */
	u16 dr_read, dr_write;	/* 0x004 */
	u32 exceptions;		/* 0x008 */
	u32 intercept1;		/* 0x00C */
	u32 intercept2;		/* 0x010 */
	u32 intercept3;		/* 0x014 */
	u8 reserved018[0x3C - 0x18];
	u16 pause_threshold, pause_count;
	u64 iopm_spa;		/* 0x040 */
	u64 msrpm_spa;		/* 0x048 */
	u64 tsc_offset;		/* 0x050 */
	u32 asid;		/* 0x058 */
	u32 tlb_control;	/* 0x05C */
	u64 v_intr;		/* 0x060 */
	u64 int_state;		/* 0x068 */
	u64 exit_code;		/* 0x070 */
	u64 exit_info1;		/* 0x078 */
	u64 exit_info2;		/* 0x080 */
	u64 exit_int_info;	/* 0x088 */
	u64 np_enable;		/* 0x090 */
	u64 avic_bar;		/* 0x098 */
	u64 ghcb;		/* 0x0A0 */
	u64 event_inj;		/* 0x0A8 */
	u64 nested_cr3;		/* 0x0B0 */
	u64 lbr_control;	/* 0x0B8 */
	u32 clean;		/* 0x0C0 */
	u32 reserved0c4;
	u64 next_rip;		/* 0x0C8 */
	u8 insn_len;		/* 0x0D0 */
	u8 insn[15];
	u8 reserved0e0[0x400 - 0xE0];
	/* State save area, table B-2. */
	struct vmcb_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr; /* 0x400 */
	u8 reserved4a0[0x4CB - 0x4A0];
	u8 cpl;			/* 0x4CB */
	u32 reserved4cc;
	u64 efer;		/* 0x4D0 */
	u8 reserved4d8[0x548 - 0x4D8];
	u64 cr4, cr3, cr0, dr7, dr6, rflags, rip; /* 0x548 */
	u8 reserved580[0x5D8 - 0x580];
	u64 rsp;		/* 0x5D8 */
	u8 reserved5e0[0x5F8 - 0x5E0];
	u64 rax, star, lstar, cstar, sfmask, kernel_gs_base; /* 0x5F8 */
	u64 sysenter_cs, sysenter_esp, sysenter_eip, cr2;    /* 0x628 */
	u8 reserved648[0x668 - 0x648];
	u64 pat;		/* 0x668 */
	u64 dbgctl, br_from, br_to, excp_from, excp_to;
	u8 reserved698[0x1000 - 0x698];
} __attribute__((packed, aligned(16)));

MV_ABI_OFFSET(struct vmcb, iopm_spa, 0x40);
MV_ABI_OFFSET(struct vmcb, exit_code, 0x70);
MV_ABI_OFFSET(struct vmcb, event_inj, 0xA8);
MV_ABI_OFFSET(struct vmcb, clean, 0xC0);
MV_ABI_OFFSET(struct vmcb, insn_len, 0xD0);
MV_ABI_OFFSET(struct vmcb, es, 0x400);
MV_ABI_OFFSET(struct vmcb, tr, 0x490);
MV_ABI_OFFSET(struct vmcb, cpl, 0x4CB);
MV_ABI_OFFSET(struct vmcb, efer, 0x4D0);
MV_ABI_OFFSET(struct vmcb, cr4, 0x548);
MV_ABI_OFFSET(struct vmcb, rip, 0x578);
MV_ABI_OFFSET(struct vmcb, rsp, 0x5D8);
MV_ABI_OFFSET(struct vmcb, rax, 0x5F8);
MV_ABI_OFFSET(struct vmcb, cr2, 0x640);
MV_ABI_OFFSET(struct vmcb, pat, 0x668);
MV_ABI_SIZE(struct vmcb, 0x1000);

/* intercept1, offset 0x0C */
#define I1_INTR BIT(0)
#define I1_NMI BIT(1)
#define I1_VINTR BIT(4)
#define I1_CR0_SEL BIT(5)
#define I1_RDPMC BIT(15)
#define I1_CPUID BIT(18)
#define I1_RSM BIT(19)
#define I1_IRET BIT(20)
#define I1_INVD BIT(22)
#define I1_HLT BIT(24)
#define I1_INVLPGA BIT(26)
#define I1_IOIO BIT(27)
#define I1_MSR BIT(28)
#define I1_SHUTDOWN BIT(31)
/* intercept2, offset 0x10 */
#define I2_VMRUN BIT(0)
#define I2_VMMCALL BIT(1)
#define I2_VMLOAD BIT(2)
#define I2_VMSAVE BIT(3)
#define I2_STGI BIT(4)
#define I2_CLGI BIT(5)
#define I2_SKINIT BIT(6)
#define I2_WBINVD BIT(9)
#define I2_MONITOR BIT(10)
#define I2_MWAIT BIT(11)
#define I2_MWAIT_ARMED BIT(12)
#define I2_XSETBV BIT(13)
#define I2_RDPRU BIT(14)

#define V_INTR_MASKING BIT(24)
#define V_TPR_MASK 0xFULL
#define V_IRQ BIT(8)
#define V_IGN_TPR BIT(20)
#define INT_STATE_SHADOW BIT(0)
#define NP_ENABLE BIT(0)
#define TLB_KEEP 0U
#define TLB_FLUSH_ALL 1U

/* EVENTINJ and EXITINTINFO, APM 15.20 and 15.7.2 */
#define EVENT_VECTOR 0xFFULL
#define EVENT_TYPE_SHIFT 8
#define EVENT_HAS_ERROR BIT(11)
#define EVENT_VALID BIT(31)

/* VMCB clean bits, APM 15.15.3 */
#define CLEAN_I BIT(0)
#define CLEAN_MAPS BIT(1)
#define CLEAN_ASID BIT(2)
#define CLEAN_TPR BIT(3)
#define CLEAN_NP BIT(4)
#define CLEAN_CR BIT(5)
#define CLEAN_DR BIT(6)
#define CLEAN_DT BIT(7)
#define CLEAN_SEG BIT(8)
#define CLEAN_CR2 BIT(9)
#define CLEAN_ALL 0x7FFU

#endif /* MK_VMCB_H */
