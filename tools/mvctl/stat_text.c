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

/* The value of a name in the line, or 0. */
static unsigned long long value(const char *line, const char *name)
{
	size_t length = strlen(name);
	const char *end = strchrnul(line, '\n');

	for (line = strchr(line, ' '); line != NULL && line < end; line = strchr(line + 1, ' '))
		if (strncmp(line + 1, name, length) == 0 && line[1 + length] == '=')
			return strtoull(line + 2 + length, NULL, 10);
	return 0;
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
	const char *end = strchrnul(line, '\n'), *word, *equals;
	const char *before = "";

	fprintf(out, "%sexits      ", indent);
	for (word = strchr(line, ' '); word != NULL && word < end; word = strchr(word + 1, ' ')) {
		equals = strchrnul(word, '=');
		if (strncmp(word + 1, REASON, strlen(REASON)) != 0 || equals >= end ||
		    strtoull(equals + 1, NULL, 10) == 0)
			continue;
		fprintf(out, "%s%.*s %llu", before, (int)(equals - word - 1 - strlen(REASON)),
			word + 1 + strlen(REASON), strtoull(equals + 1, NULL, 10));
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
	const char *end = strchrnul(line, '\n'), *word, *equals, *before = "{";

	for (word = strchr(line, ' '); word != NULL && word < end; word = strchr(word + 1, ' ')) {
		equals = strchrnul(word, '=');
		if (equals >= end)
			break;
		fprintf(out, "%s\"%.*s\": %llu", before, (int)(equals - word - 1), word + 1,
			strtoull(equals + 1, NULL, 10));
		before = ", ";
	}
	if (*before == '{')
		fputc('{', out);
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
