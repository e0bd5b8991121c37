/* filter.h - the tests of a request: which pairs' costs are given (RFC 7285
 * s11.3.2.3, RFC 8189 s4.1.2).
 *
 * A pair passes if all tests of at least one clause hold. A test on a cost that
 * is not defined does not hold. Plain values.
 */
#ifndef ALTOCAST_CORE_FILTER_H
#define ALTOCAST_CORE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"

#define FILTER_TESTS_MAX 256u

enum filter_op { FILTER_GT, FILTER_LT, FILTER_GE, FILTER_LE, FILTER_EQ };

struct filter_test {
	uint8_t op;			/* enum filter_op */
	bool has_index;			/* "[1] le 3"; else index is 0 */
	uint32_t index;			/* which of the types that it refers to;
					 * once resolved: the column */
	double number;
};

struct filter {
	size_t n_tests;			/* 0: everything passes */
	struct filter_test test[FILTER_TESTS_MAX];
	size_t n_clauses;
	size_t end[FILTER_TESTS_MAX];	/* of each clause: one past its last test */
};

/* One predicate: [ "[" 1*DIGIT "]" 1*WS ] op 1*WS number, WS = SP / HTAB, number
 * as in JSON. The index only where indexed. RC_ESYNTAX. */
MUST_CHECK enum rc filter_test_read(const char *s, size_t len, bool indexed,
                                    struct filter_test *out);

/* cost: one value for each column, NaN where there is none. */
bool filter_passes(const struct filter *f, const double *cost);

/* The same for FILTER_LANES pairs at once, which is many times faster. cost: that
 * many values of column 0, those of column 1 stride further on, and so forth; all
 * of them are read. pass: 1 or 0. */
#define FILTER_LANES 32u
void filter_lanes(const struct filter *f, const double *cost, size_t stride,
                  uint8_t pass[FILTER_LANES]);

#endif
