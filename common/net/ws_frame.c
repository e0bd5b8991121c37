/* Framing and sending. On the server frames go straight to the socket, past
 * libwebsockets (ws.h); a client gives its few texts to libwebsockets. */
#include "common/net/ws.h"

#include <errno.h>
#include <libwebsockets.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/net/ws_conn.h"
#include "common/net/ws_tls.h"

#define TLS_BURST 16		/* records, then others have their turn */

struct ws_frame {
	atomic_uint refs;
	size_t len;			/* payload */
	size_t wire;			/* with the headers */
	unsigned char data[];
};

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
	size_t wire = full * WS_STRIDE + (rest < 126 ? 2 : 4) + rest;
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
		p += WS_STRIDE;
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
	return (c->blocked ? c->rest : 0) +
	       (c->frame != NULL ? c->frame->wire - c->off : 0);
}

/* sending, server */

static size_t fragment_end(const struct ws_conn *c)
{
	size_t end = (c->off / WS_STRIDE + 1) * WS_STRIDE;

	return end < c->frame->wire ? end : c->frame->wire;
}

/* The rest of a fragment that was begun goes to libwebsockets, which keeps it and
 * writes it before anything of its own; at a boundary there is nothing to
 * keep. Either way the next chance is the writable callback. */
static enum rc leave_rest(struct ws_conn *c, bool begun)
{
	size_t end = fragment_end(c);

	c->blocked = true;
	c->rest = begun ? end - c->off : 0;
	if (begun && lws_write(c->wsi, c->frame->data + c->off, end - c->off,
	                       LWS_WRITE_RAW) < 0)
		return RC_EIO;
	if (begun)
		c->off = end;
	ws_conn_want_writable(c);
	return RC_OK;
}

/* A fragment is a record of TLS. One that did not fit stands encrypted in the
 * library, and must come again before anything else does: so it counts as
 * begun. */
static enum rc push_tls(struct ws_conn *c, struct ssl_st *ssl)
{
	size_t n = 0;

	for (int i = 0; i < TLS_BURST && c->off < c->frame->wire; i++) {
		if (ws_tls_write(ssl, c->frame->data + c->off,
		                 fragment_end(c) - c->off, &n) != RC_OK)
			return RC_EIO;
		if (n == 0)
			return leave_rest(c, true);
		c->off += n;
	}
	return c->off == c->frame->wire
		? RC_OK : leave_rest(c, c->off % WS_STRIDE != 0);
}

static enum rc push_plain(struct ws_conn *c)
{
	size_t left = c->frame->wire - c->off;
	ssize_t n = send(lws_get_socket_fd(c->wsi), c->frame->data + c->off,
	                 left, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		return RC_EIO;
	if (n > 0)
		c->off += (size_t)n;
	return c->off == c->frame->wire
		? RC_OK : leave_rest(c, c->off % WS_STRIDE != 0);
}

static enum rc push(struct ws_conn *c)
{
	struct ssl_st *ssl = lws_get_ssl(c->wsi);

	if (c->off == c->frame->wire)
		return RC_OK;
	if (lws_partial_buffered(c->wsi))	/* a PONG that did not fit */
		return leave_rest(c, c->off % WS_STRIDE != 0);
	return ssl != NULL ? push_tls(c, ssl) : push_plain(c);
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
		ws_conn_drop(c, "write failed");
		return RC_EIO;
	}
	frame_done(c);
	c->told_busy = !ws_ready(c);
	return RC_OK;
}

/* sending, client */

static enum rc queue_text(struct ws_conn *c, const void *data, size_t len)
{
	struct ws_queued *q;

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
	ws_conn_want_writable(c);
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
	struct ws_client *cl = c->cl;
	struct ws_queued *q = cl->head;
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

int ws_conn_writable(struct ws_conn *c)
{
	size_t before = c->off;

	if (lws_partial_buffered(c->wsi)) {
		ws_conn_want_writable(c);
		return 0;
	}
	c->blocked = false;
	if (c->ping) {
		ws_conn_want_writable(c);
		return write_ping(c);
	}
	if (c->cl != NULL && write_queued(c) != 0)
		return -1;
	if (c->frame != NULL && push(c) != RC_OK)
		return -1;
	if (c->off > before)
		c->alive_ms = ws_conn_now(c);	/* slow, but it reads */
	frame_done(c);
	if (anything_left(c) || c->blocked) {
		ws_conn_want_writable(c);
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
