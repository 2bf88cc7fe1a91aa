// SPDX-License-Identifier: MIT
/* The launch module's ELF files: what is loaded from a good one, and each way to be a bad one. */
#include "elf.h"
#include "elf_image.h"
#include "machine.h"

#include <stdlib.h>

#define START MK_U_IMAGE
#define END MK_U_IMAGE_END

static struct elf_image good;
static struct elf_segment seen[8];
static int count, fail_at;

static int segment(void *arg, const struct elf_segment *seg)
{
	assert_ptr_equal(arg, &good);
	seen[count++] = *seg;
	return count == fail_at ? -ENOMEM : 0;
}

/* Loads a copy of exactly `size` bytes: reading behind it is caught. */
static int load(const struct elf_image *f, u64 size, u64 *entry)
{
	void *copy = malloc(size);
	int rc;

	memcpy(copy, f, size);
	count = 0;
	rc = elf_load(copy, size, START, END, entry, segment, &good);
	free(copy);
	return rc;
}

static int setup(void **state)
{
	(void)state;
	elf_image(&good);
	fail_at = 0;
	return 0;
}

static void good_file(void **state)
{
	u64 entry = 0;

	(void)state;
	assert_int_equal(elf_load(&good, sizeof(good), START, END, &entry, segment, &good), 0);
	assert_int_equal(entry, ELF_ENTRY);
	assert_int_equal(count, 3);
	assert_int_equal(seen[0].va, ELF_TEXT);
	assert_ptr_equal(seen[0].data, good.text);
	assert_true(seen[0].execute && !seen[0].write);
	assert_false(seen[1].execute || seen[1].write);
	assert_int_equal(seen[2].va, ELF_DATA);
	assert_int_equal(seen[2].bytes, 0x2010);
	assert_int_equal(seen[2].data_bytes, sizeof(good.data));
	assert_true(seen[2].write && !seen[2].execute);
	count = 0;
}

static void what_fn_says(void **state)
{
	u64 entry;

	(void)state;
	fail_at = 2;
	assert_int_equal(load(&good, sizeof(good), &entry), -ENOMEM);
	assert_int_equal(count, 2);
}

/* Each bad field alone. */
#define BAD(change)                                                                                \
	do {                                                                                       \
		struct elf_image f = good;                                                         \
		u64 entry_ = 0;                                                                    \
		change;                                                                            \
		assert_int_equal(load(&f, sizeof(f), &entry_), -EINVAL);                           \
		assert_int_equal(count, 0);                                                        \
	} while (0)

static void bad_header(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 7; i++)
		BAD(f.header.e_ident[i] ^= 1);
	BAD(f.header.e_type = ET_DYN);
	BAD(f.header.e_machine = EM_386);
	BAD(f.header.e_phentsize = 32);
	BAD(f.header.e_phnum = 65);
	BAD(f.header.e_phnum = 0);
	BAD(f.header.e_phnum = 0xFFFF);
	BAD(f.header.e_phoff = sizeof(f) + 8);
	BAD(f.header.e_phoff = sizeof(f) & ~7ULL);
	BAD(f.header.e_phoff = ~7ULL);
	BAD(f.header.e_phoff += 4);
}

static void bad_segment(void **state)
{
	(void)state;
	BAD(f.segment[0].p_offset = sizeof(f) + 1);
	BAD(f.segment[0].p_offset = ~0ULL);
	BAD(f.segment[0].p_filesz = sizeof(f));
	BAD(f.segment[0].p_filesz = ~0ULL);
	BAD(f.segment[2].p_memsz = 0);
	BAD(f.segment[2].p_memsz = f.segment[2].p_filesz - 1);
	BAD(f.segment[2].p_memsz = END - START + 1);
	BAD(f.segment[2].p_memsz = ~0ULL);
	BAD(f.segment[2].p_vaddr = START - PAGE_4K);
	BAD(f.segment[2].p_vaddr = END - PAGE_4K);
	BAD(f.segment[2].p_vaddr = END);
	BAD(f.segment[2].p_vaddr = ~0xFFFULL);
	BAD(f.segment[2].p_vaddr += 0x10);
	BAD(f.segment[2].p_flags = PF_R | PF_W | PF_X);
	BAD(f.segment[0].p_flags = PF_R | PF_W | PF_X);
}

/* Also in one page without overlapping: it would have both rights. */
static void overlaps(void **state)
{
	(void)state;
	BAD(f.segment[1].p_vaddr = ELF_TEXT);
	BAD(f.segment[1].p_vaddr = ELF_TEXT + 0x1000);
	BAD(f.segment[2].p_vaddr = ELF_RODATA - PAGE_4K);
	BAD(f.segment[2].p_vaddr = ELF_RODATA);
}

static void bad_entry(void **state)
{
	(void)state;
	BAD(f.header.e_entry = ELF_TEXT - 1);
	BAD(f.header.e_entry = ELF_TEXT + sizeof(f.text));
	BAD(f.header.e_entry = ELF_RODATA);
	BAD(f.header.e_entry = ELF_DATA);
	BAD(f.segment[0].p_type = PT_NOTE);
}

static void too_many_segments(void **state)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segment[9];
	} f = { .header = good.header };
	u64 entry;
	int i;

	(void)state;
	f.header.e_phnum = 9;
	for (i = 0; i < 9; i++) {
		f.segment[i] = good.segment[0];
		f.segment[i].p_offset = 0;
		f.segment[i].p_filesz = f.segment[i].p_memsz = sizeof(f);
		f.segment[i].p_vaddr = START + i * PAGE_4K;
	}
	assert_int_equal(elf_load(&f, sizeof(f), START, END, &entry, segment, &good), -EINVAL);
	f.header.e_phnum = 8;
	count = 0;
	assert_int_equal(elf_load(&f, sizeof(f), START, END, &entry, segment, &good), 0);
	assert_int_equal(count, 8);
}

static void truncated(void **state)
{
	u64 entry, size;

	(void)state;
	for (size = 1; size < sizeof(good); size += size < 400 ? 1 : 97)
		if (size < offsetof(struct elf_image, data) + sizeof(good.data))
			assert_int_equal(load(&good, size, &entry), -EINVAL);
}

/* Random bytes in the headers: whatever is accepted obeys the rules. */
static void random_files(void **state)
{
	unsigned int i, j, n;

	(void)state;
	for (i = 0; i < 20000; i++) {
		struct elf_image f = good;
		u64 entry;

		for (n = 1 + machine_random() % 3; n; n--)
			((u8 *)&f)[16 + machine_random() % (offsetof(struct elf_image, text) -
							    16)] = machine_random();
		if (load(&f, sizeof(f), &entry))
			continue;
		for (j = 0; j < (unsigned int)count; j++) {
			assert_false(seen[j].write && seen[j].execute);
			assert_true(seen[j].va >= START && seen[j].va + seen[j].bytes <= END);
			assert_true(seen[j].data_bytes <= seen[j].bytes &&
				    seen[j].data_bytes <= sizeof(f));
		}
	}
}

/* Whole pages one behind the other, the file's bytes at their start, then zeros. */
static void laid_out(void **state)
{
	static u8 memory[6 * PAGE_4K + 1] __attribute__((aligned(4096)));
	struct mk_boot b = { .loads = 7 };
	u64 at;

	(void)state;
	assert_int_equal(elf_lay_out(&good, sizeof(good), memory, 0x200000, 6 * PAGE_4K, &b),
			 6 * PAGE_4K);
	assert_int_equal(b.loads, 3);
	assert_int_equal(b.microv_entry, ELF_ENTRY);
	assert_int_equal(b.load[0].flags, MK_LOAD_EXECUTE);
	assert_int_equal(b.load[0].va, ELF_TEXT);
	assert_int_equal(b.load[0].spa, 0x200000);
	assert_int_equal(b.load[0].bytes, 2 * PAGE_4K);
	assert_int_equal(b.load[1].flags, 0);
	assert_int_equal(b.load[1].spa, 0x202000);
	assert_int_equal(b.load[2].flags, MK_LOAD_WRITE);
	assert_int_equal(b.load[2].va, ELF_DATA);
	assert_int_equal(b.load[2].spa, 0x203000);
	assert_int_equal(b.load[2].bytes, 3 * PAGE_4K);
	assert_memory_equal(memory, good.text, sizeof(good.text));
	assert_memory_equal(memory + 2 * PAGE_4K, good.rodata, sizeof(good.rodata));
	assert_memory_equal(memory + 3 * PAGE_4K, good.data, sizeof(good.data));
	for (at = 3 * PAGE_4K + sizeof(good.data); at < sizeof(memory); at++)
		assert_int_equal(memory[at], 0);

	assert_int_equal(elf_lay_out(&good, sizeof(good), memory, 0, 6 * PAGE_4K - 1, &b), -EFBIG);
	good.header.e_type = ET_DYN;
	assert_int_equal(elf_lay_out(&good, sizeof(good), memory, 0, 6 * PAGE_4K, &b), -EINVAL);
}

static int group_setup(void **state)
{
	(void)state;
	machine_reset();
	return 0;
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(good_file), T(what_fn_says), T(bad_header), T(bad_segment), T(overlaps),
		T(bad_entry), T(too_many_segments), T(truncated), T(random_files), T(laid_out),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
