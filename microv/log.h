/* SPDX-License-Identifier: MIT */
/* Lines for the hypervisor's log. */
#ifndef MICROV_LOG_H
#define MICROV_LOG_H

#include "lib.h"

/* Writes "microv: <text>" and the values in hexadecimal, one line. */
void log_line(const char *text, const uint64_t *values, unsigned int count);

/* LOG("cpu", cpu): text and up to a few values. */
#define LOG(text, ...)                                                                             \
	do {                                                                                       \
		const uint64_t log_values[] = { __VA_ARGS__ };                                     \
		log_line(text, log_values, ARRAY_SIZE(log_values));                                \
	} while (0)

/* The same, but each place that uses it writes once. */
#define LOG_ONCE(text, ...)                                                                        \
	do {                                                                                       \
		static int log_done;                                                               \
		if (!__atomic_exchange_n(&log_done, 1, __ATOMIC_RELAXED))                          \
			LOG(text, __VA_ARGS__);                                                    \
	} while (0)

#endif
