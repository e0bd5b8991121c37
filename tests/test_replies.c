/* Parts of full maps, and who may ask for what, through real sockets. */
#include "common/service/replies.h"

#include "common/wire/media.h"
#include "tests/replies_stage.h"
#include "tests/served.h"
#include "tests/suite.h"

/* parts */

static void is_part(const struct stage *st, const struct reply *full,
                    const char *range, size_t first, size_t len)
{
	struct reply r = get_with(st, a_map(), "Range", range);
	char is[80];

	snprintf(is, sizeof(is), "bytes %zu-%zu/%zu", first, first + len - 1,
	         full->len);
	CU_ASSERT_EQUAL(r.status, 206);
	CU_ASSERT(reply_is(&r, "Content-Range", is));
	CU_ASSERT(reply_is(&r, "ETag", reply_field(full, "ETag")));
	CU_ASSERT(reply_is(&r, "ALTO-State", reply_field(full, "ALTO-State")));
	CU_ASSERT(reply_is(&r, "Accept-Ranges", "bytes"));
	CU_ASSERT_EQUAL_FATAL(r.len, len);
	CU_ASSERT_EQUAL(memcmp(r.body, full->body + first, len), 0);
	reply_free(&r);
}

static void a_range_of_the_identity_body_is_sent(void)
{
	struct stage st;
	struct reply full;
	char range[120];

	begin(&st, NULL);
	full = served_get(&st.s, a_map());
	is_part(&st, &full, "bytes=0-0", 0, 1);
	is_part(&st, &full, "bytes=5-99", 5, 95);
	is_part(&st, &full, "bytes=7-", 7, full.len - 7);
	is_part(&st, &full, "bytes=-20", full.len - 20, 20);
	is_part(&st, &full, "bytes=10-999999999", 10, full.len - 10);
	/* a coding that is liked better does not keep a range from being met */
	reply_free(&full);
	full = get_coded(&st, a_map(), "zstd");
	reply_free(&full);
	full = served_get(&st.s, a_map());
	is_part(&st, &full, "bytes=0-9\r\nAccept-Encoding: zstd", 0, 10);
	snprintf(range, sizeof(range), "bytes=3-4\r\nIf-Range: %s",
	         reply_field(&full, "ETag"));
	is_part(&st, &full, range, 3, 2);
	reply_free(&full);
	end(&st);
}

static void ranges_that_are_not_met_are_answered_in_full(void)
{
	static const char *const in_full[] = { "bytes=0-1,4-5", "lines=1-2",
		"bytes=5-4", "bytes=x", "bytes=0-1\r\nIf-Range: \"other\"",
		"bytes=0-1\r\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT" };
	struct stage st;
	struct reply full, r;

	begin(&st, NULL);
	full = served_get(&st.s, a_map());
	for (size_t i = 0; i < sizeof(in_full) / sizeof(in_full[0]); i++) {
		r = get_with(&st, a_map(), "Range", in_full[i]);
		CU_ASSERT_EQUAL(r.status, 200);
		CU_ASSERT_EQUAL(r.len, full.len);
		CU_ASSERT(reply_is(&r, "Content-Range", NULL));
		reply_free(&r);
	}
	r = served_request(&st.s, "HEAD", a_map(), "Range: bytes=0-1");
	CU_ASSERT_EQUAL(r.status, 200);
	reply_free(&r);
	reply_free(&full);
	end(&st);
}

static void a_range_behind_the_end_is_416(void)
{
	struct stage st;
	struct reply full, r;
	char is[60], line[200];

	begin(&st, NULL);
	full = served_get(&st.s, a_map());
	r = get_with(&st, a_map(), "Range", "bytes=99999999-");
	snprintf(is, sizeof(is), "bytes */%zu", full.len);
	CU_ASSERT_EQUAL(r.status, 416);
	CU_ASSERT(reply_is(&r, "Content-Range", is));
	CU_ASSERT_STRING_EQUAL(reply_error(&r, "field"), "range");
	reply_free(&r);
	/* the condition comes first */
	snprintf(line, sizeof(line), "bytes=99999999-\r\nIf-None-Match: %s",
	         reply_field(&full, "ETag"));
	r = get_with(&st, a_map(), "Range", line);
	CU_ASSERT_EQUAL(r.status, 304);
	reply_free(&r);
	reply_free(&full);
	end(&st);
}

/* types */

static void a_type_that_is_not_accepted_is_406(void)
{
	static const char *const takes[] = { "*/*", "application/*", "",
		MEDIA_COST_MAP, "text/html, */*;q=0.1" };
	static const char *const refuses[] = { "text/html",
		"application/alto-costmap+json;q=0", MEDIA_NETWORK_MAP,
		"text/html\r\nAccept: application/json" };
	struct stage st;
	struct reply r;

	begin(&st, NULL);
	for (size_t i = 0; i < sizeof(takes) / sizeof(takes[0]); i++) {
		r = get_with(&st, a_map(), "Accept", takes[i]);
		CU_ASSERT_EQUAL(r.status, 200);
		reply_free(&r);
	}
	for (size_t i = 0; i < sizeof(refuses) / sizeof(refuses[0]); i++) {
		r = get_with(&st, a_map(), "Accept", refuses[i]);
		CU_ASSERT_EQUAL(r.status, 406);
		CU_ASSERT_STRING_EQUAL(reply_error(&r, "field"), "accept");
		reply_free(&r);
	}
	r = get_with(&st, a_map(), "Accept", "text/html\r\n"
	             "Accept: application/alto-costmap+json");
	CU_ASSERT_EQUAL(r.status, 200);
	reply_free(&r);
	end(&st);
}

/* web pages */

static void any_page_may_read_if_told_so(void)
{
	static const char *const origins[] = { "*" };
	const struct alto_http_config more = { .origins = origins,
		.n_origins = 1, .answer_max = 1000, .answers_max = 1000 };
	static const char *const paths[] = { "/directory", "/state",
	                                     "/nowhere" };
	struct stage st;
	struct reply r;

	begin(&st, &more);
	for (int i = 0; i < 3; i++) {
		r = get_with(&st, paths[i], "Origin", "https://a.example");
		CU_ASSERT(reply_is(&r, "Access-Control-Allow-Origin", "*"));
		CU_ASSERT_PTR_NOT_NULL(strstr(reply_field(&r,
			"Access-Control-Expose-Headers"), "ALTO-State"));
		if (i < 2)
			CU_ASSERT(reply_is(&r, "Vary", "Accept-Encoding"));
		reply_free(&r);
	}
	r = served_request(&st.s, "DELETE", "/state", NULL);
	CU_ASSERT(reply_is(&r, "Access-Control-Allow-Origin", "*"));
	reply_free(&r);
	end(&st);
}

static void only_pages_of_listed_origins_may_read(void)
{
	static const char *const origins[] = { "https://a.example",
	                                       "http://b.example:81" };
	const struct alto_http_config more = { .origins = origins,
		.n_origins = 2, .answer_max = 1000, .answers_max = 1000 };
	static const char *const yes[] = { "https://a.example",
	                                   "http://b.example:81" };
	static const char *const no[] = { "http://a.example", "null",
		"https://a.example.evil", "http://b.example" };
	struct stage st;
	struct reply r, plain;
	char line[200];

	begin(&st, &more);
	plain = served_get(&st.s, a_map());
	CU_ASSERT(reply_is(&plain, "Access-Control-Allow-Origin", NULL));
	CU_ASSERT(reply_is(&plain, "Vary", "Accept-Encoding, Origin"));
	for (int i = 0; i < 2; i++) {
		r = get_with(&st, a_map(), "Origin", yes[i]);
		CU_ASSERT(reply_is(&r, "Access-Control-Allow-Origin", yes[i]));
		CU_ASSERT(reply_is(&r, "Vary", "Accept-Encoding, Origin"));
		CU_ASSERT(reply_is(&r, "ETag", reply_field(&plain, "ETag")));
		CU_ASSERT(same_body(&r, &plain));
		reply_free(&r);
		snprintf(line, sizeof(line), "%s\r\nIf-None-Match: %s", yes[i],
		         reply_field(&plain, "ETag"));
		r = get_with(&st, a_map(), "Origin", line);
		CU_ASSERT_EQUAL(r.status, 304);
		CU_ASSERT(reply_is(&r, "Access-Control-Allow-Origin", yes[i]));
		reply_free(&r);
		r = get_with(&st, "/nowhere", "Origin", yes[i]);
		CU_ASSERT_EQUAL(r.status, 404);
		CU_ASSERT(reply_is(&r, "Access-Control-Allow-Origin", yes[i]));
		CU_ASSERT(reply_is(&r, "Vary", "Origin"));
		reply_free(&r);
	}
	for (int i = 0; i < 4; i++) {
		r = get_with(&st, a_map(), "Origin", no[i]);
		CU_ASSERT_EQUAL(r.status, 200);
		CU_ASSERT(reply_is(&r, "Access-Control-Allow-Origin", NULL));
		reply_free(&r);
	}
	reply_free(&plain);
	end(&st);
}

static void a_preflight_says_what_a_page_may_send(void)
{
	static const char *const origins[] = { "https://a.example" };
	const struct alto_http_config more = { .origins = origins,
		.n_origins = 1, .answer_max = 1000, .answers_max = 1000 };
	struct stage st;
	struct reply r;

	begin(&st, &more);
	r = served_request(&st.s, "OPTIONS", a_map(),
	                   "Origin: https://a.example\r\n"
	                   "Access-Control-Request-Method: GET\r\n"
	                   "Access-Control-Request-Headers: if-none-match");
	CU_ASSERT_EQUAL(r.status, 204);
	CU_ASSERT_EQUAL(r.len, 0);
	CU_ASSERT(reply_is(&r, "Allow", "GET, HEAD, OPTIONS"));
	CU_ASSERT(reply_is(&r, "Access-Control-Allow-Origin",
	                   "https://a.example"));
	CU_ASSERT(reply_is(&r, "Access-Control-Allow-Methods",
	                   "GET, HEAD, OPTIONS"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply_field(&r,
		"Access-Control-Allow-Headers"), "Content-Type"));
	CU_ASSERT_PTR_NOT_NULL(reply_field(&r, "Access-Control-Max-Age"));
	reply_free(&r);
	r = served_request(&st.s, "OPTIONS", a_map(),
	                   "Origin: https://b.example");
	CU_ASSERT_EQUAL(r.status, 204);
	CU_ASSERT(reply_is(&r, "Access-Control-Allow-Methods", NULL));
	reply_free(&r);
	end(&st);
}

static void no_page_may_read_by_default(void)
{
	struct stage st;
	struct reply r;

	begin(&st, NULL);
	r = get_with(&st, a_map(), "Origin", "https://a.example");
	CU_ASSERT(reply_is(&r, "Access-Control-Allow-Origin", NULL));
	CU_ASSERT(reply_is(&r, "Vary", "Accept-Encoding"));
	reply_free(&r);
	end(&st);
}

static void options_says_what_a_path_takes(void)
{
	struct stage st;
	struct reply r;

	begin(&st, NULL);
	r = served_request(&st.s, "OPTIONS", "/state", NULL);
	CU_ASSERT_EQUAL(r.status, 204);
	CU_ASSERT(reply_is(&r, "Allow", "GET, HEAD, OPTIONS"));
	CU_ASSERT(reply_is(&r, "Content-Length", NULL));
	CU_ASSERT(reply_is(&r, "Access-Control-Allow-Methods", NULL));
	reply_free(&r);
	r = served_request(&st.s, "OPTIONS", "/nowhere", NULL);
	CU_ASSERT_EQUAL(r.status, 404);
	reply_free(&r);
	r = served_request(&st.s, "OPTIONS", "*", NULL);
	CU_ASSERT_EQUAL(r.status, 204);
	CU_ASSERT(reply_is(&r, "Allow", "GET, HEAD, POST, OPTIONS"));
	reply_free(&r);
	end(&st);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a range of the identity body is sent",
		  a_range_of_the_identity_body_is_sent },
		{ "ranges that are not met are answered in full",
		  ranges_that_are_not_met_are_answered_in_full },
		{ "a range behind the end is 416",
		  a_range_behind_the_end_is_416 },
		{ "a type that is not accepted is 406",
		  a_type_that_is_not_accepted_is_406 },
		{ "any page may read if told so", any_page_may_read_if_told_so },
		{ "only pages of listed origins may read",
		  only_pages_of_listed_origins_may_read },
		{ "a preflight says what a page may send",
		  a_preflight_says_what_a_page_may_send },
		{ "no page may read by default", no_page_may_read_by_default },
		{ "OPTIONS says what a path takes",
		  options_says_what_a_path_takes },
		CU_TEST_INFO_NULL
	};

	return suite_run("replies", tests);
}
