// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KVM_GET_STATS_FD: what a reader of the statistics finds. Only what is truly counted here is
 * there, under the names that KVM has for the same. What happens below is counted there, and
 * asked for when somebody reads it.
 */
#include "hypercall.h"
#include "slots.h"
#include <shim.h>

_Static_assert(offsetof(struct shim_stats_desc, name) == offsetof(struct kvm_stats_desc, name),
	       "struct kvm_stats_desc");

struct stat_desc {
	const char *name;
	uint32_t flags;
	int16_t exponent;
	uint16_t word; /* of mv_stats_t, what it is copied from */
};

#define COUNT (KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10)
#define TIME (KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_SECONDS | KVM_STATS_BASE_POW10)
#define NOW (KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10)

#define HERE(name)                                                                                 \
	{                                                                                          \
		name, COUNT, 0, 0                                                                  \
	}
#define BELOW(name, member)                                                                        \
	{                                                                                          \
		name, COUNT, 0, STATS_WORD(member)                                                 \
	}
#define NS(name)                                                                                   \
	{                                                                                          \
		name, TIME, -9, 0                                                                  \
	}
#define REASON(nr, reason) [nr] = { "exit_" #reason, COUNT, 0, STATS_WORD(exits) + (nr) },

static const struct stat_desc vcpu_stats[SHIM_STAT_BY_REASON] = {
	[SHIM_STAT_IO_EXITS] = HERE("io_exits"),
	[SHIM_STAT_MMIO_EXITS] = HERE("mmio_exits"),
	[SHIM_STAT_HALT_EXITS] = HERE("halt_exits"),
	[SHIM_STAT_IRQ_EXITS] = HERE("irq_exits"),
	[SHIM_STAT_REQUEST_IRQ_EXITS] = HERE("request_irq_exits"),
	[SHIM_STAT_SIGNAL_EXITS] = HERE("signal_exits"),
	[SHIM_STAT_EXITS] = BELOW("exits", entries),
	[SHIM_STAT_IRQ_INJECTIONS] = BELOW("irq_injections", interrupts),
	[SHIM_STAT_NMI_INJECTIONS] = BELOW("nmi_injections", nmis),
	[SHIM_STAT_EXCEPTION_INJECTIONS] = BELOW("exception_injections", exceptions),
	[SHIM_STAT_INSN_EMULATION] = BELOW("insn_emulation", emulated),
	[SHIM_STAT_GUEST_NS] = NS("guest_ns"),
	[SHIM_STAT_MICROV_NS] = NS("microv_ns"),
	[SHIM_STAT_ROOT_NS] = NS("root_ns"),
};

/* KVM has no pinned memory and no memory of the hypervisor. */
static const struct stat_desc vm_stats[SHIM_VM_STATS] = {
	[SHIM_STAT_PINNED_PAGES] = { "pinned_pages", NOW, 0, 0 },
	[SHIM_STAT_DONATED_PAGES] = { "donated_pages", NOW, 0, 0 },
};

static const struct stat_desc cpu_stats[SHIM_STAT_ROOT_BY_REASON] = {
	[SHIM_STAT_WORLD_SWITCHES] = BELOW("world_switches", switches),
	[SHIM_STAT_ROOT_EXITS] = BELOW("exits", entries),
};

/* Behind those of a vCPU and a CPU. */
static const struct stat_desc reasons[MV_STATS_EXIT_COUNT] = { MV_STATS_EXITS(REASON) };

/* What was counted below; nothing when nobody answers. */
static void words_get(uint16_t vsid, uint64_t words[STATS_WORDS])
{
	memset(words, 0, STATS_WORDS * sizeof(words[0]));
	hypercall_stats_get(vsid, words);
}

static uint64_t *image_data(struct shim_stats_image *image)
{
	return (uint64_t *)((char *)image + image->header.data_offset);
}

/* Header, name, descriptions, room for the data. */
static void image_begin(struct shim_stats_image *image, unsigned int count)
{
	image->header = (struct kvm_stats_header){
		.name_size = SHIM_STATS_NAME,
		.num_desc = count,
		.id_offset = offsetof(struct shim_stats_image, id),
		.desc_offset = offsetof(struct shim_stats_image, desc),
		.data_offset = offsetof(struct shim_stats_image, desc[count]),
	};
	image->bytes = image->header.data_offset + count * sizeof(uint64_t);
}

/* Statistics from the first-th on, and what of them was counted below. */
static void image_fill(struct shim_stats_image *image, unsigned int first,
		       const struct stat_desc *stats, unsigned int count, const uint64_t *words)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct shim_stats_desc *desc = &image->desc[first + i];

		desc->flags = stats[i].flags;
		desc->exponent = stats[i].exponent;
		desc->size = 1;
		desc->offset = (first + i) * sizeof(uint64_t);
		memcpy(desc->name, stats[i].name, strlen(stats[i].name));
		if (words)
			image_data(image)[first + i] = words[stats[i].word];
	}
}

/* Of a - b ticks, which were read while they were counted. */
static uint64_t ticks_ns(uint64_t a, uint64_t b)
{
	const uint64_t ticks = a > b ? a - b : 0, khz = platform_tsc_khz();

	return khz ? ticks / khz * 1000000 + ticks % khz * 1000000 / khz : 0;
}

void shim_vcpu_get_stats(const struct shim_vcpu *vcpu, struct shim_stats_image *image)
{
	uint64_t words[STATS_WORDS], *data;
	unsigned int i;

	words_get(vcpu->vsid, words);
	image_begin(image, SHIM_VCPU_STATS);
	image_fill(image, 0, vcpu_stats, SHIM_STAT_BY_REASON, words);
	image_fill(image, SHIM_STAT_BY_REASON, reasons, MV_STATS_EXIT_COUNT, words);
	data = image_data(image);
	for (i = 0; i < SHIM_STATS_HERE; i++)
		data[i] = __atomic_load_n(&vcpu->stats[i], __ATOMIC_RELAXED);
	data[SHIM_STAT_GUEST_NS] = ticks_ns(words[STATS_WORD(guest_ticks)], 0);
	data[SHIM_STAT_MICROV_NS] =
		ticks_ns(words[STATS_WORD(run_ticks)], words[STATS_WORD(guest_ticks)]);
	data[SHIM_STAT_ROOT_NS] = ticks_ns(words[STATS_WORD(age)], words[STATS_WORD(run_ticks)]);
}

void shim_cpu_get_stats(uint32_t cpu, struct shim_stats_image *image)
{
	uint64_t words[STATS_WORDS];

	words_get((uint16_t)cpu, words);
	image_begin(image, SHIM_CPU_STATS);
	image_fill(image, 0, cpu_stats, SHIM_STAT_ROOT_BY_REASON, words);
	image_fill(image, SHIM_STAT_ROOT_BY_REASON, reasons, MV_STATS_EXIT_COUNT, words);
}

uint64_t shim_world_switches(uint32_t cpu)
{
	uint64_t words[STATS_WORDS];

	words_get((uint16_t)cpu, words);
	return words[STATS_WORD(switches)];
}

void shim_vm_get_stats(const struct shim_vm *vm, struct shim_stats_image *image)
{
	uint64_t *data;
	size_t i;

	image_begin(image, SHIM_VM_STATS);
	image_fill(image, 0, vm_stats, SHIM_VM_STATS, NULL);
	data = image_data(image);
	for (i = 0; i < vm->slots.num; i++)
		data[SHIM_STAT_PINNED_PAGES] += vm->slots.by_id[i]->pinned;
	for (i = 0; i < vm->pool.num; i++)
		data[SHIM_STAT_DONATED_PAGES] += 1ULL << vm->pool.chunks[i].order;
}
