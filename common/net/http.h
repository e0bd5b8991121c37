/* http.h - an HTTP listener: complete requests in, shared replies out.
 *
 * Requests are answered on the listener's own threads, so the handler runs on
 * several at once and must not block for long. Routes, status codes and bodies
 * are the handler's; here are limits, bodies gathered under a ceiling, and
 * replies that are built once and sent to everybody.
 *
 * Memory from outside: max_conns * (32 KiB for request line and headers, and
 * 64 KiB for an answer that is read piece by piece), and max_bodies.
 * Connections over a limit get a 503 that names it, and cost no memory.
 * A request that could be read in two ways (RFC 9112 s6.3: Content-Length with
 * Transfer-Encoding, either of them twice) gets 400 and its connection is
 * closed; it never reaches the handler.
 */
#ifndef ALTOCAST_NET_HTTP_H
#define ALTOCAST_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/net/http_reply.h"	/* callers make them */

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
	bool tls;			/* the sockets carry TLS: 503 and 408
					 * in clear text are not written */
};
#define HTTP_BODIES_MAX ((size_t)64 << 20)

/* Valid during the handler's call only. */
struct http_request {
	const char *method;		/* "GET", case as sent */
	const char *path;		/* as sent: not decoded, no query. "/..."
					 * (of "http://host/..." as well), or
					 * "*" with OPTIONS */
	const char *query;		/* after '?', as sent; NULL: none */
	const void *body;		/* NULL when empty */
	size_t len;
	const char *peer;		/* "192.0.2.1:4915", "[2001:db8::1]:80" */
	void *conn;			/* for http_header() */
};

/* The value of a request header, NULL when absent; name in any case. A header
 * sent several times: the first. */
const char *http_header(const struct http_request *rq, const char *name);

/* All values of a header that is a list (Accept, Accept-Encoding, Forwarded,
 * If-None-Match ...), in the order sent, joined by ", " (RFC 9110 s5.3). Returns
 * the length of that text, 0 when absent. What does not fit with its NUL is not
 * cut (the end of a list may matter most): dst is "" then, as if none had been
 * sent. All headers of a request together are shorter than HTTP_HEADERS_MAX. */
#define HTTP_HEADERS_MAX 32768
size_t http_header_list(const struct http_request *rq, const char *name,
                        char *dst, size_t size);

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

/* RC_EINVAL: the address is not one. RC_EIO: cannot listen there; diag names
 * address and reason. */
MUST_CHECK enum rc http_start(const struct http_config *cfg,
                              const struct http_handler *handler,
                              struct diag *diag, struct http **out);
uint16_t http_port(const struct http *h);
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
};
void http_counts(const struct http *h, struct http_counts *out);

/* Takes no new connections, lets requests under way finish for up to grace_ms,
 * then closes the rest and frees h. The handler is not called after the return.
 * NULL is fine. */
void http_stop(struct http *h, unsigned grace_ms);

#endif
