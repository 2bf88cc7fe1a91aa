// SPDX-License-Identifier: MIT
/*
 * mvctl's parts that only compute: vermagic, lists, times, the choice of words.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/mvctl/mvctl.h"

static void vermagic(void **state)
{
	static const char image[] =
		"\177ELF\0srcversion=12\0xvermagic=no\0vermagic=6.1.0-1 SMP \0z";
	/* On the heap and exactly as long, so that reading past it is seen. */
	char *copy = malloc(sizeof(image) - 1);

	(void)state;
	memcpy(copy, image, sizeof(image) - 1);
	assert_string_equal(modinfo_find(copy, sizeof(image) - 1, "vermagic"), "6.1.0-1 SMP ");
	assert_string_equal(modinfo_find(copy, sizeof(image) - 1, "srcversion"), "12");
	assert_null(modinfo_find(copy, sizeof(image) - 1, "license"));
	/* Cut off within the value, the key, before anything. */
	for (size_t bytes = 0; bytes < sizeof(image) - 3; bytes++)
		assert_null(modinfo_find(copy, bytes, "vermagic"));
	free(copy);
}

static void modules(void **state)
{
	static const char list[] = "kvm_amd 163840 3 - Live 0xffffffffc0a00000\n"
				   "kvm 1142784 1 kvm_amd, Live 0xffffffffc0800000\n"
				   "microv_kvm 40960 0 - Live 0x0 (OE)\n";
	unsigned long refs = 77;

	(void)state;
	assert_true(modules_find(list, "kvm_amd", &refs));
	assert_int_equal(refs, 3);
	assert_true(modules_find(list, "kvm", &refs));
	assert_int_equal(refs, 1);
	assert_true(modules_find(list, "microv_kvm", &refs));
	assert_int_equal(refs, 0);
	assert_false(modules_find(list, "kv", &refs));
	assert_false(modules_find(list, "amd", &refs));
	assert_false(modules_find("", "kvm", &refs));
}

static void cpus(void **state)
{
	const uint64_t four = 0xF, holes = 0x8000000000000045, wide[2] = { 1ULL << 63, 3 };
	char text[64], small[4];

	(void)state;
	cpu_list(&four, 1, text, sizeof(text));
	assert_string_equal(text, "0-3");
	cpu_list(&holes, 1, text, sizeof(text));
	assert_string_equal(text, "0,2,6,63");
	cpu_list(wide, 2, text, sizeof(text));
	assert_string_equal(text, "63-65");
	cpu_list(&(uint64_t){ 0 }, 1, text, sizeof(text));
	assert_string_equal(text, "");
	cpu_list(&holes, 1, small, sizeof(small));
	assert_true(strlen(small) < sizeof(small));
}

static void durations(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} cases[] = {
		{ 0, "0 s" },
		{ 59, "59 s" },
		{ 60, "1 min 0 s" },
		{ 3599, "59 min 59 s" },
		{ 3600 + 20 * 60, "1 h 20 min" },
		{ 90000, "1 d 1 h" },
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		duration(cases[i].seconds, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
	}
}

static void reasons(void **state)
{
	(void)state;
	assert_int_equal(reason_message(MV_LOADER_NO_SVM).status, MVCTL_UNABLE);
	assert_non_null(strstr(reason_message(MV_LOADER_SVM_DISABLED).what, "firmware"));
	assert_int_equal(reason_message(MV_LOADER_SVM_DISABLED).status, MVCTL_UNABLE);
	assert_int_equal(reason_message(MV_LOADER_SVM_IN_USE).status, MVCTL_UNABLE);
	assert_int_equal(reason_message(MV_LOADER_RUNNING).status, MVCTL_RUNNING);
	assert_int_equal(reason_message(MV_LOADER_NOT_RUNNING).status, MVCTL_NOT_RUNNING);
	assert_int_equal(reason_message(MV_LOADER_IN_USE).status, MVCTL_IN_USE);
	/* Every reason has words, and one from a newer module is a failure too. */
	for (int i = 0; i <= MV_LOADER_FAILED + 1; i++) {
		assert_non_null(reason_message(i).what);
		assert_non_null(reason_message(i).hint);
		assert_int_not_equal(reason_message(i).status, MVCTL_OK);
	}
}

static void loading(void **state)
{
	(void)state;
	assert_int_equal(load_message(ENOEXEC, false, false).status, MVCTL_FILES);
	assert_int_equal(load_message(ENOEXEC, true, false).status, MVCTL_FAILED);
	assert_non_null(strstr(load_message(EPERM, true, true).what, "lockdown"));
	assert_null(strstr(load_message(EPERM, true, false).what, "lockdown"));
	assert_non_null(strstr(load_message(EKEYREJECTED, true, false).what, "signed"));
	assert_non_null(strstr(load_message(EBUSY, true, false).what, "/dev/kvm"));
	assert_int_equal(load_message(EIO, true, false).status, MVCTL_FAILED);
}

static const char stat_lines[] =
	"cpu cpu=0 world_switches=12 exits=7 exit_hypercall=6 exit_msr=0\n"
	"cpu cpu=1 world_switches=0 exits=0 exit_hypercall=0 exit_msr=0\n"
	"vm vm=3 pid=77 pinned_pages=512 donated_pages=64\n"
	"vcpu vm=3 vcpu=0 io_exits=5 exits=40 irq_injections=2 guest_ns=1500000000 exit_io=5 exit_cr=1\n"
	"vcpu vm=3 vcpu=1 io_exits=0 exits=0 irq_injections=0 guest_ns=0 exit_io=0 exit_cr=0\n"
	"vm vm=4 pid=78 pinned_pages=0 donated_pages=32\n";

/* What it prints, to be freed. */
static char *printed(void (*print)(const char *lines, FILE *out), const char *lines)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	assert_non_null(out);
	print(lines, out);
	fclose(out);
	return text;
}

static void statistics(void **state)
{
	char *text = printed(stat_text, stat_lines);

	(void)state;
	assert_non_null(strstr(text, "CPU 0: 12 world switches, 7 into the root VM\n"
				     "  exits      hypercall 6\n"
				     "CPU 1: 0 world switches, 0 into the root VM\n"
				     "  exits      none\n"
				     "VM 3 of process 77: 2.0 MiB of memory, 0.2 MiB of MicroV's\n"
				     "  vCPU 0: 40 entries; 1.500 s in the guest"));
	assert_non_null(strstr(text, "exits      io 5, cr 1\n"));
	assert_non_null(strstr(text, "injected   interrupts 2,"));
	assert_non_null(strstr(text, "\nVM 4 of process 78"));
	free(text);
	text = printed(stat_text, "");
	assert_string_equal(text, "");
	free(text);
}

/* A CPU and a VM that there were, a vCPU of another VM with the same number, a new one. */
static void statistics_by_the_second(void **state)
{
	static const char later[] = "cpu cpu=0 world_switches=1012 exits=8\n"
				    "vm vm=3 pid=99 pinned_pages=500 donated_pages=70\n"
				    "vcpu vm=3 vcpu=0 io_exits=3 exits=45 guest_ns=3500000000\n"
				    "vcpu vm=3 vcpu=7 exits=10\n";
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	(void)state;
	assert_non_null(out);
	stat_rates(stat_lines, later, 2.0, out);
	fclose(out);
	assert_string_equal(text, "cpu cpu=0 world_switches=500 exits=1\n"
				  "vm vm=3 pid=99 pinned_pages=500 donated_pages=70\n"
				  "vcpu vm=3 vcpu=0 io_exits=2 exits=3 guest_ns=1000000000\n"
				  "vcpu vm=3 vcpu=7 exits=5\n");
	free(text);
}

static void statistics_for_machines(void **state)
{
	char *text = printed(stat_json, stat_lines);

	(void)state;
	assert_string_equal(
		text,
		"{\"cpus\": [\n"
		"  {\"cpu\": 0, \"world_switches\": 12, \"exits\": 7, \"exit_hypercall\": 6, "
		"\"exit_msr\": 0},\n"
		"  {\"cpu\": 1, \"world_switches\": 0, \"exits\": 0, \"exit_hypercall\": 0, "
		"\"exit_msr\": 0}],\n"
		"\"vms\": [\n"
		"  {\"vm\": 3, \"pid\": 77, \"pinned_pages\": 512, \"donated_pages\": 64, "
		"\"vcpus\": [\n"
		"    {\"vm\": 3, \"vcpu\": 0, \"io_exits\": 5, \"exits\": 40, "
		"\"irq_injections\": 2, \"guest_ns\": 1500000000, \"exit_io\": 5, \"exit_cr\": 1},\n"
		"    {\"vm\": 3, \"vcpu\": 1, \"io_exits\": 0, \"exits\": 0, "
		"\"irq_injections\": 0, \"guest_ns\": 0, \"exit_io\": 0, \"exit_cr\": 0}]},\n"
		"  {\"vm\": 4, \"pid\": 78, \"pinned_pages\": 0, \"donated_pages\": 32, "
		"\"vcpus\": []}]}\n");
	free(text);
	text = printed(stat_json, "");
	assert_string_equal(text, "{\"cpus\": [],\n\"vms\": []}\n");
	free(text);
}

/* An image of two functions, f at 0x400000 and g at 0x400020 (to whose name the compiler has added),
 * with calls before 0x400010 (by displacement) and 0x400030 (by a pointer). */
static const struct elf {
	Elf64_Ehdr head;
	Elf64_Shdr section[4];
	Elf64_Sym sym[3];
	char names[16];
	uint8_t text[0x40];
} elf = {
	.head = { .e_ident = ELFMAG, .e_shoff = offsetof(struct elf, section), .e_shnum = 4,
		  .e_shentsize = sizeof(Elf64_Shdr) },
	.section = {
		[1] = { .sh_flags = SHF_EXECINSTR, .sh_addr = 0x400000,
			.sh_offset = offsetof(struct elf, text), .sh_size = 0x40 },
		[2] = { .sh_type = SHT_SYMTAB, .sh_offset = offsetof(struct elf, sym),
			.sh_size = sizeof(elf.sym), .sh_link = 3 },
		[3] = { .sh_offset = offsetof(struct elf, names), .sh_size = sizeof(elf.names) },
	},
	.sym = { [1] = { .st_name = 1, .st_info = STT_FUNC, .st_value = 0x400000 },
		 [2] = { .st_name = 3, .st_info = STT_FUNC, .st_value = 0x400020 } },
	.names = "\0f\0g.lto_priv.0",
	.text = { [0xB] = 0xE8, [0x2E] = 0xFF, [0x2F] = 0xD0 },
};

static void log_is(const struct image *image, unsigned int count, const char *line,
		   const char *want)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	assert_non_null(out);
	log_print_line(image, count, line, out);
	fclose(out);
	assert_string_equal(text, want);
	free(text);
}

static void names_in_the_log(void **state)
{
	const struct image image = { (const uint8_t *)&elf, sizeof(elf) };

	(void)state;
	log_is(&image, 1, "any line", "any line\n");
	log_is(&image, 1, "  rip 0x400021 rsp 0x5", "  rip 0x400021 (g+0x1) rsp 0x5\n");
	log_is(&image, 1, "  rip 0x400040 rsp 0x5", "  rip 0x400040 rsp 0x5\n");
	log_is(&image, 1, "  at 0x400010", "  at 0x400010 (f+0xf)\n");
	log_is(&image, 1, "  at 0x400030", "  at 0x400030 (g+0xf)\n");
	log_is(&image, 1, "  at 0x400011", "");
	log_is(&image, 1, "  at 0x400000", "");
	log_is(&image, 1, "  at 0x7", "");
	log_is(&image, 0, "  at 0x7", "  at 0x7\n");
}

/* Whatever is in the file: nothing outside of it is read. */
static void names_of_damaged_images(void **state)
{
	unsigned int i;

	(void)state;
	srand(1);
	for (i = 0; i < 20000; i++) {
		size_t bytes = i % 3 ? sizeof(elf) : 1 + (size_t)rand() % sizeof(elf);
		size_t at = (size_t)rand() % offsetof(struct elf, text);
		uint8_t *damaged = malloc(bytes); /* exactly as long, so that reading past it is seen */
		const struct image image = { damaged, bytes };
		uint64_t offset;

		assert_non_null(damaged);
		memcpy(damaged, &elf, bytes);
		if (at < bytes)
			damaged[at] = (uint8_t)rand();
		symbol_find(&image, 0x400021, &offset);
		symbol_is_return(&image, 0x400010);
		symbol_is_return(&image, 0x400000);
		free(damaged);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vermagic),  cmocka_unit_test(modules), cmocka_unit_test(cpus),
		cmocka_unit_test(statistics), cmocka_unit_test(statistics_for_machines),
		cmocka_unit_test(statistics_by_the_second),
		cmocka_unit_test(names_in_the_log), cmocka_unit_test(names_of_damaged_images),
		cmocka_unit_test(durations), cmocka_unit_test(reasons), cmocka_unit_test(loading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
