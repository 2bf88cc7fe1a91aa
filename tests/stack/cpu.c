// SPDX-License-Identifier: MIT
/* The fake machine under all three layers, see stack.h: the microkernel's side. */
#include "../stack/stack.h"

#include <asm/svm.h>
#include <cpuid.h>

#include "elf_image.h"
#include "epoch.h"
#include "exception.h"
#include "machine.h"
#include "svm.h"

#define ROOT_RIP 0xFFFFFFFF81234560ULL

const uint64_t stack_window_start = ELF_TEXT + 0x20, stack_window_fault = ELF_TEXT + 0x40;

/* Root's registers on each CPU: as MicroV left them, and those of the next VMMCALL. */
static struct root {
	bool called;
	u64 rip, left[16], next[16];
} roots[STACK_CPUS];

static stack_step *const *script;
static unsigned int steps_left;

/* Root goes on with what MicroV left it, and executes its next VMMCALL. */
static void root_runs(struct vmcb *v, u64 *gpr)
{
	const struct root *r = &roots[machine.now];

	gpr[MK_RAX] = v->rax;
	gpr[MK_RSP] = v->rsp;
	if (r->called) {
		assert_memory_equal(gpr, r->left, sizeof(r->left));
		assert_int_equal(v->rip, r->rip);
		assert_int_equal(v->event_inj, 0);
	}
	memcpy(gpr, r->next, sizeof(r->next));
	v->rax = r->next[MK_RAX];
	v->rsp = r->next[MK_RSP];
	v->rip = ROOT_RIP;
	v->exit_code = SVM_EXIT_VMMCALL;
	v->exit_int_info = 0;
	v->cs.attrib = 0x29B;
	v->ss.attrib = 0xC93;
	v->efer = EFER_SVME | EFER_LMA | 0x101;
}

static void runs(struct vmcb *v, u64 *gpr)
{
	if (v == cpu_this()->root_vs->block) {
		root_runs(v, gpr);
		return;
	}
	assert_true(steps_left > 0);
	steps_left--;
	v->exit_int_info = 0;
	(*script++)(v, gpr);
	if (!(cpu_this()->features & CPU_NRIPS))
		v->next_rip = 0;
}

/* MicroV executes the real CPUID. */
static void same_xsave_as_here(void)
{
	u32 eax, ebx, ecx, edx;

	__cpuid_count(1, 0, eax, ebx, ecx, edx);
	if (ecx & bit_XSAVE)
		__cpuid_count(0xD, 0, machine.xsave, ebx, ecx, edx);
	cpu_this()->xcr0_all = machine.xsave;
	machine.cpu[machine.now].xcr0 = 1;
}

bool __attribute__((weak)) stack_fails(unsigned int kind) /* os.c may not be there */
{
	(void)kind;
	return false;
}

/* The linker puts __wrap_ in the place of pool_alloc(). */
spa_t __wrap_pool_alloc(struct pool *p);
spa_t __real_pool_alloc(struct pool *p);

spa_t __wrap_pool_alloc(struct pool *p)
{
	bool own = p == &space_root()->pool;

	return stack_fails(own ? STACK_FAIL_HV : STACK_FAIL_VM) ? SPA_NONE : __real_pool_alloc(p);
}

void stack_boot(void)
{
	unsigned int n;

	machine_start(STACK_CPUS);
	machine.guest = runs;
	for (n = 0; n < STACK_CPUS; n++) {
		machine_on(n);
		same_xsave_as_here();
		stack_microv_start(n);
	}
	machine_on(0);
}

void stack_on(unsigned int cpu)
{
	machine_on(cpu);
}

unsigned int stack_cpu(void)
{
	return machine.now;
}

void stack_nrips(bool have)
{
	unsigned int n;

	for (n = 0; n < STACK_CPUS; n++)
		cpu_get(n)->features = have ? CPU_NRIPS : 0;
}

static struct mk_state *root_state(void)
{
	return machine_user(machine.now, MK_U_STATE + machine.now * PAGE_4K, true);
}

/* What VMMCALL leaves alone has numbers that must come back. */
static void vmmcall(uint64_t regs[5])
{
	struct root *r = &roots[machine.now];
	const struct mk_state *s = root_state();
	int i;

	for (i = 0; i < 16; i++)
		r->next[i] = machine_random();
	r->next[MK_RAX] = regs[0];
	memcpy(&r->next[MK_R10], regs + 1, 4 * sizeof(u64));
	assert_int_equal(stack_syscall(MK_SYS_VS_RUN, machine.now, 0, 0, 0, 0, NULL), 0);
	assert_int_equal(s->exit.reason, MK_EXIT_HYPERCALL);
	stack_microv_root_exit(machine.now);

	for (i = 0; i < 16; i++)
		if (i != MK_RAX && (i < MK_R10 || i > MK_R13))
			assert_int_equal(s->gpr[i], r->next[i]);
	assert_int_equal(s->rip, ROOT_RIP + 3);
	regs[0] = s->gpr[MK_RAX];
	memcpy(regs + 1, &s->gpr[MK_R10], 4 * sizeof(u64));
	r->called = true;
	r->rip = s->rip;
	memcpy(r->left, s->gpr, sizeof(r->left));
}

/* The second one is there so that root has been entered behind the first. */
void stack_vmmcall(uint64_t regs[5])
{
	uint64_t version[5] = { MV_HYPERCALL(MV_ID_OP, MV_ID_OP_VERSION_IDX_VAL) };

	vmmcall(regs);
	vmmcall(version);
	assert_int_equal(version[0], MV_STATUS_SUCCESS);
}

void stack_guest(stack_step *const *steps, unsigned int count)
{
	script = steps;
	steps_left = count;
}

bool stack_guest_done(void)
{
	return !steps_left;
}

uint64_t *stack_fpu(void)
{
	return &machine.cpu[machine.now].fpu;
}

void *stack_ram(uint64_t spa)
{
	return hw_virt(SPA(spa));
}

bool stack_is_roots(uint64_t spa, uint64_t bytes)
{
	u64 at;

	if (frame_check(SPA(spa), bytes, 0))
		return false;
	for (at = spa; at < spa + bytes; at += PAGE_4K)
		if (!machine_root_sees(at))
			return false;
	return true;
}

uint64_t stack_pool(void)
{
	return machine_pool();
}

uint64_t stack_gpa(unsigned int vm, uint64_t gpa, uint64_t *leaf)
{
	struct ptab_leaf l;

	if (!machine_gpa(space_get(vm), gpa, &l))
		return 0;
	*leaf = l.bytes;
	return (*l.entry & PTE_ADDR & ~(l.bytes - 1)) + (gpa - l.base);
}

void *stack_ring3(uint64_t va, bool write)
{
	return machine_user(machine.now, va, write);
}

int64_t stack_syscall(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
		      uint64_t *rdx)
{
	struct result r = machine_syscall(nr, a0, a1, a2, a3, a4);

	if (rdx)
		*rdx = r.second;
	return r.value;
}

uint64_t stack_fault(uint64_t rip, uint64_t addr)
{
	struct frame f = { .vector = 14, .error = 4, .rip = rip, .cs = GDT_UCODE };

	machine.cpu[machine.now].cr2 = addr;
	exception(&f);
	return f.rip;
}
