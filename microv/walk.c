// SPDX-License-Identifier: MIT
/* The guest's page tables (APM vol. 2, chapter 5) and its linear memory. */
#include "exit.h"
#include "walk.h"

#define PTE_P (1ULL << 0)
#define PTE_W (1ULL << 1)
#define PTE_U (1ULL << 2)
#define PTE_A (1ULL << 5)
#define PTE_D (1ULL << 6)
#define PTE_PS (1ULL << 7)
#define PTE_NX (1ULL << 63)
#define PTE_ADDR 0x000FFFFFFFFFF000ULL

#define PF_P (1U << 0)
#define PF_W (1U << 1)
#define PF_U (1U << 2)
#define PF_RSVD (1U << 3)
#define PF_I (1U << 4)

/* A paging mode. */
struct mode {
	uint8_t levels;
	uint8_t bits; /* of the address that each level takes */
	uint8_t size; /* bytes of an entry */
	uint8_t pae; /* three levels: the top one is special */
};

static const struct mode mode_32 = { .levels = 2, .bits = 10, .size = 4 };
static const struct mode mode_pae = { .levels = 3, .bits = 9, .size = 8, .pae = 1 };
static const struct mode mode_4 = { .levels = 4, .bits = 9, .size = 8 };
static const struct mode mode_5 = { .levels = 5, .bits = 9, .size = 8 };

/* A walk under way. */
struct walker {
	unsigned int cpu;
	struct vs *vs;
	struct walk_memo *memo;
	uint64_t gla;
	unsigned int access;
	uint64_t rights; /* PTE_W, PTE_U of all levels so far; PTE_NX if any has it */
};

int walk_canonical(struct vs *vs, uint64_t gla)
{
	int shift;

	state_fetch(vs->id, vs->st, MK_G_CR);
	shift = vs->st->cr4 & CR4_LA57 ? 64 - 57 : 64 - 48;
	return (uint64_t)((int64_t)(gla << shift) >> shift) == gla;
}

int walk_long_mode_now(struct vs *vs)
{
	state_fetch(vs->id, vs->st, MK_G_CR | MK_G_SEG);
	return vs->st->efer & EFER_LMA && vs->st->seg[MK_CS].attrib & MK_ATTR_L;
}

unsigned int walk_cpl_now(struct vs *vs)
{
	state_fetch(vs->id, vs->st, MK_G_SEG);
	return (vs->st->seg[MK_SS].attrib & MK_ATTR_DPL) >> 5;
}

int walk_big_code_now(struct vs *vs)
{
	state_fetch(vs->id, vs->st, MK_G_SEG);
	return !!(vs->st->seg[MK_CS].attrib & MK_ATTR_DB);
}

uint64_t walk_linear_rip_now(struct vs *vs)
{
	if (walk_long_mode_now(vs))
		return vs->st->rip;
	return (uint32_t)(vs->st->seg[MK_CS].base + vs->st->rip);
}

static unsigned int level_shift(const struct mode *mode, int level)
{
	return 12 + mode->bits * level;
}

/*
 * From here on a mode is a constant where these are inlined: so most of what they look at is
 * decided before.
 */

/* May the entry of this level (0: page tables) be a large page? */
static inline int may_be_large(const struct walker *w, const struct mode *mode, int level)
{
	if (mode->size == 4)
		return level == 1 && w->vs->st->cr4 & CR4_PSE;
	return level == 1 || (level == 2 && !mode->pae);
}

static inline int has_reserved_bits(const struct walker *w, const struct mode *mode, int level,
				    uint64_t pte)
{
	if (mode->size == 4)
		return 0;
	if (pte & PTE_NX && !(w->vs->st->efer & EFER_NXE))
		return 1;
	if (level == 0 || !(pte & PTE_PS) || (mode->pae && level == 2))
		return 0;
	if (!may_be_large(w, mode, level))
		return 1;
	/* The address of a large page is aligned; bit 12 is PAT. */
	return (pte & PTE_ADDR & ((1ULL << level_shift(mode, level)) - 1) & ~(1ULL << 12)) != 0;
}

/* The frame of a page at this level; a 4 MiB page has address bits 39:32 in 20:13. */
static inline uint64_t leaf_base(const struct mode *mode, int level, uint64_t pte)
{
	uint64_t base = pte & PTE_ADDR & ~((1ULL << level_shift(mode, level)) - 1);

	if (mode->size == 4 && level == 1)
		base |= (pte >> 13 & 0xFF) << 32;
	return base;
}

static int rights_allow(const struct walker *w)
{
	const struct mk_state *st = w->vs->st;
	int user_page = !!(w->rights & PTE_U);

	if (w->access & WALK_PROBE)
		return 1;
	if (w->access & WALK_USER && !user_page)
		return 0;
	if (w->access & WALK_WRITE && !(w->rights & PTE_W) &&
	    (w->access & WALK_USER || st->cr0 & CR0_WP))
		return 0;
	if (w->access & WALK_EXEC && w->rights & PTE_NX)
		return 0;
	if (w->access & WALK_USER || !user_page)
		return 1;
	if (w->access & WALK_EXEC)
		return !(st->cr4 & CR4_SMEP);
	return !(st->cr4 & CR4_SMAP) || st->rflags & RFLAGS_AC;
}

static int page_fault(const struct walker *w, struct fault *fault, uint32_t error)
{
	const struct mk_state *st = w->vs->st;

	if (w->access & WALK_WRITE)
		error |= PF_W;
	if (w->access & WALK_USER)
		error |= PF_U;
	if (w->access & WALK_EXEC && (st->efer & EFER_NXE || st->cr4 & CR4_SMEP))
		error |= PF_I;
	*fault = (struct fault){ .vector = VEC_PF, .error = error, .addr = w->gla };
	return 1;
}

static void remember(const struct walker *w, uint64_t gpa, uint64_t pte)
{
	*w->memo->end++ = (struct mk_window_word){ .gpa = gpa, .value = pte };
}

/* Sets the A (and of a written page the D) bit; the low byte of an entry has both. */
static void mark(const struct walker *w, uint64_t gpa, uint64_t pte, int leaf)
{
	uint64_t bits = PTE_A | (leaf && w->access & WALK_WRITE ? PTE_D : 0);

	if (w->access & WALK_PROBE)
		bits = 0;
	if ((pte & bits) != bits)
		mk_window_or(gpa, bits);
	remember(w, gpa, pte | bits);
}

static uint64_t map_flags(const struct walker *w, int level)
{
	static const uint64_t size_flags[] = {
		MV_MAP_FLAG_4K_PAGE,
		MV_MAP_FLAG_2M_PAGE,
		MV_MAP_FLAG_1G_PAGE,
	};

	return MV_MAP_FLAG_READ_ACCESS | size_flags[level] |
	       (w->rights & PTE_W ? MV_MAP_FLAG_WRITE_ACCESS : 0) |
	       (w->rights & PTE_U ? MV_MAP_FLAG_USER : 0) |
	       (w->rights & PTE_NX ? 0 : MV_MAP_FLAG_EXECUTE_ACCESS);
}

/* The top entries of PAE paging have neither rights nor an A bit. */
static inline int is_pdpte(const struct mode *mode, int level)
{
	return mode->pae && level == 2;
}

/* Where the entry of this level is. */
static inline uint64_t entry_gpa(const struct walker *w, const struct mode *mode, uint64_t table,
				 int level)
{
	uint64_t index = w->gla >> level_shift(mode, level);

	index &= is_pdpte(mode, level) ? 3 : (1ULL << mode->bits) - 1;
	return table + index * mode->size;
}

/* Takes an entry into account: its rights, and marks it used. 0, or 1 and the fault. */
static inline __attribute__((always_inline)) int
use_entry(struct walker *w, const struct mode *mode, uint64_t gpa, uint64_t pte, int level,
	  int leaf, struct fault *fault)
{
	if (has_reserved_bits(w, mode, level, pte))
		return page_fault(w, fault, PF_P | PF_RSVD);
	if (is_pdpte(mode, level)) {
		remember(w, gpa, pte);
		return 0;
	}
	w->rights = (w->rights & pte & (PTE_W | PTE_U)) | ((w->rights | pte) & PTE_NX);
	if (leaf && !rights_allow(w))
		return page_fault(w, fault, PF_P);
	mark(w, gpa, pte, leaf);
	return 0;
}

/* With the window open. 0, -MK_EFAULT or -MK_EAGAIN. */
static inline int read_entry(const struct walker *w, const struct mode *mode, uint64_t gpa,
			     uint64_t *pte)
{
	int err;

	*pte = 0;
	if (gpa >= MK_GPA_END)
		return -MK_EFAULT;
	err = mode->size == 8 ? mk_window_load(gpa, pte) : mk_window_copy(gpa, pte, 4, 0);
	return err ? walk_gpa_absent(w->vs, gpa, 0) : 0;
}

static inline __attribute__((always_inline)) int
walk_tables(struct walker *w, const struct mode *mode, struct mapping *map, struct fault *fault)
{
	uint64_t table = w->vs->st->cr3 & (mode->pae ? 0xFFFFFFE0ULL : PTE_ADDR);
	uint64_t gpa, pte;
	int level, leaf, err;

	for (level = mode->levels - 1;; level--) {
		gpa = entry_gpa(w, mode, table, level);
		err = read_entry(w, mode, gpa, &pte);
		if (err == -MK_EAGAIN)
			return err;
		/* Tables outside of the VM's memory: nothing is mapped there. */
		if (err || !(pte & PTE_P))
			return page_fault(w, fault, 0);
		leaf = level == 0 || (pte & PTE_PS && may_be_large(w, mode, level));
		if (use_entry(w, mode, gpa, pte, level, leaf, fault))
			return 1;
		if (leaf)
			break;
		table = pte & PTE_ADDR;
	}
	map->gpa = leaf_base(mode, level, pte) |
		   (w->gla & ((1ULL << level_shift(mode, level)) - 1));
	map->flags = map_flags(w, level);
	return 0;
}

/* All of an access that a walk's result depends on. */
static uint32_t access_of(const struct vs *vs, unsigned int access)
{
	return access | (access & WALK_EXEC ? 0 : vs->st->rflags & RFLAGS_AC);
}

static void memo_keep(const struct walker *w, const struct mapping *map)
{
	const struct mk_state *st = w->vs->st;
	struct walk_memo *m = w->memo;

	if ((!(st->efer & EFER_LMA) && !(st->cr4 & CR4_PAE)) || map->gpa >= MK_GPA_END)
		return;
	while (m->end < m->entry + MK_WINDOW_WORDS)
		remember(w, m->end[-1].gpa, m->end[-1].value);
	m->gla = w->gla - w->gla % MV_PAGE_SIZE;
	m->access = access_of(w->vs, w->access);
	m->cr0 = st->cr0;
	m->cr3 = st->cr3;
	m->cr4 = st->cr4;
	m->efer = st->efer;
	m->gpa = map->gpa - map->gpa % MV_PAGE_SIZE;
	m->flags = map->flags;
}

static int walk_mode(struct walker *w, struct mapping *map, struct fault *fault)
{
	const struct mk_state *st = w->vs->st;

	if (st->efer & EFER_LMA)
		return st->cr4 & CR4_LA57 ? walk_tables(w, &mode_5, map, fault) :
					    walk_tables(w, &mode_4, map, fault);
	return st->cr4 & CR4_PAE ? walk_tables(w, &mode_pae, map, fault) :
				   walk_tables(w, &mode_32, map, fault);
}

static int walk_paged(struct walker *w, struct mapping *map, struct fault *fault)
{
	int err;

	if (walk_gpa_open(w->cpu, w->vs))
		return page_fault(w, fault, 0);
	w->memo->gla = WALK_NOWHERE;
	w->memo->end = w->memo->entry;
	err = walk_mode(w, map, fault);
	if (!err)
		memo_keep(w, map);
	return err;
}

static __attribute__((noinline)) int walk_anew(struct walker w, struct mapping *map,
					       struct fault *fault)
{
	if (!(w.vs->st->efer & EFER_LMA)) {
		w.gla = (uint32_t)w.gla;
	} else if (!walk_canonical(w.vs, w.gla)) {
		*fault = (struct fault){ .vector = VEC_GP };
		return 1;
	}
	if (w.vs->st->cr0 & CR0_PG)
		return walk_paged(&w, map, fault);
	map->gpa = w.gla;
	map->flags = map_flags(&w, 0);
	return 0;
}

int walk(unsigned int cpu, struct vs *vs, uint64_t gla, unsigned int access, struct mapping *map,
	 struct fault *fault)
{
	struct vs_data *data = state_data(vs->st);
	struct walk_memo *m = access & WALK_EXEC ? &data->code_walk : &data->data_walk;

	state_fetch(vs->id, vs->st, MK_G_CR);
	if (walk_memo_is_of(m, vs->st, gla) && m->cr0 == vs->st->cr0 &&
	    m->access == access_of(vs, access) && !walk_gpa_open(cpu, vs) &&
	    mk_window_check(m->entry, m->end, m->entry[0].gpa) >= 0) {
		map->gpa = m->gpa + gla % MV_PAGE_SIZE;
		map->flags = m->flags;
		return 0;
	}
	return walk_anew((struct walker){ .cpu = cpu, .vs = vs, .memo = m, .gla = gla,
					  .access = access, .rights = PTE_W | PTE_U },
			 map, fault);
}

int walk_code(struct vs *vs, uint8_t code[WALK_CODE])
{
	unsigned int at = vs->st->rip % MV_PAGE_SIZE;

	if (at > MV_PAGE_SIZE - WALK_CODE || walk_code_byte(vs) < 0)
		return -MK_ENOENT;
	return mk_window_copy(state_data(vs->st)->code_walk.gpa + at, code, WALK_CODE, 0);
}

static unsigned int in_page(uint64_t gla, unsigned int len)
{
	unsigned int left = MV_PAGE_SIZE - gla % MV_PAGE_SIZE;

	return len < left ? len : left;
}

int walk_copy(unsigned int cpu, struct vs *vs, uint64_t gla, void *buf, unsigned int len,
	      unsigned int access, struct fault *fault)
{
	unsigned int first = in_page(gla, len);
	struct mapping map[2];
	int err;

	if (walk_cpl(vs) == 3)
		access |= WALK_USER;
	err = walk(cpu, vs, gla, access, &map[0], fault);
	if (!err && first < len)
		err = walk(cpu, vs, gla + first, access, &map[1], fault);
	if (err)
		return err;

	err = walk_gpa_copy(cpu, vs, map[0].gpa, buf, first, access & WALK_WRITE);
	if (!err && first < len)
		err = walk_gpa_copy(cpu, vs, map[1].gpa, (char *)buf + first, len - first,
				    access & WALK_WRITE);
	return err;
}

mv_status_t hc_vs_gla_to_gpa(struct call *c)
{
	struct mapping map;
	struct fault fault;
	mv_status_t status;
	struct vs vs;
	int err;

	status = vs_take(c, &vs);
	if (status != MV_STATUS_SUCCESS)
		return status;
	if (c->reg[2] % MV_PAGE_SIZE) {
		status = MV_STATUS_INVALID_INPUT_REG2;
		goto out;
	}
	state_data(vs.st)->run_flags |= MV_RUN_FLAG_ASK;
	err = walk(c->cpu, &vs, c->reg[2], WALK_PROBE, &map, &fault);
	if (!err) {
		c->reg[0] = map.gpa | map.flags;
	} else if (err == -MK_EAGAIN) {
		c->reg[0] = state_data(vs.st)->asked & ~(MV_PAGE_SIZE - 1);
		status = MV_STATUS_FAILURE_NO_MEMORY;
	} else {
		status = MV_STATUS_FAILURE_UNKNOWN;
	}
out:
	vs_drop(c, &vs);
	return status;
}
