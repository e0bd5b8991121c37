/* caller.h - whose address a request came from, for endpoint costs that mean "from
 * me" (RFC 7285 s11.5.1.3): the peer's, or when that is a forwarder of ours, the
 * one that it says (RFC 7239). Immutable; any thread. */
#ifndef ALTOCAST_SERVICE_CALLER_H
#define ALTOCAST_SERVICE_CALLER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/core/prefix.h"
#include "common/net/http.h"

struct callers;

/* forwarders: addresses or prefixes whose header Forwarded (rfc7239) or
 * X-Forwarded-For is believed; none: no header is. RC_ESYNTAX, RC_ERULE: d says
 * which is no address; RC_ENOMEM. */
MUST_CHECK enum rc callers_new(const char *const *forwarders, size_t n,
                               bool rfc7239, struct diag *d,
                               struct callers **out);
void callers_free(struct callers *c);			/* NULL is fine */

/* "ipv4:192.0.2.1", "ipv6:2001:db8::1" (RFC 5952). IPv4-mapped IPv6 is IPv4:
 * that is what the listener makes of an IPv4 client. "": unknown. */
#define CALLER_TEXT_MAX (5 + PREFIX_TEXT_MAX)
void caller_find(struct callers *c, const struct http_request *rq,
                 char dst[CALLER_TEXT_MAX + 1]);

#endif
