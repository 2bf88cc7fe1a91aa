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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vermagic),  cmocka_unit_test(modules), cmocka_unit_test(cpus),
		cmocka_unit_test(statistics), cmocka_unit_test(statistics_for_machines),
		cmocka_unit_test(durations), cmocka_unit_test(reasons), cmocka_unit_test(loading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
