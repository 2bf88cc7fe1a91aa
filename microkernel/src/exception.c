// SPDX-License-Identifier: MIT
/*
 * Exceptions in the hypervisor. See exception.h.
 */
#include "exception.h"

#include "cpu.h"
#include "log.h"
#include "user.h"

#define VECTORS 32
#define PAGE_FAULT 14
#define STUB_BYTES 16

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

static void report(const char *who, const struct cpu *cpu, const struct frame *f)
{
	log_line("%s: exception %u error 0x%x on CPU %u, serving VS %u", who, f->vector, f->error,
		 (u64)cpu->id, (u64)cpu->serving);
	log_line("  rip 0x%x rsp 0x%x cr2 0x%x", f->rip, f->rsp, hw_read_cr2());
	log_line("  rax 0x%x rbx 0x%x rcx 0x%x rdx 0x%x", f->rax, f->rbx, f->rcx, f->rdx);
	log_line("  rsi 0x%x rdi 0x%x rbp 0x%x r8 0x%x", f->rsi, f->rdi, f->rbp, f->r8);
	log_line("  r9 0x%x r10 0x%x r11 0x%x r12 0x%x", f->r9, f->r10, f->r11, f->r12);
}

void exception(struct frame *f)
{
	struct cpu *cpu = cpu_this();
	u64 to;

	if ((f->cs & 3) == 3) {
		to = f->vector == PAGE_FAULT ? user_fixup(f->rip, hw_read_cr2()) : 0;
		if (to) {
			f->rip = to;
			return;
		}
		report("MicroV", cpu, f);
		cpu_enter_user(cpu, MK_START_FAULT);
	}
	report("microkernel", cpu, f);
	for (;;)
		asm volatile("hlt");
}
