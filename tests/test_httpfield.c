/* Fields of requests, as clients and proxies write them and as nobody should. */
#include "common/wire/httpfield.h"

#include "tests/suite.h"

#define COST "application/alto-costmap+json"

static void no_accept_takes_everything(void)
{
	CU_ASSERT_TRUE(accept_takes(NULL, COST));
	CU_ASSERT_TRUE(accept_takes("", COST));
	CU_ASSERT_TRUE(accept_takes(" , ,", COST));
	CU_ASSERT_TRUE(accept_takes("rubbish", COST));
	CU_ASSERT_TRUE(accept_takes("*/json", "text/html"));
	CU_ASSERT_TRUE(accept_takes("a/b;q=7", COST));
}

static void a_type_a_family_and_all_are_ranges(void)
{
	CU_ASSERT_TRUE(accept_takes(COST, COST));
	CU_ASSERT_TRUE(accept_takes("APPLICATION/ALTO-costMap+JSON", COST));
	CU_ASSERT_TRUE(accept_takes("application/*", COST));
	CU_ASSERT_TRUE(accept_takes("*/*", COST));
	CU_ASSERT_TRUE(accept_takes("text/html,  " COST "  ;q=0.001", COST));
	CU_ASSERT_FALSE(accept_takes("application/alto-costmap", COST));
	CU_ASSERT_FALSE(accept_takes(COST "x", COST));
	CU_ASSERT_FALSE(accept_takes("text/*, a/b", COST));
	CU_ASSERT_FALSE(accept_takes("application/json", COST));
}

static void the_most_specific_range_decides(void)
{
	CU_ASSERT_FALSE(accept_takes("*/*, " COST ";q=0", COST));
	CU_ASSERT_FALSE(accept_takes(COST ";q=0.000, */*;q=1", COST));
	CU_ASSERT_FALSE(accept_takes("application/*;q=0, */*", COST));
	CU_ASSERT_TRUE(accept_takes("*/*;q=0, application/*;q=0.1", COST));
	CU_ASSERT_TRUE(accept_takes("application/*;q=0, " COST, COST));
	CU_ASSERT_FALSE(accept_takes("*/*;q=0", COST));
	CU_ASSERT_TRUE(accept_takes(COST ";q=0, " COST, COST));
}

static void parameters_narrow_but_a_charset_means_nothing(void)
{
	CU_ASSERT_TRUE(accept_takes(COST ";charset=utf-8", COST));
	CU_ASSERT_TRUE(accept_takes(COST "; Charset=\"a,b;q=0\";Q=0.5", COST));
	CU_ASSERT_FALSE(accept_takes(COST ";charset=utf-8;q=0", COST));
	CU_ASSERT_FALSE(accept_takes(COST ";level=1", COST));
	CU_ASSERT_TRUE(accept_takes(COST ";level=1;q=0, */*;q=0.1", COST));
	CU_ASSERT_TRUE(accept_takes(COST ";q=1;level=1", COST));
}

static void malformed_parts_are_passed_over(void)
{
	static const char *const bad[] = {
		"q=1.001", "q=2", "q=0.0000", "q=", "q=-1", "q=.5", "q=1.5",
		"a b=c", "=x"
	};
	char accept[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(accept, sizeof(accept), "%s;%s, text/html", COST,
		         bad[i]);
		CU_ASSERT_FALSE(accept_takes(accept, COST));
		CU_ASSERT_TRUE(accept_takes(accept, "text/html"));
	}
	CU_ASSERT_FALSE(accept_takes("text/html, a/b;x=\"open, " COST, COST));
	CU_ASSERT_TRUE(accept_takes("*, " COST, COST));
}

static void a_content_type_is_compared_without_parameters(void)
{
	CU_ASSERT_TRUE(content_type_is(COST, COST));
	CU_ASSERT_TRUE(content_type_is(" Application/Alto-CostMap+json ;"
	                               "charset=utf-8", COST));
	CU_ASSERT_TRUE(content_type_is(COST ";", COST));
	CU_ASSERT_FALSE(content_type_is(NULL, COST));
	CU_ASSERT_FALSE(content_type_is("", COST));
	CU_ASSERT_FALSE(content_type_is("application/json", COST));
	CU_ASSERT_FALSE(content_type_is(COST " x", COST));
	CU_ASSERT_FALSE(content_type_is(COST ", text/html", COST));
	CU_ASSERT_FALSE(content_type_is("application/*", COST));
}

#define ALL 7u

static void codings_are_chosen_by_weight_then_by_size(void)
{
	static const struct {
		const char *value;
		unsigned available;
		int want;
	} rows[] = {
		{ NULL, ALL, CODING_IDENTITY },
		{ "", ALL, CODING_IDENTITY },
		{ "gzip", ALL, CODING_GZIP },
		{ "X-GZip", ALL, CODING_GZIP },
		{ "gzip, deflate, br, zstd", ALL, CODING_ZSTD },
		{ "gzip, deflate, br, zstd", 1u << CODING_GZIP, CODING_GZIP },
		{ "gzip, zstd", 0, CODING_IDENTITY },
		{ "gzip;q=1.0, zstd;q=0.9", ALL, CODING_GZIP },
		{ "gzip;q=0.001", ALL, CODING_GZIP },
		{ "gzip;q=0", ALL, CODING_IDENTITY },
		{ "gzip;q=0.5, identity", ALL, CODING_IDENTITY },
		{ "br", ALL, CODING_IDENTITY },
		{ "*", ALL, CODING_ZSTD },
		{ "*;q=0.5, gzip;q=0.4", ALL, CODING_ZSTD },
		{ "*, zstd;q=0", ALL, CODING_GZIP },
		{ "*;q=0", ALL, -1 },
		{ "identity;q=0", ALL, -1 },
		{ "identity;q=0, gzip", 0, -1 },
		{ "*;q=0, gzip", 0, -1 },
		{ "*;q=0, identity", ALL, CODING_IDENTITY },
		{ "gzip;q=9, zstd;q=x", ALL, CODING_IDENTITY },
		{ ",,gzip ; q=0.3,,", ALL, CODING_GZIP }
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(coding_choose(rows[i].value, rows[i].available),
		                rows[i].want);
	}
}

static void the_codings_taken_are_those_above_nothing(void)
{
	CU_ASSERT_EQUAL(codings_taken(NULL), 1u << CODING_IDENTITY);
	CU_ASSERT_EQUAL(codings_taken("*"), ALL);
	CU_ASSERT_EQUAL(codings_taken("zstd, gzip;q=0"),
	                1u << CODING_ZSTD | 1u << CODING_IDENTITY);
	CU_ASSERT_EQUAL(codings_taken("*;q=0, gzip"), 1u << CODING_GZIP);
	CU_ASSERT_PTR_NULL(coding_name(CODING_IDENTITY));
	CU_ASSERT_STRING_EQUAL(coding_name(CODING_GZIP), "gzip");
	CU_ASSERT_STRING_EQUAL(coding_name(CODING_ZSTD), "zstd");
}

static void one_range_is_clipped_to_the_body(void)
{
	static const struct {
		const char *value;
		uint64_t first, len;
	} rows[] = {
		{ "bytes=0-0", 0, 1 }, { "bytes=0-", 0, 100 },
		{ "bytes=10-19", 10, 10 }, { "bytes=99-", 99, 1 },
		{ "bytes=50-1000", 50, 50 }, { "bytes=-1", 99, 1 },
		{ "bytes=-100", 0, 100 }, { "bytes=-5000", 0, 100 },
		{ "Bytes= 0-9 ,", 0, 10 }, { "bytes=,0-9", 0, 10 },
		{ "bytes=0-99999999999999999999999", 0, 100 },
		{ "bytes=0-18446744073709551615", 0, 100 },
		{ "bytes=-99999999999999999999999", 0, 100 }
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t first = 7777, len = 7777;

		CU_ASSERT_EQUAL(range_read(rows[i].value, 100, &first, &len),
		                RANGE_ONE);
		CU_ASSERT_EQUAL(first, rows[i].first);
		CU_ASSERT_EQUAL(len, rows[i].len);
	}
}

static void other_ranges_are_none_or_bad(void)
{
	static const char *const none[] = {
		NULL, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "lines=0-1",
		"bytes=0-1,5-6", "bytes=9-8", "bytes=0 - 1x", "bytes=+1-2",
		"bytes=1-2-3", "bytes=5", "0-1", "bytes=--1"
	};
	static const char *const bad[] = {
		"bytes=100-", "bytes=100-200", "bytes=-0",
		"bytes=18446744073709551615-", "bytes=99999999999999999999-"
	};
	uint64_t first = 7, len = 7;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		CU_ASSERT_EQUAL(range_read(none[i], 100, &first, &len),
		                RANGE_NONE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(range_read(bad[i], 100, &first, &len),
		                RANGE_BAD);
	CU_ASSERT_EQUAL(range_read("bytes=0-", 0, &first, &len), RANGE_BAD);
	CU_ASSERT_EQUAL(range_read("bytes=-5", 0, &first, &len), RANGE_NONE);
	CU_ASSERT(first == 7 && len == 7);
}

/* 10.0.0.0/8 and 2001:db8:f::1 are forwarders of ours. */
static bool ours(const char *addr, void *arg)
{
	(void)arg;
	return strncmp(addr, "10.", 3) == 0 ||
	       strcmp(addr, "2001:db8:f::1") == 0;
}

static const char *who(const char *value, bool rfc7239)
{
	static const struct forwarders f = { ours, NULL };
	static char addr[64];

	snprintf(addr, sizeof(addr), "untouched");
	if (forwarded_for(value, rfc7239, &f, addr, sizeof(addr)))
		return addr;
	return strcmp(addr, "untouched") == 0 ? "(none)" : "(torn)";
}

static void x_forwarded_for_is_read_from_the_right(void)
{
	static const char *const rows[][2] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "192.0.2.1:4711", "192.0.2.1" },
		{ "2001:DB8:0::1", "2001:db8::1" },
		{ "[2001:db8::1]", "2001:db8::1" },
		{ " [2001:db8::1]:4711 ", "2001:db8::1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "[::ffff:c000:201]:80", "192.0.2.1" },
		{ "6.6.6.6, 192.0.2.1", "192.0.2.1" },
		{ "6.6.6.6, 192.0.2.1, 10.0.0.1, ::ffff:10.9.9.9,",
		  "192.0.2.1" },
		{ "10.0.0.2, 10.0.0.1", "10.0.0.2" },
		{ "x, 192.0.2.1", "192.0.2.1" },
		{ "192.0.2.1, unknown", "(none)" },
		{ "192.0.2.1, _hidden, 10.0.0.1", "(none)" },
		{ "192.0.2.256", "(none)" }, { "192.0.2.1:", "(none)" },
		{ "192.0.2.01", "(none)" }, { "192.0.2.1 x", "(none)" },
		{ "[2001:db8::1", "(none)" }, { "2001:db8::1]", "(none)" },
		{ "[192.0.2.1]", "(none)" }, { "[::1]80", "(none)" },
		{ "fe80::1%eth0", "(none)" }, { "", "(none)" },
		{ "192.0.2.1:65535", "192.0.2.1" },
		{ "192.0.2.1:65536", "(none)" }, { "192.0.2.1:_x", "(none)" },
		{ "192.0.2.1:123456", "(none)" }, { "192.0.2.1:8a", "(none)" },
		{ "[2001:db8::1]:_x", "(none)" }, { "\"192.0.2.1\"", "(none)" },
		{ "\"6.6.6.6, 192.0.2.1", "192.0.2.1" },
		{ "6.6.6.6, \"192.0.2.1", "(none)" },
		{ "6.6.6.6:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aaaaaaaaaaaaaaaaaaaa\", 192.0.2.1", "192.0.2.1" },
		{ "192.0.2.1, 6.6.6.6:0000000000000000000000000000000000000"
		  "00000000000000000000000000000000000000", "(none)" },
		{ NULL, "(none)" }
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_STRING_EQUAL(who(rows[i][0], false), rows[i][1]);
}

static void forwarded_names_nodes_in_its_own_way(void)
{
	static const char *const rows[][2] = {
		{ "for=192.0.2.1", "192.0.2.1" },
		{ "For=\"192.0.2.1:80\";proto=http;by=10.0.0.1", "192.0.2.1" },
		{ "for=\"[2001:db8::1]:4711\"", "2001:db8::1" },
		{ "for=\"[2001:db8::1]:_x-1\"", "2001:db8::1" },
		{ "for=\"\\[2001:db8::\\1]\"", "2001:db8::1" },
		{ "proto=https; for = 192.0.2.1 ; host=\"a,b;for=6.6.6.6\"",
		  "192.0.2.1" },
		{ "for=6.6.6.6, for=192.0.2.1, for=10.0.0.1;by=10.1.1.1",
		  "192.0.2.1" },
		{ "for=192.0.2.1,for=\"[2001:DB8:F:0::1]\"", "192.0.2.1" },
		{ "for=192.0.2.1, for=unknown", "(none)" },
		{ "for=192.0.2.1, for=_secret", "(none)" },
		{ "for=192.0.2.1, proto=http", "(none)" },
		{ "for=192.0.2.1;for=6.6.6.6", "(none)" },
		{ "for=\"192.0.2.1", "(none)" },
		{ "for=\"192.0.2.1\"x", "(none)" },
		{ "for=\"6.6.6.6, for=\"192.0.2.1\"", "192.0.2.1" },
		{ "for=6.6.6.6;x=\", for=192.0.2.1", "192.0.2.1" },
		{ "x=\"\\, for=\"[2001:db8::1]:47\"", "2001:db8::1" },
		{ "x=\", for=6.6.6.6, y=\"", "(none)" },
		{ "for=192.0.2.1;host=\"a\\\",for=6.6.6.6;b\\\\\"", "192.0.2.1" },
		{ "for=192.0.2.1;", "192.0.2.1" },
		{ "for=192.0.2.1;x", "(none)" }, { "for=192.0.2.1 x", "(none)" },
		{ "for=192.0.2.1;x=a\"b\"", "(none)" },
		{ "for=192.0.2.1;x=\"\x01\"", "(none)" },
		{ "for=192.0.2.1:80", "(none)" },
		{ "for=\"192.0.2.1:_\"", "(none)" },
		{ "for=\"192.0.2.1:_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aaaaaaaaaaaaaaaaaaaaaaaa\"", "(none)" },
		{ "for=\"192.0.2.1:http\"", "(none)" },
		{ "for=\"192.0.2.1:_a/b\"", "(none)" },
		{ "for=", "(none)" }, { "for", "(none)" },
		{ "192.0.2.1", "(none)" }, { ";;,;", "(none)" }
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_STRING_EQUAL(who(rows[i][0], true), rows[i][1]);
}

#define LONG_PORT ":6666666666666666666666666666666666666666666666666666666666"

static unsigned dice(unsigned *seed, unsigned n)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % n;
}

/* What a client may send: never longer than most of dst. */
static void put_junk(unsigned *seed, char dst[400])
{
	static const char *const bits[] = { "6.6.6.6", "for=", "for=6.6.6.6",
		"\"", "\"", "\\", ",", ", ", ";", "x=", "=", ":", "[6::6]", "_",
		" ", "\t", "a", "10.0.0.1", "for=10.0.0.1", "=\"", "\\\"",
		"for=\"[6::6]:6\"", LONG_PORT, "\x7f", "unknown",
		"\xc3\xa9" };
	size_t n = 0;

	dst[0] = '\0';
	for (unsigned left = dice(seed, 9); left > 0; left--)
		n += (size_t)snprintf(dst + n, 400 - n, "%s", bits[
			dice(seed, sizeof(bits) / sizeof(bits[0]))]);
}

/* What a forwarder of ours appends, and what is to be made of it. */
static const struct {
	bool rfc7239;
	const char *text, *is;
} appended[] = {
	{ false, "192.0.2.1", "192.0.2.1" },
	{ false, "192.0.2.1:4711", "192.0.2.1" },
	{ false, "2001:db8::1", "2001:db8::1" },
	{ false, "[2001:db8::1]:80", "2001:db8::1" },
	{ false, "192.0.2.1, 10.0.0.1", "192.0.2.1" },
	{ false, "unknown", "(none)" },
	{ true, "for=192.0.2.1", "192.0.2.1" },
	{ true, "for=\"192.0.2.1:47\";proto=http", "192.0.2.1" },
	{ true, "for=\"[2001:db8::1]:47\"", "2001:db8::1" },
	{ true, "by=10.0.0.1;for=192.0.2.1;host=\"a\\\", for=6.6.6.6;\\\\\"",
	  "192.0.2.1" },
	{ true, "for=192.0.2.1, for=\"10.0.0.1\"", "192.0.2.1" },
	{ true, "host=\"\\\\\";for=192.0.2.1", "192.0.2.1" },
	{ true, "for=unknown", "(none)" }, { true, "proto=http", "(none)" }
};

static void nothing_a_client_sends_hides_what_is_appended(void)
{
	const size_t n = sizeof(appended) / sizeof(appended[0]);
	char value[600], junk[400];
	unsigned seed = 7239;

	for (int round = 0; round < 20000; round++) {
		put_junk(&seed, junk);
		for (size_t i = 0; i < n; i++) {
			const char *got;

			snprintf(value, sizeof(value), "%s%s%s", junk,
			         dice(&seed, 2) ? ", " : ",", appended[i].text);
			got = who(value, appended[i].rfc7239);
			if (strcmp(got, appended[i].is) == 0)
				continue;
			printf("%s: %s\n", value, got);
			CU_FAIL_FATAL("the client chose");
		}
	}
}

static void an_address_that_does_not_fit_is_none(void)
{
	const struct forwarders f = { NULL, NULL };
	char dst[10] = "untouched";

	CU_ASSERT_FALSE(forwarded_for("192.0.2.10", false, &f, dst,
	                              sizeof(dst)));
	CU_ASSERT_STRING_EQUAL(dst, "untouched");
	CU_ASSERT_TRUE(forwarded_for("192.0.2.1", false, &f, dst,
	                             sizeof(dst)));
	CU_ASSERT_STRING_EQUAL(dst, "192.0.2.1");
}

static void a_chain_without_end_leads_to_nobody(void)
{
	static char chain[100000] = "192.0.2.1";
	size_t n = strlen(chain);
	const size_t near = n + 60 * strlen(",10.0.0.1");

	while (n < sizeof(chain) - 16) {
		n += (size_t)snprintf(chain + n, 16, ",10.0.0.1");
		if (n == near)
			CU_ASSERT_STRING_EQUAL(who(chain, false), "192.0.2.1");
	}
	CU_ASSERT_STRING_EQUAL(who(chain, false), "(none)");
}

static void long_rubbish_is_read_in_one_pass(void)
{
	static const char *const bits[] = {
		",", ";", "\"", "\\", "a/b;", "q=", "*", "=\",", "for=\"[" };
	static char text[1 << 20];
	uint64_t first, len;

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		size_t n = strlen(bits[i]);

		for (size_t at = 0; at + n < sizeof(text); at += n)
			memcpy(text + at, bits[i], n);
		CU_ASSERT_TRUE(accept_takes(text, "x/y") || i == 4);
		CU_ASSERT(coding_choose(text, ALL) >= 0);
		CU_ASSERT_EQUAL(range_read(text, 9, &first, &len), RANGE_NONE);
		CU_ASSERT_STRING_EQUAL(who(text, true), "(none)");
		CU_ASSERT_STRING_EQUAL(who(text, false), "(none)");
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "no accept takes everything", no_accept_takes_everything },
		{ "a type, a family and all are ranges",
		  a_type_a_family_and_all_are_ranges },
		{ "the most specific range decides",
		  the_most_specific_range_decides },
		{ "parameters narrow, but a charset means nothing",
		  parameters_narrow_but_a_charset_means_nothing },
		{ "malformed parts are passed over",
		  malformed_parts_are_passed_over },
		{ "a content type is compared without parameters",
		  a_content_type_is_compared_without_parameters },
		{ "codings are chosen by weight, then by size",
		  codings_are_chosen_by_weight_then_by_size },
		{ "the codings taken are those above nothing",
		  the_codings_taken_are_those_above_nothing },
		{ "one range is clipped to the body",
		  one_range_is_clipped_to_the_body },
		{ "other ranges are none, or bad", other_ranges_are_none_or_bad },
		{ "X-Forwarded-For is read from the right",
		  x_forwarded_for_is_read_from_the_right },
		{ "Forwarded names nodes in its own way",
		  forwarded_names_nodes_in_its_own_way },
		{ "nothing a client sends hides what is appended",
		  nothing_a_client_sends_hides_what_is_appended },
		{ "an address that does not fit is none",
		  an_address_that_does_not_fit_is_none },
		{ "a chain without end leads to nobody",
		  a_chain_without_end_leads_to_nobody },
		{ "long rubbish is read in one pass",
		  long_rubbish_is_read_in_one_pass },
		CU_TEST_INFO_NULL
	};

	return suite_run("httpfield", tests);
}
