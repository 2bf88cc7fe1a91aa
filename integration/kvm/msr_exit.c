// SPDX-License-Identifier: MIT
/*
 * KVM_CAP_X86_USER_SPACE_MSR and KVM_X86_SET_MSR_FILTER: MSRs that user space answers, or that
 * the guest may not touch.
 */
#include "kvmtest.h"

GUEST(read_msr);
GUEST(write_msr);

#define INVAL KVM_MSR_EXIT_REASON_INVAL
#define UNKNOWN KVM_MSR_EXIT_REASON_UNKNOWN
#define FILTER KVM_MSR_EXIT_REASON_FILTER

#define NOBODYS 0x474f4f00U
#define SFMASK 0xC0000084U
#define GS_BASE 0xC0000101U
#define PAT 0x277U

/* The guest's ports: it is behind the instruction, or that gave #GP. */
#define PORT_DONE 1
#define PORT_GP 13

static int enable(const struct kt_vm *vm, uint32_t cap, uint64_t value)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { value } };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &enable);
}

/* A guest about to touch the MSR `index`, writing `value`. */
static struct kt_guest guest(struct kt_code code, uint32_t index, uint64_t value)
{
	struct kt_guest g = kt_guest(KT_REAL, code);
	const uint16_t handler[2] = { KT_CODE + 16, 0 };
	struct kvm_regs regs = kt_regs(&g.vcpu);

	memcpy(g.mem + 13 * sizeof(handler), handler, sizeof(handler));
	kt_set_cpuid(&g.vm, &g.vcpu);
	regs.rcx = index; /* the emulated CPU minds what is above */
	regs.rax = 0xFFFFFFFF00000000ULL | (uint32_t)value;
	regs.rdx = 0xFFFFFFFF00000000ULL | value >> 32;
	kt_set_regs(&g.vcpu, &regs);
	return g;
}

static void check_exit(const struct kt_guest *g, uint32_t reason, uint32_t index, uint64_t data)
{
	const struct kvm_run *run = g->vcpu.run;

	CHECK_EQ(run->msr.error, 0);
	CHECK_EQ(run->msr.reason, reason);
	CHECK_EQ(run->msr.index, index);
	CHECK_EQ(run->msr.data, data);
	CHECK_EQ(kt_regs(&g->vcpu).rip, KT_CODE);
}

static void check_port(const struct kt_guest *g, uint16_t port)
{
	RUN(&g->vcpu, KVM_EXIT_IO);
	CHECK_EQ(g->vcpu.run->io.port, port);
}

static void capabilities(void)
{
	struct kt_vm vm = kt_vm_create();

	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_USER_SPACE_MSR), 1);
	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_MSR_FILTER), 1);
	CHECK_OK(enable(&vm, KVM_CAP_X86_USER_SPACE_MSR, INVAL | UNKNOWN | FILTER));
	CHECK_OK(enable(&vm, KVM_CAP_X86_USER_SPACE_MSR, 0));
}

static void unknown_read(void)
{
	struct kt_guest g = guest(CODE(read_msr), NOBODYS, 0);
	struct kvm_regs regs;

	REQUIRE(enable(&g.vm, KVM_CAP_X86_USER_SPACE_MSR, UNKNOWN) == 0);
	RUN(&g.vcpu, KVM_EXIT_X86_RDMSR);
	check_exit(&g, UNKNOWN, NOBODYS, 0);
	g.vcpu.run->msr.data = 0x1122334455667788;
	check_port(&g, PORT_DONE);
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(regs.rax, 0x55667788);
	CHECK_EQ(regs.rdx, 0x11223344);
}

static void unknown_write(void)
{
	struct kt_guest g = guest(CODE(write_msr), NOBODYS, 0x1122334455667788);

	REQUIRE(enable(&g.vm, KVM_CAP_X86_USER_SPACE_MSR, UNKNOWN) == 0);
	RUN(&g.vcpu, KVM_EXIT_X86_WRMSR);
	check_exit(&g, UNKNOWN, NOBODYS, 0x1122334455667788);
	check_port(&g, PORT_DONE);
}

static void user_says_no(void)
{
	struct kt_guest g = guest(CODE(read_msr), NOBODYS, 5);

	REQUIRE(enable(&g.vm, KVM_CAP_X86_USER_SPACE_MSR, UNKNOWN) == 0);
	RUN(&g.vcpu, KVM_EXIT_X86_RDMSR);
	g.vcpu.run->msr.error = 1;
	check_port(&g, PORT_GP);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0xFFFFFFFF00000005ULL);

	g = guest(CODE(write_msr), NOBODYS, 5);
	REQUIRE(enable(&g.vm, KVM_CAP_X86_USER_SPACE_MSR, UNKNOWN) == 0);
	RUN(&g.vcpu, KVM_EXIT_X86_WRMSR);
	g.vcpu.run->msr.error = 1;
	check_port(&g, PORT_GP);
}

/* Immediate exit completes what user space has answered, and no more. */
static void completed_without_a_run(void)
{
	struct kt_guest g = guest(CODE(read_msr), NOBODYS, 0);

	REQUIRE(enable(&g.vm, KVM_CAP_X86_USER_SPACE_MSR, UNKNOWN) == 0);
	RUN(&g.vcpu, KVM_EXIT_X86_RDMSR);
	g.vcpu.run->msr.data = 7;
	g.vcpu.run->immediate_exit = 1;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_RUN, 0), EINTR);
	g.vcpu.run->immediate_exit = 0;
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 2);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 7);
	check_port(&g, PORT_DONE);
}

static void bad_value(void)
{
	struct kt_guest g = guest(CODE(write_msr), PAT, 2);

	REQUIRE(enable(&g.vm, KVM_CAP_X86_USER_SPACE_MSR, INVAL) == 0);
	RUN(&g.vcpu, KVM_EXIT_X86_WRMSR);
	check_exit(&g, INVAL, PAT, 2);
	check_port(&g, PORT_DONE);
}

/* What user space didn't ask for is #GP as ever. */
static void other_reasons(void)
{
	struct kt_guest g = guest(CODE(read_msr), NOBODYS, 0);

	check_port(&g, PORT_GP);
	g = guest(CODE(read_msr), NOBODYS, 0);
	REQUIRE(enable(&g.vm, KVM_CAP_X86_USER_SPACE_MSR, INVAL | FILTER) == 0);
	check_port(&g, PORT_GP);
	g = guest(CODE(write_msr), PAT, 2);
	REQUIRE(enable(&g.vm, KVM_CAP_X86_USER_SPACE_MSR, UNKNOWN | FILTER) == 0);
	check_port(&g, PORT_GP);
}

static int filter(const struct kt_vm *vm, const struct kvm_msr_filter *f)
{
	return ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, f);
}

static void filters_refused(void)
{
	static uint8_t bits[0x600];
	struct kt_vm vm = kt_vm_create();
	struct kvm_msr_filter f = { .flags = 2 };

	CHECK_ERRNO(filter(&vm, &f), EINVAL);
	f.flags = KVM_MSR_FILTER_DEFAULT_DENY; /* denies all, by no range */
	CHECK_ERRNO(filter(&vm, &f), EINVAL);
	f.ranges[3] = (struct kvm_msr_filter_range){ .nmsrs = 1, .bitmap = bits };
	CHECK_ERRNO(filter(&vm, &f), EINVAL);
	f.ranges[3].flags = 4;
	CHECK_ERRNO(filter(&vm, &f), EINVAL);
	f.ranges[3].flags = KVM_MSR_FILTER_READ;
	f.ranges[3].nmsrs = 0x600 * 8 + 1;
	CHECK_ERRNO(filter(&vm, &f), EINVAL);
	f.ranges[3].nmsrs = 0x600 * 8;
	CHECK_OK(filter(&vm, &f));
	f.ranges[3].bitmap = (void *)8;
	CHECK_ERRNO(filter(&vm, &f), EFAULT);
	CHECK_ERRNO(ioctl(vm.fd, KVM_X86_SET_MSR_FILTER, (void *)8), EFAULT);
	f = (struct kvm_msr_filter){ .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };
	CHECK_OK(filter(&vm, &f));
}

/* The filter of one MSR: may it be read or written, as `flags` say? */
static void filter_one(const struct kt_vm *vm, uint32_t index, uint32_t flags, uint64_t bit)
{
	struct kvm_msr_filter f = { .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };

	f.ranges[0] = (struct kvm_msr_filter_range){
		.flags = flags,
		.nmsrs = 1,
		.base = index,
		.bitmap = (uint8_t *)&bit,
	};
	REQUIRE(filter(vm, &f) == 0);
}

/* Also MSRs that the guest otherwise reads and writes without an exit. */
static void filtered_to_user(void)
{
	static const uint32_t msrs[] = { PAT, SFMASK, GS_BASE, NOBODYS };

	for (unsigned int i = 0; i < KT_LEN(msrs); i++) {
		struct kt_guest g = guest(CODE(read_msr), msrs[i], 0);

		kt_context("MSR 0x%x:", msrs[i]);
		REQUIRE(enable(&g.vm, KVM_CAP_X86_USER_SPACE_MSR, FILTER) == 0);
		filter_one(&g.vm, msrs[i], KVM_MSR_FILTER_READ, 0);
		RUN(&g.vcpu, KVM_EXIT_X86_RDMSR);
		check_exit(&g, FILTER, msrs[i], 0);
		g.vcpu.run->msr.data = 0x77;
		check_port(&g, PORT_DONE);
		CHECK_EQ(kt_regs(&g.vcpu).rax, 0x77);

		g = guest(CODE(write_msr), msrs[i], 0x88);
		REQUIRE(enable(&g.vm, KVM_CAP_X86_USER_SPACE_MSR, FILTER) == 0);
		filter_one(&g.vm, msrs[i], KVM_MSR_FILTER_WRITE, 0);
		RUN(&g.vcpu, KVM_EXIT_X86_WRMSR);
		check_exit(&g, FILTER, msrs[i], 0x88);
		check_port(&g, PORT_DONE);
	}
}

static void filtered_is_gp(void)
{
	struct kt_guest g = guest(CODE(read_msr), PAT, 0);

	filter_one(&g.vm, PAT, KVM_MSR_FILTER_READ, 0);
	check_port(&g, PORT_GP);
	g = guest(CODE(write_msr), SFMASK, 0);
	filter_one(&g.vm, SFMASK, KVM_MSR_FILTER_WRITE, 0);
	check_port(&g, PORT_GP);
}

static void not_filtered(void)
{
	struct kt_guest g = guest(CODE(read_msr), PAT, 0);

	REQUIRE(enable(&g.vm, KVM_CAP_X86_USER_SPACE_MSR, FILTER) == 0);
	filter_one(&g.vm, PAT, KVM_MSR_FILTER_WRITE, 0);
	check_port(&g, PORT_DONE);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x00070406);

	g = guest(CODE(read_msr), PAT, 0);
	filter_one(&g.vm, PAT, KVM_MSR_FILTER_READ, 1);
	check_port(&g, PORT_DONE);

	g = guest(CODE(write_msr), PAT, 0x0606060606060606);
	filter_one(&g.vm, PAT + 1, KVM_MSR_FILTER_WRITE, 0);
	check_port(&g, PORT_DONE);

	/* allowed, but there is none */
	g = guest(CODE(read_msr), NOBODYS, 0);
	REQUIRE(enable(&g.vm, KVM_CAP_X86_USER_SPACE_MSR, FILTER | UNKNOWN) == 0);
	filter_one(&g.vm, NOBODYS, KVM_MSR_FILTER_READ, 1);
	RUN(&g.vcpu, KVM_EXIT_X86_RDMSR);
	check_exit(&g, UNKNOWN, NOBODYS, 0);
}

/* The first range with the MSR and the access decides; user space's own accesses are free. */
static void ranges(void)
{
	uint8_t deny[8] = { 0 }, allow[8] = { 0xFF };
	struct kvm_msr_filter f = {
		.flags = KVM_MSR_FILTER_DEFAULT_DENY,
		.ranges = {
			{ KVM_MSR_FILTER_WRITE, 2, PAT - 1, deny },
			{ KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, 2, PAT - 1, allow },
		},
	};
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry.index = SFMASK };
	struct kt_guest g = guest(CODE(read_msr), PAT, 0);

	REQUIRE(filter(&g.vm, &f) == 0);
	CHECK_EQ(ioctl(g.vcpu.fd, KVM_GET_MSRS, &msrs), 1);
	check_port(&g, PORT_DONE);
	g = guest(CODE(write_msr), PAT, 0);
	REQUIRE(filter(&g.vm, &f) == 0);
	check_port(&g, PORT_GP);
	g = guest(CODE(read_msr), SFMASK, 0);
	REQUIRE(filter(&g.vm, &f) == 0);
	check_port(&g, PORT_GP);
}

static const struct kt_test tests[] = {
	{ "capabilities", capabilities },
	{ "user space answers an unknown RDMSR", unknown_read },
	{ "user space takes an unknown WRMSR", unknown_write },
	{ "user space says #GP", user_says_no },
	{ "completed without a run", completed_without_a_run },
	{ "user space takes a bad value", bad_value },
	{ "reasons that weren't asked for", other_reasons },
	{ "filters that are refused", filters_refused },
	{ "filtered: user space answers", filtered_to_user },
	{ "filtered: #GP", filtered_is_gp },
	{ "not filtered", not_filtered },
	{ "ranges", ranges },
};

KT_MAIN(tests)
