#include "common/service/alto_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/snapshot.h"
#include "common/core/vtag.h"
#include "common/service/replies.h"
#include "common/sys/clock.h"
#include "common/wire/error_json.h"
#include "common/wire/media.h"
#include "common/wire/state_json.h"

#define MAPS "/maps/"
#define GRACE_MS 300		/* for replies under way when it stops; what
				 * is idle then is closed with them */
#define NOTHING_YET_S 5		/* Retry-After before the first version */
#define VALUE_MAX 200		/* bytes of a request repeated in an error */

struct alto_http {
	struct http *http;
	struct slot *slot;
	struct status *status;
	struct replies *replies;
};

/* answers without a map */

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
	         "and is not valid any more.\n",
	         (long long)replies_age(st, now));
	return unavailable(replies_heartbeat(a->replies), text);
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

static bool expired(const struct state *st, int64_t now)
{
	return now >= st->expires;
}

static struct http_reply *from_snapshot(struct alto_http *a,
                                        const struct http_request *rq,
                                        struct snapshot *s, const char *id)
{
	const struct state *st = snapshot_state(s);
	struct replies_want w = { .s = s, .now = clock_wall_s(),
		.if_none_match = http_header(rq, "If-None-Match") };
	long at = id[0] == '\0' ? (long)snapshot_count(s)
	                        : snapshot_find(s, id);
	struct http_reply *r;

	if (at < 0)
		return not_found(rq);
	if (expired(st, w.now))
		return out_of_date(a, st, w.now);
	w.i = (size_t)at;
	r = replies_get(a->replies, &w);
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
	replies_free(a->replies);
	free(a);
}

static enum rc create(const struct alto_http_config *cfg,
                      struct alto_http **out)
{
	struct alto_http *a = calloc(1, sizeof(*a));
	enum rc rc;

	if (a == NULL)
		return RC_ENOMEM;
	a->slot = cfg->slot;
	a->status = cfg->status;
	rc = replies_new(cfg->heartbeat, cfg->push_uri, &a->replies);
	if (rc != RC_OK)
		free(a);
	else
		*out = a;
	return rc;
}

enum rc alto_http_start(const struct alto_http_config *cfg, struct diag *d,
                        struct alto_http **out)
{
	struct http_handler handler = { .reply = on_request };
	struct alto_http *a = NULL;
	enum rc rc = create(cfg, &a);

	if (rc != RC_OK)
		return rc;
	handler.arg = a;
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
	replies_set_heartbeat(a->replies, seconds);
}

void alto_http_turn(struct alto_http *a)
{
	struct snapshot *s = slot_ref(a->slot);

	if (s != NULL)
		replies_turn(a->replies, s);
	snapshot_unref(s);
}
