/* SPDX-License-Identifier: MIT */
/*
 * What the hypercall tests share: TAP, hypercalls by way of the test module, lists in
 * the shared page, and a VM that is made and destroyed in one call.
 */
#ifndef HCT_H
#define HCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../../abi/mv_abi.h"
#include "../../microkernel/loader/mv_loader.h"
#include "mv_hctest.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* TAP. A failed check is reported and the test goes on; require() ends the test. */

struct test {
	const char *name;
	void (*run)(void);
};

extern bool test_failed;

void test_note(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define check(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			test_note(__FILE__, __LINE__, "%s", #condition);                           \
	} while (0)

#define check_eq(got, want)                                                                        \
	do {                                                                                       \
		unsigned long long got_ = (got), want_ = (want);                                   \
		if (got_ != want_)                                                                 \
			test_note(__FILE__, __LINE__, "%s is 0x%llx, not 0x%llx", #got, got_,      \
				  want_);                                                          \
	} while (0)

#define require(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			test_note(__FILE__, __LINE__, "%s", #condition);                           \
			return;                                                                    \
		}                                                                                  \
	} while (0)

#define skip_unless(condition, why)                                                                \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			test_skip(why);                                                            \
			return;                                                                    \
		}                                                                                  \
	} while (0)

void test_skip(const char *why);
/* Runs all tests, or those whose name contains `only`; returns the exit status. */
int test_main(const struct test *const *suites, size_t suites_count, const char *only);

/* The machine. */

extern unsigned int cpu_count;
extern uint64_t hidden_spa, hidden_bytes; /* of the hypervisor */

/* Loads the test module; starts MicroV without the shim where needed. Exits when it can't. */
void machine_open(bool without_shim);
/* Puts everything back as machine_open() found it. */
void machine_close(void);

struct pages {
	uint64_t spa;
	uint8_t *va;
	size_t bytes;
};

/* Zeroed and contiguous; freed at the end. Ends the program when there are none. */
struct pages pages_alloc(unsigned int order);
/* Reads (false) or writes physical memory within a page; 0 or -errno. */
int phys_copy(uint64_t spa, void *buffer, uint32_t bytes, bool write);

/* The n-th piece of the hypervisor's memory; false: there are no more. */
bool hidden_piece(uint64_t n, uint64_t *spa, uint64_t *bytes);
/* What HCT_MSR and HCT_INSN do. True: it faulted; the vector, or ~0. */
bool msr_read(unsigned int cpu, uint32_t index, uint64_t *value);
bool msr_write(unsigned int cpu, uint32_t index, uint64_t value);
uint64_t msr_swap(unsigned int cpu, uint32_t index, uint64_t value);
uint32_t svm_insn(unsigned int cpu, unsigned int number, uint64_t arg);

/* Hypercalls. The registers of `struct hct_call` are the answer's afterwards. */

extern uint64_t handle;

#define HC(GROUP, NAME) MV_HYPERCALL(MV_##GROUP##_OP, MV_##GROUP##_OP_##NAME##_IDX_VAL)

struct hct_call hc_raw(unsigned int cpu, uint64_t rax, uint64_t r0, uint64_t r1, uint64_t r2,
		       uint64_t r3);
/* On CPU 0 with the handle, until it isn't RETRY_CONTINUATION any more. */
struct hct_call hc(uint64_t rax, uint64_t r1, uint64_t r2, uint64_t r3);

/* The same while XMM7 holds in[]; out[] is what it holds right after. No retries. */
void hc_with_xmm7(uint64_t rax, uint64_t r1, const uint8_t in[16], uint8_t out[16]);

/* The status is `want`; REG0 to REG3 are as they were given. */
void check_refused_at(const char *file, int line, uint64_t rax, uint64_t r1, uint64_t r2,
		      uint64_t r3, mv_status_t want);
#define check_refused(rax, r1, r2, r3, want)                                                       \
	check_refused_at(__FILE__, __LINE__, rax, r1, r2, r3, want)

/* The shared page of CPU 0, and its parts. */
extern struct pages shared;

static inline struct mv_mdl_t *mdl(void)
{
	return (struct mv_mdl_t *)shared.va;
}

static inline struct mv_rdl_t *rdl(void)
{
	return (struct mv_rdl_t *)shared.va;
}

static inline struct mv_run_t *run_page(void)
{
	return (struct mv_run_t *)shared.va;
}

void shared_set(void);
void shared_clear(void);

#define RWX (MV_MAP_FLAG_READ_ACCESS | MV_MAP_FLAG_WRITE_ACCESS | MV_MAP_FLAG_EXECUTE_ACCESS)

void mdl_clear(void);
void mdl_add(uint64_t dst, uint64_t src, uint64_t bytes, uint64_t flags);
/* A list of one entry, and its hypercall. */
mv_status_t map_one(uint16_t vm, uint64_t dst, uint64_t src, uint64_t bytes, uint64_t flags);
mv_status_t unmap_one(uint16_t vm, uint64_t dst, uint64_t bytes);
mv_status_t donate_one(uint16_t vm, uint64_t src, uint64_t bytes);

mv_status_t reg_set(uint16_t vs, enum mv_reg_t reg, uint64_t value);
uint64_t reg_get(uint16_t vs, enum mv_reg_t reg);

/* A VM with a VP, a VS and memory at GPA 0. */
struct guest {
	uint16_t vm, vp, vs;
	struct pages pool, ram;
};

#define GUEST_POOL_ORDER 6
#define GUEST_RAM_ORDER 4

bool guest_create(struct guest *g);
void guest_destroy(struct guest *g);

extern const struct test basic_tests[], object_tests[], memory_tests[], state_tests[], run_tests[],
	time_tests[], isolation_tests[];

#endif /* HCT_H */
