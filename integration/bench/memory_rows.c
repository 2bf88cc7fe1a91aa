// SPDX-License-Identifier: MIT
/* Memory that a VM costs besides what its guest has, in KiB. */
#include "bench.h"

#define VMS_MAX 16

/* Free memory of the machine in KiB, with what waits in the lists of the CPUs. */
static uint64_t free_kib(void)
{
	FILE *file = fopen("/proc/sys/vm/stat_refresh", "w");
	unsigned long long pages = 0, n;
	char line[256];

	if (file) {
		fputs("1", file);
		fclose(file);
	}
	file = fopen("/proc/zoneinfo", "r");
	REQUIRE(file != NULL);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " nr_free_pages %llu", &n) == 1 ||
		    sscanf(line, " count: %llu", &n) == 1)
			pages += n;
	fclose(file);
	return pages * KT_PAGE / 1024;
}

/* The memory of the hypervisor that a VM has, in KiB. */
static uint64_t donated_kib(const struct kt_vm *vm)
{
	int fd = ioctl(vm->fd, KVM_GET_STATS_FD, 0);
	uint64_t pages = ~0ULL;
	struct {
		struct kvm_stats_header header;
		uint8_t rest[KT_PAGE];
	} image;
	const struct kvm_stats_desc *desc;
	size_t step;

	REQUIRE(fd >= 0);
	REQUIRE(read(fd, &image, sizeof(image)) > (ssize_t)sizeof(image.header));
	close(fd);
	step = sizeof(*desc) + image.header.name_size;
	for (unsigned int i = 0; i < image.header.num_desc; i++) {
		desc = (const void *)((uint8_t *)&image + image.header.desc_offset + i * step);
		if (!strcmp(desc->name, "donated_pages"))
			memcpy(&pages, (uint8_t *)&image + image.header.data_offset + desc->offset,
			       sizeof(pages));
	}
	if (pages == ~0ULL)
		kt_skip("this driver doesn't tell");
	return pages * KT_PAGE / 1024;
}

/* A VM with a vCPU, and without memory. */
static void vms(uint64_t times)
{
	struct kt_vm vm[VMS_MAX];
	uint64_t sum = 0;

	for (uint64_t i = 0; i < times && i < VMS_MAX; i++) {
		vm[i] = kt_vm_create();
		kt_vcpu_create(&vm[i], 0);
		sum += donated_kib(&vm[i]);
	}
	result(sum);
}

/* What the slot of so many MiB of a guest takes: KiB of a MiB are, times 1024, those of a GiB. */
static void slot(uint64_t mib, int advice, bool all)
{
	struct kt_vm vm = kt_vm_create();
	size_t size = mib * KT_MIB;
	uint8_t *mem = kt_anon(size + 2 * KT_MIB);
	uint8_t *aligned = mem + (-(uintptr_t)mem & (2 * KT_MIB - 1));
	uint64_t free_before;

	madvise(aligned, size, advice);
	memset(aligned, 1, size);
	donated_kib(&vm);
	free_before = free_kib();
	REQUIRE(kt_slot(&vm, 0, 4UL << 30, size, aligned) == 0);
	result((all ? free_before - free_kib() : donated_kib(&vm)) * 1024);
	kt_vm_close(&vm);
	munmap(mem, size + 2 * KT_MIB);
}

static void tables_4k(uint64_t mib)
{
	slot(mib, MADV_NOHUGEPAGE, false);
}

static void tables_2m(uint64_t mib)
{
	slot(mib, MADV_HUGEPAGE, false);
}

static void all_4k(uint64_t mib)
{
	slot(mib, MADV_NOHUGEPAGE, true);
}

static void all_2m(uint64_t mib)
{
	slot(mib, MADV_HUGEPAGE, true);
}

const struct row memory_rows[] = {
	{ "mem-vm", vms, 2, 12, false },	  { "mem-4k", tables_4k, 64, 576, false },
	{ "mem-2m", tables_2m, 64, 576, false },  { "mem-all-4k", all_4k, 64, 576, false },
	{ "mem-all-2m", all_2m, 64, 576, false }, { NULL, NULL, 0, 0, false },
};
