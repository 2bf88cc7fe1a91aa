// SPDX-License-Identifier: MIT
/*
 * The small ioctls: what a VM is told before it runs, KVM_ENABLE_CAP and what it enables,
 * SREGS2, machine checks, KVM_TRANSLATE.
 */
#include "kvmtest.h"

GUEST(setup_hlt);
GUEST(setup_handler);
GUEST(setup_rdmsr);
GUEST(setup_wrmsr);

static int enable(int fd, uint32_t cap, uint32_t flags, uint64_t arg)
{
	struct kvm_enable_cap enable = { .cap = cap, .flags = flags, .args = { arg } };

	return ioctl(fd, KVM_ENABLE_CAP, &enable);
}

static void tss_addr(void)
{
	struct kt_vm vm = kt_vm_create();

	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_TSS_ADDR), 1);
	CHECK_OK(ioctl(vm.fd, KVM_SET_TSS_ADDR, 0xfffbd000UL));
	CHECK_OK(ioctl(vm.fd, KVM_SET_TSS_ADDR, 0UL));
	CHECK_OK(ioctl(vm.fd, KVM_SET_TSS_ADDR, 0xffffd000UL));
	CHECK_ERRNO(ioctl(vm.fd, KVM_SET_TSS_ADDR, 0xffffd001UL), EINVAL);
	CHECK_ERRNO(ioctl(vm.fd, KVM_SET_TSS_ADDR, 1UL << 32), EINVAL);
}

static void identity_map_addr(void)
{
	struct kt_vm vm = kt_vm_create();
	uint64_t addr = 0xfeffc000;

	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_IDENTITY_MAP_ADDR), 1);
	CHECK_OK(ioctl(vm.fd, KVM_SET_IDENTITY_MAP_ADDR, &addr));
	CHECK_ERRNO(ioctl(vm.fd, KVM_SET_IDENTITY_MAP_ADDR, 8UL), EFAULT);
	kt_vcpu_create(&vm, 0);
	CHECK_ERRNO(ioctl(vm.fd, KVM_SET_IDENTITY_MAP_ADDR, &addr), EINVAL);
}

#define APIC_BASE_BSP 0x100

static void boot_cpu(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu0, vcpu1;

	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_BOOT_CPU_ID), 1);
	CHECK_OK(ioctl(vm.fd, KVM_SET_BOOT_CPU_ID, 1UL));
	vcpu0 = kt_vcpu_create(&vm, 0);
	CHECK_ERRNO(ioctl(vm.fd, KVM_SET_BOOT_CPU_ID, 0UL), EBUSY);
	vcpu1 = kt_vcpu_create(&vm, 1);
	CHECK_EQ(kt_sregs(&vcpu0).apic_base & APIC_BASE_BSP, 0);
	CHECK_EQ(kt_sregs(&vcpu1).apic_base & APIC_BASE_BSP, APIC_BASE_BSP);
}

static void gsi_routing_without_irqchip(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kvm_irq_routing none = { .nr = 0 };

	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING), 4096);
	CHECK_ERRNO(ioctl(vm.fd, KVM_SET_GSI_ROUTING, &none), EINVAL);
	CHECK_ERRNO(ioctl(vm.fd, KVM_SET_GSI_ROUTING, 8UL), EFAULT);
}

static void enable_bad(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);

	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_ENABLE_CAP_VM), 1);
	CHECK_ERRNO(enable(vm.fd, KVM_CAP_EXCEPTION_PAYLOAD, 1, 1), EINVAL);
	CHECK_ERRNO(enable(vm.fd, KVM_CAP_USER_MEMORY, 0, 1), EINVAL);
	CHECK_ERRNO(enable(vm.fd, 0xffffffff, 0, 1), EINVAL);
	CHECK_ERRNO(enable(vcpu.fd, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1), EINVAL);
	CHECK_ERRNO(enable(vcpu.fd, 0xffffffff, 0, 1), EINVAL);
	CHECK_ERRNO(ioctl(vm.fd, KVM_ENABLE_CAP, 8UL), EFAULT);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_ENABLE_CAP, 8UL), EFAULT);
	CHECK_ERRNO(enable(vm.kvm, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1), EINVAL);
}

static void max_vcpu_id(void)
{
	struct kt_vm vm = kt_vm_create();
	const long max = ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID);

	CHECK_ERRNO(enable(vm.fd, KVM_CAP_MAX_VCPU_ID, 0, (uint64_t)max + 1), EINVAL);
	CHECK_OK(enable(vm.fd, KVM_CAP_MAX_VCPU_ID, 0, 2));
	CHECK_OK(enable(vm.fd, KVM_CAP_MAX_VCPU_ID, 0, 2));
	CHECK_ERRNO(enable(vm.fd, KVM_CAP_MAX_VCPU_ID, 0, 3), EINVAL);
	CHECK_ERRNO(enable(vm.fd, KVM_CAP_MAX_VCPU_ID, 0, 1), EINVAL);
	CHECK_EQ(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID), max);
	CHECK_ERRNO(ioctl(vm.fd, KVM_CREATE_VCPU, 2UL), EINVAL);
	kt_vcpu_create(&vm, 1);

	/* The first vCPU makes the choice, too. */
	vm = kt_vm_create();
	kt_vcpu_create(&vm, 0);
	CHECK_ERRNO(enable(vm.fd, KVM_CAP_MAX_VCPU_ID, 0, 2), EINVAL);
	CHECK_OK(enable(vm.fd, KVM_CAP_MAX_VCPU_ID, 0, (uint64_t)max));
}

static void system_attributes(void)
{
	uint64_t xcr0 = 0;
	struct kvm_device_attr attr = { .attr = KVM_X86_XCOMP_GUEST_SUPP,
					.addr = (uintptr_t)&xcr0 };
	int kvm = kt_open();

	CHECK_EQ(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_SYS_ATTRIBUTES), 1);
	CHECK_OK(ioctl(kvm, KVM_HAS_DEVICE_ATTR, &attr));
	CHECK_OK(ioctl(kvm, KVM_GET_DEVICE_ATTR, &attr));
	if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_XCRS))
		CHECK_EQ(xcr0 & 3, 3);
	CHECK_ERRNO(ioctl(kvm, KVM_SET_DEVICE_ATTR, &attr), EINVAL);
	attr.addr = 8;
	CHECK_ERRNO(ioctl(kvm, KVM_GET_DEVICE_ATTR, &attr), EFAULT);
	attr.attr = 1;
	CHECK_ERRNO(ioctl(kvm, KVM_GET_DEVICE_ATTR, &attr), ENXIO);
	attr.attr = KVM_X86_XCOMP_GUEST_SUPP;
	attr.group = 1;
	CHECK_ERRNO(ioctl(kvm, KVM_HAS_DEVICE_ATTR, &attr), ENXIO);
	CHECK_ERRNO(ioctl(kvm, KVM_GET_DEVICE_ATTR, 8UL), EFAULT);
}

/* ---- SREGS2 ---- */

static void sregs2_like_sregs(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(setup_hlt));
	struct kvm_sregs sregs = kt_sregs(&g.vcpu), after;
	struct kvm_sregs2 s;

	REQUIRE(ioctl(g.vcpu.fd, KVM_GET_SREGS2, &s) == 0);
	CHECK(!memcmp(&s, &sregs, offsetof(struct kvm_sregs2, flags)));
	CHECK_EQ(s.flags, 0);
	s.gdt.base = 0x1234;
	s.cr2 = 0x5678;
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_SREGS2, &s));
	after = kt_sregs(&g.vcpu);
	sregs.gdt.base = 0x1234;
	sregs.cr2 = 0x5678;
	CHECK(!memcmp(&after, &sregs, sizeof(after)));
	RUN(&g.vcpu, KVM_EXIT_HLT);
}

static void sregs2_bad(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(setup_hlt));
	struct kvm_sregs2 s, same;

	REQUIRE(ioctl(g.vcpu.fd, KVM_GET_SREGS2, &s) == 0);
	same = s;
	s.cr2 = 0x5678;
	s.flags = 2;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_SREGS2, &s), EINVAL);
	s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID; /* not PAE */
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_SREGS2, &s), EINVAL);
	s.flags = 0;
	s.cr0 = 1UL << 32;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_SREGS2, &s), EINVAL);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_SREGS2, 8UL), EFAULT);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_GET_SREGS2, 8UL), EFAULT);
	REQUIRE(ioctl(g.vcpu.fd, KVM_GET_SREGS2, &s) == 0);
	CHECK(!memcmp(&s, &same, sizeof(s)));
}

#define PAE_TABLE 0x20020UL /* 32-byte aligned */
#define PAE_DIR 0x21000UL

static void pae_start(const struct kt_guest *g)
{
	struct kvm_sregs s = kt_sregs(&g->vcpu);
	uint64_t *table = (uint64_t *)(g->mem + PAE_TABLE);

	for (uint64_t i = 0; i < 4; i++)
		table[i] = i < 2 ? PAE_DIR | 1 : 0;
	*(uint64_t *)(g->mem + PAE_DIR) = 0x83;
	s.cr3 = PAE_TABLE;
	s.cr4 |= 0x20;
	s.cr0 |= 0x80000000;
	REQUIRE(ioctl(g->vcpu.fd, KVM_SET_SREGS, &s) == 0);
}

static void sregs2_pdptrs(void)
{
	struct kt_guest g = kt_guest(KT_PROT32, CODE(setup_hlt));
	struct kvm_sregs2 s, after;

	pae_start(&g);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	REQUIRE(ioctl(g.vcpu.fd, KVM_GET_SREGS2, &s) == 0);
	CHECK_EQ(s.flags, KVM_SREGS2_FLAGS_PDPTRS_VALID);
	CHECK_EQ(s.pdptrs[0], PAE_DIR | 1);
	CHECK_EQ(s.pdptrs[1], PAE_DIR | 1);
	CHECK_EQ(s.pdptrs[2], 0);
	s.pdptrs[3] = 0x30001;
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_SREGS2, &s));
	REQUIRE(ioctl(g.vcpu.fd, KVM_GET_SREGS2, &after) == 0);
	CHECK(!memcmp(&s, &after, sizeof(s)));
}

/* ---- events that capabilities add ---- */

static struct kvm_vcpu_events events_of(const struct kt_vcpu *vcpu)
{
	struct kvm_vcpu_events events;

	REQUIRE(ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events) == 0);
	return events;
}

static void payload_needs_capability(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(setup_hlt));
	struct kvm_vcpu_events e = events_of(&g.vcpu);

	CHECK_EQ(ioctl(g.vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_EXCEPTION_PAYLOAD), 1);
	CHECK_EQ(e.flags & KVM_VCPUEVENT_VALID_PAYLOAD, 0);
	e.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_VCPU_EVENTS, &e), EINVAL);
	e.flags &= ~KVM_VCPUEVENT_VALID_PAYLOAD;
	e.exception.pending = 1;
	e.exception.nr = 200;
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_VCPU_EVENTS, &e));
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_OK(enable(g.vm.fd, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1));
	CHECK(events_of(&g.vcpu).flags & KVM_VCPUEVENT_VALID_PAYLOAD);
	CHECK_OK(enable(g.vm.fd, KVM_CAP_EXCEPTION_PAYLOAD, 0, 0));
	CHECK_EQ(events_of(&g.vcpu).flags & KVM_VCPUEVENT_VALID_PAYLOAD, 0);
}

#define IDT 0x30000UL
#define HANDLER 0x31000UL
#define CODE_SELECTOR 8

/* Every exception goes to setup_handler, with a table of segments for it. */
static void catch_exceptions(const struct kt_guest *g)
{
	struct kvm_sregs s = kt_sregs(&g->vcpu);
	uint64_t *idt = (uint64_t *)(g->mem + IDT), *gdt = idt + 2 * 32;

	for (int i = 0; i < 32; i++)
		idt[2 * i] = (HANDLER & 0xffff) | CODE_SELECTOR << 16 | 0x8e00ULL << 32 |
			     (HANDLER >> 16) << 48;
	gdt[1] = 0x00af9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	memcpy(g->mem + HANDLER, setup_handler, kt_code_size(CODE(setup_handler)));
	s.idt.base = IDT;
	s.idt.limit = 32 * 16 - 1;
	s.gdt.base = IDT + 32 * 16;
	s.gdt.limit = 23;
	REQUIRE(ioctl(g->vcpu.fd, KVM_SET_SREGS, &s) == 0);
}

static struct kvm_vcpu_events pend(const struct kt_guest *g, uint8_t nr, uint64_t payload)
{
	struct kvm_vcpu_events e = events_of(&g->vcpu);

	e.exception.pending = 1;
	e.exception.nr = nr;
	e.exception.has_error_code = nr == 14;
	e.exception.error_code = nr == 14 ? 2 : 0;
	e.exception_has_payload = 1;
	e.exception_payload = payload;
	e.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	REQUIRE(ioctl(g->vcpu.fd, KVM_SET_VCPU_EVENTS, &e) == 0);
	return events_of(&g->vcpu);
}

static void page_fault_payload(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(setup_hlt));
	struct kvm_vcpu_events e;
	struct kvm_regs regs;

	catch_exceptions(&g);
	REQUIRE(enable(g.vm.fd, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1) == 0);
	e = pend(&g, 14, 0x123000);
	CHECK_EQ(e.exception.pending, 1);
	CHECK_EQ(e.exception.injected, 0);
	CHECK_EQ(e.exception.nr, 14);
	CHECK_EQ(e.exception_has_payload, 1);
	CHECK_EQ(e.exception_payload, 0x123000);
	CHECK_EQ(kt_sregs(&g.vcpu).cr2, 0);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	regs = kt_regs(&g.vcpu);
	CHECK_EQ(regs.rax, 0x123000);
	CHECK_EQ(regs.rcx, 2);
	CHECK_EQ(regs.rdx, KT_CODE);
	CHECK_EQ(regs.rbx >> 16 & 1, 1); /* RF: it is a fault */
	CHECK_EQ(events_of(&g.vcpu).exception.pending, 0);
}

static void debug_payload(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(setup_hlt));
	struct kvm_debugregs regs;

	catch_exceptions(&g);
	REQUIRE(enable(g.vm.fd, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1) == 0);
	pend(&g, 1, 0x4002);
	REQUIRE(ioctl(g.vcpu.fd, KVM_GET_DEBUGREGS, &regs) == 0);
	CHECK_EQ(regs.dr6, 0xffff0ff0);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	REQUIRE(ioctl(g.vcpu.fd, KVM_GET_DEBUGREGS, &regs) == 0);
	CHECK_EQ(regs.dr6, 0xffff4ff2);
}

static void payload_bad(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(setup_hlt));
	struct kvm_vcpu_events e;

	REQUIRE(enable(g.vm.fd, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1) == 0);
	e = events_of(&g.vcpu);
	e.exception.pending = 1;
	e.exception.nr = 32;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_VCPU_EVENTS, &e), EINVAL);
	e.exception.nr = 2;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_VCPU_EVENTS, &e), EINVAL);
	CHECK_EQ(events_of(&g.vcpu).exception.pending, 0);
	RUN(&g.vcpu, KVM_EXIT_HLT);
}

static void triple_fault(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(setup_hlt));
	struct kvm_vcpu_events e = events_of(&g.vcpu);

	CHECK_EQ(ioctl(g.vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_TRIPLE_FAULT_EVENT), 1);
	CHECK_EQ(e.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT, 0);
	e.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	e.triple_fault.pending = 1;
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_SET_VCPU_EVENTS, &e), EINVAL);
	REQUIRE(enable(g.vm.fd, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 0, 1) == 0);
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_VCPU_EVENTS, &e));
	e = events_of(&g.vcpu);
	CHECK(e.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT);
	CHECK_EQ(e.triple_fault.pending, 1);
	RUN(&g.vcpu, KVM_EXIT_SHUTDOWN);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE);
	CHECK_EQ(events_of(&g.vcpu).triple_fault.pending, 0);
	e.triple_fault.pending = 1;
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_VCPU_EVENTS, &e));
	e.triple_fault.pending = 0;
	CHECK_OK(ioctl(g.vcpu.fd, KVM_SET_VCPU_EVENTS, &e));
	RUN(&g.vcpu, KVM_EXIT_HLT);
}

/* ---- machine checks ---- */

#define MCG_CTL_P (1ULL << 8)
#define MCG_SER_P (1ULL << 24)
#define VAL (1ULL << 63)
#define OVER (1ULL << 62)
#define UC (1ULL << 61)
#define PCC (1ULL << 57)

static int setup_mce(const struct kt_vcpu *vcpu, uint64_t mcg_cap)
{
	return ioctl(vcpu->fd, KVM_X86_SETUP_MCE, &mcg_cap);
}

static void mce_setup(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	uint64_t caps = 0;

	CHECK_EQ(ioctl(vm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_MCE), 32);
	CHECK_OK(ioctl(vm.kvm, KVM_X86_GET_MCE_CAP_SUPPORTED, &caps));
	CHECK_EQ(caps, MCG_CTL_P | MCG_SER_P);
	CHECK_ERRNO(ioctl(vm.kvm, KVM_X86_GET_MCE_CAP_SUPPORTED, 8UL), EFAULT);
	CHECK_EQ(kt_msr(&vcpu, 0x179), 32);
	CHECK_EQ(kt_msr(&vcpu, 0x400), 0);
	CHECK_ERRNO(setup_mce(&vcpu, 0), EINVAL);
	CHECK_ERRNO(setup_mce(&vcpu, 33), EINVAL);
	CHECK_ERRNO(setup_mce(&vcpu, 10 | 1 << 9), EINVAL);
	CHECK_ERRNO(setup_mce(&vcpu, 10 | 1ULL << 63), EINVAL);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_X86_SETUP_MCE, 8UL), EFAULT);
	CHECK_EQ(kt_msr(&vcpu, 0x179), 32);
	CHECK_OK(setup_mce(&vcpu, 10 | MCG_CTL_P | MCG_SER_P));
	CHECK_EQ(kt_msr(&vcpu, 0x179), 10 | MCG_CTL_P); /* AMD's have no SER_P */
	CHECK_EQ(kt_msr(&vcpu, 0x17b), ~0ULL);
	CHECK_EQ(kt_msr(&vcpu, 0x400), ~0ULL);
	CHECK_EQ(kt_msr(&vcpu, 0x424), ~0ULL);
	CHECK_EQ(kt_set_msr(&vcpu, 0x179, 5), 0);
	CHECK_EQ(kt_set_msr(&vcpu, 0x17b, 0), 1);
	CHECK_EQ(kt_set_msr(&vcpu, 0x17b, 1), 0);
}

static int set_mce(const struct kt_vcpu *vcpu, uint8_t bank, uint64_t status, uint64_t mcg_status)
{
	struct kvm_x86_mce mce = {
		.status = status,
		.addr = 0x1000,
		.misc = 0x8c,
		.mcg_status = mcg_status,
		.bank = bank,
	};

	return ioctl(vcpu->fd, KVM_X86_SET_MCE, &mce);
}

static void mce_corrected(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(setup_hlt));
	const struct kt_vcpu *vcpu = &g.vcpu;

	REQUIRE(setup_mce(vcpu, 10 | MCG_SER_P) == 0);
	CHECK_ERRNO(set_mce(vcpu, 10, VAL | 1, 0), EINVAL);
	CHECK_ERRNO(set_mce(vcpu, 1, 1, 0), EINVAL);
	CHECK_OK(set_mce(vcpu, 1, VAL | 1, 0));
	CHECK_EQ(kt_msr(vcpu, 0x405), VAL | 1);
	CHECK_EQ(kt_msr(vcpu, 0x406), 0x1000);
	CHECK_EQ(kt_msr(vcpu, 0x407), 0x8c);
	CHECK_OK(set_mce(vcpu, 1, VAL | 2, 0));
	CHECK_EQ(kt_msr(vcpu, 0x405), VAL | OVER | 2);
	/* One that needs nothing done is only noted, */
	CHECK_OK(set_mce(vcpu, 2, VAL | UC | 3, 0));
	CHECK_EQ(kt_msr(vcpu, 0x409), VAL | UC | 3);
	/* and a corrected one doesn't take its place. */
	CHECK_OK(set_mce(vcpu, 2, VAL | 4, 0));
	CHECK_EQ(kt_msr(vcpu, 0x409), VAL | UC | OVER | 3);
	CHECK_EQ(events_of(vcpu).exception.injected, 0);
	RUN(vcpu, KVM_EXIT_HLT);
}

static void mce_uncorrected(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(setup_hlt));
	struct kvm_sregs s;
	struct kvm_vcpu_events e;

	catch_exceptions(&g);
	s = kt_sregs(&g.vcpu);
	s.cr4 |= 0x40; /* MCE */
	REQUIRE(ioctl(g.vcpu.fd, KVM_SET_SREGS, &s) == 0);
	REQUIRE(setup_mce(&g.vcpu, 10 | MCG_CTL_P) == 0);
	/* Reporting is off in the bank: nothing happens. */
	CHECK_EQ(kt_set_msr(&g.vcpu, 0x404, 0), 1);
	CHECK_OK(set_mce(&g.vcpu, 1, VAL | UC | PCC, 5));
	CHECK_EQ(kt_msr(&g.vcpu, 0x405), 0);
	CHECK_OK(set_mce(&g.vcpu, 0, VAL | UC | PCC, 5));
	CHECK_EQ(kt_msr(&g.vcpu, 0x401), VAL | UC | PCC);
	CHECK_EQ(kt_msr(&g.vcpu, 0x17a), 5);
	e = events_of(&g.vcpu);
	CHECK_EQ(e.exception.injected, 1);
	CHECK_EQ(e.exception.nr, 18);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, HANDLER + kt_code_size(CODE(setup_handler)));
	/* It is still being served: MCIP. */
	CHECK_OK(set_mce(&g.vcpu, 0, VAL | UC | PCC, 5));
	RUN(&g.vcpu, KVM_EXIT_SHUTDOWN);
}

static bool guest_faults(struct kt_guest *g, struct kt_code code, uint32_t index, uint64_t value)
{
	struct kvm_regs regs;

	kt_guest_load(g, KT_LONG64, code);
	catch_exceptions(g);
	regs = kt_regs(&g->vcpu);
	regs.rcx = index;
	regs.rax = value & 0xffffffff;
	regs.rdx = value >> 32;
	kt_set_regs(&g->vcpu, &regs);
	RUN(&g->vcpu, KVM_EXIT_HLT);
	return kt_regs(&g->vcpu).rip > HANDLER;
}

/* A guest has the banks that MCG_CAP says, and MCG_CTL only when it says so. */
static void mce_of_the_guest(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(setup_rdmsr));

	REQUIRE(setup_mce(&g.vcpu, 10) == 0);
	CHECK(!guest_faults(&g, CODE(setup_rdmsr), 0x179, 0));
	CHECK_EQ(kt_regs(&g.vcpu).rax, 10);
	CHECK(!guest_faults(&g, CODE(setup_rdmsr), 0x427, 0));
	CHECK(guest_faults(&g, CODE(setup_rdmsr), 0x428, 0));
	CHECK(guest_faults(&g, CODE(setup_wrmsr), 0x428, 0));
	CHECK(guest_faults(&g, CODE(setup_rdmsr), 0x17b, 0));
	CHECK(guest_faults(&g, CODE(setup_wrmsr), 0x179, 10));
	CHECK(!guest_faults(&g, CODE(setup_wrmsr), 0x424, 0));
	CHECK_EQ(kt_msr(&g.vcpu, 0x424), 0);
	CHECK(guest_faults(&g, CODE(setup_wrmsr), 0x424, 2));
	REQUIRE(setup_mce(&g.vcpu, 32 | MCG_CTL_P) == 0);
	CHECK(!guest_faults(&g, CODE(setup_rdmsr), 0x428, 0));
	CHECK(!guest_faults(&g, CODE(setup_wrmsr), 0x17b, 0));
	CHECK_EQ(kt_msr(&g.vcpu, 0x17b), 0);
	CHECK(guest_faults(&g, CODE(setup_wrmsr), 0x17b, 1));
}

/* ---- KVM_TRANSLATE ---- */

static void check_translation(const struct kt_vcpu *vcpu, uint64_t linear, bool valid)
{
	struct kvm_translation tr = { .linear_address = linear };

	kt_context("linear address 0x%llx", (unsigned long long)linear);
	CHECK_OK(ioctl(vcpu->fd, KVM_TRANSLATE, &tr));
	CHECK_EQ(tr.linear_address, linear);
	CHECK_EQ(tr.valid, valid);
	CHECK_EQ(tr.physical_address, valid ? linear : ~0ULL);
	CHECK_EQ(tr.writeable, 1);
	CHECK_EQ(tr.usermode, 0);
}

static void translate(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(setup_hlt));

	check_translation(&g.vcpu, 0x1234, true);
	check_translation(&g.vcpu, 0x123456789, true);
	check_translation(&g.vcpu, (uint64_t)KT_MAPPED_GIB << 30, false);
	check_translation(&g.vcpu, 1ULL << 46, false);
	CHECK_ERRNO(ioctl(g.vcpu.fd, KVM_TRANSLATE, 8UL), EFAULT);
	kt_guest_load(&g, KT_REAL, CODE(setup_hlt));
	check_translation(&g.vcpu, 0x1234, true);
}

static const struct kt_test tests[] = {
	{ "SET_TSS_ADDR", tss_addr },
	{ "SET_IDENTITY_MAP_ADDR", identity_map_addr },
	{ "SET_BOOT_CPU_ID", boot_cpu },
	{ "SET_GSI_ROUTING without an irqchip", gsi_routing_without_irqchip },
	{ "ENABLE_CAP: unknown capabilities, flags, pointers", enable_bad },
	{ "ENABLE_CAP: MAX_VCPU_ID", max_vcpu_id },
	{ "attributes of the system", system_attributes },
	{ "SREGS2 is as SREGS", sregs2_like_sregs },
	{ "SET_SREGS2 refuses", sregs2_bad },
	{ "SREGS2: PDPTRs", sregs2_pdptrs },
	{ "exception payloads need the capability", payload_needs_capability },
	{ "exception payload: #PF", page_fault_payload },
	{ "exception payload: #DB", debug_payload },
	{ "exception payload: bad vectors", payload_bad },
	{ "triple fault event", triple_fault },
	{ "SETUP_MCE", mce_setup },
	{ "SET_MCE: corrected errors", mce_corrected },
	{ "SET_MCE: uncorrected errors", mce_uncorrected },
	{ "machine check MSRs of the guest", mce_of_the_guest },
	{ "TRANSLATE", translate },
};

KT_MAIN(tests)
