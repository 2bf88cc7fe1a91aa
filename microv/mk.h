/* SPDX-License-Identifier: MIT */
/*
 * The microkernel as MicroV sees it: its system calls (mk_abi.h has their contracts) and
 * what it maps for us. Everything goes through the functions declared here without a body,
 * which the host tests replace.
 */
#ifndef MICROV_MK_H
#define MICROV_MK_H

#include "lib.h"
#include "mk_abi.h"

#define MK_NONE (~0ULL)

/* System call `nr`; `rdx`, when not NULL, gets RDX as the call left it. */
int64_t mk_syscall(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
		   uint64_t *rdx);

/* The state page of a VS that exists. */
struct mk_state *mk_state(unsigned int vsid);

/* MicroV's own MK_OWN_BYTES for a VS that exists. */
void *mk_own(unsigned int vsid);

/* This CPU's shared page; only while one is set. */
void *mk_shared(void);

/*
 * Copies to (write) or from the guest memory that is open in the window, or sets bits of a
 * byte there. gpa + len must be below MK_GPA_END. 0 or -MK_EFAULT (then part may be copied).
 */
int mk_window_copy(uint64_t gpa, void *buf, size_t len, int write);
int mk_window_or(uint64_t gpa, uint8_t bits);
/* The same for a word, at an address that is aligned. */
int mk_window_load(uint64_t gpa, uint64_t *value);

/* The byte at gpa, if each of the words (MK_WINDOW_WORDS or more) is what it says; else less than 0. */
#define MK_WINDOW_WORDS 3
struct mk_window_word {
	uint64_t gpa, value;
};
int mk_window_check(const struct mk_window_word *word, const struct mk_window_word *end,
		    uint64_t gpa);

/*
 * Atomically replaces `old` there, of 1, 2, 4, 8 or (aligned) 16 bytes. 0; 1: something else
 * is there; -MK_EFAULT.
 */
int mk_window_cmpxchg(uint64_t gpa, const void *old, const void *value, size_t len);

/* Tells the microkernel where mk_window_*() may fault. Once. */
void mk_window_init(void);

/* The one that is called all the time. */
int64_t mk_vs_run(unsigned int vsid);

static inline int64_t mk_vs_create(unsigned int vsid, unsigned int space)
{
	return mk_syscall(MK_SYS_VS_CREATE, vsid, space, 0, 0, 0, NULL);
}

static inline int64_t mk_vs_destroy(unsigned int vsid)
{
	return mk_syscall(MK_SYS_VS_DESTROY, vsid, 0, 0, 0, 0, NULL);
}

static inline int64_t mk_vs_fetch(unsigned int vsid, uint32_t groups)
{
	return mk_syscall(MK_SYS_VS_FETCH, vsid, groups, 0, 0, 0, NULL);
}

static inline int64_t mk_vs_fpu(unsigned int vsid, struct mv_xsave_t *x, int set)
{
	return mk_syscall(MK_SYS_VS_FPU, vsid, (uintptr_t)x, set, 0, 0, NULL);
}

static inline int64_t mk_space_create(unsigned int space)
{
	return mk_syscall(MK_SYS_SPACE_CREATE, space, 0, 0, 0, 0, NULL);
}

static inline int64_t mk_space_destroy(unsigned int space)
{
	return mk_syscall(MK_SYS_SPACE_DESTROY, space, 0, 0, 0, 0, NULL);
}

static inline int64_t mk_space_map(unsigned int space, uint64_t gpa, uint64_t spa, uint64_t bytes,
				   uint64_t flags)
{
	return mk_syscall(MK_SYS_SPACE_MAP, space, gpa, spa, bytes, flags, NULL);
}

static inline int64_t mk_space_unmap(unsigned int space, uint64_t gpa, uint64_t bytes)
{
	return mk_syscall(MK_SYS_SPACE_UNMAP, space, gpa, bytes, 0, 0, NULL);
}

static inline int64_t mk_space_quiesce(unsigned int space)
{
	return mk_syscall(MK_SYS_SPACE_QUIESCE, space, 0, 0, 0, 0, NULL);
}

static inline int64_t mk_space_dirty(unsigned int space, uint64_t gpa, uint64_t bytes, void *bits)
{
	return mk_syscall(MK_SYS_SPACE_DIRTY, space, gpa, bytes, (uintptr_t)bits, 0, NULL);
}

static inline int64_t mk_space_donate(unsigned int space, uint64_t spa, uint64_t bytes)
{
	return mk_syscall(MK_SYS_SPACE_DONATE, space, spa, bytes, 0, 0, NULL);
}

static inline int64_t mk_space_need(unsigned int space, uint64_t gpa, uint64_t spa,
				    uint64_t bytes, uint64_t after)
{
	return mk_syscall(MK_SYS_SPACE_NEED, space, gpa, spa, bytes, after, NULL);
}

static inline int64_t mk_space_free(unsigned int space)
{
	return mk_syscall(MK_SYS_SPACE_FREE, space, 0, 0, 0, 0, NULL);
}

static inline int64_t mk_shared_set(uint64_t spa)
{
	return mk_syscall(MK_SYS_SHARED_SET, spa, 0, 0, 0, 0, NULL);
}

static inline int64_t mk_window_open(unsigned int space)
{
	return mk_syscall(MK_SYS_WINDOW_OPEN, space, 0, 0, 0, 0, NULL);
}

static inline int64_t mk_log(const char *text, size_t len)
{
	return mk_syscall(MK_SYS_LOG, (uintptr_t)text, len, 0, 0, 0, NULL);
}

/* *pos: in: where to read from; out: where the text read begins. Returns its length. */
static inline int64_t mk_log_read(uint64_t *pos, void *buf, size_t len)
{
	return mk_syscall(MK_SYS_LOG_READ, *pos, (uintptr_t)buf, len, 0, 0, pos);
}

static inline int64_t mk_cpu_stop(void)
{
	return mk_syscall(MK_SYS_CPU_STOP, 0, 0, 0, 0, 0, NULL);
}

#endif
