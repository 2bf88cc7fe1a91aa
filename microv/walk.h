/* SPDX-License-Identifier: MIT */
/*
 * The guest's linear memory: its page tables, walked with its own registers, and copies to
 * and from it through the window.
 */
#ifndef MICROV_WALK_H
#define MICROV_WALK_H

#include "vm.h"

/* What an access is; WALK_PROBE asks for the mapping alone: no rights, no A and D bits. */
enum { WALK_READ = 0, WALK_WRITE = 1, WALK_EXEC = 2, WALK_USER = 4, WALK_PROBE = 8 };

/* An exception that an access of the guest gives. */
struct fault {
	uint8_t vector;
	uint32_t error;
	uint64_t addr; /* CR2 of a #PF */
};

struct mapping {
	uint64_t gpa;
	uint64_t flags; /* MV_MAP_FLAG_* */
};

/* Is the address canonical for this guest's paging mode? */
int walk_canonical(struct vs *vs, uint64_t gla);

/*
 * Has nobody changed the segments or the mode since the last exit? Then its record tells enough
 * of them; else those below with _now look at the registers themselves.
 */
static inline int walk_as_exited(const struct mk_state *st)
{
	return !(st->dirty & (MK_G_SEG | MK_G_CR));
}

/* Is it then 64-bit code? */
static inline int walk_exited_long(const struct mk_state *st)
{
	return walk_as_exited(st) && st->exit.long_mode;
}

int walk_long_mode_now(struct vs *vs);
unsigned int walk_cpl_now(struct vs *vs);
int walk_big_code_now(struct vs *vs);
uint64_t walk_linear_rip_now(struct vs *vs);

/* In 64-bit mode (not in compatibility mode)? */
static inline int walk_long_mode(struct vs *vs)
{
	return walk_as_exited(vs->st) ? vs->st->exit.long_mode : walk_long_mode_now(vs);
}

/* The CPL of the guest. */
static inline unsigned int walk_cpl(struct vs *vs)
{
	return walk_as_exited(vs->st) ? vs->st->exit.cpl : walk_cpl_now(vs);
}

/* Has CS its D bit? */
static inline int walk_big_code(struct vs *vs)
{
	return walk_as_exited(vs->st) ? vs->st->exit.big : walk_big_code_now(vs);
}

/* The linear address of the instruction at RIP. */
static inline uint64_t walk_linear_rip(struct vs *vs)
{
	const struct mk_state *st = vs->st;

	if (!walk_as_exited(st))
		return walk_linear_rip_now(vs);
	return st->exit.long_mode ? st->rip : (uint32_t)(st->exit.cs_base + st->rip);
}

/*
 * Memory that isn't mapped: where root hasn't said yet that it is no memory of the VM, and wants
 * to be asked (MV_RUN_FLAG_ASK), what follows returns -MK_EAGAIN. Then whatever needs it starts
 * over after run_ask(). Everything else that isn't memory is -MK_EFAULT.
 */

/* Did root say so of this page? If not, it is the one that run_ask() asks for. */
int walk_is_device(struct vs *vs, uint64_t gpa, int write);
/* Did root say so, for sure? */
int walk_gpa_refused(struct vs *vs, uint64_t gpa, int write);
/* At the beginning of a run with one of these flags: root's answer; it forgets the earlier ones. */
void walk_answer(struct vs *vs, uint64_t run_flags);

/* Translates one address. 0; 1 and the fault; or -MK_EAGAIN. */
int walk(unsigned int cpu, struct vs *vs, uint64_t gla, unsigned int access, struct mapping *map,
	 struct fault *fault);

/* Is it of this page in this paging mode, but for CR0 and what the entries are now? */
static inline int walk_memo_is_of(const struct walk_memo *m, const struct mk_state *st,
				  uint64_t gla)
{
	return m->gla == gla - gla % MV_PAGE_SIZE && m->cr3 == st->cr3 && m->cr4 == st->cr4 &&
	       m->efer == st->efer;
}

/*
 * The byte at RIP of 64-bit code that has just exited (walk_exited_long), if the last walk for code was
 * at this page and still holds; else less than 0. The guest may read it: the CPU did, with CR0.PG. And
 * what it read is in the window if that is this VM's, however old.
 */
static inline int walk_code_byte(const struct vs *vs)
{
	const struct mk_state *st = vs->st;
	const struct walk_memo *m = &state_data(vs->st)->code_walk;

	if (cpus[vs->cpu].window != vs->vmid || !walk_memo_is_of(m, st, st->rip))
		return -MK_ENOENT;
	return mk_window_check(m->entry, m->end, m->gpa + st->rip % MV_PAGE_SIZE);
}

/* The same of WALK_CODE bytes, if so many are left of the page. 0 or less. */
#define WALK_CODE 16U
int walk_code(struct vs *vs, uint8_t code[WALK_CODE]);

/*
 * Copies up to a page between buf and the guest's linear memory (into it with WALK_WRITE).
 * 0; 1 and the fault, with nothing copied; -MK_EFAULT when a page isn't memory of the VM;
 * -MK_EAGAIN.
 */
int walk_copy(unsigned int cpu, struct vs *vs, uint64_t gla, void *buf, unsigned int len,
	      unsigned int access, struct fault *fault);

/* The same by guest-physical address: 0, -MK_EFAULT or -MK_EAGAIN (then part may be copied). */
int walk_gpa_copy(unsigned int cpu, struct vs *vs, uint64_t gpa, void *buf, unsigned int len,
		  int write);

/*
 * Opens the window for it: anew when something was mapped since, which may not be there. 0 or
 * -MK_EFAULT.
 */
int walk_gpa_open_now(struct cpu *cpu, unsigned int vmid, uint32_t maps);

static inline __attribute__((always_inline)) int
walk_gpa_open(unsigned int id, const struct vs *vs)
{
	const unsigned int vmid = vs->vmid;
	const uint32_t maps = vm_maps(vmid);
	struct cpu *cpu = &cpus[id];

	if (cpu->window == vmid && cpu->window_maps == maps)
		return 0;
	return walk_gpa_open_now(cpu, vmid, maps);
}

/* What it is where there is no memory: -MK_EFAULT or -MK_EAGAIN. */
int walk_gpa_absent(struct vs *vs, uint64_t gpa, int write);

/* Is there memory that the guest may write? 1, 0 or -MK_EAGAIN. */
int walk_gpa_writable(unsigned int cpu, struct vs *vs, uint64_t gpa);

/* As mk_window_cmpxchg(), in this guest's memory. */
int walk_gpa_cmpxchg(unsigned int cpu, struct vs *vs, uint64_t gpa, const void *old,
		     const void *value, unsigned int len);

#endif
