/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* An array that grows. */
#ifndef SHIM_ARRAY_H
#define SHIM_ARRAY_H

#include <platform.h>

/*
 * Makes room for at least `want` elements of `size` bytes in *array, which holds *max now;
 * new elements are zero. 0, or -ENOMEM with nothing changed.
 */
static inline int array_reserve(void **array, size_t *max, size_t want, size_t size)
{
	size_t count = *max ? 2 * *max : 8;
	void *bigger;

	if (want <= *max)
		return 0;
	if (count < want)
		count = want;
	bigger = platform_alloc(count * size);
	if (!bigger)
		return -ENOMEM;
	if (*max)
		memcpy(bigger, *array, *max * size);
	platform_free(*array);
	*array = bigger;
	*max = count;
	return 0;
}

#endif /* SHIM_ARRAY_H */
