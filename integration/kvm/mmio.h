/* SPDX-License-Identifier: MIT */
/* The device of the MMIO tests: a list of the accesses that the guest must make. */
#ifndef MMIO_H
#define MMIO_H

#include "kvmtest.h"

#define DEVICE 0xd0000000UL

struct access {
	uint64_t addr;
	uint8_t len;
	bool write;
	uint64_t value; /* that the guest writes, or reads */
};

/* The next exit must be this access; a read gets its value. */
static inline void serve(const struct kt_vcpu *vcpu, const struct access *a)
{
	struct kvm_run *run = vcpu->run;
	uint64_t value = 0;

	RUN(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(run->mmio.phys_addr, a->addr);
	CHECK_EQ(run->mmio.is_write, a->write);
	REQUIRE(run->mmio.len == a->len);
	if (a->write) {
		memcpy(&value, run->mmio.data, a->len);
		CHECK_EQ(value, a->value);
		/* What the user leaves there must not matter; nor, below, more than the size. */
		memset(run->mmio.data, 0xee, sizeof(run->mmio.data));
		return;
	}
	memset(run->mmio.data, 0xee, sizeof(run->mmio.data));
	memcpy(run->mmio.data, &a->value, a->len);
}

static inline void serve_all(const struct kt_vcpu *vcpu, const struct access *a, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		kt_context("access %u", i);
		serve(vcpu, &a[i]);
	}
	kt_context("after the last access");
	RUN(vcpu, KVM_EXIT_HLT);
}

#define W(offset, len, value) { DEVICE + (offset), len, true, value }
#define R(offset, len, value) { DEVICE + (offset), len, false, value }

#endif
