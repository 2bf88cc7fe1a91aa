// SPDX-License-Identifier: MIT
/* KVM_GET_STATS_FD: statistics that describe themselves. */
#include "kvmtest.h"

GUEST(three_outs);

struct stats {
	int fd;
	struct kvm_stats_header header;
	char id[128];
};

static struct stats stats_of(int fd)
{
	struct stats s = { .fd = ioctl(fd, KVM_GET_STATS_FD, 0) };

	REQUIRE(s.fd >= 0);
	REQUIRE(read(s.fd, &s.header, sizeof(s.header)) == sizeof(s.header));
	REQUIRE(s.header.name_size <= sizeof(s.id));
	REQUIRE(pread(s.fd, s.id, s.header.name_size, s.header.id_offset) == s.header.name_size);
	return s;
}

static size_t desc_size(const struct stats *s)
{
	return sizeof(struct kvm_stats_desc) + s->header.name_size;
}

/* The descriptor i, to be freed. */
static struct kvm_stats_desc *desc_of(const struct stats *s, unsigned int i)
{
	struct kvm_stats_desc *desc = malloc(desc_size(s));

	REQUIRE(pread(s->fd, desc, desc_size(s), s->header.desc_offset + i * desc_size(s)) ==
		(ssize_t)desc_size(s));
	return desc;
}

static uint64_t value_of(const struct stats *s, const struct kvm_stats_desc *desc)
{
	uint64_t value;

	REQUIRE(pread(s->fd, &value, sizeof(value), s->header.data_offset + desc->offset) ==
		sizeof(value));
	return value;
}

static uint64_t value(int fd, const char *name)
{
	struct stats s = stats_of(fd);
	uint64_t found = ~0ULL;

	for (unsigned int i = 0; i < s.header.num_desc; i++) {
		struct kvm_stats_desc *desc = desc_of(&s, i);

		if (!strcmp(desc->name, name))
			found = value_of(&s, desc);
		free(desc);
	}
	close(s.fd);
	return found;
}

static void capability(void)
{
	struct kt_vm vm = kt_vm_create();

	CHECK_EQ(ioctl(vm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_BINARY_STATS_FD), 1);
	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_BINARY_STATS_FD), 1);
	CHECK_ERRNO(ioctl(vm.kvm, KVM_GET_STATS_FD, 0), EINVAL);
}

static void check_layout(int fd, const char *id)
{
	uint64_t last = 0;
	struct stats s = stats_of(fd);
	void *volatile nowhere = (void *)8;
	uint32_t bytes = 0, end;

	CHECK_EQ(s.header.flags, 0);
	CHECK(!strncmp(s.id, id, strlen(id)));
	CHECK(s.header.num_desc > 0);
	CHECK(s.header.id_offset >= sizeof(s.header));
	CHECK(s.header.desc_offset >= s.header.id_offset + s.header.name_size);
	CHECK(s.header.data_offset >= s.header.desc_offset + s.header.num_desc * desc_size(&s));
	for (unsigned int i = 0; i < s.header.num_desc; i++) {
		struct kvm_stats_desc *desc = desc_of(&s, i);

		kt_context("%u:", i);
		CHECK(strnlen(desc->name, s.header.name_size) < s.header.name_size);
		CHECK(desc->name[0]);
		CHECK(desc->size > 0);
		CHECK((desc->flags & KVM_STATS_TYPE_MASK) <= KVM_STATS_TYPE_MAX);
		CHECK((desc->flags & KVM_STATS_UNIT_MASK) <= KVM_STATS_UNIT_MAX);
		CHECK((desc->flags & KVM_STATS_BASE_MASK) <= KVM_STATS_BASE_MAX);
		CHECK_EQ(desc->offset % sizeof(uint64_t), 0);
		/* KVM leaves gaps, and has them in an order of its own. */
		end = desc->offset + desc->size * sizeof(uint64_t);
		bytes = end > bytes ? end : bytes;
		free(desc);
	}
	/* the data is the end */
	kt_context("end:");
	CHECK_EQ(pread(s.fd, &last, 8, s.header.data_offset + bytes), 0);
	CHECK_EQ(pread(s.fd, &last, 8, s.header.data_offset + bytes - 4), 4);
	CHECK_ERRNO(write(s.fd, "x", 1), EBADF);
	CHECK_ERRNO(pread(s.fd, nowhere, 8, 0), EFAULT);
	close(s.fd);
}

static void layout(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 3);
	char id[64];

	snprintf(id, sizeof(id), "kvm-%d", getpid());
	check_layout(vm.fd, id);
	strcat(id, "/vcpu-3");
	check_layout(vcpu.fd, id);
}

static void exits_are_counted(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(three_outs));

	CHECK_EQ(value(g.vcpu.fd, "io_exits"), 0);
	CHECK_EQ(value(g.vcpu.fd, "mmio_exits"), 0);
	CHECK_EQ(value(g.vcpu.fd, "halt_exits"), 0);
	CHECK_EQ(value(g.vcpu.fd, "signal_exits"), 0);
	for (int i = 0; i < 3; i++)
		RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(value(g.vcpu.fd, "io_exits"), 3);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(value(g.vcpu.fd, "halt_exits"), 1);
	CHECK_EQ(value(g.vcpu.fd, "io_exits"), 3);
	CHECK_EQ(value(g.vcpu.fd, "mmio_exits"), 0);
}

/* The descriptor is good for as long as somebody has it. */
static void outlives_the_vm(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(three_outs));
	struct stats vm = stats_of(g.vm.fd), vcpu = stats_of(g.vcpu.fd);
	uint64_t value;

	kt_guest_close(&g);
	CHECK_EQ(pread(vm.fd, &value, 8, vm.header.data_offset), 8);
	CHECK_EQ(pread(vcpu.fd, &value, 8, vcpu.header.data_offset), 8);
	close(vm.fd);
	close(vcpu.fd);
}

static const struct kt_test tests[] = {
	{ "KVM_CHECK_EXTENSION", capability },
	{ "header, descriptors and data", layout },
	{ "exits are counted", exits_are_counted },
	{ "statistics outlive the VM", outlives_the_vm },
};

KT_MAIN(tests)
