#include "common/service/alto_http.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/snapshot.h"
#include "common/service/answers.h"
#include "common/service/blob.h"
#include "common/service/caller.h"
#include "common/service/cors.h"
#include "common/service/heavy.h"
#include "common/service/mapreply.h"
#include "common/service/miss.h"
#include "common/service/pollers.h"
#include "common/service/refusal.h"
#include "common/service/replies.h"
#include "common/service/route.h"
#include "common/sys/clock.h"
#include "common/wire/ask_json.h"
#include "common/wire/catalog.h"
#include "common/wire/httpfield.h"
#include "common/wire/media.h"

#define GRACE_MS 300		/* for replies under way when it stops; what
				 * is idle then is closed with them */
#define NOTHING_YET_S 5		/* Retry-After before the first version */
#define CODING_RETRY_S 1	/* until what comes in no other is coded */
#define LIST_MAX 4096		/* a header that is a list; one that is
					 * longer counts as not sent */
#define SUPERSEDED_MAX ((uint64_t)256 << 20)	/* bytes of old maps that are
						 * still being read */
#define ALLOW_MAPS "GET, HEAD, OPTIONS"
#define ALLOW_SERVICES "POST, OPTIONS"

struct alto_http {
	struct http *http;
	struct slot *slot;
	struct status *status;
	size_t max_body;
	struct cors *cors;
	struct callers *callers;
	struct replies *replies;
	struct answers *answers;
	struct heavy *heavy;
	struct pollers *pollers;
	_Atomic(struct miss *) miss;	/* NULL: nothing is waited for */
};

/* One request on its way. A heavy one is copied, with references of its own, and
 * goes to another thread. */
struct call {
	struct alto_http *a;
	const struct http_request *rq;
	struct snapshot *s;		/* NULL: there is none yet */
	struct catalog *catalog;
	int64_t now;
	const char *allow;		/* cors_allow() */
	struct route to;
	uint64_t size;			/* of the answer's body */
	bool dressed;			/* the reply has its CORS headers */
	struct http_later *later;	/* how it is answered; NULL: at once */
	bool waited;			/* it need not wait again */
	char accept[LIST_MAX], coding[LIST_MAX];	/* "": not sent */
	char caller[CALLER_TEXT_MAX + 1];
};

/* saying no */

static struct http_reply *not_found(const struct call *c)
{
	return refusal_reply(&(struct refusal){
		.status = 404, .field = "path", .value = c->rq->path,
		.text = "nothing is served there" });
}

static struct http_reply *not_allowed(const struct call *c, const char *methods)
{
	char text[80];

	snprintf(text, sizeof(text), "what is there takes %s", methods);
	return refusal_reply(&(struct refusal){
		.status = 405, .field = "method", .value = c->rq->method,
		.text = text, .head = "Allow", .is = methods });
}

static struct http_reply *not_acceptable(const char *field, const char *value)
{
	return refusal_reply(&(struct refusal){
		.status = 406, .field = field, .value = value,
		.text = "what is there comes in no form that is accepted" });
}

static struct http_reply *no_such_range(const char *range, uint64_t size)
{
	char value[48];

	snprintf(value, sizeof(value), "bytes */%llu",
	         (unsigned long long)size);
	return refusal_reply(&(struct refusal){
		.status = 416, .field = "range", .value = range,
		.text = "the range begins after the end",
		.head = "Content-Range", .is = value });
}

static struct http_reply *out_of_date(const struct call *c)
{
	char text[160];

	snprintf(text, sizeof(text), "What is held here was %s %lld s ago "
	         "and is not valid any more.\n",
	         snapshot_signed(c->s) ? "signed" : "fetched",
	         (long long)mapreply_age(snapshot_state(c->s), c->now));
	return refusal_unavailable(replies_heartbeat(c->a->replies), text);
}

static bool expired(const struct call *c)
{
	return c->now >= snapshot_state(c->s)->expires;
}

/* answering */

/* All values of a header; NULL: not sent. dst has them when the request has waited:
 * it has no headers any more. */
static const char *list(const struct call *c, const char *name,
                        char dst[LIST_MAX])
{
	if (c->waited)
		return dst[0] != '\0' ? dst : NULL;
	return http_header_list(c->rq, name, dst, LIST_MAX) > 0 ? dst : NULL;
}

static const char *media_of(const struct call *c)
{
	if (c->to.i == snapshot_count(c->s))
		return MEDIA_STATE;
	return resource_name(snapshot_at(c->s, c->to.i))->type;
}

static void note_poll(struct call *c)
{
	status_add(c->a->status, STATUS_state_requests, 1);
	caller_find(c->a->callers, c->rq, c->caller);
	if (c->caller[0] != '\0')	/* without "ipv4:" */
		pollers_note(c->a->pollers, c->caller + 5,
		             http_header(c->rq, "User-Agent"), c->now);
}

static struct http_reply *get_map(struct call *c)
{
	char held[LIST_MAX];
	const char *accept = list(c, "Accept", c->accept);
	struct replies_want w = { .s = c->s, .i = c->to.i, .now = c->now,
	                          .allow = c->allow };
	struct http_reply *r;

	if (c->to.i == snapshot_count(c->s) && !c->waited)
		note_poll(c);
	if (!accept_takes(accept, media_of(c)))
		return not_acceptable("accept", accept);
	if (expired(c))
		return out_of_date(c);
	held[0] = '\0';			/* after waiting: the whole map */
	w.wish.if_none_match = list(c, "If-None-Match", held);
	w.wish.accept_encoding = list(c, "Accept-Encoding", c->coding);
	if (strcmp(c->rq->method, "GET") == 0) {
		w.wish.range = http_header(c->rq, "Range");
		if (w.wish.range != NULL)
			w.wish.if_range = http_header(c->rq, "If-Range");
	}
	r = replies_get(c->a->replies, &w);
	if (w.refused == 416)
		return no_such_range(w.wish.range, w.size);
	if (w.refused == 406)
		return not_acceptable("accept-encoding",
		                      w.wish.accept_encoding);
	if (w.refused == 503)
		return refusal_unavailable(CODING_RETRY_S,
		                           "It is being coded.\n");
	c->dressed = true;
	c->size = w.size;
	return r;
}

/* the end of a request */

/* Lets web pages read it, if they may. */
static struct http_reply *dress(const struct alto_http *a, const char *allow,
                                struct http_reply *r)
{
	enum rc rc = RC_OK;

	if (r == NULL)
		return NULL;
	if (cors_by_origin(a->cors))
		rc = http_reply_header(r, "Vary", "Origin");
	if (rc == RC_OK)
		rc = cors_put(allow, r);
	if (rc == RC_OK)
		return r;
	http_reply_unref(r);
	return NULL;
}

static void count(const struct call *c, unsigned status)
{
	struct status *st = c->a->status;

	status_add(st, STATUS_http_requests, 1);
	if (status == 304)
		status_add(st, STATUS_http_not_modified, 1);
	else if (status >= 400)
		status_add(st, STATUS_http_errors, 1);
	else if (strcmp(c->rq->method, "HEAD") != 0)
		status_add(st, STATUS_http_bytes, c->size);
}

/* The end of c, wherever it was made. */
static struct http_reply *finish(struct call *c, struct http_reply *r)
{
	if (!c->dressed)
		r = dress(c->a, c->allow, r);
	count(c, r != NULL ? http_reply_status(r) : 500);
	catalog_unref(c->catalog);
	snapshot_unref(c->s);
	return r;
}

/* heavy answers */

/* Answers a copy and frees it. */
static void reply_later(struct call *c, struct http_reply *r)
{
	struct http_later *later = c->later;

	r = finish(c, r);
	free(c);
	http_later_reply(later, r);
}

/* What a POST asks; all of it is in c. */
static struct answers_ask what_of(const struct call *c)
{
	return (struct answers_ask){
		.rq = c->rq, .caller = c->caller, .s = c->s, .sv = c->to.sv,
		.accept = c->accept[0] != '\0' ? c->accept : NULL,
		.accept_encoding = c->coding[0] != '\0' ? c->coding : NULL
	};
}

static void run_heavy(void *arg)
{
	struct call *c = arg;
	const struct answers_ask q = what_of(c);

	reply_later(c, answers_get(c->a->answers, &q, &c->size));
}

/* The listener has stopped: nobody hears it. */
static void drop_heavy(void *arg)
{
	reply_later(arg, NULL);
}

/* IPv6 counts by /64, as connections do. */
static struct heavy_client client_of(const struct call *c)
{
	struct heavy_client who = { .id = { 0 } };
	struct ask_endpoint e;
	bool v6;

	if (ask_endpoint_read(c->caller, strlen(c->caller), &e) != RC_OK)
		return who;
	v6 = e.family == FAMILY_IPV6;
	who.id[0] = (uint8_t)(1 + v6);
	memcpy(who.id + 1, e.addr, v6 ? 8 : 4);
	return who;
}

static struct http_reply *post_heavy(struct call *c)
{
	const struct heavy_client who = client_of(c);
	struct call *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		return NULL;
	c->later = http_later(c->rq);
	if (c->later == NULL) {
		free(copy);
		return answers_busy(c->a->answers);
	}
	*copy = *c;
	copy->rq = http_later_request(c->later);
	copy->s = snapshot_ref(c->s);
	copy->catalog = catalog_ref(c->catalog);
	if (heavy_put(c->a->heavy, &who, &(struct heavy_work){
		run_heavy, drop_heavy, copy }) == RC_OK)
		status_add(c->a->status, STATUS_computed_heavy, 1);
	else
		reply_later(copy, answers_busy(c->a->answers));
	return NULL;
}

static struct http_reply *post(struct call *c)
{
	struct http_reply *r = NULL;
	struct answers_ask q;
	bool heavy;

	(void)list(c, "Accept", c->accept);
	(void)list(c, "Accept-Encoding", c->coding);
	caller_find(c->a->callers, c->rq, c->caller);
	q = what_of(c);
	status_add(c->a->status, STATUS_computed, 1);
	if (answers_check(&q, &r) != RC_OK || r != NULL)
		return r;
	if (expired(c))
		return out_of_date(c);
	r = answers_quick(c->a->answers, &q, &c->size, &heavy);
	return heavy ? post_heavy(c) : r;
}

/* What may be asked of a path; a preflight (CORS) is told what a page may send. */
static struct http_reply *options(const struct call *c, const char *methods)
{
	struct http_reply *r = NULL;
	enum rc rc = http_reply_new_bytes(204, &(struct http_bytes){
		NULL, 0, NULL, NULL }, &r);

	if (rc != RC_OK)
		return NULL;
	rc = http_reply_header(r, "Allow", methods);
	if (rc == RC_OK && c->allow != NULL)
		rc = cors_put_preflight(methods, r);
	if (rc == RC_OK)
		return r;
	http_reply_unref(r);
	return NULL;
}

/* what is not held (yet) */

static struct http_reply *dispatch(struct call *c);

/* Could a map stand there that is not held, or only an old one? */
static bool is_missing(const struct call *c)
{
	struct route kind;

	if (c->s != NULL && c->to.target != TARGET_NONE && !expired(c))
		return false;
	route_find(c->rq->path, NULL, NULL, &kind);
	return kind.target == TARGET_MAP;
}

static void go_on(void *arg)
{
	struct call *c = arg;

	c->s = slot_take(c->a->slot, &c->catalog);
	c->now = clock_wall_s();
	reply_later(c, dispatch(c));
}

/* true: the request is answered later, after a question upstream. */
static bool wait_for(struct call *c)
{
	struct miss *m = atomic_load(&c->a->miss);
	struct call *copy;

	if (m == NULL || c->waited || !is_missing(c) || !miss_worth(m))
		return false;
	(void)list(c, "Accept", c->accept);
	(void)list(c, "Accept-Encoding", c->coding);
	copy = malloc(sizeof(*copy));
	if (copy != NULL)
		c->later = http_later(c->rq);
	if (c->later == NULL) {
		free(copy);
		return false;
	}
	*copy = *c;
	copy->rq = http_later_request(c->later);
	copy->s = NULL;
	copy->catalog = NULL;
	copy->waited = true;
	miss_wait(m, go_on, copy);
	return true;
}

static struct http_reply *dispatch(struct call *c)
{
	const char *method = c->rq->method, *methods = ALLOW_MAPS;
	bool ok = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

	if (strcmp(c->rq->path, "*") == 0)
		return options(c, "GET, HEAD, POST, OPTIONS");
	route_find(c->rq->path, c->s, c->catalog, &c->to);
	if (ok && wait_for(c))
		return NULL;
	if (c->to.target == TARGET_NONE)
		return not_found(c);
	if (c->to.target == TARGET_SERVICE) {
		methods = ALLOW_SERVICES;
		ok = strcmp(method, "POST") == 0;
	}
	if (strcmp(method, "OPTIONS") == 0)
		return options(c, methods);
	if (!ok)
		return not_allowed(c, methods);
	if (c->s == NULL)
		return refusal_unavailable(NOTHING_YET_S,
		                           "No map is here yet.\n");
	return c->to.target == TARGET_MAP ? get_map(c) : post(c);
}

/* the handler */

static struct http_reply *on_request(const struct http_request *rq, void *arg)
{
	struct alto_http *a = arg;
	struct http_reply *r;
	struct call c;

	c.a = a;
	c.rq = rq;
	c.catalog = NULL;
	c.s = slot_take(a->slot, &c.catalog);
	c.now = clock_wall_s();
	c.allow = cors_allow(a->cors, cors_by_origin(a->cors)
	                     ? http_header(rq, "Origin") : NULL);
	c.size = 0;
	c.dressed = false;
	c.later = NULL;
	c.waited = false;
	r = dispatch(&c);
	if (c.later == NULL)
		return finish(&c, r);
	catalog_unref(c.catalog);
	snapshot_unref(c.s);
	return NULL;
}

static struct http_reply *on_refuse(unsigned status, void *arg)
{
	struct alto_http *a = arg;
	struct refusal f = { .status = status, .field = "request" };
	char text[80];

	f.text = text;
	switch (status) {
	case 413:
		f.field = "content-length";
		snprintf(text, sizeof(text), "the body may have %zu bytes",
		         a->max_body);
		break;
	case 501:
		f.field = "transfer-encoding";
		snprintf(text, sizeof(text), "only chunked is known here");
		break;
	case 503:
		snprintf(text, sizeof(text),
		         "too many bodies are under way");
		break;
	default:
		snprintf(text, sizeof(text), "this is no request of HTTP/1.1");
		break;
	}
	status_add(a->status, STATUS_http_requests, 1);
	status_add(a->status, STATUS_http_errors, 1);
	return dress(a, cors_allow(a->cors, NULL), refusal_reply(&f));
}

/* the listener */

/* NULL is fine. */
static void destroy(struct alto_http *a)
{
	if (a == NULL)
		return;
	heavy_free(a->heavy);
	pollers_free(a->pollers);
	replies_free(a->replies);
	answers_free(a->answers);
	callers_free(a->callers);
	cors_free(a->cors);
	free(a);
}

static enum rc make_parts(struct alto_http *a,
                          const struct alto_http_config *cfg, struct diag *d)
{
	enum rc rc = cors_new(cfg->origins, cfg->n_origins, &a->cors);

	if (rc == RC_OK)
		rc = callers_new(cfg->forwarders, cfg->n_forwarders,
		                 cfg->forwarded_rfc7239, d, &a->callers);
	if (rc == RC_OK)
		rc = answers_new(&(struct answers_config){
			.answer_max = cfg->answer_max,
			.answers_max = cfg->answers_max,
			.status = a->status }, &a->answers);
	if (rc == RC_OK)
		rc = heavy_new(&a->heavy);
	if (rc == RC_OK)
		rc = pollers_new(&a->pollers);
	if (rc == RC_OK)
		rc = replies_new(&(struct replies_config){
			.heartbeat = cfg->heartbeat,
			.push_uri = cfg->push_uri, .cors = a->cors,
			.status = a->status }, &a->replies);
	return rc;
}

enum rc alto_http_start(const struct alto_http_config *cfg, struct diag *d,
                        struct alto_http **out)
{
	struct alto_http *a = calloc(1, sizeof(*a));
	struct http_handler handler = { .reply = on_request,
	                                .refuse = on_refuse, .arg = a };
	enum rc rc;

	if (a == NULL)
		return RC_ENOMEM;
	a->slot = cfg->slot;
	a->status = cfg->status;
	a->max_body = cfg->http.max_body;
	rc = make_parts(a, cfg, d);
	if (rc == RC_OK)
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

void alto_http_counts(const struct alto_http *a, struct http_counts *out)
{
	http_counts(a->http, out);
}

unsigned alto_http_conns(const struct alto_http *a)
{
	return http_conns(a->http);
}

struct pollers *alto_http_pollers(const struct alto_http *a)
{
	return a->pollers;
}

void alto_http_stop(struct alto_http *a)
{
	if (a == NULL)
		return;
	if (atomic_load(&a->miss) != NULL)
		miss_close(atomic_load(&a->miss));
	http_stop(a->http, GRACE_MS);
	destroy(a);
}

void alto_http_ahead(struct alto_http *a, struct snapshot *s)
{
	replies_ahead(a->replies, s);
}

enum rc alto_http_set_identity(struct alto_http *a, struct tls_identity *id)
{
	return http_set_identity(a->http, id);
}

void alto_http_set_miss(struct alto_http *a, struct miss *m)
{
	atomic_store(&a->miss, m);
}

void alto_http_set_heartbeat(struct alto_http *a, unsigned seconds)
{
	replies_set_heartbeat(a->replies, seconds);
}

void alto_http_turn(struct alto_http *a)
{
	struct snapshot *s = slot_ref(a->slot);

	if (s != NULL)
		replies_turn(a->replies, s);
	snapshot_unref(s);
	if (blob_superseded() > SUPERSEDED_MAX)
		http_shed(a->http);
}
