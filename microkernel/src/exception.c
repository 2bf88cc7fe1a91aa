// SPDX-License-Identifier: MIT
/*
 * Exceptions in the hypervisor. See exception.h.
 */
#include "exception.h"

#include "cpu.h"
#include "log.h"
#include "user.h"
#include "vs.h"

#define VECTORS 32
#define NMI 2
#define PAGE_FAULT 14
#define MACHINE_CHECK 18
#define STUB_BYTES 16
#define STUCK_TICKS (1ULL << 32) /* of the TSC: one or two seconds */
#define TRACE_MAX 32

/* 64-bit interrupt gates, APM vol. 2, 4.8.4. */
struct gate {
	u16 offset0, selector;
	u8 ist, type;
	u16 offset1;
	u32 offset2, reserved;
};
_Static_assert(sizeof(struct gate) == 16, "gate");

#define GATE_INTERRUPT 0x8E

static struct gate idt[VECTORS];

extern u8 entry_stubs[];

/* NMI, #DF and #MC have stacks of their own. */
static u8 ist_of(unsigned int vector)
{
	return vector == 2 ? 1 : vector == 8 ? 2 : vector == 18 ? 3 : 0;
}

void exception_init(void)
{
	unsigned int i;

	for (i = 0; i < VECTORS; i++) {
		u64 at = (u64)entry_stubs + i * STUB_BYTES;

		idt[i] = (struct gate){
			.offset0 = at, .offset1 = at >> 16, .offset2 = at >> 32,
			.selector = GDT_KCODE, .ist = ist_of(i), .type = GATE_INTERRUPT,
		};
	}
}

void exception_load_idt(void)
{
	hw_load_idt(idt, sizeof(idt) - 1);
}

#define EXCEPTION "exception %u error 0x%x on CPU %u, serving VS %u"

static void report(const char *whose, const struct cpu *cpu, const struct frame *f)
{
	log_line(whose, f->vector, f->error, (u64)cpu->id, (u64)cpu->fpu->id);
	log_line("  rip 0x%x rsp 0x%x cr2 0x%x", f->rip, f->rsp, hw_read_cr2());
	log_line("  rax 0x%x rbx 0x%x rcx 0x%x rdx 0x%x", f->rax, f->rbx, f->rcx, f->rdx);
	log_line("  rsi 0x%x rdi 0x%x rbp 0x%x r8 0x%x", f->rsi, f->rdi, f->rbp, f->r8);
	log_line("  r9 0x%x r10 0x%x r11 0x%x r12 0x%x", f->r9, f->r10, f->r11, f->r12);
}

/* What may be return addresses on ring 3's stack, from the innermost on: mvctl tells which are. */
static void trace(struct cpu *cpu, u64 rsp)
{
	u64 bottom = MK_U_STACK_TOP - MK_U_STACK_SIZE, at = rsp < bottom ? bottom : rsp, word, n = 0;

	for (; n < TRACE_MAX && !user_copy(cpu, at, &word, sizeof(word), false); at += sizeof(word))
		if (word > MK_U_IMAGE && word < MK_U_IMAGE_END) {
			log_line("  at 0x%x", word);
			n++;
		}
}

/*
 * Nobody but an NMI interrupts ring 3. One finds it stuck that comes long after another one, while
 * no VM was entered: root sends some to a CPU that doesn't answer any more.
 */
static bool is_stuck(struct cpu *cpu)
{
	u64 now = hw_rdtsc(), switches = cpu->root_vs->state->switches;

	if (cpu->nmi_switches != switches)
		cpu->nmi_tsc = now;
	cpu->nmi_switches = switches;
	return now - cpu->nmi_tsc > STUCK_TICKS;
}

/* NMIs and machine checks are root's, and come when it runs next. False: ring 3 ends as well. */
static bool is_roots(struct cpu *cpu, const struct frame *f)
{
	if (f->vector != NMI && f->vector != MACHINE_CHECK)
		return false;
	cpu->root_vs->state->inject.type = f->vector == NMI ? MK_EVENT_NMI : MK_EVENT_EXCEPTION;
	cpu->root_vs->state->inject.vector = f->vector;
	cpu->root_vs->state->inject.has_error = 0;
	return f->vector == MACHINE_CHECK || (f->cs & 3) != 3 || !is_stuck(cpu);
}

void exception(struct frame *f)
{
	struct cpu *cpu = cpu_this();
	u64 to;

	if (is_roots(cpu, f))
		return;
	if ((f->cs & 3) == 3) {
		to = f->vector == PAGE_FAULT ? user_fixup(f->rip, hw_read_cr2()) : 0;
		if (to) {
			f->rip = to;
			return;
		}
		report("MicroV: " EXCEPTION, cpu, f);
		trace(cpu, f->rsp);
		cpu_enter_user(cpu, MK_START_FAULT);
	}
	report("microkernel: " EXCEPTION, cpu, f);
	for (;;)
		asm volatile("hlt");
}
