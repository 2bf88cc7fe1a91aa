// SPDX-License-Identifier: MIT
/* Interrupts, NMIs, KVM_GET/SET_VCPU_EVENTS, debug registers and MP state. */
#include "fake.h"

static struct shim_vm vm;
static struct shim_vcpu vcpu;

static mv_status_t run_window(const struct mv_run_t *in, void *page, uint64_t *reason)
{
	(void)page;
	*reason = in->flags & MV_RUN_FLAG_WINDOW ? mv_exit_reason_t_window : mv_exit_reason_t_hlt;
	((struct mv_exit_hlt_t *)page)->reason = mv_hlt_t_wait;
	return MV_STATUS_SUCCESS;
}

static int setup(void **state)
{
	fake_setup(state);
	fake_vm(&vm, &vcpu);
	hv.run = run_window;
	hv.reg[mv_reg_t_rflags] = 0x202;
	return 0;
}

static int teardown(void **state)
{
	fake_vm_free(&vm, &vcpu);
	return fake_teardown(state);
}

static void interrupt(void **state)
{
	struct kvm_interrupt irq = { .irq = 256 };

	(void)state;
	assert_int_equal(shim_vcpu_interrupt(&vcpu, &irq), -EINVAL);
	irq.irq = ~0U;
	assert_int_equal(shim_vcpu_interrupt(&vcpu, &irq), -EINVAL);
	assert_int_equal(hv.events.interrupt, 0);
	irq.irq = 255;
	assert_int_equal(shim_vcpu_interrupt(&vcpu, &irq), 0);
	assert_int_equal(hv.events.interrupt_vector, 255);
	assert_int_equal(hv.queued, MV_INTERRUPT_NOW);
}

/* User space must not give a second one, whether the guest was entered or not. */
static void not_ready_with_one_queued(void **state)
{
	const struct kvm_interrupt irq = { .irq = 32 };

	(void)state;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(vcpu.run->ready_for_interrupt_injection, 1);
	assert_int_equal(shim_vcpu_interrupt(&vcpu, &irq), 0);
	vcpu.run->immediate_exit = 1;
	assert_int_equal(shim_vcpu_run(&vcpu), -EINTR);
	assert_int_equal(vcpu.run->if_flag, 1);
	assert_int_equal(vcpu.run->ready_for_interrupt_injection, 0);
	vcpu.run->immediate_exit = 0;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(vcpu.run->ready_for_interrupt_injection, 0);
}

static void window(void **state)
{
	(void)state;
	vcpu.run->request_interrupt_window = 1;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(vcpu.run->exit_reason, KVM_EXIT_IRQ_WINDOW_OPEN);
	vcpu.run->request_interrupt_window = 0;
	assert_int_equal(shim_vcpu_run(&vcpu), 0);
	assert_int_equal(vcpu.run->exit_reason, KVM_EXIT_HLT);
}

static void bitmap_of_sregs(void **state)
{
	struct kvm_sregs sregs;

	(void)state;
	assert_int_equal(shim_vcpu_get_sregs(&vcpu, &sregs), 0);
	assert_int_equal(sregs.interrupt_bitmap[2], 0);
	sregs.interrupt_bitmap[2] = 1ULL << 5 | 1ULL << 6;
	assert_int_equal(shim_vcpu_set_sregs(&vcpu, &sregs), 0);
	assert_int_equal(hv.events.interrupt_vector, 2 * 64 + 5);
	assert_int_equal(shim_vcpu_get_sregs(&vcpu, &sregs), 0);
	assert_int_equal(sregs.interrupt_bitmap[2], 1ULL << 5);
	sregs.interrupt_bitmap[2] = 0;
	assert_int_equal(shim_vcpu_set_sregs(&vcpu, &sregs), 0);
	assert_int_equal(hv.events.interrupt, 1);
}

static void events_there_and_back(void **state)
{
	struct kvm_vcpu_events in = {
		.exception = { .injected = 1, .nr = 13, .has_error_code = 1, .error_code = 0x18 },
		.interrupt = { .injected = 1, .nr = 77, .shadow = KVM_X86_SHADOW_INT_STI },
		.nmi = { .pending = 1, .masked = 1 },
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW,
	}, out;

	(void)state;
	assert_int_equal(shim_vcpu_set_events(&vcpu, &in), 0);
	assert_int_equal(shim_vcpu_get_events(&vcpu, &out), 0);
	in.interrupt.shadow = KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS;
	in.flags |= KVM_VCPUEVENT_VALID_SMM;
	assert_memory_equal(&in, &out, sizeof(in));

	/* without their flags these two stay */
	in.flags = 0;
	in.nmi.pending = 0;
	in.interrupt.shadow = 0;
	assert_int_equal(shim_vcpu_set_events(&vcpu, &in), 0);
	assert_int_equal(hv.events.nmi_pending, 1);
	assert_true(hv.shadow);
}

static void bad_events(void **state)
{
	const struct kvm_vcpu_events bad[] = {
		{ .flags = 0x80 },
		{ .flags = KVM_VCPUEVENT_VALID_PAYLOAD },
		{ .flags = KVM_VCPUEVENT_VALID_SMM, .smi.smm = 1 },
		{ .exception = { .injected = 1, .nr = 2 } },
		{ .exception = { .injected = 1, .nr = 32 } },
	};
	size_t i;

	(void)state;
	hv.events.interrupt = 1;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(shim_vcpu_set_events(&vcpu, &bad[i]), -EINVAL);
	assert_int_equal(hv.events.interrupt, 1);
}

static void nmi(void **state)
{
	struct kvm_vcpu_events out;

	(void)state;
	assert_int_equal(shim_vcpu_nmi(&vcpu), 0);
	assert_int_equal(shim_vcpu_get_events(&vcpu, &out), 0);
	assert_int_equal(out.nmi.pending, 1);
}

static void debugregs(void **state)
{
	struct kvm_debugregs in = { .db = { 1, 2, 3, ~0ULL }, .dr6 = 0xFFFF0FF1, .dr7 = 0x455 },
			     out;

	(void)state;
	assert_int_equal(shim_vcpu_set_debugregs(&vcpu, &in), 0);
	assert_int_equal(hv.reg[mv_reg_t_dr7], 0x455);
	assert_int_equal(shim_vcpu_get_debugregs(&vcpu, &out), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	in.dr6 = 1ULL << 32;
	assert_int_equal(shim_vcpu_set_debugregs(&vcpu, &in), -EINVAL);
	in.dr6 = 0;
	in.dr7 = 1ULL << 63;
	assert_int_equal(shim_vcpu_set_debugregs(&vcpu, &in), -EINVAL);
	in.dr7 = 0;
	in.flags = 1;
	assert_int_equal(shim_vcpu_set_debugregs(&vcpu, &in), -EINVAL);
	assert_int_equal(hv.reg[mv_reg_t_dr7], 0x455);
}

static void mp_state(void **state)
{
	struct kvm_mp_state mp = { .mp_state = 99 };

	(void)state;
	assert_int_equal(shim_vcpu_set_mp_state(&vcpu, &mp), -EINVAL);
	assert_int_equal(shim_vcpu_get_mp_state(&vcpu, &mp), 0);
	assert_int_equal(mp.mp_state, KVM_MP_STATE_RUNNABLE);
	assert_int_equal(shim_vcpu_set_mp_state(&vcpu, &mp), 0);
	mp.mp_state = KVM_MP_STATE_HALTED;
	assert_int_equal(shim_vcpu_set_mp_state(&vcpu, &mp), -EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(interrupt),
		TEST(not_ready_with_one_queued),
		TEST(window),
		TEST(bitmap_of_sregs),
		TEST(events_there_and_back),
		TEST(bad_events),
		TEST(nmi),
		TEST(debugregs),
		TEST(mp_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
