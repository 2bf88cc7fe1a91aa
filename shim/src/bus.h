/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Writes of a guest that end in the kernel: at an ioeventfd, or in the ring of coalesced
 * writes. Who reads the table takes no lock, see shim.h.
 */
#ifndef SHIM_BUS_H
#define SHIM_BUS_H

#include <shim.h>

/* The bus of an address. Nothing on x86 writes to the last one, but KVM takes it. */
enum bus { BUS_MMIO, BUS_PIO, BUS_CCW };

bool bus_write_table(struct shim_vcpu *vcpu, enum bus bus, uint64_t addr, uint32_t len,
		     uint64_t data);

/* A write of `len` bytes (up to 8) of `data`: true when it is done, false for user space. */
static inline bool bus_write(struct shim_vcpu *vcpu, enum bus bus, uint64_t addr, uint32_t len,
			     uint64_t data)
{
	return LOAD(vcpu->vm->bus) && bus_write_table(vcpu, bus, addr, len, data);
}

/* Only when no vCPU can run any more. */
void bus_free(struct shim_vm *vm);

#endif /* SHIM_BUS_H */
