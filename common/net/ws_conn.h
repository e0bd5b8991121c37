/* ws_conn.h - a WebSocket connection from within; private to ws_*.c.
 *
 * Server and client connections share their state, their way of receiving and
 * their way of ending; what only one side needs hangs on `ls` or `cl`.
 * libwebsockets calls back for both in one place, which hands on to `event`.
 * Loop thread only.
 */
#ifndef ALTOCAST_NET_WS_CONN_H
#define ALTOCAST_NET_WS_CONN_H

#include <libwebsockets.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/net/addr.h"
#include "common/net/ws.h"

#define WS_STRIDE (WS_FRAGMENT + 4)	/* a full fragment with its header */
#define WS_SWEEP_MS 250
#define WS_HEADER_MAX 4096		/* libwebsockets takes no more in all */

/* What a client connection has beside; NULL on the server. */
struct ws_client {
	struct ws_handlers on;
	struct ws_limits limits;
	struct ws_side *side;
	struct ws_vhost *vhost;
	struct loop_timer *timer;	/* sweeps this one */
	struct loop_timer *retry;	/* next address */
	struct ws_resolve *resolve;
	struct addrinfo *addrs, *next_addr;
	struct ws_queued *head, **tail;
	bool dialing;			/* libwebsockets is at its connect() */
	size_t queued;
	char *authorization;		/* NULL: none */
	struct tls_judge *judge;	/* NULL: plain */
	char tls_why[WS_REASON_MAX + 1];	/* it failed; "": did not */
	unsigned refused;		/* status of the upgrade; 0: it was not */
	const char *port, *path;	/* these: in uri[] */
	char *host, *host_header;
	char uri[];
};

struct ws_conn {
	struct lws *wsi;		/* NULL: not yet, or no more */
	struct ws_listener *ls;		/* NULL: a client */
	struct ws_client *cl;
	int (*event)(struct lws *wsi, struct ws_conn *c,
	             enum lws_callback_reasons why, void *in, size_t len);
	const struct ws_handlers *on;
	const struct ws_limits *limits;
	struct ws_conn *next, **at;	/* of the listener, or of the side */
	struct addr_count *addr;
	void *user;
	struct buf in;
	struct ws_frame *frame;		/* the one under way */
	size_t off;			/* bytes of it that are off our hands */
	uint64_t alive_ms;		/* when the peer last gave a sign */
	uint64_t close_ms;		/* hang up then; 0: not closing */
	unsigned code;
	bool refused;			/* server: by admit */
	bool open, closing, close_sent, peer_closed;
	bool blocked;			/* libwebsockets may hold bytes, */
	size_t rest;			/* at most these, of a fragment */
	bool told_busy;			/* the owner waits for `writable` */
	bool ping, pinged;
	int64_t own;			/* bytes that may be read, at own_ms */
	uint64_t own_ms;
	bool paused;			/* not read from: it sends too much */
	char reason[WS_REASON_MAX + 1];
	char peer[ADDR_TEXT_MAX];
};

struct ws_listener {
	uv_poll_t *poll;		/* NULL: takes no more */
	int fd;
	uint16_t port;
	bool paused;			/* no descriptors: the sweep resumes */
	struct ws_side *side;
	struct ws_vhost *vhost;
	struct ws_listener *next;
	struct loop_timer *timer;
	struct ws_handlers on;
	struct ws_limits limits;
	struct ws_conn *conns;
	unsigned n_conns, n_opening;
	int64_t pool;			/* bytes that may be read beyond what each
					 * may send, at pool_ms */
	uint64_t pool_ms;
	struct tls_identity *identity;	/* NULL: plain */
	struct addr_table addrs;
	char *path;
};

/* libwebsockets keeps pointing to the protocols of a vhost until its own
 * end. */
struct ws_vhost {
	struct ws_vhost *next;		/* client vhosts, shared by name and
					 * tls */
	struct lws_vhost *vh;
	bool tls;
	struct loop *l;			/* clients; a listener's: NULL */
	struct ssl_ctx_st *ssl_ctx;	/* server with TLS: libwebsockets' own */
	struct lws_protocols protocols[2];
	char name[];
};

/* All of a loop. */
struct ws_side {
	struct loop *l;
	struct ws_listener *listeners;
	struct ws_conn *clients;
	struct ws_vhost *client_vhosts;
	struct ssl_ctx_st *client_ctx;	/* of all with TLS */
	unsigned resolving;
};

struct ws_resolve {
	uv_getaddrinfo_t req;
	struct ws_side *side;
	struct ws_conn *c;		/* NULL: nobody waits any more */
};

struct ws_queued {
	struct ws_queued *next;
	size_t len;
	unsigned char data[];		/* LWS_PRE bytes, then the text */
};

/* Header values, copied out of libwebsockets' own store. */
struct ws_headers {
	char authorization[WS_HEADER_MAX];
	char origin[512];
};

/* Timers that never fire: libwebsockets leaves them to us. */
extern const lws_retry_bo_t ws_no_lws_timers;

/* The one of the loop, made at the first call. */
MUST_CHECK enum rc ws_side_get(struct loop *l, struct ws_side **out);

/* A vhost for that subprotocol, with our callback. It lives as long as the
 * loop. */
enum ws_vhost_kind { WS_CLIENT, WS_CLIENT_TLS, WS_SERVER, WS_SERVER_TLS };
MUST_CHECK enum rc ws_vhost_new(struct ws_side *s, const char *name,
                                enum ws_vhost_kind kind,
                                struct ws_vhost **out);

void ws_conn_link(struct ws_conn *c, struct ws_conn **list);
uint64_t ws_conn_now(const struct ws_conn *c);

/* What `closed` will be told; the reason is cut at WS_REASON_MAX. */
void ws_conn_reason(struct ws_conn *c, unsigned code, const char *reason,
                    size_t len);

/* Over: tells the owner and frees. libwebsockets may still call for the wsi,
 * but does not know us any more. */
void ws_conn_end(struct ws_conn *c);

/* Hangs up from the loop's next turn; the first reason stays. */
void ws_conn_drop(struct ws_conn *c, const char *reason);

void ws_conn_want_writable(struct ws_conn *c);

/* What libwebsockets has to tell; the result is for it. */
int ws_conn_opened(struct ws_conn *c);
int ws_conn_receive(struct ws_conn *c, const void *data, size_t len);
int ws_conn_writable(struct ws_conn *c);
void ws_conn_alive(struct ws_conn *c);		/* a PONG */

/* The look at one connection every WS_SWEEP_MS. */
void ws_conn_sweep(struct ws_conn *c);

/* A header into dst; NULL when absent, or too long to be one of ours. */
const char *ws_conn_header(struct lws *wsi, enum lws_token_indexes which,
                           char *dst, size_t size);
/* All of rq but the peer. */
void ws_conn_headers(struct lws *wsi, struct ws_request *rq,
                     struct ws_headers *h);

void ws_client_free(struct ws_client *cl);	/* NULL is fine */

#endif
