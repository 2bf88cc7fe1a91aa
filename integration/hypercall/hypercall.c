// SPDX-License-Identifier: MIT
/*
 * The hypercall tests: every hypercall, good and bad, and guests run by hypercalls
 * alone. MicroV runs without the shim meanwhile.
 */
#include "hct.h"

int main(void)
{
	static const struct test *const suites[] = { basic_tests, object_tests, memory_tests,
						     state_tests, run_tests };
	int status;

	machine_open(true);
	status = test_main(suites, COUNT(suites));
	hc(HC(HANDLE, CLOSE_HANDLE), 0, 0, 0);
	machine_close();
	return status;
}
