/* Full maps in their codings, and conditions on them, through real sockets. */
#include "common/service/replies.h"

#include "common/service/choice.h"
#include "common/sys/clock.h"
#include "tests/replies_stage.h"
#include "tests/served.h"
#include "tests/suite.h"
#include "tests/world.h"

#define ROUNDS 6

static const char *const codings[] = { "gzip", "zstd" };

/* A version in which a_map() is another. */
static void change(struct stage *st)
{
	unsigned tries = 0;

	do
		world_edit_cost(st->w, 0);
	while (!world_publish(st->w) && ++tries < 100);
	CU_ASSERT_FATAL(tries < 100);
	publish(st);
}

static const char *path_of(const struct snapshot *s, size_t i)
{
	static char path[ID_MAX + 8];
	const char *id;

	if (i == snapshot_count(s))
		return "/state";
	id = resource_name(snapshot_at(s, i))->id;
	if (strcmp(id, DIRECTORY_ID) == 0)
		return "/directory";
	snprintf(path, sizeof(path), "/maps/%s", id);
	return path;
}

static bool wait_for_coded(const struct stage *st, uint64_t n)
{
	uint64_t give_up = clock_mono_ms() + PATIENCE_MS;

	while (status_get(st->s.status, STATUS_coded_bodies) < n) {
		if (clock_mono_ms() > give_up)
			return false;
		nap();
	}
	return true;
}

/* codings */

static void decodes_the_same(const struct stage *st, const char *path)
{
	struct reply plain = served_get(&st->s, path), r;

	CU_ASSERT_EQUAL(plain.status, 200);
	CU_ASSERT(reply_is(&plain, "Content-Encoding", NULL));
	CU_ASSERT(reply_is(&plain, "Accept-Ranges", "bytes"));
	for (int c = 0; c < 2; c++) {
		r = get_coded(st, path, codings[c]);
		CU_ASSERT(reply_is(&r, "Content-Encoding", codings[c]));
		CU_ASSERT(reply_is(&r, "Accept-Ranges", NULL));
		CU_ASSERT(reply_is(&r, "Vary", "Accept-Encoding"));
		CU_ASSERT(r.len < plain.len);
		CU_ASSERT(same_body(&r, &plain));
		reply_free(&r);
	}
	reply_free(&plain);
}

static void every_coding_decodes_to_the_identity_body(void)
{
	struct stage st;

	begin(&st, NULL);
	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i <= snapshot_count(st.w->head); i++)
			decodes_the_same(&st, path_of(st.w->head, i));
		world_edit(st.w);
		world_publish(st.w);
		publish(&st);
	}
	CU_ASSERT(status_get(st.s.status, STATUS_coded_bytes) > 0);
	end(&st);
}

static void identity_is_served_until_a_coding_is_ready(void)
{
	struct stage st;
	struct reply r;

	begin(&st, NULL);
	r = get_with(&st, a_map(), "Accept-Encoding", "gzip");
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT(reply_is(&r, "Content-Encoding", NULL));
	CU_ASSERT_EQUAL(strncmp(r.body, "{\"cost-map\"", 11), 0);
	reply_free(&r);
	end(&st);
}

static void nothing_is_coded_that_nobody_asked_for(void)
{
	struct stage st;
	struct reply r;

	begin(&st, NULL);
	r = get_coded(&st, a_map(), "gzip, zstd, br");
	CU_ASSERT(reply_is(&r, "Content-Encoding", "zstd"));
	reply_free(&r);
	r = get_coded(&st, a_map(), "gzip, zstd, br");
	reply_free(&r);
	CU_ASSERT_EQUAL(status_get(st.s.status, STATUS_coded_bodies), 1);
	end(&st);
}

static void a_coding_asked_for_once_is_made_for_later_versions(void)
{
	struct stage st;
	struct reply r, plain;
	size_t n;

	begin(&st, NULL);
	r = get_coded(&st, a_map(), "gzip");
	reply_free(&r);
	for (n = 1; n < 4; n++) {
		change(&st);
		alto_http_turn(st.s.a);
		CU_ASSERT_FATAL(wait_for_coded(&st, n + 1));
	}
	r = get_coded(&st, a_map(), "gzip");
	plain = served_get(&st.s, a_map());
	CU_ASSERT(same_body(&r, &plain));
	CU_ASSERT_EQUAL(status_get(st.s.status, STATUS_coded_bodies), n);
	reply_free(&r);
	reply_free(&plain);
	end(&st);
}

static void what_did_not_change_stays_coded(void)
{
	struct stage st;
	struct reply before, after;

	begin(&st, NULL);
	before = get_coded(&st, a_map(), "zstd");
	world_heartbeat(st.w);
	publish(&st);
	st.w->proxies++;		/* the IRD changes */
	CU_ASSERT_PTR_NOT_NULL_FATAL(world_publish(st.w));
	publish(&st);
	after = get_with(&st, a_map(), "Accept-Encoding", "zstd");
	CU_ASSERT(reply_is(&after, "Content-Encoding", "zstd"));
	CU_ASSERT(reply_is(&after, "ETag", reply_field(&before, "ETag")));
	CU_ASSERT_EQUAL(after.len, before.len);
	CU_ASSERT_EQUAL(memcmp(after.body, before.body, after.len), 0);
	CU_ASSERT_EQUAL(status_get(st.s.status, STATUS_coded_bodies), 1);
	reply_free(&before);
	reply_free(&after);
	end(&st);
}

static void no_coding_that_is_taken_is_406(void)
{
	struct stage st;
	struct reply r;

	begin(&st, NULL);
	r = get_with(&st, a_map(), "Accept-Encoding", "br, identity;q=0");
	CU_ASSERT_EQUAL(r.status, 406);
	CU_ASSERT_STRING_EQUAL(reply_error(&r, "code"),
	                       "E_INVALID_FIELD_VALUE");
	CU_ASSERT_STRING_EQUAL(reply_error(&r, "field"), "accept-encoding");
	reply_free(&r);
	end(&st);
}

static void a_coding_that_is_not_made_yet_is_503(void)
{
	struct stage st;
	struct reply r;

	begin(&st, NULL);
	/* a condition counts where there is a 200 alone */
	r = get_with(&st, a_map(), "Accept-Encoding", "gzip, identity;q=0\r\n"
	             "If-None-Match: *");
	CU_ASSERT_EQUAL(r.status, 503);
	CU_ASSERT(reply_is(&r, "Retry-After", "1"));
	reply_free(&r);
	CU_ASSERT_FATAL(wait_for_coded(&st, 1));
	r = get_coded(&st, a_map(), "gzip, identity;q=0");
	CU_ASSERT(reply_is(&r, "Content-Encoding", "gzip"));
	reply_free(&r);
	end(&st);
}

static void a_coding_that_is_of_no_use_is_406(void)
{
	static const struct wish w = {
		.accept_encoding = "gzip, zstd, identity;q=0" };
	struct answer e;
	struct choice c;

	memset(&e, 0, sizeof(e));
	choice_begin(&c, w.accept_encoding);
	CU_ASSERT_FALSE(choice_make(&c, &w, &e, 9));
	CU_ASSERT_EQUAL(c.refused, 503);
	e.useless = 1u << CODING_ZSTD;
	CU_ASSERT_FALSE(choice_make(&c, &w, &e, 9));
	CU_ASSERT_EQUAL(c.refused, 503);
	e.useless |= 1u << CODING_GZIP;
	CU_ASSERT_FALSE(choice_make(&c, &w, &e, 9));
	CU_ASSERT_EQUAL(c.refused, 406);
}

/* conditions */

#define ID (1u << CODING_IDENTITY)
#define GZ (1u << CODING_GZIP)
#define ZS (1u << CODING_ZSTD)

/* What is sent, and what it takes. */
static const struct {
	const char *text;
	unsigned taken;
} accepts[] = {
	{ NULL, ID }, { "", ID }, { "identity", ID }, { "br", ID },
	{ "gzip", ID | GZ }, { "zstd", ID | ZS }, { "gzip, zstd", ID | GZ | ZS },
	{ "*", ID | GZ | ZS }, { "*;q=0", 0 }, { "br, identity;q=0", 0 },
	{ "identity, gzip;q=0", ID }, { "identity;q=1, gzip;q=0.5", ID | GZ },
	{ "gzip, identity;q=0", GZ }, { "zstd, *;q=0", ZS },
	{ "zstd;q=0, *", ID | GZ }, { "identity;q=0, *;q=0.1", GZ | ZS },
	{ "x-gzip;q=0.001", ID | GZ }, { "gzip;q=0, zstd;q=0, *;q=0", 0 }
};

static unsigned form_of(const struct reply *r, const char *const tag[CODINGS])
{
	const char *etag = reply_field(r, "ETag");

	for (unsigned c = 0; etag && c < CODINGS; c++)
		if (strcmp(etag, tag[c]) == 0 &&
		    reply_is(r, "Content-Encoding", coding_name((enum coding)c)))
			return 1u << c;
	return 0;
}

static struct reply ask_holding(const struct stage *st, const char *accept,
                                const char *const tag[CODINGS], unsigned held)
{
	char lines[800] = "X-None: 1";
	size_t n = strlen(lines);

	if (accept)
		n += (size_t)snprintf(lines + n, sizeof(lines) - n,
		                      "\r\nAccept-Encoding: %s", accept);
	for (unsigned c = 0; c < CODINGS; c++)
		if (held & 1u << c)
			n += (size_t)snprintf(lines + n, sizeof(lines) - n,
			                      "\r\nIf-None-Match: %s", tag[c]);
	return served_request(&st->s, "GET", a_map(), lines);
}

/* held: the forms whose ETags are sent; sent: the one that comes without any. */
static void is_right(const struct reply *r, unsigned held, unsigned taken,
                     unsigned sent, const char *const tag[CODINGS])
{
	unsigned form = form_of(r, tag);

	if (taken == 0) {
		CU_ASSERT_EQUAL(r->status, 406);
		return;
	}
	CU_ASSERT_EQUAL(r->status, held & taken ? 304 : 200);
	CU_ASSERT((form & taken) != 0);
	if (r->status == 304)
		CU_ASSERT((form & held) != 0);
	if (r->status == 200 || held & sent)
		CU_ASSERT_EQUAL(form, sent);
}

static void a_304_names_only_what_the_request_takes(void)
{
	struct stage st;
	struct reply form[CODINGS], r;
	const char *etag;
	char kept[CODINGS][120];
	const char *const tag[CODINGS] = { kept[0], kept[1], kept[2] };

	begin(&st, NULL);
	form[0] = served_get(&st.s, a_map());
	form[1] = get_coded(&st, a_map(), "gzip");
	form[2] = get_coded(&st, a_map(), "zstd");
	for (int c = 0; c < CODINGS; c++) {
		etag = reply_field(&form[c], "ETag");
		snprintf(kept[c], sizeof(kept[c]), "%s", etag ? etag : "");
		reply_free(&form[c]);
	}
	for (size_t i = 0; i < sizeof(accepts) / sizeof(accepts[0]); i++) {
		unsigned sent = 0;

		for (unsigned held = 0; held <= (ID | GZ | ZS); held++) {
			r = ask_holding(&st, accepts[i].text, tag, held);
			if (held == 0)
				sent = form_of(&r, tag);
			is_right(&r, held, accepts[i].taken, sent, tag);
			reply_free(&r);
		}
	}
	end(&st);
}

static void one_held_form_is_enough(const struct stage *st, const char *path)
{
	static const char *const same[] = { "Content-Type", "Content-Encoding",
		"ETag", "Accept-Ranges", "Cache-Control", "Vary",
		"ALTO-Resource", "ALTO-Proof", "ALTO-State", "Signature-Input",
		"Signature" };
	struct reply form[3] = { served_get(&st->s, path),
	                         get_coded(st, path, "gzip"),
	                         get_coded(st, path, "zstd") };
	const char *tag[3] = { 0 };

	for (int k = 0; k < 3; k++)
		tag[k] = reply_field(&form[k], "ETag");
	CU_ASSERT_EQUAL(tag[0][0], '"');
	CU_ASSERT_EQUAL(strncmp(tag[1], "W/\"", 3), 0);
	CU_ASSERT_EQUAL(strncmp(tag[2], "W/\"", 3), 0);
	CU_ASSERT_STRING_NOT_EQUAL(tag[1], tag[2]);
	for (int k = 0; k < 3; k++) {
		struct reply r;
		char line[300];

		snprintf(line, sizeof(line), "%s\r\nAccept-Encoding: zstd, gzip",
		         reply_field(&form[k], "ETag"));
		r = get_with(st, path, "If-None-Match", line);
		CU_ASSERT_EQUAL(r.status, 304);
		CU_ASSERT_EQUAL(r.len, 0);
		for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
			CU_ASSERT(reply_is(&r, same[i],
			                   reply_field(&form[k], same[i])));
		reply_free(&r);
	}
	for (int k = 0; k < 3; k++)
		reply_free(&form[k]);
}

static void each_form_has_its_etag_and_any_gives_304(void)
{
	struct stage st;

	begin(&st, NULL);
	one_held_form_is_enough(&st, a_map());
	one_held_form_is_enough(&st, "/directory");
	one_held_form_is_enough(&st, "/state");
	end(&st);
}

static void a_304_names_the_form_that_would_be_sent(void)
{
	struct stage st;
	struct reply zstd, r;
	char line[400];

	begin(&st, NULL);
	zstd = get_coded(&st, a_map(), "zstd");
	snprintf(line, sizeof(line), "If-None-Match: *\r\n"
	         "Accept-Encoding: zstd");
	r = served_request(&st.s, "GET", a_map(), line);
	CU_ASSERT_EQUAL(r.status, 304);
	CU_ASSERT(reply_is(&r, "ETag", reply_field(&zstd, "ETag")));
	reply_free(&r);
	/* HEAD is conditional as GET is, and one held line is as good as two */
	snprintf(line, sizeof(line), "Accept-Encoding: zstd\r\n"
	         "If-None-Match: \"x\"\r\nIf-None-Match: %s",
	         reply_field(&zstd, "ETag"));
	r = served_request(&st.s, "HEAD", a_map(), line);
	CU_ASSERT_EQUAL(r.status, 304);
	reply_free(&r);
	r = get_with(&st, a_map(), "If-None-Match", "\"x\", W/\"y-gzip\"");
	CU_ASSERT_EQUAL(r.status, 200);
	reply_free(&r);
	reply_free(&zstd);
	end(&st);
}

static void head_has_the_headers_of_a_coded_get(void)
{
	static const char *const same[] = { "Content-Type", "Content-Encoding",
		"ETag", "Vary", "ALTO-Resource", "Content-Length" };
	struct stage st;
	struct reply get, head;

	begin(&st, NULL);
	get = get_coded(&st, a_map(), "gzip");
	head = served_request(&st.s, "HEAD", a_map(), "Accept-Encoding: gzip");
	CU_ASSERT_EQUAL(head.status, 200);
	CU_ASSERT_EQUAL(head.len, 0);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		CU_ASSERT(reply_is(&head, same[i], reply_field(&get, same[i])));
	CU_ASSERT_EQUAL(strtoul(reply_field(&head, "Content-Length"), NULL,
	                        10), get.len);
	reply_free(&get);
	reply_free(&head);
	end(&st);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "every coding decodes to the identity body",
		  every_coding_decodes_to_the_identity_body },
		{ "identity is served until a coding is ready",
		  identity_is_served_until_a_coding_is_ready },
		{ "nothing is coded that nobody asked for",
		  nothing_is_coded_that_nobody_asked_for },
		{ "a coding asked for once is made for later versions",
		  a_coding_asked_for_once_is_made_for_later_versions },
		{ "what did not change stays coded",
		  what_did_not_change_stays_coded },
		{ "no coding that is taken is 406",
		  no_coding_that_is_taken_is_406 },
		{ "a coding that is not made yet is 503",
		  a_coding_that_is_not_made_yet_is_503 },
		{ "a coding that is of no use is 406",
		  a_coding_that_is_of_no_use_is_406 },
		{ "a 304 names only what the request takes",
		  a_304_names_only_what_the_request_takes },
		{ "each form has its ETag and any gives 304",
		  each_form_has_its_etag_and_any_gives_304 },
		{ "a 304 names the form that would be sent",
		  a_304_names_the_form_that_would_be_sent },
		{ "HEAD has the headers of a coded GET",
		  head_has_the_headers_of_a_coded_get },
		CU_TEST_INFO_NULL
	};

	return suite_run("replies_coded", tests);
}
