/* Routes, replies and their store are one file because they share one order of
 * locks.
 *
 * Two locks. `lock` is held to look up a reply and count it; `build` is held by
 * the one thread that makes replies, so that a new version is laid out once and
 * not by every thread at the same moment. Who holds `build` may read `now` and
 * its answers without `lock`, since nobody else writes them.
 *
 * ALTO-Status and max-age speak of this moment, so the replies of a resource
 * are made anew in the first request of each second: a dozen header lines over
 * the same body.
 */
#include "common/service/alto_http.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/digest.h"
#include "common/core/snapshot.h"
#include "common/core/vtag.h"
#include "common/sys/clock.h"
#include "common/wire/error_json.h"
#include "common/wire/media.h"
#include "common/wire/state_json.h"

#define MAPS "/maps/"
#define GRACE_MS 300		/* for replies under way when it stops; what
				 * is idle then is closed with them */
#define STATE_MAX_AGE 5		/* seconds */
#define NOTHING_YET_S 5		/* Retry-After before the first version */
#define PROOF_TEXT (MERKLE_PATH_MAX * SHA256_SIZE * 2)
#define STATE_DOC_MAX (SNAPSHOT_RESOURCES_MAX * (RESOURCE_LEAF_MAX * 2u) + 4096)
#define VALUE_MAX 200		/* bytes of a request repeated in an error */
#define NEVER INT64_MIN

/* One body in one piece. */
struct body {
	atomic_uint refs;
	size_t len;
	char *data;
};

/* What a resource of a version is answered with. */
struct answer {
	int64_t second;			/* that the headers speak of, or NEVER */
	char etag[TAG_HEX + 3];
	struct body *body;		/* NULL: not made, or too large */
	struct http_reply *full, *unchanged;	/* 200, 304 */
};

/* A snapshot and its answers in the same order; the last one is /state. */
struct version {
	struct snapshot *s;
	size_t n;
	struct answer answer[];
};

struct alto_http {
	struct http *http;
	struct slot *slot;
	struct status *status;
	atomic_uint heartbeat;
	pthread_mutex_t build, lock;
	struct version *now;		/* NULL before the first request */
	char push_uri[2048];		/* under build */
};

/* bodies */

static void body_unref(void *arg)
{
	struct body *b = arg;

	if (b == NULL || atomic_fetch_sub(&b->refs, 1) > 1)
		return;
	free(b->data);
	free(b);
}

static struct body *body_ref(struct body *b)
{
	if (b != NULL)
		atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

/* Takes data over, also when it fails; NULL data fails. */
static enum rc body_new(char *data, size_t len, struct body **out)
{
	struct body *b = data != NULL ? malloc(sizeof(*b)) : NULL;

	if (b == NULL) {
		free(data);
		return RC_ENOMEM;
	}
	atomic_init(&b->refs, 1);
	b->len = len;
	b->data = data;
	*out = b;
	return RC_OK;
}

static enum rc body_of_resource(const struct resource *r, struct body **out)
{
	size_t len = (size_t)resource_size(r);
	char *data = malloc(len + 1);

	if (data != NULL)
		resource_read(r, 0, data, len);
	return body_new(data, len, out);
}

static enum rc body_of_state(const struct snapshot *s, struct body **out)
{
	struct buf doc = BUF_INIT(STATE_DOC_MAX);
	enum rc rc = state_doc(s, &doc);
	size_t len;
	char *data;

	if (rc == RC_OK)
		rc = buf_rc(&doc);
	if (rc == RC_OK) {
		data = buf_take(&doc, &len);
		rc = body_new(data, len, out);
	}
	buf_free(&doc);
	return rc;
}

/* versions */

static void version_free(struct version *v)
{
	if (v == NULL)
		return;
	for (size_t i = 0; i < v->n; i++) {
		http_reply_unref(v->answer[i].full);
		http_reply_unref(v->answer[i].unchanged);
		body_unref(v->answer[i].body);
	}
	snapshot_unref(v->s);
	free(v);
}

/* A body is the resource's: what did not change since old is not copied again.
 * Addresses may be compared because old keeps its resources alive. */
static void inherit(struct version *v, const struct version *old)
{
	for (size_t i = 0; i < v->n - 1; i++) {
		struct resource *r = snapshot_at(v->s, i);
		long at = snapshot_find(old->s, resource_name(r)->id);

		if (at >= 0 && snapshot_at(old->s, (size_t)at) == r)
			v->answer[i].body = body_ref(old->answer[at].body);
	}
}

static enum rc version_new(struct snapshot *s, const struct version *old,
                           struct version **out)
{
	size_t n = snapshot_count(s) + 1;
	struct version *v = calloc(1, sizeof(*v) + n * sizeof(v->answer[0]));

	if (v == NULL)
		return RC_ENOMEM;
	v->s = snapshot_ref(s);
	v->n = n;
	for (size_t i = 0; i < n; i++)
		v->answer[i].second = NEVER;
	if (old != NULL)
		inherit(v, old);
	*out = v;
	return RC_OK;
}

/* headers */

struct headers {
	const char *type, *etag;
	char cache[48], status[48];
	struct buf proof;
	const char *leaf;		/* NULL: not a resource */
	const struct state *st;
	const char *push;		/* NULL: not said here */
};

static enum rc put_headers(struct http_reply *r, const struct headers *h)
{
	const bool own = h->leaf != NULL;
	const char *const lines[][2] = {
		{ "Content-Type", h->type },
		{ "ETag", h->etag },
		{ "Cache-Control", h->cache },
		{ "Vary", "Accept-Encoding" },
		{ "ALTO-Status", h->status },
		{ "ALTO-Push", h->push },
		{ "ALTO-Resource", h->leaf },
		{ "ALTO-Proof", own ? buf_str(&h->proof) : NULL },
		{ "ALTO-State", own ? h->st->text : NULL },
		{ "Signature-Input", own ? h->st->input : NULL },
		{ "Signature", own ? h->st->signature : NULL }
	};
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < sizeof(lines) / sizeof(*lines);
	     i++)
		if (lines[i][1] != NULL && lines[i][1][0] != '\0')
			rc = http_reply_header(r, lines[i][0], lines[i][1]);
	return rc;
}

static int64_t age_of(const struct state *st, int64_t now)
{
	return now > st->created ? now - st->created : 0;
}

static bool expired(const struct state *st, int64_t now)
{
	return now >= st->expires;
}

static void time_headers(struct headers *h, unsigned heartbeat,
                         unsigned max_age, int64_t now)
{
	int64_t age = age_of(h->st, now), left = h->st->expires - now;

	if (left > max_age)
		left = max_age;
	snprintf(h->cache, sizeof(h->cache), "max-age=%lld",
	         (long long)(left > 0 ? left : 0));
	snprintf(h->status, sizeof(h->status), "%s;age=%lld",
	         age < (int64_t)STATE_FRESH_BEATS * heartbeat ? "fresh" : "stale",
	         (long long)age);
}

static enum rc proof_headers(struct headers *h, const struct snapshot *s,
                              size_t i)
{
	uint8_t path[MERKLE_PATH_MAX * SHA256_SIZE];
	size_t n = snapshot_path(s, i, path);

	h->leaf = resource_leaf(snapshot_at(s, i));
	proof_print(path, n, i, &h->proof);
	return buf_rc(&h->proof);
}

/* making replies; under build */

static ssize_t read_resource(void *arg, uint64_t off, char *dst, size_t max)
{
	return (ssize_t)resource_read(arg, off, dst, max);
}

static void let_resource_go(void *arg)
{
	resource_unref(arg);
}

static enum rc new_full(const struct version *v, size_t i,
                        struct http_reply **out)
{
	struct body *b = v->answer[i].body;
	struct http_reader reader = { .read = read_resource,
	                              .free = let_resource_go };
	struct resource *r;

	if (b != NULL)
		return http_reply_new_bytes(200, &(struct http_bytes){
			b->data, b->len, body_unref, body_ref(b) }, out);
	r = snapshot_at(v->s, i);
	reader.arg = resource_ref(r);
	reader.len = resource_size(r);
	return http_reply_new_reader(200, &reader, out);
}

static enum rc state_etag(struct answer *e)
{
	uint8_t hash[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];
	struct digest *d = NULL;
	enum rc rc = digest_new(&d);

	if (rc != RC_OK)
		return rc;
	digest_start(d);
	digest_add(d, e->body->data, e->body->len);
	rc = digest_end(d, hash);
	enc_hex(hash, sizeof(hash), hex);
	if (rc == RC_OK)
		snprintf(e->etag, sizeof(e->etag), "\"%s\"", hex);
	digest_free(d);
	return rc;
}

/* Body and ETag, which stay as long as the version. */
static enum rc lay_out(struct version *v, size_t i)
{
	struct answer *e = &v->answer[i];
	const struct resource *r;
	enum rc rc = RC_OK;

	if (e->etag[0] != '\0')
		return RC_OK;
	if (i == v->n - 1) {
		if (e->body == NULL)
			rc = body_of_state(v->s, &e->body);
		return rc == RC_OK ? state_etag(e) : rc;
	}
	r = snapshot_at(v->s, i);
	if (e->body == NULL && resource_size(r) <= ALTO_FLAT_MAX)
		rc = body_of_resource(r, &e->body);
	if (rc == RC_OK)
		snprintf(e->etag, sizeof(e->etag), "\"%s\"",
		         resource_name(r)->tag);
	return rc;
}

static enum rc fill_headers(struct headers *h, const struct alto_http *a,
                            const struct version *v, size_t i, int64_t now)
{
	const bool is_state = i == v->n - 1;
	unsigned max_age = a->heartbeat;

	h->st = snapshot_state(v->s);
	h->etag = v->answer[i].etag;
	if (is_state && max_age > STATE_MAX_AGE)
		max_age = STATE_MAX_AGE;
	time_headers(h, a->heartbeat, max_age, now);
	if (is_state) {
		h->type = MEDIA_STATE;
		return RC_OK;
	}
	h->type = resource_name(snapshot_at(v->s, i))->type;
	if ((long)i == snapshot_find(v->s, DIRECTORY_ID))
		h->push = a->push_uri;
	return proof_headers(h, v->s, i);
}

static enum rc make_replies(const struct alto_http *a, const struct version *v,
                            size_t i, int64_t now, struct http_reply *made[2])
{
	const struct http_bytes nothing = { NULL, 0, NULL, NULL };
	struct headers h = { .proof = BUF_INIT(PROOF_TEXT) };
	enum rc rc = fill_headers(&h, a, v, i, now);

	if (rc == RC_OK)
		rc = new_full(v, i, &made[0]);
	if (rc == RC_OK)
		rc = put_headers(made[0], &h);
	if (rc == RC_OK)
		rc = http_reply_new_bytes(304, &nothing, &made[1]);
	if (rc == RC_OK)
		rc = put_headers(made[1], &h);
	buf_free(&h.proof);
	return rc;
}

static enum rc renew_answer(struct alto_http *a, size_t i, int64_t now)
{
	struct answer *e = &a->now->answer[i];
	struct http_reply *made[2] = { NULL, NULL }, *old[2] = { NULL, NULL };
	enum rc rc = lay_out(a->now, i);

	if (rc == RC_OK)
		rc = make_replies(a, a->now, i, now, made);
	if (rc == RC_OK) {
		pthread_mutex_lock(&a->lock);
		old[0] = e->full;
		old[1] = e->unchanged;
		e->full = made[0];
		e->unchanged = made[1];
		e->second = now;
		pthread_mutex_unlock(&a->lock);
		made[0] = made[1] = NULL;
	}
	for (int k = 0; k < 2; k++) {
		http_reply_unref(made[k]);
		http_reply_unref(old[k]);
	}
	return rc;
}

/* *old: the version that was replaced; it may be large, so the caller frees it
 * when no lock is held. */
static enum rc renew_version(struct alto_http *a, struct snapshot *s,
                             struct version **old)
{
	struct version *next = NULL;
	enum rc rc;

	if (a->now != NULL && a->now->s == s)
		return RC_OK;
	rc = version_new(s, a->now, &next);
	if (rc != RC_OK)
		return rc;
	pthread_mutex_lock(&a->lock);
	*old = a->now;
	a->now = next;
	pthread_mutex_unlock(&a->lock);
	return RC_OK;
}

/* answering */

struct want {
	struct snapshot *s;
	size_t i;			/* in a version */
	int64_t now;
	const char *if_none_match;
	uint64_t size;			/* out: of the body in full */
};

static uint64_t size_of(const struct version *v, size_t i)
{
	return v->answer[i].body != NULL ? v->answer[i].body->len
	                                 : resource_size(snapshot_at(v->s, i));
}

/* NULL: has yet to be made. One that another thread made a moment later will do
 * as well. */
static struct http_reply *take(struct alto_http *a, struct want *w)
{
	struct http_reply *r = NULL;
	const struct answer *e;

	pthread_mutex_lock(&a->lock);
	e = a->now != NULL && a->now->s == w->s ? &a->now->answer[w->i] : NULL;
	if (e != NULL && (e->second == w->now || e->second == w->now + 1)) {
		w->size = size_of(a->now, w->i);
		r = http_reply_ref(http_etag_match(w->if_none_match, e->etag)
		                   ? e->unchanged : e->full);
	}
	pthread_mutex_unlock(&a->lock);
	return r;
}

/* NULL: out of memory. */
static struct http_reply *shared(struct alto_http *a, struct want *w)
{
	struct http_reply *r = take(a, w);
	struct version *old = NULL;
	enum rc rc;

	if (r != NULL)
		return r;
	pthread_mutex_lock(&a->build);
	r = take(a, w);			/* another thread was faster */
	if (r == NULL) {
		rc = renew_version(a, w->s, &old);
		if (rc == RC_OK)
			rc = renew_answer(a, w->i, w->now);
		if (rc == RC_OK)
			r = take(a, w);
	}
	pthread_mutex_unlock(&a->build);
	version_free(old);
	return r;
}

/* An error is not kept by caches. name NULL: no more to say. */
static struct http_reply *finish(struct http_reply *r, const char *name,
                                 const char *value)
{
	enum rc rc = http_reply_header(r, "Cache-Control", "no-store");

	if (rc == RC_OK && name != NULL)
		rc = http_reply_header(r, name, value);
	if (rc == RC_OK)
		return r;
	http_reply_unref(r);
	return NULL;
}

/* RFC 7285 s8.5.2 wants a registered code and has none for a path or a method:
 * to it both are values that are not allowed, of the field that is named. */
static struct http_reply *refuse(unsigned status, const char *field,
                                 const char *value, const char *text)
{
	struct buf body = BUF_INIT(4096);
	struct http_reply *r = NULL;
	char shown[VALUE_MAX + 1];
	size_t n = strnlen(value, VALUE_MAX);

	for (size_t i = 0; i < n; i++)
		shown[i] = value[i] >= ' ' && value[i] < 0x7f ? value[i] : '?';
	shown[n] = '\0';
	error_json("E_INVALID_FIELD_VALUE", field, shown, text, &body);
	if (buf_rc(&body) != RC_OK ||
	    http_reply_new_text(status, MEDIA_ERROR, buf_str(&body), &r)
	    != RC_OK)
		r = NULL;
	buf_free(&body);
	if (r == NULL)
		return NULL;
	return finish(r, status == 405 ? "Allow" : NULL, "GET, HEAD");
}

/* The error codes of RFC 7285 are for requests; this is no fault of the
 * request, so the body is a sentence for people. */
static struct http_reply *unavailable(unsigned retry_after, const char *text)
{
	struct http_reply *r;
	char seconds[16];

	snprintf(seconds, sizeof(seconds), "%u", retry_after);
	if (http_reply_new_text(503, "text/plain", text, &r) != RC_OK)
		return NULL;
	return finish(r, "Retry-After", seconds);
}

static struct http_reply *out_of_date(const struct alto_http *a,
                                      const struct state *st, int64_t now)
{
	char text[160];

	snprintf(text, sizeof(text), "What is held here was signed %lld s ago "
	         "and is not valid any more.\n", (long long)age_of(st, now));
	return unavailable(a->heartbeat, text);
}

/* routes */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A resource-id as it stands in a path, where ":" and "@" may be %XX. */
static bool read_id(const char *s, char id[ID_MAX + 1])
{
	size_t n = 0;

	for (; *s != '\0'; s++) {
		int c = (unsigned char)*s;

		if (n == ID_MAX)
			return false;
		if (c == '%') {
			int high = hex_digit(s[1]);
			int low = high < 0 ? -1 : hex_digit(s[2]);

			if (low < 0)
				return false;
			c = high << 4 | low;
			s += 2;
		}
		id[n++] = (char)c;
	}
	id[n] = '\0';
	return resource_id_ok(id, n);
}

/* id: of the resource, or "" for /state. */
static bool route(const char *path, char id[ID_MAX + 1])
{
	id[0] = '\0';
	if (strcmp(path, "/state") == 0)
		return true;
	if (strcmp(path, "/directory") == 0) {
		memcpy(id, DIRECTORY_ID, sizeof(DIRECTORY_ID));
		return true;
	}
	return strncmp(path, MAPS, strlen(MAPS)) == 0 &&
	       read_id(path + strlen(MAPS), id);
}

static struct http_reply *not_found(const struct http_request *rq)
{
	return refuse(404, "path", rq->path, "nothing is served there");
}

static struct http_reply *from_snapshot(struct alto_http *a,
                                        const struct http_request *rq,
                                        struct snapshot *s, const char *id)
{
	const struct state *st = snapshot_state(s);
	struct want w = { .s = s, .now = clock_wall_s(),
		.if_none_match = http_header(rq, "If-None-Match") };
	long at = id[0] == '\0' ? (long)snapshot_count(s)
	                        : snapshot_find(s, id);
	struct http_reply *r;

	if (at < 0)
		return not_found(rq);
	if (expired(st, w.now))
		return out_of_date(a, st, w.now);
	w.i = (size_t)at;
	r = shared(a, &w);
	if (r != NULL && http_reply_status(r) == 200 &&
	    strcmp(rq->method, "GET") == 0)
		status_add(a->status, STATUS_http_bytes, w.size);
	return r;
}

static struct http_reply *dispatch(struct alto_http *a,
                                   const struct http_request *rq)
{
	struct http_reply *r;
	struct snapshot *s;
	char id[ID_MAX + 1];

	if (!route(rq->path, id))
		return not_found(rq);
	if (strcmp(rq->method, "GET") != 0 && strcmp(rq->method, "HEAD") != 0)
		return refuse(405, "method", rq->method,
		              "only GET and HEAD are served here");
	s = slot_ref(a->slot);
	if (s == NULL)
		return unavailable(NOTHING_YET_S, "No map is here yet.\n");
	r = from_snapshot(a, rq, s, id);
	snapshot_unref(s);
	return r;
}

static struct http_reply *on_request(const struct http_request *rq, void *arg)
{
	struct alto_http *a = arg;
	struct http_reply *r = dispatch(a, rq);
	unsigned status = r != NULL ? http_reply_status(r) : 500;

	status_add(a->status, STATUS_http_requests, 1);
	if (status == 304)
		status_add(a->status, STATUS_http_not_modified, 1);
	else if (status >= 400)
		status_add(a->status, STATUS_http_errors, 1);
	return r;
}

/* the listener */

/* NULL is fine. */
static void destroy(struct alto_http *a)
{
	if (a == NULL)
		return;
	version_free(a->now);
	pthread_mutex_destroy(&a->lock);
	pthread_mutex_destroy(&a->build);
	free(a);
}

static struct alto_http *create(const struct alto_http_config *cfg)
{
	struct alto_http *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->slot = cfg->slot;
	a->status = cfg->status;
	a->heartbeat = cfg->heartbeat;
	snprintf(a->push_uri, sizeof(a->push_uri), "%s", cfg->push_uri);
	if (pthread_mutex_init(&a->build, NULL) != 0) {
		free(a);
		return NULL;
	}
	if (pthread_mutex_init(&a->lock, NULL) != 0) {
		pthread_mutex_destroy(&a->build);
		free(a);
		return NULL;
	}
	return a;
}

enum rc alto_http_start(const struct alto_http_config *cfg, struct diag *d,
                        struct alto_http **out)
{
	struct alto_http *a = create(cfg);
	const struct http_handler handler = { on_request, a };
	enum rc rc;

	if (a == NULL)
		return RC_ENOMEM;
	rc = http_start(&cfg->http, &handler, d, &a->http);
	if (rc != RC_OK) {
		destroy(a);
		return rc;
	}
	*out = a;
	return RC_OK;
}

uint16_t alto_http_port(const struct alto_http *a)
{
	return http_port(a->http);
}

void alto_http_stop(struct alto_http *a)
{
	if (a == NULL)
		return;
	http_stop(a->http, GRACE_MS);
	destroy(a);
}

void alto_http_set_heartbeat(struct alto_http *a, unsigned seconds)
{
	a->heartbeat = seconds;
}

/* While a request makes replies there is traffic, and one soon after will see
 * the new version: nobody waits for it here. */
void alto_http_turn(struct alto_http *a)
{
	struct snapshot *s = slot_ref(a->slot);
	struct version *old = NULL;

	if (s != NULL && pthread_mutex_trylock(&a->build) == 0) {
		if (a->now != NULL)
			(void)renew_version(a, s, &old);
		pthread_mutex_unlock(&a->build);
	}
	version_free(old);
	snapshot_unref(s);
}

void alto_http_set_push(struct alto_http *a, const char *uri)
{
	long at;

	pthread_mutex_lock(&a->build);
	snprintf(a->push_uri, sizeof(a->push_uri), "%s", uri);
	at = a->now != NULL ? snapshot_find(a->now->s, DIRECTORY_ID) : -1;
	if (at >= 0) {
		pthread_mutex_lock(&a->lock);
		a->now->answer[at].second = NEVER;
		pthread_mutex_unlock(&a->lock);
	}
	pthread_mutex_unlock(&a->build);
}
