/* Small documents: what is refused, and where the message says it was. */
#include "common/wire/json.h"

#include "common/base/buf.h"
#include "common/wire/error_json.h"
#include "tests/suite.h"
#include "tests/suite_files.h"

static enum rc read_text(const char *text, json_t **out, struct diag *d)
{
	diag_clear(d);
	return json_read(text, strlen(text), JSON_SMALL_MAX, out, d);
}

/* Refused so, at that line and pointer, and *out untouched. */
static void refused(const char *text, size_t len, enum rc want, size_t line,
                    const char *pointer)
{
	json_t *v = NULL;
	struct diag d;
	enum rc rc;

	diag_clear(&d);
	rc = json_read(text, len, JSON_SMALL_MAX, &v, &d);
	CU_ASSERT_EQUAL(rc, want);
	CU_ASSERT_PTR_NULL(v);
	CU_ASSERT_NOT_EQUAL(d.text[0], '\0');
	CU_ASSERT_EQUAL(d.line, line);
	CU_ASSERT_STRING_EQUAL(d.pointer, pointer);
	if (rc != want || strcmp(d.pointer, pointer) != 0 || d.line != line)
		printf("\n  %.60s: %d line %zu \"%s\" %s\n", text, rc, d.line,
		       d.pointer, d.text);
	json_decref(v);
}

#define REFUSED(text, rc, line, pointer) \
	refused(text, sizeof(text) - 1, rc, line, pointer)

static void any_value_is_a_document(void)
{
	static const char *const texts[] = {
		"{}", "[]", "null", "true", " 1 ", "-0.5e-3", "\"\"", "\"\\u00e9\"",
		"[1,{\"a\":[]}]\n", "\"\\ud83d\\ude00\"",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *v = NULL;
		struct diag d;

		CU_ASSERT_EQUAL(read_text(texts[i], &v, &d), RC_OK);
		CU_ASSERT_PTR_NOT_NULL(v);
		CU_ASSERT_EQUAL(d.text[0], '\0');
		json_decref(v);
	}
}

static void what_is_no_json_is_refused_with_its_place(void)
{
	REFUSED("", RC_ESYNTAX, 1, "");
	REFUSED("{", RC_ESYNTAX, 1, "");
	REFUSED("{\"a\":1}x", RC_ESYNTAX, 1, "");
	REFUSED("{\"a\":\n [1,\n  {\"b\":nul}]}", RC_ESYNTAX, 3, "/a/1/b");
	REFUSED("{\"a\":{},\n\"b/c\":{\"~\":[0,1,x]}}", RC_ESYNTAX, 2,
	        "/b~1c/~0/2");
	REFUSED("[NaN]", RC_ESYNTAX, 1, "/0");
	REFUSED("[1e999]", RC_ERULE, 1, "/0");
	REFUSED("[01]", RC_ESYNTAX, 1, "/0");
	REFUSED("\xef\xbb\xbf{}", RC_ESYNTAX, 1, "");
}

static void a_name_twice_is_refused_and_named(void)
{
	REFUSED("{\"x\":{\"a\":1,\n\"b\":2,\n\"a\":3}}", RC_ERULE, 3, "/x/a");
}

static void a_nul_is_refused_wherever_it_stands(void)
{
	REFUSED("{\"a\":1}\0", RC_ESYNTAX, 1, "");
	REFUSED("{\"a\":\"x\0y\"}", RC_ESYNTAX, 1, "/a");
	REFUSED("\0", RC_ESYNTAX, 1, "");
	REFUSED("{\"a\":\"x\\u0000y\"}", RC_ESYNTAX, 1, "/a");
	REFUSED("{\"a\\u0000\":1}", RC_ESYNTAX, 1, "/a\\u0000");
}

static void strings_must_be_unicode(void)
{
	REFUSED("[\"\\ud800\"]", RC_ESYNTAX, 1, "/0");
	REFUSED("[\"\\udc00\\ud800\"]", RC_ESYNTAX, 1, "/0");
	REFUSED("[\"\xff\"]", RC_ESYNTAX, 1, "/0");
	REFUSED("[\"\xed\xa0\x80\"]", RC_ESYNTAX, 1, "/0");
	REFUSED("[\"\xc0\xaf\"]", RC_ESYNTAX, 1, "/0");
}

/* n arrays in each other around a value. */
static size_t nest(char *dst, size_t n)
{
	memset(dst, '[', n);
	dst[n] = '1';
	memset(dst + n + 1, ']', n);
	return 2 * n + 1;
}

static void depth_has_a_ceiling(void)
{
	static char text[400001];
	json_t *v = NULL;
	struct diag d;
	size_t len = nest(text, JSON_DEPTH_MAX);

	diag_clear(&d);
	CU_ASSERT_EQUAL(json_read(text, len, len, &v, &d), RC_OK);
	json_decref(v);
	v = NULL;
	len = nest(text, JSON_DEPTH_MAX + 1);
	CU_ASSERT_EQUAL(json_read(text, len, len, &v, &d), RC_ELIMIT);
	CU_ASSERT_NOT_EQUAL(d.text[0], '\0');
	len = nest(text, 200000);
	CU_ASSERT_EQUAL(json_read(text, len, len, &v, NULL), RC_ELIMIT);
	CU_ASSERT_PTR_NULL(v);
	/* brackets in a string are text */
	CU_ASSERT_EQUAL(read_text("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\""
	                          "[[[[[[[[\"]", &v, &d), RC_OK);
	json_decref(v);
}

static void size_has_a_ceiling(void)
{
	json_t *v = NULL;
	struct diag d;

	diag_clear(&d);
	CU_ASSERT_EQUAL(json_read("[1,2]", 5, 4, &v, &d), RC_ELIMIT);
	CU_ASSERT_PTR_NULL(v);
	CU_ASSERT_EQUAL(json_read("[1,2]", 5, 5, &v, NULL), RC_OK);
	json_decref(v);
}

static void members_say_what_is_wrong_with_them(void)
{
	json_t *doc = NULL, *v = NULL;
	const char *text = NULL;
	uint64_t n = 7;
	struct diag d;

	CU_ASSERT_EQUAL_FATAL(read_text("{\"s\":\"abc\",\"n\":5,\"m\":-1,"
	                                "\"r\":1.5,\"b\":false,\"a/b\":{}}",
	                                &doc, &d), RC_OK);
	CU_ASSERT_EQUAL(json_text(doc, "/x", "s", 3, &text, &d), RC_OK);
	CU_ASSERT_STRING_EQUAL(text, "abc");
	CU_ASSERT_EQUAL(json_count(doc, "/x", "n", 5, &n, &d), RC_OK);
	CU_ASSERT_EQUAL(n, 5);
	CU_ASSERT_EQUAL(json_member(doc, "", "b", JSON_TRUE, &v, &d), RC_OK);
	CU_ASSERT_EQUAL(json_member(doc, "", "n", JSON_REAL, &v, &d), RC_OK);
	CU_ASSERT_EQUAL(d.text[0], '\0');

	CU_ASSERT_EQUAL(json_text(doc, "/x", "s", 2, &text, &d), RC_ELIMIT);
	CU_ASSERT_STRING_EQUAL(d.pointer, "/x/s");
	diag_clear(&d);
	CU_ASSERT_EQUAL(json_count(doc, "", "n", 4, &n, &d), RC_ELIMIT);
	CU_ASSERT_EQUAL(json_count(doc, "", "m", 4, &n, &d), RC_ERULE);
	CU_ASSERT_STRING_EQUAL(d.pointer, "/n");	/* the first stays */
	CU_ASSERT_EQUAL(json_count(doc, "", "r", 4, &n, NULL), RC_ESYNTAX);
	CU_ASSERT_EQUAL(json_count(doc, "", "q", 4, &n, NULL), RC_ENOENT);
	diag_clear(&d);
	CU_ASSERT_EQUAL(json_text(doc, "", "a/b", 9, &text, &d), RC_ESYNTAX);
	CU_ASSERT_STRING_EQUAL(d.pointer, "/a~1b");
	CU_ASSERT_STRING_EQUAL(d.text, "is an object, must be a string");
	CU_ASSERT_EQUAL(json_member(json_object_get(doc, "s"), "/s", "t",
	                            JSON_NULL, &v, NULL), RC_ESYNTAX);
	CU_ASSERT_STRING_EQUAL(text, "abc");
	CU_ASSERT_EQUAL(n, 5);
	json_decref(doc);
}

static void a_string_is_written_in_its_one_spelling(void)
{
	static const char in[] = "\b\t\n\f\r\"\\/\x01\x1f\x7f\xe2\x82\xac\0z";
	struct buf b = BUF_INIT(200);

	json_put_string(&b, in, sizeof(in) - 1);
	CU_ASSERT_STRING_EQUAL(buf_str(&b),
	                       "\"\\b\\t\\n\\f\\r\\\"\\\\/\\u0001\\u001f\x7f"
	                       "\xe2\x82\xac\\u0000z\"");
	buf_clear(&b);
	json_put_string(&b, "", 0);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "\"\"");
	buf_free(&b);
}

static void errors_of_alto_have_their_canonical_body(void)
{
	struct buf b = BUF_INIT(400);

	error_json("E_SYNTAX", NULL, NULL, "ends in a \"string\"", &b);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "{\"meta\":{\"code\":\"E_SYNTAX\","
	                       "\"syntax-error\":\"ends in a \\\"string\\\"\""
	                       "}}");
	buf_clear(&b);
	error_json("E_INVALID_FIELD_VALUE", "cost-type/cost-mode", "foo\n",
	           "no such mode", &b);
	CU_ASSERT_STRING_EQUAL(buf_str(&b),
	                       "{\"meta\":{\"code\":\"E_INVALID_FIELD_VALUE\","
	                       "\"field\":\"cost-type/cost-mode\","
	                       "\"message\":\"no such mode\","
	                       "\"value\":\"foo\\n\"}}");
	buf_clear(&b);
	error_json("E_MISSING_FIELD", "pids", NULL, NULL, &b);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "{\"meta\":{\"code\":"
	                       "\"E_MISSING_FIELD\",\"field\":\"pids\"}}");
	buf_free(&b);
}

/* jansson cannot hold these two: a string with a NUL. */
static int knows_no_nul(const char *name)
{
	return strcmp(name, "y_string_null_escape.json") == 0 ||
	       strcmp(name, "y_object_escaped_null_in_key.json") == 0;
}

static void judge(const char *name, const char *text, size_t len, void *arg)
{
	json_t *v = NULL;
	struct diag d;
	enum rc rc;

	(void)arg;
	diag_clear(&d);
	rc = json_read(text, len, SUITE_FILE_MAX, &v, &d);
	if (rc != RC_OK)
		CU_ASSERT_NOT_EQUAL(d.text[0], '\0');
	if (name[0] == 'y' && (rc == RC_OK) == knows_no_nul(name)) {
		/* one name twice is grammar, and still refused here */
		CU_ASSERT_PTR_NOT_NULL(strstr(name, "duplicated_key"));
		CU_ASSERT_EQUAL(rc, RC_ERULE);
	}
	if (name[0] == 'n')
		CU_ASSERT_NOT_EQUAL(rc, RC_OK);
	json_decref(v);
}

static void the_parser_suite_gets_its_answers(void)
{
	if (!suite_files(judge, NULL))
		SKIP("the JSON parser suite");
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "any value is a document", any_value_is_a_document },
		{ "what is no JSON is refused with its place",
		  what_is_no_json_is_refused_with_its_place },
		{ "a name twice is refused and named",
		  a_name_twice_is_refused_and_named },
		{ "a NUL is refused wherever it stands",
		  a_nul_is_refused_wherever_it_stands },
		{ "strings must be Unicode", strings_must_be_unicode },
		{ "depth has a ceiling", depth_has_a_ceiling },
		{ "size has a ceiling", size_has_a_ceiling },
		{ "members say what is wrong with them",
		  members_say_what_is_wrong_with_them },
		{ "a string is written in its one spelling",
		  a_string_is_written_in_its_one_spelling },
		{ "errors of ALTO have their canonical body",
		  errors_of_alto_have_their_canonical_body },
		{ "the parser suite gets its answers",
		  the_parser_suite_gets_its_answers },
		CU_TEST_INFO_NULL
	};

	return suite_run("json", tests);
}
