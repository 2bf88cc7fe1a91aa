// SPDX-License-Identifier: MIT
/*
 * TAP output and the frame of a test program: each case runs in a child process with a time
 * limit, so that a case that crashes, hangs or leaves a VM behind spoils only itself.
 */
#include "kvmtest.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#define CASE_SECONDS 60 /* then it is killed */
#define SLOW_SECONDS 1.0 /* worth a word */

/* Shared between the case and the frame; a case may itself fork. */
struct verdict {
	unsigned int failures;
	char skip[200];
};

static struct verdict *verdict;
static char context[200];

void kt_note(const char *fmt, ...)
{
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	dprintf(STDOUT_FILENO, "# %s\n", text);
}

void kt_context(const char *fmt, ...)
{
	va_list args;

	context[0] = ' ';
	va_start(args, fmt);
	vsnprintf(context + 1, sizeof(context) - 1, fmt, args);
	va_end(args);
}

void kt_fail(const char *file, int line, const char *fmt, ...)
{
	const char *base = strrchr(file, '/');
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	/* Thousands of equal complaints from a loop help nobody. */
	if (__atomic_add_fetch(&verdict->failures, 1, __ATOMIC_RELAXED) <= 30)
		kt_note("%s:%d:%s %s", base ? base + 1 : file, line, context, text);
}

void kt_end(void)
{
	_exit(verdict->failures ? 1 : 0);
}

void kt_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(verdict->skip, sizeof(verdict->skip), fmt, args);
	va_end(args);
	kt_end();
}

static void child(const struct kt_test *test)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(CASE_SECONDS);
	test->run();
	kt_end();
}

/* The case's exit status becomes one TAP line; true when it passed or was skipped. */
static bool report(unsigned int number, const char *name, int status)
{
	bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0 && !verdict->failures;

	if (WIFSIGNALED(status))
		kt_note("killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (ok && verdict->skip[0])
		printf("ok %u - %s # SKIP %s\n", number, name, verdict->skip);
	else
		printf("%s %u - %s\n", ok ? "ok" : "not ok", number, name);
	fflush(stdout);
	return ok;
}

double kt_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool run_case(const struct kt_test *test, unsigned int number)
{
	double start = kt_seconds();
	int status = -1;
	pid_t pid;

	memset(verdict, 0, sizeof(*verdict));
	pid = fork();
	if (pid == 0)
		child(test);
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		printf("Bail out! fork or waitpid failed\n");
		exit(1);
	}
	if (kt_seconds() - start > SLOW_SECONDS)
		kt_note("%s: %.1f s", test->name, kt_seconds() - start);
	return report(number, test->name, status);
}

static cpu_set_t started_on;

cpu_set_t kt_cpu(unsigned int i)
{
	unsigned int left = i % (unsigned int)CPU_COUNT(&started_on);
	cpu_set_t one;
	int cpu = 0;

	while (!CPU_ISSET(cpu, &started_on) || left--)
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return one;
}

int kt_main(const struct kt_test *tests, unsigned int count)
{
	unsigned int failed = 0;

	if (sched_getaffinity(0, sizeof(started_on), &started_on)) {
		printf("Bail out! no CPUs\n");
		return 1;
	}
	verdict = mmap(NULL, KT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (verdict == MAP_FAILED) {
		printf("Bail out! no memory\n");
		return 1;
	}
	printf("1..%u\n", count);
	fflush(stdout);
	for (unsigned int i = 0; i < count; i++)
		failed += !run_case(&tests[i], i + 1);
	return failed ? 1 : 0;
}
