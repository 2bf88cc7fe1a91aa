// SPDX-License-Identifier: MIT
/* Lines for the hypervisor's log: formatted here, kept by the microkernel. */
#include "log.h"
#include "mk.h"

#define LINE_MAX 160

struct line {
	char text[LINE_MAX];
	unsigned int len;
};

static void put(struct line *line, char c)
{
	if (line->len < LINE_MAX - 1)
		line->text[line->len++] = c;
}

static void put_text(struct line *line, const char *text)
{
	while (*text)
		put(line, *text++);
}

static void put_hex(struct line *line, uint64_t value)
{
	int shift = 60;

	while (shift && !(value >> shift))
		shift -= 4;
	put_text(line, " 0x");
	for (; shift >= 0; shift -= 4)
		put(line, "0123456789abcdef"[value >> shift & 15]);
}

void log_line(const char *text, const uint64_t *values, unsigned int count)
{
	struct line line = { .len = 0 };

	put_text(&line, "microv: ");
	put_text(&line, text);
	for (unsigned int i = 0; i < count; i++)
		put_hex(&line, values[i]);
	line.text[line.len++] = '\n';
	mk_log(line.text, line.len);
}
