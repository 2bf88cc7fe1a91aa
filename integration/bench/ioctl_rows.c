// SPDX-License-Identifier: MIT
/* What user space asks of a vCPU that doesn't run, VMs that come and go, hypercalls. */
#include "bench.h"

#include "../hypercall/mv_hctest.h"
#include "../../abi/mv_abi.h"

GUEST(bench_out);

static void repeat(unsigned long request, void *arg, int fd, uint64_t times)
{
	begin();
	for (uint64_t i = 0; i < times; i++)
		if (ioctl(fd, request, arg)) {
			kt_fail(__FILE__, __LINE__, "ioctl 0x%lx: errno %d", request, errno);
			break;
		}
	end();
}

#define VCPU_ROW(name, type, get, request)                                                         \
	static void name(uint64_t times)                                                           \
	{                                                                                          \
		struct kt_guest g = kt_guest(KT_LONG64, CODE(bench_out));                          \
		type arg;                                                                          \
                                                                                                   \
		REQUIRE(ioctl(g.vcpu.fd, get, &arg) == 0);                                         \
		repeat(request, &arg, g.vcpu.fd, times);                                           \
		kt_guest_close(&g);                                                                \
	}

VCPU_ROW(get_regs, struct kvm_regs, KVM_GET_REGS, KVM_GET_REGS)
VCPU_ROW(set_regs, struct kvm_regs, KVM_GET_REGS, KVM_SET_REGS)
VCPU_ROW(get_sregs, struct kvm_sregs, KVM_GET_SREGS, KVM_GET_SREGS)
VCPU_ROW(set_sregs, struct kvm_sregs, KVM_GET_SREGS, KVM_SET_SREGS)

static void create(uint64_t times)
{
	int kvm = kt_open();

	begin();
	for (uint64_t i = 0; i < times; i++) {
		struct kt_vm vm = { .kvm = kvm, .fd = ioctl(kvm, KVM_CREATE_VM, 0) };
		struct kt_vcpu vcpu;

		REQUIRE(vm.fd >= 0);
		vcpu = kt_vcpu_create(&vm, 0);
		kt_vcpu_close(&vcpu);
		close(vm.fd);
	}
	end();
	close(kvm);
}

/* By the tests' kernel module, which need not be there. */
static void hypercall(uint64_t times)
{
	struct hct_repeat call = { .rax = MV_HYPERCALL(MV_ID_OP, MV_ID_OP_VERSION_IDX_VAL),
				   .times = times };
	int fd = open("/dev/" MV_HCTEST_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		kt_skip("no /dev/" MV_HCTEST_DEVICE);
	begin();
	if (ioctl(fd, HCT_REPEAT, &call))
		kt_skip("MicroV doesn't run");
	end();
	CHECK_EQ(call.rax, MV_STATUS_SUCCESS);
	close(fd);
}

const struct row ioctl_rows[] = {
	{ "hypercall", hypercall, 1000, 101000, true },
	{ "get-regs", get_regs, 1000, 21000, false },
	{ "set-regs", set_regs, 1000, 21000, false },
	{ "get-sregs", get_sregs, 1000, 21000, false },
	{ "set-sregs", set_sregs, 1000, 21000, false },
	{ "create-vm", create, 2, 22, false },
	{ NULL, NULL, 0, 0, false },
};
