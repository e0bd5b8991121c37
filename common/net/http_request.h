/* http_request.h - a complete request, as the handler of a listener sees it.
 *
 * It is of the connection that it came on, and lasts as long as the handler's call;
 * what is to last longer is kept apart. One thread at a time.
 */
#ifndef ALTOCAST_NET_HTTP_REQUEST_H
#define ALTOCAST_NET_HTTP_REQUEST_H

#include <stddef.h>

#include "common/base/buf.h"

struct http_request {
	const char *method;		/* "GET", case as sent */
	const char *path;		/* as sent: not decoded, no query. "/..."
					 * (of "http://host/..." as well), or
					 * "*" with OPTIONS */
	const char *query;		/* after '?', as sent; NULL: none */
	const void *body;		/* NULL when empty */
	size_t len;
	const char *peer;		/* "192.0.2.1:4915", "[2001:db8::1]:80" */
	void *conn;			/* for http_header(); NULL: no headers */
	void *own;			/* the listener's */
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

/* A copy of rq without its headers, so that any thread may read it. The body is
 * lent until it is given away with http_kept_body(). NULL: out of memory. */
struct http_kept;
struct http_kept *http_kept_new(const struct http_request *rq);
void http_kept_body(struct http_kept *k, struct buf *body);
const struct http_request *http_kept_request(const struct http_kept *k);
void http_kept_free(struct http_kept *k);		/* NULL is fine */

#endif
