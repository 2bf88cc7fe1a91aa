// SPDX-License-Identifier: MIT
/*
 * The isolation tests: root against the hypervisor's memory, with or without the shim.
 */
#include "hct.h"

int main(void)
{
	static const struct test *const suites[] = { isolation_tests };
	int status;

	machine_open(false);
	status = test_main(suites, COUNT(suites), NULL);
	machine_close();
	return status;
}
