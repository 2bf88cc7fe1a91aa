// SPDX-License-Identifier: MIT
/* Single instructions on the real CPU, see native.h. Linux gives the means. */
#include "native.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define LDT(n) ((n) << 3 | 7)
#define TRAP_DB 1
#define FLAG_TRAP 0x100ULL
#define MAX_ITERATIONS 10000

uint8_t *native_code;
uint64_t native_fs_base;

#define DATA_BASE (ARENA - PAGE)

/* The limits end in the middle of pages, so that both kinds of faults occur. */
const struct mk_seg native_segs[NATIVE_SEGS] = {
	[SEG_FLAT] = { 0x2B, 0xC0F3, 0xFFFFFFFF, 0 },
	[SEG_CODE16] = { LDT(1), 0x00FB, CODE_SIZE - 1, CODE },
	[SEG_DATA16] = { LDT(2), 0x00F3, 0x57FF, DATA_BASE },
	[SEG_DOWN16] = { LDT(3), 0x00F7, 0x17FF, DATA_BASE },
	[SEG_READONLY] = { LDT(4), 0x00F1, 0x3FFF, ARENA },
	[SEG_DATA32] = { LDT(5), 0x40F3, 0x4FFF, DATA_BASE },
	[SEG_DOWN32] = { LDT(6), 0x40F7, 0x1FFF, DATA_BASE },
	[SEG_CODE32] = { 0x23, 0xC0FB, 0xFFFFFFFF, 0 },
	[SEG_CODE64] = { 0x33, 0xA0FB, 0xFFFFFFFF, 0 },
};

static const struct native_ops *ops;
static struct machine machine;
static ucontext_t *home_context;
static greg_t home[NGREG];
static uint8_t home_fpu[512];
static unsigned int iterations;
static int running;
static uint32_t ymm_offset; /* in the XSAVE area; 0: no AVX */

static const int greg_of[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
				 REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
				 REG_R12, REG_R13, REG_R14, REG_R15 };

/* A signal keeps RFLAGS.AC; C code can't live with it. */
void handler_entry(int number, siginfo_t *info, void *context);
__asm__(".globl handler_entry\n"
	"handler_entry:\n"
	"	pushfq\n"
	"	andl $~0x40000, (%rsp)\n"
	"	popfq\n"
	"	jmp handler\n");
void handler(int number, siginfo_t *info, void *context);

static uint8_t *ymm_high(uint8_t *fpu, unsigned int n)
{
	return fpu + ymm_offset + n * 16;
}

static uint64_t *xstate_bv(uint8_t *fpu)
{
	return (uint64_t *)(fpu + 512);
}

static void load_vectors(uint8_t *fpu, const struct machine *m)
{
	if (ymm_offset)
		*xstate_bv(fpu) |= 6;
	for (unsigned int n = 0; n < 16; n++) {
		memcpy(fpu + 160 + n * 16, m->ymm[n], 16);
		if (ymm_offset)
			memcpy(ymm_high(fpu, n), m->ymm[n] + 16, 16);
	}
}

static void save_vectors(struct machine *m, uint8_t *fpu)
{
	int sse = !ymm_offset || *xstate_bv(fpu) & 2, avx = ymm_offset && *xstate_bv(fpu) & 4;

	memset(m->ymm, 0, sizeof(m->ymm));
	for (unsigned int n = 0; n < 16; n++) {
		if (sse)
			memcpy(m->ymm[n], fpu + 160 + n * 16, 16);
		if (avx)
			memcpy(m->ymm[n] + 16, ymm_high(fpu, n), 16);
	}
}

static void load_segments(greg_t *g, const struct machine *m)
{
	const struct mk_seg *s[MK_SEGS];
	uint64_t keep = (uint64_t)g[REG_CSGSFS] & 0x0000FFFFFFFF0000ULL;

	for (unsigned int i = 0; i < MK_SEGS; i++)
		s[i] = &native_segs[m->seg[i]];
	__asm__ volatile("mov %0, %%es" : : "r"(s[MK_ES]->selector));
	__asm__ volatile("mov %0, %%ds" : : "r"(s[MK_DS]->selector));
	if (m->seg[MK_CS] == SEG_CODE64)
		syscall(SYS_arch_prctl, ARCH_SET_GS, NATIVE_GS_BASE);
	else
		__asm__ volatile("mov %0, %%gs" : : "r"(s[MK_GS]->selector));
	g[REG_CSGSFS] = keep | s[MK_CS]->selector | (uint64_t)s[MK_SS]->selector << 48;
}

static void load_state(ucontext_t *c, const struct machine *m)
{
	greg_t *g = c->uc_mcontext.gregs;

	for (unsigned int n = 0; n < 16; n++)
		g[greg_of[n]] = m->gpr[n];
	g[REG_RIP] = m->rip;
	g[REG_EFL] = m->rflags | FLAG_TRAP;
	load_segments(g, m);
	load_vectors((uint8_t *)c->uc_mcontext.fpregs, m);
}

static void save_state(struct machine *m, ucontext_t *c, int number)
{
	greg_t *g = c->uc_mcontext.gregs;

	for (unsigned int n = 0; n < 16; n++)
		m->gpr[n] = g[greg_of[n]];
	m->rip = g[REG_RIP];
	m->rflags = g[REG_EFL];
	m->vector = number == SIGTRAP ? NO_VECTOR : g[REG_TRAPNO];
	m->error = number == SIGTRAP ? 0 : g[REG_ERR];
	m->cr2 = g[REG_CR2];
	save_vectors(m, (uint8_t *)c->uc_mcontext.fpregs);
}

static uint64_t current_flags(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; pop %0" : "=r"(flags));
	return flags & ~NATIVE_FLAGS;
}

static void begin(ucontext_t *c)
{
	home_context = c;
	memcpy(home, c->uc_mcontext.gregs, sizeof(home));
	memcpy(home_fpu, c->uc_mcontext.fpregs, sizeof(home_fpu));
	running = 1;
}

static void end(ucontext_t *c)
{
	memcpy(c->uc_mcontext.gregs, home, sizeof(home));
	memcpy(c->uc_mcontext.fpregs, home_fpu, sizeof(home_fpu));
	running = 0;
}

/* With REP, a trap comes after each iteration. */
static int goes_on(const greg_t *g, int number)
{
	return number == SIGTRAP && g[REG_TRAPNO] == TRAP_DB &&
	       (uint64_t)g[REG_RIP] == machine.rip && ++iterations < MAX_ITERATIONS;
}

void handler(int number, siginfo_t *info, void *context)
{
	ucontext_t *c = context;
	struct machine result = machine;

	(void)info;
	if (!running) {
		begin(c);
	} else {
		if (goes_on(c->uc_mcontext.gregs, number))
			return;
		save_state(&result, c, number);
		ops->done(&result);
	}
	iterations = 0;
	if (ops->next(&machine, current_flags()))
		load_state(c, &machine);
	else
		end(c);
}

static int set_ldt(unsigned int n)
{
	const struct mk_seg *s = &native_segs[n];
	struct user_desc d = {
		.entry_number = s->selector >> 3,
		.base_addr = s->base,
		.limit = s->limit,
		.seg_32bit = !!(s->attrib & MK_ATTR_DB),
		.contents = s->attrib >> 2 & 3,
		.read_exec_only = !(s->attrib & 2),
		.useable = 1,
	};

	return s->selector & 4 ? (int)syscall(SYS_modify_ldt, 1, &d, sizeof(d)) : 0;
}

static int map_memory(void)
{
	int fd = memfd_create("code", 0), fixed = MAP_SHARED | MAP_FIXED_NOREPLACE;
	void *arena;

	if (fd < 0 || ftruncate(fd, CODE_SIZE))
		return -1;
	native_code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (native_code == MAP_FAILED || mmap((void *)(uintptr_t)CODE, CODE_SIZE,
					      PROT_READ | PROT_EXEC, fixed, fd, 0) == MAP_FAILED)
		return -1;
	arena = mmap((void *)(uintptr_t)ARENA, ARENA_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
	if (arena == MAP_FAILED)
		return -1;
	memset(arena, 0x5A, ARENA_SIZE);
	return mprotect((uint8_t *)arena + ARENA_RW, PAGE, PROT_READ);
}

static void find_avx(void)
{
	uint32_t a, b, c, d;

	if (!__builtin_cpu_supports("avx"))
		return;
	__cpuid_count(0xD, 2, a, b, c, d);
	ymm_offset = b;
}

static int set_handlers(void)
{
	static const int signals[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	struct sigaction action = { .sa_sigaction = handler_entry,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static uint8_t memory[1 << 20];
	stack_t stack = { .ss_sp = memory, .ss_size = sizeof(memory) };

	if (sigaltstack(&stack, NULL))
		return -1;
	for (unsigned int i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
	return 0;
}

int native_init(void)
{
	for (unsigned int n = 0; n < NATIVE_SEGS; n++) {
		if (set_ldt(n))
			return -1;
	}
	syscall(SYS_arch_prctl, ARCH_GET_FS, &native_fs_base);
	find_avx();
	return map_memory() || set_handlers() ? -1 : 0;
}

int native_is_mapped(uint64_t addr)
{
	unsigned char page;

	return !mincore((void *)(uintptr_t)(addr - addr % PAGE), PAGE, &page) || errno != ENOMEM;
}

void native_run(const struct native_ops *run)
{
	ops = run;
	raise(SIGTRAP);
}
