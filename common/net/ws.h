/* ws.h - WebSockets, bytes only: one listener, and connections to others.
 *
 * Text messages come in whole and go out whole; what they say is no matter
 * here. Loop thread only, except struct ws_frame, which any thread may make and
 * count.
 *
 * A server connection keeps no queue. The one frame that did not fit into the
 * socket is held by count, with an offset; the caller asks ws_ready() and hands
 * over the next one when `writable` says so. Thus a slow reader costs a number
 * and at most WS_FRAGMENT bytes, and the same frame goes to every subscriber.
 *
 * Frames are written straight to the socket, or into its TLS, past
 * libwebsockets. To keep its own PONG and CLOSE out of the middle of a frame, a
 * message over WS_FRAGMENT bytes is sent in fragments (RFC 6455 s5.4), between
 * which control frames are allowed, and the rest of a half-written fragment is
 * left with libwebsockets, which writes it before anything else.
 */
#ifndef ALTOCAST_NET_WS_H
#define ALTOCAST_NET_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/net/tls.h"

#define WS_FRAGMENT 16380	/* payload bytes of a fragment: with its header
				 * it is one record of TLS */
#define WS_OWN_S 4
#define WS_REASON_MAX 123	/* bytes of a close reason, RFC 6455 s5.5 */

enum ws_close_code {		/* RFC 6455 s7.4.1, those used here */
	WS_NORMAL = 1000,
	WS_GOING_AWAY = 1001,
	WS_BAD_PROTOCOL = 1002,
	WS_BAD_TYPE = 1003,
	WS_NO_CODE = 1005,	/* seen in closed() only: none was given */
	WS_LOST = 1006,		/* seen in closed() only: no close frame came */
	WS_TOO_BIG = 1009
};

struct loop;
struct ws_conn;
struct ws_frame;
struct ws_listener;

/* What is known of a connection while it opens; valid in the call only. */
struct ws_request {
	const char *peer;		/* "192.0.2.1:4915", "[2001:db8::1]:80" */
	/* Header values; NULL: absent, "": too long. */
	const char *authorization;
	const char *origin;
	struct tls_peer tls;		/* all "" without TLS */
};

/* Any member may be NULL. A handler may call anything below on its connection,
 * ws_close() and ws_abort() too; the connection stays valid until `closed` has
 * returned, which comes exactly once for each connection that got `open`, and
 * for each successful ws_connect(). */
struct ws_handlers {
	/* Server, before the handshake is answered: 0 admits, else the HTTP
	 * status to refuse with, e.g. 401. arg is that of ws_handlers. */
	int (*admit)(const struct ws_request *rq, void *arg);
	/* Server: one that never opens, be it that a limit is reached or that its
	 * handshake failed. why is static text, of few. Not after admit. */
	void (*turned_away)(const char *peer, const char *why, void *arg);
	/* The handshake is done; ws_user() is arg until ws_set_user(). On a
	 * client connection all of rq but the peer is NULL. */
	void (*open)(struct ws_conn *c, const struct ws_request *rq);
	/* A whole text message, data NUL-terminated, valid in the call only. */
	void (*message)(struct ws_conn *c, const char *data, size_t len);
	/* ws_ready() has become true again after it was false. */
	void (*writable)(struct ws_conn *c);
	/* Server: it sends more than it may (ws_limits) and is not read from for a
	 * moment. Once for each time, which may be often. */
	void (*paused)(struct ws_conn *c);
	/* Over. code and reason: as the peer's close frame said, or as given to
	 * ws_close(), else WS_LOST and what happened in words. */
	void (*closed)(struct ws_conn *c, unsigned code, const char *reason);
	void *arg;
};

struct ws_limits {
	unsigned max_conns;		/* server: in all, handshakes counted */
	unsigned max_conns_per_addr;	/* server: by IPv4 address, IPv6 /64 */
	size_t max_message;		/* of the peer; longer: WS_TOO_BIG */
	size_t max_queue;		/* client: bytes given to ws_send_text()
					 * and not yet written */
	unsigned handshake_s;		/* from connected to open, TLS included */
	unsigned max_handshakes;	/* server: not open yet, in all; more are
					 * closed at once; 0: max_conns */
	/* Server: bytes a second that are read from each, and beyond that from all
	 * together; as much can be saved up as comes in WS_OWN_S, in 1 s. Who has
	 * neither is not read from till there is more, and whoever keeps to his
	 * own is held up by nobody. 0: no limit */
	size_t own_rate, pool_rate;
	unsigned ping_s;		/* silence before a PING goes out */
	unsigned dead_s;		/* silence before it is dropped; more
					 * than ping_s. Both 0: for ever */
};

struct ws_listen_config {
	const char *addr;		/* "192.0.2.1", "::1"; "::": both */
	uint16_t port;			/* 0: a free one, see ws_port() */
	const char *path;		/* "/push"; others get 404 */
	const char *subprotocol;	/* "alto-push.v1"; others get 400 */
	struct ws_handlers on;
	struct ws_limits limits;
	struct tls_identity *tls;	/* referenced; NULL: plain. The handshake
					 * speaks http/1.1 alone (ALPN) */
	bool ask_certificate;		/* of clients, who may have none; one that
					 * leads to no authority is told as such,
					 * whether that will do is up to admit */
};

struct ws_connect_config {
	const char *uri;		/* ws:// or wss://, host[:port]/path */
	const char *subprotocol;
	const char *authorization;	/* header value; NULL: none */
	struct ws_handlers on;
	struct ws_limits limits;	/* handshake_s counts from ws_connect(),
					 * name lookup included */
	struct tls_trust tls;		/* wss: chain and host name are checked
					 * before anything is sent */
};

/* Of a server's connection: what it sent costs as much as so many bytes more
 * (own_rate, pool_rate). */
void ws_charge(struct ws_conn *c, size_t bytes);

/* The texts of the config are copied. The listener lives until ws_unlisten() or
 * loop_free(). RC_EIO: cannot listen there, the address and why are in diag. */
MUST_CHECK enum rc ws_listen(struct loop *l, const struct ws_listen_config *cfg,
                             struct diag *diag, struct ws_listener **out);
uint16_t ws_port(const struct ws_listener *ls);
unsigned ws_conns(const struct ws_listener *ls);	/* handshakes counted */
/* Handshakes from now on show this identity; open connections stay. RC_EINVAL: the
 * listener is a plain one. */
MUST_CHECK enum rc ws_set_identity(struct ws_listener *ls,
                                   struct tls_identity *id);
/* Takes no new connections; those there live on. ls is gone for the caller. */
void ws_unlisten(struct ws_listener *ls);

/* Starts connecting; the outcome is told by `open` or `closed`, never within
 * the call. Redirects are not followed. RC_EINVAL: not a URI we can use, or not
 * a pin; what is wrong with a file of tls: as tls_identity_load() says. The
 * reason is in diag. */
MUST_CHECK enum rc ws_connect(struct loop *l,
                              const struct ws_connect_config *cfg,
                              struct diag *diag, struct ws_conn **out);

void *ws_user(const struct ws_conn *c);
void ws_set_user(struct ws_conn *c, void *user);
const char *ws_peer(const struct ws_conn *c);	/* "" until known */
bool ws_is_open(const struct ws_conn *c);	/* open and not closing */
/* Client, in `closed`: the HTTP status that the other end refused the upgrade with;
 * 0: it did not. */
unsigned ws_refused(const struct ws_conn *c);

/* A text message framed once for any number of server connections; immutable,
 * counted. RC_ELIMIT: over UINT32_MAX bytes. */
MUST_CHECK enum rc ws_frame_new(const void *data, size_t len,
                                struct ws_frame **out);
struct ws_frame *ws_frame_ref(struct ws_frame *f);
void ws_frame_unref(struct ws_frame *f);		/* NULL is fine */
size_t ws_frame_len(const struct ws_frame *f);		/* of the payload */

/* Whether the next message would be taken. Client: nothing is queued. */
bool ws_ready(const struct ws_conn *c);

/* Server connections: sends, or keeps a reference to go on later; the caller's
 * own reference stays with him. RC_EAGAIN: not ws_ready(). RC_EINVAL: not open,
 * or a client connection. RC_EIO: broken, `closed` will come. */
MUST_CHECK enum rc ws_send_frame(struct ws_conn *c, struct ws_frame *f);

/* Both kinds. Client: copied and queued, RC_ELIMIT when that passes max_queue.
 * Server: a frame for one, otherwise like ws_send_frame(). RC_ENOMEM. */
MUST_CHECK enum rc ws_send_text(struct ws_conn *c, const void *data,
                                size_t len);

/* Bytes taken and not yet written to the socket. */
size_t ws_pending(const struct ws_conn *c);

/* Closes with a code (1000, 1001, 1002, 1003, 1009, 3000-4999) and a reason
 * (cut at WS_REASON_MAX), after what is under way has been written; a peer that
 * reads nothing or does not answer is dropped after 5 seconds. No message
 * comes in any more. The first close counts. `closed` never comes within the
 * call. */
void ws_close(struct ws_conn *c, unsigned code, const char *reason);
/* Drops the connection without a close frame. `closed` comes later. */
void ws_abort(struct ws_conn *c);

#endif
