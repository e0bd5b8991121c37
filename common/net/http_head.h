/* http_head.h - the head of a request to the listener: what it aims at, and
 * whether it can be read in one way only (RFC 9112 s3.2, s5, s6.3). The library
 * below takes much that it should refuse; from two readers of one stream it
 * would make two different sets of requests.
 */
#ifndef ALTOCAST_NET_HTTP_HEAD_H
#define ALTOCAST_NET_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>

struct MHD_Connection;

/* RFC 9110 s5.1 and s5.5: a token, and no control characters but the tab. */
bool http_field_ok(const char *name, const char *value);

struct http_target {
	const char *path;		/* "/..." or "*"; NULL: no target */
	const char *query;		/* NULL: none */
};

/* Takes a request target apart, in place: both point into uri, or are static. */
struct http_target http_target_split(char *uri);

/* 0, or the status that a request with this head gets: 400 or 501. */
unsigned http_head_check(struct MHD_Connection *conn,
                         const struct http_target *target, const char *method,
                         const char *version);

/* As http_header_list(). */
size_t http_head_list(struct MHD_Connection *conn, const char *name, char *dst,
                      size_t size);

#endif
