// SPDX-License-Identifier: MIT
/*
 * Random hypercalls, lists, guest memory, registers and exits, always the same ones: what
 * root and guests send must never break MicroV, and an answer is one of the list.
 */
#include "fake.h"
#include "run.h"

#include "../rnd.h"

static unsigned int below(unsigned int n)
{
	return rnd() % n; /* cppcheck-suppress zerodiv ; it loses count in the tables of macros */
}

/* Numbers of the kind that decide something. */
static uint64_t number(void)
{
	static const uint64_t edges[] = {
		0, 1, 2, 3, 512, 513, 768, 33023, 33024, 0xFFFD, 0xFFFE, 0xFFFF, 0x1000, 0x5000,
		0x400000, MK_GPA_END - 0x1000, FAKE_RAM - 8, ~0ULL, 1ULL << 63, 0x7FFFFFFFF000,
	};

	switch (below(4)) {
	case 0:
		return rnd();
	case 1:
		return below(80);
	case 2:
		return (uint64_t)below(4096) << 12;
	}
	return edges[below(ARRAY_SIZE(edges))];
}

/* A shared page whose counts and fields are often right. */
static void fill_page(void)
{
	uint64_t *word = (uint64_t *)fake_shared;

	for (unsigned int i = 0; i < MV_PAGE_SIZE / 8; i++)
		word[i] = below(4) ? 0 : number();
	if (below(2)) {
		word[0] = word[1] = 0;
		word[offsetof(struct mv_mdl_t, num_entries) / 8] = 1 + below(3);
	}
	if (below(4) == 0)
		memset(fake_shared, 0, sizeof(fake_shared));
}

/* The bytes that complete the pending I/O, if some VS has one. */
static void fill_input(unsigned int id)
{
	struct mv_run_t *in = (struct mv_run_t *)fake_shared;
	struct vs vs = { .id = id };

	memset(fake_shared, 0, sizeof(fake_shared));
	vs.st = mk_state(id);
	in->in_bytes = below(8) ? io_wanted(&vs) + mmio_wanted(&vs) : io_wanted(&vs);
	for (unsigned int i = 0; i < sizeof(in->in); i++)
		in->in[i] = rnd();
}

static unsigned int exits_left;

static void make_exit(struct mk_exit *exit)
{
	static const uint8_t sizes[] = { 1, 2, 4 }, addr_sizes[] = { 0, 2, 4, 8 };

	memset(exit, 0, sizeof(*exit));
	if (!exits_left || !--exits_left) {
		exit->reason = MK_EXIT_INTR;
		return;
	}
	exit->reason = below(3) ? (below(2) ? MK_EXIT_IO : MK_EXIT_MEM) : below(MK_EXIT_COUNT + 2);
	exit->len = below(3) ? 0 : below(16);
	exit->write = below(2);
	exit->io.port = rnd();
	exit->io.size = sizes[below(3)];
	exit->io.flags = below(8);
	exit->io.addr_size = addr_sizes[below(4)];
	exit->io.seg = below(2) ? 0xFF : below(6);
	exit->next_rip = below(2) ? 0 : number();
	exit->addr = number();
	exit->interrupted.type = below(8) ? 0 : below(5);
	exit->interrupted.vector = below(32);
}

/* Registers anywhere, segments of any kind, any paging mode. */
static void scramble(struct mk_state *st)
{
	for (unsigned int i = 0; i < 16; i++)
		st->gpr[i] = number();
	st->rip = number();
	st->rflags = rnd() & 0x3F7FD7;
	for (unsigned int i = 0; i < MK_SEGS; i++)
		st->seg[i] = (struct mk_seg){
			.attrib = rnd() & MK_ATTR_ALL, .limit = number(), .base = number(),
		};
	st->cr0 = (below(2) ? CR0_PE | CR0_PG : 0) | (below(2) ? CR0_WP : 0);
	st->cr3 = below(4) ? (uint64_t)below(8) << 12 : number();
	st->cr4 = rnd() & (CR4_PAE | CR4_PSE | CR4_LA57 | CR4_SMAP | CR4_SMEP);
	st->efer = rnd() & (EFER_LMA | EFER_NXE);
	st->dirty |= MK_G_CR | MK_G_SEG;
}

/* Page tables that lead somewhere, here and there. */
static void scramble_tables(void)
{
	uint64_t *word = (uint64_t *)fake_ram;

	for (unsigned int i = 0; i < 0x8000 / 8; i++)
		word[i] = below(4) ? (uint64_t)below(8) << 12 | (rnd() & 0xE7) | 1 : number();
}

static int status_is_listed(mv_status_t status)
{
#define LISTED(name, val, origin, doc) || status == MV_STATUS_##name
	return 0 MV_STATUSES(LISTED);
#undef LISTED
}

static void one_round(const unsigned int *ids, unsigned int count)
{
	static const struct {
		unsigned int op, idx;
	} all[] = {
#define ROW(GROUP, group, idx_, NAME, name, origin, state, ...) { MV_##GROUP##_OP, idx_ },
		MV_HYPERCALLS(ROW)
#undef ROW
	};
	unsigned int i = below(ARRAY_SIZE(all)), id = ids[below(count)];
	uint64_t reg1 = below(4) ? id : number();
	mv_status_t status;

	if (all[i].op == MV_HANDLE_OP || (all[i].op == MV_PP_OP && below(4)))
		i = ARRAY_SIZE(all) - 1;
	fill_page();
	exits_left = 1 + below(6);
	fake.retries = below(8) ? 0 : 1;
	if (below(3) == 0 && id_is_guest(id) && vs_owner[id] == VS_IDLE) {
		scramble(mk_state(id));
		fill_input(id);
		status = HC(0, VS, RUN, id, 0, 0);
	} else {
		status = fake_call(0, all[i].op, all[i].idx, reg1, number(), number());
	}
	assert_true(status_is_listed(status));
	assert_int_equal(cpus[0].busy, 0);
	assert_int_equal(vms[1].lock.owner | vms[2].lock.owner, 0);
}

static void random_calls(void **state)
{
	unsigned int ids[4] = { 0 }, count = 0;

	(void)state;
	seed = 0x4D6963726F56;
	for (unsigned int i = 0; i < 60000; i++) {
		if (i % 500 == 0) {
			fake_reset(NULL);
			fake_share(0);
			fake.make_exit = make_exit;
			scramble_tables();
			ids[0] = fake_vs();
			ids[1] = fake_vs();
			ids[2] = 1;
			ids[3] = 2;
			count = 4;
		}
		fake.log_len = 0;
		one_round(ids, count);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(random_calls) };

	return cmocka_run_group_tests_name("microv random", tests, NULL, NULL);
}
