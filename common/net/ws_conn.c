#include "common/net/ws_conn.h"

#include <libwebsockets.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/net/addr.h"
#include "common/net/loop.h"
#include "common/net/tls_check.h"

#define CLOSE_MS 5000			/* ws_close() to hanging up */
#define SERVER_RX 512			/* bytes, for each connection */
#define CLIENT_RX 32768
#define MESSAGE_COST 64			/* bytes that one counts for beyond its own */

const lws_retry_bo_t ws_no_lws_timers;

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

unsigned ws_refused(const struct ws_conn *c)
{
	return c->cl != NULL ? c->cl->refused : 0;
}

static struct ws_side *conn_side(const struct ws_conn *c)
{
	return c->cl != NULL ? c->cl->side : c->ls->side;
}

uint64_t ws_conn_now(const struct ws_conn *c)
{
	return loop_now_ms(conn_side(c)->l);
}

void ws_conn_reason(struct ws_conn *c, unsigned code, const char *reason,
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

void ws_conn_link(struct ws_conn *c, struct ws_conn **list)
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

void ws_client_free(struct ws_client *cl)
{
	struct ws_queued *q;

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
	tls_judge_free(cl->judge);
	free(cl);
}

void ws_conn_end(struct ws_conn *c)
{
	if (c->wsi != NULL)
		lws_set_opaque_user_data(c->wsi, NULL);
	c->wsi = NULL;
	if ((c->open || c->cl != NULL) && c->on->closed != NULL)
		c->on->closed(c, c->code, c->reason);
	else if (c->ls != NULL && !c->refused && c->ls->poll != NULL &&
	         c->on->turned_away != NULL)
		c->on->turned_away(c->peer, c->closing ? "slow handshake" :
		                   "broken handshake", c->ls->on.arg);
	conn_unlink(c);
	if (c->ls != NULL) {
		addr_count_drop(&c->ls->addrs, c->addr);
		c->ls->n_conns--;
		c->ls->n_opening -= !c->open;
	}
	ws_frame_unref(c->frame);
	buf_free(&c->in);
	ws_client_free(c->cl);
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

void ws_conn_want_writable(struct ws_conn *c)
{
	if (c->wsi != NULL)
		lws_callback_on_writable(c->wsi);
}

void ws_conn_drop(struct ws_conn *c, const char *reason)
{
	if (!c->closing && !c->peer_closed)
		ws_conn_reason(c, WS_LOST, reason, strlen(reason));
	c->closing = c->close_sent = true;
	if (c->wsi != NULL)
		conn_kill(c);
	else if (c->cl != NULL)
		loop_timer_set(c->cl->retry, 0, 0);	/* ends there */
}

void ws_abort(struct ws_conn *c)
{
	ws_conn_drop(c, "aborted");
}

void ws_close(struct ws_conn *c, unsigned code, const char *reason)
{
	if (c->closing || c->peer_closed)
		return;
	ws_conn_reason(c, code, reason, strlen(reason));
	c->closing = true;
	c->close_ms = ws_conn_now(c) + CLOSE_MS;
	if (c->open)
		ws_conn_want_writable(c);
	else
		ws_conn_drop(c, reason);
}

/* receiving */

void ws_conn_alive(struct ws_conn *c)
{
	c->alive_ms = ws_conn_now(c);
	c->pinged = false;
}

/* What is left of it at now, being filled with rate a second up to most. */
static void fill(int64_t *left, uint64_t *since_ms, uint64_t now, size_t rate,
                 size_t most)
{
	uint64_t ms = now - *since_ms, gain;

	if (ms > WS_OWN_S * 1000)
		ms = WS_OWN_S * 1000;
	gain = rate * ms / 1000;
	if (gain == 0)
		return;			/* of so short a time: later */
	*left += (int64_t)gain;
	if (*left > (int64_t)most)
		*left = (int64_t)most;
	*since_ms = now;
}

/* May it be read from? */
static bool has_left(struct ws_conn *c)
{
	const struct ws_limits *lim = c->limits;
	uint64_t now = ws_conn_now(c);

	fill(&c->own, &c->own_ms, now, lim->own_rate, WS_OWN_S * lim->own_rate);
	fill(&c->ls->pool, &c->ls->pool_ms, now, lim->pool_rate,
	     lim->pool_rate);
	return c->own > 0 || c->ls->pool > 0;
}

static void charge(struct ws_conn *c, size_t n)
{
	if (c->own > 0)
		c->own -= (int64_t)n;
	else
		c->ls->pool -= (int64_t)n;
	if (c->paused || has_left(c))
		return;
	c->paused = true;
	lws_rx_flow_control(c->wsi, 0);
	if (c->on->paused != NULL)
		c->on->paused(c);
}

void ws_charge(struct ws_conn *c, size_t bytes)
{
	if (c->ls != NULL && c->limits->own_rate > 0 && ws_is_open(c))
		charge(c, bytes);
}

/* What it sent meanwhile waits in its socket, then at its own end. */
static void resume(struct ws_conn *c)
{
	c->paused = false;
	ws_conn_alive(c);		/* we did not listen */
	lws_rx_flow_control(c->wsi, 1);
}

int ws_conn_receive(struct ws_conn *c, const void *data, size_t len)
{
	ws_conn_alive(c);
	if (!ws_is_open(c))
		return 0;
	if (c->ls != NULL && c->limits->own_rate > 0)
		charge(c, len + (lws_is_final_fragment(c->wsi) ?
		                 MESSAGE_COST : 0));
	if (lws_frame_is_binary(c->wsi)) {
		ws_close(c, WS_BAD_TYPE, "text messages only");
		return 0;
	}
	buf_add(&c->in, data, len);
	if (buf_rc(&c->in) == RC_ENOMEM) {
		ws_conn_reason(c, WS_LOST, rc_text(RC_ENOMEM),
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
	c->close_ms = ws_conn_now(c) + CLOSE_MS;
	if (len < 2)
		ws_conn_reason(c, WS_NO_CODE, "", 0);
	else
		ws_conn_reason(c, (unsigned)data[0] << 8 | data[1],
		               (const char *)data + 2, len - 2);
	return 0;
}

const char *ws_conn_header(struct lws *wsi, enum lws_token_indexes which,
                           char *dst, size_t size)
{
	return lws_hdr_copy(wsi, dst, (int)size, which) > 0 ? dst : NULL;
}

void ws_conn_headers(struct lws *wsi, struct ws_request *rq,
                     struct ws_headers *h)
{
	rq->authorization = ws_conn_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION,
	                                   h->authorization,
	                                   sizeof(h->authorization));
	rq->origin = ws_conn_header(wsi, WSI_TOKEN_ORIGIN, h->origin,
	                            sizeof(h->origin));
	/* One too long to be copied, or empty, is there all the same. */
	if (rq->authorization == NULL &&
	    lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, 0) > 0)
		rq->authorization = "";
	if (rq->origin == NULL &&
	    lws_hdr_fragment_length(wsi, WSI_TOKEN_ORIGIN, 0) > 0)
		rq->origin = "";
	if (lws_get_ssl(wsi) != NULL)
		tls_peer_read(lws_get_ssl(wsi), &rq->tls);
}

int ws_conn_opened(struct ws_conn *c)
{
	struct ws_request rq = { .peer = c->peer };
	struct ws_headers h;

	if (c->closing)
		return -1;
	c->open = true;
	ws_conn_alive(c);
	if (c->ls != NULL) {
		c->ls->n_opening--;
		c->own = (int64_t)(WS_OWN_S * c->limits->own_rate);
		c->own_ms = c->alive_ms;
		ws_conn_headers(c->wsi, &rq, &h);
	}
	if (c->on->open != NULL)
		c->on->open(c, &rq);
	return 0;
}

void ws_conn_sweep(struct ws_conn *c)
{
	const struct ws_limits *lim = c->limits;
	uint64_t now = ws_conn_now(c), quiet = now - c->alive_ms;

	if (c->paused && c->wsi != NULL && (!ws_is_open(c) || has_left(c)))
		resume(c);
	if (c->close_ms != 0) {
		if (now >= c->close_ms)
			conn_kill(c);
	} else if (!c->open) {
		if (lim->handshake_s > 0 && quiet >= lim->handshake_s * 1000ull)
			ws_conn_drop(c, "handshake took too long");
	} else if (lim->dead_s > 0 && quiet >= lim->dead_s * 1000ull) {
		ws_conn_drop(c, "no sign of life");
	} else if (lim->ping_s > 0 && quiet >= lim->ping_s * 1000ull &&
	           !c->pinged) {
		c->ping = c->pinged = true;
		ws_conn_want_writable(c);
	}
}

/* what all connections of a loop share */

static int on_lws(struct lws *wsi, enum lws_callback_reasons why, void *user,
                  void *in, size_t len)
{
	const struct ws_vhost *v;
	struct ws_conn *c;

	/* Called with a wsi on the stack that is no connection. */
	switch (why) {
	case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
		((struct ws_vhost *)lws_vhost_user(in))->ssl_ctx = user;
		return 0;
	case LWS_CALLBACK_PROTOCOL_INIT:
	case LWS_CALLBACK_PROTOCOL_DESTROY:
	case LWS_CALLBACK_VHOST_CERT_AGING:
		return 0;
	default:
		break;
	}
	v = lws_vhost_user(lws_get_vhost(wsi));
	if (why == LWS_CALLBACK_WSI_DESTROY && v->l != NULL)
		loop_lws_gone(v->l, wsi);
	c = lws_get_opaque_user_data(wsi);
	if (c == NULL)
		return 0;
	if (why == LWS_CALLBACK_WS_PEER_INITIATED_CLOSE)
		return on_peer_close(c, in, len);
	return c->event(wsi, c, why, in, len);
}

/* With TLS it would read all authorities of the system for a vhost that has no
 * context for clients. */
static void vhost_info(const struct ws_side *s, struct ws_vhost *v,
                       enum ws_vhost_kind kind,
                       struct lws_context_creation_info *info)
{
	bool server = kind == WS_SERVER || kind == WS_SERVER_TLS;

	info->port = server ? CONTEXT_PORT_NO_LISTEN_SERVER
	                    : CONTEXT_PORT_NO_LISTEN;
	info->protocols = v->protocols;
	info->vhost_name = server ? "server" : "client";
	info->retry_and_idle_policy = &ws_no_lws_timers;
	info->http_proxy_address = "";	/* else the environment's is used */
	info->user = v;
	info->alpn = "http/1.1";
	if (v->tls) {
		info->options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
		info->provided_client_ssl_ctx = s->client_ctx;
	}
	if (kind == WS_SERVER_TLS)
		info->options |= LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
}

enum rc ws_vhost_new(struct ws_side *s, const char *name,
                     enum ws_vhost_kind kind, struct ws_vhost **out)
{
	struct lws_context_creation_info info;
	size_t len = strlen(name);
	struct ws_vhost *v = loop_alloc(s->l, sizeof(*v) + len + 1);

	if (v == NULL)
		return RC_ENOMEM;
	memcpy(v->name, name, len + 1);
	v->tls = kind == WS_CLIENT_TLS || kind == WS_SERVER_TLS;
	v->l = kind == WS_CLIENT || kind == WS_CLIENT_TLS ? s->l : NULL;
	v->protocols[0] = (struct lws_protocols){
		.name = v->name, .callback = on_lws,
		.rx_buffer_size = v->l != NULL ? CLIENT_RX : SERVER_RX,
		.tx_packet_size = WS_STRIDE
	};
	memset(&info, 0, sizeof(info));
	vhost_info(s, v, kind, &info);
	v->vh = lws_create_vhost(loop_lws(s->l), &info);
	if (v->vh == NULL || (kind == WS_SERVER_TLS && v->ssl_ctx == NULL))
		return RC_EIO;
	*out = v;
	return RC_OK;
}

/* Before the loop closes. Connections that libwebsockets knows of end with it;
 * the others end here. */
static void at_free(void *arg)
{
	struct ws_side *s = arg;
	struct ws_conn *next;

	for (struct ws_listener *ls = s->listeners; ls != NULL;
	     ls = ls->next) {
		ws_unlisten(ls);
		tls_identity_unref(ls->identity);
		ls->identity = NULL;
	}
	for (struct ws_conn *c = s->clients; c != NULL; c = next) {
		next = c->next;
		if (c->cl->resolve != NULL)
			uv_cancel((uv_req_t *)&c->cl->resolve->req);
		if (c->wsi == NULL)
			ws_conn_end(c);
	}
	while (s->resolving > 0)	/* one that runs cannot be stopped */
		uv_run(loop_uv(s->l), UV_RUN_ONCE);
	SSL_CTX_free(s->client_ctx);	/* connections have counted it */
}

enum rc ws_side_get(struct loop *l, struct ws_side **out)
{
	struct ws_side *s = *loop_place(l, LOOP_WS);

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
