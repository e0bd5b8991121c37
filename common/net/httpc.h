/* httpc.h - one conditional GET at a time, for pulling maps.
 *
 * Calls block, so they belong to a thread that may wait: never to the loop. A
 * client has one owner and keeps its connections open between calls; one that was
 * made under other terms of trust is not used again. Only http and https, with
 * TLS 1.2 at least; redirects only within the origin and at most 3; no proxy and
 * no .netrc from the environment; the body has a ceiling that counts decoded
 * bytes.
 */
#ifndef ALTOCAST_NET_HTTPC_H
#define ALTOCAST_NET_HTTPC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/net/httpc_url.h"	/* what callers join is asked here */
#include "common/net/tls.h"

#define HTTPC_REDIRECTS 3
#define HTTPC_FIELD_MAX 8192		/* bytes of one header value kept */
#define HTTPC_FIELDS 16			/* room for header values kept */

struct httpc;

struct httpc_options {
	const char *user_agent;
	unsigned connect_ms;		/* 0: 10 seconds */
	unsigned low_speed;		/* bytes per second ... */
	unsigned low_speed_s;		/* ... for so long: gives up; 0: never */
};

struct httpc_request {
	const char *url;		/* absolute */
	const char *accept;		/* these: header value, NULL: none */
	const char *if_none_match;
	const char *cache_control;
	const char *authorization;	/* never sent to another origin */
	struct tls_trust tls;		/* https: chain and host name are checked */
	size_t max_body;		/* decoded bytes */
	unsigned timeout_ms;		/* for the whole, redirects included */
	const atomic_bool *stop;	/* set: give up soon; NULL: none */
};

struct httpc_field {
	const char *name;		/* as in httpc_kept[], static */
	char *value;			/* NUL-terminated, trimmed */
};

struct httpc_answer {
	unsigned status;		/* 200, 304, 404 ... */
	struct httpc_field field[HTTPC_FIELDS];
	size_t n_fields;
	struct buf body;
	char *url;			/* the body's, after redirects */
};

/* The headers that are kept, NULL-terminated. Several lines of one name are
 * joined with ", " (RFC 9110 s5.3). */
extern const char *const httpc_kept[];

/* Call before any thread starts, or from the first one. RC_EIO: libcurl is not
 * usable. */
MUST_CHECK enum rc httpc_new(const struct httpc_options *opt,
                             struct httpc **out);
void httpc_free(struct httpc *c);			/* NULL is fine */

/* Any complete answer is RC_OK, whatever its status; *out is then the caller's
 * to httpc_answer_free(). RC_EINVAL: url not usable. RC_ERULE: redirect to
 * another origin or too many. RC_ELIMIT: body over max_body, or a kept header
 * over its ceiling. RC_ETIME: timeout_ms is over. RC_EAGAIN: *stop was set.
 * RC_EPROTO: not HTTP, or the coding is broken. RC_EIO: no connection, TLS
 * refused, cut off or too slow. What is wrong with a file of rq->tls: as
 * tls_identity_load() says. diag has the reason with the URL (without user
 * and password). */
MUST_CHECK enum rc httpc_get(struct httpc *c, const struct httpc_request *rq,
                             struct httpc_answer *out, struct diag *diag);

/* The value of a kept header, NULL when absent; name in any case. */
const char *httpc_header(const struct httpc_answer *a, const char *name);
void httpc_answer_free(struct httpc_answer *a);

#endif
