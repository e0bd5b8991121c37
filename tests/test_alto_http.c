/* The ALTO endpoints over a slot, through real sockets. */
#include "common/service/alto_http.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/core/snapshot.h"
#include "common/service/miss.h"
#include "common/service/version.h"
#include "common/sys/clock.h"
#include "common/wire/media.h"
#include "common/wire/seal.h"
#include "common/wire/state_json.h"
#include "tests/served.h"
#include "tests/suite.h"

#define NET "net:a@b"		/* an id that clients may percent-encode */

/* what is served */

static struct digest *digest;
static struct sign_key *key;

static struct resource *announced(struct resource *r, const char *id)
{
	CU_ASSERT_EQUAL_FATAL(seal_announce(digest, r, id), RC_OK);
	return r;
}

static struct resource *net_map(const char *extra_pid)
{
	const struct prefix all = { .family = FAMILY_IPV4, .len = 0 };
	struct netbuild *b = NULL;
	struct netmap *m = NULL;
	struct resource *r = NULL;

	CU_ASSERT_EQUAL_FATAL(netbuild_new(&b), RC_OK);
	CU_ASSERT_EQUAL_FATAL(netbuild_pid(b, "pid-a", 5, NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(netbuild_prefix(b, &all), RC_OK);
	CU_ASSERT_EQUAL_FATAL(netbuild_pid(b, extra_pid, strlen(extra_pid),
	                                   NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(netbuild_end(b, NULL, &m, NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_netmap(digest, NET, m, NULL, &r), RC_OK);
	netbuild_free(b);
	netmap_unref(m);
	return announced(r, NET);
}

/* n times n costs of some 19 bytes of text each. */
static struct resource *cost_map(const char *id, unsigned n,
                                 const struct resource *net)
{
	struct costmeta meta = { .metric = "routingcost", .mode = "numerical" };
	struct costbuild *b = NULL;
	struct costmap *m = NULL;
	struct resource *r = NULL;
	char pid[16];

	snprintf(meta.net.id, sizeof(meta.net.id), "%s", NET);
	resource_content_tag(net, meta.net.tag);
	CU_ASSERT_EQUAL_FATAL(costbuild_new(&b), RC_OK);
	for (unsigned i = 0; i < n; i++) {
		snprintf(pid, sizeof(pid), "pid-%04u", i);
		CU_ASSERT_EQUAL_FATAL(costbuild_row(b, pid, 8), RC_OK);
		for (unsigned k = 0; k < n; k++) {
			snprintf(pid, sizeof(pid), "pid-%04u", k);
			if (costbuild_cell(b, pid, 8, i * 1000 + k + 0.125)
			    != RC_OK)
				CU_FAIL_FATAL("no cell");
		}
	}
	CU_ASSERT_EQUAL_FATAL(costbuild_end(b, &meta, NULL, &m), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal_costmap(digest, id, m, NULL, &r), RC_OK);
	costbuild_free(b);
	costmap_unref(m);
	return announced(r, id);
}

static struct resource *directory(void)
{
	static const char text[] = "{\"meta\":{\"cost-types\":{}},"
		"\"resources\":{}}";
	struct resource *r = NULL;

	CU_ASSERT_EQUAL_FATAL(seal_doc(digest, MEDIA_DIRECTORY, text,
	                               strlen(text), &r), RC_OK);
	return announced(r, DIRECTORY_ID);
}

static struct state state_at(uint64_t serial, int64_t created, size_t n)
{
	struct state st = { .resources = n, .created = created,
	                    .expires = created + 86400 };

	snprintf(st.service, sizeof(st.service),
	         "0b7e8f0a-5d0c-4b59-9a53-0f6d3a1f2c11");
	snprintf(st.pos.session, sizeof(st.pos.session),
	         "0192d3a4-0000-7000-8000-000000000001");
	st.pos.serial = serial;
	return st;
}

static struct snapshot *restated(struct snapshot *s, struct state *st)
{
	struct snapshot *next = NULL;

	memcpy(st->root, snapshot_root(s), sizeof(st->root));
	CU_ASSERT_EQUAL_FATAL(state_sign(st, key), RC_OK);
	CU_ASSERT_EQUAL_FATAL(snapshot_restate(s, st, &next), RC_OK);
	return next;
}

/* Takes the resources over. */
static struct snapshot *snapshot_of(struct resource **res, size_t n,
                                    uint64_t serial, int64_t created)
{
	struct state st = state_at(serial, created, n);
	uint64_t changed[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	struct snapshot *s = NULL, *signed_one;

	CU_ASSERT_EQUAL_FATAL(snapshot_new(res, changed, n, &st, &s), RC_OK);
	signed_one = restated(s, &st);
	snapshot_unref(s);
	for (size_t i = 0; i < n; i++)
		resource_unref(res[i]);
	return signed_one;
}

/* IRD, network map, cost map. */
static struct snapshot *maps(const char *extra_pid, uint64_t serial,
                             int64_t created)
{
	struct resource *res[3] = { directory(), net_map(extra_pid) };

	res[2] = cost_map("cost", 3, res[1]);
	return snapshot_of(res, 3, serial, created);
}

/* the listener */

static void begin(struct served *w)
{
	served_start(w, NULL);
}

static void end(struct served *w)
{
	served_end(w);
	CU_ASSERT_EQUAL(snapshots_alive(), 0);
}

static void serving(struct served *w)
{
	begin(w);
	slot_publish(w->slot, maps("pid-b", 1, clock_wall_s()), NULL);
}

/* The state that a reply proves itself under. */
static enum rc verify(const struct reply *r, struct state *st)
{
	const struct signed_headers h = {
		.resource = reply_field(r, "ALTO-Resource"),
		.proof = reply_field(r, "ALTO-Proof"),
		.state = reply_field(r, "ALTO-State"),
		.input = reply_field(r, "Signature-Input"),
		.signature = reply_field(r, "Signature")
	};
	struct resource_name name;
	size_t len = 0;
	char *body = reply_decoded(r, &len);
	enum rc rc = body ? body_check(&h, body, len, &name, st, NULL)
	                  : RC_ESYNTAX;

	free(body);
	return rc == RC_OK ? state_check(st, sign_key_public(key)) : rc;
}

static void a_map_comes_with_headers_that_prove_it(void)
{
	struct served w;
	struct reply r;
	struct state st;
	char etag[TAG_HEX + 3];
	struct snapshot *s;

	serving(&w);
	s = slot_ref(w.slot);
	snprintf(etag, sizeof(etag), "\"%s\"",
	         resource_name(snapshot_get(s, "cost"))->tag);
	snapshot_unref(s);
	r = served_get(&w, "/maps/cost");
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_EQUAL_FATAL(verify(&r, &st), RC_OK);
	CU_ASSERT_EQUAL(st.pos.serial, 1);
	CU_ASSERT(reply_is(&r, "Content-Type", MEDIA_COST_MAP));
	CU_ASSERT(reply_is(&r, "ETag", etag));
	CU_ASSERT(reply_is(&r, "Vary", "Accept-Encoding"));
	CU_ASSERT(reply_is(&r, "Cache-Control", "max-age=30"));
	CU_ASSERT_EQUAL(strncmp(reply_field(&r, "ALTO-Status"), "fresh;age=", 10), 0);
	CU_ASSERT_PTR_NULL(reply_field(&r, "ALTO-Push"));
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_http_requests), 1);
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_http_bytes), r.len);
	reply_free(&r);
	end(&w);
}

static void the_directory_says_where_to_subscribe(void)
{
	struct served w;
	struct reply r;
	struct state st;

	serving(&w);
	r = served_get(&w, "/directory");
	CU_ASSERT_EQUAL(verify(&r, &st), RC_OK);
	CU_ASSERT(reply_is(&r, "Content-Type", MEDIA_DIRECTORY));
	CU_ASSERT(reply_is(&r, "ALTO-Push", "ws://alto.example.net:8081/push"));
	reply_free(&r);
	end(&w);
}

static void head_and_304_have_the_headers_of_200(void)
{
	static const char *const same[] = { "ETag", "Cache-Control", "Vary",
		"Content-Type", "ALTO-Push", "ALTO-Resource", "ALTO-Proof",
		"ALTO-State", "Signature-Input", "Signature" };
	struct served w;
	struct reply full, head, not;
	char header[200];

	serving(&w);
	full = served_get(&w, "/directory");
	head = served_request(&w, "HEAD", "/directory", NULL);
	snprintf(header, sizeof(header), "If-None-Match: \"x\", W/%s",
	         reply_field(&full, "ETag"));
	not = served_request(&w, "GET", "/directory", header);
	CU_ASSERT_EQUAL(head.status, 200);
	CU_ASSERT_EQUAL(head.len, 0);
	CU_ASSERT_EQUAL(strtoul(reply_field(&head, "Content-Length"), NULL, 10),
	                full.len);
	CU_ASSERT_EQUAL(not.status, 304);
	CU_ASSERT_EQUAL(not.len, 0);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		CU_ASSERT(reply_is(&head, same[i], reply_field(&full, same[i])));
		CU_ASSERT(reply_is(&not, same[i], reply_field(&full, same[i])));
	}
	CU_ASSERT_PTR_NOT_NULL(reply_field(&not, "ALTO-Status"));
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_http_not_modified), 1);
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_http_bytes), full.len);
	reply_free(&full);
	reply_free(&head);
	reply_free(&not);
	end(&w);
}

static void a_heartbeat_renews_the_headers_and_keeps_the_etag(void)
{
	struct served w;
	struct reply before, after;
	struct state st = state_at(1, clock_wall_s() + 7, 3);
	struct snapshot *s;

	serving(&w);
	before = served_get(&w, "/maps/cost");
	s = slot_ref(w.slot);
	slot_publish(w.slot, restated(s, &st), NULL);
	snapshot_unref(s);
	after = served_get(&w, "/maps/cost");
	CU_ASSERT_EQUAL_FATAL(verify(&after, &st), RC_OK);
	CU_ASSERT(st.created > clock_wall_s());
	CU_ASSERT_STRING_NOT_EQUAL(reply_field(&before, "Signature"),
	                           reply_field(&after, "Signature"));
	CU_ASSERT(reply_is(&after, "ETag", reply_field(&before, "ETag")));
	CU_ASSERT(reply_is(&after, "ALTO-Status", "fresh;age=0"));
	CU_ASSERT_STRING_EQUAL(before.body, after.body);
	reply_free(&before);
	reply_free(&after);
	end(&w);
}

static void a_new_version_changes_what_changed(void)
{
	struct served w;
	struct reply before, after;
	struct state st;

	serving(&w);
	before = served_get(&w, "/maps/" NET);
	slot_publish(w.slot, maps("pid-c", 2, clock_wall_s()), NULL);
	after = served_get(&w, "/maps/" NET);
	CU_ASSERT_EQUAL_FATAL(verify(&after, &st), RC_OK);
	CU_ASSERT_EQUAL(st.pos.serial, 2);
	CU_ASSERT_STRING_NOT_EQUAL(reply_field(&before, "ETag"),
	                           reply_field(&after, "ETag"));
	CU_ASSERT_PTR_NOT_NULL(strstr(after.body, "pid-c"));
	reply_free(&before);
	reply_free(&after);
	CU_ASSERT_EQUAL(snapshots_alive(), 1);
	end(&w);
}

static void an_old_version_needs_no_request_to_go(void)
{
	struct served w;
	struct reply r;

	serving(&w);
	alto_http_turn(w.a);		/* nobody asked yet: nothing to do */
	r = served_get(&w, "/maps/" NET);
	reply_free(&r);
	slot_publish(w.slot, maps("pid-c", 2, clock_wall_s()), NULL);
	CU_ASSERT_EQUAL(snapshots_alive(), 2);
	alto_http_turn(w.a);
	CU_ASSERT_EQUAL(snapshots_alive(), 1);
	end(&w);
}

static void the_state_document_is_served(void)
{
	struct served w;
	struct reply r, again;
	struct leaf_set *l = NULL;
	uint8_t hash[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1], etag[80], header[120];

	serving(&w);
	r = served_get(&w, "/state");
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT(reply_is(&r, "Content-Type", MEDIA_STATE));
	CU_ASSERT(reply_is(&r, "Cache-Control", "max-age=5"));
	CU_ASSERT_EQUAL_FATAL(state_doc_read(r.body, r.len, &l, NULL), RC_OK);
	CU_ASSERT_EQUAL(l->n, 3);
	CU_ASSERT_EQUAL(state_check(&l->state, sign_key_public(key)), RC_OK);
	leaf_set_free(l);
	digest_start(digest);
	digest_add(digest, r.body, r.len);
	CU_ASSERT_EQUAL(digest_end(digest, hash), RC_OK);
	enc_hex(hash, sizeof(hash), hex);
	snprintf(etag, sizeof(etag), "\"%s\"", hex);
	CU_ASSERT(reply_is(&r, "ETag", etag));
	snprintf(header, sizeof(header), "If-None-Match: %s", etag);
	again = served_request(&w, "GET", "/state", header);
	CU_ASSERT_EQUAL(again.status, 304);
	reply_free(&r);
	reply_free(&again);
	end(&w);
}

static void ids_are_compared_decoded_and_queries_ignored(void)
{
	static const char *const good[] = { "/maps/net:a@b", "/maps/net%3Aa%40b",
		"/maps/%6eet%3aa@b", "/maps/net:a@b?x=%zz", "/state?",
		"/directory?a=b" };
	static const char *const bad[] = { "/", "/maps", "/maps/", "/maps/none",
		"/maps/NET:a@b", "/maps/.directory", "/maps/%2edirectory",
		"/maps/net%3", "/maps/net%3Aa%4", "/maps/net%zz", "/maps/cost%00",
		"/maps/cost/", "/states", "/directory/", "//directory",
		("/maps/0123456789012345678901234567890123456789012345678901234"
		 "567890123456789") };
	struct served w;
	struct reply r;

	serving(&w);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		r = served_get(&w, good[i]);
		CU_ASSERT_EQUAL(r.status, 200);
		reply_free(&r);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		r = served_get(&w, bad[i]);
		CU_ASSERT_EQUAL(r.status, 404);
		reply_free(&r);
	}
	end(&w);
}

static void is_error(const struct reply *r, const char *value)
{
	const char *code = reply_error(r, "code");

	CU_ASSERT_PTR_NOT_NULL_FATAL(code);
	CU_ASSERT_STRING_EQUAL(code, "E_INVALID_FIELD_VALUE");
	CU_ASSERT_STRING_EQUAL(reply_error(r, "value"), value);
}

static void what_is_not_served_gets_an_alto_error(void)
{
	struct served w;
	struct reply r;

	serving(&w);
	r = served_get(&w, "/maps/no\"such\xff");
	CU_ASSERT_EQUAL(r.status, 404);
	CU_ASSERT_PTR_NULL(reply_field(&r, "Allow"));
	is_error(&r, "/maps/no\"such?");
	reply_free(&r);
	r = served_request(&w, "DELETE", "/maps/cost", NULL);
	CU_ASSERT_EQUAL(r.status, 405);
	CU_ASSERT(reply_is(&r, "Allow", "GET, HEAD, OPTIONS"));
	is_error(&r, "DELETE");
	reply_free(&r);
	r = served_request(&w, "POST", "/nowhere", "Content-Length: 0");
	CU_ASSERT_EQUAL(r.status, 404);
	reply_free(&r);
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_http_errors), 3);
	end(&w);
}

static void age_is_told_and_ends_in_503(void)
{
	struct served w;
	struct reply r;
	struct state st;

	begin(&w);
	r = served_get(&w, "/maps/cost");
	CU_ASSERT_EQUAL(r.status, 503);		/* nothing yet */
	CU_ASSERT_PTR_NOT_NULL(reply_field(&r, "Retry-After"));
	reply_free(&r);

	slot_publish(w.slot, maps("pid-b", 1, clock_wall_s() - 89), NULL);
	r = served_get(&w, "/maps/cost");
	CU_ASSERT(reply_is(&r, "ALTO-Status", "fresh;age=89") ||
	          reply_is(&r, "ALTO-Status", "stale;age=90"));
	reply_free(&r);

	slot_publish(w.slot, maps("pid-b", 1, clock_wall_s() - 86390), NULL);
	r = served_get(&w, "/maps/cost");
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_EQUAL(verify(&r, &st), RC_OK);
	CU_ASSERT_EQUAL(strncmp(reply_field(&r, "ALTO-Status"), "stale;age=8639", 14),
	                0);
	/* no cache may keep it for longer than it is valid */
	CU_ASSERT(strtoul(reply_field(&r, "Cache-Control") + 8, NULL, 10) <= 10);
	reply_free(&r);

	slot_publish(w.slot, maps("pid-b", 1, clock_wall_s() - 86400), NULL);
	for (int i = 0; i < 3; i++) {
		static const char *const paths[] = { "/directory", "/state",
		                                     "/maps/cost" };

		r = served_get(&w, paths[i]);
		CU_ASSERT_EQUAL(r.status, 503);
		CU_ASSERT(reply_is(&r, "Retry-After", "30"));
		CU_ASSERT_PTR_NULL(reply_field(&r, "ALTO-State"));
		reply_free(&r);
	}
	r = served_get(&w, "/maps/none");
	CU_ASSERT_EQUAL(r.status, 404);
	reply_free(&r);
	end(&w);
}

static void the_age_in_the_headers_goes_on(void)
{
	struct served w;
	struct reply r;
	uint64_t give_up = clock_mono_ms() + 20000;
	unsigned long age = 0, before;

	begin(&w);
	slot_publish(w.slot, maps("pid-b", 1, clock_wall_s() - 200), NULL);
	r = served_get(&w, "/maps/cost");
	before = strtoul(reply_field(&r, "ALTO-Status") + 10, NULL, 10);
	reply_free(&r);
	while (age < before + 2 && clock_mono_ms() < give_up) {
		r = served_get(&w, "/maps/cost");
		age = strtoul(reply_field(&r, "ALTO-Status") + 10, NULL, 10);
		CU_ASSERT(age >= before);
		reply_free(&r);
	}
	CU_ASSERT(age >= before + 2);
	end(&w);
}

static struct snapshot *large(uint64_t serial, unsigned n)
{
	struct resource *res[2] = { net_map("pid-b"), NULL };

	res[1] = cost_map("cost", n, res[0]);
	CU_ASSERT(resource_size(res[1]) > VERSION_FLAT_MAX);
	return snapshot_of(res, 2, serial, clock_wall_s());
}

static void a_large_map_and_one_under_way_are_whole(void)
{
	struct buf b = BUF_INIT(64 << 20);
	struct served w;
	struct reply old, new;
	struct state st;
	ssize_t n;
	int fd;

	begin(&w);
	slot_publish(w.slot, large(1, 1100), NULL);
	fd = served_dial(&w);
	served_ask(fd, "GET", "/maps/cost", NULL, NULL);
	n = read(fd, buf_room(&b, 1000), 1000);
	CU_ASSERT_FATAL(n > 0);
	buf_used(&b, (size_t)n);
	slot_publish(w.slot, large(2, 1101), NULL);
	new = served_get(&w, "/maps/cost");
	CU_ASSERT_EQUAL(verify(&new, &st), RC_OK);
	CU_ASSERT_EQUAL(st.pos.serial, 2);
	old = served_hear(fd, &b);
	CU_ASSERT_EQUAL(verify(&old, &st), RC_OK);
	CU_ASSERT_EQUAL(st.pos.serial, 1);
	reply_free(&old);
	reply_free(&new);
	old = served_get(&w, "/maps/none");	/* there is no IRD in this snapshot */
	CU_ASSERT_EQUAL(old.status, 404);
	reply_free(&old);
	end(&w);
}

static void a_part_of_a_large_map_is_sent(void)
{
	struct served w;
	struct reply all, part;

	begin(&w);
	slot_publish(w.slot, large(1, 1100), NULL);
	all = served_get(&w, "/maps/cost");
	part = served_request(&w, "GET", "/maps/cost",
	                      "Range: bytes=100001-5000000");
	CU_ASSERT_EQUAL(part.status, 206);
	CU_ASSERT_EQUAL_FATAL(part.len, 4900000);
	CU_ASSERT_EQUAL(memcmp(part.body, all.body + 100001, part.len), 0);
	reply_free(&part);
	part = served_request(&w, "GET", "/maps/cost", "Range: bytes=-7");
	CU_ASSERT_EQUAL_FATAL(part.len, 7);
	CU_ASSERT_EQUAL(memcmp(part.body, all.body + all.len - 7, 7), 0);
	reply_free(&part);
	reply_free(&all);
	end(&w);
}

static void a_listener_stops_in_the_middle_of_coding(void)
{
	struct served w;
	struct reply r;

	begin(&w);
	slot_publish(w.slot, large(1, 1100), NULL);
	r = served_request(&w, "GET", "/maps/cost", "Accept-Encoding: gzip");
	CU_ASSERT_EQUAL(r.status, 200);
	reply_free(&r);
	end(&w);
}

static void a_coding_that_is_not_smaller_is_not_offered(void)
{
	uint64_t give_up = clock_mono_ms() + 20000;
	struct served w;
	struct reply r;

	serving(&w);
	r = served_request(&w, "GET", "/directory", "Accept-Encoding: gzip");
	reply_free(&r);
	/* bodies are coded in their order: the IRD stands before */
	while (status_get(w.status, STATUS_coded_bodies) == 0 &&
	       clock_mono_ms() < give_up) {
		r = served_request(&w, "GET", "/maps/cost",
		                   "Accept-Encoding: gzip");
		reply_free(&r);
	}
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_coded_bodies), 1);
	r = served_request(&w, "GET", "/directory", "Accept-Encoding: gzip");
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT(reply_is(&r, "Content-Encoding", NULL));
	CU_ASSERT(r.len < 60);
	reply_free(&r);
	end(&w);
}

#define READERS 4

struct reader {
	pthread_t thread;
	const struct served *w;
	const char *path, *headers;
	atomic_bool *stop;
	unsigned done, bad;
};

static void *read_on(void *arg)
{
	struct reader *r = arg;
	uint64_t last = 0;

	while (!atomic_load(r->stop) || r->done == 0) {
		struct reply got = served_request(r->w, "GET", r->path,
		                                  r->headers);
		struct state st = { 0 };

		if (got.status != 200 || verify(&got, &st) != RC_OK ||
		    st.pos.serial < last)
			r->bad++;
		last = st.pos.serial;
		r->done++;
		reply_free(&got);
	}
	return NULL;
}

static void readers_never_see_a_mixture(void)
{
	atomic_bool stop = false;
	struct served w;
	struct reader r[READERS] = {
		{ .path = "/maps/" NET },
		{ .path = "/maps/" NET, .headers = "Accept-Encoding: zstd" },
		{ .path = "/maps/cost", .headers = "Accept-Encoding: gzip" },
		{ .path = "/directory" }
	};
	char pid[16];

	serving(&w);
	for (int i = 0; i < READERS; i++) {
		r[i].w = &w;
		r[i].stop = &stop;
		CU_ASSERT_EQUAL_FATAL(pthread_create(&r[i].thread, NULL,
		                                     read_on, &r[i]), 0);
	}
	for (unsigned i = 2; i < 300; i++) {
		snprintf(pid, sizeof(pid), "pid-x%u", i / 2);
		slot_publish(w.slot, maps(pid, i, clock_wall_s()), NULL);
		alto_http_turn(w.a);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < READERS; i++) {
		pthread_join(r[i].thread, NULL);
		CU_ASSERT(r[i].done > 0);
		CU_ASSERT_EQUAL(r[i].bad, 0);
	}
	end(&w);
}

/* RFC 6454 s6.2: what a browser sends is in lower case. Anything else is another
 * origin, and nothing of it comes back. */
static void origins_are_compared_byte_for_byte(void)
{
	static const char *const others[] = {
		"https://App.example", "HTTPS://app.example", "https://app.exampl",
		"https://app.example/", "https://app.example:443", "null", "*",
		"https://app.example, https://app.example"
	};
	static const char *const listed[] = { "http://[2001:db8::1]",
	                                      "https://app.example" };
	const struct alto_http_config cfg = { .origins = listed,
		.n_origins = 2, .answer_max = 1 << 20, .answers_max = 16 << 20 };
	struct served w;
	struct reply r;
	char header[200];

	served_start(&w, &cfg);
	slot_publish(w.slot, maps("pid-b", 1, clock_wall_s()), NULL);
	for (size_t i = 0; i < 2; i++) {
		snprintf(header, sizeof(header), "Origin: %s", listed[i]);
		r = served_request(&w, "GET", "/maps/cost", header);
		CU_ASSERT(reply_is(&r, "Access-Control-Allow-Origin",
		                   listed[i]));
		reply_free(&r);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(header, sizeof(header), "Origin: %s", others[i]);
		r = served_request(&w, "GET", "/maps/cost", header);
		CU_ASSERT_EQUAL(r.status, 200);
		CU_ASSERT(reply_is(&r, "Access-Control-Allow-Origin", NULL));
		reply_free(&r);
		r = served_request(&w, "OPTIONS", "/nothing", header);
		CU_ASSERT(reply_is(&r, "Access-Control-Allow-Origin", NULL));
		reply_free(&r);
	}
	end(&w);
}

/* what is not held, and waited for */

struct awaited {
	struct served w;
	struct miss *m;
	atomic_uint questions;
};

static bool ask(void *arg)
{
	struct awaited *a = arg;

	atomic_fetch_add(&a->questions, 1);
	return true;
}

static void await(struct awaited *a)
{
	const struct miss_config cfg = {
		.wait_ms = 10000, .quiet_ms = 10000, .waiting_max = 8,
		.ask = ask, .arg = a
	};

	begin(&a->w);
	atomic_init(&a->questions, 0);
	CU_ASSERT_EQUAL_FATAL(miss_new(&cfg, &a->m), RC_OK);
	alto_http_set_miss(a->w.a, a->m);
}

static void await_end(struct awaited *a)
{
	end(&a->w);
	miss_free(a->m);
}

static void asked(struct awaited *a)
{
	for (int i = 0; i < 5000 && atomic_load(&a->questions) == 0; i++)
		usleep(1000);
	CU_ASSERT_EQUAL(atomic_load(&a->questions), 1);
}

static void what_is_not_here_yet_is_waited_for(void)
{
	struct buf b[2] = { BUF_INIT(1 << 20), BUF_INIT(1 << 20) };
	struct reply r;
	struct state st;
	struct awaited a;
	int fd[2];

	await(&a);
	for (int i = 0; i < 2; i++) {
		fd[i] = served_dial(&a.w);
		served_ask(fd[i], i ? "HEAD" : "GET", "/maps/cost",
		           "Accept-Encoding: identity", NULL);
	}
	asked(&a);
	slot_publish(a.w.slot, maps("pid-b", 1, clock_wall_s()), NULL);
	miss_settled(a.m);
	r = served_hear(fd[0], &b[0]);
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_EQUAL(verify(&r, &st), RC_OK);
	reply_free(&r);
	r = served_hear(fd[1], &b[1]);
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_EQUAL(r.len, 0);
	reply_free(&r);
	CU_ASSERT_EQUAL(atomic_load(&a.questions), 1);
	await_end(&a);
}

static void what_nobody_has_is_404_after_one_question(void)
{
	struct buf b = BUF_INIT(1 << 20);
	struct awaited a;
	struct reply r;
	int fd;

	await(&a);
	slot_publish(a.w.slot, maps("pid-b", 1, clock_wall_s()), NULL);
	r = served_get(&a.w, "/maps/cost");
	CU_ASSERT_EQUAL(r.status, 200);		/* is here: no question */
	reply_free(&r);
	r = served_get(&a.w, "/nowhere");
	CU_ASSERT_EQUAL(r.status, 404);		/* nor for what is no map */
	reply_free(&r);
	CU_ASSERT_EQUAL(atomic_load(&a.questions), 0);
	fd = served_dial(&a.w);
	served_ask(fd, "GET", "/maps/none", NULL, NULL);
	asked(&a);
	miss_settled(a.m);
	r = served_hear(fd, &b);
	CU_ASSERT_EQUAL(r.status, 404);
	is_error(&r, "/maps/none");
	reply_free(&r);
	r = served_get(&a.w, "/maps/none-either");
	CU_ASSERT_EQUAL(r.status, 404);
	reply_free(&r);
	CU_ASSERT_EQUAL(atomic_load(&a.questions), 1);
	await_end(&a);
}

static void an_expired_one_is_asked_for_and_stopping_waits_for_nobody(void)
{
	struct buf b = BUF_INIT(1 << 20);
	struct awaited a;
	struct reply r;
	int fd;

	await(&a);
	slot_publish(a.w.slot, maps("pid-b", 1, clock_wall_s() - 86401), NULL);
	fd = served_dial(&a.w);
	served_ask(fd, "GET", "/maps/cost", NULL, NULL);
	asked(&a);
	await_end(&a);
	r = served_hear(fd, &b);
	CU_ASSERT_EQUAL(r.status, 503);
	reply_free(&r);
}

static void an_address_in_use_is_said(void)
{
	struct alto_http_config cfg = {
		.http = { .threads = 1, .max_conns = 4, .timeout_s = 5 },
		.heartbeat = SERVED_HEARTBEAT
	};
	struct alto_http *a = NULL;
	struct diag d = { 0 };
	struct served w;
	char addr[32];

	begin(&w);
	snprintf(addr, sizeof(addr), "127.0.0.1:%u", alto_http_port(w.a));
	cfg.http.addr = addr;
	cfg.slot = w.slot;
	cfg.status = w.status;
	CU_ASSERT_EQUAL(alto_http_start(&cfg, &d, &a), RC_EIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, addr));
	CU_ASSERT_PTR_NULL(a);
	end(&w);
	alto_http_stop(NULL);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a map comes with headers that prove it",
		  a_map_comes_with_headers_that_prove_it },
		{ "the directory says where to subscribe",
		  the_directory_says_where_to_subscribe },
		{ "HEAD and 304 have the headers of 200",
		  head_and_304_have_the_headers_of_200 },
		{ "a heartbeat renews the headers and keeps the ETag",
		  a_heartbeat_renews_the_headers_and_keeps_the_etag },
		{ "a new version changes what changed",
		  a_new_version_changes_what_changed },
		{ "an old version needs no request to go",
		  an_old_version_needs_no_request_to_go },
		{ "the state document is served", the_state_document_is_served },
		{ "ids are compared decoded and queries ignored",
		  ids_are_compared_decoded_and_queries_ignored },
		{ "what is not served gets an ALTO error",
		  what_is_not_served_gets_an_alto_error },
		{ "age is told and ends in 503", age_is_told_and_ends_in_503 },
		{ "the age in the headers goes on",
		  the_age_in_the_headers_goes_on },
		{ "a large map and one under way are whole",
		  a_large_map_and_one_under_way_are_whole },
		{ "a part of a large map is sent",
		  a_part_of_a_large_map_is_sent },
		{ "a listener stops in the middle of coding",
		  a_listener_stops_in_the_middle_of_coding },
		{ "a coding that is not smaller is not offered",
		  a_coding_that_is_not_smaller_is_not_offered },
		{ "readers never see a mixture", readers_never_see_a_mixture },
		{ "origins are compared byte for byte",
		  origins_are_compared_byte_for_byte },
		{ "what is not here yet is waited for",
		  what_is_not_here_yet_is_waited_for },
		{ "what nobody has is 404 after one question",
		  what_nobody_has_is_404_after_one_question },
		{ "an expired one is asked for and stopping waits for nobody",
		  an_expired_one_is_asked_for_and_stopping_waits_for_nobody },
		{ "an address in use is said", an_address_in_use_is_said },
		CU_TEST_INFO_NULL
	};
	int status;

	if (digest_new(&digest) != RC_OK || sign_key_new(&key) != RC_OK)
		return 99;
	status = suite_run("alto_http", tests);
	digest_free(digest);
	sign_key_free(key);
	return status;
}
