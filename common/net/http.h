/* http.h - an HTTP listener: complete requests in, shared replies out.
 *
 * Requests are answered on the listener's own threads, so the handler runs on
 * several at once and must not block for long: what takes longer it hands to a
 * thread of its own, and answers later. Routes, status codes and bodies
 * are the handler's; here are limits, bodies gathered under a ceiling, and
 * replies that are built once and sent to everybody.
 *
 * Memory from outside: max_conns * (32 KiB for request line and headers, and
 * 64 KiB for an answer that is read piece by piece), and max_bodies.
 * Connections over a limit get a 503 that names it, and cost no memory.
 * Who has closed, or will send no more and has no complete request open, is let go
 * within a second. Who is sent an answer has 60 s for it, and a second more for
 * each 32 KiB that was taken of it.
 * A request that could be read in two ways (RFC 9112 s6.3: Content-Length with
 * Transfer-Encoding, either of them twice) gets 400 and its connection is
 * closed; it never reaches the handler.
 * Over TLS (1.2 at least, http/1.1 alone) what could only be said in clear text is
 * left unsaid: who is over a limit, or late, is closed without a word. The
 * handshake is a part of header_s, and counts as a request begun.
 */
#ifndef ALTOCAST_NET_HTTP_H
#define ALTOCAST_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/net/http_later.h"	/* callers answer with it */
#include "common/net/http_reply.h"	/* callers make them */
#include "common/net/http_request.h"	/* callers read them */
#include "common/net/tls.h"

struct http;

struct http_config {
	const char *addr;		/* "0.0.0.0:8080", "127.0.0.1:0" (a free
					 * port), "[::]:8080" (IPv4 as well) */
	unsigned threads;		/* 1-64 */
	unsigned max_conns;		/* over all threads, no fewer than those */
	unsigned max_conns_per_addr;	/* IPv6: per /64; 0: no limit of its
					 * own */
	unsigned timeout_s;		/* of inactivity */
	unsigned header_s;		/* from the accept, or from the end of
					 * timeout_s after the last request, to
					 * the end of the header; 0: any time */
	unsigned body_s;		/* for the body after it; 0: any time */
	size_t max_body;		/* of a request; more gets 413 */
	size_t max_bodies;		/* of all requests at once, more gets
					 * 503; 0: HTTP_BODIES_MAX */
	struct tls_identity *tls;	/* lent until http_start() returns; NULL:
					 * plain */
};
#define HTTP_BODIES_MAX ((size_t)64 << 20)

/* In the handler: it returns NULL, and some thread calls http_later_reply() when
 * it has the reply. NULL: cannot be, the listener stops or memory is short, and
 * the handler has to answer itself. */
struct http_later *http_later(const struct http_request *rq);

struct http_handler {
	/* Makes the reply to a complete request and gives its reference away;
	 * NULL (memory) becomes a bare 500. */
	struct http_reply *(*reply)(const struct http_request *rq, void *arg);
	void *arg;			/* of both */
	/* The reply to a request that is not taken: 400 malformed, 413 body too
	 * long, 501 transfer coding unknown, 503 too many bodies at once. A new
	 * one each time, with an error body: "Connection: close", and to 503
	 * "Retry-After", are added here. NULL, or NULL returned: a bare one.
	 * What is not even a request is refused by the library below. */
	struct http_reply *(*refuse)(unsigned status, void *arg);
};

/* RC_EINVAL: the address is not one, or that kind of key cannot be used. RC_EIO:
 * cannot listen there; diag names address and reason. */
MUST_CHECK enum rc http_start(const struct http_config *cfg,
                              const struct http_handler *handler,
                              struct diag *diag, struct http **out);
uint16_t http_port(const struct http *h);
/* Connections from now on are shown this identity; open ones stay. Any thread.
 * RC_EINVAL: the listener is a plain one, or that kind of key cannot be used. */
MUST_CHECK enum rc http_set_identity(struct http *h, struct tls_identity *id);
unsigned http_conns(const struct http *h);		/* open now */

/* What was refused since the start. */
struct http_counts {
	uint64_t refused_conns;		/* connections over max_conns */
	uint64_t refused_address;	/* over max_conns_per_addr */
	uint64_t timeouts;		/* requests begun and not complete in
					 * time */
	uint64_t too_large;		/* bodies over max_body */
	uint64_t refused_bodies;	/* over max_bodies */
	uint64_t malformed;		/* 400 and 501 */
	uint64_t shed;			/* answers, by http_shed() */
};
void http_counts(const struct http *h, struct http_counts *out);

/* Breaks off about half of the answers that are being sent: those that have been
 * longest. For when what they hold is too much. Any thread. */
void http_shed(struct http *h);

/* Takes no new connections, lets requests under way finish for up to grace_ms,
 * then closes the rest and frees h; those to be answered later get a 503. The
 * handler is not called after the return. NULL is fine. */
void http_stop(struct http *h, unsigned grace_ms);

#endif
