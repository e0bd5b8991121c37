/* Full maps in their codings, parts and conditions, through real sockets. */
#include "common/service/replies.h"

#include <time.h>

#include "common/service/choice.h"
#include "common/sys/clock.h"
#include "common/wire/catalog.h"
#include "common/wire/media.h"
#include "tests/served.h"
#include "tests/suite.h"
#include "tests/world.h"

#define PATIENCE_MS 20000
#define ROUNDS 6

static const char *const codings[] = { "gzip", "zstd" };

/* what is served */

struct stage {
	struct world *w;
	struct served s;
};

static void publish(struct stage *st)
{
	struct catalog *c = NULL;

	CU_ASSERT_EQUAL_FATAL(catalog_new(st->w->head, NULL, &c), RC_OK);
	slot_publish(st->s.slot, snapshot_ref(st->w->head), c);
}

static void begin(struct stage *st, const struct alto_http_config *more)
{
	st->w = world_new(world_seed());
	st->w->now = clock_wall_s();
	world_heartbeat(st->w);
	served_start(&st->s, more);
	publish(st);
}

static void end(struct stage *st)
{
	served_end(&st->s);
	world_free(st->w);
	CU_ASSERT_EQUAL(snapshots_alive(), 0);
}

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

static const char *a_map(void)
{
	static char path[ID_MAX + 8];

	snprintf(path, sizeof(path), "/maps/%s", world_cost_id(0));
	return path;
}

static void nap(void)
{
	const struct timespec t = { 0, 2000000 };

	nanosleep(&t, NULL);
}

static struct reply get_with(const struct stage *st, const char *path,
                             const char *name, const char *value)
{
	char line[512];

	snprintf(line, sizeof(line), "%s: %s", name, value);
	return served_request(&st->s, "GET", path, line);
}

/* Asks until the coding is there. */
static struct reply get_coded(const struct stage *st, const char *path,
                              const char *coding)
{
	uint64_t give_up = clock_mono_ms() + PATIENCE_MS;

	for (;;) {
		struct reply r = get_with(st, path, "Accept-Encoding", coding);

		CU_ASSERT_EQUAL(r.status, 200);
		if (reply_field(&r, "Content-Encoding") ||
		    clock_mono_ms() > give_up)
			return r;
		reply_free(&r);
		nap();
	}
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

static bool same_body(const struct reply *a, const struct reply *b)
{
	size_t n = 0, m = 0;
	char *x = reply_decoded(a, &n), *y = reply_decoded(b, &m);
	bool same = x && y && n == m && memcmp(x, y, n) == 0;

	free(x);
	free(y);
	return same;
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
