// SPDX-License-Identifier: MIT
/*
 * The emulator against the CPU of this machine: random instructions on ordinary memory, in
 * 64-bit, 32-bit and 16-bit protected mode. Registers, vectors, flags, memory, and the
 * exception with its error code and CR2 must be the same. What the manuals leave undefined
 * (undefined_flags) isn't compared, unless -u is given.
 *
 * usage: emu-test-diff [-u] [count [seed]]
 */
#include "flags.h"
#include "generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_COUNT 1000000
#define MAX_REPORTS 40
#define MAX_TEMPLATES 512

enum { VEC_GP = 13, VEC_PF = 14, VEC_AC = 17 };
#define PF_P 1
#define PF_W 2
#define PF_U 4
#define PF_I 16

static uint8_t shadow[ARENA_SIZE]; /* the emulator's arena */
static struct emu emu;
static struct machine before, model;
static struct test test;
static unsigned long left, failures, faults, unhandled, strays;
static int strayed; /* the instruction accesses memory of this process that isn't the test's */
static unsigned long completed[MAX_TEMPLATES]; /* without an exception */
static uint64_t compared_flags = NATIVE_FLAGS;
static int all_flags;

/* --- the emulator's world --------------------------------------------------- */

static int page_fault(struct emu *e, uint64_t gla, unsigned int error)
{
	e->fault = (struct emu_fault){ VEC_PF, 1, error, gla };
	return EMU_FAULT;
}

/* Linux tells of its own half as if it were mapped. */
static int translate(struct emu *e, uint64_t gla, unsigned int access, uint64_t *gpa)
{
	unsigned int error =
		PF_U | (access & EMU_WRITE ? PF_W : 0) | (access & EMU_EXEC ? PF_I : 0);

	*gpa = gla;
	if (gla - CODE < CODE_SIZE && !(access & EMU_WRITE))
		return EMU_OK;
	if (gla - ARENA < (access & EMU_WRITE ? ARENA_RW : ARENA_SIZE))
		return EMU_OK;
	if (gla - CODE < CODE_SIZE || gla - ARENA < ARENA_SIZE || gla >> 63)
		error |= PF_P;
	else if (native_is_mapped(gla))
		strayed = 1;
	return page_fault(e, gla, error);
}

static uint8_t *memory(uint64_t gpa)
{
	return gpa - CODE < CODE_SIZE ? native_code + (gpa - CODE) : shadow + (gpa - ARENA);
}

static int load(struct emu *e, uint64_t gpa, void *buf, unsigned int len)
{
	(void)e;
	memcpy(buf, memory(gpa), len);
	return EMU_OK;
}

static int store(struct emu *e, uint64_t gpa, const void *buf, unsigned int len)
{
	(void)e;
	memcpy(memory(gpa), buf, len);
	return EMU_OK;
}

static int cmpxchg(struct emu *e, uint64_t gpa, const void *old, const void *value,
		   unsigned int len)
{
	(void)e;
	if (memcmp(memory(gpa), old, len))
		return EMU_RETRY;
	memcpy(memory(gpa), value, len);
	return EMU_OK;
}

static void vector_get(struct emu *e, unsigned int n, uint8_t value[32])
{
	(void)e;
	memcpy(value, model.ymm[n], 32);
}

static void vector_set(struct emu *e, unsigned int n, const uint8_t value[32])
{
	(void)e;
	memcpy(model.ymm[n], value, 32);
}

static const struct emu_ops emu_ops = {
	translate, load, store, cmpxchg, vector_get, vector_set, NULL,
};

static void fill_emu(const struct machine *m)
{
	memset(&emu, 0, sizeof(emu));
	emu.ops = &emu_ops;
	memcpy(emu.regs.gpr, m->gpr, sizeof(m->gpr));
	emu.regs.rip = m->rip;
	emu.regs.rflags = m->rflags | FLAG_TF;
	for (unsigned int i = 0; i < MK_SEGS; i++)
		emu.regs.seg[i] = native_segs[m->seg[i]];
	emu.regs.seg[MK_FS].base = native_fs_base;
	if (m->seg[MK_CS] == SEG_CODE64)
		emu.regs.seg[MK_GS] = (struct mk_seg){ .base = NATIVE_GS_BASE };
	emu.cr0 = 0x80050033;
	emu.cr4 = 1ULL << 9 | 1ULL << 18;
	emu.efer = 0xD01;
	emu.xcr0 = 7;
	emu.cpl = 3;
	emu.wide_branches = !__builtin_cpu_is("amd");
}

/* Until RIP moves: REP stops now and then. */
static int emulate(const struct machine *m)
{
	int err;

	model = *m;
	fill_emu(m);
	if (test.template->flags & T_STRING && generate_random() & 1)
		emu.regs.rflags &= ~FLAG_TF;
	do
		err = emu_step(&emu);
	while (!err && emu.regs.rip == m->rip);
	memcpy(model.gpr, emu.regs.gpr, sizeof(model.gpr));
	model.rip = emu.regs.rip;
	model.rflags = emu.regs.rflags;
	model.vector = err == EMU_FAULT ? emu.fault.vector : NO_VECTOR;
	model.error = err == EMU_FAULT ? emu.fault.error : 0;
	model.cr2 = emu.fault.addr;
	return err;
}

/* --- comparing -------------------------------------------------------------- */

static const char *name_of_mode(const struct machine *m)
{
	return m->seg[MK_CS] == SEG_CODE64 ? "64" : m->seg[MK_CS] == SEG_CODE32 ? "32" : "16";
}

static void report(const char *what, unsigned long long cpu, unsigned long long ours)
{
	if (failures > MAX_REPORTS)
		return;
	printf("# %s, %s bit, ", test.template->name, name_of_mode(&before));
	for (unsigned int i = 0; i < test.len; i++)
		printf("%02x", test.code[i]);
	printf(": %s: CPU %#llx, emulator %#llx (rflags %#llx, CR2 %#llx, segments %u %u %u)\n",
	       what, cpu, ours, (unsigned long long)before.rflags, (unsigned long long)model.cr2,
	       before.seg[MK_DS], before.seg[MK_ES], before.seg[MK_SS]);
}

static int differ(const char *what, uint64_t cpu, uint64_t ours)
{
	if (cpu == ours)
		return 0;
	report(what, cpu, ours);
	return 1;
}

/* Two faults: #AC comes first on AMD's CPUs, as in the emulator. */
static int other_order(const struct machine *cpu)
{
	int alignment = before.rflags & FLAG_AC && cpu->vector == VEC_PF && model.vector == VEC_AC;

	if (cpu->vector == NO_VECTOR || model.vector == NO_VECTOR)
		return 0;
	/* A paravirtual host may keep addresses of the upper half from its guests. */
	if (model.vector == VEC_PF && model.cr2 >> 63 && cpu->vector == VEC_GP)
		return 1;
	return test.template->flags & T_ORDER || (alignment && !__builtin_cpu_is("amd"));
}

static int compare_exception(const struct machine *cpu)
{
	if (other_order(cpu))
		return 0;
	if (differ("vector", cpu->vector, model.vector))
		return 1;
	if (cpu->vector == NO_VECTOR)
		return 0;
	faults++;
	return differ("error code", cpu->error, model.error) ||
	       (cpu->vector == VEC_PF && differ("CR2", cpu->cr2, model.cr2));
}

static int compare_registers(const struct machine *cpu)
{
	static const char *const names[] = {
		"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"
	};
	int is64 = before.seg[MK_CS] == SEG_CODE64;
	uint64_t mask = is64 ? ~0ULL : 0xFFFFFFFF;

	if (test.template->flags & T_PARTIAL && cpu->vector != NO_VECTOR)
		return 0;

	for (unsigned int i = 0; i < (is64 ? 16 : 8); i++) {
		if (differ(names[i], cpu->gpr[i] & mask, model.gpr[i] & mask))
			return 1;
	}
	return 0;
}

static int compare_flags(const struct machine *cpu)
{
	uint64_t mask = compared_flags;

	if (!all_flags && cpu->vector == NO_VECTOR)
		mask &= ~undefined_flags(&test, &before);
	else if (!all_flags && cpu->vector == 0)
		mask &= ~FLAGS_STATUS;
	return differ("rflags", cpu->rflags & mask, model.rflags & mask);
}

static int compare_bytes(const char *what, const void *cpu, const void *ours, size_t len)
{
	const uint8_t *a = cpu, *b = ours;
	size_t at = 0;

	if (!memcmp(a, b, len))
		return 0;
	while (a[at] == b[at])
		at++;
	report(what, a[at], b[at]);
	return 1;
}

static int compare(const struct machine *cpu)
{
	return compare_exception(cpu) || differ("rip", cpu->rip, model.rip) ||
	       compare_registers(cpu) || compare_flags(cpu) ||
	       compare_bytes("vector register", cpu->ymm, model.ymm, sizeof(model.ymm)) ||
	       compare_bytes("memory", (void *)(uintptr_t)ARENA, shadow, ARENA_SIZE);
}

/* --- the loop --------------------------------------------------------------- */

/* Near the operands, both arenas get something new: a fifth of it branch targets. */
static void refresh_memory(void)
{
	uint8_t *arena = (uint8_t *)(uintptr_t)ARENA;
	uint64_t at = (test.target - ARENA) & ~7ULL;

	for (unsigned int i = 0; i < 8; i++, at += 8) {
		uint64_t value = generate_random();

		if (at >= ARENA_RW)
			return;
		if (value % 5 == 0)
			value = value >> 20 & 0xFFFF;
		memcpy(arena + at, &value, 8);
		memcpy(shadow + at, &value, 8);
	}
}

static int emulate_next(struct machine *m, uint64_t rflags)
{
	generate(&test, m);
	refresh_memory();
	m->rflags |= rflags;
	before = *m;
	strayed = 0;
	return emulate(m);
}

/* Where an address hits this process's own memory, which is random, another one is taken. */
static int next(struct machine *m, uint64_t rflags)
{
	int err;

	if (!left)
		return 0;
	left--;
	for (err = emulate_next(m, rflags); strayed; err = emulate_next(m, rflags)) {
		strays++;
		memcpy(shadow, (void *)(uintptr_t)ARENA, ARENA_SIZE);
	}
	if (err == EMU_OK || err == EMU_FAULT)
		return 1;
	unhandled++;
	failures++;
	report("result", 0, err);
	return 1;
}

static void done(const struct machine *cpu)
{
	if (cpu->vector == NO_VECTOR)
		completed[test.template - templates]++;
	if (!compare(cpu))
		return;
	failures++;
	memcpy(shadow, (void *)(uintptr_t)ARENA, ARENA_SIZE);
}

/* For lack of a feature of this CPU, or of enough instructions. */
static void tell_missing(void)
{
	for (unsigned int i = 0; i < template_count; i++) {
		if (!completed[i])
			printf("# never completed here: %s\n", templates[i].name);
	}
}

int main(int argc, char **argv)
{
	static const struct native_ops native_ops = { next, done };
	unsigned long count;
	uint64_t seed;

	all_flags = argc > 1 && !strcmp(argv[1], "-u");
	argc -= all_flags;
	argv += all_flags;
	count = argc > 1 ? strtoul(argv[1], NULL, 0) : DEFAULT_COUNT;
	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	if (template_count > MAX_TEMPLATES || native_init()) {
		perror("emu-test-diff");
		return 1;
	}
	memcpy(shadow, (void *)(uintptr_t)ARENA, ARENA_SIZE);
	generate_seed(seed);
	left = count;
	native_run(&native_ops);
	tell_missing();
	if (strays)
		printf("# %lu more would have hit this process's own memory\n", strays);
	printf("1..1\n%s 1 - %lu random instructions as on this CPU, %lu exceptions among them\n",
	       failures ? "not ok" : "ok", count, faults);
	if (failures)
		printf("# seed %llu: %lu mismatches, %lu of them not emulated\n",
		       (unsigned long long)seed, failures, unhandled);
	return failures != 0;
}
