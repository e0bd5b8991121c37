/* Tests of a request: the grammar to the letter, and what passes. */
#include "common/core/filter.h"

#include <locale.h>
#include <math.h>

#include "tests/suite.h"

static struct filter_test test_of(const char *text)
{
	struct filter_test t = { 99, true, 77, -1 };

	CU_ASSERT_EQUAL(filter_test_read(text, strlen(text), true, &t), RC_OK);
	if (t.op == 99)
		printf("\n    refused: %s\n", text);
	return t;
}

static void expect_test(const char *text, enum filter_op op, double number)
{
	struct filter_test t = test_of(text);

	CU_ASSERT_EQUAL(t.op, op);
	CU_ASSERT_FALSE(t.has_index);
	CU_ASSERT_EQUAL(t.index, 0);
	CU_ASSERT_EQUAL(t.number, number);
}

/* In memory of just this size, so that a sanitizer sees a step too far. */
static void refused_bytes(const char *text, size_t len, bool indexed)
{
	struct filter_test t = { 99, true, 77, -1 };
	char *copy = malloc(len ? len : 1);
	enum rc rc;

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	memcpy(copy, text, len);
	rc = filter_test_read(copy, len, indexed, &t);
	CU_ASSERT_EQUAL(rc, RC_ESYNTAX);
	if (rc == RC_OK)
		printf("\n    taken: \"%s\"\n", text);
	CU_ASSERT_EQUAL(t.op, 99);
	CU_ASSERT_EQUAL(t.index, 77);
	CU_ASSERT_EQUAL(t.number, -1);
	free(copy);
}

static void refused(const char *text, bool indexed)
{
	refused_bytes(text, strlen(text), indexed);
}

static void every_operator_is_read(void)
{
	expect_test("gt 5", FILTER_GT, 5);
	expect_test("lt 5", FILTER_LT, 5);
	expect_test("ge 5", FILTER_GE, 5);
	expect_test("le 5", FILTER_LE, 5);
	expect_test("eq 5", FILTER_EQ, 5);
}

static void blanks_between_may_be_many_and_tabs(void)
{
	struct filter_test t = test_of("[12] \t  le\t\t 3");

	CU_ASSERT(t.has_index);
	CU_ASSERT_EQUAL(t.index, 12);
	CU_ASSERT_EQUAL(t.op, FILTER_LE);
	CU_ASSERT_EQUAL(t.number, 3);
	expect_test("ge \t 5", FILTER_GE, 5);
	expect_test("ge\t5", FILTER_GE, 5);
}

static void an_index_is_any_digits_that_fit(void)
{
	CU_ASSERT_EQUAL(test_of("[0] ge 1").index, 0);
	CU_ASSERT(test_of("[0] ge 1").has_index);
	CU_ASSERT_EQUAL(test_of("[007] ge 1").index, 7);
	CU_ASSERT_EQUAL(test_of("[00000000000000000001] ge 1").index, 1);
	CU_ASSERT_EQUAL(test_of("[4294967295] ge 1").index, UINT32_MAX);
	refused("[4294967296] ge 1", true);
	refused("[99999999999] ge 1", true);
	refused("[18446744073709551617] ge 1", true);
	refused("[] ge 1", true);
	refused("[-1] ge 1", true);
	refused("[+1] ge 1", true);
	refused("[ 1] ge 1", true);
	refused("[1 ] ge 1", true);
	refused("[1.0] ge 1", true);
	refused("[1 ge 1", true);
	refused("1] ge 1", true);
	refused("[[1]] ge 1", true);
	refused("[", true);
	refused("[1", true);
	refused("[1]", true);
	refused("[1] ", true);
}

static void an_index_is_taken_only_where_it_may_be(void)
{
	struct filter_test t;

	refused("[0] ge 5", false);
	CU_ASSERT_EQUAL(filter_test_read("ge 5", 4, false, &t), RC_OK);
	CU_ASSERT_FALSE(t.has_index);
}

static void what_lacks_a_part_or_a_blank_is_refused(void)
{
	static const char *const text[] = {
		"", " ", "gt", "gt ", "gt\t", "gt5", "[0]ge 5", "[0]ge5",
		"[0] ge5", "5", "5 gt", "foo 5", "g 5", "gtt 5", "GT 5",
		"Gt 5", "ne 5", "= 5", ">= 5", "gt 5 5", "gt 5 le 6", "gt,5",
		"gt\n5", "gt\r5", "gt\v5", "gt\xc2\xa0 5", "[0] [1] ge 5"
	};

	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		refused(text[i], true);
}

static void blanks_around_are_refused(void)
{
	refused(" gt 5", true);
	refused("\tgt 5", true);
	refused("gt 5 ", true);
	refused("gt 5\t", true);
	refused("gt 5\n", true);
	refused(" [0] gt 5", true);
}

static void a_number_is_what_json_calls_so(void)
{
	expect_test("eq 0", FILTER_EQ, 0);
	expect_test("eq -0", FILTER_EQ, 0);
	expect_test("eq -0.0", FILTER_EQ, 0);
	expect_test("eq -12.5", FILTER_EQ, -12.5);
	expect_test("eq 0.001", FILTER_EQ, 0.001);
	expect_test("eq 0.1", FILTER_EQ, 0.1);
	expect_test("eq 1e3", FILTER_EQ, 1000);
	expect_test("eq 1E+3", FILTER_EQ, 1000);
	expect_test("eq 125e-1", FILTER_EQ, 12.5);
	expect_test("eq 1.25e0001", FILTER_EQ, 12.5);
	expect_test("eq 1000000", FILTER_EQ, 1e6);
	expect_test("eq 10.0", FILTER_EQ, 10);
	expect_test("eq 9007199254740993", FILTER_EQ, 9007199254740992.0);
	expect_test("eq 1.7976931348623157e308", FILTER_EQ,
	            1.7976931348623157e308);
	expect_test("eq 5e-324", FILTER_EQ, 5e-324);
}

static void what_json_does_not_call_a_number_is_refused(void)
{
	static const char *const text[] = {
		"five", "05", "00", "-05", "+5", "--5", "-", ".5", "5.", "-.5",
		"5.e1", "1e", "1e+", "1e-", "e5", "1e5.0", "1.2.3", "1,5",
		"0x10", "1p3", "inf", "Infinity", "nan", "NaN", "-inf", "1_000",
		"\"5\"", "5f", "1 000"
	};
	char pred[64];

	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		snprintf(pred, sizeof(pred), "gt %s", text[i]);
		refused(pred, true);
	}
	refused_bytes("gt 5\0", 5, true);
	refused_bytes("gt\0005", 4, true);
	refused_bytes("gt 55", 3, true);	/* the length counts */
}

static void a_number_beyond_a_double_is_refused(void)
{
	refused("gt 1e999", true);
	refused("gt -1e999", true);
	refused("gt 1.7976931348623159e308", true);
	refused("gt 1e99999999999999999999999999999", true);
	expect_test("gt 1e-999", FILTER_GT, 0);
	expect_test("gt 1e-99999999999999999999999999999", FILTER_GT, 0);
	expect_test("gt 0e99999999999999999999999999999", FILTER_GT, 0);
	expect_test("gt 0.000e999", FILTER_GT, 0);
}

/* "eq 9007199254740993." and zeros: half-way, so one digit far away decides. */
static void digits_beyond_all_that_is_kept_still_count(void)
{
	char text[3000];
	size_t len = (size_t)snprintf(text, sizeof(text),
	                              "eq 9007199254740993.");

	memset(text + len, '0', 2000);
	text[len + 2000] = '\0';
	expect_test(text, FILTER_EQ, 9007199254740992.0);
	text[len + 1999] = '1';
	expect_test(text, FILTER_EQ, 9007199254740994.0);
}

static void long_runs_of_digits_are_undone_by_an_exponent(void)
{
	char text[3000] = "eq 0.";

	memset(text + 5, '0', 2000);
	snprintf(text + 2005, sizeof(text) - 2005, "25e2001");
	expect_test(text, FILTER_EQ, 2.5);
	memset(text + 4, '0', 2000);
	text[3] = '1';
	snprintf(text + 2004, sizeof(text) - 2004, "e-1999");
	expect_test(text, FILTER_EQ, 10);
}

static void a_decimal_comma_changes_nothing(void)
{
	if (!setlocale(LC_ALL, "de_DE.UTF-8"))
		SKIP("a locale with a decimal comma");
	expect_test("ge 12.5", FILTER_GE, 12.5);
	refused("ge 12,5", true);
	setlocale(LC_ALL, "C");
}

/* One clause for each text, its tests between ";". */
static struct filter filter_of(const char *const *clauses, size_t n)
{
	struct filter f = { 0 };

	for (size_t k = 0; k < n; k++) {
		const char *s = clauses[k];

		for (;;) {
			size_t len = strcspn(s, ";");

			CU_ASSERT_EQUAL(filter_test_read(s, len, true,
			                                 &f.test[f.n_tests++]),
			                RC_OK);
			if (!s[len])
				break;
			s += len + 1;
		}
		f.end[f.n_clauses++] = f.n_tests;
	}
	return f;
}

static bool passes(const char *test, double cost)
{
	struct filter f = filter_of(&test, 1);

	return filter_passes(&f, &cost);
}

static void operators_hold_at_the_boundary_as_they_should(void)
{
	static const struct {
		const char *test;
		bool below, at, above;
	} t[] = {
		{ "gt 5", false, false, true }, { "ge 5", false, true, true },
		{ "lt 5", true, false, false }, { "le 5", true, true, false },
		{ "eq 5", false, true, false }
	};

	for (size_t i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL(passes(t[i].test, nextafter(5, 0)), t[i].below);
		CU_ASSERT_EQUAL(passes(t[i].test, 5), t[i].at);
		CU_ASSERT_EQUAL(passes(t[i].test, nextafter(5, 6)), t[i].above);
	}
	CU_ASSERT(passes("eq -0", 0.0));
	CU_ASSERT(passes("le -0", 0.0));
	CU_ASSERT_FALSE(passes("gt -0", 0.0));
}

static void no_test_holds_for_a_cost_that_is_not_defined(void)
{
	CU_ASSERT_FALSE(passes("gt 5", NAN));
	CU_ASSERT_FALSE(passes("lt 5", NAN));
	CU_ASSERT_FALSE(passes("ge 5", NAN));
	CU_ASSERT_FALSE(passes("le 5", NAN));
	CU_ASSERT_FALSE(passes("eq 5", NAN));
}

static void all_tests_of_a_clause_must_hold(void)
{
	const char *const clause[] = { "ge 2;lt 40;[1] eq 7" };
	struct filter f = filter_of(clause, 1);

	CU_ASSERT(filter_passes(&f, (double[]){ 2, 7 }));
	CU_ASSERT_FALSE(filter_passes(&f, (double[]){ 1, 7 }));
	CU_ASSERT_FALSE(filter_passes(&f, (double[]){ 40, 7 }));
	CU_ASSERT_FALSE(filter_passes(&f, (double[]){ 2, 8 }));
	CU_ASSERT_FALSE(filter_passes(&f, (double[]){ 2, NAN }));
}

static void one_clause_is_enough(void)
{
	const char *const clauses[] = { "[0] le 10;[1] le 3", "[1] eq 1",
	                                "[2] gt 100" };
	struct filter f = filter_of(clauses, 3);

	CU_ASSERT(filter_passes(&f, (double[]){ 10, 3, 0 }));
	CU_ASSERT(filter_passes(&f, (double[]){ 11, 1, 0 }));
	CU_ASSERT(filter_passes(&f, (double[]){ 11, 4, 101 }));
	CU_ASSERT(filter_passes(&f, (double[]){ NAN, 1, NAN }));
	CU_ASSERT_FALSE(filter_passes(&f, (double[]){ 11, 2, 0 }));
	CU_ASSERT_FALSE(filter_passes(&f, (double[]){ 10, 4, 100 }));
	CU_ASSERT_FALSE(filter_passes(&f, (double[]){ NAN, NAN, NAN }));
}

static void without_tests_everything_passes(void)
{
	static const struct filter f;

	CU_ASSERT(filter_passes(&f, (double[]){ 5 }));
	CU_ASSERT(filter_passes(&f, (double[]){ NAN }));
}

/* Of a block that holds every one of these costs in each of two columns. */
static void many_pairs_at_once_pass_as_one_does(void)
{
	static const double values[] = { NAN, 0, 1, 2, 3, 10, 11, 40 };
	static const char *const clauses[][3] = {
		{ "gt 2" }, { "lt 2" }, { "ge 2" }, { "le 2" }, { "eq 2" },
		{ "ge 2;lt 40;[1] eq 3" }, { "[0] le 10;[1] le 3", "[1] eq 1" },
		{ "eq 1", "eq 2", "[1] gt 3" }, { NULL }
	};
	double cost[2][FILTER_LANES + 3];
	uint8_t pass[FILTER_LANES];

	for (size_t i = 0; i < 64; i++) {
		cost[0][i % FILTER_LANES] = values[i % 8];
		cost[1][i % FILTER_LANES] = values[i / 8];
		if (i % FILTER_LANES < FILTER_LANES - 1)
			continue;
		for (size_t k = 0; k < 9; k++) {
			size_t n = 0;
			struct filter f;

			while (n < 3 && clauses[k][n])
				n++;
			f = filter_of(clauses[k], n);
			filter_lanes(&f, cost[0], FILTER_LANES + 3, pass);
			for (size_t j = 0; j < FILTER_LANES; j++)
				CU_ASSERT_EQUAL(pass[j], filter_passes(&f,
					(double[]){ cost[0][j], cost[1][j] }));
		}
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "every operator is read", every_operator_is_read },
		{ "blanks between may be many, and tabs",
		  blanks_between_may_be_many_and_tabs },
		{ "an index is any digits that fit",
		  an_index_is_any_digits_that_fit },
		{ "an index is taken only where it may be",
		  an_index_is_taken_only_where_it_may_be },
		{ "what lacks a part or a blank is refused",
		  what_lacks_a_part_or_a_blank_is_refused },
		{ "blanks around are refused", blanks_around_are_refused },
		{ "a number is what JSON calls so",
		  a_number_is_what_json_calls_so },
		{ "what JSON does not call a number is refused",
		  what_json_does_not_call_a_number_is_refused },
		{ "a number beyond a double is refused",
		  a_number_beyond_a_double_is_refused },
		{ "digits beyond all that is kept still count",
		  digits_beyond_all_that_is_kept_still_count },
		{ "long runs of digits are undone by an exponent",
		  long_runs_of_digits_are_undone_by_an_exponent },
		{ "a decimal comma changes nothing",
		  a_decimal_comma_changes_nothing },
		{ "operators hold at the boundary as they should",
		  operators_hold_at_the_boundary_as_they_should },
		{ "no test holds for a cost that is not defined",
		  no_test_holds_for_a_cost_that_is_not_defined },
		{ "all tests of a clause must hold",
		  all_tests_of_a_clause_must_hold },
		{ "one clause is enough", one_clause_is_enough },
		{ "without tests everything passes",
		  without_tests_everything_passes },
		{ "many pairs at once pass as one does",
		  many_pairs_at_once_pass_as_one_does },
		CU_TEST_INFO_NULL
	};

	return suite_run("filter", tests);
}
