/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What is due before a vCPU is entered. Under the vCPU lock. */
#ifndef SHIM_EVENTS_H
#define SHIM_EVENTS_H

#include <shim.h>

/* Lets the exception of VCPU_EXCEPTION change the registers that it changes; 0 or -errno. */
int events_deliver(struct shim_vcpu *vcpu);

#endif /* SHIM_EVENTS_H */
