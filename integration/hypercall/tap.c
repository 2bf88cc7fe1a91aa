// SPDX-License-Identifier: MIT
/*
 * TAP: runs lists of tests and prints a line for each.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "hct.h"

#define MAX_NOTES 8

bool test_failed;
static const char *skipped;
static unsigned int notes;

void test_note(const char *file, int line, const char *format, ...)
{
	const char *slash = strrchr(file, '/');
	va_list args;

	test_failed = true;
	if (++notes > MAX_NOTES)
		return;
	va_start(args, format);
	printf("# %s:%d: ", slash ? slash + 1 : file, line);
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

void test_skip(const char *why)
{
	skipped = why;
}

static bool run_test(const struct test *test, unsigned int number)
{
	test_failed = false;
	skipped = NULL;
	notes = 0;
	test->run();
	printf("%s %u - %s", test_failed ? "not ok" : "ok", number, test->name);
	if (skipped != NULL)
		printf(" # SKIP %s", skipped);
	printf("\n");
	return !test_failed;
}

int test_main(const struct test *const *suites, size_t suites_count, const char *only)
{
	unsigned int count = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < suites_count; i++)
		for (const struct test *test = suites[i]; test->name != NULL; test++)
			if (only == NULL || strstr(test->name, only) != NULL)
				failed += !run_test(test, ++count);
	printf("1..%u\n", count);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
