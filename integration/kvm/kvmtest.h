/* SPDX-License-Identifier: MIT */
/*
 * What the KVM API tests share: TAP output, one child process per test case, and short
 * ways to make a VM, give it memory and start a vCPU in a given mode.
 *
 * A helper that can't do its work reports a failure and ends the test case; so test cases
 * read as a plain list of steps. Every test must pass on stock kvm_amd and on our driver.
 */
#ifndef KVMTEST_H
#define KVMTEST_H

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define KT_PAGE 4096UL
#define KT_MIB (1UL << 20)
#define KT_LEN(a) (sizeof(a) / sizeof((a)[0]))

struct kt_test {
	const char *name;
	void (*run)(void);
};

/* The monotonic clock. */
double kt_seconds(void);

/*
 * The i-th of the CPUs that the program was started on, counted round: for sched_setaffinity.
 * In the lab CPU 0 isn't among them; integration/README.md says why.
 */
cpu_set_t kt_cpu(unsigned int i);

/* The body of main(): runs each case in a child of its own, prints TAP, returns the exit code. */
int kt_main(const struct kt_test *tests, unsigned int count);

#define KT_MAIN(tests)                                                                             \
	int main(void)                                                                             \
	{                                                                                          \
		return kt_main(tests, KT_LEN(tests));                                              \
	}

/* Report a failure of the running case as a TAP diagnostic; the case goes on. */
void kt_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* End the running case now, as failed (when a failure was reported) or passed. */
void kt_end(void) __attribute__((noreturn));
/* End the running case as skipped, with a reason. */
void kt_skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* What the case is about to do; each failure from here on says it too. */
void kt_context(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Print a TAP comment. */
void kt_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The condition must hold; the case goes on (CHECK) or ends (REQUIRE) when it does not. */
#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			kt_fail(__FILE__, __LINE__, "%s", #cond);                                  \
	} while (0)

#define REQUIRE(cond)                                                                              \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			kt_fail(__FILE__, __LINE__, "%s (errno %d)", #cond, errno);                \
			kt_end();                                                                  \
		}                                                                                  \
	} while (0)

#define CHECK_EQ(got, want)                                                                        \
	do {                                                                                       \
		uint64_t g_ = (uint64_t)(got), w_ = (uint64_t)(want);                              \
		if (g_ != w_)                                                                      \
			kt_fail(__FILE__, __LINE__, "%s is 0x%llx, not 0x%llx", #got,              \
				(unsigned long long)g_, (unsigned long long)w_);                   \
	} while (0)

/* The call must return -1 with this errno. */
#define CHECK_ERRNO(call, want)                                                                    \
	do {                                                                                       \
		errno = 0;                                                                         \
		long r_ = (long)(call);                                                            \
		int e_ = errno;                                                                    \
		if (r_ != -1 || e_ != (want))                                                      \
			kt_fail(__FILE__, __LINE__, "%s gave %ld, errno %d, not errno %d", #call,  \
				r_, e_, (want));                                                   \
	} while (0)

/* The call must not fail. */
#define CHECK_OK(call)                                                                             \
	do {                                                                                       \
		if ((long)(call) < 0)                                                              \
			kt_fail(__FILE__, __LINE__, "%s failed, errno %d", #call, errno);          \
	} while (0)

struct kt_vcpu {
	int fd;
	struct kvm_run *run;
	size_t run_size; /* bytes mapped at run */
};

struct kt_vm {
	int kvm; /* /dev/kvm */
	int fd;
};

int kt_open(void);
struct kt_vm kt_vm_create(void);
struct kt_vcpu kt_vcpu_create(const struct kt_vm *vm, unsigned int id);
void kt_vcpu_close(struct kt_vcpu *vcpu);
void kt_vm_close(struct kt_vm *vm);

/* One KVM_SET_USER_MEMORY_REGION, result and errno as the ioctl gives them. */
int kt_slot(const struct kt_vm *vm, uint32_t slot, uint64_t gpa, uint64_t size, const void *host);
int kt_slot_flags(const struct kt_vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa,
		  uint64_t size, const void *host);
/* Fresh anonymous memory, not yet a slot. */
void *kt_anon(size_t size);
/* Fresh anonymous memory as a slot of the VM. */
void *kt_memory(const struct kt_vm *vm, uint32_t slot, uint64_t gpa, size_t size);

/*
 * Guest code: GUEST_CODE in guest.inc leaves NAME and NAME_end around it in the test's own
 * image; it is position independent or assembled for KT_CODE.
 */
#define KT_CODE 0x1000UL

struct kt_code {
	const void *start;
	const void *end;
};

#define GUEST(name) extern const uint8_t name[], name##_end[]
#define CODE(name) ((struct kt_code){ name, name##_end })

static inline size_t kt_code_size(struct kt_code code)
{
	return (size_t)((const char *)code.end - (const char *)code.start);
}

enum kt_mode { KT_REAL, KT_PROT32, KT_LONG64 };

/* Page tables of KT_LONG64: identity map of the first 8 GiB, in 2 MiB pages, made by kt_start. */
#define KT_TABLES 0x10000UL
#define KT_MAPPED_GIB 8

/* Put the vCPU into a mode with flat segments, RIP at rip, RSP at 0x8000, IF clear. */
void kt_start(const struct kt_vcpu *vcpu, void *mem, enum kt_mode mode, uint64_t rip);

/* A VM with one vCPU and some memory at 0, code loaded at KT_CODE and ready to run. */
struct kt_guest {
	struct kt_vm vm;
	struct kt_vcpu vcpu;
	uint8_t *mem;
};

#define KT_GUEST_SIZE (2 * KT_MIB)

struct kt_guest kt_guest(enum kt_mode mode, struct kt_code code);
void kt_guest_close(struct kt_guest *guest);
/* Load other code into the same guest and start again in that mode. */
void kt_guest_load(struct kt_guest *guest, enum kt_mode mode, struct kt_code code);

/* KVM_RUN must succeed and give this exit reason, else the case ends. */
void kt_run(const struct kt_vcpu *vcpu, uint32_t reason);
#define RUN(vcpu, reason)                                                                          \
	do {                                                                                       \
		kt_at(__FILE__, __LINE__);                                                         \
		kt_run(vcpu, reason);                                                              \
	} while (0)
/* Where the next kt_run is called from, for its diagnostics. */
void kt_at(const char *file, int line);
const char *kt_reason(uint32_t reason);

struct kvm_regs kt_regs(const struct kt_vcpu *vcpu);
void kt_set_regs(const struct kt_vcpu *vcpu, const struct kvm_regs *regs);
struct kvm_sregs kt_sregs(const struct kt_vcpu *vcpu);
/* One KVM_SET_MSRS, as the ioctl gives it; an MSR, which must be there. */
int kt_set_msr(const struct kt_vcpu *vcpu, uint32_t index, uint64_t value);
uint64_t kt_msr(const struct kt_vcpu *vcpu, uint32_t index);
/* Data of the last KVM_EXIT_IO, checked to lie inside the mapping. */
void *kt_io_data(const struct kt_vcpu *vcpu);
/*
 * Give the vCPU the CPUID that the driver supports. A driver without KVM_CAP_EXT_CPUID
 * has no such call: there the vCPU keeps what it has.
 */
void kt_set_cpuid(const struct kt_vm *vm, const struct kt_vcpu *vcpu);

/* Figures of /proc/meminfo in KiB. */
uint64_t kt_meminfo(const char *key);

#endif
