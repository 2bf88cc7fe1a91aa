// SPDX-License-Identifier: MIT
/*
 * System calls of ring 3: arguments as numbers, checked by the function that takes them.
 */
#include <errno.h>

#include "backend.h"
#include "log.h"
#include "user.h"
#include "vs.h"

#define LOG_MAX 1024

_Static_assert(MK_SYS_VS_RUN == 0, "entry.S calls vs_run() itself");

/* RAX and RDX of the caller. */
struct result {
	s64 value;
	u64 second;
};

struct result syscall_dispatch(u64 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4);

static s64 sys_log(struct cpu *cpu, u64 va, u64 bytes)
{
	char text[LOG_MAX];
	s64 rc;

	if (bytes > LOG_MAX)
		return -EINVAL;
	rc = user_copy(cpu, va, text, bytes, false);
	if (!rc)
		log_write(text, bytes);
	return rc;
}

/* The second result is the position that was read from. */
static __attribute__((noinline)) struct result sys_log_read(struct cpu *cpu, u64 position, u64 va,
							    u64 bytes)
{
	char text[LOG_MAX];
	size_t n;
	s64 rc;

	n = log_read(&position, text, bytes < LOG_MAX ? bytes : LOG_MAX);
	rc = user_copy(cpu, va, text, n, true);
	return (struct result){ rc ? rc : (s64)n, position - n };
}

static __attribute__((noinline)) s64 dispatch(struct cpu *cpu, u64 nr, u64 a0, u64 a1, u64 a2,
					      u64 a3, u64 a4)
{
	switch (nr) {
	case MK_SYS_VS_CREATE:
		return vs_create(a0, a1);
	case MK_SYS_VS_DESTROY:
		return vs_destroy(a0);
	case MK_SYS_VS_FETCH:
		return vs_fetch(a0, a1);
	case MK_SYS_VS_FPU:
		return vs_fpu(cpu, a0, a1, a2);
	case MK_SYS_SPACE_CREATE:
		return space_create(a0);
	case MK_SYS_SPACE_DESTROY:
		return space_destroy(a0);
	case MK_SYS_SPACE_MAP:
		return space_map(a0, GPA(a1), SPA(a2), a3, a4);
	case MK_SYS_SPACE_UNMAP:
		return space_unmap(a0, GPA(a1), a2);
	case MK_SYS_SPACE_QUIESCE:
		return space_quiesce(a0);
	case MK_SYS_SPACE_DONATE:
		return space_donate(a0, SPA(a1), a2);
	case MK_SYS_SPACE_NEED:
		return space_need(a0, GPA(a1), SPA(a2), a3, a4);
	case MK_SYS_SPACE_DIRTY:
		return space_dirty(cpu, a0, GPA(a1), a2, a3);
	case MK_SYS_SPACE_FREE:
		return space_free(a0);
	case MK_SYS_SHARED_SET:
		return user_shared_set(cpu, SPA(a0));
	case MK_SYS_WINDOW_OPEN:
		return user_window_open(cpu, a0);
	case MK_SYS_WINDOW_FIXUP:
		return user_window_fixup(a0, a1, a2);
	case MK_SYS_LOG:
		return sys_log(cpu, a0, a1);
	case MK_SYS_CPU_STOP:
		if (cpu->window)
			user_window_close(cpu);
		backend_stop(cpu);
	default:
		return -ENOSYS;
	}
}

struct result syscall_dispatch(u64 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4)
{
	struct cpu *cpu = cpu_this();

	if (nr == MK_SYS_LOG_READ)
		return sys_log_read(cpu, a0, a1, a2);
	return (struct result){ dispatch(cpu, nr, a0, a1, a2, a3, a4), 0 };
}
