/* The streaming reader: the grammar, the window, and where errors are. */
#include "common/wire/scan.h"
#include "tests/suite.h"

/* A reader that gives step bytes at a time, so that every token is cut. */
struct feed {
	const char *p;
	size_t left;
	size_t step;
	bool broken;		/* fails where it should end */
};

static long feed_read(void *arg, char *dst, size_t len)
{
	struct feed *f = arg;
	size_t n = f->left < f->step ? f->left : f->step;

	if (!n)
		return f->broken ? -1 : 0;
	n = n < len ? n : len;
	memcpy(dst, f->p, n);
	f->p += n;
	f->left -= n;
	return (long)n;
}

static struct scan *from(const char *text, struct diag *d)
{
	struct scan *s = NULL;

	if (d)
		diag_clear(d);
	CU_ASSERT_EQUAL_FATAL(scan_new_bytes(text, strlen(text), d, &s), RC_OK);
	return s;
}

/* Takes one document whole, from memory and through a reader: both must agree;
 * the memory is exact, so that reading too far is seen by a sanitizer. */
static enum rc whole_n(const char *text, size_t len, struct diag *d)
{
	struct feed f = { text, len, 7, false };
	char *exact = malloc(len ? len : 1);
	struct scan *s = NULL;
	struct diag again;
	enum rc rc, rc2;

	diag_clear(d);
	diag_clear(&again);
	memcpy(exact, text, len);
	CU_ASSERT_EQUAL_FATAL(scan_new_bytes(exact, len, d, &s), RC_OK);
	rc = scan_skip(s);
	if (rc == RC_OK)
		rc = scan_end(s);
	scan_free(s);
	free(exact);
	CU_ASSERT_EQUAL_FATAL(scan_new_reader(feed_read, &f, &again, &s),
	                      RC_OK);
	rc2 = scan_skip(s);
	if (rc2 == RC_OK)
		rc2 = scan_end(s);
	scan_free(s);
	CU_ASSERT_EQUAL(rc, rc2);
	CU_ASSERT_EQUAL(d->line, again.line);
	CU_ASSERT_STRING_EQUAL(d->text, again.text);
	CU_ASSERT_STRING_EQUAL(d->pointer, again.pointer);
	return rc;
}

static enum rc whole(const char *text)
{
	struct diag d;

	return whole_n(text, strlen(text), &d);
}

static void every_json_value_is_taken(void)
{
	static const char *const good[] = { "0", "-0", "1e5", "-1.25E-10",
		"123456789012345678901234567890.5", "\"\"", "null", "true",
		"false", "[]", "{}", " [ 1 , [ ] , { } , \"a\" ] ",
		"{\"a\":1,\"b\":{\"c\":[null,true,false]}}",
		"{ \"a\" : 1 , \"b\" : \"x\" }", "\t\r\n 5 \n",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\ud83d\\ude00\"",
		"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (whole(good[i]) != RC_OK) {
			printf("refused: %s\n", good[i]);
			CU_FAIL("good JSON was refused");
		}
}

static void what_is_no_json_is_refused(void)
{
	static const char *const bad[] = { "", " ", "01", "-", "-a", "1.",
		".5", "1e", "1e+", "+1", "0x1", "1.e5", "- 1", "NaN", "-NaN",
		"Infinity", "nul", "nulll", "True", "[", "]", "{", "}", "[1",
		"[1,", "[1,]", "[,1]", "[1 2]", "[1}", "{\"a\"}", "{\"a\":}",
		"{\"a\":1", "{\"a\":1,}", "{,}", "{1:2}", "{\"a\" 1}",
		"{\"a\":1 \"b\":2}", "{\"a\":1]", "{'a':1}", "\"", "\"a",
		"\"\\", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"",
		"\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"",
		"\"\\ud800x\"", "\"a\nb\"", "\"\x01\"", "\"\xff\"",
		"\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
		"\"\xe2\x82\"", "1 2", "[] []", "// c\n1", "\xef\xbb\xbf[]",
		"[1,2.5.6]", "[1.2e3e4]", "[00]", "[1.0.0,11111111111]",
		"[1.,22222222222222]", "[-,2222222222222]",
		"[1e,222222222222222]", "[01,22222222222]", "[00.5,2222222222]",
		"{\"a\":012345678901234567890}" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (whole(bad[i]) != RC_ESYNTAX) {
			printf("not refused: %s\n", bad[i]);
			CU_FAIL("bad JSON was accepted");
		}
}

static void the_walk_gives_names_and_values(void)
{
	struct scan *s = from("{\"a\":{\"x\": 1.5, \"y\":-2e3},\"b\":[\"p\", "
	                      "\"q\"],\"\":null}", NULL);
	const char *t;
	size_t n;
	bool found;

	CU_ASSERT_EQUAL(scan_object(s), RC_OK);
	CU_ASSERT_EQUAL(scan_member(s, &t, &n), RC_OK);
	CU_ASSERT(n == 1 && *t == 'a');
	CU_ASSERT_EQUAL(scan_object(s), RC_OK);
	CU_ASSERT_EQUAL(scan_member(s, &t, &n), RC_OK);
	CU_ASSERT(n == 1 && *t == 'x');
	CU_ASSERT_EQUAL(scan_number(s, &t, &n), RC_OK);
	CU_ASSERT(n == 3 && memcmp(t, "1.5", 3) == 0);
	CU_ASSERT_EQUAL(scan_member(s, &t, &n), RC_OK);
	CU_ASSERT_EQUAL(scan_number(s, &t, &n), RC_OK);
	CU_ASSERT(n == 4 && memcmp(t, "-2e3", 4) == 0);
	CU_ASSERT_EQUAL(scan_member(s, &t, &n), RC_OK);
	CU_ASSERT_PTR_NULL(t);
	CU_ASSERT_EQUAL(scan_member(s, &t, &n), RC_OK);
	CU_ASSERT_EQUAL(scan_array(s), RC_OK);
	CU_ASSERT_EQUAL(scan_element(s, &found), RC_OK);
	CU_ASSERT_TRUE(found);
	CU_ASSERT_EQUAL(scan_string(s, &t, &n), RC_OK);
	CU_ASSERT(n == 1 && *t == 'p');
	CU_ASSERT_EQUAL(scan_element(s, &found), RC_OK);
	CU_ASSERT_EQUAL(scan_string(s, &t, &n), RC_OK);
	CU_ASSERT(n == 1 && *t == 'q');
	CU_ASSERT_EQUAL(scan_element(s, &found), RC_OK);
	CU_ASSERT_FALSE(found);
	CU_ASSERT_EQUAL(scan_member(s, &t, &n), RC_OK);
	CU_ASSERT_PTR_NOT_NULL(t);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_EQUAL(scan_null(s), RC_OK);
	CU_ASSERT_EQUAL(scan_member(s, &t, &n), RC_OK);
	CU_ASSERT_PTR_NULL(t);
	CU_ASSERT_EQUAL(scan_end(s), RC_OK);
	scan_free(s);
	scan_free(NULL);
}

static void escapes_become_utf8(void)
{
	struct scan *s = from("{\"\\u0061\\/\\u00e9\":\"\\u20ac\\ud83d\\ude00"
	                      "\\u0000\\n\"}", NULL);
	const char *t;
	size_t n;

	CU_ASSERT_EQUAL(scan_object(s), RC_OK);
	CU_ASSERT_EQUAL(scan_member(s, &t, &n), RC_OK);
	CU_ASSERT(n == 4 && memcmp(t, "a/\xc3\xa9", 4) == 0);
	CU_ASSERT_EQUAL(scan_string(s, &t, &n), RC_OK);
	CU_ASSERT(n == 9 &&
	          memcmp(t, "\xe2\x82\xac\xf0\x9f\x98\x80\0\n", 9) == 0);
	scan_free(s);
}

static void peek_says_what_comes_and_takes_nothing(void)
{
	static const enum scan_kind want[] = { SCAN_OBJECT, SCAN_ARRAY,
		SCAN_STRING, SCAN_NUMBER, SCAN_NUMBER, SCAN_TRUE, SCAN_FALSE,
		SCAN_NULL };
	struct scan *s = from("[{}, [], \"\", 0, -1, true, false, null]", NULL);
	enum scan_kind kind;
	bool found;

	CU_ASSERT_EQUAL(scan_array(s), RC_OK);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		CU_ASSERT_EQUAL(scan_element(s, &found), RC_OK);
		CU_ASSERT_EQUAL(scan_peek(s, &kind), RC_OK);
		CU_ASSERT_EQUAL(scan_peek(s, &kind), RC_OK);
		CU_ASSERT_EQUAL(kind, want[i]);
		CU_ASSERT_EQUAL(scan_skip(s), RC_OK);
	}
	CU_ASSERT_EQUAL(scan_element(s, &found), RC_OK);
	CU_ASSERT_FALSE(found);
	CU_ASSERT_EQUAL(scan_end(s), RC_OK);
	scan_free(s);
}

static void raw_lends_the_text_of_a_value(void)
{
	struct feed f = { "1", 1, 1, false };
	struct scan *s = from("{\"a\": {\"x\": [1, 2]} ,\"b\":7}", NULL);
	const char *t;
	size_t n;

	CU_ASSERT_EQUAL(scan_object(s), RC_OK);
	CU_ASSERT_EQUAL(scan_member(s, &t, &n), RC_OK);
	CU_ASSERT_EQUAL(scan_raw(s, &t, &n), RC_OK);
	CU_ASSERT(n == 13 && memcmp(t, "{\"x\": [1, 2]}", 13) == 0);
	CU_ASSERT_EQUAL(scan_member(s, &t, &n), RC_OK);
	CU_ASSERT_EQUAL(scan_raw(s, &t, &n), RC_OK);
	CU_ASSERT(n == 1 && *t == '7');
	scan_free(s);
	CU_ASSERT_EQUAL_FATAL(scan_new_reader(feed_read, &f, NULL, &s), RC_OK);
	CU_ASSERT_EQUAL(scan_raw(s, &t, &n), RC_EINVAL);
	scan_free(s);
}

/* n times open, then n times close. */
static enum rc nested(size_t n, char open, char close, struct diag *d)
{
	char text[1024];

	memset(text, open, n);
	memset(text + n, close, n);
	return whole_n(text, 2 * n, d);
}

static void depth_has_a_limit(void)
{
	struct diag d;

	CU_ASSERT_EQUAL(nested(SCAN_DEPTH_MAX, '[', ']', &d), RC_OK);
	CU_ASSERT_EQUAL(nested(SCAN_DEPTH_MAX + 1, '[', ']', &d), RC_ELIMIT);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "64"));
}

static void a_token_has_a_limit(void)
{
	char *text = malloc(SCAN_TOKEN_MAX + 3);
	struct diag d;

	memset(text, 'x', SCAN_TOKEN_MAX + 3);
	text[0] = text[SCAN_TOKEN_MAX + 1] = '"';
	CU_ASSERT_EQUAL(whole_n(text, SCAN_TOKEN_MAX + 2, &d), RC_OK);
	text[SCAN_TOKEN_MAX + 1] = 'x';
	text[SCAN_TOKEN_MAX + 2] = '"';
	CU_ASSERT_EQUAL(whole_n(text, SCAN_TOKEN_MAX + 3, &d), RC_ELIMIT);
	memset(text, '7', SCAN_TOKEN_MAX + 3);
	CU_ASSERT_EQUAL(whole_n(text, SCAN_TOKEN_MAX, &d), RC_OK);
	CU_ASSERT_EQUAL(whole_n(text, SCAN_TOKEN_MAX + 3, &d), RC_ELIMIT);
	free(text);
}

static void errors_say_line_and_pointer(void)
{
	static const struct {
		const char *text;
		size_t line;
		const char *pointer;
	} cases[] = {
		{ "{\"a\":\n{\"b/~\":\n[1,\n2,x]}}", 4, "/a/b~1~0/2" },
		{ "[\n[],\n[1],\n[1,[x]]]", 4, "/2/1/0" },
		{ "{\"a\":1,\n\"b\":2,\n\"c\" 3}", 3, "/c" },
		{ "\n\n\n", 4, "" },
		{ "{\"a\":[1,2],\n\"b\":tru}", 2, "/b" },
		{ "{\"\\u0001\\n\":x}", 1, "/?" "?" },
		{ "{\"a\":{}} x", 1, "" },
		{ "{\"a\":{\"b\":1} 2}", 1, "/a" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct diag d;

		CU_ASSERT_EQUAL(whole_n(cases[i].text, strlen(cases[i].text),
		                        &d), RC_ESYNTAX);
		CU_ASSERT_EQUAL(d.line, cases[i].line);
		CU_ASSERT_STRING_EQUAL(d.pointer, cases[i].pointer);
		CU_ASSERT_NOT_EQUAL(d.text[0], '\0');
	}
}

static void errors_say_what_was_expected_and_found(void)
{
	struct scan *s;
	struct diag d;
	const char *t;
	size_t n;

	s = from("{\"a\":\"x\"}", &d);
	CU_ASSERT_EQUAL(scan_object(s), RC_OK);
	CU_ASSERT_EQUAL(scan_member(s, &t, &n), RC_OK);
	CU_ASSERT_EQUAL(scan_number(s, &t, &n), RC_ESYNTAX);
	CU_ASSERT_STRING_EQUAL(d.text, "expected a number, found a string");
	CU_ASSERT_STRING_EQUAL(d.pointer, "/a");
	scan_free(s);
	s = from("[", &d);
	CU_ASSERT_EQUAL(scan_object(s), RC_ESYNTAX);
	CU_ASSERT_STRING_EQUAL(d.text, "expected an object, found an array");
	scan_free(s);
	s = from("NaN", &d);
	CU_ASSERT_EQUAL(scan_number(s, &t, &n), RC_ESYNTAX);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "NaN"));
	scan_free(s);
	CU_ASSERT_EQUAL(whole_n("\xef\xbb\xbf{}", 5, &d), RC_ESYNTAX);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "byte order mark"));
	CU_ASSERT_EQUAL(whole_n("\xff\xfe{\0}\0", 6, &d), RC_ESYNTAX);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "UTF-16"));
	CU_ASSERT_EQUAL(whole_n("\x1f\x8b\x08", 3, &d), RC_ESYNTAX);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "unpack it first"));
	CU_ASSERT_EQUAL(whole_n("{\0}", 3, &d), RC_ESYNTAX);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "found byte 0x00"));
	CU_ASSERT_EQUAL(whole_n("{\1}", 3, &d), RC_ESYNTAX);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "found byte 0x01"));
	CU_ASSERT_EQUAL(whole_n("{", 1, &d), RC_ESYNTAX);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, "found the end of the input"));
}

static void a_failure_stays_and_keeps_its_first_text(void)
{
	struct diag d;
	struct scan *s = from("[1x,2]", &d);
	const char *t;
	size_t n;
	bool found;

	CU_ASSERT_EQUAL(scan_array(s), RC_OK);
	CU_ASSERT_EQUAL(scan_element(s, &found), RC_OK);
	CU_ASSERT_EQUAL(scan_number(s, &t, &n), RC_OK);
	CU_ASSERT_EQUAL(scan_refuse(s, RC_ERULE, "no %d", 1), RC_ERULE);
	CU_ASSERT_STRING_EQUAL(d.pointer, "/0");
	CU_ASSERT_EQUAL(scan_element(s, &found), RC_ERULE);
	CU_ASSERT_EQUAL(scan_member(s, &t, &n), RC_ERULE);
	CU_ASSERT_EQUAL(scan_number(s, &t, &n), RC_ERULE);
	CU_ASSERT_EQUAL(scan_string(s, &t, &n), RC_ERULE);
	CU_ASSERT_EQUAL(scan_object(s), RC_ERULE);
	CU_ASSERT_EQUAL(scan_skip(s), RC_ERULE);
	CU_ASSERT_EQUAL(scan_end(s), RC_ERULE);
	CU_ASSERT_STRING_EQUAL(d.text, "no 1");
	scan_free(s);
}

static void a_reader_that_fails_is_an_io_error(void)
{
	struct feed f = { "[1,2", 4, 3, true };
	struct scan *s = NULL;
	struct diag d;

	diag_clear(&d);
	CU_ASSERT_EQUAL_FATAL(scan_new_reader(feed_read, &f, &d, &s), RC_OK);
	CU_ASSERT_EQUAL(scan_skip(s), RC_EIO);
	CU_ASSERT_STRING_EQUAL(d.text, "reading failed");
	scan_free(s);
}

/* A map larger than some windows, read in steps of odd sizes. */
static void numbers_and_names_survive_the_window(void)
{
	enum { CELLS = 60000 };
	char *text = malloc(CELLS * 32 + 16), *o = text;
	static const size_t steps[] = { 1, 13, 4096, 1u << 20 };

	*o++ = '{';
	for (int i = 0; i < CELLS; i++)
		o += snprintf(o, 32, "%s\"n%d\":%s%d.%d", i ? "," : "", i,
		              i % 3 ? " " : "\n", i, i % 1000);
	*o++ = '}';
	for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
		struct feed f = { text, (size_t)(o - text), steps[k], false };
		struct scan *s = NULL;
		const char *t;
		char want[32];
		size_t n;

		CU_ASSERT_EQUAL_FATAL(scan_new_reader(feed_read, &f, NULL, &s),
		                      RC_OK);
		CU_ASSERT_EQUAL_FATAL(scan_object(s), RC_OK);
		for (int i = 0; i < CELLS; i++) {
			snprintf(want, sizeof(want), "n%d", i);
			CU_ASSERT_EQUAL_FATAL(scan_member(s, &t, &n), RC_OK);
			CU_ASSERT_FATAL(n == strlen(want) &&
			                memcmp(t, want, n) == 0);
			snprintf(want, sizeof(want), "%d.%d", i, i % 1000);
			CU_ASSERT_EQUAL_FATAL(scan_number(s, &t, &n), RC_OK);
			CU_ASSERT_FATAL(n == strlen(want) &&
			                memcmp(t, want, n) == 0);
		}
		CU_ASSERT_EQUAL(scan_member(s, &t, &n), RC_OK);
		CU_ASSERT_PTR_NULL(t);
		CU_ASSERT_EQUAL(scan_end(s), RC_OK);
		scan_free(s);
	}
	free(text);
}

/* The name that an error names may have left the window long ago. */
static void the_pointer_survives_the_window(void)
{
	enum { SPACE = 600000 };
	char *text = malloc(SPACE + 64), *o = text;
	struct diag d;

	o += snprintf(o, 32, "{\"pop-a\":{\"ipv4\":[1,");
	memset(o, '\n', SPACE);
	o += SPACE;
	*o++ = 'x';
	CU_ASSERT_EQUAL(whole_n(text, (size_t)(o - text), &d), RC_ESYNTAX);
	CU_ASSERT_STRING_EQUAL(d.pointer, "/pop-a/ipv4/1");
	CU_ASSERT_EQUAL(d.line, SPACE + 1);
	free(text);
}

/* A name, its colon and its value, each in a window of its own. */
static void a_name_survives_until_its_colon(void)
{
	enum { SPACE = 300000 };
	char *text = malloc(2 * SPACE + 64), *o = text;
	struct feed f = { text, 0, 100000, false };
	struct scan *s = NULL;
	const char *t;
	size_t n;

	o += snprintf(o, 16, "{\"pop-a\"");
	memset(o, ' ', SPACE);
	o += SPACE;
	*o++ = ':';
	memset(o, ' ', SPACE);
	o += SPACE;
	o += snprintf(o, 16, "12}");
	f.left = (size_t)(o - text);
	CU_ASSERT_EQUAL_FATAL(scan_new_reader(feed_read, &f, NULL, &s), RC_OK);
	CU_ASSERT_EQUAL(scan_object(s), RC_OK);
	CU_ASSERT_EQUAL_FATAL(scan_member(s, &t, &n), RC_OK);
	CU_ASSERT(n == 5 && memcmp(t, "pop-a", 5) == 0);
	CU_ASSERT_EQUAL_FATAL(scan_number(s, &t, &n), RC_OK);
	CU_ASSERT(n == 2 && memcmp(t, "12", 2) == 0);
	scan_free(s);
	free(text);
}

/* Numbers of all lengths and shapes: the short way and the grammar agree. */
static void short_and_long_numbers_are_taken_whole(void)
{
	static const char *const numbers[] = { "0", "7", "10", "-1", "0.5",
		"1234567", "12345678", "123456789", "1.5", "123.4567",
		"1234.567", "12345.67", "123456.7", "1234567.8", "1e5",
		"1.5e5", "12345e6", "1.2345E+10", "0.0", "0e0",
		"100000000000000000000", "0.000000000000001" };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		char text[128];
		struct scan *s;
		const char *t;
		size_t n;
		bool found;

		snprintf(text, sizeof(text), "[%s,%s]                 ",
		         numbers[i], numbers[i]);
		s = from(text, NULL);
		CU_ASSERT_EQUAL(scan_array(s), RC_OK);
		for (int k = 0; k < 2; k++) {
			CU_ASSERT_EQUAL(scan_element(s, &found), RC_OK);
			CU_ASSERT_EQUAL_FATAL(scan_number(s, &t, &n), RC_OK);
			CU_ASSERT(n == strlen(numbers[i]) &&
			          memcmp(t, numbers[i], n) == 0);
		}
		CU_ASSERT_EQUAL(scan_element(s, &found), RC_OK);
		CU_ASSERT_EQUAL(scan_end(s), RC_OK);
		scan_free(s);
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "every JSON value is taken", every_json_value_is_taken },
		{ "what is no JSON is refused", what_is_no_json_is_refused },
		{ "the walk gives names and values",
		  the_walk_gives_names_and_values },
		{ "escapes become UTF-8", escapes_become_utf8 },
		{ "peek says what comes and takes nothing",
		  peek_says_what_comes_and_takes_nothing },
		{ "raw lends the text of a value",
		  raw_lends_the_text_of_a_value },
		{ "depth has a limit", depth_has_a_limit },
		{ "a token has a limit", a_token_has_a_limit },
		{ "errors say line and pointer", errors_say_line_and_pointer },
		{ "errors say what was expected and found",
		  errors_say_what_was_expected_and_found },
		{ "a failure stays and keeps its first text",
		  a_failure_stays_and_keeps_its_first_text },
		{ "a reader that fails is an I/O error",
		  a_reader_that_fails_is_an_io_error },
		{ "numbers and names survive the window",
		  numbers_and_names_survive_the_window },
		{ "the pointer survives the window",
		  the_pointer_survives_the_window },
		{ "a name survives until its colon",
		  a_name_survives_until_its_colon },
		{ "short and long numbers are taken whole",
		  short_and_long_numbers_are_taken_whole },
		CU_TEST_INFO_NULL
	};

	return suite_run("scan", tests);
}
