// SPDX-License-Identifier: MIT
/*
 * Creation of vCPUs, their state after reset, and the four register calls: round trips,
 * forced bits, values that must be refused.
 */
#include "kvmtest.h"

#define BAD_POINTER ((void *)8)

static int create(const struct kt_vm *vm, unsigned long id)
{
	return ioctl(vm->fd, KVM_CREATE_VCPU, id);
}

static unsigned long max_vcpu_id(const struct kt_vm *vm)
{
	int max = ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID);

	if (max <= 0)
		max = ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	REQUIRE(max > 0);
	return (unsigned long)max;
}

static void id_limits(void)
{
	struct kt_vm vm = kt_vm_create();
	unsigned long max = max_vcpu_id(&vm);

	CHECK_ERRNO(create(&vm, max), EINVAL);
	CHECK_ERRNO(create(&vm, max + 1), EINVAL);
	CHECK_ERRNO(create(&vm, 0xffffffff), EINVAL);
	CHECK_ERRNO(create(&vm, 0x80000000), EINVAL);
	CHECK_OK(create(&vm, max - 1));
	CHECK_OK(create(&vm, 0));
}

static void id_taken(void)
{
	struct kt_vm vm = kt_vm_create();
	int fd = create(&vm, 3);

	CHECK(fd >= 0);
	CHECK_ERRNO(create(&vm, 3), EEXIST);
	CHECK_OK(close(fd));
	/* The vCPU lives as long as its VM. */
	CHECK_ERRNO(create(&vm, 3), EEXIST);
	CHECK_OK(create(&vm, 2));
}

static void id_per_vm(void)
{
	struct kt_vm one = kt_vm_create(), two = kt_vm_create();

	CHECK_OK(create(&one, 0));
	CHECK_OK(create(&two, 0));
	CHECK_ERRNO(create(&one, 0), EEXIST);
}

static void sixteen_vcpus(void)
{
	struct kt_vm vm = kt_vm_create();
	int max = ioctl(vm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);

	for (int id = 0; id < 16 && id < max; id++) {
		struct kt_vcpu vcpu = kt_vcpu_create(&vm, (unsigned int)id);
		struct kvm_regs regs = { .rax = (uint64_t)id, .rflags = 2 };

		kt_set_regs(&vcpu, &regs);
		CHECK_EQ(kt_regs(&vcpu).rax, id);
	}
}

static void reset_regs(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct kvm_regs r = kt_regs(&vcpu);
	uint64_t zero[] = { r.rax, r.rbx, r.rcx, r.rsi, r.rdi, r.rsp, r.rbp, r.r8,
			    r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15 };

	CHECK_EQ(r.rip, 0xfff0);
	CHECK_EQ(r.rflags, 2);
	CHECK_EQ(r.rdx, 0x600); /* the signature of a CPU that has no CPUID yet */
	for (unsigned int i = 0; i < KT_LEN(zero); i++)
		CHECK_EQ(zero[i], 0);
}

static void check_reset_segment(const struct kvm_segment *s, const char *name, uint64_t base,
				uint16_t selector, uint8_t type, uint8_t is_code_or_data)
{
	if (s->base != base || s->selector != selector || s->limit != 0xffff || s->type != type ||
	    s->present != 1 || s->s != is_code_or_data || s->dpl || s->db || s->l || s->g ||
	    s->avl || s->unusable)
		kt_fail(__FILE__, __LINE__,
			"%s: base %llx sel %x limit %x type %u p %u s %u dpl %u db %u l %u g %u "
			"unusable %u",
			name, (unsigned long long)s->base, s->selector, s->limit, s->type,
			s->present, s->s, s->dpl, s->db, s->l, s->g, s->unusable);
}

static void reset_segments(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct kvm_sregs s = kt_sregs(&vcpu);

	check_reset_segment(&s.cs, "cs", 0xffff0000, 0xf000, 10, 1);
	check_reset_segment(&s.ds, "ds", 0, 0, 3, 1);
	check_reset_segment(&s.es, "es", 0, 0, 3, 1);
	check_reset_segment(&s.fs, "fs", 0, 0, 3, 1);
	check_reset_segment(&s.gs, "gs", 0, 0, 3, 1);
	check_reset_segment(&s.ss, "ss", 0, 0, 2, 1);
	check_reset_segment(&s.ldt, "ldt", 0, 0, 2, 0);
	check_reset_segment(&s.tr, "tr", 0, 0, 3, 0);
	CHECK_EQ(s.gdt.base, 0);
	CHECK_EQ(s.gdt.limit, 0xffff);
	CHECK_EQ(s.idt.base, 0);
	CHECK_EQ(s.idt.limit, 0xffff);
}

static void reset_control(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct kvm_sregs s = kt_sregs(&vcpu);

	CHECK_EQ(s.cr0, 0x60000010);
	CHECK_EQ(s.cr2, 0);
	CHECK_EQ(s.cr3, 0);
	CHECK_EQ(s.cr4, 0);
	CHECK_EQ(s.cr8, 0);
	CHECK_EQ(s.efer, 0);
	CHECK_EQ(s.apic_base, 0xfee00900); /* enabled, bootstrap CPU */
	for (unsigned int i = 0; i < KT_LEN(s.interrupt_bitmap); i++)
		CHECK_EQ(s.interrupt_bitmap[i], 0);
}

static void fill(void *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)data)[i] = (uint8_t)(i * 37 + 11);
}

static void regs_round_trip(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct kvm_regs set, got;

	fill(&set, sizeof(set));
	set.rflags = 0x246;
	kt_set_regs(&vcpu, &set);
	got = kt_regs(&vcpu);
	CHECK(!memcmp(&set, &got, sizeof(set)));
}

static void rflags_forced_bit(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct kvm_regs regs = { .rip = 0x1234, .rflags = 0 };

	kt_set_regs(&vcpu, &regs);
	CHECK_EQ(kt_regs(&vcpu).rflags, 2);
	regs.rflags = 0x3f7fd7;
	kt_set_regs(&vcpu, &regs);
	CHECK_EQ(kt_regs(&vcpu).rflags, 0x3f7fd7);
}

/* A RIP that is not canonical is taken as it is; it is the guest's next step that minds. */
static void rip_not_canonical(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct kvm_regs regs = { .rip = 0x8000000000001234, .rflags = 2 };

	kt_set_regs(&vcpu, &regs);
	CHECK_EQ(kt_regs(&vcpu).rip, 0x8000000000001234);
}

static int set_sregs(const struct kt_vcpu *vcpu, const struct kvm_sregs *s)
{
	return ioctl(vcpu->fd, KVM_SET_SREGS, s);
}

static void sregs_round_trip(enum kt_mode mode)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	void *mem = kt_memory(&vm, 0, 0, KT_MIB);
	struct kvm_sregs set, got;

	kt_start(&vcpu, mem, mode, KT_CODE);
	set = kt_sregs(&vcpu);
	set.ds.base = 0x12340;
	set.ds.selector = 0x1234;
	set.fs.base = 0x7fff12345678;
	set.gs.base = 0xffff812345678000;
	set.es.limit = 0x12fff;
	set.es.g = 1;
	set.es.avl = 1;
	set.es.limit = 0x12345fff;
	set.gdt = (struct kvm_dtable){ .base = 0x5000, .limit = 0x7f };
	set.idt = (struct kvm_dtable){ .base = 0x6000, .limit = 0xfff };
	set.ldt = (struct kvm_segment){
		.base = 0x7000, .limit = 0x37, .type = 2, .present = 1, .selector = 0x28
	};
	set.tr = (struct kvm_segment){
		.base = 0x7100, .limit = 0x67, .type = 11, .present = 1, .selector = 0x30
	};
	set.cr2 = 0x1122334455667788;
	set.cr8 = 5;
	REQUIRE(set_sregs(&vcpu, &set) == 0);
	got = kt_sregs(&vcpu);
	if (!memcmp(&set, &got, sizeof(set)))
		return;
	for (size_t i = 0; i < sizeof(set); i++)
		if (((uint8_t *)&set)[i] != ((uint8_t *)&got)[i])
			kt_fail(__FILE__, __LINE__, "byte %zu: set 0x%x, got 0x%x", i,
				((uint8_t *)&set)[i], ((uint8_t *)&got)[i]);
}

static void sregs_real(void)
{
	sregs_round_trip(KT_REAL);
}

static void sregs_prot32(void)
{
	sregs_round_trip(KT_PROT32);
}

static void sregs_long64(void)
{
	sregs_round_trip(KT_LONG64);
}

/* A segment that is not there: KVM keeps its other fields, and says so both ways. */
static void sregs_unusable(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	void *mem = kt_memory(&vm, 0, 0, KT_MIB);
	struct kvm_sregs s;

	kt_start(&vcpu, mem, KT_PROT32, KT_CODE);
	s = kt_sregs(&vcpu);
	s.fs = (struct kvm_segment){ .unusable = 1 };
	s.gs.unusable = 1; /* present stays 1 */
	REQUIRE(set_sregs(&vcpu, &s) == 0);
	s = kt_sregs(&vcpu);
	CHECK_EQ(s.fs.unusable, 1);
	CHECK_EQ(s.fs.present, 0);
	CHECK_EQ(s.gs.unusable, 1);
	CHECK_EQ(s.gs.present, 0);
	CHECK_EQ(s.ds.unusable, 0);
}

/* One change a line. */
/* clang-format off */
static void mutate_long_without_pae(struct kvm_sregs *s) { s->cr4 &= ~0x20ULL; }
static void mutate_long_without_lma(struct kvm_sregs *s) { s->efer &= ~0x400ULL; }
static void mutate_cr3_reserved(struct kvm_sregs *s) { s->cr3 |= 1ULL << 52; }
static void mutate_cr4_reserved(struct kvm_sregs *s) { s->cr4 |= 1ULL << 63; }
static void mutate_cr4_bit_15(struct kvm_sregs *s) { s->cr4 |= 1ULL << 15; }
static void mutate_cr0_high(struct kvm_sregs *s) { s->cr0 |= 1ULL << 32; }
static void mutate_cr0_pg_without_pe(struct kvm_sregs *s) { s->cr0 &= ~1ULL; }
static void mutate_cr0_nw_without_cd(struct kvm_sregs *s) { s->cr0 |= 1ULL << 29; }
static void mutate_lma_without_pg(struct kvm_sregs *s) { s->cr0 &= ~(1ULL << 31); }
static void mutate_l_without_lma(struct kvm_sregs *s)
{
	s->cr0 &= ~(1ULL << 31);
	s->efer = 0;
}
static void mutate_apic_base(struct kvm_sregs *s) { s->apic_base |= 1ULL << 52; }
static void mutate_apic_x2_only(struct kvm_sregs *s) { s->apic_base = 0xfee00400; }

/* clang-format on */

/* Changes of a valid 64-bit state, and whether KVM refuses them. */
static const struct mutation {
	const char *name;
	void (*apply)(struct kvm_sregs *s);
	int error;
} mutations[] = {
	{ "64-bit without CR4.PAE", mutate_long_without_pae, EINVAL },
	{ "paging and EFER.LME without LMA", mutate_long_without_lma, EINVAL },
	{ "CR3 beyond the physical addresses", mutate_cr3_reserved, EINVAL },
	{ "CR4 bit 63", mutate_cr4_reserved, EINVAL },
	{ "CR4 bit 15", mutate_cr4_bit_15, EINVAL },
	{ "CR0 bit 32", mutate_cr0_high, EINVAL },
	{ "CR0.PG without PE", mutate_cr0_pg_without_pe, EINVAL },
	{ "CR0.NW without CD", mutate_cr0_nw_without_cd, EINVAL },
	{ "EFER.LMA without paging", mutate_lma_without_pg, EINVAL },
	{ "CS.L without EFER.LMA", mutate_l_without_lma, EINVAL },
	{ "APIC base bit 52", mutate_apic_base, EINVAL },
	{ "APIC base with x2APIC but not enabled", mutate_apic_x2_only, EINVAL },
};

static void sregs_refused(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	void *mem = kt_memory(&vm, 0, 0, KT_MIB);
	struct kvm_sregs valid, s;

	kt_start(&vcpu, mem, KT_LONG64, KT_CODE);
	valid = kt_sregs(&vcpu);
	for (unsigned int i = 0; i < KT_LEN(mutations); i++) {
		s = valid;
		mutations[i].apply(&s);
		errno = 0;
		int r = set_sregs(&vcpu, &s);
		if (r == 0 ? mutations[i].error : errno != mutations[i].error)
			kt_fail(__FILE__, __LINE__, "%s: %d, errno %d, not errno %d",
				mutations[i].name, r, errno, mutations[i].error);
		s = kt_sregs(&vcpu);
		if (r != 0 && memcmp(&s, &valid, sizeof(s)))
			kt_fail(__FILE__, __LINE__, "%s: refused, but changed something",
				mutations[i].name);
		REQUIRE(set_sregs(&vcpu, &valid) == 0);
	}
}

/* CR8 has four bits; KVM passes over a value that does not fit, without an error. */
static void sregs_cr8(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct kvm_sregs s = kt_sregs(&vcpu);

	s.cr8 = 15;
	CHECK_OK(set_sregs(&vcpu, &s));
	CHECK_EQ(kt_sregs(&vcpu).cr8, 15);
	s.cr8 = 16;
	CHECK_OK(set_sregs(&vcpu, &s));
	CHECK_EQ(kt_sregs(&vcpu).cr8, 15);
}

static void bad_pointers(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);
	struct kvm_regs *half = kt_anon(2 * KT_PAGE);

	half = (struct kvm_regs *)((uint8_t *)half + KT_PAGE - 16);
	CHECK_OK(mprotect((uint8_t *)half + 16, KT_PAGE, PROT_NONE));
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_GET_REGS, half), EFAULT);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_REGS, half), EFAULT);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_GET_REGS, BAD_POINTER), EFAULT);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_REGS, BAD_POINTER), EFAULT);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_GET_SREGS, BAD_POINTER), EFAULT);
	CHECK_ERRNO(ioctl(vcpu.fd, KVM_SET_SREGS, BAD_POINTER), EFAULT);
	CHECK_ERRNO(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, BAD_POINTER), EFAULT);
	CHECK_EQ(kt_regs(&vcpu).rip, 0xfff0);
}

static void run_argument(void)
{
	struct kt_vm vm = kt_vm_create();
	struct kt_vcpu vcpu = kt_vcpu_create(&vm, 0);

	CHECK_ERRNO(ioctl(vcpu.fd, KVM_RUN, 1), EINVAL);
}

static const struct kt_test tests[] = {
	{ "IDs have a limit", id_limits },
	{ "an ID can be taken once", id_taken },
	{ "IDs are per VM", id_per_vm },
	{ "sixteen vCPUs", sixteen_vcpus },
	{ "reset: general registers", reset_regs },
	{ "reset: segments", reset_segments },
	{ "reset: control registers", reset_control },
	{ "REGS round trip", regs_round_trip },
	{ "RFLAGS bit 1 is always set", rflags_forced_bit },
	{ "RIP may be anything", rip_not_canonical },
	{ "SREGS round trip, real mode", sregs_real },
	{ "SREGS round trip, 32-bit protected mode", sregs_prot32 },
	{ "SREGS round trip, 64-bit mode", sregs_long64 },
	{ "SREGS: unusable segments", sregs_unusable },
	{ "SREGS that are refused", sregs_refused },
	{ "SREGS: a CR8 that does not fit", sregs_cr8 },
	{ "bad pointers give EFAULT", bad_pointers },
	{ "KVM_RUN takes no argument", run_argument },
};

KT_MAIN(tests)
