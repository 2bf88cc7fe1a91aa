// SPDX-License-Identifier: MIT
/* A machine for host tests of the microkernel, see machine.h. */
#define _GNU_SOURCE
#include "machine.h"

#include <sys/mman.h>

#include "elf.h"
#include "elf_image.h"
#include "epoch.h"
#include "exception.h"
#include "svm.h"

#define IMAGE_CHUNKS 8 /* the test program, that is the microkernel's image */
#define IMAGE_OFFSET 0x10000

struct machine machine;

static u8 *ram;
static jmp_buf user_begins;
static bool user_expected;
static u64 random_state;

extern u8 __executable_start[], _end[];
extern const struct mk_entries entries;

/* entry.S */
u8 entry_stubs[32 * 16];
void entry_syscall(void);
void entry_user(u64 rip, u64 rsp, u64 rdi, u64 rsi) __attribute__((noreturn));

static struct machine_cpu *here(void)
{
	return &machine.cpu[machine.now];
}

static void trace(enum machine_op op, u64 a, u64 b)
{
	if (machine.traced < ARRAY_SIZE(machine.trace))
		machine.trace[machine.traced++] = (struct machine_trace){ op, a, b };
}

/* --- memory --- */

void *hw_virt(spa_t spa)
{
	u64 image = (u64)_end - (u64)__executable_start;

	if (hw_image && spa.v >= hw_image && spa.v - hw_image < image)
		return __executable_start + (spa.v - hw_image);
	assert_true(spa.v < MACHINE_LOW_END ||
		    (spa.v >= MACHINE_HIGH && spa.v < MACHINE_RAM_END));
	return ram + spa.v;
}

spa_t hw_spa(const void *virt)
{
	assert_true((const u8 *)virt >= ram && (const u8 *)virt < ram + MACHINE_RAM_END);
	return SPA((u64)((const u8 *)virt - ram));
}

u64 hw_image_spa(const void *p)
{
	assert_true((const u8 *)p >= __executable_start && (const u8 *)p < _end);
	return hw_image + (u64)((const u8 *)p - __executable_start);
}

/* --- registers --- */

static u64 *msr_of(u32 msr)
{
	switch (msr) {
	case MSR_EFER:
		return &here()->efer;
	case MSR_STAR:
		return &here()->star;
	case MSR_LSTAR:
		return &here()->lstar;
	case MSR_SFMASK:
		return &here()->sfmask;
	case MSR_GS_BASE:
		return &here()->gs_base;
	case MSR_KERNEL_GS_BASE:
		return &here()->kernel_gs_base;
	case MSR_TSC_AUX:
		return &here()->tsc_aux;
	case MSR_VM_HSAVE_PA:
		return &here()->hsave;
	}
	return NULL;
}

u64 hw_rdmsr(u32 msr)
{
	assert_non_null(msr_of(msr));
	return *msr_of(msr);
}

void hw_wrmsr(u32 msr, u64 val)
{
	trace(OP_WRMSR, msr, val);
	if (msr == MSR_PRED_CMD)
		return;
	assert_non_null(msr_of(msr));
	*msr_of(msr) = val;
}

u64 hw_rdtsc(void)
{
	return machine.tsc;
}

void hw_cpuid(u32 leaf, u32 sub, u32 r[4])
{
	(void)sub;
	memset(r, 0, 4 * sizeof(*r));
	if (leaf == 1) {
		r[2] = machine.xsave ? 1U << 26 : 0;
	} else if (leaf == 7) {
		r[1] = machine.leaf7_ebx;
	} else if (leaf == 0xD) {
		r[0] = machine.xsave;
	} else if (leaf == 0x80000001) {
		r[3] = machine.ext_edx;
	} else if (leaf == 0x80000008) {
		r[1] = machine.ext_ecx;
	} else if (leaf == 0x8000000A) {
		r[1] = machine.svm_ebx;
		r[3] = machine.svm_edx;
	}
}

void hw_outb(u16 port, u8 val)
{
	(void)val;
	assert_int_equal(port, 0xE9);
}

void hw_flush_tlb(void)
{
	trace(OP_FLUSH, 0, 0);
	here()->tlb_flushes++;
}

void hw_pause(void)
{
	fail_msg("a lock is taken twice");
}

u64 hw_xgetbv(void)
{
	return here()->xcr0;
}

void hw_xsetbv(u64 val)
{
	assert_true(val & 1 && !(val & ~(u64)machine.xsave));
	trace(OP_XSETBV, val, 0);
	here()->xcr0 = val;
}

/* What is saved or restored depends on XCR0: the code must have enabled all of it. */
void hw_xsave(void *area, u64 mask)
{
	assert_int_equal(here()->xcr0, machine.xsave);
	assert_int_equal(mask, machine.xsave);
	hw_fxsave(area);
	((u64 *)area)[64] = mask;
}

void hw_xrstor(void *area, u64 mask)
{
	const u64 *header = (const u64 *)area + 64;
	int i;

	assert_int_equal(here()->xcr0, machine.xsave);
	assert_int_equal(mask, machine.xsave);
	/* #GP, APM vol. 4, XRSTOR */
	assert_false(header[0] & ~mask);
	for (i = 1; i < 8; i++)
		assert_int_equal(header[i], 0);
	hw_fxrstor(area);
	if (!(header[0] & 1)) /* x87: initial */
		here()->fpu = 0;
}

void hw_fxsave(void *area)
{
	trace(OP_SAVE, (u64)area, here()->fpu);
	((u32 *)area)[7] = MACHINE_MXCSR_MASK;
	*(u64 *)((u8 *)area + 32) = here()->fpu;
}

void hw_fxrstor(void *area)
{
	assert_false(((const u32 *)area)[6] & ~MACHINE_MXCSR_MASK); /* #GP */
	here()->fpu = *(u64 *)((u8 *)area + 32);
	trace(OP_RESTORE, (u64)area, here()->fpu);
}

void hw_read_dr(u64 dr[4])
{
	trace(OP_READ_DR, 0, 0);
	memcpy(dr, here()->dr, sizeof(here()->dr));
}

void hw_write_dr(const u64 dr[4])
{
	trace(OP_WRITE_DR, dr[0], 0);
	memcpy(here()->dr, dr, sizeof(here()->dr));
}

u64 hw_read_cr2(void)
{
	return here()->cr2;
}

void hw_rewrite_cr8(void)
{
	here()->cr8_writes++;
}

void hw_write_cr4(u64 v)
{
	here()->cr4 = v;
}

void hw_write_cr3(u64 v)
{
	here()->cr3 = v;
}

void hw_load_idt(const void *idt, u16 limit)
{
	assert_non_null(idt);
	assert_int_equal(limit, 32 * 16 - 1);
}

void hw_load_gdt(const void *gdt, u16 limit, u16 code, u16 data, u16 tss)
{
	assert_non_null(gdt);
	assert_true(code <= limit && data <= limit && tss <= limit);
}

void *hw_this_cpu(void)
{
	return *(void **)here()->gs_base;
}

/* --- what assembly does --- */

void entry_syscall(void)
{
}

void entry_user(u64 rip, u64 rsp, u64 rdi, u64 rsi)
{
	machine.user_rip = rip;
	machine.user_rsp = rsp;
	machine.user_cpu = rdi;
	machine.user_why = rsi;
	assert_true(user_expected);
	longjmp(user_begins, 1);
}

s64 svm_enter(u64 vmcb_spa, u64 *gpr, u64 host_vmcb_spa)
{
	struct cpu *cpu = cpu_this();

	assert_int_equal(host_vmcb_spa, cpu->host_vmcb.v);
	assert_int_equal(here()->hsave, cpu->host_save.v);
	trace(OP_ENTER, vmcb_spa, 0);
	assert_non_null(machine.guest);
	machine.guest(hw_virt(SPA(vmcb_spa)), gpr);
	return svm_left(cpu);
}

struct result machine_syscall(u64 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4)
{
	if (nr == MK_SYS_VS_RUN)
		return (struct result){ vs_run(cpu_this(), a0), 0 };
	return syscall_dispatch(nr, a0, a1, a2, a3, a4);
}

void svm_save(u64 vmcb_spa)
{
	trace(OP_VMSAVE, vmcb_spa, 0);
}

void svm_load(u64 vmcb_spa)
{
	trace(OP_VMLOAD, vmcb_spa, 0);
}

void svm_leave(u64 tramp, u64 *regs)
{
	(void)tramp;
	(void)regs;
	fail_msg("nothing here stops a CPU");
	__builtin_unreachable();
}

/* --- boot --- */

static void boot_chunks(struct mk_boot *b)
{
	/* Image; then tables and ring 3's program; two for ownership; the pool in two places. */
	static const u64 chunk[MACHINE_CHUNKS] = {
		0x4000000, 0x4200000, 0x4400000, 0x4600000, 0x4800000, 0x4A00000, 0x4C00000,
		0x4E00000, 0x5000000, 0x6000000, 0x6200000, 0x6400000, 0x8000000, 0x8200000,
	};

	memcpy(b->chunk, chunk, sizeof(chunk));
	b->chunks = MACHINE_CHUNKS;
	b->free_chunk = IMAGE_CHUNKS + 1;
	b->page_table = chunk[IMAGE_CHUNKS];
	assert_true((u64)_end - (u64)__executable_start <= IMAGE_CHUNKS * PAGE_2M);
}

static void boot_program(struct mk_boot *b)
{
	u64 spa = b->page_table + IMAGE_OFFSET;
	struct elf_image f;

	elf_image(&f);
	assert_true(elf_lay_out(&f, sizeof(f), ram + spa, spa, PAGE_2M - IMAGE_OFFSET, b) > 0);
}

void machine_reset(void)
{
	struct mk_boot *b = &machine.boot;

	if (ram)
		munmap(ram, MACHINE_RAM_END);
	ram = mmap(NULL, MACHINE_RAM_END, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(ram != MAP_FAILED);
	memset(&machine, 0, sizeof(machine));
	random_state = 88172645463325252ULL;
	b->cpus = MACHINE_CPUS;
	b->ranges = 3;
	b->ram[0] = (struct mk_range){ 0, 0x9F000 };
	b->ram[1] = (struct mk_range){ 0x100000, MACHINE_LOW_END - 0x100000 };
	b->ram[2] = (struct mk_range){ MACHINE_HIGH, MACHINE_RAM_END - MACHINE_HIGH };
	boot_chunks(b);
	boot_program(b);
	*(u64 *)(ram + b->page_table + 256 * 8) = 0xABC003; /* ring 0's half */
	*(u64 *)(ram + b->page_table) = 0xDEF003; /* of no meaning: Linux's half */
	machine.svm_ebx = 16;
}

void machine_clear_root_ram(void)
{
	assert_int_equal(madvise(ram + ROOT_RAM, MACHINE_RAM_END - ROOT_RAM, MADV_REMOVE), 0);
}

s64 machine_init(void)
{
	return ((s64(*)(struct mk_boot *))entries.init)(&machine.boot);
}

bool machine_to_user(void (*fn)(void *arg), void *arg)
{
	user_expected = true;
	if (!setjmp(user_begins)) {
		fn(arg);
		user_expected = false;
		return false;
	}
	user_expected = false;
	return true;
}

struct launch {
	u64 n;
	struct mk_launch state;
	s64 rc;
};

static void enter(void *arg)
{
	struct launch *l = arg;

	l->rc = ((s64(*)(u64, struct mk_launch *))entries.enter)(l->n, &l->state);
}

s64 machine_launch(unsigned int n)
{
	struct launch l = {
		.n = n,
		.state = { .rip = 0xFFFFFFFF81000000 + n, .rsp = 0xFFFFC90000000000, .rflags = 2,
			   .cr0 = 0x80050033, .cr3 = 0x2000000, .cr4 = 0x6B0, .efer = 0xD01,
			   .dr6 = 0xFFFF0FF0, .dr7 = 0x400, .pat = 0x0407050600070106,
			   .cs = { 0x10, 0xA09B, 0xFFFFFFFF, 0 },
			   .ss = { 0x18, 0xC093, 0xFFFFFFFF, 0 } },
	};

	machine.now = n < MACHINE_CPUS ? n : 0;
	machine_to_user(enter, &l);
	return l.rc;
}

void machine_start(unsigned int cpus)
{
	unsigned int n;

	machine_reset();
	assert_int_equal(machine_init(), 0);
	for (n = 0; n < cpus; n++)
		assert_int_equal(machine_launch(n), 0);
	machine_on(0);
	machine_visit_all();
}

struct cpu *machine_on(unsigned int n)
{
	machine.now = n;
	return cpu_this();
}

void machine_visit(unsigned int n)
{
	unsigned int before = machine.now;

	epoch_join(machine_on(n));
	machine.now = before;
}

void machine_visit_all(void)
{
	unsigned int n;

	for (n = 0; n < MACHINE_CPUS; n++)
		if (machine.cpu[n].hsave)
			machine_visit(n);
}

void machine_guest_vmmcall(struct vmcb *v, u64 *gpr)
{
	(void)gpr;
	v->exit_code = 0x81;
}

/* --- looking at it --- */

void *machine_user(unsigned int n, u64 va, bool write)
{
	u64 table = cpu_get(n)->pml4_spa.v, e;
	int level;

	for (level = 4;; level--) {
		e = ((u64 *)hw_virt(SPA(table)))[va >> (12 + 9 * (level - 1)) & 511];
		if (!(e & PTE_P) || !(e & PTE_U) || (write && !(e & PTE_W)))
			return NULL;
		if (level == 1 || (level < 4 && e & PTE_LARGE))
			break;
		table = e & PTE_ADDR;
	}
	return (u8 *)hw_virt(SPA(e & PTE_ADDR & ~(ptab_span(level) - 1))) +
	       (va & (ptab_span(level) - 1));
}

bool machine_gpa(struct space *s, u64 gpa, struct ptab_leaf *leaf)
{
	return ptab_find(&s->npt, gpa, leaf);
}

bool machine_root_sees(u64 spa)
{
	struct ptab_leaf leaf;

	assert_true(ptab_find(&space_root()->npt, spa, &leaf));
	if (*leaf.entry & PTE_W) {
		assert_int_equal(*leaf.entry & PTE_ADDR & ~(leaf.bytes - 1), leaf.base);
		return true;
	}
	assert_int_equal(leaf.level, 1);
	assert_int_equal(*(u64 *)hw_virt(SPA(*leaf.entry & PTE_ADDR)), ~0ULL);
	return false;
}

u64 machine_pool(void)
{
	machine_visit_all();
	return pool_available(&space_root()->pool);
}

static spa_t drained[4096];
static unsigned int num_drained;

void machine_drain(struct pool *pool)
{
	spa_t page;

	while (page = pool_alloc(pool), page.v != SPA_NONE.v) {
		assert_true(num_drained < sizeof(drained) / sizeof(drained[0]));
		drained[num_drained++] = page;
	}
}

void machine_refill(struct pool *pool)
{
	while (num_drained)
		pool_add(pool, drained[--num_drained]);
}

void machine_vm(u64 id, u64 spa, u64 pages)
{
	assert_int_equal(space_create(id), 0);
	assert_int_equal(space_donate(id, SPA(spa), pages * PAGE_4K), 0);
	machine_visit_all();
	assert_int_equal(space_quiesce(0), 0);
	assert_int_equal(space_free(id), pages);
}

static void finish(s64 (*fn)(u64 id), u64 id)
{
	int tries;

	for (tries = 0; tries < 4; tries++) {
		s64 rc = fn(id);

		if (!rc)
			return;
		assert_int_equal(rc, -EAGAIN);
		machine_visit_all();
	}
	fail_msg("the CPUs have left their VMs, and still no end");
}

void machine_vm_end(u64 id)
{
	finish(space_destroy, id);
}

void machine_vs_end(u64 id)
{
	finish(vs_destroy, id);
}

u64 machine_dirty_pages(u64 spa, u64 bytes)
{
	static const u8 zeros[PAGE_4K];
	u64 at, n = 0;

	for (at = spa; at < spa + bytes; at += PAGE_4K)
		n += !!memcmp(ram + at, zeros, PAGE_4K);
	return n;
}

/* xorshift64: the same numbers in each run. */
u64 machine_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}
