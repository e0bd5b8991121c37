/* httpc_url.h - URLs: compared, resolved, shown. By libcurl's own reader, so that
 * what is checked is what is asked. Any thread.
 */
#ifndef ALTOCAST_NET_HTTPC_URL_H
#define ALTOCAST_NET_HTTPC_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/rc.h"

#define HTTPC_URL_MAX 4096

/* The scheme, host and port are the same (defaults filled in). */
bool httpc_same_origin(const char *a, const char *b);
/* The host is, whatever the scheme and the port. */
bool httpc_same_host(const char *a, const char *b);

/* Resolves ref against base as RFC 3986 s5 says and appends the result, without
 * a fragment. RC_EINVAL: not URLs, or not http, https, ws or wss. RC_ERULE:
 * same_origin was asked for and ref leads elsewhere. */
MUST_CHECK enum rc httpc_url_join(const char *base, const char *ref,
                                  bool same_origin, struct buf *out);

/* Absolute, of http or https. */
bool httpc_url_is_http(const char *url);

/* For people and logs: without user and password. */
void httpc_url_print(const char *url, char *dst, size_t size);

#endif
