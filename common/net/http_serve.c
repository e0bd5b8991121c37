#include "common/net/http_serve.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/net/addr.h"
#include "common/net/http_door.h"
#include "common/net/http_due.h"
#include "common/net/http_head.h"
#include "common/net/http_later.h"
#include "common/net/http_raw.h"

#define THROWN_MAX (4u << 20)	/* of a body that is not taken */
#define SEND_MS 60000		/* for an answer; http_due_send() adds to it */

/* A request on its way in, from its first line to the end of its answer. */
struct pending {
	struct http *h;
	struct http_later *later;	/* NULL: is answered at once */
	struct buf body;
	size_t held;			/* its part of http.bodies */
	bool seen, whole, answered;	/* its head, body; in full */
	unsigned refused;		/* 413, 503: the body is not kept */
	size_t thrown;			/* bytes of it since */
	char peer[ADDR_TEXT_MAX];
	struct http_target target;	/* in uri */
	char uri[];
};

int http_fd_of(struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn,
	                                MHD_CONNECTION_INFO_CONNECTION_FD);

	return info != NULL ? info->connect_fd : -1;
}

static struct http_due_conn *due_of(struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn,
	                                MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	const struct http_conn *c = info != NULL ? info->socket_context : NULL;

	return c != NULL ? c->due : NULL;
}

static void print_peer(struct MHD_Connection *conn, char *dst, size_t size)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn,
	                                MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	dst[0] = '\0';
	if (info != NULL && info->client_addr != NULL)
		addr_print(info->client_addr, dst, size);
}

/* Called with the request line, the only moment it can be had as sent. */
void *http_serve_uri(void *arg, const char *uri, struct MHD_Connection *conn)
{
	struct http *h = arg;
	size_t n = strlen(uri);
	struct pending *p = calloc(1, sizeof(*p) + n + 1);

	http_due_begun(due_of(conn));
	if (p == NULL)
		return NULL;
	p->h = h;
	memcpy(p->uri, uri, n + 1);
	p->target = http_target_split(p->uri);
	buf_init(&p->body, h->cfg.max_body);
	atomic_fetch_add(&h->busy, 1);
	return p;
}

static void drop_body(struct http *h, struct pending *p)
{
	buf_free(&p->body);
	atomic_fetch_sub(&h->bodies, p->held);
	p->held = 0;
}

void http_serve_done(void *arg, struct MHD_Connection *conn, void **cls,
                     enum MHD_RequestTerminationCode why)
{
	struct pending *p = *cls;
	struct http *h = arg;

	if (why == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED)
		http_due_now(h->due, due_of(conn));
	http_due_idle(due_of(conn), h->next_ms);
	*cls = NULL;
	if (p == NULL)
		return;
	if (p->later != NULL)		/* the end of all came first */
		http_reply_unref(http_later_take(p->later));
	drop_body(h, p);
	free(p);
	atomic_fetch_sub(&h->busy, 1);
}

/* Gives r to the connection, and a time in which it has to be taken. */
static enum MHD_Result send_reply(struct MHD_Connection *conn,
                                  struct http_reply *r)
{
	http_due_send(due_of(conn), SEND_MS);
	return http_reply_queue(r, conn) ? MHD_YES : MHD_NO;
}

/* answers that come later */

/* That the body is held counts until the answer is there. */
struct http_later *http_later(const struct http_request *rq)
{
	struct pending *p = rq->own;

	if (p != NULL && http_later_new(p->h->laters, rq, &p->body, &p->later)
	    == RC_OK)
		return p->later;
	return NULL;
}

/* refusals */

static void count_refusal(struct http *h, unsigned status)
{
	if (status == MHD_HTTP_CONTENT_TOO_LARGE)
		atomic_fetch_add(&h->too_large, 1);
	else if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		atomic_fetch_add(&h->refused_bodies, 1);
	else
		atomic_fetch_add(&h->malformed, 1);
}

static struct http_reply *make_refusal(const struct http *h, unsigned status)
{
	static const struct http_bytes none = { NULL, 0, NULL, NULL };
	struct http_reply *r = NULL;
	enum rc rc = RC_OK;

	if (h->on.refuse != NULL)
		r = h->on.refuse(status, h->on.arg);
	if (r == NULL)
		rc = http_reply_new_bytes(status, &none, &r);
	if (rc == RC_OK)
		rc = http_reply_header(r, "Connection", "close");
	if (rc == RC_OK && status == MHD_HTTP_SERVICE_UNAVAILABLE)
		rc = http_reply_header(r, "Retry-After", HTTP_RETRY_S);
	if (rc == RC_OK)
		return r;
	http_reply_unref(r);
	return NULL;
}

static enum MHD_Result refuse(struct MHD_Connection *conn, struct http *h,
                              unsigned status)
{
	enum MHD_Result sent;
	struct http_reply *r;

	if (!http_due_answer(due_of(conn)))
		return MHD_NO;
	count_refusal(h, status);
	r = make_refusal(h, status);
	if (r == NULL)			/* memory: none that would close */
		return MHD_NO;
	sent = send_reply(conn, r);
	http_reply_unref(r);
	return sent;
}

/* Refused before its end; what is still being sent would reset the connection
 * and lose the answer. */
static enum MHD_Result refuse_early(struct MHD_Connection *conn,
                                    struct http *h, unsigned status)
{
	http_door_stay(h->door, http_fd_of(conn));
	return refuse(conn, h, status);
}

/* A body in the midst of being sent cannot be answered by the library, so when
 * it has gone on for too long we do, and hang up. */
static enum MHD_Result break_off(struct MHD_Connection *conn, struct http *h,
                                 unsigned status)
{
	const struct http_raw answer = {
		status, status == MHD_HTTP_SERVICE_UNAVAILABLE ? 5 : 0,
		"The body of the request is not taken."
	};

	if (http_due_answer(due_of(conn))) {
		count_refusal(h, status);
		if (!h->secure)
			http_raw_send(http_fd_of(conn), &answer);
		http_door_stay(h->door, http_fd_of(conn));
	}
	return MHD_NO;
}

/* A length announced over the ceiling is refused before the body is sent if the
 * client waits for that (a reply now keeps "100 Continue" back), or if there is
 * too much of it to be thrown away: many clients read when they have sent all. */
static enum MHD_Result on_head(struct MHD_Connection *conn, struct http *h,
                               struct pending *p, const char *method,
                               const char *version)
{
	unsigned wrong = http_head_check(conn, &p->target, method, version);
	const char *len = MHD_lookup_connection_value(conn, MHD_HEADER_KIND,
	                                              "Content-Length");
	unsigned long long n = len != NULL ? strtoull(len, NULL, 10) : 0;

	p->seen = true;
	print_peer(conn, p->peer, sizeof(p->peer));
	if (wrong != 0)
		return refuse_early(conn, h, wrong);
	if (n > h->cfg.max_body) {
		p->refused = MHD_HTTP_CONTENT_TOO_LARGE;
		if (n > THROWN_MAX ||
		    MHD_lookup_connection_value(conn, MHD_HEADER_KIND,
		                                "Expect") != NULL)
			return refuse_early(conn, h, p->refused);
	}
	http_due_body(due_of(conn), h->body_ms);
	return MHD_YES;
}

/* false: all bodies together are too much. */
static bool hold(struct http *h, struct pending *p)
{
	size_t more = p->body.cap - p->held;

	p->held += more;
	return atomic_fetch_add(&h->bodies, more) + more <= h->cfg.max_bodies;
}

static enum MHD_Result on_body(struct MHD_Connection *conn, struct http *h,
                               struct pending *p, const char *data,
                               size_t *len)
{
	if (p->refused == 0) {
		buf_add(&p->body, data, *len);
		if (buf_rc(&p->body) == RC_ENOMEM)
			return MHD_NO;
		if (buf_rc(&p->body) != RC_OK)
			p->refused = MHD_HTTP_CONTENT_TOO_LARGE;
		else if (!hold(h, p))
			p->refused = MHD_HTTP_SERVICE_UNAVAILABLE;
	}
	if (p->refused != 0) {
		drop_body(h, p);
		p->thrown += *len;
		if (p->thrown > THROWN_MAX)
			return break_off(conn, h, p->refused);
	}
	*len = 0;
	return MHD_YES;
}

/* Takes r over. */
static enum MHD_Result answer(struct MHD_Connection *conn, struct pending *p,
                              struct http_reply *r)
{
	enum MHD_Result sent = send_reply(conn, r);

	p->answered = true;
	http_reply_unref(r);
	drop_body(p->h, p);	/* an answer may take long */
	return sent;
}

/* Resumed: the reply is there. */
static enum MHD_Result on_later(struct MHD_Connection *conn, struct pending *p)
{
	struct http_reply *r = http_later_take(p->later);

	p->later = NULL;
	return answer(conn, p, r);
}

static enum MHD_Result on_complete(struct MHD_Connection *conn,
                                   struct http *h, struct pending *p,
                                   const char *method)
{
	const struct http_request rq = {
		.method = method, .path = p->target.path,
		.query = p->target.query,
		.body = p->body.len > 0 ? p->body.data : NULL,
		.len = p->body.len, .peer = p->peer, .conn = conn, .own = p
	};
	struct http_reply *r;

	if (p->refused != 0)
		return refuse(conn, h, p->refused);
	if (!http_due_answer(due_of(conn)))
		return MHD_NO;
	r = h->on.reply(&rq, h->on.arg);
	return p->later != NULL ? MHD_YES : answer(conn, p, r);
}

enum MHD_Result http_serve(void *arg, struct MHD_Connection *conn,
                           const char *url, const char *method,
                           const char *version, const char *data, size_t *len,
                           void **cls)
{
	struct pending *p = *cls;

	(void)url;
	/* A library that stops takes an answer, drops it and asks again. */
	if (p == NULL || p->answered)
		return MHD_NO;
	if (!p->seen)
		return on_head(conn, arg, p, method, version);
	if (*len > 0)
		return on_body(conn, arg, p, data, len);
	if (p->later != NULL)
		return on_later(conn, p);
	/* A connection that is suspended while the library reads from it is
	 * read from again when it goes on, and is closed if its client has
	 * ended what it sends; so it is answered in a round without reading,
	 * which is the next. */
	if (!p->whole && p->body.len > 0) {
		p->whole = true;
		return MHD_YES;
	}
	return on_complete(conn, arg, p, method);
}

/* The URI is handed on as it came: who decodes it knows what it means. */
size_t http_serve_unescape(void *arg, struct MHD_Connection *conn, char *s)
{
	(void)arg;
	(void)conn;
	return strlen(s);
}
