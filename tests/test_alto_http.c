/* The ALTO endpoints over a slot, through real sockets. */
#include "common/service/alto_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/core/snapshot.h"
#include "common/service/replies.h"
#include "common/sys/clock.h"
#include "common/wire/json.h"
#include "common/wire/media.h"
#include "common/wire/seal.h"
#include "common/wire/state_json.h"
#include "tests/suite.h"

#define HEARTBEAT 30u
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

/* the daemon around it */

struct world {
	struct slot *slot;
	struct status *status;
	struct alto_http *a;
};

static void world_make(struct world *w)
{
	struct alto_http_config cfg = {
		.http = { .addr = "127.0.0.1:0", .threads = 2, .max_conns = 64,
		          .timeout_s = 20, .max_body = 1024 },
		.heartbeat = HEARTBEAT,
		.push_uri = "ws://alto.example.net:8081/push"
	};
	struct diag d = { 0 };

	CU_ASSERT_EQUAL_FATAL(slot_new(&w->slot), RC_OK);
	CU_ASSERT_EQUAL_FATAL(status_new(&w->status), RC_OK);
	cfg.slot = w->slot;
	cfg.status = w->status;
	CU_ASSERT_EQUAL_FATAL(alto_http_start(&cfg, &d, &w->a), RC_OK);
	CU_ASSERT_NOT_EQUAL(alto_http_port(w->a), 0);
}

/* Nothing may keep a version alive after that. */
static void world_end(struct world *w)
{
	alto_http_stop(w->a);
	slot_free(w->slot);
	status_free(w->status);
	CU_ASSERT_EQUAL(snapshots_alive(), 0);
}

static void serving(struct world *w)
{
	world_make(w);
	slot_publish(w->slot, maps("pid-b", 1, clock_wall_s()));
}

/* the client */

struct reply {
	unsigned status;
	char *head, *body;
	size_t len;
};

static int dial(const struct world *w)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(alto_http_port(w->a)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { 30, 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CU_ASSERT_FATAL(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&to, sizeof(to)),
	                      0);
	return fd;
}

static void ask(int fd, const char *method, const char *path,
                const char *header)
{
	struct buf b = BUF_INIT(65536);

	buf_printf(&b, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	           "%s%s\r\n", method, path, header ? header : "",
	           header ? "\r\n" : "");
	CU_ASSERT_EQUAL_FATAL(write(fd, b.data, b.len), (ssize_t)b.len);
	buf_free(&b);
}

/* Reads to the end; b may have a part of it already. */
static struct reply hear(int fd, struct buf *b)
{
	struct reply r = { 0 };
	char *end;
	ssize_t n = 1;

	while (n > 0) {
		char *at = buf_room(b, 65536);

		CU_ASSERT_PTR_NOT_NULL_FATAL(at);
		n = read(fd, at, 65536);
		CU_ASSERT_FATAL(n >= 0);
		buf_used(b, (size_t)n);
	}
	close(fd);
	end = strstr(buf_str(b), "\r\n\r\n");
	CU_ASSERT_PTR_NOT_NULL_FATAL(end);
	r.len = b->len - (size_t)(end + 4 - b->data);
	r.head = buf_take(b, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(r.head);
	end = strstr(r.head, "\r\n\r\n");
	end[2] = '\0';
	r.body = end + 4;
	r.status = (unsigned)strtoul(r.head + 9, NULL, 10);
	return r;
}

static struct reply request(const struct world *w, const char *method,
                            const char *path, const char *header)
{
	struct buf b = BUF_INIT(64 << 20);
	int fd = dial(w);

	ask(fd, method, path, header);
	return hear(fd, &b);
}

static struct reply get(const struct world *w, const char *path)
{
	return request(w, "GET", path, NULL);
}

/* The value of a header, in one of a few places that are used in turn; NULL:
 * not there. */
static const char *field(const struct reply *r, const char *name)
{
	static _Thread_local char values[8][4096];
	static _Thread_local unsigned turn;
	size_t n = strlen(name);

	for (const char *at = strstr(r->head, "\r\n"); at && at[2];
	     at = strstr(at + 2, "\r\n")) {
		if (strncasecmp(at + 2, name, n) != 0 || at[2 + n] != ':')
			continue;
		turn = (turn + 1) % 8;
		snprintf(values[turn], sizeof(values[0]), "%.*s",
		         (int)strcspn(at + 4 + n, "\r"), at + 4 + n);
		return values[turn];
	}
	return NULL;
}

static bool field_is(const struct reply *r, const char *name,
                     const char *value)
{
	const char *v = field(r, name);

	if (v && strcmp(v, value) == 0)
		return true;
	printf("\n    %s: %s, not %s\n", name, v ? v : "(none)", value);
	return false;
}

/* The state that a reply proves itself under. */
static enum rc verify(const struct reply *r, struct state *st)
{
	const struct signed_headers h = {
		.resource = field(r, "ALTO-Resource"),
		.proof = field(r, "ALTO-Proof"),
		.state = field(r, "ALTO-State"),
		.input = field(r, "Signature-Input"),
		.signature = field(r, "Signature")
	};
	struct resource_name name;
	enum rc rc = body_check(&h, r->body, r->len, &name, st, NULL);

	return rc == RC_OK ? state_check(st, sign_key_public(key)) : rc;
}

static void a_map_comes_with_headers_that_prove_it(void)
{
	struct world w;
	struct reply r;
	struct state st;
	char etag[TAG_HEX + 3];
	struct snapshot *s;

	serving(&w);
	s = slot_ref(w.slot);
	snprintf(etag, sizeof(etag), "\"%s\"",
	         resource_name(snapshot_get(s, "cost"))->tag);
	snapshot_unref(s);
	r = get(&w, "/maps/cost");
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_EQUAL_FATAL(verify(&r, &st), RC_OK);
	CU_ASSERT_EQUAL(st.pos.serial, 1);
	CU_ASSERT(field_is(&r, "Content-Type", MEDIA_COST_MAP));
	CU_ASSERT(field_is(&r, "ETag", etag));
	CU_ASSERT(field_is(&r, "Vary", "Accept-Encoding"));
	CU_ASSERT(field_is(&r, "Cache-Control", "max-age=30"));
	CU_ASSERT_EQUAL(strncmp(field(&r, "ALTO-Status"), "fresh;age=", 10), 0);
	CU_ASSERT_PTR_NULL(field(&r, "ALTO-Push"));
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_http_requests), 1);
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_http_bytes), r.len);
	free(r.head);
	world_end(&w);
}

static void the_directory_says_where_to_subscribe(void)
{
	struct world w;
	struct reply r;
	struct state st;

	serving(&w);
	r = get(&w, "/directory");
	CU_ASSERT_EQUAL(verify(&r, &st), RC_OK);
	CU_ASSERT(field_is(&r, "Content-Type", MEDIA_DIRECTORY));
	CU_ASSERT(field_is(&r, "ALTO-Push", "ws://alto.example.net:8081/push"));
	free(r.head);
	world_end(&w);
}

static void head_and_304_have_the_headers_of_200(void)
{
	static const char *const same[] = { "ETag", "Cache-Control", "Vary",
		"Content-Type", "ALTO-Push", "ALTO-Resource", "ALTO-Proof",
		"ALTO-State", "Signature-Input", "Signature" };
	struct world w;
	struct reply full, head, not;
	char header[200];

	serving(&w);
	full = get(&w, "/directory");
	head = request(&w, "HEAD", "/directory", NULL);
	snprintf(header, sizeof(header), "If-None-Match: \"x\", W/%s",
	         field(&full, "ETag"));
	not = request(&w, "GET", "/directory", header);
	CU_ASSERT_EQUAL(head.status, 200);
	CU_ASSERT_EQUAL(head.len, 0);
	CU_ASSERT_EQUAL(strtoul(field(&head, "Content-Length"), NULL, 10),
	                full.len);
	CU_ASSERT_EQUAL(not.status, 304);
	CU_ASSERT_EQUAL(not.len, 0);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		CU_ASSERT(field_is(&head, same[i], field(&full, same[i])));
		CU_ASSERT(field_is(&not, same[i], field(&full, same[i])));
	}
	CU_ASSERT_PTR_NOT_NULL(field(&not, "ALTO-Status"));
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_http_not_modified), 1);
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_http_bytes), full.len);
	free(full.head);
	free(head.head);
	free(not.head);
	world_end(&w);
}

static void a_heartbeat_renews_the_headers_and_keeps_the_etag(void)
{
	struct world w;
	struct reply before, after;
	struct state st = state_at(1, clock_wall_s() + 7, 3);
	struct snapshot *s;

	serving(&w);
	before = get(&w, "/maps/cost");
	s = slot_ref(w.slot);
	slot_publish(w.slot, restated(s, &st));
	snapshot_unref(s);
	after = get(&w, "/maps/cost");
	CU_ASSERT_EQUAL_FATAL(verify(&after, &st), RC_OK);
	CU_ASSERT(st.created > clock_wall_s());
	CU_ASSERT_STRING_NOT_EQUAL(field(&before, "Signature"),
	                           field(&after, "Signature"));
	CU_ASSERT(field_is(&after, "ETag", field(&before, "ETag")));
	CU_ASSERT(field_is(&after, "ALTO-Status", "fresh;age=0"));
	CU_ASSERT_STRING_EQUAL(before.body, after.body);
	free(before.head);
	free(after.head);
	world_end(&w);
}

static void a_new_version_changes_what_changed(void)
{
	struct world w;
	struct reply before, after;
	struct state st;

	serving(&w);
	before = get(&w, "/maps/" NET);
	slot_publish(w.slot, maps("pid-c", 2, clock_wall_s()));
	after = get(&w, "/maps/" NET);
	CU_ASSERT_EQUAL_FATAL(verify(&after, &st), RC_OK);
	CU_ASSERT_EQUAL(st.pos.serial, 2);
	CU_ASSERT_STRING_NOT_EQUAL(field(&before, "ETag"),
	                           field(&after, "ETag"));
	CU_ASSERT_PTR_NOT_NULL(strstr(after.body, "pid-c"));
	free(before.head);
	free(after.head);
	CU_ASSERT_EQUAL(snapshots_alive(), 1);
	world_end(&w);
}

static void an_old_version_needs_no_request_to_go(void)
{
	struct world w;
	struct reply r;

	serving(&w);
	alto_http_turn(w.a);		/* nobody asked yet: nothing to do */
	r = get(&w, "/maps/" NET);
	free(r.head);
	slot_publish(w.slot, maps("pid-c", 2, clock_wall_s()));
	CU_ASSERT_EQUAL(snapshots_alive(), 2);
	alto_http_turn(w.a);
	CU_ASSERT_EQUAL(snapshots_alive(), 1);
	world_end(&w);
}

static void the_state_document_is_served(void)
{
	struct world w;
	struct reply r, again;
	struct leaf_set *l = NULL;
	uint8_t hash[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1], etag[80], header[120];

	serving(&w);
	r = get(&w, "/state");
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT(field_is(&r, "Content-Type", MEDIA_STATE));
	CU_ASSERT(field_is(&r, "Cache-Control", "max-age=5"));
	CU_ASSERT_EQUAL_FATAL(state_doc_read(r.body, r.len, &l, NULL), RC_OK);
	CU_ASSERT_EQUAL(l->n, 3);
	CU_ASSERT_EQUAL(state_check(&l->state, sign_key_public(key)), RC_OK);
	leaf_set_free(l);
	digest_start(digest);
	digest_add(digest, r.body, r.len);
	CU_ASSERT_EQUAL(digest_end(digest, hash), RC_OK);
	enc_hex(hash, sizeof(hash), hex);
	snprintf(etag, sizeof(etag), "\"%s\"", hex);
	CU_ASSERT(field_is(&r, "ETag", etag));
	snprintf(header, sizeof(header), "If-None-Match: %s", etag);
	again = request(&w, "GET", "/state", header);
	CU_ASSERT_EQUAL(again.status, 304);
	free(r.head);
	free(again.head);
	world_end(&w);
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
	struct world w;
	struct reply r;

	serving(&w);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		r = get(&w, good[i]);
		CU_ASSERT_EQUAL(r.status, 200);
		free(r.head);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		r = get(&w, bad[i]);
		CU_ASSERT_EQUAL(r.status, 404);
		free(r.head);
	}
	world_end(&w);
}

/* The code and the member "value" of an ALTO error. */
static void is_error(const struct reply *r, const char *value)
{
	json_t *doc = NULL, *meta;

	CU_ASSERT(field_is(r, "Content-Type", MEDIA_ERROR));
	CU_ASSERT_EQUAL_FATAL(json_read(r->body, r->len, 4096, &doc, NULL),
	                      RC_OK);
	meta = json_object_get(doc, "meta");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(meta, "code")),
	                       "E_INVALID_FIELD_VALUE");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(meta,
	                                                         "value")),
	                       value);
	json_decref(doc);
}

static void what_is_not_served_gets_an_alto_error(void)
{
	struct world w;
	struct reply r;

	serving(&w);
	r = get(&w, "/maps/no\"such\xff");
	CU_ASSERT_EQUAL(r.status, 404);
	CU_ASSERT_PTR_NULL(field(&r, "Allow"));
	is_error(&r, "/maps/no\"such?");
	free(r.head);
	r = request(&w, "DELETE", "/maps/cost", NULL);
	CU_ASSERT_EQUAL(r.status, 405);
	CU_ASSERT(field_is(&r, "Allow", "GET, HEAD"));
	is_error(&r, "DELETE");
	free(r.head);
	r = request(&w, "POST", "/nowhere", "Content-Length: 0");
	CU_ASSERT_EQUAL(r.status, 404);
	free(r.head);
	CU_ASSERT_EQUAL(status_get(w.status, STATUS_http_errors), 3);
	world_end(&w);
}

static void age_is_told_and_ends_in_503(void)
{
	struct world w;
	struct reply r;
	struct state st;

	world_make(&w);
	r = get(&w, "/maps/cost");
	CU_ASSERT_EQUAL(r.status, 503);		/* nothing yet */
	CU_ASSERT_PTR_NOT_NULL(field(&r, "Retry-After"));
	free(r.head);

	slot_publish(w.slot, maps("pid-b", 1, clock_wall_s() - 89));
	r = get(&w, "/maps/cost");
	CU_ASSERT(field_is(&r, "ALTO-Status", "fresh;age=89") ||
	          field_is(&r, "ALTO-Status", "stale;age=90"));
	free(r.head);

	slot_publish(w.slot, maps("pid-b", 1, clock_wall_s() - 86390));
	r = get(&w, "/maps/cost");
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_EQUAL(verify(&r, &st), RC_OK);
	CU_ASSERT_EQUAL(strncmp(field(&r, "ALTO-Status"), "stale;age=8639", 14),
	                0);
	/* no cache may keep it for longer than it is valid */
	CU_ASSERT(strtoul(field(&r, "Cache-Control") + 8, NULL, 10) <= 10);
	free(r.head);

	slot_publish(w.slot, maps("pid-b", 1, clock_wall_s() - 86400));
	for (int i = 0; i < 3; i++) {
		static const char *const paths[] = { "/directory", "/state",
		                                     "/maps/cost" };

		r = get(&w, paths[i]);
		CU_ASSERT_EQUAL(r.status, 503);
		CU_ASSERT(field_is(&r, "Retry-After", "30"));
		CU_ASSERT_PTR_NULL(field(&r, "ALTO-State"));
		free(r.head);
	}
	r = get(&w, "/maps/none");
	CU_ASSERT_EQUAL(r.status, 404);
	free(r.head);
	world_end(&w);
}

static void the_age_in_the_headers_goes_on(void)
{
	struct world w;
	struct reply r;
	uint64_t end = clock_mono_ms() + 20000;
	unsigned long age = 0, before;

	world_make(&w);
	slot_publish(w.slot, maps("pid-b", 1, clock_wall_s() - 200));
	r = get(&w, "/maps/cost");
	before = strtoul(field(&r, "ALTO-Status") + 10, NULL, 10);
	free(r.head);
	while (age < before + 2 && clock_mono_ms() < end) {
		r = get(&w, "/maps/cost");
		age = strtoul(field(&r, "ALTO-Status") + 10, NULL, 10);
		CU_ASSERT(age >= before);
		free(r.head);
	}
	CU_ASSERT(age >= before + 2);
	world_end(&w);
}

static struct snapshot *large(uint64_t serial, unsigned n)
{
	struct resource *res[2] = { net_map("pid-b"), NULL };

	res[1] = cost_map("cost", n, res[0]);
	CU_ASSERT(resource_size(res[1]) > REPLIES_FLAT_MAX);
	return snapshot_of(res, 2, serial, clock_wall_s());
}

static void a_large_map_and_one_under_way_are_whole(void)
{
	struct buf b = BUF_INIT(64 << 20);
	struct world w;
	struct reply old, new;
	struct state st;
	ssize_t n;
	int fd;

	world_make(&w);
	slot_publish(w.slot, large(1, 700));
	fd = dial(&w);
	ask(fd, "GET", "/maps/cost", NULL);
	n = read(fd, buf_room(&b, 1000), 1000);
	CU_ASSERT_FATAL(n > 0);
	buf_used(&b, (size_t)n);
	slot_publish(w.slot, large(2, 701));
	new = get(&w, "/maps/cost");
	CU_ASSERT_EQUAL(verify(&new, &st), RC_OK);
	CU_ASSERT_EQUAL(st.pos.serial, 2);
	old = hear(fd, &b);
	CU_ASSERT_EQUAL(verify(&old, &st), RC_OK);
	CU_ASSERT_EQUAL(st.pos.serial, 1);
	free(old.head);
	free(new.head);
	old = get(&w, "/maps/none");	/* there is no IRD in this snapshot */
	CU_ASSERT_EQUAL(old.status, 404);
	free(old.head);
	world_end(&w);
}

struct reader {
	pthread_t thread;
	const struct world *w;
	const char *path;
	atomic_bool *stop;
	unsigned done, bad;
};

static void *read_on(void *arg)
{
	struct reader *r = arg;
	uint64_t last = 0;

	while (!atomic_load(r->stop) || r->done == 0) {
		struct reply got = get(r->w, r->path);
		struct state st = { 0 };

		if (got.status != 200 || verify(&got, &st) != RC_OK ||
		    st.pos.serial < last)
			r->bad++;
		last = st.pos.serial;
		r->done++;
		free(got.head);
	}
	return NULL;
}

static void readers_never_see_a_mixture(void)
{
	atomic_bool stop = false;
	struct world w;
	struct reader r[3] = { { .path = "/maps/" NET },
	                       { .path = "/maps/cost" },
	                       { .path = "/directory" } };
	char pid[16];

	serving(&w);
	for (int i = 0; i < 3; i++) {
		r[i].w = &w;
		r[i].stop = &stop;
		CU_ASSERT_EQUAL_FATAL(pthread_create(&r[i].thread, NULL,
		                                     read_on, &r[i]), 0);
	}
	for (unsigned i = 2; i < 300; i++) {
		snprintf(pid, sizeof(pid), "pid-x%u", i / 2);
		slot_publish(w.slot, maps(pid, i, clock_wall_s()));
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++) {
		pthread_join(r[i].thread, NULL);
		CU_ASSERT(r[i].done > 0);
		CU_ASSERT_EQUAL(r[i].bad, 0);
	}
	world_end(&w);
}

static void an_address_in_use_is_said(void)
{
	struct alto_http_config cfg = {
		.http = { .threads = 1, .max_conns = 4, .timeout_s = 5 },
		.heartbeat = HEARTBEAT
	};
	struct alto_http *a = NULL;
	struct diag d = { 0 };
	struct world w;
	char addr[32];

	world_make(&w);
	snprintf(addr, sizeof(addr), "127.0.0.1:%u", alto_http_port(w.a));
	cfg.http.addr = addr;
	cfg.slot = w.slot;
	cfg.status = w.status;
	CU_ASSERT_EQUAL(alto_http_start(&cfg, &d, &a), RC_EIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.text, addr));
	CU_ASSERT_PTR_NULL(a);
	world_end(&w);
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
		{ "readers never see a mixture", readers_never_see_a_mixture },
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
