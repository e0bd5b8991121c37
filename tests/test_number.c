/* Costs as text: the vectors of RFC 8785 and the traps around them. */
#include "common/wire/number.h"

#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/suite.h"

static double from_bits(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static uint64_t to_bits(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

static double read_text(const char *text)
{
	double v = -1;

	CU_ASSERT_EQUAL_FATAL(number_read(text, strlen(text), &v), RC_OK);
	return v;
}

/* Printed as text, and the text read back as these bits. */
static void expect_print(double v, const char *text)
{
	char out[NUMBER_TEXT_MAX + 1];
	size_t len = number_print(v, out);

	CU_ASSERT_STRING_EQUAL(out, text);
	CU_ASSERT_EQUAL(len, strlen(text));
	if (strcmp(out, text))
		printf("\n    got %s, want %s\n", out, text);
	CU_ASSERT_EQUAL(to_bits(read_text(out)), to_bits(v == 0 ? 0 : v));
}

static void the_published_vectors_come_out(void)
{
	static const struct {
		uint64_t bits;
		const char *text;
	} v[] = {
		{ 0x0000000000000000, "0" },
		{ 0x8000000000000000, "0" },
		{ 0x0000000000000001, "5e-324" },
		{ 0x8000000000000001, "-5e-324" },
		{ 0x7fefffffffffffff, "1.7976931348623157e+308" },
		{ 0xffefffffffffffff, "-1.7976931348623157e+308" },
		{ 0x4340000000000000, "9007199254740992" },
		{ 0xc340000000000000, "-9007199254740992" },
		{ 0x4430000000000000, "295147905179352830000" },
		{ 0x44b52d02c7e14af5, "9.999999999999997e+22" },
		{ 0x44b52d02c7e14af6, "1e+23" },
		{ 0x44b52d02c7e14af7, "1.0000000000000001e+23" },
		{ 0x444b1ae4d6e2ef4e, "999999999999999700000" },
		{ 0x444b1ae4d6e2ef4f, "999999999999999900000" },
		{ 0x444b1ae4d6e2ef50, "1e+21" },
		{ 0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7" },
		{ 0x3eb0c6f7a0b5ed8d, "0.000001" },
		{ 0x41b3de4355555553, "333333333.3333332" },
		{ 0x41b3de4355555554, "333333333.33333325" },
		{ 0x41b3de4355555555, "333333333.3333333" },
		{ 0x41b3de4355555556, "333333333.3333334" },
		{ 0x41b3de4355555557, "333333333.33333343" },
		{ 0xbecbf647612f3696, "-0.0000033333333333333333" },
		{ 0x43143ff3c1cb0959, "1424953923781206.2" },
		{ 0x3d30000000000000, "5.684341886080802e-14" },
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		expect_print(from_bits(v[i].bits), v[i].text);
}

static void costs_as_people_write_them_come_out_again(void)
{
	static const char *const text[] = {
		"1", "10", "100", "12.5", "0.1", "0.01", "0.001", "0.0001",
		"40.007", "12.3456", "-3.25", "99.999999", "123456789",
		"123456.789012345", "1000000.5", "1e-7", "2.5e-9", "1e+22",
		"100000000000000000000", "0.30000000000000004",
		"0.000012345678901234568", "4503599627370495.5"
	};

	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		expect_print(read_text(text[i]), text[i]);
}

/* Does any decimal with so many digits read back? The straight way: the
 * closest one and its neighbours. */
static bool fits_in(double v, int digits)
{
	char text[64], exp[16];
	unsigned long long m = 0;
	char *e;

	snprintf(text, sizeof(text), "%.*e", digits - 1, v);
	e = strchr(text, 'e');
	for (char *p = text; p < e; p++)
		if (*p != '.')
			m = m * 10 + (unsigned long long)(*p - '0');
	snprintf(exp, sizeof(exp), "e%ld", strtol(e + 1, NULL, 10) -
	         (digits - 1));
	for (unsigned long long d = m - 1; d <= m + 1; d++) {
		snprintf(text, sizeof(text), "%llu%s", d, exp);
		if (strtod(text, NULL) == v)
			return true;
	}
	return false;
}

static int count_digits(const char *text)
{
	int n = 0, zeros = 0;

	for (; *text && *text != 'e'; text++) {
		if (*text == '.' || (*text == '0' && !n))
			continue;
		n++;
		zeros = *text == '0' ? zeros + 1 : 0;
	}
	return n - zeros;
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void any_number_reads_back_and_none_is_longer_than_it_must(void)
{
	uint64_t seed = 88172645463325252u;
	char out[NUMBER_TEXT_MAX + 1];

	for (int i = 0; i < 20000; i++) {
		uint64_t bits = next_random(&seed) >> 1;
		double v = from_bits(bits);
		int n;

		if (i % 2)	/* half of them in the range of costs */
			v = (double)(bits >> 10) / 9007199254740992.0 *
			    pow(10, i % 23 - 6);
		if (!isfinite(v) || v == 0)
			continue;
		CU_ASSERT(number_print(v, out) <= NUMBER_TEXT_MAX);
		CU_ASSERT_EQUAL(to_bits(read_text(out)), to_bits(v));
		n = count_digits(out);
		CU_ASSERT(n <= 17);
		CU_ASSERT(n == 1 || !fits_in(v, n - 1));
	}
}

static void powers_of_two_print_right_on_both_sides(void)
{
	char out[NUMBER_TEXT_MAX + 1];

	for (uint64_t e = 1; e < 2047; e++) {
		for (uint64_t k = 0; k < 3; k++) {
			double v = from_bits((e << 52) + k - 1);
			int n;

			number_print(v, out);
			CU_ASSERT_EQUAL(to_bits(read_text(out)), to_bits(v));
			n = count_digits(out);
			CU_ASSERT(n == 1 || !fits_in(v, n - 1));
		}
	}
}

static void every_json_spelling_of_a_number_reads_alike(void)
{
	static const char *const same[] = {
		"12.5", "1.25e1", "1.25E+1", "125e-1", "12.50",
		"12.500000000000000000000000000000", "0.0125e+3",
		"0.00000000000000000000000000000125e31"
	};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		CU_ASSERT_EQUAL(to_bits(read_text(same[i])), to_bits(12.5));
}

static void minus_zero_reads_as_zero(void)
{
	CU_ASSERT_EQUAL(to_bits(read_text("-0")), 0);
	CU_ASSERT_EQUAL(to_bits(read_text("-0.0e9")), 0);
	CU_ASSERT_EQUAL(to_bits(read_text("-1e-400")), 0);
}

static void half_way_texts_round_to_even_and_one_digit_more_tips_them(void)
{
	CU_ASSERT_EQUAL(read_text("9007199254740993"), 9007199254740992.0);
	CU_ASSERT_EQUAL(read_text("9007199254740993.0"), 9007199254740992.0);
	CU_ASSERT_EQUAL(read_text("9007199254740993.00000000000000000000001"),
	                9007199254740994.0);
	CU_ASSERT_EQUAL(read_text("9007199254740995"), 9007199254740996.0);
	CU_ASSERT_EQUAL(to_bits(read_text("2.4703282292062327e-324")), 0);
	CU_ASSERT_EQUAL(to_bits(read_text("2.4703282292062328e-324")), 1);
}

/* A half-way point with zeros behind it, and a one after these: far beyond
 * what is kept of a text, and yet it decides. */
static void digits_beyond_all_that_is_kept_still_count(void)
{
	char text[3000];
	size_t len = (size_t)snprintf(text, sizeof(text), "9007199254740993.");

	memset(text + len, '0', 2000);
	text[len + 2000] = '\0';
	CU_ASSERT_EQUAL(read_text(text), 9007199254740992.0);
	text[len + 1999] = '1';
	CU_ASSERT_EQUAL(read_text(text), 9007199254740994.0);
}

static void a_long_run_of_zeros_is_undone_by_an_exponent(void)
{
	char text[3000] = "0.";

	memset(text + 2, '0', 2000);
	snprintf(text + 2002, sizeof(text) - 2002, "25e2001");
	CU_ASSERT_EQUAL(read_text(text), 2.5);
}

static void beyond_a_double_is_refused(void)
{
	static const char *const text[] = {
		"1.7976931348623159e308", "1e309", "-1e309",
		"1e99999999999999999999999"
	};
	double v = 7;

	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		CU_ASSERT_EQUAL(number_read(text[i], strlen(text[i]), &v),
		                RC_ERULE);
	CU_ASSERT_EQUAL(v, 7);
	CU_ASSERT_EQUAL(read_text("1.7976931348623158e308"),
	                1.7976931348623157e308);
	CU_ASSERT_EQUAL(read_text("0e99999999999999999999999"), 0);
	CU_ASSERT_EQUAL(read_text("1e-99999999999999999999999"), 0);
}

/* The text of a number in a window is not followed by a NUL. */
static void reading_stops_at_the_length_given(void)
{
	double v;

	for (size_t len = 1; len <= 9; len++) {
		char *text = malloc(len);

		memset(text, '9', len);
		CU_ASSERT_EQUAL(number_read(text, len, &v), RC_OK);
		CU_ASSERT_EQUAL(v, pow(10, (double)len) - 1);
		free(text);
	}
	CU_ASSERT_EQUAL(number_read("12.345", 4, &v), RC_OK);
	CU_ASSERT_EQUAL(v, 12.3);
}

static size_t quick(const char *text, double *v)
{
	char room[NUMBER_QUICK + 16] = { 0 };

	snprintf(room, sizeof(room), "%s", text);
	return number_quick(room, v);
}

static void a_plain_short_number_is_read_at_one_go(void)
{
	double v = -1;

	CU_ASSERT_EQUAL(quick("12.5,", &v), 4);
	CU_ASSERT_EQUAL(v, 12.5);
	CU_ASSERT_EQUAL(quick("0}", &v), 1);
	CU_ASSERT_EQUAL(v, 0);
	CU_ASSERT_EQUAL(quick("0.000007,", &v), 8);
	CU_ASSERT_EQUAL(v, 0.000007);
	CU_ASSERT_EQUAL(quick("12345678}", &v), 8);
	CU_ASSERT_EQUAL(v, 12345678);
	CU_ASSERT_EQUAL(quick("123456.7,\"p.x\"", &v), 8);
	CU_ASSERT_EQUAL(v, 123456.7);
}

static void what_is_no_plain_short_number_is_left_alone(void)
{
	static const char *const text[] = {
		"", ",", "-1,", "+1,", "1e3,", "1E3,", ".5,", "5.,", "01,",
		"00,", "00.5,", "1.2.3,", "1 ,", "12", "123456789,",
		"1.2345678,", "1;,", "\"1\",", "1\xff,", "1\xb0,", "\xb1,"
	};
	double v = 7;

	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		CU_ASSERT_EQUAL(quick(text[i], &v), 0);
	CU_ASSERT_EQUAL(v, 7);
}

static void a_decimal_comma_changes_nothing(void)
{
	if (!setlocale(LC_ALL, "de_DE.UTF-8"))
		SKIP("a locale with a decimal comma");
	the_published_vectors_come_out();
	every_json_spelling_of_a_number_reads_alike();
	setlocale(LC_ALL, "C");
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the published vectors come out",
		  the_published_vectors_come_out },
		{ "costs as people write them come out again",
		  costs_as_people_write_them_come_out_again },
		{ "any number reads back and none is longer than it must",
		  any_number_reads_back_and_none_is_longer_than_it_must },
		{ "powers of two print right on both sides",
		  powers_of_two_print_right_on_both_sides },
		{ "every JSON spelling of a number reads alike",
		  every_json_spelling_of_a_number_reads_alike },
		{ "minus zero reads as zero", minus_zero_reads_as_zero },
		{ "half-way texts round to even and one digit more tips them",
		  half_way_texts_round_to_even_and_one_digit_more_tips_them },
		{ "digits beyond all that is kept still count",
		  digits_beyond_all_that_is_kept_still_count },
		{ "a long run of zeros is undone by an exponent",
		  a_long_run_of_zeros_is_undone_by_an_exponent },
		{ "beyond a double is refused", beyond_a_double_is_refused },
		{ "reading stops at the length given",
		  reading_stops_at_the_length_given },
		{ "a plain short number is read at one go",
		  a_plain_short_number_is_read_at_one_go },
		{ "what is no plain short number is left alone",
		  what_is_no_plain_short_number_is_left_alone },
		{ "a decimal comma changes nothing",
		  a_decimal_comma_changes_nothing },
		CU_TEST_INFO_NULL
	};

	return suite_run("number", tests);
}
