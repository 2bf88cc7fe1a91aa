/* SPDX-License-Identifier: MIT */
/*
 * Parts of the generator of ABI.md. Each prints its chapter to stdout.
 */
#ifndef GEN_ABI_H
#define GEN_ABI_H

#include <stddef.h>
#include <stdio.h>

#include "mv_abi.h"
#include "mk_abi.h"

/* A member of a structure, or (by its offset alone) a run of reserved bytes. */
struct gen_field {
	const char *name;
	size_t offset, bytes;
	const char *doc;
};

#define GEN_FIELD(type, member, text)                                                              \
	{                                                                                          \
#member, offsetof(struct type, member), sizeof(((struct type *)0)->member), text   \
	}

/* The table of a structure; a hole or an overlap between its fields ends the generator. */
void gen_struct(const char *name, size_t bytes, const char *doc, const struct gen_field *fields,
		size_t count);

#define GEN_STRUCT(type, text, ...)                                                                \
	do {                                                                                       \
		const struct gen_field fields_[] = { __VA_ARGS__ };                                \
		gen_struct(#type, sizeof(struct type), text, fields_,                              \
			   sizeof(fields_) / sizeof(fields_[0]));                                  \
	} while (0)

/* One row of a table of constants. */
#define GEN_CONST(name, text)                                                                      \
	printf("| `" #name "` | `0x%llX` | %s |\n", (unsigned long long)(name), text)

void gen_structs(void); /* structures of the hypercalls */
void gen_microkernel(void); /* system calls, state page */

#endif /* GEN_ABI_H */
