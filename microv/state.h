/* SPDX-License-Identifier: MIT */
/* The state page of a VS: fetching what isn't there, the reset state, MicroV's own part. */
#ifndef MICROV_STATE_H
#define MICROV_STATE_H

#include "emu.h"
#include "mk.h"

#define CR0_PE (1ULL << 0)
#define CR0_ET (1ULL << 4)
#define CR0_WP (1ULL << 16)
#define CR0_NW (1ULL << 29)
#define CR0_CD (1ULL << 30)
#define CR0_PG (1ULL << 31)
#define CR4_PSE (1ULL << 4)
#define CR4_PAE (1ULL << 5)
#define CR4_LA57 (1ULL << 12)
#define CR4_OSXSAVE (1ULL << 18)
#define CR4_SMEP (1ULL << 20)
#define CR4_SMAP (1ULL << 21)
#define EFER_SCE (1ULL << 0)
#define EFER_LME (1ULL << 8)
#define EFER_LMA (1ULL << 10)
#define EFER_NXE (1ULL << 11)
#define EFER_SVME (1ULL << 12)
#define RFLAGS_FIXED (1ULL << 1)
#define RFLAGS_TF (1ULL << 8)
#define RFLAGS_IF (1ULL << 9)
#define RFLAGS_DF (1ULL << 10)
#define RFLAGS_RF (1ULL << 16)
#define RFLAGS_VM (1ULL << 17)
#define RFLAGS_AC (1ULL << 18)

/* An IN, OUT or INS that user space serves; the next run completes it. */
enum io_pending { IO_NONE = 0, IO_IN, IO_OUT, IO_INS };

/* A RDMSR or WRMSR that user space serves; the next run completes it. */
enum msr_pending { MSR_NONE = 0, MSR_READ, MSR_WRITE };

/*
 * An emulated instruction: `pending` wants data that user space reads, or has them, but memory was
 * missing; or `move` wants data.
 */
enum mmio_waits { MMIO_NONE = 0, MMIO_DATA, MMIO_MEMORY, MMIO_MOVE };

/* What an emulated instruction left for user space; goes on at the next run (mmio.c). */
struct mmio_state {
	uint8_t waits;	    /* enum mmio_waits */
	uint8_t outs, told; /* out[told..outs) are still to be told */
	struct emu_io out[EMU_MAX_WRITES];
	struct emu_pending pending;
	struct emu_move move;
};

#define MTRR_VARIABLE 16U /* eight bases and masks */
#define MTRR_FIXED 11U
#define MCE_BANKS 32U

/* MSRs that only MicroV knows: nothing depends on most of them. */
struct vs_msrs {
	uint64_t apic_base;
	uint64_t misc_enable, ucode_rev, hwcr;
	uint64_t platform_info, misc_features, power_ctl;
	uint64_t tsc_adjust;
	uint64_t mcg_cap, mcg_status, mcg_ctl, mce[4 * MCE_BANKS];
	uint64_t mtrr_def, mtrr_variable[MTRR_VARIABLE], mtrr_fixed[MTRR_FIXED];
};

/* The TSC of a VS besides its offset, and its kvmclock. */
struct vs_time {
	uint64_t left;	   /* the CPU's TSC when the VS left it last */
	uint32_t khz;	   /* 0: as the CPU's */
	uint8_t catch_up;  /* faster than the CPU's: jumps at each entry */
	uint8_t old_msr;   /* kvmclock: the guest uses the old MSR, without flags */
	uint8_t stopped;   /* it is to be told that it was stopped */
	uint64_t base, base_guest; /* catch_up: from where on; the CPU's TSC and its own */
	uint64_t kvmclock; /* the MSR: where it wants the time */
	/* What it was shown last, and what that depends on (kvmclock.c). */
	uint64_t tsc, ns;
	uint32_t mul, sets, changes, told;
	uint16_t cpu;
	int8_t shift;
	uint8_t stable, shown;
	uint8_t wall_due;  /* the wall clock's memory wasn't there yet */
};

/* An external interrupt that waits: for the guest to take it, or just for the next entry. */
enum intr_pending { INTR_NONE = 0, INTR_QUEUED, INTR_NOW };

/* Pages that aren't memory, as root said (walk.c): their address, and ABSENT_* in the low bits. */
#define ABSENT_WRITE 1U
#define ABSENT_VALID 2U
#define ABSENT_PAGES 8U

/*
 * The last walk of the guest's page tables (walk.c): all that its result depends on. With entries of 8
 * bytes only. While each entry is what it was, so is the result.
 */
#define WALK_NOWHERE ~0ULL

struct walk_memo {
	uint64_t gla; /* of the page, or WALK_NOWHERE */
	uint64_t cr0, cr3, cr4, efer;
	uint32_t access; /* WALK_*, and RFLAGS.AC where that counts */
	struct mk_window_word entry[5], *end;
	uint64_t gpa, flags; /* of the page, as in struct mapping */
};

/* What is counted for a VS, of root too (stats.c). Written by the CPU that runs it. */
struct vs_stats {
	uint64_t born; /* the TSC when it was made */
	uint64_t run_ticks, guest_ticks;
	uint64_t delivered[MK_EVENT_SOFT + 1]; /* by enum mk_event_type */
	uint64_t emulated;
	uint64_t exits[MK_EXIT_COUNT];
};

/* MicroV's own data of a VS, in its state page; of root only `stats`. */
struct vs_data {
	struct vs_msrs msrs;
	uint64_t io_rip;  /* linear RIP of the pending instruction */
	uint64_t io_next; /* RIP behind it */
	uint32_t io_reps;
	uint8_t io;	      /* enum io_pending */
	uint8_t io_size;      /* bytes of an element */
	uint8_t io_addr_size; /* INS: bytes of an address */
	uint8_t io_rep;	      /* INS: has a REP prefix */
	uint64_t run_flags;   /* MV_RUN_FLAG_* of the last mv_vs_op_run */
	uint64_t msr_rip;     /* linear RIP of the instruction that `msr` is about */
	uint64_t iret_rip;    /* linear */
	uint8_t msr;	      /* enum msr_pending */
	uint8_t dead;	      /* MicroV faulted while it served this VS */
	uint8_t mp;	      /* enum mv_mp_state_t */
	uint8_t intr_vector;
	union {
		struct {
			uint8_t intr;	     /* enum intr_pending */
			uint8_t nmi_pending; /* 0 to 2 */
			uint8_t nmi_masked;  /* one was delivered, and no IRET since */
			uint8_t nmi_iret;    /* the IRET at iret_rip is about to end that */
		};
		uint32_t events; /* not 0: there are any */
	};
	struct walk_memo data_walk, code_walk;
	struct mmio_state mmio;
	struct vs_time time;
	struct vs_stats stats;
	uint16_t cpuid_count; /* leaves in MicroV's own pages (cpuid.c) */
	uint8_t devices_next; /* of devices[]: the oldest */
	uint64_t asked;	      /* the page that root is asked for, as in devices[] */
	uint64_t devices[ABSENT_PAGES];
};
MV_ABI_ASSERT(sizeof(struct vs_data) <= sizeof(((struct mk_state *)0)->microv));

static inline struct vs_data *state_data(struct mk_state *st)
{
	return (struct vs_data *)st->microv;
}

/* Makes groups (MK_G_*) of the state page valid. */
void state_fetch_missing(unsigned int vsid, uint32_t groups);

/* Are all these groups there? */
static inline int state_has(const struct mk_state *st, uint32_t groups)
{
	return !(groups & ~(st->valid | st->dirty));
}

static inline void state_fetch(unsigned int vsid, struct mk_state *st, uint32_t groups)
{
	groups &= ~(st->valid | st->dirty);
	if (groups)
		state_fetch_missing(vsid, groups);
}

/* The state of a CPU after reset; bsp: of the first one of its VM. All groups are dirty. */
void state_reset(struct mk_state *st, int bsp);

/* The state after INIT: as reset, but memory types, XCR0, TSC_AUX, time and the APIC stay. */
void state_init(unsigned int vsid, struct mk_state *st);

#endif
