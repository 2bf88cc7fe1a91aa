// SPDX-License-Identifier: MIT
/*
 * Guests run by hypercalls alone: I/O and its completion, HLT, triple fault, MMIO,
 * interrupts for root, 64-bit mode, two CPUs.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "hct.h"

#define CODE 0x1000U
#define DATA 0x2000U
#define MSR_EFER 0xC0000080U

/* Code in the guest's RAM, and real mode at its begin. */
static void real_mode(const struct guest *g, const void *code, size_t bytes)
{
	memcpy(g->ram.va + CODE, code, bytes);
	check_eq(reg_set(g->vs, mv_reg_t_cs_selector, 0), MV_STATUS_SUCCESS);
	check_eq(reg_set(g->vs, mv_reg_t_cs_base, 0), MV_STATUS_SUCCESS);
	check_eq(reg_set(g->vs, mv_reg_t_rip, CODE), MV_STATUS_SUCCESS);
}

#define REAL_MODE(g, ...)                                                                          \
	do {                                                                                       \
		static const uint8_t code_[] = { __VA_ARGS__ };                                    \
		real_mode(g, code_, sizeof(code_));                                                \
	} while (0)

/* Runs until an exit that isn't an interrupt, first with what is in the shared page. */
static struct hct_call run_prepared(uint16_t vs)
{
	struct hct_call call = hc(HC(VS, RUN), vs, 0, 0);

	for (int i = 0; i < 100000 && call.rax == MV_STATUS_SUCCESS &&
			call.reg[0] == mv_exit_reason_t_interrupt;
	     i++) {
		mdl_clear();
		call = hc(HC(VS, RUN), vs, 0, 0);
	}
	return call;
}

static struct hct_call run(uint16_t vs)
{
	mdl_clear();
	return run_prepared(vs);
}

static struct hct_call run_in(uint16_t vs, const void *data, size_t bytes)
{
	mdl_clear();
	run_page()->in_bytes = bytes;
	memcpy(run_page()->in, data, bytes);
	return run_prepared(vs);
}

static void check_io(struct hct_call call, uint16_t port, uint64_t type, enum mv_bit_size_t size)
{
	const struct mv_exit_io_t *io = (const void *)shared.va;

	check_eq(call.rax, MV_STATUS_SUCCESS);
	check_eq(call.reg[0], mv_exit_reason_t_io);
	check_eq(io->addr, port);
	check_eq(io->type, type);
	check_eq(io->size, size);
	check(io->reps >= 1);
}

static void check_out(struct hct_call call, uint16_t port, enum mv_bit_size_t size, uint32_t data)
{
	const struct mv_exit_io_t *io = (const void *)shared.va;

	check_io(call, port, MV_EXIT_IO_OUT, size);
	check_eq(io->data, data);
	check_eq(io->reps, 1);
}

static void check_hlt(struct hct_call call, enum mv_hlt_t reason)
{
	const struct mv_exit_hlt_t *hlt = (const void *)shared.va;

	check_eq(call.rax, MV_STATUS_SUCCESS);
	check_eq(call.reg[0], mv_exit_reason_t_hlt);
	check_eq(hlt->reason, reason);
}

static void out_and_hlt(void)
{
	struct guest g;

	shared_set();
	require(guest_create(&g));
	REAL_MODE(&g, 0xB0, 0x41, /* mov al, 'A' */
		  0xE6, 0x10, /* out 0x10, al */
		  0xB8, 0x34, 0x12, /* mov ax, 0x1234 */
		  0xBA, 0x23, 0x81, /* mov dx, 0x8123 */
		  0xEF, /* out dx, ax */
		  0x66, 0xB8, 0x78, 0x56, 0x34, 0x92, /* mov eax, 0x92345678 */
		  0x66, 0xEF, /* out dx, eax */
		  0xEE, /* out dx, al */
		  0xF4, 0xF4); /* hlt; hlt */
	check_out(run(g.vs), 0x10, mv_bit_size_t_8, 0x41);
	check_out(run(g.vs), 0x8123, mv_bit_size_t_16, 0x1234);
	check_out(run(g.vs), 0x8123, mv_bit_size_t_32, 0x92345678);
	check_out(run(g.vs), 0x8123, mv_bit_size_t_8, 0x78);
	check_hlt(run(g.vs), mv_hlt_t_wait);
	check_eq(reg_get(g.vs, mv_reg_t_rip), CODE + 21);
	check_hlt(run(g.vs), mv_hlt_t_wait);
	check_eq(reg_get(g.vs, mv_reg_t_rip), CODE + 22);
	guest_destroy(&g);
	shared_clear();
}

static void in_completion(void)
{
	static const uint8_t one[] = { 0xA1 }, two[] = { 0xB1, 0xB2 }, four[] = { 1, 2, 3, 0x84 };
	struct guest g;

	shared_set();
	require(guest_create(&g));
	REAL_MODE(&g, 0xE4, 0x20, 0xF4, /* in al, 0x20; hlt */
		  0xED, 0xF4, /* in ax, dx; hlt */
		  0x66, 0xED, 0xF4); /* in eax, dx; hlt */
	check_eq(reg_set(g.vs, mv_reg_t_rax, 0x1122334455667788), MV_STATUS_SUCCESS);
	check_eq(reg_set(g.vs, mv_reg_t_rdx, 0xFFFF), MV_STATUS_SUCCESS);
	check_io(run(g.vs), 0x20, MV_EXIT_IO_IN, mv_bit_size_t_8);
	check_eq(reg_get(g.vs, mv_reg_t_rip), CODE);
	check_hlt(run_in(g.vs, one, 1), mv_hlt_t_wait);
	check_eq(reg_get(g.vs, mv_reg_t_rax), 0x11223344556677A1);
	check_io(run(g.vs), 0xFFFF, MV_EXIT_IO_IN, mv_bit_size_t_16);
	check_hlt(run_in(g.vs, two, 2), mv_hlt_t_wait);
	check_eq(reg_get(g.vs, mv_reg_t_rax), 0x112233445566B2B1);
	check_io(run(g.vs), 0xFFFF, MV_EXIT_IO_IN, mv_bit_size_t_32);
	check_hlt(run_in(g.vs, four, 4), mv_hlt_t_wait);
	/* A 32-bit result zeroes the upper half. */
	check_eq(reg_get(g.vs, mv_reg_t_rax), 0x84030201);
	guest_destroy(&g);
	shared_clear();
}

static void bad_run(uint16_t vs)
{
	check_refused(HC(VS, RUN), vs, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	mdl_clear();
}

static void run_page_bad(void)
{
	static const uint64_t sizes[] = { 0, 2, 4, 0x401, 1ULL << 32, ~0ULL };
	static const uint8_t one[] = { 0x5A };
	struct guest g;

	shared_set();
	require(guest_create(&g));
	REAL_MODE(&g, 0xF4, 0xE4, 0x20, 0xF4); /* hlt; in al, 0x20; hlt */
	/* Nothing waits: no data is taken. */
	mdl_clear();
	run_page()->in_bytes = 1;
	bad_run(g.vs);
	run_page()->flags = MV_RUN_FLAGS_ALL + 1;
	bad_run(g.vs);
	run_page()->flags = 1ULL << 63;
	bad_run(g.vs);
	/* A bad register or value behind a good one: neither is written. */
	run_page()->reg[0] = (struct mv_rdl_entry_t){ mv_reg_t_rbx, 7 };
	run_page()->reg[1] = (struct mv_rdl_entry_t){ MV_REG_MAX + 1, 7 };
	bad_run(g.vs);
	run_page()->reg[0] = (struct mv_rdl_entry_t){ mv_reg_t_rbx, 7 };
	run_page()->reg[9] = (struct mv_rdl_entry_t){ mv_reg_t_cr8, 0x100 };
	bad_run(g.vs);
	run_page()->reg[0] = (struct mv_rdl_entry_t){ mv_reg_t_rbx, 7 };
	run_page()->msr[9] = (struct mv_rdl_entry_t){ 0xDEADBEEF, 0 };
	bad_run(g.vs);
	check_eq(reg_get(g.vs, mv_reg_t_rbx), 0);
	check_eq(reg_get(g.vs, mv_reg_t_rip), CODE);
	check_hlt(run(g.vs), mv_hlt_t_wait);
	/* An IN waits: nothing but its one byte will do. */
	check_io(run(g.vs), 0x20, MV_EXIT_IO_IN, mv_bit_size_t_8);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		mdl_clear();
		run_page()->in_bytes = sizes[i];
		bad_run(g.vs);
		check_eq(reg_get(g.vs, mv_reg_t_rip), CODE + 1);
	}
	check_hlt(run_in(g.vs, one, 1), mv_hlt_t_wait);
	check_eq(reg_get(g.vs, mv_reg_t_rax) & 0xFF, 0x5A);
	shared_clear();
	check_refused(HC(VS, RUN), g.vs, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	guest_destroy(&g);
}

static void run_page_registers(void)
{
	struct hct_call call;
	struct guest g;

	shared_set();
	require(guest_create(&g));
	REAL_MODE(&g, 0xF4, 0xEE, 0xF4); /* hlt; out dx, al; hlt */
	mdl_clear();
	run_page()->reg[0] = (struct mv_rdl_entry_t){ mv_reg_t_rip, CODE + 1 };
	run_page()->reg[4] = (struct mv_rdl_entry_t){ mv_reg_t_rax, 0x77 };
	run_page()->reg[9] = (struct mv_rdl_entry_t){ mv_reg_t_rdx, 0x99 };
	run_page()->msr[3] = (struct mv_rdl_entry_t){ 0xC0000081, 0x123 };
	call = run_prepared(g.vs);
	check_out(call, 0x99, mv_bit_size_t_8, 0x77);
	check_eq(hc(HC(VS, MSR_GET), g.vs, 0xC0000081, 0).reg[0], 0x123);
	guest_destroy(&g);
	shared_clear();
}

#define HANDLER 0x1100U

/* An entry of the real mode's interrupt table. */
static void set_vector(const struct guest *g, uint8_t vector, uint16_t ip)
{
	const uint16_t far[] = { ip, 0 };

	memcpy(g->ram.va + vector * 4U, far, sizeof(far));
}

static void events(void)
{
	static const uint8_t handler[] = { 0x43, 0xCF }; /* inc bx; iret */
	struct hct_call call;
	struct guest g;

	shared_set();
	require(guest_create(&g));
	REAL_MODE(&g, 0xF4, 0xFB, 0x90, 0xF4, 0xF4); /* hlt; sti; nop; hlt; hlt */
	memcpy(g.ram.va + HANDLER, handler, sizeof(handler));
	set_vector(&g, 0x20, HANDLER);
	set_vector(&g, 6, CODE + 4);
	check_eq(reg_set(g.vs, mv_reg_t_rsp, DATA + 0x100), MV_STATUS_SUCCESS);
	check_eq(reg_set(g.vs, mv_reg_t_rbx, 0), MV_STATUS_SUCCESS);

	/* It waits until interrupts are on. */
	check_eq(hc(HC(VS, QUEUE_INTERRUPT), g.vs, 0x20, 0).rax, MV_STATUS_SUCCESS);
	check_hlt(run(g.vs), mv_hlt_t_wait);
	check_eq(reg_get(g.vs, mv_reg_t_rip), CODE + 1);
	check_eq(reg_get(g.vs, mv_reg_t_rbx), 0);
	check_hlt(run(g.vs), mv_hlt_t_wait);
	check_eq(reg_get(g.vs, mv_reg_t_rip), CODE + 4);
	check_eq(reg_get(g.vs, mv_reg_t_rbx), 1);

	mdl_clear();
	run_page()->flags = MV_RUN_FLAG_WINDOW;
	call = run_prepared(g.vs);
	check_eq(call.rax, MV_STATUS_SUCCESS);
	check_eq(call.reg[0], mv_exit_reason_t_window);
	check_eq(reg_get(g.vs, mv_reg_t_rip), CODE + 4);
	check_eq(hc(HC(VS, INJECT_EXCEPTION), g.vs, 6, 0).rax, MV_STATUS_SUCCESS);
	check_hlt(run(g.vs), mv_hlt_t_wait);
	check_eq(reg_get(g.vs, mv_reg_t_rip), CODE + 5);
	check_eq(reg_get(g.vs, mv_reg_t_rsp), DATA + 0x100 - 6);
	guest_destroy(&g);
	shared_clear();
}

static void events_refused(void)
{
	struct guest g;

	shared_set();
	require(guest_create(&g));
	check_refused(HC(VS, QUEUE_INTERRUPT), g.vs, 256, 0, MV_STATUS_INVALID_INPUT_REG2);
	check_refused(HC(VS, QUEUE_INTERRUPT), g.vs, 32, 2, MV_STATUS_INVALID_INPUT_REG3);
	check_refused(HC(VS, QUEUE_INTERRUPT), 0, 32, 0, MV_STATUS_INVALID_INPUT_REG1);
	check_refused(HC(VS, INJECT_EXCEPTION), g.vs, 32, 0, MV_STATUS_INVALID_INPUT_REG2);
	check_refused(HC(VS, INJECT_EXCEPTION), g.vs, 2, 0, MV_STATUS_INVALID_INPUT_REG2);
	check_refused(HC(VS, INJECT_EXCEPTION), g.vs, 6, 1, MV_STATUS_INVALID_INPUT_REG3);
	check_refused(HC(VS, INJECT_EXCEPTION), 0, 6, 0, MV_STATUS_INVALID_INPUT_REG1);
	check_refused(HC(VS, QUEUE_NMI), 0, 0, 0, MV_STATUS_INVALID_INPUT_REG1);
	mdl_clear();
	((struct mv_events_t *)shared.va)->nmi_pending = 3;
	check_refused(HC(VS, EVENTS_SET), g.vs, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	guest_destroy(&g);
	shared_clear();
}

static void complete_only(void)
{
	struct hct_call call;
	struct guest g;

	shared_set();
	require(guest_create(&g));
	REAL_MODE(&g, 0xE4, 0x20, 0xF4); /* in al, 0x20; hlt */
	check_io(run(g.vs), 0x20, MV_EXIT_IO_IN, mv_bit_size_t_8);
	mdl_clear();
	run_page()->flags = MV_RUN_FLAG_COMPLETE_ONLY;
	run_page()->in_bytes = 1;
	run_page()->in[0] = 0x42;
	call = hc(HC(VS, RUN), g.vs, 0, 0);
	check_eq(call.rax, MV_STATUS_SUCCESS);
	check_eq(call.reg[0], mv_exit_reason_t_interrupt);
	check_eq(reg_get(g.vs, mv_reg_t_rip), CODE + 2);
	check_eq(reg_get(g.vs, mv_reg_t_rax) & 0xFF, 0x42);
	check_hlt(run(g.vs), mv_hlt_t_wait);
	guest_destroy(&g);
	shared_clear();
}

static void string_io(void)
{
	static const char text[] = "MicroV";
	const struct mv_exit_io_t *io = (const void *)shared.va;
	char got[64];
	size_t n = 0;
	struct hct_call call;
	struct guest g;

	shared_set();
	require(guest_create(&g));
	memcpy(g.ram.va + DATA, text, sizeof(text));
	REAL_MODE(&g, 0xF3, 0x6E, /* rep outsb */
		  0xF3, 0x6D, /* rep insw */
		  0xF4); /* hlt */
	check_eq(reg_set(g.vs, mv_reg_t_rsi, DATA), MV_STATUS_SUCCESS);
	check_eq(reg_set(g.vs, mv_reg_t_rdi, DATA + 0x100), MV_STATUS_SUCCESS);
	check_eq(reg_set(g.vs, mv_reg_t_rcx, sizeof(text)), MV_STATUS_SUCCESS);
	check_eq(reg_set(g.vs, mv_reg_t_rdx, 0x3F8), MV_STATUS_SUCCESS);
	call = run(g.vs);
	while (call.reg[0] == mv_exit_reason_t_io && (io->type & MV_EXIT_IO_OUT) &&
	       n < sizeof(got)) {
		check_io(call, 0x3F8, MV_EXIT_IO_OUT | MV_EXIT_IO_STRING, mv_bit_size_t_8);
		require(io->reps <= sizeof(got) - n);
		memcpy(got + n, io->out, io->reps);
		n += io->reps;
		if (n == sizeof(text))
			check_eq(reg_set(g.vs, mv_reg_t_rcx, 3), MV_STATUS_SUCCESS);
		call = run(g.vs);
	}
	check_eq(n, sizeof(text));
	check(memcmp(got, text, sizeof(text)) == 0);
	for (n = 0; call.reg[0] == mv_exit_reason_t_io && n < 6;) {
		size_t bytes = io->reps * 2;

		check_io(call, 0x3F8, MV_EXIT_IO_IN | MV_EXIT_IO_STRING, mv_bit_size_t_16);
		require(bytes <= 6 - n);
		call = run_in(g.vs, &"abcdef"[n], bytes);
		n += bytes;
	}
	check_hlt(call, mv_hlt_t_wait);
	check(memcmp(g.ram.va + DATA + 0x100, "abcdef\0", 7) == 0);
	check_eq(reg_get(g.vs, mv_reg_t_rcx) & 0xFFFF, 0);
	check_eq(reg_get(g.vs, mv_reg_t_rdi) & 0xFFFF, DATA + 0x106);
	guest_destroy(&g);
	shared_clear();
}

static void triple_fault(void)
{
	struct guest g;

	shared_set();
	require(guest_create(&g));
	REAL_MODE(&g, 0x0F, 0x0B); /* ud2 */
	check_eq(reg_set(g.vs, mv_reg_t_idtr_limit, 0), MV_STATUS_SUCCESS);
	check_hlt(run(g.vs), mv_hlt_t_vm_crash);
	guest_destroy(&g);
	shared_clear();
}

static void check_mmio(struct hct_call call, uint64_t gpa, uint64_t flag)
{
	const struct mv_exit_mmio_t *mmio = (const void *)shared.va;

	check_eq(call.rax, MV_STATUS_SUCCESS);
	check_eq(call.reg[0], mv_exit_reason_t_mmio);
	check_eq(mmio->gpa, gpa);
	check((mmio->flags & flag) != 0);
}

static void mmio(void)
{
	struct guest g;

	shared_set();
	require(guest_create(&g));
	REAL_MODE(&g, 0xA0, 0x34, 0x12); /* mov al, [0x1234] */
	check_eq(reg_set(g.vs, mv_reg_t_ds_base, 0x40000000), MV_STATUS_SUCCESS);
	check_mmio(run(g.vs), 0x40001234, MV_EXIT_MMIO_READ);
	check_eq(reg_get(g.vs, mv_reg_t_rip), CODE);
	REAL_MODE(&g, 0xA2, 0x34, 0x12); /* mov [0x1234], al */
	check_mmio(run(g.vs), 0x40001234, MV_EXIT_MMIO_WRITE);
	check_eq(reg_get(g.vs, mv_reg_t_rip), CODE + 3);
	/* Nothing but the hypervisor's and other memory of root is at that address of root. */
	check_eq(reg_set(g.vs, mv_reg_t_ds_base, hidden_spa & 0xFFFFF000), MV_STATUS_SUCCESS);
	REAL_MODE(&g, 0xA0, 0x00, 0x00); /* mov al, [0] */
	check_mmio(run(g.vs), hidden_spa & 0xFFFFF000, MV_EXIT_MMIO_READ);
	guest_destroy(&g);
	shared_clear();
}

static void read_only_memory(void)
{
	struct pages rom = pages_alloc(0);
	struct guest g;

	shared_set();
	require(guest_create(&g));
	rom.va[0x34] = 0x66;
	check_eq(map_one(g.vm, 0x40000000, rom.spa, MV_PAGE_SIZE, MV_MAP_FLAG_READ_ACCESS),
		 MV_STATUS_SUCCESS);
	check_eq(reg_set(g.vs, mv_reg_t_ds_base, 0x40000000), MV_STATUS_SUCCESS);
	REAL_MODE(&g, 0xA0, 0x34, 0x00, /* mov al, [0x34] */
		  0xA2, 0x35, 0x00); /* mov [0x35], al */
	check_mmio(run(g.vs), 0x40000035, MV_EXIT_MMIO_WRITE);
	check_eq(reg_get(g.vs, mv_reg_t_rax) & 0xFF, 0x66);
	check_eq(rom.va[0x35], 0);
	guest_destroy(&g);
	shared_clear();
}

static void invalid_state(void)
{
	const struct mv_exit_failure_t *failure = (const void *)shared.va;
	struct hct_call call;
	struct guest g;

	shared_set();
	require(guest_create(&g));
	REAL_MODE(&g, 0xF4);
	/* Long mode and paging without PAE: APM vol. 2, 15.5.1 calls that illegal. */
	check_eq(hc(HC(VS, MSR_SET), g.vs, MSR_EFER, 0x500).rax, MV_STATUS_SUCCESS);
	check_eq(reg_set(g.vs, mv_reg_t_cr0, 0x80000011), MV_STATUS_SUCCESS);
	call = run(g.vs);
	check_eq(call.rax, MV_STATUS_EXIT_FAILURE);
	check_eq(call.reg[0], mv_exit_reason_t_failure);
	check(failure->hardware_reason != 0);
	/* The VS can be put right and run. */
	check_eq(reg_set(g.vs, mv_reg_t_cr0, 0x10), MV_STATUS_SUCCESS);
	check_eq(hc(HC(VS, MSR_SET), g.vs, MSR_EFER, 0).rax, MV_STATUS_SUCCESS);
	check_hlt(run(g.vs), mv_hlt_t_wait);
	guest_destroy(&g);
	shared_clear();
}

static void interrupts(void)
{
	struct guest g;
	struct timespec begin, end;
	double seconds;

	shared_set();
	require(guest_create(&g));
	REAL_MODE(&g, 0xEB, 0xFE); /* jmp to itself */
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < 20; i++) {
		struct hct_call call;

		mdl_clear();
		call = hc(HC(VS, RUN), g.vs, 0, 0);
		check_eq(call.rax, MV_STATUS_SUCCESS);
		check_eq(call.reg[0], mv_exit_reason_t_interrupt);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	/* The guest never gives the CPU back, root's timer does. */
	check(seconds < 10);
	check_eq(reg_get(g.vs, mv_reg_t_rip), CODE);
	guest_destroy(&g);
	shared_clear();
}

/* 64-bit mode with paging: 2 MiB identity map of GPA 0 to 2 MiB, and one 4 KiB page above it. */
#define PML4 0x4000U
#define PDPT 0x5000U
#define PD 0x6000U
#define PT 0x7000U

static void write_entry(const struct guest *g, unsigned int table, unsigned int i, uint64_t value)
{
	memcpy(g->ram.va + table + i * 8, &value, 8);
}

static void long_mode(const struct guest *g, const void *code, size_t bytes)
{
	static const struct {
		enum mv_reg_t reg;
		uint64_t value;
	} regs[] = {
		{ mv_reg_t_cr3, PML4 },		{ mv_reg_t_cr4, 0x620 },
		{ mv_reg_t_cr0, 0x80000013 },	{ mv_reg_t_cs_selector, 8 },
		{ mv_reg_t_cs_attrib, 0xA09B }, { mv_reg_t_cs_base, 0 },
		{ mv_reg_t_cs_limit, ~0U },	{ mv_reg_t_ss_selector, 0x10 },
		{ mv_reg_t_ss_attrib, 0xC093 }, { mv_reg_t_ds_attrib, 0xC093 },
		{ mv_reg_t_rsp, 0x8000 },	{ mv_reg_t_rip, CODE },
	};

	memcpy(g->ram.va + CODE, code, bytes);
	write_entry(g, PML4, 0, PDPT | 7);
	write_entry(g, PDPT, 0, PD | 7);
	write_entry(g, PD, 0, 0x83);
	write_entry(g, PD, 1, PT | 7);
	write_entry(g, PT, 3, DATA | 5);
	check_eq(hc(HC(VS, MSR_SET), g->vs, MSR_EFER, 0x500).rax, MV_STATUS_SUCCESS);
	for (size_t i = 0; i < COUNT(regs); i++)
		check_eq(reg_set(g->vs, regs[i].reg, regs[i].value), MV_STATUS_SUCCESS);
}

#define LONG_MODE(g, ...)                                                                          \
	do {                                                                                       \
		static const uint8_t code_[] = { __VA_ARGS__ };                                    \
		long_mode(g, code_, sizeof(code_));                                                \
	} while (0)

static void guest_64(void)
{
	struct guest g;

	shared_set();
	require(guest_create(&g));
	LONG_MODE(&g, 0x31, 0xC0, /* xor eax, eax */
		  0xB9, 0x10, 0x27, 0x00, 0x00, /* mov ecx, 10000 */
		  0x48, 0x01, 0xC8, /* 1: add rax, rcx */
		  0xFF, 0xC9, /* dec ecx */
		  0x75, 0xF9, /* jnz 1b */
		  0xE7, 0x55, /* out 0x55, eax */
		  0x48, 0x8B, 0x1C, 0x25, 0, 0x30, 0x20, 0, /* mov rbx, [0x203000] */
		  0xF4); /* hlt */
	memcpy(g.ram.va + DATA, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
	check_out(run(g.vs), 0x55, mv_bit_size_t_32, 50005000);
	check_hlt(run(g.vs), mv_hlt_t_wait);
	check_eq(reg_get(g.vs, mv_reg_t_rbx), 0x1122334455667788);
	guest_destroy(&g);
	shared_clear();
}

static void gla_to_gpa(void)
{
	struct hct_call call;
	struct guest g;

	shared_set();
	require(guest_create(&g));
	/* No paging: the same address. */
	call = hc(HC(VS, GLA_TO_GPA), g.vs, 0x5000, 0);
	check_eq(call.rax, MV_STATUS_SUCCESS);
	check_eq(call.reg[0] & ~0xFFFULL, 0x5000);
	LONG_MODE(&g, 0xF4);
	call = hc(HC(VS, GLA_TO_GPA), g.vs, 0x12000, 0);
	check_eq(call.rax, MV_STATUS_SUCCESS);
	check_eq(call.reg[0] & ~0xFFFULL, 0x12000);
	check_eq(call.reg[0] & 0xE0F, MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_WRITE_ACCESS |
					      MV_MAP_FLAG_EXECUTE_ACCESS | MV_MAP_FLAG_2M_PAGE);
	call = hc(HC(VS, GLA_TO_GPA), g.vs, 0x203000, 0);
	check_eq(call.rax, MV_STATUS_SUCCESS);
	check_eq(call.reg[0] & ~0xFFFULL, DATA);
	check_eq(call.reg[0] & 0xE0F, MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_EXECUTE_ACCESS |
					      MV_MAP_FLAG_USER | MV_MAP_FLAG_4K_PAGE);
	check_refused(HC(VS, GLA_TO_GPA), g.vs, 0x12001, 0, MV_STATUS_INVALID_INPUT_REG2);
	check_refused(HC(VS, GLA_TO_GPA), g.vs, 0x204000, 0, MV_STATUS_FAILURE_UNKNOWN);
	check_refused(HC(VS, GLA_TO_GPA), g.vs, 0x7FFFFFFFF000, 0, MV_STATUS_FAILURE_UNKNOWN);
	check_refused(HC(VS, GLA_TO_GPA), g.vs, 0x800000000000, 0, MV_STATUS_FAILURE_UNKNOWN);
	/* Page tables where nothing is mapped: which page that is. */
	check_eq(reg_set(g.vs, mv_reg_t_cr3, 0x40000000), MV_STATUS_SUCCESS);
	call = hc(HC(VS, GLA_TO_GPA), g.vs, 0x12000, 0);
	check_eq(call.rax, MV_STATUS_FAILURE_NO_MEMORY);
	check_eq(call.reg[0], 0x40000000);
	guest_destroy(&g);
	shared_clear();
}

static void guest_vmmcall(void)
{
	struct guest g;

	shared_set();
	require(guest_create(&g));
	LONG_MODE(&g, 0x0F, 0x01, 0xD9, 0xF4); /* vmmcall; hlt */
	check_eq(reg_set(g.vs, mv_reg_t_rax, HC(HANDLE, OPEN_HANDLE)), MV_STATUS_SUCCESS);
	check_eq(reg_set(g.vs, mv_reg_t_r10, MV_SPEC_ID1_VAL), MV_STATUS_SUCCESS);
	check_hlt(run(g.vs), mv_hlt_t_wait);
	check_eq(reg_get(g.vs, mv_reg_t_rax), MV_STATUS_INVALID_PERM_DENIED);
	check_eq(reg_get(g.vs, mv_reg_t_r10), MV_SPEC_ID1_VAL);
	/* Without the signature it is KVM's hypercall: one that KVM doesn't know. */
	check_eq(reg_set(g.vs, mv_reg_t_rax, 0x1234), MV_STATUS_SUCCESS);
	check_eq(reg_set(g.vs, mv_reg_t_rip, CODE), MV_STATUS_SUCCESS);
	check_hlt(run(g.vs), mv_hlt_t_wait);
	check_eq(reg_get(g.vs, mv_reg_t_rax), -1000ULL);
	guest_destroy(&g);
	shared_clear();
}

/* A guest that uses SSE, while root's own values are in the same registers of this CPU. */
static void fpu_is_root_s(void)
{
	uint8_t in[16], out[16];
	cpu_set_t old, first;
	struct guest g;

	shared_set();
	require(guest_create(&g));
	LONG_MODE(&g, 0x66, 0x0F, 0xEF, 0xC0, /* pxor xmm0, xmm0 */
		  0x66, 0x0F, 0xEF, 0xFF, /* pxor xmm7, xmm7 */
		  0xF4); /* hlt */
	memset(in, 0xC3, sizeof(in));
	sched_getaffinity(0, sizeof(old), &old);
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	sched_setaffinity(0, sizeof(first), &first);
	for (int i = 0; i < 10; i++) {
		check_eq(reg_set(g.vs, mv_reg_t_rip, CODE), MV_STATUS_SUCCESS);
		mdl_clear();
		hc_with_xmm7(HC(VS, RUN), g.vs, in, out);
		check(memcmp(in, out, sizeof(in)) == 0);
	}
	sched_setaffinity(0, sizeof(old), &old);
	guest_destroy(&g);
	shared_clear();
}

/* The last CPU runs a guest that never ends, until `stop`. */
static struct spinner {
	struct guest *g;
	bool stop, moved, begun;
	struct hct_call last;
} spinner;

static void *spin(void *arg)
{
	struct spinner *s = arg;

	__atomic_store_n(&s->begun, true, __ATOMIC_RELAXED);
	do {
		s->last = hc_raw(cpu_count - 1, HC(VS, RUN), handle, s->g->vs, 0, 0);
		if (s->last.rax != MV_STATUS_SUCCESS ||
		    s->last.reg[0] != mv_exit_reason_t_interrupt)
			break;
	} while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED));
	return NULL;
}

static unsigned int count_busy(uint16_t vs)
{
	unsigned int busy = 0;

	for (int i = 0; i < 200; i++) {
		struct hct_call call = hc(HC(VS, REG_GET), vs, mv_reg_t_rip, 0);

		if (call.rax == MV_STATUS_FAILURE_BUSY)
			busy++;
		else
			check_eq(call.rax, MV_STATUS_SUCCESS);
	}
	return busy;
}

static void two_cpus(void)
{
	struct pages other = pages_alloc(0);
	pthread_t thread;
	struct guest g;

	skip_unless(cpu_count > 1, "needs two CPUs");
	shared_set();
	require(guest_create(&g));
	REAL_MODE(&g, 0xEB, 0xFE); /* jmp to itself */
	check_eq(hc_raw(cpu_count - 1, HC(PP, SET_SHARED_PAGE_GPA), handle, other.spa, 0, 0).rax,
		 MV_STATUS_SUCCESS);
	spinner = (struct spinner){ .g = &g };
	require(pthread_create(&thread, NULL, spin, &spinner) == 0);
	while (!__atomic_load_n(&spinner.begun, __ATOMIC_RELAXED))
		sched_yield();
	check(count_busy(g.vs) > 0);
	/* Its memory goes while it runs: after success it can't reach it any more. */
	check_eq(unmap_one(g.vm, 0, g.ram.bytes), MV_STATUS_SUCCESS);
	memset(g.ram.va, 0xF4, g.ram.bytes);
	pthread_join(thread, NULL);
	check_eq(spinner.last.rax, MV_STATUS_SUCCESS);
	check_eq(spinner.last.reg[0], mv_exit_reason_t_mmio);
	/* And now it runs here. */
	check_eq(map_one(g.vm, 0, g.ram.spa, g.ram.bytes, RWX), MV_STATUS_SUCCESS);
	check_hlt(run(g.vs), mv_hlt_t_wait);
	check_eq(hc_raw(cpu_count - 1, HC(PP, CLR_SHARED_PAGE_GPA), handle, 0, 0, 0).rax,
		 MV_STATUS_SUCCESS);
	guest_destroy(&g);
	shared_clear();
}

const struct test run_tests[] = {
	{ "OUT and HLT", out_and_hlt },
	{ "IN: the next run completes it", in_completion },
	{ "run: a bad mv_run_t changes nothing", run_page_bad },
	{ "run: registers and MSRs of mv_run_t", run_page_registers },
	{ "run: complete only", complete_only },
	{ "interrupts, exceptions and the window", events },
	{ "interrupts and exceptions refused", events_refused },
	{ "REP OUTS and REP INS", string_io },
	{ "triple fault", triple_fault },
	{ "MMIO: memory that isn't there", mmio },
	{ "MMIO: a write to read-only memory", read_only_memory },
	{ "a state that the CPU refuses", invalid_state },
	{ "root's interrupts end a run", interrupts },
	{ "a 64-bit guest with paging", guest_64 },
	{ "gla_to_gpa", gla_to_gpa },
	{ "a guest may not make hypercalls", guest_vmmcall },
	{ "root's FPU registers survive a guest", fpu_is_root_s },
	{ "a guest on two CPUs: busy, unmap while it runs", two_cpus },
	{ NULL, NULL },
};
