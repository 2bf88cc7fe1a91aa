// SPDX-License-Identifier: MIT
/* System calls by number, as a hostile ring 3 would make them. */
#include "elf_image.h"
#include "hostile.h"
#include "log.h"
#include "machine.h"

#define STACK (MK_U_STACK_TOP - MK_U_STACK_SIZE)
#define SHARED_SPA (ROOT_RAM + 0x7000)

static int group_setup(void **state)
{
	(void)state;
	machine_start(2);
	return 0;
}

static void guest_hlt(struct vmcb *v, u64 *gpr)
{
	(void)gpr;
	v->exit_code = 0x78;
}

static s64 call(u64 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4)
{
	return machine_syscall(nr, a0, a1, a2, a3, a4).value;
}

static void unknown_numbers(void **state)
{
	unsigned int bit;

	(void)state;
	assert_int_equal(call(MK_SYS_COUNT, 0, 0, 0, 0, 0), -ENOSYS);
	assert_int_equal(call(~0ULL, 0, 0, 0, 0, 0), -ENOSYS);
	for (bit = 5; bit < 64; bit++)
		assert_int_equal(call(BIT(bit) | MK_SYS_SPACE_CREATE, 9, 0, 0, 0, 0), -ENOSYS);
	assert_null(space_get(9));
}

static void log_calls(void **state)
{
	const u64 va = STACK + PAGE_4K - 3; /* across two pages */
	struct result r;
	u64 end;

	(void)state;
	end = machine_syscall(MK_SYS_LOG_READ, ~0ULL, STACK, 0, 0, 0).second;
	while (r = machine_syscall(MK_SYS_LOG_READ, end, STACK, 100, 0, 0), r.value > 0)
		end += r.value;
	memcpy(machine_user(0, va, true), "hel", 3);
	memcpy(machine_user(0, va + 3, true), "lo", 2);
	assert_int_equal(call(MK_SYS_LOG, va, 5, 0, 0, 0), 0);
	r = machine_syscall(MK_SYS_LOG_READ, end, STACK + 0x100, 1ULL << 40, 0, 0);
	assert_int_equal(r.value, 5);
	assert_int_equal(r.second, end);
	assert_memory_equal(machine_user(0, STACK + 0x100, false), "hello", 5);
	assert_int_equal(call(MK_SYS_LOG, STACK, 1025, 0, 0, 0), -EINVAL);
	assert_int_equal(call(MK_SYS_LOG, STACK, 1024, 0, 0, 0), 0);
	assert_int_equal(call(MK_SYS_LOG, STACK, ~0ULL, 0, 0, 0), -EINVAL);
}

/* Whoever asks ring 0 to read or write for it must be able to do so itself. */
static void pointers(void **state)
{
	static const u64 no_access[] = {
		0, STACK - 1, MK_U_STACK_TOP, MK_U_STACK_TOP - 2, MK_U_STATE, MK_U_WINDOW,
		MK_U_SHARED, MK_DIRECT, MK_IMAGE, ~0ULL, ~0ULL - 1, 0x800000000000, ELF_TEXT - 1,
		ELF_DATA + 0x3000,
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(no_access); i++) {
		assert_int_equal(call(MK_SYS_LOG, no_access[i], 3, 0, 0, 0), -EFAULT);
		assert_int_equal(call(MK_SYS_LOG_READ, 0, no_access[i], 3, 0, 0), -EFAULT);
	}
	assert_int_equal(call(MK_SYS_LOG, ELF_TEXT, 3, 0, 0, 0), 0);
	assert_int_equal(call(MK_SYS_LOG, ELF_RODATA, 3, 0, 0, 0), 0);
	assert_int_equal(call(MK_SYS_LOG_READ, 0, ELF_TEXT, 3, 0, 0), -EFAULT);
	assert_int_equal(call(MK_SYS_LOG_READ, 0, ELF_RODATA, 3, 0, 0), -EFAULT);
	assert_int_equal(call(MK_SYS_LOG_READ, 0, ELF_DATA + 0x2000, 3, 0, 0), 3);
}

static void shared_page(void **state)
{
	u8 *page;

	(void)state;
	assert_null(machine_user(0, MK_U_SHARED, false));
	assert_int_equal(call(MK_SYS_SHARED_SET, SHARED_SPA + 1, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(call(MK_SYS_SHARED_SET, MK_DIRECT_MAX, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(call(MK_SYS_SHARED_SET, 0x4000000, 0, 0, 0, 0), -EPERM);
	assert_int_equal(call(MK_SYS_SHARED_SET, MACHINE_LOW_END, 0, 0, 0, 0), -EPERM);
	assert_null(machine_user(0, MK_U_SHARED, false));
	assert_int_equal(call(MK_SYS_SHARED_SET, SHARED_SPA, 0, 0, 0, 0), 0);
	page = machine_user(0, MK_U_SHARED, true);
	assert_ptr_equal(page, hw_virt(SPA(SHARED_SPA)));
	assert_null(machine_user(1, MK_U_SHARED, false));
	assert_int_equal(call(MK_SYS_SHARED_SET, SHARED_SPA, 0, 0, 0, 0), -EBUSY);
	assert_int_equal(frame_check(SPA(SHARED_SPA), PAGE_4K, 0), -EPERM); /* can't be donated */
	assert_int_equal(call(MK_SYS_LOG_READ, 0, MK_U_SHARED, 4, 0, 0), 4);
	assert_int_equal(call(MK_SYS_SHARED_SET, ~0ULL, 0, 0, 0, 0), 0);
	assert_null(machine_user(0, MK_U_SHARED, false));
	assert_int_equal(call(MK_SYS_SHARED_SET, ~0ULL, 0, 0, 0, 0), 0);
	assert_int_equal(frame_check(SPA(SHARED_SPA), PAGE_4K, 0), 0);
	memset(page, 0, PAGE_4K);
}

static void window(void **state)
{
	const u64 gpa = 5ULL << 39; /* not in the first slot of the top table */
	u64 vm;

	(void)state;
	machine.guest = guest_hlt;
	assert_int_equal(call(MK_SYS_WINDOW_OPEN, 0, 0, 0, 0, 0), -ENOENT);
	assert_int_equal(call(MK_SYS_WINDOW_OPEN, 1, 0, 0, 0, 0), -ENOENT);
	machine_vm(1, ROOT_RAM, 32);
	assert_int_equal(call(MK_SYS_WINDOW_OPEN, 1, 0, 0, 0, 0), -ENOENT); /* no tables yet */
	assert_int_equal(call(MK_SYS_SPACE_MAP, 1, gpa, ROOT_RAM + PAGE_2M, PAGE_4K, 1), 0);
	assert_int_equal(call(MK_SYS_SPACE_MAP, 1, 0, ROOT_RAM + PAGE_2M, PAGE_4K, 7), 0);
	assert_int_equal(call(MK_SYS_WINDOW_OPEN, 1, 0, 0, 0, 0), 0);
	assert_ptr_equal(machine_user(0, MK_U_WINDOW + gpa, false),
			 hw_virt(SPA(ROOT_RAM + PAGE_2M)));
	assert_null(machine_user(0, MK_U_WINDOW + gpa, true)); /* the guest may not either */
	assert_non_null(machine_user(0, MK_U_WINDOW, true));
	assert_null(machine_user(0, MK_U_WINDOW + PAGE_4K, false));
	assert_null(machine_user(1, MK_U_WINDOW, false));
	assert_true(cpu_this()->pml4[(MK_U_WINDOW >> 39) & 511] & PTE_NX);

	/* Root's run leaves it open, but not when a mapping was removed meanwhile. */
	assert_int_equal(call(MK_SYS_VS_RUN, 0, 0, 0, 0, 0), 0);
	assert_non_null(machine_user(0, MK_U_WINDOW, true));
	assert_int_equal(call(MK_SYS_SPACE_UNMAP, 1, gpa, PAGE_4K, 0, 0), 0);
	assert_int_equal(call(MK_SYS_VS_RUN, 0, 0, 0, 0, 0), 0);
	assert_null(machine_user(0, MK_U_WINDOW, false));
	assert_null(machine_user(0, MK_U_WINDOW + gpa, false));

	/* A guest's run leaves that of its own VM open, and no other. */
	machine_vm(2, ROOT_RAM + 2 * PAGE_2M, 32);
	assert_int_equal(call(MK_SYS_SPACE_MAP, 2, 0, ROOT_RAM + PAGE_2M, PAGE_4K, 7), 0);
	assert_int_equal(call(MK_SYS_VS_CREATE, MK_GUEST_VS_FIRST, 2, 0, 0, 0), 0);
	for (vm = 2; vm; vm--) {
		assert_int_equal(call(MK_SYS_VS_RUN, MK_GUEST_VS_FIRST, 0, 0, 0, 0), 0);
		assert_int_equal(call(MK_SYS_WINDOW_OPEN, vm, 0, 0, 0, 0), 0);
		assert_int_equal(call(MK_SYS_VS_RUN, MK_GUEST_VS_FIRST, 0, 0, 0, 0), 0);
		assert_int_equal(!!machine_user(0, MK_U_WINDOW, true), vm == 2);
	}
	assert_int_equal(call(MK_SYS_VS_RUN, 0, 0, 0, 0, 0), 0);
	machine_vs_end(MK_GUEST_VS_FIRST);
	machine_vm_end(2);

	/* It doesn't outlive its space. */
	assert_int_equal(call(MK_SYS_WINDOW_OPEN, 1, 0, 0, 0, 0), 0);
	machine_vm_end(1);
	assert_null(machine_user(0, MK_U_WINDOW, false));
}

static void random_calls(void **state)
{
	static unsigned int worked[MK_SYS_COUNT];
	unsigned int i, nr;

	(void)state;
	machine.guest = guest_hlt;
	for (i = 0; i < 60000; i++) {
		machine_on(machine_random() % 2);
		nr = machine_random() % MK_SYS_COUNT;
		if (nr == MK_SYS_CPU_STOP) /* ends in assembly */
			continue;
		if (nr == MK_SYS_SPACE_DESTROY && machine_random() % 16)
			continue; /* or hardly anything lives long enough */
		if (hostile_call(nr, machine_random) >= 0)
			worked[nr]++;
		if (i % 400 == 0)
			hostile_check(2, true);
	}
	hostile_check(2, true);
	for (nr = 0; nr < MK_SYS_COUNT; nr++)
		if (nr != MK_SYS_CPU_STOP)
			assert_true(worked[nr] > 0); /* or this would test nothing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_numbers),
		cmocka_unit_test(log_calls),
		cmocka_unit_test(pointers),
		cmocka_unit_test(shared_page),
		cmocka_unit_test(window),
		cmocka_unit_test(random_calls), /* leaves a mess: last */
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
