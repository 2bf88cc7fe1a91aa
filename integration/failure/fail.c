// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Failures on demand, in modules that only the tests load. The parameter fail_at: the n-th
 * allocation from now on fails, of the task that has written it (or loads the module); fails: how
 * many did; outstanding: how much is allocated and not freed. By task, as Linux's own fail-nth, which Debian's kernel hasn't.
 */
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/sched.h>

static unsigned long fail_at, fails;
static struct task_struct *fail_task;

bool mv_fails(void);
void *mv_count(void *p);
void *mv_uncount(const void *p);

bool mv_fails(void)
{
	if (!fail_at || current != fail_task || !in_task() || --fail_at)
		return false;
	fails++;
	return true;
}

static atomic_t outstanding;

void *mv_count(void *p)
{
	if (!IS_ERR_OR_NULL(p))
		atomic_inc(&outstanding);
	return p;
}

void *mv_uncount(const void *p)
{
	if (!IS_ERR_OR_NULL(p))
		atomic_dec(&outstanding);
	return (void *)p;
}

static int fail_at_set(const char *value, const struct kernel_param *param)
{
	fail_task = current;
	return param_set_ulong(value, param);
}

static const struct kernel_param_ops fail_at_ops = {
	.set = fail_at_set,
	.get = param_get_ulong,
};

module_param_cb(fail_at, &fail_at_ops, &fail_at, 0600);
module_param(fails, ulong, 0400);
module_param_named(outstanding, outstanding.counter, int, 0400);
