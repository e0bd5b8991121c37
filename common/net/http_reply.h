/* http_reply.h - what an HTTP listener answers with, shared by many requests.
 *
 * Counted, any thread; built by one thread (new, header), immutable from when it
 * is shared or returned by the handler. HEAD gets the headers and
 * the Content-Length of GET. Content-Length and Date are added here; give
 * neither. For 304 use an empty reply with the headers of the 200.
 */
#ifndef ALTOCAST_NET_HTTP_REPLY_H
#define ALTOCAST_NET_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/rc.h"

struct MHD_Connection;
struct http_reply;

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

/* For the listener: gives r to a connection, which keeps what it needs of it. r
 * NULL is a bare 500, and so is what memory is short for. false: not even that
 * went; the connection has to be closed. */
MUST_CHECK bool http_reply_queue(struct http_reply *r,
                                 struct MHD_Connection *conn);

#endif
