/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The state that a new vCPU has, where KVM's differs from that of a CPU after reset. */
#ifndef SHIM_SREGS_H
#define SHIM_SREGS_H

#include "hypercall.h"
#include <shim.h>

mv_status_t sregs_reset(struct shim_vcpu *vcpu);

#endif /* SHIM_SREGS_H */
