/* suite.h - one CUnit suite per test program.
 *
 * A test program is main() with a table of tests and `return suite_run(...)`.
 * Exit 0: all passed; 1: a test failed; 99: the suite could not be set up.
 * The last line of stdout is "N passed, N failed, N skipped", counted in tests.
 */
#ifndef ALTOCAST_TESTS_SUITE_H
#define ALTOCAST_TESTS_SUITE_H

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A test whose input is not on this machine calls SKIP("what is missing") and
 * counts as skipped, not as passed. */
static unsigned suite_skipped;

#define SKIP(what) do { \
	printf("SKIP: %s\n", what); \
	suite_skipped++; \
	return; \
} while (0)

static inline int suite_run(const char *name, CU_TestInfo *tests)
{
	CU_SuiteInfo suites[] = {
		{ name, NULL, NULL, NULL, NULL, tests },
		CU_SUITE_INFO_NULL
	};
	unsigned failed, run;

	if (CU_initialize_registry() != CUE_SUCCESS ||
	    CU_register_suites(suites) != CUE_SUCCESS)
		return 99;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_tests_failed();
	run = CU_get_number_of_tests_run();
	CU_cleanup_registry();
	if (run == 0)
		return 99;
	printf("%u passed, %u failed, %u skipped\n",
	       run - failed - suite_skipped, failed, suite_skipped);
	return failed ? 1 : 0;
}

#endif
