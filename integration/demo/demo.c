// SPDX-License-Identifier: MIT
/*
 * A KVM host in a few lines of code: runs two guests through /dev/kvm, with no
 * more than the ioctls that this takes, and tells what it does. The first guest
 * prints a greeting from 16-bit real mode; the second computes in 64-bit mode
 * with paging on, and what it says is checked. The same binary runs on MicroV
 * and on any other provider of /dev/kvm.
 */
#include <asm/processor-flags.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_SIZE 0x400000u
#define SERIAL_PORT 0x3f8

#define GUEST16_ENTRY 0x1000u

/* Where the second guest's pages are (gpa), and where it sees them (gla). */
#define PML4_GPA 0x1000u
#define LOW_PDPT_GPA 0x2000u
#define LOW_PD_GPA 0x3000u
#define LOW_PT_GPA 0x4000u
#define HIGH_PDPT_GPA 0x5000u
#define HIGH_PD_GPA 0x6000u
#define CODE_GPA 0x10000u
#define CODE_PAGES 16u
#define GUEST64_ENTRY 0x400000ull
#define GUEST64_STACK (GUEST64_ENTRY + CODE_PAGES * 4096)
#define SIEVE_GPA 0x200000u
#define SIEVE_GLA 0xffff800000000000ull
#define SIEVE_LIMIT 1000000u

#define PTE_PRESENT 1ull
#define PTE_WRITE 2ull
#define PTE_LARGE 0x80ull

#define EFER_LME 0x100ull
#define EFER_LMA 0x400ull

extern const uint8_t guest16_code[], guest16_code_end[];
extern const uint8_t guest64_code[], guest64_code_end[];

struct vm {
	int kvm_fd;
	int fd;
	int vcpu_fd;
	uint8_t *memory;
	struct kvm_run *run;
	size_t run_size;
	char output[256]; /* what the guest printed */
	size_t output_len;
};

static void __attribute__((format(printf, 1, 2), noreturn)) die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "demo: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(EXIT_FAILURE);
}

/* An ioctl that must succeed. */
static int must_ioctl(int fd, unsigned long request, const char *name, void *arg)
{
	int result = ioctl(fd, request, arg);

	if (result < 0)
		die("%s: %s", name, strerror(errno));
	return result;
}

#define MUST_IOCTL(fd, request, arg) must_ioctl(fd, request, #request, (void *)(arg))

static void open_kvm(struct vm *vm)
{
	int version;

	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0)
		die("/dev/kvm: %s", strerror(errno));
	version = MUST_IOCTL(vm->kvm_fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		die("KVM API version %d, %d is needed", version, KVM_API_VERSION);
	if (MUST_IOCTL(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) == 0)
		die("no KVM_CAP_USER_MEMORY");
	printf("  /dev/kvm is open, API version %d\n", version);
}

static void create_memory(struct vm *vm)
{
	struct kvm_userspace_memory_region region = {
		.slot = 0,
		.guest_phys_addr = 0,
		.memory_size = MEMORY_SIZE,
	};

	vm->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm->memory == MAP_FAILED)
		die("guest memory: %s", strerror(errno));
	region.userspace_addr = (uintptr_t)vm->memory;
	MUST_IOCTL(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
	printf("  %u KiB of this process are the guest's memory\n", MEMORY_SIZE / 1024);
}

static void create_vcpu(struct vm *vm)
{
	int size = MUST_IOCTL(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	if ((size_t)size < sizeof(*vm->run))
		die("kvm_run has only %d bytes", size);
	vm->vcpu_fd = MUST_IOCTL(vm->fd, KVM_CREATE_VCPU, 0);
	vm->run_size = size;
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu_fd, 0);
	if (vm->run == MAP_FAILED)
		die("kvm_run: %s", strerror(errno));
	printf("  vCPU 0 is there, with %d bytes shared for its exits\n", size);
}

static void vm_create(struct vm *vm)
{
	memset(vm, 0, sizeof(*vm));
	open_kvm(vm);
	vm->fd = MUST_IOCTL(vm->kvm_fd, KVM_CREATE_VM, 0);
	printf("  a VM is created\n");
	create_memory(vm);
	create_vcpu(vm);
}

static void vm_destroy(struct vm *vm)
{
	munmap(vm->run, vm->run_size);
	close(vm->vcpu_fd);
	close(vm->fd);
	close(vm->kvm_fd);
	munmap(vm->memory, MEMORY_SIZE);
}

static void load(struct vm *vm, uint32_t gpa, const uint8_t *code, const uint8_t *end)
{
	memcpy(vm->memory + gpa, code, end - code);
}

/* CS and the others get base 0: the guest's addresses are those it is linked at. */
static void start_in_real_mode(struct vm *vm)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = GUEST16_ENTRY, .rflags = X86_EFLAGS_FIXED };

	MUST_IOCTL(vm->vcpu_fd, KVM_GET_SREGS, &sregs);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	MUST_IOCTL(vm->vcpu_fd, KVM_SET_SREGS, &sregs);
	MUST_IOCTL(vm->vcpu_fd, KVM_SET_REGS, &regs);
	printf("  vCPU: 16-bit real mode, ip = %#x\n", GUEST16_ENTRY);
}

static void set_entry(struct vm *vm, uint32_t table_gpa, unsigned int index, uint64_t entry)
{
	memcpy(vm->memory + table_gpa + index * sizeof(entry), &entry, sizeof(entry));
}

/* The code in 4 KiB pages low, the sieve in one 2 MiB page in the upper half. */
static void build_page_tables(struct vm *vm)
{
	const uint64_t flags = PTE_PRESENT | PTE_WRITE;
	unsigned int i;

	set_entry(vm, PML4_GPA, 0, LOW_PDPT_GPA | flags);
	set_entry(vm, LOW_PDPT_GPA, 0, LOW_PD_GPA | flags);
	set_entry(vm, LOW_PD_GPA, GUEST64_ENTRY >> 21, LOW_PT_GPA | flags);
	for (i = 0; i < CODE_PAGES; i++)
		set_entry(vm, LOW_PT_GPA, i, (CODE_GPA + i * 4096) | flags);

	set_entry(vm, PML4_GPA, (SIEVE_GLA >> 39) & 511, HIGH_PDPT_GPA | flags);
	set_entry(vm, HIGH_PDPT_GPA, 0, HIGH_PD_GPA | flags);
	set_entry(vm, HIGH_PD_GPA, 0, SIEVE_GPA | flags | PTE_LARGE);
}

static void start_in_long_mode(struct vm *vm)
{
	struct kvm_segment code = {
		.limit = 0xffffffff,
		.selector = 0x08,
		.type = 11, /* code, readable, accessed */
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1,
	};
	struct kvm_segment data = code;
	struct kvm_sregs sregs;
	struct kvm_regs regs = {
		.rip = GUEST64_ENTRY,
		.rsp = GUEST64_STACK,
		.rflags = X86_EFLAGS_FIXED,
	};

	data.selector = 0x10;
	data.type = 3; /* data, writable, accessed */
	data.l = 0;
	data.db = 1;

	MUST_IOCTL(vm->vcpu_fd, KVM_GET_SREGS, &sregs);
	sregs.cr0 = X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_PG;
	sregs.cr3 = PML4_GPA;
	sregs.cr4 = X86_CR4_PAE;
	sregs.efer = EFER_LME | EFER_LMA;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	MUST_IOCTL(vm->vcpu_fd, KVM_SET_SREGS, &sregs);
	MUST_IOCTL(vm->vcpu_fd, KVM_SET_REGS, &regs);
	printf("  vCPU: 64-bit mode, paging on, cr3 = %#x, rip = %#llx\n", PML4_GPA,
	       GUEST64_ENTRY);
}

/* Prints what the guest sends to its serial line, marked as the guest's. */
static void guest_prints(struct vm *vm, char c)
{
	static bool in_line;

	if (!in_line)
		fputs("guest: ", stdout);
	putchar(c);
	in_line = c != '\n';
	if (vm->output_len < sizeof(vm->output) - 1)
		vm->output[vm->output_len++] = c;
}

static void handle_io(struct vm *vm)
{
	struct kvm_run *run = vm->run;
	const char *data = (const char *)run + run->io.data_offset;
	uint32_t i;

	if (run->io.direction != KVM_EXIT_IO_OUT || run->io.port != SERIAL_PORT ||
	    run->io.size != 1)
		die("the guest used port %#x (%s, %u bytes), which is not there", run->io.port,
		    run->io.direction == KVM_EXIT_IO_OUT ? "OUT" : "IN", run->io.size);
	for (i = 0; i < run->io.count; i++)
		guest_prints(vm, data[i]);
}

static void __attribute__((noreturn)) die_of_exit(struct vm *vm)
{
	struct kvm_run *run = vm->run;
	struct kvm_regs regs;

	MUST_IOCTL(vm->vcpu_fd, KVM_GET_REGS, &regs);
	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		die("the guest shut down (triple fault) at rip %#llx", regs.rip);
	case KVM_EXIT_FAIL_ENTRY:
		die("the CPU refused to enter the guest, reason %#llx",
		    run->fail_entry.hardware_entry_failure_reason);
	case KVM_EXIT_INTERNAL_ERROR:
		die("KVM internal error %u at rip %#llx", run->internal.suberror, regs.rip);
	case KVM_EXIT_MMIO:
		die("the guest accessed %#llx, where no memory is, at rip %#llx",
		    run->mmio.phys_addr, regs.rip);
	default:
		die("unexpected exit %u at rip %#llx", run->exit_reason, regs.rip);
	}
}

/* Runs the guest until it halts. */
static void run_until_halt(struct vm *vm)
{
	unsigned long io_exits = 0;

	for (;;) {
		if (ioctl(vm->vcpu_fd, KVM_RUN, 0) < 0) {
			if (errno == EINTR)
				continue;
			die("KVM_RUN: %s", strerror(errno));
		}
		if (vm->run->exit_reason == KVM_EXIT_HLT)
			break;
		if (vm->run->exit_reason != KVM_EXIT_IO)
			die_of_exit(vm);
		handle_io(vm);
		io_exits++;
	}
	printf("  the guest halted after %lu I/O exits\n", io_exits);
}

static void expect(const struct vm *vm, const char *text)
{
	if (strcmp(vm->output, text) != 0)
		die("wrong; it should have said: %s", text);
}

static uint32_t crc32(const uint8_t *data, size_t size)
{
	uint32_t crc = UINT32_MAX;
	int bit;

	while (size--) {
		crc ^= *data++;
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static void demo_real_mode(void)
{
	struct vm vm;

	printf("Guest 1: a few bytes of 16-bit code\n");
	vm_create(&vm);
	load(&vm, GUEST16_ENTRY, guest16_code, guest16_code_end);
	start_in_real_mode(&vm);
	run_until_halt(&vm);
	expect(&vm, "Hello from 16-bit real mode!\n");
	vm_destroy(&vm);
}

/* The checksum is taken from the guest's memory as the host sees it. */
static void demo_long_mode(void)
{
	char text[sizeof(((struct vm *)0)->output)];
	struct vm vm;

	printf("Guest 2: computes in 64-bit mode with paging on\n");
	vm_create(&vm);
	load(&vm, CODE_GPA, guest64_code, guest64_code_end);
	build_page_tables(&vm);
	start_in_long_mode(&vm);
	run_until_halt(&vm);
	snprintf(text, sizeof(text),
		 "78498 primes below 1000000, the largest is 999983; "
		 "CRC-32 of the sieve: %08" PRIx32 "\n",
		 crc32(vm.memory + SIEVE_GPA, SIEVE_LIMIT));
	expect(&vm, text);
	printf("  all of it is right, and the checksum is that of the memory seen from here\n");
	vm_destroy(&vm);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	demo_real_mode();
	demo_long_mode();
	printf("Both guests ran through /dev/kvm.\n");
	return EXIT_SUCCESS;
}
