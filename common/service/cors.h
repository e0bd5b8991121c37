/* cors.h - which web pages may read what is served here (Fetch standard, CORS
 * protocol): none, those of the origins listed, or all ("*"). Immutable; any
 * thread. */
#ifndef ALTOCAST_SERVICE_CORS_H
#define ALTOCAST_SERVICE_CORS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/rc.h"
#include "common/net/http.h"

struct cors;

/* Copies. No origins: no page may. Each as a browser writes it, in lower case (RFC
 * 6454 s6.2): bytes are compared. RC_ENOMEM. */
MUST_CHECK enum rc cors_new(const char *const *origins, size_t n,
                            struct cors **out);
void cors_free(struct cors *c);				/* NULL is fine */

/* Replies differ by origin: one that is shared is right for requests without
 * one only. */
bool cors_by_origin(const struct cors *c);

/* What Access-Control-Allow-Origin must say to a request with this Origin (NULL:
 * none sent): NULL nothing, "*", or the origin as it is listed (lent by c). */
const char *cors_allow(const struct cors *c, const char *origin);

/* Adds what a page needs to read the reply and all of its headers. allow as
 * cors_allow() said. */
MUST_CHECK enum rc cors_put(const char *allow, struct http_reply *r);

/* Adds to the answer of OPTIONS what a page may send. */
MUST_CHECK enum rc cors_put_preflight(const char *methods,
                                      struct http_reply *r);

#endif
