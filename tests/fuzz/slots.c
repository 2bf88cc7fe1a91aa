// SPDX-License-Identifier: MIT
/*
 * libFuzzer target: a VM's memory. Slots come, go, move and are logged; the process changes its
 * memory; the guest writes and touches holes; and what can fail does. A model knows which slots
 * there are and what the process has where: the guest must have that and nothing else, its lists
 * must be such as the hypervisor takes (the fake insists), no write may be missing in a log, and
 * whatever fails changes nothing. In the end nothing is left.
 */
#include "fake.h"
#include "fuzz.h"
#include "memory.h"

#define SLOTS 4U
#define STEPS 40
#define MAX_PAGES 1400U
#define HVA(id) (0x40000000ULL + (id)*0x10000000ULL)
#define GROUP 16U /* pages of the process that are alike */
#define GROUPS (MAX_PAGES / GROUP + 32)
#define CALL(name) MV_HYPERCALL(MV_VM_OP, MV_VM_OP_##name##_IDX_VAL)

enum kind {
	PAGES_THERE,
	PAGES_ELSEWHERE,
	PAGES_ON_DEMAND,
	PAGES_READ_ONLY,
	PAGES_SCATTERED,
	PAGES_ABSENT,
	PAGE_KINDS
};

struct model {
	bool there;
	uint32_t flags;
	uint64_t gpa, hva, pages;
	uint8_t written[MAX_PAGES]; /* and not told */
};

static struct fuzz in;
static struct shim_vm vm;
static struct model slots[SLOTS];
static uint8_t kinds[SLOTS][GROUPS]; /* of the process's pages */
static bool failing; /* this step may fail for no fault of its own */

/* --- the process --- */

static void process_page(uint64_t hva, struct fake_page *page)
{
	const uint64_t id = (hva - HVA(0)) / (HVA(1) - HVA(0)), n = (hva - HVA(id)) / PAGE;
	const uint8_t kind = id < SLOTS && n / GROUP < GROUPS ? kinds[id][n / GROUP] : PAGES_ABSENT;

	page->spa = hva + (kind == PAGES_ELSEWHERE ? 0x7000000000 : 0);
	if (kind == PAGES_SCATTERED)
		page->spa = 0x8000000000 + (id << 32) - n * PAGE;
	page->present = kind != PAGES_ON_DEMAND && kind != PAGES_ABSENT;
	page->on_demand = kind == PAGES_ON_DEMAND;
	page->writable = kind != PAGES_READ_ONLY;
}

/* More rights alone are told to nobody. */
static bool only_allows(const uint8_t *kind, size_t count)
{
	while (count--)
		if (*kind++ != PAGES_READ_ONLY)
			return false;
	return true;
}

/* Some of a slot's memory becomes something else. */
static void change_process(void)
{
	const unsigned int id = fuzz_below(&in, SLOTS);
	const uint64_t first = fuzz_below(&in, GROUPS), kind = fuzz_below(&in, PAGE_KINDS);
	uint64_t end = first + 1 + fuzz_below(&in, 128);
	const struct model *s = &slots[id];
	uint64_t from, to;
	bool quiet;

	if (os.stale) /* the fake does one thing at a time */
		return;
	end = end < GROUPS ? end : GROUPS;
	quiet = kind == PAGES_THERE && only_allows(&kinds[id][first], end - first);
	memset(&kinds[id][first], (int)kind, end - first);
	from = HVA(id) + first * GROUP * PAGE;
	to = HVA(id) + end * GROUP * PAGE;
	from = from > s->hva ? from : s->hva;
	to = to < s->hva + s->pages * PAGE ? to : s->hva + s->pages * PAGE;
	if (s->there && from < to && !quiet)
		fake_invalidate(from, (to - from) / PAGE);
}

/* --- the model --- */

static struct model *slot_at(uint64_t gpa)
{
	unsigned int id;

	for (id = 0; id < SLOTS; id++)
		if (slots[id].there && gpa - slots[id].gpa < slots[id].pages * PAGE)
			return &slots[id];
	return NULL;
}

/* A page that the guest has is the process's, with no more rights; unless that is known to be
 * about to change. */
static void check_page(uint64_t gpa, uint64_t spa, bool write)
{
	const struct model *s = slot_at(gpa);
	struct fake_page page;

	FUZZ_CHECK(s && !(write && s->flags & KVM_MEM_READONLY));
	if (os.stale)
		return;
	process_page(s->hva + (gpa - s->gpa), &page);
	FUZZ_CHECK((page.present || page.on_demand) && page.spa == spa);
	FUZZ_CHECK(page.writable || !write);
}

static void check_guest(void)
{
	uint64_t at, pages = 0;
	size_t i;

	for (i = 0; i < hv.num_map; i++) {
		const struct fake_range *r = &hv.map[i];

		for (at = 0; at < r->bytes; at += PAGE)
			check_page(r->dst + at, r->src + at, r->flags & MV_MAP_FLAG_WRITE_ACCESS);
		pages += r->bytes / PAGE;
	}
	FUZZ_CHECK(os.pinned == (long)pages); /* what it has is pinned, and nothing else */
}

static void check_table(void)
{
	unsigned int id, count = 0;
	size_t i;

	for (id = 0; id < SLOTS; id++)
		count += slots[id].there;
	FUZZ_CHECK(vm.slots.num == count);
	for (i = 0; i < count; i++) {
		const struct slot *s = vm.slots.by_gpa[i];
		const struct model *m = &slots[s->id];

		FUZZ_CHECK(s->id < SLOTS && m->there && s->gpa == m->gpa && s->hva == m->hva &&
			   s->pages == m->pages && s->flags == m->flags);
		FUZZ_CHECK(!i || vm.slots.by_gpa[i - 1]->gpa < s->gpa);
		FUZZ_CHECK(!i || vm.slots.by_id[i - 1]->id < vm.slots.by_id[i]->id);
	}
}

/* --- what user space does --- */

static bool overlaps_other(const struct kvm_userspace_memory_region *r)
{
	unsigned int id;

	for (id = 0; id < SLOTS; id++)
		if (id != r->slot && slots[id].there &&
		    r->guest_phys_addr < slots[id].gpa + slots[id].pages * PAGE &&
		    slots[id].gpa < r->guest_phys_addr + r->memory_size)
			return true;
	return false;
}

/* What KVM takes, of regions of these slots. */
static bool is_valid(const struct kvm_userspace_memory_region *r)
{
	const struct model *s = &slots[r->slot];

	if (r->flags & ~(uint32_t)(KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES) ||
	    (r->guest_phys_addr | r->memory_size | r->userspace_addr) % PAGE ||
	    r->userspace_addr > 0x7FFFFFFFF000 - r->memory_size ||
	    r->guest_phys_addr + r->memory_size < r->guest_phys_addr)
		return false;
	if (!r->memory_size)
		return s->there;
	if (s->there && (r->userspace_addr != s->hva || r->memory_size != s->pages * PAGE ||
			 (r->flags ^ s->flags) & KVM_MEM_READONLY))
		return false;
	return (s->there && r->guest_phys_addr == s->gpa) ||
	       (!overlaps_other(r) && r->guest_phys_addr + r->memory_size <= 1ULL << 40);
}

static void remember(const struct kvm_userspace_memory_region *r)
{
	struct model *s = &slots[r->slot];

	if (!r->memory_size || !(r->flags & KVM_MEM_LOG_DIRTY_PAGES) ||
	    !(s->flags & KVM_MEM_LOG_DIRTY_PAGES))
		memset(s->written, 0, sizeof(s->written));
	s->there = r->memory_size > 0;
	s->flags = r->flags;
	s->gpa = r->guest_phys_addr;
	s->hva = r->userspace_addr;
	s->pages = r->memory_size / PAGE;
}

static uint64_t any_gpa(void)
{
	static const uint64_t bases[] = {
		0, 0x100000, 0x200000, 0x3F0000, 0x800000, 0x7FF00000, (1ULL << 40) - 0x100000
	};

	return bases[fuzz_below(&in, 7)] + fuzz_below(&in, 64) * PAGE;
}

static void set_memory(void)
{
	const unsigned int id = fuzz_below(&in, SLOTS), what = fuzz_u8(&in);
	const struct model *s = &slots[id];
	struct kvm_userspace_memory_region r = {
		.slot = id,
		.flags = what >> 2 & 3,
		.guest_phys_addr = what & 1 ? any_gpa() : s->gpa,
		.memory_size = s->pages * PAGE,
		.userspace_addr = s->hva,
	};
	bool valid;
	int ret;

	if (!s->there) {
		r.memory_size = (1 + fuzz_below(&in, 175) * 8) * PAGE;
		r.userspace_addr = HVA(id) + fuzz_below(&in, 16) * PAGE;
	} else if (what >> 4 == 1) {
		r.memory_size = 0;
	}
	if (what >> 4 == 2) {
		__u64 *fields[] = { &r.guest_phys_addr, &r.memory_size, &r.userspace_addr };
		__u64 *field = fields[fuzz_below(&in, 3)];

		*field = fuzz_any(&in);
		r.flags ^= 1U << fuzz_below(&in, 8);
	}
	if (r.memory_size > MAX_PAGES * PAGE)
		return;
	valid = is_valid(&r);
	ret = shim_vm_set_memory(&vm, &r);
	FUZZ_CHECK(valid ? !ret || failing : ret < 0);
	if (!ret)
		remember(&r);
}

/* Something that isn't ours at all. */
static void set_anything(void)
{
	struct kvm_userspace_memory_region r;

	fuzz_read(&in, &r, sizeof(r));
	if (r.slot < SLOTS || r.memory_size > 1ULL << 30)
		r.memory_size |= 1;
	if (!r.memory_size || r.memory_size % PAGE || r.slot >= SHIM_MAX_SLOTS)
		FUZZ_CHECK(shim_vm_set_memory(&vm, &r) < 0);
}

static void get_log(void)
{
	const unsigned int id = fuzz_below(&in, SLOTS + 1);
	struct model *s = &slots[id % SLOTS];
	const void *bitmap = NULL;
	size_t bytes = 0, page;
	int ret = shim_vm_get_dirty_log(&vm, id, &bitmap, &bytes);

	if (ret) {
		FUZZ_CHECK(failing || id == SLOTS || !s->there ||
			   !(s->flags & KVM_MEM_LOG_DIRTY_PAGES));
		return;
	}
	FUZZ_CHECK(id < SLOTS && bytes == (s->pages + 63) / 64 * 8);
	for (page = 0; page < bytes * 8; page++) {
		const bool told = ((const uint64_t *)bitmap)[page / 64] >> page % 64 & 1;

		FUZZ_CHECK(page < s->pages || !told);
		FUZZ_CHECK(page >= s->pages || told || !s->written[page]);
	}
	shim_vm_dirty_log_told(&vm, id);
	if (!vm.caps.dirty_log)
		memset(s->written, 0, sizeof(s->written));
}

static void clear_log(void)
{
	static uint64_t bits[MAX_PAGES / 64 + 2];
	struct kvm_clear_dirty_log clear = { .slot = fuzz_below(&in, SLOTS),
					     .first_page = fuzz_any(&in) * 64,
					     .num_pages = fuzz_any(&in) * 8 };
	struct model *s = &slots[clear.slot];
	const long bytes = shim_vm_clear_dirty_log_bytes(&vm, &clear);
	uint64_t page;

	FUZZ_CHECK(bytes <= (long)(MAX_PAGES / 64 + 1) * 8);
	if (bytes < 0)
		return;
	FUZZ_CHECK(clear.first_page + clear.num_pages <= s->pages);
	memset(bits, fuzz_u8(&in), sizeof(bits));
	if (shim_vm_clear_dirty_log(&vm, &clear, bits))
		return;
	for (page = clear.first_page; page < s->pages; page++)
		if (page - clear.first_page < (uint64_t)bytes * 8 &&
		    bits[(page - clear.first_page) / 64] >> page % 64 & 1)
			s->written[page] = 0;
}

/* --- what the guest does --- */

static bool guest_has(uint64_t gpa, bool write)
{
	size_t i;

	for (i = 0; i < hv.num_map; i++)
		if (gpa - hv.map[i].dst < hv.map[i].bytes)
			return !write || hv.map[i].flags & MV_MAP_FLAG_WRITE_ACCESS;
	return false;
}

/* At a page of a slot, if that is there. */
static uint64_t guest_page(void)
{
	const struct model *s = &slots[fuzz_below(&in, SLOTS)];

	return s->there ? s->gpa + fuzz_any(&in) % s->pages * PAGE : any_gpa();
}

static void guest_writes(void)
{
	const uint64_t gpa = guest_page();
	struct model *s = slot_at(gpa);

	if (!guest_has(gpa, true) || gpa / PAGE / 64 >= sizeof(hv.dirty) / 8)
		return;
	hv.dirty[gpa / PAGE / 64] |= 1ULL << gpa / PAGE % 64;
	s->written[(gpa - s->gpa) / PAGE] = !!(s->flags & KVM_MEM_LOG_DIRTY_PAGES);
}

static void guest_faults(void)
{
	const bool write = fuzz_u8(&in) & 1;
	const uint64_t gpa = guest_page();
	const struct model *s = slot_at(gpa);
	struct fake_page page = { .present = false };
	int ret = memory_fault(&vm, gpa, write);

	if (!s || (write && s->flags & KVM_MEM_READONLY)) {
		FUZZ_CHECK(ret == MEMORY_DEVICE);
		return;
	}
	process_page(s->hva + (gpa - s->gpa), &page);
	if (failing || os.stale)
		return;
	if ((page.present || page.on_demand) && (page.writable || !write))
		FUZZ_CHECK(ret == MEMORY_THERE && guest_has(gpa, write));
	else
		FUZZ_CHECK(ret == -EFAULT && !guest_has(gpa, write));
}

/* --- all of it --- */

static void may_fail(void)
{
	const unsigned int what = fuzz_u8(&in), n = 1 + (what >> 3);

	failing = true;
	switch (what % 8) {
	case 0:
		os.alloc_fail = n;
		break;
	case 1:
		os.pages_fail = n;
		break;
	case 2:
		os.pin_fail = n;
		os.pin_error = n & 1 ? -EINTR : -ENOMEM;
		break;
	case 3:
		hv.fail_call = CALL(MMIO_MAP);
		break;
	case 4:
		hv.fail_call = CALL(DIRTY_LOG);
		break;
	case 5:
		hv.short_of = n;
		hv.short_times = 1 + n % 3;
		break;
	case 6:
		os.no_pages = true;
		hv.short_of = n;
		hv.short_times = 1;
		break;
	default:
		hv.retries = n % 4;
	}
	hv.fail_at = hv.fail_call ? 1 + n % 4 : 0;
	hv.fail_status = MV_STATUS_FAILURE_UNKNOWN;
}

static void fail_no_more(void)
{
	os.alloc_fail = os.pages_fail = os.pin_fail = 0;
	os.no_pages = failing = false;
	hv.fail_call = hv.fail_at = hv.short_times = hv.retries = 0;
}

static void one_step(void)
{
	switch (fuzz_below(&in, 12)) {
	case 0:
	case 1:
	case 2:
		set_memory();
		break;
	case 3:
		change_process();
		break;
	case 4:
		get_log();
		break;
	case 5:
		clear_log();
		break;
	case 6:
	case 7:
		guest_writes();
		break;
	case 8:
	case 9:
		guest_faults();
		break;
	case 10:
		set_anything();
		break;
	default:
		may_fail();
		set_memory();
	}
	fail_no_more();
	if (fuzz_u8(&in) & 3)
		FUZZ_CHECK(!memory_repair(&vm));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int i;

	in = (struct fuzz){ data, size };
	memset(slots, 0, sizeof(slots));
	memset(kinds, 0, sizeof(kinds));
	fake_setup(NULL);
	os.page = process_page;
	fake_vm(&vm, NULL);
	vm.caps.dirty_log = fuzz_u8(&in) & 1 ? KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE : 0;
	for (i = 0; i < STEPS && fuzz_more(&in); i++) {
		hv.calls[FAKE_MAP] = 0;
		one_step();
		FUZZ_CHECK(!vm.broken);
		check_table();
		check_guest();
	}
	fake_vm_free(&vm, NULL);
	fake_teardown(NULL);
	return 0;
}
