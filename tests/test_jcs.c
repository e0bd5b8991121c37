/* Canonical text (RFC 8785), against its vectors. */
#include "common/wire/jcs.h"

#include <stdint.h>

#include "common/wire/json.h"
#include "tests/suite.h"

/* RFC 8785 appendix B; the last is 2^-44, whose 16 printf digits do not read
 * back though 16 digits are enough. */
static const struct {
	uint64_t bits;
	const char *text;
} numbers[] = {
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

static void writes(const json_t *v, const char *want)
{
	struct buf b = BUF_INIT(4096);

	CU_ASSERT_EQUAL(jcs_write(v, &b), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), want);
	buf_free(&b);
}

static void becomes(const char *text, const char *want)
{
	json_t *v = NULL;

	CU_ASSERT_EQUAL_FATAL(json_read(text, strlen(text), JSON_SMALL_MAX, &v,
	                                NULL), RC_OK);
	writes(v, want);
	json_decref(v);
}

static void numbers_print_as_the_rfc_lists_them(void)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		double d;
		json_t *v;

		memcpy(&d, &numbers[i].bits, sizeof(d));
		v = json_real(d);
		writes(v, numbers[i].text);
		json_decref(v);
	}
}

static void integers_print_as_doubles_do(void)
{
	becomes("[0,-0,1,-1,4.0,1E3,100000000000000000]",
	        "[0,0,1,-1,4,1000,100000000000000000]");
	becomes("9007199254740993", "9007199254740992");
	becomes("9223372036854775807", "9223372036854776000");
	becomes("-9223372036854775808", "-9223372036854776000");
}

static void names_stand_in_the_order_of_utf16(void)
{
	static const char *const names[] = {
		"", "\r", "1", "10", "2", "\xc2\x80", "\xc3\xb6",
		"\xe2\x82\xac", "\xed\x9f\xbf", "\xf0\x9f\x98\x80",
		"\xf4\x8f\xbf\xbf", "\xee\x80\x80", "\xef\xac\xb3",
	};
	const size_t n = sizeof(names) / sizeof(names[0]);

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++) {
			int c = jcs_compare(names[i], strlen(names[i]),
			                    names[k], strlen(names[k]));

			CU_ASSERT_EQUAL((c > 0) - (c < 0), (i > k) - (i < k));
		}
}

static void the_sort_example_of_the_rfc_comes_out(void)
{
	becomes("{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\","
	        "\"\\ufb33\":\"Hebrew Letter Dalet With Dagesh\","
	        "\"1\":\"One\",\"\\ud83d\\ude00\":\"Emoji: Grinning Face\","
	        "\"\\u0080\":\"Control\","
	        "\"\\u00f6\":\"Latin Small Letter O With Diaeresis\"}",
	        "{\"\\r\":\"Carriage Return\",\"1\":\"One\","
	        "\"\xc2\x80\":\"Control\","
	        "\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\","
	        "\"\xe2\x82\xac\":\"Euro Sign\","
	        "\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\","
	        "\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}");
}

static void the_document_of_the_rfc_comes_out(void)
{
	becomes("{\n  \"numbers\": [333333333.33333329, 1E30, 4.50,\n"
	        "    2e-3, 0.000000000000000000000000001],\n"
	        "  \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022"
	        "\\u005c\\\\\\\"\\/\",\n"
	        "  \"literals\": [null, true, false]\n}",
	        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,"
	        "1e+30,4.5,0.002,1e-27],\"string\":\"\xe2\x82\xac$\\u000f\\n"
	        "A'B\\\"\\\\\\\\\\\"/\"}");
}

static void nesting_and_emptiness_survive(void)
{
	becomes(" { \"b\" : [ ] , \"a\" : { } , \"\" : [ { } , \"\" ] } ",
	        "{\"\":[{},\"\"],\"a\":{},\"b\":[]}");
	becomes("\"\\b\\t\\n\\f\\r\\u001b\\u007f\"",
	        "\"\\b\\t\\n\\f\\r\\u001b\x7f\"");
}

static void text_that_is_no_unicode_is_refused(void)
{
	static const char *const bad[] = {
		"\xed\xa0\x80", "\xc0\xaf", "a\xff", "\xe2\x82", "\xf4\x90\x80\x80",
		"\xf0\x80\x80\x80", "\xe0\x9f\xbf", "\x80",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buf b = BUF_INIT(100);
		json_t *obj = json_object(), *v = json_string_nocheck(bad[i]);

		CU_ASSERT_EQUAL(jcs_write(v, &b), RC_ERULE);
		buf_clear(&b);
		json_object_set_new_nocheck(obj, bad[i], json_null());
		CU_ASSERT_EQUAL(jcs_write(obj, &b), RC_ERULE);
		json_decref(v);
		json_decref(obj);
		buf_free(&b);
	}
}

static json_t *nested(unsigned n)
{
	json_t *v = json_integer(1);

	for (unsigned i = 0; i < n; i++) {
		json_t *outer = json_array();

		json_array_append_new(outer, v);
		v = outer;
	}
	return v;
}

static void depth_and_size_have_ceilings(void)
{
	struct buf b = BUF_INIT(2 * JSON_DEPTH_MAX + 1);
	json_t *v = nested(JSON_DEPTH_MAX);

	CU_ASSERT_EQUAL(jcs_write(v, &b), RC_OK);
	CU_ASSERT_EQUAL(b.len, b.max);
	CU_ASSERT_EQUAL(jcs_write(v, &b), RC_ELIMIT);
	json_decref(v);
	buf_clear(&b);
	v = nested(JSON_DEPTH_MAX + 1);
	CU_ASSERT_EQUAL(jcs_write(v, &b), RC_ELIMIT);
	json_decref(v);
	buf_free(&b);
}

static void canonical_text_reads_back_to_itself(void)
{
	static const char text[] =
		"{\"a\":[1,1.5,1e+30,5e-324,\"\\u0000\"],\"b\":{\"c\":null}}";
	json_t *v = json_loads(text, JSON_ALLOW_NUL, NULL);

	writes(v, text);
	json_decref(v);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "numbers print as the RFC lists them",
		  numbers_print_as_the_rfc_lists_them },
		{ "integers print as doubles do", integers_print_as_doubles_do },
		{ "names stand in the order of UTF-16",
		  names_stand_in_the_order_of_utf16 },
		{ "the sort example of the RFC comes out",
		  the_sort_example_of_the_rfc_comes_out },
		{ "the document of the RFC comes out",
		  the_document_of_the_rfc_comes_out },
		{ "nesting and emptiness survive",
		  nesting_and_emptiness_survive },
		{ "text that is no Unicode is refused",
		  text_that_is_no_unicode_is_refused },
		{ "depth and size have ceilings", depth_and_size_have_ceilings },
		{ "canonical text reads back to itself",
		  canonical_text_reads_back_to_itself },
		CU_TEST_INFO_NULL
	};

	return suite_run("jcs", tests);
}
