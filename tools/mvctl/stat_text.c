// SPDX-License-Identifier: MIT
/*
 * The words of mvctl stat, made of lines "KIND NAME=VALUE ...": KIND is cpu, vm or vcpu, and a
 * VM's vCPUs come behind it. No system calls; the unit tests call this.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "mvctl.h"

#define PAGES_PER_MIB 256.0
#define REASON "exit_"

struct word {
	const char *name; /* not ended by NUL */
	size_t length; /* of it */
	unsigned long long value;
};

/* The NAME=VALUE behind `at` in its line, and where it begins; NULL: there is none. */
static const char *next_word(const char *at, struct word *word)
{
	if (*at == ' ')
		at++;
	at += strcspn(at, " \n");
	if (*at != ' ')
		return NULL;
	word->name = at + 1;
	word->length = strcspn(word->name, "= \n");
	if (word->name[word->length] != '=')
		return NULL;
	word->value = strtoull(word->name + word->length + 1, NULL, 10);
	return at;
}

static bool is_named(const struct word *word, const char *name, size_t length)
{
	return word->length == length && strncmp(word->name, name, length) == 0;
}

static unsigned long long find(const char *line, const char *name, size_t length)
{
	struct word word;

	while ((line = next_word(line, &word)) != NULL)
		if (is_named(&word, name, length))
			return word.value;
	return 0;
}

/* The value of a name in the line, or 0. */
static unsigned long long value(const char *line, const char *name)
{
	return find(line, name, strlen(name));
}

static bool is_kind(const char *line, const char *kind)
{
	size_t length = strlen(kind);

	return strncmp(line, kind, length) == 0 && line[length] == ' ';
}

static const char *next_line(const char *line)
{
	line = strchrnul(line, '\n');
	return *line == '\n' ? line + 1 : line;
}

/* The exits by reason that there were. */
static void print_reasons(const char *line, const char *indent, FILE *out)
{
	const size_t skip = strlen(REASON);
	const char *before = "";
	struct word word;

	fprintf(out, "%sexits      ", indent);
	while ((line = next_word(line, &word)) != NULL) {
		if (strncmp(word.name, REASON, skip) != 0 || word.value == 0)
			continue;
		fprintf(out, "%s%.*s %llu", before, (int)(word.length - skip), word.name + skip,
			word.value);
		before = ", ";
	}
	fprintf(out, "%s\n", *before != '\0' ? "" : "none");
}

static void print_cpu(const char *line, FILE *out)
{
	fprintf(out, "CPU %llu: %llu world switches, %llu into the root VM\n", value(line, "cpu"),
		value(line, "world_switches"), value(line, "exits"));
	print_reasons(line, "  ", out);
}

static void print_vm(const char *line, FILE *out)
{
	fprintf(out, "VM %llu of process %llu: %.1f MiB of memory, %.1f MiB of MicroV's\n",
		value(line, "vm"), value(line, "pid"),
		(double)value(line, "pinned_pages") / PAGES_PER_MIB,
		(double)value(line, "donated_pages") / PAGES_PER_MIB);
}

static double seconds(const char *line, const char *name)
{
	return (double)value(line, name) / 1e9;
}

static void print_vcpu(const char *line, FILE *out)
{
	fprintf(out,
		"  vCPU %llu: %llu entries; %.3f s in the guest, %.3f s in MicroV, %.3f s in root\n",
		value(line, "vcpu"), value(line, "exits"), seconds(line, "guest_ns"),
		seconds(line, "microv_ns"), seconds(line, "root_ns"));
	print_reasons(line, "    ", out);
	fprintf(out, "    injected   interrupts %llu, NMIs %llu, exceptions %llu\n",
		value(line, "irq_injections"), value(line, "nmi_injections"),
		value(line, "exception_injections"));
	fprintf(out, "    emulated   %llu instructions\n", value(line, "insn_emulation"));
	fprintf(out, "    root       host interrupts %llu, signals %llu\n",
		value(line, "irq_exits"), value(line, "signal_exits"));
	fprintf(out, "    user space io %llu, mmio %llu, halt %llu, window %llu\n",
		value(line, "io_exits"), value(line, "mmio_exits"), value(line, "halt_exits"),
		value(line, "request_irq_exits"));
}

void stat_text(const char *lines, FILE *out)
{
	static const struct {
		const char *kind;
		void (*print)(const char *line, FILE *out);
	} kinds[] = { { "cpu", print_cpu }, { "vm", print_vm }, { "vcpu", print_vcpu } };

	for (; *lines != '\0'; lines = next_line(lines))
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (is_kind(lines, kinds[i].kind))
				kinds[i].print(lines, out);
}

/* The names and values of a line, all numbers, without closing the object. */
static void json_object(const char *line, FILE *out)
{
	const char *before = "";
	struct word word;

	fputc('{', out);
	while ((line = next_word(line, &word)) != NULL) {
		fprintf(out, "%s\"%.*s\": %llu", before, (int)word.length, word.name, word.value);
		before = ", ";
	}
}

/* The lines of a kind as a list. Returns what is behind them. */
static const char *json_list(const char *lines, const char *kind, const char *indent, FILE *out)
{
	const char *before = "";

	fputc('[', out);
	for (; is_kind(lines, kind); lines = next_line(lines)) {
		fprintf(out, "%s\n%s", before, indent);
		json_object(lines, out);
		fputc('}', out);
		before = ",";
	}
	fputc(']', out);
	return lines;
}

void stat_json(const char *lines, FILE *out)
{
	const char *before = "";

	fprintf(out, "{\"cpus\": ");
	lines = json_list(lines, "cpu", "  ", out);
	fprintf(out, ",\n\"vms\": [");
	for (; is_kind(lines, "vm"); before = ",") {
		fprintf(out, "%s\n  ", before);
		json_object(lines, out);
		fprintf(out, ", \"vcpus\": ");
		lines = json_list(next_line(lines), "vcpu", "    ", out);
		fputc('}', out);
	}
	fprintf(out, "]}\n");
}

/* Names, and figures that don't only grow. */
static bool is_level(const struct word *word)
{
	static const char *const levels[] = { "cpu",  "vm",	      "pid",
					      "vcpu", "pinned_pages", "donated_pages" };

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (is_named(word, levels[i], strlen(levels[i])))
			return true;
	return false;
}

/* The line of the same CPU, VM or vCPU; "" if it wasn't there. */
static const char *same(const char *lines, const char *line)
{
	while (*lines != '\0' && !(strncmp(lines, line, strcspn(line, " ") + 1) == 0 &&
				   value(lines, "cpu") == value(line, "cpu") &&
				   value(lines, "vm") == value(line, "vm") &&
				   value(lines, "vcpu") == value(line, "vcpu")))
		lines = next_line(lines);
	return lines;
}

/* What counts less than before is another one that has its number. */
static unsigned long long rate(unsigned long long before, unsigned long long now, double seconds)
{
	return (unsigned long long)((double)(now < before ? now : now - before) / seconds + 0.5);
}

void stat_rates(const char *before, const char *now, double seconds, FILE *out)
{
	for (; *now != '\0'; now = next_line(now)) {
		const char *old = same(before, now), *at = now;
		struct word w;

		fprintf(out, "%.*s", (int)strcspn(now, " \n"), now);
		while ((at = next_word(at, &w)) != NULL) {
			if (!is_level(&w))
				w.value = rate(find(old, w.name, w.length), w.value, seconds);
			fprintf(out, " %.*s=%llu", (int)w.length, w.name, w.value);
		}
		fputc('\n', out);
	}
}
