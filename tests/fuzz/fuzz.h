/* SPDX-License-Identifier: MIT */
/* What the libFuzzer targets share: how an input is read, and how a finding is told. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A target's file has this one, and may have fuzz_begin(), which is called once. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_begin(void);

/* An input is read from its start. Behind its end there are zeros. */
struct fuzz {
	const uint8_t *data;
	size_t size;
};

void fuzz_read(struct fuzz *f, void *to, size_t bytes);
uint8_t fuzz_u8(struct fuzz *f);
uint64_t fuzz_u64(struct fuzz *f);
/* A small number in one byte, any number in nine. */
uint64_t fuzz_any(struct fuzz *f);
/* Below n, which is at most 256. */
unsigned int fuzz_below(struct fuzz *f, unsigned int n);

static inline bool fuzz_more(const struct fuzz *f)
{
	return f->size > 0;
}

/* A finding: tells where, and ends the program so that libFuzzer keeps the input. */
void fuzz_failed(const char *file, int line, const char *what) __attribute__((noreturn));

#define FUZZ_CHECK(holds)                                                                          \
	do {                                                                                       \
		if (!(holds))                                                                      \
			fuzz_failed(__FILE__, __LINE__, #holds);                                   \
	} while (0)

#endif /* FUZZ_H */
