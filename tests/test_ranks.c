/* Ordinal costs: order, ties, no gaps, and no values that are slow. */
#include "common/core/ranks.h"

#include <math.h>
#include <stdint.h>
#include <time.h>

#include "tests/suite.h"

static struct ranks *ranks_of(const double *cost, size_t n)
{
	struct ranks *r = NULL;

	CU_ASSERT_EQUAL_FATAL(ranks_new(&r), RC_OK);
	CU_ASSERT_EQUAL_FATAL(ranks_note(r, cost, n), RC_OK);
	CU_ASSERT_EQUAL_FATAL(ranks_order(r), RC_OK);
	return r;
}

/* cost becomes want; NaN is wanted as NaN. */
static void expect(const double *cost, const double *want, size_t n)
{
	struct ranks *r = ranks_of(cost, n);
	double got[16];

	CU_ASSERT_FATAL(n <= 16);
	memcpy(got, cost, n * sizeof(*got));
	ranks_apply(r, got, n);
	for (size_t i = 0; i < n; i++)
		CU_ASSERT(isnan(want[i]) ? isnan(got[i]) : got[i] == want[i]);
	ranks_free(r);
}

static void the_lowest_is_one_ties_are_equal_and_there_are_no_gaps(void)
{
	const double cost[] = { 12.5, 3, 12.5, -4, 1e300, 3, 3 };
	const double want[] = { 3, 2, 3, 1, 4, 2, 2 };

	expect(cost, want, 7);
}

static void minus_zero_ties_with_zero(void)
{
	const double cost[] = { 0.0, -0.0, 1, -1 };
	const double want[] = { 2, 2, 3, 1 };

	expect(cost, want, 4);
}

static void what_is_not_defined_has_no_rank_and_takes_none(void)
{
	const double cost[] = { NAN, 7, -NAN, 5 };
	const double want[] = { NAN, 2, NAN, 1 };

	expect(cost, want, 4);
	expect(cost, want, 1);		/* none at all */
	expect(cost, want, 0);
}

static void neighbours_and_extremes_are_told_apart(void)
{
	const double cost[] = {
		1, 1 + 0x1p-52, 5e-324, 0, 1.7976931348623157e308,
		-1.7976931348623157e308, -5e-324, 2.2250738585072014e-308
	};
	const double want[] = { 6, 7, 4, 3, 8, 1, 2, 5 };

	expect(cost, want, 8);
}

/* Any NaN, the one with all bits set too, is passed over. */
static void no_bit_pattern_is_taken_for_another(void)
{
	const uint64_t bits[] = {
		UINT64_MAX, 0x7ff0000000000001u, 0xfff8000000000000u, 0, 1,
		0x8000000000000000u, 0x8000000000000001u, 0x7fefffffffffffffu
	};
	const double want[] = { NAN, NAN, NAN, 2, 3, 2, 1, 4 };
	double cost[8];

	memcpy(cost, bits, sizeof(cost));
	expect(cost, want, 8);
}

static void costs_noted_one_at_a_time_rank_as_one_set(void)
{
	struct ranks *r = NULL;
	double cost[1000], same[1000];

	CU_ASSERT_EQUAL_FATAL(ranks_new(&r), RC_OK);
	for (int i = 0; i < 1000; i++) {
		cost[i] = same[i] = (i * 7919) % 1000 / 2;
		CU_ASSERT_EQUAL(ranks_note(r, &cost[i], 1), RC_OK);
	}
	CU_ASSERT_EQUAL_FATAL(ranks_order(r), RC_OK);
	ranks_apply(r, cost, 500);
	ranks_apply(r, cost + 500, 500);
	for (int i = 0; i < 1000; i++)
		CU_ASSERT_EQUAL(cost[i], same[i] + 1);
	ranks_free(r);
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#define MANY 1000000u

/* A table that these flood would take hours: the limit is far from what a slow
 * machine needs. make gives a cost for each number, all different, ascending. */
static void expect_quick(double (*make)(uint64_t))
{
	double *cost = malloc(MANY * sizeof(*cost));
	double begin = cpu_seconds();
	struct ranks *r;
	size_t wrong = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(cost);
	for (uint64_t i = 0; i < MANY; i++)	/* 7919 is prime to MANY */
		cost[i] = make(i * 7919 % MANY);
	r = ranks_of(cost, MANY);
	ranks_apply(r, cost, MANY);
	for (uint64_t i = 0; i < MANY; i++)
		wrong += cost[i] != (double)(i * 7919 % MANY + 1);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(cpu_seconds() - begin < 30);
	ranks_free(r);
	free(cost);
}

static double from_bits(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static double integers(uint64_t i)
{
	return (double)i;
}

static double thousandths(uint64_t i)
{
	return (double)i / 1000;
}

static double low_bits(uint64_t i)
{
	return from_bits(0x3ff0000000000000u + i);
}

static double high_bits(uint64_t i)
{
	return from_bits(i << 42);
}

static double middle_bits(uint64_t i)
{
	return from_bits(i << 21);
}

static void a_million_different_costs_are_ranked_whatever_their_bits(void)
{
	expect_quick(integers);
	expect_quick(thousandths);
	expect_quick(low_bits);
	expect_quick(high_bits);
	expect_quick(middle_bits);
}

static void more_than_the_ceiling_is_refused(void)
{
	struct ranks *r = NULL;
	double block[4096];
	enum rc rc = RC_OK;
	double next = 0;
	size_t noted = 0;

	CU_ASSERT_EQUAL_FATAL(ranks_new(&r), RC_OK);
	for (size_t k = 0; k < RANKS_MAX / 4096; k++) {
		for (size_t i = 0; i < 4096; i++)
			block[i] = next++;
		rc = ranks_note(r, block, 4096);
		CU_ASSERT_EQUAL_FATAL(rc, RC_OK);
		noted += 4096;
	}
	CU_ASSERT_EQUAL(noted, RANKS_MAX);
	CU_ASSERT_EQUAL(ranks_note(r, block, 4096), RC_OK);	/* known */
	block[0] = -1;
	CU_ASSERT_EQUAL(ranks_note(r, block, 1), RC_ELIMIT);
	ranks_free(r);
}

static void nothing_can_be_freed(void)
{
	ranks_free(NULL);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the lowest is 1, ties are equal and there are no gaps",
		  the_lowest_is_one_ties_are_equal_and_there_are_no_gaps },
		{ "minus zero ties with zero", minus_zero_ties_with_zero },
		{ "what is not defined has no rank and takes none",
		  what_is_not_defined_has_no_rank_and_takes_none },
		{ "neighbours and extremes are told apart",
		  neighbours_and_extremes_are_told_apart },
		{ "no bit pattern is taken for another",
		  no_bit_pattern_is_taken_for_another },
		{ "costs noted one at a time rank as one set",
		  costs_noted_one_at_a_time_rank_as_one_set },
		{ "a million different costs are ranked whatever their bits",
		  a_million_different_costs_are_ranked_whatever_their_bits },
		{ "more than the ceiling is refused",
		  more_than_the_ceiling_is_refused },
		{ "nothing can be freed", nothing_can_be_freed },
		CU_TEST_INFO_NULL
	};

	return suite_run("ranks", tests);
}
