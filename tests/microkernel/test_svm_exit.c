// SPDX-License-Identifier: MIT
/* VMCB exits as neutral records, on CPUs that tell much and on those that tell little. */
#include <asm/svm.h>

#include "machine.h"
#include "svm.h"

static struct vmcb v;
static struct mk_state state_page;
static struct mk_exit *const e = &state_page.exit;
static struct vs vs = { .id = MK_GUEST_VS_FIRST, .block = &v, .state = &state_page };
static struct cpu cpu = { .fpu = &vs };

static int setup(void **state)
{
	(void)state;
	memset(&v, 0, sizeof(v));
	memset(e, 0xEE, sizeof(*e));
	cpu.features = 0;
	return 0;
}

static void decode(u64 code, u64 info1, u64 info2)
{
	v.exit_code = code;
	v.exit_info1 = info1;
	v.exit_info2 = info2;
	vs.busy = 1;
	assert_int_equal(svm_left(&cpu), 0);
	assert_int_equal(vs.busy, 0);
}

static u16 reason(u64 code)
{
	decode(code, 0, 0);
	return e->reason;
}

/* Each exit code that Linux names. What we never ask for may be UNKNOWN, and nothing else. */
static u16 expected(u64 code)
{
	switch (code) {
	case SVM_EXIT_INTR:
	case SVM_EXIT_SMI:
	case SVM_EXIT_INIT: return MK_EXIT_INTR;
	case SVM_EXIT_NMI: return MK_EXIT_NMI;
	case SVM_EXIT_RDPMC: return MK_EXIT_RDPMC;
	case SVM_EXIT_CPUID: return MK_EXIT_CPUID;
	case SVM_EXIT_RSM: return MK_EXIT_RSM;
	case SVM_EXIT_IRET: return MK_EXIT_IRET;
	case SVM_EXIT_INVD: return MK_EXIT_INVD;
	case SVM_EXIT_HLT: return MK_EXIT_HLT;
	case SVM_EXIT_IOIO: return MK_EXIT_IO;
	case SVM_EXIT_MSR: return MK_EXIT_MSR;
	case SVM_EXIT_SHUTDOWN: return MK_EXIT_SHUTDOWN;
	case SVM_EXIT_VMMCALL: return MK_EXIT_HYPERCALL;
	case SVM_EXIT_INVLPGA:
	case SVM_EXIT_VMRUN:
	case SVM_EXIT_VMLOAD:
	case SVM_EXIT_VMSAVE:
	case SVM_EXIT_STGI:
	case SVM_EXIT_CLGI:
	case SVM_EXIT_SKINIT:
	case SVM_EXIT_RDTSCP:
	case SVM_EXIT_RDPRU:
	case SVM_EXIT_INVPCID:
	case SVM_EXIT_INVPCID + 1:	 /* MCOMMIT */
	case SVM_EXIT_INVPCID + 2: return MK_EXIT_VIRT; /* TLBSYNC */
	case SVM_EXIT_VINTR: return MK_EXIT_WINDOW;
	case SVM_EXIT_WBINVD: return MK_EXIT_WBINVD;
	case SVM_EXIT_MONITOR: return MK_EXIT_MONITOR;
	case SVM_EXIT_MWAIT:
	case SVM_EXIT_MWAIT_COND: return MK_EXIT_MWAIT;
	case SVM_EXIT_XSETBV: return MK_EXIT_XSETBV;
	case SVM_EXIT_NPF: return MK_EXIT_MEM;
	case SVM_EXIT_EXCP_BASE + 18: return MK_EXIT_MCE;
	}
	if (code < 0x20 || code == SVM_EXIT_CR0_SEL_WRITE)
		return MK_EXIT_CR;
	if (code >= SVM_EXIT_EXCP_BASE && code < SVM_EXIT_EXCP_BASE + 32)
		return MK_EXIT_EXCEPTION;
	return MK_EXIT_UNKNOWN;
}

static void every_code_has_a_reason(void **state)
{
	u64 code;

	(void)state;
	for (code = 0; code < 0x1000; code++)
		if (code < SVM_EXIT_READ_DR0 || code > SVM_EXIT_WRITE_DR0 + 15) /* served in ring 0 */
			assert_int_equal(reason(code), expected(code));
	assert_int_equal(reason(~0ULL), MK_EXIT_INVALID);
	assert_int_equal(reason(0xFFFFFFFF), MK_EXIT_INVALID); /* QEMU's emulation */
	assert_int_equal(reason(~1ULL), MK_EXIT_UNKNOWN);
	assert_int_equal(reason(0x100000078), MK_EXIT_UNKNOWN);
	assert_int_equal(reason(0x8000000000000078), MK_EXIT_UNKNOWN);
}

static void open_window(void **state)
{
	(void)state;
	decode(SVM_EXIT_HLT, 0, 0);
	assert_int_equal(e->window, 0);
	cpu.window = (struct space *)&cpu;
	decode(SVM_EXIT_HLT, 0, 0);
	assert_int_equal(e->window, 1);
	cpu.window = NULL;
}

static void mode_and_cpl(void **state)
{
	(void)state;
	v.cpl = 3;
	v.cs.attrib = 0x29B;
	v.cs.base = 0x12340;
	v.efer = EFER_LMA;
	decode(SVM_EXIT_VMMCALL, 0, 0);
	assert_int_equal(e->cpl, 3);
	assert_int_equal(e->long_mode, 1);
	assert_int_equal(e->big, 0);
	assert_int_equal(e->cs_base, 0x12340);
	v.cpl = 0;
	v.cs.attrib = 0xC9B; /* compatibility mode */
	decode(SVM_EXIT_VMMCALL, 0, 0);
	assert_int_not_equal(e->big, 0);
	assert_int_equal(e->cpl, 0);
	assert_int_equal(e->long_mode, 0);
	v.cs.attrib = 0x29B; /* the bit means nothing outside of long mode */
	v.efer = 0x100;
	decode(SVM_EXIT_VMMCALL, 0, 0);
	assert_int_equal(e->long_mode, 0);
}

static void lengths(void **state)
{
	(void)state;
	v.rip = 0x1000;
	v.next_rip = 0x1003;
	decode(SVM_EXIT_VMMCALL, 0, 0);
	assert_int_equal(e->len, 0);
	cpu.features = CPU_NRIPS;
	decode(SVM_EXIT_VMMCALL, 0, 0);
	assert_int_equal(e->len, 3);
	v.next_rip = 0x100F;
	decode(SVM_EXIT_VMMCALL, 0, 0);
	assert_int_equal(e->len, 15);
	v.next_rip = 0x1010; /* no instruction is that long */
	decode(SVM_EXIT_VMMCALL, 0, 0);
	assert_int_equal(e->len, 0);
	v.next_rip = 0;
	decode(SVM_EXIT_VMMCALL, 0, 0);
	assert_int_equal(e->len, 0);
	v.next_rip = 0x1000;
	decode(SVM_EXIT_VMMCALL, 0, 0);
	assert_int_equal(e->len, 0);
}

static void msr(void **state)
{
	(void)state;
	decode(SVM_EXIT_MSR, 0, 0);
	assert_int_equal(e->write, 0);
	decode(SVM_EXIT_MSR, 1, 0);
	assert_int_equal(e->write, 1);
}

/* EXITINFO1: type 0, string 2, rep 3, size 6:4, address size 9:7, segment 12:10, port 31:16. */
static void io(void **state)
{
	static const u8 sizes[] = { 1, 2, 4 }, addr[] = { 2, 4, 8 };
	unsigned int i;

	(void)state;
	cpu.features = CPU_DECODE;
	for (i = 0; i < 3; i++) {
		decode(SVM_EXIT_IOIO, 0xFFFE0000 | MK_DS << 10 | 0x80 << i | 0x10 << i, 0x1234);
		assert_int_equal(e->io.port, 0xFFFE);
		assert_int_equal(e->io.size, sizes[i]);
		assert_int_equal(e->io.addr_size, addr[i]);
		assert_int_equal(e->io.seg, MK_DS);
		assert_int_equal(e->io.flags, 0);
		assert_int_equal(e->next_rip, 0x1234);
	}
	decode(SVM_EXIT_IOIO, 0x3F80091, 0);
	assert_int_equal(e->io.flags, MK_IO_IN);
	decode(SVM_EXIT_IOIO, 0x3F80094, 0);
	assert_int_equal(e->io.flags, MK_IO_STRING);
	decode(SVM_EXIT_IOIO, 0x3F8009D, 0);
	assert_int_equal(e->io.flags, MK_IO_IN | MK_IO_STRING | MK_IO_REP);
	assert_int_equal(e->io.port, 0x3F8);
}

static void io_without_assists(void **state)
{
	(void)state;
	decode(SVM_EXIT_IOIO, 0x3F80000 | MK_FS << 10 | 0x100 | 0x14, 0);
	assert_int_equal(e->io.addr_size, 4);
	assert_int_equal(e->io.seg, 0xFF); /* these bits mean nothing without decode assists */
	decode(SVM_EXIT_IOIO, 0x3F80014, 0);
	assert_int_equal(e->io.addr_size, 0); /* QEMU's emulation */
	cpu.features = CPU_DECODE;
	decode(SVM_EXIT_IOIO, 0x3F80014, 0);
	assert_int_equal(e->io.seg, 0xFF);
}

static void nested_page_fault(void **state)
{
	(void)state;
	decode(SVM_EXIT_NPF, BIT(32) | BIT(2), 0x123456789ABC);
	assert_int_equal(e->addr, 0x123456789ABC);
	assert_int_equal(e->mem_flags, 0);
	decode(SVM_EXIT_NPF, BIT(32) | 0x6, 0);
	assert_int_equal(e->mem_flags, MK_MEM_WRITE);
	decode(SVM_EXIT_NPF, BIT(32) | 0x14, 0);
	assert_int_equal(e->mem_flags, MK_MEM_EXEC);
	decode(SVM_EXIT_NPF, BIT(33) | 0x7, 0);
	assert_int_equal(e->mem_flags, MK_MEM_TABLE | MK_MEM_WRITE);
}

static void exceptions(void **state)
{
	static const u8 with_error[] = { 8, 10, 11, 12, 13, 14, 17, 21, 29, 30 };
	u64 errors = 0;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(with_error); i++)
		errors |= BIT(with_error[i]);
	for (i = 0; i < 32; i++) {
		if (i == 18)
			continue;
		decode(SVM_EXIT_EXCP_BASE + i, 0x11, 0xFFFF800012345678);
		assert_int_equal(e->event.type, MK_EVENT_EXCEPTION);
		assert_int_equal(e->event.vector, i);
		assert_int_equal(e->event.has_error, errors >> i & 1);
		if (e->event.has_error)
			assert_int_equal(e->event.error, 0x11);
		assert_int_equal(e->addr, i == 14 ? 0xFFFF800012345678 : 0);
	}
}

static void interrupted_events(void **state)
{
	static const struct {
		u64 info;
		struct mk_event event;
	} cases[] = {
		{ 0x80000030, { .type = MK_EVENT_INTR, .vector = 0x30 } },
		{ 0x80000202, { .type = MK_EVENT_NMI, .vector = 2 } },
		{ 0x8000001180000B0E, { .type = MK_EVENT_EXCEPTION, .vector = 14, .has_error = 1,
					.error = 0x80000011 } },
		{ 0x80000480, { .type = MK_EVENT_SOFT, .vector = 0x80 } },
		{ 0x480, { .type = MK_EVENT_NONE } }, /* not valid */
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		v.exit_int_info = cases[i].info;
		decode(SVM_EXIT_NPF, 0, 0);
		assert_memory_equal(&e->interrupted, &cases[i].event, sizeof(e->interrupted));
	}
	v.exit_int_info = 0x80000180; /* a type that is none */
	decode(SVM_EXIT_NPF, 0, 0);
	assert_int_equal(e->interrupted.type, MK_EVENT_NONE);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_code_has_a_reason),
		T(open_window),
		T(mode_and_cpl),
		T(lengths),
		T(msr),
		T(io),
		T(io_without_assists),
		T(nested_page_fault),
		T(exceptions),
		T(interrupted_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
