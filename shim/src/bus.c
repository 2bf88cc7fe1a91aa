// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KVM_IOEVENTFD and coalesced writes: the table of a VM, and the look-up of a write in it.
 *
 * The table never changes once vCPUs can see it: who adds or removes something makes a new one
 * and waits until nobody reads the old one. Both of its parts are sorted, so that a write costs
 * a few binary searches, however many there are.
 */
#include "bus.h"

/* As NR_IOBUS_DEVS of KVM: ioeventfds don't count. */
#define ZONES_MAX 1000U
#define SIZE_LIMIT 0x7FFFFFFFU /* KVM takes a size for an int there */
#define ZONE_BUSES 2U /* BUS_MMIO, BUS_PIO */

struct event {
	uint8_t bus;
	bool any; /* no datamatch */
	uint32_t len; /* 0: any length; these have no datamatch */
	uint64_t addr, datamatch;
	void *eventfd;
};

struct zone {
	uint64_t addr, end;
	uint64_t reach; /* the highest end of this zone and those before it */
};

struct bus_table {
	struct event *events; /* in the order of event_cmp() */
	struct zone *zones[ZONE_BUSES]; /* in the order of addr */
	size_t num_events, num_zones[ZONE_BUSES];
};

/* ---- the table ---- */

static int order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* What is at one address lies together, what has no length first. */
static int event_cmp(const struct event *a, const struct event *b)
{
	int cmp = order(a->bus, b->bus);

	cmp = cmp ? cmp : order(a->addr, b->addr);
	cmp = cmp ? cmp : order(a->len, b->len);
	cmp = cmp ? cmp : order(a->any, b->any);
	return cmp ? cmp : order(a->datamatch, b->datamatch);
}

/* The first one that is not below `key`. */
static size_t event_lower(const struct bus_table *table, const struct event *key)
{
	size_t low = 0, high = table->num_events;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (event_cmp(&table->events[mid], key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static const struct event *event_exact(const struct bus_table *table, const struct event *key)
{
	size_t at = event_lower(table, key);

	return at < table->num_events && !event_cmp(&table->events[at], key) ? &table->events[at]
									     : NULL;
}

static bool is_at(const struct event *event, enum bus bus, uint64_t addr)
{
	return event->bus == bus && event->addr == addr;
}

static bool takes(const struct event *event, uint32_t len, uint64_t data)
{
	return !event->len || (event->len == len && (event->any || event->datamatch == data));
}

/* One that a write of these bytes signals; there is at most one. */
static PLATFORM_SELDOM const struct event *event_find(const struct bus_table *table, enum bus bus,
						      uint64_t addr, uint32_t len, uint64_t data)
{
	struct event key = { .bus = (uint8_t)bus, .addr = addr };
	size_t at = event_lower(table, &key);
	const struct event *event = &table->events[at];

	if (at == table->num_events || !is_at(event, bus, addr))
		return NULL;
	if (takes(event, len, data))
		return event;
	key.len = len;
	key.datamatch = data;
	event = event_exact(table, &key);
	if (event)
		return event;
	key.datamatch = 0;
	key.any = true;
	return event_exact(table, &key);
}

/* Would a write find both this one and one that is there? */
static bool event_collides(const struct bus_table *table, const struct event *event)
{
	const struct event first = { .bus = event->bus, .addr = event->addr };
	struct event key = first;
	size_t at = event_lower(table, &first);

	if (at == table->num_events || table->events[at].bus != event->bus ||
	    table->events[at].addr != event->addr)
		return false;
	if (!event->len || !table->events[at].len)
		return true;
	if (!event->any)
		return event_find(table, event->bus, event->addr, event->len, event->datamatch);
	key.len = event->len;
	at = event_lower(table, &key);
	return at < table->num_events && table->events[at].bus == event->bus &&
	       table->events[at].addr == event->addr && table->events[at].len == event->len;
}

/* How many zones begin at or below addr. */
static size_t zone_upper(const struct bus_table *table, enum bus bus, uint64_t addr)
{
	size_t low = 0, high = table->num_zones[bus];

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (table->zones[bus][mid].addr <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Is all of a write in one zone? */
static bool zone_has(const struct bus_table *table, enum bus bus, uint64_t addr, uint32_t len)
{
	size_t at = zone_upper(table, bus, addr);

	return at && addr + len >= addr && addr + len <= table->zones[bus][at - 1].reach;
}

static void zones_reach(struct bus_table *table, enum bus bus)
{
	struct zone *zones = table->zones[bus];
	uint64_t reach = 0;
	size_t i;

	for (i = 0; i < table->num_zones[bus]; i++) {
		reach = zones[i].end > reach ? zones[i].end : reach;
		zones[i].reach = reach;
	}
}

/* A copy, with room for one more of everything. */
static struct bus_table *table_copy(const struct bus_table *old)
{
	static const struct bus_table empty;
	struct bus_table *new;
	size_t bytes, i;

	old = old ? old : &empty;
	bytes = sizeof(*new) + (old->num_events + 1) * sizeof(struct event);
	for (i = 0; i < ZONE_BUSES; i++)
		bytes += (old->num_zones[i] + 1) * sizeof(struct zone);
	new = platform_alloc(bytes);
	if (!new)
		return NULL;
	*new = *old;
	new->events = (struct event *)(new + 1);
	new->zones[0] = (struct zone *)(new->events + old->num_events + 1);
	new->zones[1] = new->zones[0] + old->num_zones[0] + 1;
	if (old->num_events)
		memcpy(new->events, old->events, old->num_events * sizeof(struct event));
	for (i = 0; i < ZONE_BUSES; i++) {
		if (old->num_zones[i])
			memcpy(new->zones[i], old->zones[i],
			       old->num_zones[i] * sizeof(struct zone));
	}
	return new;
}

/* The new table holds from now on; nobody sees the old one any more. */
static void table_replace(struct shim_vm *vm, struct bus_table *new)
{
	struct bus_table *old = vm->bus;

	__atomic_store_n(&vm->bus, new, __ATOMIC_RELEASE);
	if (!old)
		return;
	platform_read_wait();
	platform_free(old);
}

void bus_free(struct shim_vm *vm)
{
	struct bus_table *table = vm->bus;
	size_t i;

	for (i = 0; table && i < table->num_events; i++)
		platform_eventfd_put(table->events[i].eventfd);
	platform_free(table);
	vm->bus = NULL;
}

/* ---- ioeventfds ---- */

static enum bus bus_of(const struct kvm_ioeventfd *args)
{
	if (args->flags & KVM_IOEVENTFD_FLAG_PIO)
		return BUS_PIO;
	return args->flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY ? BUS_CCW : BUS_MMIO;
}

static struct event event_of(const struct kvm_ioeventfd *args, void *eventfd)
{
	const bool any = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);

	return (struct event){
		.bus = (uint8_t)bus_of(args),
		.any = any,
		.len = args->len,
		.addr = args->addr,
		.datamatch = any ? 0 : args->datamatch,
		.eventfd = eventfd,
	};
}

static int ioeventfd_check(const struct kvm_ioeventfd *args)
{
	if (args->len > 8 || args->len & (args->len - 1))
		return -EINVAL;
	if (args->addr + args->len < args->addr)
		return -EINVAL;
	if (args->flags & ~KVM_IOEVENTFD_VALID_FLAG_MASK)
		return -EINVAL;
	if (!args->len && args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH)
		return -EINVAL;
	return 0;
}

/* From success on the table has the eventfd. */
static int event_add(struct shim_vm *vm, const struct event *event)
{
	struct bus_table *table;
	size_t at;

	if (vm->bus && event_collides(vm->bus, event))
		return -EEXIST;
	table = table_copy(vm->bus);
	if (!table)
		return -ENOMEM;
	at = event_lower(table, event);
	memmove(&table->events[at + 1], &table->events[at],
		(table->num_events - at) * sizeof(*event));
	table->events[at] = *event;
	table->num_events++;
	table_replace(vm, table);
	return 0;
}

static int event_remove(struct shim_vm *vm, const struct event *event)
{
	const struct event *found = vm->bus ? event_exact(vm->bus, event) : NULL;
	struct bus_table *table;
	size_t at;

	if (!found || found->eventfd != event->eventfd)
		return -ENOENT;
	at = (size_t)(found - vm->bus->events);
	table = table_copy(vm->bus);
	if (!table)
		return -ENOMEM;
	table->num_events--;
	memmove(&table->events[at], &table->events[at + 1],
		(table->num_events - at) * sizeof(*event));
	table_replace(vm, table);
	platform_eventfd_put(event->eventfd);
	return 0;
}

int shim_vm_ioeventfd(struct shim_vm *vm, const struct kvm_ioeventfd *args)
{
	const bool remove = args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN;
	struct event event;
	void *eventfd;
	int ret;

	ret = remove ? 0 : ioeventfd_check(args);
	if (ret)
		return ret;
	ret = platform_eventfd_get(args->fd, &eventfd);
	if (ret)
		return ret;
	event = event_of(args, eventfd);
	ret = remove ? event_remove(vm, &event) : event_add(vm, &event);
	if (remove || ret)
		platform_eventfd_put(eventfd);
	return ret;
}

/* ---- coalesced writes ---- */

/* As KVM has it; so a zone of 2 GiB and more stays to the VM's end. */
static bool zone_contains(const struct zone *zone, uint64_t addr, uint32_t size)
{
	return size <= SIZE_LIMIT && addr + size >= addr && addr >= zone->addr &&
	       addr + size <= zone->end;
}

static int zone_add(struct shim_vm *vm, enum bus bus, uint64_t addr, uint32_t size)
{
	struct bus_table *table;
	size_t at;

	if (vm->bus && vm->bus->num_zones[bus] >= ZONES_MAX)
		return -ENOSPC;
	table = table_copy(vm->bus);
	if (!table)
		return -ENOMEM;
	at = zone_upper(table, bus, addr);
	memmove(&table->zones[bus][at + 1], &table->zones[bus][at],
		(table->num_zones[bus] - at) * sizeof(struct zone));
	table->zones[bus][at] = (struct zone){ .addr = addr, .end = addr + size };
	table->num_zones[bus]++;
	zones_reach(table, bus);
	table_replace(vm, table);
	return 0;
}

/* All that contain what is given. */
static int zones_remove(struct shim_vm *vm, enum bus bus, uint64_t addr, uint32_t size)
{
	struct bus_table *table;
	size_t i, kept = 0;

	if (!vm->bus)
		return 0;
	table = table_copy(vm->bus);
	if (!table)
		return -ENOMEM;
	for (i = 0; i < table->num_zones[bus]; i++) {
		if (!zone_contains(&table->zones[bus][i], addr, size))
			table->zones[bus][kept++] = table->zones[bus][i];
	}
	table->num_zones[bus] = kept;
	zones_reach(table, bus);
	table_replace(vm, table);
	return 0;
}

int shim_vm_coalesce(struct shim_vm *vm, const struct kvm_coalesced_mmio_zone *zone, bool add)
{
	const enum bus bus = zone->pio ? BUS_PIO : BUS_MMIO;

	if (zone->pio > 1)
		return -EINVAL;
	return add ? zone_add(vm, bus, zone->addr, zone->size)
		   : zones_remove(vm, bus, zone->addr, zone->size);
}

#define RING_ENTRIES                                                                               \
	((uint32_t)((MV_PAGE_SIZE - sizeof(struct kvm_coalesced_mmio_ring)) /                      \
		    sizeof(struct kvm_coalesced_mmio)))

/* The user writes to the ring, too: its indices are read once, and may be anything. */
static bool ring_write(struct shim_vm *vm, enum bus bus, uint64_t addr, uint32_t len, uint64_t data)
{
	struct kvm_coalesced_mmio_ring *ring = vm->ring;
	struct kvm_coalesced_mmio *entry;
	uint32_t last, next;
	bool room;

	platform_ring_lock(vm->os);
	last = LOAD(ring->last);
	next = (last + 1) % RING_ENTRIES;
	/* One entry is never used, so that a full ring doesn't look empty. */
	room = last < RING_ENTRIES && next != LOAD(ring->first);
	if (room) {
		entry = &ring->coalesced_mmio[last];
		entry->phys_addr = addr;
		entry->len = len;
		entry->pio = bus == BUS_PIO;
		memcpy(entry->data, &data, len);
		__atomic_store_n(&ring->last, next, __ATOMIC_RELEASE);
	}
	platform_ring_unlock(vm->os);
	return room;
}

/* Where the last one was it often is. */
static const struct event *event_find_again(const struct bus_table *table, size_t *last,
					    enum bus bus, uint64_t addr, uint32_t len,
					    uint64_t data)
{
	const struct event *event = &table->events[*last];

	if (*last < table->num_events && is_at(event, bus, addr) && takes(event, len, data))
		return event;
	event = event_find(table, bus, addr, len, data);
	if (event)
		*last = (size_t)(event - table->events);
	return event;
}

bool bus_write_table(struct shim_vcpu *vcpu, enum bus bus, uint64_t addr, uint32_t len,
		     uint64_t data)
{
	const struct bus_table *table;
	const struct event *event;
	bool done = false;

	if (len < sizeof(data))
		data &= (1ULL << len * 8) - 1;
	platform_read_lock();
	table = __atomic_load_n(&vcpu->vm->bus, __ATOMIC_ACQUIRE);
	event = event_find_again(table, &vcpu->event, bus, addr, len, data);
	if (event) {
		platform_eventfd_signal(event->eventfd);
		done = true;
	} else if (zone_has(table, bus, addr, len)) {
		done = ring_write(vcpu->vm, bus, addr, len, data);
	}
	platform_read_unlock();
	return done;
}
