// SPDX-License-Identifier: MIT
/*
 * KVM_GET/SET_VCPU_EVENTS, KVM_GET/SET_DEBUGREGS and KVM_GET/SET_MP_STATE of VMs without an
 * interrupt controller in the kernel.
 */
#include "kvmtest.h"

GUEST(take_events);
GUEST(in_shadow);
GUEST(debug_registers);

static struct kvm_vcpu_events get(const struct kt_vcpu *vcpu)
{
	struct kvm_vcpu_events events;

	memset(&events, 0xff, sizeof(events));
	REQUIRE(ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events) == 0);
	return events;
}

static int set(const struct kt_vcpu *vcpu, struct kvm_vcpu_events events)
{
	return ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events);
}

static void capabilities(void)
{
	static const int caps[] = { KVM_CAP_USER_NMI, KVM_CAP_MP_STATE, KVM_CAP_VCPU_EVENTS,
				    KVM_CAP_DEBUGREGS };
	struct kt_vm vm = kt_vm_create();

	for (unsigned int i = 0; i < KT_LEN(caps); i++)
		CHECK_EQ(ioctl(vm.kvm, KVM_CHECK_EXTENSION, caps[i]), 1);
}

static void events_at_reset(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct kvm_vcpu_events e = get(&vcpu);

	CHECK_EQ(e.exception.injected, 0);
	CHECK_EQ(e.exception.pending, 0);
	CHECK_EQ(e.interrupt.injected, 0);
	CHECK_EQ(e.interrupt.shadow, 0);
	CHECK_EQ(e.nmi.injected, 0);
	CHECK_EQ(e.nmi.pending, 0);
	CHECK_EQ(e.nmi.masked, 0);
	CHECK_EQ(e.smi.smm, 0);
	CHECK_EQ(e.sipi_vector, 0);
	CHECK_EQ(e.flags, KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
				  KVM_VCPUEVENT_VALID_SMM);
}

static void events_refused(void)
{
	const struct kvm_vcpu_events bad[] = {
		{ .flags = 0x80 },
		{ .flags = KVM_VCPUEVENT_VALID_PAYLOAD },
		{ .flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT },
		{ .exception = { .injected = 1, .nr = 2 } },
		{ .exception = { .injected = 1, .nr = 32 } },
	};
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_events));

	for (unsigned int i = 0; i < KT_LEN(bad); i++)
		CHECK_ERRNO(set(&g.vcpu, bad[i]), EINVAL);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_VCPU_EVENTS, 8UL), EFAULT);
	CHECK_EQ(get(&g.vcpu).exception.injected, 0);
}

static void events_there_and_back(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_events));
	struct kvm_vcpu_events e = get(&g.vcpu);

	e.exception.injected = 1;
	e.exception.nr = 13;
	e.exception.has_error_code = 1;
	e.exception.error_code = 0x18;
	e.interrupt.injected = 1;
	e.interrupt.nr = 77;
	e.nmi.pending = 1;
	e.nmi.masked = 1;
	CHECK_OK(set(&g.vcpu, e));
	CHECK(!memcmp(&(struct kvm_vcpu_events[]){ get(&g.vcpu) }[0], &e, sizeof(e)));
	/* what has no flag is left alone */
	e.flags = 0;
	e.nmi.pending = 0;
	CHECK_OK(set(&g.vcpu, e));
	CHECK_EQ(get(&g.vcpu).nmi.pending, 1);
	CHECK_EQ(kt_sregs(&g.vcpu).interrupt_bitmap[1], 1ULL << (77 - 64));
}

static void handler_runs(struct kvm_vcpu_events e, uint16_t port)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_events));

	RUN(&g.vcpu, KVM_EXIT_HLT);
	e.flags = KVM_VCPUEVENT_VALID_NMI_PENDING;
	CHECK_OK(set(&g.vcpu, e));
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.port, port);
}

static void events_are_delivered(void)
{
	handler_runs((struct kvm_vcpu_events){ .exception = { .injected = 1, .nr = 6 } }, 6);
	handler_runs((struct kvm_vcpu_events){ .interrupt = { .injected = 1, .nr = 0x20 } }, 0x20);
	handler_runs((struct kvm_vcpu_events){ .nmi = { .injected = 1 } }, 2);
	handler_runs((struct kvm_vcpu_events){ .nmi = { .pending = 1 } }, 2);
}

static void nmi_in_events(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_events));
	struct kvm_vcpu_events e;

	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_OK(ioctl(g.vcpu.fd, KVM_NMI));
	CHECK_EQ(get(&g.vcpu).nmi.pending, 1);
	CHECK_EQ(get(&g.vcpu).nmi.masked, 0);
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.port, 2);
	e = get(&g.vcpu);
	CHECK_EQ(e.nmi.pending, 0);
	CHECK_EQ(e.nmi.masked, 1);
	/* The user takes the mask away: the next one nests. */
	e.nmi.masked = 0;
	CHECK_OK(set(&g.vcpu, e));
	CHECK_OK(ioctl(g.vcpu.fd, KVM_NMI));
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.port, 2);
}

static void masked_nmi_waits(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(take_events));
	struct kvm_vcpu_events e;

	RUN(&g.vcpu, KVM_EXIT_HLT);
	e = get(&g.vcpu);
	e.nmi.masked = 1;
	e.nmi.pending = 1;
	e.interrupt.injected = 1;
	e.interrupt.nr = 0x20;
	CHECK_OK(set(&g.vcpu, e));
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.port, 0x20);
	CHECK_EQ(get(&g.vcpu).nmi.pending, 1);
	/* The IRET of that handler ends the mask. */
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.port, 2);
	CHECK_EQ(get(&g.vcpu).nmi.pending, 0);
}

static void shadow(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(in_shadow));
	struct kvm_vcpu_events e;

	e = get(&g.vcpu);
	e.interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS;
	CHECK_OK(set(&g.vcpu, e));
	CHECK(get(&g.vcpu).interrupt.shadow != 0);
	e.flags = 0;
	e.interrupt.shadow = 0;
	CHECK_OK(set(&g.vcpu, e));
	CHECK(get(&g.vcpu).interrupt.shadow != 0);
	e.flags = KVM_VCPUEVENT_VALID_SHADOW;
	CHECK_OK(set(&g.vcpu, e));
	CHECK_EQ(get(&g.vcpu).interrupt.shadow, 0);
}

static void debugregs(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(debug_registers));
	struct kvm_debugregs d, e;

	REQUIRE(ioctl(g.vcpu.fd, KVM_GET_DEBUGREGS, &d) == 0);
	CHECK_EQ(d.dr6, 0xffff0ff0);
	CHECK_EQ(d.dr7, 0x400);
	CHECK_EQ(d.db[0] | d.db[1] | d.db[2] | d.db[3] | d.flags, 0);
	d.db[0] = 0x123456789abcULL;
	d.db[3] = 0x333;
	d.dr6 = 0xffff0ff5;
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_DEBUGREGS, &d));
	REQUIRE(ioctl(g.vcpu.fd, KVM_GET_DEBUGREGS, &e) == 0);
	CHECK(!memcmp(&d, &e, sizeof(d)));
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x123456789abcULL);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 0x333);
	CHECK_EQ(kt_regs(&g.vcpu).rcx, 0x400);
	REQUIRE(ioctl(g.vcpu.fd, KVM_GET_DEBUGREGS, &e) == 0);
	CHECK_EQ(e.db[1], 0x7777);
}

static void debugregs_refused(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(debug_registers));
	struct kvm_debugregs d, bad;

	REQUIRE(ioctl(g.vcpu.fd, KVM_GET_DEBUGREGS, &d) == 0);
	bad = d;
	bad.flags = 1;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_DEBUGREGS, &bad), EINVAL);
	bad = d;
	bad.dr6 |= 1ULL << 32;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_DEBUGREGS, &bad), EINVAL);
	bad = d;
	bad.dr7 |= 1ULL << 63;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_DEBUGREGS, &bad), EINVAL);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_DEBUGREGS, 8UL), EFAULT);
}

static void mp_state(void)
{
	static const uint32_t refused[] = { KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_INIT_RECEIVED,
					    KVM_MP_STATE_HALTED, KVM_MP_STATE_SIPI_RECEIVED, 99 };
	struct kt_vm vm = kt_vm_create();

	for (unsigned int id = 0; id < 2; id++) {
		struct kt_vcpu vcpu = kt_vcpu_create(&vm, id);
		struct kvm_mp_state mp = { .mp_state = 77 };

		CHECK_OK(ioctl(vcpu.fd, KVM_GET_MP_STATE, &mp));
		CHECK_EQ(mp.mp_state, KVM_MP_STATE_RUNNABLE);
		CHECK_OK(ioctl(vcpu.fd, KVM_SET_MP_STATE, &mp));
		for (unsigned int i = 0; i < KT_LEN(refused); i++) {
			mp.mp_state = refused[i];
			CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_MP_STATE, &mp), EINVAL);
		}
		CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_MP_STATE, 8UL), EFAULT);
	}
}

static const struct kt_test tests[] = {
	{ "capabilities", capabilities },
	{ "events of a new vCPU", events_at_reset },
	{ "events refused", events_refused },
	{ "events there and back", events_there_and_back },
	{ "events are delivered", events_are_delivered },
	{ "an NMI in the events", nmi_in_events },
	{ "a masked NMI waits for IRET", masked_nmi_waits },
	{ "the interrupt shadow", shadow },
	{ "debug registers", debugregs },
	{ "debug registers refused", debugregs_refused },
	{ "MP state", mp_state },
};

KT_MAIN(tests)
