// SPDX-License-Identifier: MIT
/*
 * The hypervisor's log. See log.h.
 */
#include "log.h"

#include <stdarg.h>

#include "lib.h"

static char ring[LOG_BYTES];
static u64 written;
static bool debugcon;
static spinlock_t lock;

void log_to_debugcon(void)
{
	debugcon = true;
}

static void put(char c)
{
	ring[written++ % LOG_BYTES] = c;
	if (debugcon)
		hw_outb(0xE9, c);
}

void log_write(const char *text, size_t n)
{
	spin_lock(&lock);
	while (n--)
		put(*text++);
	spin_unlock(&lock);
}

size_t log_read(u64 *position, char *to, size_t n)
{
	size_t got = 0;

	spin_lock(&lock);
	if (*position > written || written - *position > LOG_BYTES)
		*position = written > LOG_BYTES ? written - LOG_BYTES : 0;
	while (got < n && *position < written)
		to[got++] = ring[(*position)++ % LOG_BYTES];
	spin_unlock(&lock);
	return got;
}

static void put_number(u64 v, unsigned int base)
{
	char digits[20];
	int n = 0;

	do
		digits[n++] = "0123456789abcdef"[v % base];
	while (v /= base);
	while (n)
		put(digits[--n]);
}

void log_line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	spin_lock(&lock);
	for (; *format; format++) {
		if (*format == '%')
			put_number(va_arg(args, u64), *++format == 'x' ? 16 : 10);
		else
			put(*format);
	}
	put('\n');
	spin_unlock(&lock);
	va_end(args);
}
