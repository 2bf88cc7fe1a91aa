// SPDX-License-Identifier: MIT
/*
 * load-load vms N MIB SECONDS: so many VMs of so much memory at once, each with a thread, that run
 * and exit. load-load sequence N: VMs one after the other. load-load vcpus N: in one VM, and as
 * many as there may be. Prints figures; nothing may be lost: no exit, no word of memory.
 */
#include <pthread.h>
#include <sched.h>

#include "work.h"

GUEST(mark);

static uint64_t number[3];

static uint64_t parameter(const char *name)
{
	unsigned long long value = 0;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/module/microv_kvm/parameters/%s", name);
	file = fopen(path, "r");
	if (file && fscanf(file, "%llu", &value) != 1)
		value = 0;
	if (file)
		fclose(file);
	return value;
}

/* ---- many at once ---- */

struct vm_thread {
	struct work work;
	pthread_t thread;
	double end;
};

static void *vm_work(void *arg)
{
	struct vm_thread *t = arg;

	while (kt_seconds() < t->end && work_step(&t->work))
		;
	return NULL;
}

static void vms_at_once(void)
{
	const uint64_t count = number[0], bytes = number[1] * KT_MIB;
	struct vm_thread *t = calloc(count, sizeof(*t));
	uint64_t entries = parameter("entries_4k") + parameter("entries_2m"), exits = 0,
		 least = ~0UL;

	REQUIRE(t != NULL);
	alarm((unsigned int)number[2] + 120);
	for (uint64_t i = 0; i < count; i++)
		work_start(&t[i].work, kt_anon(bytes), bytes / KT_PAGE, (i + 1) << 40);
	for (uint64_t i = 0; i < count; i++) {
		t[i].end = kt_seconds() + (double)number[2];
		REQUIRE(pthread_create(&t[i].thread, NULL, vm_work, &t[i]) == 0);
	}
	for (uint64_t i = 0; i < count; i++) {
		REQUIRE(pthread_join(t[i].thread, NULL) == 0);
		exits += t[i].work.exits;
		least = t[i].work.exits < least ? t[i].work.exits : least;
	}
	for (uint64_t i = 0; i < count; i++)
		work_check(&t[i].work);
	entries = parameter("entries_4k") + parameter("entries_2m") - entries;
	kt_note("%llu VMs of %llu MiB at once, %llu s: %llu exits (of one VM %llu at least), "
		"%llu nested entries made",
		(unsigned long long)count, (unsigned long long)number[1],
		(unsigned long long)number[2], (unsigned long long)exits, (unsigned long long)least,
		(unsigned long long)entries);
	CHECK(least > 16); /* each got its turn, and more than a round */
	for (uint64_t i = 0; i < count; i++)
		kt_guest_close(&t[i].work.guest);
}

/* ---- one after the other ---- */

static void sequence(void)
{
	double start = kt_seconds();

	alarm(170);
	for (uint64_t i = 0; i < number[0]; i++) {
		uint64_t *mem = kt_anon(32 * KT_PAGE);
		struct work w;

		work_start(&w, mem, 32, (i + 1) << 40);
		for (unsigned int step = 0; step < 3; step++)
			REQUIRE(work_step(&w));
		work_check(&w);
		kt_guest_close(&w.guest);
		REQUIRE(munmap(mem, 32 * KT_PAGE) == 0);
	}
	kt_note("%llu VMs one after the other: %.1f ms each", (unsigned long long)number[0],
		(kt_seconds() - start) * 1000 / (double)number[0]);
}

/* ---- many vCPUs ---- */

#define MARKS 0x100000UL

static void run_marks(struct kt_guest *g, const struct kt_vcpu *vcpu, uint64_t count)
{
	const uint64_t *marks = (const uint64_t *)(g->mem + MARKS);

	for (uint64_t id = 0; id < count; id++) {
		struct kvm_regs regs = { .rip = KT_CODE, .rflags = 2, .rsi = MARKS, .rbx = id };

		kt_start(&vcpu[id], g->mem, KT_LONG64, KT_CODE);
		kt_set_regs(&vcpu[id], &regs);
		RUN(&vcpu[id], KVM_EXIT_HLT);
		CHECK_EQ(marks[id], id);
	}
}

static void many_vcpus(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(mark));
	int max = ioctl(g.vm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	uint64_t free = kt_meminfo("MemFree"), count = number[0];
	struct kt_vcpu *vcpu;
	double start = kt_seconds();

	alarm(170);
	REQUIRE(max >= (int)count);
	vcpu = calloc((size_t)max, sizeof(*vcpu));
	REQUIRE(vcpu != NULL);
	vcpu[0] = g.vcpu;
	for (uint64_t id = 1; id < count; id++)
		vcpu[id] = kt_vcpu_create(&g.vm, (unsigned int)id);
	run_marks(&g, vcpu, count);
	kt_note("%llu vCPUs of %d: %.1f ms and %.1f KiB each", (unsigned long long)count, max,
		(kt_seconds() - start) * 1000 / (double)count,
		(double)(free - kt_meminfo("MemFree")) / (double)count);
	for (uint64_t id = count; id < (uint64_t)max; id++)
		vcpu[id] = kt_vcpu_create(&g.vm, (unsigned int)id);
	CHECK_ERRNO(ioctl(g.vm.fd, KVM_CREATE_VCPU, (unsigned long)max), EINVAL);
	run_marks(&g, vcpu, (uint64_t)max);
	for (int id = 1; id < max; id++)
		kt_vcpu_close(&vcpu[id]);
	kt_guest_close(&g);
}

static const struct {
	const char *name;
	int numbers;
	void (*run)(void);
} loads[] = {
	{ "vms", 3, vms_at_once },
	{ "sequence", 1, sequence },
	{ "vcpus", 1, many_vcpus },
};

int main(int argc, char **argv)
{
	for (unsigned int i = 0; argc > 1 && i < KT_LEN(loads); i++) {
		struct kt_test test = { loads[i].name, loads[i].run };

		if (strcmp(argv[1], loads[i].name) || argc != 2 + loads[i].numbers)
			continue;
		for (int n = 0; n < loads[i].numbers; n++)
			number[n] = strtoul(argv[2 + n], NULL, 0);
		return kt_main(&test, 1);
	}
	fprintf(stderr, "usage: load-load vms N MIB SECONDS | sequence N | vcpus N\n");
	return 2;
}
