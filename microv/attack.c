// SPDX-License-Identifier: MIT
/* What a hostile MicroV tries against ring 0. See attack.h. */
#include "attack.h"

#include "cpu.h"
#include "crash.h"
#include "mk.h"

#define RFLAGS_IF (1ULL << 9)
#define RFLAGS_IOPL (3ULL << 12)
#define UDATA 0x1BU
#define UCODE 0x23U
#define RET 0xC3U
#define GUEST_FREE 0x1800 /* in the page of the guest's code, behind that */

/* attack.S */
extern int attack_cpu;
int attack_try(void (*attack)(uint64_t), uint64_t arg);
uint64_t attack_flags(uint64_t set);
int64_t attack_segments(uint64_t selector);
void attack_segments_fault(uint64_t selector);
int64_t attack_stack(uint64_t rsp);
void attack_stack_fault(uint64_t rsp);
void attack_far_return(uint64_t selector);
void attack_ss(uint64_t selector);
extern uint8_t attack_rodata[];
extern const uint8_t window_start[];

struct result {
	uint64_t tried, through, first;
};

static void count(struct result *r, uint64_t what, int bad)
{
	r->tried++;
	if (bad && !r->through++)
		r->first = what;
}

static void must_fault(struct result *r, void (*attack)(uint64_t), uint64_t arg)
{
	count(r, arg, !attack_try(attack, arg));
}

/* ---- instructions ---- */

static uint8_t operand[16];

#define INSN(name, text)                                                                           \
	static void insn_##name(uint64_t unused)                                                   \
	{                                                                                          \
		(void)unused;                                                                      \
		__asm__ volatile(text                                                              \
				 :                                                                 \
				 : "D"(operand), "S"(operand), "a"(0), "b"(0), "c"(0), "d"(0)      \
				 : "memory", "cc");                                                \
	}
ATTACK_INSN_LIST(INSN)

static void (*const insns[])(uint64_t) = {
#define INSN_ENTRY(name, text) insn_##name,
	ATTACK_INSN_LIST(INSN_ENTRY)
};

static void insns_all(struct result *r)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(insns); i++)
		must_fault(r, insns[i], i);
}

static void selectors(struct result *r, uint64_t from, uint64_t n)
{
	for (uint64_t s = from; s < from + n; s++) {
		if (s != UCODE)
			must_fault(r, attack_far_return, s);
		if (s != UDATA)
			must_fault(r, attack_ss, s);
	}
}

/* ---- ports ---- */

static void port_in(uint64_t port)
{
	__asm__ volatile("inb %%dx, %%al" : : "d"((uint16_t)port) : "rax");
}

static void port_in_4(uint64_t port)
{
	__asm__ volatile("inl %%dx, %%eax" : : "d"((uint16_t)port) : "rax");
}

static void port_out(uint64_t port)
{
	__asm__ volatile("outb %%al, %%dx" : : "a"(0), "d"((uint16_t)port));
}

static void ports(struct result *r, uint64_t from, uint64_t n)
{
	for (uint64_t port = from; port < from + n; port++) {
		must_fault(r, port_in, port);
		must_fault(r, port_in_4, port);
		must_fault(r, port_out, port);
	}
}

/* ---- memory ---- */

static void mem_read(uint64_t at)
{
	*(volatile uint8_t *)at;
}

/* Should it be let through, it changes nothing. */
static void mem_write(uint64_t at)
{
	__asm__ volatile("lock orb $0, (%0)" : : "r"(at) : "memory");
}

static void mem_call(uint64_t at)
{
	((void (*)(void))at)();
}

static void memory(struct result *r, uint64_t from, uint64_t n, uint64_t step)
{
	for (uint64_t at = from; n--; at += step) {
		must_fault(r, mem_read, at);
		must_fault(r, mem_write, at);
		must_fault(r, mem_call, at);
	}
}

/* Puts a RET there for the time of a call of it. */
static void call_of_data(struct result *r, volatile uint8_t *at)
{
	uint8_t was = *at;

	*at = RET;
	must_fault(r, mem_call, (uintptr_t)at);
	*at = was;
}

static void call_of_window(struct result *r)
{
	uint8_t ret = RET;
	unsigned int vm;

	for (vm = 1; vm < MV_MAX_VMS && mk_window_open(vm); vm++)
		;
	count(r, vm, mk_window_copy(GUEST_FREE, &ret, 1, 1) != 0);
	must_fault(r, mem_call, MK_U_WINDOW + GUEST_FREE);
}

static void own(struct result *r, unsigned int cpu)
{
	unsigned int vs = cpus[cpu].busy;
	uint8_t stack[16] = { 0 };

	must_fault(r, mem_write, MK_U_IMAGE);
	must_fault(r, mem_write, (uintptr_t)own);
	must_fault(r, mem_write, (uintptr_t)window_start);
	must_fault(r, mem_write, (uintptr_t)attack_rodata);
	must_fault(r, mem_call, (uintptr_t)attack_rodata);
	call_of_data(r, operand);
	call_of_data(r, stack);
	call_of_data(r, mk_own(vs));
	call_of_data(r, (uint8_t *)mk_own(vs) + MK_OWN_BYTES - 1);
	call_of_data(r, mk_state(vs)->microv + sizeof(mk_state(vs)->microv) - 1);
	call_of_data(r, (uint8_t *)mk_shared() + MV_PAGE_SIZE - 1);
	call_of_window(r);
	memory(r, MK_U_STACK_TOP, 1, 1);
	memory(r, MK_U_STACK_TOP - MK_U_STACK_SIZE - MV_PAGE_SIZE, 2, MV_PAGE_SIZE - 1);
	memory(r, MK_U_SHARED - 1, 2, MV_PAGE_SIZE + 1);
	memory(r, MK_U_STATE + (uint64_t)MK_VS_MAX * MV_PAGE_SIZE, 1, 1);
	memory(r, MK_U_OWN + MK_VS_MAX * MK_OWN_BYTES, 1, 1);
}

/* ---- what is allowed, and must do ring 0 no harm ---- */

static void harmless(struct result *r)
{
	static const uint16_t sel[] = { UDATA, UCODE, 0, 1, 2, 3 };
	static const uint64_t stack[] = { 0,
					  8,
					  ~0ULL,
					  1ULL << 47,
					  MK_U_IMAGE,
					  MK_U_STACK_TOP,
					  0xFFFF800000000000,
					  0xFFFFFFFF80001000 };
	static const uint64_t flags[] = { RFLAGS_IF | RFLAGS_IOPL, 1 << 10, 1 << 14, 1 << 18,
					  0x3F7EFF & ~(1 << 8) };

	for (unsigned int i = 0; i < ARRAY_SIZE(sel); i++) {
		count(r, i, attack_segments(sel[i]) != -MK_ENOSYS);
		must_fault(r, attack_segments_fault, sel[i]);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(stack); i++) {
		count(r, 100 + i, attack_stack(stack[i]) != -MK_ENOSYS);
		must_fault(r, attack_stack_fault, stack[i]);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++)
		count(r, 200 + i, attack_flags(flags[i]) & (RFLAGS_IF | RFLAGS_IOPL));
	count(r, 300, mk_syscall(~0ULL, 0, 0, 0, 0, 0, NULL) != -MK_ENOSYS);
	count(r, 301, mk_syscall(1ULL << 32, 0, 0, 0, 0, 0, NULL) != -MK_ENOSYS);
}

/* ---- system calls ---- */

#define RW (MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_WRITE_ACCESS)

/* Where no system call may read or write: ring 0's, MicroV's code, what isn't there. */
static void bad_pointer(struct result *r, unsigned int vs, uint64_t at)
{
	const struct {
		uint64_t nr, a0, a1, a2, a3;
	} calls[] = {
		{ MK_SYS_LOG_READ, 0, at, 512, 0 },
		{ MK_SYS_VS_FPU, vs, at, 0, 0 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++)
		count(r, at,
		      mk_syscall(calls[i].nr, calls[i].a0, calls[i].a1, calls[i].a2, calls[i].a3, 0,
				 NULL) != -MK_EFAULT);
}

static void foreign_memory(struct result *r, uint64_t spa)
{
	const struct {
		uint64_t nr, a0, a1, a2, a3, a4;
		int64_t want;
	} calls[] = {
		{ MK_SYS_SPACE_MAP, 1, 1ULL << 40, spa, MV_PAGE_SIZE, RW, -MK_EPERM },
		{ MK_SYS_SPACE_MAP, 1, 1ULL << 40, spa, MV_PAGE_SIZE, MV_MAP_FLAG_READ_ACCESS,
		  -MK_EPERM },
		{ MK_SYS_SPACE_MAP, 1, 1ULL << 40, spa - MV_PAGE_SIZE, 3 * MV_PAGE_SIZE, RW,
		  -MK_EPERM },
		{ MK_SYS_SPACE_MAP, 0, spa, spa, MV_PAGE_SIZE, RW, -MK_ENOENT },
		{ MK_SYS_SPACE_UNMAP, 0, 0, MV_PAGE_SIZE, 0, 0, -MK_ENOENT },
		{ MK_SYS_SPACE_DESTROY, 0, 0, 0, 0, 0, -MK_ENOENT },
		{ MK_SYS_SPACE_DONATE, 1, spa, MV_PAGE_SIZE, 0, 0, -MK_EPERM },
		{ MK_SYS_SPACE_DIRTY, 0, 0, MV_PAGE_SIZE, (uintptr_t)operand, 0, -MK_ENOENT },
		{ MK_SYS_WINDOW_OPEN, 0, 0, 0, 0, 0, -MK_ENOENT },
		{ MK_SYS_WINDOW_FIXUP, MK_U_IMAGE, MK_U_IMAGE + 16, MK_U_IMAGE, 0, 0, -MK_EBUSY },
		{ MK_SYS_VS_RUN, MK_GUEST_VS_FIRST - 1, 0, 0, 0, 0, -MK_ENOENT },
		{ MK_SYS_VS_DESTROY, 0, 0, 0, 0, 0, -MK_ENOENT },
		{ MK_SYS_VS_CREATE, 0, 1, 0, 0, 0, -MK_EINVAL },
		{ MK_SYS_VS_FPU, 0, (uintptr_t)operand, 0, 0, 0, -MK_ENOENT },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++)
		count(r, i,
		      mk_syscall(calls[i].nr, calls[i].a0, calls[i].a1, calls[i].a2, calls[i].a3,
				 calls[i].a4, NULL) != calls[i].want);
}

/* Ring 3 chooses the shared page, but of root's memory. What root has set is put back. */
static void shared_page(struct result *r, uint64_t spa)
{
	count(r, 500, mk_shared_set(spa) != -MK_EBUSY);
}

static void syscalls(struct result *r, unsigned int cpu, uint64_t spa)
{
	static const uint64_t bad[] = { 0,
					0x1000,
					MK_U_IMAGE,
					MK_U_IMAGE + 0x1000,
					MK_U_IMAGE_END,
					MK_U_STATE,
					MK_U_OWN,
					MK_U_WINDOW,
					MK_U_STACK_TOP,
					1ULL << 47,
					~0ULL,
					~0xFFULL,
					0xFFFF800000000000,
					0xFFFFFFFF80000000,
					0xFFFFFFFF80010000 };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		bad_pointer(r, cpus[cpu].busy, bad[i]);
	bad_pointer(r, cpus[cpu].busy, (uintptr_t)attack_rodata);
	bad_pointer(r, cpus[cpu].busy, 0xFFFF800000000000 + spa);
	count(r, 400, mk_log((const char *)0xFFFFFFFF80000000, 16) != -MK_EFAULT);
	count(r, 401, mk_log((const char *)0xFFFF800000000000 + spa, 16) != -MK_EFAULT);
	foreign_memory(r, spa);
	shared_page(r, spa);
}

/* ---- the guest asks ---- */

/* The CPU that serves a guest with this in RAX; the tests ask one at a time. */
static unsigned int find_cpu(uint64_t value)
{
	unsigned int cpu;

	for (cpu = 0; cpu < MV_MAX_PPS; cpu++)
		if (cpus[cpu].busy && mk_state(cpus[cpu].busy)->gpr[MK_RAX] == value)
			return cpu;
	return 0;
}

static void attack(struct result *r, unsigned int cpu, enum attack_kind kind, const uint64_t *gpr)
{
	switch (kind) {
	case ATTACK_INSNS:
		insns_all(r);
		break;
	case ATTACK_SELECTORS:
		selectors(r, gpr[MK_RBX], gpr[MK_RSI]);
		break;
	case ATTACK_PORTS:
		ports(r, gpr[MK_RBX], gpr[MK_RSI]);
		break;
	case ATTACK_MEMORY:
		memory(r, gpr[MK_RBX], gpr[MK_RSI], gpr[MK_RDI]);
		break;
	case ATTACK_OWN:
		own(r, cpu);
		break;
	case ATTACK_HARMLESS:
		harmless(r);
		break;
	case ATTACK_SYSCALLS:
		syscalls(r, cpu, gpr[MK_RBX]);
		break;
	case ATTACK_KINDS:
		break;
	}
}

void crash_on(struct vs *vs, uint64_t value)
{
	struct result r = { 0 };
	unsigned int cpu;
	uint64_t *gpr;

	(void)vs;
	if ((value & ~0xFFULL) != ATTACK_MAGIC || (value & 0xFF) >= ATTACK_KINDS)
		return;
	cpu = find_cpu(value);
	gpr = mk_state(cpus[cpu].busy)->gpr;
	attack_cpu = (int)cpu;
	attack(&r, cpu, value & 0xFF, gpr);
	attack_cpu = -1;
	gpr[MK_R8] = r.tried;
	gpr[MK_R9] = r.through;
	gpr[MK_R10] = r.first;
}
