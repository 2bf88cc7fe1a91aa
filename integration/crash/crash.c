// SPDX-License-Identifier: MIT
/*
 * Guests that make MicroV fault while it serves them, on an image that faults on demand
 * (microv/crash.h). Such a VM is lost, and says so; another one goes on.
 */
#include <pthread.h>

#include "crash.h"
#include "kvmtest.h"

/* mov eax, VALUE; cpuid; hlt, in 16-bit code */
static struct kt_guest guest_asking(uint32_t value)
{
	uint8_t code[] = { 0x66, 0xB8, 0, 0, 0, 0, 0x0F, 0xA2, 0xF4 };

	memcpy(code + 2, &value, sizeof(value));
	return kt_guest(KT_REAL, (struct kt_code){ code, code + sizeof(code) });
}

static void check_lost(uint32_t value)
{
	struct kt_guest guest = guest_asking(value);

	kt_context("CPUID with eax = 0x%x", value);
	RUN(&guest.vcpu, KVM_EXIT_INTERNAL_ERROR);
	RUN(&guest.vcpu, KVM_EXIT_INTERNAL_ERROR); /* and it stays so */
	kt_guest_close(&guest);
}

static void lost_null(void)
{
	check_lost(CRASH_NULL);
}

static void lost_divide(void)
{
	check_lost(CRASH_DIVIDE);
}

static void lost_jump(void)
{
	check_lost(CRASH_JUMP);
}

static void *halt_often(void *arg)
{
	struct kt_guest *guest = arg;
	struct kvm_regs regs;
	int i;

	for (i = 0; i < 200; i++) {
		RUN(&guest->vcpu, KVM_EXIT_HLT);
		regs = kt_regs(&guest->vcpu);
		regs.rip = KT_CODE;
		kt_set_regs(&guest->vcpu, &regs);
	}
	return NULL;
}

static void others_go_on(void)
{
	struct kt_guest other = guest_asking(0);
	pthread_t thread;
	int i;

	REQUIRE(pthread_create(&thread, NULL, halt_often, &other) == 0);
	for (i = 0; i < 20; i++)
		check_lost(i % 2 ? CRASH_NULL : CRASH_DIVIDE);
	REQUIRE(pthread_join(thread, NULL) == 0);
	kt_guest_close(&other);
}

static const struct kt_test tests[] = {
	{ "a write to address 0 costs the VM", lost_null },
	{ "a division by zero costs the VM", lost_divide },
	{ "a jump to address 0 costs the VM", lost_jump },
	{ "another VM goes on meanwhile", others_go_on },
};

KT_MAIN(tests)
