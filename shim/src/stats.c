// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KVM_GET_STATS_FD: what a reader of the statistics finds. Only what is truly counted here is
 * there, under the names that KVM has for the same; the hypervisor's own exits aren't seen here.
 */
#include "slots.h"
#include <shim.h>

_Static_assert(offsetof(struct shim_stats_desc, name) == offsetof(struct kvm_stats_desc, name),
	       "struct kvm_stats_desc");

struct stat_desc {
	const char *name;
	uint32_t flags;
};

#define COUNT (KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10)
#define NOW (KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10)

static const struct stat_desc vcpu_stats[SHIM_VCPU_STATS] = {
	[SHIM_STAT_IO_EXITS] = { "io_exits", COUNT },
	[SHIM_STAT_MMIO_EXITS] = { "mmio_exits", COUNT },
	[SHIM_STAT_HALT_EXITS] = { "halt_exits", COUNT },
	[SHIM_STAT_IRQ_EXITS] = { "irq_exits", COUNT },
	[SHIM_STAT_REQUEST_IRQ_EXITS] = { "request_irq_exits", COUNT },
	[SHIM_STAT_SIGNAL_EXITS] = { "signal_exits", COUNT },
};

/* KVM has no pinned memory and no memory of the hypervisor. */
static const struct stat_desc vm_stats[SHIM_VM_STATS] = {
	[SHIM_STAT_PINNED_PAGES] = { "pinned_pages", NOW },
	[SHIM_STAT_DONATED_PAGES] = { "donated_pages", NOW },
};

/* Header, name, descriptions, data. */
static void image_fill(struct shim_stats_image *image, const struct stat_desc *stats,
		       unsigned int count)
{
	unsigned int i;

	image->header = (struct kvm_stats_header){
		.name_size = SHIM_STATS_NAME,
		.num_desc = count,
		.id_offset = offsetof(struct shim_stats_image, id),
		.desc_offset = offsetof(struct shim_stats_image, desc),
		.data_offset = offsetof(struct shim_stats_image, desc[count]),
	};
	for (i = 0; i < count; i++) {
		struct shim_stats_desc *desc = &image->desc[i];

		desc->flags = stats[i].flags;
		desc->size = 1;
		desc->offset = i * sizeof(uint64_t);
		memcpy(desc->name, stats[i].name, strlen(stats[i].name));
	}
	image->bytes = image->header.data_offset + count * sizeof(uint64_t);
}

static uint64_t *image_data(struct shim_stats_image *image)
{
	return (uint64_t *)((char *)image + image->header.data_offset);
}

void shim_vcpu_get_stats(const struct shim_vcpu *vcpu, struct shim_stats_image *image)
{
	unsigned int i;

	image_fill(image, vcpu_stats, SHIM_VCPU_STATS);
	for (i = 0; i < SHIM_VCPU_STATS; i++)
		image_data(image)[i] = __atomic_load_n(&vcpu->stats[i], __ATOMIC_RELAXED);
}

void shim_vm_get_stats(const struct shim_vm *vm, struct shim_stats_image *image)
{
	uint64_t *data;
	size_t i, j;

	image_fill(image, vm_stats, SHIM_VM_STATS);
	data = image_data(image);
	for (i = 0; i < vm->slots.num; i++) {
		const struct slot *slot = vm->slots.by_id[i];

		for (j = 0; j < slot->num_runs; j++)
			data[SHIM_STAT_PINNED_PAGES] += slot->runs[j].pages;
	}
	for (i = 0; i < vm->pool.num; i++)
		data[SHIM_STAT_DONATED_PAGES] += 1ULL << vm->pool.chunks[i].order;
}
