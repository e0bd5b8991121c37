/* The ground floor: result codes, buffers, diagnoses, encodings, name tables. */
#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/enc.h"
#include "common/base/index.h"
#include "tests/suite.h"

static void every_code_has_a_text_of_its_own(void)
{
	CU_ASSERT_STRING_EQUAL(rc_text(RC_OK), "ok");
	for (int a = RC_OK; a >= RC_EPROTO; a--) {
		CU_ASSERT_STRING_NOT_EQUAL(rc_text((enum rc)a),
		                           "unknown result");
		for (int b = RC_OK; b > a; b--)
			CU_ASSERT_STRING_NOT_EQUAL(rc_text((enum rc)a),
			                           rc_text((enum rc)b));
	}
	CU_ASSERT_STRING_EQUAL(rc_text((enum rc)-99), "unknown result");
}

static void a_buffer_grows_and_ends_in_nul(void)
{
	struct buf b = BUF_INIT(10000);

	CU_ASSERT_STRING_EQUAL(buf_str(&b), "");
	buf_puts(&b, "net");
	buf_putc(&b, '-');
	buf_printf(&b, "%d:%s", 42, "x");
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "net-42:x");
	CU_ASSERT_EQUAL(b.len, 8);
	for (int i = 0; i < 1000; i++)
		buf_add(&b, "12345", 5);
	CU_ASSERT_EQUAL(buf_rc(&b), RC_OK);
	CU_ASSERT_EQUAL(strlen(buf_str(&b)), 5008);
	buf_free(&b);
	CU_ASSERT_EQUAL(b.max, 10000);
}

static void a_buffer_stops_at_its_ceiling_and_stays_stopped(void)
{
	struct buf b = BUF_INIT(5);

	buf_puts(&b, "12345");
	CU_ASSERT_EQUAL(buf_rc(&b), RC_OK);
	buf_putc(&b, '6');
	CU_ASSERT_EQUAL(buf_rc(&b), RC_ELIMIT);
	buf_puts(&b, "");
	CU_ASSERT_EQUAL(buf_rc(&b), RC_ELIMIT);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "12345");
	CU_ASSERT_PTR_NULL(buf_take(&b, NULL));
	buf_clear(&b);
	buf_printf(&b, "%s", "abcde");
	CU_ASSERT_EQUAL(buf_rc(&b), RC_OK);
	buf_printf(&b, "%s", "f");
	CU_ASSERT_EQUAL(buf_rc(&b), RC_ELIMIT);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "abcde");
	buf_free(&b);
}

static void a_taken_buffer_is_empty_and_usable(void)
{
	struct buf b = BUF_INIT(100);
	size_t len = 9;
	char *p = buf_take(&b, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL(len, 0);
	CU_ASSERT_STRING_EQUAL(p, "");
	free(p);
	buf_puts(&b, "a");
	p = buf_take(&b, &len);
	CU_ASSERT_STRING_EQUAL(p, "a");
	CU_ASSERT_EQUAL(len, 1);
	free(p);
	buf_puts(&b, "b");
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "b");
	buf_free(&b);
}

static void a_diagnosis_keeps_the_first_text(void)
{
	struct diag d;

	diag_clear(&d);
	CU_ASSERT_EQUAL(diag_set(&d, RC_ERULE, "first %d", 1), RC_ERULE);
	CU_ASSERT_EQUAL(diag_set(&d, RC_ESYNTAX, "second"), RC_ESYNTAX);
	CU_ASSERT_STRING_EQUAL(d.text, "first 1");
	CU_ASSERT_EQUAL(diag_set(NULL, RC_ERULE, "nobody asks"), RC_ERULE);
	diag_clear(NULL);
}

static void a_diagnosis_prints_what_is_known(void)
{
	struct buf b = BUF_INIT(1000);
	struct diag d;

	diag_clear(&d);
	diag_set(&d, RC_ERULE, "bad");
	diag_print(&d, &b);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "bad");
	buf_clear(&b);
	d.line = 7;
	diag_print(&d, &b);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "line 7: bad");
	buf_clear(&b);
	memcpy(d.file, "map.json", 9);
	memcpy(d.pointer, "/a/0", 5);
	diag_print(&d, &b);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "map.json:7: /a/0: bad");
	buf_free(&b);
}

static void a_long_diagnosis_is_cut(void)
{
	struct diag d;

	diag_clear(&d);
	CU_ASSERT_EQUAL(diag_set(&d, RC_ERULE, "%01000d", 0), RC_ERULE);
	CU_ASSERT_EQUAL(strlen(d.text), sizeof(d.text) - 1);
}

static void hex_goes_both_ways_in_lower_case_only(void)
{
	const uint8_t in[] = { 0x00, 0xff, 0x1a };
	uint8_t out[3] = { 9, 9, 9 };
	char text[7];

	enc_hex(in, 3, text);
	CU_ASSERT_STRING_EQUAL(text, "00ff1a");
	CU_ASSERT_EQUAL(enc_hex_read(text, 6, out, 3), RC_OK);
	CU_ASSERT_EQUAL(memcmp(in, out, 3), 0);
	out[0] = 9;
	CU_ASSERT_EQUAL(enc_hex_read("00FF1a", 6, out, 3), RC_ESYNTAX);
	CU_ASSERT_EQUAL(enc_hex_read("00ff1", 5, out, 3), RC_ESYNTAX);
	CU_ASSERT_EQUAL(enc_hex_read("00ff1g", 6, out, 3), RC_ESYNTAX);
	CU_ASSERT_EQUAL(out[0], 9);
	CU_ASSERT_EQUAL(enc_hex_read("", 0, out, 0), RC_OK);
	enc_hex("", 0, text);
	CU_ASSERT_STRING_EQUAL(text, "");
}

/* RFC 4648 s10. */
static const char *const base64[][2] = {
	{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
};

static void base64_follows_the_vectors_of_its_rfc(void)
{
	for (size_t i = 0; i < sizeof(base64) / sizeof(base64[0]); i++) {
		const char *in = base64[i][0], *text = base64[i][1];
		struct buf a = BUF_INIT(strlen(text)), b = BUF_INIT(strlen(in));

		enc_base64(&a, in, strlen(in));
		CU_ASSERT_EQUAL(buf_rc(&a), RC_OK);
		CU_ASSERT_STRING_EQUAL(buf_str(&a), text);
		CU_ASSERT_EQUAL(enc_base64_read(text, strlen(text), &b),
		                RC_OK);
		CU_ASSERT_STRING_EQUAL(buf_str(&b), in);

		buf_clear(&a);
		buf_clear(&b);
		enc_base64url(&a, in, strlen(in));
		CU_ASSERT_EQUAL(strcspn(buf_str(&a), "="), a.len);
		CU_ASSERT_EQUAL(strncmp(buf_str(&a), text, a.len), 0);
		CU_ASSERT_EQUAL(enc_base64url_read(buf_str(&a), a.len, &b),
		                RC_OK);
		CU_ASSERT_STRING_EQUAL(buf_str(&b), in);
		buf_free(&a);
		buf_free(&b);
	}
}

static void the_two_alphabets_do_not_mix(void)
{
	const uint8_t in[] = { 0xfb, 0xff, 0xbf };
	struct buf b = BUF_INIT(100);

	enc_base64(&b, in, 3);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "+/+/");
	buf_clear(&b);
	enc_base64url(&b, in, 3);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "-_-_");
	CU_ASSERT_EQUAL(enc_base64_read("-_-_", 4, &b), RC_ESYNTAX);
	CU_ASSERT_EQUAL(enc_base64url_read("+/+/", 4, &b), RC_ESYNTAX);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "-_-_");
	buf_free(&b);
}

static void a_value_has_one_base64_text_only(void)
{
	static const char *const bad[] = { "Zg", "Zg=", "Zh==", "Zm9=", "Z===",
		"====", "=", "Zm9v=", "Zg==Zg==", " Zg==", "Zg==\n", "Zm9v\n" };
	struct buf b = BUF_INIT(100);

	buf_puts(&b, "kept");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(enc_base64_read(bad[i], strlen(bad[i]), &b),
		                RC_ESYNTAX);
	CU_ASSERT_EQUAL(enc_base64url_read("Zg==", 4, &b), RC_ESYNTAX);
	CU_ASSERT_EQUAL(enc_base64url_read("Z", 1, &b), RC_ESYNTAX);
	CU_ASSERT_EQUAL(enc_base64url_read("Zh", 2, &b), RC_ESYNTAX);
	CU_ASSERT_EQUAL(enc_base64url_read("Zm9", 3, &b), RC_ESYNTAX);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "kept");
	CU_ASSERT_EQUAL(b.len, 4);
	buf_free(&b);
}

static void base64_respects_the_ceiling_of_its_buffer(void)
{
	struct buf b = BUF_INIT(2);

	CU_ASSERT_EQUAL(enc_base64_read("Zm9v", 4, &b), RC_ELIMIT);
	buf_clear(&b);
	CU_ASSERT_EQUAL(enc_base64_read("Zm8=", 4, &b), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&b), "fo");
	buf_free(&b);
}

static void uuids_are_read_in_one_spelling(void)
{
	CU_ASSERT_TRUE(enc_uuid_ok("6f0c1c0e-51c5-4f0e-9b0f-2d4a3f7b9a11"));
	CU_ASSERT_FALSE(enc_uuid_ok("6F0c1c0e-51c5-4f0e-9b0f-2d4a3f7b9a11"));
	CU_ASSERT_FALSE(enc_uuid_ok("6f0c1c0e-51c5-4f0e-9b0f-2d4a3f7b9a1"));
	CU_ASSERT_FALSE(enc_uuid_ok("6f0c1c0e-51c5-4f0e-9b0f-2d4a3f7b9a111"));
	CU_ASSERT_FALSE(enc_uuid_ok("6f0c1c0e051c5-4f0e-9b0f-2d4a3f7b9a11"));
	CU_ASSERT_FALSE(enc_uuid_ok(""));
}

static void times_are_written_in_utc(void)
{
	CU_ASSERT_STRING_EQUAL(enc_utc(0).s, "1970-01-01T00:00:00Z");
	CU_ASSERT_STRING_EQUAL(enc_utc(951782399).s, "2000-02-28T23:59:59Z");
	CU_ASSERT_STRING_EQUAL(enc_utc(951782400).s, "2000-02-29T00:00:00Z");
	CU_ASSERT_STRING_EQUAL(enc_utc(1735689599).s, "2024-12-31T23:59:59Z");
	CU_ASSERT_STRING_EQUAL(enc_utc(4107542400).s, "2100-03-01T00:00:00Z");
	CU_ASSERT_STRING_EQUAL(enc_utc(253402300799).s, "9999-12-31T23:59:59Z");
	CU_ASSERT_STRING_EQUAL(enc_utc(253402300800).s, "253402300800");
	CU_ASSERT_STRING_EQUAL(enc_utc(-1).s, "-1");
	CU_ASSERT_STRING_EQUAL(enc_utc(INT64_MIN).s, "-9223372036854775808");
}

static void a_uuid7_carries_its_time_and_sorts_by_it(void)
{
	const uint8_t noise[10] = { 255, 255, 255, 255, 255, 255, 255, 255,
	                            255, 255 };
	const uint8_t zero[10] = { 0 };
	char a[UUID_TEXT + 1], b[UUID_TEXT + 1];

	/* RFC 9562 appendix A.6: the time of its example. */
	enc_uuid7(0x017f22e279b0u, zero, a);
	CU_ASSERT_STRING_EQUAL(a, "017f22e2-79b0-7000-8000-000000000000");
	CU_ASSERT_TRUE(enc_uuid_ok(a));
	CU_ASSERT_EQUAL(enc_uuid7_ms(a), 0x017f22e279b0u);
	enc_uuid7(0x017f22e279afu, noise, b);
	CU_ASSERT_STRING_EQUAL(b, "017f22e2-79af-7fff-bfff-ffffffffffff");
	CU_ASSERT_TRUE(strcmp(b, a) < 0);
	CU_ASSERT_EQUAL(enc_uuid7_ms("017f22e2-79b0-4000-8000-000000000000"),
	                0);
	CU_ASSERT_EQUAL(enc_uuid7_ms("017f22e2-79b0-7000-7000-000000000000"),
	                0);
	CU_ASSERT_EQUAL(enc_uuid7_ms("no uuid"), 0);
}

static struct index *table(size_t max, const char *const *names, size_t n)
{
	struct index *ix = NULL;

	CU_ASSERT_EQUAL_FATAL(index_new(max, &ix), RC_OK);
	for (size_t i = 0; i < n; i++) {
		uint32_t num = 99;
		bool added = false;

		CU_ASSERT_EQUAL(index_add(ix, names[i], strlen(names[i]), &num,
		                          &added), RC_OK);
		CU_ASSERT_TRUE(added);
		CU_ASSERT_EQUAL(num, i);
	}
	return ix;
}

static const char *const some[] = { "pop-b", "pop", "", "a", "pop-B" };

static void names_get_numbers_in_the_order_of_adding(void)
{
	struct index *ix = table(10, some, 5);
	uint32_t num = 99;
	bool added = true;

	CU_ASSERT_EQUAL(index_count(ix), 5);
	CU_ASSERT_EQUAL(index_add(ix, "pop", 3, &num, &added), RC_OK);
	CU_ASSERT_FALSE(added);
	CU_ASSERT_EQUAL(num, 1);
	CU_ASSERT_TRUE(index_find(ix, "pop-B", 5, &num));
	CU_ASSERT_EQUAL(num, 4);
	CU_ASSERT_TRUE(index_find(ix, "", 0, &num));
	CU_ASSERT_EQUAL(num, 2);
	num = 77;
	CU_ASSERT_FALSE(index_find(ix, "po", 2, &num));
	CU_ASSERT_FALSE(index_find(ix, "pop\0", 4, &num));
	CU_ASSERT_EQUAL(num, 77);
	CU_ASSERT_STRING_EQUAL(index_name(ix, 0), "pop-b");
	CU_ASSERT_EQUAL(index_name_len(ix, 0), 5);
	CU_ASSERT_EQUAL(index_name_len(ix, 2), 0);
	index_unref(ix);
}

static void a_full_table_still_finds(void)
{
	struct index *ix = table(2, some, 2);
	uint32_t num = 99;

	CU_ASSERT_EQUAL(index_add(ix, "new", 3, &num, NULL), RC_ELIMIT);
	CU_ASSERT_EQUAL(num, 99);
	CU_ASSERT_EQUAL(index_count(ix), 2);
	CU_ASSERT_EQUAL(index_add(ix, "pop", 3, &num, NULL), RC_OK);
	CU_ASSERT_EQUAL(num, 1);
	index_unref(ix);
}

static void an_empty_table_finds_nothing(void)
{
	struct index *ix = table(0, NULL, 0), *sorted = NULL;
	uint32_t num = 99;

	CU_ASSERT_FALSE(index_find(ix, "a", 1, &num));
	CU_ASSERT_EQUAL(index_add(ix, "a", 1, &num, NULL), RC_ELIMIT);
	CU_ASSERT_TRUE(index_is_sorted(ix));
	CU_ASSERT_EQUAL(index_sorted(ix, &sorted, NULL), RC_OK);
	CU_ASSERT_TRUE(index_equal(ix, sorted));
	index_unref(ix);
	index_unref(sorted);
	index_unref(NULL);
}

static void sorting_gives_byte_order_and_where_each_went(void)
{
	struct index *ix = table(10, some, 5), *sorted = NULL;
	uint32_t move[5];

	CU_ASSERT_FALSE(index_is_sorted(ix));
	CU_ASSERT_EQUAL_FATAL(index_sorted(ix, &sorted, move), RC_OK);
	CU_ASSERT_TRUE(index_is_sorted(sorted));
	CU_ASSERT_STRING_EQUAL(index_name(sorted, 0), "");
	CU_ASSERT_STRING_EQUAL(index_name(sorted, 1), "a");
	CU_ASSERT_STRING_EQUAL(index_name(sorted, 2), "pop");
	CU_ASSERT_STRING_EQUAL(index_name(sorted, 3), "pop-B");
	CU_ASSERT_STRING_EQUAL(index_name(sorted, 4), "pop-b");
	for (uint32_t i = 0; i < 5; i++)
		CU_ASSERT_STRING_EQUAL(index_name(sorted, move[i]), some[i]);
	CU_ASSERT_FALSE(index_equal(ix, sorted));
	index_unref(ix);
	index_unref(sorted);
}

static void bytes_above_ascii_sort_as_unsigned(void)
{
	static const char *const names[] = { "\xc3\xa4", "z" };
	struct index *ix = table(10, names, 2), *sorted = NULL;

	CU_ASSERT_EQUAL_FATAL(index_sorted(ix, &sorted, NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(index_name(sorted, 0), "z");
	index_unref(ix);
	index_unref(sorted);
}

static void equal_means_same_names_with_same_numbers(void)
{
	static const char *const ab[] = { "a", "b" }, *const ba[] = { "b", "a" };
	struct index *x = table(9, ab, 2), *y = table(5, ab, 2);
	struct index *z = table(9, ba, 2), *w = table(9, ab, 1);

	CU_ASSERT_TRUE(index_equal(x, x));
	CU_ASSERT_TRUE(index_equal(x, y));
	CU_ASSERT_FALSE(index_equal(x, z));
	CU_ASSERT_FALSE(index_equal(x, w));
	index_unref(x);
	index_unref(y);
	index_unref(z);
	index_unref(w);
}

static void many_names_are_all_found_again(void)
{
	struct index *ix = NULL;
	char name[32];
	uint32_t num;

	CU_ASSERT_EQUAL_FATAL(index_new(20000, &ix), RC_OK);
	for (unsigned i = 0; i < 20000; i++) {
		int n = snprintf(name, sizeof(name), "pid%u", i * 7919);

		CU_ASSERT_EQUAL_FATAL(index_add(ix, name, (size_t)n, &num,
		                                NULL), RC_OK);
		CU_ASSERT_EQUAL_FATAL(num, i);
	}
	for (unsigned i = 0; i < 20000; i++) {
		int n = snprintf(name, sizeof(name), "pid%u", i * 7919);

		num = UINT32_MAX;
		CU_ASSERT_TRUE_FATAL(index_find(ix, name, (size_t)n, &num));
		CU_ASSERT_EQUAL_FATAL(num, i);
		CU_ASSERT_STRING_EQUAL_FATAL(index_name(ix, i), name);
	}
	index_unref(ix);
}

static void a_referenced_table_outlives_its_first_owner(void)
{
	struct index *ix = table(10, some, 2), *other = index_ref(ix);

	index_unref(ix);
	CU_ASSERT_STRING_EQUAL(index_name(other, 0), "pop-b");
	index_unref(other);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "every code has a text of its own",
		  every_code_has_a_text_of_its_own },
		{ "a buffer grows and ends in NUL",
		  a_buffer_grows_and_ends_in_nul },
		{ "a buffer stops at its ceiling and stays stopped",
		  a_buffer_stops_at_its_ceiling_and_stays_stopped },
		{ "a taken buffer is empty and usable",
		  a_taken_buffer_is_empty_and_usable },
		{ "a diagnosis keeps the first text",
		  a_diagnosis_keeps_the_first_text },
		{ "a diagnosis prints what is known",
		  a_diagnosis_prints_what_is_known },
		{ "a long diagnosis is cut", a_long_diagnosis_is_cut },
		{ "hex goes both ways, in lower case only",
		  hex_goes_both_ways_in_lower_case_only },
		{ "base64 follows the vectors of its RFC",
		  base64_follows_the_vectors_of_its_rfc },
		{ "the two alphabets do not mix",
		  the_two_alphabets_do_not_mix },
		{ "a value has one base64 text only",
		  a_value_has_one_base64_text_only },
		{ "base64 respects the ceiling of its buffer",
		  base64_respects_the_ceiling_of_its_buffer },
		{ "UUIDs are read in one spelling",
		  uuids_are_read_in_one_spelling },
		{ "times are written in UTC", times_are_written_in_utc },
		{ "a UUIDv7 carries its time and sorts by it",
		  a_uuid7_carries_its_time_and_sorts_by_it },
		{ "names get numbers in the order of adding",
		  names_get_numbers_in_the_order_of_adding },
		{ "a full table still finds", a_full_table_still_finds },
		{ "an empty table finds nothing",
		  an_empty_table_finds_nothing },
		{ "sorting gives byte order and where each went",
		  sorting_gives_byte_order_and_where_each_went },
		{ "bytes above ASCII sort as unsigned",
		  bytes_above_ascii_sort_as_unsigned },
		{ "equal means same names with same numbers",
		  equal_means_same_names_with_same_numbers },
		{ "many names are all found again",
		  many_names_are_all_found_again },
		{ "a referenced table outlives its first owner",
		  a_referenced_table_outlives_its_first_owner },
		CU_TEST_INFO_NULL
	};

	return suite_run("base", tests);
}
