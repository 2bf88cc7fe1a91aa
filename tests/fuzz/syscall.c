// SPDX-License-Identifier: MIT
/*
 * libFuzzer target: system calls of a ring 3 that is anybody's, on two CPUs, with anything in the
 * memory that it may write, and guests that exit with anything. hostile.h says what must hold;
 * when all VMs have ended, each page is root's again or in the pool that it came from.
 */
#include <asm/svm.h>

#include "fuzz.h"
#include "hostile.h"

#define CPUS 2
#define CALLS 48
#define EXITS 8 /* per call, of those that ring 0 serves itself */

static struct fuzz in;
static u64 pool_before;
static unsigned int exits_left;

static u64 any(void)
{
	return fuzz_any(&in);
}

static void exits(struct vmcb *v, u64 *gpr)
{
	static const u64 codes[] = { SVM_EXIT_HLT,  SVM_EXIT_VMMCALL,  SVM_EXIT_NPF,
				     SVM_EXIT_INTR, SVM_EXIT_READ_DR0, SVM_EXIT_EXCP_BASE + 1,
				     SVM_EXIT_IOIO, SVM_EXIT_ERR };
	static const u64 hidden[] = { 0x4000000, 0x41FF000, 0x4200000, 0x6000000, ROOT_RAM };
	const bool is_root = cpu_this()->fpu == cpu_this()->root_vs;

	hostile_vmcb(v);
	(void)gpr;
	v->exit_code = exits_left ? codes[fuzz_below(&in, ARRAY_SIZE(codes))] : SVM_EXIT_INTR;
	v->exit_int_info = fuzz_u8(&in) & 1 ? fuzz_u64(&in) : 0;
	v->exit_info1 = any();
	v->exit_info2 = any();
	/* Not devices, whose tables stay. */
	if (is_root && v->exit_code == SVM_EXIT_NPF)
		v->exit_info2 = hidden[v->exit_info2 % ARRAY_SIZE(hidden)];
	if (is_root && v->exit_info2 == ROOT_RAM && !frame_is_hv(SPA(ROOT_RAM)))
		v->exit_code = SVM_EXIT_INTR;
	exits_left -= !!exits_left;
}

/* Into its image, stack, shared page, a state page or the memory of a guest. */
static void write_memory(void)
{
	u64 va = hostile_pointer(any) + fuzz_u8(&in) * 8;
	u8 *to = va < BIT(47) ? machine_user(machine.now, va, true) : NULL;
	u64 value = any();

	if (to && (va & (PAGE_4K - 1)) <= PAGE_4K - 8)
		memcpy(to, &value, sizeof(value));
}

/* The state page of a guest. */
static void write_state(void)
{
	u64 va = MK_U_STATE + (MK_GUEST_VS_FIRST + fuzz_below(&in, 3)) * PAGE_4K;
	u8 *to = machine_user(machine.now, va, true);
	u64 at = fuzz_below(&in, 256) * 4, value = any();

	if (to)
		memcpy(to + at, &value, 4);
}

static void one_step(void)
{
	unsigned int nr = fuzz_below(&in, MK_SYS_COUNT + 4);

	exits_left = EXITS;
	if (nr == MK_SYS_COUNT)
		machine_on(1 - machine.now);
	else if (nr == MK_SYS_COUNT + 1)
		machine_visit_all();
	else if (nr == MK_SYS_COUNT + 2)
		write_memory();
	else if (nr == MK_SYS_COUNT + 3)
		write_state();
	else if (nr != MK_SYS_CPU_STOP)
		hostile_call(nr, any);
	hostile_check(CPUS, false);
}

/* The tables of ring 3 stay: all that there can be are made before they are counted. */
void fuzz_begin(void)
{
	static const u64 vss[] = { MK_GUEST_VS_FIRST, MK_VS_MAX - 1 };
	unsigned int i;

	machine_start(CPUS);
	machine.guest = machine_guest_vmmcall;
	machine_vm(1, ROOT_RAM, 32);
	for (i = 0; i < ARRAY_SIZE(vss); i++)
		FUZZ_CHECK(!vs_create(vss[i], 1));
	hostile_end(CPUS);
	pool_before = machine_pool();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int i;

	in = (struct fuzz){ data, size };
	machine.guest = exits;
	machine_on(0);
	for (i = 0; i < CALLS && fuzz_more(&in); i++)
		one_step();
	hostile_check(CPUS, true);
	in.size = 0;
	exits_left = 0;
	hostile_end(CPUS);
	hostile_check(CPUS, true);
	FUZZ_CHECK(machine_pool() == pool_before);
	machine_clear_root_ram();
	return 0;
}
