// SPDX-License-Identifier: MIT
/* KVM_CAP_SYNC_REGS: registers that travel in kvm_run. */
#include "kvmtest.h"

GUEST(count_up);

#define REGS KVM_SYNC_X86_REGS
#define SREGS KVM_SYNC_X86_SREGS
#define EVENTS KVM_SYNC_X86_EVENTS
#define UNKNOWN 0x80000000ULL

static int run(const struct kt_guest *g, uint64_t valid, uint64_t dirty)
{
	g->vcpu.run->kvm_valid_regs = valid;
	g->vcpu.run->kvm_dirty_regs = dirty;
	return ioctl(g->vcpu.fd, KVM_RUN, 0);
}

/* A run that must end at the guest's IN. */
static void run_in(const struct kt_guest *g, uint64_t valid, uint64_t dirty)
{
	REQUIRE(run(g, valid, dirty) == 0);
	CHECK_EQ(g->vcpu.run->exit_reason, KVM_EXIT_IO);
}

static void capability(void)
{
	CHECK_EQ(ioctl(kt_open(), KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS), REGS | SREGS | EVENTS);
}

static void unknown_fields(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(count_up));

	CHECK_ERRNO(run(&g, UNKNOWN, 0), EINVAL);
	CHECK_ERRNO(run(&g, UNKNOWN | REGS, 0), EINVAL);
	CHECK_ERRNO(run(&g, 0, UNKNOWN), EINVAL);
	g.vcpu.run->s.regs.regs.rbx = 7;
	CHECK_ERRNO(run(&g, 0, UNKNOWN | REGS), EINVAL);
	CHECK_EQ(g.vcpu.run->kvm_dirty_regs, UNKNOWN | REGS);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 0);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE);
}

static void got_after_a_run(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(count_up));
	struct kvm_sync_regs *sync = &g.vcpu.run->s.regs;
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	run_in(&g, REGS | SREGS | EVENTS, 0);
	regs = kt_regs(&g.vcpu);
	sregs = kt_sregs(&g.vcpu);
	CHECK_OK(ioctl(g.vcpu.fd, KVM_GET_VCPU_EVENTS, &events));
	CHECK(!memcmp(&sync->regs, &regs, sizeof(regs)));
	CHECK(!memcmp(&sync->sregs, &sregs, sizeof(sregs)));
	CHECK(!memcmp(&sync->events, &events, sizeof(events)));
}

/* Also when KVM_RUN does not come to the guest. */
static void got_after_immediate_exit(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(count_up));

	g.vcpu.run->immediate_exit = 1;
	CHECK_ERRNO(run(&g, REGS, 0), EINTR);
	CHECK_EQ(g.vcpu.run->s.regs.regs.rip, KT_CODE);
}

static void only_what_is_asked_for(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(count_up));
	struct kvm_sync_regs *sync = &g.vcpu.run->s.regs;

	run_in(&g, REGS, 0);
	sync->regs.rbx = 0xdead;
	sync->sregs.cr2 = 0xbeef;
	run_in(&g, 0, 0);
	CHECK_EQ(sync->regs.rbx, 0xdead);
	run_in(&g, REGS, 0);
	CHECK_EQ(sync->regs.rbx, 2);
	CHECK_EQ(sync->sregs.cr2, 0xbeef);
}

static void set_before_a_run(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(count_up));
	struct kvm_sync_regs *sync = &g.vcpu.run->s.regs;

	run_in(&g, REGS | SREGS, 0);
	sync->regs.rbx = 0x1000;
	sync->sregs.cr2 = 0x2000;
	run_in(&g, REGS | SREGS, REGS | SREGS);
	CHECK_EQ(g.vcpu.run->kvm_dirty_regs, 0);
	CHECK_EQ(sync->regs.rbx, 0x1001);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 0x1001);
	CHECK_EQ(kt_sregs(&g.vcpu).cr2, 0x2000);
}

/* The bits of what was taken are cleared, and stay for what was refused. */
static void refused(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(count_up));
	struct kvm_sync_regs *sync = &g.vcpu.run->s.regs;

	run_in(&g, REGS | SREGS | EVENTS, 0);
	sync->regs.rbx = 0x1000;
	sync->sregs.cr4 = ~0ULL;
	CHECK_ERRNO(run(&g, 0, REGS | SREGS | EVENTS), EINVAL);
	CHECK_EQ(g.vcpu.run->kvm_dirty_regs, SREGS | EVENTS);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 0x1000);
	sync->events.flags = 0x80;
	CHECK_ERRNO(run(&g, 0, EVENTS), EINVAL);
	CHECK_EQ(g.vcpu.run->kvm_dirty_regs, EVENTS);
}

static void events_set(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(count_up));
	struct kvm_sync_regs *sync = &g.vcpu.run->s.regs;
	struct kvm_vcpu_events events;

	run_in(&g, EVENTS, 0);
	sync->events.nmi.masked = 1;
	run_in(&g, EVENTS, EVENTS);
	CHECK_OK(ioctl(g.vcpu.fd, KVM_GET_VCPU_EVENTS, &events));
	CHECK_EQ(events.nmi.masked, 1);
	CHECK_EQ(sync->events.nmi.masked, 1);
}

static const struct kt_test tests[] = {
	{ "KVM_CHECK_EXTENSION", capability },
	{ "unknown fields are refused", unknown_fields },
	{ "registers after a run", got_after_a_run },
	{ "registers after an immediate exit", got_after_immediate_exit },
	{ "only what was asked for", only_what_is_asked_for },
	{ "registers before a run", set_before_a_run },
	{ "bad registers are refused", refused },
	{ "events before a run", events_set },
};

KT_MAIN(tests)
