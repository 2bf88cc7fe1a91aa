// SPDX-License-Identifier: MIT
/* What the libFuzzer targets share, see fuzz.h. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);

__attribute__((weak)) void fuzz_begin(void)
{
}

/* The fakes check with cmocka, which would otherwise only exit. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	fuzz_begin();
	return 0;
}

void fuzz_read(struct fuzz *f, void *to, size_t bytes)
{
	const size_t there = bytes < f->size ? bytes : f->size;

	memset(to, 0, bytes);
	memcpy(to, f->data, there);
	f->data += there;
	f->size -= there;
}

uint8_t fuzz_u8(struct fuzz *f)
{
	uint8_t value;

	fuzz_read(f, &value, sizeof(value));
	return value;
}

uint64_t fuzz_u64(struct fuzz *f)
{
	uint64_t value;

	fuzz_read(f, &value, sizeof(value));
	return value;
}

uint64_t fuzz_any(struct fuzz *f)
{
	const uint8_t first = fuzz_u8(f);

	return first < 0xF8 ? first : fuzz_u64(f);
}

unsigned int fuzz_below(struct fuzz *f, unsigned int n)
{
	return fuzz_u8(f) % n;
}

void fuzz_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: doesn't hold: %s\n", file, line, what);
	abort();
}
