// SPDX-License-Identifier: MIT
/*
 * A user who writes to all of kvm_run, and what lies behind it, while the vCPU runs. What the
 * guest then reads may be anything; the memory outside of its slots may not change.
 */
#include "chance.h"

#include <pthread.h>

GUEST(every_exit);

#define SYNC_ALL (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

static struct kt_guest guest;
static bool stop;

/* With anything in these KVM_RUN mostly ends before the guest is entered. */
static bool ends_early(size_t at)
{
	return at == offsetof(struct kvm_run, immediate_exit) ||
	       (at >= offsetof(struct kvm_run, kvm_valid_regs) && at < offsetof(struct kvm_run, s));
}

static void *rewrite(void *arg)
{
	uint64_t state = *(uint64_t *)arg;
	volatile uint8_t *bytes = (void *)guest.vcpu.run;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		size_t at = chance_below(&state, guest.vcpu.run_size);

		/* Mostly where what KVM looks at is: the head, and the union of exits. */
		if (chance_below(&state, 4))
			at %= 256;
		if (ends_early(at) && chance_below(&state, 256))
			continue;
		bytes[at] = (uint8_t)chance(&state);
		if (!chance_below(&state, 4096))
			guest.vcpu.run->kvm_dirty_regs = chance(&state) & SYNC_ALL;
		chance_keep_out(&guest.vcpu.run->s.regs.sregs);
	}
	return NULL;
}

static void run_for(double seconds, bool sync)
{
	double until = kt_seconds() + seconds;
	struct kvm_regs regs = kt_regs(&guest.vcpu);
	struct kvm_sregs sregs = kt_sregs(&guest.vcpu);
	uint64_t runs = 0, failed = 0;

	/* With other registers a guest may have nothing to exit for. */
	chance_kick_every(50000000);
	while (kt_seconds() < until) {
		guest.vcpu.run->immediate_exit = 0;
		guest.vcpu.run->kvm_dirty_regs = 0;
		guest.vcpu.run->kvm_valid_regs = sync ? SYNC_ALL : 0;
		if (ioctl(guest.vcpu.fd, KVM_RUN, 0))
			failed++;
		/* Wherever it got to, it begins anew now and then. */
		if (++runs % 64 == 0) {
			CHECK_OK(ioctl(guest.vcpu.fd, KVM_SET_SREGS, &sregs));
			CHECK_OK(ioctl(guest.vcpu.fd, KVM_SET_REGS, &regs));
		}
	}
	chance_kick_every(0);
	kt_note("%llu runs, %llu failed, %d of them ended by a timer", (unsigned long long)runs,
		(unsigned long long)failed, (int)chance_kicks);
	CHECK(runs - failed > 100);
}

static void with(bool sync)
{
	uint64_t seed = chance_seed();
	uint8_t *fence;
	pthread_t thread;

	guest = kt_guest(KT_LONG64, CODE(every_exit));
	fence = kt_anon(KT_MIB);
	memset(fence, 0x5A, KT_MIB);
	REQUIRE(pthread_create(&thread, NULL, rewrite, &seed) == 0);
	run_for(chance_seconds(8), sync);
	stop = true;
	REQUIRE(pthread_join(thread, NULL) == 0);
	for (size_t i = 0; i < KT_MIB; i++)
		REQUIRE(fence[i] == 0x5A);
	/* It can still be used. */
	memset(guest.vcpu.run, 0, sizeof(*guest.vcpu.run));
	kt_guest_load(&guest, KT_LONG64, CODE(every_exit));
	CHECK_OK(ioctl(guest.vcpu.fd, KVM_RUN, 0));
	kt_guest_close(&guest);
}

static void plain(void)
{
	with(false);
}

static void synced(void)
{
	with(true);
}

int main(void)
{
	static const struct kt_test tests[] = {
		{ "kvm_run is rewritten while the vCPU runs", plain },
		{ "the same, and its registers with it", synced },
	};

	return kt_main(tests, KT_LEN(tests));
}
