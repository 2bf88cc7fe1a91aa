// SPDX-License-Identifier: MIT
/* RDMSR and WRMSR that user space answers (MV_RUN_FLAG_MSR_*), and what a VM may change of them. */
#include "fake.h"

#define SUCCESS MV_STATUS_SUCCESS
#define UNKNOWN_MSR 0x474F4F00U
#define CODE 0x400000

static unsigned int id;
static struct mk_state *st;
static const struct mv_exit_msr_t *out = (const struct mv_exit_msr_t *)fake_shared;

static int setup(void **state)
{
	fake_reset(state);
	id = fake_vs_64(CODE);
	st = mk_state(id);
	memcpy(fake_ram + CODE, "\x0F\x32", 2);
	return 0;
}

/* Runs with these flags and data for what waits. */
static mv_status_t run(uint64_t flags, uint64_t bytes, uint64_t data)
{
	return fake_run_with(id, flags, &data, bytes);
}

/* The guest's next exits: the instruction, then the end of the run. */
static void access(int write, uint32_t index, uint64_t value)
{
	st->gpr[MK_RCX] = index;
	st->gpr[MK_RAX] = (uint32_t)value;
	st->gpr[MK_RDX] = value >> 32;
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_MSR, .write = write, .len = 2 });
}

static void end(void)
{
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_INTR });
}

static void assert_waits(uint32_t index, uint64_t value, uint64_t flags)
{
	assert_int_equal(fake_reg(0, 0), mv_exit_reason_t_msr);
	assert_int_equal(out->msr.reg, index);
	assert_int_equal(out->msr.val, value);
	assert_int_equal(out->flags, flags);
	assert_int_equal(st->rip, CODE);
}

static void assert_gp(void)
{
	assert_int_equal(fake_hw(id)->inject.type, MK_EVENT_EXCEPTION);
	assert_int_equal(fake_hw(id)->inject.vector, VEC_GP);
	assert_int_equal(st->rip, CODE);
}

static void all_of_them(void **state)
{
	(void)state;
	access(0, MSR_STAR, 0);
	assert_int_equal(run(MV_RUN_FLAG_MSR_ALL, 0, 0), SUCCESS);
	assert_waits(MSR_STAR, 0, MV_EXIT_MSR_READ);
	assert_int_equal(st->window & MK_WINDOW_MSR, MK_WINDOW_MSR);
	/* its value, and nothing else, must come */
	assert_int_equal(run(MV_RUN_FLAG_MSR_ALL, 0, 0), MV_STATUS_FAILURE_UNKNOWN);
	end();
	assert_int_equal(run(0, 8, 0x1122334455667788), SUCCESS);
	assert_int_equal(st->gpr[MK_RAX], 0x55667788);
	assert_int_equal(st->gpr[MK_RDX], 0x11223344);
	assert_int_equal(st->rip, CODE + 2);
	assert_int_equal(st->window & MK_WINDOW_MSR, 0);
}

static void executed(void **state)
{
	(void)state;
	access(1, MSR_STAR, 0x77);
	assert_int_equal(run(MV_RUN_FLAG_MSR_ALL, 0, 0), SUCCESS);
	assert_waits(MSR_STAR, 0x77, MV_EXIT_MSR_WRITE);
	end();
	assert_int_equal(run(MV_RUN_FLAG_MSR_ALL | MV_RUN_FLAG_MSR_EXECUTE, 0, 0), SUCCESS);
	assert_int_equal(fake_hw(id)->star, 0x77);
	assert_int_equal(st->rip, CODE + 2);
}

static void refused(void **state)
{
	(void)state;
	access(1, MSR_PAT, 2);
	assert_int_equal(run(MV_RUN_FLAG_MSR_REFUSED, 0, 0), SUCCESS);
	assert_waits(MSR_PAT, 2, MV_EXIT_MSR_WRITE | MV_EXIT_MSR_REFUSED);
	end();
	assert_int_equal(run(MV_RUN_FLAG_MSR_FAULT, 0, 0), SUCCESS);
	assert_gp();
}

static void unknown(void **state)
{
	(void)state;
	access(0, UNKNOWN_MSR, 0);
	assert_int_equal(run(MV_RUN_FLAG_MSR_REFUSED, 0, 0), SUCCESS);
	assert_waits(UNKNOWN_MSR, 0, MV_EXIT_MSR_READ | MV_EXIT_MSR_UNKNOWN);
	/* somebody moves RIP: forgotten */
	st->rip = CODE + 0x10;
	end();
	assert_int_equal(run(0, 8, 5), SUCCESS);
	assert_int_equal(st->gpr[MK_RAX], 0);
	assert_int_equal(st->rip, CODE + 0x10);
}

static void nobody_asked(void **state)
{
	(void)state;
	access(0, UNKNOWN_MSR, 0);
	end();
	assert_int_equal(run(0, 0, 0), SUCCESS);
	assert_gp();
}

static void platform_info(void **state)
{
	(void)state;
	access(0, MSR_PLATFORM_INFO, 0);
	end();
	assert_int_equal(run(0, 0, 0), SUCCESS);
	assert_int_equal(st->gpr[MK_RAX], CPUID_FAULT);
	st->rip = CODE;
	access(0, MSR_PLATFORM_INFO, 0);
	end();
	assert_int_equal(run(MV_RUN_FLAG_NO_PLATFORM_INFO, 0, 0), SUCCESS);
	assert_gp();
}

static void cpuid_faulting(void **state)
{
	(void)state;
	access(1, MSR_MISC_FEATURES, CPUID_FAULT_ON);
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_CPUID, .len = 2 });
	end();
	assert_int_equal(run(0, 0, 0), SUCCESS);
	assert_int_equal(st->rip, CODE + 4);
	st->seg[MK_SS].attrib |= MK_ATTR_DPL;
	st->dirty |= MK_G_SEG;
	st->rip = CODE;
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_CPUID, .len = 2 });
	end();
	assert_int_equal(run(0, 0, 0), SUCCESS);
	assert_gp();
}

static void mwait(void **state)
{
	(void)state;
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_MWAIT, .len = 3 });
	end();
	assert_int_equal(run(0, 0, 0), SUCCESS);
	assert_int_equal(st->rip, CODE + 3);
	fake_exit(&(struct mk_exit){ .reason = MK_EXIT_MONITOR, .len = 3 });
	end();
	assert_int_equal(run(MV_RUN_FLAG_MWAIT_UD, 0, 0), SUCCESS);
	assert_int_equal(fake_hw(id)->inject.vector, VEC_UD);
	assert_int_equal(st->rip, CODE + 3);
}

static void vmcall(void **state)
{
	const struct mk_exit ud = {
		.reason = MK_EXIT_EXCEPTION, .event = { MK_EVENT_EXCEPTION, VEC_UD, 0, 0, 0 },
	};

	(void)state;
	memcpy(fake_ram + CODE, "\x0F\x01\xC1", 3);
	fake_exit(&ud);
	end();
	assert_int_equal(run(0, 0, 0), SUCCESS);
	assert_memory_equal(fake_ram + CODE, "\x0F\x01\xD9", 3);
	assert_int_equal(fake_hw(id)->inject.type, MK_EVENT_NONE);
	assert_int_equal(st->rip, CODE);
	/* any other #UD is the guest's */
	fake_exit(&ud);
	end();
	assert_int_equal(run(0, 0, 0), SUCCESS);
	assert_int_equal(fake_hw(id)->inject.vector, VEC_UD);
	memcpy(fake_ram + CODE, "\x0F\x01\xC1", 3);
	fake_exit(&ud);
	end();
	assert_int_equal(run(MV_RUN_FLAG_VMCALL_UD, 0, 0), SUCCESS);
	assert_int_equal(fake_hw(id)->inject.vector, VEC_UD);
	assert_memory_equal(fake_ram + CODE, "\x0F\x01\xC1", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_of_them, setup),
		cmocka_unit_test_setup(executed, setup),
		cmocka_unit_test_setup(refused, setup),
		cmocka_unit_test_setup(unknown, setup),
		cmocka_unit_test_setup(nobody_asked, setup),
		cmocka_unit_test_setup(platform_info, setup),
		cmocka_unit_test_setup(cpuid_faulting, setup),
		cmocka_unit_test_setup(mwait, setup),
		cmocka_unit_test_setup(vmcall, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
