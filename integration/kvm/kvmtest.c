// SPDX-License-Identifier: MIT
/*
 * Making VMs, vCPUs and guests for the KVM API tests; contracts in kvmtest.h.
 */
#include "kvmtest.h"

#define GUEST_STACK 0x8000

static const char *at_file = "?";
static int at_line;

void kt_at(const char *file, int line)
{
	at_file = file;
	at_line = line;
}

int kt_open(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	REQUIRE(fd >= 0);
	return fd;
}

struct kt_vm kt_vm_create(void)
{
	struct kt_vm vm = { .kvm = kt_open() };

	vm.fd = ioctl(vm.kvm, KVM_CREATE_VM, 0);
	REQUIRE(vm.fd >= 0);
	return vm;
}

struct kt_vcpu kt_vcpu_create(const struct kt_vm *vm, unsigned int id)
{
	int size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct kt_vcpu vcpu;

	REQUIRE(size >= (int)sizeof(struct kvm_run));
	vcpu.run_size = (size_t)size;
	vcpu.fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)id);
	REQUIRE(vcpu.fd >= 0);
	vcpu.run = mmap(NULL, vcpu.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu.fd, 0);
	REQUIRE(vcpu.run != MAP_FAILED);
	return vcpu;
}

void kt_vcpu_close(struct kt_vcpu *vcpu)
{
	CHECK_OK(munmap(vcpu->run, vcpu->run_size));
	CHECK_OK(close(vcpu->fd));
	vcpu->fd = -1;
}

void kt_vm_close(struct kt_vm *vm)
{
	CHECK_OK(close(vm->fd));
	CHECK_OK(close(vm->kvm));
	vm->fd = vm->kvm = -1;
}

int kt_slot_flags(const struct kt_vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa,
		  uint64_t size, const void *host)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

int kt_slot(const struct kt_vm *vm, uint32_t slot, uint64_t gpa, uint64_t size, const void *host)
{
	return kt_slot_flags(vm, slot, 0, gpa, size, host);
}

void *kt_anon(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(mem != MAP_FAILED);
	return mem;
}

void *kt_memory(const struct kt_vm *vm, uint32_t slot, uint64_t gpa, size_t size)
{
	void *mem = kt_anon(size);

	REQUIRE(kt_slot(vm, slot, gpa, size, mem) == 0);
	return mem;
}

struct kvm_regs kt_regs(const struct kt_vcpu *vcpu)
{
	struct kvm_regs regs;

	REQUIRE(ioctl(vcpu->fd, KVM_GET_REGS, &regs) == 0);
	return regs;
}

void kt_set_regs(const struct kt_vcpu *vcpu, const struct kvm_regs *regs)
{
	REQUIRE(ioctl(vcpu->fd, KVM_SET_REGS, regs) == 0);
}

struct kvm_sregs kt_sregs(const struct kt_vcpu *vcpu)
{
	struct kvm_sregs sregs;

	REQUIRE(ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) == 0);
	return sregs;
}

/* ---- modes ---- */

static struct kvm_segment flat(uint16_t selector, uint8_t type, bool big, bool lng)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.db = big,
		.l = lng,
		.s = 1,
		.g = 1,
	};
}

static struct kvm_segment real_segment(uint8_t type)
{
	return (struct kvm_segment){ .limit = 0xffff, .type = type, .present = 1, .s = 1 };
}

static void set_segments(struct kvm_sregs *s, struct kvm_segment code, struct kvm_segment data)
{
	s->cs = code;
	s->ds = s->es = s->fs = s->gs = s->ss = data;
}

/* Pages of 2 MiB, all of them present, writable and for the user. */
static void identity_tables(uint8_t *mem)
{
	uint64_t *pml4 = (uint64_t *)(mem + KT_TABLES);
	uint64_t *pdpt = pml4 + 512;
	uint64_t *pd = pdpt + 512;

	memset(pml4, 0, 2 * KT_PAGE);
	pml4[0] = (KT_TABLES + KT_PAGE) | 7;
	for (uint64_t i = 0; i < KT_MAPPED_GIB; i++)
		pdpt[i] = (KT_TABLES + (2 + i) * KT_PAGE) | 7;
	for (uint64_t i = 0; i < KT_MAPPED_GIB * 512; i++)
		pd[i] = i << 21 | 0x87;
}

static void long_mode(struct kvm_sregs *s, uint8_t *mem)
{
	identity_tables(mem);
	set_segments(s, flat(8, 11, false, true), flat(16, 3, true, false));
	s->cr0 = 0x80000033; /* PG, NE, ET, MP, PE */
	s->cr3 = KT_TABLES;
	s->cr4 = 0x620; /* PAE, OSFXSR, OSXMMEXCPT */
	s->efer = 0x500; /* LMA, LME */
}

void kt_start(const struct kt_vcpu *vcpu, void *mem, enum kt_mode mode, uint64_t rip)
{
	struct kvm_regs regs = { .rip = rip, .rsp = GUEST_STACK, .rflags = 2 };
	struct kvm_sregs s = kt_sregs(vcpu);

	s.cr0 = 0x30;
	s.cr4 = s.cr3 = s.efer = 0;
	s.idt.limit = 0xffff;
	switch (mode) {
	case KT_REAL:
		s.idt.base = 0;
		set_segments(&s, real_segment(11), real_segment(3));
		break;
	case KT_PROT32:
		set_segments(&s, flat(8, 11, true, false), flat(16, 3, true, false));
		s.cr0 = 0x33;
		s.cr4 = 0x600;
		break;
	case KT_LONG64:
		long_mode(&s, mem);
		break;
	}
	REQUIRE(ioctl(vcpu->fd, KVM_SET_SREGS, &s) == 0);
	kt_set_regs(vcpu, &regs);
}

/* ---- guests ---- */

void kt_guest_load(struct kt_guest *guest, enum kt_mode mode, struct kt_code code)
{
	REQUIRE(kt_code_size(code) <= GUEST_STACK - KT_CODE);
	memcpy(guest->mem + KT_CODE, code.start, kt_code_size(code));
	kt_start(&guest->vcpu, guest->mem, mode, KT_CODE);
}

struct kt_guest kt_guest(enum kt_mode mode, struct kt_code code)
{
	struct kt_guest guest = { .vm = kt_vm_create() };

	guest.mem = kt_memory(&guest.vm, 0, 0, KT_GUEST_SIZE);
	guest.vcpu = kt_vcpu_create(&guest.vm, 0);
	kt_guest_load(&guest, mode, code);
	return guest;
}

void kt_guest_close(struct kt_guest *guest)
{
	kt_vcpu_close(&guest->vcpu);
	kt_vm_close(&guest->vm);
	CHECK_OK(munmap(guest->mem, KT_GUEST_SIZE));
}

const char *kt_reason(uint32_t reason)
{
	static const char *const names[] = {
		[KVM_EXIT_UNKNOWN] = "UNKNOWN",
		[KVM_EXIT_IO] = "IO",
		[KVM_EXIT_DEBUG] = "DEBUG",
		[KVM_EXIT_HLT] = "HLT",
		[KVM_EXIT_MMIO] = "MMIO",
		[KVM_EXIT_SHUTDOWN] = "SHUTDOWN",
		[KVM_EXIT_FAIL_ENTRY] = "FAIL_ENTRY",
		[KVM_EXIT_INTR] = "INTR",
		[KVM_EXIT_INTERNAL_ERROR] = "INTERNAL_ERROR",
	};

	return reason < KT_LEN(names) && names[reason] ? names[reason] : "another";
}

static void describe_exit(const struct kvm_run *run)
{
	if (run->exit_reason == KVM_EXIT_IO)
		kt_note("io: port 0x%x size %u count %u direction %u", run->io.port, run->io.size,
			run->io.count, run->io.direction);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		kt_note("internal error %u", run->internal.suberror);
	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		kt_note("hardware reason 0x%llx",
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	if (run->exit_reason == KVM_EXIT_MMIO)
		kt_note("mmio at 0x%llx", (unsigned long long)run->mmio.phys_addr);
}

void kt_run(const struct kt_vcpu *vcpu, uint32_t reason)
{
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_RUN, 0) != 0) {
		kt_fail(at_file, at_line, "KVM_RUN failed, errno %d", errno);
		kt_end();
	}
	if (vcpu->run->exit_reason == reason)
		return;
	regs = kt_regs(vcpu);
	kt_fail(at_file, at_line, "exit %s (%u), not %s, at rip 0x%llx",
		kt_reason(vcpu->run->exit_reason), vcpu->run->exit_reason, kt_reason(reason),
		(unsigned long long)regs.rip);
	describe_exit(vcpu->run);
	kt_end();
}

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

int kt_set_msr(const struct kt_vcpu *vcpu, uint32_t index, uint64_t value)
{
	struct one_msr msr = { { .nmsrs = 1 }, { .index = index, .data = value } };

	return ioctl(vcpu->fd, KVM_SET_MSRS, &msr);
}

uint64_t kt_msr(const struct kt_vcpu *vcpu, uint32_t index)
{
	struct one_msr msr = { { .nmsrs = 1 }, { .index = index } };

	REQUIRE(ioctl(vcpu->fd, KVM_GET_MSRS, &msr) == 1);
	return msr.entry.data;
}

void *kt_io_data(const struct kt_vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	uint64_t bytes = (uint64_t)run->io.size * run->io.count;

	REQUIRE(run->io.data_offset <= vcpu->run_size);
	REQUIRE(bytes <= vcpu->run_size - run->io.data_offset);
	return (uint8_t *)vcpu->run + run->io.data_offset;
}

void kt_set_cpuid(const struct kt_vm *vm, const struct kt_vcpu *vcpu)
{
	const unsigned int max = 100;
	struct kvm_cpuid2 *cpuid;

	if (ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_EXT_CPUID) <= 0)
		return;
	cpuid = calloc(1, sizeof(*cpuid) + max * sizeof(cpuid->entries[0]));
	REQUIRE(cpuid != NULL);
	cpuid->nent = max;
	REQUIRE(ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) == 0);
	REQUIRE(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) == 0);
	free(cpuid);
}

uint64_t kt_meminfo(const char *key)
{
	unsigned long long value = 0;
	char line[128];
	FILE *file = fopen("/proc/meminfo", "r");

	REQUIRE(file != NULL);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			sscanf(line + strlen(key) + 1, "%llu", &value);
	fclose(file);
	return value;
}
