/* Two locks. `lock` is held to look up a reply and count it; `build` is held by
 * the one thread that makes replies, so that a new version is laid out once and
 * not by every thread at the same moment. Who holds `build` may read `now` and
 * its answers without `lock`, since nobody else writes them.
 *
 * ALTO-Status and max-age speak of this moment, so the replies of a resource
 * are made anew in the first request of each second: a dozen header lines over
 * the same body.
 */
#include "common/service/replies.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/digest.h"
#include "common/core/vtag.h"
#include "common/wire/media.h"
#include "common/wire/state_json.h"

#define STATE_MAX_AGE 5		/* seconds */
#define PROOF_TEXT (MERKLE_PATH_MAX * SHA256_SIZE * 2)
#define STATE_DOC_MAX (SNAPSHOT_RESOURCES_MAX * (RESOURCE_LEAF_MAX * 2u) + 4096)
#define NEVER INT64_MIN

/* One body in one piece. */
struct body {
	atomic_uint refs;
	size_t len;
	char *data;
};

/* What a resource of a version is answered with. */
struct answer {
	int64_t second;			/* the headers speak of; or NEVER */
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

struct replies {
	atomic_uint heartbeat;
	pthread_mutex_t build, lock;
	struct version *now;		/* NULL before the first request */
	char push_uri[2048];
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

int64_t replies_age(const struct state *st, int64_t now)
{
	return now > st->created ? now - st->created : 0;
}

static void time_headers(struct headers *h, unsigned heartbeat,
                         unsigned max_age, int64_t now)
{
	int64_t age = replies_age(h->st, now), left = h->st->expires - now;

	if (left > max_age)
		left = max_age;
	snprintf(h->cache, sizeof(h->cache), "max-age=%lld",
	         (long long)(left > 0 ? left : 0));
	snprintf(h->status, sizeof(h->status), "%s;age=%lld",
	         age < (int64_t)STATE_FRESH_BEATS * heartbeat ? "fresh" :
	         "stale", (long long)age);
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
	if (e->body == NULL && resource_size(r) <= REPLIES_FLAT_MAX)
		rc = body_of_resource(r, &e->body);
	if (rc == RC_OK)
		snprintf(e->etag, sizeof(e->etag), "\"%s\"",
		         resource_name(r)->tag);
	return rc;
}

static enum rc fill_headers(struct headers *h, const struct replies *all,
                            const struct version *v, size_t i, int64_t now)
{
	const bool is_state = i == v->n - 1;
	unsigned max_age = all->heartbeat;

	h->st = snapshot_state(v->s);
	h->etag = v->answer[i].etag;
	if (is_state && max_age > STATE_MAX_AGE)
		max_age = STATE_MAX_AGE;
	time_headers(h, all->heartbeat, max_age, now);
	if (is_state) {
		h->type = MEDIA_STATE;
		return RC_OK;
	}
	h->type = resource_name(snapshot_at(v->s, i))->type;
	if ((long)i == snapshot_find(v->s, DIRECTORY_ID))
		h->push = all->push_uri;
	return proof_headers(h, v->s, i);
}

static enum rc make_replies(const struct replies *all, const struct version *v,
                            size_t i, int64_t now, struct http_reply *made[2])
{
	const struct http_bytes nothing = { NULL, 0, NULL, NULL };
	struct headers h = { .proof = BUF_INIT(PROOF_TEXT) };
	enum rc rc = fill_headers(&h, all, v, i, now);

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

static enum rc renew_answer(struct replies *all, size_t i, int64_t now)
{
	struct answer *e = &all->now->answer[i];
	struct http_reply *made[2] = { NULL, NULL }, *old[2] = { NULL, NULL };
	enum rc rc = lay_out(all->now, i);

	if (rc == RC_OK)
		rc = make_replies(all, all->now, i, now, made);
	if (rc == RC_OK) {
		pthread_mutex_lock(&all->lock);
		old[0] = e->full;
		old[1] = e->unchanged;
		e->full = made[0];
		e->unchanged = made[1];
		e->second = now;
		pthread_mutex_unlock(&all->lock);
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
static enum rc renew_version(struct replies *all, struct snapshot *s,
                             struct version **old)
{
	struct version *next = NULL;
	enum rc rc;

	if (all->now != NULL && all->now->s == s)
		return RC_OK;
	rc = version_new(s, all->now, &next);
	if (rc != RC_OK)
		return rc;
	pthread_mutex_lock(&all->lock);
	*old = all->now;
	all->now = next;
	pthread_mutex_unlock(&all->lock);
	return RC_OK;
}

/* answering */

static uint64_t size_of(const struct version *v, size_t i)
{
	return v->answer[i].body != NULL ? v->answer[i].body->len
	                                 : resource_size(snapshot_at(v->s, i));
}

/* NULL: has yet to be made. One that another thread made a moment later will do
 * as well. */
static struct http_reply *take(struct replies *all, struct replies_want *w)
{
	struct http_reply *r = NULL;
	const struct answer *e;

	pthread_mutex_lock(&all->lock);
	e = all->now != NULL && all->now->s == w->s ? &all->now->answer[w->i] :
		NULL;
	if (e != NULL && (e->second == w->now || e->second == w->now + 1)) {
		w->size = size_of(all->now, w->i);
		r = http_reply_ref(http_etag_match(w->if_none_match, e->etag)
		                   ? e->unchanged : e->full);
	}
	pthread_mutex_unlock(&all->lock);
	return r;
}

struct http_reply *replies_get(struct replies *all, struct replies_want *w)
{
	struct http_reply *r = take(all, w);
	struct version *old = NULL;
	enum rc rc;

	if (r != NULL)
		return r;
	pthread_mutex_lock(&all->build);
	r = take(all, w);			/* another thread was faster */
	if (r == NULL) {
		rc = renew_version(all, w->s, &old);
		if (rc == RC_OK)
			rc = renew_answer(all, w->i, w->now);
		if (rc == RC_OK)
			r = take(all, w);
	}
	pthread_mutex_unlock(&all->build);
	version_free(old);
	return r;
}

/* the store */

enum rc replies_new(unsigned heartbeat, const char *push_uri,
                    struct replies **out)
{
	struct replies *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return RC_ENOMEM;
	all->heartbeat = heartbeat;
	snprintf(all->push_uri, sizeof(all->push_uri), "%s", push_uri);
	if (pthread_mutex_init(&all->build, NULL) != 0) {
		free(all);
		return RC_ENOMEM;
	}
	if (pthread_mutex_init(&all->lock, NULL) != 0) {
		pthread_mutex_destroy(&all->build);
		free(all);
		return RC_ENOMEM;
	}
	*out = all;
	return RC_OK;
}

void replies_free(struct replies *all)
{
	if (all == NULL)
		return;
	version_free(all->now);
	pthread_mutex_destroy(&all->lock);
	pthread_mutex_destroy(&all->build);
	free(all);
}

void replies_set_heartbeat(struct replies *all, unsigned seconds)
{
	all->heartbeat = seconds;
}

unsigned replies_heartbeat(const struct replies *all)
{
	return all->heartbeat;
}

/* While a request makes replies there is traffic, and one soon after will see
 * the new version: nobody waits for it here. */
void replies_turn(struct replies *all, struct snapshot *s)
{
	struct version *old = NULL;

	if (pthread_mutex_trylock(&all->build) != 0)
		return;
	if (all->now != NULL)
		(void)renew_version(all, s, &old);
	pthread_mutex_unlock(&all->build);
	version_free(old);
}
