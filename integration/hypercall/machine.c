// SPDX-License-Identifier: MIT
/*
 * The machine under the tests: MicroV without the shim, whose shared pages would be
 * in the way, the test module, and physical memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hct.h"

unsigned int cpu_count;
uint64_t hidden_spa, hidden_bytes;

static int device = -1;
static char build[4096];
static bool had_shim, started, loaded_module;

static void give_up(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	machine_close();
	exit(EXIT_FAILURE);
}

/* The tests are in build/hypercall-tests. */
static void find_build(void)
{
	ssize_t n = readlink("/proc/self/exe", build, sizeof(build) - 1);

	if (n < 0)
		give_up("/proc/self/exe");
	build[n] = '\0';
	for (int i = 0; i < 2 && strrchr(build, '/'); i++)
		*strrchr(build, '/') = '\0';
}

static int mvctl(const char *words)
{
	char command[5000];

	snprintf(command, sizeof(command), "'%s/mvctl' %s >&2", build, words);
	return system(command);
}

static void load_module(void)
{
	char path[4200];
	int fd;

	snprintf(path, sizeof(path), "%s/modules/mv_hctest.ko", build);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		give_up(path);
	if (syscall(SYS_finit_module, fd, "", 0) == 0)
		loaded_module = true;
	else if (errno != EEXIST)
		give_up("mv_hctest.ko");
	close(fd);
	device = open("/dev/" MV_HCTEST_DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0)
		give_up("/dev/" MV_HCTEST_DEVICE);
}

bool hidden_piece(uint64_t n, uint64_t *spa, uint64_t *bytes)
{
	struct mv_loader_status st = { .hidden_nr = n };
	int fd = open("/dev/" MV_LOADER_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, MV_LOADER_STATUS, &st) < 0)
		give_up("/dev/" MV_LOADER_DEVICE);
	close(fd);
	*spa = st.hidden_spa;
	*bytes = st.hidden_bytes;
	return st.hidden_bytes;
}

static bool msr_access(unsigned int cpu, uint32_t index, uint64_t *value, uint32_t write)
{
	struct hct_msr msr = { .value = *value, .index = index, .cpu = cpu, .write = write };

	if (ioctl(device, HCT_MSR, &msr) < 0)
		give_up("HCT_MSR");
	*value = msr.value;
	return msr.fault;
}

bool msr_read(unsigned int cpu, uint32_t index, uint64_t *value)
{
	return msr_access(cpu, index, value, 0);
}

bool msr_write(unsigned int cpu, uint32_t index, uint64_t value)
{
	return msr_access(cpu, index, &value, 1);
}

uint64_t msr_swap(unsigned int cpu, uint32_t index, uint64_t value)
{
	msr_access(cpu, index, &value, HCT_MSR_SWAP);
	return value;
}

uint32_t svm_insn(unsigned int cpu, unsigned int number, uint64_t arg)
{
	struct hct_insn insn = { .arg = arg, .number = number, .cpu = cpu };

	if (ioctl(device, HCT_INSN, &insn) < 0)
		give_up("HCT_INSN");
	return insn.trap;
}

void machine_open(bool without_shim)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	find_build();
	cpu_count = sysconf(_SC_NPROCESSORS_ONLN);
	had_shim = access("/sys/module/microv_kvm/refcnt", F_OK) == 0;
	if (access("/sys/module/microv_loader/refcnt", F_OK) != 0) {
		if (mvctl("start --no-shim") != 0)
			give_up("mvctl start --no-shim");
		started = true;
	}
	if (without_shim && had_shim && syscall(SYS_delete_module, "microv_kvm", O_NONBLOCK) != 0)
		give_up("unloading microv_kvm");
	load_module();
	hidden_piece(0, &hidden_spa, &hidden_bytes);
}

void machine_close(void)
{
	if (device >= 0) {
		ioctl(device, HCT_FREE);
		close(device);
	}
	if (loaded_module)
		syscall(SYS_delete_module, "mv_hctest", O_NONBLOCK);
	if (had_shim && access("/sys/module/microv_kvm/refcnt", F_OK) != 0)
		mvctl("start");
	else if (started)
		mvctl("stop");
}

struct pages pages_alloc(unsigned int order)
{
	struct hct_alloc alloc = { .order = order };
	struct pages p = { .bytes = 4096UL << order };

	if (ioctl(device, HCT_ALLOC, &alloc) < 0)
		give_up("allocating pages");
	p.spa = alloc.spa;
	p.va = mmap(NULL, p.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, device, alloc.spa);
	if (p.va == MAP_FAILED)
		give_up("mapping pages");
	return p;
}

int phys_copy(uint64_t spa, void *buffer, uint32_t bytes, bool write)
{
	struct hct_phys phys = {
		.spa = spa,
		.buffer = (uintptr_t)buffer,
		.bytes = bytes,
		.write = write,
	};

	return ioctl(device, HCT_PHYS, &phys) < 0 ? -errno : 0;
}

struct hct_call hc_raw(unsigned int cpu, uint64_t rax, uint64_t r0, uint64_t r1, uint64_t r2,
		       uint64_t r3)
{
	struct hct_call call = { .rax = rax, .reg = { r0, r1, r2, r3 }, .cpu = cpu };

	if (ioctl(device, HCT_CALL, &call) < 0) {
		test_note(__FILE__, __LINE__, "HCT_CALL: %s", strerror(errno));
		call.fault = 2;
	}
	return call;
}

void hc_with_xmm7(uint64_t rax, uint64_t r1, const uint8_t in[16], uint8_t out[16])
{
	struct hct_call call = { .rax = rax, .reg = { handle, r1 } };
	long result = SYS_ioctl;

	/* No code of the C library may come between. */
	asm volatile("movdqu (%[in]), %%xmm7\n\t"
		     "syscall\n\t"
		     "movdqu %%xmm7, (%[out])"
		     : "+a"(result)
		     : [in] "r"(in), [out] "r"(out), "D"((long)device), "S"(HCT_CALL), "d"(&call)
		     : "rcx", "r11", "xmm7", "memory");
	check_eq(result, 0);
	check_eq(call.rax, MV_STATUS_SUCCESS);
}
