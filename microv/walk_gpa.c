// SPDX-License-Identifier: MIT
/* A guest's physical memory, in the window; and which of its pages are no memory, as root says. */
#include "walk.h"

__attribute__((noinline)) int walk_gpa_open_now(struct cpu *cpu, unsigned int vmid, uint32_t maps)
{
	if (mk_window_open(vmid) < 0)
		return -MK_EFAULT;
	cpu->window = vmid;
	cpu->window_maps = maps;
	return 0;
}

static int ready(unsigned int cpu, const struct vs *vs, uint64_t gpa, unsigned int len)
{
	if (gpa >= MK_GPA_END || len > MK_GPA_END - gpa)
		return -MK_EFAULT;
	return walk_gpa_open(cpu, vs);
}

/* As in devices[]. */
static uint64_t page_asked(uint64_t gpa, int write)
{
	return gpa - gpa % MV_PAGE_SIZE + ABSENT_VALID + (write ? ABSENT_WRITE : 0);
}

static int is_known(const struct vs_data *data, uint64_t page)
{
	unsigned int i = 0;

	while (i < ABSENT_PAGES && data->devices[i] != page)
		i++;
	return i < ABSENT_PAGES;
}

int walk_gpa_refused(struct vs *vs, uint64_t gpa, int write)
{
	const struct vs_data *data = state_data(vs->st);

	return data->run_flags & MV_RUN_FLAG_ASK && is_known(data, page_asked(gpa, write));
}

int walk_is_device(struct vs *vs, uint64_t gpa, int write)
{
	struct vs_data *data = state_data(vs->st);
	uint64_t page = page_asked(gpa, write);

	if (!(data->run_flags & MV_RUN_FLAG_ASK) || is_known(data, page))
		return 1;
	data->asked = page;
	return 0;
}

/*
 * The oldest goes: there is room for all that one instruction can ask for, so that it ends. An
 * answer may be older than what makes root forget.
 */
void walk_answer(struct vs *vs, uint64_t run_flags)
{
	struct vs_data *data = state_data(vs->st);

	if (run_flags & MV_RUN_FLAG_NO_MEMORY && data->asked)
		data->devices[data->devices_next++ % ABSENT_PAGES] = data->asked;
	if (run_flags & MV_RUN_FLAG_FORGET)
		memset(data->devices, 0, sizeof(data->devices));
}

int walk_gpa_absent(struct vs *vs, uint64_t gpa, int write)
{
	return walk_is_device(vs, gpa, write) ? -MK_EFAULT : -MK_EAGAIN;
}

int walk_gpa_copy(unsigned int cpu, struct vs *vs, uint64_t gpa, void *buf, unsigned int len,
		  int write)
{
	int err = ready(cpu, vs, gpa, len);

	if (err)
		return err;
	return mk_window_copy(gpa, buf, len, write) ? walk_gpa_absent(vs, gpa, write) : 0;
}

int walk_gpa_writable(unsigned int cpu, struct vs *vs, uint64_t gpa)
{
	if (ready(cpu, vs, gpa, 1))
		return 0;
	if (!mk_window_or(gpa, 0))
		return 1;
	return walk_is_device(vs, gpa, 1) ? 0 : -MK_EAGAIN;
}

int walk_gpa_cmpxchg(unsigned int cpu, struct vs *vs, uint64_t gpa, const void *old,
		     const void *value, unsigned int len)
{
	int err = ready(cpu, vs, gpa, len);

	if (!err)
		err = mk_window_cmpxchg(gpa, old, value, len);
	return err < 0 ? walk_gpa_absent(vs, gpa, 1) : err;
}
