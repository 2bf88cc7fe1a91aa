/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's log: a ring in memory, read by `mvctl log`, and port 0xE9 when asked.
 */
#ifndef MK_LOG_H
#define MK_LOG_H

#include "types.h"

#define LOG_BYTES 0x8000

/* Also write to port 0xE9 from now on. */
void log_to_debugcon(void);

/* Appends text. Any CPU, any time. */
void log_write(const char *text, size_t n);

/* Copies up to n bytes from position on; *position moves to behind them. Returns how many. */
size_t log_read(u64 *position, char *to, size_t n);

/* Appends a line: %x (u64, hexadecimal), %u (u64, decimal). */
void log_line(const char *format, ...);

#endif /* MK_LOG_H */
