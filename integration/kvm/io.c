// SPDX-License-Identifier: MIT
/*
 * KVM_EXIT_IO without strings: what kvm_run says, where the data is, how the value of an IN
 * gets into RAX, and the state of the registers once the instruction is completed.
 */
#include "kvmtest.h"

GUEST(out_real);
GUEST(out_prot32);
GUEST(out_long64);
GUEST(in_real);
GUEST(in_prot32);
GUEST(in_long64);
GUEST(one_out);
GUEST(one_in);
GUEST(prefixed_out);
GUEST(out_loop);

struct step {
	uint16_t port;
	uint8_t size;
	uint32_t value;
};

static const struct step outs[] = {
	{ 0x10, 1, 0x44 },	   { 0x11, 2, 0x3344 }, { 0x12, 4, 0x11223344 },
	{ 0xff, 1, 0x44 },	   { 0x1234, 1, 0x44 }, { 0x1234, 2, 0x3344 },
	{ 0x1234, 4, 0x11223344 }, { 0xffff, 1, 0x44 }, { 0, 4, 0x11223344 },
};

static const struct step ins[] = {
	{ 0x20, 1, 0x81 },   { 0x21, 2, 0x8182 },   { 0x22, 4, 0x81828384 },
	{ 0x8765, 1, 0x01 }, { 0x8765, 2, 0x0102 }, { 0xfffc, 4, 0x01020304 },
};

/* Let KVM finish the instruction of the last exit, without running the guest further. */
static void complete(const struct kt_vcpu *vcpu)
{
	vcpu->run->immediate_exit = 1;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_RUN, 0), EINTR);
	vcpu->run->immediate_exit = 0;
}

static void check_exit(const struct kt_vcpu *vcpu, uint8_t direction, const struct step *step)
{
	const struct kvm_run *run = vcpu->run;

	CHECK_EQ(run->io.direction, direction);
	CHECK_EQ(run->io.size, step->size);
	CHECK_EQ(run->io.port, step->port);
	CHECK_EQ(run->io.count, 1);
	CHECK(run->io.data_offset >= sizeof(struct kvm_run));
}

static void out_sequence(enum kt_mode mode, struct kt_code code)
{
	struct kt_guest g = kt_guest(mode, code);

	for (unsigned int i = 0; i < KT_LEN(outs); i++) {
		uint32_t value = 0;

		RUN(&g.vcpu, KVM_EXIT_IO);
		check_exit(&g.vcpu, KVM_EXIT_IO_OUT, &outs[i]);
		memcpy(&value, kt_io_data(&g.vcpu), outs[i].size);
		CHECK_EQ(value, outs[i].value);
		/* What the user leaves in the data of an OUT must not matter. */
		memset(kt_io_data(&g.vcpu), 0xee, outs[i].size);
	}
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x11223344);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + kt_code_size(code));
}

static void out_16(void)
{
	out_sequence(KT_REAL, CODE(out_real));
}

static void out_32(void)
{
	out_sequence(KT_PROT32, CODE(out_prot32));
}

static void out_64(void)
{
	out_sequence(KT_LONG64, CODE(out_long64));
}

/* AL and AX leave the rest of RAX alone, EAX clears the upper half. */
static uint64_t merge(uint64_t rax, const struct step *step)
{
	if (step->size == 4)
		return step->value;
	return (rax & ~((1ULL << (8 * step->size)) - 1)) | step->value;
}

static void in_sequence(enum kt_mode mode, struct kt_code code)
{
	uint64_t rax = mode == KT_LONG64 ? 0xa1a2a3a4a5a6a7a8 : 0xa5a6a7a8;
	struct kt_guest g = kt_guest(mode, code);

	for (unsigned int i = 0; i < KT_LEN(ins); i++) {
		RUN(&g.vcpu, KVM_EXIT_IO);
		check_exit(&g.vcpu, KVM_EXIT_IO_IN, &ins[i]);
		/* More than the size: only the size may be taken. */
		memset(kt_io_data(&g.vcpu), 0xee, 8);
		memcpy(kt_io_data(&g.vcpu), &ins[i].value, ins[i].size);
		complete(&g.vcpu);
		CHECK_EQ(kt_regs(&g.vcpu).rax, merge(rax, &ins[i]));
	}
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + kt_code_size(code));
}

static void in_16(void)
{
	in_sequence(KT_REAL, CODE(in_real));
}

static void in_32(void)
{
	in_sequence(KT_PROT32, CODE(in_prot32));
}

static void in_64(void)
{
	in_sequence(KT_LONG64, CODE(in_long64));
}

static void rip_after_out(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(one_out));

	RUN(&g.vcpu, KVM_EXIT_IO);
	complete(&g.vcpu);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 2);
	/* Completed once: a second time changes nothing. */
	complete(&g.vcpu);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 2);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 3);
}

static void rip_after_in(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(one_in));

	RUN(&g.vcpu, KVM_EXIT_IO);
	*(uint8_t *)kt_io_data(&g.vcpu) = 0x77;
	complete(&g.vcpu);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 2);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x77);
	*(uint8_t *)kt_io_data(&g.vcpu) = 0x78;
	complete(&g.vcpu);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x77);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 3);
}

/* The user moved RIP at the exit (a reset does): then it stays where the user put it. */
static void rip_moved(struct kt_code code)
{
	struct kt_guest g = kt_guest(KT_REAL, code);
	struct kvm_regs regs;

	RUN(&g.vcpu, KVM_EXIT_IO);
	regs = kt_regs(&g.vcpu);
	regs.rip = 0x1800;
	kt_set_regs(&g.vcpu, &regs);
	g.mem[0x1800] = 0xf4;
	complete(&g.vcpu);
	CHECK_EQ(kt_regs(&g.vcpu).rip, 0x1800);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, 0x1801);
}

static void rip_moved_out(void)
{
	rip_moved(CODE(one_out));
}

static void rip_moved_in(void)
{
	rip_moved(CODE(one_in));
}

/* A register changed at the exit of an IN is kept; AL comes from the port. */
static void rax_changed_at_in(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(one_in));
	struct kvm_regs regs;

	RUN(&g.vcpu, KVM_EXIT_IO);
	regs = kt_regs(&g.vcpu);
	regs.rax = 0x12345678;
	regs.rbx = 0x99;
	kt_set_regs(&g.vcpu, &regs);
	*(uint8_t *)kt_io_data(&g.vcpu) = 0xab;
	complete(&g.vcpu);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x123456ab);
	CHECK_EQ(kt_regs(&g.vcpu).rbx, 0x99);
}

static void prefixes(void)
{
	struct kt_guest g = kt_guest(KT_LONG64, CODE(prefixed_out));
	struct kvm_regs regs = kt_regs(&g.vcpu);

	regs.rdx = 0xffffffffffff0080;
	regs.rax = 0x5a;
	kt_set_regs(&g.vcpu, &regs);
	RUN(&g.vcpu, KVM_EXIT_IO);
	CHECK_EQ(g.vcpu.run->io.size, 1);
	CHECK_EQ(g.vcpu.run->io.port, 0x80);
	CHECK_EQ(*(uint8_t *)kt_io_data(&g.vcpu), 0x5a);
	RUN(&g.vcpu, KVM_EXIT_HLT);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 6);
}

static void thousand_outs(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(out_loop));

	for (unsigned int i = 0; i < 1000; i++) {
		RUN(&g.vcpu, KVM_EXIT_IO);
		CHECK_EQ(*(uint16_t *)kt_io_data(&g.vcpu), i);
	}
	RUN(&g.vcpu, KVM_EXIT_HLT);
}

/* kvm_run belongs to the user: whatever is written over the exit, the IN is what it was. */
static void fields_rewritten(void)
{
	struct kt_guest g = kt_guest(KT_REAL, CODE(one_in));
	uint8_t *data;

	RUN(&g.vcpu, KVM_EXIT_IO);
	data = kt_io_data(&g.vcpu);
	memset(&g.vcpu.run->io, 0xff, sizeof(g.vcpu.run->io));
	g.vcpu.run->exit_reason = KVM_EXIT_MMIO;
	*data = 0x66;
	complete(&g.vcpu);
	CHECK_EQ(kt_regs(&g.vcpu).rax, 0x66);
	CHECK_EQ(kt_regs(&g.vcpu).rip, KT_CODE + 2);
}

static const struct kt_test tests[] = {
	{ "OUT in real mode", out_16 },
	{ "OUT in 32-bit mode", out_32 },
	{ "OUT in 64-bit mode", out_64 },
	{ "IN in real mode", in_16 },
	{ "IN in 32-bit mode", in_32 },
	{ "IN in 64-bit mode", in_64 },
	{ "RIP after OUT", rip_after_out },
	{ "RIP and RAX after IN", rip_after_in },
	{ "RIP moved by the user at an OUT", rip_moved_out },
	{ "RIP moved by the user at an IN", rip_moved_in },
	{ "registers changed by the user at an IN", rax_changed_at_in },
	{ "prefixes before OUT", prefixes },
	{ "a thousand OUTs", thousand_outs },
	{ "exit fields rewritten by the user", fields_rewritten },
};

KT_MAIN(tests)
