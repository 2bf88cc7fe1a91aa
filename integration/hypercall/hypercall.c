// SPDX-License-Identifier: MIT
/*
 * The hypercall tests: every hypercall, good and bad, and guests run by hypercalls
 * alone. MicroV runs without the shim meanwhile. hypercall [WORDS]: only the tests
 * whose names have these words.
 */
#include "hct.h"

int main(int argc, char **argv)
{
	static const struct test *const suites[] = { basic_tests, object_tests, memory_tests,
						     state_tests, run_tests, time_tests };
	int status;

	machine_open(true);
	handle = hc_raw(0, HC(HANDLE, OPEN_HANDLE), MV_SPEC_ID1_VAL, 0, 0, 0).reg[0];
	status = test_main(suites, COUNT(suites), argc > 1 ? argv[1] : NULL);
	hc(HC(HANDLE, CLOSE_HANDLE), 0, 0, 0);
	machine_close();
	return status;
}
