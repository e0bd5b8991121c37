/* Handshakes, reading and timeless protocol work are left to libwebsockets;
 * what is sent to subscribers goes past it (ws.h). Its per-connection timers
 * are not used either: each costs a walk through a sorted list of all
 * connections. One timer a listener looks at every connection instead
 * (sweep()).
 *
 * Long because server and client side share one connection, one callback and
 * one way of closing; apart from that each half would have to show the
 * other's. */
#include "common/net/ws.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libwebsockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/net/loop.h"

#define STRIDE (WS_FRAGMENT + 4)	/* a full fragment with its header */
#define SWEEP_MS 250
#define CLOSE_MS 5000			/* ws_close() to hanging up */
#define ACCEPT_BURST 64			/* then others have their turn */
#define ADDR_BUCKETS 1024
#define SERVER_RX 512			/* bytes, for each connection */
#define CLIENT_RX 32768
#define URI_MAX 2048
#define HEADER_MAX 4096			/* libwebsockets takes no more in all */

struct ws_frame {
	atomic_uint refs;
	size_t len;			/* payload */
	size_t wire;			/* with the headers */
	unsigned char data[];
};

/* What a client connection has beside; NULL on the server. */
struct client {
	struct ws_handlers on;
	struct ws_limits limits;
	struct side *side;
	struct vhost *vhost;
	struct loop_timer *timer;	/* sweeps this one */
	struct loop_timer *retry;	/* next address */
	struct resolve *resolve;
	struct addrinfo *addrs, *next_addr;
	struct queued *head, **tail;
	size_t queued;
	char *authorization;		/* NULL: none */
	const char *port, *path;	/* these: in uri[] */
	char *host, *host_header;
	char uri[];
};

struct ws_conn {
	struct lws *wsi;		/* NULL: not yet, or no more */
	struct ws_listener *ls;		/* NULL: a client */
	struct client *cl;
	const struct ws_handlers *on;
	const struct ws_limits *limits;
	struct ws_conn *next, **at;	/* of the listener, or of the side */
	struct addr *addr;
	void *user;
	struct buf in;
	struct ws_frame *frame;		/* the one under way */
	size_t off;			/* bytes of it that are off our hands */
	uint64_t alive_ms;		/* when the peer last gave a sign */
	uint64_t close_ms;		/* hang up then; 0: not closing */
	unsigned code;
	bool open, closing, close_sent, peer_closed;
	bool blocked;			/* libwebsockets may hold bytes */
	bool told_busy;			/* the owner waits for `writable` */
	bool ping, pinged;
	char reason[WS_REASON_MAX + 1];
	char peer[INET6_ADDRSTRLEN + 8];
};

struct addr {
	struct addr *next;
	unsigned conns;
	unsigned char key[16];		/* IPv4 mapped; IPv6: the /64 */
};

struct ws_listener {
	uv_poll_t *poll;		/* NULL: takes no more */
	int fd;
	uint16_t port;
	bool paused;			/* no descriptors: the sweep resumes */
	struct side *side;
	struct vhost *vhost;
	struct ws_listener *next;
	struct loop_timer *timer;
	struct ws_handlers on;
	struct ws_limits limits;
	struct ws_conn *conns;
	unsigned n_conns;
	struct addr *addrs[ADDR_BUCKETS];
	char *path;
};

/* libwebsockets keeps pointing to the protocols of a vhost until its own
 * end. */
struct vhost {
	struct vhost *next;		/* client vhosts, shared by name */
	struct lws_vhost *vh;
	struct lws_protocols protocols[2];
	char name[];
};

/* All of a loop. */
struct side {
	struct loop *l;
	struct ws_listener *listeners;
	struct ws_conn *clients;
	struct vhost *client_vhosts;
	unsigned resolving;
	bool closing;
};

struct resolve {
	uv_getaddrinfo_t req;
	struct side *side;
	struct ws_conn *c;		/* NULL: nobody waits any more */
};

struct queued {
	struct queued *next;
	size_t len;
	unsigned char data[];		/* LWS_PRE bytes, then the text */
};

static const lws_retry_bo_t no_lws_timers;

/* frames */

static void put_header(unsigned char *p, bool first, bool last, size_t n)
{
	p[0] = (unsigned char)((last ? 0x80 : 0) | (first ? 0x1 : 0));
	if (n < 126) {
		p[1] = (unsigned char)n;
	} else {
		p[1] = 126;
		p[2] = (unsigned char)(n >> 8);
		p[3] = (unsigned char)n;
	}
}

enum rc ws_frame_new(const void *data, size_t len, struct ws_frame **out)
{
	size_t full = len == 0 ? 0 : (len - 1) / WS_FRAGMENT;
	size_t rest = len - full * WS_FRAGMENT;
	size_t wire = full * STRIDE + (rest < 126 ? 2 : 4) + rest;
	const unsigned char *from = data;
	struct ws_frame *f;
	unsigned char *p;

	if (len > UINT32_MAX)
		return RC_ELIMIT;
	f = malloc(sizeof(*f) + wire);
	if (f == NULL)
		return RC_ENOMEM;
	atomic_init(&f->refs, 1);
	f->len = len;
	f->wire = wire;
	p = f->data;
	for (size_t i = 0; i < full; i++) {
		put_header(p, i == 0, false, WS_FRAGMENT);
		memcpy(p + 4, from, WS_FRAGMENT);
		p += STRIDE;
		from += WS_FRAGMENT;
	}
	put_header(p, full == 0, true, rest);
	if (rest > 0)
		memcpy(p + (rest < 126 ? 2 : 4), from, rest);
	*out = f;
	return RC_OK;
}

struct ws_frame *ws_frame_ref(struct ws_frame *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

void ws_frame_unref(struct ws_frame *f)
{
	if (f != NULL && atomic_fetch_sub(&f->refs, 1) == 1)
		free(f);
}

size_t ws_frame_len(const struct ws_frame *f)
{
	return f->len;
}

/* one connection */

void *ws_user(const struct ws_conn *c)
{
	return c->user;
}

void ws_set_user(struct ws_conn *c, void *user)
{
	c->user = user;
}

const char *ws_peer(const struct ws_conn *c)
{
	return c->peer;
}

bool ws_is_open(const struct ws_conn *c)
{
	return c->open && !c->closing && !c->peer_closed && c->wsi != NULL;
}

bool ws_ready(const struct ws_conn *c)
{
	if (!ws_is_open(c))
		return false;
	return c->cl != NULL ? c->cl->head == NULL
	                     : c->frame == NULL && !c->blocked;
}

size_t ws_pending(const struct ws_conn *c)
{
	if (c->cl != NULL)
		return c->cl->queued;
	return c->frame != NULL ? c->frame->wire - c->off : 0;
}

static struct side *conn_side(const struct ws_conn *c)
{
	return c->cl != NULL ? c->cl->side : c->ls->side;
}

static uint64_t conn_now(const struct ws_conn *c)
{
	return loop_now_ms(conn_side(c)->l);
}

static void set_reason(struct ws_conn *c, unsigned code, const char *reason,
                       size_t len)
{
	c->code = code;
	if (len > WS_REASON_MAX) {
		len = WS_REASON_MAX;	/* not within a character */
		while (len > 0 && ((unsigned char)reason[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(c->reason, reason, len);
	c->reason[len] = '\0';
}

static void conn_link(struct ws_conn *c, struct ws_conn **list)
{
	c->next = *list;
	c->at = list;
	if (c->next != NULL)
		c->next->at = &c->next;
	*list = c;
}

static void conn_unlink(struct ws_conn *c)
{
	*c->at = c->next;
	if (c->next != NULL)
		c->next->at = c->at;
}

static void addr_drop(struct ws_conn *c);

static void client_free(struct client *cl)
{
	struct queued *q;

	if (cl == NULL)
		return;
	while ((q = cl->head) != NULL) {
		cl->head = q->next;
		free(q);
	}
	loop_timer_free(cl->timer);
	loop_timer_free(cl->retry);
	uv_freeaddrinfo(cl->addrs);
	if (cl->resolve != NULL)
		cl->resolve->c = NULL;
	free(cl->authorization);
	free(cl);
}

/* Over: tells the owner and frees. libwebsockets may still call for the wsi,
 * but does not know us any more. */
static void conn_end(struct ws_conn *c)
{
	if (c->wsi != NULL)
		lws_set_opaque_user_data(c->wsi, NULL);
	c->wsi = NULL;
	if ((c->open || c->cl != NULL) && c->on->closed != NULL)
		c->on->closed(c, c->code, c->reason);
	conn_unlink(c);
	if (c->ls != NULL) {
		addr_drop(c);
		c->ls->n_conns--;
	}
	ws_frame_unref(c->frame);
	buf_free(&c->in);
	client_free(c->cl);
	free(c);
}

/* Asks libwebsockets to drop the connection from its own loop turn. The wake-up
 * is for its timer list, which it looks at only after events of its own. */
static void conn_kill(struct ws_conn *c)
{
	if (c->wsi == NULL)
		return;
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE,
	                LWS_TO_KILL_ASYNC);
	lws_cancel_service(lws_get_context(c->wsi));
}

static void want_writable(struct ws_conn *c)
{
	if (c->wsi != NULL)
		lws_callback_on_writable(c->wsi);
}

/* Hangs up; the first reason stays. */
static void drop(struct ws_conn *c, const char *reason)
{
	if (!c->closing && !c->peer_closed)
		set_reason(c, WS_LOST, reason, strlen(reason));
	c->closing = c->close_sent = true;
	if (c->wsi != NULL)
		conn_kill(c);
	else if (c->cl != NULL)
		loop_timer_set(c->cl->retry, 0, 0);	/* ends there */
}

void ws_abort(struct ws_conn *c)
{
	drop(c, "aborted");
}

void ws_close(struct ws_conn *c, unsigned code, const char *reason)
{
	if (c->closing || c->peer_closed)
		return;
	set_reason(c, code, reason, strlen(reason));
	c->closing = true;
	c->close_ms = conn_now(c) + CLOSE_MS;
	if (c->open)
		want_writable(c);
	else
		drop(c, reason);
}

/* sending, server */

/* The rest of a half-written fragment goes to libwebsockets, which keeps it and
 * writes it before anything of its own; at a boundary there is nothing to
 * keep. Either way the next chance is the writable callback. */
static enum rc leave_rest(struct ws_conn *c)
{
	size_t end = (c->off / STRIDE + 1) * STRIDE;
	size_t n;

	c->blocked = true;
	if (c->off % STRIDE == 0) {
		want_writable(c);
		return RC_OK;
	}
	if (end > c->frame->wire)
		end = c->frame->wire;
	n = end - c->off;
	if (lws_write(c->wsi, c->frame->data + c->off, n, LWS_WRITE_RAW) < 0)
		return RC_EIO;
	c->off = end;
	want_writable(c);
	return RC_OK;
}

/* Over TLS this is the place for SSL_write(lws_get_ssl(wsi), ...), a fragment
 * at a time; what it takes and refuses means the same. */
static enum rc push(struct ws_conn *c)
{
	size_t left = c->frame->wire - c->off;
	ssize_t n;

	if (left == 0)
		return RC_OK;
	if (lws_partial_buffered(c->wsi))
		n = 0;			/* a PONG that did not fit */
	else
		n = send(lws_get_socket_fd(c->wsi), c->frame->data + c->off,
		         left, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		return RC_EIO;
	if (n > 0)
		c->off += (size_t)n;
	return (size_t)(n > 0 ? n : 0) == left ? RC_OK : leave_rest(c);
}

static void frame_done(struct ws_conn *c)
{
	if (c->frame == NULL || c->off < c->frame->wire)
		return;
	ws_frame_unref(c->frame);
	c->frame = NULL;
}

enum rc ws_send_frame(struct ws_conn *c, struct ws_frame *f)
{
	if (!ws_is_open(c) || c->cl != NULL)
		return RC_EINVAL;
	if (!ws_ready(c))
		return RC_EAGAIN;
	c->frame = ws_frame_ref(f);
	c->off = 0;
	if (push(c) != RC_OK) {
		ws_frame_unref(c->frame);
		c->frame = NULL;
		drop(c, "write failed");
		return RC_EIO;
	}
	frame_done(c);
	c->told_busy = !ws_ready(c);
	return RC_OK;
}

/* sending, client */

static enum rc queue_text(struct ws_conn *c, const void *data, size_t len)
{
	struct queued *q;

	if (len > c->limits->max_queue ||
	    c->cl->queued > c->limits->max_queue - len)
		return RC_ELIMIT;
	q = malloc(sizeof(*q) + LWS_PRE + len);
	if (q == NULL)
		return RC_ENOMEM;
	q->next = NULL;
	q->len = len;
	if (len > 0)
		memcpy(q->data + LWS_PRE, data, len);
	*c->cl->tail = q;
	c->cl->tail = &q->next;
	c->cl->queued += len;
	c->told_busy = true;
	want_writable(c);
	return RC_OK;
}

enum rc ws_send_text(struct ws_conn *c, const void *data, size_t len)
{
	struct ws_frame *f;
	enum rc rc;

	if (!ws_is_open(c))
		return RC_EINVAL;
	if (c->cl != NULL)
		return queue_text(c, data, len);
	if (!ws_ready(c))
		return RC_EAGAIN;
	rc = ws_frame_new(data, len, &f);
	if (rc != RC_OK)
		return rc;
	rc = ws_send_frame(c, f);
	ws_frame_unref(f);
	return rc;
}

/* One message for each callback, as libwebsockets asks for. */
static int write_queued(struct ws_conn *c)
{
	struct client *cl = c->cl;
	struct queued *q = cl->head;
	int n;

	if (q == NULL)
		return 0;
	n = lws_write(c->wsi, q->data + LWS_PRE, q->len, LWS_WRITE_TEXT);
	cl->queued -= q->len;
	cl->head = q->next;
	if (cl->head == NULL)
		cl->tail = &cl->head;
	free(q);
	return n < 0 ? -1 : 0;
}

/* the writable callback, both sides: libwebsockets holds nothing back now */

static int write_ping(struct ws_conn *c)
{
	unsigned char b[LWS_PRE + 1] = { 0 };

	/* With a byte in it: it does not tell of an empty PONG. */
	c->ping = false;
	return lws_write(c->wsi, b + LWS_PRE, 1, LWS_WRITE_PING) < 0 ? -1 : 0;
}

/* Starts the closing handshake; libwebsockets does the rest. */
static int write_close(struct ws_conn *c)
{
	unsigned char text[WS_REASON_MAX];
	size_t n = strlen(c->reason);

	c->close_sent = true;
	memcpy(text, c->reason, n);
	lws_close_reason(c->wsi, (enum lws_close_status)c->code, text, n);
	/* Not by returning -1: Debian's build has _DEBUG set, which on libuv
	 * closes twice "as a test", and the second time kills at once. */
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE,
	                LWS_TO_KILL_SYNC);
	return 0;
}

static bool anything_left(const struct ws_conn *c)
{
	return c->cl != NULL ? c->cl->head != NULL : c->frame != NULL;
}

static int on_writable(struct ws_conn *c)
{
	size_t before = c->off;

	if (lws_partial_buffered(c->wsi)) {
		want_writable(c);
		return 0;
	}
	c->blocked = false;
	if (c->ping) {
		want_writable(c);
		return write_ping(c);
	}
	if (c->cl != NULL && write_queued(c) != 0)
		return -1;
	if (c->frame != NULL && push(c) != RC_OK)
		return -1;
	if (c->off > before)
		c->alive_ms = conn_now(c);	/* slow, but it reads */
	frame_done(c);
	if (anything_left(c) || c->blocked) {
		want_writable(c);
		return 0;
	}
	if (c->closing && !c->close_sent)
		return write_close(c);
	if (c->told_busy && ws_ready(c)) {
		c->told_busy = false;
		if (c->on->writable != NULL)
			c->on->writable(c);
	}
	return 0;
}

/* receiving */

static void alive(struct ws_conn *c)
{
	c->alive_ms = conn_now(c);
	c->pinged = false;
}

static int on_receive(struct ws_conn *c, const void *data, size_t len)
{
	alive(c);
	if (!ws_is_open(c))
		return 0;
	if (lws_frame_is_binary(c->wsi)) {
		ws_close(c, WS_BAD_TYPE, "text messages only");
		return 0;
	}
	buf_add(&c->in, data, len);
	if (buf_rc(&c->in) == RC_ENOMEM) {
		set_reason(c, WS_LOST, rc_text(RC_ENOMEM),
		           strlen(rc_text(RC_ENOMEM)));
		return -1;
	}
	if (buf_rc(&c->in) != RC_OK) {
		buf_free(&c->in);
		ws_close(c, WS_TOO_BIG, "message over the limit");
		return 0;
	}
	if (!lws_is_final_fragment(c->wsi))
		return 0;
	if (c->on->message != NULL)
		c->on->message(c, buf_str(&c->in), c->in.len);
	buf_free(&c->in);		/* an idle connection holds nothing */
	return 0;
}

static int on_peer_close(struct ws_conn *c, const unsigned char *data,
                         size_t len)
{
	if (c->closing)
		return 0;
	c->peer_closed = true;
	c->close_ms = conn_now(c) + CLOSE_MS;
	if (len < 2)
		set_reason(c, WS_NO_CODE, "", 0);
	else
		set_reason(c, (unsigned)data[0] << 8 | data[1],
		           (const char *)data + 2, len - 2);
	return 0;
}

/* Header values, copied out of libwebsockets' own store. */
struct headers {
	char authorization[HEADER_MAX];
	char origin[512];
};

/* Into dst; NULL when absent, or too long to be one of ours. */
static const char *header(struct lws *wsi, enum lws_token_indexes which,
                          char *dst, size_t size)
{
	return lws_hdr_copy(wsi, dst, (int)size, which) > 0 ? dst : NULL;
}

static void fill_request(struct lws *wsi, struct ws_request *rq,
                         struct headers *h)
{
	rq->authorization = header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION,
	                           h->authorization, sizeof(h->authorization));
	rq->origin = header(wsi, WSI_TOKEN_ORIGIN, h->origin,
	                    sizeof(h->origin));
}

static int on_opened(struct ws_conn *c)
{
	struct ws_request rq = { c->peer, NULL, NULL };
	struct headers h;

	if (c->closing)
		return -1;
	c->open = true;
	alive(c);
	if (c->ls != NULL)
		fill_request(c->wsi, &rq, &h);
	if (c->on->open != NULL)
		c->on->open(c, &rq);
	return 0;
}

/* The look at one connection every SWEEP_MS. */
static void sweep_conn(struct ws_conn *c)
{
	const struct ws_limits *lim = c->limits;
	uint64_t now = conn_now(c), quiet = now - c->alive_ms;

	if (c->close_ms != 0) {
		if (now >= c->close_ms)
			conn_kill(c);
	} else if (!c->open) {
		if (lim->handshake_s > 0 && quiet >= lim->handshake_s * 1000ull)
			drop(c, "handshake took too long");
	} else if (lim->dead_s > 0 && quiet >= lim->dead_s * 1000ull) {
		drop(c, "no sign of life");
	} else if (lim->ping_s > 0 && quiet >= lim->ping_s * 1000ull &&
	           !c->pinged) {
		c->ping = c->pinged = true;
		want_writable(c);
	}
}

/* server: handshake */

static int refuse(struct lws *wsi, unsigned status, const char *text)
{
	unsigned char b[LWS_PRE + 256];
	char *p = (char *)b + LWS_PRE;
	const char *extra = "";
	int n;

	if (status == 426)
		extra = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
	else if (status == 401)
		extra = "WWW-Authenticate: Bearer\r\n";
	n = snprintf(p, sizeof(b) - LWS_PRE, "HTTP/1.1 %u %s\r\n"
	             "Connection: close\r\nContent-Length: 0\r\n%s\r\n",
	             status, text, extra);
	lws_write(wsi, b + LWS_PRE, (size_t)n, LWS_WRITE_HTTP_HEADERS);
	return -1;
}

/* Whether name is an element of a comma-separated list of tokens. */
static bool list_has(const char *list, const char *name)
{
	size_t n = strlen(name);

	while (list != NULL && *list != '\0') {
		size_t len = strcspn(list, ",");
		size_t from = strspn(list, " \t");

		if (from <= len && len - from >= n &&
		    memcmp(list + from, name, n) == 0 &&
		    strspn(list + from + n, " \t") == len - from - n)
			return true;
		list += len + (list[len] == ',');
	}
	return false;
}

static int on_upgrade(struct lws *wsi, struct ws_conn *c, const char *what)
{
	struct ws_request rq = { c->peer, NULL, NULL };
	char path[256], version[8], list[128];	/* it stops at 128 as well */
	struct headers h;
	int status = 0;

	if (header(wsi, WSI_TOKEN_GET_URI, path, sizeof(path)) == NULL ||
	    strcmp(path, c->ls->path) != 0)
		return refuse(wsi, 404, "Not Found");
	if (strcasecmp(what, "websocket") != 0 ||
	    header(wsi, WSI_TOKEN_VERSION, version, sizeof(version)) == NULL ||
	    strcmp(version, "13") != 0)
		return refuse(wsi, 426, "Upgrade Required");
	if (lws_hdr_fragment_length(wsi, WSI_TOKEN_PROTOCOL, 1) > 0 ||
	    !list_has(header(wsi, WSI_TOKEN_PROTOCOL, list, sizeof(list)),
	              c->ls->vhost->name))
		return refuse(wsi, 400, "Unknown Subprotocol");
	fill_request(wsi, &rq, &h);
	if (c->on->admit != NULL)
		status = c->on->admit(&rq, c->on->arg);
	if (status != 0)
		return refuse(wsi, (unsigned)status, "Refused");
	return 0;
}

static int on_plain_http(struct lws *wsi, const struct ws_conn *c,
                         const char *path)
{
	if (path == NULL || strcmp(path, c->ls->path) != 0)
		return refuse(wsi, 404, "Not Found");
	return refuse(wsi, 426, "Upgrade Required");
}

/* client: handshake */

static int on_append_header(struct ws_conn *c, unsigned char **p,
                            size_t room)
{
	const char *a = c->cl->authorization;

	if (a == NULL)
		return 0;
	return lws_add_http_header_by_name(c->wsi,
	                (const unsigned char *)"Authorization:",
	                (const unsigned char *)a, (int)strlen(a), p,
	                *p + room);
}

static void on_connect_failed(struct ws_conn *c, const char *text, size_t len)
{
	if (!c->closing)
		set_reason(c, WS_LOST, text != NULL ? text : "cannot connect",
		           text != NULL ? strnlen(text, len) : 14);
	lws_set_opaque_user_data(c->wsi, NULL);
	c->wsi = NULL;
	loop_timer_set(c->cl->retry, 0, 0);
}

/* the one callback */

static int on_client(struct lws *wsi, struct ws_conn *c,
                     enum lws_callback_reasons why, void *in, size_t len)
{
	switch (why) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		c->wsi = wsi;
		return on_append_header(c, in, len);
	case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
		/* It takes an answer that names no subprotocol for ours. */
		return lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL) == 0;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		c->wsi = wsi;
		return on_opened(c);
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		c->wsi = wsi;
		on_connect_failed(c, in, len);
		return 0;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return on_receive(c, in, len);
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
		alive(c);
		return 0;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return on_writable(c);
	case LWS_CALLBACK_CLIENT_CLOSED:
		conn_end(c);
		return 0;
	default:
		return 0;
	}
}

static int on_server(struct lws *wsi, struct ws_conn *c,
                     enum lws_callback_reasons why, void *in, size_t len)
{
	switch (why) {
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return on_upgrade(wsi, c, in);
	case LWS_CALLBACK_HTTP:
		return on_plain_http(wsi, c, in);
	case LWS_CALLBACK_ESTABLISHED:
		return on_opened(c);
	case LWS_CALLBACK_RECEIVE:
		return on_receive(c, in, len);
	case LWS_CALLBACK_RECEIVE_PONG:
		alive(c);
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return on_writable(c);
	case LWS_CALLBACK_CLOSED:
		conn_end(c);
		return 0;
	default:
		return 0;
	}
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons why, void *user,
                  void *in, size_t len)
{
	struct ws_conn *c;

	(void)user;
	/* Called with a wsi on the stack that is no connection. */
	if (why == LWS_CALLBACK_PROTOCOL_INIT ||
	    why == LWS_CALLBACK_PROTOCOL_DESTROY)
		return 0;
	c = lws_get_opaque_user_data(wsi);
	if (c == NULL)
		return 0;
	if (why == LWS_CALLBACK_WS_PEER_INITIATED_CLOSE)
		return on_peer_close(c, in, len);
	if (why == LWS_CALLBACK_WSI_DESTROY) {
		conn_end(c);
		return 0;
	}
	return c->cl != NULL ? on_client(wsi, c, why, in, len)
	                     : on_server(wsi, c, why, in, len);
}

static enum rc vhost_new(struct side *s, const char *name, bool server,
                         struct vhost **out)
{
	struct lws_context_creation_info info;
	size_t len = strlen(name);
	struct vhost *v = loop_alloc(s->l, sizeof(*v) + len + 1);

	if (v == NULL)
		return RC_ENOMEM;
	memcpy(v->name, name, len + 1);
	v->protocols[0] = (struct lws_protocols){
		.name = v->name, .callback = on_lws,
		.rx_buffer_size = server ? SERVER_RX : CLIENT_RX,
		.tx_packet_size = STRIDE
	};
	memset(&info, 0, sizeof(info));
	info.port = server ? CONTEXT_PORT_NO_LISTEN_SERVER
	                   : CONTEXT_PORT_NO_LISTEN;
	info.protocols = v->protocols;
	info.vhost_name = server ? "server" : "client";
	info.retry_and_idle_policy = &no_lws_timers;
	info.http_proxy_address = "";	/* else the environment's is used */
	v->vh = lws_create_vhost(loop_lws(s->l), &info);
	if (v->vh == NULL)
		return RC_EIO;
	*out = v;
	return RC_OK;
}

/* listener */

static unsigned addr_hash(const unsigned char key[16])
{
	uint32_t h = 2166136261u;

	for (int i = 0; i < 16; i++)
		h = (h ^ key[i]) * 16777619u;
	return h % ADDR_BUCKETS;
}

static void addr_key(const struct sockaddr_storage *ss, unsigned char key[16])
{
	struct in6_addr a;

	memset(key, 0, 16);
	if (ss->ss_family == AF_INET6) {
		memcpy(&a, &((const struct sockaddr_in6 *)ss)->sin6_addr, 16);
		memcpy(key, &a, IN6_IS_ADDR_V4MAPPED(&a) ? 16 : 8);
	} else {
		key[10] = key[11] = 0xff;
		memcpy(key + 12,
		       &((const struct sockaddr_in *)ss)->sin_addr, 4);
	}
}

/* Counts c under its address. RC_ELIMIT: there are too many already. */
static enum rc addr_take(struct ws_conn *c, const struct sockaddr_storage *ss)
{
	unsigned char key[16];
	struct addr **at, *a;

	addr_key(ss, key);
	at = &c->ls->addrs[addr_hash(key)];
	for (a = *at; a != NULL && memcmp(a->key, key, 16) != 0; a = a->next)
		continue;
	if (a == NULL) {
		a = calloc(1, sizeof(*a));
		if (a == NULL)
			return RC_ENOMEM;
		memcpy(a->key, key, 16);
		a->next = *at;
		*at = a;
	} else if (a->conns >= c->limits->max_conns_per_addr) {
		return RC_ELIMIT;
	}
	a->conns++;
	c->addr = a;
	return RC_OK;
}

static void addr_drop(struct ws_conn *c)
{
	struct addr **at;

	if (c->addr == NULL || --c->addr->conns > 0)
		return;
	at = &c->ls->addrs[addr_hash(c->addr->key)];
	while (*at != c->addr)
		at = &(*at)->next;
	*at = c->addr->next;
	free(c->addr);
}

/* "192.0.2.1:80" or "[2001:db8::1]:80"; IPv4 seen through an IPv6 socket is
 * written as what it is. */
static void print_addr(const struct sockaddr *sa, char *dst, size_t size)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	char text[INET6_ADDRSTRLEN] = "";

	if (sa->sa_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
		snprintf(dst, size, "%s:%u", text, ntohs(v4->sin_port));
	} else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text,
		          sizeof(text));
		snprintf(dst, size, "%s:%u", text, ntohs(v6->sin6_port));
	} else {
		inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
		snprintf(dst, size, "[%s]:%u", text, ntohs(v6->sin6_port));
	}
}

static struct ws_conn *server_conn(struct ws_listener *ls,
                                   const struct sockaddr_storage *ss)
{
	struct ws_conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->ls = ls;
	c->on = &ls->on;
	c->limits = &ls->limits;
	c->user = ls->on.arg;
	buf_init(&c->in, ls->limits.max_message);
	if (ls->n_conns >= ls->limits.max_conns || addr_take(c, ss) != RC_OK) {
		free(c);
		return NULL;
	}
	print_addr((const struct sockaddr *)ss, c->peer, sizeof(c->peer));
	set_reason(c, WS_LOST, "connection lost", 15);
	ls->n_conns++;
	conn_link(c, &ls->conns);
	c->alive_ms = conn_now(c);
	return c;
}

static void take_one(struct ws_listener *ls, int fd,
                     const struct sockaddr_storage *ss)
{
	struct ws_conn *c = server_conn(ls, ss);
	lws_sock_file_fd_type sock = { .sockfd = fd };
	int one = 1;

	if (c == NULL) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* It learns of c only when adopted: whether it calls back or not on
	 * its way to failing depends on where it fails. */
	c->wsi = lws_adopt_descriptor_vhost(ls->vhost->vh, LWS_ADOPT_SOCKET |
	                                    LWS_ADOPT_HTTP, sock, NULL, NULL);
	if (c->wsi == NULL)
		conn_end(c);
	else
		lws_set_opaque_user_data(c->wsi, c);
}

static void on_acceptable(uv_poll_t *h, int status, int events)
{
	struct ws_listener *ls = h->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPT_BURST; i++) {
		struct sockaddr_storage ss = { 0 };
		socklen_t len = sizeof(ss);
		int fd = accept4(ls->fd, (struct sockaddr *)&ss, &len,
		                 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take_one(ls, fd, &ss);
		} else if (errno == EMFILE || errno == ENFILE ||
		           errno == ENOBUFS || errno == ENOMEM) {
			uv_poll_stop(h);
			ls->paused = true;
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

static void sweep(void *arg)
{
	struct ws_listener *ls = arg;
	struct ws_conn *next;

	for (struct ws_conn *c = ls->conns; c != NULL; c = next) {
		next = c->next;
		sweep_conn(c);
	}
	if (ls->paused && ls->poll != NULL) {
		ls->paused = false;
		uv_poll_start(ls->poll, UV_READABLE, on_acceptable);
	}
}

static int bind_to(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK |
	                SOCK_CLOEXEC, 0);
	int one = 1, both = 0, err;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof(both));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
	    listen(fd, SOMAXCONN) == 0)
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

static enum rc listen_fd(const struct ws_listen_config *cfg, struct diag *diag,
                         int *out)
{
	struct addrinfo hint = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV |
	                         AI_PASSIVE, .ai_socktype = SOCK_STREAM };
	struct addrinfo *ai;
	char port[8];
	int fd, err;

	snprintf(port, sizeof(port), "%u", cfg->port);
	err = getaddrinfo(cfg->addr, port, &hint, &ai);
	if (err != 0)
		return diag_set(diag, RC_EINVAL, "%s: not an IP address: %s",
		                cfg->addr, gai_strerror(err));
	fd = bind_to(ai);
	freeaddrinfo(ai);
	if (fd < 0)
		return diag_set(diag, RC_EIO, "cannot listen on %s port %u: %s",
		                cfg->addr, cfg->port, strerror(errno));
	*out = fd;
	return RC_OK;
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
		return 0;
	/* The port stands at the same place in both families. */
	return ntohs(((struct sockaddr_in *)&ss)->sin_port);
}

static void free_poll(uv_handle_t *h)
{
	free(h);
}

void ws_unlisten(struct ws_listener *ls)
{
	if (ls->poll == NULL)
		return;
	uv_close((uv_handle_t *)ls->poll, free_poll);
	close(ls->fd);
	ls->poll = NULL;
}

/* Before the loop closes. Connections that libwebsockets knows of end with it;
 * the others end here. */
static void at_free(void *arg)
{
	struct side *s = arg;
	struct ws_conn *next;

	s->closing = true;
	for (struct ws_listener *ls = s->listeners; ls != NULL; ls = ls->next)
		ws_unlisten(ls);
	for (struct ws_conn *c = s->clients; c != NULL; c = next) {
		next = c->next;
		if (c->cl->resolve != NULL)
			uv_cancel((uv_req_t *)&c->cl->resolve->req);
		if (c->wsi == NULL)
			conn_end(c);
	}
	while (s->resolving > 0)	/* one that runs cannot be stopped */
		uv_run(loop_uv(s->l), UV_RUN_ONCE);
}

static enum rc side_get(struct loop *l, struct side **out)
{
	struct side *s = *loop_place(l, LOOP_WS);

	if (s != NULL) {
		*out = s;
		return RC_OK;
	}
	s = loop_alloc(l, sizeof(*s));
	if (s == NULL || loop_at_free(l, at_free, s) != RC_OK)
		return RC_ENOMEM;
	s->l = l;
	*loop_place(l, LOOP_WS) = s;
	*out = s;
	return RC_OK;
}

static enum rc start_accepting(struct ws_listener *ls)
{
	uv_poll_t *poll = malloc(sizeof(*poll));

	if (poll == NULL)
		return RC_ENOMEM;
	if (uv_poll_init(loop_uv(ls->side->l), poll, ls->fd) != 0) {
		free(poll);
		return RC_EIO;
	}
	poll->data = ls;
	ls->poll = poll;
	uv_poll_start(poll, UV_READABLE, on_acceptable);
	loop_timer_set(ls->timer, SWEEP_MS, SWEEP_MS);
	return RC_OK;
}

static struct ws_listener *listener_alloc(struct side *s,
                                          const struct ws_listen_config *cfg)
{
	size_t len = strlen(cfg->path);
	struct ws_listener *ls = loop_alloc(s->l, sizeof(*ls) + len + 1);

	if (ls == NULL)
		return NULL;
	ls->path = (char *)(ls + 1);
	memcpy(ls->path, cfg->path, len + 1);
	ls->side = s;
	ls->on = cfg->on;
	ls->limits = cfg->limits;
	return ls;
}

enum rc ws_listen(struct loop *l, const struct ws_listen_config *cfg,
                  struct diag *diag, struct ws_listener **out)
{
	struct ws_listener *ls = NULL;
	struct side *s;
	int fd = -1;
	enum rc rc = side_get(l, &s);

	if (rc == RC_OK)
		rc = listen_fd(cfg, diag, &fd);
	if (rc != RC_OK)
		goto out;
	rc = RC_ENOMEM;
	ls = listener_alloc(s, cfg);	/* the loop's, also on failure */
	if (ls == NULL)
		goto out;
	ls->fd = fd;
	ls->port = bound_port(fd);
	rc = loop_timer_new(l, sweep, ls, &ls->timer);
	if (rc == RC_OK)
		rc = vhost_new(s, cfg->subprotocol, true, &ls->vhost);
	if (rc == RC_OK)
		rc = start_accepting(ls);
	if (rc != RC_OK)
		goto out;
	fd = -1;
	ls->next = s->listeners;
	s->listeners = ls;
	*out = ls;
out:
	if (fd >= 0)
		close(fd);
	return rc;
}

uint16_t ws_port(const struct ws_listener *ls)
{
	return ls->port;
}

unsigned ws_conns(const struct ws_listener *ls)
{
	return ls->n_conns;
}

/* client */

/* Cuts ws://host[:port][/path] into cl->uri, which holds a copy with room for
 * two more bytes behind. */
static enum rc uri_split(struct client *cl)
{
	char *p = cl->uri, *end;
	size_t n;

	if (strncasecmp(p, "ws://", 5) != 0)
		return RC_EINVAL;
	for (const char *q = p; *q != '\0'; q++)
		if ((unsigned char)*q <= ' ' || *q == 0x7f || *q == '#')
			return RC_EINVAL;
	p += 5;
	n = strcspn(p, "/?");
	if (n == 0 || memchr(p, '@', n) != NULL || p[n] == '?')
		return RC_EINVAL;
	end = p + n;
	/* The host moves a byte down to end in its own NUL; the path keeps
	 * its slash. */
	memmove(p - 1, p, n);
	p[n - 1] = '\0';
	cl->host = p - 1;
	cl->path = *end == '/' ? end : "/";
	cl->port = "80";
	return RC_OK;
}

static enum rc host_split(struct client *cl)
{
	char *colon = NULL;
	long port;
	char *end;

	if (cl->host[0] == '[') {
		end = strchr(cl->host, ']');
		if (end == NULL || (end[1] != ':' && end[1] != '\0'))
			return RC_EINVAL;
		colon = end[1] == ':' ? end + 1 : NULL;
		*end = '\0';
		cl->host++;
	} else {
		colon = strchr(cl->host, ':');
	}
	if (colon != NULL) {
		*colon = '\0';
		cl->port = colon + 1;
	}
	port = strtol(cl->port, &end, 10);
	if (cl->host[0] == '\0' || cl->port[0] < '0' || cl->port[0] > '9' ||
	    *end != '\0' || port < 1 || port > 65535)
		return RC_EINVAL;
	return RC_OK;
}

static void print_sockaddr_host(const struct addrinfo *ai, char *dst,
                                size_t size)
{
	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, dst, (socklen_t)size, NULL,
	                0, NI_NUMERICHOST) != 0)
		dst[0] = '\0';
}

static void connect_one(struct ws_conn *c, const struct addrinfo *ai)
{
	struct client *cl = c->cl;
	struct lws_client_connect_info i;
	char addr[INET6_ADDRSTRLEN + 20];

	print_sockaddr_host(ai, addr, sizeof(addr));
	print_addr(ai->ai_addr, c->peer, sizeof(c->peer));
	memset(&i, 0, sizeof(i));
	i.context = loop_lws(cl->side->l);
	i.vhost = cl->vhost->vh;
	i.address = addr;
	i.port = (int)strtol(cl->port, NULL, 10);
	i.path = cl->path;
	i.host = cl->host_header;
	i.protocol = cl->vhost->name;
	i.local_protocol_name = cl->vhost->name;
	i.ietf_version_or_minus_one = -1;
	i.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT;
	i.opaque_user_data = c;
	i.retry_and_idle_policy = &no_lws_timers;
	i.alpn = "http/1.1";
	c->wsi = lws_client_connect_via_info(&i);
}

/* The next address, or the end. Where libwebsockets fails at once it may have
 * called on_connect_failed() or not; both lead here again. */
static void on_retry(void *arg)
{
	struct ws_conn *c = arg;
	struct client *cl = c->cl;
	struct addrinfo *ai = cl->next_addr;

	if (c->wsi != NULL)
		return;
	if (c->closing || ai == NULL) {
		conn_end(c);
		return;
	}
	cl->next_addr = ai->ai_next;
	connect_one(c, ai);
	if (c->wsi == NULL)
		loop_timer_set(cl->retry, 0, 0);
}

static void on_resolved(uv_getaddrinfo_t *req, int status,
                        struct addrinfo *found)
{
	struct resolve *r = (struct resolve *)req;
	struct ws_conn *c = r->c;

	r->side->resolving--;
	free(r);
	if (c == NULL) {
		uv_freeaddrinfo(found);
		return;
	}
	c->cl->resolve = NULL;
	if (status != 0) {
		if (!c->closing)
			set_reason(c, WS_LOST, uv_strerror(status),
			           strlen(uv_strerror(status)));
	} else {
		c->cl->addrs = c->cl->next_addr = found;
	}
	on_retry(c);
}

static void sweep_client(void *arg)
{
	sweep_conn(arg);
}

static enum rc resolve_start(struct ws_conn *c)
{
	struct addrinfo hint = { .ai_socktype = SOCK_STREAM,
	                         .ai_flags = AI_NUMERICSERV };
	struct client *cl = c->cl;
	struct resolve *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return RC_ENOMEM;
	r->side = cl->side;
	r->c = c;
	if (uv_getaddrinfo(loop_uv(cl->side->l), &r->req, on_resolved, cl->host,
	                   cl->port, &hint) != 0) {
		free(r);
		return RC_EIO;
	}
	cl->side->resolving++;
	cl->resolve = r;
	return RC_OK;
}

static enum rc client_vhost(struct side *s, const char *name,
                            struct vhost **out)
{
	enum rc rc;

	for (struct vhost *v = s->client_vhosts; v != NULL; v = v->next) {
		if (strcmp(v->name, name) == 0) {
			*out = v;
			return RC_OK;
		}
	}
	rc = vhost_new(s, name, false, out);
	if (rc != RC_OK)
		return rc;
	(*out)->next = s->client_vhosts;
	s->client_vhosts = *out;
	return RC_OK;
}

/* The texts of the configuration: the URI cut up in one copy, with the Host
 * value (host and port as given) behind it. */
static enum rc client_texts(struct client *cl,
                            const struct ws_connect_config *cfg,
                            struct diag *diag)
{
	size_t len = strlen(cfg->uri);
	enum rc rc;

	memcpy(cl->uri, cfg->uri, len + 1);
	rc = uri_split(cl);
	if (rc == RC_OK) {
		cl->host_header = cl->uri + len + 1;
		memcpy(cl->host_header, cl->host, strlen(cl->host) + 1);
		rc = host_split(cl);
	}
	if (rc != RC_OK)
		return diag_set(diag, rc, "%s: not ws://host[:port]/path",
		                cfg->uri);
	if (cfg->authorization == NULL)
		return RC_OK;
	for (const char *p = cfg->authorization; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return diag_set(diag, RC_EINVAL,
			                "control character in a token");
	cl->authorization = strdup(cfg->authorization);
	return cl->authorization != NULL ? RC_OK : RC_ENOMEM;
}

static enum rc client_new(struct side *s, const struct ws_connect_config *cfg,
                          struct diag *diag, struct client **out)
{
	size_t len = strlen(cfg->uri);
	struct client *cl = NULL;
	enum rc rc;

	if (len > URI_MAX)
		return diag_set(diag, RC_EINVAL, "URI over %d bytes", URI_MAX);
	cl = calloc(1, sizeof(*cl) + 2 * (len + 1));
	if (cl == NULL)
		return RC_ENOMEM;
	cl->side = s;
	cl->on = cfg->on;
	cl->limits = cfg->limits;
	cl->tail = &cl->head;
	rc = client_texts(cl, cfg, diag);
	if (rc == RC_OK)
		rc = client_vhost(s, cfg->subprotocol, &cl->vhost);
	if (rc != RC_OK) {
		client_free(cl);
		return rc;
	}
	*out = cl;
	return RC_OK;
}

enum rc ws_connect(struct loop *l, const struct ws_connect_config *cfg,
                   struct diag *diag, struct ws_conn **out)
{
	struct client *cl = NULL;
	struct ws_conn *c = NULL;
	struct side *s;
	enum rc rc = side_get(l, &s);

	if (rc == RC_OK)
		rc = client_new(s, cfg, diag, &cl);
	if (rc != RC_OK)
		return rc;
	rc = RC_ENOMEM;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		goto out;
	c->cl = cl;
	c->on = &cl->on;
	c->limits = &cl->limits;
	c->user = cfg->on.arg;
	buf_init(&c->in, cl->limits.max_message);
	set_reason(c, WS_LOST, "connection lost", 15);
	c->alive_ms = loop_now_ms(l);
	rc = loop_timer_new(l, sweep_client, c, &cl->timer);
	if (rc == RC_OK)
		rc = loop_timer_new(l, on_retry, c, &cl->retry);
	if (rc == RC_OK)
		rc = resolve_start(c);
	if (rc != RC_OK)
		goto out;
	loop_timer_set(cl->timer, SWEEP_MS, SWEEP_MS);
	conn_link(c, &s->clients);
	*out = c;
	return RC_OK;
out:
	client_free(cl);
	free(c);
	return rc;
}
