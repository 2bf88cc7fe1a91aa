/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the file operations of an operating system (shim/linux) call: the KVM API without
 * file descriptors and without copying to and from user space.
 *
 * Locks, in this order: a vCPU's lock, a VM's lock.
 *   vCPU lock  held around every shim_vcpu_*() but create; so a vCPU runs in one thread only.
 *   VM lock    held around every shim_vm_*() but create/destroy, and around
 *              shim_vcpu_create(); shim/src takes it itself only in platform_vm_lock().
 * A VM is destroyed when nothing refers to it any more, so that needs no lock.
 *
 * shim_vm.bus is read by vCPUs that run without a lock, between platform_read_lock() and
 * platform_read_unlock(). It is never changed, only replaced, under the VM lock; the old one is
 * freed after platform_read_wait(). platform_ring_lock() is taken inside of that by who writes
 * to the ring, and by nobody else.
 *
 * All functions return 0 (or what the ioctl returns) or -errno as KVM does.
 */
#ifndef SHIM_H
#define SHIM_H

#include <linux/kvm.h>
#include <mv_abi.h>
#include <platform.h>

/* What others may write at any time is read once. */
#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)

/* Pages of a vCPU's mapping: kvm_run, port data, and the VM's ring of coalesced writes. */
#define SHIM_RUN_PAGES 3U
#define SHIM_RING_PAGE 2U
#define SHIM_RUN_BYTES (SHIM_RUN_PAGES * MV_PAGE_SIZE)
#define SHIM_PIO_OFFSET MV_PAGE_SIZE

/* Most entries of KVM_SET_CPUID2 and the like, most MSRs of KVM_SET_MSRS, as KVM has them. */
#define SHIM_CPUID_MAX 256U
#define SHIM_MSRS_MAX 255U
/* Most MSRs that shim_msr_list() and shim_msr_feature_list() tell. */
#define SHIM_MSR_LIST_MAX 64U

/* The quirks of KVM that are here, and can be switched off. */
#define SHIM_QUIRKS                                                                                \
	(KVM_X86_QUIRK_OUT_7E_INC_RIP | KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT |                       \
	 KVM_X86_QUIRK_FIX_HYPERCALL_INSN | KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS)

#define SHIM_MAX_SLOTS 32764U
#define SHIM_MAX_VCPUS MV_MAX_VPS_PER_VM
#define SHIM_MAX_VCPU_ID 32767U
#define SHIM_MAX_IRQ_ROUTES 4096
#define SHIM_MCE_BANKS 32U
/* What KVM_X86_GET_MCE_CAP_SUPPORTED tells: MCG_CTL_P, MCG_SER_P. */
#define SHIM_MCE_CAPS (1ULL << 8 | 1ULL << 24)

struct slot {
	uint32_t id;
	uint32_t flags; /* KVM_MEM_* */
	uint64_t gpa, hva, pages;
	uint64_t serial; /* no other slot of the VM has had it */
	uint64_t *blocks; /* the pages, 512 in each; see memory.c */
	uint64_t pinned; /* how many there are */
	void *watch; /* of platform_watch() */
	uint64_t *dirty; /* KVM_MEM_LOG_DIRTY_PAGES: a bit for each page, set if written */
};

/* A VM's slots twice: in the order of their gpa and of their id. */
struct slot_table {
	struct slot **by_gpa, **by_id;
	size_t num, max;
	uint64_t serial; /* the last slot's */
	uint64_t generation; /* changes with the table; read by vCPUs without the lock */
};

/* Pages that the hypervisor has for this VM. */
struct pool_chunk {
	uint64_t spa;
	unsigned int order;
};

struct pool {
	struct pool_chunk *chunks;
	size_t num, max;
};

/* KVM_X86_SET_MSR_FILTER: the first range with an MSR decides, by one bit for each. */
struct shim_msr_range {
	uint32_t flags, base, count;
	uint8_t bitmap[KVM_MSR_FILTER_MAX_BITMAP_SIZE];
};

struct shim_msr_filter {
	bool default_allow;
	struct shim_msr_range ranges[KVM_MSR_FILTER_MAX_RANGES];
};

struct shim_vcpu;
struct bus_table;

/* What KVM_ENABLE_CAP and the like chose for a VM. */
struct vm_caps {
	bool exception_payload, triple_fault_event, exit_on_emulation_failure;
	uint32_t max_vcpu_id; /* 0: not chosen */
	uint32_t boot_cpu_id;
	uint32_t dirty_log; /* KVM_DIRTY_LOG_* of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 */
};

struct shim_vm {
	void *os;
	uint16_t vmid;
	bool broken; /* the hypervisor refused to undo something: nothing but destroy works */
	struct slot_table slots;
	struct pool pool;
	struct mv_mdl_entry_t mdl[MV_MDL_MAX_ENTRIES]; /* the list that is being sent */
	uint64_t dirty[MV_DIRTY_LOG_WORDS]; /* the log that is being read */
	uint64_t pages[PLATFORM_PIN_BATCH]; /* that are being pinned */
	struct shim_vcpu *vcpus[SHIM_MAX_VCPUS];
	uint32_t num_vcpus;
	struct vm_caps caps;
	struct bus_table
		*bus; /* NULL: empty; see bus.c and, for its locking, the top of this file */
	struct kvm_coalesced_mmio_ring *ring; /* a page that the user may write at any time */
	uint32_t tsc_khz; /* of vCPUs to come; 0: as the CPUs' */
	struct shim_msr_filter *msr_filter; /* NULL: all MSRs are allowed */
	uint32_t msr_reasons; /* KVM_MSR_EXIT_REASON_*: user space answers these accesses */
	uint64_t run_flags; /* MV_RUN_FLAG_* of every run; read by vCPUs without the lock */
};

/*
 * The access to a port, a device's memory or an MSR that is completed by the next KVM_RUN, or
 * before the guest goes on.
 */
struct vcpu_io {
	bool pending;
	bool mmio; /* its data is in kvm_run->mmio */
	bool msr; /* user space's answer is in kvm_run->msr */
	bool answered; /* the answer was given and traced, though it may be given again */
	uint32_t in_bytes; /* 0 for a write */
	uint64_t flags; /* MV_RUN_FLAG_* that complete it */
};

#define EMULATION_INSN 15U /* bytes of kvm_run->emulation_failure.insn_bytes */

/* What is needed of an exit, taken from the shared page while it is held. */
struct vcpu_exit {
	bool ran; /* the hypervisor took the call: `state` is the vCPU's */
	mv_status_t status;
	uint64_t reason;
	struct mv_exit_state_t state;
	union {
		struct {
			uint64_t port, reps, type;
			uint64_t data; /* of the first element of an OUT */
			uint32_t size; /* bytes */
		} io;
		struct {
			uint64_t gpa, flags, size, data;
			uint8_t insn_bytes, insn[EMULATION_INSN];
		} mmio;
		struct {
			uint32_t index;
			uint64_t value, flags;
		} msr;
		uint64_t hlt;
		uint64_t failure;
		uint64_t unknown[4];
	};
};

/* What is due before the guest is entered next, beyond what the hypervisor keeps. */
#define VCPU_TRIPLE_FAULT 0x1U /* it shuts down instead */
#define VCPU_EXCEPTION 0x2U /* its exception is still to change DR6 or CR2, see events.c */

/*
 * What is counted for a vCPU: here, and by MicroV (behind these: one for each reason of an
 * exit); and what can be told of a VM and of a CPU. See stats.c.
 */
enum {
	SHIM_STAT_IO_EXITS,
	SHIM_STAT_MMIO_EXITS,
	SHIM_STAT_HALT_EXITS,
	SHIM_STAT_IRQ_EXITS,
	SHIM_STAT_REQUEST_IRQ_EXITS,
	SHIM_STAT_SIGNAL_EXITS,
	SHIM_STATS_HERE,
	SHIM_STAT_EXITS = SHIM_STATS_HERE,
	SHIM_STAT_IRQ_INJECTIONS,
	SHIM_STAT_NMI_INJECTIONS,
	SHIM_STAT_EXCEPTION_INJECTIONS,
	SHIM_STAT_INSN_EMULATION,
	SHIM_STAT_GUEST_NS,
	SHIM_STAT_MICROV_NS,
	SHIM_STAT_ROOT_NS,
	SHIM_STAT_BY_REASON,
	SHIM_VCPU_STATS = SHIM_STAT_BY_REASON + MV_STATS_EXIT_COUNT
};
enum { SHIM_STAT_PINNED_PAGES, SHIM_STAT_DONATED_PAGES, SHIM_VM_STATS };
enum {
	SHIM_STAT_WORLD_SWITCHES,
	SHIM_STAT_ROOT_EXITS,
	SHIM_STAT_ROOT_BY_REASON,
	SHIM_CPU_STATS = SHIM_STAT_ROOT_BY_REASON + MV_STATS_EXIT_COUNT
};

#define SHIM_STATS_NAME 48U /* bytes of a name */

struct shim_stats_desc { /* struct kvm_stats_desc with its name */
	uint32_t flags;
	int16_t exponent;
	uint16_t size;
	uint32_t offset, bucket_size;
	char name[SHIM_STATS_NAME];
};

/* What a reader of statistics finds: the first `bytes` bytes. The data is behind the last desc. */
struct shim_stats_image {
	struct kvm_stats_header header;
	char id[SHIM_STATS_NAME];
	struct shim_stats_desc desc[SHIM_VCPU_STATS];
	uint64_t data[SHIM_VCPU_STATS];
	size_t bytes;
};

struct shim_vcpu {
	struct shim_vm *vm;
	uint32_t id;
	uint16_t vpid, vsid;
	struct kvm_run *run; /* SHIM_RING_PAGE pages that the user may write at any time */
	struct vcpu_io io;
	struct vcpu_exit exit; /* the last of this KVM_RUN */
	uint64_t cr8, apic_base; /* as last seen or set */
	uint32_t phys_bits; /* of its CPUID; 0: it has none */
	bool has_run; /* KVM_RUN has entered it */
	uint64_t slots; /* slot_table.generation that the hypervisor's answers hold for */
	uint64_t device, device_slots; /* a page that was none of memory, and when; see exit.c */
	size_t event; /* where in the bus's table the last one was */
	uint64_t run_flags; /* MV_RUN_FLAG_* of its runs, besides the VM's */
	uint32_t due; /* VCPU_* */
	bool has_payload; /* of the exception of VCPU_EXCEPTION */
	uint64_t payload;
	bool has_pdptrs; /* set by user space, and not run since */
	uint64_t pdptrs[4];
	uint64_t stats[SHIM_STATS_HERE]; /* written by KVM_RUN alone */
};

/* Counters that anybody may read at any time. */
struct shim_stats {
	unsigned long vms; /* VMs that exist */
	unsigned long hypercalls_map; /* mv_vm_op_mmio_map so far */
	unsigned long entries_2m, entries_4k; /* nested entries that these made */
};

extern struct shim_stats shim_stats;

/* Finds the hypervisor: 0, or -ENODEV when there is none that speaks our version. */
int shim_init(void);
void shim_fini(void);
/* Tells the hypervisor about this CPU's shared page, on that CPU: 0 or -errno. */
int shim_cpu_online(uint64_t shared_page_gpa);
void shim_cpu_offline(void);
/* Any hypercall, in interrupt context too: this CPU leaves the root VM once. */
void shim_cpu_ping(void);

long shim_check_extension(uint64_t extension);
/* Has the CPU XSAVE, and so guests XCR0? */
bool shim_has_xsave(void);

/*
 * KVM_GET_SUPPORTED_CPUID or KVM_GET_EMULATED_CPUID: *nent is how many entries there is room
 * for, then how many there are. E2BIG: no room.
 */
int shim_get_cpuid(bool want_emulated, struct kvm_cpuid_entry2 *entries, uint32_t *nent);
/* KVM_HAS_DEVICE_ATTR and KVM_GET_DEVICE_ATTR of the system. */
int shim_system_attr(const struct kvm_device_attr *attr, uint64_t *value);
/* Fill in up to SHIM_MSR_LIST_MAX numbers; return how many. */
uint32_t shim_msr_list(uint32_t *indices);
uint32_t shim_msr_feature_list(uint32_t *indices);
/* KVM_GET_MSRS of the system: how many entries from the first on were got. */
int shim_get_msr_features(struct kvm_msr_entry *entries, uint32_t count);

/* vm->ring is set by the caller; the rest is zero. */
int shim_vm_create(struct shim_vm *vm, void *os);
/* Frees all that the VM has; its vCPUs must be unused. */
void shim_vm_destroy(struct shim_vm *vm);
/* Bytes that user space has for the bits of a range: whole longs. */
static inline size_t shim_msr_range_bytes(const struct kvm_msr_filter_range *range)
{
	return ((size_t)range->nmsrs + 63) / 64 * 8;
}

bool shim_msr_filter_valid(const struct kvm_msr_filter *filter);
/* Puts one in the place of the old, which is returned to be freed. */
struct shim_msr_filter *shim_vm_set_msr_filter(struct shim_vm *vm, struct shim_msr_filter *filter);
/* Fill in a zeroed image, but for its id. The VM's needs its lock, the vCPU's none. */
void shim_vm_get_stats(const struct shim_vm *vm, struct shim_stats_image *image);
void shim_vcpu_get_stats(const struct shim_vcpu *vcpu, struct shim_stats_image *image);
/* Of the root VM on a CPU; and how often that CPU has entered any VM. */
uint64_t shim_world_switches(uint32_t cpu);
void shim_cpu_get_stats(uint32_t cpu, struct shim_stats_image *image);
int shim_vm_set_memory(struct shim_vm *vm, const struct kvm_userspace_memory_region *region);
int shim_vm_ioeventfd(struct shim_vm *vm, const struct kvm_ioeventfd *args);
/* KVM_REGISTER_COALESCED_MMIO, or with add false KVM_UNREGISTER_COALESCED_MMIO. */
int shim_vm_coalesce(struct shim_vm *vm, const struct kvm_coalesced_mmio_zone *zone, bool add);
/*
 * KVM_GET_DIRTY_LOG: *bitmap, of *bytes, stays the slot's until the lock is dropped; when user
 * space has it shim_vm_dirty_log_told() begins a new one (but for what CLEAR_DIRTY_LOG does).
 */
int shim_vm_get_dirty_log(struct shim_vm *vm, uint32_t slot, const void **bitmap, size_t *bytes);
void shim_vm_dirty_log_told(struct shim_vm *vm, uint32_t slot);
/* KVM_CLEAR_DIRTY_LOG: how large its bitmap is, or -errno; and the call with that bitmap. */
long shim_vm_clear_dirty_log_bytes(struct shim_vm *vm, const struct kvm_clear_dirty_log *clear);
int shim_vm_clear_dirty_log(struct shim_vm *vm, const struct kvm_clear_dirty_log *clear,
			    const uint64_t *bitmap);
int shim_vm_enable_cap(struct shim_vm *vm, const struct kvm_enable_cap *cap);
int shim_vm_set_tss_addr(struct shim_vm *vm, uint64_t addr);
int shim_vm_set_identity_map_addr(struct shim_vm *vm, uint64_t addr);
int shim_vm_set_boot_cpu_id(struct shim_vm *vm, uint64_t id);
int shim_vm_get_clock(struct shim_vm *vm, struct kvm_clock_data *data);
int shim_vm_set_clock(struct shim_vm *vm, const struct kvm_clock_data *data);
int shim_vm_get_tsc_khz(struct shim_vm *vm);
int shim_vm_set_tsc_khz(struct shim_vm *vm, uint32_t khz);

/* vcpu->run is set by the caller; the rest is zero. The VM has the vCPU from success on. */
int shim_vcpu_create(struct shim_vm *vm, struct shim_vcpu *vcpu, uint64_t id);
int shim_vcpu_get_regs(struct shim_vcpu *vcpu, struct kvm_regs *regs);
int shim_vcpu_set_regs(struct shim_vcpu *vcpu, const struct kvm_regs *regs);
int shim_vcpu_get_sregs(struct shim_vcpu *vcpu, struct kvm_sregs *sregs);
int shim_vcpu_set_sregs(struct shim_vcpu *vcpu, const struct kvm_sregs *sregs);
int shim_vcpu_get_sregs2(struct shim_vcpu *vcpu, struct kvm_sregs2 *sregs2);
int shim_vcpu_set_sregs2(struct shim_vcpu *vcpu, const struct kvm_sregs2 *sregs2);
int shim_vcpu_translate(struct shim_vcpu *vcpu, struct kvm_translation *tr);
int shim_vcpu_enable_cap(struct shim_vcpu *vcpu, const struct kvm_enable_cap *cap);
int shim_vcpu_setup_mce(struct shim_vcpu *vcpu, uint64_t mcg_cap);
int shim_vcpu_set_mce(struct shim_vcpu *vcpu, const struct kvm_x86_mce *mce);
/* *count: how many there are, also with E2BIG (there is only room for nent). */
int shim_vcpu_get_cpuid2(struct shim_vcpu *vcpu, struct kvm_cpuid_entry2 *entries, uint32_t nent,
			 uint32_t *count);
int shim_vcpu_set_cpuid2(struct shim_vcpu *vcpu, const struct kvm_cpuid_entry2 *entries,
			 uint32_t nent);
/* How many entries, from the first on, were read or written. */
int shim_vcpu_get_msrs(struct shim_vcpu *vcpu, struct kvm_msr_entry *entries, uint32_t count);
int shim_vcpu_set_msrs(struct shim_vcpu *vcpu, const struct kvm_msr_entry *entries, uint32_t count);
int shim_vcpu_run(struct shim_vcpu *vcpu);
int shim_vcpu_interrupt(struct shim_vcpu *vcpu, const struct kvm_interrupt *irq);
int shim_vcpu_nmi(struct shim_vcpu *vcpu);
int shim_vcpu_get_events(struct shim_vcpu *vcpu, struct kvm_vcpu_events *events);
int shim_vcpu_set_events(struct shim_vcpu *vcpu, const struct kvm_vcpu_events *events);
int shim_vcpu_get_debugregs(struct shim_vcpu *vcpu, struct kvm_debugregs *regs);
int shim_vcpu_set_debugregs(struct shim_vcpu *vcpu, const struct kvm_debugregs *regs);
int shim_vcpu_get_mp_state(struct shim_vcpu *vcpu, struct kvm_mp_state *state);
int shim_vcpu_set_mp_state(struct shim_vcpu *vcpu, const struct kvm_mp_state *state);
int shim_vcpu_get_tsc_khz(struct shim_vcpu *vcpu);
int shim_vcpu_set_tsc_khz(struct shim_vcpu *vcpu, uint32_t khz);
/* Tells the guest that it was stopped; -EINVAL when it doesn't use its kvmclock. */
int shim_vcpu_kvmclock_ctrl(struct shim_vcpu *vcpu);
/* -ENXIO when a vCPU doesn't have the attribute; its value is a uint64_t. */
int shim_vcpu_has_attr(const struct kvm_device_attr *attr);
int shim_vcpu_get_attr(struct shim_vcpu *vcpu, uint64_t *value);
int shim_vcpu_set_attr(struct shim_vcpu *vcpu, uint64_t value);

int shim_vcpu_get_fpu(struct shim_vcpu *vcpu, struct kvm_fpu *fpu);
int shim_vcpu_set_fpu(struct shim_vcpu *vcpu, const struct kvm_fpu *fpu);
/* KVM_GET_XSAVE2 is the same: no state is larger. */
int shim_vcpu_get_xsave(struct shim_vcpu *vcpu, struct kvm_xsave *xsave);
int shim_vcpu_set_xsave(struct shim_vcpu *vcpu, const struct kvm_xsave *xsave);
int shim_vcpu_get_xcrs(struct shim_vcpu *vcpu, struct kvm_xcrs *xcrs);
int shim_vcpu_set_xcrs(struct shim_vcpu *vcpu, const struct kvm_xcrs *xcrs);

#endif /* SHIM_H */
