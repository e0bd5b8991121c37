/* Prefixes: any spelling in, one spelling out, host bits refused. */
#include "common/core/prefix.h"
#include "tests/suite.h"

static enum rc read_as(const char *text, enum family f, struct prefix *p,
                       struct diag *d)
{
	if (d)
		diag_clear(d);
	return prefix_read(text, strlen(text), f, p, d);
}

static void check_text(const char *in, enum family f, const char *want)
{
	char out[PREFIX_TEXT_MAX + 1] = "";
	struct prefix p;

	if (read_as(in, f, &p, NULL) != RC_OK) {
		printf("refused: %s\n", in);
		CU_FAIL("a good prefix was refused");
		return;
	}
	CU_ASSERT_EQUAL(prefix_print(&p, out), strlen(want));
	CU_ASSERT_STRING_EQUAL(out, want);
	if (strcmp(out, want) != 0)
		printf("%s gave %s\n", in, out);
}

static void ipv4_prefixes_come_out_as_they_went_in(void)
{
	static const char *const good[] = { "0.0.0.0/0", "10.0.0.0/8",
		"192.0.2.0/24", "198.51.100.128/25", "255.255.255.255/32",
		"128.0.0.0/1", "203.0.113.7/32" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		check_text(good[i], FAMILY_IPV4, good[i]);
}

/* RFC 5952 s4 and its examples. */
static void ipv6_prefixes_come_out_in_one_spelling(void)
{
	static const char *const pairs[][2] = {
		{ "::/0", "::/0" },
		{ "0:0:0:0:0:0:0:0/0", "::/0" },
		{ "2001:DB8::/32", "2001:db8::/32" },
		{ "2001:0db8:0000::/32", "2001:db8::/32" },
		{ "2001:db8:0:0:0:0:2:1/128", "2001:db8::2:1/128" },
		{ "2001:db8:0:1:1:1:1:1/128", "2001:db8:0:1:1:1:1:1/128" },
		{ "2001:db8::1:1:1:1:1/128", "2001:db8:0:1:1:1:1:1/128" },
		{ "2001:0:0:1:0:0:0:1/128", "2001:0:0:1::1/128" },
		{ "2001:db8:0:0:1:0:0:1/128", "2001:db8::1:0:0:1/128" },
		{ "1:2:3:4:5:6:7::/112", "1:2:3:4:5:6:7:0/112" },
		{ "::2:3:4:5:6:7:8/128", "0:2:3:4:5:6:7:8/128" },
		{ "::1/128", "::1/128" },
		{ "1::/16", "1::/16" },
		{ "::ffff:192.0.2.1/128", "::ffff:c000:201/128" },
		{ "64:ff9b::192.0.2.0/120", "64:ff9b::c000:200/120" },
		{ "1:2:3:4:5:6:192.0.2.33/128", "1:2:3:4:5:6:c000:221/128" },
		{ "fFfF:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128" },
		{ "8000::/1", "8000::/1" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		check_text(pairs[i][0], FAMILY_IPV6, pairs[i][1]);
}

static void what_is_no_prefix_is_refused(void)
{
	static const char *const bad4[] = { "", "/", "10.0.0.0", "10.0.0/8",
		"10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/-1",
		"010.0.0.0/8", "256.0.0.0/8", "10.0.0.0.0/8", "10.0.0.0/8 ",
		" 10.0.0.0/8", "10.0.0.0/8/8", "1.2.3./32", ".1.2.3/32",
		"10.0.0.0/999999999999999999999", "::/0", "0x0a.0.0.0/8",
		"99999999999.0.0.0/8", "10.0.0.0//8" };
	static const char *const bad6[] = { "", "::", ":::/0", ":/0", "::/129",
		"::/00", "1::2::3/128", "12345::/16", "1:2:3:4:5:6:7/128",
		"1:2:3:4:5:6:7:8:9/128", "1:2:3:4:5:6:7:8::/128",
		"::1:2:3:4:5:6:7:8/128", "1:/16", ":1/16", "g::/16",
		"::1.2.3/128", "::1.2.3.4.5/128", "1.2.3.4::/16",
		"1:2:3:4:5:6:7:1.2.3.4/128", "::01.2.3.4/128", "fe80::%eth0/64",
		"0.0.0.0/0", "1:::2/128", "::1:/128", "2001:db8::/32x" };
	struct prefix p = { .len = 99 };

	for (size_t i = 0; i < sizeof(bad4) / sizeof(bad4[0]); i++)
		CU_ASSERT_EQUAL(read_as(bad4[i], FAMILY_IPV4, &p, NULL),
		                RC_ESYNTAX);
	for (size_t i = 0; i < sizeof(bad6) / sizeof(bad6[0]); i++)
		CU_ASSERT_EQUAL(read_as(bad6[i], FAMILY_IPV6, &p, NULL),
		                RC_ESYNTAX);
	CU_ASSERT_EQUAL(prefix_read("10.0.0.0/8\0", 11, FAMILY_IPV4, &p, NULL),
	                RC_ESYNTAX);
	CU_ASSERT_EQUAL(p.len, 99);
}

static void the_length_given_is_the_end(void)
{
	struct prefix p;

	CU_ASSERT_EQUAL(prefix_read("10.0.0.0/8xyz", 10, FAMILY_IPV4, &p, NULL),
	                RC_OK);
	CU_ASSERT_EQUAL(p.len, 8);
	CU_ASSERT_EQUAL(prefix_read("2001:db8::/32", 12, FAMILY_IPV6, &p, NULL),
	                RC_ERULE);		/* now it is /3 */
}

static void host_bits_are_refused_with_what_was_meant(void)
{
	struct prefix p = { .len = 99 };
	struct diag d;

	CU_ASSERT_EQUAL(read_as("198.51.100.130/24", FAMILY_IPV4, &p, &d),
	                RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "198.51.100.130/24"));
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "write 198.51.100.0/24"));
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "198.51.100.130/32"));
	CU_ASSERT_EQUAL(read_as("2001:db8::1/127", FAMILY_IPV6, &p, &d),
	                RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "write 2001:db8::/127"));
	CU_ASSERT_EQUAL(read_as("1.0.0.0/0", FAMILY_IPV4, &p, &d), RC_ERULE);
	CU_ASSERT_EQUAL(read_as("10.0.0.1/31", FAMILY_IPV4, &p, &d), RC_ERULE);
	CU_ASSERT_EQUAL(read_as("10.128.0.0/8", FAMILY_IPV4, &p, &d),
	                RC_ERULE);
	CU_ASSERT_EQUAL(p.len, 99);
}

static void the_message_says_what_would_be_right(void)
{
	struct prefix p;
	struct diag d;

	CU_ASSERT_EQUAL(read_as("192.0.2.1", FAMILY_IPV4, &p, &d), RC_ESYNTAX);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "/32"));
	CU_ASSERT_EQUAL(read_as("2001:db8::/32", FAMILY_IPV4, &p, &d),
	                RC_ESYNTAX);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "belongs under \"ipv6\""));
	CU_ASSERT_EQUAL(read_as("10.0.0.0/8", FAMILY_IPV6, &p, &d),
	                RC_ESYNTAX);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "belongs under \"ipv4\""));
	CU_ASSERT_EQUAL(read_as("a\nb/8", FAMILY_IPV4, &p, &d), RC_ESYNTAX);
	CU_ASSERT_PTR_NULL(strchr(d.text, '\n'));
}

static void prefixes_sort_by_family_address_and_length(void)
{
	static const struct {
		const char *text;
		enum family f;
	} up[] = {
		{ "0.0.0.0/0", FAMILY_IPV4 }, { "0.0.0.0/1", FAMILY_IPV4 },
		{ "9.0.0.0/8", FAMILY_IPV4 }, { "10.0.0.0/7", FAMILY_IPV4 },
		{ "10.0.0.0/8", FAMILY_IPV4 }, { "10.0.1.0/24", FAMILY_IPV4 },
		{ "200.0.0.0/8", FAMILY_IPV4 }, { "::/0", FAMILY_IPV6 },
		{ "2001:db8::/32", FAMILY_IPV6 },
		{ "2001:db8::/48", FAMILY_IPV6 }, { "f000::/4", FAMILY_IPV6 },
	};
	enum { N = sizeof(up) / sizeof(up[0]) };
	struct prefix p[N];

	for (size_t i = 0; i < N; i++)
		CU_ASSERT_EQUAL_FATAL(read_as(up[i].text, up[i].f, &p[i], NULL),
		                      RC_OK);
	for (size_t i = 0; i < N; i++)
		for (size_t k = 0; k < N; k++) {
			int c = prefix_cmp(&p[i], &p[k]);

			CU_ASSERT_EQUAL((c > 0) - (c < 0), (i > k) - (i < k));
		}
}

static void every_random_prefix_reads_back(void)
{
	uint64_t x = 88172645463325252u;

	for (int i = 0; i < 20000; i++) {
		struct prefix p = { .family = i & 1 }, back;
		char text[PREFIX_TEXT_MAX + 1];
		unsigned bytes = i & 1 ? 16 : 4;
		size_t n;

		for (unsigned k = 0; k < bytes; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			/* Many zeros, so that "::" is all over the place. */
			p.addr[k] = x & 3 ? 0 : (uint8_t)(x >> 8);
		}
		p.len = (uint8_t)(bytes * 8);
		n = prefix_print(&p, text);
		CU_ASSERT_EQUAL_FATAL(n, strlen(text));
		CU_ASSERT_EQUAL_FATAL(prefix_read(text, n,
		                                  (enum family)p.family, &back,
		                                  NULL), RC_OK);
		CU_ASSERT_EQUAL_FATAL(memcmp(&p, &back, sizeof(p)), 0);
	}
}

static void families_have_the_names_of_the_registry(void)
{
	CU_ASSERT_STRING_EQUAL(family_name(FAMILY_IPV4), "ipv4");
	CU_ASSERT_STRING_EQUAL(family_name(FAMILY_IPV6), "ipv6");
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "IPv4 prefixes come out as they went in",
		  ipv4_prefixes_come_out_as_they_went_in },
		{ "IPv6 prefixes come out in one spelling",
		  ipv6_prefixes_come_out_in_one_spelling },
		{ "what is no prefix is refused", what_is_no_prefix_is_refused },
		{ "the length given is the end", the_length_given_is_the_end },
		{ "host bits are refused with what was meant",
		  host_bits_are_refused_with_what_was_meant },
		{ "the message says what would be right",
		  the_message_says_what_would_be_right },
		{ "prefixes sort by family, address and length",
		  prefixes_sort_by_family_address_and_length },
		{ "every random prefix reads back",
		  every_random_prefix_reads_back },
		{ "families have the names of the registry",
		  families_have_the_names_of_the_registry },
		CU_TEST_INFO_NULL
	};

	return suite_run("prefix", tests);
}
