/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * /dev/microv: what mvctl asks of the launch module (microv_loader.ko). Root only
 * (CAP_SYS_ADMIN). Used by the module and by user space.
 */
#ifndef MV_LOADER_H
#define MV_LOADER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MV_LOADER_DEVICE "microv" /* the node is /dev/microv, mode 0600 */
#define MV_LOADER_MAX_CPUS 256
#define MV_LOADER_MAX_IMAGE (8 << 20) /* bytes of one ELF file */

/* Why START or STOP failed, beyond errno. */
enum mv_loader_reason {
	MV_LOADER_OK = 0,
	MV_LOADER_NO_SVM,	/* the CPU has no SVM */
	MV_LOADER_SVM_DISABLED, /* firmware has switched SVM off (VM_CR.SVMDIS) */
	MV_LOADER_SVM_IN_USE,	/* EFER.SVME is set: another hypervisor holds it */
	MV_LOADER_NO_NPT,	/* SVM without nested paging */
	MV_LOADER_BAD_IMAGE,	/* not an ELF file that we can load */
	MV_LOADER_NO_MEMORY,
	MV_LOADER_RUNNING,	/* START: runs already */
	MV_LOADER_NOT_RUNNING,	/* STOP */
	MV_LOADER_IN_USE,	/* STOP: the shim is loaded or VMs exist */
	MV_LOADER_TOO_MANY_CPUS,
	MV_LOADER_FAILED,	/* a CPU could not be put into the root VM; the kernel log says more */
};

#define MV_LOADER_FLAG_DEBUGCON 0x1 /* copy the hypervisor's log to port 0xE9 (QEMU, Bochs) */

struct mv_loader_start {
	__u64 microkernel, microkernel_bytes; /* ELF file in the caller's memory */
	__u64 microv, microv_bytes;
	__u32 flags;  /* MV_LOADER_FLAG_* */
	__u32 reason; /* out: enum mv_loader_reason */
};

struct mv_loader_status {
	__u32 running;
	__u32 cpus;	    /* how many CPUs are in the root VM */
	__u64 cpu_mask[MV_LOADER_MAX_CPUS / 64];
	__u64 started;	    /* seconds since the epoch */
	__u64 memory_bytes; /* what the hypervisor took at start */
	__u64 hidden_nr;    /* in: for tests, which piece of that memory: 0, 1, ... */
	__u64 hidden_spa;   /* where it is, */
	__u64 hidden_bytes; /* and its size; 0: there are no more */
};

/* The hypervisor's log: from `position` (bytes since launch) on. */
struct mv_loader_log {
	__u64 position; /* in; out: position behind the returned text */
	__u64 buffer, bytes; /* in: where to; out: bytes = how many */
};

#define MV_LOADER_START _IOWR('v', 0x01, struct mv_loader_start)
#define MV_LOADER_STOP _IOR('v', 0x02, __u32) /* out: enum mv_loader_reason */
#define MV_LOADER_STATUS _IOWR('v', 0x03, struct mv_loader_status)
#define MV_LOADER_LOG _IOWR('v', 0x04, struct mv_loader_log)

#endif /* MV_LOADER_H */
