/* SPDX-License-Identifier: MIT */
/*
 * A microkernel for host tests of MicroV: state pages that hold only what was fetched,
 * spaces with pools, guest memory as an array, and exits that a test has queued.
 */
#ifndef FAKE_H
#define FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exit.h"
#include "hypercall.h"
#include "main.h"
#include "mdl.h"
#include "msr.h"
#include "vm_table.h"

#define FAKE_RAM 0x800000ULL	      /* guest memory: [0, FAKE_RAM) */
#define FAKE_ROOT_RAM 0x40000000ULL   /* root's RAM; above it nothing is root's */
#define FAKE_MAPS 256
#define FAKE_EXITS 64

struct fake_map {
	uint64_t gpa, spa, bytes, flags;
};

struct fake_space {
	int exists;
	int vss;
	int64_t pool;
	unsigned int maps;
	struct fake_map map[FAKE_MAPS];
	unsigned int donated;
};

struct fake {
	struct fake_space space[MV_MAX_VMS];
	uint64_t shared; /* of every CPU, or MK_NONE */
	int window;	 /* space that it shows, or -1 */
	int retries;	 /* how often quiesce and the destroyers say EAGAIN */
	int fail_map;	 /* the n-th space_map from now fails with -fail_with (0: none) */
	int fail_unmap;
	int fail_with;
	int64_t dirty_error; /* what space_dirty says once, */
	uint64_t dirty[512]; /* or gives and forgets, */
	uint64_t dirty_gpa, dirty_bytes; /* and was asked for last */
	int window_stays;   /* open behind vs_run, of root too */
	int busy;	    /* how often vs_run and vs_fetch say EBUSY */
	int64_t run_error;  /* what vs_run says instead of running */
	int stopped;	    /* CPU_STOP was called */
	unsigned int runs;  /* of guests */
	unsigned int opens; /* of the window */
	uint64_t hole;	    /* 0, or a page that isn't mapped */
	struct mk_exit exits[FAKE_EXITS];
	unsigned int exit_count, exit_next;
	void (*on_run)(struct mk_state *st); /* the guest, before it exits */
	void (*make_exit)(struct mk_exit *exit); /* instead of the queue */
	char log[4096];
	unsigned int log_len;
	const char *log_text; /* what LOG_READ finds, from log_start on */
	uint64_t log_start;
};

extern struct fake fake;
extern uint8_t fake_ram[FAKE_RAM];
extern uint8_t fake_shared[MV_PAGE_SIZE];

/* Everything as at launch, CPU 0 online. For cmocka's setup. */
int fake_reset(void **state);

/* A hypercall of root on a CPU; the status. Outputs are in fake_reg(). */
mv_status_t fake_call(unsigned int cpu, unsigned int op, unsigned int idx, uint64_t reg1,
		      uint64_t reg2, uint64_t reg3);
uint64_t fake_reg(unsigned int cpu, unsigned int n);

/* The same for group and name: HC(0, VM, CREATE_VM, reg1, reg2, reg3). */
#define HC(cpu, GROUP, NAME, ...)                                                                  \
	fake_call(cpu, MV_##GROUP##_OP, MV_##GROUP##_OP_##NAME##_IDX_VAL, __VA_ARGS__)

/* Sets this CPU's shared page; makes a VM, or a VM with a VS (pool full enough): its ID. */
void fake_share(unsigned int cpu);
unsigned int fake_vm(void);
unsigned int fake_vs(void);

/* What the guest's hardware has, whatever its state page shows. */
struct mk_state *fake_hw(unsigned int vsid);

/* Its FPU state, as ring 0 has it. */
struct mv_xsave_t *fake_fpu(unsigned int vsid);

/* Queues an exit of a guest. */
void fake_exit(const struct mk_exit *exit);

/* Runs a VS with mv_run_t of zeros (fake_run), or with what is in the shared page. */
mv_status_t fake_run(unsigned int vsid);
mv_status_t fake_run_input(unsigned int vsid);
/* The same with these flags, and data for what is pending. */
mv_status_t fake_run_with(unsigned int vsid, uint64_t flags, const void *data, size_t len);

/* A VS in flat 32-bit or 64-bit mode, paging off or with identity tables at 0x1000. */
void fake_mode_32(unsigned int vsid);
void fake_mode_64(unsigned int vsid);
/* Shares CPU 0's page and makes a VS in 64-bit mode that is about to run what is there. */
unsigned int fake_vs_64(uint64_t rip);

#endif
