// SPDX-License-Identifier: MIT
/*
 * Versions, handle, log, what is unsupported, who may call, the CPUs and their shared
 * pages.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <strings.h>
#include <unistd.h>

#include "hct.h"

enum origin { MV, OURS };
enum state { NO, YES };

static const struct operation {
	uint64_t rax;
	enum state state;
	bool handle;
} operations[] = {
#define OPERATION(GROUP, group, idx, NAME, name, origin, state, in, ...)                           \
	{ MV_HYPERCALL(MV_##GROUP##_OP, idx), state,                                               \
	  strncmp(in, "REG0", 4) != 0 && strncmp(in, "no handle", 9) != 0 },
	MV_HYPERCALLS(OPERATION)
#undef OPERATION
};

static void version(void)
{
	struct hct_call call = hc_raw(0, HC(ID, VERSION), 0x1234, 5, 6, 7);

	require(!call.fault);
	check_eq(call.rax, MV_STATUS_SUCCESS);
	check_eq(call.reg[0], MV_ALL_SPECS_SUPPORTED_VAL);
	check_eq(call.reg[1], 5);
	check_eq(call.reg[2], 6);
	check_eq(call.reg[3], 7);
}

static void open_handle(void)
{
	static const uint32_t bad[] = { 0, 1, MV_INVALID_VERSION, MV_SPEC_ID1_VAL + 1, ~0U };
	struct hct_call call;

	for (size_t i = 0; i < COUNT(bad); i++) {
		call = hc_raw(0, HC(HANDLE, OPEN_HANDLE), bad[i], 0, 0, 0);
		check_eq(call.rax, MV_STATUS_INVALID_INPUT_REG0);
		check_eq(call.reg[0], bad[i]);
	}
	call = hc_raw(0, HC(HANDLE, OPEN_HANDLE), MV_SPEC_ID1_VAL, 0, 0, 0);
	check_eq(call.rax, MV_STATUS_SUCCESS);
	check(call.reg[0] != MV_INVALID_HANDLE);
	handle = call.reg[0];
	/* Bits 63:32 are ignored, any CPU will do, and the VM has one handle. */
	call = hc_raw(cpu_count - 1, HC(HANDLE, OPEN_HANDLE), MV_SPEC_ID1_VAL | 7ULL << 32, 0, 0,
		      0);
	check_eq(call.rax, MV_STATUS_SUCCESS);
	check_eq(call.reg[0], handle);
}

static void bad_handles(void)
{
	const uint64_t bad[] = { 0, handle + 1, handle ^ 1ULL << 63, MV_INVALID_HANDLE };

	for (size_t i = 0; i < COUNT(operations); i++) {
		if (operations[i].state == NO || !operations[i].handle)
			continue;
		for (size_t j = 0; j < COUNT(bad); j++) {
			struct hct_call call = hc_raw(0, operations[i].rax, bad[j], 1, 1, 0);

			if (call.rax == MV_STATUS_FAILURE_INVALID_HANDLE && call.reg[0] == bad[j])
				continue;
			test_note(__FILE__, __LINE__, "0x%llx with a bad handle: 0x%llx",
				  (unsigned long long)operations[i].rax,
				  (unsigned long long)call.rax);
		}
	}
}

static void close_handle(void)
{
	uint64_t old = handle;

	check_eq(hc(HC(HANDLE, CLOSE_HANDLE), 0, 0, 0).rax, MV_STATUS_SUCCESS);
	check_eq(hc_raw(0, HC(PP, PPID), old, 0, 0, 0).rax, MV_STATUS_FAILURE_INVALID_HANDLE);
	check_eq(hc_raw(0, HC(HANDLE, CLOSE_HANDLE), old, 0, 0, 0).rax,
		 MV_STATUS_FAILURE_INVALID_HANDLE);
	handle = hc_raw(0, HC(HANDLE, OPEN_HANDLE), MV_SPEC_ID1_VAL, 0, 0, 0).reg[0];
	check_eq(hc(HC(PP, PPID), 0, 0, 0).rax, MV_STATUS_SUCCESS);
}

static bool listed(uint64_t rax)
{
	for (size_t i = 0; i < COUNT(operations); i++)
		if (operations[i].rax == rax && operations[i].state == YES)
			return true;
	return false;
}

static void unsupported_index(unsigned int op, unsigned int idx)
{
	uint64_t rax = MV_HYPERCALL(op, idx);

	if (listed(rax))
		return;
	check_refused(rax, 0, 0, 0, MV_STATUS_FAILURE_UNSUPPORTED);
	check_eq(hc_raw(0, rax, 0, 0, 0, 0).rax, MV_STATUS_FAILURE_UNSUPPORTED);
}

static void unsupported(void)
{
	static const unsigned int ops[] = { 7, 8, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF };

	/* Every index that the specification marks as not there, the holes, and those behind. */
	for (unsigned int op = 0; op < 7; op++) {
		for (unsigned int idx = 0; idx < 0x40; idx++)
			unsupported_index(op, idx);
		unsupported_index(op, 0x100);
		unsupported_index(op, 0x7FFF);
		unsupported_index(op, 0x8000);
		unsupported_index(op, 0xFFFF);
	}
	for (size_t i = 0; i < COUNT(ops); i++)
		for (unsigned int idx = 0; idx < 3; idx++)
			unsupported_index(ops[i], idx);
}

static void bad_signature(void)
{
	static const uint64_t bad[] = { 0, 0x1234000000000000, 0x764C000000000000,
					0x4D76000000000000, 1 };

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct hct_call call = hc_raw(0, bad[i], 1, 2, 3, 4);

		check_eq(call.fault, 1);
		check_eq(call.rax, bad[i]);
	}
}

static sigjmp_buf back;

static void on_sigill(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}

static void from_ring_3(void)
{
	struct sigaction action = { .sa_handler = on_sigill }, old;

	sigaction(SIGILL, &action, &old);
	if (sigsetjmp(back, 1) == 0) {
		uint64_t rax = HC(ID, VERSION);

		asm volatile("vmmcall" : "+a"(rax) : : "r10", "r11", "r12", "r13", "memory");
		test_note(__FILE__, __LINE__, "VMMCALL in ring 3 gave 0x%llx",
			  (unsigned long long)rax);
	}
	sigaction(SIGILL, &old, NULL);
}

/* Is `want` in the log, read by hypercall? */
static bool log_has(const char *want)
{
	static char text[0x2000];
	uint64_t position = 0;
	size_t kept = 0;

	for (int i = 0; i < 10000; i++) {
		struct hct_call call = hc(HC(DEBUG, LOG_READ), position, 0, 0);

		check_eq(call.rax, MV_STATUS_SUCCESS);
		check(call.reg[0] <= MV_PAGE_SIZE);
		if (call.rax != MV_STATUS_SUCCESS || call.reg[0] == 0 || call.reg[0] > MV_PAGE_SIZE)
			return false;
		/* The end of the last page stays: the text may be on two. */
		memcpy(text + kept, shared.va, call.reg[0]);
		text[kept + call.reg[0]] = '\0';
		if (strcasestr(text, want) != NULL)
			return true;
		if (strlen(text) > 64)
			memmove(text, text + strlen(text) - 64, 65);
		kept = strlen(text);
		position = call.reg[1];
	}
	return false;
}

static void debug_log(void)
{
	struct hct_call call;

	check_refused(HC(DEBUG, LOG_READ), 0, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	call = hc_raw(0, HC(DEBUG, OUT), 0xABAD1DEA00C0FFEE, 0x5EED5EED00D00D00, 0, 0);
	check_eq(call.rax, MV_STATUS_SUCCESS);
	shared_set();
	check(log_has("ABAD1DEA00C0FFEE"));
	check(log_has("5EED5EED00D00D00"));
	check(!log_has("A string that nobody wrote"));
	/* A position in the future has nothing; it must not make trouble. */
	check_eq(hc(HC(DEBUG, LOG_READ), ~0ULL, 0, 0).rax, MV_STATUS_SUCCESS);
	shared_clear();
}

static void pps(void)
{
	uint64_t seen = 0;

	check_eq(hc(HC(PP, ONLINE_PPS), 0, 0, 0).reg[0], cpu_count);
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		struct hct_call call = hc_raw(cpu, HC(PP, PPID), handle, 0, 0, 0);

		check_eq(call.rax, MV_STATUS_SUCCESS);
		require(call.reg[0] < 64);
		check((seen >> call.reg[0] & 1) == 0);
		seen |= 1ULL << call.reg[0];
	}
	check_eq(hc(HC(PP, PPID), 0, 0, 0).reg[0], MV_BS_PPID);
}

static void shared_page_bad(void)
{
	const uint64_t bad[] = {
		1,
		0x800,
		shared.spa + 8,
		shared.spa | 1ULL << 52,
		hidden_spa,
		hidden_spa + hidden_bytes - MV_PAGE_SIZE,
		0xFEE00000, /* local APIC */
		0xFED00000, /* HPET */
		0xFFFFF000, /* firmware's ROM */
		1ULL << 39,
		1ULL << 46,
		1ULL << 63,
		~0xFFFULL,
		~0ULL,
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct hct_call call = hc(HC(PP, SET_SHARED_PAGE_GPA), bad[i], 0, 0);

		if (call.rax != MV_STATUS_INVALID_INPUT_REG1)
			test_note(__FILE__, __LINE__, "shared page 0x%llx: 0x%llx",
				  (unsigned long long)bad[i], (unsigned long long)call.rax);
	}
	/* None of them is set. */
	check_refused(HC(DEBUG, LOG_READ), 0, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
}

static void shared_page(void)
{
	struct pages other = pages_alloc(0);

	shared_clear(); /* none is set: succeeds */
	shared_set();
	check_refused(HC(PP, SET_SHARED_PAGE_GPA), other.spa, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	check_refused(HC(PP, SET_SHARED_PAGE_GPA), shared.spa, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
	/* The first one is used still. */
	memset(shared.va, 0xEE, 64);
	memset(other.va, 0xEE, 64);
	check_eq(hc(HC(DEBUG, LOG_READ), 0, 0, 0).rax, MV_STATUS_SUCCESS);
	check(shared.va[0] != 0xEE);
	check_eq(other.va[0], 0xEE);
	shared_clear();
	shared_clear();
	check_refused(HC(DEBUG, LOG_READ), 0, 0, 0, MV_STATUS_FAILURE_UNKNOWN);
}

static void shared_page_of_each(void)
{
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		struct pages p = pages_alloc(0);

		check_eq(hc_raw(cpu, HC(DEBUG, LOG_READ), handle, 0, 0, 0).rax,
			 MV_STATUS_FAILURE_UNKNOWN);
		check_eq(hc_raw(cpu, HC(PP, SET_SHARED_PAGE_GPA), handle, p.spa, 0, 0).rax,
			 MV_STATUS_SUCCESS);
		check_eq(hc_raw(cpu, HC(DEBUG, LOG_READ), handle, 0, 0, 0).rax, MV_STATUS_SUCCESS);
		check(p.va[0] != 0);
		/* A PP with a shared page can't be left. */
		check_eq(hc_raw(cpu, HC(PP, STOP), handle, 0, 0, 0).rax, MV_STATUS_FAILURE_BUSY);
	}
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
		check_eq(hc_raw(cpu, HC(PP, CLR_SHARED_PAGE_GPA), handle, 0, 0, 0).rax,
			 MV_STATUS_SUCCESS);
}

static void own_ids(void)
{
	check_eq(hc(HC(VM, VMID), 0, 0, 0).reg[0], MV_ROOT_VMID);
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		uint64_t vp = hc_raw(cpu, HC(VP, VPID), handle, 0, 0, 0).reg[0];
		uint64_t vs = hc_raw(cpu, HC(VS, VSID), handle, 0, 0, 0).reg[0];

		check_eq(hc_raw(cpu, HC(VP, VMID), handle, MV_SELF_ID, 0, 0).reg[0], MV_ROOT_VMID);
		check_eq(hc_raw(cpu, HC(VP, VMID), handle, vp, 0, 0).reg[0], MV_ROOT_VMID);
		check_eq(hc_raw(cpu, HC(VS, VMID), handle, MV_SELF_ID, 0, 0).reg[0], MV_ROOT_VMID);
		check_eq(hc_raw(cpu, HC(VS, VPID), handle, MV_SELF_ID, 0, 0).reg[0], vp);
		check_eq(hc_raw(cpu, HC(VS, VPID), handle, vs, 0, 0).reg[0], vp);
	}
}

const struct test basic_tests[] = {
	{ "id_version needs no handle", version },
	{ "open_handle", open_handle },
	{ "every hypercall refuses a bad handle", bad_handles },
	{ "close_handle", close_handle },
	{ "what isn't there is unsupported", unsupported },
	{ "VMMCALL without the signature is #UD", bad_signature },
	{ "VMMCALL in ring 3 is #UD", from_ring_3 },
	{ "debug_out and log_read", debug_log },
	{ "ppid and online_pps", pps },
	{ "shared page: bad addresses", shared_page_bad },
	{ "shared page: set and clear", shared_page },
	{ "shared page of each CPU", shared_page_of_each },
	{ "the caller's own IDs", own_ids },
	{ NULL, NULL },
};
