/* The property map: what it takes, what it refuses and why, its bytes. */
#include "common/wire/propmap_json.h"
#include "tests/suite.h"
#include "tests/suite_files.h"

static struct propmap *must_read(const char *text)
{
	struct propmap *p = NULL;
	struct diag d = { 0 };

	CU_ASSERT_EQUAL(propmap_read(text, strlen(text), &p, &d), RC_OK);
	CU_ASSERT_STRING_EQUAL(d.text, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	return p;
}

/* What stands in property-map. */
static struct propmap *map_of(const char *entities)
{
	struct buf b = BUF_INIT(2u << 20);
	struct propmap *p;

	buf_printf(&b, "{\"property-map\":%s}", entities);
	p = must_read(buf_str(&b));
	buf_free(&b);
	return p;
}

static void canonical_is(const struct propmap *p, const char *want)
{
	struct buf b = BUF_INIT(PROPMAP_BYTES_MAX);

	propmap_canonical(p, &b);
	CU_ASSERT_EQUAL(buf_rc(&b), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), want);
	buf_free(&b);
}

/* The value of property i for an IPv4 address; NULL: none. */
static const char *at4(const struct propmap *p, size_t i, const char *addr)
{
	struct prefix a;
	char text[64];
	uint32_t v;

	snprintf(text, sizeof(text), "%s/32", addr);
	CU_ASSERT_EQUAL_FATAL(prefix_read(text, strlen(text), FAMILY_IPV4, &a,
	                                  NULL), RC_OK);
	v = lpm_find(propmap_lpm(p, i), FAMILY_IPV4, a.addr);
	return v == LPM_NONE ? NULL : index_name(propmap_values(p), v);
}

static void any_spelling_gives_the_canonical_bytes(void)
{
	static const char want[] = "{\"meta\":{},\"property-map\":{"
		"\"ipv4:10.0.0.0/8\":{\"priv:b\":null,\"priv:region\":\"a\"},"
		"\"ipv4:192.0.2.1/32\":{\"priv:region\":\"\xc3\xa9\\n\"},"
		"\"ipv6:2001:db8::/32\":{\"priv:region\":\"east\"},"
		"\"ipv6:::1/128\":{\"priv:region\":\"\"}}}";
	struct propmap *p = must_read(
		"{ \"property-map\" : {\"ipv6:2001:DB8:0:0::/32\":"
		"{\".priv:region\":\"east\"},"
		"\"ipv4:192.0.2.1\":{\"priv:region\":\"\\u00e9\\u000a\"},\n"
		"\"ipv6:0:0:0:0:0:0:0:1\":{\"priv:region\":\"\"},"
		"\"ipv4:172.16.0.0/12\":{},"
		"\"ipv4:10.0.0.0/8\":{\"priv:region\":\"a\","
		"\".priv:b\":null}}, \"meta\":{\"x\":[1]}, \"more\":7}");
	struct propmap *again = must_read(want);

	canonical_is(p, want);
	canonical_is(again, want);
	propmap_unref(p);
	propmap_unref(again);
}

static void the_longest_prefix_that_defines_it_counts(void)
{
	struct propmap *p = map_of("{"
		"\"ipv4:10.0.0.0/8\":{\"priv:r\":\"wide\",\"priv:t\":\"1\"},"
		"\"ipv4:10.1.0.0/16\":{\"priv:r\":\"near\"},"
		"\"ipv4:10.1.2.3\":{\"priv:t\":\"host\"},"
		"\"ipv6:2001:db8::/32\":{\"priv:t\":\"6\"}}");

	CU_ASSERT_EQUAL_FATAL(propmap_count(p), 2);
	CU_ASSERT_STRING_EQUAL(propmap_name(p, 0), "priv:r");
	CU_ASSERT_STRING_EQUAL(propmap_name(p, 1), "priv:t");
	CU_ASSERT_TRUE(propmap_has(p, 0, FAMILY_IPV4));
	CU_ASSERT_FALSE(propmap_has(p, 0, FAMILY_IPV6));
	CU_ASSERT_TRUE(propmap_has(p, 1, FAMILY_IPV6));
	CU_ASSERT_STRING_EQUAL(at4(p, 0, "10.9.9.9"), "wide");
	CU_ASSERT_STRING_EQUAL(at4(p, 0, "10.1.2.3"), "near");
	CU_ASSERT_STRING_EQUAL(at4(p, 1, "10.1.2.3"), "host");
	CU_ASSERT_STRING_EQUAL(at4(p, 1, "10.1.2.4"), "1");
	CU_ASSERT_PTR_NULL(at4(p, 0, "11.0.0.0"));
	propmap_unref(p);
}

static void null_stops_inheritance(void)
{
	struct propmap *p = map_of("{"
		"\"ipv4:10.0.0.0/8\":{\"priv:r\":\"wide\"},"
		"\"ipv4:10.1.0.0/16\":{\"priv:r\":null},"
		"\"ipv4:10.1.1.0/24\":{\"priv:r\":\"in\"}}");

	CU_ASSERT_PTR_NULL(at4(p, 0, "10.1.0.1"));
	CU_ASSERT_STRING_EQUAL(at4(p, 0, "10.1.1.1"), "in");
	CU_ASSERT_STRING_EQUAL(at4(p, 0, "10.2.0.1"), "wide");
	propmap_unref(p);
}

static void properties_stand_in_order(void)
{
	struct propmap *p = map_of("{\"ipv4:10.0.0.0/8\":{\"priv:z\":\"1\","
		"\"priv:a\":\"2\",\"priv:M\":\"3\"}}");

	CU_ASSERT_EQUAL_FATAL(propmap_count(p), 3);
	CU_ASSERT_STRING_EQUAL(propmap_name(p, 0), "priv:M");
	CU_ASSERT_STRING_EQUAL(propmap_name(p, 1), "priv:a");
	CU_ASSERT_STRING_EQUAL(propmap_name(p, 2), "priv:z");
	CU_ASSERT_STRING_EQUAL(at4(p, 1, "10.0.0.1"), "2");
	CU_ASSERT_STRING_EQUAL(at4(p, 2, "10.0.0.1"), "1");
	propmap_unref(p);
}

static void an_empty_map_is_one(void)
{
	struct propmap *p = map_of("{}");

	CU_ASSERT_EQUAL(propmap_count(p), 0);
	canonical_is(p, "{\"meta\":{},\"property-map\":{}}");
	propmap_unref(propmap_ref(p));
	propmap_unref(p);
	propmap_unref(NULL);
}

static void refuses_text(const char *text, enum rc want, const char *pointer,
                         const char *why)
{
	struct propmap *p = NULL;
	struct diag d = { 0 };
	enum rc rc = propmap_read(text, strlen(text), &p, &d);

	CU_ASSERT_EQUAL(rc, want);
	CU_ASSERT_PTR_NULL(p);
	CU_ASSERT_STRING_EQUAL(d.pointer, pointer);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, why));
	if (rc != want || strcmp(d.pointer, pointer) || !strstr(d.text, why))
		printf("\n  %.80s: %d %s: %s\n", text, rc, d.pointer, d.text);
	propmap_unref(p);
}

static void refuses(const char *entities, enum rc want, const char *pointer,
                    const char *why)
{
	char text[4096];

	snprintf(text, sizeof(text), "{\"property-map\":%s}", entities);
	refuses_text(text, want, pointer, why);
}

#define P "/property-map"

static void a_wrong_document_is_refused(void)
{
	refuses_text("[]", RC_ESYNTAX, "", "object");
	refuses_text("7", RC_ESYNTAX, "", "object");
	refuses_text("{}", RC_ESYNTAX, P, "missing");
	refuses_text("{\"property-map\":[]}", RC_ESYNTAX, P, "object");
	refuses_text("{\"meta\":1,\"property-map\":{}}", RC_ESYNTAX, "/meta",
	             "object");
	refuses("{\"ipv4:10.0.0.0/8\":[]}", RC_ESYNTAX, P "/ipv4:10.0.0.0~18",
	        "object of properties");
	refuses("{\"ipv4:10.0.0.0/8\":null}", RC_ESYNTAX,
	        P "/ipv4:10.0.0.0~18", "object of properties");
}

static void a_wrong_entity_is_refused(void)
{
	refuses("{\"10.0.0.0/8\":{}}", RC_ERULE, P "/10.0.0.0~18", "ipv4:");
	refuses("{\"net.pid:a\":{}}", RC_ERULE, P "/net.pid:a", "RFC 9240");
	refuses("{\"net.ipv4:10.0.0.0/8\":{}}", RC_ERULE,
	        P "/net.ipv4:10.0.0.0~18", "RFC 9240");
	refuses("{\"IPV4:10.0.0.0/8\":{}}", RC_ERULE, P "/IPV4:10.0.0.0~18",
	        "ipv4:");
	refuses("{\"\":{}}", RC_ERULE, P "/", "ipv4:");
	refuses("{\"ipv4:\":{}}", RC_ESYNTAX, P "/ipv4:", "prefix");
	refuses("{\"ipv4:10.0.0/8\":{}}", RC_ESYNTAX, P "/ipv4:10.0.0~18",
	        "prefix");
	refuses("{\"ipv4:10.0.0.0/33\":{}}", RC_ESYNTAX,
	        P "/ipv4:10.0.0.0~133", "prefix");
	refuses("{\"ipv4:2001:db8::/32\":{}}", RC_ESYNTAX,
	        P "/ipv4:2001:db8::~132", "prefix");
	refuses("{\"ipv4:10.0.0.1/8\":{}}", RC_ERULE, P "/ipv4:10.0.0.1~18",
	        "host bits");
	refuses("{\"ipv6:2001:db8::1/32\":{}}", RC_ERULE,
	        P "/ipv6:2001:db8::1~132", "host bits");
	refuses("{\"ipv6:1111111111111111111111111111111111111111111111111111"
	        "\":{}}", RC_ESYNTAX, P "/ipv6:1111111111111111111111111111"
	        "111111111111111111111111", "longer");
}

static void one_prefix_stands_once(void)
{
	refuses("{\"ipv4:192.0.2.1\":{},\"ipv4:192.0.2.1/32\":{}}", RC_ERULE,
	        P "/ipv4:192.0.2.1~132", "the same prefix");
	refuses("{\"ipv6:2001:db8::/32\":{},\"ipv6:2001:DB8:0::/32\":{}}",
	        RC_ERULE, P "/ipv6:2001:DB8:0::~132", "ipv6:2001:db8::/32");
	refuses("{\"ipv4:10.0.0.0/8\":{},\"ipv4:10.0.0.0/8\":{}}", RC_ERULE,
	        P "/ipv4:10.0.0.0~18", "uplicate");
}

#define E P "/ipv4:10.0.0.0~18"

static void prop(const char *name, const char *value, enum rc want,
                 const char *why)
{
	char entities[2600], pointer[300];

	snprintf(entities, sizeof(entities),
	         "{\"ipv4:10.0.0.0/8\":{\"%s\":%s}}", name, value);
	snprintf(pointer, sizeof(pointer), E "/%s", name);
	refuses(entities, want, pointer, why);
}

static void a_wrong_property_is_refused(void)
{
	prop("asn", "\"1\"", RC_ERULE, "\"priv:asn\" would be right (RFC 7285 "
	     "s10.8.2)");
	prop(".asn", "\"1\"", RC_ERULE, "\"priv:asn\" would be right");
	prop("pid", "\"a\"", RC_ERULE, "network maps");
	prop(".pid", "\"a\"", RC_ERULE, "network maps");
	prop("net.pid", "\"a\"", RC_ERULE, "letters, digits");
	prop("net.priv:a", "\"a\"", RC_ERULE, "letters, digits");
	prop("..priv:a", "\"a\"", RC_ERULE, "letters, digits");
	prop("priv:a b", "\"a\"", RC_ERULE, "letters, digits");
	prop("priv:", "\"a\"", RC_ERULE, "needs a name");
	prop("", "\"a\"", RC_ERULE, "not registered");
	prop("PRIV:a", "\"a\"", RC_ERULE, "not registered");
	prop("priv:a23456789012345678901234567x", "\"a\"", RC_ELIMIT,
	     "32 bytes");
	refuses("{\"ipv4:10.0.0.0/8\":{\"priv:a\":\"1\",\".priv:a\":\"1\"}}",
	        RC_ERULE, E "/.priv:a", "twice");
}

static void a_wrong_value_is_refused(void)
{
	char value[PROPMAP_VALUE_MAX + 4];

	prop("priv:a", "7", RC_ESYNTAX, "string");
	prop("priv:a", "true", RC_ESYNTAX, "string");
	prop("priv:a", "[\"a\"]", RC_ESYNTAX, "string");
	prop("priv:a", "{}", RC_ESYNTAX, "string");
	memset(value, 'v', sizeof(value));
	value[0] = value[PROPMAP_VALUE_MAX + 2] = '"';
	value[PROPMAP_VALUE_MAX + 3] = '\0';
	prop("priv:a", value, RC_ELIMIT, "1024 bytes");
}

static void what_fits_the_limits_is_taken(void)
{
	struct buf b = BUF_INIT(1u << 20);
	struct propmap *p;

	buf_puts(&b, "{\"ipv4:10.0.0.0/8\":{\"priv:a23456789012345678901234567\""
	         ":\"");
	for (size_t i = 0; i < PROPMAP_VALUE_MAX; i++)
		buf_putc(&b, 'v');
	buf_puts(&b, "\"");
	for (size_t i = 1; i < PROPMAP_PROPS_MAX; i++)
		buf_printf(&b, ",\"priv:%zu\":\"%zu\"", i, i);
	buf_puts(&b, "}}");
	p = map_of(buf_str(&b));
	CU_ASSERT_EQUAL(propmap_count(p), PROPMAP_PROPS_MAX);
	propmap_unref(p);
	b.len -= 2;
	buf_puts(&b, ",\"priv:65\":\"x\"}}");
	refuses(buf_str(&b), RC_ELIMIT, E "/priv:65", "more than 64");
	buf_free(&b);
}

static void the_whole_has_a_ceiling(void)
{
	struct buf b = BUF_INIT(8u << 20);
	struct propmap *p = NULL;
	struct diag d = { 0 };

	/* Within the ceiling as spelled, over it as canonical text. */
	buf_puts(&b, "{\"property-map\":{\"ipv6:::\":{}");
	for (unsigned i = 0; b.len < PROPMAP_BYTES_MAX - 100; i++)
		buf_printf(&b, ",\"ipv4:10.%u.%u.%u\":{\"priv:a\":\"\"}", i >> 16,
		           i >> 8 & 255, i & 255);
	buf_puts(&b, "}}");
	CU_ASSERT_TRUE(b.len <= PROPMAP_BYTES_MAX);
	CU_ASSERT_EQUAL(propmap_read(buf_str(&b), b.len, &p, &d), RC_ELIMIT);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "canonical"));
	CU_ASSERT_PTR_NULL(p);
	while (b.len <= PROPMAP_BYTES_MAX)
		buf_putc(&b, ' ');
	diag_clear(&d);
	CU_ASSERT_EQUAL(propmap_read(buf_str(&b), b.len, &p, &d), RC_ELIMIT);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "4194304"));
	buf_free(&b);
}

static void any_cut_of_it_is_refused(void)
{
	static const char text[] = "{\"meta\":{},\"property-map\":{"
		"\"ipv4:10.0.0.0/8\":{\"priv:region\":\"a\\u00e9\"}}}";

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		struct propmap *p = NULL;

		CU_ASSERT_EQUAL(propmap_read(text, len, &p, NULL), RC_ESYNTAX);
		CU_ASSERT_PTR_NULL(p);
	}
}

/* What breaks JSON readers, in the places where a map has text. */
static void hostile_text_is_refused(void)
{
	static const char *const bad[] = {
		"\"\\ud800\"", "\"\\u0000\"", "\"\xff\"", "\"\xc0\xaf\"",
		"\"\xed\xa0\x80\"", "\"a\nb\"", "'a'", "NaN", "\"\\x\"", "1e999",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
	};
	char text[300];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct propmap *p = NULL;

		snprintf(text, sizeof(text), "{\"property-map\":{"
		         "\"ipv4:10.0.0.0/8\":{\"priv:a\":%s}}}", bad[i]);
		CU_ASSERT_NOT_EQUAL(propmap_read(text, strlen(text), &p, NULL),
		                    RC_OK);
		CU_ASSERT_PTR_NULL(p);
		snprintf(text, sizeof(text), "{\"property-map\":{%s:{}}}",
		         bad[i]);
		CU_ASSERT_NOT_EQUAL(propmap_read(text, strlen(text), &p, NULL),
		                    RC_OK);
		CU_ASSERT_PTR_NULL(p);
	}
}

/* The file alone, and as the value of a property. No file of the suite is a
 * property map, so alone all are refused. */
static void judge(const char *name, const char *text, size_t len, void *arg)
{
	static const char head[] = "{\"property-map\":{\"ipv4:10.0.0.0/8\":{"
		"\"priv:a\":";
	struct buf b = BUF_INIT(2 * SUITE_FILE_MAX);
	struct propmap *p = NULL;
	struct diag d = { 0 };

	(void)arg;
	CU_ASSERT_NOT_EQUAL(propmap_read(text, len, &p, &d), RC_OK);
	CU_ASSERT_PTR_NULL(p);
	CU_ASSERT_NOT_EQUAL(d.text[0], '\0');
	buf_puts(&b, head);
	buf_add(&b, text, len);
	buf_puts(&b, "}}}");
	CU_ASSERT_EQUAL_FATAL(buf_rc(&b), RC_OK);
	if (propmap_read(b.data, b.len, &p, NULL) == RC_OK) {
		CU_ASSERT_NOT_EQUAL(name[0], 'n');
		propmap_unref(p);
	}
	buf_free(&b);
}

static void files_that_break_readers_do_no_harm(void)
{
	if (!suite_files(judge, NULL))
		SKIP("the JSON test suite");
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "any spelling gives the canonical bytes",
		  any_spelling_gives_the_canonical_bytes },
		{ "the longest prefix that defines it counts",
		  the_longest_prefix_that_defines_it_counts },
		{ "null stops inheritance", null_stops_inheritance },
		{ "properties stand in order", properties_stand_in_order },
		{ "an empty map is one", an_empty_map_is_one },
		{ "a wrong document is refused", a_wrong_document_is_refused },
		{ "a wrong entity is refused", a_wrong_entity_is_refused },
		{ "one prefix stands once", one_prefix_stands_once },
		{ "a wrong property is refused", a_wrong_property_is_refused },
		{ "a wrong value is refused", a_wrong_value_is_refused },
		{ "what fits the limits is taken",
		  what_fits_the_limits_is_taken },
		{ "the whole has a ceiling", the_whole_has_a_ceiling },
		{ "any cut of it is refused", any_cut_of_it_is_refused },
		{ "hostile text is refused", hostile_text_is_refused },
		{ "files that break readers do no harm",
		  files_that_break_readers_do_no_harm },
		CU_TEST_INFO_NULL
	};

	return suite_run("propmap", tests);
}
