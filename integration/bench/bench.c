// SPDX-License-Identifier: MIT
/*
 * bench [-m] [ROW...]: what operations cost, in TSC ticks and world switches, on whatever is
 * behind /dev/kvm. Where the machine counts instructions (tools/lab/run --icount) a tick is
 * an instruction of anybody. Without -m each row runs once and twice: a test that it works.
 * Of each row a remark tells "bench NAME TICKS SWITCHES", both for one operation.
 */
#include "bench.h"

#include <x86intrin.h>

#define ROWS_MAX 64

struct reading {
	uint64_t ticks, switches;
};

static bool measured;
static const struct row *rows[ROWS_MAX];
static struct kt_test tests[ROWS_MAX];
static unsigned int num_rows;
static struct reading started, taken;
static double idle_started, clock_started; /* seconds */

/* How often a VM was entered: by the microkernel's count or KVM's; neither: no count. */
static const char *const counters[] = {
	"/sys/module/microv_kvm/parameters/world_switches",
	"/sys/kernel/debug/kvm/exits",
};

static const char *counter(void)
{
	for (unsigned int i = 0; i < KT_LEN(counters); i++)
		if (!access(counters[i], R_OK))
			return counters[i];
	return NULL;
}

/* Opened anew each time: debugfs has no other way back to the beginning. */
static uint64_t counter_read(void)
{
	FILE *file = counter() ? fopen(counter(), "r") : NULL;
	unsigned long long value = 0;

	if (!file)
		return 0;
	REQUIRE(fscanf(file, "%llu", &value) == 1);
	fclose(file);
	return value;
}

/* How long CPU 0 has had nothing to do. */
static double idle_seconds(void)
{
	unsigned long long idle = 0, wait = 0;
	FILE *file = fopen("/proc/stat", "r");

	REQUIRE(file != NULL);
	REQUIRE(fscanf(file, "cpu %*u %*u %*u %*u %*[^c]cpu0 %*u %*u %*u %llu %llu", &idle,
		       &wait) == 2);
	fclose(file);
	return (double)(idle + wait) / (double)sysconf(_SC_CLK_TCK);
}

void begin(void)
{
	idle_started = idle_seconds();
	clock_started = kt_seconds();
	started.switches = counter_read();
	started.ticks = __rdtsc();
}

void end(void)
{
	taken.ticks = __rdtsc() - started.ticks;
	taken.switches = counter_read() - started.switches;
}

void end_busy(void)
{
	double idle, passed;

	end();
	passed = kt_seconds() - clock_started;
	idle = idle_seconds() - idle_started;
	taken.ticks = (uint64_t)((double)taken.ticks * (1 - idle / passed));
}

void result(uint64_t value)
{
	taken = (struct reading){ .ticks = value };
}

void need_measured(void)
{
	if (!measured)
		kt_skip("only with -m");
}

static struct reading run(const struct row *row, uint64_t times)
{
	row->run(times);
	return taken;
}

static void measure(const struct row *row)
{
	uint64_t few = measured ? row->few : 1, many = measured ? row->many : 2;
	struct reading a = few ? run(row, few) : (struct reading){ 0 }, b = run(row, many);
	double n = (double)(many - few);

	if (!counter())
		kt_note("bench %s %.1f -", row->name, ((double)b.ticks - (double)a.ticks) / n);
	else
		kt_note("bench %s %.1f %.3f", row->name, ((double)b.ticks - (double)a.ticks) / n,
			((double)b.switches - (double)a.switches) / n);
}

/* The rows' children run one after the other: the next one is in memory that they share. */
static unsigned int *next;

static void run_row(void)
{
	const struct row *row = rows[(*next)++];

	alarm(600); /* more than kt_main() gives */
	if (!row->bare && access("/sys/class/misc/kvm", F_OK))
		kt_skip("no /dev/kvm");
	measure(row);
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (!strcmp(name, argv[i]))
			return true;
	return argc == 0;
}

static void choose(const struct row *list, int argc, char **argv)
{
	for (; list->name; list++) {
		if (!wanted(list->name, argc, argv) || num_rows == ROWS_MAX)
			continue;
		rows[num_rows] = list;
		tests[num_rows++] = (struct kt_test){ list->name, run_row };
	}
}

int main(int argc, char **argv)
{
	const struct row *const lists[] = { guest_rows, ioctl_rows, root_rows, memory_rows,
					    qemu_rows };

	measured = argc > 1 && !strcmp(argv[1], "-m");
	argv += 1 + measured;
	argc -= 1 + measured;
	for (unsigned int i = 0; i < KT_LEN(lists); i++)
		choose(lists[i], argc, argv);
	next = mmap(NULL, KT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!num_rows || next == MAP_FAILED) {
		fprintf(stderr, "usage: bench [-m] [ROW...]\n");
		return 2;
	}
	return kt_main(tests, num_rows);
}
