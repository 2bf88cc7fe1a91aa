// SPDX-License-Identifier: MIT
/*
 * What of mk.h is made of the rest of it, for each of the fakes: here and in tests/stack.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mk.h"

int64_t mk_vs_run(unsigned int vsid)
{
	return mk_syscall(MK_SYS_VS_RUN, vsid, 0, 0, 0, 0, NULL);
}

int mk_window_load(uint64_t gpa, uint64_t *value)
{
	assert_int_equal(gpa % sizeof(*value), 0);
	return mk_window_copy(gpa, value, sizeof(*value), 0);
}

int mk_window_check(const struct mk_window_word *word, const struct mk_window_word *end,
		    uint64_t gpa)
{
	uint64_t value;
	uint8_t byte;

	assert_true(end - word >= MK_WINDOW_WORDS);
	for (; word < end; word++)
		if (mk_window_load(word->gpa, &value) || value != word->value)
			return -1;
	return mk_window_copy(gpa, &byte, 1, 0) ? -MK_EFAULT : byte;
}
