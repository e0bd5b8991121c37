/* http.h - an HTTP listener: complete requests in, shared replies out.
 *
 * Requests are answered on the listener's own threads, so the handler runs on
 * several at once and must not block for long. Routes, status codes and bodies
 * are the handler's; here are limits, bodies gathered under a ceiling, and
 * replies that are built once and sent to everybody.
 */
#ifndef ALTOCAST_NET_HTTP_H
#define ALTOCAST_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/diag.h"
#include "common/base/rc.h"

struct http;
struct http_reply;

struct http_config {
	const char *addr;		/* "0.0.0.0:8080", "127.0.0.1:0" (a free
					 * port), "[::]:8080" (IPv4 as well) */
	unsigned threads;		/* 1-64 */
	unsigned max_conns;		/* over all threads, no fewer than those */
	unsigned max_conns_per_addr;	/* 0: no limit of its own */
	unsigned timeout_s;		/* of inactivity */
	unsigned header_s;		/* from the accept, or from the end of
					 * timeout_s after the last request, to
					 * the end of the header; 0: any time */
	unsigned body_s;		/* for the body after it; 0: any time */
	size_t max_body;		/* of a request; more gets 413 */
};

/* Valid during the handler's call only. */
struct http_request {
	const char *method;		/* "GET", case as sent */
	const char *path;		/* as sent: not decoded, no query */
	const char *query;		/* after '?', as sent; NULL: none */
	const void *body;		/* NULL when empty */
	size_t len;
	const char *peer;		/* "192.0.2.1:4915", "[2001:db8::1]:80" */
	void *conn;			/* for http_header() */
};

/* The value of a request header, NULL when absent; name in any case. A header
 * sent several times: the first. */
const char *http_header(const struct http_request *rq, const char *name);

/* Makes the reply to a complete request and gives its reference away; NULL
 * (memory) becomes a bare 500. */
struct http_handler {
	struct http_reply *(*reply)(const struct http_request *rq, void *arg);
	void *arg;
};

/* RC_EINVAL: the address is not one. RC_EIO: cannot listen there; diag names
 * address and reason. */
MUST_CHECK enum rc http_start(const struct http_config *cfg,
                              const struct http_handler *handler,
                              struct diag *diag, struct http **out);
uint16_t http_port(const struct http *h);
unsigned http_conns(const struct http *h);		/* open now */

/* Takes no new connections, lets requests under way finish for up to grace_ms,
 * then closes the rest and frees h. The handler is not called after the return.
 * NULL is fine. */
void http_stop(struct http *h, unsigned grace_ms);

/* Replies. Counted, any thread; built by one thread (new, header), immutable
 * from when it is shared or returned by the handler. HEAD gets the headers and
 * the Content-Length of GET. Content-Length and Date are added here; give
 * neither. For 304 use an empty reply with the headers of the 200. */

/* A body by reference: it must not change until free(arg), which is called
 * once, on any thread, after the last reply holding it has been sent; it is
 * called as well when making the reply fails. free NULL: never needed. */
struct http_bytes {
	const void *data;
	size_t len;
	void (*free)(void *arg);
	void *arg;
};
MUST_CHECK enum rc http_reply_new_bytes(unsigned status,
                                        const struct http_bytes *body,
                                        struct http_reply **out);

/* A body read piece by piece, from several threads at once: read() puts up to
 * max bytes from offset off into buf and returns how many, or -1 to break off.
 * free as above. */
struct http_reader {
	ssize_t (*read)(void *arg, uint64_t off, char *buf, size_t max);
	uint64_t len;
	void (*free)(void *arg);
	void *arg;
};
MUST_CHECK enum rc http_reply_new_reader(unsigned status,
                                         const struct http_reader *body,
                                         struct http_reply **out);

/* A reply with a copy of a short text; media NULL: no Content-Type. */
MUST_CHECK enum rc http_reply_new_text(unsigned status, const char *media,
                                       const char *text,
                                       struct http_reply **out);

/* Adds a header; both are copied. RC_EINVAL: not a header (RFC 9110 s5). */
MUST_CHECK enum rc http_reply_header(struct http_reply *r, const char *name,
                                     const char *value);
unsigned http_reply_status(const struct http_reply *r);
struct http_reply *http_reply_ref(struct http_reply *r);
void http_reply_unref(struct http_reply *r);		/* NULL is fine */

/* Whether an If-None-Match value (a list, or *) names etag (with its quotes,
 * and W/ if weak), compared weakly: RFC 9110 s8.8.3.2, s13.1.2. NULL and
 * malformed values match nothing. */
bool http_etag_match(const char *if_none_match, const char *etag);

#endif
