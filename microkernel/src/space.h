/* SPDX-License-Identifier: MIT */
/*
 * Address spaces: guest-physical memory of a VM, and the pool of donated pages that its
 * tables and VSs are made of. Space 0 is the root VM's: all physical memory, at its own
 * address, but for the hypervisor's, in whose place root reads ones.
 */
#ifndef MK_SPACE_H
#define MK_SPACE_H

#include "../../abi/mk_abi.h"
#include "frame.h"
#include "ptab.h"

struct cpu;

enum space_phase { SPACE_UNUSED, SPACE_LIVE, SPACE_UNMAPPED, SPACE_RETURNED };

struct space {
	enum space_phase phase;
	u32 id;
	u32 vss; /* VSs that use it */
	u32 top_slots; /* entries of its top table that may be in use: the first so many */
	spinlock_t lock;
	struct ptab npt;
	struct pool pool;
	u64 epoch; /* of the last removal of a mapping */
};

/* Sets up space 0, empty; has_1g: nested tables may have 1 GiB leaves. */
void space_init(bool has_1g);

/* Puts the all-ones page in place of the 2 MiB at spa, at start only. 0 or -ENOMEM. */
int space_hide_chunk(spa_t spa);

/* Maps RAM, at start only. 0 or -ENOMEM. */
int space_map_ram(spa_t spa, u64 bytes);

/* The space with this ID, or NULL if there is none (or it is being destroyed). */
struct space *space_get(u64 id);
struct space *space_root(void);

/* System calls; see abi/mk_abi.h. They return 0, a count or -errno. */
s64 space_create(u64 id);
s64 space_destroy(u64 id);
s64 space_map(u64 id, gpa_t gpa, spa_t spa, u64 bytes, u64 flags);
s64 space_unmap(u64 id, gpa_t gpa, u64 bytes);
s64 space_quiesce(u64 id);
s64 space_dirty(struct cpu *cpu, u64 id, gpa_t gpa, u64 bytes, u64 va);
s64 space_donate(u64 id, spa_t spa, u64 bytes);
s64 space_need(u64 id, gpa_t gpa, spa_t spa, u64 bytes, u64 after);
s64 space_free(u64 id);

/* Counts a VS in or out. -ENOENT: no such space; -ENOMEM: it has no page for its tables. */
int space_hold(u64 id, struct space **space);
void space_drop(struct space *s);

/* Root touched an address that isn't mapped: maps it if it is a device's. False: it is RAM. */
bool space_map_device(gpa_t gpa);

/*
 * A copy of root's tables in which the hidden page at gpa is a scratch page of ones that
 * may be written: for one instruction of root. There is one; -EBUSY: another CPU has it, or
 * the page has just become root's.
 */
s64 space_scratch_get(gpa_t gpa, spa_t *top);
/* Shows one more hidden page so. False: it isn't hidden, or in a third piece of 2 MiB. */
bool space_scratch_add(gpa_t gpa);
void space_scratch_put(void);

#endif /* MK_SPACE_H */
